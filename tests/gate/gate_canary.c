// SPDX-License-Identifier: Apache-2.0
/* gate_canary.c - each value in each encoding is found once, wherever the stream is cut */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "gate/canary/canary_inner.h"

static const struct gate_canary values[] = {
	{ "hostname", "desk-1a2b" },
	{ "machine-id", "0123456789ab4def8123456789abcdef" },
	{ "person", "Nora Holmby-Ōst" },
	{ "short", "Zq9x_7" },
	{ "document:a.txt",
	  "the quick brown fox of this box jumps over a lazy canary that sings a "
	  "very long song, so long that its encodings are longer than what is kept "
	  "of a stream between two blocks, as they are when all is written in hex" },
};

/* ---- what is told ------------------------------------------------------------------------- */

struct heard {
	struct canaries *c;
	struct flow_facts f;
	struct emit emit;
	int hits, limits;
	char value[64], encoding[64], place[32], limit[64];
	int64_t offset;
	char sample[130];
};

static void copy(char *to, size_t room, const struct val *v)
{
	snprintf(to, room, "%.*s", (int)v->s.n, v->s.p);
}

static void hear(void *ctx, struct event *ev)
{
	struct heard *h = ctx;

	if (ev->kind == EV_LIMIT) {
		h->limits++;
		copy(h->limit, sizeof(h->limit), &ev->v[EV_AT(LIMIT, WHAT)]);
		return;
	}
	assert_int_equal(ev->kind, EV_CANARY);
	assert_int_equal(ev->v[EV_AT(CANARY, FLOW)].i, 7);
	assert_int_equal(ev->t, 55);
	h->hits++;
	copy(h->value, sizeof(h->value), &ev->v[EV_AT(CANARY, VALUE)]);
	copy(h->encoding, sizeof(h->encoding), &ev->v[EV_AT(CANARY, ENCODING)]);
	copy(h->place, sizeof(h->place), &ev->v[EV_AT(CANARY, WHERE)]);
	h->offset =
		ev->v[EV_AT(CANARY, OFFSET)].type == VAL_INT ? ev->v[EV_AT(CANARY, OFFSET)].i : -1;
	assert_true(ev->v[EV_AT(CANARY, SAMPLE)].s.n <= 128);
	copy(h->sample, sizeof(h->sample), &ev->v[EV_AT(CANARY, SAMPLE)]);
}

static void heard_of(struct heard *h, size_t first, size_t n)
{
	struct err err = { 0 };

	*h = (struct heard){ .f = { .id = 7 }, .emit = { h, hear } };
	if (canaries_new(values + first, (int)n, &h->c, &err))
		fail_msg("%s", err.msg);
}

static void heard_new(struct heard *h)
{
	heard_of(h, 0, ARRAY_SIZE(values));
}

static void again(struct heard *h)
{
	h->hits = h->limits = 0;
	h->value[0] = h->encoding[0] = h->place[0] = h->limit[0] = 0;
}

/* The stream in pieces of @first, then @step bytes. */
static void send_cut(struct heard *h, const void *p, size_t n, size_t first, size_t step)
{
	struct canary_stream *s = canary_stream_new(h->c, &h->f, "stream", &h->emit);
	size_t at = 0;

	while (at < n) {
		size_t k = at ? step : first;
		cleanup_free uint8_t *piece = NULL; /* its own memory: no byte beyond */

		k = k < n - at ? k : n - at;
		piece = xmalloc(k ? k : 1);
		memcpy(piece, (const uint8_t *)p + at, k);
		canary_feed(s, 55, piece, k);
		at += k;
		if (!k)
			first = step = n;
	}
	canary_stream_end(s, 55);
}

static void expect(struct heard *h, const char *value, const char *encoding, const char *how)
{
	if (h->hits != 1 || strcmp(h->value, value) || strcmp(h->encoding, encoding))
		fail_msg("%s: %d hits, '%s' as '%s', not '%s' as '%s'", how, h->hits, h->value,
			 h->encoding, value, encoding);
	again(h);
}

/* ---- encodings, written by other code than that under test --------------------------------- */

struct bytes {
	uint8_t p[8192];
	size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof(b->p));
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_hex(struct bytes *b, const void *p, size_t n, const char *fmt)
{
	for (size_t i = 0; i < n; i++)
		b->n += (size_t)sprintf((char *)b->p + b->n, fmt, ((const uint8_t *)p)[i]);
}

static void put_base64(struct bytes *b, const char *before, const void *p, size_t n,
		       const char *after, bool url)
{
	struct bytes plain = { .n = 0 };
	int k;

	put(&plain, before, strlen(before));
	put(&plain, p, n);
	put(&plain, after, strlen(after));
	k = EVP_EncodeBlock(b->p + b->n, plain.p, (int)plain.n);
	for (int i = 0; url && i < k; i++) {
		uint8_t *c = &b->p[b->n + (size_t)i];

		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	}
	b->n += (size_t)k;
}

