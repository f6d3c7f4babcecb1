// SPDX-License-Identifier: Apache-2.0
/*
 * watch.c - one flow's bytes: bursts, banner, and the hand-over to protocol readers
 *
 * Invariant: a side's stash holds at most STASH_MAX bytes, which with the readers' own state stays
 * below WATCH_BYTES_MAX (each reader's file says what it keeps).
 */
#include <assert.h>

#include "gate/decode/routine.h"
#include "gate/decode/watch_inner.h"

#define SLICE (16u << 10) /* so much is added to a stash at once */

static_assert(2 * STASH_MAX < WATCH_BYTES_MAX, "room for the reader's state");

struct watch *watch_new(const struct flow_facts *facts, bool inner, const struct emit *emit)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->facts = *facts;
	w->inner = inner;
	w->emit = emit;
	guess_begin(w);
	return w;
}

void watch_emit(struct watch *w, uint64_t t, struct event *ev)
{
	ev->t = t;
	emit_event(w->emit, ev);
}

static void drop_reader(struct watch *w)
{
	if (w->reader && w->reader->free)
		w->reader->free(w->state);
	w->reader = NULL;
	w->state = NULL;
}

static void drop_stash(struct watch_side *s)
{
	free(s->stash);
	s->stash = NULL;
	s->stash_n = s->stash_cap = 0;
}

void watch_become(struct watch *w, const struct reader *reader, void *state)
{
	drop_reader(w);
	w->reader = reader;
	w->state = state;
	w->again = true;
}

void watch_chains(struct watch *w, watch_chain_fn *fn, void *ctx)
{
	w->chain = fn;
	w->chain_ctx = ctx;
}

/* ---- bursts ------------------------------------------------------------------------------- */

void watch_gap(struct watch *w, uint64_t t, const char *why)
{
	struct event ev = { .kind = EV_GAP };
	char text[256];

	if (w->told_gap)
		return;
	w->told_gap = true;
	snprintf(text, sizeof(text), "flow %u was not decoded to its end: %s", w->facts.id, why);
	ev.v[EV_AT(GAP, SOURCE)] = V_Z("gate");
	ev.v[EV_AT(GAP, FROM)] = V_INT(t);
	ev.v[EV_AT(GAP, DETAIL)] = V_Z(text);
	watch_emit(w, t, &ev);
}

static void tell_burst(struct watch *w, enum dir dir)
{
	struct watch_side *s = &w->side[dir];
	struct event ev = { .kind = EV_BURST };

	if (w->inner || !s->burst_bytes)
		return;
	if (w->burst_events >= WATCH_BURSTS_MAX) {
		watch_gap(w, s->burst_from, "more bursts than are recorded");
		return;
	}
	w->burst_events++;
	ev.v[EV_AT(BURST, FLOW)] = V_INT(w->facts.id);
	ev.v[EV_AT(BURST, DIR)] = V_Z(dir == DIR_OUT ? "out" : "in");
	ev.v[EV_AT(BURST, BYTES)] = V_INT(s->burst_bytes);
	if (s->bursts > 1)
		ev.v[EV_AT(BURST, GAP)] = V_INT(s->burst_from - s->silence_from);
	ev.v[EV_AT(BURST, LAST)] = V_INT(s->burst_last);
	if (s->routine)
		ev.v[EV_AT(BURST, ROUTINE)] = V_Z(s->routine);
	watch_emit(w, s->burst_from, &ev);
}

/* @routine: what these bytes are, which the burst is only as long as all of it is */
static void count(struct watch *w, enum dir dir, uint64_t t, size_t n, const char *routine)
{
	struct watch_side *s = &w->side[dir];

	if (!n)
		return;
	s->bytes += n;
	if (s->bursts && t < s->burst_last + WATCH_BURST_GAP) {
		s->burst_bytes += n;
		if (s->routine != routine)
			s->routine = NULL;
		if (t > s->burst_last)
			s->burst_last = t;
		return;
	}
	tell_burst(w, dir);
	s->bursts++;
	s->silence_from = s->burst_last;
	s->burst_from = s->burst_last = t;
	s->burst_bytes = n;
	s->routine = routine;
}

void watch_count(struct watch *w, enum dir dir, uint64_t t, size_t n)
{
	count(w, dir, t, n, NULL);
}

void watch_ping(struct watch *w, enum dir dir, uint64_t t, const void *p, size_t n, size_t full_n)
{
	count(w, dir, t, full_n, n + PING_HEAD == full_n ? routine_ping(p, n) : NULL);
}

/* ---- banner ------------------------------------------------------------------------------- */

