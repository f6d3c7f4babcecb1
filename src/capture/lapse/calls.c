// SPDX-License-Identifier: Apache-2.0
/*
 * calls.c - calls that read a clock or set a timer stop for the tracer
 *
 * By a filter of their own, which only boxes with time-lapse have, so that the recorder's is the
 * same in all. The kernel remembers which numbers a filter always lets pass: other calls do not
 * pay. A clock call from inside of the vDSO is that function's own way out: what is before it adds
 * the offset, so the call is let pass.
 */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

#include "capture/lapse/lapse.h"

#define LAPSE_CLOCKS	  0xbf3u /* ids that go on by themselves, as in lapse/vdso.c */
#define LAPSE_DATE_CLOCKS 0x921u

/* x86_64, i386; clock_gettime has a test of its own */
static const struct {
	uint32_t data, arch, setsockopt, ioctl;
	uint8_t nclocks, n;
	uint32_t clocks[2], calls[20];
} traced[] = {
	{ FILTER_LAPSE,
	  AUDIT_ARCH_X86_64,
	  SYS_setsockopt,
	  SYS_ioctl,
	  1,
	  13,
	  { SYS_clock_gettime },
	  { SYS_gettimeofday, SYS_time, SYS_sysinfo, SYS_times, SYS_alarm, SYS_setitimer,
	    SYS_getitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
	    SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_settime } },
	/* the same, and the four that are there twice */
	{ FILTER_LAPSE_32,
	  AUDIT_ARCH_I386,
	  366,
	  54,
	  2,
	  16,
	  { 265, 403 },
	  { 78, 13, 116, 43, 27, 104, 105, 259, 260, 409, 261, 408, 262, 263, 325, 411 } },
};
/* When a packet came, by the kernel's clock: SO_TIMESTAMP and its kin are accepted and do nothing,
 * and nobody was told of a packet's time yet (SIOCGSTAMP). A program then asks its clock. */
static const uint32_t stamp_options[] = {
	SO_TIMESTAMP_OLD, SO_TIMESTAMPNS_OLD, SO_TIMESTAMPING_OLD,
	SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_NEW
};
static const uint32_t stamp_ioctls[] = { SIOCGSTAMP_OLD, SIOCGSTAMPNS_OLD, SIOCGSTAMP_NEW,
					 SIOCGSTAMPNS_NEW };
#define STAMPS_MAX (ARRAY_SIZE(stamp_options) + ARRAY_SIZE(stamp_ioctls) + 9)
#define TRACED_MAX (STAMPS_MAX + ARRAY_SIZE(traced[0].calls) + ARRAY_SIZE(traced[0].clocks) + 9)

#define STMT(code, k)	  (struct sock_filter) BPF_STMT(code, k)
#define IF(test, k, y, n) (struct sock_filter) BPF_JUMP(BPF_JMP | (test) | BPF_K, k, y, n)
#define LOAD(what)	  STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))

/* One of @values gets an answer, others pass. */
static size_t emit_answer(struct sock_filter *f, const uint32_t *values, size_t n, uint32_t error)
{
	for (size_t i = 0; i < n; i++)
		f[i] = IF(BPF_JEQ, values[i], (uint8_t)(n - i), 0);
	f[n] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n + 1] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
	return n + 2;
}

static size_t emit_stamps(struct sock_filter *f, size_t which)
{
	size_t n = 0;

	f[n++] = IF(BPF_JEQ, traced[which].setsockopt, 0, ARRAY_SIZE(stamp_options) + 6);
	f[n++] = LOAD(args[1]);
	f[n++] = IF(BPF_JEQ, SOL_SOCKET, 1, 0);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = LOAD(args[2]);
	n += emit_answer(f + n, stamp_options, ARRAY_SIZE(stamp_options), 0);
	f[n++] = IF(BPF_JEQ, traced[which].ioctl, 0, ARRAY_SIZE(stamp_ioctls) + 3);
	f[n++] = LOAD(args[1]);
	return n + emit_answer(f + n, stamp_ioctls, ARRAY_SIZE(stamp_ioctls), ENOENT);
}

