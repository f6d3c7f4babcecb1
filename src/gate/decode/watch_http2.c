// SPDX-License-Identifier: Apache-2.0
/*
 * watch_http2.c - heads of HTTP/2
 *
 * Frames that hold header blocks or settings are read whole, at most H2_FRAME_MAX; all others are
 * passed over as they come. A block is inflated piece by piece, so that CONTINUATION frames need no
 * room: what a block may inflate to is limited instead (H2_TEXT_MAX), and how many frames it has.
 */
#include "gate/decode/be.h"
#include "gate/decode/http2.h"

#define CONTINUATIONS_MAX 64

struct h2_side {
	uint64_t left; /* of a frame that is passed over */
	struct hpack *hpack;
	bool preface; /* still to come */
	/* a block that is not whole */
	uint32_t stream; /* 0: none */
	unsigned continuations;
	bool promise;
	struct h2_fields fields;
};

struct h2 {
	struct h2_side side[2];
};

static bool number(struct str s, int64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || *ret > INT64_MAX / 10 - 9)
			return false;
		*ret = *ret * 10 + s.p[i] - '0';
	}
	return s.n;
}

/* A block is whole: a head when it says so by its pseudo fields, else trailers. */
static void head(struct watch *w, uint64_t t, struct h2_side *s)
{
	const struct h2_fields *f = &s->fields;
	struct http_head h = { .stream = s->stream, .version = "2" };
	struct event ev;
	int64_t status;

	if (s->promise)
		return; /* a request that the program did not make */
	h.method = h2_field(f, H2_METHOD);
	h.response = !h.method.p;
	if (h.response) {
		if (!number(h2_field(f, H2_STATUS), &status) || status > 999)
			return;
		h.status = (int)status;
	}
	h.target = h2_field(f, H2_PATH);
	h.host = h2_field(f, H2_AUTHORITY);
	if (!h.host.p)
		h.host = h2_field(f, H2_HOST);
	h.user_agent = h2_field(f, H2_AGENT);
	h.content_type = h2_field(f, H2_TYPE);
	h.has_length = number(h2_field(f, H2_LENGTH), &h.length);
	h.head = (struct str){ f->text.p ? f->text.p : "", f->text.n };
	http_event(w, &h, &ev);
	watch_http_event(w, t, &ev);
}

static ssize_t block(struct watch *w, enum dir dir, uint64_t t, const struct h2_frame *f,
		     const uint8_t *p)
{
	struct h2_side *s = &((struct h2 *)w->state)->side[dir];
	bool last = f->flags & H2_END_HEADERS;
	struct str piece;

	if (f->type == H2_CONTINUATION) {
		if (++s->continuations > CONTINUATIONS_MAX)
			return watch_stop(w, t,
					  "an HTTP/2 header block in more frames than are read");
	} else {
		s->stream = f->stream;
		s->continuations = 0;
		s->promise = f->type == H2_PUSH_PROMISE;
	}
	if (!f->stream || !h2_fragment(f, p, &piece))
		return watch_stop(w, t, "a malformed HTTP/2 frame");
	if (!s->hpack)
		s->hpack = hpack_new();
	if (hpack_inflate(s->hpack, piece, last, &s->fields))
		return watch_stop(
			w, t,
			"an HTTP/2 header block that is malformed, or longer than what is read");
	if (last) {
		head(w, t, s);
		h2_fields_clear(&s->fields);
		s->stream = 0;
	}
	return 0;
}

/* What a side allows the other to use (RFC 9113 6.5.2). */
static void settings(struct watch *w, enum dir dir, const struct h2_frame *f, const uint8_t *p)
{
	struct h2_side *other = &((struct h2 *)w->state)->side[!dir];

	for (size_t i = 0; i + 6 <= f->n && !(f->flags & H2_ACK); i += 6)
		if (be16(p + i) == 1) {
			if (!other->hpack)
				other->hpack = hpack_new();
			hpack_table(other->hpack, be32(p + i + 2));
		}
}

static ssize_t frame(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct h2_side *s = &((struct h2 *)w->state)->side[dir];
	struct h2_frame f;
	bool head;

	if (n < H2_FRAME_HEAD)
		return 0;
	f = h2_frame_read(p);
	/* a block that is not whole is followed by nothing else (RFC 9113 4.3) */
	if ((f.type == H2_CONTINUATION) != (s->stream != 0) || (s->stream && f.stream != s->stream))
		return watch_stop(w, t, "HTTP/2 frames in an order that cannot be");
	head = f.type == H2_HEADERS || f.type == H2_PUSH_PROMISE || f.type == H2_CONTINUATION;
	if (!head && f.type != H2_SETTINGS) {
		s->left = f.n;
		return H2_FRAME_HEAD;
	}
	if (f.n > H2_FRAME_MAX)
		return watch_stop(w, t, "an HTTP/2 frame is longer than what is read");
	if (n < H2_FRAME_HEAD + f.n)
		return 0;
	if (f.type == H2_SETTINGS)
		settings(w, dir, &f, p + H2_FRAME_HEAD);
	else if (block(w, dir, t, &f, p + H2_FRAME_HEAD) || w->done)
		return -EBADMSG;
	return (ssize_t)(H2_FRAME_HEAD + f.n);
}

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct h2_side *s = &((struct h2 *)w->state)->side[dir];

	if (s->left) {
		if (n > s->left)
			n = (size_t)s->left;
		s->left -= n;
		return (ssize_t)n;
	}
	if (!s->preface)
		return frame(w, dir, t, p, n);
	if (memcmp(p, H2_PREFACE, n < H2_PREFACE_N ? n : H2_PREFACE_N))
		return watch_stop(w, t, "no HTTP/2 where it should begin");
	if (n < H2_PREFACE_N)
		return 0;
	s->preface = false;
	return H2_PREFACE_N;
}

static bool skip(struct watch *w, enum dir dir, uint64_t n)
{
	struct h2_side *s = &((struct h2 *)w->state)->side[dir];

	if (n > s->left)
		return false;
	s->left -= n;
	return true;
}

static size_t held(const void *state)
{
	const struct h2 *h = state;
	size_t n = sizeof(*h);

	for (int d = DIR_OUT; d <= DIR_IN; d++)
		n += hpack_held(h->side[d].hpack) + h->side[d].fields.text.cap;
	return n;
}

static void free_state(void *state)
{
	struct h2 *h = state;

	for (int d = DIR_OUT; d <= DIR_IN; d++) {
		hpack_free(h->side[d].hpack);
		h2_fields_clear(&h->side[d].fields);
	}
	free(h);
}

static const struct reader http2_reader = {
	.feed = feed, .skip = skip, .held = held, .free = free_state
};

void http2_begin(struct watch *w)
{
	struct h2 *h = xcalloc(1, sizeof(*h));

	h->side[DIR_OUT].preface = true;
	watch_become(w, &http2_reader, h);
}
