// SPDX-License-Identifier: Apache-2.0
/*
 * escape.c - bytes from the box made harmless, once for each output format
 *
 * One walk, three tables
 *
 * Every escaper copies runs of plain ASCII as they are, and looks at the rest one character at a
 * time. What can move a cursor, change the order or the look of what stands around it, or cannot
 * be seen at all, is spelled out instead of shown; so are bytes that are no UTF-8. The backslash
 * is doubled where it introduces such a spelling, therefore two different names never look the
 * same for want of a quote.
 *
 * Always true: the output is valid UTF-8 (escape_json: JSON that strict readers take, too, where
 * U+10FE80…U+10FEFF stand for stray bytes), on one line, without control characters.
 */
#include "report/report.h"

/* Characters that are valid and still never shown: (first, last), in order. The Unicode ranges
 * are those with the properties Bidi_Control, Default_Ignorable_Code_Point or a line or paragraph
 * break, plus C1 controls, blanks that pass for an ordinary space, and non-characters. */
static const uint32_t hidden[][2] = {
	{ 0x0080, 0x00a0 },   { 0x00ad, 0x00ad },   { 0x034f, 0x034f },	  { 0x061c, 0x061c },
	{ 0x115f, 0x1160 },   { 0x1680, 0x1680 },   { 0x17b4, 0x17b5 },	  { 0x180b, 0x180f },
	{ 0x2000, 0x200f },   { 0x2028, 0x202f },   { 0x205f, 0x206f },	  { 0x2800, 0x2800 },
	{ 0x3164, 0x3164 },   { 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },	  { 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },	  { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0x1fffe, 0x1ffff }, { 0x2fffe, 0x2ffff }, { 0xe0000, 0x10ffff },
};

static bool is_hidden(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (c <= hidden[i][1])
			return c >= hidden[i][0];
	return false;
}

/* One character of well-formed UTF-8 (RFC 3629) at p. Return: its length; 0 for a stray byte. */
static size_t decode(const char *p, size_t n, uint32_t *ret_c)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char b = (unsigned char)p[0];
	size_t len = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
	uint32_t c;

	if (!len || len > n)
		return 0;
	c = len == 1 ? b : b & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_c = c;
	return len;
}

/** struct escaper - what differs between the formats */
struct escaper {
	const char *special;				 /* ASCII that needs .ascii */
	void (*ascii)(struct buf *out, unsigned char c); /* control bytes too */
	void (*stray)(struct buf *out, unsigned char c); /* a byte that is no UTF-8 */
	void (*wide)(struct buf *out, uint32_t c);	 /* a character that is not shown */
};

static bool is_special(const struct escaper *e, unsigned char c)
{
	if (c < 0x20 || c == 0x7f)
		return true;
	for (const char *s = e->special; *s; s++)
		if ((unsigned char)*s == c)
			return true;
	return false;
}

static void escape(struct buf *out, struct str s, const struct escaper *e)
{
	size_t plain = 0; /* start of what can be copied as it is */

	for (size_t i = 0; i < s.n;) {
		unsigned char b = (unsigned char)s.p[i];
		uint32_t c = b;
		size_t len = 1;

		if (b < 0x80 ? !is_special(e, b)
			     : (len = decode(s.p + i, s.n - i, &c)) && !is_hidden(c)) {
			i += len;
			continue;
		}
		buf_add(out, s.p + plain, i - plain);
		if (!len)
			e->stray(out, b);
		else if (b < 0x80)
			e->ascii(out, b);
		else
			e->wide(out, c);
		i += len ? len : 1;
		plain = i;
	}
	if (plain < s.n)
		buf_add(out, s.p + plain, s.n - plain);
}

static void byte_as_hex(struct buf *out, unsigned char c)
{
	static const char digit[] = "0123456789abcdef";
	const char spelled[4] = { '\\', 'x', digit[c >> 4], digit[c & 15] };

	buf_add(out, spelled, sizeof(spelled));
}

static void wide_as_braces(struct buf *out, uint32_t c)
{
	buf_printf(out, "\\u{%x}", c);
}

static void text_ascii(struct buf *out, unsigned char c)
{
	if (c == '\\')
		buf_add(out, "\\\\", 2);
	else
		byte_as_hex(out, c);
}

void escape_text(struct buf *out, struct str s)
{
	static const struct escaper text = { "\\", text_ascii, byte_as_hex, wide_as_braces };

	escape(out, s, &text);
}

static void html_ascii(struct buf *out, unsigned char c)
{
	static const struct {
		unsigned char c;
		const char *entity;
	} named[] = {
		{ '&', "&amp;" },  { '<', "&lt;" },  { '>', "&gt;" },  { '"', "&quot;" },
		{ '\'', "&#39;" }, { '`', "&#96;" }, { '\\', "\\\\" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		if (named[i].c == c) {
			buf_puts(out, named[i].entity);
			return;
		}
	}
	byte_as_hex(out, c);
}

void escape_html(struct buf *out, struct str s)
{
	/* the back tick ends an attribute in some old browsers */
	static const struct escaper html = { "&<>\"'`\\", html_ascii, byte_as_hex, wide_as_braces };

	escape(out, s, &html);
}

static void json_ascii(struct buf *out, unsigned char c)
{
	if (c == '"' || c == '\\') {
		const char quoted[2] = { '\\', (char)c };

		buf_add(out, quoted, sizeof(quoted));
	} else {
		buf_printf(out, "\\u%04x", c);
	}
}

/* U+10FE00 + byte, of a private plane, as a pair: many readers refuse half of one, which Python
 * writes for such a byte. */
static void json_stray(struct buf *out, unsigned char c)
{
	buf_printf(out, "\\udbff\\ude%02x", c);
}

static void json_wide(struct buf *out, uint32_t c)
{
	if (c >= 0x10fe80 && c <= 0x10feff) { /* no stray byte: its own four bytes, so that */
		json_stray(out, 0xf4);	      /* each of these characters is one byte */
		json_stray(out, 0x8f);
		json_stray(out, (unsigned char)(0x80 | (c >> 6 & 0x3f)));
		json_stray(out, (unsigned char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000)
		buf_printf(out, "\\u%04x", c);
	else
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			   0xdc00 + ((c - 0x10000) & 0x3ff));
}

void escape_json(struct buf *out, struct str s)
{
	/* '<' and '&' so that the text can stand in a page without ending anything there */
	static const struct escaper json = { "\"\\<>&", json_ascii, json_stray, json_wide };

	buf_add(out, "\"", 1);
	escape(out, s, &json);
	buf_add(out, "\"", 1);
}
