// SPDX-License-Identifier: Apache-2.0
/*
 * gate_quic.c - QUIC's own examples of keys; hellos in pieces, in several packets and datagrams,
 * after a Retry, beside other packets
 */
#include "probe.h"

#include "gate/decode/quic.c"

/* RFC 9001 A.1, RFC 9369 A.1: connection id 0x8394c8f03e515708 */
static void test_keys_are_those_of_the_examples(void **state UNUSED)
{
	static const struct {
		unsigned version;
		enum dir dir;
		const char *key, *iv, *hp;
	} rows[] = {
		{ 1, DIR_OUT, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
		  "9f50449e04a0e810283a1e9933adedd2" },
		{ 1, DIR_IN, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e",
		  "c206b8d9b9f0f37644430b490eeaa314" },
		{ 0x6b3343cf, DIR_OUT, "8b1a0bc121284290a29e0971b5cd045d",
		  "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9" },
	};
	static const uint8_t id[] = { 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct keys k[2];
		char hex[2 * KEY_N + 1];

		assert_true(derive(version_of(rows[i].version), id, sizeof(id), k));
		hex_encode(k[rows[i].dir].key, KEY_N, hex);
		assert_string_equal(hex, rows[i].key);
		hex_encode(k[rows[i].dir].iv, IV_N, hex);
		assert_string_equal(hex, rows[i].iv);
		hex_encode(k[rows[i].dir].hp, KEY_N, hex);
		assert_string_equal(hex, rows[i].hp);
	}
}

/* RFC 9000 A.3, and the ends of the range */
static void test_packet_numbers_are_made_whole(void **state UNUSED)
{
	assert_int_equal(whole_number(0xa82f30eb, 0x9b32, 2), 0xa82f9b32);
	assert_int_equal(whole_number(0, 0, 1), 0);
	assert_int_equal(whole_number(0, 0xff, 1), 0xff);
	assert_int_equal(whole_number(0x100, 0xff, 1), 0xff);
	assert_int_equal(whole_number(0xff, 0x01, 1), 0x101);
	assert_int_equal(whole_number((1ull << 62) - 1, 0, 1), (1ull << 62) - 256);
}

/* ---- packets of our own ------------------------------------------------------------------- */

struct initial {
	unsigned version;
	const char *id;	      /* eight bytes, from which the keys are */
	const char *shown_id; /* NULL: the same */
	enum dir dir;
	uint32_t number;
	struct str token;
};

static void add_packet(struct buf *out, const struct initial *o, const void *plain, size_t n)
{
	const struct version *v = version_of(o->version);
	uint8_t p[2048], iv[IV_N], m[SAMPLE_N], *number;
	struct wr w = { p, p + sizeof(p), false };
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	struct keys keys[2], *k = &keys[o->dir];
	int len;

	assert_true(derive(v, (const uint8_t *)o->id, 8, keys));
	wr_u8(&w, (uint8_t)(0xc3 | v->initial << 4));
	wr_be32(&w, o->version);
	wr_u8(&w, 8);
	wr_bytes(&w, o->shown_id ? o->shown_id : o->id, 8);
	wr_u8(&w, 0);
	wr_u8(&w, (uint8_t)o->token.n);
	wr_bytes(&w, o->token.p, o->token.n);
	wr_be16(&w, (uint16_t)(0x4000 | (4 + n + TAG_N)));
	number = w.p;
	wr_be32(&w, o->number);
	memcpy(iv, k->iv, IV_N);
	for (int i = 0; i < 4; i++)
		iv[8 + i] ^= number[i];
	EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, iv);
	EVP_EncryptUpdate(c, NULL, &len, p, (int)(w.p - p));
	EVP_EncryptUpdate(c, w.p, &len, plain, (int)n);
	EVP_EncryptFinal_ex(c, w.p + n, &len);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_N, w.p + n);
	EVP_CIPHER_CTX_free(c);
	assert_true(mask(k, number + 4, m));
	p[0] ^= m[0] & 0x0f;
	for (int i = 0; i < 4; i++)
		number[i] ^= m[1 + i];
	buf_add(out, p, (size_t)(w.p - p) + n + TAG_N);
}

/* a CRYPTO frame */
static void add_crypto(struct buf *out, size_t at, const void *p, size_t n)
{
	uint8_t head[5] = { 6, (uint8_t)(0x40 | at >> 8), (uint8_t)at, (uint8_t)(0x40 | n >> 8),
			    (uint8_t)n };

	buf_add(out, head, 5);
	buf_add(out, p, n);
}

