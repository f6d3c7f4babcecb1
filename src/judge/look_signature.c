// SPDX-License-Identifier: Apache-2.0
/*
 * look_signature.c - who signed a program of Windows, and does the signature hold
 *
 * Authenticode is a PKCS #7 SignedData whose content says the file's digest
 * (SpcIndirectDataContent), in a table at the file's end. OpenSSL reads it and checks the key; that
 * the file's digest is the one that was signed is checked here. What is not signed by anybody can
 * lie beside it: padding of the table, attributes; both are used for tags of single copies.
 */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509.h>

#include "judge/look.h"

#define TABLE_ENTRIES_MAX 16
#define SIGNATURES_MAX	  16
#define SIGNATURE_MAX	  (4u << 20) /* bytes of one */
#define CHAIN_MAX	  8
#define OID_INDIRECT	  "1.3.6.1.4.1.311.2.1.4"
#define OID_NESTED	  "1.3.6.1.4.1.311.2.4.1"
#define OID_TIME_STAMP	  "1.3.6.1.4.1.311.3.3.1"

struct signature {
	struct looking *l;
	int (*digest_of)(const struct looking *l, const void *md, uint8_t *out);
	bool broken, other_bytes;
};

/* ---- words -------------------------------------------------------------------------------- */

static struct str name_text(struct arena *a, X509_NAME *name, bool short_form)
{
	char cn[LOOK_NAME_MAX], *long_form = NULL;
	struct str ret = { "", 0 };
	BIO *b = BIO_new(BIO_s_mem());
	long n = 0;

	if (short_form && X509_NAME_get_text_by_NID(name, NID_commonName, cn, sizeof(cn)) > 0)
		ret = arena_str(a, str_z(cn));
	else if (b &&
		 X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 &&
		 (n = BIO_get_mem_data(b, &long_form)) > 0)
		ret = arena_str(a, (struct str){ long_form,
						 n > LOOK_NAME_MAX ? LOOK_NAME_MAX : (size_t)n });
	BIO_free(b);
	return ret;
}

static bool has_oid(const ASN1_OBJECT *o, const char *oid)
{
	char text[80];

	return o && OBJ_obj2txt(text, sizeof(text), o, 1) > 0 && !strcmp(text, oid);
}

/* The value of an attribute that nobody signed. */
static const ASN1_TYPE *attribute(const PKCS7_SIGNER_INFO *si, const char *oid, int which)
{
	for (int i = 0; i < sk_X509_ATTRIBUTE_num(si->unauth_attr); i++) {
		X509_ATTRIBUTE *a = sk_X509_ATTRIBUTE_value(si->unauth_attr, i);

		if (has_oid(X509_ATTRIBUTE_get0_object(a), oid))
			return X509_ATTRIBUTE_get0_type(a, which);
	}
	return NULL;
}

static PKCS7 *inner_pkcs7(const ASN1_TYPE *t)
{
	const unsigned char *p;

	if (!t || t->type != V_ASN1_SEQUENCE)
		return NULL;
	p = t->value.sequence->data;
	return d2i_PKCS7(NULL, &p, t->value.sequence->length);
}

/* ---- when --------------------------------------------------------------------------------- */

