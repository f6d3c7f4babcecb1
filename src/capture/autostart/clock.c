// SPDX-License-Identifier: Apache-2.0
/*
 * clock.c - what a clock starts: crontab(5), anacrontab(5) and at(1) jobs of the box's own
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

/* ---- cron --------------------------------------------------------------------------------- */

static bool has_line(struct str text, struct str line)
{
	struct str l;

	while (as_line(&text, &l))
		if (str_eq(as_trim(l), line))
			return true;
	return false;
}

/* crontab(5): the first % ends the command (the rest is its input), \% is a percent sign */
static void cron_command(struct as_boot *b, struct as_start *s, struct str cmd)
{
	cleanup_buf struct buf out = { .limit = BOX_ARGV_MAX };

	for (size_t i = 0; i < cmd.n; i++) {
		if (cmd.p[i] == '%')
			break;
		if (cmd.p[i] == '\\' && i + 1 < cmd.n && cmd.p[i + 1] == '%')
			i++;
		buf_add(&out, cmd.p + i, 1);
	}
	as_start_arg(b, s, (struct str){ out.p, out.n });
}

struct cron {
	const char *path;
	const char *user; /* NULL: a field of the line says */
	bool at_boot;	  /* only @reboot lines, else only the others */
	enum as_class_id class;
	struct str env[AS_ENV_MAX];
	int nenv;
};

static void cron_start(struct as_boot *b, struct cron *c, struct str schedule, const char *user,
		       struct str cmd)
{
	const struct as_user *who = as_boot_user(b, user);
	struct str shell = { "/bin/sh", 7 }, env[AS_ENV_MAX];
	char name[200];
	struct as_start *s;
	int nenv = 0;

	name[0] = 0;
	for (struct str w; (w = as_word(&schedule)).n && strlen(name) < sizeof(name) - 2;)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%.*s",
			 name[0] ? " " : "", (int)(w.n > 64 ? 64 : w.n), w.p);
	s = as_boot_add(b, c->class, c->path, name, c->at_boot ? "boot" : "timer");
	if (!s)
		return;
	s->user = as_boot_z(b, str_z(user));
	s->cwd = who ? who->home : "/";
	if (who && who->uid) {
		as_env_set(b, env, &nenv, STR("HOME"), str_z(who->home));
		as_env_set(b, env, &nenv, STR("LOGNAME"), str_z(who->name));
	}
	for (int i = 0; i < c->nenv; i++) {
		struct str key, val;

		if (!as_split(c->env[i], '=', &key, &val))
			continue;
		as_env_set(b, env, &nenv, key, val);
		if (as_is(key, "SHELL") && val.n && *val.p == '/')
			shell = val;
	}
	as_start_env(b, s, env, nenv);
	as_start_arg(b, s, shell);
	as_start_arg(b, s, STR("-c"));
	cron_command(b, s, cmd);
	as_start_end(b, s);
}

static bool cron_env(struct as_boot *b, struct cron *c, struct str line)
{
	struct str key, val;
	size_t i = 0;

	while (i < line.n && (isalnum((unsigned char)line.p[i]) || line.p[i] == '_'))
		i++;
	if (!i || isdigit((unsigned char)*line.p) || !as_split(line, '=', &key, &val) || key.n != i)
		return false;
	if (val.n > 1 && (*val.p == '"' || *val.p == '\'') && val.p[val.n - 1] == *val.p)
		val = (struct str){ val.p + 1, val.n - 2 };
	as_env_set(b, c->env, &c->nenv, key, val);
	return true;
}

static void cron_table(struct as_boot *b, struct cron *c)
{
	cleanup_free char *text = NULL, *old = NULL;
	struct str rest, line, before;
	size_t n, old_n = 0;

	if (as_slurp(b->now, c->path, &text, &n))
		return;
	if (as_slurp(b->base, c->path, &old, &old_n))
		old_n = 0;
	before = (struct str){ old ? old : "", old_n };
	for (rest = (struct str){ text, n }; as_line(&rest, &line);) {
		struct str cmd, user = { 0 };
		char who[64];
		bool reboot;
		int fields = 5;

		line = as_trim(line);
		if (!line.n || *line.p == '#' || cron_env(b, c, line))
			continue;
		reboot = str_starts(line, "@reboot");
		if (reboot != c->at_boot || has_line(before, line))
			continue;
		cmd = line;
		if (*line.p == '@')
			fields = 1;
		for (int i = 0; i < fields; i++)
			as_word(&cmd);
		if (!c->user)
			user = as_word(&cmd);
		cmd = as_trim(cmd);
		if (cmd.n && (c->user || user.n))
			cron_start(b, c, (struct str){ line.p, cmd.p - line.p },
				   c->user ? c->user : as_z(user, who, sizeof(who)), cmd);
	}
}

