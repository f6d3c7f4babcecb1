// SPDX-License-Identifier: Apache-2.0
/*
 * hash.c - SHA-256 by OpenSSL, hex
 *
 * By the functions that came before EVP: the same code without OpenSSL's tables of algorithms, so
 * that it can be linked into the program (openssl.h). SHA256() itself goes through the tables.
 */
#define OPENSSL_API_COMPAT 10101 /* they are declared for programs written for 1.1.1 */
#include <openssl/sha.h>
#include <sys/stat.h>

#include "base/base.h"

struct sha256 {
	SHA256_CTX ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = xmalloc(sizeof(*h));

	SHA256_Init(&h->ctx);
	return h;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
	SHA256_Update(&h->ctx, p, n);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN])
{
	SHA256_Final(out, &h->ctx);
	SHA256_Init(&h->ctx);
}

void sha256_free(struct sha256 *h)
{
	free(h);
}

void sha256_once(const void *p, size_t n, uint8_t out[SHA256_LEN])
{
	struct sha256 h;

	SHA256_Init(&h.ctx);
	SHA256_Update(&h.ctx, p, n);
	SHA256_Final(out, &h.ctx);
}

void hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digit[b[i] >> 4];
		*out++ = digit[b[i] & 15];
	}
	*out = 0;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *hex, size_t n, uint8_t *out)
{
	if (n % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i += 2) {
		int hi = nibble(hex[i]), lo = nibble(hex[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

#define BLOCK 16384 /* on the stack of whoever hashes: pages of it cost more than calls do */

int sha256_file(struct sha256 *h, int fd, uint64_t size, uint64_t max, char out[SHA256_HEX],
		char head[4], uint64_t *ret_size)
{
	uint8_t sum[SHA256_LEN];
	char block[BLOCK];
	uint64_t at = 0;
	int rc = 0;

	for (;;) {
		ssize_t n = pread(fd, block, sizeof(block), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		else if (at + (uint64_t)n > max)
			rc = -EFBIG;
		if (head && !at && n >= 0) {
			memset(head, 0, 4);
			memcpy(head, block, n > 4 ? 4 : (size_t)n);
		}
		if (rc || !n)
			break;
		at += (uint64_t)n;
		sha256_add(h, block, (size_t)n);
		if (n < BLOCK && at == size) /* its end: not asked for once more */
			break;
	}
	sha256_end(h, sum);
	if (rc)
		return rc;
	hex_encode(sum, sizeof(sum), out);
	if (ret_size)
		*ret_size = at;
	return 0;
}

int sha256_fd(int fd, uint64_t max, char out[SHA256_HEX], uint64_t *ret_size)
{
	struct sha256 *h;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	h = sha256_new();
	rc = sha256_file(h, fd, (uint64_t)st.st_size, max, out, NULL, ret_size);
	sha256_free(h);
	return rc;
}
