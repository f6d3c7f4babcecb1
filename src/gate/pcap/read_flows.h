// SPDX-License-Identifier: Apache-2.0
/*
 * read_flows.h - the flows of a capture file: which packets belong together, and when they end
 *
 * Bounded: at most READ_FLOWS_MAX flows, and READ_HELD_MAX bytes that they keep of what is not yet
 * whole. Where there would be more, the flow that has been silent longest ends early.
 */
#ifndef BELLJAR_GATE_READ_FLOWS_H
#define BELLJAR_GATE_READ_FLOWS_H

#include "gate/decode/packet.h"
#include "gate/flow.h"

#define READ_FLOWS_MAX 32768
#define READ_HELD_MAX  (48u << 20)
#define READ_UDP_IDLE  (60 * NSEC_PER_SEC) /* a pause that ends a UDP flow (BEACONS.md E1) */

struct flows;
struct flows *flows_new(const struct emit *emit);
/** flows_packet() - a whole IP datagram at @t. Return: false when it is neither TCP, UDP nor
 * a ping, or malformed */
bool flows_packet(struct flows *f, uint64_t t, const struct packet *p);
/** flows_end() - the file is over: all flows end */
void flows_end(struct flows *f);
void flows_count(const struct flows *f, uint64_t *ret_flows, uint64_t *ret_early);
void flows_free(struct flows *f);

#endif
