// SPDX-License-Identifier: Apache-2.0
/*
 * dates_table.c - how far the box was ahead when: kept over runs, and a file's times read by it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "../../src/capture/lapse/dates.c"

#define S (int64_t) NSEC_PER_SEC

static void test_each_moment_has_what_was_true_then(void **state)
{
	struct dates d = { 0 };

	(void)state;
	assert_false(dates_any(&d));
	dates_add(&d, 50, 0); /* never another date: nothing to keep */
	assert_false(dates_any(&d));
	dates_add(&d, 100, 7);
	dates_add(&d, 200, 9);
	dates_add(&d, 250, 9);
	dates_add(&d, 300, 0);
	assert_int_equal(d.n, 3);
	assert_int_equal(dates_ahead(&d, 99), 0);
	assert_int_equal(dates_ahead(&d, 100), 7);
	assert_int_equal(dates_ahead(&d, 299), 9);
	assert_int_equal(dates_ahead(&d, 300), 0);
	dates_free(&d);
}

static void test_a_time_after_the_last_change_is_left_alone(void **state)
{
	struct dates d = { 0 };

	(void)state;
	dates_add(&d, 100, 7);
	assert_int_equal(dates_of_file(&d, 150, 150), 157);
	assert_int_equal(dates_of_file(&d, 150, 149), 150);
	assert_int_equal(dates_of_file(&d, 50, 150), 50);
	assert_int_equal(dates_of_file(&d, -5, 150), -5);
	dates_free(&d);
}

static void test_a_date_of_the_box_is_known(void **state)
{
	struct dates d = { 0 };

	(void)state;
	dates_add(&d, 1000, 500);
	dates_add(&d, 1100, 0);
	dates_add(&d, 2000, -1500);
	assert_false(dates_was(&d, 999, 2100));
	assert_true(dates_was(&d, 1000, 2100));
	assert_true(dates_was(&d, 1600, 2100));
	assert_false(dates_was(&d, 1601, 2100));
	assert_false(dates_was(&d, 499, 2100));
	assert_true(dates_was(&d, 500, 2100));
	assert_true(dates_was(&d, 600, 2100));
	assert_false(dates_was(&d, 601, 2100));
	dates_free(&d);
}

static int folder(char name[32])
{
	int fd;

	strcpy(name, "/tmp/dates.XXXXXX");
	assert_non_null(mkdtemp(name));
	fd = open(name, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void leave(int fd, const char *name)
{
	unlinkat(fd, "clock", 0);
	close(fd);
	assert_int_equal(rmdir(name), 0);
}

static void test_a_box_keeps_it_from_run_to_run(void **state)
{
	struct dates d = { 0 }, again;
	char name[32];
	int fd = folder(name);

	(void)state;
	assert_int_equal(dates_save(&d, fd), 0);
	assert_int_equal(faccessat(fd, "clock", F_OK, 0), -1); /* nothing to keep: no file */
	dates_add(&d, 100, 7);
	assert_int_equal(dates_save(&d, fd), 0);
	dates_add(&d, 200, -9 * S);
	dates_add(&d, 300, 0);
	assert_int_equal(dates_save(&d, fd), 0);
	dates_load(&again, fd);
	assert_int_equal(again.n, 3);
	assert_int_equal(dates_ahead(&again, 250), -9 * S);
	assert_int_equal(dates_ahead(&again, 300), 0);
	dates_free(&again);
	dates_free(&d);
	leave(fd, name);
}

static void test_a_run_that_was_cut_off_has_an_end(void **state)
{
	struct dates d = { 0 }, again;
	char name[32];
	int fd = folder(name);

	(void)state;
	dates_add(&d, 100, 7);
	assert_int_equal(dates_save(&d, fd), 0);
	dates_load(&again, fd);
	assert_int_equal(dates_ahead(&again, 101), 7);
	assert_int_equal(dates_ahead(&again, clock_real_ns() + 60 * NSEC_PER_SEC), 0);
	dates_free(&again);
	dates_free(&d);
	leave(fd, name);
}

static void test_a_file_of_rubbish_is_read_as_far_as_it_goes(void **state)
{
	static const char text[] = "100 7\n50 8\n200 9\n";
	struct dates d;
	char name[32];
	int fd = folder(name), file = openat(fd, "clock", O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write_full(file, text, sizeof(text) - 1), 0);
	close(file);
	dates_load(&d, fd);
	assert_int_equal(dates_ahead(&d, 150), 7);
	assert_int_equal(dates_ahead(&d, 250), 7);
	dates_free(&d);
	leave(fd, name);
}

static void test_there_is_a_limit_and_what_is_new_stays(void **state)
{
	struct dates d = { 0 };

	(void)state;
	for (int i = 1; i <= 3 * DATES_MAX; i++)
		dates_add(&d, (uint64_t)i * 10, i);
	assert_true(d.n <= DATES_MAX);
	assert_int_equal(dates_ahead(&d, 30ull * DATES_MAX), 3 * DATES_MAX);
	assert_int_equal(dates_ahead(&d, 30ull * DATES_MAX - 10), 3 * DATES_MAX - 1);
	dates_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_moment_has_what_was_true_then),
		cmocka_unit_test(test_a_time_after_the_last_change_is_left_alone),
		cmocka_unit_test(test_a_date_of_the_box_is_known),
		cmocka_unit_test(test_a_box_keeps_it_from_run_to_run),
		cmocka_unit_test(test_a_run_that_was_cut_off_has_an_end),
		cmocka_unit_test(test_a_file_of_rubbish_is_read_as_far_as_it_goes),
		cmocka_unit_test(test_there_is_a_limit_and_what_is_new_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
