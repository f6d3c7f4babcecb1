// SPDX-License-Identifier: Apache-2.0
/*
 * lapse_asleep.c - when time-lapse holds a thread of ours to be asleep, so that the clock may jump
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../src/capture/lapse/look.c"

#define CHILDREN 100
#define LOOKS	 60000 /* at most */
#define SEEN	 300   /* in state S: that is enough */

static struct box_clock still;

struct worker {
	pthread_t thread;
	atomic_int tid;
	atomic_bool ending;
	int work, done; /* eventfds */
};

static void watch(struct lapse *l, struct worker *w)
{
	while (!atomic_load(&w->tid))
		usleep(1000);
	lapse_watch(l, getpid(), atomic_load(&w->tid));
}

static void leave(struct lapse *l)
{
	struct seen *s, *next;

	HASH_ITER(hh, l->seen, s, next)
	seen_forget(l, s);
}

/* Both looks of a turn, and what follows them. */
static bool all_wait(struct lapse *l)
{
	lapse_look(l);
	return lapse_look(l) && lapse_at_rest(l);
}

/* It never sleeps; but while wait4() goes through the children its state is S. */
static void *looks_for_work(void *arg)
{
	struct worker *w = arg;

	atomic_store(&w->tid, gettid());
	while (!atomic_load(&w->ending))
		waitpid(-1, NULL, WNOHANG | __WALL);
	return NULL;
}

static void test_a_thread_that_looks_for_work_is_not_asleep(void **state UNUSED)
{
	struct lapse l = { .lock = PTHREAD_MUTEX_INITIALIZER, .clock = &still };
	struct worker w = { 0 };
	pid_t child[CHILDREN];
	int asleep = 0, in_state_s = 0;

	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (!child[i]) {
			pause();
			_exit(0);
		}
	}
	assert_int_equal(pthread_create(&w.thread, NULL, looks_for_work, &w), 0);
	watch(&l, &w);
	for (int i = 0; i < LOOKS && in_state_s < SEEN; i++) {
		if (i % 64 == 0)
			usleep(100); /* on a crowded machine: at another moment */
		in_state_s += state_of(w.tid) == 'S';
		asleep += all_wait(&l);
	}
	atomic_store(&w.ending, true);
	pthread_join(w.thread, NULL);
	for (int i = 0; i < CHILDREN; i++)
		kill(child[i], SIGKILL);
	for (int i = 0; i < CHILDREN; i++)
		waitpid(child[i], NULL, 0);
	leave(&l);
	assert_int_equal(asleep, 0);
	if (!in_state_s)
		skip(); /* one processor: it stands still while we look */
}

static void *works_when_asked(void *arg)
{
	struct worker *w = arg;
	uint64_t v;

	atomic_store(&w->tid, gettid());
	while (read(w->work, &v, sizeof(v)) == sizeof(v) && !atomic_load(&w->ending)) {
		v = 1;
		if (write(w->done, &v, sizeof(v)) != sizeof(v))
			break;
	}
	return NULL;
}

static void poke(int fd)
{
	uint64_t v = 1;

	assert_int_equal(write(fd, &v, sizeof(v)), sizeof(v));
}

static void wait_until_asleep(struct lapse *l)
{
	while (!all_wait(l))
		usleep(1000);
}

static void
test_who_has_worked_since_the_second_look_did_not_sleep_all_the_while(void **state UNUSED)
{
	struct lapse l = { .lock = PTHREAD_MUTEX_INITIALIZER, .clock = &still };
	struct worker w = { .work = eventfd(0, 0), .done = eventfd(0, 0) };
	uint64_t v;

	assert_int_equal(pthread_create(&w.thread, NULL, works_when_asked, &w), 0);
	watch(&l, &w);
	wait_until_asleep(&l);
	for (int i = 0; i < 20; i++) {
		wait_until_asleep(&l);
		assert_true(lapse_look(&l));
		poke(w.work);
		assert_int_equal(read(w.done, &v, sizeof(v)), sizeof(v));
		while (state_of(w.tid) != 'S')
			usleep(100);
		/* it sleeps again, and looks as before */
		assert_false(lapse_at_rest(&l));
	}
	/* and it is seen to sleep when it does */
	wait_until_asleep(&l);
	assert_true(lapse_look(&l) && lapse_at_rest(&l));
	atomic_store(&w.ending, true);
	poke(w.work);
	pthread_join(w.thread, NULL);
	leave(&l);
	close(w.work);
	close(w.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thread_that_looks_for_work_is_not_asleep),
		cmocka_unit_test(
			test_who_has_worked_since_the_second_look_did_not_sleep_all_the_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
