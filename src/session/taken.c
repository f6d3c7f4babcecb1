// SPDX-License-Identifier: Apache-2.0
/*
 * taken.c - what was taken out of a box comes back, even when whoever took it was killed
 *
 * Theory of operation
 *
 * Before a file is removed, all that it takes to put it back is written to `.taken/ID` in the
 * layer's folder, which no program of the box sees: a head, and the file's bytes. It goes when the
 * file is back. What the next run of the box finds there it puts back before any program starts.
 *
 * It is in the folder of the layer because the file is missing in that layer: a rollback drops
 * both, a snapshot keeps both.
 *
 * Invariant: what has an ID for its name is whole.
 */
#include <dirent.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "session/taken.h"

#define FOLDER	   ".taken"
#define UNREADY	   ".new" /* behind the ID */
#define FOLDER_MAX 40

/** struct head - at the begin of a record; all strings with their NUL */
struct head {
	char magic[16];
	char why[32];
	char path[4096], target[4096];
	char sha256[SHA256_HEX];
	uint32_t mode, uid, gid;
	uint64_t size;
};
static const char magic[16] = "belljar taken 1";

static const char *folder_of(unsigned layer, char name[FOLDER_MAX])
{
	snprintf(name, FOLDER_MAX, "layers/%u/" FOLDER, layer);
	return name;
}

