// SPDX-License-Identifier: Apache-2.0
/*
 * procs.c - who was who: runs, processes, and what each was running at any moment
 *
 * One pass over process, one over run_begin and run_end. A process has the image of its last exec
 * before the moment in question; before its first exec it is a copy of its parent.
 *
 * Always true: a parent's key is smaller than its child's (a link that says otherwise is not
 * followed), so that walks along parents and children end.
 */
#include "report/inner.h"

static struct proc *make(struct procs *ps, const struct event *ev)
{
	uint32_t key = ev->proc;
	struct proc *p;

	if (!key || key > REPORT_KEY_MAX) {
		ps->lost++;
		return NULL;
	}
	if (key >= ps->cap) {
		size_t cap = ps->cap ? ps->cap : 256;

		while (cap <= key)
			cap *= 2;
		ps->p = xrealloc(ps->p, cap * sizeof(*ps->p));
		memset(ps->p + ps->cap, 0, (cap - ps->cap) * sizeof(*ps->p));
		ps->cap = cap;
	}
	if (key >= ps->n)
		ps->n = key + 1;
	p = &ps->p[key];
	if (!p->key) {
		p->key = key;
		p->run = ev->run;
		p->t0 = ev->t;
		p->first_seq = ev->seq;
	}
	return p;
}

static struct str keep(struct procs *ps, const struct event *ev, int at)
{
	return arena_str(ps->a, ev_str(ev, at));
}

static void on_exec(struct procs *ps, struct proc *p, const struct event *ev)
{
	struct str image = ev_str(ev, EV_AT(PROCESS, IMAGE));
	struct exec *e;
	uint32_t id;

	if (ps->ne >= REPORT_EXECS_MAX) {
		ps->lost++;
		return;
	}
	ps->e = vec_grow(ps->e, ps->ne, &ps->ecap, sizeof(*ps->e));
	e = &ps->e[ps->ne++];
	*e = (struct exec){ .seq = ev->seq, .t = ev->t, .proc = p->key };
	id = intern_add(&ps->images, image, NULL);
	e->image = id == INTERN_NONE ? arena_str(ps->a, image) : ps->images.item[id].s;
	e->script = keep(ps, ev, EV_AT(PROCESS, SCRIPT));
	if (!ps->brief) {
		e->command = keep(ps, ev, EV_AT(PROCESS, COMMAND_LINE));
		e->cwd = keep(ps, ev, EV_AT(PROCESS, CWD));
		e->sha256 = keep(ps, ev, EV_AT(PROCESS, SHA256));
		e->script_sha256 = keep(ps, ev, EV_AT(PROCESS, SCRIPT_SHA256));
		e->uid = ev_has(ev, EV_AT(PROCESS, UID)) ? ev_int(ev, EV_AT(PROCESS, UID)) : -1;
	}
	if (p->exec_last)
		ps->e[p->exec_last - 1].next = (uint32_t)ps->ne;
	else
		p->exec_first = (uint32_t)ps->ne;
	p->exec_last = (uint32_t)ps->ne;
}

static void note_main(struct procs *ps, const struct proc *p)
{
	struct run_info *run = str_eq(p->cause, STR("run")) ? procs_run(ps, p->run) : NULL;

	if (run)
		run->t_main = p->t1;
}

static void on_process(void *ctx, const struct event *ev)
{
	struct procs *ps = ctx;
	struct proc *p = make(ps, ev);

	if (!p)
		return;
	if (ev_has(ev, EV_AT(PROCESS, PID)))
		p->pid = ev_int(ev, EV_AT(PROCESS, PID));
	if (ev_has(ev, EV_AT(PROCESS, PARENT)) && !p->parent) {
		int64_t parent = ev_int(ev, EV_AT(PROCESS, PARENT));

		if (parent > 0 && parent < p->key) {
			const struct proc *from = procs_get(ps, (uint32_t)parent);

			p->parent = (uint32_t)parent;
			if (from)
				p->inherited = from->exec_last ?: from->inherited;
		}
	}
	if (ev_has(ev, EV_AT(PROCESS, CAUSE)) && !p->cause.n)
		p->cause = keep(ps, ev, EV_AT(PROCESS, CAUSE));
	if (ev_is(ev, EV_AT(PROCESS, OP), "exec")) {
		on_exec(ps, p, ev);
	} else if (ev_is(ev, EV_AT(PROCESS, OP), "exit")) {
		p->ended = true;
		p->exit_seq = ev->seq;
		p->t1 = ev->t;
		p->status = ev_int(ev, EV_AT(PROCESS, STATUS));
		p->signal = ev_int(ev, EV_AT(PROCESS, SIGNAL));
		note_main(ps, p);
	} else if (!p->fork_seq) {
		p->fork_seq = ev->seq;
		p->t0 = ev->t;
	}
}

struct run_info *procs_run(const struct procs *ps, uint32_t run)
{
	/* numbers follow each other: the place is nearly always known */
	size_t at = ps->nrun && run >= ps->run[0].run ? run - ps->run[0].run : 0;

	if (at < ps->nrun && ps->run[at].run == run)
		return &ps->run[at];
	for (size_t i = 0; i < ps->nrun; i++)
		if (ps->run[i].run == run)
			return &ps->run[i];
	return NULL;
}

