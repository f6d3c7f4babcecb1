// SPDX-License-Identifier: Apache-2.0
/*
 * boxed.h - for tests that make real boxes
 *
 * Each scenario is a function that runs in a child process, since the first thing it does is to
 * drop its privileges for good: once as whoever started the tests and, when that is root, once more
 * as a plain user without any range of ids. CHECK() says what did not hold and ends the child.
 * Homes are folders of their own below $TMPDIR or /tmp, one per user, removed at the end.
 */
#ifndef BELLJAR_TESTS_BOXED_H
#define BELLJAR_TESTS_BOXED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box/box.h"

#define PLAIN_UID    64777u /* in nobody's range of subordinate ids */
#define HANG_SECONDS 180    /* a scenario that takes this long hangs */

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond);                 \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			fflush(stderr);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum who { AS_STARTED, AS_PLAIN, WHO };
static char homes[WHO][256];

static UNUSED int homes_make(void **state UNUSED)
{
	for (int w = 0; w < WHO; w++) {
		const char *tmp = getenv("TMPDIR");

		snprintf(homes[w], sizeof(homes[w]), "%s/belljar-test-%d-%d", tmp ? tmp : "/tmp",
			 getpid(), w);
		if (mkdir(homes[w], 0755))
			return -1;
		if (w == AS_PLAIN && geteuid() == 0 && chown(homes[w], PLAIN_UID, PLAIN_UID))
			return -1;
	}
	return 0;
}

static UNUSED int homes_remove(void **state UNUSED)
{
	int rc = 0;

	for (int w = 0; w < WHO; w++) {
		int one = rm_rf_at(AT_FDCWD, homes[w]);

		/* a base made with a range of ids has folders of other owners: who made the
		 * temporary folder that the test runs in removes them with it */
		if (one && !(geteuid() && (one == -EACCES || one == -EPERM)))
			rc = one;
	}
	return rc;
}

/* Run @fn(@arg) as one of the users; what it returns, or 128+N. */
static UNUSED int in_child(enum who who, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(HANG_SECONDS);
		if (who == AS_PLAIN &&
		    (setgroups(0, NULL) || setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) ||
		     setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID)))
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		setenv("BELLJAR_HOME", homes[who], 1);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The same for every user that can be had here. */
static UNUSED void as_everyone(int (*fn)(void *arg), void *arg)
{
	assert_int_equal(in_child(AS_STARTED, fn, arg), 0);
	if (geteuid() == 0)
		assert_int_equal(in_child(AS_PLAIN, fn, arg), 0);
}

/* ---- inside the child --------------------------------------------------------------------- */

struct boxed {
	struct box_home home;
	struct box *box;
	struct box_plan *plan;
	struct box_run *run;
	struct err err;
	int nlimits; /* BOX_LIMIT events so far, by what they say */
	char limits[512];
};

static UNUSED void boxed_open(struct boxed *b, const char *name, const struct box_opts *opts)
{
	memset(b, 0, sizeof(*b));
	CHECK(!box_home_open(&b->home, &b->err), "%s", b->err.msg);
	CHECK(!box_open(&b->home, name, BOX_CREATE | BOX_LOCK | (name ? 0 : BOX_ANON), opts,
			&b->box, &b->err),
	      "%s", b->err.msg);
}

static UNUSED void boxed_run(struct boxed *b, const struct box_opts *opts)
{
	CHECK(!box_plan_make(b->box, opts, &b->plan, &b->err), "%s", b->err.msg);
	CHECK(!box_start(b->box, b->plan, &b->run, &b->err), "%s", b->err.msg);
	/* nothing may hold on to a plan that is gone */
	box_plan_free(b->plan);
	b->plan = NULL;
}

static UNUSED void boxed_start(struct boxed *b, const char *name, const struct box_opts *opts)
{
	boxed_open(b, name, opts);
	boxed_run(b, opts);
}

static UNUSED int boxed_spawn(struct boxed *b, const char *const *argv, const int fds[3])
{
	struct box_program p = { .argv = argv, .fds = { fds[0], fds[1], fds[2] } };
	struct box_proc proc;

	CHECK(!box_spawn(b->run, &p, NULL, &proc, &b->err), "%s", b->err.msg);
	CHECK(proc.pid > 0 && proc.inner > 1, "pid %d, in the box %d", proc.pid, proc.inner);
	return proc.id;
}

/* Until program @id ends: its status. Limits are noted on the way; a fatal one ends the wait. */
static UNUSED int boxed_wait(struct boxed *b, int id)
{
	for (;;) {
		struct box_event ev;
		int rc = box_wait(b->run, -1, &ev, &b->err);

		CHECK(rc == 1, "%s", b->err.msg);
		if (ev.what == BOX_LIMIT) {
			size_t n = strlen(b->limits);

			b->nlimits++;
			snprintf(b->limits + n, sizeof(b->limits) - n, "%s(%s)%s;", ev.limit,
				 ev.mechanism, ev.fatal ? "!" : "");
			if (ev.fatal)
				return -1;
		}
		CHECK(ev.what != BOX_DEAD, "pid 1 is gone");
		if (ev.what == BOX_PROGRAM_EXIT && ev.id == id)
			return ev.status;
	}
}

/* Until something of a program's output has come to @fd: it is carried while box_wait() waits. */
static UNUSED void boxed_hear(struct boxed *b, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct box_event ev;

	while (poll(&p, 1, 0) == 0)
		CHECK(box_wait(b->run, 10, &ev, &b->err) >= 0, "%s", b->err.msg);
}

static UNUSED void boxed_close(struct boxed *b)
{
	box_end(b->run);
	box_close(b->box);
	box_home_close(&b->home);
}

static UNUSED char *slurp(int fd)
{
	struct stat st;
	char *p;

	CHECK(!fstat(fd, &st), "fstat");
	p = xcalloc(1, (size_t)st.st_size + 1);
	CHECK(pread(fd, p, (size_t)st.st_size, 0) == st.st_size, "read back");
	return p;
}

/* What @script, for bash, says in a running box. */
static UNUSED char *output_of(struct boxed *b, const char *script)
{
	int out = memfd_create("out", MFD_CLOEXEC), fds[3] = { -1, out, out };
	cleanup_free char *whole = xasprintf("{ %s ; } 2>&1; echo END", script);
	const char *argv[] = { "bash", "-c", whole, NULL };
	char *text;

	boxed_wait(b, boxed_spawn(b, argv, fds));
	/* it is gone, but what it wrote may still be on its way here */
	while (text = slurp(out), !str_ends(str_z(text), "END\n")) {
		free(text);
		usleep(1000);
	}
	text[strlen(text) - 4] = 0;
	close(out);
	return text;
}

/* One program in one fresh anonymous box: standard output and error as text, status. */
static UNUSED char *boxed_output(const struct box_opts *opts, const char *const *argv,
				 int *ret_status)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	int fds[3] = { -1, out, out };
	struct boxed b;
	char *text;

	boxed_start(&b, NULL, opts);
	*ret_status = boxed_wait(&b, boxed_spawn(&b, argv, fds));
	boxed_close(&b);
	text = slurp(out);
	close(out);
	return text;
}

static UNUSED char *boxed_sh(const struct box_opts *opts, const char *script, int *ret_status)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	return boxed_output(opts, argv, ret_status);
}

#endif
