// SPDX-License-Identifier: Apache-2.0
/*
 * examine.c - belljar examine: all experiments on an installer, then the report
 *
 * Two halves (half.c). The one that acts is a child: it drops root, and becomes the program that
 * has the gate. Its parent waits, whatever signals come; it has read nothing that comes out of the
 * box.
 */
#include <signal.h>

#include "cmd/cmd.h"
#include "cmd/examine.h"
#include "cmd/network_options.h"

/* What the half that acts tells the one that waits: there is a record. Else it is EXIT_OK, or an
 * exit status after its sentence. */
#define INTERRUPTED (128 + SIGINT)
#define AT_LIMIT    (128 + SIGXFSZ)
#define FAILED	    (128 + SIGILL)

/* ---- the half that acts ------------------------------------------------------------------- */

static void say(const struct examine_wish *w, const struct examine_result *r)
{
	if (isatty(STDERR_FILENO) && !w->quiet)
		fprintf(stderr, "\r\033[K");
	if (r->rolled_back)
		fprintf(stderr,
			"belljar: the install was stopped, for it reached a limit of the box (%s); "
			"what it wrote is removed, the record of it is kept\n",
			r->reason);
	else if (r->interrupted)
		fprintf(stderr,
			"belljar: the examination ended early (%s) in '%s'; --resume goes on\n",
			r->reason, r->experiment ? r->experiment : "?");
	if (r->failed[0])
		fprintf(stderr, "belljar: the installer did not succeed: it %s%s%s\n", r->failed,
			r->said[0] ? "; it printed last: " : "", r->said);
	if (!w->quiet)
		fprintf(stderr, "belljar: %u of %u experiments are on record in box '%s'\n",
			r->done, r->of, w->opts.session.name);
}

static int act(struct examine_wish *w)
{
	struct examine_result r = { 0 };
	struct err err = { 0 };
	int rc;

	/* before anything else can have its number */
	w->opts.fed = fcntl(STDIN_FILENO, F_GETFD) >= 0 && !isatty(STDIN_FILENO);
	rc = examine_open(w);
	if (rc)
		return rc;
	/* one that comes between two runs ends the next one */
	half_hold_signals();
	w->opts.progress = examine_progress_line;
	w->opts.progress_ctx = w;
	rc = examine(&w->opts, &r, &err);
	if (rc)
		return cmd_fail(&err);
	say(w, &r);
	return r.limit ? AT_LIMIT : r.interrupted ? INTERRUPTED : r.failed[0] ? FAILED : EXIT_OK;
}

/* ---- the half that waits ------------------------------------------------------------------ */

static int become_acting(const struct examine_wish *w, int argc, char **argv)
{
	char **all = xcalloc((size_t)argc + 3, sizeof(*all));
	int n = 0, rc;

	all[n++] = argv[0];
	all[n++] = (char *)"--act-only";
	if (w->second)
		all[n++] = (char *)"--second";
	memcpy(all + n, argv + 1, (size_t)argc * sizeof(*all));
	rc = network_here(&w->opts.session.net, all);
	free(all);
	return rc;
}

static int act_in_child(struct examine_wish *w, int argc, char **argv)
{
	pid_t pid = half_start();
	struct err err = { 0 };
	int rc;

	if (pid == 0) {
		rc = become_acting(w, argc, argv);
		w->opts.session.name = w->second ? w->name2 : w->name;
		if (rc < 0)
			rc = act(w);
		fflush(NULL);
		_exit(rc);
	}
	if (pid < 0) {
		err_set(&err, errno, "examine: start a process");
		return cmd_fail(&err);
	}
	return half_wait(pid);
}

/* The rules are another program's; it gives up root by itself. @both: there are two records */
static int report_in_child(struct examine_wish *w, bool both)
{
	char *words[] = { (char *)"examine",
			  (char *)"--report",
			  w->name,
			  (char *)(w->dir ? w->dir : "-"),
			  both ? w->name2 : NULL,
			  NULL };
	pid_t pid = half_start();

	if (pid == 0)
		_exit(cmd_examine_report(both ? 5 : 4, words));
	return half_wait(pid);
}

/* The half that acts was killed: what it did until then is on record, and nobody has judged it. */
static int killed(const struct examine_wish *w, int status)
{
	fprintf(stderr,
		"belljar: the examination was ended by signal %d; what it did is on record in box "
		"'%s', --resume goes on\n",
		status - 128, w->second ? w->name2 : w->name);
	return status;
}

int cmd_examine(int argc, char **argv)
{
	static struct examine_wish w;
	off_t input = lseek(STDIN_FILENO, 0, SEEK_CUR); /* -1: no file */
	int rc, reported;

	if (argc > 1 && !strcmp(argv[1], "--report"))
		return cmd_examine_report(argc, argv);
	rc = examine_parse(argc, argv, &w);
	if (rc)
		return rc;
	if (w.act_only)
		return act(&w);
	rc = act_in_child(&w, argc, argv);
	if (!rc && w.two) {
		w.second = true;
		/* it is told the same; a pipe has what the first one left */
		if (input >= 0)
			lseek(STDIN_FILENO, input, SEEK_SET);
		rc = act_in_child(&w, argc, argv);
	}
	if (rc > 128 && rc != INTERRUPTED && rc != AT_LIMIT && rc != FAILED)
		return killed(&w, rc);
	if (rc && rc != INTERRUPTED && rc != AT_LIMIT && rc != FAILED)
		return rc;
	/* a second one that failed has begun: there is a record to compare with */
	reported = w.quiet && !w.dir ? EXIT_OK : report_in_child(&w, w.second);
	switch (rc) {
	case AT_LIMIT:
		return EXIT_NO_SPACE;
	case FAILED:
		return reported ? reported : EXIT_NOT_EXEC;
	default:
		return rc ? rc : reported;
	}
}
