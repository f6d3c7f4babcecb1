// SPDX-License-Identifier: Apache-2.0
/*
 * hpack.c - header blocks of HTTP/2, inflated by libnghttp2 within a limit
 */
#include <nghttp2/nghttp2.h>

#include "gate/decode/http2.h"

struct hpack {
	nghttp2_hd_inflater *inflater;
	nghttp2_mem mem; /* the inflater keeps a pointer to it */
	size_t table;
	size_t used; /* bytes that the inflater holds */
};

/* ---- counted memory ----------------------------------------------------------------------- */

/* before each allocation, its size with this; keeps what follows aligned */
struct size {
	_Alignas(max_align_t) size_t n;
};

static void *counted_realloc(void *old, size_t n, void *ctx)
{
	struct hpack *h = ctx;
	struct size *s = old ? (struct size *)old - 1 : NULL;
	size_t before = s ? s->n : 0;

	if (n > HPACK_MEMORY_MAX || h->used - before + sizeof(*s) + n > HPACK_MEMORY_MAX)
		return NULL;
	s = xrealloc(s, sizeof(*s) + n);
	s->n = sizeof(*s) + n;
	h->used += s->n - before;
	return s + 1;
}

static void *counted_malloc(size_t n, void *ctx)
{
	return counted_realloc(NULL, n, ctx);
}

static void *counted_calloc(size_t n, size_t size, void *ctx)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	p = counted_realloc(NULL, all, ctx);
	return p ? memset(p, 0, all) : NULL;
}

static void counted_free(void *p, void *ctx)
{
	struct hpack *h = ctx;

	if (!p)
		return;
	h->used -= ((struct size *)p - 1)->n;
	free((struct size *)p - 1);
}

/* ---- fields ------------------------------------------------------------------------------- */

static const char *const field_names[H2_FIELDS] = {
	[H2_METHOD] = ":method",
	[H2_PATH] = ":path",
	[H2_AUTHORITY] = ":authority",
	[H2_STATUS] = ":status",
	[H2_HOST] = "host",
	[H2_AGENT] = "user-agent",
	[H2_TYPE] = "content-type",
	[H2_LENGTH] = "content-length",
};

static void add_line_part(struct buf *text, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool ends = p[i] == '\n' || p[i] == '\r' || !p[i];

		buf_add(text, ends ? (const uint8_t *)"?" : p + i, 1);
	}
}

static void add_field(struct h2_fields *f, const nghttp2_nv *nv)
{
	size_t at;

	add_line_part(&f->text, nv->name, nv->namelen);
	buf_puts(&f->text, ": ");
	at = f->text.n;
	add_line_part(&f->text, nv->value, nv->valuelen);
	buf_puts(&f->text, "\n");
	for (int i = 0; i < H2_FIELDS; i++)
		if (nv->namelen == strlen(field_names[i]) && !f->field[i].is_set &&
		    !memcmp(nv->name, field_names[i], nv->namelen)) {
			f->field[i].at = (uint32_t)at;
			f->field[i].n = (uint32_t)nv->valuelen;
			f->field[i].is_set = true;
		}
}

struct str h2_field(const struct h2_fields *f, enum h2_field which)
{
	if (!f->field[which].is_set)
		return (struct str){ NULL, 0 };
	return (struct str){ f->text.p + f->field[which].at, f->field[which].n };
}

void h2_fields_clear(struct h2_fields *f)
{
	buf_free(&f->text);
	*f = (struct h2_fields){ 0 };
}

/* ---- blocks ------------------------------------------------------------------------------- */

struct hpack *hpack_new(void)
{
	struct hpack *h = xcalloc(1, sizeof(*h));

	h->mem = (nghttp2_mem){ h, counted_malloc, counted_free, counted_calloc, counted_realloc };
	h->table = NGHTTP2_DEFAULT_HEADER_TABLE_SIZE;
	if (nghttp2_hd_inflate_new2(&h->inflater, &h->mem))
		abort(); /* it needs less than the limit */
	return h;
}

void hpack_table(struct hpack *h, uint32_t n)
{
	/* A smaller table is told again in the block itself; before that, blocks may be on their
	 * way that were made with the larger one. */
	if (n <= h->table)
		return;
	h->table = n < HPACK_TABLE_MAX ? n : HPACK_TABLE_MAX;
	nghttp2_hd_inflate_change_table_size(h->inflater, h->table);
}

int hpack_inflate(struct hpack *h, struct str piece, bool last, struct h2_fields *fields)
{
	const uint8_t *p = (const uint8_t *)piece.p;
	size_t n = piece.n;

	fields->text.limit = H2_TEXT_MAX;
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t k = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, p, n, last);

		if (k < 0)
			return -EBADMSG;
		p += k;
		n -= (size_t)k;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			add_field(fields, &nv);
			if (fields->text.overflow)
				return -EBADMSG;
		}
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(h->inflater);
			return 0;
		}
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !n)
			return last ? -EBADMSG : 0;
	}
}

size_t hpack_held(const struct hpack *h)
{
	return h ? sizeof(*h) + h->used : 0;
}

void hpack_free(struct hpack *h)
{
	if (!h)
		return;
	nghttp2_hd_inflate_del(h->inflater);
	free(h);
}

bool h2_fragment(const struct h2_frame *f, const uint8_t *p, struct str *ret)
{
	size_t n = f->n, pad = 0, skip = 0;

	if (f->type == H2_CONTINUATION) {
		*ret = (struct str){ (const char *)p, n };
		return true;
	}
	if (f->flags & H2_PADDED) {
		if (!n)
			return false;
		pad = p[0];
		skip = 1;
	}
	if (f->type == H2_HEADERS && f->flags & H2_PRIORITY)
		skip += 5;
	if (f->type == H2_PUSH_PROMISE)
		skip += 4;
	if (skip + pad > n)
		return false;
	*ret = (struct str){ (const char *)p + skip, n - skip - pad };
	return true;
}