static size_t wide(const char *v, uint8_t *out)
{
	size_t k = 0;

	for (; *v; v++) {
		if ((uint8_t)*v == 0xc5 && (uint8_t)v[1] == 0x8c) { /* the one that is not ASCII */
			out[k++] = 0x4c;
			out[k++] = 0x01;
			v++;
			continue;
		}
		out[k++] = (uint8_t)*v;
		out[k++] = 0;
	}
	return k;
}

static size_t digest(const char *name, const char *v, bool line, uint8_t *out)
{
	cleanup_free char *text = xasprintf("%s%s", v, line ? "\n" : "");
	unsigned n = 0;

	assert_int_equal(EVP_Digest(text, strlen(text), out, &n, EVP_get_digestbyname(name), NULL),
			 1);
	return n;
}

#define WAYS 46

/* Encoding number @way of @v, and its name; false: there is none of that number for it. */
static bool encode(int way, const char *v, struct bytes *b, const char **name)
{
	static const char *const before[] = { "", "a", "ab" };
	static const char *const digests[] = { "md5", "sha1", "sha256" };
	uint8_t tmp[2048];
	size_t n = strlen(v), k;

	b->n = 0;
	switch (way) {
	case 0:
		*name = "raw";
		put(b, v, n);
		return true;
	case 1:
		*name = "hex";
		put_hex(b, v, n, "%02x");
		return true;
	case 2:
		*name = "hex";
		put_hex(b, v, n, "%02X");
		return true;
	case 3:
	case 4:
	case 5:
		*name = "base64";
		put_base64(b, before[way - 3], v, n, "tail", false);
		return true;
	case 6:
	case 7:
	case 8:
		*name = "base64";
		put_base64(b, before[way - 6], v, n, "tail", true);
		return true;
	case 9:
		*name = "url";
		put_hex(b, v, n, "%%%02X");
		return true;
	case 10: /* some bytes are escaped, the first among them */
	case 11: /* the last alone */
		*name = "url";
		for (size_t i = 0; i < n; i++)
			if (way == 10 ? i % 3 == 0 : i == n - 1)
				put_hex(b, v + i, 1, "%%%02x");
			else
				put(b, v + i, 1);
		return way == 10 || n < PATTERN_MAX;
	case 12:
		*name = "url";
		for (const char *c = v; *c; c++)
			put(b, *c == ' ' ? "+" : c, 1);
		return strchr(v, ' ') && strlen(v) < PATTERN_MAX;
	case 13:
		*name = "utf-16le";
		put(b, tmp, 0);
		k = wide(v, tmp);
		put(b, tmp, k);
		return true;
	case 14:
		*name = "base64+utf-16le";
		k = wide(v, tmp);
		put_base64(b, "", tmp, k, "", false);
		return true;
	case 15: /* base64 in a form: its '+', '/', '=' escaped */
		*name = "url+base64";
		put_base64(b, "", v, n, "", false);
		k = b->n;
		memcpy(tmp, b->p, k);
		b->n = 0;
		for (size_t i = 0; i < k; i++)
			if (i == 3 || !isalnum(tmp[i]))
				put_hex(b, tmp + i, 1, "%%%02X");
			else
				put(b, tmp + i, 1);
		return true;
	default:
		way -= 16;
		k = digest(digests[way / 10], v, way % 2, tmp);
		*name = digests[way / 10];
		switch (way % 10 / 2) {
		case 0:
			put(b, tmp, k);
			return true;
		case 1:
			put_hex(b, tmp, k, "%02x");
			return true;
		case 2:
			put_hex(b, tmp, k, "%02X");
			return true;
		case 3:
			put_base64(b, "", tmp, k, "", false);
			return true;
		default:
			put_base64(b, "x", tmp, k, "yz", true);
			return true;
		}
	}
}

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return *s >> 8;
}

/* Something before and behind that means nothing. */
static void wrap(const struct bytes *b, struct bytes *ret, uint32_t seed)
{
	static const char filler[] = "0123456789 abcdef,;:{}\"=&%+-_%%2\x01\x80\xff";

	ret->n = 0;
	for (int i = 0; i < 60; i++)
		put(ret, &filler[rnd(&seed) % (sizeof(filler) - 1)], 1);
	put(ret, " ", 1);
	put(ret, b->p, b->n);
	put(ret, " ", 1);
	for (int i = 0; i < 260; i++)
		put(ret, &filler[rnd(&seed) % (sizeof(filler) - 1)], 1);
}

