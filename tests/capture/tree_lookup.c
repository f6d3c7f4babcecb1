// SPDX-License-Identifier: Apache-2.0
/*
 * tree_lookup.c - reading a box's layers without mounting them: what counts, what is hidden, and
 * that no link leads out
 */
#include "../../src/capture/truth/tree.c"
#include "../../src/capture/truth/tree_path.c"
#include "fakebox.h"

static struct tree *tree_at(struct box *box, unsigned upto)
{
	struct err err = { 0 };
	struct tree *t = NULL;

	assert_int_equal(tree_open(box, NULL, upto, &t, &err), 0);
	return t;
}

static void has(struct tree *t, const char *path, const char *text)
{
	cleanup_free char *p = NULL;
	size_t n = 0;

	assert_int_equal(tree_read(t, str_z(path), 1 << 20, &p, &n), 0);
	assert_string_equal(p, text);
	assert_int_equal(n, strlen(text));
}

static int status(struct tree *t, const char *path)
{
	struct tree_stat st;

	return tree_stat(t, str_z(path), true, &st);
}

static void is_really(struct tree *t, const char *path, const char *want)
{
	cleanup_buf struct buf b = { 0 };

	assert_int_equal(tree_resolve(t, str_z(path), true, &b), 0);
	assert_string_equal(buf_z(&b), want);
}

static int add_name(void *ctx, const char *name, const struct tree_stat *st)
{
	buf_printf(ctx, "%s:%s ", name, st->type);
	return 0;
}

static void lists(struct tree *t, const char *path, const char *want)
{
	cleanup_buf struct buf b = { 0 };

	assert_int_equal(tree_list(t, str_z(path), add_name, &b), 0);
	assert_string_equal(buf_z(&b), want);
}

static void test_topmost_layer_counts_and_older_states_stay_readable(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "0/root/etc/a", "base", 0644);
	mk_file(box, "1/root/etc/a", "one", 0644);
	mk_file(box, "3/root/etc/a", "three", 0600);
	for (unsigned upto = 0; upto <= 3; upto++) {
		static const char *const want[] = { "base", "one", "one", "three" };

		t = tree_at(box, upto);
		has(t, "/etc/a", want[upto]);
		tree_close(t);
	}
	t = tree_at(box, TREE_NOW);
	has(t, "/etc/a", "three");
	tree_close(t);
}

static void test_whiteout_hides_and_a_new_file_above_shows_again(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "0/root/etc/a", "base", 0644);
	mk_whiteout(box, "1/root/etc/a");
	mk_file(box, "3/root/etc/a", "again", 0644);
	mk_file(box, "0/root/etc/b", "b", 0644);
	t = tree_at(box, 2);
	assert_int_equal(status(t, "/etc/a"), -ENOENT);
	lists(t, "/etc", "b:file ");
	tree_close(t);
	t = tree_at(box, 3);
	has(t, "/etc/a", "again");
	tree_close(t);
}

static void test_marked_empty_file_is_a_whiteout_and_an_unmarked_one_is_not(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "0/root/etc/a", "base", 0644);
	mk_file(box, "0/root/etc/b", "base", 0644);
	mk_file(box, "1/root/etc/a", "", 0644);
	mk_file(box, "1/root/etc/b", "", 0644);
	assert_int_equal(setxattr(place(box, "1/root/etc/a"), "user.overlay.whiteout", "", 0, 0),
			 0);
	t = tree_at(box, TREE_NOW);
	assert_int_equal(status(t, "/etc/a"), -ENOENT);
	has(t, "/etc/b", "");
	tree_close(t);
}

