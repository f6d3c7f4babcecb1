// SPDX-License-Identifier: Apache-2.0
/*
 * export_answers.c - what servers answered in a run, as a folder for --answers
 *
 * Requests and heads come from HTTP events, bodies from the kept bytes of each flow (CONTENT).
 * HTTP/1 answers are cut out of the stream in the order of their requests; HTTP/2 bodies are the
 * DATA frames of their stream. What was not kept whole is counted and left out: half a file would
 * be an answer that nobody gave.
 *
 * All of it is hostile: names are encoded until nothing is left that means something to a file
 * system, and each list has a limit.
 */
#include <ctype.h>
#include <strings.h>
#include <uthash.h>

#include "gate/decode/be.h"
#include "gate/gate.h"

#define FLOWS_MAX    100000
#define REQUESTS_MAX 1000 /* of one flow */
#define NAME_LONGEST 200  /* of a file; a file system takes 255, and '#NN.headers' follows */
#define TOTAL_MAX    (512u << 20) /* bytes of all flows together */
#define BODY_MAX     (1u << 20)	  /* kept content is much shorter */

struct request {
	char *method, *host, *target;
	char *head; /* of the response: status line and fields */
	int64_t stream, status;
};

struct flow {
	UT_hash_handle hh;
	int64_t key; /* run << 32 | number */
	char *name;
	int64_t port;
	bool tcp, h2, tls;
	bool in_first; /* the server spoke before the program did */
	uint64_t burst_out, burst_in;
	char sha[SHA256_HEX];
	bool whole;
	struct request *rq;
	size_t nrq;
	char *bytes; /* NULL: not kept */
	size_t n;
};

/* how often a name was used */
struct used {
	UT_hash_handle hh;
	unsigned n;
	char name[];
};

struct export
{
	struct flow *flows;
	struct used *used;
	int objects;
	int (*put)(void *ctx, const char *path, const void *p, size_t n);
	void *ctx;
	struct gate_export_stats stats;
};

/* ---- reading ------------------------------------------------------------------------------ */

static char *text(const struct event *ev, int at)
{
	const struct val *v = &ev->v[at];

	return v->type == VAL_TEXT ? xstrndup(v->s.p, v->s.n) : xstrdup("");
}

static bool is(const struct event *ev, int at, const char *word)
{
	return ev->v[at].type == VAL_TEXT && str_eq(ev->v[at].s, str_z(word));
}

static struct flow *find(struct export *x, const struct event *ev, int at, bool make)
{
	int64_t key = (int64_t)ev->run << 32 | (ev->v[at].i & 0xffffffff);
	struct flow *f;

	HASH_FIND(hh, x->flows, &key, sizeof(key), f);
	if (f || !make || HASH_COUNT(x->flows) >= FLOWS_MAX)
		return f;
	f = xcalloc(1, sizeof(*f));
	f->key = key;
	HASH_ADD(hh, x->flows, key, sizeof(f->key), f);
	return f;
}

static void take_flow(struct export *x, const struct event *ev)
{
	struct flow *f =
		is(ev, EV_AT(FLOW, OP), "begin") ? find(x, ev, EV_AT(FLOW, FLOW), true) : NULL;

	if (!f || f->name)
		return;
	f->name = text(ev, ev->v[EV_AT(FLOW, NAME)].type == VAL_TEXT ? EV_AT(FLOW, NAME)
								     : EV_AT(FLOW, DST));
	f->port = ev->v[EV_AT(FLOW, DST_PORT)].i;
	f->tcp = is(ev, EV_AT(FLOW, PROTOCOL), "tcp");
}

