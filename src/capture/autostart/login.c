// SPDX-License-Identifier: Apache-2.0
/*
 * login.c - what a login starts: shell profiles and the desktop's autostart entries
 */
#include <sys/stat.h>

#include "capture/autostart/starts.h"

/* The desktop that is played: OnlyShowIn= and NotShowIn= are decided by it. */
#define DESKTOP "GNOME"

/* ---- shells ------------------------------------------------------------------------------- */

/* A file that useradd copied from the base's /etc/skel is nobody's doing. */
static bool from_skel(struct as_boot *b, const char *path, const char *name)
{
	cleanup_free char *a = NULL, *s = NULL;
	char skel[300];
	size_t an, sn;

	snprintf(skel, sizeof(skel), "/etc/skel/%s", name);
	return !as_slurp(b->now, path, &a, &an) && !as_slurp(b->base, skel, &s, &sn) && an == sn &&
	       !memcmp(a, s, an);
}

static bool own(struct as_boot *b, const char *path)
{
	struct as_stat st;

	return !as_stat(b->now, path, &st, NULL) && S_ISREG(st.mode) && st.size &&
	       as_differs(b->now, b->base, path);
}

static bool own_system_profile(struct as_boot *b, char path[AS_PATH_MAX])
{
	struct as_names names;
	bool found;

	strcpy(path, "/etc/profile");
	if (own(b, path))
		return true;
	as_names_of(b->now, "/etc/profile.d", &names);
	found = false;
	for (size_t i = 0; i < names.n && !found; i++)
		if (str_ends(str_z(names.v[i]),
			     ".sh")) { /* the others are not read by /etc/profile */
			snprintf(path, AS_PATH_MAX, "/etc/profile.d/%s", names.v[i]);
			found = own(b, path);
		}
	as_names_free(&names);
	return found;
}

static bool own_user_file(struct as_boot *b, const struct as_user *u, const char *const *files,
			  size_t n, char path[AS_PATH_MAX])
{
	for (size_t i = 0; i < n; i++) {
		snprintf(path, AS_PATH_MAX, "%.3000s/%s", u->home, files[i]);
		if (own(b, path) && !from_skel(b, path, files[i]))
			return true;
	}
	return false;
}

static void start_shell(struct as_boot *b, const struct as_user *u, const char *place,
			const char *shell, const char *how, const char *name)
{
	char path[AS_PATH_MAX];
	struct str env[AS_ENV_MAX];
	struct as_start *s;
	int nenv = 0;

	if (!as_lookup(b->now, str_z(shell), path))
		return;
	s = as_boot_add(b, AS_C_SHELL, place, name, "login");
	if (!s)
		return;
	s->user = u->name;
	s->cwd = u->home;
	if (u->uid) {
		as_env_set(b, env, &nenv, STR("HOME"), str_z(u->home));
		as_env_set(b, env, &nenv, STR("USER"), str_z(u->name));
		as_env_set(b, env, &nenv, STR("LOGNAME"), str_z(u->name));
	}
	as_start_env(b, s, env, nenv);
	as_start_arg(b, s, str_z(shell));
	as_start_arg(b, s, str_z(how));
	as_start_arg(b, s, STR("true"));
	as_start_end(b, s);
}

void as_boot_login(struct as_boot *b)
{
	static const char *const login[] = { ".bash_profile", ".bash_login", ".profile" };
	static const char *const interactive[] = { ".bashrc", ".bash_aliases" };
	static const char *const zsh[] = { ".zshenv", ".zprofile", ".zshrc", ".zlogin" };
	char system[AS_PATH_MAX], path[AS_PATH_MAX];
	bool all = own_system_profile(b, system);
	bool all_rc = own(b, "/etc/bash.bashrc");
	int told = 0;

	for (int i = 0; i < b->nusers; i++) {
		const struct as_user *u = &b->user[i];
		bool zsh_user = str_ends(str_z(u->shell), "/zsh");

		if (!u->login)
			continue;
		/* what all users share is started for root and one ordinary user */
		if (own_user_file(b, u, login, ARRAY_SIZE(login), path))
			start_shell(b, u, path, "bash", "-lc", "login shell");
		else if (all && told < 2)
			start_shell(b, u, system, "bash", "-lc", "login shell");
		if (own_user_file(b, u, interactive, ARRAY_SIZE(interactive), path))
			start_shell(b, u, path, "bash", "-ic", "interactive shell");
		else if (all_rc && told < 2)
			start_shell(b, u, "/etc/bash.bashrc", "bash", "-ic", "interactive shell");
		if (zsh_user && own_user_file(b, u, zsh, ARRAY_SIZE(zsh), path))
			start_shell(b, u, path, "zsh", "-lic", "login shell");
		told++;
	}
}

/* ---- desktop ------------------------------------------------------------------------------ */

struct entry {
	struct str exec, try_exec, path, only, not_in;
	bool hidden, application;
};

static bool listed(struct str list, const char *name)
{
	while (list.n) {
		const char *semi = memchr(list.p, ';', list.n);
		size_t n = semi ? (size_t)(semi - list.p) : list.n;

		if (as_is(as_trim((struct str){ list.p, n }), name))
			return true;
		n += semi ? 1 : 0;
		list.p += n;
		list.n -= n;
	}
	return false;
}

