// SPDX-License-Identifier: Apache-2.0
/*
 * list.c - belljar list: the boxes, one a line
 *
 * A box that cannot be read is listed too, with what is wrong with it, and does not hide others.
 */
#include "cmd/box_arg.h"

#define SQL_LAST                                                                                   \
	"SELECT (SELECT count(*) FROM run_begin) AS runs, "                                        \
	"CASE WHEN typeof(command_line) = 'text' THEN command_line ELSE '(no text)' END AS last, " \
	"wall_ns AS at FROM run_begin ORDER BY run DESC LIMIT 1"

struct listing {
	struct box_home *home;
	json_t *rows;
};

static json_t *row_of(struct box_home *home, const char *name)
{
	bool held = box_is_held(home, name), more = false;
	const struct box_info *in;
	json_t *j = NULL, *rows;
	struct err err = { 0 };
	struct box *box;

	if (box_open(home, name, 0, NULL, &box, &err))
		return json_pack("{s:s,s:s}", "name", name, "error", err.msg);
	in = box_get_info(box);
	j = json_pack("{s:s,s:s,s:I,s:I}", "name", name, "state", held ? "running" : "at rest",
		      "created_ns", (json_int_t)in->created_ns, "snapshots",
		      (json_int_t)in->nsnapshots);
	json_object_set_new(j, "size", json_integer((json_int_t)box_arg_size(box, &more)));
	if (more)
		json_object_set_new(j, "size_is_more", json_true());
	if (box_arg_rows(box, SQL_LAST, &rows, &err)) {
		json_object_set_new(j, "error", json_string(err.msg));
	} else {
		json_t *last = json_array_get(rows, 0), *runs = json_object_get(last, "runs");

		json_object_set_new(j, "runs", json_integer(json_integer_value(runs)));
		if (json_is_string(json_object_get(last, "last")))
			json_object_set(j, "last_command", json_object_get(last, "last"));
		if (json_is_integer(json_object_get(last, "at")))
			json_object_set(j, "last_run_ns", json_object_get(last, "at"));
		json_decref(rows);
	}
	box_close(box);
	return j;
}

static int add_row(void *ctx, const char *name)
{
	struct listing *l = ctx;

	json_array_append_new(l->rows, row_of(l->home, name));
	return 0;
}

static void print_row(const json_t *j)
{
	const char *error = json_string_value(json_object_get(j, "error"));
	const char *last = json_string_value(json_object_get(j, "last_command"));
	const char *name = json_string_value(json_object_get(j, "name"));
	json_t *created = json_object_get(j, "created_ns");
	cleanup_buf struct buf b = { 0 };
	char iso[CLOCK_ISO_MAX], size[16];

	if (!created) {
		box_arg_cut(&b, error, 200);
		printf("%-20s %s\n", name, buf_z(&b));
		return;
	}
	box_arg_cut(&b, error ? error : last ? last : "", 50);
	printf("%-20s %-8s %.16s %5lld %s%-6s %s\n", name,
	       json_string_value(json_object_get(j, "state")),
	       clock_iso((uint64_t)json_integer_value(created), iso),
	       json_integer_value(json_object_get(j, "runs")),
	       json_object_get(j, "size_is_more") ? ">" : " ",
	       box_arg_human((uint64_t)json_integer_value(json_object_get(j, "size")), size),
	       buf_z(&b));
}

int cmd_list(int argc, char **argv)
{
	struct box_home home;
	struct err err = { 0 };
	struct box_args a;
	struct listing l;
	const json_t *row;
	size_t i;
	int rc = box_args_parse(argc, argv, "j", 0, 0, &a);

	if (rc >= 0)
		return rc;
	if (box_home_open(&home, &err))
		return cmd_fail(&err);
	l = (struct listing){ &home, json_array() };
	rc = box_list(&home, add_row, &l, &err);
	box_home_close(&home);
	if (rc) {
		json_decref(l.rows);
		return cmd_fail(&err);
	}
	if (a.json)
		return box_arg_print(l.rows);
	if (json_array_size(l.rows))
		printf("%-20s %-8s %-16s %5s %-7s %s\n", "NAME", "STATE", "MADE (UTC)", "RUNS",
		       " SIZE", "LAST COMMAND");
	else
		puts("no boxes ('belljar run -b NAME PROGRAM' makes one)");
	json_array_foreach(l.rows, i, row) print_row(row);
	json_decref(l.rows);
	return fflush(stdout) ? EXIT_NO_SPACE : EXIT_OK;
}
