// SPDX-License-Identifier: Apache-2.0
/*
 * lapse.h - what the files of time-lapse share
 *
 * Theory of operation
 *
 * The box has one clock: real time and one offset, *ahead*, which only grows. While anybody in the
 * box works, it goes as fast as ours. When all wait, it jumps to the earliest moment that anybody
 * waits for, and exactly that wait ends as timed out. So the order of what happens is kept, work
 * takes the time that it takes, and waiting takes none.
 *
 * Waits are not stopped: a thread of the supervisor (lapse.c, lapse/look.c) *looks* at them.
 * /proc/TID/syscall tells of a blocked task which call it is in and with which arguments,
 * /proc/TID/schedstat how often it has run; so a program pays nothing for its waits, and each kind
 * of wait is a row of a table (lapse/waits.c). A wait begins when it is first seen, which is never
 * too early.
 *
 * Everybody waits when two looks, one after the other, find each task blocked, off its processor,
 * and thereafter none has been woken, nor has run since: then there was a moment, at the end of the
 * second look, at which all were asleep. Belljar's own threads for the box and the gate process
 * count as tasks of the box here: so no call is held, no task is stopped for its tracer, no packet
 * is on its way.
 *
 * A wait is ended by a SIGSTOP of ours: the call breaks off, the task stops for its tracer before
 * it runs on, and there the call is given the result of a time-out and the signal is dropped.
 *
 * Timers of the kernel: those with a descriptor (timerfd) always have as much left in the kernel as
 * they have in the box: each jump takes it away (lapse/timerfd.c). Those that send signals are
 * never armed; their calls stop for the tracer and the supervisor keeps them (lapse/timers.c).
 *
 * Clocks: at each exec the vDSO of the new program gets functions of ours before its own, which add
 * the offset from a word beside them (lapse/vdso.c); a jump writes that word in each process. Clock
 * calls that go to the kernel stop for the tracer (lapse/calls.c).
 *
 * Times of files are as the kernel wrote them, by our clock, until somebody reads them; what
 * is read is put forward by as much as the box was ahead then (dates.h, lapse/stat.c).
 *
 * A box that always has something to do, or many short waits, would never see the end of a long
 * one: a wait of which too much real time has gone by ends, and the clock goes forward by what was
 * left (lapse_patience()).
 */
#ifndef BELLJAR_CAPTURE_LAPSE_H
#define BELLJAR_CAPTURE_LAPSE_H

#include <sys/user.h>
#include <uthash.h>

#include "capture/lapse/dates.h"
#include "capture/recorder.h"

#define LAPSE_TASK_FDS	 256   /* tasks whose files in /proc stay open */
#define LAPSE_TIMERS_MAX 1024  /* timers that send signals, all processes */
#define LAPSE_SCAN_FDS	 4096  /* descriptors of a process that are looked at for timers */
#define LAPSE_TIMERFDS	 256   /* timers with a descriptor, all processes */
#define LAPSE_SETS_MAX	 65536 /* descriptors in the sets of a select call */
#define LAPSE_NEVER	 UINT64_MAX
#define TICKS_PER_SEC	 100 /* USER_HZ of times(2) and /proc: fixed on x86 */

#define NR_FUTEX_WAIT 455 /* since Linux 6.7 */

struct lapse;

/* ---- files of tasks (lapse/open.c) -------------------------------------------------------- */

enum lapse_file { LAPSE_SYSCALL, LAPSE_MEM, LAPSE_AUXV, LAPSE_FDS, LAPSE_FILES };
/** lapse_open() - a file of a task in /proc, whatever id of the box the task has; under the lock.
 * Return: fd or -errno */
int lapse_open(struct lapse *l, pid_t tid, enum lapse_file what);

/* ---- calls of both widths (lapse/narrow.c) ------------------------------------------------- */

/** enum times - how times are in the memory of a program: of seconds and a smaller part each */
enum times {
	TIMES_64,
	TIMES_64_OF_32, /* of a 32-bit program: the upper half of the smaller part is padding */
	TIMES_32,
};
size_t times_size(enum times times);
/** times_read() - @n parts, 4 at most. Return: 0 or -EFAULT */
int times_read(pid_t tid, enum times times, uint64_t at, int64_t *v, size_t n);
int times_write(pid_t tid, enum times times, uint64_t at, const int64_t *v, size_t n);

/** is_narrow() - it is 32-bit code */
bool is_narrow(const struct user_regs_struct *r);
struct blocked;
/** call_of_regs() - the call of a stopped task, as the kernel has it */
struct blocked call_of_regs(const struct user_regs_struct *r, bool narrow);
/** call_widen() - a call of i386 becomes the one of x86_64 that means the same, with its arguments;
 * number -1: there is none among those that have to do with time */
