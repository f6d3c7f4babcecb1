// SPDX-License-Identifier: Apache-2.0
/*
 * canary_http.c - where bodies are in what a program sends: HTTP/1, HTTP/2, or gzip out of hand
 *
 * Only so much of HTTP is read as it needs to find bodies and their borders. What breaks its rules
 * ends that, not the search: the plain stream is searched in any case.
 */
#include <strings.h>

#include "gate/canary/canary_inner.h"
#include "gate/decode/be.h"
#include "gate/decode/http1.h"

#define H2_BODIES  8	/* HTTP/2 streams with a body at the same time */
#define GZIPS	   4	/* that are followed at the same time */
#define GZIPS_MAX  1000 /* beginnings of gzip that are tried in a stream that is no HTTP */
#define CHUNK_LINE 1024
#define METHOD_MAX 20
#define H2_HEAD	   9 /* RFC 9113 4.1 */
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static const uint8_t gzip_magic[3] = { 0x1f, 0x8b, 0x08 };

enum state {
	AT_START, /* which protocol? */
	IN_HEAD,
	IN_LENGTH, /* a body of known length */
	IN_SIZE,   /* the line before a chunk */
	IN_CHUNK,
	AFTER_CHUNK,
	IN_TRAILER,
	IN_H2_HEAD,
	IN_H2_PAD,
	IN_H2_DATA,
	IN_H2_SKIP,
	IN_WEBSOCKET,
	NO_HTTP,
};

struct framing {
	struct canary_stream *s;
	enum state state;
	struct buf head;	      /* a head or line that is not whole */
	uint64_t left;		      /* bytes of the body, chunk or frame */
	uint64_t pad;		      /* HTTP/2: of them, padding at the end */
	struct body *body[H2_BODIES]; /* HTTP/1: the first */
	int nbodies;
	struct body *now;
	bool ends; /* HTTP/2: with this frame */
	struct websocket *websocket;
	/* gzip out of hand */
	struct unpack *gzip[GZIPS];
	uint8_t magic; /* bytes of its beginning that were the last ones seen */
	unsigned gzips;
	/* zlib, which only the first bytes of a stream can show */
	uint8_t first[2], first_n;
	struct unpack *zlib;
};

struct framing *framing_new(struct canary_stream *s)
{
	struct framing *f = xcalloc(1, sizeof(*f));

	f->s = s;
	f->head.limit = HTTP1_HEAD_MAX;
	return f;
}

static void drop_bodies(struct framing *f)
{
	while (f->nbodies) {
		struct body *b = f->body[--f->nbodies];

		body_end(b);
		free(b);
	}
	f->now = NULL;
}

static struct body *add_body(struct framing *f, bool deflate)
{
	struct body *b = xmalloc(sizeof(*b));

	body_begin(b, f->s, deflate);
	f->body[f->nbodies++] = b;
	return b;
}

void framing_free(struct framing *f)
{
	if (!f)
		return;
	drop_bodies(f);
	for (int i = 0; i < GZIPS; i++)
		unpack_free(f->gzip[i]);
	unpack_free(f->zlib);
	websocket_free(f->websocket);
	buf_free(&f->head);
	free(f);
}

/* ---- no HTTP ------------------------------------------------------------------------------ */

/* gzip's first three bytes, wherever they stand (RFC 1952 2.3: deflate is the only method).
 * Return: bytes up to and with them, or n */
static size_t find_gzip(struct framing *f, const uint8_t *p, size_t n, bool *ret_found)
{
	*ret_found = false;
	for (size_t i = 0; i < n; i++) {
		if (!f->magic) {
			const uint8_t *at = memchr(p + i, gzip_magic[0], n - i);

			if (!at)
				return n;
			i = (size_t)(at - p);
		}
		if (p[i] == gzip_magic[f->magic])
			f->magic++;
		else
			f->magic = p[i] == gzip_magic[0];
		if (f->magic == sizeof(gzip_magic)) {
			f->magic = 0;
			*ret_found = true;
			return i + 1;
		}
	}
	return n;
}

