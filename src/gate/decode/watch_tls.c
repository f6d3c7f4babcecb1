// SPDX-License-Identifier: Apache-2.0
/*
 * watch_tls.c - TLS on a TCP stream until it is encrypted
 *
 * Records are taken whole. A handshake message that spans records is put together in .message, one
 * for each side, at most TLS_MESSAGE_MAX; those that lie in one record are read where they are.
 * After the ServerHello of TLS 1.3, and in older versions after both sides' ChangeCipherSpec,
 * nothing can be read any more, and the reader is idle.
 */
#include "gate/decode/be.h"
#include "gate/decode/tls.h"
#include "gate/decode/watch_inner.h"

struct tls {
	struct buf message[2];
	bool encrypted[2];
	bool retry;	/* a HelloRetryRequest: hellos go on, whatever ChangeCipherSpec says */
	uint8_t hellos; /* of the client: a second one follows a HelloRetryRequest */
};

static void client_hello(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	struct tls *s = w->state;
	struct hello h;
	struct event ev;
	char buf[16];

	if (s->hellos++ >= 2 || tls_client_hello(p, n, false, &h)) {
		watch_stop(w, t, "malformed ClientHello");
		return;
	}
	tls_event_client(&w->facts, &h, buf, &ev);
	watch_emit(w, t, &ev);
}

static void server_hello(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	struct tls *s = w->state;
	struct server_hello h;
	struct event ev;
	char buf[32];

	if (tls_server_hello(p, n, &h)) {
		watch_stop(w, t, "malformed ServerHello");
		return;
	}
	tls_event_server(&w->facts, &h, false, buf, &ev);
	watch_emit(w, t, &ev);
	s->retry = h.retry;
	if (h.version >= TLS_1_3)
		s->encrypted[DIR_OUT] = s->encrypted[DIR_IN] = !h.retry;
}

static void certificate(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	cleanup_buf struct buf scratch = { 0 };
	struct event ev;

	if (tls_event_certificate(&w->facts, p, n, &scratch, &ev)) {
		watch_stop(w, t, "malformed Certificate");
		return;
	}
	if (w->chain)
		ev.v[EV_AT(TLS, VERDICT)] = V_Z(w->chain(w->chain_ctx, p, n));
	watch_emit(w, t, &ev);
}

static void handshake(struct watch *w, enum dir dir, uint64_t t, uint8_t type, const uint8_t *p,
		      size_t n)
{
	if (dir == DIR_OUT && type == HS_CLIENT_HELLO)
		client_hello(w, t, p, n);
	else if (dir == DIR_IN && type == HS_SERVER_HELLO)
		server_hello(w, t, p, n);
	else if (dir == DIR_IN && type == HS_CERTIFICATE)
		certificate(w, t, p, n);
}

/* Whole messages at the start of @p. Return: bytes that they took */
static size_t handshakes(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct tls *s = w->state;
	size_t at = 0;

	while (n - at >= TLS_HANDSHAKE_HEAD && !w->done && !s->encrypted[dir]) {
		size_t k = (size_t)p[at + 1] << 16 | be16(p + at + 2);

		if (k > TLS_MESSAGE_MAX) {
			watch_stop(w, t, "a TLS handshake message is longer than what is read");
			break;
		}
		if (k > n - at - TLS_HANDSHAKE_HEAD)
			break;
		handshake(w, dir, t, p[at], p + at + TLS_HANDSHAKE_HEAD, k);
		at += TLS_HANDSHAKE_HEAD + k;
	}
	return at;
}

static void handshake_record(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct tls *s = w->state;
	struct buf *m = &s->message[dir];
	size_t done;

	if (!m->n) {
		done = handshakes(w, dir, t, p, n);
		p += done;
		n -= done;
		if (w->done || s->encrypted[dir] || !n)
			return;
	}
	m->limit = TLS_MESSAGE_MAX + TLS_RECORD_MAX;
	buf_add(m, p, n);
	if (m->overflow) {
		watch_stop(w, t, "a TLS handshake message is longer than what is read");
		return;
	}
	done = handshakes(w, dir, t, (uint8_t *)m->p, m->n);
	m->n -= done;
	memmove(m->p, m->p + done, m->n);
	if (!m->n || s->encrypted[dir])
		buf_free(m);
}

