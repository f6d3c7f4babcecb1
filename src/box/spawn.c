// SPDX-License-Identifier: Apache-2.0
/*
 * spawn.c - start a program in a running box, the supervisor's side
 *
 * A request with the strings and descriptors goes to pid 1, which forks. The child answers on a
 * socket of its own: "ready" when its walls stand; the kernel adds its pid in our namespace
 * (SCM_CREDENTIALS, unix(7)). Then the hooks join it, and the socket's end of file is the
 * successful exec.
 */
#include <poll.h>
#include <sys/socket.h>

#include "box/runtime.h"

struct attempt {
	struct request req;
	struct buf strings;
	int status; /* our end */
	int pidfd;  /* pid 1's, borrowed */
	int hook;
	int fds[8], nfds; /* for pid 1; only those in `close` are ours to close */
	int close[8], nclose;
	struct relay *relay;
	pid_t pid, inner;
	int master;
};

/* ---- request ------------------------------------------------------------------------------ */

static int pack(struct attempt *a, const struct box_run *run, const struct box_program *prog,
		struct err *err)
{
	const char *const *env = prog->env ? prog->env : (const char *const *)run->env;

	a->strings.limit = SPAWN_BYTES_MAX;
	for (; prog->argv[a->req.nargv]; a->req.nargv++)
		buf_add(&a->strings, prog->argv[a->req.nargv],
			strlen(prog->argv[a->req.nargv]) + 1);
	for (; env[a->req.nenv]; a->req.nenv++)
		buf_add(&a->strings, env[a->req.nenv], strlen(env[a->req.nenv]) + 1);
	if (a->strings.overflow || a->strings.n > BOX_ARGV_MAX)
		return err_set_exit(err, EXIT_NOT_EXEC, E2BIG,
				    "box: arguments and environment of more than %d bytes",
				    BOX_ARGV_MAX);
	if (prog->cwd)
		buf_add(&a->strings, prog->cwd, strlen(prog->cwd) + 1);
	if (a->strings.overflow)
		return err_set_exit(err, EXIT_USAGE, ENAMETOOLONG, "box: folder '%.64s…'",
				    prog->cwd);
	a->req.has_cwd = prog->cwd;
	return 0;
}

static void give(struct attempt *a, int fd, bool ours)
{
	a->fds[a->nfds++] = fd;
	if (ours)
		a->close[a->nclose++] = fd;
}

static int pair(struct attempt *a, int type, int *ret_ours, struct err *err)
{
	int p[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, p))
		return err_set(err, errno, "box: make a socket");
	*ret_ours = p[0];
	give(a, p[1], true);
	return 0;
}

static int relayed(struct attempt *a, struct box_run *run, const int ours[3], struct err *err)
{
	static const int flag[3] = { SPAWN_STDIN, SPAWN_STDOUT, SPAWN_STDERR };
	int child[3] = { -1, -1, -1 };
	int rc = relay_pipes(run, ours, child, &a->relay, err);

	for (int i = 0; i < 3 && !rc; i++) {
		if (child[i] < 0)
			continue;
		a->req.flags |= flag[i];
		give(a, child[i], true);
	}
	return rc;
}

static int stdio(struct attempt *a, struct box_run *run, const struct box_program *prog,
		 struct err *err)
{
	int log, rc;

	switch (prog->stdio) {
	case STDIO_PTY:
		a->req.flags |= SPAWN_PTY;
		a->req.has_termios =
			terminal_describe(prog->fds[0], &a->req.termios, &a->req.winsize);
		return 0;
	case STDIO_NULL:
	case STDIO_FED:
		rc = relay_log(run, &log, err);
		if (!rc && prog->stdio == STDIO_FED)
			rc = relayed(a, run, (int[3]){ prog->fds[0], -1, -1 }, err);
		if (rc)
			return rc;
		a->req.flags |= SPAWN_STDOUT | SPAWN_STDERR;
		give(a, log, false);
		give(a, log, false);
		return 0;
	case STDIO_RELAY:
		return relayed(a, run, prog->fds, err);
	}
	return err_set(err, EINVAL, "box: unknown kind of standard input and output");
}

/* ---- answers ------------------------------------------------------------------------------ */

/* 1: a message, 0: end of file. The pid is the sender's, by the kernel, in our namespace. */
static int hear(struct attempt *a, struct status *ret, struct err *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} c;
	struct iovec iov = { ret, sizeof(*ret) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };
	struct pollfd p[2] = { { a->status, POLLIN, 0 }, { a->pidfd, POLLIN, 0 } };
	ssize_t k;

	/* a box that is gone says nothing more, whoever else may hold the other end */
	while (poll(p, ARRAY_SIZE(p), -1) < 0 && errno == EINTR)
		;
	if (!p[0].revents && p[1].revents)
		return err_set(err, EPIPE, "box: the box ended while a program was started");
	do
		k = recvmsg(a->status, &m, MSG_CMSG_CLOEXEC);
	while (k < 0 && errno == EINTR);
	if (k < 0 && errno != ECONNRESET)
		return err_set(err, errno, "box: hear from a program");
	if (k <= 0)
		return 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(h), sizeof(u));
			a->pid = u.pid;
		} else if (h->cmsg_type == SCM_RIGHTS) {
			memcpy(&a->master, CMSG_DATA(h), sizeof(int));
		}
	}
	if (k != sizeof(*ret))
		return err_set(err, EBADMSG, "box: hear from a program");
	return 1;
}

