// SPDX-License-Identifier: Apache-2.0
/*
 * addr.c - addresses of flows
 */
#include <arpa/inet.h>

#include "gate/flow.h"

const char *addr_text(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	return inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->ip, buf, ADDR_TEXT_MAX);
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->v6 == b->v6 && !memcmp(a->ip, b->ip, a->v6 ? 16 : 4);
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	*a = (struct addr){ 0 };
	if (ss->ss_family == AF_INET) {
		memcpy(a->ip, &in->sin_addr, 4);
		a->port = ntohs(in->sin_port);
		return;
	}
	a->port = ntohs(in6->sin6_port);
	a->v6 = !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
	if (a->v6)
		memcpy(a->ip, &in6->sin6_addr, 16);
	else
		memcpy(a->ip, in6->sin6_addr.s6_addr + 12, 4);
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (!a->v6) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}
