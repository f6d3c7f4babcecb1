// SPDX-License-Identifier: Apache-2.0
/*
 * lapse_overtake.c - which waits the clock goes over when patience with a longer one has ended
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../src/capture/lapse/lapse.c"

#define HOUR (3600 * NSEC_PER_SEC)

/* A task that began to wait @gone ns of the box ago, for @ns, and of late for @lately. */
static void waits(struct lapse *l, struct seen *s, pid_t tid, uint64_t gone, uint64_t ns,
		  uint64_t lately)
{
	*s = (struct seen){ .tid = tid, .blocked = true, .w.what = WAIT_TIMED, .lately = lately };
	s->since = lapse_now(l) - gone;
	s->due = s->since + ns;
	s->ahead = s->since - (clock_mono_ns() - 60 * NSEC_PER_SEC); /* a minute of ours */
	HASH_ADD_INT(l->seen, tid, s);
}

static void test_ticks_are_gone_over_and_not_the_rest_of_a_long_wait(void **state UNUSED)
{
	struct box_clock clock = { .ahead = 1000 * HOUR };
	struct lapse l = { .clock = &clock, .until = LAPSE_NEVER, .rests = 100000 };
	struct seen longest, tick, rest;

	waits(&l, &longest, 1, HOUR / 10, 24 * HOUR, 24 * HOUR);
	waits(&l, &tick, 2, 0, NSEC_PER_SEC / 20, NSEC_PER_SEC / 20);
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), longest.due);
	waits(&l, &rest, 3, 0, NSEC_PER_SEC, HOUR / 6);
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), rest.due);
	/* it has ticked for a while */
	rest.lately = NSEC_PER_SEC;
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), longest.due);
	HASH_CLEAR(hh, l.seen);
}

static void test_who_was_patient_with_ticks_is_so_once(void **state UNUSED)
{
	struct box_clock clock = { .ahead = 1000 * HOUR };
	struct lapse l = { .clock = &clock, .until = LAPSE_NEVER, .rests = 100000 };
	struct seen longest, tick;

	/* a second of ours, in which three minutes of a day went by */
	waits(&l, &longest, 1, HOUR / 20, 24 * HOUR, 24 * HOUR);
	longest.ahead = longest.since - (clock_mono_ns() - NSEC_PER_SEC);
	waits(&l, &tick, 2, 0, NSEC_PER_SEC / 20, NSEC_PER_SEC / 20);
	tick.ahead = tick.since - clock_mono_ns();
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), 0);
	l.overtook_real = clock_mono_ns() - NSEC_PER_SEC;
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), longest.due);
	/* beside ticks that will all have come in some minutes: not even then */
	longest.since -= HOUR;
	longest.ahead -= HOUR;
	longest.due -= HOUR;
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC), 0);
	l.overtook_real = clock_mono_ns() - 2 * OVERTOOK_NS;
	assert_int_equal(impatient_due(&l, NSEC_PER_SEC / 20), 0);
	HASH_CLEAR(hh, l.seen);
}

/* Waits that are too short to jump to keep a long one from its end just so. */
static void test_waits_that_come_by_themselves_are_ticks_as_well(void **state UNUSED)
{
	struct box_clock clock = { .ahead = 1000 * HOUR };
	struct clock_hints hints = { 0 };
	struct recorder_lapse opts = { .hints = &hints };
	struct clocked asked = { .tgid = 1, .asked = 1 };
	struct lapse l = { .clock = &clock, .opts = &opts, .until = LAPSE_NEVER };
	struct seen longest, tick;
	uint64_t more;

	/* it will not be ready to jump: that asks for it is what is looked at */
	asked.asked_real = clock_mono_ns();
	HASH_ADD_INT(l.clocked, tgid, &asked);
	waits(&l, &longest, 1, 60 * NSEC_PER_SEC, 2 * HOUR, 2 * HOUR);
	waits(&l, &tick, 2, 0, NSEC_PER_SEC / 1000, NSEC_PER_SEC / 1000);
	for (int i = 0; i < TICKING - 1; i++) {
		/* a look that comes again, before it is over, finds the same one */
		more = i % 2 ? NSEC_PER_SEC / 1000 : 0;
		clock.ahead += more;
		tick.due += more;
		all_wait(&l);
		assert_false(l.files);
	}
	for (int i = 0; i < TICKING && !l.files; i++) {
		clock.ahead += NSEC_PER_SEC / 1000;
		tick.due += NSEC_PER_SEC / 1000;
		all_wait(&l);
	}
	assert_true(l.files);
	/* hours that end side by side are no ticks of a thousandth */
	l.files = false;
	longest.rests = l.rests;
	for (int i = 0; i < 2 * TICKING; i++) {
		more = i % 2 ? HOUR : NSEC_PER_SEC / 1000;
		clock.ahead += more;
		tick.due += more;
		tick.since = tick.due - more;
		/* a minute of ours for 18 of 24 hours: as lapse_patience() has it */
		longest.since = lapse_now(&l) - 18 * HOUR;
		longest.due = longest.since + 24 * HOUR;
		longest.ahead = longest.since - (clock_mono_ns() - 60 * NSEC_PER_SEC);
		all_wait(&l);
		tick.rests = l.rests;
		assert_false(l.files);
	}
	HASH_CLEAR(hh, l.seen);
	HASH_CLEAR(hh, l.clocked);
}

/* Who waits for a day of the box's time looks up now and then, and says again until when. */
static void test_a_wait_that_is_gone_on_with_is_one_wait(void **state UNUSED)
{
	struct box_clock clock = { .ahead = 1000 * HOUR };
	struct lapse l = { .clock = &clock };
	uint64_t since;

	pthread_mutex_init(&l.lock, NULL);
	pthread_cond_init(&l.wake, NULL);
	lapse_until(&l, 2000 * HOUR);
	since = l.until_real;
	l.rests = 7;
	lapse_until(&l, 0);
	lapse_until(&l, 2000 * HOUR);
	assert_int_equal(l.until_real, since);
	assert_int_equal(l.until_rests, 0);
	lapse_until(&l, 0);
	lapse_until(&l, 2001 * HOUR);
	assert_true(l.until_real > since);
	assert_int_equal(l.until_rests, 7);
	pthread_cond_destroy(&l.wake);
	pthread_mutex_destroy(&l.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wait_that_is_gone_on_with_is_one_wait),
		cmocka_unit_test(test_ticks_are_gone_over_and_not_the_rest_of_a_long_wait),
		cmocka_unit_test(test_waits_that_come_by_themselves_are_ticks_as_well),
		cmocka_unit_test(test_who_was_patient_with_ticks_is_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
