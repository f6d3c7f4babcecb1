// SPDX-License-Identifier: Apache-2.0
/*
 * content.h - the first and the last bytes of a stream, kept for the desk
 */
#ifndef BELLJAR_GATE_CONTENT_H
#define BELLJAR_GATE_CONTENT_H

#include "gate/wire.h"

/** struct content_pool - memory of all streams together, and where parts go */
struct content_pool {
	size_t used, max;
	bool short_of_memory; /* some streams were kept in part only */
	void *ctx;
	void (*part)(void *ctx, const struct wire_content *head, const void *p, size_t n);
};

/** struct content - of one direction of one flow; zero is a stream without bytes */
struct content {
	uint64_t total;
	uint8_t *first;
	uint32_t first_n, first_cap;
	bool first_told;
	uint8_t *last; /* ring of CONTENT_PART, NULL until the first part is full */
	uint64_t last_total;
};

void content_add(struct content *c, struct content_pool *pool, uint32_t flow, enum dir dir,
		 bool tls, const void *p, size_t n);
/** content_end() - tells what was not told yet, frees */
void content_end(struct content *c, struct content_pool *pool, uint32_t flow, enum dir dir,
		 bool tls);

#endif
