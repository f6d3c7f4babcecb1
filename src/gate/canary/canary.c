// SPDX-License-Identifier: Apache-2.0
/*
 * canary.c - write the values in all encodings, and tell what was found
 *
 * Base64 of something longer shows a value in one of three ways, by where it begins in its group
 * of three bytes; the characters at its ends that hold bits of its neighbours are left out. Base32
 * is looked for in names alone (five ways), where other encodings do not survive; there case does
 * not count, and dots may cut a value into labels.
 *
 * Digests are those of the value and of the value with a newline behind it, as `echo` writes it.
 */
#define OPENSSL_API_COMPAT 10101 /* as in base/hash.c: the digests without OpenSSL's tables */
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "gate/canary/canary_inner.h"

#define VALUE_MAX 4096 /* bytes of a value that its digests are made of */

struct canaries {
	int n;
	char **label;
	struct matcher all; /* streams */
	struct matcher dns; /* names: lower case */
	unsigned unpacks;   /* that are going on */
};

struct canary_stream {
	struct canaries *c;
	struct flow_facts facts;
	const struct emit *emit;
	char place[24];
	uint64_t t;
	unsigned hits;
	size_t unpacked;
	bool told_hits, told_unpacked, told_unpacks;
	bool no_offset; /* a text: where in it says nothing */
	struct search plain;
	struct framing *framing;
};

const char *canary_encoding_name(enum canary_encoding e)
{
	static const char *const names[ENCODINGS] = {
		[ENC_RAW] = "raw",	 [ENC_HEX] = "hex",
		[ENC_BASE64] = "base64", [ENC_BASE32] = "base32",
		[ENC_URL] = "url",	 [ENC_UTF16] = "utf-16le",
		[ENC_MD5] = "md5",	 [ENC_BASE64_UTF16] = "base64+utf-16le",
		[ENC_SHA1] = "sha1",	 [ENC_SHA256] = "sha256",
	};

	return names[e];
}

/* ---- encodings ---------------------------------------------------------------------------- */

/** struct adding - one value on its way into the automata */
struct adding {
	struct canaries *c;
	unsigned value;
};

static void lower(char *to, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 'a' - 'A' : p[i]);
}

static void add(struct adding *a, const void *p, size_t n, enum canary_encoding e)
{
	char low[PATTERN_MAX];
	size_t k = n < PATTERN_MAX ? n : PATTERN_MAX;

	if (e != ENC_BASE32)
		matcher_add(&a->c->all, p, n, a->value, e);
	lower(low, p, k);
	matcher_add(&a->c->dns, low, k, a->value, e);
}

static void add_hex(struct adding *a, const uint8_t *p, size_t n, enum canary_encoding e)
{
	char text[2 * PATTERN_MAX + 1];
	size_t k = n < PATTERN_MAX / 2 ? n : PATTERN_MAX / 2;

	hex_encode(p, k, text);
	add(a, text, 2 * k, e);
	for (size_t i = 0; i < 2 * k; i++)
		if (text[i] >= 'a')
			text[i] = (char)(text[i] - 32);
	add(a, text, 2 * k, e);
}

/* The characters of @bits bits each that the value alone decides, when @before bytes stand before
 * it in its group. */
static void add_base(struct adding *a, const uint8_t *p, size_t n, const char *alphabet,
		     unsigned bits, unsigned before, enum canary_encoding e)
{
	char text[PATTERN_MAX];
	size_t first = (8 * before + bits - 1) / bits, last = 8 * (before + n) / bits, k = 0;

	for (size_t c = first; c < last && k < sizeof(text); c++) {
		unsigned v = 0;

		for (size_t bit = c * bits; bit < (c + 1) * bits; bit++) {
			size_t at = bit - 8 * before;

			v = v << 1 | (p[at / 8] >> (7 - at % 8) & 1);
		}
		text[k++] = alphabet[v];
	}
	add(a, text, k, e);
}

static void add_base64(struct adding *a, const uint8_t *p, size_t n, enum canary_encoding e)
{
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for (unsigned before = 0; before < 3; before++) {
		add_base(a, p, n, LETTERS "+/", 6, before, e);
		add_base(a, p, n, LETTERS "-_", 6, before, e); /* RFC 4648 5 */
	}
}

static void add_base32(struct adding *a, const uint8_t *p, size_t n)
{
	for (unsigned before = 0; before < 5; before++) {
		add_base(a, p, n, "abcdefghijklmnopqrstuvwxyz234567", 5, before, ENC_BASE32);
		add_base(a, p, n, "0123456789abcdefghijklmnopqrstuv", 5, before, ENC_BASE32);
	}
}

static void add_digest(struct adding *a, const uint8_t *p, size_t n, enum canary_encoding e)
{
	add(a, p, n, e);
	add_hex(a, p, n, e);
	add_base64(a, p, n, e);
}