static bool same_family(enum watch_protocol a, enum watch_protocol b)
{
	bool http_a = a == PROTO_HTTP1 || a == PROTO_HTTP2 || a == PROTO_WEBSOCKET;
	bool http_b = b == PROTO_HTTP1 || b == PROTO_HTTP2 || b == PROTO_WEBSOCKET;

	return a == b || (http_a && http_b);
}

/* of these there are events that say more than their first bytes */
static bool has_events(enum watch_protocol p)
{
	return p == PROTO_TLS || p == PROTO_QUIC || p == PROTO_DNS;
}

static struct val first_bytes(const struct watch *w, enum dir dir)
{
	const struct watch_side *s = &w->side[dir];

	if (!s->first_n || has_events(w->protocol))
		return (struct val){ 0 };
	return V_STR(((struct str){ (const char *)s->first, s->first_n }));
}

static void tell_banner(struct watch *w, uint64_t t)
{
	enum watch_protocol expected = w->inner ? watch_expected_inside(w->facts.dst.port)
						: watch_expected(w->facts.tcp, w->facts.dst.port);
	struct event ev = { .kind = EV_BANNER };

	w->told_banner = true;
	if (w->protocol == PROTO_UNKNOWN)
		w->protocol =
			watch_looks_like_text(w->side[DIR_OUT].first, w->side[DIR_OUT].first_n) &&
					watch_looks_like_text(w->side[DIR_IN].first,
							      w->side[DIR_IN].first_n)
				? PROTO_OTHER_TEXT
				: PROTO_OTHER_BINARY;
	ev.v[EV_AT(BANNER, FLOW)] = V_INT(w->facts.id);
	ev.v[EV_AT(BANNER, PROTOCOL)] = V_Z(watch_protocol_name(w->protocol));
	if (expected) {
		ev.v[EV_AT(BANNER, EXPECTED)] = V_Z(watch_protocol_name(expected));
		ev.v[EV_AT(BANNER, MISMATCH)] = V_INT(!same_family(expected, w->protocol));
	}
	ev.v[EV_AT(BANNER, OUT)] = first_bytes(w, DIR_OUT);
	ev.v[EV_AT(BANNER, IN)] = first_bytes(w, DIR_IN);
	watch_emit(w, t, &ev);
}

void watch_speaks(struct watch *w, uint64_t t, enum watch_protocol protocol)
{
	if (w->protocol != PROTO_UNKNOWN)
		return; /* of a tunnel, the outside counts */
	w->protocol = protocol;
	if (has_events(protocol))
		tell_banner(w, t);
}

static void remember_first(struct watch_side *s, const uint8_t *p, size_t n)
{
	if (n > BANNER_TEXT - (size_t)s->first_n)
		n = BANNER_TEXT - (size_t)s->first_n;
	memcpy(s->first + s->first_n, p, n);
	s->first_n = (uint8_t)(s->first_n + n);
}

/* Told when nothing more will change it, and not for each segment that the first bytes come in. */
static void maybe_tell_banner(struct watch *w, uint64_t t)
{
	if (w->told_banner || w->protocol == PROTO_UNKNOWN)
		return;
	if (watch_idle(w) ||
	    (w->protocol != PROTO_HTTP1 && w->side[DIR_OUT].first_n == BANNER_TEXT &&
	     w->side[DIR_IN].first_n == BANNER_TEXT))
		tell_banner(w, t);
}

/* ---- bytes -------------------------------------------------------------------------------- */

ssize_t watch_stop(struct watch *w, uint64_t t, const char *why)
{
	if (why) {
		watch_gap(w, t, why);
		w->lost = w->protocol == PROTO_HTTP1 || w->protocol == PROTO_HTTP2;
	}
	w->done = true;
	return -EBADMSG;
}

bool watch_http_lost(const struct watch *w)
{
	return w->lost;
}

bool watch_http_event(struct watch *w, uint64_t t, struct event *ev)
{
	if (w->http_events >= WATCH_HEADS_MAX) {
		watch_stop(w, t, "more HTTP heads than are recorded");
		return false;
	}
	w->http_events++;
	watch_emit(w, t, ev);
	return true;
}

/* As much as the reader takes before somebody has to look at the other side. */
static size_t offer(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n && !w->done) {
		ssize_t k = w->reader->feed(w, dir, t, p + done, n - done);

		if (k < 0)
			break;
		done += (size_t)k;
		if (!k || w->again)
			break;
	}
	return done;
}

