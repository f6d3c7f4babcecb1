// SPDX-License-Identifier: Apache-2.0
/*
 * inner.h - what the files of this room share
 */
#ifndef BELLJAR_JUDGE_INNER_H
#define BELLJAR_JUDGE_INNER_H

#include "judge/files.h"
#include "judge/judge.h"
#include "judge/sigma.h"

#define SQL_RULES_MAX	 1000
#define SQL_RULE_MAX	 (64u << 10) /* bytes of one rule file */
#define SQL_RULE_SECONDS 60	     /* one rule may compute this long on one journal */
#define SQL_SUBJECT_MAX	 4096
#define SIGNS_MAX	 10000 /* findings that rules with `after` can see */

/** struct sql_rule - a SELECT and what its header says */
struct sql_rule {
	const char *file, *id, *title, *why, *innocent, *done, *attack, *sql;
	enum grade grade;
	unsigned needs;	  /* different events of evidence; with fewer it is a note */
	bool against;	  /* only with a second journal */
	bool after;	  /* asked when the others have been, whose signs it reads */
	const char *sign; /* what kind of evidence it gives; NULL: none that counts */
};

/** sql_rule_parse() - "FILE:LINE: …" in @err; strings live in @a. Return: 0, -EINVAL */
int sql_rule_parse(struct arena *a, const char *file, struct str text, struct sql_rule *ret,
		   struct err *err);
/** sql_rule_check() - does the SELECT fit the tables of @db? -EINVAL, "FILE:LINE: …" */
int sql_rule_check(struct sqlite3 *db, const struct sql_rule *r, struct err *err);

/** struct finds - findings while they come in */
struct finds {
	struct arena a;
	struct finding *v;
	size_t n, cap;
	uint64_t left_out;
};
/** finds_add() - a zeroed finding, or NULL beyond FINDINGS_MAX */
struct finding *finds_add(struct finds *f);

/** could_not_run() - a fact that says so: rule or table @what, because of @why */
void could_not_run(struct finds *f, const char *what, const char *why);

/** subject_tables() - program, life, subject_process, subject_file, experiment, sign, sign_evidence
 * (doc/RULES.md), made for this handle. Return: 0; -EIO when the journal cannot be read */
int subject_tables(struct sqlite3 *db, struct finds *f, struct err *err);

/** sql_rule_run() - its findings; a query that fails or takes too long is a GRADE_FACT finding that
 * says so. Return: how many rows, -EIO when the journal cannot be read */
int sql_rule_run(struct sqlite3 *db, const struct sql_rule *r, struct finds *f, struct err *err);

/** sql_functions() - what rules can call beside SQLite's own (doc/RULES.md): entropy(x),
 * edit_distance(a,b), base_name(path), dir_name(path), registrable_domain(name),
 * below_domain(name), came_in(content,file), regular_words(period,jitter,p),
 * imports_for(names,class), and the tables beacon, file_info and other_file_info, made from the
 * journals (NULL: they have no rows) */
int sql_functions(struct sqlite3 *db, struct judged *mine, struct judged *other);
/** beacon_table() - a part of it */
int beacon_table(struct sqlite3 *db, struct journal_reader *r);

/** sigma_run() - the Sigma rules over all events of a journal */
int sigma_run(struct sigma *s, struct journal_reader *r, struct finds *f, struct err *err);

/** sigma_grade() - of a rule's level: one event is one sign, never a finding by itself */
enum grade sigma_grade(const char *level);
/** sigma_techniques() - "attack.persistence,attack.t1543.002" → "T1543.002"; NULL for none */
const char *sigma_techniques(struct arena *a, const char *tags);

/** subject_signs() - fill `sign` with what was found by rules that have one. Return: 0, -EIO */
struct judge;
int subject_signs(struct sqlite3 *db, const struct judge *j, const struct finds *f);

struct judge {
	struct arena a;
	struct sigma *sigma;
	struct yara *yara; /* NULL: no rules */
	struct judged mine, other;
	struct sql_rule sql[SQL_RULES_MAX];
	size_t nsql;
	struct rule_info *info;
	size_t ninfo;
};

#endif
