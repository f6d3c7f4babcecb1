// SPDX-License-Identifier: Apache-2.0
/*
 * run.c - belljar run: a program in a box, recorded; its exit status is ours
 */
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/clock_options.h"
#include "cmd/cmd.h"
#include "cmd/network_options.h"
#include "report/report.h"
#include "session/session.h"

struct run_args {
	struct session_opts session;
	const char *env[64];
	const char *cwd;
	const char *output; /* -o FILE */
	bool dry_run, quiet, wait, no_judge;
	char **argv;
	int argc;
	int program_fd; /* the program's file on the host, opened before root is given up */
	char program_path[PATH_MAX];
};

enum {
	OPT_DRY_RUN = 256,
	OPT_ROOT,
	OPT_RO,
	OPT_RW,
	OPT_COPY,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_PIDS,
	OPT_DISK,
	OPT_INODES,
	OPT_TIME,
	OPT_USER,
	OPT_ENV,
	OPT_CWD,
	OPT_IDMAP,
	OPT_ON_DISK,
	OPT_WAIT,
	OPT_NO_JUDGE,
};

static const struct option options[] = {
	{ "box", required_argument, NULL, 'b' },
	{ "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "ro", required_argument, NULL, OPT_RO },
	{ "rw", required_argument, NULL, OPT_RW },
	{ "copy", required_argument, NULL, OPT_COPY },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "pids", required_argument, NULL, OPT_PIDS },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "inodes", required_argument, NULL, OPT_INODES },
	{ "time", required_argument, NULL, OPT_TIME },
	NETWORK_OPTIONS,
	CLOCK_OPTIONS,
	{ "user", required_argument, NULL, OPT_USER },
	{ "env", required_argument, NULL, OPT_ENV },
	{ "cwd", required_argument, NULL, OPT_CWD },
	{ "idmap", required_argument, NULL, OPT_IDMAP },
	{ "on-disk", no_argument, NULL, OPT_ON_DISK },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "no-judge", no_argument, NULL, OPT_NO_JUDGE },
	{ 0 },
};

/* ---- values ------------------------------------------------------------------------------- */

struct unit {
	const char *suffix;
	double factor;
};

/* "512M", "1.5h": a positive number with one of the suffixes, or none */
static bool parse_amount(const char *s, const struct unit *units, double max, double *ret)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || !(v > 0))
		return false;
	for (; *end && units->suffix; units++)
		if (!strcmp(end, units->suffix)) {
			v *= units->factor;
			end += strlen(end);
			break;
		}
	if (*end || v > max)
		return false;
	*ret = v;
	return true;
}

static const struct unit sizes[] = { { "K", 1024 },	    { "M", 1048576 },
				     { "G", 1073741824 },   { "T", 1099511627776.0 },
				     { "KiB", 1024 },	    { "MiB", 1048576 },
				     { "GiB", 1073741824 }, { NULL, 0 } };
