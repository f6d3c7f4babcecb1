// SPDX-License-Identifier: Apache-2.0
/*
 * gate_watch.c - bursts, banners, and what each protocol is taken for; HTTP/2 and DNS that pass by
 */
#include "probe.h"

#include "gate/decode/be.h"
#include "gate/decode/dns.h"

#define SECOND NSEC_PER_SEC

/* ---- bursts ------------------------------------------------------------------------------- */

static void test_a_second_of_silence_parts_bursts(void **state UNUSED)
{
	struct probe p = { .columns = " dir bytes gap_ns last_ns ", .kinds = 1u << EV_BURST };

	probe_begin(&p, true, 9, false);
	watch_count(p.w, DIR_OUT, 5 * SECOND, 10);
	watch_feed(p.w, DIR_OUT, 5 * SECOND + SECOND - 1, "x", 1);
	watch_feed(p.w, DIR_IN, 6 * SECOND, "abc", 3);
	watch_count(p.w, DIR_OUT, 7 * SECOND - 1, 7);
	watch_count(p.w, DIR_OUT, 9 * SECOND, 1);
	watch_count(p.w, DIR_OUT, 9 * SECOND, 0);
	assert_int_equal(watch_bursts(p.w), 3);
	assert_int_equal(watch_bytes(p.w, DIR_OUT), 19);
	assert_int_equal(watch_bytes(p.w, DIR_IN), 3);
	assert_string_equal(probe_end(&p),
			    "burst dir=out bytes=11 last_ns=5999999999\n"
			    "burst dir=out bytes=7 gap_ns=1000000000 last_ns=6999999999\n"
			    "burst dir=out bytes=1 gap_ns=2000000001 last_ns=9000000000\n"
			    "burst dir=in bytes=3 last_ns=6000000000\n");
	probe_free(&p);
}

static void test_bursts_are_of_the_outside_and_end_at_their_limit(void **state UNUSED)
{
	struct probe p = { .columns = " detail ", .kinds = 1u << EV_BURST | 1u << EV_GAP };

	probe_begin(&p, true, 9, true);
	watch_feed(p.w, DIR_OUT, 0, "x", 1);
	assert_string_equal(probe_end(&p), "");
	probe_begin(&p, true, 9, false);
	p.kinds = 1u << EV_GAP;
	for (uint64_t i = 0; i < WATCH_BURSTS_MAX + 10; i++)
		watch_count(p.w, DIR_OUT, i * SECOND, 1);
	assert_int_equal(watch_bursts(p.w), WATCH_BURSTS_MAX + 10);
	assert_string_equal(probe_end(&p), "gap detail=flow 1 was not decoded to its end: more "
					   "bursts than are recorded\n");
	assert_int_equal(p.events, WATCH_BURSTS_MAX + 1);
	probe_free(&p);
}

/* ---- banners ------------------------------------------------------------------------------ */

struct speech {
	uint16_t port;
	bool udp;
	struct said said[3];
	const char *banner; /* columns protocol, expected, mismatch */
};

