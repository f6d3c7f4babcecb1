// SPDX-License-Identifier: Apache-2.0
/*
 * event_json.c - one event as one JSON line; doc/REPORT.md has the schema
 */
#include "report/inner.h"

#define EVENT_JSON_VERSION 1

void event_json(struct buf *out, const struct event *ev, const struct procs *ps)
{
	const struct kind_def *k = event_kind_def(ev->kind);
	const struct run_info *run = ps ? procs_run(ps, ev->run) : NULL;
	char iso[CLOCK_ISO_MAX];

	buf_printf(out, "{\"v\":%d,\"seq\":%llu,\"kind\":\"%s\",\"run\":%u,\"t\":%llu",
		   EVENT_JSON_VERSION, (unsigned long long)ev->seq, k ? k->name : "unknown",
		   ev->run, (unsigned long long)ev->t);
	if (run && run->date)
		buf_printf(out, ",\"time\":\"%s\"", clock_iso(run->date + ev->t, iso));
	buf_printf(out, ",\"proc\":%u", ev->proc);
	for (int i = 0; k && i < k->nfields; i++) {
		if (ev->v[i].type == VAL_NULL)
			continue;
		buf_printf(out, ",\"%s\":", k->field[i].column);
		if (ev->v[i].type == VAL_INT)
			buf_printf(out, "%lld", (long long)ev->v[i].i);
		else
			escape_json(out, ev->v[i].s);
	}
	buf_puts(out, "}\n");
}

void report_event_json(struct buf *out, const struct event *ev)
{
	event_json(out, ev, NULL);
}
