// SPDX-License-Identifier: Apache-2.0
/*
 * base.h - what every room uses: errors, bounded bytes, cleanup, clock, hashes, files, lockdown
 *
 * Conventions of the whole house
 *
 * A function that can fail returns int, 0 or a negative errno, and takes a caller-owned
 * `struct err *err` last; err_set() at the failing site makes the sentence. Outputs are named
 * ret_x and are untouched on failure. Destructors accept NULL. Questions return bool.
 * Nothing in here prints.
 */
#ifndef BELLJAR_BASE_H
#define BELLJAR_BASE_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define UNUSED	      __attribute__((unused))

/* ---- errors ------------------------------------------------------------------------------- */

/**
 * enum exit_status - what belljar's own failures exit with, the same in every subcommand
 *
 * `run` otherwise exits with the program's own status, 128+N when signal N ended it; the values
 * here are chosen to be rare there. 124, 126 and 127 mean what they mean in env(1), timeout(1).
 */
enum exit_status {
	EXIT_OK = 0,
	EXIT_NEGATIVE = 1,     /* the question was answered with no: verify found a change, … */
	EXIT_USAGE = 2,	       /* unusable arguments */
	EXIT_NO_BOX = 111,     /* no box, snapshot or journal of that name */
	EXIT_BUSY = 112,       /* another run holds the box */
	EXIT_NO_WALL = 113,    /* the kernel or the machine lacks a wall that the box needs */
	EXIT_CORRUPT = 114,    /* a journal or box folder that cannot be read */
	EXIT_NO_SPACE = 115,   /* disk full, or over a quota */
	EXIT_BAD_NAME = 116,   /* a box or snapshot name with characters that are not allowed */
	EXIT_UNREADABLE = 117, /* a file or folder given by the user cannot be read or written */
	EXIT_EXISTS = 118,     /* a box or snapshot of that name exists already */
	EXIT_INTERNAL = 119,   /* anything else */
	EXIT_TIME = 124,       /* --time ran out */
	EXIT_NOT_EXEC = 126,   /* the program was found and could not be executed */
	EXIT_NOT_FOUND = 127,  /* no such program in the box */
};

#define ERR_MSG_MAX 1024

/** struct err - one failure: errno, exit status of the process, and the sentence for people */
struct err {
	int code; /* positive errno, 0 while nothing failed */
	enum exit_status
		exit; /* EXIT_INTERNAL unless set by err_set_exit() or derived from errno */
	char msg[ERR_MSG_MAX]; /* `room: what was tried 'with what': reason`, no newline, escaped */
};

/**
 * err_set() - record a failure
 * @err:  may be NULL
 * @code: errno, positive or negative; its text is appended after ": " unless 0
 *
 * ENOSPC and EDQUOT set exit to EXIT_NO_SPACE. Control bytes in the sentence become \xNN.
 *
 * Return: -code (or -EIO when code is 0), so that a site can `return err_set(...)`.
 */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/** err_set_exit() - the same, with a chosen exit status */
int err_set_exit(struct err *err, enum exit_status exit, int code, const char *fmt, ...)
	PRINTF(4, 5);

/* ---- cleanup ------------------------------------------------------------------------------ */

#define cleanup(f) __attribute__((cleanup(f)))
void cleanup_free_p(void *p);
void cleanup_close_p(const int *fd);
void cleanup_file_p(FILE **f);
#define cleanup_free  cleanup(cleanup_free_p)
#define cleanup_close cleanup(cleanup_close_p)
#define cleanup_file  cleanup(cleanup_file_p)

/** steal_fd() - hand a descriptor over: returns it and leaves -1 behind */
static inline int steal_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

#define steal_ptr(pp)                                                                              \
	({                                                                                         \
		typeof(*(pp)) p_ = *(pp);                                                          \
		*(pp) = NULL;                                                                      \
		p_;                                                                                \
	})

/* ---- memory: out of memory ends the process; there is no sensible way on ------------------ */

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* ---- bytes -------------------------------------------------------------------------------- */

/** struct str - borrowed bytes, from anywhere; not NUL-terminated, may hold any byte */
struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
struct str str_z(const char *z); /* NULL gives the empty string */
bool str_eq(struct str a, struct str b);
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);

/** fnv1a() - go on from @h, FNV1A at first, over these bytes: FNV-1a of 64 bits
 * (draft-eastlake-fnv). For tables and the like; whoever chooses the bytes can make two of them
 * meet */
#define FNV1A 0xcbf29ce484222325ull
uint64_t fnv1a(uint64_t h, const void *p, size_t n);
/** utf8_valid() - whether the bytes are valid UTF-8 (RFC 3629) without NUL */
bool utf8_valid(const char *p, size_t n);

