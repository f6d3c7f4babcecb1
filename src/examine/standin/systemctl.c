// SPDX-License-Identifier: Apache-2.0
/*
 * systemctl.c - stands for systemctl(1) and service(8) in the box of an examination
 *
 * There is no service manager in the box, and installers and their uninstallers call one without
 * asking for it: systemctl(1) would fail, and with it the whole script. This one does nothing by
 * itself: its call is on record, belljar reads it there and starts or stops what was meant
 * (manager.c), while this one waits. What changes files only (enable, disable, mask, …) is the
 * machine's own systemctl's, which needs no manager for it; a machine that has none gets links as
 * [Install] says.
 *
 * It is linked alone, with nothing of belljar's: it runs under glass, and is hostile as all else
 * is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOST_TAIL  ".of-this-machine" /* what stood here before: examine has moved it */
#define WAIT_S	   2		      /* belljar looks each second */
#define STOP_WAITS 18		      /* of them, until what is stopped has ended */
#define UNITS_MAX  64
/* in a script's environment: what it asks then is not asked of it again */
#define BY_US "SYSTEMCTL_SKIP_REDIRECT"

static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system",
				       "/usr/local/lib/systemd/system", "/lib/systemd/system",
				       "/usr/lib/systemd/system" };

struct call {
	const char *verb, *unit[UNITS_MAX];
	int n;
	bool now, quiet, value;
	const char *properties; /* of `show`, by commas; NULL: all */
};

static bool one_of(const char *verb, const char *const *verbs)
{
	for (; *verbs; verbs++)
		if (!strcmp(verb, *verbs))
			return true;
	return false;
}

static bool ends(const char *name, const char *tail)
{
	size_t n = strlen(name), k = strlen(tail);

	return n > k && !strcmp(name + n - k, tail);
}

/* "x" → "x.service" */
static void unit_name(const char *unit, char ret[300])
{
	static const char *const kinds[] = { ".service", ".socket", ".timer",  ".target",
					     ".path",	 ".mount",  ".device", ".slice" };
	const char *base = strrchr(unit, '/') ? strrchr(unit, '/') + 1 : unit;
	const char *dot = strrchr(base, '.');

	for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(dot, kinds[i])) {
			snprintf(ret, 300, "%.250s", base);
			return;
		}
	snprintf(ret, 300, "%.250s.service", base);
}

static FILE *open_unit(const char *unit, char path[PATH_MAX])
{
	char name[300];

	unit_name(unit, name);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		FILE *f;

		snprintf(path, PATH_MAX, "%s/%s", folders[i], name);
		f = fopen(path, "re");
		if (f)
			return f;
	}
	return NULL;
}

/* The value of the first line KEY=…, without its end; NULL: there is none. */
static char *unit_value(const char *unit, const char *key)
{
	char path[PATH_MAX], line[4096], *found = NULL;
	FILE *f = open_unit(unit, path);
	size_t n = strlen(key);

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		if (!strncmp(line, key, n) && line[n] == '=')
			found = strdup(line + n + 1);
	}
	if (f)
		fclose(f);
	return found;
}

/* ---- scripts in init.d ---------------------------------------------------------------------- */

/* A service that has a script and no unit is that script's: systemd makes a unit that calls it. */
static bool has_script(const char *unit, char path[PATH_MAX])
{
	char name[300];
	FILE *f = open_unit(unit, path);

	if (f) {
		fclose(f);
		return false;
	}
	unit_name(unit, name);
	if (!ends(name, ".service"))
		return false;
	snprintf(path, PATH_MAX, "/etc/init.d/%.*s", (int)(strlen(name) - strlen(".service")),
		 name);
	return !access(path, X_OK);
}

