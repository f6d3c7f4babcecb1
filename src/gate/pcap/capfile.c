// SPDX-License-Identifier: Apache-2.0
/*
 * capfile.c - read pcap and pcapng files
 *
 * .buf holds what was read and not yet used. What is asked for whole is at most a packet with its
 * head; longer blocks of pcapng are none that we need, and are passed over piece by piece.
 */
#include "gate/pcap/capfile.h"

#define BUF_N	    (CAPFILE_PACKET_MAX + (512u << 10))
#define BLOCK_WHOLE (CAPFILE_PACKET_MAX + 4096) /* longest block that is read whole */
#define BLOCK_MAX   (256u << 20)		/* longer ones are damage */

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_OLD_PACKET = 2,
	BLOCK_SIMPLE = 3,
	BLOCK_PACKET = 6
};

/* units of an interface's clock as ns: t * times / by */
struct clock {
	uint64_t times, by;
	int64_t offset_s;
};

struct interface {
	uint16_t link;
	uint32_t snap;
	struct clock clock;
};

struct capfile {
	int fd;
	bool ng, swapped, cut, eof;
	uint64_t used_before; /* bytes of the file before .at */
	size_t at, n;
	struct interface one; /* pcap */
	struct interface *interfaces;
	unsigned ninterfaces;
	uint8_t buf[BUF_N];
};

