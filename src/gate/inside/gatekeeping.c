// SPDX-License-Identifier: Apache-2.0
/*
 * gatekeeping.c - what a flow to a peer says it wants, before a byte of it goes out
 *
 * An address that was allowed as one name may be shared by many. So the first bytes wait until they
 * say the name inside - the SNI of TLS, the Host of HTTP - or show that they are neither. TLS that
 * is not opened goes on only when a handshake of our own has shown that the peer is who the SNI
 * names; where the certificates of the program's own connection can be read, they must hold as
 * well. Later requests of the same connection are looked at as they pass (inside_emit()).
 */
#include "gate/inside/inside.h"

#include <ctype.h>

/** struct checked - verdicts that are kept: a ring */
#define CHECKED_MAX 256
struct checked {
	struct {
		struct addr dst;
		char sni[NAME_MAX_DNS + 1], alpn[128];
		uint64_t until;
	} good[CHECKED_MAX];
	int next;
};

static bool known_good(const struct inside *in, const struct flow *f)
{
	for (int i = 0; in->checked && i < CHECKED_MAX; i++)
		if (in->checked->good[i].until > in->now &&
		    in->checked->good[i].dst.port == f->facts.dst.port &&
		    addr_same_ip(&in->checked->good[i].dst, &f->facts.dst) &&
		    !strcmp(in->checked->good[i].sni, f->hello.sni) &&
		    !strcmp(in->checked->good[i].alpn, f->hello.alpn))
			return true;
	return false;
}

static void remember_good(struct inside *in, const struct flow *f)
{
	struct checked *c = in->checked;

	if (!c)
		c = in->checked = xcalloc(1, sizeof(*c));
	c->good[c->next].dst = f->facts.dst;
	c->good[c->next].until = in->now + CHECK_KEEP_NS;
	snprintf(c->good[c->next].sni, sizeof(c->good[0].sni), "%s", f->hello.sni);
	snprintf(c->good[c->next].alpn, sizeof(c->good[0].alpn), "%s", f->hello.alpn);
	c->next = (c->next + 1) % CHECKED_MAX;
}

/** struct unopened - names whose TLS could not be opened, and why: a ring. The next connection to
 * one is passed through or refused, as the policy says, and its flow says so */
#define UNOPENED_MAX 256
struct unopened {
	struct {
		char name[NAME_MAX_DNS + 1];
		const char *why;
	} at[UNOPENED_MAX];
	int next;
};

static const char pins[] = "the program pins the server's certificate, as an earlier connection "
			   "showed",
		  asks[] = "the server asks for a client certificate";

static const char *name_of(const struct flow *f)
{
	return f->hello.sni[0] ? f->hello.sni : f->facts.name;
}

static const char *why_unopened(const struct inside *in, const struct flow *f)
{
	for (int i = 0; in->unopened && i < UNOPENED_MAX; i++)
		if (in->unopened->at[i].why && !strcmp(in->unopened->at[i].name, name_of(f)))
			return in->unopened->at[i].why;
	return NULL;
}

static void remember_unopened(struct inside *in, const struct flow *f, const char *why)
{
	struct unopened *u = in->unopened;

	if (!u)
		u = in->unopened = xcalloc(1, sizeof(*u));
	if (why_unopened(in, f))
		return;
	snprintf(u->at[u->next].name, sizeof(u->at[0].name), "%s", name_of(f));
	u->at[u->next].why = why;
	u->next = (u->next + 1) % UNOPENED_MAX;
}

/* What was held goes on. */
static void pass(struct inside *in, struct flow *f)
{
	uint8_t *held = steal_ptr(&f->hold);
	size_t n = f->hold_n;
	int rc;

	f->hold_n = 0;
	f->step = STEP_PASS;
	queue_drop(&f->idle);
	if (f->files > 2)
		flow_reserve(in, f, 2); /* there is no check any more */
	rc = n ? side_send(in, &f->server, held, n) : 0;
	if (rc)
		flow_peer_lost(in, f, -rc);
	free(held);
}

/* What is held stays so, until it is certain that it can be opened. */
static void open_tls(struct inside *in, struct flow *f)
{
	f->step = STEP_OPENED;
	f->opened = opened_new(&in->opened_env, &f->facts, f->hello.sni, f->hello.alpn);
	gate_opened_step(in, f, DIR_OUT, f->hold, f->hold_n, false);
}

