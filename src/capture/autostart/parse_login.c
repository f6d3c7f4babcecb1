// SPDX-License-Identifier: Apache-2.0
/*
 * parse_login.c - environment, loader, PAM, users, sudo, SSH: what counts at a login
 *
 * Secrets stay out of the record: a shadow line is told without its hash, a key without its body.
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

/* Variables that make other programs load or run something, or send their traffic elsewhere. */
static bool loads_code(struct str key)
{
	static const char *const names[] = {
		"BASH_ENV",
		"ENV",
		"PROMPT_COMMAND",
		"PATH",
		"PYTHONPATH",
		"PYTHONHOME",
		"PYTHONSTARTUP",
		"PERL5LIB",
		"PERL5OPT",
		"PERL5DB",
		"RUBYOPT",
		"RUBYLIB",
		"NODE_OPTIONS",
		"NODE_PATH",
		"JAVA_TOOL_OPTIONS",
		"_JAVA_OPTIONS",
		"JDK_JAVA_OPTIONS",
		"CLASSPATH",
		"GCONV_PATH",
		"GIO_EXTRA_MODULES",
		"GTK_MODULES",
		"GTK_PATH",
		"QT_PLUGIN_PATH",
		"GIT_SSH",
		"GIT_SSH_COMMAND",
		"GIT_EXEC_PATH",
		"EDITOR",
		"VISUAL",
		"PAGER",
		"MANPAGER",
		"LESSOPEN",
		"LESSCLOSE",
		"BROWSER",
		"SHELL",
		"SSLKEYLOGFILE",
		"SSL_CERT_FILE",
		"SSL_CERT_DIR",
		"CURL_CA_BUNDLE",
		"REQUESTS_CA_BUNDLE",
		"NODE_EXTRA_CA_CERTS",
		"PAC_URL",
		"auto_proxy",
		"AUTO_PROXY",
		"GLIBC_TUNABLES",
		"MALLOC_CONF",
		"VK_LAYER_PATH",
		"OPENSSL_CONF",
		"OPENSSL_MODULES",
		"SUDO_ASKPASS",
		"SSH_ASKPASS",
		"DOTNET_STARTUP_HOOKS",
		"CORECLR_PROFILER_PATH",
	};

	if (str_starts(key, "LD_") || str_ends(key, "_proxy") || str_ends(key, "_PROXY"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (as_is(key, names[i]))
			return true;
	return false;
}

static void env_lines(const struct as_file *f, bool all, struct as_list *out)
{
	struct str rest = f->text, line, key, val;

	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (str_starts(line, "export ")) {
			line.p += 7;
			line.n -= 7;
		}
		/* pam_env.conf: NAME DEFAULT=… OVERRIDE=… */
		if (as_find(line, "DEFAULT=") || as_find(line, "OVERRIDE=")) {
			val = line;
			key = as_word(&val);
		} else if (!as_split(line, '=', &key, &val)) {
			if (all)
				as_add(out, str_z(f->base), line, AS_SHELL);
			continue;
		}
		if (all || loads_code(key))
			as_add(out, key, line, AS_NONE);
	}
}

void as_parse_ENV(const struct as_file *f, struct as_list *out)
{
	env_lines(f, false, out);
}

/* A shell fragment that a service's script reads (etc/default): assignments that load code, and
 * whatever is no assignment, because it is run. */
void as_parse_SHVARS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, key, val;

	if (!S_ISREG(f->mode))
		return;
	while (as_line(&rest, &line)) {
		line = as_trim(line);
		if (line.n && *line.p != '#')
			as_add(out, as_split(line, '=', &key, &val) ? key : str_z(f->base), line,
			       AS_NONE);
	}
}

