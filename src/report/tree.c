// SPDX-License-Identifier: Apache-2.0
/*
 * tree.c - the process tree, folded until a person can read it
 *
 * Each process gets a signature from what it ran, how it ended and the signatures of its children
 * (added up, so that their order does not matter). Children of one parent with the same signature
 * become one row "×N". Where more than REPORT_FOLD rows are left under one parent, those without
 * children are also put together by program alone. Signatures are 64 bits of a seeded hash: two
 * different processes fold into one only by an accident that nobody can bring about.
 *
 * Children come after their parents in the table (procs.c), so one walk from its end makes all
 * signatures, without recursion. Drawing uses a stack of its own: a chain of a million forks must
 * not end this process. Below REPORT_TREE_DEPTH levels, processes are counted and not drawn.
 */
#include <sys/random.h>

#include "report/model.h"

struct folding {
	struct rep *rep;
	struct tree *t;
	uint64_t *sig, *loose; /* by key: with arguments, by program alone */
	uint32_t *below;       /* by key: processes beneath */
	uint64_t seed;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdull;
	return h ^ h >> 29;
}

static uint64_t mix_str(uint64_t h, struct str s)
{
	uint64_t w;

	h = mix(h, s.n);
	for (size_t i = 0; i < s.n; i += 8) {
		w = 0;
		memcpy(&w, s.p + i, s.n - i < 8 ? s.n - i : 8);
		h = mix(h, w);
	}
	return h;
}

static void sign(struct folding *f, const struct proc *p)
{
	const struct procs *ps = &f->rep->procs;
	uint64_t loose = mix(f->seed, p->exec_first != 0);

	for (uint32_t i = p->exec_first; i; i = ps->e[i - 1].next)
		loose = mix_str(mix_str(loose, ps->e[i - 1].image), ps->e[i - 1].script);
	loose = mix(mix(mix(loose, p->ended), (uint64_t)p->status), (uint64_t)p->signal);
	/* the children have added themselves to sig already */
	f->loose[p->key] = mix(loose, f->sig[p->key]);
	f->sig[p->key] = f->loose[p->key];
	for (uint32_t i = p->exec_first; i; i = ps->e[i - 1].next)
		f->sig[p->key] = mix_str(f->sig[p->key], ps->e[i - 1].command);
}

static void sign_all(struct folding *f)
{
	struct procs *ps = &f->rep->procs;

	for (size_t k = ps->n; k-- > 1;) {
		struct proc *p = procs_get(ps, (uint32_t)k), *parent;

		if (!p)
			continue;
		sign(f, p);
		parent = procs_get(ps, p->parent);
		if (!parent)
			continue;
		f->sig[parent->key] += mix(f->seed, f->sig[p->key]);
		f->below[parent->key] += f->below[p->key] + 1;
		/* from the last to the first: the list is in order of birth */
		p->sibling = parent->child;
		parent->child = p->key;
	}
}

struct fold {
	uint64_t sig;
	uint32_t first;
	uint64_t times;
	uint64_t below;
	bool alike;
};

struct folds {
	struct fold *f;
	size_t n, cap;
	uint64_t hidden;
};

/* Put @key into the fold with this signature, or into a new one. */
static void fold_in(struct folds *fs, struct intern *sigs, uint64_t sig, uint32_t key,
		    uint64_t below, bool alike)
{
	struct str s = { (const char *)&sig, sizeof(sig) };
	bool is_new;
	uint32_t id = intern_add(sigs, s, &is_new);

	if (id == INTERN_NONE) {
		fs->hidden += 1 + below;
		return;
	}
	if (is_new) {
		fs->f = vec_grow(fs->f, fs->n, &fs->cap, sizeof(*fs->f));
		fs->f[fs->n++] = (struct fold){ .sig = sig, .first = key };
	}
	/* there is a form for each id */
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
	fs->f[id].alike |= alike && fs->f[id].times;
	fs->f[id].times++;
	fs->f[id].below += below;
}

