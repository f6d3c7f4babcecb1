// SPDX-License-Identifier: Apache-2.0
/*
 * quic.c - open QUIC Initial packets, and put their CRYPTO frames together
 *
 * Theory of operation
 *
 * The client's first packet chooses a connection id at random; a salt of the version and this id
 * give both sides' keys (RFC 9001 5.2). After a Retry the client begins anew with the id that the
 * server gave it, so a packet that the present keys do not open is tried with keys of its own id.
 * A datagram can hold several packets (RFC 9000 12.2); those that are no Initial are passed over.
 * Handshake bytes come in pieces, in any order and more than once.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "gate/decode/be.h"
#include "gate/decode/quic.h"
#include "gate/decode/tls.h"

#define ID_MAX	  20
#define KEY_N	  16
#define IV_N	  12
#define TAG_N	  16
#define SAMPLE_N  16
#define REKEY_MAX 4 /* beginnings anew */

static const struct version {
	uint32_t from, to;
	uint8_t salt[20];
	uint8_t initial; /* packet type, RFC 9000 17.2, 9369 3.2 */
	const char *key, *iv, *hp;
} versions[] = {
	{ 1,
	  1,
	  { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	    0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a },
	  0,
	  "quic key",
	  "quic iv",
	  "quic hp" },
	{ 0x6b3343cf,
	  0x6b3343cf, /* version 2 */
	  { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
	    0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 },
	  1,
	  "quicv2 key",
	  "quicv2 iv",
	  "quicv2 hp" },
	{ 0xff00001d,
	  0xff000020, /* draft-29 to draft-32 */
	  { 0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
	    0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99 },
	  0,
	  "quic key",
	  "quic iv",
	  "quic hp" },
	{ 0xff000021,
	  0xff000022, /* draft-33, draft-34: as version 1 */
	  { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	    0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a },
	  0,
	  "quic key",
	  "quic iv",
	  "quic hp" },
	{ 0xff000017,
	  0xff00001c, /* draft-23 to draft-28 */
	  { 0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
	    0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02 },
	  0,
	  "quic key",
	  "quic iv",
	  "quic hp" },
};

struct keys {
	uint8_t key[KEY_N], iv[IV_N], hp[KEY_N];
};

struct range {
	uint32_t from, to;
};

struct quic_side {
	struct keys keys;
	uint64_t next; /* packet number, for numbers that are sent in short */
	unsigned packets;
	uint8_t *crypto; /* handshake bytes */
	uint32_t room;
	struct range have[QUIC_RANGES_MAX]; /* of them, in order, apart */
	unsigned nranges;
};

struct quic {
	bool keyed;
	unsigned rekeyed;
	struct quic_side side[2];
};

struct quic *quic_new(void)
{
	return xcalloc(1, sizeof(struct quic));
}

void quic_free(struct quic *q)
{
	if (!q)
		return;
	free(q->side[DIR_OUT].crypto);
	free(q->side[DIR_IN].crypto);
	free(q);
}

size_t quic_held(const struct quic *q)
{
	return sizeof(*q) + q->side[DIR_OUT].room + q->side[DIR_IN].room;
}

/* ---- keys --------------------------------------------------------------------------------- */

static const struct version *version_of(uint32_t v)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (v >= versions[i].from && v <= versions[i].to)
			return &versions[i];
	return NULL;
}

/* HKDF-Expand-Label of one block (RFC 8446 7.1) */
static bool expand(const uint8_t secret[SHA256_LEN], const char *label, uint8_t *out, size_t n)
{
	uint8_t info[64], block[SHA256_LEN];
	struct wr w = { info, info + sizeof(info), false };

	wr_be16(&w, (uint16_t)n);
	wr_u8(&w, (uint8_t)(6 + strlen(label)));
	wr_bytes(&w, "tls13 ", 6);
	wr_bytes(&w, label, strlen(label));
	wr_u8(&w, 0);
	wr_u8(&w, 1); /* the number of the block, of HKDF-Expand */
	if (!HMAC(EVP_sha256(), secret, SHA256_LEN, info, (size_t)(w.p - info), block, NULL))
		return false;
	memcpy(out, block, n);
	return true;
}

static bool side_keys(const struct version *v, const uint8_t initial[SHA256_LEN], const char *label,
		      struct keys *k)
{
	uint8_t secret[SHA256_LEN];

	return expand(initial, label, secret, sizeof(secret)) &&
	       expand(secret, v->key, k->key, KEY_N) && expand(secret, v->iv, k->iv, IV_N) &&
	       expand(secret, v->hp, k->hp, KEY_N);
}

static bool derive(const struct version *v, const uint8_t *id, size_t n, struct keys k[2])
{
	uint8_t initial[SHA256_LEN];

	return HMAC(EVP_sha256(), v->salt, sizeof(v->salt), id, n, initial, NULL) &&
	       side_keys(v, initial, "client in", &k[DIR_OUT]) &&
	       side_keys(v, initial, "server in", &k[DIR_IN]);
}

/* ---- CRYPTO frames ------------------------------------------------------------------------ */

