// SPDX-License-Identifier: Apache-2.0
/*
 * watch_dns.c - DNS that passes by: in datagrams, and in streams behind a length each (RFC 1035
 * 4.2.2, 7858)
 */
#include "gate/decode/be.h"
#include "gate/decode/dns.h"
#include "gate/decode/watch_inner.h"

static const char *transport(const struct watch *w)
{
	if (w->inner)
		return "dot";
	if (w->facts.tcp)
		return "tcp";
	switch (w->facts.dst.port) {
	case 5353:
		return "mdns";
	case 5355:
		return "llmnr";
	default:
		return "udp";
	}
}

static bool message(struct watch *w, uint64_t t, const uint8_t *p, size_t n)
{
	cleanup_free struct dns_message *m = xmalloc(sizeof(*m));
	cleanup_buf struct buf scratch = { 0 };
	struct event ev;

	if (dns_read(p, n, m))
		return false;
	dns_event(m, &w->facts, transport(w), &scratch, &ev);
	watch_emit(w, t, &ev);
	return true;
}

static void datagram(struct watch *w, enum dir dir UNUSED, uint64_t t, const uint8_t *p, size_t n)
{
	if (!message(w, t, p, n))
		watch_gap(w, t, "a malformed DNS message");
}

static ssize_t feed(struct watch *w, enum dir dir UNUSED, uint64_t t, const uint8_t *p, size_t n)
{
	size_t len;

	if (n < 2)
		return 0;
	len = be16(p);
	if (n < 2 + len)
		return 0;
	if (!message(w, t, p + 2, len))
		return watch_stop(w, t, "a malformed DNS message");
	return (ssize_t)(2 + len);
}

static const struct reader dns_reader = { .feed = feed, .datagram = datagram };

void dns_begin(struct watch *w)
{
	watch_become(w, &dns_reader, NULL);
}