static void take_http(struct export *x, const struct event *ev)
{
	struct flow *f = find(x, ev, EV_AT(HTTP, FLOW), false);
	int64_t stream = ev->v[EV_AT(HTTP, STREAM)].i;

	if (!f)
		return;
	if (is(ev, EV_AT(HTTP, OP), "request")) {
		if (f->nrq >= REQUESTS_MAX)
			return;
		f->h2 |= is(ev, EV_AT(HTTP, VERSION), "2");
		f->rq = xrealloc(f->rq, (f->nrq + 1) * sizeof(*f->rq));
		f->rq[f->nrq++] = (struct request){ .method = text(ev, EV_AT(HTTP, METHOD)),
						    .host = text(ev, EV_AT(HTTP, HOST)),
						    .target = text(ev, EV_AT(HTTP, TARGET)),
						    .stream = stream };
		return;
	}
	for (size_t i = 0; i < f->nrq; i++) {
		if (f->rq[i].stream != stream || ev->v[EV_AT(HTTP, STATUS)].i < 200)
			continue;
		free(f->rq[i].head);
		f->rq[i].head = text(ev, EV_AT(HTTP, HEAD));
		f->rq[i].status = ev->v[EV_AT(HTTP, STATUS)].i;
		return;
	}
}

/* The first bytes to the program; those inside TLS are preferred. */
static void take_content(struct export *x, const struct event *ev)
{
	struct flow *f = find(x, ev, EV_AT(CONTENT, FLOW), false);
	bool tls = ev->v[EV_AT(CONTENT, TLS)].i == 1;
	const struct val *sha = &ev->v[EV_AT(CONTENT, SHA256)];

	if (!f || !is(ev, EV_AT(CONTENT, DIR), "in") || ev->v[EV_AT(CONTENT, OFFSET)].i ||
	    (f->sha[0] && f->tls && !tls) || sha->type != VAL_TEXT || sha->s.n != 2 * SHA256_LEN)
		return;
	for (size_t i = 0; i < sha->s.n; i++)
		if (!isxdigit((unsigned char)sha->s.p[i]))
			return;
	memcpy(f->sha, sha->s.p, sha->s.n);
	f->sha[sha->s.n] = 0;
	f->tls = tls;
	f->whole = is(ev, EV_AT(CONTENT, PART), "whole");
}

static void take_burst(struct export *x, const struct event *ev)
{
	struct flow *f = find(x, ev, EV_AT(BURST, FLOW), false);
	uint64_t *t;

	if (!f)
		return;
	t = is(ev, EV_AT(BURST, DIR), "in") ? &f->burst_in : &f->burst_out;
	if (!*t)
		*t = ev->t + 1;
}

static int take(void *ctx, const struct event *ev)
{
	switch (ev->kind) {
	case EV_FLOW:
		take_flow(ctx, ev);
		break;
	case EV_HTTP:
		take_http(ctx, ev);
		break;
	case EV_CONTENT:
		take_content(ctx, ev);
		break;
	default:
		take_burst(ctx, ev);
	}
	return 0;
}

/* ---- names -------------------------------------------------------------------------------- */

