// SPDX-License-Identifier: Apache-2.0
/*
 * capture.c - the contacts of a capture file: who asks whom again and again, and how regularly?
 *
 * Theory of operation
 *
 * A capture has no processes: the host that opens a connection stands for its program. Nor does a
 * flow's begin have a name. What a flow is called is known later, by what it says itself (SNI, HTTP
 * Host), or else by the last answer to that host which gave the address. So its contacts under a
 * name are counted when the name is known, at the latest with the flow's first burst or its end,
 * and as of the time when it began. What has no name by then may get one from a later answer, or
 * from what the same host calls the same address on another flow.
 *
 * One attempt is one contact: a SYN that is sent again belongs to its flow, and a flow that begins
 * soon after one with the same two ends (Windows tries a refused connection three times) does too.
 *
 * Flows under way are kept until their end is told, which gate_read_file() bounds; names that were
 * answered up to NAMES_MAX.
 */
#include <uthash.h>

#include "judge/contacts.h"
#include "judge/crowds.h"
#include "judge/judge.h"

#define NAMES_MAX     100000
#define TEXTS_MAX     400000
#define NETBIOS	      137
#define SAME_ATTEMPT  10.0 /* seconds */
#define ATTEMPTS_KEPT 4096

/** struct live - a flow under way; strings are of the arena */
struct live {
	uint32_t flow;
	bool near;   /* speaks to the neighbourhood: is not judged */
	bool named;  /* its name is settled */
	bool again;  /* the same attempt as a flow before it */
	bool known;  /* is declared */
	bool bursts; /* has had one */
	double t;
	uint64_t seq;
	struct str host, address, protocol, name;
	int64_t port, source;
	/* by name, by address, undeclared */
	uint32_t connection[3];
	uint32_t series[3];	/* of its bursts */
	struct routine routine; /* of all its bursts */
	UT_hash_handle hh;
};

struct capture_contacts {
	struct arena a;
	struct intern texts;
	struct contact_book *book;
	struct live *live;
	struct intern asked; /* 'HOST ADDRESS' … */
	struct str *names;   /* … and the name whose answer to the host gave the address */
	size_t names_cap;
	struct {
		uint64_t ends;
		double t;
	} attempt[ATTEMPTS_KEPT];
	bool (*declared)(void *ctx, struct str name, struct str address, uint16_t port);
	void *ctx;
	bool full;
	struct regular *v;
	size_t n;
};

struct capture_contacts *capture_contacts_new(bool (*declared)(void *ctx, struct str name,
							       struct str address, uint16_t port),
					      void *ctx)
{
	struct capture_contacts *c = xcalloc(1, sizeof(*c));

	c->book = contact_book_new();
	c->texts = (struct intern){ .a = &c->a, .max = TEXTS_MAX };
	c->asked = (struct intern){ .a = &c->a, .max = NAMES_MAX };
	c->declared = declared;
	c->ctx = ctx;
	return c;
}

void capture_contacts_free(struct capture_contacts *c)
{
	struct live *l, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->live, l, next)
	{
		HASH_DEL(c->live, l);
		free(l);
	}
	contact_book_free(c->book);
	intern_free(&c->texts);
	intern_free(&c->asked);
	free(c->names);
	arena_free(&c->a);
	free(c->v);
	free(c);
}

/* Texts that come again and again are kept once; one that is too many is empty. */
static struct str keep(struct capture_contacts *c, struct str s)
{
	bool is_new;
	uint32_t at = intern_add(&c->texts, s, &is_new);

	if (at != INTERN_NONE)
		return c->texts.item[at].s;
	c->full = true;
	return (struct str){ "", 0 };
}

static struct str text(const struct val *v)
{
	return v->type == VAL_TEXT ? v->s : (struct str){ "", 0 };
}

static int64_t number(const struct val *v)
{
	return v->type == VAL_INT ? v->i : 0;
}

static struct live *find(const struct capture_contacts *c, const struct val *flow)
{
	uint32_t id = (uint32_t)number(flow);
	struct live *l = NULL;

	HASH_FIND_INT(c->live, &id, l);
	return l;
}

