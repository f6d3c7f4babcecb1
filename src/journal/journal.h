// SPDX-License-Identifier: Apache-2.0
/*
 * journal.h - one box's record: typed events in one SQLite file, chained and signed
 *
 * The contract in short (doc/JOURNAL.md has it all)
 *
 * journal_append() puts an event, encoded, into a *spool*: a preallocated file that is mapped and
 * shared with the page cache, so that an event survives kill -9 from the moment append returns. A
 * writer thread moves events from the spool into SQLite in blocks; every block of events is
 * hash-chained over the canonical encoding of its rows, and the head is signed when the journal
 * is sealed. journal_open() moves what a killed writer left in the spool.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC since the run's start (RUN_BEGIN has its wall time).
 * `proc` is a process key: 1, 2, … unique in the journal, never reused; 0 is belljar itself.
 */
#ifndef BELLJAR_JOURNAL_H
#define BELLJAR_JOURNAL_H

#include "base/base.h"

struct sqlite3;

#undef EV_NONE /* of elf.h: a macro for the same number */
enum event_kind {
	EV_NONE = 0,
#define KIND(number, NAME, table, meaning) EV_##NAME = number,
#define FIELD(KIND, NAME, column, type, meaning)
#include "journal/event.def"
#undef KIND
#undef FIELD
};
#define EVENT_KINDS 26 /* one past the largest number */

#include "journal/event_fields.h"

#define EVENT_FIELDS_MAX 16
#define EVENT_TEXT_MAX	 (4u << 20) /* longest TEXT field: a command line of 2 MiB, quoted */
#define EVENT_MAX	 (5u << 20) /* longest encoded event */

/* FLOW.reason and DNS.reason of what is allowed though nobody has named it; rules know it, too */
#define REASON_OPEN "everybody is allowed who is not denied (mode open)"

/* AUTOSTART.command of a script in its place without the right to be executed, and of a unit that
 * leads to /dev/null: it is not started */
#define AUTOSTART_ASLEEP "not executable, so it is not started"
#define AUTOSTART_MASKED "masked"
/** autostart_is_idle() - whether an entry of those fields starts nothing: masked, a link that stops
 * a service, not executable, a list of who may use cron, a module that is not to be loaded */
bool autostart_is_idle(struct str class, struct str place, struct str command);

enum val_type { VAL_NULL = 0, VAL_INT, VAL_TEXT };

struct val {
	enum val_type type;
	int64_t i;
	struct str s; /* borrowed */
};

#define V_INT(x) ((struct val){ .type = VAL_INT, .i = (int64_t)(x) })
#define V_STR(x) ((struct val){ .type = VAL_TEXT, .s = (x) })
#define V_Z(z)	 val_z(z) /* NULL gives VAL_NULL */
static inline struct val val_z(const char *z)
{
	return z ? (struct val){ .type = VAL_TEXT, .s = { z, strlen(z) } } : (struct val){ 0 };
}

/** struct event - one event; strings are borrowed from the caller, or from the reader's row */
struct event {
	uint64_t seq;  /* number without gaps, from 1; set by append and read */
	uint64_t t;    /* ns since the run's start */
	uint32_t run;  /* 1, 2, …; set by append to the current run */
	uint32_t proc; /* process key, 0 belljar itself */
	enum event_kind kind;
	struct val v[EVENT_FIELDS_MAX];
};

struct field_def {
	const char *column;
	enum val_type type;
	const char *meaning;
};

struct kind_def {
	const char *table;
	const char *name; /* lower case word for --kind: the same as table */
	const char *meaning;
	int nfields;
	struct field_def field[EVENT_FIELDS_MAX];
};

/** event_kind_def() - definition of a kind, NULL for a number that is none */
const struct kind_def *event_kind_def(enum event_kind kind);
/** event_run_date() - the box's date at t = 0 of a run that begins at another one than ours, from
 * its first clock event; in SQL the view run_date. Return: whether @ev is that event */
bool event_run_date(const struct event *ev, uint64_t *ret);
/** event_kind_by_name() - EV_NONE if there is none */
enum event_kind event_kind_by_name(const char *name);

/* ---- writing ------------------------------------------------------------------------------ */

struct journal;

/**
 * journal_open() - open a box's journal for writing, made when it is not there
 * @dirfd: the box's folder; holds journal.db, journal.spool and, once sealed, journal.head
 * @keydir: folder of the installation's Ed25519 key (made on first use, mode 0600)
 *
 * A spool left by a killed writer is moved into the journal first, with a GAP event when its end
 * is torn. One writer at a time: a second open fails with -EBUSY, EXIT_BUSY.
 *
 * Return: 0; -EBUSY; -EBADMSG, EXIT_CORRUPT; -ENOSPC, EXIT_NO_SPACE; other -errno.
 */
int journal_open(int dirfd, const char *keydir, struct journal **ret_j, struct err *err);

/**
 * journal_run_begin() - start a run: sets t = 0 and the run number of what is appended
 * @ev: a RUN_BEGIN event
 */
int journal_run_begin(struct journal *j, const struct event *ev, uint32_t *ret_run,
		      struct err *err);

/**
 * journal_append() - write one event at the journal's end
 * @ev:      borrowed, not kept. seq and run are ignored. t: UINT64_MAX means now.
 * @ret_seq: may be NULL; set on success to the event's number
 *
 * Thread-safe. Blocks while the spool is full (the program under glass waits; nothing is lost).
 * TEXT above EVENT_TEXT_MAX is cut, and a GAP event that says so follows.
 *
 * Return: 0; -ENOSPC when the disk is full, with the journal cut back to its last whole event and
 * every later append failing in the same way; other -errno.
 */
