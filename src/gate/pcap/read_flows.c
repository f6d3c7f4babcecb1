// SPDX-License-Identifier: Apache-2.0
/*
 * read_flows.c - flows of a capture file
 *
 * Theory of operation
 *
 * A flow is found by its two ends in a hash table, and stands in a list by its last packet, one
 * list for TCP and one for UDP and pings, whose two ports are their identifier. Who opened it is
 * taken for the program: who sends the SYN; where that was not captured, who does not have the port
 * of a known service.
 *
 * A TCP flow that has ended stays in the table, without its watch, so that what is still under way
 * is not taken for a new one; a new SYN begins a new one. Its bytes go through order.c to the
 * watch.
 */
#include <assert.h>

#include "gate/decode/be.h"
#include "gate/decode/watch.h"
#include "gate/pcap/order.h"
#include "gate/pcap/read_flows.h"

#define BUCKETS	   65536
#define RST_WINDOW (1 << 20)
/* What has not come after so long was not captured: whoever sends sends again much sooner */
#define HOLE_WAIT (3 * NSEC_PER_SEC)

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { ECHO_REPLY = 0, ECHO = 8, ECHO6 = 128, ECHO6_REPLY = 129 };

/* both ends, the smaller first, without padding between: compared and hashed as bytes */
struct key {
	uint8_t ip[2][16];
	uint16_t port[2];
	uint8_t v6, tcp, icmp, zero;
};

struct flow {
	struct flow *same_bucket;
	struct flow *older, *newer;
	struct key key;
	bool swapped; /* the program is the larger end */
	bool ended, answered, syn, refused;
	bool fin[2];
	uint32_t fin_at[2]; /* sequence number of the end */
	uint32_t isn;	    /* of the program's SYN */
	uint64_t last;
	uint64_t hole_since[2]; /* segments wait for one before them */
	size_t held;
	struct flow_facts facts;
	struct order order[2];
	struct watch *watch; /* NULL before the first byte, and after the end */
};

struct list {
	struct flow *oldest, *newest;
};

struct flows {
	struct emit emit;
	struct list list[2]; /* UDP and pings, TCP */
	unsigned n;
	uint32_t ids;
	uint64_t early;
	size_t held;
	struct flow *bucket[BUCKETS];
};

struct flows *flows_new(const struct emit *emit)
{
	struct flows *f = xcalloc(1, sizeof(*f));

	f->emit = *emit;
	return f;
}

/* ---- the table ---------------------------------------------------------------------------- */

static unsigned hash(const struct key *k)
{
	uint64_t h = 0x9e3779b97f4a7c15ull, w[sizeof(*k) / 8];

	static_assert(sizeof(*k) == 40, "whole words, no padding");
	memcpy(w, k, sizeof(w));
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return (unsigned)h % BUCKETS;
}

static void list_add(struct list *l, struct flow *f)
{
	f->newer = NULL;
	f->older = l->newest;
	if (l->newest)
		l->newest->newer = f;
	else
		l->oldest = f;
	l->newest = f;
}

static void list_remove(struct list *l, struct flow *f)
{
	if (f->older)
		f->older->newer = f->newer;
	else
		l->oldest = f->newer;
	if (f->newer)
		f->newer->older = f->older;
	else
		l->newest = f->older;
}

static struct flow *find(struct flows *fs, const struct key *k, struct flow ***ret_at)
{
	struct flow **at = &fs->bucket[hash(k)];

	while (*at && memcmp(&(*at)->key, k, sizeof(*k)) != 0)
		at = &(*at)->same_bucket;
	*ret_at = at;
	return *at;
}

/* ---- begin and end ------------------------------------------------------------------------ */

