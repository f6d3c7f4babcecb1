// SPDX-License-Identifier: Apache-2.0
/*
 * exam_words.h - what the files share that put an examination's first page into words
 */
#ifndef BELLJAR_REPORT_EXAM_WORDS_H
#define BELLJAR_REPORT_EXAM_WORDS_H

#include "report/exam.h"

/** struct words_of - one answer that is being written */
struct words_of {
	struct rep *rep;
	struct exam *e;
	struct lines *to;
	struct line *line; /* that is being made of several rows, and how many */
	size_t n;
};

/* ---- exam_page.c --------------------------------------------------------------------------- */
/** words_next() - the next line under a question; NULL when there are enough, which is counted */
struct line *words_next(struct lines *to);
/** words_only() - a line of these words */
void words_only(struct words_of *w, const char *words);

/* ---- exam_findings.c ----------------------------------------------------------------------- */
/** words_findings() - what rules found that belongs under @q */
void words_findings(struct words_of *w, enum exam_question q);
/** words_ask() - what to ask the vendor: a line for each rule that has a concern or a finding */
void words_ask(struct words_of *w);
/** words_verdict() - what it comes to, and how to read it */
void words_verdict(struct words_of *w);

/* ---- exam_defence.c ------------------------------------------------------------------------ */
/** words_defend() - the whole answer: findings, kills, deletions. Return: 0 or -errno */
int words_defend(struct words_of *w, struct err *err);

#endif
