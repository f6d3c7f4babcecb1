// SPDX-License-Identifier: Apache-2.0
/*
 * starts.c - what a boot and a login of this box would start, in that order
 *
 * Generators and tmpfiles.d, systemd units, init scripts, rc.local and @reboot lines; then, once
 * each, what a clock would start (timers, cron, anacron, at); then a login: users' units, shell
 * profiles, desktop entries. Only what differs from the base counts: a line, file or link that the
 * box brought.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

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

/* ---- all ---------------------------------------------------------------------------------- */

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

void as_starts_find(const struct as_fs *now, const struct as_fs *base, struct as_starts *ret)
{
	struct as_boot b = { .now = now, .base = base, .out = ret };
	struct as_scope system = { .when = "boot" };

	read_users(&b);
	as_boot_early(&b);
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
