// SPDX-License-Identifier: Apache-2.0
/*
 * join.c - which call on record explains each changed path
 *
 * Theory of operation
 *
 * One hash holds the changed paths, one the folders above them. FILE events stream by, and each
 * that names a changed path is its latest *touch*. A touch is strong when the call can have left
 * the path as it is, and weak when it is known to have failed or fits badly (an unlink of what is
 * there): a weak one explains but is not preferred.
 *
 * Names differ from paths where links are on the way. So the folders that calls named are
 * collected in a pass of their own and resolved in the box. Only when changes are left without an
 * explanation, a second round looks at links in the last place, at names through /proc, and at
 * sockets (bind makes a file). After that: a rename of a folder above explains what is in it, and
 * a touch of one hard link explains the others.
 */
#include <limits.h>
#include <sys/stat.h>

#include "capture/truth/truth.h"

/** struct folder - a folder above a changed path, and its last rename */
struct folder {
	UT_hash_handle hh;
	struct str path;
	uint64_t to_seq, from_seq;
	uint32_t to_proc, from_proc;
};

/** struct magic - a call that named a file through /proc; only the last component can be told */
struct magic {
	struct str name; /* empty: the call named a descriptor, not a name below it */
	uint32_t proc;
	uint64_t seq;
	bool deep; /* "?/name": only for paths that are too long for the kernel to tell */
};

struct pass {
	struct join *j;
	struct aliases folders, files;
	bool second; /* look at whole names as well */
	struct magic *magic;
	size_t nmagic;
	struct known *names; /* what magic names point into */
};

struct tracked *join_find(const struct join *j, struct str path)
{
	struct tracked *t;

	HASH_FIND(hh, j->by_path, path.p, path.n, t);
	return t;
}

static struct folder *folder_get(const struct join *j, struct str path)
{
	struct folder *f;

	HASH_FIND(hh, j->folders, path.p, path.n, f);
	return f;
}

static void add_folders(struct join *j, struct str path)
{
	for (path = path_parent(path); path.n > 1 && !folder_get(j, path);
	     path = path_parent(path)) {
		struct folder *f = xcalloc(1, sizeof(*f));

		f->path = path;
		HASH_ADD_KEYPTR(hh, j->folders, f->path.p, f->path.n, f);
	}
}

static void join_index(struct join *j)
{
	j->v = xcalloc(j->set->n + 1, sizeof(*j->v));
	for (size_t i = 0; i < j->set->n; i++) {
		struct tracked *t = &j->v[i];
		struct delta *d = &j->set->v[i];

		t->d = d;
		if (d->gone)
			continue;
		HASH_ADD_KEYPTR(hh, j->by_path, d->c.path.p, d->c.path.n, t);
		add_folders(j, d->c.path);
	}
}

void join_free(struct join *j)
{
	struct folder *f, *next;

	HASH_ITER(hh, j->folders, f, next)
	{
		HASH_DEL(j->folders, f);
		free(f);
	}
	HASH_CLEAR(hh, j->by_path);
	free(j->v);
}

/* ---- one event ---------------------------------------------------------------------------- */

struct file_call file_call(const struct event *ev)
{
	static const char *const making[] = { "create", "mkdir", "mknod", "symlink", "link" };
	static const char *const following[] = { "write", "create",   "truncate",    "chmod",
						 "chown", "setxattr", "removexattr", "setflags" };
	static const char *const meta[] = { "chmod",	   "chown",  "setxattr",
					    "removexattr", "utimes", "setflags" };
	struct file_call c = {
		.op = truth_text(ev, EV_AT(FILE, OP)),
		.path = truth_text(ev, EV_AT(FILE, PATH)),
		.path2 = truth_text(ev, EV_AT(FILE, PATH2)),
	};
	const struct val *was = &ev->v[EV_AT(FILE, BEFORE)];
	struct str answer = truth_text(ev, EV_AT(FILE, ANSWER));
	bool there = was->type == VAL_INT && was->i, absent = was->type == VAL_INT && !was->i;
	int64_t flags = ev->v[EV_AT(FILE, FLAGS)].i;

