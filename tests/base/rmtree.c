// SPDX-License-Identifier: Apache-2.0
/* rmtree.c - rm_rf_at() on trees that somebody hostile made */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/base.h"

#define DEEP 5000
#define WIDE 5000

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	cleanup_free char *path = xasprintf("%s/belljar-rmtree-XXXXXX", tmp ? tmp : "/tmp");

	if (!mkdtemp(path))
		return -1;
	*state = steal_ptr(&path);
	return 0;
}

static int teardown(void **state)
{
	int rc = rm_rf_at(AT_FDCWD, *state);

	free(*state);
	return rc;
}

static bool exists(const char *dir, const char *name)
{
	cleanup_free char *p = xasprintf("%s/%s", dir, name);

	return !faccessat(AT_FDCWD, p, F_OK, AT_SYMLINK_NOFOLLOW);
}

static int at(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A chain of folders that no path can name, with a file at each @every-th level. */
static void make_deep(int fd, int levels, int every)
{
	fd = dup(fd);
	for (int i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		if (every && i % every == 0)
			assert_int_equal(mknodat(fd, "f", S_IFREG | 0600, 0), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void test_a_tree_deeper_than_paths_and_descriptors_goes(void **state)
{
	cleanup_close int dir = at(*state);
	struct rlimit old, few = { 160, 160 };

	assert_int_equal(mkdirat(dir, "t", 0700), 0);
	{
		cleanup_close int t = openat(dir, "t", O_RDONLY | O_DIRECTORY);

		make_deep(t, DEEP, 7);
	}
	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(rm_rf_at(dir, "t"), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_false(exists(*state, "t"));
}

static void test_a_wide_folder_with_full_subfolders_goes(void **state)
{
	cleanup_close int dir = at(*state);

	assert_int_equal(mkdirat(dir, "t", 0700), 0);
	for (int i = 0; i < WIDE; i++) {
		char name[64];

		snprintf(name, sizeof(name), "t/%d", i);
		assert_int_equal(mkdirat(dir, name, 0700), 0);
		snprintf(name, sizeof(name), "t/%d/f", i);
		assert_int_equal(mknodat(dir, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(rm_rf_at(dir, "t"), 0);
	assert_false(exists(*state, "t"));
}

static void test_names_that_we_would_use_ourselves_do_no_harm(void **state)
{
	cleanup_close int dir = at(*state);

	assert_int_equal(mkdirat(dir, "t", 0700), 0);
	for (int i = 1; i < 20; i++) {
		char name[64];

		snprintf(name, sizeof(name), "t/.moved-up-%d", i);
		if (i % 3 == 0)
			assert_int_equal(mknodat(dir, name, S_IFREG | 0600, 0), 0);
		else
			assert_int_equal(mkdirat(dir, name, 0), 0);
	}
	{
		cleanup_close int t = openat(dir, "t", O_RDONLY | O_DIRECTORY);

		make_deep(t, 300, 3);
	}
	assert_int_equal(rm_rf_at(dir, "t"), 0);
	assert_false(exists(*state, "t"));
}

static void test_links_are_removed_and_not_followed(void **state)
{
	cleanup_close int dir = at(*state);

	assert_int_equal(mkdirat(dir, "kept", 0700), 0);
	assert_int_equal(mknodat(dir, "kept/f", S_IFREG | 0600, 0), 0);
	assert_int_equal(mkdirat(dir, "t", 0700), 0);
	assert_int_equal(symlinkat("../kept", dir, "t/l"), 0);
	assert_int_equal(symlinkat("kept", dir, "l"), 0);
	assert_int_equal(rm_rf_at(dir, "t"), 0);
	assert_int_equal(rm_rf_at(dir, "l"), 0);
	assert_false(exists(*state, "t"));
	assert_false(exists(*state, "l"));
	assert_true(exists(*state, "kept/f"));
}

static void test_what_is_not_there_is_removed_already(void **state)
{
	cleanup_close int dir = at(*state);

	assert_int_equal(rm_rf_at(dir, "nothing"), 0);
}

/* As an ordinary user: root reads mode 000 anyway. */
static void as_nobody(const char *path, void (*fn)(const char *), const char *arg)
{
	pid_t pid;
	int status;

	if (geteuid() != 0) {
		fn(arg);
		return;
	}
	assert_int_equal(chown(path, 65534, 65534), 0);
	pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(9);
		fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void unreadable(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY);

	if (mkdirat(dir, "t", 0700) || mkdirat(dir, "t/work", 0700) ||
	    mkdirat(dir, "t/work/work", 0700) || mkdirat(dir, "t/work/work/x", 0700) ||
	    fchmodat(dir, "t/work/work/x", 0, 0) || fchmodat(dir, "t/work/work", 0, 0) ||
	    fchmodat(dir, "t/work", 0, 0) || fchmodat(dir, "t", 0500, 0))
		_exit(10);
	if (rm_rf_at(dir, "t"))
		_exit(11);
	if (!faccessat(dir, "t", F_OK, 0))
		_exit(12);
	close(dir);
}

static void test_folders_that_their_owner_cannot_read_go(void **state)
{
	as_nobody(*state, unreadable, *state);
}

static void partly(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY);

	if (rm_rf_at(dir, "t") >= 0)
		_exit(11);
	if (faccessat(dir, "t/theirs/f", F_OK, 0) || !faccessat(dir, "t/a", F_OK, 0) ||
	    !faccessat(dir, "t/z", F_OK, 0) || !faccessat(dir, "t/file", F_OK, 0))
		_exit(12);
	close(dir);
}

static void test_what_cannot_be_removed_stays_and_the_rest_goes(void **state)
{
	cleanup_close int dir = at(*state);
	static const char *const mine[] = { "t", "t/a", "t/a/b", "t/z" };

	if (geteuid() != 0) {
		print_message("skipped: only root can make files of a second owner\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
		assert_int_equal(mkdirat(dir, mine[i], 0700), 0);
		assert_int_equal(fchownat(dir, mine[i], 65534, 65534, 0), 0);
	}
	assert_int_equal(mknodat(dir, "t/file", S_IFREG | 0600, 0), 0);
	assert_int_equal(mkdirat(dir, "t/theirs", 0755), 0);
	assert_int_equal(mknodat(dir, "t/theirs/f", S_IFREG | 0600, 0), 0);
	as_nobody(*state, partly, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_tree_deeper_than_paths_and_descriptors_goes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_wide_folder_with_full_subfolders_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_names_that_we_would_use_ourselves_do_no_harm,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_are_removed_and_not_followed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there_is_removed_already, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_folders_that_their_owner_cannot_read_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_removed_stays_and_the_rest_goes,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