void call_widen(pid_t tid, struct blocked *b);

/* ---- waits (lapse/waits.c) ---------------------------------------------------------------- */

/** struct blocked - a task as /proc/TID/syscall shows it */
struct blocked {
	int64_t nr; /* -1: not in a call */
	uint64_t a[6], sp, pc;
	bool narrow; /* it is a call of i386 */
	enum times times;
};
/** blocked_read() - parse its line. Return: false: it runs, or is gone */
bool blocked_read(char *line, struct blocked *ret);

/** struct wait - what a blocked task waits for */
struct wait {
	enum { WAIT_SHORT, WAIT_EVER, WAIT_TIMED } what; /* SHORT: the kernel is at work for it */
	enum { WAIT_FOR, WAIT_UNTIL, WAIT_UNTIL_DATE } how;
	uint64_t at;	   /* where the time stands in its memory; 0 nowhere */
	uint64_t ns;	   /* for so long; until then, by the box's monotonic clock or its date */
	int64_t result;	   /* of a time-out */
	uint64_t left;	   /* address at which the kernel says what is left; 0 */
	bool left_is_us;   /* a timeval, else a timespec */
	bool left_at_once; /* a time-out says so as well: nothing is left */
	uint64_t set[3];   /* sets of descriptors to clear; 0 */
	uint32_t nset;	   /* descriptors in each */
	enum times times;
};
/** wait_of() - @b of task @tid; reads the task's memory and, for sockets, their options */
void wait_of(pid_t tgid, pid_t tid, const struct blocked *b, struct wait *ret);
/** wait_clear() - write into the task's memory what a time-out of @w leaves there */
void wait_clear(pid_t tid, const struct wait *w);
/** wait_take_left() - a signal has broken the wait off: @gone ns less are left than the kernel says
 */
void wait_take_left(pid_t tid, const struct wait *w, uint64_t gone);

/**
 * lapse_patience() - how much real time a wait may take before its end is brought about
 * @wait_ns: how long the wait is, in the box's time
 * @real_ns: real time since it began
 * @gone_ns: the box's time since it began
 * @tick_ns: all have waited many times since: it is the short waits of others that hold the clock
 *	up, such as this one, which comes next; 0: somebody works
 * @again: such waits have been gone over a short time ago
 *
 * Return: true when it is enough.
 */
bool lapse_patience(uint64_t wait_ns, uint64_t real_ns, uint64_t gone_ns, uint64_t tick_ns,
		    bool again);

/* ---- the engine (lapse.c) ----------------------------------------------------------------- */

/** struct seen - a task, or a thread of ours, as it was last seen */
struct seen {
	pid_t tid, tgid;
	int call_fd, runs_fd; /* -1: opened each time */
	bool ours;	      /* a thread of belljar's or the gate process: it has no waits */
	bool hidden;	      /* … and shows its state alone */
	bool told;	      /* a SIGSTOP is on its way to end this wait */
	bool done;	      /* the wait was ended: it counts no longer */
	bool broken; /* a signal of somebody else has broken it off, and what is left is told */
	bool blocked;
	bool patching;
	bool again;	  /* we have broken its wait off, and it goes on with it */
	uint64_t runs[2]; /* how often and how long it has run: the same: it has not */
	struct blocked b;
	struct wait w;
	uint64_t since_real, since, ahead, due; /* of this wait; @ahead the offset then */
	uint64_t rests;				/* that there had been then */
	uint64_t lately; /* how long its waits have been: the longest, less with each since */
	bool listed;	 /* it is in the table of tasks */
	UT_hash_handle hh;
};

/** struct clocked - a process whose vDSO adds the offset */
struct clocked {
	pid_t tgid;
	uint64_t slot, base; /* addresses in it; 0: not patched */
	bool narrow;	     /* a 32-bit program */
	bool stats;	     /* its stat calls stop */
	pid_t asked;	     /* this task of it will stop, for that; 0 */
	uint64_t asked_real;
	uint64_t writes; /* calls to write that it had made by the last look */
	UT_hash_handle hh;
};

struct signal_timer;
struct turned_call;

