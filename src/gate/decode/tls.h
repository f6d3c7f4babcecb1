// SPDX-License-Identifier: Apache-2.0
/*
 * tls.h - TLS handshake messages as they are seen from outside (RFC 8446, 5246, 6066, 7301)
 *
 * Readers of one whole handshake message, without state; what cuts a stream into messages is
 * watch_tls.c for TCP and quic.c for QUIC. For the readers of the room alone.
 */
#ifndef BELLJAR_GATE_TLS_H
#define BELLJAR_GATE_TLS_H

#include "gate/decode/watch.h"

enum { TLS_CCS = 20, TLS_ALERT, TLS_HANDSHAKE, TLS_DATA };		/* record types */
enum { HS_CLIENT_HELLO = 1, HS_SERVER_HELLO = 2, HS_CERTIFICATE = 11 }; /* handshake types */

#define TLS_1_3		   0x0304
#define TLS_RECORD_HEAD	   5
#define TLS_RECORD_MAX	   (16384 + 2048) /* RFC 5246 6.2.3 */
#define TLS_HANDSHAKE_HEAD 4
#define TLS_HELLO_MAX	   32768			/* longest hello that is read */
#define TLS_MESSAGE_MAX	   (65536 - 1 - TLS_RECORD_MAX) /* longest handshake message */
#define TLS_CHAIN_MAX	   10				/* certificates of a chain that are told */

/** tls_is_grease() - RFC 8701 */
static inline bool tls_is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

/** tls_client_hello() - body of a ClientHello (without its four bytes of head). 0 or -EBADMSG */
int tls_client_hello(const uint8_t *p, size_t n, bool quic, struct hello *ret);

struct server_hello {
	uint16_t version, cipher;
	char alpn[128];
	bool retry; /* HelloRetryRequest */
};
int tls_server_hello(const uint8_t *p, size_t n, struct server_hello *ret);

const char *tls_version_name(uint16_t version, char buf[16]);
const char *tls_cipher_name(uint16_t cipher, char buf[16]);
const char *tls_alert_name(uint8_t alert, char buf[16]);

/* Events of them. Strings are borrowed from the arguments and @buf. */
void tls_event_client(const struct flow_facts *f, const struct hello *h, char buf[16],
		      struct event *ret);
void tls_event_server(const struct flow_facts *f, const struct server_hello *h, bool quic,
		      char buf[32], struct event *ret);
/** tls_event_certificate() - body of a Certificate message of TLS 1.2 or older, strings in
 * @scratch; -EBADMSG for none. A certificate that OpenSSL cannot read is told by its hash alone. */
int tls_event_certificate(const struct flow_facts *f, const uint8_t *p, size_t n,
			  struct buf *scratch, struct event *ret);

#endif
