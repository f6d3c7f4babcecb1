// SPDX-License-Identifier: Apache-2.0
/*
 * resolver.c - what the box is told when it asks for a name
 *
 * A query is answered at once (sinkhole, refusal, names that need no asking) or handed to the
 * desk. Real answers are written new: the chain of CNAMEs from the name that was asked, and the
 * records of the type that was asked at its end; so a record for another name, slipped into an
 * answer, reaches neither the program nor the memory. All addresses count as answers for the
 * name that was asked, whatever the chain went through: the program will say that name.
 *
 * Times to live are at least RESOLVER_TTL_MIN, in the reply and in the memory alike. A resolver's
 * cache gives what is left of a time to live, which can be a second; a program that connects
 * two seconds later would be refused for no reason that it or its user could see.
 */
#include "gate/policy/policy_inner.h"
#include "gate/policy/resolver_inner.h"

#define SINK_TTL  60
#define CHAIN_MAX 16 /* CNAMEs that are followed */

struct resolver {
	const struct policy *p;
	const struct emit *emit;
	unsigned nx_left;
	struct book book;
	struct dns_message query, message;
	struct reply reply;
	struct buf scratch;
};

/** struct said - what the event of an answer says about it */
struct said {
	const char *answer; /* allowed, sinkhole, refused */
	const char *reason;
};

struct resolver *resolver_new(const struct policy *p, unsigned nxdomain_first,
			      const struct emit *emit)
{
	struct resolver *r = xcalloc(1, sizeof(*r));

	r->p = p;
	r->emit = emit;
	r->nx_left = nxdomain_first;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	book_free(&r->book);
	buf_free(&r->scratch);
	free(r);
}

void resolver_set_policy(struct resolver *r, const struct policy *p)
{
	r->p = p;
}

/* ---- events ------------------------------------------------------------------------------- */

static void tell_query(struct resolver *r, const struct flow_facts *f, const char *transport,
		       uint64_t now)
{
	struct event ev;

	dns_event(&r->query, f, transport, &r->scratch, &ev);
	ev.t = now;
	emit_event(r->emit, &ev);
}

/* The event is made from the bytes that go back, so it says what the program is told. */
static void finish(struct resolver *r, const struct flow_facts *f, const char *transport,
		   struct said s, uint64_t now, struct buf *out)
{
	size_t at = out->n;
	struct event ev;

	reply_end(&r->reply, transport, out);
	if (out->overflow || dns_read(out->p + at, out->n - at, &r->message))
		return;
	dns_event(&r->message, f, transport, &r->scratch, &ev);
	ev.v[EV_AT(DNS, ANSWER)] = V_Z(s.answer);
	ev.v[EV_AT(DNS, REASON)] = V_Z(s.reason);
	ev.t = now;
	emit_event(r->emit, &ev);
}

static void tell_limit(struct resolver *r, bool *told, const char *what, uint64_t max,
		       const char *detail, uint64_t now)
{
	struct event ev = { .kind = EV_LIMIT, .t = now };

	if (*told)
		return;
	*told = true;
	ev.v[EV_AT(LIMIT, WHAT)] = V_Z(what);
	ev.v[EV_AT(LIMIT, VALUE)] = V_INT(max);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("resolver");
	ev.v[EV_AT(LIMIT, DETAIL)] = V_Z(detail);
	emit_event(r->emit, &ev);
}

/* ---- names that need no asking ------------------------------------------------------------ */

static bool is_or_below(const char *name, const char *top)
{
	size_t n = strlen(name), k = strlen(top);

	return n >= k && !strcmp(name + n - k, top) && (n == k || name[n - k - 1] == '.');
}

static unsigned digit(char c, unsigned base)
{
	unsigned v = c >= 'a' ? (unsigned)(c - 'a' + 10) : (unsigned)(c - '0');

	return c >= '0' && v < base ? v : 99;
}

