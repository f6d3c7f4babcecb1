// SPDX-License-Identifier: Apache-2.0
/*
 * quic.h - the handshake bytes in QUIC Initial packets (RFC 9000, 9001, 9369)
 *
 * Initial packets are encrypted with keys that anybody can derive from the connection id in the
 * client's first one. For the readers of the room alone.
 */
#ifndef BELLJAR_GATE_QUIC_H
#define BELLJAR_GATE_QUIC_H

#include "gate/flow.h"

#define QUIC_CRYPTO_MAX	 16384 /* handshake bytes of a side */
#define QUIC_RANGES_MAX	 64    /* pieces of them that are apart */
#define QUIC_PACKETS_MAX 64    /* Initial packets of a side that are opened */

struct quic;
struct quic *quic_new(void);
size_t quic_held(const struct quic *q); /* bytes */
void quic_free(struct quic *q);
/** quic_is_initial() - the first packet of a client, of a version whose keys are known? */
bool quic_is_initial(const uint8_t *p, size_t n);
/**
 * quic_datagram() - take the handshake bytes out of one datagram
 * Return: 0, also when there were none; -EBADMSG when it is no QUIC, or a limit is reached
 */
int quic_datagram(struct quic *q, enum dir dir, const uint8_t *p, size_t n);
/** quic_message() - the first handshake message of a side, if it is whole: its body and type */
const uint8_t *quic_message(const struct quic *q, enum dir dir, uint8_t *ret_type, size_t *ret_n);

#endif
