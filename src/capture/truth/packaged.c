// SPDX-License-Identifier: Apache-2.0
/*
 * packaged.c - changed files that differ from what their package brought
 *
 * The box's dpkg database as it is now decides: a file that came with an upgrade of its own
 * package is as its md5sums say. A file that no package owns now, but one owned before, was
 * changed behind the package manager's back too. Diverted files (dpkg-divert(1)) are looked for
 * under their other name. Sources: dpkg(1), deb-md5sums(5).
 */
#define OPENSSL_API_COMPAT 10101 /* as in base/hash.c */
#include <openssl/md5.h>
#include <sys/stat.h>
#include <uthash.h>

#include "capture/truth/changes.h"

#define INFO	       "/var/lib/dpkg/info"
#define MD5SUMS_MAX    (16u << 20) /* bytes of one md5sums file */
#define DIVERSIONS_MAX (1u << 20)
#define TOPS_MAX       64 /* first components whose links are kept */

struct wanted {
	UT_hash_handle hh;
	const struct delta *d;
	char *owner; /* a package whose sum differs */
	bool owned, as_packaged;
};

struct top {
	char name[256];
	char to[260];
};

struct packages {
	struct tree *now, *tree; /* the state now; the one whose database is read */
	bool old;
	const struct changeset *set;
	struct wanted *v, *by_path;
	struct top top[TOPS_MAX];
	int ntops;
	char *diversions;
};

static bool wants(const struct delta *d)
{
	return !d->gone && S_ISREG(d->c.mode) &&
	       (d->c.op == CHANGE_ADDED || d->c.op == CHANGE_CHANGED || d->c.op == CHANGE_MOVED);
}

/* The name that @path has when @package's files are diverted away by another package. */
static const char *diverted(const struct packages *p, const char *path, const char *package)
{
	const char *s = p->diversions;
	size_t n = strlen(path), k = strlen(package);

	/* three lines each: from, to, package (":" is the administrator) */
	while (s && *s) {
		const char *to = strchr(s, '\n'), *by = to ? strchr(to + 1, '\n') : NULL;
		const char *end = by ? strchrnul(by + 1, '\n') : NULL;

		if (!end)
			return NULL;
		if ((size_t)(to - s) == n && !memcmp(s, path, n) &&
		    ((size_t)(end - by - 1) != k || memcmp(by + 1, package, k)))
			return to + 1;
		s = *end ? end + 1 : end;
	}
	return NULL;
}

/* "bin" → "usr/bin": databases of merged-/usr systems still say bin/… */
static const char *real_top(struct packages *p, const char *name, size_t n)
{
	cleanup_buf struct buf to = { 0 };
	struct top *t;
	char path[258];

	for (int i = 0; i < p->ntops; i++)
		if (strlen(p->top[i].name) == n && !memcmp(p->top[i].name, name, n))
			return p->top[i].to;
	if (p->ntops == TOPS_MAX || n > 255)
		return NULL;
	snprintf(path, sizeof(path), "/%.*s", (int)n, name);
	t = &p->top[p->ntops++];
	snprintf(t->name, sizeof(t->name), "%.255s", path + 1);
	if (tree_resolve(p->tree, str_z(path), true, &to) || to.n >= sizeof(t->to))
		snprintf(t->to, sizeof(t->to), "%s", path);
	else
		snprintf(t->to, sizeof(t->to), "%s", buf_z(&to));
	return t->to;
}

static int md5_of(struct packages *p, struct str path, char out[33])
{
	cleanup_close int fd = tree_open_file(p->now, path);
	unsigned char sum[16];
	uint64_t left = CHANGES_HASH_FILE_MAX;
	char block[65536];
	ssize_t n = -1;
	MD5_CTX ctx;

	MD5_Init(&ctx);
	if (fd >= 0)
		while ((n = read(fd, block, sizeof(block))) > 0 && left >= (uint64_t)n) {
			MD5_Update(&ctx, block, (size_t)n);
			left -= (uint64_t)n;
		}
	if (n)
		return -EIO;
	MD5_Final(sum, &ctx);
	hex_encode(sum, sizeof(sum), out);
	return 0;
}

static void one_sum(struct packages *p, const char *package, const char *md5, const char *rel,
		    size_t n)
{
	const char *slash = memchr(rel, '/', n), *top, *other;
	struct wanted *w;
	char path[4352], now[33];

	top = slash ? real_top(p, rel, (size_t)(slash - rel)) : NULL;
	if (n > 4000)
		return;
	if (top)
		n = (size_t)snprintf(path, sizeof(path), "%s%.*s", top, (int)(rel + n - slash),
				     slash);
	else
		n = (size_t)snprintf(path, sizeof(path), "/%.*s", (int)n, rel);
	other = diverted(p, path, package);
	if (other)
		n = (size_t)snprintf(path, sizeof(path), "%.*s",
				     (int)(strchrnul(other, '\n') - other), other);
	HASH_FIND(hh, p->by_path, path, n, w);
	if (!w || w->as_packaged || (p->old && (w->owned || w->d->c.op != CHANGE_CHANGED)))
		return;
	if (md5_of(p, w->d->c.path, now))
		return;
	if (!p->old)
		w->owned = true;
	if (!strncmp(now, md5, 32)) {
		w->as_packaged = true;
	} else if (!w->owner) {
		w->owner = xstrdup(package);
	}
}

