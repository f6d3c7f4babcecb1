// SPDX-License-Identifier: Apache-2.0
/*
 * changes_show.c - the list of changes as text for people, and as one JSON object
 *
 * Every name comes from the box and goes out through an escaper. In the text a line is one
 * change, whatever its name holds.
 */
#include <sys/stat.h>

#include "cmd/changes.h"
#include "report/report.h"

/* ---- text --------------------------------------------------------------------------------- */

static void add_doer(struct buf *out, const struct doer *by)
{
	if (by->who == BY_BELLJAR) {
		buf_puts(out, "  by belljar");
	} else if (by->who == BY_PROCESS) {
		buf_puts(out, "  by ");
		escape_text(out, by->image ? str_z(by->image) : STR("process"));
		if (by->pid)
			buf_printf(out, " (pid %lld)", (long long)by->pid);
		else
			buf_printf(out, " (process key %u)", by->proc);
	} else {
		buf_puts(out, "  by nobody on record");
	}
}

static void add_size(struct buf *out, uint64_t n)
{
	static const char *const unit[] = { "kB", "MB", "GB", "TB", "PB" };
	double v = (double)n;
	size_t i = 0;

	if (n < 1000) {
		buf_printf(out, ", %llu bytes", (unsigned long long)n);
		return;
	}
	for (v /= 1000; v >= 1000 && i + 1 < ARRAY_SIZE(unit); i++)
		v /= 1000;
	buf_printf(out, ", %.1f %s", v, unit[i]);
}

static void file_line(struct buf *out, const struct changed_file *f)
{
	const struct change *c = &f->c;

	buf_puts(out, "  ");
	escape_text(out, c->path);
	if (c->op == CHANGE_MOVED) {
		buf_puts(out, "  from ");
		escape_text(out, c->path2);
	}
	buf_printf(out, "  %s", c->type);
	if (!S_ISLNK(c->mode))
		buf_printf(out, " %04o", c->mode & 07777);
	if (c->uid || c->gid)
		buf_printf(out, " %u:%u", c->uid, c->gid);
	if (S_ISREG(c->mode))
		add_size(out, c->size);
	if (c->detail.n) {
		buf_puts(out, S_ISLNK(c->mode) && c->op != CHANGE_META ? " → " : "  (");
		escape_text(out, c->detail);
		if (!S_ISLNK(c->mode) || c->op == CHANGE_META)
			buf_puts(out, ")");
	}
	if (f->owner) {
		buf_puts(out, "  of package ");
		escape_text(out, str_z(f->owner));
	}
	add_doer(out, &f->by);
	buf_puts(out, "\n");
}

static void heading(struct buf *out, const char *title, size_t n)
{
	buf_printf(out, "\n%s (%zu)\n", title, n);
}

/* One section: files of @op, or with @concern; set-up files only in their own. */
struct section {
	const char *title, *key;
	int op;		  /* -1 any */
	unsigned concern; /* 0 any */
	bool setup;
};

static const struct section file_sections[] = {
	{ "Files added", "added", CHANGE_ADDED, 0, false },
	{ "Files changed", "changed", CHANGE_CHANGED, 0, false },
	{ "Files removed", "removed", CHANGE_REMOVED, 0, false },
	{ "Files moved", "moved", CHANGE_MOVED, 0, false },
	{ "Mode, owner or attributes changed", "meta", CHANGE_META, 0, false },
};

static const struct section concern_sections[] = {
	{ "Set-id files and capabilities", "set_id", -1, CONCERN_SETID, false },
	{ "Files of users and rights", "user_files", -1, CONCERN_USER, false },
	{ "Trust anchors", "trust", -1, CONCERN_TRUST, false },
	{ "Network settings", "network", -1, CONCERN_NET, false },
	{ "Packaged files replaced", "packaged", -1, CONCERN_PACKAGED, false },
};

