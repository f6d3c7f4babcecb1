// SPDX-License-Identifier: Apache-2.0
/*
 * escape.c - attempts to get out of a box; each must be stopped
 *
 *   escape all              every attempt, each in a process of its own
 *   escape one NAME         one
 *
 * Prints a line for each: `NAME stopped REASON` or `NAME OUT what was reached`. What an attempt
 * believes is only half of the test: tests/suites/escape.sh looks at the host and at the record
 * as well. Where to knock comes by the environment: ESCAPE_DIR is a folder of the host with a file
 * `victim`, ESCAPE_RO and ESCAPE_RW are folders that were brought in, ESCAPE_ABSTRACT the name of
 * a listening abstract socket of the host, ESCAPE_PORT a listening TCP port on its loopback,
 * ESCAPE_PID a process, ESCAPE_SHM and ESCAPE_SEM keys of System V objects, ESCAPE_POSIX the name
 * of a POSIX shared memory object, ESCAPE_KEY of a key in the caller's session keyring.
 * Like all specimens it works only under glass.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../specimen/marker.h"
#include "attempts.h"

static const char *given(const char *name)
{
	const char *v = getenv(name);

	return v ? v : "/not-given";
}

/* Opens for writing and writes; true when the bytes were taken. */
static bool write_to(int at, const char *path)
{
	int fd = openat(at, path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
	bool took;

	if (fd < 0)
		return false;
	took = write(fd, "escaped\n", 8) == 8;
	close(fd);
	return took;
}

static void in_dir(char *path, size_t n, const char *variable, const char *name)
{
	snprintf(path, n, "%s/%s", given(variable), name);
}

/* ---- the host's files --------------------------------------------------------------------- */

static bool host_path(char *say, size_t n)
{
	char path[4096];

	in_dir(path, sizeof(path), "ESCAPE_DIR", "victim");
	return write_to(AT_FDCWD, path) ? out(say, n, path) : stopped(say, n, path);
}

static bool proc_links(char *say, size_t n)
{
	static const char *const links[] = { "root", "cwd",  "fd/0", "fd/1", "fd/2",
					     "fd/3", "fd/4", "fd/5", "fd/6", "map_files" };
	DIR *d = opendir("/proc");
	struct dirent *e;
	char path[8192];
	unsigned tried = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || atoi(e->d_name) == getpid())
			continue;
		for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++, tried++) {
			snprintf(path, sizeof(path), "/proc/%s/%s%s/victim", e->d_name, links[i],
				 given("ESCAPE_DIR"));
			if (write_to(AT_FDCWD, path))
				return out(say, n, path);
		}
	}
	snprintf(say, n, "%u links lead nowhere", tried);
	return false;
}

static bool dot_dot(char *say, size_t n)
{
	char path[8192] = "";
	int fd = open("/", O_PATH | O_DIRECTORY);

	for (int i = 0; i < 40; i++)
		strcat(path, "../");
	strcat(path, given("ESCAPE_DIR") + 1);
	strcat(path, "/victim");
	(void)!chroot(".");
	return write_to(fd, path) ? out(say, n, "..") : stopped(say, n, "..");
}

static bool file_handles(char *say, size_t n)
{
	struct {
		struct file_handle h;
		unsigned char bytes[8];
	} f = { .h = { .handle_bytes = 8, .handle_type = 1 } };
	static const char *const mounts[] = { "/", "/usr", "/proc", "/dev/null", "/tmp" };
	uint32_t ino;

	for (size_t i = 0; i < 5; i++) {
		int at = open(mounts[i], O_RDONLY | O_CLOEXEC);

		for (ino = 2; at >= 0 && ino < 40; ino++) {
			memcpy(f.bytes, &ino, 4);
			if (open_by_handle_at(at, &f.h, O_RDONLY) >= 0)
				return out(say, n, mounts[i]);
		}
	}
	return stopped(say, n, "open_by_handle_at");
}

static bool fd_leak(char *say, size_t n)
{
	char path[64], target[4096];
	ssize_t len;

	for (int fd = 3; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len > 0) {
			target[len] = '\0';
			snprintf(say, n, "descriptor %d is %s", fd, target);
			return true;
		}
	}
	return out(say, n, "nothing above 2 is open") && false;
}

