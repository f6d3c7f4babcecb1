// SPDX-License-Identifier: Apache-2.0
/*
 * look.c - who waits, for what, and since when: the tasks of the box as /proc shows them
 */
#include <sys/syscall.h>

#include "capture/lapse/lapse.h"

#define AT_WORK_NS 200000000 /* a call that is none of the waits is at work for so long at most */
#define LATELY	   16	     /* a wait counts for a seventh when 30 shorter ones have followed */
#define ON_DISK_NS (10 * NSEC_PER_SEC) /* and one that cannot be interrupted, for so long */

static int open_for_all(pid_t tid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* @name NULL: of the call it is in */
static ssize_t read_proc(struct lapse *l, int *fd, pid_t tid, const char *name, char *buf, size_t n)
{
	ssize_t k;
	int f = *fd;

	if (f < 0)
		f = name ? open_for_all(tid, name) : lapse_open(l, tid, LAPSE_SYSCALL);
	if (f < 0)
		return -ENOENT;
	k = pread(f, buf, n - 1, 0);
	buf[k > 0 ? k : 0] = 0;
	if (*fd < 0 && k > 0 && l->nopen < LAPSE_TASK_FDS) {
		*fd = f;
		l->nopen++;
	} else if (*fd < 0) {
		close(f);
	}
	return k;
}

/* How often it was switched away from, where the kernel does not count how often it ran. */
static void count_switches(pid_t tid, uint64_t runs[2])
{
	cleanup_free char *text = NULL;
	char name[64], *at;
	size_t n;

	snprintf(name, sizeof(name), "/proc/%d/status", tid);
	if (read_file_at(AT_FDCWD, name, 16384, &text, &n))
		return;
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	runs[0] = at ? strtoull(at + 25, NULL, 10) : 0;
	at = strstr(text, "\nnonvoluntary_ctxt_switches:");
	runs[1] = at ? strtoull(at + 28, NULL, 10) : 0;
}

void seen_close(struct lapse *l, struct seen *s)
{
	int *fd[] = { &s->call_fd, &s->runs_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		if (*fd[i] >= 0) {
			close(*fd[i]);
			*fd[i] = -1;
			l->nopen--;
		}
}

void seen_forget(struct lapse *l, struct seen *s)
{
	seen_close(l, s);
	HASH_DEL(l->seen, s);
	free(s);
}

static uint64_t due_of(const struct lapse *l, const struct wait *w)
{
	uint64_t now = lapse_now(l), offset;

	if (w->what != WAIT_TIMED)
		return LAPSE_NEVER;
	if (w->how == WAIT_FOR)
		return now + w->ns;
	if (w->how == WAIT_UNTIL)
		return w->ns;
	offset = lapse_date_offset(l);
	if (lapse_date_is_past(l))
		offset -= l->clock->date;
	return w->ns > offset ? w->ns - offset : 0;
}

/* As ps(1) shows it; 0: it has ended. */
static char state_of(pid_t tid)
{
	char path[64], line[512], *at;
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = 0;
	at = strrchr(line, ')');
	return at && at[1] ? at[2] : 0;
}

/* A signal has broken off the wait that was seen, and its tracer has not been there yet: the call
 * still stands there with its arguments. */
static bool stopped_in_it(const struct seen *s, const struct blocked *b)
{
	return !s->broken && b->nr == s->b.nr && b->sp == s->b.sp &&
	       !memcmp(b->a, s->b.a, sizeof(b->a)) && state_of(s->tid) == 't';
}

static bool is_restart(const struct blocked *b)
{
	return b->nr == (b->narrow ? 0 : SYS_restart_syscall);
}

/* In a box of an earlier date: a task that stands before a wait until a date, for its tracer to
 * turn that date into ours (lapse/calls.c). By our clock it would be over long ago. */
static bool is_unturned(const struct lapse *l, const struct seen *s)
{
	return lapse_date_is_past(l) && s->w.what == WAIT_TIMED && s->w.how == WAIT_UNTIL_DATE &&
	       s->w.at != lapse_scratch(s->b.sp);
}

static void begins(struct lapse *l, struct seen *s, const struct blocked *b)
{
	/* a call that goes on after a stop: the same wait, for which the kernel has kept the end */
	bool goes_on = s->w.what == WAIT_TIMED && !s->done && !s->ours &&
		       (is_restart(b) || stopped_in_it(s, b) ||
			(s->again && b->nr == s->b.nr && b->sp == s->b.sp));

	s->b = *b;
	s->since_real = clock_mono_ns();
	if (goes_on)
		return;
	s->again = s->broken = s->done = false; /* told stays: that signal is still on its way */
	if (s->ours)
		s->w = (struct wait){ .what = WAIT_EVER };
	else
		wait_of(s->tgid, s->tid, b, &s->w);
	if (is_unturned(l, s))
		s->w.what = WAIT_EVER;
	s->since = lapse_now(l);
	s->ahead = l->clock->ahead;
	s->rests = l->rests;
	s->due = due_of(l, &s->w);
	s->lately -= s->lately / LATELY;
	if (s->due != LAPSE_NEVER && s->due > s->since && s->due - s->since > s->lately)
		s->lately = s->due - s->since;
}

/*
 * A thread of ours sleeps? What it waits for is its own affair: see lapse_work().
 *
 * The state in its stat does not say so: a thread that looks for work is in state S already while
 * it looks, in wait4() for as long as it takes to go through its tasks and to take one's status,
 * and an emulated or crowded processor may stand still just there. Its line of syscall is "running"
 * until it has left the processor. An undumpable process of ours (the gate) has that for root
 * alone.
 */
static bool sleeps(struct lapse *l, struct seen *s, char *line, size_t n)
{
	const char *at;

	if (!s->hidden) {
		if (read_proc(l, &s->call_fd, s->tid, "syscall", line, n) > 0)
			return strncmp(line, "running", 7) != 0;
		seen_close(l, s);
		s->hidden = state_of(s->tid) != 0;
	}
	if (!s->hidden || read_proc(l, &s->call_fd, s->tid, "stat", line, n) <= 0)
		return false;
	at = strrchr(line, ')');
	return at && !strncmp(at, ") S", 3);
}

static void runs_of(struct lapse *l, struct seen *s, uint64_t runs[2])
{
	char line[256], *end;

	runs[0] = runs[1] = 0;
	if (read_proc(l, &s->runs_fd, s->tid, "schedstat", line, sizeof(line)) > 0) {
		runs[0] = strtoull(line, &end, 10);
		strtoull(end, &end, 10);
		runs[1] = strtoull(end, NULL, 10);
	}
	if (!runs[1])
		count_switches(s->tid, runs);
}

/* Look at one task. Return: false: it runs, or has run since the last look */
static bool look_at(struct lapse *l, struct seen *s)
{
	struct blocked b = { .nr = -1 };
	uint64_t runs[2];
	char line[1024];
	bool blocked, same;

	if (s->patching)
		return false; /* the call that it is in is ours */
	line[0] = 0;
	if (s->ours)
		blocked = sleeps(l, s, line, sizeof(line));
	else
		blocked = read_proc(l, &s->call_fd, s->tid, NULL, line, sizeof(line)) > 0 &&
			  blocked_read(line, &b);
	if (!blocked) {
		if (!line[0])
			seen_close(l, s); /* it has ended, or its number is another task's */
		s->blocked = false;
		return false;
	}
	runs_of(l, s, runs);
	same = s->blocked && !memcmp(runs, s->runs, sizeof(runs)) && s->b.nr == b.nr;
	if (!same && s->again && state_of(s->tid) == 't') {
		s->blocked = false; /* it has not begun its call again yet */
		return false;
	}
	memcpy(s->runs, runs, sizeof(runs));
	b.narrow = s->b.narrow;
	if (!same) {
		b.narrow = !s->ours && (lapse_is_narrow(l, s->tgid) || is_int80(s->tid, b.pc));
		begins(l, s, &b);
	}
	s->blocked = true;
	return same;
}

static struct seen *see(struct lapse *l, pid_t tgid, pid_t tid)
{
	struct seen *s;

	HASH_FIND_INT(l->seen, &tid, s);
	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->tid = tid;
		s->call_fd = s->runs_fd = -1;
		HASH_ADD_INT(l->seen, tid, s);
	}
	s->tgid = tgid;
	return s;
}

void lapse_watch(struct lapse *l, pid_t tgid, pid_t tid)
{
	struct seen *s;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	s = see(l, tgid, tid);
	s->ours = s->listed = true;
	pthread_mutex_unlock(&l->lock);
}

void lapse_broke_off(struct lapse *l, pid_t tgid, pid_t tid, const struct user_regs_struct *r)
{
	struct seen *s = see(l, tgid, tid);
	struct blocked b = call_of_regs(r, is_narrow(r) || is_int80(tid, r->rip));

	s->listed = s->patching = true;
	if (b.nr < 0 || !was_broken_off((int64_t)r->rax))
		return;
	if (!is_restart(&b) && (!s->blocked || b.nr != s->b.nr || b.sp != s->b.sp))
		begins(l, s, &b);
	s->again = true;
}

static void take_task(void *ctx, pid_t tgid, pid_t tid)
{
	see(ctx, tgid, tid)->listed = true;
}

void lapse_list_tasks(struct lapse *l)
{
	struct seen *s, *next;

	l->listed_born = atomic_load(&l->born);
	HASH_ITER(hh, l->seen, s, next)
	s->listed = s->ours;
	proctab_each(l->rec->procs, take_task, l);
	HASH_ITER(hh, l->seen, s, next)
	{
		if (!s->listed)
			seen_forget(l, s);
	}
}

bool lapse_look(struct lapse *l)
{
	/* asked before and after: whoever was at work only then looks asleep now */
	bool all = !atomic_load(&l->working);
	uint64_t now = clock_mono_ns();
	struct seen *s, *next;

	HASH_ITER(hh, l->seen, s, next)
	{
		if (!look_at(l, s)) {
			all = false;
			if (s->ours && s->call_fd < 0)
				seen_forget(l, s); /* that thread has ended */
		} else if (s->w.what == WAIT_SHORT && now - s->since_real < AT_WORK_NS) {
			all = false;
		}
	}
	all = all && !atomic_load(&l->working) && l->listed_born == atomic_load(&l->born);
	if (!all)
		l->active_real = clock_real_ns();
	return all;
}

/* Its parent stands still for a child's sake, for as long as the child likes. */
static bool is_vfork(pid_t tid, struct blocked b)
{
	call_widen(tid, &b);
	return b.nr == SYS_vfork || b.nr == SYS_clone || b.nr == SYS_clone3;
}

bool lapse_at_rest(struct lapse *l)
{
	uint64_t now = clock_mono_ns(), runs[2];
	struct seen *s, *next;

	HASH_ITER(hh, l->seen, s, next)
	{
		char state = state_of(s->tid);

		/* woken, but not yet on its processor: it stands in its call as before */
		if (state == 'R' || (s->ours && state != 'S') ||
		    (state == 'D' && !is_vfork(s->tid, s->b) && now - s->since_real < ON_DISK_NS))
			return false;
		runs_of(l, s, runs);
		if (memcmp(runs, s->runs, sizeof(runs)) != 0)
			return false;
	}
	return true;
}
