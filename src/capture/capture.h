// SPDX-License-Identifier: Apache-2.0
/*
 * capture.h - where events come from: calls and processes (the recorder), files (truth), autostart
 *
 * Intent and truth
 *
 * The recorder holds every state-changing call of every process in the box (seccomp user
 * notification) until its event is in the journal, and follows fork, exec and exit exactly
 * (ptrace events, nothing else is traced). Strings of a held call can be swapped by another thread
 * afterwards: they are *intent*. *Truth* is the box's layer: at the end of a run it is walked,
 * compared with what was below, and joined with the intents; a difference is a MISMATCH event.
 */
#ifndef BELLJAR_CAPTURE_H
#define BELLJAR_CAPTURE_H

#include "base/base.h"
#include "box/box.h"
#include "journal/journal.h"

/* ---- recorder ----------------------------------------------------------------------------- */

struct recorder;

/** struct recorder_lapse - a box with time-lapse; lent until recorder_stop() */
struct recorder_lapse {
	struct box_clock *clock;	  /* zero but for its date */
	const struct box_clock *clock_ro; /* the same, for the gate process */
	struct clock_hints *hints;
	void *ctx;
	void (*gate_due)(void *ctx); /* the gate process has something to do by now; any thread */
};

/**
 * recorder_start() - get ready to record what is spawned in @run
 * @uses: counts uses of ports, lent until recorder_stop(); may be NULL
 * @lapse: NULL: the box's time is real time
 *
 * Return: 0; -ENOSYS/-EPERM, EXIT_NO_WALL when the kernel lacks what the record needs.
 */
int recorder_start(struct journal *j, struct box *box, struct box_run *run, struct port_uses *uses,
		   const struct recorder_lapse *lapse, struct recorder **ret_rec, struct err *err);

/** recorder_lapse_usable() - can programs be shown a box's own time on this machine? */
bool recorder_lapse_usable(void);
/** recorder_watch() - time-lapse: nothing waits while this task (of a process) works. Its threads
 * that wait do so in poll, epoll_wait or read */
void recorder_watch(struct recorder *rec, pid_t tgid, pid_t tid);
/**
 * recorder_run_until() - time-lapse: the clock may jump, and no further than to @t (ns since the
 * run's start); 0: not at all, UINT64_MAX: wherever. Does nothing at real speed
 */
void recorder_run_until(struct recorder *rec, uint64_t t);
/** recorder_clock_ahead() - put the box's clocks forward now. Return: 0; -ENOTSUP at real speed */
int recorder_clock_ahead(struct recorder *rec, uint64_t ns, struct err *err);

/** recorder_watch_decoys() - tell from now on when a decoy of the box is opened; before the first
 * program */
void recorder_watch_decoys(struct recorder *rec);

/** recorder_failed() - errno of an event that could not be written, 0 while all is well. Held calls
 * fail from then on (what cannot be recorded does not happen): the box should be ended */
int recorder_failed(const struct recorder *rec);

/**
 * recorder_flow_owner() - which process has used a port of the box to talk to somebody outside
 * @protocol: IPPROTO_TCP, _UDP, _ICMP (of pings the port is the identifier); @ip6: by IPv6 on the
 * wire; @at: the box's CLOCK_MONOTONIC: who had it then, since ports are used
 * again
 *
 * A socket gets its port while the call that talks is held, so the answer is there before the
 * first packet is. Any thread may ask. Return: process key, 0 unknown.
 */
uint32_t recorder_flow_owner(struct recorder *rec, int protocol, bool ip6, uint16_t port,
			     uint64_t at);

/** recorder_key() - process key of a process by its pid in our pid namespace; 0 unknown, or gone.
 * Any thread may ask */
uint32_t recorder_key(struct recorder *rec, pid_t pid);
/** recorder_pidfd() - a pidfd of the living process with this key, and of no other that has its
 * number by now. Return: fd; -ESRCH it is gone; -errno */
int recorder_pidfd(struct recorder *rec, uint32_t key);

