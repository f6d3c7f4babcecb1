// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_resolver.c - queries of a hostile program, answers of a hostile server
 *
 * The input is a list of messages, each behind its length (16 bits): a query, an answer to it if
 * the query is for the desk, and so on. What goes back must be a message with the query's id, and
 * an address that is said to have a name must be one that a reply held.
 */
#include "gate/decode/be.h"
#include "gate/policy/policy_inner.h"
#include "gate/policy/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char rules[] = "allow *.a\nallow a.example\ndeny *.b\ndeny x.a\nallow *.com:443\n";

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void ignore(void *ctx UNUSED, struct event *ev)
{
	static uint8_t bytes[EVENT_MAX];

	check(event_encode(ev, bytes, sizeof(bytes)) > 0);
}

/* The next message, in memory of its own size. */
static uint8_t *next(struct rd *r, size_t *ret_n)
{
	size_t n = rd_be16(r), left = (size_t)(r->end - r->p);
	uint8_t *copy;

	if (r->bad)
		return NULL;
	n = n < left ? n : left;
	copy = xmalloc(n ? n : 1);
	memcpy(copy, rd_bytes(r, n), n);
	*ret_n = n;
	return copy;
}

static void look(const struct resolver *res, const struct dns_message *m, uint64_t now)
{
	char name[NAME_MAX_DNS + 1];
	bool real;

	for (int i = 0; i < m->nrecords; i++) {
		struct addr a = { .v6 = m->record[i].type == DNS_AAAA, .port = 443 };

		if (m->record[i].type != DNS_A && m->record[i].type != DNS_AAAA)
			continue;
		memcpy(a.ip, m->record[i].data, m->record[i].n);
		if (resolver_name_of(res, &a, now, name, &real)) {
			check(real != address_sinkhole(&a));
			check(!resolver_name_of(res, &a, now + 90000 * NSEC_PER_SEC, name, &real) ||
			      !real);
		}
	}
}

static void checked(const struct resolver *res, const uint8_t *query, const struct buf *reply,
		    uint64_t now)
{
	struct dns_message *m = xmalloc(sizeof(*m));

	check(reply->n >= 12 && !memcmp(reply->p, query, 2));
	check(!dns_read(reply->p, reply->n, m) && m->response);
	look(res, m, now);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rd r = { p, p + n, false };
	struct policy *policy = policy_new(n % 2 ? GATE_DECLARED : GATE_OPEN);
	struct emit emit = { NULL, ignore };
	struct resolver *res = resolver_new(policy, n % 3, &emit);
	struct flow_facts f = { .id = 1 };
	uint8_t *query, *answer;
	uint64_t now = 0;
	size_t qn, an;

	check(!policy_parse(policy, rules, sizeof(rules) - 1, "rules", NULL));
	for (; (query = next(&r, &qn)); now += NSEC_PER_SEC) {
		const char *transport = qn % 2 ? "udp" : "tcp";
		cleanup_buf struct buf reply = { 0 };
		char name[NAME_MAX_DNS + 3];
		uint16_t type;

		switch (resolver_query(res, &f, transport, query, qn, now, &reply, name, &type)) {
		case RESOLVED_DROP:
			check(!reply.n);
			break;
		case RESOLVED_ASK:
			check(!reply.n && strlen(name) <= NAME_MAX_DNS);
			answer = next(&r, &an);
			resolver_looked_up(res, &f, transport, query, qn, answer, answer ? an : 0,
					   now, &reply);
			free(answer);
			checked(res, query, &reply, now);
			break;
		case RESOLVED_REPLY:
			checked(res, query, &reply, now);
		}
		free(query);
	}
	resolver_free(res);
	policy_free(policy);
	return 0;
}
