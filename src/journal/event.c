// SPDX-License-Identifier: Apache-2.0
/*
 * event.c - the vocabulary as a table, and the canonical bytes of an event
 *
 * Canonical encoding (doc/JOURNAL.md, "Event")
 *
 *	u8 kind; varint seq, t, run, proc; u8 n; n times { u8 type; value }
 *
 * varint is LEB128 in its shortest form. type 0 is NULL without a value; 1 is INT, a zigzag
 * varint; 2 is TEXT, a varint length and the bytes. n ends at the last value that is not NULL, so
 * that a kind may grow fields at its end and old events keep their bytes (and their hashes).
 *
 * Invariant: one event has one encoding. event_decode() refuses every other spelling, so
 * event_encode(event_decode(x)) == x for all x that decode.
 */
#include <assert.h>

#include "journal/journal.h"

/* A field's row sets nfields anew: the last one wins, which is the count. */
#pragma GCC diagnostic push
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
/* clang-format off */
static const struct kind_def kind_table[EVENT_KINDS] = {
#define KIND(number, NAME, tab, mean) \
	[number].table = (tab), [number].name = (tab), [number].meaning = (mean),
#define FIELD(KIND, NAME, col, typ, mean) \
	[EV_##KIND].field[EV_AT(KIND, NAME)] = { (col), VAL_##typ, (mean) }, \
	[EV_##KIND].nfields = EV_AT(KIND, NAME) + 1,
#include "journal/event.def"
#undef KIND
#undef FIELD
};
#pragma GCC diagnostic pop

#define KIND(number, NAME, tab, mean) \
	static_assert((number) > 0 && (number) < EVENT_KINDS, "EVENT_KINDS is one past the last");
#define FIELD(KIND, NAME, col, typ, mean) \
	static_assert(EV_AT(KIND, NAME) < EVENT_FIELDS_MAX, "too many fields in a kind");
#include "journal/event.def"
#undef KIND
#undef FIELD
/* clang-format on */

const struct kind_def *event_kind_def(enum event_kind kind)
{
	if ((unsigned)kind >= EVENT_KINDS || !kind_table[kind].table)
		return NULL;
	return &kind_table[kind];
}

enum event_kind event_kind_by_name(const char *name)
{
	for (int k = 1; k < EVENT_KINDS; k++)
		if (kind_table[k].name && !strcmp(kind_table[k].name, name))
			return (enum event_kind)k;
	return EV_NONE;
}

/* ---- encode ------------------------------------------------------------------------------- */

static inline uint64_t zigzag(int64_t i)
{
	return (uint64_t)i << 1 ^ (uint64_t)(i >> 63);
}

static inline int64_t unzigzag(uint64_t u)
{
	return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

static inline size_t varint_len(uint64_t v)
{
	return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

ssize_t event_encode(const struct event *ev, uint8_t *out, size_t room)
{
	const struct kind_def *def = event_kind_def(ev->kind);
	size_t size = 2 + varint_len(ev->seq) + varint_len(ev->t) + varint_len(ev->run) +
		      varint_len(ev->proc);
	int n = 0;

	if (!def)
		return -EINVAL;
	for (int i = 0; i < def->nfields; i++) {
		const struct val *v = &ev->v[i];

		size++;
		if (v->type == VAL_NULL)
			continue;
		if (v->type != def->field[i].type)
			return -EINVAL;
		n = i + 1;
		if (v->type == VAL_INT)
			size += varint_len(zigzag(v->i));
		else if (v->s.n > EVENT_TEXT_MAX)
			return -EMSGSIZE;
		else
			size += varint_len(v->s.n) + v->s.n;
	}
	size -= (size_t)(def->nfields - n);
	if (size > EVENT_MAX || size > room)
		return -EMSGSIZE;

	*out++ = (uint8_t)ev->kind;
	out = put_varint(out, ev->seq);
	out = put_varint(out, ev->t);
	out = put_varint(out, ev->run);
	out = put_varint(out, ev->proc);
	*out++ = (uint8_t)n;
	for (int i = 0; i < n; i++) {
		const struct val *v = &ev->v[i];

		*out++ = (uint8_t)v->type;
		if (v->type == VAL_INT) {
			out = put_varint(out, zigzag(v->i));
		} else if (v->type == VAL_TEXT) {
			out = put_varint(out, v->s.n);
			if (v->s.n)
				memcpy(out, v->s.p, v->s.n);
			out += v->s.n;
		}
	}
	return (ssize_t)size;
}

/* ---- decode ------------------------------------------------------------------------------- */

/* A varint in its shortest form: a last byte of 0 after others adds nothing. */
static uint64_t get_varint(struct rd *r)
{
	const uint8_t *from = r->p;
	uint64_t v = rd_varint(r);

	if (!r->bad && r->p - from > 1 && !r->p[-1])
		r->bad = true;
	return v;
}

static void get_val(struct rd *r, const struct field_def *f, struct val *v)
{
	uint8_t type = rd_u8(r);

	*v = (struct val){ 0 };
	if (type == VAL_NULL)
		return;
	if (type != f->type) {
		r->bad = true;
		return;
	}
	v->type = f->type;
	if (type == VAL_INT) {
		v->i = unzigzag(get_varint(r));
		return;
	}
	v->s.n = get_varint(r);
	if (v->s.n > EVENT_TEXT_MAX)
		r->bad = true;
	v->s.p = r->bad ? NULL : (const char *)rd_bytes(r, v->s.n);
	if (r->bad)
		*v = (struct val){ 0 };
}

int event_decode(const uint8_t *p, size_t n, struct event *ret)
{
	struct rd r = { .p = p, .end = p + n };
	const struct kind_def *def;
	struct event ev;
	uint64_t run, proc;
	uint8_t count;

	if (n > EVENT_MAX)
		return -EBADMSG;
	ev.kind = (enum event_kind)rd_u8(&r);
	def = event_kind_def(ev.kind);
	ev.seq = get_varint(&r);
	ev.t = get_varint(&r);
	run = get_varint(&r);
	proc = get_varint(&r);
	count = rd_u8(&r);
	/* seq and t are INTEGER columns, which are signed */
	if (r.bad || !def || run > UINT32_MAX || proc > UINT32_MAX || ev.seq > INT64_MAX ||
	    ev.t > INT64_MAX || count > def->nfields)
		return -EBADMSG;
	ev.run = (uint32_t)run;
	ev.proc = (uint32_t)proc;
	for (int i = 0; i < count; i++)
		get_val(&r, &def->field[i], &ev.v[i]);
	if (r.bad || r.p != r.end || (count && ev.v[count - 1].type == VAL_NULL))
		return -EBADMSG;
	for (int i = count; i < EVENT_FIELDS_MAX; i++)
		ev.v[i] = (struct val){ 0 };
	*ret = ev;
	return 0;
}
