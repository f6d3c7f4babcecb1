// SPDX-License-Identifier: Apache-2.0
/*
 * acts.c - take things away and see whether they come back: files, entries, the network
 */
#include <sys/stat.h>

#include "examine/inner.h"

/* ---- which files -------------------------------------------------------------------------- */

struct files {
	char *path[DELETES_MAX];
	size_t n;
};

static void files_free(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->path[i]);
	f->n = 0;
}

/* A file that came with the install; one of the system that it uses is not touched. */
static void add_file(struct files *f, const struct state *s, const char *path)
{
	const struct state_path *p = path && path[0] == '/' ? state_find(s, path) : NULL;

	if (!p || p->op == CHANGE_REMOVED || !S_ISREG(p->mode) || f->n == DELETES_MAX)
		return;
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->path[i], path))
			return;
	f->path[f->n++] = xstrdup(path);
}

static int files_find(struct exam *x, struct files *ret, struct err *err)
{
	uint32_t key[LONG_LIVED_MAX];
	struct state s;
	size_t n;
	int rc = subject_update(x, err);

	ret->n = 0;
	if (!rc)
		rc = state_take(x, &s, err);
	if (rc)
		return rc;
	n = subject_long_lived(x, key);
	for (size_t i = 0; i < n; i++) {
		const struct proc_row *p = subject_get(&x->subject, key[i]);

		add_file(ret, &s, p->script);
		add_file(ret, &s, p->image);
	}
	for (size_t i = 0; i < s.nentries; i++)
		if (entry_starts(&s.entry[i]))
			add_file(ret, &s, s.entry[i].program);
	state_free(&s);
	return 0;
}

bool has_files(struct exam *x)
{
	struct err err = { 0 };
	struct files f = { .n = 0 };
	bool any = x->running && !files_find(x, &f, &err) && f.n > 0;

	files_free(&f);
	return any;
}

/* ---- delete ------------------------------------------------------------------------------- */

static int kill_those_of(struct exam *x, const char *path, struct err *err)
{
	int rc = subject_update(x, err);

	for (size_t i = 0; i < x->subject.n && !rc; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (!p->alive || p->origin != ORIGIN_SUBJECT || strcmp(proc_file(p), path) != 0)
			continue;
		rc = kill_key(x, p->key, err);
		if (rc == -ESRCH)
			rc = 0;
	}
	return rc;
}

/* Also when the watch was interrupted: who goes on later must find the program whole. @rc: of what
 * was done until now, and returned unless putting it back failed. */
static int put_back(struct exam *x, const struct kept_file *f, int rc, struct err *err)
{
	struct err late = { 0 };
	int back;

	if (rc && rc != -ECANCELED)
		return rc;
	back = taken_put_back(&x->s, f, x->now->name, rc ? &late : err);
	return rc ? rc : back;
}

static int delete_one(struct exam *x, const char *path, struct err *err)
{
	struct err gone = { 0 };
	struct kept_file f;
	int rc = file_take(&x->s, path, &f, &gone);

	if (rc == -ENOENT)
		return 0; /* it has gone since */
	if (rc) {
		*err = gone;
		return rc;
	}
	progress(x, path);
	rc = taken_note(&x->s, &f, x->now->name, err);
	if (!rc)
		rc = mark(x, &(struct mark){ .step = "act", .path = path, .sha256 = f.sha256 },
			  err);
	if (!rc)
		rc = file_remove(&x->s, path, err);
	if (!rc)
		rc = kill_those_of(x, path, err);
	if (!rc)
		rc = watch(x, x->now->watch / 2, err);
	/* who restores it may be no process at all, but what cron or a timer runs */
	if (!rc)
		rc = start_entries(x, "timer", err);
	if (!rc)
		rc = watch(x, x->now->watch - x->now->watch / 2, err);
	rc = put_back(x, &f, rc, err);
	kept_file_free(&f);
	return rc;
}

int act_delete(struct exam *x, struct err *err)
{
	struct victims v;
	struct files f;
	int rc = victims_find(x, &v, err);

	f.n = 0;
	if (!rc)
		rc = files_find(x, &f, err);
	for (size_t i = 0; i < f.n && !rc; i++) {
		rc = delete_one(x, f.path[i], err);
		if (!rc)
			rc = make_whole(x, v.v, v.n, err);
	}
	files_free(&f);
	victims_free(&v);
	return rc;
}

/* ---- entries ------------------------------------------------------------------------------ */

/* Those that are a file or link of their own: a line in a file of the system is left alone. */
static bool can_be_off(const struct state *s, const struct state_entry *e)
{
	const struct state_path *p = e->place ? state_find(s, e->place) : NULL;

	return entry_starts(e) && p && p->op == CHANGE_ADDED &&
	       (S_ISREG(p->mode) || S_ISLNK(p->mode));
}

bool has_entries(struct exam *x)
{
	struct err err = { 0 };
	struct state s;
	bool any = false;

	if (!x->running || state_take(x, &s, &err))
		return false;
	for (size_t i = 0; i < s.nentries; i++)
		any |= can_be_off(&s, &s.entry[i]);
	state_free(&s);
	return any;
}

static bool taken(const struct kept_file *f, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(f[i].path, path))
			return true;
	return false;
}

static int take_off(struct exam *x, const struct state_entry *e, struct kept_file *ret,
		    struct err *err)
{
	struct err gone = { 0 };
	int rc = file_take(&x->s, e->place, ret, &gone);

	if (rc)
		return rc == -ENOENT || rc == -EINVAL ? 0 : (*err = gone, rc);
	rc = taken_note(&x->s, ret, x->now->name, err);
	if (!rc)
		rc = mark(x,
			  &(struct mark){ .step = "act",
					  .path = e->place,
					  .sha256 = ret->sha256,
					  .detail = e->class->name },
			  err);
	if (!rc)
		rc = file_remove(&x->s, e->place, err);
	return rc ? rc : 1;
}

int act_autostart_off(struct exam *x, struct err *err)
{
	struct kept_file kept[ENTRIES_MAX];
	struct state s;
	size_t n = 0;
	int rc = state_take(x, &s, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < s.nentries && rc >= 0 && n < ENTRIES_MAX; i++) {
		if (!can_be_off(&s, &s.entry[i]) || taken(kept, n, s.entry[i].place))
			continue;
		rc = take_off(x, &s.entry[i], &kept[n], err);
		n += rc == 1;
	}
	if (rc >= 0)
		rc = watch(x, x->now->watch, err);
	for (size_t i = 0; i < n; i++) {
		rc = put_back(x, &kept[i], rc < 0 ? rc : 0, err);
		kept_file_free(&kept[i]);
	}
	state_free(&s);
	return rc < 0 ? rc : 0;
}

/* ---- the network -------------------------------------------------------------------------- */

int act_network_cut(struct exam *x, struct err *err)
{
	int rc = mark(x, &(struct mark){ .step = "act", .detail = "nobody answers" }, err);

	if (!rc)
		rc = network_cut(&x->s.net, true, err);
	return rc ? rc : watch(x, x->now->watch, err);
}

int act_network_back(struct exam *x, struct err *err)
{
	int rc = mark(x, &(struct mark){ .step = "act", .detail = "as before" }, err);

	if (!rc)
		rc = network_cut(&x->s.net, false, err);
	return rc ? rc : watch(x, x->now->watch, err);
}

int act_names_changed(struct exam *x, struct err *err)
{
	int rc = mark(x, &(struct mark){ .step = "act", .detail = "names have other addresses" },
		      err);

	if (!rc)
		rc = network_other_names(&x->s.net, err);
	return rc ? rc : watch(x, x->now->watch, err);
}
