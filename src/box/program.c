// SPDX-License-Identifier: Apache-2.0
/*
 * program.c - the child of pid 1 that becomes a program
 *
 * Theory of operation
 *
 * The child borrows pid 1's memory until its exec, as vfork(2) does it, on a stack of its own: to
 * copy the memory map and to fault its pages in again costs as much as all that the child does. pid
 * 1 stands still meanwhile and asks nothing; what the child allocates is freed by pid 1 afterwards.
 * Ids, capabilities, limits, descriptors, and the filter belong to the child alone. Not so whether
 * the memory may be looked at (PR_SET_DUMPABLE), which the kernel takes away when an id changes:
 * a child that becomes another user has memory of its own.
 *
 * Order: session and terminal, standard descriptors, everything else closed, walls, PATH, "ready"
 * to the supervisor, the recorder's hook, exec. The recorder's filter stands at the hook's end, so
 * nothing is done afterwards but one execve() and, when that fails, one message.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "box/runtime.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

enum { FD_STATUS = 3, FD_HOOK = 4, FD_FREE = 5 };

#define STACK_SIZE (512u << 10)

struct program {
	const struct request *req;
	const int *fds; /* of the request */
	char *path;	/* what is executed */
	char **argv, **env;
	const char *cwd;
	int std[3];
	int master; /* pty, -1 */
};

static _Noreturn void give_up(pid_t inner, const struct err *err)
{
	struct status st = { .what = STATUS_FAILED, .inner = inner, .err = *err };

	send(FD_STATUS, &st, sizeof(st), MSG_NOSIGNAL);
	_exit(EXIT_NOT_EXEC);
}

/* ---- what the request holds --------------------------------------------------------------- */

static void unpack(struct program *p, const char *strings)
{
	const struct request *req = p->req;

	p->argv = xcalloc((size_t)req->nargv + 1, sizeof(char *));
	p->env = xcalloc((size_t)req->nenv + 1, sizeof(char *));
	for (int i = 0; i < req->nargv; i++, strings += strlen(strings) + 1)
		p->argv[i] = (char *)strings;
	for (int i = 0; i < req->nenv; i++, strings += strlen(strings) + 1)
		p->env[i] = (char *)strings;
	p->cwd = req->has_cwd ? strings : NULL;
}

static const char *env_get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* ---- descriptors -------------------------------------------------------------------------- */

/* fds: status, hook, then the given ones of 0, 1, 2. All move to fixed numbers. */
static void arrange(struct program *p)
{
	static const int flag[3] = { SPAWN_STDIN, SPAWN_STDOUT, SPAWN_STDERR };
	const struct request *req = p->req;
	const int *fds = p->fds;
	int at = 0, high[2] = { -1, -1 }, n = 0;

	/* out of the way of the numbers they go to; sources are below 100 in pid 1 */
	high[n++] = fcntl(fds[at++], F_DUPFD_CLOEXEC, 100);
	if (req->flags & SPAWN_HOOK)
		high[n++] = fcntl(fds[at++], F_DUPFD_CLOEXEC, 100);
	for (int i = 0; i < 3; i++)
		p->std[i] = req->flags & flag[i] ? fcntl(fds[at++], F_DUPFD_CLOEXEC, 100) : -1;
	dup3(high[0], FD_STATUS, O_CLOEXEC);
	if (req->flags & SPAWN_HOOK)
		dup3(high[1], FD_HOOK, O_CLOEXEC);
}

static int open_pty(struct program *p, struct err *err)
{
	const struct request *req = p->req;
	int zero = 0, slave;

	p->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->master < 0 || ioctl(p->master, TIOCSPTLCK, &zero))
		return err_set(err, errno, "box: open a terminal of the box");
	slave = ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0))
		return err_set(err, errno, "box: control a terminal of the box");
	if (req->has_termios)
		tcsetattr(slave, TCSANOW, &req->termios);
	if (req->winsize.ws_row)
		ioctl(slave, TIOCSWINSZ, &req->winsize);
	if (req->walls.change_ids)
		(void)!fchown(slave, req->walls.uid, (gid_t)-1);
	for (int i = 0; i < 3; i++)
		p->std[i] = slave;
	return 0;
}

static int standard_fds(struct program *p, struct err *err)
{
	const struct request *req = p->req;

	for (int i = 0; i < 3; i++) {
		if (p->std[i] < 0)
			p->std[i] = open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
		if (p->std[i] < 0)
			return err_set(err, errno, "box: open '/dev/null' in the box");
		/* a program of another id may open its /dev/stdout by name */
		else if (req->walls.change_ids)
			(void)!fchown(p->std[i], req->walls.uid, req->walls.gid);
	}
	for (int i = 0; i < 3; i++)
		dup2(p->std[i], i);
	return 0;
}

