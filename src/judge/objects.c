// SPDX-License-Identifier: Apache-2.0
/*
 * objects.c - a box's kept bytes and package lists, opened before the process is locked
 *
 * Afterwards nothing can be opened any more, so that what hostile bytes make of this process finds
 * only what is here: files that belljar itself keeps, and lists of names. Which of them are
 * wanted stands in the journal, which is read later; so all are opened.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "judge/files.h"

#define OBJECTS_MAX 60000 /* files of the store that are opened */
#define LISTS_MAX   4000  /* package lists */
#define LAYERS_MAX  1000
#define SPARE_FDS   64

struct object {
	uint8_t sum[SHA256_LEN];
	int fd;
};

struct list {
	char *package;
	int fd;
};

struct object_store {
	struct object *object;
	size_t n, cap;
	struct list *list;
	size_t nlists, lists_cap;
	size_t room; /* descriptors that we may still open */
	uint64_t left_out;
};

/* ---- opening ------------------------------------------------------------------------------ */

static int open_regular(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Each name of a folder; the folder is reached without following links. */
static void each_name(int dirfd, const char *folder,
		      void (*fn)(void *ctx, int at, const char *name), void *ctx)
{
	int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			fn(ctx, fd, e->d_name);
	closedir(d);
}

struct opening {
	struct object_store *o;
	const char *first; /* two digits of the hash: the folder's name */
};

static void add_object(void *ctx, int at, const char *name)
{
	struct opening *op = ctx;
	struct object_store *o = op->o;
	char hex[SHA256_HEX];
	struct object new;

	if (strlen(name) != SHA256_HEX - 3)
		return;
	snprintf(hex, sizeof(hex), "%s%s", op->first, name);
	if (hex_decode(hex, SHA256_HEX - 1, new.sum))
		return;
	if (o->n == OBJECTS_MAX || !o->room) {
		o->left_out++;
		return;
	}
	new.fd = open_regular(at, name);
	if (new.fd < 0)
		return;
	o->room--;
	o->object = vec_grow(o->object, o->n, &o->cap, sizeof(*o->object));
	o->object[o->n++] = new;
}

static void add_folder(void *ctx, int at, const char *name)
{
	struct opening op = { ctx, name };

	if (strlen(name) == 2)
		each_name(at, name, add_object, &op);
}

static void add_list(void *ctx, int at, const char *name)
{
	struct object_store *o = ctx;
	size_t n = strlen(name);
	int fd;

	if (fnmatch("*.list", name, 0) || n > 255 || o->nlists == LISTS_MAX || !o->room)
		return;
	fd = open_regular(at, name);
	if (fd < 0)
		return;
	o->room--;
	o->list = vec_grow(o->list, o->nlists, &o->lists_cap, sizeof(*o->list));
	o->list[o->nlists++] = (struct list){ xstrndup(name, n - 5), fd };
}

/* A layer's part of /var/lib/dpkg/info; each step without following what a box may have put there.
 */
static void add_layer(void *ctx, int at, const char *name)
{
	static const char *const steps[] = { "var", "lib", "dpkg" };
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(steps); i++) {
		int next = openat(fd, steps[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		close(fd);
		fd = next;
	}
	if (fd >= 0) {
		each_name(fd, "info", add_list, ctx);
		close(fd);
	}
}

static int by_sum(const void *a, const void *b)
{
	return memcmp(((const struct object *)a)->sum, ((const struct object *)b)->sum, SHA256_LEN);
}

int objects_open(const char *journal, struct object_store **ret, struct err *err UNUSED)
{
	struct object_store *o = xcalloc(1, sizeof(*o));
	const char *slash = strrchr(journal, '/');
	cleanup_free char *folder =
		slash ? xstrndup(journal, (size_t)(slash - journal) + 1) : xstrdup(".");
	cleanup_close int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	o->room = descriptors_most();
	o->room = o->room > SPARE_FDS ? o->room - SPARE_FDS : 0;
	if (fd >= 0) {
		each_name(fd, "layers", add_layer, o);
		each_name(fd, "objects", add_folder, o);
	}
	if (o->n)
		qsort(o->object, o->n, sizeof(*o->object), by_sum);
	*ret = o;
	return 0;
}

void objects_free(struct object_store *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		close(o->object[i].fd);
	for (size_t i = 0; i < o->nlists; i++) {
		close(o->list[i].fd);
		free(o->list[i].package);
	}
	free(o->object);
	free(o->list);
	free(o);
}

/* ---- reading ------------------------------------------------------------------------------ */

int object_map(const struct object_store *o, const char *sha256, struct mapped *ret)
{
	struct object key = { 0 }, *found = NULL;
	struct stat st;

	if (!o || strlen(sha256) != SHA256_HEX - 1 || hex_decode(sha256, SHA256_HEX - 1, key.sum))
		return -ENOENT;
	if (o->n)
		found = bsearch(&key, o->object, o->n, sizeof(key), by_sum);
	if (!found || fstat(found->fd, &st))
		return -ENOENT;
	if (st.st_size > OBJECT_BYTES_MAX)
		return -EFBIG;
	*ret = (struct mapped){ "", (size_t)st.st_size };
	if (!ret->n)
		return 0;
	ret->p = mmap(NULL, ret->n, PROT_READ, MAP_PRIVATE, found->fd, 0);
	return ret->p == MAP_FAILED ? -errno : 0;
}

void object_unmap(struct mapped *m)
{
	if (m->n)
		munmap((void *)(uintptr_t)m->p, m->n);
	m->n = 0;
}

static void one_list(const struct list *l,
		     void (*fn)(void *ctx, struct str path, struct str package), void *ctx)
{
	struct str package = str_z(l->package);
	struct stat st;
	char *p, *line, *end;

	if (fstat(l->fd, &st) || st.st_size <= 0 || st.st_size > PACKAGE_LIST_MAX)
		return;
	p = xmalloc((size_t)st.st_size);
	end = p + (pread(l->fd, p, (size_t)st.st_size, 0) == st.st_size ? st.st_size : 0);
	for (line = p; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((stop ? stop : end) - line);

		fn(ctx, (struct str){ line, n }, package);
		line += n + 1;
	}
	free(p);
}

void objects_packages(const struct object_store *o,
		      void (*fn)(void *ctx, struct str path, struct str package), void *ctx)
{
	for (size_t i = 0; o && i < o->nlists; i++)
		one_list(&o->list[i], fn, ctx);
}
