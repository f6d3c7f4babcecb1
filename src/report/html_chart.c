// SPDX-License-Identifier: Apache-2.0
/*
 * html_chart.c - a run in one picture: how much happened when, who lived how long, first attempts
 *
 * Plain SVG in the page. Bars and marks are links to events, with their words as titles. When there
 * are more processes than lanes, those that tried to get out, hit a wall or stayed get theirs
 * first, then those that lived longest.
 */
#include "report/html.h"

#define W     960
#define LABEL 168
#define PLOT  (W - LABEL - 12)
#define STRIP 44
#define LANE  20

struct chart {
	struct html *h;
	const struct run_info *run;
	uint64_t t_max;
	const struct proc *lane[REPORT_LANES];
	int nlanes;
	uint64_t left_out;
};

static double x_of(const struct chart *c, uint64_t t)
{
	if (t > c->t_max)
		t = c->t_max;
	return LABEL + (double)t / (double)c->t_max * PLOT;
}

static uint64_t end_of(const struct chart *c, const struct proc *p)
{
	return p->ended ? p->t1 : c->t_max;
}

static int rank(const struct chart *c, const struct proc *p, uint64_t *ret_life)
{
	uint64_t end = end_of(c, p);

	*ret_life = end > p->t0 ? end - p->t0 : 0;
	return (p->nattempt || p->nsocket ? 2 : 0) + (left_running(c->h->rep, p) ? 4 : 0);
}

/* Whether @a deserves a lane before @b. */
static bool before(const struct chart *c, const struct proc *a, const struct proc *b)
{
	uint64_t la, lb;
	int ra = rank(c, a, &la), rb = rank(c, b, &lb);

	return ra != rb ? ra > rb : la != lb ? la > lb : a->key < b->key;
}

static int by_birth(const void *a, const void *b)
{
	const struct proc *const *x = a, *const *y = b;

	return (*x)->key < (*y)->key ? -1 : (*x)->key > (*y)->key;
}

static void choose(struct chart *c)
{
	const struct procs *ps = &c->h->rep->procs;

	for (size_t k = 1; k < ps->n; k++) {
		const struct proc *p = &ps->p[k];
		int at;

		if (!p->key || p->run != c->run->run || !p->exec_first)
			continue;
		if (c->nlanes == REPORT_LANES) {
			c->left_out++;
			if (!before(c, p, c->lane[c->nlanes - 1]))
				continue;
			c->nlanes--;
		}
		for (at = c->nlanes++; at > 0 && before(c, p, c->lane[at - 1]); at--)
			c->lane[at] = c->lane[at - 1];
		c->lane[at] = p;
	}
	if (c->nlanes)
		qsort(c->lane, (size_t)c->nlanes, sizeof(c->lane[0]), by_birth);
}

/* A step of 1, 2 or 5 times a power of ten that gives 4 to 8 ticks. */
static uint64_t tick_step(uint64_t t_max)
{
	static const unsigned factor[] = { 2, 5, 10 };
	uint64_t step = 1000, base = 1000;

	for (int i = 0; t_max / step > 7 && base < UINT64_MAX / 20; i = (i + 1) % 3) {
		step = base * factor[i];
		if (i == 2)
			base = step;
	}
	return step;
}

static void axis(const struct chart *c, int height)
{
	struct buf *o = c->h->out;
	uint64_t step = tick_step(c->t_max);

	for (uint64_t t = 0; t <= c->t_max; t += step) {
		double x = x_of(c, t);

		buf_printf(o, "<line class=\"grid\" x1=\"%.1f\" y1=\"16\" x2=\"%.1f\" y2=\"%d\"/>",
			   x, x, height);
		buf_printf(o, "<text class=\"axis\" x=\"%.1f\" y=\"11\">", x);
		if (step < 1000000)
			buf_printf(o, "%llu µs", (unsigned long long)(t / 1000));
		else
			put_clock(o, t);
		buf_puts(o, "</text>\n");
	}
}

static void strip(const struct chart *c, const struct hist *hist)
{
	struct buf *o = c->h->out;
	uint32_t most = 1;

	for (int i = 0; i < REPORT_HIST; i++)
		if (hist->n[i] > most)
			most = hist->n[i];
	buf_printf(o, "<text x=\"0\" y=\"%d\">events</text>\n<g class=\"hist\">", 16 + STRIP - 6);
	for (int i = 0; i < REPORT_HIST; i++) {
		double from, to, height;

		if (!hist->n[i] || (uint64_t)i * hist->width > c->t_max)
			continue;
		from = x_of(c, (uint64_t)i * hist->width);
		to = x_of(c, (uint64_t)(i + 1) * hist->width);
		height = 1 + (double)hist->n[i] / most * (STRIP - 8);
		buf_printf(o,
			   "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%u "
			   "events</title></rect>",
			   from, 16 + STRIP - 2 - height, to - from > 1 ? to - from - 0.4 : 1.0,
			   height, hist->n[i]);
	}
	buf_puts(o, "</g>\n");
}

static int lane_y(int lane)
{
	return 16 + STRIP + 8 + lane * LANE;
}

static void link_open(const struct chart *c, enum event_kind kind, uint64_t seq)
{
	/* the same collecting as any other link, but the link itself is drawn here */
	struct buf *o = c->h->out;
	size_t n = o->n;

	html_ref(c->h, kind, seq, 0);
	o->n = n;
	buf_printf(o, "<a href=\"#e%llu\">", (unsigned long long)seq);
}