/** struct buf - growing bytes, limited; writes past the limit set .overflow and are dropped */
struct buf {
	char *p;
	size_t n, cap, limit; /* limit 0: BUF_LIMIT_DEFAULT */
	bool overflow;
};
#define BUF_LIMIT_DEFAULT (256u << 20)
void buf_free(struct buf *b);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *z);
void buf_number(struct buf *b, uint64_t v); /* as rd_number() reads it */
void buf_str(struct buf *b, struct str s);  /* as rd_str() reads it */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/** buf_quote() - one word as a shell needs it: plain where it can be, else in single quotes */
void buf_quote(struct buf *b, const char *p, size_t n);
char *buf_z(struct buf *b); /* NUL-terminated view, valid until the next add */
#define cleanup_buf cleanup(buf_free)

/* ---- memory that is freed at once, growing arrays, numbered strings ----------------------- */

struct arena {
	struct arena_chunk *top;
};
void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned */
struct str arena_str(struct arena *a, struct str s);
void arena_free(struct arena *a);

/** vec_grow() - room for one more in a malloc'd array */
void *vec_grow(void *p, size_t n, size_t *cap, size_t size);

/** struct intern - different byte strings, numbered 0, 1, … in the order of their first use */
struct intern {
	struct arena *a;
	struct intern_item {
		uint64_t hash;
		struct str s;
	} * item;
	uint32_t *slot;
	size_t n, cap, nslots;
	uint32_t max; /* no more than this many; 0: INTERN_MAX */
	uint64_t seed;
};
#define INTERN_NONE UINT32_MAX
#define INTERN_MAX  20000
uint32_t intern_add(struct intern *in, struct str s, bool *ret_new); /* INTERN_NONE when full */
uint32_t intern_find(const struct intern *in, struct str s);
void intern_free(struct intern *in);

/* ---- bounded readers and writers ----------------------------------------------------------- */

/** struct rd - bounds-checked reader with a sticky error: after a short read all reads give 0 */
struct rd {
	const uint8_t *p, *end;
	bool bad;
};
uint64_t rd_varint(struct rd *r); /* LEB128, at most 10 bytes */
uint8_t rd_u8(struct rd *r);
uint32_t rd_u32(struct rd *r); /* little endian */
uint64_t rd_u64(struct rd *r);
const uint8_t *rd_bytes(struct rd *r, size_t n); /* NULL on a short read */
/** rd_number() - a varint of @max at most; a larger one is bad, and 0 */
uint64_t rd_number(struct rd *r, uint64_t max);
/** rd_str() - a varint length of @max at most, and its bytes, which are not copied */
struct str rd_str(struct rd *r, size_t max);

/** struct wr - bounds-checked writer into a fixed buffer, sticky .bad on overflow */
struct wr {
	uint8_t *p, *end;
	bool bad;
};
void wr_varint(struct wr *w, uint64_t v);
void wr_u8(struct wr *w, uint8_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *p, size_t n);

/* ---- clock -------------------------------------------------------------------------------- */

#define NSEC_PER_SEC 1000000000ull
uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_real_ns(void); /* CLOCK_REALTIME, since the epoch */

#define BOX_CLOCK_JUMPS 256
/** struct box_clock - a box's own time: the supervisor puts it forward, the gate process reads */
struct box_clock {
	_Atomic uint64_t ahead; /* ns: its CLOCK_MONOTONIC is ours and so much; it only grows */
	_Atomic uint64_t date;	/* ns: its CLOCK_REALTIME is ours, and ahead, and so much */
	/* the last jumps, for what is dated later than it happened: our CLOCK_REALTIME, ahead from
	 * then on; the number of all jumps */
	_Atomic uint64_t njumps;
	struct {
		_Atomic uint64_t real, ahead;
	} jump[BOX_CLOCK_JUMPS];
};
/** struct clock_hints - what the gate process says, which may lie: when it is not to be skipped */
struct clock_hints {
	_Atomic uint64_t due; /* t at which it has something to do; 0 unknown, UINT64_MAX never */
	_Atomic uint64_t outside; /* CLOCK_MONOTONIC up to which somebody outside may answer */
};
/** box_clock_ahead() - of a clock that may not be there: NULL is real time */
static inline uint64_t box_clock_ahead(const struct box_clock *c)
{
	return c ? c->ahead : 0;
}

/** box_clock_date() - the box's date of a moment of our CLOCK_REALTIME a little while ago */
uint64_t box_clock_date(const struct box_clock *c, uint64_t real_ns);

/** clock_iso() - @ns since the epoch as RFC 3339 UTC, milliseconds: 2026-11-23T19:24:01.123Z */
#define CLOCK_ISO_MAX 32
const char *clock_iso(uint64_t ns, char buf[CLOCK_ISO_MAX]);

