// SPDX-License-Identifier: Apache-2.0
/*
 * decode_sockets.c - held socket calls: who wants to talk to whom
 *
 * With --net off the box has no route out: what does not stay inside fails in the kernel, and the
 * event says why. Else all that leaves meets the gate, whose flows tell what became of it; here the
 * flow gets its process (flowtab.c). Families other than unix, inet, inet6 and netlink are refused
 * when the socket is made: AF_VSOCK would reach the hypervisor, AF_PACKET and raw ones need
 * privilege.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "capture/recorder.h"

#define MMSG_MAX 1024 /* UIO_MAXIOV: the kernel takes no more messages in one call */

static const struct {
	int family;
	const char *name;
} families[] = {
	{ AF_UNIX, "unix" },
	{ AF_INET, "inet" },
	{ AF_INET6, "inet6" },
	{ AF_NETLINK, "netlink" },
	{ AF_PACKET, "packet" },
	{ AF_VSOCK, "vsock" },
	{ AF_BLUETOOTH, "bluetooth" },
	{ AF_ALG, "alg" },
	{ AF_CAN, "can" },
	{ AF_TIPC, "tipc" },
	{ AF_KEY, "key" },
	{ AF_RDS, "rds" },
	{ AF_XDP, "xdp" },
	{ AF_NFC, "nfc" },
	{ AF_SMC, "smc" },
	{ AF_QIPCRTR, "qipcrtr" },
};

static bool own_family(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static const char *family_name(int family, char scratch[16])
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].family == family)
			return families[i].name;
	snprintf(scratch, 16, "%d", family);
	return scratch;
}

static const char *protocol_name(int family, int type, int protocol)
{
	if (family == AF_INET || family == AF_INET6) {
		switch (protocol) {
		case IPPROTO_TCP:
			return "tcp";
		case IPPROTO_UDP:
			return "udp";
		case IPPROTO_ICMP:
		case IPPROTO_ICMPV6:
			return "icmp";
		case IPPROTO_SCTP:
			return "sctp";
		case IPPROTO_UDPLITE:
			return "udplite";
		case IPPROTO_DCCP:
			return "dccp";
		case IPPROTO_MPTCP:
			return "mptcp";
		}
		if (type == SOCK_DCCP)
			return "dccp";
		if (type == SOCK_SEQPACKET)
			return "sctp";
		return type == SOCK_RAW ? "raw" : type == SOCK_STREAM ? "tcp" : "udp";
	}
	return type == SOCK_STREAM	? "stream"
	       : type == SOCK_DGRAM	? "dgram"
	       : type == SOCK_SEQPACKET ? "seqpacket"
	       : type == SOCK_RAW	? "raw"
					: NULL;
}

static const char *socket_protocol(const struct held *h, int fd, int family)
{
	cleanup_close int copy = target_fd(h, fd);
	int type = 0, protocol = 0;
	socklen_t n = sizeof(int);

	if (copy < 0)
		return NULL;
	getsockopt(copy, SOL_SOCKET, SO_TYPE, &type, &n);
	n = sizeof(int);
	getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &n);
	return protocol_name(family, type, protocol);
}

struct address {
	struct sockaddr_storage ss;
	socklen_t n;
};

static bool read_address(struct held *h, uint64_t addr, uint64_t n, struct address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!addr || n < sizeof(sa_family_t) || n > sizeof(ret->ss))
		return false;
	if (held_read(h, addr, &ret->ss, n))
		return false;
	ret->n = (socklen_t)n;
	return true;
}

/* Does it stay inside? 127.0.0.0/8, ::1, mapped loopback, unspecified (means loopback). */
static bool is_local(const struct address *a)
{
	if (a->ss.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&a->ss;
		uint32_t ip = ntohl(in->sin_addr.s_addr);

		return ip >> 24 == 127 || ip == 0;
	}
	if (a->ss.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)&a->ss;

		return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) ||
		       IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) && in->sin6_addr.s6_addr[12] == 127);
	}
	return true;
}

