// SPDX-License-Identifier: Apache-2.0
/*
 * orphans.c - processes that are cut off in the middle of making another
 *
 *   orphans exit | exec | kill N    N times: a process of two threads; one makes processes, which
 *                                   end at once, until the other exits, executes, or is killed
 *
 * All of them hold the same pipe: a round is over when the last one has ended. Works only under
 * glass. Says how many rounds there were.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../specimen/marker.h"

static atomic_int made;

static void *make_processes(void *unused)
{
	pid_t pid;

	(void)unused;
	while ((pid = fork())) {
		atomic_fetch_add(&made, 1);
		waitpid(pid, NULL, 0);
	}
	_exit(0);
}

static _Noreturn void one(const char *how, int nr)
{
	pthread_t t;

	if (pthread_create(&t, NULL, make_processes, NULL))
		_exit(1);
	while (atomic_load(&made) < 2)
		;
	for (volatile int turn = 0; turn < nr * 7919 % 20000;
	     turn++) /* at another place each time */
		;
	if (!strcmp(how, "exec"))
		execl("/bin/true", "true", NULL);
	else if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	_exit(0);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, p[2], nr = 0;
	char c;

	if (!under_glass("orphans"))
		return EXIT_NOT_UNDER_GLASS;
	for (; nr < n && !pipe(p); nr++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (!pid)
			one(argv[1], nr);
		close(p[1]);
		(void)!read(p[0], &c, 1);
		close(p[0]);
		waitpid(pid, NULL, 0);
	}
	printf("%s %d of %d\n", argc > 1 ? argv[1] : "", nr, n);
	return nr == n ? 0 : 1;
}
