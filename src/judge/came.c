// SPDX-License-Identifier: Apache-2.0
/*
 * came.c - whether a file's bytes are among those that came from the network
 *
 * Of a flow the first and the last 64 KiB are kept, so a file is searched for by samples: pieces of
 * its begin and of its end, up to SAMPLES of each. Those of a script are parts of its lines, as
 * they also stand in JSON. They are searched for all at once: a piece's first eight bytes are its
 * key.
 *
 * That something is not there can only be said of text. What is packed, encrypted or encoded in
 * letters may be the file in another form.
 */
#include <zlib.h>

#include "judge/came.h"

#define SAMPLES	     64
#define SAMPLE	     32u /* bytes; of text at least KEY */
#define KEY	     sizeof(uint64_t)
#define END	     (48u << 10) /* of each end of the file: what is kept holds heads as well */
#define DIFFERENT    6		 /* bytes in a sample: zeroes are in all programs */
#define CODED	     512	 /* letters without a blank: a file in base64, no word */
#define MEMBERS_MAX  16		 /* of gzip */
#define UNPACKED_MAX (4u << 20)
#define SIEVE	     4096 /* bits */

/** struct sample - a piece of the file */
struct sample {
	uint64_t key;
	const char *p;
	uint32_t n;
	bool end, seen; /* of which end of the file it is */
};

struct search {
	struct sample v[2 * SAMPLES];
	size_t n;
	uint64_t sieve[SIEVE / 64];
};

static uint64_t key_at(const char *p)
{
	uint64_t k;

	memcpy(&k, p, sizeof(k));
	return k;
}

static unsigned sieve_at(uint64_t key)
{
	return (unsigned)(key * 0x9e3779b97f4a7c15u >> 52); /* 0 … SIEVE - 1 */
}

/* ---- samples ------------------------------------------------------------------------------ */

static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && !strchr("\t\n\v\f\r\033", c)) || c == 127)
			return false;
	}
	return utf8_valid(s.p, s.n);
}

static bool varied(const char *p, size_t n)
{
	uint64_t seen[4] = { 0 };
	unsigned different = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		different += !(seen[c >> 6] >> (c & 63) & 1);
		seen[c >> 6] |= 1ull << (c & 63);
	}
	return different >= DIFFERENT;
}

static void add(struct search *q, const char *p, size_t n, bool end)
{
	unsigned at;

	if (n < KEY || q->n >= (end ? 2 * SAMPLES : SAMPLES) || !varied(p, n))
		return;
	q->v[q->n++] =
		(struct sample){ key_at(p), p, n < SAMPLE ? (uint32_t)n : SAMPLE, end, false };
	at = sieve_at(key_at(p));
	q->sieve[at / 64] |= 1ull << (at % 64);
}

static void sample_bytes(struct search *q, struct str s, bool end)
{
	size_t step = s.n / SAMPLES > SAMPLE ? s.n / SAMPLES : SAMPLE;

	for (size_t at = 0; at + SAMPLE <= s.n; at += step)
		add(q, s.p + at, SAMPLE, end);
	if (s.n < SAMPLE)
		add(q, s.p, s.n, end);
}

/* What quotes and ends of lines, which formats write in other ways, leave whole. */
static void sample_text(struct search *q, struct str s, bool end)
{
	size_t from = 0, at = 0;

	if (!end && s.n > 1 && s.p[0] == '#' && s.p[1] == '!') /* as many scripts begin */
		while (at < s.n && s.p[at] != '\n')
			from = ++at;
	for (; at <= s.n; at++)
		if (at == s.n || (unsigned char)s.p[at] < ' ' || strchr("\"'\\/<>&", s.p[at])) {
			add(q, s.p + from, at - from, end);
			from = at + 1;
		}
}

static int by_key(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static void take_samples(struct search *q, struct str file)
{
	void (*sample)(struct search *, struct str, bool) =
		is_text(file) ? sample_text : sample_bytes;
	size_t n = file.n < END ? file.n : END;

	sample(q, (struct str){ file.p, n }, false);
	if (file.n > n)
		sample(q, (struct str){ file.p + file.n - n, n }, true);
	if (q->n)
		qsort(q->v, q->n, sizeof(*q->v), by_key);
}

/* ---- search ------------------------------------------------------------------------------- */

static void look(struct search *q, struct str s, size_t at, uint64_t key)
{
	size_t from = 0, to = q->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (q->v[mid].key < key)
			from = mid + 1;
		else
			to = mid;
	}
	for (; from < q->n && q->v[from].key == key; from++)
		if (q->v[from].n <= s.n - at && !memcmp(q->v[from].p, s.p + at, q->v[from].n))
			q->v[from].seen = true;
}

static void search(struct search *q, struct str s)
{
	for (size_t at = 0; at + KEY <= s.n; at++) {
		uint64_t key = key_at(s.p + at);
		unsigned bit = sieve_at(key);

		if (q->sieve[bit / 64] >> (bit % 64) & 1)
			look(q, s, at, key);
	}
}

/* ---- what came ---------------------------------------------------------------------------- */

