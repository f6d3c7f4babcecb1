// SPDX-License-Identifier: Apache-2.0
/*
 * bytes.c - borrowed strings, growing buffers, bounds-checked readers and writers
 */
#include <stdarg.h>

#include "base/base.h"

struct str str_z(const char *z)
{
	return z ? (struct str){ z, strlen(z) } : (struct str){ "", 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n));
}

uint64_t fnv1a(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && !memcmp(s.p, prefix, n);
}

bool str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && !memcmp(s.p + s.n - n, suffix, n);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 section 4), 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];

	if (c < 0x80)
		return c ? 1 : 0;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	if (n < 2 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (c < 0xe0)
		return 2;
	if (n < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (c < 0xf0) {
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || (p[3] & 0xc0) != 0x80)
		return 0;
	if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return 4;
}

bool utf8_valid(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	for (size_t i = 0; i < n;) {
		uint64_t w;
		size_t k;

		/* eight ASCII bytes without NUL at once: the usual case */
		if (n - i >= 8) {
			memcpy(&w, u + i, 8);
			if (!(w & 0x8080808080808080ull) &&
			    !((w - 0x0101010101010101ull) & ~w & 0x8080808080808080ull)) {
				i += 8;
				continue;
			}
		}
		k = utf8_len(u + i, n - i);
		if (!k)
			return false;
		i += k;
	}
	return true;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	size_t limit = b->limit ? b->limit : BUF_LIMIT_DEFAULT;

	if (b->overflow || n > limit - b->n) {
		b->overflow = true;
		return;
	}
	if (b->n + n + 1 > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 256;

		while (cap < b->n + n + 1)
			cap *= 2;
		b->p = xrealloc(b->p, cap);
		b->cap = cap;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_puts(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[512];
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->overflow = true;
	} else if (n < (int)sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else {
		char *big = xmalloc((size_t)n + 1);

		vsnprintf(big, (size_t)n + 1, fmt, again);
		buf_add(b, big, (size_t)n);
		free(big);
	}
	va_end(again);
}

static bool is_plain_word(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!p[i] ||
		    !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "_@%+=:,./-^",
			    p[i]))
			return false;
	return n > 0;
}

void buf_quote(struct buf *b, const char *p, size_t n)
{
	if (is_plain_word(p, n)) {
		buf_add(b, p, n);
		return;
	}
	buf_puts(b, "'");
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\'')
			buf_puts(b, "'\\''");
		else
			buf_add(b, p + i, 1);
	buf_puts(b, "'");
}

char *buf_z(struct buf *b)
{
	if (!b->cap) {
		b->cap = 16;
		b->p = xmalloc(b->cap);
	}
	b->p[b->n] = 0;
	return b->p;
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? *p : 0;
}

uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			       (uint32_t)p[3] << 24
		 : 0;
}

uint64_t rd_u64(struct rd *r)
{
	uint64_t lo = rd_u32(r);

	return lo | (uint64_t)rd_u32(r) << 32;
}

uint64_t rd_varint(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t c = rd_u8(r);

		if (shift == 63 && c > 1)
			break;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return r->bad ? 0 : v;
	}
	r->bad = true;
	return 0;
}

uint64_t rd_number(struct rd *r, uint64_t max)
{
	uint64_t v = rd_varint(r);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

struct str rd_str(struct rd *r, size_t max)
{
	uint64_t n = rd_number(r, max);
	const uint8_t *p = rd_bytes(r, n);

	return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

void wr_bytes(struct wr *w, const void *p, size_t n)
{
	if (w->bad || n > (size_t)(w->end - w->p)) {
		w->bad = true;
		return;
	}
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

void wr_u32(struct wr *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	wr_bytes(w, b, 4);
}

void wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)v);
	wr_u32(w, (uint32_t)(v >> 32));
}

void wr_varint(struct wr *w, uint64_t v)
{
	while (v >= 0x80) {
		wr_u8(w, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	wr_u8(w, (uint8_t)v);
}

void buf_number(struct buf *b, uint64_t v)
{
	uint8_t bytes[10];
	struct wr w = { .p = bytes, .end = bytes + sizeof(bytes) };

	wr_varint(&w, v);
	buf_add(b, bytes, (size_t)(w.p - bytes));
}

void buf_str(struct buf *b, struct str s)
{
	buf_number(b, s.n);
	buf_add(b, s.p, s.n);
}
