// SPDX-License-Identifier: Apache-2.0
/*
 * program.c - which program an entry starts
 *
 * `[ -x /opt/a ] && exec env X=1 nice -n 5 sh -c "/opt/a --quiet"` starts /opt/a. Commands that
 * only test, wrap or interpret are looked through: tests and `cd` are skipped, wrappers give way
 * to what they wrap, a shell's -c text is read in its turn, and an interpreter to its script. The
 * answer is a file that exists in the tree, or nothing: a guess is never given.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

static const char *const path_dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					 "/usr/bin",	    "/sbin",	      "/bin" };

bool as_lookup(const struct as_fs *fs, struct str word, char out[AS_PATH_MAX])
{
	char path[AS_PATH_MAX];

	if (!word.n || word.n > AS_PATH_MAX - 32 || memchr(word.p, 0, word.n))
		return false;
	if (*word.p == '/')
		return as_is_program(fs, as_z(word, path, sizeof(path)), out);
	if (memchr(word.p, '/', word.n))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(path_dirs); i++) {
		snprintf(path, sizeof(path), "%s/%.*s", path_dirs[i], (int)word.n, word.p);
		if (as_is_program(fs, path, out))
			return true;
	}
	return false;
}

/* ---- words of a command line -------------------------------------------------------------- */

#define WORDS_MAX 64

struct words {
	char buf[2 * AS_TEXT_MAX];
	struct str v[WORDS_MAX];
	int n;
	char end; /* what ended the simple command: ; & | ( ) newline, 0 at the end */
};

static void start_word(struct words *w, bool *in_word, char *to)
{
	if (*in_word)
		return;
	*in_word = true;
	if (w->n < WORDS_MAX)
		w->v[w->n].p = to;
}

static void end_word(struct words *w, bool *in_word, bool *drop, char *to)
{
	if (*in_word && w->n < WORDS_MAX && !*drop) {
		w->v[w->n].n = (size_t)(to - w->v[w->n].p);
		w->n++;
	}
	if (*in_word)
		*drop = false;
	*in_word = false;
}

static bool all_digits(const char *p, const char *end)
{
	while (p < end && isdigit((unsigned char)*p))
		p++;
	return p == end;
}

/* One simple command: quotes and redirections are taken off, variables stay as they are. */
static void simple_command(struct str *rest, struct words *w)
{
	char *to = w->buf, *const end = w->buf + sizeof(w->buf) - 1;
	bool in_word = false, drop = false; /* drop: the next word is a redirection's file */
	char quote = 0;

	w->n = 0;
	w->end = 0;
	while (rest->n) {
		char c = *rest->p;

		rest->p++, rest->n--;
		if (quote ? c == quote : (c == '\'' || c == '"')) {
			quote = quote ? 0 : c;
			start_word(w, &in_word, to);
			continue;
		}
		if (!quote && c && strchr("<>", c)) {
			/* a number right before it is a descriptor */
			if (in_word && w->n < WORDS_MAX && all_digits(w->v[w->n].p, to))
				in_word = false;
			end_word(w, &in_word, &drop, to);
			while (rest->n && memchr("<>&|", *rest->p, 4))
				rest->p++, rest->n--;
			drop = true;
			continue;
		}
		if (!quote && c && strchr(" \t\r\n;&|()", c)) {
			end_word(w, &in_word, &drop, to);
			if (!strchr(" \t\r", c)) {
				w->end = c;
				return;
			}
			continue;
		}
		start_word(w, &in_word, to);
		if (c == '\\' && quote != '\'' && rest->n) {
			c = *rest->p;
			rest->p++, rest->n--;
		}
		if (to < end)
			*to++ = c;
	}
	end_word(w, &in_word, &drop, to);
}

static bool in_table(struct str word, const char *const *table, size_t n)
{
	const char *slash = word.n ? memrchr(word.p, '/', word.n) : NULL;

	if (slash)
		word = (struct str){ slash + 1, word.n - (slash + 1 - word.p) };
	for (size_t i = 0; i < n; i++)
		if (as_is(word, table[i]))
			return true;
	return false;
}
#define IN(word, table) in_table(word, table, ARRAY_SIZE(table))

