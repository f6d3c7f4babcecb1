// SPDX-License-Identifier: Apache-2.0
/*
 * runtime.h - what the files of the room's runtime half share
 *
 * Theory of operation
 *
 * plan.c turns a box and its options into a list of steps, without doing anything. box_start()
 * (run.c) clones pid 1 into new namespaces; pid 1 (init.c) carries the steps out (filesystem.c,
 * walls.c), says so over the control socket, and from then on reaps, forks programs on request
 * (program.c) and kills on request. The supervisor's side of a spawn is spawn.c; relay.c and
 * terminal.c carry the program's input and output; limits.c watches.
 *
 *   supervisor ---- control socket (SEQPACKET): request / report ---- pid 1
 *        \------ status socket of one spawn: ready, failed, EOF ------ program, until its exec
 *
 * Both ends are our own code and nothing else in the box holds a descriptor of these sockets, so
 * what comes over them is trusted. The end of file of the control socket ends pid 1, and with it
 * the box.
 */
#ifndef BELLJAR_BOX_RUNTIME_H
#define BELLJAR_BOX_RUNTIME_H

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "box/internal.h"

/* ---- the plan ----------------------------------------------------------------------------- */

/* STEP(name, function that carries it out in pid 1; NULL: done by box_start() itself) */
#define STEPS(STEP)                                                                                \
	STEP(CLONE, NULL)                                                                          \
	STEP(QUIET, do_quiet)                                                                      \
	STEP(LOOPBACK, do_loopback)                                                                \
	STEP(INTERFACE, do_interface)                                                              \
	STEP(REDIRECT, do_redirect)                                                                \
	STEP(HOSTNAME, do_hostname)                                                                \
	STEP(PRIVATE, do_private)                                                                  \
	STEP(IDS, do_ids)                                                                          \
	STEP(LAYER_TMPFS, do_layer_tmpfs)                                                          \
	STEP(LAYER_FOLDER, do_layer_folder)                                                        \
	STEP(SOURCES, do_sources)                                                                  \
	STEP(ROOT, do_root)                                                                        \
	STEP(PROC, do_proc)                                                                        \
	STEP(OVERLAY, do_overlay)                                                                  \
	STEP(TMPFS, do_tmpfs)                                                                      \
	STEP(SYSFS, do_sysfs)                                                                      \
	STEP(DEV, do_dev)                                                                          \
	STEP(SYSCTL, do_sysctl)                                                                    \
	STEP(READONLY, do_readonly)                                                                \
	STEP(MASK, do_mask)                                                                        \
	STEP(CLOCK, do_clock)                                                                      \
	STEP(BIND_RO, do_bind_ro)                                                                  \
	STEP(BIND_RW, do_bind_rw)                                                                  \
	STEP(DETACH, do_detach)                                                                    \
	STEP(IDENTITY, do_identity)                                                                \
	STEP(AUTHORITY, do_authority)                                                              \
	STEP(HOME, do_home)                                                                        \
	STEP(DECOYS, do_decoys)                                                                    \
	STEP(COPY, do_copy)                                                                        \
	STEP(BOUND, do_bound)                                                                      \
	STEP(DOMAIN, do_domain)                                                                    \
	STEP(SERVE, NULL)                                                                          \
	STEP(WALLS, NULL)

enum step_kind {
#define STEP(name, fn) STEP_##name,
	STEPS(STEP)
#undef STEP
		STEP_KINDS
};

/** struct step - one thing to do; which fields count depends on kind */
struct step {
	enum step_kind kind;
	int index;   /* OVERLAY, ROOT: of plan->mount; BIND_*, COPY: of plan->bind */
	char *path;  /* where in the box */
	char *value; /* what: mount options, contents */
	char *text;  /* for people; NULL in a plan that is not to be printed */
};

