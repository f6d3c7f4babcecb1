// SPDX-License-Identifier: Apache-2.0
/*
 * resolver_inner.h - what resolver.c, resolver_book.c and resolver_reply.c share
 */
#ifndef BELLJAR_GATE_RESOLVER_INNER_H
#define BELLJAR_GATE_RESOLVER_INNER_H

#include <assert.h>
#include <uthash.h>

#include "gate/policy/resolver.h"

/* ---- book: names, and which addresses they led to ----------------------------------------- */

#define SINKS		(1u << 17) /* addresses of 198.18.0.0/15 */
#define SINKS_AGAIN_MAX 32768	   /* taken, when names still get a second one in a new edition */

/** struct named - a name that the box has asked for; lives as long as the resolver */
struct named {
	UT_hash_handle hh;
	uint32_t sink;	  /* number of its sinkhole address, from 1; 0 none yet */
	uint32_t edition; /* of the book, in which it has that one */
	bool nx;	  /* is answered NXDOMAIN (nxdomain_first) */
	char name[];
};

/** struct led - an address of a real answer, and the latest names that led to it */
#define LEADS_MAX 4
struct led {
	uint8_t key[17]; /* address bytes, then whether IPv6 */
	UT_hash_handle hh;
	struct lead {
		const struct named *name;
		uint64_t expires;
	} lead[LEADS_MAX]; /* latest first */
};

struct book {
	struct named *names;
	struct named **sink; /* by number - 1; NULL until the first */
	uint32_t nsinks;     /* that are taken */
	uint32_t edition;    /* in another one, names have other sinkhole addresses */
	struct led *led;     /* in the order in which they were refreshed */
	bool names_full, led_full, led_told; /* limits that were reached; that was told */
};

/** book_name() - the entry of a name, made when it is not there; NULL when RESOLVER_NAMES_MAX are
 */
struct named *book_name(struct book *b, const char *name, bool *ret_new);
/** book_sink() - the sinkhole address of a name, IPv4 or IPv6, chosen the first time */
void book_sink(struct book *b, struct named *n, bool v6, struct addr *ret);
/** book_sink_name() - whose sinkhole address that is; NULL nobody's */
const struct named *book_sink_name(const struct book *b, const struct addr *a);
/** book_lead() - an answer for @n gave @a, until @expires */
void book_lead(struct book *b, const struct named *n, const struct addr *a, uint64_t expires);
const struct led *book_led(const struct book *b, const struct addr *a);
void book_free(struct book *b);

/* ---- replies ------------------------------------------------------------------------------ */

enum { RCODE_OK, RCODE_FORMERR, RCODE_SERVFAIL, RCODE_NXDOMAIN, RCODE_NOTIMP, RCODE_REFUSED };
#define DNS_IN 1

/** struct reply - a message that is being written */
struct reply {
	const struct dns_message *q;
	bool question; /* comes back in the reply */
	uint8_t rcode;
	uint16_t nanswers;
	bool without_ech, without_more; /* of records that reply_copy() was given */
	struct wr w;
	uint8_t bytes[DNS_MESSAGE_MAX];
};

/** question_whole() - one question, whose name has no pointer: as it begins the message, that could
 * only lead into the header, and would mean something else in a reply */
bool question_whole(const struct dns_message *q);
/** reply_begin() - header and question of @q, which must have been read; the question only if it is
 * whole */
void reply_begin(struct reply *r, const struct dns_message *q, uint8_t rcode);
void reply_address(struct reply *r, const char *owner, uint32_t ttl, const struct addr *a);
/** reply_name() - a record whose data are @head (at most 6 bytes) and a name: CNAME, PTR, MX, … */
void reply_name(struct reply *r, const char *owner, uint16_t type, uint32_t ttl, const void *head,
		size_t n, const char *name);
/**
 * reply_copy() - a record of another message, its names written out
 *
 * HTTPS and SVCB records lose what would lead past the policy: ECH, address hints, and records that
 * cannot be used without or that lead to another name: .without_ech, .without_more. Return: whether
 * it was copied; malformed data are not.
 */
bool reply_copy(struct reply *r, const struct dns_message *from, const struct dns_record *rec,
		uint32_t ttl);
/** reply_end() - EDNS, counts; too long for @transport: truncated as RFC 2181 9 says */
void reply_end(struct reply *r, const char *transport, struct buf *out);

#endif
