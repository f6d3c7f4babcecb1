// SPDX-License-Identifier: Apache-2.0
/*
 * parse_host.c - kernel, devices, servers, package managers: what events start
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

/* Each line that is not empty and no comment. */
void as_parse_LINES(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	if (!S_ISREG(f->mode))
		return;
	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (line.n && *line.p != '#' && *line.p != ';' && !str_starts(line, "//"))
			as_add(out, str_z(f->base), line, AS_NONE);
	}
}

void as_parse_KEYS(const struct as_file *f, struct as_list *out)
{
	struct as_ini it = AS_INI(f->text);
	bool any = false;
	char name[400];

	while (as_ini_next(&it)) {
		any = true;
		snprintf(name, sizeof(name), "%s%s%.*s", it.section, it.section[0] ? "/" : "",
			 (int)(it.key.n > 300 ? 300 : it.key.n), it.key.p);
		as_add(out, str_z(name), it.val,
		       it.val.n && (*it.val.p == '/' || as_find(it.key, "Exec")) ? AS_EXEC
										 : AS_NONE);
	}
	if (!any)
		as_parse_LINES(f, out);
}

/* ---- kernel and devices ------------------------------------------------------------------- */

void as_parse_MODLOAD(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, word;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';')
			continue;
		word = line;
		as_add(out, as_word(&word), line, AS_NONE);
	}
}

/* install/remove MODULE COMMAND… are run by a shell; others only steer */
void as_parse_MODPROBE(const struct as_file *f, struct as_list *out)
{
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line;

	while (as_logical(&rest, &join, &line)) {
		struct str words, verb, module;
		char name[300];
		bool runs;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		words = line;
		verb = as_word(&words);
		module = as_word(&words);
		runs = as_is(verb, "install") || as_is(verb, "remove");
		snprintf(name, sizeof(name), "%.*s %.*s", (int)(verb.n > 40 ? 40 : verb.n), verb.p,
			 (int)(module.n > 200 ? 200 : module.n), module.p);
		as_add(out, str_z(name), runs ? words : line, runs ? AS_SHELL : AS_NONE);
	}
}

void as_parse_DKMS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, key, val;
	char name[256] = "";

	while (as_line(&rest, &line))
		if (as_split(line, '=', &key, &val) && as_is(key, "PACKAGE_NAME"))
			as_z(val, name, sizeof(name));
	as_add(out, str_z(name[0] ? name : f->base), str_z(f->path), AS_NONE);
}

/* Only keys whose value is a program, or that take a wall down. A '|' marks a pipe. */
void as_parse_SYSCTL(const struct as_file *f, struct as_list *out)
{
	static const char *const helpers[] = {
		"core_pattern", "modprobe",	  "hotplug",
		"poweroff_cmd", "usermodehelper", "modules_disabled"
	};
	struct str rest = f->text, line, key, val;

	while (as_line(&rest, &line)) {
		struct as_item *it;
		bool runs = false;

		line = as_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';' || !as_split(line, '=', &key, &val))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
			runs |= as_find(key, helpers[i]);
		it = as_add(out, key, line, runs ? AS_EXEC : AS_NONE);
		if (!it || !runs)
			continue;
		if (val.n && *val.p == '|')
			val.p++, val.n--;
		it->names = as_keep(out, as_trim(val), AS_TEXT_MAX);
	}
}

void as_parse_KERNELPATH(const struct as_file *f, struct as_list *out)
{
	struct str val = as_trim(f->text);
	struct as_item *it = as_add(out, str_z(f->base), val, AS_EXEC);

	if (it && val.n && *val.p == '|')
		it->names = as_keep(out, (struct str){ val.p + 1, val.n - 1 }, AS_TEXT_MAX);
}

/* binfmt.d(5): :name:type:offset:magic:mask:interpreter:flags, the first byte is the separator;
 * update-binfmts' format has "interpreter PATH" */
void as_parse_BINFMT(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		struct str field[6] = { 0 };
		struct as_item *it;
		char sep;

		line = as_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';')
			continue;
		if (str_starts(line, "interpreter ")) {
			struct str w = line;

			as_word(&w);
			as_add(out, str_z(f->base), w, AS_PATH);
			continue;
		}
		sep = *line.p;
		if (sep == 'p' || sep == 'm' || sep == 'e' || sep == 'o') /* the other format */
			continue;
		struct str at = { line.p + 1, line.n - 1 };
		for (int i = 0; i < 6; i++) {
			const char *end = at.n ? memchr(at.p, sep, at.n) : NULL;
			size_t n = end ? (size_t)(end - at.p) : at.n;

			field[i] = (struct str){ at.p, n };
			n += end ? 1 : 0;
			at.p += n;
			at.n -= n;
		}
		if (!field[5].n)
			continue;
		it = as_add(out, field[0], line, AS_PATH);
		if (it)
			it->names = as_keep(out, field[5], AS_TEXT_MAX);
	}
}

