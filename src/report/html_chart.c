// SPDX-License-Identifier: Apache-2.0
/*
 * html_chart.c - a run in one picture: how much happened when, who lived how long, first attempts
 *
 * Plain SVG in the page. Children of one parent that ran the same program and did nothing of note
 * share a lane. Bars and marks are links to events, with their words as titles. When there
 * are more processes than lanes, those that tried to get out, hit a wall or stayed get theirs
 * first, then those that lived longest.
 */
#include "report/exam.h"
#include "report/html.h"

#define W     960
#define LABEL 168
#define PLOT  (W - LABEL - 12)
#define STRIP 44
#define LANE  20

/** struct lane - one process, or all children of one parent that run the same program unremarkably
 */
struct lane {
	const struct proc *first;
	uint64_t times, life;
	uint32_t id; /* in chart.ids */
	int rank;
	double drawn; /* right end of the last bar */
};

struct chart {
	struct html *h;
	const struct run_info *run;
	uint64_t t_max;
	struct intern ids;
	struct lane *lane; /* all of them by id, then the chosen ones in order of birth */
	size_t cap;
	int *place; /* by id: line in the picture, -1 none */
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

static int rank(const struct chart *c, const struct proc *p)
{
	return (left_running(c->h->rep, p) ? 4 : 0) + (p->nattempt || p->nsocket ? 2 : 0);
}

static const struct exec *last_exec(const struct chart *c, const struct proc *p)
{
	return &c->h->rep->procs.e[p->exec_last - 1];
}

/* The lane of a process: one of its own when it did something of note. */
static uint32_t lane_id(struct chart *c, const struct proc *p, bool *ret_new)
{
	const struct exec *e = last_exec(c, p);
	cleanup_buf struct buf key = { 0 };

	if (rank(c, p) || p->child) {
		buf_printf(&key, "%u", p->key);
	} else {
		buf_printf(&key, "%u:", p->parent);
		buf_add(&key, e->image.p, e->image.n);
		buf_add(&key, e->script.p, e->script.n);
	}
	return intern_add(&c->ids, (struct str){ buf_z(&key), key.n }, ret_new);
}

static bool in_picture(const struct chart *c, const struct proc *p)
{
	return p->key && p->run == c->run->run && p->exec_first;
}

static int by_weight(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->life != y->life)
		return x->life > y->life ? -1 : 1;
	return x->first->key < y->first->key ? -1 : 1;
}

static int by_birth(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	return x->first->key < y->first->key ? -1 : x->first->key > y->first->key;
}

static void choose(struct chart *c)
{
	const struct procs *ps = &c->h->rep->procs;
	size_t n = 0;

	c->ids = (struct intern){ .a = &c->h->rep->a };
	for (size_t k = 1; k < ps->n; k++) {
		const struct proc *p = &ps->p[k];
		bool is_new;
		uint32_t id = in_picture(c, p) ? lane_id(c, p, &is_new) : INTERN_NONE;
		uint64_t end;

		if (id == INTERN_NONE) {
			c->left_out += in_picture(c, p);
			continue;
		}
		if (is_new) {
			c->lane = vec_grow(c->lane, n, &c->cap, sizeof(*c->lane));
			c->lane[n++] = (struct lane){ .first = p, .id = id, .rank = rank(c, p) };
		}
		end = end_of(c, p);
		c->lane[id].times++;
		c->lane[id].life += end > p->t0 ? end - p->t0 : 0;
	}
	c->place = xcalloc(n + 1, sizeof(*c->place));
	if (!n)
		return;
	qsort(c->lane, n, sizeof(*c->lane), by_weight);
	for (size_t i = REPORT_LANES; i < n; i++) {
		c->left_out += c->lane[i].times;
		c->place[c->lane[i].id] = -1;
	}
	c->nlanes = n < REPORT_LANES ? (int)n : REPORT_LANES;
	qsort(c->lane, (size_t)c->nlanes, sizeof(*c->lane), by_birth);
	for (int i = 0; i < c->nlanes; i++)
		c->place[c->lane[i].id] = i;
}

/* The line of a process in the picture, -1 when it has none. */
static int place_of(struct chart *c, const struct proc *p)
{
	bool is_new;
	uint32_t id = in_picture(c, p) ? lane_id(c, p, &is_new) : INTERN_NONE;

	return id == INTERN_NONE ? -1 : c->place[id];
}

