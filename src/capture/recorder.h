// SPDX-License-Identifier: Apache-2.0
/*
 * recorder.h - what the recorder's files share
 *
 * Theory of operation
 *
 * Each program that belljar starts in the box is a *session*: two threads of the supervisor.
 * The notify thread (notify.c) receives held calls from the seccomp listener, decodes them
 * (decode_*.c over target.c), appends their events, and answers: mostly "go on". The trace thread
 * (trace.c) has attached with PTRACE_SEIZE and is told of fork, exec, exit and signals, of
 * nothing else; it keeps the process table (proctab.c), so that every held call has an exact
 * process, whatever its parents did before they ended. A new process stands still until it is in
 * the table. Threads share the table under one lock; journal_append() has its own.
 *
 * Invariant: a held call is answered after its event is in the journal, never before.
 */
#ifndef BELLJAR_CAPTURE_RECORDER_H
#define BELLJAR_CAPTURE_RECORDER_H

#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "capture/capture.h"
#include "capture/filter.h"

#define SESSIONS_MAX  1024	   /* programs started by belljar in one run of a box */
#define PATH_TEXT_MAX (3 * 4096)   /* a directory and a path below it, PATH_MAX each, and a root */
#define GROUPS_MAX    64	   /* supplementary groups kept under root emulation */
#define EXEC_HASH_MAX (1ull << 30) /* larger executables are recorded without a hash */

/* ---- process table ------------------------------------------------------------------------ */

/** struct creds - identity that a process claims under root emulation */
struct creds {
	uint32_t uid[3], gid[3]; /* real, effective, saved */
	uint32_t fsuid, fsgid;
	uint32_t ngroups, groups[GROUPS_MAX];
	bool keeps; /* PR_SET_KEEPCAPS: it may still change identities after leaving root's */
};

/** struct proc - one process; lives while it has tasks */
struct proc {
	uint32_t key;	   /* process key in the journal */
	pid_t tgid, inner; /* in our pid namespace, in the box's */
	uint32_t tasks;	   /* threads in the table */
	bool execed;	   /* false only for a child of pid 1 that has not become its program yet */
	bool adopted;	   /* taken in without its parent's event: trace.c */
	bool cut;	   /* threads of it have ended at an exec */
	bool rooted;	   /* it or an ancestor has called chroot */
	bool trace_me;	   /* it has asked to be traced (PTRACE_TRACEME), and believes it is */
	bool patched;	   /* its identity and stat calls are traced: see emulate.c */
	bool patch_wanted; /* a SIGSTOP of ours is on its way: patch when it arrives */
	struct creds creds;
};

struct proctab;
struct proctab *proctab_new(void);
void proctab_free(struct proctab *t);
/** proctab_get() - process of a task (thread id in our namespace); NULL if unknown */
struct proc *proctab_get(struct proctab *t, pid_t tid);
/** proctab_by_key() - process with this key; NULL if it is gone */
struct proc *proctab_by_key(struct proctab *t, uint32_t key);
/** proctab_add_process() - a new process with @tgid as its first task */
struct proc *proctab_add_process(struct proctab *t, pid_t tgid, uint32_t key);
void proctab_add_thread(struct proctab *t, struct proc *p, pid_t tid);
/** proctab_drop() - a task is gone; frees its process with the last one */
void proctab_drop(struct proctab *t, pid_t tid);
/** proctab_exec() - after exec only @tgid is left of a process's tasks */
void proctab_exec(struct proctab *t, struct proc *p);
/** proctab_get_inner() - process of a task by its number in the box; @pidns: fd of the box's pid
 * namespace, or -1 (then only by process id) */
struct proc *proctab_get_inner(struct proctab *t, int pidns, pid_t inner);
/** pid_in_box() - the number that task @tid (ours) has in the box; -1 unknown */
pid_t pid_in_box(int pidns, pid_t tid);
size_t proctab_size(const struct proctab *t);
/** proctab_each() - all tasks, in no order */
void proctab_each(struct proctab *t, void (*fn)(void *ctx, pid_t tgid, pid_t tid), void *ctx);
/** proctab_only() - key of the only process that there has ever been, it may have ended; 0: several
 */
