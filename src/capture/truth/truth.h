// SPDX-License-Identifier: Apache-2.0
/*
 * truth.h - what the files of the truth part share
 *
 * truth/history.c reads what earlier runs recorded of the topmost layer; truth/join.c finds who
 * touched each changed path; truth/mismatch.c says where journal and layer disagree; truth.c
 * writes the events.
 */
#ifndef BELLJAR_CAPTURE_TRUTH_H
#define BELLJAR_CAPTURE_TRUTH_H

#include <uthash.h>

#include "capture/truth/changes.h"

#define TRUTH_ALIASES_MAX  500000 /* distinct names of folders (or files) that are resolved */
#define TRUTH_MAGIC_MAX	   65536  /* events that name a path through /proc */
#define TRUTH_CALLS_MAX	   262144 /* calls that are looked at for what they left behind */
#define TRUTH_MISMATCH_MAX 1000	  /* mismatches of one run that are told one by one */
#define TRUTH_COPIED_MAX   4096

/* ---- history ------------------------------------------------------------------------------ */

/** struct truth_run - a run whose changes went into the layer that is topmost now */
struct truth_run {
	uint32_t nr;
	int64_t setup_ns, begin_ns, end_ns; /* wall; setup INT64_MAX: unknown; end: if ended */
	bool ended;
};

/** struct prior - a path as earlier runs on this layer recorded it last */
struct prior {
	UT_hash_handle hh;
	char *path;
	size_t path_n;
	bool base; /* it was there before the layer began */
	bool exists;
	bool used;
	const char *type;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size;
	char sha256[SHA256_HEX];
	char *detail;
	size_t detail_n;
};

/** struct known - a set of byte strings */
struct known {
	UT_hash_handle hh;
	size_t n;
	char *value;
	size_t value_n;
	uint32_t run; /* that the value is of */
	char key[];
};
struct known *known_get(struct known *set, const void *key, size_t n);
/** known_put() - adds or finds; a new one has no value */
struct known *known_put(struct known **set, const void *key, size_t n);
void known_free(struct known **set);

struct history {
	struct truth_run *run; /* on this layer, in order; the last is the one that ends now */
	size_t nruns;
	struct prior *paths;
	struct known *objects;	 /* hashes that have an OBJECT event */
	struct known *autostart; /* class, place, name → op, command, program; those of all
				  * entries of that name that the last run with any told */
	struct known *copied;	 /* paths that belljar copied in, and their folders; or put back */
	uint32_t current;	 /* run that is written now */
	unsigned layer;
	bool on_layer; /* while reading: the rows belong to this layer */
	bool gaps;     /* this run's record has gaps */
};

int history_read(struct journal_reader *r, unsigned layer, uint32_t run_nr, struct history *ret,
		 struct err *err);
void history_free(struct history *h);

/** history_apply() - turn changes of the layer into changes of this run: what is recorded already
 * goes, ops say before → after of this run, and what an earlier run changed and is now as it was
 * before the layer comes back */
void history_apply(struct history *h, struct changeset *set);

/** history_is_copied() - copied in by belljar, or a folder above such a file; or taken away by it,
 * and put back */
bool history_is_copied(const struct history *h, const struct delta *d);
/** history_is_setup() - last changed while no program ran: before the first run, between runs. When
 * a run that was cut has ended nobody knows: after one it is since the next was set up */
bool history_is_setup(const struct history *h, const struct delta *d);

/** history_counts() - whether events of run @nr can explain a change that is recorded now: this
 * run, and those before it whose end (and so their changes) was never recorded */
bool history_counts(const struct history *h, uint32_t nr);

/* ---- join --------------------------------------------------------------------------------- */

enum touch_how {
	TOUCH_NONE,
	TOUCH_PROC,
	TOUCH_OURS,  /* belljar copied it in */
	TOUCH_SETUP, /* belljar made it with the box, or while no program ran: no change of a run */
};

/**
 * struct tracked - a changed path and the last call on record that touched it: its content, or
 * where only mode, owner or times have changed, those
 */
struct tracked {
	UT_hash_handle hh;
	struct delta *d;
	enum touch_how how;
	uint32_t proc;
	uint64_t strong_seq, weak_seq;
	uint32_t strong_proc, weak_proc;
	bool strong_is_meta;
	uint32_t rights_proc; /* that set a set-id bit last; 0 nobody */
};

struct join {
	struct box *box;
	struct box_run *run;
	const struct history *h;
	struct changeset *set;
	struct tracked *v, *by_path; /* v[i] belongs to set->v[i] */
	struct folder *folders;	     /* above changed paths */
	bool aliases_cut;
};

int join_events(struct join *j, struct journal_reader *r, struct err *err);
void join_free(struct join *j);
/** join_find() - the changed path of that name, NULL */
struct tracked *join_find(const struct join *j, struct str path);

/* ---- names, resolved in the box ------------------------------------------------------------ */

/** struct alias - a path as a call named it, and what it is without links */
struct alias {
	UT_hash_handle hh;
	size_t n;
	struct str now, then; /* empty: does not exist, or is the name itself */
	bool exists;	      /* now, links not followed in the last place */
	char name[];
};
struct aliases {
	struct alias *set;
	char *bytes;
	bool cut;
};
void alias_add(struct aliases *a, struct str name);
struct alias *alias_get(const struct aliases *a, struct str name);
/** aliases_resolve() - @since: the layer that `then` is as of */
int aliases_resolve(struct aliases *a, struct box *box, struct box_run *run, unsigned since,
		    struct err *err);
void aliases_free(struct aliases *a);

/** truth_text() - a TEXT field, "" for NULL */
static inline struct str truth_text(const struct event *ev, int field)
{
	return ev->v[field].type == VAL_TEXT ? ev->v[field].s : (struct str){ "", 0 };
}

/** path_parent() - "/a/b" → "/a"; "/a" and "/" → "/" */
struct str path_parent(struct str path);
struct str path_name(struct str path);

/** file_call() - a FILE event in the words of the join */
struct file_call {
	struct str op, path, path2;
	bool removes, renames, links, makes, follows;
	bool is_meta;	  /* leaves the content alone */
	bool sets_rights; /* set-user-id or set-group-id */
	bool failed;	  /* known to have failed, or answered without being done */
	bool refused;
};
struct file_call file_call(const struct event *ev);

/* ---- mismatches ---------------------------------------------------------------------------- */

int mismatch_record(struct join *j, struct journal_reader *r, struct journal *jo, uint32_t run_nr,
		    struct err *err);

#endif
