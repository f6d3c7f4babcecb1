// SPDX-License-Identifier: Apache-2.0
/*
 * net.c - the box's network: one ordinary interface, and every packet that leaves goes to the gate
 *
 * Theory of operation
 *
 * pid 1 does this in the box's own network namespace while it may (CAP_NET_ADMIN in the box's user
 * namespace; programs never have it, and nothing in the box can make a namespace that owns this
 * one). No program is run for it: rtnetlink(7) and nf_tables messages are written here, since the
 * two programs that write them elsewhere take longer than the rest of a box's start.
 *
 * `eth0` is there to be looked at: it has an address, a route, a resolver. Nothing ever leaves by
 * it. What programs send is marked in the output hook, the mark chooses a routing table in which
 * every address is local, and so the packet comes in again by `lo`, with its addresses as they
 * were. There TPROXY hands TCP and UDP to the sockets at GATE_PORT (Documentation/networking/
 * tproxy.rst), and everything else of the packet's kind that listens there, such as raw ICMP
 * sockets, sees it; the kernel answers nothing by itself, since the address is not really its own.
 * What the gate sends carries a mark of its own and goes its way. As nothing passes eth0, no kind
 * of interface needs to be able to do more than be there: the first kind that the kernel has will
 * do.
 *
 * A kernel without TPROXY, or without nf_tables, has no such way back. Then nothing is marked, what
 * leaves does leave by eth0, where nobody is, and the gate process reads it there with a packet
 * socket and ends TCP itself, with libslirp (gate/inside/frames.c). For that the interface asks
 * nobody for link addresses, and its packets are cut to size and not left to a card that could.
 *
 * Invariant: a packet that is for no address of the box meets the gate, or nobody.
 */
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "box/net.h"
#include "box/netlink.h"

#define NET_TABLE      100u   /* routing table in which everything is local */
#define NET_CONGESTION "reno" /* every kernel has it */

/* ---- the interface ------------------------------------------------------------------------ */

#define NEW (NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)

/* Kinds that need no hardware, the plainest first. */
static const char *const kinds[] = { "dummy", "ifb", "veth", "bridge" };

static int make_link(int sock, const char *kind, const uint8_t mac[6])
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_batch *b = xcalloc(1, sizeof(*b));
	uint32_t failed;
	size_t link, data, peer;
	int rc;

	nl_message(b, RTM_NEWLINK, NEW, &info, sizeof(info));
	nl_attr_z(b, IFLA_IFNAME, NET_INTERFACE);
	nl_attr(b, IFLA_ADDRESS, mac, 6);
	link = nl_nest(b, IFLA_LINKINFO);
	nl_attr_z(b, IFLA_INFO_KIND, kind);
	if (!strcmp(kind, "veth")) {
		data = nl_nest(b, IFLA_INFO_DATA);
		peer = nl_nest(b, VETH_INFO_PEER);
		nl_bytes(b, &info, sizeof(info));
		nl_attr_z(b, IFLA_IFNAME, NET_INTERFACE "p");
		nl_nest_end(b, peer);
		nl_nest_end(b, data);
	}
	nl_nest_end(b, link);
	rc = nl_talk(sock, b, b->seq, &failed);
	free(b);
	return rc;
}

static int make_interface(int sock, const uint8_t mac[6], struct err *err)
{
	int rc = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && rc; i++)
		rc = make_link(sock, kinds[i], mac);
	return rc ? wall_missing(err, rc,
				 "box: make a network interface (the kernel has none of the kinds "
				 "dummy, ifb, veth, bridge)")
		  : 0;
}

static void link_up(struct nl_batch *b, unsigned index)
{
	/* dummy and ifb begin without ARP, which no card of this century does */
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
				  .ifi_index = (int)index,
				  .ifi_flags = IFF_UP | IFF_MULTICAST,
				  .ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST };

	nl_message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	nl_attr_u32(b, IFLA_TXQLEN, 1000);
}

static void address(struct nl_batch *b, unsigned index, int family, const char *text, uint8_t bits)
{
	struct ifaddrmsg info = { .ifa_family = (uint8_t)family,
				  .ifa_prefixlen = bits,
				  .ifa_scope = RT_SCOPE_UNIVERSE,
				  .ifa_index = index };
	size_t n = family == AF_INET ? 4 : 16;
	uint8_t ip[16], cast[4];

	inet_pton(family, text, ip);
	nl_message(b, RTM_NEWADDR, NEW, &info, sizeof(info));
	nl_attr(b, IFA_LOCAL, ip, n);
	nl_attr(b, IFA_ADDRESS, ip, n);
	if (family == AF_INET) {
		memcpy(cast, ip, 3);
		cast[3] = 255;
		nl_attr(b, IFA_BROADCAST, cast, 4);
	} else {
		nl_attr_u32(b, IFA_FLAGS, IFA_F_NODAD); /* usable at once: nobody else is there */
	}
}

static void route(struct nl_batch *b, unsigned index, int family, const char *gateway)
{
	struct rtmsg r = { .rtm_family = (uint8_t)family,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_UNIVERSE,
			   .rtm_type = RTN_UNICAST };
	uint8_t ip[16];

	inet_pton(family, gateway, ip);
	nl_message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	nl_attr(b, RTA_GATEWAY, ip, family == AF_INET ? 4 : 16);
	nl_attr_u32(b, RTA_OIF, index);
}

/* Our own IPv6 address is there at once, the kernel's route to it when a worker comes to it: until
 * then what is sent to it would leave by the interface. */
static void own_route(struct nl_batch *b, unsigned index)
{
	struct rtmsg r = { .rtm_family = AF_INET6,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL,
			   .rtm_dst_len = 128 };
	uint8_t ip[16];

	inet_pton(AF_INET6, NET_ADDRESS6, ip);
	nl_message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	nl_attr(b, RTA_DST, ip, sizeof(ip));
	nl_attr_u32(b, RTA_OIF, index);
}

