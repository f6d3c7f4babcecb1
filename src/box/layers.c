// SPDX-License-Identifier: Apache-2.0
/*
 * layers.c - make, freeze, drop layers; remove boxes; clean up after killed runs
 *
 * Crash safety: box.json is the truth, and each change is ordered so that the next one to hold
 * the box can finish it (layers_repair). A snapshot makes the new layer first: until box.json
 * names it, it is a stray folder. A rollback writes first which layers go (`renew`), then drops
 * them, then forgets the note: the number of the new top may be one that is in use until then.
 * What is dropped is renamed into trash/ at once and emptied there, since its files may belong
 * to mapped ids and be many.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "box/internal.h"

/* ---- removing trees ----------------------------------------------------------------------- */

struct removal {
	int dirfd;
	const char *name;
};

static int remove_as_box_root(void *ctx)
{
	const struct removal *r = ctx;
	int rc = rm_rf_at(r->dirfd, r->name);

	return rc < -255 ? 255 : -rc;
}

int tree_remove(const struct box_home *home, struct idrange ids, int dirfd, const char *name,
		struct err *err)
{
	struct removal r = { dirfd, name };
	int rc = rm_rf_at(dirfd, name), status = 0;

	/* others own nothing in a single mapping */
	if (!rc || !ids.range || (rc != -EACCES && rc != -EPERM && rc != -ENOTEMPTY))
		return rc ? err_set(err, rc, "box: remove '%s'", name) : 0;
	rc = userns_call(home, ids, remove_as_box_root, &r, &status, err);
	if (!rc && status)
		rc = err_set(err, status, "box: remove '%s'", name);
	/* the topmost folder lies in one of ours, which box root reached all the same */
	return rc;
}

