// SPDX-License-Identifier: Apache-2.0
/*
 * mismatch.c - where intent and truth disagree
 *
 * The rule
 *
 * truth-without-intent: a path of the layer differs, and no call of this run (nor of a run before
 * it on this layer that was cut off) explains it, by any of truth/join.c's ways; and belljar did
 * not make it itself (a file copied in; anything whose change time, which nothing in the box can
 * set, lies where no program ran). A file that has become box root's, and is else as before, needs
 * no call either: fchown to root is not held, because archive programs call it for each file.
 *
 * intent-without-truth: a call to make a path that is not there at the end. Whether a call failed
 * is mostly unknown (what it answers is not recorded), and failing calls are daily bread: mkdir -p
 * over folders that stand, O_CREAT where writing is not allowed, names tried one after the other.
 * So a missing result alone is a failed call. It becomes a mismatch only where something was made
 * that nobody announced: when the same run has a truth-without-intent of the same kind (file,
 * dir, symlink), which is what a path swapped under a held call looks like from both ends. Even
 * then a call is left out that was refused, claimed or known to fail, whose path existed before,
 * was removed or renamed afterwards (itself or a folder above), or lies where no layer is (/proc,
 * /sys, /dev, /run).
 */
#include <sys/stat.h>

#include "capture/truth/truth.h"

/** struct call - the latest call to make a path, and the latest one that took it away */
struct call {
	UT_hash_handle hh;
	uint64_t made_seq, gone_seq;
	uint32_t proc;
	unsigned kinds;
	size_t n;
	char path[];
};

enum { KIND_FILE = 1, KIND_DIR = 2, KIND_LINK = 4 };

struct mismatch {
	struct join *j;
	struct journal *journal;
	struct call *calls;
	struct aliases names;
	unsigned kinds; /* of truth without intent */
	uint32_t run;
	size_t told, untold;
	bool calls_cut;
	struct err *err;
	int rc;
};

static void tell(struct mismatch *m, const char *what, struct str path, uint32_t proc,
		 struct str detail)
{
	struct event ev = { .kind = EV_MISMATCH, .t = UINT64_MAX, .proc = proc };

	if (m->told == TRUTH_MISMATCH_MAX) {
		m->untold++;
		return;
	}
	m->told++;
	ev.v[EV_AT(MISMATCH, WHAT)] = V_Z(what);
	ev.v[EV_AT(MISMATCH, PATH)] = V_STR(path);
	ev.v[EV_AT(MISMATCH, DETAIL)] = V_STR(detail);
	if (!m->rc)
		m->rc = journal_append(m->journal, &ev, NULL, m->err);
}

/* ---- truth without intent ------------------------------------------------------------------- */

static unsigned kind_of(uint32_t mode)
{
	return S_ISDIR(mode) ? KIND_DIR : S_ISLNK(mode) ? KIND_LINK : KIND_FILE;
}

/* Only the owner differs, and what is other than before is root now; the kernel takes set-id bits
 * away with it. */
static bool given_to_root(const struct change *c)
{
	return c->op == CHANGE_META && (c->uid != c->uid_before || c->gid != c->gid_before) &&
	       (!c->uid || c->uid == c->uid_before) && (!c->gid || c->gid == c->gid_before) &&
	       !((c->mode ^ c->mode_before) & 01777) &&
	       !memmem(c->detail.p, c->detail.n, "xattr", 5);
}

static void unexplained(struct mismatch *m, const struct tracked *t)
{
	const struct change *c = &t->d->c;
	cleanup_buf struct buf detail = { 0 };

	if (c->op == CHANGE_ADDED || c->op == CHANGE_CHANGED || c->op == CHANGE_MOVED)
		m->kinds |= kind_of(c->mode);
	buf_printf(&detail, "no call on record names it; found: %s %s", change_op_name[c->op],
		   c->type);
	if (c->sha256[0])
		buf_printf(&detail, ", SHA-256 %s", c->sha256);
	if (m->j->h->gaps)
		buf_puts(&detail, "; the record of this run has gaps");
	tell(m, "truth-without-intent", c->path, 0, (struct str){ detail.p, detail.n });
}

/* ---- intent without truth ------------------------------------------------------------------- */

