// SPDX-License-Identifier: Apache-2.0
/*
 * service.c - the programs that a systemd service starts
 *
 * What systemd.exec(5) and systemd.service(5) say about commands, in the part that decides which
 * program runs with which arguments, user, folder and environment. Sandboxing options are left
 * out: the box is the sandbox.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

#define VALS_MAX 64

/* ---- environment -------------------------------------------------------------------------- */

static struct str env_get(const struct str *env, int nenv, struct str name)
{
	for (int i = 0; i < nenv; i++)
		if (env[i].n > name.n && env[i].p[name.n] == '=' &&
		    !memcmp(env[i].p, name.p, name.n))
			return (struct str){ env[i].p + name.n + 1, env[i].n - name.n - 1 };
	return (struct str){ "", 0 };
}

static void env_assign(struct as_boot *b, struct str word, struct str *env, int *nenv)
{
	struct str key, val;
	const char *eq = word.n ? memchr(word.p, '=', word.n) : NULL;

	if (!eq || eq == word.p)
		return;
	key = (struct str){ word.p, (size_t)(eq - word.p) };
	val = (struct str){ eq + 1, word.n - key.n - 1 };
	as_env_set(b, env, nenv, key, val);
}

static void env_file(struct as_boot *b, const char *path, struct str *env, int *nenv)
{
	cleanup_free char *text = NULL;
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest, line, words[1], key, val;
	size_t n;

	if (as_slurp(b->now, path, &text, &n))
		return;
	for (rest = (struct str){ text, n }; as_logical(&rest, &join, &line);) {
		line = as_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';' || !as_split(line, '=', &key, &val))
			continue;
		if (val.n && (*val.p == '"' || *val.p == '\'')) {
			if (as_unit_words(b, val, words, 1))
				val = words[0];
		}
		as_env_set(b, env, nenv, key, val);
	}
}

static int service_env(struct as_boot *b, const struct as_scope *scope, const struct as_unit *u,
		       const struct as_user *who, struct str env[AS_ENV_MAX])
{
	struct str v[VALS_MAX], words[VALS_MAX];
	int n, nenv = 0;

	if (who && who->uid) {
		as_env_set(b, env, &nenv, STR("HOME"), str_z(who->home));
		as_env_set(b, env, &nenv, STR("USER"), str_z(who->name));
		as_env_set(b, env, &nenv, STR("LOGNAME"), str_z(who->name));
		as_env_set(b, env, &nenv, STR("SHELL"), str_z(who->shell));
	}
	n = as_unit_vals(u, "Environment", v, VALS_MAX);
	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf x = { .limit = BOX_ARGV_MAX };
		int nw;

		as_unit_expand(b, scope, u, v[i], &x);
		nw = as_unit_words(b, (struct str){ x.p, x.n }, words, VALS_MAX);
		for (int k = 0; k < nw; k++)
			env_assign(b, words[k], env, &nenv);
	}
	n = as_unit_vals(u, "EnvironmentFile", v, VALS_MAX);
	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf x = { .limit = AS_PATH_MAX };

		if (*v[i].p == '-')
			v[i].p++, v[i].n--;
		as_unit_expand(b, scope, u, v[i], &x);
		env_file(b, buf_z(&x), env, &nenv);
	}
	return nenv;
}

/* ${X} anywhere in a word is its value; a word $X becomes the words of its value; $$ is $. */
static void add_expanded(struct as_boot *b, struct as_start *s, struct str word,
			 const struct str *env, int nenv)
{
	cleanup_buf struct buf out = { .limit = BOX_ARGV_MAX };

	if (word.n > 1 && word.p[0] == '$' && word.p[1] != '{' && word.p[1] != '$') {
		struct str parts[VALS_MAX],
			val = env_get(env, nenv, (struct str){ word.p + 1, word.n - 1 });
		int n = as_unit_words(b, val, parts, VALS_MAX);

		for (int i = 0; i < n; i++)
			as_start_arg(b, s, parts[i]);
		return;
	}
	for (size_t i = 0; i < word.n; i++) {
		const char *close;

		if (word.p[i] == '$' && i + 1 < word.n && word.p[i + 1] == '$') {
			i++;
			buf_puts(&out, "$");
		} else if (word.p[i] == '$' && i + 1 < word.n && word.p[i + 1] == '{' &&
			   (close = memchr(word.p + i, '}', word.n - i))) {
			struct str val = env_get(
				env, nenv,
				(struct str){ word.p + i + 2, (size_t)(close - word.p) - i - 2 });

			buf_add(&out, val.p, val.n);
			i = (size_t)(close - word.p);
		} else {
			buf_add(&out, word.p + i, 1);
		}
	}
	as_start_arg(b, s, (struct str){ out.p, out.n });
}

