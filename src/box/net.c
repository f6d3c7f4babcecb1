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
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "box/net.h"

#define NET_TABLE      100u /* routing table in which everything is local */
#define MARK_OUT       1u   /* what programs send */
#define NL_BATCH       8192
#define NET_CONGESTION "reno" /* every kernel has it */
#define NL_TIMEOUT_MS  10000
#define GATE_PRIORITY  (-150) /* NF_IP_PRI_MANGLE */

/* ---- netlink messages --------------------------------------------------------------------- */

/** struct batch - messages that are sent together; .bad when they do not fit */
struct batch {
	uint8_t bytes[NL_BATCH];
	size_t n;
	struct nlmsghdr *msg; /* the one that is being written */
	uint32_t seq;
	bool bad;
};

static void *take(struct batch *b, size_t n)
{
	uint8_t *p = b->bytes + b->n;

	if (NLMSG_ALIGN(n) > sizeof(b->bytes) - b->n) {
		b->bad = true;
		return NULL;
	}
	memset(p, 0, NLMSG_ALIGN(n));
	b->n += NLMSG_ALIGN(n);
	if (b->msg)
		b->msg->nlmsg_len = (uint32_t)(b->bytes + b->n - (uint8_t *)b->msg);
	return p;
}

static void message(struct batch *b, uint16_t type, uint16_t flags, const void *head, size_t n)
{
	void *p;

	b->msg = NULL;
	p = take(b, sizeof(struct nlmsghdr));
	if (!p)
		return;
	b->msg = p;
	*b->msg = (struct nlmsghdr){ .nlmsg_len = sizeof(struct nlmsghdr),
				     .nlmsg_type = type,
				     .nlmsg_flags = NLM_F_REQUEST | flags,
				     .nlmsg_seq = ++b->seq };
	p = take(b, n);
	if (p)
		memcpy(p, head, n);
}

static void attr(struct batch *b, uint16_t type, const void *value, size_t n)
{
	struct nlattr *a = take(b, NLA_HDRLEN + n);

	if (!a)
		return;
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	memcpy((uint8_t *)a + NLA_HDRLEN, value, n);
}

static void attr_z(struct batch *b, uint16_t type, const char *z)
{
	attr(b, type, z, strlen(z) + 1);
}

static void attr_u32(struct batch *b, uint16_t type, uint32_t v)
{
	attr(b, type, &v, sizeof(v));
}

static void attr_be32(struct batch *b, uint16_t type, uint32_t v)
{
	attr_u32(b, type, htonl(v));
}

static size_t nest(struct batch *b, uint16_t type)
{
	size_t at = b->n;

	attr(b, type | NLA_F_NESTED, "", 0);
	return at;
}

static void nest_end(struct batch *b, size_t at)
{
	struct nlattr *a = (struct nlattr *)(b->bytes + at);

	if (!b->bad)
		a->nla_len = (uint16_t)(b->n - at);
}

/* Until the last message is acknowledged; the first error, and the number of its message. */
static int hear(int sock, uint32_t last, uint32_t *ret_seq)
{
	uint8_t answer[NL_BATCH];
	int first = 0;

	for (;;) {
		ssize_t k = recv(sock, answer, sizeof(answer), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)answer;

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return first ? first : k < 0 ? -errno : -EIO;
		for (; NLMSG_OK(h, k); h = NLMSG_NEXT(h, k)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (e->error && !first) {
				first = e->error;
				*ret_seq = h->nlmsg_seq;
			}
			if (h->nlmsg_seq >= last)
				return first;
		}
	}
}

static int nl_open(int protocol)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct timeval limit = { .tv_sec = NL_TIMEOUT_MS / 1000 };

	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return sock;
}

/* Send all, wait for @last to be acknowledged. *ret_seq: which one failed. */
static int nl_talk(int sock, struct batch *b, uint32_t last, uint32_t *ret_seq)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	*ret_seq = 0;
	if (b->bad)
		return -EMSGSIZE;
	if (sendto(sock, b->bytes, b->n, 0, (struct sockaddr *)&kernel, sizeof(kernel)) !=
	    (ssize_t)b->n)
		return -errno;
	return hear(sock, last, ret_seq);
}

/* ---- the interface ------------------------------------------------------------------------ */

#define NEW (NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)

/* Kinds that need no hardware, the plainest first. */
static const char *const kinds[] = { "dummy", "ifb", "veth", "bridge" };

