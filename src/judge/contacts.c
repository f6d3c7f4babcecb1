// SPDX-License-Identifier: Apache-2.0
/*
 * contacts.c - flows, bursts and queries of a journal, sorted into series
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <libpsl.h>
#include <netinet/in.h>

#include "judge/contacts.h"

#define FLOWS_KEPT    (1u << 20) /* flows that bursts can be led back to */
#define TAKEN_BACK    1000	 /* contacts of a series, so many of the last */
#define ASKED_SECONDS 30	 /* so long a question without an answer is only asked again */

/** struct flow_of - what a burst needs to know of its flow: its series, as number + 1 */
struct flow_of {
	uint32_t run, flow;
	uint32_t series[3], connection[3];
	double t;
	uint64_t seq;
};

struct contact_book {
	struct arena a;
	struct intern keys;
	struct contacts *v;
	size_t n, cap;
	struct rows *rows;
	struct flow_of *flows; /* by (run, flow) modulo FLOWS_KEPT */
	size_t times;
	bool full;
};

struct contact_book *contact_book_new(void)
{
	struct contact_book *b = xcalloc(1, sizeof(*b));

	b->keys = (struct intern){ .a = &b->a, .max = CONTACT_SERIES_MAX };
	b->rows = rows_new();
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
	static const char *const of_addresses[] = { "in-addr.arpa", "ip6.arpa" };
	const psl_ctx_t *psl = psl_builtin();
	char lower[256];
	size_t n = name.n < sizeof(lower) - 1 ? name.n : sizeof(lower) - 1;
	const char *domain = NULL;

	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)name.p[i]);
	lower[n] = 0;
	if (psl && utf8_valid(lower, n))
		domain = psl_registrable_domain(psl, lower);
	/* nobody has registered a part of these: who looks up addresses asks one and the same */
	for (size_t i = 0; i < ARRAY_SIZE(of_addresses); i++)
		if (str_ends((struct str){ lower, n }, of_addresses[i]))
			domain = of_addresses[i];
	snprintf(out, size, "%s", domain ? domain : lower);
}

/* So many labels at the front of @s, each of at most @digits digits of @base, and the dot behind:
 * as the reverse of an address. Return: bytes; 0 when it is none */
static size_t reversed(struct str s, int labels, int digits, int base)
{
	size_t at = 0;

	for (int i = 0; i < labels; i++) {
		size_t from = at;

		while (at < s.n && (base == 16 ? isxdigit((unsigned char)s.p[at])
					       : isdigit((unsigned char)s.p[at])))
			at++;
		if (at == from || at - from > (size_t)digits || (at < s.n && s.p[at] != '.'))
			return 0;
		if (at == s.n)
			return i + 1 == labels ? at : 0;
		at++;
	}
	return at;
}

struct str below_domain(struct str name)
{
	char domain[256];
	struct str below = name;
	size_t n, front;

	registrable_domain(name, domain, sizeof(domain));
	n = strlen(domain);
	if (name.n <= n + 1 || name.p[name.n - n - 1] != '.' || str_ends(name, "arpa"))
		return (struct str){ "", 0 };
	below.n = name.n - n - 1;
	front = reversed(below, 4, 3, 10);
	if (!front)
		front = reversed(below, 32, 1, 16);
	below.p += front;
	below.n -= front;
	return below;
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

/* 4, 6, or 0 for what is no address */
static int read_address(struct str address, uint8_t ip[16])
{
	char z[INET6_ADDRSTRLEN];

	if (address.n >= sizeof(z))
		return 0;
	memcpy(z, address.p, address.n);
	z[address.n] = 0;
	return inet_pton(AF_INET, z, ip) == 1 ? 4 : inet_pton(AF_INET6, z, ip) == 1 ? 6 : 0;
}

bool contact_is_private(struct str address)
{
	uint8_t ip[16];

	return read_address(address, ip) == 4 &&
	       (ip[0] == 10 || (ip[0] == 172 && ip[1] >> 4 == 1) || (ip[0] == 192 && ip[1] == 168));
}

bool contact_is_near(struct str address)
{
	uint8_t ip[16];
	int version = read_address(address, ip);

	if (version == 4)
		return ip[0] >= 224 || ip[0] == 127 || (ip[0] == 169 && ip[1] == 254);
	if (version == 6)
		return ip[0] == 0xff || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) ||
		       IN6_IS_ADDR_LOOPBACK((struct in6_addr *)ip);
	return address.n >= INET6_ADDRSTRLEN;
}

bool contact_transport_is_near(struct str transport)
{
	return str_eq(transport, STR("mdns")) || str_eq(transport, STR("llmnr"));
}

static void put(struct buf *key, struct str s)
{
	buf_printf(key, "%zu:", s.n);
	buf_add(key, s.p, s.n);
}

