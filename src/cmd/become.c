// SPDX-License-Identifier: Apache-2.0
/*
 * become.c - a subcommand that a program beside this one carries out: this process becomes it
 */
#include "cmd/cmd.h"

int become(const char *program, char **argv)
{
	struct err err = { 0 };
	char path[8192];
	size_t n = 0;
	char **all;

	if (program_beside(program, path, sizeof(path), &err))
		return cmd_fail(&err);
	while (argv[n])
		n++;
	all = xcalloc(n + 2, sizeof(*all));
	all[0] = path;
	memcpy(all + 1, argv, n * sizeof(*all));
	execv(path, all);
	err_set(&err, errno, "belljar: start '%s'", path);
	free(all);
	return cmd_fail(&err);
}
