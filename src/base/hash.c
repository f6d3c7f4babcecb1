// SPDX-License-Identifier: Apache-2.0
/*
 * hash.c - SHA-256 through OpenSSL's EVP, hex
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/base.h"

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = xmalloc(sizeof(*h));

	/* without its configuration file, which takes longer to read than most that is hashed */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
		abort(); /* only out of memory, or an OpenSSL without SHA-256 */
	return h;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
	EVP_DigestUpdate(h->ctx, p, n);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN])
{
	EVP_DigestFinal_ex(h->ctx, out, NULL);
	EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void sha256_once(const void *p, size_t n, uint8_t out[SHA256_LEN])
{
	struct sha256 *h = sha256_new();

	sha256_add(h, p, n);
	sha256_end(h, out);
	sha256_free(h);
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

int sha256_fd(int fd, uint64_t max, char out[SHA256_HEX], uint64_t *ret_size)
{
	uint8_t sum[SHA256_LEN];
	char block[65536];
	struct sha256 *h;
	struct stat st;
	uint64_t at = 0;
	int rc = 0;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	h = sha256_new();
	for (;;) {
		ssize_t n = pread(fd, block, sizeof(block), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -errno : 0;
			break;
		}
		at += (uint64_t)n;
		if (at > max) {
			rc = -EFBIG;
			break;
		}
		sha256_add(h, block, (size_t)n);
	}
	if (!rc) {
		sha256_end(h, sum);
		hex_encode(sum, sizeof(sum), out);
		if (ret_size)
			*ret_size = at;
	}
	sha256_free(h);
	return rc;
}
