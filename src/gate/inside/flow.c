// SPDX-License-Identifier: Apache-2.0
/*
 * flow.c - a flow's life: judged when it begins, seen while it lasts, told when it ends
 */
#include "gate/inside/inside.h"

#include <netinet/tcp.h>

/* ---- begin -------------------------------------------------------------------------------- */

static bool is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->v6 ? !memcmp(a->ip, one, 16) : a->ip[0] == 127;
}

static void text_field(struct event *ev, int at, const char *s)
{
	if (s && *s)
		ev->v[at] = V_Z(s);
}

static void tell(struct inside *in, struct flow *f, const char *end)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	struct event ev = { .kind = EV_FLOW };
	enum watch_protocol app = f->watch ? watch_protocol(f->watch) : PROTO_UNKNOWN;

	ev.t = end ? 0 : f->began;
	ev.v[EV_AT(FLOW, OP)] = V_Z(end ? "end" : "begin");
	ev.v[EV_AT(FLOW, FLOW)] = V_INT(f->facts.id);
	ev.v[EV_AT(FLOW, PROTOCOL)] = V_Z(f->facts.tcp ? "tcp"
					  : f->icmp    ? "icmp"
					  : f->other   ? "other"
						       : "udp");
	ev.v[EV_AT(FLOW, SRC)] = V_Z(addr_text(&f->facts.src, src));
	ev.v[EV_AT(FLOW, DST)] = V_Z(addr_text(&f->facts.dst, dst));
	if (!f->other)
		ev.v[EV_AT(FLOW, SRC_PORT)] = V_INT(f->facts.src.port);
	if (!f->icmp && !f->other) {
		ev.v[EV_AT(FLOW, DST_PORT)] = V_INT(f->facts.dst.port);
	}
	text_field(&ev, EV_AT(FLOW, NAME), f->facts.name);
	text_field(&ev, EV_AT(FLOW, ANSWER), f->answer);
	text_field(&ev, EV_AT(FLOW, REASON), f->reason);
	if (end) {
		if (app == PROTO_UNKNOWN || app == PROTO_OTHER_TEXT || app == PROTO_OTHER_BINARY)
			app = f->way == WAY_NAMES ? PROTO_DNS : PROTO_UNKNOWN;
		if (app != PROTO_UNKNOWN)
			ev.v[EV_AT(FLOW, APP)] = V_Z(watch_protocol_name(app));
		ev.v[EV_AT(FLOW, BYTES_OUT)] = V_INT(f->bytes[DIR_OUT]);
		ev.v[EV_AT(FLOW, BYTES_IN)] = V_INT(f->bytes[DIR_IN]);
		if (f->watch)
			ev.v[EV_AT(FLOW, BURSTS)] = V_INT(watch_bursts(f->watch));
		ev.v[EV_AT(FLOW, END)] = V_Z(end);
		text_field(&ev, EV_AT(FLOW, DIALED), f->dialed);
	}
	inside_emit(in, &ev);
}

/* Which way: the resolver, the sinkhole, the peer, or none. */
static void judge(struct inside *in, struct flow *f)
{
	const struct addr *dst = &f->facts.dst;
	bool real = false;
	struct judged j;

	if (!resolver_name_of(in->resolver, dst, in->now, f->facts.name, &real))
		f->facts.name[0] = 0;
	if (dst->port == 53) {
		f->way = WAY_NAMES;
		f->answer = "allowed";
		snprintf(f->reason, sizeof(f->reason),
			 "asks for names: the box's resolver answers");
		return;
	}
	if (policy_encrypted_dns(in->policy, f->facts.name, dst->port, "", false, j.reason))
		j.verdict = VERDICT_REFUSE;
	else
		j = policy_address(in->policy, dst, f->facts.name);
	/* a sinkhole address is nobody's, whatever the policy says of it by now */
	if (j.verdict == VERDICT_ALLOW && f->facts.name[0] && !real) {
		j.verdict = VERDICT_SINK;
		snprintf(
			j.reason, sizeof(j.reason),
			"the address was given by the sinkhole; a new look-up of '%.120s' gives the "
			"real one",
			f->facts.name);
	}
	snprintf(f->reason, sizeof(f->reason), "%s", j.reason);
	if (j.verdict == VERDICT_SINK && in->opts->sink_refuses)
		j.verdict = VERDICT_REFUSE;
	f->way = j.verdict == VERDICT_ALLOW  ? WAY_PEER
		 : j.verdict == VERDICT_SINK ? WAY_SINK
					     : WAY_REFUSED;
	f->answer = f->way == WAY_PEER ? "allowed" : f->way == WAY_SINK ? "sinkhole" : "refused";
}

