// SPDX-License-Identifier: Apache-2.0
/*
 * inject.c - frames for lo: UDP, ICMP unreachable, echo replies
 */
#include "gate/inside/inject.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define TTL 64

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (; n > 1; p += 2, n -= 2)
		s += (uint32_t)(p[0] << 8 | p[1]);
	if (n)
		s += (uint32_t)(p[0] << 8);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static uint16_t folded(uint32_t s)
{
	return (uint16_t)~s;
}

/* Over both addresses, protocol and length: the same bytes in other places for both families. */
static uint32_t pseudo(const struct addr *from, const struct addr *to, uint8_t protocol, size_t n)
{
	size_t k = from->v6 ? 16 : 4;

	return sum(to->ip, k, sum(from->ip, k, protocol + (uint32_t)n));
}

/* Ethernet and IP heads; where the payload goes. */
static uint8_t *heads(uint8_t *out, const struct addr *from, const struct addr *to,
		      uint8_t protocol, size_t n)
{
	uint8_t *ip = out + 14;

	memset(out, 0, 14);
	put16(out + 12, from->v6 ? 0x86dd : 0x0800);
	if (from->v6) {
		memset(ip, 0, 8);
		ip[0] = 0x60;
		put16(ip + 4, n);
		ip[6] = protocol;
		ip[7] = TTL;
		memcpy(ip + 8, from->ip, 16);
		memcpy(ip + 24, to->ip, 16);
		return ip + 40;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, n + 20);
	ip[6] = 0x40; /* don't fragment */
	ip[8] = TTL;
	ip[9] = protocol;
	memcpy(ip + 12, from->ip, 4);
	memcpy(ip + 16, to->ip, 4);
	put16(ip + 10, folded(sum(ip, 20, 0)));
	return ip + 20;
}

static void udp_head(uint8_t *u, const struct addr *from, const struct addr *to, size_t n)
{
	put16(u, from->port);
	put16(u + 2, to->port);
	put16(u + 4, n + 8);
	put16(u + 6, 0);
}

size_t inject_udp(uint8_t *out, const struct addr *from, const struct addr *to, const void *p,
		  size_t n)
{
	uint8_t *u;
	uint16_t check;

	if (from->v6 != to->v6 || n > 65507)
		return 0;
	u = heads(out, from, to, IPPROTO_UDP, n + 8);
	udp_head(u, from, to, n);
	memcpy(u + 8, p, n);
	check = folded(sum(u, n + 8, pseudo(from, to, IPPROTO_UDP, n + 8)));
	put16(u + 6, check ? check : 0xffff);
	return (size_t)(u + 8 + n - out);
}

size_t inject_unreachable(uint8_t *out, const struct addr *src, const struct addr *dst, size_t n)
{
	uint8_t inner[14 + 40 + 8], *u, *icmp;
	size_t head;

	if (src->v6 != dst->v6 || n > 65507)
		return 0;
	u = heads(inner, src, dst, IPPROTO_UDP, n + 8);
	udp_head(u, src, dst, n);
	head = (size_t)(u + 8 - (inner + 14));
	icmp = heads(out, dst, src, src->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 8 + head);
	memset(icmp, 0, 8);
	icmp[0] = src->v6 ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH;
	icmp[1] = src->v6 ? ICMP6_DST_UNREACH_NOPORT : ICMP_PORT_UNREACH;
	memcpy(icmp + 8, inner + 14, head);
	put16(icmp + 2, folded(sum(icmp, 8 + head,
				   src->v6 ? pseudo(dst, src, IPPROTO_ICMPV6, 8 + head) : 0)));
	return (size_t)(icmp + 8 + head - out);
}

void inject_tcp_sum(const struct addr *src, const struct addr *dst, uint8_t *tcp, size_t n)
{
	put16(tcp + 16, 0);
	put16(tcp + 16, folded(sum(tcp, n, pseudo(src, dst, IPPROTO_TCP, n))));
}

size_t inject_pong(uint8_t *out, const struct addr *src, const struct addr *dst, const void *p,
		   size_t n)
{
	uint8_t *icmp;

	if (src->v6 != dst->v6 || n < 8 || n > 65507)
		return 0;
	icmp = heads(out, dst, src, src->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, n);
	memcpy(icmp, p, n);
	icmp[0] = src->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	put16(icmp + 2, 0);
	put16(icmp + 2, folded(sum(icmp, n, src->v6 ? pseudo(dst, src, IPPROTO_ICMPV6, n) : 0)));
	return (size_t)(icmp + n - out);
}
