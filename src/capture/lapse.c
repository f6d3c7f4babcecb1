// SPDX-License-Identifier: Apache-2.0
/*
 * lapse.c - looks at the box, finds when all wait, and puts the clock forward
 *
 * See lapse.h. The thread's turn: look; end what is due; if two looks show that all wait, jump.
 * After a change it looks soon again, else more and more seldom, at LOOK_MAX_NS.
 *
 * Lock order: the recorder's before ours.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "capture/lapse.h"

#define LOOK_MIN_NS  50000
#define LOOK_MAX_NS  20000000
#define JUMP_MIN_NS  2000000   /* what is due so soon comes by itself */
#define AT_WORK_NS   200000000 /* a call that is none of the waits is at work for so long at most */
#define TICKING	     100       /* jumps since a wait began: it is held up by others' short waits */
#define BUSY_REST_NS NSEC_PER_SEC /* beside work, two jumps are so far apart */
#define OVERTAKEN    1000	  /* a wait that is so many times shorter may be overtaken */
#define EVENTS_NS    50000000	  /* jumps that follow sooner have no event of their own */

/* ---- looking ------------------------------------------------------------------------------ */

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

static void close_files(struct lapse *l, struct seen *s)
{
	int *fd[] = { &s->call_fd, &s->runs_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		if (*fd[i] >= 0) {
			close(*fd[i]);
			*fd[i] = -1;
			l->nopen--;
		}
}

static void forget(struct lapse *l, struct seen *s)
{
	close_files(l, s);
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
	return w->ns > offset ? w->ns - offset : 0;
}

static void begins(struct lapse *l, struct seen *s, const struct blocked *b)
{
	/* a call that goes on after a stop: the same wait, for which the kernel has kept the end */
	bool goes_on = b->nr == SYS_restart_syscall && s->w.what == WAIT_TIMED && !s->done;

	s->b = *b;
	s->since_real = clock_mono_ns();
	if (goes_on)
		return;
	s->done = false; /* told stays: that signal is still on its way */
	if (s->ours)
		s->w = (struct wait){ .what = WAIT_EVER };
	else
		wait_of(s->tgid, s->tid, b, &s->w);
	s->since = lapse_now(l);
	s->ahead = l->clock->ahead;
	s->jumps = l->jumps;
	s->due = due_of(l, &s->w);
}

/* A thread of ours sleeps? What it waits for is its own affair: see lapse_work(). */
static bool sleeps(struct lapse *l, struct seen *s, char *line, size_t n)
{
	const char *at;

	if (read_proc(l, &s->call_fd, s->tid, "stat", line, n) <= 0)
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

	line[0] = 0;
	if (s->ours)
		blocked = sleeps(l, s, line, sizeof(line));
	else
		blocked = read_proc(l, &s->call_fd, s->tid, NULL, line, sizeof(line)) > 0 &&
			  blocked_read(line, &b);
	if (!blocked) {
		if (!line[0])
			close_files(l, s); /* it has ended, or its number is another task's */
		s->blocked = false;
		return false;
	}
	runs_of(l, s, runs);
	same = s->blocked && !memcmp(runs, s->runs, sizeof(runs)) && s->b.nr == b.nr;
	memcpy(s->runs, runs, sizeof(runs));
	if (!same)
		begins(l, s, &b);
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

static void take_task(void *ctx, pid_t tgid, pid_t tid)
{
	see(ctx, tgid, tid)->listed = true;
}

/* Who is there to be looked at: the recorder's table is exact. */
static void list_tasks(struct lapse *l)
{
	struct seen *s, *next;

	HASH_ITER(hh, l->seen, s, next)
	s->listed = s->ours;
	proctab_each(l->rec->procs, take_task, l);
	HASH_ITER(hh, l->seen, s, next)
	{
		if (!s->listed)
			forget(l, s);
	}
}

/* Return: true when each task is blocked, and as it was at the look before */
static bool look(struct lapse *l)
{
	uint64_t now = clock_mono_ns();
	struct seen *s, *next;
	bool all = true;

	HASH_ITER(hh, l->seen, s, next)
	{
		if (!look_at(l, s)) {
			all = false;
			if (s->ours && s->call_fd < 0)
				forget(l, s); /* that thread has ended */
		} else if (s->w.what == WAIT_SHORT && now - s->since_real < AT_WORK_NS) {
			all = false;
		}
	}
	return all && !atomic_load(&l->working);
}

/* ---- ending waits ------------------------------------------------------------------------- */

/* The kernel will not end it by itself when its time has come: there was a jump since, or it waits
 * for a moment of clocks that are ahead. */
static bool is_ours_to_end(const struct lapse *l, const struct seen *s)
{
	return l->clock->ahead != s->ahead ||
	       (s->w.how != WAIT_FOR && (s->ahead || l->clock->date));
}

static bool is_timed(const struct seen *s)
{
	return s->blocked && !s->ours && s->w.what == WAIT_TIMED && !s->told && !s->done;
}

static int end_due(struct lapse *l)
{
	uint64_t now = lapse_now(l);
	int n = 0;

	for (;;) {
		struct seen *s, *next, *first = NULL;

		HASH_ITER(hh, l->seen, s, next)
		{
			if (is_timed(s) && s->due <= now && is_ours_to_end(l, s) &&
			    (!first || s->due < first->due))
				first = s;
		}
		if (!first)
			return n;
		first->told = true;
		syscall(SYS_tgkill, first->tgid, first->tid, SIGSTOP);
		n++;
	}
}

/* The kernel's own words for "a signal broke it off": linux/errno.h */
static bool was_broken_off(int64_t rax)
{
	return rax == -EINTR || rax == -512 /* ERESTARTSYS */ || rax == -513 /* ERESTARTNOINTR */ ||
	       rax == -514 /* ERESTARTNOHAND */ || rax == -516 /* ERESTART_RESTARTBLOCK */;
}

static bool same_call(const struct seen *s, const struct user_regs_struct *r)
{
	return ((int64_t)r->orig_rax == s->b.nr || r->orig_rax == SYS_restart_syscall) &&
	       r->rdi == s->b.a[0] && r->rsi == s->b.a[1] && r->rsp == s->b.sp;
}

static void end_wait(struct seen *s, struct user_regs_struct *r)
{
	if (!was_broken_off((int64_t)r->rax))
		return; /* it ended by itself meanwhile */
	if (same_call(s, r)) {
		wait_clear(s->tid, &s->w);
		r->rax = (unsigned long long)s->w.result;
		r->orig_rax = (unsigned long long)-1;
		s->done = true;
	} else if ((int64_t)r->rax == -EINTR) {
		r->rax = (unsigned long long)-513; /* another wait by now: once more */
	} else {
		return;
	}
	ptrace(PTRACE_SETREGS, s->tid, 0, r);
}

/* A signal of somebody else has broken a wait off in which the clock went forward. */
static void tell_left(const struct lapse *l, const struct seen *s, const struct user_regs_struct *r)
{
	if (s->w.what == WAIT_TIMED && s->w.how == WAIT_FOR && l->clock->ahead != s->ahead &&
	    was_broken_off((int64_t)r->rax) && same_call(s, r))
		wait_take_left(s->tid, &s->w, l->clock->ahead - s->ahead);
}

bool lapse_signalled(struct lapse *l, pid_t tid, int sig)
{
	struct user_regs_struct r;
	struct seen *s;
	bool ours = false;

	if (!l)
		return false;
	pthread_mutex_lock(&l->lock);
	HASH_FIND_INT(l->seen, &tid, s);
	if (s && (s->told || s->w.what == WAIT_TIMED) && !ptrace(PTRACE_GETREGS, tid, 0, &r)) {
		ours = sig == SIGSTOP && s->told;
		if (ours)
			end_wait(s, &r);
		else
			tell_left(l, s, &r);
	}
	if (ours) {
		s->told = false;
		l->pause_ns = LOOK_MIN_NS;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	return ours;
}

/* ---- jumping ------------------------------------------------------------------------------ */

static void clock_event(struct lapse *l, const char *cause)
{
	struct event ev = { .kind = EV_CLOCK };

	ev.v[EV_AT(CLOCK, OFFSET)] = V_INT(l->clock->ahead);
	ev.v[EV_AT(CLOCK, CAUSE)] = V_Z(cause);
	ev.v[EV_AT(CLOCK, DATE)] = V_INT(clock_real_ns() + l->clock->ahead + l->clock->date);
	recorder_append(l->rec, &ev);
}

static void jump(struct lapse *l, uint64_t ns, const char *cause)
{
	uint64_t ahead = l->clock->ahead + ns, now = clock_mono_ns();
	struct clocked *c, *next;

	HASH_ITER(hh, l->clocked, c, next)
	{
		if (c->slot)
			vdso_set(l, c->tgid, c->slot, ahead, ahead + l->clock->date);
	}
	timerfds_take(l, ns);
	l->clock->jump[l->clock->njumps % BOX_CLOCK_JUMPS].real = clock_real_ns();
	l->clock->jump[l->clock->njumps % BOX_CLOCK_JUMPS].ahead = ahead;
	l->clock->njumps++;
	l->clock->ahead = ahead;
	l->jumps++;
	l->jumped_real = now;
	l->pause_ns = LOOK_MIN_NS;
	if (now - l->told_real >= EVENTS_NS || strcmp(cause, "wait") != 0) {
		l->told_real = now;
		clock_event(l, cause);
	}
}

static void tell_gate(struct lapse *l)
{
	uint64_t due = l->opts->hints->due;

	/* once: it says anew what it waits for when it has been there */
	if (due && due != LAPSE_NEVER && due + l->t0 <= lapse_now(l) && l->opts->gate_due &&
	    atomic_compare_exchange_strong(&l->opts->hints->due, &due, LAPSE_NEVER))
		l->opts->gate_due(l->opts->ctx);
}

/* Whatever the clock has gone over. Return: whether there was anything */
static bool serve_due(struct lapse *l)
{
	bool any = end_due(l) > 0;

	if (timers_fire(l))
		any = true;
	tell_gate(l);
	return any;
}

static void least(uint64_t *a, uint64_t b)
{
	if (b < *a)
		*a = b;
}

/* The earliest moment that anybody waits for. */
static uint64_t next_due(struct lapse *l)
{
	uint64_t next = timers_next(l), left, gate = l->opts->hints->due;
	struct seen *s, *after;

	HASH_ITER(hh, l->seen, s, after)
	{
		if (is_timed(s))
			least(&next, s->due);
	}
	left = timerfds_next(l);
	if (left != LAPSE_NEVER)
		least(&next, lapse_now(l) + left);
	if (gate && gate != LAPSE_NEVER)
		least(&next, gate + l->t0);
	least(&next, l->until);
	return next;
}

/* ---- patience ----------------------------------------------------------------------------- */

/* The longest wait of which too much real time has gone by; 0 none. */
static uint64_t impatient_wait(const struct lapse *l, uint64_t now, bool ticking)
{
	uint64_t real = clock_mono_ns(), longest = 0, ns;
	struct seen *s, *after;

	HASH_ITER(hh, l->seen, s, after)
	{
		ns = s->due - s->since;
		if (is_timed(s) && s->due > now && ns > longest &&
		    (!ticking || l->jumps - s->jumps >= TICKING) &&
		    lapse_patience(ns, real - (s->since - s->ahead), now - s->since, ticking))
			longest = ns;
	}
	ns = l->until - l->until_since;
	if (l->until != LAPSE_NEVER && l->until > now && ns > longest &&
	    (!ticking || l->jumps - l->until_jumps >= TICKING) &&
	    lapse_patience(ns, real - l->until_real, now - l->until_since, ticking))
		longest = ns;
	return longest;
}

/* Where the clock goes when only waits that are much shorter are overtaken; 0: it need not. */
static uint64_t impatient_due(const struct lapse *l, bool ticking)
{
	uint64_t now = lapse_now(l), longest = impatient_wait(l, now, ticking), next = l->until;
	struct seen *s, *after;

	if (!longest)
		return 0;
	HASH_ITER(hh, l->seen, s, after)
	{
		if (is_timed(s) && s->due > now && s->due - s->since >= longest / OVERTAKEN)
			least(&next, s->due);
	}
	return next == LAPSE_NEVER || next <= now ? 0 : next;
}

/* ---- turns -------------------------------------------------------------------------------- */

/* All wait. Return: ns of real time until the next look */
static uint64_t all_wait(struct lapse *l)
{
	uint64_t next = next_due(l), now = lapse_now(l), far;

	if (next == LAPSE_NEVER)
		return LOOK_MAX_NS;
	if (next <= now + JUMP_MIN_NS)
		return next > now ? next - now : LOOK_MIN_NS;
	far = impatient_due(l, true);
	if (far > next)
		next = far;
	jump(l, next - now, far ? "busy" : "wait");
	serve_due(l);
	return LOOK_MIN_NS;
}

/* Somebody works, and nothing has come of waiting for a while. */
static bool overtake(struct lapse *l)
{
	uint64_t due;

	if (clock_mono_ns() - l->jumped_real < BUSY_REST_NS)
		return false;
	due = impatient_due(l, false);
	if (due)
		jump(l, due - lapse_now(l), "busy");
	return due != 0;
}

static bool outside_may_answer(const struct lapse *l)
{
	return l->opts->hints->outside > clock_mono_ns();
}

/* ns of real time until the next look */
static uint64_t turn(struct lapse *l)
{
	uint64_t ns;

	look(l);
	if (serve_due(l))
		return LOOK_MIN_NS;
	if (!l->until)
		return LOOK_MAX_NS;
	if (look(l) && !outside_may_answer(l))
		return all_wait(l);
	if (overtake(l)) {
		serve_due(l);
		return LOOK_MIN_NS;
	}
	l->pause_ns = l->pause_ns * 2 > LOOK_MAX_NS ? LOOK_MAX_NS : l->pause_ns * 2;
	ns = timers_next(l);
	if (ns != LAPSE_NEVER && ns > lapse_now(l) && ns - lapse_now(l) < l->pause_ns)
		return ns - lapse_now(l);
	return l->pause_ns;
}

static void *lapse_thread(void *arg)
{
	struct lapse *l = arg;
	struct timespec at;
	uint64_t ns;

	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		pthread_mutex_lock(&l->rec->lock);
		pthread_mutex_lock(&l->lock);
		list_tasks(l);
		pthread_mutex_unlock(&l->rec->lock);
		ns = turn(l) + clock_mono_ns();
		at = (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
		if (!l->ending)
			pthread_cond_timedwait(&l->wake, &l->lock, &at);
		if (l->ending)
			break;
		pthread_mutex_unlock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- processes ---------------------------------------------------------------------------- */

static struct clocked *clocked_of(struct lapse *l, pid_t tgid)
{
	struct clocked *c;

	HASH_FIND_INT(l->clocked, &tgid, c);
	return c;
}

uint64_t lapse_vdso_of(struct lapse *l, pid_t tgid)
{
	struct clocked *c = clocked_of(l, tgid);

	return c ? c->base : 0;
}

static struct clocked *enter(struct lapse *l, pid_t tgid)
{
	struct clocked *c = clocked_of(l, tgid);

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->tgid = tgid;
		HASH_ADD_INT(l->clocked, tgid, c);
	}
	return c;
}

void lapse_born(struct lapse *l, pid_t parent, pid_t tgid)
{
	struct clocked *from, *c;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	c = enter(l, tgid);
	from = clocked_of(l, parent);
	if (from) {
		c->slot = from->slot;
		c->base = from->base;
	}
	/* the clock may have jumped after its memory was copied */
	if (c->slot && l->clock->ahead)
		vdso_set(l, tgid, c->slot, l->clock->ahead, l->clock->ahead + l->clock->date);
	pthread_mutex_unlock(&l->lock);
}

bool lapse_exec(struct lapse *l, pid_t tgid)
{
	struct clocked *c;
	struct seen *s;
	int rc;

	if (!l)
		return true;
	pthread_mutex_lock(&l->lock);
	c = enter(l, tgid);
	c->slot = c->base = 0;
	HASH_FIND_INT(l->seen, &tgid, s);
	if (s) {
		close_files(l, s); /* they are of the program before */
		s->told = false;
	}
	rc = vdso_patch(l, tgid, &c->base, &c->slot);
	if (!rc)
		rc = vdso_set(l, tgid, c->slot, l->clock->ahead, l->clock->ahead + l->clock->date);
	if (rc)
		c->slot = c->base = 0;
	timers_exec(l, tgid);
	pthread_mutex_unlock(&l->lock);
	return !rc;
}

void lapse_ended(struct lapse *l, pid_t tid)
{
	struct clocked *c;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	lapse_unturn(l, tid);
	c = clocked_of(l, tid);
	if (c) {
		HASH_DEL(l->clocked, c);
		free(c);
		timers_drop(l, tid);
	}
	pthread_mutex_unlock(&l->lock);
}

/* ---- begin and end ------------------------------------------------------------------------ */

struct lapse *lapse_new(struct recorder *rec, const struct recorder_lapse *opts)
{
	struct lapse *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t attr;

	l->rec = rec;
	l->opts = opts;
	l->clock = opts->clock;
	l->t0 = lapse_now(l) - journal_now(rec->j);
	l->pause_ns = LOOK_MIN_NS;
	l->opener = -1;
	l->vdso = vdso_read();
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

int lapse_start(struct lapse *l, struct err *err)
{
	int rc;

	if (!l->vdso)
		return err_set_exit(err, EXIT_NO_WALL, ENOTSUP,
				    "capture: give programs a clock of their own (this kernel's "
				    "vDSO has no room; see 'belljar doctor')");
	if (l->clock->date)
		clock_event(l, "date");
	rc = pthread_create(&l->thread, NULL, lapse_thread, l);
	if (rc)
		return err_set(err, rc, "capture: start a thread");
	l->running = true;
	return 0;
}

void lapse_end(struct lapse *l)
{
	if (!l || !l->running)
		return;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	l->running = false;
	if (l->jumps)
		clock_event(l, "wait");
}

void lapse_free(struct lapse *l)
{
	struct seen *s, *next;
	struct clocked *c, *after;

	if (!l)
		return;
	lapse_end(l);
	HASH_ITER(hh, l->seen, s, next)
	forget(l, s);
	HASH_ITER(hh, l->clocked, c, after)
	{
		timers_drop(l, c->tgid);
		HASH_DEL(l->clocked, c);
		free(c);
	}
	lapse_unturn_all(l);
	free(l->vdso);
	if (l->opener >= 0)
		close(l->opener);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wake);
	free(l);
}

void lapse_until(struct lapse *l, uint64_t t)
{
	pthread_mutex_lock(&l->lock);
	l->until = !t ? 0 : t == UINT64_MAX ? LAPSE_NEVER : t + l->t0;
	l->until_real = clock_mono_ns();
	l->until_since = lapse_now(l);
	l->until_jumps = l->jumps;
	l->pause_ns = LOOK_MIN_NS;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void lapse_ahead(struct lapse *l, uint64_t ns)
{
	pthread_mutex_lock(&l->rec->lock);
	pthread_mutex_lock(&l->lock);
	list_tasks(l);
	pthread_mutex_unlock(&l->rec->lock);
	look(l);
	jump(l, ns, "ahead");
	serve_due(l);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}
