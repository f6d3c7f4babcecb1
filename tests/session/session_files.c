// SPDX-License-Identifier: Apache-2.0
/*
 * session_files.c - files are taken, removed and put back as they were, and only below the root
 *
 * The work of the child, done here: the root is a folder of the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/files.c"

static char top[] = "/tmp/belljar-file-XXXXXX";
static int top_fd; /* holds root/ and outside/ */

static int set_up(void **state UNUSED)
{
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(top_fd >= 0);
	assert_int_equal(mkdirat(top_fd, "root", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "root/dir", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "outside", 0755), 0);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	close(top_fd);
	return rm_rf_at(AT_FDCWD, top);
}

static void write_at(const char *name, const char *text, mode_t mode)
{
	cleanup_close int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void holds(const char *name, const char *text, mode_t mode)
{
	cleanup_close int fd = openat(top_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char have[64] = "";
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(read_full(fd, have, sizeof(have) - 1), (ssize_t)strlen(text));
	assert_string_equal(have, text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static bool there(const char *name)
{
	struct stat st;

	return !fstatat(top_fd, name, &st, AT_SYMLINK_NOFOLLOW);
}

/* Does the job on @path of the root. Return: 0 or errno */
static int job(struct job *j, int what, const char *path)
{
	cleanup_close int root = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	j->what = what;
	j->root = root;
	snprintf(j->path, sizeof(j->path), "%s", path);
	strcpy(j->spare, ".0123456789abcdef");
	assert_int_equal(in_child(j), 0);
	return j->code;
}

static void test_a_file_comes_back_as_it_was(void **state UNUSED)
{
	cleanup_close int fd = memfd_create("kept", MFD_CLOEXEC);
	struct job j = { .fd = fd };

	write_at("root/dir/tool", "bytes of it", 04751);
	assert_int_equal(job(&j, JOB_TAKE, "/dir/tool"), 0);
	assert_true(there("root/dir/tool")); /* taking removes nothing */
	assert_int_equal(j.size, 11);
	assert_int_equal(j.uid, getuid());
	assert_int_equal(job(&j, JOB_REMOVE, "/dir/tool"), 0);
	assert_false(there("root/dir/tool"));
	assert_int_equal(job(&j, JOB_PUT, "/dir/tool"), 0);
	holds("root/dir/tool", "bytes of it", 04751);
}

static void test_what_came_back_by_itself_is_left_alone(void **state UNUSED)
{
	cleanup_close int fd = memfd_create("kept", MFD_CLOEXEC);
	struct job j = { .fd = fd };

	write_at("root/twin", "old", 0644);
	assert_int_equal(job(&j, JOB_TAKE, "/twin"), 0);
	assert_int_equal(job(&j, JOB_REMOVE, "/twin"), 0);
	write_at("root/twin", "restored by somebody", 0600);
	assert_int_equal(job(&j, JOB_PUT, "/twin"), EEXIST);
	holds("root/twin", "restored by somebody", 0600);
}

static void test_a_link_is_a_link(void **state UNUSED)
{
	struct job j = { .fd = -1 };
	char target[64] = "";

	write_at("outside/secret", "not of the box", 0644);
	assert_int_equal(symlinkat("../outside/secret", top_fd, "root/link"), 0);
	assert_int_equal(job(&j, JOB_TAKE, "/link"), 0);
	assert_true(S_ISLNK(j.mode));
	assert_string_equal(j.target, "../outside/secret");
	assert_int_equal(job(&j, JOB_REMOVE, "/link"), 0);
	assert_int_equal(job(&j, JOB_PUT, "/link"), 0);
	assert_int_equal(readlinkat(top_fd, "root/link", target, sizeof(target) - 1), 17);
	assert_string_equal(target, "../outside/secret");
	holds("outside/secret", "not of the box", 0644);
}

static void test_no_way_leads_out_of_the_root(void **state UNUSED)
{
	cleanup_close int fd = memfd_create("kept", MFD_CLOEXEC);
	char up[sizeof(top) + 16];
	struct job j = { .fd = fd };

	write_at("outside/file", "stays", 0644);
	snprintf(up, sizeof(up), "%s/outside", top);
	assert_int_equal(symlinkat(up, top_fd, "root/absolute"), 0);
	assert_int_equal(symlinkat("../outside", top_fd, "root/relative"), 0);
	assert_int_equal(job(&j, JOB_REMOVE, "/absolute/file"), ENOENT);
	assert_int_equal(job(&j, JOB_REMOVE, "/relative/file"), ENOENT);
	assert_int_equal(job(&j, JOB_REMOVE, "/../outside/file"), ENOENT);
	assert_int_equal(job(&j, JOB_TAKE, "/dir/../../outside/file"), ENOENT);
	assert_int_equal(job(&j, JOB_PUT, "/relative/new"), ENOENT);
	holds("outside/file", "stays", 0644);
	assert_false(there("outside/new"));
}

static void test_what_is_no_file_is_refused(void **state UNUSED)
{
	cleanup_close int fd = memfd_create("kept", MFD_CLOEXEC);
	struct job j = { .fd = fd };

	assert_int_equal(mkfifoat(top_fd, "root/fifo", 0644), 0);
	assert_int_equal(job(&j, JOB_TAKE, "/fifo"), EINVAL); /* and nobody waits at it */
	assert_int_equal(job(&j, JOB_TAKE, "/dir"), EINVAL);
	assert_int_equal(job(&j, JOB_TAKE, "/nothing"), ENOENT);
	assert_int_equal(job(&j, JOB_TAKE, "/fifo/below"), ENOTDIR);
	assert_int_equal(job(&j, JOB_TAKE, "/dir/"), EINVAL);
	assert_int_equal(job(&j, JOB_TAKE, "relative"), EINVAL);
	assert_int_equal(job(&j, JOB_TAKE, ""), EINVAL);
	assert_int_equal(job(&j, JOB_REMOVE, "/dir"), EISDIR);
	assert_true(there("root/dir"));
}

static void test_a_huge_file_is_not_kept(void **state UNUSED)
{
	cleanup_close int big = openat(top_fd, "root/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct job j = { .fd = null };

	assert_int_equal(ftruncate(big, FILE_MAX_BYTES), 0); /* a hole: takes no room */
	assert_int_equal(job(&j, JOB_TAKE, "/big"), 0);
	assert_int_equal(ftruncate(big, FILE_MAX_BYTES + 1), 0);
	assert_int_equal(job(&j, JOB_TAKE, "/big"), EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_comes_back_as_it_was),
		cmocka_unit_test(test_what_came_back_by_itself_is_left_alone),
		cmocka_unit_test(test_a_link_is_a_link),
		cmocka_unit_test(test_no_way_leads_out_of_the_root),
		cmocka_unit_test(test_what_is_no_file_is_refused),
		cmocka_unit_test(test_a_huge_file_is_not_kept),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
