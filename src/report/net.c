// SPDX-License-Identifier: Apache-2.0
/*
 * net.c - whom the programs talked to: connections gathered into peers
 */
#include "report/model.h"

const char *const net_answer_word[NET_ANSWERS] = {
	[NET_ALLOWED] = "allowed",
	[NET_SINKHOLE] = "sinkhole",
	[NET_REFUSED] = "refused",
	[NET_UNANSWERED] = "unanswered",
};

static enum net_answer answer_of(const struct event *ev, enum net_answer otherwise)
{
	for (int i = 0; i < NET_ANSWERS; i++)
		if (ev_is(ev, EV_AT(FLOW, ANSWER), net_answer_word[i]))
			return (enum net_answer)i;
	return otherwise;
}

/* ---- the connection that an event belongs to ---------------------------------------------- */

/* Numbers of flows start at 1 in each run and have no gaps; what does not keep to that is lost. */
static struct netflow *flow_new(struct net *n, uint32_t run, int64_t nr)
{
	struct net_run *r = n->nrun ? &n->run[n->nrun - 1] : NULL;

	if (!r || r->run != run) {
		n->run = vec_grow(n->run, n->nrun, &n->run_cap, sizeof(*n->run));
		r = &n->run[n->nrun++];
		*r = (struct net_run){ run, n->nflow };
	}
	if (n->nflow >= NET_FLOWS_MAX || nr != (int64_t)(n->nflow - r->first) + 1)
		return NULL;
	n->flow = vec_grow(n->flow, n->nflow, &n->flow_cap, sizeof(*n->flow));
	n->flow[n->nflow] = (struct netflow){ .run = run, .peer = INTERN_NONE };
	return &n->flow[n->nflow++];
}

static struct netflow *flow_find(const struct net *n, uint32_t run, int64_t nr)
{
	for (size_t i = n->nrun; i-- > 0;) {
		size_t end = i + 1 < n->nrun ? n->run[i + 1].first : n->nflow;

		if (n->run[i].run != run)
			continue;
		return nr >= 1 && (uint64_t)nr <= end - n->run[i].first
			       ? &n->flow[n->run[i].first + (size_t)nr - 1]
			       : NULL;
	}
	return NULL;
}

static struct peer *peer_of(struct rep *rep, const struct event *ev, int flow_field,
			    struct netflow **ret_flow)
{
	struct netflow *f = flow_find(&rep->net, ev->run, ev_int(ev, flow_field));

	if (ret_flow)
		*ret_flow = f;
	return f && f->peer != INTERN_NONE ? &rep->net.peer[f->peer] : NULL;
}

/* ---- connections -------------------------------------------------------------------------- */

static uint32_t peer_new(struct rep *rep, const struct event *ev)
{
	struct net *n = &rep->net;
	struct arena *a = &rep->a;
	struct str who = procs_image(&rep->procs, ev->proc, ev->seq);
	struct str name = ev_str(ev, EV_AT(FLOW, NAME)), address = ev_str(ev, EV_AT(FLOW, DST));
	struct str protocol = ev_str(ev, EV_AT(FLOW, PROTOCOL)), where = name.n ? name : address;
	int64_t port = ev_has(ev, EV_AT(FLOW, DST_PORT)) ? ev_int(ev, EV_AT(FLOW, DST_PORT)) : -1;
	const struct proc *p = procs_get(&rep->procs, ev->proc);
	cleanup_buf struct buf key = { 0 };
	bool is_new;
	uint32_t id;

	buf_printf(&key, "%lld %zu %zu %d ", (long long)port, who.n, where.n, name.n > 0);
	buf_add(&key, who.p, who.n);
	buf_add(&key, where.p, where.n);
	buf_add(&key, protocol.p, protocol.n);
	n->keys.a = a;
	id = intern_add(&n->keys, (struct str){ buf_z(&key), key.n }, &is_new);
	if (id == INTERN_NONE || !is_new)
		return id;
	n->peer = vec_grow(n->peer, n->npeer, &n->peer_cap, sizeof(*n->peer));
	n->peer[n->npeer++] = (struct peer){
		.who = who,
		.name = arena_str(a, name),
		.address = arena_str(a, address),
		.protocol = arena_str(a, protocol),
		.port = port,
		.run = ev->run,
		.proc = ev->proc,
		.pid = p ? p->pid : 0,
		.first_seq = ev->seq,
		.first_t = ev->t,
	};
	return id;
}

