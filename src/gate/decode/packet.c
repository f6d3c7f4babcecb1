// SPDX-License-Identifier: Apache-2.0
/*
 * packet.c - link layers, IPv4, IPv6 and its extension headers
 */
#include "gate/decode/packet.h"
#include "gate/decode/be.h"

#define TAGS_MAX       4  /* VLAN tags */
#define EXTENSIONS_MAX 12 /* IPv6 extension headers */

enum { ETHER_IPV4 = 0x0800, ETHER_IPV6 = 0x86dd };

static int read_ipv4(const uint8_t *p, size_t n, struct packet *ret)
{
	size_t head, full;
	uint16_t fragment;

	if (n < 20 || p[0] >> 4 != 4)
		return -EBADMSG;
	head = (p[0] & 15) * 4u;
	full = be16(p + 2);
	if (!full) /* left to the network card (TSO) */
		full = n;
	if (head < 20 || head > n || full < head)
		return -EBADMSG;
	ret->src.v6 = ret->dst.v6 = false;
	memcpy(ret->src.ip, p + 12, 4);
	memcpy(ret->dst.ip, p + 16, 4);
	ret->protocol = p[9];
	ret->p = p + head;
	ret->full_n = full - head;
	ret->n = n - head < ret->full_n ? n - head : ret->full_n;
	fragment = be16(p + 6);
	ret->more = fragment & 0x2000;
	ret->fragment_at = (fragment & 0x1fffu) * 8u;
	ret->fragment = ret->more || ret->fragment_at;
	ret->fragment_id = be16(p + 4);
	return 0;
}

/* Is this header one of those that stand between IPv6 and what it carries? */
static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 ||
	       protocol == 60 || protocol == 135 || protocol == 139 || protocol == 140;
}

int packet_extensions(struct packet *k)
{
	for (int i = 0; is_extension(k->protocol); i++) {
		uint8_t type = k->protocol;
		size_t head;

		if (i == EXTENSIONS_MAX || k->n < 8)
			return -EBADMSG;
		if (type == 44) {
			uint16_t at = be16(k->p + 2);

			k->more = at & 1;
			k->fragment_at = at & 0xfff8u;
			k->fragment = k->more || k->fragment_at;
			k->fragment_id = be32(k->p + 4);
			head = 8;
		} else {
			head = type == 51 ? (k->p[1] + 2u) * 4 : (k->p[1] + 1u) * 8;
		}
		if (head > k->n)
			return -EBADMSG;
		k->protocol = k->p[0];
		k->p += head;
		k->n -= head;
		k->full_n -= head;
		if (k->fragment) /* what follows is a part, to be read when it is whole */
			return 0;
	}
	return 0;
}

static int read_ipv6(const uint8_t *p, size_t n, struct packet *ret)
{
	if (n < 40 || p[0] >> 4 != 6)
		return -EBADMSG;
	ret->src.v6 = ret->dst.v6 = true;
	memcpy(ret->src.ip, p + 8, 16);
	memcpy(ret->dst.ip, p + 24, 16);
	ret->protocol = p[6];
	ret->p = p + 40;
	ret->full_n = be16(p + 4);
	if (!ret->full_n) /* a jumbogram, or left to the network card */
		ret->full_n = n - 40;
	ret->n = n - 40 < ret->full_n ? n - 40 : ret->full_n;
	ret->fragment = ret->more = false;
	ret->fragment_at = 0;
	return packet_extensions(ret);
}

static int read_ip(const uint8_t *p, size_t n, struct packet *ret)
{
	if (!n)
		return -EBADMSG;
	return p[0] >> 4 == 6 ? read_ipv6(p, n, ret) : read_ipv4(p, n, ret);
}

/* behind the addresses of a frame: tags, then what it carries */
static int read_ethertype(uint16_t type, const uint8_t *p, size_t n, struct packet *ret)
{
	for (int i = 0; i < TAGS_MAX && (type == 0x8100 || type == 0x88a8 || type == 0x9100); i++) {
		if (n < 4)
			return -EBADMSG;
		type = be16(p + 2);
		p += 4;
		n -= 4;
	}
	if (type == 0x8864) { /* PPPoE (RFC 2516): IP behind eight bytes */
		if (n < 8)
			return -EBADMSG;
		type = be16(p + 6) == 0x21 ? ETHER_IPV4 : be16(p + 6) == 0x57 ? ETHER_IPV6 : 0;
		p += 8;
		n -= 8;
	}
	if (type == ETHER_IPV4)
		return read_ipv4(p, n, ret);
	if (type == ETHER_IPV6)
		return read_ipv6(p, n, ret);
	return -EPROTONOSUPPORT;
}

/* BSD loopback: the address family in four bytes, in the order of the machine that captured; those
 * of IPv6 differ between systems */
static int read_family(const uint8_t *p, size_t n, struct packet *ret)
{
	uint32_t family;

	if (n < 4)
		return -EBADMSG;
	family = be32(p);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	if (family == 2)
		return read_ipv4(p + 4, n - 4, ret);
	if (family == 10 || family == 24 || family == 28 || family == 30)
		return read_ipv6(p + 4, n - 4, ret);
	return -EPROTONOSUPPORT;
}

int packet_read(uint16_t link, const uint8_t *p, size_t n, struct packet *ret)
{
	switch (link) {
	case LINK_ETHERNET:
		return n < 14 ? -EBADMSG : read_ethertype(be16(p + 12), p + 14, n - 14, ret);
	case LINK_RAW:
	case 12: /* as some systems number it */
	case 14:
	case LINK_IPV4:
	case LINK_IPV6:
		return read_ip(p, n, ret);
	case LINK_NULL:
	case LINK_LOOP:
		return read_family(p, n, ret);
	case LINK_SLL:
		return n < 16 ? -EBADMSG : read_ethertype(be16(p + 14), p + 16, n - 16, ret);
	case LINK_SLL2:
		return n < 20 ? -EBADMSG : read_ethertype(be16(p), p + 20, n - 20, ret);
	default:
		return -EPROTONOSUPPORT;
	}
}
