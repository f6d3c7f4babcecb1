// SPDX-License-Identifier: Apache-2.0
/*
 * autostart.c - the catalogue against a box: who reads, who decides
 *
 * The files belong to the program under glass, so they are read and parsed in a child that has the
 * box's user namespace and nothing else to lose; what it found comes back as records, which are
 * decoded here with the same distrust (autostart/wire.c).
 */
#include <sys/stat.h>
#include <sys/xattr.h>

#include "capture/autostart/autostart.h"
#include "capture/truth/changes.h"
#include "capture/truth/tree.h"

/* ---- a box's tree as an as_fs -------------------------------------------------------------- */

static int fs_lstat(void *ctx, const char *path, struct as_stat *ret)
{
	struct tree_stat st;
	int r = tree_stat(ctx, str_z(path), false, &st);

	if (!r)
		*ret = (struct as_stat){
			.mode = st.mode, .uid = st.uid, .gid = st.gid, .size = st.size
		};
	return r;
}

static int fs_read(void *ctx, const char *path, size_t max, char **ret, size_t *ret_n)
{
	cleanup_close int fd = tree_open_file(ctx, str_z(path));
	struct stat st;
	ssize_t n;
	char *p;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size < max)
		max = (size_t)st.st_size;
	p = xmalloc(max + 1);
	n = read_full(fd, p, max);
	if (n < 0) {
		free(p);
		return (int)n;
	}
	p[n] = 0;
	*ret = p;
	*ret_n = (size_t)n;
	return 0;
}

static int fs_readlink(void *ctx, const char *path, char *buf, size_t room)
{
	cleanup_free char *target = NULL;
	size_t n;
	int r = tree_readlink(ctx, str_z(path), &target, &n);

	if (r)
		return r;
	if (n + 1 > room)
		return -ENAMETOOLONG;
	memcpy(buf, target, n);
	buf[n] = 0;
	return (int)n;
}

struct names {
	int (*fn)(void *arg, const char *name);
	void *arg;
};

static int one_name(void *ctx, const char *name, const struct tree_stat *st UNUSED)
{
	struct names *n = ctx;

	return n->fn(n->arg, name);
}

static int fs_list(void *ctx, const char *path, int (*fn)(void *arg, const char *name), void *arg)
{
	struct names n = { fn, arg };

	return tree_list(ctx, str_z(path), one_name, &n);
}

#define BLOCK 65536

static bool fs_differs(void *ctx, void *other, const char *path)
{
	cleanup_close int a = -1, b = -1;
	cleanup_free char *x = NULL, *y = NULL;
	struct tree_stat sa, sb;
	ssize_t n;

	if (tree_stat(ctx, str_z(path), false, &sa) || tree_stat(other, str_z(path), false, &sb))
		return true;
	if (sa.dev == sb.dev && sa.ino == sb.ino && sa.layer == sb.layer)
		return false;
	a = tree_open_file(ctx, str_z(path));
	b = tree_open_file(other, str_z(path));
	if (a < 0 || b < 0)
		return true;
	x = xmalloc(BLOCK);
	y = xmalloc(BLOCK);
	do {
		n = read_full(a, x, BLOCK);
		if (n < 0 || read_full(b, y, BLOCK) != n || memcmp(x, y, (size_t)n))
			return true;
	} while (n == BLOCK);
	return false;
}

static int fs_real(void *ctx, const char *path, bool last, char out[AS_PATH_MAX])
{
	cleanup_buf struct buf b = { .limit = TREE_PATH_MAX };
	int r = tree_resolve(ctx, str_z(path), last, &b);

	if (r)
		return r;
	if (b.overflow || b.n >= AS_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(out, buf_z(&b));
	return 0;
}

static bool fs_caps(void *ctx, const char *path)
{
	cleanup_close int fd = tree_open_file(ctx, str_z(path));

	return fd >= 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

struct as_fs as_tree_fs(struct tree *t)
{
	return (struct as_fs){
		.ctx = t,
		.lstat = fs_lstat,
		.read = fs_read,
		.readlink = fs_readlink,
		.list = fs_list,
		.differs = fs_differs,
		.real = fs_real,
		.caps = fs_caps,
	};
}

struct as_wanted {
	struct as_path *v;
	size_t n, cap;
	struct as_list mem;
};

/* ---- in the child ------------------------------------------------------------------------- */

struct job {
	struct box *box;
	struct box_run *run;
	unsigned since;
	const struct as_wanted *wanted;
};

static int send_all(int fd, struct buf *b, bool full)
{
	if (full || b->overflow)
		as_wire_mark(b, AS_WIRE_FULL, 0);
	as_wire_mark(b, AS_WIRE_END, 0);
	return write_full(fd, b->p, b->n);
}

static int trees_open(const struct job *j, int fd, struct tree *t[2])
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };
	int r;

	t[0] = t[1] = NULL;
	r = tree_open(j->box, j->run, TREE_NOW, &t[0], &err);
	if (!r)
		r = tree_open(j->box, j->run, j->since, &t[1], &err);
	if (!r)
		return 0;
	as_wire_mark(&b, AS_WIRE_FAIL, r);
	write_full(fd, b.p, b.n);
	tree_close(t[0]);
	return r;
}