uint32_t contact_series(struct contact_book *b, const struct contacts *like)
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
	} else if (b->v[at].source != like->source) {
		b->v[at].source = 0;
	}
	return at + 1;
}

void contact_add(struct contact_book *b, uint32_t series, double t, uint64_t seq)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;

	if (!c)
		return;
	c->all++;
	if (c->n < CONTACT_TIMES_MAX && b->times < CONTACT_TIMES_ALL) {
		c->t = vec_grow(c->t, c->n, &c->cap, sizeof(*c->t));
		c->t[c->n++] = t;
		b->times++;
	} else {
		b->full = true;
	}
	if (c->nseqs < CONTACT_SEQS_MAX)
		c->seq[c->nseqs++] = seq;
}

void contact_burst(struct contact_book *b, uint32_t series, double t, uint64_t seq, int64_t size)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;

	if (!c)
		return;
	contact_add(b, series, t, seq);
	c->same += c->sizes && c->size == size;
	c->sizes++;
	c->size = size;
}

void contact_take_back(struct contact_book *b, uint32_t series, double t, uint64_t seq)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;
	size_t i = c ? c->n : 0, first = i > TAKEN_BACK ? i - TAKEN_BACK : 0;

	while (i > first && c->t[i - 1] != t)
		i--;
	if (i == first)
		return;
	memmove(&c->t[i - 1], &c->t[i], (c->n-- - i) * sizeof(*c->t));
	c->all--;
	b->times--;
	for (i = c->nseqs; i > 0 && c->seq[i - 1] != seq; i--)
		;
	if (i)
		memmove(&c->seq[i - 1], &c->seq[i], (c->nseqs-- - i) * sizeof(*c->seq));
}

void routine_note(struct routine *r, struct str of)
{
	if (!of.n || (r->of.n && !str_eq(r->of, of)))
		r->plain = true;
	else if (!r->of.n)
		r->of = of;
}

struct str routine_all(const struct routine *r)
{
	return r->plain ? (struct str){ "", 0 } : r->of;
}

void contact_routine(struct contact_book *b, uint32_t series, struct str routine)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;

	if (c && !c->routine.plain)
		routine_note(&c->routine,
			     routine.n && !c->routine.of.n ? arena_str(&b->a, routine) : routine);
}

/* Of a name, in place of it; never 0. */
static uint64_t name_hash(struct str name)
{
	return fnv1a(FNV1A, name.p, name.n) | 1;
}

/* Where a name stands that waits for its answer; else where it may stand, as the oldest goes. */
static int asked_place(const struct contacts *c, uint64_t name)
{
	int oldest = 0;

	for (int i = 0; i < CONTACT_ASKED; i++) {
		if (c->asked[i] == name)
			return i;
		if (!c->asked[i] || (c->asked[oldest] && c->asked_at[i] < c->asked_at[oldest]))
			oldest = i;
	}
	return oldest;
}

void contact_question(struct contact_book *b, uint32_t series, double t, uint64_t seq,
		      struct str name)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;
	uint64_t asked = name_hash(name);
	int at;

	if (!c)
		return;
	at = asked_place(c, asked);
	if (c->asked[at] == asked && t - c->asked_at[at] < ASKED_SECONDS)
		return;
	c->asked[at] = asked;
	c->asked_at[at] = t;
	contact_add(b, series, t, seq);
}

void contact_book_name(struct contact_book *b, size_t i, struct str name)
{
	b->v[i].name = arena_str(&b->a, name);
}

void contact_book_allow(struct contact_book *b, size_t i)
{
	b->v[i].answer = STR("allowed");
}

void contact_answered(struct contact_book *b, uint32_t series, struct str name)
{
	struct contacts *c = series ? &b->v[series - 1] : NULL;
	uint64_t asked = name_hash(name);
	int at;

	if (!c)
		return;
	at = asked_place(c, asked);
	if (c->asked[at] == asked)
		c->asked[at] = 0;
}

void contact_by_name(struct contacts *like, char domain[256])
{
	registrable_domain(like->name, domain, 256);
	like->by = CONTACT_BY_NAME;
	like->destination = str_z(domain);
}

void contact_any(struct contacts *like)
{
	like->by = CONTACT_BY_UNDECLARED;
	like->destination = (struct str){ "", 0 };
	like->port = 0;
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void contact_book_end(struct contact_book *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].n)
			qsort(b->v[i].t, b->v[i].n, sizeof(double), by_time);
}

/* ---- events ------------------------------------------------------------------------------- */

static struct flow_of *flow_of(struct contact_book *b, uint32_t run, uint32_t flow)
{
	if (!b->flows)
		b->flows = xcalloc(FLOWS_KEPT, sizeof(*b->flows));
	return &b->flows[(flow ^ run * 2654435761u) % FLOWS_KEPT];
}

