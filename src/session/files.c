// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - remove files of a running box, and put them back
 *
 * Done in a child with the box's ids and rights (box_run_in_userns), through the box's root, links
 * resolved inside of it. What the child finds comes back in memory that both share; nothing of the
 * child's is trusted but as values with a range.
 */
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "session/taken.h"

#define FILE_MAX_BYTES (512ull << 20)

/** struct job - what the child does; mapped shared */
struct job {
	enum { JOB_TAKE, JOB_REMOVE, JOB_PUT } what;
	int root, fd;
	int code; /* errno of the child */
	char path[4096], target[4096];
	char spare[32]; /* JOB_PUT: its name while it is not whole */
	off_t at;	/* JOB_PUT: where its bytes begin in fd */
	uint32_t mode, uid, gid;
	uint64_t size;
};

static int open_in(int root, const char *path, uint64_t flags, uint64_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.mode = mode,
				.resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* The folder that holds the path's last component. */
static int open_parent(const struct job *j, const char **ret_name)
{
	char dir[4096];
	const char *slash = strrchr(j->path, '/');

	if (!slash || !slash[1])
		return -EINVAL;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - j->path), j->path);
	*ret_name = slash + 1;
	return open_in(j->root, dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY, 0);
}

static int copy_bytes(int from, int to)
{
	char block[65536];
	uint64_t all = 0;
	ssize_t n;
	int rc;

	while ((n = read(from, block, sizeof(block))) > 0) {
		all += (uint64_t)n;
		if (all > FILE_MAX_BYTES)
			return -EFBIG;
		rc = write_full(to, block, (size_t)n);
		if (rc)
			return rc;
	}
	return n < 0 ? -errno : 0;
}

static int do_take(struct job *j, int dir, const char *name)
{
	cleanup_close int fd = -1;
	struct stat st;
	ssize_t n;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	j->mode = st.st_mode;
	j->uid = st.st_uid;
	j->gid = st.st_gid;
	j->size = (uint64_t)st.st_size;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, j->target, sizeof(j->target) - 1);
		j->target[n > 0 ? n : 0] = 0;
		return n > 0 ? 0 : -EINVAL;
	}
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : copy_bytes(fd, j->fd);
}

/* Under its name it is whole: a program may start it at once, and we may be killed. */
static int put_file(struct job *j, int dir)
{
	cleanup_close int fd = -1;
	int rc;

	/* of one who was killed here */
	if (unlinkat(dir, j->spare, 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, j->spare, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = lseek(j->fd, j->at, SEEK_SET) < 0 ? -errno : copy_bytes(j->fd, fd);
	/* the owner first: a change of it takes set-id bits away */
	if (!rc && (fchown(fd, j->uid, j->gid) || fchmod(fd, j->mode & 07777)))
		rc = -errno;
	return rc;
}

static int do_put(struct job *j, int dir, const char *name)
{
	struct stat st;
	int rc;

	if (S_ISLNK(j->mode)) {
		if (symlinkat(j->target, dir, name))
			return -errno;
		return fchownat(dir, name, j->uid, j->gid, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	}
	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -EEXIST;
	rc = put_file(j, dir);
	if (!rc && renameat2(dir, j->spare, dir, name, RENAME_NOREPLACE))
		rc = -errno;
	if (rc)
		unlinkat(dir, j->spare, 0);
	return rc;
}

static int in_child(void *ctx)
{
	struct job *j = ctx;
	const char *name = NULL;
	int dir = open_parent(j, &name), rc = dir;

	if (dir >= 0) {
		rc = j->what == JOB_TAKE      ? do_take(j, dir, name)
		     : j->what == JOB_PUT     ? do_put(j, dir, name)
		     : unlinkat(dir, name, 0) ? -errno
					      : 0;
		close(dir);
	}
	j->code = -rc;
	return 0;
}

static int run_job(struct session_run *s, struct job *j, const char *what, struct err *err)
{
	struct job *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0, rc;

	if (shared == MAP_FAILED)
		return err_set(err, errno, "run: share memory");
	*shared = *j;
	shared->code = ECHILD;
	shared->root = box_run_rootfd(s->run);
	rc = box_run_in_userns(s->run, in_child, shared, &status, err);
	*j = *shared;
	munmap(shared, sizeof(*shared));
	j->path[sizeof(j->path) - 1] = j->target[sizeof(j->target) - 1] = 0;
	if (!rc && j->code)
		rc = err_set(err, j->code, "run: %s '%s' in the box", what, j->path);
	return rc;
}

static int set_path(struct job *j, const char *path, struct err *err)
{
	if (strlen(path) >= sizeof(j->path))
		return err_set(err, ENAMETOOLONG, "run: use '%.80s…'", path);
	strcpy(j->path, path);
	return 0;
}

int file_take(struct session_run *s, const char *path, struct kept_file *ret, struct err *err)
{
	struct job j = { .what = JOB_TAKE };
	cleanup_close int fd = memfd_create("kept", MFD_CLOEXEC);
	uint64_t size;
	int rc = fd < 0 ? err_set(err, errno, "run: make a memory file") : 0;

	*ret = (struct kept_file){ .fd = -1 };
	if (!rc)
		rc = set_path(&j, path, err);
	j.fd = fd;
	if (!rc)
		rc = run_job(s, &j, "read", err);
	if (rc)
		return rc;
	*ret = (struct kept_file){ .path = xstrdup(path),
				   .fd = -1,
				   .mode = j.mode,
				   .uid = j.uid,
				   .gid = j.gid,
				   .size = j.size };
	memcpy(ret->target, j.target, sizeof(ret->target));
	if (S_ISREG(j.mode)) {
		bool kept;

		/* in the store of objects as well: what comes back is compared with it */
		rc = object_keep(box_dirfd(s->box), fd, NULL, ret->sha256, &size, &kept, err);
		ret->fd = steal_fd(&fd);
	}
	if (rc)
		kept_file_free(ret);
	return rc;
}

int file_remove(struct session_run *s, const char *path, struct err *err)
{
	struct job j = { .what = JOB_REMOVE, .fd = -1 };
	int rc = set_path(&j, path, err);

	return rc ? rc : run_job(s, &j, "remove", err);
}

int file_put_back(struct session_run *s, const struct kept_file *f, struct err *err)
{
	struct job j = { .what = JOB_PUT,
			 .fd = f->fd,
			 .at = f->at,
			 .mode = f->mode,
			 .uid = f->uid,
			 .gid = f->gid };
	struct err there = { 0 };
	int rc = set_path(&j, f->path, err);

	if (rc)
		return rc;
	memcpy(j.target, f->target, sizeof(j.target));
	snprintf(j.spare, sizeof(j.spare), ".%s", f->record);
	rc = run_job(s, &j, "put back", &there);
	if (rc == -EEXIST)
		return 0;
	if (rc)
		*err = there;
	return rc ? rc : 1;
}

void kept_file_free(struct kept_file *f)
{
	free(f->path);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct kept_file){ .fd = -1 };
}
