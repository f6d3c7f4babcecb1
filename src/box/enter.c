// SPDX-License-Identifier: Apache-2.0
/*
 * enter.c - a short-lived child in the user namespace of a running box
 *
 * Only the user namespace is entered: paths and process ids stay ours, so descriptors that the
 * caller holds mean in the child what they meant before.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "box/internal.h"

static void child_main(pid_t parent, pid_t pid1, int up, int (*fn)(void *), void *ctx)
{
	char path[64];
	int fd, e = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_INTERNAL);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWUSER))
		e = errno;
	/* EINVAL: a single map that shows another id than 0; the capabilities are there anyway */
	else if ((setresgid(0, 0, 0) || setresuid(0, 0, 0)) && errno != EINVAL)
		e = errno;
	if (write(up, &e, sizeof(e)) != sizeof(e) || e)
		_exit(EXIT_INTERNAL);
	_exit(fn(ctx) & 255);
}

int box_run_in_userns(struct box_run *run, int (*fn)(void *ctx), void *ctx, int *ret_status,
		      struct err *err)
{
	cleanup_close int up_r = -1, up_w = -1;
	pid_t self = getpid(), pid1 = box_run_pid1(run), child;
	int p[2], e = 0, status;

	if (pipe2(p, O_CLOEXEC))
		return err_set(err, errno, "box: make a pipe");
	up_r = p[0], up_w = p[1];
	child = fork();
	if (child < 0)
		return err_set(err, errno, "box: start a helper process");
	if (child == 0)
		child_main(self, pid1, up_w, fn, ctx);
	close(steal_fd(&up_w));
	if (read_full(up_r, &e, sizeof(e)) != sizeof(e))
		e = EIO;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "box: wait for a helper process");
	if (e)
		return err_set(err, e, "box: enter the running box's user namespace");
	if (!WIFEXITED(status))
		return err_set(err, 0, "box: a helper process was ended by signal %d",
			       WTERMSIG(status));
	*ret_status = WEXITSTATUS(status);
	return 0;
}
