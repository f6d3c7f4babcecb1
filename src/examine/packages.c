// SPDX-License-Identifier: Apache-2.0
/*
 * packages.c - what packages that came along, and are still installed, explain
 *
 * An examined package is removed alone; what it depended on came along and stays, as it would
 * without autoremove. What such a package owns by the package manager's list is its own matter and
 * can be removed by its name. Beside that: links that lead to such a part (runlevels,
 * alternatives), Python's compiled copies of it, and settings that a script of the package made,
 * found by whose script the writer descends from.
 *
 * Invariant: what can run is explained by a list, a link to what is on one, or a copy of it, never
 * by who wrote it.
 */
#include <sys/stat.h>

#include "examine/inner.h"

#define LISTS_MAX      256 /* packages that came along whose files are looked up */
#define LIST_BYTES_MAX (8u << 20)
#define INFO	       "/var/lib/dpkg/info/"

struct packages {
	const struct state *state;
	struct {
		char *package;
		char *text; /* its list of files, a path a line */
	} list[LISTS_MAX];
	size_t nlists;
	/* by process key: the package whose script it is, or descends from; the program it runs */
	struct owner {
		char *package, *program;
	} * owner;
	size_t nowners, owners_cap;
};

static bool listed(const struct packages *l, const char *package)
{
	for (size_t i = 0; i < l->nlists; i++)
		if (!strcmp(l->list[i].package, package))
			return true;
	return false;
}

static void read_list(struct exam *x, struct packages *l, const char *package)
{
	cleanup_free char *path = xasprintf(INFO "%s.list", package);
	struct err err = { 0 };
	struct kept_file f;
	char *text;

	if (file_take(&x->s, path, &f, &err))
		return;
	if (f.fd >= 0 && f.size <= LIST_BYTES_MAX) {
		text = xcalloc(1, f.size + 2);
		text[0] = '\n';
		if (pread(f.fd, text + 1, f.size, 0) >= 0) {
			l->list[l->nlists].text = steal_ptr(&text);
			l->list[l->nlists++].package = xstrdup(package);
		}
		free(text);
	}
	kept_file_free(&f);
}

/* Of packages that are installed now and were not before (a new list), or in another version
 * (other sums of the same files). */
static void read_lists(struct exam *x, struct packages *l)
{
	static const char *const tails[] = { ".list", ".md5sums" };

	for (size_t i = 0; i < l->state->npaths && l->nlists < LISTS_MAX; i++) {
		const struct state_path *p = &l->state->path[i];
		const char *name = p->path + sizeof(INFO) - 1;

		if (p->op == CHANGE_REMOVED || strncmp(p->path, INFO, sizeof(INFO) - 1) != 0)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(tails); k++) {
			cleanup_free char *package = NULL;

			if (!str_ends(str_z(name), tails[k]))
				continue;
			package = xstrndup(name, strlen(name) - strlen(tails[k]));
			if (!listed(l, package))
				read_list(x, l, package);
		}
	}
}

static char *part_of(const struct packages *l, const char *path)
{
	cleanup_free char *line = xasprintf("\n%s\n", path);

	for (size_t i = 0; i < l->nlists; i++)
		if (strstr(l->list[i].text, line))
			return xasprintf("part of the package %.200s, which is still installed",
					 l->list[i].package);
	return NULL;
}

/* Lists say /lib/… of what stands below /usr since the two were merged (usrmerge). */
char *packages_part(const struct packages *l, const char *path)
{
	char *why = part_of(l, path);

	return why || strncmp(path, "/usr/", 5) != 0 ? why : part_of(l, path + 4);
}

/* "/etc/rc2.d/S01x", "../init.d/x" → "/etc/init.d/x" */
static char *follow(const char *path, const char *target)
{
	const char *end = strrchr(path, '/');

	if (target[0] == '/')
		return xstrdup(target);
	for (; !strncmp(target, "../", 3) && end > path; target += 3)
		end = memrchr(path, '/', (size_t)(end - path));
	return xasprintf("%.*s/%s", (int)(end - path), path, target);
}

/* What leads to a part of a package was made for it: what a boot starts, alternatives. */
static char *leads_to_package(const struct packages *l, const struct state_path *p)
{
	char *why = NULL;

	for (int hops = 0; p && S_ISLNK(p->mode) && p->detail && hops < 4 && !why; hops++) {
		cleanup_free char *target = follow(p->path, p->detail);

		why = packages_part(l, target);
		p = state_find(l->state, target);
	}
	return why;
}

