// SPDX-License-Identifier: Apache-2.0
/*
 * canary_match.c - many patterns in one pass over a stream, each hit exactly once
 *
 * Theory of operation
 *
 * Four bytes are hashed into a filter of 2^18 bits; only where a pattern has these four are
 * patterns compared. The search looks at each third byte, or more rarely as the shortest pattern is
 * longer, so that one of the fours at a pattern's begin is always looked at; so they all are in the
 * filter. A few thousand patterns leave it mostly empty, and most places cost a load, a
 * multiplication and a bit test. (A multi-pattern library would be faster on more patterns. It
 * would also be a library to load at each start of a box, and more code in the process that sees
 * hostile bytes.)
 *
 * A stream comes in blocks. What came last, as much as the longest pattern, is kept: a pattern
 * that begins in it is found with the block in which it ends, one that begins in the block in
 * place. Each begins at one byte, so each is found once.
 *
 * Views are fed byte by byte, but only near their joints; far from them all is as it was.
 */
#include "gate/canary/canary_inner.h"

#define HEADS  65536
#define WINDOW 1024 /* bytes of a view; several patterns long */

static uint32_t hash4(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return (v * 0x9e3779b1u) >> (32 - FILTER_BITS);
}

void matcher_init(struct matcher *m)
{
	*m = (struct matcher){ .head = xcalloc(HEADS, sizeof(uint32_t)),
			       .shortest = SIZE_MAX,
			       .stride = STRIDE_MAX };
}

void matcher_free(struct matcher *m)
{
	free(m->pattern);
	free(m->place);
	free(m->head);
	buf_free(&m->bytes);
}

void matcher_add(struct matcher *m, const void *bytes, size_t n, unsigned value,
		 enum canary_encoding encoding)
{
	uint32_t h;

	if (n < CANARY_MIN)
		return;
	if (n > PATTERN_MAX)
		n = PATTERN_MAX;
	h = hash4(bytes);
	for (uint32_t i = m->head[h >> 2]; i; i = m->place[i - 1].next) {
		const struct pattern *p = &m->pattern[m->place[i - 1].pattern];

		if (!m->place[i - 1].offset && p->n == n && !memcmp(m->bytes.p + p->at, bytes, n))
			return;
	}
	if (!(m->n & (m->n - 1))) { /* a power of two, or none: full */
		unsigned room = m->n ? 2 * m->n : 1;

		m->pattern = xrealloc(m->pattern, room * sizeof(*m->pattern));
		m->place = xrealloc(m->place, room * STRIDE_MAX * sizeof(*m->place));
	}
	m->pattern[m->n] = (struct pattern){ (uint32_t)m->bytes.n, (uint16_t)value, (uint8_t)n,
					     (uint8_t)encoding };
	buf_add(&m->bytes, bytes, n);
	for (unsigned k = 0; k < STRIDE_MAX && k + 4 <= n; k++) {
		h = hash4((const uint8_t *)bytes + k);
		m->place[m->nplaces] = (struct place){ m->n, m->head[h >> 2], k };
		m->head[h >> 2] = ++m->nplaces;
		m->filter[h / 64] |= 1ull << h % 64;
	}
	m->n++;
	if (n > m->longest)
		m->longest = n;
	if (n < m->shortest)
		m->shortest = n;
	m->stride = m->shortest - 3 < STRIDE_MAX ? m->shortest - 3 : STRIDE_MAX;
}

static inline unsigned in_filter(const struct matcher *m, uint32_t h)
{
	return (unsigned)(m->filter[h / 64] >> h % 64) & 1;
}

/* ---- views -------------------------------------------------------------------------------- */

struct view {
	struct search *q;
	const char *name;
	size_t n;
	size_t scanned; /* patterns that end before were found */
	size_t since;	/* bytes since the last joint; at most PATTERN_MAX counts */
	uint8_t bytes[WINDOW];
	bool joint[WINDOW];
	uint64_t at[WINDOW];
};

struct view *view_new(struct search *q, const char *name)
{
	struct view *v = xmalloc(sizeof(*v));

	v->q = q;
	v->name = name;
	v->n = v->scanned = 0;
	v->since = PATTERN_MAX;
	return v;
}

void view_free(struct view *v)
{
	free(v);
}

static void view_found(struct view *v, const struct pattern *p, size_t from)
{
	if (from + p->n <= v->scanned)
		return;
	/* a border lies before its joint: a pattern that only begins there does not reach over it,
	 * but one that begins with a decoded byte does */
	if (!memchr(v->joint + from + !v->name, 1, p->n - (size_t)!v->name))
		return;
	canary_hit(v->q->s, v->q, p, v->name, v->at[from], v->bytes, v->n, from);
}

