// SPDX-License-Identifier: Apache-2.0
/*
 * network.c - attempts to get out of a box by its network, around the gate; each must be stopped
 *
 *   network all             every attempt, each in a process of its own
 *   network one NAME        one
 *
 * Prints a line for each: `NAME stopped REASON` or `NAME OUT what was reached`. What an attempt
 * believes is only half of the test: tests/suites/netescape.sh counts the packets of the host's
 * network and asks the record. ESCAPE_PORT is a port at which somebody outside says HOST_WORD, by
 * TCP and UDP, at every address of ESCAPE_HOSTS (separated by spaces), and to ESCAPE_GROUP. Like
 * all specimens it works only under glass.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../specimen/marker.h"
#include "attempts.h"

#define HOST_WORD "the-host-speaks"
#define GATE_PORT 15001
#define GATE_MARK 0x626a
#define WAIT_MS	  300 /* for an answer that should never come */

static const char *given(const char *name)
{
	const char *v = getenv(name);

	return v ? v : "";
}

static uint16_t port(void)
{
	return (uint16_t)atoi(given("ESCAPE_PORT"));
}

/* ---- addresses ---------------------------------------------------------------------------- */

static socklen_t address(const char *text, uint16_t at, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(at);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(at);
	inet_pton(AF_INET6, text, &in6->sin6_addr);
	if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MULTICAST(&in6->sin6_addr))
		in6->sin6_scope_id = if_nametoindex("eth0");
	return sizeof(*in6);
}

/* Does the host's word come from it? */
static bool speaks(int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN };
	char buf[512];
	ssize_t k;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return false;
	k = recv(s, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	if (k <= 0)
		return false;
	buf[k] = 0;
	return strstr(buf, HOST_WORD) != NULL;
}

static bool by_datagram(int s, const char *text, uint16_t at)
{
	struct sockaddr_storage ss;
	socklen_t n = address(text, at, &ss);

	(void)!sendto(s, "out", 3, 0, (void *)&ss, n);
	return speaks(s);
}

static bool by_stream(const char *text, uint16_t at)
{
	struct sockaddr_storage ss;
	socklen_t n = address(text, at, &ss);
	int s = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = s, .events = POLLOUT };
	bool word;

	if (s < 0)
		return false;
	(void)!connect(s, (void *)&ss, n);
	poll(&p, 1, WAIT_MS);
	(void)!send(s, "out", 3, MSG_NOSIGNAL);
	word = speaks(s);
	close(s);
	return word;
}

static int datagrams(int family)
{
	int one = 1, s = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	return s;
}

static bool to(char *say, size_t n, const char *text, uint16_t at)
{
	int s = datagrams(strchr(text, ':') ? AF_INET6 : AF_INET);
	bool word = by_datagram(s, text, at) || by_stream(text, at);

	close(s);
	snprintf(say, n, "%s", word ? text : "nobody of the host answers");
	return word;
}

/* ---- sockets that go around it ------------------------------------------------------------ */

static bool raw_sockets(char *say, size_t n)
{
	static const int protocols[] = { IPPROTO_RAW, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, 99 };

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (socket(AF_INET, SOCK_RAW, protocols[i]) >= 0 ||
		    socket(AF_INET6, SOCK_RAW, protocols[i]) >= 0)
			return out(say, n, "a raw socket");
	return stopped(say, n, "raw sockets");
}

static bool packet_sockets(char *say, size_t n)
{
	if (socket(AF_PACKET, SOCK_RAW, htons(3)) >= 0 ||
	    socket(AF_PACKET, SOCK_DGRAM, htons(3)) >= 0 ||
	    socket(AF_INET, SOCK_PACKET, htons(3)) >= 0)
		return out(say, n, "a packet socket");
	return stopped(say, n, "packet sockets");
}

