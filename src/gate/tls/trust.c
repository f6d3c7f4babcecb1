// SPDX-License-Identifier: Apache-2.0
/*
 * trust.c - the host's trust store, and TLS sessions with servers that must hold before it
 *
 * Strict: chain to the store, name, validity, no signature weaker than 112 bits (no MD5, SHA-1 or
 * RSA below 2048), TLS 1.2 or newer, and a key exchange in which the server proves that it has the
 * certificate's key before the handshake ends (no RSA key transport). No tickets and no session
 * cache, so that each handshake shows the certificate again.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gate/decode/be.h"
#include "gate/decode/tls.h"
#include "gate/tls/ca.h"
#include "gate/tls/trust.h"

#define BUNDLE_MAX  (16u << 20)
#define TRUST_LEVEL 2 /* OpenSSL's: 112 bits */

struct trust {
	SSL_CTX *ctx;
	char *pem; /* the bundle until it is needed, then NULL */
};

static struct upstream *upstream_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* ---- verification ------------------------------------------------------------------------- */

/* The chain as TLS 1.2 sends it, for the reader of certificates. */
static void write_chain(X509 *leaf, STACK_OF(X509) * chain, struct buf *out)
{
	cleanup_buf struct buf list = { 0 };
	int n = sk_X509_num(chain);

	for (int i = -1; i < n && i < TLS_CHAIN_MAX; i++) {
		X509 *x = i < 0 ? leaf : sk_X509_value(chain, i);
		uint8_t *der = NULL;
		int len;

		if (i >= 0 && x == leaf)
			continue; /* what a server sends begins with it */
		len = i2d_X509(x, &der);
		if (len > 0) {
			uint8_t head[3] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8),
					    (uint8_t)len };

			buf_add(&list, head, 3);
			buf_add(&list, der, (size_t)len);
		}
		OPENSSL_free(der);
	}
	buf_add(out,
		(uint8_t[3]){ (uint8_t)(list.n >> 16), (uint8_t)(list.n >> 8), (uint8_t)list.n },
		3);
	buf_add(out, list.p, list.n);
}

static void explain(char why[256], const char *name, int error, const struct event *ev)
{
	const struct val *names = &ev->v[EV_AT(TLS, NAMES)];
	const struct val *subject = &ev->v[EV_AT(TLS, SUBJECT)];
	const struct str *shown = names->type == VAL_TEXT ? &names->s : &subject->s;
	const struct str end = ev->v[EV_AT(TLS, NOT_AFTER)].s;
	int n = shown->n < 80 ? (int)shown->n : 80;

	switch (error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		snprintf(why, 256, "the certificate is for %.*s, not for %.100s", n,
			 shown->p ? shown->p : "", name);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		snprintf(why, 256, "the certificate ended at %.*s", (int)end.n, end.p ? end.p : "");
		return;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		snprintf(why, 256,
			 "nobody whom this machine trusts has signed the certificate (%s)",
			 X509_verify_cert_error_string(error));
		return;
	default:
		snprintf(why, 256, "the certificate does not hold: %s",
			 X509_verify_cert_error_string(error));
	}
}

static int verify(X509_STORE_CTX *store, void *arg UNUSED)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct upstream *u = upstream_of(ssl);
	cleanup_buf struct buf chain = { 0 }, scratch = { 0 };
	struct event ev;
	bool good = X509_verify_cert(store) == 1 && X509_STORE_CTX_get_error(store) == X509_V_OK;

	write_chain(X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_untrusted(store), &chain);
	if (tls_event_certificate(u->facts, (uint8_t *)chain.p, chain.n, &scratch, &ev))
		ev = (struct event){ .kind = EV_TLS };
	if (!good) {
		explain(u->why, u->name, X509_STORE_CTX_get_error(store), &ev);
		u->state = UPSTREAM_BAD;
	}
	u->verified = good;
	ev.t = UINT64_MAX;
	ev.v[EV_AT(TLS, SNI)] = V_Z(u->name);
	ev.v[EV_AT(TLS, SIDE)] = V_Z("upstream");
	ev.v[EV_AT(TLS, VERDICT)] = V_Z(good ? "ok" : u->why);
	emit_event(u->emit, &ev);
	return good;
}

/* Asked for a certificate of the program's, which we do not have: the handshake stops here. */
static int client_certificate(SSL *ssl, X509 **x UNUSED, EVP_PKEY **key UNUSED)
{
	upstream_of(ssl)->state = UPSTREAM_CLIENT_CERT;
	return -1;
}

static void give_keylog(const SSL *ssl, const char *line)
{
	struct upstream *u = upstream_of(ssl);

	if (u->keylog)
		u->keylog(u->ctx, line);
}

/* ---- the store ---------------------------------------------------------------------------- */

