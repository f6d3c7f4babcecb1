// SPDX-License-Identifier: Apache-2.0
/*
 * open.c - files in /proc of tasks that have taken another identity of the box
 *
 * The kernel gives them to the task's user alone. For box root's tasks that is us. For the others a
 * process of ours in the box's user namespace, which may open what belongs to any id of it, opens
 * them and passes the descriptor; it is made at the first such task, and ends when its socket is
 * closed. It is asked for names of a table, by us alone; the box knows nothing of it.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "capture/lapse/lapse.h"

static const struct {
	const char *name;
	int flags;
} files[] = {
	[LAPSE_SYSCALL] = { "syscall", O_RDONLY },
	[LAPSE_MEM] = { "mem", O_RDWR },
	[LAPSE_AUXV] = { "auxv", O_RDONLY },
	[LAPSE_FDS] = { "fd", O_RDONLY | O_DIRECTORY },
};

struct ask {
	pid_t tid;
	int what;
};

static int open_one(pid_t tid, int what)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/%s", tid, files[what].name);
	fd = open(name, files[what].flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void serve(int sock)
{
	struct ask a;
	int null = open("/dev/null", O_RDWR);

	/* nothing of ours but the socket */
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (dup2(sock, 3) != 3)
		return;
	if (close_range(4, ~0u, 0))
		return;
	setsid(); /* the terminal's signals are for the supervisor */
	while (recv(3, &a, sizeof(a), 0) == sizeof(a)) {
		int fd = a.what >= 0 && a.what < LAPSE_FILES ? open_one(a.tid, a.what) : -EINVAL;
		int rc = fd >= 0 ? 0 : fd;

		if (fdpass_send(3, &rc, sizeof(rc), &fd, fd >= 0) < 0)
			return;
		if (fd >= 0)
			close(fd);
	}
}

static int in_userns(void *ctx)
{
	const int *pair = ctx;
	pid_t pid = fork();

	if (pid)
		return pid < 0;
	serve(pair[1]);
	_exit(0);
}

static bool has_opener(struct lapse *l)
{
	struct err err = { 0 };
	int pair[2], status = 1;

	if (l->opener >= 0 || l->no_opener)
		return l->opener >= 0;
	l->no_opener = true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	if (!box_run_in_userns(l->rec->run, in_userns, pair, &status, &err) && !status)
		l->opener = pair[0];
	else
		close(pair[0]);
	close(pair[1]);
	return l->opener >= 0;
}

int lapse_open(struct lapse *l, pid_t tid, enum lapse_file what)
{
	struct ask a = { tid, what };
	int fd = open_one(tid, what), n = 1, rc = 0;

	if (fd != -EACCES && fd != -EPERM)
		return fd;
	if (!has_opener(l) || send(l->opener, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
		return -EACCES;
	fd = -1;
	if (fdpass_recv(l->opener, &rc, sizeof(rc), &fd, &n) != sizeof(rc) || rc < 0 || n != 1)
		return rc < 0 ? rc : -EACCES;
	return fd;
}
