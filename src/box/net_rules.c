// SPDX-License-Identifier: Apache-2.0
/*
 * net_rules.c - the nf_tables rules that bring what leaves the box to the gate (net.c says why)
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "box/net.h"
#include "box/netlink.h"

#define GATE_PRIORITY (-150) /* NF_IP_PRI_MANGLE */

static void nft_message(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg g = { .nfgen_family = family };

	nl_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &g, sizeof(g));
}

static void nft_bracket(struct nl_batch *b, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_message(b, type, 0, &g, sizeof(g));
}

static void nft_chain(struct nl_batch *b, const char *name, const char *type, uint32_t hook)
{
	size_t at;

	nft_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	nl_attr_z(b, NFTA_CHAIN_TABLE, NET_NFT_TABLE);
	nl_attr_z(b, NFTA_CHAIN_NAME, name);
	at = nl_nest(b, NFTA_CHAIN_HOOK);
	nl_attr_be32(b, NFTA_HOOK_HOOKNUM, hook);
	nl_attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)GATE_PRIORITY);
	nl_nest_end(b, at);
	nl_attr_be32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nl_attr_z(b, NFTA_CHAIN_TYPE, type);
}

struct nft_rule {
	struct nl_batch *b;
	size_t list, elem, data;
};

static struct nft_rule rule_begin(struct nl_batch *b, const char *chain)
{
	struct nft_rule r = { .b = b };