static int one_file(void *ctx, const char *name, const struct tree_stat *st)
{
	struct packages *p = ctx;
	cleanup_free char *text = NULL, *package = NULL;
	char path[512];
	size_t n = strlen(name);
	char *colon;

	if (!S_ISREG(st->mode) || n < 9 || strcmp(name + n - 8, ".md5sums"))
		return 0;
	package = xstrndup(name, n - 8);
	colon = strchr(package, ':'); /* name:architecture */
	if (colon)
		*colon = 0;
	snprintf(path, sizeof(path), "%s/%s", INFO, name);
	if (tree_read(p->tree, str_z(path), MD5SUMS_MAX, &text, NULL))
		return 0;
	for (char *s = text, *end; *s; s = *end ? end + 1 : end) {
		end = strchrnul(s, '\n');
		if (end - s > 34 && s[32] == ' ' && s[33] == ' ')
			one_sum(p, package, s, s + 34, (size_t)(end - s - 34));
	}
	return 0;
}

static int read_database(struct packages *p, struct tree *t, bool old)
{
	int rc;

	p->tree = t;
	p->old = old;
	p->ntops = 0;
	free(p->diversions);
	p->diversions = NULL;
	(void)tree_read(t, STR("/var/lib/dpkg/diversions"), DIVERSIONS_MAX, &p->diversions, NULL);
	rc = tree_list(t, STR(INFO), one_file, p);
	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

struct packaged_args {
	struct box *box;
	struct box_run *run;
	unsigned since;
	const struct changeset *set;
};

static int send_found(struct packages *p, int fd)
{
	cleanup_buf struct buf out = { 0 };

	for (size_t i = 0; i < p->set->n; i++) {
		struct wanted *w = &p->v[i];
		uint8_t head[12];
		struct wr r = { .p = head, .end = head + sizeof(head) };

		if (w->owner && !w->as_packaged) {
			wr_u64(&r, i);
			wr_u32(&r, (uint32_t)strlen(w->owner));
			buf_add(&out, head, sizeof(head));
			buf_puts(&out, w->owner);
		}
	}
	return write_full(fd, out.p, out.n);
}

static int packaged_in_child(void *arg, int fd)
{
	struct packaged_args *a = arg;
	struct packages p = { .set = a->set };
	struct tree *then = NULL;
	int rc = tree_open(a->box, a->run, TREE_NOW, &p.now, NULL);

	if (!rc)
		rc = tree_open(a->box, a->run, a->since, &then, NULL);
	p.v = xcalloc(a->set->n + 1, sizeof(*p.v));
	for (size_t i = 0; i < a->set->n; i++) {
		struct wanted *w = &p.v[i];

		w->d = &a->set->v[i];
		if (wants(w->d))
			HASH_ADD_KEYPTR(hh, p.by_path, w->d->c.path.p, w->d->c.path.n, w);
	}
	if (!rc && p.by_path)
		rc = read_database(&p, p.now, false);
	if (!rc && p.by_path)
		rc = read_database(&p, then, true);
	if (!rc)
		rc = send_found(&p, fd);
	/* the process ends here: its memory goes with it */
	return rc;
}

int packaged_of(struct box *box, struct box_run *run, unsigned since, const struct changeset *set,
		int (*fn)(void *ctx, struct str path, struct str owner), void *ctx, struct err *err)
{
	struct packaged_args args = { box, run, since, set };
	cleanup_free char *bytes = NULL;
	struct rd r;
	size_t n = 0;
	int rc =
		call_in_box(box, run, packaged_in_child, &args, CHANGES_BYTES_MAX, &bytes, &n, err);

	r = (struct rd){ .p = (uint8_t *)bytes, .end = (uint8_t *)bytes + n };
	while (!rc && r.p < r.end) {
		uint64_t i = rd_u64(&r);
		uint32_t len = rd_u32(&r);
		const char *owner = (const char *)rd_bytes(&r, len);

		if (r.bad || i >= set->n || len > 255)
			rc = err_set(err, EBADMSG, "changes: read the package database of the box");
		else
			rc = fn(ctx, set->v[i].c.path, (struct str){ owner, len });
	}
	return rc;
}

int packaged_between(struct box *box, struct box_run *run, unsigned since,
		     int (*fn)(void *ctx, struct str path, struct str owner), void *ctx,
		     struct err *err)
{
	struct changes_fns fns = { .packaged = fn };

	return changes_all_between(box, run, since, &fns, ctx, err);
}
