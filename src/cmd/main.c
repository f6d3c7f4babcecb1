// SPDX-License-Identifier: Apache-2.0
/*
 * main.c - the table of subcommands: dispatch and help are made from it
 */
#include <limits.h>
#include <signal.h>
#include <stdarg.h>

#include "cmd/cmd.h"
#include "cmd/help.h"

static const struct subcommand subcommands[] = {
	{ "run", "[-b NAME] [OPTION…] [--] PROGRAM [ARG…]", "run a program in a box and record it",
	  HELP_RUN, cmd_run },
	{ "restart", "NAME [OPTION…]",
	  "end everything in a box, then start what its own autostart entries name", HELP_RESTART,
	  cmd_restart },
	{ "examine", "INSTALLER [OPTION…] [-- ARG…]",
	  "install a program and make experiments on it, until after its uninstall", HELP_EXAMINE,
	  cmd_examine },
	{ "list", "[--json]", "list the boxes", HELP_LIST, cmd_list },
	{ "show", "NAME [--json]", "what a box is: identity, layers, snapshots, runs", HELP_SHOW,
	  cmd_show },
	{ "snapshot", "NAME SNAPSHOT", "freeze a box's state under a name", HELP_SNAPSHOT,
	  cmd_snapshot },
	{ "rollback", "NAME [SNAPSHOT]", "go back to a snapshot, or to the empty box",
	  HELP_ROLLBACK, cmd_rollback },
	{ "remove", "NAME…", "delete boxes with all they hold", HELP_REMOVE, cmd_remove },
	{ "export", "NAME [--pcapng [RUN]] [-o FILE]", "write a box as one file", HELP_EXPORT,
	  cmd_export },
	{ "import", "NAME [--root DIR] [FILE]", "make a box from such a file", HELP_IMPORT,
	  cmd_import },
	{ "changes", "NAME [--since SNAPSHOT] [--json]",
	  "what is different in a box, and who did it", HELP_CHANGES, cmd_changes },
	{ "events", "NAME [FILTER…] [--json]", "the record, event by event", HELP_EVENTS,
	  cmd_events },
	{ "report", "NAME [--format text|json|html] [-o FILE]", "what a program did, for people",
	  HELP_REPORT, cmd_report },
	{ "judge", "NAME [OPTION…]",
	  "what the record says about the program, by rules, with evidence", HELP_JUDGE,
	  cmd_judge },
	{ "rules", "list|show|check|coverage [OPTION…]", "the rules that a record is judged by",
	  HELP_RULES, cmd_rules },
	{ "gate", "read FILE [--beacons] [--json] | answers NAME DIR",
	  "decode a capture file; or recorded answers as a folder", HELP_GATE, cmd_gate },
	{ "policy", "NAME show|allow WORD…|deny WORD…|learn [-o FILE]",
	  "who a box may reach over the network", HELP_POLICY, cmd_policy },
	{ "verify", "[NAME]", "check a journal; without a name, check the recorder itself",
	  HELP_VERIFY, cmd_verify },
	{ "doctor", "[--json]", "what this machine offers, what is lost without it, what to do",
	  HELP_DOCTOR, cmd_doctor },
};

static const struct subcommand *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		if (!strcmp(subcommands[i].name, name))
			return &subcommands[i];
	return NULL;
}

bool cmd_colour(int fd)
{
	return isatty(fd) && !getenv("NO_COLOR");
}

int cmd_fail(const struct err *err)
{
	fprintf(stderr, "belljar: %s\n", err->msg);
	return err->exit;
}

int cmd_usage(const char *sub, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "belljar %s: ", sub);
	va_start(ap, fmt);
	/* va_start is the line above */
	// NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see 'belljar %s --help')\n", sub);
	return EXIT_USAGE;
}

int cmd_option(int argc, char **argv, const char *shorts, const struct option *longs)
{
	char letter[] = { '-', 0, 0 };
	const char *word;
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c != '?' && c != ':')
		return c;
	word = argv[optind - 1];
	if (strncmp(word, "--", 2) != 0 && optopt > 0 && optopt <= UCHAR_MAX) {
		letter[1] = (char)optopt;
		word = letter;
	}
	cmd_usage(argv[0], c == ':' ? "'%s' needs a value" : "no option '%s'", word);
	return CMD_OPTION_BAD;
}

int cmd_help(const char *sub)
{
	const struct subcommand *s = find(sub);

	printf("usage: belljar %s %s\n\n%s\n", s->name, s->args, s->summary);
	if (s->help[0])
		printf("\n%s", s->help);
	return EXIT_OK;
}

static int overview(FILE *out)
{
	fprintf(out, "belljar - run software that you do not trust under glass\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		fprintf(out, "  %-9s %s\n", subcommands[i].name, subcommands[i].summary);
	return 0;
}

int main(int argc, char **argv)
{
	const struct subcommand *s;

	if (argc < 2) {
		overview(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return overview(stdout);
	if (!strcmp(argv[1], "--version")) {
		printf("belljar %s\n", BELLJAR_VERSION);
		return EXIT_OK;
	}
	s = find(argv[1]);
	if (!s) {
		fprintf(stderr, "belljar: no such subcommand (see 'belljar --help')\n");
		return EXIT_USAGE;
	}
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strcmp(argv[i], "--help"))
			return cmd_help(s->name);
		if (s->run == cmd_run || s->run == cmd_examine)
			break; /* a later one may be the program's */
	}
	/* a file that grows too large for our user is an error to tell, and no death (setrlimit(2))
	 */
	signal(SIGXFSZ, SIG_IGN);
	return s->run(argc - 1, argv + 1);
}