static int discard(struct box *box, const char *rel, struct err *err)
{
	char id[20], to[64];

	if (mkdirat(box->fd, "trash", 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s/trash'", box->path);
	random_hex(id, 16);
	snprintf(to, sizeof(to), "trash/%s", id);
	if (renameat(box->fd, rel, box->fd, to))
		return errno == ENOENT ? 0
				       : err_set(err, errno, "box: drop '%s/%s'", box->path, rel);
	return 0;
}

/* Space is given back here; what cannot be removed now is tried again at the next change. */
static void empty_trash(struct box *box)
{
	(void)tree_remove(box->home, box_ids(box), box->fd, "trash", NULL);
}

/* ---- layers ------------------------------------------------------------------------------- */

static mode_t mode_of_below(const struct box *box, const struct overlay_at *o)
{
	char path[8192];
	struct stat st;

	if (box->info.root[0])
		snprintf(path, sizeof(path), "%s", box->info.root);
	else
		snprintf(path, sizeof(path), "%s/base/%s%s", box->home->path, box->info.base,
			 o->at[1] ? o->at : "/root");
	return stat(path, &st) ? 0755 : st.st_mode & 01777;
}

static int make_dir(int dirfd, const char *name, mode_t mode)
{
	cleanup_close int fd = -1;

	if (mkdirat(dirfd, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return fchmod(fd, mode) ? -errno : 0; /* not by mkdir: the umask is the user's */
}

int layer_make(const struct box *box, int dirfd, struct err *err)
{
	int rc = make_dir(dirfd, "work", 0700);

	for (int i = 0; i < box->noverlays && !rc; i++) {
		const struct overlay_at *o = &box->overlay[i];
		char sub[256], work[300];

		overlay_sub(o->at, sub);
		snprintf(work, sizeof(work), "work/%s", sub);
		rc = make_dir(dirfd, sub, mode_of_below(box, o));
		if (!rc)
			rc = make_dir(dirfd, work, 0700);
	}
	return rc ? err_set(err, rc, "box: make a layer of '%s'", box->info.name) : 0;
}

static int make_layer(struct box *box, unsigned n, struct err *err)
{
	cleanup_close int fd = -1;
	char rel[32];

	snprintf(rel, sizeof(rel), "layers/%u", n);
	if (mkdirat(box->fd, rel, 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s/%s'", box->path, rel);
	fd = openat(box->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, errno, "box: open '%s/%s'", box->path, rel);
	return layer_make(box, fd, err);
}

static int drop_layers_from(struct box *box, unsigned first, struct err *err)
{
	int fd = openat(box->fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return err_set_exit(err, EXIT_CORRUPT, errno, "box: open '%s/layers'", box->path);
	while (!rc && (e = readdir(d))) {
		char rel[300], *end;
		unsigned long n = strtoul(e->d_name, &end, 10);

		if (e->d_name[0] == '.' || (!*end && n > 0 && n < first))
			continue;
		snprintf(rel, sizeof(rel), "layers/%s", e->d_name);
		rc = discard(box, rel, err);
	}
	closedir(d);
	return rc;
}

int layers_repair(struct box *box, unsigned renew, struct err *err)
{
	bool dirty = false;
	struct stat st;
	char rel[32];
	int rc;

	snprintf(rel, sizeof(rel), "layers/%u", box->info.top + 1);
	dirty = renew || !fstatat(box->fd, rel, &st, AT_SYMLINK_NOFOLLOW) ||
		!fstatat(box->fd, "trash", &st, AT_SYMLINK_NOFOLLOW);
	for (unsigned i = 1; i <= box->info.top; i++) {
		snprintf(rel, sizeof(rel), "layers/%u", i);
		if (fstatat(box->fd, rel, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode)) {
			if (i < box->info.top || !renew)
				return err_say(err, EXIT_CORRUPT, EBADMSG,
					       "box: '%s/%s' is missing", box->path, rel);
			dirty = true;
		}
	}
	if (!dirty)
		return 0;
	rc = drop_layers_from(box, renew ? renew : box->info.top + 1, err);
	if (!rc)
		rc = make_layer(box, box->info.top, err);
	if (!rc && renew)
		rc = boxjson_write(box, 0, err);
	if (!rc)
		empty_trash(box);
	return rc;
}

/* ---- snapshots ---------------------------------------------------------------------------- */

static const struct box_snapshot *find(const struct box *box, const char *name)
{
	for (unsigned i = 0; i < box->info.nsnapshots; i++)
		if (!strcmp(box->info.snapshot[i].name, name))
			return &box->info.snapshot[i];
	return NULL;
}

static int need_lock(const struct box *box, struct err *err)
{
	return box->lock_fd >= 0
		       ? 0
		       : err_say(err, EXIT_BUSY, EBUSY, "box: '%s' is not held", box->info.name);
}

int box_snapshot(struct box *box, const char *name, struct err *err)
{
	struct box_info old = box->info, *in = &box->info;
	struct box_snapshot *s;
	int rc = box_name_check(name, err);

	if (!rc)
		rc = need_lock(box, err);
	if (rc)
		return rc;
	if (find(box, name))
		return err_say(err, EXIT_EXISTS, EEXIST,
			       "box: there is a snapshot '%s' of '%s' already", name, in->name);
	if (in->top >= BOX_LAYERS_MAX)
		return err_set(
			err, 0,
			"box: '%s' has %d layers, the most a box can have; roll it back to an "
			"earlier snapshot first",
			in->name, BOX_LAYERS_MAX);
	rc = make_layer(box, in->top + 1, err);
	if (rc)
		return rc;
	s = &in->snapshot[in->nsnapshots++];
	strcpy(s->name, name);
	s->layer = in->top++;
	s->wall_ns = clock_real_ns();
	rc = boxjson_write(box, 0, err);
	if (rc)
		box->info = old;
	return rc;
}

int box_rollback(struct box *box, const char *name, struct err *err)
{
	struct box_info old = box->info, *in = &box->info;
	const struct box_snapshot *s = NULL;
	unsigned keep;
	int rc = need_lock(box, err);

	if (rc)
		return rc;
	if (name && *name) {
		s = find(box, name);
		if (!s)
			return err_say(err, EXIT_NO_BOX, ENOENT, "box: '%s' has no snapshot '%s'",
				       in->name, name);
	}
	keep = s ? s->layer : 0;
	in->nsnapshots = s ? (unsigned)(s - in->snapshot) + 1 : 0;
	in->top = keep + 1;
	rc = boxjson_write(box, keep + 1, err);
	if (rc) {
		box->info = old;
		return rc;
	}
	rc = drop_layers_from(box, keep + 1, err);
	if (!rc)
		rc = make_layer(box, in->top, err);
	if (!rc)
		rc = boxjson_write(box, 0, err);
	if (!rc)
		empty_trash(box);
	return rc;
}

/* ---- removal ------------------------------------------------------------------------------ */

int box_remove(struct box *box, struct err *err)
{
	cleanup_close int tmp = -1;
	char id[20];
	int rc = need_lock(box, err);

	if (rc)
		return rc;
	tmp = openat(box->home->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tmp < 0)
		return err_set(err, errno, "box: open '%s/tmp'", box->home->path);
	random_hex(id, 16);
	/* gone under its name at once; the lock goes with it, so no sweep takes it from us */
	if (renameat(AT_FDCWD, box->path, tmp, id))
		return err_set(err, errno, "box: remove '%s'", box->info.name);
	return tree_remove(box->home, box_ids(box), tmp, id, err);
}

/* An entry of anon/ or tmp/: ours if its lock can be had. @ret_lock keeps it from others. */
static bool is_stale(int dir, const char *name, int *ret_lock)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return false;
	*ret_lock = lock_file(fd, "lock", false, true);
	return *ret_lock >= 0;
}

static void sweep_one(struct box_home *home, int dir, const char *name)
{
	struct box *b = xcalloc(1, sizeof(*b));
	struct idrange ids = idrange_here(home);
	unsigned renew;

	b->home = home;
	b->fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd >= 0) {
		if (!boxjson_read(b, &renew, NULL))
			ids = box_ids(b);
		close(b->fd);
	}
	free(b);
	(void)tree_remove(home, ids, dir, name, NULL);
}

/* What is swept are folders, and each counts as a link of the one that holds it, on file systems
 * that count them at all (the others show 1). */
static bool has_none(const struct box_home *home, const char *folder)
{
	struct stat st;

	return !fstatat(home->fd, folder, &st, AT_SYMLINK_NOFOLLOW) && st.st_nlink == 2;
}

static void sweep_folder(struct box_home *home, const char *folder)
{
	int fd = has_none(home, folder)
			 ? -1
			 : openat(home->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		cleanup_close int guard = -1, lock = -1;
		bool stale;

		if (e->d_name[0] == '.')
			continue;
		guard = lock_file(home->fd, "lock", true, true);
		if (guard < 0)
			break;
		stale = is_stale(dirfd(d), e->d_name, &lock);
		close(steal_fd(&guard));
		if (stale)
			sweep_one(home, dirfd(d), e->d_name);
	}
	if (d)
		closedir(d);
}

void home_sweep(struct box_home *home)
{
	sweep_folder(home, "anon");
	sweep_folder(home, "tmp");
}
