// SPDX-License-Identifier: Apache-2.0
/*
 * filter.c - make the seccomp program out of calls.def
 *
 * Theory of operation
 *
 * The program loads the architecture, then the number, and finds the row by a binary search: a
 * tree of "is the number at least N?" jumps with one "is it N?" at each leaf. A leaf of a row
 * with a test loads the argument and decides there. Everything is emitted front to back; a jump
 * over a subtree is patched when the subtree's length is known. Conditional jumps reach 255
 * instructions, so a tree's branch to its right half goes by an unconditional jump when it is
 * further.
 *
 * Only the low half of an argument is tested where the kernel itself takes an int (flags, ioctl
 * command, family): TIOCSTI with high bits set is still TIOCSTI.
 */
#include "capture/filter.h"

#include <linux/audit.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const struct call calls[] = {
#define CALL(nr64, nr32, name_, decoder, test_, arg_, detail_)                                     \
	[CALL_##name_] = { { nr64, nr32 }, #name_, TEST_##test_, arg_, detail_ },
#include "capture/calls.def"
#undef CALL
};
_Static_assert(ARRAY_SIZE(calls) == CALLS, "a row for each call");

#ifndef O_TMPFILE_BIT
#define O_TMPFILE_BIT 020000000 /* __O_TMPFILE of the kernel's fcntl.h */
#endif
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE_BIT)
static const uint32_t tty_ioctls[] = { TIOCSTI, TIOCLINUX };
static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
static const uint32_t personas[] = { 0, 0xffffffff };

const struct call *call_row(enum call_id id)
{
	return &calls[id];
}

static int arch_index(uint32_t arch)
{
	return arch == AUDIT_ARCH_X86_64 ? 0 : 1;
}

enum call_id call_find(uint32_t arch, int nr)
{
	int a = arch_index(arch);

	for (int i = 0; i < CALLS; i++)
		if (calls[i].nr[a] == nr)
			return (enum call_id)i;
	return CALLS;
}

struct emitter {
	struct sock_filter *out;
	size_t n;
	bool emulate; /* box ids are not real */
};

static size_t emit(struct emitter *e, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (e->n >= FILTER_MAX)
		abort(); /* our own table has outgrown FILTER_MAX */
	e->out[e->n] = (struct sock_filter){ code, jt, jf, k };
	return e->n++;
}

static void emit_ret(struct emitter *e, uint32_t what)
{
	emit(e, BPF_RET | BPF_K, what, 0, 0);
}

static void emit_load_arg(struct emitter *e, int arg, bool high)
{
	emit(e, BPF_LD | BPF_W | BPF_ABS,
	     (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)arg + (high ? 4 : 0)), 0,
	     0);
}

