// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_unit.c - one systemd unit: its files, its words, the programs it starts
 *
 * What systemd.unit(5), systemd.syntax(7), systemd.exec(5) and systemd.service(5) say about search
 * path, drop-ins, quoting, specifiers and command prefixes, in the part that decides which program
 * runs with which arguments, user, folder and environment. Sandboxing options are left out: the
 * box is the sandbox.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart_starts.h"

#define KEYS_MAX 1000
#define VALS_MAX 64

/* ---- files -------------------------------------------------------------------------------- */

static void read_keys(struct as_boot *b, struct as_unit *u, const char *path)
{
	cleanup_free char *text = NULL;
	struct as_ini it;
	size_t n;

	if (as_slurp(b->now, path, &text, &n))
		return;
	it = AS_INI(((struct str){ text, n }));
	while (as_ini_next(&it)) {
		if (u->nkeys == KEYS_MAX)
			continue;
		if (u->nkeys % 32 == 0)
			u->keys = xrealloc(u->keys, (u->nkeys + 32) * sizeof(*u->keys));
		u->keys[u->nkeys].key = as_boot_keep(b, it.key);
		u->keys[u->nkeys++].val = as_boot_keep(b, it.val);
	}
}

static void read_dropins(struct as_boot *b, const struct as_scope *scope, struct as_unit *u,
			 const char *name)
{
	size_t ndirs;
	const char *const *dirs = as_unit_dirs(scope->user, &ndirs);
	const char *home = scope->who ? scope->who->home : NULL;
	char dir[AS_PATH_MAX], path[AS_PATH_MAX];

	for (size_t i = ndirs; i-- > 0;) { /* the least important first */
		bool in_home = dirs[i][0] == '~';
		struct as_names names;

		if (in_home && !home)
			continue;
		snprintf(dir, sizeof(dir), "%.2000s%s/%s.d", in_home ? home : "", dirs[i] + in_home,
			 name);
		as_names_of(b->now, dir, &names);
		for (size_t k = 0; k < names.n; k++) {
			if (!str_ends(str_z(names.v[k]), ".conf"))
				continue;
			snprintf(path, sizeof(path), "%.3000s/%.255s", dir, names.v[k]);
			read_keys(b, u, path);
			if (as_differs(b->now, b->base, path)) {
				u->own = true;
				u->place = as_boot_z(b, str_z(path));
			}
		}
		as_names_free(&names);
	}
}

bool as_unit_load(struct as_boot *b, const struct as_scope *scope, const char *name,
		  struct as_unit *ret)
{
	struct as_unit u = { .when = scope->when };
	char file[AS_PATH_MAX], template[300];
	const char *base, *at = strchr(name, '@'), *dot = strrchr(name, '.');
	struct as_stat st;

	if (!as_unit_file(b->now, name, scope->who ? scope->who->home : NULL, scope->user, file) ||
	    b->now->lstat(b->now->ctx, file, &st) || !S_ISREG(st.mode) || !st.size)
		return false; /* not there, or masked: a link to /dev/null, an empty file */
	base = strrchr(file, '/') + 1;
	/* an alias has its own name only where the target is a template */
	u.name = as_boot_z(b, str_z(strchr(base, '@') || !strchr(base, '.') ? name : base));
	u.file = u.place = as_boot_z(b, str_z(file));
	u.own = as_differs(b->now, b->base, file);
	read_keys(b, &u, file);
	if (at && dot && dot > at + 1) {
		snprintf(template, sizeof(template), "%.*s@%s", (int)(at - name), name, dot);
		read_dropins(b, scope, &u, template);
	}
	read_dropins(b, scope, &u, u.name);
	*ret = u;
	return true;
}

int as_unit_vals(const struct as_unit *u, const char *key, struct str *ret, int room)
{
	int n = 0;

	for (int i = 0; i < u->nkeys; i++) {
		if (!as_is(u->keys[i].key, key))
			continue;
		if (!u->keys[i].val.n)
			n = 0;
		else if (n < room)
			ret[n++] = u->keys[i].val;
	}
	return n;
}

struct str as_unit_val(const struct as_unit *u, const char *key)
{
	struct str v[VALS_MAX];
	int n = as_unit_vals(u, key, v, VALS_MAX);

	return n ? v[n - 1] : (struct str){ "", 0 };
}

/* ---- specifiers and words ----------------------------------------------------------------- */

/* Instance names are escaped: '-' is '/', \xNN a byte. */
static void unescape(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t byte;

		if (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] == 'x' &&
		    !hex_decode(s.p + i + 2, 2, &byte)) {
			buf_add(out, &byte, 1);
			i += 3;
		} else {
			buf_add(out, s.p[i] == '-' ? "/" : s.p + i, 1);
		}
	}
}

void as_unit_expand(const struct as_boot *b, const struct as_scope *scope, const struct as_unit *u,
		    struct str s, struct buf *out)
{
	const char *dot = strrchr(u->name, '.'), *at = strchr(u->name, '@');
	struct str whole = { u->name, dot ? (size_t)(dot - u->name) : strlen(u->name) };
	struct str prefix = whole, inst = { "", 0 };
	bool user = scope->user;
	struct str name = as_unit_val(u, "User");
	const struct as_user *who = scope->who;
	char buf[256];

