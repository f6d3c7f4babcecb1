// SPDX-License-Identifier: Apache-2.0
/*
 * base_build.h - the parts of making a base (base.c): key, rules, trees, /etc
 */
#ifndef BELLJAR_BOX_BASE_BUILD_H
#define BELLJAR_BOX_BASE_BUILD_H

#include <sys/stat.h>

#include "box/internal.h"

#define BASE_DEPTH_MAX 64 /* levels of the host's folders */
#define BASE_DIRS_MAX  400000u
#define BASE_FILES_MAX 100000u
#define BASE_BYTES_MAX (512ull << 20) /* copied, all together */
#define BASE_FILE_MAX  (4ull << 20)   /* one file */
#define BASE_BIG_MAX   (128ull << 20) /* one file that package managers cannot do without */

/** struct base_owner - an entry whose owner is not root; set at the end, as box root */
struct base_owner {
	char *path; /* in the base's folder */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

struct base_build {
	int to; /* the base's folder */
	unsigned ndirs, nfiles;
	unsigned skipped; /* unreadable, too big, or over a limit */
	uint64_t bytes;
	bool range; /* owners other than root are real */
	struct base_owner *owners;
	size_t nowners, owners_cap;
	char *dpkg_status; /* "" when there is none; loaded on first use */
	int noverlays;
	/* last, and not cleared as a whole */
	char at[4096]; /* where we are, for the sentence when it fails */
	struct overlay_at overlay[BOX_MOUNTS_MAX];
};
struct base_build *base_build_new(void);
void base_build_free(struct base_build *b);

/** enum base_act - what becomes of a path of the host */
enum base_act {
	ACT_SKELETON,	 /* folder: made, entered; file: left to the layer below */
	ACT_COPY,	 /* folder: made, entered; file: copied when readable and small */
	ACT_COPY_BIG,	 /* the same up to BASE_BIG_MAX */
	ACT_EMPTY,	 /* file: an empty one in its place */
	ACT_OPAQUE,	 /* folder: made empty and opaque: the host's content is not seen */
	ACT_OPAQUE_DIRS, /* folder: opaque, with its subfolders and without its files */
	ACT_OMIT,	 /* not there (only in /etc, which has no layer below) */
	ACT_PACKAGED,	 /* file: copied only when dpkg lists it as a package's configuration */
	ACT_ANSWERS,	 /* debconf's answers, without those about this installation */
};

/** base_rule() - the first rule that fits @path ("var/lib/dpkg/status", no leading slash) */
enum base_act base_rule(const char *path, bool is_dir);

/** base_state() - digest of what a base of this host shows; @host: "" or where its root is */
#define BASE_STATE_LEN 16 /* hexadecimal digits */
void base_state(const char *host, char ret[BASE_STATE_LEN + 1]);
/** base_state_here() - the same for this machine, remembered in @base_fd (HOME/base) */
void base_state_here(int base_fd, char ret[BASE_STATE_LEN + 1]);
bool base_is_link(const char *name); /* what it is remembered in */
/** base_key() - name of the base that fits this machine, @ids and the overlays. Return: its length
 */
int base_key(int base_fd, struct idrange ids, const struct overlay_at *lay, int n, char ret[128]);

/** base_tree() - one of usr, var, opt, … by the rules */
int base_tree(struct base_build *b, const char *top);
/** base_root_folders() - what lies directly in / */
int base_root_folders(struct base_build *b, int root);
/** base_etc() - a filtered copy of /etc, with generated accounts and names */
int base_etc(struct base_build *b, int root);

int base_subdir(int dirfd, const char *name, mode_t mode); /* made and opened; -errno */
int base_mkdirs(int dirfd, const char *path);		   /* with parents, 0755 */
/** base_copy() - by rule; what cannot be read is counted, and only errors of our side are errors */
int base_copy(struct base_build *b, int from_dir, const char *name, int to_dir, enum base_act act);
int base_symlink(struct base_build *b, int from_dir, const char *name, int to_dir);
/** base_note_owner() - remember that @path belongs to one of the host's system accounts */
void base_note_owner(struct base_build *b, const char *path, const struct stat *st, mode_t mode);
/** base_set_owners() - in a child that is box root; 0 or an errno */
int base_set_owners(void *base_build);
int base_put(struct base_build *b, int dir, const char *name, mode_t mode, const char *text,
	     size_t n);
int base_etc_generated(struct base_build *b, int etc);
/** base_accounts() - passwd or group without people: ids below 1000, nobody, and one "user" */
void base_accounts(struct buf *out, const char *text, bool group);

#endif
