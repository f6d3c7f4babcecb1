// SPDX-License-Identifier: Apache-2.0
/*
 * half.c - a subcommand in two halves: a child does the work, its parent waits and keeps what the
 * child has given up
 *
 * Neither outlives the other half's reason to be: what asks the parent to end is passed on, so it
 * does not matter which of the two is meant; and when the parent is killed, the child is told.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cmd/cmd.h"

static const int asks[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static volatile pid_t other; /* of the one call of half_wait(), for the handler */

static void pass_on(int signo)
{
	int code = errno;

	kill(other, signo);
	errno = code;
}

pid_t half_start(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	/* in order: as if somebody had asked it to end */
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != parent))
		_exit(EXIT_INTERNAL);
	return pid;
}

void half_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		sigaddset(&set, asks[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int half_wait(pid_t pid)
{
	struct sigaction pass = { .sa_handler = pass_on, .sa_flags = SA_RESTART };
	struct sigaction old[ARRAY_SIZE(asks)];
	int status, rc;

	if (pid < 0)
		return EXIT_INTERNAL;
	other = pid;
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		/* who had it ignored (nohup, a shell's background) has it ignored */
		if (!sigaction(asks[i], NULL, &old[i]) && old[i].sa_handler != SIG_IGN)
			sigaction(asks[i], &pass, NULL);
	do
		rc = waitpid(pid, &status, 0);
	while (rc < 0 && errno == EINTR);
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		sigaction(asks[i], &old[i], NULL);
	return rc < 0		   ? EXIT_INTERNAL
	       : WIFEXITED(status) ? WEXITSTATUS(status)
				   : 128 + WTERMSIG(status);
}
