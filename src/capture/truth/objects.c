// SPDX-License-Identifier: Apache-2.0
/*
 * objects.c - bytes of executables and scripts, kept once under their SHA-256
 *
 * objects/ab/cdef…: the first byte of the hash is the folder. A file is copied to a temporary name
 * and hashed as it is copied, so that what is kept is what the name says even when the original
 * changes meanwhile. objects/total holds the sum of sizes in decimal, under a lock of its own:
 * the recorder and the truth part keep objects at the same time.
 */
#include <dirent.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "capture/capture.h"

#define OBJECT_HASH_MAX (8ull << 30) /* what is larger is told without a hash: -EFBIG */

static int sum_folder(int dirfd, uint64_t *sum)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	while ((e = readdir(d)))
		if (!fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			*sum += (uint64_t)st.st_size;
	closedir(d);
	return 0;
}

/* Size of all objects, by looking: only when the count is not there. */
static int sum_all(int objects, uint64_t *ret)
{
	char name[3];

	*ret = 0;
	for (int i = 0; i < 256; i++) {
		cleanup_close int fd = -1;

		snprintf(name, sizeof(name), "%02x", i);
		fd = openat(objects, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && sum_folder(fd, ret))
			return -EIO;
	}
	return 0;
}

static int total_open(int objects, uint64_t *ret_total)
{
	cleanup_close int fd =
		openat(objects, "total", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[32];
	ssize_t n;

	if (fd < 0 || flock(fd, LOCK_EX))
		return -errno;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = 0;
	if (n > 0)
		*ret_total = strtoull(text, NULL, 10);
	else if (sum_all(objects, ret_total))
		return -EIO;
	return steal_fd(&fd);
}

static int total_write(int fd, uint64_t total)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)total);

	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n))
		return -errno;
	return 0;
}

static int copy_hashed(int from, int to, char sha256[SHA256_HEX], uint64_t *size)
{
	uint8_t sum[SHA256_LEN];
	cleanup_free char *block = xmalloc(1 << 17);
	struct sha256 *h = sha256_new();
	uint64_t at = 0;
	int rc = 0;

	while (!rc) {
		ssize_t n = pread(from, block, 1 << 17, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -errno : 1;
			break;
		}
		at += (uint64_t)n;
		sha256_add(h, block, (size_t)n);
		rc = at > OBJECT_SIZE_MAX ? -EFBIG : write_full(to, block, (size_t)n);
	}
	sha256_end(h, sum);
	sha256_free(h);
	if (rc < 0)
		return rc;
	hex_encode(sum, sizeof(sum), sha256);
	*size = at;
	return 0;
}

static bool object_there(int objects, const char *sha256)
{
	char name[SHA256_HEX + 2];

	snprintf(name, sizeof(name), "%.2s/%s", sha256, sha256 + 2);
	return !faccessat(objects, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static int put(int objects, int fd, char sha256[SHA256_HEX], uint64_t *size)
{
	char tmp[40], name[SHA256_HEX + 2];
	cleanup_close int out = -1;
	uint64_t id = 0;
	int rc;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	snprintf(tmp, sizeof(tmp), "new.%016llx", (unsigned long long)id);
	out = openat(objects, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (out < 0)
		return -errno;
	rc = copy_hashed(fd, out, sha256, size);
	if (!rc) {
		snprintf(name, sizeof(name), "%.2s", sha256);
		if (mkdirat(objects, name, 0700) && errno != EEXIST)
			rc = -errno;
		snprintf(name, sizeof(name), "%.2s/%s", sha256, sha256 + 2);
		if (!rc && renameat(objects, tmp, objects, name))
			rc = -errno;
	}
	if (rc)
		unlinkat(objects, tmp, 0);
	return rc;
}

int object_keep(int box_dirfd, int fd, const char *known, char ret_sha256[SHA256_HEX],
		uint64_t *ret_size, bool *ret_kept, struct err *err)
{
	cleanup_close int objects = -1, lock = -1;
	char sha256[SHA256_HEX];
	uint64_t size = 0, total = 0;
	struct stat st;
	int rc = 0;

	if (known && !fstat(fd, &st)) {
		memcpy(sha256, known, sizeof(sha256));
		size = (uint64_t)st.st_size;
	} else {
		rc = sha256_fd(fd, OBJECT_HASH_MAX, sha256, &size);
	}
	if (rc)
		return err_set(err, rc, "objects: read a file");
	if (mkdirat(box_dirfd, "objects", 0700) && errno != EEXIST)
		return err_set(err, errno, "objects: make 'objects'");
	objects = openat(box_dirfd, "objects", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (objects < 0)
		return err_set(err, errno, "objects: open 'objects'");
	*ret_kept = object_there(objects, sha256);
	if (!*ret_kept && size <= OBJECT_SIZE_MAX) {
		lock = total_open(objects, &total);
		if (lock < 0)
			return err_set(err, lock, "objects: open 'objects/total'");
		if (total <= OBJECTS_TOTAL_MAX && size <= OBJECTS_TOTAL_MAX - total) {
			rc = put(objects, fd, sha256, &size);
			if (!rc)
				rc = total_write(lock, total + size);
			if (rc && rc != -EFBIG)
				return err_set(err, rc, "objects: keep %s", sha256);
			*ret_kept = !rc;
		}
	}
	memcpy(ret_sha256, sha256, sizeof(sha256));
	if (ret_size)
		*ret_size = size;
	return 0;
}
