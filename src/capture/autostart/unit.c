// SPDX-License-Identifier: Apache-2.0
/*
 * unit.c - one systemd unit: its files, values, specifiers and words
 *
 * What systemd.unit(5) and systemd.syntax(7) say about search path, drop-ins, quoting and
 * specifiers.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

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
