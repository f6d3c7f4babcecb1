// SPDX-License-Identifier: Apache-2.0
/*
 * journal_fork.c - a process that forks while its journal is being stored
 *
 * What the thread stores with has locks of its own. Here they are one mutex, held for the whole
 * time of each storing, and nearly always: a child must find it open whenever it is made.
 */
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "journal/store.h"

#define FORKS 100

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;
static atomic_int stored;

static int locking_open(int dirfd, const char *keydir, const uint8_t id[ID_LEN], struct store **ret,
			struct store_found *ret_found, struct err *err)
{
	int rc;

	pthread_mutex_lock(&library);
	rc = store_open(dirfd, keydir, id, ret, ret_found, err);
	pthread_mutex_unlock(&library);
	return rc;
}

static int locking_block(struct store *s, struct spool_view *view, bool renumber, struct err *err)
{
	int rc;

	pthread_mutex_lock(&library);
	rc = store_block(s, view, renumber, err);
	pthread_mutex_unlock(&library);
	atomic_fetch_add(&stored, 1);
	return rc;
}

#define store_open  locking_open
#define store_block locking_block
#pragma push_macro("fail") /* of cmocka */
#undef fail
#include "journal/writer.c"
#pragma pop_macro("fail")

struct storing {
	struct journal *j;
	atomic_bool over;
};

/* Something is stored all the time. */
static void *keep_storing(void *arg)
{
	struct storing *s = arg;

	while (!atomic_load(&s->over)) {
		struct event ev = file_event("write", STR("/a/file"));

		for (int i = 0; i < 200; i++)
			if (journal_append(s->j, &ev, NULL, NULL))
				return NULL;
		if (journal_sync(s->j, NULL))
			return NULL;
	}
	return NULL;
}

/* Return: whether a child found the library as nobody's */
static bool child_can_use_it(void)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (!pid)
		_exit(pthread_mutex_trylock(&library) != 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_no_child_is_made_while_something_is_stored(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct storing s = { .j = j };
	pthread_t thread;
	int stuck = 0;

	/* the file is being made by now, or soon */
	stuck += !child_can_use_it();
	run_begin(p, j);
	assert_int_equal(pthread_create(&thread, NULL, keep_storing, &s), 0);
	for (int i = 0, before = 0; i < FORKS; i++) {
		stuck += !child_can_use_it();
		while (atomic_load(&stored) == before) /* it went on in between */
			sched_yield();
		before = atomic_load(&stored);
	}
	atomic_store(&s.over, true);
	pthread_join(thread, NULL);
	assert_int_equal(stuck, 0);
	run_end(p, j);
	must(p, journal_close(j, &p->err));
}

static void test_a_child_may_keep_a_journal_of_its_own(void **state)
{
	struct place *p = *state;
	struct journal *j;
	int status = 0;
	pid_t pid;

	/* the parent has had one, so that its forks wait */
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (journal_open(p->dirfd, p->key, &j, NULL))
			_exit(1);
		run_begin(p, j);
		run_end(p, j);
		_exit(child_can_use_it() && !journal_close(j, NULL) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		T(test_no_child_is_made_while_something_is_stored),
		T(test_a_child_may_keep_a_journal_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
