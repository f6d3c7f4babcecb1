// SPDX-License-Identifier: Apache-2.0
/*
 * row_table.c - SQLite's virtual tables, for lists that are read from their begin to their end
 */
#include "judge/row_table.h"

/* What a table is made of, kept by SQLite with the module. */
struct source {
	const struct row_table_def *def;
	void *of;
};

struct table {
	sqlite3_vtab base;
	const struct source *source;
	bool made;
	void *rows;
	size_t n;
};

struct cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static int on_connect(sqlite3 *db, void *aux, int argc UNUSED, const char *const *argv UNUSED,
		      sqlite3_vtab **ret, char **msg UNUSED)
{
	const struct source *source = aux;
	struct table *t = sqlite3_malloc(sizeof(*t));
	int rc = sqlite3_declare_vtab(db, source->def->schema);

	if (rc != SQLITE_OK || !t) {
		sqlite3_free(t);
		return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
	}
	*t = (struct table){ .source = source };
	sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	*ret = &t->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *v)
{
	struct table *t = (struct table *)v;

	if (t->made && t->source->def->free)
		t->source->def->free(t->rows);
	sqlite3_free(t);
	return SQLITE_OK;
}

static int on_plan(sqlite3_vtab *v UNUSED, sqlite3_index_info *info)
{
	info->estimatedCost = 1e6;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *v UNUSED, sqlite3_vtab_cursor **ret)
{
	struct cursor *c = sqlite3_malloc(sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	memset(c, 0, sizeof(*c));
	*ret = &c->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *c)
{
	sqlite3_free(c);
	return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *c, int idx UNUSED, const char *name UNUSED,
		     int argc UNUSED, sqlite3_value **argv UNUSED)
{
	struct table *t = (struct table *)c->pVtab;

	((struct cursor *)c)->at = 0;
	if (t->made)
		return SQLITE_OK;
	if (t->source->def->make(t->source->of, &t->rows, &t->n))
		return SQLITE_IOERR;
	t->made = true;
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *c)
{
	((struct cursor *)c)->at++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *c)
{
	return ((struct cursor *)c)->at >= ((struct table *)c->pVtab)->n;
}

static int on_column(sqlite3_vtab_cursor *c, sqlite3_context *ctx, int column)
{
	const struct table *t = (const struct table *)c->pVtab;

	t->source->def->column(t->rows, ((struct cursor *)c)->at, ctx, column);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)((struct cursor *)c)->at;
	return SQLITE_OK;
}

int row_table(struct sqlite3 *db, const char *name, const struct row_table_def *def, void *of)
{
	static const sqlite3_module module = {
		.xConnect = on_connect,
		.xDisconnect = on_disconnect,
		.xBestIndex = on_plan,
		.xOpen = on_open,
		.xClose = on_close,
		.xFilter = on_filter,
		.xNext = on_next,
		.xEof = on_eof,
		.xColumn = on_column,
		.xRowid = on_rowid,
	};
	struct source *source = xmalloc(sizeof(*source));

	*source = (struct source){ def, of };
	/* SQLite frees it, also when this fails */
	return sqlite3_create_module_v2(db, name, &module, source, free) == SQLITE_OK ? 0 : -EIO;
}

void row_table_text(sqlite3_context *ctx, struct str s)
{
	if (s.n)
		sqlite3_result_text(ctx, s.p, (int)s.n, SQLITE_TRANSIENT);
}
