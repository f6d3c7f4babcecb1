// SPDX-License-Identifier: Apache-2.0
/*
 * waits.c - what a blocked task waits for, and what the end of that wait looks like
 *
 * One row for each call that can wait. A call without a row is at work (a disk, a pipe that is
 * full, a held call): lapse.c gives it some time before it counts as waiting.
 */
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "capture/lapse/lapse.h"

enum shape {
	EVER,	   /* no time-out */
	MS,	   /* int of milliseconds in argument `at`, negative: none */
	SPAN,	   /* timespec for so long */
	SPAN_US,   /* timeval */
	DATE,	   /* timespec of the date */
	CLOCKED,   /* timespec of the clock in the next argument */
	SLEEP,	   /* clock_nanosleep */
	FUTEX,	   /* by its operation */
	RECEIVE,   /* by the socket's SO_RCVTIMEO */
	SEND,	   /* by its SO_SNDTIMEO */
	SEND_WORK, /* the same; without, it is at work */
};

struct row {
	int nr;
	enum shape shape;
	int at;	    /* argument with the time */
	int result; /* of a time-out */
	int left;   /* argument for what is left, + 1; 0: none */
	bool sets;  /* select's */
};

static const struct row rows[] = {
	{ SYS_nanosleep, SPAN, 0, 0, 2, false },
	{ SYS_clock_nanosleep, SLEEP, 2, 0, 4, false },
	{ SYS_poll, MS, 2, 0, 0, false },
	{ SYS_ppoll, SPAN, 2, 0, 3, false },
	{ SYS_select, SPAN_US, 4, 0, 5, true },
	{ SYS_pselect6, SPAN, 4, 0, 5, true },
	{ SYS_epoll_wait, MS, 3, 0, 0, false },
	{ SYS_epoll_pwait, MS, 3, 0, 0, false },
	{ SYS_epoll_pwait2, SPAN, 3, 0, 0, false },
	{ SYS_futex, FUTEX, 3, -ETIMEDOUT, 0, false },
	{ SYS_futex_waitv, CLOCKED, 3, -ETIMEDOUT, 0, false },
	{ NR_FUTEX_WAIT, CLOCKED, 4, -ETIMEDOUT, 0, false },
	{ SYS_semtimedop, SPAN, 3, -EAGAIN, 0, false },
	{ SYS_rt_sigtimedwait, SPAN, 2, -EAGAIN, 0, false },
	{ SYS_mq_timedsend, DATE, 4, -ETIMEDOUT, 0, false },
	{ SYS_mq_timedreceive, DATE, 4, -ETIMEDOUT, 0, false },
	{ SYS_io_getevents, SPAN, 4, 0, 0, false },
	{ SYS_io_pgetevents, SPAN, 4, 0, 0, false },
	{ SYS_read, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_readv, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_recvfrom, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_recvmsg, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_recvmmsg, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_accept, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_accept4, RECEIVE, 0, -EAGAIN, 0, false },
	{ SYS_connect, SEND, 0, -EINPROGRESS, 0, false },
	{ SYS_sendto, SEND_WORK, 0, -EAGAIN, 0, false },
	{ SYS_sendmsg, SEND_WORK, 0, -EAGAIN, 0, false },
	{ SYS_write, SEND_WORK, 0, -EAGAIN, 0, false },
	{ SYS_writev, SEND_WORK, 0, -EAGAIN, 0, false },
	{ SYS_pause, EVER, 0, 0, 0, false },
	{ SYS_rt_sigsuspend, EVER, 0, 0, 0, false },
	{ SYS_wait4, EVER, 0, 0, 0, false },
	{ SYS_waitid, EVER, 0, 0, 0, false },
	{ SYS_semop, EVER, 0, 0, 0, false },
	{ SYS_msgrcv, EVER, 0, 0, 0, false },
	{ SYS_msgsnd, EVER, 0, 0, 0, false },
	{ SYS_flock, EVER, 0, 0, 0, false },
	{ SYS_fcntl, EVER, 0, 0, 0, false },
	/* a parent that has lent its memory to a child until that execs */
	{ SYS_vfork, EVER, 0, 0, 0, false },
	{ SYS_clone, EVER, 0, 0, 0, false },
	{ SYS_clone3, EVER, 0, 0, 0, false },
};

static const struct row *row_of(int64_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr == nr)
			return &rows[i];
	return NULL;
}