static const char *const tests[] = { "test",  "[",	"[[",	 "cd",	  ":",	    "true",
				     "false", "set",	"trap",	 "umask", "ulimit", "local",
				     "sleep", "export", "unset", "echo",  "printf", "return",
				     "exit",  "type",	"which", "mkdir", "case",   "for",
				     "shift", "read",	"}",	 "fi",	  "done" };
static const char *const keywords[] = {
	"if", "then", "else", "elif",	 "while",   "until", "do",
	"!",  "{",    "exec", "command", "builtin", "eval",  "time"
};
/* wrappers, and how many words of their own follow besides options */
static const struct {
	const char *name;
	int own;
	const char *with_value; /* options that take the next word */
} wrappers[] = {
	{ "env", 0, "uCS" },
	{ "sudo", 0, "ugpCrtThDRU" },
	{ "nohup", 0, "" },
	{ "setsid", 0, "" },
	{ "nice", 0, "n" },
	{ "ionice", 0, "cnpPu" },
	{ "timeout", 1, "ks" },
	{ "chrt", 1, "TPD" },
	{ "stdbuf", 0, "ioe" },
	{ "doas", 0, "uCa" },
	{ "flock", 1, "wEc" },
	{ "chronic", 0, "" },
	{ "systemd-cat", 0, "tpP" },
	{ "setpriv", 0, "" },
	{ "runuser", 0, "ugGs" },
	{ "taskset", 1, "" },
	{ "xargs", 0, "aEdILnPs" },
	{ "dbus-launch", 0, "" },
	{ "dbus-run-session", 0, "" },
	{ "unshare", 0, "" },
	{ "busybox", 0, "" },
	{ "strace", 0, "oePpsS" },
	{ "chroot", 1, "" },
	{ "logger", 0, "tpfins" },
	{ "start-stop-daemon", 0, "" },
	{ "systemd-run", 0, "puMPE" },
};
static const char *const shells[] = { "sh",  "bash", "dash", "ash",  "zsh",
				      "ksh", "mksh", "fish", "rbash" };

static bool interpreter(struct str word)
{
	static const char *const names[] = { "perl",   "node",	  "nodejs", "ruby", "php",
					     "lua",    "tclsh",	  "java",   "awk",  "gawk",
					     "expect", "Rscript", "pypy3" };
	const char *slash = word.n ? memrchr(word.p, '/', word.n) : NULL;

	if (slash)
		word = (struct str){ slash + 1, word.n - (slash + 1 - word.p) };
	return IN(word, names) || str_starts(word, "python") || str_starts(word, "perl5") ||
	       str_starts(word, "ruby2") || str_starts(word, "ruby3") || str_starts(word, "php8");
}

static bool is_assignment(struct str w)
{
	size_t i = 0;

	while (i < w.n && (isalnum((unsigned char)w.p[i]) || w.p[i] == '_'))
		i++;
	return i && i < w.n && w.p[i] == '=' && !isdigit((unsigned char)w.p[0]);
}

static bool shell_program(const struct as_fs *fs, struct str text, int depth,
			  char out[AS_PATH_MAX]);

/* Script or -c text of an interpreter: @i is the word after it. */
static bool script_of(const struct as_fs *fs, const struct words *w, int i, bool shell, int depth,
		      char out[AS_PATH_MAX])
{
	char path[AS_PATH_MAX];
	struct as_stat st;

	for (; i < w->n; i++) {
		if (!w->v[i].n || *w->v[i].p != '-') {
			if (*w->v[i].p != '/')
				return false;
			as_z(w->v[i], path, sizeof(path));
			return !as_stat(fs, path, &st, out) && S_ISREG(st.mode);
		}
		if (shell && w->v[i].n > 1 && w->v[i].p[1] != '-' &&
		    memchr(w->v[i].p, 'c', w->v[i].n))
			return i + 1 < w->n && shell_program(fs, w->v[i + 1], depth + 1, out);
		if (!shell &&
		    (as_is(w->v[i], "-c") || as_is(w->v[i], "-e") || as_is(w->v[i], "-m")))
			return false;
		if (as_is(w->v[i], "-jar"))
			continue;
	}
	return false;
}