/* ld.so(8): names apart by blanks or colons */
void as_parse_PRELOAD(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, word;

	while (as_line(&rest, &line)) {
		const char *hash = line.n ? memchr(line.p, '#', line.n) : NULL;

		if (hash)
			line.n = hash - line.p;
		while ((word = as_word(&line)).n) {
			struct str part = word;

			while (part.n) {
				const char *colon = memchr(part.p, ':', part.n);
				size_t n = colon ? (size_t)(colon - part.p) : part.n;

				if (n)
					as_add(out, (struct str){ part.p, n },
					       (struct str){ part.p, n }, AS_PATH);
				n += colon ? 1 : 0;
				part.p += n;
				part.n -= n;
			}
		}
	}
}

/* site.py executes lines that begin with "import" and a blank; others only lengthen the path */
void as_parse_PTH(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		if (str_starts(line, "import ") || str_starts(line, "import\t"))
			as_add(out, str_z(f->base), line, AS_NONE);
		else if (as_trim(line).n && *line.p != '#')
			as_add(out, str_z("path"), line, AS_NONE);
	}
}

void as_parse_PYSTART(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		struct str t = as_trim(line);

		if (t.n && *t.p != '#')
			as_add(out, str_z(f->base), t, AS_SELF);
	}
}

/* ---- PAM ---------------------------------------------------------------------------------- */

/* [service] type control module arguments; control may be [value=action …]; @type: given apart */
static void pam_line(struct str line, struct str service, struct str type, struct as_list *out)
{
	struct str whole = line, control, module;
	struct as_item *it;
	char name[300];

	if (str_starts(line, "@include")) {
		as_add(out, line, line, AS_NONE);
		return;
	}
	if (!type.n)
		type = as_word(&line);
	line = as_trim(line);
	if (line.n && *line.p == '[') {
		const char *end = memchr(line.p, ']', line.n);

		if (!end)
			return;
		control = (struct str){ line.p, end + 1 - line.p };
		line.p += control.n;
		line.n -= control.n;
	} else {
		control = as_word(&line);
	}
	module = as_word(&line);
	if (!control.n || (!module.n && !as_is(control, "include")))
		return;
	snprintf(name, sizeof(name), "%.*s%s%.*s %.*s", (int)(service.n > 80 ? 80 : service.n),
		 service.p ? service.p : "", service.n ? " " : "", (int)(type.n > 40 ? 40 : type.n),
		 type.p, (int)(module.n > 120 ? 120 : module.n), module.p);
	it = as_add(out, str_z(name), whole, AS_MODULE);
	if (!it)
		return;
	it->names = as_keep(out, module, AS_TEXT_MAX);
	/* pam_exec runs the first argument that is a path */
	if (as_find(module, "pam_exec") || as_find(module, "pam_script"))
		for (struct str w; (w = as_word(&line)).n;)
			if (*w.p == '/') {
				it->names = as_keep(out, w, AS_TEXT_MAX);
				it->how = AS_PATH;
				break;
			}
}

