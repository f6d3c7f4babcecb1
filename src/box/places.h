// SPDX-License-Identifier: Apache-2.0
/*
 * places.h - folders and files of the box that pid 1 mounts on or writes
 *
 * @resolve: flags of openat2(2), for programs of an earlier run may have planted links
 * (filesystem.c).
 */
#ifndef BELLJAR_BOX_PLACES_H
#define BELLJAR_BOX_PLACES_H

#include "box/runtime.h"

#define FD_PATH_MAX 32

/** place_fd() - a name for a descriptor of ours, for calls that take names only */
static inline const char *place_fd(int fd, char buf[FD_PATH_MAX])
{
	snprintf(buf, FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

/** place_open() - openat2(2). Return: fd or -errno */
int place_open(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve);
/** place_dirs() - a folder by O_PATH, made with its parents where they are missing; -errno */
int place_dirs(const char *path, uint64_t resolve);
/** place_mount() - a mount point: a real directory, made if missing */
int place_mount(const char *path, struct err *err);
/** place_parent() - the folder for what comes from outside, by place_dirs(), and the name in it */
int place_parent(const char *path, const char **ret_name);
/** place_attr() - mount_setattr(2) */
int place_attr(int fd, const char *path, unsigned flags, uint64_t set, uint64_t clear);

#endif