static void tell(struct flows *fs, const struct flow *f, const char *op, uint64_t t,
		 struct event *ev)
{
	ev->kind = EV_FLOW;
	ev->t = t;
	ev->v[EV_AT(FLOW, OP)] = V_Z(op);
	ev->v[EV_AT(FLOW, FLOW)] = V_INT(f->facts.id);
	ev->v[EV_AT(FLOW, PROTOCOL)] = V_Z(f->facts.tcp ? "tcp" : f->key.icmp ? "icmp" : "udp");
	ev->v[EV_AT(FLOW, SRC_PORT)] = V_INT(f->facts.src.port);
	if (!f->key.icmp)
		ev->v[EV_AT(FLOW, DST_PORT)] = V_INT(f->facts.dst.port);
	emit_event(&fs->emit, ev);
}

static void tell_flow(struct flows *fs, const struct flow *f, const char *op, uint64_t t,
		      struct event *ev)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

	ev->v[EV_AT(FLOW, SRC)] = V_Z(addr_text(&f->facts.src, src));
	ev->v[EV_AT(FLOW, DST)] = V_Z(addr_text(&f->facts.dst, dst));
	tell(fs, f, op, t, ev);
}

static void to_watch(void *ctx, const uint8_t *p, size_t n, enum dir dir)
{
	struct flow *f = ctx;

	watch_feed(f->watch, dir, f->last, p, n);
}

static void out_bytes(void *ctx, const uint8_t *p, size_t n)
{
	to_watch(ctx, p, n, DIR_OUT);
}

static void in_bytes(void *ctx, const uint8_t *p, size_t n)
{
	to_watch(ctx, p, n, DIR_IN);
}

static void out_lost(void *ctx, uint64_t n)
{
	struct flow *f = ctx;

	watch_lost(f->watch, DIR_OUT, f->last, n);
}

static void in_lost(void *ctx, uint64_t n)
{
	struct flow *f = ctx;

	watch_lost(f->watch, DIR_IN, f->last, n);
}

static struct order_to order_to(struct flow *f, enum dir dir)
{
	return dir == DIR_OUT ? (struct order_to){ f, out_bytes, out_lost }
			      : (struct order_to){ f, in_bytes, in_lost };
}

static const char *end_word(const struct flow *f, const char *end)
{
	if (f->refused)
		return "refused";
	/* both have said that they are done, though not all of it was captured */
	return !end && f->fin[DIR_OUT] && f->fin[DIR_IN] ? "closed" : end;
}

/* What waits goes on without what is missing, as of when it began to wait: a program that says
 * something once an hour must not be heard an hour late because the capture lacks a segment. */
static void end_waiting(struct flow *f, enum dir dir, uint64_t t)
{
	struct order_to to = order_to(f, dir);
	uint64_t last = f->last;

	if (!f->order[dir].waiting || t < f->hole_since[dir] + HOLE_WAIT)
		return;
	f->last = f->hole_since[dir];
	order_flush(&f->order[dir], &to);
	f->last = last;
}

/* @end: FLOW.end, NULL when the file ended first */
static void end_flow(struct flows *fs, struct flow *f, const char *end)
{
	struct event ev = { 0 };

	if (f->ended)
		return;
	f->ended = true;
	for (int d = DIR_OUT; d <= DIR_IN; d++) {
		if (f->watch)
			end_waiting(f, d, f->hole_since[d] + HOLE_WAIT);
		order_free(&f->order[d]);
	}
	ev.v[EV_AT(FLOW, BYTES_OUT)] = V_INT(0);
	ev.v[EV_AT(FLOW, BYTES_IN)] = V_INT(0);
	ev.v[EV_AT(FLOW, BURSTS)] = V_INT(0);
	if (f->watch) {
		watch_end(f->watch, f->last);
		ev.v[EV_AT(FLOW, APP)] = V_Z(watch_protocol_name(watch_protocol(f->watch)));
		ev.v[EV_AT(FLOW, BYTES_OUT)] = V_INT(watch_bytes(f->watch, DIR_OUT));
		ev.v[EV_AT(FLOW, BYTES_IN)] = V_INT(watch_bytes(f->watch, DIR_IN));
		ev.v[EV_AT(FLOW, BURSTS)] = V_INT(watch_bursts(f->watch));
	}
	if (f->refused)
		ev.v[EV_AT(FLOW, ANSWER)] = V_Z("refused");
	else if (!f->answered)
		ev.v[EV_AT(FLOW, ANSWER)] = V_Z("unanswered");
	ev.v[EV_AT(FLOW, END)] = V_Z(end_word(f, end));
	tell_flow(fs, f, "end", f->last, &ev);
	watch_free(steal_ptr(&f->watch));
	fs->held -= f->held;
	f->held = 0;
}