static const struct speech speeches[] = {
	{ 22,
	  false,
	  { IN("SSH-2.0-OpenSSH\r\n"), OUT("SSH-2.0-x\r\n") },
	  "protocol=ssh expected=ssh mismatch=0" },
	{ 443, false, { OUT("SSH-2.0-x\r\n") }, "protocol=ssh expected=tls mismatch=1" },
	{ 25,
	  false,
	  { IN("220 mail ready\r\n"), OUT("EHLO a\r\n") },
	  "protocol=smtp expected=smtp mismatch=0" },
	{ 2525, false, { IN("220-hello\r\n220 ESMTP here\r\n") }, "protocol=smtp" },
	{ 2525, false, { IN("220 me ESMTP\r\n") }, "protocol=smtp" },
	{ 21, false, { IN("220 (vsFTPd)\r\n") }, "protocol=ftp expected=ftp mismatch=0" },
	{ 2121, false, { IN("220 welcome\r\n"), OUT("USER a\r\n") }, "protocol=ftp" },
	{ 2121, false, { IN("220 welcome\r\n"), OUT("EHLO a\r\n") }, "protocol=smtp" },
	{ 110, false, { IN("+OK\r\n") }, "protocol=pop3 expected=pop3 mismatch=0" },
	{ 143, false, { IN("* OK [CAPABILITY]\r\n") }, "protocol=imap expected=imap mismatch=0" },
	{ 6667,
	  false,
	  { OUT("NICK bot\r\n"), IN(":s NOTICE * :hi\r\n") },
	  "protocol=irc expected=irc mismatch=0" },
	{ 80,
	  false,
	  { IN(":irc.example NOTICE AUTH :*** Looking\r\n") },
	  "protocol=irc expected=http mismatch=1" },
	{ 1883,
	  false,
	  { OUT("\x10\x0e\0\4MQTT\4\2\0\x3c\0\2ab") },
	  "protocol=mqtt expected=mqtt mismatch=0" },
	{ 3389,
	  false,
	  { OUT("\3\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0") },
	  "protocol=rdp expected=rdp mismatch=0" },
	{ 8080,
	  false,
	  { OUT("OPTIONS * HTTP/1.1\r\n\r\n") },
	  "protocol=http expected=http mismatch=0" },
	{ 443, false, { OUT("GET / HTTP/1.1\r\n\r\n") }, "protocol=http expected=tls mismatch=1" },
	{ 9, false, { OUT("SUBSCRIBE sip:x HTTP/1.1\r\n\r\n") }, "protocol=http" },
	{ 9,
	  false,
	  { OUT("hello there\n"), IN("gr\303\274\303\237 dich\n") },
	  "protocol=unknown-text" },
	{ 9, false, { OUT("hello there\n"), IN("\1\2\3") }, "protocol=unknown-binary" },
	{ 53, false, { OUT("\xff\xff\xff") }, "protocol=unknown-binary expected=dns mismatch=1" },
	{ 123,
	  true,
	  { OUT("\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0") },
	  "protocol=ntp expected=ntp mismatch=0" },
	{ 123, true, { OUT("beacon 1") }, "protocol=unknown-text expected=ntp mismatch=1" },
};

static void test_first_bytes_say_what_a_flow_speaks(void **state UNUSED)
{
	struct probe p = { .columns = " protocol expected mismatch ", .kinds = 1u << EV_BANNER };

	for (size_t i = 0; i < ARRAY_SIZE(speeches); i++) {
		const struct speech *s = &speeches[i];
		char want[128];
		int n = 0;

		while (n < 3 && s->said[n].bytes.n)
			n++;
		snprintf(want, sizeof(want), "banner %s\n", s->banner);
		if (!s->udp) {
			probe_expect(&p, s->port, false, s->said, n, want);
			continue;
		}
		probe_begin(&p, false, s->port, false);
		watch_feed(p.w, s->said[0].dir, 0, s->said[0].bytes.p, s->said[0].bytes.n);
		assert_string_equal(probe_end(&p), want);
	}
	probe_free(&p);
}

static void test_the_first_bytes_are_kept(void **state UNUSED)
{
	struct probe p = { .columns = " text_out text_in ", .kinds = 1u << EV_BANNER };
	static const struct said s[] = { IN("SSH-2.0-server\r\n"), OUT("SSH-2.0-client\r\n\0\1") };
	char many[300];

	probe_expect(
		&p, 22, false, s, 2,
		"banner text_out=SSH-2.0-client\\x0d|\\x00\\x01 text_in=SSH-2.0-server\\x0d|\n");
	memset(many, 'y', sizeof(many));
	probe_begin(&p, true, 9, false);
	watch_feed(p.w, DIR_OUT, 0, many, sizeof(many));
	probe_end(&p);
	assert_int_equal(p.lines.n, strlen("banner text_out=\n") + 128);
	probe_free(&p);
}

static void test_nothing_is_read_of_what_nobody_knows(void **state UNUSED)
{
	struct probe p = { 0 };
	static const char noise[5000] = "\1\2\3";

	probe_begin(&p, true, 9, false);
	watch_feed(p.w, DIR_OUT, 0, noise, 100);
	assert_false(watch_idle(p.w)); /* the other side may still greet */
	watch_feed(p.w, DIR_IN, 0, noise, 100);
	assert_true(watch_idle(p.w));
	probe_end(&p);
	probe_begin(&p, true, 9, false);
	watch_feed(p.w, DIR_OUT, 0, noise, sizeof(noise));
	assert_true(watch_idle(p.w));
	probe_end(&p);
	probe_begin(&p, true, 80, false);
	watch_feed(p.w, DIR_OUT, 0, "GET / HTTP/1.1\r\n\r\n", 18);
	watch_feed(p.w, DIR_IN, 0, "HTTP/1.1 204 No\r\n\r\n", 19);
	assert_false(watch_idle(p.w));
	assert_true(watch_held(p.w) < 4096);
	probe_end(&p);
	probe_free(&p);
}

