// SPDX-License-Identifier: Apache-2.0
/*
 * target_paths.c - reading what a held call points at, tried on this very process
 */
#include "capture/target.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

/* target.c asks the box for id numbers in one place that is not tried here */
uint32_t box_run_uid_in(const struct box_run *run UNUSED, uint32_t outer)
{
	return outer;
}

static void test_paths_are_tidied_without_changing_what_they_name(void **state)
{
	static const char *const table[][2] = {
		{ "/", "/" },
		{ "//", "/" },
		{ "/a", "/a" },
		{ "/a/", "/a" },
		{ "//a///b", "/a/b" },
		{ "/./a/./b/.", "/a/b" },
		{ "/a/../b", "/a/../b" },
		{ "/a/...", "/a/..." },
		{ "/.a/.b", "/.a/.b" },
		{ "/a\n/b", "/a\n/b" },
		{ "/.", "/" },
		{ "pipe:[1]//x", "pipe:[1]//x" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char p[64];

		strcpy(p, table[i][0]);
		if (!is_tidy(p, strlen(p)))
			tidy_path(p);
		assert_string_equal(p, table[i][1]);
	}
}

static void test_a_string_that_ends_before_an_unmapped_page_is_read_whole(void **state)
{
	char *two =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char out[64];

	(void)state;
	assert_ptr_not_equal(two, MAP_FAILED);
	munmap(two + PAGE, PAGE);
	memcpy(two + PAGE - 6, "hello", 6);
	assert_int_equal(target_string(getpid(), (uintptr_t)(two + PAGE - 6), out, sizeof(out)), 5);
	assert_string_equal(out, "hello");
	two[PAGE - 1] = '!';
	assert_int_equal(target_string(getpid(), (uintptr_t)(two + PAGE - 6), out, sizeof(out)),
			 -EFAULT);
	munmap(two, PAGE);
}

static void test_a_string_without_end_is_cut_and_said_so(void **state)
{
	char in[100], out[10];

	(void)state;
	memset(in, 'x', sizeof(in));
	assert_int_equal(target_string(getpid(), (uintptr_t)in, out, sizeof(out)), -ENAMETOOLONG);
	assert_string_equal(out, "xxxxxxxxx");
}

static void test_relative_and_descriptor_paths_become_absolute(void **state)
{
	struct held h = { .tid = getpid(), .tgid = getpid() };
	cleanup_close int dir = open("/usr", O_PATH);
	char out[PATH_TEXT_MAX], fd_name[64];

	(void)state;
	assert_int_equal(chdir("/usr/bin"), 0);
	assert_int_equal(target_path(&h, AT_FDCWD, (uintptr_t) "x/y", out), 0);
	assert_string_equal(out, "/usr/bin/x/y");
	assert_int_equal(target_path(&h, dir, (uintptr_t) "lib", out), 0);
	assert_string_equal(out, "/usr/lib");
	assert_int_equal(target_path(&h, dir, (uintptr_t) "", out), 0);
	assert_string_equal(out, "/usr");
	assert_int_equal(target_path(&h, dir, (uintptr_t) "/etc//passwd", out), 0);
	assert_string_equal(out, "/etc/passwd");
	snprintf(fd_name, sizeof(fd_name), "/proc/self/fd/%d", dir);
	assert_int_equal(target_path(&h, AT_FDCWD, (uintptr_t)fd_name, out), 0);
	assert_string_equal(out, "/usr");
	assert_true(target_path(&h, 9999, (uintptr_t) "x", out) < 0);
	assert_false(h.unread);
}

/* The kernel might be able to read what we cannot. */
static void test_a_name_that_cannot_be_read_is_told_and_not_taken_for_another(void **state)
{
	struct held h = { .tid = getpid(), .tgid = getpid() };
	char out[PATH_TEXT_MAX], byte;

	(void)state;
	assert_int_equal(target_path(&h, AT_FDCWD, 8, out), -EFAULT);
	assert_string_equal(out, "?");
	assert_true(h.unread);
	h.unread = false;
	assert_int_equal(held_read(&h, 8, &byte, 1), -EFAULT);
	assert_true(h.unread);
	/* pointing nowhere is another matter: some calls mean something by it */
	h.unread = false;
	assert_int_equal(held_read(&h, 0, &byte, 1), -EFAULT);
	assert_true(target_path(&h, AT_FDCWD, 0, out) < 0);
	assert_false(h.unread);
	/* who is gone calls no more */
	h.tid = INT32_MAX;
	assert_int_equal(held_read(&h, (uintptr_t)&byte, &byte, 1), -EFAULT);
	assert_false(h.unread);
}

/* As deep as @levels folders of 200 bytes, below a temporary folder; then back out of it. */
static void paths_at_depth(int levels, char out[2][PATH_TEXT_MAX], int rc[2])
{
	struct held h = { .tid = getpid(), .tgid = getpid() };
	char top[] = "/tmp/belljar-test.XXXXXX", name[201];
	cleanup_close int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;

	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	memset(name, 'd', 200);
	name[200] = 0;
	for (int i = 0; i < levels; i++) {
		assert_int_equal(mkdir(name, 0755), 0);
		assert_int_equal(chdir(name), 0);
	}
	dir = open(".", O_PATH | O_DIRECTORY);
	rc[0] = target_path(&h, AT_FDCWD, (uintptr_t) "x/y", out[0]);
	rc[1] = target_path(&h, dir, (uintptr_t) "z", out[1]);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rm_rf_at(tmp, top + 5), 0);
}

static void test_folders_deeper_than_the_kernels_limit_are_named_or_said_to_be_unknown(void **state)
{
	static char out[2][PATH_TEXT_MAX];
	int rc[2];

	(void)state;
	paths_at_depth(30, out, rc);
	assert_int_equal(rc[0], 0);
	assert_int_equal(strlen(out[0]), strlen("/tmp/belljar-test.XXXXXX") + 30 * 201 + 4);
	assert_int_equal(strncmp(out[0], "/tmp/belljar-test.", 18), 0);
	assert_string_equal(out[0] + strlen(out[0]) - 6, "dd/x/y");
	assert_int_equal(rc[1], 0);
	assert_int_equal(strlen(out[1]), strlen(out[0]) - 2);
	/* and what cannot be told is never a name in the root */
	paths_at_depth(60, out, rc);
	assert_int_equal(rc[0], -ENAMETOOLONG);
	assert_string_equal(out[0], "?/x/y");
	assert_int_equal(rc[1], -ENAMETOOLONG);
	assert_string_equal(out[1], "?/z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_tidied_without_changing_what_they_name),
		cmocka_unit_test(test_a_string_that_ends_before_an_unmapped_page_is_read_whole),
		cmocka_unit_test(test_a_string_without_end_is_cut_and_said_so),
		cmocka_unit_test(test_relative_and_descriptor_paths_become_absolute),
		cmocka_unit_test(test_a_name_that_cannot_be_read_is_told_and_not_taken_for_another),
		cmocka_unit_test(
			test_folders_deeper_than_the_kernels_limit_are_named_or_said_to_be_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
