// SPDX-License-Identifier: Apache-2.0
/*
 * inner.h - what the files of this room share: memory, words, the journal as a source, processes
 *
 * Everything that is kept while a report is made lives in one arena and is freed with it. What a
 * journal can make grow has a limit here; what is beyond it is counted, and the report says so.
 */
#ifndef BELLJAR_REPORT_INNER_H
#define BELLJAR_REPORT_INNER_H

#include "report/report.h"

#define REPORT_RUNS_MAX	   10000      /* runs of one box */
#define REPORT_KEY_MAX	   (4u << 20) /* largest process key that gets a name */
#define REPORT_EXECS_MAX   (4u << 20) /* programs started */
#define REPORT_GROUPS_MAX  INTERN_MAX /* different destinations, calls, folders … per section */
#define REPORT_EVENTS_FULL 2000	      /* a page holds all events when there are no more than this */
#define REPORT_REFS_MAX	   50000      /* events that one page links to */
#define NAME_SHOWN_MAX	   400	      /* bytes of one name that a line shows; JSON has all of it */
#define DETAIL_SHOWN_MAX   2000	      /* of the facts of a finding */
#define TEXT_COLUMNS	   100

/* ---- words: words.c ----------------------------------------------------------------------- */

void put_duration(struct buf *out, uint64_t ns); /* 0.4 s, 12.3 s, 2 min 5 s, 3 h 2 min */
void put_clock(struct buf *out, uint64_t ns);	 /* since the start: 1.234, 2:03.456 */
void put_bytes(struct buf *out, uint64_t n);	 /* 12 bytes, 3.4 MB */
void put_number(struct buf *out, uint64_t n);	 /* 1 234 567 */
void put_count(struct buf *out, uint64_t n, const char *one,
	       const char *many);		 /* 1 file, 2 files */
void put_day(struct buf *out, uint64_t wall_ns); /* 23 November 2026, 19:24:01 UTC */
void put_mode(struct buf *out, int64_t mode);	 /* 0755 */
const char *signal_word(int64_t signo);		 /* SIGKILL, or NULL */
const char *signal_means(int64_t signo);	 /* "was ended by force", or NULL */
const char *port_word(int64_t port);		 /* web (HTTPS), or NULL */
/** plain_word() - printable ASCII that means nothing to any format: what belljar itself wrote into
 * the journal (an op, a class, a reason) can go without the dress of a name then */
bool plain_word(struct str s);
struct str base_name(struct str path);
struct str dir_name(struct str path);	   /* without the last '/', "/" at least */
struct str clip(struct str s, size_t max); /* not inside a UTF-8 sequence */
typedef void escape_fn(struct buf *out, struct str s);
/** put_shown() - what a box says, at most @max bytes of it, and how many more there are */
void put_shown(struct buf *out, escape_fn *esc, struct str s, size_t max);
/** put_wrapped() - words that can be shown, folded at TEXT_COLUMNS, and a newline; @indent for all
 * lines but the first, which has its own already */
void put_wrapped(struct buf *out, struct str s, int indent);

/* ---- files: files.c ----------------------------------------------------------------------- */

void file_kind_words(struct buf *out, const struct file_look *l); /* ELF program, x86-64, … */
void put_imports(struct buf *out, unsigned imports);
const char *signature_words(const struct file_look *l); /* NULL: nobody signed it */
void file_json(struct buf *out, const struct file_info *f);
/** file_listed() - a program, under the first of its names: reports list these, and count scripts
 */
bool file_listed(const struct file_info *f);
/** file_rest() - "12 scripts and 3 other names are not listed"; nothing when all are */
void file_rest(struct buf *out, const struct file_book *b);

/* ---- the journal as a source: source.c ---------------------------------------------------- */

/**
 * struct source - events by kind, quickly: one statement a kind over its table, then what is not
 * in the tables yet (a killed writer's spool), which journal_read() gives and we keep
 */
struct source {
	struct journal_reader *r;
	uint32_t run;	 /* 0 all */
	uint64_t stored; /* last seq that the tables hold */
	struct arena a;
	struct event *tail;
	size_t ntail, tail_cap;
	void *fetch[EVENT_KINDS]; /* prepared: one event by number */
	int columns[EVENT_KINDS]; /* fields that the table has: an older journal has fewer, or no
				     table */
};
int source_open(struct source *s, struct journal_reader *r, uint32_t run, struct err *err);
void source_close(struct source *s);

#define FIELDS_ALL    UINT32_MAX
#define F(KIND, NAME) (1u << EV_AT(KIND, NAME))
typedef void source_fn(void *ctx, const struct event *ev);
/** source_scan() - all events of a kind in order; only the fields in the mask are filled */
int source_scan(struct source *s, enum event_kind kind, uint32_t fields, source_fn *fn, void *ctx,
		struct err *err);
/** source_fetch() - one event with all fields, borrowed until the next call. 0, -ENOENT, -errno */
int source_fetch(struct source *s, enum event_kind kind, uint64_t seq, struct event *ret,
		 struct err *err);
