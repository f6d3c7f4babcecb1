// SPDX-License-Identifier: Apache-2.0
/*
 * probe_record.c - try what the recorder needs: notification, process events, descriptors
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box/probe.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define SYNC_WAKE_UP 1ull /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6 */
#define SET_FLAGS    SECCOMP_IOW(4, uint64_t)
#define ANSWER	     42

/* A filter that holds getpgid(2), and its listener. */
static int hold_getpgid(unsigned flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { ARRAY_SIZE(f), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &p);
}

static int answer_one(int fd)
{
	struct seccomp_notif_sizes sizes;
	struct pollfd p = { fd, POLLIN, 0 };
	cleanup_free struct seccomp_notif *n = NULL;
	struct seccomp_notif_resp r = { .val = ANSWER };

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
		return -errno;
	n = xcalloc(1, sizes.seccomp_notif > sizeof(*n) ? sizes.seccomp_notif : sizeof(*n));
	if (poll(&p, 1, 5000) != 1 || ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, n))
		return errno ? -errno : -ETIMEDOUT;
	if (n->data.nr != SYS_getpgid)
		return -EIO;
	r.id = n->id;
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r) ? -errno : 0;
}

int probe_notify(struct probe_try *t)
{
	/* a call that was received is not taken back by a signal: since 5.19 */
	int fd = hold_getpgid(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), rc, status;
	pid_t pid;

	if (fd < 0 && errno == EINVAL)
		return probe_found(t, PROBE_MISSING, "no uninterrupted wait");
	if (fd < 0)
		return probe_found(t, PROBE_MISSING, "make a listener: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		_exit((int)syscall(SYS_getpgid, 0) & 255);
	rc = answer_one(fd);
	close(fd); /* a call that is still held gets ENOSYS */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return probe_found(t, PROBE_MISSING, "the try did not end well");
	if (rc || !WIFEXITED(status) || WEXITSTATUS(status) != ANSWER)
		return probe_found(t, PROBE_MISSING, "answer a held call: %s",
				   strerror(rc ? -rc : EIO));
	return probe_found(t, PROBE_OK, "a held call was answered");
}

int probe_wake_up(struct probe_try *t)
{
	int fd = hold_getpgid(0);

	if (fd < 0)
		return probe_found(t, PROBE_WEAKER, "%s", strerror(errno));
	if (ioctl(fd, SET_FLAGS, SYNC_WAKE_UP))
		return probe_found(t, PROBE_WEAKER, "none");
	return probe_found(t, PROBE_OK, "works");
}

int probe_ptrace(struct probe_try *t)
{
	long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
		       PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;
	int p[2], status, code = 0;
	bool seen = false;
	pid_t pid, who;
	char c;

	if (pipe2(p, O_CLOEXEC))
		return probe_found(t, PROBE_MISSING, "%s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		if (read(p[0], &c, 1) == 1)
			_exit(fork() < 0);
		_exit(1);
	}
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, options))
		code = errno;
	if (write(p[1], "x", 1) != 1 || code) {
		kill(pid, SIGKILL);
		return probe_found(t, PROBE_MISSING, "join a process: %s", strerror(code));
	}
	/* the fork stops its parent; the new process is joined too, and goes with us (EXITKILL) */
	while (!seen && (who = waitpid(-1, &status, __WALL)) > 0) {
		seen = WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8);
		if (WIFSTOPPED(status) && !seen)
			ptrace(PTRACE_CONT, who, NULL, NULL);
	}
	kill(pid, SIGKILL);
	return seen ? probe_found(t, PROBE_OK, "a fork was seen")
		    : probe_found(t, PROBE_MISSING, "a fork was not seen");
}

int probe_pidfd(struct probe_try *t)
{
	int p[2], got, pidfd, code = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return probe_found(t, PROBE_MISSING, "%s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		code = errno;
	got = code ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, p[0], 0);
	if (got < 0 && !code)
		code = errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return code ? probe_found(t, PROBE_MISSING, "%s: %s",
				  pidfd < 0 ? "pidfd_open" : "pidfd_getfd", strerror(code))
		    : probe_found(t, PROBE_OK, "a child's descriptor was taken");
}
