// SPDX-License-Identifier: Apache-2.0
/* gate_resolver.c - what a box is told when it asks for names, and what is remembered of it */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/decode/be.h"
#include "gate/policy/policy_inner.h"
#include "gate/policy/resolver_inner.h"

#define SEC NSEC_PER_SEC

/* ---- a box that asks ---------------------------------------------------------------------- */

/** struct asker - a resolver, the last reply, and what the record says */
struct asker {
	struct policy *p;
	struct resolver *r;
	struct emit emit;
	struct flow_facts f;
	const char *transport;
	uint64_t now;
	uint8_t query[600];
	size_t query_n;
	struct buf reply;
	struct dns_message m; /* the reply, read */
	char name[NAME_MAX_DNS + 3];
	uint16_t type;
	struct buf log; /* events, one a line */
	char text[8192];
};

static void log_event(void *ctx, struct event *ev)
{
	const struct kind_def *k = event_kind_def(ev->kind);
	struct asker *a = ctx;

	buf_printf(&a->log, "%s", k->name);
	for (int i = 0; i < k->nfields; i++) {
		if (ev->v[i].type == VAL_TEXT)
			buf_printf(&a->log, " %s=%.*s", k->field[i].column, (int)ev->v[i].s.n,
				   ev->v[i].s.p);
	}
	buf_puts(&a->log, "\n");
	assert_int_equal(ev->t, a->now);
}

static struct asker *asker(enum gate_mode mode, const char *policy, unsigned nx)
{
	struct asker *a = xcalloc(1, sizeof(*a));
	struct err err = { 0 };

	a->p = policy_new(mode);
	if (policy_parse(a->p, policy, strlen(policy), "t", &err))
		fail_msg("%s", err.msg);
	a->emit = (struct emit){ a, log_event };
	a->r = resolver_new(a->p, nx, &a->emit);
	a->transport = "udp";
	a->f = (struct flow_facts){ .id = 7, .dst = { .ip = { 9, 9, 9, 9 }, .port = 53 } };
	return a;
}

static void asker_free(struct asker *a)
{
	resolver_free(a->r);
	policy_free(a->p);
	buf_free(&a->reply);
	buf_free(&a->log);
	free(a);
}

static size_t put_message(uint8_t *to, size_t room, uint16_t id, uint16_t flags, const char *name,
			  uint16_t type, uint16_t edns)
{
	struct wr w = { to, to + room, false };

	wr_be16(&w, id);
	wr_be16(&w, flags);
	wr_be16(&w, 1);
	wr_be32(&w, 0);
	wr_be16(&w, edns ? 1 : 0);
	assert_int_equal(dns_name_write(&w, name), 0);
	wr_be16(&w, type);
	wr_be16(&w, 1);
	if (edns) {
		wr_u8(&w, 0);
		wr_be16(&w, DNS_OPT);
		wr_be16(&w, edns);
		wr_be32(&w, 0);
		wr_be16(&w, 0);
	}
	assert_false(w.bad);
	return (size_t)(w.p - to);
}

static enum resolved ask_bytes(struct asker *a, const void *p, size_t n)
{
	enum resolved rc;

	a->reply.n = a->log.n = 0;
	rc = resolver_query(a->r, &a->f, a->transport, p, n, a->now, &a->reply, a->name, &a->type);
	if (rc == RESOLVED_REPLY)
		assert_int_equal(dns_read(a->reply.p, a->reply.n, &a->m), 0);
	else
		assert_int_equal(a->reply.n, 0);
	return rc;
}

static enum resolved ask(struct asker *a, const char *name, uint16_t type)
{
	a->query_n = put_message(a->query, sizeof(a->query), 0x1234, 0x0100, name, type, 0);
	return ask_bytes(a, a->query, a->query_n);
}

static const char *described(struct asker *a)
{
	cleanup_buf struct buf b = { 0 };
	char rcode[16];

	buf_printf(&b, "%s ", dns_rcode_name(a->m.rcode, rcode));
	dns_describe(&a->m, &b);
	snprintf(a->text, sizeof(a->text), "%s", buf_z(&b));
	return a->text;
}

/* Ask, expect an answer at once, and give it as text. */
static const char *told(struct asker *a, const char *name, uint16_t type)
{
	assert_int_equal(ask(a, name, type), RESOLVED_REPLY);
	assert_true(a->m.response);
	assert_int_equal(a->m.id, 0x1234);
	return described(a);
}

/* ---- the desk's answers ------------------------------------------------------------------- */

struct answer {
	uint8_t p[DNS_MESSAGE_MAX];
	struct wr w;
	uint16_t n;
};

static struct answer *answer_to(struct asker *a, uint8_t rcode)
{
	struct answer *m = xcalloc(1, sizeof(*m));
	size_t n = put_message(m->p, sizeof(m->p), 9, 0x8180 | rcode, a->name, a->type, 0);

