// SPDX-License-Identifier: Apache-2.0
/*
 * watch.h - a reader of one flow's bytes: which protocol, and what its heads say
 *
 * Fed with the bytes of both directions in order, live by the relay and the sinkhole and offline by
 * gate_read_file(); gives BANNER, TLS, HTTP, DNS and BURST events. It never answers and never
 * changes a byte. What is inside TLS is fed to a second watch (watch_new() with inner = true).
 *
 * All input is hostile. A watch holds at most WATCH_BYTES_MAX bytes at any time, whatever comes;
 * what exceeds a limit ends the decoding of that flow (bursts are still counted) and is told by one
 * GAP event with source "gate".
 */
#ifndef BELLJAR_GATE_WATCH_H
#define BELLJAR_GATE_WATCH_H

#include "gate/flow.h"

#define WATCH_BYTES_MAX	 (256u << 10)
#define WATCH_BURST_GAP	 NSEC_PER_SEC /* silence that separates bursts (BEACONS.md E2) */
#define WATCH_BURSTS_MAX 100000	      /* BURST events a flow */
#define WATCH_HEADS_MAX	 10000	      /* HTTP events a flow */

struct watch;

/** enum watch_protocol - of the flow's first bytes; see BANNER.protocol */
enum watch_protocol {
	PROTO_UNKNOWN = 0, /* not enough bytes yet */
	PROTO_TLS,
	PROTO_HTTP1,
	PROTO_HTTP2,
	PROTO_WEBSOCKET,
	PROTO_SSH,
	PROTO_SMTP,
	PROTO_FTP,
	PROTO_POP3,
	PROTO_IMAP,
	PROTO_IRC,
	PROTO_DNS,
	PROTO_QUIC,
	PROTO_NTP,
	PROTO_MQTT,
	PROTO_RDP,
	PROTO_SOCKS,
	PROTO_OTHER_TEXT,
	PROTO_OTHER_BINARY,
	PROTOS
};
/** watch_protocol_name() - "tls", … as in BANNER.protocol */
const char *watch_protocol_name(enum watch_protocol p);
/** watch_expected() - what IANA assigns to a port, PROTO_UNKNOWN for none that we tell apart */
enum watch_protocol watch_expected(bool tcp, uint16_t port);

/** watch_new() - @facts is copied; @emit is borrowed; @inner: these are bytes inside TLS */
struct watch *watch_new(const struct flow_facts *facts, bool inner, const struct emit *emit);
/** watch_feed() - @n bytes of one direction; for UDP one datagram a call. @t is in ns, and becomes
 * the t of the events that these bytes complete; a burst has that of its first byte */
void watch_feed(struct watch *w, enum dir dir, uint64_t t, const void *p, size_t n);
/** watch_count() - bytes that pass without being read (splice): they count for bursts only */
void watch_count(struct watch *w, enum dir dir, uint64_t t, size_t n);
/** watch_http_lost() - it was HTTP, and whom later requests are for can not be read any more */
bool watch_http_lost(const struct watch *w);
#define PING_HEAD 8 /* bytes; a ping without content is one, too */
/** watch_ping() - an ICMP echo with @n bytes of content, which no reader reads; @full_n: its
 * length, with its head, as it was sent */
void watch_ping(struct watch *w, enum dir dir, uint64_t t, const void *p, size_t n, size_t full_n);
/** watch_mute() - what is said on this flow is no protocol: bytes count for bursts only */
void watch_mute(struct watch *w);
/** watch_chains() - ask @fn about each chain of certificates that a server shows in clear (TLS 1.2
 * and older; @p: body of the Certificate message), before its event: what it says, borrowed, is the
 * event's verdict; NULL none */
typedef const char *watch_chain_fn(void *ctx, const uint8_t *p, size_t n);
void watch_chains(struct watch *w, watch_chain_fn *fn, void *ctx);
/** watch_lost() - @n bytes of a stream that nobody will see: a capture file lacks them; that they
 * were sent counts */
void watch_lost(struct watch *w, enum dir dir, uint64_t t, uint64_t n);
/** watch_idle() - nothing that is still to come needs to be read: the relay may splice */
bool watch_idle(const struct watch *w);
/** watch_end() - no more bytes; emits what is pending (last bursts, banner) */
void watch_end(struct watch *w, uint64_t t);
void watch_free(struct watch *w);

enum watch_protocol watch_protocol(const struct watch *w);
uint64_t watch_bytes(const struct watch *w, enum dir dir);
uint32_t watch_bursts(const struct watch *w); /* of DIR_OUT */
/** watch_held() - bytes that are kept now, about; at most WATCH_BYTES_MAX */
size_t watch_held(const struct watch *w);

/* ---- what policy asks of the first bytes -------------------------------------------------- */

/** struct hello - the parts of a ClientHello (TLS record or QUIC Initial) that policy needs */
struct hello {
	char sni[NAME_MAX_DNS + 1]; /* lower case, "" when absent or malformed */
	char alpn[128];		    /* comma separated, printable */
	char ja4[40];
	uint16_t version; /* highest offered */
	bool quic, ech;
};
/**
 * hello_read_tls() - find a ClientHello at the start of a TCP stream
 * Return: 1 found; 0 more bytes are needed; -EBADMSG these are not the start of one
 */
int hello_read_tls(const void *p, size_t n, struct hello *ret);
/** hello_read_quic() - the same for datagrams of one client; state in *ctx (NULL at first, freed by
 * hello_quic_free()), since a ClientHello can span several Initial packets (RFC 9001 5.2, 17.2.2)
 */
struct hello_quic;
int hello_read_quic(struct hello_quic **ctx, const void *datagram, size_t n, struct hello *ret);
void hello_quic_free(struct hello_quic *q);
/** http_host_read() - whom the request head at the start of a stream is for (HTTP/1.x, or HTTP/2
 * with prior knowledge), as sent, in lower case, with its port if it has one; "" when it does not
 * say. Where it says different things (two Host fields, Host and an absolute target), all of them,
 * with a comma between: no name that anybody allows. 1 found in @host, 0 more bytes needed,
 * -EBADMSG no request head, -EMSGSIZE one that is too long to read */
int http_host_read(const void *p, size_t n, char host[NAME_MAX_DNS + 8]);

#endif
