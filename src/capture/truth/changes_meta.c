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

#include "capture/truth/changes.h"

#define XATTRS_MAX 256	 /* attributes of one entry that are compared; ext4 and xfs hold fewer */
#define LIST_ROOM  1024	 /* bytes of names that most entries fit in */
#define VALUE_MAX  65536 /* bytes of one value: the kernel's limit */

struct xattr {
	const char *name;
	uint8_t sum[SHA256_LEN];
	bool unknown; /* there, but not readable from here: equal to anything */
};

struct xattrs {
	size_t n;
	char *list;
	struct xattr *v;
};

/* Attributes are asked of a descriptor where there is one: a path through /proc takes longer. */
static int entry_fd(const struct entry *e)
{
	return e->name ? e->fd : -1;
}

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
	return strcmp(((const struct xattr *)a)->name, ((const struct xattr *)b)->name);
}

static void read_value(const struct entry *e, struct xattr *x, char room[VALUE_MAX])
{
	char path[32 + 256];
	ssize_t n;

	if (entry_fd(e) >= 0) {
		n = fgetxattr(e->fd, x->name, room, VALUE_MAX);
	} else {
		entry_path(e, path);
		n = lgetxattr(path, x->name, room, VALUE_MAX);
	}
	if (n < 0) {
		x->unknown = true;
		return;
	}
	if (!strcmp(x->name, "security.capability") && n >= 20) {
		room[3] = 0; /* revision: the last byte of the little-endian magic */
		n = 20;
	}
	sha256_once(room, (size_t)n, x->sum);
}

static ssize_t list_names(const struct entry *e, char *list, size_t size)
{
	char path[32 + 256];
	ssize_t n;

	if (entry_fd(e) >= 0) {
		n = flistxattr(e->fd, list, size);
	} else {
		entry_path(e, path);
		n = llistxattr(path, list, size);
	}
	return n < 0 ? -errno : n;
}

static void xattrs_read(const struct entry *e, struct xattrs *x)
{
	cleanup_free char *room = NULL;
	char few[LIST_ROOM];
	ssize_t n;

	*x = (struct xattrs){ 0 };
	if (!S_ISREG(e->st.mode) && !S_ISDIR(e->st.mode))
		return; /* the kernel keeps neither kind on others */
	n = list_names(e, few, sizeof(few));
	if (n == -ERANGE)
		n = list_names(e, NULL, 0);
	if (n <= 0)
		return;
	x->list = xmalloc((size_t)n + 1);
	if ((size_t)n <= sizeof(few))
		memcpy(x->list, few, (size_t)n);
	else
		n = list_names(e, x->list, (size_t)n);
	if (n <= 0)
		return;
	x->list[n] = 0;
	x->v = xcalloc(XATTRS_MAX, sizeof(*x->v));
	for (const char *p = x->list; p < x->list + n && x->n < XATTRS_MAX; p += strlen(p) + 1) {
		if (counts(e, p))
			x->v[x->n++].name = p;
	}
	if (!x->n)
		return;
	qsort(x->v, x->n, sizeof(x->v[0]), by_name);
	room = xmalloc(VALUE_MAX);
	for (size_t i = 0; i < x->n; i++)
		read_value(e, &x->v[i], room);
}

static void xattrs_free(struct xattrs *x)
{
	free(x->list);
	free(x->v);
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
		const struct xattr *a = i < now->n ? &now->v[i] : NULL;
		const struct xattr *b = k < then->n ? &then->v[k] : NULL;
		int c = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);

		if (c < 0)
			tell(ret, a->name, " added");
		else if (c > 0)
			tell(ret, b->name, " removed");
		else if (!a->unknown && !b->unknown && memcmp(a->sum, b->sum, SHA256_LEN))
			tell(ret, a->name, " changed");
		i += c <= 0;
		k += c >= 0;
	}
}

void meta_detail(const struct entry *now, const struct entry *then, struct buf *ret)
{
	struct xattrs x = { 0 }, old = { 0 };

	xattrs_read(now, &x);
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
		xattrs_read(then, &old);
	}
	compare_xattrs(&x, &old, ret);
	xattrs_free(&x);
	xattrs_free(&old);
}