/** recorder_hits() - limits that the recorder has seen reached: RECORDER_HIT_… bits */
enum recorder_hit {
	RECORDER_HIT_PIDS = 1,	    /* as many tasks as the box may have */
	RECORDER_HIT_FILE_SIZE = 2, /* SIGXFSZ: a file of the size that the disk limit allows */
};
unsigned recorder_hits(const struct recorder *rec);

/** recorder_hooks() - for box_spawn(); @cause (copied) says why the program starts: 'run', or the
 * autostart entry that names it. Each spawn needs hooks of its own. */
struct box_hooks recorder_hooks(struct recorder *rec, const char *cause);

/** recorder_stop() - after box_kill(): ends the threads; what was not seen becomes GAP events */
int recorder_stop(struct recorder *rec, struct err *err);

/* ---- truth: what is different ------------------------------------------------------------- */

enum change_op { CHANGE_ADDED, CHANGE_CHANGED, CHANGE_REMOVED, CHANGE_META, CHANGE_MOVED };
extern const char *const change_op_name[];

/** struct change - one path that differs; strings are borrowed for the call */
struct change {
	enum change_op op;
	struct str path;   /* absolute, in the box */
	struct str path2;  /* moved: where it was */
	const char *type;  /* file, dir, symlink, fifo, socket, char, block */
	uint32_t mode;	   /* type and permission bits after (before, when removed) */
	uint32_t uid, gid; /* in the box */
	uint64_t size;
	char sha256[SHA256_HEX]; /* "" for what is no regular file, or could not be read */
	struct str detail;	 /* meta: what differs; symlink: target */
	int64_t mtime_ns; /* regular files, not removed: modification time, since the epoch */
	int64_t ctime_ns; /* when its state was last changed, by our clock; 0 when removed */
	bool mtime_set;	  /* a time that no write can have left: some call set it */
	/* before, where op is changed or meta */
	uint32_t mode_before, uid_before, gid_before;
	char sha256_before[SHA256_HEX];
};

/**
 * changes_between() - the state now against the state as of layer @since
 * @run:   a running box, NULL for one that is at rest
 * @since: 0: the base, before anything ran; N: as of the end of layer N (box_info.snapshot)
 * @fn:    called in path order; non-zero stops and is returned
 *
 * The walk runs in a child in the box's user namespace; what it sends is parsed as hostile.
 * A file that differs only in times is not a change. A rename of unchanged bytes is 'moved' when
 * exactly one removed and one added file have the same content and type.
 *
 * Return: 0 or -errno; -E2BIG when there are more than CHANGES_MAX (the callback has then seen
 * the first CHANGES_MAX).
 */
#define CHANGES_MAX 2000000
int changes_between(struct box *box, struct box_run *run, unsigned since,
		    int (*fn)(void *ctx, const struct change *c), void *ctx, struct err *err);

/**
 * truth_record() - at the end of a run: write CHANGE events for what the run changed, OBJECT
 * events (and the bytes into objects/) for executables and scripts among them, AUTOSTART events
 * for entries it added, changed or removed, and MISMATCH events where journal and layer disagree
 *
 * Call between box_kill() and box_end().
 */
int truth_record(struct box *box, struct box_run *run, struct journal *j, uint32_t run_nr,
		 struct err *err);

/* ---- objects: bytes kept once ------------------------------------------------------------- */

#define OBJECT_SIZE_MAX	  (512ull << 20)
#define OBJECTS_TOTAL_MAX (8ull << 30)
/**
 * object_keep() - copy a file's bytes into DIRFD/objects/ab/cdef… (mode 0400), once
 * @known:    the file's SHA-256 where the caller has it, NULL; what is kept is hashed as it is
 * copied
 * @ret_kept: false when a limit forbids it (the hash is still right)
 */
int object_keep(int box_dirfd, int fd, const char *known, char ret_sha256[SHA256_HEX],
		uint64_t *ret_size, bool *ret_kept, struct err *err);

/* ---- autostart ---------------------------------------------------------------------------- */

