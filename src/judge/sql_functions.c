// SPDX-License-Identifier: Apache-2.0
/*
 * sql_functions.c - what SQL rules can call beside SQLite's own functions
 */
#include <math.h>
#include <sqlite3.h>

#include "judge/came.h"
#include "judge/contacts.h"
#include "judge/inner.h"
#include "judge/look.h"

#define EDIT_MAX 512 /* bytes of each text that are compared */

static struct str arg(sqlite3_value *v)
{
	const char *p = sqlite3_value_blob(v);

	return (struct str){ p ? p : "", p ? (size_t)sqlite3_value_bytes(v) : 0 };
}

/* Shannon's, bits a byte: 0 … 8. */
static void fn_entropy(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str s = arg(v[0]);
	size_t count[256] = { 0 };
	double h = 0;

	for (size_t i = 0; i < s.n; i++)
		count[(unsigned char)s.p[i]]++;
	for (int i = 0; i < 256; i++)
		if (count[i])
			h -= (double)count[i] / (double)s.n * log2((double)count[i] / (double)s.n);
	sqlite3_result_double(ctx, h);
}

/* Levenshtein's, over the first EDIT_MAX bytes. */
static void fn_edit_distance(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str a = arg(v[0]), b = arg(v[1]);
	unsigned row[EDIT_MAX + 1] = { 0 };

	a.n = a.n > EDIT_MAX ? EDIT_MAX : a.n;
	b.n = b.n > EDIT_MAX ? EDIT_MAX : b.n;
	for (size_t k = 0; k <= b.n; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b.n; k++) {
			unsigned best = diagonal + (a.p[i - 1] != b.p[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	sqlite3_result_int(ctx, (int)row[b.n]);
}

static size_t last_slash(struct str s)
{
	size_t at = s.n;

	while (at && s.p[at - 1] != '/' && s.p[at - 1] != '\\')
		at--;
	return at;
}

static void fn_base_name(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str s = arg(v[0]);
	size_t at = last_slash(s);

	sqlite3_result_text(ctx, s.p + at, (int)(s.n - at), SQLITE_TRANSIENT);
}

static void fn_dir_name(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str s = arg(v[0]);
	size_t at = last_slash(s);

	sqlite3_result_text(ctx, s.p, (int)(at > 1 ? at - 1 : at), SQLITE_TRANSIENT);
}

static void fn_registrable_domain(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	char domain[256];

	registrable_domain(arg(v[0]), domain, sizeof(domain));
	sqlite3_result_text(ctx, domain, -1, SQLITE_TRANSIENT);
}

static void fn_below_domain(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str below = below_domain(arg(v[0]));

	sqlite3_result_text(ctx, below.p, (int)below.n, SQLITE_TRANSIENT);
}

/* regular_words(period, jitter, p) */
static void fn_regular_words(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	cleanup_buf struct buf o = { 0 };

	regular_words(&o, sqlite3_value_double(v[0]), sqlite3_value_double(v[1]),
		      sqlite3_value_double(v[2]));
	sqlite3_result_text(ctx, buf_z(&o), (int)o.n, SQLITE_TRANSIENT);
}

/* came_in(content, file): hashes of kept bytes; 1 the same, 0 not, NULL cannot be said */
static void fn_came_in(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	const struct judged *d = sqlite3_user_data(ctx);
	const char *content = (const char *)sqlite3_value_text(v[0]);
	const char *file = (const char *)sqlite3_value_text(v[1]);
	struct mapped c, f;
	enum came came;

	if (!d || !content || !file || object_map(d->objects, content, &c))
		return;
	if (!object_map(d->objects, file, &f)) {
		came = came_in((struct str){ c.p, c.n }, (struct str){ f.p, f.n });
		if (came != CAME_UNKNOWN)
			sqlite3_result_int(ctx, came == CAME_SAME);
		object_unmap(&f);
	}
	object_unmap(&c);
}

/* Of functions with commas those of one class. */
static void fn_imports_for(sqlite3_context *ctx, int n UNUSED, sqlite3_value **v)
{
	struct str rest = arg(v[0]), class = arg(v[1]);
	cleanup_buf struct buf out = { 0 };

	while (rest.n) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct str name = { rest.p, comma ? (size_t)(comma - rest.p) : rest.n };

		if (import_is_for(name, class)) {
			buf_puts(&out, out.n ? ", " : "");
			buf_add(&out, name.p, name.n);
		}
		rest.p += comma ? name.n + 1 : name.n;
		rest.n -= comma ? name.n + 1 : name.n;
	}
	sqlite3_result_text(ctx, buf_z(&out), (int)out.n, SQLITE_TRANSIENT);
}

int sql_functions(struct sqlite3 *db, struct judged *mine, struct judged *other)
{
	static const struct {
		const char *name;
		int nargs;
		void (*fn)(sqlite3_context *ctx, int n, sqlite3_value **v);
	} functions[] = {
		{ "entropy", 1, fn_entropy },
		{ "edit_distance", 2, fn_edit_distance },
		{ "base_name", 1, fn_base_name },
		{ "dir_name", 1, fn_dir_name },
		{ "registrable_domain", 1, fn_registrable_domain },
		{ "below_domain", 1, fn_below_domain },
		{ "came_in", 2, fn_came_in },
		{ "regular_words", 3, fn_regular_words },
		{ "imports_for", 2, fn_imports_for },
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		int rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].nargs,
						    SQLITE_UTF8 | SQLITE_DETERMINISTIC |
							    SQLITE_INNOCUOUS,
						    mine, functions[i].fn, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return -EIO;
	}
	if (file_table(db, "file_info", mine) || file_table(db, "other_file_info", other))
		return -EIO;
	return beacon_table(db, mine ? mine->r : NULL);
}