/* As one name of a file: nothing but letters, digits and a few marks stays as it is. */
static void encode(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		bool coded = c == '%' && i + 2 < n && isxdigit((unsigned char)p[i + 1]) &&
			     isxdigit((unsigned char)p[i + 2]); /* as the program wrote it */
		bool plain = coded || isalnum(c) || (c && strchr("-_~=&,;@+!$():", c)) ||
			     (c == '.' && i);

		if (plain)
			buf_add(out, &p[i], 1);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void encode_host(struct buf *out, const char *host, int64_t port)
{
	cleanup_free char *own = xstrdup(host);
	char *p = own, *colon = strrchr(own, ':');

	if (*p == '[') {
		p++;
		p[strcspn(p, "]")] = 0;
	} else if (colon && colon == strchr(own, ':')) {
		*colon = 0;
	}
	for (char *c = p; *c; c++)
		*c = *c == '/' || *c == '%' ? '_' : (char)tolower((unsigned char)*c);
	encode(out, p, strlen(p) < NAME_LONGEST ? strlen(p) : NAME_LONGEST);
	buf_printf(out, ":%lld", (long long)port);
}

/* from the '/' of the path on; NULL for a target that has none */
static const char *path_of(const char *target)
{
	const char *scheme = *target == '/' ? NULL : strstr(target, "://");

	if (scheme)
		target = strchr(scheme + 3, '/');
	return target && *target == '/' ? target + 1 : NULL;
}

static unsigned next_turn(struct export *x, const char *name)
{
	struct used *u;

	HASH_FIND_STR(x->used, name, u);
	if (!u) {
		u = xcalloc(1, sizeof(*u) + strlen(name) + 1);
		strcpy(u->name, name);
		HASH_ADD_STR(x->used, name, u);
	}
	return ++u->n;
}

static int put_named(struct export *x, const char *name, const char *head, const void *p, size_t n)
{
	unsigned turn = next_turn(x, name);
	cleanup_buf struct buf path = { 0 };
	int rc;

	buf_puts(&path, name);
	if (turn > 1)
		buf_printf(&path, "#%u", turn);
	rc = x->put(x->ctx, buf_z(&path), p, n);
	if (rc || !head)
		return rc;
	buf_puts(&path, ".headers");
	return x->put(x->ctx, buf_z(&path), head, strlen(head));
}

/* By path and query, and by the path alone: a query that is made new each time finds that one. */
static int put_answer(struct export *x, const struct flow *f, const struct request *rq,
		      const char *head, const void *p, size_t n)
{
	const char *path = path_of(rq->target);
	size_t len = path ? strcspn(path, "?") : 0;
	cleanup_buf struct buf dir = { 0 }, name = { 0 };
	int rc = 0;

	if (!path) {
		x->stats.left_out++;
		return 0;
	}
	buf_puts(&dir, "http/");
	encode_host(&dir, *rq->host ? rq->host : f->name, f->port);
	buf_puts(&dir, "/");
	for (int query = 0; query <= (path[len] == '?' ? 1 : 0) && !rc; query++) {
		cleanup_buf struct buf full = { 0 };

		name.n = 0;
		if (len)
			encode(&name, path, len);
		else
			buf_puts(&name, "index.html");
		if (query) {
			buf_puts(&name, "?");
			encode(&name, path + len + 1, strlen(path + len + 1));
		}
		if (strcmp(rq->method, "GET") && strlen(rq->method) < 20) {
			buf_puts(&name, "#");
			encode(&name, rq->method, strlen(rq->method));
		}
		if (name.n > NAME_LONGEST) {
			x->stats.left_out += !query;
			continue;
		}
		buf_add(&full, dir.p, dir.n);
		buf_add(&full, name.p, name.n);
		rc = put_named(x, buf_z(&full), head, p, n);
		x->stats.answers += !query && !rc;
	}
	return rc;
}

/* ---- HTTP/1 ------------------------------------------------------------------------------- */

/* An answer at the start of @p. Return: its length, 0 when it is not there whole */
struct answer1 {
	int status;
	size_t head_n; /* with its empty line */
	struct buf body;
};

static size_t find_head(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	return end ? (size_t)(end - p) + 4 : 0;
}

static bool field_of(const char *head, size_t n, const char *name, char out[128])
{
	size_t k = strlen(name);

	for (size_t i = 0; i + k < n; i++) {
		size_t len = 0;

		if (head[i] != '\n' || strncasecmp(head + i + 1, name, k) || head[i + 1 + k] != ':')
			continue;
		for (i += k + 2; i < n && (head[i] == ' ' || head[i] == '\t'); i++)
			;
		while (i + len < n && len < 127 && head[i + len] != '\r' && head[i + len] != '\n')
			len++;
		memcpy(out, head + i, len);
		out[len] = 0;
		return true;
	}
	return false;
}

/* Return: bytes of the chunked body with its end, 0 when it is not whole */
static size_t unchunk(const char *p, size_t n, struct buf *out)
{
	size_t at = 0;

	for (;;) {
		const char *nl = memchr(p + at, '\n', n - at);
		char *end;
		uint64_t size;

		if (!nl)
			return 0;
		size = strtoull(p + at, &end, 16);
		if (end == p + at || size > BODY_MAX)
			return 0;
		at = (size_t)(nl - p) + 1;
		if (!size) {
			nl = memchr(p + at, '\n', n - at); /* trailers are not kept apart */
			return nl ? (size_t)(nl - p) + 1 : 0;
		}
		if (n - at < size + 2)
			return 0;
		buf_add(out, p + at, (size_t)size);
		at += (size_t)size + 2;
	}
}

static size_t answer1(const char *p, size_t n, bool whole, const char *method, struct answer1 *a)
{
	char value[128];
	size_t k;

	a->head_n = find_head(p, n);
	if (!a->head_n || n < 12 || strncmp(p, "HTTP/1.", 7))
		return 0;
	a->status = atoi(p + 9);
	if (a->status < 200 || a->status == 204 || a->status == 304 || !strcmp(method, "HEAD"))
		return a->head_n;
	p += a->head_n;
	n -= a->head_n;
	if (field_of(p - a->head_n, a->head_n, "transfer-encoding", value) &&
	    strcasestr(value, "chunked")) {
		k = unchunk(p, n, &a->body);
		return k ? a->head_n + k : 0;
	}
	if (field_of(p - a->head_n, a->head_n, "content-length", value)) {
		uint64_t len = strtoull(value, NULL, 10);

		if (len > n)
			return 0;
		buf_add(&a->body, p, (size_t)len);
		return a->head_n + (size_t)len;
	}
	if (!whole)
		return 0;
	buf_add(&a->body, p, n); /* to the connection's end */
	return a->head_n + n;
}

static int export_http1(struct export *x, const struct flow *f, const char *p, size_t n)
{
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < f->nrq && !rc; i++) {
		struct answer1 a = { 0 };
		cleanup_free char *head = NULL;
		size_t k;

		do { /* 100 Continue and the like come before the answer */
			buf_free(&a.body);
			k = answer1(p + at, n - at, f->whole, f->rq[i].method, &a);
			head = NULL;
			at += k;
		} while (k && a.status < 200 && a.status != 101);
		if (!k || a.status == 101) {
			x->stats.left_out += f->nrq - i;
			buf_free(&a.body);
			return 0;
		}
		head = xstrndup(p + at - k, a.head_n);
		rc = put_answer(x, f, &f->rq[i], head, a.body.p ? a.body.p : "", a.body.n);
		buf_free(&a.body);
	}
	return rc;
}

