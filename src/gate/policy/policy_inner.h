// SPDX-License-Identifier: Apache-2.0
/*
 * policy_inner.h - what policy.c, policy_text.c and policy_known.c share
 */
#ifndef BELLJAR_GATE_POLICY_INNER_H
#define BELLJAR_GATE_POLICY_INNER_H

#include <uthash.h>

#include "gate/policy/policy.h"

/** struct subject - whom a rule names: the key of the hash, compared byte by byte */
struct subject {
	char kind;    /* 'n' the name, 'w' all below the name, '4', '6' an address or a network */
	uint8_t bits; /* of the network; 0 for names */
	uint8_t n;    /* bytes used of .at */
	char at[NAME_MAX_DNS + 1]; /* name in lower case without final dot, or address bytes */
};

/** struct rule_word - a rule's word, read: subject and port */
struct rule_word {
	struct subject s;
	uint16_t port; /* 0 any */
};

/**
 * word_read() - read NAME, *.NAME, ADDRESS or ADDRESS/BITS, each with an optional port
 * Return: NULL; or what is wrong with it, to follow the word in a sentence
 */
const char *word_read(struct str word, bool with_port, struct rule_word *ret);
/** word_write() - as it is read back */
#define WORD_TEXT_MAX (NAME_MAX_DNS + 16)
const char *word_write(const struct rule_word *w, char buf[WORD_TEXT_MAX]);
/** name_read() - lower case, no final dot. Return: as word_read() */
const char *name_read(struct str name, char ret[NAME_MAX_DNS + 1]);
bool address_read(struct str text, struct addr *ret);

enum rule_op { RULE_ALLOW, RULE_DENY, RULE_TLS_OPEN, RULE_OPS };

/** struct port_rule - what holds for a subject at one port */
struct port_rule {
	uint16_t port;
	bool has[RULE_OPS];
};

/** struct entry - all that is ruled about one subject */
struct entry {
	struct subject s;
	bool has[RULE_OPS];	/* at any port */
	bool some_port;		/* is allowed at a port */
	struct port_rule *port; /* sorted */
	int nports;
	UT_hash_handle hh;
};

struct rule {
	enum rule_op op;
	uint16_t port;
	struct entry *at;
};

struct policy {
	enum gate_mode mode;
	bool encrypted_dns;  /* allowed */
	bool ech;	     /* allowed */
	bool pinned_refused; /* TLS that cannot be opened is refused, else passed through */
	struct entry *entries;
	struct rule *rule; /* as they were added */
	int nrules;
	bool used4[33], used6[129]; /* lengths of networks that rules name */
	struct addr *own;	    /* this machine's addresses */
	int nown;
};

/** policy_add() - one rule; one that is there already is not added. -E2BIG */
int policy_add(struct policy *p, enum rule_op op, const struct rule_word *w);
/** policy_finds() - is this very rule there? */
bool policy_finds(const struct policy *p, enum rule_op op, const struct rule_word *w);

/* ---- policy_known.c ----------------------------------------------------------------------- */

/** known_resolver_name() - the entry of the table that @name is, or is below; NULL none */
const char *known_resolver_name(const char *name);
bool known_resolver_address(const struct addr *a);
/**
 * address_special() - what an address is that must not be reached just because a name led to it
 *
 * "this machine's loopback", "a private network", …; NULL for what is in the public Internet.
 * IPv6 addresses that carry an IPv4 address (NAT64, 6to4, Teredo, …) are judged by that.
 */
const char *address_special(const struct addr *a);
bool address_sinkhole(const struct addr *a);

#endif
