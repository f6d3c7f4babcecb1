// SPDX-License-Identifier: Apache-2.0
/*
 * routine.c - the forms of messages that protocols send by the clock
 */
#include "gate/decode/routine.h"
#include "gate/decode/be.h"

#define ROUTINE_MAX 256 /* bytes of a message, but of SIP's, which is text */
#define SIP_MAX	    1500

/* ---- clocks and links ---------------------------------------------------------------------- */

/* RFC 5905 7.3: version 1 to 4, mode 1 to 4; nothing behind but a key's number and a digest of 128
 * or 160 bits */
static bool is_ntp(const uint8_t *p, size_t n)
{
	uint8_t version = p[0] >> 3 & 7, mode = p[0] & 7;

	return (n == 48 || n == 48 + 4 + 16 || n == 48 + 4 + 20) && version >= 1 && version <= 4 &&
	       mode >= 1 && mode <= 4;
}

/* RFC 5880 4.1: version 1, its own length, an interval at which to send */
static bool is_bfd(const uint8_t *p, size_t n)
{
	return n >= 24 && n <= 52 && p[0] >> 5 == 1 && p[3] == n && p[2];
}

/* RFC 7252 4.3: an empty message that must be acknowledged, and the reset that answers it */
static bool is_coap_ping(const uint8_t *p, size_t n)
{
	return n == 4 && (p[0] == 0x40 || p[0] == 0x70) && !p[1];
}

/* RFC 1002 4.2: a question for a name, or for what names somebody has, its answer, the refresh of
 * one; a name is its length of 32 and as many letters of A to P */
static bool is_netbios(const uint8_t *p, size_t n)
{
	uint8_t opcode;

	if (n < 12 + 34 || n > ROUTINE_MAX || p[12] != 32 || p[12 + 33])
		return false;
	for (size_t i = 13; i < 13 + 32; i++)
		if (p[i] < 'A' || p[i] > 'P')
			return false;
	opcode = p[2] >> 3 & 15;
	return opcode == 0 || opcode == 5 || opcode == 8 || opcode == 9;
}

/* ---- calls ---------------------------------------------------------------------------------- */

#define STUN_HEAD   20
#define STUN_COOKIE 0x2112a442
#define STUN_DATA   0x0013 /* RFC 8656 18.4: what somebody wants to be relayed */

/* RFC 8489 5: two zero bits, type, length, cookie, attributes that fill it. Binding keeps a NAT's
 * door open (RFC 8445 11) and asks for consent (RFC 7675 5.1); Refresh, CreatePermission and
 * ChannelBind are repeated while a relay is used (RFC 8656). */
static bool is_stun(const uint8_t *p, size_t n)
{
	static const uint8_t methods[] = { 0x01, 0x04, 0x08, 0x09 };
	struct rd r = { p, p + n, false };
	uint16_t type, method;

	if (n < STUN_HEAD || n > ROUTINE_MAX || p[0] & 0xc0 || be32(p + 4) != STUN_COOKIE ||
	    be16(p + 2) + (size_t)STUN_HEAD != n)
		return false;
	type = be16(p);
	method = type & ~0x0110;
	if (method > 0xff || !memchr(methods, method, sizeof(methods)))
		return false;
	rd_bytes(&r, STUN_HEAD);
	while (rd_left(&r)) {
		uint16_t attribute = rd_be16(&r), size = rd_be16(&r);

		rd_bytes(&r, (size + 3u) & ~3u);
		if (r.bad || attribute == STUN_DATA)
			return false;
	}
	return true;
}

/* RFC 3550 6: a report of who sends or receives, other packets behind it, each with its length */
static bool is_rtcp(const uint8_t *p, size_t n)
{
	size_t at = 0;

	if (n > ROUTINE_MAX || n < 8 || (p[1] != 200 && p[1] != 201))
		return false;
	while (at + 4 <= n) {
		if (p[at] >> 6 != 2 || p[at + 1] < 200 || p[at + 1] > 207)
			return false;
		at += (be16(p + at + 2) + (size_t)1) * 4;
	}
	return at == n;
}

static bool has(const uint8_t *p, size_t n, const char *z)
{
	return memmem(p, n, z, strlen(z)) != NULL;
}

