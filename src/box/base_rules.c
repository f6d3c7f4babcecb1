// SPDX-License-Identifier: Apache-2.0
/*
 * base_rules.c - which of the host's paths a box sees, may write, or never learns of
 *
 * First match wins. A pattern is fnmatch(3)'s, and its '*' also crosses slashes: "etc/ssl/private"
 * is the folder, "*.key" any such file anywhere. Everything that no row names is ACT_SKELETON in
 * /usr, /var and /opt, and ACT_COPY in /etc.
 */
#include <fnmatch.h>

#include "box/base_build.h"

enum kind { ANY, DIRS, FILES };

struct rule {
	const char *pattern;
	enum kind kind;
	enum base_act act;
};

static const struct rule rules[] = {
	/* -- /var: what people and daemons of this host left there is nobody's business ----------
	 */
	{ "var/log", DIRS, ACT_OPAQUE_DIRS },
	{ "var/spool", DIRS, ACT_OPAQUE_DIRS },
	{ "var/mail", DIRS, ACT_OPAQUE },
	{ "var/tmp", DIRS, ACT_OPAQUE },
	{ "var/backups", DIRS, ACT_OPAQUE },
	{ "var/crash", DIRS, ACT_OPAQUE },
	{ "var/www", DIRS, ACT_OPAQUE },
	{ "var/local", DIRS, ACT_OPAQUE },
	{ "var/snap", DIRS, ACT_OPAQUE },
	{ "var/lib/private", DIRS, ACT_OPAQUE },
	{ "var/cache/private", DIRS, ACT_OPAQUE },
	{ "var/lib/AccountsService", DIRS, ACT_OPAQUE_DIRS },
	{ "var/lib/NetworkManager", DIRS, ACT_OPAQUE },
	{ "var/lib/bluetooth", DIRS, ACT_OPAQUE },
	{ "var/lib/containerd", DIRS, ACT_OPAQUE },
	{ "var/lib/containers", DIRS, ACT_OPAQUE },
	{ "var/lib/dhcp", DIRS, ACT_OPAQUE },
	{ "var/lib/docker", DIRS, ACT_OPAQUE },
	{ "var/lib/flatpak", DIRS, ACT_OPAQUE },
	{ "var/lib/gdm3", DIRS, ACT_OPAQUE },
	{ "var/lib/iscsi", DIRS, ACT_OPAQUE },
	{ "var/lib/jenkins", DIRS, ACT_OPAQUE },
	{ "var/lib/libvirt", DIRS, ACT_OPAQUE_DIRS },
	{ "var/lib/lightdm", DIRS, ACT_OPAQUE },
	{ "var/lib/lxc", DIRS, ACT_OPAQUE },
	{ "var/lib/machines", DIRS, ACT_OPAQUE },
	{ "var/lib/mysql", DIRS, ACT_OPAQUE },
	{ "var/lib/postgresql", DIRS, ACT_OPAQUE_DIRS },
	{ "var/lib/samba", DIRS, ACT_OPAQUE_DIRS },
	{ "var/lib/snapd", DIRS, ACT_OPAQUE },
	{ "var/lib/upower", DIRS, ACT_OPAQUE },
	{ "var/lib/belljar", DIRS, ACT_OPAQUE },
	{ "var/lib/dbus/machine-id", ANY, ACT_EMPTY },
	{ "var/lib/systemd/random-seed", FILES, ACT_EMPTY },
	{ "var/lib/systemd/credential.secret", FILES, ACT_EMPTY },
	/* -- /var: what dpkg, apt, debconf, ucf and update-* open for writing ---------------------
	 */
	{ "var/lib/dpkg/lock*", FILES, ACT_EMPTY },
	{ "var/lib/dpkg/*/[Ll]ock", FILES, ACT_EMPTY },
	{ "var/lib/dpkg/*/Lock", FILES, ACT_EMPTY },
	{ "var/lib/dpkg/info/*", FILES, ACT_SKELETON }, /* replaced, never written in place */
	{ "var/lib/dpkg/*", FILES, ACT_COPY_BIG },
	{ "var/lib/apt/lists/lock", FILES, ACT_EMPTY },
	{ "var/lib/apt/daily_lock", FILES, ACT_EMPTY },
	{ "var/lib/apt/lists/auxfiles/*", FILES, ACT_SKELETON },
	{ "var/lib/apt/lists/*", FILES, ACT_SKELETON },
	{ "var/lib/apt/*", FILES, ACT_COPY },
	{ "var/cache/apt/archives/lock", FILES, ACT_EMPTY },
	{ "var/cache/debconf/passwords.dat*", FILES, ACT_EMPTY },
	{ "var/cache/debconf/config.dat*", FILES, ACT_ANSWERS },
	{ "var/cache/debconf/*", FILES, ACT_COPY_BIG },
	{ "var/cache/man/*", FILES, ACT_COPY_BIG }, /* databases that mandb updates in place */
	{ "var/lib/ucf/*", FILES, ACT_COPY },
	{ "var/lib/pam/*", FILES, ACT_COPY },
	{ "var/lib/misc/*", FILES, ACT_COPY },
	{ "var/lib/shells.state", FILES, ACT_COPY },
	{ "var/lib/sgml-base/*", FILES, ACT_COPY },
	{ "var/lib/xml-core/*", FILES, ACT_COPY },
	{ "var/lib/python/*", FILES, ACT_COPY },
	{ "var/lib/vim/*", FILES, ACT_COPY },
	{ "var/lib/emacsen-common/*", FILES, ACT_COPY },
	{ "var/lib/dictionaries-common/*", FILES, ACT_COPY },
	{ "var/lib/ispell/*", FILES, ACT_COPY },
	{ "var/lib/update-rc.d/*", FILES, ACT_COPY },
	{ "var/lib/initscripts/*", FILES, ACT_COPY },
	{ "var/lib/initramfs-tools/*", FILES, ACT_SKELETON },
	{ "var/lib/systemd/deb-systemd-*", FILES, ACT_COPY },
	{ "var/lib/logrotate/*", FILES, ACT_EMPTY },
	/* -- /etc: secrets, people, and what tells one machine from another -----------------------
	 */
	{ "etc/pam.d/*", FILES, ACT_COPY },
	{ "etc/security/*", FILES, ACT_COPY },
	{ "etc/*.key", ANY, ACT_OMIT },
	{ "etc/*.keytab", FILES, ACT_OMIT },
	{ "etc/*.p12", FILES, ACT_OMIT },
	{ "etc/*.pfx", FILES, ACT_OMIT },
	{ "etc/*.jks", FILES, ACT_OMIT },
	{ "etc/*.ovpn", FILES, ACT_OMIT },
	{ "etc/*/private", DIRS, ACT_OPAQUE },
	{ "etc/*secret*", FILES, ACT_OMIT },
	{ "etc/*password*", FILES, ACT_OMIT },
	{ "etc/*credential*", FILES, ACT_OMIT },
	{ "etc/passwd", FILES, ACT_OMIT },
	{ "etc/passwd-", FILES, ACT_OMIT }, /* made by base_etc() */
	{ "etc/group", FILES, ACT_OMIT },
	{ "etc/group-", FILES, ACT_OMIT },
	{ "etc/shadow", FILES, ACT_OMIT },
	{ "etc/shadow-", FILES, ACT_OMIT },
	{ "etc/gshadow", FILES, ACT_OMIT },
	{ "etc/gshadow-", FILES, ACT_OMIT },
	{ "etc/subuid", FILES, ACT_OMIT },
	{ "etc/subuid-", FILES, ACT_OMIT },
	{ "etc/subgid", FILES, ACT_OMIT },
	{ "etc/subgid-", FILES, ACT_OMIT },
	{ "etc/.pwd.lock", FILES, ACT_EMPTY },
	{ "etc/.updated", FILES, ACT_OMIT },
	{ "etc/machine-id", ANY, ACT_OMIT },
	{ "etc/machine-info", FILES, ACT_OMIT },
	{ "etc/hostname", ANY, ACT_OMIT },
	{ "etc/hosts", ANY, ACT_OMIT },
	{ "etc/hosts.*", FILES, ACT_PACKAGED },
	{ "etc/hostid", FILES, ACT_OMIT },
	{ "etc/mailname", FILES, ACT_OMIT },
	{ "etc/aliases*", FILES, ACT_OMIT },
	{ "etc/resolv.conf", ANY, ACT_OMIT },
	{ "etc/fstab*", ANY, ACT_OMIT },
	{ "etc/crypttab", FILES, ACT_OMIT },
	{ "etc/mtab", ANY, ACT_OMIT },
	{ "etc/exports*", FILES, ACT_OMIT },
	{ "etc/environment", FILES, ACT_OMIT },
	{ "etc/motd", FILES, ACT_OMIT },
	{ "etc/adjtime", FILES, ACT_OMIT },
	{ "etc/iscsi/initiatorname.iscsi", FILES, ACT_OMIT },
	{ "etc/nvme/host*", FILES, ACT_OMIT },
	{ "etc/lvm/archive", DIRS, ACT_OPAQUE },
	{ "etc/lvm/backup", DIRS, ACT_OPAQUE },
	{ "etc/mdadm", DIRS, ACT_OPAQUE },
	{ "etc/ssh/ssh_host_*", FILES, ACT_OMIT },
	{ "etc/ssh/ssh_known_hosts*", FILES, ACT_OMIT },
	{ "etc/ssl/certs/ssl-cert-snakeoil*", ANY, ACT_OMIT },
	{ "etc/letsencrypt", DIRS, ACT_OPAQUE },
	{ "etc/wireguard", DIRS, ACT_OPAQUE },
	{ "etc/openvpn", DIRS, ACT_OPAQUE },
	{ "etc/ipsec*", ANY, ACT_OMIT },
	{ "etc/ppp", DIRS, ACT_OPAQUE_DIRS },
	{ "etc/wpa_supplicant", DIRS, ACT_OPAQUE },
	{ "etc/NetworkManager/*", FILES, ACT_PACKAGED },
	{ "etc/network/*", FILES, ACT_PACKAGED },
	{ "etc/netplan", DIRS, ACT_OPAQUE },
	{ "etc/systemd/network", DIRS, ACT_OPAQUE },
	{ "etc/samba", DIRS, ACT_OPAQUE },
	{ "etc/docker", DIRS, ACT_OPAQUE },
	{ "etc/kubernetes", DIRS, ACT_OPAQUE },
	{ "etc/containers", DIRS, ACT_OPAQUE_DIRS },
	{ "etc/postfix", DIRS, ACT_OPAQUE },
	{ "etc/exim4", DIRS, ACT_OPAQUE },
	{ "etc/apt/auth.conf*", ANY, ACT_OMIT },
	{ "etc/apt/sources.list*", FILES, ACT_COPY },
	{ "etc/apt/apt.conf*", FILES, ACT_PACKAGED },
	{ "etc/crontab", FILES, ACT_PACKAGED }, /* an administrator's own jobs may hold anything */
	{ "etc/cron.*/*", FILES, ACT_PACKAGED },
	{ "etc/anacrontab", FILES, ACT_PACKAGED },
	{ "etc/sudoers*", FILES, ACT_PACKAGED },
	{ "etc/profile.d/*", FILES, ACT_PACKAGED },
	{ "etc/rc.local", FILES, ACT_PACKAGED },
	{ "etc/systemd/system/*", FILES, ACT_PACKAGED },
	{ "etc/systemd/user/*", FILES, ACT_PACKAGED },
	{ "etc/netrc", FILES, ACT_OMIT },
	{ "etc/npmrc", FILES, ACT_OMIT },
	{ "etc/pip.conf", FILES, ACT_OMIT },
	{ "etc/gitconfig", FILES, ACT_OMIT },
	{ "etc/wgetrc", FILES, ACT_PACKAGED },
	{ "etc/curlrc", FILES, ACT_OMIT },
	{ "etc/opt", DIRS, ACT_OPAQUE_DIRS },
	{ "etc/*", ANY, ACT_COPY },
};

enum base_act base_rule(const char *path, bool is_dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];

		if ((r->kind == DIRS && !is_dir) || (r->kind == FILES && is_dir))
			continue;
		if (!fnmatch(r->pattern, path, 0))
			return r->act;
	}
	return ACT_SKELETON;
}