/* True: it goes on unopened; false: it has been refused. */
static bool let_through(struct inside *in, struct flow *f, const char *why)
{
	bool passes = policy_passes_pinned(in->policy);

	snprintf(f->reason, sizeof(f->reason),
		 "TLS to '%.80s' is not opened but %s (tls-pinned %s): %s", name_of(f),
		 passes ? "passed through" : "refused", passes ? "pass" : "refuse", why);
	if (!passes)
		flow_refuse(in, f, f->reason);
	return passes;
}

/* It is allowed as a name, so who answers must be that name's. */
static bool by_name(const struct inside *in, const struct flow *f)
{
	return policy_mode(in->policy) == GATE_DECLARED && f->facts.name[0] && f->hello.sni[0] &&
	       in->trust;
}

static bool wants_check(const struct inside *in, const struct flow *f)
{
	return by_name(in, f) && !known_good(in, f);
}

/* True: it has been refused. */
static bool refused_name(struct inside *in, struct flow *f, const char *inner, const char *what)
{
	struct judged j =
		policy_inner_name(in->policy, f->facts.name, inner, f->facts.dst.port, what);

	if (j.verdict != VERDICT_ALLOW ||
	    policy_encrypted_dns(in->policy, inner, f->facts.dst.port, f->hello.alpn, f->hello.ech,
				 j.reason)) {
		flow_refuse(in, f, j.reason);
		return true;
	}
	return false;
}

static void said_hello(struct inside *in, struct flow *f)
{
	bool opens =
		f->facts.tcp && in->ca && in->trust && policy_opens_tls(in->policy, name_of(f));
	const char *why = opens ? why_unopened(in, f) : NULL;

	if (refused_name(in, f, f->hello.sni, "SNI") || (why && !let_through(in, f, why)))
		return;
	if (opens && !why) {
		open_tls(in, f);
	} else if (f->facts.tcp && wants_check(in, f)) {
		f->step = STEP_CHECK;
		f->check = check_new(in->trust, &f->facts, f->hello.sni, f->hello.alpn, &in->emit);
		queue_put(&in->checking, f, &f->idle, in->now + CHECK_NS);
		flow_dial(in, f, true);
	} else {
		pass(in, f);
	}
}