static bool other_protocols(char *say, size_t n)
{
	static const struct {
		int type, protocol;
	} rows[] = { { SOCK_STREAM, 132 },  { SOCK_SEQPACKET, 132 }, { SOCK_SEQPACKET, 0 },
		     { SOCK_DGRAM, 136 },   { SOCK_DCCP, 33 },	     { SOCK_DCCP, 0 },
		     { SOCK_STREAM, 0x100 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (socket(AF_INET, rows[i].type, rows[i].protocol) >= 0 ||
		    socket(AF_INET6, rows[i].type, rows[i].protocol) >= 0)
			return out(say, n, "a socket of another protocol");
	return stopped(say, n, "SCTP, UDP-Lite, DCCP");
}

static bool mark(char *say, size_t n)
{
	uint32_t gate = GATE_MARK;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (setsockopt(s, SOL_SOCKET, SO_MARK, &gate, sizeof(gate)) == 0)
		return out(say, n, "SO_MARK");
	return stopped(say, n, "SO_MARK");
}

static bool transparent(char *say, size_t n)
{
	int one = 1, s = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	if (setsockopt(s, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) == 0 ||
	    setsockopt(s6, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) == 0)
		return out(say, n, "IP_TRANSPARENT");
	return stopped(say, n, "IP_TRANSPARENT");
}

/* Anybody may bind to an address that is not there yet (ip(7)): the packet has it as its source. */
static bool spoofed(char *say, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = address("192.168.77.77", 7777, &ss);
	int one = 1, s = datagrams(AF_INET);

	setsockopt(s, SOL_IP, IP_FREEBIND, &one, sizeof(one));
	if (bind(s, (void *)&ss, len))
		return stopped(say, n, "a source that is not ours");
	if (by_datagram(s, "203.0.113.77", 77))
		return out(say, n, "with a source that is not ours");
	return stopped(say, n, "a source that is not ours");
}

static bool device(char *say, size_t n)
{
	uint32_t index = htonl(if_nametoindex("eth0"));
	int s = datagrams(AF_INET), lo = datagrams(AF_INET), by_index = datagrams(AF_INET);

	if (setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) ||
	    setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) ||
	    setsockopt(by_index, SOL_IP, IP_UNICAST_IF, &index, sizeof(index)))
		return stopped(say, n, "SO_BINDTODEVICE, IP_UNICAST_IF");
	if (by_datagram(s, "203.0.113.78", port()) || by_datagram(lo, "203.0.113.85", port()) ||
	    by_datagram(by_index, "203.0.113.86", port()))
		return out(say, n, "by the interface");
	snprintf(say, n, "the interface leads to the gate");
	return false;
}

/* ---- packets that say themselves which way they go ---------------------------------------- */

/* One hop more, @via (RFC 791 3.1: loose, strict; RFC 6275 6.4, RFC 8754), or padding alone (RFC
 * 8200 4.3, 4.6) */
static const struct {
	int level, name;
	size_t n;
	const char *words;
	uint8_t bytes[24];
} ways[] = {
	{ SOL_IP, IP_OPTIONS, 8, "a loose source route", { 131, 7, 4, 10, 0, 2, 2, 0 } },
	{ SOL_IP, IP_OPTIONS, 8, "a strict source route", { 137, 7, 4, 10, 0, 2, 2, 0 } },
	{ SOL_IPV6, IPV6_RTHDR, 24, "a routing header", { 0, 2, 2, 1, [8] = 0xfd, 0x17 } },
	{ SOL_IPV6, IPV6_RTHDR, 24, "segments", { 0, 2, 4, 0, [8] = 0xfd, 0x17 } },
	{ SOL_IPV6, IPV6_RTHDR, 24, "an old routing header", { 0, 2, 0, 1, [8] = 0xfd, 0x17 } },
	{ SOL_IPV6, IPV6_HOPOPTS, 8, "hop-by-hop options", { 0, 0, 1, 4 } },
	{ SOL_IPV6, IPV6_DSTOPTS, 8, "destination options", { 0, 0, 1, 4 } },
	{ SOL_IPV6, IPV6_RTHDRDSTOPTS, 8, "first destination options", { 0, 0, 1, 4 } },
};

