// SPDX-License-Identifier: Apache-2.0
/*
 * judge.h - journal → findings: rules are data, evidence is event numbers
 *
 * Pure: the same journal and the same rules give the same findings, on any machine, in a process
 * that is locked to what is open (lockdown_reader() between judge_load() and judge_run()).
 *
 * Two kinds of rules say something about a journal: *Sigma* rules about single events and their
 * counts (public ones run as they are), and *SQL* rules about relations and sequences: one SELECT
 * over the documented tables and views (doc/RULES.md). What is weak alone stays a note.
 */
#ifndef BELLJAR_JUDGE_H
#define BELLJAR_JUDGE_H

#include "base/base.h"
#include "journal/journal.h"

/** enum grade - how much a finding says; words of doc/RULES.md */
enum grade {
	GRADE_FACT,    /* it happened; nothing is said about why */
	GRADE_NOTE,    /* one sign, which has an innocent explanation as often as not */
	GRADE_CONCERN, /* a sign that asks for an answer from the vendor */
	GRADE_FINDING, /* two independent kinds of evidence, and it is the subject that did it */
	GRADES
};
const char *grade_name(enum grade g);
/** grade_find() - GRADES for a word that is none */
enum grade grade_find(const char *name);

#define EVIDENCE_MAX 100    /* event numbers kept of a finding; the rest is counted */
#define FINDINGS_MAX 100000 /* of one judgement; more are counted, and that is a finding itself */

enum rule_kind { RULE_SIGMA, RULE_SQL, RULE_YARA, RULE_BUILTIN, RULE_KINDS };
const char *rule_kind_name(enum rule_kind k);

/** struct finding - one thing that a rule found; strings belong to the judgement */
struct finding {
	enum grade grade;
	enum rule_kind kind;
	const char *rule;     /* id of the rule */
	const char *title;    /* in words for people */
	const char *why;      /* why it matters; NULL */
	const char *innocent; /* the explanation that is harmless; NULL */
	const char *done;     /* what was done to rule that out; NULL: nothing */
	const char *attack;   /* MITRE ATT&CK ids, comma; NULL */
	struct str subject;   /* what it is about: a file, a name, a process; from the box */
	struct str detail;    /* from the box */
	uint32_t proc;	      /* process key, 0 none */
	uint64_t count;	      /* how often */
	size_t nseqs;
	const uint64_t *seqs; /* events of the evidence, ascending, at most EVIDENCE_MAX */
	size_t nothers;
	const uint64_t *others; /* events of the journal given as --against */
};

/** struct judge_rules_from - where rules are; folders are searched for files by their ending */
struct judge_rules_from {
	const char *sql;	  /* folder of *.sql; NULL: the installed ones */
	const char *const *sigma; /* folders or files, *.yml; ended by NULL; may be NULL */
	const char *const *yara;  /* folders or files, *.yar, *.yara; ended by NULL; may be NULL */
};

/** struct rule_info - a loaded rule, for `belljar rules` */
struct rule_info {
	enum rule_kind kind;
	const char *id, *title, *file, *attack, *why, *innocent;
	enum grade grade;
	const char *left_out; /* why it does not take part; NULL: it does */
};

struct judge;

/**
 * judge_load() - read and compile rules
 * @bad: called with one sentence for each rule that is malformed; the others are loaded
 *
 * Return: 0; -errno when a folder cannot be read (EXIT_UNREADABLE).
 */
int judge_load(const struct judge_rules_from *from, void (*bad)(void *ctx, const char *sentence),
	       void *ctx, struct judge **ret, struct err *err);
void judge_free(struct judge *j);
size_t judge_rules(const struct judge *j);
const struct rule_info *judge_rule(const struct judge *j, size_t i);

struct judgement {
	size_t n;
	struct finding *v; /* gravest first, then by rule, subject, first event */
	uint64_t left_out; /* findings beyond FINDINGS_MAX */
	size_t rules;	   /* that took part */
	struct arena memory;
};

/**
 * judge_run() - what the rules say of a journal
 * Rules that compare two journals run when judge_attach() was called.
 *
 * Return: 0; -EIO, EXIT_CORRUPT for a journal that cannot be read.
 */
int judge_run(struct judge *j, struct journal_reader *r, struct judgement **ret, struct err *err);
/** judge_attach() - give the SQL rules a second journal, as schema 'other'; before the lockdown */
int judge_attach(struct journal_reader *r, const char *path, struct err *err);
void judgement_free(struct judgement *v);

#endif
