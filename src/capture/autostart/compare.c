// SPDX-License-Identifier: Apache-2.0
/*
 * compare.c - entries before against entries now
 *
 * Only files that changed are parsed, in both states, and what is the same in both cancels out as
 * a multiset: so moving a line is no change, and a line written twice is one added. Left-overs of
 * one name in one place pair up as 'changed'. At last the places whose entries start programs are
 * walked: an entry that is as before, but whose program is not, is 'changed' as well.
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

void as_parse(const struct as_fs *fs, const struct as_place *place, const char *path,
	      struct as_list *out)
{
	const struct as_parser *parser = &as_parsers[place->parser];
	char parent[AS_PATH_MAX], real[AS_PATH_MAX], link[AS_PATH_MAX];
	struct as_file f = { .path = path, .base = strrchr(path, '/') };
	cleanup_free char *text = NULL;
	struct as_stat st;
	size_t n = 0;

	f.base = f.base ? f.base + 1 : path;
	if (!f.base[0] || as_real_parent(fs, path, parent) || fs->lstat(fs->ctx, parent, &st))
		return;
	if (S_ISLNK(st.mode)) {
		if (fs->readlink(fs->ctx, parent, link, sizeof(link)) < 0)
			return;
		f.link = link;
		if (as_stat(fs, path, &st, real)) { /* leads nowhere */
			if (!(parser->flags & AS_F_LINKS))
				return;
			memset(&st, 0, sizeof(st));
			st.mode = S_IFLNK;
		}
	} else {
		strcpy(real, parent);
	}
	f.mode = st.mode;
	if ((parser->flags & AS_F_ALSO) && S_ISREG(st.mode) && fs->caps)
		f.caps = fs->caps(fs->ctx, real);
	if (S_ISREG(st.mode)) {
		if ((parser->flags & AS_F_BLIND) || fs->read(fs->ctx, real, AS_FILE_MAX, &text, &n))
			n = 0;
		f.text = (struct str){ text, n };
	} else if (!f.link) {
		return;
	}
	if (!f.text.p)
		f.text.p = "";
	as_list_file(out, place, path);
	if (parser->flags & AS_F_WHOLE) {
		struct sha256 *h = sha256_new();
		uint64_t head[2] = { st.size, st.mode };

		sha256_add(h, head, sizeof(head));
		sha256_add(h, f.text.p, f.text.n);
		if (f.link)
			sha256_add(h, f.link, strlen(f.link));
		sha256_end(h, out->digest);
		sha256_free(h);
	}
	parser->parse(&f, out);
	memset(out->digest, 0, sizeof(out->digest));
}

/* ---- one file ----------------------------------------------------------------------------- */

