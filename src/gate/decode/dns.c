// SPDX-License-Identifier: Apache-2.0
/*
 * dns.c - read DNS messages, write names, make DNS events
 *
 * Names are read label by label into text. A pointer must lead to before itself, and at most
 * POINTERS_MAX are followed: so reading a name ends after 255 octets and that many jumps.
 */
#include "gate/decode/dns.h"
#include <assert.h>

#include "gate/decode/be.h"

#define HEADER_N     12
#define LABEL_MAX    63
#define NAME_WIRE    255 /* RFC 1035 2.3.4 */
#define POINTERS_MAX 128

#define FLAG_QR 0x8000u
#define FLAG_TC 0x0200u

/* One label as text; what is not printable, and what would end the name or the word, is escaped. */
static size_t label_text(const uint8_t *p, size_t n, char *out)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 'a' - 'A');
		if (c <= ' ' || c >= 0x7f) {
			out[k++] = '\\';
			out[k++] = (char)('0' + c / 100);
			out[k++] = (char)('0' + c / 10 % 10);
			out[k++] = (char)('0' + c % 10);
			continue;
		}
		if (strchr("\\.\";()@$", c))
			out[k++] = '\\';
		out[k++] = (char)c;
	}
	return k;
}

/* The longest text: 255 octets hold at most 250 bytes of labels, each four characters. */
static_assert(DNS_NAME_TEXT_MAX > 4 * (NAME_WIRE - 5) + 5, "a name as text");

int dns_name_read(const void *message, size_t n, size_t *at, char ret[DNS_NAME_TEXT_MAX])
{
	const uint8_t *m = message;
	size_t i = *at, text = 0, octets = 1, pointers = 0;
	bool jumped = false;

	for (;;) {
		size_t len;

		if (i >= n)
			return -EBADMSG;
		len = m[i];
		if (len >= 0xc0) {
			size_t to;

			if (i + 2 > n || ++pointers > POINTERS_MAX)
				return -EBADMSG;
			to = be16(m + i) & 0x3fffu;
			if (to >= i)
				return -EBADMSG;
			if (!jumped)
				*at = i + 2;
			jumped = true;
			i = to;
			continue;
		}
		if (len > LABEL_MAX)
			return -EBADMSG;
		if (!len)
			break;
		octets += len + 1;
		if (octets > NAME_WIRE || len > n - i - 1)
			return -EBADMSG;
		if (text)
			ret[text++] = '.';
		text += label_text(m + i + 1, len, ret + text);
		i += len + 1;
	}
	if (!text)
		ret[text++] = '.';
	ret[text] = 0;
	if (!jumped)
		*at = i + 1;
	return 0;
}

/* Past a name that nobody asks for; what it points to is not looked at. */
static int name_skip(const uint8_t *m, size_t n, size_t *at)
{
	size_t i = *at;

	while (i < n && m[i] && m[i] <= LABEL_MAX)
		i += m[i] + 1u;
	if (i >= n || (m[i] && m[i] < 0xc0))
		return -EBADMSG;
	i += m[i] ? 2 : 1;
	if (i > n)
		return -EBADMSG;
	*at = i;
	return 0;
}

bool dns_looks_like(const void *message, size_t n)
{
	const uint8_t *m = message;
	uint16_t flags;

	if (n < HEADER_N)
		return false;
	flags = be16(m + 2);
	/* a known operation, the reserved bit zero, few questions, and room for what is announced
	 */
	if ((flags >> 11 & 0xf) > 6 || flags & 0x40 || be16(m + 4) > 8)
		return false;
	if (!(flags & FLAG_QR) && !be16(m + 4))
		return false;
	return (size_t)be16(m + 4) * 5 + ((size_t)be16(m + 6) + be16(m + 8) + be16(m + 10)) * 11 <=
	       n - HEADER_N;
}

static int read_questions(struct dns_message *d, size_t *at)
{
	d->qname[0] = 0;
	d->qtype = d->qclass = 0;
	for (unsigned i = 0; i < d->nquestions; i++) {
		int rc = i ? name_skip(d->bytes, d->n, at)
			   : dns_name_read(d->bytes, d->n, at, d->qname);

		if (rc)
			return rc;
		if (d->n - *at < 4)
			return -EBADMSG;
		if (!i) {
			d->qtype = be16(d->bytes + *at);
			d->qclass = be16(d->bytes + *at + 2);
			d->question_n = (uint16_t)(*at + 4);
		}
		*at += 4;
	}
	return 0;
}

/* The text of a record's name: once for all records that have the same. NULL: no room left. */
static const char *keep_name(struct dns_message *d, const char *name)
{
	size_t n = strlen(name) + 1;
	const char *kept;

	if (!strcmp(name, d->qname))
		return d->qname;
	if (d->nrecords && !strcmp(d->record[d->nrecords - 1].name, name))
		return d->record[d->nrecords - 1].name;
	if (n > sizeof(d->names) - d->names_n)
		return NULL;
	kept = memcpy(d->names + d->names_n, name, n);
	d->names_n += n;
	return kept;
}

