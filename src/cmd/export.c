// SPDX-License-Identifier: Apache-2.0
/*
 * export.c - belljar export and import: a box as one file
 */
#include "cmd/box_arg.h"

static int export_to(const char *name, int fd)
{
	struct box *box = NULL;
	struct box_home home;
	struct err err = { 0 };
	int rc;

	rc = box_home_open(&home, &err);
	if (rc)
		return cmd_fail(&err);
	rc = box_open(&home, name, BOX_LOCK, NULL, &box, &err);
	if (!rc)
		rc = box_export(box, fd, &err);
	if (rc > 0)
		fprintf(stderr,
			"belljar: %d %s (sockets, device nodes, …) could not be kept; export.json in "
			"the file names them\n",
			rc, rc == 1 ? "entry" : "entries");
	box_close(box);
	box_home_close(&home);
	return rc < 0 ? cmd_fail(&err) : EXIT_OK;
}

/** struct wanted - what is written: the box, or the packets of a run (0: the last) */
struct wanted {
	char *name;
	int run; /* -1: the box */
};

static int write_wanted(void *ctx, int fd)
{
	const struct wanted *w = ctx;

	return w->run < 0 ? export_to(w->name, fd) : export_capture(w->name, w->run, fd);
}

int cmd_export(int argc, char **argv)
{
	struct box_args a;
	int rc = box_args_parse(argc, argv, "op", 1, 2, &a);
	struct wanted w = { .run = -1 };

	if (rc >= 0)
		return rc;
	if (a.pcapng)
		w.run = a.n > 1 ? atoi(a.operand[1]) : 0;
	if (a.pcapng ? a.n > 1 && w.run < 1 : a.n > 1)
		return cmd_usage("export", "'%s' is no number of a run", a.operand[1]);
	w.name = a.operand[0];
	if (a.output && strcmp(a.output, "-"))
		return whole_file("export: write", a.output, write_wanted, &w);
	if (isatty(1))
		return cmd_usage("export", "the file is not for a terminal: -o FILE, or a pipe");
	return write_wanted(&w, 1);
}

int cmd_import(int argc, char **argv)
{
	cleanup_close int fd = -1;
	struct box_home home;
	struct err err = { 0 };
	struct box_args a;
	const char *file;
	int rc = box_args_parse(argc, argv, "r", 1, 2, &a);

	if (rc >= 0)
		return rc;
	file = a.n > 1 && strcmp(a.operand[1], "-") ? a.operand[1] : NULL;
	if (box_name_check(a.operand[0], &err))
		return cmd_fail(&err);
	if (!file && isatty(0))
		return cmd_usage("import", "no FILE, and the terminal is none");
	fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(0);
	if (fd < 0)
		return whole_file_failed("import: read", file ? file : "standard input", errno);
	if (box_home_open(&home, &err))
		return cmd_fail(&err);
	rc = box_import(&home, a.operand[0], a.root, fd, &err);
	if (rc > 0)
		fprintf(stderr, "belljar: %d %s of the file could not be made here\n", rc,
			rc == 1 ? "entry" : "entries");
	box_home_close(&home);
	return rc < 0 ? cmd_fail(&err) : EXIT_OK;
}
