// SPDX-License-Identifier: Apache-2.0
/*
 * order.c - put TCP segments in order
 *
 * Invariant: the segments that wait are sorted, do not overlap, and all lie after .next.
 */
#include "gate/pcap/order.h"

struct order_segment {
	struct order_segment *after;
	uint32_t seq;
	uint32_t n, lost; /* bytes that are here; bytes behind them that were not captured */
	uint8_t p[];
};

void order_begin(struct order *o, uint32_t next)
{
	o->next = next;
	o->begun = true;
}

static void take_first(struct order *o)
{
	struct order_segment *s = o->waiting;

	o->waiting = s->after;
	o->nwaiting--;
	o->waiting_bytes -= sizeof(*s) + s->n;
	free(s);
}

static void deliver(struct order *o, const uint8_t *p, size_t n, size_t lost,
		    const struct order_to *to)
{
	if (n)
		to->bytes(to->ctx, p, n);
	if (lost)
		to->lost(to->ctx, lost);
	o->next += (uint32_t)(n + lost);
}

/* Segments that wait for nothing any more. One can begin before .next only by what was lost twice.
 */
static void deliver_waiting(struct order *o, const struct order_to *to)
{
	struct order_segment *s;

	while ((s = o->waiting) && (int32_t)(s->seq - o->next) <= 0) {
		uint32_t old = o->next - s->seq;

		if (old < s->n)
			deliver(o, s->p + old, s->n - old, s->lost, to);
		else if (old < s->n + s->lost)
			deliver(o, NULL, 0, s->n + s->lost - old, to);
		take_first(o);
	}
}

/* What is missing before the first that waits is lost. */
static void give_up(struct order *o, const struct order_to *to)
{
	uint32_t hole = o->waiting->seq - o->next;

	deliver(o, NULL, 0, hole, to);
	deliver_waiting(o, to);
}

static void insert(struct order *o, struct order_segment **at, uint32_t seq, const uint8_t *p,
		   size_t n, size_t lost)
{
	struct order_segment *s = xmalloc(sizeof(*s) + n);

	s->seq = seq;
	s->n = (uint32_t)n;
	s->lost = (uint32_t)lost;
	if (n)
		memcpy(s->p, p, n);
	s->after = *at;
	*at = s;
	o->nwaiting++;
	o->waiting_bytes += sizeof(*s) + n;
}

/* The parts of a segment that no other has: those that came before keep theirs. */
static void wait(struct order *o, uint32_t seq, const uint8_t *p, size_t n, size_t full_n)
{
	struct order_segment **at = &o->waiting;
	uint32_t end = seq + (uint32_t)full_n;

	while ((int32_t)(end - seq) > 0) {
		uint32_t until = end, here;

		while (*at && (int32_t)((*at)->seq + (*at)->n + (*at)->lost - seq) <= 0)
			at = &(*at)->after;
		if (*at && (int32_t)((*at)->seq - seq) <= 0) { /* covers the beginning */
			uint32_t to = (*at)->seq + (*at)->n + (*at)->lost, k = to - seq;

			if ((int32_t)(to - end) >= 0)
				return;
			p += k < n ? k : n;
			n -= k < n ? k : n;
			seq = to;
			continue;
		}
		if (*at && (int32_t)((*at)->seq - end) < 0)
			until = (*at)->seq;
		here = until - seq;
		insert(o, at, seq, p, here < n ? here : n, here < n ? 0 : here - n);
		at = &(*at)->after;
		p += here < n ? here : n;
		n -= here < n ? here : n;
		seq = until;
	}
}

void order_segment(struct order *o, uint32_t seq, const uint8_t *p, size_t n, size_t full_n,
		   const struct order_to *to)
{
	int32_t early;

	if (!o->begun)
		order_begin(o, seq);
	early = (int32_t)(seq - o->next);
	if (!full_n || early > ORDER_WINDOW || early < -ORDER_WINDOW)
		return;
	if (early > 0) {
		wait(o, seq, p, n, full_n);
		while (o->nwaiting > ORDER_SEGMENTS_MAX || o->waiting_bytes > ORDER_BYTES_MAX)
			give_up(o, to);
		return;
	}
	if ((size_t) - (int64_t)early >= full_n) /* again */
		return;
	full_n -= (size_t) - (int64_t)early;
	p += n < (size_t) - (int64_t)early ? n : (size_t) - (int64_t)early;
	n -= n < (size_t) - (int64_t)early ? n : (size_t) - (int64_t)early;
	/* where a segment that waits begins, that one came first */
	if (o->waiting && (int32_t)(o->waiting->seq - o->next) < (int32_t)full_n) {
		wait(o, o->next, p, n, full_n);
		deliver_waiting(o, to);
		return;
	}
	deliver(o, p, n, full_n - n, to);
	deliver_waiting(o, to);
}

void order_flush(struct order *o, const struct order_to *to)
{
	while (o->waiting)
		give_up(o, to);
}

void order_free(struct order *o)
{
	while (o->waiting)
		take_first(o);
}
