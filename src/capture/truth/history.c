// SPDX-License-Identifier: Apache-2.0
/*
 * history.c - what earlier runs recorded of the layer, and what is new since
 *
 * A layer takes the changes of several runs, and the walk compares with what was below the layer.
 * CHANGE rows of earlier runs on the same layer say how each path stood when this run began; the
 * difference of the two is what this run did. Rows count when their RUN_BEGIN names the layer, and
 * after the last rollback (which drops layers, so that numbers come again).
 */
#include <sys/stat.h>

#include "capture/truth/truth.h"

/* ---- sets of byte strings ------------------------------------------------------------------ */

struct known *known_get(struct known *set, const void *key, size_t n)
{
	struct known *k;

	HASH_FIND(hh, set, key, n, k);
	return k;
}

struct known *known_put(struct known **set, const void *key, size_t n)
{
	struct known *k = known_get(*set, key, n);

	if (k)
		return k;
	k = xcalloc(1, sizeof(*k) + n + 1);
	k->n = n;
	memcpy(k->key, key, n);
	HASH_ADD_KEYPTR(hh, *set, k->key, n, k);
	return k;
}

void known_free(struct known **set)
{
	struct known *k, *next;

	HASH_ITER(hh, *set, k, next)
	{
		HASH_DEL(*set, k);
		free(k->value);
		free(k);
	}
}

/* ---- reading ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	uint32_t bits;
} types[] = {
	{ "file", S_IFREG },	{ "dir", S_IFDIR },  { "symlink", S_IFLNK }, { "fifo", S_IFIFO },
	{ "socket", S_IFSOCK }, { "char", S_IFCHR }, { "block", S_IFBLK },
};

static size_t type_index(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(name, str_z(types[i].name)))
			return i;
	return 0;
}

static struct prior *prior_of(struct history *h, struct str path, bool base)
{
	struct prior *p;

	HASH_FIND(hh, h->paths, path.p, path.n, p);
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->path = xstrndup(path.p, path.n);
		p->path_n = path.n;
		p->base = base;
		HASH_ADD_KEYPTR(hh, h->paths, p->path, p->path_n, p);
	}
	return p;
}

static void prior_free(struct history *h)
{
	struct prior *p, *next;

	HASH_ITER(hh, h->paths, p, next)
	{
		HASH_DEL(h->paths, p);
		free(p->path);
		free(p->detail);
		free(p);
	}
}

static void take_change(struct history *h, const struct event *ev)
{
	struct str op = truth_text(ev, EV_AT(CHANGE, OP)),
		   path = truth_text(ev, EV_AT(CHANGE, PATH));
	struct str sha = truth_text(ev, EV_AT(CHANGE, SHA256));
	struct str detail = truth_text(ev, EV_AT(CHANGE, DETAIL));
	bool gone = str_eq(op, STR("removed")), moved = str_eq(op, STR("moved"));
	struct prior *p;

	if (!path.n)
		return;
	if (moved)
		prior_of(h, truth_text(ev, EV_AT(CHANGE, PATH2)), true)->exists = false;
	p = prior_of(h, path, !moved && !str_eq(op, STR("added")));
	p->exists = !gone;
	p->type = types[type_index(truth_text(ev, EV_AT(CHANGE, TYPE)))].name;
	p->mode = (uint32_t)ev->v[EV_AT(CHANGE, MODE)].i & 07777;
	p->uid = (uint32_t)ev->v[EV_AT(CHANGE, UID)].i;
	p->gid = (uint32_t)ev->v[EV_AT(CHANGE, GID)].i;
	p->size = (uint64_t)ev->v[EV_AT(CHANGE, SIZE)].i;
	p->sha256[0] = 0;
	if (sha.n == SHA256_HEX - 1) {
		memcpy(p->sha256, sha.p, sha.n);
		p->sha256[sha.n] = 0;
	}
	free(p->detail);
	p->detail = xstrndup(detail.p, detail.n);
	p->detail_n = detail.n;
}

static void take_run(struct history *h, const struct event *ev)
{
	const struct val *setup = &ev->v[EV_AT(RUN_BEGIN, SETUP)];

	h->on_layer = ev->v[EV_AT(RUN_BEGIN, LAYER)].i == (int64_t)h->layer;
	if (!h->on_layer)
		return;
	h->run = xrealloc(h->run, (h->nruns + 1) * sizeof(*h->run));
	h->run[h->nruns++] = (struct truth_run){
		.nr = ev->run,
		.setup_ns = setup->type == VAL_INT ? setup->i : INT64_MAX,
		.begin_ns = ev->v[EV_AT(RUN_BEGIN, WALL)].i,
	};
}

static void take_mark(struct history *h, const struct event *ev)
{
	struct str name = truth_text(ev, EV_AT(MARK, NAME));
	struct str path = truth_text(ev, EV_AT(MARK, DETAIL));

	if (str_eq(name, STR("rollback"))) {
		h->nruns = 0;
		h->on_layer = false;
		prior_free(h);
		known_free(&h->autostart);
		known_free(&h->copied);
	} else if (str_eq(name, STR("copied-in"))) {
		for (; path.n > 1 && HASH_COUNT(h->copied) < TRUTH_COPIED_MAX;
		     path = path_parent(path))
			known_put(&h->copied, path.p, path.n);
	} else if (str_eq(name, STR("experiment")) && str_eq(path, STR("put back"))) {
		path = truth_text(ev, EV_AT(MARK, PATH));
		if (HASH_COUNT(h->copied) < TRUTH_COPIED_MAX)
			known_put(&h->copied, path.p, path.n);
	}
}

static void add_field(struct buf *b, struct str s)
{
	uint64_t n = s.n;

	buf_add(b, &n, sizeof(n));
	buf_add(b, s.p, s.n);
}

static void take_autostart(struct history *h, const struct event *ev)
{
	static const int key[] = { EV_AT(AUTOSTART, CLASS), EV_AT(AUTOSTART, PLACE),
				   EV_AT(AUTOSTART, NAME) };
	static const int value[] = { EV_AT(AUTOSTART, OP), EV_AT(AUTOSTART, COMMAND),
				     EV_AT(AUTOSTART, PROGRAM) };
	struct buf k = { 0 }, v = { 0 };
	struct known *e;

	if (str_eq(truth_text(ev, EV_AT(AUTOSTART, OP)), STR("started")))
		return;
	for (size_t i = 0; i < 3; i++) {
		add_field(&k, truth_text(ev, key[i]));
		add_field(&v, truth_text(ev, value[i]));
	}
	e = known_put(&h->autostart, k.p, k.n);
	if (e->run == ev->run) { /* a second line of the same name */
		e->value = xrealloc(e->value, e->value_n + v.n);
		memcpy(e->value + e->value_n, v.p, v.n);
		e->value_n += v.n;
		buf_free(&v);
	} else {
		free(e->value);
		e->value = v.p;
		e->value_n = v.n;
	}
	e->run = ev->run;
	buf_free(&k);
}