static void forget(struct flows *fs, struct flow *f)
{
	struct flow **at;

	find(fs, &f->key, &at);
	*at = f->same_bucket;
	list_remove(&fs->list[f->facts.tcp], f);
	fs->n--;
	free(f);
}

static void forget_oldest(struct flows *fs)
{
	struct flow *tcp = fs->list[true].oldest, *udp = fs->list[false].oldest;
	struct flow *f = !udp || (tcp && tcp->last < udp->last) ? tcp : udp;

	if (!f->ended)
		fs->early++;
	end_flow(fs, f, NULL);
	forget(fs, f);
}

/* Does the end with @port look like a server, and the one with @other not? */
static bool is_server(bool tcp, uint16_t port, uint16_t other)
{
	bool known = watch_expected(tcp, port) != PROTO_UNKNOWN;
	bool other_known = watch_expected(tcp, other) != PROTO_UNKNOWN;

	if (known != other_known)
		return known;
	return port < 1024 && other >= 1024;
}

static struct flow *begin_flow(struct flows *fs, const struct key *k, struct flow **at, uint64_t t,
			       bool from_second, bool from_program)
{
	struct flow *f = xcalloc(1, sizeof(*f));
	struct event ev = { 0 };
	int src;

	f->key = *k;
	f->swapped = from_second == from_program;
	src = f->swapped;
	f->facts.id = ++fs->ids;
	f->facts.tcp = k->tcp;
	f->facts.src = (struct addr){ .v6 = k->v6, .port = k->port[src] };
	f->facts.dst = (struct addr){ .v6 = k->v6, .port = k->port[!src] };
	memcpy(f->facts.src.ip, k->ip[src], 16);
	memcpy(f->facts.dst.ip, k->ip[!src], 16);
	f->last = t;
	*at = f;
	list_add(&fs->list[f->facts.tcp], f);
	fs->n++;
	tell_flow(fs, f, "begin", t, &ev);
	return f;
}

/* ---- packets ------------------------------------------------------------------------------ */

/* Return: whether the sender is the second end */
static bool make_key(struct key *k, const struct packet *p, bool tcp, uint16_t sport,
		     uint16_t dport)
{
	int order = memcmp(p->src.ip, p->dst.ip, p->src.v6 ? 16 : 4);
	bool second = order > 0 || (!order && sport > dport);

	memset(k, 0, sizeof(*k));
	memcpy(k->ip[second], p->src.ip, p->src.v6 ? 16 : 4);
	memcpy(k->ip[!second], p->dst.ip, p->src.v6 ? 16 : 4);
	k->port[second] = sport;
	k->port[!second] = dport;
	k->v6 = p->src.v6;
	k->tcp = tcp;
	return second;
}

static void touch(struct flows *fs, struct flow *f, uint64_t t)
{
	struct list *l = &fs->list[f->facts.tcp];

	if (t > f->last)
		f->last = t;
	if (l->newest != f) {
		list_remove(l, f);
		list_add(l, f);
	}
}

/* What flows keep is limited for all of them together. */
static void account(struct flows *fs, struct flow *f)
{
	size_t held = f->order[DIR_OUT].waiting_bytes + f->order[DIR_IN].waiting_bytes +
		      (f->watch ? watch_held(f->watch) : 0);

	fs->held += held - f->held;
	f->held = held;
	while (fs->held > READ_HELD_MAX)
		forget_oldest(fs);
}

