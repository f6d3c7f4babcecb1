// SPDX-License-Identifier: Apache-2.0
/* store_text.c - what the store makes of text: names, mount tables, id files, box.json, members */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "box/archive_members.h"
#include "box/base_build.h"
#include "box/broker_cgroup.h"
#include "box/internal.h"

/* ---- names -------------------------------------------------------------------------------- */

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_only_plain_names_are_names(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{ "a", true },	      { "tax", true },	      { "Tax-2026_v1.2", true },
		{ "9lives", true },   { A64, true },	      { A64 "a", false },
		{ "", false },	      { ".", false },	      { "..", false },
		{ ".hidden", false }, { "-b", false },	      { "_x", false },
		{ "a/b", false },     { "/a", false },	      { "a b", false },
		{ "a\nb", false },    { "a\x1b[31m", false }, { "b\xc3\xa4r", false },
		{ "a\x7f", false },   { "a%s", false },	      { "a:b", false },
		{ "a,b", false },     { "a+b", false },	      { "a\\b", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = { 0 };
		int rc = box_name_check(rows[i].name, &err);

		if ((rc == 0) != rows[i].ok)
			fail_msg("'%s' gave %d", rows[i].name, rc);
		if (rc) {
			assert_int_equal(err.exit, EXIT_BAD_NAME);
			assert_null(strpbrk(err.msg, "\n\x1b"));
		}
	}
	assert_int_equal(box_name_check(NULL, NULL), -EINVAL);
}

/* ---- settings that forbid namespaces ------------------------------------------------------ */

