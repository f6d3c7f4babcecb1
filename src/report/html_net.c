// SPDX-License-Identifier: Apache-2.0
/*
 * html_net.c - whom the programs talked to: what went out that should not, the table, and a picture
 * of each run in which a line is a place and a mark a connection
 *
 * Marks differ in shape, not in colour alone. Of marks that would cover each other one is drawn.
 */
#include "report/html.h"

#define W     960
#define LABEL 250
#define PLOT  (W - LABEL - 12)
#define TOP   20
#define LANE  20
#define LANES 40
#define NEAR  3.0 /* marks closer than this, of one kind, are drawn once */

/* ---- table -------------------------------------------------------------------------------- */

static void canaries(struct html *h)
{
	const struct net *n = &h->rep->net;

	if (!n->canaries)
		return;
	buf_puts(h->out,
		 "<div class=\"card look alarm\">\n<h3>Sent out: what is known only on this "
		 "machine</h3>\n<ul class=\"rows\">\n");
	for (size_t i = 0; i < n->ncanary; i++) {
		struct line l = { 0 };

		say_canary_row(h->rep, &l, &n->canary[i]);
		html_row(h, &l);
	}
	buf_puts(h->out, "</ul>\n");
	html_more(h, n->ncanary, n->canaries, "values");
	buf_puts(h->out, "</div>\n");
}

static void tag(struct html *h, const char *class, uint64_t n, const char *what)
{
	if (!n)
		return;
	buf_printf(h->out, "<span class=\"tag%s%s\">", *class ? " " : "", class);
	put_number(h->out, n);
	buf_printf(h->out, " %s</span> ", what);
}

static void answers(struct html *h, const struct peer *p)
{
	tag(h, "hot", p->answer[NET_ALLOWED], "by real servers");
	tag(h, "", p->answer[NET_SINKHOLE], "by the box itself");
	tag(h, "", p->answer[NET_REFUSED], "refused");
	tag(h, "", p->answer[NET_UNANSWERED], "never");
	if (!p->reason.n)
		return;
	buf_puts(h->out, "<div class=\"soft\">");
	if (plain_word(p->reason))
		escape_html(h->out, p->reason);
	else
		html_name(h->out, p->reason);
	buf_puts(h->out, "</div>");
}

static void warnings(struct html *h, const struct peer *p)
{
	tag(h, "bad", p->canaries, "of this machine's values sent");
	if (p->unverified_seq) {
		buf_puts(h->out, "<span class=\"tag bad\">not who it should be</span> ");
		html_name(h->out, p->unverified);
		html_ref(h, EV_TLS, p->unverified_seq, 0);
	}
	if (p->pinned_seq) {
		buf_puts(h->out, "<span class=\"tag hot\">does not let itself be read</span>");
		html_ref(h, EV_TLS, p->pinned_seq, 0);
	}
}

static void peer_row(struct html *h, const struct peer *p)
{
	struct buf *o = h->out;

	buf_puts(o, "<tr><td>");
	html_name(o, p->who.n ? base_name(p->who) : STR("?"));
	if (p->pid)
		buf_printf(o, " <span class=\"soft\">(%lld)</span>", (long long)p->pid);
	buf_puts(o, "</td><td>");
	html_name(o, p->name.n ? p->name : p->address);
	if (!p->name.n)
		buf_puts(o, " <span class=\"soft\">(no name led there)</span>");
	if (p->port >= 0)
		buf_printf(o, " port&nbsp;%lld", (long long)p->port);
	html_ref(h, EV_FLOW, p->first_seq, p->flows - 1);
	buf_puts(o, "</td><td>");
	if (p->app.n)
		html_name(o, p->app);
	if (p->expected.n) {
		buf_puts(o, " <span class=\"tag hot\">the port is for ");
		escape_html(o, clip(p->expected, 40));
		buf_puts(o, "</span>");
	}
	buf_puts(o, "</td><td class=\"num\">");
	put_number(o, p->flows);
	buf_puts(o, "</td><td class=\"num\">");
	put_bytes(o, p->bytes_out);
	buf_puts(o, "</td><td class=\"num\">");
	put_bytes(o, p->bytes_in);
	buf_puts(o, "</td><td>");
	answers(h, p);
	buf_puts(o, "</td><td>");
	warnings(h, p);
	if (p->said.n) {
		html_name(o, clip(p->said, 160));
		html_ref(h, p->said_kind, p->said_seq, 0);
	}
	buf_puts(o, "</td></tr>\n");
}

