// SPDX-License-Identifier: Apache-2.0
/*
 * session.h - one run of a box, from open to close: what run, restart and verify share
 *
 *   session_begin    home, box, journal, plan, walls, recorder
 *   session_spawn    a program, recorded
 *   session_wait     until it ends, or a limit or a signal ends the box
 *   session_wait_box the same, for a while of the box's time
 *   session_end      end what is left, truth, last events, walls down, journal sealed
 *   session_close    release; an anonymous box goes
 */
#ifndef BELLJAR_SESSION_H
#define BELLJAR_SESSION_H

#include "box/box.h"
#include "capture/capture.h"
#include "journal/journal.h"
#include "session/boot.h"
#include "session/network.h"

enum session_speed {
	SPEED_REAL,  /* the box's time is real time */
	SPEED_LAPSE, /* its waits are cut short: see capture/lapse/lapse.h inside of that room */
};

#define SESSION_DATE_MIN (631152000ll * (int64_t)NSEC_PER_SEC) /* 1990-01-01 */

struct session_opts {
	enum session_speed speed;
	int64_t date_ns;     /* the box's date at its start, since the epoch, not before
			      * SESSION_DATE_MIN; 0: now. SPEED_LAPSE */
	const char *name;    /* box name; NULL: anonymous */
	bool create;	     /* make the box when it is not there */
	struct box_opts box; /* its net is set from `net` */
	struct network_opts net;
	const char *command_line; /* for the record: what was asked, shell-quoted */
	const char *mark;	  /* MARK event at the start: 'restart'; NULL: none */
	bool discard;		  /* nobody will read the record: it is not stored, and the
				   * truth at the end is not looked for */
};

#define SESSION_ENDED 64

struct session_run {
	struct box_home home;
	struct box *box;
	struct box_plan *plan;
	struct journal *journal;
	struct box_run *run;
	struct recorder *rec;
	struct network net;
	struct shared clock_memory;
	struct box_clock *clock; /* mapped shared; NULL: SPEED_REAL */
	struct recorder_lapse lapse;
	bool discard;		   /* as in session_opts */
	bool told_pids, told_disk; /* of these limits there is a LIMIT event */
	int64_t setup_ns;	   /* when session_start() was called, by the clock of file times */
	uint32_t nr;		   /* number of the run in the journal */
	uint64_t events;	   /* sealed events, after session_end */
	int left;		   /* processes that session_end had to end */
	const char *
		reason; /* exit, time-limit, memory-limit, disk-limit, interrupted, record-failed */
	int signal;	/* that interrupted us */
	/* ends that came while another one was waited for: the last of them */
	struct {
		int id, status;
	} ended[SESSION_ENDED];
	unsigned nended;
	/* told of every spawn that ends while session_wait() waits; set after session_begin() */
	void (*on_exit)(void *ctx, int id, int status);
	void *on_exit_ctx;
};

/** session_open() - home and box only, for --dry-run and for what needs no run */
int session_open(struct session_run *s, const struct session_opts *o, struct err *err);

/**
 * session_start() - begin a run of a box that session_open() or session_end() has left open
 * @o: as for session_open(): name, create and the box's options must be the same
 */
int session_start(struct session_run *s, const struct session_opts *o, struct err *err);

/** session_begin() - session_open() and session_start(): everything up to a box that waits for
 * programs. On failure nothing is left: call session_close() all the same */
int session_begin(struct session_run *s, const struct session_opts *o, struct err *err);

int session_spawn(struct session_run *s, const struct box_program *prog, const char *cause,
		  struct box_proc *ret_proc, struct err *err);

/**
 * session_wait() - wait until spawn @id has ended
 * @id:         0: only for limits, signals and the time-out
 * @pid:        where the first SIGINT, SIGTERM or SIGHUP is passed on to; a second one ends the box
 * @timeout_ms: -1: for ever
 * @ret_status: as of waitpid(2)
 *
 * Return: 1 it has ended; 0 time-out; -ECANCELED the box must end, s->reason says why; -errno.
 */