static bool stdio_is_host(char *say, size_t n)
{
	struct stat st;
	char path[64];

	/* our standard descriptors must be the box's own: no file of the host to reopen */
	for (int fd = 0; fd < 3; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && write_to(AT_FDCWD, path))
			return out(say, n, path);
	}
	snprintf(say, n, "no regular file among them");
	return false;
}

static bool environment(char *say, size_t n)
{
	const char *v = getenv("ESCAPE_CANARY");

	return v ? out(say, n, v) : (snprintf(say, n, "not passed on"), false);
}

/* ---- what was brought in ------------------------------------------------------------------ */

static bool ro_write(char *say, size_t n)
{
	char path[4096];

	in_dir(path, sizeof(path), "ESCAPE_RO", "victim");
	return write_to(AT_FDCWD, path) ? out(say, n, path) : stopped(say, n, path);
}

static bool ro_change(char *say, size_t n)
{
	char path[4096], other[4096];

	in_dir(path, sizeof(path), "ESCAPE_RO", "victim");
	in_dir(other, sizeof(other), "ESCAPE_RO", "other");
	if (unlink(path) == 0 || rename(path, other) == 0 || link(path, other) == 0 ||
	    chmod(path, 0777) == 0 || truncate(path, 0) == 0 || symlink("x", other) == 0 ||
	    mkdir(other, 0777) == 0 || utimensat(AT_FDCWD, path, NULL, 0) == 0 ||
	    setxattr(path, "user.x", "x", 1, 0) == 0 || mknod(other, S_IFIFO | 0600, 0) == 0)
		return out(say, n, path);
	return stopped(say, n, path);
}

static bool ro_reopen(char *say, size_t n)
{
	char path[4096], link_[64];
	int fd, dir;

	in_dir(path, sizeof(path), "ESCAPE_RO", "victim");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(link_, sizeof(link_), "/proc/self/fd/%d", fd);
	if (fd < 0 || write_to(AT_FDCWD, link_))
		return out(say, n, "reopened for writing, or not there at all");
	dir = open(given("ESCAPE_RO"), O_PATH | O_DIRECTORY);
	return write_to(dir, "victim") ? out(say, n, "through O_PATH") : stopped(say, n, link_);
}

static bool ro_remount(char *say, size_t n)
{
	const char *dir = given("ESCAPE_RO");

	mount("none", dir, NULL, MS_REMOUNT | MS_BIND, NULL);
	mount("none", "/", NULL, MS_REMOUNT | MS_BIND, NULL);
	return ro_write(say, n);
}

static bool ro_fifo(char *say, size_t n)
{
	char path[4096];

	in_dir(path, sizeof(path), "ESCAPE_RO", "fifo");
	return write_to(AT_FDCWD, path) ? out(say, n, path) : stopped(say, n, path);
}

static bool connect_unix(const char *path, char *say, size_t n)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return connect(s, (void *)&a, sizeof(a)) == 0 ? out(say, n, path) : stopped(say, n, path);
}

static bool ro_socket(char *say, size_t n)
{
	char path[4096];

	in_dir(path, sizeof(path), "ESCAPE_RO", "socket");
	return connect_unix(path, say, n);
}

static bool ro_lock(char *say, size_t n)
{
	char path[4096];
	int fd;

	/* held until the end of the run; the suite tries the same file from outside meanwhile */
	in_dir(path, sizeof(path), "ESCAPE_RO", "lock");
	fd = open(path, O_RDONLY);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return stopped(say, n, path);
	if (!fork()) {
		sleep(20);
		_exit(0);
	}
	snprintf(say, n, "taken inside; the suite looks whether it holds outside");
	return false;
}

static bool rw_above(char *say, size_t n)
{
	char path[4096];
	int dir = open(given("ESCAPE_RW"), O_PATH | O_DIRECTORY);

	in_dir(path, sizeof(path), "ESCAPE_RW", "../victim");
	if (write_to(AT_FDCWD, path) || write_to(dir, "../victim"))
		return out(say, n, path);
	return stopped(say, n, path);
}

