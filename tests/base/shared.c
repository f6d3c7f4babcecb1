// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/base.h"

#define N 8192

static int child(int (*fn)(const struct shared *), const struct shared *s)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* what a sanitizer would say of it is none of ours */
		signal(SIGSEGV, SIG_DFL);
		_exit(fn(s));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int reads_seven(const struct shared *s)
{
	return ((const uint8_t *)s->ro)[N - 1] == 7 ? 0 : 1;
}

static int writes(const struct shared *s)
{
	*(volatile uint8_t *)s->ro = 1;
	return 0;
}

static int writes_the_other(const struct shared *s)
{
	*(volatile uint8_t *)s->rw = 1;
	return 0;
}

static int makes_writable(const struct shared *s)
{
	return mprotect((void *)s->ro, N, PROT_READ | PROT_WRITE) && errno == EACCES ? 0 : 1;
}

static int maps_again(const struct shared *s)
{
	return mremap((void *)s->ro, 0, N, MREMAP_MAYMOVE) != MAP_FAILED &&
			       mprotect((void *)s->ro, N, PROT_WRITE) && errno == EACCES
		       ? 0
		       : 1;
}

static void killed_by_segv(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void test_what_we_write_a_child_reads_and_cannot_change(void **state UNUSED)
{
	struct shared s;

	assert_int_equal(shared_make(N, &s, NULL), 0);
	((uint8_t *)s.rw)[N - 1] = 7;
	assert_int_equal(child(reads_seven, &s), 0);
	killed_by_segv(child(writes, &s));
	killed_by_segv(child(writes_the_other, &s));
	assert_int_equal(child(makes_writable, &s), 0);
	assert_int_equal(child(maps_again, &s), 0);
	assert_int_equal(((const uint8_t *)s.ro)[0], 0);
	assert_int_equal(((const uint8_t *)s.ro)[N - 1], 7);
	shared_free(&s);
	shared_free(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_we_write_a_child_reads_and_cannot_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
