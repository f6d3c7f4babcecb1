// SPDX-License-Identifier: Apache-2.0
/*
 * html.h - the page's parts: html.c (frame, rows, sections), html_tree.c, html_chart.c,
 * html_net.c, html_disk.c, html_events.c, style.c
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

/** html_link() - begins a link to an event, "<a …>"; for pictures, that draw what is in it */
void html_link(struct html *h, enum event_kind kind, uint64_t seq);
/** html_row() - a line as an item of a list; the line is freed */
void html_line(struct html *h, const struct line *l);
void html_row(struct html *h, struct line *l);
/** html_tick_step() - 1, 2 or 5 times a power of ten ns: 4 to 8 ticks in @t_max */
uint64_t html_tick_step(uint64_t t_max);

/** html_files() - the programs that were written or run, described */
void html_files(struct html *h);
/** html_folders() - changes on disk, grouped by folder */
void html_folders(struct html *h);
/** html_table() - events as a table, under a caption. Return: 0 or what source_fetch() returns */
int html_table(struct html *h, const struct plain_rows *rows, const char *caption, struct err *err);
/** html_events() - all events, or those that the page refers to, where its links lead; last */
int html_events(struct html *h, struct err *err);
void html_tree(struct html *h);
/** html_net() - whom the programs talked to: what went out, pictures, table */
void html_net(struct html *h);
/** html_charts() - a chart for each of the first runs: activity, processes, first attempts */
void html_charts(struct html *h);

#endif
