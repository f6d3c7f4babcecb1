// SPDX-License-Identifier: Apache-2.0
/*
 * ca.c - the box's certificate authority, and servers with leaves of it
 *
 * Theory of operation
 *
 * One SSL_CTX serves all sessions: a context a name would cost about 30 times the memory of a
 * certificate, and a program can ask for thousands of names. The certificate is chosen when the
 * ClientHello has been read (SSL_CTX_set_cert_cb). All leaves share one key, which is made at the
 * start and never written down; so a leaf is one signature.
 *
 * Leaves are as long valid as the CA. The box's clock can be years ahead of ours, or behind it, and
 * a certificate that does not hold in box time would change what the program does.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <uthash.h>

#include "gate/gate.h"
#include "gate/tls/ca.h"

#define CA_SINCE	"19900101000000Z" /* SESSION_DATE_MIN of session.h */
#define CA_DAYS_AFTER	(20 * 365 + 5)
#define CA_PEM_MAX	16384
#define DNS_NAME_MAX	253
#define COMMON_NAME_MAX 64 /* RFC 5280 A.1: ub-common-name */

struct leaf {
	UT_hash_handle hh; /* in the order of their making */
	X509 *cert;
	char key[]; /* "name/ip" */
};

struct ca {
	EVP_PKEY *key, *leaf_key;
	X509 *cert;
	char *pem;
	SSL_CTX *ctx;
	struct leaf *leaves;
};

void tls_library_init(void)
{
	uint8_t b[16];

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
				 OPENSSL_INIT_ADD_ALL_DIGESTS,
			 NULL);
	RAND_bytes(b, sizeof(b)); /* seeds; later seeds come from getrandom(2) */
}

/* ---- certificates ------------------------------------------------------------------------- */

static int add_text_extension(X509 *x, X509V3_CTX *v, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, v, nid, value);
	int ok = e && X509_add_ext(x, e, -1);

	X509_EXTENSION_free(e);
	return ok;
}

static int set_serial(X509 *x)
{
	uint8_t b[16];
	BIGNUM *n;
	int ok;

	if (RAND_bytes(b, sizeof(b)) != 1)
		return 0;
	b[0] = (b[0] & 0x7f) | 0x40; /* positive, and always of the same length */
	n = BN_bin2bn(b, sizeof(b), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok;
}

static int set_common_name(X509 *x, const char *cn)
{
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
					  (const uint8_t *)cn, -1, -1, 0);
}

static X509 *ca_certificate(EVP_PKEY *key, const char *box_name)
{
	char cn[COMMON_NAME_MAX + 1];
	X509 *x = X509_new();
	X509V3_CTX v;
	int ok;

	if (!x)
		return NULL;
	snprintf(cn, sizeof(cn), "belljar box CA%s%s", *box_name ? " " : "", box_name);
	X509V3_set_ctx(&v, x, x, NULL, NULL, 0);
	ok = X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_common_name(x, cn) &&
	     X509_set_issuer_name(x, X509_get_subject_name(x)) &&
	     ASN1_TIME_set_string_X509(X509_getm_notBefore(x), CA_SINCE) &&
	     X509_time_adj_ex(X509_getm_notAfter(x), CA_DAYS_AFTER, 0, NULL) &&
	     X509_set_pubkey(x, key) &&
	     add_text_extension(x, &v, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	     add_text_extension(x, &v, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	     add_text_extension(x, &v, NID_subject_key_identifier, "hash") &&
	     X509_sign(x, key, EVP_sha256());
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* The name comes from the program: it is put into the structure as it is, never parsed as a
 * configuration value. */
static int add_alt_name(GENERAL_NAMES *names, int type, const void *p, int n)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();

	if (!g || !s || !ASN1_STRING_set(s, p, n)) {
		GENERAL_NAME_free(g);
		ASN1_STRING_free(s);
		return 0;
	}
	GENERAL_NAME_set0_value(g, type, s);
	if (!sk_GENERAL_NAME_push(names, g)) {
		GENERAL_NAME_free(g);
		return 0;
	}
	return 1;
}

static int add_names(X509 *x, const char *name, const char *ip_text)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	uint8_t ip[16];
	int ok = names != NULL;

	if (ok && *name)
		ok = add_alt_name(names, GEN_DNS, name, (int)strlen(name));
	if (ok && inet_pton(AF_INET, ip_text, ip) == 1)
		ok = add_alt_name(names, GEN_IPADD, ip, 4);
	else if (ok && inet_pton(AF_INET6, ip_text, ip) == 1)
		ok = add_alt_name(names, GEN_IPADD, ip, 16);
	if (ok && sk_GENERAL_NAME_num(names))
		ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) == 1;
	GENERAL_NAMES_free(names);
	return ok;
}

