// SPDX-License-Identifier: Apache-2.0
/*
 * parse_boot.c - units, init scripts, cron, at, desktop entries: what starts by time or by boot
 *
 * A parser takes a file's path and bytes and adds entries; it never looks at another file.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

static bool runnable(const struct as_file *f)
{
	return S_ISREG(f->mode) && (f->mode & 0111);
}

/* A script that is in its place but cannot be executed yet: one chmod later it is started. */
static bool told_as_asleep(const struct as_file *f, struct as_list *out)
{
	if (runnable(f))
		return false;
	if (S_ISREG(f->mode))
		as_add(out, str_z(f->base), STR(AUTOSTART_ASLEEP), AS_SELF);
	return true;
}

/* ---- systemd ------------------------------------------------------------------------------ */

/* Keys that name what a unit runs, mounts, listens on or starts. */
static const struct {
	const char *key;
	bool program; /* the value is an argument list */
} unit_keys[] = {
	{ "ExecStart", true },
	{ "ExecStartPre", true },
	{ "ExecCondition", true },
	{ "ExecStartPost", true },
	{ "ExecReload", true },
	{ "ExecStop", true },
	{ "ExecStopPost", true },
	{ "ExecStopPre", true },
	{ "OnBootSec", false },
	{ "OnStartupSec", false },
	{ "OnActiveSec", false },
	{ "OnUnitActiveSec", false },
	{ "OnUnitInactiveSec", false },
	{ "OnCalendar", false },
	{ "OnClockChange", false },
	{ "ListenStream", false },
	{ "ListenDatagram", false },
	{ "ListenFIFO", false },
	{ "ListenSequentialPacket", false },
	{ "ListenNetlink", false },
	{ "ListenSpecial", false },
	{ "PathExists", false },
	{ "PathChanged", false },
	{ "PathModified", false },
	{ "PathExistsGlob", false },
	{ "DirectoryNotEmpty", false },
	{ "What", false },
	{ "Where", false },
	{ "Image", false },
	{ "Exec", false },
	{ "Yaml", false },
	{ "Unit", false },
	{ "Service", false },
	{ "Environment", false },
	{ "EnvironmentFile", false },
	{ "User", false },
};

static bool unit_key(struct str key, bool *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(unit_keys); i++)
		if (as_is(key, unit_keys[i].key)) {
			*program = unit_keys[i].program;
			return true;
		}
	return false;
}

/* The unit that a timer, socket or path starts, and its own name for all others. */
static void started_unit(struct as_list *out, struct as_item *it, struct str named, struct str unit)
{
	static const char *const starters[] = { ".timer", ".socket", ".path", ".automount" };
	char buf[300];

	if (!named.n)
		for (size_t i = 0; i < ARRAY_SIZE(starters); i++)
			if (str_ends(unit, starters[i]) && unit.n < 256) {
				snprintf(buf, sizeof(buf), "%.*s%s",
					 (int)(unit.n - strlen(starters[i])), unit.p,
					 i == 3 ? ".mount" : ".service");
				named = str_z(buf);
				break;
			}
	if (!named.n)
		return;
	it->how = AS_UNIT;
	it->names = as_keep(out, named, 255);
}

/* /…/multi-user.target.wants/x.service: x is enabled, wanted by multi-user.target. */
static bool unit_link(const struct as_file *f, struct as_list *out)
{
	char dir[300], text[700];
	const char *slash = f->base - 1, *start;
	struct as_item *it;
	struct str parent;

	for (start = slash; start > f->path && start[-1] != '/';)
		start--;
	parent = (struct str){ start, slash - start };
	if (str_ends(parent, ".wants") || str_ends(parent, ".requires") ||
	    str_ends(parent, ".upholds")) {
		as_z(parent, dir, sizeof(dir));
		*strrchr(dir, '.') = 0;
		snprintf(text, sizeof(text), "enabled: %s by %s",
			 str_ends(parent, ".wants") ? "wanted" : "required", dir);
	} else if (f->link && !strcmp(f->link, "/dev/null")) {
		as_add(out, str_z(f->base), STR(AUTOSTART_MASKED), AS_NONE);
		return true;
	} else if (f->link) {
		snprintf(text, sizeof(text), "alias of %.600s", f->link);
	} else {
		return false;
	}
	it = as_add(out, str_z(f->base), str_z(text), AS_UNIT);
	if (it)
		it->names = as_keep(out, str_z(f->base), 255);
	return true;
}