int session_wait(struct session_run *s, int id, pid_t pid, int timeout_ms, int *ret_status,
		 struct err *err);

/* ---- the box's time: time.c ---------------------------------------------------------------- */

/** session_box_now() - t of now: ns since the run's start as the box sees it */
uint64_t session_box_now(const struct session_run *s);

/**
 * session_wait_box() - session_wait() for @box_ns of the box's time
 *
 * Under time-lapse it is one waiter more: everything in the box that is due earlier happens first,
 * and the box's clock stands no later than this when it returns, but for what the box has worked
 * meanwhile. At SPEED_REAL it waits so long.
 *
 * Return: as session_wait(); 0 when the time has gone by.
 */
int session_wait_box(struct session_run *s, int id, pid_t pid, uint64_t box_ns, int *ret_status,
		     struct err *err);

/** session_wait_box_most() - the same for nobody's end, until box time @end, and for no longer than
 * @real_ns of ours: who calls again with the same @end goes on with one wait */
int session_wait_box_most(struct session_run *s, uint64_t end, uint64_t real_ns, struct err *err);

/**
 * session_clock_ahead() - put the box's clocks forward at once; waits that are due by then end
 *
 * Return: 0; -ENOTSUP at SPEED_REAL.
 */
int session_clock_ahead(struct session_run *s, uint64_t ns, struct err *err);
/** session_date_ahead() - how far the box's date is ahead of ours, ns, modulo 2^64 */
uint64_t session_date_ahead(const struct session_run *s);

/** session_copy_in() - put an open host file into the running box at absolute @path, parents made
 */
int session_copy_in(struct session_run *s, int fd, const char *path, struct err *err);
/** session_make_folder() - an empty folder of root's at absolute @path, parents made; one that is
 * there is no failure */
int session_make_folder(struct session_run *s, const char *path, struct err *err);
/** session_has() - whether the running box has a file at absolute @path */
bool session_has(const struct session_run *s, const char *path);

/* ---- files of the running box: files.c, taken.c -------------------------------------------- */

#define TAKEN_ID 17 /* and a NUL */

/** struct kept_file - a regular file or link as it was */
struct kept_file {
	char *path;
	int fd;		       /* memory file with its bytes, or its record; -1: a link */
	off_t at;	       /* where they begin in fd */
	char record[TAKEN_ID]; /* taken_note() has been told of it; "": not */
	char target[4096];
	uint32_t mode, uid, gid;
	uint64_t size;
	char sha256[SHA256_HEX];
};
/** file_take() - read it. -ENOENT, -EINVAL (neither file nor link), -EFBIG */
int file_take(struct session_run *s, const char *path, struct kept_file *ret, struct err *err);
/** file_remove() - remove what is at that path */
int file_remove(struct session_run *s, const char *path, struct err *err);
void kept_file_free(struct kept_file *f);

/**
 * taken_note() - before a file is removed that is to come back: should we be killed until
 * taken_put_back(), the next run of the box puts it back before its first program starts
 * @why: name of the experiment, for the mark; shorter than 32 bytes
 */
int taken_note(struct session_run *s, struct kept_file *f, const char *why, struct err *err);
/**
 * taken_put_back() - as it was, where nothing is there now; says so in a mark of experiment @why
 *
 * Return: 0, also when there is one, or no folder to put it into; -errno: the next run tries again
 */
int taken_put_back(struct session_run *s, const struct kept_file *f, const char *why,
		   struct err *err);

/** session_end() - the run is over. @status: of the program as of waitpid, -1: none */
int session_end(struct session_run *s, int status, struct err *err);
void session_close(struct session_run *s);

/** quote_words() - words as one shell-quoted line; caller frees */
char *quote_words(int n, char *const *words);

#endif
