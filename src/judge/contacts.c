// SPDX-License-Identifier: Apache-2.0
/*
 * contacts.c - flows, bursts and queries of a journal, sorted into series
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <libpsl.h>
#include <netinet/in.h>

#include "judge/contacts.h"

#define FLOWS_KEPT (1u << 20) /* flows that bursts can be led back to */

/** struct flow_of - what a burst needs to know of its flow: its series, as number + 1 */
struct flow_of {
	uint32_t run, flow;
	uint32_t series[3];
};

struct contact_book {
	struct arena a;
	struct intern keys;
	struct contacts *v;
	size_t n, cap;
	struct rows *rows;
	struct flow_of *flows; /* by (run, flow) modulo FLOWS_KEPT */
	bool full;
};

struct contact_book *contact_book_new(void)
{
	struct contact_book *b = xcalloc(1, sizeof(*b));

	b->keys = (struct intern){ .a = &b->a, .max = CONTACT_SERIES_MAX };
	b->rows = rows_new();
	b->flows = xcalloc(FLOWS_KEPT, sizeof(*b->flows));
	return b;
}

void contact_book_free(struct contact_book *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		free(b->v[i].t);
	free(b->v);
	free(b->flows);
	intern_free(&b->keys);
	rows_free(b->rows);
	arena_free(&b->a);
	free(b);
}

size_t contact_book_series(const struct contact_book *b)
{
	return b->n;
}

const struct contacts *contact_book_get(const struct contact_book *b, size_t i)
{
	return &b->v[i];
}

bool contact_book_full(const struct contact_book *b)
{
	return b->full;
}

void registrable_domain(struct str name, char *out, size_t size)
{
	const psl_ctx_t *psl = psl_builtin();
	char lower[256];
	size_t n = name.n < sizeof(lower) - 1 ? name.n : sizeof(lower) - 1;
	const char *domain = NULL;

	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)name.p[i]);
	lower[n] = 0;
	if (psl && utf8_valid(lower, n))
		domain = psl_registrable_domain(psl, lower);
	snprintf(out, size, "%s", domain ? domain : lower);
}

/* ---- keys --------------------------------------------------------------------------------- */

static struct str text(const struct val *v)
{
	return v->type == VAL_TEXT ? v->s : (struct str){ "", 0 };
}

static int64_t number(const struct val *v)
{
	return v->type == VAL_INT ? v->i : 0;
}

/* Addresses that nobody far away answers. */
static bool not_judged(struct str address)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	if (address.n >= sizeof(z))
		return true;
	memcpy(z, address.p, address.n);
	z[address.n] = 0;
	if (inet_pton(AF_INET, z, ip) == 1)
		return ip[0] >= 224 || ip[0] == 127 || (ip[0] == 169 && ip[1] == 254);
	if (inet_pton(AF_INET6, z, ip) == 1)
		return ip[0] == 0xff || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) ||
		       IN6_IS_ADDR_LOOPBACK((struct in6_addr *)ip);
	return false;
}

static void put(struct buf *key, struct str s)
{
	buf_printf(key, "%zu:", s.n);
	buf_add(key, s.p, s.n);
}

/* The series of a contact, begun if it is the first; number + 1, 0 when there are too many. */
static uint32_t series_of(struct contact_book *b, const struct contacts *like)
{
	cleanup_buf struct buf key = { 0 };
	struct contacts *c;
	bool is_new;
	uint32_t at;

	buf_printf(&key, "%d %d %lld ", (int)like->by, (int)like->what, (long long)like->port);
	put(&key, like->image);
	put(&key, like->by == CONTACT_BY_NAME ? like->parent_image : (struct str){ "", 0 });
	put(&key, like->destination);
	put(&key, like->protocol);
	at = intern_add(&b->keys, (struct str){ buf_z(&key), key.n }, &is_new);
	if (at == INTERN_NONE) {
		b->full = true;
		return 0;
	}
	if (is_new) {
		b->v = vec_grow(b->v, b->n, &b->cap, sizeof(*b->v));
		c = &b->v[b->n++];
		*c = *like;
		c->image = arena_str(&b->a, like->image);
		c->parent_image = arena_str(&b->a, like->parent_image);
		c->destination = arena_str(&b->a, like->destination);
		c->name = arena_str(&b->a, like->name);
		c->protocol = arena_str(&b->a, like->protocol);
		c->answer = arena_str(&b->a, like->answer);
	}
	return at + 1;
}

static void add(struct contact_book *b, uint32_t series, double t, uint64_t seq)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;

	if (!c)
		return;
	c->all++;
	if (c->n < CONTACT_TIMES_MAX) {
		c->t = vec_grow(c->t, c->n, &c->cap, sizeof(*c->t));
		c->t[c->n++] = t;
	}
	if (c->nseqs < CONTACT_SEQS_MAX)
		c->seq[c->nseqs++] = seq;
}