#define STEPS_MAX	     256
#define AUTHORITY_FILE	     "/usr/local/share/ca-certificates/belljar-box.crt"
#define TMPFS_DEV_SIZE	     "4m"	    /* /dev: names and sockets, no data */
#define TMPFS_RUN_MAX	     (256ull << 20) /* /run */
#define RUN_LOCK	     "/run/lock"
#define LIMIT_PIDS_DEFAULT   4096u
#define LIMIT_DISK_DEFAULT   (8ull << 30)
#define LIMIT_INODES_DEFAULT 1000000u
#define BOX_USER_ID	     1000u /* --user user */

struct plan_bind {
	enum box_bind_how how;
	char *src, *dst;
	int fd; /* borrowed */
};

struct plan_authority {
	char *pem, *hash; /* NULL: none */
	uint8_t *der;
	size_t der_n;
};

struct box_plan {
	int nmounts;
	struct box_mount *mount;
	int nbinds;
	struct plan_bind bind[BOX_BINDS_MAX];
	struct box_limits limits; /* defaults filled in; time 0: none, cpus 0: none */
	bool want_cgroup;	  /* the user asked for memory, processes or CPUs */
	bool tmpfs_layer;
	bool as_user; /* --user user */
	bool emulates_root;
	bool in_words; /* steps have a text */
	enum box_net net;
	enum box_net_by net_by; /* as asked */
	uid_t inner_uid;	/* pid 1's id in the box: 1000 only for single + user */
	uid_t uid;		/* programs' ids in the box */
	gid_t gid;
	const char *user, *home;
	int nenv;
	char **env; /* NULL-terminated default environment */
	struct plan_authority authority;
	bool want_decoys;
	int ndecoys;
	struct decoy *decoy;
	int nsteps;
	struct step step[STEPS_MAX]; /* last, and not cleared */
};

/* ---- pid 1 -------------------------------------------------------------------------------- */

/** struct go - from the supervisor once the id maps stand */
struct go {
	bool nproc, pid_max; /* processes are limited by these, for want of a cgroup */
	bool shmall;	     /* likewise System V shared memory */
};

#define KEEP_FDS_MAX (BOX_BINDS_MAX + 8)

/** struct setup - pid 1's view; memory of its own since the clone */
struct setup {
	const struct box *box;
	const struct box_plan *plan;
	int ctl;
	struct go go;
	int layer;  /* folder of the topmost layer */
	bool fresh; /* nothing has run in this box */
	bool layer_on_disk;
	int nlower[BOX_MOUNTS_MAX];
	int nlayers[BOX_MOUNTS_MAX]; /* how many of them are layers of the box */
	int *lower[BOX_MOUNTS_MAX];  /* descriptors, topmost first */
	int upper;		     /* its folder for "/" */
	int bind[BOX_BINDS_MAX];
	int folder[BOX_BINDS_MAX]; /* where a file of --ro lies, and its name there; -1 unknown */
	char *leaf[BOX_BINDS_MAX];
	char *own[BOX_BINDS_MAX]; /* where the home of all boxes lies in what is bound; NULL not */
	int empty;		  /* an empty folder, lower half of read-only overlays */
	int devices[8];
	int userns;
	enum box_net_by net_by; /* as it is */
	uint64_t bounding;	/* capabilities that programs may have */
};

/** init_main() - all of pid 1's life; does not return */
_Noreturn void init_main(const struct box *box, const struct box_plan *plan, int ctl);

typedef int step_fn(struct setup *s, const struct step *st, struct err *err);
step_fn do_quiet, do_loopback, do_interface, do_redirect, do_hostname, do_private, do_ids,
	do_layer_tmpfs, do_layer_folder, do_sources, do_root, do_proc, do_overlay, do_tmpfs,
	do_sysfs, do_dev, do_sysctl, do_readonly, do_mask, do_clock, do_bind_ro, do_bind_rw,
	do_detach, do_identity, do_authority, do_home, do_decoys, do_copy, do_bound, do_domain;

/** in_layers() - a layer of the box's own has @path, of the overlay on /, or has removed it */
bool in_layers(struct setup *s, const char *path);

