// SPDX-License-Identifier: Apache-2.0
/*
 * html.h - the page's parts: html.c (frame, rows, sections), html_tree.c, html_chart.c, style.c
 */
#ifndef BELLJAR_REPORT_HTML_H
#define BELLJAR_REPORT_HTML_H

#include "report/model.h"

/** struct html - a page in the making; what it links to is collected and stands at its end */
struct html {
	struct rep *rep;
	struct buf *out;
	struct html_ref {
		uint64_t seq;
		enum event_kind kind;
	} * ref;
	size_t nref, ref_cap;
	bool all; /* every event will be in the table: no need to collect */
};

extern const char html_style[]; /* the style sheet: style.c */

/** html_name() - a name from the box, marked as such */
void html_name(struct buf *out, struct str s);
/** html_ref() - the link to an event, " +N" for more like it; nothing for seq 0 */
void html_ref(struct html *h, enum event_kind kind, uint64_t seq, uint64_t more);
/** html_more() - "… and N more WHAT", when there are */
void html_more(struct html *h, uint64_t shown, uint64_t total, const char *what);

void html_tree(struct html *h);
/** html_charts() - a chart for each of the first runs: activity, processes, first attempts */
void html_charts(struct html *h);

#endif