	if (!user)
		who = as_boot_user(b, name.n ? as_z(name, buf, sizeof(buf)) : "root");
	if (at && at < whole.p + whole.n) {
		prefix.n = (size_t)(at - u->name);
		inst = (struct str){ at + 1, whole.n - prefix.n - 1 };
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%' || i + 1 == s.n) {
			buf_add(out, s.p + i, 1);
			continue;
		}
		switch (s.p[++i]) {
		case '%':
			buf_puts(out, "%");
			break;
		case 'n':
			buf_puts(out, u->name);
			break;
		case 'N':
			buf_add(out, whole.p, whole.n);
			break;
		case 'p':
			buf_add(out, prefix.p, prefix.n);
			break;
		case 'P':
			unescape(prefix, out);
			break;
		case 'i':
			buf_add(out, inst.p, inst.n);
			break;
		case 'I':
			unescape(inst, out);
			break;
		case 'j':
		case 'J': {
			const char *dash = memrchr(prefix.p, '-', prefix.n);
			struct str last =
				dash ? (struct str){ dash + 1, prefix.n - (dash + 1 - prefix.p) }
				     : prefix;
			buf_add(out, last.p, last.n);
			break;
		}
		case 'f':
			buf_puts(out, "/");
			unescape(inst.n ? inst : prefix, out);
			break;
		case 'u':
			buf_puts(out, who ? who->name : "root");
			break;
		case 'U':
			buf_printf(out, "%u", who ? who->uid : 0);
			break;
		case 'g':
			buf_puts(out, who ? who->name : "root");
			break;
		case 'G':
			buf_printf(out, "%u", who ? who->uid : 0);
			break;
		case 'h':
			buf_puts(out, who ? who->home : "/root");
			break;
		case 's':
			buf_puts(out, who ? who->shell : "/bin/sh");
			break;
		case 't':
			if (user)
				buf_printf(out, "/run/user/%u", who ? who->uid : 0);
			else
				buf_puts(out, "/run");
			break;
		case 'S':
			buf_printf(out, "%s%s", user && who ? who->home : "",
				   user ? "/.local/state" : "/var/lib");
			break;
		case 'C':
			buf_printf(out, "%s%s", user && who ? who->home : "",
				   user ? "/.cache" : "/var/cache");
			break;
		case 'L':
			buf_printf(out, "%s%s", user && who ? who->home : "",
				   user ? "/.local/state/log" : "/var/log");
			break;
		case 'E':
			buf_printf(out, "%s%s", user && who ? who->home : "",
				   user ? "/.config" : "/etc");
			break;
		case 'T':
			buf_puts(out, "/tmp");
			break;
		case 'V':
			buf_puts(out, "/var/tmp");
			break;
		case 'y':
			buf_puts(out, u->file);
			break;
		case 'Y':
			buf_add(out, u->file, (size_t)(strrchr(u->file, '/') - u->file));
			break;
		case 'm':
		case 'H':
		case 'l':
		case 'q': {
			cleanup_free char *text = NULL;
			size_t n;

			if (!as_slurp(b->now, s.p[i] == 'm' ? "/etc/machine-id" : "/etc/hostname",
				      &text, &n)) {
				struct str v = as_trim((struct str){ text, n });

				buf_add(out, v.p, v.n > 64 ? 64 : v.n);
			}
			break;
		}
		default: /* unknown: as written */
			buf_add(out, s.p + i - 1, 2);
		}
	}
}

static size_t escape(struct str s, char *ret)
{
	static const char from[] = "abfnrtvs\\\"'", to[] = "\a\b\f\n\r\t\v \\\"'";
	const char *at = s.n > 1 ? strchr(from, s.p[1]) : NULL;
	uint8_t byte;

	if (s.n > 1 && s.p[1] && at) {
		*ret = to[at - from];
		return 2;
	}
	if (s.n > 3 && s.p[1] == 'x' && !hex_decode(s.p + 2, 2, &byte) && byte) {
		*ret = (char)byte;
		return 4;
	}
	*ret = '\\';
	return 1;
}

int as_unit_words(struct as_boot *b, struct str s, struct str *ret, int room)
{
	cleanup_buf struct buf word = { .limit = BOX_ARGV_MAX };
	int n = 0;

	while (n < room) {
		char quote = 0;

		s = as_trim(s);
		if (!s.n)
			break;
		word.n = 0;
		while (s.n && (quote || !isspace((unsigned char)*s.p))) {
			char c = *s.p;
			size_t used = 1;

			if (quote ? c == quote : c == '"' || c == '\'') {
				quote = quote ? 0 : c;
			} else {
				if (c == '\\')
					used = escape(s, &c);
				if (c)
					buf_add(&word, &c, 1);
			}
			s.p += used;
			s.n -= used;
		}
		ret[n++] = as_boot_keep(b, (struct str){ word.p, word.n });
	}
	return n;
}

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
	char name[400], path[AS_PATH_MAX];
	struct str prog;
	struct as_start *s;

	if (n < 1)
		return;
	prog = words[0];
	while (prog.n && strchr("-@:+!|", *prog.p)) {
		root |= *prog.p == '+';
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
	s->user = root ? "root" : x->user;
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
	add_commands(b, &x, "ExecStart", NULL, as_is(type, "oneshot"));
	add_commands(b, &x, "ExecStartPost", "ExecStartPost", true);
}