void as_parse_UNIT(const struct as_file *f, struct as_list *out)
{
	struct as_ini it = AS_INI(f->text);
	cleanup_buf struct buf all = { .limit = 2 * AS_TEXT_MAX }, first = { .limit = AS_TEXT_MAX };
	struct str unit = str_z(f->base), named = { 0 }, lead = { 0 };
	char name[600], kept[256];
	struct as_item *item;

	if (unit_link(f, out) || f->link || !S_ISREG(f->mode))
		return;
	snprintf(name, sizeof(name), "%.255s", f->base);
	if (str_ends(unit, ".conf")) { /* a drop-in: x.service.d/name.conf */
		const char *end = f->base - 1, *start = end;

		while (start > f->path && start[-1] != '/')
			start--;
		if (str_ends((struct str){ start, end - start }, ".d"))
			snprintf(name, sizeof(name), "%.*s (%.250s)",
				 (int)(end - start - 2 > 250 ? 250 : end - start - 2), start,
				 f->base);
	}
	while (as_ini_next(&it)) {
		bool program;

		if (!unit_key(it.key, &program) || !it.val.n)
			continue;
		if (as_is(it.key, "ExecStart") && !first.n) {
			buf_add(&first, it.val.p, it.val.n);
			continue;
		}
		if (program && !lead.n)
			lead = as_keep(out, it.val, AS_TEXT_MAX);
		if (as_is(it.key, "Unit") ||
		    (as_is(it.key, "Service") && str_ends(unit, ".socket")))
			named = str_z(as_z(it.val, kept, sizeof(kept)));
		if (all.n)
			buf_puts(&all, " ; ");
		buf_printf(&all, "%.*s=%.*s", (int)it.key.n, it.key.p, (int)it.val.n, it.val.p);
	}
	if (first.n) {
		lead = as_keep(out, (struct str){ first.p, first.n }, AS_TEXT_MAX);
		if (all.n)
			buf_puts(&first, " ; ");
	}
	buf_add(&first, all.p, all.n);
	item = as_add(out, str_z(name), (struct str){ first.p, first.n },
		      lead.n ? AS_EXEC : AS_NONE);
	if (!item)
		return;
	item->names = lead;
	if (!lead.n)
		started_unit(out, item, named, unit);
}

void as_parse_LINGER(const struct as_file *f, struct as_list *out)
{
	as_add(out, str_z(f->base), STR("services of this user run from boot on"), AS_NONE);
}

/* ---- scripts and init --------------------------------------------------------------------- */

void as_parse_SCRIPT(const struct as_file *f, struct as_list *out)
{
	if (str_ends(str_z(f->base), ".dpkg-new") || str_ends(str_z(f->base), ".placeholder") ||
	    told_as_asleep(f, out))
		return;
	as_add(out, str_z(f->base), str_z(f->link ? f->link : f->path), AS_SELF);
}

void as_parse_INITD(const struct as_file *f, struct as_list *out)
{
	if (!told_as_asleep(f, out))
		as_add(out, str_z(f->base), str_z(f->path), AS_SELF);
}

void as_parse_RCLINK(const struct as_file *f, struct as_list *out)
{
	char text[64];
	const char *rc = strstr(f->path, "/rc");

	if ((!S_ISREG(f->mode) && !S_ISLNK(f->mode)) || (f->base[0] != 'S' && f->base[0] != 'K') ||
	    !isdigit((unsigned char)f->base[1]))
		return;
	snprintf(text, sizeof(text), "%s in runlevel %c%s", f->base[0] == 'S' ? "start" : "stop",
		 rc ? rc[3] : '?', S_ISLNK(f->mode) ? ", leads nowhere" : "");
	as_add(out, str_z(f->base), str_z(text), AS_SELF);
}

