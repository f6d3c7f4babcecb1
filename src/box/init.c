// SPDX-License-Identifier: Apache-2.0
/*
 * init.c - pid 1 of a box: carries the plan out, then reaps and serves the supervisor
 *
 * It is a fork of the supervisor that never executes anything, has one thread, and once the box
 * stands holds two descriptors besides its null 0-2: the control socket and a signalfd. It keeps
 * its capabilities (in the box's user namespace); programs, which have fewer, can neither trace it
 * nor read its memory, and signals from inside do not reach a pid 1 that has no handlers
 * (pid_namespaces(7)). It ends when the control socket does, and is killed when the supervisor's
 * thread dies.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box/runtime.h"

static const struct {
	const char *name;
	step_fn *fn;
} steps[] = {
#define STEP(name, fn) [STEP_##name] = { #name, fn },
	STEPS(STEP)
#undef STEP
};
static_assert(ARRAY_SIZE(steps) == STEP_KINDS, "a function for each kind of step");

struct init {
	int ctl, signals;
	int last_spawn; /* the latest request for a program */
	bool has_last;	/* a program's exit that is not told yet: whether anything is left is not
			   known */
	struct report last;
	int nprograms;
	struct {
		pid_t pid;
		int id;
	} program[SPAWNS_MAX];
};

static void report(struct init *in, enum report_kind what, int id, int status)
{
	struct report r = { .what = what, .id = id, .status = status };

	/* a supervisor that does not listen is gone: poll() will say so */
	send(in->ctl, &r, sizeof(r), MSG_NOSIGNAL);
}

static void tell_last(struct init *in, bool empty)
{
	if (!in->has_last)
		return;
	in->has_last = false;
	in->last.empty_after = empty ? in->last_spawn : 0;
	send(in->ctl, &in->last, sizeof(in->last), MSG_NOSIGNAL);
}

static void reaped(struct init *in, pid_t pid, int status)
{
	for (int i = 0; i < in->nprograms; i++) {
		if (in->program[i].pid != pid)
			continue;
		tell_last(in, false);
		in->last = (struct report){ .what = REP_EXIT,
					    .id = in->program[i].id,
					    .status = status };
		in->has_last = true;
		in->program[i] = in->program[--in->nprograms];
		return;
	}
}

static void reap(struct init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(in, pid, status);
	/* whoever lost its parent is a child of ours: without children, the box has no process */
	tell_last(in, pid < 0 && errno == ECHILD);
}

/* Nothing in the box can run when this returns: kill(-1) reaches all, stopped ones too, and a
 * process that is being forked meanwhile gets the signal or is not made (kill(2), fork(2)). */
static int kill_all(struct init *in)
{
	int status, n = 0;
	pid_t pid;

	reap(in);
	for (;;) {
		kill(-1, SIGKILL);
		pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return n;
		n++;
		reaped(in, pid, status);
		tell_last(in, false);
	}
}

static int count(void)
{
	DIR *proc = opendir("/proc"); /* a mount: no program can have put another in its place */
	struct dirent *e;
	int n = -1; /* ourselves */

	while (proc && (e = readdir(proc)))
		n += e->d_name[0] >= '1' && e->d_name[0] <= '9';
	if (proc)
		closedir(proc);
	return n;
}

static void spawn(struct init *in, const struct request *req, const char *strings, const int *fds)
{
	pid_t pid = in->nprograms < SPAWNS_MAX ? program_spawn(req, strings, fds) : -EAGAIN;

	if (pid < 0) {
		struct status st = { .what = STATUS_FAILED };

		err_set(&st.err, pid, "box: make a process in the box");
		if (pid == -EAGAIN)
			report(in, REP_NO_FORK, req->id, 0);
		send(fds[0], &st, sizeof(st), MSG_NOSIGNAL);
		return;
	}
	in->program[in->nprograms].pid = pid;
	in->program[in->nprograms++].id = req->id;
}

static void serve_request(struct init *in)
{
	static char bytes[sizeof(struct request) + SPAWN_BYTES_MAX];
	struct request req;
	int fds[FDPASS_MAX], nfds = FDPASS_MAX;
	ssize_t k = fdpass_recv(in->ctl, bytes, sizeof(bytes) - 1, fds, &nfds);

	if (k < (ssize_t)sizeof(req))
		_exit(0); /* the supervisor is gone */
	bytes[k] = 0;
	memcpy(&req, bytes, sizeof(req));
	switch (req.what) {
	case REQ_SPAWN:
		in->last_spawn = req.id;
		spawn(in, &req, bytes + sizeof(req), fds);
		break;
	case REQ_KILL:
		report(in, REP_KILLED, 0, kill_all(in));
		break;
	case REQ_COUNT:
		report(in, REP_COUNT, 0, count());
		break;
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static _Noreturn void serve(struct init *in)
{
	struct pollfd p[2] = { { .fd = in->ctl, .events = POLLIN },
			       { .fd = in->signals, .events = POLLIN } };

	for (;;) {
		struct signalfd_siginfo si;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents & POLLIN) {
			(void)!read(in->signals, &si, sizeof(si));
			reap(in);
		}
		if (p[0].revents)
			serve_request(in);
	}
}

static int carry_out(struct setup *s, struct err *err)
{
	for (int i = 0; i < s->plan->nsteps; i++) {
		const struct step *st = &s->plan->step[i];
		int rc = steps[st->kind].fn ? steps[st->kind].fn(s, st, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static _Noreturn void fail(int ctl, const struct err *err)
{
	struct report r = { .what = REP_FAILED, .err = *err };

	send(ctl, &r, sizeof(r), MSG_NOSIGNAL);
	_exit(EXIT_INTERNAL);
}

/* Of the many descriptors of the way here three are left. */
static void settle(struct init *in, struct setup *s)
{
	int ctl = s->ctl;

	dup3(ctl, 3, O_CLOEXEC);
	close_range(4, ~0u, 0);
	in->ctl = 3;
}

_Noreturn void init_main(const struct box *box, const struct box_plan *plan, int ctl)
{
	static struct init in;
	static struct setup s;
	struct report ready = { .what = REP_READY };
	struct err err = { 0 };
	int fds[3], nfds = 0;
	sigset_t set;

	s.box = box;
	s.plan = plan;
	s.ctl = ctl;
	s.layer = s.empty = s.userns = -1;

	if (carry_out(&s, &err))
		fail(ctl, &err);
	fds[nfds++] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[nfds++] = s.userns;
	fds[nfds++] = s.layer;
	ready.layer_on_disk = s.layer_on_disk;
	ready.go = s.go;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (fdpass_send(ctl, &ready, sizeof(ready), fds, nfds))
		_exit(EXIT_INTERNAL);
	settle(&in, &s);
	in.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in.signals < 0)
		_exit(EXIT_INTERNAL);
	serve(&in);
}
