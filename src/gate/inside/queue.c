// SPDX-License-Identifier: Apache-2.0
/*
 * queue.c - flows that wait: each queue holds one constant delay, so its first is due first
 */
#include <utlist.h>

#include "gate/inside/inside.h"

void queue_drop(struct queued *at)
{
	if (at->in)
		DL_DELETE(at->in->first, at);
	*at = (struct queued){ 0 };
}

void queue_put(struct queue *q, struct flow *f, struct queued *at, uint64_t due)
{
	queue_drop(at);
	*at = (struct queued){ .flow = f, .due = due, .in = q };
	DL_APPEND(q->first, at);
}

uint64_t queue_next(const struct queue *q)
{
	return q->first ? q->first->due : UINT64_MAX;
}

struct flow *queue_take_due(struct queue *q, uint64_t now)
{
	struct flow *f;

	if (queue_next(q) > now)
		return NULL;
	f = q->first->flow;
	queue_drop(q->first);
	return f;
}
