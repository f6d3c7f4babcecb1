// SPDX-License-Identifier: Apache-2.0
/*
 * broker.c - the one process that stays root when root starts belljar
 *
 * Theory of operation
 *
 * Forked before anything else happens, it closes all descriptors but one socket, keeps the few
 * capabilities that its requests need, and serves a table of four requests: write the fixed id
 * maps (0…65535 → BOX_ROOT_UID…) of a child, make a cgroup, remove a cgroup, remove those of runs
 * that are no more. A request names no
 * path and no id; what it names (a pid, a cgroup's name, limits) is checked here against the
 * kernel's view, because the asking process handles hostile bytes and may be taken over. A taken
 * over client gains: maps for namespaces of its own, cgroups below belljar/.
 *
 * Each request brings the socket that its answer goes to, so that several threads and children
 * of the client can ask at once.
 *
 * Invariant: the broker dies with the client's main thread.
 */
#include <assert.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "box/broker_cgroup.h"
#include "box/internal.h"

#define ANCESTORS_MAX 64

enum request_kind { REQ_MAP, REQ_CGROUP_MAKE, REQ_CGROUP_REMOVE, REQ_CGROUP_SWEEP, REQ_KINDS };

struct request {
	uint32_t kind;
	int32_t pid;
	char name[CGROUP_NAME_MAX + 1];
	struct box_limits limits;
};

struct answer {
	int32_t rc;
	char how[256];
};

/* ---- checks ------------------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
	cleanup_free char *text = NULL;
	char path[64];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (read_file_at(AT_FDCWD, path, 65536, &text, NULL))
		return 0;
	p = strstr(text, "\nPPid:");
	return p ? (pid_t)strtol(p + 6, NULL, 10) : 0;
}

static bool descends_from(pid_t pid, pid_t ancestor)
{
	for (int i = 0; pid > 1 && i < ANCESTORS_MAX; i++) {
		pid = parent_of(pid);
		if (pid == ancestor)
			return true;
	}
	return false;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A namespace that is a child of ours, owned by the client's user, and has no map yet. */
static int check_fresh_userns(int proc_fd)
{
	cleanup_close int ns = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	cleanup_close int up = -1, ours = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	cleanup_free char *map = NULL;
	uid_t owner;
	size_t n;
	int rc;

	if (ns < 0 || ours < 0)
		return -errno;
	up = ioctl(ns, NS_GET_PARENT);
	if (up < 0 || !same_file(up, ours))
		return -EPERM;
	if (ioctl(ns, NS_GET_OWNER_UID, &owner) || owner != BOX_ROOT_UID)
		return -EPERM;
	rc = read_file_at(proc_fd, "uid_map", 4096, &map, &n);
	return rc ? rc : n ? -EPERM : 0;
}

