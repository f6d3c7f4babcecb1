// SPDX-License-Identifier: Apache-2.0
/*
 * chain.c - block hashes, Ed25519 signatures, the head file
 *
 * Byte layouts are in doc/JOURNAL.md, so that a third party can check a journal without this
 * code. Each kind of message that is hashed or signed begins with a line that names it: a block
 * can not be taken for a head.
 *
 * Invariant: nothing here depends on when events were written, only on what they say.
 */
#include <sqlite3.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/openssl.h"
#include "journal/chain.h"
#include "journal/schema.h"

static void add_u64(struct sha256 *h, uint64_t v)
{
	uint8_t b[8];
	struct wr w = { b, b + 8, false };

	wr_u64(&w, v);
	sha256_add(h, b, 8);
}

void block_begin(struct sha256 *h, const struct block *b)
{
	static const char name[] = "belljar block 1\n";

	sha256_add(h, name, sizeof(name) - 1);
	sha256_add(h, b->prev, SHA256_LEN);
	add_u64(h, b->nr);
	add_u64(h, b->first_seq);
}

void block_event(struct sha256 *h, const void *len_bytes, size_t n)
{
	sha256_add(h, len_bytes, n);
}

void block_end(struct sha256 *h, const struct block *b, uint8_t out[SHA256_LEN])
{
	static const uint8_t end[4]; /* a length of 0: no event has that */

	sha256_add(h, end, sizeof(end));
	add_u64(h, b->last_seq);
	add_u64(h, b->last_run);
	add_u64(h, b->last_proc);
	add_u64(h, b->wall_ns);
	sha256_add(h, b->key, KEY_LEN);
	sha256_end(h, out);
}

int genesis(struct sqlite3 *db, uint8_t out[SHA256_LEN], struct err *err)
{
	struct sha256 *h = sha256_new();
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT key,value FROM meta ORDER BY key", -1, &st, NULL);

	sha256_add(h, "belljar journal 1\n", 18);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < 2; i++) {
			bool text = sqlite3_column_type(st, i) == SQLITE_TEXT;

			/* another type with the same text is another row */
			sha256_add(h, text ? "" : "?", text ? 0 : 1);
			sha256_add(h, sqlite3_column_blob(st, i),
				   (size_t)sqlite3_column_bytes(st, i));
			sha256_add(h, i ? "\n" : "=", 1);
		}
		rc = SQLITE_OK;
	}
	sha256_end(h, out);
	sha256_free(h);
	rc = rc == SQLITE_DONE ? 0 : db_fail(db, rc, "read the table 'meta'", err);
	sqlite3_finalize(st);
	return rc;
}

/* ---- key ---------------------------------------------------------------------------------- */

int key_sign(const struct chain_key *k, const void *p, size_t n, uint8_t sig[SIG_LEN])
{
	const struct openssl *ssl = k->ssl;
	EVP_MD_CTX *ctx;
	size_t len = SIG_LEN;
	int ok;

	if (!ssl) { /* of a journal that is thrown away unread */
		memset(sig, 0, SIG_LEN);
		return 0;
	}
	ctx = ssl->EVP_MD_CTX_new();
	ok = ctx && ssl->EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
	     ssl->EVP_DigestSign(ctx, sig, &len, p, n) == 1 && len == SIG_LEN;

	ssl->EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

bool key_verify(const uint8_t pub[KEY_LEN], const void *p, size_t n, const uint8_t sig[SIG_LEN])
{
	const struct openssl *ssl = openssl_load(NULL);
	EVP_MD_CTX *ctx;
	EVP_PKEY *k;
	bool ok;

	if (!ssl)
		return false;
	ctx = ssl->EVP_MD_CTX_new();
	k = ssl->EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, KEY_LEN);
	ok = ctx && k && ssl->EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
	     ssl->EVP_DigestVerify(ctx, sig, SIG_LEN, p, n) == 1;
	ssl->EVP_PKEY_free(k);
	ssl->EVP_MD_CTX_free(ctx);
	return ok;
}

static int read_hex_key(int dirfd, const char *name, uint8_t out[KEY_LEN])
{
	cleanup_free char *text = NULL;
	size_t n = 0;
	int rc = read_file_at(dirfd, name, 4096, &text, &n);

	if (rc)
		return rc;
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	rc = n == 2 * KEY_LEN ? hex_decode(text, n, out) : -EBADMSG;
	explicit_bzero(text, n);
	return rc ? -EBADMSG : 0;
}

/* Makes the file whole under a name of its own and links it: of two first runs at once, one wins
 * and both use the winner's key. */