static void keep(struct rep *rep, struct str *to, struct str s)
{
	if (s.n && !str_eq(*to, s))
		*to = arena_str(&rep->a, s);
}

/* What goes to the box's own resolver reaches nobody: its questions are told by name. */
static bool asks_names(const struct event *ev)
{
	return str_starts(ev_str(ev, EV_AT(FLOW, REASON)), "asks for names");
}

static void flow_begin(struct rep *rep, const struct event *ev)
{
	struct net *n = &rep->net;
	struct netflow *f = flow_new(n, ev->run, ev_int(ev, EV_AT(FLOW, FLOW)));
	enum net_answer answer = answer_of(ev, NET_UNANSWERED);
	uint32_t id;

	if (asks_names(ev)) {
		n->name_flows++;
		if (f)
			f->names = true;
		return;
	}
	id = peer_new(rep, ev);

	n->flows++;
	n->answer[answer]++;
	n->flows_lost += !f;
	n->peers_lost += id == INTERN_NONE;
	if (f) {
		f->seq = ev->seq;
		f->t0 = ev->t;
		f->answer = (uint8_t)answer;
		f->peer = id;
	}
	if (id != INTERN_NONE) {
		n->peer[id].flows++;
		n->peer[id].answer[answer]++;
		n->peer[id].last_t = ev->t;
		keep(rep, &n->peer[id].reason, ev_str(ev, EV_AT(FLOW, REASON)));
	}
}

/* What became of it is known at the end: the first bytes can have changed the verdict. */
static void flow_end(struct rep *rep, const struct event *ev)
{
	struct net *n = &rep->net;
	struct netflow *f;
	struct peer *p = peer_of(rep, ev, EV_AT(FLOW, FLOW), &f);
	uint64_t out = (uint64_t)ev_int(ev, EV_AT(FLOW, BYTES_OUT));
	uint64_t in = (uint64_t)ev_int(ev, EV_AT(FLOW, BYTES_IN));

	if (f ? f->names : asks_names(ev))
		return;
	n->bytes_out += out;
	n->bytes_in += in;
	if (f) {
		enum net_answer now = answer_of(ev, (enum net_answer)f->answer);

		n->answer[f->answer]--;
		n->answer[now]++;
		if (p) {
			p->answer[f->answer]--;
			p->answer[now]++;
		}
		f->answer = (uint8_t)now;
		f->t1 = ev->t;
	}
	if (!p)
		return;
	p->bytes_out += out;
	p->bytes_in += in;
	p->bursts += (uint64_t)ev_int(ev, EV_AT(FLOW, BURSTS));
	p->last_t = ev->t;
	keep(rep, &p->app, ev_str(ev, EV_AT(FLOW, APP)));
	keep(rep, &p->reason, ev_str(ev, EV_AT(FLOW, REASON)));
}

uint64_t net_left_open(const struct net *n, uint32_t run)
{
	uint64_t open = 0;

	for (size_t i = 0; i < n->nflow; i++)
		open += n->flow[i].run == run && !n->flow[i].t1 && !n->flow[i].names;
	return open;
}

void net_flow(void *ctx, const struct event *ev)
{
	if (ev_is(ev, EV_AT(FLOW, OP), "begin"))
		flow_begin(ctx, ev);
	else
		flow_end(ctx, ev);
}

/* ---- what was said ------------------------------------------------------------------------ */

/* A request line says more than a server name, and that more than bytes. */
static bool says_more(const struct peer *p, enum event_kind kind)
{
	static const uint8_t weight[EVENT_KINDS] = { [EV_BANNER] = 1, [EV_TLS] = 2, [EV_HTTP] = 3 };

	return weight[kind] > weight[p->said_kind];
}