/* Return: its exit status. Such scripts call systemctl(1) in turn, unless they are told not to. */
static int by_script(const char *path, const char *verb, bool quiet)
{
	int status = 0, null;
	pid_t pid = fork();

	if (pid == 0) {
		setenv(BY_US, "1", 1);
		null = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
		if (null >= 0) {
			dup2(null, 1);
			dup2(null, 2);
		}
		execl(path, path, verb, NULL);
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int ask_script(const char *path, const char *verb)
{
	static const char *const own[][2] = { { "start", "start" },
					      { "stop", "stop" },
					      { "restart", "restart" },
					      { "reload", "reload" },
					      { "try-restart", "try-restart" },
					      { "reload-or-restart", "force-reload" } };

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcmp(verb, own[i][0]))
			return by_script(path, own[i][1], false);
	return 0;
}

/* ---- does it run --------------------------------------------------------------------------- */

/* A program that runs others: its own path says nothing about what runs. */
static bool is_runner(const char *program)
{
	static const char *const names[] = { "sh", "bash", "dash", "env", "perl", "python3", NULL };
	const char *base = strrchr(program, '/');

	return one_of(base ? base + 1 : program, names);
}

/* Of a command without its quotes, and arguments with spaces between them. */
static bool same_words(const char *command, const char *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = words[i] ? words[i] : i + 1 < n ? ' ' : 0;

		for (; *command == '"' || *command == '\''; command++)
			;
		if (*command != c)
			return false;
		command += c != 0;
	}
	return true;
}

static bool runs_in(const char *pid, const char *program, const char *command)
{
	char path[300], words[8192], target[PATH_MAX];
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0 && !is_runner(program)) {
		target[n] = 0;
		if (!strcmp(target, program))
			return true;
	}
	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = (ssize_t)fread(words, 1, sizeof(words) - 1, f);
	fclose(f);
	words[n > 0 ? n : 0] = 0;
	if (is_runner(program))
		return n > 0 && same_words(command, words, (size_t)n);
	for (char *w = words; w < words + n; w += strlen(w) + 1)
		if (!strcmp(w, program))
			return true;
	return false;
}

static bool is_active(const char *unit)
{
	static const char *const reached[] = { "sysinit.target", "basic.target",
					       "multi-user.target", "default.target", NULL };
	char *command = unit_value(unit, "ExecStart"), *program, *whole, script[PATH_MAX];
	bool runs = false;
	struct dirent *e;
	DIR *d;

	if (!command)
		return one_of(unit, reached) || (!getenv(BY_US) && has_script(unit, script) &&
						 !by_script(script, "status", true));
	whole = command + strspn(command, " \"-@:+!");
	program = strndup(whole, strcspn(whole, " \t\""));
	d = opendir("/proc");
	while (d && !runs && (e = readdir(d)))
		runs = e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		       runs_in(e->d_name, program, whole);
	if (d)
		closedir(d);
	free(program);
	free(command);
	return runs;
}

/* ---- links, where the machine has no systemctl ----------------------------------------------- */

static void enable_in(const char *words, const char *tail, const char *from, const char *name)
{
	char *copy = words ? strdup(words) : NULL, *at = NULL;

	for (char *w = copy ? strtok_r(copy, " \t", &at) : NULL; w;
	     w = strtok_r(NULL, " \t", &at)) {
		char dir[PATH_MAX], link[2 * PATH_MAX];

		snprintf(dir, sizeof(dir), "/etc/systemd/system/%.200s.%s", w, tail);
		mkdir("/etc/systemd", 0755);
		mkdir("/etc/systemd/system", 0755);
		mkdir(dir, 0755);
		snprintf(link, sizeof(link), "%s/%s", dir, name);
		if (!symlink(from, link))
			fprintf(stderr, "Created symlink %s → %s.\n", link, from);
	}
	free(copy);
}

static int enable(const char *unit)
{
	char path[PATH_MAX], name[300];
	FILE *f = open_unit(unit, path);
	char *wanted, *required;

	unit_name(unit, name);
	if (!f) {
		fprintf(stderr, "Failed to enable unit: Unit file %s does not exist.\n", name);
		return 1;
	}
	fclose(f);
	wanted = unit_value(unit, "WantedBy");
	required = unit_value(unit, "RequiredBy");
	enable_in(wanted, "wants", path, name);
	enable_in(required, "requires", path, name);
	free(wanted);
	free(required);
	return 0;
}

static int disable(const char *unit)
{
	DIR *d = opendir(folders[0]);
	struct dirent *e;
	char name[300];

	unit_name(unit, name);
	while (d && (e = readdir(d))) {
		char link[PATH_MAX];

		if (!ends(e->d_name, ".wants") && !ends(e->d_name, ".requires"))
			continue;
		snprintf(link, sizeof(link), "%s/%s/%s", folders[0], e->d_name, name);
		if (!unlink(link))
			fprintf(stderr, "Removed \"%s\".\n", link);
	}
	if (d)
		closedir(d);
	return 0;
}

