// SPDX-License-Identifier: Apache-2.0
/*
 * probe_host.c - try limits, what the later gate needs, and tell facts of the machine
 */
#include <dlfcn.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "box/limits.h"
#include "box/net.h"
#include "box/probe.h"

#define RMDIR_TRIES 100

/* ---- limits ------------------------------------------------------------------------------- */

static int cgroups_as_root(struct probe_try *t)
{
	static const struct box_limits l = { .memory = 1ull << 30, .pids = 100, .cpus = 1 };
	char name[32] = "doctor-", how[256] = "";
	struct err err = { 0 };
	pid_t pid = fork();
	int rc;

	random_hex(name + 7, 12);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	rc = pid < 0 ? -errno : broker_cgroup_make(t->home, name, pid, &l, how, &err);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	broker_cgroup_remove(t->home, name);
	if (rc)
		return probe_found(t, PROBE_WEAKER, "no cgroup: %s", strerror(-rc));
	return probe_found(t,
			   strstr(how, "memory") && strstr(how, "pids") ? PROBE_OK : PROBE_WEAKER,
			   "%.200s", how[0] ? how : "cgroups without controllers");
}

/* Ours to write, or given by the user's systemd when it is asked: in a child, as it moves us. */
static int cgroups_as_user(struct probe_try *t)
{
	static const struct box_limits l = { .memory = 1ull << 30, .pids = 100, .cpus = 1 };
	bool asked = !own_cgroup_usable();
	char dir[CGROUP_DIR_MAX];
	struct own_has has = { 0 };
	pid_t pid;
	int rc;

	if (asked && !own_scope_ask(t->home->uid))
		return probe_found(t, PROBE_WEAKER,
				   "no cgroup that is ours, and no systemd that "
				   "gives one");
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	rc = pid < 0 ? -errno : own_cgroup_here(pid, &l, dir, &has);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (rc)
		return probe_found(t, PROBE_WEAKER, "no cgroup: %s", strerror(-rc));
	/* the kernel takes a moment to let go of the dead */
	for (int i = 0; i < RMDIR_TRIES && rmdir(dir) && errno == EBUSY; i++)
		poll(NULL, 0, 10);
	return probe_found(t, has.memory && has.pids ? PROBE_OK : PROBE_WEAKER, "%s%s%s=cgroup2%s",
			   has.memory ? "memory " : "", has.pids ? "pids " : "",
			   has.cpu ? "cpu " : "",
			   asked ? ", in a scope of the user's systemd" : "");
}

int probe_cgroups(struct probe_try *t)
{
	return t->home->by_root ? cgroups_as_root(t) : cgroups_as_user(t);
}

/* ---- for the gate ------------------------------------------------------------------------- */

static int make_network(struct probe_try *t, int (*way)(struct err *err))
{
	static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 1 };
	struct err err = { 0 };

	if (unshare(CLONE_NEWNET))
		return probe_found(t, PROBE_WEAKER, "a network namespace: %s", strerror(errno));
	if (do_loopback(NULL, NULL, &err) || net_interface(mac, &err) || way(&err))
		return probe_found(t, PROBE_WEAKER, "%.160s", err.msg);
	return PROBE_OK;
}

/* The whole of it, as a box with a network has it. */
int probe_tproxy(struct probe_try *t)
{
	int one = 1, state = make_network(t, net_redirect);
	cleanup_close int s = -1;

	if (state != PROBE_OK)
		return state;
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || setsockopt(s, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)))
		return probe_found(t, PROBE_WEAKER, "a transparent socket: %s", strerror(errno));
	return probe_found(t, PROBE_OK, "an interface, TPROXY rules, transparent sockets%s",
			   net_has_ipv6() ? "" : "; no IPv6");
}