	m->w = (struct wr){ m->p + n, m->p + sizeof(m->p), false };
	return m;
}

static void record(struct answer *m, const char *name, uint16_t type, uint32_t ttl, const void *p,
		   size_t n)
{
	assert_int_equal(dns_name_write(&m->w, name), 0);
	wr_be16(&m->w, type);
	wr_be16(&m->w, 1);
	wr_be32(&m->w, ttl);
	wr_be16(&m->w, (uint16_t)n);
	wr_bytes(&m->w, p, n);
	assert_false(m->w.bad);
	m->n++;
	m->p[6] = (uint8_t)(m->n >> 8);
	m->p[7] = (uint8_t)m->n;
}

static void record_ip(struct answer *m, const char *name, uint32_t ttl, const char *ip)
{
	bool v6 = strchr(ip, ':');
	uint8_t b[16];

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, ip, b), 1);
	record(m, name, v6 ? DNS_AAAA : DNS_A, ttl, b, v6 ? 16 : 4);
}

static void record_name(struct answer *m, const char *name, uint16_t type, uint32_t ttl,
			const char *target)
{
	uint8_t b[256];
	struct wr w = { b, b + sizeof(b), false };

	assert_int_equal(dns_name_write(&w, target), 0);
	record(m, name, type, ttl, b, (size_t)(w.p - b));
}

/* Hand the answer in; frees it. Gives the reply as text. */
static const char *looked_up(struct asker *a, struct answer *m)
{
	a->reply.n = a->log.n = 0;
	resolver_looked_up(a->r, &a->f, a->transport, a->query, a->query_n, m ? m->p : NULL,
			   m ? (size_t)(m->w.p - m->p) : 0, a->now, &a->reply);
	free(m);
	assert_int_equal(dns_read(a->reply.p, a->reply.n, &a->m), 0);
	assert_int_equal(a->m.id, 0x1234);
	return described(a);
}

static void leads_to(struct asker *a, const char *ip, uint16_t port, const char *name, bool real)
{
	char got[NAME_MAX_DNS + 1] = "";
	struct addr at = { 0 };
	bool is_real = !real;

	assert_true(address_read(str_z(ip), &at));
	at.port = port;
	if (resolver_name_of(a->r, &at, a->now, got, &is_real) != (name != NULL) ||
	    (name && (strcmp(got, name) || is_real != real)))
		fail_msg("%s led to '%s' (real %d), not '%s'", ip, got, is_real, name);
}

/* ---- the sinkhole ------------------------------------------------------------------------- */

static void test_every_name_resolves_and_always_to_the_same(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "", 0), *b = asker(GATE_CLOSED, "", 0);
	char first[200], ip[64], six[64];

	snprintf(first, sizeof(first), "%s", told(a, "www.example.com", DNS_A));
	assert_int_equal(sscanf(first, "NOERROR www.example.com 60 A %63s", ip), 1);
	assert_true(!strncmp(ip, "198.18.", 7) || !strncmp(ip, "198.19.", 7));
	told(a, "other.example", DNS_A);
	assert_string_equal(told(a, "WWW.Example.COM", DNS_A), first);
	/* another run of the box, asking for other names before */
	told(b, "third.example", DNS_A);
	assert_string_equal(told(b, "www.example.com", DNS_A), first);
	assert_int_equal(sscanf(told(a, "www.example.com", DNS_AAAA),
				"NOERROR www.example.com 60 AAAA %63s", six),
			 1);
	assert_true(!strncmp(six, "2001:2:0:", 9));
	leads_to(a, ip, 80, "www.example.com", false);
	leads_to(a, six, 80, "www.example.com", false);
	leads_to(a, "198.18.77.77", 80, NULL, false);
	leads_to(a, "2001:2::1", 80, NULL, false);
	asker_free(a);
	asker_free(b);
}

static void test_other_types_in_the_sinkhole(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "", 0);

	assert_string_equal(told(a, "x.example", DNS_MX), "NOERROR x.example 60 MX 10 x.example");
	assert_string_equal(told(a, "x.example", DNS_TXT), "NOERROR ");
	assert_string_equal(told(a, "x.example", DNS_HTTPS), "NOERROR ");
	assert_string_equal(told(a, "x.example", DNS_CNAME), "NOERROR ");
	assert_string_equal(told(a, "x.example", 4711), "NOERROR ");
	assert_string_equal(told(a, ".", DNS_NS), "NOERROR ");
	assert_string_equal(told(a, ".", DNS_A), "NOERROR ");
	told(a, "x.example", DNS_ANY);
	assert_int_equal(a->m.nrecords, 2);
	assert_string_equal(told(a, "localhost", DNS_A), "NOERROR localhost 60 A 127.0.0.1");
	assert_string_equal(told(a, "a.localhost", DNS_AAAA), "NOERROR a.localhost 60 AAAA ::1");
	asker_free(a);
}