	c.renames = str_eq(c.op, STR("rename")) || str_eq(c.op, STR("exchange"));
	c.links = str_eq(c.op, STR("link"));
	c.removes = str_eq(c.op, STR("unlink")) || str_eq(c.op, STR("rmdir"));
	for (size_t i = 0; i < ARRAY_SIZE(making); i++)
		c.makes |= str_eq(c.op, str_z(making[i]));
	for (size_t i = 0; i < ARRAY_SIZE(following); i++)
		c.follows |= str_eq(c.op, str_z(following[i]));
	for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
		c.is_meta |= str_eq(c.op, str_z(meta[i]));
	c.sets_rights =
		str_eq(c.op, STR("chmod")) && ev->v[EV_AT(FILE, MODE)].i & (S_ISUID | S_ISGID);
	c.refused = str_eq(answer, STR("refused"));
	/* a chown that is claimed is written beside the file, and so is done */
	c.failed = c.refused || (answer.n && !str_eq(c.op, STR("chown"))) ||
		   ev->v[EV_AT(FILE, REASON)].type == VAL_TEXT;
	/* making what is there fails, but opening it with O_CREAT does not; EXCL makes it fail */
	if (there && c.makes && !c.links &&
	    (!str_eq(c.op, STR("create")) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)))
		c.failed = true;
	if (absent && (c.removes || c.renames || c.links))
		c.failed = true;
	if (!c.renames && !c.links)
		c.path2 = (struct str){ "", 0 };
	if (str_eq(c.op, STR("memfd")) || str_eq(c.op, STR("read-decoy")) ||
	    str_eq(c.op, STR("tmpfile")))
		c.path = (struct str){ "", 0 };
	return c;
}

enum role { ROLE_PLAIN, ROLE_FROM, ROLE_TO };

static bool fits(const struct tracked *t, const struct file_call *c, enum role role)
{
	bool takes_away = c->removes || role == ROLE_FROM;

	if (c->failed)
		return false;
	if (str_eq(c->op, STR("exchange")))
		return t->d->c.op != CHANGE_REMOVED;
	return takes_away == (t->d->c.op == CHANGE_REMOVED);
}

/* Who made the content is who wrote it; a later chmod explains a change of the mode alone. */
static void touch_strongly(struct tracked *t, const struct event *ev, const struct file_call *c)
{
	bool meta_changed = t->d->c.op == CHANGE_META;

	if (c->sets_rights)
		t->rights_proc = ev->proc;
	if (t->strong_seq && t->strong_is_meta != c->is_meta && t->strong_is_meta == meta_changed)
		return;
	t->strong_seq = ev->seq;
	t->strong_proc = ev->proc;
	t->strong_is_meta = c->is_meta;
}

static void touch(struct join *j, struct str path, const struct event *ev,
		  const struct file_call *c, enum role role)
{
	struct tracked *t = join_find(j, path);
	struct folder *f;

	if (t && fits(t, c, role)) {
		touch_strongly(t, ev, c);
	} else if (t) {
		t->weak_seq = ev->seq;
		t->weak_proc = ev->proc;
	}
	if (!c->renames || c->failed)
		return;
	f = folder_get(j, path);
	if (f && (role == ROLE_TO || str_eq(c->op, STR("exchange")))) {
		f->to_seq = ev->seq;
		f->to_proc = ev->proc;
	}
	if (f && (role == ROLE_FROM || str_eq(c->op, STR("exchange")))) {
		f->from_seq = ev->seq;
		f->from_proc = ev->proc;
	}
}

static void touch_under(struct join *j, struct str folder, struct str name, const struct event *ev,
			const struct file_call *c, enum role role)
{
	cleanup_buf struct buf path = { 0 };

	if (!folder.n)
		return;
	if (folder.n > 1)
		buf_add(&path, folder.p, folder.n);
	buf_add(&path, "/", 1);
	buf_add(&path, name.p, name.n);
	touch(j, (struct str){ path.p, path.n }, ev, c, role);
}

static void touch_name(struct pass *p, struct str path, const struct event *ev,
		       const struct file_call *c, enum role role)
{
	struct alias *a;

	if (!path.n)
		return;
	touch(p->j, path, ev, c, role);
	a = alias_get(&p->folders, path_parent(path));
	if (a) {
		touch_under(p->j, a->now, path_name(path), ev, c, role);
		if (!str_eq(a->now, a->then))
			touch_under(p->j, a->then, path_name(path), ev, c, role);
	}
	a = p->second ? alias_get(&p->files, path) : NULL;
	if (a && a->now.n)
		touch(p->j, a->now, ev, c, role);
	if (a && a->then.n)
		touch(p->j, a->then, ev, c, role);
}

/* ---- passes ------------------------------------------------------------------------------- */

