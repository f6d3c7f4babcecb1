// SPDX-License-Identifier: Apache-2.0
/*
 * json_out.h - inside of the room: what the report as JSON is written with
 */
#ifndef BELLJAR_REPORT_JSON_OUT_H
#define BELLJAR_REPORT_JSON_OUT_H

#include "report/model.h"

/** json_comma() - one, unless this is the first in its bracket */
void json_comma(struct buf *o);
/** json_begin() - a member that is an object or a list; @k NULL: an item of a list */
void json_begin(struct buf *o, const char *k, const char *bracket);
void json_num(struct buf *o, const char *k, uint64_t v);
void json_snum(struct buf *o, const char *k, int64_t v);
void json_bool(struct buf *o, const char *k, bool v);
/** json_text() - nothing when it is empty */
void json_text(struct buf *o, const char *k, struct str s);
/** json_time() - ns since the epoch as RFC 3339; nothing for 0 */
void json_time(struct buf *o, const char *k, uint64_t wall);
/** json_lines() - a list of {"text", "event", "more"} */
void json_lines(struct buf *o, const char *k, const struct lines *ls);

#endif
