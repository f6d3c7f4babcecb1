// SPDX-License-Identifier: Apache-2.0
/*
 * judge.c - belljar judge: a journal's findings
 *
 * Rules are read first, as the user who calls; then the journal is opened (which gives up root);
 * then the process is locked to what is open, and only then is the journal's content read.
 */

#include "cmd/judge_rules.h"
#include "cmd/record.h"
#include "report/report.h"

#define SUB	      "judge"
#define BRIEF_SECONDS 10

struct wish {
	struct rule_paths rules;
	const char *name, *against;
	struct findings_opts out;
	bool files; /* describe the files instead */
};

int rule_paths_add(struct rule_paths *p, const char *sub, int option, const char *path)
{
	size_t *n = option == 'y' ? &p->nyara : &p->nsigma;

	if (*n == RULE_PATHS_MAX)
		return cmd_usage(sub, "more than %d of --%s", RULE_PATHS_MAX,
				 option == 'y' ? "yara" : "sigma");
	(option == 'y' ? p->yara : p->sigma)[(*n)++] = path;
	return 0;
}

static void say_bad(void *ctx, const char *sentence)
{
	++*(unsigned *)ctx;
	fprintf(stderr, "belljar: %s\n", sentence);
}

int rule_paths_load(const struct rule_paths *p, unsigned *ret_bad, struct judge **ret,
		    struct err *err)
{
	struct judge_rules_from from = { .sql = p->sql, .sigma = p->sigma, .yara = p->yara };
	char own[8192];

	*ret_bad = 0;
	if (!from.sql && !p->no_sql) {
		int rc = data_beside("rules", own, sizeof(own), err);

		if (rc)
			return rc;
		from.sql = own;
	}
	return judge_load(&from, say_bad, ret_bad, ret, err);
}

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "against", required_argument, NULL, 'a' },
		{ "rules", required_argument, NULL, 'r' },
		{ "sigma", required_argument, NULL, 's' },
		{ "yara", required_argument, NULL, 'y' },
		{ "files", no_argument, NULL, 'f' },
		{ "min", required_argument, NULL, 'm' },
		{ "brief", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	bool no_color = !cmd_colour(STDOUT_FILENO);
	int c, rc;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		switch (c) {
		case 'a':
			w->against = optarg;
			break;
		case 'r':
			w->rules.sql = optarg;
			break;
		case 'f':
			w->files = true;
			break;
		case 's':
		case 'y':
			rc = rule_paths_add(&w->rules, SUB, c, optarg);
			if (rc)
				return rc;
			break;
		case 'm':
			w->out.min = grade_find(optarg);
			if (w->out.min == GRADES)
				return cmd_usage(SUB, "--min is fact, note, concern or finding");
			break;
		case 'b':
			w->out.brief = true;
			break;
		case 'j':
			w->out.json = true;
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
	w->out.colour = !no_color && !w->out.json;
	return 0;
}

static int say_findings(const struct wish *w, struct judge *j, const struct record *mine,
			const struct record *other, bool *ret_grave, struct err *err)
{
	struct judgement *v = NULL;
	int rc = records_judge(j, mine, other, &v, ret_grave, err);

	if (!rc)
		rc = report_findings(v, &w->out, STDOUT_FILENO, err);
	judgement_free(v);
	return rc;
}

static int say_files(const struct wish *w, const struct record *mine, struct err *err)
{
	struct file_book *b = NULL;
	int rc = files_look(mine->r, mine->objects, &b, err);

	if (!rc)
		rc = report_files(b, w->out.json, w->out.colour, STDOUT_FILENO, err);
	files_free(b);
	return rc;
}

static int judge(const struct wish *w, struct judge *j, bool *ret_grave, struct err *err)
{
	struct record mine = { 0 }, other = { 0 };
	int rc = records_open(w->name, w->against, &mine, &other, err);

	if (!rc)
		rc = w->files ? say_files(w, &mine, err)
			      : say_findings(w, j, &mine, &other, ret_grave, err);
	record_close(&mine);
	record_close(&other);
	return rc;
}

int cmd_judge(int argc, char **argv)
{
	struct wish w = { 0 };
	struct judge *j = NULL;
	struct err err = { 0 };
	bool grave = false;
	unsigned bad;
	int rc = parse(argc, argv, &w);

	if (rc)
		return rc;
	/* a run waits for it; whoever wants all of it asks again */
	if (w.out.brief)
		alarm(BRIEF_SECONDS);
	if (!w.files)
		rc = rule_paths_load(&w.rules, &bad, &j, &err);
	if (!rc)
		rc = judge(&w, j, &grave, &err);
	judge_free(j);
	return rc ? cmd_fail(&err) : grave ? EXIT_NEGATIVE : EXIT_OK;
}
