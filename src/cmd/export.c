// SPDX-License-Identifier: Apache-2.0
/*
 * export.c - belljar export and import: a box as one file
 *
 * A process that has opened the home of the boxes is root no longer, so the file that is written
 * is opened before that, and put in its place by a process that never opens the home. It appears
 * whole or not at all.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static int no_file(const char *what, const char *file, int code)
{
	struct err err = { 0 };

	err_set_exit(&err, code == ENOSPC || code == EDQUOT ? EXIT_NO_SPACE : EXIT_UNREADABLE, code,
		     "%s '%s'", what, file);
	return cmd_fail(&err);
}

static int in_child(const char *name, int fd, int run)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return no_file("export: write", name, errno);
	if (pid == 0)
		_exit(run < 0 ? export_to(name, fd) : export_capture(name, run, fd));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_INTERNAL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

static int export_to_file(const char *name, const char *file, int run)
{
	cleanup_free char *one = xstrdup(file), *two = xstrdup(file);
	const char *base = basename(one);
	cleanup_close int dir = open(dirname(two), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;
	char temp[64];
	struct stat st;
	int rc;

	if (dir < 0)
		return no_file("export: write", file, errno);
	if (!fstatat(dir, base, &st, 0) && !S_ISREG(st.st_mode)) {
		/* a pipe, a device: nothing to put in place */
		fd = openat(dir, base, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? no_file("export: write", file, errno) : in_child(name, fd, run);
	}
	snprintf(temp, sizeof(temp), ".belljar-export.%d", (int)getpid());
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return no_file("export: write", file, errno);
	rc = in_child(name, fd, run);
	if (!rc && (fsync(fd) || renameat(dir, temp, dir, base)))
		rc = no_file("export: write", file, errno);
	if (rc)
		unlinkat(dir, temp, 0);
	return rc;
}

int cmd_export(int argc, char **argv)
{
	struct box_args a;
	int rc = box_args_parse(argc, argv, "op", 1, 2, &a), run = -1;

	if (rc >= 0)
		return rc;
	if (a.pcapng)
		run = a.n > 1 ? atoi(a.operand[1]) : 0;
	if (a.pcapng ? a.n > 1 && run < 1 : a.n > 1)
		return cmd_usage("export", "'%s' is no number of a run", a.operand[1]);
	if (a.output && strcmp(a.output, "-"))
		return export_to_file(a.operand[0], a.output, run);
	if (isatty(1))
		return cmd_usage("export", "the file is not for a terminal: -o FILE, or a pipe");
	return in_child(a.operand[0], 1, run);
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
		return no_file("import: read", file ? file : "standard input", errno);
	if (box_home_open(&home, &err))
		return cmd_fail(&err);
	rc = box_import(&home, a.operand[0], a.root, fd, &err);
	if (rc > 0)
		fprintf(stderr, "belljar: %d %s of the file could not be made here\n", rc,
			rc == 1 ? "entry" : "entries");
	box_home_close(&home);
	return rc < 0 ? cmd_fail(&err) : EXIT_OK;
}
