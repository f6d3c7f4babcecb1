// SPDX-License-Identifier: Apache-2.0
/*
 * box.h - named boxes: their folders and layers, and the walls in which a program runs
 *
 * Two halves, one header. The *store* keeps boxes on disk: layers, snapshots, identity. The
 * *runtime* makes a plan (pure; printed by --dry-run), carries it out with user, mount, pid, net,
 * ipc, uts and cgroup namespaces, and starts programs in it. Nothing outside this room mounts or
 * unshares.
 *
 * What the program sees
 *
 * `/` is an overlay whose lower layer is the *base*: a folder made once per host and user (shared
 * by its boxes, rebuilt when the host's packages change) with an empty home, the directories of /,
 * a filtered copy of /etc and of the package manager's state, and a skeleton of the host's
 * directories in /usr, /var and /opt. The skeleton gives these directories an owner that exists
 * in the box, so that a plain user can install packages; the files come from the host's own
 * folders as the lowest, read-only layer. Overlays: "/" (sub folder `root` of a layer), "/usr"
 * (`usr`), "/var" (`var`), "/opt" (`opt`), and what the mount table forces us to split. With
 * --root DIR there is the one overlay "/" over DIR.
 *
 * A *layer* is a folder layers/N with one upper directory per overlay. The topmost takes the
 * writes. A snapshot starts a fresh layer on top, in constant time; a rollback drops layers.
 *
 * User ids. 'range': box ids 0…65535 are real host ids (from /etc/subuid by newuidmap; or, when
 * belljar was started by root, a range of its own: it then drops to BOX_ROOT_UID, which is box id
 * 0, before it makes a namespace). 'single': only box id 0 is real (it is the user); the recorder
 * answers ownership and identity calls (root emulation).
 */
#ifndef BELLJAR_BOX_H
#define BELLJAR_BOX_H

#include "base/base.h"

#define BOX_NAME_MAX   64  /* [A-Za-z0-9][A-Za-z0-9._-]* */
#define BOX_LAYERS_MAX 200 /* the kernel takes 500 lower layers, a page limits their names */
#define BOX_BINDS_MAX  64
#define BOX_ARGV_MAX   65536 /* bytes of one program's argv + env that the runtime passes on */
#define BOX_ROOT_UID   1879048192u /* 0x70000000: unused in systemd's table of ids (UIDS-GIDS) */
#define BOX_RANGE      65536u

/* ---- the home of all boxes ---------------------------------------------------------------- */

/** struct box_home - $BELLJAR_HOME, else $XDG_DATA_HOME/belljar, else ~/.local/share/belljar;
 * /var/lib/belljar for root, where everything belongs to BOX_ROOT_UID */
struct box_home {
	char path[4096];
	int fd;	      /* O_DIRECTORY */
	bool by_root; /* started by host root: BOX_ROOT_UID range mapping through the broker */
	int broker;   /* socket to the privileged broker, -1 for a plain user */
	uid_t uid;    /* the outside id that owns the boxes */
	pid_t ending; /* pid 1 of a box that was let go: see box_end(); 0 none */
	gid_t gid;
};

/**
 * box_home_open() - find or make the home; the first thing any subcommand does
 *
 * Started by root: forks the broker (a process that keeps root for exactly two requests: write
 * the id maps of a given child of ours, make/remove a cgroup of ours), then drops this process to
 * BOX_ROOT_UID for good. Files that the user names on the command line and that only root can
 * read must be opened before.
 *
 * Removes what killed runs left: anonymous boxes and cgroups that no living run holds.
 *
 * Return: 0; -EACCES/-EROFS, EXIT_UNREADABLE; -ENOSPC.
 */
int box_home_open(struct box_home *ret_home, struct err *err);
void box_home_close(struct box_home *home);

/** box_name_check() - 0, or -EINVAL with EXIT_BAD_NAME */
int box_name_check(const char *name, struct err *err);

/* ---- the store ---------------------------------------------------------------------------- */

struct box_snapshot {
	char name[BOX_NAME_MAX + 1];
	unsigned layer; /* number of the layer that was frozen: state = layers 1…layer */
	uint64_t wall_ns;
};

