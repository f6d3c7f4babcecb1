// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_dns.c - a message that is read can be described, and its name written and read again
 */
#include "gate/decode/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct dns_message *d = xmalloc(sizeof(*d));
	struct flow_facts f = { .id = 1 };
	struct buf scratch = { 0 };
	char again[DNS_NAME_TEXT_MAX];
	uint8_t wire[256];
	struct wr w = { wire, wire + sizeof(wire), false };
	struct event ev;
	size_t at = 0;

	if (!dns_read(p, n, d)) {
		if (!dns_looks_like(p, n) && d->opcode <= 6 && d->nquestions == 1 &&
		    !(d->flags & 0x40))
			abort();
		dns_event(d, &f, "udp", &scratch, &ev);
		if (*d->qname && (dns_name_write(&w, d->qname) || w.bad ||
				  dns_name_read(wire, (size_t)(w.p - wire), &at, again) ||
				  strcmp(again, d->qname)))
			abort();
	}
	buf_free(&scratch);
	free(d);
	return 0;
}