/* ---- starts ------------------------------------------------------------------------------- */

static enum as_class_id class_of(const struct as_scope *scope, const struct as_unit *u)
{
	if (scope->user)
		return strcmp(u->when, "timer") ? AS_C_SYSTEMD_USER : AS_C_SYSTEMD_USER_TIMER;
	return strcmp(u->when, "timer") ? AS_C_SYSTEMD_SYSTEM : AS_C_SYSTEMD_TIMER;
}

struct exec {
	const struct as_scope *scope;
	const struct as_unit *u;
	const char *user, *cwd;
	const struct str *env;
	int nenv;
};

static void add_command(struct as_boot *b, const struct exec *x, const char *key, struct str *words,
			int n, bool wait)
{
	bool root = false, literal = false, argv0 = false, may_fail = false;
	int bangs = 0;
	char name[400], path[AS_PATH_MAX];
	struct str prog;
	struct as_start *s;

	if (n < 1)
		return;
	prog = words[0];
	while (prog.n && strchr("-@:+!|", *prog.p)) {
		root |= *prog.p == '+';
		bangs += *prog.p == '!';
		literal |= *prog.p == ':';
		argv0 |= *prog.p == '@';
		may_fail |= *prog.p == '-';
		prog.p++, prog.n--;
	}
	if (!prog.n)
		return;
	snprintf(name, sizeof(name), "%.255s%s%s", x->u->name, key ? " " : "", key ? key : "");
	s = as_boot_add(b, class_of(x->scope, x->u), x->u->place, name, x->u->when);
	if (!s)
		return;
	/* ! is for a program that takes its user itself; !! only where systemd can do no better */
	s->user = root || bangs == 1 ? "root" : x->user;
	s->cwd = x->cwd;
	s->wait = wait;
	s->needed = wait && !may_fail;
	as_start_env(b, s, x->env, x->nenv);
	if (*prog.p != '/' && as_lookup(b->now, prog, path))
		prog = str_z(path);
	as_start_arg(b, s, prog);
	for (int i = 1 + argv0; i < n; i++) /* with '@' the second word is only argv[0] */
		if (literal)
			as_start_arg(b, s, words[i]);
		else
			add_expanded(b, s, words[i], x->env, x->nenv);
	as_start_end(b, s);
}

static void add_commands(struct as_boot *b, const struct exec *x, const char *key,
			 const char *label, bool wait)
{
	struct str v[VALS_MAX], words[AS_ARGV_MAX];
	int n = as_unit_vals(x->u, key, v, VALS_MAX);

	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf text = { .limit = BOX_ARGV_MAX };
		int nw, from = 0;

		as_unit_expand(b, x->scope, x->u, v[i], &text);
		nw = as_unit_words(b, (struct str){ text.p, text.n }, words, AS_ARGV_MAX);
		for (int k = 0; k <= nw; k++)
			if (k == nw || as_is(words[k], ";")) { /* several commands on a line */
				add_command(b, x, label, words + from, k - from, wait);
				from = k + 1;
			}
	}
}

/* RuntimeDirectory= and its kin: systemd makes the folder before the first command. */
static void add_folders(struct as_boot *b, const struct exec *x, const struct as_user *who)
{
	static const struct {
		const char *key, *at, *mode;
	} dirs[] = {
		{ "RuntimeDirectory", "/run", "RuntimeDirectoryMode" },
		{ "StateDirectory", "/var/lib", "StateDirectoryMode" },
		{ "CacheDirectory", "/var/cache", "CacheDirectoryMode" },
		{ "LogsDirectory", "/var/log", "LogsDirectoryMode" },
	};
	char install[AS_PATH_MAX], name[400];
	struct str v[VALS_MAX], words[VALS_MAX];

	if (x->scope->user || !as_lookup(b->now, STR("install"), install))
		return;
	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		int n = as_unit_vals(x->u, dirs[d].key, v, VALS_MAX);
		struct str mode = as_unit_val(x->u, dirs[d].mode);

		for (int i = 0; i < n; i++) {
			cleanup_buf struct buf text = { .limit = AS_PATH_MAX };
			struct as_start *s;
			int nw;

			as_unit_expand(b, x->scope, x->u, v[i], &text);
			nw = as_unit_words(b, (struct str){ text.p, text.n }, words, VALS_MAX);
			snprintf(name, sizeof(name), "%.255s %s", x->u->name, dirs[d].key);
			s = nw ? as_boot_add(b, class_of(x->scope, x->u), x->u->place, name,
					     x->u->when)
			       : NULL;
			if (!s)
				continue;
			s->user = "root";
			s->cwd = "/";
			s->wait = true;
			as_start_arg(b, s, str_z(install));
			as_start_arg(b, s, STR("-d"));
			as_start_arg(b, s, STR("-m"));
			as_start_arg(b, s, mode.n ? mode : STR("0755"));
			if (who && who->uid) {
				as_start_arg(b, s, STR("-o"));
				as_start_arg(b, s, str_z(who->name));
			}
			for (int k = 0; k < nw; k++) {
				char path[AS_PATH_MAX];

				if (as_find(words[k], ".."))
					continue;
				snprintf(path, sizeof(path), "%s/%.*s", dirs[d].at,
					 (int)strcspn(words[k].p, ":"), words[k].p);
				as_start_arg(b, s, str_z(path));
			}
			as_start_end(b, s);
		}
	}
}