/* id:runlevels:action:process */
void as_parse_INITTAB(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, id, runlevels, action;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#' || !as_split(line, ':', &id, &line) ||
		    !as_split(line, ':', &runlevels, &line) ||
		    !as_split(line, ':', &action, &line) || !line.n)
			continue;
		as_add(out, id, line, AS_SHELL);
	}
}

static void shell_lines(const struct as_file *f, struct as_list *out)
{
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line;

	while (as_logical(&rest, &join, &line)) {
		line = as_trim(line);
		if (line.n && *line.p != '#' && !as_is(line, "fi") && !as_is(line, "esac") &&
		    !as_is(line, "done") && !as_is(line, "}") && !as_is(line, "else") &&
		    !as_is(line, ";;"))
			as_add(out, str_z(f->base), line, AS_SHELL);
	}
}

void as_parse_RCLOCAL(const struct as_file *f, struct as_list *out)
{
	if (!told_as_asleep(f, out))
		shell_lines(f, out);
}

void as_parse_SHELL(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode))
		shell_lines(f, out);
}

/* ---- cron --------------------------------------------------------------------------------- */

static bool is_assignment(struct str line)
{
	size_t i = 0;

	while (i < line.n && (isalnum((unsigned char)line.p[i]) || line.p[i] == '_'))
		i++;
	if (!i || isdigit((unsigned char)line.p[0]))
		return false;
	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	return i < line.n && line.p[i] == '=';
}

/* Whether an assignment makes other programs run than the usual ones. */
static bool decides(struct str key, struct str val)
{
	if (as_is(key, "SHELL"))
		return !as_is(val, "/bin/sh") && !as_is(val, "/bin/bash");
	if (!as_is(key, "PATH"))
		return str_starts(key, "LD_") || as_is(key, "BASH_ENV") || as_is(key, "ENV");
	while (val.n) {
		const char *colon = memchr(val.p, ':', val.n);
		size_t n = colon ? (size_t)(colon - val.p) : val.n;
		struct str dir = { val.p, n };

		if (!as_is(dir, "/bin") && !as_is(dir, "/sbin") && !as_is(dir, "/usr/bin") &&
		    !as_is(dir, "/usr/sbin") && !as_is(dir, "/usr/local/bin") &&
		    !as_is(dir, "/usr/local/sbin"))
			return true;
		n += colon ? 1 : 0;
		val.p += n;
		val.n -= n;
	}
	return false;
}

static void crontab(const struct as_file *f, bool system, struct as_list *out)
{
	cleanup_buf struct buf name = { .limit = AS_TEXT_MAX };
	struct str rest = f->text, line, cmd;

	if (f->link && !S_ISREG(f->mode))
		return;
	while (as_line(&rest, &line)) {
		int fields = system ? 6 : 5;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (is_assignment(line)) {
			struct str key, val;

			/* only those that change which program runs */
			if (as_split(line, '=', &key, &val) && decides(key, val)) {
				struct as_item *it = as_add(out, key, line, AS_NONE);

				if (it && as_is(key, "SHELL")) {
					it->how = AS_PATH;
					it->names = as_keep(out, val, AS_TEXT_MAX);
				}
			}
			continue;
		}
		if (*line.p == '@')
			fields = system ? 2 : 1;
		cmd = line;
		name.n = 0;
		for (int i = 0; i < fields; i++) {
			struct str w = as_word(&cmd);

			if (i)
				buf_puts(&name, " ");
			buf_add(&name, w.p, w.n);
		}
		cmd = as_trim(cmd);
		if (cmd.n)
			as_add(out, (struct str){ name.p, name.n }, cmd, AS_SHELL);
	}
}

void as_parse_CRON_SYSTEM(const struct as_file *f, struct as_list *out)
{
	/* cron(8): names with a dot and backups are not read in cron.d */
	if (strstr(f->path, "/cron.d/") && (strchr(f->base, '.') || strchr(f->base, '~')))
		return;
	crontab(f, true, out);
}

