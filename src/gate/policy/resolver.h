// SPDX-License-Identifier: Apache-2.0
/*
 * resolver.h - the box's only name service: answers queries to any server, remembers what it said
 *
 * Theory of operation
 *
 * Every DNS message that leaves the box, to whatever server, UDP or TCP, comes here. An allowed
 * name is looked up by the desk with the host's resolver, and the real answer goes back (without
 * ECH parameters); every other name gets a sinkhole address, the same for the same name as long as
 * the box lives. Which answers this box has had is remembered with their time to live: an address
 * leads back to its name, and only while an answer is unexpired may it be reached as that name.
 *
 * A CNAME in the answer to an allowed name needs no rule of its own. What an answer cannot do is to
 * lead back to this machine or its network: policy_address() refuses such addresses. HTTPS and SVCB
 * records come without ECH and address hints, and not at all when they lead to another name.
 *
 * Sinkhole addresses: IPv4 198.18.0.0/15 (RFC 2544), IPv6 2001:2::/48 (RFC 5180): never in the
 * real Internet, so that a leak could reach nobody. A hash of the name chooses, the next free one
 * on collision. PTR of a sinkhole address gives its name.
 */
#ifndef BELLJAR_GATE_RESOLVER_H
#define BELLJAR_GATE_RESOLVER_H

#include "gate/decode/dns.h"
#include "gate/policy/policy.h"

#define RESOLVER_NAMES_MAX   65536 /* different names of a box; more get SERVFAIL */
#define RESOLVER_ANSWERS_MAX 65536 /* addresses remembered; the oldest are forgotten */
#define RESOLVER_TTL_MIN     30 /* seconds; as short as a program may keep an answer (Java: 30) */
#define RESOLVER_TTL_MAX     86400

struct resolver;
/** @nxdomain_first: so many different names are answered NXDOMAIN first (to see back-up names) */
struct resolver *resolver_new(const struct policy *p, unsigned nxdomain_first,
			      const struct emit *emit);
void resolver_free(struct resolver *r);
void resolver_set_policy(struct resolver *r, const struct policy *p);

/** resolver_set_book() - another number: names have other sinkhole addresses from now on; those
 * that were given lead to them all the same */
void resolver_set_book(struct resolver *r, uint32_t edition);
/** resolver_unanswered() - a query that gets no answer: its DNS event alone */
void resolver_unanswered(struct resolver *r, const struct flow_facts *f, const char *transport,
			 const void *query, size_t n, uint64_t now);

enum resolved {
	RESOLVED_REPLY, /* @reply holds the answer */
	RESOLVED_ASK,	/* the desk must look up *ret_name, *ret_type, and resolver_looked_up()
			   follows */
	RESOLVED_DROP,	/* no DNS query: no answer */
};
/**
 * resolver_query() - one query of the box; emits its DNS events (query, and the answer when there
 * is one at once)
 * @f: the flow it came on; @transport: "udp" or "tcp"; @now: ns since the run's start
 * @ret_name: the name that is asked for, cut at NAME_MAX_DNS (longer ones are refused); not set for
 *            RESOLVED_DROP
 * @ret_type: for RESOLVED_ASK, what the desk shall look up
 */
enum resolved resolver_query(struct resolver *r, const struct flow_facts *f, const char *transport,
			     const void *query, size_t n, uint64_t now, struct buf *reply,
			     char ret_name[NAME_MAX_DNS + 3], uint16_t *ret_type);
/**
 * resolver_looked_up() - the desk's answer to RESOLVED_ASK: makes the reply to @query from it
 * @answer: DNS message of the host's resolver, NULL when it could not be asked (SERVFAIL)
 */
void resolver_looked_up(struct resolver *r, const struct flow_facts *f, const char *transport,
			const void *query, size_t n, const void *answer, size_t answer_n,
			uint64_t now, struct buf *reply);
/**
 * resolver_name_of() - the name whose answer to this box gave @a
 * @a: with the port: of several names that led there, one that is allowed at it is preferred
 * @ret_real: it is a real answer, unexpired at @now; false: a sinkhole address
 * Return: false when no answer ever gave it, or the real one has expired
 */
bool resolver_name_of(const struct resolver *r, const struct addr *a, uint64_t now,
		      char ret_name[NAME_MAX_DNS + 1], bool *ret_real);

#endif
