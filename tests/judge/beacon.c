// SPDX-License-Identifier: Apache-2.0
/*
 * beacon.c - regular times are told, chance is not
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/beacon.h"
#include "judge/judge.h"

static uint64_t state;

static double uniform(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static double chance(double T)
{
	return -T * log(uniform());
}

/* Of 400 series of @n contacts, how many are flagged? */
static int flagged(int n, double (*next)(double T), double T)
{
	int hits = 0;

	state = 42;
	for (int i = 0; i < 400; i++) {
		double t[600];
		struct beacon b;

		t[0] = 1e6 * uniform();
		for (int k = 1; k < n; k++)
			t[k] = t[k - 1] + next(T);
		beacon_test(t, (size_t)n, &b);
		hits += !b.too_few && b.p <= BEACON_FLAG;
	}
	return hits;
}

static double jitter25(double T)
{
	return T * (0.75 + 0.5 * uniform());
}

static void test_chance_is_flagged_as_seldom_as_the_level_says(void **state_)
{
	(void)state_;
	/* 400 series at 1 %: 4 on average; 14 or more come once in 10,000 such tests */
	for (int n = 6; n <= 400; n = n * 2 + 1)
		assert_in_range(flagged(n, chance, 60), 0, 14);
}

static void test_jitter_does_not_hide_a_beacon(void **state_)
{
	(void)state_;
	assert_in_range(flagged(24, jitter25, 3600), 396, 400);
	assert_in_range(flagged(48, jitter25, 3600), 400, 400);
}

static void test_the_scale_does_not_count(void **state_)
{
	double t[40], u[40];
	struct beacon a, b;

	(void)state_;
	state = 7;
	t[0] = u[0] = 0;
	for (int i = 1; i < 40; i++) {
		t[i] = t[i - 1] + 100 + 20 * uniform();
		u[i] = t[i] * 1000;
	}
	beacon_test(t, 40, &a);
	beacon_test(u, 40, &b);
	assert_true(fabs(a.p - b.p) < 1e-9);
	assert_true(fabs(a.period * 1000 - b.period) < 1e-3);
	assert_true(a.p <= BEACON_FLAG);
	assert_true(fabs(a.period - 110) < 8);
}

static void test_the_period_is_no_part_of_it(void **state_)
{
	double t[40];
	struct beacon b;

	(void)state_;
	for (int i = 0; i < 40; i++)
		t[i] = i * 1800.0 + (i % 3) * 0.01;
	beacon_test(t, 40, &b);
	assert_true(fabs(b.period - 1800) < 1);
	for (int i = 20; i < 40; i++)
		t[i] += 1800; /* a missed beat */
	beacon_test(t, 40, &b);
	assert_true(fabs(b.period - 1800) < 1);
}

static void test_the_table_is_that_of_exponential_draws(void **state_)
{
	enum { DRAWS = 4000, N = 10 };
	static int below[BEACON_STATS];

	(void)state_;
	state = 11;
	for (int i = 0; i < DRAWS; i++) {
		double d[N], stat[BEACON_STATS], period;

		for (int k = 0; k < N; k++)
			d[k] = chance(1);
		beacon_stats(d, N, stat, &period);
		for (int s = 0; s < BEACON_STATS; s++)
			below[s] += beacon_p(s, N, stat[s]) <= 0.05;
	}
	/* 200 expected, standard deviation 14 */
	for (int s = 0; s < BEACON_STATS; s++)
		assert_in_range(below[s], 130, 270);
}

static void test_between_two_rows_of_the_table(void **state_)
{
	double a, b, c;

	(void)state_;
	a = beacon_p(0, 50, 1.5);
	b = beacon_p(0, 52, 1.5);
	c = beacon_p(0, 55, 1.5);
	assert_true((a <= b && b <= c) || (a >= b && b >= c));
}

static void test_few_contacts_say_nothing(void **state_)
{
	const double t[] = { 0, 60, 120, 180, 240, 300 };
	struct beacon b;

	(void)state_;
	for (size_t n = 0; n <= 4; n++) {
		beacon_test(t, n, &b);
		assert_true(b.too_few);
		assert_true(b.p == 1);
	}
	beacon_test(t, 6, &b);
	assert_false(b.too_few);
	assert_int_equal(b.intervals, 5);
}

static void test_a_burst_is_one_contact(void **state_)
{
	double t[90];
	struct beacon b;

	(void)state_;
	for (int i = 0; i < 30; i++)
		for (int k = 0; k < 3; k++)
			t[3 * i + k] = 600 * i + 0.2 * k;
	beacon_test(t, 90, &b);
	assert_int_equal(b.contacts, 30);
	assert_true(b.p <= BEACON_FLAG);
}