static const struct section setup_section = { "Set up by belljar with the box", "set_up", -1, 0,
					      true };

static bool belongs(const struct section *s, const struct changed_file *f)
{
	return f->setup == s->setup && (s->op < 0 || f->c.op == (enum change_op)s->op) &&
	       (!s->concern || (f->concerns & s->concern));
}

static size_t count(const struct change_list *l, const struct section *s)
{
	size_t n = 0;

	for (size_t i = 0; i < l->nfiles; i++)
		n += belongs(s, &l->file[i]);
	return n;
}

static void section_text(const struct change_list *l, const struct section *s, struct buf *out)
{
	size_t n = count(l, s);

	if (n)
		heading(out, s->title, n);
	for (size_t i = 0; i < l->nfiles && n; i++)
		if (belongs(s, &l->file[i]))
			file_line(out, &l->file[i]);
}

static void entries_text(const struct change_list *l, struct buf *out)
{
	if (l->nentries)
		heading(out, "Starts by itself", l->nentries);
	for (size_t i = 0; i < l->nentries; i++) {
		const struct changed_entry *e = &l->entry[i];

		buf_printf(out, "  %-7s  %s: ", change_op_name[e->op], e->class->title);
		escape_text(out, e->place);
		if (e->name.n) {
			buf_puts(out, "  [");
			escape_text(out, e->name);
			buf_puts(out, "]");
		}
		if (e->command.n) {
			buf_puts(out, "  entry: ");
			escape_text(out, e->command);
		}
		if (e->program.n && !str_eq(e->program, e->command)) {
			buf_puts(out, "  program: ");
			escape_text(out, e->program);
		}
		add_doer(out, &e->by);
		buf_puts(out, "\n");
	}
}

static void users_text(const struct change_list *l, struct buf *out)
{
	if (l->nusers)
		heading(out, "Users and groups", l->nusers);
	for (size_t i = 0; i < l->nusers; i++) {
		const struct changed_user *u = &l->user[i];

		buf_printf(out, "  %-7s  %s ", change_op_name[u->op],
			   strcmp(u->file, "group") ? "user" : "group");
		escape_text(out, u->name);
		if (u->before.n) {
			buf_puts(out, "  before: ");
			escape_text(out, u->before);
		}
		if (u->after.n) {
			buf_puts(out, "  now: ");
			escape_text(out, u->after);
		}
		buf_puts(out, "\n");
	}
}

