// SPDX-License-Identifier: Apache-2.0
/*
 * gate_dns.c - messages are read to the last byte or not at all; what is described is what dig(1)
 * would print
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/decode/be.h"
#include "gate/decode/dns.h"

/* an answer to example.com with one record; the data as hex, "@" is a pointer to example.com */
struct sample {
	uint16_t type;
	const char *data, *text;
};

static const struct sample samples[] = {
	{ DNS_A, "c0000201", "A 192.0.2.1" },
	{ DNS_A, "c00002", "A \\# 3 c00002" },
	{ DNS_A, "c000020105", "A \\# 5 c000020105" },
	{ DNS_AAAA, "20010db8000000000000000000000001", "AAAA 2001:db8::1" },
	{ DNS_CNAME, "0377777703434f4dc00c", "CNAME www.com.example.com" },
	{ DNS_CNAME, "0377777703434f4dc0ff", "CNAME \\# 10 0377777703434f4dc0ff" },
	{ DNS_NS, "c00c", "NS example.com" },
	{ DNS_PTR, "00", "PTR ." },
	{ DNS_SOA, "026e73c00c0468756273c00c00000001000000020000000300000004ffffffff",
	  "SOA ns.example.com hubs.example.com 1 2 3 4 4294967295" },
	{ DNS_MX, "000ac00c", "MX 10 example.com" },
	{ DNS_TXT, "0568656c6c6f0422205c0a", "TXT \"hello\" \"\\\" \\\\\\010\"" },
	{ DNS_TXT, "0668656c6c6f", "TXT \\# 6 0668656c6c6f" },
	{ DNS_SRV, "000000051f9003786d70c00c", "SRV 0 5 8080 xmp.example.com" },
	{ DNS_HTTPS,
	  "000100"
	  "0001000602683202683300"
	  "0400046001020304",
	  "HTTPS \\# 22 00010000010006026832026833000400046001020304" },
	{ DNS_HTTPS,
	  "000100"
	  "00010006026832026833"
	  "000300021f90"
	  "0004000801020304c0000201",
	  "HTTPS 1 . alpn=\"h2,h3\" port=8080 ipv4hint=1.2.3.4,192.0.2.1" },
	{ DNS_SVCB,
	  "0001c00c"
	  "000000020001"
	  "00020000"
	  "00050004fe0d0001"
	  "029a000161",
	  "SVCB 1 example.com mandatory=alpn no-default-alpn ech=/g0AAQ== key666=\"a\"" },
	{ 257, "0005697373756563612e6f7267", "CAA 0 issue \"ca.org\"" },
	{ 43, "30390d02abcd", "DS 12345 13 2 abcd" },
	{ 46, "00010d020000012c00000002000000013039c00c0102",
	  "RRSIG A 13 2 300 2 1 12345 example.com" },
	{ 10, "ff00", "NULL \\# 2 ff00" },
	{ 4711, "", "TYPE4711 \\# 0 " },
};

static const uint8_t question[] = "\x12\x34\x81\x80\0\1\0\1\0\0\0\1"
				  "\7eXample\3com\0\0\1\0\1";
static const uint8_t opt[] = "\0\0\x29\x04\xd0\1\0\0\0\0\0"; /* with an upper bit of the rcode */

static size_t message(uint8_t *m, const struct sample *s)
{
	struct wr w = { m, m + 1024, false };
	size_t n = strlen(s->data) / 2;
	uint8_t data[256];

	assert_int_equal(hex_decode(s->data, 2 * n, data), 0);
	wr_bytes(&w, question, sizeof(question) - 1);
	wr_be16(&w, 0xc00c);
	wr_be16(&w, s->type);
	wr_be16(&w, 1);
	wr_be32(&w, 300);
	wr_be16(&w, (uint16_t)n);
	wr_bytes(&w, data, n);
	wr_bytes(&w, opt, sizeof(opt) - 1);
	assert_false(w.bad);
	return (size_t)(w.p - m);
}

static void test_each_type_is_described_or_shown_as_hex(void **state UNUSED)
{
	static struct dns_message d;
	cleanup_buf struct buf out = { 0 };
	uint8_t m[1024];
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t n = message(m, &samples[i]);

		assert_int_equal(dns_read(m, n, &d), 0);
		assert_string_equal(d.qname, "example.com");
		assert_int_equal(d.id, 0x1234);
		assert_int_equal(d.rcode, 16);
		assert_true(d.response && d.edns && d.edns_size == 1232);
		out.n = 0;
		dns_describe(&d, &out);
		snprintf(want, sizeof(want), "example.com 300 %s", samples[i].text);
		assert_string_equal(buf_z(&out), want);
	}
}

static void test_a_message_that_is_cut_anywhere_is_refused(void **state UNUSED)
{
	static struct dns_message d;
	uint8_t m[1024];

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t n = message(m, &samples[i]);

		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *exact = xmalloc(cut ? cut : 1);

			memcpy(exact, m, cut);
			assert_int_equal(dns_read(exact, cut, &d), -EBADMSG);
			free(exact);
		}
	}
}

/* the name at offset 12 of an otherwise whole query */
static int read_name(const char *name, size_t n, struct dns_message *d)
{
	uint8_t m[1024] = { 0, 1, 1, 0, 0, 1 };

	memcpy(m + 12, name, n);
	return dns_read(m, 12 + n + 4, d);
}
#define READ_NAME(lit) read_name(lit, sizeof(lit) - 1, &d)