void host_without_port(char *host)
{
	char *colon = strrchr(host, ':');

	if (host[0] == '[') {
		size_t n = strcspn(host, "]");

		memmove(host, host + 1, n);
		host[n ? n - 1 : 0] = 0;
	} else if (colon && strchr(host, ':') == colon) {
		*colon = 0;
	}
	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

bool gate_first_bytes(struct inside *in, struct flow *f, bool last)
{
	char host[NAME_MAX_DNS + 8];
	int rc = hello_read_tls(f->hold, f->hold_n, &f->hello);

	if (rc == 1) {
		said_hello(in, f);
		return true;
	}
	if (rc == 0 && f->hold_n && !last) {
		if (f->hold_n < HOLD_MAX)
			return false;
		flow_refuse(in, f, "its TLS hello does not end");
		return true;
	}
	rc = f->hold_n ? http_host_read(f->hold, f->hold_n, host) : -EBADMSG;
	if (rc == 1) {
		host_without_port(host);
		if (!refused_name(in, f, host, "Host"))
			pass(in, f);
		return true;
	}
	if (rc == -EMSGSIZE && policy_mode(in->policy) == GATE_DECLARED) {
		flow_refuse(in, f, "the head of its HTTP request does not end");
		return true;
	}
	if (rc == 0 && !last && f->hold_n < HOLD_MAX) {
		/* half a head: it may be none */
		if (!f->idle.in)
			queue_put(&in->holding, f, &f->idle, in->now + HOLD_HTTP_NS);
		return false;
	}
	pass(in, f);
	return true;
}

void tcp_held_long(struct inside *in, struct flow *f)
{
	if (f->step == STEP_HELLO && f->hold_n && f->hold[0] != 0x16) {
		pass(in, f);
		tcp_go_on(in, f);
	}
}

/* ---- the check ---------------------------------------------------------------------------- */

void gate_check_step(struct inside *in, struct flow *f, const void *p, size_t n, bool eof)
{
	struct buf out = { .limit = OPENED_BUFFER_MAX };
	char why[256] = "";
	int rc;

	if (!f->check)
		return;
	in->current = f;
	rc = check_step(f->check, p, n, eof, &out, why);
	in->current = NULL;
	if (out.n && rc >= 0)
		side_send(in, &f->check_side, out.p, out.n);
	buf_free(&out);
	if (rc == 0 && eof) {
		rc = -EACCES;
		snprintf(why, sizeof(why),
			 "the server at this address does not complete a TLS "
			 "handshake, so it could not show who it is");
	}
	if (rc == 0)
		return;
	side_close(in, &f->check_side, true);
	check_free(f->check);
	f->check = NULL;
	if (rc < 0) {
		flow_refuse(in, f, why);
		return;
	}
	remember_good(in, f);
	pass(in, f);
}

const char *gate_chain_shown(void *ctx, const uint8_t *p, size_t n)
{
	struct inside *in = ctx;
	struct flow *f = in->current;
	char why[256];

	if (!f || f->refused[0] || !by_name(in, f))
		return NULL;
	if (trust_holds(in->trust, &f->facts, f->hello.sni, p, n, why))
		return "ok";
	snprintf(f->refused, sizeof(f->refused), "%s", why);
	return f->refused;
}

void gate_check_late(struct inside *in, struct flow *f)
{
	if (f->check)
		flow_refuse(in, f,
			    "the server did not show in time who it is: it did not answer a second "
			    "connection, by which its certificate is checked");
}

/* ---- TLS that is opened ------------------------------------------------------------------- */

/* The server was asked once, by us; now the program asks it itself, with what it has said so far.
 */
static void start_again(struct inside *in, struct flow *f)
{
	remember_good(in, f); /* its certificate held */
	remember_unopened(in, f, asks);
	if (!let_through(in, f, asks))
		return;
	opened_free(steal_ptr(&f->opened));
	side_close(in, &f->server, false);
	f->server = (struct side){ .src = { SOURCE_SERVER, -1, f } };
	pass(in, f);
	if (f->ended)
		return;
	flow_dial(in, f, false);
	queue_put(&in->dialing, f, &f->wait, in->now + DIAL_NS);
}

static void keep_held(struct flow *f, const void *p, size_t n)
{
	if (!f->hold || p == f->hold)
		return;
	f->hold = xrealloc(f->hold, f->hold_n + n);
	memcpy(f->hold + f->hold_n, p, n);
	f->hold_n += n;
}

static void drop_held(struct flow *f)
{
	free(steal_ptr(&f->hold));
	f->hold_n = 0;
}

static void not_opened(struct inside *in, struct flow *f, enum opened_state state)
{
	bool pass = policy_passes_pinned(in->policy);

	switch (state) {
	case OPENED_UPSTREAM_BAD:
		f->answer = "refused";
		f->last_end = "policy";
		snprintf(f->reason, sizeof(f->reason), "%s", opened_why(f->opened));
		break;
	case OPENED_PINNED:
		remember_unopened(in, f, pins);
		snprintf(f->reason, sizeof(f->reason),
			 "%.100s: it pins; the next connection to '%.50s' is %s (tls-pinned %s)",
			 opened_why(f->opened), name_of(f),
			 pass ? "passed through unopened" : "refused", pass ? "pass" : "refuse");
		break;
	default:
		snprintf(f->reason, sizeof(f->reason), "TLS broke while it was opened: %s",
			 opened_why(f->opened));
		break;
	}
}

void gate_opened_step(struct inside *in, struct flow *f, enum dir from, const void *p, size_t n,
		      bool eof)
{
	struct buf to_program = { .limit = 2 * OPENED_BUFFER_MAX },
		   to_server = { .limit = 2 * OPENED_BUFFER_MAX };
	struct opened_io io = { .to_program = &to_program, .to_server = &to_server };
	enum opened_state state;
	int rc;

	if (from == DIR_OUT) {
		keep_held(f, p, n);
		io.from_program = p;
		io.n_program = n;
		io.eof_program = eof;
		io.eof_server = f->server.eof;
	} else {
		io.from_server = p;
		io.n_server = n;
		io.eof_server = eof;
		io.eof_program = f->client.eof;
	}
	in->current = f;
	state = opened_step(f->opened, &io);
	in->current = NULL;
	if (to_program.n)
		drop_held(f); /* it has been told something: there is no way back */
	if (to_program.n && flow_saw(in, f, DIR_IN, to_program.p, to_program.n) &&
	    side_send(in, &f->client, to_program.p, to_program.n))
		flow_end(in, f, "reset");
	rc = to_server.n && !f->ended ? side_send(in, &f->server, to_server.p, to_server.n) : 0;
	if (rc)
		flow_peer_lost(in, f, -rc);
	buf_free(&to_program);
	buf_free(&to_server);
	if (f->ended)
		return;
	if (f->refused[0]) {
		flow_refuse(in, f, f->refused);
		return;
	}
	if (state == OPENED_GOING)
		return;
	if (state == OPENED_CLIENT_CERT) {
		start_again(in, f);
		return;
	}
	if (state != OPENED_DONE)
		not_opened(in, f, state);
	/* what is on its way, such as an alert, still goes out */
	f->client.eof = f->server.eof = true;
}
