// SPDX-License-Identifier: Apache-2.0
/*
 * trace.c - the thread that follows fork, exec and exit exactly (ptrace(2), PTRACE_SEIZE)
 *
 * Theory of operation
 *
 * The program is attached while it waits for its walls to be complete. From then on the kernel
 * stops a task for this thread at fork, vfork, clone, exec, at each signal, and tells each end;
 * nothing else stops, no call is traced (but for tasks under root emulation that have changed
 * their identity, see emulate.c, and for one call of 32-bit programs, see socketcall.c). A new task
 * begins stopped. Its parent's event and its own first stop come in either order: it goes on when
 * both were seen, and is in the table by then.
 *
 * A parent that is killed in the middle of the call tells nothing (ptrace(2): who dies does not
 * stop any more), be it with its process or by an exec of another thread; its child would stand
 * still for ever. So when nothing more is to be heard, a new process is taken in without its
 * parent's event if the parent is not in the table, or has lost threads at an exec. In the first
 * case it counts as a child of the process that ended last, and a gap tells that this is a guess.
 *
 * The tracer is outside of the box's pid namespace, so /proc/self/status shows TracerPid 0.
 *
 * Invariant: a task that runs is in the table.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <uthash.h>

#include "capture/lapse/lapse.h"

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |     \
	 PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

#define PIDS_SLACK 3 /* RLIMIT_NPROC 30 was seen to refuse after 27 to 29 */

/* A new task whose first stop came before its parent's event. */
struct early {
	pid_t tid;
	UT_hash_handle hh;
};

struct tracer {
	struct session *s;
	struct recorder *rec;
	struct early *early;
	struct turned *turned;
	struct proc last; /* the process that ended last */
};

static void go_on(pid_t tid, int sig)
{
	ptrace(PTRACE_CONT, tid, 0, (long)sig);
}

static void process_event(struct recorder *rec, const struct proc *p, const char *op,
			  uint32_t parent, const char *cause, int status)
{
	struct event ev = { .kind = EV_PROCESS, .proc = p->key };

	ev.v[EV_AT(PROCESS, OP)] = V_Z(op);
	ev.v[EV_AT(PROCESS, PID)] = V_INT(p->inner);
	if (parent)
		ev.v[EV_AT(PROCESS, PARENT)] = V_INT(parent);
	ev.v[EV_AT(PROCESS, CAUSE)] = V_Z(cause);
	if (!strcmp(op, "exit")) {
		if (WIFEXITED(status))
			ev.v[EV_AT(PROCESS, STATUS)] = V_INT(WEXITSTATUS(status));
		else
			ev.v[EV_AT(PROCESS, SIGNAL)] = V_INT(WTERMSIG(status));
	}
	recorder_append(rec, &ev);
}

/* Is @tid a thread of @tgid, or a process? */
static bool is_thread_of(pid_t tgid, pid_t tid)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/task/%d", tgid, tid);
	return !access(name, F_OK);
}

/* An event of a parent that was believed to be dead. */
static bool told_late(struct recorder *rec, pid_t tid)
{
	struct proc *p;
	bool late;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, tid);
	late = p && p->adopted;
	if (late)
		p->adopted = false;
	pthread_mutex_unlock(&rec->lock);
	return late;
}

/** enum birth - how a new task is known */
enum birth {
	BIRTH_PROCESS, /* its parent has told */
	BIRTH_CLONE,   /* so it has, and it may be a thread */
	BIRTH_ADOPTED, /* its parent will not tell any more */
};

