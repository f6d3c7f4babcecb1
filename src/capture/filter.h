// SPDX-License-Identifier: Apache-2.0
/*
 * filter.h - the kernel side of the recorder: which calls are held
 */
#ifndef BELLJAR_CAPTURE_FILTER_H
#define BELLJAR_CAPTURE_FILTER_H

#include <linux/filter.h>
#include <sched.h>

#include "base/base.h"

/* flags of clone(2) and unshare(2) */
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */)
/* … and that by which a child would be nobody's to follow: ptrace(2) leaves such a one out */
#define CLONE_REFUSED (NEW_NAMESPACES | CLONE_UNTRACED)

#define X32_BIT 0x40000000u /* __X32_SYSCALL_BIT of asm/unistd.h */

/* One more than the number of the newest call that was looked at for calls.def, file_setattr of
 * Linux 6.17: what a later kernel has, nobody here knows to be harmless. Both architectures number
 * new calls alike. */
#define CALLS_KNOWN 470

/* what PTRACE_GETEVENTMSG gives for a stop that a filter of ours asked for; others give 0 */
#define FILTER_SOCKETCALL 1u
#define FILTER_LAPSE	  2u /* of time-lapse's own filter: lapse/calls.c */
#define FILTER_LAPSE_32	  4u /* … of a call of i386 */
#define FILTER_STAT	  3u /* … and of that for times of files: lapse/stat.c */

enum call_test {
	TEST_ALWAYS,
	TEST_WRITES,
	TEST_NONZERO,
	TEST_FLAGS,
	TEST_ONEOF,
	TEST_SOCKOPT,
	TEST_NOTIN,
	TEST_EQUAL,
	TEST_SOCKET,
	TEST_CODE,
	TEST_OWNER,
	TEST_MULTIPLEX,
	TEST_SIGIO
};

/** enum wall_category - detail of the calls that are always refused */
enum wall_category {
	WALL_MOUNT,
	WALL_NAMESPACE,
	WALL_MODULE,
	WALL_KERNEL,
	WALL_KEYRING,
	WALL_IO_URING,
	WALL_TTY,
	WALL_CLOCK,
	WALL_HANDLE,
	WALL_CATEGORIES,
};

/** enum id_call - detail of the identity calls */
enum id_call {
	ID_SETUID,
	ID_SETGID,
	ID_SETREUID,
	ID_SETREGID,
	ID_SETRESUID,
	ID_SETRESGID,
	ID_SETFSUID,
	ID_SETFSGID,
	ID_SETGROUPS,
	ID_CALLS,
};

enum call_id {
#define CALL(nr64, nr32, name, decoder, test, arg, detail) CALL_##name,
#include "capture/calls.def"
#undef CALL
	CALLS
};

/** struct call - one row of calls.def */
struct call {
	int nr[2]; /* x86_64, i386; -1 none */
	const char *name;
	enum call_test test;
	int arg;
	int detail;
};

/** call_row() - the row of @id */
const struct call *call_row(enum call_id id);

/** call_find() - which row a held call is; CALLS when none: held for its number alone */
enum call_id call_find(uint32_t arch, int nr);

#define FILTER_MAX 1024

/**
 * filter_build() - the classic BPF program (seccomp(2)) made from calls.def
 * @out:     room for FILTER_MAX instructions
 * @emulate: box ids are not real: each change of owner is held
 *
 * Own emitter: libseccomp takes 1.2 ms to make such a program, and "any of these bits" cannot be
 * said as one of its rules.
 *
 * Numbers from CALLS_KNOWN on are held as well, and so are x32 calls (nobody's libc makes them);
 * other architectures are killed.
 *
 * Return: number of instructions.
 */
size_t filter_build(struct sock_filter out[FILTER_MAX], bool emulate);

/** struct filter_program - what filter_build() gave when belljar was built (mkfilter.c) */
struct filter_program {
	const struct sock_filter *filter;
	unsigned short len;
};
extern const struct filter_program filter_programs[2]; /* by @emulate */

#endif