/* "…/__pycache__/x.cpython-311.pyc" is made of "…/x.py". */
static char *compiled_of_package(const struct packages *l, const char *path)
{
	static const char folder[] = "/__pycache__/";
	const char *at = strstr(path, folder), *name = at ? at + sizeof(folder) - 1 : NULL;
	cleanup_free char *source = NULL;

	if (!name || !str_ends(str_z(path), ".pyc"))
		return NULL;
	source = xasprintf("%.*s/%.*s.py", (int)(at - path), path, (int)strcspn(name, "."), name);
	return packages_part(l, source);
}

/* Settings that a script of a package made when it was installed, data that its programs keep. */
static char *made_by_package(const struct packages *l, const struct state_path *p)
{
	const struct owner *o = p->writer < l->nowners ? &l->owner[p->writer] : NULL;
	cleanup_free char *part = NULL;

	if (o && o->package && listed(l, o->package))
		return xasprintf("made by a script of the package %.200s, which is still "
				 "installed",
				 o->package);
	part = o && o->program ? packages_part(l, o->program) : NULL;
	return part ? xasprintf("data of %.200s, %s", o->program, part) : NULL;
}

char *packages_explain(const struct packages *l, const char *path, const char *grade)
{
	const struct state_path *p = state_find(l->state, path);
	char *why = packages_part(l, path);

	if (!why)
		why = leads_to_package(l, p);
	if (!why)
		why = compiled_of_package(l, path);
	/* what can run must be of the package itself: its list says so */
	if (!why && p && strcmp(grade, "R1") != 0 && strcmp(grade, "R3") != 0)
		why = made_by_package(l, p);
	return why;
}

/* ---- whose script made it ------------------------------------------------------------------ */

/* "/var/lib/dpkg/info/libwrap0:amd64.postinst" → "libwrap0:amd64" */
static char *package_of_script(const char *script)
{
	const char *dot = script ? strrchr(script, '.') : NULL;

	if (!dot || strncmp(script, INFO, sizeof(INFO) - 1) != 0)
		return NULL;
	return xstrndup(script + sizeof(INFO) - 1, (size_t)(dot - script) - (sizeof(INFO) - 1));
}

#define OWNERS                                                                                     \
	"SELECT proc, op, parent, script, image FROM process WHERE op IN ('fork','exec') ORDER "   \
	"BY seq"

static void set(char **to, const char *z)
{
	free(*to);
	*to = z ? xstrdup(z) : NULL;
}

static void take_owner(void *to, sqlite3_stmt *st)
{
	struct packages *l = to;
	uint32_t key = (uint32_t)sqlite3_column_int64(st, 0);
	uint32_t parent = (uint32_t)sqlite3_column_int64(st, 2);
	const char *script = (const char *)sqlite3_column_text(st, 3);
	const char *image = (const char *)sqlite3_column_text(st, 4);
	char *package;

	if (key >= PROCS_MAX)
		return;
	while (key >= l->nowners) {
		l->owner = vec_grow(l->owner, l->nowners, &l->owners_cap, sizeof(*l->owner));
		l->owner[l->nowners++] = (struct owner){ NULL };
	}
	if (sqlite3_column_text(st, 1)[0] == 'f') {
		if (parent < key) {
			set(&l->owner[key].package, l->owner[parent].package);
			set(&l->owner[key].program, l->owner[parent].program);
		}
		return;
	}
	set(&l->owner[key].program, script ? script : image);
	package = package_of_script(script);
	if (package) {
		free(l->owner[key].package);
		l->owner[key].package = package;
	}
}

int packages_read(struct exam *x, const struct state *s, struct packages **ret, struct err *err)
{
	struct packages *l = xcalloc(1, sizeof(*l));
	const struct rows q = { .what = "processes", .sql = OWNERS, .take = take_owner, .to = l };
	int rc = 0;

	l->state = s;
	read_lists(x, l);
	if (l->nlists)
		rc = rows_read(x, &q, err);
	if (rc)
		packages_free(l);
	else
		*ret = l;
	return rc;
}

void packages_free(struct packages *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->nlists; i++) {
		free(l->list[i].package);
		free(l->list[i].text);
	}
	for (size_t i = 0; i < l->nowners; i++) {
		free(l->owner[i].package);
		free(l->owner[i].program);
	}
	free(l->owner);
	free(l);
}