static void table(struct html *h)
{
	const struct net *n = &h->rep->net;
	size_t shown = n->npeer < h->rep->rows_max ? n->npeer : h->rep->rows_max;

	buf_puts(h->out,
		 "<div class=\"scroll\"><table>\n<caption class=\"soft\">One row for each program, "
		 "place and port; places that matter most come first</caption>\n<thead><tr>"
		 "<th scope=\"col\">Program</th><th scope=\"col\">Place</th>"
		 "<th scope=\"col\">Speaks</th><th scope=\"col\">Connections</th>"
		 "<th scope=\"col\">Sent</th><th scope=\"col\">Received</th>"
		 "<th scope=\"col\">Answered</th><th scope=\"col\">First words</th></tr></thead>\n"
		 "<tbody>\n");
	for (size_t i = 0; i < shown; i++)
		peer_row(h, &n->peer[i]);
	buf_puts(h->out, "</tbody></table></div>\n");
	html_more(h, shown, n->npeer, "places");
	html_more(h, 0, n->peers_lost, "connections to further places");
}

/* ---- picture ------------------------------------------------------------------------------ */

struct picture {
	struct html *h;
	const struct run_info *run;
	uint64_t t_max;
	uint32_t lane[LANES]; /* peers */
	int nlanes;
	uint64_t left_out;
	double last[LANES][NET_ANSWERS + 1]; /* where the last mark of a kind stands; + canary */
};

static double x_of(const struct picture *p, uint64_t t)
{
	return LABEL + (double)(t < p->t_max ? t : p->t_max) / (double)p->t_max * PLOT;
}

