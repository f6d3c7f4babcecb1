// SPDX-License-Identifier: Apache-2.0
/*
 * events.c - belljar events: the record, event by event, or one question in SQL
 *
 * Wall times mean something else in each run, so that with them the runs are read one by one.
 */
#include <limits.h>
#include <sqlite3.h>

#include "cmd/journal_arg.h"
#include "cmd/moment.h"
#include "report/report.h"

#define SUB "events"

struct wish {
	struct journal_filter filter;
	struct moment since, until;
	const char *sql, *name;
	bool json, no_color, filtered;
	bool colour; /* asked of the terminal before the lockdown, which forbids the question */
};

/* A-B, A-, -B, A */
static int span(const char *s, struct journal_filter *f)
{
	const char *dash = strchr(s, '-');
	char first[24];

	if (!dash) {
		int rc = arg_number(s, INT64_MAX, &f->seq_from);

		f->seq_to = f->seq_from;
		return rc;
	}
	if (dash - s >= (ptrdiff_t)sizeof(first) || !strcmp(s, "-"))
		return -EINVAL;
	memcpy(first, s, (size_t)(dash - s));
	first[dash - s] = 0;
	if (*first && arg_number(first, INT64_MAX, &f->seq_from))
		return -EINVAL;
	if (dash[1] && arg_number(dash + 1, INT64_MAX, &f->seq_to))
		return -EINVAL;
	return f->seq_to && f->seq_from > f->seq_to ? -EINVAL : 0;
}

static int option(struct wish *w, int c, char *arg)
{
	uint64_t n;

	switch (c) {
	case 'k':
		return arg_kinds(SUB, arg, &w->filter.kinds);
	case 'p':
		if (arg_number(arg, INT32_MAX, &n))
			return cmd_usage(SUB, "--pid needs a process id");
		w->filter.pid = (int64_t)n;
		return 0;
	case 'P':
		if (arg_number(arg, UINT32_MAX, &n))
			return cmd_usage(SUB, "--proc needs a process key, the number in \"proc\"");
		w->filter.proc = (int64_t)n;
		return 0;
	case 'r':
		if (arg_number(arg, UINT32_MAX, &n))
			return cmd_usage(SUB, "--run needs the number of a run, from 1");
		w->filter.run = (uint32_t)n;
		return 0;
	case 's':
	case 'u':
		if (moment_parse(arg, c == 's' ? &w->since : &w->until))
			return cmd_usage(SUB,
					 "--%s needs a time such as 12.5s, 2m, 19:24:01 or "
					 "2026-11-23T19:24:01Z",
					 c == 's' ? "since" : "until");
		return 0;
	case 'q':
		if (span(arg, &w->filter))
			return cmd_usage(SUB, "--seq needs numbers such as 12, 12-30, 12- or -30");
		return 0;
	case 'S':
		w->sql = arg;
		return 0;
	case 'j':
		w->json = true;
		return 0;
	case 'n':
		w->no_color = true;
		return 0;
	default:
		return EXIT_USAGE;
	}
}

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "pid", required_argument, NULL, 'p' },
		{ "proc", required_argument, NULL, 'P' },
		{ "run", required_argument, NULL, 'r' },
		{ "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "seq", required_argument, NULL, 'q' },
		{ "sql", required_argument, NULL, 'S' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		w->filtered |= !strchr("Sjn", c);
		rc = option(w, c, optarg);
		if (rc)
			return rc;
	}
	if (optind + 1 != argc)
		return cmd_usage(SUB, "give one box, or the path of one journal");
	w->name = argv[optind];
	w->colour = !w->no_color && !w->json && cmd_colour(STDOUT_FILENO);
	if (w->sql && w->filtered)
		return cmd_usage(SUB, "--sql stands alone: put conditions into the query");
	return 0;
}

struct wall {
	uint32_t run;
	uint64_t ns;
};
struct walls {
	struct wall *w;
	size_t n;
};

static int keep_wall(void *ctx, const struct event *ev)
{
	struct walls *ws = ctx;
	const struct val *v = &ev->v[EV_AT(RUN_BEGIN, WALL)];

	ws->w = xrealloc(ws->w, (ws->n + 1) * sizeof(*ws->w));
	ws->w[ws->n++] = (struct wall){ ev->run, v->type == VAL_INT ? (uint64_t)v->i : 0 };
	return 0;
}

static int by_wall(struct journal_reader *r, const struct wish *w, struct err *err)
{
	struct journal_filter begins = { .kinds = 1u << EV_RUN_BEGIN, .run = w->filter.run };
	struct walls ws = { 0 };
	int rc = journal_read(r, &begins, keep_wall, &ws, err);

	for (size_t i = 0; i < ws.n && !rc; i++) {
		struct journal_filter f = w->filter;
		uint64_t t;

		f.run = ws.w[i].run;
		if (w->since.given && moment_in_run(&w->since, ws.w[i].ns, &t))
			f.t_from = t;
		if (w->until.given) {
			if (!moment_in_run(&w->until, ws.w[i].ns, &t))
				continue;
			f.t_to = t ?: 1;
		}
		rc = report_events(r, &f, w->json, w->colour, STDOUT_FILENO, err);
	}
	free(ws.w);
	return rc;
}

static int show(struct journal_reader *r, const struct wish *w, struct err *err)
{
	struct journal_filter f = w->filter;

	if (w->sql)
		return report_sql(r, w->sql, w->json, STDOUT_FILENO, err);
	if (w->since.wall || w->until.wall)
		return by_wall(r, w, err);
	f.t_from = w->since.ns;
	f.t_to = w->until.given && !w->until.ns ? 1 : w->until.ns;
	return report_events(r, &f, w->json, w->colour, STDOUT_FILENO, err);
}

int cmd_events(int argc, char **argv)
{
	struct wish w = { 0 };
	struct journal_arg arg;
	struct journal_reader *r = NULL;
	struct err err = { 0 };
	int rc = parse(argc, argv, &w);

	if (rc)
		return rc;
	rc = journal_arg_find(w.name, &arg, &err);
	if (rc)
		return cmd_fail(&err);
	rc = journal_arg_open(&arg, &r, &err);
	if (!rc)
		rc = lockdown_reader(&err);
	if (!rc)
		rc = show(r, &w, &err);
	journal_read_close(r);
	journal_arg_free(&arg);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
