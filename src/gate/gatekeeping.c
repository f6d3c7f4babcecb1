// SPDX-License-Identifier: Apache-2.0
/*
 * gatekeeping.c - what a flow to a peer says it wants, before a byte of it goes out
 *
 * An address that was allowed as one name may be shared by many. So the first bytes wait until they
 * say the name inside - the SNI of TLS, the Host of HTTP - or show that they are neither. TLS that
 * is not opened goes on only when a handshake of our own has shown that the peer is who the SNI
 * names. Later requests of the same connection are looked at as they pass (inside_emit()).
 */
#include "gate/inside.h"

#include <ctype.h>

/** struct checked - verdicts that are kept: a ring */
#define CHECKED_MAX 256
struct checked {
	struct {
		struct addr dst;
		char sni[NAME_MAX_DNS + 1];
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
		    !strcmp(in->checked->good[i].sni, f->hello.sni))
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
	c->next = (c->next + 1) % CHECKED_MAX;
}

/* What was held goes on. */
static void pass(struct inside *in, struct flow *f)
{
	uint8_t *held = steal_ptr(&f->hold);
	size_t n = f->hold_n;

	f->hold_n = 0;
	f->step = STEP_PASS;
	queue_drop(f, &f->idle, true);
	if (n && side_send(in, &f->server, held, n))
		flow_end(in, f, "peer-reset");
	free(held);
}

static void open_tls(struct inside *in, struct flow *f)
{
	uint8_t *held = steal_ptr(&f->hold);
	size_t n = f->hold_n;

	f->hold_n = 0;
	f->step = STEP_OPENED;
	f->opened = opened_new(&in->opened_env, &f->facts, f->hello.sni, f->hello.alpn);
	gate_opened_step(in, f, DIR_OUT, held, n, false);
	free(held);
}

static bool wants_check(const struct inside *in, const struct flow *f)
{
	return policy_mode(in->policy) == GATE_DECLARED && f->facts.name[0] && f->hello.sni[0] &&
	       in->trust && !known_good(in, f);
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
	const char *name = f->hello.sni[0] ? f->hello.sni : f->facts.name;

	if (refused_name(in, f, f->hello.sni, "SNI"))
		return;
	if (f->facts.tcp && in->ca && in->trust && policy_opens_tls(in->policy, name)) {
		open_tls(in, f);
	} else if (f->facts.tcp && wants_check(in, f)) {
		f->step = STEP_CHECK;
		f->check = check_new(in->trust, &f->facts, f->hello.sni, f->hello.alpn, &in->emit);
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
	if (rc == 0 && !last && f->hold_n < HOLD_MAX) {
		/* half a head: it may be none */
		if (!f->idle.in)
			queue_put(&in->holding, f, &f->idle, in->now + HOLD_HTTP_NS, true);
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

/* ---- TLS that is opened ------------------------------------------------------------------- */

void gate_opened_step(struct inside *in, struct flow *f, enum dir from, const void *p, size_t n,
		      bool eof)
{
	struct buf to_program = { .limit = 2 * OPENED_BUFFER_MAX },
		   to_server = { .limit = 2 * OPENED_BUFFER_MAX };
	struct opened_io io = { .to_program = &to_program, .to_server = &to_server };
	enum opened_state state;

	if (from == DIR_OUT) {
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
	if (to_program.n && flow_saw(in, f, DIR_IN, to_program.p, to_program.n) &&
	    side_send(in, &f->client, to_program.p, to_program.n))
		flow_end(in, f, "reset");
	if (to_server.n && !f->ended && side_send(in, &f->server, to_server.p, to_server.n))
		flow_end(in, f, "peer-reset");
	buf_free(&to_program);
	buf_free(&to_server);
	if (f->ended)
		return;
	if (f->refused[0]) {
		flow_refuse(in, f, f->refused);
		return;
	}
	switch (state) {
	case OPENED_GOING:
		return;
	case OPENED_DONE:
		f->client.eof = f->server.eof = true;
		return;
	case OPENED_UPSTREAM_BAD:
		snprintf(f->reason, sizeof(f->reason),
			 "the server's certificate does not hold for '%.150s'", f->hello.sni);
		break;
	case OPENED_PINNED:
		snprintf(f->reason, sizeof(f->reason),
			 "the program refuses the box's own certificate: it pins another");
		break;
	case OPENED_CLIENT_CERT:
		snprintf(f->reason, sizeof(f->reason),
			 "the server asks for a client certificate: such TLS cannot be opened");
		break;
	case OPENED_BROKEN:
		snprintf(f->reason, sizeof(f->reason), "TLS broke while it was opened");
		break;
	}
	/* what is on its way, such as an alert, still goes out */
	f->client.eof = f->server.eof = true;
}
