// SPDX-License-Identifier: Apache-2.0
/*
 * flow.h - what all files of the gate say about one flow: addresses, facts, where events go
 */
#ifndef BELLJAR_GATE_FLOW_H
#define BELLJAR_GATE_FLOW_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"
#include "journal/journal.h"

/** struct addr - an IPv4 or IPv6 address with a port; v4-mapped addresses are kept as IPv4 */
struct addr {
	uint8_t ip[16]; /* IPv4: the first four */
	bool v6;
	uint16_t port; /* host order */
};
#define ADDR_TEXT_MAX 64
/** addr_text() - "192.0.2.1" or "2001:db8::1", without port */
const char *addr_text(const struct addr *a, char buf[ADDR_TEXT_MAX]);
bool addr_same_ip(const struct addr *a, const struct addr *b);
void addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

#define NAME_MAX_DNS 253 /* presentation format, RFC 1035 2.3.4 */

enum dir { DIR_OUT, DIR_IN }; /* from the program; to it */

/** struct flow_facts - what is known when a flow begins; never changes afterwards */
struct flow_facts {
	uint32_t id; /* FLOW.flow, from 1 */
	bool tcp;    /* else UDP */
	struct addr src, dst;
	char name[NAME_MAX_DNS + 1]; /* "" when no answer to this box led here */
};

/** struct emit - where a decoder's events go; strings of @ev are borrowed for the call.
 * ev->t is set by the caller of the decoder: ns since the run's start (or the first packet) */
struct emit {
	void *ctx;
	void (*event)(void *ctx, struct event *ev);
};

static inline void emit_event(const struct emit *e, struct event *ev)
{
	e->event(e->ctx, ev);
}

#endif