/* ---- plain streams ------------------------------------------------------------------------ */

static void each_cut(struct heard *h, size_t v, int way)
{
	struct bytes b, all;
	const char *name;
	char how[64];

	if (!encode(way, values[v].value, &b, &name))
		return;
	wrap(&b, &all, (uint32_t)(v * 100 + (size_t)way));
	snprintf(how, sizeof(how), "way %d", way);
	for (size_t cut = 0; cut <= all.n; cut++) {
		send_cut(h, all.p, all.n, cut, all.n);
		expect(h, values[v].label, name, how);
	}
	for (size_t step = 1; step < 9; step += 2) {
		send_cut(h, all.p, all.n, step, step);
		expect(h, values[v].label, name, how);
	}
	/* at the very beginning and the very end */
	send_cut(h, b.p, b.n, b.n, 1);
	expect(h, values[v].label, name, how);
}

static void test_each_value_in_each_encoding_is_found_once_wherever_it_is_cut(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (size_t v = 0; v < ARRAY_SIZE(values); v++)
		for (int way = 0; way < WAYS; way++)
			each_cut(&h, v, way);
	canaries_free(h.c);
}

/* The shortest value decides which bytes are looked at. */
static void test_each_value_is_found_when_it_is_the_only_one(void **state UNUSED)
{
	for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
		struct heard h;

		heard_of(&h, v, 1);
		for (int way = 0; way < WAYS; way++)
			each_cut(&h, v, way);
		canaries_free(h.c);
	}
}

static void test_near_misses_are_no_hits(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (size_t v = 0; v < ARRAY_SIZE(values) - 1; v++)
		for (int way = 0; way < WAYS; way++) {
			struct bytes b, all;
			const char *name;

			if (!encode(way, values[v].value, &b, &name))
				continue;
			/* a byte in the middle that is another, one that is missing, one too many
			 */
			for (int kind = 0; kind < 3; kind++) {
				struct bytes near = b;
				size_t at = 5; /* within what the value alone decides */

				/* no byte of an escape but its last */
				while (near.p[at] == '%' || near.p[at - 1] == '%')
					at++;
				if (kind == 0) {
					near.p[at] = near.p[at] == 'k' ? 'm' : 'k';
				} else if (kind == 1) {
					memmove(near.p + at, near.p + at + 1, near.n - at - 1);
					near.n--;
					/* a run of the same is the same without one, cut */
					if (near.p[at] == b.p[at])
						continue;
				} else {
					memmove(near.p + at + 1, near.p + at, near.n - at);
					near.p[at] = '~';
					near.n++;
				}
				wrap(&near, &all, 5);
				send_cut(&h, all.p, all.n, all.n, 1);
				if (h.hits)
					fail_msg("way %d kind %d: '%s' as '%s'", way, kind, h.value,
						 h.encoding);
			}
		}
	canaries_free(h.c);
}

static void test_bulk_holds_nothing_by_chance(void **state UNUSED)
{
	static uint8_t block[65536];
	struct canary_stream *s;
	uint32_t seed = 1;
	struct heard h;

	heard_new(&h);
	s = canary_stream_new(h.c, &h.f, "stream", &h.emit);
	for (int i = 0; i < 128; i++) {
		for (size_t k = 0; k < sizeof(block); k++)
			block[k] = (uint8_t)(i % 2 ? rnd(&seed)
						   : (uint32_t) "%0123456789abcdefABCDEF+/=d"
							     [rnd(&seed) % 27]);
		canary_feed(s, 55, block, sizeof(block) - (size_t)i);
	}
	assert_int_equal(h.hits, 0);
	/* and what comes late is still found, with its place */
	canary_feed(s, 55, "here: desk-1a2b!", 16);
	assert_int_equal(h.hits, 1);
	assert_int_equal(h.offset, 128 * 65536 - 127 * 128 / 2 + 6);
	canary_stream_end(s, 55);
	canaries_free(h.c);
}

static void test_a_hit_says_where_and_shows_what_is_around(void **state UNUSED)
{
	static const char text[] = "GET /?h=desk-1a2b HTTP/1.1\r\n";
	struct heard h;

	heard_new(&h);
	send_cut(&h, text, sizeof(text) - 1, 12, 100);
	assert_string_equal(h.place, "stream");
	assert_int_equal(h.offset, 8);
	assert_non_null(strstr(h.sample, "GET /?h=desk-1a2b HTTP/1.1"));
	again(&h);
	send_cut(&h, "x%64%65sk-1a2b", 14, 14, 1);
	assert_int_equal(h.hits, 1);
	assert_int_equal(h.offset, 1);
	assert_string_equal(h.sample, "xdesk-1a2b");
	again(&h);
	/* twice is two hits */
	send_cut(&h, "desk-1a2bdesk-1a2b", 18, 18, 1);
	assert_int_equal(h.hits, 2);
	canaries_free(h.c);
}