/* Address as text into h->text; port or -1 */
static int print_address(struct held *h, const struct address *a, struct str *ret)
{
	const struct sockaddr_un *un = (const void *)&a->ss;
	const struct sockaddr_in *in = (const void *)&a->ss;
	const struct sockaddr_in6 *in6 = (const void *)&a->ss;
	size_t n;

	h->text[0] = 0;
	*ret = (struct str){ h->text, 0 };
	switch (a->ss.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, h->text, INET_ADDRSTRLEN);
		ret->n = strlen(h->text);
		return ntohs(in->sin_port);
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, h->text, INET6_ADDRSTRLEN);
		ret->n = strlen(h->text);
		return ntohs(in6->sin6_port);
	case AF_UNIX:
		n = a->n - offsetof(struct sockaddr_un, sun_path);
		if (a->n <= offsetof(struct sockaddr_un, sun_path))
			return -1;
		memcpy(h->text, un->sun_path, n);
		if (h->text[0]) {
			n = strnlen(h->text, n);
		} else { /* abstract: the name is all of it, NULs as dots to keep it one text */
			h->text[0] = '@';
			for (size_t i = 1; i < n; i++)
				if (!h->text[i])
					h->text[i] = '.';
		}
		ret->n = n;
		return -1;
	}
	return -1;
}

static struct event socket_event(struct held *h, const char *op, const char *family,
				 const char *protocol)
{
	struct event ev = held_event(h, EV_SOCKET);

	ev.v[EV_AT(SOCKET, OP)] = V_Z(op);
	ev.v[EV_AT(SOCKET, FAMILY)] = V_Z(family);
	ev.v[EV_AT(SOCKET, PROTOCOL)] = V_Z(protocol);
	return ev;
}

static void talk(struct held *h, const char *op, int fd, const struct address *a)
{
	bool outward = strcmp(op, "bind") && !is_local(a);
	const char *protocol = socket_protocol(h, fd, a->ss.ss_family);
	char scratch[16];
	struct event ev;
	struct str text;
	int port;

	/* connect() with AF_UNSPEC takes a datagram socket's peer away: nobody is talked to */
	if (a->ss.ss_family == AF_UNSPEC)
		return;
	port = print_address(h, a, &text);
	ev = socket_event(h, op, family_name(a->ss.ss_family, scratch), protocol);
	ev.v[EV_AT(SOCKET, ADDRESS)] = V_STR(text);
	if (port >= 0)
		ev.v[EV_AT(SOCKET, PORT)] = V_INT(port);
	if (!outward) {
		ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("local");
	} else if (h->rec->gated) {
		/* what becomes of it is told by its flow */
		ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("gate");
		flow_is_of(h, fd, &a->ss);
	} else {
		ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("refused");
		ev.v[EV_AT(SOCKET, REASON)] = V_Z("no route out of the box (--net off)");
	}
	recorder_append(h->rec, &ev);
}

void decode_connect(struct held *h)
{
	struct address a;

	if (read_address(h, h->a[1], (uint32_t)h->a[2], &a))
		talk(h, h->call->name, (int)h->a[0], &a);
}

void decode_sendto(struct held *h)
{
	struct address a;

	if (read_address(h, h->a[4], (uint32_t)h->a[5], &a))
		talk(h, "sendto", (int)h->a[0], &a);
}

/* The first two words of struct msghdr: name and its length; i386 has 32-bit ones. */
static bool message_address(struct held *h, uint64_t msg, struct address *ret)
{
	struct {
		uint64_t name;
		uint32_t n;
	} wide;
	struct {
		uint32_t name, n;
	} narrow;

	if (h->ia32) {
		if (held_read(h, msg, &narrow, sizeof(narrow)))
			return false;
		wide.name = narrow.name;
		wide.n = narrow.n;
	} else if (held_read(h, msg, &wide, 12)) {
		return false;
	}
	return read_address(h, wide.name, wide.n, ret);
}

void decode_sendmsg(struct held *h)
{
	struct address a;

	if (message_address(h, h->a[1], &a))
		talk(h, "sendto", (int)h->a[0], &a);
}

void decode_sendmmsg(struct held *h)
{
	/* sizeof(struct mmsghdr): msghdr and an int */
	uint64_t step = h->ia32 ? 32 : 64;
	uint64_t n = (uint32_t)h->a[2] < MMSG_MAX ? (uint32_t)h->a[2] : MMSG_MAX;
	struct address a;

	for (uint64_t i = 0; i < n && !h->unread; i++)
		if (message_address(h, h->a[1] + i * step, &a))
			talk(h, "sendto", (int)h->a[0], &a);
}