uint64_t html_tick_step(uint64_t t_max)
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
	uint64_t step = html_tick_step(c->t_max);

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

static void names(const struct chart *c)
{
	struct buf *o = c->h->out;

	for (int i = 0; i < c->nlanes; i++) {
		const struct lane *l = &c->lane[i];
		struct str name = procs_name(&c->h->rep->procs, l->first->key, UINT64_MAX);
		size_t room = l->times > 1 ? 16 : 22;

		buf_printf(o, "<text x=\"0\" y=\"%d\">", lane_y(i) + 11);
		if (l->times > 1)
			buf_printf(o, "×%llu ", (unsigned long long)l->times);
		escape_html(o, clip(name, room));
		buf_puts(o, name.n > room ? "…</text>\n" : "</text>\n");
	}
}

/* Bars of one lane that would cover each other are drawn once. */
static void bars(struct chart *c)
{
	struct buf *o = c->h->out;
	const struct procs *ps = &c->h->rep->procs;

	for (size_t k = 1; k < ps->n; k++) {
		const struct proc *p = &ps->p[k];
		int at = place_of(c, p);
		double from, to;

		if (at < 0)
			continue;
		from = x_of(c, p->t0);
		to = x_of(c, end_of(c, p));
		to = to - from > 2 ? to : from + 2;
		if (to < c->lane[at].drawn + 0.5)
			continue;
		c->lane[at].drawn = to;
		html_link(c->h, EV_PROCESS, last_exec(c, p)->seq);
		buf_printf(o,
			   "<rect class=\"bar\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" "
			   "height=\"12\" rx=\"2\"><title>",
			   from, lane_y(at) + 1, to - from);
		escape_html(o, clip(last_exec(c, p)->command, 200));
		buf_printf(o, " (process %lld)</title></rect></a>\n", (long long)p->pid);
	}
}

static void mark(struct chart *c, uint32_t proc, uint64_t t, enum event_kind kind, uint64_t seq,
		 const char *class, const char *words)
{
	struct buf *o = c->h->out;
	const struct proc *p = procs_get(&c->h->rep->procs, proc);
	int lane = p ? place_of(c, p) : -1, y = lane_y(lane) + 7;
	double x = x_of(c, t);

	if (lane < 0)
		return;
	html_link(c->h, kind, seq);
	if (!strcmp(class, "out"))
		buf_printf(o, "<circle class=\"out\" cx=\"%.1f\" cy=\"%d\" r=\"5\">", x, y);
	else if (!strcmp(class, "wall"))
		buf_printf(o, "<path class=\"wall\" d=\"M%.1f %dl6 11h-12z\">", x, y - 7);
	else
		buf_printf(o, "<path class=\"start\" d=\"M%.1f %dl6 6-6 6-6-6z\">", x, y - 6);
	buf_printf(o, "<title>%s</title></%s></a>\n", words,
		   strcmp(class, "out") ? "path" : "circle");
}

static void marks(struct chart *c)
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

static double place_at(void *chart, uint64_t t)
{
	return x_of(chart, t);
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
	buf_printf(
		o,
		"<figure style=\"margin:0\" class=\"card\"><figcaption class=\"soft\">Run %u, "
		"in seconds from its start%s</figcaption>\n<div class=\"scroll\"><svg "
		"viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" style=\"min-width:640px\" "
		"role=\"group\" aria-label=\"Timeline of run %u: activity and %d lanes of processes\">\n",
		c.run->run, c.left_out ? "; not all processes are shown" : "", W, height, W, height,
		c.run->run, c.nlanes);
	axis(&c, height);
	exam_bands(h, rep->exam, c.run->run, place_at, &c, 16, height);
	strip(&c, &rep->hist[at]);
	names(&c);
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
	intern_free(&c.ids);
	free(c.lane);
	free(c.place);
}

void html_charts(struct html *h)
{
	size_t n = h->rep->procs.nrun < REPORT_CHARTS ? h->rep->procs.nrun : REPORT_CHARTS;

	for (size_t i = 0; i < n; i++)
		chart(h, i);
	html_more(h, n, h->rep->procs.nrun, "runs without a picture");
}
