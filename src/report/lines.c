// SPDX-License-Identifier: Apache-2.0
/*
 * lines.c - what a report says, as it grows: lines of words and names, groups of like events
 */
#include <stdarg.h>

#include "report/model.h"

void line_say(struct arena *a, struct line *l, const char *fmt, ...)
{
	char words[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (n <= 0)
		return;
	if ((size_t)n >= sizeof(words))
		n = sizeof(words) - 1;
	l->p = vec_grow(l->p, l->n, &l->cap, sizeof(*l->p));
	l->p[l->n++] =
		(struct piece){ PIECE_WORDS, arena_str(a, (struct str){ words, (size_t)n }) };
}

void line_name(struct arena *a, struct line *l, struct str s)
{
	l->p = vec_grow(l->p, l->n, &l->cap, sizeof(*l->p));
	l->p[l->n++] = (struct piece){ PIECE_NAME, arena_str(a, s) };
}

void line_ref(struct line *l, enum event_kind kind, uint64_t seq, uint64_t more)
{
	l->kind = kind;
	l->seq = seq;
	l->more = more;
}

struct line *lines_add(struct lines *ls)
{
	ls->l = vec_grow(ls->l, ls->n, &ls->cap, sizeof(*ls->l));
	ls->l[ls->n] = (struct line){ 0 };
	ls->total++;
	return &ls->l[ls->n++];
}

void lines_free(struct lines *ls)
{
	for (size_t i = 0; i < ls->n; i++)
		free(ls->l[i].p);
	free(ls->l);
}

/* ---- groups ------------------------------------------------------------------------------- */

void group_add(struct rep *rep, struct groups *gs, const struct event *ev, struct group g)
{
	char head[96];
	cleanup_buf struct buf key = { 0 };
	const struct str part[] = { g.who, g.what, g.how, g.where, g.answer, g.errname };
	struct arena *a = &rep->a;
	bool is_new;
	uint32_t id;

	/* lengths first, so that no two different lists of parts give the same bytes */
	snprintf(head, sizeof(head), "%d %lld %zu %zu %zu %zu %zu %zu ", (int)ev->kind,
		 (long long)g.port, part[0].n, part[1].n, part[2].n, part[3].n, part[4].n,
		 part[5].n);
	buf_puts(&key, head);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		buf_add(&key, part[i].p, part[i].n);
	gs->total++;
	gs->keys.a = a;
	id = intern_add(&gs->keys, (struct str){ buf_z(&key), key.n }, &is_new);
	if (id == INTERN_NONE) {
		gs->lost++;
		return;
	}
	if (is_new) {
		const struct proc *p = procs_get(&rep->procs, ev->proc);

		gs->g = vec_grow(gs->g, gs->n, &gs->cap, sizeof(*gs->g));
		gs->g[gs->n++] = (struct group){
			.who = g.who, /* interned already */
			.what = arena_str(a, g.what),
			.how = arena_str(a, g.how),
			.where = arena_str(a, g.where),
			.answer = arena_str(a, g.answer),
			.errname = arena_str(a, g.errname),
			.port = g.port,
			.example = arena_str(a, g.example),
			.reason = arena_str(a, g.reason),
			.kind = ev->kind,
			.run = ev->run,
			.proc = ev->proc,
			.pid = p ? p->pid : 0,
			.first_seq = ev->seq,
			.first_t = ev->t,
		};
	}
	gs->g[id].n++;
	gs->g[id].last_t = ev->t;
}

void groups_free(struct groups *gs)
{
	intern_free(&gs->keys);
	free(gs->g);
}
