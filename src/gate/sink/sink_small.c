// SPDX-License-Identifier: Apache-2.0
/*
 * sink_small.c - the sinkhole's shortest servers: SSH's banner, daytime, time; NTP and STUN by UDP
 */
#include <time.h>

#include "gate/decode/be.h"
#include "gate/sink/talk.h"

/* Seconds from 1900 to 1970 (RFC 868, RFC 5905 6) */
#define SINCE_1900 2208988800u

/* ---- SSH: a version, then silence --------------------------------------------------------- */

struct ssh {
	bool said;
};

static enum talked ssh_greet(struct talk *t, struct buf *out)
{
	struct ssh *s = t->state;

	if (!s->said)
		buf_puts(out, "SSH-2.0-server\r\n"); /* RFC 4253 4.2 */
	s->said = true;
	return TALK_ON;
}

static enum talked ssh_input(struct talk *t, struct buf *out)
{
	talk_take(t, talk_left(t));
	return ssh_greet(t, out);
}

static enum looks ssh_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	return memcmp(p, "SSH-", n < 4 ? n : 4) ? LOOKS_NO : n < 4 ? LOOKS_SHORT : LOOKS_YES;
}

const struct speaker speaker_ssh = {
	.state = sizeof(struct ssh), .looks = ssh_looks, .greet = ssh_greet, .input = ssh_input
};

/* ---- RFC 867 and RFC 868 ------------------------------------------------------------------ */

static enum talked daytime_greet(struct talk *t, struct buf *out)
{
	time_t now = (time_t)(talk_time(t->env) / NSEC_PER_SEC);
	struct tm tm;
	char text[64];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC\r\n", &tm);
	buf_puts(out, text);
	return TALK_CLOSE;
}

static enum talked time_greet(struct talk *t, struct buf *out)
{
	uint8_t b[4];
	struct wr w = { b, b + 4, false };

	wr_be32(&w, (uint32_t)(talk_time(t->env) / NSEC_PER_SEC + SINCE_1900));
	buf_add(out, b, 4);
	return TALK_CLOSE;
}

const struct speaker speaker_daytime = { .greet = daytime_greet, .input = daytime_greet };
const struct speaker speaker_time = { .greet = time_greet, .input = time_greet };

/* ---- datagrams ---------------------------------------------------------------------------- */

static void wr_ntp_time(struct wr *w, uint64_t ns)
{
	wr_be32(w, (uint32_t)(ns / NSEC_PER_SEC + SINCE_1900));
	wr_be32(w, (uint32_t)(((ns % NSEC_PER_SEC) << 32) / NSEC_PER_SEC));
}

/* RFC 5905 7.3: mode 3 asks, mode 4 answers */
static bool ntp(const struct sink_env *env, const uint8_t *p, size_t n, struct buf *reply)
{
	uint8_t b[48] = { 0 };
	struct wr w = { b, b + sizeof(b), false };
	uint64_t now = talk_time(env);
	unsigned version;

	if (n < 48 || (p[0] & 7) != 3)
		return false;
	version = p[0] >> 3 & 7;
	if (!version || version > 4)
		return false;
	wr_u8(&w, (uint8_t)(version << 3 | 4));
	wr_u8(&w, 2);				  /* stratum */
	wr_u8(&w, p[2]);			  /* poll */
	wr_u8(&w, 0xe9);			  /* precision: 2^-23 s */
	wr_be32(&w, 0x100);			  /* root delay */
	wr_be32(&w, 0x100);			  /* root dispersion */
	wr_be32(&w, 0xc6120001);		  /* the server's server: 198.18.0.1 */
	wr_ntp_time(&w, now - NSEC_PER_SEC * 16); /* last set */
	wr_bytes(&w, p + 40, 8);		  /* when it was asked, by the client's clock */
	wr_ntp_time(&w, now);
	wr_ntp_time(&w, now);
	buf_add(reply, b, sizeof(b));
	return true;
}

/* RFC 8489 5 and 14.2: a binding request is told the address that it came from. */
static bool stun(const struct flow_facts *f, const uint8_t *p, size_t n, struct buf *reply)
{
	uint8_t b[20 + 8 + 16];
	struct wr w = { b, b + sizeof(b), false };
	const uint8_t *key = p + 4; /* magic cookie and transaction */
	size_t ip_n = f->src.v6 ? 16 : 4;

	if (n < 20 || be16(p) != 1 || be32(p + 4) != 0x2112a442 || be16(p + 2) != n - 20)
		return false;
	wr_be16(&w, 0x0101);
	wr_be16(&w, (uint16_t)(8 + ip_n));
	wr_bytes(&w, p + 4, 16);
	wr_be16(&w, 0x0020); /* XOR-MAPPED-ADDRESS */
	wr_be16(&w, (uint16_t)(4 + ip_n));
	wr_be16(&w, f->src.v6 ? 2 : 1);
	wr_be16(&w, f->src.port ^ 0x2112);
	for (size_t i = 0; i < ip_n; i++)
		wr_u8(&w, f->src.ip[i] ^ key[i]);
	buf_add(reply, b, (size_t)(w.p - b));
	return true;
}

void sink_datagram(const struct sink_env *env, const struct flow_facts *f, const void *p, size_t n,
		   struct buf *reply)
{
	if (f->dst.port == 123 && ntp(env, p, n, reply))
		return;
	stun(f, p, n, reply);
}
