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

#define LISTS_MAX 256 /* packages that came along whose files are looked up */

struct look {
	struct exam *x;
	struct state state;
	struct {
		char *package;
		char *text; /* its list of files, a path a line */
	} list[LISTS_MAX];
	size_t nlists;
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

	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/' || folder[n - 1] == '/');
}

static const char *kept_by_system(const char *path)
{
	static const struct {
		const char *path, *why;
	} rows[] = {
		{ "/var/lib/dpkg", "the package manager's own records" },
		{ "/var/log/dpkg.log", "the package manager's log" },
		{ "/var/log/alternatives.log", "the package manager's log" },
		{ "/var/log/apt", "the package manager's log" },
		{ "/var/lib/apt", "the package manager's own records" },
		{ "/var/cache/apt", "the package manager's cache" },
		{ "/var/cache/debconf", "the package manager's cache" },
		{ "/var/cache/man", "index of manual pages" },
		{ "/var/cache/ldconfig", "cache of the loader" },
		{ "/etc/ld.so.cache", "cache of the loader" },
		{ "/var/lib/systemd/deb-systemd-helper-enabled",
		  "state of Debian's helper for services" },
		{ "/var/lib/systemd/deb-systemd-user-helper-enabled",
		  "state of Debian's helper for services" },
		{ "/var/lib/ucf", "state of Debian's helper for configuration" },
		{ "/etc/.pwd.lock", "lock of the user database" },
		{ "/root/.npm", "npm's cache" },
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

/* The lists of files of packages that are installed now and were not before. */
static void read_lists(struct look *l)
{
	static const char info[] = "/var/lib/dpkg/info/", tail[] = ".list";

	for (size_t i = 0; i < l->state.npaths && l->nlists < LISTS_MAX; i++) {
		const struct state_path *p = &l->state.path[i];
		struct kept_file f;
		struct err err = { 0 };
		size_t n = strlen(p->path);
		char *text;

		if (p->op == CHANGE_REMOVED || strncmp(p->path, info, sizeof(info) - 1) != 0 ||
		    !str_ends(str_z(p->path), tail) || p->size > (8u << 20))
			continue;
		if (file_take(l->x, p->path, &f, &err))
			continue;
		text = xcalloc(1, p->size + 2);
		if (f.fd >= 0 && pread(f.fd, text + 1, p->size, 0) >= 0) {
			text[0] = '\n';
			l->list[l->nlists].text = steal_ptr(&text);
			l->list[l->nlists++].package =
				xstrndup(p->path + sizeof(info) - 1,
					 n - (sizeof(info) - 1) - (sizeof(tail) - 1));
		}
		free(text);
		kept_file_free(&f);
	}
}

static char *in_package(const struct look *l, const char *path)
{
	cleanup_free char *line = xasprintf("\n%s\n", path);

	for (size_t i = 0; i < l->nlists; i++)
		if (strstr(l->list[i].text, line))
			return xasprintf("part of the package %.200s, which is still installed",
					 l->list[i].package);
	return NULL;
}

/* ---- files -------------------------------------------------------------------------------- */

static bool is_code(const struct state_path *p)
{
	static const char *const tails[] = { ".so", ".py", ".pyc", ".js",  ".jar", ".pl",
					     ".rb", ".sh", ".exe", ".dll", ".ko" };

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
	cleanup_free char *package = in_package(l, p->path);
	const char *grade = grade_of(p), *why = package;

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

static int one_entry(const struct look *l, const struct state_entry *e, struct err *err)
{
	cleanup_free char *detail = xasprintf("%s: %.1000s", e->class->name,
					      e->command ? e->command
					      : e->name	 ? e->name
							 : "");
	const struct state_path *p = state_find(&l->state, e->place ? e->place : "");
	cleanup_free char *package = in_package(l, e->place ? e->place : "");

	if (!entry_starts(e))
		return 0;
	return residue(l, "R1", "autostart", e->place, p, p ? p->writer : 0, package, detail, err);
}

static int one_process(const struct look *l, const struct proc_row *p, struct err *err)
{
	if (!p->alive || p->origin != ORIGIN_SUBJECT || !p->image)
		return 0;
	return residue(l, "R1", "process", proc_file(p), state_find(&l->state, proc_file(p)),
		       p->key, NULL, p->command, err);
}

static void look_free(struct look *l)
{
	for (size_t i = 0; i < l->nlists; i++) {
		free(l->list[i].package);
		free(l->list[i].text);
	}
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
	if (!rc && x->kind == INSTALLER_DEB)
		read_lists(l);
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
