// SPDX-License-Identifier: Apache-2.0
/*
 * sink_http2.c - HTTP/2 server of the sinkhole, by libnghttp2 (RFC 9113)
 */
#include <nghttp2/nghttp2.h>
#include <utlist.h>

#include "gate/sink/http_respond.h"

#define STREAMS_AT_ONCE 100
#define FIELDS_MAX	64 /* of our answers */

/* One request, and its answer while that is sent. */
struct stream {
	char method[20];
	struct buf target, host, fields;
	struct http_response rs;
	bool answered;
	struct stream *prev, *next;
};

struct http2 {
	nghttp2_session *session;
	struct talk *talk;
	struct stream *streams; /* that are open */
	bool failed;
};

static enum looks http2_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	/* the client's connection preface, RFC 9113 3.4 */
	size_t k = NGHTTP2_CLIENT_MAGIC_LEN;

	if (memcmp(p, NGHTTP2_CLIENT_MAGIC, n < k ? n : k))
		return LOOKS_NO;
	return n < k ? LOOKS_SHORT : LOOKS_YES;
}

static void stream_free(struct http2 *h, struct stream *st)
{
	DL_DELETE(h->streams, st);
	buf_free(&st->target);
	buf_free(&st->host);
	buf_free(&st->fields);
	buf_free(&st->rs.fields);
	free(st);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;
	struct stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = xcalloc(1, sizeof(*st));
	st->target.limit = st->host.limit = st->fields.limit = HTTP_HEAD_MAX;
	DL_APPEND(h->streams, st);
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, st);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags UNUSED,
		     void *user UNUSED)
{
	struct stream *st = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct str n = { (const char *)name, name_n };

	if (!st || frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	if (str_eq(n, STR(":method"))) {
		snprintf(st->method, sizeof(st->method), "%.*s", (int)(value_n < 20 ? value_n : 19),
			 (const char *)value);
	} else if (str_eq(n, STR(":path"))) {
		buf_add(&st->target, value, value_n);
	} else if (str_eq(n, STR(":authority"))) {
		buf_add(&st->host, value, value_n);
	} else if (name_n && name[0] != ':') {
		buf_add(&st->fields, name, name_n);
		buf_add(&st->fields, ": ", 2);
		buf_add(&st->fields, value, value_n);
		buf_add(&st->fields, "\r\n", 2);
	}
	return 0;
}

static ssize_t read_body(nghttp2_session *session UNUSED, int32_t id UNUSED, uint8_t *out,
			 size_t room, uint32_t *flags, nghttp2_data_source *source,
			 void *user UNUSED)
{
	struct str *body = &((struct stream *)source->ptr)->rs.body;
	size_t n = body->n < room ? body->n : room;

	if (n)
		memcpy(out, body->p, n);
	body->p += n;
	body->n -= n;
	if (!body->n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* The lines of an answer as nghttp2 wants them; what only HTTP/1 has is left out. */
static size_t field_list(struct stream *st, const char *status, nghttp2_nv nv[FIELDS_MAX])
{
	size_t k = 1;
	char *p = buf_z(&st->rs.fields), *nl;

	nv[0] = (nghttp2_nv){ (uint8_t *)":status", (uint8_t *)status, 7, 3, 0 };
	for (; k < FIELDS_MAX && (nl = strchr(p, '\n')); p = nl + 1) {
		char *colon = memchr(p, ':', (size_t)(nl - p)), *value, *stop = nl;

		if (!colon || colon == p)
			continue;
		value = colon + 1 + strspn(colon + 1, " \t");
		while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
			stop--;
		if (value > stop)
			value = stop;
		for (char *c = p; c < colon; c++) /* RFC 9113 8.2.1: lower case */
			if (*c >= 'A' && *c <= 'Z')
				*c |= 32;
		nv[k++] = (nghttp2_nv){ (uint8_t *)p, (uint8_t *)value, (size_t)(colon - p),
					(size_t)(stop - value), 0 };
	}
	return k;
}

static int answer(nghttp2_session *session, int32_t id, struct stream *st, struct talk *t)
{
	struct http_request rq = { .method = st->method,
				   .target = { st->target.p, st->target.n },
				   .host = { st->host.p, st->host.n },
				   .fields = { st->fields.p, st->fields.n } };
	nghttp2_data_provider body = { .source.ptr = st, .read_callback = read_body };
	nghttp2_nv nv[FIELDS_MAX];
	char status[8];
	size_t n;

	if (!rq.target.p)
		rq.target = STR("/");
	if (!rq.host.p)
		rq.host = STR("");
	if (!rq.fields.p)
		rq.fields = STR("");
	http_respond(t, &rq, &st->rs);
	snprintf(status, sizeof(status), "%03d", st->rs.status % 1000);
	n = field_list(st, status, nv);
	return nghttp2_submit_response(session, id, nv, n, st->rs.body.n ? &body : NULL);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;
	struct stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	st = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (!st || st->answered || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	st->answered = true;
	return answer(session, frame->hd.stream_id, st, h->talk);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code UNUSED, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(session, id);

	if (st)
		stream_free(user, st);
	return 0;
}

static bool begin(struct talk *t)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_AT_ONCE },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0 },
	};
	struct http2 *h = t->state;
	nghttp2_session_callbacks *cb = NULL;
	int rc = nghttp2_session_callbacks_new(&cb);

	h->talk = t;
	if (!rc) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
		rc = nghttp2_session_server_new(&h->session, cb, h);
	}
	nghttp2_session_callbacks_del(cb);
	if (!rc)
		rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
					     ARRAY_SIZE(settings));
	return !rc;
}

static enum talked http2_input(struct talk *t, struct buf *out)
{
	struct http2 *h = t->state;
	const uint8_t *p;
	ssize_t n;

	if (!h->session && !begin(t))
		return TALK_CLOSE;
	h->talk = t;
	if (talk_left(t) && !h->failed) {
		n = nghttp2_session_mem_recv(h->session, (const uint8_t *)talk_bytes(t),
					     talk_left(t));
		h->failed = n < 0;
		talk_take(t, talk_left(t));
	}
	while (out->n < TALK_OUT_MAX && (n = nghttp2_session_mem_send(h->session, &p)) > 0)
		buf_add(out, p, (size_t)n);
	if (out->n >= TALK_OUT_MAX)
		return TALK_MORE;
	if (h->failed || n < 0 ||
	    (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)))
		return TALK_CLOSE;
	return TALK_ON;
}

static void http2_end(struct talk *t)
{
	struct http2 *h = t->state;

	nghttp2_session_del(h->session);
	while (h->streams)
		stream_free(h, h->streams);
}

const struct speaker speaker_http2 = {
	.state = sizeof(struct http2), .looks = http2_looks, .input = http2_input, .end = http2_end
};