static void test_inside_of_socks_reading_begins_anew(void **state UNUSED)
{
	struct probe p = { .columns = " protocol expected mismatch method target ",
			   .kinds = 1u << EV_HTTP | 1u << EV_BANNER | 1u << EV_GAP };
	static const struct said five[] = { OUT("\5\2\0\2"),
					    IN("\5\2"),
					    OUT("\1\4user\2pw"),
					    IN("\1\0"),
					    OUT("\5\1\0\3\1h\0\x50"),
					    IN("\5\0\0\1\0\0\0\0\0\0"),
					    OUT("GET /5 HTTP/1.1\r\n\r\n") };
	static const struct said four[] = { OUT("\4\1\0\x50\0\0\0\1me\0host\0"),
					    IN("\0\x5a\0\0\0\0\0\0"),
					    OUT("GET /4 HTTP/1.1\r\n\r\n") };
	static const struct said refused[] = { OUT("\5\1\0"), IN("\5\xff"),
					       OUT("GET /no HTTP/1.1\r\n\r\n") };

	probe_expect(&p, 1080, false, five, ARRAY_SIZE(five),
		     "http method=GET target=/5\n"
		     "banner protocol=socks expected=socks mismatch=0\n");
	probe_expect(&p, 443, false, four, ARRAY_SIZE(four),
		     "http method=GET target=/4\n"
		     "banner protocol=socks expected=tls mismatch=1\n");
	probe_expect(&p, 1080, false, refused, ARRAY_SIZE(refused),
		     "banner protocol=socks expected=socks mismatch=0\n");
	probe_free(&p);
}

/* ---- missing bytes ------------------------------------------------------------------------ */

static void test_missing_bytes_end_the_reading_but_for_bodies(void **state UNUSED)
{
	struct probe p = { .columns = " target detail ", .kinds = 1u << EV_HTTP | 1u << EV_GAP };
	static const char post[] = "POST /1 HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
	static const char get[] = "GET /2 HTTP/1.1\r\n\r\n";

	probe_begin(&p, true, 80, false);
	watch_feed(p.w, DIR_OUT, 0, post, sizeof(post) - 1);
	watch_lost(p.w, DIR_OUT, 0, 7);
	watch_feed(p.w, DIR_OUT, 0, get, sizeof(get) - 1);
	assert_string_equal(probe_end(&p), "http target=/1\nhttp target=/2\n");
	probe_begin(&p, true, 80, false);
	watch_feed(p.w, DIR_OUT, 0, post, sizeof(post) - 1);
	watch_lost(p.w, DIR_OUT, 0, 8);
	watch_feed(p.w, DIR_OUT, 0, get, sizeof(get) - 1);
	assert_string_equal(probe_end(&p),
			    "http target=/1\n"
			    "gap detail=flow 1 was not decoded to its end: bytes are "
			    "missing\n");
	probe_free(&p);
}

/* ---- DNS ---------------------------------------------------------------------------------- */

#define QUESTION "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\x10\0\1"
#define ANSWER	 "\x12\x34\x81\x83\0\1\0\0\0\0\0\0\1a\4test\0\0\x10\0\1"

