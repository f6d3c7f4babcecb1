// SPDX-License-Identifier: Apache-2.0
/*
 * changes_walk.c - compare two states of a box by walking the layers between them
 *
 * Theory of operation
 *
 * `now` and `then` are trees of the same box. Only directories that lie in a layer above `since`
 * are entered, and in them only names that such a layer holds: all else is the same by the way
 * overlays work. Where the way down is cut (an opaque directory, a directory in place of a file),
 * the names of the old directory are looked at too. An entry that a layer holds may still equal
 * the old one (it was copied up): bytes are compared by hash, then mode, owner, attributes.
 *
 * The walk keeps its own stack: depth is the program's choice. A frame with only `now` lists an
 * added tree, one with only `then` a removed one.
 *
 * What was removed is hashed at the end, and only where that can tell something: when a file of
 * the same size was added (it may have moved), when it is a program, or when the box had made it.
 *
 * Invariant: records come in the order of names within each directory, parents first.
 */
#include <sys/stat.h>

#include "capture/truth/changes.h"

struct frame {
	struct tree_node *now, *then;
	struct tree_names names, more; /* in layers above since; of the old directory */
	size_t i, k;
	size_t path_n; /* path length of this directory */
};

struct removed {
	uint64_t index, size;
	char *path;
	size_t path_n;
	bool always;
};

struct cmp {
	struct tree *now, *then;
	struct sha256 *hasher;
	unsigned since;
	struct rec_out out;
	struct buf path;
	struct frame *stack;
	size_t depth, cap;
	uint64_t changes, hashed;
	size_t nlimits;
	bool stop, hash_told;
	struct removed *removed;
	size_t nremoved, removed_cap;
	uint64_t *sizes; /* of added files */
	size_t nsizes, sizes_cap;
	struct times times;
};

static struct str path_now(const struct cmp *w)
{
	return (struct str){ w->path.n ? w->path.p : "/", w->path.n ? w->path.n : 1 };
}

static void limit(struct cmp *w, const char *what, uint64_t value)
{
	/* one place is kept for the limit that ends the walk */
	if (w->nlimits < CHANGES_LIMITS_MAX - (w->stop ? 0 : 1)) {
		w->nlimits++;
		rec_limit(&w->out, what, value, path_now(w));
	}
}

static void stop(struct cmp *w, const char *what, uint64_t value)
{
	if (!w->stop) {
		w->stop = true;
		limit(w, what, value);
	}
}

/* ---- content ------------------------------------------------------------------------------ */

static void open_entry(struct entry *e)
{
	if (S_ISREG(e->st.mode))
		e->fd = tree_node_file(e->dir, e->name, &e->st, &e->born_ns);
}

static bool is_program(const char head[4])
{
	return !memcmp(head, "#!", 2) || !memcmp(head, "MZ", 2) ||
	       !memcmp(head,
		       "\x7f"
		       "ELF",
		       4);
}

static void hash_entry(struct cmp *w, const struct entry *e, char out[SHA256_HEX], bool *program)
{
	char head[4] = { 0 };
	ssize_t n = -1;

	out[0] = 0;
	if (e->fd < 0)
		return;
	if (e->st.size > CHANGES_HASH_FILE_MAX || e->st.size > CHANGES_HASH_TOTAL_MAX - w->hashed) {
		if (!w->hash_told) {
			w->hash_told = true;
			limit(w, "hashed bytes",
			      e->st.size > CHANGES_HASH_FILE_MAX ? CHANGES_HASH_FILE_MAX
								 : CHANGES_HASH_TOTAL_MAX);
		}
		n = pread(e->fd, head, sizeof(head), 0);
	} else {
		if (sha256_file(w->hasher, e->fd, e->st.size, CHANGES_HASH_FILE_MAX, out, head,
				NULL))
			out[0] = 0;
		w->hashed += e->st.size;
	}
	if (program && (n >= 2 || out[0]))
		*program = is_program(head);
}