static bool has_certificates(const char *pem)
{
	return strstr(pem, "-----BEGIN CERTIFICATE-----") || strstr(pem, "-----BEGIN TRUSTED CERT");
}

static int read_bundle(char **ret, struct err *err)
{
	const char *named = getenv("SSL_CERT_FILE");
	char *text = NULL;

	if (named && *named) {
		if (!read_file_at(AT_FDCWD, named, BUNDLE_MAX, &text, NULL) &&
		    has_certificates(text)) {
			*ret = text;
			return 0;
		}
		free(text);
		return err_set_exit(err, EXIT_UNREADABLE, EINVAL,
				    "gate: read the certificates of SSL_CERT_FILE '%s'", named);
	}
	for (const char *const *path = trusted_bundles; *path; path++) {
		if (!read_file_at(AT_FDCWD, *path, BUNDLE_MAX, &text, NULL) &&
		    has_certificates(text)) {
			*ret = text;
			return 0;
		}
		free(steal_ptr(&text));
	}
	return 0; /* nobody is trusted, so no certificate holds; `belljar doctor` tells */
}

/* At the first use: most runs never look, and a hundred and forty certificates take longer than a
 * box does. */
static void parse_bundle(struct trust *t)
{
	BIO *b = t->pem ? BIO_new_mem_buf(t->pem, -1) : NULL;
	X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
	X509 *x;

	while (b && (x = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL))) {
		X509_STORE_add_cert(store, x);
		X509_free(x);
	}
	ERR_clear_error();
	BIO_free(b);
	free(steal_ptr(&t->pem));
}

int trust_open(struct trust **ret, struct err *err)
{
	struct trust *t;
	SSL_CTX *ctx;
	char *pem = NULL;
	int rc;

	tls_library_init();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return err_set(err, ENOMEM, "gate: prepare a TLS client");
	rc = read_bundle(&pem, err);
	if (rc) {
		SSL_CTX_free(ctx);
		return rc;
	}
	SSL_CTX_set_security_level(ctx, TRUST_LEVEL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "DEFAULT:!kRSA");
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	SSL_CTX_set_client_cert_cb(ctx, client_certificate);
	SSL_CTX_set_keylog_callback(ctx, give_keylog);
	t = xcalloc(1, sizeof(*t));
	t->ctx = ctx;
	t->pem = pem;
	*ret = t;
	return 0;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t->pem);
	free(t);
}

/* ---- one session -------------------------------------------------------------------------- */

/* "h2,http/1.1" as in the extension (RFC 7301 3.1); 0 for what cannot be said again */
static size_t alpn_wire(const char *list, uint8_t out[256])
{
	size_t k = 0;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");

		if (n && n < 64 && k + 1 + n < 256) {
			out[k] = (uint8_t)n;
			memcpy(out + k + 1, p, n);
			k += 1 + n;
		}
		p += n + (p[n] == ',');
	}
	return k;
}

/* The certificate must be for it. */
static bool want_name(X509_VERIFY_PARAM *param, const char *name)
{
	uint8_t ip[16];

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name);
	/* to OpenSSL a leading dot means any name below */
	return name[0] && name[0] != '.' && X509_VERIFY_PARAM_set1_host(param, name, 0);
}

static void set_name(struct upstream *u, const char *sni)
{
	char ip[ADDR_TEXT_MAX] = "";
	const char *name = sni;
	size_t n;

	if (!*name)
		name = u->facts->name;
	if (!*name)
		name = addr_text(&u->facts->dst, ip) ? ip : "";
	snprintf(u->name, sizeof(u->name), "%s", name);
	n = strlen(u->name);
	if (n > 1 && u->name[n - 1] == '.')
		u->name[n - 1] = 0;
}

int upstream_init(struct upstream *u, struct trust *t, const char *sni, const char *alpn)
{
	uint8_t wire[256];
	size_t n = alpn_wire(alpn, wire);
	bool ok;

	if (t->pem)
		parse_bundle(t);
	u->ssl = SSL_new(t->ctx);
	if (!u->ssl)
		return -1;
	SSL_set_app_data(u->ssl, u);
	SSL_set_bio(u->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(u->ssl), -1);
	SSL_set_connect_state(u->ssl);
	set_name(u, sni);
	ok = want_name(SSL_get0_param(u->ssl), u->name);
	if (ok && *sni)
		ok = SSL_set_tlsext_host_name(u->ssl, sni);
	if (ok && n)
		ok = !SSL_set_alpn_protos(u->ssl, wire, (unsigned)n);
	return ok ? 0 : -1;
}

/* ---- a chain that somebody else was shown ------------------------------------------------- */

