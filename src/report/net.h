// SPDX-License-Identifier: Apache-2.0
/*
 * net.h - inside of the room: whom the programs talked to
 *
 * A peer is what a row of the table stands for: one program, one name (or an address that no name
 * led to), one port. Its connections are counted by what became of them.
 */
#ifndef BELLJAR_REPORT_NET_H
#define BELLJAR_REPORT_NET_H

#include "report/inner.h"

#define NET_FLOWS_MAX (1u << 20) /* connections that get a place in time */

enum net_answer { NET_ALLOWED, NET_SINKHOLE, NET_REFUSED, NET_UNANSWERED, NET_ANSWERS };
extern const char *const net_answer_word[NET_ANSWERS]; /* as in the journal */

struct peer {
	struct str who; /* image */
	struct str name, address, protocol;
	int64_t port;
	struct str app;	 /* what its bytes speak */
	struct str said; /* the first words: a request line, a server name, a banner */
	enum event_kind said_kind;
	uint64_t said_seq;
	struct str reason;     /* the last one given */
	struct str expected;   /* another protocol than the port is for: the port's */
	struct str unverified; /* why a certificate did not hold */
	struct str pinned;     /* the alert with which it refused the box's authority */
	uint64_t unverified_seq, pinned_seq, mismatch_seq;
	uint64_t flows, answer[NET_ANSWERS], bytes_out, bytes_in, bursts, canaries;
	uint64_t first_seq, first_t, last_t;
	uint32_t run, proc; /* of the first */
	int64_t pid;
};

/** struct netflow - one connection in time */
struct netflow {
	uint64_t seq, t0, t1; /* t1 0: its end is not on record */
	uint32_t run, peer;   /* INTERN_NONE: beyond the limit */
	uint8_t answer;	      /* enum net_answer */
	bool canary;
	bool names; /* name service: counted apart, told by its answers */
};

struct canary_row {
	uint64_t seq, t;
	uint32_t run, proc;
	uint32_t peer;
	struct str value, encoding, place, sample;
};

struct net {
	struct intern keys;
	struct peer *peer;
	size_t npeer, peer_cap;
	struct netflow *flow; /* those of a run in the order of their numbers, from 1 */
	size_t nflow, flow_cap;
	struct net_run {
		uint32_t run;
		size_t first; /* of flow[] */
	} * run;
	size_t nrun, run_cap;
	uint64_t flows, flows_lost,
		peers_lost; /* all; beyond NET_FLOWS_MAX; of peers beyond the limit */
	uint64_t answer[NET_ANSWERS], bytes_out, bytes_in;
	struct canary_row *canary; /* the first rows_max */
	size_t ncanary, canary_cap;
	uint64_t canaries;
	uint64_t name_flows; /* to the box's resolver; in none of the counts above */
	uint64_t dns_queries, http_requests, unverified, pinned, mismatches;
};

/** net_gated() - a gate stood there: calls that led to it need no line of their own */
static inline bool net_gated(const struct net *n)
{
	return n->flows || n->name_flows;
}

struct rep;
struct line;
/** net_flow() and those below - events of their kinds; ctx is a struct rep */
source_fn net_flow, net_banner, net_tls, net_http, net_canary, net_dns;
void net_free(struct net *n);
/** net_left_open() - connections of a run that have no end on record */
uint64_t net_left_open(const struct net *n, uint32_t run);
/** net_order() - peers that matter first: canaries, then what was really reached, then bytes */
void net_order(struct net *n);
void say_peer(struct rep *rep, struct line *l, const struct peer *p);
void say_canary_row(struct rep *rep, struct line *l, const struct canary_row *c);
/** say_answers() - "3 answered by real servers, 1 refused" */
void say_answers(struct rep *rep, struct line *l, const uint64_t answer[NET_ANSWERS]);

#endif
