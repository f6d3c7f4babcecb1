// SPDX-License-Identifier: Apache-2.0
/*
 * signals.c - planted actions: signals to other processes
 */
#include <sys/socket.h>

#include "planted.h"

/* A child that waits to be ended; in a process group of its own. */
static pid_t victim(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	return pid;
}

static int ended(long rc, pid_t pid, const char *what)
{
	int status;

	if (rc < 0) {
		failed(what);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	return rc < 0 || !WIFSIGNALED(status) ? FAILED : DONE;
}

int kill_call(void)
{
	pid_t pid = victim();

	return ended(syscall(SYS_kill, pid, SIGTERM), pid, "kill");
}

int tkill_call(void)
{
	pid_t pid = victim();

	return ended(syscall(SYS_tkill, pid, SIGUSR1), pid, "tkill");
}

int tgkill_call(void)
{
	pid_t pid = victim();

	return ended(syscall(SYS_tgkill, pid, pid, SIGUSR2), pid, "tgkill");
}

int sigqueue_call(void)
{
	pid_t pid = victim();
	siginfo_t si = { .si_code = SI_QUEUE };

	si.si_pid = getpid();
	return ended(syscall(SYS_rt_sigqueueinfo, pid, SIGHUP, &si), pid, "rt_sigqueueinfo");
}

int tgsigqueue_call(void)
{
	pid_t pid = victim();
	siginfo_t si = { .si_code = SI_QUEUE };

	si.si_pid = getpid();
	return ended(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGINT, &si), pid,
		     "rt_tgsigqueueinfo");
}

int pidfd_signal(void)
{
	pid_t pid = victim();
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return ended(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), pid, "pidfd");
}

int kill_group(void)
{
	pid_t pid = victim();

	return ended(syscall(SYS_kill, -pid, SIGTERM), pid, "kill group");
}

int kill_keeper(void)
{
	kill(1, SIGTERM);
	return DONE;
}

int kill_everybody(void)
{
	pid_t pid = fork();

	/* signal 0: who could be reached at all */
	if (!pid)
		_exit(kill(-1, 0) < 0 && errno != EPERM && errno != ESRCH);
	return reap(pid);
}

/* No call for the signal itself: the kernel sends it when the socket has something to read. */
int signal_by_fcntl(void)
{
	pid_t pid = victim();
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		return ended(-1, pid, "socketpair");
	if (fcntl(s[0], F_SETSIG, SIGKILL) || fcntl(s[0], F_SETOWN, pid) ||
	    fcntl(s[0], F_SETFL, O_ASYNC) || write(s[1], "x", 1) != 1)
		return ended(-1, pid, "fcntl");
	return ended(0, pid, "fcntl");
}

int kill_test(void)
{
	kill(getppid(), 0);
	return DONE;
}
