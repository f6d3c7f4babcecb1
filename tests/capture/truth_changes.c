// SPDX-License-Identifier: Apache-2.0
/*
 * truth_changes.c - what counts as a change between two states of a box, and what does not
 */
#include "../../src/capture/lapse/dates.c"
#include "../../src/capture/truth/changes.c"
#include "../../src/capture/truth/changes_meta.c"
#include "../../src/capture/truth/changes_times.c"
#include "../../src/capture/truth/changes_walk.c"
#include "../../src/capture/truth/changes_wire.c"
#include "../../src/capture/truth/tree.c"
#include "../../src/capture/truth/tree_path.c"
#include "fakebox.h"

static void show(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 32 || (unsigned char)s.p[i] == 0xff)
			buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
		else
			buf_add(b, s.p + i, 1);
	}
}

static int line(void *ctx, const struct change *c)
{
	struct buf *b = ctx;

	buf_printf(b, "%s %s ", change_op_name[c->op], c->type);
	show(b, c->path);
	if (c->op == CHANGE_MOVED) {
		buf_puts(b, " from ");
		show(b, c->path2);
	}
	if (c->detail.n) {
		buf_puts(b, " (");
		show(b, c->detail);
		buf_puts(b, ")");
	}
	buf_puts(b, "\n");
	return 0;
}

static void changes_are(struct box *box, unsigned since, const char *want)
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };

	assert_int_equal(changes_between(box, NULL, since, line, &b, &err), 0);
	assert_string_equal(buf_z(&b), want);
}

static void test_nothing_but_copied_up_parents_is_no_change(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/d/e/f", "x", 0644);
	mk_dir(box, "2/root/etc/d/e", 0755);
	changes_are(box, 0, "");
}

static void test_what_is_mounted_below_untouched_folders_is_walked(void **state)
{
	struct box *box = *state;

	fake_mounts = 3;
	mk_dir(box, "0/root/var/lib/deep", 0755);
	mk_dir(box, "0/root/var/lib/other", 0755);
	mk_file(box, "0/deep/d/old", "x", 0644);
	mk_file(box, "1/deep/d/new", "y", 0644);
	mk_whiteout(box, "2/deep/d/old");
	changes_are(box, 0, "added file /var/lib/deep/d/new\nremoved file /var/lib/deep/d/old\n");
	changes_are(box, 1, "removed file /var/lib/deep/d/old\n");
	fake_mounts = 2;
}

static void test_copy_up_with_the_same_bytes_is_no_change_and_other_times_neither(void **state)
{
	struct box *box = *state;
	struct timespec past[2] = { { 1, 0 }, { 1, 0 } };

	mk_file(box, "0/root/etc/a", "same", 0644);
	mk_file(box, "3/root/etc/a", "same", 0644);
	assert_int_equal(utimensat(AT_FDCWD, place(box, "3/root/etc/a"), past, 0), 0);
	changes_are(box, 0, "");
	/* near: one byte differs, the size does not */
	mk_file(box, "3/root/etc/a", "sane", 0644);
	changes_are(box, 0, "changed file /etc/a\n");
}

static void test_added_trees_are_listed_whole_parents_first(void **state)
{
	struct box *box = *state;

	mk_file(box, "1/root/opt/x/b/c", "c", 0644);
	mk_file(box, "1/root/opt/x/a", "a", 0755);
	mk_link(box, "1/root/opt/x/l", "../over/there");
	assert_int_equal(mkfifo(place(box, "1/root/opt/x/p"), 0600), 0);
	changes_are(box, 0,
		    "added dir /opt\nadded dir /opt/x\nadded file /opt/x/a\nadded dir /opt/x/b\n"
		    "added file /opt/x/b/c\nadded symlink /opt/x/l (../over/there)\n"
		    "added fifo /opt/x/p\n");
	/* as of the end of the layer that made them they are nothing new */
	changes_are(box, 1, "");
}

static void test_removed_trees_are_listed_whole(void **state)
{
	struct box *box = *state;

	mk_file(box, "h/usr/lib/d/h", "h", 0644);
	mk_file(box, "0/usr/lib/d/b", "b", 0644);
	mk_file(box, "1/usr/lib/d/sub/one", "1", 0644);
	mk_whiteout(box, "3/usr/lib/d");
	changes_are(box, 0,
		    "removed dir /usr/lib/d\nremoved file /usr/lib/d/b\n"
		    "removed file /usr/lib/d/h\n");
	changes_are(box, 2,
		    "removed dir /usr/lib/d\nremoved file /usr/lib/d/b\nremoved file /usr/lib/d/h\n"
		    "removed dir /usr/lib/d/sub\nremoved file /usr/lib/d/sub/one\n");
}

