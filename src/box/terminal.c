// SPDX-License-Identifier: Apache-2.0
/*
 * terminal.c - our terminal while a program has a pty of the box
 *
 * Raw mode: every key goes through as a byte, Ctrl-C and Ctrl-Z included, and the box's own line
 * discipline makes signals of them. The modes that the terminal had are put back by box_end(),
 * which every way out of a run passes: the signals that would end us are events (run.c).
 */
#include "box/runtime.h"

struct terminal {
	int fd;	    /* ours, borrowed */
	int master; /* of the box's pty: a duplicate */
	struct termios before;
};

bool terminal_describe(int fd, struct termios *ret_t, struct winsize *ret_w)
{
	struct winsize w;

	if (!ioctl(fd, TIOCGWINSZ, &w))
		*ret_w = w;
	return !tcgetattr(fd, ret_t);
}

static void raw(const struct terminal *t)
{
	struct termios now = t->before;

	cfmakeraw(&now);
	tcsetattr(t->fd, TCSADRAIN, &now);
}

int terminal_raw(struct box_run *run, int fd, int master, struct err *err)
{
	struct terminal *t;

	if (run->terminal || !isatty(fd))
		return 0; /* a pty without a terminal of ours: nothing to change */
	t = xcalloc(1, sizeof(*t));
	t->fd = fd;
	t->master = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (t->master < 0 || tcgetattr(fd, &t->before)) {
		int code = errno;

		free(t);
		return err_set(err, code, "box: read the terminal's modes");
	}
	run->terminal = t;
	raw(t);
	return 0;
}

void terminal_resize(struct box_run *run)
{
	struct winsize w;

	if (run->terminal && !ioctl(run->terminal->fd, TIOCGWINSZ, &w))
		ioctl(run->terminal->master, TIOCSWINSZ, &w);
}

void terminal_again(struct box_run *run)
{
	if (!run->terminal)
		return;
	raw(run->terminal);
	terminal_resize(run);
}

void terminal_restore(struct box_run *run)
{
	if (!run->terminal)
		return;
	tcsetattr(run->terminal->fd, TCSADRAIN, &run->terminal->before);
	close(run->terminal->master);
	free(run->terminal);
	run->terminal = NULL;
}
