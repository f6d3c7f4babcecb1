// SPDX-License-Identifier: Apache-2.0
/*
 * sink_http.c - HTTP/1.x server of the sinkhole (RFC 9112), and WebSocket after an upgrade (RFC
 * 6455)
 *
 * Bodies of requests are read to their end and let go: they are on record with the flow's bytes.
 * After a WebSocket upgrade the server only keeps the connection: pings are answered, a close is
 * answered, nothing is said.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <strings.h>

#include "gate/decode/be.h"
#include "gate/sink/http_respond.h"

#define METHOD_MAX     20
#define CHUNK_LINE_MAX 1024 /* with extensions */

enum http1_state { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, WEBSOCKET };

/* what one look at the input came to */
enum step {
	STEP_ON,     /* something was taken: look again */
	STEP_WAIT,   /* the program's turn */
	STEP_CLOSE,  /* refused */
	STEP_TUNNEL, /* CONNECT */
};

struct http1 {
	enum http1_state state;
	uint64_t left;	 /* BODY, CHUNK_DATA: bytes still to come; WEBSOCKET: of the frame */
	struct buf head; /* the request that is being read */
	bool close, no_version;
	char method[METHOD_MAX + 1];
	struct str rest; /* of the answer's body that is being sent */
	bool ping;	 /* WEBSOCKET: the frame's payload goes back */
	uint8_t mask[4];
	uint64_t frame_at;
};

/* ---- is it HTTP? -------------------------------------------------------------------------- */

static enum looks http1_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	static const char *const methods[] = { "GET ",	   "POST ",   "HEAD ",	"PUT ",	 "OPTIONS ",
					       "CONNECT ", "DELETE ", "PATCH ", "TRACE " };
	enum looks best = LOOKS_NO;
	const char *nl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++) {
		size_t k = strlen(methods[i]);

		if (!memcmp(p, methods[i], n < k ? n : k)) {
			if (n >= k)
				return LOOKS_YES;
			best = LOOKS_SHORT;
		}
	}
	/* any other method: a token, a target, and the version at the line's end */
	for (i = 0; i < n && i <= METHOD_MAX && (isupper((unsigned char)p[i]) || p[i] == '-'); i++)
		;
	if (i == n)
		return i <= METHOD_MAX ? LOOKS_SHORT : best;
	if (!i || p[i] != ' ')
		return best;
	nl = memchr(p, '\n', n);
	if (!nl)
		return LOOKS_SHORT;
	return memmem(p, (size_t)(nl - p), " HTTP/", 6) ? LOOKS_YES : best;
}

/* ---- WebSocket ---------------------------------------------------------------------------- */

static bool wants_websocket(const struct http_request *rq)
{
	return !strcmp(rq->method, "GET") &&
	       http_has_token(http_field(rq, "upgrade"), "websocket") &&
	       http_field(rq, "sec-websocket-key").n;
}

static void accept_websocket(struct talk *t, const struct http_request *rq, struct buf *out)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
	struct http1 *h = t->state;
	struct str key = http_field(rq, "sec-websocket-key");
	struct str protocols = http_field(rq, "sec-websocket-protocol");
	cleanup_buf struct buf text = { 0 };
	uint8_t digest[SHA_DIGEST_LENGTH];
	char accept[32], date[HTTP_DATE_MAX];

	buf_add(&text, key.p, key.n < 256 ? key.n : 256);
	buf_puts(&text, guid);
	EVP_Digest(text.p, text.n, digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((uint8_t *)accept, digest, sizeof(digest));
	buf_printf(out,
		   "HTTP/1.1 101 Switching Protocols\r\ndate: %s\r\nupgrade: websocket\r\n"
		   "connection: Upgrade\r\nsec-websocket-accept: %s\r\n",
		   http_date(talk_time(t->env), date), accept);
	if (protocols.n) { /* the first that is offered */
		size_t n = 0;

		while (n < protocols.n && n < 100 &&
		       (isalnum((unsigned char)protocols.p[n]) || strchr("-._+", protocols.p[n])))
			n++;
		buf_printf(out, "sec-websocket-protocol: %.*s\r\n", (int)n, protocols.p);
	}
	buf_puts(out, "\r\n");
	h->state = WEBSOCKET;
	h->left = 0;
}

