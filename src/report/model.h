// SPDX-License-Identifier: Apache-2.0
/*
 * model.h - what a report says, before it has a format
 *
 * model_make() reads the journal in one pass a table and keeps counts, groups and the rows that
 * will be shown. say.c and look.c turn them into lines of words and names; text.c, html*.c and
 * json.c only lay out. A name stands in a line as its raw bytes until a format's escaper takes it.
 */
#ifndef BELLJAR_REPORT_MODEL_H
#define BELLJAR_REPORT_MODEL_H

#include "report/net.h"

#define REPORT_LOOK_ROWS  12  /* lines under one thing to look at first */
#define REPORT_MOMENTS	  300 /* moments in the list of what happened when */
#define REPORT_CHARTS	  6   /* runs that get a chart of their own */
#define REPORT_LANES	  40  /* processes in a chart */
#define REPORT_HIST	  240 /* columns of a chart's activity strip */
#define REPORT_FOLD	  20  /* children shown one by one before they are grouped by program */
#define REPORT_TREE_DEPTH 64  /* levels of the process tree that are drawn */

/** struct line - words, with names in between, and the events that it stands on */
struct piece {
	enum { PIECE_WORDS, PIECE_NAME } what;
	struct str s;
};
struct line {
	struct piece *p;
	size_t n, cap;
	enum event_kind kind; /* EV_NONE: stands on no single event */
	uint64_t seq;	      /* the first event */
	uint64_t more;	      /* and so many more like it */
};
void line_say(struct arena *a, struct line *l, const char *fmt, ...) PRINTF(3, 4);
void line_name(struct arena *a, struct line *l, struct str s);
void line_ref(struct line *l, enum event_kind kind, uint64_t seq, uint64_t more);

/** struct lines - a list of them; total counts those beyond the limit too */
struct lines {
	struct line *l;
	size_t n, cap;
	uint64_t total;
};
struct line *lines_add(struct lines *ls); /* the new line; valid until the next add */

/** struct group - happenings that differ in nothing but time, counted */
struct group {
	struct str who; /* image */
	struct str what, how,
		where; /* socket: address, protocol, family; attempt: call, category, - */
	struct str answer, errname;
	int64_t port;
	struct str example, reason; /* of the first */
	enum event_kind kind;
	uint32_t run, proc; /* of the first */
	int64_t pid;
	uint64_t n, first_seq, first_t, last_t;
};
struct rep;
struct groups {
	struct intern keys;
	struct group *g;
	size_t n, cap;
	uint64_t total; /* happenings */
	uint64_t lost;	/* of them: in groups beyond REPORT_GROUPS_MAX */
};

enum change_kind { CH_ADDED, CH_CHANGED, CH_REMOVED, CH_META, CH_MOVED, CH_KINDS };
extern const char *const change_word[CH_KINDS]; /* as in the journal */

enum concern {
	C_SETID = 1,
	C_USER = 2,
	C_TRUST = 4,
	C_NET = 8,
	C_PROGRAM = 16, /* executable, no library */
};
/** path_concerns() - what a change of this file touches */
unsigned path_concerns(struct str path, struct str type, int64_t mode, struct str detail);

struct change_row {
	uint64_t seq;
	uint32_t run, writer;
	enum change_kind op;
	unsigned concerns;
	struct str path, path2, type, sha256, detail;
	int64_t mode, uid, gid, size;
};
struct dir_row {
	struct str path;
	uint64_t n[CH_KINDS], total, first_seq;
};
struct start_row {
	uint64_t seq, t;
	uint32_t run, writer;
	struct str op, class, place, name, command, program, technique;
	bool gone; /* added or changed, and removed later */
	bool idle; /* autostart_is_idle() */
};
struct start_rows {
	struct start_row *r;
	size_t n, cap;
	/* all; of those that start something: added or changed, and still there; no longer there */
	uint64_t total, fresh, gone;
};
/** struct plain_row - gap, limit, mismatch, mark: shown in the event's own words */
struct plain_row {
	uint64_t seq, t;
	uint32_t run;
	enum event_kind kind;
};
struct plain_rows {
	struct plain_row *r;
	size_t n, cap;
	uint64_t total;
};

/** struct dropped - a file that was written in the box and then run */
struct dropped {
	uint64_t write_seq, exec_seq;
	enum event_kind write_kind;
	uint32_t writer, proc;
	struct str path, sha256;
};

/** struct hist - how much happened when, in columns of equal width that doubles as needed */
struct hist {
	uint64_t width;
	uint32_t n[REPORT_HIST];
};

