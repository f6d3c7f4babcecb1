// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_wire.c - records between the child that reads a box's files and its parent
 *
 * A record is one byte of kind and its fields: numbers as varints, strings as a varint length and
 * bytes. AS_WIRE_END is the last; without it the child was cut off.
 *
 * Invariant: the decoder takes no number or length on trust; what rec_* would not have written is
 * -EBADMSG, and nothing of it reaches the callback.
 */
#include "capture/autostart.h"

static void put_num(struct buf *b, uint64_t v)
{
	uint8_t bytes[10];
	struct wr w = { .p = bytes, .end = bytes + sizeof(bytes) };

	wr_varint(&w, v);
	buf_add(b, bytes, (size_t)(w.p - bytes));
}

static void put_str(struct buf *b, struct str s)
{
	put_num(b, s.n);
	buf_add(b, s.p, s.n);
}

static uint64_t get_num(struct rd *r, uint64_t max)
{
	uint64_t v = rd_varint(r);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

static struct str get_str(struct rd *r, size_t max)
{
	uint64_t n = get_num(r, max);
	const uint8_t *p = rd_bytes(r, n);

	return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

static int bad(struct err *err)
{
	return err_set(err, EBADMSG, "autostart: read what the child found");
}

void as_wire_mark(struct buf *b, enum as_wire what, int code)
{
	buf_add(b, &(uint8_t){ (uint8_t)what }, 1);
	if (what == AS_WIRE_FAIL)
		put_num(b, (uint64_t)(code < 0 ? -code : code));
}

/* Marks that end a stream. Return: 1 for END, else a negative errno; *full is noted. */
static int get_mark(struct rd *r, uint8_t kind, bool *full, struct err *err)
{
	if (kind == AS_WIRE_FULL) {
		*full = true;
		return 0;
	}
	if (kind == AS_WIRE_FAIL) {
		int code = (int)get_num(r, 4095);

		return r->bad || !code ? bad(err)
				       : err_set(err, code, "autostart: open the box's files");
	}
	return kind == AS_WIRE_END && !r->bad && r->p == r->end ? 1 : bad(err);
}

/* ---- entries ------------------------------------------------------------------------------ */

void as_wire_entry(struct buf *b, const struct as_item *it)
{
	as_wire_mark(b, AS_WIRE_ENTRY, 0);
	put_num(b, it->op);
	put_num(b, it->place->class);
	put_str(b, it->path);
	put_str(b, it->name);
	put_str(b, it->command);
	put_str(b, it->program);
}

static bool get_entry(struct rd *r, struct autostart_entry *e)
{
	*e = (struct autostart_entry){ 0 };
	e->op = (enum change_op)get_num(r, CHANGE_REMOVED);
	e->class = &autostart_classes()[get_num(r, AS_CLASSES - 1)];
	e->place = get_str(r, AS_PATH_MAX);
	e->name = get_str(r, AS_TEXT_MAX);
	e->command = get_str(r, AS_TEXT_MAX);
	e->program = get_str(r, AS_PATH_MAX);
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
	put_num(b, s->class);
	put_num(b, when);
	put_num(b, s->wait | s->needed << 1);
	put_str(b, s->place);
	put_str(b, s->name);
	put_str(b, str_z(s->user ? s->user : "root"));
	put_str(b, str_z(s->cwd));
	put_num(b, (uint64_t)s->argc);
	for (int i = 0; i < s->argc; i++)
		put_str(b, s->argv[i]);
}

/* A string of an argument list: NUL-terminated copy in @mem, no NUL inside. */
static const char *get_z(struct rd *r, struct as_list *mem)
{
	struct str s = get_str(r, BOX_ARGV_MAX);

	if (s.n && memchr(s.p, 0, s.n))
		r->bad = true;
	return as_keep(mem, s, BOX_ARGV_MAX).p;
}

static bool get_start(struct rd *r, struct autostart_start *s, const char *argv[AS_ARGV_MAX + 1],
		      struct as_list *mem)
{
	uint64_t flags;

	*s = (struct autostart_start){ 0 };
	s->class = &autostart_classes()[get_num(r, AS_CLASSES - 1)];
	s->when = when_names[get_num(r, ARRAY_SIZE(when_names) - 1)];
	flags = get_num(r, 3);
	s->wait = flags & 1;
	s->needed = flags & 2;
	s->place = get_str(r, AS_PATH_MAX);
	s->name = get_str(r, AS_TEXT_MAX);
	s->user = get_z(r, mem);
	s->cwd = get_z(r, mem);
	if (!*s->cwd)
		s->cwd = NULL;
	s->argc = (int)get_num(r, AS_ARGV_MAX);
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
