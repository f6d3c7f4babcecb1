// SPDX-License-Identifier: Apache-2.0
/*
 * become_judge.c - judge, rules and report are done by belljar-judge
 */
#include "cmd/cmd.h"

int cmd_judge(int argc UNUSED, char **argv)
{
	return become("belljar-judge", argv);
}

int cmd_examine_report(int argc UNUSED, char **argv)
{
	return become("belljar-judge", argv);
}

int cmd_report(int argc UNUSED, char **argv)
{
	return become("belljar-judge", argv);
}

int cmd_rules(int argc UNUSED, char **argv)
{
	return become("belljar-judge", argv);
}
