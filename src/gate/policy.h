// SPDX-License-Identifier: Apache-2.0
/*
 * policy.h - one policy by name for DNS answer, destination address, SNI and HTTP Host together
 *
 * Pure: no clock, no sockets. The gate process and the desk each hold a copy and ask the same
 * questions; the desk's answer is the one that counts for dialing.
 *
 * Precedence: a deny that matches wins over every allow; then allow; then what the mode says of
 * the rest. Encrypted name service of its own (DoT: port 853 or ALPN dot; DoH: known resolvers,
 * application/dns-message; ECH) is refused unless the policy file says `encrypted-dns allow`,
 * since it would hide names from the policy.
 */
#ifndef BELLJAR_GATE_POLICY_H
#define BELLJAR_GATE_POLICY_H

#include "gate/flow.h"
#include "gate/gate.h"

#define POLICY_RULES_MAX 10000

enum verdict { VERDICT_ALLOW, VERDICT_SINK, VERDICT_REFUSE };

/** struct judged - an answer with its reason; reason is a sentence for people */
struct judged {
	enum verdict verdict;
	char reason[256];
};

/** policy_name() - may this box reach @name at @port (0: any)? Used for DNS, SNI and Host */
struct judged policy_name(const struct policy *p, const char *name, uint16_t port);
/**
 * policy_address() - may a flow to @dst begin?
 * @name: the name of the unexpired answer to this box that gave @dst; "" for none
 */
struct judged policy_address(const struct policy *p, const struct addr *dst, const char *name);
/**
 * policy_inner_name() - a flow to an address that was allowed as @name says in its SNI or Host that
 * it wants @inner: allowed only when @inner is allowed by itself (a shared CDN address proves
 * nothing). @what: "SNI" or "Host", for the reason. An empty @inner keeps the address's verdict.
 */
struct judged policy_inner_name(const struct policy *p, const char *name, const char *inner,
				uint16_t port, const char *what);
/** policy_encrypted_dns() - is a hello or a name one of a resolver that would hide names? @why is
 * set when so and it is refused */
bool policy_encrypted_dns(const struct policy *p, const char *name, uint16_t port, const char *alpn,
			  bool ech, char why[256]);
/** policy_opens_tls() - shall TLS to this name be opened by the box's CA? */
bool policy_opens_tls(const struct policy *p, const char *name);

#endif