static void tell_limit(struct inside *in, uint32_t value, const char *detail)
{
	struct event ev = { .kind = EV_LIMIT };

	if (in->told_flows_max)
		return;
	in->told_flows_max = true;
	ev.v[EV_AT(LIMIT, WHAT)] = V_Z("flows");
	ev.v[EV_AT(LIMIT, VALUE)] = V_INT(value);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("gate");
	ev.v[EV_AT(LIMIT, DETAIL)] = V_Z(detail);
	inside_emit(in, &ev);
}

static bool over_limit(struct inside *in)
{
	if (in->nflows < FLOWS_OPEN_MAX)
		return false;
	tell_limit(in, FLOWS_OPEN_MAX, "more connections at once were refused");
	return true;
}

bool flow_reserve(struct inside *in, struct flow *f, uint8_t files)
{
	uint32_t all = in->files - f->files + files;

	if (files > f->files && all > in->files_max) {
		tell_limit(in, in->nflows,
			   "more connections at once were refused: this machine gives the gate no "
			   "more descriptors (ulimit -Hn)");
		return false;
	}
	in->files = all;
	f->files = files;
	return true;
}

/* A program's side (two where libslirp has the other end), the peer's, and the peer's again for a
 * check of who it is. */
static uint8_t files_of(const struct inside *in, const struct flow *f)
{
	uint8_t own = in->frames ? 2 : 1;

	if (!f->facts.tcp)
		return f->way == WAY_PEER;
	if (f->way != WAY_PEER)
		return own;
	return own +
	       (in->trust && f->facts.name[0] && policy_mode(in->policy) == GATE_DECLARED ? 2 : 1);
}

static struct flow *new_flow(struct inside *in, const struct addr *src, const struct addr *dst)
{
	struct flow *f;

	/* to our own listener: nobody who is honest */
	if (is_loopback(dst) || over_limit(in))
		return NULL;
	/* after the call that sent it, whose process is asked for by time */
	in->now = inside_now(in);
	f = xcalloc(1, sizeof(*f));
	f->facts.id = ++in->last_flow;
	f->facts.src = *src;
	f->facts.dst = *dst;
	f->client.src = (struct source){ SOURCE_CLIENT, -1, f };
	f->server.src = (struct source){ SOURCE_SERVER, -1, f };
	f->check_side.src = (struct source){ SOURCE_CHECK, -1, f };
	f->held_end = &f->held;
	f->began = in->now;
	f->next = in->flows;
	if (f->next)
		f->next->prev = f;
	in->flows = f;
	in->nflows++;
	f->id_next = in->by_id[f->facts.id % ARRAY_SIZE(in->by_id)];
	in->by_id[f->facts.id % ARRAY_SIZE(in->by_id)] = f;
	return f;
}

struct flow *flow_begin(struct inside *in, bool tcp, const struct addr *src, const struct addr *dst)
{
	struct flow *f = new_flow(in, src, dst);

	if (!f)
		return NULL;
	f->facts.tcp = tcp;
	judge(in, f);
	if (!flow_reserve(in, f, files_of(in, f))) {
		f->way = WAY_REFUSED;
		f->answer = "refused";
		snprintf(f->reason, sizeof(f->reason), "too many connections are open");
	}
	tell(in, f, NULL);
	if (f->way != WAY_REFUSED && f->way != WAY_NAMES)
		f->watch = watch_new(&f->facts, false, &in->emit);
	if (f->way == WAY_PEER)
		watch_chains(f->watch, gate_chain_shown, in);
	return f;
}

struct flow *flow_begin_ping(struct inside *in, const struct addr *src, const struct addr *dst)
{
	struct flow *f = new_flow(in, src, dst);
	bool real;