static bool rw_move(char *say, size_t n)
{
	char path[4096];
	int dir;

	/* move a folder out of the shared one while we stand in it, then go up */
	in_dir(path, sizeof(path), "ESCAPE_RW", "below");
	mkdir(path, 0777);
	dir = open(path, O_PATH | O_DIRECTORY);
	if (rename(path, "/tmp/below") == 0)
		return out(say, n, "a rename left the shared folder");
	return write_to(dir, "../../victim") ? out(say, n, "went up") : stopped(say, n, path);
}

static bool rw_device(char *say, size_t n)
{
	char path[4096];
	int fd;

	in_dir(path, sizeof(path), "ESCAPE_RW", "device");
	if (mknod(path, S_IFBLK | 0666, (8 << 8)) < 0)
		return stopped(say, n, "mknod");
	fd = open(path, O_RDONLY);
	return fd >= 0 ? out(say, n, path) : stopped(say, n, path);
}

/* ---- processes ---------------------------------------------------------------------------- */

static bool signal_host(char *say, size_t n)
{
	pid_t pid = atoi(given("ESCAPE_PID"));

	if (fork() == 0) {
		setsid();
		kill(-1, SIGUSR1);
		_exit(0);
	}
	wait(NULL);
	kill(pid, SIGKILL);
	kill(-pid, SIGKILL);
	snprintf(say, n, "sent; the suite looks whether anybody died");
	return false;
}

static bool signal_keeper(char *say, size_t n)
{
	for (int s = 1; s < 65; s++)
		if (s != SIGCHLD)
			kill(1, s);
	usleep(100000);
	return kill(1, 0) < 0 && errno == ESRCH ? out(say, n, "process 1 is gone")
						: stopped(say, n, "process 1 lives");
}

static bool trace_keeper(char *say, size_t n)
{
	char c = 0;
	int fd = open("/proc/1/mem", O_RDWR);

	if (fd >= 0 && pread(fd, &c, 1, 0x400000) == 1)
		return out(say, n, "/proc/1/mem");
	if (ptrace(PTRACE_SEIZE, 1, 0, 0) == 0)
		return out(say, n, "ptrace");
	if (open("/proc/1/environ", O_RDONLY) >= 0 && open("/proc/1/maps", O_RDONLY) >= 0)
		return out(say, n, "/proc/1/maps can be read");
	return stopped(say, n, "process 1");
}

static bool proc_names(char *say, size_t n)
{
	char path[64], line[4096] = "";
	ssize_t len;
	int fd;

	/* the keeper's command line must not tell of the host */
	snprintf(path, sizeof(path), "/proc/1/cmdline");
	fd = open(path, O_RDONLY);
	len = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	for (ssize_t i = 0; i < len; i++)
		if (!line[i])
			line[i] = ' ';
	if (strstr(line, given("ESCAPE_DIR")) || strstr(line, "ESCAPE"))
		return out(say, n, line);
	snprintf(say, n, "it reads '%.60s'", line);
	return false;
}

static bool self_exe(char *say, size_t n)
{
	char link_[64];
	int fd = open("/proc/1/exe", O_PATH);

	/* CVE-2019-5736: the file that started the box, reopened for writing */
	snprintf(link_, sizeof(link_), "/proc/self/fd/%d", fd);
	if (fd >= 0 && open(link_, O_WRONLY) >= 0)
		return out(say, n, "/proc/1/exe");
	return stopped(say, n, "/proc/1/exe");
}

static bool namespaces(char *say, size_t n)
{
	static const char *const kinds[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	char path[64];

	for (size_t i = 0; i < 7; i++) {
		for (int pid = 1; pid < 40; pid++) {
			int fd;

			snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kinds[i]);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0 && setns(fd, 0) == 0)
				return out(say, n, path);
			if (fd >= 0)
				close(fd);
		}
	}
	return stopped(say, n, "setns");
}

static bool nested_userns(char *say, size_t n)
{
	long pid;

	if (unshare(CLONE_NEWUSER) == 0)
		return out(say, n, "unshare");
	pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		return out(say, n, "clone");
	return stopped(say, n, "user namespace");
}

static bool nested_clone3(char *say, size_t n)
{
	uint64_t args[11] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
	long pid = syscall(SYS_clone3, args, 64);

	if (pid == 0)
		_exit(0);
	return pid > 0 ? out(say, n, "clone3") : stopped(say, n, "clone3");
}