static bool by_message(const char *text, uint16_t at, int level, int name, const void *p, size_t n)
{
	struct sockaddr_storage ss;
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(64)];
	} control = { 0 };
	char text_out[] = "out";
	struct iovec iov = { text_out, 3 };
	struct msghdr m = { .msg_name = &ss,
			    .msg_namelen = address(text, at, &ss),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(n) };
	int s = datagrams(ss.ss_family);
	bool word;

	control.h = (struct cmsghdr){ CMSG_LEN(n), level, name };
	memcpy(CMSG_DATA(&control.h), p, n);
	(void)!sendmsg(s, &m, 0);
	word = speaks(s);
	close(s);
	return word;
}

static bool own_way(char *say, size_t n)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		bool v6 = ways[i].level == SOL_IPV6;
		int s = datagrams(v6 ? AF_INET6 : AF_INET);

		if (!setsockopt(s, ways[i].level, ways[i].name, ways[i].bytes,
				(socklen_t)ways[i].n))
			return out(say, n, ways[i].words);
		close(s);
		if (by_message(v6 ? "2001:db8::77" : "203.0.113.79", port(), ways[i].level,
			       v6 ? ways[i].name : IP_RETOPTS, ways[i].bytes, ways[i].n))
			return out(say, n, "by a message's own way");
	}
	return stopped(say, n, "source routes, extension headers");
}

/* To clear what never was is what careful servers do. */
static bool no_way(char *say, size_t n)
{
	int s = datagrams(AF_INET), s6 = datagrams(AF_INET6);

	if (setsockopt(s, SOL_IP, IP_OPTIONS, NULL, 0) ||
	    setsockopt(s6, SOL_IPV6, IPV6_RTHDR, NULL, 0))
		return out(say, n, "options could not be cleared");
	snprintf(say, n, "nothing to stop");
	return false;
}

static bool other_source(char *say, size_t n)
{
	struct in_pktinfo four = { 0 };
	struct in6_pktinfo six = { 0 };

	inet_pton(AF_INET, "192.0.2.10", &four.ipi_spec_dst);
	inet_pton(AF_INET6, "2001:db8::10", &six.ipi6_addr);
	if (by_message("203.0.113.80", port(), SOL_IP, IP_PKTINFO, &four, sizeof(four)) ||
	    by_message("2001:db8::80", port(), SOL_IPV6, IPV6_PKTINFO, &six, sizeof(six)))
		return out(say, n, "with a source that is not ours");
	inet_pton(AF_INET, "127.0.0.1", &four.ipi_spec_dst);
	six.ipi6_addr = in6addr_loopback;
	if (by_message("203.0.113.81", port(), SOL_IP, IP_PKTINFO, &four, sizeof(four)) ||
	    by_message("2001:db8::81", port(), SOL_IPV6, IPV6_PKTINFO, &six, sizeof(six)))
		return out(say, n, "from the loopback");
	snprintf(say, n, "the source leads to the gate");
	return false;
}

/* ---- connections that begin in another way ------------------------------------------------ */

static bool repair(char *say, size_t n)
{
	int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (setsockopt(s, SOL_TCP, TCP_REPAIR, &one, sizeof(one)) == 0)
		return out(say, n, "a connection that nobody made");
	return stopped(say, n, "TCP_REPAIR");
}

static bool fast_open(char *say, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = address("203.0.113.82", port(), &ss);
	int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    later = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)!sendto(s, "out", 3, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&ss, len);
	if (speaks(s))
		return out(say, n, "with data in the first packet");
	len = address("203.0.113.83", port(), &ss);
	setsockopt(later, SOL_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
	(void)!connect(later, (void *)&ss, len);
	(void)!send(later, "out", 3, MSG_NOSIGNAL);
	if (speaks(later))
		return out(say, n, "connected by the first write");
	snprintf(say, n, "it leads to the gate");
	return false;
}

static bool many_paths(char *say, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = address("203.0.113.84", port(), &ss);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	if (s < 0)
		return stopped(say, n, "MPTCP");
	(void)!connect(s, (void *)&ss, len);
	(void)!send(s, "out", 3, MSG_NOSIGNAL);
	if (speaks(s))
		return out(say, n, "by MPTCP");
	snprintf(say, n, "it leads to the gate");
	return false;
}