/* ---- names -------------------------------------------------------------------------------- */

static struct str pair(struct buf *b, struct str host, struct str address)
{
	buf_add(b, host.p, host.n);
	buf_puts(b, " ");
	buf_add(b, address.p, address.n);
	return (struct str){ buf_z(b), b->n };
}

static void learn(struct capture_contacts *c, struct str host, struct str address, struct str name)
{
	cleanup_buf struct buf b = { 0 };
	bool is_new;
	uint32_t at = intern_add(&c->asked, pair(&b, host, address), &is_new);

	if (at == INTERN_NONE) {
		c->full = true;
		return;
	}
	if (is_new)
		c->names = vec_grow(c->names, at, &c->names_cap, sizeof(*c->names));
	c->names[at] = keep(c, name);
}

static struct str answered_name(const struct capture_contacts *c, struct str host,
				struct str address)
{
	cleanup_buf struct buf b = { 0 };
	uint32_t at = intern_find(&c->asked, pair(&b, host, address));

	return at == INTERN_NONE ? (struct str){ "", 0 } : c->names[at];
}

static struct str word(struct str *rest)
{
	struct str w = *rest;

	while (w.n && *w.p == ' ')
		w.p++, w.n--;
	*rest = w;
	while (rest->n && *rest->p != ' ')
		rest->p++, rest->n--;
	w.n = (size_t)(rest->p - w.p);
	return w;
}

/* 'NAME TTL TYPE DATA; NAME TTL TYPE DATA' */
static void learn_all(struct capture_contacts *c, struct str host, struct str name,
		      struct str records)
{
	while (records.n) {
		const char *end = memchr(records.p, ';', records.n);
		struct str one = { records.p, end ? (size_t)(end - records.p) : records.n };
		struct str type;

		records.p += one.n + (end != NULL);
		records.n -= one.n + (end != NULL);
		word(&one);
		word(&one);
		type = word(&one);
		if (str_eq(type, STR("A")) || str_eq(type, STR("AAAA")))
			learn(c, host, word(&one), name);
	}
}

/* "Host: name:port" → name */
static struct str without_port(struct str host)
{
	const char *colon = host.n ? memrchr(host.p, ':', host.n) : NULL;

	if (colon && !memchr(host.p, ']', host.n))
		host.n = (size_t)(colon - host.p);
	return host;
}

/* An address where a name should be is none. */
static bool is_name(struct str s)
{
	bool letters = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ':' || s.p[i] == '[')
			return false;
		letters |= s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9');
	}
	return letters;
}

/* ---- contacts ----------------------------------------------------------------------------- */

static struct contacts like(const struct live *l)
{
	return (struct contacts){
		.image = l->host,
		.protocol = l->protocol,
		.name = l->name,
		.port = l->port,
		.source = l->source,
	};
}

static bool declared(const struct capture_contacts *c, const struct live *l)
{
	return c->declared && c->declared(c->ctx, l->name, l->address, (uint16_t)l->port);
}

static void find_series(struct capture_contacts *c, const struct live *l, enum contact_what what,
			uint32_t ret[3])
{
	struct contacts k = like(l);
	char domain[256];

	k.what = what;
	k.answer = l->known ? STR("allowed") : STR("");
	if (l->name.n) {
		contact_by_name(&k, domain);
		ret[0] = contact_series(c->book, &k);
	}
	k.by = CONTACT_BY_ADDRESS;
	k.destination = l->address;
	ret[1] = contact_series(c->book, &k);
	if (l->known)
		return;
	contact_any(&k);
	ret[2] = contact_series(c->book, &k);
}

/* Its name is what it will be: it counts. */
static void settle(struct capture_contacts *c, struct live *l)
{
	/* queries are told by name */
	if (l->named || l->near || l->port == 53)
		return;
	l->named = true;
	if (!l->name.n)
		l->name = answered_name(c, l->host, l->address);
	l->known = declared(c, l);
	if (l->again)
		return;
	find_series(c, l, CONTACT_CONNECTION, l->connection);
	for (int i = 0; i < 3; i++)
		contact_add(c->book, l->connection[i], l->t, l->seq);
}

