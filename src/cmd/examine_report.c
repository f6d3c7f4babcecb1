// SPDX-License-Identifier: Apache-2.0
/*
 * examine_report.c - the report of an examination, in the program that judges
 *
 * Rules and output files are opened first, as the user who calls; then the journal (which gives up
 * root); then the process is locked to what is open, and only then is the record read.
 *
 * Files are written under names of their own by a child that does all that, and put in the place of
 * those that were there when all of them are whole: a report that fails has changed nothing.
 */
#include <fcntl.h>

#include "cmd/cmd.h"
#include "cmd/examine.h"
#include "cmd/judge_rules.h"
#include "cmd/record.h"
#include "report/report.h"

static const struct {
	const char *name;
	enum report_format format;
} outputs[] = {
	{ "report.txt", REPORT_TEXT },
	{ "report.json", REPORT_JSON },
	{ "report.html", REPORT_HTML },
};

struct files {
	int dir;   /* -1: standard output alone */
	bool made; /* the folder is new */
	int fd[ARRAY_SIZE(outputs)];
	char temp[ARRAY_SIZE(outputs)][64]; /* its name until it is whole */
};

static int open_files(const char *dir, struct files *ret, struct err *err)
{
	bool there = !access(dir, F_OK);
	int rc = mkdir_p(dir, 0755);

	ret->made = !there && !rc;
	ret->dir = rc ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return err_set_exit(err, EXIT_UNREADABLE, rc ? rc : errno,
				    "examine: make the folder '%s'", dir);
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		snprintf(ret->temp[i], sizeof(ret->temp[i]), ".%s.%d", outputs[i].name,
			 (int)getpid());
		ret->fd[i] = openat(ret->dir, ret->temp[i],
				    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (ret->fd[i] < 0)
			return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: write '%s/%s'",
					    dir, outputs[i].name);
	}
	return 0;
}

static int put_in_place(const char *dir, struct files *f, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++)
		if (fsync(f->fd[i]))
			return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: write '%s/%s'",
					    dir, outputs[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		if (renameat(f->dir, f->temp[i], f->dir, outputs[i].name))
			return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: write '%s/%s'",
					    dir, outputs[i].name);
		f->temp[i][0] = 0;
	}
	return 0;
}

/* What is not in its place is nothing. */
static void close_files(const char *dir, struct files *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		if (f->fd[i] > STDERR_FILENO)
			close(f->fd[i]);
		if (f->dir >= 0 && f->temp[i][0])
			unlinkat(f->dir, f->temp[i], 0);
	}
	if (f->dir >= 0)
		close(f->dir);
	if (f->made)
		rmdir(dir); /* when it is empty */
}

static int write_all(struct journal_reader *r, const struct judgement *v,
		     const struct file_book *book, const char *title, const struct files *f,
		     struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(outputs) && !rc; i++) {
		struct report_opts o = {
			.format = outputs[i].format, .title = title, .judged = v, .files = book
		};

		if (f->fd[i] >= 0)
			rc = report_write(r, &o, f->fd[i], err);
	}
	return rc;
}

/* @second: the other identity's box, to compare; NULL: there is none */
static int judge_and_write(struct judge *j, const char *name, const char *second,
			   const struct files *f, bool *ret_grave, struct err *err)
{
	struct record mine = { 0 }, other = { 0 };
	struct judgement *v = NULL;
	int rc = records_open(name, second, &mine, &other, err);

	if (!rc)
		rc = records_judge(j, &mine, &other, &v, ret_grave, err);
	if (!rc)
		rc = write_all(mine.r, v, judge_files(j), name, f, err);
	judgement_free(v);
	record_close(&mine);
	record_close(&other);
	return rc;
}

/* Return: an exit status, all said */
static int report(const char *name, const char *second, const struct files *f)
{
	struct rule_paths rules = { 0 };
	struct judge *j = NULL;
	struct err err = { 0 };
	bool grave = false;
	unsigned bad;
	int rc = rule_paths_load(&rules, &bad, &j, &err);

	if (!rc)
		rc = judge_and_write(j, name, second, f, &grave, &err);
	judge_free(j);
	return rc ? cmd_fail(&err) : grave ? EXIT_NEGATIVE : EXIT_OK;
}

static int report_to(const char *dir, const char *name, const char *second)
{
	struct files f = { .dir = -1, .fd = { -1, -1, -1 } };
	struct err err = { 0 };
	int rc = open_files(dir, &f, &err), status = EXIT_OK;

	if (!rc) {
		pid_t pid = half_start();

		if (pid == 0)
			_exit(report(name, second, &f));
		status = half_wait(pid);
		if (status == EXIT_OK || status == EXIT_NEGATIVE)
			rc = put_in_place(dir, &f, &err);
	}
	close_files(dir, &f);
	return rc ? cmd_fail(&err) : status;
}

int cmd_examine_report(int argc, char **argv)
{
	const struct files out = { .dir = -1, .fd = { STDOUT_FILENO, -1, -1 } };
	const char *second = argc > 4 ? argv[4] : NULL;

	/* examine --report NAME [DIR [SECOND]] */
	if (argc < 3 || argc > 5 || argv[2][0] == '-')
		return cmd_usage("examine", "--report: of which box?");
	return argc > 3 && strcmp(argv[3], "-") != 0 ? report_to(argv[3], argv[2], second)
						     : report(argv[2], second, &out);
}
