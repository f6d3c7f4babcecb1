// SPDX-License-Identifier: Apache-2.0
/*
 * binds.c - the steps of a plan that bring folders and files of the user in: --ro, --rw, --copy
 *
 * What is mounted or copied was opened before the box's "/" stood (filesystem.c).
 */
#include <dirent.h>
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

/* A mount of what @src is, on @to. @below: with what is mounted below it. -errno */
static int clone_to(int src, int to, bool below, uint64_t attr)
{
	unsigned recursive = below ? AT_RECURSIVE : 0;
	cleanup_close int tree =
		open_tree(src, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
	int rc;

	if (tree < 0)
		return -errno;
	rc = place_attr(tree, "", AT_EMPTY_PATH | recursive,
			attr | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0);
	if (!rc && move_mount(tree, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		rc = -errno;
	return rc;
}

/*
 * What --ro shows
 *
 * A read-only overlay has inodes of its own: a FIFO or socket in the folder that someone on the
 * host listens at is dead in the box, and a lock that is taken there holds there only. A bind gives
 * the host's. So a file is bound from an overlay of the folder that it lies in. A folder with
 * mounts below cannot be an overlay's lower layer in a user namespace (EINVAL, they are locked):
 * in its place stands a tmpfs with its links, and each folder in it is shown in the same way. What
 * else cannot be below an overlay is a file system of another kind, vfat or procfs, and is bound.
 */
#define SPLIT_DEPTH_MAX	 32
#define SPLIT_MOUNTS_MAX 4096

/* A new mount of @type on @to. Return: its root, or -errno. */
static int mount_on(int to, const char *type, const char *const (*options)[2], unsigned attr)
{
	cleanup_close int fs = fsopen(type, FSOPEN_CLOEXEC);
	cleanup_close int root = -1;

	if (fs < 0)
		return -errno;
	for (; (*options)[0]; options++)
		if (fsconfig(fs, (*options)[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			     (*options)[0], (*options)[1], 0))
			return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	root = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	if (root < 0 ||
	    move_mount(root, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		return -errno;
	return steal_fd(&root);
}

/* The folder @src, read-only, on @to. Return: its root, or -errno.
 *
 * Beside it lies an empty folder, for an overlay wants two. That is one of a tmpfs of the box's
 * own, for the layer can be below what is shown, and one lower folder must not lie in the other
 * (ELOOP). It must not be removed either: then the kernel lists nothing of both. So it is one that
 * no name leads to, for something is mounted there. */
static int overlay_on(const struct setup *s, int src, int to)
{
	char lower[2 * FD_PATH_MAX], path[2][FD_PATH_MAX];
	const char *const options[][2] = { { "lowerdir", lower },
					   { "userxattr", NULL },
					   { NULL, NULL } };

	snprintf(lower, sizeof(lower), "%s:%s", place_fd(src, path[0]),
		 place_fd(s->empty, path[1]));
	return mount_on(to, "overlay", options,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static int show_folder(const struct setup *s, int src, int to, int depth, int *budget);

/* One entry of a folder that is split. What is neither folder, file nor link has no place here. */
static int show_entry(const struct setup *s, int src, int to, const char *name, int depth,
		      int *budget)
{
	cleanup_close int from = openat(src, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), at = -1;
	char link[4096];
	struct stat st;
	ssize_t n;

	if (from < 0 || fstat(from, &st))
		return 0; /* gone, or not for us */
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, "", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		return n > 0 && symlinkat(link, to, name) ? -errno : 0;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	if (--*budget < 0)
		return -E2BIG;
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(to, name, 0755))
			return -errno;
		at = openat(to, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return at < 0 ? -errno : show_folder(s, from, at, depth - 1, budget);
	}
	if (mknodat(to, name, S_IFREG | 0644, 0))
		return -errno;
	at = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return at < 0 ? -errno : clone_to(from, at, false, MOUNT_ATTR_RDONLY);
}

static int split_folder(const struct setup *s, int src, int to, int depth, int *budget)
{
	static const char *const options[][2] = { { "mode", "0755" }, { NULL, NULL } };
	cleanup_close int root =
		depth ? mount_on(to, "tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
		      : -ELOOP;
	int fd, rc = 0;
	DIR *d;

	if (root < 0)
		return root;
	fd = openat(src, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) /* not for us: an empty folder */
		return fd < 0 ? place_attr(root, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0) : -errno;
	for (const struct dirent *e; !rc && (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = show_entry(s, src, root, e->d_name, depth, budget);
	closedir(d);
	return rc ? rc : place_attr(root, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0);
}

static int show_folder(const struct setup *s, int src, int to, int depth, int *budget)
{
	int root = overlay_on(s, src, to);

	if (root >= 0) {
		close(root);
		return 0;
	}
	/* refused only where something is mounted below */
	return clone_to(src, to, false, MOUNT_ATTR_RDONLY) ? split_folder(s, src, to, depth, budget)
							   : 0;
}

/* The file of the bind, from an overlay of its folder that stands on @over for a moment. */
static int show_file(const struct setup *s, int i, int over, int to)
{
	cleanup_close int root = s->folder[i] < 0 ? -ENOENT : overlay_on(s, s->folder[i], over);
	cleanup_close int from = -1;
	char path[FD_PATH_MAX];
	struct stat is, was;
	int rc;

	if (root < 0)
		return root;
	from = openat(root, s->leaf[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || fstat(from, &is) || fstat(s->bind[i], &was))
		rc = -errno;
	else
		rc = is.st_ino != was.st_ino || !S_ISREG(is.st_mode)
			     ? -ESTALE
			     : clone_to(from, to, false, MOUNT_ATTR_RDONLY);
	umount2(place_fd(root, path), MNT_DETACH);
	return rc;
}

/* The home of all boxes, where the bind on @st->path would show it, is an empty folder. */
static int hide_home(const struct setup *s, const struct step *st)
{
	static const char *const options[][2] = { { "mode", "0755" }, { NULL, NULL } };
	const char *own = s->own[st->index];
	cleanup_close int root = -1, at = -1, over = -1;

	if (!own)
		return 0;
	root = place_open(AT_FDCWD, st->path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
	if (root < 0)
		return root;
	at = place_open(root, own, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (at < 0)
		return at;
	over = mount_on(at, "tmpfs", options,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return over < 0 ? over : 0;
}

static int show_bind(struct setup *s, const struct step *st, bool rw, struct err *err)
{
	int i = st->index, rc = 0, budget = SPLIT_MOUNTS_MAX;
	const char *name;

	cleanup_close int to = bind_place(st->path, is_dir(s->bind[i]));
	cleanup_close int parent = place_parent(st->path, &name);
	if (to < 0 || parent < 0)
		return err_set(err, to < 0 ? to : parent, "box: make '%s' in the box", st->path);
	if (rw)
		rc = clone_to(s->bind[i], to, true, 0);
	else if (is_dir(s->bind[i]))
		rc = show_folder(s, s->bind[i], to, SPLIT_DEPTH_MAX, &budget);
	else if (show_file(s, i, parent, to))
		rc = clone_to(s->bind[i], to, false, MOUNT_ATTR_RDONLY);
	if (!rc)
		rc = hide_home(s, st);
	return rc ? wall_missing(err, rc, "box: show '%s'", st->path) : 0;
}

int do_bind_ro(struct setup *s, const struct step *st, struct err *err)
{
	return show_bind(s, st, false, err);
}

int do_bind_rw(struct setup *s, const struct step *st, struct err *err)
{
	return show_bind(s, st, true, err);
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
