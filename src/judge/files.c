// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - which programs a journal tells of, under which names, and what their bytes say
 *
 * OBJECT events name the files whose bytes are kept; CHANGE events give the same bytes other names
 * and say who wrote them; PROCESS and MODULE events say what was executed. A file is described
 * once, however many names it has.
 */
#include "judge/files.h"
#include "judge/look.h"

struct known {
	const struct file_look *look;
	bool looked, kept, executed;
	uint64_t size;
};

struct gather {
	struct file_book *b;
	const struct object_store *o;
	struct intern sums;  /* hashes: index into known */
	struct intern names; /* hash and path: index into b->v */
	struct known *known;
	size_t known_cap, rows_cap;
	uint64_t bytes; /* looked at so far */
};

static struct str text(const struct event *ev, int at)
{
	return ev->v[at].type == VAL_TEXT ? ev->v[at].s : (struct str){ "", 0 };
}

static int64_t number(const struct event *ev, int at)
{
	return ev->v[at].type == VAL_INT ? ev->v[at].i : 0;
}

static struct known *known_of(struct gather *g, struct str sum, bool add)
{
	bool is_new = false;
	uint32_t at = add ? intern_add(&g->sums, sum, &is_new) : intern_find(&g->sums, sum);

	if (at == INTERN_NONE)
		return NULL;
	if (is_new) {
		g->known = vec_grow(g->known, at, &g->known_cap, sizeof(*g->known));
		g->known[at] = (struct known){ 0 };
	}
	return &g->known[at];
}

/* The row of these bytes under this name, made if it is new. */
static struct file_info *row_of(struct gather *g, const struct event *ev, struct str sum,
				struct str path)
{
	cleanup_buf struct buf key = { 0 };
	struct file_info *f;
	bool is_new;
	uint32_t at;

	buf_add(&key, sum.p, sum.n);
	buf_add(&key, path.p, path.n);
	at = intern_add(&g->names, (struct str){ buf_z(&key), key.n }, &is_new);
	if (at == INTERN_NONE) {
		g->b->left_out++;
		return NULL;
	}
	if (!is_new)
		return &g->b->v[at];
	g->b->v = vec_grow(g->b->v, at, &g->rows_cap, sizeof(*g->b->v));
	f = &g->b->v[at];
	*f = (struct file_info){ .seq = ev->seq, .run = ev->run, .proc = ev->proc };
	f->path = arena_str(&g->b->memory, path);
	memcpy(f->sha256, sum.p, sum.n);
	g->b->n = at + 1;
	return f;
}

static void on_object(struct gather *g, const struct event *ev)
{
	struct str sum = text(ev, EV_AT(OBJECT, SHA256));
	struct known *k = sum.n == SHA256_HEX - 1 ? known_of(g, sum, true) : NULL;

	if (!k)
		return;
	k->kept |= number(ev, EV_AT(OBJECT, KEPT)) == 1;
	k->size = (uint64_t)number(ev, EV_AT(OBJECT, SIZE));
	row_of(g, ev, sum, text(ev, EV_AT(OBJECT, PATH)));
}

/* Second pass: objects are told behind the changes that they belong to. */
static int on_other(void *ctx, const struct event *ev)
{
	struct gather *g = ctx;
	struct file_info *f;
	struct known *k;
	struct str sum;

	switch (ev->kind) {
	case EV_CHANGE:
		sum = text(ev, EV_AT(CHANGE, SHA256));
		if (sum.n != SHA256_HEX - 1 || !known_of(g, sum, false))
			return 0;
		f = row_of(g, ev, sum, text(ev, EV_AT(CHANGE, PATH)));
		if (f && !f->proc)
			f->proc = (uint32_t)number(ev, EV_AT(CHANGE, WRITER));
		return 0;
	case EV_PROCESS:
		for (int i = 0; i < 2; i++) {
			k = known_of(g,
				     text(ev, i ? EV_AT(PROCESS, SCRIPT_SHA256)
						: EV_AT(PROCESS, SHA256)),
				     false);
			if (k)
				k->executed = true;
		}
		return 0;
	default:
		k = known_of(g, text(ev, EV_AT(MODULE, SHA256)), false);
		if (k)
			k->executed = true;
		return 0;
	}
}

static int on_first(void *ctx, const struct event *ev)
{
	on_object(ctx, ev);
	return 0;
}

static const struct file_look *look(struct gather *g, const char *sha256)
{
	struct file_look *l;
	struct mapped m;

	if (object_map(g->o, sha256, &m))
		return NULL;
	if (g->bytes + m.n > LOOK_BYTES_MAX) {
		object_unmap(&m);
		g->b->left_out++;
		return NULL;
	}
	g->bytes += m.n;
	l = arena_alloc(&g->b->memory, sizeof(*l));
	look_at(&g->b->memory, m.p, m.n, l);
	object_unmap(&m);
	return l;
}

