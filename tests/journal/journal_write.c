// SPDX-License-Identifier: Apache-2.0
/*
 * journal_write.c - what was appended is there: numbers, bytes, kill -9, a full disk, two writers
 */
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define THREADS	   4
#define PER_THREAD 20000

struct appender {
	struct journal *j;
	int nr, n;
	_Atomic uint32_t *returned; /* events whose append has returned */
	uint64_t last_seq;
	bool rising;
};

/* Event i of thread nr is a file "NR/I". */
static void *append_many(void *arg)
{
	struct appender *a = arg;

	a->rising = true;
	for (int i = 0; a->n < 0 || i < a->n; i++) {
		struct event ev = { .kind = EV_FILE, .t = UINT64_MAX, .proc = (uint32_t)a->nr + 1 };
		char path[32];
		uint64_t seq = 0;

		snprintf(path, sizeof(path), "%d/%d", a->nr, i);
		ev.v[EV_AT(FILE, OP)] = V_Z("create");
		ev.v[EV_AT(FILE, PATH)] = V_Z(path);
		if (journal_append(a->j, &ev, &seq, NULL))
			break;
		a->rising = a->rising && seq > a->last_seq;
		a->last_seq = seq;
		if (a->returned)
			atomic_store(a->returned, (uint32_t)i + 1);
	}
	return NULL;
}

/** struct seen - a reader's count of each thread's events, which must come in order */
struct seen {
	uint64_t next_seq;
	uint32_t next[THREADS];
	uint64_t others, t;
};

static int see(void *ctx, const struct event *ev)
{
	struct seen *s = ctx;
	char path[32] = "";
	int nr, i;

	assert_int_equal(ev->seq, s->next_seq++);
	if (ev->kind != EV_FILE) {
		s->others++;
		return 0;
	}
	assert_in_range(ev->v[EV_AT(FILE, PATH)].s.n, 1, sizeof(path) - 1);
	memcpy(path, ev->v[EV_AT(FILE, PATH)].s.p, ev->v[EV_AT(FILE, PATH)].s.n);
	assert_int_equal(sscanf(path, "%d/%d", &nr, &i), 2);
	assert_in_range(nr, 0, THREADS - 1);
	assert_int_equal(ev->proc, nr + 1);
	assert_int_equal(i, s->next[nr]);
	s->next[nr]++;
	return 0;
}

static struct seen see_all(struct place *p)
{
	struct seen s = { .next_seq = 1 };
	struct journal_reader *r;

	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_read(r, NULL, see, &s, &p->err));
	journal_read_close(r);
	return s;
}

