// SPDX-License-Identifier: Apache-2.0
/*
 * limits.c - a box stops at its limits, whatever holds them here, and says so once
 *
 * The test program is also what runs in the box: `limits ACT` does one kind of damage.
 */
#include <pthread.h>

#include "box/limits.h"
#include "boxed.h"

#define SELF "/root/act"

/* ---- in the box --------------------------------------------------------------------------- */

static int act_fork(void)
{
	int n = 0;

	/* a bomb that does not stop at the first refusal */
	for (int i = 0; i < 500; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		n += pid > 0;
	}
	printf("%d\n", n);
	fflush(stdout);
	return 0;
}

static int act_threads(void)
{
	int n = 0;
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < 500; i++)
		n += !pthread_create(&t, &attr, (void *(*)(void *))(void *)sleep, (void *)1000);
	printf("%d\n", n);
	fflush(stdout);
	pause();
	return 0;
}

static int act_memory(void)
{
	for (int i = 0; i < 400; i++) {
		char *p = malloc(1 << 20);

		if (!p)
			return 3;
		memset(p, i, 1 << 20);
	}
	for (;;)
		pause();
}

static int act_memfd(void)
{
	static char zeros[1 << 20];
	int fd = memfd_create("hidden", 0);

	for (int i = 0; i < 200; i++)
		if (write(fd, zeros, sizeof(zeros)) < 0)
			return 3;
	for (;;)
		pause();
}

static int act_disk(const char *dir)
{
	static char zeros[1 << 20];

	/* many files: no single one is as large as the limit */
	for (int i = 0; i < 64; i++) {
		cleanup_free char *name = xasprintf("%s/f%d", dir, i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);

		if (fd < 0 || write_full(fd, zeros, sizeof(zeros)))
			return errno == ENOSPC ? 28 : 3;
		close(fd);
	}
	for (;;)
		pause();
}

static int act_deleted(void)
{
	static char zeros[1 << 20];

	for (int i = 0; i < 64; i++) {
		int fd = open("/var/tmp/f", O_WRONLY | O_CREAT, 0600);

		unlink("/var/tmp/f");
		if (fd < 0 || write(fd, zeros, sizeof(zeros)) != sizeof(zeros))
			return 3;
	}
	for (;;)
		pause();
}

static int act_inodes(void)
{
	for (int i = 0; i < 5000; i++) {
		cleanup_free char *name = xasprintf("/var/tmp/i%d", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);

		if (fd < 0)
			return errno == ENOSPC ? 28 : 3;
		close(fd);
	}
	for (;;)
		pause();
}

static int act(const char *what)
{
	if (!strcmp(what, "fork"))
		return act_fork();
	if (!strcmp(what, "threads"))
		return act_threads();
	if (!strcmp(what, "memory"))
		return act_memory();
	if (!strcmp(what, "memfd"))
		return act_memfd();
	if (!strcmp(what, "disk"))
		return act_disk("/var/tmp");
	if (!strcmp(what, "deleted"))
		return act_deleted();
	if (!strcmp(what, "inodes"))
		return act_inodes();
	return 2;
}

/* ---- outside ------------------------------------------------------------------------------ */

struct deed {
	const char *act;
	struct box_limits limits;
	bool on_disk;
	const char *reached; /* limit that is to be told, with "!" when it is fatal everywhere */
	int status;	     /* exit status, -1: it is still there and must be ended */
	int at_most;	     /* number that it prints; 0: none */
};

