// SPDX-License-Identifier: Apache-2.0
/*
 * http1_head.c - read one head of HTTP/1.x
 *
 * Lenient where servers are (bare line feeds, spaces, lines without a colon): what a server might
 * understand must not go unseen. Strict only in what tells a head from something else.
 */
#include "gate/decode/http1.h"

size_t http1_head_end(const uint8_t *p, size_t n, size_t from)
{
	const uint8_t *at = p + from, *nl;

	while ((nl = memchr(at, '\n', (size_t)(p + n - at)))) {
		at = nl + 1;
		if (at < p + n && *at == '\n')
			return (size_t)(at + 1 - p);
		if (at + 1 < p + n && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at + 2 - p);
	}
	return 0;
}

static struct str trim(struct str s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && strchr(" \t\r", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

static bool same_word(struct str s, const char *z)
{
	return s.n == strlen(z) && !strncasecmp(s.p, z, s.n);
}

/* the next item of a list with commas */
static bool next_item(struct str *list, struct str *ret)
{
	const char *comma;

	if (!list->n)
		return false;
	comma = memchr(list->p, ',', list->n);
	ret->p = list->p;
	ret->n = comma ? (size_t)(comma - list->p) : list->n;
	list->p += ret->n + (comma ? 1 : 0);
	list->n -= ret->n + (comma ? 1 : 0);
	*ret = trim(*ret);
	return true;
}

/* One more answer to whom the head is for, unless it is known already. */
static void add_host(struct buf *hosts, struct str s)
{
	char low[NAME_MAX_DNS + 8];
	struct str all = { hosts->p, hosts->n }, one;
	size_t n = s.n < sizeof(low) ? s.n : sizeof(low);

	for (size_t i = 0; i < n; i++)
		low[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 'a' - 'A' : s.p[i]);
	while (next_item(&all, &one))
		if (str_eq(one, (struct str){ low, n }))
			return;
	if (hosts->n)
		buf_puts(hosts, ",");
	buf_add(hosts, low, n);
}

/* ---- fields ------------------------------------------------------------------------------- */

static void host(struct http1_head *h, struct str v)
{
	if (!h->head.host.p)
		h->head.host = v;
	add_host(&h->hosts, v);
}

static void user_agent(struct http1_head *h, struct str v)
{
	h->head.user_agent = v;
}

static void content_type(struct http1_head *h, struct str v)
{
	h->head.content_type = v;
}

static void content_length(struct http1_head *h, struct str v)
{
	struct str one;

	while (next_item(&v, &one)) {
		int64_t n = 0;

		for (size_t i = 0; i < one.n; i++) {
			if (one.p[i] < '0' || one.p[i] > '9' || n > INT64_MAX / 10 - 9) {
				h->bad_length = true;
				return;
			}
			n = n * 10 + one.p[i] - '0';
		}
		if (!one.n || (h->head.has_length && h->head.length != n))
			h->bad_length = true;
		h->head.has_length = true;
		h->head.length = n;
	}
}

static void transfer_encoding(struct http1_head *h, struct str v)
{
	struct str one;

	while (next_item(&v, &one)) {
		h->chunked = same_word(one, "chunked");
		h->other_coding = !h->chunked;
	}
}

static void upgrade(struct http1_head *h, struct str v)
{
	struct str one;

	while (next_item(&v, &one)) {
		h->websocket |= same_word(one, "websocket");
		h->h2c |= same_word(one, "h2c");
	}
}

static const struct {
	const char *name;
	void (*read)(struct http1_head *h, struct str value);
} fields[] = {
	{ "host", host },
	{ "user-agent", user_agent },
	{ "content-type", content_type },
	{ "content-length", content_length },
	{ "transfer-encoding", transfer_encoding },
	{ "upgrade", upgrade },
};

static void read_field(struct http1_head *h, struct str line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct str name, value;

	if (!colon)
		return;
	name = trim((struct str){ line.p, (size_t)(colon - line.p) });
	value = trim((struct str){ colon + 1, line.n - (size_t)(colon - line.p) - 1 });
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (same_word(name, fields[i].name))
			fields[i].read(h, value);
}

/* There are servers for which a carriage return alone ends a line. */
static void read_fields(struct http1_head *h, struct str line)
{
	const char *cr;

	while ((cr = memchr(line.p, '\r', line.n))) {
		read_field(h, (struct str){ line.p, (size_t)(cr - line.p) });
		line.n -= (size_t)(cr + 1 - line.p);
		line.p = cr + 1;
	}
	read_field(h, line);
}

/* ---- start lines -------------------------------------------------------------------------- */

static bool read_version(struct http1_head *h, const char *p, size_t n)
{
	if (n < 8 || memcmp(p, "HTTP/1.", 7) || p[7] < '0' || p[7] > '9')
		return false;
	snprintf(h->version, sizeof(h->version), "1.%c", p[7]);
	h->head.version = h->version;
	return true;
}

/* An absolute target says whom the request is for, before Host does (RFC 9112 3.2.2); that of a
 * CONNECT is nothing else. */
static void read_target(struct http1_head *h)
{
	struct str t = h->head.target;
	const char *slashes;
	struct str rest;
	size_t n = 0;

	if (same_word(h->head.method, "CONNECT")) {
		add_host(&h->hosts, t);
		return;
	}
	slashes = t.n && *t.p != '/' ? memmem(t.p, t.n, "://", 3) : NULL;
	if (!slashes)
		return;
	rest.p = slashes + 3;
	rest.n = t.n - (size_t)(rest.p - t.p);
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	add_host(&h->hosts, (struct str){ rest.p, n });
}

bool http1_is_version(const void *version)
{
	const char *p = version;

	return !strncasecmp(p, "HTTP/", 5) && p[5] >= '0' && p[5] <= '9' && p[6] == '.' &&
	       p[7] >= '0' && p[7] <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Words may stand apart by any white space, also before the first (RFC 9112 3). */
static int read_request_line(struct http1_head *h, struct str line)
{
	const char *space;
	size_t n;

	line = trim(line);
	n = line.n;
	space = line.p;
	while (space < line.p + n && !is_space(*space))
		space++;
	if (space == line.p || n < 9 || !http1_is_version(line.p + n - 8) ||
	    !is_space(line.p[n - 9]))
		return -EBADMSG;
	snprintf(h->version, sizeof(h->version), "%c.%c", line.p[n - 3], line.p[n - 1]);
	h->head.version = h->version;
	h->head.method = (struct str){ line.p, (size_t)(space - line.p) };
	if (space >= line.p + n - 9)
		return -EBADMSG;
	h->head.target = trim((struct str){ space + 1, (size_t)(line.p + n - 9 - space - 1) });
	read_target(h);
	return 0;
}

static int read_status_line(struct http1_head *h, struct str line)
{
	if (line.n < 12 || !read_version(h, line.p, line.n) || line.p[8] != ' ')
		return -EBADMSG;
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -EBADMSG;
		h->head.status = h->head.status * 10 + line.p[i] - '0';
	}
	return line.n > 12 && line.p[12] != ' ' ? -EBADMSG : 0;
}

int http1_head_read(const uint8_t *p, size_t n, bool response, struct http1_head *h)
{
	const char *at = (const char *)p, *end = at + n;
	bool first = true;

	*h = (struct http1_head){ .head.response = response };
	h->text.limit = h->hosts.limit = 2 * HTTP1_HEAD_MAX;
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		struct str line = { at, nl ? (size_t)(nl - at) : (size_t)(end - at) };
		int rc;

		at = nl ? nl + 1 : end;
		while (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (first) {
			first = false;
			rc = response ? read_status_line(h, line) : read_request_line(h, line);
			if (rc)
				return rc;
			continue;
		}
		if (!line.n)
			break;
		buf_add(&h->text, line.p, line.n);
		buf_puts(&h->text, "\n");
		read_fields(h, line);
	}
	h->head.head = (struct str){ h->text.p ? h->text.p : "", h->text.n };
	return first ? -EBADMSG : 0;
}

void http1_head_free(struct http1_head *h)
{
	buf_free(&h->text);
	buf_free(&h->hosts);
}