static void test_four_threads_number_without_gaps(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct appender a[THREADS];
	pthread_t thread[THREADS];
	struct journal_verdict v;
	struct seen s;

	run_begin(p, j);
	for (int i = 0; i < THREADS; i++) {
		a[i] = (struct appender){ .j = j, .nr = i, .n = PER_THREAD };
		assert_int_equal(pthread_create(&thread[i], NULL, append_many, &a[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_true(a[i].rising);
	}
	run_end(p, j);
	must(p, journal_close(j, &p->err));
	s = see_all(p);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(s.next[i], PER_THREAD);
	assert_int_equal(s.next_seq, THREADS * PER_THREAD + 2 + 1);
	v = verify(p);
	if (!v.ok)
		fail_msg("%s", v.sentence);
	assert_int_equal(v.events_checked, THREADS * PER_THREAD + 2);
	/* closed, it is one plain file that any tool reads */
	assert_int_equal(faccessat(p->dirfd, "journal.spool", F_OK, 0), -1);
	assert_int_equal(faccessat(p->dirfd, "journal.db-wal", F_OK, 0), -1);
	assert_int_equal(sql_number(p, "SELECT count(*) FROM file"), THREADS * PER_THREAD);
}

static int keep_paths(void *ctx, const struct event *ev)
{
	struct buf *b = ctx;

	if (ev->kind == EV_FILE) {
		buf_add(b, ev->v[EV_AT(FILE, PATH)].s.p, ev->v[EV_AT(FILE, PATH)].s.n);
		buf_add(b, "|", 1);
	}
	return 0;
}

static void test_names_of_any_bytes_come_back_uncut(void **state)
{
	static const struct str names[] = {
		STR("/tmp/plain"),
		STR("/tmp/new\nline"),
		STR("/tmp/\033[31mred"),
		STR("/tmp/\xff\xfe\x80 invalid"),
		STR("/tmp/nul\0inside"),
		STR(""),
		STR("/tmp/\xe2\x82\xac\xf0\x9f\x90\x8b"),
	};
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct buf want = { 0 }, got = { 0 };
	struct journal_reader *r;
	char deep[4096];

	memset(deep, 'x', sizeof(deep));
	run_begin(p, j);
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		struct str name =
			i < ARRAY_SIZE(names) ? names[i] : (struct str){ deep, sizeof(deep) };
		struct event ev = file_event("create", name);

		must(p, journal_append(j, &ev, NULL, &p->err));
		buf_add(&want, name.p, name.n);
		buf_add(&want, "|", 1);
	}
	must(p, journal_close(j, &p->err));
	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_read(r, NULL, keep_paths, &got, &p->err));
	journal_read_close(r);
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	/* invalid UTF-8 and NUL are BLOBs, the rest is text */
	assert_int_equal(sql_number(p, "SELECT count(*) FROM file WHERE typeof(path)='blob'"), 2);
	assert_true(verify(p).ok);
	buf_free(&want);
	buf_free(&got);
}

static void test_a_text_over_the_limit_is_cut_and_a_gap_says_so(void **state)
{
	cleanup_free char *big = xmalloc(EVENT_TEXT_MAX + 100);
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct event ev;
	uint64_t seq = 0;

	/* a character of two bytes across the limit is left out as a whole */
	memset(big, 'y', EVENT_TEXT_MAX + 100);
	memcpy(big + EVENT_TEXT_MAX - 1, "\xc3\xa4", 2);
	run_begin(p, j);
	ev = file_event("create", (struct str){ big, EVENT_TEXT_MAX + 100 });
	must(p, journal_append(j, &ev, &seq, &p->err));
	assert_int_equal(seq, 2);
	add_file(p, j, "create", "/after");
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT length(path) FROM file WHERE seq=2"),
			 EVENT_TEXT_MAX - 1);
	assert_int_equal(sql_number(p, "SELECT count FROM gap WHERE seq=3 AND source='journal'"),
			 101);
	assert_int_equal(sql_number(p, "SELECT seq FROM file WHERE path='/after'"), 4);
	assert_true(verify(p).ok);
}

static void test_an_event_of_many_long_texts_still_fits(void **state)
{
	cleanup_free char *big = xmalloc(EVENT_TEXT_MAX);
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct event ev = { .kind = EV_PROCESS, .t = UINT64_MAX };

	memset(big, 'z', EVENT_TEXT_MAX);
	run_begin(p, j);
	for (int i = 0; i < event_kind_def(EV_PROCESS)->nfields; i++)
		if (event_kind_def(EV_PROCESS)->field[i].type == VAL_TEXT)
			ev.v[i] = V_STR(((struct str){ big, EVENT_TEXT_MAX }));
	for (int i = 0; i < 4; i++)
		must(p, journal_append(j, &ev, NULL, &p->err));
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT count(*) FROM gap"), 4);
	assert_true(verify(p).ok);
}

static void test_a_second_writer_is_refused(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p), *second = NULL;
	struct err err = { 0 };

	assert_int_equal(journal_open(p->dirfd, p->key, &second, &err), -EBUSY);
	assert_int_equal(err.exit, EXIT_BUSY);
	assert_null(second);
	must(p, journal_close(j, &p->err));
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
}

static void test_runs_and_process_keys_go_on_after_reopening(void **state)
{
	struct place *p = *state;
	uint32_t last = 0;

	for (uint32_t run = 1; run <= 3; run++) {
		struct journal *j = open_journal(p);
		struct event ev = { .kind = EV_RUN_BEGIN };
		uint32_t nr = 0, proc = journal_next_proc(j);

		must(p, journal_run_begin(j, &ev, &nr, &p->err));
		assert_int_equal(nr, run);
		assert_true(proc > last);
		add_process(p, j, "exec", proc, 0, 2, "/bin/true");
		last = proc;
		run_end(p, j);
		must(p, journal_close(j, &p->err));
	}
	assert_int_equal(events_in(p), 9);
	assert_true(verify(p).ok);
}