static int take(void *ctx, const struct event *ev)
{
	struct history *h = ctx;
	struct str sha;

	switch (ev->kind) {
	case EV_RUN_BEGIN:
		take_run(h, ev);
		break;
	case EV_RUN_END:
		if (h->on_layer && h->nruns) {
			h->run[h->nruns - 1].ended = true;
			h->run[h->nruns - 1].end_ns = ev->v[EV_AT(RUN_END, WALL)].i;
		}
		break;
	case EV_MARK:
		take_mark(h, ev);
		break;
	case EV_OBJECT:
		sha = truth_text(ev, EV_AT(OBJECT, SHA256));
		known_put(&h->objects, sha.p, sha.n);
		break;
	case EV_CHANGE:
		if (h->on_layer)
			take_change(h, ev);
		break;
	case EV_AUTOSTART:
		if (h->on_layer)
			take_autostart(h, ev);
		break;
	case EV_GAP:
		h->gaps |= ev->run == h->current;
		break;
	default:
		break;
	}
	return 0;
}

int history_read(struct journal_reader *r, unsigned layer, uint32_t run_nr, struct history *ret,
		 struct err *err)
{
	struct journal_filter f = {
		.kinds = 1u << EV_RUN_BEGIN | 1u << EV_RUN_END | 1u << EV_MARK | 1u << EV_OBJECT |
			 1u << EV_CHANGE | 1u << EV_AUTOSTART | 1u << EV_GAP,
	};
	int rc;

	*ret = (struct history){ .layer = layer, .current = run_nr };
	rc = journal_read(r, &f, take, ret, err);
	if (rc)
		history_free(ret);
	return rc;
}

void history_free(struct history *h)
{
	prior_free(h);
	known_free(&h->objects);
	known_free(&h->autostart);
	known_free(&h->copied);
	free(h->run);
	*h = (struct history){ 0 };
}

