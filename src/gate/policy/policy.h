// SPDX-License-Identifier: Apache-2.0
/*
 * policy.h - one policy by name for DNS answer, destination address, SNI and HTTP Host together
 *
 * Pure: no clock, no sockets. The gate process and the desk each hold a copy and ask the same
 * questions; the desk's answer is the one that counts for dialing.
 *
 * Precedence: a deny that matches wins over every allow; then allow; then what the mode says of
 * the rest (policy.c has the order in full). Encrypted name service of the program's own (DoT: port
 * 853 or ALPN dot, doq; DoH: known resolvers; ECH) is refused in every mode unless the policy file
 * says `encrypted-dns allow` (ECH alone: `ech allow`), since it would hide names from the policy.
 *
 * Addresses that lead back to this machine or into its network (loopback, private, link-local, own
 * addresses) are never reached for the sake of a name, nor in mode open: only an allow rule for the
 * address itself opens them. Whoever owns an allowed name chooses its addresses.
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

/**
 * policy_name() - may this box reach @name at @port (0: any)? Used for DNS, SNI and Host
 *
 * In any case, with or without a final dot; an address in text is judged as policy_address() does
 * without a name. VERDICT_REFUSE only when it is denied, or a resolver that hides names.
 */
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
/** policy_encrypted_dns() - does a hello ask for name service that the policy would not see, and is
 * that refused? Then @why is set. @name: SNI or the flow's name, "" none */
bool policy_encrypted_dns(const struct policy *p, const char *name, uint16_t port, const char *alpn,
			  bool ech, char why[256]);
/** policy_passes_pinned() - TLS that should be opened and cannot be, since the program or the
 * server would have to be deceived: is it passed through, or refused? */
bool policy_passes_pinned(const struct policy *p);
/** policy_opens_tls() - shall TLS to this name be opened by the box's CA? */
bool policy_opens_tls(const struct policy *p, const char *name);

#endif
