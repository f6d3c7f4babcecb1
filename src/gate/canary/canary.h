// SPDX-License-Identifier: Apache-2.0
/*
 * canary.h - values that exist only in this box, found in what goes out, in whatever encoding
 *
 * At the start each value is written in every encoding (raw, hex in both cases, base64 at its three
 * offsets, URL, UTF-16LE, MD5/SHA-1/SHA-256 as hex, base64 and bytes) into one multi-pattern
 * automaton; streams are searched in one pass, across the borders of blocks. Bodies that announce
 * or show gzip, zlib or deflate are unpacked, at most CANARY_INFLATE_MAX bytes, and searched again;
 * so are gzip anywhere in a stream, zlib at its beginning, and what is said in a WebSocket.
 */
#ifndef BELLJAR_GATE_CANARY_H
#define BELLJAR_GATE_CANARY_H

#include "gate/flow.h"
#include "gate/gate.h"

#define CANARY_INFLATE_MAX (16u << 20) /* unpacked bytes a flow */
#define CANARY_HITS_MAX	   1000	       /* events a flow */

struct canaries; /* of a run */
int canaries_new(const struct gate_canary *v, int n, struct canaries **ret, struct err *err);
void canaries_free(struct canaries *c);

struct canary_stream; /* of one flow and place */
struct canary_stream *canary_stream_new(struct canaries *c, const struct flow_facts *f,
					const char *place, const struct emit *emit);
void canary_feed(struct canary_stream *s, uint64_t t, const void *p, size_t n);
void canary_stream_end(struct canary_stream *s, uint64_t t); /* and frees it */
/** canary_text() - one whole text, such as a DNS name */
void canary_text(struct canaries *c, const struct flow_facts *f, const char *place, uint64_t t,
		 const void *p, size_t n, const struct emit *emit);

#endif