/* RUN{program}+="…", PROGRAM=="…", IMPORT{program}="…"; udev(7) */
void as_parse_UDEV(const struct as_file *f, struct as_list *out)
{
	static const char *const keys[] = { "RUN", "PROGRAM", "IMPORT{program}",
					    "ENV{SYSTEMD_WANTS}", "ENV{SYSTEMD_USER_WANTS}" };
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line;

	if (!str_ends(str_z(f->base), ".rules"))
		return;
	while (as_logical(&rest, &join, &line)) {
		bool any = false;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			const char *at = line.p, *end = line.p + line.n;
			size_t kn = strlen(keys[k]);

			while ((at = memmem(at, end - at, keys[k], kn))) {
				const char *open, *close;
				struct as_item *it;

				/* "RUN" also inside another word or value */
				if (at > line.p && at[-1] != ',' && at[-1] != ' ' &&
				    at[-1] != '\t') {
					at += kn;
					continue;
				}
				open = memchr(at, '"', end - at);
				close = open ? memchr(open + 1, '"', end - open - 1) : NULL;
				if (!close)
					break;
				if (!memmem(at, open - at, "{builtin}", 9)) {
					it = as_add(out, (struct str){ at, open - at },
						    (struct str){ open + 1, close - open - 1 },
						    k < 3 ? AS_SHELL : AS_UNIT);
					if (it && k >= 3)
						it->names = it->command;
				}
				any = true;
				at = close + 1;
			}
		}
		if (!any && (as_find(line, "OWNER=") || as_find(line, "MODE=")))
			as_add(out, STR("device access"), line, AS_NONE);
	}
}

/* interfaces(5): pre-up, up, post-up, down, pre-down, post-down run a command */
void as_parse_IFACES(const struct as_file *f, struct as_list *out)
{
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line;

	while (as_logical(&rest, &join, &line)) {
		struct str key;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		key = as_word(&line);
		line = as_trim(line);
		as_add(out, key, line,
		       str_ends(key, "up") || str_ends(key, "down") || as_is(key, "wpa-script")
			       ? AS_SHELL
			       : AS_NONE);
	}
}

/* ---- servers ------------------------------------------------------------------------------ */

/* service socket protocol wait user program arguments; "#<off>#" begins a disabled line */
void as_parse_INETD(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		struct str words, service;
		struct as_item *it;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		words = line;
		service = as_word(&words);
		for (int i = 0; i < 4; i++)
			as_word(&words);
		words = as_trim(words);
		if (!words.n)
			continue;
		it = as_add(out, service, line, AS_EXEC);
		if (it)
			it->names = as_keep(out, words, AS_TEXT_MAX);
	}
}

void as_parse_XINETD(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, key, val;
	char service[256] = "", server[1024] = "", args[1024] = "", text[2100];
	bool disabled = false;

	while (as_line(&rest, &line)) {
		struct str w;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		w = line;
		if (as_is(as_word(&w), "service")) {
			as_z(as_trim(w), service, sizeof(service));
			server[0] = args[0] = 0;
			disabled = false;
		} else if (*line.p == '}') {
			snprintf(text, sizeof(text), "%s%s%s", server, args[0] ? " " : "", args);
			if (server[0])
				as_add(out, str_z(service),
				       disabled ? STR("disabled") : str_z(text),
				       disabled ? AS_NONE : AS_EXEC);
		} else if (as_split(line, '=', &key, &val)) {
			if (as_is(key, "server"))
				as_z(val, server, sizeof(server));
			else if (as_is(key, "server_args"))
				as_z(val, args, sizeof(args));
			else if (as_is(key, "disable"))
				disabled = as_is(val, "yes");
		} else if (str_starts(line, "includedir")) {
			as_add(out, STR("includedir"), line, AS_NONE);
		}
	}
}