static int same_text(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

static int by_all(const void *pa, const void *pb)
{
	const struct as_item *a = *(const struct as_item *const *)pa;
	const struct as_item *b = *(const struct as_item *const *)pb;
	int r = same_text(a->name, b->name);

	if (!r)
		r = same_text(a->command, b->command);
	return r ? r : memcmp(a->digest, b->digest, sizeof(a->digest));
}

static int by_place(const void *pa, const void *pb)
{
	const struct as_item *a = *(const struct as_item *const *)pa;
	const struct as_item *b = *(const struct as_item *const *)pb;

	return (a > b) - (a < b);
}

struct side {
	struct as_list list;
	struct as_item **v;
	size_t n;
};

static void side_load(struct side *s, const struct as_fs *fs, const struct as_place *place,
		      const char *path)
{
	as_parse(fs, place, path, &s->list);
	s->n = s->list.n;
	s->v = xcalloc(s->n + 1, sizeof(*s->v));
	for (size_t i = 0; i < s->n; i++)
		s->v[i] = &s->list.v[i];
	qsort(s->v, s->n, sizeof(*s->v), by_all);
}

static void side_free(struct side *s)
{
	as_list_free(&s->list);
	free(s->v);
}

/* What is equal on both sides goes; .op of the rest is set. */
static void cancel(struct side *old, struct side *new)
{
	size_t i = 0, j = 0, a = 0, b = 0;

	while (i < old->n || j < new->n) {
		int r = i == old->n ? 1 : j == new->n ? -1 : by_all(&old->v[i], &new->v[j]);

		if (!r) {
			i++, j++;
		} else if (r < 0) {
			old->v[i]->op = CHANGE_REMOVED;
			old->v[a++] = old->v[i++];
		} else {
			new->v[j]->op = CHANGE_ADDED;
			new->v[b++] = new->v[j++];
		}
	}
	old->n = a;
	new->n = b;
	for (i = j = 0; i < old->n && j < new->n;) {
		int r = same_text(old->v[i]->name, new->v[j]->name);

		if (!r) {
			new->v[j]->op = CHANGE_CHANGED;
			old->v[i]->op = CHANGE_CHANGED; /* told by the new one */
		}
		i += r <= 0;
		j += r >= 0;
	}
	qsort(new->v, new->n, sizeof(*new->v), by_place);
	qsort(old->v, old->n, sizeof(*old->v), by_place);
}

static struct as_item *put(struct as_list *out, const struct as_fs *fs, const struct as_item *from,
			   enum change_op op)
{
	struct as_item *it;

	out->place = from->place;
	out->path = as_keep(out, from->path, AS_PATH_MAX);
	out->first = out->n;
	it = as_add(out, from->name, from->command, from->how);
	if (!it)
		return NULL;
	it->op = op;
	if (from->names.p)
		it->names = as_keep(out, from->names, AS_TEXT_MAX);
	as_program(fs, out, it);
	return it;
}

#define FOLD_MIN 2

static bool is_script(enum as_parser_id parser)
{
	return parser == AS_P_SHELL || parser == AS_P_RCLOCAL || parser == AS_P_PYSTART;
}

/* A file of lines that is new, or gone, as a whole is one entry: name of the file, its commands. */
static void put_folded(struct as_list *out, const struct as_fs *fs, const struct side *s,
		       enum change_op op)
{
	cleanup_buf struct buf all = { .limit = AS_TEXT_MAX };
	enum as_parser_id parser = s->v[0]->place->parser;
	const char *base = strrchr(s->v[0]->path.p, '/') + 1;
	struct as_item one = *s->v[0];
	struct as_list found = { 0 };
	bool script = is_script(parser);

	qsort(s->v, s->n, sizeof(*s->v), by_place); /* as in the file */
	for (size_t i = 0; i < s->n && !all.overflow; i++) {
		if (i)
			buf_puts(&all, "; ");
		if (parser == AS_P_KEYS && !as_is(s->v[i]->name, base))
			buf_printf(&all, "%.*s=", (int)s->v[i]->name.n, s->v[i]->name.p);
		buf_add(&all, s->v[i]->command.p, s->v[i]->command.n);
	}
	one.command = (struct str){ all.p, all.n };
	one.name = str_z(base);
	one.names = (struct str){ 0 };
	one.how = script ? AS_SELF : AS_NONE;
	/* a script is its own program, else the first that a line names */
	for (size_t i = 0; i < s->n && !script && one.how == AS_NONE; i++) {
		struct as_item it = *s->v[i];

		as_program(fs, &found, &it);
		if (it.program.n) {
			one.names = it.program;
			one.how = AS_PATH;
		}
	}
	put(out, fs, &one, op);
	as_list_free(&found);
}

/* A new user's copy of a file that the base has in /etc/skel is nobody's doing. */
static bool copied_from_skel(const struct as_fs *now, const struct as_fs *base, const char *path)
{
	cleanup_free char *a = NULL, *b = NULL;
	char skel[AS_PATH_MAX];
	size_t an, bn;

	if (snprintf(skel, sizeof(skel), "/etc/skel/%s", strrchr(path, '/') + 1) >=
	    (int)sizeof(skel))
		return false;
	return !as_slurp(base, skel, &b, &bn) && !as_slurp(now, path, &a, &an) && an == bn &&
	       an < AS_FILE_MAX && !memcmp(a, b, an);
}

/* A file that is in its place before and now, with the same entries but other bytes: a script that
 * is its own program, or words that start nothing. The place has changed all the same. */
static void put_changed(struct as_list *out, const struct as_fs *now, const struct side *new,
			const struct as_place *place, const char *path)
{
	struct as_list one = { 0 };

	if (new->list.n &&new->list.v[0].how == AS_SELF) {
		put(out, now, &new->list.v[0], CHANGE_CHANGED);
		return;
	}
	as_list_file(&one, place, path);
	if (as_add(&one, str_z(strrchr(path, '/') + 1), STR(AS_NO_ENTRY), AS_NONE))
		put(out, now, &one.v[0], CHANGE_CHANGED);
	as_list_free(&one);
}

static void compare_file(const struct as_fs *now, const struct as_fs *base,
			 const struct as_place *place, const char *path, struct as_list *out)
{
	unsigned flags = as_parsers[place->parser].flags;
	struct side old = { 0 }, new = { 0 };
	char real[AS_PATH_MAX];
	struct as_stat st;
	bool was, is, fold;

	if ((flags & AS_F_IN_BOTH) && as_stat(base, path, &st, real))
		return;
	side_load(&old, base, place, path);
	side_load(&new, now, place, path);
	was = old.n;
	is = new.n;
	fold = (flags & AS_F_FOLD) && was != is && old.n + new.n >= FOLD_MIN;
	/* a script that is new, or gone, is its own program: its further lines would say no more */
	if (!fold || !is_script(place->parser))
		out->full |= old.list.full || new.list.full;
	if ((flags & AS_F_IN_BOTH) && !(was && is))
		goto done;
	if (place->parser == AS_P_SHELL && !was && copied_from_skel(now, base, path))
		goto done;
	cancel(&old, &new);
	if (!old.n && !new.n && !(flags & AS_F_ALSO) && !as_stat(base, path, &st, real) &&
	    S_ISREG(st.mode) && as_differs(now, base, path)) {
		put_changed(out, now, &new, place, path);
		goto done;
	}
	if (fold) {
		put_folded(out, is ? now : base, is ? &new : &old,
			   is ? CHANGE_ADDED : CHANGE_REMOVED);
		goto done;
	}
	for (size_t i = 0; i < new.n; i++)
		put(out, now, new.v[i], new.v[i]->op);
	for (size_t i = 0; i < old.n; i++)
		if (old.v[i]->op == CHANGE_REMOVED)
			put(out, base, old.v[i], CHANGE_REMOVED);
done:
	side_free(&old);
	side_free(&new);
}

/* ---- all of them -------------------------------------------------------------------------- */

struct compare {
	const struct as_catalogue *cat;
	const struct as_fs *now, *base;
	struct as_path *paths; /* sorted */
	size_t npaths;
	struct as_list *out;
	int depth;	 /* links to directories that are being looked into */
	const char *dir; /* the innermost of them */
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct as_path *)a)->path, ((const struct as_path *)b)->path);
}

