// SPDX-License-Identifier: Apache-2.0
/*
 * archive_members.h - what a box's tar stream holds; export.c and import.c agree on it
 *
 *	box.json                  first
 *	journal.db, …             plain files of the box's folder
 *	objects/ab/cdef…          the content-addressed store
 *	layers/N/SUB/…            all of each layer but its work folders
 *	export.json               last: how many members came before, what could not be kept
 */
#ifndef BELLJAR_BOX_ARCHIVE_MEMBERS_H
#define BELLJAR_BOX_ARCHIVE_MEMBERS_H

#include "box/internal.h"

#define MEMBER_PATH_MAX	   16384
#define MEMBERS_MAX	   8000000ull	  /* members of one stream */
#define MEMBER_BYTES_MAX   (512ull << 30) /* data of all members together */
#define MEMBER_XATTRS_MAX  128		  /* of one member */
#define MEMBER_XATTR_MAX   65536	  /* one value */
#define EXPORT_DEPTH_MAX   2300		  /* folders in folders; PATH_MAX allows 2048 */
#define EXPORT_NOTES_MAX   1000		  /* named in export.json; the rest is counted */
#define EXPORT_EXTENTS_MAX 65536	  /* of a file with holes */
#define EXPORT_SPARSE_MAX  (16ull << 40)  /* apparent size of one */

/** struct archive_result - in shared memory: the helper process fills it */
struct archive_result {
	struct err err;
	uint64_t members, skipped;
};
struct archive_result *archive_result_new(void);
void archive_result_free(struct archive_result *r);

/** member_ok() - whether @path may be in a stream; @type: S_IFMT bits */
bool member_ok(const char *path, mode_t type);
/** member_xattr_ok() - whether an attribute of that name is kept */
bool member_xattr_ok(const char *name);
/** member_top_ok() - whether a plain file of that name in the box's folder is kept */
bool member_top_ok(const char *name);

#endif
