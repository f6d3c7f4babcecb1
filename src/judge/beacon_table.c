// SPDX-License-Identifier: Apache-2.0
/*
 * beacon_table.c - the table `beacon`: series of contacts and what the beacon test says of them
 *
 * Made from the journal, so that SQL rules can join regularity with process, name, port and what
 * policy said.
 */
#include "judge/contacts.h"
#include "judge/inner.h"
#include "judge/row_table.h"

static const char schema[] =
	"CREATE TABLE beacon(what TEXT, key TEXT, image TEXT, parent_image TEXT, destination TEXT,"
	" name TEXT, protocol TEXT, port INTEGER, answer TEXT, proc INTEGER, contacts INTEGER,"
	" seconds REAL, period REAL, jitter REAL, p REAL, blocks INTEGER, flagged INTEGER,"
	" regular_start INTEGER, same_size REAL, evidence TEXT, source_port INTEGER,"
	" routine TEXT)";

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
	EVIDENCE,
	SOURCE_PORT,
	ROUTINE
};

struct rows {
	struct contact_book *book;
	struct beacon *result; /* of each series */
};

static int take(void *ctx, const struct event *ev)
{
	contact_book_event(ctx, ev);
	return 0;
}

static void free_rows(void *p)
{
	struct rows *rows = p;

	contact_book_free(rows->book);
	free(rows->result);
	free(rows);
}

static int make(void *journal, void **ret_rows, size_t *ret_n)
{
	const struct journal_filter f = { .kinds = 1u << EV_RUN_BEGIN | 1u << EV_CLOCK |
						   1u << EV_PROCESS | 1u << EV_FLOW |
						   1u << EV_BURST | 1u << EV_DNS };
	struct rows *rows = xcalloc(1, sizeof(*rows));
	struct err err = { 0 };
	size_t n;

	rows->book = contact_book_new();
	if (journal && journal_read(journal, &f, take, rows->book, &err)) {
		free_rows(rows);
		return -EIO;
	}
	contact_book_end(rows->book);
	n = contact_book_series(rows->book);
	rows->result = xcalloc(n + 1, sizeof(*rows->result));
	for (size_t i = 0; i < n; i++) {
		const struct contacts *c = contact_book_get(rows->book, i);

		beacon_test(c->t, c->n, &rows->result[i]);
	}
	*ret_rows = rows;
	*ret_n = n;
	return 0;
}

static void give_evidence(sqlite3_context *ctx, const struct contacts *c)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < c->nseqs; i++)
		buf_printf(&b, "%s%llu", i ? "," : "", (unsigned long long)c->seq[i]);
	row_table_text(ctx, (struct str){ buf_z(&b), b.n });
}

static void column(const void *p, size_t i, sqlite3_context *ctx, int column)
{
	static const char *const whats[] = { "connection", "burst", "dns" };
	static const char *const keys[] = { "name", "address", "undeclared" };
	const struct rows *rows = p;
	const struct contacts *c = contact_book_get(rows->book, i);
	const struct beacon *b = &rows->result[i];
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
	else if (column == SOURCE_PORT && c->source)
		sqlite3_result_int64(ctx, c->source);
	else if (column == SOURCE_PORT)
		sqlite3_result_null(ctx);
	else if (column == ROUTINE)
		row_table_text(ctx, routine_all(&c->routine));
	else if (column < (int)ARRAY_SIZE(texts) && column != PORT)
		row_table_text(ctx, texts[column]);
	else if (column == SECONDS || (column >= PERIOD && column <= P) || column == SAME_SIZE)
		sqlite3_result_double(ctx, numbers[column]);
	else
		sqlite3_result_int64(ctx, (sqlite3_int64)numbers[column]);
}

int beacon_table(struct sqlite3 *db, struct journal_reader *r)
{
	static const struct row_table_def def = { schema, make, column, free_rows };

	return row_table(db, "beacon", &def, r);
}
