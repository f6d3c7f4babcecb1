// SPDX-License-Identifier: Apache-2.0
/*
 * watch_quic.c - the hellos of a QUIC connection; all later is encrypted
 */
#include "gate/decode/quic.h"
#include "gate/decode/tls.h"
#include "gate/decode/watch_inner.h"

#define DATAGRAMS_MAX 64 /* of a connection whose hellos do not come */

struct state {
	struct quic *quic;
	unsigned datagrams;
	bool hello[2];
};

static void client_hello(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	struct hello h;
	struct event ev;
	char buf[16];

	if (tls_client_hello(p, n, true, &h)) {
		watch_stop(w, t, "malformed ClientHello");
		return;
	}
	tls_event_client(&w->facts, &h, buf, &ev);
	watch_emit(w, t, &ev);
}

static void server_hello(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	struct server_hello h;
	struct event ev;
	char buf[32];

	if (tls_server_hello(p, n, &h)) {
		watch_stop(w, t, "malformed ServerHello");
		return;
	}
	tls_event_server(&w->facts, &h, true, buf, &ev);
	watch_emit(w, t, &ev);
}

static void datagram(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct state *s = w->state;
	const uint8_t *m;
	uint8_t type;
	size_t len;

	if (s->hello[dir])
		return;
	if (++s->datagrams > DATAGRAMS_MAX || quic_datagram(s->quic, dir, p, n)) {
		watch_stop(w, t, "the hellos of a QUIC connection could not be read");
		return;
	}
	m = quic_message(s->quic, dir, &type, &len);
	if (!m)
		return;
	s->hello[dir] = true;
	if (dir == DIR_OUT && type == HS_CLIENT_HELLO)
		client_hello(w, t, m, len);
	else if (dir == DIR_IN && type == HS_SERVER_HELLO)
		server_hello(w, t, m, len);
	if (s->hello[DIR_OUT] && s->hello[DIR_IN])
		w->done = true;
}

static void free_state(void *state)
{
	struct state *s = state;

	quic_free(s->quic);
	free(s);
}

static size_t held(const void *state)
{
	const struct state *s = state;

	return sizeof(*s) + quic_held(s->quic);
}

static const struct reader quic_reader = { .datagram = datagram, .held = held, .free = free_state };

void quic_begin(struct watch *w)
{
	struct state *s = xcalloc(1, sizeof(*s));

	s->quic = quic_new();
	watch_become(w, &quic_reader, s);
}

/* ---- for policy --------------------------------------------------------------------------- */

struct hello_quic {
	struct quic *quic;
	unsigned datagrams;
};

int hello_read_quic(struct hello_quic **ctx, const void *datagram, size_t n, struct hello *ret)
{
	struct hello_quic *q = *ctx;
	const uint8_t *m;
	uint8_t type;
	size_t len;

	if (!q) {
		if (!quic_is_initial(datagram, n))
			return -EBADMSG;
		q = *ctx = xcalloc(1, sizeof(*q));
		q->quic = quic_new();
	}
	if (++q->datagrams > DATAGRAMS_MAX || quic_datagram(q->quic, DIR_OUT, datagram, n))
		return -EBADMSG;
	m = quic_message(q->quic, DIR_OUT, &type, &len);
	if (!m)
		return 0;
	return type != HS_CLIENT_HELLO || tls_client_hello(m, len, true, ret) ? -EBADMSG : 1;
}

void hello_quic_free(struct hello_quic *q)
{
	if (!q)
		return;
	quic_free(q->quic);
	free(q);
}
