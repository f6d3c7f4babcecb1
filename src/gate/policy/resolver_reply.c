// SPDX-License-Identifier: Apache-2.0
/*
 * resolver_reply.c - write the messages that go back into the box
 *
 * A reply is written new, record by record: nothing of a real answer reaches the program but what
 * was read and understood. Only the question's name is compressed.
 */
#include "gate/decode/be.h"
#include "gate/policy/resolver_inner.h"

#define HEADER_N     12
#define FLAG_QR	     0x8000u
#define FLAG_TC	     0x0200u
#define FLAG_RD	     0x0100u
#define FLAG_RA	     0x0080u
#define FLAG_CD	     0x0010u
#define OPCODE	     0x7800u
#define UDP_PLAIN    512  /* RFC 1035 4.2.1 */
#define UDP_EDNS_MAX 4096 /* what we let a program ask for */
#define UDP_OWN	     1232 /* what we say that we take */

bool question_whole(const struct dns_message *q)
{
	if (q->nquestions != 1)
		return false;
	for (size_t at = HEADER_N; at < q->question_n && q->bytes[at]; at += q->bytes[at] + 1u)
		if (q->bytes[at] > 63)
			return false;
	return true;
}

void reply_begin(struct reply *r, const struct dns_message *q, uint8_t rcode)
{
	r->q = q;
	r->rcode = rcode;
	r->nanswers = 0;
	r->without_ech = r->without_more = false;
	r->w = (struct wr){ r->bytes, r->bytes + sizeof(r->bytes), false };
	r->question = question_whole(q);
	wr_bytes(&r->w, q->bytes, r->question ? q->question_n : HEADER_N);
}

static void record_head(struct reply *r, const char *owner, uint16_t type, uint32_t ttl)
{
	if (!strcmp(owner, r->q->qname))
		wr_be16(&r->w, 0xc000 | HEADER_N);
	else if (dns_name_write(&r->w, owner))
		r->w.bad = true;
	wr_be16(&r->w, type);
	wr_be16(&r->w, DNS_IN);
	wr_be32(&r->w, ttl);
}

/* The data's length is written when the data are. */
static uint8_t *length_later(struct reply *r)
{
	uint8_t *at = r->w.p;

	wr_be16(&r->w, 0);
	return at;
}

static void length_now(struct reply *r, uint8_t *at)
{
	size_t n = (size_t)(r->w.p - at) - 2;

	if (r->w.bad)
		return;
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
	r->nanswers++;
}

void reply_address(struct reply *r, const char *owner, uint32_t ttl, const struct addr *a)
{
	record_head(r, owner, a->v6 ? DNS_AAAA : DNS_A, ttl);
	wr_be16(&r->w, a->v6 ? 16 : 4);
	wr_bytes(&r->w, a->ip, a->v6 ? 16 : 4);
	r->nanswers++;
}

static void put_name(struct reply *r, const char *name)
{
	if (!strcmp(name, r->q->qname))
		wr_be16(&r->w, 0xc000 | HEADER_N);
	else if (dns_name_write(&r->w, name))
		r->w.bad = true;
}

void reply_name(struct reply *r, const char *owner, uint16_t type, uint32_t ttl, const void *head,
		size_t n, const char *name)
{
	uint8_t *at;

	record_head(r, owner, type, ttl);
	at = length_later(r);
	wr_bytes(&r->w, head, n);
	put_name(r, name);
	length_now(r, at);
}

/* ---- records of another message ----------------------------------------------------------- */

/* types whose data are some bytes, names, and some bytes: RFC 1035 3.3, RFC 2782, RFC 6672 */
static const struct shape {
	uint16_t type;
	uint8_t head, names, tail;
} shapes[] = {
	{ DNS_CNAME, 0, 1, 0 }, { DNS_NS, 0, 1, 0 },  { DNS_PTR, 0, 1, 0 },
	{ DNS_MX, 2, 1, 0 },	{ DNS_SRV, 6, 1, 0 }, { DNS_SOA, 0, 2, 20 },
	{ 39, 0, 1, 0 },	{ 17, 0, 2, 0 },      { 18, 2, 1, 0 },
};

static bool copy_shaped(struct reply *r, const struct dns_message *from,
			const struct dns_record *rec, const struct shape *s)
{
	size_t at = rec->data_at, end = at + rec->n;

	if (rec->n < s->head + s->tail)
		return false;
	wr_bytes(&r->w, from->bytes + at, s->head);
	at += s->head;
	for (int i = 0; i < s->names; i++) {
		char name[DNS_NAME_TEXT_MAX];

		if (dns_name_read(from->bytes, end, &at, name))
			return false;
		put_name(r, name);
	}
	if (end - at != s->tail)
		return false;
	wr_bytes(&r->w, from->bytes + at, s->tail);
	return true;
}