/* ---- this run's part ----------------------------------------------------------------------- */

static bool same_content(const struct prior *p, const struct change *c)
{
	if (strcmp(p->type, c->type) || p->size != c->size)
		return false;
	if (p->sha256[0] && c->sha256[0])
		return !strcmp(p->sha256, c->sha256);
	if (!strcmp(p->type, "symlink"))
		return str_eq((struct str){ p->detail, p->detail_n }, c->detail);
	return strcmp(p->type, "file") || (!p->sha256[0] && !c->sha256[0]);
}

static bool same_meta(const struct prior *p, const struct change *c)
{
	return p->mode == (c->mode & 07777) && p->uid == c->uid && p->gid == c->gid &&
	       str_eq((struct str){ p->detail, p->detail_n }, c->detail);
}

static void apply_one(struct prior *p, struct delta *d)
{
	struct change *c = &d->c;
	bool exists = c->op != CHANGE_REMOVED;

	p->used = true;
	if (!exists) {
		d->gone = !p->exists;
		return;
	}
	if (!p->exists) {
		c->op = CHANGE_ADDED;
		return;
	}
	d->gone = same_content(p, c) && same_meta(p, c);
	c->op = same_content(p, c) ? CHANGE_META : CHANGE_CHANGED;
	c->mode_before = types[type_index(str_z(p->type))].bits | p->mode;
	c->uid_before = p->uid;
	c->gid_before = p->gid;
	memcpy(c->sha256_before, p->sha256, sizeof(p->sha256));
}

/* A path that an earlier run changed and that is now as it was before the layer. */
static void back_again(struct changeset *set, struct prior *p)
{
	struct delta d = { .c = { .type = p->type ? p->type : "file" } };

	if (!p->base && !p->exists)
		return;
	d.c.path = changeset_own(set, (struct str){ p->path, p->path_n });
	if (p->base) {
		d.c.op = p->exists ? CHANGE_CHANGED : CHANGE_ADDED;
		d.c.detail = STR("as it was before");
	} else {
		d.c.op = CHANGE_REMOVED;
		d.c.mode = types[type_index(str_z(p->type))].bits | p->mode;
		d.c.uid = p->uid;
		d.c.gid = p->gid;
		d.c.size = p->size;
		memcpy(d.c.sha256, p->sha256, sizeof(p->sha256));
	}
	if (set->n == set->cap) {
		set->cap = set->cap ? set->cap * 2 : 64;
		set->v = xrealloc(set->v, set->cap * sizeof(*set->v));
	}
	set->v[set->n++] = d;
}

static bool was_back(const struct prior *p)
{
	/* told as 'back again' by an earlier run, and nothing has happened since */
	return p->exists && p->base &&
	       str_eq((struct str){ p->detail, p->detail_n }, STR("as it was before"));
}

void history_apply(struct history *h, struct changeset *set)
{
	struct prior *p, *next;

	if (!h->paths)
		return;
	for (size_t i = 0; i < set->n; i++) {
		struct str path = set->v[i].c.path;

		HASH_FIND(hh, h->paths, path.p, path.n, p);
		if (p)
			apply_one(p, &set->v[i]);
	}
	/* a walk that was cut says nothing about what it did not list */
	HASH_ITER(hh, h->paths, p, next)
	if (!p->used && !set->cut && !was_back(p))
		back_again(set, p);
}

bool history_is_copied(const struct history *h, const struct delta *d)
{
	return known_get(h->copied, d->c.path.p, d->c.path.n) != NULL;
}

bool history_is_setup(const struct history *h, const struct delta *d)
{
	if (!d->c.ctime_ns)
		return false;
	for (size_t i = 0; i < h->nruns; i++) {
		const struct truth_run *r = &h->run[i], *before = i ? r - 1 : NULL;
		int64_t from = !before ? 0 : before->ended ? before->end_ns : r->setup_ns;

		if (d->c.ctime_ns >= from && d->c.ctime_ns < r->begin_ns)
			return true;
	}
	return false;
}

bool history_counts(const struct history *h, uint32_t nr)
{
	for (size_t i = h->nruns; i-- > 0;) {
		if (h->run[i].nr == nr)
			return nr == h->current || !h->run[i].ended;
		if (h->run[i].nr != h->current && h->run[i].ended)
			return false;
	}
	return nr == h->current;
}