static size_t emit(struct sock_filter *f, size_t which)
{
	size_t n = 0, calls = traced[which].n, clocks = traced[which].nclocks;

	f[n++] = LOAD(nr);
	n += emit_stamps(f + n, which);
	for (size_t i = 0; i < calls; i++) /* to the last but one */
		f[n++] = IF(BPF_JEQ, traced[which].calls[i], (uint8_t)(calls - i + clocks + 4), 0);
	for (size_t i = 0; i < clocks; i++)
		f[n++] = IF(BPF_JEQ, traced[which].clocks[i], (uint8_t)(clocks - i), 0);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	/* a clock of processor time, and its calls come often: not stopped */
	f[n++] = LOAD(args[0]);
	f[n++] = IF(BPF_JEQ, CLOCK_PROCESS_CPUTIME_ID, 3, 0);
	f[n++] = IF(BPF_JEQ, CLOCK_THREAD_CPUTIME_ID, 2, 0);
	f[n++] = IF(BPF_JGT, 11, 1, 0);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | traced[which].data);
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return n;
}

int lapse_filter(struct err *err)
{
	struct sock_filter f[2 * TRACED_MAX + 4], part[TRACED_MAX];
	struct sock_fprog prog;
	size_t n = 0, k;

	f[n++] = LOAD(arch);
	for (size_t i = 0; i < ARRAY_SIZE(traced); i++) {
		k = emit(part, i);
		f[n++] = IF(BPF_JEQ, traced[i].arch, 0, (uint8_t)k);
		memcpy(f + n, part, k * sizeof(*f));
		n += k;
	}
	f[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog = (struct sock_fprog){ (unsigned short)n, f };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return err_set_exit(err, EXIT_NO_WALL, errno,
				    "capture: have the program's clock calls stop (seccomp)");
	return 0;
}

void lapse_answer(pid_t tid, struct user_regs_struct *r, int64_t value)
{
	r->orig_rax = (unsigned long long)-1; /* not carried out */
	r->rax = (unsigned long long)value;
	ptrace(PTRACE_SETREGS, tid, 0, r);
}

/* ---- clocks ------------------------------------------------------------------------------- */

static uint64_t offset_of(const struct lapse *l, bool date)
{
	return l->clock->ahead + (date ? l->clock->date : 0);
}

static int64_t read_into(const struct lapse *l, pid_t tid, uint64_t clock, enum times times,
			 uint64_t at, uint64_t unit)
{
	bool date = clock < 32 && (LAPSE_DATE_CLOCKS >> clock & 1);
	struct timespec ts;
	int64_t v[2];
	uint64_t ns;

	if (clock_gettime((clockid_t)clock, &ts))
		return -errno;
	ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec + offset_of(l, date);
	v[0] = (int64_t)(ns / NSEC_PER_SEC);
	v[1] = (int64_t)(ns % NSEC_PER_SEC / unit);
	return times_write(tid, times, at, v, 2);
}

static int64_t read_day(const struct lapse *l, pid_t tid, const struct blocked *b)
{
	int32_t zone[2] = { 0 };

	if (b->a[1] && target_write(tid, b->a[1], zone, sizeof(zone)))
		return -EFAULT;
	return b->a[0] ? read_into(l, tid, CLOCK_REALTIME, b->times, b->a[0], 1000) : 0;
}

static int64_t read_seconds(const struct lapse *l, pid_t tid, const struct blocked *b)
{
	int64_t s = (int64_t)((clock_real_ns() + offset_of(l, true)) / NSEC_PER_SEC);

	return b->a[0] && times_write(tid, b->times, b->a[0], &s, 1) ? -EFAULT : s;
}

/* struct timex as adjtimex(2) of i386 has it: kernel/time/time.c */
struct timex_32 {
	int32_t modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance;
	int32_t sec, part, tick, ppsfreq, jitter, shift, stabil, jitcnt, calcnt, errcnt, stbcnt;
	int32_t tai, none[11];
};

static void narrow_timex(const struct timex *t, struct timex_32 *ret)
{
	*ret = (struct timex_32){ .offset = (int32_t)t->offset,
				  .freq = (int32_t)t->freq,
				  .maxerror = (int32_t)t->maxerror,
				  .esterror = (int32_t)t->esterror,
				  .status = t->status,
				  .constant = (int32_t)t->constant,
				  .precision = (int32_t)t->precision,
				  .tolerance = (int32_t)t->tolerance,
				  .sec = (int32_t)t->time.tv_sec,
				  .part = (int32_t)t->time.tv_usec,
				  .tick = (int32_t)t->tick,
				  .tai = t->tai };
}

int64_t lapse_timex(struct lapse *l, pid_t tid, uint64_t at, bool narrow)
{
	struct timex t = { 0 };
	struct timex_32 small;
	int state = adjtimex(&t);
	uint64_t unit = t.status & STA_NANO ? 1 : 1000, ns;

	if (state < 0)
		return -errno;
	pthread_mutex_lock(&l->lock); /* no clock of the box is read in the middle of a jump */
	ns = offset_of(l, true);
	pthread_mutex_unlock(&l->lock);
	ns += (uint64_t)t.time.tv_sec * NSEC_PER_SEC + (uint64_t)t.time.tv_usec * unit;
	t.time.tv_sec = (time_t)(ns / NSEC_PER_SEC);
	t.time.tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / unit);
	narrow_timex(&t, &small);
	if (narrow ? target_write(tid, at, &small, sizeof(small))
		   : target_write(tid, at, &t, sizeof(t)))
		return -EFAULT;
	return state;
}

