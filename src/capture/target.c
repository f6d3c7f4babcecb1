// SPDX-License-Identifier: Apache-2.0
/*
 * target.c - read what a held call points at: memory, descriptors, paths
 *
 * All of it is hostile. Reads never cross a page in one piece, so that a string that ends before
 * an unmapped page is read whole; every result is bounded by the caller's buffer.
 */
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "capture/recorder.h"

#define PAGE 4096u

#define PIDFD_THREAD_FLAG O_EXCL /* PIDFD_THREAD of linux/pidfd.h, Linux 6.9 */

/* Memory can be such that the kernel reads it for its owner and for nobody else (memfd_secret(2)),
 * or be away for just that moment. */
static void not_read(struct held *h)
{
	h->unread |= errno != ESRCH; /* who is gone calls no more */
}

static ssize_t peek(pid_t tid, uint64_t addr, void *p, size_t n)
{
	struct iovec l = { p, n }, r = { (void *)(uintptr_t)addr, n };

	return process_vm_readv(tid, &l, 1, &r, 1, 0);
}

int target_read(pid_t tid, uint64_t addr, void *p, size_t n)
{
	return peek(tid, addr, p, n) == (ssize_t)n ? 0 : -EFAULT;
}

int target_write(pid_t tid, uint64_t addr, const void *p, size_t n)
{
	struct iovec l = { (void *)p, n }, r = { (void *)(uintptr_t)addr, n };

	return process_vm_writev(tid, &l, 1, &r, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

ssize_t target_string(pid_t tid, uint64_t addr, char *out, size_t size)
{
	size_t got = 0;

	out[0] = 0;
	while (got < size - 1) {
		size_t n = PAGE - ((addr + got) & (PAGE - 1));
		const char *z;
		ssize_t k;

		if (n > size - 1 - got)
			n = size - 1 - got;
		k = peek(tid, addr + got, out + got, n);
		if (k <= 0) {
			out[got] = 0;
			return -EFAULT;
		}
		z = memchr(out + got, 0, (size_t)k);
		if (z)
			return z - out;
		got += (size_t)k;
	}
	out[got] = 0;
	return -ENAMETOOLONG;
}

/* The name that directory @child has in its parent: what readlink cannot tell of a path that is
 * longer than a page. */
static bool name_in_parent(int parent, int child, char name[256])
{
	int dirfd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dirfd < 0 ? NULL : fdopendir(dirfd);
	struct stat want, st;
	struct dirent *e;
	bool found = false;

	if (!d) {
		if (dirfd >= 0)
			close(dirfd);
		return false;
	}
	while (!found && !fstat(child, &want) && (e = readdir(d))) {
		if (!strcmp(e->d_name, "..") || !strcmp(e->d_name, ".") ||
		    fstatat(parent, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		found = st.st_dev == want.st_dev && st.st_ino == want.st_ino;
		if (found)
			snprintf(name, 256, "%s", e->d_name);
	}
	closedir(d);
	return found;
}

/* A directory whose path is longer than a page: from it upwards, name by name, until readlink can
 * tell the rest. Return: length, or -ENAMETOOLONG when it is longer than @size as well. */
static ssize_t long_link(const char *proc_name, char *out, size_t size)
{
	int fd = open(proc_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t at = size; /* the tail grows downwards from the buffer's end */
	ssize_t n = -ENAMETOOLONG;

	while (fd >= 0) {
		char self[64], name[256];
		int parent;
		size_t k;

		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		n = readlink(self, out, at - 1);
		if (n >= 0 && (size_t)n < at - 1) {
			memmove(out + n, out + at, size - at);
			n += (ssize_t)(size - at);
			out[n] = 0;
			break;
		}
		n = -ENAMETOOLONG;
		parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0 || !name_in_parent(parent, fd, name) ||
		    (k = strlen(name)) + 1 + PAGE > at) {
			if (parent >= 0)
				close(parent);
			break;
		}
		at -= k;
		memcpy(out + at, name, k);
		out[--at] = '/';
		close(fd);
		fd = parent;
	}
	if (fd >= 0)
		close(fd);
	return n;
}

int held_read(struct held *h, uint64_t addr, void *p, size_t n)
{
	errno = EFAULT;
	if (!target_read(h->tid, addr, p, n))
		return 0;
	if (addr)
		not_read(h);
	return -EFAULT;
}

ssize_t held_string(struct held *h, uint64_t addr, char *out, size_t size)
{
	ssize_t n;

	errno = EFAULT;
	n = target_string(h->tid, addr, out, size);
	if (n == -EFAULT && addr)
		not_read(h);
	return n;
}

#define LINK_MAX_TEXT (PATH_TEXT_MAX - PAGE - 1) /* leaves room for a path below it */

/* Where a link of /proc leads; "?" and an error when that cannot be told */
static ssize_t proc_link(pid_t tid, const char *what, int fd, char *out, size_t size)
{
	char name[64];
	ssize_t n;

	if (fd >= 0)
		snprintf(name, sizeof(name), "/proc/%d/%s/%d", tid, what, fd);
	else
		snprintf(name, sizeof(name), "/proc/%d/%s", tid, what);
	n = readlink(name, out, size - 1);
	if (n < 0 && errno == ENAMETOOLONG && size >= LINK_MAX_TEXT)
		n = long_link(name, out, size);
	else if (n < 0)
		n = -errno;
	if (n < 0) {
		strcpy(out, "?");
		return n;
	}
	out[n] = 0;
	return n;
}

/* "/a//b/./c/" → "/a/b/c"; ".." stays: what it means depends on symbolic links. */
void tidy_path(char *path)
{
	char *o = path;

	if (*path != '/')
		return;
	for (const char *s = path; *s;) {
		const char *e;

		while (*s == '/')
			s++;
		e = strchrnul(s, '/');
		if (e == s)
			break;
		if (!(e - s == 1 && s[0] == '.')) {
			*o++ = '/';
			memmove(o, s, (size_t)(e - s));
			o += e - s;
		}
		s = e;
	}
	if (o == path)
		*o++ = '/';
	*o = 0;
}

/* Most paths are tidy: look before moving bytes. */
static bool is_tidy(const char *path, size_t n)
{
	if (n > 1 && path[n - 1] == '/')
		return false;
	for (const char *s = path; (s = memchr(s, '/', n - (size_t)(s - path))); s++)
		if (s[1] == '/' || (s[1] == '.' && (s[2] == '/' || s[2] == 0)))
			return false;
	return true;
}

/* "/proc/self/fd/7": what the kernel will follow is the descriptor itself. */
static void follow_fd(const struct held *h, char *path)
{
	const char *digits = NULL;
	char *end;
	long fd;

	if (!strncmp(path, "/proc/self/fd/", 14))
		digits = path + 14;
	else if (!strncmp(path, "/dev/fd/", 8))
		digits = path + 8;
	if (!digits || *digits < '0' || *digits > '9')
		return;
	fd = strtol(digits, &end, 10);
	if (!*end && fd <= INT32_MAX) {
		char link[4096];

		if (proc_link(h->tid, "fd", (int)fd, link, sizeof(link)) > 0)
			strcpy(path, link);
	}
}

int target_path(struct held *h, int dirfd, uint64_t addr, char *out)
{
	char path[4097];
	size_t at = 0, n;
	ssize_t k;
	int rc = 0;

	k = held_string(h, addr, path, sizeof(path));
	if (k < 0)
		rc = (int)k;
	if (k == -EFAULT && addr) {
		strcpy(out, "?");
		return rc;
	}
	n = k < 0 ? strlen(path) : (size_t)k;
	if (path[0] == '/') {
		if (h->rooted) {
			k = proc_link(h->tid, "root", -1, out, LINK_MAX_TEXT);
			at = k > 1 ? (size_t)k : 0;
		}
	} else {
		k = dirfd == AT_FDCWD ? proc_link(h->tid, "cwd", -1, out, LINK_MAX_TEXT)
				      : proc_link(h->tid, "fd", dirfd, out, LINK_MAX_TEXT);
		if (k < 0) { /* "?/name": not to be taken for a name in the root */
			rc = (int)k;
			k = 1;
		}
		at = (size_t)k;
		if (n && (at == 0 || out[at - 1] != '/'))
			out[at++] = '/';
	}
	memcpy(out + at, path, n + 1);
	if (!is_tidy(out, at + n))
		tidy_path(out);
	if (out[1] == 'p' || out[1] == 'd')
		follow_fd(h, out);
	return rc;
}

int target_fd_path(const struct held *h, int fd, char *out)
{
	ssize_t k = proc_link(h->tid, "fd", fd, out, LINK_MAX_TEXT);

	return k < 0 ? (int)k : 0;
}

/* A thread may have descriptors of its own (unshare(2), CLONE_FILES). Before Linux 6.9 there is no
 * descriptor for it, and those of its process stand in. */
static int pidfd_of(const struct held *h)
{
	int fd = h->tid == h->tgid ? -1 : (int)syscall(SYS_pidfd_open, h->tid, PIDFD_THREAD_FLAG);

	return fd >= 0 ? fd : (int)syscall(SYS_pidfd_open, h->tgid, 0);
}

int target_fd(const struct held *h, int fd)
{
	int pidfd = pidfd_of(h), got;

	if (pidfd < 0)
		return -errno;
	got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (got < 0)
		got = -errno;
	close(pidfd);
	return got;
}

int open_in_box(const struct recorder *rec, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int fd = -1;

	if (path[0] != '/') /* "?/name": its folder is not known */
		return -ENAMETOOLONG;
	fd = (int)syscall(SYS_openat2, rec->rootfd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int existed(const struct held *h, const char *path, int look)
{
	struct stat st;
	int fd;

	/* /proc means the reader's own processes: it would answer for us, not for the caller */
	if (!strncmp(path, "/proc/", 6))
		return -1;
	fd = open_in_box(h->rec, path, O_PATH | (look & LOOK_FOLLOW ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : -1;
	if ((look & LOOK_CHANGE) && !fstat(fd, &st))
		take_over(h->rec, fd, &st);
	close(fd);
	return 1;
}

/* The owner of /proc/PID is the task's effective user, in our numbers. */
int64_t user_of(const struct recorder *rec, pid_t tid)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d", tid);
	if (stat(name, &st))
		return -1;
	return box_run_uid_in(rec->run, st.st_uid);
}
