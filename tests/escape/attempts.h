// SPDX-License-Identifier: Apache-2.0
/*
 * attempts.h - programs that are tables of attempts to get out of a box
 *
 *   PROGRAM all             every attempt, each in a process of its own
 *   PROGRAM one NAME        one
 *
 * Prints a line for each: `NAME stopped REASON` or `NAME OUT what was reached`.
 */
#ifndef BELLJAR_TESTS_ATTEMPTS_H
#define BELLJAR_TESTS_ATTEMPTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An attempt writes why it was stopped, or what it reached, into @say. Return: true when out. */
typedef bool attempt_fn(char *say, size_t n);

struct attempt {
	const char *name;
	attempt_fn *fn;
};

static inline bool stopped(char *say, size_t n, const char *where)
{
	snprintf(say, n, "%s: %s", where, strerror(errno));
	return false;
}

static inline bool out(char *say, size_t n, const char *what)
{
	snprintf(say, n, "%s", what);
	return true;
}

static inline int attempts_one(const struct attempt *a, unsigned seconds)
{
	char say[4096] = "";
	bool is_out;

	alarm(seconds);
	errno = 0;
	is_out = a->fn(say, sizeof(say));
	printf("%s %s %s\n", a->name, is_out ? "OUT" : "stopped", say);
	return is_out;
}

/* As main()'s arguments say. @self: under which each is on record; @seconds: the longest that one
 * may take. Return: exit status */
static inline int attempts_main(const char *self, int argc, char **argv, const struct attempt *v,
				size_t n, unsigned seconds)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (argc == 3 && !strcmp(argv[1], "one") && !strcmp(argv[2], v[i].name))
			return attempts_one(&v[i], seconds);
		if (argc == 2 && !strcmp(argv[1], "all")) {
			pid_t pid = fork();
			int status = 0;

			if (!pid) {
				execl("/proc/self/exe", self, "one", v[i].name, (char *)NULL);
				_exit(1);
			}
			waitpid(pid, &status, 0);
			bad |= status;
		}
	}
	return bad ? 1 : 0;
}

#endif