static void test_addresses_of_the_sinkhole_have_names(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "", 0);
	char name[128], digits[80] = "", ip[64];
	unsigned b[4];
	uint8_t six[16];

	assert_int_equal(sscanf(told(a, "x.example", DNS_A), "NOERROR x.example 60 A %u.%u.%u.%u",
				b, b + 1, b + 2, b + 3),
			 4);
	snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
	told(a, name, DNS_PTR);
	assert_non_null(strstr(a->text, " PTR x.example"));
	told(a, "x.example", DNS_AAAA);
	assert_int_equal(sscanf(a->text, "NOERROR x.example 60 AAAA %63s", ip), 1);
	assert_int_equal(inet_pton(AF_INET6, ip, six), 1);
	for (int i = 15; i >= 0; i--)
		sprintf(digits + strlen(digits), "%x.%x.", six[i] & 15, six[i] >> 4);
	snprintf(name, sizeof(name), "%sip6.arpa", digits);
	told(a, name, DNS_PTR);
	assert_non_null(strstr(a->text, " PTR x.example"));
	assert_string_equal(told(a, "1.0.18.198.in-addr.arpa", DNS_PTR), "NXDOMAIN ");
	/* an address that is nobody's here, and what only looks like one */
	assert_string_equal(told(a, "1.2.0.192.in-addr.arpa", DNS_PTR), "NXDOMAIN ");
	assert_string_equal(told(a, "1.2.0.in-addr.arpa", DNS_PTR), "NOERROR ");
	assert_string_equal(told(a, "256.2.0.192.in-addr.arpa", DNS_PTR), "NOERROR ");
	assert_string_equal(told(a, "a.ip6.arpa", DNS_PTR), "NOERROR ");
	asker_free(a);
}

static void test_names_compete_for_addresses_and_all_get_their_own(void **state UNUSED)
{
	static uint8_t seen[SINKS / 8];
	struct asker *a = asker(GATE_CLOSED, "", 0);
	char name[64];

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < RESOLVER_NAMES_MAX; i++) {
		uint32_t at;

		snprintf(name, sizeof(name), "n%d.example", i);
		assert_int_equal(ask(a, name, DNS_A), RESOLVED_REPLY);
		assert_int_equal(a->m.nrecords, 1);
		at = be32(a->m.record[0].data) - 0xc6120000u; /* 198.18.0.0 */
		assert_true(at < SINKS && (at & 0xff) && (at & 0xff) != 0xff);
		assert_false(seen[at / 8] & 1 << at % 8);
		seen[at / 8] |= (uint8_t)(1 << at % 8);
	}
	/* one more: said so, and recorded once */
	assert_string_equal(told(a, "more.example", DNS_A), "SERVFAIL ");
	assert_non_null(strstr(buf_z(&a->log), "limit what=dns-names"));
	assert_string_equal(told(a, "again.example", DNS_A), "SERVFAIL ");
	assert_null(strstr(buf_z(&a->log), "limit"));
	/* those that are known go on */
	told(a, "n17.example", DNS_AAAA);
	assert_int_equal(a->m.nrecords, 1);
	asker_free(a);
}

static void test_the_first_names_do_not_exist_if_so_asked(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow good.example\n", 2);

	assert_int_equal(ask(a, "good.example", DNS_A), RESOLVED_ASK); /* does not count */
	assert_string_equal(told(a, "c1.example", DNS_A), "NXDOMAIN ");
	assert_string_equal(told(a, "c1.example", DNS_AAAA), "NXDOMAIN ");
	assert_string_equal(told(a, "c2.example", DNS_A), "NXDOMAIN ");
	assert_int_equal(strncmp(told(a, "c3.example", DNS_A), "NOERROR c3", 10), 0);
	assert_string_equal(told(a, "c1.example", DNS_A), "NXDOMAIN ");
	asker_free(a);
}

/* ---- refusals ----------------------------------------------------------------------------- */

static void test_denied_names_are_refused_with_the_reason(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "deny *.bad.example\n", 0);

	assert_string_equal(told(a, "x.bad.example", DNS_A), "REFUSED ");
	assert_string_equal(
		buf_z(&a->log),
		"dns op=query server=9.9.9.9:53 transport=udp name=x.bad.example type=A\n"
		"dns op=answer server=9.9.9.9:53 transport=udp name=x.bad.example type=A "
		"rcode=REFUSED answers= answer=refused reason=a rule denies it: deny "
		"*.bad.example\n");
	asker_free(a);
}

