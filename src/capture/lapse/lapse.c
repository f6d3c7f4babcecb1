// SPDX-License-Identifier: Apache-2.0
/*
 * lapse.c - puts the clock forward when all wait
 *
 * See lapse.h; lapse/look.c says who waits, lapse/wait_end.c ends waits. The thread's turn: look;
 * end what is due; if two looks show that all wait, jump. After a change it looks soon again, else
 * more and more seldom, at LOOK_MAX_NS.
 *
 * Lock order: the recorder's before ours.
 */
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include "capture/lapse/lapse.h"

#define LOOK_MAX_NS  20000000
#define JUMP_MIN_NS  2000000 /* what is due so soon comes by itself */
#define TICKING	     100     /* rests since a wait began: it is held up by others' short waits */
#define TICK_OF	     8	     /* rests whose distance counts as that of ticks */
#define BUSY_REST_NS NSEC_PER_SEC	 /* beside work, two jumps are so far apart */
#define OVERTAKEN    1000		 /* a wait that is so many times shorter may be overtaken */
#define OVERTOOK_NS  (60 * NSEC_PER_SEC) /* patience has ended: so long it need not end anew */
#define EVENTS_NS    50000000		 /* jumps that follow sooner have no event of their own */

/* ---- jumping ------------------------------------------------------------------------------ */

/* A box that has no folder is gone with its run. */
static void keep_dates(struct lapse *l)
{
	if (box_has_folder(l->rec->box))
		dates_save(&l->dates, box_dirfd(l->rec->box));
}

static void clock_event(struct lapse *l, const char *cause)
{
	struct event ev = { .kind = EV_CLOCK };

	ev.v[EV_AT(CLOCK, OFFSET)] = V_INT(l->clock->ahead);
	ev.v[EV_AT(CLOCK, CAUSE)] = V_Z(cause);
	ev.v[EV_AT(CLOCK, DATE)] = V_INT(clock_real_ns() + l->clock->ahead + l->clock->date);
	recorder_append(l->rec, &ev);
}

/* The time that the kernel dates files with now. */
static uint64_t tick_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* How many calls to write a process has made; where the kernel does not count: always another
 * number. */
static uint64_t writes_of(pid_t tgid)
{
	cleanup_free char *text = NULL;
	char name[64], *at = NULL;
	size_t n;

	snprintf(name, sizeof(name), "/proc/%d/io", tgid);
	if (!read_file_at(AT_FDCWD, name, 4096, &text, &n))
		at = strstr(text, "syscw:");
	return at ? strtoull(at + 6, NULL, 10) : clock_mono_ns();
}

/* Has anybody in the box made, changed or written a file since this was last asked? */
static bool has_written(struct lapse *l)
{
	/* a task that came may have written and gone */
	uint64_t held = atomic_load(&l->rec->held) + atomic_load(&l->born), writes;
	struct clocked *c, *next;
	bool any = held != l->held;

	l->held = held;
	HASH_ITER(hh, l->clocked, c, next)
	{
		writes = writes_of(c->tgid);
		any |= writes != c->writes;
		c->writes = writes;
	}
	return any;
}

/* Can what was written so far be told from what will be written after a jump? 0, or ns until then
 */
