// SPDX-License-Identifier: Apache-2.0
/*
 * opened.c - TLS that is opened: a server for the program, a client of the real server
 *
 * Theory of operation
 *
 *   UPSTREAM  our handshake with the server; what the program has said waits in its session
 *   PROGRAM   our handshake with the program, offering the ALPN that the server chose
 *   PIPE      what one side says in plain is said to the other. A program that has closed its side
 *             still gets what the server has to say; when the server closes it is over
 *
 * A program pins when it answers our leaf with an alert about certificates, or goes away after it
 * without one byte having passed in either direction.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gate/decode/tls.h"
#include "gate/tls/trust.h"

#define HELLO_HELD_MAX (64u << 10) /* of the program while upstream is not ready */

enum phase { UPSTREAM, PROGRAM, PIPE };

struct opened {
	struct opened_env env;
	struct flow_facts facts;
	struct upstream up;
	struct ca_session session;
	SSL *down;
	enum phase phase;
	enum opened_state state;
	bool program_closed, server_closed, passed /* a byte, in either direction */;
	size_t held;
	char name[NAME_MAX_DNS + 1], ip[ADDR_TEXT_MAX], alpn[64], why[256];
};

static void give_keylog(void *ctx, const char *line)
{
	struct opened *o = ctx;

	if (o->env.keylog)
		o->env.keylog(o->env.ctx, line);
}

struct opened *opened_new(const struct opened_env *env, const struct flow_facts *f, const char *sni,
			  const char *alpn)
{
	struct opened *o = xcalloc(1, sizeof(*o));

	o->env = *env;
	o->facts = *f;
	snprintf(o->name, sizeof(o->name), "%s", *sni ? sni : f->name);
	if (!addr_text(&f->dst, o->ip))
		o->ip[0] = 0;
	o->up = (struct upstream){
		.facts = &o->facts, .emit = env->emit, .ctx = o, .keylog = give_keylog
	};
	o->session = (struct ca_session){
		.name = o->name, .ip_text = o->ip, .alpn = o->alpn, .ctx = o, .keylog = give_keylog
	};
	o->down = ca_server(env->ca, &o->session);
	if (!o->down || upstream_init(&o->up, env->trust, sni, alpn)) {
		o->state = OPENED_BROKEN;
		snprintf(o->why, sizeof(o->why), "TLS to this name cannot be prepared");
		return o;
	}
	SSL_set_bio(o->down, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(o->down), -1);
	return o;
}

void opened_free(struct opened *o)
{
	if (!o)
		return;
	upstream_free(&o->up);
	SSL_free(o->down);
	free(o);
}

const char *opened_why(const struct opened *o)
{
	return o->why;
}

static enum opened_state end(struct opened *o, enum opened_state state, const char *why)
{
	o->state = state;
	snprintf(o->why, sizeof(o->why), "%s", why);
	return state;
}

/* ---- the program's handshake -------------------------------------------------------------- */

/* Before we have said anything an alert stands in a record of its own (RFC 8446 6). */
static void alert_program(struct buf *out)
{
	static const uint8_t handshake_failure[] = { TLS_ALERT, 3, 3, 0, 2, 2, 40 };

	buf_add(out, handshake_failure, sizeof(handshake_failure));
}

/* no_certificate … certificate_unknown, unknown_ca, access_denied */
static bool about_certificates(int alert)
{
	return (alert >= 41 && alert <= 46) || alert == 48 || alert == 49;
}

static enum opened_state program_failed(struct opened *o)
{
	int alert = tls_alert_of();
	struct event ev = { .kind = EV_TLS, .t = UINT64_MAX };
	const char *reason;
	char buf[16], why[200];

	if (alert < 0) {
		reason = ERR_reason_error_string(ERR_peek_error());
		snprintf(why, sizeof(why), "no TLS handshake with the program: %s",
			 reason ? reason : "it closed the connection");
		return end(o, OPENED_BROKEN, why);
	}
	ev.v[EV_AT(TLS, OP)] = V_Z("alert");
	ev.v[EV_AT(TLS, FLOW)] = V_INT(o->facts.id);
	ev.v[EV_AT(TLS, SNI)] = V_Z(*o->name ? o->name : NULL);
	ev.v[EV_AT(TLS, SIDE)] = V_Z("box");
	ev.v[EV_AT(TLS, VERDICT)] = V_Z(tls_alert_name((uint8_t)alert, buf));
	emit_event(o->env.emit, &ev);
	snprintf(why, sizeof(why), "the program ended the handshake: %s",
		 tls_alert_name((uint8_t)alert, buf));
	return end(o, about_certificates(alert) ? OPENED_PINNED : OPENED_BROKEN, why);
}

