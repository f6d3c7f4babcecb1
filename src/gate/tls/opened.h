// SPDX-License-Identifier: Apache-2.0
/*
 * opened.h - TLS that the gate opens, and certificates that it checks in TLS that it does not open
 *
 * opened: a server towards the program (leaf of the box's CA) and a client towards the real server
 * (strict verification against the host's trust store), as a pure state machine over memory: four
 * byte streams, no sockets. The client half goes first, so that the program's half offers the ALPN
 * that the server chose, and a bad upstream certificate fails the program's handshake with an
 * alert. A client that answers our leaf with an alert, or closes without a byte of application
 * data, pins: that is told, and policy decides. A server that asks for a client certificate cannot
 * be opened: the flow is told to be passed through.
 */
#ifndef BELLJAR_GATE_OPENED_H
#define BELLJAR_GATE_OPENED_H

#include "gate/flow.h"
#include "gate/tls/ca.h"

/** struct trust - the host's trust store, read before the gate process is locked */
struct trust;
/** trust_open() - from the bundle of the distribution, or what SSL_CERT_FILE names. On a machine
 * that has none no certificate holds.
 * Return: 0; -EINVAL, EXIT_UNREADABLE when SSL_CERT_FILE names none; other -errno */
int trust_open(struct trust **ret, struct err *err);
void trust_free(struct trust *t);
/** trust_holds() - does this chain, the body of a Certificate message of TLS 1.2, hold for @sni?
 * That who showed it has its key is not looked at. @why: filled when it does not */
bool trust_holds(struct trust *t, const struct flow_facts *f, const char *sni, const uint8_t *p,
		 size_t n, char why[256]);

struct opened;
/** struct opened_env - lent for the life of the flow. Times of events are UINT64_MAX: now */
struct opened_env {
	struct ca *ca;
	struct trust *trust;
	const struct emit *emit; /* TLS events of both sides */
	void *ctx;
	void (*plain)(void *ctx, const struct flow_facts *f, enum dir dir, const void *p, size_t n);
	void (*keylog)(void *ctx, const char *line);
};
/** opened_new() - @sni and @alpn are of the program's ClientHello (struct hello); its bytes are
 * given to the first opened_step(), and kept by the caller, who may have to pass them through */
struct opened *opened_new(const struct opened_env *env, const struct flow_facts *f, const char *sni,
			  const char *alpn);
/** enum opened_state - what came of it */
enum opened_state {
	OPENED_GOING,
	OPENED_DONE,	     /* the server has closed; what is in the outputs is the rest */
	OPENED_UPSTREAM_BAD, /* the server's certificate does not hold for the name */
	OPENED_PINNED,	     /* the program refuses the box's CA */
	OPENED_CLIENT_CERT,  /* the server wants a client certificate; nothing was sent to the
			      * program yet */
	OPENED_BROKEN,	     /* TLS error of either side */
};
/** opened_step() - feed what arrived (either may be empty; eof flags), get what to send. Buffers
 * are bounded by OPENED_BUFFER_MAX: the caller stops reading a side whose output is not drained */
#define OPENED_BUFFER_MAX (1u << 20)
struct opened_io {
	const void *from_program, *from_server;
	size_t n_program, n_server;
	bool eof_program, eof_server;
	struct buf *to_program, *to_server; /* appended */
};
enum opened_state opened_step(struct opened *o, struct opened_io *io);
/** opened_why() - a sentence for a state that is neither GOING nor DONE; "" else */
const char *opened_why(const struct opened *o);
void opened_free(struct opened *o);

/**
 * check - is who answers at an address really the server that the SNI names?
 *
 * In TLS 1.3 the certificate of a passed-through connection cannot be read, so the gate makes a
 * handshake of its own over a second socket to the same address, with the same SNI and ALPN, before
 * it lets the program's bytes go; the verdict is kept per (address, port, name, ALPN) for
 * CHECK_KEEP_NS. Whether the server then shows the same on the program's own connection can be seen
 * up to TLS 1.2 only: there trust_holds() is asked again (gatekeeping.c).
 */
#define CHECK_KEEP_NS (300 * NSEC_PER_SEC)
struct check;
struct check *check_new(struct trust *trust, const struct flow_facts *f, const char *sni,
			const char *alpn, const struct emit *emit);
/** check_step() - as opened_step() for the server side. Return: 1 good, 0 going on, -EACCES with
 * @why when the certificate does not hold */
int check_step(struct check *c, const void *from_server, size_t n, bool eof, struct buf *to_server,
	       char why[256]);
void check_free(struct check *c);

#endif
