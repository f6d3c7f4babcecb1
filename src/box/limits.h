// SPDX-License-Identifier: Apache-2.0
/*
 * limits.h - inside of limits*.c: which mechanism holds which limit, and what was seen of it
 */
#ifndef BELLJAR_BOX_LIMITS_H
#define BELLJAR_BOX_LIMITS_H

#include "box/runtime.h"

enum limit_kind {
	LIMIT_MEMORY,
	LIMIT_CPUS,
	LIMIT_PIDS,
	LIMIT_DISK,
	LIMIT_INODES,
	LIMIT_TIME,
	LIMIT_KINDS
};

#define CGROUP_DIR_MAX 4096

struct limits {
	struct box_limits set;
	char how[LIMIT_KINDS][48]; /* mechanism, "" for none */
	bool told[LIMIT_KINDS];
	char cgroup[64];		 /* made by the broker, "" for none */
	char own_cgroup[CGROUP_DIR_MAX]; /* made by ourselves in a delegated tree, "" for none */
	char events_memory[CGROUP_DIR_MAX + 64], events_pids[CGROUP_DIR_MAX + 64]; /* "" for none */
	uint64_t next_ns, interval_ns;
	/* layer on disk: what the file system had free, and what the last walk of the layer found
	 */
	uint64_t free_bytes, free_inodes;
	uint64_t walked_bytes, walked_inodes, walked_ns, walk_cost_ns;
	bool walk_partial;
	int shm, run; /* the box's other two tmpfs */
	dev_t memfd_dev;
	uint64_t memfd_bytes, deleted_bytes, unlinked_next_ns;
	pid_t walker;
	int walker_pipe;
	char text[512];
};

/* limits_cgroup.c: a cgroup of our own where systemd delegates a subtree */
/**
 * own_cgroup_make() - below @root (where the unified hierarchy is mounted), starting at @own, the
 * path of our own cgroup in it, and going up as far as we may write
 * @ret_has: which of memory, pids, cpu it limits
 *
 * Return: 0 with the folder in @ret_dir; -ENOTSUP when no folder on the way can be used.
 */
struct own_has {
	bool memory, pids, cpu;
};
int own_cgroup_make(const char *root, const char *own, pid_t pid1, const struct box_limits *l,
		    char ret_dir[CGROUP_DIR_MAX], struct own_has *ret_has);
/** own_cgroup_here() - the same for this process's own cgroup */
int own_cgroup_here(pid_t pid1, const struct box_limits *l, char ret_dir[CGROUP_DIR_MAX],
		    struct own_has *ret_has);
/** own_cgroup_usable() - whether there is a folder on the way up in which that can be tried */
bool own_cgroup_usable(void);
/* limits_scope.c */
/** own_scope_ask() - have the user's systemd move this process into a tree that is the user's own.
 * Return: whether it has */
bool own_scope_ask(uid_t uid);
/** cgroup_counter() - value of line "@key N" in a file; 0 if there is none */
uint64_t cgroup_counter(const char *file, const char *key);

/* limits_usage.c: what the box uses, counted */
struct usage {
	uint64_t tasks;
	uint64_t memory; /* anonymous */
	uint64_t shared; /* in memory and shared: of no file, of a memfd, of a tmpfs */
};
/** enum usage_how - each slower than the one before it, and closer from above */
enum usage_how {
	USAGE_RESIDENT, /* all that is resident counts as memory, mapped files too */
	USAGE_MAPPED,	/* a page counts for each process that has it */
	USAGE_SHARE,	/* a page counts once */
};
/** usage_count() - tasks and memory of the box's processes, from the box's /proc */
void usage_count(int rootfd, enum usage_how how, struct usage *ret);
/** usage_walk() - bytes and inodes of a layer; false when a part could not be entered */
bool usage_walk(int layerfd, uint64_t *ret_bytes, uint64_t *ret_inodes);
/**
 * usage_unlinked() - bytes of open files that no tree shows any more, each counted once
 * @memfd: their device; what lies there is *ret_memfd, on all others *ret_deleted
 *
 * The first UNLINKED_MAX of them are told apart.
 */
#define UNLINKED_MAX 16384
void usage_unlinked(int rootfd, dev_t memfd, uint64_t *ret_memfd, uint64_t *ret_deleted);
uint64_t usage_tmpfs(int fd); /* bytes in use of the tmpfs that fd is on */

#endif