/** struct autostart_class - a row of the catalogue (autostart.def is the table) */
struct autostart_class {
	const char *name;      /* systemd-system, cron, shell-profile, … */
	const char *title;     /* for people */
	const char *technique; /* MITRE ATT&CK id */
};

/** struct autostart_entry - one thing that would start; strings are borrowed for the call */
struct autostart_entry {
	enum change_op op; /* added, changed, removed (moved and meta count as changed) */
	const struct autostart_class *class;
	struct str place;   /* file that holds it */
	struct str name;    /* unit, line, key */
	struct str command; /* as written */
	struct str program; /* resolved in the box, empty if not found */
};

/** autostart_between() - entries of the catalogue that differ, as changes_between(); an entry as
 * before whose program differs is 'changed'. -E2BIG when there were more than could be told */
int autostart_between(struct box *box, struct box_run *run, unsigned since,
		      int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx,
		      struct err *err);

/** struct autostart_start - one program that a boot and a login of this box would start */
struct autostart_start {
	const struct autostart_class *class;
	struct str place, name;
	int argc;
	const char *const *argv; /* ready for box_spawn() */
	const char *user;	 /* who it would run as */
	const char *cwd;	 /* NULL: home */
	const char *when;	 /* boot, login, timer, desktop */
	bool wait;		 /* ends by itself; the next waits for it (ExecStartPre, oneshot) */
	bool needed;		 /* and if it fails, what follows of the same unit does not start */
};
#define AUTOSTART_STARTS_MAX 256
/**
 * autostart_starts() - in the order of a boot: what the box's own entries name (the base's are
 * left alone): systemd units (enabled through .wants and timers), init.d by rc links, rc.local,
 * cron (@reboot and, once, entries that are due in any window), XDG autostart, shell profiles
 */
int autostart_starts(struct box *box, int (*fn)(void *ctx, const struct autostart_start *s),
		     void *ctx, struct err *err);

/** autostart_classes() - the catalogue's classes, ended by name NULL */
const struct autostart_class *autostart_classes(void);

/* ---- what files mean for security --------------------------------------------------------- */

/** enum file_concern - beyond autostart, what a person wants to see first */
enum file_concern {
	CONCERN_SETID = 1,    /* set-user-id, set-group-id, or file capabilities */
	CONCERN_USER = 2,     /* passwd, group, shadow, sudoers, subuid … */
	CONCERN_TRUST = 4,    /* certificate stores, apt keys */
	CONCERN_PACKAGED = 8, /* differs from what the package database says */
	CONCERN_NET = 16,     /* hosts, resolv.conf, nsswitch, proxies */
};
/** file_concerns() - for a change; users added or removed are told by users_between() */
unsigned file_concerns(const struct change *c);

/** struct user_change - a line of passwd or group that differs */
struct user_change {
	enum change_op op;
	const char *file; /* passwd, group */
	struct str name;
	struct str before, after; /* whole lines */
};
int users_between(struct box *box, struct box_run *run, unsigned since,
		  int (*fn)(void *ctx, const struct user_change *u), void *ctx, struct err *err);

/** packaged_between() - changed files that a package of the box's dpkg database owns and whose
 * MD5 differs from its md5sums; @owner is the package */
int packaged_between(struct box *box, struct box_run *run, unsigned since,
		     int (*fn)(void *ctx, struct str path, struct str owner), void *ctx,
		     struct err *err);

/** struct changes_fns - who is told what; any may be NULL */
struct changes_fns {
	int (*file)(void *ctx, const struct change *c);		       /* changes_between() */
	int (*packaged)(void *ctx, struct str path, struct str owner); /* packaged_between() */
	int (*autostart)(void *ctx, const struct autostart_entry *e);  /* autostart_between() */
};
/** changes_all_between() - all of them, in this order, from one walk. Where the list of changes is
 * cut, what can be told of those that are in it is told, and then -E2BIG. */
int changes_all_between(struct box *box, struct box_run *run, unsigned since,
			const struct changes_fns *fns, void *ctx, struct err *err);

#endif
