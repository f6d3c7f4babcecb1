// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_tls.c - a conversation in TLS; hellos and a certificate without what is around them
 */
#include "conversation.h"
#include "gate/decode/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct flow_facts f = { .id = 1 };
	struct buf scratch = { 0 };
	struct server_hello s;
	struct event ev;
	struct hello h;
	uint64_t events = 0;

	conversation(p, n, true, 443, false, tls_begin);
	hello_read_tls(p, n, &h);
	if (!tls_client_hello(p, n, n & 1, &h) &&
	    (strlen(h.ja4) != 36 || strlen(h.sni) > NAME_MAX_DNS ||
	     strlen(h.alpn) >= sizeof(h.alpn)))
		abort();
	tls_server_hello(p, n, &s);
	if (!tls_event_certificate(&f, p, n, &scratch, &ev))
		conversation_event(&events, &ev);
	buf_free(&scratch);
	return 0;
}