/** wall_missing() - err_set_exit(EXIT_NO_WALL) for a step that the kernel or machine refuses */
int wall_missing(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/** namespaces_refused() - the same for namespaces: who may make them is a setting */
int namespaces_refused(struct err *err, int code);

/* ---- walls of a program ------------------------------------------------------------------- */

/** CAPS_PROGRAM - what box root keeps, in the box's user namespace only */
uint64_t caps_program(void);
struct program_walls {
	uid_t uid;
	gid_t gid;
	bool change_ids; /* setgroups/setgid/setuid work and are needed */
	bool keep_caps;	 /* box root */
	uint64_t nproc;	 /* 0: no limit of ours */
	uint64_t fsize;	 /* 0: none */
};
/** walls_up() - rlimits, ids, capabilities, no_new_privs; in the program's child, before exec */
int walls_up(const struct program_walls *w, struct err *err);

/* ---- requests and reports over the control socket ----------------------------------------- */

enum request_kind { REQ_SPAWN = 1, REQ_KILL, REQ_COUNT };
enum report_kind {
	REP_READY = 1,
	REP_FAILED,
	REP_EXIT,
	REP_KILLED,
	REP_COUNT,
	REP_NO_FORK,
	REP_NETWORK /* before READY: network and ids stand; its user and network namespace */
};

enum spawn_flags {
	SPAWN_STDIN = 1,
	SPAWN_STDOUT = 2,
	SPAWN_STDERR = 4,
	SPAWN_PTY = 8,
	SPAWN_HOOK = 16
};

typedef int child_hook(void *ctx, int sock, struct err *err);

#define SPAWN_BYTES_MAX (BOX_ARGV_MAX + 8192) /* strings of one request */

/** struct request - with SPAWN followed by argv, env and cwd, each NUL-terminated;
 * descriptors: status, then hook, stdin, stdout, stderr as flags say */
struct request {
	enum request_kind what;
	int id, flags;
	int nargv, nenv;
	bool has_cwd, has_termios;
	child_hook *in_child; /* same text in both processes: pid 1 is a fork */
	struct program_walls walls;
	struct winsize winsize;
	struct termios termios;
};

struct report {
	enum report_kind what;
	int id, status;	    /* EXIT; KILLED, COUNT: status is the number */
	int empty_after;    /* EXIT: no process was left, and this was the latest spawn; else 0 */
	bool layer_on_disk; /* READY */
	struct go go;	    /* READY: what could be had */
	enum box_net_by net_by; /* NETWORK */
	struct err err;		/* FAILED */
};

enum status_kind { STATUS_READY = 1, STATUS_FAILED };

/** struct status - from the program's child until its exec; credentials travel with it */
struct status {
	enum status_kind what;
	pid_t inner;
	struct err err;
};

/**
 * program_spawn() - a child of pid 1 that becomes a program: walls, hook, exec
 *
 * Return: its pid once it is that program or has failed, which its status socket tells; -errno when
 * there is no child.
 */
pid_t program_spawn(const struct request *req, const char *strings, const int *fds);

/* ---- the supervisor's side ---------------------------------------------------------------- */

#define SPAWNS_MAX	1024 /* programs started in one run */
#define QUEUE_MAX	(SPAWNS_MAX + 64)
#define LOG_MAX		(16ull << 20) /* bytes kept of what STDIO_NULL programs print, per run */
#define END_DEADLINE_MS 10000	      /* box_kill(), box_end(): then SIGKILL, then let go */

struct relay;
struct limits;

struct idmap_line {
	uint32_t first, ours, count; /* box ids from first are our ids from ours */
};
#define IDMAP_LINES_MAX 8

struct box_run {
	struct box *box;
	struct box_limits limits_set;
	bool want_cgroup, tmpfs_layer, as_user, emulates_root;
	enum box_net net;
	enum box_net_by net_by; /* once it stands */
	char *home;
	char **env; /* default environment of programs */
	pid_t pid1;
	int pidfd, ctl;
	int rootfd, layerfd, userns, netns;
	int signals; /* signalfd, -1 */
	sigset_t old_mask;
	bool masked, dead, dead_told, hurry;
	bool has_binds; /* --ro or --rw: its mounts hold folders of the user */
	bool emptied;	/* no process is left, and none has been started since */
	int nspawns;
	bool spawn_failed[SPAWNS_MAX + 1]; /* by id: an exit that is still to come is no event */
	struct relay *relays;		   /* list */
	int nidle;			   /* directions of them that have no thread yet */
	int log_pipe;			   /* write end of the log of STDIO_NULL programs, -1 */
	struct terminal *terminal;
	struct limits *limits;
	struct program_walls walls;
	int qhead, qn;
	struct box_event *queue;
	uint64_t started_ns;
	int nidmap;
	struct idmap_line idmap[IDMAP_LINES_MAX];
};

/** run_queue() - hand an event to a later box_wait() */
void run_queue(struct box_run *run, const struct box_event *ev);
/** run_request() - send a request; 0 or -errno (-EPIPE, -ECONNRESET: pid 1 is gone) */
int run_request(struct box_run *run, const struct request *req, const char *strings, size_t n,
		const int *fds, int nfds);
/** run_take() - receive what pid 1 reports until @what comes (EXITs are queued); @fds as in
 * fdpass_recv(). Return: 0, -ETIMEDOUT, -EPIPE when pid 1 is gone */
int run_take(struct box_run *run, enum report_kind what, int timeout_ms, struct report *ret,
	     int *fds, int *nfds);

/** run_network() - wait until the gate's network and the box's ids stand: userns and netns */
int run_network(struct box_run *run, struct err *err);

/** run_take_one() - one report, EXITs and refused forks dealt with. Return: 1, @ret is of another
 * kind; 0, dealt with; -EPIPE */
int run_take_one(struct box_run *run, struct report *ret, int *fds, int *nfds);

/** run_bury() - wait until the child of a spawn that failed is gone; its exit is no event */
void run_bury(struct box_run *run, int id);

/* relay.c: copying between the program's pipes or pty and our descriptors */
/** relay_pipes() - the pipes of one program; @ret_child: its ends (-1: /dev/null) */
int relay_pipes(struct box_run *run, const int ours[3], int ret_child[3], struct relay **ret,
		struct err *err);
/** relay_log() - write end of the run's log pipe (borrowed), started at the first use */
int relay_log(struct box_run *run, int *ret_fd, struct err *err);
/** relay_pty() - between a pty master (taken over) and our terminal */
struct relay *relay_pty(int master, int from, int to);
int relay_start(struct box_run *run, struct relay *relay, struct err *err);
void relay_free(struct relay *relay); /* one that was not started */
/** relay_poll() - what there is to look at for directions without a thread. Return: how many */
#define RELAY_IDLE_MAX 32
int relay_poll(struct box_run *run, struct pollfd p[RELAY_IDLE_MAX]);
/** relay_look() - what poll(2) found of them: start those that have something to carry */
int relay_look(struct box_run *run, const struct pollfd *p, int n);
/** relay_finish() - all writers are dead: drain what they wrote, end the threads.
 * @hurry: do not wait for a reader of ours that does not read */
void relay_finish(struct box_run *run, bool hurry);

/* terminal.c: our terminal while a program has a pty */
struct terminal;
bool terminal_describe(int fd, struct termios *ret_t, struct winsize *ret_w);
int terminal_raw(struct box_run *run, int fd, int master, struct err *err);
void terminal_resize(struct box_run *run);
void terminal_again(struct box_run *run); /* after SIGCONT */
void terminal_restore(struct box_run *run);

/* limits.c */
/** limits_before() - with pid 1 cloned and waiting: cgroups; says what pid 1 must do itself */
struct limits *limits_before(struct box_run *run, struct go *ret_go);
/** limits_ready() - pid 1 says what worked; the description is complete after */
void limits_ready(struct box_run *run, const struct report *ready);
/** limits_due_ms() - until limits_check() wants to be called; -1: never */
int limits_due_ms(struct limits *l);
/** limits_check() - look now; queues what was reached */
void limits_check(struct box_run *run);
/** limits_no_fork() - pid 1 itself was refused a process */
void limits_no_fork(struct box_run *run);
const char *limits_text(const struct limits *l);
void limits_free(struct box_run *run);

#endif
