// SPDX-License-Identifier: Apache-2.0
/*
 * internal.h - what the files of this room share and no other room sees
 */
#ifndef BELLJAR_BOX_INTERNAL_H
#define BELLJAR_BOX_INTERNAL_H

#include "box/box.h"

/** struct box - an open box; store.c fills it, the runtime reads it */
struct box {
	struct box_home *home; /* borrowed */
	struct box_info info;
	char path[4096];
	int fd;                /* the box's folder */
	int lock_fd;           /* -1 when not held */
	bool anon;
};

/**
 * idmap_write() - give a fresh user namespace its id maps
 * @child: a child of ours that has just been cloned with CLONE_NEWUSER and waits
 *
 * 'range' by newuidmap/newgidmap or through the broker, 'single' by /proc/PID/{setgroups,uid_map,
 * gid_map}. @inner_uid is the box id that a single map shows (0 for root, 1000 for --user user).
 */
int idmap_write(const struct box *box, pid_t child, uid_t inner_uid, struct err *err);

/**
 * broker_cgroup_make() - ask the broker (host root) for a cgroup of ours with these limits
 * @pid1: is put into it
 * @ret_how: what holds which limit: "memory=cgroup1;pids=cgroup1;cpu=cgroup1" or "…=cgroup2"
 *
 * Return: 0; -ENOTSUP without a broker or without controllers.
 */
int broker_cgroup_make(const struct box_home *home, const char *name, pid_t pid1,
		       const struct box_limits *limits, char ret_how[256], struct err *err);
int broker_cgroup_remove(const struct box_home *home, const char *name);

#endif