/* The flow of a datagram, which has been seen now; one that was silent for long is another. */
static struct flow *datagram_flow(struct flows *fs, const struct key *k, uint64_t t, bool second,
				  bool from_program)
{
	struct flow **at, *f = find(fs, k, &at);

	if (f && t > f->last + READ_UDP_IDLE) {
		end_flow(fs, f, "timeout");
		forget(fs, f);
		f = NULL;
		find(fs, k, &at);
	}
	if (!f) {
		f = begin_flow(fs, k, at, t, second, from_program);
		f->watch = watch_new(&f->facts, false, &fs->emit);
	}
	touch(fs, f, t);
	f->answered |= f->swapped != second;
	return f;
}

static void udp_packet(struct flows *fs, uint64_t t, const struct packet *p)
{
	uint16_t sport = be16(p->p), dport = be16(p->p + 2), len = be16(p->p + 4);
	size_t n = p->n - 8, lost = 0;
	struct key k;
	bool second = make_key(&k, p, false, sport, dport);
	struct flow *f;

	if (len >= 8 && len - 8u < n)
		n = len - 8u;
	if (len >= 8 && len - 8u > n && p->full_n >= len)
		lost = len - 8u - n;
	f = datagram_flow(fs, &k, t, second, !is_server(false, sport, dport));
	watch_feed(f->watch, f->swapped == second ? DIR_OUT : DIR_IN, t, p->p + 8, n);
	watch_count(f->watch, f->swapped == second ? DIR_OUT : DIR_IN, t, lost);
	account(fs, f);
}

/* A ping, whose identifier stands for its ports. Return: false for what else ICMP says */
static bool ping_packet(struct flows *fs, uint64_t t, const struct packet *p)
{
	bool request = p->p[0] == (p->protocol == ICMP ? ECHO : ECHO6);
	uint16_t id = be16(p->p + 4);
	struct key k;
	bool second;
	struct flow *f;

	if (!request && p->p[0] != (p->protocol == ICMP ? ECHO_REPLY : ECHO6_REPLY))
		return false;
	second = make_key(&k, p, false, id, id);
	k.icmp = true;
	f = datagram_flow(fs, &k, t, second, request);
	watch_mute(f->watch);
	/* counted with its head: one without content is a ping, too */
	watch_ping(f->watch, f->swapped == second ? DIR_OUT : DIR_IN, t, p->p + 8, p->n - 8,
		   p->full_n);
	account(fs, f);
	return true;
}

/* A SYN on a flow that is there: the same again, or a new connection with the same ends? */
static bool is_new(const struct flow *f, uint32_t seq)
{
	return f->ended || (f->syn ? f->isn != seq : f->order[DIR_OUT].begun);
}

static void tcp_end(struct flows *fs, struct flow *f, uint8_t flags, enum dir dir, uint32_t seq)
{
	if (flags & RST) {
		int32_t off = (int32_t)(seq - f->order[dir].next);

		if (f->order[dir].begun && (off > RST_WINDOW || off < -RST_WINDOW))
			return; /* nobody would have believed it */
		f->refused = f->syn && !f->order[DIR_IN].begun && dir == DIR_IN;
		end_flow(fs, f, dir == DIR_OUT ? "reset" : "peer-reset");
		return;
	}
	for (int d = DIR_OUT; d <= DIR_IN; d++)
		if (!f->fin[d] || f->order[d].next != f->fin_at[d])
			return;
	end_flow(fs, f, "closed");
}

static void tcp_bytes(struct flows *fs, struct flow *f, enum dir dir, uint32_t seq,
		      const uint8_t *p, size_t n, size_t full_n)
{
	struct order_to to = order_to(f, dir);
	bool waited = f->order[dir].waiting != NULL;

	if (!full_n)
		return;
	if (!f->watch)
		f->watch = watch_new(&f->facts, false, &fs->emit);
	order_segment(&f->order[dir], seq, p, n, full_n, &to);
	if (!waited && f->order[dir].waiting)
		f->hole_since[dir] = f->last;
}

