// SPDX-License-Identifier: Apache-2.0
/*
 * internal.h - what the files of this room share and no other room sees
 */
#ifndef BELLJAR_BOX_INTERNAL_H
#define BELLJAR_BOX_INTERNAL_H

#include <pthread.h>

#include "box/box.h"

/** struct overlay_at - one overlay of a box's layout, fixed when the box is made */
struct overlay_at {
	char at[256]; /* "/", "/usr", "/usr/lib", … */
	bool host;    /* the host's folder of that name is the lowest layer */
};

/** struct box - an open box; store.c fills it, the runtime reads it */
struct box {
	struct box_home *home; /* borrowed */
	struct box_info info;
	char path[4096];
	int fd;	     /* the box's folder; -1: a passing box has none yet */
	int lock_fd; /* -1 when not held */
	int base_fd; /* of a passing box: keeps its base from being removed, as box.json would */
	bool anon;
	pthread_mutex_t making; /* of a passing box's folder */
	int noverlays;
	struct overlay_at overlay[BOX_MOUNTS_MAX]; /* last, and not cleared */
};

/**
 * err_say() - err_set_exit() for a sentence that is whole: the errno is kept and its text left out
 */
#define err_say(err_, exit_, code_, ...)                                                           \
	({                                                                                         \
		struct err *e_ = (err_);                                                           \
		err_set_exit(e_, exit_, 0, __VA_ARGS__);                                           \
		if (e_)                                                                            \
			e_->code = (code_);                                                        \
		-(code_);                                                                          \
	})

/* ---- id mapping --------------------------------------------------------------------------- */

/** struct idrange - where box ids live on the host */
struct idrange {
	bool range;
	uint32_t uid_start; /* host id of box id 1; by root: of box id 0 */
	uint32_t gid_start;
};

/** idrange_here() - the widest mapping that this user can have on this machine */
struct idrange idrange_here(const struct box_home *home);
/**
 * subid_find() - first range of at least @need ids for this user in the text of /etc/subuid
 *
 * Lines are NAME-or-UID:START:COUNT (subuid(5)). Return: whether there is one.
 */
bool subid_find(const char *text, const char *name, uid_t uid, uint32_t need, uint32_t *ret_start);
/** account_of() - name and home folder of a user, to be freed; false if nobody knows of one */
bool account_of(uid_t uid, char **ret_name, char **ret_home);
/** account_find() - the same in a text of lines like those of /etc/passwd (passwd(5)) */
bool account_find(const char *text, uid_t uid, char **ret_name, char **ret_home);
/** idmap_write_to() - idmap_write() for a mapping that belongs to no open box */
int idmap_write_to(const struct box_home *home, struct idrange ids, pid_t child, uid_t inner_uid,
		   struct err *err);
/** userns_call() - box_in_userns() for a mapping that belongs to no open box */
int userns_call(const struct box_home *home, struct idrange ids, int (*fn)(void *ctx), void *ctx,
		int *ret_status, struct err *err);
struct idrange box_ids(const struct box *box);

/** struct forbidding - a setting of the machine that keeps programs from user namespaces */
struct forbidding {
	const char *path; /* below /proc */
	long bad;
	const char *says, *remedy; /* words for the user */
};
/**
 * userns_forbidding() - the setting that does
 * @proc: "/proc"
 *
 * Return: a static row; NULL when there is none. To be asked when something has failed: a setting
 * alone is no failure.
 */
const struct forbidding *userns_forbidding(const char *proc);
/** userns_refused() - its sentence: @what (with "box: ") failed with @code. EXIT_NO_WALL */
int userns_refused(struct err *err, int code, const char *what);

/**
 * idmap_write() - give a fresh user namespace its id maps
 * @child: a child of ours that has just been cloned with CLONE_NEWUSER and waits
 *
 * 'range' by newuidmap/newgidmap or through the broker, 'single' by /proc/PID/{setgroups,uid_map,
 * gid_map}. @inner_uid is the box id that a single map shows (0 for root, 1000 for --user user).
 */
int idmap_write(const struct box *box, pid_t child, uid_t inner_uid, struct err *err);

/* ---- broker (host root only) -------------------------------------------------------------- */

/**
 * broker_start() - fork the process that keeps root, before this one drops it
 *
 * It serves requests over the socket @ret_sock, which no process of the box may inherit, and dies
 * with the calling thread.
 */
int broker_start(int *ret_sock, struct err *err);
int broker_map(int sock, pid_t child, struct err *err);

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
/** broker_cgroup_sweep() - remove what killed runs left. Return: 0 all; -EBUSY: some are in use */
int broker_cgroup_sweep(const struct box_home *home);

/**
 * cgroup_dir() - folder of the cgroup @name under @controller ("memory", "pids", "cpu", or ""
 * for the unified hierarchy), whether or not it exists
 * @ret_v2: the controller is one of the unified hierarchy
 *
 * Its files are readable without privilege: memory.events, pids.events, memory.failcnt, …
 * Return: 0; -ENOENT when no such controller is mounted.
 */
int cgroup_dir(const char *controller, const char *name, char ret[4096], bool *ret_v2);

/* ---- folders ------------------------------------------------------------------------------ */

/**
 * base_hold() - the base for boxes made now with the mapping @ids, built when it is not there
 * @ret_layout: the overlays over it, *ret_n of them; may be NULL
 * @ret_lock: while it is open no base is removed; close it when the box that names it is in place
 */
int base_hold(struct box_home *home, struct idrange ids, char ret_key[128],
	      struct overlay_at *ret_layout, int *ret_n, int *ret_lock, struct err *err);