/** struct box_info - what box.json holds */
struct box_info {
	char name[BOX_NAME_MAX + 1]; /* "" for an anonymous box */
	uint64_t created_ns;
	char hostname[64];
	char machine_id[33];
	char mac[18];	 /* of its network card, "54:ee:75:01:02:03" */
	char person[64]; /* full name of who uses this computer, UTF-8 */
	char disk_serial[32];
	char token[33];	 /* 32 hex digits that no file in the box holds; what its decoys hold is
			  * made from it */
	char base[128];	 /* folder name of the base under HOME/base, "" with --root */
	char root[4096]; /* --root DIR, "" without */
	bool range;	 /* id mapping, fixed when the box is made */
	uint32_t range_start; /* host id of box id 1 (newuidmap), or BOX_ROOT_UID for box id 0 */
	uint32_t range_gid_start; /* the same for groups: /etc/subgid need not agree */
	unsigned top;		  /* number of the topmost layer, from 1 */
	unsigned nsnapshots;
	struct box_snapshot snapshot[BOX_LAYERS_MAX];
};

struct box;

enum box_open_flags {
	BOX_CREATE = 1, /* make it when it is not there */
	BOX_LOCK = 2,	/* hold it for a run or a change; -EBUSY, EXIT_BUSY when another does */
	BOX_ANON = 4,	/* a box without a name (name is ignored), removed by box_close() */
	BOX_PASSING =
		16, /* with BOX_ANON: nothing of it will be looked for after its run. Its layer is
		       in memory, and it has a folder only when box_dirfd() is asked for one */
	BOX_DAMAGED =
		8, /* with BOX_LOCK: also one whose box.json cannot be read, for box_remove() */
};

/**
 * box_open() - open a box's folder
 * @opts: for a box that is made: root and id mapping; may be NULL
 *
 * Return: 0; -ENOENT, EXIT_NO_BOX; -EINVAL, EXIT_BAD_NAME; -EBUSY, EXIT_BUSY; -EBADMSG,
 * EXIT_CORRUPT when box.json cannot be read.
 */
struct box_opts;
int box_open(struct box_home *home, const char *name, int flags, const struct box_opts *opts,
	     struct box **ret_box, struct err *err);
void box_close(struct box *box);
const struct box_info *box_get_info(const struct box *box);
/** box_dirfd() - the box's folder: journal.db, objects/, layers/; borrowed. A passing box gets one
 * now; -1 with errno when that fails. Thread-safe */
int box_dirfd(struct box *box);
int box_homefd(const struct box *box);	     /* folder of the home of all boxes; borrowed */
bool box_has_folder(const struct box *box);  /* false: passing, and not asked for one yet */
const char *box_path(const struct box *box); /* its absolute path, once it has one */
bool box_is_held(struct box_home *home, const char *name); /* a run or change holds its lock */

/**
 * box_canaries() - values that exist only in this box: its identity, in the forms in which programs
 * write it, and one of each of its decoys ("document:.ssh/id_ed25519", …)
 *
 * Labels come more than once; both strings are borrowed for the call.
 */
void box_canaries(const struct box *box,
		  void (*fn)(void *ctx, const char *label, const char *value), void *ctx);

/**
 * box_identify() - give a box that nothing has run in the identity of a text
 * @text: lines 'hostname VALUE', 'machine-id VALUE', 'mac VALUE', 'person VALUE', 'disk VALUE'; '#'
 *        begins a comment. What is not named stays as it was made
 *
 * Box must be held. Return: 0; -EINVAL, EXIT_USAGE with the line; -errno of the write.
 */
#define BOX_IDENTITY_MAX 65536
int box_identify(struct box *box, const char *text, struct err *err);

/** box_decoys() - paths at which a box may have a decoy; whether it has, its programs decide */
void box_decoys(void (*fn)(void *ctx, const char *path), void *ctx);

/** box_list() - names in order; @fn non-zero stops and is returned */
int box_list(struct box_home *home, int (*fn)(void *ctx, const char *name), void *ctx,
	     struct err *err);

/** box_snapshot() - freeze the current state under @name; O(1). Box must be held. -EEXIST,
 * EXIT_EXISTS */
int box_snapshot(struct box *box, const char *name, struct err *err);
/** box_rollback() - back to snapshot @name ("" or NULL: the state before the first run); later
 * layers and snapshots are dropped. The journal keeps its record. -ENOENT, EXIT_NO_BOX */
