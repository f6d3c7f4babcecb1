// SPDX-License-Identifier: Apache-2.0
/*
 * names.c - DNS messages between a flow, the resolver and the desk
 *
 * Queries that the desk must look up wait in a list, with the query's bytes; a flow that ends takes
 * its queries along.
 */
#include "gate/inside/inside.h"

struct asked {
	struct asked *next;
	uint32_t ask;
	struct flow *flow;
	size_t n;
	uint8_t query[];
};

static const char *transport(const struct flow *f)
{
	return f->facts.tcp ? "tcp" : "udp";
}

static void reply_to(struct inside *in, struct flow *f, const struct buf *reply)
{
	uint8_t head[2] = { (uint8_t)(reply->n >> 8), (uint8_t)reply->n };
	uint8_t *framed;

	if (!reply->n || reply->n > DNS_MESSAGE_MAX)
		return;
	if (!f->facts.tcp) {
		udp_reply(in, f, reply->p, reply->n);
		return;
	}
	framed = xmalloc(reply->n + 2);
	memcpy(framed, head, 2);
	memcpy(framed + 2, reply->p, reply->n);
	tcp_reply(in, f, framed, reply->n + 2);
	free(framed);
}

static void ask_desk(struct inside *in, struct flow *f, const void *p, size_t n, const char *name,
		     uint16_t type)
{
	struct wire_lookup q = { .ask = ++in->last_ask, .type = type };
	struct asked *a = xmalloc(sizeof(*a) + n);

	snprintf(q.name, sizeof(q.name), "%s", name);
	a->ask = q.ask;
	a->flow = f;
	a->n = n;
	memcpy(a->query, p, n);
	a->next = in->asked;
	in->asked = a;
	in->nasked++;
	f->asks++;
	inside_say(in, WIRE_LOOKUP, &q, sizeof(q), NULL, 0);
}

void names_query(struct inside *in, struct flow *f, const void *p, size_t n)
{
	struct buf reply = { .limit = DNS_MESSAGE_MAX };
	char name[NAME_MAX_DNS + 3] = "";
	uint16_t type = 0;

	in->current = f;
	if (in->cut) { /* asked, on record, not answered */
		resolver_unanswered(in->resolver, &f->facts, transport(f), p, n, in->now);
		in->current = NULL;
		return;
	}
	switch (resolver_query(in->resolver, &f->facts, transport(f), p, n, in->now, &reply, name,
			       &type)) {
	case RESOLVED_REPLY:
		break;
	case RESOLVED_ASK:
		if (in->nasked < ASKS_MAX)
			ask_desk(in, f, p, n, name, type);
		else
			resolver_looked_up(in->resolver, &f->facts, transport(f), p, n, NULL, 0,
					   in->now, &reply);
		break;
	case RESOLVED_DROP:
		break;
	}
	if (in->canaries && name[0])
		canary_text(in->canaries, &f->facts, "dns-name", in->now, name, strlen(name),
			    &in->emit);
	in->current = NULL;
	reply_to(in, f, &reply);
	buf_free(&reply);
}

void names_answer(struct inside *in, const struct wire_looked_up *h, const void *p, size_t n)
{
	for (struct asked **at = &in->asked; *at; at = &(*at)->next) {
		struct asked *a = *at;
		struct buf reply = { .limit = DNS_MESSAGE_MAX };

		if (a->ask != h->ask)
			continue;
		*at = a->next;
		in->nasked--;
		if (a->flow) {
			struct flow *f = a->flow;

			f->asks--;
			resolver_looked_up(in->resolver, &f->facts, transport(f), a->query, a->n,
					   h->code ? NULL : p, h->code ? 0 : n, in->now, &reply);
			reply_to(in, f, &reply);
			if (f->facts.tcp)
				tcp_go_on(in, f);
		}
		buf_free(&reply);
		free(a);
		return;
	}
}

void names_forget(struct inside *in, struct flow *f)
{
	if (f->way != WAY_NAMES)
		return;
	for (struct asked *a = in->asked; a; a = a->next)
		if (a->flow == f)
			a->flow = NULL;
}

void names_free(struct inside *in)
{
	for (struct asked *a = in->asked, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	in->asked = NULL;
}