uint32_t proctab_only(const struct proctab *t);
/** proctab_processes() - every process, once for each of its tasks */
void proctab_processes(struct proctab *t, void (*fn)(void *ctx, const struct proc *p), void *ctx);

/* ---- recorder and sessions ---------------------------------------------------------------- */

struct recorder;

struct session {
	struct recorder *rec;
	char *cause;
	pid_t program; /* in our pid namespace */
	int listener;
	bool traced, noticed; /* threads to join */
	pthread_t trace, notify;
	int threads_rc;
	pthread_mutex_t lock;	/* guards what follows */
	pthread_cond_t changed; /* joined or attach_rc */
	int joined;		/* program and listener are known: 1; there will be none: -1 */
	int attach_rc;		/* 1 until the trace thread has attached or failed */
	struct err attach_err;
};

struct exec_cache;
struct flowtab;
struct lapse;
struct decoy_reads;
/** decoy_reads_free() - tells what is left; NULL is fine */
void decoy_reads_free(struct decoy_reads *d);

/** struct made - a file that a process with a claimed identity is about to make */
struct made {
	char *path;
	uint32_t uid, gid;
};
#define MADE_MAX 256

struct recorder {
	struct journal *j;
	struct box_run *run;
	struct box *box;
	int rootfd;	       /* the box's / */
	int pidns;	       /* the box's pid namespace, for inner ids; -1 */
	bool emulate;	       /* box ids are not real */
	bool gated;	       /* what leaves goes to the gate */
	struct flowtab *flows; /* who uses which port; has a lock of its own */
	pthread_mutex_t lock;  /* guards procs, execs, made, sessions */
	struct proctab *procs;
	struct exec_cache *execs;
	struct decoy_reads *decoys; /* NULL: nobody looks */
	int nmade;
	bool claimed; /* something in the box claims not to be box root: patch at exec */
	int nsessions;
	const struct box_clock *clock;
	struct lapse *lapse; /* NULL: the box's time is real time */
	atomic_uint hits;    /* RECORDER_HIT_… */
	uint32_t pids_max;
	atomic_int failed;	   /* errno of an append that failed: the box must end */
	atomic_uint_fast64_t held; /* calls that were held so far */
	atomic_uint_fast64_t lost; /* held calls whose process died before the answer */
	/* last, and not cleared */
	struct made made[MADE_MAX];
	struct session *sessions[SESSIONS_MAX];
};

/** session_joined() - the session's threads wait for their program. False: there is none */
bool session_joined(struct session *s);

/** recorder_append() - journal_append(), remembering failure; @ev->t is set to now */
void recorder_append(struct recorder *rec, struct event *ev);

/* ---- notify thread ------------------------------------------------------------------------ */

/** struct answer - what a held call gets */
struct answer {
	enum { ANSWER_GO_ON, ANSWER_VALUE, ANSWER_ERROR } what;
	int64_t value; /* VALUE: return value; ERROR: positive errno */
};

/** struct held - a held call while it is decoded */
struct held {
	struct recorder *rec;
	const struct seccomp_notif *n;
	const struct call *call;
	pid_t tid;
	bool ia32;
	uint64_t a[6]; /* arguments, cut to 32 bits for i386 callers */
	uint32_t proc; /* process key */
	pid_t tgid;
	bool rooted;
	bool unread;	    /* something that it points at could not be read */
	struct creds creds; /* copy, valid under emulation */
	struct answer answer;
	char path[PATH_TEXT_MAX], path2[PATH_TEXT_MAX], text[PATH_TEXT_MAX];
};

void *notify_thread(void *session);

/* decoders: decode_files.c, decode_sockets.c, decode_walls.c, emulate.c */
typedef void decoder(struct held *h);
decoder decode_open, decode_openat, decode_openat2, decode_creat, decode_mkdir, decode_mknod,
	decode_unlink, decode_unlinkat, decode_rmdir, decode_rename, decode_link, decode_symlink,
	decode_truncate, decode_chmod, decode_fchmod, decode_chown, decode_lchown, decode_fchown,
	decode_setxattr, decode_fsetxattr, decode_removexattr, decode_fremovexattr,
	decode_setxattrat, decode_setflags, decode_file_setattr, decode_memfd, decode_utimes;