int box_rollback(struct box *box, const char *name, struct err *err);
/** box_remove() - the whole box; works on files of mapped owners too. Box must be held */
int box_remove(struct box *box, struct err *err);
/**
 * box_export() - the box as one tar stream (pax, zstd) on @fd: box.json, journal, objects, layers
 * with owners as box ids, whiteouts, opaque marks, set-id bits, hard links, holes
 *
 * The base is not in it: an imported box gets that of the machine where it is imported, so what
 * its programs see of /usr can differ. Box must be held.
 *
 * Return: how many entries could not be kept (sockets, device nodes), -errno.
 */
int box_export(struct box *box, int fd, struct err *err);
/**
 * box_import() - make box @name from such a stream
 * @root: the folder here for a box that was made with --root; NULL: such a box is refused, since
 *        the stream must not choose which of the host's folders are shown
 *
 * Every member is checked (no absolute path, no "..", nothing outside the folder, number and size
 * limited), and on failure nothing is left.
 *
 * Return: how many entries could not be made, -errno; -EEXIST, EXIT_EXISTS; -EBADMSG, EXIT_CORRUPT.
 */
int box_import(struct box_home *home, const char *name, const char *root, int fd, struct err *err);

/** struct box_mount - one overlay of a box, for those that look at layers from outside */
#define BOX_MOUNTS_MAX 64
#define BOX_LOWERS_MAX 4
struct box_mount {
	char at[256];  /* where in the box: "/", "/usr", … */
	char sub[256]; /* folder within a layer: "root", "usr", …; '+' for '/' when split */
	int nlower;
	char lower[BOX_LOWERS_MAX]
		  [4096]; /* below all layers, topmost first: base, then host folder */
};
/** box_mounts() - the overlays, parents before children. Return: how many */
int box_mounts(const struct box *box, struct box_mount ret[BOX_MOUNTS_MAX]);

/**
 * box_in_userns() - run @fn in a child process that has the box's id mapping and all capabilities
 * in it: it can read, and sees as box ids, whatever the box's programs made
 *
 * The child's mount and pid namespaces stay ours. What @fn returns (0…255) is *ret_status.
 */
int box_in_userns(struct box *box, int (*fn)(void *ctx), void *ctx, int *ret_status,
		  struct err *err);

/* ---- options and plan --------------------------------------------------------------------- */

enum box_bind_how { BIND_RO, BIND_RW, BIND_COPY };
struct box_bind {
	enum box_bind_how how;
	const char *src; /* on the host, absolute */
	const char
		*dst; /* in the box, absolute. ro, rw: default the same path; copy: HOME/basename */
	int fd;	      /* copy: opened before privileges were dropped; else -1 */
};

struct box_limits {	 /* 0: none, or the default given */
	uint64_t memory; /* bytes, all processes together; default 3/4 of the machine's */
	double cpus;	 /* cores */
	uint32_t pids;	 /* default 4096 */
	uint64_t disk;	 /* bytes of new data; default 8 GiB */
	uint64_t inodes; /* default 1 million */
	double time;	 /* wall seconds for the run */
};

enum box_net {
	BOX_NET_OFF,  /* loopback only */
	BOX_NET_GATE, /* one interface; what leaves comes to BOX_GATE_PORT: see net.c */
};
/** enum box_net_by - how what leaves comes to the gate */
enum box_net_by {
	BOX_NET_BY_ANY,	   /* the first of those below that this kernel has */
	BOX_NET_BY_TPROXY, /* by its own loopback to BOX_GATE_PORT */
	BOX_NET_BY_SLIRP,  /* it leaves by the interface, where it has to be read */
};
/* What leaves the box is handed, by TPROXY, to sockets of the box's network namespace that listen
 * at this port of 127.0.0.1 and ::1, TCP and UDP; their own packets carry this mark (SO_MARK). */
#define BOX_GATE_PORT 15001
#define BOX_GATE_MARK 0x626au

/** struct box_authority - a certificate authority of the box's own, that its programs shall trust:
 * it is put into the system's store, and Java's, when the box is first started with it */
struct box_authority {
	const char *pem; /* one certificate, NUL-terminated */
	const void *der; /* the same, of @der_n bytes */
	size_t der_n;
	const char *hash; /* name by which OpenSSL finds it in a folder: "1a2b3c4d.0" */
};

