// SPDX-License-Identifier: Apache-2.0
/*
 * store.h - the writing side of journal.db: blocks of events from the spool (inside the room)
 */
#ifndef BELLJAR_JOURNAL_STORE_H
#define BELLJAR_JOURNAL_STORE_H

#include "journal/chain.h"
#include "journal/spool.h"

#define DB_NAME		 "journal.db"
#define BLOCK_EVENTS_MAX 8192 /* events a block, so that verify can name a small place */

struct store;

/** struct store_found - what is in the file that was opened */
struct store_found {
	uint8_t id[ID_LEN];
	struct block last;    /* last block; nr 0: none */
	uint64_t head_events; /* what the head file speaks of */
	bool head_missing;    /* there are blocks, and no head that fits them */
};

/** store_exists() - whether there is a journal.db with something in it */
bool store_exists(int dirfd);

/**
 * store_open() - open journal.db, or make it for journal @id
 * @keydir: of the signing key; NULL: nobody will verify it, and its signatures are zeros
 *
 * Return: 0; -EBADMSG, EXIT_CORRUPT; -ENOSPC; other -errno.
 */
int store_open(int dirfd, const char *keydir, const uint8_t id[ID_LEN], struct store **ret,
	       struct store_found *ret_found, struct err *err);

/**
 * store_block() - write what @view holds, up to BLOCK_EVENTS_MAX events, as one block
 * @renumber: give events the numbers that follow, instead of refusing others; no limit then
 *
 * Events whose number is in the journal already are passed over. All of it or nothing is written.
 * Return: 0 with @view moved; -errno with @view as it was.
 */
int store_block(struct store *s, struct spool_view *view, bool renumber, struct err *err);

/** store_last() - the last block */
const struct block *store_last(const struct store *s);

/** store_close() - @whole: nothing is missing, fold the side files into journal.db */
void store_close(struct store *s, bool whole);

#endif
