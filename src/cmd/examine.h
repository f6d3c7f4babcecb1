// SPDX-License-Identifier: Apache-2.0
/*
 * examine.h - belljar examine: what was asked
 */
#ifndef BELLJAR_CMD_EXAMINE_H
#define BELLJAR_CMD_EXAMINE_H

#include "examine/examine.h"

#define EXAMINE_SECOND "-2" /* behind the box's name: the second identity's */

#define EXAMINE_FOLDER_NAME 256

/** struct examine_wish - the command line */
struct examine_wish {
	struct examine_opts opts;
	char name[BOX_NAME_MAX + 1];  /* of the box */
	const char *installer, *dir;  /* dir: -o */
	char name2[BOX_NAME_MAX + 1]; /* of the second, with --two-identities */
	bool quiet, act_only, two, second;
	char folder[EXAMINE_FOLDER_NAME]; /* name of the archive that a folder is packed into */
	char manager[4096];		  /* belljar's stand-in for the service manager */
	char **arg;			  /* after the installer */
	int nargs;
};
/** examine_parse() - Return: 0, or an exit status after its sentence */
int examine_parse(int argc, char **argv, struct examine_wish *w);
/** examine_open() - the installer, and the files that its arguments name, while we still may */
int examine_open(struct examine_wish *w);
/** examine_pack() - a folder as one archive, in a file without a name. @name: what it is called in
 * the box. Return: 0, or an exit status after its sentence */
int examine_pack(const char *dir, struct examine_file *ret, char name[EXAMINE_FOLDER_NAME]);
/** examine_progress_line() - for examine_opts.progress */
void examine_progress_line(void *ctx, const struct examine_progress *p);

#endif
