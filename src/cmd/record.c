// SPDX-License-Identifier: Apache-2.0
/*
 * record.c - what judge, report and the report of an examination have in common
 */
#include "cmd/record.h"

static int record_open(const char *name, struct record *ret, struct err *err)
{
	int rc = journal_arg_find(name, &ret->arg, err);

	if (!rc)
		rc = journal_arg_open(&ret->arg, &ret->r, err);
	if (!rc)
		rc = objects_open(ret->arg.path, &ret->objects, err);
	return rc;
}

void record_close(struct record *record)
{
	objects_free(record->objects);
	journal_read_close(record->r);
	journal_arg_free(&record->arg);
}

int records_open(const char *name, const char *against, struct record *mine, struct record *other,
		 struct err *err)
{
	int rc = record_open(name, mine, err);

	if (!rc && against)
		rc = record_open(against, other, err);
	if (!rc && against)
		rc = judge_attach(mine->r, other->arg.path, err);
	return rc ? rc : lockdown_reader(err);
}

int records_judge(struct judge *j, const struct record *mine, const struct record *other,
		  struct judgement **ret, bool *ret_grave, struct err *err)
{
	int rc;

	judge_objects(j, mine->objects);
	judge_other(j, other->r, other->objects);
	rc = judge_run(j, mine->r, ret, err);
	for (size_t i = 0; !rc && i < (*ret)->n; i++)
		*ret_grave |= (*ret)->v[i].grade >= GRADE_CONCERN;
	return rc;
}