/* One record: kept when it is an answer and there is room; OPT tells of EDNS (RFC 6891). */
static int read_record(struct dns_message *d, size_t *at, bool answer)
{
	char name[DNS_NAME_TEXT_MAX];
	bool keep = answer && d->nrecords < DNS_RECORDS_MAX;
	struct dns_record r;
	int rc = keep ? dns_name_read(d->bytes, d->n, at, name) : name_skip(d->bytes, d->n, at);

	if (rc)
		return rc;
	if (d->n - *at < 10)
		return -EBADMSG;
	r.type = be16(d->bytes + *at);
	r.class = be16(d->bytes + *at + 2);
	r.ttl = be32(d->bytes + *at + 4);
	r.n = be16(d->bytes + *at + 8);
	*at += 10;
	if (r.n > d->n - *at)
		return -EBADMSG;
	r.data = d->bytes + *at;
	r.data_at = (uint16_t)*at;
	*at += r.n;
	if (r.type == DNS_OPT && !answer) {
		d->edns = true;
		d->edns_size = r.class;
		d->rcode |= (uint8_t)(r.ttl >> 24 << 4);
	}
	if (!keep || !(r.name = keep_name(d, name)))
		return 0;
	d->record[d->nrecords++] = r;
	return 0;
}

int dns_read(const void *p, size_t n, struct dns_message *d)
{
	const uint8_t *m = p;
	size_t at = HEADER_N;
	unsigned others;
	int rc;

	if (n < HEADER_N || n > DNS_MESSAGE_MAX)
		return -EBADMSG;
	d->bytes = m;
	d->n = n;
	d->id = be16(m);
	d->flags = be16(m + 2);
	d->response = d->flags & FLAG_QR;
	d->opcode = d->flags >> 11 & 0xf;
	d->rcode = d->flags & 0xf;
	d->truncated = d->flags & FLAG_TC;
	d->nquestions = be16(m + 4);
	d->nanswers = be16(m + 6);
	d->nauthority = be16(m + 8);
	d->nadditional = be16(m + 10);
	d->question_n = HEADER_N;
	d->nrecords = 0;
	d->edns = false;
	d->edns_size = 0;
	d->names_n = 0;
	rc = read_questions(d, &at);
	for (unsigned i = 0; !rc && i < d->nanswers; i++)
		rc = read_record(d, &at, true);
	others = (unsigned)d->nauthority + d->nadditional;
	for (unsigned i = 0; !rc && i < others; i++)
		rc = read_record(d, &at, false);
	return rc;
}

/* One byte of a label: \DDD, \X or itself. Moves *s; -1 at a dot or the end, -2 malformed. */
static int label_byte(const char **s)
{
	const char *p = *s;
	int v;

	if (*p == '.' || !*p)
		return -1;
	if (*p != '\\') {
		*s = p + 1;
		return (uint8_t)*p;
	}
	if (!p[1])
		return -2;
	if (p[1] < '0' || p[1] > '9') {
		*s = p + 2;
		return (uint8_t)p[1];
	}
	if (!p[2] || p[2] < '0' || p[2] > '9' || p[3] < '0' || p[3] > '9')
		return -2;
	v = (p[1] - '0') * 100 + (p[2] - '0') * 10 + p[3] - '0';
	*s = p + 4;
	return v > 255 ? -2 : v;
}

int dns_name_write(struct wr *w, const char *name)
{
	uint8_t wire[NAME_WIRE];
	size_t n = 0;

	if (!strcmp(name, "."))
		name = "";
	while (*name) {
		size_t start = n++;
		int c = -1;

		while (n < sizeof(wire) && (c = label_byte(&name)) >= 0)
			wire[n++] = (uint8_t)c;
		if (n >= sizeof(wire) || c == -2 || n - start - 1 > LABEL_MAX || n - start == 1)
			return -EINVAL;
		wire[start] = (uint8_t)(n - start - 1);
		if (*name == '.')
			name++;
	}
	wire[n++] = 0;
	wr_bytes(w, wire, n);
	return 0;
}

/* a string with its NUL; its offset, since the buffer moves as it grows */
static size_t keep(struct buf *b, const char *z)
{
	size_t at = b->n;

	buf_add(b, z, strlen(z) + 1);
	return at;
}

void dns_event(const struct dns_message *m, const struct flow_facts *f, const char *transport,
	       struct buf *scratch, struct event *ev)
{
	char text[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX + 16];
	size_t name, at_server, at_type, at_rcode, answers;
	const char *asked = m->qname;
	uint16_t asked_type = m->qtype;

	if (!m->nquestions && m->nrecords) { /* mDNS answers come without their question */
		asked = m->record[0].name;
		asked_type = m->record[0].type;
	}
	scratch->n = 0;
	name = keep(scratch, asked);
	addr_text(&f->dst, text);
	snprintf(server, sizeof(server), f->dst.v6 ? "[%s]:%u" : "%s:%u", text, f->dst.port);
	at_server = keep(scratch, server);
	at_type = keep(scratch, dns_type_name(asked_type, text));
	at_rcode = keep(scratch, dns_rcode_name(m->rcode, text));
	answers = scratch->n;
	if (m->response)
		dns_describe(m, scratch);
	buf_z(scratch);
	*ev = (struct event){ .kind = EV_DNS };
	ev->v[EV_AT(DNS, OP)] = V_Z(m->response ? "answer" : "query");
	ev->v[EV_AT(DNS, FLOW)] = V_INT(f->id);
	ev->v[EV_AT(DNS, SERVER)] = V_Z(scratch->p + at_server);
	ev->v[EV_AT(DNS, TRANSPORT)] = V_Z(transport);
	ev->v[EV_AT(DNS, ID)] = V_INT(m->id);
	if (*asked) {
		ev->v[EV_AT(DNS, NAME)] = V_Z(scratch->p + name);
		ev->v[EV_AT(DNS, TYPE)] = V_Z(scratch->p + at_type);
	}
	if (!m->response)
		return;
	ev->v[EV_AT(DNS, RCODE)] = V_Z(scratch->p + at_rcode);
	ev->v[EV_AT(DNS, ANSWERS)] =
		V_STR(((struct str){ scratch->p + answers, scratch->n - answers }));
}
