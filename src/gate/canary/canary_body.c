// SPDX-License-Identifier: Apache-2.0
/*
 * canary_body.c - bodies: what is packed is unpacked, what is cut is joined
 *
 * A body comes in pieces (chunks, frames), each of which the plain search of the stream has seen.
 * What it could not see: a value that is cut by a border, and what is packed. How a body is packed
 * its first two bytes say: gzip (RFC 1952), zlib (RFC 1950); bare deflate (RFC 1951) has no mark,
 * so it must have been announced.
 */
#include <zlib.h>

#include "gate/canary/canary_inner.h"

#define OUT_N 16384

struct unpack {
	z_stream z;
	int bits; /* of inflateInit2() */
	bool one; /* gzip: its first member alone */
	struct canary_stream *s;
	struct search q;
	uint8_t out[OUT_N];
};

static bool is_gzip(const uint8_t f[2])
{
	return f[0] == 0x1f && f[1] == 0x8b;
}

static bool is_zlib(const uint8_t f[2])
{
	return (f[0] & 0x0f) == 8 && f[0] >> 4 <= 7 && (f[0] << 8 | f[1]) % 31 == 0;
}

struct unpack *unpack_new(struct canary_stream *s, const char *place, const uint8_t first[2],
			  bool deflate)
{
	const char *name = is_gzip(first) ? "gzip" : is_zlib(first) ? "zlib" : "deflate";
	struct unpack *u;

	/* without an announcement only what compressors write by default */
	if (!is_gzip(first) && !deflate && (!is_zlib(first) || first[0] != 0x78))
		return NULL;
	if (!canary_may_unpack(s))
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->s = s;
	u->bits = is_gzip(first) ? 15 + 16 : is_zlib(first) ? 15 : -15;
	search_init(&u->q, canary_matcher(s), s, name, place);
	if (inflateInit2(&u->z, u->bits) == Z_OK)
		return u;
	unpack_free(u);
	return NULL;
}

void unpack_one(struct unpack *u)
{
	u->one = true;
}

bool unpack_feed(struct unpack *u, const uint8_t *p, size_t n)
{
	u->z.next_in = (Bytef *)p;
	u->z.avail_in = (uInt)n;
	for (;;) {
		size_t got, within;
		int rc;

		u->z.next_out = u->out;
		u->z.avail_out = OUT_N;
		rc = inflate(&u->z, Z_NO_FLUSH);
		got = OUT_N - u->z.avail_out;
		within = canary_unpacked(u->s, got);
		search_feed(&u->q, u->out, within);
		if (within < got)
			return false;
		if (rc == Z_STREAM_END && u->bits > 15 && !u->one && inflateReset(&u->z) == Z_OK) {
			/* gzip may go on with another member: RFC 1952 2.2 */
			if (!u->z.avail_in)
				return true;
			continue;
		}
		if (rc != Z_OK)
			return rc == Z_BUF_ERROR && !u->z.avail_in;
		if (u->z.avail_out)
			return true; /* all is read, and all is out */
	}
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	search_end(&u->q);
	inflateEnd(&u->z); /* nothing to do when it was not begun */
	canary_has_unpacked(u->s);
	free(u);
}

/* ---- bodies ------------------------------------------------------------------------------- */

void body_begin(struct body *b, struct canary_stream *s, bool deflate)
{
	*b = (struct body){ .s = s, .deflate = deflate };
	search_init(&b->plain, canary_matcher(s), s, NULL, "http-body");
}

/* The first two bytes are held until both are there. */
static void feed_packed(struct body *b, const uint8_t *p, size_t n)
{
	if (b->first_n < 2) {
		while (b->first_n < 2 && n) {
			b->first[b->first_n++] = *p++;
			n--;
		}
		if (b->first_n < 2)
			return;
		b->unpack = unpack_new(b->s, "http-body", b->first, b->deflate);
		if (b->unpack)
			unpack_feed(b->unpack, b->first, 2); /* what ends it ends it below again */
	}
	if (b->unpack && n && !unpack_feed(b->unpack, p, n)) {
		unpack_free(b->unpack);
		b->unpack = NULL;
	}
}

void body_feed(struct body *b, const uint8_t *p, size_t n)
{
	size_t plain = n;

	if (!n)
		return;
	if (b->joint && b->joined) {
		view_joint(b->joined, *p, b->at);
		plain--;
	}
	b->joint = false;
	if (b->joined) {
		view_bytes(b->joined, p + n - plain, plain, b->at + n - plain);
		view_scan(b->joined);
	}
	feed_packed(b, p, n);
	b->at += n;
}

void body_border(struct body *b)
{
	b->joint = b->at > 0;
	/* a body that is never cut needs none: so before the first byte of one that may be */
	if (!b->joined)
		b->joined = view_new(&b->plain, NULL);
}

void body_end(struct body *b)
{
	unpack_free(b->unpack);
	view_free(b->joined);
	b->unpack = NULL;
	b->joined = NULL;
}
