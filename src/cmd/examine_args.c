// SPDX-License-Identifier: Apache-2.0
/*
 * examine_args.c - the command line of belljar examine, and its progress line
 */
#include <ctype.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "cmd/examine.h"
#include "cmd/network_options.h"

#define SUB	 "examine"
#define DAYS_MAX 366

enum {
	OPT_UNINSTALL = 256,
	OPT_USE,
	OPT_DAYS,
	OPT_RESUME,
	OPT_WATCH_SCALE,
	OPT_ACT_ONLY,
	OPT_IDENTITY,
	OPT_TWO,
	OPT_SECOND
};

static const struct option options[] = {
	{ "box", required_argument, NULL, 'b' },
	{ "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "uninstall", required_argument, NULL, OPT_UNINSTALL },
	{ "use", required_argument, NULL, OPT_USE },
	{ "days", required_argument, NULL, OPT_DAYS },
	{ "resume", no_argument, NULL, OPT_RESUME },
	{ "identity", required_argument, NULL, OPT_IDENTITY },
	{ "two-identities", no_argument, NULL, OPT_TWO },
	NETWORK_OPTIONS,
	/* for tests: watches are so much shorter; the half that acts, started by the other */
	{ "watch-scale", required_argument, NULL, OPT_WATCH_SCALE },
	{ "act-only", no_argument, NULL, OPT_ACT_ONLY },
	{ "second", no_argument, NULL, OPT_SECOND },
	{ 0 },
};

static bool positive(const char *s, double max, double *ret)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v > 0) || v > max)
		return false;
	*ret = v;
	return true;
}

static int read_identity(struct examine_wish *w, const char *file)
{
	struct err err = { 0 };
	char *text = NULL;
	int rc = read_file_at(AT_FDCWD, file, BOX_IDENTITY_MAX, &text, NULL);

	w->opts.identity = text;
	if (!rc)
		return 0;
	err_set_exit(&err, EXIT_UNREADABLE, rc, "examine: read the identity '%s'", file);
	return cmd_fail(&err);
}

static int one_option(struct examine_wish *w, int c, const char *value)
{
	struct examine_opts *o = &w->opts;

	switch (c) {
	case 'b':
		snprintf(w->name, sizeof(w->name), "%s", value);
		return strlen(value) > BOX_NAME_MAX
			       ? cmd_usage(SUB, "--box cannot be '%s': too long", value)
			       : 0;
	case 'o':
		w->dir = value;
		return 0;
	case 'q':
		w->quiet = true;
		return 0;
	case OPT_UNINSTALL:
		o->uninstall = value;
		return 0;
	case OPT_USE:
		o->use = value;
		return 0;
	case OPT_RESUME:
		o->resume = true;
		return 0;
	case OPT_ACT_ONLY:
		w->act_only = true;
		return 0;
	case OPT_TWO:
		w->two = true;
		return 0;
	case OPT_SECOND:
		w->second = true;
		return 0;
	case OPT_IDENTITY:
		return read_identity(w, value);
	case OPT_DAYS:
		return positive(value, DAYS_MAX, &o->days)
			       ? 0
			       : cmd_usage(SUB, "--days cannot be '%s'", value);
	case OPT_WATCH_SCALE:
		return positive(value, 1, &o->scale)
			       ? 0
			       : cmd_usage(SUB, "--watch-scale cannot be '%s'", value);
	default:
		return network_option(SUB, &o->session.net, c, value);
	}
}

/* "taxclient_1.2-3_amd64.deb" → "taxclient_1.2-3_amd64" */
static void name_of(const char *path, char ret[BOX_NAME_MAX + 1])
{
	static const char *const tails[] = { ".deb", ".rpm", ".run", ".sh",  ".tgz",	 ".zip",
					     ".gz",  ".xz",  ".zst", ".bz2", ".AppImage" };
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t n = strlen(base), k = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++)
		if (str_ends((struct str){ base, n }, tails[i]) && n > strlen(tails[i]))
			n -= strlen(tails[i]);
	if (str_ends((struct str){ base, n }, ".tar"))
		n -= 4;
	for (size_t i = 0; i < n && k < BOX_NAME_MAX; i++)
		if (isalnum((unsigned char)base[i]) || (k && strchr("._-", base[i])))
			ret[k++] = base[i];
	ret[k] = 0;
	if (!k)
		strcpy(ret, "examined");
}