static int lane_of(const struct picture *p, uint32_t peer)
{
	for (int i = 0; i < p->nlanes; i++)
		if (p->lane[i] == peer)
			return i;
	return -1;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Peers are in the order of their weight: the first ones that this run has get a lane. */
static void choose(struct picture *p)
{
	const struct net *n = &p->h->rep->net;
	uint8_t *in_run = xcalloc(n->npeer + 1, 1);

	for (size_t i = 0; i < n->nflow; i++)
		if (n->flow[i].run == p->run->run && n->flow[i].peer != INTERN_NONE)
			in_run[n->flow[i].peer] = 1;
	for (size_t i = 0; i < n->npeer; i++) {
		if (!in_run[i])
			continue;
		if (p->nlanes < LANES)
			p->lane[p->nlanes++] = (uint32_t)i;
		else
			p->left_out++;
	}
	qsort(p->lane, (size_t)p->nlanes, sizeof(p->lane[0]), by_number);
	free(in_run);
	for (int i = 0; i < LANES; i++)
		for (int k = 0; k <= NET_ANSWERS; k++)
			p->last[i][k] = -100;
}

static void shape(struct buf *o, int kind, double x, int y)
{
	switch (kind) {
	case NET_ALLOWED:
		buf_printf(o, "<circle class=\"out\" cx=\"%.1f\" cy=\"%d\" r=\"5\">", x, y);
		break;
	case NET_SINKHOLE:
		buf_printf(o, "<circle class=\"sink\" cx=\"%.1f\" cy=\"%d\" r=\"4\">", x, y);
		break;
	case NET_REFUSED:
		buf_printf(o, "<path class=\"no\" d=\"M%.1f %dl8 8m0-8l-8 8\">", x - 4, y - 4);
		break;
	case NET_UNANSWERED:
		buf_printf(o, "<path class=\"no\" d=\"M%.1f %dh8\">", x - 4, y);
		break;
	default:
		buf_printf(o, "<path class=\"canary\" d=\"M%.1f %dl7 7-7 7-7-7z\">", x, y - 7);
	}
}

static const char *const kind_words[NET_ANSWERS + 1] = {
	[NET_ALLOWED] = "answered by a real server",
	[NET_SINKHOLE] = "answered by the box itself",
	[NET_REFUSED] = "refused",
	[NET_UNANSWERED] = "never answered",
	[NET_ANSWERS] = "a value of this machine was sent",
};

static void mark(struct picture *p, int lane, int kind, uint64_t t, enum event_kind ev,
		 uint64_t seq)
{
	double x = x_of(p, t);
	struct buf *o = p->h->out;

	if (x - p->last[lane][kind] < NEAR)
		return;
	p->last[lane][kind] = x;
	html_link(p->h, ev, seq);
	shape(o, kind, x, TOP + lane * LANE + 9);
	buf_printf(o, "<title>%s</title></%s></a>\n", kind_words[kind],
		   kind == NET_ALLOWED || kind == NET_SINKHOLE ? "circle" : "path");
}

static void lasting(struct picture *p, int lane, const struct netflow *f)
{
	double from = x_of(p, f->t0), to = x_of(p, f->t1 ? f->t1 : p->t_max);

	if (to - from >= 6)
		buf_printf(
			p->h->out,
			"<rect class=\"bar\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"4\"/>\n",
			from, TOP + lane * LANE + 7, to - from);
}

static void flows(struct picture *p)
{
	const struct net *n = &p->h->rep->net;

	for (size_t i = 0; i < n->nflow; i++) {
		const struct netflow *f = &n->flow[i];
		int lane =
			f->run == p->run->run && f->peer != INTERN_NONE ? lane_of(p, f->peer) : -1;

		if (lane < 0)
			continue;
		if (f->answer != NET_REFUSED)
			lasting(p, lane, f);
		mark(p, lane, f->answer, f->t0, EV_FLOW, f->seq);
	}
	for (size_t i = 0; i < n->ncanary; i++) {
		const struct canary_row *c = &n->canary[i];
		int lane =
			c->run == p->run->run && c->peer != INTERN_NONE ? lane_of(p, c->peer) : -1;

		if (lane >= 0)
			mark(p, lane, NET_ANSWERS, c->t, EV_CANARY, c->seq);
	}
}

static void labels(struct picture *p)
{
	struct buf *o = p->h->out;

	for (int i = 0; i < p->nlanes; i++) {
		const struct peer *peer = &p->h->rep->net.peer[p->lane[i]];
		struct str name = peer->name.n ? peer->name : peer->address;

		buf_printf(o, "<text x=\"0\" y=\"%d\">", TOP + i * LANE + 13);
		escape_html(o, clip(name, 30));
		buf_puts(o, name.n > 30 ? "…" : "");
		if (peer->port >= 0)
			buf_printf(o, " :%lld", (long long)peer->port);
		buf_puts(o, "</text>\n");
	}
}

static void axis(struct picture *p, int height)
{
	struct buf *o = p->h->out;
	uint64_t step = html_tick_step(p->t_max);

	for (uint64_t t = 0; t <= p->t_max; t += step) {
		double x = x_of(p, t);

		buf_printf(o, "<line class=\"grid\" x1=\"%.1f\" y1=\"16\" x2=\"%.1f\" y2=\"%d\"/>",
			   x, x, height);
		buf_printf(o, "<text class=\"axis\" x=\"%.1f\" y=\"11\">", x);
		put_clock(o, t);
		buf_puts(o, "</text>\n");
	}
}

static void legend(struct buf *o)
{
	buf_puts(o, "<ul class=\"legend\">");
	for (int kind = 0; kind <= NET_ANSWERS; kind++) {
		buf_puts(o, "<li><svg width=\"16\" height=\"16\" aria-hidden=\"true\">");
		shape(o, kind, 8, 8);
		buf_printf(o, "</%s></svg>%s</li>",
			   kind == NET_ALLOWED || kind == NET_SINKHOLE ? "circle" : "path",
			   kind_words[kind]);
	}
	buf_puts(o, "</ul>");
}

static void picture(struct html *h, size_t at)
{
	struct picture p = { .h = h, .run = &h->rep->procs.run[at] };
	struct buf *o = h->out;
	int height;

	p.t_max = p.run->t_end > h->rep->t_last[at] ? p.run->t_end : h->rep->t_last[at];
	if (p.t_max < 1000000)
		p.t_max = 1000000;
	choose(&p);
	if (!p.nlanes)
		return;
	height = TOP + p.nlanes * LANE + 4;
	buf_printf(o,
		   "<figure style=\"margin:0\" class=\"card\"><figcaption class=\"soft\">Run %u: "
		   "who was talked to when, in seconds from its start</figcaption>\n"
		   "<div class=\"scroll\"><svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		   "style=\"min-width:640px\" role=\"group\" aria-label=\"Timeline of run %u: "
		   "connections to %d places\">\n",
		   p.run->run, W, height, W, height, p.run->run, p.nlanes);
	axis(&p, height);
	labels(&p);
	flows(&p);
	buf_puts(o, "</svg></div>\n");
	legend(o);
	if (p.left_out) {
		buf_puts(o, "<p class=\"more\">");
		put_number(o, p.left_out);
		buf_puts(o, " further places are left out of the picture.</p>");
	}
	buf_puts(o, "</figure>\n");
}

void html_net(struct html *h)
{
	const struct rep *rep = h->rep;
	size_t n = rep->procs.nrun < REPORT_CHARTS ? rep->procs.nrun : REPORT_CHARTS;

	if (!rep->net.flows) {
		buf_puts(h->out, "<p class=\"none\">No connection is on record.</p>\n");
		return;
	}
	canaries(h);
	for (size_t i = 0; i < n; i++)
		picture(h, i);
	html_more(h, n, rep->procs.nrun, "runs without a picture");
	table(h);
}
