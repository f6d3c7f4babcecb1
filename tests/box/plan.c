// SPDX-License-Identifier: Apache-2.0
/*
 * plan.c - the plan of a box is a pure function of the box and its options
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "box/runtime.h"

static struct box *a_box(bool anon, bool range)
{
	static struct box_home home = { .path = "/h", .fd = -1, .broker = -1 };
	static struct box b;

	memset(&b, 0, sizeof(b));
	b.home = &home;
	b.fd = b.lock_fd = -1;
	b.anon = anon;
	strcpy(b.path, "/h/boxes/a");
	strcpy(b.info.hostname, "desk-1234");
	strcpy(b.info.machine_id, "0123456789abcdef0123456789abcdef");
	strcpy(b.info.base, "key");
	b.info.range = range;
	b.info.range_start = 100000;
	b.info.top = 3;
	strcpy(b.overlay[0].at, "/");
	strcpy(b.overlay[1].at, "/usr");
	strcpy(b.overlay[2].at, "/var");
	strcpy(b.overlay[3].at, "/var/lib/dpkg");
	b.overlay[1].host = b.overlay[3].host = true;
	b.noverlays = 4;
	return &b;
}

static struct box_plan *plan(const struct box *b, const struct box_opts *opts)
{
	struct box_opts in_words = opts ? *opts : (struct box_opts){ 0 };
	struct box_plan *p;
	struct err err;

	in_words.in_words = true;
	assert_int_equal(box_plan_make(b, &in_words, &p, &err), 0);
	return p;
}

static char *printed(const struct box_plan *p)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	box_plan_print(p, f);
	fclose(f);
	return text;
}

static int first(const struct box_plan *p, enum step_kind kind)
{
	for (int i = 0; i < p->nsteps; i++)
		if (p->step[i].kind == kind)
			return i;
	return -1;
}

static int last(const struct box_plan *p, enum step_kind kind)
{
	for (int i = p->nsteps - 1; i >= 0; i--)
		if (p->step[i].kind == kind)
			return i;
	return -1;
}

static const struct box_opts binds = {
	.nbinds = 3,
	.bind = { { BIND_RO, "/srv/ro", NULL, -1 },
		  { BIND_RW, "/srv/rw", "/work", -1 },
		  { BIND_COPY, "/tmp/setup.run", NULL, -1 } },
};

static void test_each_step_comes_after_what_it_needs(void **state UNUSED)
{
	struct box_plan *p = plan(a_box(true, true), &binds);
	static const struct {
		enum step_kind before, after;
	} order[] = {
		{ STEP_QUIET, STEP_IDS },	{ STEP_PRIVATE, STEP_LAYER_TMPFS },
		{ STEP_IDS, STEP_LAYER_TMPFS }, { STEP_LAYER_TMPFS, STEP_SOURCES },
		{ STEP_SOURCES, STEP_ROOT },	{ STEP_ROOT, STEP_PROC },
		{ STEP_PROC, STEP_OVERLAY },	{ STEP_SYSCTL, STEP_READONLY },
		{ STEP_DEV, STEP_MASK },	{ STEP_OVERLAY, STEP_BIND_RO },
		{ STEP_TMPFS, STEP_BIND_RW },	{ STEP_BIND_RW, STEP_DETACH },
		{ STEP_DETACH, STEP_IDENTITY }, { STEP_DETACH, STEP_COPY },
		{ STEP_COPY, STEP_BOUND },	{ STEP_BOUND, STEP_DOMAIN },
		{ STEP_DOMAIN, STEP_SERVE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		assert_true(last(p, order[i].before) >= 0);
		assert_true(first(p, order[i].after) > last(p, order[i].before));
	}
	box_plan_free(p);
}

static void test_every_overlay_is_mounted_once_parents_first(void **state UNUSED)
{
	struct box_plan *p = plan(a_box(false, true), NULL);
	const char *want[] = { "/", "/usr", "/var", "/var/lib/dpkg" };
	int n = 0;

	for (int i = 0; i < p->nsteps; i++)
		if (p->step[i].kind == STEP_ROOT || p->step[i].kind == STEP_OVERLAY)
			assert_string_equal(p->step[i].path, want[n++]);
	assert_int_equal(n, 4);
	box_plan_free(p);
}

static void test_the_same_box_and_options_print_the_same_plan(void **state UNUSED)
{
	struct box_plan *p = plan(a_box(true, true), &binds), *q = plan(a_box(true, true), &binds);
	char *a = printed(p), *b = printed(q);

	assert_string_equal(a, b);
	assert_true(str_starts(str_z(a),
			       "  1  clone pid 1 into new user and pid, then mount, net, ipc and "
			       "uts namespaces"));
	free(a);
	free(b);
	box_plan_free(p);
	box_plan_free(q);
}

static void test_the_printed_plan_says_what_options_change(void **state UNUSED)
{
	static const char *const env[] = { "A=b" };
	static const struct {
		struct box_opts opts;
		bool anon, range;
		const char *says;
	} rows[] = {
		{ { 0 }, true, true, "layer 3: a tmpfs of at most " },
		{ { .on_disk = true }, true, true, "layer 3: folder layers/3 of the box" },
		{ { 0 }, false, true, "layer 3: folder layers/3 of the box" },
		{ { 0 },
		  true,
		  true,
		  "overlay on /: layer 3/root over layers 2…1, /h/base/key/root;" },
		{ { 0 },
		  true,
		  true,
		  "overlay on /usr: layer 3/usr over layers 2…1, /h/base/key/usr, /usr\n" },
		{ { 0 }, true, true, "box ids 0…65535 are host ids from 100000" },
		{ { 0 }, true, false, "box id 0 is the user, the only real one" },
		{ { .user = "user" }, true, false, "box id 1000 is the user, the only real one" },
		{ { .user = "user" }, true, true, "namespace: none" },
		{ { 0 }, true, true, "net_bind_service sys_chroot" },
		{ { .limits.disk = 1 << 20 }, true, true, "a tmpfs of at most 1048576 bytes" },
		{ { .limits.pids = 77 }, true, true, "/proc/sys/kernel/pid_max = 377" },
		{ { .limits.pids = 77 }, true, true, "a cgroup with the limits" },
		{ { 0 }, true, true, "no cgroup: no limit was asked for" },
		{ { .limits.time = 1.5 }, true, true, ", 1.5 seconds\n" },
		{ { .nenv = 1, .env = env }, true, true, " BELLJAR=1 A=b\n" },
		{ { .user = "user" }, true, true, " HOME=/home/user " },
		{ { .nbinds = 1, .bind = { { BIND_RO, "/srv/a", NULL, -1 } } },
		  true,
		  true,
		  "read-only view: /srv/a on /srv/a\n" },
		{ { .nbinds = 1, .bind = { { BIND_RW, "/srv/a", "/b", -1 } } },
		  true,
		  true,
		  "writable bind: /srv/a on /b\n" },
		{ { .nbinds = 1, .bind = { { BIND_COPY, "/srv/a.run", NULL, -1 } } },
		  true,
		  true,
		  "copy /srv/a.run to /root/a.run\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct box_plan *p = plan(a_box(rows[i].anon, rows[i].range), &rows[i].opts);
		char *text = printed(p);

		if (!strstr(text, rows[i].says))
			fail_msg("'%s' is not in:\n%s", rows[i].says, text);
		free(text);
		box_plan_free(p);
	}
}

static void test_options_that_make_no_sense_are_refused_with_a_sentence(void **state UNUSED)
{
	static const char *const no_name[] = { "=b" }, *const no_value[] = { "AB" };
	static const struct {
		struct box_opts opts;
		const char *says;
	} rows[] = {
		{ { .user = "alice" }, "alice" },
		{ { .limits.time = -1 }, "limit" },
		{ { .limits.cpus = -0.5 }, "limit" },
		{ { .nbinds = 1, .bind = { { BIND_RO, "relative", NULL, -1 } } }, "relative" },
		{ { .nbinds = 1, .bind = { { BIND_RO, "/a", "b", -1 } } }, "'b'" },
		{ { .nbinds = BOX_BINDS_MAX + 1 }, "64" },
		{ { .nenv = 1, .env = no_name }, "=b" },
		{ { .nenv = 1, .env = no_value }, "AB" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct box_plan *p = (struct box_plan *)&rows;
		struct err err = { 0 };

		assert_true(box_plan_make(a_box(true, true), &rows[i].opts, &p, &err) < 0);
		assert_int_equal(err.exit, EXIT_USAGE);
		assert_non_null(strstr(err.msg, rows[i].says));
		assert_ptr_equal(p, &rows); /* untouched */
	}
}