/* The address of a name below in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
static bool reverse_read(const char *name, struct addr *ret)
{
	*ret = (struct addr){ .v6 = is_or_below(name, "ip6.arpa") };
	if (ret->v6) {
		for (int i = 0; i < 32; i++, name += 2) {
			unsigned v = digit(name[0], 16);

			if (v > 15 || name[1] != '.')
				return false;
			ret->ip[15 - i / 2] |= (uint8_t)(i % 2 ? v << 4 : v);
		}
		return !strcmp(name, "ip6.arpa");
	}
	for (int i = 3; i >= 0; i--) {
		unsigned v = 0, n = 0;

		for (; digit(*name, 10) < 10 && n < 3; n++)
			v = v * 10 + digit(*name++, 10);
		if (!n || v > 255 || *name++ != '.')
			return false;
		ret->ip[i] = (uint8_t)v;
	}
	return !strcmp(name, "in-addr.arpa");
}

static bool reply_localhost(struct resolver *r, struct said *s)
{
	struct addr four = { .ip = { 127, 0, 0, 1 } }, six = { .ip = { [15] = 1 }, .v6 = true };
	uint16_t type = r->query.qtype;

	if (!is_or_below(r->query.qname, "localhost"))
		return false;
	reply_begin(&r->reply, &r->query, RCODE_OK);
	if (type == DNS_A || type == DNS_ANY)
		reply_address(&r->reply, r->query.qname, SINK_TTL, &four);
	if (type == DNS_AAAA || type == DNS_ANY)
		reply_address(&r->reply, r->query.qname, SINK_TTL, &six);
	*s = (struct said){ "sinkhole", "localhost is the box itself (RFC 6761)" };
	return true;
}

/* Questions by which programs find out whether they may use encrypted name service. */
static bool reply_discovery(struct resolver *r, struct said *s)
{
	bool canary = !strcmp(r->query.qname, "use-application-dns.net");

	if (r->p->encrypted_dns || (!canary && !is_or_below(r->query.qname, "resolver.arpa")))
		return false;
	reply_begin(&r->reply, &r->query, canary ? RCODE_NXDOMAIN : RCODE_OK);
	*s = (struct said){ "refused",
			    "encrypted name service is refused, and programs ask by this "
			    "name whether it is there" };
	return true;
}

static bool reply_reverse(struct resolver *r, struct said *s)
{
	const struct named *n;
	struct addr a;

	if (r->query.qtype != DNS_PTR || !reverse_read(r->query.qname, &a) || !address_sinkhole(&a))
		return false;
	n = book_sink_name(&r->book, &a);
	reply_begin(&r->reply, &r->query, n ? RCODE_OK : RCODE_NXDOMAIN);
	if (n)
		reply_name(&r->reply, r->query.qname, DNS_PTR, SINK_TTL, "", 0, n->name);
	*s = (struct said){ "sinkhole", "an address of the sinkhole" };
	return true;
}

/* ---- queries ------------------------------------------------------------------------------ */

/* An error for what is no question that a resolver answers; RCODE_OK for what is one. */
static uint8_t not_asked(const struct dns_message *q)
{
	if (q->opcode)
		return RCODE_NOTIMP;
	if (!question_whole(q) || !q->qname[0])
		return RCODE_FORMERR;
	if (q->qtype == DNS_OPT)
		return RCODE_FORMERR;
	/* TKEY, TSIG, transfers, MAILB, MAILA; other classes than the Internet's */
	if ((q->qtype >= 249 && q->qtype < DNS_ANY) ||
	    (q->qclass != DNS_IN && q->qclass != DNS_ANY))
		return RCODE_REFUSED;
	return RCODE_OK;
}

static void sink_records(struct resolver *r, struct named *n)
{
	static const uint8_t preference[2] = { 0, 10 };
	const char *name = r->query.qname;
	uint16_t type = r->query.qtype;
	struct addr a;

	if (!strcmp(name, "."))
		return;
	if (type == DNS_A || type == DNS_ANY) {
		book_sink(&r->book, n, false, &a);
		reply_address(&r->reply, name, SINK_TTL, &a);
	}
	if (type == DNS_AAAA || type == DNS_ANY) {
		book_sink(&r->book, n, true, &a);
		reply_address(&r->reply, name, SINK_TTL, &a);
	}
	if (type == DNS_MX) /* mail for a name goes to the name: the sinkhole takes it */
		reply_name(&r->reply, name, DNS_MX, SINK_TTL, preference, 2, name);
}

static void reply_sink(struct resolver *r, struct named *n, bool fresh)
{
	struct addr a;
	bool reverse = r->query.qtype == DNS_PTR && reverse_read(r->query.qname, &a);

	if (fresh && r->nx_left && !reverse) {
		r->nx_left--;
		n->nx = true;
	}
	reply_begin(&r->reply, &r->query, n->nx || reverse ? RCODE_NXDOMAIN : RCODE_OK);
	if (!n->nx)
		sink_records(r, n);
}

