// SPDX-License-Identifier: Apache-2.0
/*
 * filter_rows.c - the seccomp program as a table: call → held, passed, absent, killed
 *
 * The program is run by a small interpreter of classic BPF, so that calls of both architectures
 * can be tried on any machine.
 */
#include "capture/filter.c"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include <cmocka.h>

#define HELD   SECCOMP_RET_USER_NOTIF
#define PASSED SECCOMP_RET_ALLOW
#define TRACED (SECCOMP_RET_TRACE | FILTER_SOCKETCALL)
#define KILLED SECCOMP_RET_KILL_PROCESS
#define X64    AUDIT_ARCH_X86_64
#define I386   AUDIT_ARCH_I386
#define HIGH   0xdead00000000ull /* bits that the kernel does not look at */

static uint32_t run(const struct sock_filter *f, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sock_filter *s = &f[i];
		bool yes = false;

		switch (s->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(s->k + 4 <= sizeof(*d));
			memcpy(&a, (const char *)d + s->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= s->k;
			continue;
		case BPF_RET | BPF_K:
			return s->k;
		case BPF_JMP | BPF_JA:
			i += s->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == s->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= s->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & s->k;
			break;
		default:
			fail_msg("instruction %zu has code %#x", i, s->code);
		}
		i += yes ? s->jt : s->jf;
	}
	fail_msg("the program runs off its end");
	return KILLED;
}