static void test_only_plain_variables_of_ours_reach_the_box(void **state UNUSED)
{
	struct box_plan *p;
	char *text;

	setenv("TERM", "xterm\033[2J", 1);
	setenv("LANG", "de_DE.UTF-8", 1);
	setenv("LC_ALL", "C", 1);
	setenv("LD_PRELOAD", "/tmp/x.so", 1);
	setenv("SSH_AUTH_SOCK", "/tmp/agent", 1);
	p = plan(a_box(true, true), NULL);
	unsetenv("LD_PRELOAD");
	text = printed(p);
	assert_non_null(strstr(text, " LANG=de_DE.UTF-8 LC_ALL=C container=belljar BELLJAR=1\n"));
	assert_null(strstr(text, "TERM="));
	assert_null(strstr(text, "LD_PRELOAD"));
	assert_null(strstr(text, "SSH_AUTH"));
	free(text);
	box_plan_free(p);
}

static void test_a_path_with_escapes_is_printed_harmless(void **state UNUSED)
{
	const struct box_opts opts = { .nbinds = 1,
				       .bind = { { BIND_RO, "/a\033[2J\n", NULL, -1 } } };
	struct box_plan *p = plan(a_box(true, true), &opts);
	char *text = printed(p);

	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "/a\\x1b[2J\\x0a"));
	free(text);
	box_plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_comes_after_what_it_needs),
		cmocka_unit_test(test_every_overlay_is_mounted_once_parents_first),
		cmocka_unit_test(test_the_same_box_and_options_print_the_same_plan),
		cmocka_unit_test(test_the_printed_plan_says_what_options_change),
		cmocka_unit_test(test_options_that_make_no_sense_are_refused_with_a_sentence),
		cmocka_unit_test(test_only_plain_variables_of_ours_reach_the_box),
		cmocka_unit_test(test_a_path_with_escapes_is_printed_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