static struct run_info *run_make(struct procs *ps, uint32_t run)
{
	struct run_info *r = procs_run(ps, run);

	if (r)
		return r;
	if (ps->nrun >= REPORT_RUNS_MAX)
		return NULL;
	ps->run = vec_grow(ps->run, ps->nrun, &ps->rcap, sizeof(*ps->run));
	r = &ps->run[ps->nrun++];
	*r = (struct run_info){ .run = run };
	return r;
}

static void on_begin(void *ctx, const struct event *ev)
{
	struct procs *ps = ctx;
	struct run_info *r = run_make(ps, ev->run);

	if (!r)
		return;
	r->begin_seq = ev->seq;
	r->wall = r->date = (uint64_t)ev_int(ev, EV_AT(RUN_BEGIN, WALL));
	r->command = keep(ps, ev, EV_AT(RUN_BEGIN, ARGV));
	r->cwd = keep(ps, ev, EV_AT(RUN_BEGIN, CWD));
	r->host = keep(ps, ev, EV_AT(RUN_BEGIN, HOST));
	r->idmap = keep(ps, ev, EV_AT(RUN_BEGIN, UIDMAP));
	r->net = keep(ps, ev, EV_AT(RUN_BEGIN, NET));
	r->limits = keep(ps, ev, EV_AT(RUN_BEGIN, LIMITS));
	r->version = keep(ps, ev, EV_AT(RUN_BEGIN, VERSION));
}

static void on_clock(void *ctx, const struct event *ev)
{
	struct run_info *r = run_make(ctx, ev->run);

	if (r)
		event_run_date(ev, &r->date);
}

static void on_end(void *ctx, const struct event *ev)
{
	struct procs *ps = ctx;
	struct run_info *r = run_make(ps, ev->run);

	if (!r)
		return;
	r->end_seq = ev->seq;
	r->t_end = ev->t;
	r->wall_end = (uint64_t)ev_int(ev, EV_AT(RUN_END, WALL));
	r->has_status = ev_has(ev, EV_AT(RUN_END, STATUS));
	r->status = ev_int(ev, EV_AT(RUN_END, STATUS));
	r->signal = ev_int(ev, EV_AT(RUN_END, SIGNAL));
	r->left = ev_int(ev, EV_AT(RUN_END, LEFT));
	r->reason = keep(ps, ev, EV_AT(RUN_END, REASON));
}

int procs_load(struct procs *ps, struct source *s, struct arena *a, bool brief, struct err *err)
{
	uint32_t fields = F(PROCESS, OP) | F(PROCESS, PID) | F(PROCESS, PARENT) |
			  F(PROCESS, IMAGE) | F(PROCESS, SCRIPT);
	int rc;

	*ps = (struct procs){ .a = a, .images = { .a = a }, .brief = brief };
	rc = source_scan(s, EV_RUN_BEGIN, FIELDS_ALL, on_begin, ps, err);
	if (!rc)
		rc = source_scan(s, EV_CLOCK, FIELDS_ALL, on_clock, ps, err);
	if (!rc)
		rc = source_scan(s, EV_RUN_END, FIELDS_ALL, on_end, ps, err);
	if (!rc)
		rc = source_scan(s, EV_PROCESS, brief ? fields : FIELDS_ALL, on_process, ps, err);
	return rc;
}

void procs_free(struct procs *ps)
{
	intern_free(&ps->images);
	free(ps->p);
	free(ps->e);
	free(ps->run);
	*ps = (struct procs){ 0 };
}

struct proc *procs_get(const struct procs *ps, uint32_t key)
{
	return key && key < ps->n && ps->p[key].key ? &ps->p[key] : NULL;
}

/* A program that runs itself anew for ever makes a long list: look-ups go on where they ended. */
static const struct exec *exec_at(const struct procs *ps, uint32_t key, uint64_t seq)
{
	struct proc *p = procs_get(ps, key);
	uint32_t i;

	if (!p)
		return NULL;
	if (!p->cursor || ps->e[p->cursor - 1].seq > seq)
		p->cursor =
			p->exec_first && ps->e[p->exec_first - 1].seq <= seq ? p->exec_first : 0;
	if (!p->cursor)
		return p->inherited ? &ps->e[p->inherited - 1] : NULL;
	if (p->exec_last && ps->e[p->exec_last - 1].seq <= seq)
		p->cursor = p->exec_last;
	while ((i = ps->e[p->cursor - 1].next) && ps->e[i - 1].seq <= seq)
		p->cursor = i;
	return &ps->e[p->cursor - 1];
}

struct str procs_image(const struct procs *ps, uint32_t key, uint64_t seq)
{
	const struct exec *e = exec_at(ps, key, seq);

	return e ? e->image : (struct str){ "", 0 };
}

struct str procs_name(const struct procs *ps, uint32_t key, uint64_t seq)
{
	const struct exec *e;

	if (!key)
		return STR("belljar");
	e = exec_at(ps, key, seq);
	if (!e)
		return STR("?");
	return base_name(e->script.n ? e->script : e->image);
}
