// SPDX-License-Identifier: Apache-2.0
/*
 * code_cache.c - hashes of what is run and mapped: each file once a run, the host's large ones once
 *
 * Theory of operation
 *
 * A table remembers the files of this run by device, inode, size and both times. Large programs
 * that belong to the host's root (a compiler, node, a browser) are remembered longer: their records
 * are in the file `hashes` in the home of the boxes, which nothing in a box can reach. There the
 * device does not count, as an overlay has another one each time; inode, size and the time of the
 * last change, which nobody but the kernel sets, are evidence enough that it is the same file. One
 * that was changed a moment ago is left out, for time comes in ticks.
 *
 * The file is records of one size, appended by single writes; each carries a check over the rest.
 * What does not check is not believed, and a file that cannot be read or written is done without.
 */
#include <sys/stat.h>
#include <uthash.h>

#include "capture/recorder.h"

#define CACHE_MAX  65536	/* files remembered in one run */
#define HASHES	   "hashes"	/* in the home of the boxes */
#define HASHES_MAX 16384	/* records in it: then it is begun anew */
#define LARGE	   (512u << 10) /* smaller ones are hashed faster than looked up */

struct cache_key {
	uint64_t dev, ino, size, mtime_ns, ctime_ns;
};

struct cached {
	struct cache_key key;
	uint8_t sum[SHA256_LEN];
	UT_hash_handle hh;
};

/* as in the file */
struct kept {
	struct cache_key key; /* dev 0 */
	uint8_t sum[SHA256_LEN];
	uint8_t check[8]; /* first bytes of the SHA-256 of what is before */
};
_Static_assert(sizeof(struct kept) == 80, "no holes in what is written");

struct exec_cache {
	struct cached *files;
	bool loaded;
	size_t nkept;
};

struct exec_cache *exec_cache_new(void)
{
	return xcalloc(1, sizeof(struct exec_cache));
}

void exec_cache_free(struct exec_cache *c)
{
	struct cached *k, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->files, k, next)
	{
		HASH_DEL(c->files, k);
		free(k);
	}
	free(c);
}

static struct cache_key key_of(const struct stat *st, bool keep)
{
	return (struct cache_key){
		.dev = keep ? 0 : st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns =
			(uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_mtim.tv_nsec,
		.ctime_ns =
			(uint64_t)st->st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_ctim.tv_nsec,
	};
}

static struct cached *find(struct exec_cache *c, const struct cache_key *key)
{
	struct cached *k;

	HASH_FIND(hh, c->files, key, sizeof(*key), k);
	return k;
}

static void add(struct exec_cache *c, const struct cache_key *key, const uint8_t sum[SHA256_LEN])
{
	struct cached *k;

	if (find(c, key) || HASH_COUNT(c->files) >= CACHE_MAX)
		return;
	k = xcalloc(1, sizeof(*k));
	k->key = *key;
	memcpy(k->sum, sum, SHA256_LEN);
	HASH_ADD(hh, c->files, key, sizeof(k->key), k);
}

/* ---- from run to run ---------------------------------------------------------------------- */

static void check_of(const struct kept *r, uint8_t out[sizeof(r->check)])
{
	uint8_t sum[SHA256_LEN];

	sha256_once(r, offsetof(struct kept, check), sum);
	memcpy(out, sum, sizeof(r->check));
}

static bool may_keep(const struct stat *st)
{
	uint64_t now = clock_real_ns() / NSEC_PER_SEC;

	return st->st_size >= LARGE && is_hosts_own(st) && st->st_ctim.tv_sec >= 0 &&
	       (uint64_t)st->st_ctim.tv_sec + 2 < now;
}

static void load(struct recorder *rec)
{
	cleanup_free char *text = NULL;
	size_t n = 0;

	rec->execs->loaded = true;
	if (read_file_at(box_homefd(rec->box), HASHES, HASHES_MAX * sizeof(struct kept), &text, &n))
		return;
	for (size_t at = 0; at + sizeof(struct kept) <= n; at += sizeof(struct kept)) {
		uint8_t check[8];
		struct kept r;

		memcpy(&r, text + at, sizeof(r));
		check_of(&r, check);
		if (!memcmp(check, r.check, sizeof(check)) && !r.key.dev)
			add(rec->execs, &r.key, r.sum);
	}
	rec->execs->nkept = n / sizeof(struct kept);
}

static void keep(struct recorder *rec, const struct cache_key *key, const uint8_t sum[SHA256_LEN])
{
	struct kept r = { .key = *key };
	cleanup_close int fd = -1;
	struct stat st;

	if (rec->execs->nkept >= HASHES_MAX - 64) /* other runs append as well */
		unlinkat(box_homefd(rec->box), HASHES, 0);
	memcpy(r.sum, sum, SHA256_LEN);
	check_of(&r, r.check);
	fd = openat(box_homefd(rec->box), HASHES,
		    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st))
		return;
	/* a record that a full disk has cut: those behind it would not be whole either */
	if (st.st_size % (off_t)sizeof(r) && ftruncate(fd, 0))
		return;
	(void)!write(fd, &r, sizeof(r));
	rec->execs->nkept = (size_t)st.st_size / sizeof(r) + 1;
}

void code_hash(struct recorder *rec, int fd, const struct stat *st, char out[SHA256_HEX])
{
	bool kept = may_keep(st);
	struct cache_key key = key_of(st, kept);
	uint8_t sum[SHA256_LEN];
	struct cached *k;

	out[0] = 0;
	pthread_mutex_lock(&rec->lock);
	if (kept && !rec->execs->loaded)
		load(rec);
	k = find(rec->execs, &key);
	if (k)
		hex_encode(k->sum, SHA256_LEN, out);
	pthread_mutex_unlock(&rec->lock);
	if (out[0] || sha256_fd(fd, EXEC_HASH_MAX, out, NULL) ||
	    hex_decode(out, 2 * (size_t)SHA256_LEN, sum))
		return;
	pthread_mutex_lock(&rec->lock);
	add(rec->execs, &key, sum);
	if (kept)
		keep(rec, &key, sum);
	pthread_mutex_unlock(&rec->lock);
}
