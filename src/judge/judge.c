// SPDX-License-Identifier: Apache-2.0
/*
 * judge.c - load rules of all kinds, ask them, put what they found in order
 */
#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "judge/inner.h"
#include "judge/yara.h"

#define FOLDER_DEPTH_MAX 16

/* ---- files -------------------------------------------------------------------------------- */

/** struct loading - while rules are read */
struct loading {
	struct judge *j;
	const char *ending, *also; /* of the names of rule files; NULL */
	size_t max;		   /* bytes of one */
	int (*one)(struct loading *l, const char *path, struct str text, struct err *err);
	void (*bad)(void *ctx, const char *sentence);
	void *ctx;
	struct sqlite3 *schema; /* tables without rows: do SELECTs fit? */
};

static void load_file(struct loading *l, const char *path)
{
	cleanup_free char *text = NULL;
	struct err err = { 0 };
	size_t n = 0;
	int rc = read_file_at(AT_FDCWD, path, l->max, &text, &n);

	if (rc)
		err_set_exit(&err, EXIT_UNREADABLE, rc, "judge: read '%s'", path);
	else
		l->one(l, path, (struct str){ text, n }, &err);
	if (err.msg[0])
		l->bad(l->ctx, err.msg);
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Files in the order of their names, so that rules have an order. */
static int load_path(struct loading *l, const char *path, int depth, struct err *err)
{
	struct dirent **entry = NULL;
	struct stat st;
	int n, rc = 0;

	if (stat(path, &st))
		return err_set_exit(err, EXIT_UNREADABLE, errno, "judge: find rules in '%s'", path);
	if (!S_ISDIR(st.st_mode)) {
		if (!depth || str_ends(str_z(path), l->ending) ||
		    (l->also && str_ends(str_z(path), l->also)))
			load_file(l, path);
		return 0;
	}
	if (depth > FOLDER_DEPTH_MAX)
		return 0;
	n = scandir(path, &entry, no_dots, alphasort);
	if (n < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "judge: find rules in '%s'", path);
	for (int i = 0; i < n; i++) {
		cleanup_free char *below = xasprintf("%s/%s", path, entry[i]->d_name);

		if (!rc)
			rc = load_path(l, below, depth + 1, err);
		free(entry[i]);
	}
	free(entry);
	return rc;
}

static int one_sigma(struct loading *l, const char *path, struct str text, struct err *err UNUSED)
{
	/* each sentence is told by itself */
	return sigma_add(l->j->sigma, path, text.p, text.n, NULL);
}

static int one_yara(struct loading *l, const char *path, struct str text, struct err *err)
{
	return yara_add(l->j->yara, path, text, err);
}

static int one_sql(struct loading *l, const char *path, struct str text, struct err *err)
{
	struct judge *j = l->j;
	struct sql_rule r = { 0 };
	int rc;

	if (j->nsql == SQL_RULES_MAX)
		return err_set_exit(err, EXIT_USAGE, E2BIG, "judge: '%s' is beyond %d rules", path,
				    SQL_RULES_MAX);
	rc = sql_rule_parse(&j->a, path, text, &r, err);
	if (!rc && !r.against)
		rc = sql_rule_check(l->schema, &r, err);
	for (size_t i = 0; !rc && i < j->nsql; i++)
		if (!strcmp(j->sql[i].id, r.id))
			rc = err_set_exit(err, EXIT_USAGE, EEXIST,
					  "judge: %s: id '%s' is that of %s", path, r.id,
					  j->sql[i].file);
	if (!rc)
		j->sql[j->nsql++] = r;
	return rc;
}

/* ---- load --------------------------------------------------------------------------------- */

/* What there are no events for: the product if it is not ours, else the service, else the category.
 */
static const char *no_events(struct arena *a, const struct sigma_rule *r)
{
	bool foreign = r->product && strcmp(r->product, "linux") && strcmp(r->product, "windows");
	const char *what = "product", *which = r->product;
	cleanup_free char *text = NULL;

	if (!foreign && r->service)
		what = "service", which = r->service;
	else if (!foreign && r->category)
		what = "category", which = r->category;
	text = xasprintf("belljar has no events of %s %s", what, which ? which : "(none)");

	return arena_str(a, (struct str){ text, strlen(text) + 1 }).p;
}

static const char *left_out(struct arena *a, const struct sigma_rule *r)
{
	static const char *const why[SIGMA_FATES] = {
		[SIGMA_NO_EVENTS] = "belljar has no events for the rules that it counts",
		[SIGMA_PLACEHOLDER] = "nobody gave the values of its placeholder",
		[SIGMA_OUTDATED] = "it uses an aggregation of Sigma 1",
		[SIGMA_NO_RULES] = "it counts rules that are not there, or itself",
	};

	return r->fate == SIGMA_NO_EVENTS && !r->correlation ? no_events(a, r) : why[r->fate];
}

static void list_one(void *ctx, const struct rule_info *info)
{
	struct judge *j = ctx;

	j->info[j->ninfo++] = *info;
}

static void list_rules(struct judge *j)
{
	size_t nsigma = sigma_count(j->sigma);

	j->info =
		arena_alloc(&j->a, (nsigma + j->nsql + yara_count(j->yara) + 1) * sizeof(*j->info));
	for (size_t i = 0; i < j->nsql; i++) {
		const struct sql_rule *r = &j->sql[i];

		j->info[j->ninfo++] = (struct rule_info){ .kind = RULE_SQL,
							  .id = r->id,
							  .title = r->title,
							  .file = r->file,
							  .attack = r->attack,
							  .why = r->why,
							  .innocent = r->innocent,
							  .grade = r->grade };
	}
	for (size_t i = 0; i < nsigma; i++) {
		const struct sigma_rule *r = sigma_get(j->sigma, i);

		j->info[j->ninfo++] = (struct rule_info){
			.kind = RULE_SIGMA,
			.id = r->id ? r->id : "",
			.title = r->title,
			.file = r->file,
			.attack = sigma_techniques(&j->a, r->tags),
			.why = r->description,
			.innocent = r->false_positives,
			.grade = sigma_grade(r->level),
			.left_out = left_out(&j->a, r),
		};
	}
	if (j->yara)
		yara_list(j->yara, &j->a, list_one, j);
}

static int load_yara(struct loading *l, const char *const *from, struct err *err)
{
	int rc = 0;

	l->j->yara = yara_new();
	if (!l->j->yara)
		return err_set(err, ENOMEM, "judge: begin with YARA rules");
	l->one = one_yara;
	l->ending = ".yar";
	l->also = ".yara";
	l->max = YARA_FILE_MAX;
	for (; *from && !rc; from++)
		rc = load_path(l, *from, 0, err);
	return rc ? rc : yara_ready(l->j->yara, err);
}

int judge_load(const struct judge_rules_from *from, void (*bad)(void *ctx, const char *sentence),
	       void *ctx, struct judge **ret, struct err *err)
{
	struct loading l = { .j = xcalloc(1, sizeof(struct judge)), .bad = bad, .ctx = ctx };
	struct journal_reader *empty = NULL;
	int rc = journal_read_empty(&empty, err);

	l.j->sigma = sigma_new();
	sigma_tell(l.j->sigma, bad, ctx);
	if (!rc) {
		l.schema = journal_db(empty);
		rc = sql_functions(l.schema, NULL, NULL);
	}
	if (!rc)
		rc = subject_tables(l.schema, NULL, err);
	l.one = one_sql;
	l.ending = ".sql";
	l.max = SIGMA_FILE_MAX;
	if (!rc && from->sql)
		rc = load_path(&l, from->sql, 0, err);
	l.one = one_sigma;
	l.ending = ".yml";
	for (size_t i = 0; !rc && from->sigma && from->sigma[i]; i++)
		rc = load_path(&l, from->sigma[i], 0, err);
	if (!rc)
		sigma_compile(l.j->sigma);
	if (!rc && from->yara && from->yara[0])
		rc = load_yara(&l, from->yara, err);
	journal_read_close(empty);
	if (rc) {
		judge_free(l.j);
		return rc;
	}
	list_rules(l.j);
	*ret = l.j;
	return 0;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	sigma_free(j->sigma);
	yara_free(j->yara);
	files_free(j->mine.files);
	files_free(j->other.files);
	arena_free(&j->a);
	free(j);
}

size_t judge_rules(const struct judge *j)
{
	return j->ninfo;
}

const struct rule_info *judge_rule(const struct judge *j, size_t i)
{
	return &j->info[i];
}

/* ---- judge -------------------------------------------------------------------------------- */

struct finding *finds_add(struct finds *f)
{
	if (f->n == FINDINGS_MAX) {
		f->left_out++;
		return NULL;
	}
	f->v = vec_grow(f->v, f->n, &f->cap, sizeof(*f->v));
	memset(&f->v[f->n], 0, sizeof(*f->v));
	return &f->v[f->n++];
}

static int compare_str(struct str a, struct str b)
{
	int d = memcmp(a.n ? a.p : "", b.n ? b.p : "", a.n < b.n ? a.n : b.n);

	return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

/* Gravest first; nothing of it depends on addresses or on hash order. */
static int in_order(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	uint64_t s = x->nseqs ? x->seqs[0] : 0, t = y->nseqs ? y->seqs[0] : 0;
	int d;

	if (x->grade != y->grade)
		return x->grade > y->grade ? -1 : 1;
	d = strcmp(x->rule, y->rule);
	if (!d)
		d = compare_str(x->subject, y->subject);
	if (!d)
		d = s < t ? -1 : s > t;
	return d ? d : compare_str(x->detail, y->detail);
}

static bool attached(struct sqlite3 *db)
{
	return sqlite3_db_filename(db, "other") != NULL;
}

static int run_pass(struct judge *j, struct sqlite3 *db, bool after, struct finds *f,
		    struct judgement *v, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < j->nsql && rc >= 0; i++) {
		if (j->sql[i].after != after || (j->sql[i].against && !attached(db)))
			continue;
		rc = sql_rule_run(db, &j->sql[i], f, err);
		v->rules++;
	}
	return rc < 0 ? rc : 0;
}

static int run_sql(struct judge *j, struct journal_reader *r, struct finds *f, struct judgement *v,
		   struct err *err)
{
	struct sqlite3 *db = journal_db(r);
	int rc = sql_functions(db, &j->mine, &j->other)
			 ? err_set(err, EIO, "judge: give functions to SQLite")
			 : 0;

	if (!rc)
		rc = subject_tables(db, f, err);
	if (!rc)
		rc = run_pass(j, db, false, f, v, err);
	if (!rc && subject_signs(db, j, f))
		could_not_run(f, "signs", "what was found could not be put together");
	return rc ? rc : run_pass(j, db, true, f, v, err);
}

static size_t sigma_ready(const struct judge *j)
{
	size_t n = 0;

	for (size_t i = 0; i < sigma_count(j->sigma); i++)
		n += sigma_get(j->sigma, i)->fate == SIGMA_READY;
	return n;
}

int judge_run(struct judge *j, struct journal_reader *r, struct judgement **ret, struct err *err)
{
	struct judgement *v = xcalloc(1, sizeof(*v));
	struct finds f = { 0 };
	int rc;

	files_free(j->mine.files);
	j->mine.files = NULL;
	j->mine.r = r;
	rc = run_sql(j, r, &f, v, err);
	if (!rc && sigma_ready(j)) {
		v->rules += sigma_ready(j);
		rc = sigma_run(j->sigma, r, &f, err);
	}
	if (!rc && yara_count(j->yara)) {
		const struct file_book *b = NULL;

		v->rules += yara_count(j->yara);
		rc = judged_files(&j->mine, &b, err);
		if (!rc)
			yara_run(j->yara, b, j->mine.objects, &f);
	}
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), in_order);
	v->v = f.v;
	v->n = f.n;
	v->left_out = f.left_out;
	v->rules_left_out = sigma_count(j->sigma) - sigma_ready(j);
	v->memory = f.a;
	if (rc) {
		judgement_free(v);
		return rc;
	}
	*ret = v;
	return 0;
}

int judge_attach(struct journal_reader *r, const char *path, struct err *err)
{
	return journal_read_attach(r, path, "other", err);
}

void judge_objects(struct judge *j, const struct object_store *o)
{
	j->mine.objects = o;
}

void judge_other(struct judge *j, struct journal_reader *r, const struct object_store *o)
{
	j->other.r = r;
	j->other.objects = o;
}

const struct file_book *judge_files(const struct judge *j)
{
	return j->mine.files;
}

void judgement_free(struct judgement *v)
{
	if (!v)
		return;
	arena_free(&v->memory);
	free(v->v);
	free(v);
}
