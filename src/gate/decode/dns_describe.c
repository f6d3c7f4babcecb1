// SPDX-License-Identifier: Apache-2.0
/*
 * dns_describe.c - DNS records as text
 *
 * A table of types, each with what writes its data. Data that its writer cannot read to the last
 * byte is written as any unknown type is, RFC 3597's '\# LENGTH HEX': nothing is hidden or guessed.
 */
#include <arpa/inet.h>

#include "gate/decode/be.h"
#include "gate/decode/dns.h"

/* what a writer gets: the data, and the message for names in it */
struct data {
	const struct dns_message *m;
	size_t at, end; /* offsets in the message */
	bool bad;
};

static const uint8_t *take(struct data *d, size_t n)
{
	const uint8_t *p = d->m->bytes + d->at;

	if (d->bad || n > d->end - d->at) {
		d->bad = true;
		return NULL;
	}
	d->at += n;
	return p;
}

static unsigned take8(struct data *d)
{
	const uint8_t *p = take(d, 1);

	return p ? *p : 0;
}

static unsigned take16(struct data *d)
{
	const uint8_t *p = take(d, 2);

	return p ? be16(p) : 0;
}

static uint32_t take32(struct data *d)
{
	const uint8_t *p = take(d, 4);

	return p ? be32(p) : 0;
}

static void put_name(struct data *d, struct buf *out)
{
	char name[DNS_NAME_TEXT_MAX];

	if (d->bad || dns_name_read(d->m->bytes, d->end, &d->at, name)) {
		d->bad = true;
		return;
	}
	buf_puts(out, name);
}

static void put_hex(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", p[i]);
}

/* bytes in quotes, as in a zone file */
static void put_quoted(struct buf *out, const uint8_t *p, size_t n)
{
	buf_add(out, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		if (p[i] < ' ' || p[i] >= 0x7f) {
			buf_printf(out, "\\%03u", p[i]);
			continue;
		}
		if (p[i] == '"' || p[i] == '\\')
			buf_add(out, "\\", 1);
		buf_add(out, p + i, 1);
	}
	buf_add(out, "\"", 1);
}

static void put_base64(struct buf *out, const uint8_t *p, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63],
				 i + 1 < n ? digits[v >> 6 & 63] : '=',
				 i + 2 < n ? digits[v & 63] : '=' };

		buf_add(out, four, 4);
	}
}

static void put_address(struct buf *out, int family, const uint8_t *p)
{
	char text[INET6_ADDRSTRLEN];

	if (p)
		buf_puts(out, inet_ntop(family, p, text, sizeof(text)));
}

static void a(struct data *d, struct buf *out)
{
	put_address(out, AF_INET, take(d, 4));
}

static void aaaa(struct data *d, struct buf *out)
{
	put_address(out, AF_INET6, take(d, 16));
}

static void soa(struct data *d, struct buf *out)
{
	put_name(d, out);
	buf_puts(out, " ");
	put_name(d, out);
	for (int i = 0; i < 5; i++)
		buf_printf(out, " %u", take32(d));
}

static void mx(struct data *d, struct buf *out)
{
	buf_printf(out, "%u ", take16(d));
	put_name(d, out);
}

static void srv(struct data *d, struct buf *out)
{
	for (int i = 0; i < 3; i++)
		buf_printf(out, "%u ", take16(d));
	put_name(d, out);
}

/* strings with their length, up to the end: TXT, SPF, HINFO */
static void strings(struct data *d, struct buf *out)
{
	for (bool first = true; !d->bad && d->at < d->end; first = false) {
		unsigned n = take8(d);
		const uint8_t *p = take(d, n);

		if (!first)
			buf_puts(out, " ");
		if (p)
			put_quoted(out, p, n);
	}
}

static void caa(struct data *d, struct buf *out)
{
	unsigned flags = take8(d), n = take8(d);
	const uint8_t *tag = take(d, n);

	buf_printf(out, "%u ", flags);
	for (unsigned i = 0; tag && i < n; i++) {
		if (tag[i] <= ' ' || tag[i] >= 0x7f)
			d->bad = true;
		buf_add(out, tag + i, 1);
	}
	buf_puts(out, " ");
	if (!d->bad) {
		n = (unsigned)(d->end - d->at);
		put_quoted(out, take(d, n), n);
	}
}