static int put_at(int dirfd, const char *file, const char *text)
{
	cleanup_close int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* ---- requests ----------------------------------------------------------------------------- */

static int serve_map(pid_t client, const struct request *r, struct answer *a UNUSED)
{
	char path[32], map[64];
	cleanup_close int proc = -1;
	int rc;

	/* opened first: from here on the folder stands for one process, whatever its number does */
	snprintf(path, sizeof(path), "/proc/%d", r->pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	if (!descends_from(r->pid, client))
		return -EPERM;
	rc = check_fresh_userns(proc);
	if (rc)
		return rc;
	snprintf(map, sizeof(map), "0 %u %u\n", BOX_ROOT_UID, BOX_RANGE);
	rc = put_at(proc, "uid_map", map);
	return rc ? rc : put_at(proc, "gid_map", map);
}

static int serve_make(pid_t client, const struct request *r, struct answer *a)
{
	if (!descends_from(r->pid, client))
		return -EPERM;
	return cgroup_make(r->name, r->pid, &r->limits, a->how);
}

static int serve_remove(pid_t client UNUSED, const struct request *r, struct answer *a UNUSED)
{
	return cgroup_remove(r->name);
}

static int serve_sweep(pid_t client UNUSED, const struct request *r UNUSED, struct answer *a UNUSED)
{
	return cgroup_sweep() ? -EBUSY : 0;
}

static int (*const serve[])(pid_t, const struct request *, struct answer *) = {
	[REQ_MAP] = serve_map,
	[REQ_CGROUP_MAKE] = serve_make,
	[REQ_CGROUP_REMOVE] = serve_remove,
	[REQ_CGROUP_SWEEP] = serve_sweep,
};
static_assert(ARRAY_SIZE(serve) == REQ_KINDS, "a server for each request");

static void broker_loop(int sock, pid_t client)
{
	for (;;) {
		struct request r = { 0 };
		struct answer a = { 0 };
		int to = -1, nfds = 1;
		ssize_t n = fdpass_recv(sock, &r, sizeof(r), &to, &nfds);

		if (n == 0 || (n < 0 && n != -EINTR))
			return;
		if (n == sizeof(r) && nfds == 1) {
			r.name[CGROUP_NAME_MAX] = 0;
			a.rc = r.kind < REQ_KINDS ? serve[r.kind](client, &r, &a) : -EINVAL;
			(void)send(to, &a, sizeof(a), MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		if (nfds == 1)
			close(to);
	}
}

static void keep_caps(void)
{
	static const int keep[] = { CAP_SETUID,	    CAP_SETGID,	      CAP_SYS_ADMIN,
				    CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
				    CAP_KILL };
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2], want[2] = { 0 };

	if (syscall(SYS_capget, &h, have))
		_exit(EXIT_INTERNAL);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		want[CAP_TO_INDEX(keep[i])].permitted |= CAP_TO_MASK(keep[i]);
	for (int i = 0; i < 2; i++) {
		want[i].permitted &= have[i].permitted;
		want[i].effective = want[i].permitted;
	}
	if (syscall(SYS_capset, &h, want))
		_exit(EXIT_INTERNAL);
}

static void broker_main(int sock, pid_t client)
{
	sigset_t all;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != client)
		_exit(EXIT_INTERNAL);
	prctl(PR_SET_NAME, "belljar-broker", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* out of the terminal's reach: Ctrl-C is for the client, which still needs us after it */
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(EXIT_INTERNAL);
	if (dup2(sock, 3) < 0 || close_range(4, ~0u, 0))
		_exit(EXIT_INTERNAL);
	if (chdir("/"))
		_exit(EXIT_INTERNAL);
	keep_caps();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	broker_loop(3, client);
	_exit(0);
}

int broker_start(int *ret_sock, struct err *err)
{
	pid_t client = getpid(), pid;
	int s[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s))
		return err_set(err, errno, "box: make the broker's socket");
	pid = fork();
	if (pid < 0) {
		close(s[0]);
		close(s[1]);
		return err_set(err, errno, "box: start the broker");
	}
	if (pid == 0)
		broker_main(s[1], client);
	close(s[1]);
	*ret_sock = s[0];
	return 0;
}

/* ---- the client's side -------------------------------------------------------------------- */

static int ask(int sock, const struct request *r, struct answer *ret)
{
	cleanup_close int mine = -1, theirs = -1;
	int s[2], rc;

	if (sock < 0)
		return -ENOTSUP;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s))
		return -errno;
	mine = s[0], theirs = s[1];
	rc = fdpass_send(sock, r, sizeof(*r), &theirs, 1);
	if (rc)
		return rc;
	close(steal_fd(&theirs));
	for (;;) {
		ssize_t n = recv(mine, ret, sizeof(*ret), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(*ret))
			return n < 0 ? -errno : -EPIPE;
		ret->how[sizeof(ret->how) - 1] = 0;
		return ret->rc;
	}
}

int broker_map(int sock, pid_t child, struct err *err)
{
	struct request r = { .kind = REQ_MAP, .pid = child };
	struct answer a;
	int rc = ask(sock, &r, &a);

	return rc ? err_set_exit(err, EXIT_NO_WALL, rc, "box: have root write the id maps") : 0;
}

int broker_cgroup_make(const struct box_home *home, const char *name, pid_t pid1,
		       const struct box_limits *limits, char ret_how[256], struct err *err)
{
	struct request r = { .kind = REQ_CGROUP_MAKE, .pid = pid1, .limits = *limits };
	struct answer a;
	int rc;

	if (strlen(name) > CGROUP_NAME_MAX)
		return err_set(err, ENAMETOOLONG, "box: make cgroup '%s'", name);
	memcpy(r.name, name, strlen(name) + 1);
	rc = ask(home->broker, &r, &a);
	if (rc)
		return err_set(err, rc, "box: make cgroup '%s'", name);
	memcpy(ret_how, a.how, sizeof(a.how));
	return 0;
}

int broker_cgroup_remove(const struct box_home *home, const char *name)
{
	struct request r = { .kind = REQ_CGROUP_REMOVE };
	struct answer a;

	if (strlen(name) > CGROUP_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(r.name, name, strlen(name) + 1);
	return ask(home->broker, &r, &a);
}

int broker_cgroup_sweep(const struct box_home *home)
{
	struct request r = { .kind = REQ_CGROUP_SWEEP };
	struct answer a;

	return ask(home->broker, &r, &a);
}
