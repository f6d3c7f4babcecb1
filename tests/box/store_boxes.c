// SPDX-License-Identifier: Apache-2.0
/* store_boxes.c - boxes, layers and snapshots in real folders */
#include "store_live.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>

#define CASE(fn)                                                                                   \
	static void fn##_child(struct live *l);                                                    \
	static void fn(void **state)                                                               \
	{                                                                                          \
		in_child(state, fn##_child);                                                       \
	}                                                                                          \
	static void fn##_child(struct live *l)

CASE(test_a_box_is_made_once_and_keeps_its_identity)
{
	struct box *b = live_box(l, "desk"), *again;
	struct box_info first = *box_get_info(b);

	must(!strcmp(first.name, "desk") && first.top == 1 && first.nsnapshots == 0);
	must(strlen(first.machine_id) == 32 && first.machine_id[12] == '4');
	must(strchr(first.hostname, '-'));
	must(has(b, "layers/1/root") && has(b, "layers/1/work/root") && has(b, "objects"));
	box_close(b);
	must_ok(box_open(&l->home, "desk", 0, NULL, &again, &l->err), &l->err);
	must(!memcmp(&first, box_get_info(again), sizeof(first)));
	box_close(again);
	again = live_box(l, "desk");
	live_remove(l, again);
	must(box_open(&l->home, "desk", 0, NULL, &again, &l->err) == -ENOENT);
	must(l->err.exit == EXIT_NO_BOX && strstr(l->err.msg, "'desk'"));
	must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
}

CASE(test_two_boxes_differ_in_identity)
{
	struct box *a = live_box(l, "a"), *b = live_box(l, "b");

	must(strcmp(a->info.machine_id, b->info.machine_id));
	must(strcmp(a->info.mac, b->info.mac) && strcmp(a->info.token, b->info.token));
	live_remove(l, a);
	live_remove(l, b);
}

CASE(test_a_held_box_is_busy_for_others_and_readable)
{
	struct box *b = live_box(l, "desk"), *other;

	must(box_is_held(&l->home, "desk"));
	must(box_is_held(&l->home, "desk")); /* asking did not take it */
	must(box_open(&l->home, "desk", BOX_LOCK, NULL, &other, &l->err) == -EBUSY);
	must(l->err.exit == EXIT_BUSY && strstr(l->err.msg, "'desk'"));
	must_ok(box_open(&l->home, "desk", 0, NULL, &other, &l->err), &l->err);
	must(box_snapshot(other, "s", &l->err) < 0 && box_remove(other, &l->err) < 0);
	must(has(b, "box.json") && !has(b, "layers/2"));
	box_close(other);
	box_close(b);
	must(!box_is_held(&l->home, "desk") && !box_is_held(&l->home, "none"));
	live_remove(l, live_box(l, "desk"));
}

static void own_and_leave_at_work(struct live *l, int ready)
{
	struct box *b;
	pid_t worker;

	if (box_open(&l->home, "desk", BOX_LOCK, NULL, &b, &l->err))
		_exit(1);
	worker = fork();
	if (worker == 0) {
		usleep(300000);
		_exit(0);
	}
	must(write(ready, &worker, sizeof(worker)) == sizeof(worker));
	pause();
	_exit(1);
}

CASE(test_what_a_killed_owner_left_at_work_is_waited_for)
{
	pid_t owner, worker;
	int ready[2];

	box_close(live_box(l, "desk"));
	must(!pipe(ready));
	owner = fork();
	must(owner >= 0);
	if (owner == 0)
		own_and_leave_at_work(l, ready[1]);
	must(read(ready[0], &worker, sizeof(worker)) == sizeof(worker) && worker > 0);
	must(!kill(owner, SIGKILL) && waitpid(owner, NULL, 0) == owner);
	live_remove(l, live_box(l, "desk"));
}

static int collect(void *ctx, const char *name)
{
	buf_printf(ctx, "%s ", name);
	return 0;
}

CASE(test_boxes_are_listed_in_order)
{
	static const char *const names[] = { "b", "a", "C", "a1" };
	cleanup_buf struct buf out = { 0 };

	must_ok(box_list(&l->home, collect, &out, &l->err), &l->err);
	must(out.n == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		box_close(live_box(l, names[i]));
	must(!mkdirat(l->home.fd, "boxes/.not-a-box", 0700));
	must_ok(box_list(&l->home, collect, &out, &l->err), &l->err);
	must(!strcmp(buf_z(&out), "C a a1 b "));
	must(!unlinkat(l->home.fd, "boxes/.not-a-box", AT_REMOVEDIR));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		live_remove(l, live_box(l, names[i]));
}

CASE(test_a_bad_name_makes_nothing)
{
	struct box *b = NULL;

	must(box_open(&l->home, "../x", BOX_CREATE, &l->opts, &b, &l->err) == -EINVAL);
	must(l->err.exit == EXIT_BAD_NAME && !b);
	must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
}

CASE(test_a_root_folder_that_is_not_there_makes_nothing)
{
	struct box_opts o = { .root = "/nonexistent/folder" };
	struct box *b = NULL;

	must(box_open(&l->home, "x", BOX_CREATE, &o, &b, &l->err) == -ENOENT);
	must(l->err.exit == EXIT_UNREADABLE && !b);
	must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
}

CASE(test_a_box_keeps_the_root_it_was_made_with)
{
	struct box *b = live_box(l, "x"), *other;
	struct box_opts o = { .root = l->dir };
	struct box_mount *m = xcalloc(BOX_MOUNTS_MAX, sizeof(*m));

	must(box_mounts(b, m) == 1 && !strcmp(m[0].at, "/") && !strcmp(m[0].sub, "root"));
	must(m[0].nlower == 1 && !strcmp(m[0].lower[0], b->info.root));
	free(m);
	box_close(b);
	must(box_open(&l->home, "x", 0, &o, &other, &l->err) == -EINVAL);
	must(l->err.exit == EXIT_USAGE);
	live_remove(l, live_box(l, "x"));
}

CASE(test_a_snapshot_adds_a_layer_and_a_rollback_drops_what_came_after)
{
	struct box *b = live_box(l, "x");

	put(b, "layers/1/root/one");
	must_ok(box_snapshot(b, "first", &l->err), &l->err);
	put(b, "layers/2/root/two");
	must_ok(box_snapshot(b, "second", &l->err), &l->err);
	put(b, "layers/3/root/three");
	must(b->info.top == 3 && b->info.nsnapshots == 2);
	must(b->info.snapshot[0].layer == 1 && b->info.snapshot[1].layer == 2);
	must(box_snapshot(b, "first", &l->err) == -EEXIST && l->err.exit == EXIT_EXISTS);
	must(box_snapshot(b, "a/b", &l->err) == -EINVAL && l->err.exit == EXIT_BAD_NAME);
	must(box_rollback(b, "none", &l->err) == -ENOENT && l->err.exit == EXIT_NO_BOX);
	must(b->info.top == 3 && has(b, "layers/3/root/three"));

	must_ok(box_rollback(b, "second", &l->err), &l->err);
	must(b->info.top == 3 && b->info.nsnapshots == 2);
	must(has(b, "layers/3/root") && !has(b, "layers/3/root/three"));
	must(has(b, "layers/2/root/two"));
	must_ok(box_rollback(b, "first", &l->err), &l->err);
	must(b->info.top == 2 && b->info.nsnapshots == 1 && !has(b, "layers/3"));
	must(has(b, "layers/1/root/one") && !has(b, "layers/2/root/two"));
	must_ok(box_rollback(b, NULL, &l->err), &l->err);
	must(b->info.top == 1 && b->info.nsnapshots == 0 && !has(b, "layers/2"));
	must(has(b, "layers/1/root") && !has(b, "layers/1/root/one"));
	must(!has(b, "trash"));
	box_close(b);
	b = live_box(l, "x"); /* and what is on disk says the same */
	must(b->info.top == 1 && b->info.nsnapshots == 0);
	live_remove(l, b);
}

CASE(test_snapshots_end_at_the_limit_with_a_sentence)
{
	struct box *b = live_box(l, "x");
	char name[16];

	for (unsigned i = 1; i < BOX_LAYERS_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		must_ok(box_snapshot(b, name, &l->err), &l->err);
	}
	must(b->info.top == BOX_LAYERS_MAX);
	must(box_snapshot(b, "more", &l->err) < 0 && strstr(l->err.msg, "200"));
	box_close(b);
	b = live_box(l, "x");
	must(b->info.nsnapshots == BOX_LAYERS_MAX - 1);
	must_ok(box_rollback(b, "s1", &l->err), &l->err);
	must(b->info.top == 2 && !has(b, "layers/3"));
	live_remove(l, b);
}

/* ---- killed in between -------------------------------------------------------------------- */

CASE(test_a_layer_that_a_killed_snapshot_left_is_dropped)
{
	struct box *b = live_box(l, "x");

	must(!mkdirat(b->fd, "layers/2", 0700) && !mkdirat(b->fd, "layers/2/root", 0700));
	box_close(b);
	b = live_box(l, "x");
	must(b->info.top == 1 && !has(b, "layers/2") && !has(b, "trash"));
	must_ok(box_snapshot(b, "s", &l->err), &l->err);
	must(has(b, "layers/2/work/root"));
	live_remove(l, b);
}

CASE(test_a_rollback_that_was_killed_is_finished)
{
	/* the state right after box.json was written: the old layers are all there */
	struct box *b = live_box(l, "x");

	put(b, "layers/1/root/one");
	must_ok(box_snapshot(b, "s", &l->err), &l->err);
	put(b, "layers/2/root/old");
	must_ok(box_snapshot(b, "t", &l->err), &l->err);
	b->info.nsnapshots = 1;
	b->info.top = 2;
	must_ok(boxjson_write(b, 2, &l->err), &l->err);
	box_close(b);
	b = live_box(l, "x");
	must(b->info.top == 2 && !has(b, "layers/3") && !has(b, "layers/2/root/old"));
	must(has(b, "layers/2/root") && has(b, "layers/1/root/one") && !has(b, "trash"));
	/* the state in the middle: the old top is away, the new one not yet made */
	must_ok(boxjson_write(b, 2, &l->err), &l->err);
	must(!rm_rf_at(b->fd, "layers/2"));
	box_close(b);
	b = live_box(l, "x");
	must(has(b, "layers/2/root") && has(b, "layers/2/work/root"));
	live_remove(l, b);
}

/* Snapshots and rollbacks without end, until killed. */
static void churn(struct live *l, int tell)
{
	struct box *b = live_box(l, "x");

	for (unsigned i = 0;; i++) {
		char name[32];

		snprintf(name, sizeof(name), "s%u", b->info.top);
		if (i % 5 == 4)
			must_ok(box_rollback(b, i % 3 ? "s1" : NULL, &l->err), &l->err);
		else
			must_ok(box_snapshot(b, name, &l->err), &l->err);
		must(write(tell, "x", 1) == 1);
	}
}

CASE(test_whenever_it_is_killed_the_box_opens_with_all_its_layers)
{
	for (int round = 0; round < 25; round++) {
		struct box *b;
		char c, rel[32];
		int p[2];
		pid_t pid;

		must(!pipe(p));
		pid = fork();
		if (pid == 0)
			churn(l, p[1]);
		for (int i = 0; i <= round % 7; i++)
			must(read(p[0], &c, 1) == 1);
		kill(pid, SIGKILL);
		must(waitpid(pid, NULL, 0) == pid);
		close(p[0]);
		close(p[1]);
		b = live_box(l, "x");
		for (unsigned i = 1; i <= b->info.top; i++) {
			snprintf(rel, sizeof(rel), "layers/%u/root", i);
			must(has(b, rel));
		}
		snprintf(rel, sizeof(rel), "layers/%u", b->info.top + 1);
		must(!has(b, rel) && !has(b, "trash"));
		if (b->info.nsnapshots)
			must(b->info.snapshot[b->info.nsnapshots - 1].layer == b->info.top - 1);
		else
			must(b->info.top == 1);
		live_remove(l, b);
	}
}

CASE(test_a_missing_layer_is_damage)
{
	struct box *b = live_box(l, "x"), *other;

	must_ok(box_snapshot(b, "s", &l->err), &l->err);
	must(!renameat(b->fd, "layers/1", b->fd, "layers/away"));
	box_close(b);
	must(box_open(&l->home, "x", BOX_LOCK, NULL, &other, &l->err) == -EBADMSG);
	must(l->err.exit == EXIT_CORRUPT && strstr(l->err.msg, "layers/1"));
	must(!rm_rf_at(l->home.fd, "boxes/x"));
}

CASE(test_a_damaged_box_json_is_told_and_touches_nothing)
{
	static const char *const texts[] = { "", "{", "{\"format\":1}", "null", "\xff\xfe" };
	struct box *b = live_box(l, "x"), *other;
	int dir = dup(b->fd);

	box_close(b);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		must(!write_file_at(dir, "box.json", 0600, texts[i], strlen(texts[i])));
		must(box_open(&l->home, "x", BOX_LOCK | BOX_CREATE, &l->opts, &other, &l->err) ==
		     -EBADMSG);
		must(l->err.exit == EXIT_CORRUPT && strstr(l->err.msg, "box.json"));
	}
	must(!unlinkat(dir, "box.json", 0));
	must(box_open(&l->home, "x", 0, NULL, &other, &l->err) == -EBADMSG);
	must(!faccessat(dir, "layers/1/root", F_OK, 0));
	close(dir);
	must(!rm_rf_at(l->home.fd, "boxes/x"));
}

/* A process that makes an anonymous box and is killed. */
static void leave_anonymous(struct live *l, bool kill_it)
{
	int p[2], status;
	char c;
	pid_t pid;

	must(!pipe(p));
	pid = fork();
	if (pid == 0) {
		struct box *b;

		must_ok(box_open(&l->home, NULL, BOX_ANON, &l->opts, &b, &l->err), &l->err);
		must(write(p[1], "x", 1) == 1);
		if (kill_it)
			raise(SIGKILL);
		box_close(b);
		_exit(0);
	}
	must(read(p[0], &c, 1) == 1);
	must(waitpid(pid, &status, 0) == pid);
	close(p[0]);
	close(p[1]);
}

CASE(test_anonymous_boxes_go_when_closed_and_those_of_killed_runs_at_the_next_start)
{
	struct box *held;

	leave_anonymous(l, false);
	must(entries(l, "anon") == 0);
	leave_anonymous(l, true);
	must(entries(l, "anon") == 1);
	must_ok(box_open(&l->home, NULL, BOX_ANON, &l->opts, &held, &l->err), &l->err);
	must(!mkdirat(l->home.fd, "tmp/unfinished", 0700));
	home_sweep(&l->home);
	must(entries(l, "anon") == 1 && entries(l, "tmp") == 0);
	must(has(held, "layers/1/root")); /* the one that a living run holds stayed */
	box_close(held);
	must(entries(l, "anon") == 0);
}

CASE(test_a_passing_box_has_a_folder_only_when_it_is_asked_for_one)
{
	struct box_opts on_disk = l->opts;
	struct box *b;
	int fd;

	must_ok(box_open(&l->home, NULL, BOX_ANON | BOX_PASSING, &l->opts, &b, &l->err), &l->err);
	must(entries(l, "anon") == 0 && entries(l, "tmp") == 0);
	if (!box_has_folder(b)) { /* a kernel whose tmpfs can be a layer */
		fd = box_dirfd(b);
		must(fd >= 0 && box_dirfd(b) == fd && box_has_folder(b));
		must(has(b, "box.json") && has(b, "objects") && entries(l, "anon") == 1);
		home_sweep(&l->home);
		must(entries(l, "anon") == 1); /* it is held */
	}
	box_close(b);
	must(entries(l, "anon") == 0);
	on_disk.on_disk = true;
	must_ok(box_open(&l->home, NULL, BOX_ANON | BOX_PASSING, &on_disk, &b, &l->err), &l->err);
	must(box_has_folder(b) && entries(l, "anon") == 1);
	box_close(b);
}

CASE(test_a_base_is_kept_while_a_box_without_a_folder_uses_it)
{
	int bases = openat(l->home.fd, "base", O_RDONLY | O_DIRECTORY), a, b;

	must(bases >= 0 && !mkdirat(bases, "key", 0700));
	must(!base_is_kept(bases, "key"));
	a = base_keep(&l->home, "key");
	b = base_keep(&l->home, "key");
	must(a >= 0 && b >= 0 && base_is_kept(bases, "key"));
	close(a);
	must(base_is_kept(bases, "key"));
	close(b);
	must(!base_is_kept(bases, "key"));
	must(base_keep(&l->home, "other") == -ENOENT);
	close(bases);
}

/* ---- files of mapped owners --------------------------------------------------------------- */

static int make_foreign(void *ctx)
{
	const struct box *b = ctx;

	if (mkdirat(b->fd, "layers/1/root/theirs", 0700) ||
	    mkdirat(b->fd, "layers/1/root/theirs/deep", 0700) ||
	    mknodat(b->fd, "layers/1/root/theirs/deep/f", S_IFREG | 0600, 0) ||
	    mknodat(b->fd, "layers/1/root/white", S_IFCHR, 0))
		return 2;
	if (b->info.range && (fchownat(b->fd, "layers/1/root/theirs/deep/f", 33, 33, 0) ||
			      fchownat(b->fd, "layers/1/root/theirs/deep", 33, 33, 0) ||
			      fchownat(b->fd, "layers/1/root/theirs", 65535, 33, 0)))
		return 3;
	if (fchmodat(b->fd, "layers/1/root/theirs", 0, 0) ||
	    fchmodat(b->fd, "layers/1/work/root", 0, 0))
		return 4;
	return 0;
}

CASE(test_files_of_all_the_boxs_owners_are_removed)
{
	struct box *b = live_box(l, "x");
	int status = -1;

	must_ok(box_in_userns(b, make_foreign, b, &status, &l->err), &l->err);
	must(status == 0);
	must_ok(box_rollback(b, NULL, &l->err), &l->err);
	must(!has(b, "trash") && !has(b, "layers/1/root/theirs"));
	must_ok(box_in_userns(b, make_foreign, b, &status, &l->err), &l->err);
	must(status == 0);
	live_remove(l, b);
	must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
}

static int who_am_i(void *ctx UNUSED)
{
	struct stat st;

	/* host root's files have no owner here, and no capability of ours reaches them */
	if (getuid() != 0 || getgid() != 0 || stat("/etc/passwd", &st) || st.st_uid != 65534)
		return 1;
	return open("/etc/passwd", O_WRONLY) >= 0 || open("/etc/shadow", O_RDONLY) >= 0 ? 2 : 42;
}

CASE(test_box_root_is_root_of_the_box_only)
{
	struct box *b = live_box(l, "x");
	int status = -1;

	must_ok(box_in_userns(b, who_am_i, NULL, &status, &l->err), &l->err);
	must(status == 42);
	live_remove(l, b);
}

static int die(void *ctx UNUSED)
{
	raise(SIGKILL);
	return 0;
}

CASE(test_a_helper_that_is_killed_is_an_error)
{
	struct box *b = live_box(l, "x");
	int status = -1;

	must(box_in_userns(b, die, NULL, &status, &l->err) < 0);
	must(status == -1 && strstr(l->err.msg, "signal 9"));
	live_remove(l, b);
}

CASE(test_root_is_given_up_for_good)
{
	if (!l->home.by_root)
		return; /* a plain user has none */
	must(getuid() == BOX_ROOT_UID && geteuid() == BOX_ROOT_UID && getgid() == BOX_ROOT_UID);
	must(setuid(0) && setresuid(0, 0, 0) && getgroups(0, NULL) == 0);
	must(prctl(PR_CAPBSET_READ, 0) >= 0 && open("/etc/shadow", O_RDONLY) < 0);
	/* the broker answers nothing about processes that are not ours, nor names of others */
	must(broker_map(l->home.broker, 1, &l->err) < 0);
	must(broker_map(l->home.broker, getpid(), &l->err) < 0);
	must(broker_cgroup_remove(&l->home, "../../../etc") == -EINVAL);
	must(broker_cgroup_remove(&l->home, "") == -EINVAL);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, live_setup, live_teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_box_is_made_once_and_keeps_its_identity),
		T(test_two_boxes_differ_in_identity),
		T(test_a_held_box_is_busy_for_others_and_readable),
		T(test_what_a_killed_owner_left_at_work_is_waited_for),
		T(test_boxes_are_listed_in_order),
		T(test_a_bad_name_makes_nothing),
		T(test_a_root_folder_that_is_not_there_makes_nothing),
		T(test_a_box_keeps_the_root_it_was_made_with),
		T(test_a_snapshot_adds_a_layer_and_a_rollback_drops_what_came_after),
		T(test_snapshots_end_at_the_limit_with_a_sentence),
		T(test_a_layer_that_a_killed_snapshot_left_is_dropped),
		T(test_a_rollback_that_was_killed_is_finished),
		T(test_whenever_it_is_killed_the_box_opens_with_all_its_layers),
		T(test_a_missing_layer_is_damage),
		T(test_a_damaged_box_json_is_told_and_touches_nothing),
		T(test_anonymous_boxes_go_when_closed_and_those_of_killed_runs_at_the_next_start),
		T(test_a_passing_box_has_a_folder_only_when_it_is_asked_for_one),
		T(test_a_base_is_kept_while_a_box_without_a_folder_uses_it),
		T(test_files_of_all_the_boxs_owners_are_removed),
		T(test_box_root_is_root_of_the_box_only),
		T(test_a_helper_that_is_killed_is_an_error),
		T(test_root_is_given_up_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
