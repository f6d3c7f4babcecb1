// SPDX-License-Identifier: Apache-2.0
/*
 * beacon_table.c - the table `beacon`: series of contacts and what the beacon test says of them
 *
 * A virtual table without arguments, made from the journal when it is first asked for, so that SQL
 * rules can join regularity with process, name, port and what policy said.
 */
#include <sqlite3.h>

#include "judge/contacts.h"
#include "judge/inner.h"

static const char schema[] =
	"CREATE TABLE beacon(what TEXT, key TEXT, image TEXT, parent_image TEXT, destination TEXT,"
	" name TEXT, protocol TEXT, port INTEGER, answer TEXT, proc INTEGER, contacts INTEGER,"
	" seconds REAL, period REAL, jitter REAL, p REAL, blocks INTEGER, flagged INTEGER,"
	" regular_start INTEGER, same_size REAL, evidence TEXT)";

enum {
	WHAT,
	KEY,
	IMAGE,
	PARENT_IMAGE,
	DESTINATION,
	NAME,
	PROTOCOL,
	PORT,
	ANSWER,
	PROC,
	CONTACTS,
	SECONDS,
	PERIOD,
	JITTER,
	P,
	BLOCKS,
	FLAGGED,
	REGULAR_START,
	SAME_SIZE,
	EVIDENCE
};

struct table {
	sqlite3_vtab base;
	struct journal_reader *r;
	struct contact_book *book;
	struct beacon *result;
};

struct cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static int on_connect(sqlite3 *db, void *aux, int argc UNUSED, const char *const *argv UNUSED,
		      sqlite3_vtab **ret, char **msg UNUSED)
{
	struct table *t = sqlite3_malloc(sizeof(*t));
	int rc = sqlite3_declare_vtab(db, schema);

	if (rc != SQLITE_OK || !t) {
		sqlite3_free(t);
		return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
	}
	memset(t, 0, sizeof(*t));
	t->r = aux;
	sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	*ret = &t->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *v)
{
	struct table *t = (struct table *)v;

	contact_book_free(t->book);
	free(t->result);
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

static int take(void *ctx, const struct event *ev)
{
	contact_book_event(ctx, ev);
	return 0;
}

static int make_rows(struct table *t)
{
	const struct journal_filter f = { .kinds = 1u << EV_RUN_BEGIN | 1u << EV_PROCESS |
						   1u << EV_FLOW | 1u << EV_BURST | 1u << EV_DNS };
	struct err err = { 0 };

	t->book = contact_book_new();
	if (t->r && journal_read(t->r, &f, take, t->book, &err))
		return SQLITE_IOERR;
	t->result = xcalloc(contact_book_series(t->book) + 1, sizeof(*t->result));
	for (size_t i = 0; i < contact_book_series(t->book); i++) {
		const struct contacts *c = contact_book_get(t->book, i);

		beacon_test(c->t, c->n, &t->result[i]);
	}
	return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *c, int idx UNUSED, const char *name UNUSED,
		     int argc UNUSED, sqlite3_value **argv UNUSED)
{
	struct table *t = (struct table *)c->pVtab;

	((struct cursor *)c)->at = 0;
	return t->book ? SQLITE_OK : make_rows(t);
}

static int on_next(sqlite3_vtab_cursor *c)
{
	((struct cursor *)c)->at++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *c)
{
	return ((struct cursor *)c)->at >= contact_book_series(((struct table *)c->pVtab)->book);
}

static void give_text(sqlite3_context *ctx, struct str s)
{
	if (s.n)
		sqlite3_result_text(ctx, s.p, (int)s.n, SQLITE_TRANSIENT);
}

static void give_evidence(sqlite3_context *ctx, const struct contacts *c)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < c->nseqs; i++)
		buf_printf(&b, "%s%llu", i ? "," : "", (unsigned long long)c->seq[i]);
	give_text(ctx, (struct str){ buf_z(&b), b.n });
}

static int on_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column)
{
	static const char *const whats[] = { "connection", "burst", "dns" };
	static const char *const keys[] = { "name", "address", "undeclared" };
	const struct table *t = (struct table *)cur->pVtab;
	const struct contacts *c = contact_book_get(t->book, ((struct cursor *)cur)->at);
	const struct beacon *b = &t->result[((struct cursor *)cur)->at];
	const struct str texts[] = {
		[IMAGE] = c->image,
		[PARENT_IMAGE] = c->parent_image,
		[DESTINATION] = c->destination,
		[NAME] = c->name,
		[PROTOCOL] = c->protocol,
		[PORT] = { 0 },
		[ANSWER] = c->answer,
	};
	const double numbers[] = {
		[PORT] = (double)c->port,
		[PROC] = c->proc,
		[CONTACTS] = (double)(b->too_few ? c->all : b->contacts),
		[SECONDS] = c->n ? c->t[c->n - 1] - c->t[0] : 0,
		[PERIOD] = b->period,
		[JITTER] = b->jitter,
		[P] = b->p,
		[BLOCKS] = (double)b->blocks,
		[FLAGGED] = (double)b->flagged,
		[REGULAR_START] = (double)b->regular_start,
		[SAME_SIZE] = c->sizes > 1 ? (double)c->same / (double)(c->sizes - 1) : 0,
	};

	if (column == WHAT)
		sqlite3_result_text(ctx, whats[c->what], -1, SQLITE_STATIC);
	else if (column == KEY)
		sqlite3_result_text(ctx, keys[c->by], -1, SQLITE_STATIC);
	else if (column == EVIDENCE)
		give_evidence(ctx, c);
	else if (column < (int)ARRAY_SIZE(texts) && column != PORT)
		give_text(ctx, texts[column]);
	else if (column == SECONDS || (column >= PERIOD && column <= P) || column == SAME_SIZE)
		sqlite3_result_double(ctx, numbers[column]);
	else
		sqlite3_result_int64(ctx, (sqlite3_int64)numbers[column]);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)((struct cursor *)c)->at;
	return SQLITE_OK;
}

int beacon_table(struct sqlite3 *db, struct journal_reader *r)
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

	return sqlite3_create_module_v2(db, "beacon", &module, r, NULL) == SQLITE_OK ? 0 : -EIO;
}