static uint64_t until_tick(struct lapse *l)
{
	struct timespec t;
	uint64_t tick = tick_ns(), now = clock_real_ns();

	if (tick > l->active_real)
		return 0;
	if (has_written(l))
		l->wrote_real = now;
	if (tick > l->wrote_real || clock_getres(CLOCK_REALTIME_COARSE, &t))
		return 0;
	tick += (uint64_t)t.tv_nsec;
	return tick > now ? tick - now : LOOK_MIN_NS;
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
	pthread_mutex_lock(&l->dates_lock);
	dates_add(&l->dates, tick_ns(), (int64_t)(ahead + l->clock->date));
	pthread_mutex_unlock(&l->dates_lock);
	l->clock->jump[l->clock->njumps % BOX_CLOCK_JUMPS].real = clock_real_ns();
	l->clock->jump[l->clock->njumps % BOX_CLOCK_JUMPS].ahead = ahead;
	l->clock->njumps++;
	l->clock->ahead = ahead;
	lapse_proc_put(l, true);
	l->jumped_real = now;
	l->pause_ns = LOOK_MIN_NS;
	if (now - l->told_real >= EVENTS_NS || strcmp(cause, "wait") != 0) {
		l->told_real = now;
		clock_event(l, cause);
		keep_dates(l);
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
	bool any = lapse_end_due(l) > 0;

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
		if (seen_waits(s))
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
static uint64_t impatient_wait(const struct lapse *l, uint64_t now, uint64_t tick_ns)
{
	uint64_t real = clock_mono_ns(), longest = 0, ns;
	bool again = l->overtook_real && real - l->overtook_real < OVERTOOK_NS;
	struct seen *s, *after;

	HASH_ITER(hh, l->seen, s, after)
	{
		ns = s->due - s->since;
		if (seen_waits(s) && s->due > now && ns > longest &&
		    (!tick_ns || l->rests - s->rests >= TICKING) &&
		    lapse_patience(ns, real - (s->since - s->ahead), now - s->since, tick_ns,
				   again))
			longest = ns;
	}
	ns = l->until - l->until_since;
	if (l->until != LAPSE_NEVER && l->until > now && ns > longest &&
	    (!tick_ns || l->rests - l->until_rests >= TICKING) &&
	    lapse_patience(ns, real - l->until_real, now - l->until_since, tick_ns, again))
		longest = ns;
	return longest;
}

/* Where the clock goes when only waits that are much shorter are overtaken; 0: it need not. Of a
 * task whose waits are long, a short one is not overtaken either: it is the rest of something. */
static uint64_t impatient_due(const struct lapse *l, uint64_t tick_ns)
{
	uint64_t now = lapse_now(l), longest = impatient_wait(l, now, tick_ns), next = l->until;
	struct seen *s, *after;

	if (!longest)
		return 0;
	HASH_ITER(hh, l->seen, s, after)
	{
		if (seen_waits(s) && s->due > now && s->lately >= longest / OVERTAKEN)
			least(&next, s->due);
	}
	return next == LAPSE_NEVER || next <= now ? 0 : next;
}

/* ---- turns -------------------------------------------------------------------------------- */

/* What is left of a timer of the kernel's is not the same to the nanosecond at each look. */
static void count_rest(struct lapse *l, uint64_t next)
{
	uint64_t other = next > l->rest_due ? next - l->rest_due : l->rest_due - next;

	if (other < LOOK_MIN_NS)
		return;
	if (l->rest_due && next > l->rest_due)
		l->tick_ns += other / TICK_OF - l->tick_ns / TICK_OF;
	l->rests++;
	l->rest_due = next;
}

/* All wait. Return: ns of real time until the next look */
static uint64_t all_wait(struct lapse *l)
{
	uint64_t next = next_due(l), now = lapse_now(l), far, tick;
	bool soon;

	if (next == LAPSE_NEVER)
		return LOOK_MAX_NS;
	count_rest(l, next);
	soon = next <= now + JUMP_MIN_NS;
	/* long waits of several end side by side as well */
	far = impatient_due(l, soon ? l->tick_ns + 1 : next - now);
	if (soon && far <= next)
		return next > now ? next - now : LOOK_MIN_NS;
	if (!lapse_stat_ready(l))
		return LOOK_MIN_NS;
	tick = until_tick(l);
	if (tick)
		return tick;
	if (far > next)
		l->overtook_real = clock_mono_ns();
	jump(l, (far > next ? far : next) - now, far > next ? "busy" : "wait");
	serve_due(l);
	return LOOK_MIN_NS;
}

/* Somebody works, and nothing has come of waiting for a while. */
static bool overtake(struct lapse *l)
{
	uint64_t due;

	if (clock_mono_ns() - l->jumped_real < BUSY_REST_NS)
		return false;
	due = impatient_due(l, 0);
	if (due && !lapse_stat_ready(l))
		return false;
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

	lapse_proc_put(l, false);
	lapse_look(l);
	if (serve_due(l))
		return LOOK_MIN_NS;
	if (!l->until)
		return LOOK_MAX_NS;
	if (lapse_look(l) && !outside_may_answer(l) && lapse_at_rest(l))
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
		lapse_list_tasks(l);
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

bool lapse_is_narrow(struct lapse *l, pid_t tgid)
{
	struct clocked *c = clocked_of(l, tgid);

	return c && c->narrow;
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
		c->stats = from->stats;
		c->narrow = from->narrow;
	}
	/* the clock may have jumped after its memory was copied */
	if (c->slot && l->clock->ahead)
		vdso_set(l, tgid, c->slot, l->clock->ahead, l->clock->ahead + l->clock->date);
	pthread_mutex_unlock(&l->lock);
}

bool lapse_exec(struct lapse *l, pid_t tgid)
{
	struct user_regs_struct r;
	struct clocked *c;
	struct seen *s;
	int rc;

	if (!l)
		return true;
	pthread_mutex_lock(&l->lock);
	c = enter(l, tgid);
	c->slot = c->base = 0;
	c->narrow = !ptrace(PTRACE_GETREGS, tgid, 0, &r) && is_narrow(&r);
	HASH_FIND_INT(l->seen, &tgid, s);
	if (s) {
		seen_close(l, s); /* they are of the program before */
		s->told = false;
	}
	if (c->narrow)
		rc = vdso_hide(l, tgid, &c->base);
	else
		rc = vdso_patch(l, tgid, &c->base, &c->slot);
	if (!rc && c->slot)
		rc = vdso_set(l, tgid, c->slot, l->clock->ahead, l->clock->ahead + l->clock->date);
	if (rc)
		c->slot = c->base = 0;
	timers_exec(l, tgid);
	c->asked = 0;
	if (l->files && !c->stats && c->base)
		lapse_stat_ask(c, tgid);
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
	pthread_mutex_init(&l->dates_lock, NULL);
	if (box_has_folder(rec->box))
		dates_load(&l->dates, box_dirfd(rec->box));
	dates_add(&l->dates, tick_ns(), (int64_t)l->clock->date);
	l->files = dates_any(&l->dates);
	lapse_proc_open(l);
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
	if (l->jumped_real)
		clock_event(l, "wait");
	dates_add(&l->dates, clock_real_ns(), 0);
	keep_dates(l);
}

void lapse_free(struct lapse *l)
{
	struct seen *s, *next;
	struct clocked *c, *after;

	if (!l)
		return;
	lapse_end(l);
	HASH_ITER(hh, l->seen, s, next)
	seen_forget(l, s);
	HASH_ITER(hh, l->clocked, c, after)
	{
		timers_drop(l, c->tgid);
		HASH_DEL(l->clocked, c);
		free(c);
	}
	lapse_unturn_all(l);
	dates_free(&l->dates);
	lapse_proc_close(l);
	pthread_mutex_destroy(&l->dates_lock);
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
	/* who looks up in between, and goes on, has waited since the first time */
	if (l->until && l->until != l->until_last) {
		l->until_last = l->until;
		l->until_real = clock_mono_ns();
		l->until_since = lapse_now(l);
		l->until_rests = l->rests;
	}
	l->pause_ns = LOOK_MIN_NS;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void lapse_ahead(struct lapse *l, uint64_t ns)
{
	pthread_mutex_lock(&l->rec->lock);
	pthread_mutex_lock(&l->lock);
	lapse_list_tasks(l);
	pthread_mutex_unlock(&l->rec->lock);
	while (!lapse_stat_ready(l)) {
		pthread_mutex_unlock(&l->lock);
		usleep(1000);
		pthread_mutex_lock(&l->lock);
	}
	lapse_look(l);
	jump(l, ns, "ahead");
	serve_due(l);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}
