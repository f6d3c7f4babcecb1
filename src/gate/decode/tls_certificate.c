// SPDX-License-Identifier: Apache-2.0
/*
 * tls_certificate.c - what a certificate chain says of itself
 *
 * OpenSSL reads the certificate; nothing is checked here against names or a trust store.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "gate/decode/be.h"
#include "gate/decode/tls.h"

#define NAMES_MAX 16384 /* bytes of alternative names, and of subject and issuer */

static void put_name(struct buf *out, X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 &&
	    (n = BIO_get_mem_data(b, &p)) > 0)
		buf_add(out, p, (size_t)(n > NAMES_MAX ? NAMES_MAX : n));
	BIO_free(b);
}

/* a name without what would end it in the list */
static void put_text(struct buf *out, const ASN1_STRING *s)
{
	const uint8_t *p = ASN1_STRING_get0_data(s);

	for (int i = 0; i < ASN1_STRING_length(s); i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == ',')
			buf_printf(out, "\\x%02x", p[i]);
		else
			buf_add(out, p + i, 1);
}

static void put_alternative(struct buf *out, const GENERAL_NAME *g)
{
	char text[INET6_ADDRSTRLEN];
	const ASN1_OCTET_STRING *ip = g->d.iPAddress;

	switch (g->type) {
	case GEN_DNS:
	case GEN_EMAIL:
	case GEN_URI:
		put_text(out, g->d.ia5);
		break;
	case GEN_IPADD:
		if (ASN1_STRING_length(ip) == 4 || ASN1_STRING_length(ip) == 16)
			buf_puts(out, inet_ntop(ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6,
						ASN1_STRING_get0_data(ip), text, sizeof(text)));
		break;
	default:
		break;
	}
}

static void put_alternatives(struct buf *out, X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	size_t start = out->n;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && out->n - start < NAMES_MAX; i++) {
		size_t before;

		if (out->n > start)
			buf_puts(out, ",");
		before = out->n;
		put_alternative(out, sk_GENERAL_NAME_value(names, i));
		if (out->n == before && before > start)
			out->n--;
	}
	GENERAL_NAMES_free(names);
}

static void put_not_after(struct buf *out, const X509 *x)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
			   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* offsets in the scratch buffer, each text with its NUL */
struct leaf {
	size_t subject, issuer, names, not_after;
};

static size_t mark(struct buf *out)
{
	buf_add(out, "", 1);
	return out->n;
}

static bool read_leaf(const uint8_t *p, size_t n, struct buf *out, struct leaf *ret)
{
	X509 *x = d2i_X509(NULL, &p, (long)n);

	if (x) {
		ret->subject = mark(out);
		put_name(out, X509_get_subject_name(x));
		ret->issuer = mark(out);
		put_name(out, X509_get_issuer_name(x));
		ret->names = mark(out);
		put_alternatives(out, x);
		ret->not_after = mark(out);
		put_not_after(out, x);
		mark(out);
	}
	ERR_clear_error();
	X509_free(x);
	return x;
}

static void put_hash(struct buf *out, const uint8_t *p, size_t n)
{
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX];

	sha256_once(p, n, sum);
	hex_encode(sum, sizeof(sum), hex);
	if (out->n)
		buf_puts(out, ",");
	buf_puts(out, hex);
}

static struct val text_or_null(const char *z)
{
	return V_Z(*z ? z : NULL);
}

int tls_event_certificate(const struct flow_facts *f, const uint8_t *p, size_t n,
			  struct buf *scratch, struct event *ev)
{
	struct rd r = { p, p + n, false }, list = rd_sub(&r, rd_be24(&r)), leaf = { 0 };
	struct leaf l = { 0 };
	bool readable;
	int certs = 0;

	scratch->n = 0;
	while (rd_left(&list)) {
		struct rd cert = rd_sub(&list, rd_be24(&list));

		if (cert.bad || list.bad)
			return -EBADMSG;
		if (!certs++)
			leaf = cert;
		if (certs <= TLS_CHAIN_MAX)
			put_hash(scratch, cert.p, rd_left(&cert));
	}
	if (list.bad || !certs)
		return -EBADMSG;
	readable = read_leaf(leaf.p, rd_left(&leaf), scratch, &l);
	buf_z(scratch);
	*ev = (struct event){ .kind = EV_TLS };
	ev->v[EV_AT(TLS, OP)] = V_Z("certificate");
	ev->v[EV_AT(TLS, FLOW)] = V_INT(f->id);
	ev->v[EV_AT(TLS, CHAIN)] = V_Z(scratch->p);
	if (!readable)
		return 0;
	ev->v[EV_AT(TLS, SUBJECT)] = text_or_null(scratch->p + l.subject);
	ev->v[EV_AT(TLS, ISSUER)] = text_or_null(scratch->p + l.issuer);
	ev->v[EV_AT(TLS, NAMES)] = text_or_null(scratch->p + l.names);
	ev->v[EV_AT(TLS, NOT_AFTER)] = text_or_null(scratch->p + l.not_after);
	return 0;
}
