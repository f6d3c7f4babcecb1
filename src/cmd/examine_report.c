// SPDX-License-Identifier: Apache-2.0
/*
 * examine_report.c - the report of an examination, in the program that judges
 *
 * Rules and output files are opened first, as the user who calls; then the journal (which gives up
 * root); then the process is locked to what is open, and only then is the record read.
 */
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
	int fd[ARRAY_SIZE(outputs)];
};

static int open_files(const char *dir, struct files *ret, struct err *err)
{
	int rc = mkdir_p(dir, 0755);
	cleanup_close int at = rc ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return err_set_exit(err, EXIT_UNREADABLE, rc ? rc : errno,
				    "examine: make the folder '%s'", dir);
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		ret->fd[i] = openat(at, outputs[i].name,
				    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (ret->fd[i] < 0)
			return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: write '%s/%s'",
					    dir, outputs[i].name);
	}
	return 0;
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

int cmd_examine_report(int argc, char **argv)
{
	struct rule_paths rules = { 0 };
	struct files f = { { STDOUT_FILENO, -1, -1 } };
	struct judge *j = NULL;
	struct err err = { 0 };
	bool grave = false;
	unsigned bad;
	int rc = 0;

	/* examine --report NAME [DIR [SECOND]] */
	if (argc < 3 || argc > 5 || argv[2][0] == '-')
		return cmd_usage("examine", "--report: of which box?");
	if (argc > 3 && strcmp(argv[3], "-") != 0)
		rc = open_files(argv[3], &f, &err);
	if (!rc)
		rc = rule_paths_load(&rules, &bad, &j, &err);
	if (!rc)
		rc = judge_and_write(j, argv[2], argc > 4 ? argv[4] : NULL, &f, &grave, &err);
	judge_free(j);
	return rc ? cmd_fail(&err) : grave ? EXIT_NEGATIVE : EXIT_OK;
}
