// SPDX-License-Identifier: Apache-2.0
/*
 * dns.h - DNS messages (RFC 1035, 3596, 2782, 6891, 9460): read, describe, write
 *
 * The reader is bounded: names at most 255 octets and 128 pointers that each lead back; whatever is
 * wrong is -EBADMSG, never a guess. At most DNS_RECORDS_MAX answers, whose names together need at
 * most DNS_NAMES_MAX bytes, are kept of a message: where nrecords is less than nanswers, more came.
 */
#ifndef BELLJAR_GATE_DNS_H
#define BELLJAR_GATE_DNS_H

#include "gate/flow.h"

#define DNS_MESSAGE_MAX 65535
#define DNS_RECORDS_MAX 256
/* A name as text is lower case, escaped as RFC 1035 5.1, without the final dot; the root is ".".
 * Bytes that need \DDD make it longer than NAME_MAX_DNS, up to this, with its NUL. */
#define DNS_NAME_TEXT_MAX 1024
#define DNS_NAMES_MAX	  32768

enum {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_OPT = 41,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_ANY = 255
};

struct dns_record {
	const char *name; /* text, in dns_message.names */
	uint16_t type, class;
	uint32_t ttl;
	const uint8_t *data; /* into the message */
	uint16_t n;
	uint16_t data_at; /* offset in the message, for names inside of the data */
};

/** struct dns_message - what dns_read() gives; points into the message and into itself, so it is
 * neither copied nor used after the message is gone */
struct dns_message {
	const uint8_t *bytes;
	size_t n;
	uint16_t id, flags; /* flags: the second 16 bits of the header */
	bool response;
	uint8_t opcode, rcode; /* rcode with its upper bits of EDNS */
	bool truncated;
	char qname[DNS_NAME_TEXT_MAX]; /* first question; "" none */
	uint16_t qtype, qclass;
	uint16_t nquestions, nanswers, nauthority, nadditional; /* as announced */
	uint16_t question_n; /* bytes of header and first question: a reply begins with them */
	int nrecords;	     /* answers that are kept */
	struct dns_record record[DNS_RECORDS_MAX];
	bool edns;
	uint16_t edns_size;
	size_t names_n;
	char names[DNS_NAMES_MAX];
};

/** dns_read() - Return: 0; -EBADMSG, with *ret undefined */
int dns_read(const void *p, size_t n, struct dns_message *ret);
/** dns_looks_like() - cheap test of the head alone: can @n bytes that begin so be a DNS message? */
bool dns_looks_like(const void *p, size_t n);
/** dns_type_name() - "A", … or "TYPE123" */
const char *dns_type_name(uint16_t type, char buf[16]);
const char *dns_rcode_name(uint8_t rcode, char buf[16]);
/** dns_describe() - the answer records as in DNS.answers */
void dns_describe(const struct dns_message *m, struct buf *out);
/** dns_name_read() - the name at offset *@at of a message, as text; moves *@at past it. Return: 0
 * or -EBADMSG */
int dns_name_read(const void *message, size_t n, size_t *at, char ret[DNS_NAME_TEXT_MAX]);
/** dns_name_write() - presentation format to wire format, uncompressed; -EINVAL for what is no
 * name, nothing written; a full writer is w->bad */
int dns_name_write(struct wr *w, const char *name);

/** dns_event() - a DNS event of a message; strings live in @scratch until it is used again. SERVER
 * is f->dst; ANSWER and REASON are left for the caller */
void dns_event(const struct dns_message *m, const struct flow_facts *f, const char *transport,
	       struct buf *scratch, struct event *ret);

#endif