static bool words_program(const struct as_fs *fs, const struct words *w, int depth,
			  char out[AS_PATH_MAX])
{
	int i = 0;

again:
	while (i < w->n && (is_assignment(w->v[i]) || IN(w->v[i], keywords)))
		i++;
	if (i >= w->n || IN(w->v[i], tests) || !w->v[i].n)
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(wrappers); k++) {
		const char *const name[] = { wrappers[k].name };
		int from = i, own = wrappers[k].own;

		if (!IN(w->v[i], name))
			continue;
		for (i++; i < w->n; i++) {
			if (as_is(w->v[i], "--exec") || as_is(w->v[i], "--startas")) {
				i++;
				break;
			}
			if (as_is(w->v[i], "--")) {
				i++;
				break;
			}
			if (w->v[i].n > 1 && *w->v[i].p == '-') {
				if (w->v[i].n == 2 && strchr(wrappers[k].with_value, w->v[i].p[1]))
					i++;
				continue;
			}
			if (own-- > 0)
				continue;
			break;
		}
		/* nothing wrapped that we can see: the wrapper is the program */
		if (i >= w->n)
			return as_lookup(fs, w->v[from], out);
		goto again;
	}
	if (as_is(w->v[i], ".") || as_is(w->v[i], "source"))
		return script_of(fs, w, i + 1, true, depth, out);
	if (IN(w->v[i], shells) && script_of(fs, w, i + 1, true, depth, out))
		return true;
	if (interpreter(w->v[i]) && script_of(fs, w, i + 1, false, depth, out))
		return true;
	return as_lookup(fs, w->v[i], out);
}

static bool shell_program(const struct as_fs *fs, struct str text, int depth, char out[AS_PATH_MAX])
{
	struct words *w;
	bool found = false;

	if (depth > 4)
		return false;
	w = xmalloc(sizeof(*w));
	/* the first simple command that names a program of the box */
	for (int i = 0; !found && text.n && i < WORDS_MAX; i++) {
		simple_command(&text, w);
		found = words_program(fs, w, depth, out);
	}
	free(w);
	return found;
}

/* ---- units and modules -------------------------------------------------------------------- */

const char *const *as_unit_dirs(bool user, size_t *ret_n)
{
	static const char *const system[] = {
		"/etc/systemd/system.control", "/run/systemd/system.control",
		"/run/systemd/transient",      "/run/systemd/generator.early",
		"/etc/systemd/system",	       "/etc/systemd/system.attached",
		"/run/systemd/system",	       "/run/systemd/system.attached",
		"/run/systemd/generator",      "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system",     "/lib/systemd/system",
		"/run/systemd/generator.late",
	};
	static const char *const users[] = {
		"~/.config/systemd/user.control", "~/.config/systemd/user",
		"/etc/xdg/systemd/user",	  "/etc/systemd/user",
		"~/.local/share/systemd/user",	  "/usr/local/share/systemd/user",
		"/usr/share/systemd/user",	  "/usr/local/lib/systemd/user",
		"/usr/lib/systemd/user",	  "/lib/systemd/user",
	};

	*ret_n = user ? ARRAY_SIZE(users) : ARRAY_SIZE(system);
	return user ? users : system;
}

bool as_unit_file(const struct as_fs *fs, const char *unit, const char *home, bool user,
		  char out[AS_PATH_MAX])
{
	size_t n;
	const char *const *dirs = as_unit_dirs(user, &n);
	char path[AS_PATH_MAX], name[300], *at;
	struct as_stat st;

	if (strlen(unit) > 255 || strchr(unit, '/'))
		return false;
	for (int round = 0; round < 2; round++) {
		snprintf(name, sizeof(name), "%s", unit);
		if (round) { /* x@inst.service → x@.service */
			const char *dot = strrchr(unit, '.');

			at = strchr(name, '@');
			if (!at || !dot)
				return false;
			strcpy(at + 1, dot);
		}
		for (size_t i = 0; i < n; i++) {
			if (dirs[i][0] == '~' && !home)
				continue;
			snprintf(path, sizeof(path), "%s%s/%s", dirs[i][0] == '~' ? home : "",
				 dirs[i] + (dirs[i][0] == '~'), name);
			if (!as_stat(fs, path, &st, out) && (S_ISREG(st.mode) || S_ISCHR(st.mode)))
				return true;
			/* a link to /dev/null, which is not in the tree: masked */
			if (!as_real_parent(fs, path, out) && !fs->lstat(fs->ctx, out, &st) &&
			    S_ISLNK(st.mode)) {
				char target[AS_PATH_MAX];

				if (fs->readlink(fs->ctx, out, target, sizeof(target)) >= 0 &&
				    !strcmp(target, "/dev/null"))
					return true;
			}
		}
	}
	return false;
}

