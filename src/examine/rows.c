// SPDX-License-Identifier: Apache-2.0
/*
 * rows.c - rows of the record, read while it grows
 */
#include "examine/inner.h"

int rows_each(struct journal_reader *r, const struct rows *q, struct err *err)
{
	sqlite3 *db = journal_db(r);
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, q->sql, -1, &st, NULL);

	for (int i = 0; rc == SQLITE_OK && i < sqlite3_bind_parameter_count(st); i++)
		rc = sqlite3_bind_int64(st, i + 1, q->bind[i]);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		q->take(q->to, st);
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		err_set(err, EIO, "examine: read the %s of the record: %s", q->what,
			sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

int rows_read(struct exam *x, const struct rows *q, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/journal.db", box_path(x->s.box));
	struct journal_reader *r = NULL;
	int rc = journal_sync(x->s.journal, err);

	if (!rc)
		rc = journal_read_open(path, &r, err);
	if (!rc)
		rc = rows_each(r, q, err);
	journal_read_close(r);
	return rc;
}
