// SPDX-License-Identifier: Apache-2.0
/*
 * http2.h - frames and header blocks of HTTP/2 (RFC 9113, 7541), for the readers of the room alone
 *
 * HPACK is inflated by libnghttp2, in memory that is counted: what needs more than HPACK_MEMORY_MAX
 * fails as malformed input does.
 */
#ifndef BELLJAR_GATE_HTTP2_H
#define BELLJAR_GATE_HTTP2_H

#include "gate/decode/watch_inner.h"

#define H2_PREFACE	 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_N	 24
#define H2_FRAME_HEAD	 9
#define H2_FRAME_MAX	 16384	     /* of frames that are read whole; more needs a setting */
#define H2_TEXT_MAX	 32700	     /* of a block, inflated */
#define HPACK_MEMORY_MAX (52u << 10) /* one direction */
#define HPACK_TABLE_MAX	 65536	     /* SETTINGS_HEADER_TABLE_SIZE that is followed */

enum {
	H2_DATA = 0,
	H2_HEADERS = 1,
	H2_SETTINGS = 4,
	H2_PUSH_PROMISE = 5,
	H2_CONTINUATION = 9,
};
enum { H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8, H2_PRIORITY = 32 };

struct h2_frame {
	uint32_t n, stream;
	uint8_t type, flags;
};
static inline struct h2_frame h2_frame_read(const uint8_t p[H2_FRAME_HEAD])
{
	return (struct h2_frame){ .n = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2],
				  .type = p[3],
				  .flags = p[4],
				  .stream = ((uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 |
					     (uint32_t)p[7] << 8 | p[8]) &
					    0x7fffffff };
}
/** h2_fragment() - the part of a HEADERS or PUSH_PROMISE payload that is header block; false when
 * the frame is malformed */
bool h2_fragment(const struct h2_frame *f, const uint8_t *p, struct str *ret);

/** struct h2_fields - fields of a block: all as lines in .text, some found again by number */
enum h2_field {
	H2_METHOD,
	H2_PATH,
	H2_AUTHORITY,
	H2_STATUS,
	H2_HOST,
	H2_AGENT,
	H2_TYPE,
	H2_LENGTH,
	H2_FIELDS
};
struct h2_fields {
	struct buf text; /* 'name: value' lines; bytes that would end a line are '?' */
	struct {
		uint32_t at, n;
		bool is_set;
	} field[H2_FIELDS];
};
struct str h2_field(const struct h2_fields *f, enum h2_field which); /* .p NULL: absent */
void h2_fields_clear(struct h2_fields *f);

struct hpack; /* one direction's state */
struct hpack *hpack_new(void);
/** hpack_table() - the other side allows a table of @n bytes */
void hpack_table(struct hpack *h, uint32_t n);
/** hpack_inflate() - a piece of a header block; adds fields. Return: 0 or -EBADMSG */
int hpack_inflate(struct hpack *h, struct str piece, bool last, struct h2_fields *fields);
size_t hpack_held(const struct hpack *h); /* bytes */
void hpack_free(struct hpack *h);

#endif