static void test_many_hits_are_told_up_to_a_limit(void **state UNUSED)
{
	struct canary_stream *s;
	struct heard h;

	heard_new(&h);
	s = canary_stream_new(h.c, &h.f, "stream", &h.emit);
	for (int i = 0; i < CANARY_HITS_MAX; i++)
		canary_feed(s, 55, "desk-1a2b ", 10);
	assert_int_equal(h.hits, CANARY_HITS_MAX);
	assert_int_equal(h.limits, 0);
	for (int i = 0; i < 10; i++)
		canary_feed(s, 55, "desk-1a2b ", 10);
	assert_int_equal(h.hits, CANARY_HITS_MAX);
	assert_int_equal(h.limits, 1);
	assert_string_equal(h.limit, "canary-hits");
	canary_stream_end(s, 55);
	canaries_free(h.c);
}

static void test_values_that_cannot_be_looked_for(void **state UNUSED)
{
	static const struct gate_canary brief = { "x", "12345" }, odd = { "x", "123456\xff" };
	struct gate_canary many[CANARY_MAX + 1];
	struct canaries *c = NULL;
	struct err err = { 0 };
	struct heard h = { .f = { .id = 7 }, .emit = { &h, hear } };

	assert_int_equal(canaries_new(&brief, 1, &c, &err), -EINVAL);
	assert_int_equal(canaries_new(&odd, 1, &c, &err), -EINVAL);
	for (int i = 0; i <= CANARY_MAX; i++)
		many[i] = values[0];
	assert_int_equal(canaries_new(many, CANARY_MAX + 1, &c, &err), -E2BIG);
	assert_null(c);
	/* none at all: nothing is found, nothing breaks */
	assert_int_equal(canaries_new(NULL, 0, &h.c, &err), 0);
	send_cut(&h, "desk-1a2b", 9, 4, 1);
	canary_text(h.c, &h.f, "dns-name", 55, "desk-1a2b", 9, &h.emit);
	assert_int_equal(h.hits, 0);
	canaries_free(h.c);
	canaries_free(NULL);
	canary_stream_end(NULL, 0);
}

/* ---- bodies ------------------------------------------------------------------------------- */

static size_t pack(int bits, const void *p, size_t n, uint8_t *out, size_t room)
{
	z_stream z = { 0 };
	size_t k;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	k = room - z.avail_out;
	deflateEnd(&z);
	return k;
}

static const struct {
	int bits;
	const char *name, *header;
} packings[] = {
	{ 15 + 16, "gzip", "Content-Encoding: gzip\r\n" },  { 15 + 16, "gzip", "" },
	{ 15, "zlib", "Content-Encoding: deflate\r\n" },    { 15, "zlib", "" },
	{ -15, "deflate", "content-encoding:deflate\r\n" },
};

static void put_request(struct bytes *b, const char *headers, const uint8_t *body, size_t n,
			size_t chunk)
{
	b->n += (size_t)sprintf((char *)b->p + b->n, "POST /a HTTP/1.1\r\nHost: x\r\n%s", headers);
	if (!chunk) {
		b->n += (size_t)sprintf((char *)b->p + b->n, "Content-Length: %zu\r\n\r\n", n);
		put(b, body, n);
		return;
	}
	put(b, "Transfer-Encoding: chunked\r\n\r\n", 30);
	for (size_t at = 0; at < n; at += chunk) {
		size_t k = chunk < n - at ? chunk : n - at;

		b->n += (size_t)sprintf((char *)b->p + b->n, at ? "%zx\r\n" : "%zX;x=y\r\n", k);
		put(b, body + at, k);
		put(b, "\r\n", 2);
	}
	put(b, "0\r\nX-Trailer: 1\r\n\r\n", 19);
}

