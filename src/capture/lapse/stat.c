// SPDX-License-Identifier: Apache-2.0
/*
 * stat.c - times of files as the box's clock has them
 *
 * Theory of operation
 *
 * The kernel dates files by its own clock; the box's date then was ahead by what dates.h has kept.
 * While the box's date has never been another one than ours, no call is touched. Before the clock
 * jumps for the first time, every process is given a filter (inject.c) by which its stat calls stop
 * for the tracer, and new processes inherit it. The kernel carries the call out, with the process's
 * own rights and view; at its end the times in the answer are read, put forward and written back.
 *
 * File times have the grain of the kernel's tick. What was written before a jump and what was after
 * it can be told apart only if a tick lies between: lapse.c waits for it.
 *
 * A time that a call has set is left alone: it is not one of the kernel's. It is seen by this that
 * it is later than the last change of the file's state (ctime), which nobody can set. What a
 * program dates by the box's clock is so.
 */
#include <linux/audit.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "capture/lapse/lapse.h"

#define ASKED_NS (2 * NSEC_PER_SEC) /* a process that has not stopped by then is told as a gap */

/* ---- which calls, and where their answers have times -------------------------------------- */

enum stamp { ACCESSED, MODIFIED, CHANGED, BORN, STAMPS };

/** struct shape - offsets of seconds in an answer, 0: it has no such time */
struct shape {
	uint8_t at[STAMPS];
	uint8_t width; /* of seconds, and of nanoseconds, which follow */
	uint8_t width_ns;
};

#define OF(type, member) ((uint8_t)offsetof(struct type, member))
static const struct shape of_stat = {
	{ OF(stat, st_atim), OF(stat, st_mtim), OF(stat, st_ctim), 0 }, 8, 8
};
static const struct shape of_statx = { { OF(statx, stx_atime), OF(statx, stx_mtime),
					 OF(statx, stx_ctime), OF(statx, stx_btime) },
				       8,
				       4 };
/* struct stat64 and struct stat of i386: arch/x86/include/uapi/asm/stat.h, asm/sys_ia32.h */
static const struct shape of_stat64_32 = { { 64, 72, 80, 0 }, 4, 4 };
static const struct shape of_stat_32 = { { 32, 40, 48, 0 }, 4, 4 };

static const struct row {
	int nr[2]; /* x86_64, i386; -1 none */
	int at;	   /* argument with the answer's address */
	const struct shape *shape[2];
} rows[] = {
	{ { SYS_stat, 106 }, 1, { &of_stat, &of_stat_32 } },
	{ { SYS_lstat, 107 }, 1, { &of_stat, &of_stat_32 } },
	{ { SYS_fstat, 108 }, 1, { &of_stat, &of_stat_32 } },
	{ { SYS_newfstatat, 300 }, 2, { &of_stat, &of_stat64_32 } },
	{ { SYS_statx, 383 }, 4, { &of_statx, &of_statx } },
	{ { -1, 195 /* stat64 */ }, 1, { NULL, &of_stat64_32 } },
	{ { -1, 196 /* lstat64 */ }, 1, { NULL, &of_stat64_32 } },
	{ { -1, 197 /* fstat64 */ }, 1, { NULL, &of_stat64_32 } },
};

#define STMT(code, k)	  (struct sock_filter) BPF_STMT(code, k)
#define IF(test, k, y, n) (struct sock_filter) BPF_JUMP(BPF_JMP | (test) | BPF_K, k, y, n)
#define LOAD(what)	  STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))

static size_t emit(struct sock_filter *f, int arch)
{
	uint8_t left = 0;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		left += rows[i].nr[arch] >= 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr[arch] >= 0)
			f[n++] = IF(BPF_JEQ, (uint32_t)rows[i].nr[arch], left--, 0);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | FILTER_STAT);
	return n;
}

/* Waits that may be until a date, for lapse/calls.c. Most futex calls are not, and come often. The
 * numbers of i386 with times of 32 and of 64 bits; the last is the same for all. */
static const uint32_t waits[2][2][5] = {
	{ { SYS_futex, SYS_clock_nanosleep, SYS_mq_timedsend, SYS_mq_timedreceive,
	    SYS_futex_waitv } },
	{ { 240, 267, 279, 280, 449 }, { 422, 407, 418, 419, 449 } },
};
#define WAIT_INSNS 18

static size_t emit_waits(struct sock_filter f[WAIT_INSNS], const uint32_t nr[5], uint32_t data)
{
	const struct sock_filter all[WAIT_INSNS] = {
		IF(BPF_JEQ, nr[0], 0, 6),
		LOAD(args[1]),
		IF(BPF_JSET, FUTEX_CLOCK_REALTIME, 2, 0),
		STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK),
		IF(BPF_JEQ, FUTEX_LOCK_PI, 0, 1),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | data),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		IF(BPF_JEQ, nr[1], 0, 4),
		LOAD(args[1]),
		IF(BPF_JSET, TIMER_ABSTIME, 0, 1),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | data),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		IF(BPF_JEQ, nr[4], 4, 0),
		IF(BPF_JEQ, nr[2], 3, 0),
		IF(BPF_JEQ, nr[3], 2, 0),
		IF(BPF_JEQ, NR_FUTEX_WAIT, 1, 0),
		STMT(BPF_JMP | BPF_JA, 1),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | data),
	};

	memcpy(f, all, sizeof(all));
	return WAIT_INSNS;
}

