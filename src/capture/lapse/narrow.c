// SPDX-License-Identifier: Apache-2.0
/*
 * narrow.c - calls of 32-bit programs (i386) as those of x86_64 that mean the same
 *
 * So that all else knows one set of numbers. What differs is told beside: how wide the parts of
 * times are, for i386 has most calls twice, with seconds of 32 and of 64 bits, and calls that stand
 * for many others, whose arguments may lie in memory (socketcall, ipc, the first select).
 */
#include <linux/ipc.h>
#include <linux/net.h>
#include <sys/syscall.h>

#include "capture/lapse/lapse.h"

#define MODE_32	     0x23 /* code segment of 32-bit code: asm/segment.h */
#define NR32_SELECT  82
#define NR32_IPC     117
#define NR32_SOCKETS 102

/* Numbers of arch/x86/entry/syscalls/syscall_32.tbl; width: of the parts of its times, if it has
 * any. */
static const struct row {
	int16_t nr, wide;
	enum times times;
} rows[] = {
	{ 0, SYS_restart_syscall, TIMES_64_OF_32 },
	{ 3, SYS_read, TIMES_32 },
	{ 4, SYS_write, TIMES_32 },
	{ 7, SYS_wait4, TIMES_32 },
	{ 13, SYS_time, TIMES_32 },
	{ 27, SYS_alarm, TIMES_32 },
	{ 29, SYS_pause, TIMES_32 },
	{ 43, SYS_times, TIMES_32 },
	{ 55, SYS_fcntl, TIMES_32 },
	{ 72, SYS_rt_sigsuspend, TIMES_32 },
	{ 78, SYS_gettimeofday, TIMES_32 },
	{ NR32_SELECT, SYS_select, TIMES_32 },
	{ 104, SYS_setitimer, TIMES_32 },
	{ 105, SYS_getitimer, TIMES_32 },
	{ 114, SYS_wait4, TIMES_32 },
	{ 116, SYS_sysinfo, TIMES_32 },
	{ 120, SYS_clone, TIMES_32 },
	{ 142, SYS_select, TIMES_32 },
	{ 143, SYS_flock, TIMES_32 },
	{ 145, SYS_readv, TIMES_32 },
	{ 146, SYS_writev, TIMES_32 },
	{ 162, SYS_nanosleep, TIMES_32 },
	{ 168, SYS_poll, TIMES_32 },
	{ 177, SYS_rt_sigtimedwait, TIMES_32 },
	{ 179, SYS_rt_sigsuspend, TIMES_32 },
	{ 190, SYS_vfork, TIMES_32 },
	{ 221, SYS_fcntl, TIMES_32 },
	{ 240, SYS_futex, TIMES_32 },
	{ 247, SYS_io_getevents, TIMES_32 },
	{ 256, SYS_epoll_wait, TIMES_32 },
	{ 259, SYS_timer_create, TIMES_32 },
	{ 260, SYS_timer_settime, TIMES_32 },
	{ 261, SYS_timer_gettime, TIMES_32 },
	{ 262, SYS_timer_getoverrun, TIMES_32 },
	{ 263, SYS_timer_delete, TIMES_32 },
	{ 265, SYS_clock_gettime, TIMES_32 },
	{ 267, SYS_clock_nanosleep, TIMES_32 },
	{ 279, SYS_mq_timedsend, TIMES_32 },
	{ 280, SYS_mq_timedreceive, TIMES_32 },
	{ 284, SYS_waitid, TIMES_32 },
	{ 308, SYS_pselect6, TIMES_32 },
	{ 309, SYS_ppoll, TIMES_32 },
	{ 319, SYS_epoll_pwait, TIMES_32 },
	{ 325, SYS_timerfd_settime, TIMES_32 },
	{ 337, SYS_recvmmsg, TIMES_32 },
	{ 362, SYS_connect, TIMES_32 },
	{ 364, SYS_accept4, TIMES_32 },
	{ 369, SYS_sendto, TIMES_32 },
	{ 370, SYS_sendmsg, TIMES_32 },
	{ 371, SYS_recvfrom, TIMES_32 },
	{ 372, SYS_recvmsg, TIMES_32 },
	{ 385, SYS_io_pgetevents, TIMES_32 },
	{ 400, SYS_msgsnd, TIMES_32 },
	{ 401, SYS_msgrcv, TIMES_32 },
	{ 403, SYS_clock_gettime, TIMES_64_OF_32 },
	{ 407, SYS_clock_nanosleep, TIMES_64_OF_32 },
	{ 408, SYS_timer_gettime, TIMES_64_OF_32 },
	{ 409, SYS_timer_settime, TIMES_64_OF_32 },
	{ 411, SYS_timerfd_settime, TIMES_64_OF_32 },
	{ 413, SYS_pselect6, TIMES_64_OF_32 },
	{ 414, SYS_ppoll, TIMES_64_OF_32 },
	{ 416, SYS_io_pgetevents, TIMES_64_OF_32 },
	{ 417, SYS_recvmmsg, TIMES_64_OF_32 },
	{ 418, SYS_mq_timedsend, TIMES_64_OF_32 },
	{ 419, SYS_mq_timedreceive, TIMES_64_OF_32 },
	{ 420, SYS_semtimedop, TIMES_64_OF_32 },
	{ 421, SYS_rt_sigtimedwait, TIMES_64_OF_32 },
	{ 422, SYS_futex, TIMES_64_OF_32 },
	{ 435, SYS_clone3, TIMES_64_OF_32 },
	{ 441, SYS_epoll_pwait2, TIMES_64_OF_32 },
	{ 449, SYS_futex_waitv, TIMES_64_OF_32 },
	{ NR_FUTEX_WAIT, NR_FUTEX_WAIT, TIMES_64_OF_32 },
};

