// SPDX-License-Identifier: Apache-2.0
/*
 * archive_members.c - which names a box's tar stream may hold; pure
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "box/archive_members.h"

struct archive_result *archive_result_new(void)
{
	struct archive_result *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED)
		abort(); /* a few kB */
	return r;
}

void archive_result_free(struct archive_result *r)
{
	munmap(r, sizeof(*r));
}

/* Marks that overlayfs needs; its others (origin, impure, nlink, …) mean something only in the
 * file system where they were made (Documentation/filesystems/overlayfs.rst). */
static const char *const overlay_kept[] = { "opaque", "redirect", "whiteout", "xwhiteouts",
					    "protattr" };

bool member_xattr_ok(const char *name)
{
	if (strpbrk(name, "=\n") || !utf8_valid(name, strlen(name)))
		return false; /* pax writes NAME=VALUE */
	if (!strncmp(name, "user.overlay.", 13)) {
		for (size_t i = 0; i < ARRAY_SIZE(overlay_kept); i++)
			if (!strcmp(name + 13, overlay_kept[i]))
				return true;
		return false;
	}
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") ||
	       !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

bool member_top_ok(const char *name)
{
	static const char *const others[] = { "lock", "layers", "objects", "trash", "export.json" };
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	if (!n || name[n] || n > 64 || name[0] < 'a')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(name, others[i]))
			return false;
	return true;
}

static bool hex(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") == n && !p[n];
}

static bool layer_number(const char *p)
{
	size_t n = strspn(p, "0123456789");
	long v = strtol(p, NULL, 10);

	return n && n < 4 && !p[n] && p[0] != '0' && v <= BOX_LAYERS_MAX;
}

/* Components of a path, the first @max of them copied. Return: how many, -1 for a bad one. */
static int components(const char *path, char first[][256], int max)
{
	int n = 0;

	for (const char *p = path;; n++) {
		size_t len = strcspn(p, "/");

		if (!len || len > 255 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return -1;
		if (n < max) {
			memcpy(first[n], p, len);
			first[n][len] = 0;
		}
		if (!p[len])
			return n + 1;
		p += len + 1;
	}
}

static bool in_layers(char c[][256], int n, mode_t type)
{
	if (n >= 2 && !layer_number(c[1]))
		return false;
	if (n >= 3 && (!strcmp(c[2], "work") || c[2][0] == '.'))
		return false;
	return n > 3 || S_ISDIR(type);
}

static bool in_objects(char c[][256], int n, mode_t type)
{
	if (n == 1)
		return S_ISDIR(type);
	if (!hex(c[1], 2))
		return false;
	if (n == 2)
		return S_ISDIR(type);
	return n == 3 && S_ISREG(type) && hex(c[2], 2 * SHA256_LEN - 2);
}

bool member_ok(const char *path, mode_t type)
{
	char c[4][256];
	int n;

	if (strlen(path) > MEMBER_PATH_MAX)
		return false;
	n = components(path, c, 4);
	if (n < 1)
		return false;
	if (!strcmp(c[0], "layers"))
		return in_layers(c, n, type);
	if (!strcmp(c[0], "objects"))
		return in_objects(c, n, type);
	return n == 1 && S_ISREG(type) && (member_top_ok(c[0]) || !strcmp(c[0], "export.json"));
}
