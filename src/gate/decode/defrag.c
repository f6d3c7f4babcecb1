// SPDX-License-Identifier: Apache-2.0
/*
 * defrag.c - fragments of IP datagrams, put together
 *
 * A datagram that waits has its bytes at their place, and a bit for each eight of them that has
 * come. Fragments lie at multiples of eight, and only the last has another length.
 */
#include "gate/decode/packet.h"

#define DATAGRAM_MAX 65536
#define UNITS	     (DATAGRAM_MAX / 8)

struct waiting {
	struct addr src, dst;
	uint8_t protocol;
	uint32_t id;
	uint64_t used; /* when it was begun, counted in fragments; 0 free */
	uint8_t *p;
	size_t room, end; /* end: known when the last fragment came, else 0 */
	size_t reach;	  /* end of what has come */
	size_t units;	  /* that have come */
	uint8_t have[UNITS / 8];
};

struct defrag {
	uint64_t count;
	struct waiting w[DEFRAG_MAX];
	uint8_t *whole; /* the last that was given out */
};

struct defrag *defrag_new(void)
{
	return xcalloc(1, sizeof(struct defrag));
}

static void drop(struct waiting *w)
{
	free(w->p);
	memset(w, 0, sizeof(*w));
}

void defrag_free(struct defrag *d)
{
	if (!d)
		return;
	for (int i = 0; i < DEFRAG_MAX; i++)
		free(d->w[i].p);
	free(d->whole);
	free(d);
}

static bool belongs(const struct waiting *w, const struct packet *k)
{
	return w->used && w->id == k->fragment_id && addr_same_ip(&w->src, &k->src) &&
	       addr_same_ip(&w->dst, &k->dst) && (k->src.v6 || w->protocol == k->protocol);
}

static struct waiting *find(struct defrag *d, const struct packet *k)
{
	struct waiting *oldest = &d->w[0];

	for (int i = 0; i < DEFRAG_MAX; i++) {
		if (belongs(&d->w[i], k))
			return &d->w[i];
		if (d->w[i].used < oldest->used)
			oldest = &d->w[i];
	}
	if (oldest->used)
		drop(oldest);
	oldest->src = k->src;
	oldest->dst = k->dst;
	oldest->protocol = k->protocol;
	oldest->id = k->fragment_id;
	oldest->used = ++d->count;
	return oldest;
}

static void add(struct waiting *w, const uint8_t *p, size_t at, size_t n)
{
	if (at + n > w->room) {
		w->room = (at + n + 4095) & ~4095ul;
		w->p = xrealloc(w->p, w->room);
	}
	for (size_t i = 0; i < n; i += 8) {
		size_t unit = (at + i) / 8;

		if (w->have[unit / 8] & 1 << unit % 8)
			continue;
		w->have[unit / 8] |= (uint8_t)(1 << unit % 8);
		w->units++;
		memcpy(w->p + at + i, p + i, n - i < 8 ? n - i : 8);
	}
}

bool defrag_add(struct defrag *d, struct packet *k)
{
	struct waiting *w;

	/* cut by the capture, not in units, or longer than IP allows: it can never be whole */
	if (k->n < k->full_n || (k->more && k->n % 8) || !k->n ||
	    k->fragment_at + k->n > DATAGRAM_MAX)
		return false;
	w = find(d, k);
	if (!k->fragment_at) /* in IPv6 only the first says what is inside */
		w->protocol = k->protocol;
	if (!k->more && !w->end)
		w->end = k->fragment_at + k->n;
	if (k->fragment_at + k->n > w->reach)
		w->reach = k->fragment_at + k->n;
	if (w->end && w->reach > w->end) { /* two ends */
		drop(w);
		return false;
	}
	add(w, k->p, k->fragment_at, k->n);
	if (!w->end || w->units < (w->end + 7) / 8)
		return false;
	free(d->whole);
	d->whole = steal_ptr(&w->p);
	k->p = d->whole;
	k->n = k->full_n = w->end;
	k->protocol = w->protocol;
	k->fragment = false;
	drop(w);
	return true;
}