/* One frame header (RFC 6455 5.2), when it is whole. */
static bool frame_begin(struct talk *t, struct buf *out, enum talked *ret)
{
	const uint8_t *p = (const uint8_t *)talk_bytes(t);
	struct http1 *h = t->state;
	size_t have = talk_left(t), need = 2;
	unsigned len, op;

	if (have < need)
		return false;
	op = p[0] & 15;
	len = p[1] & 127;
	need += (len == 126 ? 2 : len == 127 ? 8 : 0) + (p[1] & 128 ? 4 : 0);
	if (have < need)
		return false;
	h->left = len < 126    ? len
		  : len == 126 ? be16(p + 2)
			       : (uint64_t)be32(p + 2) << 32 | be32(p + 6);
	memset(h->mask, 0, sizeof(h->mask));
	if (p[1] & 128)
		memcpy(h->mask, p + need - 4, 4);
	h->frame_at = 0;
	talk_take(t, need);
	h->ping = op == 9 && h->left <= 125;
	if (op == 8) {
		buf_add(out, "\x88\x00", 2);
		*ret = TALK_CLOSE;
	} else if (h->ping) {
		uint8_t pong[2] = { 0x8a, (uint8_t)h->left };

		buf_add(out, pong, 2);
	}
	return true;
}

static enum talked websocket_input(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	enum talked talked = TALK_ON;

	while (talk_left(t) && talked == TALK_ON && out->n < TALK_OUT_MAX) {
		size_t n;

		if (!h->left) {
			if (!frame_begin(t, out, &talked))
				break;
			continue;
		}
		n = talk_left(t) < h->left ? talk_left(t) : (size_t)h->left;
		if (h->ping) {
			for (size_t i = 0; i < n; i++) {
				char c = (char)(talk_bytes(t)[i] ^ h->mask[h->frame_at++ & 3]);

				buf_add(out, &c, 1);
			}
		}
		h->left -= n;
		talk_take(t, n);
	}
	return talked;
}

/* ---- requests ----------------------------------------------------------------------------- */

static void send_head(const struct http_response *rs, bool close, bool http10, struct buf *out)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", rs->status, http_reason(rs->status));
	buf_add(out, rs->fields.p, rs->fields.n);
	if (close)
		buf_puts(out, "connection: close\r\n");
	else if (http10)
		buf_puts(out, "connection: keep-alive\r\n");
	buf_puts(out, "\r\n");
}

static enum step refuse(struct talk *t, int status, struct buf *out)
{
	char date[HTTP_DATE_MAX];

	buf_printf(out,
		   "HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
		   status, http_reason(status), http_date(talk_time(t->env), date));
	return STEP_CLOSE;
}

static enum step open_tunnel(struct talk *t, const struct http_request *rq, struct buf *out)
{
	size_t n = rq->target.n;

	while (n && rq->target.p[n - 1] != ':')
		n--;
	n = n ? n - 1 : rq->target.n;
	if (n > 2 && rq->target.p[0] == '[') /* [IPv6] */
		snprintf(t->tunnel, sizeof(t->tunnel), "%.*s", (int)n - 2, rq->target.p + 1);
	else
		snprintf(t->tunnel, sizeof(t->tunnel), "%.*s", (int)(n < 254 ? n : 253),
			 rq->target.p);
	if (!t->tunnel[0])
		return refuse(t, 400, out);
	buf_puts(out, "HTTP/1.1 200 Connection established\r\n\r\n");
	return STEP_TUNNEL;
}

/* How the request's body is framed (RFC 9112 6.3); false: it cannot be told */
static bool body_framing(struct http1 *h, const struct http_request *rq)
{
	struct str te = http_field(rq, "transfer-encoding");
	struct str length = http_field(rq, "content-length");

	h->left = 0;
	if (te.n) {
		h->state = CHUNK_SIZE;
		return http_has_token(te, "chunked");
	}
	if (length.n > 18)
		return false;
	for (size_t i = 0; i < length.n; i++) {
		if (!isdigit((unsigned char)length.p[i]))
			return false;
		h->left = h->left * 10 + (uint64_t)(length.p[i] - '0');
	}
	h->state = h->left ? BODY : HEAD;
	return true;
}