/* At its end: was there nothing on it but a protocol's routine? That says nothing of whom the host
 * contacts in all. */
static void settle_routine(struct capture_contacts *c, const struct live *l)
{
	if (!l->routine.plain && !l->routine.of.n)
		return; /* nothing was said */
	if (!l->routine.plain)
		contact_take_back(c->book, l->connection[2], l->t, l->seq);
	for (int i = 0; i < 2; i++) {
		contact_routine(c->book, l->connection[i], routine_all(&l->routine));
		contact_routine(c->book, l->series[i], routine_all(&l->routine));
	}
}

/* Did a flow with the same ends begin just before? */
static bool same_attempt(struct capture_contacts *c, const struct event *ev, double t)
{
	const int fields[] = { EV_AT(FLOW, SRC), EV_AT(FLOW, DST) };
	const int64_t ports[] = { number(&ev->v[EV_AT(FLOW, SRC_PORT)]),
				  number(&ev->v[EV_AT(FLOW, DST_PORT)]) };
	uint64_t h = fnv1a(FNV1A, ports, sizeof(ports));
	typeof(&c->attempt[0]) a;
	bool same;

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
		struct str s = text(&ev->v[fields[f]]);

		h = fnv1a(fnv1a(h, s.p, s.n), " ", 1);
	}
	a = &c->attempt[(h ^ h >> 32) % ATTEMPTS_KEPT];
	same = a->ends == h && t - a->t < SAME_ATTEMPT;
	a->ends = h;
	a->t = t;
	return same;
}

static bool dhcp(int64_t port)
{
	return port == 67 || port == 68;
}

/* A network's own housekeeping, where it is not already seen by the address: DHCP, and datagrams to
 * what looks like the broadcast address of a private network. */
static bool asks_neighbours(const struct event *ev)
{
	struct str dst = text(&ev->v[EV_AT(FLOW, DST)]);

	if (!str_eq(text(&ev->v[EV_AT(FLOW, PROTOCOL)]), STR("udp")) || !contact_is_private(dst))
		return false;
	return str_ends(dst, ".255") || (dhcp(number(&ev->v[EV_AT(FLOW, SRC_PORT)])) &&
					 dhcp(number(&ev->v[EV_AT(FLOW, DST_PORT)])));
}

static void begin(struct capture_contacts *c, const struct event *ev, double t)
{
	struct live *l = find(c, &ev->v[EV_AT(FLOW, FLOW)]);
	struct str address = text(&ev->v[EV_AT(FLOW, DST)]);

	if (l)
		return;
	l = xcalloc(1, sizeof(*l));
	l->flow = (uint32_t)number(&ev->v[EV_AT(FLOW, FLOW)]);
	l->t = t;
	l->seq = ev->seq;
	l->host = keep(c, text(&ev->v[EV_AT(FLOW, SRC)]));
	l->address = keep(c, address);
	l->protocol = keep(c, text(&ev->v[EV_AT(FLOW, PROTOCOL)]));
	l->port = number(&ev->v[EV_AT(FLOW, DST_PORT)]);
	l->source = number(&ev->v[EV_AT(FLOW, SRC_PORT)]);
	l->near = contact_is_near(address) || asks_neighbours(ev);
	l->again = str_eq(l->protocol, STR("tcp")) && same_attempt(c, ev, t);
	HASH_ADD_INT(c->live, flow, l);
}

static void on_flow(struct capture_contacts *c, const struct event *ev, double t)
{
	struct live *l;

	if (str_eq(text(&ev->v[EV_AT(FLOW, OP)]), STR("begin"))) {
		begin(c, ev, t);
		return;
	}
	l = find(c, &ev->v[EV_AT(FLOW, FLOW)]);
	if (!l)
		return;
	settle(c, l);
	settle_routine(c, l);
	HASH_DEL(c->live, l);
	free(l);
}

