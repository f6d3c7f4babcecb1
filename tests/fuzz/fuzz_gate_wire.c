// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_wire.c - any bytes as a message between gate process and desk
 *
 * What is taken as frames, written again, is the message's beginning; what is refused begins where
 * they end.
 */
#include "gate/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct wire_cursor c = { p, p + n };
	struct buf again = { .limit = n + 1 };
	enum wire_type type = WIRE_TYPES;
	struct str s = { 0 };
	int rc;

	while ((rc = wire_next(&c, &type, &s)) == 1) {
		check(type >= WIRE_READY && type < WIRE_TYPES);
		check((const uint8_t *)s.p >= p && s.n <= n && (const uint8_t *)s.p + s.n == c.p);
		wire_add(&again, type, s.p, s.n / 2, s.p + s.n / 2, s.n - s.n / 2);
		check(!again.overflow && again.n == (size_t)(c.p - p));
	}
	check(rc == 0 || rc == -EBADMSG);
	check(rc || again.n == n);
	check(!again.n || !memcmp(again.p, p, again.n));
	buf_free(&again);
	return 0;
}
