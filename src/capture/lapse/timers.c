// SPDX-License-Identifier: Apache-2.0
/*
 * timers.c - timers that send signals: alarm, setitimer(ITIMER_REAL), timer_create
 *
 * Only their process can arm such a timer in the kernel, so it is not armed there: the supervisor
 * keeps it, answers the calls about it, and sends the signal when it is due. timer_create itself is
 * the kernel's, which gives numbers and checks arguments. As in the kernel, one signal of a timer
 * is pending at most, and what falls due meanwhile is counted as overrun. Timers of processor time
 * are left to the kernel.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "capture/lapse/lapse.h"

#define ITIMER (-1) /* id of a process's ITIMER_REAL */

struct signal_timer {
	pid_t tgid;
	int id, clock;
	int notify, signo;
	pid_t tid;		/* SIGEV_THREAD_ID: of the task, as we see it */
	uint64_t value;		/* what comes with the signal */
	uint64_t due, interval; /* due: of the box's monotonic clock; 0: not armed */
	int overrun, last_overrun;
	struct signal_timer *next;
};

static struct signal_timer *find(struct lapse *l, pid_t tgid, int id)
{
	for (struct signal_timer *t = l->timers; t; t = t->next)
		if (t->tgid == tgid && t->id == id)
			return t;
	return NULL;
}

static struct signal_timer *add(struct lapse *l, pid_t tgid, int id)
{
	struct signal_timer *t = find(l, tgid, id);

	if (t || l->ntimers == LAPSE_TIMERS_MAX)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->tgid = tgid;
	t->id = id;
	t->next = l->timers;
	l->timers = t;
	l->ntimers++;
	return t;
}

