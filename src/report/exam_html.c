// SPDX-License-Identifier: Apache-2.0
/*
 * exam_html.c - the first page as HTML: answers, findings, experiments, before and after, contacts
 */
#include "report/exam.h"
#include "report/html.h"

#define W      960
#define H      220
#define LEFT   70
#define BOTTOM 24

static void rows_of(struct html *h, struct lines *ls)
{
	buf_puts(h->out, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < ls->n; i++) {
		html_row(h, &ls->l[i]);
		ls->l[i] = (struct line){ 0 };
	}
	buf_puts(h->out, "</ul>\n");
	html_more(h, ls->n, ls->total, "of this kind");
	ls->n = 0;
}

static void verdict(struct html *h, struct exam *e)
{
	const struct judgement *v = e->judged;
	int grave = 0;

	for (size_t i = 0; v && i < v->n; i++)
		grave = (int)v->v[i].grade > grave ? (int)v->v[i].grade : grave;
	for (size_t i = 0; i < e->verdict.n; i++) {
		buf_printf(h->out, "<p class=\"%s\">",
			   i + 1 == e->verdict.n			 ? "soft"
			   : i						 ? ""
			   : grave >= GRADE_FINDING			 ? "seal bad"
			   : grave >= GRADE_CONCERN || e->install_failed ? "seal warn"
									 : "seal good");
		html_line(h, &e->verdict.l[i]);
		buf_puts(h->out, "</p>\n");
	}
}

static void answers(struct html *h, struct exam *e)
{
	buf_puts(h->out,
		 "<section aria-labelledby=\"h-page\">\n<h2 id=\"h-page\">In plain words</h2>\n");
	verdict(h, e);
	for (int q = 0; q < QUESTIONS; q++) {
		buf_printf(h->out, "<div class=\"card\"><h3>%s</h3>\n", exam_heading[q].title);
		rows_of(h, &e->answer[q]);
		buf_puts(h->out, "</div>\n");
	}
	buf_puts(h->out, "</section>\n");
}

/* ---- findings ----------------------------------------------------------------------------- */

static void term(struct html *h, const char *what, struct str s)
{
	if (!s.n)
		return;
	buf_printf(h->out, "<dt>%s</dt><dd>", what);
	put_shown(h->out, escape_html, s, DETAIL_SHOWN_MAX);
	buf_puts(h->out, "</dd>\n");
}

static void one_finding(struct html *h, const struct finding *f)
{
	struct buf *o = h->out;

	buf_printf(o, "<div class=\"card look%s\"><h3><span class=\"tag %s\">%s</span> ",
		   f->grade >= GRADE_FINDING ? " alarm" : "",
		   f->grade >= GRADE_FINDING   ? "bad"
		   : f->grade == GRADE_CONCERN ? "hot"
					       : "",
		   grade_name(f->grade));
	escape_html(o, str_z(f->title));
	buf_puts(o, "</h3>\n<p>");
	html_name(o, f->subject);
	buf_puts(o, " ");
	put_shown(o, escape_html, f->detail, DETAIL_SHOWN_MAX);
	buf_puts(o, "</p>\n<dl>");
	term(h, "Why it matters", str_z(f->why));
	term(h, "The harmless explanation", str_z(f->innocent));
	term(h, "Done to rule it out", str_z(f->done));
	buf_puts(o, "<dt>Evidence</dt><dd>");
	for (size_t i = 0; i < f->nseqs && i < EXAM_ROWS; i++)
		html_ref(h, source_kind(&h->rep->src, f->seqs[i]), f->seqs[i], 0);
	if (f->count > EXAM_ROWS) {
		buf_puts(o, " of ");
		put_number(o, f->count);
	}
	buf_puts(o, "</dd></dl></div>\n");
}