void as_parse_CRON_USER(const struct as_file *f, struct as_list *out)
{
	crontab(f, false, out);
}

/* period delay job-identifier command */
void as_parse_ANACRON(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, id;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#' || is_assignment(line))
			continue;
		as_word(&line);
		as_word(&line);
		id = as_word(&line);
		line = as_trim(line);
		if (line.n)
			as_add(out, id, line, AS_SHELL);
	}
}

/* Job file of at(1): a shell script whose head sets up user and environment. The job itself comes
 * after the line that enters the folder, often as a here-document. */
void as_parse_AT(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, last = { 0 };
	cleanup_buf struct buf job = { .limit = AS_TEXT_MAX };
	bool in_job = false;

	if (!S_ISREG(f->mode) || f->base[0] == '.')
		return;
	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (!in_job) {
			in_job = *line.p == '}';
			last = line;
			continue;
		}
		if (as_find(line, "marcinDELIMITER"))
			continue;
		if (job.n)
			buf_puts(&job, "; ");
		buf_add(&job, line.p, line.n);
	}
	as_add(out, str_z(f->base), job.n ? (struct str){ job.p, job.n } : last, AS_SHELL);
}

/* ---- desktop ------------------------------------------------------------------------------ */

void as_parse_DESKTOP(const struct as_file *f, struct as_list *out)
{
	struct as_ini it = AS_INI(f->text);
	struct as_item *item;

	while (as_ini_next(&it)) {
		char name[400];

		if (!as_is(it.key, "Exec") && !as_is(it.key, "TryExec"))
			continue;
		if (as_is(it.key, "TryExec"))
			continue;
		/* [Desktop Action x] has an Exec of its own */
		if (str_starts(str_z(it.section), "Desktop Action "))
			snprintf(name, sizeof(name), "%.255s (%s)", f->base, it.section + 15);
		else
			snprintf(name, sizeof(name), "%.255s", f->base);
		item = as_add(out, str_z(name), it.val, AS_EXEC);
		if (!item)
			break;
	}
	it.rest.n = 0;
	as_ini_next(&it);
	for (it = AS_INI(f->text); as_ini_next(&it);) {
		if (as_is_nocase(it.key, "Hidden") && as_is_nocase(it.val, "true"))
			as_add(out, str_z(f->base), STR("Hidden=true: does not start"), AS_NONE);
		if (as_is_nocase(it.key, "X-GNOME-Autostart-enabled") &&
		    as_is_nocase(it.val, "false"))
			as_add(out, str_z(f->base), STR("disabled: does not start"), AS_NONE);
	}
}

/* D-Bus activation: [D-BUS Service] Name= Exec= User= SystemdService= */
void as_parse_DBUS(const struct as_file *f, struct as_list *out)
{
	struct as_ini it = AS_INI(f->text);
	char name[256] = "", unit[256] = "", exec[AS_TEXT_MAX] = "";
	struct as_item *item;

	if (f->link && !strcmp(f->link, "/dev/null"))
		return;
	while (as_ini_next(&it)) {
		if (as_is(it.key, "Name"))
			as_z(it.val, name, sizeof(name));
		else if (as_is(it.key, "Exec"))
			as_z(it.val, exec, sizeof(exec));
		else if (as_is(it.key, "SystemdService"))
			as_z(it.val, unit, sizeof(unit));
	}
	if (!exec[0] && !unit[0])
		return;
	item = as_add(out, str_z(name[0] ? name : f->base), str_z(exec[0] ? exec : unit), AS_EXEC);
	if (item && unit[0]) {
		item->how = AS_UNIT;
		item->names = as_keep(out, str_z(unit), 255);
	}
}

void as_parse_SUPERVISOR(const struct as_file *f, struct as_list *out)
{
	struct as_ini it = AS_INI(f->text);

	while (as_ini_next(&it))
		if (as_is(it.key, "command"))
			as_add(out, str_z(it.section), it.val, AS_SHELL);
		else if (as_is(it.key, "files"))
			as_add(out, str_z(it.section), it.val, AS_NONE);
}