/* Everything but a question for the desk. Return: false for that. */
static bool reply_here(struct resolver *r, struct judged *j, struct said *s, uint64_t now)
{
	uint8_t rcode = not_asked(&r->query);
	struct named *n;
	bool fresh;

	if (rcode) {
		reply_begin(&r->reply, &r->query, rcode);
		*s = (struct said){ "refused", "no question that a resolver answers" };
		return true;
	}
	*j = policy_name(r->p, r->query.qname, 0);
	s->reason = j->reason;
	if (j->verdict == VERDICT_REFUSE) {
		reply_begin(&r->reply, &r->query, RCODE_REFUSED);
		s->answer = "refused";
		return true;
	}
	if (reply_localhost(r, s) || reply_discovery(r, s) || reply_reverse(r, s))
		return true;
	n = book_name(&r->book, r->query.qname, &fresh);
	if (!n) {
		reply_begin(&r->reply, &r->query, RCODE_SERVFAIL);
		*s = (struct said){ "refused", "this box has asked for too many different names" };
		tell_limit(r, &r->book.names_full, "dns-names", RESOLVER_NAMES_MAX,
			   "more different names were asked for; they are answered SERVFAIL", now);
		return true;
	}
	if (j->verdict == VERDICT_ALLOW)
		return false;
	s->answer = "sinkhole";
	reply_sink(r, n, fresh);
	return true;
}

enum resolved resolver_query(struct resolver *r, const struct flow_facts *f, const char *transport,
			     const void *query, size_t n, uint64_t now, struct buf *reply,
			     char ret_name[NAME_MAX_DNS + 3], uint16_t *ret_type)
{
	struct said s = { 0 };
	struct judged j;

	if (dns_read(query, n, &r->query) || r->query.response)
		return RESOLVED_DROP;
	tell_query(r, f, transport, now);
	snprintf(ret_name, NAME_MAX_DNS + 3, "%.*s", NAME_MAX_DNS, r->query.qname);
	if (reply_here(r, &j, &s, now)) {
		finish(r, f, transport, s, now, reply);
		return RESOLVED_REPLY;
	}
	*ret_type = r->query.qtype == DNS_ANY ? DNS_A : r->query.qtype;
	return RESOLVED_ASK;
}

void resolver_set_book(struct resolver *r, uint32_t edition)
{
	r->book.edition = edition;
}

void resolver_unanswered(struct resolver *r, const struct flow_facts *f, const char *transport,
			 const void *query, size_t n, uint64_t now)
{
	if (!dns_read(query, n, &r->query) && !r->query.response)
		tell_query(r, f, transport, now);
}

/* ---- real answers ------------------------------------------------------------------------- */

static uint32_t ttl_of(const struct dns_record *rec)
{
	if (rec->ttl > RESOLVER_TTL_MAX)
		return rec->ttl >> 31 ? RESOLVER_TTL_MIN : RESOLVER_TTL_MAX; /* RFC 2181 8 */
	return rec->ttl < RESOLVER_TTL_MIN ? RESOLVER_TTL_MIN : rec->ttl;
}

static bool address_of(const struct dns_record *rec, struct addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*ret = (struct addr){ .v6 = rec->type == DNS_AAAA };
	if (rec->n != (ret->v6 ? 16 : 4))
		return false;
	memcpy(ret->ip, rec->data, rec->n);
	if (ret->v6 && !memcmp(ret->ip, mapped, 12)) {
		*ret = (struct addr){ 0 };
		memcpy(ret->ip, rec->data + 12, 4);
	}
	return true;
}

/* One record of the chain's end. An address of the sinkhole is nobody's in the real Internet. */
static void take_record(struct resolver *r, struct named *n, const struct dns_record *rec,
			uint64_t now)
{
	uint32_t ttl = ttl_of(rec);
	struct addr a;

	if (rec->type == DNS_A || rec->type == DNS_AAAA) {
		if (!address_of(rec, &a) || address_sinkhole(&a))
			return;
		if (!reply_copy(&r->reply, &r->message, rec, ttl))
			return;
		book_lead(&r->book, n, &a, now + ttl * NSEC_PER_SEC);
		return;
	}
	reply_copy(&r->reply, &r->message, rec, ttl);
}

static const struct dns_record *alias_of(const struct dns_message *m, const char *name)
{
	for (int i = 0; i < m->nrecords; i++)
		if (m->record[i].type == DNS_CNAME && m->record[i].class == DNS_IN &&
		    !strcmp(m->record[i].name, name))
			return &m->record[i];
	return NULL;
}

