// SPDX-License-Identifier: Apache-2.0
/*
 * restart.c - belljar restart: a boot and a login of a box that is at rest
 *
 * The starting is the session's (session/boot.h); here are the options, the wait and the words.
 */
#include <sys/wait.h>

#include "cmd/clock_options.h"
#include "cmd/cmd.h"
#include "cmd/network_options.h"
#include "report/report.h"
#include "session/session.h"

#define SETTLE_SECONDS 10 /* --wait when it is not given */
#define LOOK_NS	       (NSEC_PER_SEC / 5)

struct restart {
	struct session_opts session;
	struct session_run s;
	double settle;
	bool stay, quiet;
	struct boot boot;
};

static int settle(struct restart *r, struct err *err)
{
	uint64_t end = session_box_now(&r->s) + (uint64_t)(r->settle * 1e9);
	int rc = 0, status;

	while (!rc && box_processes(r->s.run) > 0 && (r->stay || session_box_now(&r->s) < end)) {
		uint64_t left = r->stay ? LOOK_NS : end - session_box_now(&r->s);

		rc = session_wait_box(&r->s, 0, 0, left < LOOK_NS ? left : LOOK_NS, &status, err);
	}
	/* the last to end may have told so a moment ago */
	if (!rc)
		rc = session_wait(&r->s, 0, 0, 20, &status, err);
	return rc;
}

/* ---- words -------------------------------------------------------------------------------- */

static void print_one(const struct boot_start *s)
{
	cleanup_buf struct buf b = { 0 };

	buf_printf(&b, "%-8s %-16s ", s->when, s->class);
	escape_text(&b, str_z(s->name));
	buf_puts(&b, " (");
	escape_text(&b, str_z(s->place));
	buf_puts(&b, "): ");
	if (s->outcome == BOOT_NOT_STARTED)
		escape_text(&b, str_z(s->why));
	else if (s->outcome == BOOT_RUNNING)
		buf_puts(&b, "still ran");
	else if (WIFEXITED(s->status))
		buf_printf(&b, "ended with status %d", WEXITSTATUS(s->status));
	else
		buf_printf(&b, "ended by signal %d", WTERMSIG(s->status));
	printf("%s\n", buf_z(&b));
}

static void print_all(const struct restart *r)
{
	for (size_t i = 0; i < r->boot.n; i++)
		print_one(&r->boot.v[i]);
	if (!r->boot.n)
		printf("nothing in this box starts by itself\n");
	fflush(stdout);
	if (r->quiet)
		return;
	if (r->s.left)
		fprintf(stderr, "belljar: %d process%s still ran and ended with the box\n",
			r->s.left, r->s.left == 1 ? "" : "es");
	if (strcmp(r->s.reason, "exit") && strcmp(r->s.reason, "interrupted"))
		fprintf(stderr, "belljar: the run ended early: %s\n", r->s.reason);
}

/* ---- arguments ---------------------------------------------------------------------------- */

enum { OPT_TIME = 256, OPT_WAIT, OPT_STAY };

static const struct option options[] = {
	{ "time", required_argument, NULL, OPT_TIME },
	{ "wait", required_argument, NULL, OPT_WAIT },
	CLOCK_OPTIONS,
	{ "stay", no_argument, NULL, OPT_STAY },
	{ "quiet", no_argument, NULL, 'q' },
	{ 0 },
};

static bool seconds(const char *text, double *ret)
{
	static const struct {
		char unit;
		double factor;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	char *end;
	double v = strtod(text, &end);

	if (end == text || !(v >= 0))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (end[0] == units[i].unit && !end[1]) {
			v *= units[i].factor;
			end++;
		}
	if (*end || v > 1e8)
		return false;
	*ret = v;
	return true;
}

static int parse(struct restart *r, int argc, char **argv)
{
	int c;

	while ((c = cmd_option(argc, argv, ":q", options)) != -1) {
		switch (c) {
		case 'q':
			r->quiet = true;
			break;
		case OPT_STAY:
			r->stay = true;
			break;
		case OPT_TIME:
			if (!seconds(optarg, &r->session.box.limits.time) ||
			    !(r->session.box.limits.time > 0))
				return cmd_usage("restart", "--time cannot be '%s'", optarg);
			break;
		case OPT_WAIT:
			if (!seconds(optarg, &r->settle))
				return cmd_usage("restart", "--wait cannot be '%s'", optarg);
			break;
		case OPT_SPEED:
		case OPT_UNTIL:
			if (clock_option("restart", &r->session, c, optarg))
				return EXIT_USAGE;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1)
		return cmd_usage("restart", "which box?");
	r->session.name = argv[optind];
	return 0;
}

static int run_all(struct restart *r, struct err *err)
{
	int rc = session_begin(&r->s, &r->session, err);

	if (rc)
		return rc;
	rc = boot_list(&r->s, &r->boot, err);
	if (rc == -E2BIG) {
		fprintf(stderr, "belljar: %s\n", err->msg);
		rc = 0;
	}
	if (!rc)
		rc = boot_start_all(&r->boot, err);
	if (!rc)
		rc = settle(r, err);
	return rc == -ECANCELED ? 0 : rc;
}

int cmd_restart(int argc, char **argv)
{
	struct restart r = { .settle = SETTLE_SECONDS, .session = { .mark = "restart" } };
	struct err err = { 0 }, late = { 0 };
	cleanup_free char *line = NULL;
	int rc = parse(&r, argc, argv), status = EXIT_OK;

	if (rc)
		return rc;
	rc = network_here(&r.session.net, argv);
	if (rc >= 0)
		return rc;
	line = quote_words(argc, argv);
	r.session.command_line = line;
	rc = run_all(&r, &err);
	if (rc)
		status = cmd_fail(&err);
	else if (session_end(&r.s, -1, &late))
		status = cmd_fail(&late);
	else if (!strcmp(r.s.reason, "time-limit"))
		status = EXIT_TIME;
	else if (!strcmp(r.s.reason, "record-failed"))
		status = EXIT_NO_SPACE;
	if (!rc)
		print_all(&r);
	session_close(&r.s);
	boot_free(&r.boot);
	return status;
}
