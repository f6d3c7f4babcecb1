// SPDX-License-Identifier: Apache-2.0
/*
 * dns.h - DNS messages (RFC 1035, 3596, 2782, 6891, 9460): read, describe, write
 *
 * The reader is bounded: names at most 255 octets and 128 pointers, at most DNS_RECORDS_MAX
 * records of a message; whatever is wrong is -EBADMSG, never a guess.
 */
#ifndef BELLJAR_GATE_DNS_H
#define BELLJAR_GATE_DNS_H

#include "gate/flow.h"

#define DNS_MESSAGE_MAX 65535
#define DNS_RECORDS_MAX 256

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
	char name[NAME_MAX_DNS + 3];
	uint16_t type, class;
	uint32_t ttl;
	const uint8_t *data; /* into the message */
	uint16_t n;
	uint16_t data_at; /* offset in the message, for names inside of the data */
};

struct dns_message {
	const uint8_t *bytes;
	size_t n;
	uint16_t id, flags; /* flags: the second 16 bits of the header */
	bool response;
	uint8_t opcode, rcode;
	bool truncated;
	char qname[NAME_MAX_DNS +
		   3]; /* first question, lower case, escaped as RFC 1035 5.1; "" none */
	uint16_t qtype, qclass;
	uint16_t nquestions, nanswers, nauthority, nadditional; /* as announced */
	int nrecords;						/* answers that were read */
	struct dns_record record[DNS_RECORDS_MAX];
	bool edns;
	uint16_t edns_size;
};

int dns_read(const void *p, size_t n, struct dns_message *ret); /* 0 or -EBADMSG */
/** dns_type_name() - "A", … or "TYPE123" */
const char *dns_type_name(uint16_t type, char buf[16]);
const char *dns_rcode_name(uint8_t rcode, char buf[16]);
/** dns_describe() - the answer records as in DNS.answers */
void dns_describe(const struct dns_message *m, struct buf *out);
/** dns_name_write() - presentation format to wire format; -EINVAL for what is no name */
int dns_name_write(struct wr *w, const char *name);

/** dns_event() - a DNS event of a message; strings live in @scratch until it is used again */
void dns_event(const struct dns_message *m, const struct flow_facts *f, const char *transport,
	       struct buf *scratch, struct event *ret);

#endif
