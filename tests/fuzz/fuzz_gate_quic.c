// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_quic.c - datagrams of a QUIC client; and, since no input finds what decrypts, the
 * frames of an opened packet, and datagrams made of the input by encrypting it
 *
 * White-box: the keys that a reader derives also encrypt.
 */
#include "../../src/gate/decode/quic.c"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The input as payload of an Initial packet, its first bytes as packet number and connection id. */
static size_t encrypt(const uint8_t *in, size_t n, uint8_t *out)
{
	const struct version *v = &versions[in[0] % ARRAY_SIZE(versions)];
	struct wr w = { out, out + 2048, false };
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[IV_N], m[SAMPLE_N], *number;
	struct keys k[2];
	int len;

	wr_u8(&w, (uint8_t)(0xc3 | v->initial << 4));
	wr_be32(&w, v->from);
	wr_u8(&w, 8);
	wr_bytes(&w, in, 8);
	wr_be16(&w, 0); /* no source id, no token */
	wr_be16(&w, (uint16_t)(0x4000 | (4 + n + TAG_N)));
	number = w.p;
	wr_be32(&w, in[1] & 1 ? be32(in) : in[1]);
	if (w.bad || !derive(v, in, 8, k))
		abort();
	memcpy(iv, k[DIR_OUT].iv, IV_N);
	for (int i = 0; i < 4; i++)
		iv[8 + i] ^= number[i];
	EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k[DIR_OUT].key, iv);
	EVP_EncryptUpdate(c, NULL, &len, out, (int)(w.p - out));
	EVP_EncryptUpdate(c, w.p, &len, in, (int)n);
	EVP_EncryptFinal_ex(c, w.p + n, &len);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_N, w.p + n);
	EVP_CIPHER_CTX_free(c);
	if (!mask(&k[DIR_OUT], number + 4, m))
		abort();
	out[0] ^= m[0] & 0x0f;
	for (int i = 0; i < 4; i++)
		number[i] ^= m[1 + i];
	return (size_t)(w.p - out) + n + TAG_N;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct quic *q = quic_new();
	struct hello_quic *h = NULL;
	struct hello hello;
	uint8_t out[2048 + 64], type;
	const uint8_t *m;
	size_t len;

	quic_datagram(q, n & 1, p, n);
	read_frames(&q->side[DIR_IN], p, n);
	m = quic_message(q, DIR_IN, &type, &len);
	if (m && len)
		tls_client_hello(m, len, true, &hello);
	quic_free(q);
	if (n >= 8 && n < 1500) {
		len = encrypt(p, n, out);
		q = quic_new();
		/* small numbers are as they are; a large one may be taken for another */
		if (quic_datagram(q, DIR_OUT, out, len) && !(p[1] & 1)) {
			struct quic_side s = { 0 };

			if (read_frames(&s, p, n))
				abort();
			free(s.crypto);
		}
		quic_free(q);
		hello_read_quic(&h, out, len, &hello);
		hello_read_quic(&h, out, len, &hello);
		hello_quic_free(h);
	}
	return 0;
}
