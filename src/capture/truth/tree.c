// SPDX-License-Identifier: Apache-2.0
/*
 * tree.c - overlay lookups in user space
 *
 * Theory of operation
 *
 * A tree has one stack of folders per overlay. A *node* is a directory of the box: the folders of
 * a stack that are merged in it, topmost first. From a node the kernel is asked about one name at
 * a time, never with a '/' in it and never following links, so the answer always lies in the
 * folder asked. Paths (tree_path.c) are walks over nodes.
 *
 * Where an overlay is mounted below a directory, the mount wins over what the layers hold there,
 * as in the box.
 *
 * Invariant: no function here opens anything but directories and, after fstatat() said so,
 * regular files; both with O_NOFOLLOW and O_NONBLOCK, so that no FIFO or device can hold us up.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "capture/truth/tree_inner.h"

#define OVERFLOW_ID 65534u /* how the kernel shows an owner that a user namespace does not know */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	default:
		return "block";
	}
}

static void stat_fill(struct tree_stat *ret, const struct stat *st, unsigned layer, int part)
{
	bool low = layer == 0;

	*ret = (struct tree_stat){
		.type = type_name(st->st_mode),
		.mode = st->st_mode,
		.uid = low && st->st_uid == OVERFLOW_ID ? 0 : st->st_uid,
		.gid = low && st->st_gid == OVERFLOW_ID ? 0 : st->st_gid,
		.size = (uint64_t)st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_sec * (int64_t)NSEC_PER_SEC + st->st_ctim.tv_nsec,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.nlink = (uint32_t)st->st_nlink,
		.rdev = st->st_rdev,
		.layer = layer,
		.part = part,
	};
}

/* An id as claims.c writes it: decimal, and no other way of writing the same number. */
static bool get_id(const char **s, uint32_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	while (*p >= '0' && *p <= '9' && p - *s < 10)
		v = v * 10 + (uint64_t)(*p++ - '0');
	if (p == *s || (**s == '0' && p - *s > 1) || v >= UINT32_MAX)
		return false;
	*s = p;
	*ret = (uint32_t)v;
	return true;
}

