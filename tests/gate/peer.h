// SPDX-License-Identifier: Apache-2.0
/*
 * peer.h - real OpenSSL peers over memory, and certificates for them
 */
#ifndef BELLJAR_TESTS_GATE_PEER_H
#define BELLJAR_TESTS_GATE_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/base.h"

/** struct peer - one TLS endpoint; what it wants to send collects in its output */
struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	struct buf got; /* plain bytes that it has read */
	int failed;	/* an OpenSSL error was seen; error in .error */
	unsigned long error;
};

static inline void peer_init(struct peer *p, SSL_CTX *ctx, bool server)
{
	*p = (struct peer){ .ctx = ctx, .ssl = SSL_new(ctx) };
	assert_non_null(p->ssl);
	SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(p->ssl), -1);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

static inline SSL_CTX *client_ctx(const char *ca_pem, int min, int max)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_min_proto_version(ctx, min);
	SSL_CTX_set_max_proto_version(ctx, max);
	if (max && max < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	if (ca_pem) {
		BIO *b = BIO_new_mem_buf(ca_pem, -1);
		X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

		assert_non_null(x);
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
		X509_free(x);
		BIO_free(b);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	return ctx;
}

/* as a client that wants @name, verified by it */
static inline void peer_client(struct peer *p, SSL_CTX *ctx, const char *name)
{
	peer_init(p, ctx, false);
	if (name) {
		SSL_set_tlsext_host_name(p->ssl, name);
		SSL_set1_host(p->ssl, name);
	}
}

static inline void peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	buf_free(&p->got);
	ERR_clear_error();
}

/* bytes for the peer; it goes on as far as it can. n = 0 with eof: the other side has closed */
static inline void peer_feed(struct peer *p, const void *bytes, size_t n, bool eof)
{
	char b[4096];
	int k;

	if (n)
		assert_int_equal(BIO_write(SSL_get_rbio(p->ssl), bytes, (int)n), n);
	if (eof)
		BIO_set_mem_eof_return(SSL_get_rbio(p->ssl), 0);
	ERR_clear_error();
	k = SSL_do_handshake(p->ssl);
	while (k > 0 && (k = SSL_read(p->ssl, b, sizeof(b))) > 0)
		buf_add(&p->got, b, (size_t)k);
	k = SSL_get_error(p->ssl, k);
	if (k == SSL_ERROR_SSL || k == SSL_ERROR_SYSCALL) {
		p->failed = 1;
		p->error = ERR_peek_error();
	}
	ERR_clear_error();
}

/* takes what the peer wants to send */
static inline size_t peer_out(struct peer *p, struct buf *out)
{
	char b[4096];
	int k;
	size_t n = 0;

	while ((k = BIO_read(SSL_get_wbio(p->ssl), b, sizeof(b))) > 0) {
		buf_add(out, b, (size_t)k);
		n += (size_t)k;
	}
	return n;
}

static inline void peer_say(struct peer *p, const void *bytes, size_t n)
{
	assert_int_equal(SSL_write(p->ssl, bytes, (int)n), n);
}

/* runs two endpoints against each other until both are silent */
static inline void peers_talk(struct peer *a, struct peer *b)
{
	for (;;) {
		cleanup_buf struct buf x = { 0 }, y = { 0 };
		size_t n = peer_out(a, &x);

		peer_feed(b, x.p, x.n, false);
		n += peer_out(b, &y);
		peer_feed(a, y.p, y.n, false);
		if (!n && !BIO_pending(SSL_get_wbio(a->ssl)))
			return;
	}
}

/* ---- certificates ------------------------------------------------------------------------- */

struct cert_opts {
	const char *cn, *alt; /* alt: "DNS:a,DNS:b", NULL none */
	X509 *issuer;	      /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	bool ca;
	int days_before, days_after; /* notBefore = now - before, notAfter = now + after */
	const EVP_MD *md;	     /* NULL: SHA-256 */
};

static inline X509 *cert_make(const struct cert_opts *o, EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509V3_CTX v;
	X509_EXTENSION *e;
	static long serial = 1;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)o->cn, -1, -1, 0);
	X509_set_issuer_name(x, o->issuer ? X509_get_subject_name(o->issuer) : name);
	X509_time_adj_ex(X509_getm_notBefore(x), -o->days_before, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(x), o->days_after, 0, NULL);
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&v, o->issuer ? o->issuer : x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &v, NID_basic_constraints,
				o->ca ? "critical,CA:TRUE" : "CA:FALSE");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	if (o->alt) {
		e = X509V3_EXT_conf_nid(NULL, &v, NID_subject_alt_name, o->alt);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(x, o->issuer ? o->issuer_key : key, o->md ? o->md : EVP_sha256()));
	return x;
}

#endif