static void test_the_record_says_who_answered(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\n", 0);
	struct answer *m;

	told(a, "b.example", DNS_A);
	assert_string_equal(a->name, "b.example");
	assert_non_null(strstr(buf_z(&a->log),
			       "answer=sinkhole reason=no rule allows the name 'b.example'\n"));
	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	assert_string_equal(buf_z(&a->log),
			    "dns op=query server=9.9.9.9:53 transport=udp name=a.example type=A\n");
	m = answer_to(a, 0);
	record_ip(m, "a.example", 300, "192.0.2.1");
	looked_up(a, m);
	assert_string_equal(buf_z(&a->log),
			    "dns op=answer server=9.9.9.9:53 transport=udp name=a.example type=A "
			    "rcode=NOERROR answers=a.example 300 A 192.0.2.1 answer=allowed "
			    "reason=a rule allows it: allow a.example\n");
	asker_free(a);
}

static void test_what_is_no_question_is_not_answered_as_one(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "", 0);
	uint8_t q[512];
	size_t n;

	n = put_message(q, sizeof(q), 0x1234, 0x8180, "x.example", DNS_A, 0); /* a response */
	assert_int_equal(ask_bytes(a, q, n), RESOLVED_DROP);
	assert_int_equal(a->log.n, 0);
	assert_int_equal(ask_bytes(a, "GET / HTTP/1.0\r\n\r\n", 18), RESOLVED_DROP);
	assert_int_equal(ask_bytes(a, "", 0), RESOLVED_DROP);
	n = put_message(q, sizeof(q), 0x1234, 0x2900, "x.example", DNS_A, 0); /* an update */
	assert_int_equal(ask_bytes(a, q, n), RESOLVED_REPLY);
	assert_int_equal(a->m.rcode, RCODE_NOTIMP);
	assert_int_equal(a->m.flags & 0x7800, 0x2800);
	n = put_message(q, sizeof(q), 0x1234, 0x0100, "x.example", 252, 0); /* a transfer */
	assert_int_equal(ask_bytes(a, q, n), RESOLVED_REPLY);
	assert_int_equal(a->m.rcode, RCODE_REFUSED);
	n = put_message(q, sizeof(q), 0x1234, 0x0100, "version.bind", DNS_TXT, 0);
	q[n - 1] = 3; /* class CH */
	assert_int_equal(ask_bytes(a, q, n), RESOLVED_REPLY);
	assert_int_equal(a->m.rcode, RCODE_REFUSED);
	n = put_message(q, sizeof(q), 0x1234, 0x0100, "x.example", DNS_A, 0);
	q[5] = 0; /* no question, but bytes of one */
	assert_int_equal(ask_bytes(a, q, 12), RESOLVED_REPLY);
	assert_int_equal(a->m.rcode, RCODE_FORMERR);
	/* a name that points into the header */
	n = put_message(q, sizeof(q), 0x1234, 0x0100, ".", DNS_A, 0);
	memmove(q + 14, q + 13, n - 13);
	q[12] = 0xc0;
	q[13] = 0x05; /* the low byte of the count: a label of one byte, and then zeros */
	assert_int_equal(ask_bytes(a, q, n + 1), RESOLVED_REPLY);
	assert_int_equal(a->m.rcode, RCODE_FORMERR);
	asker_free(a);
}

static void test_a_name_longer_than_its_text_may_be_is_refused(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0);
	char name[600] = "";

	for (int i = 0; i < 100; i++)
		strcat(name, i % 50 ? "\\001" : i ? ".\\001" : "\\001");
	assert_string_equal(told(a, name, DNS_A), "REFUSED ");
	asker_free(a);
}

static void test_programs_learn_that_encrypted_name_service_is_not_there(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0), *b = asker(GATE_OPEN, "encrypted-dns allow", 0);

	assert_string_equal(told(a, "use-application-dns.net", DNS_A), "NXDOMAIN ");
	assert_string_equal(told(a, "_dns.resolver.arpa", DNS_SVCB), "NOERROR ");
	assert_int_equal(ask(b, "use-application-dns.net", DNS_A), RESOLVED_ASK);
	asker_free(a);
	asker_free(b);
}

/* ---- real answers ------------------------------------------------------------------------- */