/* ---- kill -9 ------------------------------------------------------------------------------ */

static void write_until_killed(struct place *p, _Atomic uint32_t *returned)
{
	struct event ev = { .kind = EV_RUN_BEGIN };
	pthread_t thread[THREADS];
	struct appender a[THREADS];
	struct journal *j;

	if (journal_open(p->dirfd, p->key, &j, &p->err) || journal_run_begin(j, &ev, NULL, &p->err))
		_exit(1);
	for (int i = 0; i < THREADS; i++) {
		a[i] = (struct appender){ .j = j, .nr = i, .n = -1, .returned = &returned[i] };
		pthread_create(&thread[i], NULL, append_many, &a[i]);
	}
	pause();
	_exit(1);
}

static void test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(void **state)
{
	struct place *p = *state;
	_Atomic uint32_t *returned =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	srand(20261);
	for (int round = 0; round < 30; round++) {
		useconds_t wait = (useconds_t)rand() % (round % 3 ? 4000 : 150000);
		struct journal_verdict v;
		struct journal *j;
		struct seen s;
		uint64_t sealed;
		pid_t child;

		memset((void *)returned, 0, 4096);
		child = fork();
		if (!child)
			write_until_killed(p, returned);
		usleep(wait);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);

		/* read-only first: nothing is repaired, all is there */
		if (!faccessat(p->dirfd, "journal.db", F_OK, 0) ||
		    !faccessat(p->dirfd, "journal.spool", F_OK, 0)) {
			s = see_all(p);
			for (int i = 0; i < THREADS; i++)
				assert_true(s.next[i] >= returned[i]);
		}
		if (returned[0] && !faccessat(p->dirfd, "journal.db", F_OK, 0)) {
			v = verify(p);
			if (!v.ok && !strstr(v.sentence, "Nothing is sealed yet"))
				fail_msg("round %d: %s", round, v.sentence);
		}
		/* then a writer puts it in order and goes on */
		j = open_journal(p);
		must(p, journal_close(j, &p->err));
		s = see_all(p);
		for (int i = 0; i < THREADS; i++)
			assert_true(s.next[i] >= returned[i]);
		v = verify(p);
		if (!v.ok)
			fail_msg("round %d: %s", round, v.sentence);
		sealed = v.events_checked;
		assert_int_equal(sealed, s.next_seq - 1);
		if (sealed)
			assert_non_null(strstr(v.sentence, "has no end"));
		close(p->dirfd);
		rm_rf_at(AT_FDCWD, p->box);
		mkdir(p->box, 0700);
		p->dirfd = open(p->box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	munmap((void *)returned, 4096);
}

static void test_a_torn_end_of_the_spool_becomes_a_gap(void **state)
{
	struct place *p = *state;
	_Atomic uint32_t *returned =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cleanup_free char *spool = NULL;
	struct journal_verdict v;
	struct journal *j;
	size_t n, at;
	uint64_t head;
	pid_t child = fork();

	if (!child)
		write_until_killed(p, returned);
	while (!returned[0])
		usleep(100);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* what a power cut can do: the head was written, a page before it was not */
	assert_int_equal(read_file_at(p->dirfd, "journal.spool", 16 << 20, &spool, &n), 0);
	memcpy(&head, spool + 64, 8);
	at = 4096 + (head - 16) % (n - 4096);
	memset(spool + at, 0, 8);
	assert_int_equal(write_file_at(p->dirfd, "journal.spool", 0600, spool, n), 0);
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT count(*) FROM gap WHERE source='journal' AND "
				       "detail LIKE '%torn%'"),
			 1);
	v = verify(p);
	if (!v.ok)
		fail_msg("%s", v.sentence);
	munmap((void *)returned, 4096);
}

/* ---- a full disk -------------------------------------------------------------------------- */

