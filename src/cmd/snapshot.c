// SPDX-License-Identifier: Apache-2.0
/*
 * snapshot.c - belljar snapshot, rollback, remove: change a box at rest
 *
 * What is done to a box is part of its record: a mark says when and what.
 */
#include <limits.h>

#include "cmd/box_arg.h"

struct change {
	struct box_home home;
	struct box *box;
	struct err err;
};

static int begin(struct change *c, const char *name)
{
	c->home = (struct box_home){ .fd = -1, .broker = -1 };
	c->box = NULL;
	if (box_home_open(&c->home, &c->err))
		return -1;
	return box_open(&c->home, name, BOX_LOCK, NULL, &c->box, &c->err);
}

static int end(struct change *c, int rc)
{
	box_close(c->box);
	box_home_close(&c->home);
	return rc ? cmd_fail(&c->err) : EXIT_OK;
}

int cmd_snapshot(int argc, char **argv)
{
	struct change c = { 0 };
	struct box_args a;
	int rc = box_args_parse(argc, argv, "", 2, 2, &a);

	if (rc >= 0)
		return rc;
	rc = begin(&c, a.operand[0]);
	if (!rc)
		rc = box_snapshot(c.box, a.operand[1], &c.err);
	if (!rc)
		rc = box_arg_mark(&c.home, c.box, "snapshot", a.operand[1], &c.err);
	return end(&c, rc);
}

int cmd_rollback(int argc, char **argv)
{
	struct change c = { 0 };
	const char *to;
	struct box_args a;
	int rc = box_args_parse(argc, argv, "", 1, 2, &a);

	if (rc >= 0)
		return rc;
	to = a.n > 1 ? a.operand[1] : NULL;
	rc = begin(&c, a.operand[0]);
	if (!rc && to)
		rc = box_name_check(to, &c.err);
	if (!rc)
		rc = box_rollback(c.box, to, &c.err);
	if (!rc)
		rc = box_arg_mark(&c.home, c.box, "rollback", to ? to : "before the first run",
				  &c.err);
	return end(&c, rc);
}

int cmd_remove(int argc, char **argv)
{
	struct box_home home;
	struct err err = { 0 };
	struct box_args a;
	int first = EXIT_OK;
	int rc = box_args_parse(argc, argv, "", 1, INT_MAX, &a);

	if (rc >= 0)
		return rc;
	if (box_home_open(&home, &err))
		return cmd_fail(&err);
	/* one that cannot go does not keep the others */
	for (int i = 0; i < a.n; i++) {
		struct box *box = NULL;

		rc = box_open(&home, a.operand[i], BOX_LOCK | BOX_DAMAGED, NULL, &box, &err);
		if (!rc)
			rc = box_remove(box, &err);
		if (rc) {
			int status = cmd_fail(&err);

			first = first ? first : status;
		}
		box_close(box);
	}
	box_home_close(&home);
	return first;
}