static void test_directories_are_merged_until_an_opaque_one(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "h/usr/d/host", "", 0644);
	mk_file(box, "0/usr/d/base", "", 0644);
	mk_file(box, "1/usr/d/one", "", 0644);
	mk_file(box, "2/usr/d/two", "", 0644);
	t = tree_at(box, TREE_NOW);
	lists(t, "/usr/d", "base:file host:file one:file two:file ");
	tree_close(t);
	mk_opaque(box, "2/usr/d", 0755);
	t = tree_at(box, TREE_NOW);
	lists(t, "/usr/d", "two:file ");
	assert_int_equal(status(t, "/usr/d/host"), -ENOENT);
	tree_close(t);
	/* "x" only says that there may be marked whiteouts in it */
	assert_int_equal(setxattr(place(box, "2/usr/d"), "user.overlay.opaque", "x", 1, 0), 0);
	t = tree_at(box, TREE_NOW);
	lists(t, "/usr/d", "base:file host:file one:file two:file ");
	tree_close(t);
}

static void test_a_file_between_two_directories_cuts_the_lower_one_off(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "0/root/etc/d/old", "", 0644);
	mk_file(box, "1/root/etc/d", "a file now", 0644);
	mk_file(box, "2/root/etc/d/new", "", 0644);
	t = tree_at(box, TREE_NOW);
	lists(t, "/etc/d", "new:file ");
	tree_close(t);
	t = tree_at(box, 1);
	has(t, "/etc/d", "a file now");
	assert_int_equal(status(t, "/etc/d/old"), -ENOTDIR);
	tree_close(t);
}

static void test_what_is_mounted_wins_over_the_folder_below_it(void **state)
{
	struct box *box = *state;
	struct tree *t;

	mk_file(box, "1/root/usr/hidden", "", 0644);
	mk_file(box, "1/usr/seen", "", 0644);
	t = tree_at(box, TREE_NOW);
	lists(t, "/usr", "seen:file ");
	lists(t, "/", "etc:dir usr:dir ");
	assert_int_equal(status(t, "/usr/hidden"), -ENOENT);
	tree_close(t);
}

static void test_links_are_followed_inside_the_box_only(void **state)
{
	struct box *box = *state;
	char target[512], up[512] = "";
	struct tree *t;

	mk_file(box, "0/usr/bin/tool", "the box's", 0755);
	mk_link(box, "0/root/bin", "usr/bin");
	mk_link(box, "1/root/etc/abs", "/bin/../bin/./tool");
	mk_link(box, "1/usr/bin/rel", "../../etc/abs");
	/* to a file that exists on the host, absolute and by many "..": must not be found */
	mk_file(box, "h/root/secret", "the host's", 0644);
	snprintf(target, sizeof(target), "%s/host/root/secret", box->path);
	mk_link(box, "1/root/etc/out", target);
	for (int i = 0; i < 40; i++)
		strcat(up, "../");
	strncat(up, target + 1, sizeof(up) - strlen(up) - 1);
	mk_link(box, "1/root/etc/out2", up);
	t = tree_at(box, TREE_NOW);
	has(t, "/bin/tool", "the box's");
	has(t, "/usr/bin/rel", "the box's");
	is_really(t, "/bin/rel", "/usr/bin/tool");
	is_really(t, "/bin/..", "/usr"); /* of where the link leads */
	is_really(t, "/../../bin", "/usr/bin");
	assert_int_equal(status(t, "/etc/out"), -ENOENT);
	assert_int_equal(status(t, "/etc/out2"), -ENOENT);
	tree_close(t);
}

static void test_a_link_in_place_of_a_layers_folder_is_not_followed(void **state)
{
	struct box *box = *state;
	struct tree *t;

	/* what a directory is below, a link above: the link is the box's, its target too */
	mk_file(box, "0/root/etc/d/x", "base", 0644);
	mk_link(box, "1/root/etc/d", box->path);
	t = tree_at(box, TREE_NOW);
	assert_int_equal(status(t, "/etc/d/base"), -ENOENT);
	assert_int_equal(status(t, "/etc/d/x"), -ENOENT);
	tree_close(t);
}

