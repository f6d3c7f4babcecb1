// SPDX-License-Identifier: Apache-2.0
/*
 * base_etc.c - the files of /etc that a base does not copy but writes
 *
 * Accounts are the host's system accounts (packages of the host own files by them) and one person
 * called "user". Host name, machine id and the like are each box's own: the runtime writes them to
 * the box's layer.
 */
#include <sys/stat.h>

#include "box/base_build.h"

#define SYSTEM_IDS 1000u
#define NOBODY	   65534u

/* Field @i (from 0) of a line of colon-separated fields. */
static struct str field(struct str line, int i)
{
	const char *p = line.p, *end = line.p + line.n;

	for (; i > 0; i--) {
		p = memchr(p, ':', (size_t)(end - p));
		if (!p)
			return (struct str){ "", 0 };
		p++;
	}
	const char *stop = memchr(p, ':', (size_t)(end - p));

	return (struct str){ p, (size_t)((stop ? stop : end) - p) };
}

static bool system_id(struct str id)
{
	uint64_t v = 0;

	if (!id.n || id.n > 10)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] < '0' || id.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(id.p[i] - '0');
	}
	return v < SYSTEM_IDS || v == NOBODY;
}

static void one_account(struct buf *out, struct str line, bool group)
{
	struct str name = field(line, 0), id = field(line, 2);

	if (!name.n || !system_id(id) || str_eq(name, STR("user")))
		return;
	if (group) /* without its members: they are people */
		buf_printf(out, "%.*s:x:%.*s:\n", (int)name.n, name.p, (int)id.n, id.p);
	else if (str_eq(name, STR("root")))
		buf_puts(out, "root:x:0:0:root:/root:/bin/bash\n");
	else
		/* all after the id: group, description, home, shell */
		buf_printf(out, "%.*s:x:%.*s:%.*s\n", (int)name.n, name.p, (int)id.n, id.p,
			   (int)(line.p + line.n - field(line, 3).p), field(line, 3).p);
}

void base_accounts(struct buf *out, const char *text, bool group)
{
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');

		one_account(out, (struct str){ line, (size_t)(end - line) }, group);
		line = *end ? end + 1 : end;
	}
	if (!strstr(text, "root:")) {
		struct str none =
			group ? STR("root:x:0:\n") : STR("root:x:0:0:root:/root:/bin/bash\n");

		buf_add(out, none.p, none.n);
	}
	buf_puts(out, group ? "user:x:1000:\n" : "user:x:1000:1000:User:/home/user:/bin/bash\n");
}

/* A locked entry for each account of @accounts. */
static void shadow_of(struct buf *out, const char *accounts, bool group)
{
	for (const char *line = accounts; *line;) {
		const char *end = strchrnul(line, '\n');
		struct str name = field((struct str){ line, (size_t)(end - line) }, 0);

		buf_printf(out, group ? "%.*s:*::\n" : "%.*s:*:19000:0:99999:7:::\n", (int)name.n,
			   name.p);
		line = *end ? end + 1 : end;
	}
}

static int put_accounts(struct base_build *b, int etc, bool group)
{
	cleanup_buf struct buf list = { 0 }, shadow = { 0 };
	cleanup_free char *text = NULL;
	struct stat st;
	int rc;

	if (read_file_at(AT_FDCWD, group ? "/etc/group" : "/etc/passwd", BASE_FILE_MAX, &text,
			 NULL))
		text = xstrdup("");
	base_accounts(&list, text, group);
	shadow_of(&shadow, buf_z(&list), group);
	rc = base_put(b, etc, group ? "group" : "passwd", 0644, list.p, list.n);
	if (!rc)
		rc = base_put(b, etc, group ? "gshadow" : "shadow", 0640, shadow.p, shadow.n);
	if (!rc && !stat("/etc/shadow", &st)) /* group shadow */
		base_note_owner(b, group ? "etc/gshadow" : "etc/shadow", &st, 0640);
	return rc;
}

static const struct {
	const char *name;
	const char *text;
} generated[] = {
	{ "hostname", "localhost\n" },
	{ "hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
		   "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n" },
	{ "resolv.conf", "nameserver 10.0.2.3\n" },
	{ "fstab", "" },
	{ "motd", "" },
	{ "environment",
	  "PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n" },
	{ "subuid", "" },
	{ "subgid", "" },
	{ "machine-id", "" },
};

int base_etc_generated(struct base_build *b, int etc)
{
	int rc = put_accounts(b, etc, false);

	if (!rc)
		rc = put_accounts(b, etc, true);
	for (size_t i = 0; i < ARRAY_SIZE(generated) && !rc; i++)
		rc = base_put(b, etc, generated[i].name, 0644, generated[i].text,
			      strlen(generated[i].text));
	if (!rc && symlinkat("../proc/self/mounts", etc, "mtab"))
		rc = -errno;
	return rc;
}