/* ---- other numbers for the same calls ----------------------------------------------------- */

static bool x32_calls(char *say, size_t n)
{
	if (syscall(0x40000000 | SYS_getpid) > 0)
		return out(say, n, "x32 calls are answered");
	if (syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER) == 0)
		return out(say, n, "x32 unshare");
	return stopped(say, n, "x32");
}

static bool i386_calls(char *say, size_t n)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		long rc;

		/* unshare(CLONE_NEWUSER) by its number of i386; machines without 32-bit calls trap
		 */
		__asm__ volatile("int $0x80" : "=a"(rc) : "a"(310), "b"(CLONE_NEWUSER) : "memory");
		_exit(rc == 0 ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		return out(say, n, "unshare by int 0x80");
	snprintf(say, n, WIFSIGNALED(status) ? "the machine has no int 0x80" : "refused");
	return false;
}

/* ---- identity ----------------------------------------------------------------------------- */

/*
 * What an installer needs, all of it capabilities of the box's own user namespace: CHOWN,
 * DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT,
 * SETFCAP. See doc/THREAT_MODEL.md. Anything more would be a way out.
 */
#define CAPABILITIES_MEANT 0x800405fbull

static unsigned long long capabilities(void)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps & ~CAPABILITIES_MEANT;
}

static bool set_user_id(char *say, size_t n)
{
	(void)!setuid(0);
	(void)!setresuid(0, 0, 0);
	if (capabilities())
		return out(say, n, "capabilities that were not meant, after setuid");
	snprintf(say, n, "none but those of an installer");
	return false;
}

static bool set_id_program(char *say, size_t n)
{
	int status, fd, in = open("/proc/self/exe", O_RDONLY);
	char buf[65536];
	ssize_t len;
	pid_t pid;

	fd = open("set-id", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while (fd >= 0 && (len = read(in, buf, sizeof(buf))) > 0)
		(void)!write(fd, buf, (size_t)len);
	close(fd);
	chmod("set-id", 06755);
	pid = fork();
	if (!pid) {
		execl("./set-id", "escape", "capabilities", (char *)NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 9)
		return out(say, n, "a set-id program has capabilities that were not meant");
	snprintf(say, n, "none but those of an installer");
	return false;
}

/* ---- channels ----------------------------------------------------------------------------- */

static bool abstract_socket(char *say, size_t n)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *name = given("ESCAPE_ABSTRACT");
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path + 1, name, strlen(name));
	if (connect(s, (void *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) == 0)
		return out(say, n, name);
	return stopped(say, n, name);
}

static bool path_socket(char *say, size_t n)
{
	char path[4096];

	in_dir(path, sizeof(path), "ESCAPE_DIR", "socket");
	return connect_unix(path, say, n);
}

static bool loopback(char *say, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(atoi(given("ESCAPE_PORT"))),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(s, (void *)&a, sizeof(a)) == 0 ? out(say, n, "the host's loopback")
						      : stopped(say, n, "loopback");
}

static bool vsock(char *say, size_t n)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 ? out(say, n, "AF_VSOCK")
						     : stopped(say, n, "AF_VSOCK");
}

static bool packet(char *say, size_t n)
{
	return socket(AF_PACKET, SOCK_RAW, htons(3)) >= 0 ? out(say, n, "AF_PACKET")
							  : stopped(say, n, "AF_PACKET");
}

static bool other_families(char *say, size_t n)
{
	for (int f = 0; f < 46; f++)
		if (f != AF_UNIX && f != AF_INET && f != AF_INET6 && f != AF_NETLINK &&
		    socket(f, SOCK_DGRAM, 0) >= 0) {
			snprintf(say, n, "family %d", f);
			return true;
		}
	return stopped(say, n, "every other family");
}

static bool netlink(char *say, size_t n)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} m = { .h = { .nlmsg_len = sizeof(m),
		       .nlmsg_type = RTM_NEWLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE },
		.i = { .ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = 1 } };
	char buf[4096];
	struct nlmsgerr *e;
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (s < 0 || send(s, &m, sizeof(m), 0) < 0 || recv(s, buf, sizeof(buf), 0) < 36)
		return stopped(say, n, "netlink");
	e = (struct nlmsgerr *)(buf + sizeof(struct nlmsghdr));
	errno = -e->error;
	return e->error ? stopped(say, n, "netlink") : out(say, n, "a link was changed");
}