static bool tcp_packet(struct flows *fs, uint64_t t, const struct packet *p)
{
	uint16_t sport = be16(p->p), dport = be16(p->p + 2);
	size_t head = (size_t)(p->p[12] >> 4) * 4;
	uint8_t flags = p->p[13];
	uint32_t seq = be32(p->p + 4);
	struct flow **at, *f;
	struct key k;
	enum dir dir;
	bool second, first;

	if (head < 20 || head > p->n)
		return false;
	second = make_key(&k, p, true, sport, dport);
	f = find(fs, &k, &at);
	first = (flags & (SYN | ACK)) == SYN;
	if (f && first && is_new(f, seq)) {
		end_flow(fs, f, NULL);
		forget(fs, f);
		f = NULL;
		find(fs, &k, &at);
	}
	if (!f) {
		/* what is left of a connection that nobody saw begin, and says nothing */
		if (!(flags & SYN) && p->full_n == head)
			return true;
		f = begin_flow(fs, &k, at, t, second,
			       first || (!(flags & SYN) && !is_server(true, sport, dport)));
	}
	touch(fs, f, t);
	dir = f->swapped == second ? DIR_OUT : DIR_IN;
	if (f->ended)
		return true;
	end_waiting(f, DIR_OUT, t);
	end_waiting(f, DIR_IN, t);
	if (flags & SYN) {
		if (!f->order[dir].begun)
			order_begin(&f->order[dir], seq + 1);
		if (first) {
			f->syn = true;
			f->isn = seq;
		}
		seq++;
	}
	if (dir == DIR_IN && !(flags & RST))
		f->answered = true;
	tcp_bytes(fs, f, dir, seq, p->p + head, p->n - head, p->full_n - head);
	if (flags & FIN && !f->fin[dir]) {
		f->fin[dir] = true;
		f->fin_at[dir] = seq + (uint32_t)(p->full_n - head);
		if (!f->order[dir].begun)
			order_begin(&f->order[dir], f->fin_at[dir]);
	}
	if (flags & RST || (f->fin[DIR_OUT] && f->fin[DIR_IN]))
		tcp_end(fs, f, flags, dir, seq);
	account(fs, f);
	return true;
}

bool flows_packet(struct flows *fs, uint64_t t, const struct packet *p)
{
	while (fs->list[false].oldest && fs->list[false].oldest->last + READ_UDP_IDLE < t) {
		struct flow *f = fs->list[false].oldest;

		end_flow(fs, f, "timeout");
		forget(fs, f);
	}
	if (fs->n >= READ_FLOWS_MAX)
		forget_oldest(fs);
	if (p->protocol == TCP && p->n >= 20)
		return tcp_packet(fs, t, p);
	if (p->n < 8)
		return false;
	if (p->protocol == (p->src.v6 ? ICMP6 : ICMP))
		return ping_packet(fs, t, p);
	if (p->protocol != UDP)
		return false;
	udp_packet(fs, t, p);
	return true;
}

void flows_end(struct flows *fs)
{
	struct flow *tcp, *udp;

	while ((tcp = fs->list[true].oldest), (udp = fs->list[false].oldest), tcp || udp) {
		struct flow *f = !udp || (tcp && tcp->last < udp->last) ? tcp : udp;

		end_flow(fs, f, NULL);
		forget(fs, f);
	}
}

void flows_count(const struct flows *fs, uint64_t *ret_flows, uint64_t *ret_early)
{
	*ret_flows = fs->ids;
	*ret_early = fs->early;
}

void flows_free(struct flows *fs)
{
	if (!fs)
		return;
	for (int tcp = 0; tcp < 2; tcp++)
		while (fs->list[tcp].oldest) {
			struct flow *f = fs->list[tcp].oldest;

			watch_free(f->watch);
			order_free(&f->order[DIR_OUT]);
			order_free(&f->order[DIR_IN]);
			forget(fs, f);
		}
	free(fs);
}
