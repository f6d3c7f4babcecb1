// SPDX-License-Identifier: Apache-2.0
/*
 * look.c - what is left after the uninstall, graded, and what explains it
 *
 *   R1  runs, or starts by itself; or gives rights to whoever runs it
 *   R2  trust: certificates, keys of package sources, users, name service
 *   R3  code that lies there
 *   R4  data, configuration, logs
 *   R5  empty folders, and what others share
 *   R6  traces that the system itself keeps of any package
 *
 * Debian's package manager keeps what an ordinary package leaves by policy: packages that it
 * depended on, system users (Debian policy 9.2.2). That is told, with its reason.
 */
#include <sys/stat.h>

#include "examine/inner.h"

struct look {
	struct exam *x;
	struct state state;
	struct packages *packages;
	bool system_users; /* users that came are system users alone */
	bool other_users;
};

static int residue(const struct look *l, const char *grade, const char *what, const char *path,
		   const struct state_path *p, uint32_t writer, const char *explained,
		   const char *detail, struct err *err)
{
	struct event ev = { .kind = EV_RESIDUE, .t = UINT64_MAX, .proc = 0 };

	ev.v[EV_AT(RESIDUE, LOOK)] = V_Z(l->x->now->name);
	ev.v[EV_AT(RESIDUE, GRADE)] = V_Z(grade);
	ev.v[EV_AT(RESIDUE, WHAT)] = V_Z(what);
	ev.v[EV_AT(RESIDUE, PATH)] = V_Z(path);
	if (p && p->sha256[0])
		ev.v[EV_AT(RESIDUE, SHA256)] = V_Z(p->sha256);
	if (p && S_ISREG(p->mode) && p->op != CHANGE_REMOVED)
		ev.v[EV_AT(RESIDUE, SIZE)] = V_INT(p->size);
	if (writer)
		ev.v[EV_AT(RESIDUE, WRITER)] = V_INT(writer);
	ev.v[EV_AT(RESIDUE, EXPLAINED)] = V_Z(explained);
	ev.v[EV_AT(RESIDUE, DETAIL)] = V_Z(detail);
	return journal_append(l->x->s.journal, &ev, NULL, err);
}

/* ---- what explains ------------------------------------------------------------------------ */

static bool below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/' || folder[n - 1] == '.');
}