/** source_kind() - what kind an event is of; EV_NONE: there is none of that number */
enum event_kind source_kind(struct source *s, uint64_t seq);
/** source_count() - how many events of a kind there are */
int source_count(struct source *s, enum event_kind kind, uint64_t *ret_n, struct err *err);

static inline struct str ev_str(const struct event *ev, int at)
{
	return ev->v[at].type == VAL_TEXT ? ev->v[at].s : (struct str){ "", 0 };
}
static inline int64_t ev_int(const struct event *ev, int at)
{
	return ev->v[at].type == VAL_INT ? ev->v[at].i : 0;
}
static inline bool ev_has(const struct event *ev, int at)
{
	return ev->v[at].type != VAL_NULL;
}
static inline bool ev_is(const struct event *ev, int at, const char *word)
{
	return str_eq(ev_str(ev, at), str_z(word));
}

/* ---- runs and processes: procs.c ---------------------------------------------------------- */

struct run_info {
	uint32_t run;
	uint64_t begin_seq, end_seq; /* 0: not on record */
	uint64_t wall, wall_end, t_end;
	uint64_t date;	   /* the box's at t = 0 */
	uint64_t t_main;   /* when the program that was asked for ended; 0 unknown */
	uint64_t t_marked; /* when an examination marked something last; 0 never */
	struct str command, cwd, host, idmap, net, limits, version;
	bool has_status;
	int64_t status, signal, left;
	struct str reason;
};

struct exec {
	uint64_t seq, t;
	struct str image; /* interned: same image, same pointer */
	struct str command, cwd, sha256, script, script_sha256;
	int64_t uid;
	uint32_t proc;
	uint32_t next; /* index + 1 of this process's next exec */
};

struct proc {
	uint32_t key, parent, run;
	int64_t pid;
	uint64_t fork_seq, exit_seq, first_seq; /* 0: not on record */
	uint64_t t0, t1;
	bool ended, killed; /* killed: another process sent it SIGKILL */
	int64_t status, signal;
	struct str cause;
	uint32_t exec_first, exec_last; /* index + 1 */
	uint32_t inherited;		/* index + 1: what its parent ran when it was born */
	uint32_t cursor; /* index + 1: where the last look-up ended; they come in order */
	uint32_t child, sibling, child_last; /* keys; tree of the report */
	uint32_t nfile, nsocket, nattempt;
};

struct procs {
	struct arena *a;
	struct intern images;
	struct proc *p; /* index is the key; .key 0: not on record */
	size_t n, cap;
	struct exec *e;
	size_t ne, ecap;
	uint64_t lost; /* events whose process is beyond a limit */
	struct run_info *run;
	size_t nrun, rcap;
	bool brief; /* names only: no command lines and hashes */
};
int procs_load(struct procs *ps, struct source *s, struct arena *a, bool brief, struct err *err);
void procs_free(struct procs *ps);
struct proc *procs_get(const struct procs *ps, uint32_t key);	  /* NULL: not on record */
struct run_info *procs_run(const struct procs *ps, uint32_t run); /* NULL: not on record */
/** procs_image() - what a process was running when event @seq happened: exec's image, before its
 * first exec that of its parent; "" unknown. The pointer is the same for the same image. */
struct str procs_image(const struct procs *ps, uint32_t key, uint64_t seq);
/** procs_name() - its last path component, for people; "belljar" for 0 */
struct str procs_name(const struct procs *ps, uint32_t key, uint64_t seq);

/** cannot_write() - err_set() for an output: a full disk is EXIT_NO_SPACE, the rest EXIT_UNREADABLE
 */
static inline int cannot_write(struct err *err, int code, const char *what)
{
	bool full = code == -ENOSPC || code == -EDQUOT;

	return err_set_exit(err, full ? EXIT_NO_SPACE : EXIT_UNREADABLE, code, "report: write %s",
			    what);
}

/** finding_text(), finding_json() - one finding: findings.c */
void finding_text(struct buf *out, const struct finding *f, bool colour);
void finding_json(struct buf *out, const struct finding *f);

/* ---- one event: event_json.c, event_text.c ------------------------------------------------ */

void event_json(struct buf *out, const struct event *ev, const struct procs *ps /* or NULL */);
/** event_words() - what happened, without time and process; names pass @esc */
void event_words(struct buf *out, const struct event *ev, const struct procs *ps, escape_fn *esc);
void event_line(struct buf *out, const struct event *ev, const struct procs *ps, bool colour);
/** put_who() - image name and pid; names pass @esc */
void put_who(struct buf *out, const struct procs *ps, uint32_t key, uint64_t seq, escape_fn *esc);

/** enum start_sort - what an entry of the autostart catalogue means to people */
enum start_sort {
	ST_START,  /* starts by itself */
	ST_HOOK,   /* runs inside or in place of other programs */
	ST_RIGHTS, /* who may log in, who may do what */
	ST_TRUST,  /* whose certificates and signatures are believed */
	ST_NET,	   /* where names and connections lead */
	ST_SORTS
};
enum start_sort start_sort(struct str class);

#endif
