// SPDX-License-Identifier: Apache-2.0
/*
 * socketcall.c - i386's socket call with its arguments in memory becomes one without
 *
 * Theory of operation
 *
 * A 32-bit program can ask for a socket, or a pair, by socketcall(2), whose arguments are in its
 * memory. Some families are refused, for their sockets would not end at the box's walls; and what
 * was looked at in memory is not what the kernel looks at a moment later, when another task writes
 * there meanwhile. So the filter stops this one for the tracer, which reads the arguments once and
 * turns the call into socket(2), with exactly those in registers. The kernel then asks the filter
 * again (seccomp(2): a call that a tracer has changed is checked anew), and all goes on as for
 * socket(2). At the end of the call the registers are put back, as socketcall leaves them alone.
 */
#include <linux/net.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <uthash.h>

#include "capture/recorder.h"

struct turned {
	pid_t tid;
	struct user_regs_struct was;
	UT_hash_handle hh;
};

static void put_result(pid_t tid, struct user_regs_struct *regs, int64_t result)
{
	regs->orig_rax = (unsigned long long)-1; /* not carried out */
	regs->rax = (unsigned long long)result;
	ptrace(PTRACE_SETREGS, tid, 0, regs);
}

bool socketcall_begin(struct turned **all, pid_t tid)
{
	struct user_regs_struct regs;
	struct turned *t;
	uint32_t args[4] = { 0 };
	bool pair;

	/* a filter of the program's own can ask for such a stop as well */
	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) ||
	    regs.orig_rax != (unsigned long long)call_row(CALL_socketcall)->nr[1])
		return false;
	pair = (uint32_t)regs.rbx == SYS_SOCKETPAIR;
	if ((!pair && (uint32_t)regs.rbx != SYS_SOCKET) ||
	    target_read(tid, (uint32_t)regs.rcx, args, pair ? 16 : 12)) {
		put_result(tid, &regs, -EFAULT);
		return false;
	}
	t = xcalloc(1, sizeof(*t));
	t->tid = tid;
	t->was = regs;
	regs.orig_rax = (unsigned long long)call_row(pair ? CALL_socketpair : CALL_socket)->nr[1];
	regs.rbx = args[0];
	regs.rcx = args[1];
	regs.rdx = args[2];
	regs.rsi = args[3];
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs)) {
		free(t); /* it is dead */
		return false;
	}
	HASH_ADD_INT(*all, tid, t);
	return true;
}

bool socketcall_end(struct turned **all, pid_t tid)
{
	struct user_regs_struct regs;
	struct turned *t;

	HASH_FIND_INT(*all, &tid, t);
	if (!t)
		return false;
	if (!ptrace(PTRACE_GETREGS, tid, 0, &regs)) {
		regs.orig_rax = t->was.orig_rax;
		regs.rbx = t->was.rbx;
		regs.rcx = t->was.rcx;
		regs.rdx = t->was.rdx;
		regs.rsi = t->was.rsi;
		ptrace(PTRACE_SETREGS, tid, 0, &regs);
	}
	HASH_DEL(*all, t);
	free(t);
	return true;
}

void socketcall_drop(struct turned **all, pid_t tid)
{
	struct turned *t;

	HASH_FIND_INT(*all, &tid, t);
	if (!t)
		return;
	HASH_DEL(*all, t);
	free(t);
}

void socketcall_drop_all(struct turned **all)
{
	struct turned *t, *next;

	HASH_ITER(hh, *all, t, next)
	{
		HASH_DEL(*all, t);
		free(t);
	}
}