static void set_said(struct rep *rep, struct peer *p, const struct event *ev, struct str s)
{
	if (!s.n || !says_more(p, ev->kind))
		return;
	p->said = arena_str(&rep->a, s);
	p->said_kind = ev->kind;
	p->said_seq = ev->seq;
}

void net_banner(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct peer *p = peer_of(rep, ev, EV_AT(BANNER, FLOW), NULL);
	bool mismatch = ev_int(ev, EV_AT(BANNER, MISMATCH)) != 0;
	struct str out = ev_str(ev, EV_AT(BANNER, OUT));

	rep->net.mismatches += mismatch;
	if (!p)
		return;
	if (!p->app.n)
		keep(rep, &p->app, ev_str(ev, EV_AT(BANNER, PROTOCOL)));
	set_said(rep, p, ev, out.n ? out : ev_str(ev, EV_AT(BANNER, IN)));
	if (mismatch && !p->mismatch_seq) {
		p->mismatch_seq = ev->seq;
		keep(rep, &p->expected, ev_str(ev, EV_AT(BANNER, EXPECTED)));
	}
}

void net_tls(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct peer *p = peer_of(rep, ev, EV_AT(TLS, FLOW), NULL);
	struct str verdict = ev_str(ev, EV_AT(TLS, VERDICT));
	bool bad = ev_is(ev, EV_AT(TLS, OP), "certificate") && verdict.n &&
		   !str_eq(verdict, STR("ok"));
	bool pins = ev_is(ev, EV_AT(TLS, OP), "alert") && ev_is(ev, EV_AT(TLS, SIDE), "box");

	rep->net.unverified += bad;
	rep->net.pinned += pins;
	if (!p)
		return;
	if (ev_is(ev, EV_AT(TLS, OP), "client-hello"))
		set_said(rep, p, ev, ev_str(ev, EV_AT(TLS, SNI)));
	if (bad && !p->unverified_seq) {
		p->unverified_seq = ev->seq;
		keep(rep, &p->unverified, verdict);
	}
	if (pins && !p->pinned_seq) {
		p->pinned_seq = ev->seq;
		keep(rep, &p->pinned, verdict.n ? verdict : STR("alert"));
	}
}

/* "name" or "name:port" of a peer that is called so anyway */
static bool names_peer(const struct peer *p, struct str host)
{
	const char *colon = memchr(host.p, ':', host.n);

	if (colon && p->name.n)
		host.n = (size_t)(colon - host.p);
	return str_eq(host, p->name);
}

void net_http(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct peer *p;
	struct str method = ev_str(ev, EV_AT(HTTP, METHOD)), host = ev_str(ev, EV_AT(HTTP, HOST));
	cleanup_buf struct buf b = { 0 };

	if (!ev_is(ev, EV_AT(HTTP, OP), "request"))
		return;
	rep->net.http_requests++;
	p = peer_of(rep, ev, EV_AT(HTTP, FLOW), NULL);
	if (!p || !says_more(p, EV_HTTP))
		return;
	buf_add(&b, method.p, method.n);
	buf_puts(&b, " ");
	if (host.n && !names_peer(p, host))
		buf_add(&b, host.p, host.n);
	buf_add(&b, ev_str(ev, EV_AT(HTTP, TARGET)).p, ev_str(ev, EV_AT(HTTP, TARGET)).n);
	set_said(rep, p, ev, (struct str){ b.p, b.n });
}

