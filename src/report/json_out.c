// SPDX-License-Identifier: Apache-2.0
/*
 * json_out.c - members of objects. A comma goes where the text so far asks for one.
 */
#include "report/json_out.h"

void json_comma(struct buf *o)
{
	char last = o->n ? o->p[o->n - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_add(o, ",", 1);
}

static void json_key(struct buf *o, const char *k)
{
	json_comma(o);
	buf_printf(o, "\"%s\":", k);
}

void json_begin(struct buf *o, const char *k, const char *bracket)
{
	if (k)
		json_key(o, k);
	else
		json_comma(o);
	buf_puts(o, bracket);
}

void json_num(struct buf *o, const char *k, uint64_t v)
{
	json_key(o, k);
	buf_printf(o, "%llu", (unsigned long long)v);
}

void json_snum(struct buf *o, const char *k, int64_t v)
{
	json_key(o, k);
	buf_printf(o, "%lld", (long long)v);
}

void json_bool(struct buf *o, const char *k, bool v)
{
	json_key(o, k);
	buf_puts(o, v ? "true" : "false");
}

void json_text(struct buf *o, const char *k, struct str s)
{
	if (!s.n)
		return;
	json_key(o, k);
	escape_json(o, s);
}

void json_time(struct buf *o, const char *k, uint64_t wall)
{
	char iso[CLOCK_ISO_MAX];

	if (wall)
		json_text(o, k, str_z(clock_iso(wall, iso)));
}

static void one_line(struct buf *o, const struct line *l)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++)
		buf_add(&b, l->p[i].s.p, l->p[i].s.n);
	json_begin(o, NULL, "{");
	json_text(o, "text", (struct str){ b.p, b.n });
	if (l->seq) {
		json_num(o, "event", l->seq);
		json_num(o, "more", l->more);
	}
	buf_puts(o, "}");
}

void json_lines(struct buf *o, const char *k, const struct lines *ls)
{
	json_begin(o, k, "[");
	for (size_t i = 0; i < ls->n; i++)
		one_line(o, &ls->l[i]);
	buf_puts(o, "]");
}