/* ---- records ------------------------------------------------------------------------------ */

static void fill(struct delta *d, const struct tree_stat *st)
{
	d->c.type = st->type;
	d->c.mode = st->mode;
	d->c.uid = st->uid;
	d->c.gid = st->gid;
	d->c.size = S_ISREG(st->mode) ? st->size : 0;
	d->dev = st->dev;
	d->ino = st->ino;
	d->nlink = st->nlink;
	d->c.ctime_ns = st->ctime_ns > 0 ? st->ctime_ns : 0;
}

static void fill_before(struct delta *d, const struct tree_stat *st)
{
	d->c.mode_before = st->mode;
	d->c.uid_before = st->uid;
	d->c.gid_before = st->gid;
}

static void emit(struct cmp *w, struct delta *d)
{
	if (w->stop)
		return;
	if (w->changes >= CHANGES_MAX) {
		stop(w, "changes", CHANGES_MAX);
		return;
	}
	if (w->out.written + w->out.buf.n > CHANGES_BYTES_MAX - (1 << 20)) {
		stop(w, "bytes", CHANGES_BYTES_MAX);
		return;
	}
	d->c.path = path_now(w);
	if (d->c.detail.n > CHANGES_DETAIL_MAX)
		d->c.detail.n = CHANGES_DETAIL_MAX;
	rec_change(&w->out, d);
	w->changes++;
}

static void note_size(struct cmp *w, uint64_t size)
{
	if (w->nsizes == w->sizes_cap) {
		w->sizes_cap = w->sizes_cap ? w->sizes_cap * 2 : 256;
		w->sizes = xrealloc(w->sizes, w->sizes_cap * sizeof(*w->sizes));
	}
	w->sizes[w->nsizes++] = size;
}

static void note_removed(struct cmp *w, const struct tree_stat *st)
{
	if (!S_ISREG(st->mode) || !st->size || w->stop)
		return;
	if (w->nremoved == w->removed_cap) {
		w->removed_cap = w->removed_cap ? w->removed_cap * 2 : 256;
		w->removed = xrealloc(w->removed, w->removed_cap * sizeof(*w->removed));
	}
	w->removed[w->nremoved++] = (struct removed){
		.index = w->changes,
		.size = st->size,
		.path = xstrndup(w->path.p, w->path.n),
		.path_n = w->path.n,
		.always = st->layer > 0 || (st->mode & 0111),
	};
}

static struct str link_target(const struct entry *e, char room[TREE_TARGET_MAX])
{
	ssize_t n = e->name ? tree_node_readlink(e->dir, e->name, &e->st, room) : -EINVAL;

	return (struct str){ room, n > 0 ? (size_t)n : 0 };
}

static void added(struct cmp *w, struct entry *e)
{
	cleanup_buf struct buf detail = { 0 };
	struct delta d = { .c.op = CHANGE_ADDED };
	char room[TREE_TARGET_MAX];

	fill(&d, &e->st);
	if (S_ISLNK(e->st.mode)) {
		d.c.detail = link_target(e, room);
	} else {
		meta_detail(e, NULL, &detail);
		d.c.detail = (struct str){ detail.p, detail.n };
	}
	hash_entry(w, e, d.c.sha256, &d.program);
	times_of(&w->times, &d, e, NULL, w->changes);
	if (S_ISREG(e->st.mode)) {
		d.program |= (e->st.mode & 0111) != 0;
		if (e->st.size)
			note_size(w, e->st.size);
	}
	emit(w, &d);
}

static void removed(struct cmp *w, const struct entry *e)
{
	struct delta d = { .c.op = CHANGE_REMOVED };
	char room[TREE_TARGET_MAX];

	fill(&d, &e->st);
	d.c.ctime_ns = 0;
	if (S_ISLNK(e->st.mode))
		d.c.detail = link_target(e, room);
	note_removed(w, &e->st);
	times_before(&w->times, &e->st);
	emit(w, &d);
}

