// SPDX-License-Identifier: Apache-2.0
/*
 * http_respond.h - inside the sinkhole: what is answered to an HTTP request, whatever its version
 */
#ifndef BELLJAR_GATE_HTTP_RESPOND_H
#define BELLJAR_GATE_HTTP_RESPOND_H

#include "gate/sink/talk.h"

#define HTTP_HEAD_MAX (64u << 10)

/** struct http_request - the head of a request; borrowed */
struct http_request {
	const char *method;
	struct str target; /* as sent: path and query, absolute form, '*' */
	struct str host;   /* Host or :authority, may be empty */
	struct str fields; /* header lines "name: value" with their line ends */
};

/** http_field() - value of the first header field of that name; empty when absent */
struct str http_field(const struct http_request *rq, const char *name);
/** http_has_token() - is @token in a comma-separated list, without case? */
bool http_has_token(struct str list, const char *token);

/** struct http_response - a whole answer; @fields is the caller's to free */
struct http_response {
	int status;
	struct buf fields; /* "name: value\r\n" lines: type, length, date, CORS, … */
	struct str body;   /* borrowed from the program's image or from --answers; empty for HEAD */
};
void http_respond(const struct talk *t, const struct http_request *rq, struct http_response *ret);
/** http_reason() - "OK", … "" for a status that has none here */
const char *http_reason(int status);

/** http_date() - IMF-fixdate of ns since the epoch (RFC 9110 5.6.7) */
#define HTTP_DATE_MAX 40
const char *http_date(uint64_t ns, char buf[HTTP_DATE_MAX]);

#endif
