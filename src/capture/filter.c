// SPDX-License-Identifier: Apache-2.0
/*
 * filter.c - make the seccomp program out of calls.def
 *
 * Theory of operation
 *
 * The program loads the architecture, then the number, and finds the span of numbers that it lies
 * in by a binary search. A span is let pass, held, or is one call whose argument decides. The
 * kernel's cost of taking a program, which each start pays, grows with its length: so neighbours
 * with the same answer are one span, and returns and tests that are within a conditional jump's
 * reach are shared. It is emitted back to front, so that what is jumped to is known; a test that
 * falls through to the next instruction is emitted right after it. All of that is done when belljar
 * is built: a start takes what filter_programs has.
 *
 * Only the low half of an argument is tested where the kernel itself takes an int (flags, ioctl
 * command, family): TIOCSTI with high bits set is still TIOCSTI.
 */
#include "capture/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
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
/* what types into terminals, what changes a network, who gets a socket's signals, flags of files,
 * and what makes the kernel load a part of itself before it asks for privileges */
static const uint32_t ioctls[] = {
	TIOCSTI,	   TIOCLINUX,	      SIOCADDRT,   SIOCDELRT,  SIOCSIFFLAGS,
	SIOCSIFADDR,	   TUNSETIFF,	      FIOSETOWN,   SIOCSPGRP,  FS_IOC_SETFLAGS,
	FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR, TIOCSETD,	   SIOCGIFBR,  SIOCSIFBR,
	SIOCBRADDBR,	   SIOCBRDELBR,	      SIOCGIFVLAN, SIOCSIFVLAN
};
/* commands of fcntl that say who gets a descriptor's signals */
static const uint32_t sigio[] = { F_SETOWN, F_SETOWN_EX };
/* types that are not a box's own, in every family: SOCK_PACKET is AF_PACKET's old name */
static const uint32_t socket_types[] = { SOCK_RAW, SOCK_RDM, SOCK_DCCP, SOCK_PACKET };
/* what the gate carries, and 0: the usual one. IPPROTO_MPTCP falls back to TCP */
static const uint32_t protocols[] = {
	0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_MPTCP
};
/* the decoder looks at the level; IP_TRANSPARENT is TCP_REPAIR as well */
static const uint32_t sockopts[] = {
	SO_MARK,    IP_TRANSPARENT, IPV6_TRANSPARENT, IP_OPTIONS,
	IPV6_RTHDR, IPV6_HOPOPTS,   IPV6_DSTOPTS,     IPV6_RTHDRDSTOPTS
};
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

	for (int i = 0; nr >= 0 && i < CALLS; i++) /* -1 would be a row without a number */
		if (calls[i].nr[a] == nr)
			return (enum call_id)i;
	return CALLS;
}

/* ---- emitting ----------------------------------------------------------------------------- */

#define REACH 250 /* conditional jumps reach 255: room for what is emitted in between */
#define NONE  SIZE_MAX

struct body {
	enum call_test test;
	int arg, detail;
	bool wide;
	size_t at;
};

/* The program grows from its end: what is jumped to is there already. */
struct emitter {
	struct sock_filter *out;
	size_t at;	    /* first instruction so far */
	size_t allow, hold; /* nearest of each return; NONE */
	bool emulate;	    /* box ids are not real */
	struct body body[CALLS];
	size_t nbodies;
};

static size_t emit(struct emitter *e, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (!e->at)
		abort(); /* our own table has outgrown FILTER_MAX */
	e->out[--e->at] = (struct sock_filter){ code, jt, jf, k };
	return e->at;
}

static bool in_reach(const struct emitter *e, size_t to)
{
	return to - e->at <= REACH;
}

/* @to, or a jump to it, so near that a conditional jump reaches it */
static size_t near(struct emitter *e, size_t to)
{
	return in_reach(e, to) ? to : emit(e, BPF_JMP | BPF_JA, (uint32_t)(to - e->at), 0, 0);
}

static size_t emit_if(struct emitter *e, uint16_t test, uint32_t k, size_t yes, size_t no)
{
	yes = near(e, yes);
	no = near(e, no);
	return emit(e, BPF_JMP | test | BPF_K, k, (uint8_t)(yes - e->at), (uint8_t)(no - e->at));
}

static size_t emit_return(struct emitter *e, size_t *last, uint32_t what)
{
	if (*last == NONE || !in_reach(e, *last))
		*last = emit(e, BPF_RET | BPF_K, what, 0, 0);
	return *last;
}