/** base_keep() - the base @key is not removed while what this returns is open; -errno. Called with
 * base_hold()'s lock */
int base_keep(const struct box_home *home, const char *key);
bool base_is_kept(int bases, const char *key); /* by whom ever; @bases: HOME/base */

/**
 * layer_make() - the folders of a fresh layer (one per overlay, and work/ beside them) in @dirfd
 *
 * For the runtime too: a layer on tmpfs is made by the same call. Modes are those of the base's
 * folders, since a merged directory shows its topmost layer's.
 */
int layer_make(const struct box *box, int dirfd, struct err *err);

/**
 * mounts_layout() - which overlays show the host's folders, given what is mounted below them
 * @mountinfo: text of /proc/self/mountinfo
 * @root:      stands for '/': where the host's folders are listed (a test has its own)
 *
 * A lower folder with a mount below is refused by the kernel in a user namespace, so it is split
 * into its child folders, at most LAYOUT_DEPTH levels. /var has too many children for that: then
 * only what package managers need of it is shown.
 *
 * Return: number of overlays, parents first; -E2BIG when they are more than BOX_MOUNTS_MAX, with
 * the mount that is in the way in @ret_why.
 */
#define LAYOUT_DEPTH 3
int mounts_layout(const char *mountinfo, const char *root, struct overlay_at ret[BOX_MOUNTS_MAX],
		  char ret_why[256]);
/** mounts_read() - text of /proc/self/mountinfo, with the home of all boxes as one more mount */
int mounts_read(const struct box_home *home, char **ret);
/** mounts_below() - the first mount below @path, in @ret; false if there is none */
bool mounts_below(const char *mountinfo, const char *path, char ret[4096]);
/** overlay_at_ok() - whether @at may be an overlay's place: '/', or in the host's /usr, /var, … */
bool overlay_at_ok(const char *at, bool host);
void overlay_sub(const char *at, char ret[256]); /* "/" → "root", "/usr/lib" → "usr+lib" */

/**
 * tree_remove() - remove DIRFD/NAME with all it holds, whoever of the box owns it
 *
 * As ourselves as far as that goes, then as box root with the mapping @ids.
 */
int tree_remove(const struct box_home *home, struct idrange ids, int dirfd, const char *name,
		struct err *err);

/**
 * layers_repair() - finish what a killed change began: drop layers that box.json does not know,
 * make those that it expects. Box must be held
 * @renew: lowest layer that a rollback was dropping, 0 none
 */
int layers_repair(struct box *box, unsigned renew, struct err *err);

struct box *box_new(struct box_home *home);
void box_free(struct box *b); /* closes and frees; unlike box_close() it removes nothing */
/** stage_make() - an empty folder in tmp/ or anon/, its lock held; sets path, fd, lock_fd */
int stage_make(struct box *b, const char *in_dir, struct err *err);
/** stage_commit() - give a box that is complete its name. -EEXIST, EXIT_EXISTS */
int stage_commit(struct box *b, struct err *err);
void stage_discard(struct box *b, const char *in_dir);
int real_root(const char *root, char ret[4096], struct err *err); /* --root, checked, absolute */

/** lock_file() - open DIRFD/lock and lock it (open file description lock). -EBUSY when held */
int lock_file(int dirfd, const char *name, bool wait, bool exclusive);
/** lock_box() - lock the box in @dirfd, and write into the lock file whose it is. When the owner
 * was killed, the children that worked for it hold the lock until they have ended by themselves:
 * they are waited for, ten seconds at most. Return: as lock_file() */
int lock_box(int dirfd);
void random_hex(char *out, size_t digits); /* and a NUL */
/** home_note_cgroups() - from here on the next start looks for cgroups that killed runs left; hold
 * what this returns until the cgroup is made. Return: a descriptor, -errno */
int home_note_cgroups(struct box_home *home);
/** home_sweep() - remove what killed runs left in anon/ and tmp/ */
void home_sweep(struct box_home *home);

/* ---- identity ------------------------------------------------------------------------------ */

/** identity_invent() - host name, machine id and all that follows, for a new box */
void identity_invent(struct box_info *in);
/** identity_derive() - what a box of format 1 does not have, the same from the same @seed */
void identity_derive(struct box_info *in, const char *seed);
/** identity_ok() - whether these values could be written where an identity is shown */
bool identity_ok(const struct box_info *in);
/** identity_word() - @n (at most SHA256_LEN) of @letters that follow from @seed for @what */
void identity_word(const char *seed, const char *what, const char *letters, size_t n, char *out);

/** struct decoy - a file that belongs to nobody */
struct decoy {
	const char *path; /* below a home */
	mode_t mode;
	struct buf bytes;
};
int decoys_count(void);
/** decoy_make() - number @i; its bytes are to be freed */
void decoy_make(const struct box_info *in, int i, struct decoy *ret);

/* ---- box.json ----------------------------------------------------------------------------- */

#define BOXJSON_MAX (1u << 20)
/** hostname_ok() - a label of RFC 1123, for the box's own name */
bool hostname_ok(const char *s);
/** boxjson_write() - atomically; @renew: lowest layer that is being dropped, 0 none */
int boxjson_write(const struct box *box, unsigned renew, struct err *err);
/** boxjson_read() - fill info and overlays from the box's folder. -EBADMSG, EXIT_CORRUPT */
int boxjson_read(struct box *box, unsigned *ret_renew, struct err *err);
int boxjson_parse(const char *text, size_t n, struct box *box, unsigned *ret_renew,
		  struct err *err);

#endif
