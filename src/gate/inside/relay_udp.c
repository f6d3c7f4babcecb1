// SPDX-License-Identifier: Apache-2.0
/*
 * relay_udp.c - datagrams and pings
 *
 * A flow is a pair of addresses with ports. It ends after UDP_IDLE_NS without a datagram. What goes
 * back to the program is written as a packet that comes from whoever it asked (inject.h).
 */
#include "gate/inside/inside.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif

#define DATAGRAMS_A_TURN 256

/* ---- the table ---------------------------------------------------------------------------- */

static size_t slot_of(const struct inside *in, const struct addr *src, const struct addr *dst)
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < 16; i++)
		h = ((h ^ src->ip[i]) * 16777619u ^ dst->ip[i]) * 16777619u;
	h = ((h ^ src->port) * 16777619u ^ dst->port) * 16777619u;
	return (h ^ h >> 15) % ARRAY_SIZE(in->udp_hash);
}

/* @like: of its kind */
static bool same_kind(const struct flow *f, const struct flow *like)
{
	return f->icmp == like->icmp && f->other == like->other && f->facts.tcp == like->facts.tcp;
}

static struct flow *find_like(const struct inside *in, const struct flow *like,
			      const struct addr *src, const struct addr *dst)
{
	struct flow *f = in->udp_hash[slot_of(in, src, dst)];

	while (f && (!same_kind(f, like) || f->facts.src.port != src->port ||
		     f->facts.dst.port != dst->port || !addr_same_ip(&f->facts.src, src) ||
		     !addr_same_ip(&f->facts.dst, dst)))
		f = f->hash_next;
	return f;
}

static struct flow *find(const struct inside *in, bool icmp, const struct addr *src,
			 const struct addr *dst)
{
	struct flow like = { .icmp = icmp };

	return find_like(in, &like, src, dst);
}

static void enter(struct inside *in, struct flow *f)
{
	struct flow **at = &in->udp_hash[slot_of(in, &f->facts.src, &f->facts.dst)];

	f->hash_next = *at;
	*at = f;
}

void udp_forget(struct inside *in, struct flow *f)
{
	struct flow **at = &in->udp_hash[slot_of(in, &f->facts.src, &f->facts.dst)];

	while (*at && *at != f)
		at = &(*at)->hash_next;
	if (*at)
		*at = f->hash_next;
}

/* ---- to the program ----------------------------------------------------------------------- */

void udp_reply(struct inside *in, struct flow *f, const void *p, size_t n)
{
	if (f->ended || !flow_saw(in, f, DIR_IN, p, n))
		return;
	inside_inject(in, inject_udp(in->frame, &f->facts.dst, &f->facts.src, p, n));
}

void udp_unreachable(struct inside *in, const struct flow *f)
{
	if (!f->icmp)
		inside_inject(in, inject_unreachable(in->frame, &f->facts.src, &f->facts.dst, 8));
}

/* ---- to the peer -------------------------------------------------------------------------- */

