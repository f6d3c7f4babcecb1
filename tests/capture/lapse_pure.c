// SPDX-License-Identifier: Apache-2.0
/*
 * lapse_pure.c - the parts of time-lapse that need no box: what a blocked call waits for, patience,
 * and this machine's vDSO with our code behind it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <elf.h>
#include <linux/futex.h>
#include <linux/ipc.h>
#include <linux/net.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../src/capture/lapse/vdso.c"
#include "../../src/capture/lapse/waits.c"

/* ---- waits -------------------------------------------------------------------------------- */

static void test_a_line_of_proc_is_read_or_refused(void **state UNUSED)
{
	char sleeps[] = "230 0x1 0x0 0x7ffe4363ac40 0x7ffe4363ac80 0x0 0x0 0x7ffe4363ac28 0x7f72\n";
	char outside[] = "-1 0x7ffd 0x401000\n", runs[] = "running\n", none[] = "",
	     cut[] = "7 0x1 0x2";
	struct blocked b;

	assert_true(blocked_read(sleeps, &b));
	assert_int_equal(b.nr, SYS_clock_nanosleep);
	assert_int_equal(b.a[2], 0x7ffe4363ac40);
	assert_int_equal(b.sp, 0x7ffe4363ac28);
	assert_true(blocked_read(outside, &b));
	assert_int_equal(b.nr, -1);
	assert_false(blocked_read(runs, &b));
	assert_false(blocked_read(none, &b));
	assert_false(blocked_read(cut, &b));
}

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static struct wait of(struct blocked b)
{
	struct wait w;

	wait_of(getpid(), getpid(), &b, &w);
	return w;
}

/* i386 has most calls twice: with seconds of 32 and of 64 bits, whose nanoseconds have padding. */
static void test_a_call_of_32_bits_waits_as_long(void **state UNUSED)
{
	int32_t narrow[2] = { 7200, 5 }, us[2] = { 3, 7 };
	int64_t wide[2] = { 7200, (int64_t)(0xabcdabcd00000000u | 5) };
	uint32_t select_args[5] = { 70 }, socket_args[3] = { 99999 };
	const uint64_t ns = 7200 * NSEC_PER_SEC + 5;
	const struct {
		int nr;
		uint64_t a[6];
		int what, how;
		uint64_t ns;
	} calls[] = {
		{ 162, { at(narrow) }, WAIT_TIMED, WAIT_FOR, ns },
		{ 267,
		  { CLOCK_REALTIME, TIMER_ABSTIME, at(narrow) },
		  WAIT_TIMED,
		  WAIT_UNTIL_DATE,
		  ns },
		{ 407, { CLOCK_MONOTONIC, TIMER_ABSTIME, at(wide) }, WAIT_TIMED, WAIT_UNTIL, ns },
		{ 168, { 0, 0, 1500 }, WAIT_TIMED, WAIT_FOR, 1500000000 },
		{ 168, { 0, 0, 0xffffffff }, WAIT_EVER, WAIT_FOR, 0 },
		{ 142, { 0, 0, 0, 0, at(us) }, WAIT_TIMED, WAIT_FOR, 3000007000 },
		{ 240, { 0, FUTEX_WAIT_PRIVATE, 0, at(narrow) }, WAIT_TIMED, WAIT_FOR, ns },
		{ 422, { 0, FUTEX_WAIT_BITSET, 0, at(wide) }, WAIT_TIMED, WAIT_UNTIL, ns },
		{ 117, { SEMTIMEDOP, 0, 1, 0, 0, at(narrow) }, WAIT_TIMED, WAIT_FOR, ns },
		{ 117, { SEMOP | 1 << 16 }, WAIT_EVER, WAIT_FOR, 0 },
		{ 117, { SHMGET }, WAIT_SHORT, WAIT_FOR, 0 },
		{ 82, { at(select_args) }, WAIT_EVER, WAIT_FOR, 0 },
		{ 82, { 8 }, WAIT_SHORT, WAIT_FOR, 0 },
		{ 102, { SYS_RECV, at(socket_args) }, WAIT_EVER, WAIT_FOR, 0 },
		{ 102, { SYS_SEND, at(socket_args) }, WAIT_SHORT, WAIT_FOR, 0 },
		{ 102, { SYS_SHUTDOWN, at(socket_args) }, WAIT_SHORT, WAIT_FOR, 0 },
		{ 102, { 0xffffffff, at(socket_args) }, WAIT_SHORT, WAIT_FOR, 0 },
		{ 114, { 0 }, WAIT_EVER, WAIT_FOR, 0 }, /* wait4; of x86_64: of System V IPC */
		{ 35, { at(wide) }, WAIT_SHORT, WAIT_FOR, 0 }, /* ftime; there: nanosleep */
		{ 0, { 0 }, WAIT_SHORT, WAIT_FOR, 0 },	       /* restart_syscall; there: read */
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct blocked b = { .nr = calls[i].nr, .narrow = true };
		struct wait w;

		print_message("row %zu\n", i);
		memcpy(b.a, calls[i].a, sizeof(b.a));
		w = of(b);
		assert_int_equal(w.what, calls[i].what);
		if (w.what == WAIT_TIMED) {
			assert_int_equal(w.how, calls[i].how);
			assert_int_equal(w.ns, calls[i].ns);
		}
	}
}