/* Bytes at [from, to), of which those that are there already stay as they came first. */
static bool keep(struct quic_side *s, uint64_t from, const uint8_t *p, size_t n)
{
	uint32_t a = (uint32_t)from, b;
	unsigned i = 0, k;

	if (from > QUIC_CRYPTO_MAX || n > QUIC_CRYPTO_MAX - from)
		return false;
	if (!n)
		return true;
	b = a + (uint32_t)n;
	if (b > s->room) {
		s->room = (b + 2047) & ~2047u;
		s->crypto = xrealloc(s->crypto, s->room);
	}
	/* what is new: the parts between the ranges */
	for (uint32_t at = a; at < b; i++) {
		uint32_t hole = i < s->nranges && s->have[i].from < b ? s->have[i].from : b;

		if (hole > at)
			memcpy(s->crypto + at, p + (at - a), hole - at);
		if (i >= s->nranges || s->have[i].from >= b)
			break;
		if (s->have[i].to > at)
			at = s->have[i].to;
	}
	/* one range out of all that touch it */
	for (i = 0; i < s->nranges && s->have[i].to < a; i++)
		;
	for (k = i; k < s->nranges && s->have[k].from <= b; k++) {
		a = s->have[k].from < a ? s->have[k].from : a;
		b = s->have[k].to > b ? s->have[k].to : b;
	}
	if (k == i && s->nranges == QUIC_RANGES_MAX)
		return false;
	memmove(&s->have[i + 1], &s->have[k], (s->nranges - k) * sizeof(s->have[0]));
	s->have[i] = (struct range){ a, b };
	s->nranges = s->nranges - (k - i) + 1;
	return true;
}

/* RFC 9000 16 */
static uint64_t rd_quic_number(struct rd *r)
{
	uint8_t first = rd_u8(r);
	uint64_t v = first & 0x3f;

	for (int i = 1; i < 1 << (first >> 6); i++)
		v = v << 8 | rd_u8(r);
	return v;
}

static void pass_ack(struct rd *r, bool ecn)
{
	uint64_t ranges;

	rd_quic_number(r);
	rd_quic_number(r);
	ranges = rd_quic_number(r);
	rd_quic_number(r);
	for (uint64_t i = 0; i < 2 * ranges && !r->bad; i++)
		rd_quic_number(r);
	for (int i = 0; i < 3 && ecn; i++)
		rd_quic_number(r);
}

/* The frames that an Initial packet can have (RFC 9000 17.2.2); nothing that others say is read. */
static bool read_frames(struct quic_side *s, const uint8_t *p, size_t n)
{
	struct rd r = { p, p + n, false };

	while (rd_left(&r)) {
		uint64_t type = rd_quic_number(&r), at, len;
		const uint8_t *bytes;

		switch (type) {
		case 0: /* PADDING */
		case 1: /* PING */
			break;
		case 2:
		case 3:
			pass_ack(&r, type == 3);
			break;
		case 6:
			at = rd_quic_number(&r);
			len = rd_quic_number(&r);
			bytes = len <= rd_left(&r) ? rd_bytes(&r, (size_t)len) : NULL;
			if (!bytes || !keep(s, at, bytes, (size_t)len))
				return false;
			break;
		default:
			return true;
		}
	}
	return true;
}

/* ---- packets ------------------------------------------------------------------------------ */

/* a long header up to where its protected part begins */
struct packet {
	const uint8_t *p;
	size_t head; /* bytes before the packet number */
	size_t n;    /* of the whole packet */
	const struct version *version;
	const uint8_t *id;
	size_t id_n;
	bool initial;
};

/* Return: false when it has no long header with a length, or none that is whole */
static bool read_header(const uint8_t *p, size_t n, struct packet *ret)
{
	struct rd r = { p, p + n, false };
	uint8_t first = rd_u8(&r), type = first >> 4 & 3, source;
	uint32_t version = rd_be32(&r);
	uint64_t len;

	*ret = (struct packet){ .p = p, .version = version_of(version) };
	if ((first & 0xc0) != 0xc0 || !ret->version)
		return false;
	ret->initial = type == ret->version->initial;
	if (type == (ret->version->initial + 3) % 4) /* Retry is the last type */
		return false;
	ret->id_n = rd_u8(&r);
	if (ret->id_n > ID_MAX)
		return false;
	ret->id = rd_bytes(&r, ret->id_n);
	source = rd_u8(&r);
	if (source > ID_MAX)
		return false;
	rd_bytes(&r, source);
	if (ret->initial) {
		len = rd_quic_number(&r); /* token */
		if (len > rd_left(&r))
			return false;
		rd_bytes(&r, (size_t)len);
	}
	len = rd_quic_number(&r);
	if (r.bad || len > rd_left(&r))
		return false;
	ret->head = (size_t)(r.p - p);
	ret->n = ret->head + (size_t)len;
	return true;
}

static bool mask(const struct keys *k, const uint8_t sample[SAMPLE_N], uint8_t out[SAMPLE_N])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, k->hp, NULL) &&
		  EVP_EncryptUpdate(c, out, &n, sample, SAMPLE_N);

	EVP_CIPHER_CTX_free(c);
	return ok && n == SAMPLE_N;
}

