// SPDX-License-Identifier: Apache-2.0
/*
 * run.c - a running box, seen from the supervisor: start, wait, kill, end
 *
 * Theory of operation
 *
 * box_start() clones pid 1 and, while that does what needs no ids, has the id maps written; then
 * pid 1 goes on and reports READY with descriptors of the box's root, layer and user namespace.
 * From then on box_wait() looks at four things: the control socket (programs that ended), pid 1's
 * pidfd, signals that ask the supervisor to end, and the limits' clock. What is found while
 * somebody waits for something else is queued.
 *
 * Invariant: at most END_DEADLINE_MS after box_end() was called pid 1 has been sent SIGKILL, and
 * a namespace whose pid 1 is dead holds no process; where box_end() does not wait for that, the
 * namespace holds no other process already.
 */
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box/limits.h"
#include "box/runtime.h"

/* ---- start -------------------------------------------------------------------------------- */

static int clone_init(struct box_run *run, const struct box_plan *plan, int ctl, struct err *err)
{
	struct clone_args args = {
		/* the other namespaces are made by pid 1, while we have the id maps written */
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&run->pidfd,
		.exit_signal = SIGCHLD,
	};
	/* a supervisor that has changed its ids is undumpable, and its child's id maps then belong
	 * to root: not so for this child */
	bool hidden = prctl(PR_GET_DUMPABLE) != 1 && !prctl(PR_SET_DUMPABLE, 1);
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	int code = errno;

	if (pid == 0)
		init_main(run->box, plan, ctl);
	if (hidden)
		prctl(PR_SET_DUMPABLE, 0);
	if (pid < 0)
		return namespaces_refused(err, code);
	run->pid1 = (pid_t)pid;
	return 0;
}

/* Signals that ask us to end become events; those that the caller's parent ignored stay so. */
static int take_signals(struct box_run *run, struct err *err)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct sigaction sa;

		if (!sigaction(wanted[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(&set, wanted[i]);
	}
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signals < 0)
		return err_set(err, errno, "box: watch signals");
	if (sigprocmask(SIG_BLOCK, &set, &run->old_mask))
		return err_set(err, errno, "box: block signals");
	run->masked = true;
	return 0;
}

static void remember(struct box_run *run, const struct box_plan *plan)
{
	run->limits_set = plan->limits;
	run->want_cgroup = plan->want_cgroup;
	run->tmpfs_layer = plan->tmpfs_layer;
	run->as_user = plan->as_user;
	run->emulates_root = plan->emulates_root;
	for (int i = 0; i < plan->nbinds; i++)
		run->has_binds |= plan->bind[i].how != BIND_COPY;
	run->net = plan->net;
	run->home = xstrdup(plan->home);
	run->env = xcalloc((size_t)plan->nenv + 1, sizeof(char *));
	for (int i = 0; i < plan->nenv; i++)
		run->env[i] = xstrdup(plan->env[i]);
	run->walls = (struct program_walls){
		.uid = plan->uid,
		.gid = plan->gid,
		.change_ids = plan->uid != plan->inner_uid,
		.keep_caps = !plan->as_user,
	};
}

static int its_words(const struct report *failed, struct err *err)
{
	if (err)
		*err = failed->err;
	return -failed->err.code;
}

/* pid 1 says that it has come to @what, with @n descriptors. */
static int await(struct box_run *run, enum report_kind what, struct report *ret, int *fds, int n,
		 struct err *err)
{
	int nfds = n, rc = run_take(run, what, -1, ret, fds, &nfds);

	if (rc)
		return err_set(err, EIO, "box: pid 1 ended while it made the box");
	if (ret->what == REP_FAILED)
		return its_words(ret, err);
	return nfds == n ? 0 : err_set(err, EMFILE, "box: take descriptors from pid 1");
}

int run_network(struct box_run *run, struct err *err)
{
	struct report r = { 0 };
	int fds[2], rc = 0;

	if (run->netns >= 0)
		return 0;
	if (run->net == BOX_NET_OFF)
		return err_set(err, ENOTSUP, "box: serve the network of a box that has none");
	rc = await(run, REP_NETWORK, &r, fds, 2, err);
	if (rc)
		return rc;
	run->userns = fds[0];
	run->netns = fds[1];
	run->net_by = r.net_by;
	return 0;
}

