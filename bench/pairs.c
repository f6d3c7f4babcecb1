// SPDX-License-Identifier: Apache-2.0
/*
 * pairs.c - time commands side by side: round after round, each once, so that a machine whose speed
 * drifts is the same for all
 *
 *   pairs ROUNDS NAME COMMAND [NAME COMMAND …]
 *
 * COMMAND goes to /bin/sh -c. Prints one line a command: name, minimum and median of wall seconds
 * and of CPU seconds, and both minima over the first command's. One round more, not counted, goes
 * first. A command that fails ends it with status 1.
 *
 * Wall time ends with the command; CPU is user + system of every process that it has made. What a
 * command leaves running behind it (bubblewrap its box's first process, which it does not wait
 * for) comes to us as the subreaper, is waited for, and counted.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/base.h"

#define COMMANDS_MAX 16
#define ROUNDS_MAX   200

struct figure {
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX];
};

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* All that have ended since the last call; a command's processes end when it has. */
static double cpu_of_children(void)
{
	struct rusage r;

	while (wait(NULL) > 0)
		;
	getrusage(RUSAGE_CHILDREN, &r);
	return seconds(r.ru_utime) + seconds(r.ru_stime);
}

static int once(const char *name, const char *command, double *wall, double *cpu)
{
	double before = cpu_of_children();
	uint64_t t0 = clock_mono_ns();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	*wall = (double)(clock_mono_ns() - t0) / 1e9;
	*cpu = cpu_of_children() - before;
	if (status) {
		fprintf(stderr, "pairs: '%s' failed: %s\n", name, command);
		return -1;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static struct figure f[COMMANDS_MAX];
	int rounds = argc > 1 ? atoi(argv[1]) : 0, n = (argc - 2) / 2;

	if (rounds < 1 || rounds > ROUNDS_MAX || n < 1 || n > COMMANDS_MAX || argc % 2) {
		fprintf(stderr, "usage: pairs ROUNDS NAME COMMAND [NAME COMMAND …]\n");
		return 2;
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		perror("pairs: become a subreaper");
		return 1;
	}
	for (int r = -1; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			int at = r < 0 ? 0 : r;

			if (once(argv[2 + 2 * i], argv[3 + 2 * i], &f[i].wall[at], &f[i].cpu[at]))
				return 1;
		}
	for (int i = 0; i < n; i++) {
		qsort(f[i].wall, (size_t)rounds, sizeof(double), ascending);
		qsort(f[i].cpu, (size_t)rounds, sizeof(double), ascending);
		printf("%s|%.4f|%.4f|%.4f|%.4f|%.3f|%.3f|%.3f|%.3f\n", argv[2 + 2 * i],
		       f[i].wall[0], f[i].wall[rounds / 2], f[i].cpu[0], f[i].cpu[rounds / 2],
		       f[i].wall[0] / f[0].wall[0], f[i].wall[rounds / 2] / f[0].wall[rounds / 2],
		       f[i].cpu[0] / f[0].cpu[0], f[i].cpu[rounds / 2] / f[0].cpu[rounds / 2]);
	}
	return 0;
}
