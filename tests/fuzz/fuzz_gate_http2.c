// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_http2.c - a conversation in HTTP/2, and whom its first bytes are for
 */
#include "conversation.h"
#include "gate/decode/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf b = { 0 };
	char host[NAME_MAX_DNS + 8];

	conversation(p, n, true, 443, true, http2_begin);
	buf_add(&b, H2_PREFACE, H2_PREFACE_N);
	buf_add(&b, p, n);
	if (http_host_read(b.p, b.n, host) == 1 && strlen(host) >= sizeof(host))
		abort();
	buf_free(&b);
	return 0;
}