/** struct look - a thing to look at first */
struct look {
	const char *id, *title, *why, *innocent;
	struct lines rows;
};
#define REPORT_LOOKS_MAX 20

struct rep {
	const struct report_opts *opts;
	unsigned rows_max;
	struct arena a;
	struct source src;
	struct procs procs;
	struct journal_head head;
	uint64_t events; /* in scope */
	uint64_t count[EVENT_KINDS];
	uint64_t t_last[REPORT_CHARTS];
	struct hist hist[REPORT_CHARTS]; /* by place of the run in procs.run */

	uint64_t nprocs, nexecs, nimages;
	uint64_t nleft; /* as RUN_END says */
	uint64_t ncut;	/* runs without RUN_END */

	struct change_row *change; /* the first rows_max */
	size_t nchange, change_cap;
	uint64_t changes[CH_KINDS]; /* all but folders, and what belljar brought */
	uint64_t brought;
	uint64_t folders[CH_KINDS];
	uint64_t concerned[5];	    /* by bit of enum concern, folders and removed left out */
	struct change_row *concern; /* with a concern but C_PROGRAM; first rows_max */
	size_t nconcern, concern_cap;
	struct intern dirs;
	struct dir_row *dir;
	size_t ndir, dir_cap;
	uint64_t dirs_lost;

	struct start_rows start[ST_SORTS];

	struct groups out;   /* attempts to reach something outside */
	struct groups local; /* sockets that stay in the box */
	struct groups listens;
	struct groups wall; /* privilege and walls, calls and files */
	struct groups signals;
	struct groups names; /* answers of the name service */
	struct net net;
	uint64_t refused, claimed, allowed;
	uint64_t unanswered; /* out: left to the kernel, not refused by us */

	struct intern ran;	  /* paths of programs and scripts that were run */
	struct dropped *ran_info; /* by number in ran; .write_seq 0: not written in the box */
	size_t ran_cap;
	size_t ndropped;

	struct plain_rows gaps, limits, mismatches, marks;
	uint64_t objects_kept, objects_size, objects_lost;

	struct lines summary;
	struct look look[REPORT_LOOKS_MAX];
	size_t nlook;
	struct exam *exam; /* NULL: the journal is not of an examination */
};

int model_make(struct rep *rep, struct journal_reader *r, const struct report_opts *opts,
	       struct err *err);
void model_free(struct rep *rep);

/** left_running() - whether a process was still there when its run was ended */
bool left_running(const struct rep *rep, const struct proc *p);

/** group_add() - the group with this key, made from @g when it is the first of its kind; g.who is
 * interned already, the rest is copied */
void group_add(struct rep *rep, struct groups *gs, const struct event *ev, struct group g);
void groups_free(struct groups *gs);
void lines_free(struct lines *ls);

/* say.c, look.c: filled into rep */
void say_summary(struct rep *rep);
void find_looks(struct rep *rep);
/** all_seen() - no gap, no mismatch, no run cut, nothing beyond a limit of the report */
bool all_seen(const struct rep *rep);
/** disk_not_looked_at() - the last run has no end, at which what it left on disk is found */
bool disk_not_looked_at(const struct rep *rep);
/** say_none() - of a section about the disk that is empty: @none, if it was looked at */
const char *say_none(const struct rep *rep, const char *none);
/** say_group() - one group of a section as a line */
void say_group(struct rep *rep, struct line *l, const struct group *g);
void say_start(struct rep *rep, struct line *l, const struct start_row *s);
void say_change(struct rep *rep, struct line *l, const struct change_row *c);
/** outcome() - how a run or the program in it ended, in words */
void outcome(struct buf *out, const struct run_info *r);

/* moments.c: what happened when; seq order */
void find_moments(struct rep *rep, struct plain_rows *ret);

/* tree.c: the process tree, equal children folded; rows in order of drawing */
struct tree_row {
	const struct proc *p; /* the first of them */
	uint64_t times;	      /* how many processes this row stands for, at least 1 */
	uint64_t below;	      /* processes beneath it, in all */
	int depth;
	bool alike;	   /* same program, different arguments */
	bool has_children; /* rows follow that are its children */
	uint64_t hidden;   /* children that are beyond a limit of the report */
};
struct tree {
	struct tree_row *row;
	size_t n, cap;
	uint64_t hidden; /* processes that no row shows */
};
void tree_make(struct rep *rep, struct tree *ret);
void tree_free(struct tree *t);

/* the three formats */
int report_text(struct rep *rep, struct buf *out, struct err *err);
int report_json(struct rep *rep, struct buf *out, struct err *err);
int report_html(struct rep *rep, struct buf *out, struct err *err);

#endif
