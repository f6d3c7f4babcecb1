// SPDX-License-Identifier: Apache-2.0
/*
 * gate_routine.c - which datagrams are a protocol's routine, and what only looks like one
 */
#include "probe.h"

#include "gate/decode/routine.h"

#define SECOND NSEC_PER_SEC

#define Z4  "\0\0\0\0"
#define Z8  Z4 Z4
#define Z16 Z8 Z8
#define Z32 Z16 Z16

#define COOKIE	 "\x21\x12\xa4\x42"
#define STUN_ID	 COOKIE "abcdefghijkl"
#define IKE_SPIS "12345678abcdefgh"
#define NB_NAME                                                                                    \
	"\x20"                                                                                     \
	"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"                                                         \
	"\0"
#define SENDER	 "\x80\xc8\0\6" Z16 Z8 /* RTCP: a report of a sender, with nothing in it */
#define COUNTING "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

struct datagram {
	uint16_t port;
	const char *word; /* NULL none */
	struct str bytes;
};
#define D(port, word, lit)                                                                         \
	{                                                                                          \
		port, word,                                                                        \
		{                                                                                  \
			(lit), sizeof(lit) - 1                                                     \
		}                                                                                  \
	}

/* clang-format off */
static const struct datagram datagrams[] = {
	D(123, "ntp", "\x23" Z32 Z8 Z4 "\0\0\0"),
	D(123, "ntp", "\x1b" Z32 Z8 Z4 "\0\0\0" "\0\0\0\1" Z16),
	D(124, NULL, "\x23" Z32 Z8 Z4 "\0\0\0"),	       /* another port */
	D(123, NULL, "\x23" Z32 Z8 Z4 "\0\0\0" "order: none"), /* something behind it */
	D(123, NULL, "\x26" Z32 Z8 Z4 "\0\0\0"),	       /* mode 6: commands */
	D(123, NULL, "\x23" Z32),
	D(3784, "bfd", "\x20\xc0\x03\x18" Z16 Z4),
	D(3784, NULL, "\x20\xc0\x03\x18" Z16 Z4 "x"),
	D(5683, "coap", "\x40\0\1\2"),
	D(5683, NULL, "\x40\1\1\2"),
	D(137, "netbios", "\1\2\1\x10\0\1" Z4 "\0\0" NB_NAME "\0\x20\0\1"),
	D(137, NULL, "\1\2\1\x10\0\1" Z4 "\0\0" "\x20" "this is what somebody wrote here" "\0\0\x20\0\1"),
	D(137, NULL, "\1\2\1\x10\0\1" Z4 "\0\0" NB_NAME Z32 Z32 Z32 Z32 Z32 Z32 Z32),
	D(3478, "stun", "\0\1\0\0" STUN_ID),
	D(50000, "stun", "\1\1\0\x0c" STUN_ID "\0\x20\0\x08\0\1" "123456"),
	D(50000, "stun", "\0\x11\0\x08" STUN_ID "\x80\x22\0\3" "abc\0"),
	D(50000, NULL, "\0\1\0\4" STUN_ID),		      /* its length is another */
	D(50000, NULL, "\0\1\0\x08" STUN_ID "\0\x20\0\x09" "1234"), /* an attribute's is */
	D(50000, NULL, "\0\x16\0\x08" STUN_ID "\0\x13\0\4" "data"), /* Send: what is relayed */
	D(50000, NULL, "\0\1\0\x08" STUN_ID "\0\x13\0\4" "data"),
	D(50000, NULL, "\0\1\0\0" "abcdefghijklmnop"),
	D(5005, "rtcp", SENDER),
	D(5005, "rtcp", SENDER "\x81\xca\0\2" "abcd\1\2xy"),
	D(5005, NULL, SENDER "more"),
	D(5005, NULL, "\x80\x60\0\1" Z8), /* RTP */
	D(5060, "sip", "\r\n\r\n"),
	D(5060, "sip", "REGISTER sip:a.example SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\n"),
	D(5060, "sip", "SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n"),
	D(5060, NULL, "INVITE sip:b@a.example SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n"),
	D(5060, NULL, "REGISTER sip:a.example SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\nbody\r\n\r\n"),
	D(5060, NULL, "REGISTER sip:a.example\r\n\r\n"),
	D(5062, NULL, "\r\n\r\n"),
	D(500, "ike", IKE_SPIS "\x2e\x20\x25\x08\0\0\0\1\0\0\0\x1c"),
	D(500, "ike", IKE_SPIS "\x08\x10\x05\x01\0\0\0\1\0\0\0\x20" "abcd"),
	D(500, NULL, IKE_SPIS "\x21\x20\x22\x08\0\0\0\0\0\0\0\x1c"), /* IKE_SA_INIT */
	D(500, NULL, IKE_SPIS "\x2e\x20\x25\x08\0\0\0\1\0\0\0\x1d"),
	D(4500, "ike", "\xff"),
	D(4500, "ike", Z4 IKE_SPIS "\x2e\x20\x25\x08\0\0\0\1\0\0\0\x1c"),
	D(4500, NULL, "\x12\x34\x56\x78\0\0\0\1" "within"), /* a tunnel's content */
	D(51820, "wireguard", "\4\0\0\0" "abcd" "\5\0\0\0\0\0\0\0" Z16),
	D(51820, NULL, "\4\0\0\0" "abcd" "\5\0\0\0\0\0\0\0" Z32),
	D(51820, NULL, "\4\0\0\0" "abcd" "what comes" Z8 "1234"),
	D(9, NULL, "beacon"),
	D(9, NULL, ""),
};
/* clang-format on */

