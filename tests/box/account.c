// SPDX-License-Identifier: Apache-2.0
/* account.c - who a user of the host is: by /etc/passwd, and by getent */
#include "box/account.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_line_of_passwd_gives_name_and_home(void **state UNUSED)
{
	static const struct {
		const char *text;
		const char *name, *home; /* NULL: nobody */
	} rows[] = {
		{ "root:x:0:0:root:/root:/bin/bash\nme:x:1001:7:I,,,:/home/me:/bin/sh\n", "me",
		  "/home/me" },
		{ "me:x:1001:7:::", "me", "" },
		{ "first:x:1001:1::/a:\nsecond:x:1001:1::/b:\n", "first", "/a" },
		{ "me:x:1001:7::/home/me\nyou:x:1001:7::/home/you:/bin/sh", "you", "/home/you" },
		{ ":x:1001:7::/home/me:/bin/sh\n+:::1001:::\n", NULL, NULL },
		{ "me:x:01001:7::/home/me:/bin/sh\nme:x:10010:7::/x:\nme:x::7::/x:\n", NULL, NULL },
		{ "\n\n:\n::::::\n", NULL, NULL },
		{ "", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *name = NULL, *home = NULL;

		assert_int_equal(account_find(rows[i].text, 1001, &name, &home),
				 rows[i].name != NULL);
		assert_true(!rows[i].name || !strcmp(name, rows[i].name));
		assert_true(!rows[i].name || !strcmp(home, rows[i].home));
		free(name);
		free(home);
	}
}

static void test_getent_says_what_passwd_says(void **state UNUSED)
{
	cleanup_free char *answer = xmalloc(ANSWER_MAX), *name = NULL, *home = NULL;

	assert_true(ask(0, answer));
	assert_true(account_find(answer, 0, &name, &home));
	assert_string_equal(name, "root");
	assert_string_equal(home, "/root");
}

static void test_nobody_knows_a_user_that_is_not_there(void **state UNUSED)
{
	char *name, *home;

	assert_false(account_of(3999999999u, &name, &home));
	assert_null(name);
	assert_null(home);
	assert_true(account_of(0, &name, &home));
	assert_string_equal(name, "root");
	free(name);
	free(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_of_passwd_gives_name_and_home),
		cmocka_unit_test(test_getent_says_what_passwd_says),
		cmocka_unit_test(test_nobody_knows_a_user_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