	if (!f)
		return NULL;
	f->icmp = true;
	f->way = WAY_SINK;
	f->answer = "sinkhole";
	snprintf(f->reason, sizeof(f->reason), "a ping: the gate answers it, nobody else does");
	if (!resolver_name_of(in->resolver, dst, in->now, f->facts.name, &real))
		f->facts.name[0] = 0;
	tell(in, f, NULL);
	f->watch = watch_new(&f->facts, false, &in->emit);
	watch_mute(f->watch);
	return f;
}

struct flow *flow_begin_astray(struct inside *in, bool tcp, bool other, const struct addr *src,
			       const struct addr *dst, const char *why)
{
	struct flow *f = new_flow(in, src, dst);

	if (!f)
		return NULL;
	f->facts.tcp = tcp;
	f->other = other;
	f->way = WAY_SINK;
	f->answer = "unanswered";
	snprintf(f->reason, sizeof(f->reason), "%s", why);
	tell(in, f, NULL);
	if (!tcp && !other)
		f->watch = watch_new(&f->facts, false, &in->emit);
	return f;
}

/* ---- while it lasts ----------------------------------------------------------------------- */

static const char *place_of(bool inside)
{
	return inside ? "tls" : "stream";
}

static void search(struct inside *in, struct flow *f, struct canary_stream **s, bool inner,
		   const void *p, size_t n)
{
	if (!in->canaries)
		return;
	if (!*s)
		*s = canary_stream_new(in->canaries, &f->facts, place_of(inner), &in->emit);
	if (*s)
		canary_feed(*s, in->now, p, n);
}

/* A request that cannot be read may be for a name that is not allowed. */
static void http_must_be_read(const struct inside *in, struct flow *f, const struct watch *w)
{
	if (w && watch_http_lost(w) && f->way == WAY_PEER && !f->refused[0] &&
	    policy_mode(in->policy) == GATE_DECLARED)
		snprintf(f->refused, sizeof(f->refused),
			 "whom its HTTP requests are for cannot be read any more");
}

bool flow_saw(struct inside *in, struct flow *f, enum dir dir, const void *p, size_t n)
{
	ring_passed(in->ring, &f->facts, f->bytes[DIR_OUT] + f->bytes[DIR_IN], n);
	f->bytes[dir] += n;
	if (f->way == WAY_NAMES)
		return true; /* the resolver tells what was asked */
	in->current = f;
	content_add(&f->content[dir], &in->pool, f->facts.id, dir, false, p, n);
	if (!f->watch)
		;
	else if (f->icmp)
		watch_ping(f->watch, dir, in->now, p, n, n + PING_HEAD);
	else if (f->facts.tcp && watch_idle(f->watch))
		watch_count(f->watch, dir, in->now, n);
	else
		watch_feed(f->watch, dir, in->now, p, n);
	if (dir == DIR_OUT) {
		search(in, f, &f->canary, false, p, n);
		http_must_be_read(in, f, f->watch);
	}
	in->current = NULL;
	if (f->refused[0] && !f->ended)
		flow_refuse(in, f, f->refused);
	return !f->ended;
}

void flow_saw_inside(struct inside *in, struct flow *f, enum dir dir, const void *p, size_t n)
{
	if (!f->inner)
		f->inner = watch_new(&f->facts, true, &in->emit);
	content_add(&f->content_inner[dir], &in->pool, f->facts.id, dir, true, p, n);
	watch_feed(f->inner, dir, in->now, p, n);
	if (dir == DIR_OUT) {
		search(in, f, &f->canary_inner, true, p, n);
		http_must_be_read(in, f, f->inner);
	}
}

void flow_dial(struct inside *in, struct flow *f, bool check)
{
	struct wire_dial d = { .flow = f->facts.id,
			       .check = check,
			       .tcp = f->facts.tcp,
			       .v6 = f->facts.dst.v6,
			       .port = f->facts.dst.port };

	memcpy(d.ip, f->facts.dst.ip, 16);
	snprintf(d.name, sizeof(d.name), "%s", f->facts.name);
	inside_say(in, WIRE_DIAL, &d, sizeof(d), NULL, 0);
}

static struct flow **slot_of_id(struct inside *in, uint32_t id)
{
	return &in->by_id[id % ARRAY_SIZE(in->by_id)];
}

struct flow *flow_by_id(const struct inside *in, uint32_t id)
{
	struct flow *f = in->by_id[id % ARRAY_SIZE(in->by_id)];