static int make_key_file(int dirfd)
{
	uint8_t seed[KEY_LEN];
	char hex[2 * KEY_LEN + 2], tmp[64];
	int fd, rc;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	hex_encode(seed, sizeof(seed), hex);
	strcat(hex, "\n");
	snprintf(tmp, sizeof(tmp), ".%s.%d.%02x%02x", KEY_SECRET_NAME, (int)getpid(),
		 seed[0] ^ seed[9], seed[1] ^ seed[10]);
	explicit_bzero(seed, sizeof(seed));
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = write_full(fd, hex, strlen(hex));
	/* the one file whose loss would make a new identity: on disk before it is used */
	if (!rc && fsync(fd))
		rc = -errno;
	close(fd);
	explicit_bzero(hex, sizeof(hex));
	if (!rc && linkat(dirfd, tmp, dirfd, KEY_SECRET_NAME, 0) && errno != EEXIST)
		rc = -errno;
	unlinkat(dirfd, tmp, 0);
	return rc;
}

/* Return: 0; -ENOENT; -EBADMSG: no key; -EPERM: others can read it */
static int read_secret(int dirfd, uint8_t seed[KEY_LEN])
{
	struct stat st;
	int rc = read_hex_key(dirfd, KEY_SECRET_NAME, seed);

	if (!rc && !fstatat(dirfd, KEY_SECRET_NAME, &st, 0) && (st.st_mode & 077))
		rc = -EPERM;
	return rc;
}

static int load_secret(int dirfd, uint8_t seed[KEY_LEN])
{
	int rc = read_secret(dirfd, seed);

	if (rc == -ENOENT) {
		rc = make_key_file(dirfd);
		if (!rc)
			rc = read_secret(dirfd, seed);
	}
	return rc;
}

static int refuse_secret(int rc, const char *keydir, struct err *err)
{
	if (rc == -EBADMSG)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s/%s' holds no key (64 hex digits)", keydir,
				    KEY_SECRET_NAME);
	if (rc == -EPERM)
		return err_set(err, EPERM,
			       "journal: the signing key '%s/%s' can be read by others (chmod 600)",
			       keydir, KEY_SECRET_NAME);
	return err_set(err, rc, "journal: read or make the signing key in '%s'", keydir);
}