static int open_folder(const struct session_run *s, unsigned layer, bool make)
{
	char buf[FOLDER_MAX];
	const char *name = folder_of(layer, buf);
	int fd;

	if (make && mkdirat(box_dirfd(s->box), name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(box_dirfd(s->box), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- before ------------------------------------------------------------------------------- */

static int copy_all(int from, int to)
{
	char block[65536];
	off_t at = 0;
	ssize_t n;
	int rc = 0;

	while (!rc && (n = pread(from, block, sizeof(block), at)) != 0) {
		rc = n < 0 ? -errno : write_full(to, block, (size_t)n);
		at += n;
	}
	return rc;
}

static int write_record(int dir, const char *id, const struct head *h, int bytes)
{
	cleanup_free char *name = xasprintf("%s" UNREADY, id);
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : write_full(fd, h, sizeof(*h));

	if (!rc && bytes >= 0)
		rc = copy_all(bytes, fd);
	if (!rc && renameat(dir, name, dir, id))
		rc = -errno;
	if (rc)
		unlinkat(dir, name, 0);
	return rc;
}

int taken_note(struct session_run *s, struct kept_file *f, const char *why, struct err *err)
{
	cleanup_close int dir = open_folder(s, box_get_info(s->box)->top, true);
	cleanup_free struct head *h = xcalloc(1, sizeof(*h));
	uint64_t id;
	int rc = dir;

	memcpy(h->magic, magic, sizeof(magic));
	snprintf(h->why, sizeof(h->why), "%s", why);
	snprintf(h->path, sizeof(h->path), "%s", f->path);
	memcpy(h->target, f->target, sizeof(h->target));
	memcpy(h->sha256, f->sha256, sizeof(h->sha256));
	h->mode = f->mode;
	h->uid = f->uid;
	h->gid = f->gid;
	h->size = f->size;
	if (rc >= 0)
		rc = getrandom(&id, sizeof(id), 0) == sizeof(id) ? 0 : -EIO;
	if (!rc) {
		snprintf(f->record, sizeof(f->record), "%016llx", (unsigned long long)id);
		rc = write_record(dir, f->record, h, f->fd);
	}
	if (!rc)
		return 0;
	f->record[0] = 0;
	return err_set(err, rc, "run: keep '%s' until it is put back", f->path);
}

/* ---- after -------------------------------------------------------------------------------- */

static int mark(struct session_run *s, const char *why, const char *path, const char *sha256,
		const char *detail, struct err *err)
{
	struct event ev = { .kind = EV_MARK, .t = UINT64_MAX };

	ev.v[EV_AT(MARK, NAME)] = V_Z("experiment");
	ev.v[EV_AT(MARK, EXPERIMENT)] = V_Z(why);
	ev.v[EV_AT(MARK, STEP)] = V_Z("act");
	ev.v[EV_AT(MARK, PATH)] = V_Z(path);
	ev.v[EV_AT(MARK, SHA256)] = V_Z(sha256[0] ? sha256 : NULL);
	ev.v[EV_AT(MARK, DETAIL)] = V_Z(detail);
	return journal_append(s->journal, &ev, NULL, err);
}

/* Its layer may have been frozen since. */
static void forget(const struct session_run *s, const char *id)
{
	for (unsigned i = box_get_info(s->box)->top; i > 0; i--) {
		cleanup_close int dir = open_folder(s, i, false);
		char name[FOLDER_MAX];

		if (dir < 0 || unlinkat(dir, id, 0))
			continue;
		/* unless it holds others */
		unlinkat(box_dirfd(s->box), folder_of(i, name), AT_REMOVEDIR);
		return;
	}
}

int taken_put_back(struct session_run *s, const struct kept_file *f, const char *why,
		   struct err *err)
{
	const char *words = NULL;
	struct err e = { 0 };
	int rc = file_put_back(s, f, &e);

	if (rc == 1)
		words = "put back";
	else if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP)
		words = "not put back: its folder is gone";
	else if (rc)
		return *err = e, rc;
	rc = words ? mark(s, why, f->path, f->sha256, words, err) : 0;
	if (!rc)
		forget(s, f->record);
	return rc;
}

static bool is_string(const char *p, size_t size)
{
	return memchr(p, 0, size) != NULL;
}

static bool read_head(int fd, struct head *h)
{
	struct stat st;

	return read_full(fd, h, sizeof(*h)) == sizeof(*h) && !fstat(fd, &st) &&
	       !memcmp(h->magic, magic, sizeof(magic)) && is_string(h->why, sizeof(h->why)) &&
	       is_string(h->path, sizeof(h->path)) && is_string(h->target, sizeof(h->target)) &&
	       is_string(h->sha256, sizeof(h->sha256)) &&
	       (S_ISLNK(h->mode) ||
		(S_ISREG(h->mode) && (uint64_t)st.st_size == sizeof(*h) + h->size));
}

static int return_one(struct session_run *s, int dir, const char *id, struct err *err)
{
	cleanup_close int fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_free struct head *h = xcalloc(1, sizeof(*h));
	cleanup_free char *words = NULL;
	struct kept_file f = { .path = h->path, .fd = fd, .at = sizeof(*h) };
	struct err why = { 0 };

	if (fd < 0 || !read_head(fd, h))
		return mark(s, NULL, NULL, "", "not put back: what was kept of it is damaged", err);
	snprintf(f.record, sizeof(f.record), "%s", id);
	memcpy(f.target, h->target, sizeof(f.target));
	memcpy(f.sha256, h->sha256, sizeof(f.sha256));
	f.mode = h->mode;
	f.uid = h->uid;
	f.gid = h->gid;
	f.size = h->size;
	if (!taken_put_back(s, &f, h->why, &why))
		return 0;
	words = xasprintf("not put back: %s", why.msg);
	return mark(s, h->why, f.path, f.sha256, words, err);
}

static int return_of(struct session_run *s, unsigned layer, struct err *err)
{
	int fd = open_folder(s, layer, false), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && !rc && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (strlen(e->d_name) == TAKEN_ID - 1)
			rc = return_one(s, fd, e->d_name, err);
		else
			unlinkat(fd, e->d_name, 0); /* not whole: nothing was removed yet */
	}
	if (d)
		closedir(d);
	return rc;
}

int taken_return(struct session_run *s, struct err *err)
{
	int rc = 0;

	for (unsigned i = 1; i <= box_get_info(s->box)->top && !rc; i++)
		rc = return_of(s, i, err);
	return rc;
}
