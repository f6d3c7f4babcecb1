// SPDX-License-Identifier: Apache-2.0
/*
 * ports.c - words for protocols, and which of them IANA assigns to a port
 */
#include <assert.h>

#include "gate/decode/watch_inner.h"

static const char *const names[] = {
	[PROTO_UNKNOWN] = "unknown",
	[PROTO_TLS] = "tls",
	[PROTO_HTTP1] = "http",
	[PROTO_HTTP2] = "http2",
	[PROTO_WEBSOCKET] = "websocket",
	[PROTO_SSH] = "ssh",
	[PROTO_SMTP] = "smtp",
	[PROTO_FTP] = "ftp",
	[PROTO_POP3] = "pop3",
	[PROTO_IMAP] = "imap",
	[PROTO_IRC] = "irc",
	[PROTO_DNS] = "dns",
	[PROTO_QUIC] = "quic",
	[PROTO_NTP] = "ntp",
	[PROTO_MQTT] = "mqtt",
	[PROTO_RDP] = "rdp",
	[PROTO_SOCKS] = "socks",
	[PROTO_OTHER_TEXT] = "unknown-text",
	[PROTO_OTHER_BINARY] = "unknown-binary",
};
static_assert(ARRAY_SIZE(names) == PROTOS, "a word for each");

const char *watch_protocol_name(enum watch_protocol p)
{
	return p >= 0 && p < PROTOS ? names[p] : names[PROTO_UNKNOWN];
}

/* IANA, "Service Name and Transport Protocol Port Number Registry" */
static const struct assigned {
	uint16_t port;
	enum watch_protocol tcp, udp, inside; /* inside: of TLS on this TCP port */
} assigned[] = {
	{ 21, .tcp = PROTO_FTP },
	{ 22, .tcp = PROTO_SSH },
	{ 25, .tcp = PROTO_SMTP },
	{ 53, .tcp = PROTO_DNS, .udp = PROTO_DNS },
	{ 80, .tcp = PROTO_HTTP1 },
	{ 110, .tcp = PROTO_POP3 },
	{ 123, .udp = PROTO_NTP },
	{ 143, .tcp = PROTO_IMAP },
	{ 194, .tcp = PROTO_IRC },
	{ 443, .tcp = PROTO_TLS, .udp = PROTO_QUIC, .inside = PROTO_HTTP1 },
	{ 465, .tcp = PROTO_TLS, .inside = PROTO_SMTP },
	{ 587, .tcp = PROTO_SMTP },
	{ 636, .tcp = PROTO_TLS },
	{ 853, .tcp = PROTO_TLS, .udp = PROTO_QUIC, .inside = PROTO_DNS },
	{ 989, .tcp = PROTO_TLS },
	{ 990, .tcp = PROTO_TLS, .inside = PROTO_FTP },
	{ 992, .tcp = PROTO_TLS },
	{ 993, .tcp = PROTO_TLS, .inside = PROTO_IMAP },
	{ 995, .tcp = PROTO_TLS, .inside = PROTO_POP3 },
	{ 1080, .tcp = PROTO_SOCKS },
	{ 1883, .tcp = PROTO_MQTT },
	{ 3389, .tcp = PROTO_RDP },
	{ 5353, .udp = PROTO_DNS },
	{ 5355, .tcp = PROTO_DNS, .udp = PROTO_DNS },
	{ 6665, .tcp = PROTO_IRC },
	{ 6666, .tcp = PROTO_IRC },
	{ 6667, .tcp = PROTO_IRC },
	{ 6668, .tcp = PROTO_IRC },
	{ 6669, .tcp = PROTO_IRC },
	{ 6697, .tcp = PROTO_TLS, .inside = PROTO_IRC },
	{ 8008, .tcp = PROTO_HTTP1 },
	{ 8080, .tcp = PROTO_HTTP1 },
	{ 8443, .tcp = PROTO_TLS, .inside = PROTO_HTTP1 },
	{ 8883, .tcp = PROTO_TLS, .inside = PROTO_MQTT },
};

static const struct assigned *of_port(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(assigned); i++)
		if (assigned[i].port == port)
			return &assigned[i];
	return NULL;
}

enum watch_protocol watch_expected(bool tcp, uint16_t port)
{
	const struct assigned *a = of_port(port);

	return !a ? PROTO_UNKNOWN : tcp ? a->tcp : a->udp;
}

enum watch_protocol watch_expected_inside(uint16_t port)
{
	const struct assigned *a = of_port(port);

	return a ? a->inside : PROTO_UNKNOWN;
}