static void test_whiteout_over_nothing_is_nothing(void **state)
{
	struct box *box = *state;

	mk_file(box, "1/root/etc/tmp", "x", 0644);
	mk_whiteout(box, "2/root/etc/tmp");
	changes_are(box, 0, "");
	changes_are(box, 1, "removed file /etc/tmp\n");
}

static void test_directory_made_anew_loses_what_the_old_one_held(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/d/gone", "g", 0644);
	mk_file(box, "0/root/etc/d/same", "s", 0644);
	mk_file(box, "0/root/etc/d/sub/deep", "d", 0644);
	mk_opaque(box, "2/root/etc/d", 0755);
	mk_file(box, "2/root/etc/d/same", "s", 0644);
	mk_file(box, "2/root/etc/d/new", "n", 0644);
	changes_are(box, 0,
		    "removed file /etc/d/gone\nadded file /etc/d/new\nremoved dir /etc/d/sub\n"
		    "removed file /etc/d/sub/deep\n");
}

static void test_one_kind_of_entry_in_place_of_another(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/d/x", "x", 0644);
	mk_file(box, "0/root/etc/f", "f", 0644);
	mk_file(box, "1/root/etc/d", "now a file", 0644);
	mk_file(box, "1/root/etc/f/in", "i", 0644);
	changes_are(box, 0,
		    "changed file /etc/d (was a dir)\nremoved file /etc/d/x\n"
		    "changed dir /etc/f (was a file)\nadded file /etc/f/in\n");
}

static void test_mode_and_attributes_are_meta_and_time_is_not(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/a", "a", 0644);
	mk_file(box, "2/root/etc/a", "a", 04755);
	mk_dir(box, "0/root/etc/d", 0755);
	mk_dir(box, "2/root/etc/d", 0700);
	mk_file(box, "0/root/etc/x", "x", 0644);
	mk_file(box, "2/root/etc/x", "x", 0644);
	assert_int_equal(setxattr(place(box, "2/root/etc/x"), "user.a b", "1", 1, 0), 0);
	mk_file(box, "0/root/etc/y", "y", 0644);
	mk_file(box, "2/root/etc/y", "y", 0644);
	assert_int_equal(setxattr(place(box, "2/root/etc/y"), "user.overlay.origin", "1", 1, 0), 0);
	changes_are(box, 0,
		    "meta file /etc/a (mode 0644→4755)\nmeta dir /etc/d (mode 0755→0700)\n"
		    "meta file /etc/x (xattr user.a\\x20b added)\n");
}

static void test_changed_attribute_value_is_told(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/x", "x", 0644);
	mk_file(box, "1/root/etc/x", "x", 0644);
	assert_int_equal(setxattr(place(box, "0/root/etc/x"), "user.v", "1", 1, 0), 0);
	assert_int_equal(setxattr(place(box, "1/root/etc/x"), "user.v", "1", 1, 0), 0);
	changes_are(box, 0, "");
	assert_int_equal(setxattr(place(box, "1/root/etc/x"), "user.v", "2", 1, 0), 0);
	changes_are(box, 0, "meta file /etc/x (xattr user.v changed)\n");
}

static void claim(struct box *box, const char *name, const char *owner)
{
	assert_int_equal(setxattr(place(box, name), "user.belljar.owner", owner, strlen(owner), 0),
			 0);
}