static size_t emit_allow(struct emitter *e)
{
	return emit_return(e, &e->allow, SECCOMP_RET_ALLOW);
}

static size_t emit_hold(struct emitter *e)
{
	return emit_return(e, &e->hold, SECCOMP_RET_USER_NOTIF);
}

static size_t emit_load_arg(struct emitter *e, int arg, bool high)
{
	return emit(
		e, BPF_LD | BPF_W | BPF_ABS,
		(uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)arg + (high ? 4 : 0)),
		0, 0);
}

/* ---- tests of arguments ------------------------------------------------------------------- */

/* A is one of values: @yes, else @no */
static void emit_set(struct emitter *e, const uint32_t *values, size_t n, size_t yes, size_t no)
{
	for (size_t i = n; i > 0; i--)
		no = emit_if(e, BPF_JEQ, values[i - 1], yes, no);
}

/* The argument is neither 0 nor -1 (16-bit calls: nor 65535): hold; else @no */
static size_t emit_foreign_id(struct emitter *e, int arg, bool wide, size_t no)
{
	size_t hold = emit_hold(e);

	hold = emit_if(e, BPF_JEQ, wide ? 0xffffffff : 0xffff, no, hold);
	emit_if(e, BPF_JEQ, 0, no, hold);
	return emit_load_arg(e, arg, false);
}

static size_t emit_zero(struct emitter *e, int arg, bool high, size_t yes)
{
	emit_if(e, BPF_JEQ, 0, yes, emit_hold(e));
	return emit_load_arg(e, arg, high);
}

static size_t emit_code(struct emitter *e, int protection)
{
	size_t allow = emit_allow(e), next;

	emit_if(e, BPF_JSET, MAP_ANONYMOUS, allow, emit_hold(e));
	next = emit_load_arg(e, protection + 1, false);
	emit_if(e, BPF_JSET, PROT_EXEC, next, allow);
	return emit_load_arg(e, protection, false);
}

static size_t emit_multiplex(struct emitter *e, int which)
{
	size_t trace = emit(e, BPF_RET | BPF_K, SECCOMP_RET_TRACE | FILTER_SOCKETCALL, 0, 0);

	emit_if(e, BPF_JEQ, SYS_SOCKETPAIR, trace, emit_hold(e));
	emit_if(e, BPF_JEQ, SYS_SOCKET, trace, e->at);
	return emit_load_arg(e, which, false);
}

static size_t emit_socket(struct emitter *e, int family)
{
	size_t hold = emit_hold(e), allow = emit_allow(e), next;

	/* of the internet: type, then protocol */
	emit_set(e, protocols, ARRAY_SIZE(protocols), allow, hold);
	next = emit_load_arg(e, family + 2, false);
	next = emit_if(e, BPF_JEQ, SOCK_SEQPACKET, hold, next);
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0xf /* SOCK_TYPE_MASK */, 0, 0);
	next = emit_load_arg(e, family + 1, false);
	emit_if(e, BPF_JEQ, AF_NETLINK, allow, hold);
	emit_if(e, BPF_JEQ, AF_UNIX, allow, e->at);
	emit_if(e, BPF_JEQ, AF_INET6, next, e->at);
	emit_if(e, BPF_JEQ, AF_INET, next, e->at);
	next = emit_load_arg(e, family, false);
	emit_set(e, socket_types, ARRAY_SIZE(socket_types), hold, next);
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0xf /* SOCK_TYPE_MASK */, 0, 0);
	return emit_load_arg(e, family + 1, false);
}

