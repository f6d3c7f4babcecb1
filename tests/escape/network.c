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
#include <poll.h>
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
	int s = datagrams(AF_INET);

	if (setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5))
		return stopped(say, n, "SO_BINDTODEVICE");
	if (by_datagram(s, "203.0.113.78", port()))
		return out(say, n, "by the interface");
	snprintf(say, n, "the interface leads to the gate");
	return false;
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
