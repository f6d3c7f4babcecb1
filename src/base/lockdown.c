// SPDX-License-Identifier: Apache-2.0
/*
 * lockdown.c - take from our own process what it will not need
 */
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/base.h"

/* What a process needs that only computes, reads what is open and writes what is open. SQLite
 * locks (fcntl), sizes (fstat), maps and, in WAL mode, may look for its side files (openat fails
 * with EPERM then, which SQLite takes as "not there": they are opened before). */
static const int reader_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fcntl),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getrandom),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(poll),
	SCMP_SYS(tgkill),
	SCMP_SYS(prlimit64),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
};

/* What only moves bytes between sockets that it has been given. Nothing here names a file, a
 * process or an address: see lockdown_gate(). */
static const int gate_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(splice),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sched_yield),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
};

/* How a connection ends, how soon its bytes go, and how much of packets is captured: nothing that
 * chooses where they go. */
static const struct {
	int level, name;
} gate_options[] = {
	{ SOL_SOCKET, SO_LINGER },	   { SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_KEEPALIVE },	   { IPPROTO_TCP, TCP_NODELAY },
	{ IPPROTO_TCP, TCP_QUICKACK },	   { IPPROTO_TCP, TCP_CORK },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT }, { SOL_SOCKET, SO_ATTACH_FILTER },
};

static int gate_rules(scmp_filter_ctx ctx, bool pairs)
{
	int rc = 0;

	if (pairs)
		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2,
			SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
			SCMP_A1_32(SCMP_CMP_EQ, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));

	for (size_t i = 0; i < ARRAY_SIZE(gate_calls) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, gate_calls[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(gate_options) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				      SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)gate_options[i].level),
				      SCMP_A2_32(SCMP_CMP_EQ, (uint32_t)gate_options[i].name));
	/* an address would let a socket that was handed over for one peer speak to another */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				      SCMP_A4(SCMP_CMP_EQ, 0));
	for (int i = 0; i < 2 && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, i ? SCMP_SYS(mmap) : SCMP_SYS(mprotect),
				      1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return rc;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_capset, &h, none) ? -errno : 0;
}

int lockdown_gate(bool pairs, struct err *err)
{
	struct rlimit none = { 0, 0 };
	scmp_filter_ctx ctx;
	int rc;

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NPROC, &none);
	rc = drop_capabilities();
	if (rc)
		return err_set(err, rc, "base: drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_set(err, errno, "base: set no_new_privs");
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return err_set(err, ENOMEM, "base: make a system call filter");
	rc = gate_rules(ctx, pairs);
	if (!rc)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc ? err_set_exit(err, EXIT_NO_WALL, -rc, "base: load a system call filter") : 0;
}

int lockdown_reader(struct err *err)
{
	struct rlimit none = { 0, 0 };
	scmp_filter_ctx ctx;
	int rc = 0;

	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(err, errno, "base: set no_new_privs");
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return err_set(err, ENOMEM, "base: make a system call filter");
	for (size_t i = 0; i < ARRAY_SIZE(reader_calls) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, reader_calls[i], 0);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc ? err_set_exit(err, EXIT_NO_WALL, -rc, "base: load a system call filter") : 0;
}
