// SPDX-License-Identifier: Apache-2.0
/*
 * sql_rule.c - rules that are one SELECT over the journal
 *
 * A rule file begins with comments `-- key: value` (a line that begins with `--` and blanks goes on
 * with the value), then the SELECT. It gives a row for each finding, with these columns by name:
 *
 *   evidence  event numbers, '12,13,20' or one number    subject  what it is about
 *   others    event numbers of the other journal          detail   a sentence's worth of facts
 *   proc      process key     count   how often            grade    lower than the rule's
 *   done      what was done to rule out the innocent explanation, in this case
 */
#include <ctype.h>
#include <sqlite3.h>

#include "judge/inner.h"

/* ---- header ------------------------------------------------------------------------------- */

static int bad_line(struct err *err, const char *file, unsigned line, const char *what)
{
	return err_set_exit(err, EXIT_USAGE, 0, "judge: %s:%u: %s", file, line, what) ? -EINVAL : 0;
}

static struct str trim(struct str s)
{
	while (s.n && isspace((unsigned char)s.p[0]))
		s.p++, s.n--;
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static const char *text_in(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	memcpy(p, s.p, s.n);
	return p;
}

static int set_key(struct arena *a, struct sql_rule *r, struct str key, struct str value,
		   unsigned line, struct err *err)
{
	const struct {
		const char *name;
		const char **to;
	} texts[] = {
		{ "id", &r->id },     { "title", &r->title },
		{ "why", &r->why },   { "innocent", &r->innocent },
		{ "done", &r->done }, { "attack", &r->attack },
		{ "sign", &r->sign },
	};
	const char *v = text_in(a, value);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (str_eq(key, str_z(texts[i].name))) {
			*texts[i].to = v;
			return 0;
		}
	if (str_eq(key, STR("grade"))) {
		r->grade = grade_find(v);
		return r->grade == GRADES ? bad_line(err, r->file, line,
						     "grade is fact, note, concern or finding")
					  : 0;
	}
	if (str_eq(key, STR("needs"))) {
		r->needs = (unsigned)strtoul(v, NULL, 10);
		return r->needs && r->needs < 100
			       ? 0
			       : bad_line(err, r->file, line, "needs is a number from 1 to 99");
	}
	if (str_eq(key, STR("against")) || str_eq(key, STR("after"))) {
		*(str_eq(key, STR("after")) ? &r->after : &r->against) = !strcmp(v, "yes");
		return 0;
	}
	return bad_line(err, r->file, line, "no such key in a rule's header");
}

static struct str next_line(struct str *text)
{
	const char *end = memchr(text->p, '\n', text->n);
	struct str line = { text->p, end ? (size_t)(end - text->p) : text->n };
	size_t used = line.n + (end ? 1 : 0);

	text->p += used;
	text->n -= used;
	return line;
}

/* One key with the lines that go on with its value. */
static int header_key(struct arena *a, struct sql_rule *r, struct str line, struct str *rest,
		      unsigned *nr, struct err *err)
{
	const char *colon = memchr(line.p, ':', line.n);
	cleanup_buf struct buf value = { .limit = SQL_RULE_MAX };
	unsigned at = *nr;
	struct str key;

	if (!colon)
		return bad_line(err, r->file, at, "a header line is '-- key: value'");
	key = trim((struct str){ line.p + 2, (size_t)(colon - line.p) - 2 });
	line = trim((struct str){ colon + 1, (size_t)(line.p + line.n - colon) - 1 });
	buf_add(&value, line.p, line.n);
	while (str_starts(*rest, "--  ")) {
		line = next_line(rest);
		++*nr;
		line = trim((struct str){ line.p + 2, line.n - 2 });
		buf_puts(&value, " ");
		buf_add(&value, line.p, line.n);
	}
	return set_key(a, r, key, (struct str){ buf_z(&value), value.n }, at, err);
}

int sql_rule_parse(struct arena *a, const char *file, struct str text, struct sql_rule *ret,
		   struct err *err)
{
	struct sql_rule r = { .grade = GRADES, .needs = 1 };
	unsigned nr = 0;
	int rc;