static const char hello[] = "\1\0\0\x4a\3\3"
			    "01234567890123456789012345678901"
			    "\0\0\2\x13\1\1\0\0\x1f"
			    "\0\0\0\x0b\0\x09\0\0\6Q.Test"
			    "\0\x2b\0\3\2\3\4"
			    "\0\x10\0\5\0\3\2h3";
#define HELLO_N (sizeof(hello) - 1)
static const char reply[] = "\2\0\0\x2e\3\3"
			    "01234567890123456789012345678901"
			    "\0\x13\1\0\0\6\0\x2b\0\2\3\4";

static void pad(struct buf *b, size_t n)
{
	while (b->n < n)
		buf_add(b, "", 1);
}

/* The hello in pieces of @piece bytes, from the last to the first, each behind a PING. */
static void backwards(struct buf *b, size_t piece)
{
	for (size_t end = HELLO_N; end;) {
		size_t at = end > piece ? end - piece : 0;

		add_crypto(b, at, hello + at, end - at);
		buf_add(b, "\1", 1);
		end = at;
	}
}

static void test_a_hello_is_read_of_each_version_and_in_any_pieces(void **state UNUSED)
{
	static const unsigned known[] = { 1, 0x6b3343cf, 0xff00001d, 0xff000022, 0xff000017 };
	static const size_t pieces[] = { 500, 40, 7, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
			struct initial o = { .version = known[i], .id = "12345678" };
			cleanup_buf struct buf plain = { 0 }, packet = { 0 };
			struct hello_quic *q = NULL;
			struct hello h;

			backwards(&plain, pieces[k]);
			pad(&plain, 1100);
			add_packet(&packet, &o, plain.p, plain.n);
			assert_int_equal(hello_read_quic(&q, packet.p, packet.n, &h), 1);
			assert_string_equal(h.sni, "q.test");
			assert_string_equal(h.alpn, "h3");
			assert_string_equal(h.ja4, "q13d0103h3_0f2cb44170f4_b9a491fefe05");
			assert_true(h.quic);
			hello_quic_free(q);
		}
}

static void test_a_hello_spans_packets_and_datagrams(void **state UNUSED)
{
	struct initial o = { .version = 1, .id = "12345678", .token = STR("tok") };
	cleanup_buf struct buf a = { 0 }, b = { 0 }, plain = { 0 };
	struct hello_quic *q = NULL;
	struct hello h;

	/* first datagram: an Initial with the end, and what follows it: 0-RTT, then noise */
	add_crypto(&plain, 50, hello + 50, HELLO_N - 50);
	buf_add(&plain, "\2\5\0\0\0", 5); /* ACK */
	add_packet(&a, &o, plain.p, plain.n);
	buf_add(&a,
		"\xd0\0\0\0\1\010"
		"12345678\0\4abcd"
		"\x40noise",
		24);
	assert_int_equal(hello_read_quic(&q, a.p, a.n, &h), 0);
	/* second: behind the first coalesced packet, the beginning; with a number that is far away
	 */
	o.number = 70000;
	plain.n = 0;
	add_crypto(&plain, 0, hello, 20);
	add_packet(&b, &o, plain.p, plain.n);
	o.number++;
	plain.n = 0;
	add_crypto(&plain, 10, hello + 10, 45);
	add_packet(&b, &o, plain.p, plain.n);
	assert_int_equal(hello_read_quic(&q, b.p, b.n, &h), 1);
	assert_string_equal(h.sni, "q.test");
	hello_quic_free(q);
}

static void test_after_a_retry_the_keys_are_new(void **state UNUSED)
{
	struct initial first = { .version = 1, .id = "12345678" };
	struct initial again = { .version = 1, .id = "abcdefgh", .number = 1, .token = STR("t") };
	/* once the server has answered, only the id that is shown changes */
	struct initial shown = {
		.version = 1, .id = "abcdefgh", .shown_id = "ABCDEFGH", .number = 2
	};
	cleanup_buf struct buf a = { 0 }, b = { 0 }, c = { 0 }, plain = { 0 };
	struct hello_quic *q = NULL;
	struct hello h;

	add_crypto(&plain, 0, hello, 10);
	pad(&plain, 1000);
	add_packet(&a, &first, plain.p, plain.n);
	add_packet(&b, &again, plain.p, plain.n);
	plain.n = 0;
	add_crypto(&plain, 10, hello + 10, HELLO_N - 10);
	add_packet(&c, &shown, plain.p, plain.n);
	assert_int_equal(hello_read_quic(&q, a.p, a.n, &h), 0);
	assert_int_equal(hello_read_quic(&q, b.p, b.n, &h), 0);
	assert_int_equal(hello_read_quic(&q, c.p, c.n, &h), 1);
	hello_quic_free(q);
}

