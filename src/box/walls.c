// SPDX-License-Identifier: Apache-2.0
/*
 * walls.c - what a process in the box cannot do: capabilities, resource limits, no_new_privs,
 * Landlock; and the quiet start of pid 1
 *
 * Landlock is used for its scopes only (signals and abstract sockets stay in the box: a second
 * wall behind the pid and network namespaces, from ABI 6 on), once, in pid 1, so that all
 * programs of a box share the domain and can signal each other. Its file rules are allow lists:
 * "no writes below /proc/sys and /sys" would mean a rule for every other directory of /, deny
 * new names in / itself, and cost each open; those two trees are read-only mounts instead.
 */
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "box/runtime.h"

#define OOM_SCORE   "300" /* a process of the box goes before the user's own */
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288 /* systemd's value for services */
#define STACK_SOFT  (8u << 20)

int wall_missing(struct err *err, int code, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (abs(code) == ENOSPC || abs(code) == ENOMEM)
		return err_set(err, code, "%s", what);
	if (abs(code) == EPERM || abs(code) == EACCES)
		return userns_refused(err, code, what);
	return err_set_exit(err, EXIT_NO_WALL, code,
			    "%s ('belljar doctor' says what this machine lacks)", what);
}

int namespaces_refused(struct err *err, int code)
{
	if (code == EPERM || code == EACCES || code == EUSERS || code == ENOSPC)
		return userns_refused(err, code, "box: make namespaces");
	return wall_missing(err, code, "box: make namespaces");
}

/* ---- pid 1, before and after the mounts --------------------------------------------------- */

/* The arguments and the environment of the supervisor are readable at /proc/1 for as long as the
 * kernel thinks so: clear them. They lie together at the top of the stack, ended by the name that
 * was executed (proc(5), execve(2)). */
static void forget_arguments(void)
{
	char *from = program_invocation_name;
	char *to = (char *)getauxval(AT_EXECFN);

	if (from && to > from && to - from < (4 << 20)) {
		memset(from, 0, (size_t)(to - from));
		snprintf(from, (size_t)(to - from), "init");
	}
	prctl(PR_SET_NAME, "init");
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close all but 0, 1, 2 and @keep. */
static void close_others(int *keep, int n)
{
	unsigned from = 3;

	qsort(keep, (size_t)n, sizeof(*keep), by_number);
	for (int i = 0; i < n; i++) {
		if (keep[i] < 3)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

/* libc keeps two real-time signals to itself and refuses to set them; a parent that had them
 * ignored would be seen by every program. */
static void default_for_ever(int sig)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} dfl = { 0 };

	syscall(SYS_rt_sigaction, sig, &dfl, NULL, sizeof(dfl.mask));
}

int do_quiet(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	int keep[KEEP_FDS_MAX], n = 0, null;
	sigset_t none;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))
		return namespaces_refused(err, errno);
	null = open("/dev/null", O_RDWR);
	if (null < 0)
		return err_set(err, errno, "box: open '/dev/null'");
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	keep[n++] = s->ctl;
	keep[n++] = s->box->fd;
	for (int i = 0; i < s->plan->nbinds; i++)
		if (s->plan->bind[i].fd >= 0)
			keep[n++] = s->plan->bind[i].fd;
	close_others(keep, n);
	/* handlers went with the clone; what was ignored would stay so in every program */
	for (int sig = 1; sig < NSIG; sig++)
		if (signal(sig, SIG_DFL) == SIG_ERR)
			default_for_ever(sig);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(022);
	forget_arguments();
	/* own session keyring: the user's is not for programs (keyctl(2)) */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

int do_loopback(struct setup *s UNUSED, const struct step *st UNUSED, struct err *err)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	cleanup_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &ifr))
		return wall_missing(err, errno, "box: set the loopback interface up");
	return 0;
}

int do_hostname(struct setup *s UNUSED, const struct step *st, struct err *err)
{
	if (sethostname(st->value, strlen(st->value)) || setdomainname("(none)", 6))
		return wall_missing(err, errno, "box: set the host name");
	return 0;
}

int do_private(struct setup *s UNUSED, const struct step *st UNUSED, struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return wall_missing(err, errno, "box: make mounts private");
	return 0;
}

/* Whoever serves the network can begin, while the rest of the box is made. */
static int tell_network(const struct setup *s, struct err *err)
{
	struct report r = { .what = REP_NETWORK, .net_by = s->net_by };
	cleanup_close int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	const int fds[] = { s->userns, net };

	if (net < 0)
		return err_set(err, errno, "box: open the network namespace");
	if (fdpass_send(s->ctl, &r, sizeof(r), fds, 2))
		_exit(EXIT_INTERNAL); /* the supervisor is gone */
	return 0;
}