static void send_on(struct inside *in, struct flow *f, const void *p, size_t n)
{
	if (send(f->server.src.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return;
	/* a full buffer loses a datagram, as any network may */
	if (errno == ECONNREFUSED && !f->port_gone) {
		f->port_gone = true;
		udp_unreachable(in, f);
	}
}

static void hold(struct flow *f, const void *p, size_t n)
{
	struct datagram *d;

	if (f->nheld >= UDP_HELD_MAX)
		return;
	d = xmalloc(sizeof(*d) + n);
	d->next = NULL;
	d->n = n;
	memcpy(d->bytes, p, n);
	*f->held_end = d;
	f->held_end = &d->next;
	f->nheld++;
}

static void release(struct inside *in, struct flow *f)
{
	struct datagram *d;

	if (f->server.src.fd < 0 || f->step != STEP_PASS)
		return;
	while ((d = f->held)) {
		f->held = d->next;
		send_on(in, f, d->bytes, d->n);
		free(d);
	}
	f->held_end = &f->held;
	f->nheld = 0;
}

/* QUIC says its name in the first packets; they wait until it is known and allowed. */
static void first_datagrams(struct inside *in, struct flow *f, const void *p, size_t n)
{
	struct judged j = { 0 };
	int rc = hello_read_quic(&f->quic, p, n, &f->hello);

	if (rc == 0 && f->nheld < UDP_HELD_MAX)
		return;
	if (rc == 1) {
		j = policy_inner_name(in->policy, f->facts.name, f->hello.sni, f->facts.dst.port,
				      "SNI");
		if (j.verdict != VERDICT_ALLOW ||
		    policy_encrypted_dns(in->policy, f->hello.sni, f->facts.dst.port, f->hello.alpn,
					 f->hello.ech, j.reason)) {
			flow_refuse(in, f, j.reason);
			return;
		}
	}
	f->step = STEP_PASS;
	release(in, f);
}

void udp_dialed(struct inside *in, struct flow *f, int fd)
{
	f->server.src.fd = fd;
	if (inside_watch(in, &f->server.src, EPOLLIN | EPOLLET)) {
		flow_dial_failed(in, f, ENFILE, NULL);
		return;
	}
	queue_drop(&f->wait);
	release(in, f);
}

void udp_event(struct inside *in, struct source *s, uint32_t events)
{
	struct flow *f = s->flow;

	for (int i = 0; i < 4096 && !f->ended; i++) {
		ssize_t k = recv(s->fd, in->scratch, 65536, MSG_DONTWAIT);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == ECONNREFUSED) {
			if (!f->port_gone)
				udp_unreachable(in, f);
			f->port_gone = true;
			continue;
		}
		if (k < 0)
			return;
		queue_put(&in->udp_idle, f, &f->idle, in->now + UDP_IDLE_NS);
		udp_reply(in, f, in->scratch, (size_t)k);
	}
	(void)events;
}

/* ---- from the program --------------------------------------------------------------------- */

static void to_sink(struct inside *in, struct flow *f, const void *p, size_t n)
{
	struct buf reply = { .limit = 65507 };
	int rc;

	if (in->silent)
		return;
	if (!f->sink)
		f->sink = sink_new(&in->sink_env, &f->facts);
	in->current = f;
	rc = sink_input(f->sink, p, n, &reply);
	in->current = NULL;
	if (reply.n)
		udp_reply(in, f, reply.p, reply.n);
	buf_free(&reply);
	if (rc && !f->ended)
		flow_end(in, f, "closed");
}

static void datagram(struct inside *in, struct flow *f, const void *p, size_t n)
{
	queue_put(&in->udp_idle, f, &f->idle, in->now + UDP_IDLE_NS);
	if (!flow_saw(in, f, DIR_OUT, p, n))
		return;
	switch (f->way) {
	case WAY_REFUSED:
		break;
	case WAY_NAMES:
		names_query(in, f, p, n);
		break;
	case WAY_SINK:
		to_sink(in, f, p, n);
		break;
	case WAY_PEER:
		if (f->server.src.fd >= 0 && f->step == STEP_PASS) {
			send_on(in, f, p, n);
			break;
		}
		hold(f, p, n);
		if (f->step == STEP_HELLO)
			first_datagrams(in, f, p, n);
		break;
	}
}

static struct flow *flow_of(struct inside *in, const struct addr *src, const struct addr *dst)
{
	struct flow *f = find(in, false, src, dst);
	uint32_t use = in->opts->uses ? atomic_load(&in->opts->uses->udp[src->v6][src->port]) : 0;

	if (f && f->use == use)
		return f;
	if (f) /* its socket is closed: the port belongs to another */
		flow_end(in, f, "closed");
	f = flow_begin(in, false, src, dst);
	if (!f)
		return NULL;
	f->use = use;
	enter(in, f);
	if (f->way == WAY_REFUSED) {
		flow_refuse(in, f, f->reason);
		return NULL;
	}
	if (f->way == WAY_PEER) {
		flow_dial(in, f, false);
		queue_put(&in->dialing, f, &f->wait, in->now + DIAL_NS);
	}
	return f;
}

void udp_arrived(struct inside *in, const struct addr *src, const struct addr *dst, const void *p,
		 size_t n)
{
	struct flow *f = flow_of(in, src, dst);

	if (f)
		datagram(in, f, p, n);
}

/** struct received - one datagram in in->scratch, and what came with it */
struct received {
	struct addr src;
	size_t n;
	struct msghdr m;
	struct sockaddr_storage from;
	struct iovec iov;
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
};

static bool receive(struct inside *in, int fd, struct received *r)
{
	ssize_t k;

	r->iov = (struct iovec){ in->scratch, 65536 };
	r->from = (struct sockaddr_storage){ 0 };
	do {
		r->m = (struct msghdr){ .msg_name = &r->from,
					.msg_namelen = sizeof(r->from),
					.msg_iov = &r->iov,
					.msg_iovlen = 1,
					.msg_control = r->control.bytes,
					.msg_controllen = sizeof(r->control) };
		k = recvmsg(fd, &r->m, MSG_DONTWAIT);
	} while (k < 0 && errno == EINTR);
	if (k < 0)
		return false;
	r->n = (size_t)k;
	addr_from_sockaddr(&r->src, &r->from);
	return true;
}

static bool original(struct msghdr *m, struct addr *dst)
{
	struct sockaddr_storage ss = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR)
			memcpy(&ss, CMSG_DATA(c), sizeof(struct sockaddr_in));
		else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR)
			memcpy(&ss, CMSG_DATA(c), sizeof(struct sockaddr_in6));
		else
			continue;
		addr_from_sockaddr(dst, &ss);
		return true;
	}
	return false;
}