decoder decode_mmap, decode_old_mmap;
decoder decode_kill, decode_pidfd_kill;
decoder decode_socket, decode_connect, decode_listen, decode_sendto, decode_sendmsg,
	decode_sendmmsg, decode_socketcall;
decoder decode_setid, decode_keepcaps, decode_capset, decode_wall, decode_chroot, decode_ptrace,
	decode_clone, decode_clone3, decode_fcntl, decode_prlimit, decode_foreign, decode_vm_write,
	decode_ioctl, decode_setsockopt, decode_adjtime, decode_personality;

/** answer_error() - the call fails with @error and is not carried out */
static inline void answer_error(struct held *h, int error)
{
	h->answer.what = ANSWER_ERROR;
	h->answer.value = error;
}

/** answer_value() - the call returns @value and is not carried out */
static inline void answer_value(struct held *h, int64_t value)
{
	h->answer.what = ANSWER_VALUE;
	h->answer.value = value;
}

/** held_event() - an event of the held call's process */
struct event held_event(const struct held *h, enum event_kind kind);
/** attempt() - append an ATTEMPT event for the held call */
void attempt(struct held *h, const char *category, const char *args, const char *answer, int error,
	     const char *reason);

/* ---- the target's memory and files (target.c) --------------------------------------------- */

/** target_read() - @n bytes at @addr of a task. Return: 0 or -EFAULT */
int target_read(pid_t tid, uint64_t addr, void *p, size_t n);
/** target_write() - the other way */
int target_write(pid_t tid, uint64_t addr, const void *p, size_t n);
/** target_string() - NUL-terminated string, at most @size-1 bytes. Return: length, -EFAULT, or
 * -ENAMETOOLONG when there is no NUL within @size (the buffer then holds the beginning) */
ssize_t target_string(pid_t tid, uint64_t addr, char *out, size_t size);
/** target_path() - absolute path that a path argument names, in @out[PATH_TEXT_MAX]
 * @dirfd: the dirfd argument, AT_FDCWD when the call has none. Return: 0 or -errno, with the best
 * that is known in @out */
int target_path(struct held *h, int dirfd, uint64_t addr, char *out);
/** held_read(), held_string() - of the caller: what cannot be read, though it points somewhere, is
 * kept from the kernel as well (@h->unread): it might be able to */
int held_read(struct held *h, uint64_t addr, void *p, size_t n);
ssize_t held_string(struct held *h, uint64_t addr, char *out, size_t size);
/** target_fd_path() - what a descriptor names: path, 'pipe:[…]', '/memfd:…' */
int target_fd_path(const struct held *h, int fd, char *out);
/** target_fd() - our own duplicate of a task's descriptor (pidfd_getfd). Return: fd or -errno */
int target_fd(const struct held *h, int fd);
/** tidy_path() - in place: "/a//b/./c/" → "/a/b/c"; ".." stays, what it means depends on links */
void tidy_path(char *path);
/** enum look - how to look at a path that a held call names */
enum look {
	LOOK = 0,
	LOOK_FOLLOW = 1, /* the call follows a link at the path's end */
	LOOK_CHANGE = 2, /* the call is about to change what is there: take it over */
};
/** existed() - whether @path is there now, in the box's view: 1, 0, or -1 unknown */
int existed(const struct held *h, const char *path, int look);
/** take_over() - a file of the host (open with O_PATH) becomes the box's own; others are left */
void take_over(struct recorder *rec, int fd, const struct stat *st);
/** open_in_box() - open a path as the box sees it, links resolved inside it. Return: fd or -errno
 */
int open_in_box(const struct recorder *rec, const char *path, int flags);
/** user_of() - effective user of a task in the box's own numbers, -1 unknown */
int64_t user_of(const struct recorder *rec, pid_t tid);

/* ---- ports of flows (flowtab.c) ------------------------------------------------------------ */

struct sockaddr_storage;
struct flowtab *flowtab_new(struct port_uses *uses);
void flowtab_free(struct flowtab *t);
/** flow_is_of() - the held call talks by socket @fd (of the caller) to @to, outside of the box: its
 * port is, from now on, the caller's. Gives the socket a port when it has none */
