// SPDX-License-Identifier: Apache-2.0
/*
 * spool.h - the mapped ring between who appends and the writer thread (inside the journal room)
 */
#ifndef BELLJAR_JOURNAL_SPOOL_H
#define BELLJAR_JOURNAL_SPOOL_H

#include "base/base.h"

#define SPOOL_NAME	  "journal.spool"
#define SPOOL_RING	  (8u << 20) /* a power of two, above EVENT_MAX */
#define SPOOL_STEP	  (1u << 20) /* disk that is reserved at once */
#define SPOOL_PAGE	  4096
#define SPOOL_ID_LEN	  16
#define SPOOL_RECORD_HEAD 12 /* u64 check, u32 length */

struct spool_header;

/** struct spool - the writer's side: one process, one at a time */
struct spool {
	int fd;			  /* holds the lock */
	struct spool_header *h;	  /* mapped first page */
	uint64_t reserved;	  /* first bytes of the ring that have disk behind them */
	int code;		  /* -errno of the last try to reserve more */
	uint8_t *ring;		  /* mapped twice in a row, so that a record never wraps */
	uint8_t id[SPOOL_ID_LEN]; /* the journal's */
};

/** struct spool_view - records as a run of bytes: position @from of the ring is at @p */
struct spool_view {
	const uint8_t *p;
	uint64_t from, to;
};

enum spool_got { SPOOL_END, SPOOL_RECORD, SPOOL_TORN };

/**
 * spool_next() - the record at @view->from; moves from behind it
 *
 * Every byte of the view may be hostile. SPOOL_TORN leaves from where it is.
 */
enum spool_got spool_next(struct spool_view *view, const uint8_t **ret_p, size_t *ret_n);

/**
 * spool_open() - open or make the spool in @dirfd, and lock it
 * @ret_old: whether it was there already, with records that may be wanted
 *
 * Return: 0; -EBUSY, EXIT_BUSY; -ENOSPC; -EBADMSG when it is no spool of ours.
 */
int spool_open(int dirfd, struct spool *ret, bool *ret_old, struct err *err);
/** spool_open_passing() - one in memory: it goes with the process, and nothing is left of it */
int spool_open_passing(struct spool *ret, struct err *err);
/** spool_close() - @dirfd: -1 for one in memory; @remove: everything in it is in the journal */
void spool_close(struct spool *s, int dirfd, bool remove);

/** spool_place() - where a record of @n bytes is to be encoded; NULL while there is no room, or,
 * with s->code set, because the disk is full. Only one thread at a time (the journal's lock) places
 * and commits. */
uint8_t *spool_place(struct spool *s, size_t n, size_t keep_free);
/** spool_commit() - the record placed last is @n bytes long: from here on it survives the process
 */
void spool_commit(struct spool *s, size_t n);

uint64_t spool_head(const struct spool *s); /* positions: bytes since the spool was made */
uint64_t spool_tail(const struct spool *s);
void spool_view(const struct spool *s, struct spool_view *ret); /* tail to head */
void spool_drop(struct spool *s, uint64_t tail); /* what is before tail is in the journal */
/** spool_reset() - empty, for journal @id */
void spool_reset(struct spool *s, const uint8_t id[SPOOL_ID_LEN]);

/**
 * spool_copy() - a reader's look: copies the records of a spool that may be in use
 * @ret_id: journal it belongs to
 * @ret_live: whether a writer has it open
 *
 * Return: 0; -ENOENT; -EBADMSG; other -errno. @ret_copy is to be freed by the caller.
 */
int spool_copy(int fd, uint8_t ret_id[SPOOL_ID_LEN], uint8_t **ret_copy, struct spool_view *ret,
	       bool *ret_live);

#endif
