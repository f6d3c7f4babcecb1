// SPDX-License-Identifier: Apache-2.0
/*
 * canary_websocket.c - what a program says in a WebSocket
 *
 * A client masks each frame with four bytes of its own (RFC 6455 5.3), so nothing of it stands in
 * the stream as it was. Payloads are unmasked and searched: those of messages one behind the other,
 * whatever frames they come in; those of pings and the like for themselves. Packed messages (RFC
 * 7692) are one deflate stream, of which each message leaves out the last four bytes.
 */
#include "gate/canary/canary_inner.h"

#define HEAD_MAX 14 /* RFC 6455 5.2 */
#define PIECE	 4096

struct websocket {
	struct canary_stream *s;
	struct search data, control;
	struct unpack *unpack;
	uint8_t head[HEAD_MAX];
	uint8_t head_n;
	bool any, packed, broken;
	uint64_t left; /* bytes of the payload */
	size_t at;     /* of the payload, modulo 4 */
};

struct websocket *websocket_new(struct canary_stream *s)
{
	struct websocket *w = xcalloc(1, sizeof(*w));

	w->s = s;
	search_init(&w->data, canary_matcher(s), s, NULL, "websocket");
	search_init(&w->control, canary_matcher(s), s, NULL, "websocket");
	return w;
}

void websocket_free(struct websocket *w)
{
	if (!w)
		return;
	search_end(&w->data);
	search_end(&w->control);
	unpack_free(w->unpack);
	free(w);
}

static bool is_control(const struct websocket *w)
{
	return w->head[0] & 8;
}

static size_t head_want(const struct websocket *w)
{
	uint8_t len = w->head_n > 1 ? w->head[1] & 0x7f : 0;

	return 2 + (len == 127 ? 8 : len == 126 ? 2 : 0) + 4;
}

/* Frames of a client are masked; opcodes 3 to 7 and 11 to 15 mean nothing. */
static bool is_frame(const struct websocket *w)
{
	return !(w->head[0] & 0x30) && (w->head[0] & 7) <= 2 &&
	       (w->head_n < 2 || w->head[1] & 0x80);
}

static void unpack_some(struct websocket *w, const uint8_t *p, size_t n)
{
	if (w->unpack && !unpack_feed(w->unpack, p, n)) {
		unpack_free(w->unpack);
		w->unpack = NULL;
		w->broken = true;
	}
}

static void begin_frame(struct websocket *w)
{
	static const uint8_t bare[2] = { 0, 0 };
	uint8_t len = w->head[1] & 0x7f;

	w->any = true;
	w->at = 0;
	w->left = 0;
	for (int i = 0; i < (len == 127 ? 8 : 2); i++)
		w->left = w->left << 8 | w->head[2 + i];
	if (len < 126)
		w->left = len;
	if (!is_control(w) && w->head[0] & 0xf)
		w->packed = w->head[0] & 0x40;
	if (w->packed && !is_control(w) && !w->unpack && !w->broken)
		w->unpack = unpack_new(w->s, "websocket", bare, true);
}

static void end_frame(struct websocket *w)
{
	static const uint8_t left_out[4] = { 0, 0, 0xff, 0xff };

	if (w->packed && !is_control(w) && w->head[0] & 0x80)
		unpack_some(w, left_out, sizeof(left_out));
	w->head_n = 0;
}

static size_t feed_payload(struct websocket *w, const uint8_t *p, size_t n)
{
	const uint8_t *key = w->head + w->head_n - 4;
	uint8_t bare[PIECE];

	if (n > w->left)
		n = (size_t)w->left;
	if (n > PIECE)
		n = PIECE;
	for (size_t i = 0; i < n; i++)
		bare[i] = p[i] ^ key[(w->at + i) % 4];
	w->at = (w->at + n) % 4;
	w->left -= n;
	if (is_control(w))
		search_feed(&w->control, bare, n);
	else if (w->packed)
		unpack_some(w, bare, n);
	else
		search_feed(&w->data, bare, n);
	return n;
}

size_t websocket_feed(struct websocket *w, const uint8_t *p, size_t n, bool *ret_over)
{
	size_t took = 0;

	*ret_over = false;
	while (took < n) {
		if (w->head_n < 2 || w->head_n < head_want(w)) {
			w->head[w->head_n++] = p[took++];
			if (!is_frame(w)) {
				*ret_over = true;
				/* the first bytes were no frame at all: they are another's */
				return w->any || took < w->head_n ? took : took - w->head_n;
			}
			if (w->head_n < 2 || w->head_n < head_want(w))
				continue;
			begin_frame(w);
		} else {
			took += feed_payload(w, p + took, n - took);
		}
		if (!w->left)
			end_frame(w);
	}
	return took;
}
