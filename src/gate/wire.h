// SPDX-License-Identifier: Apache-2.0
/*
 * wire.h - what the gate process and the desk say to each other
 *
 * One SEQPACKET socket. A message is one or more frames: a head, then its bytes. The desk takes
 * nothing that the gate process says for granted: every length is checked, every event decoded and
 * looked at, every wish judged anew. What the desk says is trusted.
 *
 * The gate process blocks while the desk does not read (so what cannot be recorded waits); the desk
 * never blocks on the gate process: what it has to say is queued.
 */
#ifndef BELLJAR_GATE_WIRE_H
#define BELLJAR_GATE_WIRE_H

#include "gate/flow.h"

#define WIRE_MAX      (176u << 10) /* bytes of a message: below the kernel's default for a socket */
#define WIRE_TEXT_MAX (64u << 10)  /* a longer text of an event is cut, and that is told */
#define CONTENT_PART  (64u << 10)  /* bytes kept of each end of a stream */

enum wire_type {
	/* from the gate process */
	WIRE_READY = 1, /* nothing, or a sentence: why it cannot serve */
	WIRE_EVENT,	/* encoded event */
	WIRE_CONTENT,	/* struct wire_content, bytes */
	WIRE_DIAL,	/* struct wire_dial */
	WIRE_LOOKUP,	/* struct wire_lookup */
	WIRE_KEYLOG,	/* one line */
	WIRE_ENDED,	/* all flows are ended, nothing follows */
	/* from the desk */
	WIRE_BEGIN,	/* struct wire_begin */
	WIRE_DIALED,	/* struct wire_dialed; the socket travels with it when code is 0 */
	WIRE_LOOKED_UP, /* struct wire_looked_up, DNS message */
	WIRE_POLICY,	/* uint64_t size; the text's file travels with it */
	WIRE_BOX_TIME,	/* nothing: the box's clock was put forward */
	WIRE_END,
	WIRE_MANNERS, /* struct wire_manners */
	WIRE_TYPES
};

struct wire_head {
	uint32_t type, n; /* bytes that follow */
};

struct wire_content {
	uint32_t flow;
	uint8_t dir, tls, part; /* enum content_part */
	uint8_t zero;
	uint64_t offset;
};
enum content_part { CONTENT_WHOLE, CONTENT_FIRST, CONTENT_LAST };

struct wire_dial {
	uint32_t flow;
	uint8_t check; /* a second connection, to see who the peer is */
	uint8_t tcp, v6, zero;
	uint16_t port;
	uint8_t ip[16];
	char name[NAME_MAX_DNS + 3]; /* the name whose answer gave the address; "" none */
};

struct wire_lookup {
	uint32_t ask;
	uint16_t type, zero;
	char name[NAME_MAX_DNS + 3];
};

struct wire_begin {
	uint64_t t0; /* the box's CLOCK_MONOTONIC at t = 0 of the run */
};

struct wire_manners {
	uint32_t silent, book;
};

struct wire_dialed {
	uint32_t flow, check;
	int32_t code;	  /* 0, or errno; EACCES: the policy does not allow it */
	char reason[256]; /* why, for people */
};

struct wire_looked_up {
	uint32_t ask;
	int32_t code; /* 0, or errno: nobody could be asked */
};

/** wire_add() - append a frame */
void wire_add(struct buf *out, enum wire_type type, const void *a, size_t na, const void *b,
	      size_t nb);
/** struct wire_cursor - the frames of a message */
struct wire_cursor {
	const uint8_t *p, *end;
};
/** wire_next() - 1 a frame, 0 the end, -EBADMSG */
int wire_next(struct wire_cursor *c, enum wire_type *ret_type, struct str *ret);

#endif