static void cron_folder(struct as_boot *b, const char *dir, bool tables, bool users, bool at_boot)
{
	struct as_names names;
	char path[AS_PATH_MAX];

	as_names_of(b->now, dir, &names);
	for (size_t i = 0; i < names.n; i++) {
		struct cron c = { .path = path, .at_boot = at_boot, .class = AS_C_CRON };
		struct as_stat st;

		/* run-parts(8) and cron(8) skip names with other letters */
		for (const char *p = names.v[i]; *p && !users; p++)
			if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
				goto next;
		snprintf(path, sizeof(path), "%s/%s", dir, names.v[i]);
		if (as_stat(b->now, path, &st, NULL) || !S_ISREG(st.mode))
			goto next;
		if (users)
			c.user = names.v[i];
		if (tables)
			cron_table(b, &c);
		else if ((st.mode & 0111) && !at_boot && as_differs(b->now, b->base, path)) {
			struct as_start *s = as_boot_add(b, AS_C_CRON, path, names.v[i], "timer");

			if (s) {
				s->user = "root";
				s->cwd = "/";
				as_start_arg(b, s, str_z(path));
				as_start_end(b, s);
			}
		}
	next:;
	}
	as_names_free(&names);
}

static void anacron(struct as_boot *b)
{
	cleanup_free char *text = NULL, *old = NULL;
	struct cron c = { .path = "/etc/anacrontab", .class = AS_C_CRON };
	struct str rest, line, id;
	size_t n, old_n = 0;

	if (as_slurp(b->now, c.path, &text, &n))
		return;
	if (as_slurp(b->base, c.path, &old, &old_n))
		old_n = 0;
	for (rest = (struct str){ text, n }; as_line(&rest, &line);) {
		struct str cmd;

		line = as_trim(line);
		if (!line.n || *line.p == '#' || cron_env(b, &c, line) ||
		    has_line((struct str){ old ? old : "", old_n }, line))
			continue;
		cmd = line;
		as_word(&cmd);
		as_word(&cmd);
		id = as_word(&cmd);
		cmd = as_trim(cmd);
		if (cmd.n)
			cron_start(b, &c, id, "root", cmd);
	}
}

void as_boot_cron(struct as_boot *b, bool at_boot)
{
	static const char *const folders[] = { "/etc/cron.hourly", "/etc/cron.daily",
					       "/etc/cron.weekly", "/etc/cron.monthly" };
	struct cron c = { .path = "/etc/crontab", .at_boot = at_boot, .class = AS_C_CRON };

	cron_table(b, &c);
	cron_folder(b, "/etc/cron.d", true, false, at_boot);
	cron_folder(b, "/var/spool/cron/crontabs", true, true, at_boot);
	cron_folder(b, "/var/spool/cron", true, true, at_boot);
	if (at_boot)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		cron_folder(b, folders[i], false, false, false);
	anacron(b);
}

/* ---- at ----------------------------------------------------------------------------------- */

void as_boot_at(struct as_boot *b)
{
	static const char *const dirs[] = { "/var/spool/cron/atjobs", "/var/spool/at" };
	char path[AS_PATH_MAX];

	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		struct as_names names;

		as_names_of(b->now, dirs[d], &names);
		for (size_t i = 0; i < names.n; i++) {
			const char *user = "root";
			struct as_start *s;
			struct as_stat st;

			snprintf(path, sizeof(path), "%s/%s", dirs[d], names.v[i]);
			if (names.v[i][0] == '.' || as_stat(b->now, path, &st, NULL) ||
			    !S_ISREG(st.mode) || !as_differs(b->now, b->base, path))
				continue;
			for (int k = 0; k < b->nusers; k++) /* atd runs it as the file's owner */
				if (b->user[k].uid == st.uid) {
					user = b->user[k].name;
					break;
				}
			s = as_boot_add(b, AS_C_AT, path, names.v[i], "timer");
			if (!s)
				continue;
			s->user = user;
			s->cwd = "/";
			as_start_arg(b, s, STR("/bin/sh"));
			as_start_arg(b, s, str_z(path));
			as_start_end(b, s);
		}
		as_names_free(&names);
	}
}