static size_t emit_test(struct emitter *e, const struct body *b)
{
	size_t allow = emit_allow(e), hold = emit_hold(e);

	switch (b->test) {
	case TEST_ALWAYS:
		return hold;
	case TEST_WRITES:
		emit_if(e, BPF_JSET, OPEN_WRITES, hold, allow);
		break;
	case TEST_FLAGS:
		emit_if(e, BPF_JSET, CLONE_REFUSED, hold, allow);
		break;
	case TEST_NONZERO:
		return emit_zero(e, b->arg, false, emit_zero(e, b->arg, true, allow));
	case TEST_ONEOF:
		emit_set(e, ioctls, ARRAY_SIZE(ioctls), hold, allow);
		break;
	case TEST_SOCKOPT:
		emit_set(e, sockopts, ARRAY_SIZE(sockopts), hold, allow);
		break;
	case TEST_SIGIO:
		emit_set(e, sigio, ARRAY_SIZE(sigio), hold, allow);
		break;
	case TEST_NOTIN:
		emit_set(e, personas, ARRAY_SIZE(personas), allow, hold);
		break;
	case TEST_EQUAL:
		emit_if(e, BPF_JEQ, (uint32_t)b->detail, hold, allow);
		break;
	case TEST_SOCKET:
		return emit_socket(e, b->arg);
	case TEST_CODE:
		return emit_code(e, b->arg);
	case TEST_MULTIPLEX:
		return emit_multiplex(e, b->arg);
	case TEST_OWNER:
		if (e->emulate) /* root may take back what is claimed to be another's */
			return hold;
		return emit_foreign_id(e, b->arg, b->wide,
				       emit_foreign_id(e, b->arg + 1, b->wide, allow));
	}
	return emit_load_arg(e, b->arg, false);
}

/* Calls with the same test share it. */
static size_t emit_row(struct emitter *e, const struct call *c)
{
	struct body b = { c->test, c->arg, c->test == TEST_EQUAL ? c->detail : 0,
			  c->test == TEST_OWNER && c->nr[0] >= 0, 0 };

	for (size_t i = 0; i < e->nbodies; i++) {
		struct body *known = &e->body[i];

		if (known->test != b.test || known->arg != b.arg || known->detail != b.detail ||
		    known->wide != b.wide)
			continue;
		if (!in_reach(e, known->at))
			known->at = emit_test(e, &b);
		return known->at;
	}
	b.at = emit_test(e, &b);
	e->body[e->nbodies++] = b;
	return b.at;
}

/* ---- numbers ------------------------------------------------------------------------------ */

/** struct span - numbers from @from up to the next span's; @call NULL: let pass */
struct span {
	uint32_t from;
	const struct call *call;
};

static bool same_answer(const struct call *a, const struct call *b)
{
	return a == b || (a && b && a->test == TEST_ALWAYS && b->test == TEST_ALWAYS);
}

static void add_span(struct span *s, size_t *n, uint32_t from, const struct call *call)
{
	if (*n && s[*n - 1].from == from)
		--*n; /* nothing lay between the two */
	if (!*n || !same_answer(s[*n - 1].call, call))
		s[(*n)++] = (struct span){ from, call };
}

static size_t emit_tree(struct emitter *e, const struct span *s, size_t n)
{
	size_t left, right;

	if (n == 1)
		return s->call ? emit_row(e, s->call) : emit_allow(e);
	right = emit_tree(e, s + n / 2, n - n / 2);
	left = emit_tree(e, s, n / 2);
	return left == right ? left : emit_if(e, BPF_JGE, s[n / 2].from, right, left);
}

static int by_number(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static size_t emit_arch(struct emitter *e, int arch)
{
	struct span calls_of[CALLS], spans[2 * CALLS + 1];
	size_t ncalls = 0, n = 0;

	for (int i = 0; i < CALLS; i++)
		if (calls[i].nr[arch] >= 0)
			calls_of[ncalls++] =
				(struct span){ (uint32_t)calls[i].nr[arch], &calls[i] };
	qsort(calls_of, ncalls, sizeof(calls_of[0]), by_number);
	add_span(spans, &n, 0, NULL);
	for (size_t i = 0; i < ncalls; i++) {
		add_span(spans, &n, calls_of[i].from, calls_of[i].call);
		add_span(spans, &n, calls_of[i].from + 1, NULL);
	}
	emit_if(e, BPF_JGE, CALLS_KNOWN, emit_hold(e), emit_tree(e, spans, n));
	return emit(e, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

size_t filter_build(struct sock_filter out[FILTER_MAX], bool emulate)
{
	struct emitter e = {
		.out = out, .at = FILTER_MAX, .allow = NONE, .hold = NONE, .emulate = emulate
	};
	size_t ia32 = emit_arch(&e, 1), amd64 = emit_arch(&e, 0);
	size_t foreign = emit(&e, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);

	foreign = emit_if(&e, BPF_JEQ, AUDIT_ARCH_I386, ia32, foreign);
	emit_if(&e, BPF_JEQ, AUDIT_ARCH_X86_64, amd64, foreign);
	emit(&e, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	memmove(out, out + e.at, (FILTER_MAX - e.at) * sizeof(*out));
	return FILTER_MAX - e.at;
}
