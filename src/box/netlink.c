// SPDX-License-Identifier: Apache-2.0
/*
 * netlink.c - messages of netlink(7), written into one buffer and sent together
 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "box/netlink.h"

#define NL_TIMEOUT_MS 10000

static void *take(struct nl_batch *b, size_t n)
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

void nl_bytes(struct nl_batch *b, const void *value, size_t n)
{
	void *p = take(b, n);

	if (p)
		memcpy(p, value, n);
}

void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n)
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
	nl_bytes(b, head, n);
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *value, size_t n)
{
	struct nlattr *a = take(b, NLA_HDRLEN + n);

	if (!a)
		return;
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	memcpy((uint8_t *)a + NLA_HDRLEN, value, n);
}

void nl_attr_z(struct nl_batch *b, uint16_t type, const char *z)
{
	nl_attr(b, type, z, strlen(z) + 1);
}

void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr_u32(b, type, htonl(v));
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
	size_t at = b->n;

	nl_attr(b, type | NLA_F_NESTED, "", 0);
	return at;
}

void nl_nest_end(struct nl_batch *b, size_t at)
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

int nl_open(int protocol)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct timeval limit = { .tv_sec = NL_TIMEOUT_MS / 1000 };

	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return sock;
}

int nl_talk(int sock, struct nl_batch *b, uint32_t last, uint32_t *ret_seq)
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