/* Script blocks: from prerotate, postrotate, … to endscript */
void as_parse_LOGROTATE(const struct as_file *f, struct as_list *out)
{
	static const char *const blocks[] = { "prerotate", "postrotate", "firstaction",
					      "lastaction", "preremove" };
	struct str rest = f->text, line, name = { 0 };
	cleanup_buf struct buf script = { .limit = AS_TEXT_MAX };
	bool in = false;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (in) {
			if (as_is(line, "endscript")) {
				as_add(out, name, (struct str){ script.p, script.n }, AS_SHELL);
				in = false;
				continue;
			}
			if (script.n)
				buf_puts(&script, "; ");
			buf_add(&script, line.p, line.n);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
			if (as_is(line, blocks[i])) {
				in = true;
				name = str_z(blocks[i]);
				script.n = 0;
			}
		if (str_starts(line, "include") || str_starts(line, "compresscmd") ||
		    str_starts(line, "uncompresscmd") || str_starts(line, "mail ")) {
			struct str w = line;

			as_add(out, as_word(&w), w, as_find(line, "cmd") ? AS_EXEC : AS_NONE);
		}
	}
}

/* start program = "…", if … then exec "…" */
void as_parse_MONIT(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	if (!S_ISREG(f->mode))
		return;
	while (as_line(&rest, &line)) {
		struct str open;
		struct as_item *it;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (!as_find(line, "program") && !as_find(line, "exec") &&
		    !as_find(line, "include"))
			continue;
		it = as_add(out, str_z(f->base), line, AS_NONE);
		open.p = memchr(line.p, '"', line.n);
		if (!it || !open.p)
			continue;
		open.p++;
		open.n = line.n - (open.p - line.p);
		for (size_t n = 0; n < open.n; n++)
			if (open.p[n] == '"')
				open.n = n;
		it->names = as_keep(out, open, AS_TEXT_MAX);
		it->how = AS_SHELL;
	}
}

/* git-config(1): keys whose value git runs, or that lead to a file which does */
void as_parse_GITCONFIG(const struct as_file *f, struct as_list *out)
{
	static const char *const keys[] = {
		"hookspath",
		"sshcommand",
		"fsmonitor",
		"editor",
		"pager",
		"askpass",
		"program",
		"helper",
		"textconv",
		"command",
		"clean",
		"smudge",
		"process",
		"cmd",
		"driver",
		"external",
		"path",
		"gitproxy",
		"alternaterefscommand",
		"tocmd",
		"cccmd",
		"uploadpack",
		"receivepack",
		"vcs",
		"proxy",
		"insteadof",
		"templatedir",
		"sslverify",
		"packobjectshook",
	};
	struct as_ini it = AS_INI(f->text);

	while (as_ini_next(&it)) {
		bool alias = str_starts(str_z(it.section), "alias");
		char name[400];
		struct str val = it.val;
		struct as_item *item;

		for (size_t i = 0; !alias && i < ARRAY_SIZE(keys); i++)
			if (as_is_nocase(it.key, keys[i]))
				goto found;
		if (!alias || !val.n || *val.p != '!') /* an alias runs a shell only after '!' */
			continue;
	found:
		snprintf(name, sizeof(name), "%s.%.*s", it.section,
			 (int)(it.key.n > 200 ? 200 : it.key.n), it.key.p);
		item = as_add(out, str_z(name), val, AS_SHELL);
		if (item && val.n && *val.p == '!')
			item->names =
				as_keep(out, (struct str){ val.p + 1, val.n - 1 }, AS_TEXT_MAX);
	}
}

void as_parse_GITHOOK(const struct as_file *f, struct as_list *out)
{
	if (!str_ends(str_z(f->base), ".sample"))
		as_parse_SCRIPT(f, out);
}

/* ---- package managers --------------------------------------------------------------------- */

/* apt.conf(5): Scope::Key "value"; or nested { "value"; }. Tells every value whose key runs a
 * program, and those that weaken trust or lead elsewhere. */
static bool apt_runs(struct str key)
{
	return as_find(key, "Invoke") || as_find(key, "Pre-Install-Pkgs") || as_find(key, "Hook") ||
	       as_find(key, "Dir::Bin") || as_find(key, "RunScripts") || as_find(key, "Command") ||
	       as_find(key, "Post-Install") || as_find(key, "ProxyAutoDetect") ||
	       as_find(key, "Proxy-Auto-Detect");
}

static bool apt_weakens(struct str key)
{
	return as_find(key, "Proxy") || as_find(key, "Verify") || as_find(key, "Insecure") ||
	       as_find(key, "Unauthenticated") || as_find(key, "Trusted") ||
	       as_find(key, "Periodic") || as_find(key, "Unattended") || as_find(key, "Options");
}