bool blocked_read(char *line, struct blocked *ret)
{
	uint64_t v[8];
	char *p = line, *end;

	*ret = (struct blocked){ .nr = strtoll(p, &end, 10) };
	if (end == p)
		return false;
	if (ret->nr < 0) /* "-1 SP PC" */
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		p = end;
		v[i] = strtoull(p, &end, 16);
		if (end == p)
			return false;
	}
	memcpy(ret->a, v, sizeof(ret->a));
	ret->sp = v[6];
	ret->pc = v[7];
	return true;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* A time that the kernel took: of seconds and a unit of @unit ns; longer than any box: for ever. */
static bool read_time(pid_t tid, enum times times, uint64_t addr, uint64_t unit, uint64_t *ret)
{
	int64_t v[2];

	if (!addr || times_read(tid, times, addr, v, 2) || v[0] < 0 || v[1] < 0)
		return false;
	if (v[0] > INT64_MAX / 2 / (int64_t)NSEC_PER_SEC)
		return false;
	*ret = (uint64_t)v[0] * NSEC_PER_SEC + (uint64_t)v[1] * unit;
	return true;
}

static void by_clock(struct wait *w, uint64_t clock)
{
	bool date = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;

	w->how = date ? WAIT_UNTIL_DATE : WAIT_UNTIL;
}

static bool read_futex(struct wait *w, uint64_t op)
{
	w->how = op & FUTEX_CLOCK_REALTIME ? WAIT_UNTIL_DATE : WAIT_UNTIL;
	switch (op & 0x7f) {
	case FUTEX_WAIT:
		w->how = WAIT_FOR;
		return true;
	case FUTEX_LOCK_PI:
		w->how = WAIT_UNTIL_DATE;
		return true;
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
	case 13 /* FUTEX_LOCK_PI2 */:
		return true;
	}
	return false;
}

static bool read_sleep(struct wait *w, const struct blocked *b)
{
	int clock = (int)b->a[0];

	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return false;
	if (b->a[1] & TIMER_ABSTIME) {
		by_clock(w, (uint64_t)clock);
		w->left = 0;
	}
	return true;
}

/* The time-out of the socket that a descriptor is: 0 none. */
static uint64_t socket_timeout(pid_t tgid, int fd, int option)
{
	cleanup_close int pidfd = -1, copy = -1;
	struct timeval tv = { 0 };
	socklen_t n = sizeof(tv);

	pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0 || getsockopt(copy, SOL_SOCKET, option, &tv, &n))
		return 0;
	return (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * 1000;
}

static void wait_of_row(pid_t tgid, pid_t tid, const struct blocked *b, const struct row *r,
			struct wait *w)
{
	uint64_t at = b->a[r->at];
	bool timed = true;

	w->what = WAIT_EVER;
	w->times = b->times;
	w->at = at;
	w->result = r->result;
	w->left = r->left ? b->a[r->left - 1] : 0;
	w->left_at_once = r->left - 1 == r->at;
	switch (r->shape) {
	case EVER:
		return;
	case MS:
		timed = (int)at >= 0;
		w->ns = timed ? (uint64_t)(int)at * 1000000 : 0;
		break;
	case SPAN_US:
		w->left_is_us = true;
		timed = read_time(tid, b->times, at, 1000, &w->ns);
		break;
	case RECEIVE:
	case SEND:
	case SEND_WORK:
		w->ns = socket_timeout(tgid, (int)at,
				       r->shape == RECEIVE ? SO_RCVTIMEO : SO_SNDTIMEO);
		timed = w->ns != 0;
		if (!timed && r->shape == SEND_WORK)
			w->what = WAIT_SHORT;
		break;
	case FUTEX:
		timed = at && read_futex(w, b->a[1]) && read_time(tid, b->times, at, 1, &w->ns);
		break;
	case SLEEP:
		timed = read_sleep(w, b) && read_time(tid, b->times, at, 1, &w->ns);
		break;
	case DATE:
		w->how = WAIT_UNTIL_DATE;
		timed = read_time(tid, b->times, at, 1, &w->ns);
		break;
	case CLOCKED:
		by_clock(w, b->a[r->at + 1]);
		timed = read_time(tid, b->times, at, 1, &w->ns);
		break;
	case SPAN:
		timed = read_time(tid, b->times, at, 1, &w->ns);
		break;
	}
	if (timed)
		w->what = WAIT_TIMED;
	if (timed && r->sets && b->a[0] <= LAPSE_SETS_MAX) {
		w->nset = (uint32_t)b->a[0];
		memcpy(w->set, b->a + 1, sizeof(w->set));
	}
}