	while (f && f->facts.id != id)
		f = f->id_next;
	return f;
}

static void forget_id(struct inside *in, struct flow *f)
{
	struct flow **at = slot_of_id(in, f->facts.id);

	while (*at != f)
		at = &(*at)->id_next;
	*at = f->id_next;
}

/* ---- end ---------------------------------------------------------------------------------- */

static void stop_looking(struct inside *in, struct flow *f)
{
	in->current = f;
	if (f->inner)
		watch_end(f->inner, in->now);
	if (f->watch)
		watch_end(f->watch, in->now);
	if (f->canary)
		canary_stream_end(f->canary, in->now);
	if (f->canary_inner)
		canary_stream_end(f->canary_inner, in->now);
	f->canary = f->canary_inner = NULL;
	in->current = NULL;
	for (int dir = 0; dir < 2; dir++) {
		content_end(&f->content[dir], &in->pool, f->facts.id, (enum dir)dir, false);
		content_end(&f->content_inner[dir], &in->pool, f->facts.id, (enum dir)dir, true);
	}
}

void flow_end(struct inside *in, struct flow *f, const char *end)
{
	bool reset = strcmp(end, "closed") != 0;

	if (f->ended)
		return;
	f->ended = true;
	stop_looking(in, f);
	tell(in, f, end);
	queue_drop(&f->wait);
	queue_drop(&f->idle);
	names_forget(in, f);
	forget_id(in, f);
	udp_forget(in, f);
	ring_ended(in->ring, f->facts.id);
	side_close(in, &f->client, reset);
	side_close(in, &f->server, reset);
	side_close(in, &f->check_side, true);
	if (f->prev)
		f->prev->next = f->next;
	else
		in->flows = f->next;
	if (f->next)
		f->next->prev = f->prev;
	in->nflows--;
	in->files -= f->files;
	f->next_dead = in->dead;
	in->dead = f;
}

void flow_refuse(struct inside *in, struct flow *f, const char *reason)
{
	f->answer = "refused";
	if (reason != f->reason)
		snprintf(f->reason, sizeof(f->reason), "%s", reason);
	if (!f->facts.tcp)
		udp_unreachable(in, f);
	flow_end(in, f, "policy");
}

void flow_dial_failed(struct inside *in, struct flow *f, int code, const char *reason)
{
	const char *end = code == ECONNREFUSED ? "refused"
			  : code == EACCES     ? "policy"
			  : code == ETIMEDOUT  ? "timeout"
			  : code == ECONNRESET ? "peer-reset"
					       : "unreachable";

	f->answer = code == EACCES ? "refused" : code == ECONNREFUSED ? f->answer : "unanswered";
	snprintf(f->reason, sizeof(f->reason), "%s", reason && *reason ? reason : strerror(code));
	if (!f->facts.tcp)
		udp_unreachable(in, f);
	flow_end(in, f, end);
}

void flow_peer_lost(struct inside *in, struct flow *f, int code)
{
	flow_end(in, f,
		 code == ETIMEDOUT			       ? "timeout"
		 : code == EHOSTUNREACH || code == ENETUNREACH ? "unreachable"
							       : "peer-reset");
}

void flow_free_dead(struct inside *in)
{
	struct flow *f;

	while ((f = in->dead)) {
		in->dead = f->next_dead;
		watch_free(f->watch);
		watch_free(f->inner);
		sink_free(f->sink);
		opened_free(f->opened);
		check_free(f->check);
		hello_quic_free(f->quic);
		for (struct datagram *d = f->held, *next; d; d = next) {
			next = d->next;
			free(d);
		}
		free(f->hold);
		free(f);
	}
}

/* ---- the policy has changed --------------------------------------------------------------- */

void flows_rejudge(struct inside *in)
{
	struct flow *f, *next;

	for (f = in->flows; f; f = next) {
		struct judged j;

		next = f->next;
		if (f->way != WAY_PEER)
			continue;
		j = policy_address(in->policy, &f->facts.dst, f->facts.name);
		if (j.verdict == VERDICT_ALLOW && f->hello.sni[0])
			j = policy_inner_name(in->policy, f->facts.name, f->hello.sni,
					      f->facts.dst.port, "SNI");
		if (j.verdict != VERDICT_ALLOW)
			flow_refuse(in, f, j.reason);
	}
}
