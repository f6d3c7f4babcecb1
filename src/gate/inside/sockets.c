// SPDX-License-Identifier: Apache-2.0
/*
 * sockets.c - the sockets by which the gate process stands in the box's network, opened before the
 * lock-down
 */
#include "gate/inside/inside.h"

#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif
#ifndef ICMP_FILTER
#define ICMP_FILTER 1 /* linux/icmp.h, which netinet/ip_icmp.h does not go with */
#endif

int inside_watch(struct inside *in, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(in->ep, EPOLL_CTL_ADD, s->fd, &ev) ? -errno : 0;
}

static int transparent(int family, int type, struct err *err)
{
	struct addr at = { .port = GATE_PORT, .v6 = family == AF_INET6 };
	struct sockaddr_storage ss;
	uint32_t mark = GATE_MARK;
	int one = 1, big = 4 << 20;
	int s = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;
	socklen_t n;

	if (s < 0)
		return -errno;
	if (at.v6)
		at.ip[15] = 1;
	else
		memcpy(at.ip, "\x7f\0\0\1", 4);
	n = addr_to_sockaddr(&at, &ss);
	rc = at.v6 ? setsockopt(s, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IPV6, IPV6_RECVORIGDSTADDR, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one))
		   : setsockopt(s, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IP, IP_RECVORIGDSTADDR, &one, sizeof(one));
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &big, type == SOCK_DGRAM ? sizeof(big) : 0);
	if (type == SOCK_STREAM)
		rc = rc || setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (rc || setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    bind(s, (struct sockaddr *)&ss, n) || (type == SOCK_STREAM && listen(s, 4096))) {
		rc = err_set_exit(err, EXIT_NO_WALL, errno, "gate: listen in the box");
		close(s);
		return rc;
	}
	return s;
}

static int pings(int family)
{
	struct icmp6_filter only6;
	uint32_t only = ~(1u << ICMP_ECHO);
	int one = 1, s = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
				family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (s < 0)
		return -1;
	if (family == AF_INET) {
		setsockopt(s, SOL_RAW, ICMP_FILTER, &only, sizeof(only));
	} else {
		ICMP6_FILTER_SETBLOCKALL(&only6);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &only6);
		setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &only6, sizeof(only6));
		setsockopt(s, SOL_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	}
	return s;
}

/* The box's own address, as what it sends to everybody else has it. */
static int own_address(int family, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	struct addr at = { .v6 = family == AF_INET6, .port = 9 };
	cleanup_close int s = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(at.ip, at.v6 ? "\x20\x01\x0d\xb8" : "\xc0\0\2\1", 4);
	*ret_n = addr_to_sockaddr(&at, ret);
	if (s < 0 || connect(s, (struct sockaddr *)ret, *ret_n))
		return -errno;
	*ret_n = sizeof(*ret);
	return getsockname(s, (struct sockaddr *)ret, ret_n) ? -errno : 0;
}

/* Writes whole packets in the name of anybody, and reads nothing. They are routed as the box's own
 * kernel would: so they are for sockets that are bound to the interface as well. */
static int raw(int family, struct err *err)
{
	int s = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW), none = 0;
	struct sockaddr_storage own;
	uint32_t mark = GATE_MARK;
	socklen_t n = 0;
	int rc = s < 0 ? -errno : own_address(family, &own, &n);

	if (!rc && (setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
		    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &none, sizeof(none)) ||
		    connect(s, (struct sockaddr *)&own, n)))
		rc = -errno;
	if (!rc)
		return s;
	if (s >= 0)
		close(s);
	return err_set_exit(err, EXIT_NO_WALL, -rc, "gate: open a raw socket");
}

#define ETHER_HEAD 14

void inside_inject(struct inside *in, size_t n)
{
	/* a datagram may be lost, as in any network */
	if (n > ETHER_HEAD)
		(void)!send(in->raw[in->frame[ETHER_HEAD] >> 4 == 6], in->frame + ETHER_HEAD,
			    n - ETHER_HEAD, MSG_DONTWAIT);
}

/* What TPROXY delivers, and what it does not look at. */
static int listen_to(struct inside *in, int i, struct err *err)
{
	static const int family[] = { AF_INET, AF_INET6 };
	struct source *s[] = { &in->tcp[i], &in->udp[i], &in->ping[i] };

	*s[0] = (struct source){ SOURCE_TCP, transparent(family[i], SOCK_STREAM, err) };
	*s[1] = (struct source){ SOURCE_UDP, transparent(family[i], SOCK_DGRAM, err) };
	*s[2] = (struct source){ SOURCE_PING, pings(family[i]) };
	for (int k = 0; k < 3; k++) {
		if (s[k]->fd < 0)
			return err->code ? -err->code
					 : err_set_exit(err, EXIT_NO_WALL, errno,
							"gate: open sockets in the box");
		if (inside_watch(in, s[k], EPOLLIN))
			return err_set(err, errno, "gate: watch a socket");
	}
	return 0;
}

static bool has_family(int family)
{
	cleanup_close int s = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return s >= 0 || errno != EAFNOSUPPORT;
}

static int listen_astray(struct inside *in, struct err *err)
{
	in->astray = (struct source){ SOURCE_ASTRAY, astray_open("eth0", err) };
	if (in->astray.fd < 0)
		return in->astray.fd;
	return inside_watch(in, &in->astray, EPOLLIN) ? err_set(err, errno, "gate: watch a socket")
						      : 0;
}

int inside_open(struct inside *in, struct err *err)
{
	static const int family[] = { AF_INET, AF_INET6 };
	int rc = 0;

	in->frames_due = UINT64_MAX;
	in->ep = epoll_create1(EPOLL_CLOEXEC);
	if (in->ep < 0)
		return err_set(err, errno, "gate: epoll");
	for (int i = 0; i < 2 && !rc && has_family(family[i]); i++) {
		in->raw[i] = raw(family[i], err);
		rc = in->raw[i] < 0 ? in->raw[i] : in->frames ? 0 : listen_to(in, i, err);
	}
	if (!rc)
		rc = in->frames ? frames_open(in, err) : listen_astray(in, err);
	if (rc)
		return rc;
	in->desk_source = (struct source){ SOURCE_DESK, in->desk };
	return inside_watch(in, &in->desk_source, EPOLLIN) ? err_set(err, errno, "gate: epoll") : 0;
}
