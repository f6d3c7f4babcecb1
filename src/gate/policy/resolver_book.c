// SPDX-License-Identifier: Apache-2.0
/*
 * resolver_book.c - what the resolver remembers: names, sinkhole addresses, where answers led
 *
 * A sinkhole address has a number: IPv4 198.18.0.0 + number - 1, IPv6 2001:2:0:HASH::NUMBER. The
 * name's hash chooses it, and how far to the next on collision; so it is the same in each run as
 * long as not too many names compete. Numbers whose IPv4 address ends in 0 or 255 are left out.
 */
#include "gate/policy/resolver_inner.h"

static uint64_t hash_of(const char *name)
{
	uint64_t h = fnv1a(FNV1A, name, strlen(name));

	return h ^ h >> 29;
}

struct named *book_name(struct book *b, const char *name, bool *ret_new)
{
	size_t n = strlen(name);
	struct named *e;

	HASH_FIND(hh, b->names, name, n, e);
	*ret_new = !e;
	if (e)
		return e;
	if (HASH_COUNT(b->names) >= RESOLVER_NAMES_MAX)
		return NULL;
	e = xcalloc(1, sizeof(*e) + n + 1);
	memcpy(e->name, name, n);
	HASH_ADD(hh, b->names, name, n, e);
	return e;
}

static void sink_address(const struct named *n, uint32_t number, bool v6, struct addr *ret)
{
	uint64_t h = hash_of(n->name);
	uint32_t i = number - 1;

	*ret = (struct addr){ .v6 = v6 };
	if (v6) {
		static const uint8_t net[6] = { 0x20, 0x01, 0x00, 0x02 };

		memcpy(ret->ip, net, sizeof(net));
		ret->ip[6] = (uint8_t)(h >> 56);
		ret->ip[7] = (uint8_t)(h >> 48);
		ret->ip[13] = (uint8_t)(number >> 16);
		ret->ip[14] = (uint8_t)(number >> 8);
		ret->ip[15] = (uint8_t)number;
		return;
	}
	ret->ip[0] = 198;
	ret->ip[1] = (uint8_t)(18 + (i >> 16));
	ret->ip[2] = (uint8_t)(i >> 8);
	ret->ip[3] = (uint8_t)i;
}

void book_sink(struct book *b, struct named *n, bool v6, struct addr *ret)
{
	uint64_t h = hash_of(n->name);
	uint32_t i = (uint32_t)(h + b->edition * 0x9e37ull) % SINKS;
	uint32_t step = (uint32_t)(h >> 17) | 1; /* odd: meets all of them */

	static_assert(RESOLVER_NAMES_MAX + SINKS_AGAIN_MAX <= SINKS / 256 * 254,
		      "an address for each name");
	if (!b->sink)
		b->sink = xcalloc(SINKS, sizeof(*b->sink));
	/* the addresses of earlier editions stay taken: room is kept for a first one of each name
	 */
	if (!n->sink || (n->edition != b->edition && b->nsinks < SINKS_AGAIN_MAX)) {
		while (b->sink[i] || !(i & 0xff) || (i & 0xff) == 0xff)
			i = (i + step) % SINKS;
		b->sink[i] = n;
		b->nsinks++;
		n->sink = i + 1;
		n->edition = b->edition;
	}
	sink_address(n, n->sink, v6, ret);
}

const struct named *book_sink_name(const struct book *b, const struct addr *a)
{
	const struct named *n;
	struct addr its;
	uint32_t i;

	if (a->v6)
		i = ((uint32_t)a->ip[13] << 16 | (uint32_t)a->ip[14] << 8 | a->ip[15]) - 1;
	else
		i = (uint32_t)(a->ip[1] - 18) << 16 | (uint32_t)a->ip[2] << 8 | a->ip[3];
	if (!b->sink || i >= SINKS || !(n = b->sink[i]))
		return NULL;
	sink_address(n, i + 1, a->v6, &its);
	return addr_same_ip(a, &its) ? n : NULL;
}

static void key_of(const struct addr *a, uint8_t key[17])
{
	memset(key, 0, 17);
	memcpy(key, a->ip, a->v6 ? 16 : 4);
	key[16] = a->v6;
}

const struct led *book_led(const struct book *b, const struct addr *a)
{
	uint8_t key[17];
	struct led *l;

	key_of(a, key);
	HASH_FIND(hh, b->led, key, sizeof(key), l);
	return l;
}

void book_lead(struct book *b, const struct named *n, const struct addr *a, uint64_t expires)
{
	struct led *l = (struct led *)book_led(b, a);
	int at = 0;

	if (l) {
		HASH_DEL(b->led, l); /* and back at the end: the youngest */
	} else if (HASH_COUNT(b->led) >= RESOLVER_ANSWERS_MAX) {
		l = b->led; /* the oldest */
		HASH_DEL(b->led, l);
		memset(l, 0, sizeof(*l));
		b->led_full = true;
	} else {
		l = xcalloc(1, sizeof(*l));
	}
	key_of(a, l->key);
	while (at < LEADS_MAX - 1 && l->lead[at].name && l->lead[at].name != n)
		at++;
	if (l->lead[at].name == n && l->lead[at].expires > expires)
		expires = l->lead[at].expires;
	memmove(l->lead + 1, l->lead, (size_t)at * sizeof(l->lead[0]));
	l->lead[0] = (struct lead){ n, expires };
	HASH_ADD(hh, b->led, key, sizeof(l->key), l);
}

void book_free(struct book *b)
{
	struct named *n, *next;
	struct led *l, *after;

	HASH_ITER(hh, b->led, l, after)
	{
		HASH_DEL(b->led, l);
		free(l);
	}
	HASH_ITER(hh, b->names, n, next)
	{
		HASH_DEL(b->names, n);
		free(n);
	}
	free(b->sink);
}
