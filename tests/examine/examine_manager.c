// SPDX-License-Identifier: Apache-2.0
/*
 * examine_manager.c - what the service manager is asked for, by the recorded command line of any
 * bytes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "examine/manager.c"

#define SYSTEMCTL "/usr/bin/systemctl"
#define SERVICE	  "/usr/sbin/service"

static void test_who_asks_for_what(void **state UNUSED)
{
	static const struct {
		const char *image, *line;
		size_t n;
		const char *unit[3];
		unsigned does;
	} rows[] = {
		{ SYSTEMCTL, "systemctl stop vendor", 1, { "vendor" }, STOPS },
		{ SYSTEMCTL, "systemctl stop vendor.service", 1, { "vendor" }, STOPS },
		{ SYSTEMCTL,
		  "systemctl --no-block -q stop a b.service c@7.service",
		  3,
		  { "a", "b", "c" },
		  STOPS },
		{ SYSTEMCTL, "systemctl stop a --now b", 2, { "a", "b" }, STOPS },
		{ SYSTEMCTL, "/bin/systemctl start vendor", 1, { "vendor" }, STARTS },
		{ SYSTEMCTL, "systemctl restart vendor", 1, { "vendor" }, STOPS | STARTS },
		{ SYSTEMCTL, "systemctl disable --now vendor", 1, { "vendor" }, STOPS },
		{ SYSTEMCTL, "systemctl --now mask vendor", 1, { "vendor" }, STOPS },
		{ SYSTEMCTL, "systemctl enable --now vendor", 1, { "vendor" }, STARTS },
		{ SYSTEMCTL, "systemctl kill vendor", 1, { "vendor" }, STOPS },
		{ SERVICE, "/bin/sh /usr/sbin/service", 0, { NULL }, 0 },
		{ SERVICE, "service vendor stop", 1, { "vendor" }, STOPS },
		{ SERVICE, "service vendor restart now", 1, { "vendor" }, STOPS | STARTS },
		{ SERVICE, "service vendor status", 0, { NULL }, 0 },
		{ SERVICE, "service vendor", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl disable vendor", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl enable vendor", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl daemon-reload", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl is-active stop", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl stop", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl stop .service @x", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl --now", 0, { NULL }, 0 },
		{ SYSTEMCTL, "systemctl", 0, { NULL }, 0 },
		{ SYSTEMCTL, "   ", 0, { NULL }, 0 },
		{ SYSTEMCTL, "", 0, { NULL }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct manager m = { .n = 0 };

		take(&m, rows[i].image, rows[i].line, 7, 1000);
		assert_int_equal(m.n, rows[i].n);
		for (size_t k = 0; k < m.n; k++) {
			assert_string_equal(m.wish[k].unit, rows[i].unit[k]);
			assert_int_equal(m.wish[k].does, rows[i].does);
			assert_int_equal(m.wish[k].asker, 7);
			assert_int_equal(m.wish[k].due, 1000 + TERM_WAIT);
		}
	}
}

static void test_more_than_there_is_room_for_is_left_out(void **state UNUSED)
{
	struct manager m = { .n = 0 };
	struct buf line = { 0 };

	buf_puts(&line, "systemctl stop");
	for (int i = 0; i < 3 * WORDS_MAX; i++)
		buf_printf(&line, " unit%d", i);
	for (int i = 0; i < 3; i++)
		take(&m, SYSTEMCTL, buf_z(&line), 1, 0);
	assert_int_equal(m.n, MANAGER_WISHES);
	buf_free(&line);
	buf_puts(&line, "systemctl stop ");
	for (int i = 0; i < 3 * MANAGER_UNIT; i++)
		buf_puts(&line, "x");
	m.n = 0;
	take(&m, SYSTEMCTL, buf_z(&line), 1, 0);
	assert_int_equal(m.n, 1);
	assert_int_equal(strlen(m.wish[0].unit), MANAGER_UNIT - 1);
	buf_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_asks_for_what),
		cmocka_unit_test(test_more_than_there_is_room_for_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