static bool is_changed(const struct compare *c, const char *path)
{
	const struct as_path key = { .path = path };

	return bsearch(&key, c->paths, c->npaths, sizeof(*c->paths), by_path);
}

static void look(struct compare *c, const struct as_path *p);

static int look_inside(void *arg, const char *name)
{
	struct compare *c = arg;
	char path[AS_PATH_MAX];
	const char *dir = c->dir;

	if (strlen(dir) + strlen(name) < sizeof(path) - 2) {
		memcpy(stpcpy(stpcpy(path, dir), "/"), name, strlen(name) + 1);
		if (!is_changed(c, path))
			look(c, &(struct as_path){ .path = path });
	}
	c->dir = dir;
	return 0;
}

/* A link that leads to a directory brings all of it to its place: /etc/cron.d → /opt/x. */
static void look_behind(struct compare *c, const struct as_fs *fs, const char *path)
{
	char parent[AS_PATH_MAX], real[AS_PATH_MAX];
	struct as_stat st;

	if (c->depth >= 3 || as_real_parent(fs, path, parent) || fs->lstat(fs->ctx, parent, &st) ||
	    !S_ISLNK(st.mode) || as_stat(fs, path, &st, real) || !S_ISDIR(st.mode))
		return;
	c->depth++;
	c->dir = path;
	fs->list(fs->ctx, real, look_inside, c);
	c->depth--;
}

