// SPDX-License-Identifier: Apache-2.0
/*
 * writer.h - an open journal, as append.c (who calls) and writer.c (the thread) share it
 */
#ifndef BELLJAR_JOURNAL_WRITER_H
#define BELLJAR_JOURNAL_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/store.h"

/* the first block early: what it costs once is then paid beside the box's start, not at the end */
#define FIRST_WAIT_NS	 (2 * 1000 * 1000)
#define BLOCK_WAIT_NS	 (100 * 1000 * 1000)
#define SPOOL_KEEP	 1024 /* room for the GAP that tells of the end */
#define URGENT_FILL	 (256 << 10)
#define EVENT_TEXT_TOTAL (EVENT_MAX - 1024) /* all TEXT of one event */

struct journal {
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the writer thread */
	pthread_cond_t room; /* for those who append or sync */
	pthread_t thread;
	bool has_thread;

	struct spool spool;
	uint64_t next_seq; /* under lock, as all below */
	uint32_t run;	   /* 0 while no run is on */
	uint32_t last_run;
	bool idle;   /* the thread waits for a first event */
	bool urgent; /* do not gather any longer */
	bool stop;
	bool passing;	   /* SQLite is opened, by a thread made then, for the first block only */
	bool discard;	   /* what is not in SQLite yet need not get there */
	unsigned waiters;  /* on room */
	uint64_t stored;   /* ring position up to which all is in SQLite */
	struct err failed; /* code != 0: no more events */

	_Atomic uint64_t t0;
	const struct box_clock *clock; /* NULL: real time */
	_Atomic uint32_t next_proc;

	struct store *store;	  /* the thread's own, once it runs */
	int dirfd;		  /* -1 as long as a passing journal needs none */
	int (*folder)(void *ctx); /* where a passing journal gets it from */
	void *folder_ctx;
	char *keydir;
};

/** need_thread() - with the lock: there is something to store, so let there be who does; a passing
 * journal has no thread before. On failure the journal has failed */
void need_thread(struct journal *j);

/** put_gap() - with the lock: a GAP event at @t (UINT64_MAX: now) within the bytes kept free */
void put_gap(struct journal *j, uint64_t t, uint32_t proc, int64_t count, const char *detail,
	     size_t keep);

/** failure() - with the lock: the error that stopped the journal */
int failure(const struct journal *j, struct err *err);

#endif
