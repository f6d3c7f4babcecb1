// SPDX-License-Identifier: Apache-2.0
/*
 * http1.h - one head of HTTP/1.x (RFC 9112), without state; for the readers of the room alone
 */
#ifndef BELLJAR_GATE_HTTP1_H
#define BELLJAR_GATE_HTTP1_H

#include "gate/decode/watch_inner.h"

#define HTTP1_HEAD_MAX (64u << 10)

/** struct http1_head - what a head says; strings point into the head that was read, and into .text
 */
struct http1_head {
	struct http_head head; /* .stream is left for the caller */
	char version[4];
	struct buf text;     /* the field lines, each ended by a newline */
	bool chunked;	     /* the last transfer coding is chunked */
	bool other_coding;   /* a transfer coding that is not chunked is the last */
	bool bad_length;     /* lengths that contradict each other or are no number */
	bool websocket, h2c; /* Upgrade names it */
	struct buf hosts;    /* as http_host_read() says */
};

/** http1_is_version() - eight bytes that a server might take for the version of a request: in
 * either case, and of any number */
bool http1_is_version(const void *p);
/** http1_head_end() - bytes of the head with its empty line, 0 when it is not whole; the search
 * begins at @from */
size_t http1_head_end(const uint8_t *p, size_t n, size_t from);
/** http1_head_read() - a whole head. Return: 0, or -EBADMSG when it has no start line of HTTP/1.
 * Either way http1_head_free() is needed. */
int http1_head_read(const uint8_t *p, size_t n, bool response, struct http1_head *ret);
void http1_head_free(struct http1_head *h);

#endif