static void look(struct compare *c, const struct as_path *p)
{
	const struct as_place *places[AS_MATCH_MAX];
	int n = as_match(c->cat, p->path, p->setid, places);

	for (int i = 0; i < n; i++)
		compare_file(c->now, c->base, places[i], p->path, c->out);
	if (p->plain)
		return;
	look_behind(c, c->now, p->path);
	look_behind(c, c->base, p->path);
}

/* Entries of an unchanged file whose program changed, or that is a link to what changed. */
static void look_at_programs(void *ctx, const char *path)
{
	struct compare *c = ctx;
	const struct as_place *places[AS_MATCH_MAX];
	struct as_list list = { 0 };
	char real[AS_PATH_MAX];
	int n;

	if (is_changed(c, path))
		return;
	n = as_match(c->cat, path, false, places);
	if (!n || !(as_parsers[places[0]->parser].flags & AS_F_STARTS))
		return;
	if (!as_real(c->now, path, real) && strcmp(real, path) && is_changed(c, real)) {
		compare_file(c->now, c->base, places[0], path, c->out);
		return;
	}
	as_parse(c->now, places[0], path, &list);
	for (size_t i = 0; i < list.n; i++) {
		struct as_item *it = &list.v[i];

		as_program(c->now, &list, it);
		if (it->program.n && is_changed(c, it->program.p))
			put(c->out, c->now, it, CHANGE_CHANGED);
	}
	as_list_free(&list);
}

static int same_entry(const struct as_item *a, const struct as_item *b)
{
	int r = (a->place->class > b->place->class) - (a->place->class < b->place->class);

	r = r ? r : (a->op > b->op) - (a->op < b->op);
	r = r ? r : same_text(a->path, b->path);
	r = r ? r : same_text(a->name, b->name);
	return r ? r : same_text(a->command, b->command);
}

static int by_entry(const void *pa, const void *pb)
{
	int r = same_entry(*(const struct as_item *const *)pa, *(const struct as_item *const *)pb);

	return r ? r : by_place(pa, pb);
}

/* A file may be reached by several patterns (/home/x is in passwd as well, and the walk finds it
 * again below another name of its folder): each entry is told once. */
static void drop_twins(struct as_list *l)
{
	const struct as_item **v = xcalloc(l->n + 1, sizeof(const struct as_item *));
	bool *twin = xcalloc(l->n + 1, sizeof(*twin));
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		v[i] = &l->v[i];
	qsort(v, l->n, sizeof(const struct as_item *), by_entry);
	for (size_t i = 1; i < l->n; i++)
		twin[v[i] - l->v] = !same_entry(v[i - 1], v[i]);
	for (size_t i = 0; i < l->n; i++)
		if (!twin[i])
			l->v[n++] = l->v[i];
	l->n = n;
	free(v);
	free(twin);
}

void as_compare(const struct as_catalogue *cat, const struct as_fs *now, const struct as_fs *base,
		const struct as_path *paths, size_t npaths, struct as_list *out)
{
	struct compare c = { .cat = cat, .now = now, .base = base, .npaths = npaths, .out = out };
	size_t before;
	bool targets = false;

	c.paths = xcalloc(npaths + 1, sizeof(*c.paths));
	memcpy(c.paths, paths, npaths * sizeof(*paths));
	qsort(c.paths, npaths, sizeof(*c.paths), by_path);
	for (size_t i = 0; i < npaths; i++) {
		look(&c, &c.paths[i]);
		targets |= c.paths[i].target;
	}
	before = out->n;
	if (targets)
		as_walk(cat, now, AS_F_STARTS, look_at_programs, &c);
	if (out->n > before)
		drop_twins(out);
	free(c.paths);
}