/* ---- HTTP/2 ------------------------------------------------------------------------------- */

/* The DATA frames of a stream (RFC 9113 4.1, 6.1). Return: whether its end was seen */
static bool data_of(const uint8_t *p, size_t n, int64_t stream, struct buf *out)
{
	for (size_t at = 0; n - at >= 9;) {
		size_t len = (size_t)p[at] << 16 | be16(p + at + 1), pad = 0, from = at + 9;
		uint8_t type = p[at + 3], flags = p[at + 4];
		bool mine = (int64_t)(be32(p + at + 5) & 0x7fffffff) == stream;

		if (len > n - from)
			return false;
		if (mine && type == 0) {
			if (flags & 8) {
				pad = len ? (size_t)p[from] + 1 : 1;
				from++;
			}
			if (pad > len)
				return false;
			buf_add(out, p + from, len - pad);
		}
		if (mine && type <= 1 && flags & 1)
			return true;
		at += 9 + len;
	}
	return false;
}

static int export_http2(struct export *x, const struct flow *f, const char *p, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < f->nrq && !rc; i++) {
		const struct request *rq = &f->rq[i];
		cleanup_buf struct buf body = { 0 };
		cleanup_free char *head = NULL;

		if (!rq->head || !data_of((const uint8_t *)p, n, rq->stream, &body)) {
			x->stats.left_out++;
			continue;
		}
		head = xasprintf("HTTP/2 %lld\n%s", (long long)rq->status, rq->head);
		rc = put_answer(x, f, rq, head, body.p ? body.p : "", body.n);
	}
	return rc;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int export_raw(struct export *x, const struct flow *f, const char *p, size_t n)
{
	bool greets = f->burst_in && (!f->burst_out || f->burst_in < f->burst_out);
	cleanup_buf struct buf name = { 0 };

	buf_puts(&name, f->tcp ? "tcp/" : "udp/");
	encode_host(&name, f->name, f->port);
	buf_puts(&name, greets && f->tcp ? ".greet" : ".reply");
	if (next_turn(x, buf_z(&name)) > 1)
		return 0; /* what the first connection heard */
	x->stats.answers++;
	return x->put(x->ctx, name.p, p, n);
}