void flow_is_of(struct held *h, int fd, const struct sockaddr_storage *to);
/** flowtab_put(), flowtab_get() - the table itself */
void flowtab_put(struct flowtab *t, int protocol, bool ip6, uint16_t port, uint32_t proc,
		 uint64_t at);
uint32_t flowtab_get(struct flowtab *t, int protocol, bool ip6, uint16_t port, uint64_t at);

/* ---- exec (exec.c, code_cache.c)
 * ------------------------------------------------------------------------ */

struct exec_cache *exec_cache_new(void);
void exec_cache_free(struct exec_cache *c);
/** exec_record() - append the exec event of a process that stands at its exec stop */
void exec_record(struct recorder *rec, const struct proc *p, const char *cause);
/** is_hosts_own() - the host root's file that others may not write: nothing in a box can have
 * written it */
static inline bool is_hosts_own(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & S_IWOTH);
}
/** code_hash() - SHA-256 of a file that is run or mapped, "" when it cannot be had; the same file
 * is hashed once */
void code_hash(struct recorder *rec, int fd, const struct stat *st, char out[SHA256_HEX]);
/** code_keep() - where no later look could find a file (@path says so), its bytes are kept now */
void code_keep(struct recorder *rec, uint32_t proc, int fd, const char *path);

/* ---- trace thread (trace.c) and root emulation (emulate.c) -------------------------------- */

void *trace_thread(void *session);

/**
 * emulate_patch() - from now on @tid's identity and stat calls are answered by belljar
 *
 * Called at a ptrace stop before user code runs on; makes the task call seccomp(2) itself.
 * Return: 0 or -errno, the task's registers as they were; 1 when it has ended, with its status.
 */
int emulate_patch(pid_t tid, int *ret_status);
/** emulate_call() - at PTRACE_EVENT_SECCOMP of a patched task. Return: true when it must be stopped
 * again at the end of the call */
bool emulate_call(pid_t tid, const struct creds *c);
/** emulate_exit() - at the end of that call */
void emulate_exit(struct recorder *rec, pid_t tid);

/* inject.c */

#define INJECT_MAX 80 /* instructions of such a filter */
/**
 * inject_filter() - a task that is stopped before a signal of ours installs a seccomp filter, for
 * all its threads; the call that the signal has broken off is begun again
 * @vdso: where the vDSO is in it
 *
 * Return: 0 or -errno, the task's registers as they were; 1 when it has ended, with its status.
 */
int inject_filter(pid_t tid, uint64_t vdso, const struct sock_filter *filter, size_t n,
		  int *ret_status);
/** was_broken_off() - the result of a call says that a signal has ended it (linux/errno.h) */
bool was_broken_off(int64_t rax);
/** is_int80() - the instruction before @pc is `int $0x80`: 64-bit code has made a call of i386 */
bool is_int80(pid_t tid, uint64_t pc);

/* socketcall.c: a call with its arguments in memory becomes one with registers */

struct turned; /* the tasks in such a call; a tracer begins with NULL */
/** socketcall_begin() - at PTRACE_EVENT_SECCOMP with FILTER_SOCKETCALL. Return: true when the task
 * must be stopped again at the end of the call */
bool socketcall_begin(struct turned **all, pid_t tid);
/** socketcall_end() - at the end of a call. Return: false when it was none of these */
bool socketcall_end(struct turned **all, pid_t tid);
/** socketcall_drop() - a task is gone */
void socketcall_drop(struct turned **all, pid_t tid);
void socketcall_drop_all(struct turned **all);

/* claims.c: who owns what under root emulation */

/** claim_created() - a file is about to be made: it will belong to the maker's claimed identity */
void claim_created(struct held *h, const char *path);
/** claim_owner() - chown. Return: 0, or the error that the kernel would give: -ENOENT, -EPERM */
int claim_owner(struct held *h, const char *path, int at_flags, int64_t uid, int64_t gid);
/** claims_settle() - files that were about to be made exist now: write their claims down */
void claims_settle(struct recorder *rec);
/** claims_exist() - whether an earlier run of this box has left claims */
bool claims_exist(int box_dirfd);
/** claim_of() - who a file claims to belong to; false: nobody but box root */
bool claim_of(int fd, uint32_t *ret_uid, uint32_t *ret_gid);

#endif