void net_canary(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct net *n = &rep->net;
	struct netflow *f;
	struct peer *p = peer_of(rep, ev, EV_AT(CANARY, FLOW), &f);

	n->canaries++;
	if (p)
		p->canaries++;
	if (f)
		f->canary = true;
	if (n->ncanary >= rep->rows_max)
		return;
	n->canary = vec_grow(n->canary, n->ncanary, &n->canary_cap, sizeof(*n->canary));
	n->canary[n->ncanary++] = (struct canary_row){
		.seq = ev->seq,
		.t = ev->t,
		.run = ev->run,
		.proc = ev->proc,
		.peer = f ? f->peer : INTERN_NONE,
		.value = arena_str(&rep->a, ev_str(ev, EV_AT(CANARY, VALUE))),
		.encoding = arena_str(&rep->a, ev_str(ev, EV_AT(CANARY, ENCODING))),
		.place = arena_str(&rep->a, ev_str(ev, EV_AT(CANARY, WHERE))),
		.sample = arena_str(&rep->a, ev_str(ev, EV_AT(CANARY, SAMPLE))),
	};
}

/* Answers are grouped by name; a question that nobody answered is counted alone. */
void net_dns(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;

	if (ev_is(ev, EV_AT(DNS, OP), "query")) {
		rep->net.dns_queries++;
		return;
	}
	group_add(rep, &rep->names, ev,
		  (struct group){ .who = procs_image(&rep->procs, ev->proc, ev->seq),
				  .what = ev_str(ev, EV_AT(DNS, NAME)),
				  .how = ev_str(ev, EV_AT(DNS, TYPE)),
				  .answer = ev_str(ev, EV_AT(DNS, ANSWER)),
				  .errname = ev_str(ev, EV_AT(DNS, RCODE)),
				  .example = ev_str(ev, EV_AT(DNS, ANSWERS)),
				  .reason = ev_str(ev, EV_AT(DNS, REASON)) });
}

/* ---- order, words ------------------------------------------------------------------------- */

static int by_weight(const void *a, const void *b, void *arg)
{
	const struct net *n = arg;
	const struct peer *x = &n->peer[*(const uint32_t *)a], *y = &n->peer[*(const uint32_t *)b];
	uint64_t reached_x = x->answer[NET_ALLOWED], reached_y = y->answer[NET_ALLOWED];

	if (x->canaries != y->canaries)
		return x->canaries > y->canaries ? -1 : 1;
	if (!reached_x != !reached_y)
		return reached_x ? -1 : 1;
	if (x->bytes_out != y->bytes_out)
		return x->bytes_out > y->bytes_out ? -1 : 1;
	return x->first_seq < y->first_seq ? -1 : 1;
}

void net_order(struct net *n)
{
	uint32_t *order = xcalloc(n->npeer + 1, sizeof(*order));
	uint32_t *place = xcalloc(n->npeer + 1, sizeof(*place));
	struct peer *sorted = xcalloc(n->npeer + 1, sizeof(*sorted));

	for (size_t i = 0; i < n->npeer; i++)
		order[i] = (uint32_t)i;
	if (n->npeer)
		qsort_r(order, n->npeer, sizeof(*order), by_weight, n);
	for (size_t i = 0; i < n->npeer; i++) {
		sorted[i] = n->peer[order[i]];
		place[order[i]] = (uint32_t)i;
	}
	for (size_t i = 0; i < n->nflow; i++)
		if (n->flow[i].peer != INTERN_NONE)
			n->flow[i].peer = place[n->flow[i].peer];
	for (size_t i = 0; i < n->ncanary; i++)
		if (n->canary[i].peer != INTERN_NONE)
			n->canary[i].peer = place[n->canary[i].peer];
	free(order);
	free(place);
	free(n->peer);
	n->peer = sorted;
}

void net_free(struct net *n)
{
	intern_free(&n->keys);
	free(n->peer);
	free(n->flow);
	free(n->run);
	free(n->canary);
}

void say_answers(struct rep *rep, struct line *l, const uint64_t answer[NET_ANSWERS])
{
	static const char *const words[NET_ANSWERS] = {
		[NET_ALLOWED] = "answered by real servers",
		[NET_SINKHOLE] = "answered by the box itself (sinkhole)",
		[NET_REFUSED] = "refused",
		[NET_UNANSWERED] = "never answered",
	};
	const char *between = "";

	for (int i = 0; i < NET_ANSWERS; i++) {
		if (!answer[i])
			continue;
		line_say(&rep->a, l, "%s%llu %s", between, (unsigned long long)answer[i], words[i]);
		between = ", ";
	}
}