static void test_what_is_no_initial_is_refused(void **state UNUSED)
{
	struct initial o = { .version = 1, .id = "12345678" };
	cleanup_buf struct buf a = { 0 }, plain = { 0 };
	struct hello_quic *q = NULL;
	struct hello h;

	add_crypto(&plain, 0, hello, HELLO_N);
	pad(&plain, 1000);
	add_packet(&a, &o, plain.p, plain.n);
	for (size_t n = 0; n < a.n; n++) {
		uint8_t *exact = xmalloc(n ? n : 1);

		memcpy(exact, a.p, n);
		assert_int_equal(hello_read_quic(&q, exact, n, &h), -EBADMSG);
		assert_null(q);
		free(exact);
	}
	a.p[a.n - 1] ^= 1; /* the tag */
	assert_int_equal(hello_read_quic(&q, a.p, a.n, &h), -EBADMSG);
	hello_quic_free(steal_ptr(&q));
	a.p[a.n - 1] ^= 1;
	a.p[4] = 9; /* the version */
	assert_int_equal(hello_read_quic(&q, a.p, a.n, &h), -EBADMSG);
	assert_null(q);
}

static void test_pieces_that_are_too_many_or_too_far_are_refused(void **state UNUSED)
{
	struct quic_side s = { 0 };

	for (unsigned i = 0; i < QUIC_RANGES_MAX; i++)
		assert_true(keep(&s, 2 * i, (const uint8_t *)"x", 1));
	assert_false(keep(&s, 1000, (const uint8_t *)"x", 1));
	assert_true(keep(&s, 1, (const uint8_t *)"yyyyyyyyyyyy", 12)); /* what came first stays */
	assert_memory_equal(s.crypto, "xyxyxyxyxyxyx", 13);
	assert_int_equal(s.nranges, QUIC_RANGES_MAX - 6);
	assert_false(keep(&s, QUIC_CRYPTO_MAX, (const uint8_t *)"x", 1));
	assert_false(keep(&s, UINT64_MAX, (const uint8_t *)"x", 1));
	free(s.crypto);
}

static void test_a_watch_tells_both_hellos(void **state UNUSED)
{
	struct probe p = { .columns = " op version sni alpn cipher quic protocol mismatch " };
	struct initial out = { .version = 1, .id = "12345678" };
	struct initial in = {
		.version = 1, .id = "12345678", .shown_id = "someelse", .dir = DIR_IN
	};
	cleanup_buf struct buf a = { 0 }, b = { 0 }, plain = { 0 };

	p.kinds = 1u << EV_TLS | 1u << EV_BANNER | 1u << EV_GAP;
	add_crypto(&plain, 0, hello, HELLO_N);
	pad(&plain, 1150);
	add_packet(&a, &out, plain.p, plain.n);
	plain.n = 0;
	add_crypto(&plain, 0, reply, sizeof(reply) - 1);
	add_packet(&b, &in, plain.p, plain.n);
	probe_begin(&p, false, 443, false);
	watch_feed(p.w, DIR_OUT, 0, a.p, a.n);
	assert_false(watch_idle(p.w));
	watch_feed(p.w, DIR_IN, 0, b.p, b.n);
	assert_true(watch_idle(p.w));
	assert_string_equal(
		probe_end(&p),
		"banner protocol=quic mismatch=0\n"
		"tls op=client-hello version=TLS 1.3 sni=q.test alpn=h3 quic=1\n"
		"tls op=server-hello version=TLS 1.3 cipher=TLS_AES_128_GCM_SHA256 quic=1\n");
	probe_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_those_of_the_examples),
		cmocka_unit_test(test_packet_numbers_are_made_whole),
		cmocka_unit_test(test_a_hello_is_read_of_each_version_and_in_any_pieces),
		cmocka_unit_test(test_a_hello_spans_packets_and_datagrams),
		cmocka_unit_test(test_after_a_retry_the_keys_are_new),
		cmocka_unit_test(test_what_is_no_initial_is_refused),
		cmocka_unit_test(test_pieces_that_are_too_many_or_too_far_are_refused),
		cmocka_unit_test(test_a_watch_tells_both_hellos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