static const struct {
	uint32_t arch;
	int nr;
	uint64_t args[6];
	uint32_t want;
	const char *words;
} table[] = {
	{ X64, SYS_read, { 3 }, PASSED, "reading" },
	{ X64, SYS_execve, { 0 }, PASSED, "exec is followed by the tracer" },
	{ X64, SYS_openat, { 0, 0, O_RDONLY | O_CLOEXEC }, PASSED, "open for reading" },
	{ X64, SYS_openat, { 0, 0, O_PATH | O_DIRECTORY }, PASSED, "a handle on a folder" },
	{ X64, SYS_openat, { 0, 0, O_WRONLY }, HELD, "open for writing" },
	{ X64, SYS_openat, { 0, 0, O_RDWR }, HELD, "open for both" },
	{ X64, SYS_openat, { 0, 0, O_RDONLY | O_CREAT }, HELD, "create" },
	{ X64, SYS_openat, { 0, 0, O_RDONLY | O_TRUNC }, HELD, "truncate by a read-only open" },
	{ X64, SYS_openat, { 0, 0, O_TMPFILE | O_RDWR }, HELD, "a file without a name" },
	{ X64, SYS_openat, { 0, 0, HIGH | O_WRONLY }, HELD, "flags with high bits set" },
	{ X64, SYS_open, { 0, O_WRONLY }, HELD, "the old open" },
	{ X64, SYS_creat, { 0 }, HELD, "creat" },
	{ X64, 437, { 0 }, HELD, "openat2: its flags are in memory" },
	{ X64, SYS_renameat2, { 0 }, HELD, "rename" },
	{ X64, SYS_fchown, { 3, 0, 0 }, PASSED, "a file given to root" },
	{ X64, SYS_fchown, { 3, 0xffffffff, 0xffffffff }, PASSED, "a file given to nobody" },
	{ X64, SYS_fchown, { 3, 33, 0 }, HELD, "a file given to another user" },
	{ X64, SYS_fchown, { 3, 0xffffffff, 33 }, HELD, "a file given to another group" },
	{ X64, SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE, 3 }, PASSED, "a file mapped" },
	{ X64, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3 }, HELD, "code mapped" },
	{ X64,
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1 },
	  PASSED,
	  "memory for code" },
	{ I386, 192, { 0, 4096, PROT_EXEC, MAP_PRIVATE, 3 }, HELD, "i386 code mapped" },
	{ X64, SYS_utimensat, { 3, 0, 0x1000 }, PASSED, "times of a descriptor" },
	{ X64, SYS_utimensat, { 3, 0x1000, 0x2000 }, HELD, "times of a path" },
	{ X64, SYS_utimes, { 0x1000, 0 }, PASSED, "times set to now" },
	{ X64, SYS_utimes, { 0x1000, 0x2000 }, HELD, "times by the old call" },
	{ X64, SYS_utime, { 0x1000, 0x2000 }, HELD, "times by the oldest call" },
	{ I386, 412, { 3, 0x1000, 0x2000 }, HELD, "i386 times of 64 bit" },
	{ X64, SYS_sendto, { 3, 0, 0, 0, 0, 0 }, PASSED, "send on a connected socket" },
	{ X64, SYS_sendto, { 3, 0, 0, 0, 0x1000, 16 }, HELD, "send to an address" },
	{ X64,
	  SYS_sendto,
	  { 3, 0, 0, 0, 0x700000000000, 16 },
	  HELD,
	  "send to an address whose low half is 0" },
	{ X64, SYS_socket, { AF_INET }, PASSED, "an internet socket" },
	{ X64, SYS_socket, { AF_VSOCK }, HELD, "a socket to the hypervisor" },
	{ X64, SYS_socket, { HIGH | AF_VSOCK }, HELD, "the same with high bits set" },
	{ X64, SYS_socket, { AF_INET, SOCK_RAW | SOCK_CLOEXEC }, HELD, "a raw socket" },
	{ X64, SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK }, PASSED, "a stream socket" },
	{ X64, SYS_socket, { AF_PACKET }, HELD, "a packet socket" },
	{ X64, SYS_socket, { AF_INET, SOCK_PACKET }, HELD, "a packet socket by its old name" },
	{ X64, SYS_socket, { AF_INET, SOCK_STREAM, 6 }, PASSED, "TCP by its number" },
	{ X64, SYS_socket, { AF_INET6, SOCK_DGRAM, 58 }, PASSED, "a socket for pings" },
	{ X64, SYS_socket, { AF_INET, SOCK_STREAM, 262 }, PASSED, "MPTCP" },
	{ X64, SYS_socket, { AF_INET, SOCK_STREAM, 132 }, HELD, "SCTP" },
	{ X64, SYS_socket, { AF_INET, SOCK_SEQPACKET | SOCK_CLOEXEC }, HELD, "SCTP by its type" },
	{ X64, SYS_socket, { AF_INET6, SOCK_DGRAM, 136 }, HELD, "UDP-Lite" },
	{ X64, SYS_socket, { AF_INET, SOCK_DCCP, 33 }, HELD, "DCCP" },
	{ X64, SYS_socket, { AF_UNIX, SOCK_SEQPACKET }, PASSED, "packets in order in the box" },
	{ X64, SYS_socket, { AF_NETLINK, SOCK_DGRAM, 12 }, PASSED, "netlink has protocols too" },
	{ X64, SYS_setsockopt, { 3, SOL_SOCKET, SO_MARK }, HELD, "marking packets" },
	{ X64, SYS_setsockopt, { 3, 0, 19 }, HELD, "sending in the name of others" },
	{ X64, SYS_setsockopt, { 3, 0, 4 }, HELD, "source routes" },
	{ X64, SYS_setsockopt, { 3, 41, 57 }, HELD, "routing headers" },
	{ X64, SYS_setsockopt, { 3, 41, 54 }, HELD, "hop-by-hop options" },
	{ X64, SYS_setsockopt, { 3, 41, 55 }, HELD, "options before a routing header" },
	{ X64, SYS_setsockopt, { 3, 41, 59 }, HELD, "destination options" },
	{ X64, SYS_setsockopt, { 3, SOL_SOCKET, SO_KEEPALIVE }, PASSED, "other options" },
	{ I386, 366, { 3, SOL_SOCKET, SO_MARK }, HELD, "marking packets, 32 bits" },
	{ X64, SYS_ioctl, { 0, TCGETS }, PASSED, "an ordinary ioctl" },
	{ X64, SYS_ioctl, { 0, TIOCSTI }, HELD, "typing into a terminal" },
	{ X64, SYS_ioctl, { 0, HIGH | TIOCSTI }, HELD, "typing with high bits set" },
	{ X64, SYS_ioctl, { 0, TIOCLINUX }, HELD, "pasting into a console" },
	{ X64, SYS_ioctl, { 0, 0x890b }, HELD, "adding a route by the old call" },
	{ X64, SYS_ioctl, { 0, 0x8915 }, PASSED, "asking for an address" },
	{ X64, SYS_clone, { CLONE_VM | CLONE_THREAD }, PASSED, "a thread" },
	{ X64, SYS_clone, { CLONE_NEWUSER }, HELD, "a user namespace" },
	{ X64, SYS_clone, { CLONE_UNTRACED | SIGCHLD }, HELD, "a child that is not followed" },
	{ I386, 120, { CLONE_UNTRACED | SIGCHLD }, HELD, "a child that is not followed, 32 bits" },
	{ X64, SYS_fcntl, { 3, F_SETFL }, PASSED, "an ordinary fcntl" },
	{ X64, SYS_fcntl, { 3, F_SETOWN }, HELD, "signals of a descriptor to somebody" },
	{ X64, SYS_fcntl, { 3, HIGH | F_SETOWN_EX }, HELD, "signals of a descriptor to a thread" },
	{ I386, 221, { 3, F_SETOWN }, HELD, "signals of a descriptor, 32 bits" },
	{ X64, SYS_ioctl, { 0, FIOSETOWN }, HELD, "signals of a socket" },
	{ X64, SYS_prlimit64, { 0, 7, 0x1000 }, PASSED, "limits of its own" },
	{ X64, SYS_prlimit64, { 1, 7, 0x1000 }, HELD, "limits of another process" },
	{ X64, SYS_clone, { 0x80 }, HELD, "a time namespace" },
	{ X64, SYS_unshare, { CLONE_FILES }, PASSED, "a file table of its own" },
	{ X64, SYS_unshare, { CLONE_NEWNET }, HELD, "a network namespace" },
	{ X64, 435, { 0 }, HELD, "clone3: its flags are in memory" },
	{ X64, 425, { 0 }, HELD, "io_uring_setup is told on record that there is none" },
	{ X64, 426, { 0 }, HELD, "io_uring_enter" },
	{ X64, SYS_personality, { 0xffffffff }, PASSED, "asking for the personality" },
	{ X64, SYS_personality, { 0x0040000 }, HELD, "setting it" },
	{ X64, SYS_prctl, { 15 /* PR_SET_NAME */ }, PASSED, "naming a thread" },
	{ X64, SYS_prctl, { 8 /* PR_SET_KEEPCAPS */, 1 }, HELD, "keeping capabilities" },
	{ X64, SYS_mount, { 0 }, HELD, "mount" },
	{ X64, 442, { 0 }, HELD, "mount_setattr" },
	{ X64, 0x40000000 | SYS_openat, { 0, 0, O_WRONLY }, HELD, "an x32 call" },
	{ X64, 0x40000000 | 520, { 0 }, HELD, "x32 execve" },
	{ X64, CALLS_KNOWN, { 0 }, HELD, "a number that no kernel had yet" },
	{ X64, 10000, { 0 }, HELD, "a number beyond all" },
	{ X64, -1, { 0 }, HELD, "the last number of all" },
	{ I386, CALLS_KNOWN, { 0 }, HELD, "the same for 32 bits" },
	{ X64, SYS_socketpair, { AF_UNIX, SOCK_STREAM }, PASSED, "a pair of sockets in the box" },
	{ X64, SYS_socketpair, { AF_TIPC, SOCK_STREAM }, HELD, "a pair of another family" },
	{ X64, SYS_socketpair, { AF_INET, SOCK_STREAM, 132 }, HELD, "SCTP by a pair" },
	{ I386, 102, { 8 }, TRACED, "socketcall that asks for a pair" },
	{ X64, SYS_ioctl, { 0, TIOCSETD }, HELD, "another line discipline" },
	{ X64, SYS_ioctl, { 0, FS_IOC_SETFLAGS }, HELD, "a file's flags" },
	{ X64, SYS_ioctl, { 0, HIGH | FS_IOC_FSSETXATTR }, HELD, "the same by the newer call" },
	{ X64, SYS_ioctl, { 0, FS_IOC_GETFLAGS }, PASSED, "asking for a file's flags" },
	{ I386, 54, { 0, FS_IOC32_SETFLAGS }, HELD, "a file's flags, 32 bits" },
	{ I386, 5, { 0, O_RDONLY }, PASSED, "i386 open for reading" },
	{ I386, 5, { 0, O_WRONLY }, HELD, "i386 open for writing" },
	{ I386, 295, { 0, 0, O_CREAT }, HELD, "i386 openat" },
	{ I386, 102, { 3 }, HELD, "socketcall" },
	{ I386, 102, { 1 }, TRACED, "socketcall that asks for a socket" },
	{ I386, 102, { HIGH | 1 }, TRACED, "the same with bits that the kernel does not look at" },
	{ I386, 95, { 3, 0xffff, 0 }, PASSED, "16-bit fchown to nobody" },
	{ I386, 95, { 3, 33, 0 }, HELD, "16-bit fchown to another user" },
	{ I386, 54, { 0, TIOCSTI }, HELD, "i386 typing into a terminal" },
	{ I386, 435, { 0 }, HELD, "i386 clone3" },
	{ I386, 257, { 0, 0, O_WRONLY }, PASSED, "x86_64's openat is another call there" },
	{ AUDIT_ARCH_AARCH64, 56, { 0 }, KILLED, "an architecture that cannot be" },
};

