// SPDX-License-Identifier: Apache-2.0
/*
 * judge_rules.h - where judge and rules take their rules from
 */
#ifndef BELLJAR_CMD_JUDGE_RULES_H
#define BELLJAR_CMD_JUDGE_RULES_H

#include "cmd/cmd.h"
#include "judge/judge.h"

#define RULE_PATHS_MAX 64

/** struct rule_paths - --rules, --sigma and --yara as they were given */
struct rule_paths {
	const char *sql;
	bool no_sql; /* not even belljar's own */
	const char *sigma[RULE_PATHS_MAX + 1];
	size_t nsigma;
	const char *yara[RULE_PATHS_MAX + 1];
	size_t nyara;
};

/** rule_paths_add() - one --sigma ('s') or --yara ('y'); EXIT_USAGE beyond RULE_PATHS_MAX */
int rule_paths_add(struct rule_paths *p, const char *sub, int option, const char *path);
/** rule_paths_load() - belljar's own SQL rules unless others were given; a malformed rule is a
 * sentence on stderr, counted in *@ret_bad, and the others are loaded */
int rule_paths_load(const struct rule_paths *p, unsigned *ret_bad, struct judge **ret,
		    struct err *err);

#endif