/* Return: the leaf; the others go to @chain, at most TLS_CHAIN_MAX */
static X509 *read_chain(const uint8_t *p, size_t n, STACK_OF(X509) * chain)
{
	struct rd r = { p, p + n, false }, list = rd_sub(&r, rd_be24(&r));
	X509 *leaf = NULL;

	while (rd_left(&list) && sk_X509_num(chain) < TLS_CHAIN_MAX) {
		struct rd cert = rd_sub(&list, rd_be24(&list));
		const uint8_t *der = cert.p;
		X509 *x = cert.bad ? NULL : d2i_X509(NULL, &der, (long)rd_left(&cert));

		if (!x && !leaf)
			return NULL;
		if (!leaf)
			leaf = x;
		else if (x && !sk_X509_push(chain, x))
			X509_free(x);
	}
	return leaf;
}

bool trust_holds(struct trust *t, const struct flow_facts *f, const char *sni, const uint8_t *p,
		 size_t n, char why[256])
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();
	cleanup_buf struct buf scratch = { 0 };
	struct event ev;
	X509 *leaf = chain ? read_chain(p, n, chain) : NULL;
	X509_VERIFY_PARAM *param = NULL;
	bool holds = false;

	if (t->pem)
		parse_bundle(t);
	snprintf(why, 256, "the certificate cannot be read");
	if (leaf && store &&
	    X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(t->ctx), leaf, chain) &&
	    X509_STORE_CTX_set_default(store, "ssl_server"))
		param = X509_STORE_CTX_get0_param(store);
	if (param && want_name(param, sni)) {
		X509_VERIFY_PARAM_set_auth_level(param, TRUST_LEVEL);
		holds = X509_verify_cert(store) == 1 &&
			X509_STORE_CTX_get_error(store) == X509_V_OK;
		if (tls_event_certificate(f, p, n, &scratch, &ev))
			ev = (struct event){ .kind = EV_TLS };
		if (!holds)
			explain(why, sni, X509_STORE_CTX_get_error(store), &ev);
	}
	ERR_clear_error();
	X509_STORE_CTX_free(store);
	sk_X509_pop_free(chain, X509_free);
	X509_free(leaf);
	return holds;
}

/* ---- the session goes on ------------------------------------------------------------------ */

void upstream_feed(struct upstream *u, const void *p, size_t n, bool eof)
{
	if (n)
		BIO_write(SSL_get_rbio(u->ssl), p, (int)n);
	if (eof)
		BIO_set_mem_eof_return(SSL_get_rbio(u->ssl), 0);
}

int tls_alert_of(void)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256
		       ? reason - SSL_AD_REASON_OFFSET
		       : -1;
}

void tls_flush(struct ssl_st *ssl, struct buf *out)
{
	BIO *b = SSL_get_wbio(ssl);
	char *p;
	long n = BIO_get_mem_data(b, &p);

	if (n > 0)
		buf_add(out, p, (size_t)n);
	(void)BIO_reset(b);
}

static void tell_agreed(struct upstream *u)
{
	struct server_hello h = { .version = (uint16_t)SSL_version(u->ssl) };
	const uint8_t *alpn;
	unsigned n;
	char buf[32];
	struct event ev;

	h.cipher = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(u->ssl));
	SSL_get0_alpn_selected(u->ssl, &alpn, &n);
	snprintf(h.alpn, sizeof(h.alpn), "%.*s", (int)n, (const char *)alpn);
	tls_event_server(u->facts, &h, false, buf, &ev);
	ev.t = UINT64_MAX;
	ev.v[EV_AT(TLS, SIDE)] = V_Z("upstream");
	emit_event(u->emit, &ev);
}

static void tell_broken(struct upstream *u)
{
	unsigned long e = ERR_peek_error();
	int alert = tls_alert_of();
	const char *reason = ERR_reason_error_string(e);
	char buf[16];

	u->state = UPSTREAM_BROKEN;
	if (alert >= 0)
		snprintf(u->why, sizeof(u->why), "the server ended the handshake: %s",
			 tls_alert_name((uint8_t)alert, buf));
	else
		snprintf(u->why, sizeof(u->why), "no TLS handshake with the server: %s",
			 reason ? reason : "it closed the connection");
}

enum upstream_state upstream_handshake(struct upstream *u)
{
	int k, why;

	if (u->state != UPSTREAM_GOING)
		return u->state;
	ERR_clear_error();
	k = SSL_do_handshake(u->ssl);
	why = SSL_get_error(u->ssl, k);
	if (k == 1) {
		u->state = u->verified ? UPSTREAM_READY : UPSTREAM_BROKEN;
		tell_agreed(u);
	} else if (u->state == UPSTREAM_GOING && why != SSL_ERROR_WANT_READ &&
		   why != SSL_ERROR_WANT_WRITE) {
		tell_broken(u);
	} else if (u->state == UPSTREAM_CLIENT_CERT) {
		snprintf(u->why, sizeof(u->why), "the server wants a client certificate");
	}
	ERR_clear_error();
	return u->state;
}

void upstream_free(struct upstream *u)
{
	SSL_free(u->ssl);
	u->ssl = NULL;
}
