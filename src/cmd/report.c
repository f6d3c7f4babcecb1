// SPDX-License-Identifier: Apache-2.0
/*
 * report.c - belljar report: the whole of a record for people, on stdout or in a file
 *
 * A file is written under a name of its own and renamed when it is whole. The process that reads
 * the journal is locked down and could not do that; it is a child that has only the open file,
 * and its parent, which has read nothing from the journal, puts the file in place.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/judge_rules.h"
#include "cmd/record.h"
#include "report/report.h"

#define SUB	   "report"
#define ROWS_LIMIT 100000

struct wish {
	struct report_opts opts;
	const char *name, *file;
};

static int parse_format(const char *s, enum report_format *ret)
{
	static const char *const name[] = { "text", "json", "html" };

	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (!strcmp(s, name[i])) {
			*ret = (enum report_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' },
		{ "run", required_argument, NULL, 'r' },
		{ "rows", required_argument, NULL, 'R' },
		{ "title", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "html", no_argument, NULL, 'H' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	bool no_color = false;
	uint64_t n;
	const char *title = NULL;
	int c;

	while ((c = cmd_option(argc, argv, ":o:", longs)) != -1) {
		switch (c) {
		case 'f':
			if (parse_format(optarg, &w->opts.format))
				return cmd_usage(SUB, "--format is text, json or html");
			break;
		case 'o':
			w->file = optarg;
			break;
		case 'r':
			if (arg_number(optarg, UINT32_MAX, &n))
				return cmd_usage(SUB, "--run needs the number of a run, from 1");
			w->opts.run = (unsigned)n;
			break;
		case 'R':
			if (arg_number(optarg, ROWS_LIMIT, &n))
				return cmd_usage(SUB, "--rows needs a number from 1 to %d",
						 ROWS_LIMIT);
			w->opts.rows_max = (unsigned)n;
			break;
		case 't':
			title = optarg;
			break;
		case 'j':
			w->opts.format = REPORT_JSON;
			break;
		case 'H':
			w->opts.format = REPORT_HTML;
			break;
		case 'n':
			no_color = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc)
		return cmd_usage(SUB, "give one box, or the path of one journal");
	w->name = argv[optind];
	/* an empty one: a box without a name */
	w->opts.title = !title ? w->name : *title ? title : NULL;
	w->opts.colour =
		!no_color && !w->file && w->opts.format == REPORT_TEXT && cmd_colour(STDOUT_FILENO);
	return 0;
}

/* An examination is judged, other records are told as they are. */
static int look_and_write(struct judge *j, const struct record *mine,
			  const struct report_opts *given, int fd, struct err *err)
{
	const struct record none = { 0 };
	struct report_opts opts = *given;
	struct file_book *files = NULL;
	struct judgement *v = NULL;
	bool grave = false;
	int rc;

	if (!opts.run && report_of_examination(mine->r)) {
		rc = records_judge(j, mine, &none, &v, &grave, err);
		opts.judged = v;
		opts.files = judge_files(j);
	} else {
		rc = files_look(mine->r, mine->objects, &files, err);
		opts.files = files;
	}
	if (!rc)
		rc = report_write(mine->r, &opts, fd, err);
	judgement_free(v);
	files_free(files);
	return rc;
}

static int write_to(const struct wish *w, int fd, struct err *err)
{
	struct rule_paths rules = { 0 };
	struct record mine = { 0 };
	struct judge *j = NULL;
	unsigned bad;
	int rc = rule_paths_load(&rules, &bad, &j, err);

	if (!rc)
		rc = records_open(w->name, NULL, &mine, NULL, err);
	if (!rc)
		rc = look_and_write(j, &mine, &w->opts, fd, err);
	judge_free(j);
	record_close(&mine);
	return rc;
}

/* The reading half, in a process of its own. Return: its exit status */
static int write_in_child(const struct wish *w, int fd)
{
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		struct err err = { 0 };

		err_set(&err, errno, "report: start the reading process");
		return cmd_fail(&err);
	}
	if (!pid) {
		struct err err = { 0 };
		int rc = write_to(w, fd, &err);

		rc = rc ? (int)cmd_fail(&err) : EXIT_OK;
		fflush(NULL);
		_exit(rc);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_INTERNAL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

static int no_output(const char *file, int code)
{
	struct err err = { 0 };

	err_set_exit(&err, code == ENOSPC || code == EDQUOT ? EXIT_NO_SPACE : EXIT_UNREADABLE, code,
		     "report: write '%s'", file);
	return cmd_fail(&err);
}

/* A name for the time being, in the same folder: link the finished file there, then rename. */
static int put_in_place(int dirfd, int fd, const char *base)
{
	char from[32], temp[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(temp, sizeof(temp), ".belljar-report.%d", (int)getpid());
	if (linkat(AT_FDCWD, from, dirfd, temp, AT_SYMLINK_FOLLOW))
		return -errno;
	if (renameat(dirfd, temp, dirfd, base)) {
		int code = errno;

		unlinkat(dirfd, temp, 0);
		return -code;
	}
	return 0;
}

static int to_special(const struct wish *w)
{
	cleanup_close int fd = open(w->file, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? no_output(w->file, errno) : write_in_child(w, fd);
}

static int to_file(const struct wish *w)
{
	char path[PATH_MAX], also[PATH_MAX];
	const char *base;
	struct stat st;
	int rc;

	if (strlen(w->file) >= sizeof(path))
		return no_output(w->file, ENAMETOOLONG);
	if (!stat(w->file, &st)) {
		if (S_ISDIR(st.st_mode))
			return no_output(w->file, EISDIR);
		if (!S_ISREG(st.st_mode))
			return to_special(w); /* a pipe, a terminal: nothing to put in place */
		if (access(w->file, W_OK))
			return no_output(w->file, errno);
	}
	strcpy(path, w->file);
	strcpy(also, w->file);
	base = basename(also);
	cleanup_close int dirfd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return no_output(w->file, errno);
	cleanup_close int fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		return no_output(w->file, errno);
	rc = write_in_child(w, fd);
	if (rc)
		return rc;
	if (fsync(fd))
		return no_output(w->file, errno);
	rc = put_in_place(dirfd, fd, base);
	return rc ? no_output(w->file, -rc) : EXIT_OK;
}

int cmd_report(int argc, char **argv)
{
	struct wish w = { .opts = { .format = REPORT_TEXT } };
	struct err err = { 0 };
	int rc = parse(argc, argv, &w);

	if (rc)
		return rc;
	if (w.file && strcmp(w.file, "-"))
		return to_file(&w);
	rc = write_to(&w, STDOUT_FILENO, &err);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
