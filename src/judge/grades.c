// SPDX-License-Identifier: Apache-2.0
/*
 * grades.c - words for grades and kinds of rules: by themselves, since reports need no rules
 */
#include "judge/judge.h"

static const char *const grades[GRADES] = {
	[GRADE_FACT] = "fact",
	[GRADE_NOTE] = "note",
	[GRADE_CONCERN] = "concern",
	[GRADE_FINDING] = "finding",
};

const char *grade_name(enum grade g)
{
	return g < GRADES ? grades[g] : NULL;
}

enum grade grade_find(const char *name)
{
	for (int g = 0; g < GRADES; g++)
		if (!strcmp(grades[g], name))
			return (enum grade)g;
	return GRADES;
}

const char *rule_kind_name(enum rule_kind k)
{
	static const char *const names[RULE_KINDS] = { [RULE_SIGMA] = "sigma",
						       [RULE_SQL] = "sql",
						       [RULE_YARA] = "yara",
						       [RULE_BUILTIN] = "belljar" };

	return k < RULE_KINDS ? names[k] : NULL;
}
