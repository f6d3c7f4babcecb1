// SPDX-License-Identifier: Apache-2.0
/*
 * http_event.c - heads of HTTP/1 and HTTP/2 as events
 */
#include "gate/decode/watch_inner.h"

#define AT(NAME) EV_AT(HTTP, NAME)

static struct val optional(struct str s)
{
	return s.p ? V_STR(s) : (struct val){ 0 };
}

void http_event(const struct watch *w, const struct http_head *h, struct event *ev)
{
	*ev = (struct event){ .kind = EV_HTTP };
	ev->v[AT(OP)] = V_Z(h->response ? "response" : "request");
	ev->v[AT(FLOW)] = V_INT(w->facts.id);
	ev->v[AT(STREAM)] = V_INT(h->stream);
	ev->v[AT(VERSION)] = V_Z(h->version);
	ev->v[AT(METHOD)] = optional(h->method);
	ev->v[AT(HOST)] = optional(h->host);
	ev->v[AT(TARGET)] = optional(h->target);
	if (h->response)
		ev->v[AT(STATUS)] = V_INT(h->status);
	ev->v[AT(USER_AGENT)] = optional(h->user_agent);
	ev->v[AT(CONTENT_TYPE)] = optional(h->content_type);
	if (h->has_length)
		ev->v[AT(CONTENT_LENGTH)] = V_INT(h->length);
	ev->v[AT(HEAD)] = V_STR(h->head);
	ev->v[AT(TLS)] = V_INT(w->inner);
}
