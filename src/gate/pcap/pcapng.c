// SPDX-License-Identifier: Apache-2.0
/*
 * pcapng.c - blocks of a capture file (draft-ietf-opsawg-pcapng: 4.1 section header, 4.2 interface,
 * 4.3 enhanced packet, 4.7 decryption secrets)
 *
 * Little-endian: the section header's magic number says so.
 */
#include "gate/pcap/pcapng.h"

#define BLOCK_SHB 0x0a0d0d0au
#define BLOCK_IDB 1u
#define BLOCK_EPB 6u
#define BLOCK_DSB 10u

enum {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_APPLICATION = 4,
	IF_NAME = 2,
	IF_TSRESOL = 9,
};

#define LINKTYPE_ETHERNET 1u
#define SECRETS_TLS	  0x544c534bu /* "TLSK": NSS key log */

static void put32(struct buf *out, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	buf_add(out, b, 4);
}

static void put16(struct buf *out, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	buf_add(out, b, 2);
}

static void pad(struct buf *out, size_t n)
{
	buf_add(out, "\0\0\0", (4 - n % 4) % 4);
}

static void option(struct buf *out, uint16_t code, const void *p, size_t n)
{
	if (n > UINT16_MAX)
		n = UINT16_MAX;
	put16(out, code);
	put16(out, (uint16_t)n);
	buf_add(out, p, n);
	pad(out, n);
}

static void text_option(struct buf *out, uint16_t code, const char *z)
{
	if (z && *z)
		option(out, code, z, strlen(z));
}

/* The length stands at both ends of a block. */
static size_t block(struct buf *out, uint32_t type)
{
	size_t at = out->n;

	put32(out, type);
	put32(out, 0);
	return at;
}

static void block_end(struct buf *out, size_t at)
{
	uint32_t n = (uint32_t)(out->n - at + 4);
	uint8_t b[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };

	if (out->overflow)
		return;
	memcpy(out->p + at + 4, b, 4);
	put32(out, n);
}

void pcapng_begin(struct buf *out, const char *hardware, const char *os, const char *application)
{
	static const uint8_t nanoseconds = 9;
	size_t at = block(out, BLOCK_SHB);

	put32(out, 0x1a2b3c4du);
	put16(out, 1);
	put16(out, 0);
	put32(out, UINT32_MAX); /* length of the section: not said */
	put32(out, UINT32_MAX);
	text_option(out, SHB_HARDWARE, hardware);
	text_option(out, SHB_OS, os);
	text_option(out, SHB_APPLICATION, application);
	put32(out, OPT_END);
	block_end(out, at);
	at = block(out, BLOCK_IDB);
	put16(out, LINKTYPE_ETHERNET);
	put16(out, 0);
	put32(out, PCAPNG_SNAPLEN);
	text_option(out, IF_NAME, "box");
	option(out, IF_TSRESOL, &nanoseconds, 1);
	put32(out, OPT_END);
	block_end(out, at);
}

void pcapng_packet(struct buf *out, uint64_t t, const void *frame, size_t n, size_t original_n,
		   const char *comment)
{
	size_t at = block(out, BLOCK_EPB);

	put32(out, 0);
	put32(out, (uint32_t)(t >> 32));
	put32(out, (uint32_t)t);
	put32(out, (uint32_t)n);
	put32(out, (uint32_t)original_n);
	buf_add(out, frame, n);
	pad(out, n);
	if (comment && *comment) {
		text_option(out, OPT_COMMENT, comment);
		put32(out, OPT_END);
	}
	block_end(out, at);
}

void pcapng_secrets(struct buf *out, const char *keylog, size_t n)
{
	size_t at = block(out, BLOCK_DSB);

	put32(out, SECRETS_TLS);
	put32(out, (uint32_t)n);
	buf_add(out, keylog, n);
	pad(out, n);
	block_end(out, at);
}
