// SPDX-License-Identifier: Apache-2.0
/*
 * ca.h - the box's own certificate authority
 *
 * Made with the box, private key 0600 in the box's folder, trusted only inside of the box (its
 * certificate is put into the box's system store by whoever starts the box). Leaves are made on
 * demand for the name that a ClientHello asks for, P-256, kept for the run.
 */
#ifndef BELLJAR_GATE_CA_H
#define BELLJAR_GATE_CA_H

#include "base/base.h"

struct ca;
/** ca_open() - load the CA of a box's folder (ca.key, ca.pem), made on first use */
int ca_open(int box_dirfd, struct ca **ret, struct err *err);
/** ca_pem() - the CA's certificate as PEM, NUL-terminated */
const char *ca_pem(const struct ca *ca);
/** ca_context() - an SSL_CTX for a server that is @name ("" : the address @ip_text); cached, at
 * most CA_LEAVES_MAX. Return: borrowed, or NULL */
#define CA_LEAVES_MAX 4096
struct ssl_ctx_st *ca_context(struct ca *ca, const char *name, const char *ip_text);
void ca_free(struct ca *ca);

#endif