static int is_enabled(const struct call *c, const char *unit)
{
	char path[PATH_MAX], name[300], *wanted = unit_value(unit, "WantedBy");
	bool there = false;

	unit_name(unit, name);
	if (wanted) {
		snprintf(path, sizeof(path), "%s/%.200s.wants/%s", folders[0], wanted, name);
		there = !access(path, F_OK);
	}
	free(wanted);
	if (!c->quiet)
		puts(there ? "enabled" : "disabled");
	return !there;
}

static int by_links(const struct call *c)
{
	int rc = 0;

	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->verb, "enable") || !strcmp(c->verb, "reenable"))
			rc |= enable(c->unit[i]);
		else if (!strcmp(c->verb, "disable"))
			rc |= disable(c->unit[i]);
		else if (!strcmp(c->verb, "is-enabled"))
			rc |= is_enabled(c, c->unit[i]);
	return rc;
}

/* ---- verbs --------------------------------------------------------------------------------- */

static bool any_active(const struct call *c)
{
	for (int i = 0; i < c->n; i++)
		if (is_active(c->unit[i]))
			return true;
	return false;
}

/* What is the manager's to do: belljar's turn comes while we wait. */
static int of_manager(const struct call *c)
{
	static const char *const starts[] = { "start", "restart", "try-restart",
					      "reload-or-restart", NULL };
	struct timespec wait = { .tv_sec = WAIT_S };
	struct call units = *c; /* without those that are a script's */
	char script[PATH_MAX];
	int rc = 0;

	units.n = 0;
	for (int i = 0; i < c->n; i++)
		if (has_script(c->unit[i], script))
			rc |= ask_script(script, c->verb);
		else
			units.unit[units.n++] = c->unit[i];
	if (c->n && !units.n)
		return rc;
	c = &units;
	nanosleep(&wait, NULL);
	/* who does not end at once is killed */
	for (int i = 0; i < STOP_WAITS && !strcmp(c->verb, "stop") && any_active(c); i++)
		nanosleep(&wait, NULL);
	for (int i = 0; i < c->n && one_of(c->verb, starts); i++) {
		char path[PATH_MAX], name[300];
		FILE *f = open_unit(c->unit[i], path);

		unit_name(c->unit[i], name);
		if (!f)
			fprintf(stderr, "Failed to %s %s: Unit %s not found.\n", c->verb, name,
				name);
		else
			fclose(f);
		rc = f ? rc : 5;
	}
	return rc;
}

static int tell_active(const struct call *c)
{
	bool failed = !strcmp(c->verb, "is-failed"); /* who has, is not known here */
	int rc = failed ? 1 : c->n ? 3 : 0;

	for (int i = 0; i < c->n; i++) {
		bool runs = is_active(c->unit[i]);

		if (runs && !failed)
			rc = 0;
		if (!strcmp(c->verb, "status"))
			printf("%s\n     Active: %s\n", c->unit[i],
			       runs ? "active (running)" : "inactive (dead)");
		else if (!c->quiet)
			puts(runs ? "active" : "inactive");
	}
	return rc;
}

static bool is_asked(const struct call *c, const char *property)
{
	size_t n = strlen(property);

	for (const char *at = c->properties; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, property, n) && (!at[n] || at[n] == ','))
			return true;
	}
	return !c->properties;
}

static void tell(const struct call *c, const char *property, const char *value)
{
	if (is_asked(c, property))
		printf("%s%s%s\n", c->value ? "" : property, c->value ? "" : "=", value);
}

static void show_unit(const struct call *c, const char *unit)
{
	char path[PATH_MAX], script[PATH_MAX], target[PATH_MAX];
	bool of_script = has_script(unit, script);
	bool runs = (is_asked(c, "ActiveState") || is_asked(c, "SubState")) && is_active(unit);
	char *reload = unit_value(unit, "ExecReload");
	FILE *f = open_unit(unit, path);
	bool masked = f && realpath(path, target) && !strcmp(target, "/dev/null");

	tell(c, "LoadState", masked ? "masked" : f || of_script ? "loaded" : "not-found");
	tell(c, "ActiveState", runs ? "active" : "inactive");
	tell(c, "SubState", runs ? "running" : "dead");
	tell(c, "FragmentPath", f ? path : "");
	tell(c, "SourcePath", of_script ? script : "");
	tell(c, "CanReload", reload || of_script ? "yes" : "no");
	if (f)
		fclose(f);
	free(reload);
}