static void test_sets_and_times_are_as_wide_as_the_program(void **state UNUSED)
{
	uint32_t set[4] = { ~0u, ~0u, ~0u, ~0u }, left[3] = { 5, 6, 7 };
	struct wait w = { .set = { at(set) },
			  .nset = 65,
			  .left = at(left),
			  .left_at_once = true,
			  .times = TIMES_32 };

	wait_clear(getpid(), &w);
	assert_int_equal(set[2], 0);
	assert_int_equal(set[3], ~0u); /* 65 descriptors: three words */
	assert_int_equal(left[1], 0);
	assert_int_equal(left[2], 7);
	w.times = TIMES_64;
	w.left = 0;
	wait_clear(getpid(), &w);
	assert_int_equal(set[3], 0);
}

static void test_each_call_says_how_long_it_waits(void **state UNUSED)
{
	int64_t two_hours[2] = { 7200, 5 }, us[2] = { 3, 7 }, never[2] = { INT64_MAX, 0 },
		wrong[2] = { -1, 0 };
	const uint64_t ns = 7200 * NSEC_PER_SEC + 5;
	const struct {
		struct blocked b;
		int what, how;
		uint64_t ns;
		int64_t result;
	} calls[] = {
		{ { SYS_nanosleep, { at(two_hours) } }, WAIT_TIMED, WAIT_FOR, ns, 0 },
		{ { SYS_nanosleep, { at(never) } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_nanosleep, { at(wrong) } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_nanosleep, { 8 } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_clock_nanosleep, { CLOCK_MONOTONIC, TIMER_ABSTIME, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_UNTIL,
		  ns,
		  0 },
		{ { SYS_clock_nanosleep, { CLOCK_REALTIME, TIMER_ABSTIME, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_UNTIL_DATE,
		  ns,
		  0 },
		{ { SYS_clock_nanosleep, { CLOCK_PROCESS_CPUTIME_ID, 0, at(two_hours) } },
		  WAIT_EVER,
		  WAIT_FOR,
		  0,
		  0 },
		{ { SYS_poll, { 0, 0, 1500 } }, WAIT_TIMED, WAIT_FOR, 1500000000, 0 },
		{ { SYS_poll, { 0, 0, (uint32_t)-1 } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_select, { 0, 0, 0, 0, at(us) } }, WAIT_TIMED, WAIT_FOR, 3000007000, 0 },
		{ { SYS_select, { 0 } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_futex, { 0, FUTEX_WAIT_PRIVATE, 0, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_FOR,
		  ns,
		  -ETIMEDOUT },
		{ { SYS_futex, { 0, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_UNTIL_DATE,
		  ns,
		  -ETIMEDOUT },
		{ { SYS_futex, { 0, FUTEX_WAIT_BITSET_PRIVATE, 0, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_UNTIL,
		  ns,
		  -ETIMEDOUT },
		{ { SYS_futex, { 0, FUTEX_CMP_REQUEUE, 0, at(two_hours) } },
		  WAIT_EVER,
		  WAIT_UNTIL,
		  0,
		  -ETIMEDOUT },
		{ { SYS_rt_sigtimedwait, { 0, 0, at(two_hours) } },
		  WAIT_TIMED,
		  WAIT_FOR,
		  ns,
		  -EAGAIN },
		{ { SYS_wait4, { 0 } }, WAIT_EVER, WAIT_FOR, 0, 0 },
		{ { SYS_execve, { 0 } }, WAIT_SHORT, WAIT_FOR, 0, 0 },
		{ { -1, { 0 } }, WAIT_SHORT, WAIT_FOR, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct wait w = of(calls[i].b);

		print_message("row %zu\n", i);
		assert_int_equal(w.what, calls[i].what);
		if (w.what == WAIT_TIMED) {
			assert_int_equal(w.how, calls[i].how);
			assert_int_equal(w.ns, calls[i].ns);
		}
		assert_int_equal(w.result, calls[i].result);
	}
}

static void test_a_time_out_of_select_leaves_empty_sets_and_no_time(void **state UNUSED)
{
	uint64_t sets[3] = { ~0ull, ~0ull, ~0ull };
	int64_t tv[2] = { 3, 7 };
	struct wait w = of((struct blocked){
		SYS_select, { 40, at(&sets[0]), at(&sets[1]), at(&sets[2]), at(tv) } });

	wait_clear(getpid(), &w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sets[i], 0);
	assert_int_equal(tv[0], 0);
	assert_int_equal(tv[1], 0);
}

static void test_what_is_left_of_a_sleep_is_less_by_what_was_jumped_over(void **state UNUSED)
{
	int64_t span[2] = { 100, 0 }, left[2] = { 90, 5 };
	struct wait w = of((struct blocked){ SYS_nanosleep, { at(span), at(left) } });

	wait_take_left(getpid(), &w, 30 * NSEC_PER_SEC);
	assert_int_equal(left[0], 60);
	assert_int_equal(left[1], 5);
	wait_take_left(getpid(), &w, 3000 * NSEC_PER_SEC);
	assert_int_equal(left[0], 0);
	assert_int_equal(left[1], 0);
}

/* ---- patience ----------------------------------------------------------------------------- */

static void test_patience_grows_with_the_wait_and_spares_short_ones(void **state UNUSED)
{
	const uint64_t s = NSEC_PER_SEC, hour = 3600 * s;

	/* beside work: up to ten seconds never */
	assert_false(lapse_patience(10 * s, 1000 * s, 1000 * s, 0, false));
	assert_false(lapse_patience(2 * hour, 60 * s, 60 * s, 0, false));
	assert_true(lapse_patience(2 * hour, 90 * s, 90 * s, 0, false));
	assert_false(lapse_patience(720 * hour, 90 * s, 90 * s, 0, false));
	assert_true(lapse_patience(720 * hour, 200 * s, 200 * s, 0, false));
	/* … nor where the clock jumps between pieces of work, and all of it comes soon */
	assert_false(lapse_patience(720 * hour, 450 * s, 534 * hour, 0, false));
	assert_true(lapse_patience(720 * hour, 450 * s, 100 * hour, 0, false));
	/* beside short waits: five seconds for two hours that would take minutes … */
	assert_true(lapse_patience(2 * hour, 5 * s, 300 * s, s, false));
	assert_false(lapse_patience(2 * hour, 3 * s, 100 * s, s, false));
	/* … but not where all of it comes soon */
	assert_false(lapse_patience(2 * hour, 5 * s, hour, s, false));
	assert_false(lapse_patience(720 * hour, 14 * s, 350 * hour, s, false));
	/* beside ticks of less than a second that is soon enough only if it is that soon */
	assert_true(lapse_patience(2 * hour, 5 * s, hour, s / 20, false));
	assert_false(lapse_patience(2 * hour, 5 * s, 3 * hour, s / 20, false));
	/* and once is enough, if the pace is no better */
	assert_true(lapse_patience(2 * hour, s / 10, 10 * s, s, true));
	assert_false(lapse_patience(2 * hour, s / 100, 10 * s, s, true));
	assert_false(lapse_patience(2 * hour, s / 10, hour, s, true));
}

/* ---- the vDSO ----------------------------------------------------------------------------- */

/* As dlsym() would find it in an image. */
static void *symbol(uint8_t *base, const struct vdso *im, size_t ours)
{
	for (int i = 0; i < im->nsymbols; i++)
		if (im->symbol[i].ours == ours) {
			Elf64_Addr to;

			memcpy(&to, base + im->symbol[i].at, sizeof(to));
			return base + to;
		}
	return NULL;
}

static void test_our_code_behind_the_vdso_adds_to_clocks_that_go_on(void **state UNUSED)
{
	/* the code alone, with slots that lead to this process's own functions: the vDSO's data
	 * page cannot be copied with it */
	struct vdso *im = vdso_read();
	uint8_t *base = (uint8_t *)getauxval(AT_SYSINFO_EHDR), *code;
	struct slots s = { 0 };
	int (*gettime)(clockid_t, struct timespec *), (*day)(struct timeval *, void *);
	time_t (*seconds)(time_t *), told = 0, t;
	const uint64_t ahead = 86400 * NSEC_PER_SEC + 999999999, date = 2 * ahead;
	struct timespec a, b;
	struct timeval tv;

	assert_non_null(im);
	assert_true(im->nsymbols >= 3);
	code = mmap(NULL, CODE_MAX, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	memcpy(code, lapse_code, (size_t)(lapse_code_end - lapse_code));
	s.gettime = at(base + im->gettime);
	s.gettimeofday = at(base + im->gettimeofday);
	memcpy(code, &s, sizeof(s));
	*(void **)&gettime = code + (lapse_code_gettime - lapse_code);
	*(void **)&day = code + (lapse_code_gettimeofday - lapse_code);
	*(void **)&seconds = code + (lapse_code_time - lapse_code);
	assert_non_null(symbol(base, im, (size_t)(lapse_code_gettime - lapse_code)));

	for (int pass = 0; pass < 2; pass++) {
		const int64_t mono = pass ? (int64_t)ahead : 0, real = pass ? (int64_t)date : 0;

		for (clockid_t c = 0; c < 12; c++) {
			int64_t more = c == 0 || c == 5 || c == 8 || c == 11 ? real : mono, d;

			if (c == CLOCK_PROCESS_CPUTIME_ID || c == CLOCK_THREAD_CPUTIME_ID)
				more = 0;
			if (clock_gettime(c, &a))
				continue;
			assert_int_equal(gettime(c, &b), 0);
			assert_in_range(b.tv_nsec, 0, 999999999);
			d = (b.tv_sec - a.tv_sec) * (int64_t)NSEC_PER_SEC + b.tv_nsec - a.tv_nsec -
			    more;
			assert_true(d >= 0 && d < 60 * (int64_t)NSEC_PER_SEC);
		}
		clock_gettime(CLOCK_REALTIME, &a);
		assert_int_equal(day(&tv, NULL), 0);
		assert_in_range(tv.tv_usec, 0, 999999);
		assert_in_range(tv.tv_sec - a.tv_sec - real / (int64_t)NSEC_PER_SEC, 0, 60);
		t = seconds(&told);
		assert_int_equal(t, told);
		assert_in_range(t + 1 - a.tv_sec - real / (int64_t)NSEC_PER_SEC, 0, 60);
		assert_int_not_equal(gettime(99, &b), 0);
		memcpy(code + offsetof(struct slots, ahead), &ahead, 8);
		memcpy(code + offsetof(struct slots, date_ahead), &date, 8);
	}
	munmap(code, CODE_MAX);
	free(im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_of_proc_is_read_or_refused),
		cmocka_unit_test(test_a_call_of_32_bits_waits_as_long),
		cmocka_unit_test(test_sets_and_times_are_as_wide_as_the_program),
		cmocka_unit_test(test_each_call_says_how_long_it_waits),
		cmocka_unit_test(test_a_time_out_of_select_leaves_empty_sets_and_no_time),
		cmocka_unit_test(test_what_is_left_of_a_sleep_is_less_by_what_was_jumped_over),
		cmocka_unit_test(test_patience_grows_with_the_wait_and_spares_short_ones),
		cmocka_unit_test(test_our_code_behind_the_vdso_adds_to_clocks_that_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