/* Each that may be gzip is followed for itself, so what looks like it hides no other. */
static size_t feed_other(struct framing *f, const uint8_t *p, size_t n)
{
	struct unpack **slot = &f->gzip[f->gzips % GZIPS];
	bool found;
	size_t k = find_gzip(f, p, n, &found);

	for (int i = 0; i < GZIPS; i++)
		if (f->gzip[i] && !unpack_feed(f->gzip[i], p, k)) {
			unpack_free(f->gzip[i]);
			f->gzip[i] = NULL;
		}
	if (!found || f->gzips == GZIPS_MAX)
		return k;
	f->gzips++;
	unpack_free(*slot); /* the oldest */
	*slot = unpack_new(f->s, canary_place(f->s), gzip_magic, false);
	if (*slot) {
		unpack_one(*slot);
		unpack_feed(*slot, gzip_magic, sizeof(gzip_magic));
	}
	return k;
}

/* It is no HTTP, or not such as is understood here: what is held of it is looked at as any bytes.
 */
static void give_up(struct framing *f)
{
	drop_bodies(f);
	f->state = NO_HTTP;
	for (size_t at = 0; at < f->head.n;)
		at += feed_other(f, (const uint8_t *)f->head.p + at, f->head.n - at);
	buf_free(&f->head);
}

/* ---- HTTP/1 ------------------------------------------------------------------------------- */

static bool is_token(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* A method and a space, or the first bytes of one. */
static bool may_be_http(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && i < METHOD_MAX && is_token(p[i]))
		i++;
	return i == n ? i < METHOD_MAX : i > 1 && p[i] == ' ';
}

static bool announces_deflate(struct str lines)
{
	static const char name[] = "content-encoding:";

	for (size_t i = 0; i < lines.n;) {
		const char *end = memchr(lines.p + i, '\n', lines.n - i);
		size_t to = end ? (size_t)(end - lines.p) : lines.n;

		if (to - i >= sizeof(name) - 1 && !strncasecmp(lines.p + i, name, sizeof(name) - 1))
			return memmem(lines.p + i, to - i, "deflate", 7);
		i = to + 1;
	}
	return false;
}

static void begin_body(struct framing *f, const struct http1_head *h)
{
	f->now = add_body(f, announces_deflate((struct str){ h->text.p, h->text.n }));
	if (h->chunked)
		body_border(f->now);
}

static void head_is_whole(struct framing *f, const uint8_t *p, size_t n)
{
	struct http1_head h;

	if (http1_head_read(p, n, false, &h) || h.other_coding || h.bad_length ||
	    str_eq(h.head.method, STR("CONNECT"))) {
		http1_head_free(&h);
		give_up(f);
		return;
	}
	f->state = IN_HEAD;
	if (h.websocket) {
		websocket_free(f->websocket);
		f->websocket = websocket_new(f->s);
		f->state = IN_WEBSOCKET;
	} else if (h.chunked) {
		begin_body(f, &h);
		f->state = IN_SIZE;
	} else if (h.head.has_length && h.head.length > 0) {
		begin_body(f, &h);
		f->state = IN_LENGTH;
		f->left = (uint64_t)h.head.length;
	}
	http1_head_free(&h);
}

/* Bytes go into f->head until it holds a whole head; those behind it are not taken. */
static size_t feed_head(struct framing *f, const uint8_t *p, size_t n)
{
	size_t had = f->head.n, whole;

	if (n > HTTP1_HEAD_MAX - had)
		n = HTTP1_HEAD_MAX - had;
	buf_add(&f->head, p, n);
	if (had < METHOD_MAX && !may_be_http((const uint8_t *)f->head.p, f->head.n)) {
		f->head.n = had;
		give_up(f);
		return 0;
	}
	whole = http1_head_end((const uint8_t *)f->head.p, f->head.n, had > 3 ? had - 3 : 0);
	if (!whole) {
		if (f->head.n == HTTP1_HEAD_MAX)
			give_up(f);
		return n;
	}
	f->head.n = whole;
	head_is_whole(f, (const uint8_t *)f->head.p, whole);
	f->head.n = 0;
	return whole - had;
}