static void take_answer(struct resolver *r, struct named *n, uint64_t now)
{
	uint16_t type = r->query.qtype == DNS_ANY ? DNS_A : r->query.qtype;
	const struct dns_message *m = &r->message;
	char at[DNS_NAME_TEXT_MAX];

	strcpy(at, r->query.qname);
	for (int i = 0; type != DNS_CNAME; i++) {
		const struct dns_record *alias = alias_of(m, at);
		size_t data;

		if (!alias)
			break;
		data = alias->data_at;
		if (i == CHAIN_MAX || !reply_copy(&r->reply, m, alias, ttl_of(alias)) ||
		    dns_name_read(m->bytes, data + alias->n, &data, at)) {
			/* a loop, or no name: there is no end of the chain */
			reply_begin(&r->reply, &r->query, RCODE_SERVFAIL);
			return;
		}
	}
	for (int i = 0; i < m->nrecords; i++)
		if (m->record[i].type == type && m->record[i].class == DNS_IN &&
		    !strcmp(m->record[i].name, at))
			take_record(r, n, &m->record[i], now);
}

static bool answers(const struct resolver *r, const void *answer)
{
	const struct dns_message *m = &r->message, *q = &r->query;

	return answer && m->response && !m->opcode && m->nquestions == 1 &&
	       !strcmp(m->qname, q->qname) && m->qclass == DNS_IN &&
	       m->qtype == (q->qtype == DNS_ANY ? DNS_A : q->qtype);
}

/* What the program is told differs from what was answered. */
static const char *left_out(const struct reply *r)
{
	if (r->without_ech)
		return "a rule allows it; the keys for an encrypted ClientHello (ECH) were left "
		       "out of the answer: it would hide from the policy which name is meant";
	if (r->without_more)
		return "a rule allows it; addresses or other names in service records were left "
		       "out of the answer: they would lead past the policy";
	return NULL;
}

void resolver_looked_up(struct resolver *r, const struct flow_facts *f, const char *transport,
			const void *query, size_t n, const void *answer, size_t answer_n,
			uint64_t now, struct buf *reply)
{
	struct said s = { 0 };
	struct judged j;
	struct named *name;
	bool fresh;

	if (dns_read(query, n, &r->query) || r->query.response)
		return;
	/* the policy may have changed meanwhile */
	if (reply_here(r, &j, &s, now)) {
		finish(r, f, transport, s, now, reply);
		return;
	}
	s.answer = "allowed";
	name = book_name(&r->book, r->query.qname, &fresh);
	if (answer && dns_read(answer, answer_n, &r->message))
		answer = NULL;
	if (answers(r, answer)) {
		reply_begin(&r->reply, &r->query, r->message.rcode & 0xf);
		take_answer(r, name, now);
		s.reason = left_out(&r->reply) ? left_out(&r->reply) : s.reason;
	} else {
		s.reason = "a rule allows it, but this machine's resolver gave no answer";
		reply_begin(&r->reply, &r->query, RCODE_SERVFAIL);
	}
	finish(r, f, transport, s, now, reply);
	if (r->book.led_full && !r->book.led_told)
		tell_limit(r, &r->book.led_told, "dns-answers", RESOLVER_ANSWERS_MAX,
			   "more addresses were answered; the oldest are not reached any more",
			   now);
}

bool resolver_name_of(const struct resolver *r, const struct addr *a, uint64_t now,
		      char ret_name[NAME_MAX_DNS + 1], bool *ret_real)
{
	const struct named *n = NULL;
	const struct led *l;

	if (address_sinkhole(a)) {
		n = book_sink_name(&r->book, a);
		*ret_real = false;
	} else if ((l = book_led(&r->book, a))) {
		/* the latest name of those that may be reached at this port, else the latest */
		for (int i = 0; i < LEADS_MAX; i++) {
			const struct lead *lead = &l->lead[i];

			if (!lead->name || lead->expires <= now)
				continue;
			if (!n)
				n = lead->name;
			if (policy_name(r->p, lead->name->name, a->port).verdict == VERDICT_ALLOW) {
				n = lead->name;
				break;
			}
		}
		*ret_real = true;
	}
	if (!n)
		return false;
	snprintf(ret_name, NAME_MAX_DNS + 1, "%s", n->name);
	return true;
}