static void other_type(struct cmp *w, struct entry *now, struct entry *then)
{
	cleanup_buf struct buf detail = { 0 };
	struct delta d = { .c.op = CHANGE_CHANGED };
	char room[TREE_TARGET_MAX];

	fill(&d, &now->st);
	fill_before(&d, &then->st);
	buf_printf(&detail, "was a %s", then->st.type);
	if (S_ISLNK(now->st.mode)) {
		struct str target = link_target(now, room);

		/* the target alone, as for every link: mode_before tells the old type */
		detail.n = 0;
		buf_add(&detail, target.p, target.n);
	} else {
		struct buf attrs = { 0 };

		meta_detail(now, NULL, &attrs);
		if (attrs.n)
			buf_printf(&detail, "; %s", buf_z(&attrs));
		buf_free(&attrs);
	}
	d.c.detail = (struct str){ detail.p, detail.n };
	hash_entry(w, now, d.c.sha256, &d.program);
	hash_entry(w, then, d.c.sha256_before, NULL);
	if (S_ISREG(now->st.mode))
		d.program |= (now->st.mode & 0111) != 0;
	times_of(&w->times, &d, now, NULL, w->changes);
	times_before(&w->times, &then->st);
	emit(w, &d);
}

/* Whether the bytes (or the target, or the device) differ; fills hashes. */
static bool content_differs(struct cmp *w, const struct entry *now, const struct entry *then,
			    struct delta *d, struct buf *detail)
{
	char a[TREE_TARGET_MAX], b[TREE_TARGET_MAX];
	struct str from, to;

	if (S_ISREG(now->st.mode)) {
		hash_entry(w, now, d->c.sha256, &d->program);
		d->program |= (now->st.mode & 0111) != 0;
		hash_entry(w, then, d->c.sha256_before, NULL);
		if (now->st.size != then->st.size)
			return true;
		if (d->c.sha256[0] && d->c.sha256_before[0])
			return strcmp(d->c.sha256, d->c.sha256_before) != 0;
		buf_puts(detail, "content could not be compared");
		return true;
	}
	if (S_ISLNK(now->st.mode)) {
		to = link_target(now, a);
		from = link_target(then, b);
		buf_add(detail, to.p, to.n);
		return !str_eq(from, to);
	}
	return (S_ISCHR(now->st.mode) || S_ISBLK(now->st.mode)) && now->st.rdev != then->st.rdev;
}

static void same_type(struct cmp *w, struct entry *now, struct entry *then)
{
	cleanup_buf struct buf detail = { 0 }, meta = { 0 };
	struct delta d = { 0 };
	bool differs;

	fill(&d, &now->st);
	fill_before(&d, &then->st);
	differs = !S_ISDIR(now->st.mode) && content_differs(w, now, then, &d, &detail);
	meta_detail(now, then, &meta);
	times_before(&w->times, &then->st);
	if (!differs && !meta.n)
		return;
	d.c.op = differs ? CHANGE_CHANGED : CHANGE_META;
	times_of(&w->times, &d, now, differs ? then : NULL, w->changes);
	if (!differs)
		detail.n = 0; /* a link's owner: what differs, not where it leads */
	if (!S_ISLNK(now->st.mode) || !differs) {
		if (detail.n && meta.n)
			buf_puts(&detail, "; ");
		buf_add(&detail, meta.p, meta.n);
	}
	d.c.detail = (struct str){ detail.p, detail.n };
	emit(w, &d);
}

/* ---- the walk ----------------------------------------------------------------------------- */

static bool has_part(const struct tree_node *n, unsigned since, bool above)
{
	for (int i = 0; n && i < n->n; i++)
		if ((n->part[i].layer > since) == above)
			return true;
	return false;
}