int examine_parse(int argc, char **argv, struct examine_wish *w)
{
	int c, rc;

	w->opts.scale = 1;
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":b:o:q", options, NULL)) != -1) {
		if (c == '?')
			return cmd_usage(SUB, "no option '%s' (the installer's own come after --)",
					 argv[optind - 1]);
		if (c == ':')
			return cmd_usage(SUB, "'%s' needs a value", argv[optind - 1]);
		rc = one_option(w, c, optarg);
		if (rc)
			return rc;
	}
	if (optind >= argc || !argv[optind][0])
		return cmd_usage(SUB, "which installer?");
	/* "folder/" is "folder" */
	for (size_t n = strlen(argv[optind]); n > 1 && argv[optind][n - 1] == '/'; n--)
		argv[optind][n - 1] = 0;
	w->installer = argv[optind];
	w->arg = argv + optind + 1;
	w->nargs = argc - optind - 1;
	if (w->nargs > EXAMINE_ARGS_MAX)
		return cmd_usage(SUB, "more than %d arguments", EXAMINE_ARGS_MAX);
	if (!w->name[0])
		name_of(w->installer, w->name);
	if (strlen(w->name) + sizeof(EXAMINE_SECOND) > sizeof(w->name))
		w->name[sizeof(w->name) - sizeof(EXAMINE_SECOND)] = 0;
	snprintf(w->name2, sizeof(w->name2), "%.*s" EXAMINE_SECOND,
		 (int)(sizeof(w->name2) - sizeof(EXAMINE_SECOND)), w->name);
	/* the second machine is another one: its identity is invented */
	if (w->second)
		w->opts.identity = NULL;
	w->opts.session.name = w->second ? w->name2 : w->name;
	w->opts.session.create = true;
	return 0;
}

/* ---- files of the host -------------------------------------------------------------------- */

static int open_file(const char *path, struct examine_file *ret)
{
	struct err err = { 0 };
	const char *slash = strrchr(path, '/');
	struct stat st = { 0 };

	ret->name = slash ? slash + 1 : path;
	ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (ret->fd >= 0 && !fstat(ret->fd, &st) && S_ISREG(st.st_mode) && ret->name[0])
		return 0;
	if (ret->fd >= 0 && S_ISDIR(st.st_mode))
		err_set_exit(&err, EXIT_UNREADABLE, 0, "examine: '%s' is a folder", path);
	else if (ret->fd >= 0)
		err_set_exit(&err, EXIT_UNREADABLE, 0,
			     "examine: '%s' is no file, but a pipe, socket or device", path);
	else
		err_set_exit(&err, EXIT_UNREADABLE, errno, "examine: read the file '%s'", path);
	return cmd_fail(&err);
}

int examine_open(struct examine_wish *w)
{
	struct examine_opts *o = &w->opts;
	struct err err = { 0 };
	struct stat st;
	int rc = !stat(w->installer, &st) && S_ISDIR(st.st_mode)
			 ? examine_pack(w->installer, &o->installer, w->folder)
			 : open_file(w->installer, &o->installer);

	if (!rc && program_beside("belljar-systemctl", w->manager, sizeof(w->manager), &err))
		return cmd_fail(&err);
	if (!rc)
		rc = open_file(w->manager, &o->manager);

	for (int i = 0; i < w->nargs && !rc; i++) {
		o->arg[o->nargs++] = w->arg[i];
		if (w->arg[i][0] == '-' || stat(w->arg[i], &st) || !S_ISREG(st.st_mode))
			continue;
		/* a file of this machine: it is brought along, and lies beside the installer */
		rc = open_file(w->arg[i], &o->file[o->nfiles]);
		if (!rc)
			o->arg[o->nargs - 1] = o->file[o->nfiles++].name;
	}
	return rc;
}

/* ---- progress ----------------------------------------------------------------------------- */

static const char *span(uint64_t ns, char buf[32])
{
	uint64_t s = ns / NSEC_PER_SEC;

	if (s >= 86400)
		snprintf(buf, 32, "%llu d %llu h", (unsigned long long)s / 86400,
			 (unsigned long long)s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, 32, "%llu h %02llu min", (unsigned long long)s / 3600,
			 (unsigned long long)s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, 32, "%llu min %02llu s", (unsigned long long)s / 60,
			 (unsigned long long)s % 60);
	else
		snprintf(buf, 32, "%llu s", (unsigned long long)s);
	return buf;
}

void examine_progress_line(void *ctx, const struct examine_progress *p)
{
	const struct examine_wish *w = ctx;
	char a[32], b[32];
	bool line = isatty(STDERR_FILENO);

	if (w->quiet)
		return;
	if (line)
		fprintf(stderr, "\r\033[K[%2u/%u] %-13s %s of %s · box time %s · %llu events",
			p->nr, p->of, p->experiment, span(p->box_ns, a), span(p->watch_ns, b),
			span(p->total_ns, (char[32]){ 0 }), (unsigned long long)p->events);
	if (p->words && !strcmp(p->words, "begins"))
		fprintf(stderr, "%s[%2u/%u] %-13s %s\n", line ? "\r\033[K" : "", p->nr, p->of,
			p->experiment, p->shows);
}
