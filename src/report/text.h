// SPDX-License-Identifier: Apache-2.0
/*
 * text.h - inside of the room: what the report as text is written with
 */
#ifndef BELLJAR_REPORT_TEXT_H
#define BELLJAR_REPORT_TEXT_H

#include "report/model.h"

/** struct text - a report as text in the making */
struct text {
	struct rep *rep;
	struct buf *out;
	bool colour;
};

/** text_name() - a name from the box, clipped */
void text_name(struct buf *out, struct str s);
void text_section(struct text *t, const char *title);
/** text_ref() - " [#12+3]": the event that a line stands on, and more like it; nothing for 0 */
void text_ref(struct buf *out, uint64_t seq, uint64_t more);
/** text_line() - folded at the margin; @indent for all lines but the first, which has its own */
void text_line(struct text *t, const struct line *l, int indent);
/** text_more() - "… and N more WHAT", when there are */
void text_more(struct text *t, uint64_t shown, uint64_t total, const char *what);

#endif
