// SPDX-License-Identifier: Apache-2.0
/*
 * state.c - what differs in the box from before the install
 *
 * Left out: the folder of the installer, which is ours; directories that only hold something that
 * differs; what is below the kernel's own file systems.
 */

#include "examine/inner.h"

static char *own(struct str s)
{
	return s.n ? xstrndup(s.p, s.n) : NULL;
}

static bool is_ours(struct str path)
{
	size_t n = strlen(SETUP_DIR);

	return str_starts(path, SETUP_DIR) && (path.n == n || path.p[n] == '/');
}

static int take_path(void *ctx, const struct change *c)
{
	struct state *s = ctx;
	struct state_path *p;

	if (is_ours(c->path))
		return 0;
	if (s->npaths == PATHS_MAX) {
		s->cut = true;
		return 0;
	}
	s->path = vec_grow(s->path, s->npaths, &s->paths_cap, sizeof(*s->path));
	p = &s->path[s->npaths++];
	*p = (struct state_path){ .path = own(c->path),
				  .op = c->op,
				  .type = c->type,
				  .mode = c->mode,
				  .size = c->size,
				  .concerns = file_concerns(c),
				  .detail = own(c->detail) };
	memcpy(p->sha256, c->sha256, sizeof(p->sha256));
	return 0;
}

static int take_entry(void *ctx, const struct autostart_entry *e)
{
	struct state *s = ctx;
	struct state_entry *to;

	if (s->nentries == PATHS_MAX)
		return 0;
	s->entry = vec_grow(s->entry, s->nentries, &s->entries_cap, sizeof(*s->entry));
	to = &s->entry[s->nentries++];
	*to = (struct state_entry){ .op = e->op,
				    .class = e->class,
				    .place = own(e->place),
				    .name = own(e->name),
				    .command = own(e->command),
				    .program = own(e->program) };
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct state_path *p = a, *q = b;

	return strcmp(p->path, q->path);
}

int state_take(struct exam *x, struct state *ret, struct err *err)
{
	const struct changes_fns fns = { .file = take_path, .autostart = take_entry };
	struct err cut = { 0 };
	int rc;

	*ret = (struct state){ 0 };
	rc = changes_all_between(x->s.box, x->s.run, x->since, &fns, ret, &cut);
	if (rc == -E2BIG) {
		ret->cut = true;
		rc = 0;
	}
	if (rc)
		*err = cut;
	else if (ret->npaths)
		qsort(ret->path, ret->npaths, sizeof(*ret->path), by_path);
	return rc;
}

void state_free(struct state *s)
{
	for (size_t i = 0; i < s->npaths; i++) {
		free(s->path[i].path);
		free(s->path[i].detail);
	}
	for (size_t i = 0; i < s->nentries; i++) {
		free(s->entry[i].place);
		free(s->entry[i].name);
		free(s->entry[i].command);
		free(s->entry[i].program);
	}
	free(s->path);
	free(s->entry);
	*s = (struct state){ 0 };
}

const struct state_path *state_find(const struct state *s, const char *path)
{
	struct state_path key = { .path = (char *)path };

	return s->npaths ? bsearch(&key, s->path, s->npaths, sizeof(*s->path), by_path) : NULL;
}

/* In the order of the record: the last one is who wrote it. */
#define WRITERS                                                                                      \
	"SELECT COALESCE(path2, path), proc, seq FROM file WHERE op IN ('create','write','symlink'," \
	"'mkdir','rename','exchange','link','mknod') AND answer IS NOT 'refused' AND reason IS "     \
	"NULL AND (path2 IS NULL OR op<>'symlink') UNION ALL SELECT path, proc, seq FROM file "      \
	"WHERE op='symlink' UNION ALL SELECT path, writer, seq FROM change WHERE writer>0 ORDER BY 3"

static void take_writer(void *to, sqlite3_stmt *st)
{
	const char *path = (const char *)sqlite3_column_text(st, 0);
	struct state_path *p = path ? (struct state_path *)state_find(to, path) : NULL;

	if (p)
		p->writer = (uint32_t)sqlite3_column_int64(st, 1);
}

int state_writers(struct exam *x, struct state *s, struct err *err)
{
	const struct rows q = { .what = "files", .sql = WRITERS, .take = take_writer, .to = s };

	return rows_read(x, &q, err);
}

/* Rows of a class that start nothing: also folders and users that a boot makes (of tmpfiles.d only
 * what puts content somewhere counts). */
static bool starts_nothing(const struct state_entry *e)
{
	const char *place = e->place ? e->place : "";

	if (autostart_is_idle(str_z(e->class->name), str_z(place),
			      e->command ? str_z(e->command) : STR("")))
		return true;
	if (strstr(place, "/tmpfiles.d/"))
		return e->command && !strchr("fFwCL", e->command[0]);
	return strstr(place, "/sysusers.d/") != NULL;
}

bool entry_starts(const struct state_entry *e)
{
	/* classes of the catalogue whose entries name a program that runs by itself */
	static const char *const classes[] = {
		"systemd-system",
		"systemd-timer",
		"systemd-user",
		"systemd-user-timer",
		"systemd-helper",
		"init.d",
		"rc.local",
		"cron",
		"at",
		"xdg-autostart",
		"x-session",
		"shell-profile",
		"udev",
		"dbus",
		"motd",
		"inetd",
		"network-hook",
		"boot",
		"kernel-modules",
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (!strcmp(e->class->name, classes[i]))
			return e->op != CHANGE_REMOVED && !starts_nothing(e);
	return false;
}