struct box_opts {
	const char *root; /* --root DIR, NULL: the host's folders */
	int nbinds;
	struct box_bind bind[BOX_BINDS_MAX];
	struct box_limits limits;
	enum box_net net;
	enum box_net_by net_by;
	bool clock;	   /* of its own: files in /proc are, which whoever keeps it writes */
	bool decoys;	   /* put them into the homes of a box that nothing has run in */
	const char *user;  /* --user: "root" (default) or "user": id 1000, named user */
	bool force_single; /* --idmap single: no range even where there is one */
	bool on_disk;	   /* anonymous box: layer on disk instead of tmpfs */
	int nenv;
	const char *const *env;		       /* NAME=VALUE additions (--env) */
	const struct box_authority *authority; /* NULL: none; copied by box_plan_make() */
	bool in_words;			       /* the plan is to be printed */
};

struct box_plan;

/**
 * box_plan_make() - what will be done, without doing it
 *
 * Pure but for reading the mount table and the base's state. The same plan is printed by
 * --dry-run and carried out by box_start().
 */
int box_plan_make(const struct box *box, const struct box_opts *opts, struct box_plan **ret_plan,
		  struct err *err);
/** box_plan_print() - its steps, limits and environment; of a plan that was made with in_words */
void box_plan_print(const struct box_plan *plan, FILE *out);
void box_plan_free(struct box_plan *plan);

/* ---- runtime ------------------------------------------------------------------------------ */

struct box_run;

/**
 * box_start() - carry the plan out; the box then holds its pid 1 (ours: sets up, reaps, spawns on
 * request, outlives nobody) and no program
 *
 * pid 1 and with it everything in the box dies when the calling thread or its process dies,
 * however that happens: call from the main thread.
 *
 * Return: 0; -EPERM/-ENOSYS/…, EXIT_NO_WALL naming the wall that is missing and what to do.
 */
int box_start(struct box *box, const struct box_plan *plan, struct box_run **ret_run,
	      struct err *err);
/** box_begin() - box_start() that does not wait for pid 1 to be ready; what else is to be prepared
 * can be meanwhile. Until box_ready() the run is good for nothing but box_end() */
int box_begin(struct box *box, const struct box_plan *plan, struct box_run **ret_run,
	      struct err *err);
/** box_ready() - wait for it. Return: as box_start(); on failure the caller ends the run */
int box_ready(struct box_run *run, struct err *err);

/** struct box_hooks - how the recorder joins a program between its walls and its exec */
struct box_hooks {
	void *ctx;
	/* in the child, last act before execve, all walls standing, single-threaded fork of pid 1;
	 * @sock: connected to the other hook. Non-zero return: the child exits, spawn fails.
	 * Its memory is the supervisor's as of box_start(): nothing made later exists there, so
	 * @ctx is NULL here and what it needs (a filter, flags) must come over @sock */
	int (*in_child)(void *ctx, int sock, struct err *err);
	/* in the supervisor, while pid 1 makes the child, of which nothing is known yet; may be
	 * NULL */
	void (*before)(void *ctx);
	/* in the supervisor, while @in_child runs; @program: its pid in our pid namespace */
	int (*in_supervisor)(void *ctx, int sock, pid_t program, struct err *err);
};

enum box_stdio {
	STDIO_RELAY, /* pipes, copied to and from ours by relay threads, which box_wait() starts
			when there is something to copy: no host file crosses */
	STDIO_PTY,   /* a pty of the box's own devpts, our terminal in raw mode, window size kept */
	STDIO_NULL,  /* /dev/null in, output to a log of the box */
	STDIO_FED,   /* as STDIO_RELAY in, as STDIO_NULL out */
};

struct box_program {
	const char *const *argv; /* argv[0] is looked up in the box's PATH unless it has a '/' */
	const char *const *env;	 /* NULL: the box's default environment (opts.env included) */
	const char *cwd;	 /* NULL: home */
	enum box_stdio stdio;
	int fds[3]; /* STDIO_RELAY: where the relay reads and writes, normally 0 1 2; STDIO_FED: [0]
		     */
};

struct box_proc {
	int id;	     /* number of the spawn, from 1 */
	pid_t pid;   /* in our pid namespace */
	pid_t inner; /* in the box */
};

/**
 * box_spawn() - start a program in the running box
 * @hooks: may be NULL (nothing is recorded)
 *
 * Return: 0 once execve has succeeded; -ENOENT, EXIT_NOT_FOUND; -EACCES/-ENOEXEC, EXIT_NOT_EXEC.
 */
int box_spawn(struct box_run *run, const struct box_program *prog, const struct box_hooks *hooks,
	      struct box_proc *ret_proc, struct err *err);

