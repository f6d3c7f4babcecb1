// SPDX-License-Identifier: Apache-2.0
/*
 * trust.h - inside the gate: one TLS client session of ours with a real server, strictly verified
 */
#ifndef BELLJAR_GATE_TRUST_H
#define BELLJAR_GATE_TRUST_H

#include "gate/tls/opened.h"

struct ssl_st;

enum upstream_state {
	UPSTREAM_GOING,
	UPSTREAM_READY,	      /* verified, and it holds the key */
	UPSTREAM_BAD,	      /* its certificate does not hold for the name */
	UPSTREAM_CLIENT_CERT, /* verified; it wants a client certificate */
	UPSTREAM_BROKEN,      /* no TLS that we speak */
};

/** struct upstream - where it stands; .ssl and .why are for reading */
struct upstream {
	struct ssl_st *ssl;
	const struct flow_facts *facts;
	const struct emit *emit;
	void *ctx;
	void (*keylog)(void *ctx, const char *line);
	char name[NAME_MAX_DNS + 1]; /* who it must be */
	enum upstream_state state;
	bool verified;
	char why[256]; /* UPSTREAM_BAD, UPSTREAM_BROKEN */
};

/** upstream_init() - .facts, .emit, .ctx, .keylog are set by the caller; -1 without memory */
int upstream_init(struct upstream *u, struct trust *t, const char *sni, const char *alpn);
/** upstream_feed() - bytes of the server; @eof: none come any more */
void upstream_feed(struct upstream *u, const void *p, size_t n, bool eof);
/** upstream_handshake() - goes on as far as it can; emits the certificate and what was agreed */
enum upstream_state upstream_handshake(struct upstream *u);
void upstream_free(struct upstream *u);

/** tls_flush() - moves what a session wants to send to @out */
void tls_flush(struct ssl_st *ssl, struct buf *out);
/** tls_alert_of() - the alert that the other side ended it with, by OpenSSL's error queue; -1 none
 */
int tls_alert_of(void);

#endif