static void test_packed_bodies_are_searched(void **state UNUSED)
{
	static const size_t chunks[] = { 0, 1, 2, 7, 1000 };
	struct heard h;

	heard_new(&h);
	for (size_t v = 0; v < ARRAY_SIZE(values); v++)
		for (size_t k = 0; k < ARRAY_SIZE(packings); k++)
			for (size_t c = 0; c < ARRAY_SIZE(chunks); c++) {
				char plain[1000], want[64];
				uint8_t packed[1000];
				struct bytes b = { .n = 0 };
				size_t n;

				snprintf(plain, sizeof(plain), "{\"id\": \"%s\"}", values[v].value);
				n = pack(packings[k].bits, plain, strlen(plain), packed,
					 sizeof(packed));
				/* the second request on a connection, too */
				put_request(&b, "", (const uint8_t *)"nothing", 7, chunks[c]);
				put_request(&b, packings[k].header, packed, n, chunks[c]);
				snprintf(want, sizeof(want), "%s", packings[k].name);
				for (size_t cut = 1; cut <= b.n; cut += 5) {
					send_cut(&h, b.p, b.n, cut, b.n);
					assert_string_equal(h.place, "http-body");
					expect(&h, values[v].label, want, packings[k].header);
				}
				send_cut(&h, b.p, b.n, 1, 1);
				expect(&h, values[v].label, want, packings[k].header);
			}
	canaries_free(h.c);
}

static void test_encodings_inside_of_packed_bodies(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (int way = 0; way < WAYS; way++) {
		struct bytes b = { .n = 0 }, in;
		uint8_t packed[1000];
		const char *name;
		char want[64];

		/* random bytes are stored as they are: the plain search finds them as well */
		if (!encode(way, values[1].value, &in, &name) || (way >= 16 && (way - 16) % 10 < 2))
			continue;
		put_request(&b, "", packed, pack(15 + 16, in.p, in.n, packed, sizeof(packed)), 3);
		snprintf(want, sizeof(want), "gzip%s%s", way ? "+" : "", way ? name : "");
		send_cut(&h, b.p, b.n, 100, 9);
		expect(&h, "machine-id", want, name);
	}
	canaries_free(h.c);
}

static void test_a_value_that_chunks_cut_is_found_once(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (size_t v = 0; v < ARRAY_SIZE(values); v++)
		for (int way = 0; way < WAYS; way++)
			for (size_t chunk = 1; chunk < 40; chunk += 3) {
				struct bytes b = { .n = 0 }, in, body = { .n = 0 };
				const char *name;

				if (!encode(way, values[v].value, &in, &name) ||
				    strstr(name, "url"))
					continue;
				put(&body, "some text before ", 17);
				put(&body, in.p, in.n);
				put(&body, " and some behind", 16);
				put_request(&b, "", body.p, body.n, chunk);
				send_cut(&h, b.p, b.n, b.n / 3, chunk + 1);
				expect(&h, values[v].label, name, "chunks");
			}
	canaries_free(h.c);
}

static void put_frame(struct bytes *b, int type, int flags, uint32_t id, const void *p, size_t n,
		      int pad)
{
	uint8_t head[10] = { 0,
			     (uint8_t)((n + (pad >= 0 ? (size_t)pad + 1 : 0)) >> 8),
			     (uint8_t)(n + (pad >= 0 ? (size_t)pad + 1 : 0)),
			     (uint8_t)type,
			     (uint8_t)(flags | (pad >= 0 ? 8 : 0)),
			     0,
			     0,
			     0,
			     (uint8_t)id,
			     (uint8_t)pad };

	put(b, head, pad >= 0 ? 10 : 9);
	put(b, p, n);
	for (int i = 0; i < pad; i++)
		put(b, "", 1);
}