/* @path must not be followed in its last place. */
static void take_claim(const char *path, struct tree_stat *st)
{
	char text[32];
	const char *s = text;
	uint32_t uid, gid;
	ssize_t n;

	if (!st->layer || !(S_ISREG(st->mode) || S_ISDIR(st->mode)))
		return;
	n = lgetxattr(path, TREE_OWNER_XATTR, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = 0;
	if (!get_id(&s, &uid) || *s++ != ':' || !get_id(&s, &gid) || s != text + n)
		return;
	st->uid = uid;
	st->gid = gid;
	st->claimed = true;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static void stack_add(struct stack *s, int fd, unsigned layer)
{
	s->part = xrealloc(s->part, (size_t)(s->n + 1) * sizeof(*s->part));
	s->part[s->n++] = (struct tree_part){ .fd = fd, .layer = layer };
}

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

static int stack_open(struct tree *t, struct stack *s, const struct box_mount *m, unsigned upto)
{
	const struct box_info *info = box_get_info(t->box);
	char path[300];
	int fd;

	snprintf(s->at, sizeof(s->at), "%s", strcmp(m->at, "/") ? m->at : "");
	for (unsigned layer = upto; layer > 0; layer--) {
		if (t->run && layer == info->top) {
			fd = openat(box_run_layerfd(t->run), m->sub, OPEN_DIR);
		} else {
			snprintf(path, sizeof(path), "layers/%u/%s", layer, m->sub);
			fd = openat(box_dirfd(t->box), path, OPEN_DIR);
		}
		if (fd >= 0)
			stack_add(s, fd, layer);
		else if (errno != ENOENT)
			return -errno;
	}
	for (int i = 0; i < m->nlower; i++) {
		/* the lower folder's own path is ours, not the box's: links in it are the host's */
		fd = open(m->lower[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			stack_add(s, fd, 0);
		else if (errno != ENOENT && errno != EACCES)
			return -errno;
	}
	return 0;
}

int tree_open(struct box *box, struct box_run *run, unsigned upto, struct tree **ret_tree,
	      struct err *err)
{
	cleanup_free struct box_mount *m = xcalloc(BOX_MOUNTS_MAX, sizeof(*m));
	const struct box_info *info = box_get_info(box);
	struct tree *t = xcalloc(1, sizeof(*t));
	int n = box_mounts(box, m), rc = 0;

	t->box = box;
	t->run = run;
	t->claims = !faccessat(box_dirfd(box), TREE_CLAIMS_MARK, F_OK, 0);
	if (upto > info->top)
		upto = info->top;
	t->stack = xcalloc((size_t)n + 1, sizeof(*t->stack));
	for (int i = 0; i < n && !rc; i++) {
		rc = stack_open(t, &t->stack[t->nstack], &m[i], upto);
		if (rc)
			err_set(err, rc, "changes: open the layers of '%s'", m[i].at);
		t->nstack++;
	}
	if (!rc && (n < 1 || t->stack[0].at[0] || !t->stack[0].n))
		rc = err_set(err, ENOENT, "changes: open the layers of '/'");
	if (rc) {
		tree_close(t);
		return rc;
	}
	*ret_tree = t;
	return 0;
}

void tree_close(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < TREE_NEAR_MAX; i++) {
		tree_node_close(t->near[i].node);
		free(t->near[i].path);
	}
	for (int i = 0; i < t->nstack; i++) {
		for (int k = 0; k < t->stack[i].n; k++)
			close(t->stack[i].part[k].fd);
		free(t->stack[i].part);
	}
	free(t->stack);
	free(t);
}

/* ---- nodes -------------------------------------------------------------------------------- */

void tree_node_close(struct tree_node *node)
{
	if (!node || node->refs-- > 0)
		return;
	for (int i = 0; i < node->n; i++)
		close(node->part[i].fd);
	free(node->mounts_below);
	free(node);
}

struct tree_node *tree_node_hold(struct tree_node *node)
{
	node->refs++;
	return node;
}

static struct tree_node *node_new(int room)
{
	return xcalloc(1, sizeof(struct tree_node) + (size_t)room * sizeof(struct tree_part));
}

/* Sets mounts_below when an overlay is mounted somewhere below @path. */
static void note_mounts(struct tree *t, struct tree_node *node, const char *path)
{
	size_t n = strlen(path);

	for (int i = 0; i < t->nstack && !node->mounts_below; i++)
		if (!strncmp(t->stack[i].at, path, n) && t->stack[i].at[n] == '/')
			node->mounts_below = xstrdup(path);
}

static int node_of_stack(struct tree *t, const struct stack *s, struct tree_node **ret)
{
	struct tree_node *node = node_new(s->n);

	for (int i = 0; i < s->n; i++) {
		int fd = fcntl(s->part[i].fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			int rc = -errno;

			tree_node_close(node);
			return rc;
		}
		node->part[node->n++] = (struct tree_part){ fd, s->part[i].layer };
	}
	node->claims = t->claims;
	note_mounts(t, node, s->at);
	*ret = node;
	return 0;
}

int tree_node_root(struct tree *t, struct tree_node **ret)
{
	return node_of_stack(t, &t->stack[0], ret);
}

int tree_node_stat(const struct tree_node *dir, struct tree_stat *ret)
{
	struct stat st;

	/* an errno is never 0 after a failure: NOLINTNEXTLINE(clang-analyzer-core.*) */
	if (!dir->n)
		return -ENOENT;
	if (fstat(dir->part[0].fd, &st))
		return -errno;
	stat_fill(ret, &st, dir->part[0].layer, 0);
	if (dir->claims) {
		char path[40];

		snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dir->part[0].fd);
		take_claim(path, ret);
	}
	return 0;
}

/* The kernel writes an empty file with this mark where it cannot make a device node. */
static bool is_whiteout(int dirfd, const char *name, const struct stat *st)
{
	char path[32 + 256];

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): filled where i < n */
	if (S_ISCHR(st->st_mode))
		return st->st_rdev == 0;
	if (!S_ISREG(st->st_mode) || st->st_size)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	return lgetxattr(path, "user.overlay.whiteout", NULL, 0) >= 0;
}

static bool is_opaque(int fd)
{
	char v[2];

	return fgetxattr(fd, "user.overlay.opaque", v, sizeof(v)) == 1 && v[0] == 'y';
}

static const struct stack *mount_at(struct tree *t, const struct tree_node *dir, const char *name)
{
	size_t n;

	if (!dir->mounts_below)
		return NULL;
	n = strlen(dir->mounts_below);
	for (int i = 1; i < t->nstack; i++) {
		const char *at = t->stack[i].at;

		if (!strncmp(at, dir->mounts_below, n) && at[n] == '/' && !strcmp(at + n + 1, name))
			return &t->stack[i];
	}
	return NULL;
}

static int open_part(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, OPEN_DIR);

	/* an unreadable directory of the host's can still be looked into, name by name */
	if (fd < 0 && errno == EACCES)
		fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Adds the directory's folders in parts @i…; st is that of part @i, a directory. */
static int merge_parts(const struct tree_node *dir, int i, const char *name, struct tree_node *node)
{
	for (; i < dir->n; i++) {
		int pfd = dir->part[i].fd, fd;
		struct stat st;

		if (fstatat(pfd, name, &st, AT_SYMLINK_NOFOLLOW)) {
			if (errno == ENOENT || errno == EACCES)
				continue;
			return -errno;
		}
		if (!S_ISDIR(st.st_mode))
			return 0; /* a whiteout or a file: what is below stays hidden */
		fd = open_part(pfd, name);
		if (fd == -ENOTDIR || fd == -ELOOP || fd == -ENOENT)
			return 0; /* swapped just now */
		if (fd < 0)
			return fd;
		node->part[node->n++] = (struct tree_part){ fd, dir->part[i].layer };
		if (i + 1 < dir->n && is_opaque(fd))
			return 0;
	}
	return 0;
}

int tree_node_child(struct tree *t, const struct tree_node *dir, const char *name,
		    struct tree_stat *ret, struct tree_node **ret_node)
{
	const struct stack *mount = mount_at(t, dir, name);
	struct tree_node *node = NULL;
	struct stat st;
	int i, rc;

	if (ret_node)
		*ret_node = NULL;
	if (strchr(name, '/') || !strcmp(name, "..") || !strcmp(name, ".") || !*name)
		return -EINVAL;
	if (strlen(name) > 255)
		return -ENAMETOOLONG;
	if (mount && mount->n) {
		rc = node_of_stack(t, mount, &node);
		if (!rc)
			rc = tree_node_stat(node, ret);
	} else {
		for (i = 0; i < dir->n; i++) {
			if (!fstatat(dir->part[i].fd, name, &st, AT_SYMLINK_NOFOLLOW))
				break;
			/* a host folder closed to the box is closed to its programs too */
			if (errno != ENOENT && (errno != EACCES || dir->part[i].layer))
				return -errno;
		}
		if (i == dir->n || is_whiteout(dir->part[i].fd, name, &st))
			return -ENOENT;
		stat_fill(ret, &st, dir->part[i].layer, i);
		if (t->claims) {
			char path[32 + 256];

			snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir->part[i].fd, name);
			take_claim(path, ret);
		}
		if (!ret_node || !S_ISDIR(st.st_mode))
			return 0;
		node = node_new(dir->n - i);
		node->claims = t->claims;
		rc = merge_parts(dir, i, name, node);
		if (!rc && !node->n)
			rc = -ENOENT;
		if (!rc && dir->mounts_below) {
			cleanup_free char *path = xasprintf("%s/%s", dir->mounts_below, name);

			note_mounts(t, node, path);
		}
	}
	if (rc || !ret_node)
		tree_node_close(node);
	else
		*ret_node = node;
	return rc;
}