static int compare_in_child(void *ctx, int fd)
{
	struct job *j = ctx;
	cleanup_buf struct buf b = { .limit = AS_WIRE_MAX };
	struct as_list out = { 0 };
	struct as_catalogue cat;
	struct as_fs now, base;
	struct tree *t[2];
	int r = trees_open(j, fd, t);

	if (r)
		return r;
	now = as_tree_fs(t[0]);
	base = as_tree_fs(t[1]);
	as_catalogue_init(&cat);
	as_catalogue_homes(&cat, &now);
	as_catalogue_homes(&cat, &base);
	as_compare(&cat, &now, &base, j->wanted->v, j->wanted->n, &out);
	for (size_t i = 0; i < out.n && b.n < AS_WIRE_MAX - (1u << 20); i++)
		as_wire_entry(&b, &out.v[i]);
	r = send_all(fd, &b, out.full || b.n >= AS_WIRE_MAX - (1u << 20));
	as_list_free(&out);
	as_catalogue_free(&cat);
	tree_close(t[0]);
	tree_close(t[1]);
	return r;
}

static int starts_in_child(void *ctx, int fd)
{
	struct job *j = ctx;
	cleanup_buf struct buf b = { .limit = AS_WIRE_MAX };
	struct as_starts starts = { 0 };
	struct as_fs now, base;
	struct tree *t[2];
	int r = trees_open(j, fd, t);

	if (r)
		return r;
	now = as_tree_fs(t[0]);
	base = as_tree_fs(t[1]);
	as_starts_find(&now, &base, &starts);
	for (size_t i = 0; i < starts.n; i++)
		as_wire_start(&b, &starts.v[i]);
	r = send_all(fd, &b, starts.full);
	as_starts_free(&starts);
	tree_close(t[0]);
	tree_close(t[1]);
	return r;
}

/* ---- for everybody ------------------------------------------------------------------------ */

static bool in_path_folder(struct str path)
{
	static const char *const dirs[] = { "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/",
					    "/usr/bin/",	"/sbin/",	   "/bin/" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (str_starts(path, dirs[i]))
			return true;
	return false;
}

static bool script_name(struct str path)
{
	static const char *const ends[] = {
		".sh", ".py", ".pl", ".rb", ".js", ".php", ".jar", ".so"
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (str_ends(path, ends[i]))
			return true;
	return as_find(path, ".so.");
}

/* A new program can only be named by an old entry if it is found through PATH. */
bool as_path_of(const struct change *c, struct as_path *ret)
{
	uint32_t modes = c->mode | c->mode_before;

	if (c->path.n >= AS_PATH_MAX || !strcmp(c->type, "dir"))
		return false;
	ret->path = c->path.p;
	ret->setid =
		S_ISREG(c->mode) && ((modes & 06000) || as_find(c->detail, "security.capability"));
	ret->target = c->op == CHANGE_ADDED || c->op == CHANGE_MOVED
			      ? in_path_folder(c->path)
			      : (modes & 0111) || script_name(c->path);
	ret->plain = !S_ISLNK(c->mode) && !S_ISLNK(c->mode_before);
	return true;
}

static void want_path(struct as_wanted *w, struct str path, struct as_path p)
{
	if (path.n >= AS_PATH_MAX)
		return;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	p.path = as_keep(&w->mem, path, AS_PATH_MAX).p;
	w->v[w->n++] = p;
}

static void want(struct as_wanted *w, const struct change *c)
{
	struct as_path p;

	if (!as_path_of(c, &p))
		return;
	want_path(w, c->path, p);
	if (c->op == CHANGE_MOVED) {
		p.target = true;
		want_path(w, c->path2, p);
	}
}

struct as_wanted *autostart_wanted(const struct changeset *set)
{
	struct as_wanted *w = xcalloc(1, sizeof(*w));
	struct changeset paired = *set; /* shares the strings */

	paired.v = xmalloc((set->n + 1) * sizeof(*set->v));
	if (set->n)
		memcpy(paired.v, set->v, set->n * sizeof(*set->v));
	changeset_pair(&paired);
	for (size_t i = 0; i < paired.n; i++)
		if (!paired.v[i].gone)
			want(w, &paired.v[i].c);
	free(paired.v);
	return w;
}

void as_wanted_free(struct as_wanted *w)
{
	if (!w)
		return;
	as_list_free(&w->mem);
	free(w->v);
	free(w);
}

int autostart_of(struct box *box, struct box_run *run, unsigned since, const struct as_wanted *w,
		 int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx, struct err *err)
{
	struct job j = { .box = box, .run = run, .since = since, .wanted = w };
	cleanup_free char *p = NULL;
	size_t n;
	int r;

	if (!w->n)
		return 0;
	r = call_in_box(box, run, compare_in_child, &j, AS_WIRE_MAX + BLOCK, &p, &n, err);
	return r ? r : as_wire_entries((const uint8_t *)p, n, fn, ctx, err);
}

int autostart_between(struct box *box, struct box_run *run, unsigned since,
		      int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx,
		      struct err *err)
{
	struct changes_fns fns = { .autostart = fn };

	return changes_all_between(box, run, since, &fns, ctx, err);
}

int autostart_starts(struct box *box, int (*fn)(void *ctx, const struct autostart_start *s),
		     void *ctx, struct err *err)
{
	struct job j = { .box = box };
	cleanup_free char *p = NULL;
	size_t n;
	int r = call_in_box(box, NULL, starts_in_child, &j, AS_WIRE_MAX + BLOCK, &p, &n, err);

	return r ? r : as_wire_starts((uint8_t *)p, n, fn, ctx, err);
}
