// SPDX-License-Identifier: Apache-2.0
/*
 * archive_program.c - export and import are done by belljar-archive: this process becomes it
 */
#include "cmd/cmd.h"

static int become(char **argv)
{
	struct err err = { 0 };
	char path[8192];
	size_t n = 0;
	char **all;

	if (program_beside("belljar-archive", path, sizeof(path), &err))
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

int cmd_export(int argc UNUSED, char **argv)
{
	return become(argv);
}

int cmd_import(int argc UNUSED, char **argv)
{
	return become(argv);
}