static void test_bodies_of_http2_in_frames_of_several_streams(void **state UNUSED)
{
	static const char plain[] = "first desk-1a2b then";
	uint8_t packed[200];
	size_t n = pack(15 + 16, plain, sizeof(plain) - 1, packed, sizeof(packed));
	struct heard h;

	heard_new(&h);
	for (int pad = -1; pad < 5; pad += 3)
		for (size_t piece = 1; piece < 20; piece += 4) {
			struct bytes b = { .n = 0 };

			put(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
			put_frame(&b, 4, 0, 0, "", 0, -1);
			for (uint32_t id = 1; id < 40; id += 2) { /* more than are kept at once */
				put_frame(&b, 1, 4, id, "head", 4, -1);
				if (id >= 19) /* the first eight stay open */
					put_frame(&b, 0, 1, id, "x", 1, pad);
				else if (id < 15)
					put_frame(&b, 0, 0, id, "y", 1, -1);
			}
			for (size_t at = 0; at < n; at += piece) {
				size_t k = piece < n - at ? piece : n - at;

				put_frame(&b, 0, at + k == n, 15, packed + at, k, pad);
				put_frame(&b, 0, 0, 3, "other", 5, pad);
			}
			/* plain, and cut by frames */
			put_frame(&b, 0, 0, 5, "desk", 4, pad);
			put_frame(&b, 0, 0, 3, "desk", 4, pad);
			put_frame(&b, 0, 1, 5, "-1a2b", 5, pad);
			send_cut(&h, b.p, b.n, 30, piece);
			if (h.hits != 2)
				fail_msg("pad %d, pieces of %zu: %d hits", pad, piece, h.hits);
			assert_string_equal(h.encoding, "raw");
			assert_string_equal(h.place, "http-body");
			again(&h);
		}
	canaries_free(h.c);
}

static void test_gzip_in_a_stream_of_another_protocol(void **state UNUSED)
{
	static const char plain[] = "id=desk-1a2b";
	struct heard h;

	heard_new(&h);
	for (size_t cut = 1; cut < 90; cut++) {
		struct bytes b = { .n = 0 };
		uint8_t packed[200];
		size_t n = pack(15 + 16, plain, sizeof(plain) - 1, packed, sizeof(packed));

		put(&b, "\x01\x1f\x1f\x8b\x07 own protocol", 18);
		put(&b, packed, n);
		put(&b, "then something else", 19);
		send_cut(&h, b.p, b.n, cut, 3);
		assert_string_equal(h.place, "stream");
		expect(&h, "hostname", "gzip", "own protocol");
		/* a second one, in the next record */
		put(&b, packed, n);
		send_cut(&h, b.p, b.n, cut, 50);
		assert_int_equal(h.hits, 2);
		again(&h);
	}
	canaries_free(h.c);
}

static void test_zlib_from_the_first_byte_on(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (size_t cut = 1; cut < 20; cut++) {
		uint8_t packed[200];
		size_t n = pack(15, "id=desk-1a2b", 12, packed, sizeof(packed));

		send_cut(&h, packed, n, cut, 3);
		assert_string_equal(h.place, "stream");
		expect(&h, "hostname", "zlib", "own protocol");
		again(&h);
	}
	canaries_free(h.c);
}

/* RFC 6455 5.2, as a client writes it */
static void put_masked(struct bytes *b, uint8_t first, const void *p, size_t n)
{
	static const uint8_t key[4] = { 0x9a, 0x01, 0xfe, 0x33 };
	uint8_t head[4] = { first, (uint8_t)(0x80 | n) };

	put(b, head, 2);
	if (n > 125) {
		b->n--;
		head[0] = 0x80 | 126;
		head[1] = 0;
		head[2] = (uint8_t)n;
		put(b, head, 3);
	}
	put(b, key, 4);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = ((const uint8_t *)p)[i] ^ key[i % 4];

		put(b, &c, 1);
	}
}

static const char upgrade[] = "GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n"
			      "Connection: Upgrade\r\n\r\n";

static void test_what_is_said_in_a_websocket(void **state UNUSED)
{
	char words[160];
	struct heard h;

	memset(words, '.', sizeof(words));
	memcpy(words + 140, "desk-1a2b", 9);
	heard_new(&h);
	for (size_t cut = 1; cut < 260; cut++) {
		struct bytes b = { .n = 0 };

		put(&b, upgrade, sizeof(upgrade) - 1);
		put_masked(&b, 0x81, words, sizeof(words));
		send_cut(&h, b.p, b.n, cut, 7);
		assert_string_equal(h.place, "websocket");
		expect(&h, "hostname", "raw", "one frame");
		again(&h);
		b.n = 0;
		put(&b, upgrade, sizeof(upgrade) - 1);
		put_masked(&b, 0x02, "ZGVza", 5); /* base64 in two frames, a ping between them */
		put_masked(&b, 0x89, "", 0);
		put_masked(&b, 0x80, "y0xYTJi", 7);
		send_cut(&h, b.p, b.n, cut, 7);
		expect(&h, "hostname", "base64", "fragments");
		again(&h);
		b.n = 0;
		put(&b, upgrade, sizeof(upgrade) - 1);
		put_masked(&b, 0x89, "desk-1a2b", 9);
		send_cut(&h, b.p, b.n, cut, 7);
		expect(&h, "hostname", "raw", "a ping");
		again(&h);
	}
	canaries_free(h.c);
}

/* RFC 7692: one deflate stream over all messages, each without the end of its flush */
static void test_packed_messages_of_a_websocket(void **state UNUSED)
{
	static const char *const said[] = { "nothing special", "but now: desk-1a2b", "and more" };
	struct bytes b = { .n = 0 };
	z_stream z = { 0 };
	struct heard h;

	heard_new(&h);
	put(&b, upgrade, sizeof(upgrade) - 1);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		uint8_t out[100];

		z.next_in = (Bytef *)said[i];
		z.avail_in = (uInt)strlen(said[i]);
		z.next_out = out;
		z.avail_out = sizeof(out);
		assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
		put_masked(&b, 0xc1, out, sizeof(out) - z.avail_out - 4);
	}
	deflateEnd(&z);
	for (size_t cut = 1; cut < b.n; cut++) {
		send_cut(&h, b.p, b.n, cut, 5);
		expect(&h, "hostname", "deflate", "packed messages");
		again(&h);
	}
	canaries_free(h.c);
}

