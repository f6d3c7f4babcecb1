// SPDX-License-Identifier: Apache-2.0
/*
 * authority.c - the box's own certificate authority, into the stores that its programs read
 *
 * OpenSSL, curl, wget, Python: the bundle, or a folder of files named by a hash. Go: the bundle.
 * Java: a keystore of its own. Node: a variable (plan.c). A distribution's own tool, which makes
 * the bundle anew when packages are installed, finds the file in /usr/local/share.
 *
 * Once in a box's life: a program that takes it out of a store has done so for good. It is put
 * there before the run begins, so it is no change of the program's.
 */
#define OPENSSL_API_COMPAT 10101 /* see base/hash.c */
#include <linux/openat2.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "box/internal.h"
#include "box/runtime.h"

#define STORE_MAX   (16u << 20)
#define HASH_FOLDER "/etc/ssl/certs"
#define JKS_MAGIC   0xfeedfeedu
#define JKS_TAIL    20 /* SHA-1 over password, a constant, and the rest */
#define JKS_ALIAS   "belljar-box"

static const char *const keystores[] = {
	"/etc/ssl/certs/java/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
	"/etc/pki/java/cacerts",
};

/* the folder of an absolute path, links not followed; -errno */
static int folder_of(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = xstrndup(path, (size_t)(slash - path));
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));

	*ret_name = slash + 1;
	return fd < 0 ? -errno : fd;
}

/* A new file in place of what is there: the old one can belong to nobody of the box. */
static int put_file(const char *path, const void *p, size_t n)
{
	const char *name;
	cleanup_close int dir = folder_of(path, &name), fd = -1;

	if (dir < 0)
		return dir;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	return write_full(fd, p, n);
}

/* A regular file, links not followed; false for anything else */
static bool read_store(const char *path, char **ret, size_t *ret_n)
{
	const char *name;
	cleanup_close int dir = folder_of(path, &name);
	struct stat st;

	return dir >= 0 && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	       !read_file_at(dir, name, STORE_MAX, ret, ret_n);
}

static int add_to_bundle(const char *path, const char *pem)
{
	cleanup_free char *old = NULL;
	cleanup_buf struct buf b = { 0 };
	size_t n = 0;

	if (!read_store(path, &old, &n))
		return 0;
	buf_add(&b, old, n);
	if (n && old[n - 1] != '\n')
		buf_puts(&b, "\n");
	buf_puts(&b, pem);
	return put_file(path, b.p, b.n);
}

/* ---- Java --------------------------------------------------------------------------------- */

static void put_be(struct buf *b, uint64_t v, int bytes)
{
	while (bytes--) {
		char c = (char)(v >> 8 * bytes);

		buf_add(b, &c, 1);
	}
}

static void put_utf(struct buf *b, const char *z)
{
	put_be(b, strlen(z), 2);
	buf_puts(b, z);
}

/* sun.security.provider.JavaKeyStore: magic, version, count, entries, SHA-1. An entry of kind 2 is
 * a trusted certificate; a new one goes at the end, whatever the others are. The password of the
 * system's store is known to all: it only finds damage. */
static int add_to_keystore(const char *path, const struct plan_authority *a)
{
	static const char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t";
	static const char salt[] = "Mighty Aphrodite";
	cleanup_free char *old = NULL;
	cleanup_buf struct buf b = { 0 };
	const uint8_t *u;
	uint8_t sum[SHA_DIGEST_LENGTH];
	size_t n = 0;
	uint32_t count;
	SHA_CTX sha;

	if (!read_store(path, &old, &n) || n < 12 + JKS_TAIL)
		return 0;
	u = (const uint8_t *)old;
	if (((uint32_t)u[0] << 24 | u[1] << 16 | u[2] << 8 | u[3]) != JKS_MAGIC || u[7] != 2)
		return 0; /* PKCS#12, of a newer Java */
	count = (uint32_t)u[8] << 24 | u[9] << 16 | u[10] << 8 | u[11];
	buf_add(&b, old, 8);
	put_be(&b, count + 1, 4);
	buf_add(&b, old + 12, n - 12 - JKS_TAIL);
	put_be(&b, 2, 4);
	put_utf(&b, JKS_ALIAS);
	put_be(&b, clock_real_ns() / 1000000, 8);
	put_utf(&b, "X.509");
	put_be(&b, a->der_n, 4);
	buf_add(&b, a->der, a->der_n);
	SHA1_Init(&sha);
	SHA1_Update(&sha, password, sizeof(password) - 1);
	SHA1_Update(&sha, salt, sizeof(salt) - 1);
	SHA1_Update(&sha, b.p, b.n);
	SHA1_Final(sum, &sha);
	buf_add(&b, sum, sizeof(sum));
	return put_file(path, b.p, b.n);
}

/* ---- all of them -------------------------------------------------------------------------- */

int do_authority(struct setup *s, const struct step *st, struct err *err)
{
	const struct plan_authority *a = &s->plan->authority;
	cleanup_free char *link = xasprintf("%s/%s", HASH_FOLDER, a->hash);
	const char *name, *path = st->path;
	cleanup_close int dir = -1;
	int rc;

	if (in_layers(s, link))
		return 0;
	for (const char *const *b = trusted_bundles; *b; b++)
		if (in_layers(s, *b)) /* ours or, after its removal, what is left of it */
			return 0;
	rc = mkdir_p("/usr/local/share/ca-certificates", 0755);
	if (!rc)
		rc = put_file(path, a->pem, strlen(a->pem));
	for (const char *const *b = trusted_bundles; *b && !rc; b++) {
		path = *b;
		rc = add_to_bundle(path, a->pem);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keystores) && !rc; i++) {
		path = keystores[i];
		rc = add_to_keystore(path, a);
	}
	if (rc)
		return err_set(err, rc, "box: write '%s' in the box", path);
	dir = folder_of(link, &name);
	if (dir >= 0 && symlinkat(AUTHORITY_FILE, dir, name) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s' in the box", link);
	return 0;
}