/* ---- events ------------------------------------------------------------------------------- */

static void who(const struct contact_book *b, uint32_t proc, struct contacts *like)
{
	like->proc = proc;
	rows_images(b->rows, proc, &like->image, &like->parent_image);
}

static void three_keys(struct contact_book *b, struct contacts like, struct str name,
		       struct str address, char domain[256], uint32_t ret[3])
{
	memset(ret, 0, 3 * sizeof(*ret));
	if (name.n) {
		registrable_domain(name, domain, 256);
		like.by = CONTACT_BY_NAME;
		like.destination = str_z(domain);
		ret[0] = series_of(b, &like);
	}
	like.by = CONTACT_BY_ADDRESS;
	like.destination = address;
	ret[1] = series_of(b, &like);
	if (!str_eq(like.answer, STR("allowed"))) {
		like.by = CONTACT_BY_UNDECLARED;
		like.destination = (struct str){ "", 0 };
		like.port = 0;
		ret[2] = series_of(b, &like);
	}
}

static void on_flow(struct contact_book *b, const struct event *ev, double t)
{
	struct str address = text(&ev->v[EV_AT(FLOW, DST)]);
	struct contacts like = {
		.what = CONTACT_CONNECTION,
		.name = text(&ev->v[EV_AT(FLOW, NAME)]),
		.protocol = text(&ev->v[EV_AT(FLOW, PROTOCOL)]),
		.answer = text(&ev->v[EV_AT(FLOW, ANSWER)]),
		.port = number(&ev->v[EV_AT(FLOW, DST_PORT)]),
	};
	uint32_t flow = (uint32_t)number(&ev->v[EV_AT(FLOW, FLOW)]), series[3];
	struct flow_of *of = &b->flows[(flow ^ ev->run * 2654435761u) % FLOWS_KEPT];
	char domain[256];

	if (!str_eq(text(&ev->v[EV_AT(FLOW, OP)]), STR("begin")) || not_judged(address) ||
	    like.port == 53) /* queries are told by name */
		return;
	who(b, ev->proc, &like);
	three_keys(b, like, like.name, address, domain, series);
	for (int i = 0; i < 3; i++)
		add(b, series[i], t, ev->seq);
	like.what = CONTACT_BURST;
	*of = (struct flow_of){ .run = ev->run, .flow = flow };
	three_keys(b, like, like.name, address, domain, of->series);
}

static void on_burst(struct contact_book *b, const struct event *ev, double t)
{
	uint32_t flow = (uint32_t)number(&ev->v[EV_AT(BURST, FLOW)]);
	const struct flow_of *of = &b->flows[(flow ^ ev->run * 2654435761u) % FLOWS_KEPT];
	int64_t size = number(&ev->v[EV_AT(BURST, BYTES)]);

	if (!str_eq(text(&ev->v[EV_AT(BURST, DIR)]), STR("out")) || of->flow != flow ||
	    of->run != ev->run)
		return;
	for (int i = 0; i < 3; i++) {
		struct contacts *c = of->series[i] ? &b->v[of->series[i] - 1] : NULL;

		add(b, of->series[i], t, ev->seq);
		if (!c)
			continue;
		c->same += c->sizes && c->size == size;
		c->sizes++;
		c->size = size;
	}
}

static void on_dns(struct contact_book *b, const struct event *ev, double t)
{
	struct contacts like = {
		.what = CONTACT_DNS,
		.by = CONTACT_BY_NAME,
		.name = text(&ev->v[EV_AT(DNS, NAME)]),
		.protocol = STR("dns"),
		.answer = text(&ev->v[EV_AT(DNS, ANSWER)]),
	};
	char domain[256];

	if (!str_eq(text(&ev->v[EV_AT(DNS, OP)]), STR("query")) || !like.name.n)
		return;
	who(b, ev->proc, &like);
	registrable_domain(like.name, domain, sizeof(domain));
	like.destination = str_z(domain);
	add(b, series_of(b, &like), t, ev->seq);
}

void contact_book_event(struct contact_book *b, const struct event *ev)
{
	struct row row;
	double t;

	rows_event(b->rows, ev, &row); /* processes */
	t = (double)(rows_wall(b->rows) + ev->t) / (double)NSEC_PER_SEC;
	switch (ev->kind) {
	case EV_FLOW:
		on_flow(b, ev, t);
		break;
	case EV_BURST:
		on_burst(b, ev, t);
		break;
	case EV_DNS:
		on_dns(b, ev, t);
		break;
	default:
		break;
	}
}