static bool decrypt(const struct keys *k, uint64_t number, const uint8_t *head, size_t head_n,
		    const uint8_t *p, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[IV_N], tag[TAG_N];
	int k_n;
	bool ok;

	memcpy(iv, k->iv, IV_N);
	for (int i = 0; i < 8; i++)
		iv[IV_N - 1 - i] ^= (uint8_t)(number >> 8 * i);
	memcpy(tag, p + n - TAG_N, TAG_N);
	ok = c && EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, iv) &&
	     EVP_DecryptUpdate(c, NULL, &k_n, head, (int)head_n) &&
	     EVP_DecryptUpdate(c, out, &k_n, p, (int)(n - TAG_N)) &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_N, tag) &&
	     EVP_DecryptFinal_ex(c, out + k_n, &k_n) > 0;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

/* the whole number of a packet, from its low bits and the one that was expected (RFC 9000 A.3) */
static uint64_t whole_number(uint64_t expected, uint32_t low, unsigned bytes)
{
	uint64_t window = 1ull << 8 * bytes, half = window / 2;
	uint64_t number = (expected & ~(window - 1)) | low;

	if (number + half <= expected && number + window < 1ull << 62)
		return number + window;
	if (number > expected + half && number >= window)
		return number - window;
	return number;
}

/* Header protection off, then the payload opened into @out. Return: its length, -1 wrong keys */
static ssize_t open_packet(const struct packet *k, const struct keys *keys, uint64_t *next,
			   uint8_t *out)
{
	uint8_t head[64 + 2 * ID_MAX + 2048], m[SAMPLE_N];
	unsigned bytes;
	uint32_t low = 0;
	uint64_t number;
	size_t n;

	if (k->n < k->head + 4 + SAMPLE_N || k->head + 4 > sizeof(head) ||
	    !mask(keys, k->p + k->head + 4, m))
		return -1;
	memcpy(head, k->p, k->head + 4);
	head[0] ^= m[0] & 0x0f;
	bytes = (head[0] & 3) + 1;
	for (unsigned i = 0; i < bytes; i++) {
		head[k->head + i] ^= m[1 + i];
		low = low << 8 | head[k->head + i];
	}
	number = whole_number(*next, low, bytes);
	n = k->n - k->head - bytes;
	if (n < TAG_N ||
	    !decrypt(keys, number, head, k->head + bytes, k->p + k->head + bytes, n, out))
		return -1;
	if (number >= *next)
		*next = number + 1;
	return (ssize_t)(n - TAG_N);
}

/* The present keys; of a client's packet that they do not open, keys of its own id. */
static ssize_t open_any(struct quic *q, enum dir dir, const struct packet *k, uint8_t *out)
{
	struct quic_side *s = &q->side[dir];
	struct keys fresh[2];
	ssize_t n = q->keyed ? open_packet(k, &s->keys, &s->next, out) : -1;
	uint64_t next = 0;

	if (n >= 0 || dir == DIR_IN || q->rekeyed >= REKEY_MAX ||
	    !derive(k->version, k->id, k->id_n, fresh))
		return n;
	q->rekeyed++;
	n = open_packet(k, &fresh[DIR_OUT], &next, out);
	if (n < 0)
		return n;
	q->keyed = true;
	s->next = next;
	q->side[DIR_OUT].keys = fresh[DIR_OUT];
	q->side[DIR_IN].keys = fresh[DIR_IN];
	return n;
}

bool quic_is_initial(const uint8_t *p, size_t n)
{
	struct packet k;

	return read_header(p, n, &k) && k.initial && k.id_n >= 8; /* RFC 9000 7.2 */
}

int quic_datagram(struct quic *q, enum dir dir, const uint8_t *p, size_t n)
{
	struct quic_side *s = &q->side[dir];
	cleanup_free uint8_t *plain = xmalloc(n ? n : 1);
	struct packet k;

	while (n && read_header(p, n, &k)) {
		ssize_t len;

		if (k.initial) {
			if (++s->packets > QUIC_PACKETS_MAX)
				return -EBADMSG;
			len = open_any(q, dir, &k, plain);
			if (len >= 0 && !read_frames(s, plain, (size_t)len))
				return -EBADMSG;
		}
		p += k.n;
		n -= k.n;
	}
	return q->keyed || dir == DIR_IN ? 0 : -EBADMSG;
}

const uint8_t *quic_message(const struct quic *q, enum dir dir, uint8_t *ret_type, size_t *ret_n)
{
	const struct quic_side *s = &q->side[dir];
	size_t have = s->nranges && !s->have[0].from ? s->have[0].to : 0, n;

	if (have < TLS_HANDSHAKE_HEAD)
		return NULL;
	n = (size_t)s->crypto[1] << 16 | be16(s->crypto + 2);
	if (n > have - TLS_HANDSHAKE_HEAD)
		return NULL;
	*ret_type = s->crypto[0];
	*ret_n = n;
	return s->crypto + TLS_HANDSHAKE_HEAD;
}