/* What a call that stands for many others is, by its first argument: linux/net.h, linux/ipc.h. */
static const int16_t by_socketcall[] = {
	[SYS_CONNECT] = SYS_connect,   [SYS_ACCEPT] = SYS_accept,   [SYS_SEND] = SYS_sendto,
	[SYS_RECV] = SYS_recvfrom,     [SYS_SENDTO] = SYS_sendto,   [SYS_RECVFROM] = SYS_recvfrom,
	[SYS_SENDMSG] = SYS_sendmsg,   [SYS_RECVMSG] = SYS_recvmsg, [SYS_ACCEPT4] = SYS_accept4,
	[SYS_RECVMMSG] = SYS_recvmmsg,
};
static const int16_t by_ipc[] = {
	[SEMOP] = SYS_semop,
	[SEMTIMEDOP] = SYS_semtimedop,
	[MSGSND] = SYS_msgsnd,
	[MSGRCV] = SYS_msgrcv,
};

static bool from_memory(pid_t tid, struct blocked *b, uint64_t at, size_t n)
{
	uint32_t v[6] = { 0 };

	if (target_read(tid, at, v, n * sizeof(*v)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		b->a[i] = v[i];
	return true;
}

static int64_t socketcall_of(pid_t tid, struct blocked *b)
{
	uint64_t what = b->a[0];

	if (what >= ARRAY_SIZE(by_socketcall) || !by_socketcall[what] ||
	    !from_memory(tid, b, b->a[1], 1)) /* the descriptor is all that anybody asks for */
		return -1;
	return by_socketcall[what];
}

static int64_t ipc_of(struct blocked *b)
{
	uint64_t what = b->a[0] & 0xffff;

	if (what >= ARRAY_SIZE(by_ipc) || !by_ipc[what])
		return -1;
	b->a[3] = b->a[5]; /* of semtimedop: the time */
	return by_ipc[what];
}

void call_widen(pid_t tid, struct blocked *b)
{
	if (!b->narrow)
		return;
	b->times = TIMES_32;
	if (b->nr == NR32_SOCKETS) {
		b->nr = socketcall_of(tid, b);
		return;
	}
	if (b->nr == NR32_IPC) {
		b->nr = ipc_of(b);
		return;
	}
	if (b->nr == NR32_SELECT && !from_memory(tid, b, b->a[0], 5)) {
		b->nr = -1;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr == b->nr) {
			b->nr = rows[i].wide;
			b->times = rows[i].times;
			return;
		}
	b->nr = -1;
}

bool is_narrow(const struct user_regs_struct *r)
{
	return r->cs == MODE_32;
}

struct blocked call_of_regs(const struct user_regs_struct *r, bool narrow)
{
	struct blocked b = { .nr = (int64_t)r->orig_rax,
			     .a = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
			     .sp = r->rsp,
			     .pc = r->rip,
			     .narrow = narrow };
	const uint64_t a[] = { r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp };

	if (narrow) {
		b.nr = (int32_t)r->orig_rax;
		for (size_t i = 0; i < ARRAY_SIZE(a); i++)
			b.a[i] = (uint32_t)a[i];
	}
	return b;
}

/* ---- times -------------------------------------------------------------------------------- */

size_t times_size(enum times times)
{
	return times == TIMES_32 ? 4 : 8;
}

int times_read(pid_t tid, enum times times, uint64_t at, int64_t *v, size_t n)
{
	int32_t half[4] = { 0 };

	if (n > ARRAY_SIZE(half))
		return -EINVAL;
	if (target_read(tid, at, times == TIMES_32 ? (void *)half : v, n * times_size(times)))
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		if (times == TIMES_32)
			v[i] = half[i];
		else if (times == TIMES_64_OF_32 && i % 2)
			v[i] = (uint32_t)v[i]; /* what is above is padding, as for the kernel */
	}
	return 0;
}

int times_write(pid_t tid, enum times times, uint64_t at, const int64_t *v, size_t n)
{
	int32_t half[4];

	if (n > ARRAY_SIZE(half))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		half[i] = (int32_t)v[i];
	return target_write(tid, at, times == TIMES_32 ? (const void *)half : v,
			    n * times_size(times))
		       ? -EFAULT
		       : 0;
}