static bool read_entry(struct as_boot *b, const char *path, struct entry *e)
{
	cleanup_free char *text = NULL;
	struct as_ini it;
	size_t n;

	*e = (struct entry){ .application = true };
	if (as_slurp(b->now, path, &text, &n))
		return false;
	it = AS_INI(((struct str){ text, n }));
	while (as_ini_next(&it)) {
		struct str v;

		if (strcmp(it.section, "Desktop Entry"))
			continue;
		v = as_boot_keep(b, it.val);
		if (as_is(it.key, "Exec"))
			e->exec = v;
		else if (as_is(it.key, "TryExec"))
			e->try_exec = v;
		else if (as_is(it.key, "Path"))
			e->path = v;
		else if (as_is(it.key, "OnlyShowIn"))
			e->only = v;
		else if (as_is(it.key, "NotShowIn"))
			e->not_in = v;
		else if (as_is(it.key, "Type"))
			e->application = as_is(v, "Application");
		else if (as_is(it.key, "Hidden"))
			e->hidden |= as_is_nocase(v, "true");
		else if (as_is(it.key, "X-GNOME-Autostart-enabled"))
			e->hidden |= as_is_nocase(v, "false");
	}
	return true;
}

static bool shown(struct as_boot *b, const struct entry *e)
{
	char path[AS_PATH_MAX];

	return e->exec.n && e->application && !e->hidden &&
	       (!e->only.n || listed(e->only, DESKTOP)) && !listed(e->not_in, DESKTOP) &&
	       (!e->try_exec.n || as_lookup(b->now, e->try_exec, path));
}

/* Desktop Entry Specification: %f %F %u %U %i %c %k and the outdated ones fall away, %% is % */
static bool without_codes(struct str word, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] != '%' || i + 1 == word.n) {
			buf_add(out, word.p + i, 1);
		} else if (word.p[++i] == '%') {
			buf_puts(out, "%");
		} else {
			any = true;
		}
	}
	return out->n || !any;
}

static void start_entry(struct as_boot *b, const struct as_user *u, const char *path,
			const char *name, const struct entry *e)
{
	struct str words[AS_ARGV_MAX], env[AS_ENV_MAX];
	int n = as_unit_words(b, e->exec, words, AS_ARGV_MAX), nenv = 0;
	struct as_start *s = n ? as_boot_add(b, AS_C_XDG, path, name, "desktop") : NULL;

	if (!s)
		return;
	s->user = u->name;
	s->cwd = e->path.n && *e->path.p == '/' ? e->path.p : u->home;
	if (u->uid) {
		as_env_set(b, env, &nenv, STR("HOME"), str_z(u->home));
		as_env_set(b, env, &nenv, STR("USER"), str_z(u->name));
		as_env_set(b, env, &nenv, STR("LOGNAME"), str_z(u->name));
	}
	as_env_set(b, env, &nenv, STR("XDG_CURRENT_DESKTOP"), STR(DESKTOP));
	as_start_env(b, s, env, nenv);
	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf word = { .limit = BOX_ARGV_MAX };

		if (without_codes(words[i], &word))
			as_start_arg(b, s, (struct str){ word.p, word.n });
	}
	as_start_end(b, s);
}

static void start_folder(struct as_boot *b, const struct as_user *u, const char *dir,
			 const char *over)
{
	char path[AS_PATH_MAX], other[AS_PATH_MAX];
	struct as_names names;

	as_names_of(b->now, dir, &names);
	for (size_t i = 0; i < names.n; i++) {
		struct as_stat st;
		struct entry e;

		snprintf(path, sizeof(path), "%.3000s/%s", dir, names.v[i]);
		if (!str_ends(str_z(names.v[i]), ".desktop") || !own(b, path))
			continue;
		/* the user's file of the same name takes the place of the system's */
		if (over) {
			snprintf(other, sizeof(other), "%.3000s/%s", over, names.v[i]);
			if (!as_stat(b->now, other, &st, NULL))
				continue;
		}
		if (read_entry(b, path, &e) && shown(b, &e))
			start_entry(b, u, path, names.v[i], &e);
	}
	as_names_free(&names);
}

void as_boot_desktop(struct as_boot *b)
{
	const struct as_user *sitting = NULL;
	char dir[AS_PATH_MAX];

	for (int i = 0; i < b->nusers; i++)
		if (b->user[i].login && (!sitting || (!sitting->uid && b->user[i].uid)))
			sitting = &b->user[i];
	if (!sitting)
		return;
	snprintf(dir, sizeof(dir), "%.3000s/.config/autostart", sitting->home);
	start_folder(b, sitting, "/etc/xdg/autostart", dir);
	for (int i = 0; i < b->nusers; i++) {
		if (!b->user[i].login)
			continue;
		snprintf(dir, sizeof(dir), "%.3000s/.config/autostart", b->user[i].home);
		start_folder(b, &b->user[i], dir, NULL);
	}
}