static void test_each_call_is_held_passed_or_absent_as_the_table_says(void **state)
{
	struct sock_filter f[FILTER_MAX];
	size_t n = filter_build(f, false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct seccomp_data d = { .nr = table[i].nr, .arch = table[i].arch };

		memcpy(d.args, table[i].args, sizeof(d.args));
		if (run(f, n, &d) != table[i].want)
			fail_msg("%s", table[i].words);
	}
}

static void test_every_row_is_reached_on_both_architectures(void **state)
{
	static const uint32_t arch[] = { X64, I386 };
	struct sock_filter f[FILTER_MAX];
	size_t n = filter_build(f, false);

	(void)state;
	for (int a = 0; a < 2; a++) {
		for (int i = 0; i < CALLS; i++) {
			struct seccomp_data d = { .nr = calls[i].nr[a], .arch = arch[a] };

			if (calls[i].nr[a] < 0)
				continue;
			assert_int_equal(call_find(arch[a], calls[i].nr[a]), i);
			if (calls[i].test == TEST_ALWAYS && run(f, n, &d) != HELD)
				fail_msg("%s is not held", calls[i].name);
		}
	}
}

/* A call between two rows must not fall to one of them. */
static void test_what_is_in_no_row_passes(void **state)
{
	struct sock_filter f[FILTER_MAX];
	size_t n = filter_build(f, false);

	(void)state;
	for (int nr = 0; nr < CALLS_KNOWN; nr++) {
		struct seccomp_data d = { .nr = nr, .arch = X64 };

		if (call_find(X64, nr) == CALLS)
			assert_int_equal(run(f, n, &d), PASSED);
	}
}

static void test_what_programs_get_was_made_from_these_rows(void **state)
{
	struct sock_filter f[FILTER_MAX];

	(void)state;
	for (int emulate = 0; emulate < 2; emulate++) {
		size_t n = filter_build(f, emulate);

		assert_int_equal(filter_programs[emulate].len, n);
		assert_memory_equal(filter_programs[emulate].filter, f, n * sizeof(*f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_is_held_passed_or_absent_as_the_table_says),
		cmocka_unit_test(test_every_row_is_reached_on_both_architectures),
		cmocka_unit_test(test_what_is_in_no_row_passes),
		cmocka_unit_test(test_what_programs_get_was_made_from_these_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