/* ---- names -------------------------------------------------------------------------------- */

struct gather {
	struct buf bytes;
	size_t n;
};

static int gather_name(struct gather *g, const char *name, size_t n)
{
	if (g->n >= TREE_NAMES_MAX)
		return -E2BIG;
	buf_add(&g->bytes, name, n);
	buf_add(&g->bytes, "", 1);
	g->n++;
	return g->bytes.overflow ? -E2BIG : 0;
}

static int gather_part(struct gather *g, int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = gather_name(g, e->d_name, strlen(e->d_name));
	closedir(d);
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_sort(struct gather *g, struct tree_names *ret)
{
	const char *p = g->bytes.p;
	size_t n = 0;

	ret->name = xcalloc(g->n + 1, sizeof(*ret->name));
	for (size_t i = 0; i < g->n; i++, p += strlen(p) + 1)
		ret->name[i] = p;
	qsort(ret->name, g->n, sizeof(*ret->name), by_bytes);
	for (size_t i = 0; i < g->n; i++)
		if (!n || strcmp(ret->name[n - 1], ret->name[i]))
			ret->name[n++] = ret->name[i];
	ret->n = n;
	ret->bytes = g->bytes.p;
}

int tree_node_names(struct tree *t, const struct tree_node *dir, unsigned above, bool all,
		    struct tree_names *ret)
{
	struct gather g = { 0 };
	int rc = 0;

	for (int i = 0; i < dir->n && !rc; i++)
		if (all || dir->part[i].layer > above) {
			rc = gather_part(&g, dir->part[i].fd);
			/* a host folder that only host root may list, under one of the box's */
			if (rc == -EACCES && !dir->part[i].layer && i > 0)
				rc = 0;
		}
	if (dir->mounts_below) {
		size_t n = strlen(dir->mounts_below);

		for (int i = 1; i < t->nstack && !rc; i++) {
			const char *at = t->stack[i].at;

			/* also of one that is deeper: nothing else may lead there */
			if (!strncmp(at, dir->mounts_below, n) && at[n] == '/')
				rc = gather_name(&g, at + n + 1, strcspn(at + n + 1, "/"));
		}
	}
	if (rc) {
		buf_free(&g.bytes);
		return rc;
	}
	names_sort(&g, ret);
	return 0;
}

void tree_names_free(struct tree_names *names)
{
	free(names->bytes);
	free(names->name);
	*names = (struct tree_names){ 0 };
}

/* ---- entries ------------------------------------------------------------------------------ */

int tree_node_file(const struct tree_node *dir, const char *name, const struct tree_stat *st,
		   int64_t *ret_born_ns)
{
	struct statx now;
	int fd;

	if (!S_ISREG(st->mode) || st->part >= dir->n)
		return -EINVAL;
	fd = openat(dir->part[st->part].fd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_BTIME, &now) ||
	    !S_ISREG(now.stx_mode)) {
		close(fd);
		return -ESTALE;
	}
	if (ret_born_ns)
		*ret_born_ns = now.stx_mask & STATX_BTIME
				       ? now.stx_btime.tv_sec * (int64_t)NSEC_PER_SEC +
						 now.stx_btime.tv_nsec
				       : 0;
	return fd;
}

ssize_t tree_node_readlink(const struct tree_node *dir, const char *name,
			   const struct tree_stat *st, char out[TREE_TARGET_MAX])
{
	ssize_t n;

	if (!S_ISLNK(st->mode) || st->part >= dir->n)
		return -EINVAL;
	n = readlinkat(dir->part[st->part].fd, name, out, TREE_TARGET_MAX);
	return n < 0 ? -errno : n;
}