struct lapse {
	struct recorder *rec;
	struct box_clock *clock;
	const struct recorder_lapse *opts;
	uint64_t t0; /* the box's CLOCK_MONOTONIC of t = 0 */
	struct vdso *vdso;
	int opener; /* socket of the process that opens, -1 */
	bool no_opener;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool ending;
	uint64_t until, until_real, until_since; /* how far the clock may go (monotonic of the box);
						  * 0: not at all */
	uint64_t until_rests, until_last;	 /* the last that was not 0 */
	struct seen *seen;
	atomic_int working; /* threads of ours that have something of the box in hand */
	/* tasks that have come so far; and had when they were listed. Who came since was not looked
	 * at */
	atomic_uint born;
	unsigned listed_born;
	struct clocked *clocked;
	struct signal_timer *timers;
	struct turned_call *turned;
	int ntimers, nopen;
	atomic_bool timerfds;	    /* some process has armed one */
	pthread_mutex_t dates_lock; /* the last one to be taken */
	struct dates dates;
	bool files;		/* stat calls stop */
	int uptime_fd, stat_fd; /* the box's own in /proc; negative: none */
	uint64_t proc_real, stat_real;
	char *stat_text;	   /* the kernel's /proc/stat, at stat_real */
	uint64_t held, wrote_real; /* held calls and tasks by then; CLOCK_REALTIME of the last write
				      seen */
	uint64_t active_real;	   /* CLOCK_REALTIME when somebody was last seen at work */
	uint64_t rests, rest_due;  /* how often all waited for a time, and for which one last */
	uint64_t tick_ns;	   /* from one to the next, of late */
	uint64_t jumped_real, told_real, pause_ns;
	uint64_t overtook_real; /* when ticks were last gone over; 0 never */
};

/** lapse_now() - the box's monotonic clock */
static inline uint64_t lapse_now(const struct lapse *l)
{
	return clock_mono_ns() + l->clock->ahead;
}
/** lapse_date_offset() - the box's date less its monotonic clock */
static inline uint64_t lapse_date_offset(const struct lapse *l)
{
	return clock_real_ns() - clock_mono_ns() + l->clock->date;
}

/** lapse_date_is_past() - the box's date is before ours: dates that it waits for are put forward
 * for the kernel (lapse/calls.c) */
static inline bool lapse_date_is_past(const struct lapse *l)
{
	return (int64_t)l->clock->date < 0;
}

/* looking (lapse/look.c), under the lock */

/** lapse_list_tasks() - who is there to be looked at: the recorder's table is exact; under its lock
 * as well */
void lapse_list_tasks(struct lapse *l);
/** lapse_look() - true when each task is blocked, and as it was at the look before */
bool lapse_look(struct lapse *l);
/** lapse_at_rest() - after such a look: no call is at the disk, which counts as a wait by its
 * number (read), and nobody, threads of ours neither, was woken or has run meanwhile: all slept
 * when it ended */
bool lapse_at_rest(struct lapse *l);
/** lapse_broke_off() - a signal of ours has broken off whatever @tid was waiting in, which it will
 * begin again: that is the same wait */
void lapse_broke_off(struct lapse *l, pid_t tgid, pid_t tid, const struct user_regs_struct *r);
/** seen_close() - the files of /proc that are kept open for it; seen_forget() - all of it */
void seen_close(struct lapse *l, struct seen *s);
void seen_forget(struct lapse *l, struct seen *s);

/* ending waits (lapse/wait_end.c), under the lock */

#define LOOK_MIN_NS 50000 /* between two looks, after a change */
/** seen_waits() - for a time, in a wait that nobody has ended yet */
bool seen_waits(const struct seen *s);
/** lapse_end_due() - end the waits whose time has come. Return: how many */
int lapse_end_due(struct lapse *l);

/* for recorder.c */

struct lapse *lapse_new(struct recorder *rec, const struct recorder_lapse *opts);
int lapse_start(struct lapse *l, struct err *err);
void lapse_end(struct lapse *l);
void lapse_until(struct lapse *l, uint64_t t);
void lapse_ahead(struct lapse *l, uint64_t ns);
/** lapse_work() - +1: this thread has something of the box in hand, which no look can see when it
 * waits for a lock; -1: no longer */
static inline void lapse_work(struct lapse *l, int n)
{
	if (l)
		atomic_fetch_add(&l->working, n);
}
void lapse_free(struct lapse *l);
/** lapse_watch() - a thread of ours, or the gate process, that must sleep for the box to wait; its
 * end is noticed */
void lapse_watch(struct lapse *l, pid_t tgid, pid_t tid);

/* for trace.c: all take NULL, which is a box at real speed */

/** lapse_comes() - a task, also a thread, is put into the recorder's table; under the recorder's
 * lock
 */
static inline void lapse_comes(struct lapse *l)
{
	if (l)
		atomic_fetch_add(&l->born, 1);
}
void lapse_born(struct lapse *l, pid_t parent, pid_t tgid);
/** lapse_exec() - at the exec stop. False: this program's clocks cannot be part of it */
bool lapse_exec(struct lapse *l, pid_t tgid);
void lapse_ended(struct lapse *l, pid_t tid);
/** lapse_signalled() - at the stop before a signal is delivered. True: it is ours, and dropped;
 * @ret_status: that of the task if it has ended meanwhile, else -1 */
