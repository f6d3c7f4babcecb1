// SPDX-License-Identifier: Apache-2.0
/* gate_wire.c - frames between gate process and desk, and packets that the gate writes itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/decode/packet.h"
#include "gate/inside/inject.h"
#include "gate/wire.h"

static void test_frames_come_back_as_they_were_added(void **state UNUSED)
{
	struct buf out = { .limit = WIRE_MAX };
	struct wire_cursor c;
	enum wire_type type;
	struct str s;

	wire_add(&out, WIRE_EVENT, "ab", 2, "cde", 3);
	wire_add(&out, WIRE_ENDED, NULL, 0, NULL, 0);
	c = (struct wire_cursor){ (uint8_t *)out.p, (uint8_t *)out.p + out.n };
	assert_int_equal(wire_next(&c, &type, &s), 1);
	assert_int_equal(type, WIRE_EVENT);
	assert_int_equal(s.n, 5);
	assert_memory_equal(s.p, "abcde", 5);
	assert_int_equal(wire_next(&c, &type, &s), 1);
	assert_int_equal(type, WIRE_ENDED);
	assert_int_equal(s.n, 0);
	assert_int_equal(wire_next(&c, &type, &s), 0);
	buf_free(&out);
}

static void test_what_is_cut_or_of_no_kind_is_refused(void **state UNUSED)
{
	struct buf out = { .limit = WIRE_MAX };
	struct wire_head bad[] = {
		{ 0, 0 }, { WIRE_TYPES, 0 }, { WIRE_EVENT, 1 }, { WIRE_EVENT, UINT32_MAX }
	};
	struct wire_cursor c;
	enum wire_type type;
	struct str s;

	wire_add(&out, WIRE_LOOKUP, "abcdefgh", 8, NULL, 0);
	for (size_t n = 1; n < out.n; n++) {
		c = (struct wire_cursor){ (uint8_t *)out.p, (uint8_t *)out.p + n };
		assert_int_equal(wire_next(&c, &type, &s), -EBADMSG);
	}
	buf_free(&out);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c = (struct wire_cursor){ (uint8_t *)&bad[i], (uint8_t *)(&bad[i] + 1) };
		assert_int_equal(wire_next(&c, &type, &s), -EBADMSG);
	}
}

/* The sum over a packet that holds its own checksum is all ones (RFC 1071). */
static uint32_t sum(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void datagram_is_whole(bool v6, size_t n)
{
	static uint8_t frame[INJECT_MAX], payload[65507];
	struct addr from = { .v6 = v6, .port = 53, .ip = { 192, 0, 2, 1 } };
	struct addr to = { .v6 = v6, .port = 40000, .ip = { 10, 0, 2, 15 } };
	struct packet k;
	size_t len;

	memset(payload, 0xa5, sizeof(payload));
	len = inject_udp(frame, &from, &to, payload, n);
	assert_true(len > 0);
	assert_int_equal(packet_read(LINK_ETHERNET, frame, len, &k), 0);
	assert_int_equal(k.protocol, IPPROTO_UDP);
	assert_int_equal(k.n, n + 8);
	assert_true(addr_same_ip(&k.src, &from) && addr_same_ip(&k.dst, &to));
	assert_int_equal(k.p[0] << 8 | k.p[1], 53);
	assert_memory_equal(k.p + 8, payload, n);
	assert_int_equal(
		sum(sum(sum(IPPROTO_UDP + (uint32_t)k.n, from.ip, v6 ? 16 : 4), to.ip, v6 ? 16 : 4),
		    k.p, k.n),
		0xffff);
	if (!v6)
		assert_int_equal(sum(0, frame + 14, 20), 0xffff);
}

static void test_datagrams_have_the_sums_that_a_kernel_wants(void **state UNUSED)
{
	static const size_t sizes[] = { 0, 1, 2, 511, 1473, 65507 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		datagram_is_whole(false, sizes[i]);
		datagram_is_whole(true, sizes[i]);
	}
}

static void test_no_packet_is_made_of_two_families_or_too_much(void **state UNUSED)
{
	static uint8_t frame[INJECT_MAX], payload[65508];
	struct addr four = { .port = 1 }, six = { .v6 = true, .port = 1 };

	assert_int_equal(inject_udp(frame, &four, &six, payload, 1), 0);
	assert_int_equal(inject_udp(frame, &four, &four, payload, 65508), 0);
	assert_int_equal(inject_pong(frame, &four, &four, payload, 7), 0);
	assert_int_equal(inject_unreachable(frame, &six, &four, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_come_back_as_they_were_added),
		cmocka_unit_test(test_what_is_cut_or_of_no_kind_is_refused),
		cmocka_unit_test(test_datagrams_have_the_sums_that_a_kernel_wants),
		cmocka_unit_test(test_no_packet_is_made_of_two_families_or_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
