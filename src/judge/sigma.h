// SPDX-License-Identifier: Apache-2.0
/*
 * sigma.h - Sigma rules: read, compiled into one matcher, asked event by event
 *
 * Theory of operation
 *
 * A rule file (sigma_rule.c) becomes a boolean expression over *atoms*: one atom is one test of one
 * field of one category, such as "CommandLine contains 'curl'". The same test in many rules is one
 * atom. All string atoms of a field are compiled together into one Hyperscan database
 * (sigma_compile()), so that a value is scanned once, however many rules there are. What a scan
 * finds is stamped with the event's number; a rule's expression is evaluated only when an atom was
 * found without which it cannot be true (its *triggers*).
 *
 * Names and rules are those of the Sigma specification 2 (github.com/SigmaHQ/sigma-specification):
 * matching ignores case in ASCII, '*' and '?' are wildcards, a backslash escapes them.
 *
 * Rule files are data of the user, and still bounded: SIGMA_FILE_MAX bytes, SIGMA_DEPTH_MAX levels.
 */
#ifndef BELLJAR_JUDGE_SIGMA_H
#define BELLJAR_JUDGE_SIGMA_H

#include "base/base.h"
#include "judge/rows.h"

#define SIGMA_FILE_MAX	(1u << 20)
#define SIGMA_DEPTH_MAX 32
#define SIGMA_RULES_MAX 100000
#define SIGMA_EXPRS_MAX 200000 /* tests of one rule, and what joins them */
#define SIGMA_TAGS_MAX	4096   /* characters of all tags together */

/** enum sigma_fate - what became of a rule */
enum sigma_fate {
	SIGMA_READY,	   /* takes part */
	SIGMA_NO_EVENTS,   /* of a category or product that belljar has no events for */
	SIGMA_PLACEHOLDER, /* needs the values of a %placeholder% that nobody gave */
	SIGMA_OUTDATED, /* uses '| count() …' of Sigma 1, which correlation rules have replaced */
	SIGMA_NO_RULES, /* a correlation of rules that are not there, or of itself */
	SIGMA_FATES
};

/** struct sigma_rule - what is known of one rule; strings live as long as the struct sigma */
struct sigma_rule {
	const char *file; /* where it came from */
	int line;	  /* of its document's begin */
	const char *id, *name, *title, *description, *level, *status;
	const char *false_positives; /* joined by "; " */
	const char *tags;	     /* joined by "," */
	const char *category, *product, *service;
	enum sigma_fate fate;
	bool correlation; /* a rule over matches of other rules */
	enum row_cat cat; /* SIGMA_READY and no correlation */
};

/** struct sigma_match - a rule that an event, or for a correlation the last of several, fulfils */
struct sigma_match {
	const struct sigma_rule *rule;
	const struct row *row;
	const uint64_t *seqs; /* correlation: events that count, in order; else the one event */
	size_t nseqs;
};

struct sigma;
struct sigma *sigma_new(void);
void sigma_free(struct sigma *s);

/** sigma_placeholder() - a value of %@name%; several calls add up. Before the rules that use it */
void sigma_placeholder(struct sigma *s, const char *name, const char *value);
/**
 * sigma_add() - the rules of one file, which may hold several YAML documents
 * @file: its name, for sentences
 *
 * A document that is malformed is left out and told ("FILE:LINE:COLUMN: what"); the others of the
 * file count. Return: 0; -EINVAL, EXIT_USAGE with the first sentence in @err, which may be NULL.
 */
int sigma_add(struct sigma *s, const char *file, const char *text, size_t n, struct err *err);
/** sigma_compile() - after the last sigma_add(): correlations find their rules */
void sigma_compile(struct sigma *s);
/** sigma_tell() - @bad hears each sentence of sigma_add() and sigma_compile() */
void sigma_tell(struct sigma *s, void (*bad)(void *ctx, const char *sentence), void *ctx);

size_t sigma_count(const struct sigma *s);
const struct sigma_rule *sigma_get(const struct sigma *s, size_t i);

/** sigma_given_up() - how often a regular expression took too many steps, and so did not match */
uint64_t sigma_given_up(const struct sigma *s);
/** sigma_forgotten() - how many matches correlations had no room for */
uint64_t sigma_forgotten(const struct sigma *s);
/** sigma_failed() - why sigma_row() has failed; msg is empty when it has not */
const struct err *sigma_failed(const struct sigma *s);

/** sigma_row() - which rules does this row fulfil? @fn for each, in the order of loading; non-zero
 * stops and is returned; so is -errno when patterns cannot be compiled. Rows come in order of their
 * events */
int sigma_row(struct sigma *s, const struct row *row,
	      int (*fn)(void *ctx, const struct sigma_match *m), void *ctx);

#endif