static void local_route(struct nl_batch *b, unsigned index, int family, uint32_t metric)
{
	struct rtmsg r = { .rtm_family = (uint8_t)family,
			   .rtm_table = NET_TABLE,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL };

	nl_message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	nl_attr_u32(b, RTA_OIF, index);
	nl_attr_u32(b, RTA_PRIORITY, metric);
}

/* Marked packets: every address is ours. The second route is for sockets that are bound to the
 * interface, and for addresses that hold on one link alone: the kernel asks for it by name then. */
static void all_local(struct nl_batch *b, unsigned index, int family)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)family,
				     .table = NET_TABLE,
				     .action = FR_ACT_TO_TBL };

	nl_message(b, RTM_NEWRULE, NEW, &rule, sizeof(rule));
	nl_attr_u32(b, FRA_FWMARK, NET_MARK_OUT);
	nl_attr_u32(b, FRA_TABLE, NET_TABLE);
	local_route(b, if_nametoindex("lo"), family, 10);
	local_route(b, index, family, 20);
}

bool net_has_ipv6(void)
{
	cleanup_close int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sock >= 0;
}

/* Between a program and the gate nothing is lost and nothing is far. Congestion controls that pace,
 * as the host's may be, wake up for each packet there, and move half as much. */
static void plain_congestion(void)
{
	cleanup_close int fd =
		open("/proc/sys/net/ipv4/tcp_congestion_control", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, NET_CONGESTION, strlen(NET_CONGESTION));
}

int net_interface(const uint8_t mac[6], struct err *err)
{
	cleanup_close int sock = nl_open(NETLINK_ROUTE);
	struct nl_batch *b;
	uint32_t failed;
	unsigned index;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to the kernel about the network");
	rc = make_interface(sock, mac, err);
	if (rc)
		return rc;
	plain_congestion();
	index = if_nametoindex(NET_INTERFACE);
	b = xcalloc(1, sizeof(*b));
	link_up(b, index);
	address(b, index, AF_INET, NET_ADDRESS, NET_BITS);
	route(b, index, AF_INET, NET_GATEWAY);
	if (net_has_ipv6()) {
		address(b, index, AF_INET6, NET_ADDRESS6, NET_BITS6);
		own_route(b, index);
		route(b, index, AF_INET6, NET_GATEWAY6);
	}
	rc = nl_talk(sock, b, b->seq, &failed);
	free(b);
	return rc ? wall_missing(err, rc, "box: set the network up (step %u)", failed) : 0;
}

static int back_by_loopback(struct err *err)
{
	cleanup_close int sock = nl_open(NETLINK_ROUTE);
	unsigned index = if_nametoindex(NET_INTERFACE);
	struct nl_batch *b;
	uint32_t failed;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to the kernel about the network");
	b = xcalloc(1, sizeof(*b));
	all_local(b, index, AF_INET);
	if (net_has_ipv6())
		all_local(b, index, AF_INET6);
	rc = nl_talk(sock, b, b->seq, &failed);
	free(b);
	return rc ? wall_missing(err, rc, "box: make rules of routing (step %u)", failed) : 0;
}

int net_redirect(struct err *err)
{
	int rc = net_rules(err);

	return rc ? rc : back_by_loopback(err);
}

/* Nobody is asked for link addresses: nobody is there who could answer. Each packet is one, of a
 * size that a card would send. The other end of a veth needs to be up, or nothing leaves. */
int net_read_out(struct err *err)
{
	cleanup_close int sock = nl_open(NETLINK_ROUTE);
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
				  .ifi_index = (int)if_nametoindex(NET_INTERFACE),
				  .ifi_flags = IFF_NOARP,
				  .ifi_change = IFF_NOARP };
	int peer = (int)if_nametoindex(NET_INTERFACE "p");
	struct nl_batch *b;
	uint32_t failed;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to the kernel about the network");
	b = xcalloc(1, sizeof(*b));
	nl_message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	nl_attr_u32(b, IFLA_GSO_MAX_SEGS, 1);
	if (peer) {
		info.ifi_index = peer;
		info.ifi_flags = info.ifi_change = IFF_UP;
		nl_message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	}
	rc = nl_talk(sock, b, b->seq, &failed);
	free(b);
	return rc ? wall_missing(err, rc, "box: set the interface up for libslirp (step %u)",
				 failed)
		  : 0;
}

/* ---- steps of the plan -------------------------------------------------------------------- */

static bool mac_parse(const char *text, uint8_t mac[6])
{
	unsigned v[6];
	int n = 0;

	if (strlen(text) != 17 || strspn(text, "0123456789abcdef:") != 17 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &n) != 6 ||
	    n != 17)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return !(mac[0] & 1);
}

int do_interface(struct setup *s UNUSED, const struct step *st, struct err *err)
{
	uint8_t mac[6];

	if (!mac_parse(st->value, mac))
		return err_set(err, EINVAL, "box: '%s' is no address of a network card", st->value);
	return net_interface(mac, err);
}

int do_redirect(struct setup *s, const struct step *st UNUSED, struct err *err)
{
	struct err not_there = { 0 };
	int rc = -EOPNOTSUPP;

	s->net_by = s->plan->net_by;
	if (s->net_by != BOX_NET_BY_SLIRP)
		rc = net_redirect(s->net_by == BOX_NET_BY_TPROXY ? err : &not_there);
	if (!rc || s->net_by == BOX_NET_BY_TPROXY) {
		s->net_by = BOX_NET_BY_TPROXY;
		return rc;
	}
	s->net_by = BOX_NET_BY_SLIRP;
	return net_read_out(err);
}