/* @parent_tid 0: the process that ended last */
static void born(struct tracer *t, pid_t parent_tid, pid_t tid, enum birth how)
{
	struct recorder *rec = t->rec;
	struct proc *parent, *p = NULL, copy;
	struct early *e;
	pid_t parent_tgid = parent_tid;
	uint32_t by = 0;
	bool thread, beyond;

	pthread_mutex_lock(&rec->lock);
	parent = parent_tid ? proctab_get(rec->procs, parent_tid) : &t->last;
	thread = parent && how == BIRTH_CLONE && is_thread_of(parent->tgid, tid);
	lapse_comes(rec->lapse);
	if (thread) {
		proctab_add_thread(rec->procs, parent, tid);
	} else {
		p = proctab_add_process(rec->procs, tid, journal_next_proc(rec->j));
		p->inner = pid_in_box(rec->pidns, tid);
		p->execed = true;
		p->adopted = how == BIRTH_ADOPTED;
		if (parent) {
			by = parent->key;
			parent_tgid = parent->tgid;
			p->creds = parent->creds;
			p->rooted = parent->rooted;
			p->patched = parent->patched;
		}
		copy = *p;
	}
	/* pid 1 counts as well, and the kernel refuses the next one a little before the number */
	if (rec->pids_max && proctab_size(rec->procs) + PIDS_SLACK >= rec->pids_max)
		atomic_fetch_or(&rec->hits, RECORDER_HIT_PIDS);
	/* RLIMIT_NPROC counts by id: a program that takes many has more. Nobody counts all of them
	 * where neither a cgroup nor pid_max of the box does (its own since Linux 6.14) but we. */
	beyond = rec->pids_max && proctab_size(rec->procs) > rec->pids_max;
	pthread_mutex_unlock(&rec->lock);
	if (!thread)
		lapse_born(rec->lapse, parent_tgid, tid);
	if (beyond)
		kill(tid, SIGKILL); /* a thread takes its process with it */
	if (!thread)
		process_event(rec, &copy, "fork", by, NULL, 0);
	HASH_FIND_INT(t->early, &tid, e);
	if (e) {
		HASH_DEL(t->early, e);
		free(e);
		go_on(tid, 0);
	}
}

/* The field NAME of /proc/TID/status, a process id; -1: it is gone */
static pid_t status_field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? (pid_t)strtol(at + strlen(name), NULL, 10) : -1;
}

/* Will nobody tell of a new task any more? It is a process then: threads die with who made them.
 * @ret_parent: its parent; 0: that is gone */
static bool is_orphan(struct recorder *rec, pid_t tid, pid_t *ret_parent)
{
	cleanup_free char *status = NULL;
	const struct proc *parent;
	char name[64];
	bool orphan;

	snprintf(name, sizeof(name), "/proc/%d/status", tid);
	if (read_file_at(AT_FDCWD, name, 65536, &status, NULL) ||
	    status_field(status, "\nTgid:") != tid)
		return false;
	*ret_parent = status_field(status, "\nPPid:");
	pthread_mutex_lock(&rec->lock);
	parent = proctab_get(rec->procs, *ret_parent);
	orphan = !parent || parent->cut;
	if (!parent)
		*ret_parent = 0;
	pthread_mutex_unlock(&rec->lock);
	return orphan;
}

static void guessed(struct recorder *rec, pid_t tid)
{
	struct event ev = { .kind = EV_GAP, .proc = recorder_key(rec, tid) };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("trace");
	ev.v[EV_AT(GAP, DETAIL)] = V_Z("the parent of this process was killed while it made it: "
				       "that it is the one that ended last is a guess");
	recorder_append(rec, &ev);
}

static void adopt_orphans(struct tracer *t)
{
	struct early *e, *next;
	pid_t tid, parent;

	HASH_ITER(hh, t->early, e, next)
	{
		tid = e->tid;
		if (!is_orphan(t->rec, tid, &parent) || (!parent && !t->last.key))
			continue;
		born(t, parent, tid, BIRTH_ADOPTED); /* and e is no more */
		if (!parent)
			guessed(t->rec, tid);
	}
}

/* One whose memory we could not write. */
static void real_clocks(struct recorder *rec, const struct proc *p)
{
	struct event ev = { .kind = EV_GAP, .proc = p->key };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("time-lapse");
	ev.v[EV_AT(GAP, DETAIL)] = V_Z("a program could not be shown the box's clock: it reads "
				       "real time");
	recorder_append(rec, &ev);
}

static void became(struct tracer *t, pid_t tid)
{
	struct recorder *rec = t->rec;
	struct proc *p, copy;
	const char *cause = NULL;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, tid);
	if (!p) {
		pthread_mutex_unlock(&rec->lock);
		return;
	}
	proctab_exec(rec->procs, p);
	if (!p->execed)
		cause = t->s->cause;
	p->execed = true;
	p->creds.keeps = false;
	if (rec->emulate && !p->patched && (rec->claimed || p->creds.uid[1])) {
		p->patch_wanted = true;
		syscall(SYS_tgkill, tid, tid, SIGSTOP);
	}
	copy = *p;
	pthread_mutex_unlock(&rec->lock);
	adopt_orphans(t);
	exec_record(rec, &copy, cause);
	if (!lapse_exec(rec->lapse, copy.tgid))
		real_clocks(rec, &copy);
}

