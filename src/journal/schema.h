// SPDX-License-Identifier: Apache-2.0
/*
 * schema.h - tables, views and meta rows of a journal file (inside the journal room)
 */
#ifndef BELLJAR_JOURNAL_SCHEMA_H
#define BELLJAR_JOURNAL_SCHEMA_H

#include "journal/journal.h"

struct sqlite3_stmt;

#define JOURNAL_FORMAT	       1
#define JOURNAL_APPLICATION_ID 0x426a6172 /* 'Bjar' */

#define SCHEMA_OBJECTS_SQL                                                                         \
	"SELECT type,name,tbl_name,sql FROM sqlite_schema ORDER BY type,name,tbl_name,sql"

/** schema_create() - make all tables and views in an empty database. Return: SQLite's code */
int schema_create(struct sqlite3 *db);

/**
 * schema_hash() - SHA-256 over application_id, user_version and type, name, table and SQL of each
 * object, in the order of type and name. Return: 0 or -errno with a sentence
 */
int schema_hash(struct sqlite3 *db, uint8_t out[SHA256_LEN], struct err *err);

/**
 * schema_check() - whether the objects are those that schema_create() makes
 * @ret_what: "table 'x' was added", … ; at least 256 bytes
 *
 * Return: 0; -EBADMSG with @ret_what; other -errno with a sentence in @err.
 */
int schema_check(struct sqlite3 *db, char *ret_what, size_t room, struct err *err);

/** schema_upgrade() - add what an older journal has not; in a transaction of the caller, who
 * checks the result. Return: SQLite's code */
int schema_upgrade(struct sqlite3 *db);

/** schema_insert_sql(), schema_select_sql() - for one kind; the caller frees */
char *schema_insert_sql(const struct kind_def *def);
char *schema_select_sql(const struct kind_def *def, const char *where);

/** event_insert() - run a statement of schema_insert_sql(). Return: SQLite's code */
int event_insert(struct sqlite3_stmt *st, const struct event *ev);

/** db_fail() - a failed SQLite call as an error; SQLITE_FULL is -ENOSPC, damage is -EBADMSG */
int db_fail(struct sqlite3 *db, int rc, const char *what, struct err *err);

/** db_harden() - no extensions, no writable schema, no code from the schema, named limits */
void db_harden(struct sqlite3 *db);
#define DB_LENGTH_MAX (64 << 20) /* longest value that a query may make */

#endif