/* Two that call each other at the same moment, neither listening (RFC 9293 3.5). */
static bool both_call(char *say, size_t n)
{
	struct sockaddr_storage a, b;
	socklen_t len = address("10.0.2.15", 7001, &a);
	int one = 1, s[2];

	address("10.0.2.2", 7001, &b);
	for (int i = 0; i < 2; i++) {
		s[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		setsockopt(s[i], SOL_IP, IP_FREEBIND, &one, sizeof(one));
	}
	if (bind(s[0], (void *)&a, len) || bind(s[1], (void *)&b, len))
		return stopped(say, n, "bind");
	(void)!connect(s[0], (void *)&b, len);
	(void)!connect(s[1], (void *)&a, len);
	if (speaks(s[0]) || speaks(s[1]))
		return out(say, n, "by a call from both sides");
	snprintf(say, n, "it leads to the gate");
	return false;
}

static bool own_network(char *say, size_t n)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 || unshare(CLONE_NEWNET) == 0)
		return out(say, n, "a network of its own");
	return stopped(say, n, "unshare");
}

static bool gate_itself(char *say, size_t n)
{
	return to(say, n, "127.0.0.1", GATE_PORT) || to(say, n, "::1", GATE_PORT) ||
	       to(say, n, "10.0.2.15", GATE_PORT) || to(say, n, "0.0.0.0", GATE_PORT);
}

/* ---- its configuration -------------------------------------------------------------------- */