static void test_an_answer_counts_until_it_expires(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow *.example\n", 0);
	struct answer *m;

	a->now = 1000 * SEC;
	leads_to(a, "192.0.2.1", 443, NULL, false);
	assert_int_equal(ask(a, "A.example", DNS_A), RESOLVED_ASK);
	assert_string_equal(a->name, "a.example");
	assert_int_equal(a->type, DNS_A);
	leads_to(a, "192.0.2.1", 443, NULL, false);
	m = answer_to(a, 0);
	record_ip(m, "a.example", 300, "192.0.2.1");
	record_ip(m, "a.example", 1, "192.0.2.2");
	record_ip(m, "a.example", 4000000, "192.0.2.3");
	record_ip(m, "a.example", 0x80000000u, "192.0.2.4");
	assert_string_equal(looked_up(a, m),
			    "NOERROR a.example 300 A 192.0.2.1; a.example 30 A 192.0.2.2; "
			    "a.example 86400 A 192.0.2.3; a.example 30 A 192.0.2.4");
	a->now += 30 * SEC - 1;
	leads_to(a, "192.0.2.2", 443, "a.example", true);
	leads_to(a, "192.0.2.1", 443, "a.example", true);
	a->now += 1;
	leads_to(a, "192.0.2.2", 443, NULL, false);
	leads_to(a, "192.0.2.4", 443, NULL, false);
	leads_to(a, "192.0.2.1", 443, "a.example", true);
	a->now = 1300 * SEC;
	leads_to(a, "192.0.2.1", 443, NULL, false);
	leads_to(a, "192.0.2.3", 443, "a.example", true);
	a->now = (1000 + 86400ull) * SEC;
	leads_to(a, "192.0.2.3", 443, NULL, false);
	asker_free(a);
}

static void test_a_chain_of_aliases_leads_to_the_name_that_was_asked(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\n", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	m = answer_to(a, 0);
	/* in any order */
	record_ip(m, "c.cdn.example", 60, "192.0.2.9");
	record_name(m, "b.cdn.example", DNS_CNAME, 60, "c.cdn.example");
	record_name(m, "a.example", DNS_CNAME, 60, "b.cdn.example");
	assert_string_equal(looked_up(a, m),
			    "NOERROR a.example 60 CNAME b.cdn.example; b.cdn.example 60 CNAME "
			    "c.cdn.example; c.cdn.example 60 A 192.0.2.9");
	leads_to(a, "192.0.2.9", 443, "a.example", true);
	/* the alias by itself has no rule */
	assert_int_equal(ask(a, "b.cdn.example", DNS_A), RESOLVED_REPLY);
	/* asked for the alias alone, it is not followed */
	assert_int_equal(ask(a, "a.example", DNS_CNAME), RESOLVED_ASK);
	m = answer_to(a, 0);
	record_name(m, "a.example", DNS_CNAME, 60, "b.cdn.example");
	assert_string_equal(looked_up(a, m), "NOERROR a.example 60 CNAME b.cdn.example");
	asker_free(a);
}

static void test_records_that_were_not_asked_for_are_not_passed(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\nallow bank.example\n", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	m = answer_to(a, 0);
	record_ip(m, "bank.example", 600, "203.0.113.66");
	record_ip(m, "a.example", 60, "192.0.2.1");
	record_ip(m, "a.example", 60, "2001:db8::1");
	record(m, "a.example", DNS_A, 60, "abc", 3);
	record(m, "a.example", DNS_A, 60, "abcde", 5);
	record_ip(m, "a.example", 60, "198.18.0.1"); /* nobody's: the sinkhole's */
	record_name(m, "x.example", DNS_CNAME, 60, "a.example");
	assert_string_equal(looked_up(a, m), "NOERROR a.example 60 A 192.0.2.1");
	leads_to(a, "203.0.113.66", 443, NULL, false);
	leads_to(a, "2001:db8::1", 443, NULL, false);
	leads_to(a, "198.18.0.1", 443, NULL, false);
	asker_free(a);
}

static void test_answers_that_are_none(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\n", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	assert_string_equal(looked_up(a, NULL), "SERVFAIL ");
	assert_non_null(strstr(buf_z(&a->log), "answer=allowed reason=a rule allows it, but"));
	m = answer_to(a, 0);
	record_ip(m, "a.example", 60, "192.0.2.1");
	m->w.p -= 2; /* cut */
	assert_string_equal(looked_up(a, m), "SERVFAIL ");
	m = answer_to(a, 0);
	record_ip(m, "a.example", 60, "192.0.2.1");
	m->p[2] &= 0x7f; /* a query */
	assert_string_equal(looked_up(a, m), "SERVFAIL ");
	strcpy(a->name, "b.example"); /* of another question */
	m = answer_to(a, 0);
	record_ip(m, "b.example", 60, "192.0.2.1");
	assert_string_equal(looked_up(a, m), "SERVFAIL ");
	strcpy(a->name, "a.example");
	m = answer_to(a, 3);
	assert_string_equal(looked_up(a, m), "NXDOMAIN ");
	m = answer_to(a, 0);
	assert_string_equal(looked_up(a, m), "NOERROR ");
	leads_to(a, "192.0.2.1", 443, NULL, false);
	asker_free(a);
}

