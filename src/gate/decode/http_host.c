// SPDX-License-Identifier: Apache-2.0
/*
 * http_host.c - whom the first request of a stream is for
 */
#include "gate/decode/http1.h"
#include "gate/decode/http2.h"

#define HOST_ROOM (NAME_MAX_DNS + 8)

/* What does not fit is cut: it is longer than any name that a policy could allow. */
static int give(const struct buf *hosts, char host[HOST_ROOM])
{
	size_t n = hosts->n < HOST_ROOM - 1 ? hosts->n : HOST_ROOM - 1;

	for (size_t i = 0; i < n; i++)
		host[i] = hosts->p[i] ? hosts->p[i] : '?';
	host[n] = 0;
	return 1;
}

/* No line of text: no request, whatever follows (RFC 9112 3). */
static bool has_controls(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < ' ' && p[i] != '\t' && p[i] != '\r') || p[i] == 0x7f)
			return true;
	return false;
}

static int of_http1(const uint8_t *p, size_t n, char host[HOST_ROOM])
{
	struct http1_head h;
	size_t start = 0, end;
	int rc = -EBADMSG;

	while (start < n && (p[start] == '\r' || p[start] == '\n'))
		start++;
	p += start;
	n -= start;
	end = http1_head_end(p, n < HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX, 0);
	if (!end) {
		const uint8_t *nl = memchr(p, '\n', n);

		/* a first line that is no request will not become one */
		if (has_controls(p, nl ? (size_t)(nl - p) : n))
			return -EBADMSG;
		if (!nl)
			return n + start >= HTTP1_HEAD_MAX ? -EBADMSG : 0;
		rc = http1_head_read(p, (size_t)(nl + 1 - p), false, &h);
		http1_head_free(&h);
		return rc ? rc : n + start >= HTTP1_HEAD_MAX ? -EMSGSIZE : 0;
	}
	if (!http1_head_read(p, end, false, &h))
		rc = give(&h.hosts, host);
	http1_head_free(&h);
	return rc;
}

static int of_fields(const struct h2_fields *f, char host[HOST_ROOM])
{
	struct str a = h2_field(f, H2_AUTHORITY), h = h2_field(f, H2_HOST);
	struct buf hosts = { 0 };
	int rc;

	if (!h2_field(f, H2_METHOD).p)
		return -EBADMSG;
	if (a.p)
		buf_add(&hosts, a.p, a.n);
	if (h.p && (!a.p || !str_eq(a, h))) {
		if (a.p)
			buf_puts(&hosts, ",");
		buf_add(&hosts, h.p, h.n);
	}
	for (size_t i = 0; i < hosts.n; i++)
		if (hosts.p[i] >= 'A' && hosts.p[i] <= 'Z')
			hosts.p[i] = (char)(hosts.p[i] + 'a' - 'A');
	rc = give(&hosts, host);
	buf_free(&hosts);
	return rc;
}

/* The frames up to the end of the first header block. */
static int of_http2(const uint8_t *p, size_t n, char host[HOST_ROOM])
{
	struct h2_fields fields = { 0 };
	struct hpack *hpack = hpack_new();
	struct str piece;
	bool begun = false;
	int rc = 0;

	while (!rc && n >= H2_FRAME_HEAD) {
		struct h2_frame f = h2_frame_read(p);
		bool last = f.flags & H2_END_HEADERS;

		if (f.n > H2_FRAME_MAX || begun != (f.type == H2_CONTINUATION)) {
			rc = -EBADMSG;
			break;
		}
		if (n < H2_FRAME_HEAD + f.n)
			break;
		if (f.type == H2_HEADERS || f.type == H2_CONTINUATION) {
			if (!h2_fragment(&f, p + H2_FRAME_HEAD, &piece) ||
			    hpack_inflate(hpack, piece, last, &fields))
				rc = -EBADMSG;
			else if (last)
				rc = of_fields(&fields, host);
			begun = true;
		}
		p += H2_FRAME_HEAD + f.n;
		n -= H2_FRAME_HEAD + f.n;
	}
	hpack_free(hpack);
	h2_fields_clear(&fields);
	return rc;
}

int http_host_read(const void *bytes, size_t n, char host[HOST_ROOM])
{
	const uint8_t *p = bytes;
	size_t preface = n < H2_PREFACE_N ? n : H2_PREFACE_N;
	int rc;

	if (!n)
		return 0;
	if (memcmp(p, H2_PREFACE, preface))
		return of_http1(p, n, host);
	if (n < H2_PREFACE_N)
		return 0;
	rc = of_http2(p + H2_PREFACE_N, n - H2_PREFACE_N, host);
	return rc || n < HTTP1_HEAD_MAX ? rc : -EBADMSG;
}