bool lapse_signalled(struct lapse *l, pid_t tid, pid_t tgid, int sig, int *ret_status);
/** lapse_call() - at PTRACE_EVENT_SECCOMP with FILTER_LAPSE, or FILTER_LAPSE_32: @narrow. True:
 * stop it at its end, for lapse_call_end() */
bool lapse_call(struct lapse *l, pid_t tid, pid_t tgid, bool narrow);
bool lapse_call_end(struct lapse *l, pid_t tid, pid_t tgid);
/** lapse_timex() - adjtimex(2) that only asks, into a task's memory; @narrow: as i386 has the
 * structure. Return: what the call returns; -errno */
int64_t lapse_timex(struct lapse *l, pid_t tid, uint64_t at, bool narrow);
/** lapse_filter() - in the program's process, before the recorder's own */
int lapse_filter(struct err *err);

/* ---- times of files (lapse/stat.c) -------------------------------------------------------- */

/** lapse_stat_ready() - from now on stat calls stop. Return: true when those of each process do */
bool lapse_stat_ready(struct lapse *l);
/** lapse_stat_ask() - stop task @tid of process @c, to be patched */
void lapse_stat_ask(struct clocked *c, pid_t tid);
/** lapse_stat_patch() - at that stop, without the lock: as inject_filter() */
int lapse_stat_patch(struct lapse *l, pid_t tid, uint64_t vdso, int *ret_status);
/** lapse_stat_failed() - it could not be: the record says so */
void lapse_stat_failed(struct lapse *l, struct clocked *c);
/** lapse_stat_end() - at the end of a call that may be a stat; l NULL is fine */
void lapse_stat_end(struct lapse *l, pid_t tid);

/* ---- /proc (lapse/proc.c) ----------------------------------------------------------------- */

void lapse_proc_open(struct lapse *l);
void lapse_proc_close(struct lapse *l);
/** lapse_proc_put() - write what they say at present, if that is too long ago, or @now */
void lapse_proc_put(struct lapse *l, bool now);

/* ---- clocks (lapse/vdso.c) ---------------------------------------------------------------- */

#define VDSO_SIZE_MAX 0x4000
struct vdso;
/** vdso_read() - this kernel's image; NULL when it has no room, or not what we look for */
struct vdso *vdso_read(void);
/** vdso_patch() - Return: 0, with the vDSO's address and that of the two words (ahead, ahead and
 * date) in the task; -errno */
int vdso_patch(struct lapse *l, pid_t tid, uint64_t *ret_base, uint64_t *ret_slot);
/** vdso_hide() - of a 32-bit program: it finds no clocks in its vDSO, so all clock calls are the
 * kernel's. Return: 0 with its vDSO's address, 0 where it has none; -errno */
int vdso_hide(struct lapse *l, pid_t tid, uint64_t *ret_base);
int vdso_set(struct lapse *l, pid_t tid, uint64_t slot, uint64_t ahead, uint64_t date_ahead);

/* ---- timers (lapse/timerfd.c, lapse/timers.c) --------------------------------------------- */

/** timerfds_next() - what is left of the one that fires next; LAPSE_NEVER */
uint64_t timerfds_next(struct lapse *l);
/** timerfds_take() - @ns less are left of each */
void timerfds_take(struct lapse *l, uint64_t ns);

uint64_t timers_next(struct lapse *l);
/** timers_fire() - send the signals that are due. Return: how many */
int timers_fire(struct lapse *l);
void timers_exec(struct lapse *l, pid_t tgid);
void timers_drop(struct lapse *l, pid_t tgid);
/** timers_call() - a call about timers. Return: true when it must be stopped at its end */
bool timers_call(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b,
		 struct user_regs_struct *r);
/** timers_created() - the call has succeeded */
void timers_created(struct lapse *l, pid_t tid, pid_t tgid, const struct blocked *b);

/** lapse_vdso_of() - address of a process's vDSO that adds the offset, 0: not patched; under the
 * lock
 */
uint64_t lapse_vdso_of(struct lapse *l, pid_t tgid);
/** lapse_is_narrow() - it is a 32-bit program; under the lock */
bool lapse_is_narrow(struct lapse *l, pid_t tgid);
void lapse_unturn(struct lapse *l, pid_t tid);
void lapse_unturn_all(struct lapse *l);

/** lapse_scratch() - where the times of a call are put that gets others than the task's own: below
 * its stack and the ABI's red zone; @sp: its stack pointer */
static inline uint64_t lapse_scratch(uint64_t sp)
{
	return (sp - 128 - 4 * sizeof(int64_t)) & ~15ull;
}

/** lapse_answer() - the stopped call is not carried out and returns @value */
void lapse_answer(pid_t tid, struct user_regs_struct *r, int64_t value);

#endif
