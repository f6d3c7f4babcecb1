// SPDX-License-Identifier: Apache-2.0
/*
 * routine.h - is a datagram one of those that its protocol sends by the clock?
 *
 * Clocks are asked, calls and tunnels kept open, registrations renewed and links probed at regular
 * times because a standard says so. Such messages have a form in which next to nothing fits; only
 * what is of that form from its first byte to its last counts, so that whoever hides behind a port
 * or a first byte is not taken for one. For the readers of the room alone.
 */
#ifndef BELLJAR_GATE_ROUTINE_H
#define BELLJAR_GATE_ROUTINE_H

#include "gate/flow.h"

/** routine_of() - the protocol whose routine the @n bytes of a datagram are, a word of
 * BURST.routine that lives for ever; NULL for everything else */
const char *routine_of(const struct flow_facts *facts, const uint8_t *p, size_t n);
/** routine_ping() - "ping" when the content of an ICMP echo is what the ping programs of systems
 * put there, which is the same in each */
const char *routine_ping(const uint8_t *p, size_t n);

#endif