/* What can be said before the body is in. */
static enum step begin_request(struct talk *t, const struct http_request *rq, bool http10,
			       struct buf *out)
{
	struct http1 *h = t->state;
	struct str connection = http_field(rq, "connection");

	h->close = http10 ? !http_has_token(connection, "keep-alive")
			  : http_has_token(connection, "close");
	if (!strcmp(rq->method, "CONNECT"))
		return open_tunnel(t, rq, out);
	if (!http10 && wants_websocket(rq)) {
		accept_websocket(t, rq, out);
		return STEP_ON;
	}
	if (!body_framing(h, rq))
		return refuse(t, 400, out);
	if (h->state != HEAD && http_has_token(http_field(rq, "expect"), "100-continue"))
		buf_puts(out, "HTTP/1.1 100 Continue\r\n\r\n");
	return STEP_ON;
}

/* The request line and the fields of a head; *ret_http10 for versions before 1.1 */
static bool read_head(struct http1 *h, struct http_request *rq, bool *ret_http10)
{
	const char *p = h->head.p, *end = p + h->head.n;
	const char *nl = memchr(p, '\n', h->head.n), *stop = nl, *sp, *version;

	while (stop > p && (stop[-1] == '\r' || stop[-1] == ' '))
		stop--;
	sp = memchr(p, ' ', (size_t)(stop - p));
	if (!sp || sp - p > METHOD_MAX || sp == p)
		return false;
	snprintf(h->method, sizeof(h->method), "%.*s", (int)(sp - p), p);
	while (sp < stop && *sp == ' ')
		sp++;
	for (version = stop; version > sp && version[-1] != ' '; version--)
		;
	h->no_version = version == sp; /* HTTP/0.9: method and target only */
	*ret_http10 = h->no_version || stop - version < 8 || memcmp(version, "HTTP/1.", 7) ||
		      version[7] == '0';
	*rq = (struct http_request){ .method = h->method };
	rq->target = (struct str){ sp, (size_t)((h->no_version ? stop : version) - sp) };
	while (rq->target.n && rq->target.p[rq->target.n - 1] == ' ')
		rq->target.n--;
	rq->fields = (struct str){ nl + 1, (size_t)(end - nl - 1) };
	rq->host = http_field(rq, "host");
	return rq->target.n > 0;
}

/* The whole request is in. */
static enum step request_end(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	struct http_request rq;
	struct http_response rs;
	bool http10;

	h->state = HEAD;
	if (!read_head(h, &rq, &http10))
		return refuse(t, 400, out);
	http_respond(t, &rq, &rs);
	if (!h->no_version)
		send_head(&rs, h->close, http10, out);
	h->rest = rs.body;
	buf_free(&rs.fields);
	buf_free(&h->head);
	return STEP_ON;
}

