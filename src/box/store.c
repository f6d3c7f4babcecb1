// SPDX-License-Identifier: Apache-2.0
/*
 * store.c - make, open, lock, list boxes
 *
 * A box is made in tmp/, complete and locked, and renamed to its name: another process sees all
 * of it or nothing. Whoever holds `lock` in the box's folder may run or change it; readers need
 * no lock, since box.json is replaced whole.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "box/internal.h"

#define OPEN_TRIES 8

int box_name_check(const char *name, struct err *err)
{
	static const char alnum[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = name ? strlen(name) : 0;

	if (!n)
		return err_say(err, EXIT_BAD_NAME, EINVAL, "box: a name is empty");
	if (n > BOX_NAME_MAX)
		return err_say(err, EXIT_BAD_NAME, EINVAL,
			       "box: the name '%.20s…' is longer than %d characters", name,
			       BOX_NAME_MAX);
	if (!strchr(alnum, name[0]))
		return err_say(err, EXIT_BAD_NAME, EINVAL,
			       "box: the name '%s' does not begin with a letter or digit", name);
	for (size_t i = 1; i < n; i++)
		if (!strchr(alnum, name[i]) && !strchr("._-", name[i]))
			return err_say(err, EXIT_BAD_NAME, EINVAL,
				       "box: the name '%s' has characters other than letters, "
				       "digits, '.', '_' and '-'",
				       name);
	return 0;
}

const struct box_info *box_get_info(const struct box *box)
{
	return &box->info;
}

const char *box_path(const struct box *box)
{
	return box->path;
}

struct box *box_new(struct box_home *home)
{
	struct box *b = xmalloc(sizeof(*b));

	/* an untouched page costs nothing: neither the snapshots nor the overlays, which have
	 * their numbers */
	memset(b, 0, offsetof(struct box, info.snapshot));
	b->path[0] = 0;
	memset(&b->fd, 0, offsetof(struct box, overlay) - offsetof(struct box, fd));
	b->home = home;
	b->fd = b->lock_fd = b->base_fd = -1;
	pthread_mutex_init(&b->making, NULL);
	return b;
}

void box_free(struct box *b)
{
	if (!b)
		return;
	if (b->fd >= 0)
		close(b->fd);
	if (b->lock_fd >= 0)
		close(b->lock_fd);
	if (b->base_fd >= 0)
		close(b->base_fd);
	pthread_mutex_destroy(&b->making);
	free(b);
}

