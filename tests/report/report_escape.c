// SPDX-License-Identifier: Apache-2.0
/*
 * report_escape.c - nothing from the box reaches a terminal, a JSON reader or a page raw, and
 * nothing is lost on the way
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/escape.c"

struct sample {
	struct str in;
	const char *text, *json, *html;
};

#define S(lit)                                                                                     \
	{                                                                                          \
		(lit), sizeof(lit) - 1                                                             \
	}

static const struct sample samples[] = {
	{ S(""), "", "\"\"", "" },
	{ S("/usr/bin/plain name"), "/usr/bin/plain name", "\"/usr/bin/plain name\"",
	  "/usr/bin/plain name" },
	{ S("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d", "\"a\\u000ab\\u0009c\\u000d\"",
	  "a\\x0ab\\x09c\\x0d" },
	{ S("a\0b"), "a\\x00b", "\"a\\u0000b\"", "a\\x00b" },
	{ S("\033[2Jgone\x7f"), "\\x1b[2Jgone\\x7f", "\"\\u001b[2Jgone\\u007f\"",
	  "\\x1b[2Jgone\\x7f" },
	{ S("\xff\xc0\xaf"), "\\xff\\xc0\\xaf", "\"\\udbff\\udeff\\udbff\\udec0\\udbff\\udeaf\"",
	  "\\xff\\xc0\\xaf" },
	/* the character that stands for a stray byte is no stray byte */
	{ S("\xf4\x8f\xbb\xbf"), "\\u{10feff}",
	  "\"\\udbff\\udef4\\udbff\\ude8f\\udbff\\udebb\\udbff\\udebf\"", "\\u{10feff}" },
	/* cut sequence, surrogate in UTF-8, above U+10FFFF, overlong */
	{ S("\xe2\x82"), "\\xe2\\x82", "\"\\udbff\\udee2\\udbff\\ude82\"", "\\xe2\\x82" },
	{ S("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\"\\udbff\\udeed\\udbff\\udea0\\udbff\\ude80\"",
	  "\\xed\\xa0\\x80" },
	{ S("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80",
	  "\"\\udbff\\udef4\\udbff\\ude90\\udbff\\ude80\\udbff\\ude80\"", "\\xf4\\x90\\x80\\x80" },
	{ S("\xe0\x80\xaf"), "\\xe0\\x80\\xaf", "\"\\udbff\\udee0\\udbff\\ude80\\udbff\\udeaf\"",
	  "\\xe0\\x80\\xaf" },
	{ S("\xc2\x9b"
	    "31m"),
	  "\\u{9b}31m", "\"\\u009b31m\"", "\\u{9b}31m" }, /* CSI as C1 */
	{ S("inv\xe2\x80\xaegnp.exe"), "inv\\u{202e}gnp.exe", "\"inv\\u202egnp.exe\"",
	  "inv\\u{202e}gnp.exe" },
	{ S("\xe2\x81\xa6x\xe2\x81\xa9"), "\\u{2066}x\\u{2069}", "\"\\u2066x\\u2069\"",
	  "\\u{2066}x\\u{2069}" },
	{ S("\xe2\x80\xa8"), "\\u{2028}", "\"\\u2028\"", "\\u{2028}" },
	{ S("\xf3\xa0\x81\x81"), "\\u{e0041}", "\"\\udb40\\udc41\"", "\\u{e0041}" }, /* tag */
	{ S("\xef\xbb\xbf"), "\\u{feff}", "\"\\ufeff\"", "\\u{feff}" },
	{ S("caf\xc3\xa9 \xe7\xa8\x8e \xf0\x9f\x94\x94"),
	  "caf\xc3\xa9 \xe7\xa8\x8e \xf0\x9f\x94\x94",
	  "\"caf\xc3\xa9 \xe7\xa8\x8e \xf0\x9f\x94\x94\"",
	  "caf\xc3\xa9 \xe7\xa8\x8e \xf0\x9f\x94\x94" },
	{ S("</script><b x='1' y=\"2\">&amp;`"), "</script><b x='1' y=\"2\">&amp;`",
	  "\"\\u003c/script\\u003e\\u003cb x='1' y=\\\"2\\\"\\u003e\\u0026amp;`\"",
	  "&lt;/script&gt;&lt;b x=&#39;1&#39; y=&quot;2&quot;&gt;&amp;amp;&#96;" },
	{ S("\\x1b"), "\\\\x1b", "\"\\\\x1b\"", "\\\\x1b" },
};

typedef void escape_fn(struct buf *out, struct str s);

static char *escaped(escape_fn *fn, struct str s, struct buf *b)
{
	b->n = 0;
	fn(b, s);
	assert_false(b->overflow);
	return buf_z(b);
}

static void test_each_sample_is_spelled_as_documented(void **state UNUSED)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_string_equal(escaped(escape_text, samples[i].in, &b), samples[i].text);
		assert_string_equal(escaped(escape_json, samples[i].in, &b), samples[i].json);
		assert_string_equal(escaped(escape_html, samples[i].in, &b), samples[i].html);
	}
}

