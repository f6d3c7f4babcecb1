// SPDX-License-Identifier: Apache-2.0
/*
 * record.h - a record that is judged: its journal and the files that were kept, and maybe another
 * one to compare it with
 */
#ifndef BELLJAR_CMD_RECORD_H
#define BELLJAR_CMD_RECORD_H

#include "cmd/journal_arg.h"
#include "judge/judge.h"

/** struct record - zero until it is open */
struct record {
	struct journal_arg arg;
	struct journal_reader *r;
	struct object_store *objects;
};

/**
 * records_open() - open the record of @name, then lock this process to what is open
 * @against: the other one, opened into @other and attached; NULL: there is none
 *
 * Close both, whatever is returned: 0, or what journal_arg_open() and objects_open() give.
 */
int records_open(const char *name, const char *against, struct record *mine, struct record *other,
		 struct err *err);
void record_close(struct record *record);

/** records_judge() - judge_run(); *@ret_grave: a concern or worse was found */
int records_judge(struct judge *j, const struct record *mine, const struct record *other,
		  struct judgement **ret, bool *ret_grave, struct err *err);

#endif
