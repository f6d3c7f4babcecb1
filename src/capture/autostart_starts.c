// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_starts.c - what a boot and a login of this box would start, in that order
 *
 * systemd units, init scripts, rc.local and @reboot lines; then, once each, what a clock would
 * start (timers, cron, anacron, at); then a login: users' units, shell profiles, desktop entries.
 * Only what differs from the base counts: a line, file or link that the box brought.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart_starts.h"

/* ---- building ----------------------------------------------------------------------------- */

struct str as_boot_keep(struct as_boot *b, struct str s)
{
	return as_keep(&b->out->mem, s, BOX_ARGV_MAX);
}

const char *as_boot_z(struct as_boot *b, struct str s)
{
	return as_keep(&b->out->mem, s, AS_PATH_MAX).p;
}

const struct as_user *as_boot_user(const struct as_boot *b, const char *name)
{
	for (int i = 0; i < b->nusers; i++)
		if (!strcmp(b->user[i].name, name))
			return &b->user[i];
	return NULL;
}

struct as_start *as_boot_add(struct as_boot *b, enum as_class_id class, const char *place,
			     const char *name, const char *when)
{
	struct as_starts *o = b->out;
	struct as_start *s;

	if (o->n == AUTOSTART_STARTS_MAX) {
		o->full = true;
		return NULL;
	}
	if (!o->v)
		o->v = xcalloc(AUTOSTART_STARTS_MAX, sizeof(*o->v));
	s = &o->v[o->n++];
	memset(s, 0, sizeof(*s));
	s->class = class;
	s->place = as_keep(&o->mem, str_z(place), AS_PATH_MAX - 1);
	s->name = as_keep(&o->mem, str_z(name), AS_TEXT_MAX);
	s->when = when;
	return s;
}

void as_start_arg(struct as_boot *b, struct as_start *s, struct str arg)
{
	if (s->argc == AS_ARGV_MAX || arg.n > BOX_ARGV_MAX || (arg.n && memchr(arg.p, 0, arg.n))) {
		b->out->full = true;
		return;
	}
	s->argv[s->argc++] = as_boot_keep(b, arg);
}

void as_start_env(struct as_boot *b, struct as_start *s, const struct str *env, int nenv)
{
	char path[AS_PATH_MAX];

	if (!nenv || !as_lookup(b->now, STR("env"), path))
		return;
	as_start_arg(b, s, str_z(path));
	for (int i = 0; i < nenv; i++)
		as_start_arg(b, s, env[i]);
}

void as_start_end(struct as_boot *b, struct as_start *s)
{
	if (!s->argc)
		b->out->n--;
}

void as_env_set(struct as_boot *b, struct str *env, int *nenv, struct str name, struct str val)
{
	cleanup_buf struct buf text = { .limit = BOX_ARGV_MAX };
	int at = 0;

	/* a name with other bytes could be taken for an option of env(1) */
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_')
			return;
	if (!name.n || (val.n && memchr(val.p, 0, val.n)))
		return;
	while (at < *nenv && !(env[at].n > name.n && env[at].p[name.n] == '=' &&
			       !memcmp(env[at].p, name.p, name.n)))
		at++;
	if (at == AS_ENV_MAX) {
		b->out->full = true;
		return;
	}
	buf_add(&text, name.p, name.n);
	buf_puts(&text, "=");
	buf_add(&text, val.p, val.n);
	env[at] = as_boot_keep(b, (struct str){ text.p, text.n });
	if (at == *nenv)
		++*nenv;
}

