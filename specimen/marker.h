// SPDX-License-Identifier: Apache-2.0
/*
 * marker.h - how a specimen knows that it is under glass
 *
 * A specimen does nothing anywhere else. BELLJAR=1 alone could be set by anybody, so the walls
 * that no program can put up for itself by accident are asked for as well: no_new_privs, a
 * seccomp filter, and a user namespace other than the machine's first.
 */
#ifndef BELLJAR_SPECIMEN_MARKER_H
#define BELLJAR_SPECIMEN_MARKER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define EXIT_NOT_UNDER_GLASS 64

static inline bool marker_own_userns(void)
{
	unsigned long long in, out, count;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool first;

	if (!f)
		return false;
	first = fscanf(f, "%llu %llu %llu", &in, &out, &count) != 3 ||
		(in == 0 && out == 0 && count == 4294967295ull);
	fclose(f);
	return !first;
}

/** under_glass() - whether this process runs in a box; says so on stderr if not */
static inline bool under_glass(const char *self)
{
	const char *env = getenv("BELLJAR");
	const char *missing = NULL;

	if (!env || strcmp(env, "1") != 0)
		missing = "BELLJAR=1 is not in the environment";
	else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		missing = "no_new_privs is not set";
	else if (prctl(PR_GET_SECCOMP) != 2)
		missing = "there is no seccomp filter";
	else if (!marker_own_userns())
		missing = "this is the machine's own user namespace";
	if (missing)
		fprintf(stderr, "%s: this test program runs only in a belljar box: %s\n", self,
			missing);
	return !missing;
}

#endif