/* ---- timers with a descriptor ------------------------------------------------------------- */

static uint64_t clock_of_timerfd(pid_t tgid, int fd)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	cleanup_close int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	cleanup_free char *text = NULL;
	char name[64], *at;
	size_t n;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", copy);
	if (read_file_at(AT_FDCWD, name, 4096, &text, &n))
		return 0;
	at = strstr(text, "clockid:");
	return at ? strtoull(at + 8, NULL, 10) : 0;
}

/* A moment of the box's clock is one of ours for the kernel. The task's own structure is left
 * alone. */
static bool timerfd_call(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b,
			 struct user_regs_struct *r)
{
	uint64_t clock, offset, at = lapse_scratch(r->rsp), ns;
	int64_t v[4];

	atomic_store(&l->timerfds, true);
	pthread_cond_signal(&l->wake);
	if (!(b->a[1] & TFD_TIMER_ABSTIME) || times_read(tid, b->times, b->a[2], v, 4) ||
	    (!v[2] && !v[3]) || v[2] < 0 || v[2] > INT64_MAX / 4 / (int64_t)NSEC_PER_SEC)
		return false;
	clock = clock_of_timerfd(tgid, (int)b->a[0]);
	offset = offset_of(l, clock < 32 && (LAPSE_DATE_CLOCKS >> clock & 1));
	ns = (uint64_t)v[2] * NSEC_PER_SEC + (uint64_t)v[3];
	ns -= offset;
	if (!ns || ns > INT64_MAX)
		ns = 1; /* it is over */
	v[2] = (int64_t)(ns / NSEC_PER_SEC);
	v[3] = (int64_t)(ns % NSEC_PER_SEC);
	if (!offset || times_write(tid, b->times, at, v, 4))
		return false;
	r->rdx = at;
	ptrace(PTRACE_SETREGS, tid, 0, r);
	return true; /* its register is put back at the end of the call */
}

/* ---- waits until a date ------------------------------------------------------------------- */

/* Where the box's date is before ours, the kernel would take each date of it for over. */
static bool until_call(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b,
		       struct user_regs_struct *r, int which)
{
	unsigned long long *const regs[2][6] = {
		{ NULL, NULL, &r->rdx, &r->r10, &r->r8, NULL },
		{ NULL, NULL, &r->rdx, &r->rsi, &r->rdi, NULL },
	};
	uint64_t at = lapse_scratch(r->rsp), ns;
	struct blocked raw = call_of_regs(r, b->narrow);
	struct wait w;
	int64_t v[2];

	if (!lapse_date_is_past(l))
		return false;
	wait_of(tgid, tid, &raw, &w);
	if (w.what != WAIT_TIMED || w.how != WAIT_UNTIL_DATE ||
	    times_read(tid, b->times, b->a[which], v, 2) || v[0] < 0 ||
	    v[0] > INT64_MAX / 4 / (int64_t)NSEC_PER_SEC || v[1] < 0 ||
	    v[1] >= (int64_t)NSEC_PER_SEC)
		return false;
	ns = (uint64_t)v[0] * NSEC_PER_SEC + (uint64_t)v[1] - l->clock->date;
	v[0] = (int64_t)(ns / NSEC_PER_SEC);
	v[1] = (int64_t)(ns % NSEC_PER_SEC);
	if (times_write(tid, b->times, at, v, 2))
		return false;
	*regs[b->narrow][which] = at;
	ptrace(PTRACE_SETREGS, tid, 0, r);
	return true;
}

/* ---- the stops ---------------------------------------------------------------------------- */

/** struct turned_call - a task that stops again at the end of its call */
struct turned_call {
	pid_t tid;
	struct blocked b;
	struct user_regs_struct was;
	UT_hash_handle hh;
};

static void turn(struct lapse *l, pid_t tid, const struct blocked *b,
		 const struct user_regs_struct *was)
{
	struct turned_call *t;

	HASH_FIND_INT(l->turned, &tid, t);
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->tid = tid;
		HASH_ADD_INT(l->turned, tid, t);
	}
	t->b = *b;
	t->was = *was;
}