/* RFC 9460 14.3.2 */
enum { SVC_MANDATORY = 0, SVC_IPV4HINT = 4, SVC_ECH = 5, SVC_IPV6HINT = 6 };

static bool svc_withheld(unsigned key)
{
	return key == SVC_IPV4HINT || key == SVC_ECH || key == SVC_IPV6HINT;
}

/* RFC 9460 8: a client that does not know these keys passes the record by */
static bool needs_withheld(struct reply *r, const uint8_t *keys, unsigned n)
{
	bool needs = false;

	for (unsigned i = 0; i + 1 < n; i += 2) {
		needs |= svc_withheld(be16(keys + i));
		r->without_ech |= be16(keys + i) == SVC_ECH;
	}
	r->without_more |= needs;
	return needs;
}

static bool copy_service(struct reply *r, const struct dns_message *from,
			 const struct dns_record *rec)
{
	size_t at = (size_t)rec->data_at + 2, end = (size_t)rec->data_at + rec->n;
	char target[DNS_NAME_TEXT_MAX];
	int last = -1;

	if (rec->n < 3 || dns_name_read(from->bytes, end, &at, target))
		return false;
	/* priority 0 is an alias: another name, for which no rule need speak */
	if (!be16(rec->data) || (strcmp(target, ".") && strcmp(target, rec->name))) {
		r->without_more = true;
		return false;
	}
	wr_bytes(&r->w, rec->data, 2);
	wr_u8(&r->w, 0);
	while (at < end) {
		const uint8_t *p = from->bytes + at;
		unsigned key, n;

		if (end - at < 4)
			return false;
		key = be16(p);
		n = be16(p + 2);
		if (n > end - at - 4 || (int)key <= last)
			return false;
		if (key == SVC_MANDATORY && needs_withheld(r, p + 4, n))
			return false;
		if (!svc_withheld(key))
			wr_bytes(&r->w, p, n + 4);
		else if (key == SVC_ECH)
			r->without_ech = true;
		else
			r->without_more = true;
		last = (int)key;
		at += n + 4;
	}
	return true;
}

static bool copy_data(struct reply *r, const struct dns_message *from, const struct dns_record *rec)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].type == rec->type)
			return copy_shaped(r, from, rec, &shapes[i]);
	if (rec->type == DNS_HTTPS || rec->type == DNS_SVCB)
		return copy_service(r, from, rec);
	if ((rec->type == DNS_A && rec->n != 4) || (rec->type == DNS_AAAA && rec->n != 16))
		return false;
	/* newer types do not compress names: RFC 3597 4 */
	wr_bytes(&r->w, rec->data, rec->n);
	return true;
}

bool reply_copy(struct reply *r, const struct dns_message *from, const struct dns_record *rec,
		uint32_t ttl)
{
	struct wr before = r->w;
	uint8_t *at;

	record_head(r, rec->name, rec->type, ttl);
	at = length_later(r);
	if (!copy_data(r, from, rec)) {
		r->w = before;
		return false;
	}
	length_now(r, at);
	return !r->w.bad;
}

/* ---- the end ------------------------------------------------------------------------------ */

static void put_edns(struct reply *r)
{
	wr_u8(&r->w, 0); /* the root */
	wr_be16(&r->w, DNS_OPT);
	wr_be16(&r->w, UDP_OWN);
	wr_be32(&r->w, 0);
	wr_be16(&r->w, 0);
}

static size_t room(const struct reply *r, const char *transport)
{
	size_t n = r->q->edns ? r->q->edns_size : UDP_PLAIN;

	if (strcmp(transport, "udp"))
		return DNS_MESSAGE_MAX;
	return n < UDP_PLAIN ? UDP_PLAIN : n > UDP_EDNS_MAX ? UDP_EDNS_MAX : n;
}

void reply_end(struct reply *r, const char *transport, struct buf *out)
{
	unsigned flags =
		FLAG_QR | FLAG_RA | (r->q->flags & (OPCODE | FLAG_RD | FLAG_CD)) | r->rcode;
	uint16_t counts[6];
	size_t n;

	if (r->q->edns)
		put_edns(r);
	n = (size_t)(r->w.p - r->bytes);
	if (r->w.bad || n > room(r, transport)) {
		reply_begin(r, r->q, r->rcode);
		flags |= FLAG_TC;
		if (r->q->edns)
			put_edns(r);
		n = (size_t)(r->w.p - r->bytes);
	}
	counts[0] = r->q->id;
	counts[1] = (uint16_t)flags;
	counts[2] = r->question;
	counts[3] = r->nanswers;
	counts[4] = 0;
	counts[5] = r->q->edns;
	for (int i = 0; i < 6; i++) {
		r->bytes[2 * i] = (uint8_t)(counts[i] >> 8);
		r->bytes[2 * i + 1] = (uint8_t)counts[i];
	}
	buf_add(out, r->bytes, n);
}