static bool conditions_hold(struct as_boot *b, const struct as_scope *scope,
			    const struct as_unit *u)
{
	static const char *const keys[] = { "ConditionPathExists", "AssertPathExists",
					    "ConditionFileIsExecutable",
					    "ConditionPathIsDirectory" };
	struct str v[VALS_MAX];

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		int n = as_unit_vals(u, keys[k], v, VALS_MAX);

		for (int i = 0; i < n; i++) {
			cleanup_buf struct buf text = { .limit = AS_PATH_MAX };
			bool want = true, is;
			struct as_stat st;

			if (*v[i].p == '|') /* one of several is enough: taken as given */
				continue;
			if (*v[i].p == '!') {
				want = false;
				v[i].p++, v[i].n--;
			}
			as_unit_expand(b, scope, u, v[i], &text);
			if (!strncmp(buf_z(&text), "/proc", 5) ||
			    !strncmp(buf_z(&text), "/sys", 4) ||
			    !strncmp(buf_z(&text), "/dev", 4) || !strncmp(buf_z(&text), "/run", 4))
				continue; /* not in the tree */
			is = !as_stat(b->now, buf_z(&text), &st, NULL);
			if (is && k == 2)
				is = S_ISREG(st.mode) && (st.mode & 0111);
			if (is && k == 3)
				is = S_ISDIR(st.mode);
			if (is != want)
				return false;
		}
	}
	return true;
}

void as_unit_start(struct as_boot *b, const struct as_scope *scope, const struct as_unit *u)
{
	struct str env[AS_ENV_MAX], user = as_unit_val(u, "User"), dir;
	cleanup_buf struct buf text = { .limit = AS_PATH_MAX };
	struct str type = as_unit_val(u, "Type"), dynamic = as_unit_val(u, "DynamicUser");
	struct exec x = { .scope = scope, .u = u, .user = "root", .cwd = "/", .env = env };
	const struct as_user *who = scope->who;

	if (!conditions_hold(b, scope, u))
		return;
	if (scope->user && who) {
		x.user = who->name;
		x.cwd = who->home;
	} else if (user.n) {
		as_unit_expand(b, scope, u, user, &text);
		x.user = as_boot_z(b, (struct str){ text.p, text.n });
	} else if (as_is_nocase(dynamic, "yes") || as_is_nocase(dynamic, "true")) {
		x.user = "nobody";
	}
	who = as_boot_user(b, x.user);
	x.nenv = service_env(b, scope, u, who, env);
	dir = as_unit_val(u, "WorkingDirectory");
	if (dir.n && *dir.p == '-')
		dir.p++, dir.n--;
	if (as_is(dir, "~")) {
		x.cwd = who ? who->home : "/root";
	} else if (dir.n) {
		text.n = 0;
		as_unit_expand(b, scope, u, dir, &text);
		x.cwd = as_boot_z(b, (struct str){ text.p, text.n });
	}
	add_folders(b, &x, who);
	add_commands(b, &x, "ExecCondition", "ExecCondition", true);
	add_commands(b, &x, "ExecStartPre", "ExecStartPre", true);
	/* the parent of a forking service ends when the service is up */
	add_commands(b, &x, "ExecStart", NULL, as_is(type, "oneshot") || as_is(type, "forking"));
	add_commands(b, &x, "ExecStartPost", "ExecStartPost", true);
}