static bool keyring(char *say, size_t n)
{
	char text[64] = "";
	long key = syscall(SYS_request_key, "user", given("ESCAPE_KEY"), NULL, 0);

	if (key > 0 && syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof(text)) > 0)
		return out(say, n, text);
	key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user",
		      given("ESCAPE_KEY"), 0);
	if (key > 0)
		return out(say, n, "found in the session keyring");
	return stopped(say, n, "keyring");
}

static bool sysv_shm(char *say, size_t n)
{
	int id = shmget((key_t)strtol(given("ESCAPE_SHM"), NULL, 0), 0, 0);
	char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (p == (void *)-1)
		return stopped(say, n, "shmget");
	strcpy(p, "escaped");
	return out(say, n, "shared memory");
}

static bool sysv_sem(char *say, size_t n)
{
	return semget((key_t)strtol(given("ESCAPE_SEM"), NULL, 0), 0, 0) >= 0
		       ? out(say, n, "semaphore")
		       : stopped(say, n, "semget");
}

static bool posix_shm(char *say, size_t n)
{
	return shm_open(given("ESCAPE_POSIX"), O_RDWR, 0) >= 0 ? out(say, n, "shm_open")
							       : stopped(say, n, "shm_open");
}

static bool posix_queue(char *say, size_t n)
{
	return mq_open(given("ESCAPE_POSIX"), O_RDWR) >= 0 ? out(say, n, "mq_open")
							   : stopped(say, n, "mq_open");
}

/* ---- the kernel --------------------------------------------------------------------------- */

static bool any_write(const char *const *paths, char *say, size_t n)
{
	for (; *paths; paths++) {
		int fd = open(*paths, O_WRONLY | O_CLOEXEC);
		struct stat st;

		/* opening is enough to know; nothing is written to a real kernel's switch. What is
		 * masked is the null device there (null(4)): nothing goes through it. */
		if (fd >= 0 && (fstat(fd, &st) || st.st_rdev != makedev(1, 3)))
			return out(say, n, *paths);
		close(fd);
	}
	return stopped(say, n, "all of them");
}

static bool kernel_settings(char *say, size_t n)
{
	static const char *const paths[] = { "/proc/sys/kernel/core_pattern",
					     "/proc/sys/kernel/modprobe",
					     "/proc/sys/vm/drop_caches",
					     "/proc/sys/fs/binfmt_misc/register",
					     "/proc/sysrq-trigger",
					     "/proc/kcore",
					     "/proc/sys/kernel/ns_last_pid",
					     "/proc/sys/vm/overcommit_memory",
					     "/proc/sys/fs/file-max",
					     "/proc/sys/kernel/panic",
					     "/proc/sys/user/max_user_namespaces",
					     "/proc/1/oom_score_adj",
					     "/proc/irq/0/smp_affinity",
					     "/proc/acpi/wakeup",
					     NULL };

	return any_write(paths, say, n);
}

static bool device_tree(char *say, size_t n)
{
	static const char *const paths[] = {
		"/sys/kernel/uevent_helper",	       "/sys/power/state",
		"/sys/fs/cgroup/release_agent",	       "/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/unified/cgroup.procs",
		"/sys/kernel/debug/sched_features",    "/sys/kernel/mm/ksm/run",
		"/sys/module/printk/parameters/time",  NULL
	};

	return any_write(paths, say, n);
}

static bool devices(char *say, size_t n)
{
	static const char *const paths[] = {
		"/dev/mem",   "/dev/kmsg",	  "/dev/sda",	       "/dev/vda",
		"/dev/kvm",   "/dev/fuse",	  "/dev/uinput",       "/dev/tty0",
		"/dev/tty1",  "/dev/console",	  "/dev/loop-control", "/dev/net/tun",
		"/dev/vsock", "/dev/vhost-vsock", "/dev/input/event0", "/dev/dri/card0",
		NULL
	};

	return any_write(paths, say, n);
}