static int make_link(int sock, const char *kind, const uint8_t mac[6])
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct batch *b = xcalloc(1, sizeof(*b));
	uint32_t failed;
	size_t link, data, peer;
	int rc;

	message(b, RTM_NEWLINK, NEW, &info, sizeof(info));
	attr_z(b, IFLA_IFNAME, NET_INTERFACE);
	attr(b, IFLA_ADDRESS, mac, 6);
	link = nest(b, IFLA_LINKINFO);
	attr_z(b, IFLA_INFO_KIND, kind);
	if (!strcmp(kind, "veth")) {
		data = nest(b, IFLA_INFO_DATA);
		peer = nest(b, VETH_INFO_PEER);
		memcpy(take(b, sizeof(info)), &info, sizeof(info));
		attr_z(b, IFLA_IFNAME, NET_INTERFACE "p");
		nest_end(b, peer);
		nest_end(b, data);
	}
	nest_end(b, link);
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

static void link_up(struct batch *b, unsigned index)
{
	/* dummy and ifb begin without ARP, which no card of this century does */
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
				  .ifi_index = (int)index,
				  .ifi_flags = IFF_UP | IFF_MULTICAST,
				  .ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST };

	message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	attr_u32(b, IFLA_TXQLEN, 1000);
}

static void address(struct batch *b, unsigned index, int family, const char *text, uint8_t bits)
{
	struct ifaddrmsg info = { .ifa_family = (uint8_t)family,
				  .ifa_prefixlen = bits,
				  .ifa_scope = RT_SCOPE_UNIVERSE,
				  .ifa_index = index };
	size_t n = family == AF_INET ? 4 : 16;
	uint8_t ip[16], cast[4];

	inet_pton(family, text, ip);
	message(b, RTM_NEWADDR, NEW, &info, sizeof(info));
	attr(b, IFA_LOCAL, ip, n);
	attr(b, IFA_ADDRESS, ip, n);
	if (family == AF_INET) {
		memcpy(cast, ip, 3);
		cast[3] = 255;
		attr(b, IFA_BROADCAST, cast, 4);
	} else {
		attr_u32(b, IFA_FLAGS, IFA_F_NODAD); /* usable at once: nobody else is there */
	}
}

static void route(struct batch *b, unsigned index, int family, const char *gateway)
{
	struct rtmsg r = { .rtm_family = (uint8_t)family,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_UNIVERSE,
			   .rtm_type = RTN_UNICAST };
	uint8_t ip[16];

	inet_pton(family, gateway, ip);
	message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	attr(b, RTA_GATEWAY, ip, family == AF_INET ? 4 : 16);
	attr_u32(b, RTA_OIF, index);
}

/* Our own IPv6 address is there at once, the kernel's route to it when a worker comes to it: until
 * then what is sent to it would leave by the interface. */
static void own_route(struct batch *b, unsigned index)
{
	struct rtmsg r = { .rtm_family = AF_INET6,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL,
			   .rtm_dst_len = 128 };
	uint8_t ip[16];

	inet_pton(AF_INET6, NET_ADDRESS6, ip);
	message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	attr(b, RTA_DST, ip, sizeof(ip));
	attr_u32(b, RTA_OIF, index);
}

static void local_route(struct batch *b, unsigned index, int family, uint32_t metric)
{
	struct rtmsg r = { .rtm_family = (uint8_t)family,
			   .rtm_table = NET_TABLE,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL };

	message(b, RTM_NEWROUTE, NEW, &r, sizeof(r));
	attr_u32(b, RTA_OIF, index);
	attr_u32(b, RTA_PRIORITY, metric);
}

/* Marked packets: every address is ours. The second route is for sockets that are bound to the
 * interface, and for addresses that hold on one link alone: the kernel asks for it by name then. */
static void all_local(struct batch *b, unsigned index, int family)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)family,
				     .table = NET_TABLE,
				     .action = FR_ACT_TO_TBL };

	message(b, RTM_NEWRULE, NEW, &rule, sizeof(rule));
	attr_u32(b, FRA_FWMARK, MARK_OUT);
	attr_u32(b, FRA_TABLE, NET_TABLE);
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
	struct batch *b;
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
	struct batch *b;
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
	struct batch *b;
	uint32_t failed;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to the kernel about the network");
	b = xcalloc(1, sizeof(*b));
	message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	attr_u32(b, IFLA_GSO_MAX_SEGS, 1);
	if (peer) {
		info.ifi_index = peer;
		info.ifi_flags = info.ifi_change = IFF_UP;
		message(b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	}
	rc = nl_talk(sock, b, b->seq, &failed);
	free(b);
	return rc ? wall_missing(err, rc, "box: set the interface up for libslirp (step %u)",
				 failed)
		  : 0;
}

/* ---- nf_tables ---------------------------------------------------------------------------- */

static void nft_message(struct batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg g = { .nfgen_family = family };

	message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &g, sizeof(g));
}

static void nft_bracket(struct batch *b, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	message(b, type, 0, &g, sizeof(g));
}

