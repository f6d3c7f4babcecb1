// SPDX-License-Identifier: Apache-2.0
/*
 * rows.h - the journal's events in the words of Sigma's taxonomy, one at a time
 *
 * The same rows and columns as the journal's views (doc/JOURNAL.md), made while events stream by,
 * without SQL: a process table keeps each process's last exec. A test holds both against each
 * other.
 */
#ifndef BELLJAR_JUDGE_ROWS_H
#define BELLJAR_JUDGE_ROWS_H

#include "base/base.h"
#include "journal/journal.h"

#define ROW_FIELDS_MAX 24
#define ROW_NONE       (-1) /* no such field */
#define ROW_ANY	       (-2) /* all fields: keywords */
#define ROW_PROCS_MAX  4000000

enum row_cat {
	ROW_PROCESS_CREATION,
	ROW_FILE_EVENT,
	ROW_FILE_CHANGE,
	ROW_FILE_DELETE,
	ROW_FILE_RENAME,
	ROW_NETWORK_CONNECTION,
	ROW_DNS_QUERY,
	ROW_IMAGE_LOAD,
	ROW_REGISTRY_ADD,
	ROW_REGISTRY_DELETE,
	ROW_REGISTRY_EVENT,
	ROW_REGISTRY_RENAME,
	ROW_REGISTRY_SET,
	ROW_PROXY,
	ROW_CATS
};

/** row_cat_name() - as in a rule's logsource.category, and of the view */
const char *row_cat_name(enum row_cat cat);
/** row_cat_find() - ROW_CATS when we have no events of that category */
enum row_cat row_cat_find(const char *category);
/** row_field() - index of a field in its category, ROW_NONE */
int row_field(enum row_cat cat, const char *field);
const char *row_field_name(enum row_cat cat, int field);
int row_fields(enum row_cat cat);

/** struct row - one event; values are borrowed until the next call. p NULL: no value */
struct row {
	enum row_cat cat;
	uint64_t seq, t;
	uint64_t wall; /* ns since the epoch, of the box */
	uint32_t proc, run;
	bool windows; /* a program of Windows did it */
	struct str v[ROW_FIELDS_MAX];
};

struct rows;
struct rows *rows_new(void);
void rows_free(struct rows *r);
/** rows_event() - take the next event. Return: true when *ret is a row */
bool rows_event(struct rows *r, const struct event *ev, struct row *ret);

/** rows_images() - what a process is, and what its parent is; empty when not known */
void rows_images(const struct rows *r, uint32_t proc, struct str *ret_image,
		 struct str *ret_parent_image);
/** rows_wall() - the box's date at the begin of the run that the last event belongs to */
uint64_t rows_wall(const struct rows *r);

#endif