static void test_claimed_owner_is_the_owner_and_no_attribute(void **state)
{
	struct box *box = *state;
	char want[400];

	for (const char *n = "01"; *n; n++) {
		char name[32];

		snprintf(name, sizeof(name), "%c/root/etc/f", *n);
		mk_file(box, name, "f", 0644);
		snprintf(name, sizeof(name), "%c/root/etc/d", *n);
		mk_dir(box, name, 0755);
	}
	mk_file(box, "1/root/etc/new", "n", 0400);
	claim(box, "1/root/etc/f", "101:102");
	claim(box, "1/root/etc/d", "7:0");
	claim(box, "0/root/etc/f", "5:5"); /* the host's file: nobody claimed anything there */
	/* a box where nothing was ever claimed: the attribute is the program's own */
	changes_are(box, 0,
		    "meta dir /etc/d (xattr user.belljar.owner added)\n"
		    "meta file /etc/f (xattr user.belljar.owner changed)\n"
		    "added file /etc/new\n");
	assert_int_equal(removexattr(place(box, "0/root/etc/f"), "user.belljar.owner"), 0);
	assert_int_equal(write_file_at(box->fd, "claims", 0600, "", 0), 0);
	snprintf(want, sizeof(want),
		 "meta dir /etc/d (owner %u:%u→7:0)\nmeta file /etc/f (owner %u:%u→101:102)\n"
		 "added file /etc/new\n",
		 getuid(), getgid(), getuid(), getgid());
	changes_are(box, 0, want);
	/* claimed before the layer that is asked for, and otherwise since */
	changes_are(box, 1, "");
	mk_file(box, "2/root/etc/f", "f", 0644);
	claim(box, "2/root/etc/f", "101:7");
	changes_are(box, 1, "meta file /etc/f (owner 101:102→101:7)\n");
}

static void test_what_reads_as_no_owner_stays_an_attribute(void **state)
{
	static const char *const bad[] = { "1",	   "1:",   "x:1",	   "01:1",  "1:1 ",
					   " 1:1", "-1:1", "1:4294967295", "1:1:1", "99999999999:1",
					   "1:0x1" };
	struct box *box = *state;

	assert_int_equal(write_file_at(box->fd, "claims", 0600, "", 0), 0);
	mk_file(box, "0/root/etc/f", "f", 0644);
	mk_file(box, "1/root/etc/f", "f", 0644);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		claim(box, "1/root/etc/f", bad[i]);
		changes_are(box, 0, "meta file /etc/f (xattr user.belljar.owner added)\n");
	}
}

static void test_owner_that_the_box_does_not_know_is_box_root(void **state)
{
	struct box *box = *state;

	if (geteuid())
		return; /* a plain user cannot give files away: the root run has this test */
	mk_file(box, "h/usr/bin/tool", "t", 0755);
	assert_int_equal(chown(place(box, "h/usr/bin/tool"), 65534, 65534), 0);
	mk_file(box, "1/usr/bin/tool", "t", 0755);
	changes_are(box, 0, "");
	assert_int_equal(chown(place(box, "1/usr/bin/tool"), 7, 0), 0);
	changes_are(box, 0, "meta file /usr/bin/tool (owner 0:0→7:0)\n");
	/* in a layer, 65534 is the box's own 'nobody' */
	assert_int_equal(chown(place(box, "1/usr/bin/tool"), 65534, 0), 0);
	changes_are(box, 0, "meta file /usr/bin/tool (owner 0:0→65534:0)\n");
}

static void test_link_that_leads_elsewhere_is_changed(void **state)
{
	struct box *box = *state;

	mk_link(box, "0/root/etc/l", "one");
	mk_link(box, "0/root/etc/m", "one");
	mk_link(box, "1/root/etc/l", "two");
	mk_link(box, "1/root/etc/m", "one");
	changes_are(box, 0, "changed symlink /etc/l (two)\n");
}

static void test_rename_is_one_move_and_two_copies_are_not(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/old", "unique bytes", 0644);
	mk_whiteout(box, "1/root/etc/old");
	mk_file(box, "1/root/etc/new", "unique bytes", 0644);
	changes_are(box, 0, "moved file /etc/new from /etc/old\n");
	mk_file(box, "1/root/etc/new2", "unique bytes", 0644);
	changes_are(box, 0, "added file /etc/new\nadded file /etc/new2\nremoved file /etc/old\n");
}

static void test_empty_files_do_not_move(void **state)
{
	struct box *box = *state;

	mk_file(box, "0/root/etc/old", "", 0644);
	mk_whiteout(box, "1/root/etc/old");
	mk_file(box, "1/root/etc/new", "", 0644);
	changes_are(box, 0, "added file /etc/new\nremoved file /etc/old\n");
}

static void test_names_of_any_bytes_and_any_length(void **state)
{
	struct box *box = *state;
	char name[300] = "1/root/", want[400];

	mk_file(box, "1/root/a\n\x1b[2J\xff", "x", 0644);
	memset(name + 7, 'n', 255);
	mk_file(box, name, "x", 0644);
	snprintf(want, sizeof(want), "added file /a\\x0a\\x1b[2J\\xff\nadded file %s\n", name + 6);
	changes_are(box, 0, want);
}