static int await_ready(struct box_run *run, struct err *err)
{
	struct report r = { 0 };
	int fds[3] = { -1, -1, -1 }, rc = 0;

	if (run->net != BOX_NET_OFF)
		rc = run_network(run, err);
	if (!rc)
		rc = await(run, REP_READY, &r, fds, 3, err);
	if (rc)
		return rc;
	run->rootfd = fds[0];
	if (run->userns < 0)
		run->userns = steal_fd(&fds[1]);
	else
		close(fds[1]);
	run->layerfd = fds[2];
	limits_ready(run, &r);
	return 0;
}

/* Something of pid 1 could not be written, maybe because it failed first: its reason is the reason.
 * What it says it has said before it ends. */
static int cause(struct box_run *run, int rc, struct err *err)
{
	struct report r = { 0 };

	return run_take(run, REP_FAILED, 0, &r, NULL, NULL) ? rc : its_words(&r, err);
}

static int start(struct box_run *run, const struct box_plan *plan, struct err *err)
{
	cleanup_close int theirs = -1;
	int pair[2], rc;
	struct go go = { 0 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(err, errno, "box: make a control socket");
	run->ctl = pair[0];
	/* before pid 1 is born: it begins where we are */
	if (plan->want_cgroup && run->box->home->broker < 0 && !own_cgroup_usable())
		(void)own_scope_ask(run->box->home->uid);
	/* pid 1 puts /dev/null on 0-2, whatever we had there */
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
	close(pair[1]);
	if (theirs < 0)
		return err_set(err, errno, "box: make a control socket");
	rc = take_signals(run, err);
	if (!rc)
		rc = clone_init(run, plan, theirs, err);
	if (rc)
		return rc;
	rc = idmap_write(run->box, run->pid1, plan->inner_uid, err);
	if (rc)
		return cause(run, rc, err);
	run->limits = limits_before(run, &go);
	if (send(run->ctl, &go, sizeof(go), MSG_NOSIGNAL) != sizeof(go))
		return err_set(err, errno, "box: pid 1 ended before the box was made");
	return 0;
}

/* The map as the kernel has it: the same three columns for 'single', a range and the broker's. */
static void read_idmap(struct box_run *run)
{
	cleanup_free char *map = NULL;
	struct idmap_line l;
	char name[64];
	int n;

	snprintf(name, sizeof(name), "/proc/%d/uid_map", run->pid1);
	if (read_file_at(AT_FDCWD, name, 65536, &map, NULL))
		return;
	for (const char *at = map; run->nidmap < IDMAP_LINES_MAX &&
				   sscanf(at, "%u %u %u%n", &l.first, &l.ours, &l.count, &n) == 3;
	     at += n)
		run->idmap[run->nidmap++] = l;
}

int box_begin(struct box *box, const struct box_plan *plan, struct box_run **ret_run,
	      struct err *err)
{
	struct box_run *run = xcalloc(1, sizeof(*run));
	int rc;

	run->box = box;
	run->pidfd = run->ctl = run->rootfd = run->layerfd = -1;
	run->userns = run->netns = run->signals = -1;
	run->log_pipe = -1;
	run->queue = xmalloc(QUEUE_MAX * sizeof(*run->queue)); /* written before it is read */
	run->started_ns = clock_mono_ns();
	remember(run, plan);
	rc = start(run, plan, err);
	if (rc) {
		box_end(run);
		return rc;
	}
	read_idmap(run);
	*ret_run = run;
	return 0;
}

int box_ready(struct box_run *run, struct err *err)
{
	return await_ready(run, err);
}

int box_start(struct box *box, const struct box_plan *plan, struct box_run **ret_run,
	      struct err *err)
{
	struct box_run *run;
	int rc = box_begin(box, plan, &run, err);

	if (rc)
		return rc;
	rc = box_ready(run, err);
	if (rc) {
		box_end(run);
		return rc;
	}
	*ret_run = run;
	return 0;
}

/* ---- wait --------------------------------------------------------------------------------- */

static void take_signal(struct box_run *run)
{
	struct signalfd_siginfo si;

	while (read(run->signals, &si, sizeof(si)) == sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGWINCH:
			terminal_resize(run);
			break;
		case SIGCONT:
			terminal_again(run);
			break;
		default:
			run->hurry = true;
			run_queue(run, &(struct box_event){ .what = BOX_SIGNAL,
							    .status = (int)si.ssi_signo });
		}
	}
}

