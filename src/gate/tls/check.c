// SPDX-License-Identifier: Apache-2.0
/*
 * check.c - a handshake of our own, to see who answers at an address
 */
#include <openssl/ssl.h>

#include "gate/tls/trust.h"

struct check {
	struct flow_facts facts;
	struct upstream up;
	bool usable;
};

struct check *check_new(struct trust *trust, const struct flow_facts *f, const char *sni,
			const char *alpn, const struct emit *emit)
{
	struct check *c = xcalloc(1, sizeof(*c));

	c->facts = *f;
	c->up = (struct upstream){ .facts = &c->facts, .emit = emit };
	c->usable = !upstream_init(&c->up, trust, sni, alpn);
	return c;
}

int check_step(struct check *c, const void *from_server, size_t n, bool eof, struct buf *to_server,
	       char why[256])
{
	enum upstream_state state;

	if (!c->usable) {
		snprintf(why, 256, "the name cannot be checked");
		return -EACCES;
	}
	upstream_feed(&c->up, from_server, n, eof);
	state = upstream_handshake(&c->up);
	/* a server that wants a certificate of the program's has shown its own by then */
	if (state == UPSTREAM_READY)
		SSL_shutdown(c->up.ssl);
	tls_flush(c->up.ssl, to_server);
	switch (state) {
	case UPSTREAM_READY:
	case UPSTREAM_CLIENT_CERT:
		return 1;
	case UPSTREAM_GOING:
		return 0;
	case UPSTREAM_BAD:
	case UPSTREAM_BROKEN:
		break;
	}
	snprintf(why, 256, "%s", c->up.why);
	return -EACCES;
}

void check_free(struct check *c)
{
	if (!c)
		return;
	upstream_free(&c->up);
	free(c);
}
