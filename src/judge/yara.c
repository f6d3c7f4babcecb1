// SPDX-License-Identifier: Apache-2.0
/*
 * yara.c - libyara over kept files: compile before the lockdown, scan after it
 *
 * A file of rules is compiled alone first: an error makes libyara's compiler useless, and the
 * other files' rules shall be asked all the same. `include` is off, since rules may be somebody
 * else's and would open files by it. A match is one sign: at most a concern.
 */
#include <yara.h>

#include "judge/yara.h"

struct yara {
	YR_COMPILER *compiler;
	YR_RULES *rules;
	struct arena a;
	char **file; /* by number of the namespace */
	size_t n, cap;
	size_t count;
};

/* Names that public rules take for granted (THOR, LOKI). */
static const char *const externals[] = { "filename", "filepath", "extension", "filetype", "owner" };

/* ---- compile ------------------------------------------------------------------------------ */

struct fault {
	int line;
	char text[300];
};

static void on_fault(int level, const char *file UNUSED, int line, const YR_RULE *rule UNUSED,
		     const char *message, void *ctx)
{
	struct fault *f = ctx;

	if (level != YARA_ERROR_LEVEL_ERROR || f->line)
		return;
	f->line = line > 0 ? line : 1;
	snprintf(f->text, sizeof(f->text), "%s", message);
}

static YR_COMPILER *compiler(struct fault *f)
{
	YR_COMPILER *c = NULL;

	if (yr_compiler_create(&c) != ERROR_SUCCESS)
		return NULL;
	yr_compiler_set_callback(c, on_fault, f);
	yr_compiler_set_include_callback(c, NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(externals); i++)
		yr_compiler_define_string_variable(c, externals[i], "");
	return c;
}

struct yara *yara_new(void)
{
	struct yara *y = xcalloc(1, sizeof(*y));

	if (yr_initialize() != ERROR_SUCCESS) {
		free(y);
		return NULL;
	}
	y->compiler = compiler(&(struct fault){ 0 });
	return y;
}

void yara_free(struct yara *y)
{
	if (!y)
		return;
	if (y->rules)
		yr_rules_destroy(y->rules);
	if (y->compiler)
		yr_compiler_destroy(y->compiler);
	yr_finalize();
	arena_free(&y->a);
	free(y->file);
	free(y);
}

int yara_add(struct yara *y, const char *file, struct str text, struct err *err)
{
	struct fault f = { 0 };
	YR_COMPILER *alone = compiler(&f);
	char space[24];
	int bad;

	if (!alone || !y->compiler)
		return err_set(err, ENOMEM, "judge: compile '%s'", file);
	if (memchr(text.p, 0, text.n)) {
		yr_compiler_destroy(alone);
		return err_set_exit(err, EXIT_USAGE, EINVAL, "judge: %s:1: this is no text", file);
	}
	bad = yr_compiler_add_string(alone, text.p, "0");
	yr_compiler_destroy(alone);
	if (bad)
		return err_set_exit(err, EXIT_USAGE, 0, "judge: %s:%d: %s", file, f.line, f.text)
			       ? -EINVAL
			       : 0;
	/* rules of two files may have one name: each file is a namespace */
	snprintf(space, sizeof(space), "%zu", y->n);
	y->file = vec_grow(y->file, y->n, &y->cap, sizeof(*y->file));
	y->file[y->n++] = (char *)arena_str(&y->a, (struct str){ file, strlen(file) + 1 }).p;
	if (yr_compiler_add_string(y->compiler, text.p, space))
		return err_set_exit(err, EXIT_USAGE, EINVAL, "judge: compile '%s'", file);
	return 0;
}

int yara_ready(struct yara *y, struct err *err)
{
	YR_RULE *rule;

	if (!y->compiler || yr_compiler_get_rules(y->compiler, &y->rules) != ERROR_SUCCESS)
		return err_set(err, ENOMEM, "judge: put YARA rules together");
	yr_rules_foreach(y->rules, rule)
	{
		y->count += !RULE_IS_PRIVATE(rule);
	}
	return 0;
}

size_t yara_count(const struct yara *y)
{
	return y ? y->count : 0;
}

/* ---- a rule's words ----------------------------------------------------------------------- */

static const char *meta_text(YR_RULE *rule, const char *const *names)
{
	YR_META *m;

	for (; *names; names++)
		yr_rule_metas_foreach(rule, m)
		{
			if (m->type == META_TYPE_STRING && !strcasecmp(m->identifier, *names))
				return m->string;
		}
	return NULL;
}

static enum grade grade_of(YR_RULE *rule)
{
	static const char *const severity[] = { "severity", "level", NULL };
	const char *level = meta_text(rule, severity);
	YR_META *m;

	if (level)
		return sigma_grade(level);
	yr_rule_metas_foreach(rule, m)
	{
		if (m->type == META_TYPE_INTEGER && !strcasecmp(m->identifier, "score"))
			return m->integer >= 60	  ? GRADE_CONCERN
			       : m->integer >= 40 ? GRADE_NOTE
						  : GRADE_FACT;
	}
	return GRADE_CONCERN;
}

static const char *kept(struct arena *a, const char *z)
{
	return z ? arena_str(a, (struct str){ z, strlen(z) + 1 }).p : NULL;
}

static struct rule_info info_of(const struct yara *y, struct arena *a, YR_RULE *rule)
{
	static const char *const why[] = { "description", "desc", NULL };
	static const char *const innocent[] = { "falsepositives", "falsepositive",
						"false_positives", NULL };
	static const char *const attack[] = { "mitre_attack", "attack", "mitre", NULL };
	size_t space = strtoul(rule->ns->name, NULL, 10);

