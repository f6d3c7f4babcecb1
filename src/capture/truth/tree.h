// SPDX-License-Identifier: Apache-2.0
/*
 * tree.h - a box's file system as of a layer, read from outside, without mounting anything
 *
 * Does in user space what overlayfs does for lookups: each overlay of the box (box_mounts()) is a
 * stack of folders, the layers upto…1 and below them box_mount.lower[]; the topmost entry of a
 * name counts, whiteouts (a character device 0:0, or an empty file with user.overlay.whiteout)
 * hide what is below, directories of several layers are merged unless user.overlay.opaque is "y".
 * Redirects and metacopy do not exist in user-xattr overlays. Source: the kernel's
 * Documentation/filesystems/overlayfs.rst.
 *
 * Symbolic links are followed by us, within the box: the kernel is only ever given one component
 * at a time, and told not to follow. So nothing in a layer can lead out of it.
 *
 * Works in any process that may read the folders. Inside box_in_userns()/box_run_in_userns() that
 * is whatever the box made, and owners are box ids; an owner in a lower folder that the box does
 * not know (65534 there) is given as 0, because that is what the base stands for.
 *
 * Under root emulation a chown is written beside the file (claims.c): tree_stat has that owner, and
 * `claimed` says so. Only what lies in a layer of a box that has claims is looked at, and only a
 * value that reads as two ids counts: else the attribute is the program's own, like any other.
 *
 * Only what lies in an overlay is seen: /proc, /sys, /dev, --ro and --rw folders are not.
 */
#ifndef BELLJAR_CAPTURE_TREE_H
#define BELLJAR_CAPTURE_TREE_H

#include "base/base.h"
#include "box/box.h"

#define TREE_NOW	UINT32_MAX /* upto_layer: the state now */
#define TREE_LINKS_MAX	40	   /* symbolic links followed in one path */
#define TREE_PATH_MAX	65536	   /* bytes of one path, links put in */
#define TREE_NAMES_MAX	2000000	   /* names in one directory; more are -E2BIG */
#define TREE_TARGET_MAX 4096	   /* bytes of a symbolic link */

/* owner that a file was given under root emulation: "uid:gid" */
#define TREE_OWNER_XATTR "user.belljar.owner"
#define TREE_CLAIMS_MARK "claims" /* file in the box's folder: something in it is claimed */

struct tree;

/**
 * tree_open() - look at a box
 * @run:   the running box: its topmost layer is box_run_layerfd(); NULL for one that is at rest
 * @upto:  0: the base; N: as of the end of layer N; TREE_NOW
 *
 * @box and @run are borrowed for the life of the tree. It remembers some directories that paths led
 * through: what a running box renames meanwhile is still found by its old name.
 *
 * Return: 0; -errno with a sentence when not even "/" can be opened.
 */
int tree_open(struct box *box, struct box_run *run, unsigned upto, struct tree **ret_tree,
	      struct err *err);
void tree_close(struct tree *t);

/** struct tree_stat - one entry */
struct tree_stat {
	const char *type; /* file, dir, symlink, fifo, socket, char, block: a literal */
	uint32_t mode;	  /* type and permission bits */
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	uint64_t dev, ino;
	uint32_t nlink;
	uint64_t rdev;
	unsigned layer; /* where it lies: N, 0 for the base and the host's folders */
	int part;	/* which part of the parent node holds it (see below) */
	bool claimed;	/* uid and gid are what TREE_OWNER_XATTR says */
};

/** tree_stat() - 0; -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EACCES … @path is absolute */
int tree_stat(struct tree *t, struct str path, bool follow, struct tree_stat *ret);

/** tree_readlink() - the target, not followed, NUL-terminated besides; -EINVAL for no link */
int tree_readlink(struct tree *t, struct str path, char **ret, size_t *ret_n);

/** tree_open_file() - a regular file (links followed) for reading; fd or -errno, -EINVAL for others
 */
int tree_open_file(struct tree *t, struct str path);

/** tree_read() - a small regular file, links followed, NUL-terminated besides; -EFBIG above @max */
int tree_read(struct tree *t, struct str path, size_t max, char **ret, size_t *ret_n);

/**
 * tree_list() - entries of a directory (links in @path followed), in byte order of their names
 * @fn: non-zero stops and is returned. @name has no '/' and no NUL, and may be any other bytes
 */
int tree_list(struct tree *t, struct str path,
	      int (*fn)(void *ctx, const char *name, const struct tree_stat *st), void *ctx);

/**
 * tree_resolve() - the path without links, "." and "..": "/bin/sh" → "/usr/bin/dash"
 * @follow: whether a link in the last place is followed too
 * @ret:    gets the path appended; "/" for the root
 *
 * Return: 0; -ENOENT when it does not exist, …
 */
int tree_resolve(struct tree *t, struct str path, bool follow, struct buf *ret);

/* ---- directories by handle: for walks, where paths may be longer than any limit ------------- */

/** struct tree_node - a directory: its folder in each layer that takes part, topmost first */
struct tree_part {
	int fd;
	unsigned layer;
};
struct tree_node {
	char *mounts_below; /* own path when overlays are mounted below it, else NULL */
	bool claims;	    /* the box has claimed owners */
	int refs;	    /* how many others hold it */
	int n;
	struct tree_part part[];
};

/** tree_node_root() - "/" */
int tree_node_root(struct tree *t, struct tree_node **ret);
void tree_node_close(struct tree_node *node);
/** tree_node_hold() - the same node once more: each is closed */
struct tree_node *tree_node_hold(struct tree_node *node);

/**
 * tree_node_child() - look one name up
 * @ret_node: may be NULL; gets the directory when it is one, else NULL
 *
 * Return: 0; -ENOENT; -errno of the kernel.
 */
int tree_node_child(struct tree *t, const struct tree_node *dir, const char *name,
		    struct tree_stat *ret, struct tree_node **ret_node);

/** tree_node_stat() - a directory's own attributes */
int tree_node_stat(const struct tree_node *dir, struct tree_stat *ret);

/** struct tree_names - names in byte order, each once */
struct tree_names {
	char *bytes;
	const char **name;
	size_t n;
};
/**
 * tree_node_names() - names in @dir, whiteouts included: look each up
 * @above: only parts that lie in layers above this number (0 with @all: every part)
 */
int tree_node_names(struct tree *t, const struct tree_node *dir, unsigned above, bool all,
		    struct tree_names *ret);
void tree_names_free(struct tree_names *names);

/** tree_node_file() - open a regular file that tree_node_child() gave; fd or -errno
 * @ret_born_ns: may be NULL; when its inode was made, 0 where the file system does not know */
int tree_node_file(const struct tree_node *dir, const char *name, const struct tree_stat *st,
		   int64_t *ret_born_ns);
/** tree_node_readlink() - target of a link that tree_node_child() gave; length or -errno */
ssize_t tree_node_readlink(const struct tree_node *dir, const char *name,
			   const struct tree_stat *st, char out[TREE_TARGET_MAX]);

#endif