static void test_aliases_in_a_circle_end(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\n", 0);
	struct answer *m;
	char from[32], to[32];

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	m = answer_to(a, 0);
	record_name(m, "a.example", DNS_CNAME, 60, "b.example");
	record_name(m, "b.example", DNS_CNAME, 60, "a.example");
	assert_string_equal(looked_up(a, m), "SERVFAIL ");
	m = answer_to(a, 0);
	record_name(m, "a.example", DNS_CNAME, 60, "a.example");
	assert_string_equal(looked_up(a, m), "SERVFAIL ");
	m = answer_to(a, 0);
	for (int i = 0; i < 16; i++) {
		snprintf(from, sizeof(from), i ? "n%d.example" : "a.example", i);
		snprintf(to, sizeof(to), "n%d.example", i + 1);
		record_name(m, from, DNS_CNAME, 60, to);
	}
	record_ip(m, "n16.example", 60, "192.0.2.16");
	looked_up(a, m);
	leads_to(a, "192.0.2.16", 443, "a.example", true);
	asker_free(a);
}

static void test_names_inside_of_data_are_written_out(void **state UNUSED)
{
	static const uint8_t mx[] = { 0, 5, 4, 'm', 'a', 'i', 'l', 0xc0, 12 };
	static const uint8_t srv[] = { 0, 1, 0, 2, 0x14, 0x66, 1, 's', 0xc0, 12 };
	static const uint8_t soa[] = { 2, 'n', 's', 0xc0, 12, 0xc0, 12, 0, 0, 0, 1, 0, 0, 0,
				       2, 0,   0,   0,	  3,  0,    0,	0, 4, 0, 0, 0, 5 };
	static const uint8_t loop[] = { 0, 5, 0xc0, 0xff };
	struct asker *a = asker(GATE_OPEN, "", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_MX), RESOLVED_ASK);
	m = answer_to(a, 0);
	record(m, "a.example", DNS_MX, 60, loop, sizeof(loop));
	record(m, "a.example", DNS_MX, 60, mx, sizeof(mx));
	record(m, "a.example", DNS_MX, 60, mx, 1);
	assert_string_equal(looked_up(a, m), "NOERROR a.example 60 MX 5 mail.a.example");
	assert_int_equal(ask(a, "a.example", DNS_SRV), RESOLVED_ASK);
	m = answer_to(a, 0);
	record(m, "a.example", DNS_SRV, 60, srv, sizeof(srv));
	assert_string_equal(looked_up(a, m), "NOERROR a.example 60 SRV 1 2 5222 s.a.example");
	assert_int_equal(ask(a, "a.example", DNS_SOA), RESOLVED_ASK);
	m = answer_to(a, 0);
	record(m, "a.example", DNS_SOA, 60, soa, sizeof(soa));
	assert_string_equal(looked_up(a, m),
			    "NOERROR a.example 60 SOA ns.a.example a.example 1 2 3 4 5");
	assert_int_equal(ask(a, "a.example", DNS_TXT), RESOLVED_ASK);
	m = answer_to(a, 0);
	record(m, "a.example", DNS_TXT, 60, "\3a b", 4);
	assert_string_equal(looked_up(a, m), "NOERROR a.example 60 TXT \"a b\"");
	asker_free(a);
}

static void test_service_records_lose_what_leads_past_the_policy(void **state UNUSED)
{
	static const uint8_t full[] = { 0,
					1,
					0,
					/* alpn */ 0,
					1,
					0,
					3,
					2,
					'h',
					'2',
					/* ipv4hint */ 0,
					4,
					0,
					4,
					192,
					0,
					2,
					1,
					/* ech */ 0,
					5,
					0,
					2,
					0xfe,
					0x0d,
					/* ipv6hint */ 0,
					6,
					0,
					16,
					0x20,
					1,
					0xd,
					0xb8,
					0,
					0,
					0,
					0,
					0,
					0,
					0,
					0,
					0,
					0,
					0,
					1,
					/* key 7 */ 0,
					7,
					0,
					1,
					'x' };
	static const uint8_t alias[] = { 0, 0, 1, 'b', 0 };
	static const uint8_t other[] = { 0, 1, 1, 'b', 0 };
	static const uint8_t needs[] = { 0, 1, 0, 0, 0, 0, 2, 0, 5, 0, 5, 0, 1, 'x' };
	static const uint8_t order[] = { 0, 1, 0, 0, 3, 0, 2, 0, 80, 0, 1, 0, 0 };
	static const uint8_t cut[] = { 0, 1, 0, 0, 1, 0, 9, 2 };
	static const uint8_t own[] = { 0, 2, 0xc0, 12, 0, 3, 0, 2, 0x1f, 0x90 };
	struct asker *a = asker(GATE_OPEN, "", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_HTTPS), RESOLVED_ASK);
	m = answer_to(a, 0);
	record(m, "a.example", DNS_HTTPS, 60, alias, sizeof(alias));
	record(m, "a.example", DNS_HTTPS, 60, other, sizeof(other));
	record(m, "a.example", DNS_HTTPS, 60, full, sizeof(full));
	record(m, "a.example", DNS_HTTPS, 60, needs, sizeof(needs));
	record(m, "a.example", DNS_HTTPS, 60, order, sizeof(order));
	record(m, "a.example", DNS_HTTPS, 60, cut, sizeof(cut));
	record(m, "a.example", DNS_HTTPS, 60, own, sizeof(own));
	record(m, "a.example", DNS_HTTPS, 60, own, 2);
	assert_string_equal(
		looked_up(a, m),
		"NOERROR a.example 60 HTTPS 1 . alpn=\"h2\" dohpath=\"x\"; a.example 60 "
		"HTTPS 2 . port=8080");
	leads_to(a, "192.0.2.1", 443, NULL, false);
	asker_free(a);
}