static enum opened_state pinned_by_leaving(struct opened *o)
{
	return end(o, OPENED_PINNED,
		   "the program saw the certificate of the box's authority and said nothing more");
}

static enum opened_state program_step(struct opened *o, bool eof)
{
	int k = SSL_do_handshake(o->down), why = SSL_get_error(o->down, k);

	if (k == 1) {
		o->phase = PIPE;
		return OPENED_GOING;
	}
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return OPENED_GOING;
	/* our certificate goes out with our first flight: who leaves after that has seen it */
	if (tls_alert_of() < 0 && eof && SSL_get_state(o->down) != TLS_ST_BEFORE &&
	    SSL_get_state(o->down) != TLS_ST_SR_CLNT_HELLO)
		return pinned_by_leaving(o);
	return program_failed(o);
}

/* ---- both ways ---------------------------------------------------------------------------- */

/* What one side says goes to the other. Return: 0; 1 it has closed its side; -1 broken */
static int pass(struct opened *o, SSL *from, SSL *to, enum dir dir)
{
	char piece[16384];
	int k, why;

	ERR_clear_error();
	while ((k = SSL_read(from, piece, sizeof(piece))) > 0) {
		o->passed = true;
		if (o->env.plain)
			o->env.plain(o->env.ctx, &o->facts, dir, piece, (size_t)k);
		if (SSL_write(to, piece, k) != k)
			return -1;
	}
	why = SSL_get_error(from, k);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	return why == SSL_ERROR_ZERO_RETURN ? 1 : -1;
}

static enum opened_state pipe_step(struct opened *o)
{
	int out = o->program_closed ? 0 : pass(o, o->down, o->up.ssl, DIR_OUT);
	int in = o->server_closed ? 0 : pass(o, o->up.ssl, o->down, DIR_IN);

	if (out < 0 && !o->passed && tls_alert_of() >= 0)
		return program_failed(o);
	if (out && !o->program_closed) {
		o->program_closed = true;
		SSL_shutdown(o->up.ssl);
	}
	if (in && !o->server_closed) {
		o->server_closed = true;
		SSL_shutdown(o->down);
	}
	if (o->program_closed && !o->passed)
		return pinned_by_leaving(o);
	if (out < 0 || in < 0)
		return end(o, OPENED_BROKEN,
			   out < 0 ? "the program broke off TLS" : "the server broke off TLS");
	return o->server_closed ? end(o, OPENED_DONE, "") : OPENED_GOING;
}

static enum opened_state upstream_step(struct opened *o, struct opened_io *io)
{
	const uint8_t *alpn;
	unsigned n;

	switch (upstream_handshake(&o->up)) {
	case UPSTREAM_GOING:
		return io->eof_program ? end(o, OPENED_BROKEN, "the program closed the connection")
				       : OPENED_GOING;
	case UPSTREAM_BAD:
		alert_program(io->to_program);
		return end(o, OPENED_UPSTREAM_BAD, o->up.why);
	case UPSTREAM_CLIENT_CERT:
		return end(o, OPENED_CLIENT_CERT, o->up.why);
	case UPSTREAM_BROKEN:
		alert_program(io->to_program);
		return end(o, OPENED_BROKEN, o->up.why);
	case UPSTREAM_READY:
		break;
	}
	SSL_get0_alpn_selected(o->up.ssl, &alpn, &n);
	snprintf(o->alpn, sizeof(o->alpn), "%.*s", (int)n, (const char *)alpn);
	o->phase = PROGRAM;
	return OPENED_GOING;
}

enum opened_state opened_step(struct opened *o, struct opened_io *io)
{
	if (o->state != OPENED_GOING)
		return o->state;
	upstream_feed(&o->up, io->from_server, io->n_server, io->eof_server);
	if (io->n_program)
		BIO_write(SSL_get_rbio(o->down), io->from_program, (int)io->n_program);
	if (io->eof_program)
		BIO_set_mem_eof_return(SSL_get_rbio(o->down), 0);
	if (o->phase == UPSTREAM) {
		o->held += io->n_program;
		if (o->held > HELLO_HELD_MAX)
			return end(o, OPENED_BROKEN, "the program does not wait for an answer");
		upstream_step(o, io);
	}
	ERR_clear_error();
	if (o->state == OPENED_GOING && o->phase == PROGRAM)
		program_step(o, io->eof_program);
	if (o->state == OPENED_GOING && o->phase == PIPE)
		pipe_step(o);
	ERR_clear_error();
	tls_flush(o->up.ssl, io->to_server);
	tls_flush(o->down, io->to_program);
	return o->state;
}