static int names_of(struct cmp *w, struct frame *f)
{
	int rc = 0;

	if (f->now)
		rc = tree_node_names(w->now, f->now, w->since, !f->then, &f->names);
	/* nothing of the old directory shows through: its names must be asked for one by one */
	if (!rc && f->then && !has_part(f->now, w->since, false))
		rc = tree_node_names(w->then, f->then, 0, true, &f->more);
	return rc;
}

/* Takes both nodes over; either may be NULL. */
static void push(struct cmp *w, struct tree_node *now, struct tree_node *then)
{
	struct frame f = { .now = now, .then = then, .path_n = w->path.n };
	int rc = -EMFILE;

	if (w->depth < CHANGES_DEPTH_MAX)
		rc = names_of(w, &f);
	if (rc) {
		if (rc == -EMFILE || rc == -ENFILE)
			limit(w, "depth", CHANGES_DEPTH_MAX);
		else if (rc == -E2BIG)
			limit(w, "files", TREE_NAMES_MAX);
		else if (rc != -EACCES && rc != -ENOENT)
			limit(w, "unreadable directories", (uint64_t)-rc);
		tree_names_free(&f.names);
		tree_names_free(&f.more);
		tree_node_close(now);
		tree_node_close(then);
		return;
	}
	if (w->depth == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 64;
		w->stack = xrealloc(w->stack, w->cap * sizeof(*w->stack));
	}
	w->stack[w->depth++] = f;
}

static void pop(struct cmp *w)
{
	struct frame *f = &w->stack[--w->depth];

	tree_names_free(&f->names);
	tree_names_free(&f->more);
	tree_node_close(f->now);
	tree_node_close(f->then);
}

/* Next name of the two sorted lists, each once. */
static const char *next_name(struct frame *f)
{
	const char *a = f->i < f->names.n ? f->names.name[f->i] : NULL;
	const char *b = f->k < f->more.n ? f->more.name[f->k] : NULL;
	int c = !a ? 1 : !b ? -1 : strcmp(a, b);

	if (!a && !b)
		return NULL;
	if (c <= 0)
		f->i++;
	if (c >= 0)
		f->k++;
	return c <= 0 ? a : b;
}

static void visit(struct cmp *w, struct frame *f, const char *name)
{
	struct entry now = { .dir = f->now, .name = name, .fd = -1 };
	struct entry then = { .dir = f->then, .name = name, .fd = -1 };
	struct tree_node *n1 = NULL, *n0 = NULL;
	int rc1 = -ENOENT, rc0 = -ENOENT;

	if (f->now)
		rc1 = tree_node_child(w->now, f->now, name, &now.st, &n1);
	if (!rc1 && f->then && now.st.layer <= w->since && !has_part(n1, w->since, true) &&
	    !(n1 && n1->mounts_below)) {
		/* not touched by any layer between, and nothing below it has layers of its own */
		tree_node_close(n1);
		return;
	}
	if (f->then)
		rc0 = tree_node_child(w->then, f->then, name, &then.st, &n0);
	if ((rc1 && rc1 != -ENOENT) || (rc0 && rc0 != -ENOENT))
		limit(w, rc1 == -EMFILE || rc0 == -EMFILE ? "depth" : "unreadable entries",
		      CHANGES_DEPTH_MAX);
	/* attributes of a directory are those of its own topmost folder */
	if (n1)
		now.dir = n1, now.name = NULL;
	if (n0)
		then.dir = n0, then.name = NULL;
	if (!rc1)
		open_entry(&now);
	if (!rc1 && !rc0)
		open_entry(&then);
	if (!rc1 && rc0 == -ENOENT)
		added(w, &now);
	else if (rc1 == -ENOENT && !rc0)
		removed(w, &then);
	else if (!rc1 && !rc0 && strcmp(now.st.type, then.st.type))
		other_type(w, &now, &then);
	else if (!rc1 && !rc0)
		same_type(w, &now, &then);
	if (now.fd >= 0)
		close(now.fd);
	if (then.fd >= 0)
		close(then.fd);
	if (n1 || n0)
		push(w, n1, n0);
}