static uint32_t u32(const struct capfile *f, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return f->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t u16(const struct capfile *f, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return f->swapped ? __builtin_bswap16(v) : v;
}

/* At least @n bytes in the buffer. Return: 1; 0 at the end before that; -errno */
static int need(struct capfile *f, size_t n)
{
	while (f->n - f->at < n && !f->eof) {
		ssize_t k;

		if (f->at) {
			memmove(f->buf, f->buf + f->at, f->n - f->at);
			f->used_before += f->at;
			f->n -= f->at;
			f->at = 0;
		}
		k = read(f->fd, f->buf + f->n, sizeof(f->buf) - f->n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		f->eof = !k;
		f->n += (size_t)k;
	}
	return f->n - f->at >= n;
}

/* need(), of which the end before is told apart: nothing there, or something cut */
static int need_all(struct capfile *f, size_t n, struct err *err)
{
	int rc = need(f, n);

	if (rc < 0)
		return err_set(err, -rc, "gate: read the capture file");
	if (!rc && f->n > f->at)
		f->cut = true;
	return rc;
}

static int damaged(const struct capfile *f, const char *what, struct err *err)
{
	uint64_t at = f->used_before + f->at;

	return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
			    "gate: read the capture file: %s at byte %llu", what,
			    (unsigned long long)at);
}

static uint64_t to_ns(const struct clock *c, uint64_t t)
{
	unsigned __int128 ns = (unsigned __int128)t * c->times;
	uint64_t offset = (uint64_t)c->offset_s * NSEC_PER_SEC;

	if (c->by != 1)
		ns /= c->by;
	return (uint64_t)ns + offset;
}

/* ---- pcap --------------------------------------------------------------------------------- */

#define PCAP_HEAD   24
#define PACKET_HEAD 16

static bool is_pcap(struct capfile *f)
{
	static const struct {
		uint32_t magic;
		uint64_t times;
	} kinds[] = { { 0xa1b2c3d4, 1000 }, { 0xa1b23c4d, 1 } };

	for (int swapped = 0; swapped < 2; swapped++) {
		f->swapped = swapped;
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			if (u32(f, f->buf) == kinds[i].magic) {
				f->one.clock = (struct clock){ kinds[i].times, 1, 0 };
				return true;
			}
	}
	return false;
}

static int next_pcap(struct capfile *f, struct capfile_packet *ret, struct err *err)
{
	const uint8_t *p;
	uint32_t n;
	int rc = need_all(f, PACKET_HEAD, err);

	if (rc <= 0)
		return rc;
	p = f->buf + f->at;
	n = u32(f, p + 8);
	if (n > CAPFILE_PACKET_MAX)
		return damaged(f, "a packet longer than any", err);
	rc = need_all(f, PACKET_HEAD + n, err);
	if (rc <= 0)
		return rc;
	p = f->buf + f->at;
	ret->t = u32(f, p) * (uint64_t)NSEC_PER_SEC + to_ns(&f->one.clock, u32(f, p + 4));
	ret->link = f->one.link;
	ret->p = p + PACKET_HEAD;
	ret->n = n;
	ret->full_n = u32(f, p + 12);
	f->at += PACKET_HEAD + n;
	return 1;
}

/* ---- pcapng ------------------------------------------------------------------------------- */

static bool is_section(struct capfile *f, const uint8_t *p)
{
	uint32_t order;

	memcpy(&order, p + 8, 4);
	if (order != 0x1a2b3c4d && order != 0x4d3c2b1a)
		return false;
	f->swapped = order != 0x1a2b3c4d;
	f->ninterfaces = 0;
	return true;
}

/* 10^-v, or with the high bit 2^-v seconds (draft-ietf-opsawg-pcapng 4.2) */
static void set_resolution(struct clock *c, uint8_t v)
{
	c->times = NSEC_PER_SEC;
	c->by = 1;
	if (v & 0x80) {
		c->by = 1ull << (v & 0x3f);
		return;
	}
	for (unsigned i = 0; i < v && i < 19; i++)
		if (c->times > 1)
			c->times /= 10;
		else
			c->by *= 10;
}

static void interface_options(const struct capfile *f, const uint8_t *p, size_t n,
			      struct interface *i)
{
	while (n >= 4) {
		uint16_t code = u16(f, p), len = u16(f, p + 2);
		size_t whole = 4 + ((len + 3u) & ~3u);

		if (!code || whole > n)
			return;
		if (code == 9 && len >= 1)
			set_resolution(&i->clock, p[4]);
		if (code == 14 && len >= 8)
			i->clock.offset_s =
				(int64_t)(f->swapped
						  ? (uint64_t)u32(f, p + 4) << 32 | u32(f, p + 8)
						  : (uint64_t)u32(f, p + 8) << 32 | u32(f, p + 4));
		p += whole;
		n -= whole;
	}
}

static int add_interface(struct capfile *f, const uint8_t *p, size_t n, struct err *err)
{
	struct interface *i;

	if (n < 8)
		return damaged(f, "an interface block that is too short", err);
	if (f->ninterfaces == CAPFILE_INTERFACES_MAX)
		return damaged(f, "more interfaces than are read", err);
	f->interfaces = xrealloc(f->interfaces, (f->ninterfaces + 1) * sizeof(*i));
	i = &f->interfaces[f->ninterfaces++];
	*i = (struct interface){ .link = u16(f, p),
				 .snap = u32(f, p + 4),
				 .clock = { 1000, 1, 0 } };
	interface_options(f, p + 8, n - 8, i);
	return 0;
}

/* The packet in a block's body. Return: 1; 0 when the block holds none; -EBADMSG */
static int block_packet(struct capfile *f, uint32_t type, const uint8_t *p, size_t n,
			struct capfile_packet *ret, struct err *err)
{
	size_t head = type == BLOCK_SIMPLE ? 4 : 20;
	uint32_t number = 0;
	const struct interface *i;

	if (type != BLOCK_PACKET && type != BLOCK_SIMPLE && type != BLOCK_OLD_PACKET)
		return 0;
	if (n < head)
		return damaged(f, "a packet block that is too short", err);
	if (type != BLOCK_SIMPLE)
		number = type == BLOCK_PACKET ? u32(f, p) : u16(f, p);
	if (number >= f->ninterfaces)
		return damaged(f, "a packet of an interface that is not described", err);
	i = &f->interfaces[number];
	if (type == BLOCK_SIMPLE) {
		ret->t = 0;
		ret->full_n = ret->n = u32(f, p);
		if (i->snap && ret->n > i->snap)
			ret->n = i->snap;
		if (ret->n > n - head)
			ret->n = n - head;
	} else {
		ret->t = to_ns(&i->clock, (uint64_t)u32(f, p + 4) << 32 | u32(f, p + 8));
		ret->n = u32(f, p + 12);
		ret->full_n = u32(f, p + 16);
	}
	if (ret->n > n - head)
		return damaged(f, "a packet longer than its block", err);
	ret->link = i->link;
	ret->p = p + head;
	return 1;
}

static int pass(struct capfile *f, size_t n, struct err *err)
{
	while (n) {
		int rc = need_all(f, 1, err);
		size_t k = f->n - f->at;

		if (rc <= 0) {
			f->cut = true;
			return rc;
		}
		if (k > n)
			k = n;
		f->at += k;
		n -= k;
	}
	return 1;
}

/* Return: 1 a block was passed, with a packet when ret->p is set; 0 the end; -errno */
static int next_block(struct capfile *f, struct capfile_packet *ret, struct err *err)
{
	const uint8_t *p;
	uint32_t type, n;
	int rc = need_all(f, 12, err);

	ret->p = NULL;
	if (rc <= 0)
		return rc;
	p = f->buf + f->at;
	type = u32(f, p);
	if (type == BLOCK_SECTION && !is_section(f, p))
		return damaged(f, "a section in no byte order", err);
	n = u32(f, p + 4);
	if (n < 12 || n % 4 || n > BLOCK_MAX)
		return damaged(f, "a block of an impossible length", err);
	if (n > BLOCK_WHOLE)
		return pass(f, n, err);
	rc = need_all(f, n, err);
	if (rc <= 0)
		return rc;
	p = f->buf + f->at;
	if (u32(f, p + n - 4) != n)
		return damaged(f, "a block that ends otherwise than it began", err);
	rc = type == BLOCK_INTERFACE ? add_interface(f, p + 8, n - 12, err)
				     : block_packet(f, type, p + 8, n - 12, ret, err);
	if (rc < 0)
		return rc;
	if (ret->p && ret->n > CAPFILE_PACKET_MAX)
		return damaged(f, "a packet longer than any", err);
	f->at += n;
	return 1;
}

/* ---- either ------------------------------------------------------------------------------- */

int capfile_open(int fd, struct capfile **ret, struct err *err)
{
	struct capfile *f = xmalloc(sizeof(*f));
	int rc;

	memset(f, 0, offsetof(struct capfile, buf));
	f->fd = fd;
	rc = need(f, PCAP_HEAD);
	if (rc < 0) {
		err_set(err, -rc, "gate: read the capture file");
	} else if (rc && u32(f, f->buf) == BLOCK_SECTION && is_section(f, f->buf)) {
		f->ng = true;
		*ret = f;
		return 0;
	} else if (rc && is_pcap(f)) {
		f->one.link = (uint16_t)u32(f, f->buf + 20);
		f->at = PCAP_HEAD;
		*ret = f;
		return 0;
	} else {
		rc = err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				  "gate: read the capture file: neither pcap nor pcapng");
	}
	capfile_free(f);
	return rc;
}

int capfile_next(struct capfile *f, struct capfile_packet *ret, struct err *err)
{
	int rc;

	if (!f->ng)
		return next_pcap(f, ret, err);
	do
		rc = next_block(f, ret, err);
	while (rc > 0 && !ret->p);
	return rc;
}

bool capfile_cut(const struct capfile *f)
{
	return f->cut;
}

void capfile_free(struct capfile *f)
{
	if (!f)
		return;
	free(f->interfaces);
	free(f);
}