static void test_a_real_answer_to_a_name_that_is_not_allowed_any_more(void **state UNUSED)
{
	struct asker *a = asker(GATE_DECLARED, "allow a.example\n", 0);
	struct policy *empty = policy_new(GATE_DECLARED);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	m = answer_to(a, 0);
	record_ip(m, "a.example", 60, "192.0.2.1");
	resolver_set_policy(a->r, empty);
	assert_non_null(strstr(looked_up(a, m), "a.example 60 A 198.1"));
	leads_to(a, "192.0.2.1", 443, NULL, false);
	resolver_set_policy(a->r, a->p);
	policy_free(empty);
	asker_free(a);
}

static void test_of_several_names_one_that_may_be_reached_is_meant(void **state UNUSED)
{
	static const char *const names[] = { "a.example", "b.example", "c.example" };
	struct asker *a = asker(GATE_DECLARED,
				"allow a.example:443\nallow b.example:80\nallow c.example\n", 0);

	for (int i = 0; i < 3; i++) {
		struct answer *m;

		assert_int_equal(ask(a, names[i], DNS_A), RESOLVED_ASK);
		m = answer_to(a, 0);
		record_ip(m, names[i], i == 2 ? 30 : 300, "192.0.2.1");
		looked_up(a, m);
	}
	leads_to(a, "192.0.2.1", 25, "c.example", true);
	a->now = 31 * SEC;
	leads_to(a, "192.0.2.1", 443, "a.example", true);
	leads_to(a, "192.0.2.1", 80, "b.example", true);
	leads_to(a, "192.0.2.1", 25, "b.example", true); /* the latest, since none may */
	asker_free(a);
}

static void test_an_ipv4_address_in_ipv6_form_is_the_ipv4_address(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0);
	struct answer *m;

	assert_int_equal(ask(a, "a.example", DNS_AAAA), RESOLVED_ASK);
	m = answer_to(a, 0);
	record_ip(m, "a.example", 60, "::ffff:192.0.2.1");
	looked_up(a, m);
	leads_to(a, "192.0.2.1", 443, "a.example", true);
	m = answer_to(a, 0);
	record_ip(m, "a.example", 60, "::ffff:198.18.0.1");
	assert_string_equal(looked_up(a, m), "NOERROR ");
	asker_free(a);
}

static void test_the_oldest_answers_are_forgotten(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0);
	char ip[32];

	for (uint32_t i = 0; i <= RESOLVER_ANSWERS_MAX; i++) {
		struct answer *m;

		/* the first is refreshed halfway: not the oldest any more */
		uint32_t k = i == RESOLVER_ANSWERS_MAX / 2 ? 0 : i;

		assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
		m = answer_to(a, 0);
		snprintf(ip, sizeof(ip), "11.%u.%u.%u", k >> 16, k >> 8 & 255, k & 255);
		record_ip(m, "a.example", 60, ip);
		looked_up(a, m);
		if (strstr(buf_z(&a->log), "limit what=dns-answers"))
			fail_msg("too early: %u", i);
	}
	leads_to(a, "11.0.0.0", 1, "a.example", true);
	leads_to(a, "11.0.0.1", 1, "a.example", true);
	assert_int_equal(ask(a, "b.example", DNS_A), RESOLVED_ASK);
	struct answer *m = answer_to(a, 0);

	record_ip(m, "b.example", 60, "12.0.0.1");
	looked_up(a, m);
	assert_non_null(strstr(buf_z(&a->log), "limit what=dns-answers"));
	leads_to(a, "11.0.0.1", 1, NULL, false);
	leads_to(a, "11.0.0.0", 1, "a.example", true);
	leads_to(a, "12.0.0.1", 1, "b.example", true);
	asker_free(a);
}

