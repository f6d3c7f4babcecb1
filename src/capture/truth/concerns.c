// SPDX-License-Identifier: Apache-2.0
/*
 * concerns.c - which changed files a person wants to see first; users and groups that differ
 *
 * CONCERN_PACKAGED needs the package database and is told by packaged_between(), never here.
 */
#include <sys/stat.h>

#include "capture/truth/changes.h"

#define ACCOUNTS_MAX	  (4u << 20) /* bytes of a passwd or group file */
#define ACCOUNT_LINES_MAX 65536

/* A pattern that ends in '/' is a folder with all below it; "*x" matches a path that ends in x. */
static const struct {
	unsigned concern;
	const char *pattern;
} places[] = {
	{ CONCERN_USER, "/etc/passwd" },
	{ CONCERN_USER, "/etc/group" },
	{ CONCERN_USER, "/etc/shadow" },
	{ CONCERN_USER, "/etc/gshadow" },
	{ CONCERN_USER, "/etc/subuid" },
	{ CONCERN_USER, "/etc/subgid" },
	{ CONCERN_USER, "/etc/sudoers" },
	{ CONCERN_USER, "/etc/sudoers.d/" },
	{ CONCERN_USER, "/etc/sudo.conf" },
	{ CONCERN_USER, "/etc/doas.conf" },
	{ CONCERN_USER, "/etc/doas.d/" },
	{ CONCERN_USER, "/etc/polkit-1/" },
	{ CONCERN_USER, "/usr/share/polkit-1/" },
	{ CONCERN_USER, "/etc/security/opasswd" },
	{ CONCERN_USER, "*/.ssh/authorized_keys" },
	{ CONCERN_USER, "*/.ssh/authorized_keys2" },
	{ CONCERN_TRUST, "/usr/local/share/ca-certificates/" },
	{ CONCERN_TRUST, "/usr/share/ca-certificates/" },
	{ CONCERN_TRUST, "/etc/ca-certificates/" },
	{ CONCERN_TRUST, "/etc/ca-certificates.conf" },
	{ CONCERN_TRUST, "/etc/ssl/certs/" },
	{ CONCERN_TRUST, "/etc/ssl/cert.pem" },
	{ CONCERN_TRUST, "/etc/pki/" },
	{ CONCERN_TRUST, "/usr/share/pki/" },
	{ CONCERN_TRUST, "/etc/apt/trusted.gpg" },
	{ CONCERN_TRUST, "/etc/apt/trusted.gpg.d/" },
	{ CONCERN_TRUST, "/etc/apt/keyrings/" },
	{ CONCERN_TRUST, "/usr/share/keyrings/" },
	{ CONCERN_TRUST, "/etc/pacman.d/gnupg/" },
	{ CONCERN_TRUST, "*/.pki/nssdb/cert9.db" },
	{ CONCERN_TRUST, "*/.pki/nssdb/pkcs11.txt" },
	{ CONCERN_TRUST, "*/cert9.db" },
	{ CONCERN_TRUST, "*/cert_override.txt" },
	{ CONCERN_TRUST, "*/lib/security/cacerts" },
	{ CONCERN_NET, "/etc/hosts" },
	{ CONCERN_NET, "/etc/hosts.allow" },
	{ CONCERN_NET, "/etc/hosts.deny" },
	{ CONCERN_NET, "/etc/resolv.conf" },
	{ CONCERN_NET, "/etc/resolvconf/" },
	{ CONCERN_NET, "/etc/nsswitch.conf" },
	{ CONCERN_NET, "/etc/host.conf" },
	{ CONCERN_NET, "/etc/gai.conf" },
	{ CONCERN_NET, "/etc/systemd/resolved.conf" },
	{ CONCERN_NET, "/etc/systemd/resolved.conf.d/" },
	{ CONCERN_NET, "/etc/systemd/network/" },
	{ CONCERN_NET, "/etc/network/interfaces" },
	{ CONCERN_NET, "/etc/network/interfaces.d/" },
	{ CONCERN_NET, "/etc/netplan/" },
	{ CONCERN_NET, "/etc/NetworkManager/" },
	{ CONCERN_NET, "/etc/nftables.conf" },
	{ CONCERN_NET, "/etc/iptables/" },
	{ CONCERN_NET, "/etc/ufw/" },
	{ CONCERN_NET, "/etc/proxychains.conf" },
	{ CONCERN_NET, "/etc/apt/apt.conf.d/*proxy" },
	{ CONCERN_NET, "/etc/dnsmasq.conf" },
	{ CONCERN_NET, "/etc/dnsmasq.d/" },
	{ CONCERN_NET, "/etc/wireguard/" },
};

