// SPDX-License-Identifier: Apache-2.0
/*
 * canary_inner.h - what the files of the canary search share
 */
#ifndef BELLJAR_GATE_CANARY_INNER_H
#define BELLJAR_GATE_CANARY_INNER_H

#include "gate/canary/canary.h"

/* Of a long encoding its beginning is looked for: it is as unique, and what is kept of a stream
 * between two blocks is as long as the longest pattern. */
#define PATTERN_MAX 192

/** enum canary_encoding - see CANARY.encoding */
enum canary_encoding {
	ENC_RAW,
	ENC_HEX,
	ENC_BASE64,
	ENC_BASE32,
	ENC_URL,
	ENC_UTF16,
	ENC_BASE64_UTF16,
	ENC_MD5,
	ENC_SHA1,
	ENC_SHA256,
	ENCODINGS
};
const char *canary_encoding_name(enum canary_encoding e);

/* ---- canary_match.c: many patterns in one pass -------------------------------------------- */

struct pattern {
	uint32_t at; /* in matcher.bytes */
	uint16_t value;
	uint8_t n, encoding;
};

#define STRIDE_MAX 8 /* bytes from one place that is looked at to the next */
/** struct place - four bytes of a pattern */
struct place {
	uint32_t pattern, next; /* of the same hash, number from 1; 0 none */
	uint32_t offset;	/* in the pattern, below STRIDE_MAX */
};

#define FILTER_BITS 18 /* 32 KiB: fits the processor's first cache */
struct matcher {
	struct pattern *pattern;
	struct place *place;
	unsigned n, nplaces;
	size_t longest, shortest;
	size_t stride; /* so that no pattern has none of its fours looked at */
	struct buf bytes;
	uint32_t *head; /* by hash of four bytes, number of a place from 1 */
	uint64_t filter[1u << (FILTER_BITS - 6)]; /* bit by bit: is there one? */
};

void matcher_init(struct matcher *m);
void matcher_free(struct matcher *m);
/** matcher_add() - a pattern of at least CANARY_MIN bytes (shorter ones are left out), of which at
 * most PATTERN_MAX count; the same bytes twice are one pattern */
void matcher_add(struct matcher *m, const void *p, size_t n, unsigned value,
		 enum canary_encoding encoding);

/** struct search - one sequence of bytes in which a matcher's patterns are looked for */
struct search {
	const struct matcher *m;
	struct canary_stream *s; /* whom hits are told */
	const char *outer;	 /* what these bytes were packed in: "gzip", …; NULL nothing */
	const char *place;
	uint64_t at; /* offset of the byte that comes next */
	size_t tail_n;
	uint8_t tail[PATTERN_MAX]; /* what came last */
	struct view *url;	   /* made when the first escape is met */
	char held[2];		   /* an escape that is not whole */
	uint8_t held_n;
};

void search_init(struct search *q, const struct matcher *m, struct canary_stream *s,
		 const char *outer, const char *place);
void search_feed(struct search *q, const uint8_t *p, size_t n);
void search_end(struct search *q);

/**
 * struct view - the same bytes, put together in another way
 *
 * It is fed with bytes, some of them *joints*: what stands here did not stand there, such as a
 * decoded escape, or the first byte behind a border that is taken out. Only what reaches over a
 * joint is a hit: all else the plain search has found.
 */
struct view;
struct view *view_new(struct search *q, const char *name);
void view_bytes(struct view *v, const uint8_t *p, size_t n, uint64_t at);
void view_joint(struct view *v, uint8_t byte, uint64_t at);
void view_scan(struct view *v); /* what came since the last scan */
void view_free(struct view *v);

/* ---- canary_body.c: bodies that are cut into chunks, and packed ---------------------------- */

/** struct body - one body, as it comes in pieces */
struct body {
	struct canary_stream *s;
	uint8_t first[2]; /* of the body: they say how it is packed */
	uint8_t first_n;
	bool deflate; /* was announced: packed even when it does not look so */
	bool joint;   /* what comes next stands behind a border */
	uint64_t at;  /* bytes so far */
	uint32_t id;  /* HTTP/2 stream */
	struct unpack *unpack;
	struct search plain; /* for its view alone */
	struct view *joined;
};

void body_begin(struct body *b, struct canary_stream *s, bool deflate);
void body_feed(struct body *b, const uint8_t *p, size_t n);
void body_border(struct body *b);
void body_end(struct body *b);

/** struct unpack - what is packed, unpacked and searched; NULL when it cannot be */
struct unpack *unpack_new(struct canary_stream *s, const char *place, const uint8_t first[2],
			  bool deflate);
/** unpack_one() - gzip can go on with another member (RFC 1952 2.2); this one shall not */
void unpack_one(struct unpack *u);
/** unpack_feed() - Return: false when it has ended or is broken */
bool unpack_feed(struct unpack *u, const uint8_t *p, size_t n);
void unpack_free(struct unpack *u);

/* ---- canary_http.c: where bodies are in a stream -------------------------------------------- */

struct framing;
struct framing *framing_new(struct canary_stream *s);
void framing_feed(struct framing *f, const uint8_t *p, size_t n);
void framing_free(struct framing *f);

/* ---- canary_websocket.c -------------------------------------------------------------------- */

struct websocket;
struct websocket *websocket_new(struct canary_stream *s);
/** websocket_feed() - what a client sends behind its request for a WebSocket. Return: bytes taken;
 * @ret_over: what comes next is no frame */
size_t websocket_feed(struct websocket *w, const uint8_t *p, size_t n, bool *ret_over);
void websocket_free(struct websocket *w);

/* ---- canary.c ----------------------------------------------------------------------------- */

/** canary_hit() - @at of the place; @sample: the bytes in which it was found, at @from */
void canary_hit(struct canary_stream *s, const struct search *q, const struct pattern *p,
		const char *view, uint64_t at, const uint8_t *sample, size_t n, size_t from);
/** canary_matcher() - what streams are searched for */
const struct matcher *canary_matcher(const struct canary_stream *s);
const char *canary_place(const struct canary_stream *s);
/** canary_may_unpack() - one more packed body at this time, of all flows? canary_has_unpacked()
 * gives its place back */
#define UNPACKS_MAX 1000 /* each takes some 60 KiB */
bool canary_may_unpack(struct canary_stream *s);
void canary_has_unpacked(struct canary_stream *s);
/** canary_unpacked() - count unpacked bytes of the flow. Return: how many of them are within bounds
 */
size_t canary_unpacked(struct canary_stream *s, size_t n);

#endif
