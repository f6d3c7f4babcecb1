// SPDX-License-Identifier: Apache-2.0
/*
 * filesystem.c - the steps of a plan that make the box's file system, carried out by pid 1
 *
 * Theory of operation
 *
 * Everything from the host is opened first, as descriptors in this mount namespace; overlays name
 * them as /proc/self/fd/N. That makes long lists of layers and odd characters in names safe (the
 * option string holds neither), and the box's mount table does not tell where on the host it
 * lives. The box's "/" is then mounted and made the root, so that from there on every absolute
 * path, links that programs planted in an earlier run included, resolves inside the box. The one
 * way out would be a link into /proc/self/fd, pid 1's own descriptors: places that are mounted on
 * must be real directories, and what is written goes through openat2(RESOLVE_NO_MAGICLINKS) after
 * the host's descriptors are closed.
 */
#include <dirent.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "box/places.h"

#define OPTIONS_MAX 4096 /* mount(2) takes one page */

/* ---- layer -------------------------------------------------------------------------------- */

/* A passing box has no folder: its tmpfs hides those of the other boxes without a name. */
static int open_layer(struct setup *s, struct err *err)
{
	char name[32];

	if (s->box->fd < 0) {
		s->layer = open(s->box->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return s->layer < 0 ? err_set(err, errno, "box: open '%s'", s->box->path) : 0;
	}
	snprintf(name, sizeof(name), "layers/%u", s->box->info.top);
	if (mkdirat(s->box->fd, "layers", 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s/layers'", s->box->path);
	if (mkdirat(s->box->fd, name, 0755) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s/%s'", s->box->path, name);
	/* of this mount namespace: the inherited descriptor's mount cannot be used in an overlay */
	if (chdir(s->box->path))
		return err_set(err, errno, "box: enter '%s'", s->box->path);
	s->layer = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->layer < 0 ? err_set(err, errno, "box: open '%s/%s'", s->box->path, name) : 0;
}

int do_layer_folder(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	s->layer_on_disk = true;
	return open_layer(s, err);
}

int do_layer_tmpfs(struct setup *s, const struct step *st, struct err *err)
{
	char path[FD_PATH_MAX], name[32];
	int rc = open_layer(s, err);

	if (rc)
		return rc;
	if (mount("tmpfs", place_fd(s->layer, path), "tmpfs", MS_NOSUID | MS_NODEV, st->value))
		return wall_missing(err, errno, "box: mount a tmpfs for the layer");
	close(s->layer);
	if (s->box->fd < 0)
		return open_layer(s, err);
	snprintf(name, sizeof(name), "layers/%u", s->box->info.top);
	s->layer = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->layer < 0)
		return err_set(err, errno, "box: open the layer's tmpfs");
	/* user.* attributes of tmpfs came with Linux 6.6; an overlay needs them for opaque folders
	 */
	if (!fsetxattr(s->layer, "user.overlay.belljar", "y", 1, 0)) {
		fremovexattr(s->layer, "user.overlay.belljar");
		return 0;
	}
	close(s->layer);
	umount2(name, MNT_DETACH);
	return do_layer_folder(s, st, err);
}

/* ---- what comes from the host ------------------------------------------------------------- */

static int make_upper(struct setup *s, int i, struct err *err)
{
	const char *sub = s->plan->mount[i].sub;
	char work[300];
	struct stat st;
	bool fresh;

	snprintf(work, sizeof(work), "work/%s", sub);
	fresh = !mkdirat(s->layer, sub, 0755);
	if ((!fresh && errno != EEXIST) || (mkdirat(s->layer, work, 0700) && errno != EEXIST))
		return err_set(err, errno, "box: make folder '%s' of the layer", sub);
	/* the merged directory shows the upper one's owner and mode: take them from below */
	if (fresh && s->nlower[i] && !fstat(s->lower[i][0], &st)) {
		if ((st.st_mode & 07777) != 0755)
			(void)!fchmodat(s->layer, sub, st.st_mode & 07777, 0);
		if (st.st_uid != s->plan->inner_uid || st.st_gid != s->plan->inner_uid)
			(void)!fchownat(s->layer, sub, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	}
	return 0;
}

static int open_lowers(struct setup *s, int i, struct err *err)
{
	const struct box_mount *m = &s->plan->mount[i];
	char name[300];

	s->lower[i] = xcalloc(s->box->info.top + BOX_LOWERS_MAX, sizeof(int));
	for (unsigned n = s->box->info.top - 1; n > 0; n--) {
		snprintf(name, sizeof(name), "layers/%u/%s", n, m->sub);
		int fd = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT) /* this overlay came later */
			continue;
		if (fd < 0)
			return err_set(err, errno, "box: open '%s/%s'", s->box->path, name);
		s->lower[i][s->nlower[i]++] = fd;
	}
	s->nlayers[i] = s->nlower[i];
	for (int k = 0; k < m->nlower; k++) {
		int fd = open(m->lower[k], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_set_exit(err, EXIT_UNREADABLE, errno, "box: open '%s'",
					    m->lower[k]);
		s->lower[i][s->nlower[i]++] = fd;
	}
	return 0;
}

/* The folder that the open file lies in, which can be shown without the file's locks: binds.c. */
static void open_folder(struct setup *s, int i)
{
	char link[FD_PATH_MAX], path[4096], *slash;
	ssize_t n = readlink(place_fd(s->bind[i], link), path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (!slash)
		return;
	s->leaf[i] = xstrdup(slash + 1);
	slash[slash == path] = 0;
	s->folder[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Boxes, records and the key that signs them: no program may change them, or take the key. */
static int find_home(struct setup *s, int i, struct err *err)
{
	const struct plan_bind *b = &s->plan->bind[i];
	char link[FD_PATH_MAX], path[4096], home[4096];
	cleanup_close int fd = open(s->box->home->path, O_PATH | O_CLOEXEC);
	ssize_t n = readlink(place_fd(s->bind[i], link), path, sizeof(path) - 1);
	ssize_t h = readlink(place_fd(fd, link), home, sizeof(home) - 1);

	if (n < 1 || h < 1)
		return err_set(err, EIO, "box: where '%s' and the boxes are", b->src);
	path[n] = home[h] = 0;
	n = path[n - 1] == '/' ? n - 1 : n;
	if (h > n && !memcmp(home, path, (size_t)n) && home[n] == '/')
		s->own[i] = xstrdup(home + n + 1);
	else if (n >= h && !memcmp(path, home, (size_t)h) && (n == h || path[h] == '/') &&
		 (b->how == BIND_RW || strncmp(path + h, "/boxes/", 7) != 0))
		return err_set_exit(err, EXIT_USAGE, 0,
				    "box: '%s' is where the boxes are kept, and stays out of them",
				    b->src);
	return 0;
}

static int open_bind(struct setup *s, int i, struct err *err)
{
	const struct plan_bind *b = &s->plan->bind[i];
	struct stat st;

	if (b->how == BIND_COPY)
		s->bind[i] = b->fd >= 0
				     ? b->fd
				     : open(b->src, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	else
		s->bind[i] = open(b->src, O_PATH | O_CLOEXEC);
	if (s->bind[i] < 0 || fstat(s->bind[i], &st))
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: open '%s'", b->src);
	/* a FIFO, socket or device would be a channel to whoever holds its other end */
	if (!S_ISREG(st.st_mode) && (b->how == BIND_COPY || !S_ISDIR(st.st_mode)))
		return err_set_exit(err, EXIT_UNREADABLE, 0, "box: '%s' is no %s", b->src,
				    b->how == BIND_COPY ? "file" : "file or folder");
	s->folder[i] = -1;
	if (b->how == BIND_RO && S_ISREG(st.st_mode))
		open_folder(s, i);
	return b->how == BIND_COPY ? 0 : find_home(s, i, err);
}

/*
 * The identity of a box that nothing has run in: put into its layer before that is mounted, which
 * is cheaper than to look up, remove and make each file through the overlay (do_identity() finds
 * them there). What cannot be done here is left to it: a --root may have made anything of /etc.
 */
static void early_identity(struct setup *s)
{
	cleanup_close int etc = -1;
	struct stat st;

	if (s->box->info.root[0] || s->nlayers[0] ||
	    fstatat(s->lower[0][0], "etc", &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) ||
	    mkdirat(s->upper, "etc", 0755))
		return;
	etc = openat(s->upper, "etc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (etc < 0)
		return;
	(void)!fchmodat(s->upper, "etc", st.st_mode & 07777, 0);
	if (st.st_uid != s->plan->inner_uid || st.st_gid != s->plan->inner_uid)
		(void)!fchownat(etc, "", st.st_uid, st.st_gid, AT_EMPTY_PATH);
	for (int i = 0; i < s->plan->nsteps; i++) {
		const struct step *step = &s->plan->step[i];
		cleanup_close int fd = -1;

		if (step->kind != STEP_IDENTITY || strncmp(step->path, "/etc/", 5) ||
		    strchr(step->path + 5, '/'))
			continue;
		fd = place_open(etc, step->path + 5, O_WRONLY | O_CREAT | O_EXCL, 0644,
				RESOLVE_NO_SYMLINKS);
		/* half a file is worse than none: do_identity() would leave it */
		if (fd >= 0 && write_full(fd, step->value, strlen(step->value)))
			unlinkat(etc, step->path + 5, 0);
	}
}

/* name, and whether a box can do without */
static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

int do_sources(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	char path[32];

	static_assert(ARRAY_SIZE(devices) <= ARRAY_SIZE(s->devices), "room for each device");
	if (mkdirat(s->layer, "work", 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make folder 'work' of the layer");
	for (int i = 0; i < s->plan->nmounts; i++) {
		int rc = open_lowers(s, i, err);

		if (!rc)
			rc = make_upper(s, i, err);
		if (rc)
			return rc;
	}
	s->upper = openat(s->layer, s->plan->mount[0].sub,
			  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->upper < 0)
		return err_set(err, errno, "box: open the layer's folder for '/'");
	s->fresh = !in_layers(s, "/etc/machine-id");
	early_identity(s);
	for (int i = 0; i < s->plan->nbinds; i++) {
		int rc = open_bind(s, i, err);

		if (rc)
			return rc;
	}
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		snprintf(path, sizeof(path), "/dev/%s", devices[i]);
		s->devices[i] = open(path, O_PATH | O_CLOEXEC);
		if (s->devices[i] < 0)
			return wall_missing(err, errno, "box: open '%s'", path);
	}
	return 0;
}

/* ---- overlays ----------------------------------------------------------------------------- */

static int mount_overlay(struct setup *s, int i, const char *target, struct err *err)
{
	const char *sub = s->plan->mount[i].sub;
	char options[OPTIONS_MAX], layer[FD_PATH_MAX];
	size_t n = (size_t)snprintf(options, sizeof(options), "lowerdir=");

	for (int k = 0; k < s->nlower[i] && n < sizeof(options); k++)
		n += (size_t)snprintf(options + n, sizeof(options) - n, "%s/proc/self/fd/%d",
				      k ? ":" : "", s->lower[i][k]);
	if (n < sizeof(options))
		n += (size_t)snprintf(options + n, sizeof(options) - n,
				      ",upperdir=%s/%s,workdir=%s/work/%s,userxattr",
				      place_fd(s->layer, layer), sub, layer, sub);
	if (n >= sizeof(options))
		return err_set(err, E2BIG, "box: too many layers");
	if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options))
		return wall_missing(err, errno, "box: mount an overlay on '%s'",
				    s->plan->mount[i].at);
	return 0;
}

int do_root(struct setup *s, const struct step *st, struct err *err)
{
	char path[FD_PATH_MAX];
	int rc;

	if (mkdirat(s->layer, "work/.mnt", 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make a mount point");
	cleanup_close int at =
		openat(s->layer, "work/.mnt", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return err_set(err, errno, "box: open a mount point");
	rc = mount_overlay(s, st->index, place_fd(at, path), err);
	if (rc)
		return rc;
	cleanup_close int root = openat(s->layer, "work/.mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchdir(root))
		return err_set(err, errno, "box: enter the new root");
	/* both roots end up stacked on "/", ours below: pivot_root(2), NOTES */
	if (syscall(SYS_pivot_root, ".", "."))
		return wall_missing(err, errno, "box: change the root");
	return 0;
}

/* A passing box begins with its base, where our own mount points are what they should be. */
static int mount_point(const struct setup *s, const char *at, struct err *err)
{
	return s->box->fd < 0 && !s->box->info.root[0] ? 0 : place_mount(at, err);
}

int do_overlay(struct setup *s, const struct step *st, struct err *err)
{
	int rc = mount_point(s, st->path, err);

	return rc ? rc : mount_overlay(s, st->index, st->path, err);
}

/* ---- kernel file systems ------------------------------------------------------------------ */

static int mount_fs(const struct setup *s, const char *type, const char *at, unsigned long flags,
		    const char *options, struct err *err)
{
	int rc = mount_point(s, at, err);

	if (!rc && mount(type, at, type, flags, options))
		return wall_missing(err, errno, "box: mount %s on '%s'", type, at);
	return rc;
}

int do_proc(struct setup *s, const struct step *st, struct err *err)
{
	return mount_fs(s, "proc", st->path, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, err);
}

int do_sysfs(struct setup *s, const struct step *st, struct err *err)
{
	return mount_fs(s, "sysfs", st->path, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL,
			err);
}

int do_tmpfs(struct setup *s, const struct step *st, struct err *err)
{
	int rc = mount_fs(s, "tmpfs", st->path, MS_NOSUID | MS_NODEV, st->value, err);

	/* /var/lock leads there, and services expect it (FHS 5.9; systemd's legacy.conf makes it)
	 */
	if (!rc && !strcmp(st->path, "/run") && (mkdir(RUN_LOCK, 01777) || chmod(RUN_LOCK, 01777)))
		rc = err_set(err, errno, "box: make '%s'", RUN_LOCK);
	return rc;
}

int do_sysctl(struct setup *s, const struct step *st, struct err *err UNUSED)
{
	cleanup_close int fd = -1;
	bool *wanted = NULL, set;
	char now[64];
	ssize_t n;

	if (strstr(st->path, "pid_max"))
		wanted = &s->go.pid_max;
	else if (strstr(st->path, "shmall"))
		wanted = &s->go.shmall;
	if (wanted && !*wanted)
		return 0;
	/* older kernels keep some of these to the host: what stays true in 'go' is in force */
	fd = place_open(AT_FDCWD, st->path, wanted ? O_RDWR : O_WRONLY, 0, RESOLVE_NO_SYMLINKS);
	set = fd >= 0 && !write_full(fd, st->value, strlen(st->value));
	if (wanted) {
		n = set ? pread(fd, now, sizeof(now) - 1, 0) : 0;
		now[n > 0 ? n : 0] = 0;
		*wanted = n > 0 && strtoull(now, NULL, 10) <= strtoull(st->value, NULL, 10);
	}
	return 0;
}

int do_readonly(struct setup *s UNUSED, const struct step *st, struct err *err)
{
	if (mount(st->path, st->path, NULL, MS_BIND, NULL)) {
		if (errno == ENOENT)
			return 0;
		return wall_missing(err, errno, "box: bind '%s'", st->path);
	}
	if (place_attr(AT_FDCWD, st->path, 0,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		       0))
		return wall_missing(err, errno, "box: make '%s' read-only", st->path);
	return 0;
}

int do_mask(struct setup *s UNUSED, const struct step *st, struct err *err)
{
	if (mount("/dev/null", st->path, NULL, MS_BIND, NULL) && errno != ENOENT &&
	    (errno != ENOTDIR || mount("tmpfs", st->path, "tmpfs",
				       MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=555")))
		return wall_missing(err, errno, "box: mask '%s'", st->path);
	return 0;
}

/* On /run, which is new, and without a name from then on. */
int do_clock(struct setup *s UNUSED, const struct step *st, struct err *err)
{
	static const char name[] = "/run/clock";
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno : 0;

	if (!rc && (fchmod(fd, 0644) || mount(name, st->path, NULL, MS_BIND, NULL)))
		rc = -errno;
	if (fd >= 0) {
		close(fd);
		unlink(name);
	}
	return rc ? wall_missing(err, rc, "box: give '%s' the box's time", st->path) : 0;
}

int do_dev(struct setup *s, const struct step *st, struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },	      { "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
		{ "pts/ptmx", "/dev/ptmx" },
	};
	char from[FD_PATH_MAX], to[32];
	int rc = mount_fs(s, "tmpfs", st->path, MS_NOSUID | MS_NOEXEC,
			  "mode=0755,size=" TMPFS_DEV_SIZE ",nr_inodes=4096", err);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		snprintf(to, sizeof(to), "/dev/%s", devices[i]);
		(void)!mknod(to, S_IFREG | 0666, 0);
		if (mount(place_fd(s->devices[i], from), to, NULL, MS_BIND, NULL))
			return wall_missing(err, errno, "box: bind '%s'", to);
		/* a device takes bytes all the same; but its times are the host's */
		rc = place_attr(AT_FDCWD, to, 0, MOUNT_ATTR_RDONLY, 0);
		if (rc)
			return wall_missing(err, rc, "box: make '%s' read-only", to);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]))
			return err_set(err, errno, "box: link '%s'", links[i][1]);
	if (mkdir("/dev/shm", 0755) || mkdir("/dev/pts", 0755))
		return err_set(err, errno, "box: make folders in '/dev'");
	s->empty = open("/dev/pts",
			O_PATH | O_DIRECTORY | O_CLOEXEC); /* what the mount covers: binds.c */
	if (s->empty < 0)
		return err_set(err, errno, "box: open an empty folder");
	/* group tty has a number only where a range is mapped */
	return mount_fs(s, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
			s->box->info.range ? "newinstance,ptmxmode=0666,mode=0620,gid=5"
					   : "newinstance,ptmxmode=0666,mode=0620",
			err);
}
/* ---- the host is gone; what the box is called --------------------------------------------- */

int do_detach(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	/* the stacked old root: see do_root() */
	if (chdir("/") || umount2(".", MNT_DETACH))
		return err_set(err, errno, "box: let go of the host's tree");
	for (int i = 0; i < s->plan->nmounts; i++) {
		for (int k = s->nlayers[i]; k < s->nlower[i]; k++)
			close(s->lower[i][k]);
	}
	for (int i = 0; i < s->plan->nbinds; i++) {
		if (s->plan->bind[i].how != BIND_COPY)
			close(s->bind[i]);
		if (s->folder[i] >= 0)
			close(s->folder[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		close(s->devices[i]);
	if (s->empty >= 0)
		close(s->empty);
	return 0;
}

bool in_layers(struct setup *s, const char *path)
{
	struct stat st;

	if (!fstatat(s->upper, path + 1, &st, AT_SYMLINK_NOFOLLOW))
		return true;
	for (int k = 0; k < s->nlayers[0]; k++)
		if (!fstatat(s->lower[0][k], path + 1, &st, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

int do_identity(struct setup *s, const struct step *st, struct err *err)
{
	cleanup_free char *now = NULL;
	cleanup_close int parent = -1, fd = -1;
	const char *name;
	int rc;

	if (in_layers(s, st->path))
		return 0;
	if (!read_file_at(AT_FDCWD, st->path, 4096, &now, NULL) && !strcmp(now, st->value))
		return 0;
	parent = place_parent(st->path, &name);
	if (parent < 0)
		return 0; /* a program has made something else of /etc: so be it */
	/* the base may hold a link to a place that only the host has: replace, do not follow */
	if (unlinkat(parent, name, 0) && errno != ENOENT)
		return err_set(err, errno, "box: replace '%s' in the box", st->path);
	fd = place_open(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0644, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return err_set(err, fd, "box: write '%s' in the box", st->path);
	rc = write_full(fd, st->value, strlen(st->value));
	return rc ? err_set(err, rc, "box: write '%s' in the box", st->path) : 0;
}

/* The home as the base has it belongs to box root: hand it over, its first level too. */
static void give_home(int home, uid_t uid, gid_t gid)
{
	int fd = openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			(void)!fchownat(dirfd(d), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW);
	if (d)
		closedir(d);
	(void)!fchownat(home, "", uid, gid, AT_EMPTY_PATH);
}

int do_home(struct setup *s, const struct step *st, struct err *err)
{
	cleanup_close int fd = place_dirs(st->path, RESOLVE_NO_MAGICLINKS);
	struct stat sb;

	/* what a program has made of it in an earlier run stays its own affair */
	if (fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return err_set(err, fd, "box: make '%s' in the box", st->path);
	if (s->plan->uid != s->plan->inner_uid && !fstat(fd, &sb) &&
	    sb.st_uid == s->plan->inner_uid)
		give_home(fd, s->plan->uid, s->plan->gid);
	return 0;
}
