// SPDX-License-Identifier: Apache-2.0
/*
 * wire.c - records between the child that reads a box's files and its parent
 *
 * A record is one byte of kind and its fields: numbers as varints, strings as a varint length and
 * bytes. AS_WIRE_END is the last; without it the child was cut off.
 *
 * Invariant: the decoder takes no number or length on trust; what rec_* would not have written is
 * -EBADMSG, and nothing of it reaches the callback.
 */
#include "capture/autostart/autostart.h"

static int bad(struct err *err)
{
	return err_set(err, EBADMSG, "autostart: read what the child found");
}

void as_wire_mark(struct buf *b, enum as_wire what, int code)
{
	buf_add(b, &(uint8_t){ (uint8_t)what }, 1);
	if (what == AS_WIRE_FAIL)
		buf_number(b, (uint64_t)(code < 0 ? -code : code));
}

/* Marks that end a stream. Return: 1 for END, else a negative errno; *full is noted. */
static int get_mark(struct rd *r, uint8_t kind, bool *full, struct err *err)
{
	if (kind == AS_WIRE_FULL) {
		*full = true;
		return 0;
	}
	if (kind == AS_WIRE_FAIL) {
		int code = (int)rd_number(r, 4095);

		return r->bad || !code ? bad(err)
				       : err_set(err, code, "autostart: open the box's files");
	}
	return kind == AS_WIRE_END && !r->bad && r->p == r->end ? 1 : bad(err);
}

/* ---- entries ------------------------------------------------------------------------------ */

void as_wire_entry(struct buf *b, const struct as_item *it)
{
	as_wire_mark(b, AS_WIRE_ENTRY, 0);
	buf_number(b, it->op);
	buf_number(b, it->place->class);
	buf_str(b, it->path);
	buf_str(b, it->name);
	buf_str(b, it->command);
	buf_str(b, it->program);
}

static bool get_entry(struct rd *r, struct autostart_entry *e)
{
	*e = (struct autostart_entry){ 0 };
	e->op = (enum change_op)rd_number(r, CHANGE_REMOVED);
	e->class = &autostart_classes()[rd_number(r, AS_CLASSES - 1)];
	e->place = rd_str(r, AS_PATH_MAX);
	e->name = rd_str(r, AS_TEXT_MAX);
	e->command = rd_str(r, AS_TEXT_MAX);
	e->program = rd_str(r, AS_PATH_MAX);
	return !r->bad && e->place.n && *e->place.p == '/';
}

int as_wire_entries(const uint8_t *p, size_t n,
		    int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx,
		    struct err *err)
{
	struct rd r = { .p = p, .end = p + n };
	struct autostart_entry e;
	bool full = false;
	int rc;

	for (size_t i = 0; i <= AS_ENTRIES_MAX + 1; i++) {
		uint8_t kind = rd_u8(&r);

		if (kind != AS_WIRE_ENTRY) {
			rc = get_mark(&r, kind, &full, err);
			if (!rc)
				continue;
			if (rc > 0 && full)
				return err_set(
					err, E2BIG,
					"autostart: list all entries (limits: %u, %u a file)",
					AS_ENTRIES_MAX, AS_PER_FILE);
			return rc > 0 ? 0 : rc;
		}
		if (!get_entry(&r, &e))
			return bad(err);
		rc = fn(ctx, &e);
		if (rc)
			return rc;
	}
	return bad(err);
}

/* ---- starts ------------------------------------------------------------------------------- */

static const char *const when_names[] = { "boot", "timer", "login", "desktop" };

void as_wire_start(struct buf *b, const struct as_start *s)
{
	uint64_t when = 0;

	for (size_t i = 0; i < ARRAY_SIZE(when_names); i++)
		if (!strcmp(s->when, when_names[i]))
			when = i;
	as_wire_mark(b, AS_WIRE_START, 0);
	buf_number(b, s->class);
	buf_number(b, when);
	buf_number(b, s->wait | s->needed << 1);
	buf_str(b, s->place);
	buf_str(b, s->name);
	buf_str(b, str_z(s->user ? s->user : "root"));
	buf_str(b, str_z(s->cwd));
	buf_number(b, (uint64_t)s->argc);
	for (int i = 0; i < s->argc; i++)
		buf_str(b, s->argv[i]);
}

/* A string of an argument list: NUL-terminated copy in @mem, no NUL inside. */
static const char *get_z(struct rd *r, struct as_list *mem)
{
	struct str s = rd_str(r, BOX_ARGV_MAX);

	if (s.n && memchr(s.p, 0, s.n))
		r->bad = true;
	return as_keep(mem, s, BOX_ARGV_MAX).p;
}

static bool get_start(struct rd *r, struct autostart_start *s, const char *argv[AS_ARGV_MAX + 1],
		      struct as_list *mem)
{
	uint64_t flags;

	*s = (struct autostart_start){ 0 };
	s->class = &autostart_classes()[rd_number(r, AS_CLASSES - 1)];
	s->when = when_names[rd_number(r, ARRAY_SIZE(when_names) - 1)];
	flags = rd_number(r, 3);
	s->wait = flags & 1;
	s->needed = flags & 2;
	s->place = rd_str(r, AS_PATH_MAX);
	s->name = rd_str(r, AS_TEXT_MAX);
	s->user = get_z(r, mem);
	s->cwd = get_z(r, mem);
	if (!*s->cwd)
		s->cwd = NULL;
	s->argc = (int)rd_number(r, AS_ARGV_MAX);
	for (int i = 0; i < s->argc; i++)
		argv[i] = get_z(r, mem);
	argv[s->argc] = NULL;
	s->argv = argv;
	return !r->bad && s->argc && argv[0][0] && s->place.n && *s->place.p == '/';
}

int as_wire_starts(uint8_t *p, size_t n, int (*fn)(void *ctx, const struct autostart_start *s),
		   void *ctx, struct err *err)
{
	struct rd r = { .p = p, .end = p + n };
	const char *argv[AS_ARGV_MAX + 1];
	struct as_list mem = { 0 };
	struct autostart_start s;
	bool full = false;
	int rc;

	for (size_t i = 0; i <= AUTOSTART_STARTS_MAX + 1; i++) {
		uint8_t kind = rd_u8(&r);

		if (kind != AS_WIRE_START) {
			rc = get_mark(&r, kind, &full, err);
			if (!rc)
				continue;
			if (rc > 0 && full)
				return err_set(err, E2BIG,
					       "autostart: list all that a boot starts (limit: %d)",
					       AUTOSTART_STARTS_MAX);
			return rc > 0 ? 0 : rc;
		}
		rc = get_start(&r, &s, argv, &mem) ? fn(ctx, &s) : bad(err);
		as_list_free(&mem);
		if (rc)
			return rc;
	}
	return bad(err);
}