/* A mount namespace of its own, as root or as anybody. */
static bool own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS))
		return false;
	if (uid) {
		for (int i = 0; i < 3; i++) {
			static const char *const file[] = { "/proc/self/setgroups",
							    "/proc/self/gid_map",
							    "/proc/self/uid_map" };
			int fd = open(file[i], O_WRONLY | O_CLOEXEC);

			snprintf(map, sizeof(map), i ? "%u %u 1" : "deny", i == 1 ? gid : uid,
				 i == 1 ? gid : uid);
			if (fd < 0 || write_full(fd, map, strlen(map)))
				return false;
			close(fd);
		}
	}
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* In a child: fills a small tmpfs, makes room again, opens again. */
static void full_disk(struct place *p)
{
	struct appender a = { .n = -1 };
	_Atomic uint32_t returned = 0;
	struct err err = { 0 }, again = { 0 };
	struct place small;
	struct journal *j;
	struct event ev = { .kind = EV_RUN_BEGIN };
	struct seen s;

	if (mount("none", p->box, "tmpfs", 0, "size=6m"))
		_exit(77);
	place_make_in(&small, p->box);
	snprintf(small.key, sizeof(small.key), "%s", p->key);
	must(&small, journal_open(small.dirfd, small.key, &j, &small.err));
	must(&small, journal_run_begin(j, &ev, NULL, &small.err));
	a.j = j;
	a.returned = &returned;
	append_many(&a); /* ends at the first refusal */
	assert_true(returned > 1000);
	ev = file_event("create", STR("0/0"));
	assert_int_equal(journal_append(j, &ev, NULL, &err), -ENOSPC);
	assert_int_equal(err.exit, EXIT_NO_SPACE);
	assert_int_equal(journal_append(j, &ev, NULL, &err), -ENOSPC);
	assert_int_equal(journal_close(j, &again), -ENOSPC);

	/* full as it is: it reads, and the last whole block verifies */
	s = see_all(&small);
	assert_true(s.next[0] >= returned);
	assert_true(verify(&small).ok);

	/* still full: refused or stored, never half */
	if (!journal_open(small.dirfd, small.key, &j, &again))
		(void)journal_close(j, &again);
	s = see_all(&small);
	assert_true(s.next[0] >= returned);

	/* room again: nothing of what was acknowledged is missing, and a gap tells of the end */
	assert_int_equal(mount("none", p->box, "tmpfs", MS_REMOUNT, "size=64m"), 0);
	must(&small, journal_open(small.dirfd, small.key, &j, &small.err));
	must(&small, journal_close(j, &small.err));
	s = see_all(&small);
	assert_true(s.next[0] >= returned);
	assert_true(verify(&small).ok);
	assert_true(sql_number(&small, "SELECT count(*) FROM gap WHERE source='journal'") >= 1);
	_exit(0);
}

