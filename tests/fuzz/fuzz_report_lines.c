// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_report_lines.c - any bytes as a name, and any bytes as the fields of an event
 *
 * Input: byte 0 is the kind; then, for each field in turn, a byte of length and its bytes (a length
 * of 255 makes the next 8 bytes a number, 254 leaves the field empty). The whole input is also
 * escaped as one name. What must hold is checked here: one line, no control bytes, valid UTF-8,
 * nothing that HTML minds, quotes of JSON in pairs.
 */
#include "report/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void must_be_harmless(const struct buf *b, size_t lines)
{
	must(!b->overflow, "no overflow");
	must(utf8_valid(b->p, b->n), "valid UTF-8");
	for (size_t i = 0; i < b->n; i++) {
		unsigned char c = (unsigned char)b->p[i];

		if (c == '\n') {
			must(lines-- > 0 && i + 1 == b->n, "one line");
			continue;
		}
		must(c >= 0x20 && c != 0x7f, "no control bytes");
		must(!(c == 0xc2 && (unsigned char)b->p[i + 1] < 0xa1), "no C1 controls");
	}
	must(!memmem(b->p, b->n, "\xe2\x80\xae", 3), "no bidi override");
	must(lines == 0, "ends with its line");
}

static void must_be_json(const struct buf *b)
{
	bool inside = false;

	for (size_t i = 0; i < b->n; i++) {
		if (b->p[i] == '"')
			inside = !inside;
		else if (b->p[i] == '\\') {
			must(inside && i + 1 < b->n, "backslash inside of quotes");
			i++;
		}
		must(b->p[i] != '<', "no tag in JSON");
	}
	must(!inside, "quotes in pairs");
}

static void names(struct str s)
{
	cleanup_buf struct buf b = { 0 };

	escape_text(&b, s);
	buf_z(&b);
	must_be_harmless(&b, 0);
	b.n = 0;
	escape_html(&b, s);
	buf_z(&b);
	must_be_harmless(&b, 0);
	must(!strpbrk(b.p, "<>\"'`"), "nothing that HTML minds");
	b.n = 0;
	escape_json(&b, s);
	buf_z(&b);
	must_be_harmless(&b, 0);
	must_be_json(&b);
	(void)base_name(s);
	must(clip(s, 10).n <= 10, "clipped");
}

static void esc_page(struct buf *out, struct str s)
{
	buf_puts(out, "\x01");
	escape_html(out, s);
	buf_puts(out, "\x01");
}

/* Names through the escaper, words as they are: no '<' may come from either. */
static void words(const struct event *ev)
{
	cleanup_buf struct buf b = { 0 };

	event_words(&b, ev, NULL, esc_page);
	must(!memchr(b.p, '<', b.n), "no tag in words");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct event ev = { .seq = 1, .t = 12, .run = 1, .proc = 1 };
	cleanup_buf struct buf b = { 0 };
	struct rd r = { p, p + n, false };

	names((struct str){ (const char *)p, n });
	ev.kind = (enum event_kind)(rd_u8(&r) % (EVENT_KINDS + 1));
	for (int i = 0; i < EVENT_FIELDS_MAX && r.p < r.end; i++) {
		uint8_t len = rd_u8(&r);
		size_t left = (size_t)(r.end - r.p);

		if (len == 254)
			continue;
		if (len == 255) {
			ev.v[i] = V_INT(rd_u64(&r));
			continue;
		}
		left = len < left ? len : left;
		ev.v[i] = V_STR(((struct str){ (const char *)rd_bytes(&r, left), left }));
	}
	report_event_text(&b, &ev, false);
	must_be_harmless(&b, 1);
	b.n = 0;
	report_event_json(&b, &ev);
	must_be_harmless(&b, 1);
	b.n--;
	must_be_json(&b);
	words(&ev);
	return 0;
}
