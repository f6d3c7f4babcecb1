// SPDX-License-Identifier: Apache-2.0
/*
 * examine_log.c - the last line that an installer printed, of any bytes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "examine/log.c"

static void test_the_last_line_that_says_something(void **state UNUSED)
{
	static const struct {
		const char *log, *want;
	} rows[] = {
		{ "", "" },
		{ "\n\n \n", "" },
		{ "one", "one" },
		{ "one\ntwo\n", "two" },
		{ "one\ntwo\n\n  \n", "two" },
		{ "progress 1 %\rprogress 2 %\r", "progress 2 %" },
		{ "gzip: stdin: unexpected end of file\ntar: Child returned status 1\n"
		  "tar: Error is not recoverable: exiting now\n",
		  "gzip: stdin: unexpected end of file" },
		{ "tar: a: Cannot open\ntar: Exiting with failure status due to previous errors\n",
		  "tar: a: Cannot open" },
		{ "why\n\tand more of it\n    and more\n", "why" },
		{ "  only this", "" },
		{ "red \x1b[31mand\xff \xe2\x80\xae", "red ?[31mand? ???" },
	};
	char got[EXAMINE_SAID_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		last_line(rows[i].log, strlen(rows[i].log), got);
		assert_string_equal(got, rows[i].want);
	}
	last_line("a\0b\nc\0d", 7, got);
	assert_string_equal(got, "c?d");
}

static void test_a_long_line_is_cut(void **state UNUSED)
{
	char line[EXAMINE_SAID_MAX * 3], got[EXAMINE_SAID_MAX];

	memset(line, 'x', sizeof(line));
	for (size_t n = 0; n <= sizeof(line); n++) {
		last_line(line, n, got);
		assert_int_equal(strlen(got), n < EXAMINE_SAID_MAX ? n : EXAMINE_SAID_MAX - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_line_that_says_something),
		cmocka_unit_test(test_a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
