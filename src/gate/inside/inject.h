// SPDX-License-Identifier: Apache-2.0
/*
 * inject.h - packets that the gate puts into the box's network by itself
 *
 * Datagrams that seem to come from whoever the program asked, and ICMP. They are written as whole
 * frames, and what is behind the link's head goes to a raw socket that is connected to the box's
 * own address: so the gate process needs no call that names one (lockdown_gate()).
 */
#ifndef BELLJAR_GATE_INJECT_H
#define BELLJAR_GATE_INJECT_H

#include "gate/flow.h"

#define INJECT_HEAD (14 + 40 + 8)	  /* Ethernet, IPv6, UDP or ICMP */
#define INJECT_MAX  (INJECT_HEAD + 65507) /* payload of a datagram, at most */

/** inject_udp() - a datagram @from → @to. Return: its length in @out[INJECT_MAX], 0 too long */
size_t inject_udp(uint8_t *out, const struct addr *from, const struct addr *to, const void *p,
		  size_t n);
/** inject_unreachable() - ICMP: the port of @dst cannot be reached, for a datagram @src → @dst of
 * @n bytes of payload (RFC 792, RFC 4443 3.1) */
size_t inject_unreachable(uint8_t *out, const struct addr *src, const struct addr *dst, size_t n);
/** inject_tcp_sum() - write the sum of a TCP segment of @n bytes, at least 20 (RFC 9293 3.1) */
void inject_tcp_sum(const struct addr *src, const struct addr *dst, uint8_t *tcp, size_t n);
/** inject_pong() - the answer to an echo request @src → @dst. @p: the ICMP message that came */
size_t inject_pong(uint8_t *out, const struct addr *src, const struct addr *dst, const void *p,
		   size_t n);

#endif