static void test_a_websocket_that_was_refused_is_http_again(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (size_t cut = 1; cut < 200; cut++) {
		uint8_t packed[200];
		size_t n = pack(15 + 16, "id=desk-1a2b", 12, packed, sizeof(packed));
		struct bytes b = { .n = 0 };

		put(&b, upgrade, sizeof(upgrade) - 1);
		put_request(&b, "Content-Encoding: gzip\r\n", packed, n, 5);
		send_cut(&h, b.p, b.n, cut, 9);
		expect(&h, "hostname", "gzip", "refused");
		again(&h);
	}
	canaries_free(h.c);
}

static void test_a_bomb_is_unpacked_up_to_a_limit(void **state UNUSED)
{
	size_t plain_n = CANARY_INFLATE_MAX + (1u << 20);
	cleanup_free uint8_t *plain = xcalloc(plain_n, 1), *packed = xmalloc(1u << 20);
	cleanup_free char *head = NULL;
	struct canary_stream *s;
	struct heard h;
	size_t n;

	memcpy(plain + CANARY_INFLATE_MAX - 9, "desk-1a2b", 9);
	memcpy(plain + plain_n - 9, "desk-1a2b", 9); /* beyond */
	n = pack(15 + 16, plain, plain_n, packed, 1u << 20);
	heard_new(&h);
	s = canary_stream_new(h.c, &h.f, "tls", &h.emit);
	head = xasprintf("PUT /b HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", n);
	canary_feed(s, 55, head, strlen(head));
	for (size_t at = 0; at < n; at += 1000)
		canary_feed(s, 55, packed + at, n - at < 1000 ? n - at : 1000);
	assert_int_equal(h.hits, 1);
	assert_int_equal(h.offset, CANARY_INFLATE_MAX - 9);
	assert_int_equal(h.limits, 1);
	assert_string_equal(h.limit, "canary-unpacked");
	/* the stream goes on, and so does its search */
	canary_feed(s, 55, "GET /desk-1a2b", 14);
	assert_int_equal(h.hits, 2);
	assert_string_equal(h.encoding, "raw");
	assert_string_equal(h.place, "tls");
	canary_stream_end(s, 55);
	canaries_free(h.c);
}

static void test_only_so_much_is_unpacked_at_the_same_time(void **state UNUSED)
{
	static struct canary_stream *s[UNPACKS_MAX + 1];
	static const char head[] = "PUT / HTTP/1.1\r\nContent-Length: 99\r\n\r\n\x1f\x8b";
	struct heard h;

	heard_new(&h);
	for (int i = 0; i <= UNPACKS_MAX; i++) {
		s[i] = canary_stream_new(h.c, &h.f, "stream", &h.emit);
		canary_feed(s[i], 55, head, sizeof(head) - 1);
		assert_int_equal(h.limits, i == UNPACKS_MAX);
	}
	assert_string_equal(h.limit, "canary-unpacks");
	canary_stream_end(s[0], 55);
	s[0] = canary_stream_new(h.c, &h.f, "stream", &h.emit);
	canary_feed(s[0], 55, head, sizeof(head) - 1);
	assert_int_equal(h.limits, 1);
	for (int i = 0; i <= UNPACKS_MAX; i++)
		canary_stream_end(s[i], 55);
	canaries_free(h.c);
}