static void drop(struct lapse *l, pid_t tgid, bool (*which)(const struct signal_timer *t, int id),
		 int id)
{
	struct signal_timer **at = &l->timers, *t;

	while ((t = *at)) {
		if (t->tgid != tgid || !which(t, id)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		free(t);
		l->ntimers--;
	}
}

static bool is_any(const struct signal_timer *t UNUSED, int id UNUSED)
{
	return true;
}

static bool is_created(const struct signal_timer *t, int id UNUSED)
{
	return t->id != ITIMER;
}

static bool is_id(const struct signal_timer *t, int id)
{
	return t->id == id;
}

void timers_exec(struct lapse *l, pid_t tgid)
{
	drop(l, tgid, is_created, 0);
}

void timers_drop(struct lapse *l, pid_t tgid)
{
	drop(l, tgid, is_any, 0);
}

/* ---- firing ------------------------------------------------------------------------------- */

uint64_t timers_next(struct lapse *l)
{
	uint64_t next = LAPSE_NEVER;

	for (struct signal_timer *t = l->timers; t; t = t->next)
		if (t->due && t->due < next)
			next = t->due;
	return next;
}

/* Is the signal of an earlier time still there? */
static bool is_pending(const struct signal_timer *t)
{
	uint64_t bit = 1ull << (t->signo - 1);
	cleanup_free char *text = NULL;
	char name[64], *line;
	size_t n;

	snprintf(name, sizeof(name), "/proc/%d/status", t->tid ? t->tid : t->tgid);
	if (read_file_at(AT_FDCWD, name, 16384, &text, &n))
		return false;
	line = strstr(text, t->tid ? "\nSigPnd:" : "\nShdPnd:");
	return line && (strtoull(line + 8, NULL, 16) & bit);
}

static void send_signal(struct signal_timer *t)
{
	siginfo_t info;

	if (t->notify == SIGEV_NONE)
		return;
	if (is_pending(t)) {
		t->overrun++;
		return;
	}
	memset(&info, 0, sizeof(info));
	info.si_signo = t->signo;
	info.si_code = SI_TIMER;
	info.si_timerid = t->id == ITIMER ? 0 : t->id;
	info.si_overrun = t->overrun;
	info.si_value.sival_ptr = (void *)(uintptr_t)t->value;
	t->last_overrun = t->overrun;
	t->overrun = 0;
	if (t->tid)
		syscall(SYS_rt_tgsigqueueinfo, t->tgid, t->tid, t->signo, &info);
	else
		syscall(SYS_rt_sigqueueinfo, t->tgid, t->signo, &info);
}

int timers_fire(struct lapse *l)
{
	uint64_t now = lapse_now(l), missed;
	int n = 0;

	for (struct signal_timer *t = l->timers; t; t = t->next) {
		if (!t->due || t->due > now)
			continue;
		if (t->interval) {
			missed = (now - t->due) / t->interval;
			t->overrun += missed > INT32_MAX / 2 ? INT32_MAX / 2 : (int)missed;
			t->due += (missed + 1) * t->interval;
		} else {
			t->due = 0;
		}
		send_signal(t);
		n++;
	}
	return n;
}

/* ---- calls -------------------------------------------------------------------------------- */

static void left_of(struct lapse *l, const struct signal_timer *t, int64_t unit, int64_t out[4])
{
	uint64_t now = lapse_now(l), left = 0;

	memset(out, 0, 4 * sizeof(*out));
	if (!t)
		return;
	if (t->due)
		left = t->due > now ? t->due - now : 1;
	if (left && left < (uint64_t)unit)
		left = (uint64_t)unit;
	out[0] = (int64_t)(t->interval / NSEC_PER_SEC);
	out[1] = (int64_t)(t->interval % NSEC_PER_SEC) / unit;
	out[2] = (int64_t)(left / NSEC_PER_SEC);
	out[3] = (int64_t)(left % NSEC_PER_SEC) / unit;
}

static bool in_range(const int64_t v[4], int64_t unit)
{
	return v[0] >= 0 && v[2] >= 0 && v[1] >= 0 && v[3] >= 0 &&
	       v[1] < (int64_t)NSEC_PER_SEC / unit && v[3] < (int64_t)NSEC_PER_SEC / unit;
}

static uint64_t span(int64_t s, int64_t part, int64_t unit)
{
	if (s > INT64_MAX / 4 / (int64_t)NSEC_PER_SEC)
		return INT64_MAX / 4;
	return (uint64_t)(s * (int64_t)NSEC_PER_SEC + part * unit);
}

static void arm(struct lapse *l, struct signal_timer *t, const int64_t v[4], int64_t unit)
{
	uint64_t first = span(v[2], v[3], unit);

	t->interval = span(v[0], v[1], unit);
	t->due = first ? lapse_now(l) + first : 0;
	t->overrun = t->last_overrun = 0;
}

static struct signal_timer *itimer(struct lapse *l, pid_t tgid)
{
	struct signal_timer *t = add(l, tgid, ITIMER);

	if (t) {
		t->notify = SIGEV_SIGNAL;
		t->signo = SIGALRM;
	}
	return t;
}

static int64_t call_alarm(struct lapse *l, pid_t tgid, uint32_t seconds)
{
	struct signal_timer *t = itimer(l, tgid);
	int64_t was[4], v[4] = { 0, 0, seconds, 0 };

	if (!t)
		return 0;
	left_of(l, t, 1000, was);
	arm(l, t, v, 1000);
	/* alarm(2) in the kernel: to the nearest second, never 0 */
	return was[2] + ((!was[2] && was[3]) || was[3] >= 500000);
}

static int64_t call_setitimer(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b)
{
	int64_t v[4] = { 0 }, was[4];
	struct signal_timer *t;

	if (b->a[1] && times_read(tid, b->times, b->a[1], v, 4))
		return -EFAULT;
	if (!in_range(v, 1000))
		return -EINVAL;
	t = itimer(l, tgid);
	left_of(l, t, 1000, was);
	if (t)
		arm(l, t, v, 1000);
	return b->a[2] ? times_write(tid, b->times, b->a[2], was, 4) : 0;
}

static int64_t call_settime(struct lapse *l, pid_t tid, struct signal_timer *t,
			    const struct blocked *b)
{
	bool date = t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM ||
		    t->clock == CLOCK_TAI;
	int64_t v[4], was[4];
	uint64_t at;

	if (!b->a[2] || times_read(tid, b->times, b->a[2], v, 4))
		return !b->a[2] ? -EINVAL : -EFAULT;
	if (!in_range(v, 1))
		return -EINVAL;
	left_of(l, t, 1, was);
	arm(l, t, v, 1);
	if (t->due && (b->a[1] & TIMER_ABSTIME)) {
		at = span(v[2], v[3], 1);
		if (date)
			at = at > lapse_date_offset(l) ? at - lapse_date_offset(l) : 1;
		t->due = at;
	}
	return b->a[3] ? times_write(tid, b->times, b->a[3], was, 4) : 0;
}

static int64_t put_left(struct lapse *l, pid_t tid, const struct signal_timer *t, int64_t unit,
			const struct blocked *b)
{
	int64_t v[4];

	left_of(l, t, unit, v);
	return times_write(tid, b->times, b->a[1], v, 4);
}

bool timers_call(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b,
		 struct user_regs_struct *r)
{
	struct signal_timer *t = find(l, tgid, (int)b->a[0]);

	switch (b->nr) {
	case SYS_alarm:
		lapse_answer(tid, r, call_alarm(l, tgid, (uint32_t)b->a[0]));
		return false;
	case SYS_setitimer:
		if ((int)b->a[0] != ITIMER_REAL)
			return false;
		lapse_answer(tid, r, call_setitimer(l, tid, tgid, b));
		pthread_cond_signal(&l->wake);
		return false;
	case SYS_getitimer:
		if ((int)b->a[0] == ITIMER_REAL)
			lapse_answer(tid, r, put_left(l, tid, find(l, tgid, ITIMER), 1000, b));
		return false;
	case SYS_timer_create:
		return true;
	}
	if (!t || t->id == ITIMER)
		return false; /* of processor time, or none */
	switch (b->nr) {
	case SYS_timer_settime:
		lapse_answer(tid, r, call_settime(l, tid, t, b));
		pthread_cond_signal(&l->wake);
		break;
	case SYS_timer_gettime:
		lapse_answer(tid, r, put_left(l, tid, t, 1, b));
		break;
	case SYS_timer_getoverrun:
		lapse_answer(tid, r, t->last_overrun);
		break;
	case SYS_timer_delete:
		drop(l, tgid, is_id, t->id);
		break;
	}
	return false;
}

/* The task of @tgid that the box knows as @inner. */
static pid_t task_of(const struct lapse *l, pid_t tgid, pid_t inner)
{
	pid_t found = 0, tid;
	struct dirent *e;
	char name[64];
	DIR *d;

	snprintf(name, sizeof(name), "/proc/%d/task", tgid);
	d = opendir(name);
	while (d && !found && (e = readdir(d))) {
		tid = atoi(e->d_name);
		if (tid > 0 && pid_in_box(l->rec->pidns, tid) == inner)
			found = tid;
	}
	if (d)
		closedir(d);
	return found;
}

/* struct sigevent of both widths: what comes with the signal, which, how; for a thread: which. */
static bool read_sigevent(pid_t tid, const struct blocked *b, uint64_t *ret_value, int ret[3])
{
	size_t word = b->narrow ? 4 : 8;
	uint8_t there[8 + 3 * sizeof(int)];

	*ret_value = 0;
	if (target_read(tid, b->a[1], there, word + 3 * sizeof(int)))
		return false;
	memcpy(ret_value, there, word);
	memcpy(ret, there + word, 3 * sizeof(int));
	return true;
}

void timers_created(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b)
{
	int id, clock = (int)b->a[0], how[3] = { SIGALRM, SIGEV_SIGNAL, 0 };
	struct signal_timer *t;
	uint64_t value;

	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return;
	if (target_read(tid, b->a[2], &id, sizeof(id)) ||
	    (b->a[1] && !read_sigevent(tid, b, &value, how)))
		return;
	t = add(l, tgid, id);
	if (!t)
		return;
	t->clock = clock;
	t->signo = how[0];
	t->notify = how[1];
	t->value = b->a[1] ? value : (uint64_t)id;
	if (t->notify == SIGEV_THREAD_ID)
		t->tid = how[2] > 0 ? task_of(l, tgid, how[2]) : 0;
}