/* A chain of directories @n deep below @at, made by descriptors: its path is longer than PATH_MAX.
 */
static void mk_deep(const char *at, int n)
{
	int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[201];

	memset(name, 'd', 200);
	name[200] = 0;
	for (int i = 0; i < n; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(openat(fd, "leaf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	close(fd);
}

static int longest(void *ctx, const struct change *c)
{
	size_t *n = ctx;

	if (c->path.n > *n)
		*n = c->path.n;
	return 0;
}

static int set_times(void *ctx, const struct change *c)
{
	struct buf *b = ctx;

	buf_printf(b, "%s %.*s%s\n", change_op_name[c->op], (int)c->path.n, c->path.p,
		   c->mtime_set ? " set" : "");
	return 0;
}

static void at_time(const char *path, int64_t sec)
{
	const struct timespec t[2] = { { sec, 7 }, { sec, 7 } };

	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void test_a_time_that_no_write_can_have_left_was_set_by_a_call(void **state)
{
	struct box *box = *state;
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };

	/* before: files of 2001 */
	mk_file(box, "0/root/etc/moved-from", "carried\n", 0644);
	at_time(place(box, "0/root/etc/moved-from"), 1000000000);
	mk_file(box, "0/root/etc/linked", "linked to\n", 0644);
	at_time(place(box, "0/root/etc/linked"), 1000000001);
	mk_file(box, "0/root/etc/patched", "old bytes\n", 0644);
	at_time(place(box, "0/root/etc/patched"), 1000000002);
	mk_file(box, "0/root/etc/mode", "the same\n", 0644);
	at_time(place(box, "0/root/etc/mode"), 1000000003);
	/* overlayfs copies up with the old time: a new name, a second name, another mode */
	mk_whiteout(box, "1/root/etc/moved-from");
	mk_file(box, "1/root/etc/moved-to", "carried\n", 0644);
	at_time(place(box, "1/root/etc/moved-to"), 1000000000);
	mk_file(box, "1/root/etc/linked", "linked to\n", 0644);
	at_time(place(box, "1/root/etc/linked"), 1000000001);
	mk_file(box, "1/root/etc/second", "linked to\n", 0644);
	at_time(place(box, "1/root/etc/second"), 1000000001);
	mk_file(box, "1/root/etc/mode", "the same\n", 0600);
	at_time(place(box, "1/root/etc/mode"), 1000000003);
	/* calls: another content under the old time, a past and a coming time, and none */
	mk_file(box, "1/root/etc/patched", "new bytes\n", 0644);
	at_time(place(box, "1/root/etc/patched"), 1000000002);
	mk_file(box, "1/root/etc/past", "x\n", 0644);
	at_time(place(box, "1/root/etc/past"), 1000000003);
	mk_file(box, "1/root/etc/coming", "x\n", 0644);
	at_time(place(box, "1/root/etc/coming"), (int64_t)(clock_real_ns() / NSEC_PER_SEC) + 86400);
	mk_file(box, "1/root/etc/written", "x\n", 0644);
	assert_int_equal(changes_between(box, NULL, 0, set_times, &b, &err), 0);
	assert_string_equal(buf_z(&b), "added /etc/coming set\n"
				       "meta /etc/mode\n"
				       "moved /etc/moved-to\n"
				       "added /etc/past set\n"
				       "changed /etc/patched set\n"
				       "added /etc/second\n"
				       "added /etc/written\n");
}

static void test_paths_longer_than_the_kernels_limit_come_whole(void **state)
{
	struct box *box = *state;
	struct err err = { 0 };
	size_t n = 0;

	mk_deep(place(box, "1/root"), 60);
	assert_int_equal(changes_between(box, NULL, 0, longest, &n, &err), 0);
	assert_int_equal(n, 60 * 201 + 5);
}

static void test_what_is_too_deep_is_told_and_the_rest_is_listed(void **state)
{
	struct box *box = *state;
	struct err err = { 0 };
	struct changeset set;
	bool other = false;

	/* 200 bytes a level: the path limit is reached first, after 326 levels */
	mk_deep(place(box, "1/root"), 330);
	mk_file(box, "1/root/zz", "z", 0644);
	assert_int_equal(changeset_read(box, NULL, 0, &set, &err), 0);
	assert_int_equal(set.nlimits, 1);
	assert_true(set.cut);
	assert_true(str_eq(set.limit[0].what, STR("path")));
	for (size_t i = 0; i < set.n; i++)
		other |= str_eq(set.v[i].c.path, STR("/zz"));
	assert_true(other);
	changeset_free(&set);
	{
		cleanup_buf struct buf all = { 0 };

		assert_int_equal(changes_between(box, NULL, 0, line, &all, &err), -E2BIG);
	}
}

static void test_huge_sparse_file_is_told_without_a_hash(void **state)
{
	struct box *box = *state;
	struct err err = { 0 };
	struct changeset set;

	mk_file(box, "1/root/big", "x", 0644);
	assert_int_equal(truncate(place(box, "1/root/big"), 1ll << 40), 0);
	assert_int_equal(changeset_read(box, NULL, 0, &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.v[0].c.size, 1ll << 40);
	assert_string_equal(set.v[0].c.sha256, "");
	assert_int_equal(set.nlimits, 1);
	assert_false(set.cut);
	changeset_free(&set);
}

static void test_programs_are_known_by_their_bytes_or_mode(void **state)
{
	struct box *box = *state;
	struct err err = { 0 };
	struct changeset set;

	mk_file(box, "1/root/a.gif", "MZ...", 0644);
	mk_file(box, "1/root/b",
		"\x7f"
		"ELF....",
		0644);
	mk_file(box, "1/root/c", "#!/bin/sh", 0644);
	mk_file(box, "1/root/d", "text", 0755);
	mk_file(box, "1/root/e", "text", 0644);
	assert_int_equal(changeset_read(box, NULL, 0, &set, &err), 0);
	assert_int_equal(set.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(set.v[i].program, i < 4);
	changeset_free(&set);
}

static void test_records_that_the_walk_does_not_write_are_refused(void **state)
{
	struct rec_out o = { .fd = -1 };
	struct delta d = { .c = { .op = CHANGE_ADDED, .type = "file", .path = STR("/x") } };
	struct err err = { 0 };
	size_t whole;

	(void)state;
	rec_change(&o, &d);
	rec_sha(&o, 0, "");
	rec_end(&o, 1);
	whole = o.buf.n;
	for (size_t n = 0; n <= whole; n++) {
		struct changeset set = { 0 };

		/* every cut is found, the whole is taken */
		assert_int_equal(changeset_decode((uint8_t *)o.buf.p, n, &set, &err),
				 n == whole ? 0 : -EBADMSG);
		changeset_free(&set);
	}
	for (size_t i = 0; i < whole; i++) {
		struct changeset set = { 0 };

		/* any byte swapped: refused or taken, never out of bounds (ASan watches) */
		o.buf.p[i] ^= 0x81;
		changeset_decode((uint8_t *)o.buf.p, whole, &set, &err);
		changeset_free(&set);
		o.buf.p[i] ^= 0x81;
	}
	buf_free(&o.buf);
	buf_free(&o.rec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
		T(test_nothing_but_copied_up_parents_is_no_change),
		T(test_what_is_mounted_below_untouched_folders_is_walked),
		T(test_copy_up_with_the_same_bytes_is_no_change_and_other_times_neither),
		T(test_added_trees_are_listed_whole_parents_first),
		T(test_removed_trees_are_listed_whole),
		T(test_whiteout_over_nothing_is_nothing),
		T(test_directory_made_anew_loses_what_the_old_one_held),
		T(test_one_kind_of_entry_in_place_of_another),
		T(test_mode_and_attributes_are_meta_and_time_is_not),
		T(test_changed_attribute_value_is_told),
		T(test_claimed_owner_is_the_owner_and_no_attribute),
		T(test_what_reads_as_no_owner_stays_an_attribute),
		T(test_owner_that_the_box_does_not_know_is_box_root),
		T(test_link_that_leads_elsewhere_is_changed),
		T(test_rename_is_one_move_and_two_copies_are_not),
		T(test_empty_files_do_not_move),
		T(test_names_of_any_bytes_and_any_length),
		T(test_a_time_that_no_write_can_have_left_was_set_by_a_call),
		T(test_paths_longer_than_the_kernels_limit_come_whole),
		T(test_what_is_too_deep_is_told_and_the_rest_is_listed),
		T(test_huge_sparse_file_is_told_without_a_hash),
		T(test_programs_are_known_by_their_bytes_or_mode),
		T(test_records_that_the_walk_does_not_write_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
