// SPDX-License-Identifier: Apache-2.0
/*
 * tree_path.c - absolute paths of the box, as walks over nodes
 *
 * A walk keeps the path so far without links (`canon`), its node, and the components still to do;
 * a link puts its target in front of these. ".." cuts `canon` and walks it again from the root:
 * rare, and so no walk holds more than two directories open.
 *
 * Paths come in runs that share a directory. So the tree keeps the directories that held the last
 * few, by their paths without links: a path that begins with such a name begins there, because
 * walking that name from the root would find no link either.
 */
#include <sys/stat.h>

#include "capture/truth/tree_inner.h"

struct walk {
	struct tree *t;
	struct buf canon;	/* "" is the root */
	struct tree_node *dir;	/* directory that holds the last component */
	struct tree_node *self; /* the entry itself, when it is a directory */
	struct tree_stat st;
	bool st_old; /* st is not that of the place reached, which is the directory self */
	int links;
	char name[256]; /* last component, "" for the root */
};

static void walk_free(struct walk *w)
{
	tree_node_close(w->dir);
	tree_node_close(w->self);
	buf_free(&w->canon);
}

/* Whether @path lies below the directory @near; paths that name it itself do not count. */
static bool is_below(const struct tree_near *near, const char *path, size_t n)
{
	return near->path && n > near->n + 1 && path[near->n] == '/' &&
	       !memcmp(path, near->path, near->n);
}

/* Begins a path: at the root, or further down. Return: how much of @path is done, -errno. */
static ssize_t to_start(struct walk *w, const char *path, size_t n)
{
	const struct tree_near *best = NULL;

	tree_node_close(w->self);
	tree_node_close(w->dir);
	w->self = w->dir = NULL;
	w->canon.n = 0;
	w->name[0] = 0;
	w->st_old = true;
	for (size_t i = 0; i < TREE_NEAR_MAX; i++)
		if (is_below(&w->t->near[i], path, n) && (!best || w->t->near[i].n > best->n))
			best = &w->t->near[i];
	if (!best)
		return tree_node_root(w->t, &w->self);
	w->self = tree_node_hold(best->node);
	buf_add(&w->canon, best->path, best->n);
	return (ssize_t)best->n;
}

/* Remembers the directory that holds what the walk has reached, or where it found nothing. */
static void keep_near(struct walk *w, int rc)
{
	struct tree_node *node = rc ? w->self : w->dir;
	size_t n = w->canon.n - (rc ? 0 : strlen(w->name) + 1);
	struct tree_near *near = &w->t->near[w->t->near_next];

	if (!node || !w->canon.n || !n || n > TREE_PATH_MAX)
		return;
	for (size_t i = 0; i < TREE_NEAR_MAX; i++)
		if (w->t->near[i].path && w->t->near[i].n == n &&
		    !memcmp(w->t->near[i].path, w->canon.p, n))
			return;
	tree_node_close(near->node);
	free(near->path);
	*near = (struct tree_near){ xstrndup(w->canon.p, n), n, tree_node_hold(node) };
	w->t->near_next = (w->t->near_next + 1) % TREE_NEAR_MAX;
}

