// SPDX-License-Identifier: Apache-2.0
/*
 * truth_meaning.c - what changed files mean: set-id, accounts, trust, network, replaced packages
 */
#include "fakebox.h"

#include <openssl/evp.h>

#include "capture/autostart/autostart.h"
#include "capture/truth/truth.h"

/* truth.c needs a catalogue to link; nothing here records a run */
const struct autostart_class *autostart_classes(void)
{
	static const struct autostart_class none[1];

	return none;
}

struct as_wanted *autostart_wanted(const struct changeset *set)
{
	(void)set;
	return NULL;
}

void as_wanted_free(struct as_wanted *w)
{
	assert_null(w);
}

int autostart_of(struct box *box, struct box_run *run, unsigned since, const struct as_wanted *w,
		 int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx, struct err *err)
{
	(void)box, (void)run, (void)since, (void)w, (void)fn, (void)ctx, (void)err;
	return 0;
}

/* ---- concerns ------------------------------------------------------------------------------- */

static void test_each_concern_fires_and_its_neighbour_does_not(void **state)
{
	static const struct {
		const char *path;
		enum change_op op;
		uint32_t mode;
		const char *detail;
		unsigned want;
	} rows[] = {
		{ "/opt/x", CHANGE_ADDED, S_IFREG | 04755, "", CONCERN_SETID },
		{ "/opt/x", CHANGE_META, S_IFREG | 02755, "", CONCERN_SETID },
		{ "/opt/x", CHANGE_ADDED, S_IFREG | 0755, "", 0 },
		{ "/opt/x", CHANGE_REMOVED, S_IFREG | 04755, "", 0 },
		{ "/opt/d", CHANGE_ADDED, S_IFDIR | 02775, "", 0 },
		{ "/opt/c", CHANGE_ADDED, S_IFREG | 0755, "xattr security.capability added",
		  CONCERN_SETID },
		{ "/opt/c", CHANGE_META, S_IFREG | 0755, "xattr security.capability removed", 0 },
		{ "/opt/c", CHANGE_ADDED, S_IFREG | 0755, "xattr user.security.capability added",
		  0 },
		{ "/etc/passwd", CHANGE_CHANGED, S_IFREG | 0644, "", CONCERN_USER },
		{ "/etc/passwd-", CHANGE_CHANGED, S_IFREG | 0644, "", 0 },
		{ "/opt/etc/passwd", CHANGE_CHANGED, S_IFREG | 0644, "", 0 },
		{ "/etc/sudoers.d/x", CHANGE_ADDED, S_IFREG | 0440, "", CONCERN_USER },
		{ "/home/user/.ssh/authorized_keys", CHANGE_ADDED, S_IFREG | 0600, "",
		  CONCERN_USER },
		{ "/home/user/.ssh/config", CHANGE_ADDED, S_IFREG | 0600, "", 0 },
		{ "/usr/local/share/ca-certificates/v.crt", CHANGE_ADDED, S_IFREG | 0644, "",
		  CONCERN_TRUST },
		{ "/usr/local/share/ca-certificates", CHANGE_ADDED, S_IFDIR | 0755, "", 0 },
		{ "/etc/apt/trusted.gpg.d/v.gpg", CHANGE_ADDED, S_IFREG | 0644, "", CONCERN_TRUST },
		{ "/etc/apt/sources.list.d/v.list", CHANGE_ADDED, S_IFREG | 0644, "", 0 },
		{ "/home/user/.pki/nssdb/cert9.db", CHANGE_CHANGED, S_IFREG | 0600, "",
		  CONCERN_TRUST },
		{ "/etc/hosts", CHANGE_CHANGED, S_IFREG | 0644, "", CONCERN_NET },
		{ "/etc/hostsx", CHANGE_ADDED, S_IFREG | 0644, "", 0 },
		{ "/etc/apt/apt.conf.d/95proxy", CHANGE_ADDED, S_IFREG | 0644, "", CONCERN_NET },
		{ "/etc/apt/apt.conf.d/95other", CHANGE_ADDED, S_IFREG | 0644, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct change c = { .op = rows[i].op,
				    .type = "file",
				    .path = str_z(rows[i].path),
				    .mode = rows[i].mode,
				    .detail = str_z(rows[i].detail) };

		if (file_concerns(&c) != rows[i].want)
			fail_msg("row %zu: %s gives %u", i, rows[i].path, file_concerns(&c));
	}
}

static void test_capability_of_a_real_file_is_a_concern(void **state)
{
	/* revision 2, effective, CAP_NET_RAW permitted */
	static const uint32_t cap[5] = { 0x02000001, 1u << 13, 0, 0, 0 };
	struct box *box = *state;
	struct err err = { 0 };
	struct changeset set;

	mk_file(box, "1/usr/bin/ping", "x", 0755);
	if (setxattr(place(box, "1/usr/bin/ping"), "security.capability", cap, sizeof(cap), 0))
		return; /* only root can; the root run has this test */
	assert_int_equal(changeset_read(box, NULL, 0, &set, &err), 0);
	for (size_t i = 0; i < set.n; i++)
		assert_int_equal(file_concerns(&set.v[i].c),
				 S_ISREG(set.v[i].c.mode) ? CONCERN_SETID : 0);
	changeset_free(&set);
}

/* ---- users ---------------------------------------------------------------------------------- */

static int user_line(void *ctx, const struct user_change *u)
{
	buf_printf(ctx, "%s %s %.*s [%.*s] [%.*s]\n", change_op_name[u->op], u->file,
		   (int)u->name.n, u->name.p, (int)u->before.n, u->before.p, (int)u->after.n,
		   u->after.p);
	return 0;
}

static void users_are(struct box *box, const char *want)
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };

	assert_int_equal(users_between(box, NULL, 0, user_line, &b, &err), 0);
	assert_string_equal(buf_z(&b), want);
}