void decode_listen(struct held *h)
{
	cleanup_close int copy = target_fd(h, (int)h->a[0]);
	/* before Linux 6.9 a thread's own descriptors are out of reach: target_fd() */
	bool hidden = copy < 0 && h->tid != h->tgid;
	struct address a = { 0 };
	char scratch[16];
	struct event ev;
	struct str text;
	int port;

	a.n = sizeof(a.ss);
	if (!hidden && (copy < 0 || getsockname(copy, (struct sockaddr *)&a.ss, &a.n)))
		return; /* no socket: the kernel answers */
	port = print_address(h, &a, &text);
	ev = socket_event(h, "listen", family_name(a.ss.ss_family, scratch),
			  socket_protocol(h, (int)h->a[0], a.ss.ss_family));
	ev.v[EV_AT(SOCKET, ADDRESS)] = V_STR(text);
	if (port >= 0)
		ev.v[EV_AT(SOCKET, PORT)] = V_INT(port);
	ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("local");
	recorder_append(h->rec, &ev);
}

/* Of the internet, what the gate does not carry: nobody would answer, and no flow would tell. */
static bool not_carried(int type, int protocol)
{
	return (type != SOCK_STREAM && type != SOCK_DGRAM) ||
	       (protocol && protocol != IPPROTO_TCP && protocol != IPPROTO_UDP &&
		protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6 &&
		protocol != IPPROTO_MPTCP);
}

void decode_socket(struct held *h)
{
	int type = (int)h->a[1] & 0xf;
	bool foreign = !own_family((int)h->a[0]);
	bool raw = type == SOCK_RAW || type == SOCK_PACKET;
	bool inet = (int)h->a[0] == AF_INET || (int)h->a[0] == AF_INET6;
	char scratch[16];
	struct event ev =
		socket_event(h, "socket", family_name((int)h->a[0], scratch),
			     protocol_name((int)h->a[0], (int)h->a[1] & 0xf, (int)h->a[2]));

	if (foreign) {
		ev.v[EV_AT(SOCKET, REASON)] =
			V_Z("this family of sockets does not end at the box's walls");
		answer_error(h, EAFNOSUPPORT);
	} else if (raw && (int)h->a[0] != AF_NETLINK) {
		ev.v[EV_AT(SOCKET, REASON)] =
			V_Z("raw sockets need a privilege that the box lacks");
		answer_error(h, EPERM);
	} else if (inet && not_carried(type, (int)h->a[2])) {
		ev.v[EV_AT(SOCKET, REASON)] =
			V_Z("a box's network carries TCP, UDP and pings, and nothing else");
		answer_error(h, EPROTONOSUPPORT);
	}
	ev.v[EV_AT(SOCKET, ANSWER)] = V_Z(h->answer.what == ANSWER_ERROR ? "refused" : "local");
	recorder_append(h->rec, &ev);
}

/* socketcall(2) of i386: the real call's number and its arguments in memory. Asking for a socket
 * never comes here, see socketcall.c. */
void decode_socketcall(struct held *h)
{
	static const struct {
		decoder *decode;
		enum call_id id;
		int nargs;
	} sub[] = {
		[2] = { decode_connect, CALL_bind, 3 },
		[3] = { decode_connect, CALL_connect, 3 },
		[4] = { decode_listen, CALL_listen, 2 },
		[11] = { decode_sendto, CALL_sendto, 6 },
		[14] = { decode_setsockopt, CALL_setsockopt, 5 },
		[16] = { decode_sendmsg, CALL_sendmsg, 3 },
		[20] = { decode_sendmmsg, CALL_sendmmsg, 4 },
	};
	uint64_t nr = h->a[0];
	uint32_t args[6];

	if (nr >= ARRAY_SIZE(sub) || !sub[nr].decode ||
	    held_read(h, h->a[1], args, 4 * (size_t)sub[nr].nargs))
		return;
	for (int i = 0; i < sub[nr].nargs; i++)
		h->a[i] = args[i];
	h->call = call_row(sub[nr].id);
	sub[nr].decode(h);
}