static void on_burst(struct capture_contacts *c, const struct event *ev, double t)
{
	struct live *l = find(c, &ev->v[EV_AT(BURST, FLOW)]);
	struct str routine = text(&ev->v[EV_AT(BURST, ROUTINE)]);

	if (l)
		routine_note(&l->routine,
			     routine.n && !l->routine.of.n ? keep(c, routine) : routine);
	if (!l || !str_eq(text(&ev->v[EV_AT(BURST, DIR)]), STR("out")))
		return;
	settle(c, l);
	if (!l->named)
		return;
	if (!l->bursts)
		find_series(c, l, CONTACT_BURST, l->series);
	l->bursts = true;
	for (int i = 0; i < (routine.n ? 2 : 3); i++)
		contact_burst(c->book, l->series[i], t, ev->seq,
			      number(&ev->v[EV_AT(BURST, BYTES)]));
}

static void on_name(struct capture_contacts *c, const struct val *flow, struct str name)
{
	struct live *l = find(c, flow);

	if (!l || l->named || !is_name(name))
		return;
	l->name = keep(c, name);
	if (!answered_name(c, l->host, l->address).n)
		learn(c, l->host, l->address, l->name);
	settle(c, l);
}

static void on_dns(struct capture_contacts *c, const struct event *ev, double t)
{
	struct live *l = find(c, &ev->v[EV_AT(DNS, FLOW)]);
	struct str name = text(&ev->v[EV_AT(DNS, NAME)]);
	struct contacts k = { .what = CONTACT_DNS, .protocol = STR("dns"), .name = name };
	uint32_t series[2];
	char domain[256];
	bool known;

	if (!l || l->near || l->port == NETBIOS || !name.n ||
	    contact_transport_is_near(text(&ev->v[EV_AT(DNS, TRANSPORT)])))
		return;
	k.image = l->host;
	known = c->declared && c->declared(c->ctx, name, STR(""), 0);
	k.answer = known ? STR("allowed") : STR("");
	contact_by_name(&k, domain);
	series[0] = contact_series(c->book, &k);
	contact_any(&k);
	series[1] = known ? 0 : contact_series(c->book, &k);
	if (str_eq(text(&ev->v[EV_AT(DNS, OP)]), STR("answer")))
		learn_all(c, l->host, name, text(&ev->v[EV_AT(DNS, ANSWERS)]));
	for (int i = 0; i < 2; i++)
		if (str_eq(text(&ev->v[EV_AT(DNS, OP)]), STR("answer")))
			contact_answered(c->book, series[i], name);
		else
			contact_question(c->book, series[i], t, ev->seq, name);
}

int capture_contacts_event(void *ctx, const struct event *ev)
{
	struct capture_contacts *c = ctx;
	double t = (double)ev->t / (double)NSEC_PER_SEC;

	if (ev->kind == EV_FLOW)
		on_flow(c, ev, t);
	else if (ev->kind == EV_BURST)
		on_burst(c, ev, t);
	else if (ev->kind == EV_DNS)
		on_dns(c, ev, t);
	else if (ev->kind == EV_TLS)
		on_name(c, &ev->v[EV_AT(TLS, FLOW)], text(&ev->v[EV_AT(TLS, SNI)]));
	else if (ev->kind == EV_HTTP)
		on_name(c, &ev->v[EV_AT(HTTP, FLOW)],
			without_port(text(&ev->v[EV_AT(HTTP, HOST)])));
	return 0;
}

/* ---- what they say ------------------------------------------------------------------------ */

static void judge_series(const struct contacts *k, struct regular *r)
{
	static const char *const whats[] = { "connection", "burst", "dns" };
	static const char *const keys[] = { "name", "address", "undeclared" };
	struct beacon b;

	beacon_test(k->t, k->n, &b);
	*r = (struct regular){
		.what = whats[k->what],
		.key = keys[k->by],
		.host = k->image,
		.destination = k->destination,
		.name = k->name,
		.protocol = k->protocol,
		.port = (uint16_t)k->port,
		.declared = str_eq(k->answer, STR("allowed")),
		.contacts = b.too_few ? k->all : b.contacts,
		.first = k->n ? k->t[0] : 0,
		.seconds = k->n ? k->t[k->n - 1] - k->t[0] : 0,
		.too_few = b.too_few,
		.period = b.period,
		.jitter = b.jitter,
		.p = b.p,
		.blocks = b.blocks,
		.flagged = b.flagged,
		.regular_start = b.regular_start,
		.same_size = k->sizes > 1 ? (double)k->same / (double)(k->sizes - 1) : 0,
		.routine = routine_all(&k->routine),
	};
	r->told = !r->too_few && !r->declared && !r->routine.n && r->p <= REGULAR_P &&
		  r->contacts >= REGULAR_CONTACTS;
}