	return (struct rule_info){
		.kind = RULE_YARA,
		.id = kept(a, rule->identifier),
		.title = kept(a, rule->identifier),
		.file = space < y->n ? y->file[space] : "",
		.attack = kept(a, meta_text(rule, attack)),
		.why = kept(a, meta_text(rule, why)),
		.innocent = kept(a, meta_text(rule, innocent)),
		.grade = grade_of(rule),
	};
}

void yara_list(const struct yara *y, struct arena *a,
	       void (*fn)(void *ctx, const struct rule_info *info), void *ctx)
{
	YR_RULE *rule;

	yr_rules_foreach(y->rules, rule)
	{
		if (!RULE_IS_PRIVATE(rule)) {
			struct rule_info info = info_of(y, a, rule);

			fn(ctx, &info);
		}
	}
}

/* ---- scan --------------------------------------------------------------------------------- */

struct scanning {
	const struct yara *y;
	const struct file_info *file;
	struct finds *f;
};

static struct str where(struct arena *a, YR_SCAN_CONTEXT *context, YR_RULE *rule)
{
	cleanup_buf struct buf b = { .limit = SQL_SUBJECT_MAX };
	YR_STRING *s;
	YR_MATCH *m;
	int n = 0;

	yr_rule_strings_foreach(rule, s)
	{
		yr_string_matches_foreach(context, s, m)
		{
			if (n++ < YARA_SHOWN_MAX)
				buf_printf(&b, "%s%s at byte %lld", b.n ? ", " : "", s->identifier,
					   (long long)(m->base + m->offset));
			break;
		}
	}
	if (n > YARA_SHOWN_MAX)
		buf_printf(&b, ", and %d more", n - YARA_SHOWN_MAX);
	return arena_str(a, (struct str){ b.n ? buf_z(&b) : "", b.n });
}

static void evidence(struct finds *f, struct finding *x, const struct file_info *file)
{
	uint64_t *seq = arena_alloc(&f->a, sizeof(*seq));

	*seq = file->seq;
	x->seqs = seq;
	x->nseqs = x->count = 1;
	x->proc = file->proc;
	x->subject = arena_str(&f->a, file->path);
}

static int on_message(YR_SCAN_CONTEXT *context, int message, void *data, void *ctx)
{
	struct scanning *s = ctx;
	YR_RULE *rule = data;
	struct rule_info info;
	struct finding *x;

	if (message != CALLBACK_MSG_RULE_MATCHING)
		return CALLBACK_CONTINUE;
	x = finds_add(s->f);
	if (!x)
		return CALLBACK_ABORT;
	info = info_of(s->y, &s->f->a, rule);
	x->kind = RULE_YARA;
	x->grade = info.grade;
	x->rule = info.id;
	x->title = info.title;
	x->why = info.why;
	x->innocent = info.innocent;
	x->attack = info.attack;
	x->detail = where(&s->f->a, context, rule);
	evidence(s->f, x, s->file);
	return CALLBACK_CONTINUE;
}

static void could_not_scan(struct finds *f, const struct file_info *file, const char *why)
{
	struct finding *x = finds_add(f);

	if (!x)
		return;
	x->kind = RULE_BUILTIN;
	x->grade = GRADE_FACT;
	x->rule = "belljar-yara-stopped";
	x->title = "YARA rules were not asked about all of a file";
	x->why = "What these rules look for may be in it all the same.";
	x->detail = arena_str(&f->a, str_z(why));
	evidence(f, x, file);
}

static void set_names(YR_SCANNER *scanner, struct arena *a, const struct file_info *f)
{
	const char *path = arena_str(a, (struct str){ f->path.p, f->path.n }).p, *base, *dot;

	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	yr_scanner_define_string_variable(scanner, "filepath", path);
	yr_scanner_define_string_variable(scanner, "filename", base);
	yr_scanner_define_string_variable(scanner, "extension", dot ? dot : "");
}

static void scan_file(YR_SCANNER *scanner, struct scanning *s, const struct object_store *o)
{
	struct arena names = { 0 };
	struct mapped m;
	int rc;

	if (object_map(o, s->file->sha256, &m)) {
		if (s->file->kept)
			could_not_scan(s->f, s->file, "its bytes are not there");
		return;
	}
	set_names(scanner, &names, s->file);
	yr_scanner_set_callback(scanner, on_message, s);
	rc = yr_scanner_scan_mem(scanner, (const uint8_t *)m.p, m.n);
	if (rc == ERROR_SCAN_TIMEOUT)
		could_not_scan(s->f, s->file, "it took too long");
	else if (rc != ERROR_SUCCESS && rc != ERROR_CALLBACK_ERROR)
		could_not_scan(s->f, s->file, "libyara gave up on it");
	object_unmap(&m);
	arena_free(&names);
}

void yara_run(const struct yara *y, const struct file_book *b, const struct object_store *o,
	      struct finds *f)
{
	uint64_t end = clock_mono_ns() + YARA_TOTAL_SECONDS * NSEC_PER_SEC;
	YR_SCANNER *scanner = NULL;

	if (yr_scanner_create(y->rules, &scanner) != ERROR_SUCCESS)
		return;
	yr_scanner_set_timeout(scanner, YARA_FILE_SECONDS);
	yr_scanner_set_flags(scanner, SCAN_FLAGS_REPORT_RULES_MATCHING);
	for (size_t i = 0; i < b->n; i++) {
		struct scanning s = { y, &b->v[i], f };

		if (b->v[i].again)
			continue;
		if (clock_mono_ns() > end) {
			could_not_scan(f, &b->v[i], "all files together took too long");
			break;
		}
		scan_file(scanner, &s, o);
	}
	yr_scanner_destroy(scanner);
}