static void test_a_routine_is_known_by_its_whole_form(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(datagrams); i++) {
		const struct datagram *d = &datagrams[i];
		struct flow_facts f = { .dst = { .port = d->port }, .src = { .port = 40000 } };
		uint8_t *p = xmalloc(d->bytes.n + 1);
		const char *word;

		memcpy(p, d->bytes.p, d->bytes.n);
		p = xrealloc(p, d->bytes.n ? d->bytes.n : 1);
		word = routine_of(&f, p, d->bytes.n);
		if (!word != !d->word || (word && strcmp(word, d->word) != 0))
			fail_msg("%zu: '%s', not '%s'", i, word ? word : "-",
				 d->word ? d->word : "-");
		/* nor is what is cut short one, but for what is one itself */
		for (size_t n = 1; n + 1 < d->bytes.n; n++)
			routine_of(&f, p, n);
		f.tcp = true;
		assert_null(routine_of(&f, p, d->bytes.n));
		free(p);
	}
}

static void test_a_ping_is_routine_with_the_content_of_a_ping_program(void **state UNUSED)
{
	static const struct datagram pings[] = {
		D(0, "ping", ""),
		D(0, "ping", "abcdefghijklmnopqrstuvwabcdefghi"),
		D(0, "ping", "a time in here.." COUNTING),
		D(0, "ping",
		  "8 bytes."
		  "\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" COUNTING),
		D(0, NULL, "abcdefghijklmnopqrstuvwxyzabcdef"),
		D(0, NULL, "a time in here.." COUNTING "uid=0(root)"),
		D(0, NULL, "whoami"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(pings); i++) {
		const char *word =
			routine_ping((const uint8_t *)pings[i].bytes.p, pings[i].bytes.n);

		if (!word != !pings[i].word)
			fail_msg("%zu", i);
	}
}

#define KEEP_ALIVE "\0\1\0\0" STUN_ID

static void test_a_burst_is_routine_when_all_of_it_is(void **state UNUSED)
{
	static const char ask[] = KEEP_ALIVE;
	const size_t n = sizeof(ask) - 1;
	struct probe p = { .columns = " dir bytes routine ", .kinds = 1u << EV_BURST };

	probe_begin(&p, false, 3478, false);
	watch_feed(p.w, DIR_OUT, SECOND, ask, n);
	watch_feed(p.w, DIR_OUT, SECOND + 1, ask, n);
	watch_feed(p.w, DIR_OUT, 9 * SECOND, ask, n);
	watch_feed(p.w, DIR_OUT, 9 * SECOND + 1, "what it found", 13);
	watch_feed(p.w, DIR_OUT, 19 * SECOND, "what it found", 13);
	watch_feed(p.w, DIR_OUT, 19 * SECOND + 1, ask, n);
	watch_feed(p.w, DIR_IN, 29 * SECOND, ask, n);
	watch_count(p.w, DIR_IN, 29 * SECOND, 4); /* a capture that has not all of it */
	assert_string_equal(probe_end(&p), "burst dir=out bytes=40 routine=stun\n"
					   "burst dir=out bytes=33\n"
					   "burst dir=out bytes=33\n"
					   "burst dir=in bytes=24\n");
	probe_begin(&p, false, 0, false);
	watch_mute(p.w);
	watch_ping(p.w, DIR_OUT, SECOND, "abcdefgh", 8, 16);
	watch_ping(p.w, DIR_OUT, 3 * SECOND, "abcdefgh", 8, 64); /* the rest is not known */
	assert_string_equal(probe_end(&p), "burst dir=out bytes=16 routine=ping\n"
					   "burst dir=out bytes=64\n");
	probe_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_routine_is_known_by_its_whole_form),
		cmocka_unit_test(test_a_ping_is_routine_with_the_content_of_a_ping_program),
		cmocka_unit_test(test_a_burst_is_routine_when_all_of_it_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate routine", tests, NULL, NULL);
}