void changes_text(const struct change_list *l, struct buf *out)
{
	size_t files = 0;

	for (size_t i = 0; i < l->nfiles; i++)
		files += !l->file[i].setup;
	buf_printf(out, "Box '%s': what is different since ", l->box);
	buf_printf(out, *l->since ? "snapshot '%s'" : "its beginning%s", l->since);
	buf_printf(out, ": %zu files, %zu start entries, %zu users and groups\n", files,
		   l->nentries, l->nusers);
	if (l->running)
		buf_puts(out, "It is running: this is the state of now.\n");
	if (l->cut)
		buf_puts(out, "The list is NOT complete: there are more changes than belljar "
			      "lists.\n");
	entries_text(l, out);
	users_text(l, out);
	for (size_t i = 0; i < ARRAY_SIZE(concern_sections); i++)
		section_text(l, &concern_sections[i], out);
	for (size_t i = 0; i < ARRAY_SIZE(file_sections); i++)
		section_text(l, &file_sections[i], out);
	section_text(l, &setup_section, out);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_str(struct buf *out, const char *key, struct str s)
{
	buf_printf(out, ",\"%s\":", key);
	escape_json(out, s);
}

static void json_doer(struct buf *out, const struct doer *by)
{
	if (by->who == BY_NOBODY) {
		buf_puts(out, ",\"by\":null");
		return;
	}
	buf_printf(out, ",\"by\":{\"proc\":%u", by->who == BY_BELLJAR ? 0 : by->proc);
	if (by->pid)
		buf_printf(out, ",\"pid\":%lld", (long long)by->pid);
	if (by->image)
		json_str(out, "image", str_z(by->image));
	buf_puts(out, "}");
}

static void json_concerns(struct buf *out, const struct changed_file *f)
{
	const char *comma = "";

	buf_puts(out, ",\"concerns\":[");
	for (size_t i = 0; i < ARRAY_SIZE(concern_sections); i++)
		if (f->concerns & concern_sections[i].concern) {
			buf_printf(out, "%s\"%s\"", comma, concern_sections[i].key);
			comma = ",";
		}
	buf_puts(out, "]");
}

static void json_file(struct buf *out, const struct changed_file *f)
{
	const struct change *c = &f->c;

	buf_printf(out, "{\"op\":\"%s\"", change_op_name[c->op]);
	json_str(out, "path", c->path);
	if (c->op == CHANGE_MOVED)
		json_str(out, "from", c->path2);
	buf_printf(out, ",\"type\":\"%s\",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u", c->type,
		   c->mode & 07777, c->uid, c->gid);
	if (S_ISREG(c->mode))
		buf_printf(out, ",\"size\":%llu", (unsigned long long)c->size);
	if (c->sha256[0])
		json_str(out, "sha256", str_z(c->sha256));
	if (c->op == CHANGE_CHANGED || c->op == CHANGE_META) {
		buf_printf(out, ",\"mode_before\":\"%04o\",\"uid_before\":%u,\"gid_before\":%u",
			   c->mode_before & 07777, c->uid_before, c->gid_before);
		if (c->sha256_before[0])
			json_str(out, "sha256_before", str_z(c->sha256_before));
	}
	if (c->detail.n)
		json_str(out, "detail", c->detail);
	if (S_ISREG(c->mode) && c->op != CHANGE_REMOVED)
		buf_printf(out, ",\"mtime_ns\":%lld", (long long)c->mtime_ns);
	if (c->mtime_set)
		buf_puts(out, ",\"mtime_set\":true");
	if (f->owner)
		json_str(out, "package", str_z(f->owner));
	json_concerns(out, f);
	if (f->setup)
		buf_puts(out, ",\"set_up\":true");
	json_doer(out, &f->by);
	buf_puts(out, "}");
}

void changes_json(const struct change_list *l, struct buf *out)
{
	buf_printf(out,
		   "{\"box\":\"%s\",\"since\":\"%s\",\"running\":%s,\"complete\":%s,"
		   "\"files\":[",
		   l->box, l->since, l->running ? "true" : "false", l->cut ? "false" : "true");
	for (size_t i = 0; i < l->nfiles; i++) {
		buf_puts(out, i ? ",\n" : "\n");
		json_file(out, &l->file[i]);
	}
	buf_puts(out, "],\n\"autostart\":[");
	for (size_t i = 0; i < l->nentries; i++) {
		const struct changed_entry *e = &l->entry[i];

		buf_printf(out, "%s{\"op\":\"%s\",\"class\":\"%s\",\"technique\":\"%s\"",
			   i ? ",\n" : "\n", change_op_name[e->op], e->class->name,
			   e->class->technique);
		json_str(out, "place", e->place);
		json_str(out, "name", e->name);
		json_str(out, "command", e->command);
		json_str(out, "program", e->program);
		json_doer(out, &e->by);
		buf_puts(out, "}");
	}
	buf_puts(out, "],\n\"users\":[");
	for (size_t i = 0; i < l->nusers; i++) {
		const struct changed_user *u = &l->user[i];

		buf_printf(out, "%s{\"op\":\"%s\",\"file\":\"%s\"", i ? ",\n" : "\n",
			   change_op_name[u->op], u->file);
		json_str(out, "name", u->name);
		json_str(out, "before", u->before);
		json_str(out, "after", u->after);
		buf_puts(out, "}");
	}
	buf_puts(out, "]}\n");
}