static void want_folder(struct pass *p, struct str path)
{
	struct str parent = path_parent(path);

	/* a folder that is above a change by this very name needs no look */
	if (path.n && path.p[0] == '/' && !folder_get(p->j, parent))
		alias_add(&p->folders, parent);
}

static bool counts(const struct pass *p, const struct event *ev)
{
	return history_counts(p->j->h, ev->run);
}

static int collect_folders(void *ctx, const struct event *ev)
{
	struct pass *p = ctx;
	struct file_call c = file_call(ev);

	if (!counts(p, ev) || c.refused)
		return 0;
	want_folder(p, c.path);
	want_folder(p, c.path2);
	return 0;
}

static int touch_all(void *ctx, const struct event *ev)
{
	struct pass *p = ctx;
	struct file_call c = file_call(ev);

	if (!counts(p, ev) || c.refused)
		return 0;
	touch_name(p, c.path, ev, &c, c.renames ? ROLE_FROM : ROLE_PLAIN);
	touch_name(p, c.path2, ev, &c, c.renames ? ROLE_TO : ROLE_PLAIN);
	return 0;
}

static bool in_proc(struct str path)
{
	return str_starts(path, "/proc/") || str_starts(path, "/dev/fd/");
}

static bool all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static void add_magic(struct pass *p, struct str name, const struct event *ev, bool deep)
{
	struct known *k = known_put(&p->names, name.p, name.n);

	if (p->nmagic == TRUTH_MAGIC_MAX) {
		p->j->aliases_cut = true;
		return;
	}
	p->magic = xrealloc(p->magic, (p->nmagic + 1) * sizeof(*p->magic));
	p->magic[p->nmagic++] = (struct magic){ { k->key, k->n }, ev->proc, ev->seq, deep };
}

/* Made here, and no link: neither now nor before the layer can this name mean another file. */
static bool means_itself(const struct join *j, struct str path)
{
	const struct tracked *t = join_find(j, path);

	return t && t->d->c.op == CHANGE_ADDED && !S_ISLNK(t->d->c.mode);
}

static int collect_rest(void *ctx, const struct event *ev)
{
	struct pass *p = ctx;
	struct file_call c;
	struct str address;

	if (!counts(p, ev))
		return 0;
	if (ev->kind == EV_SOCKET) {
		address = truth_text(ev, EV_AT(SOCKET, ADDRESS));
		if (str_eq(truth_text(ev, EV_AT(SOCKET, OP)), STR("bind")) &&
		    str_eq(truth_text(ev, EV_AT(SOCKET, FAMILY)), STR("unix")) && address.n &&
		    address.p[0] != '@')
			add_magic(p, path_name(address), ev, false);
		return 0;
	}
	c = file_call(ev);
	if (c.refused || !c.path.n)
		return 0;
	if (in_proc(c.path) || in_proc(c.path2)) {
		struct str path = c.path2.n ? c.path2 : c.path, name = path_name(path);

		if (in_proc(path) && (all_digits(name) || str_eq(name, STR("cwd"))))
			name = (struct str){ "", 0 };
		add_magic(p, name, ev, false);
		return 0;
	}
	/* "?/name": the folder's path was longer than the recorder can tell */
	if (c.path.p[0] == '?')
		add_magic(p, path_name(c.path), ev, true);
	if (c.path2.n && c.path2.p[0] == '?')
		add_magic(p, path_name(c.path2), ev, true);
	if (c.path.p[0] == '/' && !means_itself(p->j, c.path) &&
	    (c.follows || str_eq(path_name(c.path), STR(".."))))
		alias_add(&p->files, c.path);
	return 0;
}

static bool is_touched(const struct tracked *t)
{
	return t->strong_seq || t->weak_seq;
}

/* What was last changed while no program ran needs no second round: none of their calls did it. */
static bool untouched(const struct join *j)
{
	for (size_t i = 0; i < j->set->n; i++)
		if (!j->v[i].d->gone && !is_touched(&j->v[i]) && !history_is_setup(j->h, j->v[i].d))
			return true;
	return false;
}

static void touch_by_magic(struct pass *p, struct tracked *t)
{
	struct str name = path_name(t->d->c.path);
	bool meta = t->d->c.op == CHANGE_META || t->d->c.op == CHANGE_CHANGED;

	for (size_t i = 0; i < p->nmagic; i++) {
		const struct magic *m = &p->magic[i];

		if (m->deep && t->d->c.path.n < PATH_MAX - 256)
			continue;
		if (m->name.n ? str_eq(m->name, name) : meta) {
			t->weak_seq = m->seq;
			t->weak_proc = m->proc;
		}
	}
}