static void pam_lines(const struct as_file *f, bool with_service, struct as_list *out)
{
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line, service = { 0 };

	while (as_logical(&rest, &join, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		if (with_service)
			service = as_word(&line);
		pam_line(as_trim(line), service, (struct str){ 0 }, out);
	}
}

void as_parse_PAM(const struct as_file *f, struct as_list *out)
{
	pam_lines(f, false, out);
}

void as_parse_PAM_CONF(const struct as_file *f, struct as_list *out)
{
	pam_lines(f, true, out);
}

/* pam-auth-update(8): "Auth:" and its like head indented lines without a type */
void as_parse_PAM_CONFIG(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, key, val, type = { 0 };

	while (as_line(&rest, &line)) {
		bool indented = line.n && (*line.p == ' ' || *line.p == '\t');

		if (as_split(line, ':', &key, &val) && !as_find(key, "pam_")) {
			type = key;
			line = val;
			indented = true;
		}
		if (indented && as_find(line, "pam_"))
			pam_line(as_trim(line), (struct str){ 0 }, type, out);
	}
}

/* ---- users -------------------------------------------------------------------------------- */

void as_parse_PASSWD(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, name, tail;

	while (as_line(&rest, &line))
		if (as_split(line, ':', &name, &tail) && name.n) {
			const char *shell = memrchr(tail.p, ':', tail.n);
			struct as_item *it = as_add(out, name, line, AS_PATH);

			if (it && shell)
				it->names = as_keep(
					out,
					(struct str){ shell + 1, tail.n - (shell + 1 - tail.p) },
					AS_TEXT_MAX);
		}
}

void as_parse_SHADOW(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, name, hash, tail;

	while (as_line(&rest, &line)) {
		uint8_t sum[SHA256_LEN];
		const char *what;
		struct as_item *it;

		if (!as_split(line, ':', &name, &tail) || !name.n)
			continue;
		if (!as_split(tail, ':', &hash, &tail))
			hash = (struct str){ 0 };
		what = !hash.n				    ? "no password: anybody may log in"
		       : (*hash.p == '!' || *hash.p == '*') ? "locked"
							    : "has a password";
		it = as_add(out, name, str_z(what), AS_NONE);
		if (it) { /* a changed password is a change, though it is not shown */
			sha256_once(line.p, line.n, sum);
			memcpy(it->digest, sum, sizeof(sum));
		}
	}
}

void as_parse_GROUP(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, name, tail;

	while (as_line(&rest, &line))
		if (as_split(line, ':', &name, &tail) && name.n)
			as_add(out, name, line, AS_NONE);
}

void as_parse_SUDOERS(const struct as_file *f, struct as_list *out)
{
	cleanup_buf struct buf join = { .limit = AS_FILE_MAX };
	struct str rest = f->text, line;

	/* sudoers(5): names with a dot or ending in ~ are skipped */
	if (strstr(f->path, "/sudoers.d/") &&
	    (strchr(f->base, '.') || str_ends(str_z(f->base), "~")))
		return;
	while (as_logical(&rest, &join, &line)) {
		struct str words;

		line = as_trim(line);
		if (!line.n || (*line.p == '#' && !str_starts(line, "#include")))
			continue;
		words = line;
		as_add(out, as_word(&words), line, AS_NONE);
	}
}

/* XML actions may name a program (org.freedesktop.policykit.exec.path); rules are JavaScript */
void as_parse_POLKIT(const struct as_file *f, struct as_list *out)
{
	static const char key[] = "org.freedesktop.policykit.exec.path\">";
	const char *at = f->text.n ? memmem(f->text.p, f->text.n, key, strlen(key)) : NULL;
	struct as_item *it = as_add(out, str_z(f->base), str_z(f->path), AS_NONE);
	size_t left;

	if (!at || !it)
		return;
	at += strlen(key);
	left = f->text.n - (at - f->text.p);
	for (size_t n = 0; n < left; n++)
		if (at[n] == '<') {
			it->command = as_keep(out, as_trim((struct str){ at, n }), AS_TEXT_MAX);
			it->how = AS_PATH;
			break;
		}
}

/* ---- SSH ---------------------------------------------------------------------------------- */

static bool key_type(struct str w)
{
	return str_starts(w, "ssh-") || str_starts(w, "ecdsa-") || str_starts(w, "sk-");
}

/* Options before the type may hold quoted blanks: command="a b",no-pty ssh-ed25519 AAAA… who */
void as_parse_AUTHKEYS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		struct str options = { 0 }, type, body, head;
		char sum_hex[SHA256_HEX], text[AS_TEXT_MAX], name[300];
		uint8_t sum[SHA256_LEN];
		struct as_item *it;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		head = line;
		type = as_word(&head);
		if (!key_type(type)) {
			bool quoted = false;
			size_t n = 0;

			for (; n < line.n && (quoted || (line.p[n] != ' ' && line.p[n] != '\t'));
			     n++)
				if (line.p[n] == '"' && (!n || line.p[n - 1] != '\\'))
					quoted = !quoted;
			options = (struct str){ line.p, n };
			head = (struct str){ line.p + n, line.n - n };
			type = as_word(&head);
			if (!key_type(type))
				continue;
		}
		body = as_word(&head);
		head = as_trim(head);
		sha256_once(body.p, body.n, sum);
		hex_encode(sum, 8, sum_hex);
		snprintf(name, sizeof(name), "%.*s %s %.*s", (int)(type.n > 40 ? 40 : type.n),
			 type.p, sum_hex, (int)(head.n > 200 ? 200 : head.n), head.n ? head.p : "");
		snprintf(text, sizeof(text), "%.*s%s%.*s key for %.*s",
			 (int)(options.n > 3000 ? 3000 : options.n), options.n ? options.p : "",
			 options.n ? " " : "", (int)(type.n > 40 ? 40 : type.n), type.p,
			 (int)(head.n > 300 ? 300 : head.n), head.n ? head.p : "");
		it = as_add(out, str_z(name), str_z(text), AS_NONE);
		if (it && as_find(options, "command=\"")) {
			/* something was found, so there are bytes */
			/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			const char *c = memmem(options.p, options.n, "command=\"", 9);
			size_t left = options.n - (c + 9 - options.p), n = 0;

			while (n < left && (c[9 + n] != '"' || (n && c[8 + n] == '\\')))
				n++;
			it->names = as_keep(out, (struct str){ c + 9, n }, AS_TEXT_MAX);
			it->how = AS_SHELL;
		}
	}
}