int journal_append(struct journal *j, const struct event *ev, uint64_t *ret_seq, struct err *err);

/** journal_set_clock() - t is the box's time from the next run on; @clock lent, NULL: real time */
void journal_set_clock(struct journal *j, const struct box_clock *clock);
/** journal_now() - t of now, in ns since the run's start as the box sees it */
uint64_t journal_now(const struct journal *j);

/** journal_events() - seq of the last event that was appended, of all runs; thread-safe */
uint64_t journal_events(struct journal *j);

/** journal_next_proc() - a fresh process key; thread-safe */
uint32_t journal_next_proc(struct journal *j);

/**
 * journal_sync() - returns when all that was appended before is in the SQLite file and sealed:
 * chained, and the head signed. Readers see it then.
 */
int journal_sync(struct journal *j, struct err *err);

/** journal_close() - sync, seal, close. Return: 0 or -errno of what could not be written. */
int journal_close(struct journal *j, struct err *err);

/**
 * journal_open_passing() - a journal that is to be discarded: its box is thrown away unread
 * @folder: gives the box's folder when it is wanted, borrowed; -1: there can be none. Called by
 *          another thread
 *
 * Events pass through a spool in memory. Only when a run has enough of them for a block is there
 * a thread that stores them, and a SQLite file, which is chained and not signed. It is ended by
 * journal_discard().
 */
int journal_open_passing(int (*folder)(void *ctx), void *ctx, struct journal **ret_j,
			 struct err *err);
/** journal_discard() - close without storing what is not stored yet */
void journal_discard(struct journal *j);

/* ---- reading ------------------------------------------------------------------------------ */

/** struct journal_filter - which events; zero means all */
struct journal_filter {
	uint32_t kinds;	       /* bit mask of 1 << kind; 0 all */
	uint32_t run;	       /* 0 all */
	int64_t proc;	       /* process key; -1 or 0 all */
	int64_t pid;	       /* pid inside the box; 0 all */
	uint64_t seq_from;     /* first seq; 0 all */
	uint64_t seq_to;       /* last seq; 0 all */
	uint64_t t_from, t_to; /* ns since run start; 0 all */
};

struct journal_reader;

/**
 * journal_read_open() - open a journal read-only
 * @path: journal.db; a spool beside it that a killed writer left is read as well (events after
 *        the last block come from it)
 *
 * Return: 0; -ENOENT, EXIT_NO_BOX; -EBADMSG, EXIT_CORRUPT when it is no journal of ours.
 */
int journal_read_open(const char *path, struct journal_reader **ret_r, struct err *err);
void journal_read_close(struct journal_reader *r);
/** journal_read_empty() - all tables and views, no rows, in memory: does a query fit them? */
int journal_read_empty(struct journal_reader **ret_r, struct err *err);
/** journal_read_attach() - a second journal's tables under the name @schema in the first one's
 * handle. Return: as journal_read_open() */
int journal_read_attach(struct journal_reader *r, const char *path, const char *schema,
			struct err *err);

/**
 * journal_read() - events in seq order
 * @fn: called for each; a non-zero return stops and is returned
 */
int journal_read(struct journal_reader *r, const struct journal_filter *f,
		 int (*fn)(void *ctx, const struct event *ev), void *ctx, struct err *err);

/**
 * journal_read_gather() - have journal_db() show the events of the spool as well, which
 * journal_read() gives in any case: the journal is copied into memory, and they are put in
 *
 * Nothing is done where there are none, or where the file is larger than GATHER_MAX bytes.
 *
 * Return: 0 or -errno; the reader is as it was then.
 */
#define GATHER_MAX (1ll << 30)
int journal_read_gather(struct journal_reader *r, struct err *err);

/** journal_db() - the read-only SQLite handle, for queries over the documented tables and views */
struct sqlite3 *journal_db(struct journal_reader *r);

/** struct journal_head - what a report prints so that a reader can check the record later */
struct journal_head {
	uint64_t events; /* seq of the last sealed event */
	uint64_t blocks;
	char hash[SHA256_HEX]; /* chain head */
	char key[SHA256_HEX];  /* public key, hex */
	bool is_signed;
	bool cut;	   /* the last run has no RUN_END */
	uint64_t unsealed; /* events that are in no sealed block */
};
int journal_head(struct journal_reader *r, struct journal_head *ret, struct err *err);

/** struct journal_verdict - result of a check */
struct journal_verdict {
	bool ok; /* chain whole and signature right */
	uint64_t events_checked, blocks_checked;
	uint64_t first_bad_seq;	    /* first event of the first block that differs; 0 none */
	char sentence[ERR_MSG_MAX]; /* for people: what was found, what is missing */
};

/**
 * journal_verify() - recompute the chain over all rows and check the signature
 * @keydir: where the installation's public key is; NULL: trust the key in the journal
 *
 * Return: 0 with *ret filled (ret->ok tells), -errno when it could not be read at all.
 */
int journal_verify(const char *path, const char *keydir, struct journal_verdict *ret,
		   struct err *err);

/* ---- codec (journal_fuzz and tests use it too) -------------------------------------------- */

/** event_encode() - canonical bytes of an event. Return: length, or -EMSGSIZE */
ssize_t event_encode(const struct event *ev, uint8_t *out, size_t room);
/** event_decode() - strings point into @p. Return: 0, or -EBADMSG */
int event_decode(const uint8_t *p, size_t n, struct event *ret);

#endif
