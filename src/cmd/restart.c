// SPDX-License-Identifier: Apache-2.0
/*
 * restart.c - belljar restart: a boot and a login of a box that is at rest
 *
 * Whatever ran in the box ended with its run; here the box is set up anew and exactly what
 * autostart_starts() names is started, each recorded with the entry that caused it, and nothing
 * else. There is no service manager, cron or desktop in between: belljar plays them, so that what
 * is on record is the box's own doing.
 *
 * A program of another user than root goes through setpriv(1) of the box (util-linux): programs of
 * a box start as its root, and the kernel, or root emulation, then answers the change as it would
 * answer a service manager's.
 */
#include <getopt.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cmd/cmd.h"
#include "cmd/session.h"
#include "report/report.h"

#define SETTLE_SECONDS 10    /* --wait when it is not given */
#define STEP_MS	       30000 /* longest that one step (ExecStartPre=, oneshot) is waited for */
#define PASSWD_MAX     (1u << 20)
#define PREFIX_WORDS   8 /* setpriv and its options */

enum outcome { NOT_STARTED, RUNNING, ENDED };

/** struct started - one start and what became of it */
struct started {
	char *class, *place, *name, *user, *cwd, *command;
	const char *technique, *when;
	char **argv;
	int argc;
	bool wait, needed;
	int id, status;
	enum outcome outcome;
	char why[ERR_MSG_MAX]; /* not started: because */
};

struct restart {
	struct session_opts session;
	struct session_run s;
	double settle;
	bool stay, quiet;
	struct started *v;
	size_t n;
};

/* ---- the list ----------------------------------------------------------------------------- */

static int take_start(void *ctx, const struct autostart_start *a)
{
	struct restart *r = ctx;
	struct started *s;

	r->v = xrealloc(r->v, (r->n + 1) * sizeof(*r->v));
	s = &r->v[r->n++];
	*s = (struct started){
		.class = xstrdup(a->class->name),
		.technique = a->class->technique,
		.place = xstrndup(a->place.p, a->place.n),
		.name = xstrndup(a->name.p, a->name.n),
		.user = xstrdup(a->user ? a->user : "root"),
		.cwd = a->cwd ? xstrdup(a->cwd) : NULL,
		.when = a->when,
		.wait = a->wait,
		.needed = a->needed,
		.argc = a->argc,
	};
	s->argv = xcalloc((size_t)a->argc + 1, sizeof(*s->argv));
	for (int i = 0; i < a->argc; i++)
		s->argv[i] = xstrdup(a->argv[i]);
	s->command = quote_words(s->argc, s->argv);
	return 0;
}

static void free_list(struct restart *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct started *s = &r->v[i];

		for (int k = 0; k < s->argc; k++)
			free(s->argv[k]);
		free(s->argv);
		free(s->class);
		free(s->place);
		free(s->name);
		free(s->user);
		free(s->cwd);
		free(s->command);
	}
	free(r->v);
}

/* ---- users -------------------------------------------------------------------------------- */

static int open_in_box(const struct session_run *s, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, box_run_rootfd(s->run), path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* uid and gid of a name in the running box's passwd file, which the box may have written */
static bool find_user(const struct session_run *s, const char *name, unsigned *uid, unsigned *gid)
{
	cleanup_close int fd = open_in_box(s, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len = strlen(name);
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	text = xmalloc(PASSWD_MAX + 1);
	n = read_full(fd, text, PASSWD_MAX);
	text[n > 0 ? n : 0] = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char *colon;

		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		colon = strchr(line + len + 1, ':');
		if (colon && sscanf(colon, ":%10u:%10u:", uid, gid) == 2)
			return true;
	}
	return false;
}

/* ---- starting ----------------------------------------------------------------------------- */

/* What env(1) and its assignments stand before. */
static const char *program_of(const struct started *s)
{
	int i = 0;

	if (str_ends(str_z(s->argv[0]), "/env"))
		for (i = 1; i < s->argc && strchr(s->argv[i], '=');)
			i++;
	return i < s->argc ? s->argv[i] : s->argv[0];
}

static void started_event(struct restart *r, const struct started *s)
{
	struct event ev = { .kind = EV_AUTOSTART, .t = UINT64_MAX };

	ev.v[EV_AT(AUTOSTART, OP)] = V_Z("started");
	ev.v[EV_AT(AUTOSTART, CLASS)] = V_Z(s->class);
	ev.v[EV_AT(AUTOSTART, PLACE)] = V_Z(s->place);
	ev.v[EV_AT(AUTOSTART, NAME)] = V_Z(s->name);
	ev.v[EV_AT(AUTOSTART, COMMAND)] = V_Z(s->command);
	ev.v[EV_AT(AUTOSTART, PROGRAM)] = V_Z(program_of(s));
	ev.v[EV_AT(AUTOSTART, TECHNIQUE)] = V_Z(s->technique);
	journal_append(r->s.journal, &ev, NULL, NULL);
}

static int spawn(struct restart *r, struct started *s, struct err *err)
{
	cleanup_free const char **argv = xcalloc((size_t)s->argc + PREFIX_WORDS + 1, sizeof(*argv));
	cleanup_free char *cause = xasprintf("%s %s:%s", s->class, s->place, s->name);
	struct box_program prog = { .argv = argv, .cwd = s->cwd, .stdio = STDIO_NULL };
	unsigned uid = 0, gid = 0;
	struct box_proc proc;
	char ids[2][32];
	int n = 0, rc;

	if (strcmp(s->user, "root")) {
		if (!find_user(&r->s, s->user, &uid, &gid))
			return err_set_exit(err, EXIT_NOT_FOUND, 0,
					    "restart: the box has no user '%s'", s->user);
		snprintf(ids[0], sizeof(ids[0]), "--reuid=%u", uid);
		snprintf(ids[1], sizeof(ids[1]), "--regid=%u", gid);
		argv[n++] = "setpriv";
		argv[n++] = ids[0];
		argv[n++] = ids[1];
		argv[n++] = "--init-groups";
		argv[n++] = "--";
	}
	for (int i = 0; i < s->argc; i++)
		argv[n++] = s->argv[i];
	rc = session_spawn(&r->s, &prog, cause, &proc, err);
	if (rc)
		return rc;
	s->id = proc.id;
	s->outcome = RUNNING;
	started_event(r, s);
	return 0;
}

static void ended(void *ctx, int id, int status)
{
	struct restart *r = ctx;

	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].outcome == RUNNING && r->v[i].id == id) {
			r->v[i].outcome = ENDED;
			r->v[i].status = status;
		}
}

