// SPDX-License-Identifier: Apache-2.0
/*
 * changes.c - what differs between two states of a box, as a list
 *
 * The walk's records come through a memory file and not a pipe: the child is waited for by the
 * box room, and a full pipe would hold both up for ever. The file is read after the child's end
 * into memory of ours.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "capture/truth/changes.h"

const char *const change_op_name[] = { "added", "changed", "removed", "meta", "moved" };

/* ---- a child that answers in a memory file ------------------------------------------------- */

struct call {
	int (*fn)(void *ctx, int fd);
	void *ctx;
	int fd;
};

static int in_child(void *p)
{
	struct call *c = p;

	return c->fn(c->ctx, c->fd) ? 1 : 0;
}

int call_in_box(struct box *box, struct box_run *run, int (*fn)(void *ctx, int fd), void *ctx,
		size_t max, char **ret, size_t *ret_n, struct err *err)
{
	cleanup_close int fd = memfd_create("belljar-child", MFD_CLOEXEC);
	struct call c = { fn, ctx, fd };
	cleanup_free char *p = NULL;
	int rc, status = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "changes: make a memory file");
	rc = run ? box_run_in_userns(run, in_child, &c, &status, err)
		 : box_in_userns(box, in_child, &c, &status, err);
	if (rc)
		return rc;
	if (fstat(fd, &st))
		return err_set(err, errno, "changes: read what the walk found");
	if ((uint64_t)st.st_size > max)
		return err_set(err, EFBIG, "changes: read what the walk found");
	p = xmalloc((size_t)st.st_size + 1);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "changes: read what the walk found");
	n = read_full(fd, p, (size_t)st.st_size);
	if (n < 0)
		return err_set(err, (int)n, "changes: read what the walk found");
	if (!n && status)
		return err_set(err, EIO, "changes: look into the box");
	p[n] = 0;
	*ret = steal_ptr(&p);
	*ret_n = (size_t)n;
	return 0;
}

/* ---- the set ------------------------------------------------------------------------------ */

struct walk_args {
	struct box *box;
	struct box_run *run;
	unsigned since;
	struct dates dates;
};

static int walk_in_child(void *p, int fd)
{
	struct walk_args *a = p;

	return changes_walk(a->box, a->run, a->since, &a->dates, fd);
}

int changeset_read(struct box *box, struct box_run *run, unsigned since, struct changeset *ret,
		   struct err *err)
{
	struct walk_args args = { .box = box, .run = run, .since = since };
	struct changeset set = { 0 };
	size_t n = 0;
	int rc;

	if (box_has_folder(box))
		dates_load(&args.dates, box_dirfd(box));
	rc = call_in_box(box, run, walk_in_child, &args, CHANGES_BYTES_MAX, &set.bytes, &n, err);
	dates_free(&args.dates);
	if (!rc)
		rc = changeset_decode((const uint8_t *)set.bytes, n, &set, err);
	if (rc) {
		changeset_free(&set);
		return rc;
	}
	*ret = set;
	return 0;
}

void changeset_free(struct changeset *set)
{
	for (size_t i = 0; i < set->nowned; i++)
		free(set->owned[i]);
	free(set->owned);
	free(set->bytes);
	free(set->v);
	*set = (struct changeset){ 0 };
}

struct str changeset_own(struct changeset *set, struct str s)
{
	char *p = xmalloc(s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	set->owned = xrealloc(set->owned, (set->nowned + 1) * sizeof(*set->owned));
	set->owned[set->nowned++] = p;
	return (struct str){ p, s.n };
}

/* ---- renames ------------------------------------------------------------------------------ */

static int by_content(const void *a, const void *b, void *ctx)
{
	const struct delta *v = ctx;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	int c = strcmp(v[i].c.sha256, v[k].c.sha256);

	if (c)
		return c;
	return i < k ? -1 : i > k;
}

static bool can_pair(const struct delta *d)
{
	/* empty files all have the same bytes: no evidence */
	return !d->gone && (d->c.op == CHANGE_ADDED || d->c.op == CHANGE_REMOVED) &&
	       !strcmp(d->c.type, "file") && d->c.sha256[0] && d->c.size;
}

static void pair_group(struct changeset *set, const size_t *ix, size_t n)
{
	struct delta *a = &set->v[ix[0]], *b;

	if (n != 2)
		return;
	b = &set->v[ix[1]];
	if (a->c.op == b->c.op)
		return;
	if (a->c.op == CHANGE_REMOVED) {
		struct delta *t = a;

		a = b;
		b = t;
	}
	a->c.op = CHANGE_MOVED;
	a->c.path2 = b->c.path;
	a->c.mode_before = b->c.mode;
	a->c.uid_before = b->c.uid;
	a->c.gid_before = b->c.gid;
	memcpy(a->c.sha256_before, b->c.sha256, SHA256_HEX);
	b->gone = true;
}

void changeset_pair(struct changeset *set)
{
	cleanup_free size_t *ix = xcalloc(set->n + 1, sizeof(*ix));
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (can_pair(&set->v[i]))
			ix[n++] = i;
	qsort_r(ix, n, sizeof(*ix), by_content, set->v);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && !strcmp(set->v[ix[i]].c.sha256, set->v[ix[k]].c.sha256);)
			k++;
		pair_group(set, ix + i, k - i);
	}
}

/* ---- for everybody ------------------------------------------------------------------------ */

int changeset_tell(const struct changeset *set, int (*fn)(void *ctx, const struct change *c),
		   void *ctx, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < set->n && fn && !rc; i++)
		if (!set->v[i].gone)
			rc = fn(ctx, &set->v[i].c);
	for (size_t i = 0; i < set->nlimits && set->cut && !rc; i++) {
		const struct limit_hit *l = &set->limit[i];

		if (!str_eq(l->what, STR("hashed bytes")))
			rc = err_set(err, E2BIG,
				     "changes: list them all (limit: %.*s, %llu) at '%.*s'",
				     (int)l->what.n, l->what.p, (unsigned long long)l->value,
				     (int)(l->path.n > 200 ? 200 : l->path.n), l->path.p);
	}
	return rc;
}

int changes_between(struct box *box, struct box_run *run, unsigned since,
		    int (*fn)(void *ctx, const struct change *c), void *ctx, struct err *err)
{
	struct changeset set;
	int rc = changeset_read(box, run, since, &set, err);

	if (rc)
		return rc;
	changeset_pair(&set);
	rc = changeset_tell(&set, fn, ctx, err);
	changeset_free(&set);
	return rc;
}
