// SPDX-License-Identifier: Apache-2.0
/*
 * policy.c - may this box reach a name, an address, a name at an address?
 *
 * Theory of operation
 *
 * Rules are kept by subject in one hash: a name, all below a name, a network. A question about
 * a name costs a look-up for the name and one for each of its parents; a question about an address
 * one for each length of network that some rule has. How many rules there are does not matter.
 *
 * Order of judgement, the first that decides:
 *  1. a deny rule for the address or the name: refused, in every mode;
 *  2. name service that hides names from the policy: refused unless the file allows it;
 *  3. sinkhole addresses, and everything in mode closed: sinkhole;
 *  4. an allow rule for the address;
 *  5. addresses that lead back to this machine or into the network that it stands in: never for
 *     the sake of a name (whoever owns a name chooses its addresses: DNS rebinding), and in mode
 *     open neither. Only (4) opens them;
 *  6. what is said of the name, or of the rest by the mode.
 */
#include <ifaddrs.h>
#include <stdarg.h>

#include "gate/policy/policy_inner.h"

/* ---- rules -------------------------------------------------------------------------------- */

struct policy *policy_new(enum gate_mode mode)
{
	struct policy *p = xcalloc(1, sizeof(*p));

	p->mode = mode;
	return p;
}

void policy_free(struct policy *p)
{
	struct entry *e, *next;

	if (!p)
		return;
	HASH_ITER(hh, p->entries, e, next)
	{
		HASH_DEL(p->entries, e);
		free(e->port);
		free(e);
	}
	free(p->rule);
	free(p->own);
	free(p);
}

enum gate_mode policy_mode(const struct policy *p)
{
	return p->mode;
}

void policy_set_mode(struct policy *p, enum gate_mode mode)
{
	p->mode = mode;
}

static unsigned key_size(const struct subject *s)
{
	return (unsigned)(offsetof(struct subject, at) + s->n);
}

static struct entry *find(const struct policy *p, const struct subject *s)
{
	struct entry *e;

	/* NOLINTNEXTLINE: the analyzer does not know that key_size() bytes of it are set */
	HASH_FIND(hh, p->entries, s, key_size(s), e);
	return e;
}

/* Where @port stands, or would be put, in the sorted list. */
static int port_at(const struct entry *e, uint16_t port)
{
	int low = 0, high = e->nports;

	while (low < high) {
		int mid = (low + high) / 2;

		if (e->port[mid].port < port)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool has(const struct entry *e, enum rule_op op, uint16_t port)
{
	int i = port_at(e, port);

	return e->has[op] || (i < e->nports && e->port[i].port == port && e->port[i].has[op]);
}

static bool *slot(struct entry *e, enum rule_op op, uint16_t port)
{
	int i = port_at(e, port);

	if (!port)
		return &e->has[op];
	if (i == e->nports || e->port[i].port != port) {
		e->port = xrealloc(e->port, (size_t)(e->nports + 1) * sizeof(*e->port));
		memmove(e->port + i + 1, e->port + i, (size_t)(e->nports - i) * sizeof(*e->port));
		e->port[i] = (struct port_rule){ .port = port };
		e->nports++;
	}
	return &e->port[i].has[op];
}

int policy_add(struct policy *p, enum rule_op op, const struct rule_word *w)
{
	struct entry *e = find(p, &w->s);
	bool *there;

	if (p->nrules >= POLICY_RULES_MAX)
		return policy_finds(p, op, w) ? 0 : -E2BIG;
	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->s = w->s;
		HASH_ADD(hh, p->entries, s, key_size(&e->s), e);
	}
	there = slot(e, op, w->port);
	if (*there)
		return 0;
	*there = true;
	e->some_port |= op == RULE_ALLOW;
	if (e->s.kind == '4')
		p->used4[e->s.bits] = true;
	if (e->s.kind == '6')
		p->used6[e->s.bits] = true;
	p->rule = xrealloc(p->rule, (size_t)(p->nrules + 1) * sizeof(*p->rule));
	p->rule[p->nrules++] = (struct rule){ op, w->port, e };
	return 0;
}

bool policy_finds(const struct policy *p, enum rule_op op, const struct rule_word *w)
{
	struct entry *e = find(p, &w->s);

	return e && (w->port ? !e->has[op] && has(e, op, w->port) : e->has[op]);
}

void policy_own_address(struct policy *p, bool v6, const void *ip)
{
	p->own = xrealloc(p->own, (size_t)(p->nown + 1) * sizeof(*p->own));
	p->own[p->nown] = (struct addr){ .v6 = v6 };
	memcpy(p->own[p->nown++].ip, ip, v6 ? 16 : 4);
}

void policy_own_addresses(struct policy *p)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr_in *in = (const void *)i->ifa_addr;
		const struct sockaddr_in6 *in6 = (const void *)i->ifa_addr;

		if (in && in->sin_family == AF_INET)
			policy_own_address(p, false, &in->sin_addr);
		if (in && in->sin_family == AF_INET6)
			policy_own_address(p, true, &in6->sin6_addr);
	}
	freeifaddrs(list);
}

