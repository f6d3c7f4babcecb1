// SPDX-License-Identifier: Apache-2.0
/*
 * spool.c - a ring in a mapped file: events survive the process from the moment of a memcpy
 *
 * Theory of operation
 *
 * The file is one page of header and a ring. Disk for the ring is reserved ahead of the first
 * store into it, so that a store into the mapping can not fail for want of disk. Positions count
 *bytes since the spool was made; position p is at ring[p % SPOOL_RING]. Records lie between tail
 *and head:
 *
 *	u64 check; u32 length; bytes; zeros up to a multiple of 8
 *
 * A record is written first and head moved behind it afterwards (release). MAP_SHARED pages
 * belong to the kernel: kill -9 at any instruction leaves whole records before head. Only a power
 * cut can write pages out of order; `check` covers position, length and bytes, so that such a
 * record, and one of an earlier lap, is told from a good one.
 *
 * The ring is mapped twice, one after the other: a record that crosses the end is contiguous.
 *
 * The lock is an OFD lock on the file: it ends with the process, a second open of the same
 * process is refused as well, and a reader can ask who holds it without taking it.
 */
#include <assert.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "journal/spool.h"

#define SPOOL_FILE_SIZE (SPOOL_PAGE + SPOOL_RING)
#define RECORD_ALIGN	8
#define BTRFS_MAGIC	0x9123683E

static const char spool_magic[8] = "BJSPOOL1";

struct spool_header {
	char magic[8];
	uint64_t ring;
	uint8_t id[SPOOL_ID_LEN];
	uint8_t pad[32];
	_Alignas(64) _Atomic uint64_t head; /* lines of their own: two threads store */
	_Alignas(64) _Atomic uint64_t tail;
};
static_assert(sizeof(struct spool_header) <= SPOOL_PAGE, "header fits its page");
static_assert(offsetof(struct spool_header, head) == 64, "on disk");
static_assert(offsetof(struct spool_header, tail) == 128, "on disk");

