// SPDX-License-Identifier: Apache-2.0
/*
 * chain.h - what makes the record evidence: block hashes, signatures, the head file (inside)
 */
#ifndef BELLJAR_JOURNAL_CHAIN_H
#define BELLJAR_JOURNAL_CHAIN_H

#include "journal/journal.h"

#define KEY_LEN		32
#define SIG_LEN		64
#define ID_LEN		16
#define HEAD_NAME	"journal.head"
#define HEAD_MAX	4096
#define KEY_SECRET_NAME "journal.key"
#define KEY_PUBLIC_NAME "journal.pub"

/** struct chain_key - the installation's key, ready to sign */
struct openssl;
struct chain_key {
	const struct openssl *ssl;
	void *pkey; /* EVP_PKEY */
	uint8_t pub[KEY_LEN];
};

/** key_load() - the key in @keydir, made when there is none. Return: 0 or -errno */
int key_load(const char *keydir, struct chain_key *ret, struct err *err);
/** key_check() - would key_load() do? Without the library, and nothing is made. Return: 0 or -errno
 */
int key_check(const char *keydir, struct err *err);
/** key_load_public() - only the public half. Return: 0; -ENOENT; -EBADMSG; other -errno */
int key_load_public(const char *keydir, uint8_t ret[KEY_LEN], struct err *err);
void key_free(struct chain_key *k);
int key_sign(const struct chain_key *k, const void *p, size_t n, uint8_t sig[SIG_LEN]);
bool key_verify(const uint8_t pub[KEY_LEN], const void *p, size_t n, const uint8_t sig[SIG_LEN]);

/** struct block - a row of table block */
struct block {
	uint64_t nr, first_seq, last_seq, last_run, last_proc, wall_ns;
	uint8_t prev[SHA256_LEN], hash[SHA256_LEN], key[KEY_LEN], sig[SIG_LEN];
};

/** block_begin(), block_event(), block_end() - compute a block's hash: nr, first_seq and prev are
 * needed at the begin, the rest at the end. @len_bytes: u32 length and canonical bytes in a row */
void block_begin(struct sha256 *h, const struct block *b);
void block_event(struct sha256 *h, const void *len_bytes, size_t n);
void block_end(struct sha256 *h, const struct block *b, uint8_t out[SHA256_LEN]);

/** struct head - the signed head of a journal */
struct head {
	uint8_t id[ID_LEN];
	uint64_t events, blocks, wall_ns;
	uint8_t hash[SHA256_LEN], schema[SHA256_LEN], key[KEY_LEN];
};

/** head_make(), head_write() - a first head file, whole or not at all; then in place, for its
 * length never changes. 0 or -errno */
int head_make(int dirfd, const struct head *h, const struct chain_key *key);
int head_write(int fd, const struct head *h, const struct chain_key *key);
/** head_parse() - Return: 0; -EBADMSG when it is none; -EKEYREJECTED when the signature is wrong */
int head_parse(const char *p, size_t n, struct head *ret);

/** genesis() - prev of block 1: SHA-256 over the meta rows, in key order */
int genesis(struct sqlite3 *db, uint8_t out[SHA256_LEN], struct err *err);

#endif
