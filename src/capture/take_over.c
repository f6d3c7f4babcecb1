// SPDX-License-Identifier: Apache-2.0
/*
 * take_over.c - a file of the host becomes the box's own before the box changes it
 *
 * The lowest layer is the host's /usr, /var and /opt. Their files belong to the host's root, an id
 * that no box of a plain user can have, and the kernel cannot copy such a file up: opening it for
 * writing, linking to it, renaming it or changing its mode fails with EPERM or EOVERFLOW, for box
 * root too. A package manager does all of that when it upgrades a package that the host has.
 *
 * So while such a call is held, belljar does what the copy-up would have done: it writes the same
 * bytes beside the file and renames them over it, through the box's own mount, in a folder that the
 * box owns. Then the call goes on. The truth at the end of a run sees equal bytes: no change.
 */
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "capture/recorder.h"

#define TAKE_OVER_MAX (1ull << 30) /* larger files stay the host's: the call fails as it would */

static int copy_bytes(int from, int to)
{
	char block[65536];
	ssize_t n;
	int rc;

	while ((n = read(from, block, sizeof(block))) > 0) {
		rc = write_full(to, block, (size_t)n);
		if (rc)
			return rc;
	}
	return n < 0 ? -errno : 0;
}

static int copy_file(int parent, const char *tmp, int old, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	cleanup_close int from = -1, to = -1;
	char self[64];
	int rc;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", old);
	from = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (from < 0)
		return -errno;
	to = openat(parent, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	rc = copy_bytes(from, to);
	if (!rc && (fchmod(to, st->st_mode & 07777) || futimens(to, times)))
		rc = -errno;
	return rc;
}

static int copy_link(int parent, const char *tmp, int old)
{
	char target[4096];
	ssize_t n = readlinkat(old, "", target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, parent, tmp) ? -errno : 0;
}

void take_over(struct recorder *rec, int fd, const struct stat *st)
{
	char self[64], path[PATH_TEXT_MAX], tmp[64], *name;
	cleanup_close int parent = -1;
	struct statfs fs;
	ssize_t n;
	int rc;

	if (box_run_uid_in(rec->run, st->st_uid) != 65534 || fstatfs(fd, &fs) ||
	    fs.f_type !=
		    OVERLAYFS_SUPER_MAGIC || /* a folder of the host given by --rw stays as it is */
	    !(S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)) ||
	    st->st_size > (off_t)TAKE_OVER_MAX || (fs.f_flags & ST_RDONLY)) /* --ro */
		return;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, 4096); /* its true path in the box */
	if (n <= 1 || n >= 4096 || path[0] != '/')
		return;
	path[n] = 0;
	name = strrchr(path, '/');
	*name++ = 0;
	parent = open_in_box(rec, path[0] ? path : "/", O_PATH | O_DIRECTORY);
	if (parent < 0)
		return;
	snprintf(tmp, sizeof(tmp), ".belljar-%d-%llx", getpid(),
		 (unsigned long long)clock_mono_ns());
	rc = S_ISREG(st->st_mode) ? copy_file(parent, tmp, fd, st) : copy_link(parent, tmp, fd);
	if (rc || renameat(parent, tmp, parent, name))
		unlinkat(parent, tmp, 0);
}