static void walk(struct cmp *w)
{
	while (w->depth && !w->stop && !w->out.failed) {
		struct frame *f = &w->stack[w->depth - 1];
		const char *name = next_name(f);

		w->path.n = f->path_n;
		if (!name) {
			pop(w);
			continue;
		}
		if (w->path.n + 1 + strlen(name) > TREE_PATH_MAX) {
			limit(w, "path", TREE_PATH_MAX);
			continue;
		}
		buf_add(&w->path, "/", 1);
		buf_puts(&w->path, name);
		visit(w, f, name);
	}
	while (w->depth)
		pop(w);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void hash_removed(struct cmp *w)
{
	if (w->nsizes)
		qsort(w->sizes, w->nsizes, sizeof(*w->sizes), by_size);
	for (size_t i = 0; i < w->nremoved; i++) {
		struct removed *r = &w->removed[i];
		cleanup_close int fd = -1;
		char hex[SHA256_HEX];

		if (r->size > CHANGES_HASH_FILE_MAX ||
		    r->size > CHANGES_HASH_TOTAL_MAX - w->hashed || r->index >= w->changes)
			continue;
		if (!r->always && (!w->nsizes || !bsearch(&r->size, w->sizes, w->nsizes,
							  sizeof(*w->sizes), by_size)))
			continue;
		fd = tree_open_file(w->then, (struct str){ r->path, r->path_n });
		if (fd < 0 ||
		    sha256_file(w->hasher, fd, r->size, CHANGES_HASH_FILE_MAX, hex, NULL, NULL))
			continue;
		w->hashed += r->size;
		rec_sha(&w->out, r->index, hex);
	}
}

static void cmp_free(struct cmp *w)
{
	for (size_t i = 0; i < w->nremoved; i++)
		free(w->removed[i].path);
	free(w->removed);
	free(w->sizes);
	free(w->stack);
	sha256_free(w->hasher);
	times_free(&w->times);
	buf_free(&w->path);
	buf_free(&w->out.buf);
	buf_free(&w->out.rec);
	tree_close(w->now);
	tree_close(w->then);
}

static int walk_root(struct cmp *w)
{
	struct tree_node *now = NULL, *then = NULL;
	struct entry a = { .fd = -1 }, b = { .fd = -1 };
	int rc = tree_node_root(w->now, &now);

	if (!rc)
		rc = tree_node_root(w->then, &then);
	if (!rc)
		rc = tree_node_stat(now, &a.st);
	if (!rc)
		rc = tree_node_stat(then, &b.st);
	if (rc) {
		tree_node_close(now);
		tree_node_close(then);
		return rc;
	}
	a.dir = now;
	b.dir = then;
	same_type(w, &a, &b);
	push(w, now, then);
	walk(w);
	hash_removed(w);
	times_tell(&w->times, &w->out, w->changes);
	return 0;
}

int changes_walk(struct box *box, struct box_run *run, unsigned since, const struct dates *dates,
		 int fd)
{
	struct cmp w = { .since = since, .out.fd = fd, .hasher = sha256_new() };
	struct err err = { 0 };
	int rc;

	times_init(&w.times, dates);
	/* each level of the tree holds directories open */
	descriptors_most();
	rc = tree_open(box, run, TREE_NOW, &w.now, &err);
	if (!rc)
		rc = tree_open(box, run, since, &w.then, &err);
	if (!rc)
		rc = walk_root(&w);
	if (!rc)
		rc = w.out.failed;
	if (rc)
		rec_fail(&w.out, rc, STR("compare the box's layers"));
	else
		rec_end(&w.out, w.changes);
	if (rec_flush(&w.out) && !rc)
		rc = w.out.failed;
	cmp_free(&w);
	return rc;
}
