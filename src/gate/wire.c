// SPDX-License-Identifier: Apache-2.0
/*
 * wire.c - frames between the gate process and the desk
 */
#include "gate/wire.h"

void wire_add(struct buf *out, enum wire_type type, const void *a, size_t na, const void *b,
	      size_t nb)
{
	struct wire_head h = { .type = type, .n = (uint32_t)(na + nb) };

	buf_add(out, &h, sizeof(h));
	if (na)
		buf_add(out, a, na);
	if (nb)
		buf_add(out, b, nb);
}

int wire_next(struct wire_cursor *c, enum wire_type *ret_type, struct str *ret)
{
	struct wire_head h;

	if (c->p == c->end)
		return 0;
	if ((size_t)(c->end - c->p) < sizeof(h))
		return -EBADMSG;
	memcpy(&h, c->p, sizeof(h));
	c->p += sizeof(h);
	if (h.type < 1 || h.type >= WIRE_TYPES || h.n > (size_t)(c->end - c->p))
		return -EBADMSG;
	*ret_type = (enum wire_type)h.type;
	*ret = (struct str){ (const char *)c->p, h.n };
	c->p += h.n;
	return 1;
}