	nft_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
	nl_attr_z(b, NFTA_RULE_TABLE, NET_NFT_TABLE);
	nl_attr_z(b, NFTA_RULE_CHAIN, chain);
	r.list = nl_nest(b, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void expr(struct nft_rule *r, const char *name)
{
	r->elem = nl_nest(r->b, NFTA_LIST_ELEM);
	nl_attr_z(r->b, NFTA_EXPR_NAME, name);
	r->data = nl_nest(r->b, NFTA_EXPR_DATA);
}

static void expr_end(struct nft_rule *r)
{
	nl_nest_end(r->b, r->data);
	nl_nest_end(r->b, r->elem);
}

/* register 1 := a fact of the packet */
static void load_meta(struct nft_rule *r, uint32_t key)
{
	expr(r, "meta");
	nl_attr_be32(r->b, NFTA_META_KEY, key);
	nl_attr_be32(r->b, NFTA_META_DREG, NFT_REG_1);
	expr_end(r);
}

static void load_transport(struct nft_rule *r, uint32_t offset, uint32_t n)
{
	expr(r, "payload");
	nl_attr_be32(r->b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nl_attr_be32(r->b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nl_attr_be32(r->b, NFTA_PAYLOAD_OFFSET, offset);
	nl_attr_be32(r->b, NFTA_PAYLOAD_LEN, n);
	expr_end(r);
}

/* go on only if register 1 … @value */
static void only_if(struct nft_rule *r, uint32_t op, const void *value, size_t n)
{
	size_t at;

	expr(r, "cmp");
	nl_attr_be32(r->b, NFTA_CMP_SREG, NFT_REG_1);
	nl_attr_be32(r->b, NFTA_CMP_OP, op);
	at = nl_nest(r->b, NFTA_CMP_DATA);
	nl_attr(r->b, NFTA_DATA_VALUE, value, n);
	nl_nest_end(r->b, at);
	expr_end(r);
}

static void set_register(struct nft_rule *r, uint32_t reg, const void *value, size_t n)
{
	size_t at;

	expr(r, "immediate");
	nl_attr_be32(r->b, NFTA_IMMEDIATE_DREG, reg);
	at = nl_nest(r->b, NFTA_IMMEDIATE_DATA);
	nl_attr(r->b, NFTA_DATA_VALUE, value, n);
	nl_nest_end(r->b, at);
	expr_end(r);
}

static void accept_it(struct nft_rule *r)
{
	size_t at, verdict;

	expr(r, "immediate");
	nl_attr_be32(r->b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	at = nl_nest(r->b, NFTA_IMMEDIATE_DATA);
	verdict = nl_nest(r->b, NFTA_DATA_VERDICT);
	nl_attr_be32(r->b, NFTA_VERDICT_CODE, NF_ACCEPT);
	nl_nest_end(r->b, verdict);
	nl_nest_end(r->b, at);
	expr_end(r);
}

static void rule_end(struct nft_rule *r)
{
	nl_nest_end(r->b, r->list);
}

static void accept_if_meta(struct nl_batch *b, const char *chain, uint32_t key, const void *value,
			   size_t n)
{
	struct nft_rule r = rule_begin(b, chain);

	load_meta(&r, key);
	only_if(&r, NFT_CMP_EQ, value, n);
	accept_it(&r);
	rule_end(&r);
}

/* Neighbour discovery and group membership are talk of the box's kernel with its own network. */
static void accept_neighbours(struct nl_batch *b, const char *chain)
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

static void mark_out(struct nl_batch *b, const char *chain)
{
	struct nft_rule r = rule_begin(b, chain);
	uint32_t mark = NET_MARK_OUT;

	set_register(&r, NFT_REG_1, &mark, sizeof(mark));
	expr(&r, "meta");
	nl_attr_be32(b, NFTA_META_KEY, NFT_META_MARK);
	nl_attr_be32(b, NFTA_META_SREG, NFT_REG_1);
	expr_end(&r);
	rule_end(&r);
}

/* register 1 := register 1 & @mask, one byte */
static void mask_byte(struct nft_rule *r, uint8_t mask)
{
	static const uint8_t zero;
	size_t at;

	expr(r, "bitwise");
	nl_attr_be32(r->b, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_attr_be32(r->b, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_attr_be32(r->b, NFTA_BITWISE_LEN, 1);
	at = nl_nest(r->b, NFTA_BITWISE_MASK);
	nl_attr(r->b, NFTA_DATA_VALUE, &mask, 1);
	nl_nest_end(r->b, at);
	at = nl_nest(r->b, NFTA_BITWISE_XOR);
	nl_attr(r->b, NFTA_DATA_VALUE, &zero, 1);
	nl_nest_end(r->b, at);
	expr_end(r);
}

/* A connection that has begun has its socket, which the kernel finds by itself. nft_tproxy would
 * not find it between addresses of the link: such a socket is bound to the interface of its route,
 * and nft_tproxy looks for one that is not, or is bound to lo. */
static void accept_begun(struct nl_batch *b, const char *chain)
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
static void tproxy(struct nl_batch *b, const char *chain, uint32_t family, const void *ip, size_t n)
{
	struct nft_rule r = rule_begin(b, chain);
	uint32_t lo = if_nametoindex("lo"), mark = NET_MARK_OUT;
	uint16_t port = htons(NET_GATE_PORT);

	load_meta(&r, NFT_META_IIF);
	only_if(&r, NFT_CMP_EQ, &lo, sizeof(lo));
	load_meta(&r, NFT_META_MARK);
	only_if(&r, NFT_CMP_EQ, &mark, sizeof(mark));
	set_register(&r, NFT_REG_1, ip, n);
	set_register(&r, NFT_REG_2, &port, sizeof(port));
	expr(&r, "tproxy");
	nl_attr_be32(b, NFTA_TPROXY_FAMILY, family);
	nl_attr_be32(b, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
	nl_attr_be32(b, NFTA_TPROXY_REG_PORT, NFT_REG_2);
	expr_end(&r);
	accept_it(&r);
	rule_end(&r);
}

int net_rules(struct err *err)
{
	static const uint32_t gate_mark = NET_GATE_MARK;
	cleanup_close int sock = nl_open(NETLINK_NETFILTER);
	uint32_t lo = if_nametoindex("lo"), ip = htonl(INADDR_LOOPBACK), failed, last;
	struct nl_batch *b;
	int rc;

	if (sock < 0)
		return wall_missing(err, sock, "box: talk to nf_tables");
	b = xcalloc(1, sizeof(*b));
	nft_bracket(b, NFNL_MSG_BATCH_BEGIN);
	nft_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET);
	nl_attr_z(b, NFTA_TABLE_NAME, NET_NFT_TABLE);
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
		  : 0;
}
