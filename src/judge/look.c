// SPDX-License-Identifier: Apache-2.0
/*
 * look.c - describe a file: entropy, marks, the hash that does not change from build to build
 */
#include <fuzzy.h>
#include <math.h>

#include "judge/look.h"

#define PACKED_ENTROPY 7.2 /* bits a byte; code of compilers stays below 6.8 */
#define PACKED_BYTES   4096
#define WORDS_MAX      (64u << 10) /* bytes of one list of words */

/* ---- what the parts share ----------------------------------------------------------------- */

double look_entropy(const uint8_t *p, size_t n)
{
	size_t count[256] = { 0 };
	double h = 0;

	for (size_t i = 0; i < n; i++)
		count[p[i]]++;
	for (int i = 0; i < 256; i++)
		if (count[i]) {
			double f = (double)count[i] / (double)n;

			h -= f * log2(f);
		}
	return h;
}

/* A word of a list: what would end it, or a line, becomes '?'. */
static void add_word(struct buf *b, struct str word)
{
	if (b->n)
		buf_puts(b, ",");
	for (size_t i = 0; i < word.n && i < 128; i++) {
		char c = word.p[i];

		if (c == ',' || (unsigned char)c < 0x20)
			c = '?';
		buf_add(b, &c, 1);
	}
}

void look_section(struct looking *l, struct str name, size_t at, size_t n, bool code)
{
	char number[16];
	double e;

	if (at > l->n)
		return;
	n = n > l->n - at ? l->n - at : n;
	if (!n || l->nsections++ >= LOOK_SECTIONS_MAX)
		return;
	e = look_entropy(l->p + at, n);
	add_word(&l->sections, name);
	snprintf(number, sizeof(number), " %.2f", e);
	buf_puts(&l->sections, number);
	if (!code)
		return;
	if (e > l->to->code_entropy)
		l->to->code_entropy = e;
	l->to->packed |= n >= PACKED_BYTES && e >= PACKED_ENTROPY;
}

void look_library(struct looking *l, struct str name)
{
	if (name.n && l->nlibraries++ < LOOK_LIBRARIES_MAX)
		add_word(&l->libraries, name);
}

void look_mark(struct looking *l, const char *word)
{
	size_t n = strlen(word), at = 0;

	while (at < l->marks.n) {
		const char *p = l->marks.p + at, *end = memchr(p, ',', l->marks.n - at);
		size_t k = end ? (size_t)(end - p) : l->marks.n - at;

		if (k == n && !memcmp(p, word, n))
			return;
		at += k + 1;
	}
	add_word(&l->marks, str_z(word));
}

void look_hole(struct looking *l, size_t at, size_t n, bool cut)
{
	if (at > l->n || !n || l->nholes == LOOK_HOLES_MAX)
		return;
	l->hole[l->nholes++] = (struct hole){ at, n > l->n - at ? l->n - at : n, cut };
}

/* ---- marks -------------------------------------------------------------------------------- */

/* Bytes that only programs of one kind hold. */
static const struct {
	const char *word, *bytes;
	size_t n;
	bool packer;
} signs[] = {
	{ "go", "\xff Go buildinf:", 14, false },
	{ "rust", "/rustc/", 7, false },
	{ "upx", "UPX!", 4, true },
	{ "pyinstaller", "MEI\014\013\012\013\016", 8, false },
	{ "nsis", "\xef\xbe\xad\xdeNullsoftInst", 16, false },
	{ "inno-setup", "Inno Setup Setup Data", 21, false },
	{ "appimage", "AI\x02", 3, false },
	{ "electron", "Electron Framework", 18, false },
};

static void search_marks(struct looking *l)
{
	size_t n = l->n > LOOK_SEARCH_MAX ? LOOK_SEARCH_MAX : l->n;

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		const char *at = memmem(l->p, n, signs[i].bytes, signs[i].n);

		/* an AppImage says so in its ELF header and nowhere else */
		if (!at || (!strcmp(signs[i].word, "appimage") && at != (const char *)l->p + 8))
			continue;
		look_mark(l, signs[i].word);
		l->to->packed |= signs[i].packer;
	}
}

/* ---- the hash without what a build changes ------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
	const struct hole *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static void add_zeros(struct sha256 *h, size_t n)
{
	static const uint8_t zeros[4096];

	for (; n; n -= n < sizeof(zeros) ? n : sizeof(zeros))
		sha256_add(h, zeros, n < sizeof(zeros) ? n : sizeof(zeros));
}

static void normal_hash(struct looking *l)
{
	struct sha256 *h = sha256_new();
	uint8_t sum[SHA256_LEN];
	size_t at = 0;

	qsort(l->hole, l->nholes, sizeof(*l->hole), by_place);
	for (size_t i = 0; i < l->nholes; i++) {
		size_t from = l->hole[i].at, end = from + l->hole[i].n;

		if (end <= at)
			continue;
		if (from > at)
			sha256_add(h, l->p + at, from - at);
		else
			from = at;
		if (!l->hole[i].cut)
			add_zeros(h, end - from);
		at = end;
	}
	sha256_add(h, l->p + at, l->n - at);
	sha256_end(h, sum);
	sha256_free(h);
	hex_encode(sum, sizeof(sum), l->to->normal);
}

static void fuzzy_hash(struct looking *l)
{
	char text[FUZZY_MAX_RESULT];

	if (l->n > LOOK_FUZZY_MAX || l->n < 4096 || fuzzy_hash_buf(l->p, (uint32_t)l->n, text))
		return;
	l->to->fuzzy = arena_alloc(l->a, strlen(text) + 1);
	strcpy(l->to->fuzzy, text);
}

/* ---- all of it ---------------------------------------------------------------------------- */

static struct str keep(struct looking *l, struct buf *b)
{
	struct str s = arena_str(l->a, (struct str){ b->n ? buf_z(b) : "", b->n });

	buf_free(b);
	return s;
}

void look_at(struct arena *a, const void *p, size_t n, struct file_look *ret)
{
	struct looking l = { .a = a, .to = ret, .p = p, .n = n };

	*ret = (struct file_look){ .type = "other", .signature = "none" };
	l.libraries.limit = l.names.limit = l.sections.limit = l.marks.limit = WORDS_MAX;
	ret->entropy = look_entropy(p, n);
	if (n >= 4 && !memcmp(p, "\177ELF", 4)) {
		look_elf(&l);
	} else if (n >= 2 && !memcmp(p, "MZ", 2)) {
		look_pe(&l);
	} else if (n >= 2 && !memcmp(p, "#!", 2)) {
		ret->type = "script";
	}
	if (strcmp(ret->type, "script") && strcmp(ret->type, "other")) {
		search_marks(&l);
		normal_hash(&l);
	}
	fuzzy_hash(&l);
	ret->libraries = keep(&l, &l.libraries);
	ret->names = keep(&l, &l.names);
	ret->sections = keep(&l, &l.sections);
	ret->marks = keep(&l, &l.marks);
}