static bool modules(char *say, size_t n)
{
	if (syscall(SYS_init_module, "", 0, "") == 0 || syscall(SYS_finit_module, 0, "", 0) == 0)
		return out(say, n, "init_module");
	return errno == ENOEXEC ? out(say, n, "the kernel looked at the module")
				: stopped(say, n, "init_module");
}

static bool mounts(char *say, size_t n)
{
	char opts[64];

	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0 ||
	    mount("proc", "/mnt", "proc", 0, NULL) == 0 ||
	    mount("cgroup2", "/mnt", "cgroup2", 0, NULL) == 0 ||
	    mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL) == 0 ||
	    mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) == 0 ||
	    umount2("/proc", MNT_DETACH) == 0 || umount2("/sys", MNT_DETACH) == 0)
		return out(say, n, "mount");
	snprintf(opts, sizeof(opts), "fd=%d,rootmode=40000,user_id=0,group_id=0", 0);
	if (mount("fuse", "/mnt", "fuse", 0, opts) == 0)
		return out(say, n, "fuse");
	return stopped(say, n, "mount");
}

static bool new_mount_api(char *say, size_t n)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", 1 | O_CLOEXEC);

	if (fd >= 0 && syscall(SYS_move_mount, fd, "", AT_FDCWD, "/mnt", 4) == 0)
		return out(say, n, "move_mount");
	fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
	return fd >= 0 ? out(say, n, "fsopen") : stopped(say, n, "open_tree, fsopen");
}

static bool io_uring(char *say, size_t n)
{
	char params[120] = "";

	return syscall(SYS_io_uring_setup, 4, params) >= 0 ? out(say, n, "io_uring_setup")
							   : stopped(say, n, "io_uring_setup");
}

static bool bpf(char *say, size_t n)
{
	uint32_t attr[32] = { 1 /* hash */, 4, 4, 1 };

	return syscall(SYS_bpf, 0, attr, sizeof(attr)) >= 0 ? out(say, n, "bpf")
							    : stopped(say, n, "bpf");
}

static bool terminal(char *say, size_t n)
{
	static const char type[] = "echo ESCAPED-BY-TTY\n";
	int tty = open("/dev/tty", O_RDWR);
	int fds[] = { 0, 1, 2, tty };
	bool took = false;

	for (size_t i = 0; i < 4; i++)
		for (const char *c = type; *c; c++) {
			took |= syscall(SYS_ioctl, fds[i], TIOCSTI, c) == 0;
			took |= syscall(SYS_ioctl, fds[i], 0x1234567800000000ul | TIOCSTI, c) == 0;
			took |= syscall(SYS_ioctl, fds[i], 0xffffffff00000000ul | TIOCSTI, c) == 0;
		}
	return took ? out(say, n, "TIOCSTI") : stopped(say, n, "TIOCSTI");
}

/* Ways into parts of the kernel that socket(2) does not have. */
static bool other_pairs(char *say, size_t n)
{
	int pair[2];

	for (int family = AF_UNIX + 1; family < 64; family++)
		if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK &&
		    !socketpair(family, SOCK_STREAM, 0, pair))
			return out(say, n, "socketpair");
	if (!socketpair(AF_INET, SOCK_STREAM, 132 /* IPPROTO_SCTP */, pair))
		return out(say, n, "SCTP");
	return stopped(say, n, "socketpair");
}

static bool line_discipline(char *say, size_t n)
{
	int tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int d = 0; d < 31; d++)
		if (!ioctl(tty, TIOCSETD, &d))
			return out(say, n, "TIOCSETD");
	return stopped(say, n, "TIOCSETD");
}

static bool new_calls(char *say, size_t n)
{
	for (int nr = 470; nr < 520; nr++)
		if (syscall(nr, 0, 0, 0, 0, 0, 0) >= 0 || errno != ENOSYS)
			return out(say, n, "a call that nobody knows");
	return stopped(say, n, "calls of kernels to come");
}

/* The nodes are the host's own: their times are, too. */
static bool device_times(char *say, size_t n)
{
	static const char *const nodes[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					     "/dev/random", "/dev/urandom", "/dev/tty" };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		int fd = open(nodes[i], O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0600);

		if (!utimensat(AT_FDCWD, nodes[i], NULL, 0) || !chmod(nodes[i], 0600) ||
		    (fd >= 0 && (!futimens(fd, NULL) || !fchmod(fd, 0600))))
			return out(say, n, nodes[i]);
		if (fd < 0 && i == 0)
			return out(say, n, "nothing can be written to /dev/null");
	}
	return stopped(say, n, "times of devices");
}

