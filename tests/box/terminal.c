// SPDX-License-Identifier: Apache-2.0
/*
 * terminal.c - a program on a pty of the box: job control, window size, our terminal put back
 *
 * The test is the person at the terminal: it holds the master of a pty whose other side is "our
 * terminal" of a supervisor in a child process.
 */
#include <sys/ioctl.h>
#include <termios.h>

#include "boxed.h"

#define SCREEN_MAX 65536

struct person {
	int master, slave;
	pid_t supervisor;
	size_t n;
	char screen[SCREEN_MAX];
};

/* Wait until @text has appeared after what was awaited before. */
static void see(struct person *p, const char *text)
{
	static const size_t keep = SCREEN_MAX - 1;

	for (;;) {
		char *at = strstr(p->screen, text);
		struct pollfd f = { .fd = p->master, .events = POLLIN };
		ssize_t k;

		if (at) {
			at += strlen(text);
			p->n -= (size_t)(at - p->screen);
			memmove(p->screen, at, p->n + 1);
			return;
		}
		if (poll(&f, 1, HANG_SECONDS * 1000) <= 0 || p->n >= keep)
			break;
		k = read(p->master, p->screen + p->n, keep - p->n);
		if (k <= 0)
			break;
		p->n += (size_t)k;
		p->screen[p->n] = 0;
	}
	fail_msg("'%s' did not appear; there is: %s", text, p->screen);
}

static void type(struct person *p, const char *keys)
{
	assert_int_equal(write_full(p->master, keys, strlen(keys)), 0);
}

static int supervise(void *arg)
{
	struct person *p = arg;
	const char *argv[] = { "bash", "--norc", "--noprofile", "-i", NULL };
	const char *env[] = { "PATH=/usr/bin:/bin", "PS1=ready> ", "HOME=/tmp",
			      "TERM=dumb",	    "HISTFILE=",   NULL };
	struct box_program prog = { .argv = argv,
				    .env = env,
				    .stdio = STDIO_PTY,
				    .fds = { p->slave, p->slave, p->slave } };
	struct termios before, after;
	struct box_proc proc;
	struct boxed b;
	int st;

	CHECK(!tcgetattr(p->slave, &before), "modes");
	boxed_start(&b, NULL, NULL);
	CHECK(!box_spawn(b.run, &prog, NULL, &proc, &b.err), "%s", b.err.msg);
	CHECK(!tcgetattr(p->slave, &after) && !(after.c_lflag & (ICANON | ISIG | ECHO)),
	      "not raw while the program has the terminal");
	for (;;) {
		struct box_event ev;

		CHECK(box_wait(b.run, -1, &ev, &b.err) == 1, "%s", b.err.msg);
		if (ev.what == BOX_SIGNAL)
			st = 77 << 8;
		else if (ev.what == BOX_PROGRAM_EXIT)
			st = ev.status;
		else
			continue;
		break;
	}
	boxed_close(&b);
	CHECK(!tcgetattr(p->slave, &after), "modes");
	CHECK(before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag &&
		      before.c_cflag == after.c_cflag && before.c_lflag == after.c_lflag &&
		      !memcmp(before.c_cc, after.c_cc, sizeof(before.c_cc)),
	      "the terminal's modes are not what they were");
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static struct person *sit_down(enum who who)
{
	struct winsize w = { .ws_row = 33, .ws_col = 101 };
	struct person *p = xcalloc(1, sizeof(*p));
	int zero = 0;

	p->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(p->master >= 0);
	assert_int_equal(ioctl(p->master, TIOCSPTLCK, &zero), 0);
	p->slave = ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(p->slave >= 0);
	assert_int_equal(ioctl(p->master, TIOCSWINSZ, &w), 0);
	p->supervisor = fork();
	if (p->supervisor == 0) {
		close(p->master);
		alarm(HANG_SECONDS);
		if (who == AS_PLAIN &&
		    (setgroups(0, NULL) || setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) ||
		     setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID)))
			_exit(99);
		setenv("BELLJAR_HOME", homes[who], 1);
		_exit(supervise(p));
	}
	return p;
}

static int stand_up(struct person *p)
{
	int status;

	assert_int_equal(waitpid(p->supervisor, &status, 0), p->supervisor);
	close(p->master);
	close(p->slave);
	free(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void session(enum who who)
{
	struct winsize w = { .ws_row = 44, .ws_col = 132 };
	struct person *p = sit_down(who);

	see(p, "ready> ");
	type(p, "tty; stty size; cat /proc/sys/kernel/tty 2>/dev/null; ps -o tty= -p $$\n");
	see(p, "/dev/pts/0");
	see(p, "33 101");
	see(p, "pts/0");
	/* Ctrl-C ends what is in the foreground, not the shell, not the box */
	type(p, "sh -c 'echo u''p; exec sleep 1000'; echo status-$?\n");
	see(p, "\nup");
	type(p, "\003");
	see(p, "ready> ");
	type(p, "echo alive-$((40+2))\n");
	see(p, "alive-42");
	/* Ctrl-Z stops it */
	type(p, "sh -c 'echo u''p; exec sleep 1001'\n");
	see(p, "\nup");
	type(p, "\032");
	see(p, "Stopped");
	type(p, "jobs; kill -9 %1; wait; echo gone-$((1+1))\n");
	see(p, "sleep 1001");
	see(p, "gone-2");
	/* the window's size follows */
	assert_int_equal(ioctl(p->master, TIOCSWINSZ, &w), 0);
	kill(p->supervisor, SIGWINCH);
	type(p, "until [ \"$(stty size)\" = '44 132' ]; do sleep 0.05; done; echo size-$((3+4))\n");
	see(p, "size-7");
	/* ^D is the end of input for the box's line discipline */
	type(p, "echo u''p; cat; echo after-$((5+5))\n");
	see(p, "\nup");
	type(p, "\004");
	see(p, "after-10");
	type(p, "exit 5\n");
	see(p, "exit");
	assert_int_equal(stand_up(p), 5);
}

static void test_a_shell_on_the_box_s_pty_has_job_control_and_our_window(void **state UNUSED)
{
	session(AS_STARTED);
	if (geteuid() == 0)
		session(AS_PLAIN);
}

static void interrupted(enum who who)
{
	struct person *p = sit_down(who);

	see(p, "ready> ");
	kill(p->supervisor, SIGTERM);
	assert_int_equal(stand_up(p), 77); /* supervise() has looked at the modes */
}

static void test_a_signal_to_the_supervisor_puts_the_terminal_back(void **state UNUSED)
{
	interrupted(AS_STARTED);
	if (geteuid() == 0)
		interrupted(AS_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_shell_on_the_box_s_pty_has_job_control_and_our_window),
		cmocka_unit_test(test_a_signal_to_the_supervisor_puts_the_terminal_back),
	};

	return cmocka_run_group_tests(tests, homes_make, homes_remove);
}