static bool matches(struct str path, const char *pattern)
{
	const char *star = strchr(pattern, '*');
	size_t n = strlen(pattern);

	if (star) {
		struct str head = { pattern, (size_t)(star - pattern) };

		return path.n >= n - 1 && !memcmp(path.p, head.p, head.n) &&
		       str_ends(path, star + 1);
	}
	if (pattern[n - 1] == '/')
		return path.n > n && str_starts(path, pattern);
	return path.n == n && !memcmp(path.p, pattern, n);
}

static bool has_capability(struct str detail)
{
	static const char word[] = "xattr security.capability ";
	const char *at = detail.n ? memmem(detail.p, detail.n, word, sizeof(word) - 1) : NULL;

	/* names in the detail are escaped, so that these words are ours */
	return at && (size_t)(detail.p + detail.n - at) >= sizeof(word) &&
	       at[sizeof(word) - 1] != 'r';
}

unsigned file_concerns(const struct change *c)
{
	unsigned found = 0;

	if (c->op != CHANGE_REMOVED && S_ISREG(c->mode) &&
	    ((c->mode & 06000) || has_capability(c->detail)))
		found |= CONCERN_SETID;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (matches(c->path, places[i].pattern) ||
		    (c->op == CHANGE_MOVED && matches(c->path2, places[i].pattern)))
			found |= places[i].concern;
	return found;
}

/* ---- users and groups --------------------------------------------------------------------- */

static const char *const account_files[] = { "passwd", "group" };

struct accounts_args {
	struct box *box;
	struct box_run *run;
	unsigned since;
};

static int send_file(struct tree *t, const char *path, int fd)
{
	cleanup_free char *p = NULL;
	uint64_t len;
	size_t n = 0;
	int rc = tree_read(t, str_z(path), ACCOUNTS_MAX, &p, &n);

	if (rc && rc != -ENOENT && rc != -ENOTDIR)
		return rc;
	len = n;
	rc = write_full(fd, &len, sizeof(len));
	return rc ? rc : write_full(fd, p, n);
}

static int accounts_in_child(void *p, int fd)
{
	struct accounts_args *a = p;
	struct tree *t = NULL;
	int rc = 0;

	for (int now = 0; now < 2 && !rc; now++) {
		rc = tree_open(a->box, a->run, now ? TREE_NOW : a->since, &t, NULL);
		for (size_t i = 0; i < ARRAY_SIZE(account_files) && !rc; i++) {
			char path[64];

			snprintf(path, sizeof(path), "/etc/%s", account_files[i]);
			rc = send_file(t, path, fd);
		}
		tree_close(t);
		t = NULL;
	}
	return rc;
}

struct account {
	struct str name, line;
	size_t order; /* in its file */
	size_t twin;  /* how many lines of that name stand before it */
};

struct accounts {
	struct account *v;
	size_t n;
};

static int by_account(const void *a, const void *b)
{
	const struct account *x = a, *y = b;
	int c = memcmp(x->name.p, y->name.p, x->name.n < y->name.n ? x->name.n : y->name.n);

	if (!c)
		c = x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
	if (!c)
		c = x->order < y->order ? -1 : x->order > y->order;
	return c;
}

