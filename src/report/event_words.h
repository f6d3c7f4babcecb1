// SPDX-License-Identifier: Apache-2.0
/*
 * event_words.h - inside of the room: what the sentences of events are made with
 */
#ifndef BELLJAR_REPORT_EVENT_WORDS_H
#define BELLJAR_REPORT_EVENT_WORDS_H

#include "report/inner.h"

struct words {
	struct buf *out;
	const struct event *ev;
	const struct procs *ps;
	escape_fn *esc;
};

void words_name(struct words *w, struct str s);
void words_field(struct words *w, int at);
/** words_word() - a field that belljar wrote: an op, a class, a reason */
void words_word(struct words *w, int at);
/** words_aside() - " (LABEL value)" when there is one; words_aside_word() - of a field of ours */
void words_aside(struct words *w, const char *label, int at);
void words_aside_word(struct words *w, const char *label, int at);
void words_answer(struct words *w, int at, int reason);
void words_who(struct words *w, int at);

/* event_text_net.c */
void say_flow(struct words *w);
void say_burst(struct words *w);
void say_dns(struct words *w);
void say_tls(struct words *w);
void say_http(struct words *w);
void say_banner(struct words *w);
void say_canary(struct words *w);
void say_content(struct words *w);

#endif