/* The steps of a unit have its name first: "x.service ExecStartPre", "x.service". */
static bool same_unit(const struct started *a, const struct started *b)
{
	size_t n = strcspn(a->name, " ");

	return !strcmp(a->place, b->place) && strcspn(b->name, " ") == n &&
	       !strncmp(a->name, b->name, n);
}

static const struct started *failed_before(const struct restart *r, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct started *s = &r->v[k];

		if (s->needed && same_unit(s, &r->v[i]) &&
		    (s->outcome == NOT_STARTED || (s->outcome == ENDED && s->status)))
			return s;
	}
	return NULL;
}

/* Return: 0; -ECANCELED when the box must end; what a start lacks is told, and no failure */
static int start_all(struct restart *r, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->n && rc >= 0; i++) {
		struct started *s = &r->v[i];
		const struct started *failed = failed_before(r, i);
		struct err why = { 0 };
		int status;

		if (failed) {
			snprintf(s->why, sizeof(s->why), "not started: '%.200s' failed",
				 failed->name);
			continue;
		}
		if (spawn(r, s, &why)) {
			memcpy(s->why, why.msg, sizeof(s->why));
			continue;
		}
		if (s->wait)
			rc = session_wait(&r->s, s->id, 0, STEP_MS, &status, err);
	}
	return rc < 0 ? rc : 0;
}

static int settle(struct restart *r, struct err *err)
{
	uint64_t end = clock_mono_ns() + (uint64_t)(r->settle * 1e9);
	int rc = 0, status;

	while (!rc && box_processes(r->s.run) > 0 && (r->stay || clock_mono_ns() < end))
		rc = session_wait(&r->s, 0, 0, 200, &status, err);
	/* the last to end may have told so a moment ago */
	if (!rc)
		rc = session_wait(&r->s, 0, 0, 20, &status, err);
	return rc;
}

/* ---- words -------------------------------------------------------------------------------- */

static void print_one(const struct started *s)
{
	cleanup_buf struct buf b = { 0 };

	buf_printf(&b, "%-8s %-16s ", s->when, s->class);
	escape_text(&b, str_z(s->name));
	buf_puts(&b, " (");
	escape_text(&b, str_z(s->place));
	buf_puts(&b, "): ");
	if (s->outcome == NOT_STARTED)
		escape_text(&b, str_z(s->why));
	else if (s->outcome == RUNNING)
		buf_puts(&b, "still ran");
	else if (WIFEXITED(s->status))
		buf_printf(&b, "ended with status %d", WEXITSTATUS(s->status));
	else
		buf_printf(&b, "ended by signal %d", WTERMSIG(s->status));
	printf("%s\n", buf_z(&b));
}

static void print_all(const struct restart *r)
{
	for (size_t i = 0; i < r->n; i++)
		print_one(&r->v[i]);
	if (!r->n)
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

	optind = 0;
	while ((c = getopt_long(argc, argv, "q", options, NULL)) != -1) {
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
		default:
			fprintf(stderr, "belljar: see 'belljar restart --help'\n");
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
	r->s.on_exit = ended;
	r->s.on_exit_ctx = r;
	/* the layer on disk is as the last run left it: nothing has run yet in this one */
	rc = autostart_starts(r->s.box, take_start, r, err);
	if (rc == -E2BIG) {
		fprintf(stderr, "belljar: %s\n", err->msg);
		rc = 0;
	}
	if (!rc)
		rc = start_all(r, err);
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
	free_list(&r);
	return status;
}