void udp_receive(struct inside *in, struct source *s)
{
	struct received r;

	for (int i = 0; i < DATAGRAMS_A_TURN && receive(in, s->fd, &r); i++) {
		struct addr dst;

		if (!original(&r.m, &dst))
			continue;
		udp_arrived(in, &r.src, &dst, in->scratch, r.n);
	}
}

/* ---- what goes to nobody ------------------------------------------------------------------ */

struct flow *flow_astray(struct inside *in, bool tcp, bool other, const struct addr *src,
			 const struct addr *dst, const char *why)
{
	const struct flow like = { .facts.tcp = tcp, .other = other };
	struct flow *f = find_like(in, &like, src, dst);

	if (!f) {
		f = flow_begin_astray(in, tcp, other, src, dst, why);
		if (!f)
			return NULL;
		enter(in, f);
	}
	queue_put(&in->udp_idle, f, &f->idle, in->now + UDP_IDLE_NS);
	return f;
}

/* ---- pings -------------------------------------------------------------------------------- */

/* Echo requests to anybody are answered here, and are a flow: nobody outside is asked. */
void ping_arrived(struct inside *in, struct addr *src, struct addr *dst, const uint8_t *p, size_t n)
{
	struct flow *f;

	src->port = dst->port = (uint16_t)(p[4] << 8 | p[5]);
	f = find(in, true, src, dst);
	if (!f) {
		f = flow_begin_ping(in, src, dst);
		if (!f)
			return;
		enter(in, f);
	}
	queue_put(&in->udp_idle, f, &f->idle, in->now + UDP_IDLE_NS);
	if (!flow_saw(in, f, DIR_OUT, p + 8, n - 8))
		return;
	inside_inject(in, inject_pong(in->frame, src, dst, p, n));
	flow_saw(in, f, DIR_IN, p + 8, n - 8);
}

static bool ping4(const uint8_t *p, size_t n, struct addr *dst, const uint8_t **ret, size_t *ret_n)
{
	size_t head = (size_t)(p[0] & 15) * 4;

	if (n < 20 || head < 20 || n < head + 8 || p[head] != ICMP_ECHO)
		return false;
	memcpy(dst->ip, p + 16, 4);
	*ret = p + head;
	*ret_n = n - head;
	return true;
}

static bool ping6(struct msghdr *m, const uint8_t *p, size_t n, struct addr *dst)
{
	struct in6_pktinfo info;

	if (n < 8 || p[0] != ICMP6_ECHO_REQUEST)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_IPV6 || c->cmsg_type != IPV6_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(dst->ip, &info.ipi6_addr, 16);
		dst->v6 = true;
		return true;
	}
	return false;
}

void ping_receive(struct inside *in, struct source *s)
{
	struct received r;

	for (int i = 0; i < DATAGRAMS_A_TURN && receive(in, s->fd, &r); i++) {
		const uint8_t *icmp = in->scratch;
		struct addr dst = { 0 };
		size_t n = r.n;

		if (r.src.v6 ? ping6(&r.m, in->scratch, n, &dst)
			     : ping4(in->scratch, n, &dst, &icmp, &n))
			ping_arrived(in, &r.src, &dst, icmp, n);
	}
}