/* Enters the directory @name; w->self is a directory before and, on success, after if it is one. */
static int step(struct walk *w, const char *name)
{
	struct tree_node *child = NULL;
	int rc;

	if (!w->self)
		return -ENOTDIR;
	rc = tree_node_child(w->t, w->self, name, &w->st, &child);
	if (rc)
		return rc;
	tree_node_close(w->dir);
	w->dir = w->self;
	w->self = child;
	w->st_old = false;
	snprintf(w->name, sizeof(w->name), "%s", name);
	buf_add(&w->canon, "/", 1);
	buf_puts(&w->canon, name);
	return w->canon.n > TREE_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int to_parent(struct walk *w)
{
	cleanup_free char *path = xstrndup(w->canon.p ? w->canon.p : "", w->canon.n);
	char *end = strrchr(path, '/'), *save = NULL;
	ssize_t done;
	int rc = 0;

	if (!w->self)
		return -ENOTDIR;
	if (end)
		*end = 0;
	done = to_start(w, path, strlen(path));
	if (done < 0)
		return (int)done;
	for (char *c = strtok_r(path + done, "/", &save); c && !rc; c = strtok_r(NULL, "/", &save))
		rc = step(w, c);
	return rc;
}

/* Replaces @todo (from @at) by the link's target and the rest. */
static int follow_link(struct walk *w, struct buf *todo, size_t *at)
{
	char target[TREE_TARGET_MAX];
	struct buf next = { 0 };
	ssize_t n = tree_node_readlink(w->dir, w->name, &w->st, target);

	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENOENT;
	if (++w->links > TREE_LINKS_MAX)
		return -ELOOP;
	buf_add(&next, target, (size_t)n);
	buf_add(&next, "/", 1);
	buf_add(&next, todo->p + *at, todo->n - *at);
	buf_free(todo);
	*todo = next;
	*at = 0;
	if (todo->n > TREE_PATH_MAX)
		return -ENAMETOOLONG;
	if (target[0] == '/') {
		n = to_start(w, todo->p, todo->n);
		*at = n > 0 ? (size_t)n : 0;
		return n < 0 ? (int)n : 0;
	}
	/* the link stands for what its own directory holds */
	w->canon.n -= strlen(w->name) + 1;
	tree_node_close(w->self);
	w->self = w->dir;
	w->dir = NULL;
	w->st_old = true;
	return 0;
}

static bool only_slashes(const struct buf *todo, size_t at)
{
	for (; at < todo->n; at++)
		if (todo->p[at] != '/')
			return false;
	return true;
}

static int walk_path(struct walk *w, struct str path, bool follow)
{
	cleanup_buf struct buf todo = { 0 };
	ssize_t done;
	size_t at;
	int rc = 0;

	if (!path.n || path.p[0] != '/' || memchr(path.p, 0, path.n))
		return -EINVAL;
	if (path.n > TREE_PATH_MAX)
		return -ENAMETOOLONG;
	buf_add(&todo, path.p, path.n);
	done = to_start(w, todo.p, todo.n);
	if (done < 0)
		return (int)done;
	at = (size_t)done;
	while (!rc) {
		char name[256];
		size_t from;

		while (at < todo.n && todo.p[at] == '/')
			at++;
		if (at == todo.n)
			break;
		for (from = at; at < todo.n && todo.p[at] != '/';)
			at++;
		if (at - from > 255)
			return -ENAMETOOLONG;
		memcpy(name, todo.p + from, at - from);
		name[at - from] = 0;
		if (!strcmp(name, ".")) {
			rc = w->self ? 0 : -ENOTDIR;
			continue;
		}
		if (!strcmp(name, "..")) {
			rc = to_parent(w);
			continue;
		}
		rc = step(w, name);
		if (!rc && S_ISLNK(w->st.mode) && (follow || !only_slashes(&todo, at)))
			rc = follow_link(w, &todo, &at);
	}
	if (!rc || rc == -ENOENT)
		keep_near(w, rc);
	if (!rc && w->st_old)
		rc = tree_node_stat(w->self, &w->st);
	return rc;
}

int tree_stat(struct tree *t, struct str path, bool follow, struct tree_stat *ret)
{
	struct walk w = { .t = t };
	int rc = walk_path(&w, path, follow);

	if (!rc)
		*ret = w.st;
	walk_free(&w);
	return rc;
}

int tree_readlink(struct tree *t, struct str path, char **ret, size_t *ret_n)
{
	struct walk w = { .t = t };
	char target[TREE_TARGET_MAX];
	ssize_t n = walk_path(&w, path, false);

	if (!n)
		n = w.dir ? tree_node_readlink(w.dir, w.name, &w.st, target) : -EINVAL;
	walk_free(&w);
	if (n < 0)
		return (int)n;
	*ret = xstrndup(target, (size_t)n);
	if (ret_n)
		*ret_n = (size_t)n;
	return 0;
}

int tree_open_file(struct tree *t, struct str path)
{
	struct walk w = { .t = t };
	int rc = walk_path(&w, path, true);

	if (!rc)
		rc = w.dir ? tree_node_file(w.dir, w.name, &w.st, NULL) : -EINVAL;
	walk_free(&w);
	return rc;
}

int tree_read(struct tree *t, struct str path, size_t max, char **ret, size_t *ret_n)
{
	cleanup_close int fd = tree_open_file(t, path);
	cleanup_free char *p = NULL;
	struct stat st;
	size_t room;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	/* a running program may make it longer meanwhile: one byte more tells */
	room = (size_t)st.st_size + 1;
	p = xmalloc(room + 1);
	n = read_full(fd, p, room);
	if (n < 0)
		return (int)n;
	if ((size_t)n > max)
		return -EFBIG;
	p[n] = 0;
	*ret = steal_ptr(&p);
	if (ret_n)
		*ret_n = (size_t)n;
	return 0;
}

int tree_list(struct tree *t, struct str path,
	      int (*fn)(void *ctx, const char *name, const struct tree_stat *st), void *ctx)
{
	struct walk w = { .t = t };
	struct tree_names names = { 0 };
	int rc = walk_path(&w, path, true);

	if (!rc)
		rc = w.self ? tree_node_names(t, w.self, 0, true, &names) : -ENOTDIR;
	for (size_t i = 0; i < names.n && !rc; i++) {
		struct tree_stat st;

		rc = tree_node_child(t, w.self, names.name[i], &st, NULL);
		if (rc == -ENOENT || rc == -EACCES)
			rc = 0; /* whiteout */
		else if (!rc)
			rc = fn(ctx, names.name[i], &st);
	}
	tree_names_free(&names);
	walk_free(&w);
	return rc;
}

int tree_resolve(struct tree *t, struct str path, bool follow, struct buf *ret)
{
	struct walk w = { .t = t };
	int rc = walk_path(&w, path, follow);

	if (!rc && !w.canon.n)
		buf_add(ret, "/", 1);
	else if (!rc)
		buf_add(ret, w.canon.p, w.canon.n);
	walk_free(&w);
	return rc;
}