/* ---- what the rules say ------------------------------------------------------------------- */

/** struct found - rules that speak of a subject */
struct found {
	const struct entry *deny, *allow;
	const struct entry *elsewhere; /* allowed, but at other ports */
};

static void take(struct found *f, const struct entry *e, uint16_t port)
{
	if (!e)
		return;
	if (!f->deny && (port ? has(e, RULE_DENY, port) : e->has[RULE_DENY]))
		f->deny = e;
	if (!e->some_port)
		return;
	/* port 0, a question of the name alone: a name that is allowed at any port may be known */
	if (!f->allow && (!port || has(e, RULE_ALLOW, port)))
		f->allow = e;
	else if (!f->elsewhere)
		f->elsewhere = e;
}

static void subject_name(struct subject *s, char kind, const char *name)
{
	size_t n = strlen(name);

	s->kind = kind;
	s->bits = 0;
	s->n = (uint8_t)n;
	memcpy(s->at, name, n);
}

static struct found rules_of_name(const struct policy *p, const char *name, uint16_t port)
{
	struct found f = { 0 };
	struct subject s;

	subject_name(&s, 'n', name);
	take(&f, find(p, &s), port);
	for (const char *up = strchr(name, '.'); up; up = strchr(up, '.')) {
		subject_name(&s, 'w', ++up);
		take(&f, find(p, &s), port);
	}
	return f;
}

static struct found rules_of_address(const struct policy *p, const struct addr *a, uint16_t port)
{
	int whole = a->v6 ? 128 : 32;
	struct found f = { 0 };
	struct subject s = { .kind = a->v6 ? '6' : '4', .n = (uint8_t)(whole / 8) };

	memcpy(s.at, a->ip, s.n);
	for (int bits = whole; bits >= 0; bits--) {
		if (bits < whole) /* from the end, a bit less each time */
			s.at[bits / 8] &= (char)(0xff00 >> (bits % 8));
		s.bits = (uint8_t)bits;
		if (a->v6 ? p->used6[bits] : p->used4[bits])
			take(&f, find(p, &s), port);
	}
	return f;
}

/* ---- sentences ---------------------------------------------------------------------------- */

static struct judged judge(enum verdict v, const char *fmt, ...) PRINTF(2, 3);

static struct judged judge(enum verdict v, const char *fmt, ...)
{
	struct judged j = { .verdict = v };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j.reason, sizeof(j.reason), fmt, ap);
	va_end(ap);
	return j;
}

/* The rule's word, short enough for a sentence. */
static const char *word_of(const struct entry *e, char buf[96])
{
	struct rule_word w = { .s = e->s };
	char text[WORD_TEXT_MAX];

	snprintf(buf, 96, strlen(word_write(&w, text)) < 90 ? "%s" : "%.80s…", text);
	return buf;
}

#define HIDES                                                                                      \
	"would hide from the policy which names are looked up; to let it pass, the policy file "   \
	"says 'encrypted-dns allow'"