/* Those that have their fours at @offset of them at byte @i. */
static void view_at(struct view *v, size_t i, uint32_t h)
{
	const struct matcher *m = v->q->m;

	for (uint32_t k = m->head[h >> 2]; k; k = m->place[k - 1].next) {
		const struct pattern *p = &m->pattern[m->place[k - 1].pattern];
		size_t offset = m->place[k - 1].offset;

		if (offset < m->stride && offset <= i && p->n <= v->n - (i - offset) &&
		    !memcmp(m->bytes.p + p->at, v->bytes + i - offset, p->n))
			view_found(v, p, i - offset);
	}
}

void view_scan(struct view *v)
{
	for (size_t i = 0; i + 4 <= v->n; i += v->q->m->stride) {
		uint32_t h = hash4(v->bytes + i);

		if (in_filter(v->q->m, h))
			view_at(v, i, h);
	}
	v->scanned = v->n;
}

/* Keep the last @keep bytes. */
static void view_shift(struct view *v, size_t keep)
{
	size_t gone = v->n > keep ? v->n - keep : 0;

	v->n -= gone;
	memmove(v->bytes, v->bytes + gone, v->n);
	memmove(v->joint, v->joint + gone, v->n * sizeof(bool));
	memmove(v->at, v->at + gone, v->n * sizeof(v->at[0]));
	v->scanned = v->scanned > gone ? v->scanned - gone : 0;
}

static void view_push(struct view *v, uint8_t byte, uint64_t at, bool joint)
{
	if (v->n == WINDOW) {
		view_scan(v);
		view_shift(v, PATTERN_MAX - 1);
	}
	v->bytes[v->n] = byte;
	v->joint[v->n] = joint;
	v->at[v->n++] = at;
	v->since = joint ? 0 : v->since + 1;
}

void view_joint(struct view *v, uint8_t byte, uint64_t at)
{
	view_push(v, byte, at, true);
}

void view_bytes(struct view *v, const uint8_t *p, size_t n, uint64_t at)
{
	size_t i = 0;

	while (i < n && v->since < PATTERN_MAX) {
		view_push(v, p[i], at + i, false);
		i++;
	}
	if (i == n)
		return;
	/* far from the last joint: only what a next one would need */
	if (v->n > v->scanned)
		view_scan(v);
	if (n - i > PATTERN_MAX - 1) {
		i = n - (PATTERN_MAX - 1);
		v->n = v->scanned = 0;
	}
	if (v->n + (n - i) > WINDOW)
		view_shift(v, WINDOW - (n - i));
	for (; i < n; i++) {
		v->bytes[v->n] = p[i];
		v->joint[v->n] = false;
		v->at[v->n++] = at + i;
	}
	v->scanned = v->n;
}

/* ---- URL escapes -------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What came before the first escape of a stream, as far as a pattern may reach back. */
static void url_start(struct search *q, const uint8_t *p, size_t n)
{
	q->url = view_new(q, "url");
	view_bytes(q->url, q->tail, q->tail_n, q->at - q->tail_n);
	view_bytes(q->url, p, n, q->at);
}

/* Bytes that were held back are no escape after all. */
static void url_let_go(struct search *q, uint64_t at)
{
	uint8_t n = q->held_n;

	q->held_n = 0;
	if (q->url)
		view_bytes(q->url, (const uint8_t *)q->held, n, at - n);
}

/*
 * The bytes with %XX decoded. A '%' that may begin an escape is held until it is known; while the
 * view does not exist, what lies before it is in the tail or in this block.
 */
static void url_feed(struct search *q, const uint8_t *p, size_t n)
{
	size_t i = 0, from = 0; /* p[from…i) are plain, and not yet in the view */

	while (i < n) {
		const uint8_t *escape;

		if (q->held_n == 2 && hex_digit((uint8_t)q->held[1]) >= 0 && hex_digit(p[i]) >= 0) {
			int byte = hex_digit((uint8_t)q->held[1]) << 4 | hex_digit(p[i]);

			q->held_n = 0;
			view_joint(q->url, (uint8_t)byte, q->at + i - 2);
			from = ++i;
			continue;
		}
		if (q->held_n == 1 && hex_digit(p[i]) >= 0) {
			q->held[q->held_n++] = (char)p[i++];
			from = i;
			continue;
		}
		if (q->held_n) {
			url_let_go(q, q->at + i);
			from = i;
			continue;
		}
		escape = memchr(p + i, '%', n - i);
		if (!escape)
			break;
		i = (size_t)(escape - p) + 1;
		if ((i < n && hex_digit(p[i]) < 0) || (i + 1 < n && hex_digit(p[i + 1]) < 0))
			continue; /* surely none */
		if (q->url)
			view_bytes(q->url, p + from, i - 1 - from, q->at + from);
		else
			url_start(q, p, i - 1);
		q->held[0] = '%';
		q->held_n = 1;
		from = i;
	}
	if (q->url && !q->held_n)
		view_bytes(q->url, p + from, n - from, q->at + from);
}