static bool says_chunked(struct str head)
{
	static const char field[] = "\ntransfer-encoding:";
	size_t n = sizeof(field) - 1;

	for (size_t i = 0; i + n < head.n; i++)
		if (!strncasecmp(head.p + i, field, n)) {
			const char *line = head.p + i + n;
			size_t len = head.n - i - n;
			const char *nl = memchr(line, '\n', len);

			len = nl ? (size_t)(nl - line) : len;
			for (size_t k = 0; k + 7 <= len; k++)
				if (!strncasecmp(line + k, "chunked", 7))
					return true;
		}
	return false;
}

/* The chunks of one body (RFC 9112 7.1), as far as they are there. Return: bytes they took */
static size_t join(struct str s, struct buf *out)
{
	size_t at = 0;

	for (;;) {
		const char *nl = memchr(s.p + at, '\n', s.n - at);
		size_t size = 0, digits = 0;

		for (; nl && digits < 8 && at + digits < s.n; digits++) {
			char c = s.p[at + digits];

			if (c >= '0' && c <= '9')
				size = size << 4 | (size_t)(c - '0');
			else if ((c | 32) >= 'a' && (c | 32) <= 'f')
				size = size << 4 | (size_t)((c | 32) - 'a' + 10);
			else
				break;
		}
		if (!nl || !digits)
			return at;
		at = (size_t)(nl - s.p) + 1;
		if (!size)
			return at;
		if (size > s.n - at)
			size = s.n - at;
		buf_add(out, s.p + at, size);
		at += size;
		if (at + 2 <= s.n && s.p[at] == '\r')
			at += 2;
	}
}

/* The same stream, with the chunks of each body joined. */
static void join_chunks(struct str s, struct buf *out)
{
	size_t at = 0;

	while (at < s.n) {
		const char *head = memmem(s.p + at, s.n - at, "HTTP/1.", 7), *end;

		end = head ? memmem(head, (size_t)(s.p + s.n - head), "\r\n\r\n", 4) : NULL;
		if (!end)
			break;
		end += 4;
		buf_add(out, s.p + at, (size_t)(end - s.p) - at);
		at = (size_t)(end - s.p);
		if (says_chunked((struct str){ head, (size_t)(end - head) }))
			at += join((struct str){ s.p + at, s.n - at }, out);
	}
	buf_add(out, s.p + at, s.n - at);
}

/* One member of gzip. Return: bytes of it when it is whole, else 0; what there is, is in @out */
static size_t unpack(struct str s, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.n };
	uint8_t room[16384];
	int rc = inflateInit2(&z, 15 + 16);

	while (rc == Z_OK && out->n < UNPACKED_MAX) {
		z.next_out = room;
		z.avail_out = sizeof(room);
		rc = inflate(&z, Z_NO_FLUSH);
		buf_add(out, room, sizeof(room) - z.avail_out);
	}
	inflateEnd(&z);
	return rc == Z_STREAM_END ? s.n - z.avail_in : 0;
}

static bool is_coded(struct str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\n' || c == '\r' || c == '\\')
			continue;
		run = (c | 32) >= 'a' && (c | 32) <= 'z'  ? run + 1
		      : c && strchr("0123456789+/-_=", c) ? run + 1
							  : 0;
		if (run >= CODED)
			return true;
	}
	return false;
}

static bool readable(struct str s)
{
	return is_text(s) && !is_coded(s);
}

/* Searched: what stands there, and what it is unpacked. Return: whether all of it can be read */
static bool search_all(struct search *q, struct str s)
{
	bool can_read = true;
	size_t from = 0;

	search(q, s);
	for (int i = 0; i < MEMBERS_MAX && from < s.n; i++) {
		const char *gz = memmem(s.p + from, s.n - from, "\x1f\x8b\x08", 3);
		cleanup_buf struct buf plain = { 0 };
		size_t at, n;

		if (!gz)
			break;
		at = (size_t)(gz - s.p);
		n = unpack((struct str){ gz, s.n - at }, &plain);
		search(q, (struct str){ plain.p ? plain.p : "", plain.n });
		can_read = can_read && n && readable((struct str){ s.p + from, at - from }) &&
			   readable((struct str){ plain.p ? plain.p : "", plain.n });
		from = at + (n ? n : 3);
	}
	return can_read && readable((struct str){ s.p + from, s.n - from });
}

/* Three quarters of an end's samples: a border of chunks or of what is kept cuts some. */
static bool mostly(const struct search *q, bool end)
{
	size_t n = 0, seen = 0;

	for (size_t i = 0; i < q->n; i++)
		if (q->v[i].end == end) {
			n++;
			seen += q->v[i].seen;
		}
	return n && 4 * seen >= 3 * n;
}

enum came came_in(struct str content, struct str file)
{
	cleanup_free struct search *q = xcalloc(1, sizeof(*q));
	cleanup_buf struct buf joined = { 0 };
	bool can_read, any = false;

	if (!content.n || !file.n)
		return CAME_UNKNOWN;
	take_samples(q, file);
	if (memmem(content.p, content.n, "hunked", 6))
		join_chunks(content, &joined);
	can_read = search_all(q, joined.n ? (struct str){ joined.p, joined.n } : content);
	if (mostly(q, false) || mostly(q, true))
		return CAME_SAME;
	for (size_t i = 0; i < q->n; i++)
		any |= q->v[i].seen;
	return q->n && !any && can_read ? CAME_NOT : CAME_UNKNOWN;
}