/* A line, with its end, in f->head. Return: bytes taken; *ret_whole when it is there */
static size_t feed_line(struct framing *f, const uint8_t *p, size_t n, bool *ret_whole)
{
	const uint8_t *end = memchr(p, '\n', n);
	size_t k = end ? (size_t)(end - p) + 1 : n;

	*ret_whole = end;
	if (k > CHUNK_LINE - f->head.n) {
		k = CHUNK_LINE - f->head.n;
		*ret_whole = false;
		buf_add(&f->head, p, k);
		give_up(f);
		return k;
	}
	buf_add(&f->head, p, k);
	return k;
}

static size_t feed_size(struct framing *f, const uint8_t *p, size_t n)
{
	bool whole;
	size_t k = feed_line(f, p, n, &whole);
	char *end;

	if (!whole)
		return k;
	f->left = strtoull(buf_z(&f->head), &end, 16);
	if (end == f->head.p || !strchr(" \t;\r\n", *end) || f->head.p[0] == '-') {
		give_up(f);
		return k;
	}
	f->head.n = 0;
	f->state = f->left ? IN_CHUNK : IN_TRAILER;
	if (!f->left)
		drop_bodies(f);
	return k;
}

static size_t feed_line_after(struct framing *f, const uint8_t *p, size_t n)
{
	bool whole;
	size_t k = feed_line(f, p, n, &whole);
	bool empty = f->head.n <= 2;

	if (!whole)
		return k;
	f->head.n = 0;
	if (f->state == AFTER_CHUNK)
		f->state = IN_SIZE;
	else if (empty)
		f->state = IN_HEAD;
	return k;
}

static size_t feed_data(struct framing *f, const uint8_t *p, size_t n)
{
	if (n > f->left)
		n = (size_t)f->left;
	body_feed(f->now, p, n);
	f->left -= n;
	if (f->left)
		return n;
	if (f->state == IN_CHUNK) {
		body_border(f->now);
		f->state = AFTER_CHUNK;
	} else {
		drop_bodies(f);
		f->state = IN_HEAD;
	}
	return n;
}

/* ---- HTTP/2 ------------------------------------------------------------------------------- */

static struct body *h2_body(struct framing *f, uint32_t id)
{
	struct body *b;

	for (int i = 0; i < f->nbodies; i++)
		if (f->body[i]->id == id)
			return f->body[i];
	if (f->nbodies == H2_BODIES)
		return NULL; /* searched as it stands, like everything */
	b = add_body(f, false);
	b->id = id;
	body_border(b);
	return b;
}

static void h2_close(struct framing *f, struct body *b)
{
	for (int i = 0; i < f->nbodies; i++)
		if (f->body[i] == b)
			f->body[i] = f->body[--f->nbodies];
	body_end(b);
	free(b);
}

static void h2_frame_end(struct framing *f)
{
	if (f->now) {
		body_border(f->now);
		if (f->ends)
			h2_close(f, f->now);
	}
	f->now = NULL;
	f->state = IN_H2_HEAD;
}

static size_t feed_h2_head(struct framing *f, const uint8_t *p, size_t n)
{
	size_t k = H2_HEAD - f->head.n;
	const uint8_t *h;

	if (k > n)
		k = n;
	buf_add(&f->head, p, k);
	if (f->head.n < H2_HEAD)
		return k;
	h = (const uint8_t *)f->head.p;
	f->left = (uint64_t)h[0] << 16 | be16(h + 1);
	f->pad = 0;
	f->ends = h[4] & 1;
	f->now = h[3] == 0 ? h2_body(f, be32(h + 5) & 0x7fffffff) : NULL;
	f->state = !f->now ? IN_H2_SKIP : h[4] & 8 ? IN_H2_PAD : IN_H2_DATA;
	f->head.n = 0;
	if (!f->left)
		h2_frame_end(f);
	return k;
}