/* "if A is one of values: hold (or let pass), else the other" */
static void emit_set(struct emitter *e, const uint32_t *values, size_t n, bool hold_members)
{
	for (size_t i = 0; i < n; i++) {
		emit(e, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
		emit_ret(e, hold_members ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
	}
	emit_ret(e, hold_members ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF);
}

static void emit_flags(struct emitter *e, int arg, uint32_t mask)
{
	emit_load_arg(e, arg, false);
	emit(e, BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
	emit_ret(e, SECCOMP_RET_USER_NOTIF);
	emit_ret(e, SECCOMP_RET_ALLOW);
}

/* The argument is neither 0 nor -1 (16-bit calls: nor 65535): hold. Falls through otherwise. */
static void emit_foreign_id(struct emitter *e, int arg, bool wide)
{
	emit_load_arg(e, arg, false);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, wide ? 0xffffffff : 0xffff, 1, 0);
	emit_ret(e, SECCOMP_RET_USER_NOTIF);
}

static void emit_row(struct emitter *e, const struct call *c)
{
	switch (c->test) {
	case TEST_ALWAYS:
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		break;
	case TEST_WRITES:
		emit_flags(e, c->arg, OPEN_WRITES);
		break;
	case TEST_FLAGS:
		emit_flags(e, c->arg, NEW_NAMESPACES);
		break;
	case TEST_NONZERO:
		emit_load_arg(e, c->arg, false);
		emit(e, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		emit_load_arg(e, c->arg, true);
		emit(e, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		emit_ret(e, SECCOMP_RET_ALLOW);
		break;
	case TEST_ONEOF:
		emit_load_arg(e, c->arg, false);
		emit_set(e, tty_ioctls, ARRAY_SIZE(tty_ioctls), true);
		break;
	case TEST_NOTIN:
		emit_load_arg(e, c->arg, false);
		emit_set(e, personas, ARRAY_SIZE(personas), false);
		break;
	case TEST_EQUAL:
		emit_load_arg(e, c->arg, false);
		emit_set(e, &(uint32_t){ (uint32_t)c->detail }, 1, true);
		break;
	case TEST_SOCKET:
		emit_load_arg(e, c->arg + 1, false);
		emit(e, BPF_ALU | BPF_AND | BPF_K, 0xf /* SOCK_TYPE_MASK */, 0, 0);
		emit(e, BPF_JMP | BPF_JEQ | BPF_K, SOCK_RAW, 0, 1);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		emit_load_arg(e, c->arg, false);
		emit_set(e, families, ARRAY_SIZE(families), false);
		break;
	case TEST_CODE:
		emit_load_arg(e, c->arg, false);
		emit(e, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
		emit_ret(e, SECCOMP_RET_ALLOW);
		emit_load_arg(e, c->arg + 1, false);
		emit(e, BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 1);
		emit_ret(e, SECCOMP_RET_ALLOW);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		break;
	case TEST_OWNER:
		if (e->emulate) { /* root may take back what is claimed to be another's */
			emit_ret(e, SECCOMP_RET_USER_NOTIF);
			break;
		}
		emit_foreign_id(e, c->arg, c->nr[0] >= 0);
		emit_foreign_id(e, c->arg + 1, c->nr[0] >= 0);
		emit_ret(e, SECCOMP_RET_ALLOW);
		break;
	case TEST_MULTIPLEX:
		emit_load_arg(e, c->arg, false);
		emit(e, BPF_JMP | BPF_JEQ | BPF_K, SYS_SOCKET, 0, 1);
		emit_ret(e, SECCOMP_RET_TRACE | FILTER_SOCKETCALL);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
		break;
	}
}

struct leaf {
	int nr;
	const struct call *call;
};

static void emit_leaf(struct emitter *e, const struct leaf *l)
{
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)l->nr, 1, 0);
	emit_ret(e, SECCOMP_RET_ALLOW);
	emit_row(e, l->call);
}

static void emit_tree(struct emitter *e, const struct leaf *l, size_t n)
{
	size_t far;

	if (n == 1) {
		emit_leaf(e, l);
		return;
	}
	/* if nr >= the right half's first: jump over the left half (by a far jump that the
	 * conditional one steps on), else go on with the left half */
	emit(e, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)l[n / 2].nr, 0, 1);
	far = emit(e, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(e, l, n / 2);
	e->out[far].k = (uint32_t)(e->n - far - 1);
	emit_tree(e, l + n / 2, n - n / 2);
}

static int by_number(const void *a, const void *b)
{
	return ((const struct leaf *)a)->nr - ((const struct leaf *)b)->nr;
}

static void emit_arch(struct emitter *e, int arch)
{
	struct leaf leaves[CALLS];
	size_t n = 0;

	for (int i = 0; i < CALLS; i++)
		if (calls[i].nr[arch] >= 0)
			leaves[n++] = (struct leaf){ calls[i].nr[arch], &calls[i] };
	qsort(leaves, n, sizeof(leaves[0]), by_number);
	emit(e, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	if (arch == 0) {
		emit(e, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
		emit_ret(e, SECCOMP_RET_USER_NOTIF);
	}
	emit_tree(e, leaves, n);
}

size_t filter_build(struct sock_filter out[FILTER_MAX], bool emulate)
{
	struct emitter e = { .out = out, .emulate = emulate };
	size_t far;

	emit(&e, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(&e, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 1);
	far = emit(&e, BPF_JMP | BPF_JA, 0, 0, 0);
	emit(&e, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
	emit_ret(&e, SECCOMP_RET_KILL_PROCESS);
	emit_arch(&e, 1);
	out[far].k = (uint32_t)(e.n - far - 1);
	emit_arch(&e, 0);
	return e.n;
}
