// SPDX-License-Identifier: Apache-2.0
/*
 * flowtab.c - which process talks from which port
 *
 * Theory of operation
 *
 * The gate sees a flow's addresses and not its process; when it looks, a short-lived client is gone
 * already. But every flow begins with a call that is held (connect, sendto, sendmsg, sendmmsg).
 * While it is, we take a copy of the socket and, when it has no port yet, bind it to a free one, as
 * the kernel would a moment later; then the port is the caller's. Sockets that only pass to another
 * process keep their port: whoever names a peer last is its owner.
 *
 * Ports are used again, and the gate may be late, so a port keeps its last HISTORY owners with the
 * time since when. A datagram socket's port may be used again at once, by a socket that has nothing
 * to do with the first: each time another socket (by its cookie, socket(7)) talks from a port, the
 * port's count of uses goes up, where the gate sees it before the first datagram.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "capture/recorder.h"

#define HISTORY 4
#define PORTS	65536

struct owner {
	uint64_t since; /* CLOCK_MONOTONIC */
	uint32_t proc;
};

struct flowtab {
	pthread_mutex_t lock;
	struct owner of[3][2][PORTS][HISTORY]; /* newest first; protocol, ip6 */
	uint64_t cookie[2][PORTS];	       /* of the UDP socket that talked last; ip6 */
	struct port_uses *uses;		       /* borrowed, NULL: nobody looks */
};

struct flowtab *flowtab_new(struct port_uses *uses)
{
	struct flowtab *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->uses = uses;
	return t;
}

void flowtab_free(struct flowtab *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int row(int protocol)
{
	return protocol == IPPROTO_TCP ? 0 : protocol == IPPROTO_UDP ? 1 : 2;
}

void flowtab_put(struct flowtab *t, int protocol, bool ip6, uint16_t port, uint32_t proc,
		 uint64_t at)
{
	struct owner *o = t->of[row(protocol)][ip6][port];

	pthread_mutex_lock(&t->lock);
	if (o->proc != proc) {
		memmove(o + 1, o, (HISTORY - 1) * sizeof(*o));
		*o = (struct owner){ at, proc };
	}
	pthread_mutex_unlock(&t->lock);
}

uint32_t flowtab_get(struct flowtab *t, int protocol, bool ip6, uint16_t port, uint64_t at)
{
	const struct owner *o = t->of[row(protocol)][ip6][port];
	uint32_t proc = 0;

	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < HISTORY && o[i].proc; i++) {
		proc = o[i].proc;
		if (o[i].since <= at)
			break;
	}
	pthread_mutex_unlock(&t->lock);
	return proc;
}

uint32_t recorder_flow_owner(struct recorder *rec, int protocol, bool ip6, uint16_t port,
			     uint64_t at)
{
	return rec->flows ? flowtab_get(rec->flows, protocol, ip6, port, at) : 0;
}

static void count_use(struct flowtab *t, bool ip6, uint16_t port, int fd)
{
	uint64_t cookie = 0;
	socklen_t n = sizeof(cookie);

	if (!t->uses || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n))
		return;
	pthread_mutex_lock(&t->lock);
	if (t->cookie[ip6][port] != cookie) {
		t->cookie[ip6][port] = cookie;
		atomic_fetch_add(&t->uses->udp[ip6][port], 1);
	}
	pthread_mutex_unlock(&t->lock);
}

static uint16_t *port_of(struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET ? &((struct sockaddr_in *)(void *)ss)->sin_port
					: &((struct sockaddr_in6 *)(void *)ss)->sin6_port;
}

/* The socket's port in host order, given to it now if it has none; 0: it cannot have one. */
static uint16_t port_now(int fd)
{
	struct sockaddr_storage me = { 0 };
	socklen_t n = sizeof(me);

	if (getsockname(fd, (struct sockaddr *)&me, &n) ||
	    (me.ss_family != AF_INET && me.ss_family != AF_INET6))
		return 0;
	if (!*port_of(&me)) {
		/* the same address, if it has chosen one */
		if (bind(fd, (struct sockaddr *)&me, n))
			return 0;
		n = sizeof(me);
		if (getsockname(fd, (struct sockaddr *)&me, &n))
			return 0;
	}
	return ntohs(*port_of(&me));
}

void flow_is_of(struct held *h, int fd, const struct sockaddr_storage *to)
{
	const struct sockaddr_in6 *in6 = (const void *)to;
	cleanup_close int copy = -1;
	bool ip6 = to->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
	int protocol = 0;
	socklen_t n = sizeof(protocol);
	uint16_t port;

	if (to->ss_family != AF_INET && to->ss_family != AF_INET6)
		return;
	copy = target_fd(h, fd);
	if (copy < 0 || getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &n))
		return;
	port = port_now(copy);
	if (!port)
		return;
	if (protocol == IPPROTO_MPTCP) /* on the wire it is TCP */
		protocol = IPPROTO_TCP;
	if (protocol == IPPROTO_ICMPV6)
		protocol = IPPROTO_ICMP;
	flowtab_put(h->rec->flows, protocol, ip6, port, h->proc,
		    clock_mono_ns() + box_clock_ahead(h->rec->clock));
	if (protocol == IPPROTO_UDP)
		count_use(h->rec->flows, ip6, port, copy);
}