void lapse_unturn(struct lapse *l, pid_t tid)
{
	struct turned_call *t;

	HASH_FIND_INT(l->turned, &tid, t);
	if (!t)
		return;
	HASH_DEL(l->turned, t);
	free(t);
}

void lapse_unturn_all(struct lapse *l)
{
	struct turned_call *t, *next;

	HASH_ITER(hh, l->turned, t, next)
	{
		HASH_DEL(l->turned, t);
		free(t);
	}
}

static bool call_of(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b,
		    struct user_regs_struct *r)
{
	uint64_t base = b->narrow ? 0 : lapse_vdso_of(l, tgid);
	bool from_vdso = base && r->rip >= base && r->rip < base + VDSO_SIZE_MAX;

	switch (b->nr) {
	case SYS_clock_gettime:
		if (!from_vdso)
			lapse_answer(tid, r,
				     read_into(l, tid, (uint32_t)b->a[0], b->times, b->a[1], 1));
		return false;
	case SYS_gettimeofday:
		if (!from_vdso)
			lapse_answer(tid, r, read_day(l, tid, b));
		return false;
	case SYS_time:
		if (!from_vdso)
			lapse_answer(tid, r, read_seconds(l, tid, b));
		return false;
	case SYS_sysinfo:
	case SYS_times:
		return true;
	case SYS_timerfd_settime:
		return timerfd_call(l, tid, tgid, b, r);
	case SYS_clock_nanosleep:
		return until_call(l, tid, tgid, b, r, 2);
	case SYS_futex:
	case SYS_futex_waitv:
		return until_call(l, tid, tgid, b, r, 3);
	case SYS_mq_timedsend:
	case SYS_mq_timedreceive:
	case NR_FUTEX_WAIT:
		return until_call(l, tid, tgid, b, r, 4);
	}
	return timers_call(l, tid, tgid, b, r);
}

bool lapse_call(struct lapse *l, pid_t tid, pid_t tgid, bool narrow)
{
	struct user_regs_struct r, was;
	struct blocked b;
	bool again;

	if (!l || ptrace(PTRACE_GETREGS, tid, 0, &r))
		return false;
	was = r;
	b = call_of_regs(&r, narrow);
	call_widen(tid, &b);
	pthread_mutex_lock(&l->lock);
	again = call_of(l, tid, tgid, &b, &r);
	if (again)
		turn(l, tid, &b, &was);
	pthread_mutex_unlock(&l->lock);
	return again;
}

/* The first word of struct sysinfo. */
static void put_uptime(const struct lapse *l, pid_t tid, const struct blocked *b)
{
	int64_t up;

	if (times_read(tid, b->times, b->a[0], &up, 1))
		return;
	up += (int64_t)(l->clock->ahead / NSEC_PER_SEC);
	times_write(tid, b->times, b->a[0], &up, 1);
}

static void end_of(struct lapse *l, pid_t tid, pid_t tgid, const struct turned_call *t,
		   struct user_regs_struct *r)
{
	switch (t->b.nr) {
	case SYS_sysinfo:
		if (!r->rax)
			put_uptime(l, tid, &t->b);
		break;
	case SYS_times:
		r->rax += l->clock->ahead / (NSEC_PER_SEC / TICKS_PER_SEC);
		if (t->b.narrow)
			r->rax = (uint32_t)r->rax;
		ptrace(PTRACE_SETREGS, tid, 0, r);
		break;
	case SYS_timer_create:
		if (!r->rax)
			timers_created(l, tid, tgid, &t->b);
		break;
	default: /* a time was put into another place */
		r->rdx = t->was.rdx;
		r->r10 = t->was.r10;
		r->r8 = t->was.r8;
		r->rsi = t->was.rsi;
		r->rdi = t->was.rdi;
		ptrace(PTRACE_SETREGS, tid, 0, r);
		break;
	}
}

bool lapse_call_end(struct lapse *l, pid_t tid, pid_t tgid)
{
	struct user_regs_struct r;
	struct turned_call *t;

	if (!l)
		return false;
	pthread_mutex_lock(&l->lock);
	HASH_FIND_INT(l->turned, &tid, t);
	if (t) {
		if (!ptrace(PTRACE_GETREGS, tid, 0, &r))
			end_of(l, tid, tgid, t, &r);
		HASH_DEL(l->turned, t);
		free(t);
	}
	pthread_mutex_unlock(&l->lock);
	return t != NULL;
}