int do_ids(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	ssize_t k = recv(s->ctl, &s->go, sizeof(s->go), 0);
	cleanup_close int oom = -1;

	if (k != sizeof(s->go))
		_exit(EXIT_INTERNAL); /* the supervisor has given up and knows why */
	/* only now: the supervisor has put this process into its cgroup */
	if (unshare(CLONE_NEWCGROUP))
		return wall_missing(err, errno, "box: new cgroup namespace");
	if (s->box->info.range && syscall(SYS_setgroups, 0, NULL))
		return wall_missing(err, errno, "box: drop groups");
	/* the maps decide which numbers these are; without, files would have no owner. This also
	 * ends what the credentials' change does to the death signal: set it after. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return err_set(err, errno, "box: death signal");
	oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (oom >= 0)
		(void)!write(oom, OOM_SCORE, strlen(OOM_SCORE));
	s->userns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (s->userns < 0)
		return err_set(err, errno, "box: open the user namespace");
	return s->plan->net == BOX_NET_OFF ? 0 : tell_network(s, err);
}

/* ---- capabilities ------------------------------------------------------------------------- */

#define CAP_BIT(c) (1ull << (c))

/* What a package's maintainer scripts and daemons that drop their rights need, and nothing that
 * opens more of the kernel: no SYS_ADMIN, NET_ADMIN, NET_RAW, SYS_PTRACE, MKNOD. */
uint64_t caps_program(void)
{
	return CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) |
	       CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETUID) |
	       CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_NET_BIND_SERVICE) |
	       CAP_BIT(CAP_SYS_CHROOT);
}

int do_bound(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	uint64_t keep = s->plan->as_user ? 0 : caps_program();

	/* the bounding set works at exec: pid 1 keeps its own capabilities, its children inherit */
	for (int cap = 0; cap < 64; cap++) {
		if (keep & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap)) {
			if (errno == EINVAL)
				break; /* past the last one */
			return wall_missing(err, errno, "box: drop capability %d", cap);
		}
	}
	return 0;
}

static int caps_set(uint64_t caps)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

/* ---- Landlock ----------------------------------------------------------------------------- */

/* uapi of ABI 6 (Linux 6.12); Debian 12's headers are older */
#define LANDLOCK_VERSION	     1u
#define LANDLOCK_SCOPE_ABSTRACT_UNIX 1u
#define LANDLOCK_SCOPE_SIGNALS	     2u
struct landlock_attr_6 {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

int do_domain(struct setup *s UNUSED, const struct step *st UNUSED, struct err *err)
{
	struct landlock_attr_6 attr = { .scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX |
						  LANDLOCK_SCOPE_SIGNALS };
	cleanup_close int fd = -1;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION) < 6)
		return 0; /* second wall only; `doctor` tells */
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0))
		return wall_missing(err, errno, "box: Landlock");
	return 0;
}

/* ---- a program ---------------------------------------------------------------------------- */

static int limit(int what, uint64_t soft, uint64_t hard)
{
	struct rlimit now, to;

	if (getrlimit((__rlimit_resource_t)what, &now))
		return -errno;
	/* a plain user's hard limit cannot be raised */
	to.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	to.rlim_cur = soft < to.rlim_max ? soft : to.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &to) ? -errno : 0;
}

static int limits_up(const struct program_walls *w)
{
	int rc = 0;

	/* 1, not 0: it also stops dumps that core_pattern pipes to a helper on the host (core(5))
	 */
	rc = limit(RLIMIT_CORE, 1, 1);
	rc = rc ? rc : limit(RLIMIT_NOFILE, NOFILE_SOFT, NOFILE_HARD);
	rc = rc ? rc : limit(RLIMIT_STACK, STACK_SOFT, RLIM_INFINITY);
	if (w->nproc)
		rc = rc ? rc : limit(RLIMIT_NPROC, w->nproc, w->nproc);
	if (w->fsize)
		rc = rc ? rc : limit(RLIMIT_FSIZE, w->fsize, w->fsize);
	return rc;
}

int walls_up(const struct program_walls *w, struct err *err)
{
	int rc = limits_up(w);

	if (rc)
		return err_set(err, rc, "box: resource limits");
	if (w->change_ids &&
	    (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, w->gid, w->gid, w->gid) ||
	     syscall(SYS_setresuid, w->uid, w->uid, w->uid)))
		return err_set(err, errno, "box: become user %u of the box", (unsigned)w->uid);
	rc = caps_set(w->keep_caps ? caps_program() : 0);
	if (rc)
		return err_set(err, rc, "box: drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(err, errno, "box: no_new_privs");
	/* a change of ids makes a process undumpable; the recorder must see it before its exec */
	if (w->change_ids)
		prctl(PR_SET_DUMPABLE, 1);
	return 0;
}