static const struct unit times[] = {
	{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { NULL, 0 }
};
static const struct unit plain[] = { { NULL, 0 } };

static int bad_value(const char *option, const char *value)
{
	return cmd_usage("run", "--%s cannot be '%s'", option, value);
}

static int limit_option(struct run_args *a, int c, const char *value)
{
	struct box_limits *l = &a->session.box.limits;
	double v;

	switch (c) {
	case OPT_MEMORY:
		if (!parse_amount(value, sizes, 1e18, &v) || v < 1048576)
			return bad_value("memory", value);
		l->memory = (uint64_t)v;
		return 0;
	case OPT_DISK:
		if (!parse_amount(value, sizes, 1e18, &v) || v < 65536)
			return bad_value("disk", value);
		l->disk = (uint64_t)v;
		return 0;
	case OPT_INODES:
		if (!parse_amount(value, plain, 1e9, &v))
			return bad_value("inodes", value);
		l->inodes = (uint64_t)v;
		return 0;
	case OPT_PIDS:
		if (!parse_amount(value, plain, 1e6, &v))
			return bad_value("pids", value);
		l->pids = (uint32_t)v;
		return 0;
	case OPT_CPUS:
		if (!parse_amount(value, plain, 1e4, &v))
			return bad_value("cpus", value);
		l->cpus = v;
		return 0;
	default:
		if (!parse_amount(value, times, 1e9, &v))
			return bad_value("time", value);
		l->time = v;
		return 0;
	}
}

/* SRC[:DST], both made absolute; the file of --copy is opened while we still may */
static int bind_option(struct run_args *a, enum box_bind_how how, const char *value)
{
	struct box_opts *o = &a->session.box;
	char *src = xstrdup(value), *dst = strrchr(src, ':');
	char full[PATH_MAX];
	struct box_bind *b;
	struct stat st;
	struct err err = { 0 };

	if (o->nbinds == BOX_BINDS_MAX)
		return cmd_usage("run", "more than %d of --ro, --rw and --copy", BOX_BINDS_MAX);
	if (dst && dst[1] == '/') {
		*dst++ = 0;
	} else {
		dst = NULL;
	}
	b = &o->bind[o->nbinds];
	*b = (struct box_bind){ .how = how, .fd = -1, .dst = dst };
	if (!realpath(src, full) || stat(full, &st)) {
		err_set_exit(&err, EXIT_UNREADABLE, errno, "run: find '%s'", src);
		return cmd_fail(&err);
	}
	if (how == BIND_COPY) {
		if (!S_ISREG(st.st_mode)) {
			err_set_exit(&err, EXIT_UNREADABLE, 0,
				     S_ISDIR(st.st_mode)
					     ? "run: '%s' is a folder, and --copy takes one file: "
					       "--ro shows a folder, an archive brings it in"
					     : "run: '%s' is no file, but a pipe, socket or device",
				     src);
			return cmd_fail(&err);
		}
		b->fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (b->fd < 0) {
			err_set_exit(&err, EXIT_UNREADABLE, errno, "run: read the file '%s'", src);
			return cmd_fail(&err);
		}
	}
	b->src = xstrdup(full);
	o->nbinds++;
	return 0;
}

static int env_option(struct run_args *a, const char *value)
{
	struct box_opts *o = &a->session.box;

	if (!strchr(value, '=') || value[0] == '=')
		return bad_value("env", value);
	if (o->nenv == (int)ARRAY_SIZE(a->env))
		return cmd_usage("run", "more than %zu of --env", ARRAY_SIZE(a->env));
	a->env[o->nenv++] = value;
	o->env = a->env;
	return 0;
}

static int one_option(struct run_args *a, int c, const char *value)
{
	struct box_opts *o = &a->session.box;

	switch (c) {
	case 'b':
		a->session.name = value;
		return 0;
	case 'o':
		a->output = value;
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_WAIT:
		a->wait = true;
		return 0;
	case OPT_NO_JUDGE:
		a->no_judge = true;
		return 0;
	case OPT_ON_DISK:
		o->on_disk = true;
		return 0;
	case OPT_ROOT:
		o->root = value;
		return 0;
	case OPT_RO:
		return bind_option(a, BIND_RO, value);
	case OPT_RW:
		return bind_option(a, BIND_RW, value);
	case OPT_COPY:
		return bind_option(a, BIND_COPY, value);
	case OPT_USER:
		o->user = value;
		return strcmp(value, "root") && strcmp(value, "user") ? bad_value("user", value)
								      : 0;
	case OPT_IDMAP:
		o->force_single = !strcmp(value, "single");
		return !o->force_single && strcmp(value, "auto") ? bad_value("idmap", value) : 0;
	case OPT_ENV:
		return env_option(a, value);
	case OPT_CWD:
		a->cwd = value;
		return value[0] == '/' ? 0 : bad_value("cwd", value);
	default:
		return limit_option(a, c, value);
	}
}

static int parse(struct run_args *a, int argc, char **argv)
{
	static char root[PATH_MAX];
	struct err err = { 0 };
	int c, rc;

	while ((c = cmd_option(argc, argv, "+:b:o:q", options)) != -1) {
		if (c == CMD_OPTION_BAD)
			return EXIT_USAGE;
		rc = network_option("run", &a->session.net, c, optarg);
		if (rc < 0)
			rc = clock_option("run", &a->session, c, optarg);
		if (rc < 0)
			rc = one_option(a, c, optarg);
		if (rc)
			return rc;
	}
	a->argv = argv + optind;
	a->argc = argc - optind;
	if (a->argc < 1 || !a->argv[0][0])
		return cmd_usage("run", "which program?");
	if (a->session.box.root) {
		struct stat st;

		if (!realpath(a->session.box.root, root) || stat(root, &st) ||
		    !S_ISDIR(st.st_mode)) {
			err_set_exit(&err, EXIT_UNREADABLE, errno, "run: use '%s' as a root folder",
				     a->session.box.root);
			return cmd_fail(&err);
		}
		a->session.box.root = root;
	}
	return 0;
}

/* ---- the program -------------------------------------------------------------------------- */

/* A program that is named by a path may be a file of the host that the box does not show: open it
 * while we still may, to be copied in if so. */
static void open_program(struct run_args *a)
{
	struct stat st;

	a->program_fd = -1;
	/* parse() leaves an argv of at least one word */
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
	if (!strchr(a->argv[0], '/') || !realpath(a->argv[0], a->program_path))
		return;
	a->program_fd = open(a->program_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (a->program_fd >= 0 && (fstat(a->program_fd, &st) || !S_ISREG(st.st_mode))) {
		close(a->program_fd);
		a->program_fd = -1;
	}
}

static int bring_program(struct session_run *s, struct run_args *a, struct err *err)
{
	if (a->program_fd < 0 || session_has(s, a->argv[0]))
		return 0;
	a->argv[0] = a->program_path;
	if (session_has(s, a->program_path))
		return 0;
	return session_copy_in(s, a->program_fd, a->program_path, err);
}

static enum report_format format_of(const char *file)
{
	struct str f = str_z(file);

	return str_ends(f, ".html") || str_ends(f, ".htm") ? REPORT_HTML
	       : str_ends(f, ".json")			   ? REPORT_JSON
							   : REPORT_TEXT;
}

/* By the program that can also describe what was brought; it locks itself. */
static int report(const struct session_run *s, const struct run_args *a, int fd, struct err *err)
{
	static const char *const formats[] = {
		[REPORT_TEXT] = "text", [REPORT_JSON] = "json", [REPORT_HTML] = "html"
	};
	cleanup_free char *path = xasprintf("%s/journal.db", box_path(s->box));
	const char *format = formats[a->output ? format_of(a->output) : REPORT_TEXT];
	const char *title = a->session.name ? a->session.name : "";
	const char *words[] = { "report", path, "--format", format, "--title", title, NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(dup2(fd, STDOUT_FILENO) < 0 ? EXIT_INTERNAL
						  : become("belljar-judge", (char **)words));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return err_set(err, EIO, "run: write the report");
	return 0;
}

static void say(const struct session_run *s, const struct run_args *a)
{
	if (s->left)
		fprintf(stderr, "belljar: %d process%s still ran and ended with the box\n", s->left,
			s->left == 1 ? "" : "es");
	if (strcmp(s->reason, "exit"))
		fprintf(stderr, "belljar: the run ended early: %s\n", s->reason);
	if (a->session.name)
		fprintf(stderr, "belljar: on record in box '%s' (belljar report %s)\n",
			a->session.name, a->session.name);
}

static void judge(const struct session_run *s)
{
	cleanup_free char *journal = xasprintf("%s/journal.db", box_path(s->box));

	say_verdict(journal);
}

static int exit_status(const struct session_run *s, int status)
{
	if (!strcmp(s->reason, "time-limit"))
		return EXIT_TIME;
	if (!strcmp(s->reason, "record-failed"))
		return EXIT_NO_SPACE;
	if (status >= 0 && WIFEXITED(status))
		return WEXITSTATUS(status);
	if (status >= 0 && WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return s->signal ? 128 + s->signal : 128 + SIGKILL;
}

static int run_program(struct session_run *s, struct run_args *a, int *ret_status, struct err *err)
{
	bool terminal = isatty(0) && isatty(1);
	struct box_program prog = { .argv = (const char *const *)a->argv,
				    .cwd = a->cwd,
				    .stdio = terminal ? STDIO_PTY : STDIO_RELAY,
				    .fds = { 0, 1, 2 } };
	struct box_proc proc;
	int rc;

	rc = bring_program(s, a, err);
	if (!rc)
		rc = session_spawn(s, &prog, "run", &proc, err);
	if (rc)
		return rc;
	rc = session_wait(s, proc.id, proc.pid, -1, ret_status, err);
	while (rc == 1 && a->wait && box_processes(s->run) > 0) {
		int ignored;

		if (session_wait(s, 0, 0, 200, &ignored, err))
			break;
	}
	return rc == 1 || rc == -ECANCELED ? 0 : rc;
}

static int open_output(const struct run_args *a, struct err *err)
{
	int fd = a->output ? open(a->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : 2;

	if (fd < 0)
		err_set_exit(err, EXIT_UNREADABLE, errno, "run: write '%s'", a->output);
	return fd;
}

static int dry_run(struct session_run *s, struct run_args *a, struct err *err)
{
	int rc;

	a->session.box.in_words = true;
	/* a box that is not there is planned as one without a name, which goes again at once */
	a->session.create = !a->session.name;
	rc = session_open(s, &a->session, err);
	if (rc && err->exit == EXIT_NO_BOX) {
		*err = (struct err){ 0 };
		rc = box_open(&s->home, NULL, BOX_LOCK | BOX_ANON | BOX_CREATE, &a->session.box,
			      &s->box, err);
	}
	if (!rc) {
		a->session.box.net = a->session.net.off ? BOX_NET_OFF : BOX_NET_GATE;
		a->session.box.net_by = a->session.net.by;
		a->session.box.clock = a->session.speed != SPEED_REAL;
		rc = box_plan_make(s->box, &a->session.box, &s->plan, err);
	}
	if (!rc)
		box_plan_print(s->plan, stdout);
	return rc;
}

int cmd_run(int argc, char **argv)
{
	static struct run_args a = { .session = { .create = true } };
	struct session_run s;
	struct err err = { 0 }, end_err = { 0 };
	cleanup_free char *line = NULL;
	int rc, status = -1, exit, out = -1;

	rc = parse(&a, argc, argv);
	if (rc)
		return rc;
	rc = a.dry_run ? -1 : network_here(&a.session.net, argv);
	if (rc >= 0)
		return rc;
	a.session.discard = !a.session.name && a.quiet && !a.output;
	rc = record_here(a.session.discard && !a.dry_run, argv);
	if (rc >= 0)
		return rc;
	line = quote_words(a.argc, a.argv);
	a.session.command_line = line;
	open_program(&a);
	if (!a.dry_run && (a.output || (!a.session.name && !a.quiet))) {
		out = open_output(&a, &err);
		if (out < 0)
			return cmd_fail(&err);
	}
	if (a.dry_run) {
		rc = dry_run(&s, &a, &err);
		session_close(&s);
		return rc ? cmd_fail(&err) : EXIT_OK;
	}
	rc = session_begin(&s, &a.session, &err);
	if (!rc)
		rc = run_program(&s, &a, &status, &err);
	if (rc)
		s.reason = "not-started";
	if (session_end(&s, status, rc ? &end_err : &err) && !rc)
		rc = -EIO;
	exit = rc ? cmd_fail(&err) : exit_status(&s, status);
	if (!rc && !a.quiet)
		say(&s, &a);
	if (!rc && out >= 0 && report(&s, &a, out, &err))
		exit = cmd_fail(&err);
	if (!rc && !a.quiet && !a.no_judge)
		judge(&s);
	session_close(&s);
	return exit;
}