static void test_dns_is_told_in_datagrams_and_streams(void **state UNUSED)
{
	struct probe p = { .columns = " op transport name type rcode answers ",
			   .kinds = 1u << EV_DNS | 1u << EV_GAP };
	static const struct said s[] = { OUT("\0\x18" QUESTION "\0\x18" QUESTION),
					 IN("\0\x18" ANSWER) };
	static const struct {
		uint16_t port;
		const char *transport;
	} udp[] = { { 53, "udp" }, { 5353, "mdns" }, { 5355, "llmnr" }, { 4000, "udp" } };
	char want[256];

	probe_expect(&p, 53, false, s, 2,
		     "dns op=query transport=tcp name=a.test type=TXT\n"
		     "dns op=query transport=tcp name=a.test type=TXT\n"
		     "dns op=answer transport=tcp name=a.test type=TXT rcode=NXDOMAIN answers=\n");
	probe_expect(&p, 853, true, s, 1,
		     "dns op=query transport=dot name=a.test type=TXT\n"
		     "dns op=query transport=dot name=a.test type=TXT\n");
	for (size_t i = 0; i < ARRAY_SIZE(udp); i++) {
		probe_begin(&p, false, udp[i].port, false);
		watch_feed(p.w, DIR_OUT, 0, QUESTION, sizeof(QUESTION) - 1);
		watch_feed(p.w, DIR_IN, 0, ANSWER, sizeof(ANSWER) - 2);
		watch_feed(p.w, DIR_IN, 0, ANSWER, sizeof(ANSWER) - 1);
		snprintf(
			want, sizeof(want),
			"dns op=query transport=%s name=a.test type=TXT\n"
			"gap\n"
			"dns op=answer transport=%s name=a.test type=TXT rcode=NXDOMAIN answers=\n",
			udp[i].transport, udp[i].transport);
		assert_string_equal(probe_end(&p), want);
	}
	probe_free(&p);
}

/* ---- HTTP/2 ------------------------------------------------------------------------------- */

#define PREFACE	 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\6\4\0\0\0\0\0\0\1\0\1\0\0"
/* :method GET, :scheme https, :path /, and into the table :authority and user-agent */
#define FIRST	     "\x82\x87\x84\x41\x0bwww.example\x7a\3x/1"
#define SECOND_BLOCK "\x82\x87\x04\2/2\xbf\xbe" /* the same from the table, another path */

static void test_http2_heads_are_inflated(void **state UNUSED)
{
	struct probe p = { .columns = " op stream version method host target status user_agent "
				      "content_type content_length tls detail ",
			   .kinds = 1u << EV_HTTP | 1u << EV_GAP };
	static const struct said s[] = {
		OUT(PREFACE SETTINGS "\0\0\x15\1\4\0\0\0\1" FIRST),
		IN(SETTINGS "\0\0\0\4\1\0\0\0\0"
			    "\0\0\x11\1\4\0\0\0\1\x88\x5f\x0atext/plain\x0f\x0d\1"
			    "5"
			    "\0\0\5\0\0\0\0\0\1hello"),
		/* padded, with priority, the rest in a CONTINUATION; between them DATA of another
		 */
		OUT("\0\0\3\0\0\0\0\0\1abc"
		    "\0\0\x0a\1\x29\0\0\0\3\2\0\0\0\0\x10\x82\x87\0\0"
		    "\0\0\6\x09\4\0\0\0\3\4\2/2\xbf\xbe"),
		IN("\0\0\5\1\5\0\0\0\1\x40\1a\1b"), /* trailers */
		IN("\0\0\1\1\5\0\0\0\3\x89"),
	};

	probe_expect(&p, 443, true, s, ARRAY_SIZE(s),
		     "http op=request stream=1 version=2 method=GET host=www.example target=/ "
		     "user_agent=x/1 tls=1\n"
		     "http op=response stream=1 version=2 status=200 content_type=text/plain "
		     "content_length=5 tls=1\n"
		     "http op=request stream=3 version=2 method=GET host=www.example target=/2 "
		     "user_agent=x/1 tls=1\n"
		     "http op=response stream=3 version=2 status=204 tls=1\n");
	p.columns = " head ";
	probe_expect(&p, 443, true, s, 1,
		     "http head=:method: GET|:scheme: https|:path: /|:authority: "
		     "www.example|user-agent: x/1|\n");
	probe_free(&p);
}

