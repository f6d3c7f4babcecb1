// SPDX-License-Identifier: Apache-2.0
/*
 * gate_watch_tls.c - what real handshakes tell, whatever the pieces they come in; JA4 as published
 */
#include "peer.h"
#include "probe.h"

#include "gate/decode/be.h"
#include "gate/decode/tls.h"

/* ---- conversations of OpenSSL with itself ------------------------------------------------- */

#define SAYINGS 16
struct talk {
	struct buf text[SAYINGS];
	struct said said[SAYINGS];
	int n;
	EVP_PKEY *key;
	X509 *cert;
};

static void keep(struct talk *t, enum dir dir, struct buf *b)
{
	if (!b->n)
		return;
	assert_true(t->n < SAYINGS);
	t->text[t->n] = *b;
	t->said[t->n] = (struct said){ .dir = dir, .bytes = { b->p, b->n } };
	t->n++;
	*b = (struct buf){ 0 };
}

static void talk_free(struct talk *t)
{
	for (int i = 0; i < t->n; i++)
		buf_free(&t->text[i]);
	X509_free(t->cert);
	EVP_PKEY_free(t->key);
}

static int choose_h2(SSL *ssl UNUSED, const unsigned char **out, unsigned char *n,
		     const unsigned char *in, unsigned int in_n, void *ctx UNUSED)
{
	return SSL_select_next_proto((unsigned char **)out, n, (const uint8_t *)"\2h2", 3, in,
				     in_n) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

/* a handshake of @version, with a HelloRetryRequest if @retry, and a question and an answer after
 */
static void talk(struct talk *t, int version, bool retry, const char *wrong_name)
{
	struct cert_opts o = {
		.cn = "leaf, \"of\" Ex\303\266",
		.days_after = 30,
		.alt = "DNS:example.com,DNS:*.example.com,IP:2001:db8::1,email:a@b"
	};
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client = client_ctx(NULL, version, version);
	struct peer c, s;
	struct buf b = { 0 };

	*t = (struct talk){ .key = EVP_EC_gen("P-256") };
	t->cert = cert_make(&o, t->key);
	SSL_CTX_use_certificate(server, t->cert);
	SSL_CTX_use_PrivateKey(server, t->key);
	SSL_CTX_set_security_level(server, 0);
	SSL_CTX_set_min_proto_version(server, TLS1_VERSION);
	SSL_CTX_set_alpn_select_cb(server, choose_h2, NULL);
	SSL_CTX_set_alpn_protos(client, (const uint8_t *)"\2h2\10http/1.1", 12);
	SSL_CTX_set1_groups_list(client, "X25519:P-256");
	SSL_CTX_set1_groups_list(server, retry ? "P-256" : "X25519");
	if (wrong_name) {
		SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
	}
	peer_client(&c, client, "WWW.Example.com");
	peer_init(&s, server, true);
	peer_feed(&c, NULL, 0, false);
	for (int i = 0; i < 8; i++) {
		peer_out(&c, &b);
		if (b.n)
			peer_feed(&s, b.p, b.n, false);
		keep(t, DIR_OUT, &b);
		peer_out(&s, &b);
		if (b.n)
			peer_feed(&c, b.p, b.n, false);
		keep(t, DIR_IN, &b);
		if (i == 3 && !wrong_name) {
			peer_say(&c, "question", 8);
			peer_say(&s, "answer", 6);
		}
	}
	if (!wrong_name)
		assert_true(s.got.n == 8 && c.got.n == 6);
	peer_free(&c);
	peer_free(&s);
}

static void cert_hash(const struct talk *t, char hex[SHA256_HEX])
{
	uint8_t *der = NULL, sum[SHA256_LEN];
	int n = i2d_X509(t->cert, &der);

	sha256_once(der, (size_t)n, sum);
	hex_encode(sum, sizeof(sum), hex);
	OPENSSL_free(der);
}

#define COLUMNS                                                                                    \
	" op version sni alpn cipher quic ech subject issuer names chain_sha256 verdict protocol mismatch "
#define CLIENT_HELLO                                                                               \
	"banner protocol=tls mismatch=%d\n"                                                        \
	"tls op=client-hello version=%s sni=www.example.com alpn=h2,http/1.1 quic=0 ech=0\n"

static void test_tls_1_2_shows_hellos_and_certificate(void **state UNUSED)
{
	struct probe p = { .columns = COLUMNS,
			   .kinds = 1u << EV_TLS | 1u << EV_BANNER | 1u << EV_GAP };
	struct talk t;
	char want[2048], hex[SHA256_HEX];

	talk(&t, TLS1_2_VERSION, false, NULL);
	cert_hash(&t, hex);
	snprintf(want, sizeof(want),
		 CLIENT_HELLO "tls op=server-hello version=TLS 1.2 alpn=h2 "
			      "cipher=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 quic=0\n"
			      "tls op=certificate subject=CN=leaf\\, \\\"of\\\" Ex\303\266 "
			      "issuer=CN=leaf\\, \\\"of\\\" Ex\303\266 "
			      "names=example.com,*.example.com,2001:db8::1,a@b chain_sha256=%s\n",
		 0, "TLS 1.2", hex);
	probe_expect(&p, 443, false, t.said, t.n, want);
	talk_free(&t);
	probe_free(&p);
}

static void test_tls_1_3_is_idle_after_the_server_hello(void **state UNUSED)
{
	struct probe p = { .columns = COLUMNS,
			   .kinds = 1u << EV_TLS | 1u << EV_BANNER | 1u << EV_GAP };
	struct talk t;
	char want[2048];

	talk(&t, TLS1_3_VERSION, false, NULL);
	snprintf(want, sizeof(want),
		 CLIENT_HELLO
		 "tls op=server-hello version=TLS 1.3 cipher=TLS_AES_256_GCM_SHA384 quic=0\n",
		 1, "TLS 1.3");
	probe_expect(&p, 80, false, t.said, t.n, want);
	probe_begin(&p, true, 443, false);
	watch_feed(p.w, t.said[0].dir, 0, t.said[0].bytes.p, t.said[0].bytes.n);
	assert_false(watch_idle(p.w));
	watch_feed(p.w, t.said[1].dir, 0, t.said[1].bytes.p, t.said[1].bytes.n);
	assert_true(watch_idle(p.w));
	probe_end(&p);
	talk_free(&t);
	probe_free(&p);
}

static void test_a_retry_does_not_end_the_reading(void **state UNUSED)
{
	struct probe p = { .columns = " op version verdict ",
			   .kinds = 1u << EV_TLS | 1u << EV_GAP };
	struct talk t;

	talk(&t, TLS1_3_VERSION, true, NULL);
	probe_expect(&p, 443, false, t.said, t.n,
		     "tls op=client-hello version=TLS 1.3\n"
		     "tls op=server-hello version=TLS 1.3 verdict=retry\n"
		     "tls op=client-hello version=TLS 1.3\n"
		     "tls op=server-hello version=TLS 1.3\n");
	talk_free(&t);
	probe_free(&p);
}

static void test_an_alert_in_clear_is_told(void **state UNUSED)
{
	struct probe p = { .columns = " op version verdict ",
			   .kinds = 1u << EV_TLS | 1u << EV_GAP };
	struct talk t;

	talk(&t, TLS1_2_VERSION, false, "wrong");
	probe_expect(&p, 443, false, t.said, t.n,
		     "tls op=client-hello version=TLS 1.2\n"
		     "tls op=server-hello version=TLS 1.2\n"
		     "tls op=certificate\n"
		     "tls op=alert verdict=unknown_ca\n");
	talk_free(&t);
	probe_free(&p);
}

static void test_starttls_is_followed(void **state UNUSED)
{
	struct probe p = { .columns = " op protocol expected sni mismatch ",
			   .kinds = 1u << EV_TLS | 1u << EV_GAP };
	struct said s[SAYINGS + 4] = {
		IN("220 mail.example.com ESMTP\r\n"),
		OUT("EHLO me\r\nSTARTTLS\r\n"),
		IN("250-STARTTLS\r\n220 go\r\n"),
	};
	struct talk t;

	talk(&t, TLS1_3_VERSION, false, NULL);
	memcpy(s + 3, t.said, sizeof(t.said[0]) * (size_t)t.n);
	probe_expect(&p, 25, false, s, 3 + t.n,
		     "tls op=client-hello sni=www.example.com\ntls op=server-hello\n");
	p.kinds = 1u << EV_BANNER;
	probe_expect(&p, 25, false, s, 3 + t.n, "banner protocol=smtp expected=smtp mismatch=0\n");
	talk_free(&t);
	probe_free(&p);
}

/* ---- hellos of our own -------------------------------------------------------------------- */

struct list {
	const uint16_t *v;
	size_t n;
};
#define LIST(...)                                                                                  \
	{                                                                                          \
		(const uint16_t[]){ __VA_ARGS__ }, ARRAY_SIZE(((const uint16_t[]){ __VA_ARGS__ })) \
	}

struct hello_row {
	uint16_t version;
	struct list suites, extensions, signatures, versions;
	struct str alpn; /* first value */
	const char *ja4;
};

static size_t make_hello(const struct hello_row *h, uint8_t *out, size_t room)
{
	struct wr w = { out, out + room, false };
	uint8_t *extensions;

	wr_be16(&w, h->version);
	for (int i = 0; i < 32; i++)
		wr_u8(&w, (uint8_t)i);
	wr_u8(&w, 0);
	wr_be16(&w, (uint16_t)(2 * h->suites.n));
	for (size_t i = 0; i < h->suites.n; i++)
		wr_be16(&w, h->suites.v[i]);
	wr_u8(&w, 1);
	wr_u8(&w, 0);
	extensions = w.p;
	wr_be16(&w, 0);
	for (size_t i = 0; i < h->extensions.n; i++) {
		const struct list *l = h->extensions.v[i] == 13	  ? &h->signatures
				       : h->extensions.v[i] == 43 ? &h->versions
								  : NULL;

		wr_be16(&w, h->extensions.v[i]);
		if (l) {
			wr_be16(&w, (uint16_t)(2 * l->n + (l == &h->signatures ? 2 : 1)));
			if (l == &h->signatures)
				wr_be16(&w, (uint16_t)(2 * l->n));
			else
				wr_u8(&w, (uint8_t)(2 * l->n));
			for (size_t k = 0; k < l->n; k++)
				wr_be16(&w, l->v[k]);
		} else if (h->extensions.v[i] == 16) {
			wr_be16(&w, (uint16_t)(h->alpn.n + 3));
			wr_be16(&w, (uint16_t)(h->alpn.n + 1));
			wr_u8(&w, (uint8_t)h->alpn.n);
			wr_bytes(&w, h->alpn.p, h->alpn.n);
		} else {
			wr_be16(&w, 0);
		}
	}
	extensions[0] = (uint8_t)((w.p - extensions - 2) >> 8);
	extensions[1] = (uint8_t)(w.p - extensions - 2);
	assert_false(w.bad);
	return (size_t)(w.p - out);
}

/* the first is the example of the specification; the others its rules, with hashes of sha256sum(1)
 */
static const struct hello_row rows[] = {
	{ .version = 0x0303,
	  .suites = LIST(0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
			 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035),
	  .extensions = LIST(0x8a8a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
			     0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015),
	  .signatures = LIST(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
	  .versions = LIST(0xfafa, 0x0304, 0x0303),
	  .alpn = STR("h2"),
	  .ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1" },
	{ .version = 0x0301,
	  .suites = LIST(0x002f),
	  .extensions = LIST(0x0010),
	  .alpn = STR("\x30\x31\xab\xcd"),
	  .ja4 = "t10i01013d_ba72b8082249_000000000000" },
	{ .version = 0x0300,
	  .alpn = STR(""),
	  .extensions = LIST(0x0010, 0x0016),
	  .ja4 = "ts3i000200_000000000000_d5153a8e6fa6" },
};

static void test_ja4_is_as_published(void **state UNUSED)
{
	uint8_t m[1024];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hello h;
		size_t n = make_hello(&rows[i], m, sizeof(m));

		assert_int_equal(tls_client_hello(m, n, false, &h), 0);
		assert_string_equal(h.ja4, rows[i].ja4);
		assert_int_equal(tls_client_hello(m, n, true, &h), 0);
		assert_int_equal(h.ja4[0], 'q');
	}
}

static void test_the_first_bytes_are_enough_or_refused(void **state UNUSED)
{
	struct talk t;
	struct hello h;
	uint8_t split[4096];
	size_t n = 0;

	talk(&t, TLS1_3_VERSION, false, NULL);
	for (size_t k = 0; k <= t.said[0].bytes.n; k++) {
		uint8_t *exact = malloc(k ? k : 1);

		memcpy(exact, t.said[0].bytes.p, k);
		assert_int_equal(hello_read_tls(exact, k, &h), k == t.said[0].bytes.n);
		free(exact);
	}
	assert_string_equal(h.sni, "www.example.com");
	assert_string_equal(h.alpn, "h2,http/1.1");
	assert_int_equal(h.version, 0x0304);
	/* the same in records of one byte of handshake each */
	for (size_t i = TLS_RECORD_HEAD; i < t.said[0].bytes.n && n + 6 <= sizeof(split); i++) {
		memcpy(split + n, "\x16\3\1\0\1", 5);
		split[n + 5] = (uint8_t)t.said[0].bytes.p[i];
		n += 6;
	}
	assert_int_equal(hello_read_tls(split, n, &h), 1);
	assert_string_equal(h.sni, "www.example.com");
	assert_int_equal(hello_read_tls("GET / HTTP/1.1\r\n", 16, &h), -EBADMSG);
	assert_int_equal(hello_read_tls("\x16\3\1\0\5\2\0\0\1\0", 10, &h), -EBADMSG);
	assert_int_equal(hello_read_tls("\x16\3\1\xff\xff\1", 6, &h), -EBADMSG);
	assert_int_equal(hello_read_tls("\x16\3\1\0\4\1\1\0\0", 9, &h), -EBADMSG);
	talk_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_1_2_shows_hellos_and_certificate),
		cmocka_unit_test(test_tls_1_3_is_idle_after_the_server_hello),
		cmocka_unit_test(test_a_retry_does_not_end_the_reading),
		cmocka_unit_test(test_an_alert_in_clear_is_told),
		cmocka_unit_test(test_starttls_is_followed),
		cmocka_unit_test(test_ja4_is_as_published),
		cmocka_unit_test(test_the_first_bytes_are_enough_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