static size_t feed_h2(struct framing *f, const uint8_t *p, size_t n)
{
	size_t k = n < f->left ? n : (size_t)f->left, data = k;

	if (f->state == IN_H2_PAD) {
		f->pad = *p;
		f->left--;
		f->state = IN_H2_DATA;
		if (!f->left)
			h2_frame_end(f);
		return 1;
	}
	if (f->state == IN_H2_DATA) {
		if (f->left - k < f->pad)
			data = f->left > f->pad ? (size_t)(f->left - f->pad) : 0;
		body_feed(f->now, p, data);
	}
	f->left -= k;
	if (!f->left)
		h2_frame_end(f);
	return k;
}

/* The server may have said no: then another request can follow. */
static size_t feed_websocket(struct framing *f, const uint8_t *p, size_t n)
{
	bool over;
	size_t k = websocket_feed(f->websocket, p, n, &over);

	if (!over)
		return k;
	websocket_free(f->websocket);
	f->websocket = NULL;
	f->state = k ? NO_HTTP : IN_HEAD;
	return k;
}

/* ---- both --------------------------------------------------------------------------------- */

static size_t feed_start(struct framing *f, const uint8_t *p, size_t n)
{
	static const char preface[] = H2_PREFACE;
	size_t want = sizeof(preface) - 1, k = want - f->head.n, same = 0;

	if (k > n)
		k = n;
	while (same < k && (uint8_t)preface[f->head.n + same] == p[same])
		same++;
	if (same < k) {
		/* what was taken for its beginning is a head's; no method begins with "PRI " */
		f->state = IN_HEAD;
		if (f->head.n + same > 3)
			give_up(f);
		return 0;
	}
	buf_add(&f->head, p, k);
	if (f->head.n == want) {
		f->head.n = 0;
		f->state = IN_H2_HEAD;
	}
	return k;
}

static size_t feed_some(struct framing *f, const uint8_t *p, size_t n)
{
	switch (f->state) {
	case AT_START:
		return feed_start(f, p, n);
	case IN_HEAD:
		return feed_head(f, p, n);
	case IN_SIZE:
		return feed_size(f, p, n);
	case IN_LENGTH:
	case IN_CHUNK:
		return feed_data(f, p, n);
	case AFTER_CHUNK:
	case IN_TRAILER:
		return feed_line_after(f, p, n);
	case IN_H2_HEAD:
		return feed_h2_head(f, p, n);
	case IN_H2_PAD:
	case IN_H2_DATA:
	case IN_H2_SKIP:
		return feed_h2(f, p, n);
	case IN_WEBSOCKET:
		return feed_websocket(f, p, n);
	case NO_HTTP:
		break;
	}
	return feed_other(f, p, n);
}

static void feed_zlib(struct framing *f, const uint8_t *p, size_t n)
{
	if (f->first_n < 2) {
		while (f->first_n < 2 && n) {
			f->first[f->first_n++] = *p++;
			n--;
		}
		if (f->first_n < 2 || f->first[0] != 0x78)
			return;
		f->zlib = unpack_new(f->s, canary_place(f->s), f->first, false);
		if (f->zlib)
			unpack_feed(f->zlib, f->first, 2);
	}
	if (f->zlib && n && !unpack_feed(f->zlib, p, n)) {
		unpack_free(f->zlib);
		f->zlib = NULL;
	}
}

void framing_feed(struct framing *f, const uint8_t *p, size_t n)
{
	feed_zlib(f, p, n);
	while (n) {
		size_t k = feed_some(f, p, n);

		p += k;
		n -= k;
	}
}