static struct folds fold_children(struct folding *f, uint32_t first)
{
	const struct procs *ps = &f->rep->procs;
	struct arena a = { 0 };
	struct intern sigs = { .a = &a };
	struct folds exact = { 0 }, byprog = { 0 };

	for (uint32_t k = first; k; k = ps->p[k].sibling)
		fold_in(&exact, &sigs, f->sig[k], k, f->below[k], false);
	intern_free(&sigs);
	arena_free(&a);
	if (exact.n <= REPORT_FOLD)
		return exact;
	free(exact.f);
	sigs = (struct intern){ .a = &a };
	for (uint32_t k = first; k; k = ps->p[k].sibling)
		fold_in(&byprog, &sigs, f->below[k] ? f->sig[k] : f->loose[k], k, f->below[k],
			!f->below[k]);
	intern_free(&sigs);
	arena_free(&a);
	return byprog;
}

struct level {
	struct folds folds;
	size_t next;
};

static struct tree_row *row_add(struct tree *t, const struct proc *p, const struct fold *fold,
				int depth)
{
	t->row = vec_grow(t->row, t->n, &t->cap, sizeof(*t->row));
	t->row[t->n] = (struct tree_row){ .p = p,
					  .times = fold->times,
					  .below = fold->below,
					  .depth = depth,
					  .alike = fold->alike };
	return &t->row[t->n++];
}

static void draw(struct folding *f, struct folds roots)
{
	const struct procs *ps = &f->rep->procs;
	struct level stack[REPORT_TREE_DEPTH + 1];
	int depth = 0;

	stack[0] = (struct level){ roots, 0 };
	while (depth >= 0) {
		struct level *l = &stack[depth];
		const struct fold *fold;
		const struct proc *p;
		struct tree_row *row;

		if (l->next == l->folds.n) {
			f->t->hidden += l->folds.hidden;
			free(l->folds.f);
			depth--;
			continue;
		}
		fold = &l->folds.f[l->next++];
		if (f->t->n >= f->rep->rows_max) {
			f->t->hidden += fold->times + fold->below;
			continue;
		}
		p = &ps->p[fold->first];
		row = row_add(f->t, p, fold, depth);
		if (!p->child)
			continue;
		if (depth == REPORT_TREE_DEPTH) {
			row->hidden = fold->below;
			f->t->hidden += fold->below;
			continue;
		}
		row->has_children = true;
		stack[++depth] = (struct level){ fold_children(f, p->child), 0 };
	}
}

void tree_make(struct rep *rep, struct tree *ret)
{
	struct procs *ps = &rep->procs;
	struct folding f = { .rep = rep, .t = ret };
	uint32_t root = 0, last = 0;

	*ret = (struct tree){ 0 };
	if (ps->n <= 1)
		return;
	if (getrandom(&f.seed, sizeof(f.seed), GRND_NONBLOCK) < 0)
		f.seed = 1;
	f.sig = xcalloc(ps->n, sizeof(*f.sig));
	f.loose = xcalloc(ps->n, sizeof(*f.loose));
	f.below = xcalloc(ps->n, sizeof(*f.below));
	for (size_t k = 1; k < ps->n; k++)
		ps->p[k].child = ps->p[k].sibling = 0;
	sign_all(&f);
	/* those without a parent on record are chained as if they had one */
	for (size_t k = 1; k < ps->n; k++) {
		if (!ps->p[k].key || procs_get(ps, ps->p[k].parent))
			continue;
		if (last)
			ps->p[last].sibling = (uint32_t)k;
		else
			root = (uint32_t)k;
		last = (uint32_t)k;
	}
	draw(&f, fold_children(&f, root));
	free(f.sig);
	free(f.loose);
	free(f.below);
}

void tree_free(struct tree *t)
{
	free(t->row);
	*t = (struct tree){ 0 };
}