static void test_http2_limits_and_order_hold(void **state UNUSED)
{
	static const struct {
		struct str bytes;
		const char *why;
	} rows[] = {
		{ STR("\0\0\1\1\0\0\0\0\1\x82"
		      "\0\0\0\0\0\0\0\0\1"),
		  "HTTP/2 frames in an order that cannot be" },
		{ STR("\0\0\1\x09\4\0\0\0\1\x82"), "HTTP/2 frames in an order that cannot be" },
		{ STR("\0\0\1\1\4\0\0\0\0\x82"), "a malformed HTTP/2 frame" },
		{ STR("\0\0\2\1\x0c\0\0\0\1\x09\x82"), "a malformed HTTP/2 frame" },
		{ STR("\0\0\1\1\4\0\0\0\1\xff"),
		  "an HTTP/2 header block that is malformed, or longer than what is read" },
		{ STR("\0\x40\1\1\4\0\0\0\1"), "an HTTP/2 frame is longer than what is read" },
	};
	struct probe p = { .columns = " detail ", .kinds = 1u << EV_GAP };
	cleanup_buf struct buf bomb = { 0 };
	char want[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct said s[] = { OUT(PREFACE), { DIR_OUT, rows[i].bytes } };

		snprintf(want, sizeof(want), "gap detail=flow 1 was not decoded to its end: %s\n",
			 rows[i].why);
		probe_expect(&p, 443, true, s, 2, want);
	}
	/* one entry of the table, named again and again */
	probe_begin(&p, true, 443, true);
	watch_feed(p.w, DIR_OUT, 0, PREFACE, 24);
	buf_add(&bomb, "\0\x0f\xa5\1\4\0\0\0\1\x40\1a\x7f\x81\x1d", 14);
	for (int i = 0; i < 256; i++)
		buf_add(&bomb, "y", 1);
	while (bomb.n < 9 + 0xfa5)
		buf_add(&bomb, "\xbe", 1);
	watch_feed(p.w, DIR_OUT, 0, bomb.p, bomb.n);
	assert_true(watch_held(p.w) < WATCH_BYTES_MAX);
	snprintf(want, sizeof(want), "gap detail=flow 1 was not decoded to its end: %s\n",
		 rows[4].why);
	assert_string_equal(probe_end(&p), want);
	/* a block that goes on for ever */
	probe_begin(&p, true, 443, true);
	watch_feed(p.w, DIR_OUT, 0, PREFACE "\0\0\0\1\0\0\0\0\1", 33);
	for (int i = 0; i < 100; i++)
		watch_feed(p.w, DIR_OUT, 0, "\0\0\0\x09\0\0\0\0\1", 9);
	assert_string_equal(probe_end(&p),
			    "gap detail=flow 1 was not decoded to its end: an HTTP/2 "
			    "header block in more frames than are read\n");
	probe_free(&p);
}

static void test_http2_says_whom_it_is_for(void **state UNUSED)
{
	static const char whole[] = PREFACE SETTINGS "\0\0\3\1\0\0\0\0\1\x82\x87\x84"
						     "\0\0\x0d\x09\4\0\0\0\1\x41\x0bWWW.example";
	static const char two[] = PREFACE "\0\0\x09\1\4\0\0\0\1\x82\x87\x84\x41\1a\x66\1b";
	char host[NAME_MAX_DNS + 8];

	for (size_t k = 0; k <= sizeof(whole) - 1; k++) {
		char *exact = malloc(k ? k : 1);

		memcpy(exact, whole, k);
		assert_int_equal(http_host_read(exact, k, host), k == sizeof(whole) - 1);
		free(exact);
	}
	assert_string_equal(host, "www.example");
	assert_int_equal(http_host_read(two, sizeof(two) - 1, host), 1);
	assert_string_equal(host, "a,b");
	assert_int_equal(http_host_read(PREFACE "\0\0\1\1\4\0\0\0\1\xff", 34, host), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_of_silence_parts_bursts),
		cmocka_unit_test(test_bursts_are_of_the_outside_and_end_at_their_limit),
		cmocka_unit_test(test_first_bytes_say_what_a_flow_speaks),
		cmocka_unit_test(test_the_first_bytes_are_kept),
		cmocka_unit_test(test_nothing_is_read_of_what_nobody_knows),
		cmocka_unit_test(test_inside_of_socks_reading_begins_anew),
		cmocka_unit_test(test_missing_bytes_end_the_reading_but_for_bodies),
		cmocka_unit_test(test_dns_is_told_in_datagrams_and_streams),
		cmocka_unit_test(test_http2_heads_are_inflated),
		cmocka_unit_test(test_http2_limits_and_order_hold),
		cmocka_unit_test(test_http2_says_whom_it_is_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
