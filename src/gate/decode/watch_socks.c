// SPDX-License-Identifier: Apache-2.0
/*
 * watch_socks.c - SOCKS 4, 4a and 5 (RFC 1928, 1929), up to where the tunnel begins
 *
 * Client and server take turns; after the server has agreed, what is inside is guessed anew.
 */
#include "gate/decode/be.h"
#include "gate/decode/watch_inner.h"

enum turn { START, METHODS, METHOD, LOGIN, LOGGED_IN, REQUEST, REPLY, REQUEST_4, REPLY_4 };

struct socks {
	enum turn turn;
};

/* Length of an address and port behind @p, whose first byte is the type. 0: more bytes; -1: none */
static ssize_t address(const uint8_t *p, size_t n)
{
	if (n < 2)
		return 0;
	return p[0] == 1 ? 1 + 4 + 2 : p[0] == 4 ? 1 + 16 + 2 : p[0] == 3 ? 1 + 1 + p[1] + 2 : -1;
}

static ssize_t request_4(const uint8_t *p, size_t n)
{
	const uint8_t *end, *name;

	if (n < 9)
		return 0;
	end = memchr(p + 8, 0, n - 8);
	if (!end)
		return n > 8 + 255 ? -1 : 0;
	if (be32(p + 4) > 255 || !be32(p + 4))
		return end + 1 - p;
	name = end + 1; /* 4a: a name instead of the address */
	end = memchr(name, 0, (size_t)(p + n - name));
	if (!end)
		return n > 8 + 2 * 256 ? -1 : 0;
	return end + 1 - p;
}

/* How long is what is said in this turn? 0: more bytes are needed; -1: it is no SOCKS */
static ssize_t length(enum turn turn, const uint8_t *p, size_t n)
{
	ssize_t k;

	if (n < 2)
		return 0;
	switch (turn) {
	case METHODS:
		return 2 + p[1];
	case METHOD:
	case LOGGED_IN:
		return 2;
	case LOGIN:
		return n < 2u + p[1] + 1 ? 0 : 2 + p[1] + 1 + p[2 + p[1]];
	case REQUEST:
	case REPLY:
		k = n < 4 ? 0 : address(p + 3, n - 3);
		return k > 0 ? 3 + k : k;
	case REQUEST_4:
		return request_4(p, n);
	default:
		return 8;
	}
}

/* What follows what was said. Return: false when it is refused, or no SOCKS */
static bool next_turn(struct watch *w, struct socks *s, const uint8_t *p)
{
	switch (s->turn) {
	case METHOD:
		s->turn = p[1] == 2 ? LOGIN : REQUEST;
		return p[0] == 5 && (p[1] == 0 || p[1] == 2);
	case LOGGED_IN:
		s->turn = REQUEST;
		return !p[1];
	case REPLY:
	case REPLY_4:
		if (p[1] != (s->turn == REPLY ? 0 : 0x5a))
			return false;
		guess_begin(w);
		w->again = true;
		return true;
	default:
		s->turn++;
		return true;
	}
}

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t UNUSED, const uint8_t *p, size_t n)
{
	struct socks *s = w->state;
	bool servers;
	ssize_t k;

	if (s->turn == START && dir == DIR_OUT)
		s->turn = p[0] == 4 ? REQUEST_4 : METHODS;
	servers =
		s->turn == METHOD || s->turn == LOGGED_IN || s->turn == REPLY || s->turn == REPLY_4;
	if (s->turn == START || servers != (dir == DIR_IN))
		return 0;
	k = length(s->turn, p, n);
	if (k < 0 || (k && (size_t)k <= n && !next_turn(w, s, p))) {
		w->done = true; /* refused, or spoken otherwise than we know */
		return -EBADMSG;
	}
	if (!k || (size_t)k > n)
		return 0;
	w->again = true; /* the other side's turn */
	return k;
}

static const struct reader socks_reader = { .feed = feed, .free = free };

void socks_begin(struct watch *w)
{
	watch_become(w, &socks_reader, xcalloc(1, sizeof(struct socks)));
}

int socks_begins(const uint8_t *p, size_t n)
{
	ssize_t k;

	if ((p[0] != 4 && p[0] != 5) ||
	    (n > 1 && (p[0] == 4 ? p[1] != 1 && p[1] != 2 : !p[1] || p[1] > 8)))
		return -1;
	for (size_t i = 2; p[0] == 5 && i < n; i++)
		if (p[i] > 9) /* IANA, "SOCKS Methods" */
			return -1;
	k = length(p[0] == 4 ? REQUEST_4 : METHODS, p, n);
	/* the client waits for an answer before it says more */
	return !k || (size_t)k > n ? 0 : (size_t)k == n ? 1 : -1;
}