/* ---- sizes -------------------------------------------------------------------------------- */

static struct answer *long_answer(struct asker *a, int n)
{
	struct answer *m = answer_to(a, 0);

	for (int i = 0; i < n; i++) {
		char ip[32];

		snprintf(ip, sizeof(ip), "192.0.2.%d", i);
		record_ip(m, "a.example", 60, ip);
	}
	return m;
}

static void test_an_answer_too_long_for_a_datagram_is_truncated(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0);

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	looked_up(a, long_answer(a, 30));
	assert_false(a->m.truncated);
	assert_int_equal(a->m.nrecords, 30);
	looked_up(a, long_answer(a, 31)); /* 27 + 31 * 16 = 523 */
	assert_true(a->m.truncated);
	assert_int_equal(a->m.nrecords, 0);
	assert_string_equal(a->m.qname, "a.example");
	a->transport = "tcp";
	looked_up(a, long_answer(a, 250));
	assert_false(a->m.truncated);
	assert_int_equal(a->m.nrecords, 250);
	a->transport = "udp";
	a->query_n =
		put_message(a->query, sizeof(a->query), 0x1234, 0x0100, "a.example", DNS_A, 1232);
	assert_int_equal(ask_bytes(a, a->query, a->query_n), RESOLVED_ASK);
	looked_up(a, long_answer(a, 70));
	assert_false(a->m.truncated);
	assert_int_equal(a->m.nrecords, 70);
	assert_true(a->m.edns);
	looked_up(a, long_answer(a, 90));
	assert_true(a->m.truncated && a->m.edns);
	/* a size below the plain one means the plain one (RFC 6891 6.2.3) */
	a->query_n =
		put_message(a->query, sizeof(a->query), 0x1234, 0x0100, "a.example", DNS_A, 100);
	assert_int_equal(ask_bytes(a, a->query, a->query_n), RESOLVED_ASK);
	looked_up(a, long_answer(a, 20));
	assert_false(a->m.truncated);
	asker_free(a);
}

static void test_the_question_comes_back_as_it_was_asked(void **state UNUSED)
{
	struct asker *a = asker(GATE_OPEN, "", 0);

	assert_int_equal(ask(a, "a.example", DNS_A), RESOLVED_ASK);
	for (size_t i = 12; i < a->query_n - 4; i++) /* letters as some resolvers mix them */
		if (i % 2 && a->query[i] >= 'a' && a->query[i] <= 'z')
			a->query[i] = (uint8_t)(a->query[i] - 32);
	assert_int_equal(ask_bytes(a, a->query, a->query_n), RESOLVED_ASK);
	assert_string_equal(a->name, "a.example");
	looked_up(a, long_answer(a, 1));
	assert_int_equal(a->m.nrecords, 1);
	assert_memory_equal(a->reply.p + 12, a->query + 12, a->query_n - 12);
	asker_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_resolves_and_always_to_the_same),
		cmocka_unit_test(test_other_types_in_the_sinkhole),
		cmocka_unit_test(test_addresses_of_the_sinkhole_have_names),
		cmocka_unit_test(test_names_compete_for_addresses_and_all_get_their_own),
		cmocka_unit_test(test_the_first_names_do_not_exist_if_so_asked),
		cmocka_unit_test(test_denied_names_are_refused_with_the_reason),
		cmocka_unit_test(test_the_record_says_who_answered),
		cmocka_unit_test(test_what_is_no_question_is_not_answered_as_one),
		cmocka_unit_test(test_a_name_longer_than_its_text_may_be_is_refused),
		cmocka_unit_test(test_programs_learn_that_encrypted_name_service_is_not_there),
		cmocka_unit_test(test_an_answer_counts_until_it_expires),
		cmocka_unit_test(test_a_chain_of_aliases_leads_to_the_name_that_was_asked),
		cmocka_unit_test(test_records_that_were_not_asked_for_are_not_passed),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_aliases_in_a_circle_end),
		cmocka_unit_test(test_names_inside_of_data_are_written_out),
		cmocka_unit_test(test_service_records_lose_what_leads_past_the_policy),
		cmocka_unit_test(test_a_real_answer_to_a_name_that_is_not_allowed_any_more),
		cmocka_unit_test(test_of_several_names_one_that_may_be_reached_is_meant),
		cmocka_unit_test(test_an_ipv4_address_in_ipv6_form_is_the_ipv4_address),
		cmocka_unit_test(test_the_oldest_answers_are_forgotten),
		cmocka_unit_test(test_an_answer_too_long_for_a_datagram_is_truncated),
		cmocka_unit_test(test_the_question_comes_back_as_it_was_asked),
	};

	return cmocka_run_group_tests_name("gate resolver", tests, NULL, NULL);
}