static void test_a_pause_cuts_and_does_not_spoil(void **state_)
{
	double t[40];
	struct beacon b;

	(void)state_;
	for (int i = 0; i < 40; i++)
		t[i] = 300.0 * i + (i >= 20 ? 86400 : 0);
	beacon_test(t, 40, &b);
	assert_int_equal(b.blocks, 2);
	assert_int_equal(b.flagged, 2);
	assert_true(b.p <= BEACON_FLAG);
}

static void test_a_regular_start_is_told(void **state_)
{
	double t[30];
	struct beacon b;

	(void)state_;
	state = 3;
	t[0] = 0;
	for (int i = 1; i < 30; i++)
		t[i] = t[i - 1] + (i <= 3 ? 3600 : 3600 * (0.2 + 1.6 * uniform()));
	beacon_test(t, 30, &b);
	assert_int_equal(b.regular_start, 3);
	for (int i = 1; i < 30; i++)
		t[i] = t[i - 1] + 3600;
	beacon_test(t, 30, &b);
	assert_int_equal(b.regular_start, 0);
}

static double hurried(double T)
{
	return T * (chance(1) + 0.02);
}

static void test_a_busy_conversation_is_chance(void **state_)
{
	(void)state_;
	/* messages every second or two: that none is told within a second of another is no rhythm
	 */
	assert_in_range(flagged(60, hurried, 1), 0, 14);
	assert_in_range(flagged(60, hurried, 3), 0, 14);
}

/* Visits of four contacts, some seconds apart, at times of @next. */
static int visits_flagged(double (*next)(double T), double T, double *ret_period)
{
	int hits = 0;

	state = 5;
	for (int i = 0; i < 400; i++) {
		double t[4 * 30], begin = 0;
		struct beacon b;

		for (int v = 0; v < 30; v++) {
			begin += next(T) + 60;
			t[4 * v] = begin;
			for (int k = 1; k < 4; k++)
				t[4 * v + k] = t[4 * v + k - 1] + 1 + chance(2);
		}
		beacon_test(t, 4 * 30, &b);
		hits += !b.too_few && b.p <= BEACON_FLAG;
		*ret_period = b.period;
	}
	return hits;
}

static void test_contacts_that_come_together_are_a_visit(void **state_)
{
	double period;

	(void)state_;
	assert_in_range(visits_flagged(jitter25, 1740, &period), 396, 400);
	assert_true(fabs(period - 1800) < 200);
	assert_in_range(visits_flagged(chance, 1740, &period), 0, 14);
}

static void test_one_regular_stretch_is_enough(void **state_)
{
	double t[120];
	struct beacon b;

	(void)state_;
	state = 9;
	t[0] = 0;
	for (int i = 1; i < 120; i++)
		t[i] = t[i - 1] + (i < 60 ? chance(60) + (i % 20 ? 0 : 3600) : jitter25(60));
	beacon_test(t, 120, &b);
	assert_true(b.blocks > 1);
	assert_true(b.p <= BEACON_FLAG);
}

static void says(double period, double jitter, double p, const char *want)
{
	cleanup_buf struct buf o = { 0 };

	regular_words(&o, period, jitter, p);
	assert_string_equal(buf_z(&o), want);
}

static void test_words_call_regular_only_what_a_person_would(void **state_)
{
	(void)state_;
	says(3720, 0.001, 1e-9,
	     "about every 62 minutes, half of the pauses nearly equal; so regular by chance once in "
	     "1000000 cases or less");
	says(60, 0.2, 0.004,
	     "about every 60 seconds, half of the pauses differ by at most 20 %; so regular by chance "
	     "once in 250 cases");
	says(9000, 1.78, 0.01,
	     "at uneven times that follow a pattern, with pauses about 2.5 hours and others; such a "
	     "pattern comes by chance once in 100 cases");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chance_is_flagged_as_seldom_as_the_level_says),
		cmocka_unit_test(test_jitter_does_not_hide_a_beacon),
		cmocka_unit_test(test_the_scale_does_not_count),
		cmocka_unit_test(test_the_period_is_no_part_of_it),
		cmocka_unit_test(test_the_table_is_that_of_exponential_draws),
		cmocka_unit_test(test_between_two_rows_of_the_table),
		cmocka_unit_test(test_few_contacts_say_nothing),
		cmocka_unit_test(test_a_burst_is_one_contact),
		cmocka_unit_test(test_a_pause_cuts_and_does_not_spoil),
		cmocka_unit_test(test_a_regular_start_is_told),
		cmocka_unit_test(test_a_busy_conversation_is_chance),
		cmocka_unit_test(test_contacts_that_come_together_are_a_visit),
		cmocka_unit_test(test_one_regular_stretch_is_enough),
		cmocka_unit_test(test_words_call_regular_only_what_a_person_would),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("beacon", tests, NULL, NULL);
}