static const char *kept_by_system(const char *path)
{
	static const struct {
		const char *path, *why;
	} rows[] = {
		{ "/var/lib/dpkg", "the package manager's own records" },
		{ "/var/log/dpkg.log", "the package manager's log" },
		{ "/var/log/alternatives.log", "the package manager's log" },
		{ "/var/log/dpkg.log.", "the package manager's log" },
		{ "/var/log/alternatives.log.", "the package manager's log" },
		{ "/var/log/apt", "the package manager's log" },
		{ "/var/backups/alternatives.", "copy that the package manager's daily job keeps" },
		{ "/var/backups/apt.", "copy that the package manager's daily job keeps" },
		{ "/var/backups/dpkg.", "copy that the package manager's daily job keeps" },
		{ "/var/lib/apt", "the package manager's own records" },
		{ "/var/cache/apt", "the package manager's cache" },
		{ "/var/cache/debconf", "the package manager's cache" },
		{ "/var/cache/man", "index of manual pages" },
		{ "/var/cache/fontconfig", "index of fonts" },
		{ "/var/log/fontconfig.log", "index of fonts" },
		{ "/usr/share/icons/hicolor/icon-theme.cache", "index of icons" },
		{ "/usr/share/applications/mimeinfo.cache", "index of kinds of files" },
		{ "/usr/share/glib-2.0/schemas/gschemas.compiled", "index of settings" },
		{ "/usr/share/info/dir", "index of manuals" },
		{ "/var/cache/ldconfig", "cache of the loader" },
		{ "/etc/ld.so.cache", "cache of the loader" },
		{ "/var/lib/systemd/deb-systemd-helper-enabled",
		  "state of Debian's helper for services" },
		{ "/var/lib/systemd/deb-systemd-user-helper-enabled",
		  "state of Debian's helper for services" },
		{ "/var/lib/ucf", "state of Debian's helper for configuration" },
		{ "/etc/.pwd.lock", "lock of the user database" },
		{ "/etc/passwd-", "copy that the tools for users keep" },
		{ "/etc/group-", "copy that the tools for users keep" },
		{ "/etc/shadow-", "copy that the tools for users keep" },
		{ "/etc/gshadow-", "copy that the tools for users keep" },
		{ "/etc/subuid-", "copy that the tools for users keep" },
		{ "/etc/subgid-", "copy that the tools for users keep" },
		{ "/root/.npm", "npm's cache" },
		{ "/root/.rpmdb", "the package manager's own records" },
		{ "/var/lib/rpm", "the package manager's own records" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (below(path, rows[i].path))
			return rows[i].why;
	return NULL;
}

static bool is_user_file(const char *path)
{
	static const char *const files[] = { "/etc/passwd",  "/etc/passwd-",  "/etc/group",
					     "/etc/group-",  "/etc/shadow",   "/etc/shadow-",
					     "/etc/gshadow", "/etc/gshadow-", "/etc/subuid",
					     "/etc/subgid",  "/etc/subuid-",  "/etc/subgid-" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(path, files[i]))
			return true;
	return false;
}

/* passwd and group lines have their number third; system ones are below 1000 (Debian policy
 * 9.2.2), and nobody logs in as such a user. */
static int take_user(void *ctx, const struct user_change *u)
{
	struct look *l = ctx;
	char line[512];
	unsigned id = 0;

	snprintf(line, sizeof(line), "%.*s", (int)u->after.n, u->after.p ? u->after.p : "");
	if (u->op == CHANGE_ADDED && sscanf(line, "%*[^:]:%*[^:]:%9u:", &id) == 1 && id >= 100 &&
	    id < 1000 &&
	    (strcmp(u->file, "passwd") != 0 || str_ends(u->after, "/nologin") ||
	     str_ends(u->after, "/false")))
		l->system_users = true;
	else
		l->other_users = true;
	return 0;
}

/* ---- files -------------------------------------------------------------------------------- */

static bool is_code(const struct state_path *p)
{
	static const char *const tails[] = { ".so", ".py", ".pyc", ".js",  ".jar", ".pl",
					     ".rb", ".sh", ".exe", ".dll", ".ko",  ".node" };

	if (!S_ISREG(p->mode) || p->op == CHANGE_REMOVED)
		return false;
	if (p->mode & 0111 || strstr(p->path, ".so."))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++)
		if (str_ends(str_z(p->path), tails[i]))
			return true;
	return false;
}

static const char *grade_of(const struct state_path *p)
{
	if (p->concerns & CONCERN_SETID && p->op != CHANGE_REMOVED)
		return "R1";
	if (p->concerns & (CONCERN_USER | CONCERN_TRUST | CONCERN_NET))
		return "R2";
	if (S_ISDIR(p->mode) || !strcmp(p->type, "dir"))
		return "R5";
	return is_code(p) ? "R3" : "R4";
}

static int one_file(const struct look *l, const struct state_path *p, struct err *err)
{
	const char *grade = grade_of(p);
	cleanup_free char *package = packages_explain(l->packages, p->path, grade);
	const char *why = package;

	if (!why && is_user_file(p->path) && l->system_users && !l->other_users) {
		why = "system users and groups stay by Debian policy, so that their numbers are "
		      "not used again";
		grade = "R5";
	}
	if (!why && kept_by_system(p->path)) {
		why = kept_by_system(p->path);
		grade = "R6";
	}
	return residue(l, grade, change_op_name[p->op], p->path, p, p->writer, why, p->detail, err);
}

/* ---- entries and processes ---------------------------------------------------------------- */

/* What explains an entry is its place; where that is as it was before, its program has changed. */
static char *explain_entry(const struct look *l, const struct state_entry *e)
{
	const char *place = e->place ? e->place : "";
	char *why = packages_explain(l->packages, place, "R1");

	if (!why && e->program && e->op == CHANGE_CHANGED && !state_find(&l->state, place))
		why = packages_part(l->packages, e->program);
	return why;
}

static int one_entry(const struct look *l, const struct state_entry *e, struct err *err)
{
	cleanup_free char *detail = xasprintf("%s: %.1000s", e->class->name,
					      e->command ? e->command
					      : e->name	 ? e->name
							 : "");
	const struct state_path *p = state_find(&l->state, e->place ? e->place : "");
	cleanup_free char *package = explain_entry(l, e);

	if (!entry_starts(e))
		return 0;
	return residue(l, "R1", "autostart", e->place, p, p ? p->writer : 0, package, detail, err);
}

static int one_process(const struct look *l, const struct proc_row *p, struct err *err)
{
	cleanup_free char *package = NULL;

	if (!p->alive || p->origin != ORIGIN_SUBJECT || !p->image)
		return 0;
	package = packages_part(l->packages, proc_file(p));
	if (!package && !state_find(&l->state, p->image) && proc_is_helper(&l->x->subject, p))
		package = xstrdup("a tool of the system, for a program that runs and is here too");
	return residue(l, "R1", "process", proc_file(p), state_find(&l->state, proc_file(p)),
		       p->key, package, p->command, err);
}

static void look_free(struct look *l)
{
	packages_free(l->packages);
	state_free(&l->state);
}

static int take_look(struct look *l, struct err *err)
{
	struct exam *x = l->x;
	int rc = state_take(x, &l->state, err);

	if (!rc)
		rc = state_writers(x, &l->state, err);
	if (!rc)
		rc = subject_update(x, err);
	if (!rc)
		rc = users_between(x->s.box, x->s.run, x->since, take_user, l, err);
	if (!rc)
		rc = packages_read(x, &l->state, &l->packages, err);
	for (size_t i = 0; i < x->subject.n && !rc; i++)
		rc = one_process(l, &x->subject.v[i], err);
	for (size_t i = 0; i < l->state.nentries && !rc; i++)
		rc = one_entry(l, &l->state.entry[i], err);
	for (size_t i = 0; i < l->state.npaths && !rc; i++)
		rc = one_file(l, &l->state.path[i], err);
	return rc;
}

int act_look(struct exam *x, struct err *err)
{
	struct look l = { .x = x };
	int rc = 0;

	if (x->now->new_run)
		rc = start_entries(x, NULL, err);
	if (!rc && x->now->watch)
		rc = watch(x, x->now->watch, err);
	if (!rc)
		rc = mark(x, &(struct mark){ .step = "look" }, err);
	if (!rc)
		rc = take_look(&l, err);
	if (!rc && l.state.cut)
		rc = mark(x,
			  &(struct mark){ .step = "look",
					  .detail = "not all that differs is listed: a limit was "
						    "reached" },
			  err);
	look_free(&l);
	return rc;
}