static int do_deed(void *arg)
{
	const struct deed *d = arg;
	const char *argv[] = { SELF, d->act, NULL };
	struct box_opts opts = { .limits = d->limits,
				 .on_disk = d->on_disk,
				 .nbinds = 1,
				 .bind = { { BIND_COPY, "/proc/self/exe", SELF, -1 } } };
	int out = memfd_create("out", MFD_CLOEXEC), st = -1, seen = 0, n;
	struct box_event ev;
	struct boxed b;
	char *text;

	boxed_open(&b, NULL, &opts);
	/* the link is of whoever opens it: that must be us */
	opts.bind[0].fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(opts.bind[0].fd >= 0, "open ourselves");
	boxed_run(&b, &opts);
	boxed_spawn(&b, argv, (int[3]){ -1, out, out });
	/* the deed and its discovery, in whichever order, then a while without a second one */
	while (!seen || (d->status >= 0 && st < 0)) {
		CHECK(box_wait(b.run, -1, &ev, &b.err) == 1, "%s", b.err.msg);
		CHECK(ev.what != BOX_DEAD, "pid 1 is gone");
		if (ev.what == BOX_PROGRAM_EXIT)
			st = ev.status;
		if (ev.what != BOX_LIMIT)
			continue;
		CHECK(!strncmp(ev.limit, d->reached, strlen(ev.limit)), "%s (%s) of %s", ev.limit,
		      ev.mechanism, d->reached);
		CHECK(ev.fatal || !strchr(d->reached, '!'), "%s (%s) is not fatal", ev.limit,
		      ev.mechanism);
		CHECK(strstr(box_run_limits(b.run), ev.mechanism), "'%s' is not in '%s'",
		      ev.mechanism, box_run_limits(b.run));
		seen++;
		if (ev.fatal)
			break;
	}
	if (d->status >= 0)
		CHECK(WIFEXITED(st) && WEXITSTATUS(st) == d->status, "%s: %x", d->act, st);
	while (box_wait(b.run, 300, &ev, &b.err) == 1)
		CHECK(ev.what != BOX_LIMIT, "%s told again (%s)", ev.limit, ev.mechanism);
	CHECK(box_kill(b.run, &b.err) >= 0, "%s", b.err.msg);
	boxed_close(&b);
	text = slurp(out);
	if (d->at_most)
		CHECK(sscanf(text, "%d", &n) == 1 && n > 0 && n <= d->at_most, "%s: %s", d->act,
		      text);
	free(text);
	return 0;
}

static void test_a_fork_bomb_stops_at_the_limit(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "fork",
					     .limits = { .pids = 40 },
					     .reached = "pids",
					     .at_most = 40 });
}

static void test_threads_count_as_processes(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "threads",
					     .limits = { .pids = 40 },
					     .reached = "pids",
					     .status = -1,
					     .at_most = 40 });
}

static void test_memory_beyond_the_limit_is_not_had(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "memory",
					     .limits = { .memory = 64 << 20 },
					     .reached = "memory",
					     .status = -1 });
}

static void test_memory_in_files_without_a_name_counts(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "memfd",
					     .limits = { .memory = 64 << 20 },
					     .reached = "memory",
					     .status = -1 });
}

static void test_a_full_tmpfs_is_told_and_the_program_sees_enospc(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "disk",
					     .limits = { .disk = 16 << 20 },
					     .reached = "disk",
					     .status = 28 });
}

static void test_inodes_of_a_tmpfs_run_out_and_that_is_told(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "inodes",
					     .limits = { .inodes = 1000 },
					     .reached = "inodes",
					     .status = 28 });
}

static void test_a_layer_on_disk_that_grows_too_large_ends_the_box(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "disk",
					     .limits = { .disk = 16 << 20 },
					     .on_disk = true,
					     .reached = "disk!",
					     .status = -1 });
}

static void test_deleted_files_on_disk_that_are_held_open_count(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "deleted",
					     .limits = { .disk = 16 << 20 },
					     .on_disk = true,
					     .reached = "disk!",
					     .status = -1 });
}

static void test_inodes_of_a_layer_on_disk_end_the_box(void **state UNUSED)
{
	as_everyone(do_deed, &(struct deed){ .act = "inodes",
					     .limits = { .inodes = 1000 },
					     .on_disk = true,
					     .reached = "inodes!",
					     .status = -1 });
}

static int time_runs_out(void *arg UNUSED)
{
	const struct box_opts opts = { .limits.time = 0.3 };
	const char *argv[] = { "sleep", "1000", NULL };
	struct box_event ev;
	struct boxed b;

	boxed_start(&b, NULL, &opts);
	boxed_spawn(&b, argv, (int[3]){ -1, -1, -1 });
	CHECK(box_wait(b.run, -1, &ev, &b.err) == 1, "%s", b.err.msg);
	CHECK(ev.what == BOX_LIMIT && !strcmp(ev.limit, "time") && ev.fatal, "event %d", ev.what);
	CHECK(box_kill(b.run, &b.err) == 1, "%s", b.err.msg);
	boxed_close(&b);
	return 0;
}

static void test_the_wall_clock_limit_is_fatal(void **state UNUSED)
{
	as_everyone(time_runs_out, NULL);
}

/* ---- parts -------------------------------------------------------------------------------- */

static void put(const char *dir, const char *file, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, file);

	assert_int_equal(mkdir_p(dir, 0755), 0);
	assert_int_equal(write_file_at(AT_FDCWD, path, 0644, text, strlen(text)), 0);
}