void as_parse_APTCONF(const struct as_file *f, struct as_list *out)
{
	char scope[AS_DEPTH_MAX][128], key[AS_DEPTH_MAX * 130 + 2];
	const char *p = f->text.p, *end = p + f->text.n;
	char word[128] = "";
	int depth = 0;

	while (p < end) {
		const char *start = p;

		if (*p == '#' || (*p == '/' && p + 1 < end && p[1] == '/')) {
			while (p < end && *p != '\n')
				p++;
		} else if (*p == '/' && p + 1 < end && p[1] == '*') {
			p = memmem(p, end - p, "*/", 2);
			p = p ? p + 2 : end;
		} else if (*p == '"') {
			const char *close = memchr(p + 1, '"', end - p - 1);
			size_t n = 0;

			if (!close)
				break;
			key[0] = 0;
			for (int i = 0; i < depth; i++)
				n += snprintf(key + n, sizeof(key) - n, "%s%s", n ? "::" : "",
					      scope[i]);
			if (word[0])
				snprintf(key + n, sizeof(key) - n, "%s%s", n ? "::" : "", word);
			if (apt_runs(str_z(key)) || apt_weakens(str_z(key)))
				as_add(out, str_z(key), (struct str){ p + 1, close - p - 1 },
				       apt_runs(str_z(key)) ? AS_SHELL : AS_NONE);
			p = close + 1;
		} else if (*p == '{') {
			if (depth < AS_DEPTH_MAX)
				snprintf(scope[depth++], sizeof(scope[0]), "%s", word);
			word[0] = 0;
			p++;
		} else if (*p == '}') {
			depth -= depth > 0;
			word[0] = 0;
			p++;
		} else if (*p == ';') {
			word[0] = 0;
			p++;
		} else if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
			p++;
		} else {
			while (p < end && !memchr(" \t\r\n;{}\"", *p, 8))
				p++;
			as_z((struct str){ start, p - start }, word, sizeof(word));
		}
	}
}

/* one-line style: deb [options] URI suite …; deb822: URIs:, Suites:, Signed-By:, Trusted: */
void as_parse_SOURCES(const struct as_file *f, struct as_list *out)
{
	static const char *const fields[] = { "URIs",	 "Suites", "Signed-By", "Trusted",
					      "Enabled", "Types",  "Components" };
	struct str rest = f->text, line, key, val;
	bool deb822 = str_ends(str_z(f->base), ".sources");

	if (!deb822 && !str_ends(str_z(f->base), ".list"))
		return;
	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (!deb822) {
			as_add(out, str_z(f->base), line, AS_NONE);
			continue;
		}
		if (as_split(line, ':', &key, &val))
			for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
				if (as_is_nocase(key, fields[i]))
					as_add(out, key, line, AS_NONE);
	}
}

void as_parse_KEYRING(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode) && f->text.n)
		as_add(out, str_z(f->base), STR("packages signed with this key are believed"),
		       AS_NONE);
}

void as_parse_DPKGCONF(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, key, val;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (!as_split(line, '=', &key, &val)) {
			val = line;
			key = as_word(&val);
		}
		as_add(out, key, val, as_find(key, "invoke") ? AS_SHELL : AS_NONE);
	}
}

void as_parse_MAINTSCRIPT(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode) && f->text.n)
		as_add(out, str_z(f->base), str_z(f->path), AS_SELF);
}

/* deb-triggers(5) */
void as_parse_TRIGGERS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (str_starts(line, "interest"))
			as_add(out, str_z(f->base), line, AS_NONE);
	}
}

/* diversions: three lines each, file, where it went, who; statoverride: user group mode file */
void as_parse_DIVERSIONS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, a, b, c;
	cleanup_buf struct buf text = { .limit = 3 * AS_TEXT_MAX };

	if (!strcmp(f->base, "statoverride")) {
		as_parse_LINES(f, out);
		return;
	}
	while (as_line(&rest, &a) && as_line(&rest, &b) && as_line(&rest, &c)) {
		struct as_item *it;

		text.n = 0;
		buf_printf(&text, "%.*s moved to %.*s by %.*s", (int)a.n, a.p, (int)b.n, b.p,
			   (int)c.n, c.p);
		it = as_add(out, a, (struct str){ text.p, text.n }, AS_PATH);
		if (it)
			it->names = as_keep(out, a, AS_TEXT_MAX);
	}
}