	r.file = text_in(a, str_z(file));
	if (text.n > SQL_RULE_MAX || memchr(text.p, 0, text.n))
		return bad_line(err, r.file, 1, "a rule is text of at most 64 KiB");
	while (str_starts(text, "--")) {
		struct str line = next_line(&text);

		nr++;
		if (str_starts(line, "-- SPDX") || trim(line).n == 2)
			continue;
		rc = header_key(a, &r, line, &text, &nr, err);
		if (rc)
			return rc;
	}
	if (!r.id || !r.title || !r.why || !r.innocent || r.grade == GRADES)
		return bad_line(err, r.file, 1, "a rule needs id, title, why, innocent and grade");
	r.sql = text_in(a, text);
	if (!trim(text).n)
		return bad_line(err, r.file, nr + 1, "a rule needs a SELECT");
	*ret = r;
	return 0;
}

/* ---- the SELECT --------------------------------------------------------------------------- */

static int refused(struct sqlite3 *db, const struct sql_rule *r, struct err *err)
{
	return err_set_exit(err, EXIT_USAGE, 0, "judge: %s: %s", r->file, sqlite3_errmsg(db))
		       ? -EINVAL
		       : 0;
}

static int column(sqlite3_stmt *st, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		if (!sqlite3_stricmp(sqlite3_column_name(st, i), name))
			return i;
	return -1;
}

int sql_rule_check(struct sqlite3 *db, const struct sql_rule *r, struct err *err)
{
	sqlite3_stmt *st = NULL;
	const char *rest = "";
	int rc = 0;

	if (sqlite3_prepare_v2(db, r->sql, -1, &st, &rest) != SQLITE_OK)
		rc = refused(db, r, err);
	else if (!st || !sqlite3_stmt_readonly(st) || trim(str_z(rest)).n)
		rc = bad_line(err, r->file, 1, "a rule is one SELECT");
	else if (column(st, "evidence") < 0)
		rc = bad_line(err, r->file, 1, "the SELECT has no column 'evidence'");
	sqlite3_finalize(st);
	return rc;
}

struct deadline {
	uint64_t at;
	bool late;
};

static int too_late(void *ctx)
{
	struct deadline *d = ctx;

	d->late = clock_mono_ns() > d->at;
	return d->late;
}

static struct str cell(struct arena *a, sqlite3_stmt *st, int at)
{
	const char *p = at < 0 ? NULL : sqlite3_column_blob(st, at);
	size_t n = p ? (size_t)sqlite3_column_bytes(st, at) : 0;

	return arena_str(a, (struct str){ p, n > SQL_SUBJECT_MAX ? SQL_SUBJECT_MAX : n });
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* '12,13,20' as different numbers in order, at most EVIDENCE_MAX; how many there were. */
static size_t numbers(struct arena *a, sqlite3_stmt *st, int at, const uint64_t **ret,
		      size_t *ret_n)
{
	const char *s = at < 0 ? NULL : (const char *)sqlite3_column_text(st, at);
	uint64_t *v = arena_alloc(a, EVIDENCE_MAX * sizeof(*v));
	size_t n = 0, all = 0;

	while (s && *s) {
		char *end;
		uint64_t x = strtoull(s, &end, 10);
		bool known = false;

		if (end == s) {
			s++;
			continue;
		}
		s = end;
		for (size_t i = 0; i < n; i++)
			known |= v[i] == x;
		if (known)
			continue;
		all++;
		if (n < EVIDENCE_MAX)
			v[n++] = x;
	}
	qsort(v, n, sizeof(*v), by_number);
	*ret = v;
	*ret_n = n;
	return all;
}

static void take_row(struct finds *f, const struct sql_rule *r, sqlite3_stmt *st)
{
	struct finding *x = finds_add(f);
	int at, grade = column(st, "grade");
	size_t all;

	if (!x)
		return;
	x->kind = RULE_SQL;
	x->grade = r->grade;
	x->rule = r->id;
	x->title = r->title;
	x->why = r->why;
	x->innocent = r->innocent;
	x->attack = r->attack;
	x->subject = cell(&f->a, st, column(st, "subject"));
	x->detail = cell(&f->a, st, column(st, "detail"));
	at = column(st, "done");
	x->done = at >= 0 && sqlite3_column_type(st, at) != SQLITE_NULL
			  ? text_in(&f->a, cell(&f->a, st, at))
			  : r->done;
	at = column(st, "proc");
	x->proc = at < 0 ? 0 : (uint32_t)sqlite3_column_int64(st, at);
	all = numbers(&f->a, st, column(st, "evidence"), &x->seqs, &x->nseqs);
	numbers(&f->a, st, column(st, "others"), &x->others, &x->nothers);
	at = column(st, "count");
	x->count = at < 0 ? all : (uint64_t)sqlite3_column_int64(st, at);
	if (grade >= 0 && sqlite3_column_text(st, grade)) {
		enum grade g = grade_find((const char *)sqlite3_column_text(st, grade));

		if (g < x->grade)
			x->grade = g;
	}
	if (all + x->nothers < r->needs && x->grade > GRADE_NOTE)
		x->grade = GRADE_NOTE;
}

void could_not_run(struct finds *f, const char *what, const char *why)
{
	struct finding *x = finds_add(f);

	if (!x)
		return;
	x->kind = RULE_BUILTIN;
	x->grade = GRADE_FACT;
	x->rule = "belljar-rule-failed";
	x->title = "A rule could not be asked";
	x->why = "What this rule looks for may be in the record all the same.";
	x->subject = arena_str(&f->a, str_z(what));
	x->detail = arena_str(&f->a, str_z(why));
}

int sql_rule_run(struct sqlite3 *db, const struct sql_rule *r, struct finds *f, struct err *err)
{
	struct deadline d = { clock_mono_ns() + SQL_RULE_SECONDS * NSEC_PER_SEC, false };
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, r->sql, -1, &st, NULL), n = 0;

	if (rc != SQLITE_OK || !st) {
		could_not_run(f, r->id, sqlite3_errmsg(db));
		return 0;
	}
	sqlite3_progress_handler(db, 10000, too_late, &d);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		take_row(f, r, st);
		n++;
	}
	sqlite3_progress_handler(db, 0, NULL, NULL);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_IOERR)
		n = err_set_exit(err, EXIT_CORRUPT, EIO, "judge: read the journal (%s)",
				 sqlite3_errmsg(db));
	else if (rc != SQLITE_DONE)
		could_not_run(f, r->id, d.late ? "it took too long" : sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return n;
}