static void keep_time(struct signature *r, const ASN1_TIME *t)
{
	struct tm tm;
	char text[40];

	if (r->l->to->signed_at.n || !t || !ASN1_TIME_to_tm(t, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return;
	r->l->to->signed_at = arena_str(r->l->a, str_z(text));
}

static void time_stamp(struct signature *r, const PKCS7_SIGNER_INFO *si)
{
	PKCS7 *p7 = inner_pkcs7(attribute(si, OID_TIME_STAMP, 0));
	TS_TST_INFO *info = NULL;

	/* it takes signed data with contents for granted */
	if (p7 && PKCS7_type_is_signed(p7) && p7->d.sign && p7->d.sign->contents &&
	    PKCS7_get_detached(p7) == 0)
		info = PKCS7_to_TS_TST_INFO(p7);
	if (info)
		keep_time(r, TS_TST_INFO_get_time(info));
	TS_TST_INFO_free(info);
	PKCS7_free(p7);
	for (int i = 0; i < sk_X509_ATTRIBUTE_num(si->unauth_attr); i++) {
		X509_ATTRIBUTE *a = sk_X509_ATTRIBUTE_value(si->unauth_attr, i);
		const ASN1_TYPE *t = X509_ATTRIBUTE_get0_type(a, 0), *when;
		const unsigned char *p;
		PKCS7_SIGNER_INFO *counter;

		if (OBJ_obj2nid(X509_ATTRIBUTE_get0_object(a)) != NID_pkcs9_countersignature ||
		    !t || t->type != V_ASN1_SEQUENCE)
			continue;
		p = t->value.sequence->data;
		counter = d2i_PKCS7_SIGNER_INFO(NULL, &p, t->value.sequence->length);
		when = counter ? PKCS7_get_signed_attribute(counter, NID_pkcs9_signingTime) : NULL;
		if (when && when->type == V_ASN1_UTCTIME)
			keep_time(r, when->value.utctime);
		else if (when && when->type == V_ASN1_GENERALIZEDTIME)
			keep_time(r, when->value.generalizedtime);
		PKCS7_SIGNER_INFO_free(counter);
	}
}

/* ---- what was signed ---------------------------------------------------------------------- */

/* Enter one element; false when it is no @tag or too long. */
static bool enter(const unsigned char **p, const unsigned char *end, int tag, long *ret_n)
{
	int got, class, rc = ASN1_get_object(p, ret_n, &got, &class, end - *p);

	return !(rc & 0x80) && !(rc & 1) && got == tag && class == V_ASN1_UNIVERSAL &&
	       *ret_n <= end - *p;
}

/* SEQUENCE { data, SEQUENCE { SEQUENCE { algorithm, … }, OCTET STRING digest } } */
static bool digest_said(const ASN1_STRING *content, const EVP_MD **ret_md,
			const unsigned char **ret, long *ret_n)
{
	const unsigned char *p = content->data, *end = p + content->length, *at;
	ASN1_OBJECT *algorithm;
	long n;

	if (!enter(&p, end, V_ASN1_SEQUENCE, &n))
		return false;
	end = p + n;
	if (!enter(&p, end, V_ASN1_SEQUENCE, &n))
		return false;
	p += n;
	if (!enter(&p, end, V_ASN1_SEQUENCE, &n))
		return false;
	if (!enter(&p, end, V_ASN1_SEQUENCE, &n))
		return false;
	at = p;
	algorithm = d2i_ASN1_OBJECT(NULL, &at, n);
	*ret_md = algorithm ? EVP_get_digestbyobj(algorithm) : NULL;
	ASN1_OBJECT_free(algorithm);
	p += n;
	if (!*ret_md || !enter(&p, end, V_ASN1_OCTET_STRING, ret_n))
		return false;
	*ret = p;
	return true;
}

static const ASN1_STRING *content_of(const PKCS7 *p7)
{
	const PKCS7 *c =
		PKCS7_type_is_signed((PKCS7 *)p7) && p7->d.sign ? p7->d.sign->contents : NULL;

	if (!c || !has_oid(c->type, OID_INDIRECT) || !c->d.other ||
	    c->d.other->type != V_ASN1_SEQUENCE)
		return NULL;
	return c->d.other->value.sequence;
}

static bool of_this_file(struct signature *r, const ASN1_STRING *content)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	const unsigned char *said;
	const EVP_MD *md;
	long n;

	return digest_said(content, &md, &said, &n) && n == EVP_MD_get_size(md) &&
	       !r->digest_of(r->l, md, sum) && !memcmp(sum, said, (size_t)n);
}

/* The key of a certificate that lies beside it made the signature; who gave it is not asked. */
static bool key_holds(PKCS7 *p7, const ASN1_STRING *content)
{
	const unsigned char *p = content->data;
	BIO *in, *memory;
	long n;
	int ok;

	if (!enter(&p, content->data + content->length, V_ASN1_SEQUENCE, &n))
		return false;
	/* of a memory BIO it makes a second one, and leaks that when the algorithm is not known */
	in = BIO_new(BIO_f_buffer());
	memory = BIO_new_mem_buf(p, (int)n);
	if (!in || !memory) {
		BIO_free(in);
		BIO_free(memory);
		return false;
	}
	BIO_push(in, memory);
	ok = PKCS7_verify(p7, NULL, NULL, in, NULL, PKCS7_NOVERIFY) == 1;
	BIO_free_all(in);
	return ok;
}

/* ---- who ---------------------------------------------------------------------------------- */

static X509 *issuer_of(STACK_OF(X509) * all, X509 *of)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *x = sk_X509_value(all, i);

		if (x != of && X509_check_issued(x, of) == X509_V_OK &&
		    X509_verify(of, X509_get0_pubkey(x)) == 1)
			return x;
	}
	return NULL;
}