static char *get(const char *dir, const char *file)
{
	char *text = NULL;

	assert_int_equal(read_file_at(open(dir, O_PATH | O_DIRECTORY), file, 4096, &text, NULL), 0);
	return text;
}

/* A tree of plain files: what is written where is the point, the kernel's part cannot be had. */
static void
test_a_plain_user_s_cgroup_is_made_in_the_first_folder_above_that_allows(void **state UNUSED)
{
	const struct box_limits l = { .memory = 1 << 30, .pids = 100 };
	cleanup_free char *root = xasprintf("%s/cg", homes[0]);
	cleanup_free char *slice = xasprintf("%s/user/app", root);
	cleanup_free char *own = xasprintf("%s/shell.scope", slice);
	char dir[CGROUP_DIR_MAX];
	struct own_has has = { 0 };
	char *text;

	put(root, "cgroup.subtree_control", "");
	put(slice, "cgroup.controllers", "memory pids\n");
	put(slice, "cgroup.subtree_control", "memory pids\n");
	put(own, "cgroup.controllers", "\n");
	put(own, "cgroup.subtree_control", "\n");
	/* a folder of plain files has no files in new folders: the write of a limit must fail */
	assert_int_equal(own_cgroup_make(root, "/user/app/shell.scope", getpid(), &l, dir, &has),
			 -ENOTSUP);
	text = get(own, "cgroup.subtree_control");
	assert_string_equal(text, "\n"); /* not asked for what it does not have */
	free(text);
	assert_false(has.memory || has.pids || has.cpu);
}

static void test_counters_are_read_by_whole_key(void **state UNUSED)
{
	cleanup_free char *file = xasprintf("%s/events", homes[0]);

	put(homes[0], "events", "low 1\nmax 0\noom 3\noom_kill 42\noom_group_kill 7\n");
	assert_int_equal(cgroup_counter(file, "oom_kill"), 42);
	assert_int_equal(cgroup_counter(file, "oom"), 3);
	assert_int_equal(cgroup_counter(file, "max"), 0);
	assert_int_equal(cgroup_counter(file, "oom_"), 0);
	assert_int_equal(cgroup_counter("", "max"), 0);
	assert_int_equal(cgroup_counter("/nonexistent", "max"), 0);
}

static void test_a_walk_counts_hard_links_once_and_says_when_it_is_partial(void **state UNUSED)
{
	cleanup_free char *dir = xasprintf("%s/walk", homes[0]);
	cleanup_free char *a = xasprintf("%s/x/a", dir), *c = xasprintf("%s/c", dir);
	cleanup_free char *x = xasprintf("%s/x", dir);
	uint64_t one, two, inodes, inodes2;
	static const char bytes[4096];
	int fd;

	assert_int_equal(mkdir_p(x, 0755), 0);
	assert_int_equal(write_file_at(AT_FDCWD, a, 0644, bytes, sizeof(bytes)), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(usage_walk(fd, &one, &inodes));
	assert_true(one >= 4096);
	assert_int_equal(link(a, c), 0);
	assert_true(usage_walk(fd, &two, &inodes2));
	assert_int_equal(one, two);
	close(fd);
	assert_false(usage_walk(-1, &one, &inodes));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fork_bomb_stops_at_the_limit),
		cmocka_unit_test(test_threads_count_as_processes),
		cmocka_unit_test(test_memory_beyond_the_limit_is_not_had),
		cmocka_unit_test(test_memory_in_files_without_a_name_counts),
		cmocka_unit_test(test_a_full_tmpfs_is_told_and_the_program_sees_enospc),
		cmocka_unit_test(test_inodes_of_a_tmpfs_run_out_and_that_is_told),
		cmocka_unit_test(test_a_layer_on_disk_that_grows_too_large_ends_the_box),
		cmocka_unit_test(test_deleted_files_on_disk_that_are_held_open_count),
		cmocka_unit_test(test_inodes_of_a_layer_on_disk_end_the_box),
		cmocka_unit_test(test_the_wall_clock_limit_is_fatal),
		cmocka_unit_test(
			test_a_plain_user_s_cgroup_is_made_in_the_first_folder_above_that_allows),
		cmocka_unit_test(test_counters_are_read_by_whole_key),
		cmocka_unit_test(test_a_walk_counts_hard_links_once_and_says_when_it_is_partial),
	};

	/* no exit handlers: they may want processes or memory that are no longer to be had */
	if (argc == 2)
		_exit(act(argv[1]));
	return cmocka_run_group_tests(tests, homes_make, homes_remove);
}
