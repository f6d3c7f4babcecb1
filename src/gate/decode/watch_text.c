// SPDX-License-Identifier: Apache-2.0
/*
 * watch_text.c - protocols of lines, whose banner says enough, but in which TLS may begin
 *
 * Commands and answers are passed over. STARTTLS, STLS and AUTH TLS all end in the same way: the
 * program's next bytes are a ClientHello at the start of what would be a line.
 */
#include "gate/decode/be.h"
#include "gate/decode/tls.h"
#include "gate/decode/watch_inner.h"

#define TEXT_MAX (64u << 10) /* bytes from the program before which TLS begins, if it does */

struct text {
	bool inside; /* of a line of the program */
	uint64_t passed;
};

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t UNUSED, const uint8_t *p, size_t n)
{
	struct text *s = w->state;
	const uint8_t *nl;

	if (dir == DIR_IN)
		return (ssize_t)n;
	if (!s->inside && p[0] == TLS_HANDSHAKE && !w->inner) {
		if (n < TLS_RECORD_HEAD + 1)
			return 0;
		if (p[1] == 3 && p[TLS_RECORD_HEAD] == HS_CLIENT_HELLO) {
			tls_begin(w);
			return 0;
		}
	}
	nl = memchr(p, '\n', n);
	s->inside = !nl;
	n = nl ? (size_t)(nl - p) + 1 : n;
	s->passed += n;
	if (s->passed > TEXT_MAX)
		w->done = true;
	return (ssize_t)n;
}

static bool skip(struct watch *w UNUSED, enum dir dir, uint64_t n UNUSED)
{
	return dir == DIR_IN;
}

static const struct reader text_reader = { .feed = feed, .skip = skip, .free = free };

void text_begin(struct watch *w)
{
	watch_become(w, &text_reader, xcalloc(1, sizeof(struct text)));
}