static void findings(struct html *h, const struct exam *e)
{
	const struct judgement *v = e->judged;
	size_t n = 0, all = 0;

	buf_puts(h->out,
		 "<section aria-labelledby=\"h-findings\">\n<h2 id=\"h-findings\">Findings, "
		 "with evidence</h2>\n");
	for (size_t i = 0; v && i < v->n; i++) {
		if (v->v[i].grade == GRADE_FACT)
			continue;
		all++;
		if (n < h->rep->rows_max) {
			one_finding(h, &v->v[i]);
			n++;
		}
	}
	if (exam_no_findings(e))
		buf_printf(h->out, "<p class=\"none\">%s</p>\n", exam_no_findings(e));
	html_more(h, n, all, "findings");
	buf_puts(h->out, "</section>\n");
}

/* ---- experiments -------------------------------------------------------------------------- */

static void experiments(struct html *h, struct exam *e)
{
	struct buf *o = h->out;

	buf_puts(o, "<section aria-labelledby=\"h-exp\">\n<h2 id=\"h-exp\">Experiments</h2>\n<div "
		    "class=\"scroll\"><table><thead><tr><th>Experiment</th><th>Box time</th>"
		    "<th>What was done</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < e->n; i++) {
		struct exam_row *r = &e->row[i];

		buf_puts(o, "<tr><td><b>");
		escape_html(o, r->name);
		buf_puts(o, "</b><br><span class=\"soft\">");
		escape_html(o, clip(r->shows, 200));
		buf_puts(o, "</span></td><td class=\"num\">");
		exam_put_time(o, r);
		html_ref(h, EV_MARK, r->begin_seq, 0);
		buf_puts(o, r->end_seq ? "</td><td>"
				       : "<br><span class=\"tag bad\">interrupted</span></td><td>");
		if (r->acts.total)
			rows_of(h, &r->acts);
		buf_puts(o, "</td></tr>\n");
	}
	buf_puts(o, "</tbody></table></div>\n");
	if (exam_at_once(e))
		buf_printf(o, "<p class=\"soft\">%s</p>\n", exam_at_once(e));
	buf_puts(o, "</section>\n");
}

/* ---- before and after --------------------------------------------------------------------- */

static void before_after(struct html *h, const struct exam *e)
{
	static const char *const names[EXAM_GRADES] = {
		"R1 runs or starts by itself",
		"R2 trust",
		"R3 code",
		"R4 data",
		"R5 folders, shared",
		"R6 traces of the system",
	};
	struct buf *o = h->out;

	buf_puts(o, "<section aria-labelledby=\"h-ba\">\n<h2 id=\"h-ba\">Before and after</h2>\n<p>"
		    "Before the install there was none of it. The install and its use left ");
	put_count(o, e->installed_files, "new file", "new files");
	buf_puts(o, " and ");
	put_count(o, e->installed_entries, "autostart entry", "autostart entries");
	buf_puts(o, ".</p>\n");
	if (e->nlooks) {
		buf_puts(o, "<div class=\"scroll\"><table><thead><tr><th>Left after the uninstall"
			    "</th>");
		for (size_t i = 0; i < e->nlooks; i++) {
			buf_puts(o, "<th>");
			escape_html(o, e->look[i]);
			buf_puts(o, "</th>");
		}
		buf_puts(o, "</tr></thead><tbody>\n");
		for (int g = 0; g < EXAM_GRADES; g++) {
			buf_printf(o, "<tr><td>%s</td>", names[g]);
			for (size_t i = 0; i < e->nlooks; i++) {
				buf_puts(o, "<td class=\"num\">");
				put_number(o, e->left[i][g]);
				if (e->explained[i][g]) {
					buf_puts(o, " (and ");
					put_number(o, e->explained[i][g]);
					buf_puts(o, " explained)");
				}
				buf_puts(o, "</td>");
			}
			buf_puts(o, "</tr>\n");
		}
		buf_puts(o, "</tbody></table></div>\n");
	}
	buf_puts(o, "</section>\n");
}

/* ---- contacts: the time since the one before, for each ------------------------------------- */

static const char shapes[EXAM_PEERS][4] = { "●", "▲", "■", "◆", "○", "△" };