static void test_names_that_loop_or_are_too_long_are_refused(void **state UNUSED)
{
	static struct dns_message d;
	char labels[2 * 128 + 1];

	assert_int_equal(READ_NAME("\300\014"), -EBADMSG);    /* to itself */
	assert_int_equal(READ_NAME("\1a\300\014"), -EBADMSG); /* round and round: 255 octets */
	assert_int_equal(READ_NAME("\300\020"), -EBADMSG);    /* forward */
	assert_int_equal(READ_NAME("\100a"), -EBADMSG);	      /* reserved label types */
	assert_int_equal(READ_NAME("\200a"), -EBADMSG);
	assert_int_equal(READ_NAME("\1.\2\\\"\3\0 \xff\0"), 0);
	assert_string_equal(d.qname, "\\..\\\\\\\".\\000\\032\\255");
	for (size_t i = 0; i < 2 * 128; i += 2)
		memcpy(labels + i, "\1\xff", 2);
	labels[2 * 128] = 0;
	assert_int_equal(read_name(labels, 2 * 128 + 1, &d), -EBADMSG);
	assert_int_equal(read_name(labels + 2, 2 * 127 + 1, &d), 0);
	assert_int_equal(strlen(d.qname), 127 * 5 - 1);
}

static void test_more_answers_than_are_kept_are_counted(void **state UNUSED)
{
	static struct dns_message d;
	cleanup_buf struct buf m = { 0 }, out = { 0 };
	unsigned total = DNS_RECORDS_MAX + 7;
	uint8_t header[12] = { 0, 1, 0x80, 0, 0, 0, (uint8_t)(total >> 8), (uint8_t)total };

	buf_add(&m, header, sizeof(header));
	for (unsigned i = 0; i < total; i++)
		buf_add(&m, "\1a\0\0\1\0\1\0\0\0\1\0\4\1\2\3\4", 17);
	assert_int_equal(dns_read(m.p, m.n, &d), 0);
	assert_int_equal(d.nrecords, DNS_RECORDS_MAX);
	dns_describe(&d, &out);
	assert_true(str_ends((struct str){ out.p, out.n }, "; … and 7 more"));
}

static void test_a_written_name_reads_the_same(void **state UNUSED)
{
	static const char *const good[] = { ".", "a", "a.b", "\\..\\\\\\\".\\000\\032\\255",
					    "xn--bcher-kva.example" };
	static const char *const bad[] = {
		"..",	 "a..b",
		".a",	 "\\",
		"\\25",	 "\\256",
		"\\2x5", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	char text[DNS_NAME_TEXT_MAX], many[512] = "";
	uint8_t wire[300];
	struct wr w = { wire, wire + sizeof(wire), false };
	size_t at;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		w.p = wire;
		at = 0;
		assert_int_equal(dns_name_write(&w, good[i]), 0);
		assert_int_equal(dns_name_read(wire, (size_t)(w.p - wire), &at, text), 0);
		assert_string_equal(text, good[i]);
		assert_int_equal(at, w.p - wire);
	}
	w.p = wire;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dns_name_write(&w, bad[i]), -EINVAL);
	for (int i = 0; i < 127; i++)
		strcat(many, i ? ".x" : "x");
	assert_int_equal(dns_name_write(&w, many), 0);
	w.p = wire;
	strcat(many, ".x");
	assert_int_equal(dns_name_write(&w, many), -EINVAL);
	assert_ptr_equal(w.p, wire);
	w.end = wire + 3;
	assert_int_equal(dns_name_write(&w, "abc"), 0);
	assert_true(w.bad);
}

static void test_an_event_holds_question_server_and_answers(void **state UNUSED)
{
	static struct dns_message d;
	struct flow_facts f = { .id = 7,
				.dst = { .ip = { 0x20, 1, 0xd, 0xb8 }, .v6 = true, .port = 53 } };
	cleanup_buf struct buf scratch = { 0 };
	struct event ev;
	uint8_t m[1024];
	size_t n = message(m, &samples[0]);

	assert_int_equal(dns_read(m, n, &d), 0);
	dns_event(&d, &f, "udp", &scratch, &ev);
	assert_int_equal(ev.kind, EV_DNS);
	assert_true(str_eq(ev.v[EV_AT(DNS, OP)].s, STR("answer")));
	assert_true(str_eq(ev.v[EV_AT(DNS, SERVER)].s, STR("[2001:db8::]:53")));
	assert_true(str_eq(ev.v[EV_AT(DNS, NAME)].s, STR("example.com")));
	assert_true(str_eq(ev.v[EV_AT(DNS, TYPE)].s, STR("A")));
	assert_true(str_eq(ev.v[EV_AT(DNS, RCODE)].s, STR("BADVERS")));
	assert_true(str_eq(ev.v[EV_AT(DNS, ANSWERS)].s, STR("example.com 300 A 192.0.2.1")));
	assert_int_equal(ev.v[EV_AT(DNS, FLOW)].i, 7);
	assert_int_equal(ev.v[EV_AT(DNS, ID)].i, 0x1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type_is_described_or_shown_as_hex),
		cmocka_unit_test(test_a_message_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(test_names_that_loop_or_are_too_long_are_refused),
		cmocka_unit_test(test_more_answers_than_are_kept_are_counted),
		cmocka_unit_test(test_a_written_name_reads_the_same),
		cmocka_unit_test(test_an_event_holds_question_server_and_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