static void who(const struct contact_book *b, uint32_t proc, struct contacts *like)
{
	like->proc = proc;
	rows_images(b->rows, proc, &like->image, &like->parent_image);
}

static void three_keys(struct contact_book *b, struct contacts like, struct str address,
		       uint32_t ret[3])
{
	char domain[256];

	memset(ret, 0, 3 * sizeof(*ret));
	if (like.name.n) {
		contact_by_name(&like, domain);
		ret[0] = contact_series(b, &like);
	}
	like.by = CONTACT_BY_ADDRESS;
	like.destination = address;
	ret[1] = contact_series(b, &like);
	if (!str_eq(like.answer, STR("allowed"))) {
		contact_any(&like);
		ret[2] = contact_series(b, &like);
	}
}

/* "allowed" means declared: not where everybody is let through, whom nobody has named. */
static struct str answer_of(const struct event *ev, int answer, int reason)
{
	return str_eq(text(&ev->v[reason]), STR(REASON_OPEN)) ? STR("open") : text(&ev->v[answer]);
}

static void on_flow(struct contact_book *b, const struct event *ev, double t)
{
	struct str address = text(&ev->v[EV_AT(FLOW, DST)]);
	struct contacts like = {
		.what = CONTACT_CONNECTION,
		.name = text(&ev->v[EV_AT(FLOW, NAME)]),
		.protocol = text(&ev->v[EV_AT(FLOW, PROTOCOL)]),
		.answer = answer_of(ev, EV_AT(FLOW, ANSWER), EV_AT(FLOW, REASON)),
		.port = number(&ev->v[EV_AT(FLOW, DST_PORT)]),
		.source = number(&ev->v[EV_AT(FLOW, SRC_PORT)]),
	};
	uint32_t flow = (uint32_t)number(&ev->v[EV_AT(FLOW, FLOW)]);
	struct flow_of *of = flow_of(b, ev->run, flow);

	if (!str_eq(text(&ev->v[EV_AT(FLOW, OP)]), STR("begin")) || contact_is_near(address) ||
	    like.port == 53) /* queries are told by name */
		return;
	who(b, ev->proc, &like);
	*of = (struct flow_of){ .run = ev->run, .flow = flow, .t = t, .seq = ev->seq };
	three_keys(b, like, address, of->connection);
	for (int i = 0; i < 3; i++)
		contact_add(b, of->connection[i], t, ev->seq);
	like.what = CONTACT_BURST;
	three_keys(b, like, address, of->series);
}

/* What a protocol sends by the clock says nothing of whom a program contacts in all. */
static void on_routine(struct contact_book *b, struct flow_of *of, struct str routine)
{
	if (routine.n && of->connection[2]) {
		contact_take_back(b, of->connection[2], of->t, of->seq);
		of->connection[2] = 0;
	}
	for (int i = 0; i < 2; i++) {
		contact_routine(b, of->connection[i], routine);
		contact_routine(b, of->series[i], routine);
	}
}

static void on_burst(struct contact_book *b, const struct event *ev, double t)
{
	uint32_t flow = (uint32_t)number(&ev->v[EV_AT(BURST, FLOW)]);
	struct flow_of *of = flow_of(b, ev->run, flow);
	struct str routine = text(&ev->v[EV_AT(BURST, ROUTINE)]);
	int64_t size = number(&ev->v[EV_AT(BURST, BYTES)]);

	if (of->flow != flow || of->run != ev->run)
		return;
	on_routine(b, of, routine);
	if (!str_eq(text(&ev->v[EV_AT(BURST, DIR)]), STR("out")))
		return;
	for (int i = 0; i < (routine.n ? 2 : 3); i++)
		contact_burst(b, of->series[i], t, ev->seq, size);
}

/* A question is a contact by its name; the answer says whether policy knows that name. */
static void on_dns(struct contact_book *b, const struct event *ev, double t)
{
	struct contacts like = {
		.what = CONTACT_DNS,
		.name = text(&ev->v[EV_AT(DNS, NAME)]),
		.protocol = STR("dns"),
	};
	struct str answer = answer_of(ev, EV_AT(DNS, ANSWER), EV_AT(DNS, REASON)), name = like.name;
	char domain[256];
	uint32_t series;

	if (!name.n || contact_transport_is_near(text(&ev->v[EV_AT(DNS, TRANSPORT)])))
		return;
	who(b, ev->proc, &like);
	contact_by_name(&like, domain);
	series = contact_series(b, &like);
	if (str_eq(text(&ev->v[EV_AT(DNS, OP)]), STR("query"))) {
		contact_question(b, series, t, ev->seq, name);
		return;
	}
	contact_answered(b, series, name);
	if (!answer.n || str_eq(answer, STR("allowed")))
		return;
	contact_any(&like);
	contact_question(b, contact_series(b, &like), t, ev->seq, name);
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