static void test_what_is_wrong_in_http_ends_no_search(void **state UNUSED)
{
	static const char *const streams[] = {
		"PRI * HTTP/2.0\r\n\r\nXX desk-1a2b",
		"PRI * HTTP/1.1\r\n\r\ndesk-1a2b",
		"P",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\ndesk-1a2b",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\ndesk-1a2b",
		("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "ffffffffffffffffffff\r\ndesk-1a2b"),
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\ndesk-1a2b",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ndesk-1a2b",
		"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\ndesk-1a2b",
		"POST / HTTP/1.1\r\n desk-1a2b\r\n\r\n",
		"CONNECT desk-1a2b:443 HTTP/1.1\r\n\r\nmore",
		"NOT HTTP desk-1a2b\r\n\r\n",
	};
	struct heard h;

	heard_new(&h);
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		for (size_t step = 1; step < 70; step += 4) {
			int want = strstr(streams[i], "desk-1a2b") ? 1 : 0;

			send_cut(&h, streams[i], strlen(streams[i]), step, step);
			if (h.hits != want)
				fail_msg("stream %zu in steps of %zu: %d hits", i, step, h.hits);
			again(&h);
		}
	canaries_free(h.c);
}

/* ---- texts -------------------------------------------------------------------------------- */

static void say(struct heard *h, const char *place, const char *text)
{
	canary_text(h->c, &h->f, place, 55, text, strlen(text), &h->emit);
}

static void test_texts_and_names(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	say(&h, "http-head", "Cookie: h=desk-1a2b");
	assert_string_equal(h.place, "http-head");
	assert_int_equal(h.offset, -1);
	expect(&h, "hostname", "raw", "head");
	say(&h, "http-head", "Cookie: h=d%65sk-1a2b");
	expect(&h, "hostname", "url", "head");
	say(&h, "dns-name", "desk-1a2b.evil.example");
	assert_string_equal(h.place, "dns-name");
	expect(&h, "hostname", "raw", "name");
	say(&h, "dns-name", "DESK-1A2B.evil.example");
	expect(&h, "hostname", "raw", "upper case");
	say(&h, "dns-name", "zq9x_7.evil.example");
	expect(&h, "short", "raw", "lower case");
	say(&h, "dns-name", "6465736b2d31613262.evil.example");
	expect(&h, "hostname", "hex", "hex");
	say(&h, "dns-name", "x.6465736b2d31613.262.evil.example");
	expect(&h, "hostname", "hex", "hex cut by a dot");
	say(&h, "dns-name", "d.e.s.k.-.1.a.2.b.evil.example");
	expect(&h, "hostname", "raw", "a letter a label");
	/* base64 of "desk-1a2b", whose case a name does not keep */
	say(&h, "dns-name", "zgvzay0xytji.evil.example");
	expect(&h, "hostname", "base64", "base64");
	/* base32 (RFC 4648 6) of "desk-1a2b", and of it behind two bytes */
	say(&h, "dns-name", "mrsxg2znge2dcmi.evil.example");
	assert_int_equal(h.hits, 0); /* of "desk-1411" */
	say(&h, "dns-name", "mrsxg2znge2gcmtc.evil.example");
	assert_int_equal(h.hits, 0); /* of "desk-14a2b" */
	say(&h, "dns-name", "mrsxg2znggydcyrs.evil.example");
	assert_int_equal(h.hits, 0);
	canaries_free(h.c);
}

static void base32(const char *p, size_t n, char *out)
{
	uint64_t acc = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | (uint8_t)p[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[acc >> (bits - 5) & 31];
	}
	if (bits)
		*out++ = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[acc << (5 - bits) & 31];
	*out = 0;
}

static void test_base32_in_names_however_it_is_aligned(void **state UNUSED)
{
	struct heard h;

	heard_new(&h);
	for (int before = 0; before < 10; before++) {
		char text[128], coded[256], name[300];

		snprintf(text, sizeof(text), "%.*s%s;tail", before, "abcdefghij", values[1].value);
		base32(text, strlen(text), coded);
		snprintf(name, sizeof(name), "%.60s.%s.evil.example", coded, coded + 60);
		say(&h, "dns-name", name);
		expect(&h, "machine-id", "base32", name);
	}
	canaries_free(h.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_value_in_each_encoding_is_found_once_wherever_it_is_cut),
		cmocka_unit_test(test_each_value_is_found_when_it_is_the_only_one),
		cmocka_unit_test(test_near_misses_are_no_hits),
		cmocka_unit_test(test_bulk_holds_nothing_by_chance),
		cmocka_unit_test(test_a_hit_says_where_and_shows_what_is_around),
		cmocka_unit_test(test_many_hits_are_told_up_to_a_limit),
		cmocka_unit_test(test_values_that_cannot_be_looked_for),
		cmocka_unit_test(test_packed_bodies_are_searched),
		cmocka_unit_test(test_encodings_inside_of_packed_bodies),
		cmocka_unit_test(test_a_value_that_chunks_cut_is_found_once),
		cmocka_unit_test(test_bodies_of_http2_in_frames_of_several_streams),
		cmocka_unit_test(test_gzip_in_a_stream_of_another_protocol),
		cmocka_unit_test(test_zlib_from_the_first_byte_on),
		cmocka_unit_test(test_what_is_said_in_a_websocket),
		cmocka_unit_test(test_packed_messages_of_a_websocket),
		cmocka_unit_test(test_a_websocket_that_was_refused_is_http_again),
		cmocka_unit_test(test_a_bomb_is_unpacked_up_to_a_limit),
		cmocka_unit_test(test_only_so_much_is_unpacked_at_the_same_time),
		cmocka_unit_test(test_what_is_wrong_in_http_ends_no_search),
		cmocka_unit_test(test_texts_and_names),
		cmocka_unit_test(test_base32_in_names_however_it_is_aligned),
	};

	return cmocka_run_group_tests_name("gate canary", tests, NULL, NULL);
}