static X509 *leaf_certificate(struct ca *ca, const char *name, const char *ip_text)
{
	const char *cn = *name ? name : *ip_text ? ip_text : "unknown";
	X509 *x = X509_new();
	X509V3_CTX v;
	int ok;

	if (!x)
		return NULL;
	X509V3_set_ctx(&v, ca->cert, x, NULL, NULL, 0);
	ok = X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
	     (strlen(cn) > COMMON_NAME_MAX || set_common_name(x, cn)) &&
	     X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) &&
	     X509_set1_notBefore(x, X509_get0_notBefore(ca->cert)) &&
	     X509_set1_notAfter(x, X509_get0_notAfter(ca->cert)) &&
	     X509_set_pubkey(x, ca->leaf_key) &&
	     add_text_extension(x, &v, NID_basic_constraints, "critical,CA:FALSE") &&
	     add_text_extension(x, &v, NID_key_usage, "critical,digitalSignature") &&
	     add_text_extension(x, &v, NID_ext_key_usage, "serverAuth") &&
	     add_text_extension(x, &v, NID_authority_key_identifier, "keyid") &&
	     add_names(x, name, ip_text) && X509_sign(x, ca->key, EVP_sha256());
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* ---- leaves on demand --------------------------------------------------------------------- */

static void leaf_free(struct ca *ca, struct leaf *l)
{
	HASH_DEL(ca->leaves, l);
	X509_free(l->cert);
	free(l);
}

/* borrowed until the next call */
static X509 *leaf_for(struct ca *ca, const char *name, const char *ip_text)
{
	char key[DNS_NAME_MAX + 1 + INET6_ADDRSTRLEN + 1];
	struct leaf *l;

	snprintf(key, sizeof(key), "%s/%s", name, ip_text);
	HASH_FIND_STR(ca->leaves, key, l);
	if (l)
		return l->cert;
	if (HASH_COUNT(ca->leaves) >= CA_LEAVES_MAX)
		leaf_free(ca, ca->leaves);
	l = xcalloc(1, sizeof(*l) + strlen(key) + 1);
	strcpy(l->key, key);
	l->cert = leaf_certificate(ca, name, ip_text);
	if (!l->cert) {
		free(l);
		return NULL;
	}
	HASH_ADD_STR(ca->leaves, key, l);
	return l->cert;
}

/* What may stand in a certificate as a DNS name; '_' is no host name but is in use. */
static bool name_usable(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > DNS_NAME_MAX || name[0] == '.' || strstr(name, ".."))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
	       n;
}

static int choose_certificate(SSL *ssl, void *arg)
{
	struct ca *ca = arg;
	const struct ca_session *s = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	uint8_t ip[16];
	X509 *cert;

	if (!name || !name_usable(name))
		name = s->name;
	if (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1)
		cert = leaf_for(ca, "", name);
	else if (name_usable(name))
		cert = leaf_for(ca, name, name == s->name ? s->ip_text : "");
	else
		cert = leaf_for(ca, "", s->ip_text);
	return cert && SSL_use_certificate(ssl, cert) == 1 &&
	       SSL_use_PrivateKey(ssl, ca->leaf_key) == 1;
}

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_n, const uint8_t *in,
		       unsigned in_n, void *arg UNUSED)
{
	const struct ca_session *s = SSL_get_app_data(ssl);

	for (const char *p = s->alpn; p && *p;) {
		size_t n = strcspn(p, ",");

		for (unsigned i = 0; i < in_n && in[i] < in_n - i; i += 1u + in[i]) {
			if (in[i] == n && !memcmp(in + i + 1, p, n)) {
				*out = in + i + 1;
				*out_n = in[i];
				return SSL_TLSEXT_ERR_OK;
			}
		}
		p += n + (p[n] == ',');
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static void give_keylog(const SSL *ssl, const char *line)
{
	const struct ca_session *s = SSL_get_app_data(ssl);

	if (s->keylog)
		s->keylog(s->ctx, line);
}

static SSL_CTX *server_context(struct ca *ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0); /* TLS 1.0 and 1.1 sign with SHA-1 */
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cert_cb(ctx, choose_certificate, ca);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	SSL_CTX_set_keylog_callback(ctx, give_keylog);
	return ctx;
}

struct ssl_st *ca_server(struct ca *ca, const struct ca_session *s)
{
	SSL *ssl = SSL_new(ca->ctx);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, (void *)s);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- on disk ------------------------------------------------------------------------------ */

static int write_bio(int dirfd, const char *name, mode_t mode, BIO *bio, struct err *err)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	int rc = write_file_at(dirfd, name, mode, p, (size_t)n);

	return rc ? err_set(err, rc, "gate: write '%s' of the box's certificate authority", name)
		  : 0;
}

