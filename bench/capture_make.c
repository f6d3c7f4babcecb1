// SPDX-License-Identifier: Apache-2.0
/*
 * capture_make.c - a capture file of made-up traffic, the same for the same seed
 *
 *	capture_make PACKETS [SEED] >FILE.pcap
 *
 * Some hundred conversations at a time, of four kinds: HTTP, TLS, DNS, and datagrams in both
 * directions. Of the TCP segments with data one in a hundred is swapped with the next, and one in a
 * hundred comes twice. Addresses are of the documentation ranges.
 */
#include <arpa/inet.h>

#include "base/base.h"

#define TALKS 400
#define MSS   1400

enum kind { HTTP, TLS, DNS, DATAGRAMS, KINDS };
enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

struct talk {
	enum kind kind;
	unsigned step, answer; /* segments of the answer still to come */
	uint32_t seq[2];       /* program, server */
	uint16_t port;
	uint8_t host;
};

struct maker {
	uint64_t state; /* of the generator (xorshift64*) */
	uint64_t us, left;
	uint16_t ports;
	uint8_t held[2048]; /* a frame that comes after the next */
	size_t held_n;
	FILE *out;
	struct talk talk[TALKS];
};

static uint32_t dice(struct maker *m, uint32_t n)
{
	m->state ^= m->state >> 12;
	m->state ^= m->state << 25;
	m->state ^= m->state >> 27;
	return (uint32_t)((m->state * 0x2545f4914f6cdd1dull) >> 33) % n;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static void write_frame(struct maker *m, const uint8_t *frame, size_t n)
{
	uint32_t head[4];

	if (!m->left)
		return;
	m->left--;
	m->us += dice(m, 20) + 1;
	head[0] = (uint32_t)(1700000000 + m->us / 1000000);
	head[1] = (uint32_t)(m->us % 1000000);
	head[2] = head[3] = (uint32_t)n;
	fwrite(head, sizeof(head), 1, m->out);
	fwrite(frame, n, 1, m->out);
}

/* Ethernet and IPv4 around a transport head and its data */
static void send_ip(struct maker *m, const struct talk *t, bool in, uint8_t protocol,
		    const uint8_t *p, size_t n, bool swap)
{
	uint8_t f[2048] = { 0 };

	f[5] = in ? 2 : 1;
	f[11] = in ? 1 : 2;
	put16(f + 12, 0x0800);
	f[14] = 0x45;
	put16(f + 16, (unsigned)n + 20);
	f[22] = 64;
	f[23] = protocol;
	memcpy(f + (in ? 30 : 26), "\xc0\x00\x02\x05", 4);
	memcpy(f + (in ? 26 : 30), "\xc6\x33\x64", 3);
	f[in ? 29 : 33] = t->host;
	memcpy(f + 34, p, n);
	if (swap && !m->held_n) {
		memcpy(m->held, f, n + 34);
		m->held_n = n + 34;
		return;
	}
	write_frame(m, f, n + 34);
	if (m->held_n)
		write_frame(m, m->held, m->held_n);
	m->held_n = 0;
}

static void send_tcp(struct maker *m, struct talk *t, bool in, uint8_t flags, const void *p,
		     size_t n)
{
	uint8_t s[2000] = { 0 };
	unsigned luck = n ? dice(m, 100) : 99;

	put16(s + (in ? 2 : 0), t->port);
	put16(s + (in ? 0 : 2), t->kind == HTTP ? 80 : 443);
	put32(s + 4, t->seq[in]);
	put32(s + 8, flags & ACK ? t->seq[!in] : 0);
	s[12] = 0x50;
	s[13] = flags;
	put16(s + 14, 65000);
	memcpy(s + 20, p, n);
	send_ip(m, t, in, 6, s, n + 20, luck == 0);
	if (luck == 1)
		send_ip(m, t, in, 6, s, n + 20, false);
	t->seq[in] += (uint32_t)n + !!(flags & (SYN | FIN));
}

static void send_udp(struct maker *m, struct talk *t, bool in, uint16_t port, const void *p,
		     size_t n)
{
	uint8_t s[2000] = { 0 };

	put16(s + (in ? 2 : 0), t->port);
	put16(s + (in ? 0 : 2), port);
	put16(s + 4, (unsigned)n + 8);
	memcpy(s + 8, p, n);
	send_ip(m, t, in, 17, s, n + 8, false);
}

/* a ClientHello with what a usual one has: suites, server name, ALPN, versions */
static size_t client_hello(struct maker *m, const struct talk *t, uint8_t *out)
{
	static const uint8_t middle[] = "\x00\x06\x13\x01\x13\x02\xc0\x2f\x01\x00\x00\x34"
					"\x00\x00\x00\x16\x00\x14\x00\x00\x11h000.example.test"
					"\x00\x10\x00\x05\x00\x03\x02h2"
					"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
					"\x00\x0d\x00\x04\x00\x02\x04\x03";
	size_t n = 0;

	memcpy(out, "\x16\x03\x01\x00\x00\x01\x00\x00\x00\x03\x03", 11);
	n = 11;
	for (int i = 0; i < 32; i++)
		out[n++] = (uint8_t)dice(m, 256);
	out[n++] = 0;
	memcpy(out + n, middle, sizeof(middle) - 1);
	out[n + 22] = (uint8_t)('0' + t->host / 100);
	out[n + 23] = (uint8_t)('0' + t->host / 10 % 10);
	out[n + 24] = (uint8_t)('0' + t->host % 10);
	n += sizeof(middle) - 1;
	put16(out + 3, (unsigned)n - 5);
	put16(out + 7, (unsigned)n - 9);
	return n;
}

static size_t server_hello(struct maker *m, uint8_t *out)
{
	size_t n = 11;

	memcpy(out, "\x16\x03\x03\x00\x2e\x02\x00\x00\x2e\x03\x03", 11);
	for (int i = 0; i < 32; i++)
		out[n++] = (uint8_t)dice(m, 256);
	memcpy(out + n, "\x00\x13\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04", 12);
	n += 12;
	put16(out + 3, (unsigned)n - 5);
	put16(out + 7, (unsigned)n - 9);
	return n;
}

/* the first segment of an answer; the rest of it is filling */
static size_t answer(struct maker *m, const struct talk *t, uint8_t *out)
{
	if (t->kind == TLS)
		return server_hello(m, out);
	return (size_t)sprintf((char *)out,
			       "HTTP/1.1 200 OK\r\nServer: none\r\nContent-Type: text/plain\r\n"
			       "Content-Length: %u\r\n\r\n",
			       (t->answer - 1) * MSS);
}

static size_t question(struct maker *m, const struct talk *t, uint8_t *out)
{
	if (t->kind == TLS)
		return client_hello(m, t, out);
	return (size_t)sprintf((char *)out,
			       "GET /%u/%u HTTP/1.1\r\nHost: h%03u.example.test\r\n"
			       "User-Agent: capture_make/1\r\nAccept: */*\r\n\r\n",
			       dice(m, 100000), dice(m, 100000), t->host);
}

/* Return: whether the conversation is over */
static bool step_tcp(struct maker *m, struct talk *t)
{
	static const uint8_t filling[MSS] = "\x17\x03\x03\x40\x00";
	uint8_t p[1500];

	switch (t->step++) {
	case 0:
		t->answer = 1 + dice(m, 30);
		send_tcp(m, t, false, SYN, "", 0);
		return false;
	case 1:
		send_tcp(m, t, true, SYN | ACK, "", 0);
		return false;
	case 2:
		send_tcp(m, t, false, ACK, "", 0);
		send_tcp(m, t, false, PSH | ACK, p, question(m, t, p));
		return false;
	case 3:
		send_tcp(m, t, true, PSH | ACK, p, answer(m, t, p));
		t->answer--;
		return false;
	default:
		if (t->answer) {
			t->answer--;
			send_tcp(m, t, true, ACK, filling, MSS);
			if (t->answer % 2)
				send_tcp(m, t, false, ACK, "", 0);
			return false;
		}
		send_tcp(m, t, true, FIN | ACK, "", 0);
		send_tcp(m, t, false, FIN | ACK, "", 0);
		send_tcp(m, t, true, ACK, "", 0);
		return true;
	}
}

static bool step_dns(struct maker *m, struct talk *t)
{
	uint8_t p[128];
	size_t n = 12;

	memset(p, 0, 12);
	put16(p, t->port);
	p[2] = 1;
	p[5] = 1;
	n += (size_t)sprintf((char *)p + n, "%ch%03u%cexample%ctest", 4, t->host, 7, 4) + 1;
	put16(p + n, 1);
	put16(p + n + 2, 1);
	n += 4;
	if (t->step++) {
		p[2] = 0x81;
		p[3] = 0x80;
		p[7] = 1;
		memcpy(p + n, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc6\x33\x64", 15);
		p[n + 15] = t->host;
		n += 16;
	}
	send_udp(m, t, t->step == 2, 53, p, n);
	return t->step == 2;
}

static bool step_datagrams(struct maker *m, struct talk *t)
{
	uint8_t p[1200];
	size_t n = 40 + dice(m, 1160);

	memset(p, 0x55, n);
	send_udp(m, t, dice(m, 3) > 0, 9999, p, n);
	return t->step++ > 40;
}

static void begin(struct maker *m, struct talk *t)
{
	static const enum kind kinds[] = { HTTP, HTTP, TLS, TLS, TLS, DNS, DNS, DNS, DATAGRAMS };

	*t = (struct talk){ .kind = kinds[dice(m, ARRAY_SIZE(kinds))] };
	t->port = (uint16_t)(10000 + m->ports++ % 50000);
	t->host = (uint8_t)dice(m, 256);
	t->seq[0] = dice(m, 1u << 30);
	t->seq[1] = dice(m, 1u << 30);
}

int main(int argc, char **argv)
{
	static bool (*const step[KINDS])(struct maker *, struct talk *) = {
		[HTTP] = step_tcp, [TLS] = step_tcp, [DNS] = step_dns, [DATAGRAMS] = step_datagrams
	};
	static const uint32_t head[6] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1 };
	struct maker *m = xcalloc(1, sizeof(*m));

	if (argc < 2) {
		fprintf(stderr, "usage: capture_make PACKETS [SEED]\n");
		return 2;
	}
	m->left = strtoull(argv[1], NULL, 10);
	m->state = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 1;
	m->out = stdout;
	fwrite(head, sizeof(head), 1, m->out);
	for (int i = 0; i < TALKS; i++)
		begin(m, &m->talk[i]);
	while (m->left) {
		struct talk *t = &m->talk[dice(m, TALKS)];

		if (step[t->kind](m, t))
			begin(m, t);
	}
	free(m);
	return fflush(stdout) ? 1 : 0;
}
