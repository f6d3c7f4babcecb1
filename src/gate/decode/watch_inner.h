// SPDX-License-Identifier: Apache-2.0
/*
 * watch_inner.h - what a watch and its protocol readers share
 *
 * A watch always has one reader. The first is the one that guesses (guess.c); it hands over to a
 * protocol's reader by watch_become(), and a protocol can hand over in turn (CONNECT, upgrade,
 * STARTTLS). Readers take bytes of a direction in whole units - a record, a head, a frame - and
 * leave what is not yet whole: the watch keeps it, and offers it again with more behind it. So no
 * reader but a few keeps bytes of its own, and one limit holds for all.
 */
#ifndef BELLJAR_GATE_WATCH_INNER_H
#define BELLJAR_GATE_WATCH_INNER_H

#include "gate/decode/watch.h"

/* What is kept of one direction while a unit is not whole: a reader that needs more stops. */
#define STASH_MAX (80u << 10)

/** struct reader - a protocol, as a state machine over both directions of one flow */
struct reader {
	/**
	 * feed() - bytes of a stream from where the last call ended
	 * Return: how many are done with, 0 to be called again when there are more; negative after
	 * watch_stop()
	 */
	ssize_t (*feed)(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n);
	/** datagram() - one datagram of a UDP flow */
	void (*datagram)(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n);
	/** skip() - may @n bytes of the stream be missing? The reader is past them when so */
	bool (*skip)(struct watch *w, enum dir dir, uint64_t n);
	bool (*idle)(const struct watch *w);
	/** eof() - nothing more comes; NULL: nothing to do */
	void (*eof)(struct watch *w, uint64_t t);
	/** held() - bytes that the state has, when that can be many; NULL: no */
	size_t (*held)(const void *state);
	void (*free)(void *state);
};

#define BANNER_TEXT 128

struct watch_side {
	uint64_t bytes;
	/* the burst that is going on, and the one before */
	uint64_t burst_from, burst_last, burst_bytes, silence_from;
	uint32_t bursts;
	const char *routine; /* of the whole burst (routine.h); NULL none */
	/* units that are not whole */
	uint8_t *stash;
	uint32_t stash_n, stash_cap;
	uint8_t first_n;
	uint8_t first[BANNER_TEXT];
};

struct watch {
	struct flow_facts facts;
	const struct emit *emit;
	watch_chain_fn *chain; /* NULL: nobody is asked */
	void *chain_ctx;
	const struct reader *reader;
	void *state; /* of the reader */
	enum watch_protocol protocol;
	bool inner, done, lost, told_gap, told_banner, again;
	uint32_t burst_events, http_events;
	struct watch_side side[2];
};

/** watch_become() - from here on @reader has the flow; @state is its own, freed by it. Both sides'
 * kept bytes are offered to it. */
void watch_become(struct watch *w, const struct reader *reader, void *state);
/** watch_expected_inside() - the same as watch_expected() for what is inside of TLS on @port */
enum watch_protocol watch_expected_inside(uint16_t port);
/** watch_looks_like_text() - whether bytes that speak no known protocol are for people to read */
bool watch_looks_like_text(const uint8_t *p, size_t n);
/** watch_speaks() - the first bytes speak @protocol */
void watch_speaks(struct watch *w, uint64_t t, enum watch_protocol protocol);
/** watch_stop() - decoding ends; @why in words, NULL: nothing is missing. Return: -EBADMSG */
ssize_t watch_stop(struct watch *w, uint64_t t, const char *why);
/** watch_gap() - something is not decoded, @why in words; told once a flow */
void watch_gap(struct watch *w, uint64_t t, const char *why);
/** watch_emit() - an event of this flow at @t */
void watch_emit(struct watch *w, uint64_t t, struct event *ev);
/** watch_http_event() - counted against WATCH_HEADS_MAX; false: the flow is stopped */
bool watch_http_event(struct watch *w, uint64_t t, struct event *ev);

/* Where readers begin. Each makes its state and calls watch_become(). */
void guess_begin(struct watch *w);
void tls_begin(struct watch *w);
void http1_begin(struct watch *w);
void http2_begin(struct watch *w);
/** text_begin() - commands and answers in lines, in which TLS may begin (STARTTLS) */
void text_begin(struct watch *w);

/** socks_begin() - up to where its tunnel begins; what is inside is guessed anew */
void socks_begin(struct watch *w);
/** socks_begins() - are these all that a client says first? 1 yes, 0 more is needed, -1 no */
int socks_begins(const uint8_t *p, size_t n);

/* UDP: each datagram by itself, but QUIC */
void dns_begin(struct watch *w);
void quic_begin(struct watch *w);

/* ---- shared by the readers of HTTP ------------------------------------------------------- */

/** struct http_head - a head on its way to an event; strings are borrowed, .p NULL: absent */
struct http_head {
	bool response;
	uint32_t stream;
	const char *version;
	struct str method, target, host, user_agent, content_type, head;
	int status;
	bool has_length;
	int64_t length;
};
void http_event(const struct watch *w, const struct http_head *h, struct event *ret);

#endif