static int second_round(struct pass *p, struct journal_reader *r, const struct journal_filter *f,
			unsigned since, struct err *err)
{
	struct journal_filter both = *f;
	int rc;

	both.kinds |= 1u << EV_SOCKET;
	rc = journal_read(r, &both, collect_rest, p, err);
	if (!rc)
		rc = aliases_resolve(&p->files, p->j->box, p->j->run, since, err);
	p->second = true;
	if (!rc && p->files.set)
		rc = journal_read(r, f, touch_all, p, err);
	for (size_t i = 0; i < p->j->set->n && !rc; i++)
		if (!p->j->v[i].d->gone && !is_touched(&p->j->v[i]))
			touch_by_magic(p, &p->j->v[i]);
	return rc;
}

/* ---- what is explained by others ------------------------------------------------------------ */

static void by_folder(struct join *j, struct tracked *t)
{
	struct str path = path_parent(t->d->c.path);

	for (; path.n > 1; path = path_parent(path)) {
		struct folder *f = folder_get(j, path);
		bool removed = t->d->c.op == CHANGE_REMOVED;
		uint64_t seq = !f ? 0 : removed ? f->from_seq : f->to_seq;

		if (seq) {
			t->strong_seq = seq;
			t->strong_proc = removed ? f->from_proc : f->to_proc;
			return;
		}
	}
}

static int by_inode(const void *a, const void *b)
{
	const struct delta *x = (*(struct tracked *const *)a)->d;
	const struct delta *y = (*(struct tracked *const *)b)->d;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void by_hard_link(struct join *j)
{
	cleanup_free struct tracked **v = xcalloc(j->set->n + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < j->set->n; i++) {
		struct delta *d = j->v[i].d;

		if (!d->gone && d->nlink > 1 && S_ISREG(d->c.mode) && d->c.op != CHANGE_REMOVED)
			v[n++] = &j->v[i];
	}
	qsort(v, n, sizeof(*v), by_inode);
	for (size_t i = 0, k; i < n; i = k) {
		struct tracked *best = NULL;

		for (k = i; k < n && !by_inode(&v[i], &v[k]); k++)
			if (v[k]->strong_seq && (!best || v[k]->strong_seq > best->strong_seq))
				best = v[k];
		for (size_t m = i; best && m < k; m++)
			if (!v[m]->strong_seq) {
				v[m]->strong_seq = best->strong_seq;
				v[m]->strong_proc = best->strong_proc;
			}
	}
}

static void conclude(struct join *j)
{
	for (size_t i = 0; i < j->set->n; i++)
		if (!j->v[i].d->gone && !j->v[i].strong_seq)
			by_folder(j, &j->v[i]);
	by_hard_link(j);
	for (size_t i = 0; i < j->set->n; i++) {
		struct tracked *t = &j->v[i];

		if (t->d->gone)
			continue;
		if (is_touched(t)) {
			t->how = TOUCH_PROC;
			t->proc = t->strong_seq ? t->strong_proc : t->weak_proc;
		} else if (history_is_copied(j->h, t->d)) {
			t->how = TOUCH_OURS;
		} else if (history_is_setup(j->h, t->d)) {
			t->how = TOUCH_SETUP;
			t->d->gone = true;
		}
	}
}

int join_events(struct join *j, struct journal_reader *r, struct err *err)
{
	struct journal_filter f = { .kinds = 1u << EV_FILE };
	unsigned since = j->h->layer - 1;
	struct pass p = { .j = j };
	int rc;

	join_index(j);
	if (!j->by_path)
		return 0;
	/* runs before the last one with an end cannot explain anything */
	for (size_t i = 0; i < j->h->nruns && !f.run; i++)
		if (history_counts(j->h, j->h->run[i].nr) && i + 1 == j->h->nruns)
			f.run = j->h->run[i].nr;
		else if (history_counts(j->h, j->h->run[i].nr))
			break;
	rc = journal_read(r, &f, collect_folders, &p, err);
	if (!rc)
		rc = aliases_resolve(&p.folders, j->box, j->run, since, err);
	if (!rc)
		rc = journal_read(r, &f, touch_all, &p, err);
	if (!rc && untouched(j))
		rc = second_round(&p, r, &f, since, err);
	if (!rc)
		conclude(j);
	j->aliases_cut |= p.folders.cut || p.files.cut;
	aliases_free(&p.folders);
	aliases_free(&p.files);
	known_free(&p.names);
	free(p.magic);
	return rc;
}