/** struct owners - packages by the names that their lists give */
struct owners {
	struct intern names;
	struct str *package; /* by number of the name */
	size_t cap;
	struct arena *a;
};

static void on_package(void *ctx, struct str path, struct str package)
{
	struct owners *w = ctx;
	uint32_t at = intern_find(&w->names, path);

	/* later layers come last: they are what holds */
	if (at != INTERN_NONE)
		w->package[at] = arena_str(w->a, package);
}

/* What is /usr/bin/x stands as /bin/x in lists of packages that are older than merged /usr. */
static struct str without_usr(struct str path)
{
	return str_starts(path, "/usr/") ? (struct str){ path.p + 4, path.n - 4 } : path;
}

/* Scripts of packages are in no list: /var/lib/dpkg/info/PACKAGE.postinst. */
static struct str of_script(struct str path)
{
	static const char folder[] = "/var/lib/dpkg/info/";
	const char *base, *dot;
	size_t n = sizeof(folder) - 1;

	if (!str_starts(path, folder))
		return (struct str){ "", 0 };
	base = path.p + n;
	dot = memrchr(base, '.', path.n - n);
	return dot ? (struct str){ base, (size_t)(dot - base) } : (struct str){ "", 0 };
}

static void packages(struct gather *g)
{
	struct arena keys = { 0 };
	struct owners w = { .names = { .a = &keys, .max = 2 * FILES_MAX }, .a = &g->b->memory };
	struct file_book *b = g->b;

	for (size_t i = 0; i < 2 * b->n; i++) {
		struct str path = b->v[i / 2].path;
		bool is_new;
		uint32_t at = intern_add(&w.names, i % 2 ? without_usr(path) : path, &is_new);

		if (at == INTERN_NONE || !is_new)
			continue;
		w.package = vec_grow(w.package, at, &w.cap, sizeof(*w.package));
		w.package[at] = (struct str){ "", 0 };
	}
	objects_packages(g->o, on_package, &w);
	for (size_t i = 0; i < b->n; i++) {
		uint32_t at = intern_find(&w.names, b->v[i].path);
		uint32_t also = intern_find(&w.names, without_usr(b->v[i].path));

		if (at != INTERN_NONE && w.package[at].n)
			b->v[i].package = w.package[at];
		else if (also != INTERN_NONE)
			b->v[i].package = w.package[also];
		if (!b->v[i].package.n)
			b->v[i].package = of_script(b->v[i].path);
	}
	intern_free(&w.names);
	arena_free(&keys);
	free(w.package);
}

static void finish(struct gather *g)
{
	struct file_book *b = g->b;

	for (size_t i = 0; i < b->n; i++) {
		struct file_info *f = &b->v[i];
		struct known *k = known_of(g, str_z(f->sha256), false);

		if (!k)
			continue;
		f->again = k->looked;
		if (!k->looked) {
			k->look = look(g, f->sha256);
			k->looked = true;
		}
		f->look = k->look;
		f->size = k->size;
		f->kept = k->kept;
		f->executed = k->executed;
	}
	packages(g);
	files_similar(b);
}

int files_look(struct journal_reader *r, const struct object_store *o, struct file_book **ret,
	       struct err *err)
{
	const struct journal_filter objects = { .kinds = 1u << EV_OBJECT };
	const struct journal_filter others = { .kinds = 1u << EV_CHANGE | 1u << EV_PROCESS |
							1u << EV_MODULE };
	struct file_book *b = xcalloc(1, sizeof(*b));
	struct arena keys = { 0 };
	struct gather g = { .b = b,
			    .o = o,
			    .sums = { .a = &keys, .max = FILES_MAX },
			    .names = { .a = &keys, .max = FILES_MAX } };
	int rc = journal_read(r, &objects, on_first, &g, err);

	if (!rc)
		rc = journal_read(r, &others, on_other, &g, err);
	if (!rc)
		finish(&g);
	intern_free(&g.sums);
	intern_free(&g.names);
	arena_free(&keys);
	free(g.known);
	if (rc) {
		files_free(b);
		return rc;
	}
	*ret = b;
	return 0;
}

void files_free(struct file_book *b)
{
	if (!b)
		return;
	arena_free(&b->memory);
	free(b->v);
	free(b);
}

int judged_files(struct judged *d, const struct file_book **ret, struct err *err)
{
	int rc = d->files || !d->r ? 0 : files_look(d->r, d->objects, &d->files, err);

	if (!rc)
		*ret = d->files;
	return rc;
}
