// SPDX-License-Identifier: Apache-2.0
/*
 * show.c - belljar show: what one box is
 */
#include "cmd/box_arg.h"

#define SQL_RUNS                                                                                   \
	"SELECT b.run AS run, b.wall_ns AS began_ns, e.wall_ns AS ended_ns, "                      \
	"CASE WHEN typeof(b.command_line) = 'text' THEN b.command_line ELSE '(no text)' END "      \
	"AS command, e.exit_status AS exit_status, e.signal AS signal, e.reason AS reason, "       \
	"b.layer AS layer FROM run_begin b LEFT JOIN run_end e ON e.run = b.run "                  \
	"ORDER BY b.run DESC LIMIT 1000"

static json_t *snapshots(const struct box_info *in)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < in->nsnapshots; i++)
		json_array_append_new(list,
				      json_pack("{s:s,s:I,s:I}", "name", in->snapshot[i].name,
						"layer", (json_int_t)in->snapshot[i].layer,
						"made_ns", (json_int_t)in->snapshot[i].wall_ns));
	return list;
}

static json_t *idmap(const struct box_home *home, const struct box_info *in)
{
	if (!in->range)
		return json_pack("{s:s,s:I}", "kind", "single", "host_uid", (json_int_t)home->uid);
	return json_pack("{s:s,s:I,s:I,s:I}", "kind", "range", "host_uid", (json_int_t)home->uid,
			 "range_uid_start", (json_int_t)in->range_start, "range_gid_start",
			 (json_int_t)in->range_gid_start);
}

static json_t *describe(struct box_home *home, struct box *box, json_t *runs)
{
	const struct box_info *in = box_get_info(box);
	bool more;
	uint64_t size = box_arg_size(box, &more);

	return json_pack(
		"{s:s,s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:I,s:I,s:b,s:o,s:o}", "name",
		in->name, "state", box_is_held(home, in->name) ? "running" : "at rest", "path",
		box_path(box), "created_ns", (json_int_t)in->created_ns, "hostname", in->hostname,
		"machine_id", in->machine_id, "mac", in->mac, "person", in->person, "disk_serial",
		in->disk_serial, in->root[0] ? "root" : "base", in->root[0] ? in->root : in->base,
		"idmap", idmap(home, in), "layers", (json_int_t)in->top, "size", (json_int_t)size,
		"size_is_more", (int)more, "snapshots", snapshots(in), "runs", runs);
}

static const char *str_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_int_t int_of(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void print_idmap(const json_t *m)
{
	if (!strcmp(str_of(m, "kind"), "single"))
		printf("user ids     single: box root is host id %lld, other owners are emulated\n",
		       int_of(m, "host_uid"));
	else if (int_of(m, "range_uid_start") == int_of(m, "host_uid"))
		printf("user ids     range: box ids 0-65535 are host ids %lld-%lld\n",
		       int_of(m, "host_uid"), int_of(m, "host_uid") + BOX_RANGE - 1);
	else
		printf("user ids     range: box root is host id %lld, 1-65535 are %lld-%lld\n",
		       int_of(m, "host_uid"), int_of(m, "range_uid_start"),
		       int_of(m, "range_uid_start") + BOX_RANGE - 2);
}

static void print_snapshots(const json_t *j)
{
	const json_t *s;
	char iso[CLOCK_ISO_MAX];
	size_t i;

	printf("layers       %lld\n", int_of(j, "layers"));
	json_array_foreach(json_object_get(j, "snapshots"), i, s)
		printf("%-12s %-24s layer %-3lld %s\n", i ? "" : "snapshots", str_of(s, "name"),
		       int_of(s, "layer"), clock_iso((uint64_t)int_of(s, "made_ns"), iso));
}

static void how_it_ended(const json_t *r, char ret[64])
{
	const char *reason = str_of(r, "reason");

	if (json_is_integer(json_object_get(r, "exit_status")))
		snprintf(ret, 64, "exit %lld", int_of(r, "exit_status"));
	else if (json_is_integer(json_object_get(r, "signal")))
		snprintf(ret, 64, "signal %lld", int_of(r, "signal"));
	else
		snprintf(ret, 64, "%.30s", *reason ? reason : "cut off");
}

static void print_runs(const json_t *j)
{
	const json_t *runs = json_object_get(j, "runs"), *r;
	size_t i;

	json_array_foreach(runs, i, r)
	{
		cleanup_buf struct buf b = { 0 };
		char iso[CLOCK_ISO_MAX], how[64];

		if (i == 20) {
			printf("%-12s … and %zu more (--json)\n", "", json_array_size(runs) - i);
			break;
		}
		how_it_ended(r, how);
		box_arg_cut(&b, str_of(r, "command"), 60);
		printf("%-12s %3lld  %s  %-10s %s\n", i ? "" : "runs", int_of(r, "run"),
		       clock_iso((uint64_t)int_of(r, "began_ns"), iso), how, buf_z(&b));
	}
}

static void print(const json_t *j)
{
	char iso[CLOCK_ISO_MAX], size[16];
	cleanup_buf struct buf path = { 0 };

	box_arg_cut(&path, str_of(j, "path"), 4096);
	printf("box          %s, %s\n", str_of(j, "name"), str_of(j, "state"));
	printf("folder       %s (%s%s)\n", buf_z(&path),
	       json_is_true(json_object_get(j, "size_is_more")) ? "more than " : "",
	       box_arg_human((uint64_t)int_of(j, "size"), size));
	printf("made         %s\n", clock_iso((uint64_t)int_of(j, "created_ns"), iso));
	printf("host name    %s\nmachine id   %s\nnetwork card %s\n", str_of(j, "hostname"),
	       str_of(j, "machine_id"), str_of(j, "mac"));
	path.n = 0;
	box_arg_cut(&path, str_of(j, "person"), 64);
	printf("person       %s\ndisk serial  %s\n", buf_z(&path), str_of(j, "disk_serial"));
	if (json_object_get(j, "root")) {
		path.n = 0;
		box_arg_cut(&path, str_of(j, "root"), 4096);
		printf("root         %s\n", buf_z(&path));
	} else {
		printf("base         %s (this host's folders; not part of an export)\n",
		       str_of(j, "base"));
	}
	print_idmap(json_object_get(j, "idmap"));
	print_snapshots(j);
	print_runs(j);
}

int cmd_show(int argc, char **argv)
{
	struct box *box = NULL;
	struct box_home home;
	struct err err = { 0 };
	struct box_args a;
	json_t *runs, *j;
	int rc = box_args_parse(argc, argv, "j", 1, 1, &a);

	if (rc >= 0)
		return rc;
	rc = box_home_open(&home, &err);
	if (rc)
		return cmd_fail(&err);
	rc = box_open(&home, a.operand[0], 0, NULL, &box, &err);
	if (!rc)
		rc = box_arg_rows(box, SQL_RUNS, &runs, &err);
	if (!rc) {
		j = describe(&home, box, runs);
		if (a.json) {
			rc = box_arg_print(j);
		} else {
			print(j);
			json_decref(j);
			rc = fflush(stdout) ? EXIT_NO_SPACE : EXIT_OK;
		}
	} else {
		rc = cmd_fail(&err);
	}
	box_close(box);
	box_home_close(&home);
	return rc;
}
