// SPDX-License-Identifier: Apache-2.0
/*
 * probe.h - a watch whose events are text: "table column=value …", a line each, of the columns that
 * a test names; and conversations that are fed whole, in pieces of every size, and cut short
 */
#ifndef BELLJAR_TESTS_GATE_PROBE_H
#define BELLJAR_TESTS_GATE_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/decode/watch.h"

/** struct said - one side's bytes at a time */
struct said {
	enum dir dir;
	struct str bytes;
	uint64_t t; /* ns */
};
#define OUT(lit)                                                                                   \
	{                                                                                          \
		DIR_OUT,                                                                           \
		{                                                                                  \
			(lit), sizeof(lit) - 1                                                     \
		}                                                                                  \
	}
#define IN(lit)                                                                                    \
	{                                                                                          \
		DIR_IN,                                                                            \
		{                                                                                  \
			(lit), sizeof(lit) - 1                                                     \
		}                                                                                  \
	}

struct probe {
	struct buf lines;
	const char *columns; /* " op host " - which are told, with spaces around each; NULL all */
	uint32_t kinds;	     /* mask; 0 all */
	uint32_t events;
	struct watch *w;
	struct emit emit;
};

static inline void probe_value(struct buf *out, const struct val *v)
{
	if (v->type == VAL_INT) {
		buf_printf(out, "%lld", (long long)v->i);
		return;
	}
	for (size_t i = 0; i < v->s.n; i++)
		if (v->s.p[i] == '\n')
			buf_puts(out, "|");
		else if ((uint8_t)v->s.p[i] < ' ' || v->s.p[i] == 0x7f)
			buf_printf(out, "\\x%02x", (uint8_t)v->s.p[i]);
		else
			buf_add(out, v->s.p + i, 1);
}

static inline void probe_event(void *ctx, struct event *ev)
{
	struct probe *p = ctx;
	const struct kind_def *def = event_kind_def(ev->kind);

	p->events++;
	if (p->kinds && !(p->kinds & 1u << ev->kind))
		return;
	buf_puts(&p->lines, def->name);
	for (int i = 0; i < def->nfields; i++) {
		char word[64];

		snprintf(word, sizeof(word), " %s ", def->field[i].column);
		if (ev->v[i].type == VAL_NULL || (p->columns && !strstr(p->columns, word)))
			continue;
		assert_int_equal(ev->v[i].type, def->field[i].type);
		buf_printf(&p->lines, " %s=", def->field[i].column);
		probe_value(&p->lines, &ev->v[i]);
	}
	buf_puts(&p->lines, "\n");
}

static inline void probe_begin(struct probe *p, bool tcp, uint16_t port, bool inner)
{
	struct flow_facts f = { .id = 1, .tcp = tcp };

	f.src.port = 40000;
	f.dst.port = port;
	p->lines.n = 0;
	p->events = 0;
	p->emit = (struct emit){ p, probe_event };
	p->w = watch_new(&f, inner, &p->emit);
}

static inline const char *probe_end(struct probe *p)
{
	watch_end(p->w, 0);
	watch_free(p->w);
	p->w = NULL;
	return buf_z(&p->lines);
}

/** probe_said() - the whole conversation, each saying in pieces of @piece bytes (0: whole) */
static inline const char *probe_said(struct probe *p, uint16_t port, bool inner,
				     const struct said *s, int n, size_t piece)
{
	probe_begin(p, true, port, inner);
	for (int i = 0; i < n; i++)
		for (size_t at = 0; at < s[i].bytes.n;) {
			size_t k = s[i].bytes.n - at;

			if (piece && k > piece)
				k = piece;
			watch_feed(p->w, s[i].dir, s[i].t, s[i].bytes.p + at, k);
			at += k;
		}
	return probe_end(p);
}

/** probe_expect() - the lines are @want, however the bytes are cut */
static inline void probe_expect(struct probe *p, uint16_t port, bool inner, const struct said *s,
				int n, const char *want)
{
	static const size_t pieces[] = { 0, 1, 2, 3, 7, 100, 1000 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		assert_string_equal(probe_said(p, port, inner, s, n, pieces[i]), want);
}

static inline void probe_free(struct probe *p)
{
	buf_free(&p->lines);
}

#endif
