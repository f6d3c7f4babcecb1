// SPDX-License-Identifier: Apache-2.0
/*
 * concern.c - which places in a file system give power to whoever changes them
 *
 * A table of patterns: a leading '*' stands for any beginning, a trailing '*' for any end.
 */
#include <sys/stat.h>

#include "report/model.h"

static const struct {
	const char *pattern;
	unsigned concern;
} places[] = {
	/* who may log in, and who may become whom */
	{ "/etc/passwd", C_USER },
	{ "/etc/shadow", C_USER },
	{ "/etc/group", C_USER },
	{ "/etc/gshadow", C_USER },
	{ "/etc/subuid", C_USER },
	{ "/etc/subgid", C_USER },
	{ "/etc/sudoers", C_USER },
	{ "/etc/sudoers.d/*", C_USER },
	{ "/etc/doas.conf", C_USER },
	{ "/etc/shells", C_USER },
	{ "/etc/pam.conf", C_USER },
	{ "/etc/pam.d/*", C_USER },
	{ "/etc/security/*", C_USER },
	{ "/etc/polkit-1/*", C_USER },
	{ "/usr/share/polkit-1/*", C_USER },
	{ "/etc/ssh/sshd_config*", C_USER },
	{ "*/.ssh/authorized_keys", C_USER },
	{ "*/.ssh/authorized_keys2", C_USER },
	{ "/var/lib/AccountsService/*", C_USER },
	/* whose signatures and certificates are believed */
	{ "/usr/local/share/ca-certificates/*", C_TRUST },
	{ "/usr/share/ca-certificates/*", C_TRUST },
	{ "/etc/ca-certificates.conf", C_TRUST },
	{ "/etc/ca-certificates/*", C_TRUST },
	{ "/etc/ssl/certs/*", C_TRUST },
	{ "/etc/ssl/cert.pem", C_TRUST },
	{ "/etc/pki/*", C_TRUST },
	{ "*/.pki/nssdb/*", C_TRUST },
	{ "*/cert9.db", C_TRUST },
	{ "/etc/apt/trusted.gpg*", C_TRUST },
	{ "/etc/apt/keyrings/*", C_TRUST },
	{ "/usr/share/keyrings/*", C_TRUST },
	{ "/etc/apt/sources.list*", C_TRUST },
	{ "*/policies/policies.json", C_TRUST },
	{ "/etc/opt/chrome/policies/*", C_TRUST },
	{ "/etc/chromium/policies/*", C_TRUST },
	/* where names lead, and the way out */
	{ "/etc/hosts", C_NET },
	{ "/etc/resolv.conf", C_NET },
	{ "/etc/nsswitch.conf", C_NET },
	{ "/etc/host.conf", C_NET },
	{ "/etc/gai.conf", C_NET },
	{ "/etc/systemd/resolved.conf*", C_NET },
	{ "/etc/NetworkManager/*", C_NET },
	{ "/etc/network/*", C_NET },
	{ "/etc/nftables.conf", C_NET },
	{ "/etc/iptables/*", C_NET },
	{ "/etc/ufw/*", C_NET },
	{ "/etc/proxychains*", C_NET },
	{ "/etc/wireguard/*", C_NET },
};

static bool matches(struct str path, const char *pattern)
{
	size_t n = strlen(pattern);

	if (pattern[0] == '*')
		return str_ends(path, pattern + 1);
	if (pattern[n - 1] == '*')
		return path.n > n - 1 && !memcmp(path.p, pattern, n - 1);
	return str_eq(path, (struct str){ pattern, n });
}

static bool contains(struct str s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

static bool is_library(struct str path)
{
	return str_ends(path, ".so") || contains(base_name(path), ".so.");
}

unsigned path_concerns(struct str path, struct str type, int64_t mode, struct str detail)
{
	bool file = str_eq(type, STR("file"));
	unsigned found = 0;

	if (file && ((mode & (S_ISUID | S_ISGID)) || contains(detail, "security.capability")))
		found |= C_SETID;
	if (file && (mode & 0111) && !is_library(path))
		found |= C_PROGRAM;
	if (str_eq(type, STR("dir")))
		return found;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (matches(path, places[i].pattern))
			found |= places[i].concern;
	return found;
}

/* Classes of the autostart catalogue that are no start by itself. */
static const struct {
	const char *class;
	enum start_sort sort;
} sorts[] = {
	{ "users", ST_RIGHTS },
	{ "sudoers", ST_RIGHTS },
	{ "polkit", ST_RIGHTS },
	{ "pam", ST_RIGHTS },
	{ "ssh-authorized-keys", ST_RIGHTS },
	{ "ssh-config", ST_RIGHTS },
	{ "set-id", ST_RIGHTS },
	{ "trust-anchor", ST_TRUST },
	{ "browser-policy", ST_TRUST },
	{ "network-config", ST_NET },
	{ "daemon-defaults", ST_HOOK },
	{ "desktop-handler", ST_HOOK },
	{ "environment", ST_HOOK },
	{ "ld.so.preload", ST_HOOK },
	{ "ld.so.conf", ST_HOOK },
	{ "nsswitch", ST_HOOK },
	{ "gconv", ST_HOOK },
	{ "python-startup", ST_HOOK },
	{ "interpreter-startup", ST_HOOK },
	{ "logrotate", ST_HOOK },
	{ "git", ST_HOOK },
	{ "server-config", ST_HOOK },
	{ "apt", ST_HOOK },
	{ "package-script", ST_HOOK },
	{ "package-manager", ST_HOOK },
	{ "diversion", ST_HOOK },
	{ "wrapper", ST_HOOK },
	{ "replaced-program", ST_HOOK },
	{ "library", ST_HOOK },
};

enum start_sort start_sort(struct str class)
{
	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++)
		if (str_eq(class, str_z(sorts[i].class)))
			return sorts[i].sort;
	return ST_START;
}
