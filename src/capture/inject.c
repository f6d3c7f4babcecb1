// SPDX-License-Identifier: Apache-2.0
/*
 * inject.c - a stopped task installs one more seccomp filter, and goes on as if nothing had been
 *
 * Most boxes never need the calls that such a filter stops; those that do pay from then on.
 * The task is at the stop before a signal of ours is delivered, which may be in the middle of a
 * call: the kernel has broken it off and left word how it is to be started again (linux/errno.h).
 * Once the task has made our call, nobody does so but us: with restart_syscall(2) where the kernel
 * has kept what is left of the call, else with the call itself.
 */
#include <signal.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "capture/recorder.h"

#define RESTART_BLOCK (-516) /* -ERESTART_RESTARTBLOCK of linux/errno.h */
#define SYSCALL_SIZE  2	     /* of the instruction `syscall`, and of `int $0x80` */
#define NR32_SECCOMP  354
#define NR32_RESTART  0
#define USER_CS_32    0x23 /* of 32-bit code: asm/segment.h */

/* Address of a `syscall` instruction in the task's vDSO: it is the same image as ours. */
static uint64_t syscall_place(pid_t tid, uint64_t base)
{
	const uint8_t *ours = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);

	if (!base || !ours)
		return 0;
	for (size_t i = 0x400; i < 0x1ffe; i++) {
		uint8_t there[2];

		if (ours[i] != 0x0f || ours[i + 1] != 0x05)
			continue;
		/* the same bytes must stand in the task, or its image is another one */
		if (!target_read(tid, base + i, there, 2) && there[0] == 0x0f && there[1] == 0x05)
			return base + i;
	}
	return 0;
}

/* Address of `int $0x80` in a 32-bit task's vDSO: what __kernel_vsyscall ends with, for that is
 * where the kernel goes on after a call that is begun again. */
static uint64_t int80_place(pid_t tid, uint64_t base)
{
	static const uint8_t end[] = { 0xcd, 0x80, 0x5d, 0x5a, 0x59, 0xc3 };
	uint8_t there[8192], *at;

	if (!base || target_read(tid, base, there, sizeof(there)))
		return 0;
	at = memmem(there, sizeof(there), end, sizeof(end));
	return at ? base + (uint64_t)(at - there) : 0;
}

/* Run the task to its next system call stop. Signals that come in between are sent again after.
 * Return: 0; 1 when it has ended, with its status. */
static int to_call_stop(pid_t tid, int *ret_status)
{
	int status, again[8], nagain = 0, rc = -ESRCH;

	for (int i = 0; i < 64; i++) {
		if (ptrace(PTRACE_SYSCALL, tid, 0, 0) || waitpid(tid, &status, __WALL) != tid)
			break;
		if (!WIFSTOPPED(status)) {
			*ret_status = status;
			rc = 1;
			break;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			rc = 0;
			break;
		}
		if (!(status >> 16) && nagain < (int)ARRAY_SIZE(again))
			again[nagain++] = WSTOPSIG(status);
	}
	for (int i = 0; i < nagain && rc == 0; i++)
		syscall(SYS_tkill, tid, again[i]);
	return rc;
}

bool was_broken_off(int64_t rax)
{
	return rax == -EINTR || rax == -512 /* ERESTARTSYS */ || rax == -513 /* ERESTARTNOINTR */ ||
	       rax == -514 /* ERESTARTNOHAND */ || rax == RESTART_BLOCK;
}

bool is_int80(pid_t tid, uint64_t pc)
{
	uint8_t there[SYSCALL_SIZE];

	return !target_read(tid, pc - sizeof(there), there, sizeof(there)) && there[0] == 0xcd &&
	       there[1] == 0x80;
}

/* What the kernel would have done on the way out of the signal that is dropped. */
static void start_again(pid_t tid, struct user_regs_struct *r)
{
	bool narrow = r->cs == USER_CS_32 || is_int80(tid, r->rip);
	int64_t nr = narrow ? (int32_t)r->orig_rax : (int64_t)r->orig_rax, rax = (int64_t)r->rax;
	uint64_t restart = narrow ? NR32_RESTART : SYS_restart_syscall;

	r->orig_rax = (unsigned long long)-1;
	if (nr < 0 || !was_broken_off(rax))
		return;
	r->rax = rax == RESTART_BLOCK ? restart : (unsigned long long)nr;
	r->rip -= SYSCALL_SIZE;
}

/* A filter as seccomp(2) wants it from the task. Return: its address there, 0: no room */
static uint64_t put_filter(pid_t tid, const struct user_regs_struct *r,
			   const struct sock_filter *filter, size_t n)
{
	struct {
		uint16_t len, none[3];
		uint64_t at;
		struct sock_filter filter[INJECT_MAX];
	} there = { .len = (uint16_t)n };
	uint64_t at = (r->rsp - 128 /* red zone of the ABI */ - sizeof(there)) & ~15ull;
	uint32_t narrow = (uint32_t)(at + offsetof(typeof(there), filter));

	there.at = at + offsetof(typeof(there), filter);
	if (r->cs == USER_CS_32) /* its pointer has 32 bits and follows sooner */
		memcpy(&there.none[1], &narrow, sizeof(narrow));
	memcpy(there.filter, filter, n * sizeof(*filter));
	return target_write(tid, at, &there, sizeof(there)) ? 0 : at;
}

int inject_filter(pid_t tid, uint64_t vdso, const struct sock_filter *filter, size_t n,
		  int *ret_status)
{
	struct user_regs_struct old, regs;
	uint64_t at, place;
	bool narrow;
	int rc;

	if (ptrace(PTRACE_GETREGS, tid, 0, &old))
		return -errno;
	narrow = old.cs == USER_CS_32;
	place = narrow ? int80_place(tid, vdso) : syscall_place(tid, vdso);
	if (!place)
		return -ENOTSUP;
	at = put_filter(tid, &old, filter, n);
	if (!at)
		return -EFAULT;
	regs = old;
	regs.rip = place;
	regs.rax = narrow ? NR32_SECCOMP : SYS_seccomp;
	regs.orig_rax = (unsigned long long)-1; /* the stop may be inside a call: no restart */
	*(narrow ? &regs.rbx : &regs.rdi) = SECCOMP_SET_MODE_FILTER;
	*(narrow ? &regs.rcx : &regs.rsi) = SECCOMP_FILTER_FLAG_TSYNC;
	regs.rdx = at;
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs))
		return -errno;
	rc = to_call_stop(tid, ret_status); /* entry */
	if (!rc)
		rc = to_call_stop(tid, ret_status); /* exit */
	if (rc)
		return rc;
	rc = ptrace(PTRACE_GETREGS, tid, 0, &regs) ? -errno : (int)(int64_t)regs.rax;
	start_again(tid, &old);
	if (ptrace(PTRACE_SETREGS, tid, 0, &old))
		return -errno;
	return rc > 0 ? -EBUSY : rc;
}