static void ended(struct tracer *t, pid_t tid, int status)
{
	struct recorder *rec = t->rec;
	struct proc *p, copy = { 0 };
	struct early *e;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, tid);
	if (p && p->tgid == tid)
		copy = *p;
	proctab_drop(rec->procs, tid);
	pthread_mutex_unlock(&rec->lock);
	if (copy.key) {
		t->last = copy;
		adopt_orphans(t); /* which still find its clock */
	}
	lapse_ended(rec->lapse, tid);
	if (copy.key)
		process_event(rec, &copy, "exit", 0, NULL, status);
	socketcall_drop(&t->turned, tid);
	HASH_FIND_INT(t->early, &tid, e);
	if (e) {
		HASH_DEL(t->early, e);
		free(e);
	}
}

/* A task's first stop: it goes on when its parent's event has put it into the table. */
static void first_stop(struct tracer *t, pid_t tid)
{
	struct early *e;
	bool known;

	pthread_mutex_lock(&t->rec->lock);
	known = proctab_get(t->rec->procs, tid);
	pthread_mutex_unlock(&t->rec->lock);
	if (known) {
		go_on(tid, 0);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->tid = tid;
	HASH_ADD_INT(t->early, tid, e);
}

/* The SIGSTOP that we sent to have the task at a place where it can be patched? */
static bool is_patch_stop(struct tracer *t, pid_t tid)
{
	struct proc *p;
	bool ours;

	pthread_mutex_lock(&t->rec->lock);
	p = proctab_get(t->rec->procs, tid);
	ours = p && p->patch_wanted;
	if (ours) {
		p->patch_wanted = false;
		p->patched = true;
	}
	pthread_mutex_unlock(&t->rec->lock);
	return ours;
}

/* Return: false when it has ended */
static bool patch(struct tracer *t, pid_t tid)
{
	struct event ev = { .kind = EV_GAP };
	int status, rc = emulate_patch(tid, &status);

	if (rc == 1) {
		ended(t, tid, status);
		return false;
	}
	if (rc) {
		ev.v[EV_AT(GAP, SOURCE)] = V_Z("emulation");
		ev.v[EV_AT(GAP, DETAIL)] =
			V_Z("a process could not be shown the identity that it has taken");
		recorder_append(t->rec, &ev);
	}
	return true;
}

static pid_t process_of(struct recorder *rec, pid_t tid)
{
	const struct proc *p;
	pid_t tgid;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, tid);
	tgid = p ? p->tgid : tid;
	pthread_mutex_unlock(&rec->lock);
	return tgid;
}

static void seccomp_stop(struct tracer *t, pid_t tid)
{
	struct creds c = { 0 };
	const struct proc *p;
	unsigned long data = 0;
	bool again;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &data);
	if (data == FILTER_SOCKETCALL) {
		again = socketcall_begin(&t->turned, tid);
	} else if (data == FILTER_STAT) {
		again = true;
	} else if (data == FILTER_LAPSE || data == FILTER_LAPSE_32) {
		again = lapse_call(t->rec->lapse, tid, process_of(t->rec, tid),
				   data == FILTER_LAPSE_32);
	} else {
		pthread_mutex_lock(&t->rec->lock);
		p = proctab_get(t->rec->procs, tid);
		if (p)
			c = p->creds;
		pthread_mutex_unlock(&t->rec->lock);
		again = emulate_call(tid, &c);
	}
	if (again)
		ptrace(PTRACE_SYSCALL, tid, 0, 0);
	else
		go_on(tid, 0);
}

static bool is_patched(struct recorder *rec, pid_t tid)
{
	const struct proc *p;
	bool is;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, tid);
	is = p && p->patched;
	pthread_mutex_unlock(&rec->lock);
	return is;
}