static void who(struct signature *r, PKCS7 *p7)
{
	struct file_look *to = r->l->to;
	STACK_OF(X509) *signers = PKCS7_get0_signers(p7, NULL, 0);
	cleanup_buf struct buf chain = { .limit = CHAIN_MAX * LOOK_NAME_MAX };
	X509 *x = sk_X509_num(signers) > 0 ? sk_X509_value(signers, 0) : NULL;

	if (x && !to->signer.n) {
		to->signer = name_text(r->l->a, X509_get_subject_name(x), false);
		to->signer_issuer = name_text(r->l->a, X509_get_issuer_name(x), false);
		for (int i = 0; x && i < CHAIN_MAX; i++, x = issuer_of(p7->d.sign->cert, x)) {
			struct str s = name_text(r->l->a, X509_get_subject_name(x), true);

			buf_puts(&chain, i ? " < " : "");
			buf_add(&chain, s.p, s.n);
		}
		to->signer_chain =
			arena_str(r->l->a, (struct str){ chain.n ? buf_z(&chain) : "", chain.n });
	}
	sk_X509_free(signers);
}

static void one_signature(struct signature *r, PKCS7 *p7)
{
	const ASN1_STRING *content = content_of(p7);
	STACK_OF(PKCS7_SIGNER_INFO) *infos = content ? PKCS7_get_signer_info(p7) : NULL;
	bool deeper = !r->l->to->signatures;

	r->l->to->signatures++;
	if (!content || sk_PKCS7_SIGNER_INFO_num(infos) < 1) {
		r->broken = true;
		return;
	}
	who(r, p7);
	r->broken |= !key_holds(p7, content);
	r->other_bytes |= !of_this_file(r, content);
	for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(infos); i++) {
		const PKCS7_SIGNER_INFO *si = sk_PKCS7_SIGNER_INFO_value(infos, i);
		PKCS7 *nested;

		time_stamp(r, si);
		for (int k = 0; deeper && r->l->to->signatures < SIGNATURES_MAX; k++) {
			nested = inner_pkcs7(attribute(si, OID_NESTED, k));
			if (!nested)
				break;
			one_signature(r, nested);
			PKCS7_free(nested);
		}
	}
}

/* ---- the table ---------------------------------------------------------------------------- */

static uint32_t u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* What is behind the signature in its entry, but for the zeros that end it on 8 bytes. */
static size_t beside(const uint8_t *p, size_t n)
{
	size_t zeros = 0;

	while (zeros < n && zeros < 7 && !p[zeros])
		zeros++;
	return n - zeros;
}

void look_certificates(struct looking *l, size_t at, size_t n,
		       int (*digest_of)(const struct looking *l, const void *md, uint8_t *out))
{
	struct signature r = { .l = l, .digest_of = digest_of };
	const uint8_t *p = l->p + at, *end = p + n;

	for (int i = 0; i < TABLE_ENTRIES_MAX && end - p >= 8; i++) {
		size_t length = u32(p);
		const unsigned char *der = p + 8;
		PKCS7 *p7 = NULL;

		if (length < 8 || length > (size_t)(end - p))
			break;
		/* a WIN_CERTIFICATE of type 2 holds PKCS #7 */
		if ((u32(p + 4) >> 16) == 2 && length - 8 <= SIGNATURE_MAX)
			p7 = d2i_PKCS7(NULL, &der, (long)length - 8);
		if (p7) {
			one_signature(&r, p7);
			l->to->beside_signature += beside(der, (size_t)(p + length - der));
		} else {
			r.broken = true;
			l->to->beside_signature += length - 8;
		}
		PKCS7_free(p7);
		length = (length + 7) & ~(size_t)7;
		p += length < (size_t)(end - p) ? length : (size_t)(end - p);
	}
	l->to->beside_signature += (size_t)(end - p);
	l->to->signature = r.broken || !l->to->signatures ? "broken"
			   : r.other_bytes		  ? "other-bytes"
							  : "good";
	ERR_clear_error();
}