/* Program exits come after the limits that were reached before them. */
static void take_reports(struct box_run *run)
{
	struct pollfd p = { .fd = run->ctl, .events = POLLIN };
	struct report r = { 0 };

	limits_check(run);
	while (!run->dead && poll(&p, 1, 0) > 0)
		run_take_one(run, &r, NULL, NULL);
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int wait_once(struct box_run *run, int timeout_ms)
{
	struct pollfd p[2 + RELAY_IDLE_MAX] = { { .fd = run->ctl, .events = POLLIN },
						{ .fd = run->signals, .events = POLLIN } };
	int due = limits_due_ms(run->limits), idle = relay_poll(run, p + 2);
	int rc = poll(p, 2 + (nfds_t)idle, sooner(timeout_ms, due));

	if (rc < 0)
		return errno == EINTR ? 0 : -errno;
	rc = relay_look(run, p + 2, idle);
	if (rc)
		return rc;
	if (p[1].revents)
		take_signal(run);
	if (p[0].revents)
		take_reports(run);
	else if (!limits_due_ms(run->limits))
		limits_check(run);
	return 0;
}

static bool next_event(struct box_run *run, struct box_event *ret_ev)
{
	if (run->qn) {
		*ret_ev = run->queue[run->qhead];
		run->qhead = (run->qhead + 1) % QUEUE_MAX;
		run->qn--;
		run->hurry |= ret_ev->fatal;
		return true;
	}
	if (run->dead && !run->dead_told) {
		*ret_ev = (struct box_event){ .what = BOX_DEAD };
		run->dead_told = true;
		return true;
	}
	return false;
}

int box_wait(struct box_run *run, int timeout_ms, struct box_event *ret_ev, struct err *err)
{
	uint64_t end = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		uint64_t now;
		int rc;

		if (next_event(run, ret_ev))
			return 1;
		if (run->dead)
			return err_set(err, ESRCH, "box: pid 1 is gone");
		now = clock_mono_ns();
		rc = wait_once(run, timeout_ms < 0 ? -1
				    : now >= end   ? 0
						   : (int)((end - now) / 1000000 + 1));
		if (rc)
			return err_set(err, rc, "box: wait");
		if (timeout_ms >= 0 && !run->qn && !run->dead && clock_mono_ns() >= end)
			return 0;
	}
}

/* ---- kill and end ------------------------------------------------------------------------- */

/* SIGKILL to pid 1 from outside takes all processes of its namespace along. */
static int kill_init(struct box_run *run)
{
	struct pollfd p = { .fd = run->pidfd, .events = POLLIN };
	int rc;

	if (run->pid1 <= 0)
		return 0;
	syscall(SYS_pidfd_send_signal, run->pidfd, SIGKILL, NULL, 0);
	do
		rc = poll(&p, 1, END_DEADLINE_MS);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return -ETIMEDOUT; /* a tracer of ours does not let go; it ends with us */
	waitpid(run->pid1, NULL, __WALL);
	run->pid1 = 0;
	run->dead = true;
	return 0;
}

/* All programs are dead and none has been started since; and nothing of the host is held by the
 * box's mounts that somebody could want back. */
static bool leaves_nothing(const struct box_run *run)
{
	return run->emptied && !run->dead && run->pid1 > 0 && !box_has_folder(run->box) &&
	       !run->want_cgroup && !run->has_binds;
}

static void close_p(int *fd)
{
	if (*fd >= 0)
		close(steal_fd(fd));
}

/* Descriptors of what is mounted in the box. */
static void close_mounted(struct box_run *run)
{
	limits_free(run);
	close_p(&run->rootfd);
	close_p(&run->layerfd);
	close_p(&run->userns);
}

/*
 * The kernel takes half a millisecond to take the box's mounts down, and pid 1, which is our own
 * code and has no child, ends only after that. Nobody needs to wait for it: it is told to end, and
 * reaped when the home is closed or by whoever reaps our own process. We let go of the mounts
 * first, or the last to do so, and then the one who takes them down, could be we.
 */
static void let_go(struct box_run *run)
{
	struct box_home *home = run->box->home;

	close_mounted(run);
	syscall(SYS_pidfd_send_signal, run->pidfd, SIGKILL, NULL, 0);
	if (home->ending > 0)
		waitpid(home->ending, NULL, __WALL);
	home->ending = run->pid1;
	run->pid1 = 0;
	run->dead = true;
}

