// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - whole reads and writes, small files, trees
 */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/base.h"

ssize_t read_full(int fd, void *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = read(fd, (char *)p + got, n - got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int write_full(int fd, const void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = write(fd, (const char *)p + done, n - done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		done += (size_t)k;
	}
	return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0, cap = 4096;
	cleanup_free char *p = NULL;

	if (fd < 0)
		return -errno;
	p = xmalloc(cap);
	for (;;) {
		ssize_t k;

		if (n + 1 >= cap) {
			cap *= 2;
			p = xrealloc(p, cap);
		}
		k = read(fd, p + n, cap - n - 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		n += (size_t)k;
		if (n > max)
			return -EFBIG;
	}
	p[n] = 0;
	*ret = steal_ptr(&p);
	if (ret_n)
		*ret_n = n;
	return 0;
}

int write_file_at(int dirfd, const char *path, mode_t mode, const void *p, size_t n)
{
	char tmp[PATH_MAX];
	cleanup_close int fd = -1;
	int rc;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	rc = write_full(fd, p, n);
	if (!rc && renameat(dirfd, tmp, dirfd, path))
		rc = -errno;
	if (rc)
		unlinkat(dirfd, tmp, 0);
	return rc;
}

int mkdir_p(const char *path, mode_t mode)
{
	cleanup_free char *p = xstrdup(path);

	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		if (mkdir(p, mode) && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	if (mkdir(p, mode) && errno != EEXIST)
		return -errno;
	return 0;
}

/* Depth is the only thing a hostile tree can grow without end here: each level holds one
 * descriptor, so RLIMIT_NOFILE stops it with EMFILE. */
static int empty_dir(int fd, dev_t dev);

static int rm_one(int dirfd, const char *name, dev_t dev)
{
	cleanup_close int fd = -1;
	struct stat st;
	int rc;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EBUSY)
		return -errno;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return -EPERM;
	if (st.st_dev != dev)
		return -EXDEV;
	if ((st.st_mode & 0700) != 0700)
		(void)fchmodat(dirfd, name, 0700, 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = empty_dir(fd, dev);
	if (rc == -EMFILE)
		return rc;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
		return rc ? rc : -errno;
	return 0;
}

static int empty_dir(int fd, dev_t dev)
{
	int dup = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int rc = 0;
	DIR *d;

	if (dup < 0)
		return -errno;
	d = fdopendir(dup);
	if (!d) {
		close(dup);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		int one;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		one = rm_one(fd, e->d_name, dev);
		if (one && !rc)
			rc = one;
	}
	closedir(d);
	return rc;
}

int rm_rf_at(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return rm_one(dirfd, name, st.st_dev);
}

int fd_set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) ? -errno : 0;
}
