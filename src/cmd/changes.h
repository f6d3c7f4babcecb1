// SPDX-License-Identifier: Apache-2.0
/*
 * changes.h - what `belljar changes` has found, between finding (changes.c) and showing it
 * (changes_show.c)
 */
#ifndef BELLJAR_CMD_CHANGES_H
#define BELLJAR_CMD_CHANGES_H

#include "capture/capture.h"

/** struct doer - who changed it: the last process on record that touched it */
struct doer {
	enum { BY_NOBODY, BY_PROCESS, BY_BELLJAR } who;
	uint32_t proc;	   /* process key */
	int64_t pid;	   /* in the box, 0 unknown */
	const char *image; /* NULL unknown; borrowed from the list's processes */
};

struct changed_file {
	struct change c; /* strings are the list's own */
	unsigned concerns;
	char *owner; /* package whose file this replaces, NULL */
	bool setup;  /* belljar set it up with the box */
	struct doer by;
};

struct changed_entry {
	enum change_op op;
	const struct autostart_class *class;
	struct str place, name, command, program;
	struct doer by;
};

struct changed_user {
	enum change_op op;
	const char *file;
	struct str name, before, after;
};

struct change_list {
	const char *box, *since; /* names; since "" for the base */
	struct changed_file *file;
	size_t nfiles;
	struct changed_entry *entry;
	size_t nentries;
	struct changed_user *user;
	size_t nusers;
	bool running; /* a run holds the box: what is shown moves on */
	bool cut;     /* too many changes: not all are in the list */
};

void changes_text(const struct change_list *l, struct buf *out);
void changes_json(const struct change_list *l, struct buf *out);

#endif