static int collect_name(void *arg, const char *name)
{
	struct as_names *n = arg;

	if (n->n == AS_DIR_MAX)
		return 1;
	if (n->n % 64 == 0)
		n->v = xrealloc(n->v, (n->n + 64) * sizeof(*n->v));
	n->v[n->n++] = xstrdup(name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void as_names_of(const struct as_fs *fs, const char *dir, struct as_names *ret)
{
	char real[AS_PATH_MAX];
	struct as_stat st;

	*ret = (struct as_names){ 0 };
	if (as_stat(fs, dir, &st, real) || !S_ISDIR(st.mode))
		return;
	fs->list(fs->ctx, real, collect_name, ret);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
}

void as_names_free(struct as_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct as_names){ 0 };
}

void as_starts_free(struct as_starts *s)
{
	as_list_free(&s->mem);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

/* ---- users -------------------------------------------------------------------------------- */

static void read_users(struct as_boot *b)
{
	cleanup_free char *text = NULL;
	struct str rest, line;
	size_t n;

	if (as_slurp(b->now, "/etc/passwd", &text, &n))
		n = 0;
	for (rest = (struct str){ text, n }; b->nusers < AS_USERS_MAX && as_line(&rest, &line);) {
		struct as_user *u = &b->user[b->nusers];
		struct str field[7] = { 0 };
		char num[16];
		int i;

		for (i = 0; i < 6 && as_split(line, ':', &field[i], &line); i++)
			;
		field[6] = as_trim(line);
		if (i < 6 || !field[0].n || !field[2].n || memchr(field[0].p, 0, field[0].n))
			continue;
		u->name = as_boot_z(b, field[0]);
		u->uid = (uint32_t)strtoul(as_z(field[2], num, sizeof(num)), NULL, 10);
		u->home = as_boot_z(b, field[5].n && *field[5].p == '/' ? field[5] : STR("/"));
		u->shell = as_boot_z(b, field[6].n ? field[6] : STR("/bin/sh"));
		u->login = (!u->uid || (u->uid >= 1000 && u->uid < 60000)) &&
			   !str_ends(str_z(u->shell), "/nologin") &&
			   !str_ends(str_z(u->shell), "/false");
		b->nusers++;
	}
	if (!as_boot_user(b, "root") && b->nusers < AS_USERS_MAX)
		b->user[b->nusers++] = (struct as_user){
			.name = "root", .home = "/root", .shell = "/bin/sh", .login = true
		};
}

/* Who sits at the desktop: the first ordinary user, else root. */
static const struct as_user *desktop_user(const struct as_boot *b)
{
	for (int i = 0; i < b->nusers; i++)
		if (b->user[i].login && b->user[i].uid)
			return &b->user[i];
	return as_boot_user(b, "root");
}

/* ---- init.d ------------------------------------------------------------------------------- */

static bool has_unit(struct as_boot *b, const char *script)
{
	char name[300], path[AS_PATH_MAX];
	size_t n = strlen(script);

	if (n > 3 && !strcmp(script + n - 3, ".sh"))
		n -= 3;
	snprintf(name, sizeof(name), "%.*s.service", (int)(n > 240 ? 240 : n), script);
	return as_unit_file(b->now, name, NULL, false, path);
}

static void start_script(struct as_boot *b, enum as_class_id class, const char *place,
			 const char *script, const char *arg)
{
	const char *name = strrchr(place, '/') + 1;
	struct as_start *s = as_boot_add(b, class, place, name, "boot");

	if (!s)
		return;
	s->user = "root";
	s->cwd = "/";
	s->wait = true;
	as_start_arg(b, s, str_z(script));
	as_start_arg(b, s, str_z(arg));
	as_start_end(b, s);
}

void as_boot_initd(struct as_boot *b)
{
	static const char *const runlevels[] = { "/etc/rcS.d", "/etc/rc2.d", "/etc/rc3.d",
						 "/etc/rc5.d" };
	char link[AS_PATH_MAX], real[AS_PATH_MAX];
	size_t before = b->out->n;

	for (size_t r = 0; r < ARRAY_SIZE(runlevels); r++) {
		struct as_names names;

		as_names_of(b->now, runlevels[r],
			    &names); /* S01a, S02b: byte order is their order */
		for (size_t i = 0; i < names.n; i++) {
			bool again = false;
			const char *script;

			if (names.v[i][0] != 'S' || !isdigit((unsigned char)names.v[i][1]))
				continue;
			snprintf(link, sizeof(link), "%s/%s", runlevels[r], names.v[i]);
			if (!as_is_program(b->now, link, real))
				continue;
			script = strrchr(real, '/') + 1;
			if ((!as_differs(b->now, b->base, link) &&
			     !as_differs(b->now, b->base, real)) ||
			    has_unit(b, script))
				continue;
			for (size_t k = before; k < b->out->n; k++)
				again |= as_is(b->out->v[k].argv[0], real);
			if (!again)
				start_script(b, AS_C_INITD, link, real, "start");
		}
		as_names_free(&names);
	}
	if (as_is_program(b->now, "/etc/rc.local", real) &&
	    (as_differs(b->now, b->base, "/etc/rc.local") || as_differs(b->now, b->base, real)))
		start_script(b, AS_C_RC_LOCAL, "/etc/rc.local", real, "start");
}

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

/* Whether a cron of the box's own is among what starts: it finds @reboot lines by itself. */
static bool starts_cron(const struct as_boot *b)
{
	for (size_t i = 0; i < b->out->n; i++)
		for (int k = 0; k < b->out->v[i].argc; k++)
			if (str_ends(b->out->v[i].argv[k], "/cron") ||
			    str_ends(b->out->v[i].argv[k], "/crond"))
				return true;
	return false;
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

/* ---- all ---------------------------------------------------------------------------------- */

void as_starts_find(const struct as_fs *now, const struct as_fs *base, struct as_starts *ret)
{
	struct as_boot b = { .now = now, .base = base, .out = ret };
	struct as_scope system = { .when = "boot" };

	read_users(&b);
	as_boot_systemd(&b, &system);
	as_boot_initd(&b);
	if (!starts_cron(&b)) /* else that one runs them */
		as_boot_cron(&b, true);
	as_boot_cron(&b, false);
	as_boot_at(&b);
	for (int i = 0; i < b.nusers; i++) {
		struct as_scope user = { .user = true, .who = &b.user[i], .when = "login" };

		/* units that all users have are told once, for the one who sits at the desktop */
		if (b.user[i].login && (!b.user[i].uid || user.who == desktop_user(&b)))
			as_boot_systemd(&b, &user);
	}
	as_boot_login(&b);
	as_boot_desktop(&b);
}