static void ds(struct data *d, struct buf *out)
{
	size_t n;

	buf_printf(out, "%u", take16(d));
	for (int i = 0; i < 2; i++)
		buf_printf(out, " %u", take8(d));
	if (d->bad)
		return;
	buf_puts(out, " ");
	n = d->end - d->at;
	put_hex(out, take(d, n), n);
}

/* in short: flags, protocol, algorithm, and the key's tag (RFC 4034 appendix B) */
static void dnskey(struct data *d, struct buf *out)
{
	const uint8_t *p = d->m->bytes + d->at;
	size_t n = d->end - d->at;
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	sum += sum >> 16 & 0xffff;
	buf_printf(out, "%u", take16(d));
	buf_printf(out, " %u", take8(d));
	buf_printf(out, " %u tag %u", take8(d), sum & 0xffff);
	if (!d->bad)
		d->at = d->end;
}

/* in short: all but the signature itself */
static void rrsig(struct data *d, struct buf *out)
{
	char type[16];
	unsigned algorithm, labels, tag;
	uint32_t ttl, expires, begins;

	buf_puts(out, dns_type_name((uint16_t)take16(d), type));
	algorithm = take8(d);
	labels = take8(d);
	ttl = take32(d);
	expires = take32(d);
	begins = take32(d);
	tag = take16(d);
	buf_printf(out, " %u %u %u %u %u %u ", algorithm, labels, ttl, expires, begins, tag);
	put_name(d, out);
	if (!d->bad)
		d->at = d->end;
}

static void svc_addresses(struct data *d, struct buf *out, int family, size_t size)
{
	if ((d->end - d->at) % size)
		d->bad = true;
	for (bool first = true; !d->bad && d->at < d->end; first = false) {
		if (!first)
			buf_puts(out, ",");
		put_address(out, family, take(d, size));
	}
}

static void svc_alpn(struct data *d, struct buf *out)
{
	buf_puts(out, "\"");
	for (bool first = true; !d->bad && d->at < d->end; first = false) {
		unsigned n = take8(d);
		const uint8_t *p = take(d, n);

		if (!first)
			buf_puts(out, ",");
		for (unsigned i = 0; p && i < n; i++)
			if (p[i] <= ' ' || p[i] >= 0x7f || strchr("\",\\", p[i]))
				buf_printf(out, "\\%03u", p[i]);
			else
				buf_add(out, p + i, 1);
	}
	buf_puts(out, "\"");
}

/* RFC 9460 14.3.2 */
enum { SVC_MANDATORY, SVC_ALPN, SVC_NO_ALPN, SVC_PORT, SVC_IPV4, SVC_ECH, SVC_IPV6, SVC_DOHPATH };
static const char *const svc_keys[] = { "mandatory", "alpn", "no-default-alpn", "port",
					"ipv4hint",  "ech",  "ipv6hint",	"dohpath" };

static void svc_key(struct buf *out, unsigned key)
{
	if (key < ARRAY_SIZE(svc_keys))
		buf_puts(out, svc_keys[key]);
	else
		buf_printf(out, "key%u", key);
}

static void svc_value(struct data *d, struct buf *out, unsigned key)
{
	size_t n = d->end - d->at;

	switch (key) {
	case SVC_MANDATORY:
		for (bool first = true; !d->bad && d->at < d->end; first = false) {
			if (!first)
				buf_puts(out, ",");
			svc_key(out, take16(d));
		}
		break;
	case SVC_ALPN:
		svc_alpn(d, out);
		break;
	case SVC_PORT:
		buf_printf(out, "%u", take16(d));
		break;
	case SVC_IPV4:
		svc_addresses(d, out, AF_INET, 4);
		break;
	case SVC_IPV6:
		svc_addresses(d, out, AF_INET6, 16);
		break;
	case SVC_ECH:
		put_base64(out, take(d, n), n);
		break;
	default:
		put_quoted(out, take(d, n), n);
	}
}