static void say_word(struct rep *rep, struct line *l, struct str s)
{
	if (plain_word(s))
		line_say(&rep->a, l, "%.*s", (int)s.n, s.p);
	else
		line_name(&rep->a, l, s);
}

static void say_bytes(struct rep *rep, struct line *l, uint64_t n)
{
	cleanup_buf struct buf b = { 0 };

	put_bytes(&b, n);
	line_say(&rep->a, l, "%s", buf_z(&b));
}

static void say_place(struct rep *rep, struct line *l, const struct peer *p)
{
	line_name(&rep->a, l, p->name.n ? p->name : p->address);
	if (!p->name.n)
		line_say(&rep->a, l, " (an address that no name led to)");
	if (p->port >= 0)
		line_say(&rep->a, l, " port %lld", (long long)p->port);
}

static void say_who(struct rep *rep, struct line *l, struct str image, int64_t pid)
{
	line_name(&rep->a, l, image.n ? base_name(image) : STR("?"));
	if (pid)
		line_say(&rep->a, l, " (process %lld)", (long long)pid);
}

void say_peer(struct rep *rep, struct line *l, const struct peer *p)
{
	cleanup_buf struct buf b = { 0 };

	say_who(rep, l, p->who, p->pid);
	line_say(&rep->a, l, " → ");
	say_place(rep, l, p);
	if (p->app.n) {
		line_say(&rep->a, l, ", ");
		say_word(rep, l, p->app);
	}
	if (p->expected.n) {
		line_say(&rep->a, l, " (the port is for ");
		say_word(rep, l, p->expected);
		line_say(&rep->a, l, ")");
	}
	put_count(&b, p->flows, "connection", "connections");
	line_say(&rep->a, l, ": %s, ", buf_z(&b));
	say_bytes(rep, l, p->bytes_out);
	line_say(&rep->a, l, " sent, ");
	say_bytes(rep, l, p->bytes_in);
	line_say(&rep->a, l, " received — ");
	say_answers(rep, l, p->answer);
	if (p->reason.n) {
		line_say(&rep->a, l, ": ");
		say_word(rep, l, p->reason);
	}
	if (p->said.n) {
		line_say(&rep->a, l,
			 p->said_kind == EV_TLS ? "; encrypted, for " : "; first words: ");
		line_name(&rep->a, l, clip(p->said, 120));
	}
	if (p->canaries) {
		b.n = 0;
		put_count(&b, p->canaries, "value", "values");
		line_say(&rep->a, l, "; %s of this machine sent", buf_z(&b));
	}
	line_ref(l, EV_FLOW, p->first_seq, p->flows - 1);
}

void say_canary_row(struct rep *rep, struct line *l, const struct canary_row *c)
{
	const struct proc *p = procs_get(&rep->procs, c->proc);

	line_name(&rep->a, l, c->value);
	line_say(&rep->a, l, ", sent by ");
	say_who(rep, l, procs_image(&rep->procs, c->proc, c->seq), p ? p->pid : 0);
	if (c->peer != INTERN_NONE) {
		line_say(&rep->a, l, " to ");
		say_place(rep, l, &rep->net.peer[c->peer]);
		if (rep->net.peer[c->peer].answer[NET_ALLOWED])
			line_say(&rep->a, l, ", which was really reached");
	}
	line_say(&rep->a, l, ", written as ");
	say_word(rep, l, c->encoding.n ? c->encoding : STR("raw"));
	if (c->place.n) {
		line_say(&rep->a, l, " (");
		say_word(rep, l, c->place);
		line_say(&rep->a, l, ")");
	}
	if (c->sample.n) {
		line_say(&rep->a, l, ": ");
		line_name(&rep->a, l, c->sample);
	}
	line_ref(l, EV_CANARY, c->seq, 0);
}