static struct judged denied(const struct entry *e)
{
	char word[96];

	return judge(VERDICT_REFUSE, "a rule denies it: deny %s", word_of(e, word));
}

static struct judged allowed(const struct entry *e)
{
	char word[96];

	return judge(VERDICT_ALLOW, "a rule allows it: allow %s", word_of(e, word));
}

/* ---- judgement ---------------------------------------------------------------------------- */

static bool resolver_port(uint16_t port)
{
	return port == 443 || port == 853;
}

/* What the mode says of a name or address that no rule speaks of. */
static struct judged of_the_rest(const struct policy *p, const struct found *f, const char *what,
				 uint16_t port)
{
	char word[96];

	if (p->mode == GATE_OPEN)
		return judge(VERDICT_ALLOW, REASON_OPEN);
	if (f->elsewhere)
		return judge(VERDICT_SINK, "a rule allows %s, but not at port %u",
			     word_of(f->elsewhere, word), port);
	return judge(VERDICT_SINK, "no rule allows %s", what);
}

static struct judged name_judged(const struct policy *p, const char *name, uint16_t port)
{
	struct found f = rules_of_name(p, name, port);
	char what[160];

	if (f.deny)
		return denied(f.deny);
	if (resolver_port(port) && !p->encrypted_dns && known_resolver_name(name))
		return judge(VERDICT_REFUSE, "'%.80s' is a resolver that " HIDES, name);
	if (p->mode == GATE_CLOSED)
		return judge(VERDICT_SINK, "nobody is reached (mode closed)");
	if (f.allow)
		return allowed(f.allow);
	snprintf(what, sizeof(what), strlen(name) < 110 ? "the name '%s'" : "the name '%.100s…'",
		 name);
	return of_the_rest(p, &f, what, port);
}

bool policy_declares(const struct policy *p, struct str name, struct str address, uint16_t port)
{
	struct found of_name = { 0 }, of_address = { 0 };
	char plain[NAME_MAX_DNS + 1];
	struct addr a;

	if (name.n && !name_read(name, plain))
		of_name = rules_of_name(p, plain, port);
	if (address.n && address_read(address, &a))
		of_address = rules_of_address(p, &a, port);
	return (of_name.allow || of_address.allow) && !of_name.deny && !of_address.deny;
}

struct judged policy_name(const struct policy *p, const char *name, uint16_t port)
{
	char plain[NAME_MAX_DNS + 1];
	struct addr a;

	if (address_read(str_z(name), &a)) {
		a.port = port;
		return policy_address(p, &a, "");
	}
	if (!name_read(str_z(name), plain))
		return name_judged(p, plain, port);
	/* escaped bytes and the like: a name that no rule can speak of, and yet one */
	if (strlen(name) <= NAME_MAX_DNS)
		return name_judged(p, name, port);
	return judge(VERDICT_REFUSE, "what it asks for is no name");
}

static bool own_address(const struct policy *p, const struct addr *a)
{
	for (int i = 0; i < p->nown; i++)
		if (addr_same_ip(&p->own[i], a))
			return true;
	return false;
}

/* An address that no rule allows and that a name must not open either. */
static struct judged address_kept(const struct policy *p, const char *what, const char *text,
				  const char *name)
{
	if (p->mode == GATE_OPEN || (name[0] && policy_name(p, name, 0).verdict == VERDICT_ALLOW))
		return judge(VERDICT_REFUSE,
			     "%s is %s: it is reached only when a rule allows the address itself "
			     "(allow %s)",
			     text, what, text);
	return judge(VERDICT_SINK, "no rule allows %s, which is %s", text, what);
}

struct judged policy_address(const struct policy *p, const struct addr *dst, const char *name)
{
	struct found f = rules_of_address(p, dst, dst->port);
	char text[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX + 40];
	const char *special = address_special(dst);
	struct judged j;

