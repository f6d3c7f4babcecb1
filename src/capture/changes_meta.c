// SPDX-License-Identifier: Apache-2.0
/*
 * changes_meta.c - mode, owner and extended attributes of an entry, compared in words
 *
 * Attributes that count: user.* but overlayfs' own user.overlay.*, and security.capability.
 * A capability's root id differs between namespaces and says nothing about the file, so that only
 * its first 20 bytes (revision masked, and the sets) are compared; see capabilities(7).
 */
#include <sys/stat.h>
#include <sys/xattr.h>

#include "capture/changes.h"

#define XATTRS_MAX 256 /* attributes of one entry that are compared; ext4 and xfs hold fewer */

struct xattrs {
	size_t n;
	char *list;
	const char *name[XATTRS_MAX];
	uint8_t sum[XATTRS_MAX][SHA256_LEN];
	bool unknown[XATTRS_MAX]; /* there, but not readable from here: equal to anything */
};

static void entry_path(const struct entry *e, char out[32 + 256])
{
	int fd = e->dir->part[e->name ? e->st.part : 0].fd;

	if (e->name)
		snprintf(out, 32 + 256, "/proc/self/fd/%d/%s", fd, e->name);
	else
		snprintf(out, 32 + 256, "/proc/self/fd/%d/.", fd);
}

static bool counts(const struct entry *e, const char *name)
{
	if (e->st.claimed && !strcmp(name, TREE_OWNER_XATTR))
		return false; /* told as the owner */
	if (!strcmp(name, "security.capability"))
		return true;
	return !strncmp(name, "user.", 5) && strncmp(name, "user.overlay.", 13);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_value(struct xattrs *x, size_t i, const char *path, char *room, size_t size)
{
	ssize_t n = lgetxattr(path, x->name[i], room, size);

	if (n < 0) {
		x->unknown[i] = true;
		return;
	}
	if (!strcmp(x->name[i], "security.capability") && n >= 20) {
		room[3] = 0; /* revision: the last byte of the little-endian magic */
		n = 20;
	}
	sha256_once(room, (size_t)n, x->sum[i]);
}

static void xattrs_read(const struct entry *e, struct xattrs *x)
{
	cleanup_free char *room = NULL;
	char path[32 + 256];
	ssize_t n;

	x->n = 0;
	x->list = NULL;
	if (!S_ISREG(e->st.mode) && !S_ISDIR(e->st.mode))
		return; /* the kernel keeps neither kind on others */
	entry_path(e, path);
	n = llistxattr(path, NULL, 0);
	if (n <= 0)
		return;
	x->list = xmalloc((size_t)n + 1);
	n = llistxattr(path, x->list, (size_t)n);
	if (n <= 0)
		return;
	x->list[n] = 0;
	for (const char *p = x->list; p < x->list + n && x->n < XATTRS_MAX; p += strlen(p) + 1)
		if (counts(e, p))
			x->name[x->n++] = p;
	qsort(x->name, x->n, sizeof(x->name[0]), by_name);
	if (x->n)
		room = xmalloc(65536);
	for (size_t i = 0; i < x->n; i++) {
		x->unknown[i] = false;
		read_value(x, i, path, room, 65536);
	}
}

static void sep(struct buf *b)
{
	if (b->n)
		buf_puts(b, "; ");
}

/* Names are the program's: anything that could be taken for our own words is shown as \xNN. */
static void tell(struct buf *b, const char *name, const char *what)
{
	if (b->n > CHANGES_DETAIL_MAX - 1200)
		return;
	sep(b);
	buf_puts(b, "xattr ");
	for (const unsigned char *s = (const unsigned char *)name; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || strchr("._-:", *s))
			buf_add(b, s, 1);
		else
			buf_printf(b, "\\x%02x", *s);
	}
	buf_puts(b, what);
}

static void compare_xattrs(const struct xattrs *now, const struct xattrs *then, struct buf *ret)
{
	size_t i = 0, k = 0;

	while (i < now->n || k < then->n) {
		int c = i == now->n ? 1 : k == then->n ? -1 : strcmp(now->name[i], then->name[k]);

		if (c < 0) {
			tell(ret, now->name[i++], " added");
		} else if (c > 0) {
			tell(ret, then->name[k++], " removed");
		} else {
			if (!now->unknown[i] && !then->unknown[k] &&
			    memcmp(now->sum[i], then->sum[k], SHA256_LEN))
				tell(ret, now->name[i], " changed");
			i++;
			k++;
		}
	}
}

void meta_detail(const struct entry *now, const struct entry *then, struct buf *ret)
{
	struct xattrs *x = xcalloc(2, sizeof(*x));

	xattrs_read(now, &x[0]);
	if (then) {
		const struct tree_stat *a = &then->st, *b = &now->st;

		if (!S_ISLNK(b->mode) && ((a->mode ^ b->mode) & 07777)) {
			sep(ret);
			buf_printf(ret, "mode %04o→%04o", a->mode & 07777, b->mode & 07777);
		}
		if (a->uid != b->uid || a->gid != b->gid) {
			sep(ret);
			buf_printf(ret, "owner %u:%u→%u:%u", a->uid, a->gid, b->uid, b->gid);
		}
		xattrs_read(then, &x[1]);
	}
	compare_xattrs(&x[0], &x[1], ret);
	free(x[0].list);
	free(x[1].list);
	free(x);
}