enum box_happening {
	BOX_PROGRAM_EXIT, /* a spawned program ended: id, status as of waitpid() */
	BOX_LIMIT,	  /* a limit was reached: what, value, mechanism */
	BOX_SIGNAL,	  /* SIGINT, SIGTERM, SIGHUP to the supervisor: status is its number */
	BOX_DEAD,	  /* pid 1 is gone */
};

struct box_event {
	enum box_happening what;
	int id, status;
	const char *limit; /* pids, memory, disk, inodes, time */
	uint64_t value;
	const char *mechanism;
	bool fatal; /* the box must end now: time, memory by polling, disk by polling */
};

/** box_wait() - wait for the next happening; @timeout_ms -1 for ever. Return 1, 0 on time-out,
 * -errno */
int box_wait(struct box_run *run, int timeout_ms, struct box_event *ret_ev, struct err *err);

/** box_kill() - end all programs in the box, not pid 1; returns how many there were, after the last
 * is reaped */
int box_kill(struct box_run *run, struct err *err);
/** box_processes() - how many processes live in the box besides pid 1 */
int box_processes(struct box_run *run);
/**
 * box_end() - end pid 1, flush the relay, release limits; no program of the box lives after
 *
 * Waits until the box's mounts are gone too, but for a passing box without a folder, binds and
 * cgroup whose programs box_kill() has ended: there pid 1 alone is left, on its way out.
 */
void box_end(struct box_run *run);

int box_run_rootfd(const struct box_run *run);	/* O_PATH of the box's / as its programs see it */
int box_run_layerfd(const struct box_run *run); /* the topmost layer's folder, tmpfs or disk */
pid_t box_run_pid1(const struct box_run *run);	/* in our pid namespace */
const char *
box_run_limits(const struct box_run *run); /* "memory=…(cgroup2);pids=…(RLIMIT_NPROC);…" */
/** box_run_pids() - how many processes and threads may live in it at once */
uint32_t box_run_pids(const struct box_run *run);
/** box_run_uid_in() - an id of ours as the box's own number; 65534 (the overflow id) when unmapped
 */
uint32_t box_run_uid_in(const struct box_run *run, uint32_t outer);
enum box_net box_run_net(const struct box_run *run);
bool box_run_emulates_root(const struct box_run *run); /* 'single' mapping with box id 0 */

/**
 * box_run_in_userns() - box_in_userns() for a running box
 *
 * The child has the box's user namespace and our mount and pid namespaces; descriptors of ours
 * (layerfd, rootfd) work in it.
 */
int box_run_in_userns(struct box_run *run, int (*fn)(void *ctx), void *ctx, int *ret_status,
		      struct err *err);

/**
 * box_run_inside() - a child process of ours in the box's user and network namespaces
 * @fn: runs in the child with @arg and descriptor 3, its copy of @fd; the child ends with it
 *
 * The child has a root folder that is empty and read-only, no descriptor but 0-2 (/dev/null) and
 * 3, box id 0, and of the box's capabilities CAP_NET_RAW alone, which it keeps until @fn drops it.
 * It is in our pid namespace: the box does not see it. It dies when the calling thread does. Call
 * while this process has one thread: @fn shares its memory as of now.
 *
 * It can be called before box_ready(), for a box whose network is the gate's: it waits only until
 * the network stands.
 *
 * Return: its pid; -errno. When it cannot be made as said, it ends before @fn, with an errno for
 * its exit status.
 */
pid_t box_run_inside(struct box_run *run, void (*fn)(void *arg, int fd), void *arg, int fd,
		     struct err *err);
/** box_run_net_by() - wait until the network stands, and tell which way it has. Return: 0; -errno
 */
int box_run_net_by(struct box_run *run, enum box_net_by *ret, struct err *err);

/* ---- doctor ------------------------------------------------------------------------------- */

struct box_probe {
	const char *name; /* "user namespaces" */
	enum { PROBE_OK, PROBE_WEAKER, PROBE_MISSING } state;
	char found[256];     /* what was seen */
	const char *without; /* what is lost without it */
	const char *remedy;  /* what to do, one sentence */
};
#define BOX_PROBES_MAX 48
/** box_probe_all() - test each feature by using it, not by version. Return: how many */
int box_probe_all(struct box_home *home, struct box_probe ret[BOX_PROBES_MAX]);

#endif
