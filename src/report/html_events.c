// SPDX-License-Identifier: Apache-2.0
/*
 * html_events.c - tables of events in their own words: some of a kind, and all that are linked to
 */
#include "report/html.h"

static void event_cells(struct html *h, const struct event *ev)
{
	const struct run_info *run = procs_run(&h->rep->procs, ev->run);
	char iso[CLOCK_ISO_MAX];

	if (run && run->date)
		buf_printf(h->out, "<td class=\"t\" title=\"%s\">",
			   clock_iso(run->date + ev->t, iso));
	else
		buf_puts(h->out, "<td class=\"t\">");
	if (h->rep->procs.nrun > 1)
		buf_printf(h->out, "run %u, ", ev->run);
	put_clock(h->out, ev->t);
	buf_puts(h->out, " s</td><td class=\"w\">");
	put_who(h->out, &h->rep->procs, ev->proc, ev->seq, escape_html);
	buf_puts(h->out, "</td><td>");
	event_words(h->out, ev, &h->rep->procs, html_name);
}

int html_table(struct html *h, const struct plain_rows *rows, const char *caption, struct err *err)
{
	if (!rows->n)
		return 0;
	buf_printf(
		h->out,
		"<div class=\"scroll\"><table>\n<caption class=\"soft\" "
		"style=\"text-align:left\">%s</caption>\n<thead><tr><th scope=\"col\">Time</th>"
		"<th scope=\"col\" class=\"w\">Who</th><th scope=\"col\">What</th></tr></thead>\n"
		"<tbody>\n",
		caption);
	for (size_t i = 0; i < rows->n; i++) {
		struct event ev;
		int rc = source_fetch(&h->rep->src, rows->r[i].kind, rows->r[i].seq, &ev, err);

		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		buf_puts(h->out, "<tr>");
		event_cells(h, &ev);
		html_ref(h, ev.kind, ev.seq, 0);
		buf_puts(h->out, "</td></tr>\n");
	}
	buf_puts(h->out, "</tbody></table></div>\n");
	html_more(h, rows->n, rows->total, "like these");
	return 0;
}

/* ---- the events that the page links to ---------------------------------------------------- */

static int event_row(void *ctx, const struct event *ev)
{
	struct html *h = ctx;
	const struct kind_def *k = event_kind_def(ev->kind);

	buf_printf(h->out,
		   "<tr id=\"e%llu\" data-kind=\"%s\" data-run=\"%u\" data-t=\"%llu\" "
		   "data-proc=\"%u\"><td class=\"num\">#%llu</td>",
		   (unsigned long long)ev->seq, k ? k->name : "", ev->run,
		   (unsigned long long)ev->t, ev->proc, (unsigned long long)ev->seq);
	event_cells(h, ev);
	buf_puts(h->out, "</td></tr>\n");
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct html_ref *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int linked_rows(struct html *h, struct err *err)
{
	uint64_t last = 0;

	if (h->nref)
		qsort(h->ref, h->nref, sizeof(*h->ref), by_seq);
	for (size_t i = 0; i < h->nref; i++) {
		struct event ev;
		int rc;

		if (h->ref[i].seq == last)
			continue;
		last = h->ref[i].seq;
		rc = source_fetch(&h->rep->src, h->ref[i].kind, last, &ev, err);
		if (rc && rc != -ENOENT)
			return rc;
		if (!rc)
			event_row(h, &ev);
	}
	return 0;
}

int html_events(struct html *h, struct err *err)
{
	struct journal_filter f = { .run = h->rep->opts->run };
	int rc;

	buf_puts(h->out, "<p class=\"soft\">");
	if (h->all) {
		buf_puts(h->out, "All ");
		put_number(h->out, h->rep->events);
		buf_puts(h->out, " events of the record.");
	} else {
		buf_puts(h->out, "Of the ");
		put_number(h->out, h->rep->events);
		buf_puts(h->out, " events of the record, these are the ones that this page refers "
				 "to. <code>belljar events</code> shows all.");
	}
	buf_puts(h->out,
		 "</p>\n<div class=\"scroll\"><table id=\"events\">\n<thead><tr>"
		 "<th scope=\"col\">Number</th><th scope=\"col\">Time</th><th scope=\"col\" "
		 "class=\"w\">Who</th><th scope=\"col\">What</th></tr></thead>\n<tbody>\n");
	rc = h->all ? journal_read(h->rep->src.r, &f, event_row, h, err) : linked_rows(h, err);
	buf_puts(h->out, "</tbody></table></div>\n");
	return rc;
}
