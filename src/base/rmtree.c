// SPDX-License-Identifier: Apache-2.0
/*
 * rmtree.c - remove a tree that somebody hostile may have made
 *
 * Theory of operation
 *
 * Depth first, by descriptors, never following a link. A tree can be deeper than there are
 * descriptors and longer than PATH_MAX, so levels are held open only down to LEVELS_MAX. A folder
 * found there is renamed up into the tree's topmost folder, under a name of ours, and is removed
 * from there later: each rename takes LEVELS_MAX levels off, no path is ever built, and nothing is
 * looked up by "..". The topmost folder is read again until a pass moves nothing up.
 *
 * Folders that their owner cannot read (an overlay's work folder has mode 000) get mode 700 first.
 * What cannot be removed is left, the rest is removed all the same, and the first error returned.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "base/base.h"

#define LEVELS_MAX   48 /* folders open at once */
#define SAME_DIR_MAX 16 /* passes over one folder that does not become empty */

struct rmtree {
	int top; /* the tree's topmost folder */
	dev_t dev;
	uint64_t moved; /* folders moved up so far; also their name */
	uint64_t errors;
	int first_rc; /* of these */
};

static void note(struct rmtree *t, int rc)
{
	if (!rc)
		return;
	t->errors++;
	if (!t->first_rc)
		t->first_rc = rc;
}

static int empty(struct rmtree *t, int fd, int level);

static int move_up(struct rmtree *t, int dirfd, const char *name)
{
	char to[64];

	for (;;) {
		snprintf(to, sizeof(to), ".moved-up-%llu", (unsigned long long)++t->moved);
		if (!renameat(dirfd, name, t->top, to))
			return 0;
		/* the tree's maker knows this source too and took the name */
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return -errno;
	}
}

static int open_dir(int dirfd, const char *name, dev_t dev, int *ret_fd)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -EPERM; /* no folder, and yet unlink(2) failed */
	if (dev && st.st_dev != dev)
		return -EXDEV;
	if ((st.st_mode & 0700) != 0700)
		(void)fchmodat(dirfd, name, 0700, 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static void remove_entry(struct rmtree *t, int dirfd, const char *name, int level)
{
	cleanup_close int fd = -1;
	int rc, e;

	if (!unlinkat(dirfd, name, 0))
		return;
	e = errno;
	/* EISDIR on Linux file systems; EPERM from POSIX, for which rmdir(2) decides */
	if (e == EISDIR || e == EPERM) {
		if (!unlinkat(dirfd, name, AT_REMOVEDIR))
			return;
		if (errno == ENOTDIR)
			errno = e;
		e = errno;
	}
	if (e == ENOENT)
		return;
	if (e != ENOTEMPTY && e != EEXIST && e != EACCES && e != EPERM) {
		note(t, -e);
		return;
	}
	rc = open_dir(dirfd, name, t->dev, &fd);
	if (rc) {
		note(t, rc == -EPERM ? -e : rc);
		return;
	}
	if (level >= LEVELS_MAX) {
		note(t, move_up(t, dirfd, name));
		return;
	}
	rc = empty(t, fd, level + 1);
	if (rc)
		note(t, rc);
	else if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
		note(t, -errno);
}

/* One reading of a folder, in which each entry is removed or noted. */
static int pass(struct rmtree *t, int fd, int level, unsigned *ret_seen)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;
	unsigned seen = 0;

	if (!d) {
		int rc = again < 0 ? -errno : -ENOMEM;

		if (again >= 0)
			close(again);
		return rc;
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		seen++;
		remove_entry(t, fd, e->d_name, level);
	}
	closedir(d);
	*ret_seen = seen;
	return 0;
}

static int empty(struct rmtree *t, int fd, int level)
{
	int passes = 0;

	for (;;) {
		uint64_t moved = t->moved, errors = t->errors;
		unsigned seen = 0;
		int rc = pass(t, fd, level, &seen);

		if (rc || !seen)
			return rc;
		if (fd == t->top && t->moved != moved)
			continue; /* new work, whatever else failed */
		if (t->errors != errors)
			return t->first_rc;
		/* some file systems skip entries when others are removed under the reader */
		if (++passes == SAME_DIR_MAX)
			return -ENOTEMPTY;
	}
}

int rm_rf_at(int dirfd, const char *name)
{
	struct rmtree t = { .top = -1 };
	struct stat st;
	int rc;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return -errno;
	rc = errno;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return -rc;
	rc = open_dir(dirfd, name, 0, &t.top);
	if (!rc) {
		t.dev = st.st_dev;
		rc = empty(&t, t.top, 1);
		note(&t, rc);
		close(t.top);
	}
	if (!unlinkat(dirfd, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	return t.first_rc ? t.first_rc : rc ? rc : -errno;
}
