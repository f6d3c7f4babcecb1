// SPDX-License-Identifier: Apache-2.0
/*
 * report.h - journal → what people read: text, JSON, one HTML file; one escaper per format
 *
 * A report only reads. It runs locked down (lockdown_reader) once journal and output are open.
 */
#ifndef BELLJAR_REPORT_H
#define BELLJAR_REPORT_H

#include "base/base.h"
#include "journal/journal.h"
#include "judge/judge.h"

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_HTML };

/* ---- escapers ----------------------------------------------------------------------------- */

/** escape_text() - for a terminal: control bytes, ESC, invalid UTF-8, bidi controls as \xNN / \u{…}
 */
void escape_text(struct buf *out, struct str s);
/** escape_json() - a JSON string with quotes; bytes that are no UTF-8 as the character
 * U+10FE00 + byte, so that nothing is lost and strict readers take it */
void escape_json(struct buf *out, struct str s);
/** escape_html() - for element content and quoted attributes */
void escape_html(struct buf *out, struct str s);

/* ---- events ------------------------------------------------------------------------------- */

/** report_event_json() - one event as one JSON line: {"seq":…,"kind":"file","t":…,"run":…,…} */
void report_event_json(struct buf *out, const struct event *ev);
/** report_event_text() - one line for people */
void report_event_text(struct buf *out, const struct event *ev, bool colour);

/** report_events() - events that pass @f to @fd */
int report_events(struct journal_reader *r, const struct journal_filter *f, bool json, bool colour,
		  int fd, struct err *err);

/** report_sql() - run one SELECT over tables and views; rows as text columns or JSON lines.
 * -EINVAL, EXIT_USAGE with SQLite's sentence for a query that does not compile or writes */
int report_sql(struct journal_reader *r, const char *sql, bool json, int fd, struct err *err);

/* ---- findings ----------------------------------------------------------------------------- */

struct findings_opts {
	enum grade min; /* what is below it is only counted */
	bool json;	/* a line of JSON for each (doc/RULES.md), else text for people */
	bool colour;
	bool brief; /* one line for all of them */
};
/** report_findings() - what the judge found, gravest first */
int report_findings(const struct judgement *v, const struct findings_opts *o, int fd,
		    struct err *err);

/**
 * report_contacts() - the contacts of a capture file that are too regular for chance, for people;
 * or every series of contacts, a line of JSON each (man belljar-gate)
 * @n: of capture_contacts_judge()
 */
int report_contacts(const struct capture_contacts *c, size_t n, bool json, bool colour, int fd,
		    struct err *err);

/** report_files() - the files that programs wrote or ran, for people or a line of JSON for each */
int report_files(const struct file_book *b, bool json, bool colour, int fd, struct err *err);

/* ---- report ------------------------------------------------------------------------------- */

struct report_opts {
	enum report_format format;
	bool colour;
	const char *title; /* box name */
	uint32_t run;	   /* 0: all runs */
	/* of an examination: what the rules say, for its first page; NULL: not judged */
	const struct judgement *judged;
	/* what programs wrote or ran, described; NULL: not looked at */
	const struct file_book *files;
	unsigned rows_max; /* rows shown per section, default REPORT_ROWS; the rest is counted */
};
#define REPORT_ROWS 500

/** report_of_examination() - its report has a first page, for which it should be judged */
bool report_of_examination(struct journal_reader *r);

/**
 * report_write() - the whole report to @fd
 *
 * Sections: in one sentence; what to look at first; processes (tree); who it talked to
 * (table, timeline); files changed; autostart;
 * attempts to get out; attempts at walls; users, set-id, trust; gaps, limits, mismatches; how to
 * check this record (chain head, key). Figures come from SQL over the documented views.
 *
 * Return: 0; -errno of what could not be read or written.
 */
int report_write(struct journal_reader *r, const struct report_opts *opts, int fd, struct err *err);

#endif