/* The end of a call that was turned, or whose answer is ours to change. */
static void call_end(struct tracer *t, pid_t tid)
{
	if (socketcall_end(&t->turned, tid) ||
	    lapse_call_end(t->rec->lapse, tid, process_of(t->rec, tid)))
		return;
	if (t->rec->emulate && is_patched(t->rec, tid))
		emulate_exit(t->rec, tid);
	lapse_stat_end(t->rec->lapse, tid);
}

/* Signals of ours, by which a task is stopped where it can be changed, are dropped there. */
static void signalled(struct tracer *t, pid_t tid, int sig)
{
	bool ours = sig == SIGSTOP && is_patch_stop(t, tid);
	int status;

	if (ours && !patch(t, tid))
		return;
	ours |= lapse_signalled(t->rec->lapse, tid, process_of(t->rec, tid), sig, &status);
	if (status >= 0)
		ended(t, tid, status);
	else
		go_on(tid, ours ? 0 : sig);
}

static void stopped(struct tracer *t, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	unsigned long msg = 0;

	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (!ptrace(PTRACE_GETEVENTMSG, tid, 0, &msg) && !told_late(t->rec, (pid_t)msg))
			born(t, tid, (pid_t)msg,
			     event == PTRACE_EVENT_CLONE ? BIRTH_CLONE : BIRTH_PROCESS);
		go_on(tid, 0);
		return;
	case PTRACE_EVENT_EXEC:
		became(t, tid);
		go_on(tid, 0);
		return;
	case PTRACE_EVENT_SECCOMP:
		seccomp_stop(t, tid);
		return;
	case PTRACE_EVENT_STOP:
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
			ptrace(PTRACE_LISTEN, tid, 0, 0); /* job control: it stays stopped */
		else
			first_stop(t, tid);
		return;
	}
	if (sig == (SIGTRAP | 0x80)) {
		call_end(t, tid);
		go_on(tid, 0);
		return;
	}
	if (sig == SIGXFSZ)
		atomic_fetch_or(&t->rec->hits, RECORDER_HIT_FILE_SIZE);
	signalled(t, tid, sig);
}

static void attach(struct tracer *t)
{
	struct session *s = t->s;
	struct recorder *rec = t->rec;
	struct proc *p;
	struct proc copy;
	int rc = 0;

	if (ptrace(PTRACE_SEIZE, s->program, 0, OPTIONS))
		rc = err_set_exit(
			&s->attach_err, EXIT_NO_WALL, errno,
			"capture: follow the program's processes (ptrace; 'belljar doctor' "
			"says what this machine lacks)");
	if (!rc) {
		pthread_mutex_lock(&rec->lock);
		p = proctab_add_process(rec->procs, s->program, journal_next_proc(rec->j));
		lapse_comes(rec->lapse);
		p->inner = pid_in_box(rec->pidns, s->program);
		copy = *p;
		pthread_mutex_unlock(&rec->lock);
		process_event(rec, &copy, "fork", 0, s->cause, 0);
	}
	pthread_mutex_lock(&s->lock);
	s->attach_rc = rc;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* What happens next to a task of ours. Only to tasks that this thread has attached: sessions do not
 * see each other's. */
static pid_t await(struct tracer *t, int *ret_status)
{
	pid_t tid = 0;

	if (t->early) {
		tid = waitpid(-1, ret_status, __WALL | __WNOTHREAD | WNOHANG);
		if (!tid)
			adopt_orphans(t);
	}
	return tid ? tid : waitpid(-1, ret_status, __WALL | __WNOTHREAD);
}

void *trace_thread(void *arg)
{
	struct session *s = arg;
	struct tracer t = { .s = s, .rec = s->rec };
	struct early *e, *next;

	if (!session_joined(s))
		return NULL;
	attach(&t);
	lapse_watch(t.rec->lapse, getpid(), gettid());
	while (!s->attach_rc) {
		int status;
		pid_t tid = await(&t, &status);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			break;
		lapse_work(t.rec->lapse, 1);
		if (WIFSTOPPED(status))
			stopped(&t, tid, status);
		else
			ended(&t, tid, status);
		lapse_work(t.rec->lapse, -1);
	}
	HASH_ITER(hh, t.early, e, next)
	{
		HASH_DEL(t.early, e);
		free(e);
	}
	socketcall_drop_all(&t.turned);
	return NULL;
}