static void test_link_loops_end(void **state)
{
	struct box *box = *state;
	struct tree *t;
	char name[64], target[64];

	mk_link(box, "1/root/etc/l", "l");
	for (int i = 0; i < 41; i++) {
		snprintf(name, sizeof(name), "1/root/etc/c%d", i);
		snprintf(target, sizeof(target), "c%d", i + 1);
		mk_link(box, name, target);
	}
	mk_file(box, "1/root/etc/c41", "end", 0644);
	t = tree_at(box, TREE_NOW);
	assert_int_equal(status(t, "/etc/l"), -ELOOP);
	assert_int_equal(status(t, "/etc/c0"), -ELOOP); /* 41 links */
	has(t, "/etc/c1", "end");			/* 40 */
	tree_close(t);
}

static void test_fifo_does_not_hold_a_reader_up(void **state)
{
	struct box *box = *state;
	struct tree *t;

	assert_int_equal(mkdir_p(place(box, "1/root/etc"), 0755), 0);
	assert_int_equal(mkfifo(place(box, "1/root/etc/fifo"), 0644), 0);
	t = tree_at(box, TREE_NOW);
	assert_int_equal(tree_open_file(t, STR("/etc/fifo")), -EINVAL);
	assert_int_equal(tree_open_file(t, STR("/etc")), -EINVAL);
	tree_close(t);
}

static void test_reading_stops_at_the_given_size(void **state)
{
	struct box *box = *state;
	struct tree *t;
	char *p = NULL;

	mk_file(box, "1/root/etc/a", "12345", 0644);
	t = tree_at(box, TREE_NOW);
	assert_int_equal(tree_read(t, STR("/etc/a"), 4, &p, NULL), -EFBIG);
	assert_null(p);
	assert_int_equal(tree_read(t, STR("/etc/a"), 5, &p, NULL), 0);
	free(p);
	tree_close(t);
}

static void test_unusual_names_are_only_bytes(void **state)
{
	struct box *box = *state;
	struct tree *t;
	struct tree_stat st;

	mk_file(box, "1/root/etc/a\nb\x1b[31m\xff", "odd", 0644);
	t = tree_at(box, TREE_NOW);
	has(t, "/etc/a\nb\x1b[31m\xff", "odd");
	assert_int_equal(tree_stat(t, STR("/etc/a\0b"), true, &st), -EINVAL);
	assert_int_equal(tree_stat(t, STR("etc/a"), true, &st), -EINVAL);
	assert_int_equal(tree_stat(t, STR(""), true, &st), -EINVAL);
	tree_close(t);
}

static void test_a_running_box_is_read_through_its_own_top_layer(void **state)
{
	struct box *box = *state;
	struct box_run run = { .box = box };
	struct err err = { 0 };
	struct tree *t = NULL;

	mk_file(box, "3/root/etc/a", "on disk", 0644);
	mk_file(box, "2/root/etc/b", "two", 0644);
	assert_int_equal(mkdir_p(place(box, "9/root/etc"), 0755), 0);
	mk_file(box, "9/root/etc/a", "running", 0644);
	run.layerfd = open(place(box, "9"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_open(box, &run, TREE_NOW, &t, &err), 0);
	has(t, "/etc/a", "running");
	has(t, "/etc/b", "two");
	tree_close(t);
	close(run.layerfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
		T(test_topmost_layer_counts_and_older_states_stay_readable),
		T(test_whiteout_hides_and_a_new_file_above_shows_again),
		T(test_marked_empty_file_is_a_whiteout_and_an_unmarked_one_is_not),
		T(test_directories_are_merged_until_an_opaque_one),
		T(test_a_file_between_two_directories_cuts_the_lower_one_off),
		T(test_what_is_mounted_wins_over_the_folder_below_it),
		T(test_links_are_followed_inside_the_box_only),
		T(test_a_link_in_place_of_a_layers_folder_is_not_followed),
		T(test_link_loops_end),
		T(test_fifo_does_not_hold_a_reader_up),
		T(test_reading_stops_at_the_given_size),
		T(test_unusual_names_are_only_bytes),
		T(test_a_running_box_is_read_through_its_own_top_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
