// SPDX-License-Identifier: Apache-2.0
/*
 * binds.c - the steps of a plan that bring folders and files of the user in: --ro, --rw, --copy
 *
 * What is mounted or copied was opened before the box's "/" stood (filesystem.c).
 */
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "box/places.h"

/* The place for a bind, made to fit what comes there; O_PATH or -errno. */
static int bind_place(const char *path, bool dir)
{
	const char *name;
	int fd, parent;

	if (dir)
		return place_dirs(path, RESOLVE_NO_MAGICLINKS);
	parent = place_parent(path, &name);
	if (parent < 0)
		return parent;
	fd = place_open(parent, name, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
	if (fd == -ENOENT) {
		close(place_open(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0644,
				 RESOLVE_NO_MAGICLINKS));
		fd = place_open(parent, name, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
	}
	close(parent);
	return fd;
}

static bool is_dir(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISDIR(st.st_mode);
}

static int bind_tree(struct setup *s, const struct step *st, uint64_t attr, struct err *err)
{
	int src = s->bind[st->index], rc;
	cleanup_close int to = bind_place(st->path, is_dir(src));
	cleanup_close int tree = -1;

	if (to < 0)
		return err_set(err, to, "box: make '%s' in the box", st->path);
	tree = open_tree(src, "",
			 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (tree < 0)
		return wall_missing(err, errno, "box: clone the mounts of '%s'",
				    s->plan->bind[st->index].src);
	rc = place_attr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
			attr | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0);
	if (!rc && move_mount(tree, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		rc = -errno;
	return rc ? wall_missing(err, rc, "box: bind '%s'", st->path) : 0;
}

int do_bind_rw(struct setup *s, const struct step *st, struct err *err)
{
	return bind_tree(s, st, 0, err);
}

/*
 * A read-only overlay has inodes of its own: a FIFO or socket in the folder that someone on the
 * host listens at is dead in the box, which a bind would not give. A folder with mounts below
 * cannot be an overlay's lower layer in a user namespace (EINVAL, they are locked): then a bind.
 */
int do_bind_ro(struct setup *s, const struct step *st, struct err *err)
{
	char options[2 * FD_PATH_MAX + 32], path[FD_PATH_MAX];
	int src = s->bind[st->index];

	if (!is_dir(src))
		return bind_tree(s, st, MOUNT_ATTR_RDONLY, err);
	if (s->empty < 0) {
		if (mkdirat(s->layer, "work/.empty", 0555) && errno != EEXIST)
			return err_set(err, errno, "box: make an empty folder");
		s->empty = openat(s->layer, "work/.empty", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	cleanup_close int to = bind_place(st->path, true);
	if (to < 0)
		return err_set(err, to, "box: make '%s' in the box", st->path);
	snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,userxattr",
		 src, s->empty);
	if (!mount("overlay", place_fd(to, path), "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV,
		   options))
		return 0;
	return bind_tree(s, st, MOUNT_ATTR_RDONLY, err);
}

int do_copy(struct setup *s, const struct step *st, struct err *err)
{
	const char *src = s->plan->bind[st->index].src, *name;
	cleanup_close int from = steal_fd(&s->bind[st->index]);
	cleanup_close int parent = place_parent(st->path, &name);
	cleanup_close int to = -1;
	struct stat sb;
	char buf[65536];
	ssize_t k;

	if (parent < 0)
		return err_set(err, parent, "box: make the folder of '%s' in the box", st->path);
	if (fstat(from, &sb) || lseek(from, 0, SEEK_SET) < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: read '%s'", src);
	if (unlinkat(parent, name, 0) && errno != ENOENT)
		return err_set(err, errno, "box: replace '%s' in the box", st->path);
	to = place_open(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0600, RESOLVE_NO_SYMLINKS);
	if (to < 0)
		return err_set(err, to, "box: make '%s' in the box", st->path);
	while ((k = read(from, buf, sizeof(buf))) > 0) {
		int rc = write_full(to, buf, (size_t)k);

		if (rc)
			return err_set(err, rc, "box: copy '%s' into the box", src);
	}
	if (k < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: read '%s'", src);
	if (fchown(to, s->plan->uid, s->plan->gid) || fchmod(to, sb.st_mode & 0777))
		return err_set(err, errno, "box: copy '%s' into the box", src);
	return 0;
}
