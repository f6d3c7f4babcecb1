// SPDX-License-Identifier: Apache-2.0
/*
 * places.c - folders and files of the box that pid 1 mounts on or writes
 */
#include "box/places.h"

#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int place_open(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
				.mode = mode,
				.resolve = resolve };
	int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Make the directories of @path that are missing and return the last as O_PATH. */
int place_dirs(const char *path, uint64_t resolve)
{
	cleanup_free char *copy = xstrdup(path);
	char *save = NULL;
	int at = place_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);

	for (char *c = strtok_r(copy, "/", &save); c && at >= 0; c = strtok_r(NULL, "/", &save)) {
		int next = place_open(at, c, O_PATH | O_DIRECTORY, 0, resolve);

		if (next == -ENOENT && (!mkdirat(at, c, 0755) || errno == EEXIST))
			next = place_open(at, c, O_PATH | O_DIRECTORY, 0, resolve);
		close(at);
		at = next;
	}
	return at;
}

/* A mount point of ours: a real directory, made if missing. With links or files in its place the
 * box would not be what its programs are told it is. */
int place_mount(const char *path, struct err *err)
{
	int fd = place_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);

	if (fd == -ENOENT)
		fd = place_dirs(path, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return err_set_exit(
			err, EXIT_CORRUPT, fd,
			"box: '%s' in the box is no directory any more (a rollback helps)", path);
	close(fd);
	return 0;
}

/* Where --ro, --rw and --copy go: directories are made, links inside the box are followed. */
int place_parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = xstrndup(path, (size_t)(slash - path));

	*ret_name = slash + 1;
	return place_dirs(dir[0] ? dir : "/", RESOLVE_NO_MAGICLINKS);
}

int place_attr(int fd, const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear };

	return syscall(SYS_mount_setattr, fd, path, flags, &a, sizeof(a)) ? -errno : 0;
}
