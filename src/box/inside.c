// SPDX-License-Identifier: Apache-2.0
/*
 * inside.c - a process of ours in the running box's user and network namespaces, and nowhere else
 *
 * For what must see the box's packets and nothing besides: it leaves the host's file system for an
 * empty one, keeps one descriptor and one capability, and is seen by nobody in the box, since it
 * stays in our pid namespace. The order matters: the user namespace first, whose capabilities the
 * rest needs; capabilities last.
 */
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "box/runtime.h"

#define INSIDE_FD 3

/* An empty, read-only root; ours is let go. */
static int empty_root(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0555,size=4k,nr_inodes=2") ||
	    chdir("/tmp") || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/") ||
	    mount(NULL, "/", NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -errno;
	return 0;
}

static int one_capability(int keep)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	d[keep / 32].effective = d[keep / 32].permitted = 1u << keep % 32;
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) && errno != EINVAL)
			return -errno;
	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

static int descriptors(int fd)
{
	int null = open("/dev/null", O_RDWR), high = fcntl(fd, F_DUPFD, 16);

	if (null < 0 || high < 0)
		return -errno;
	for (int i = 0; i < INSIDE_FD; i++)
		if (dup2(null, i) < 0)
			return -errno;
	if (dup2(high, INSIDE_FD) < 0)
		return -errno;
	return close_range(INSIDE_FD + 1, ~0u, 0) ? -errno : 0;
}

static int become(const struct box_run *run, int fd)
{
	struct rlimit none = { 0, 0 };
	sigset_t empty;
	int rc;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	setsid(); /* the terminal's signals are for the supervisor */
	if (setns(run->userns, CLONE_NEWUSER) || setns(run->netns, CLONE_NEWNET))
		return -errno;
	if (run->box->info.range &&
	    (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, 0, 0, 0) ||
	     syscall(SYS_setresuid, 0, 0, 0)))
		return -errno;
	rc = descriptors(fd);
	if (!rc)
		rc = empty_root();
	if (!rc)
		rc = one_capability(CAP_NET_RAW);
	if (rc)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	prctl(PR_SET_NAME, "belljar-inside");
	setrlimit(RLIMIT_CORE, &none);
	descriptors_most();
	return 0;
}

pid_t box_run_inside(struct box_run *run, void (*fn)(void *arg, int fd), void *arg, int fd,
		     struct err *err)
{
	pid_t parent = getpid(), pid;
	int rc = run_network(run, err);

	if (rc)
		return rc;
	pid = fork();
	if (pid == 0) {
		/* ids change on the way, which clears the death signal: set it again after */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rc = become(run, fd);
		if (!rc && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
			rc = -ESRCH;
		if (rc)
			_exit(-rc);
		fn(arg, INSIDE_FD);
		_exit(0);
	}
	return pid < 0 ? err_set(err, errno, "box: make a process") : pid;
}