/* ---- shared between the recorder and the gate process -------------------------------------- */

/** struct shared - memory that we write at .rw; a process that is forked has .ro only, and no way
 * to write it */
struct shared {
	void *rw;
	const void *ro;
	size_t n;
};
/** shared_make() - @n bytes of zeros. Return: 0 or -errno */
int shared_make(size_t n, struct shared *ret, struct err *err);
void shared_free(struct shared *s); /* one of zeros is fine */

/** struct port_uses - how many sockets have talked from each UDP port of a box; [1]: by IPv6. In
 * memory that both processes have mapped; one counts, the other reads */
struct port_uses {
	_Atomic uint32_t udp[2][65536];
};

/* ---- hashes (OpenSSL) --------------------------------------------------------------------- */

#define SHA256_LEN 32
#define SHA256_HEX (2 * SHA256_LEN + 1)
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN]); /* ready for a new message after */
void sha256_free(struct sha256 *h);
void sha256_once(const void *p, size_t n, uint8_t out[SHA256_LEN]);
void hex_encode(const void *p, size_t n, char *out /* 2n+1 */);
int hex_decode(const char *hex, size_t n, uint8_t *out /* n/2 */); /* -EINVAL */

/**
 * sha256_fd() - hash a regular file from its start, the file offset stays
 * @max: more bytes than this are an error -EFBIG
 *
 * Return: 0 or -errno (EFBIG, EINVAL for what is no regular file, read errors).
 */
int sha256_fd(int fd, uint64_t max, char out[SHA256_HEX], uint64_t *ret_size);

/** sha256_file() - sha256_fd() for one who hashes many and has looked at them already
 * @h:    ready for a message, and again afterwards
 * @size: bytes that the file has by its attributes; it may have others by now
 * @head: gets its first bytes, 0 where it is shorter; may be NULL
 */
int sha256_file(struct sha256 *h, int fd, uint64_t size, uint64_t max, char out[SHA256_HEX],
		char head[4], uint64_t *ret_size);

/* ---- files -------------------------------------------------------------------------------- */

ssize_t read_full(int fd, void *p, size_t n);	 /* bytes read, short only at EOF; -errno */
int write_full(int fd, const void *p, size_t n); /* 0 or -errno */
/** descriptors_most() - as many as the hard limit allows, and how many that is (getrlimit(2)) */
size_t descriptors_most(void);
/** trusted_bundles - where distributions keep the certificates that a machine trusts (PEM); NULL
 * ends it */
extern const char *const trusted_bundles[];
/** read_file_at() - whole small file as NUL-terminated malloc'd bytes; -EFBIG above @max */
int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n);
int write_file_at(int dirfd, const char *path, mode_t mode, const void *p,
		  size_t n);		    /* atomic: temp + rename */
int mkdir_p(const char *path, mode_t mode); /* 0 or -errno; existing is fine */
/**
 * rm_rf_at() - remove a tree of any depth and size without following links or leaving the file
 * system; what is not there is removed already
 *
 * What cannot be removed stays, the rest goes. Return: 0 or -errno of the first that stayed.
 */
int rm_rf_at(int dirfd, const char *name);
int fd_set_cloexec(int fd, bool on);

/* ---- passing descriptors over AF_UNIX ----------------------------------------------------- */

#define FDPASS_MAX 8
int fdpass_send(int sock, const void *p, size_t n, const int *fds, int nfds);
/** fdpass_recv() - one message; descriptors come close-on-exec. Return: bytes, 0 at EOF, -errno */
ssize_t fdpass_recv(int sock, void *p, size_t n, int *fds, int *nfds /* in: room, out: got */);

/* ---- lockdown of our own processes (libseccomp) ------------------------------------------- */

/**
 * lockdown_reader() - from here on: no new files, sockets, processes; only what is open
 *
 * For processes that read hostile strings from the journal (judge, report): everything they need
 * must be open. no_new_privs, core dumps off, a seccomp allowlist whose default is EPERM.
 *
 * Return: 0 or -errno.
 */
int lockdown_reader(struct err *err);

/**
 * lockdown_gate() - from here on: move bytes between open sockets, accept, and compute
 *
 * For the process that sees a box's traffic. No capability, undumpable, no core, no new process;
 * a seccomp allowlist whose default is EPERM, for all threads: no call that names a file, a process
 * or an address is in it. A connected socket that it was handed cannot be connected, bound or sent
 * to anywhere else (no connect, bind, sendmsg; sendto without an address only), memory cannot
 * become executable.
 * @pairs: it may still make sockets that are connected to each other, and to nobody else
 *
 * Return: 0 or -errno.
 */
int lockdown_gate(bool pairs, struct err *err);

#endif
