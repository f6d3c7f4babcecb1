// SPDX-License-Identifier: Apache-2.0
/*
 * conversation.h - an input as a conversation: a byte says who speaks (lowest bit) and how much,
 * 127 that two more bytes say how much; then what is said
 */
#ifndef BELLJAR_TESTS_FUZZ_CONVERSATION_H
#define BELLJAR_TESTS_FUZZ_CONVERSATION_H

#include "gate/decode/watch_inner.h"

/* every string of an event is readable */
static inline void conversation_event(void *ctx, struct event *ev)
{
	static volatile unsigned char sink;
	const struct kind_def *def = event_kind_def(ev->kind);

	++*(uint64_t *)ctx;
	for (int i = 0; i < def->nfields; i++)
		if (ev->v[i].type == VAL_TEXT)
			for (size_t k = 0; k < ev->v[i].s.n; k++)
				sink = (unsigned char)ev->v[i].s.p[k];
	(void)sink;
}

/** conversation() - @begin: the reader that has the flow from the start, NULL: it is guessed */
static inline void conversation(const uint8_t *p, size_t n, bool tcp, uint16_t port, bool inner,
				void (*begin)(struct watch *w))
{
	struct flow_facts f = { .id = 1, .tcp = tcp, .dst = { .port = port } };
	uint64_t events = 0, t = 0;
	struct emit emit = { &events, conversation_event };
	struct watch *w = watch_new(&f, inner, &emit);

	if (begin) {
		begin(w);
		w->again = false;
	}
	while (n) {
		uint8_t c = *p++;
		size_t k = c >> 1;
		uint8_t *exact;

		n--;
		if (k == 127 && n >= 2) {
			k = (size_t)p[0] << 8 | p[1];
			p += 2;
			n -= 2;
		}
		k = k < n ? k : n;
		exact = xmalloc(k ? k : 1);
		memcpy(exact, p, k);
		watch_feed(w, c & 1, t, exact, k);
		free(exact);
		if (watch_held(w) > WATCH_BYTES_MAX)
			abort();
		p += k;
		n -= k;
		t += NSEC_PER_SEC * 4 / 10 * (k % 4);
	}
	watch_end(w, t);
	watch_free(w);
}

#endif
