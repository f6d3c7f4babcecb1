// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_http1.c - a conversation in HTTP/1, and whom its first bytes are for
 */
#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char host[NAME_MAX_DNS + 8];

	conversation(p, n, true, 80, false, http1_begin);
	if (http_host_read(p, n, host) == 1 && strlen(host) >= sizeof(host))
		abort();
	return 0;
}