void wait_of(pid_t tgid, pid_t tid, const struct blocked *b, struct wait *ret)
{
	struct blocked wide = *b;
	const struct row *r;

	*ret = (struct wait){ .what = WAIT_SHORT };
	call_widen(tid, &wide);
	r = row_of(wide.nr);
	if (r)
		wait_of_row(tgid, tid, &wide, r, ret);
}

/* ---- writing ------------------------------------------------------------------------------ */

void wait_clear(pid_t tid, const struct wait *w)
{
	static const uint8_t zero[LAPSE_SETS_MAX / 8];
	size_t word = w->times == TIMES_64 ? 8 : 4,
	       n = (w->nset + word * 8 - 1) / (word * 8) * word;

	for (size_t i = 0; i < ARRAY_SIZE(w->set); i++)
		if (w->set[i] && n)
			target_write(tid, w->set[i], zero, n);
	if (w->left && w->left_at_once)
		target_write(tid, w->left, zero, 2 * times_size(w->times));
}

void wait_take_left(pid_t tid, const struct wait *w, uint64_t gone)
{
	uint64_t unit = w->left_is_us ? 1000 : 1, left;
	int64_t v[2];

	if (!w->left || !read_time(tid, w->times, w->left, unit, &left))
		return;
	left = left > gone ? left - gone : 0;
	v[0] = (int64_t)(left / NSEC_PER_SEC);
	v[1] = (int64_t)(left % NSEC_PER_SEC / unit);
	times_write(tid, w->times, w->left, v, 2);
}

/* ---- patience ----------------------------------------------------------------------------- */

#define BUSY_NS	    (10 * NSEC_PER_SEC) /* waits up to here are never cut short beside work */
#define TICK_NS	    (4 * NSEC_PER_SEC)	/* beside short waits: for a wait of TICK_OF_NS … */
#define TICK_MIN_NS (3 * NSEC_PER_SEC)
#define TICK_OF_NS  (7200 * NSEC_PER_SEC)
#define TICK_FACTOR 8  /* … unless all of it will come within so many times that: both kinds */
#define TICK_AGAIN  64 /* a part of that is enough while ticks were gone over a short time ago */
/* ticks of a runtime's own (Java's come each 50 ms) are more than anybody waits for: those of less
 * than a second keep a wait from being cut short only where all of it comes so soon */
#define FINE_NS	     NSEC_PER_SEC
#define FINE_SOON_NS (5 * NSEC_PER_SEC)

/* Newton's method: no libm for one root */
static double root(double v)
{
	double r = v > 1 ? v : 1;

	for (int i = 0; i < 60; i++)
		r = (r + v / r) / 2;
	return r;
}

/* 1 + ln(v) for v >= 1: halved until it is small, then ln(v) = 2 artanh((v - 1) / (v + 1)) */
static double one_and_log(double v)
{
	double sum = 1, x, p;

	while (v > 2) {
		v /= 2;
		sum += 0.69314718055994531;
	}
	x = (v - 1) / (v + 1);
	p = x;
	for (int i = 1; i < 40; i += 2) {
		sum += 2 * p / i;
		p *= x * x;
	}
	return sum;
}

bool lapse_patience(uint64_t wait_ns, uint64_t real_ns, uint64_t gone_ns, uint64_t tick_ns,
		    bool again)
{
	double wait = (double)wait_ns, real = (double)real_ns, gone = (double)gone_ns + 1;
	double enough, soon;

	if (tick_ns) {
		enough = TICK_NS * root(wait / TICK_OF_NS);
		if (enough < TICK_MIN_NS)
			enough = TICK_MIN_NS;
		soon = TICK_FACTOR * enough;
		if (tick_ns < FINE_NS)
			soon = enough < FINE_SOON_NS ? FINE_SOON_NS : enough;
		return real > (again ? enough / TICK_AGAIN : enough) && real / gone * wait > soon;
	}
	if (wait_ns <= BUSY_NS)
		return false;
	enough = BUSY_NS * one_and_log(wait / BUSY_NS);
	/* where the clock jumps between pieces of work, it is the pace that counts: machines are
	 * slow */
	return real > enough && (gone < 2 * real || real / gone * wait > TICK_FACTOR * enough);
}