static bool has_no_layer(struct str path)
{
	static const char *const places[] = { "/proc/", "/sys/", "/dev/", "/run/" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (str_starts(path, places[i]))
			return true;
	return !path.n || path.p[0] != '/' || str_ends(path, " (deleted)");
}

static struct call *call_of(struct mismatch *m, struct str path, bool add)
{
	struct call *c;

	HASH_FIND(hh, m->calls, path.p, path.n, c);
	if (c || !add || has_no_layer(path))
		return c;
	if (HASH_COUNT(m->calls) == TRUTH_CALLS_MAX) {
		m->calls_cut = true;
		return NULL;
	}
	c = xcalloc(1, sizeof(*c) + path.n + 1);
	c->n = path.n;
	memcpy(c->path, path.p, path.n);
	HASH_ADD_KEYPTR(hh, m->calls, c->path, c->n, c);
	return c;
}

static void note_made(struct mismatch *m, struct str path, const struct event *ev, unsigned kinds)
{
	struct call *c = call_of(m, path, true);

	if (c) {
		c->made_seq = ev->seq;
		c->proc = ev->proc;
		c->kinds = kinds;
	}
}

static void note_gone(struct mismatch *m, struct str path, const struct event *ev)
{
	struct call *c = call_of(m, path, true);

	if (c)
		c->gone_seq = ev->seq;
}

static int look_at_call(void *ctx, const struct event *ev)
{
	struct mismatch *m = ctx;
	struct file_call c = file_call(ev);
	const struct val *was = &ev->v[EV_AT(FILE, BEFORE)];

	if (c.failed || str_eq(c.op, STR("exchange")))
		return 0;
	if (c.removes || c.renames)
		note_gone(m, c.path, ev);
	if (c.renames)
		note_made(m, c.path2, ev, KIND_FILE | KIND_DIR | KIND_LINK);
	else if (c.links)
		note_made(m, c.path2, ev, KIND_FILE | KIND_LINK);
	else if (c.makes && !(was->type == VAL_INT && was->i))
		note_made(m, c.path, ev,
			  str_eq(c.op, STR("mkdir"))	 ? KIND_DIR
			  : str_eq(c.op, STR("symlink")) ? KIND_LINK
							 : KIND_FILE);
	return 0;
}

/* Taken away afterwards, by its own name or with a folder above. */
static bool gone_later(struct mismatch *m, const struct call *made)
{
	struct str path = { made->path, made->n };

	for (; path.n > 1; path = path_parent(path)) {
		struct call *c = call_of(m, path, false);

		if (c && c->gone_seq > made->made_seq)
			return true;
	}
	return false;
}

static int intents(struct mismatch *m, struct journal_reader *r, struct err *err)
{
	struct journal_filter f = { .kinds = 1u << EV_FILE, .run = m->run };
	struct call *c, *next;
	int rc = journal_read(r, &f, look_at_call, m, err);

	for (c = m->calls; c && !rc; c = c->hh.next)
		if (c->made_seq && (c->kinds & m->kinds) && !gone_later(m, c))
			alias_add(&m->names, (struct str){ c->path, c->n });
	if (!rc)
		rc = aliases_resolve(&m->names, m->j->box, m->j->run, m->j->h->layer - 1, err);
	for (c = m->calls; c && !rc; c = c->hh.next) {
		struct alias *a = alias_get(&m->names, (struct str){ c->path, c->n });

		if (a && !a->exists)
			tell(m, "intent-without-truth", (struct str){ c->path, c->n }, c->proc,
			     STR("a call was to make it, and at the end it is not there, while "
				 "something was made that no call names"));
	}
	aliases_free(&m->names);
	HASH_ITER(hh, m->calls, c, next)
	{
		HASH_DEL(m->calls, c);
		free(c);
	}
	return rc;
}

static int limit_told(struct mismatch *m)
{
	struct event ev = { .kind = EV_LIMIT, .t = UINT64_MAX };
	char detail[128];

	snprintf(detail, sizeof(detail), "%zu more mismatches are not told one by one%s", m->untold,
		 m->calls_cut ? "; not all calls were looked at" : "");
	ev.v[EV_AT(LIMIT, WHAT)] = V_Z("mismatches");
	ev.v[EV_AT(LIMIT, VALUE)] = V_INT(m->calls_cut ? TRUTH_CALLS_MAX : TRUTH_MISMATCH_MAX);
	ev.v[EV_AT(LIMIT, DETAIL)] = V_Z(detail);
	return journal_append(m->journal, &ev, NULL, m->err);
}

int mismatch_record(struct join *j, struct journal_reader *r, struct journal *jo, uint32_t run_nr,
		    struct err *err)
{
	struct mismatch m = { .j = j, .journal = jo, .run = run_nr, .err = err };
	int rc = 0;

	for (size_t i = 0; i < j->set->n; i++)
		if (!j->v[i].d->gone && j->v[i].how == TOUCH_NONE && !given_to_root(&j->v[i].d->c))
			unexplained(&m, &j->v[i]);
	if (m.kinds)
		rc = intents(&m, r, err);
	if (!rc && (m.untold || m.calls_cut))
		rc = limit_told(&m);
	return rc ? rc : m.rc;
}
