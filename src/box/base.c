// SPDX-License-Identifier: Apache-2.0
/*
 * base.c - the host as boxes see it, made once and shared
 *
 * Theory of operation
 *
 * HOME/base/KEY/{root,usr,var,opt,…} are the upper of two lower layers; below lie the host's own
 * folders. All of a base belongs to its maker, who is box id 0: in the merged view every folder
 * therefore has an owner that exists in the box, and a box's root can create, replace and delete
 * anywhere, which it cannot in a folder of the host's root (an id that a plain user's namespace
 * cannot hold; the kernel then answers EOVERFLOW). Files are copied only where a package manager
 * opens them for writing. What identifies the host or its people is left out, and where the host's
 * folder would show it, hidden by an opaque folder. base_rules.c has the tables.
 *
 * KEY is a digest of what a base is made from (base_key.c), so a change of the host's packages
 * gives the next new box a new base, and existing boxes keep theirs. It is built under base/lock in
 * a folder of another name and renamed: a base that is there is whole.
 */
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "box/base_build.h"
#include "box/runtime.h"

#define HOLD_TRIES 4

static int base_lock(struct box_home *home, bool exclusive)
{
	return lock_file(home->fd, "base/lock", true, exclusive);
}

static int make_key(const struct box_home *home, struct idrange ids, char ret[128],
		    struct overlay_at lay[BOX_MOUNTS_MAX], int *ret_n, struct err *err)
{
	cleanup_close int base_fd = openat(home->fd, "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *mi = NULL;
	char why[256];
	int rc;

	if (base_fd < 0)
		return err_set(err, errno, "box: open '%s/base'", home->path);
	rc = mounts_read(home, &mi);
	if (rc)
		return err_set_exit(err, EXIT_NO_WALL, rc, "box: read '/proc/self/mountinfo'");
	*ret_n = mounts_layout(mi, "", lay, why);
	if (*ret_n < 0)
		return err_set_exit(err, EXIT_NO_WALL, *ret_n,
				    "box: the host's folders cannot be shown because of the file "
				    "system mounted at '%s' (try --root DIR)",
				    why);
	base_key(base_fd, ids, lay, *ret_n, ret);
	return 0;
}

/* ---- which bases are in use --------------------------------------------------------------- */

struct used {
	char (*key)[128];
	size_t n, cap;
};

static void note_used(struct box_home *home, const char *folder, struct used *u)
{
	int fd = openat(home->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct box *b;
		unsigned renew;

		if (e->d_name[0] == '.')
			continue;
		b = xcalloc(1, sizeof(*b));
		b->home = home;
		b->fd = openat(dirfd(d), e->d_name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (b->fd >= 0 && !boxjson_read(b, &renew, NULL)) {
			if (u->n == u->cap) {
				u->cap = u->cap ? u->cap * 2 : 16;
				u->key = xrealloc(u->key, u->cap * sizeof(*u->key));
			}
			strcpy(u->key[u->n++], b->info.base);
		}
		if (b->fd >= 0)
			close(b->fd);
		free(b);
	}
	if (d)
		closedir(d);
}

/* A lock on the folder itself says what box.json says for boxes that have one. */
int base_keep(const struct box_home *home, const char *key)
{
	char rel[160];
	int fd;

	snprintf(rel, sizeof(rel), "base/%s", key);
	fd = openat(home->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !flock(fd, LOCK_SH | LOCK_NB))
		return fd;
	if (fd >= 0)
		close(fd);
	return -errno;
}

bool base_is_kept(int base_fd, const char *key)
{
	cleanup_close int fd =
		openat(base_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB);
}

/* Called with base/lock held exclusively: no box is being made. A key is "<state of the
 * host>-<ids>": bases for other ids of the same host are as current as this one. */
static void remove_unused(struct box_home *home, int base_fd, const char *current)
{
	struct used u = { 0 };
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	note_used(home, "boxes", &u);
	note_used(home, "anon", &u);
	note_used(home, "tmp", &u);
	while (d && (e = readdir(d))) {
		bool keep = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
			    !strcmp(e->d_name, "lock") || base_is_link(e->d_name) ||
			    !strncmp(e->d_name, current, BASE_STATE_LEN + 1);

		for (size_t i = 0; i < u.n && !keep; i++)
			keep = !strcmp(e->d_name, u.key[i]);
		if (!keep && !base_is_kept(base_fd, e->d_name))
			(void)tree_remove(home, idrange_here(home), base_fd, e->d_name, NULL);
	}
	if (d)
		closedir(d);
	free(u.key);
}

/* ---- build -------------------------------------------------------------------------------- */

static int mount_points(struct base_build *b, int dir)
{
	int rc = 0;

	/* a split overlay's place must be there: "/usr/lib" in root/usr/lib when /usr is split */
	for (int i = 0; i < b->noverlays && !rc; i++)
		if (b->overlay[i].at[1])
			rc = base_mkdirs(dir, b->overlay[i].at + 1);
	return rc;
}

static int build_all(struct base_build *b)
{
	cleanup_close int root = -1;
	int rc = 0;

	root = base_subdir(b->to, "root", 0755);
	if (root < 0)
		return root;
	rc = base_root_folders(b, root);
	if (!rc)
		rc = base_etc(b, root);
	if (!rc)
		rc = mount_points(b, root);
	for (int i = 0; i < b->noverlays && !rc; i++) {
		const char *at = b->overlay[i].at;
		cleanup_free char *top = xstrndup(at + 1, strcspn(at + 1, "/"));
		struct stat st;

		if (at[1] && fstatat(b->to, top, &st, AT_SYMLINK_NOFOLLOW))
			rc = base_tree(b, top);
	}
	return rc;
}

static int build(struct box_home *home, struct idrange ids, struct base_build *b, int base_fd,
		 const char *key, struct err *err)
{
	bool tell = isatty(2);
	struct err first = { 0 };
	char tmp[160];
	mode_t mask;
	int rc, status = 0;

	b->range = ids.range;

	snprintf(tmp, sizeof(tmp), "%s.new", key);
	rc = tree_remove(home, ids, base_fd, tmp, err);
	if (rc)
		return rc;
	if (tell)
		fprintf(stderr, "belljar: preparing the base, once …");
	mask = umask(0); /* modes are the host's */
	b->to = base_subdir(base_fd, tmp, 0700);
	rc = b->to < 0 ? b->to : build_all(b);
	umask(mask);
	if (!rc && b->nowners)
		rc = userns_call(home, ids, base_set_owners, b, &status, &first);
	if (!rc && status)
		rc = -status;
	if (b->to >= 0)
		close(b->to);
	if (!rc && renameat(base_fd, tmp, base_fd, key))
		rc = -errno;
	if (tell && !rc)
		fprintf(stderr, " %u folders, %u files\n", b->ndirs, b->nfiles);
	else if (tell)
		fputc('\n', stderr);
	if (!rc)
		return 0;
	(void)tree_remove(home, ids, base_fd, tmp, NULL);
	if (first.code && err) {
		*err = first;
		return rc;
	}
	if (rc == -EOPNOTSUPP) /* an overlay's marks are attributes of users: not on tmpfs before
				  Linux 6.6 */
		return wall_missing(err, rc, "box: keep attributes of users in '%s'", home->path);
	return err_set(err, rc, "box: prepare the base at '%s'", b->at[0] ? b->at : "/");
}

/* Build it unless it is there; then no process has the lock yet. */
static int ensure(struct box_home *home, struct idrange ids, struct base_build *b, const char *key,
		  struct err *err)
{
	cleanup_close int base_fd = -1, lock = -1;
	struct stat st;
	int rc = 0;

	base_fd = openat(home->fd, "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base_fd < 0)
		return err_set(err, errno, "box: open '%s/base'", home->path);
	if (!fstatat(base_fd, key, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	lock = base_lock(home, true);
	if (lock < 0)
		return err_set(err, lock, "box: lock '%s/base'", home->path);
	if (fstatat(base_fd, key, &st, AT_SYMLINK_NOFOLLOW)) {
		rc = build(home, ids, b, base_fd, key, err);
		if (!rc)
			remove_unused(home, base_fd, key);
	}
	return rc;
}

int base_hold(struct box_home *home, struct idrange ids, char ret_key[128],
	      struct overlay_at *ret_layout, int *ret_n, int *ret_lock, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < HOLD_TRIES && !rc; i++) {
		struct base_build *b = base_build_new();
		cleanup_close int lock = -1;
		char key[128], rel[160];
		struct stat st;

		rc = make_key(home, ids, key, b->overlay, &b->noverlays, err);
		if (!rc && ret_layout) {
			*ret_n = b->noverlays;
			memcpy(ret_layout, b->overlay, (size_t)b->noverlays * sizeof(*ret_layout));
		}
		if (!rc)
			rc = ensure(home, ids, b, key, err);
		base_build_free(b);
		if (rc)
			break;
		lock = base_lock(home, false);
		snprintf(rel, sizeof(rel), "base/%s", key);
		if (lock < 0)
			rc = err_set(err, lock, "box: lock '%s/base'", home->path);
		else if (!fstatat(home->fd, rel, &st, AT_SYMLINK_NOFOLLOW)) {
			strcpy(ret_key, key);
			*ret_lock = steal_fd(&lock);
			return 0;
		}
		/* removed between the two, by a process that saw another state of the host */
	}
	return rc ? rc : err_set(err, EAGAIN, "box: the host's packages change all the time");
}
