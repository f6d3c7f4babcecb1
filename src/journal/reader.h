// SPDX-License-Identifier: Apache-2.0
/*
 * reader.h - an open journal, as reader.c, read.c and verify.c share it (inside the room)
 */
#ifndef BELLJAR_JOURNAL_READER_H
#define BELLJAR_JOURNAL_READER_H

#include "journal/chain.h"
#include "journal/spool.h"

struct sqlite3_stmt;

enum head_state { HEAD_RIGHT, HEAD_MISSING, HEAD_DAMAGED, HEAD_FORGED, HEAD_OTHER };

struct journal_reader {
	struct sqlite3 *db;
	bool in_memory;		/* no file yet: made from the spool alone */
	bool older;		/* has the schema of an older belljar, and the head says so */
	bool live;		/* a writer has it open */
	uint64_t last_seq;	/* last event in SQLite */
	uint8_t *copy;		/* of the spool */
	struct spool_view left; /* its events behind last_seq, all of them decode */
	uint64_t left_count;
	bool left_torn; /* something follows them that does not decode */
	enum head_state head_state;
	struct head head; /* the signed head, when right */
	uint8_t id[ID_LEN];
	struct block last;
	bool cut;
};

/** row_event() - the event in a row of schema_select_sql(). Return: 0; -EBADMSG for a row that no
 * event can have made */
int row_event(struct sqlite3_stmt *st, enum event_kind kind, struct event *ret);

/** struct cursors - rows of all tables, merged by number */
struct cursors;
int cursors_open(struct journal_reader *r, const struct journal_filter *f, struct cursors **ret,
		 struct err *err);
/** cursors_next() - Return: 1 with an event; 0 at the end; -EBADMSG with @ret->seq and ->kind set;
 * other -errno */
int cursors_next(struct cursors *c, struct event *ret, struct err *err);
void cursors_close(struct cursors *c);

/** left_next() - the next event of the spool. Return: false at the end */
bool left_next(struct spool_view *view, uint64_t after_seq, struct event *ret);

#endif