/* The same contacts under another key, or inside of their connections, are told once: by name
 * before address before all of them, connections before bursts before questions. */
static bool told_by(const struct regular *a, const struct contacts *of_a, const struct regular *b,
		    const struct contacts *of_b)
{
	char domain[256];

	if (a == b || !str_eq(a->host, b->host) || of_a->by > of_b->by || of_a->what > of_b->what ||
	    (of_a->by == of_b->by && of_a->what == of_b->what))
		return false;
	if (of_b->by == CONTACT_BY_UNDECLARED)
		return true;
	if (of_a->by == of_b->by)
		return str_eq(a->destination, b->destination) &&
		       (a->port == b->port || of_b->what == CONTACT_DNS);
	if (!b->name.n)
		return false;
	registrable_domain(b->name, domain, sizeof(domain));
	return str_eq(a->destination, str_z(domain)) && a->port == b->port;
}

static void tell_once(struct capture_contacts *c)
{
	size_t *told = xcalloc(c->n + 1, sizeof(*told)), n = 0;
	bool *again = xcalloc(c->n + 1, sizeof(*again));

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].told)
			told[n++] = i;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n && !again[i]; k++)
			again[i] = told_by(&c->v[told[k]], contact_book_get(c->book, told[k]),
					   &c->v[told[i]], contact_book_get(c->book, told[i]));
	for (size_t i = 0; i < n; i++)
		c->v[told[i]].told = !again[i];
	free(told);
	free(again);
}

/* A capture begins in the middle of connections, whose names were looked up before. When the host
 * looks up a name later and is given the same address, or says a name there, that is whom it has
 * asked all the time. */
static void name_afterwards(struct capture_contacts *c, size_t at)
{
	struct contacts of = *contact_book_get(c->book, at), k;
	struct str name = answered_name(c, of.image, of.destination);
	char domain[256];
	uint32_t series;

	if (of.by != CONTACT_BY_ADDRESS || of.name.n || !name.n)
		return;
	contact_book_name(c->book, at, name);
	if (c->declared && c->declared(c->ctx, name, of.destination, (uint16_t)of.port))
		contact_book_allow(c->book, at);
	of = *contact_book_get(c->book, at);
	k = (struct contacts){ .what = of.what,
			       .image = of.image,
			       .protocol = of.protocol,
			       .answer = of.answer,
			       .name = name,
			       .port = of.port,
			       .source = of.source };
	contact_by_name(&k, domain);
	series = contact_series(c->book, &k);
	for (size_t i = 0; i < of.n; i++)
		contact_add(c->book, series, of.t[i], i < of.nseqs ? of.seq[i] : 0);
	if (of.routine.plain || of.routine.of.n)
		contact_routine(c->book, series, routine_all(&of.routine));
}

size_t capture_contacts_judge(struct capture_contacts *c)
{
	struct live *l, *next;

	HASH_ITER(hh, c->live, l, next)
	{
		settle(c, l);
		settle_routine(c, l);
	}
	for (size_t i = 0, n = contact_book_series(c->book); i < n; i++)
		name_afterwards(c, i);
	contact_book_end(c->book);
	c->n = contact_book_series(c->book);
	c->v = xcalloc(c->n + 1, sizeof(*c->v));
	for (size_t i = 0; i < c->n; i++)
		judge_series(contact_book_get(c->book, i), &c->v[i]);
	tell_once(c);
	crowds_tell(c->v, c->n, c->book);
	return c->n;
}

const struct regular *capture_contacts_get(const struct capture_contacts *c, size_t i)
{
	return &c->v[i];
}

bool capture_contacts_full(const struct capture_contacts *c)
{
	return c->full || contact_book_full(c->book);
}