static void add_digests(struct adding *a, const void *p, size_t n)
{
	uint8_t h[SHA256_LEN];

	MD5(p, n, h);
	add_digest(a, h, MD5_DIGEST_LENGTH, ENC_MD5);
	SHA1(p, n, h);
	add_digest(a, h, SHA_DIGEST_LENGTH, ENC_SHA1);
	sha256_once(p, n, h);
	add_digest(a, h, SHA256_LEN, ENC_SHA256);
}

/* Values are UTF-8; what lies outside of the basic plane becomes two units. Return: bytes */
static size_t utf16le(const char *p, size_t n, uint8_t *out, size_t room)
{
	size_t k = 0;

	for (size_t i = 0; i < n && k + 4 <= room;) {
		uint8_t c = (uint8_t)p[i];
		int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		uint32_t v = c < 0x80 ? c : c & (0x3fu >> more);

		for (i++; more && i < n; more--)
			v = v << 6 | ((uint8_t)p[i++] & 0x3f);
		if (v > 0xffff) {
			v -= 0x10000;
			out[k++] = (uint8_t)(v >> 10);
			out[k++] = (uint8_t)(0xd8 | (v >> 18 & 3));
			v = 0xdc00 | (v & 0x3ff);
		}
		out[k++] = (uint8_t)v;
		out[k++] = (uint8_t)(v >> 8);
	}
	return k;
}

static void add_utf16(struct adding *a, const char *p, size_t n)
{
	uint8_t wide[2 * PATTERN_MAX];
	size_t k = utf16le(p, n, wide, sizeof(wide));

	add(a, wide, k, ENC_UTF16);
	add_base64(a, wide, k, ENC_BASE64_UTF16);
}

/* Where a form writes '+' for a space: application/x-www-form-urlencoded. */
static void add_form(struct adding *a, const char *p, size_t n)
{
	cleanup_free char *form = xstrndup(p, n);

	if (!strchr(form, ' '))
		return;
	for (char *c = form; (c = strchr(c, ' '));)
		*c = '+';
	add(a, form, n, ENC_URL);
}

static void add_value(struct canaries *c, unsigned i, const char *value)
{
	size_t n = strnlen(value, VALUE_MAX);
	struct adding a = { c, i };
	cleanup_free char *line = xasprintf("%.*s\n", (int)n, value);
	const uint8_t *p = (const uint8_t *)value;

	add(&a, value, n, ENC_RAW);
	add_hex(&a, p, n, ENC_HEX);
	add_base64(&a, p, n, ENC_BASE64);
	add_base32(&a, p, n);
	add_form(&a, value, n);
	add_utf16(&a, value, n);
	add_digests(&a, line, n);
	add_digests(&a, line, n + 1);
}

int canaries_new(const struct gate_canary *v, int n, struct canaries **ret, struct err *err)
{
	struct canaries *c;

	if (n > CANARY_MAX)
		return err_set(err, E2BIG, "gate: %d values to look for", n);
	for (int i = 0; i < n; i++)
		if (strlen(v[i].value) < CANARY_MIN || !utf8_valid(v[i].value, strlen(v[i].value)))
			return err_set(err, EINVAL, "gate: a value to look for ('%s') is too short",
				       v[i].label);
	c = xcalloc(1, sizeof(*c));
	c->n = n;
	c->label = xcalloc((size_t)n + 1, sizeof(*c->label));
	matcher_init(&c->all);
	matcher_init(&c->dns);
	for (int i = 0; i < n; i++) {
		c->label[i] = xstrdup(v[i].label);
		add_value(c, (unsigned)i, v[i].value);
	}
	*ret = c;
	return 0;
}

void canaries_free(struct canaries *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->n; i++)
		free(c->label[i]);
	free(c->label);
	matcher_free(&c->all);
	matcher_free(&c->dns);
	free(c);
}

/* ---- hits --------------------------------------------------------------------------------- */

static void tell_limit(struct canary_stream *s, bool *told, const char *what, uint64_t max,
		       const char *detail)
{
	struct event ev = { .kind = EV_LIMIT, .t = s->t };

	if (*told)
		return;
	*told = true;
	ev.v[EV_AT(LIMIT, WHAT)] = V_Z(what);
	ev.v[EV_AT(LIMIT, VALUE)] = V_INT(max);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("canary search");
	ev.v[EV_AT(LIMIT, DETAIL)] = V_Z(detail);
	emit_event(s->emit, &ev);
}

/* What the value stood in, from the outside in, as "gzip+url+hex". */
static void encoding_words(char to[64], const char *outer, const char *view, uint8_t encoding)
{
	bool raw = encoding == ENC_RAW && (outer || view);

	/* '+' for spaces and %XX are the same encoding */
	if (encoding == ENC_URL && view)
		view = NULL;
	snprintf(to, 64, "%s%s%s%s%s", outer ? outer : "", outer && (view || !raw) ? "+" : "",
		 view ? view : "", view && !raw ? "+" : "",
		 raw ? "" : canary_encoding_name(encoding));
}

