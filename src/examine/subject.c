// SPDX-License-Identifier: Apache-2.0
/*
 * subject.c - whose process is whose: the table of a run's processes, kept from the journal
 *
 * Every process in the box descends from one that belljar started, for a reason that is on record
 * (`cause`). The installer's descendants, those of a boot's entries, and what a use has started are
 * the subject.
 */

#include "examine/inner.h"

static enum origin origin_of(const char *cause)
{
	/* the causes that are ours are single words; an autostart entry's is 'class place:name'.
	 * What the user's command left running is the program's. */
	return !strcmp(cause, "install") || !strcmp(cause, "put-back") || !strcmp(cause, "use") ||
			       strchr(cause, ' ')
		       ? ORIGIN_SUBJECT
		       : ORIGIN_OURS;
}

static void row_free(struct proc_row *p)
{
	free(p->image);
	free(p->script);
	free(p->command);
	free(p->cwd);
	free(p->entry);
}

void subject_clear(struct subject *s)
{
	for (size_t i = 0; i < s->n; i++)
		row_free(&s->v[i]);
	free(s->v);
	*s = (struct subject){ 0 };
}

static struct proc_row *find(const struct subject *s, uint32_t key)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->v[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->v[lo].key == key ? &s->v[lo] : NULL;
}

const struct proc_row *subject_get(const struct subject *s, uint32_t key)
{
	return find(s, key);
}

static char *copy(const char *z)
{
	return z ? xstrdup(z) : NULL;
}

/* Keys are given in rising order, but rows of two threads can come the other way round. */
static struct proc_row *add(struct subject *s, uint32_t key, uint32_t parent, uint64_t t)
{
	const struct proc_row *up = find(s, parent);
	struct proc_row row = { .key = key, .parent = parent, .born = t, .alive = true, .uid = -1 };
	size_t at = s->n;

	if (s->n == PROCS_MAX) {
		s->cut = true;
		return NULL;
	}
	if (up) {
		row.origin = up->origin;
		row.uid = up->uid;
		row.image = copy(up->image);
		row.script = copy(up->script);
		row.command = copy(up->command);
		row.cwd = copy(up->cwd);
	}
	s->v = vec_grow(s->v, s->n, &s->cap, sizeof(*s->v));
	while (at && s->v[at - 1].key > key)
		at--;
	memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof(*s->v));
	s->v[at] = row;
	s->n++;
	return &s->v[at];
}

static void set(char **to, sqlite3_stmt *st, int col)
{
	const char *z = (const char *)sqlite3_column_text(st, col);

	free(*to);
	*to = copy(z);
}

enum { C_SEQ, C_T, C_PROC, C_OP, C_PARENT, C_IMAGE, C_SCRIPT, C_COMMAND, C_CWD, C_UID, C_CAUSE };
#define ROWS                                                                                       \
	"SELECT seq,t,proc,op,parent,image,script,command_line,cwd,uid,cause FROM process "        \
	"WHERE run=?1 AND seq>?2 ORDER BY seq"

/* 'CLASS PLACE:NAME'; names of entries have no colon but in cron's tables, and there no matter */
static char *place_of(const char *cause)
{
	const char *place = strchr(cause, ' ') + 1, *end = strrchr(place, ':');

	return xstrndup(place, end ? (size_t)(end - place) : strlen(place));
}

static void take(void *to, sqlite3_stmt *st)
{
	struct subject *s = to;
	const char *op = (const char *)sqlite3_column_text(st, C_OP);
	const char *cause = (const char *)sqlite3_column_text(st, C_CAUSE);
	uint32_t key = (uint32_t)sqlite3_column_int64(st, C_PROC);
	uint64_t t = (uint64_t)sqlite3_column_int64(st, C_T);
	struct proc_row *p = find(s, key);

	s->seq = (uint64_t)sqlite3_column_int64(st, C_SEQ);
	if (!p)
		p = add(s, key, (uint32_t)sqlite3_column_int64(st, C_PARENT), t);
	if (!p || !op)
		return;
	if (!strcmp(op, "exit")) {
		p->alive = false;
	} else if (!strcmp(op, "exec")) {
		set(&p->image, st, C_IMAGE);
		set(&p->script, st, C_SCRIPT);
		set(&p->command, st, C_COMMAND);
		set(&p->cwd, st, C_CWD);
		p->uid = sqlite3_column_int64(st, C_UID);
		p->execed = t;
		if (cause) {
			p->origin = origin_of(cause);
			p->booted = strchr(cause, ' ') != NULL;
			free(p->entry);
			p->entry = p->booted ? place_of(cause) : NULL;
		}
	}
}

int subject_update(struct exam *x, struct err *err)
{
	const struct rows q = {
		"processes", ROWS, { x->s.nr, (int64_t)x->subject.seq }, take, &x->subject
	};

	return rows_read(x, &q, err);
}

const char *proc_entry(const struct subject *s, const struct proc_row *p)
{
	for (int depth = 0; p && depth < 64; depth++) {
		if (p->entry)
			return p->entry;
		p = subject_get(s, p->parent);
	}
	return NULL;
}

const char *proc_file(const struct proc_row *p)
{
	return p->script ? p->script : p->image ? p->image : "";
}

static bool is_tool(const char *file)
{
	return !strncmp(file, "/usr/bin/", 9) || !strncmp(file, "/usr/sbin/", 10);
}

bool proc_same(const struct proc_row *a, const struct proc_row *b)
{
	if (!proc_file(a)[0] || strcmp(proc_file(a), proc_file(b)) != 0)
		return false;
	/* "perl guard.pl" and "perl worker.pl" are two */
	return !is_tool(proc_file(a)) || !a->command || !b->command ||
	       !strcmp(a->command, b->command);
}

/* A tool of the system that a living process of the subject has started for itself: a loop's
 * sleep(1), say. Its parent starts the next one anyway. */
bool proc_is_helper(const struct subject *s, const struct proc_row *p)
{
	const struct proc_row *up = find(s, p->parent);

	return up && up->alive && up->origin == ORIGIN_SUBJECT && !p->script && is_tool(p->image);
}

/* Those that are programs of their own first, then forks. */
size_t subject_long_lived(struct exam *x, uint32_t ret[LONG_LIVED_MAX])
{
	uint64_t now = session_box_now(&x->s), age = scaled(x, LONG_LIVED_NS);
	size_t n = 0;

	for (int forks = 0; forks < 2; forks++)
		for (size_t i = 0; i < x->subject.n && n < LONG_LIVED_MAX; i++) {
			const struct proc_row *p = &x->subject.v[i];

			if (p->alive && p->origin == ORIGIN_SUBJECT && p->image &&
			    (p->booted || now - p->born >= age) && forks == !p->execed &&
			    !proc_is_helper(&x->subject, p))
				ret[n++] = p->key;
		}
	return n;
}
