// SPDX-License-Identifier: Apache-2.0
/*
 * inner.h - what the files of the room share
 *
 * Theory of operation
 *
 * table.c lists the experiments. examine.c walks the list: it marks begin and end, begins the runs
 * (control; install and what follows; restart; the look after a restart), and skips what the
 * journal says is done. acts*.c do. Who is meant is asked of the record itself: subject.c keeps the
 * table of processes from the journal's `process` rows (rows.c reads them), state.c the files and
 * entries that differ from before the install. Files are taken (session/files.c) and processes
 * ended (recorder_pidfd()) from outside: nothing of ours runs in the box but what is marked.
 *
 * Invariant: every act is in the journal before it is done.
 */
#ifndef BELLJAR_EXAMINE_INNER_H
#define BELLJAR_EXAMINE_INNER_H

#include <sqlite3.h>

#include "examine/examine.h"

#define BEFORE_INSTALL "before-install"	 /* snapshot that looks compare with */
#define SETUP_DIR      "/root/Downloads" /* where the installer lies in the box */

#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR   (60 * MINUTE)

#define LONG_LIVED_NS  (60 * NSEC_PER_SEC)
#define LONG_LIVED_MAX 8		   /* long-lived processes that experiments are made on */
#define PAIRS_MAX      6		   /* pairs of them */
#define DELETES_MAX    8		   /* files that are deleted */
#define ENTRIES_MAX    64		   /* autostart entries that are removed */
#define PROCS_MAX      500000		   /* processes of a run that are kept in the table */
#define PATHS_MAX      200000		   /* paths of the state that are kept */
#define SETUP_WAIT_NS  (60 * NSEC_PER_SEC) /* after the installer, before services are started */
#define PROGRAM_NS     HOUR /* an installer that has not ended by then goes on beside the rest */
#define PROGRAM_REAL   (30 * MINUTE) /* so does one that has taken so much of our time */

struct exam;

/** struct experiment - a row of the table */
struct experiment {
	const char *name;
	const char *shows; /* for people */
	uint64_t watch;	   /* box time */
	bool new_run;	   /* begins a run of its own */
	bool boots;	   /* and that run is a boot */
	bool (*applies)(struct exam *x);
	int (*act)(struct exam *x, struct err *err);
};
#define EXPERIMENTS 19
extern const struct experiment experiments[EXPERIMENTS];
extern const unsigned nexperiments;

/* ---- subject.c: processes ------------------------------------------------------------------ */

enum origin { ORIGIN_OURS, ORIGIN_SUBJECT };

struct proc_row {
	uint32_t key, parent;
	uint64_t born, execed; /* t */
	bool alive, booted;    /* booted: started by a boot as it is */
	enum origin origin;
	int64_t uid;
	char *image, *script, *command, *cwd; /* of its last exec, or its parent's */
	char *entry;			      /* booted: place of the entry */
};

struct subject {
	struct proc_row *v; /* by key */
	size_t n, cap;
	uint64_t seq; /* read up to here */
	bool cut;
};
/** subject_update() - take what the journal has gained in this run */
int subject_update(struct exam *x, struct err *err);
void subject_clear(struct subject *s);
const struct proc_row *subject_get(const struct subject *s, uint32_t key);
/** subject_long_lived() - keys of living processes of the subject that are long-lived by now */
size_t subject_long_lived(struct exam *x, uint32_t ret[LONG_LIVED_MAX]);
/** proc_entry() - place of the entry that started it, or whom it descends from; NULL: none did */
const char *proc_entry(const struct subject *s, const struct proc_row *p);
/** proc_file() - the file that it runs: its script, else its image; "" unknown */
const char *proc_file(const struct proc_row *p);
/** proc_is_helper() - a tool of the system that a living process has started for itself? */
bool proc_is_helper(const struct subject *s, const struct proc_row *p);
/** proc_same() - do both run the same program? */
bool proc_same(const struct proc_row *a, const struct proc_row *b);

/* ---- rows.c: rows of the record ------------------------------------------------------------ */

/** struct rows - a query, and who takes its rows, in their order */
struct rows {
	const char *what, *sql; /* what they are, for people */
	int64_t bind[2];	/* ?1, ?2, where it has them */
	void (*take)(void *to, sqlite3_stmt *st);
	void *to;
};
/** rows_each() - -EIO: what could be read was taken */
int rows_each(struct journal_reader *r, const struct rows *q, struct err *err);
/** rows_read() - of the journal as of now */
int rows_read(struct exam *x, const struct rows *q, struct err *err);

/* ---- state.c: files and entries ------------------------------------------------------------ */