static void offer_stash(struct watch *w, enum dir dir, uint64_t t)
{
	struct watch_side *s = &w->side[dir];
	size_t done = offer(w, dir, t, s->stash, s->stash_n);

	if (done == s->stash_n) {
		drop_stash(s);
		return;
	}
	s->stash_n -= (uint32_t)done;
	if (done)
		memmove(s->stash, s->stash + done, s->stash_n);
}

static bool stash(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct watch_side *s = &w->side[dir];

	if (n > STASH_MAX - s->stash_n) {
		watch_stop(w, t, "a single message is longer than what is read");
		return false;
	}
	if (s->stash_n + n > s->stash_cap) {
		s->stash_cap = (uint32_t)((s->stash_n + n + 4095) & ~4095ul);
		s->stash = xrealloc(s->stash, s->stash_cap);
	}
	memcpy(s->stash + s->stash_n, p, n);
	s->stash_n += (uint32_t)n;
	return true;
}

/* What was kept, when a reader has taken over, or has learned from one side how to read the other.
 * It ends, since all but a guess that is made has used up bytes. */
static void offer_again(struct watch *w, uint64_t t)
{
	while (w->again && !w->done) {
		w->again = false;
		for (int d = DIR_OUT; d <= DIR_IN; d++)
			if (w->side[d].stash_n && !w->done)
				offer_stash(w, d, t);
	}
}

static void feed_stream(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct watch_side *s = &w->side[dir];

	while (n && !w->done) {
		bool fresh = !s->stash_n;
		size_t slice;

		if (fresh) {
			size_t done = offer(w, dir, t, p, n);

			p += done;
			n -= done;
			if (w->again) {
				offer_again(w, t);
				continue;
			}
			if (!n || w->done)
				break;
		}
		slice = n < SLICE ? n : SLICE;
		if (!stash(w, dir, t, p, slice))
			break;
		p += slice;
		n -= slice;
		/* what was just refused is not offered again before there is more of it */
		if (!fresh)
			offer_stash(w, dir, t);
		offer_again(w, t);
	}
}

static void settle(struct watch *w, uint64_t t)
{
	if (w->done && w->reader) {
		drop_reader(w);
		drop_stash(&w->side[DIR_OUT]);
		drop_stash(&w->side[DIR_IN]);
	}
	maybe_tell_banner(w, t);
}

void watch_mute(struct watch *w)
{
	w->done = true;
	settle(w, 0);
}

void watch_feed(struct watch *w, enum dir dir, uint64_t t, const void *p, size_t n)
{
	struct watch_side *s = &w->side[dir];

	count(w, dir, t, n, routine_of(&w->facts, p, n));
	if (!n)
		return;
	if (s->first_n < BANNER_TEXT && !w->told_banner)
		remember_first(s, p, n);
	if (!w->done) {
		if (w->facts.tcp || w->inner)
			feed_stream(w, dir, t, p, n);
		else
			w->reader->datagram(w, dir, t, p, n);
		settle(w, t);
	}
}

void watch_lost(struct watch *w, enum dir dir, uint64_t t, uint64_t n)
{
	watch_count(w, dir, t, n);
	if (w->done || !n)
		return;
	if (w->side[dir].stash_n || !w->reader->skip || !w->reader->skip(w, dir, n))
		watch_stop(w, t, "bytes are missing");
	settle(w, t);
}

bool watch_idle(const struct watch *w)
{
	return w->done || (w->reader->idle && w->reader->idle(w));
}

void watch_end(struct watch *w, uint64_t t)
{
	if (!w->done && w->reader->eof)
		w->reader->eof(w, t);
	w->done = true;
	settle(w, t);
	if (!w->told_banner && (w->side[DIR_OUT].first_n || w->side[DIR_IN].first_n))
		tell_banner(w, t);
	for (int d = DIR_OUT; d <= DIR_IN; d++) {
		tell_burst(w, d);
		w->side[d].burst_bytes = 0;
	}
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	drop_reader(w);
	drop_stash(&w->side[DIR_OUT]);
	drop_stash(&w->side[DIR_IN]);
	free(w);
}

enum watch_protocol watch_protocol(const struct watch *w)
{
	return w->protocol;
}

uint64_t watch_bytes(const struct watch *w, enum dir dir)
{
	return w->side[dir].bytes;
}

uint32_t watch_bursts(const struct watch *w)
{
	return w->side[DIR_OUT].bursts;
}

size_t watch_held(const struct watch *w)
{
	return sizeof(*w) + w->side[DIR_OUT].stash_cap + w->side[DIR_IN].stash_cap +
	       (w->reader && w->reader->held ? w->reader->held(w->state) : 0);
}
