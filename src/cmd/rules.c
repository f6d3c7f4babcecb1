// SPDX-License-Identifier: Apache-2.0
/*
 * rules.c - belljar rules: what a record is judged by
 */

#include "cmd/judge_rules.h"
#include "report/report.h"

#define SUB "rules"

struct wish {
	struct rule_paths paths;
	const char *layer;
	bool json;
};

/* ---- list and show ------------------------------------------------------------------------ */

static void put(struct buf *out, const char *text, bool json)
{
	if (json && text)
		escape_json(out, str_z(text));
	else if (json)
		buf_puts(out, "null");
	else
		escape_text(out, str_z(text ? text : "-"));
}

static void list_json(struct buf *out, const struct rule_info *r)
{
	const struct {
		const char *key, *value;
	} pairs[] = {
		{ "kind", rule_kind_name(r->kind) }, { "id", r->id },	      { "title", r->title },
		{ "grade", grade_name(r->grade) },   { "attack", r->attack }, { "file", r->file },
		{ "left_out", r->left_out },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "{", pairs[i].key);
		put(out, pairs[i].value, true);
	}
	buf_puts(out, "}\n");
}

/* Why rules are left out, and how many for each reason. */
static void tally(struct buf *out, struct judge *j)
{
	size_t n = judge_rules(j), nreasons = 0;
	cleanup_free struct reason {
		const char *why;
		size_t rules;
	} *reason = xcalloc(n + 1, sizeof(*reason));

	for (size_t i = 0; i < n; i++) {
		const char *why = judge_rule(j, i)->left_out;
		size_t k = 0;

		if (!why)
			continue;
		while (k < nreasons && strcmp(reason[k].why, why))
			k++;
		nreasons += k == nreasons;
		reason[k].why = why;
		reason[k].rules++;
	}
	for (size_t k = 0; k < nreasons; k++) {
		buf_printf(out, "  %zu left out: ", reason[k].rules);
		put(out, reason[k].why, false);
		buf_puts(out, "\n");
	}
}

static int list(const struct wish *w, struct judge *j, struct err *err)
{
	cleanup_buf struct buf out = { 0 };
	size_t left = 0;

	for (size_t i = 0; i < judge_rules(j); i++) {
		const struct rule_info *r = judge_rule(j, i);

		left += r->left_out != NULL;
		if (w->json) {
			list_json(&out, r);
			continue;
		}
		buf_printf(&out, "%-6s %-8s %-36s ", rule_kind_name(r->kind),
			   r->left_out ? "left out" : grade_name(r->grade), r->id);
		put(&out, r->title, false);
		if (r->left_out) {
			buf_puts(&out, " (");
			put(&out, r->left_out, false);
			buf_puts(&out, ")");
		}
		buf_puts(&out, "\n");
	}
	if (!w->json) {
		buf_printf(&out, "%zu rules, %zu take part\n", judge_rules(j),
			   judge_rules(j) - left);
		tally(&out, j);
	}
	return write_full(STDOUT_FILENO, out.p, out.n) ? err_set(err, EIO, "rules: write the list")
						       : 0;
}

static int show(struct judge *j, const char *id, struct err *err)
{
	for (size_t i = 0; i < judge_rules(j); i++) {
		const struct rule_info *r = judge_rule(j, i);
		cleanup_buf struct buf out = { 0 };
		cleanup_free char *text = NULL;
		size_t n = 0;

		if (strcmp(r->id, id))
			continue;
		buf_printf(&out, "%s rule ", rule_kind_name(r->kind));
		put(&out, r->id, false);
		buf_puts(&out, "\n\n  ");
		put(&out, r->title, false);
		buf_puts(&out, "\n\n  why it matters: ");
		put(&out, r->why, false);
		buf_puts(&out, "\n  innocent explanation: ");
		put(&out, r->innocent, false);
		buf_printf(&out, "\n  grade: %s\n  ATT&CK: %s\n", grade_name(r->grade),
			   r->attack ? r->attack : "-");
		if (r->left_out)
			buf_printf(&out, "  left out: %s\n", r->left_out);
		buf_puts(&out, "  file: ");
		put(&out, r->file, false);
		buf_puts(&out, "\n\n");
		if (!read_file_at(AT_FDCWD, r->file, 1u << 20, &text, &n)) {
			char *rest = text, *line;

			while ((line = strsep(&rest, "\n"))) {
				put(&out, line, false);
				buf_puts(&out, "\n");
			}
		}
		(void)!write(STDOUT_FILENO, out.p, out.n);
		return 0;
	}
	return err_set_exit(err, EXIT_NO_BOX, 0, "rules: there is no rule '%s'", id);
}

/* ---- coverage ----------------------------------------------------------------------------- */

struct technique {
	char id[16];
	unsigned rules;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct technique *)a)->id, ((const struct technique *)b)->id);
}

