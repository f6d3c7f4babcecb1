// SPDX-License-Identifier: Apache-2.0
/*
 * moments.c - what happened when: the first of each kind of thing, and every turning point
 *
 * A timeline of all events is what `belljar events` is for. Here stand the beginning and end of
 * each run, marks, limits and gaps, the first start of each different program, and the first of
 * each group of attempts and of connections with each place; never more than REPORT_MOMENTS, and
 * each sort has its share, so that a program cannot push one sort out by making much of another.
 */
#include "report/model.h"

#define SHARE (REPORT_MOMENTS / 6)

static void add(struct plain_rows *to, size_t *share, uint64_t seq, uint64_t t, uint32_t run,
		enum event_kind kind)
{
	to->total++;
	if (!*share)
		return;
	--*share;
	to->r = vec_grow(to->r, to->n, &to->cap, sizeof(*to->r));
	to->r[to->n++] = (struct plain_row){ seq, t, run, kind };
}

static void add_rows(struct plain_rows *to, const struct plain_rows *from)
{
	size_t share = SHARE / 2;

	for (size_t i = 0; i < from->n; i++)
		add(to, &share, from->r[i].seq, from->r[i].t, from->r[i].run, from->r[i].kind);
}

static void add_groups(struct plain_rows *to, const struct groups *gs, bool refused_only)
{
	size_t share = SHARE;

	for (size_t i = 0; i < gs->n; i++) {
		const struct group *g = &gs->g[i];

		if (!refused_only || str_eq(g->answer, STR("refused")))
			add(to, &share, g->first_seq, g->first_t, g->run, g->kind);
	}
}

static void add_programs(struct rep *rep, struct plain_rows *to)
{
	const struct procs *ps = &rep->procs;
	struct intern seen = { .a = &rep->a };
	size_t share = SHARE;

	for (size_t i = 0; i < ps->ne && share; i++) {
		const struct exec *e = &ps->e[i];
		bool is_new;

		intern_add(&seen, e->script.n ? e->script : e->image, &is_new);
		if (is_new)
			add(to, &share, e->seq, e->t, procs_get(ps, e->proc)->run, EV_PROCESS);
	}
	intern_free(&seen);
}

/* The first connection with each place, and values of this machine that went out. */
static void add_net(const struct rep *rep, struct plain_rows *to)
{
	size_t peers = SHARE, canaries = SHARE / 2;

	for (size_t i = 0; i < rep->net.ncanary; i++)
		add(to, &canaries, rep->net.canary[i].seq, rep->net.canary[i].t,
		    rep->net.canary[i].run, EV_CANARY);
	for (size_t i = 0; i < rep->net.npeer; i++)
		add(to, &peers, rep->net.peer[i].first_seq, rep->net.peer[i].first_t,
		    rep->net.peer[i].run, EV_FLOW);
}

static int by_seq(const void *a, const void *b)
{
	const struct plain_row *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void find_moments(struct rep *rep, struct plain_rows *ret)
{
	const struct procs *ps = &rep->procs;
	size_t runs = SHARE, n = 0;

	*ret = (struct plain_rows){ 0 };
	for (size_t i = 0; i < ps->nrun; i++) {
		const struct run_info *r = &ps->run[i];

		if (r->begin_seq)
			add(ret, &runs, r->begin_seq, 0, r->run, EV_RUN_BEGIN);
		if (r->end_seq)
			add(ret, &runs, r->end_seq, r->t_end, r->run, EV_RUN_END);
	}
	add_programs(rep, ret);
	add_net(rep, ret);
	add_groups(ret, &rep->out, net_gated(&rep->net));
	add_groups(ret, &rep->listens, false);
	add_groups(ret, &rep->wall, true);
	add_rows(ret, &rep->marks);
	add_rows(ret, &rep->limits);
	add_rows(ret, &rep->gaps);
	for (int sort = 0; sort < ST_SORTS; sort++) {
		const struct start_rows *rows = &rep->start[sort];
		size_t starts = SHARE / ST_SORTS;

		for (size_t i = 0; i < rows->n; i++)
			add(ret, &starts, rows->r[i].seq, rows->r[i].t, rows->r[i].run,
			    EV_AUTOSTART);
	}
	if (!ret->n)
		return;
	qsort(ret->r, ret->n, sizeof(*ret->r), by_seq);
	for (size_t i = 0; i < ret->n; i++) /* an event can be the first of two things */
		if (!n || ret->r[n - 1].seq != ret->r[i].seq)
			ret->r[n++] = ret->r[i];
	ret->n = n;
}
