// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_journal_spool.c - a reader, then a writer, find a hostile spool
 *
 * Input: u8 flags, u8 of which the tail is made, then records as { u16 length, bytes }. Flag 1
 * leaves checks wrong, flag 2 the header: without, they are made right, so that the bytes get
 * further than to the checksum.
 */
#include <sys/stat.h>

#include "journal/journal.h"
#include "journal/spool.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int look(void *ctx, const struct event *ev)
{
	uint64_t *last = ctx;

	if (*last && ev->seq != *last + 1)
		abort();
	*last = ev->seq;
	return 0;
}

static char *key_path(char *out)
{
	char name[32];

	snprintf(name, sizeof(name), "bj-fuzz-key.%d", (int)getpid());
	return scratch_path(out, name);
}

static void remove_key(void)
{
	char key[SCRATCH_MAX];

	rm_rf_at(AT_FDCWD, key_path(key));
}

static void put_records(struct spool *s, const uint8_t *p, size_t n)
{
	uint8_t flags = p[0];

	for (size_t at = 2; at + 2 < n;) {
		size_t len = (size_t)p[at] | (size_t)(p[at + 1] & 3) << 8;
		uint8_t *to;

		at += 2;
		len = len < n - at ? len : n - at;
		to = len ? spool_place(s, len, 0) : NULL;
		if (!to)
			break;
		memcpy(to, p + at, len);
		spool_commit(s, len);
		if (flags & 1)
			to[len / 2] ^= 1;
		at += len;
	}
	if (flags & 2)
		spool_drop(s, p[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static bool registered;
	char top[SCRATCH_MAX], path[SCRATCH_MAX + 16], key[SCRATCH_MAX];
	struct journal_reader *r;
	struct journal *j;
	struct spool s;
	uint64_t last = 0;
	int dirfd;
	bool old;

	if (n < 2 || !mkdtemp(scratch_path(top, "bj-fuzz.XXXXXX")))
		return 0;
	if (!registered)
		registered = !atexit(remove_key);
	snprintf(path, sizeof(path), "%s/journal.db", top);
	/* one key for all inputs: making one costs an fsync() */
	key_path(key);
	dirfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!spool_open(dirfd, &s, &old, NULL)) {
		put_records(&s, p, n);
		spool_close(&s, dirfd, false);
	}
	if (!journal_read_open(path, &r, NULL)) {
		journal_read(r, NULL, look, &last, NULL);
		journal_read_close(r);
	}
	if (!journal_open(dirfd, key, &j, NULL)) {
		struct journal_verdict v;

		if (journal_close(j, NULL) || journal_verify(path, key, &v, NULL) || !v.ok)
			abort(); /* whatever it was made from, what we write is whole */
		last = 0;
		if (journal_read_open(path, &r, NULL) || journal_read(r, NULL, look, &last, NULL))
			abort();
		journal_read_close(r);
	}
	close(dirfd);
	rm_rf_at(AT_FDCWD, top);
	return 0;
}