static void put_at(const char *root, const char *path, const char *text)
{
	cleanup_free char *full = xasprintf("%s/%s", root, path);

	for (char *p = strchr(full + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		mkdir(full, 0700);
		*p = '/';
	}
	assert_int_equal(write_file_at(AT_FDCWD, full, 0600, text, strlen(text)), 0);
}

static void test_the_setting_that_forbids_namespaces_is_named(void **state UNUSED)
{
	static const struct {
		const char *apparmor, *label, *clone, *max, *says;
	} rows[] = {
		{ NULL, NULL, NULL, NULL, NULL },
		{ "0\n", "unconfined\n", "1\n", "7803\n", NULL },
		{ "1\n", "unconfined\n", "1\n", "7803\n", "apparmor_restrict" },
		{ "1\n", "unprivileged_userns (enforce)\n", "1\n", "7803\n", "apparmor_restrict" },
		{ "1\n", NULL, NULL, NULL, "apparmor_restrict" },
		{ "1\n", "belljar (unconfined)\n", "1\n", "7803\n", NULL },
		{ "1\n", "belljar (unconfined)\n", "0\n", "7803\n", "unprivileged_userns_clone" },
		{ "1\n", "unconfined_like (enforce)\n", NULL, "0\n", "max_user_namespaces" },
		{ "", NULL, "", "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char dir[] = "/tmp/bj-proc.XXXXXX";
		const struct forbidding *f;

		assert_non_null(mkdtemp(dir));
		if (rows[i].apparmor)
			put_at(dir, "sys/kernel/apparmor_restrict_unprivileged_userns",
			       rows[i].apparmor);
		if (rows[i].label)
			put_at(dir, "self/attr/apparmor/current", rows[i].label);
		if (rows[i].clone)
			put_at(dir, "sys/kernel/unprivileged_userns_clone", rows[i].clone);
		if (rows[i].max)
			put_at(dir, "sys/user/max_user_namespaces", rows[i].max);
		f = userns_forbidding(dir);
		if (!rows[i].says != !f || (f && !strstr(f->says, rows[i].says)))
			fail_msg("row %zu says '%s'", i, f ? f->says : "nothing");
		if (f)
			assert_non_null(strstr(f->remedy, rows[i].says));
		assert_int_equal(rm_rf_at(AT_FDCWD, dir), 0);
	}
}

/* ---- mount table -------------------------------------------------------------------------- */

#define MI(at) "36 35 98:0 / " at " rw,relatime shared:1 - ext4 /dev/x rw\n"

static void test_a_mount_below_is_found_only_below(void **state UNUSED)
{
	static const struct {
		const char *text, *path, *found;
	} rows[] = {
		{ MI("/") MI("/usr"), "/usr", NULL },
		{ MI("/") MI("/usr2/x"), "/usr", NULL },
		{ MI("/") MI("/usr/local"), "/usr", "/usr/local" },
		{ MI("/usr/a\\040b"), "/usr", "/usr/a b" },
		{ MI("/usr/a\\134b"), "/usr", "/usr/a\\b" },
		{ MI("/proc"), "/", "/proc" },
		{ "", "/usr", NULL },
		{ "broken\n\n" MI("/usr/x"), "/usr", "/usr/x" },
		{ "36 35 98:0 / /usr/x", "/usr", "/usr/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char at[4096] = "untouched";
		bool r = mounts_below(rows[i].text, rows[i].path, at);

		assert_int_equal(r, rows[i].found != NULL);
		assert_string_equal(at, rows[i].found ? rows[i].found : "untouched");
	}
}

/* A host with the folders named, in a temporary folder. */
static char *make_host(const char *const *dirs)
{
	const char *tmp = getenv("TMPDIR");
	char *host = xasprintf("%s/belljar-host-XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(host));
	for (; *dirs; dirs++) {
		cleanup_free char *p = xasprintf("%s%s", host, *dirs);

		assert_int_equal(mkdir_p(p, 0755), 0);
	}
	return host;
}

static char *layout_of(const char *mountinfo, const char *const *dirs)
{
	static struct overlay_at o[BOX_MOUNTS_MAX];
	cleanup_free char *host = make_host(dirs);
	struct buf b = { 0 };
	char why[256];
	int n = mounts_layout(mountinfo, host, o, why);

	if (n < 0)
		buf_printf(&b, "%d %s", n, why);
	for (int i = 0; i < n; i++) {
		assert_true(overlay_at_ok(o[i].at, o[i].host));
		buf_printf(&b, "%s%s%s", i ? " " : "", o[i].at, o[i].host ? "+" : "");
	}
	assert_int_equal(rm_rf_at(AT_FDCWD, host), 0);
	return buf_z(&b);
}

static void test_folders_with_mounts_below_are_split(void **state UNUSED)
{
	static const char *const host[] = { "/usr/bin",	      "/usr/lib/a",
					    "/usr/lib/b",     "/usr/local/x/y/z",
					    "/var/lib/dpkg",  "/var/lib/docker",
					    "/var/cache/apt", "/opt/p,q",
					    "/opt/v",	      NULL };
	static const struct {
		const char *mountinfo, *layout;
	} rows[] = {
		{ MI("/") MI("/home") MI("/usr"), "/ /usr+ /var+ /opt+" },
		{ MI("/usr/local"), "/ /usr/bin+ /usr/lib+ /usr/local+ /var+ /opt+" },
		{ MI("/usr/lib/b"), "/ /usr/bin+ /usr/lib/a+ /usr/lib/b+ /usr/local+ /var+ /opt+" },
		{ MI("/usr/local/x/y/z"), "-7 /usr/local/x/y/z" },
		/* a name that no overlay option can hold is left out */
		{ MI("/opt/v"), "/ /usr+ /var+ /opt/v+" },
		{ MI("/var/lib/docker/overlay2/1/merged"),
		  "/ /usr+ /var /var/lib/dpkg+ /var/cache/apt+ /opt+" },
		{ MI("/var/lib/dpkg/x"), "/ /usr+ /var /var/cache/apt+ /opt+" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *l = layout_of(rows[i].mountinfo, host);

		assert_string_equal(l, rows[i].layout);
	}
}

static void test_too_many_folders_to_split_is_an_error_that_names_the_mount(void **state UNUSED)
{
	const char *dirs[BOX_MOUNTS_MAX + 8];
	cleanup_free char *l = NULL;
	int n = BOX_MOUNTS_MAX + 4;

	for (int i = 0; i < n; i++)
		dirs[i] = xasprintf("/usr/d%02d", i);
	dirs[n] = NULL;
	l = layout_of(MI("/usr/d01/wsl"), dirs);
	assert_string_equal(l, "-7 /usr/d01/wsl");
	for (int i = 0; i < n; i++)
		free((void *)dirs[i]);
}

static void test_an_overlay_is_only_where_the_host_is_shown(void **state UNUSED)
{
	static const struct {
		const char *at;
		bool host, ok;
	} rows[] = {
		{ "/", false, true },
		{ "/", true, false },
		{ "/usr", true, true },
		{ "/usr/lib", true, true },
		{ "/var", false, true },
		{ "/lib64", true, true },
		{ "/etc", true, false },
		{ "/home", true, false },
		{ "/root", false, false },
		{ "/usrx", true, false },
		{ "/usr/../home", true, false },
		{ "/usr/..", true, false },
		{ "/usr/./x", true, false },
		{ "/usr/", true, false },
		{ "//usr", true, false },
		{ "/usr//x", true, false },
		{ "usr", true, false },
		{ "", true, false },
		{ "/usr/a:b", true, false },
		{ "/usr/a,b", true, false },
		{ "/opt/a+b", true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (overlay_at_ok(rows[i].at, rows[i].host) != rows[i].ok)
			fail_msg("'%s'", rows[i].at);
}

static void test_cgroups_are_found_in_both_versions(void **state UNUSED)
{
	static const char hybrid[] =
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
	char at[4096];
	bool v2;

	assert_true(cgroup_find(hybrid, "cpu", at, &v2));
	assert_string_equal(at, "/sys/fs/cgroup/cpu");
	assert_false(v2);
	assert_true(cgroup_find(hybrid, "", at, &v2));
	assert_string_equal(at, "/sys/fs/cgroup/unified");
	assert_true(v2);
	assert_false(cgroup_find(hybrid, "pids", at, &v2));
	assert_false(cgroup_find(hybrid, "acct", at, &v2));
	assert_true(cgroup_find(hybrid, "cpuacct", at, &v2));
}

/* ---- ids ---------------------------------------------------------------------------------- */

static void test_a_subordinate_range_is_found_by_name_or_number(void **state UNUSED)
{
	static const struct {
		const char *text;
		uint32_t start; /* 0 none */
	} rows[] = {
		{ "me:100000:65536\n", 100000 },
		{ "1001:200000:65536\n", 200000 },
		{ "you:1:65536\nme:300000:65536", 300000 },
		{ "me:1:1000\nme:400000:70000\n", 400000 },
		{ "me:100000:65535\n", 0 },
		{ "me:0:65536\n", 0 },
		{ "me:4294967000:65536\n", 0 },
		{ "me:-5:65536\nme::65536\nme:5:\nme:x:65536\nme\n\n:1:65536\n", 0 },
		{ "mee:100000:65536\n", 0 },
		{ "me:99999999999:65536\n", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t start = 0;

		assert_int_equal(subid_find(rows[i].text, "me", 1001, 65536, &start),
				 rows[i].start != 0);
		assert_int_equal(start, rows[i].start);
	}
}

static void test_accounts_have_no_people(void **state UNUSED)
{
	cleanup_buf struct buf p = { 0 }, g = { 0 }, none = { 0 };

	base_accounts(
		&p,
		"root:x:0:0:Boss:/root:/usr/bin/zsh\nman:x:6:12:man:/var/cache/man:/bin/false\n"
		"alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\nbad\nuser:x:5:5::/:/x\n"
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		false);
	assert_string_equal(
		buf_z(&p),
		"root:x:0:0:root:/root:/bin/bash\nman:x:6:12:man:/var/cache/man:/bin/false\n"
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
		"user:x:1000:1000:User:/home/user:/bin/bash\n");
	base_accounts(&g, "root:x:0:\nsudo:x:27:alice\nalice:x:1000:\n", true);
	assert_string_equal(buf_z(&g), "root:x:0:\nsudo:x:27:\nuser:x:1000:\n");
	base_accounts(&none, "", false);
	assert_string_equal(buf_z(&none), "root:x:0:0:root:/root:/bin/bash\n"
					  "user:x:1000:1000:User:/home/user:/bin/bash\n");
}

/* ---- what the base takes ------------------------------------------------------------------ */

static void test_secrets_and_people_stay_outside_and_package_state_is_copied(void **state UNUSED)
{
	static const struct {
		const char *path;
		bool dir;
		enum base_act act;
	} rows[] = {
		{ "etc/ssh/ssh_host_ed25519_key", false, ACT_OMIT },
		{ "etc/ssl/private", true, ACT_OPAQUE },
		{ "etc/x/y/server.key", false, ACT_OMIT },
		{ "etc/machine-id", false, ACT_OMIT },
		{ "etc/shadow-", false, ACT_OMIT },
		{ "etc/pam.d/common-password", false, ACT_COPY },
		{ "etc/cron.d/job", false, ACT_PACKAGED },
		{ "etc/crontab", false, ACT_PACKAGED },
		{ "etc/apt/auth.conf.d", true, ACT_OMIT },
		{ "etc/alternatives/awk", false, ACT_COPY },
		{ "etc/ld.so.cache", false, ACT_COPY },
		{ "var/log", true, ACT_OPAQUE_DIRS },
		{ "var/tmp", true, ACT_OPAQUE },
		{ "var/lib/dpkg/status", false, ACT_COPY_BIG },
		{ "var/lib/dpkg/lock-frontend", false, ACT_EMPTY },
		{ "var/lib/dpkg/triggers/File", false, ACT_COPY_BIG },
		{ "var/lib/dpkg/info/adduser.list", false, ACT_SKELETON },
		{ "var/lib/dpkg/info", true, ACT_SKELETON },
		{ "var/lib/apt/lists/lock", false, ACT_EMPTY },
		{ "var/lib/apt/extended_states", false, ACT_COPY },
		{ "var/cache/apt/archives/lock", false, ACT_EMPTY },
		{ "var/cache/debconf/config.dat", false, ACT_ANSWERS },
		{ "var/cache/debconf/passwords.dat", false, ACT_EMPTY },
		{ "var/cache/debconf/templates.dat", false, ACT_COPY_BIG },
		{ "usr/bin/ls", false, ACT_SKELETON },
		{ "usr/share/doc", true, ACT_SKELETON },
		{ "opt/vendor", true, ACT_SKELETON },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (base_rule(rows[i].path, rows[i].dir) != rows[i].act)
			fail_msg("'%s' is %d", rows[i].path, base_rule(rows[i].path, rows[i].dir));
}

/* ---- box.json ----------------------------------------------------------------------------- */

#define ID "0123456789abcdef0123456789abcdef"
#define JSON(name, host, base, root, top, renew, snaps, overlays)                                  \
	"{\"format\":1,\"name\":\"" name "\",\"created_ns\":1,\"hostname\":\"" host                \
	"\",\"machine_id\":\"" ID "\",\"base\":\"" base "\",\"root\":\"" root                      \
	"\",\"idmap\":{\"range\":true,\"uid_start\":100000,\"gid_start\":1},\"top\":" #top         \
	",\"renew\":" #renew ",\"snapshots\":[" snaps "],\"overlays\":[" overlays "]}"
#define SNAP(name, layer) "{\"name\":\"" name "\",\"layer\":" #layer ",\"wall_ns\":5}"
#define AT(at, host)	  "{\"at\":\"" at "\",\"host\":" host "}"
#define GOOD		  AT("/", "false") "," AT("/usr", "true")

#define IDENT(mac, person, serial, token)                                                            \
	"{\"format\":2,\"name\":\"a\",\"created_ns\":1,\"hostname\":\"pc-1\",\"machine_id\":\"" ID   \
	"\",\"identity\":{\"mac\":\"" mac "\",\"person\":\"" person "\",\"disk_serial\":\"" serial   \
	"\",\"token\":\"" token "\"},\"base\":\"00ff\",\"root\":\"\",\"idmap\":{\"range\":true,"     \
	"\"uid_start\":100000,\"gid_start\":1},\"top\":1,\"renew\":0,\"snapshots\":[],\"overlays\":" \
	"[{\"at\":\"/\",\"host\":false}]}"
#define MAC "00:1b:21:0a:0b:0c"

static struct box_info parsed(const char *text, bool ok)
{
	struct box *b = xcalloc(1, sizeof(*b));
	struct box_info in;
	struct err err = { 0 };
	unsigned renew;

	if ((boxjson_parse(text, strlen(text), b, &renew, &err) == 0) != ok)
		fail_msg("%s: %s", text, err.msg);
	in = b->info;
	free(b);
	return in;
}

static void test_an_identity_is_taken_whole_or_not_at_all(void **state UNUSED)
{
	struct box_info in = parsed(IDENT(MAC, "Nora Holmby", "S123456", ID), true);

	assert_string_equal(in.mac, MAC);
	assert_string_equal(in.person, "Nora Holmby");
	assert_string_equal(in.disk_serial, "S123456");
	assert_string_equal(in.token, ID);
	parsed(IDENT("01:1b:21:0a:0b:0c", "Nora Holmby", "S123456", ID), false);
	parsed(IDENT("00:00:00:00:00:00", "Nora Holmby", "S123456", ID), false);
	parsed(IDENT("00:1B:21:0a:0b:0c", "Nora Holmby", "S123456", ID), false);
	parsed(IDENT("00-1b-21-0a-0b-0c", "Nora Holmby", "S123456", ID), false);
	parsed(IDENT("", "Nora Holmby", "S123456", ID), false);
	parsed(IDENT(MAC, "Nora\\nroot::0", "S123456", ID), false);
	parsed(IDENT(MAC, "a:b:c:d", "S123456", ID), false);
	parsed(IDENT(MAC, "Nora Holmby", "S1/../..", ID), false);
	parsed(IDENT(MAC, "Nora Holmby", "S123456", "zz"), false);
	parsed(IDENT(MAC, "Nora Holmby", "S123456", ID "0"), false);
}

static void test_a_box_of_before_identities_always_gets_the_same(void **state UNUSED)
{
	static const char old[] = JSON("a", "pc-1", "00ff", "", 1, 0, "", GOOD);
	struct box_info a = parsed(old, true), b = parsed(old, true), fresh = { 0 };

	assert_string_equal(a.mac, b.mac);
	assert_string_equal(a.person, b.person);
	assert_string_equal(a.disk_serial, b.disk_serial);
	assert_string_equal(a.token, b.token);
	assert_true(identity_ok(&a));
	for (int i = 0; i < 1000; i++) {
		identity_invent(&fresh);
		if (!identity_ok(&fresh) || !strcmp(fresh.token, a.token))
			fail_msg("'%s' '%s' '%s'", fresh.mac, fresh.person, fresh.disk_serial);
	}
}

static void test_a_damaged_box_json_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ JSON("a", "pc-1", "00ff", "", 3, 0, SNAP("s", 1) "," SNAP("t", 2), GOOD), true },
		{ "{\"format\":3}", false },
		{ "{\"format\":0}", false },
		{ JSON("", "pc-1", "00ff", "", 1, 1, "", GOOD), true },
		{ JSON("a", "pc-1", "", "/srv/r", 1, 0, "", AT("/", "false")), true },
		{ "", false },
		{ "{}", false },
		{ "[]", false },
		{ "{\"format\":1}", false },
		{ JSON("../x", "pc-1", "00ff", "", 1, 0, "", GOOD), false },
		{ JSON("a", "PC 1", "00ff", "", 1, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "../../etc", "", 1, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "00ff", "/srv", 1, 0, "", AT("/", "false")), false },
		{ JSON("a", "pc-1", "", "", 1, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "", "srv", 1, 0, "", AT("/", "false")), false },
		{ JSON("a", "pc-1", "", "/srv/r", 1, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 0, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 201, 0, "", GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 2, "", GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 2, 0, SNAP("s", 2), GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 3, 0, SNAP("s", 2) "," SNAP("t", 1), GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 3, 0, SNAP("s/..", 2), GOOD), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 0, "", ""), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 0, "", AT("/usr", "true")), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 0, "", GOOD "," AT("/home", "true")), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 0, "", GOOD "," AT("/usr", "true")), false },
		{ JSON("a", "pc-1", "00ff", "", 1, 0, "", GOOD) "x", false },
		{ JSON("a", "pc-1", "00ff", "", 1e3, 0, "", GOOD), false },
		{ JSON("a\",\"name\":\"b", "pc-1", "00ff", "", 1, 0, "", GOOD), false },
		{ JSON("a\",\"other\":\"b", "pc-1", "00ff", "", 1, 0, "", GOOD), false },
		{ JSON("a\\u0000", "pc-1", "00ff", "", 1, 0, "", GOOD), false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct box *b = xcalloc(1, sizeof(*b));
		struct err err = { 0 };
		unsigned renew;
		int rc = boxjson_parse(rows[i].text, strlen(rows[i].text), b, &renew, &err);

		if ((rc == 0) != rows[i].ok)
			fail_msg("row %zu gave %d (%s)", i, rc, err.msg);
		if (rc) {
			assert_int_equal(rc, -EBADMSG);
			assert_int_equal(err.exit, EXIT_CORRUPT);
		}
		free(b);
	}
}

/* ---- members of a stream ------------------------------------------------------------------ */

static void test_a_stream_holds_only_what_a_box_holds(void **state UNUSED)
{
	static const struct {
		const char *path;
		mode_t type;
		bool ok;
	} rows[] = {
		{ "box.json", S_IFREG, true },
		{ "journal.db", S_IFREG, true },
		{ "export.json", S_IFREG, true },
		{ "layers", S_IFDIR, true },
		{ "layers/1", S_IFDIR, true },
		{ "layers/200", S_IFDIR, true },
		{ "layers/1/usr+lib", S_IFDIR, true },
		{ "layers/1/root/etc/x", S_IFREG, true },
		{ "layers/1/root/a\nb", S_IFCHR, true },
		{ "objects/ab", S_IFDIR, true },
		{ "objects/ab/"
		  "00112233445566778899aabbccddeeff00112233445566778899aabbccddee",
		  S_IFREG, true },
		{ "/box.json", S_IFREG, false },
		{ "../box.json", S_IFREG, false },
		{ "layers/1/root/../../x", S_IFREG, false },
		{ "layers/1/root/..", S_IFDIR, false },
		{ "layers/1/root/.", S_IFDIR, false },
		{ "layers//1", S_IFDIR, false },
		{ "layers/1/", S_IFDIR, false },
		{ "", S_IFREG, false },
		{ ".", S_IFDIR, false },
		{ "lock", S_IFREG, false },
		{ "trash", S_IFREG, false },
		{ "box.json", S_IFLNK, false },
		{ "box.json", S_IFDIR, false },
		{ "layers", S_IFLNK, false },
		{ "layers/1", S_IFLNK, false },
		{ "layers/1/root", S_IFLNK, false },
		{ "layers/01", S_IFDIR, false },
		{ "layers/0", S_IFDIR, false },
		{ "layers/201", S_IFDIR, false },
		{ "layers/1x", S_IFDIR, false },
		{ "layers/1/work", S_IFDIR, false },
		{ "layers/1/work/root", S_IFDIR, false },
		{ "objects", S_IFLNK, false },
		{ "objects/ab/cd", S_IFREG, false },
		{ "objects/AB", S_IFDIR, false },
		{ "Box.json", S_IFREG, false },
		{ "other/file", S_IFREG, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (member_ok(rows[i].path, rows[i].type) != rows[i].ok)
			fail_msg("'%s' %o", rows[i].path, rows[i].type);
}

static void test_only_attributes_that_travel_are_kept(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{ "user.x", true },
		{ "user.overlay.opaque", true },
		{ "user.overlay.origin", false },
		{ "user.overlay.nlink", false },
		{ "security.capability", true },
		{ "security.selinux", false },
		{ "trusted.overlay.opaque", false },
		{ "system.posix_acl_access", true },
		{ "user.a=b", false },
		{ "user.a\nb", false },
		{ "user.\xff", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (member_xattr_ok(rows[i].name) != rows[i].ok)
			fail_msg("'%s'", rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_plain_names_are_names),
		cmocka_unit_test(test_the_setting_that_forbids_namespaces_is_named),
		cmocka_unit_test(test_a_mount_below_is_found_only_below),
		cmocka_unit_test(test_folders_with_mounts_below_are_split),
		cmocka_unit_test(test_too_many_folders_to_split_is_an_error_that_names_the_mount),
		cmocka_unit_test(test_an_overlay_is_only_where_the_host_is_shown),
		cmocka_unit_test(test_cgroups_are_found_in_both_versions),
		cmocka_unit_test(test_a_subordinate_range_is_found_by_name_or_number),
		cmocka_unit_test(test_accounts_have_no_people),
		cmocka_unit_test(test_secrets_and_people_stay_outside_and_package_state_is_copied),
		cmocka_unit_test(test_an_identity_is_taken_whole_or_not_at_all),
		cmocka_unit_test(test_a_box_of_before_identities_always_gets_the_same),
		cmocka_unit_test(test_a_damaged_box_json_is_refused),
		cmocka_unit_test(test_a_stream_holds_only_what_a_box_holds),
		cmocka_unit_test(test_only_attributes_that_travel_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