static size_t make_filter(struct sock_filter f[INJECT_MAX], bool dates)
{
	static const uint32_t data[2] = { FILTER_LAPSE, FILTER_LAPSE_32 };
	size_t n = 3, n64;

	_Static_assert(2 * (ARRAY_SIZE(rows) + 2) + 4 + 3 * WAIT_INSNS <= INJECT_MAX,
		       "it is taken whole");
	f[0] = LOAD(arch);
	f[2] = LOAD(nr);
	if (dates)
		n += emit_waits(f + n, waits[0][0], data[0]);
	n += emit(f + n, 0);
	n64 = n - 2;
	f[1] = IF(BPF_JEQ, AUDIT_ARCH_X86_64, 0, (uint8_t)n64);
	f[n++] = LOAD(nr);
	for (int i = 0; i < 2 && dates; i++)
		n += emit_waits(f + n, waits[1][i], data[1]);
	return n + emit(f + n, 1);
}

/* ---- the end of such a call --------------------------------------------------------------- */

static int64_t stamp_of(const uint8_t *p, const struct shape *s, enum stamp which)
{
	int64_t sec = 0;
	uint64_t ns = 0;

	memcpy(&sec, p + s->at[which], s->width);
	if (s->width == 4)
		sec = (uint32_t)sec;
	memcpy(&ns, p + s->at[which] + s->width, s->width_ns);
	if (sec < 0 || sec > INT64_MAX / 2 / (int64_t)NSEC_PER_SEC || ns >= NSEC_PER_SEC)
		return -1;
	return sec * (int64_t)NSEC_PER_SEC + (int64_t)ns;
}

static void put_stamp(uint8_t *p, const struct shape *s, enum stamp which, int64_t t)
{
	int64_t sec = t / (int64_t)NSEC_PER_SEC, ns = t % (int64_t)NSEC_PER_SEC;

	memcpy(p + s->at[which], &sec, s->width);
	memcpy(p + s->at[which] + s->width, &ns, s->width_ns);
}

/* Return: true when any of the times has changed. */
static bool put_forward(const struct dates *d, uint8_t *p, const struct shape *s)
{
	int64_t now = (int64_t)clock_real_ns(), changed = stamp_of(p, s, CHANGED), t, to;
	bool any = false;

	for (enum stamp i = 0; i < STAMPS; i++) {
		t = s->at[i] ? stamp_of(p, s, i) : -1;
		if (t < 0 || t > now)
			continue;
		to = dates_of_file(d, t, i == MODIFIED ? changed : now);
		if (to != t && to >= 0) {
			put_stamp(p, s, i, to);
			any = true;
		}
	}
	return any;
}

void lapse_stat_end(struct lapse *l, pid_t tid)
{
	uint8_t bytes[sizeof(struct statx)];
	const struct shape *s = NULL;
	struct user_regs_struct r;
	uint64_t at = 0;
	bool changed;

	if (!l || !l->files || ptrace(PTRACE_GETREGS, tid, 0, &r) || r.rax)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !s; i++) {
		/* the numbers of one kind are not in the other's column */
		bool narrow = (int64_t)r.orig_rax == rows[i].nr[1];
		const uint64_t wide_args[] = { r.rdi, r.rsi, r.rdx, r.r10, r.r8 };
		const uint64_t narrow_args[] = { r.rbx, r.rcx, r.rdx, r.rsi, r.rdi };

		if ((int64_t)r.orig_rax != rows[i].nr[narrow] ||
		    narrow != (is_narrow(&r) || (narrow && is_int80(tid, r.rip))))
			continue;
		s = rows[i].shape[narrow];
		at = narrow ? (uint32_t)narrow_args[rows[i].at] : wide_args[rows[i].at];
	}
	if (!s)
		return;
	/* all that lies between the first time and the end of the last */
	size_t from = s->at[ACCESSED], to = s == &of_statx ? s->at[MODIFIED] : s->at[CHANGED];

	to += s->width + s->width_ns;
	if (target_read(tid, at + from, bytes + from, to - from))
		return;
	pthread_mutex_lock(&l->dates_lock);
	changed = put_forward(&l->dates, bytes, s);
	pthread_mutex_unlock(&l->dates_lock);
	if (changed)
		target_write(tid, at + from, bytes + from, to - from);
}

/* ---- giving processes the filter ---------------------------------------------------------- */

void lapse_stat_ask(struct clocked *c, pid_t tid)
{
	c->asked = tid;
	c->asked_real = clock_mono_ns();
	syscall(SYS_tgkill, c->tgid, tid, SIGSTOP);
}

/* A task of it that waits: it stops at once. */
static pid_t task_of(const struct lapse *l, const struct clocked *c)
{
	struct seen *s, *next;

	HASH_ITER(hh, l->seen, s, next)
	{
		if (s->tgid == c->tgid && s->blocked && !s->ours && !s->told)
			return s->tid;
	}
	return c->tgid;
}

bool lapse_stat_ready(struct lapse *l)
{
	struct clocked *c, *next;
	bool ready = true;

	l->files = true;
	HASH_ITER(hh, l->clocked, c, next)
	{
		if (c->stats)
			continue;
		if (!c->asked)
			lapse_stat_ask(c, task_of(l, c));
		if (clock_mono_ns() - c->asked_real < ASKED_NS)
			ready = false;
		else
			lapse_stat_failed(l, c);
	}
	return ready;
}

void lapse_stat_failed(struct lapse *l, struct clocked *c)
{
	struct event ev = { .kind = EV_GAP };

	c->stats = true; /* once is enough */
	c->asked = 0;
	ev.v[EV_AT(GAP, SOURCE)] = V_Z("time-lapse");
	ev.v[EV_AT(GAP, DETAIL)] = V_Z("a process could not be shown the box's times of files");
	recorder_append(l->rec, &ev);
}

int lapse_stat_patch(struct lapse *l, pid_t tid, uint64_t vdso, int *ret_status)
{
	struct sock_filter filter[INJECT_MAX];

	return inject_filter(tid, vdso, filter, make_filter(filter, lapse_date_is_past(l)),
			     ret_status);
}
