// SPDX-License-Identifier: Apache-2.0
/*
 * doctor.c - belljar doctor: what this machine offers, what is lost without it, what to do
 */
#include "cmd/box_arg.h"

#include "capture/capture.h"

static const struct {
	const char *word, *colour;
} states[] = {
	[PROBE_OK] = { "ok", "\x1b[32m" },
	[PROBE_WEAKER] = { "weaker", "\x1b[33m" },
	[PROBE_MISSING] = { "missing", "\x1b[31m" },
};

static json_t *as_json(const struct box_probe *p, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++) {
		json_t *j = json_pack("{s:s,s:s,s:s}", "name", p[i].name, "state",
				      states[p[i].state].word, "found", p[i].found);

		if (p[i].state != PROBE_OK) {
			json_object_set_new(j, "without", json_string(p[i].without));
			json_object_set_new(j, "remedy", json_string(p[i].remedy));
		}
		json_array_append_new(list, j);
	}
	return list;
}

static void print(const struct box_probe *p, bool colour)
{
	cleanup_buf struct buf found = { 0 };

	box_arg_cut(&found, p->found, 200);
	printf("%s%-8s%s %-20s %s\n", colour ? states[p->state].colour : "", states[p->state].word,
	       colour ? "\x1b[0m" : "", p->name, buf_z(&found));
	if (p->state != PROBE_OK)
		printf("%29s without it: %s\n%29s to do: %s\n", "", p->without, "", p->remedy);
}

static void time_lapse(struct box_probe *p)
{
	bool usable = recorder_lapse_usable();

	*p = (struct box_probe){ .name = "time-lapse",
				 .state = usable ? PROBE_OK : PROBE_WEAKER,
				 .without = "no run with --speed lapse",
				 .remedy = "another kernel" };
	snprintf(p->found, sizeof(p->found), "%s",
		 usable ? "programs can be shown a clock of the box's own"
			: "this kernel's vDSO has no room for a clock of the box's own");
}

int cmd_doctor(int argc, char **argv)
{
	cleanup_free struct box_probe *p = xcalloc(BOX_PROBES_MAX, sizeof(*p));
	int n, missing = 0, weaker = 0, rc;
	struct box_home home;
	struct err err = { 0 };
	struct box_args a;

	rc = box_args_parse(argc, argv, "j", 0, 0, &a);
	if (rc >= 0)
		return rc;
	if (box_home_open(&home, &err))
		return cmd_fail(&err);
	n = box_probe_all(&home, p);
	box_home_close(&home);
	if (n < BOX_PROBES_MAX)
		time_lapse(&p[n++]);
	for (int i = 0; i < n; i++) {
		missing += p[i].state == PROBE_MISSING;
		weaker += p[i].state == PROBE_WEAKER;
	}
	if (a.json) {
		rc = box_arg_print(as_json(p, n));
	} else {
		for (int i = 0; i < n; i++)
			print(&p[i], cmd_colour(STDOUT_FILENO));
		printf("\n%s\n",
		       missing	? "Boxes cannot be made here, or not recorded: see \"missing\"."
		       : weaker ? "Boxes work here, with less in the lines \"weaker\"."
				: "All is there.");
		rc = fflush(stdout) ? EXIT_NO_SPACE : EXIT_OK;
	}
	return rc ? rc : missing ? EXIT_NEGATIVE : EXIT_OK;
}
