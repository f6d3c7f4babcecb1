// SPDX-License-Identifier: Apache-2.0
/*
 * cmd.h - one file per subcommand; main.c has the table
 */
#ifndef BELLJAR_CMD_H
#define BELLJAR_CMD_H

#include <getopt.h>

#include "base/base.h"

/** struct subcommand - a row of the table that is dispatch, --help and completion at once */
struct subcommand {
	const char *name;
	const char *args;    /* synopsis after the name */
	const char *summary; /* one line */
	const char *help;    /* options and examples, shown by `belljar NAME --help` */
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
};

/** cmd_fail() - print err's sentence on stderr, "belljar: …"; returns its exit status */
int cmd_fail(const struct err *err);
/** cmd_usage() - print a sentence and a hint at --help; returns EXIT_USAGE */
int cmd_usage(const char *sub, const char *fmt, ...) PRINTF(2, 3);
/** cmd_option() - the next option, as getopt_long(3) has it with @longs and, after ":" or "+:",
 * @shorts. argv[0] is the subcommand. Return: its value; -1 at the end; CMD_OPTION_BAD after a
 * sentence on stderr, when there is no such option or its value is missing */
#define CMD_OPTION_BAD '?'
int cmd_option(int argc, char **argv, const char *shorts, const struct option *longs);
/** cmd_colour() - may what is written there be coloured: a terminal, and no NO_COLOR */
bool cmd_colour(int fd);
/** cmd_help() - print a row's help to stdout; returns EXIT_OK */
int cmd_help(const char *sub);

/** program_beside() - path of a program of ours: beside this one's file, or where it is installed.
 * -ENOENT, EXIT_UNREADABLE */
int program_beside(const char *name, char *out, size_t size, struct err *err);

/** data_beside() - path of a folder of ours: in the source tree of a build folder, or installed.
 * -ENOENT, EXIT_UNREADABLE */
int data_beside(const char *name, char *out, size_t size, struct err *err);
/** become() - replace this process by the program @program beside it, with its arguments. Returns
 * the exit status of a failure */
int become(const char *program, char **argv);

/** half_start() - fork(2) for a child that does the work: it is asked to end (SIGTERM) when we die
 */
pid_t half_start(void);
/** half_wait() - wait for it; what asks us to end (INT, TERM, HUP, QUIT) is passed on to it, unless
 * it is ignored. Return: its exit status; 128 and its signal; EXIT_INTERNAL when @pid is -1 */
int half_wait(pid_t pid);
/** half_hold_signals() - these signals wait from now on, until somebody takes them (box_wait()
 * does) */
void half_hold_signals(void);

/** record_here() - in the program that has no journals, a run become the one that has them: all but
 * one that is @passing, of which nobody will read. Return: -1, the run is made here; else the exit
 * status of a failure */
int record_here(bool passing, char **argv);

int cmd_run(int argc, char **argv);
int cmd_restart(int argc, char **argv);
int cmd_examine(int argc, char **argv);
int cmd_examine_report(int argc, char **argv); /* examine --report NAME [DIR [SECOND]] */
int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_changes(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_judge(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_gate(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/**
 * verify_planted() - `belljar verify` without a name: are the planted actions on record?
 *
 * Prints a row per action. Return: EXIT_OK; EXIT_NEGATIVE when one is missing; -errno.
 */
int verify_planted(bool json, struct err *err);

/** say_verdict() - one line on stderr: what rules say of the record at @journal; nothing where
 * belljar-judge is not there. What takes longer than ten seconds is given up */
void say_verdict(const char *journal);

#endif
