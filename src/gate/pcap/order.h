// SPDX-License-Identifier: Apache-2.0
/*
 * order.h - one direction of a TCP connection: segments as they come, bytes as they were sent
 *
 * Of bytes that come twice the first count. Segments that come early wait, at most
 * ORDER_SEGMENTS_MAX of them and ORDER_BYTES_MAX bytes; when there are more, or nothing more comes,
 * what is missing before them is lost, and they go on.
 */
#ifndef BELLJAR_GATE_ORDER_H
#define BELLJAR_GATE_ORDER_H

#include "base/base.h"

#define ORDER_SEGMENTS_MAX 256
#define ORDER_BYTES_MAX	   (256u << 10)
#define ORDER_WINDOW	   (1 << 30) /* what is further away is no part of this connection */

struct order {
	uint32_t next; /* sequence number that is delivered next */
	bool begun;
	unsigned nwaiting;
	size_t waiting_bytes; /* with what it takes to keep them */
	struct order_segment *waiting;
};

/** struct order_to - where the bytes go, in order; @lost: that many are missing */
struct order_to {
	void *ctx;
	void (*bytes)(void *ctx, const uint8_t *p, size_t n);
	void (*lost)(void *ctx, uint64_t n);
};

/** order_begin() - @next: the number of the first byte */
void order_begin(struct order *o, uint32_t next);
/** order_segment() - @full_n: what was sent, of which @n bytes were captured */
void order_segment(struct order *o, uint32_t seq, const uint8_t *p, size_t n, size_t full_n,
		   const struct order_to *to);
/** order_flush() - nothing more comes: what waits goes out, with what is missing as lost */
void order_flush(struct order *o, const struct order_to *to);
void order_free(struct order *o);

#endif