int ca_make(int box_dirfd, const char *box_name, struct err *err)
{
	EVP_PKEY *key;
	X509 *cert;
	BIO *key_pem = NULL, *cert_pem = NULL;
	int rc = 0;

	if (!faccessat(box_dirfd, "ca.pem", F_OK, 0) && !faccessat(box_dirfd, "ca.key", F_OK, 0))
		return 0;
	tls_library_init();
	key = EVP_EC_gen("P-256");
	cert = key ? ca_certificate(key, box_name) : NULL;
	key_pem = BIO_new(BIO_s_mem());
	cert_pem = BIO_new(BIO_s_mem());
	if (!cert || !key_pem || !cert_pem ||
	    !PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) ||
	    !PEM_write_bio_X509(cert_pem, cert))
		rc = err_set(err, ENOMEM, "gate: make the box's certificate authority");
	/* the key first: a certificate without its key is made anew, see above */
	if (!rc)
		rc = write_bio(box_dirfd, "ca.key", 0600, key_pem, err);
	if (!rc)
		rc = write_bio(box_dirfd, "ca.pem", 0644, cert_pem, err);
	BIO_free(key_pem);
	BIO_free(cert_pem);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

int gate_box_ca(int box_dirfd, const char *box_name, struct gate_ca *ret, struct err *err)
{
	struct gate_ca ca = { 0 };
	size_t n = 0;
	BIO *b;
	X509 *x = NULL;
	int rc = ca_make(box_dirfd, box_name, err), len;

	if (rc)
		return rc;
	rc = read_file_at(box_dirfd, "ca.pem", CA_PEM_MAX, &ca.pem, &n);
	if (rc)
		return err_set(err, rc, "gate: read 'ca.pem' of the box");
	b = BIO_new_mem_buf(ca.pem, (int)n);
	x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	BIO_free(b);
	len = x ? i2d_X509(x, NULL) : -1;
	if (len <= 0) {
		ERR_clear_error();
		free(ca.pem);
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG, "gate: read 'ca.pem' of the box");
	}
	ca.der = xmalloc((size_t)len);
	ca.der_n = (size_t)len;
	i2d_X509(x, &(uint8_t *){ ca.der });
	snprintf(ca.hash, sizeof(ca.hash), "%08lx.0", X509_subject_name_hash(x));
	X509_free(x);
	*ret = ca;
	return 0;
}

void gate_ca_clear(struct gate_ca *ca)
{
	free(ca->pem);
	free(ca->der);
	*ca = (struct gate_ca){ 0 };
}

static int load(struct ca *ca, int dirfd, struct err *err)
{
	cleanup_free char *key = NULL;
	size_t key_n = 0, pem_n = 0;
	BIO *b;
	int rc;

	rc = read_file_at(dirfd, "ca.key", CA_PEM_MAX, &key, &key_n);
	if (rc)
		return err_set(err, rc, "gate: read 'ca.key' of the box");
	rc = read_file_at(dirfd, "ca.pem", CA_PEM_MAX, &ca->pem, &pem_n);
	if (rc)
		return err_set(err, rc, "gate: read 'ca.pem' of the box");
	b = BIO_new_mem_buf(key, (int)key_n);
	ca->key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)"") : NULL;
	BIO_free(b);
	OPENSSL_cleanse(key, key_n);
	b = BIO_new_mem_buf(ca->pem, (int)pem_n);
	ca->cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	BIO_free(b);
	if (!ca->key || !ca->cert || X509_check_private_key(ca->cert, ca->key) != 1) {
		ERR_clear_error();
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "gate: ca.key and ca.pem in the box's folder are no "
				    "certificate authority; with both removed a new one is made");
	}
	return 0;
}

int ca_open(int box_dirfd, struct ca **ret, struct err *err)
{
	struct ca *ca;
	int rc = ca_make(box_dirfd, "", err);

	if (rc)
		return rc;
	tls_library_init();
	ca = xcalloc(1, sizeof(*ca));
	rc = load(ca, box_dirfd, err);
	if (!rc) {
		ca->leaf_key = EVP_EC_gen("P-256");
		ca->ctx = ca->leaf_key ? server_context(ca) : NULL;
		if (!ca->ctx)
			rc = err_set(err, ENOMEM, "gate: prepare a TLS server");
	}
	if (rc) {
		ca_free(ca);
		return rc;
	}
	*ret = ca;
	return 0;
}

const char *ca_pem(const struct ca *ca)
{
	return ca->pem;
}

void ca_free(struct ca *ca)
{
	struct leaf *l, *next;

	if (!ca)
		return;
	HASH_ITER(hh, ca->leaves, l, next)
	leaf_free(ca, l);
	SSL_CTX_free(ca->ctx);
	EVP_PKEY_free(ca->key);
	EVP_PKEY_free(ca->leaf_key);
	X509_free(ca->cert);
	free(ca->pem);
	free(ca);
}
