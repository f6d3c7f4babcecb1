// SPDX-License-Identifier: Apache-2.0
/*
 * alias.c - names as calls used them, and what they mean in the box
 *
 * A call may name /bin/x while the layer holds /usr/bin/x. Names are collected first, then one
 * child in the box's user namespace resolves them all: in the state now and in the state before
 * the layer (a link may have been removed since).
 */
#include "capture/truth/truth.h"

struct str path_parent(struct str path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	if (!slash || slash == path.p)
		return STR("/");
	return (struct str){ path.p, (size_t)(slash - path.p) };
}

struct str path_name(struct str path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	if (!slash)
		return path;
	return (struct str){ slash + 1, (size_t)(path.p + path.n - slash - 1) };
}

struct alias *alias_get(const struct aliases *a, struct str name)
{
	struct alias *x;

	HASH_FIND(hh, a->set, name.p, name.n, x);
	return x;
}

void alias_add(struct aliases *a, struct str name)
{
	struct alias *x = alias_get(a, name);

	if (x || !name.n || name.n > TREE_PATH_MAX)
		return;
	if (HASH_COUNT(a->set) >= TRUTH_ALIASES_MAX) {
		a->cut = true;
		return;
	}
	x = xcalloc(1, sizeof(*x) + name.n + 1);
	x->n = name.n;
	memcpy(x->name, name.p, name.n);
	HASH_ADD_KEYPTR(hh, a->set, x->name, x->n, x);
}

void aliases_free(struct aliases *a)
{
	struct alias *x, *next;

	HASH_ITER(hh, a->set, x, next)
	{
		HASH_DEL(a->set, x);
		free(x);
	}
	free(a->bytes);
	*a = (struct aliases){ 0 };
}

/* ---- in the child ------------------------------------------------------------------------- */

struct resolve_args {
	struct aliases *a;
	struct box *box;
	struct box_run *run;
	unsigned since;
};

static void add_resolved(struct tree *t, const struct alias *x, struct buf *out)
{
	struct str name = { x->name, x->n };
	struct buf real = { 0 };
	uint32_t n = 0;

	if (!tree_resolve(t, name, true, &real) && real.n <= TREE_PATH_MAX &&
	    !(real.n == x->n && !memcmp(real.p, x->name, x->n)))
		n = (uint32_t)real.n;
	buf_add(out, &n, sizeof(n));
	buf_add(out, real.p, n);
	buf_free(&real);
}

static int resolve_in_child(void *p, int fd)
{
	struct resolve_args *r = p;
	struct tree *now = NULL, *then = NULL;
	struct buf out = { .limit = CHANGES_BYTES_MAX };
	struct tree_stat st;
	struct alias *x;
	int rc = tree_open(r->box, r->run, TREE_NOW, &now, NULL);

	if (!rc)
		rc = tree_open(r->box, r->run, r->since, &then, NULL);
	for (x = r->a->set; x && !rc; x = x->hh.next) {
		uint8_t exists = !tree_stat(now, (struct str){ x->name, x->n }, false, &st);

		buf_add(&out, &exists, 1);
		add_resolved(now, x, &out);
		add_resolved(then, x, &out);
		if (out.n > 1 << 20 || !x->hh.next) {
			rc = write_full(fd, out.p, out.n);
			out.n = 0;
		}
	}
	return rc;
}

/* ---- in the parent ------------------------------------------------------------------------ */

static struct str get_path(struct rd *r)
{
	uint32_t n = rd_u32(r);
	const uint8_t *p = n <= TREE_PATH_MAX ? rd_bytes(r, n) : NULL;

	if (!p || (n && (p[0] != '/' || memchr(p, 0, n)))) {
		r->bad = true;
		return (struct str){ "", 0 };
	}
	return (struct str){ (const char *)p, n };
}

int aliases_resolve(struct aliases *a, struct box *box, struct box_run *run, unsigned since,
		    struct err *err)
{
	struct resolve_args args = { a, box, run, since };
	struct alias *x;
	struct rd r;
	size_t n = 0;
	int rc;

	if (!a->set)
		return 0;
	rc = call_in_box(box, run, resolve_in_child, &args, CHANGES_BYTES_MAX, &a->bytes, &n, err);
	if (rc)
		return rc;
	r = (struct rd){ .p = (uint8_t *)a->bytes, .end = (uint8_t *)a->bytes + n };
	for (x = a->set; x; x = x->hh.next) {
		x->exists = rd_u8(&r) == 1;
		x->now = get_path(&r);
		x->then = get_path(&r);
	}
	if (r.bad || r.p != r.end)
		return err_set(err, EBADMSG, "truth: read resolved names of the box");
	return 0;
}
