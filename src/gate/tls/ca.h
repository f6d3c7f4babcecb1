// SPDX-License-Identifier: Apache-2.0
/*
 * ca.h - the box's own certificate authority
 *
 * Made with the box, private key 0600 in the box's folder, trusted only inside of the box (its
 * certificate is put into the box's system store by whoever starts the box, see gate_box_ca()).
 * Leaves are made on demand for the name that a ClientHello asks for, P-256, kept for the run.
 *
 * Opened before the process is locked; from then on nothing here needs a file or a thread.
 */
#ifndef BELLJAR_GATE_CA_H
#define BELLJAR_GATE_CA_H

#include "base/base.h"

struct ca;
struct ssl_st;

/** ca_open() - load the CA of a box's folder (ca.key, ca.pem), made on first use
 * Return: 0; -EBADMSG, EXIT_CORRUPT when the two files are no CA; other -errno */
int ca_open(int box_dirfd, struct ca **ret, struct err *err);
/** ca_make() - the CA of a new box, with the box's name in its subject; one that is there stays */
int ca_make(int box_dirfd, const char *box_name, struct err *err);
/** ca_pem() - the CA's certificate as PEM, NUL-terminated */
const char *ca_pem(const struct ca *ca);

/** struct ca_session - what one server session of ours is; must live as long as its SSL */
struct ca_session {
	const char *name;    /* who is meant when the ClientHello names nobody; "" unknown */
	const char *ip_text; /* the address, for a certificate by address */
	const char *alpn;    /* what is spoken, comma separated, in our order of preference; a hello
			      * that offers none of them is answered without ALPN */
	void *ctx;
	void (*keylog)(void *ctx, const char *line); /* may be NULL */
};
/**
 * ca_server() - a TLS server, without BIOs, whose certificate is for whom the ClientHello asks
 *
 * SSL 3.0 is refused, everything newer accepted, however weak: what a program under glass says is
 * worth more than its protection from us. No tickets, no session cache, no 0-RTT, no
 * renegotiation: each handshake is whole, so each is seen.
 *
 * Return: owned by the caller; NULL when OpenSSL has no memory
 */
struct ssl_st *ca_server(struct ca *ca, const struct ca_session *s);
#define CA_LEAVES_MAX 4096 /* certificates kept; the oldest goes */
void ca_free(struct ca *ca);

/** tls_library_init() - OpenSSL as this room uses it: no configuration file of the host, all that
 * it would load or seed later done now */
void tls_library_init(void);

#endif
