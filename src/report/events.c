// SPDX-License-Identifier: Apache-2.0
/*
 * events.c - the record, event by event, as text or JSON lines
 */
#include "report/inner.h"

#define FLUSH_AT 65536

struct printing {
	struct procs procs;
	struct buf out;
	int fd;
	bool json, colour;
	int rc;
};

static int flush(struct printing *p)
{
	int rc = write_full(p->fd, p->out.p, p->out.n);

	p->out.n = 0;
	return rc;
}

static int print(void *ctx, const struct event *ev)
{
	struct printing *p = ctx;

	if (p->json)
		event_json(&p->out, ev, &p->procs);
	else
		event_line(&p->out, ev, &p->procs, p->colour);
	if (p->out.n >= FLUSH_AT)
		p->rc = flush(p);
	return p->rc;
}

int report_events(struct journal_reader *r, const struct journal_filter *f, bool json, bool colour,
		  int fd, struct err *err)
{
	struct printing p = { .fd = fd, .json = json, .colour = colour };
	struct source source;
	struct arena arena = { 0 };
	int rc;

	rc = source_open(&source, r, 0, err);
	if (!rc)
		rc = procs_load(&p.procs, &source, &arena, true, err);
	if (!rc)
		rc = journal_read(r, f, print, &p, err);
	if (!rc && p.out.n)
		p.rc = flush(&p);
	if (p.rc)
		rc = cannot_write(err, p.rc, "the events");
	procs_free(&p.procs);
	source_close(&source);
	arena_free(&arena);
	buf_free(&p.out);
	return rc;
}
