// SPDX-License-Identifier: Apache-2.0
/*
 * exam_json.c - an examination as JSON: doc/examine-schema.json
 */
#include "report/exam.h"
#include "report/json_out.h"

void exam_json(struct buf *o, const struct exam *e)
{
	static const char *const grades[EXAM_GRADES] = { "R1", "R2", "R3", "R4", "R5", "R6" };

	json_begin(o, "examination", "{");
	json_begin(o, "page", "{");
	for (int q = 0; q < QUESTIONS; q++)
		json_lines(o, exam_heading[q].key, &e->answer[q]);
	buf_puts(o, "}");
	json_lines(o, "verdict", &e->verdict);
	json_begin(o, "experiments", "[");
	for (size_t i = 0; i < e->n; i++) {
		const struct exam_row *r = &e->row[i];

		json_begin(o, NULL, "{");
		json_text(o, "name", r->name);
		json_text(o, "shows", r->shows);
		json_num(o, "event", r->begin_seq);
		json_bool(o, "ended", r->end_seq != 0);
		json_num(o, "run", r->run);
		json_num(o, "from_ns", r->t0);
		json_num(o, "to_ns", r->t1);
		json_num(o, "at_once_ns", r->at_once);
		json_lines(o, "acts", &r->acts);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	json_begin(o, "left", "[");
	for (size_t i = 0; i < e->nlooks; i++) {
		json_begin(o, NULL, "{");
		json_text(o, "look", e->look[i]);
		for (int g = 0; g < EXAM_GRADES; g++) {
			json_begin(o, grades[g], "{");
			json_num(o, "left", e->left[i][g]);
			json_num(o, "explained", e->explained[i][g]);
			buf_puts(o, "}");
		}
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	json_bool(o, "judged", e->judged != NULL);
	json_begin(o, "findings", "[");
	for (size_t i = 0; e->judged && i < e->judged->n; i++) {
		json_comma(o);
		finding_json(o, &e->judged->v[i]);
	}
	buf_puts(o, "]}");
}