/* systemd: "-@:+!" before the path; quotes as in a shell, and no operators. */
static bool exec_program(const struct as_fs *fs, struct str cmd, char out[AS_PATH_MAX])
{
	struct words *w;
	bool found;

	while (cmd.n && strchr("-@:+!|", *cmd.p) && *cmd.p)
		cmd.p++, cmd.n--;
	w = xmalloc(sizeof(*w));
	simple_command(&cmd, w);
	found = words_program(fs, w, 0, out);
	free(w);
	return found;
}

static bool unit_program(const struct as_fs *fs, struct as_list *l, const char *unit,
			 const char *place, int depth, char out[AS_PATH_MAX])
{
	cleanup_free char *text = NULL;
	char path[AS_PATH_MAX], home[AS_PATH_MAX] = "", next[300];
	bool user = strstr(place, "/systemd/user") != NULL;
	const char *dot = strrchr(unit, '.'), *cut;
	struct as_ini it;
	size_t n;
	bool found = false;

	cut = strstr(place, "/.config/systemd/");
	if (!cut)
		cut = strstr(place, "/.local/share/systemd/");
	if (cut)
		as_z((struct str){ place, cut - place }, home, sizeof(home));
	if (depth > 3 || !dot || !as_unit_file(fs, unit, home[0] ? home : NULL, user, path) ||
	    as_slurp(fs, path, &text, &n))
		return false;
	it = AS_INI(((struct str){ text, n }));
	next[0] = 0;
	while (as_ini_next(&it)) {
		if (!found && as_is(it.key, "ExecStart") && it.val.n)
			found = exec_program(fs, it.val, out);
		if (as_is(it.key, "Unit") || (as_is(it.key, "Service") && !strcmp(dot, ".socket")))
			as_z(it.val, next, 256);
	}
	if (found)
		return true;
	if (!next[0] &&
	    (!strcmp(dot, ".timer") || !strcmp(dot, ".socket") || !strcmp(dot, ".path")))
		snprintf(next, sizeof(next), "%.*s.service", (int)(dot - unit), unit);
	return next[0] && strcmp(next, unit) && unit_program(fs, l, next, place, depth + 1, out);
}

static bool pam_module(const struct as_fs *fs, struct str name, char out[AS_PATH_MAX])
{
	static const char *const dirs[] = { "/lib/x86_64-linux-gnu/security", "/lib/security",
					    "/usr/lib/x86_64-linux-gnu/security", "/lib64/security",
					    "/usr/local/lib/security" };
	char path[AS_PATH_MAX];
	struct as_stat st;

	if (name.n && *name.p == '/')
		return !as_stat(fs, as_z(name, path, sizeof(path)), &st, out) && S_ISREG(st.mode);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%.*s", dirs[i], (int)(name.n > 255 ? 255 : name.n),
			 name.n ? name.p : "");
		if (!as_stat(fs, path, &st, out) && S_ISREG(st.mode))
			return true;
	}
	return false;
}

void as_program(const struct as_fs *fs, struct as_list *l, struct as_item *it)
{
	char out[AS_PATH_MAX], word[AS_PATH_MAX];
	struct str text = it->names.p ? it->names : it->command;
	struct as_stat st;
	bool found = false;

	switch (it->how) {
	case AS_NONE:
		break;
	case AS_SELF:
		found = !as_stat(fs, it->path.p, &st, out) && S_ISREG(st.mode);
		break;
	case AS_PATH:
		if (text.n && *text.p == '/' && !memchr(text.p, 0, text.n))
			found = !as_stat(fs, as_z(text, word, sizeof(word)), &st, out) &&
				S_ISREG(st.mode);
		break;
	case AS_EXEC:
		found = exec_program(fs, text, out);
		break;
	case AS_SHELL:
		found = shell_program(fs, text, 0, out);
		break;
	case AS_UNIT:
		found = unit_program(fs, l, as_z(text, word, 300), it->path.p, 0, out);
		break;
	case AS_MODULE:
		found = pam_module(fs, text, out);
		break;
	}
	if (found)
		it->program = as_keep(l, str_z(out), AS_PATH_MAX);
}
