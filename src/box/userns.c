// SPDX-License-Identifier: Apache-2.0
/*
 * userns.c - a short-lived child that sees a box's files with the box's ids
 *
 * The child is a fork of ours in a user namespace with the box's mapping: box root with all
 * capabilities over mapped ids and none over the host. It shares our mount, pid and network
 * namespaces and dies with us.
 */
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "box/internal.h"

static int become_box_root(bool range)
{
	if (range && setgroups(0, NULL))
		return -errno;
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return -errno;
	/* a namespace can be there and give no rights (forbidden.c): find that out here */
	return unshare(CLONE_NEWUTS) ? -errno : 0;
}

static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_INTERNAL);
}

static int collect(pid_t child, int *ret_status, struct err *err)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "box: wait for a helper process");
	if (!WIFEXITED(status))
		return err_set(err, 0, "box: a helper process was ended by signal %d",
			       WTERMSIG(status));
	*ret_status = WEXITSTATUS(status);
	return 0;
}

/* One int a way: the child's errno from unshare(), then the parent's word that maps stand. */
static void child_main(pid_t parent, int up, int go, bool range, int (*fn)(void *), void *ctx)
{
	int e = 0;
	char c;

	die_with(parent);
	if (unshare(CLONE_NEWUSER))
		e = errno;
	if (write(up, &e, sizeof(e)) != sizeof(e) || e || read(go, &c, 1) != 1)
		_exit(EXIT_INTERNAL);
	e = -become_box_root(range);
	if (write(up, &e, sizeof(e)) != sizeof(e) || e)
		_exit(EXIT_INTERNAL);
	_exit(fn(ctx) & 255);
}

int userns_call(const struct box_home *home, struct idrange ids, int (*fn)(void *ctx), void *ctx,
		int *ret_status, struct err *err)
{
	cleanup_close int up_r = -1, up_w = -1, go_r = -1, go_w = -1;
	int p[2], e = 0, rc, unused;
	pid_t self = getpid(), child;

	if (pipe2(p, O_CLOEXEC))
		return err_set(err, errno, "box: make a pipe");
	up_r = p[0], up_w = p[1];
	if (pipe2(p, O_CLOEXEC))
		return err_set(err, errno, "box: make a pipe");
	go_r = p[0], go_w = p[1];
	child = fork();
	if (child < 0)
		return err_set(err, errno, "box: start a helper process");
	if (child == 0) {
		close(up_r);
		close(go_w);
		child_main(self, up_w, go_r, ids.range, fn, ctx);
	}
	close(steal_fd(&up_w));
	rc = read_full(up_r, &e, sizeof(e)) == sizeof(e) ? 0 : -EIO;
	if (rc)
		err_set(err, 0, "box: a helper process died early");
	else if (e)
		rc = userns_refused(err, e, "box: make a user namespace");
	if (!rc)
		rc = idmap_write_to(home, ids, child, 0, err);
	if (!rc && write_full(go_w, "g", 1) == 0) {
		if (read_full(up_r, &e, sizeof(e)) != sizeof(e) || e)
			rc = userns_refused(err, e ? e : EIO, "box: become box root");
	}
	close(steal_fd(&go_w));
	if (rc) {
		kill(child, SIGKILL);
		collect(child, &unused, NULL);
		return rc;
	}
	return collect(child, ret_status, err);
}

int box_in_userns(struct box *box, int (*fn)(void *ctx), void *ctx, int *ret_status,
		  struct err *err)
{
	return userns_call(box->home, box_ids(box), fn, ctx, ret_status, err);
}