/* ---- searches ----------------------------------------------------------------------------- */

void search_init(struct search *q, const struct matcher *m, struct canary_stream *s,
		 const char *outer, const char *place)
{
	*q = (struct search){ .m = m, .s = s, .outer = outer, .place = place };
}

/* The same for what lies in p[0…n), begins before @to and does not end before @past. */
static void scan_at(struct search *q, const uint8_t *p, size_t n, size_t i, uint32_t h, size_t to,
		    size_t past, uint64_t at)
{
	const struct matcher *m = q->m;

	for (uint32_t k = m->head[h >> 2]; k; k = m->place[k - 1].next) {
		const struct pattern *pat = &m->pattern[m->place[k - 1].pattern];
		size_t offset = m->place[k - 1].offset, from = i - offset;

		if (offset < m->stride && offset <= i && from < to && pat->n <= n - from &&
		    from + pat->n > past && !memcmp(m->bytes.p + pat->at, p + from, pat->n))
			canary_hit(q->s, q, pat, NULL, at + from, p, n, from);
	}
}

/* Patterns that begin in p[0…to) and end within p[0…n), but not before @past. */
static void scan(struct search *q, const uint8_t *p, size_t n, size_t to, size_t past, uint64_t at)
{
	const struct matcher *m = q->m;
	size_t i = 0, stride = m->stride;

	/* where the last of them has the fours that are looked at */
	size_t end = n < 4 ? 0 : to + stride - 1 < n - 3 ? to + stride - 1 : n - 3;

	/* four places a turn: the processor looks at them side by side */
	for (; i + 3 * stride < end; i += 4 * stride) {
		uint32_t a = hash4(p + i), b = hash4(p + i + stride), c = hash4(p + i + 2 * stride),
			 d = hash4(p + i + 3 * stride);

		if (__builtin_expect(!(in_filter(m, a) | in_filter(m, b) | in_filter(m, c) |
				       in_filter(m, d)),
				     1))
			continue;
		if (in_filter(m, a))
			scan_at(q, p, n, i, a, to, past, at);
		if (in_filter(m, b))
			scan_at(q, p, n, i + stride, b, to, past, at);
		if (in_filter(m, c))
			scan_at(q, p, n, i + 2 * stride, c, to, past, at);
		if (in_filter(m, d))
			scan_at(q, p, n, i + 3 * stride, d, to, past, at);
	}
	for (; i < end; i += stride) {
		uint32_t h = hash4(p + i);

		if (in_filter(m, h))
			scan_at(q, p, n, i, h, to, past, at);
	}
}

static void keep_tail(struct search *q, const uint8_t *p, size_t n)
{
	size_t keep = q->m->longest - 1, old;

	if (n >= keep) {
		memcpy(q->tail, p + n - keep, keep);
		q->tail_n = keep;
		return;
	}
	old = q->tail_n < keep - n ? q->tail_n : keep - n;
	memmove(q->tail, q->tail + q->tail_n - old, old);
	memcpy(q->tail + old, p, n);
	q->tail_n = old + n;
}

void search_feed(struct search *q, const uint8_t *p, size_t n)
{
	uint8_t joined[2 * PATTERN_MAX];
	size_t more = n < PATTERN_MAX ? n : PATTERN_MAX;

	if (!n || !q->m->n)
		return;
	memcpy(joined, q->tail, q->tail_n);
	memcpy(joined + q->tail_n, p, more);
	scan(q, joined, q->tail_n + more, q->tail_n, q->tail_n, q->at - q->tail_n);
	scan(q, p, n, n, 0, q->at);
	url_feed(q, p, n);
	if (q->url)
		view_scan(q->url);
	keep_tail(q, p, n);
	q->at += n;
}

void search_end(struct search *q)
{
	view_free(q->url);
	q->url = NULL;
}