static void test_output_is_appended_and_input_may_lack_a_nul(void **state UNUSED)
{
	cleanup_buf struct buf b = { 0 };

	buf_puts(&b, "before:");
	escape_text(&b, (struct str){ "abcdef", 3 });
	escape_text(&b, (struct str){ NULL, 0 });
	escape_json(&b, (struct str){ NULL, 0 });
	assert_string_equal(buf_z(&b), "before:abc\"\"");
}

/* What the text and HTML spellings mean, read back by rules of our own. */
static void unspell(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		if (p[i] != '\\') {
			buf_add(out, p + i++, 1);
		} else if (p[i + 1] == '\\') {
			buf_add(out, "\\", 1);
			i += 2;
		} else if (p[i + 1] == 'x') {
			char hex[3] = { p[i + 2], p[i + 3], 0 };
			char c = (char)strtoul(hex, NULL, 16);

			buf_add(out, &c, 1);
			i += 4;
		} else {
			char *end;
			unsigned long c;
			char u[4];

			assert_memory_equal(p + i, "\\u{", 3);
			c = strtoul(p + i + 3, &end, 16);
			assert_int_equal(*end, '}');
			if (c < 0x800) {
				u[0] = (char)(0xc0 | c >> 6);
				u[1] = (char)(0x80 | (c & 0x3f));
				buf_add(out, u, 2);
			} else if (c < 0x10000) {
				u[0] = (char)(0xe0 | c >> 12);
				u[1] = (char)(0x80 | (c >> 6 & 0x3f));
				u[2] = (char)(0x80 | (c & 0x3f));
				buf_add(out, u, 3);
			} else {
				u[0] = (char)(0xf0 | c >> 18);
				u[1] = (char)(0x80 | (c >> 12 & 0x3f));
				u[2] = (char)(0x80 | (c >> 6 & 0x3f));
				u[3] = (char)(0x80 | (c & 0x3f));
				buf_add(out, u, 4);
			}
			i = (size_t)(end + 1 - p);
		}
	}
}

/* Entities back to characters, in place of nothing else. */
static void unentity(const char *p, struct buf *out)
{
	static const char *const pair[][2] = {
		{ "&amp;", "&" },   { "&lt;", "<" },  { "&gt;", ">" },
		{ "&quot;", "\"" }, { "&#39;", "'" }, { "&#96;", "`" },
	};

	while (*p) {
		size_t i = ARRAY_SIZE(pair);

		if (*p == '&') {
			for (i = 0; i < ARRAY_SIZE(pair); i++)
				if (!strncmp(p, pair[i][0], strlen(pair[i][0])))
					break;
			assert_true(i < ARRAY_SIZE(pair)); /* no bare ampersand */
		}
		if (i < ARRAY_SIZE(pair)) {
			buf_puts(out, pair[i][1]);
			p += strlen(pair[i][0]);
		} else {
			buf_add(out, p++, 1);
		}
	}
}

static void assert_harmless(const struct buf *b)
{
	assert_true(utf8_valid(b->p, b->n));
	for (size_t i = 0; i < b->n;) {
		uint32_t c = 0;
		size_t len = decode(b->p + i, b->n - i, &c);

		assert_true(len > 0);
		assert_true(c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0));
		assert_false(c >= 0x202a && c <= 0x202e);
		assert_false(c >= 0x2066 && c <= 0x2069);
		assert_false(c == 0x200e || c == 0x200f || c == 0x061c || c == 0xfeff);
		assert_false(c == 0x2028 || c == 0x2029 || c == 0x200b || c == 0x2060);
		i += len;
	}
}

