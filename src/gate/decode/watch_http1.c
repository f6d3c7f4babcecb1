// SPDX-License-Identifier: Apache-2.0
/*
 * watch_http1.c - requests and responses of HTTP/1.x on one stream
 *
 * Each side is a small machine: head, then a body by length, by chunks, or until the end. What body
 * a response has depends on its request (RFC 9112 6.3), so the methods of requests that wait for
 * their response are kept, at most PIPELINE_MAX. After the request of a CONNECT or an upgrade the
 * program's side is held until the answer says what its bytes are.
 */
#include "gate/decode/http1.h"

#define PIPELINE_MAX 256
#define LINE_MAX     4096 /* of a chunk's size, or a trailer */

/* after the head: BODY by length; CHUNK is the line before a chunk, CHUNK_END that after it */
enum state { HEAD, BODY, CHUNK, CHUNK_BODY, CHUNK_END, TRAILER, TO_THE_END, HELD };
enum method { OTHER, HEAD_METHOD, CONNECT, UPGRADE };

struct http1_side {
	enum state state;
	uint64_t left;	 /* BODY, CHUNK_BODY */
	size_t searched; /* HEAD: no end of it before */
};

struct http1 {
	struct http1_side side[2];
	uint32_t requests, responses;
	unsigned first, waiting; /* of .method: a ring */
	uint8_t method[PIPELINE_MAX];
};

static void after_head(struct http1_side *s, const struct http1_head *h)
{
	s->searched = 0;
	if (h->chunked) {
		s->state = CHUNK;
	} else if (h->head.has_length) {
		s->left = (uint64_t)h->head.length;
		s->state = s->left ? BODY : HEAD;
	} else {
		s->state = h->head.response ? TO_THE_END : HEAD;
	}
}

static enum method method_of(const struct http1_head *h)
{
	if (str_eq(h->head.method, STR("HEAD")))
		return HEAD_METHOD;
	if (str_eq(h->head.method, STR("CONNECT")))
		return CONNECT;
	return h->websocket || h->h2c ? UPGRADE : OTHER;
}

static ssize_t request(struct watch *w, uint64_t t, const struct http1_head *h)
{
	struct http1 *s = w->state;
	enum method m = method_of(h);
	struct http_head head = h->head;
	struct event ev;

	if (s->waiting == PIPELINE_MAX)
		return watch_stop(w, t, "more HTTP requests wait for an answer than are kept");
	if (h->bad_length || (h->other_coding && !h->chunked))
		watch_stop(w, t, "an HTTP request does not say where it ends");
	head.stream = ++s->requests;
	http_event(w, &head, &ev);
	if (!watch_http_event(w, t, &ev) || w->done)
		return -EBADMSG;
	s->method[(s->first + s->waiting++) % PIPELINE_MAX] = m;
	after_head(&s->side[DIR_OUT], h);
	if (m == CONNECT || (m == UPGRADE && s->side[DIR_OUT].state == HEAD))
		s->side[DIR_OUT].state = HELD;
	return 0;
}

static void switch_protocol(struct watch *w, const struct http1_head *h)
{
	if (h->websocket) {
		w->protocol = PROTO_WEBSOCKET;
		w->done = true; /* frames are counted, not read */
	} else if (h->h2c) {
		http2_begin(w);
	} else {
		guess_begin(w);
		w->again = true;
	}
}

static ssize_t response(struct watch *w, uint64_t t, const struct http1_head *h)
{
	struct http1 *s = w->state;
	int status = h->head.status;
	enum method m = s->waiting ? s->method[s->first] : OTHER;
	struct http_head head = h->head;
	struct event ev;

	if (h->bad_length && !h->chunked)
		watch_stop(w, t, "an HTTP response does not say where it ends");
	head.stream = s->responses + 1;
	if (status == 101 && h->websocket)
		head.version = "websocket";
	http_event(w, &head, &ev);
	if (!watch_http_event(w, t, &ev) || w->done)
		return -EBADMSG;
	if (status < 200 && status != 101) {
		s->side[DIR_IN].searched = 0; /* the final one follows */
		return 0;
	}
	s->responses++;
	if (s->waiting) {
		s->first = (s->first + 1) % PIPELINE_MAX;
		s->waiting--;
	}
	if (status == 101 || (m == CONNECT && status / 100 == 2)) {
		switch_protocol(w, h);
		return 0;
	}
	if (s->side[DIR_OUT].state == HELD) {
		s->side[DIR_OUT].state = HEAD;
		w->again = true;
	}
	after_head(&s->side[DIR_IN], h);
	if (m == HEAD_METHOD || status == 204 || status == 304)
		s->side[DIR_IN].state = HEAD;
	return 0;
}

