// SPDX-License-Identifier: Apache-2.0
/*
 * exam_text.c - the first page as text: answers, findings, experiments
 */
#include "report/exam.h"
#include "report/text.h"

static void say_at_once(struct text *t, const struct exam *e)
{
	struct line l = { 0 };

	if (!exam_at_once(e))
		return;
	line_say(&t->rep->a, &l, "%s", exam_at_once(e));
	buf_puts(t->out, "  ");
	text_line(t, &l, 2);
	free(l.p);
}

void exam_text_page(struct text *t, struct exam *e)
{
	if (e->verdict.n)
		text_section(t, "In short");
	for (size_t i = 0; i < e->verdict.n; i++) {
		buf_puts(t->out, "  ");
		text_line(t, &e->verdict.l[i], 2);
	}
	for (int q = 0; q < QUESTIONS; q++) {
		struct lines *ls = &e->answer[q];

		text_section(t, exam_heading[q].title);
		for (size_t i = 0; i < ls->n; i++) {
			buf_puts(t->out, "  ");
			text_line(t, &ls->l[i], 4);
		}
		text_more(t, ls->n, ls->total, "of this kind");
	}
	text_section(t, "Findings");
	if (exam_no_findings(e))
		buf_printf(t->out, "  %s\n", exam_no_findings(e));
	for (size_t i = 0; e->judged && i < e->judged->n; i++)
		if (e->judged->v[i].grade >= GRADE_NOTE)
			finding_text(t->out, &e->judged->v[i], t->colour);
	text_section(t, "Experiments");
	for (size_t i = 0; i < e->n; i++) {
		const struct exam_row *r = &e->row[i];

		buf_puts(t->out, "  ");
		text_name(t->out, r->name);
		buf_printf(t->out, "%*s", r->name.n < 14 ? (int)(14 - r->name.n) : 1, "");
		exam_put_time(t->out, r);
		buf_printf(t->out, "%s", r->end_seq ? "" : ", interrupted");
		text_ref(t->out, r->begin_seq, 0);
		buf_puts(t->out, "\n");
	}
	say_at_once(t, e);
	buf_puts(t->out, "\n");
}