/* RFC 5626 4.4.1: two line ends, and one in answer; RFC 3261 10.2.4 and 11: a registration that is
 * renewed, or the question what somebody can do, and the answers. Nothing comes behind the head. */
static bool is_sip(const uint8_t *p, size_t n)
{
	struct str s = { (const char *)p, n };

	if (n == 2 || n == 4)
		return !memcmp(p, "\r\n\r\n", n);
	if (n > SIP_MAX || n < 16 || memcmp(p + n - 4, "\r\n\r\n", 4) != 0 ||
	    has(p, n - 4, "\r\n\r\n"))
		return false;
	if (str_starts(s, "REGISTER sip:") || str_starts(s, "OPTIONS sip:"))
		return has(p, n, " SIP/2.0\r\n");
	return str_starts(s, "SIP/2.0 ") &&
	       (has(p, n, " REGISTER\r\n") || has(p, n, " OPTIONS\r\n"));
}

/* ---- tunnels -------------------------------------------------------------------------------- */

#define IKE_HEAD	    28
#define IKE_INFORMATIONAL_1 5  /* RFC 2408 3.1 */
#define IKE_INFORMATIONAL_2 37 /* RFC 7296 3.1 */

/* RFC 7296 2.4 and RFC 3706: are you there? */
static bool is_ike(const uint8_t *p, size_t n)
{
	bool first = n >= IKE_HEAD && p[17] == 0x10 && p[18] == IKE_INFORMATIONAL_1;
	bool second = n >= IKE_HEAD && p[17] == 0x20 && p[18] == IKE_INFORMATIONAL_2;

	return n <= ROUTINE_MAX && (first || second) && be32(p + 24) == n &&
	       (be32(p) || be32(p + 4));
}

/* RFC 3948 2.2 and 2.3: on this port, four zero bytes are before IKE; one byte keeps a NAT's door
 * open */
static bool is_ike_behind_nat(const uint8_t *p, size_t n)
{
	return (n == 1 && p[0] == 0xff) || (n > 4 && !be32(p) && is_ike(p + 4, n - 4));
}

/* WireGuard 5.4.6 and 6.5: a transport message of nothing but its tag */
static bool is_wireguard(const uint8_t *p, size_t n)
{
	return n == 32 && !memcmp(p, "\4\0\0", 4) && !p[13] && !p[14] && !p[15];
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct form {
	const char *word;
	uint16_t port; /* of one side; 0 any */
	bool (*is)(const uint8_t *p, size_t n);
} forms[] = {
	{ "ntp", 123, is_ntp },		  { "netbios", 137, is_netbios },
	{ "ike", 500, is_ike },		  { "ike", 4500, is_ike_behind_nat },
	{ "bfd", 3784, is_bfd },	  { "bfd", 4784, is_bfd },
	{ "sip", 5060, is_sip },	  { "coap", 5683, is_coap_ping },
	{ "stun", 0, is_stun },		  { "rtcp", 0, is_rtcp },
	{ "wireguard", 0, is_wireguard },
};

const char *routine_of(const struct flow_facts *facts, const uint8_t *p, size_t n)
{
	if (facts->tcp || !n)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if ((!forms[i].port || forms[i].port == facts->dst.port ||
		     forms[i].port == facts->src.port) &&
		    forms[i].is(p, n))
			return forms[i].word;
	return NULL;
}

/* ---- pings ---------------------------------------------------------------------------------- */

#define PING_TIME 16 /* bytes of a struct timeval in front, where a system's ping puts one */
#define PING_MAX  1500

/* each byte is one more than the one before */
static bool counts_up(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (p[i] != (uint8_t)(p[i - 1] + 1))
			return false;
	return n > 0;
}

/* the letters a to w, again and again */
static bool is_alphabet(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 'a' + i % 23)
			return false;
	return n > 0;
}

const char *routine_ping(const uint8_t *p, size_t n)
{
	if (n > PING_MAX)
		return NULL;
	if (!n || is_alphabet(p, n) || (n > PING_TIME && counts_up(p + PING_TIME, n - PING_TIME)) ||
	    (n > PING_TIME / 2 && counts_up(p + PING_TIME / 2, n - PING_TIME / 2)))
		return "ping";
	return NULL;
}
