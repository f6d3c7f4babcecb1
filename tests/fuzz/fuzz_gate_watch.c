// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_watch.c - a conversation whose protocol is guessed; the first byte says where
 */
#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint16_t ports[] = { 80, 443, 25, 21, 53, 853, 5353, 123, 6667, 9 };

	if (n)
		conversation(p + 1, n - 1, p[0] & 0x80, ports[(p[0] & 0x3f) % ARRAY_SIZE(ports)],
			     p[0] & 0x40, NULL);
	return 0;
}