static void count_technique(struct technique **v, size_t *n, size_t *cap, const char *id,
			    size_t len)
{
	if (!len || len >= sizeof((*v)->id))
		return;
	for (size_t i = 0; i < *n; i++)
		if (strlen((*v)[i].id) == len && !strncmp((*v)[i].id, id, len)) {
			(*v)[i].rules++;
			return;
		}
	*v = vec_grow(*v, *n, cap, sizeof(**v));
	memset(&(*v)[*n], 0, sizeof(**v));
	memcpy((*v)[*n].id, id, len);
	(*v)[(*n)++].rules = 1;
}

static size_t techniques(struct judge *j, struct technique **ret)
{
	size_t n = 0, cap = 0;

	*ret = NULL;
	for (size_t i = 0; i < judge_rules(j); i++) {
		const struct rule_info *r = judge_rule(j, i);

		for (const char *at = r->left_out ? NULL : r->attack; at && *at;) {
			size_t len = strcspn(at, ", ");

			count_technique(ret, &n, &cap, at, len);
			at += len + strspn(at + len, ", ");
		}
	}
	if (n)
		qsort(*ret, n, sizeof(**ret), by_id);
	return n;
}

/* A layer of the ATT&CK Navigator (format 4.5, which version 4.9 was the first to read). */
static int write_layer(const char *file, const struct technique *t, size_t n, struct err *err)
{
	cleanup_buf struct buf out = { 0 };
	int rc;

	buf_puts(&out, "{\"name\":\"belljar\","
		       "\"versions\":{\"navigator\":\"4.9.0\",\"layer\":\"4.5\"},"
		       "\"domain\":\"enterprise-attack\",\"techniques\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s\n{\"techniqueID\":\"%s\",\"score\":%u}", i ? "," : "", t[i].id,
			   t[i].rules);
	buf_puts(&out, "]}\n");
	rc = write_file_at(AT_FDCWD, file, 0644, out.p, out.n);
	return rc ? err_set_exit(err, EXIT_UNREADABLE, rc, "rules: write '%s'", file) : 0;
}

static int coverage(const struct wish *w, struct judge *j, struct err *err)
{
	cleanup_free struct technique *t = NULL;
	size_t n = techniques(j, &t);

	for (size_t i = 0; i < n; i++)
		printf(w->json ? "{\"technique\":\"%s\",\"rules\":%u}\n" : "%-10s %u\n", t[i].id,
		       t[i].rules);
	if (!w->json)
		printf("%zu techniques\n", n);
	return w->layer ? write_layer(w->layer, t, n, err) : 0;
}

/* ---- check -------------------------------------------------------------------------------- */

static int check(const char *file, struct err *err)
{
	bool is_sql = str_ends(str_z(file), ".sql");
	bool is_yara = str_ends(str_z(file), ".yar") || str_ends(str_z(file), ".yara");
	struct rule_paths p = { .sql = is_sql ? file : NULL, .no_sql = !is_sql };
	struct judge *j = NULL;
	unsigned bad;
	int rc;

	if (!is_sql)
		(is_yara ? p.yara : p.sigma)[0] = file;
	rc = rule_paths_load(&p, &bad, &j, err);
	if (!rc && !bad)
		printf("%zu rules, no fault\n", judge_rules(j));
	judge_free(j);
	return rc ? rc : bad ? EXIT_NEGATIVE : 0;
}

/* ---- the command -------------------------------------------------------------------------- */

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "rules", required_argument, NULL, 'r' },
		{ "sigma", required_argument, NULL, 's' },
		{ "yara", required_argument, NULL, 'y' },
		{ "attack-layer", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		switch (c) {
		case 'r':
			w->paths.sql = optarg;
			break;
		case 's':
		case 'y':
			rc = rule_paths_add(&w->paths, SUB, c, optarg);
			if (rc)
				return rc;
			break;
		case 'l':
			w->layer = optarg;
			break;
		case 'j':
			w->json = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return 0;
}

int cmd_rules(int argc, char **argv)
{
	struct wish w = { 0 };
	struct judge *j = NULL;
	struct err err = { 0 };
	const char *verb, *what;
	unsigned bad;
	int rc = parse(argc, argv, &w);

	if (rc)
		return rc;
	verb = optind < argc ? argv[optind] : "";
	what = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (!strcmp(verb, "check") && what) {
		rc = check(what, &err);
		return rc < 0 ? cmd_fail(&err) : rc;
	}
	if (strcmp(verb, "list") && strcmp(verb, "coverage") && (strcmp(verb, "show") || !what))
		return cmd_usage(SUB, "list, show ID, check FILE or coverage?");
	rc = rule_paths_load(&w.paths, &bad, &j, &err);
	if (!rc)
		rc = !strcmp(verb, "list")	 ? list(&w, j, &err)
		     : !strcmp(verb, "coverage") ? coverage(&w, j, &err)
						 : show(j, what, &err);
	judge_free(j);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
