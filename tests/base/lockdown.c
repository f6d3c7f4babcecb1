// SPDX-License-Identifier: Apache-2.0
/*
 * lockdown.c - what a locked process of ours can do still, and what it cannot
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/base.h"

/* What a test in the child needs, made before it is locked. */
struct tools {
	int tcp, udp, listening, pair[2];
	pid_t parent;
	pthread_t thread;
};

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static bool try_open(struct tools *t UNUSED)
{
	return open("/", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0;
}

static bool try_creat(struct tools *t UNUSED)
{
	return syscall(SYS_openat2, AT_FDCWD, "/tmp/x", "", 0) >= 0 || mkdir("/tmp/x", 0700) == 0;
}

static bool try_exec(struct tools *t UNUSED)
{
	char *const argv[] = { (char *)"true", NULL };

	execve("/bin/true", argv, NULL);
	return syscall(SYS_execveat, t->tcp, "", argv, NULL, 0) >= 0;
}

static bool try_fork(struct tools *t UNUSED)
{
	return fork() >= 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static bool try_thread(struct tools *t)
{
	return pthread_create(&t->thread, NULL, nothing, NULL) == 0;
}

static bool try_socket(struct tools *t UNUSED)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0 ||
	       socket(AF_INET, SOCK_DGRAM, 0) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool try_connect(struct tools *t)
{
	struct sockaddr_in a = loopback(9);
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(t->tcp, (void *)&a, sizeof(a)) == 0 || errno != EPERM ||
	       connect(t->udp, (void *)&a, sizeof(a)) == 0 ||
	       connect(t->tcp, &none, sizeof(none)) == 0;
}

static bool try_bind(struct tools *t)
{
	struct sockaddr_in a = loopback(0);

	return bind(t->udp, (void *)&a, sizeof(a)) == 0 || listen(t->tcp, 1) == 0;
}

static bool try_address(struct tools *t)
{
	struct sockaddr_in a = loopback(9);
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a) };

	return sendto(t->udp, "x", 1, 0, (void *)&a, sizeof(a)) >= 0 || sendmsg(t->udp, &m, 0) >= 0;
}

static bool try_options(struct tools *t)
{
	uint32_t mark = 1;

	return setsockopt(t->tcp, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 ||
	       setsockopt(t->tcp, SOL_SOCKET, SO_REUSEADDR, &mark, sizeof(mark)) == 0 ||
	       setsockopt(t->tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0;
}

static bool try_processes(struct tools *t)
{
	return ptrace(PTRACE_ATTACH, t->parent, 0, 0) == 0 || kill(t->parent, 0) == 0 ||
	       syscall(SYS_pidfd_open, t->parent, 0) >= 0 ||
	       syscall(SYS_tgkill, t->parent, t->parent, 0) == 0;
}

static bool try_code(struct tools *t UNUSED)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ||
	       mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		       MAP_FAILED;
}

static bool try_namespaces(struct tools *t UNUSED)
{
	return syscall(SYS_unshare, 0x10000000) == 0 ||
	       syscall(SYS_mount, "x", "/", "tmpfs", 0, 0) == 0;
}

static bool try_dump(struct tools *t UNUSED)
{
	return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static const struct {
	const char *what;
	bool (*fn)(struct tools *t);
} attempts[] = {
	{ "open a file", try_open },
	{ "make a file", try_creat },
	{ "execute a program", try_exec },
	{ "make a process", try_fork },
	{ "make a thread", try_thread },
	{ "make a socket", try_socket },
	{ "connect a socket", try_connect },
	{ "bind or listen", try_bind },
	{ "send to an address", try_address },
	{ "mark a socket", try_options },
	{ "look into a process", try_processes },
	{ "make memory executable", try_code },
	{ "make a namespace", try_namespaces },
	{ "become dumpable", try_dump },
};

/* What it is for must still work. */
static const char *broken(struct tools *t)
{
	struct epoll_event ev;
	char c = 0;
	void *p = malloc(1 << 20);

	if (!p)
		return "memory";
	memset(p, 1, 1 << 20);
	free(p);
	if (send(t->pair[0], "x", 1, MSG_NOSIGNAL) != 1 || recv(t->pair[1], &c, 1, 0) != 1 ||
	    c != 'x')
		return "send and receive";
	if (accept4(t->listening, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno != EAGAIN)
		return "accept";
	if (epoll_wait(t->tcp, &ev, 1, 0) >= 0 || errno == EPERM)
		return "epoll";
	if (setsockopt(t->tcp, SOL_SOCKET, SO_LINGER, &(int[]){ 1, 0 }, 8))
		return "reset";
	return clock_mono_ns() ? NULL : "the clock";
}

static int locked(bool pairs)
{
	struct tools t = { .parent = getppid() };
	struct err err = { 0 };
	const char *bad;

	t.tcp = socket(AF_INET, SOCK_STREAM, 0);
	t.udp = socket(AF_INET, SOCK_DGRAM, 0);
	t.listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listen(t.listening, 1) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, t.pair))
		return 98;
	if (lockdown_gate(pairs, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 99;
	}
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
		if (attempts[i].fn(&t)) {
			fprintf(stderr, "a locked process could %s\n", attempts[i].what);
			return (int)i + 1;
		}
	/* sockets that are connected to each other, of one kind, where that is asked for */
	if ((socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t.pair) == 0) !=
		    pairs ||
	    !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t.pair) ||
	    !socketpair(AF_UNIX, SOCK_STREAM, 0, t.pair))
		return 96;
	bad = broken(&t);
	if (bad)
		fprintf(stderr, "a locked process cannot %s\n", bad);
	return bad ? 97 : 0;
}

static int status_of(bool pairs)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(locked(pairs));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_a_locked_gate_moves_bytes_and_does_nothing_else(void **state UNUSED)
{
	assert_int_equal(status_of(false), 0);
}

static void test_one_with_libslirp_makes_pairs_of_sockets_besides(void **state UNUSED)
{
	assert_int_equal(status_of(true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_locked_gate_moves_bytes_and_does_nothing_else),
		cmocka_unit_test(test_one_with_libslirp_makes_pairs_of_sockets_besides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