/* Length of the head at the start of @p with its empty line, 0 while that is not there. */
static size_t head_length(const char *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++) {
		if (p[i] != '\n')
			continue;
		if (p[i + 1] == '\n')
			return i + 2;
		if (i + 2 < n && p[i + 1] == '\r' && p[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static enum step head_input(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	struct http_request rq;
	enum step step;
	const char *p, *nl;
	size_t n;
	bool http10;

	while (talk_left(t) && (*talk_bytes(t) == '\r' || *talk_bytes(t) == '\n'))
		talk_take(t, 1); /* RFC 9112 2.2: empty lines before a request are ignored */
	p = talk_bytes(t);
	n = head_length(p, talk_left(t));
	nl = memchr(p, '\n', talk_left(t));
	if (nl && !n && !memmem(p, (size_t)(nl - p), " HTTP/", 6))
		n = (size_t)(nl - p) + 1; /* HTTP/0.9: one line */
	if (!n)
		return talk_left(t) > HTTP_HEAD_MAX ? refuse(t, 431, out) : STEP_WAIT;
	h->head.n = 0;
	h->head.overflow = false;
	buf_add(&h->head, p, n);
	talk_take(t, n);
	if (!read_head(h, &rq, &http10))
		return refuse(t, 400, out);
	step = begin_request(t, &rq, http10, out);
	if (step != STEP_ON || h->state != HEAD)
		return step;
	return request_end(t, out);
}

/* A chunk's size (RFC 9112 7.1). */
static enum step chunk_size(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	const char *p = talk_bytes(t), *nl = memchr(p, '\n', talk_left(t));
	size_t digits = 0;

	if (!nl)
		return talk_left(t) > CHUNK_LINE_MAX ? refuse(t, 400, out) : STEP_WAIT;
	h->left = 0;
	for (; digits < 15 && isxdigit((unsigned char)p[digits]); digits++)
		h->left = h->left * 16 + (uint64_t)(isdigit((unsigned char)p[digits])
							    ? p[digits] - '0'
							    : (p[digits] | 32) - 'a' + 10);
	if (!digits || isxdigit((unsigned char)p[digits]))
		return refuse(t, 400, out);
	talk_take(t, (size_t)(nl - p) + 1);
	h->state = h->left ? CHUNK_DATA : TRAILERS;
	return STEP_ON;
}

/* A line after a chunk's data, or of the trailers; an empty one ends the request. */
static enum step chunk_line(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	const char *p = talk_bytes(t), *nl = memchr(p, '\n', talk_left(t));
	size_t n;

	if (!nl)
		return talk_left(t) > HTTP_HEAD_MAX ? refuse(t, 431, out) : STEP_WAIT;
	n = (size_t)(nl - p);
	talk_take(t, n + 1);
	if (h->state == CHUNK_END)
		h->state = CHUNK_SIZE;
	else if (!n || (n == 1 && p[0] == '\r'))
		return request_end(t, out);
	return STEP_ON;
}

static enum step body_input(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	size_t n = talk_left(t) < h->left ? talk_left(t) : (size_t)h->left;

	h->left -= n;
	talk_take(t, n);
	if (h->left)
		return STEP_WAIT;
	if (h->state == BODY)
		return request_end(t, out);
	h->state = CHUNK_END;
	return STEP_ON;
}

/* Send what of the answer fits. */
static bool send_rest(struct http1 *h, struct buf *out)
{
	size_t room = out->n < TALK_OUT_MAX ? TALK_OUT_MAX - out->n : 0;
	size_t n = h->rest.n < room ? h->rest.n : room;

	if (n)
		buf_add(out, h->rest.p, n);
	h->rest.p += n;
	h->rest.n -= n;
	return !h->rest.n;
}

static enum talked http1_input(struct talk *t, struct buf *out)
{
	struct http1 *h = t->state;
	enum step step;

	for (;;) {
		if (h->rest.n && !send_rest(h, out))
			return TALK_MORE;
		if (h->state == HEAD && !h->head.n && h->close)
			return TALK_CLOSE;
		if (h->state == WEBSOCKET)
			return websocket_input(t, out);
		if (!talk_left(t))
			return TALK_ON;
		if (out->n >= TALK_OUT_MAX)
			return TALK_MORE;
		switch (h->state) {
		case HEAD:
			step = head_input(t, out);
			break;
		case CHUNK_SIZE:
			step = chunk_size(t, out);
			break;
		case CHUNK_END:
		case TRAILERS:
			step = chunk_line(t, out);
			break;
		default:
			step = body_input(t, out);
		}
		if (step != STEP_ON)
			return step == STEP_WAIT    ? TALK_ON
			       : step == STEP_CLOSE ? TALK_CLOSE
						    : TALK_TUNNEL;
	}
}

static void http1_end(struct talk *t)
{
	struct http1 *h = t->state;

	buf_free(&h->head);
}

const struct speaker speaker_http1 = {
	.state = sizeof(struct http1), .looks = http1_looks, .input = http1_input, .end = http1_end
};