/* Empty lines before a head are no part of it (RFC 9112 2.2). */
static size_t empty_lines(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && (p[i] == '\n' || (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')))
		i += p[i] == '\n' ? 1 : 2;
	return i;
}

static ssize_t read_head(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct http1 *s = w->state;
	struct http1_side *side = &s->side[dir];
	size_t empty = side->searched ? 0 : empty_lines(p, n), end;
	struct http1_head h;
	ssize_t rc;

	if (empty)
		return (ssize_t)empty;
	end = http1_head_end(p, n < HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX, side->searched);
	if (!end) {
		side->searched = n > 3 ? n - 3 : 0;
		if (n >= HTTP1_HEAD_MAX)
			return watch_stop(w, t, "an HTTP head is longer than what is read");
		return 0;
	}
	if (http1_head_read(p, end, dir == DIR_IN, &h))
		rc = watch_stop(w, t, "no HTTP head where one should be");
	else
		rc = dir == DIR_IN ? response(w, t, &h) : request(w, t, &h);
	http1_head_free(&h);
	return rc < 0 ? rc : (ssize_t)end;
}

/* size in hex, and extensions (RFC 9112 7.1) */
static bool chunk_size(const uint8_t *p, size_t n, uint64_t *ret)
{
	size_t i;

	*ret = 0;
	for (i = 0; i < n; i++) {
		unsigned digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
				 : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
				 : p[i] >= 'A' && p[i] <= 'F' ? p[i] - 'A' + 10
							      : 16;

		if (digit == 16)
			break;
		if (*ret >> 56)
			return false;
		*ret = *ret << 4 | digit;
	}
	return i && (i == n || strchr("; \t\r", p[i]));
}

/* The lines of a chunked body: sizes, the ends of chunks, trailers. */
static ssize_t read_line(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct http1_side *s = &((struct http1 *)w->state)->side[dir];
	const uint8_t *nl = memchr(p, '\n', n < LINE_MAX ? n : LINE_MAX);
	size_t line;

	if (!nl)
		return n < LINE_MAX ? 0 : watch_stop(w, t, "no end of a chunk of an HTTP body");
	line = (size_t)(nl - p);
	if (line && p[line - 1] == '\r')
		line--;
	if (s->state == CHUNK) {
		if (!chunk_size(p, line, &s->left))
			return watch_stop(w, t, "no chunk of an HTTP body where one should be");
		s->state = s->left ? CHUNK_BODY : TRAILER;
	} else if (s->state == CHUNK_END) {
		if (line)
			return watch_stop(w, t, "a chunk of an HTTP body is longer than it says");
		s->state = CHUNK;
	} else if (!line) {
		s->state = HEAD;
	}
	return nl - p + 1;
}

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct http1_side *s = &((struct http1 *)w->state)->side[dir];

	switch (s->state) {
	case HEAD:
		return read_head(w, dir, t, p, n);
	case BODY:
	case CHUNK_BODY:
		if (n > s->left)
			n = (size_t)s->left;
		s->left -= n;
		if (!s->left)
			s->state = s->state == BODY ? HEAD : CHUNK_END;
		return (ssize_t)n;
	case TO_THE_END:
		return (ssize_t)n;
	case HELD:
		return 0;
	default:
		return read_line(w, dir, t, p, n);
	}
}

static bool skip(struct watch *w, enum dir dir, uint64_t n)
{
	struct http1_side *s = &((struct http1 *)w->state)->side[dir];

	if (s->state == TO_THE_END)
		return true;
	if ((s->state != BODY && s->state != CHUNK_BODY) || n > s->left)
		return false;
	s->left -= n;
	if (!s->left)
		s->state = s->state == BODY ? HEAD : CHUNK_END;
	return true;
}

static size_t held(const void *state UNUSED)
{
	return sizeof(struct http1);
}

static const struct reader http1_reader = {
	.feed = feed, .skip = skip, .held = held, .free = free
};

void http1_begin(struct watch *w)
{
	watch_become(w, &http1_reader, xcalloc(1, sizeof(struct http1)));
}