void box_close(struct box *box)
{
	if (!box)
		return;
	if (box->anon && box->fd >= 0) {
		cleanup_free char *id = xstrdup(strrchr(box->path, '/') + 1);
		cleanup_close int dir =
			openat(box->home->fd, "anon", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		/* what fails here is found without a lock at the next start, and removed then */
		if (dir >= 0)
			(void)tree_remove(box->home, box_ids(box), dir, id, NULL);
	}
	box_free(box);
}

/* ---- make --------------------------------------------------------------------------------- */

/* The one overlay of --root. */
static int root_layout(struct box *b, struct err *err)
{
	cleanup_free char *mi = NULL;
	char below[4096];
	int rc = mounts_read(b->home, &mi);

	if (rc)
		return err_set_exit(err, EXIT_NO_WALL, rc, "box: read '/proc/self/mountinfo'");
	if (mounts_below(mi, b->info.root, below))
		return err_set_exit(err, EXIT_NO_WALL, 0,
				    "box: '%s' cannot be a box's root while '%s' is mounted in it",
				    b->info.root, below);
	strcpy(b->overlay[0].at, "/");
	b->noverlays = 1;
	return 0;
}

int real_root(const char *root, char ret[4096], struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (!realpath(root, path) || stat(path, &st))
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: root folder '%s'", root);
	if (!S_ISDIR(st.st_mode))
		return err_set_exit(err, EXIT_UNREADABLE, ENOTDIR, "box: root folder '%s'", root);
	if (!path[1] || access(path, R_OK | X_OK))
		return err_set_exit(err, EXIT_UNREADABLE, path[1] ? errno : EINVAL,
				    "box: root folder '%s'", root);
	if (strpbrk(path, ":,\\"))
		return err_set_exit(err, EXIT_UNREADABLE, EINVAL,
				    "box: root folder '%s' has ':', ',' or '\\' in its path", path);
	snprintf(ret, 4096, "%s", path);
	return 0;
}

static int describe(struct box *b, const char *name, const struct box_opts *opts, int *ret_bases,
		    struct err *err)
{
	struct box_info *in = &b->info;
	struct idrange ids = { 0 };
	int rc = 0;

	if (name)
		strcpy(in->name, name);
	in->created_ns = clock_real_ns();
	in->top = 1;
	identity_invent(in);
	if (!opts || !opts->force_single)
		ids = idrange_here(b->home);
	in->range = ids.range;
	in->range_start = ids.uid_start;
	in->range_gid_start = ids.gid_start;
	if (!opts || !opts->root)
		return base_hold(b->home, ids, in->base, b->overlay, &b->noverlays, ret_bases, err);
	rc = real_root(opts->root, in->root, err);
	return rc ? rc : root_layout(b, err);
}

/* The folder with its lock held, before any sweep can see it without. */
int stage_make(struct box *b, const char *in_dir, struct err *err)
{
	cleanup_close int guard = lock_file(b->home->fd, "lock", true, true);
	char id[20], rel[64];

	if (guard < 0)
		return err_set(err, guard, "box: lock '%s'", b->home->path);
	random_hex(id, 16);
	snprintf(rel, sizeof(rel), "%s/%s", in_dir, id);
	if (mkdirat(b->home->fd, rel, 0700))
		return err_set(err, errno, "box: make '%s/%s'", b->home->path, rel);
	snprintf(b->path, sizeof(b->path), "%.1024s/%s", b->home->path, rel);
	b->fd = openat(b->home->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd < 0)
		return err_set(err, errno, "box: open '%s'", b->path);
	b->lock_fd = lock_box(b->fd);
	return b->lock_fd < 0 ? err_set(err, b->lock_fd, "box: lock '%s'", b->path) : 0;
}

int stage_commit(struct box *b, struct err *err)
{
	char to[BOX_NAME_MAX + 16];

	snprintf(to, sizeof(to), "boxes/%s", b->info.name);
	if (renameat2(AT_FDCWD, b->path, b->home->fd, to, RENAME_NOREPLACE)) {
		if (errno == EEXIST)
			return err_say(err, EXIT_EXISTS, EEXIST, "box: there is a box '%s' already",
				       b->info.name);
		return err_set(err, errno, "box: make '%s'", b->info.name);
	}
	snprintf(b->path, sizeof(b->path), "%.1024s/%s", b->home->path, to);
	return 0;
}

void stage_discard(struct box *b, const char *in_dir)
{
	cleanup_close int dir = openat(b->home->fd, in_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (b->fd >= 0 && dir >= 0)
		(void)tree_remove(b->home, box_ids(b), dir, strrchr(b->path, '/') + 1, NULL);
}

static int fill(struct box *b, struct err *err)
{
	cleanup_close int layer = -1;
	int rc;

	if (mkdirat(b->fd, "layers", 0700) || mkdirat(b->fd, "layers/1", 0700) ||
	    mkdirat(b->fd, "objects", 0700))
		return err_set(err, errno, "box: make folders in '%s'", b->path);
	layer = openat(b->fd, "layers/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer < 0)
		return err_set(err, errno, "box: open '%s/layers/1'", b->path);
	rc = layer_make(b, layer, err);
	return rc ? rc : boxjson_write(b, 0, err);
}

static int make(struct box_home *home, const char *name, const struct box_opts *opts,
		struct box **ret_box, struct err *err)
{
	const char *in_dir = name ? "tmp" : "anon";
	cleanup_close int bases = -1;
	struct box *b = box_new(home);
	int rc;

	rc = describe(b, name, opts, &bases, err);
	if (!rc)
		rc = stage_make(b, in_dir, err);
	if (!rc)
		rc = fill(b, err);
	if (!rc && name)
		rc = stage_commit(b, err);
	if (rc) {
		stage_discard(b, in_dir);
		box_free(b);
		return rc;
	}
	b->anon = !name;
	*ret_box = b;
	return 0;
}

/* ---- a passing box ------------------------------------------------------------------------ */

/* What an overlay's upper layer needs came to tmpfs with Linux 6.6. */
static bool tmpfs_keeps_attributes(void)
{
	cleanup_close int fd = memfd_create("belljar", MFD_CLOEXEC);

	return fd >= 0 && !fsetxattr(fd, "user.overlay.belljar", "y", 1, 0);
}

/* Nothing on disk: a lock on its base is all that others can see of it. */
static int make_passing(struct box_home *home, const struct box_opts *opts, struct box **ret_box,
			struct err *err)
{
	cleanup_close int bases = -1;
	struct box *b = box_new(home);
	int rc = describe(b, NULL, opts, &bases, err);

	if (!rc && b->info.base[0]) {
		b->base_fd = base_keep(home, b->info.base);
		if (b->base_fd < 0)
			rc = err_set(err, b->base_fd, "box: lock '%s/base/%s'", home->path,
				     b->info.base);
	}
	if (rc) {
		box_free(b);
		return rc;
	}
	snprintf(b->path, sizeof(b->path), "%.1024s/anon", home->path);
	b->anon = true;
	*ret_box = b;
	return 0;
}

bool box_has_folder(const struct box *b)
{
	return b->fd >= 0;
}

int box_homefd(const struct box *b)
{
	return b->home->fd;
}

int box_dirfd(struct box *b)
{
	struct err err = { 0 };
	int rc = 0;

	pthread_mutex_lock(&b->making);
	if (b->fd < 0) {
		rc = stage_make(b, "anon", &err);
		if (!rc)
			rc = fill(b, &err);
		if (rc) {
			stage_discard(b, "anon");
			cleanup_close_p(&b->fd);
			cleanup_close_p(&b->lock_fd);
			b->fd = b->lock_fd = -1;
			errno = err.code;
		}
	}
	pthread_mutex_unlock(&b->making);
	return b->fd;
}

/* ---- open --------------------------------------------------------------------------------- */

static bool still_there(const struct box *b, const char *rel)
{
	struct stat a, now;

	return !fstat(b->fd, &a) && !fstatat(b->home->fd, rel, &now, AT_SYMLINK_NOFOLLOW) &&
	       a.st_dev == now.st_dev && a.st_ino == now.st_ino;
}

static int check_opts(const struct box *b, const struct box_opts *opts, struct err *err)
{
	char root[4096];
	int rc;

	if (!opts || !opts->root)
		return 0;
	rc = real_root(opts->root, root, err);
	if (rc)
		return rc;
	if (strcmp(root, b->info.root))
		return err_say(err, EXIT_USAGE, EINVAL, "box: '%s' was made %s%s and keeps that",
			       b->info.name, b->info.root[0] ? "with --root " : "without --root",
			       b->info.root);
	return 0;
}

/* 1: it went away while it was opened, try again. */
static int open_there(struct box *b, const char *name, int flags, const struct box_opts *opts,
		      struct err *err)
{
	char rel[BOX_NAME_MAX + 16];
	unsigned renew = 0;
	int rc;

	snprintf(rel, sizeof(rel), "boxes/%s", name);
	b->fd = openat(b->home->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd < 0)
		return errno == ENOENT
			       ? -ENOENT
			       : err_set_exit(err, EXIT_CORRUPT, errno, "box: open '%s'", name);
	snprintf(b->path, sizeof(b->path), "%.1024s/%s", b->home->path, rel);
	if (flags & BOX_LOCK) {
		b->lock_fd = lock_box(b->fd);
		if (!still_there(b, rel))
			return 1;
		if (b->lock_fd == -EBUSY)
			return err_say(err, EXIT_BUSY, EBUSY,
				       "box: '%s' is held by another run or change", name);
		if (b->lock_fd < 0)
			return err_set(err, b->lock_fd, "box: lock '%s'", name);
	}
	rc = boxjson_read(b, &renew, err);
	if (rc && (flags & BOX_DAMAGED) && b->lock_fd >= 0) {
		/* nothing but its removal is asked for: with the widest ids that there are */
		struct idrange ids = idrange_here(b->home);

		snprintf(b->info.name, sizeof(b->info.name), "%s", name);
		b->info.range = ids.range;
		b->info.range_start = ids.uid_start;
		b->info.range_gid_start = ids.gid_start;
		return 0;
	}
	if (!rc && strcmp(b->info.name, name))
		rc = err_say(err, EXIT_CORRUPT, EBADMSG, "box: '%s' holds the box '%s'", name,
			     b->info.name);
	if (!rc && (flags & BOX_LOCK))
		rc = layers_repair(b, renew, err);
	return rc ? rc : check_opts(b, opts, err);
}

int box_open(struct box_home *home, const char *name, int flags, const struct box_opts *opts,
	     struct box **ret_box, struct err *err)
{
	int rc;

	if ((flags & BOX_PASSING) && !(opts && opts->on_disk) && tmpfs_keeps_attributes())
		return make_passing(home, opts, ret_box, err);
	if (flags & BOX_ANON)
		return make(home, NULL, opts, ret_box, err);
	rc = box_name_check(name, err);
	if (rc)
		return rc;
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct box *b = box_new(home);

		rc = open_there(b, name, flags, opts, err);
		if (!rc) {
			*ret_box = b;
			return 0;
		}
		box_free(b);
		if (rc == -ENOENT && !(flags & BOX_CREATE))
			return err_say(err, EXIT_NO_BOX, ENOENT, "box: no box '%s'", name);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (rc == 1)
			continue;
		rc = make(home, name, opts, &b, err);
		if (rc == -EEXIST)
			continue; /* another process made it meanwhile */
		if (rc)
			return rc;
		if (!(flags & BOX_LOCK))
			close(steal_fd(&b->lock_fd));
		*ret_box = b;
		return 0;
	}
	return err_say(err, EXIT_BUSY, EBUSY, "box: '%s' is made and removed all the time", name);
}

/* ---- look --------------------------------------------------------------------------------- */

bool box_is_held(struct box_home *home, const char *name)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char rel[BOX_NAME_MAX + 32];
	cleanup_close int fd = -1;

	if (box_name_check(name, NULL))
		return false;
	snprintf(rel, sizeof(rel), "boxes/%s/lock", name);
	fd = openat(home->fd, rel, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	/* asking does not take the lock, so nobody else can find it taken by us */
	return fd >= 0 && !fcntl(fd, F_OFD_GETLK, &fl) && fl.l_type != F_UNLCK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int box_list(struct box_home *home, int (*fn)(void *ctx, const char *name), void *ctx,
	     struct err *err)
{
	int fd = openat(home->fd, "boxes", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, cap = 0;
	char **names = NULL;
	struct dirent *e;

	if (!d)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: list '%s/boxes'",
				    home->path);
	while ((e = readdir(d))) {
		if (box_name_check(e->d_name, NULL))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 16;
			names = xrealloc(names, cap * sizeof(*names));
		}
		names[n++] = xstrdup(e->d_name);
	}
	closedir(d);
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		if (!rc)
			rc = fn(ctx, names[i]);
		free(names[i]);
	}
	free(names);
	return rc;
}