int key_check(const char *keydir, struct err *err)
{
	cleanup_close int dirfd = open(keydir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t seed[KEY_LEN];
	int rc = dirfd < 0 ? -errno : read_secret(dirfd, seed);

	explicit_bzero(seed, sizeof(seed));
	return rc && rc != -ENOENT ? refuse_secret(rc, keydir, err) : 0;
}

int key_load(const char *keydir, struct chain_key *ret, struct err *err)
{
	cleanup_close int dirfd = -1;
	struct chain_key k = { 0 };
	uint8_t seed[KEY_LEN], there[KEY_LEN];
	size_t n = KEY_LEN;
	int rc = 0;

	k.ssl = openssl_load(err);
	if (!k.ssl)
		return -EIO;
	rc = mkdir_p(keydir, 0700);
	if (!rc) {
		dirfd = open(keydir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = dirfd < 0 ? -errno : 0;
	}
	if (!rc)
		rc = load_secret(dirfd, seed);
	if (rc)
		return refuse_secret(rc, keydir, err);
	k.pkey = k.ssl->EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, KEY_LEN);
	explicit_bzero(seed, sizeof(seed));
	if (!k.pkey || k.ssl->EVP_PKEY_get_raw_public_key(k.pkey, k.pub, &n) != 1) {
		key_free(&k);
		return err_set(err, EIO, "journal: use the signing key in '%s'", keydir);
	}
	/* the public half beside it, for those who verify; not needed for writing */
	if (read_hex_key(dirfd, KEY_PUBLIC_NAME, there) || memcmp(there, k.pub, KEY_LEN)) {
		char hex[2 * KEY_LEN + 2];

		hex_encode(k.pub, KEY_LEN, hex);
		strcat(hex, "\n");
		(void)write_file_at(dirfd, KEY_PUBLIC_NAME, 0644, hex, strlen(hex));
	}
	*ret = k;
	return 0;
}

int key_load_public(const char *keydir, uint8_t ret[KEY_LEN], struct err *err)
{
	cleanup_close int dirfd = open(keydir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = dirfd < 0 ? -errno : read_hex_key(dirfd, KEY_PUBLIC_NAME, ret);

	return rc ? err_set(err, rc, "journal: read the public key '%s/%s'", keydir,
			    KEY_PUBLIC_NAME)
		  : 0;
}

void key_free(struct chain_key *k)
{
	if (!k || !k->ssl)
		return;
	k->ssl->EVP_PKEY_free(k->pkey);
	k->pkey = NULL;
}

/* ---- head file ---------------------------------------------------------------------------- */

/* Numbers have fixed width: the file never changes its length, so it is written in place, cannot
 * meet a full disk, and one page of it is never half old after kill -9. */
static const char head_format[] = "belljar journal head 1\n"
				  "journal %s\n"
				  "events %020llu\n"
				  "blocks %020llu\n"
				  "wall_ns %020llu\n"
				  "hash %s\n"
				  "schema %s\n"
				  "key %s\n";

static size_t head_text(const struct head *h, char *out, size_t room)
{
	char id[2 * ID_LEN + 1], hash[SHA256_HEX], schema[SHA256_HEX], key[2 * KEY_LEN + 1];

	hex_encode(h->id, ID_LEN, id);
	hex_encode(h->hash, SHA256_LEN, hash);
	hex_encode(h->schema, SHA256_LEN, schema);
	hex_encode(h->key, KEY_LEN, key);
	return (size_t)snprintf(out, room, head_format, id, (unsigned long long)h->events,
				(unsigned long long)h->blocks, (unsigned long long)h->wall_ns, hash,
				schema, key);
}

/* With its signature. Return: length or -errno */
static ssize_t signed_text(const struct head *h, const struct chain_key *key, char *out,
			   size_t room)
{
	char hex[2 * SIG_LEN + 1];
	uint8_t sig[SIG_LEN];
	size_t n = head_text(h, out, room);

	if (key_sign(key, out, n, sig))
		return -EIO;
	hex_encode(sig, SIG_LEN, hex);
	return (ssize_t)n + snprintf(out + n, room - n, "signature %s\n", hex);
}

int head_make(int dirfd, const struct head *h, const struct chain_key *key)
{
	char text[HEAD_MAX];
	ssize_t n = signed_text(h, key, text, sizeof(text));

	return n < 0 ? (int)n : write_file_at(dirfd, HEAD_NAME, 0600, text, (size_t)n);
}

int head_write(int fd, const struct head *h, const struct chain_key *key)
{
	char text[HEAD_MAX];
	ssize_t n = signed_text(h, key, text, sizeof(text)), k;

	if (n < 0)
		return (int)n;
	do
		k = pwrite(fd, text, (size_t)n, 0);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return -errno;
	return k == n ? 0 : -ENOSPC;
}

static bool take(const char **p, const char *end, const char *word, size_t n, const char **ret)
{
	size_t w = strlen(word);

	if ((size_t)(end - *p) < w + n + 1 || memcmp(*p, word, w) || (*p)[w + n] != '\n')
		return false;
	*ret = *p + w;
	*p += w + n + 1;
	return true;
}

static bool take_hex(const char **p, const char *end, const char *word, uint8_t *out, size_t n)
{
	const char *v;

	return take(p, end, word, 2 * n, &v) && !hex_decode(v, 2 * n, out);
}

static bool take_number(const char **p, const char *end, const char *word, uint64_t *out)
{
	const char *v;

	*out = 0;
	if (!take(p, end, word, 20, &v))
		return false;
	for (int i = 0; i < 20; i++) {
		if (v[i] < '0' || v[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(v[i] - '0'), out))
			return false;
	}
	return true;
}

int head_parse(const char *p, size_t n, struct head *ret)
{
	const char *at = p, *end = p + n, *none;
	uint8_t sig[SIG_LEN];
	struct head h;
	size_t text;

	if (!take(&at, end, "belljar journal head 1", 0, &none) ||
	    !take_hex(&at, end, "journal ", h.id, ID_LEN) ||
	    !take_number(&at, end, "events ", &h.events) ||
	    !take_number(&at, end, "blocks ", &h.blocks) ||
	    !take_number(&at, end, "wall_ns ", &h.wall_ns) ||
	    !take_hex(&at, end, "hash ", h.hash, SHA256_LEN) ||
	    !take_hex(&at, end, "schema ", h.schema, SHA256_LEN) ||
	    !take_hex(&at, end, "key ", h.key, KEY_LEN))
		return -EBADMSG;
	text = (size_t)(at - p);
	if (!take_hex(&at, end, "signature ", sig, SIG_LEN) || at != end)
		return -EBADMSG;
	if (!key_verify(h.key, p, text, sig))
		return -EKEYREJECTED;
	*ret = h;
	return 0;
}