static void test_a_full_disk_stops_at_a_whole_block_and_goes_on_later(void **state)
{
	struct place *p = *state;
	int status;
	pid_t child = fork();

	if (!child) {
		if (!own_mounts())
			_exit(77);
		full_disk(p);
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: this user cannot mount a tmpfs of its own\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_an_event_of_no_kind_is_refused(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct event ev = { .kind = EV_NONE };
	uint64_t seq = 7;

	assert_int_equal(journal_append(j, &ev, &seq, NULL), -EINVAL);
	ev.kind = EV_MARK;
	ev.v[0] = V_INT(1); /* a TEXT field */
	assert_int_equal(journal_append(j, &ev, &seq, NULL), -EINVAL);
	ev.v[0] = V_Z("x");
	ev.t = 1ull << 63;
	assert_int_equal(journal_append(j, &ev, &seq, NULL), -EINVAL);
	assert_int_equal(seq, 7);
	ev.t = 0;
	must(p, journal_append(j, &ev, &seq, &p->err));
	assert_int_equal(seq, 1);
	must(p, journal_close(j, &p->err));
}

static void test_a_key_that_others_can_read_is_refused(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	char path[192];

	must(p, journal_close(j, &p->err));
	snprintf(path, sizeof(path), "%s/journal.key", p->key);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(journal_open(p->dirfd, p->key, &j, &p->err), -EPERM);
	assert_non_null(strstr(p->err.msg, "chmod 600"));
}

static void test_a_key_that_cannot_be_used_is_refused_before_anything_is_made(void **state)
{
	struct place *p = *state;
	struct journal *j;
	char path[192];

	assert_true(!mkdir(p->key, 0700) || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/journal.key", p->key);
	assert_int_equal(write_file_at(AT_FDCWD, path, 0600, "no key", 6), 0);
	assert_int_equal(journal_open(p->dirfd, p->key, &j, &p->err), -EBADMSG);
	assert_int_equal(write_file_at(AT_FDCWD, path, 0644,
				       "00112233445566778899aabbccddeeff"
				       "00112233445566778899aabbccddeeff",
				       64),
			 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(journal_open(p->dirfd, p->key, &j, &p->err), -EPERM);
	assert_int_equal(faccessat(p->dirfd, "journal.db", F_OK, 0), -1);
	assert_int_equal(chmod(path, 0600), 0);
	must(p, journal_open(p->dirfd, p->key, &j, &p->err));
	must(p, journal_close(j, &p->err));
}

/* ---- a journal that is not kept ----------------------------------------------------------- */

struct asked {
	struct place *p;
	atomic_int times;
};

static int folder_of(void *ctx)
{
	struct asked *a = ctx;

	atomic_fetch_add(&a->times, 1);
	return a->p->dirfd;
}

static int no_folder(void *ctx UNUSED)
{
	errno = EROFS;
	return -1;
}

static bool in_folder(struct place *p, const char *name)
{
	return !faccessat(p->dirfd, name, F_OK, 0);
}

static void test_a_passing_journal_wants_a_folder_only_for_a_whole_block(void **state)
{
	struct place *p = *state;
	struct asked asked = { .p = p };
	struct journal *j;
	uint64_t seq = 0;

	must(p, journal_open_passing(folder_of, &asked, &j, &p->err));
	run_begin(p, j);
	add_file(p, j, "write", "/a");
	journal_discard(j);
	assert_int_equal(atomic_load(&asked.times), 0);

	must(p, journal_open_passing(folder_of, &asked, &j, &p->err));
	run_begin(p, j);
	for (int i = 0; i < 100000; i++) {
		struct event ev = file_event("write", STR("/home/user/some/folder/and/a/file"));

		must(p, journal_append(j, &ev, &seq, &p->err));
	}
	assert_int_equal(seq, 100001);
	must(p, journal_sync(j, &p->err));
	assert_int_equal(atomic_load(&asked.times), 1);
	assert_true(in_folder(p, "journal.db"));
	assert_false(in_folder(p, "journal.spool"));
	journal_discard(j);
}

static void test_a_passing_journal_that_cannot_have_a_folder_fails_as_a_full_one_does(void **state)
{
	struct place *p = *state;
	struct event ev = file_event("write", STR("/home/user/some/folder/and/a/file"));
	struct journal *j;
	int rc = 0;

	must(p, journal_open_passing(no_folder, NULL, &j, &p->err));
	run_begin(p, j);
	for (int i = 0; i < 1000000 && !rc; i++)
		rc = journal_append(j, &ev, NULL, &p->err);
	assert_int_equal(rc, -EROFS);
	assert_int_equal(journal_sync(j, &p->err), -EROFS);
	journal_discard(j);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		T(test_four_threads_number_without_gaps),
		T(test_names_of_any_bytes_come_back_uncut),
		T(test_a_text_over_the_limit_is_cut_and_a_gap_says_so),
		T(test_an_event_of_many_long_texts_still_fits),
		T(test_a_second_writer_is_refused),
		T(test_runs_and_process_keys_go_on_after_reopening),
		T(test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged),
		T(test_a_torn_end_of_the_spool_becomes_a_gap),
		T(test_a_full_disk_stops_at_a_whole_block_and_goes_on_later),
		T(test_an_event_of_no_kind_is_refused),
		T(test_a_key_that_others_can_read_is_refused),
		T(test_a_key_that_cannot_be_used_is_refused_before_anything_is_made),
		T(test_a_passing_journal_wants_a_folder_only_for_a_whole_block),
		T(test_a_passing_journal_that_cannot_have_a_folder_fails_as_a_full_one_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