/* Calls whose arguments the kernel can read and nobody else: memfd_secret(2), Linux 5.14. */
static bool hidden_memory(char *say, size_t n)
{
	static const char name[] = "/srv/hidden";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(443) };
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_CREAT | O_WRONLY, 0644, 0 };
	int fd = (int)syscall(447, 0), s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *at = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096))
		at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) { /* none here: memory that nobody can read */
		at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(at, 4096);
	} else {
		inet_pton(AF_INET, "203.0.113.5", &to.sin_addr);
		memcpy(at, name, sizeof(name));
		memcpy(at + 256, &how, sizeof(how));
		memcpy(at + 512, &to, sizeof(to));
	}
	if (open(at, O_CREAT | O_WRONLY, 0644) >= 0 || !mkdir(at, 0755) || !symlink("/", at) ||
	    syscall(437, AT_FDCWD, name, at + 256, sizeof(how)) >= 0)
		return out(say, n, "a file that nobody saw made");
	if (!connect(s, (void *)(at + 512), sizeof(to)) ||
	    sendto(s, "x", 1, 0, (void *)(at + 512), sizeof(to)) > 0)
		return out(say, n, "a datagram that nobody saw sent");
	return stopped(say, n, "names in hidden memory");
}

/* ---- table -------------------------------------------------------------------------------- */

static const struct attempt attempts[] = {
	{ "host-path", host_path },
	{ "proc-links", proc_links },
	{ "dot-dot", dot_dot },
	{ "file-handles", file_handles },
	{ "fd-leak", fd_leak },
	{ "stdio-is-host", stdio_is_host },
	{ "environment", environment },
	{ "ro-write", ro_write },
	{ "ro-change", ro_change },
	{ "ro-reopen", ro_reopen },
	{ "ro-remount", ro_remount },
	{ "ro-fifo", ro_fifo },
	{ "ro-socket", ro_socket },
	{ "ro-lock", ro_lock },
	{ "rw-above", rw_above },
	{ "rw-move", rw_move },
	{ "rw-device", rw_device },
	{ "signal-host", signal_host },
	{ "signal-keeper", signal_keeper },
	{ "trace-keeper", trace_keeper },
	{ "keeper-name", proc_names },
	{ "self-exe", self_exe },
	{ "namespaces", namespaces },
	{ "nested-userns", nested_userns },
	{ "nested-clone3", nested_clone3 },
	{ "x32-calls", x32_calls },
	{ "i386-calls", i386_calls },
	{ "set-user-id", set_user_id },
	{ "set-id-program", set_id_program },
	{ "abstract-socket", abstract_socket },
	{ "path-socket", path_socket },
	{ "loopback", loopback },
	{ "vsock", vsock },
	{ "packet", packet },
	{ "other-families", other_families },
	{ "netlink", netlink },
	{ "keyring", keyring },
	{ "sysv-shm", sysv_shm },
	{ "sysv-sem", sysv_sem },
	{ "posix-shm", posix_shm },
	{ "posix-queue", posix_queue },
	{ "kernel-settings", kernel_settings },
	{ "device-tree", device_tree },
	{ "devices", devices },
	{ "modules", modules },
	{ "mounts", mounts },
	{ "new-mount-api", new_mount_api },
	{ "io-uring", io_uring },
	{ "bpf", bpf },
	{ "terminal", terminal },
	{ "other-pairs", other_pairs },
	{ "line-discipline", line_discipline },
	{ "new-calls", new_calls },
	{ "device-times", device_times },
	{ "hidden-memory", hidden_memory },
};

#define ATTEMPT_SECONDS 30

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGUSR1, SIG_IGN); /* signal-host sends it to everybody in the box */
	if (!under_glass("escape"))
		return EXIT_NOT_UNDER_GLASS;
	if (argc == 2 && !strcmp(argv[1], "capabilities"))
		return capabilities() ? 9 : 0;
	return attempts_main("escape", argc, argv, attempts, sizeof(attempts) / sizeof(attempts[0]),
			     ATTEMPT_SECONDS);
}