/* Keywords of sshd_config(5) and ssh_config(5) that run a command or open the door wider. */
static const struct {
	const char *key;
	bool runs;
} ssh_keys[] = {
	{ "AuthorizedKeysCommand", true },
	{ "AuthorizedPrincipalsCommand", true },
	{ "ForceCommand", true },
	{ "Subsystem", true },
	{ "ProxyCommand", true },
	{ "LocalCommand", true },
	{ "KnownHostsCommand", true },
	{ "PKCS11Provider", true },
	{ "SecurityKeyProvider", true },
	{ "XAuthLocation", true },
	{ "PermitLocalCommand", false },
	{ "ProxyJump", false },
	{ "PermitRootLogin", false },
	{ "PermitEmptyPasswords", false },
	{ "PasswordAuthentication", false },
	{ "PubkeyAuthentication", false },
	{ "AuthorizedKeysFile", false },
	{ "TrustedUserCAKeys", false },
	{ "PermitUserEnvironment", false },
	{ "AcceptEnv", false },
	{ "Include", false },
	{ "Port", false },
	{ "ListenAddress", false },
	{ "GatewayPorts", false },
	{ "AllowUsers", false },
	{ "AllowGroups", false },
	{ "UsePAM", false },
	{ "Match", false },
	{ "RemoteForward", false },
	{ "LocalForward", false },
	{ "DynamicForward", false },
	{ "StrictHostKeyChecking", false },
};

void as_parse_SSHCONF(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line;

	while (as_line(&rest, &line)) {
		struct str key, val;
		const char *eq;

		line = as_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		val = line;
		key = as_word(&val);
		eq = memchr(key.p, '=', key.n);
		if (eq) { /* Keyword=value is allowed too */
			val = (struct str){ eq + 1, line.n - (eq + 1 - line.p) };
			key.n = eq - key.p;
		}
		val = as_trim(val);
		for (size_t i = 0; i < ARRAY_SIZE(ssh_keys); i++) {
			struct as_item *it;

			if (!as_is_nocase(key, ssh_keys[i].key))
				continue;
			it = as_add(out, key, line, ssh_keys[i].runs ? AS_SHELL : AS_NONE);
			if (it && i == 3)
				as_word(&val); /* Subsystem NAME command */
			if (it)
				it->names = as_keep(out, as_trim(val), AS_TEXT_MAX);
			break;
		}
	}
}