/* ---- PATH --------------------------------------------------------------------------------- */

/* 0, -ENOENT, -EACCES: whether this is a file that may be executed. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? -EACCES : 0;
}

/* Along PATH: the first that can be executed, as execvp(3) would find it. */
static char *find_in_path(const char *path, const char *name, int *ret_rc)
{
	*ret_rc = -ENOENT;
	for (;;) {
		size_t n = strcspn(path, ":");
		char *full = n ? xasprintf("%.*s/%s", (int)n, path, name) : xstrdup(name);
		int rc = *name ? executable(full) : -ENOENT;

		if (!rc)
			return full;
		free(full);
		if (rc == -EACCES)
			*ret_rc = rc;
		if (!path[n])
			return NULL;
		path += n + 1;
	}
}

static char *find(const struct program *p, struct err *err)
{
	const char *name = p->argv[0], *path = env_get(p->env, "PATH");
	int rc;

	if (strchr(name, '/')) {
		rc = executable(name);
		if (!rc)
			return xstrdup(name);
	} else {
		char *full = find_in_path(path ? path : "/usr/local/bin:/usr/bin:/bin", name, &rc);

		if (full)
			return full;
	}
	if (rc == -ENOENT)
		err_set_exit(err, EXIT_NOT_FOUND, ENOENT, "box: find program '%s' in the box",
			     name);
	else
		err_set_exit(err, EXIT_NOT_EXEC, rc, "box: execute '%s' in the box", name);
	return NULL;
}

/* ---- the whole way ------------------------------------------------------------------------ */

static int prepare(struct program *p, struct err *err)
{
	sigset_t none;
	int rc = 0;

	setsid();
	if (p->req->flags & SPAWN_PTY)
		rc = open_pty(p, err);
	if (!rc)
		rc = standard_fds(p, err);
	if (rc)
		return rc;
	/* the master's number is above the fixed ones: it stays until it has been sent */
	if (p->master >= 0 && (p->master < FD_FREE || fcntl(p->master, F_GETFD) < 0))
		return err_set(err, EBADF, "box: terminal of the box");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	rc = walls_up(&p->req->walls, err);
	if (rc)
		return rc;
	if (p->cwd && chdir(p->cwd))
		return err_set_exit(err, EXIT_NOT_EXEC, errno, "box: enter '%s' in the box",
				    p->cwd);
	if (!p->cwd) {
		const char *home = env_get(p->env, "HOME");

		if ((!home || chdir(home)) && chdir("/"))
			return err_set(err, errno, "box: enter '/' in the box");
	}
	return 0;
}

/* In the child. */
static int become(void *program)
{
	struct program *p = program;
	const struct request *req = p->req;
	struct status ready = { .what = STATUS_READY, .inner = getpid() };
	struct err err = { 0 };
	int keep;

	arrange(p);
	if (prepare(p, &err))
		give_up(ready.inner, &err);
	p->path = find(p, &err);
	if (!p->path)
		give_up(ready.inner, &err);
	if (fdpass_send(FD_STATUS, &ready, sizeof(ready), &p->master, p->master >= 0))
		_exit(EXIT_INTERNAL);
	keep = req->flags & SPAWN_HOOK ? FD_FREE : FD_HOOK;
	close_range((unsigned)keep, ~0u, 0);
	if (req->flags & SPAWN_HOOK && req->in_child(NULL, FD_HOOK, &err)) {
		if (!err.code)
			err_set(&err, EPERM, "box: the recorder could not join the program");
		give_up(ready.inner, &err);
	}
	execve(p->path, p->argv, p->env);
	err_set_exit(&err, EXIT_NOT_EXEC, errno, "box: execute '%s' in the box", p->argv[0]);
	give_up(ready.inner, &err);
}

static void *stack(void)
{
	char *low = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (low == MAP_FAILED)
		return NULL;
	(void)mprotect(low, 4096, PROT_NONE); /* beyond its end */
	return low;
}

pid_t program_spawn(const struct request *req, const char *strings, const int *fds)
{
	struct program p = { .req = req, .fds = fds, .master = -1 };
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
	char *low = stack();
	pid_t pid;

	if (!low)
		return -errno;
	unpack(&p, strings);
	/* AddressSanitizer would go on to watch frames that the exec has left behind */
#ifndef __SANITIZE_ADDRESS__
	if (req->walls.change_ids || !req->walls.keep_caps)
#endif
		flags = SIGCHLD;
	pid = clone(become, low + STACK_SIZE, flags, &p);
	if (pid < 0)
		pid = -errno;
	free(p.argv);
	free(p.env);
	free(p.path);
	munmap(low, STACK_SIZE);
	return pid;
}
