// SPDX-License-Identifier: Apache-2.0
/*
 * judge.c - belljar judge: a journal's findings
 *
 * Rules are read first, as the user who calls; then the journal is opened (which gives up root);
 * then the process is locked to what is open, and only then is the journal's content read.
 */
#include <getopt.h>

#include "cmd/journal_arg.h"
#include "cmd/judge_rules.h"
#include "report/report.h"

#define SUB "judge"

struct wish {
	struct rule_paths rules;
	const char *name, *against;
	struct findings_opts out;
};

int rule_paths_add(struct rule_paths *p, const char *sub, const char *path)
{
	if (p->nsigma == RULE_PATHS_MAX)
		return cmd_usage(sub, "more than %d of --sigma", RULE_PATHS_MAX);
	p->sigma[p->nsigma++] = path;
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
	struct judge_rules_from from = { .sql = p->sql, .sigma = p->sigma };
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
		{ "min", required_argument, NULL, 'm' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	bool no_color = !cmd_colour(STDOUT_FILENO);
	int c, rc;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			w->against = optarg;
			break;
		case 'r':
			w->rules.sql = optarg;
			break;
		case 's':
			rc = rule_paths_add(&w->rules, SUB, optarg);
			if (rc)
				return rc;
			break;
		case 'm':
			w->out.min = grade_find(optarg);
			if (w->out.min == GRADES)
				return cmd_usage(SUB, "--min is fact, note, concern or finding");
			break;
		case 'j':
			w->out.json = true;
			break;
		case 'n':
			no_color = true;
			break;
		default:
			return cmd_usage(SUB, "there is no such option, or its value is missing");
		}
	}
	if (optind + 1 != argc)
		return cmd_usage(SUB, "give one box, or the path of one journal");
	w->name = argv[optind];
	w->out.colour = !no_color && !w->out.json;
	return 0;
}

static int attach(struct journal_reader *r, const char *name, struct err *err)
{
	struct journal_arg other;
	int rc = journal_arg_find(name, &other, err);

	if (rc)
		return rc;
	rc = judge_attach(r, other.path, err);
	journal_arg_free(&other);
	return rc;
}

static int judge(const struct wish *w, struct judge *j, bool *ret_grave, struct err *err)
{
	struct journal_reader *r = NULL;
	struct judgement *v = NULL;
	struct journal_arg arg;
	int rc = journal_arg_find(w->name, &arg, err);

	if (rc)
		return rc;
	rc = journal_arg_open(&arg, &r, err);
	if (!rc && w->against)
		rc = attach(r, w->against, err);
	if (!rc)
		rc = lockdown_reader(err);
	if (!rc)
		rc = judge_run(j, r, &v, err);
	if (!rc)
		rc = report_findings(v, &w->out, STDOUT_FILENO, err);
	for (size_t i = 0; v && i < v->n; i++)
		*ret_grave |= v->v[i].grade >= GRADE_CONCERN;
	judgement_free(v);
	journal_read_close(r);
	journal_arg_free(&arg);
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
	rc = rule_paths_load(&w.rules, &bad, &j, &err);
	if (!rc)
		rc = judge(&w, j, &grave, &err);
	judge_free(j);
	return rc ? cmd_fail(&err) : grave ? EXIT_NEGATIVE : EXIT_OK;
}