static int failed(const struct status *st, struct err *err)
{
	if (err)
		*err = st->err;
	return -st->err.code;
}

static int converse(struct attempt *a, const struct box_hooks *hooks, struct err *err)
{
	struct status st = { 0 };
	int rc = hear(a, &st, err);

	if (rc <= 0)
		return rc ? rc : err_set(err, EPIPE, "box: a program ended before it began");
	a->inner = st.inner; /* 0: pid 1 could not fork */
	if (st.what == STATUS_FAILED)
		return failed(&st, err);
	if (a->hook >= 0 && hooks && hooks->in_supervisor) {
		rc = hooks->in_supervisor(hooks->ctx, a->hook, a->pid, err);
		if (rc) {
			/* it may wait for an answer that will not come. The number is still its
			 * own: its exit would have been the end of file that we have not seen */
			kill(a->pid, SIGKILL);
			return rc < 0 ? rc : -rc;
		}
	}
	rc = hear(a, &st, err);
	return rc == 1 ? failed(&st, err) : rc;
}

static void attempt_close(struct attempt *a)
{
	for (int i = 0; i < a->nclose; i++)
		close(a->close[i]);
	a->nclose = 0;
}

static int attempt_run(struct attempt *a, struct box_run *run, const struct box_program *prog,
		       const struct box_hooks *hooks, struct err *err)
{
	int one = 1, rc = pack(a, run, prog, err);

	if (!rc)
		rc = pair(a, SOCK_SEQPACKET, &a->status, err);
	if (rc)
		return rc;
	if (setsockopt(a->status, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)))
		return err_set(err, errno, "box: ask for credentials");
	if (hooks && hooks->in_child) {
		rc = pair(a, SOCK_STREAM, &a->hook, err);
		a->req.flags |= SPAWN_HOOK;
		a->req.in_child = hooks->in_child;
	}
	if (!rc)
		rc = stdio(a, run, prog, err);
	if (rc)
		return rc;
	rc = run_request(run, &a->req, a->strings.p, a->strings.n, a->fds, a->nfds);
	if (rc)
		return err_set(err, rc, "box: ask pid 1 for a program");
	attempt_close(a);
	if (hooks && a->hook >= 0 && hooks->before)
		hooks->before(hooks->ctx);
	return converse(a, hooks, err);
}

static int attach(struct attempt *a, struct box_run *run, const struct box_program *prog,
		  struct err *err)
{
	int rc = 0;

	if (prog->stdio == STDIO_PTY && a->master >= 0) {
		rc = terminal_raw(run, prog->fds[0], a->master, err);
		a->relay = relay_pty(steal_fd(&a->master), prog->fds[0], prog->fds[1]);
	}
	if (!rc && a->relay)
		rc = relay_start(run, steal_ptr(&a->relay), err);
	return rc;
}

int box_spawn(struct box_run *run, const struct box_program *prog, const struct box_hooks *hooks,
	      struct box_proc *ret_proc, struct err *err)
{
	struct attempt a = { .status = -1, .hook = -1, .master = -1 };
	int rc;

	if (!prog->argv || !prog->argv[0])
		return err_set_exit(err, EXIT_USAGE, EINVAL, "box: no program");
	if (run->nspawns >= SPAWNS_MAX)
		return err_set(err, EAGAIN, "box: more than %d programs", SPAWNS_MAX);
	a.pidfd = run->pidfd;
	a.req.what = REQ_SPAWN;
	a.req.id = ++run->nspawns;
	run->emptied = false;
	a.req.walls = run->walls;
	rc = attempt_run(&a, run, prog, hooks, err);
	if (!rc)
		rc = attach(&a, run, prog, err);
	attempt_close(&a);
	if (a.status >= 0)
		close(a.status);
	if (a.hook >= 0)
		close(a.hook);
	if (a.master >= 0)
		close(a.master);
	relay_free(a.relay);
	buf_free(&a.strings);
	if (rc) {
		if (a.inner)
			run_bury(run, a.req.id);
		else
			run->spawn_failed[a.req.id] = true;
		return rc;
	}
	*ret_proc = (struct box_proc){ .id = a.req.id, .pid = a.pid, .inner = a.inner };
	return 0;
}