static void test_users_are_told_by_line_and_order_is_no_change(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/passwd",
		"root:x:0:0::/root:/bin/sh\na:x:1:1::/:/x\nb:x:2:2::/:/x\n", 0644);
	mk_file(box, "0/root/etc/group", "root:x:0:\n", 0644);
	users_are(box, "");
	mk_file(box, "1/root/etc/passwd", "b:x:2:2::/:/x\na:x:1:1::/:/x\nroot:x:0:0::/root:/bin/sh",
		0644);
	users_are(box, "");
	mk_file(box, "1/root/etc/passwd",
		"root:x:0:0::/root:/bin/sh\na:x:0:1::/:/x\nroot:y:0:0::/root:/bin/sh\n", 0644);
	mk_whiteout(box, "1/root/etc/group");
	users_are(box, "changed passwd a [a:x:1:1::/:/x] [a:x:0:1::/:/x]\n"
		       "removed passwd b [b:x:2:2::/:/x] []\n"
		       "added passwd root [] [root:y:0:0::/root:/bin/sh]\n"
		       "removed group root [root:x:0:] []\n");
}

/* ---- packages ------------------------------------------------------------------------------- */

static void mk_sums(struct box *box, const char *layer, const char *package, const char *rel,
		    const char *text)
{
	unsigned char sum[16];
	unsigned int n = sizeof(sum);
	char hex[33], line[512], name[256];

	assert_int_equal(EVP_Digest(text, strlen(text), sum, &n, EVP_md5(), NULL), 1);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(line, sizeof(line), "%s  %s\n", hex, rel);
	snprintf(name, sizeof(name), "%s/root/var/lib/dpkg/info/%s.md5sums", layer, package);
	mk_file(box, name, line, 0644);
}

static int owner_line(void *ctx, struct str path, struct str owner)
{
	buf_printf(ctx, "%.*s %.*s\n", (int)path.n, path.p, (int)owner.n, owner.p);
	return 0;
}

static void replaced_are(struct box *box, const char *want)
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };

	assert_int_equal(packaged_between(box, NULL, 0, owner_line, &b, &err), 0);
	assert_string_equal(buf_z(&b), want);
}

static void test_replaced_file_of_a_package_is_told_and_an_upgrade_is_not(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/usr/bin/tool", "1.0", 0755);
	mk_sums(box, "0", "pkg:amd64", "usr/bin/tool", "1.0");
	mk_file(box, "1/usr/bin/tool", "evil", 0755);
	replaced_are(box, "/usr/bin/tool pkg\n");
	/* the package brings 1.1: database and file agree again */
	mk_sums(box, "1", "pkg:amd64", "usr/bin/tool", "1.1");
	mk_file(box, "1/usr/bin/tool", "1.1", 0755);
	replaced_are(box, "");
}

static void test_package_names_through_merged_usr_are_found(void **state)
{
	struct box *box = *state;

	mk_link(box, "0/root/bin", "usr/bin");
	mk_file(box, "0/usr/bin/ls", "ls", 0755);
	mk_sums(box, "0", "coreutils", "bin/ls", "ls");
	mk_file(box, "1/usr/bin/ls", "evil", 0755);
	replaced_are(box, "/usr/bin/ls coreutils\n");
}

static void test_database_entry_that_was_removed_does_not_hide_the_change(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/usr/bin/tool", "1.0", 0755);
	mk_sums(box, "0", "pkg", "usr/bin/tool", "1.0");
	mk_file(box, "1/usr/bin/tool", "evil", 0755);
	mk_whiteout(box, "1/root/var/lib/dpkg/info/pkg.md5sums");
	replaced_are(box, "/usr/bin/tool pkg\n");
}

static void test_diverted_file_is_compared_under_its_other_name(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/usr/bin/tool", "1.0", 0755);
	mk_sums(box, "0", "pkg", "usr/bin/tool", "1.0");
	/* another package takes the name over, and pkg's file lives on beside it */
	mk_file(box, "1/root/var/lib/dpkg/diversions",
		"/usr/bin/tool\n/usr/bin/tool.distrib\nother\n", 0644);
	mk_sums(box, "1", "other", "usr/bin/tool", "2.0");
	mk_file(box, "1/usr/bin/tool", "2.0", 0755);
	mk_file(box, "1/usr/bin/tool.distrib", "1.0", 0755);
	replaced_are(box, "");
	mk_file(box, "1/usr/bin/tool.distrib", "evil", 0755);
	replaced_are(box, "/usr/bin/tool.distrib pkg\n");
}

static void test_files_that_no_package_owns_are_not_told(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/usr/bin/tool", "1.0", 0755);
	mk_sums(box, "0", "pkg", "usr/bin/tool", "1.0");
	mk_file(box, "1/usr/bin/other", "new", 0755);
	replaced_are(box, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
		T(test_each_concern_fires_and_its_neighbour_does_not),
		T(test_capability_of_a_real_file_is_a_concern),
		T(test_users_are_told_by_line_and_order_is_no_change),
		T(test_replaced_file_of_a_package_is_told_and_an_upgrade_is_not),
		T(test_package_names_through_merged_usr_are_found),
		T(test_database_entry_that_was_removed_does_not_hide_the_change),
		T(test_diverted_file_is_compared_under_its_other_name),
		T(test_files_that_no_package_owns_are_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