/* All that will be looked at, so that no file is opened once the bytes are. */
static void load(struct export *x)
{
	size_t total = 0;

	for (struct flow *f = x->flows; f; f = f->hh.next) {
		char path[SHA256_HEX + 2];

		if (!f->sha[0] || total >= TOTAL_MAX)
			continue;
		snprintf(path, sizeof(path), "%.2s/%s", f->sha, f->sha + 2);
		if (!read_file_at(x->objects, path, BODY_MAX, &f->bytes, &f->n))
			total += f->n;
	}
}

static int export_flow(struct export *x, const struct flow *f)
{
	if (!f->bytes || !f->name || (!f->nrq && !f->tcp)) {
		x->stats.left_out += f->nrq;
		return 0;
	}
	if (f->nrq)
		return f->h2 ? export_http2(x, f, f->bytes, f->n)
			     : export_http1(x, f, f->bytes, f->n);
	if (f->n > 2 && f->bytes[0] >= 20 && f->bytes[0] <= 23 && f->bytes[1] == 3)
		return 0; /* TLS that was not read */
	return f->n ? export_raw(x, f, f->bytes, f->n) : 0;
}

static void clear(struct export *x)
{
	struct flow *f, *next_f;
	struct used *u, *next_u;

	HASH_ITER(hh, x->flows, f, next_f)
	{
		HASH_DEL(x->flows, f);
		for (size_t i = 0; i < f->nrq; i++) {
			free(f->rq[i].method);
			free(f->rq[i].host);
			free(f->rq[i].target);
			free(f->rq[i].head);
		}
		free(f->rq);
		free(f->name);
		free(f->bytes);
		free(f);
	}
	HASH_ITER(hh, x->used, u, next_u)
	{
		HASH_DEL(x->used, u);
		free(u);
	}
}

int gate_export_answers(struct journal_reader *r, int box_dirfd, uint32_t run,
			int (*lock)(struct err *err),
			int (*put)(void *ctx, const char *path, const void *p, size_t n), void *ctx,
			struct gate_export_stats *ret, struct err *err)
{
	struct journal_filter filter = { .kinds = 1u << EV_FLOW | 1u << EV_HTTP | 1u << EV_CONTENT |
						  1u << EV_BURST,
					 .run = run };
	cleanup_close int objects = openat(box_dirfd, "objects", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct export x = { .objects = objects, .put = put, .ctx = ctx };
	int rc = journal_read(r, &filter, take, &x, err);

	if (!rc && objects >= 0)
		load(&x);
	if (!rc && lock)
		rc = lock(err);
	for (struct flow *f = x.flows; f && !rc; f = f->hh.next) {
		rc = export_flow(&x, f);
		if (rc)
			err_set(err, rc, "gate: write a recorded answer");
	}
	clear(&x);
	if (!rc)
		*ret = x.stats;
	return rc;
}