static int show(const struct call *c)
{
	for (int i = 0; i < c->n; i++)
		show_unit(c, c->unit[i]);
	return 0;
}

/* The machine's own, without --now: that would ask a manager. */
static int of_machine(const char *self, char **argv)
{
	char path[PATH_MAX + sizeof(HOST_TAIL)];
	int status = 0, n = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%s" HOST_TAIL, self);
	if (access(path, X_OK))
		return -1;
	for (int i = 0; argv[i]; i++)
		if (strcmp(argv[i], "--now") != 0)
			argv[n++] = argv[i];
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		/* it would ask a manager, for there seems to be one: files are its own to change */
		if (!ends(self, "/service"))
			setenv("SYSTEMD_OFFLINE", "1", 1);
		execv(path, argv);
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* "-p X", "-pX", "--property X", "--property=X" */
static void take_property(struct call *c, const char *word, const char *next)
{
	if (!strncmp(word, "--property=", 11))
		c->properties = word + 11;
	else if (!strcmp(word, "-p") || !strcmp(word, "--property"))
		c->properties = next;
	else if (!strncmp(word, "-p", 2))
		c->properties = word + 2;
}

static struct call parse(int argc, char **argv)
{
	static const char *const valued[] = { "-t",	    "-p",	"-H",	  "-M",
					      "-n",	    "-s",	"-o",	  "--type",
					      "--property", "--signal", "--root", NULL };
	struct call c = { .verb = NULL };

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			take_property(&c, argv[i], argv[i + 1]);
			c.value |= !strcmp(argv[i], "--value");
			c.now |= !strcmp(argv[i], "--now");
			c.quiet |= !strcmp(argv[i], "-q") || !strcmp(argv[i], "--quiet");
			i += one_of(argv[i], valued);
		} else if (!c.verb) {
			c.verb = argv[i];
		} else if (c.n < UNITS_MAX) {
			c.unit[c.n++] = argv[i];
		}
	}
	return c;
}

static int systemctl(const char *self, int argc, char **argv)
{
	static const char *const managed[] = { "start",	       "stop",		"restart",
					       "try-restart",  "reload",	"reload-or-restart",
					       "kill",	       "daemon-reload", "daemon-reexec",
					       "reset-failed", "isolate",	NULL };
	static const char *const asks[] = { "is-active", "status", "is-failed", NULL };
	struct call c = parse(argc, argv);
	bool now = c.now;
	int rc;

	if (c.verb && one_of(c.verb, managed))
		return of_manager(&c);
	if (c.verb && one_of(c.verb, asks))
		return tell_active(&c);
	if (c.verb && !strcmp(c.verb, "show"))
		return show(&c);
	if (c.verb && !strcmp(c.verb, "is-system-running"))
		return c.quiet ? 0 : puts("running") < 0;
	rc = of_machine(self, argv);
	if (rc < 0 && c.verb)
		rc = by_links(&c);
	if (now && !rc) {
		c.verb = strcmp(c.verb, "enable") ? "stop" : "start";
		rc = of_manager(&c);
	}
	return rc < 0 ? 1 : rc;
}

/* service NAME VERB: of a script in init.d the machine's own knows; the rest is a unit's. */
static int service(const char *self, int argc, char **argv)
{
	char script[PATH_MAX], path[PATH_MAX];
	FILE *f = argc > 2 ? open_unit(argv[1], path) : NULL;
	struct call c = { .verb = argc > 2 ? argv[2] : "",
			  .unit = { argc > 2 ? argv[1] : NULL },
			  .n = 1 };

	snprintf(script, sizeof(script), "/etc/init.d/%.200s", argc > 1 ? argv[1] : "-");
	if (!f || !access(script, X_OK)) {
		int rc = of_machine(self, argv);

		return rc < 0 ? 1 : rc;
	}
	fclose(f);
	return !strcmp(c.verb, "status") ? tell_active(&c) : of_manager(&c);
}

int main(int argc, char **argv)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = 0;
	return ends(self, "/service") ? service(self, argc, argv) : systemctl(self, argc, argv);
}
