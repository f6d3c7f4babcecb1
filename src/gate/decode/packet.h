// SPDX-License-Identifier: Apache-2.0
/*
 * packet.h - from a frame to what TCP or UDP carries, fragments put together
 */
#ifndef BELLJAR_GATE_PACKET_H
#define BELLJAR_GATE_PACKET_H

#include "gate/flow.h"

/* LINKTYPE_ numbers (tcpdump.org, "Link-layer header types") */
enum {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276,
};

/** struct packet - an IP datagram; .p is its payload. Lost: .n is less than .full_n */
struct packet {
	struct addr src, dst; /* without ports */
	uint8_t protocol;     /* of the payload, behind all extension headers before a fragment */
	const uint8_t *p;
	size_t n, full_n; /* captured, and as the header says */
	bool fragment;	  /* .p is a part: */
	bool more;
	uint32_t fragment_id, fragment_at;
};

/** packet_read() - @link: of the capture. Return: 0; -EPROTONOSUPPORT no IP inside, or a link that
 * is not known; -EBADMSG what claims to be IP and is not */
int packet_read(uint16_t link, const uint8_t *p, size_t n, struct packet *ret);

/** packet_extensions() - pass the extension headers of IPv6 at the start of a payload, as they are
 * in a datagram that was put together. Return: 0 or -EBADMSG */
int packet_extensions(struct packet *k);

/* Fragments (RFC 791, 8200 4.5): at most DEFRAG_MAX datagrams of at most 64 KiB wait at once, the
 * oldest goes. Of bytes that come twice the first count. */
#define DEFRAG_MAX 128
struct defrag;
struct defrag *defrag_new(void);
/** defrag_add() - Return: true when the datagram is whole: @packet is it, until the next call */
bool defrag_add(struct defrag *d, struct packet *packet);
void defrag_free(struct defrag *d);

#endif
