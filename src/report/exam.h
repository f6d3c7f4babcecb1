// SPDX-License-Identifier: Apache-2.0
/*
 * exam.h - an examination's first page: six questions, experiments, what is left, contacts
 *
 * exam.c reads the marks and what belongs to them, exam_page.c and its kin (exam_words.h) say it in
 * words; the formats lay it out (exam_text.c, exam_json.c, exam_html.c). A journal without marks of
 * experiments has no such page.
 */
#ifndef BELLJAR_REPORT_EXAM_H
#define BELLJAR_REPORT_EXAM_H

#include "report/model.h"

#define EXAM_ROWS     16    /* lines under a question */
#define EXAM_LISTED   8	    /* names in a line that is a list */
#define EXAM_CONTACTS 20000 /* in the picture of contacts */
#define EXAM_PEERS    6	    /* whose intervals are drawn */

enum exam_question { Q_STAYS, Q_TALKS, Q_CONTROL, Q_DEFENDS, Q_TOOK, Q_ASK, QUESTIONS };
extern const struct exam_heading {
	const char *key, *title;
} exam_heading[QUESTIONS];

/** struct exam_row - one experiment */
struct exam_row {
	struct str name, shows;
	uint64_t begin_seq, end_seq, t0, t1; /* end_seq 0: interrupted */
	uint64_t at_once;		     /* ns of it that the clock went over beside work */
	uint32_t run;
	struct lines acts;
};

enum { EXAM_LOOKS = 3, EXAM_GRADES = 6 };

struct exam {
	const struct judgement *judged; /* NULL: not judged */
	struct exam_row *row;
	size_t n, cap;
	bool install_failed;
	struct lines verdict; /* before all: what the rules' grades come to, and how to read it */
	struct lines answer[QUESTIONS];
	struct str look[EXAM_LOOKS]; /* names of looks that were taken */
	size_t nlooks;
	uint64_t left[EXAM_LOOKS][EXAM_GRADES], explained[EXAM_LOOKS][EXAM_GRADES];
	uint64_t gone[EXAM_LOOKS]; /* files that were there before */
	struct str installer;	   /* its path in the box; empty: not on record */
	uint64_t installed_files, installed_entries, installed_users, installed_gone;
	bool install_ended;
	/* contacts of the most frequent peers, in order of time */
	struct exam_contact {
		uint64_t t, seq;
		uint32_t run;
		int peer;
	} * contact;
	size_t ncontacts, contacts_cap;
	struct str peer[EXAM_PEERS];
	int npeers;
};

/** exam_make() - NULL in *ret when the journal has no experiment */
int exam_make(struct rep *rep, const struct judgement *judged, struct exam **ret, struct err *err);
void exam_free(struct exam *e);
/** exam_no_findings() - why no finding is told, as a sentence; NULL: there are some */
const char *exam_no_findings(const struct exam *e);
/** exam_words() - fill the six answers */
int exam_words(struct rep *rep, struct exam *e, struct err *err);
/** exam_put_time() - how long it was, and how much of that went by at once */
void exam_put_time(struct buf *o, const struct exam_row *r);
/** exam_at_once() - what that means, for people; NULL: nothing went by at once */
const char *exam_at_once(const struct exam *e);
/** exam_query() - run a SELECT over the journal; @fn for each row */
struct sqlite3_stmt;
int exam_query(struct rep *rep, const char *sql, void (*fn)(void *ctx, struct sqlite3_stmt *st),
	       void *ctx, struct err *err);
struct str exam_text(struct rep *rep, struct sqlite3_stmt *st, int col); /* kept */

/* whose contacts are told: the installer's, an entry's, the user's and the removal's processes */
#define EXAM_SUBJECT                                                                               \
	"WITH RECURSIVE sub(proc) AS (SELECT proc FROM process WHERE op='exec' AND (cause IN "     \
	"('install','put-back','use','uninstall') OR cause LIKE '% %') UNION SELECT p.proc FROM "  \
	"sub s JOIN process p ON p.parent=s.proc AND p.op='fork') "

/* of the mark m: its experiment came to its end */
#define EXAM_ENDED                                                                                 \
	"EXISTS (SELECT 1 FROM mark e WHERE e.experiment=m.experiment AND e.run=m.run AND "        \
	"e.step='end')"

struct text;
/** exam_text_page() - the first page as text */
void exam_text_page(struct text *t, struct exam *e);
/** exam_json() - the member "examination" */
void exam_json(struct buf *o, const struct exam *e);

struct html;
/** exam_html() - the page and its pictures; takes its lines */
void exam_html(struct html *h, struct exam *e);
/** exam_bands() - experiments of a run as bands in a chart; @x: t → place */
void exam_bands(struct html *h, const struct exam *e, uint32_t run,
		double (*x)(void *ctx, uint64_t t), void *ctx, int top, int bottom);

#endif