static void alert_record(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	struct event ev = { .kind = EV_TLS };
	char buf[16];

	if (n != 2) /* encrypted, though nobody said so */
		return;
	ev.v[EV_AT(TLS, OP)] = V_Z("alert");
	ev.v[EV_AT(TLS, FLOW)] = V_INT(w->facts.id);
	ev.v[EV_AT(TLS, VERDICT)] = V_Z(tls_alert_name(p[1], buf));
	watch_emit(w, t, &ev);
}

static bool idle(const struct watch *w)
{
	const struct tls *s = w->state;

	return s->encrypted[DIR_OUT] && s->encrypted[DIR_IN];
}

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct tls *s = w->state;
	uint8_t type = p[0];
	size_t len;

	if (idle(w))
		return (ssize_t)n;
	if (n < TLS_RECORD_HEAD)
		return 0;
	len = be16(p + 3);
	if (type < TLS_CCS || type > TLS_DATA || p[1] != 3 || len > TLS_RECORD_MAX)
		return watch_stop(w, t, "no TLS record where one should be");
	if (n < TLS_RECORD_HEAD + len)
		return 0;
	p += TLS_RECORD_HEAD;
	if (type == TLS_CCS)
		s->encrypted[dir] = !s->retry;
	else if (type == TLS_HANDSHAKE && !s->encrypted[dir])
		handshake_record(w, dir, t, p, len);
	else if (type == TLS_ALERT && !s->encrypted[dir])
		alert_record(w, t, p, len);
	return w->done ? -EBADMSG : (ssize_t)(TLS_RECORD_HEAD + len);
}

static bool skip(struct watch *w, enum dir dir UNUSED, uint64_t n UNUSED)
{
	return idle(w);
}

static size_t held(const void *state)
{
	const struct tls *s = state;

	return sizeof(*s) + s->message[DIR_OUT].cap + s->message[DIR_IN].cap;
}

static void free_state(void *state)
{
	struct tls *s = state;

	buf_free(&s->message[DIR_OUT]);
	buf_free(&s->message[DIR_IN]);
	free(s);
}

static const struct reader tls_reader = {
	.feed = feed, .skip = skip, .idle = idle, .held = held, .free = free_state
};

void tls_begin(struct watch *w)
{
	watch_become(w, &tls_reader, xcalloc(1, sizeof(struct tls)));
}

/* ---- for policy --------------------------------------------------------------------------- */

int hello_read_tls(const void *bytes, size_t n, struct hello *ret)
{
	struct rd r = { bytes, (const uint8_t *)bytes + n, false };
	cleanup_buf struct buf message = { .limit = TLS_HELLO_MAX + TLS_RECORD_MAX };

	while (rd_left(&r)) {
		const uint8_t *head = r.p;
		size_t have = rd_left(&r), len;
		const uint8_t *m;

		if (head[0] != TLS_HANDSHAKE || (have > 1 && head[1] != 3))
			return -EBADMSG;
		if (have < TLS_RECORD_HEAD)
			return 0;
		len = be16(head + 3);
		if (!len || len > TLS_RECORD_MAX)
			return -EBADMSG;
		rd_bytes(&r, TLS_RECORD_HEAD);
		if (!message.n && have > TLS_RECORD_HEAD && r.p[0] != HS_CLIENT_HELLO)
			return -EBADMSG;
		if (rd_left(&r) < len)
			return 0;
		buf_add(&message, rd_bytes(&r, len), len);
		if (message.n < TLS_HANDSHAKE_HEAD)
			continue;
		m = (uint8_t *)message.p;
		len = (size_t)m[1] << 16 | be16(m + 2);
		if (len > TLS_HELLO_MAX)
			return -EBADMSG;
		if (message.n >= TLS_HANDSHAKE_HEAD + len)
			return tls_client_hello(m + TLS_HANDSHAKE_HEAD, len, false, ret) ? -EBADMSG
											 : 1;
	}
	return 0;
}