struct state_path {
	char *path;
	enum change_op op;
	const char *type;
	uint32_t mode;
	uint64_t size;
	unsigned concerns; /* CONCERN_… */
	uint32_t writer;   /* process key, 0 unknown: state_writers() */
	char sha256[SHA256_HEX];
	char *detail;
};
struct state_entry {
	enum change_op op;
	const struct autostart_class *class;
	char *place, *name, *command, *program;
};
/** struct state - what differs from before the install */
struct state {
	struct state_path *path; /* sorted by path */
	size_t npaths, paths_cap;
	struct state_entry *entry;
	size_t nentries, entries_cap;
	bool cut;
};
int state_take(struct exam *x, struct state *ret, struct err *err);
/** state_writers() - who wrote what, by the record of all runs */
int state_writers(struct exam *x, struct state *s, struct err *err);
void state_free(struct state *s);
const struct state_path *state_find(const struct state *s, const char *path);
/** entry_starts() - an entry that starts a program by itself (not one of trust, users, …) */
bool entry_starts(const struct state_entry *e);

/* ---- mark.c -------------------------------------------------------------------------------- */

struct mark {
	const char *step, *detail;
	uint32_t target, target2;
	const char *path, *sha256;
};
/** mark() - of the experiment that is under way */
int mark(struct exam *x, const struct mark *m, struct err *err);
void progress(struct exam *x, const char *words);
/** watch() - wait so much box time (scaled), with progress. Return: 0; -ECANCELED; -errno */
int watch(struct exam *x, uint64_t ns, struct err *err);
uint64_t scaled(const struct exam *x, uint64_t ns);

/* ---- installer.c --------------------------------------------------------------------------- */

/** installer_find() - its kind, by its bytes */
int installer_find(const struct examine_file *f, enum installer_kind *ret, struct err *err);
/** installer_tools() - are the programs here that unpack or install it? -ENOENT, EXIT_NOT_FOUND */
int installer_tools(const struct examine_file *f, enum installer_kind kind, struct err *err);
/** installer_refused() - why nothing of it has run, by the exit status of its install; NULL: it ran
 */
const char *installer_refused(enum installer_kind kind, int status);
/** installer_words() - argv for the box; strings live in @a. Return: count */
int installer_words(const struct exam *x, const char *path, const char *argv[EXAMINE_ARGS_MAX + 8]);
/** uninstall_command() - for sh -c: asked for, by kind, or a script that was left; NULL. Freed by
 * the caller */
char *uninstall_command(const struct exam *x, const struct state *s);

/* ---- acts ---------------------------------------------------------------------------------- */

int act_control(struct exam *x, struct err *err);
int act_install(struct exam *x, struct err *err);
int act_watch(struct exam *x, struct err *err);
int act_use(struct exam *x, struct err *err);
int act_idle(struct exam *x, struct err *err);
int act_kill(struct exam *x, struct err *err);
int act_kill_pair(struct exam *x, struct err *err);
int act_kill_all(struct exam *x, struct err *err);
int act_delete(struct exam *x, struct err *err);
int act_autostart_off(struct exam *x, struct err *err);
int act_network_cut(struct exam *x, struct err *err);
int act_network_back(struct exam *x, struct err *err);
int act_names_changed(struct exam *x, struct err *err);
int act_month_ahead(struct exam *x, struct err *err);
int act_restart(struct exam *x, struct err *err);
int act_uninstall(struct exam *x, struct err *err);
int act_look(struct exam *x, struct err *err);
bool always(struct exam *x);
bool has_long_lived(struct exam *x);
bool has_pair(struct exam *x);
bool has_files(struct exam *x);
bool has_entries(struct exam *x);
bool has_network(struct exam *x);
bool is_used(struct exam *x);
bool has_uninstall(struct exam *x);

/* ---- packages.c: packages that came along, and are still installed ------------------------- */

struct packages;
/** packages_read() - their lists and scripts. @s: borrowed, lives as long */
int packages_read(struct exam *x, const struct state *s, struct packages **ret, struct err *err);
/** packages_part() - "part of the package …", freed by the caller; NULL: it is none by any list */
char *packages_part(const struct packages *l, const char *path);
/** packages_explain() - the same for what leads to a part, or was made by a package's script */
char *packages_explain(const struct packages *l, const char *path, const char *grade);
void packages_free(struct packages *l);

/* ---- service.c: what a service manager would do, and there is none in the box ---------------- */

/** is_service() - whether an entry is one of a service: a unit, or a script of init.d */
bool is_service(const char *place);
/** service_of() - "/usr/lib/systemd/system/cups@.service", "/etc/rc2.d/S01cups": "cups". To be
 * freed */