static struct accounts accounts_parse(struct str text)
{
	struct accounts a = { .v = NULL };
	size_t lines = 0, cap = 1;

	for (size_t i = 0; i < text.n; i++)
		cap += text.p[i] == '\n';
	if (cap > ACCOUNT_LINES_MAX)
		cap = ACCOUNT_LINES_MAX;
	a.v = xcalloc(cap, sizeof(*a.v));
	while (text.n && a.n < cap) {
		const char *end = memchr(text.p, '\n', text.n);
		struct str line = { text.p, end ? (size_t)(end - text.p) : text.n };
		const char *colon = memchr(line.p, ':', line.n);

		text.p += line.n + (end ? 1 : 0);
		text.n -= line.n + (end ? 1 : 0);
		if (!line.n || line.p[0] == '#')
			continue;
		a.v[a.n++] = (struct account){
			.name = { line.p, colon ? (size_t)(colon - line.p) : line.n },
			.line = line,
			.order = lines++,
		};
	}
	qsort(a.v, a.n, sizeof(*a.v), by_account);
	for (size_t i = 1; i < a.n; i++)
		if (str_eq(a.v[i].name, a.v[i - 1].name))
			a.v[i].twin = a.v[i - 1].twin + 1;
	return a;
}

static int account_cmp(const struct account *x, const struct account *y)
{
	int c = memcmp(x->name.p, y->name.p, x->name.n < y->name.n ? x->name.n : y->name.n);

	if (!c)
		c = x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
	if (!c)
		c = x->twin < y->twin ? -1 : x->twin > y->twin;
	return c;
}

static int accounts_compare(const char *file, struct str before, struct str after,
			    int (*fn)(void *, const struct user_change *), void *ctx)
{
	struct accounts then = accounts_parse(before), now = accounts_parse(after);
	size_t i = 0, k = 0;
	int rc = 0;

	while (!rc && (i < then.n || k < now.n)) {
		const struct account *x = i < then.n ? &then.v[i] : NULL;
		const struct account *y = k < now.n ? &now.v[k] : NULL;
		int c = !x ? 1 : !y ? -1 : account_cmp(x, y);
		struct user_change u = { .file = file };

		i += c <= 0;
		k += c >= 0;
		if (c == 0 && str_eq(x->line, y->line))
			continue;
		/* there is x where c <= 0, and y where c >= 0: NOLINTBEGIN(clang-analyzer-core.*)
		 */
		u.op = c < 0 ? CHANGE_REMOVED : c > 0 ? CHANGE_ADDED : CHANGE_CHANGED;
		u.name = c <= 0 ? x->name : y->name;
		u.before = c <= 0 ? x->line : (struct str){ "", 0 };
		u.after = c >= 0 ? y->line : (struct str){ "", 0 };
		/* NOLINTEND(clang-analyzer-core.*) */
		rc = fn(ctx, &u);
	}
	free(then.v);
	free(now.v);
	return rc;
}

int users_between(struct box *box, struct box_run *run, unsigned since,
		  int (*fn)(void *ctx, const struct user_change *u), void *ctx, struct err *err)
{
	struct accounts_args args = { box, run, since };
	cleanup_free char *bytes = NULL;
	struct str text[4];
	struct rd r;
	size_t n = 0;
	int rc;

	rc = call_in_box(box, run, accounts_in_child, &args, 5 * (size_t)ACCOUNTS_MAX, &bytes, &n,
			 err);
	if (rc)
		return rc;
	r = (struct rd){ .p = (uint8_t *)bytes, .end = (uint8_t *)bytes + n };
	for (size_t i = 0; i < 4; i++) {
		text[i].n = rd_u64(&r);
		text[i].p = (const char *)rd_bytes(&r, text[i].n);
	}
	if (r.bad || r.p != r.end)
		return err_set(err, EBADMSG, "changes: read users and groups of the box");
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = accounts_compare(account_files[i], text[i], text[2 + i], fn, ctx);
	return rc;
}
