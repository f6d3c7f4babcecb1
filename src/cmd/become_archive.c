// SPDX-License-Identifier: Apache-2.0
/*
 * become_archive.c - export and import are done by belljar-archive
 */
#include "cmd/cmd.h"

int cmd_export(int argc UNUSED, char **argv)
{
	return become("belljar-archive", argv);
}

int cmd_import(int argc UNUSED, char **argv)
{
	return become("belljar-archive", argv);
}