char *service_of(const char *place);
/** services_allow() - the host's policy-rc.d, where it has one, does not hold in the box */
int services_allow(struct exam *x, struct err *err);
/** struct stops - services that a removal will ask to stop: by the package's own script */
struct stops;
/** services_asked() - read before the removal, which takes the scripts away */
int services_asked(struct exam *x, struct stops **ret, struct err *err);
void stops_free(struct stops *s);
enum stop_when {
	STOP_GONE,  /* those whose entries have gone */
	STOP_ASKED, /* those whose package's script has run, in a removal that failed */
};
/** services_stop() - end them. Return: how many processes there were; -errno */
int services_stop(struct exam *x, const struct stops *s, enum stop_when when, struct err *err);

/* ---- manager.c: who asks the service manager for something is obeyed ------------------------ */

#define MANAGER_WISHES 32
#define MANAGER_UNIT   128

/** struct wish - a unit that is to be stopped, started, or both */
struct wish {
	char unit[MANAGER_UNIT]; /* without its ".service" */
	uint32_t asker;		 /* process key of the stand-in that was called */
	unsigned does;
	bool asked;   /* it was sent SIGTERM */
	uint64_t due; /* when SIGKILL follows */
};
struct manager {
	struct wish wish[MANAGER_WISHES];
	size_t n;
	uint64_t seq, events; /* of the record: read up to here */
	bool busy;
};
/** manager_bring() - a stand-in for its programs into the box, before the install */
int manager_bring(struct exam *x, struct err *err);
/** manager_is_there() - what scripts look for to tell that a service manager runs: of each run */
int manager_is_there(struct exam *x, struct err *err);
/** manager_turn() - do what was asked for since the last turn; cheap when nothing was */
int manager_turn(struct exam *x, struct err *err);
/** manager_finish() - turns until nobody waits for anything, a minute at most */
int manager_finish(struct exam *x, struct err *err);

/** log_size(), log_last_line() - of what programs of ours print in the box: where it is now; the
 * last line since x->log_at, into x->said */
off_t log_size(const struct exam *x);
void log_last_line(struct exam *x);
/** start_by_shell() - a command of ours in the box; ret_key: its process key */
int start_by_shell(struct exam *x, const char *command, const char *cause, int *ret_id,
		   uint32_t *ret_key, struct err *err);
/** kill_key() - SIGKILL, from outside. -ESRCH: it is gone */
int kill_key(struct exam *x, uint32_t key, struct err *err);
int signal_key(struct exam *x, uint32_t key, int signo, struct err *err);
/** stop_process() - SIGTERM, which is a mark with these words, or SIGKILL for who did not listen;
 * one that is gone is no failure. @asker: process key, 0 none */
int stop_process(struct exam *x, const struct proc_row *p, int signo, uint32_t asker,
		 const char *words, struct err *err);
/** make_whole() - start again what was killed and nobody else has started again; @v: copies */
int make_whole(struct exam *x, const struct proc_row *v, size_t n, struct err *err);
/** struct victims - copies of the long-lived processes as they are now */
struct victims {
	struct proc_row v[LONG_LIVED_MAX];
	size_t n;
};
int victims_find(struct exam *x, struct victims *ret, struct err *err);
void victims_free(struct victims *v);
/** start_entries() - what a service manager would start of the box's entries
 * @when: boot: those that do not run yet; timer: each once; NULL: a whole boot and login */
int start_entries(struct exam *x, const char *when, struct err *err);
/** start_unit() - the unit of that name (without ".service"), when a boot would start it */
int start_unit(struct exam *x, const char *unit, uint32_t asker, struct err *err);

/** struct exam - an examination that is under way */
struct exam {
	const struct examine_opts *o;
	struct session_run s;
	bool running;
	struct session_opts session; /* of the run */
	const struct experiment *now;
	unsigned now_nr;
	uint64_t began, before_ns; /* t at the experiment's begin; box time of earlier runs */
	uint64_t ahead_ns;	   /* how far its date was ahead of ours when the last run ended */
	enum installer_kind kind;
	struct subject subject;
	struct boot boot;
	struct manager manager;
	unsigned since;		     /* layer that looks compare with */
	uint64_t done;		     /* bit by row */
	char failed[64];	     /* as in examine_result */
	char said[EXAMINE_SAID_MAX]; /* as in examine_result */
	const char *refused;	     /* why nothing of the installer has run; NULL */
	bool busy;		     /* a watch took too long: its programs work all the time */
	bool made;		     /* the box is there because of this examination */
	off_t log_at;		     /* where the box's log was when the installer began */
	char *uninstall;
	bool uninstall_asked; /* `uninstall` has been looked for */
};

#endif