static void nft_chain(struct batch *b, const char *name, const char *type, uint32_t hook)
{
	size_t at;

	nft_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	attr_z(b, NFTA_CHAIN_TABLE, NET_NFT_TABLE);
	attr_z(b, NFTA_CHAIN_NAME, name);
	at = nest(b, NFTA_CHAIN_HOOK);
	attr_be32(b, NFTA_HOOK_HOOKNUM, hook);
	attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)GATE_PRIORITY);
	nest_end(b, at);
	attr_be32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	attr_z(b, NFTA_CHAIN_TYPE, type);
}

struct nft_rule {
	struct batch *b;
	size_t list, elem, data;
};

static struct nft_rule rule_begin(struct batch *b, const char *chain)
{
	struct nft_rule r = { .b = b };

	nft_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
	attr_z(b, NFTA_RULE_TABLE, NET_NFT_TABLE);
	attr_z(b, NFTA_RULE_CHAIN, chain);
	r.list = nest(b, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void expr(struct nft_rule *r, const char *name)
{
	r->elem = nest(r->b, NFTA_LIST_ELEM);
	attr_z(r->b, NFTA_EXPR_NAME, name);
	r->data = nest(r->b, NFTA_EXPR_DATA);
}

static void expr_end(struct nft_rule *r)
{
	nest_end(r->b, r->data);
	nest_end(r->b, r->elem);
}

/* register 1 := a fact of the packet */
static void load_meta(struct nft_rule *r, uint32_t key)
{
	expr(r, "meta");
	attr_be32(r->b, NFTA_META_KEY, key);
	attr_be32(r->b, NFTA_META_DREG, NFT_REG_1);
	expr_end(r);
}

static void load_transport(struct nft_rule *r, uint32_t offset, uint32_t n)
{
	expr(r, "payload");
	attr_be32(r->b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	attr_be32(r->b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	attr_be32(r->b, NFTA_PAYLOAD_OFFSET, offset);
	attr_be32(r->b, NFTA_PAYLOAD_LEN, n);
	expr_end(r);
}

/* go on only if register 1 … @value */
static void only_if(struct nft_rule *r, uint32_t op, const void *value, size_t n)
{
	size_t at;

	expr(r, "cmp");
	attr_be32(r->b, NFTA_CMP_SREG, NFT_REG_1);
	attr_be32(r->b, NFTA_CMP_OP, op);
	at = nest(r->b, NFTA_CMP_DATA);
	attr(r->b, NFTA_DATA_VALUE, value, n);
	nest_end(r->b, at);
	expr_end(r);
}

static void set_register(struct nft_rule *r, uint32_t reg, const void *value, size_t n)
{
	size_t at;

	expr(r, "immediate");
	attr_be32(r->b, NFTA_IMMEDIATE_DREG, reg);
	at = nest(r->b, NFTA_IMMEDIATE_DATA);
	attr(r->b, NFTA_DATA_VALUE, value, n);
	nest_end(r->b, at);
	expr_end(r);
}

static void accept_it(struct nft_rule *r)
{
	size_t at, verdict;

	expr(r, "immediate");
	attr_be32(r->b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	at = nest(r->b, NFTA_IMMEDIATE_DATA);
	verdict = nest(r->b, NFTA_DATA_VERDICT);
	attr_be32(r->b, NFTA_VERDICT_CODE, NF_ACCEPT);
	nest_end(r->b, verdict);
	nest_end(r->b, at);
	expr_end(r);
}

static void rule_end(struct nft_rule *r)
{
	nest_end(r->b, r->list);
}

static void accept_if_meta(struct batch *b, const char *chain, uint32_t key, const void *value,
			   size_t n)
{
	struct nft_rule r = rule_begin(b, chain);

	load_meta(&r, key);
	only_if(&r, NFT_CMP_EQ, value, n);
	accept_it(&r);
	rule_end(&r);
}

/* Neighbour discovery and group membership are talk of the box's kernel with its own network. */
static void accept_neighbours(struct batch *b, const char *chain)
{
	static const uint8_t icmpv6 = IPPROTO_ICMPV6, igmp = IPPROTO_IGMP, first = 130;
	struct nft_rule r = rule_begin(b, chain);

	load_meta(&r, NFT_META_L4PROTO);
	only_if(&r, NFT_CMP_EQ, &icmpv6, 1);
	load_transport(&r, 0, 1);
	only_if(&r, NFT_CMP_GTE, &first, 1);
	accept_it(&r);
	rule_end(&r);
	accept_if_meta(b, chain, NFT_META_L4PROTO, &igmp, 1);
}

static void mark_out(struct batch *b, const char *chain)
{
	struct nft_rule r = rule_begin(b, chain);
	uint32_t mark = MARK_OUT;

	set_register(&r, NFT_REG_1, &mark, sizeof(mark));
	expr(&r, "meta");
	attr_be32(b, NFTA_META_KEY, NFT_META_MARK);
	attr_be32(b, NFTA_META_SREG, NFT_REG_1);
	expr_end(&r);
	rule_end(&r);
}

/* register 1 := register 1 & @mask, one byte */
static void mask_byte(struct nft_rule *r, uint8_t mask)
{
	static const uint8_t zero;
	size_t at;

	expr(r, "bitwise");
	attr_be32(r->b, NFTA_BITWISE_SREG, NFT_REG_1);
	attr_be32(r->b, NFTA_BITWISE_DREG, NFT_REG_1);
	attr_be32(r->b, NFTA_BITWISE_LEN, 1);
	at = nest(r->b, NFTA_BITWISE_MASK);
	attr(r->b, NFTA_DATA_VALUE, &mask, 1);
	nest_end(r->b, at);
	at = nest(r->b, NFTA_BITWISE_XOR);
	attr(r->b, NFTA_DATA_VALUE, &zero, 1);
	nest_end(r->b, at);
	expr_end(r);
}

/* A connection that has begun has its socket, which the kernel finds by itself. nft_tproxy would
 * not find it between addresses of the link: such a socket is bound to the interface of its route,
 * and nft_tproxy looks for one that is not, or is bound to lo. */
static void accept_begun(struct batch *b, const char *chain)
{
	static const uint8_t tcp = IPPROTO_TCP, none;
	struct nft_rule r = rule_begin(b, chain);

	load_meta(&r, NFT_META_L4PROTO);
	only_if(&r, NFT_CMP_EQ, &tcp, 1);
	load_transport(&r, 13, 1); /* flags; 2 is SYN */
	mask_byte(&r, 2);
	only_if(&r, NFT_CMP_EQ, &none, 1);
	accept_it(&r);
	rule_end(&r);
}

/* nft_tproxy looks at TCP and UDP only, and only at the family that its rule is for. */
static void tproxy(struct batch *b, const char *chain, uint32_t family, const void *ip, size_t n)
{
	struct nft_rule r = rule_begin(b, chain);
	uint32_t lo = if_nametoindex("lo"), mark = MARK_OUT;
	uint16_t port = htons(NET_GATE_PORT);

	load_meta(&r, NFT_META_IIF);
	only_if(&r, NFT_CMP_EQ, &lo, sizeof(lo));
	load_meta(&r, NFT_META_MARK);
	only_if(&r, NFT_CMP_EQ, &mark, sizeof(mark));
	set_register(&r, NFT_REG_1, ip, n);
	set_register(&r, NFT_REG_2, &port, sizeof(port));
	expr(&r, "tproxy");
	attr_be32(b, NFTA_TPROXY_FAMILY, family);
	attr_be32(b, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
	attr_be32(b, NFTA_TPROXY_REG_PORT, NFT_REG_2);
	expr_end(&r);
	accept_it(&r);
	rule_end(&r);
}

int net_redirect(struct err *err)
{
	static const uint32_t gate_mark = NET_GATE_MARK;
	cleanup_close int sock = nl_open(NETLINK_NETFILTER);
	uint32_t lo = if_nametoindex("lo"), ip = htonl(INADDR_LOOPBACK), failed, last;
	struct batch *b;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to nf_tables");
	b = xcalloc(1, sizeof(*b));
	nft_bracket(b, NFNL_MSG_BATCH_BEGIN);
	nft_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET);
	attr_z(b, NFTA_TABLE_NAME, NET_NFT_TABLE);
	nft_chain(b, "out", "route", NF_INET_LOCAL_OUT);
	nft_chain(b, "in", "filter", NF_INET_PRE_ROUTING);
	accept_if_meta(b, "out", NFT_META_MARK, &gate_mark, sizeof(gate_mark));
	accept_if_meta(b, "out", NFT_META_OIF, &lo, sizeof(lo));
	accept_neighbours(b, "out");
	mark_out(b, "out");
	accept_begun(b, "in");
	if (net_has_ipv6())
		tproxy(b, "in", NFPROTO_IPV6, &in6addr_loopback, sizeof(in6addr_loopback));
	tproxy(b, "in", NFPROTO_IPV4, &ip, sizeof(ip));
	if (b->msg)
		b->msg->nlmsg_flags |= NLM_F_ACK;
	last = b->seq;
	nft_bracket(b, NFNL_MSG_BATCH_END);
	rc = nl_talk(sock, b, last, &failed);
	free(b);
	return rc ? wall_missing(err, rc,
				 "box: redirect the network to the gate (nf_tables with TPROXY, "
				 "modules nf_tables and nft_tproxy)")
		  : back_by_loopback(err);
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