void canary_hit(struct canary_stream *s, const struct search *q, const struct pattern *p,
		const char *view, uint64_t at, const uint8_t *bytes, size_t n, size_t from)
{
	struct event ev = { .kind = EV_CANARY, .t = s->t };
	size_t before = from < 32 ? from : 32, len = n - from + before;
	char encoding[64];

	if (s->hits == CANARY_HITS_MAX) {
		tell_limit(s, &s->told_hits, "canary-hits", CANARY_HITS_MAX,
			   "more values were found in this flow");
		return;
	}
	s->hits++;
	encoding_words(encoding, q->outer, view, p->encoding);
	ev.v[EV_AT(CANARY, FLOW)] = V_INT(s->facts.id);
	ev.v[EV_AT(CANARY, VALUE)] = V_Z(s->c->label[p->value]);
	ev.v[EV_AT(CANARY, ENCODING)] = V_Z(encoding);
	ev.v[EV_AT(CANARY, WHERE)] = V_Z(q->place);
	if (!s->no_offset)
		ev.v[EV_AT(CANARY, OFFSET)] = V_INT(at);
	ev.v[EV_AT(CANARY, SAMPLE)] =
		V_STR(((struct str){ (const char *)bytes + from - before, len < 128 ? len : 128 }));
	emit_event(s->emit, &ev);
}

const char *canary_place(const struct canary_stream *s)
{
	return s->place;
}

bool canary_may_unpack(struct canary_stream *s)
{
	if (s->c->unpacks < UNPACKS_MAX) {
		s->c->unpacks++;
		return true;
	}
	tell_limit(s, &s->told_unpacks, "canary-unpacks", UNPACKS_MAX,
		   "too much is packed at the same time: this is not searched inside");
	return false;
}

void canary_has_unpacked(struct canary_stream *s)
{
	s->c->unpacks--;
}

size_t canary_unpacked(struct canary_stream *s, size_t n)
{
	size_t room = CANARY_INFLATE_MAX - s->unpacked;

	if (n > room) {
		tell_limit(s, &s->told_unpacked, "canary-unpacked", CANARY_INFLATE_MAX,
			   "more was packed in this flow, and not searched");
		n = room;
	}
	s->unpacked += n;
	return n;
}

/* ---- streams and texts -------------------------------------------------------------------- */

static void stream_init(struct canary_stream *s, struct canaries *c, const struct matcher *m,
			const struct flow_facts *f, const char *place, const struct emit *emit)
{
	*s = (struct canary_stream){ .c = c, .facts = *f, .emit = emit };
	snprintf(s->place, sizeof(s->place), "%s", place);
	search_init(&s->plain, m, s, NULL, s->place);
}

const struct matcher *canary_matcher(const struct canary_stream *s)
{
	return &s->c->all;
}

struct canary_stream *canary_stream_new(struct canaries *c, const struct flow_facts *f,
					const char *place, const struct emit *emit)
{
	struct canary_stream *s = xmalloc(sizeof(*s));

	stream_init(s, c, &c->all, f, place, emit);
	s->framing = c->n ? framing_new(s) : NULL;
	return s;
}

void canary_feed(struct canary_stream *s, uint64_t t, const void *p, size_t n)
{
	if (!s->c->n)
		return;
	s->t = t;
	search_feed(&s->plain, p, n);
	framing_feed(s->framing, p, n);
}

void canary_stream_end(struct canary_stream *s, uint64_t t UNUSED)
{
	if (!s)
		return;
	framing_free(s->framing);
	search_end(&s->plain);
	free(s);
}

/* A name in lower case, and once more without its dots. */
static void search_name(struct canary_stream *s, const uint8_t *p, size_t n)
{
	cleanup_free char *low = xmalloc(n + 1);
	struct view *joined = view_new(&s->plain, NULL);
	const uint8_t *l = (const uint8_t *)low;
	bool dot = false;

	lower(low, p, n);
	search_feed(&s->plain, l, n);
	for (size_t i = 0; i < n; i++) {
		if (l[i] == '.') {
			dot = true;
			continue;
		}
		if (dot)
			view_joint(joined, l[i], i);
		else
			view_bytes(joined, l + i, 1, i);
		dot = false;
	}
	view_scan(joined);
	view_free(joined);
}

void canary_text(struct canaries *c, const struct flow_facts *f, const char *place, uint64_t t,
		 const void *p, size_t n, const struct emit *emit)
{
	bool name = !strcmp(place, "dns-name");
	struct canary_stream s;

	if (!c->n)
		return;
	stream_init(&s, c, name ? &c->dns : &c->all, f, place, emit);
	s.t = t;
	s.no_offset = true;
	if (name)
		search_name(&s, p, n);
	else
		search_feed(&s.plain, p, n);
	search_end(&s.plain);
}