int probe_slirp(struct probe_try *t)
{
	int version = TPACKET_V2, state = make_network(t, net_read_out);
	cleanup_close int s = -1;

	if (state != PROBE_OK)
		return state;
	s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s < 0 || setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)))
		return probe_found(t, PROBE_WEAKER, "a packet socket: %s", strerror(errno));
	if (!dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL))
		return probe_found(t, PROBE_WEAKER, "%.200s", dlerror());
	return probe_found(t, PROBE_OK, "an interface, a packet socket, libslirp");
}

/* ---- facts -------------------------------------------------------------------------------- */

int probe_kernel(struct probe_try *t)
{
	int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	return probe_found(t, major < 5 || (major == 5 && minor < 19) ? PROBE_WEAKER : PROBE_OK,
			   "%.60s %.60s", u.release, u.machine);
}

int probe_memfd(struct probe_try *t)
{
	long v = probe_number("/proc/sys/vm/memfd_noexec");
	cleanup_close int fd = memfd_create("belljar-doctor", MFD_CLOEXEC);

	if (fd < 0)
		return probe_found(t, PROBE_OK, "cannot be made: %s", strerror(errno));
	return probe_found(t, PROBE_OK, "%s",
			   v > 1 ? "refused by vm.memfd_noexec" : "allowed here, and recorded");
}

int probe_io_uring(struct probe_try *t)
{
	char params[512] = { 0 };
	long fd = syscall(SYS_io_uring_setup, 1, params);

	if (fd < 0)
		return probe_found(t, PROBE_OK, "off on this host (%s), and in boxes",
				   strerror(errno));
	close((int)fd);
	return probe_found(t, PROBE_OK, "there, but answered \"no such call\" in boxes");
}

/* getpid by the 32-bit entry of the kernel. */
static int call_32bit(void)
{
	int r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

int probe_32bit(struct probe_try *t)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(call_32bit() == getpid() ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return probe_found(t, PROBE_OK, "unknown");
	return probe_found(t, PROBE_OK, "%s",
			   WIFEXITED(status) && !WEXITSTATUS(status) ? "their calls work here"
								     : "do not run on this kernel");
}

int probe_certificates(struct probe_try *t)
{
	const char *named = getenv("SSL_CERT_FILE");

	if (named && *named)
		return probe_found(t, access(named, R_OK) ? PROBE_WEAKER : PROBE_OK,
				   "those of %.200s%s", named,
				   access(named, R_OK) ? ", which cannot be read" : "");
	for (const char *const *path = trusted_bundles; *path; path++)
		if (!access(*path, R_OK))
			return probe_found(t, PROBE_OK, "those of %s", *path);
	return probe_found(t, PROBE_WEAKER, "none where a distribution keeps them");
}

#define SPACE_LITTLE (2ull << 30)
#define SPACE_NONE   (64ull << 20)

int probe_space(struct probe_try *t)
{
	struct statvfs s;
	uint64_t bytes;
	int state;

	if (fstatvfs(t->home->fd, &s))
		return probe_found(t, PROBE_MISSING, "%s", strerror(errno));
	bytes = (uint64_t)s.f_bavail * s.f_frsize;
	state = bytes < SPACE_NONE ? PROBE_MISSING : bytes < SPACE_LITTLE ? PROBE_WEAKER : PROBE_OK;
	if (s.f_files && s.f_favail < 100000 && state == PROBE_OK)
		state = PROBE_WEAKER;
	return probe_found(t, state, "%.1f GiB, %s%llu files free in the home of the boxes",
			   (double)bytes / (1 << 30), s.f_files ? "" : "at least ",
			   (unsigned long long)(s.f_files ? s.f_favail : 100000));
}

#define YEAR_2026 1767225600ull

int probe_clock(struct probe_try *t)
{
	uint64_t now = clock_real_ns();
	struct timex x = { 0 };
	char iso[CLOCK_ISO_MAX];
	bool sync = adjtimex(&x) >= 0 && !(x.status & STA_UNSYNC);

	return probe_found(t, now / NSEC_PER_SEC < YEAR_2026 ? PROBE_WEAKER : PROBE_OK,
			   "%s, %s by a time server", clock_iso(now, iso),
			   sync ? "kept right" : "not kept right");
}
