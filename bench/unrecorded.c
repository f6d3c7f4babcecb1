// SPDX-License-Identifier: Apache-2.0
/*
 * unrecorded.c - the same box without a recorder, to compare with
 *
 *   unrecorded [-b NAME] [--ro DIR]… [--rw DIR]… -- PROGRAM [ARG…]
 *
 * Only for measurements: the walls of the recorder's filter are missing, so this is no box for
 * software that is not trusted, and no subcommand of belljar.
 */
#include <limits.h>
#include <sys/wait.h>

#include "box/box.h"

int main(int argc, char **argv)
{
	struct box_home home;
	struct box_opts opts = { 0 };
	struct box_plan *plan = NULL;
	struct box_run *run = NULL;
	struct box *box = NULL;
	struct box_proc proc;
	struct err err = { 0 };
	const char *name = NULL;
	int i = 1, status = -1;

	if (i + 1 < argc && !strcmp(argv[i], "-b")) {
		name = argv[i + 1];
		i += 2;
	}
	for (; i + 1 < argc && (!strcmp(argv[i], "--ro") || !strcmp(argv[i], "--rw")); i += 2)
		opts.bind[opts.nbinds++] =
			(struct box_bind){ .how = argv[i][3] == 'o' ? BIND_RO : BIND_RW,
					   .src = realpath(argv[i + 1], NULL),
					   .fd = -1 };
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (i >= argc)
		return EXIT_USAGE;
	struct box_program prog = { .argv = (const char *const *)argv + i,
				    .stdio = STDIO_RELAY,
				    .fds = { 0, 1, 2 } };

	if (box_home_open(&home, &err) ||
	    box_open(&home, name, name ? BOX_CREATE | BOX_LOCK : BOX_ANON | BOX_PASSING, &opts,
		     &box, &err) ||
	    box_plan_make(box, &opts, &plan, &err) || box_start(box, plan, &run, &err) ||
	    box_spawn(run, &prog, NULL, &proc, &err)) {
		fprintf(stderr, "unrecorded: %s\n", err.msg);
		return EXIT_INTERNAL;
	}
	for (;;) {
		struct box_event e = { 0 };

		if (box_wait(run, -1, &e, &err) < 0)
			break;
		if (e.what == BOX_PROGRAM_EXIT && e.id == proc.id) {
			status = e.status;
			break;
		}
		if (e.what == BOX_DEAD)
			break;
	}
	box_kill(run, &err);
	box_end(run);
	box_plan_free(plan);
	box_close(box);
	box_home_close(&home);
	return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}
