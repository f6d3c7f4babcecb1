// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_journal_codec.c - what decodes encodes to the same bytes
 */
#include "journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct event ev;
	uint8_t *again;

	if (event_decode(p, n, &ev))
		return 0;
	again = xmalloc(n);
	if (event_encode(&ev, again, n) != (ssize_t)n || memcmp(again, p, n))
		abort();
	free(again);
	return 0;
}
