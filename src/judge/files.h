// SPDX-License-Identifier: Apache-2.0
/*
 * files.h - the files that programs wrote or ran: their bytes, and rows for rules
 */
#ifndef BELLJAR_JUDGE_FILES_H
#define BELLJAR_JUDGE_FILES_H

#include "judge/judge.h"

struct sqlite3;

#define OBJECT_BYTES_MAX (512ll << 20) /* what the store keeps of one file at most */
#define PACKAGE_LIST_MAX (8ll << 20)
#define LOOK_BYTES_MAX	 (4ull << 30) /* of one journal, that are looked at */
#define SIMILAR_MAX	 1500	      /* files of one journal that are compared */
#define SIMILAR_FROM	 50	      /* of 100: less alike is not told */

struct mapped {
	const char *p;
	size_t n;
};
/** object_map() - the bytes of an object. Return: 0; -ENOENT, -EFBIG, -errno */
int object_map(const struct object_store *o, const char *sha256, struct mapped *ret);
void object_unmap(struct mapped *m);
/** objects_packages() - each path of each package that was installed or upgraded in the box */
void objects_packages(const struct object_store *o,
		      void (*fn)(void *ctx, struct str path, struct str package), void *ctx);

/** files_similar() - find for each file the most similar one with other bytes */
void files_similar(struct file_book *b);

/** struct judged - a journal with what belongs to it, while it is judged */
struct judged {
	struct journal_reader *r;
	const struct object_store *objects;
	struct file_book *files; /* made when it is first asked for */
};
/** judged_files() - its files. Return: 0 or -errno */
int judged_files(struct judged *d, const struct file_book **ret, struct err *err);

/** file_table() - the table @name (doc/RULES.md: file_info) in @db, made from @d */
int file_table(struct sqlite3 *db, const char *name, struct judged *d);

#endif