static void beacons(struct html *h, const struct exam *e)
{
	struct buf *o = h->out;
	uint64_t t_max = 1, gap_max = 1, last[EXAM_PEERS] = { 0 };
	uint32_t run = e->ncontacts ? e->contact[0].run : 0;
	size_t points = 0;

	/* the run with the idle time has most of them: the first that has contacts */
	for (size_t i = 0; i < e->ncontacts; i++) {
		const struct exam_contact *c = &e->contact[i];

		if (c->run != run)
			continue;
		if (last[c->peer] && c->t - last[c->peer] > gap_max)
			gap_max = c->t - last[c->peer];
		points += last[c->peer] != 0;
		last[c->peer] = c->t;
		t_max = c->t > t_max ? c->t : t_max;
	}
	if (points < 2)
		return;
	memset(last, 0, sizeof(last));
	buf_printf(
		o,
		"<section aria-labelledby=\"h-beacon\">\n<h2 id=\"h-beacon\">Contacts, and the time "
		"since the one before</h2>\n<div class=\"card scroll\"><svg viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"Intervals between contacts\">\n",
		W, H, W, H);
	buf_printf(o, "<line class=\"grid\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT,
		   H - BOTTOM, W, H - BOTTOM);
	for (int i = 0; i <= 4; i++) {
		buf_printf(o, "<text class=\"axis\" x=\"0\" y=\"%d\">",
			   12 + (H - BOTTOM - 12) * (4 - i) / 4);
		put_duration(o, gap_max * (uint64_t)i / 4);
		buf_printf(o, "</text><text class=\"axis\" x=\"%d\" y=\"%d\">",
			   LEFT + (W - LEFT - 60) * i / 4, H - 8);
		put_duration(o, t_max * (uint64_t)i / 4);
		buf_puts(o, "</text>\n");
	}
	for (size_t i = 0; i < e->ncontacts; i++) {
		const struct exam_contact *c = &e->contact[i];
		uint64_t gap = c->t - last[c->peer];
		bool first = !last[c->peer];

		if (c->run != run)
			continue;
		last[c->peer] = c->t;
		if (first)
			continue;
		html_link(h, EV_FLOW, c->seq);
		buf_printf(o, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text></a>\n",
			   LEFT + (double)c->t / (double)t_max * (W - LEFT - 10),
			   12 + (1 - (double)gap / (double)gap_max) * (H - BOTTOM - 16),
			   shapes[c->peer]);
	}
	buf_puts(o, "</svg></div>\n<ul class=\"legend\">");
	for (int i = 0; i < e->npeers; i++) {
		buf_printf(o, "<li>%s ", shapes[i]);
		html_name(o, e->peer[i]);
		buf_puts(o, "</li>");
	}
	buf_puts(o, "</ul>\n</section>\n");
}

void exam_bands(struct html *h, const struct exam *e, uint32_t run,
		double (*x)(void *ctx, uint64_t t), void *ctx, int top, int bottom)
{
	struct buf *o = h->out;
	double text_end = 0;

	for (size_t i = 0; e && i < e->n; i++) {
		const struct exam_row *r = &e->row[i];
		double from = x(ctx, r->t0), to = x(ctx, r->t1);

		if (r->run != run)
			continue;
		html_link(h, EV_MARK, r->begin_seq);
		buf_printf(
			o,
			"<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"var(--%s)\" "
			"fill-opacity=\"%s\"><title>",
			from, top, to - from > 1 ? to - from : 1.0, bottom - top,
			i % 2 ? "hist" : "start", i % 2 ? ".28" : ".10");
		escape_html(o, r->name);
		buf_puts(o, "</title></rect></a>\n");
		if (to - from < 7 * (double)r->name.n && from < text_end)
			continue;
		buf_printf(o, "<text class=\"axis\" x=\"%.1f\" y=\"%d\">", from + 2, top + 10);
		escape_html(o, r->name);
		buf_puts(o, "</text>\n");
		text_end = from + 7 * (double)r->name.n;
	}
}

void exam_html(struct html *h, struct exam *e)
{
	answers(h, e);
	findings(h, e);
	experiments(h, e);
	before_after(h, e);
	beacons(h, e);
}
