// SPDX-License-Identifier: Apache-2.0
/*
 * schema_check.c - name the table or view that differs from what belljar makes
 */
#include <sqlite3.h>

#include "journal/schema.h"
#include "journal/schema_image.h"

static bool same_object(sqlite3_stmt *a, sqlite3_stmt *b)
{
	for (int i = 0; i < 4; i++) {
		int n = sqlite3_column_bytes(a, i);

		if (sqlite3_column_type(a, i) != sqlite3_column_type(b, i) ||
		    n != sqlite3_column_bytes(b, i) ||
		    (n && memcmp(sqlite3_column_blob(a, i), sqlite3_column_blob(b, i), (size_t)n)))
			return false;
	}
	return true;
}

static int name_order(sqlite3_stmt *a, sqlite3_stmt *b)
{
	int c = 0;

	for (int i = 0; i < 2 && !c; i++)
		c = strcmp((const char *)sqlite3_column_text(a, i) ?: "",
			   (const char *)sqlite3_column_text(b, i) ?: "");
	return c;
}

static void say_object(sqlite3_stmt *st, const char *what, char *out, size_t room)
{
	/* cut here; control bytes are made visible where the sentence is built */
	snprintf(out, room, "%.10s '%.80s' was %s",
		 sqlite3_column_text(st, 0) ?: (const unsigned char *)"object",
		 sqlite3_column_text(st, 1) ?: (const unsigned char *)"", what);
}

static int compare(struct sqlite3 *db, char *ret_what, size_t room, struct err *err)
{
	sqlite3_stmt *is = NULL, *must = NULL;
	sqlite3 *model = NULL;
	int a, b, rc;

	if (sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    schema_create(model) != SQLITE_OK ||
	    sqlite3_prepare_v2(model, SCHEMA_OBJECTS_SQL, -1, &must, NULL) != SQLITE_OK) {
		rc = db_fail(model, SQLITE_ERROR, "make the model schema", err);
		sqlite3_close(model);
		return rc;
	}
	rc = sqlite3_prepare_v2(db, SCHEMA_OBJECTS_SQL, -1, &is, NULL);
	a = rc == SQLITE_OK ? sqlite3_step(is) : rc;
	b = sqlite3_step(must);
	rc = 0;
	while (!rc && (a == SQLITE_ROW || b == SQLITE_ROW)) {
		int c = a != SQLITE_ROW ? 1 : b != SQLITE_ROW ? -1 : name_order(is, must);

		if (a != SQLITE_ROW && a != SQLITE_DONE)
			break;
		if (!c && same_object(is, must)) {
			a = sqlite3_step(is);
			b = sqlite3_step(must);
			continue;
		}
		say_object(c <= 0 ? is : must,
			   c < 0   ? "added"
			   : c > 0 ? "removed"
				   : "changed",
			   ret_what, room);
		rc = -EBADMSG;
	}
	if (!rc && a != SQLITE_DONE)
		rc = db_fail(db, a, "read the schema", err);
	sqlite3_finalize(is);
	sqlite3_finalize(must);
	sqlite3_close(model);
	return rc;
}

int schema_check(struct sqlite3 *db, char *ret_what, size_t room, struct err *err)
{
	uint8_t hash[SHA256_LEN];
	int rc = schema_hash(db, hash, err);

	/* the usual case, without making a model */
	if (rc || !memcmp(hash, schema_image_hash, SHA256_LEN))
		return rc;
	snprintf(ret_what, room, "its format was changed"); /* application_id, user_version */
	rc = compare(db, ret_what, room, err);
	return rc ? rc : -EBADMSG;
}