static size_t record_size(size_t n)
{
	return (SPOOL_RECORD_HEAD + n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* Tells accidents, not attackers: a multiply and a fold for every eight bytes. */
static uint64_t record_check(uint64_t pos, const uint8_t *p, size_t n)
{
	uint64_t h = (pos ^ 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull + n, w;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0xc4ceb9fe1a85ec53ull;
		h ^= h >> 29;
	}
	if (n) {
		w = 0;
		memcpy(&w, p, n);
		h = (h ^ w) * 0xc4ceb9fe1a85ec53ull;
	}
	return h ^ h >> 32;
}

enum spool_got spool_next(struct spool_view *view, const uint8_t **ret_p, size_t *ret_n)
{
	uint64_t left = view->to - view->from, check;
	uint32_t n;

	if (!left)
		return SPOOL_END;
	if (left < SPOOL_RECORD_HEAD)
		return SPOOL_TORN;
	memcpy(&check, view->p, 8);
	memcpy(&n, view->p + 8, 4);
	if (!n || n > SPOOL_RING || record_size(n) > left ||
	    check != record_check(view->from, view->p + SPOOL_RECORD_HEAD, n))
		return SPOOL_TORN;
	*ret_p = view->p + SPOOL_RECORD_HEAD;
	*ret_n = n;
	view->p += record_size(n);
	view->from += record_size(n);
	return SPOOL_RECORD;
}

/* ---- the writer's side -------------------------------------------------------------------- */

static bool lock_is_free(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &fl) || fl.l_type == F_UNLCK;
}

/* Opens and locks the file that has the name: one that was just removed by its last user does
 * not count. */
static int open_locked(int dirfd, struct err *err)
{
	for (;;) {
		cleanup_close int fd =
			openat(dirfd, SPOOL_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		struct stat st;

		if (fd < 0)
			return err_set(err, errno, "journal: open '%s'", SPOOL_NAME);
		if (fcntl(fd, F_OFD_SETLK, &fl)) {
			if (errno == EAGAIN || errno == EACCES)
				return err_set_exit(err, EXIT_BUSY, EBUSY,
						    "journal: another run writes this journal");
			return err_set(err, errno, "journal: lock '%s'", SPOOL_NAME);
		}
		if (fstat(fd, &st))
			return err_set(err, errno, "journal: look at '%s'", SPOOL_NAME);
		if (!S_ISREG(st.st_mode))
			return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
					    "journal: '%s' is no regular file", SPOOL_NAME);
		if (st.st_nlink)
			return steal_fd(&fd);
	}
}

/*
 * Blocks for the ring up to @upto, in steps: a store into the mapping has nowhere to report a full
 * disk, so they are there before the first store; and a short run does not pay for a long one.
 */
static int reserve(struct spool *s, uint64_t upto)
{
	uint64_t at = SPOOL_PAGE + s->reserved;

	upto = (upto + SPOOL_STEP - 1) & ~(uint64_t)(SPOOL_STEP - 1);
	upto = upto > SPOOL_RING ? SPOOL_RING : upto;
	if (fallocate(s->fd, 0, 0, SPOOL_PAGE + (off_t)upto)) {
		if (errno != EOPNOTSUPP)
			return -errno;
		/* read what is there and write it again: the ring may hold records */
		while (at < SPOOL_PAGE + upto) {
			char old[SPOOL_PAGE];
			ssize_t k = pread(s->fd, old, sizeof(old), (off_t)at);

			if (k == (ssize_t)sizeof(old))
				k = pwrite(s->fd, old, sizeof(old), (off_t)at);
			if (k <= 0)
				return k ? -errno : -EIO;
			at += (uint64_t)k;
		}
	}
	s->reserved = upto;
	return 0;
}

/* A copy-on-write file system needs new blocks for every store, unless it is told. */
static void no_copy_on_write(int fd)
{
	struct statfs fs;
	int flags;

	if (!fstatfs(fd, &fs) && fs.f_type == BTRFS_MAGIC && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static int map(struct spool *s, struct err *err)
{
	size_t all = SPOOL_PAGE + 2 * (size_t)SPOOL_RING;
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_set(err, errno, "journal: map '%s'", SPOOL_NAME);
	if (mmap(p, SPOOL_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, 0) ==
		    MAP_FAILED ||
	    mmap(p + SPOOL_FILE_SIZE, SPOOL_RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 s->fd, SPOOL_PAGE) == MAP_FAILED) {
		int code = errno;

		munmap(p, all);
		return err_set(err, code, "journal: map '%s'", SPOOL_NAME);
	}
	/* children of the supervisor, the program among them, must not have it */
	(void)madvise(p, all, MADV_DONTFORK);
	(void)madvise(p, all, MADV_DONTDUMP);
	/* read-ahead would clear the whole ring at the first touch: a millisecond of start-up */
	(void)madvise(p, all, MADV_RANDOM);
	s->h = (struct spool_header *)p;
	s->ring = p + SPOOL_PAGE;
	return 0;
}

/* Distances that the code relies on, in a header read from disk. */
static bool header_ok(const struct spool_header *h, uint64_t head, uint64_t tail)
{
	return !memcmp(h->magic, spool_magic, 8) && h->ring == SPOOL_RING && tail <= head &&
	       head - tail <= SPOOL_RING && head % RECORD_ALIGN == 0 && tail % RECORD_ALIGN == 0;
}

/* A header for a journal that nobody has numbered yet. */
static void fresh(struct spool *s)
{
	uint8_t id[SPOOL_ID_LEN];

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		abort(); /* 16 bytes are never short once the pool is ready */
	spool_reset(s, id);
}

int spool_open_passing(struct spool *ret, struct err *err)
{
	cleanup_close int fd = memfd_create(SPOOL_NAME, MFD_CLOEXEC);
	struct spool s = { .fd = fd };
	int rc;

	if (fd < 0)
		return err_set(err, errno, "journal: make '%s'", SPOOL_NAME);
	if (ftruncate(fd, SPOOL_FILE_SIZE))
		return err_set(err, errno, "journal: make '%s'", SPOOL_NAME);
	s.reserved = SPOOL_RING; /* memory is had at the first touch, or the process ends */
	rc = map(&s, err);
	if (rc)
		return rc;
	fresh(&s);
	s.fd = steal_fd(&fd);
	*ret = s;
	return 0;
}

int spool_open(int dirfd, struct spool *ret, bool *ret_old, struct err *err)
{
	cleanup_close int fd = open_locked(dirfd, err);
	struct spool s = { .fd = -1 };
	struct stat st;
	bool old;
	int rc;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return err_set(err, errno, "journal: look at '%s'", SPOOL_NAME);
	s.fd = fd;
	old = st.st_size >= SPOOL_FILE_SIZE;
	if (!old) {
		no_copy_on_write(fd);
		rc = ftruncate(fd, SPOOL_FILE_SIZE) ? -errno : reserve(&s, SPOOL_STEP);
		if (rc) {
			/* shorter than a spool, or empty: nothing can be in it */
			unlinkat(dirfd, SPOOL_NAME, 0);
			return err_set(err, rc, "journal: reserve disk for '%s'", SPOOL_NAME);
		}
	}
	rc = map(&s, err);
	if (rc)
		return rc;
	/* mapped before */
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
	if (old && !s.h->magic[0])
		old = false; /* killed between reserving and the first header */
	if (old && !header_ok(s.h, spool_head(&s), spool_tail(&s))) {
		s.fd = -1;
		spool_close(&s, dirfd, false);
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' is damaged; move it away to go on without the "
				    "events in it",
				    SPOOL_NAME);
	}
	if (old)
		memcpy(s.id, s.h->id, sizeof(s.id));
	else
		fresh(&s);
	s.fd = steal_fd(&fd);
	*ret = s;
	*ret_old = old;
	return 0;
}

void spool_close(struct spool *s, int dirfd, bool remove)
{
	if (!s || !s->h)
		return;
	munmap(s->h, SPOOL_PAGE + 2 * (size_t)SPOOL_RING);
	s->h = NULL;
	if (remove && dirfd >= 0)
		unlinkat(dirfd, SPOOL_NAME, 0);
	cleanup_close_p(&s->fd);
	s->fd = -1;
}

void spool_reset(struct spool *s, const uint8_t id[SPOOL_ID_LEN])
{
	struct spool_header *h = s->h;

	/* mapped before */
	// NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker)
	memset(h->magic, 0, sizeof(h->magic));
	atomic_store(&h->head, 0);
	atomic_store(&h->tail, 0);
	h->ring = SPOOL_RING;
	memcpy(h->id, id, SPOOL_ID_LEN);
	memcpy(s->id, id, SPOOL_ID_LEN);
	atomic_thread_fence(memory_order_release);
	memcpy(h->magic, spool_magic, sizeof(h->magic));
}

uint64_t spool_head(const struct spool *s)
{
	return atomic_load_explicit(&s->h->head, memory_order_acquire);
}

uint64_t spool_tail(const struct spool *s)
{
	return atomic_load_explicit(&s->h->tail, memory_order_acquire);
}

uint8_t *spool_place(struct spool *s, size_t n, size_t keep_free)
{
	uint64_t head = spool_head(s), at = head % SPOOL_RING;
	uint64_t end = at + record_size(n) + keep_free;

	s->code = 0;
	if (record_size(n) + keep_free > SPOOL_RING - (head - spool_tail(s)))
		return NULL;
	if (s->reserved < SPOOL_RING && end > s->reserved) {
		s->code = reserve(s, end);
		if (s->code)
			return NULL;
	}
	return s->ring + at + SPOOL_RECORD_HEAD;
}

void spool_commit(struct spool *s, size_t n)
{
	uint64_t head = spool_head(s), check;
	uint8_t *p = s->ring + head % SPOOL_RING;
	uint32_t n32 = (uint32_t)n;

	check = record_check(head, p + SPOOL_RECORD_HEAD, n);
	memcpy(p, &check, 8);
	memcpy(p + 8, &n32, 4);
	memset(p + SPOOL_RECORD_HEAD + n, 0, record_size(n) - SPOOL_RECORD_HEAD - n);
	atomic_store_explicit(&s->h->head, head + record_size(n), memory_order_release);
}

void spool_view(const struct spool *s, struct spool_view *ret)
{
	uint64_t tail = spool_tail(s);

	*ret = (struct spool_view){ s->ring + tail % SPOOL_RING, tail, spool_head(s) };
}

void spool_drop(struct spool *s, uint64_t tail)
{
	atomic_store_explicit(&s->h->tail, tail, memory_order_release);
}

/* ---- a reader's look ---------------------------------------------------------------------- */

static ssize_t pread_full(int fd, void *p, size_t n, uint64_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, (char *)p + got, n - got, (off_t)(at + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (!k)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

/* read(), not a mapping: a file that another cuts short must not be a SIGBUS. What a live writer
 * overwrites while it is copied fails its check. */
int spool_copy(int fd, uint8_t ret_id[SPOOL_ID_LEN], uint8_t **ret_copy, struct spool_view *ret,
	       bool *ret_live)
{
	cleanup_free uint8_t *copy = NULL;
	struct spool_header h;
	uint64_t head, tail;
	size_t n, first;
	ssize_t got;

	got = pread_full(fd, &h, sizeof(h), 0);
	if (got < 0)
		return (int)got;
	head = atomic_load(&h.head);
	tail = atomic_load(&h.tail);
	if (got < (ssize_t)sizeof(h) || !h.magic[0])
		head = tail = 0; /* being made */
	else if (!header_ok(&h, head, tail))
		return -EBADMSG;
	n = head - tail;
	copy = xcalloc(1, n + 1);
	first = SPOOL_RING - tail % SPOOL_RING < n ? SPOOL_RING - tail % SPOOL_RING : n;
	got = pread_full(fd, copy, first, SPOOL_PAGE + tail % SPOOL_RING);
	if (got >= 0 && n > first)
		got = pread_full(fd, copy + first, n - first, SPOOL_PAGE);
	if (got < 0)
		return (int)got;
	memcpy(ret_id, h.id, SPOOL_ID_LEN);
	*ret = (struct spool_view){ copy, tail, head };
	*ret_live = !lock_is_free(fd);
	*ret_copy = steal_ptr(&copy);
	return 0;
}