/* U+10FE80…U+10FEFF stand for one byte each, everything else for itself; readers that are strict
 * take it. */
static void assert_json_gives_back(const struct buf *b, struct str in)
{
	json_error_t why;
	json_t *v;

	v = json_loadb(b->p, b->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!v)
		fail_msg("%s: %.*s", why.text, (int)b->n, b->p);
	const char *s = json_string_value(v);
	size_t n = json_string_length(v), k = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t len = decode(s + i, n - i, &c);

		assert_true(len > 0);
		if (c >= 0x10fe80 && c <= 0x10feff) {
			assert_true(k < in.n);
			assert_int_equal((unsigned char)in.p[k], c & 0xff);
			k++;
		} else {
			assert_true(k + len <= in.n);
			assert_memory_equal(in.p + k, s + i, len);
			k += len;
		}
		i += len;
	}
	assert_int_equal(k, in.n);
	json_decref(v);
}

static void check_all(struct str in)
{
	cleanup_buf struct buf b = { 0 }, back = { 0 }, plain = { 0 };

	escape_text(&b, in);
	assert_harmless(&b);
	unspell(buf_z(&b), b.n, &back);
	assert_true(str_eq((struct str){ back.p, back.n }, in));

	b.n = back.n = 0;
	escape_html(&b, in);
	assert_harmless(&b);
	assert_null(strpbrk(buf_z(&b), "<>\"'`"));
	unentity(buf_z(&b), &plain);
	unspell(buf_z(&plain), plain.n, &back);
	assert_true(str_eq((struct str){ back.p, back.n }, in));

	b.n = 0;
	escape_json(&b, in);
	assert_harmless(&b);
	assert_null(strpbrk(buf_z(&b), "<>&"));
	assert_json_gives_back(&b, in);
}

static void test_every_pair_of_bytes_survives_all_three(void **state UNUSED)
{
	for (unsigned i = 0; i < 0x10000; i++) {
		const char two[2] = { (char)(i >> 8), (char)i };

		check_all((struct str){ two, 2 });
	}
}

static void test_every_character_survives_all_three(void **state UNUSED)
{
	/* all of Unicode, in strings of 64 characters */
	for (uint32_t first = 0x80; first < 0x110000; first += 64) {
		cleanup_buf struct buf in = { 0 };

		for (uint32_t c = first; c < first + 64; c++) {
			char u[4] = { (char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3f)),
				      (char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f)) };

			if ((c >= 0xd800 && c < 0xe000) || c >= 0x110000)
				continue;
			if (c < 0x800) {
				u[2] = (char)(0xc0 | c >> 6);
				buf_add(&in, u + 2, 2);
			} else if (c < 0x10000) {
				u[1] = (char)(0xe0 | c >> 12);
				buf_add(&in, u + 1, 3);
			} else {
				buf_add(&in, u, 4);
			}
		}
		check_all((struct str){ in.p, in.n });
	}
}

static void test_random_bytes_survive_all_three(void **state UNUSED)
{
	/* weighted towards what the formats treat specially; a fixed seed, so that a failure stays
	 */
	static const char spice[] =
		"\\\\ux{}<>&\"'`\033\n\r\xe2\x80\xae\xc2\x9b\xf3\xa0\xed\xa0/;#";
	uint64_t x = 0x9e3779b97f4a7c15ull;

	for (int round = 0; round < 20000; round++) {
		char in[40];
		size_t n;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		n = x % sizeof(in);
		for (size_t i = 0; i < n; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			in[i] = x & 1 ? spice[(x >> 8) % (sizeof(spice) - 1)] : (char)(x >> 8);
		}
		/* U+E0xx marks stray bytes in the JSON check */
		for (size_t i = 0; i < n; i++)
			if (in[i] == (char)0xee)
				in[i] = 'e';
		check_all((struct str){ in, n });
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sample_is_spelled_as_documented),
		cmocka_unit_test(test_output_is_appended_and_input_may_lack_a_nul),
		cmocka_unit_test(test_every_pair_of_bytes_survives_all_three),
		cmocka_unit_test(test_every_character_survives_all_three),
		cmocka_unit_test(test_random_bytes_survive_all_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