/* @body: a message's fixed part, and no attributes. Return: the kernel's answer, 0 is success */
static int ask(int protocol, uint16_t type, const void *body, size_t n)
{
	struct {
		struct nlmsghdr h;
		char body[64];
	} m = { .h = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + n),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = 5 };
	char buf[4096];
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	ssize_t k;

	memcpy(m.body, body, n);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (s < 0 || sendto(s, &m, m.h.nlmsg_len, 0, (void *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	k = recv(s, buf, sizeof(buf), 0);
	close(s);
	return k < (ssize_t)(NLMSG_HDRLEN + sizeof(int)) ? -ENODATA : *(int *)(buf + NLMSG_HDRLEN);
}

static bool routes(char *say, size_t n)
{
	struct rtmsg route = { .rtm_family = AF_INET, .rtm_table = 100, .rtm_type = RTN_LOCAL };
	struct rtmsg main = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN };
	struct ifinfomsg down = { .ifi_index = (int)if_nametoindex("eth0"), .ifi_change = 1 };
	struct ifaddrmsg own = { .ifa_family = AF_INET, .ifa_index = 1, .ifa_prefixlen = 8 };

	errno = EPERM;
	if (!ask(NETLINK_ROUTE, RTM_DELROUTE, &route, sizeof(route)) ||
	    !ask(NETLINK_ROUTE, RTM_DELRULE, &main, sizeof(main)) ||
	    !ask(NETLINK_ROUTE, RTM_NEWROUTE, &main, sizeof(main)) ||
	    !ask(NETLINK_ROUTE, RTM_NEWLINK, &down, sizeof(down)) ||
	    !ask(NETLINK_ROUTE, RTM_NEWADDR, &own, sizeof(own)))
		return out(say, n, "routes were changed");
	return stopped(say, n, "routes, rules, links, addresses");
}

static bool nf_tables(char *say, size_t n)
{
	struct nfgenmsg all = { .nfgen_family = AF_UNSPEC };

	errno = EPERM;
	if (!ask(NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, &all,
		 sizeof(all)) ||
	    !ask(NETLINK_NETFILTER, NFNL_MSG_BATCH_BEGIN, &all, sizeof(all)))
		return out(say, n, "nf_tables were changed");
	return stopped(say, n, "nf_tables");
}

static bool old_calls(char *say, size_t n)
{
	struct rtentry route = { .rt_flags = RTF_UP };
	struct ifreq link = { .ifr_name = "eth0", .ifr_flags = 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (ioctl(s, SIOCADDRT, &route) == 0 || ioctl(s, SIOCDELRT, &route) == 0 ||
	    ioctl(s, SIOCSIFFLAGS, &link) == 0 || ioctl(s, SIOCSIFADDR, &link) == 0)
		return out(say, n, "an old call of configuration");
	if (ioctl(tun, TUNSETIFF, &link) == 0)
		return out(say, n, "a tap");
	errno = EPERM;
	return stopped(say, n, "SIOCADDRT, SIOCSIFFLAGS, TUNSETIFF");
}

/* ---- somebody outside --------------------------------------------------------------------- */

static bool host_loopback(char *say, size_t n)
{
	static const char *const at[] = { "127.0.0.1", "127.0.0.2", "::1",
					  "0.0.0.0",   "::",	    "::ffff:127.0.0.1" };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (to(say, n, at[i], port()))
			return true;
	return false;
}

static bool host_addresses(char *say, size_t n)
{
	char list[512], *save, *word;

	snprintf(list, sizeof(list), "%s", given("ESCAPE_HOSTS"));
	for (word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (to(say, n, word, port()))
			return true;
	return false;
}

static bool router(char *say, size_t n)
{
	return to(say, n, "10.0.2.2", port()) || to(say, n, "fd17:625c:f037:2::2", port());
}

static bool link_local(char *say, size_t n)
{
	return to(say, n, "fe80::1", port()) || to(say, n, "169.254.169.254", port());
}

static bool groups(char *say, size_t n)
{
	unsigned char hops = 64;
	int s = datagrams(AF_INET);
	bool word;

	setsockopt(s, SOL_IP, IP_MULTICAST_TTL, &hops, sizeof(hops));
	word = by_datagram(s, given("ESCAPE_GROUP"), port()) || by_datagram(s, "224.0.0.1", port());
	close(s);
	return word ? out(say, n, "a group") : to(say, n, "ff02::1", port());
}

static bool everybody(char *say, size_t n)
{
	return to(say, n, "255.255.255.255", port()) || to(say, n, "10.0.2.255", port());
}

static bool dhcp(char *say, size_t n)
{
	unsigned char discover[300] = { 1, 1, 6, 0, 0x62, 0x6a, 1, 2 };
	struct sockaddr_storage from, all;
	socklen_t n_from = address("0.0.0.0", 68, &from),
		  n_all = address("255.255.255.255", 67, &all);
	int s = datagrams(AF_INET);

	memcpy(discover + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	if (bind(s, (void *)&from, n_from))
		snprintf(say, n, "the client's port: %s", strerror(errno));
	if (sendto(s, discover, sizeof(discover), 0, (void *)&all, n_all) < 0)
		return stopped(say, n, "DHCPDISCOVER");
	if (speaks(s))
		return out(say, n, "a DHCP server");
	snprintf(say, n, "no DHCP server answers");
	return false;
}

/* ---- table -------------------------------------------------------------------------------- */

static const struct attempt attempts[] = {
	{ "raw-sockets", raw_sockets },
	{ "packet-sockets", packet_sockets },
	{ "other-protocols", other_protocols },
	{ "mark", mark },
	{ "transparent", transparent },
	{ "spoofed", spoofed },
	{ "device", device },
	{ "own-way", own_way },
	{ "no-way", no_way },
	{ "other-source", other_source },
	{ "repair", repair },
	{ "fast-open", fast_open },
	{ "many-paths", many_paths },
	{ "both-call", both_call },
	{ "own-network", own_network },
	{ "gate-itself", gate_itself },
	{ "routes", routes },
	{ "nf-tables", nf_tables },
	{ "old-calls", old_calls },
	{ "host-loopback", host_loopback },
	{ "host-addresses", host_addresses },
	{ "router", router },
	{ "link-local", link_local },
	{ "groups", groups },
	{ "everybody", everybody },
	{ "dhcp", dhcp },
};
#define ATTEMPT_SECONDS 60

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!under_glass("network"))
		return EXIT_NOT_UNDER_GLASS;
	return attempts_main("network", argc, argv, attempts,
			     sizeof(attempts) / sizeof(attempts[0]), ATTEMPT_SECONDS);
}
