// SPDX-License-Identifier: Apache-2.0
/*
 * astray.c - packets that go out by the interface: to groups, to everybody
 *
 * Theory of operation
 *
 * What is sent to somebody comes back by `lo` and is delivered to the gate (box/net.c). The kernel
 * sends datagrams to a multicast group or a broadcast address by the interface itself, whatever a
 * mark says, and there nobody is. A packet socket on the interface sees them. They become flows
 * like others, so that it is on record who looked for whom (service discovery, name service by
 * multicast, DHCP); nobody answers, as in a network in which the box is alone.
 *
 * The filter leaves out what the box's kernel says by itself (ARP, neighbours, group membership)
 * and the gate's own packets, which carry its mark.
 */
#include "gate/decode/packet.h"
#include "gate/inside/inside.h"
#include "gate/inside/packet_filter.h"

#include <net/if.h>

#define PACKETS_A_TURN 256

static int filter(int s)
{
	static struct sock_filter code[] = {
		LOAD(BPF_B, AUX(SKF_AD_PKTTYPE)),
		IF_EQUAL(PACKET_OUTGOING, 0, 11),
		LOAD(BPF_W, AUX(SKF_AD_MARK)),
		IF_EQUAL(GATE_MARK, 9, 0),
		LOAD(BPF_W, AUX(SKF_AD_PROTOCOL)),
		IF_EQUAL(ETH_P_IPV6, 3, 0),
		IF_EQUAL(ETH_P_IP, 0, 6),
		LOAD(BPF_B, IP(9)),
		IF_EQUAL(IPPROTO_IGMP, 4, 3),
		LOAD(BPF_B, IP(6)),
		IF_EQUAL(IPPROTO_HOPOPTS, 2, 0),
		IF_EQUAL(IPPROTO_ICMPV6, 1, 0),
		SEEN,
		UNSEEN,
	};

	return packet_filter(s, code, ARRAY_SIZE(code));
}

int astray_open(const char *interface, struct err *err)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	/* of no protocol until the filter stands and the interface is chosen */
	int s = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (s >= 0 && !filter(s) && !bind(s, (struct sockaddr *)&at, sizeof(at)))
		return s;
	rc = err_set_exit(err, EXIT_NO_WALL, errno, "gate: watch the box's interface");
	if (s >= 0)
		close(s);
	return rc;
}

static const char *why(const struct addr *dst)
{
	if (dst->v6 ? dst->ip[0] == 0xff : dst->ip[0] >> 4 == 0xe)
		return "to a group (multicast): nobody else is in the box's network";
	if (!dst->v6 && dst->ip[3] == 255)
		return "to everybody (broadcast): nobody else is in the box's network";
	return "it went out by the box's interface, behind which nobody is";
}

void astray_packet(struct inside *in, const struct packet *k)
{
	struct addr src = k->src, dst = k->dst;
	bool tcp = k->protocol == IPPROTO_TCP, udp = k->protocol == IPPROTO_UDP;
	size_t head = k->fragment ? 0 : tcp ? 20 : udp ? 8 : 0;
	struct flow *f;

	src.port = dst.port = 0;
	if (head && k->n < head)
		return;
	if (head) {
		src.port = (uint16_t)(k->p[0] << 8 | k->p[1]);
		dst.port = (uint16_t)(k->p[2] << 8 | k->p[3]);
	}
	f = flow_astray(in, head && tcp, !head, &src, &dst, why(&dst));
	/* of a segment nothing is told but that it was there: its stream has no other side */
	if (f)
		flow_saw(in, f, DIR_OUT, k->p + head, tcp ? 0 : k->n - head);
}

void astray_receive(struct inside *in, struct source *s)
{
	for (int i = 0; i < PACKETS_A_TURN; i++) {
		ssize_t k = recv(s->fd, in->scratch, sizeof(in->scratch), MSG_DONTWAIT);
		struct packet p;

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return;
		if (!packet_read(LINK_RAW, in->scratch, (size_t)k, &p))
			astray_packet(in, &p);
	}
}