	addr_text(dst, text);
	if (f.deny)
		return denied(f.deny);
	if (resolver_port(dst->port) && !p->encrypted_dns && known_resolver_address(dst))
		return judge(VERDICT_REFUSE, "%s is a resolver that " HIDES, text);
	if (name[0]) {
		j = policy_name(p, name, dst->port);
		if (j.verdict == VERDICT_REFUSE)
			return j;
	}
	if (p->mode == GATE_CLOSED)
		return judge(VERDICT_SINK, "nobody is reached (mode closed)");
	if (address_sinkhole(dst)) {
		if (name[0] && j.verdict == VERDICT_SINK)
			return j;
		return judge(VERDICT_SINK, name[0] ? "the name was answered with an address of the "
						     "sinkhole, before a rule allowed it"
						   : "an address of the sinkhole");
	}
	if (f.allow)
		return allowed(f.allow);
	if (!special && own_address(p, dst))
		special = "an address of this machine";
	if (special)
		return address_kept(p, special, text, name);
	if (name[0])
		return j;
	snprintf(what, sizeof(what), "%s, to which no name has led", text);
	return of_the_rest(p, &f, what, dst->port);
}

struct judged policy_inner_name(const struct policy *p, const char *name, const char *inner,
				uint16_t port, const char *what)
{
	char host[NAME_MAX_DNS + 8];
	struct judged j;
	char *colon;

	if (!inner[0])
		return judge(VERDICT_ALLOW, "the address is allowed, and no %s names another",
			     what);
	/* Host may carry a port, and an IPv6 address stands in brackets (RFC 9110 7.2) */
	snprintf(host, sizeof(host), "%s", inner + (inner[0] == '['));
	if (inner[0] == '[')
		host[strcspn(host, "]")] = 0;
	else if ((colon = strchr(host, ':')) && !strchr(colon + 1, ':'))
		*colon = 0;
	j = policy_name(p, host, port);
	if (j.verdict == VERDICT_ALLOW)
		return j;
	return judge(VERDICT_REFUSE, "its %s '%.60s' is not allowed%s%.60s%s: %.90s", what, host,
		     name[0] ? " though the address was reached as '" : "", name,
		     name[0] ? "'" : "", j.reason);
}

/* @list: comma-separated, as ALPN is kept */
static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ','))
			return true;
	return false;
}

bool policy_encrypted_dns(const struct policy *p, const char *name, uint16_t port, const char *alpn,
			  bool ech, char why[256])
{
	const char *known = resolver_port(port) ? known_resolver_name(name) : NULL;
	struct judged j = { 0 };

	if (!p->encrypted_dns && (port == 853 || lists(alpn, "dot") || lists(alpn, "doq")))
		j = judge(VERDICT_REFUSE, "name service over TLS %s%s",
			  port == 853 ? "(port 853) " : "(its ALPN says so) ", HIDES);
	else if (!p->encrypted_dns && known)
		j = judge(VERDICT_REFUSE, "'%s' is a resolver that " HIDES, known);
	else if (ech && !p->ech && !p->encrypted_dns)
		j = judge(
			VERDICT_REFUSE,
			"an encrypted ClientHello would hide from the policy which name is meant; "
			"to let it pass, the policy file says 'ech allow'");
	if (j.reason[0])
		memcpy(why, j.reason, sizeof(j.reason));
	return j.reason[0];
}

bool policy_passes_pinned(const struct policy *p)
{
	return !p->pinned_refused;
}

bool policy_opens_tls(const struct policy *p, const char *name)
{
	char plain[NAME_MAX_DNS + 1];
	const struct entry *e;
	struct subject s;

	if (name_read(str_z(name), plain))
		return false;
	subject_name(&s, 'n', plain);
	e = find(p, &s);
	if (e && e->has[RULE_TLS_OPEN])
		return true;
	for (const char *up = strchr(plain, '.'); up; up = strchr(up, '.')) {
		subject_name(&s, 'w', ++up);
		e = find(p, &s);
		if (e && e->has[RULE_TLS_OPEN])
			return true;
	}
	return false;
}
