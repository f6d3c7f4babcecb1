// SPDX-License-Identifier: Apache-2.0
/*
 * relay_tcp.c - connections: accepted, answered or passed on, half-closed, reset
 *
 * Both sockets are in the epoll set edge-triggered, once; `readable` and `writable` remember the
 * edges, and tcp_run() moves bytes until an end of it blocks or its turn is over. A side is read
 * only when the other has taken all that was read before, so at most one read's bytes are held for
 * it, in our memory; the rest waits in the kernel's buffers and closes the sender's window.
 */
#include "gate/inside/inside.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>

#define ACCEPTS_A_TURN 64
#define BYTES_A_TURN   (1u << 20)

/* ---- sides -------------------------------------------------------------------------------- */

static bool waiting(const struct side *s)
{
	return s->out_n > s->out_at;
}

static void drop_out(struct inside *in, struct side *s)
{
	in->pending -= s->out_cap;
	free(s->out);
	s->out = NULL;
	s->out_n = s->out_at = s->out_cap = 0;
}

void side_close(struct inside *in, struct side *s, bool reset)
{
	struct linger now = { .l_onoff = 1 };

	if (s->out)
		drop_out(in, s);
	if (s->src.fd < 0)
		return;
	if (s->pipe)
		frames_let_go(in, steal_ptr(&s->pipe), reset);
	else if (reset)
		setsockopt(s->src.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(s->src.fd);
	s->src.fd = -1;
}

static void keep(struct inside *in, struct side *s, const uint8_t *p, size_t n)
{
	if (s->out_n + n > s->out_cap) {
		in->pending += s->out_n + n - s->out_cap;
		s->out_cap = s->out_n + n;
		s->out = xrealloc(s->out, s->out_cap);
	}
	memcpy(s->out + s->out_n, p, n);
	s->out_n += n;
}

int side_send(struct inside *in, struct side *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	if (!waiting(s) && s->writable && !s->connecting && s->src.fd >= 0) {
		ssize_t k = send(s->src.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (k < 0)
			k = 0;
		p += k;
		n -= (size_t)k;
		if (n)
			s->writable = false;
	}
	if (n)
		keep(in, s, p, n);
	return 0;
}

static int flush(struct inside *in, struct side *s)
{
	while (waiting(s) && s->writable && !s->connecting && s->src.fd >= 0) {
		ssize_t k = send(s->src.fd, s->out + s->out_at, s->out_n - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			s->writable = false;
		else if (k < 0)
			return -errno;
		else
			s->out_at += (size_t)k;
	}
	if (s->out && !waiting(s))
		drop_out(in, s);
	return 0;
}

static void half_close(struct side *s)
{
	if (s->shut || waiting(s) || s->connecting || s->src.fd < 0)
		return;
	s->shut = true;
	shutdown(s->src.fd, SHUT_WR);
}

static bool was_reset(const struct inside *in, const struct side *s)
{
	return s->pipe && frames_was_reset(in, s->pipe);
}

static void lost(struct inside *in, struct flow *f, const struct side *s, int code)
{
	if (s == &f->client)
		flow_end(in, f, "reset");
	else
		flow_peer_lost(in, f, code);
}

/* ---- one read ----------------------------------------------------------------------------- */

/* Bytes read into the scratch, 0 nothing now, -1 it has ended (or the flow has). */
static ssize_t take(struct inside *in, struct flow *f, struct side *s, size_t room)
{
	size_t want = in->pending > PENDING_MANY ? READ_TINY : f->chunk;
	ssize_t k;

	if (want > room)
		want = room;
	do
		k = recv(s->src.fd, in->scratch, want, MSG_DONTWAIT);
	while (k < 0 && errno == EINTR);
	if (k > 0) {
		if ((size_t)k == f->chunk && f->chunk < READ_BIG)
			f->chunk *= 2;
		return k;
	}
	s->readable = false;
	if (k < 0 && errno == EAGAIN)
		return 0;
	if (k == 0 && !was_reset(in, s)) {
		s->eof = true;
		return -1;
	}
	lost(in, f, s, k < 0 ? errno : ECONNRESET);
	return -1;
}

static bool sent(struct inside *in, struct flow *f, struct side *to, int rc)
{
	if (!rc)
		return true;
	lost(in, f, to, -rc);
	return false;
}

void tcp_reply(struct inside *in, struct flow *f, const void *p, size_t n)
{
	if (f->ended || !flow_saw(in, f, DIR_IN, p, n))
		return;
	sent(in, f, &f->client, side_send(in, &f->client, p, n));
}

/* ---- from the program --------------------------------------------------------------------- */

/* DNS over TCP: two bytes of length before each message (RFC 1035 4.2.2). */
static void to_names(struct inside *in, struct flow *f, const uint8_t *p, size_t n)
{
	size_t at = 0, len;

	f->hold = xrealloc(f->hold, f->hold_n + n);
	memcpy(f->hold + f->hold_n, p, n);
	f->hold_n += n;
	while (!f->ended && f->hold_n - at >= 2) {
		len = (size_t)f->hold[at] << 8 | f->hold[at + 1];
		if (f->hold_n - at - 2 < len)
			break;
		names_query(in, f, f->hold + at + 2, len);
		at += 2 + len;
	}
	if (at) {
		f->hold_n -= at;
		memmove(f->hold, f->hold + at, f->hold_n);
	}
}

/* What the sinkhole has said; @rc: that it closes after it. */
static void from_sink(struct inside *in, struct flow *f, int rc, struct buf *reply)
{
	f->sink_says = !rc && reply->n;
	if (reply->n)
		tcp_reply(in, f, reply->p, reply->n);
	buf_free(reply);
	if (rc && !f->ended)
		f->client.eof = true;
}

static void to_sink(struct inside *in, struct flow *f, const void *p, size_t n)
{
	struct buf reply = { .limit = SINK_REPLY_MAX };
	int rc;

	if (!f->sink || in->cut)
		return; /* --sink silent, or cut */
	in->current = f;
	rc = sink_input(f->sink, p, n, &reply);
	in->current = NULL;
	from_sink(in, f, rc, &reply);
}

/* All that it has said was sent: the rest of a long answer. */
static size_t more_from_sink(struct inside *in, struct flow *f)
{
	struct buf reply = { .limit = SINK_REPLY_MAX };
	size_t n;
	int rc;

	if (!f->sink_says || waiting(&f->client))
		return 0;
	in->current = f;
	rc = sink_drained(f->sink, &reply);
	in->current = NULL;
	n = reply.n;
	from_sink(in, f, rc, &reply);
	return n;
}

static void to_peer(struct inside *in, struct flow *f, const uint8_t *p, size_t n)
{
	switch (f->step) {
	case STEP_HELLO:
		if (!f->hold)
			f->hold = xmalloc(HOLD_MAX);
		memcpy(f->hold + f->hold_n, p, n);
		f->hold_n += n;
		gate_first_bytes(in, f, false);
		break;
	case STEP_CHECK:
		break; /* not read */
	case STEP_PASS:
		sent(in, f, &f->server, side_send(in, &f->server, p, n));
		break;
	case STEP_OPENED:
		gate_opened_step(in, f, DIR_OUT, p, n, false);
		break;
	}
}

static bool client_wanted(const struct flow *f)
{
	if (!f->client.readable || f->client.eof || f->client.src.fd < 0)
		return false;
	if (f->way != WAY_PEER)
		return !waiting(&f->client);
	switch (f->step) {
	case STEP_HELLO:
		return f->hold_n < HOLD_MAX;
	case STEP_CHECK:
		return false;
	case STEP_PASS:
	case STEP_OPENED:
		return !f->server.connecting && f->server.src.fd >= 0 && !waiting(&f->server) &&
		       !waiting(&f->client);
	}
	return false;
}

static void client_eof(struct inside *in, struct flow *f)
{
	if (f->ended)
		return;
	if (f->way == WAY_SINK)
		to_sink(in, f, "", 0);
	else if (f->way == WAY_PEER && f->step == STEP_HELLO)
		gate_first_bytes(in, f, true);
	else if (f->way == WAY_PEER && f->step == STEP_OPENED)
		gate_opened_step(in, f, DIR_OUT, "", 0, true);
	f->client.eof = true;
}

static size_t from_client(struct inside *in, struct flow *f)
{
	ssize_t k;

	if (!client_wanted(f))
		return 0;
	k = take(in, f, &f->client, f->step == STEP_HELLO ? HOLD_MAX - f->hold_n : READ_BIG);
	if (k < 0)
		client_eof(in, f);
	if (k <= 0)
		return 0;
	queue_drop(&f->wait); /* it has spoken first */
	if (!flow_saw(in, f, DIR_OUT, in->scratch, (size_t)k))
		return 0;
	if (f->way == WAY_NAMES)
		to_names(in, f, in->scratch, (size_t)k);
	else if (f->way == WAY_SINK)
		to_sink(in, f, in->scratch, (size_t)k);
	else
		to_peer(in, f, in->scratch, (size_t)k);
	return (size_t)k;
}

/* ---- from the peer ------------------------------------------------------------------------ */

static size_t from_server(struct inside *in, struct flow *f)
{
	struct side *s = &f->server;
	ssize_t k;

	if (!s->readable || s->eof || s->connecting || s->src.fd < 0 || waiting(&f->client) ||
	    !f->client.writable || (f->step == STEP_OPENED && waiting(s)))
		return 0;
	k = take(in, f, s, READ_BIG);
	if (k < 0 && !f->ended && f->step == STEP_OPENED)
		gate_opened_step(in, f, DIR_IN, "", 0, true);
	if (k <= 0)
		return 0;
	if (f->step == STEP_OPENED) {
		gate_opened_step(in, f, DIR_IN, in->scratch, (size_t)k, false);
		return (size_t)k;
	}
	if (!flow_saw(in, f, DIR_IN, in->scratch, (size_t)k))
		return 0;
	sent(in, f, &f->client, side_send(in, &f->client, in->scratch, (size_t)k));
	return (size_t)k;
}

static void from_check(struct inside *in, struct flow *f)
{
	struct side *s = &f->check_side;

	while (!f->ended && s->readable && !s->connecting && s->src.fd >= 0) {
		ssize_t k = recv(s->src.fd, in->scratch, READ_SMALL, MSG_DONTWAIT);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN) {
			s->readable = false;
			return;
		}
		gate_check_step(in, f, in->scratch, k > 0 ? (size_t)k : 0, k <= 0);
	}
}

/* ---- a turn ------------------------------------------------------------------------------- */

static void closing(struct inside *in, struct flow *f)
{
	struct side *c = &f->client, *s = &f->server;

	if (f->way != WAY_PEER) {
		if (c->eof && !waiting(c) && !f->sink_says && !(f->way == WAY_NAMES && f->asks))
			flow_end(in, f, "closed");
		return;
	}
	if (f->step == STEP_PASS && c->eof)
		half_close(s);
	if (s->eof && f->step != STEP_OPENED)
		half_close(c);
	if (c->eof && s->eof && !waiting(c) && !waiting(s))
		flow_end(in, f, f->last_end ? f->last_end : "closed");
}

static void tcp_run(struct inside *in, struct flow *f)
{
	size_t moved = 0, k = 1;

	while (k && !f->ended && moved < BYTES_A_TURN) {
		k = 0;
		if (f->check_side.src.fd >= 0) {
			if (flush(in, &f->check_side))
				gate_check_step(in, f, "", 0, true);
			from_check(in, f);
		}
		if (f->ended || !sent(in, f, &f->client, flush(in, &f->client)) ||
		    !sent(in, f, &f->server, flush(in, &f->server)))
			return;
		k += more_from_sink(in, f);
		k += f->ended ? 0 : from_client(in, f);
		if (!f->ended)
			k += from_server(in, f);
		if (!f->ended && f->sink_says && !waiting(&f->client))
			k++; /* the sinkhole's turn again */
		moved += k;
	}
	if (!f->ended)
		closing(in, f);
	if (!f->ended && k && !f->again) {
		f->again = true;
		f->next_again = in->again;
		in->again = f;
	}
}

void tcp_go_on(struct inside *in, struct flow *f)
{
	if (!f->ended)
		tcp_run(in, f);
}

/* ---- events ------------------------------------------------------------------------------- */

static void connected(struct inside *in, struct flow *f, struct side *s)
{
	socklen_t n = sizeof(int);
	int code = 0;

	if (getsockopt(s->src.fd, SOL_SOCKET, SO_ERROR, &code, &n))
		code = errno;
	if (code && s == &f->check_side) {
		gate_check_step(in, f, "", 0, true);
		return;
	}
	if (code) {
		flow_dial_failed(in, f, code, NULL);
		return;
	}
	s->connecting = false;
	if (s == &f->server)
		queue_drop(&f->wait);
	else
		gate_check_step(in, f, "", 0, false);
}

void tcp_event(struct inside *in, struct source *src, uint32_t events)
{
	struct flow *f = src->flow;
	struct side *s = src->kind == SOURCE_CLIENT   ? &f->client
			 : src->kind == SOURCE_SERVER ? &f->server
						      : &f->check_side;

	if (f->ended)
		return;
	if (events & EPOLLOUT)
		s->writable = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->readable = true;
	if (s->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		connected(in, f, s);
	/* a program that resets while its side is not read would go unseen */
	if (!f->ended && s == &f->client && !client_wanted(f) &&
	    (events & EPOLLERR || (events & EPOLLHUP && was_reset(in, s)))) {
		flow_end(in, f, "reset");
		return;
	}
	tcp_go_on(in, f);
}

void tcp_dialed(struct inside *in, struct flow *f, bool check, int fd)
{
	struct side *s = check ? &f->check_side : &f->server;

	s->src.fd = fd;
	s->connecting = true;
	if (inside_watch(in, &s->src, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
		flow_dial_failed(in, f, ENFILE, NULL);
}

void tcp_quiet(struct inside *in, struct flow *f)
{
	struct buf reply = { .limit = SINK_REPLY_MAX };
	int rc;

	if (!f->sink)
		return;
	in->current = f;
	rc = sink_quiet(f->sink, &reply);
	in->current = NULL;
	from_sink(in, f, rc, &reply);
	tcp_go_on(in, f);
}

static void accepted(struct inside *in, struct flow *f)
{
	switch (f->way) {
	case WAY_REFUSED:
		flow_end(in, f, "policy");
		return;
	case WAY_NAMES:
		break;
	case WAY_SINK:
		if (in->silent)
			break;
		f->sink = sink_new(&in->sink_env, &f->facts);
		queue_put(&in->quiet, f, &f->wait, in->now + SINK_BANNER_NS);
		break;
	case WAY_PEER:
		flow_dial(in, f, false);
		queue_put(&in->dialing, f, &f->wait, in->now + DIAL_NS);
		break;
	}
	if (inside_watch(in, &f->client.src, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
		flow_end(in, f, "reset");
}

void tcp_begins(struct inside *in, const struct addr *src, const struct addr *dst, int fd,
		struct stack_pipe *pipe)
{
	struct flow *f = flow_begin(in, true, src, dst);

	if (!f) {
		struct side s = { .src.fd = fd, .pipe = pipe };

		side_close(in, &s, true);
		return;
	}
	f->client.src.fd = fd;
	f->client.pipe = pipe;
	f->chunk = READ_SMALL;
	accepted(in, f);
}

void tcp_accept(struct inside *in, struct source *listener)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = { 0 }, to = { 0 };
		socklen_t nf = sizeof(from), nt = sizeof(to);
		struct addr src, dst;
		int fd = accept4(listener->fd, (struct sockaddr *)&from, &nf,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (getsockname(fd, (struct sockaddr *)&to, &nt)) {
			close(fd);
			continue;
		}
		addr_from_sockaddr(&src, &from);
		addr_from_sockaddr(&dst, &to);
		tcp_begins(in, &src, &dst, fd, NULL);
	}
}