static void svcb(struct data *d, struct buf *out)
{
	size_t end = d->end;

	buf_printf(out, "%u ", take16(d));
	put_name(d, out);
	while (!d->bad && d->at < end) {
		unsigned key = take16(d), n = take16(d);

		if (d->bad || n > end - d->at) {
			d->bad = true;
			return;
		}
		buf_puts(out, " ");
		svc_key(out, key);
		if (!n)
			continue;
		buf_puts(out, "=");
		d->end = d->at + n;
		svc_value(d, out, key);
		if (d->at != d->end)
			d->bad = true;
		d->end = end;
	}
}

static const struct type {
	uint16_t type;
	const char *name;
	void (*put)(struct data *d, struct buf *out); /* NULL: as hex */
} types[] = {
	{ DNS_A, "A", a },	    { DNS_AAAA, "AAAA", aaaa },	  { DNS_CNAME, "CNAME", put_name },
	{ DNS_NS, "NS", put_name }, { DNS_PTR, "PTR", put_name }, { DNS_HTTPS, "HTTPS", svcb },
	{ DNS_SOA, "SOA", soa },    { DNS_MX, "MX", mx },	  { DNS_TXT, "TXT", strings },
	{ DNS_SRV, "SRV", srv },    { DNS_SVCB, "SVCB", svcb },	  { DNS_OPT, "OPT", NULL },
	{ DNS_ANY, "ANY", NULL },   { 10, "NULL", NULL },	  { 13, "HINFO", strings },
	{ 24, "SIG", NULL },	    { 25, "KEY", NULL },	  { 29, "LOC", NULL },
	{ 35, "NAPTR", NULL },	    { 37, "CERT", NULL },	  { 39, "DNAME", put_name },
	{ 43, "DS", ds },	    { 44, "SSHFP", NULL },	  { 46, "RRSIG", rrsig },
	{ 47, "NSEC", NULL },	    { 48, "DNSKEY", dnskey },	  { 50, "NSEC3", NULL },
	{ 51, "NSEC3PARAM", NULL }, { 52, "TLSA", NULL },	  { 59, "CDS", ds },
	{ 60, "CDNSKEY", dnskey },  { 61, "OPENPGPKEY", NULL },	  { 99, "SPF", strings },
	{ 249, "TKEY", NULL },	    { 250, "TSIG", NULL },	  { 251, "IXFR", NULL },
	{ 252, "AXFR", NULL },	    { 256, "URI", NULL },	  { 257, "CAA", caa },
};

static const struct type *type_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return &types[i];
	return NULL;
}

const char *dns_type_name(uint16_t type, char buf[16])
{
	const struct type *t = type_of(type);

	if (t)
		return t->name;
	snprintf(buf, 16, "TYPE%u", type);
	return buf;
}

const char *dns_rcode_name(uint8_t rcode, char buf[16])
{
	/* RFC 6895 2.3 */
	static const char *const names[] = {
		"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",   "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",  "DSOTYPENI",
		NULL,	    NULL,      NULL,	   NULL,       "BADVERS",  "BADKEY",
		"BADTIME",  "BADMODE", "BADNAME",  "BADALG",   "BADTRUNC", "BADCOOKIE",
	};

	if (rcode < ARRAY_SIZE(names) && names[rcode])
		return names[rcode];
	snprintf(buf, 16, "RCODE%u", rcode);
	return buf;
}

static void describe_record(const struct dns_message *m, const struct dns_record *r,
			    struct buf *out)
{
	struct data d = { .m = m, .at = r->data_at, .end = (size_t)r->data_at + r->n };
	const struct type *t = type_of(r->type);
	char name[16];
	size_t mark;

	buf_printf(out, "%s %u %s ", r->name, r->ttl, dns_type_name(r->type, name));
	mark = out->n;
	if (t && t->put) {
		t->put(&d, out);
		if (!d.bad && d.at == d.end)
			return;
		out->n = mark;
	}
	buf_printf(out, "\\# %u ", r->n);
	put_hex(out, r->data, r->n);
}

void dns_describe(const struct dns_message *m, struct buf *out)
{
	for (int i = 0; i < m->nrecords; i++) {
		if (i)
			buf_puts(out, "; ");
		describe_record(m, &m->record[i], out);
	}
	if (m->nrecords < m->nanswers)
		buf_printf(out, "; … and %d more", m->nanswers - m->nrecords);
}