int box_kill(struct box_run *run, struct err *err)
{
	struct request req = { .what = REQ_KILL };
	struct report r = { 0 };
	int rc;

	if (run->emptied && !run->dead)
		return 0;
	rc = run_request(run, &req, NULL, 0, NULL, 0);
	if (!rc)
		rc = run_take(run, REP_KILLED, END_DEADLINE_MS, &r, NULL, NULL);
	run->emptied = !rc;
	if (!rc)
		return r.status;
	if (rc == -EPIPE || rc == -ECONNRESET || rc == -ENOTCONN)
		return 0; /* pid 1 is gone, and all with it */
	kill_init(run);
	return err_set(err, rc, "box: end the programs");
}

int box_processes(struct box_run *run)
{
	struct request req = { .what = REQ_COUNT };
	struct report r = { 0 };

	if (run_request(run, &req, NULL, 0, NULL, 0) ||
	    run_take(run, REP_COUNT, END_DEADLINE_MS, &r, NULL, NULL))
		return 0;
	return r.status;
}

void box_end(struct box_run *run)
{
	if (!run)
		return;
	if (leaves_nothing(run))
		let_go(run);
	else
		kill_init(run);
	close_p(&run->log_pipe);
	relay_finish(run, run->hurry);
	terminal_restore(run);
	close_mounted(run);
	close_p(&run->ctl);
	close_p(&run->pidfd);
	close_p(&run->netns);
	if (run->masked) {
		struct signalfd_siginfo si;

		/* the first of each has been an event; what came since must not end us half-way.
		 * Who has them blocked asks for what came since, in his next run */
		while (!sigismember(&run->old_mask, SIGTERM) &&
		       read(run->signals, &si, sizeof(si)) == sizeof(si))
			;
		sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	}
	close_p(&run->signals);
	for (char **e = run->env; e && *e; e++)
		free(*e);
	free(run->env);
	free(run->home);
	free(run->queue);
	free(run);
}

/* ---- what others may know ----------------------------------------------------------------- */

int box_run_rootfd(const struct box_run *run)
{
	return run->rootfd;
}

int box_run_layerfd(const struct box_run *run)
{
	return run->layerfd;
}

pid_t box_run_pid1(const struct box_run *run)
{
	return run->pid1;
}

const char *box_run_limits(const struct box_run *run)
{
	return limits_text(run->limits);
}

uint32_t box_run_pids(const struct box_run *run)
{
	return run->limits_set.pids;
}

uint32_t box_run_uid_in(const struct box_run *run, uint32_t outer)
{
	for (int i = 0; i < run->nidmap; i++) {
		const struct idmap_line *l = &run->idmap[i];

		if (outer >= l->ours && outer - l->ours < l->count)
			return l->first + (outer - l->ours);
	}
	return 65534;
}

int box_run_net_by(struct box_run *run, enum box_net_by *ret, struct err *err)
{
	int rc = run_network(run, err);

	if (!rc)
		*ret = run->net_by;
	return rc;
}

enum box_net box_run_net(const struct box_run *run)
{
	return run->net;
}

bool box_run_emulates_root(const struct box_run *run)
{
	return run->emulates_root;
}

int box_run_in_userns(struct box_run *run, int (*fn)(void *ctx), void *ctx, int *ret_status,
		      struct err *err)
{
	pid_t parent = getpid(), pid = fork(), got;
	int status;

	if (pid < 0)
		return err_set(err, errno, "box: make a process");
	if (pid == 0) {
		sigset_t ours;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_INTERNAL);
		close(run->ctl); /* its end of file is what pid 1 lives by */
		/* a terminal's signal comes to all of us; what it means is the supervisor's matter
		 */
		sigemptyset(&ours);
		sigaddset(&ours, SIGINT);
		sigaddset(&ours, SIGTERM);
		sigaddset(&ours, SIGHUP);
		sigaddset(&ours, SIGQUIT);
		sigprocmask(SIG_SETMASK, &ours, NULL);
		if (setns(run->userns, CLONE_NEWUSER))
			_exit(EXIT_INTERNAL);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change of credentials cleared it */
		_exit(fn(ctx) & 0xff);
	}
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got != pid)
		return err_set(err, errno, "box: wait for a process of ours");
	if (!WIFEXITED(status))
		return err_set(err, EIO, "box: a process of ours ended by signal %d",
			       WTERMSIG(status));
	*ret_status = WEXITSTATUS(status);
	return 0;
}
