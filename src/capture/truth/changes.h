// SPDX-License-Identifier: Apache-2.0
/*
 * changes.h - what the files of the changes walk share: its records, their codec, its limits
 *
 * The walk runs in a child that sees the box's files with the box's ids (truth/changes_walk.c). It
 * writes records to a memory file; when it has ended, the parent decodes them
 * (truth/changes_wire.c) as bytes from a stranger, pairs renames and hands the list out
 * (changes.c).
 */
#ifndef BELLJAR_CAPTURE_CHANGES_H
#define BELLJAR_CAPTURE_CHANGES_H

#include "capture/capture.h"
#include "capture/lapse/dates.h"
#include "capture/truth/tree.h"

#define CHANGES_DEPTH_MAX     2048	     /* directories inside each other */
#define CHANGES_BYTES_MAX     (512u << 20)   /* records of one walk */
#define CHANGES_HASH_FILE_MAX (512ull << 20) /* larger files are told without a hash */
#define CHANGES_HASH_TOTAL_MAX                                                                     \
	(32ull << 30)	      /* bytes hashed in one walk; sparse files count whole */
#define CHANGES_LIMITS_MAX 64 /* reached limits that are told one by one */
#define CHANGES_DETAIL_MAX 4096

/** struct delta - a change with what only the truth part needs; strings point into the set */
struct delta {
	struct change c;
	uint64_t dev, ino; /* of the entry now: hard links share them */
	uint32_t nlink;
	bool program;	 /* ELF, PE, script, or executable by mode */
	bool gone;	 /* taken out of the list (by pairing) */
	uint32_t writer; /* process key, 0 none: filled by truth */
};

/** struct limit_hit - a limit that the walk reached; strings point into the set */
struct limit_hit {
	struct str what; /* depth, path, changes, bytes, hashed bytes, files */
	uint64_t value;
	struct str path;
};

struct changeset {
	struct delta *v;
	size_t n, cap;
	struct limit_hit limit[CHANGES_LIMITS_MAX];
	size_t nlimits;
	bool cut;     /* not all changes are in the list */
	char *bytes;  /* what the strings point into */
	char **owned; /* strings made later */
	size_t nowned;
};

/** changeset_read() - walk; no renames are paired yet */
int changeset_read(struct box *box, struct box_run *run, unsigned since, struct changeset *ret,
		   struct err *err);
void changeset_free(struct changeset *set);
/** changeset_pair() - turn removed + added of the same bytes into moved */
void changeset_pair(struct changeset *set);
/** changeset_tell() - each change (@fn may be NULL); -E2BIG with a sentence after the last when the
 * walk was cut */
int changeset_tell(const struct changeset *set, int (*fn)(void *ctx, const struct change *c),
		   void *ctx, struct err *err);
/** changeset_own() - keep a string for the life of the set */
struct str changeset_own(struct changeset *set, struct str s);

/** packaged_of() - packaged_between() for one who has the list of changes already (packaged.c) */
int packaged_of(struct box *box, struct box_run *run, unsigned since, const struct changeset *set,
		int (*fn)(void *ctx, struct str path, struct str owner), void *ctx,
		struct err *err);

/* ---- codec -------------------------------------------------------------------------------- */

enum rec_kind {
	REC_CHANGE = 1,
	REC_SHA = 2,
	REC_LIMIT = 3,
	REC_FAIL = 4,
	REC_END = 5,
	REC_TIME_SET = 6
};

/** struct rec_out - records on their way to a file */
struct rec_out {
	int fd;
	struct buf buf, rec; /* whole records; the one that is being made */
	uint64_t written;
	int failed; /* -errno of a write */
};
void rec_change(struct rec_out *o, const struct delta *d);
/** rec_sha() - content of change number @index (from 0), found later */
void rec_sha(struct rec_out *o, uint64_t index, const char *hex);
/** rec_time_set() - a call set the time of change number @index (from 0) */
void rec_time_set(struct rec_out *o, uint64_t index);
void rec_limit(struct rec_out *o, const char *what, uint64_t value, struct str path);
void rec_fail(struct rec_out *o, int code, struct str sentence);
void rec_end(struct rec_out *o, uint64_t changes);
int rec_flush(struct rec_out *o);

/**
 * changeset_decode() - parse records; strings of @ret point into @p
 *
 * Return: 0; -EBADMSG for anything that rec_*() would not have written; what REC_FAIL says.
 */
int changeset_decode(const uint8_t *p, size_t n, struct changeset *ret, struct err *err);

/* ---- in the child ------------------------------------------------------------------------- */

/** changes_walk() - compare and write records. Return: 0 or -errno (REC_FAIL is written then) */
int changes_walk(struct box *box, struct box_run *run, unsigned since, const struct dates *dates,
		 int fd);

/** meta_detail() - what differs but content: "mode 0644→0755; owner 0:0→1:1; xattr user.x added"
 * @then: NULL: only tell the attributes that @now has */
struct entry {
	const struct tree_node *dir; /* holds it, or is it when name is NULL */
	const char *name;
	struct tree_stat st;
	int fd; /* a regular file, open for reading; -1 when it is none or cannot be read */
	int64_t born_ns; /* when its inode was made, 0 unknown */
};
void meta_detail(const struct entry *now, const struct entry *then, struct buf *ret);

/* ---- times that a call has set (truth/changes_times.c) ------------------------------------ */

struct old_time {
	uint64_t size;
	int64_t mtime_ns;
};

/** struct times - of files before, and of those whose time is older than themselves */
struct times {
	int64_t now_ns;		   /* CLOCK_REALTIME */
	const struct dates *dates; /* of the box; lent */
	struct old_time *old;
	size_t nold, old_cap;
	struct early_time {
		struct old_time t;
		uint64_t index;
	} * early;
	size_t nearly, early_cap;
};
void times_init(struct times *t, const struct dates *dates);
void times_free(struct times *t);
/** times_before() - a file as it was */
void times_before(struct times *t, const struct tree_stat *then);
/** times_of() - fill a change's times; @index: its number; @then: the file whose content it
 * replaces under the same name, NULL */
void times_of(struct times *t, struct delta *d, const struct entry *now, const struct entry *then,
	      uint64_t index);
/** times_tell() - when all files were seen: rec_time_set() for what is left, of the first @n */
void times_tell(struct times *t, struct rec_out *o, uint64_t n);

/* ---- helpers that truth and packages use too ---------------------------------------------- */

/** call_in_box() - run @fn in the box's user namespace with a memory file to write to, and give
 * what it wrote; @max: more is -EFBIG */
int call_in_box(struct box *box, struct box_run *run, int (*fn)(void *ctx, int fd), void *ctx,
		size_t max, char **ret, size_t *ret_n, struct err *err);

#endif