static void bars(const struct chart *c)
{
	struct buf *o = c->h->out;
	const struct procs *ps = &c->h->rep->procs;

	for (int i = 0; i < c->nlanes; i++) {
		const struct proc *p = c->lane[i];
		const struct exec *e = &ps->e[p->exec_last - 1];
		double from = x_of(c, p->t0), to = x_of(c, end_of(c, p));
		struct str name = procs_name(ps, p->key, UINT64_MAX);

		link_open(c, EV_PROCESS, e->seq);
		buf_printf(o, "<text x=\"0\" y=\"%d\">", lane_y(i) + 11);
		escape_html(o, clip(name, 22));
		buf_puts(o, name.n > 22 ? "…" : "");
		buf_printf(o,
			   "</text><rect class=\"bar\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" "
			   "height=\"12\" rx=\"2\"><title>",
			   from, lane_y(i) + 1, to - from > 2 ? to - from : 2.0);
		escape_html(o, clip(e->command, 200));
		buf_printf(o, " (process %lld)</title></rect></a>\n", (long long)p->pid);
	}
}

static void mark(const struct chart *c, uint32_t proc, uint64_t t, enum event_kind kind,
		 uint64_t seq, const char *class, const char *words)
{
	struct buf *o = c->h->out;
	double x = x_of(c, t);
	int lane = 0, y;

	while (lane < c->nlanes && c->lane[lane]->key != proc)
		lane++;
	if (lane == c->nlanes)
		return;
	y = lane_y(lane) + 7;
	link_open(c, kind, seq);
	if (!strcmp(class, "out"))
		buf_printf(o, "<circle class=\"out\" cx=\"%.1f\" cy=\"%d\" r=\"5\">", x, y);
	else if (!strcmp(class, "wall"))
		buf_printf(o, "<path class=\"wall\" d=\"M%.1f %dl6 11h-12z\">", x, y - 7);
	else
		buf_printf(o, "<path class=\"start\" d=\"M%.1f %dl6 6-6 6-6-6z\">", x, y - 6);
	buf_printf(o, "<title>%s</title></%s></a>\n", words,
		   strcmp(class, "out") ? "path" : "circle");
}

static void marks(const struct chart *c)
{
	const struct rep *rep = c->h->rep;

	for (size_t i = 0; i < rep->out.n && i < REPORT_MOMENTS; i++)
		if (rep->out.g[i].run == c->run->run)
			mark(c, rep->out.g[i].proc, rep->out.g[i].first_t, EV_SOCKET,
			     rep->out.g[i].first_seq, "out", "tries to reach something outside");
	for (size_t i = 0; i < rep->wall.n && i < REPORT_MOMENTS; i++)
		if (rep->wall.g[i].run == c->run->run &&
		    str_eq(rep->wall.g[i].answer, STR("refused")))
			mark(c, rep->wall.g[i].proc, rep->wall.g[i].first_t, rep->wall.g[i].kind,
			     rep->wall.g[i].first_seq, "wall", "is refused a special power");
	for (size_t i = 0; i < rep->ran.n && i < REPORT_MOMENTS; i++) {
		const struct dropped *d = &rep->ran_info[i];
		const struct proc *p = procs_get(&rep->procs, d->proc);

		if (!d->write_seq || !p || p->run != c->run->run)
			continue;
		for (uint32_t k = p->exec_first; k; k = rep->procs.e[k - 1].next)
			if (rep->procs.e[k - 1].seq == d->exec_seq)
				mark(c, d->proc, rep->procs.e[k - 1].t, EV_PROCESS, d->exec_seq,
				     "start", "runs a file that was written in the box");
	}
}

static void chart(struct html *h, size_t at)
{
	const struct rep *rep = h->rep;
	struct chart c = { .h = h, .run = &rep->procs.run[at] };
	struct buf *o = h->out;
	int height;

	c.t_max = c.run->t_end > rep->t_last[at] ? c.run->t_end : rep->t_last[at];
	if (c.t_max < 1000)
		c.t_max = 1000;
	choose(&c);
	height = lane_y(c.nlanes) + 4;
	buf_printf(o,
		   "<figure style=\"margin:0\" class=\"card\"><figcaption class=\"soft\">Run %u, "
		   "in seconds from its start%s</figcaption>\n<div class=\"scroll\"><svg "
		   "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" style=\"min-width:640px\" "
		   "role=\"group\" aria-label=\"Timeline of run %u: activity and %d processes\">\n",
		   c.run->run, c.left_out ? "; not all processes are shown" : "", W, height, W,
		   height, c.run->run, c.nlanes);
	axis(&c, height);
	strip(&c, &rep->hist[at]);
	bars(&c);
	marks(&c);
	buf_puts(o,
		 "</svg></div>\n<ul class=\"legend\"><li><svg width=\"12\" height=\"12\" "
		 "aria-hidden=\"true\"><circle class=\"out\" cx=\"6\" cy=\"6\" r=\"5\"/></svg>"
		 "tries to reach something outside</li><li><svg width=\"12\" height=\"12\" "
		 "aria-hidden=\"true\"><path class=\"wall\" d=\"M6 0l6 11h-12z\"/></svg>is "
		 "refused a special power</li><li><svg width=\"12\" height=\"12\" "
		 "aria-hidden=\"true\"><path class=\"start\" d=\"M6 0l6 6-6 6-6-6z\"/></svg>runs "
		 "a file that was written in the box</li></ul>");
	if (c.left_out) {
		buf_puts(o, "<p class=\"more\">");
		put_number(o, c.left_out);
		buf_puts(o, " shorter-lived processes are left out of the picture.</p>");
	}
	buf_puts(o, "</figure>\n");
}

void html_charts(struct html *h)
{
	size_t n = h->rep->procs.nrun < REPORT_CHARTS ? h->rep->procs.nrun : REPORT_CHARTS;

	for (size_t i = 0; i < n; i++)
		chart(h, i);
	html_more(h, n, h->rep->procs.nrun, "runs without a picture");
}
