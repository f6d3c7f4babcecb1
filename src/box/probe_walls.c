// SPDX-License-Identifier: Apache-2.0
/*
 * probe_walls.c - try what a box is made of: namespaces, mounts, overlays, Landlock
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "box/probe.h"

/* The setting that forbids it tells what to do. */
static int forbidden(struct probe_try *t, const char *what, int code)
{
	const struct forbidding *f = userns_forbidding("/proc");

	if (!f)
		return probe_found(t, PROBE_MISSING, "%s: %s", what, strerror(code));
	t->remedy = f->remedy;
	return probe_found(t, PROBE_MISSING, "%s: %s: %s", what, strerror(code), f->says);
}

static int mount_something(void *ctx)
{
	int *e = ctx;

	*e = 0;
	/* AppArmor lets the namespace be made and takes its capabilities */
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", 0, NULL))
		*e = errno;
	return *e > 255 ? 255 : *e;
}

int probe_userns(struct probe_try *t)
{
	struct err err = { 0 };
	int status = 0, e;

	if (userns_call(t->home, (struct idrange){ 0 }, mount_something, &e, &status, &err))
		return forbidden(t, "make one", err.code);
	if (status)
		return forbidden(t, "mount in one", status);
	return probe_found(t, PROBE_OK, "works for user id %u", (unsigned)t->home->uid);
}

static int see_ids(void *ctx UNUSED)
{
	return setresgid(65535, 65535, 65535) || setresuid(65535, 65535, 65535) ||
	       getuid() != 65535;
}

int probe_range(struct probe_try *t)
{
	struct idrange r = idrange_here(t->home);
	struct err err = { 0 };
	int status = 0;

	if (!r.range)
		return probe_found(t, PROBE_WEAKER,
				   "one: no newuidmap, or no 65536 ids in /etc/subuid and subgid");
	if (userns_call(t->home, r, see_ids, NULL, &status, &err) || status)
		return probe_found(t, PROBE_WEAKER, "%.250s",
				   status ? "a range, but its last id cannot be used" : err.msg);
	return probe_found(t, PROBE_OK, "65536, from host id %u on%s", r.uid_start,
			   t->home->by_root ? " (started by root)" : "");
}

int probe_namespaces(struct probe_try *t)
{
	static const struct {
		int flag;
		const char *name;
	} kinds[] = { { CLONE_NEWNS, "mount" },	     { CLONE_NEWNET, "network" },
		      { CLONE_NEWIPC, "ipc" },	     { CLONE_NEWUTS, "uts" },
		      { CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWPID, "pid" } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (unshare(kinds[i].flag))
			return probe_found(t, PROBE_MISSING, "%s: %s", kinds[i].name,
					   strerror(errno));
	return probe_found(t, PROBE_OK, "mount, network, ipc, uts, cgroup, pid");
}

static int own_mounts(void)
{
	return unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno
											   : 0;
}

static int mount_proc(struct probe_try *t)
{
	char dir[4200];
	int rc = own_mounts();

	snprintf(dir, sizeof(dir), "%s/proc", t->dir);
	if (!rc && (mkdir(dir, 0700) && errno != EEXIST))
		rc = -errno;
	if (!rc && mount("proc", dir, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		rc = -errno;
	return rc;
}

int probe_proc(struct probe_try *t)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		return probe_found(t, PROBE_MISSING, "pid namespace: %s", strerror(errno));
	pid = fork(); /* the first in the namespace: only a member may mount its /proc */
	if (pid == 0)
		_exit(-mount_proc(t));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return probe_found(t, PROBE_MISSING, "the try did not end well");
	status = WEXITSTATUS(status);
	return status ? probe_found(t, PROBE_MISSING, "mount one: %s", strerror(status))
		      : probe_found(t, PROBE_OK, "can be mounted");
}

int probe_mounts(struct probe_try *t)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	int rc = own_mounts();

	if (rc)
		return forbidden(t, "a mount namespace", -rc);
	if (!t->dir[0])
		return probe_found(t, PROBE_MISSING, "no folder to try it in");
	if (mount("none", t->dir, "tmpfs", 0, "size=1m"))
		return forbidden(t, "a tmpfs", errno);
	if (syscall(SYS_mount_setattr, AT_FDCWD, t->dir, AT_RECURSIVE, &ro, sizeof(ro)))
		return probe_found(t, PROBE_MISSING, "mount_setattr: %s", strerror(errno));
	if (mount("/usr", t->dir, NULL, MS_BIND | MS_REC, NULL))
		return probe_found(t, PROBE_MISSING, "a bind mount: %s", strerror(errno));
	return PROBE_OK;
}

/* lower/d/f under upper/: remove the file, see the mark; make a file, see it in the upper. */
static int use_overlay(const char *dir, const char **ret_what)
{
	char o[16384], p[4300];
	struct stat st;
	int fd;

#define AT(rel) (snprintf(p, sizeof(p), "%.4096s/" rel, dir), p)
	*ret_what = "make folders";
	if (mkdir(AT("lower"), 0755) || mkdir(AT("lower/d"), 0755) || mkdir(AT("upper"), 0755) ||
	    mkdir(AT("work"), 0755) || mkdir(AT("at"), 0755) ||
	    mknod(AT("lower/d/f"), S_IFREG | 0644, 0))
		return -errno;
	*ret_what = "set a user attribute";
	if (setxattr(AT("lower"), "user.overlay.try", "y", 1, 0) ||
	    removexattr(p, "user.overlay.try"))
		return -errno;
	snprintf(o, sizeof(o),
		 "lowerdir=%.4000s/lower,upperdir=%.4000s/upper,workdir=%.4000s/work,userxattr",
		 dir, dir, dir);
	*ret_what = "mount it";
	if (mount("overlay", AT("at"), "overlay", MS_NOSUID | MS_NODEV, o))
		return -errno;
	*ret_what = "delete through it";
	if (unlink(AT("at/d/f")) || lstat(AT("upper/d/f"), &st) || !S_ISCHR(st.st_mode))
		return errno ? -errno : -EIO;
	*ret_what = "write through it";
	fd = open(AT("at/d/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) || lstat(AT("upper/d/new"), &st))
		return -errno;
	*ret_what = "replace a folder in it"; /* leaves the opaque mark */
	if (unlink(AT("at/d/new")) || rmdir(AT("at/d")) || mkdir(AT("at/d"), 0755) ||
	    getxattr(AT("upper/d"), "user.overlay.opaque", p, sizeof(p)) < 1)
		return -errno;
	umount2(AT("at"), MNT_DETACH);
	return 0;
#undef AT
}

int probe_overlay_disk(struct probe_try *t)
{
	const char *what = "a mount namespace";
	int rc = own_mounts();

	if (!rc && !t->dir[0])
		return probe_found(t, PROBE_MISSING, "no folder to try it in");
	if (!rc)
		rc = use_overlay(t->dir, &what);
	return rc ? probe_found(t, PROBE_MISSING, "%s: %s", what, strerror(-rc))
		  : probe_found(t, PROBE_OK, "works in the home of the boxes");
}

int probe_overlay_memory(struct probe_try *t)
{
	const char *what = "a mount namespace";
	char dir[4200];
	int rc = own_mounts();

	snprintf(dir, sizeof(dir), "%s/memory", t->dir);
	if (!rc && (mkdir(dir, 0700) || mount("none", dir, "tmpfs", 0, "size=1m,mode=0755"))) {
		what = "a tmpfs";
		rc = -errno;
	}
	if (!rc)
		rc = use_overlay(dir, &what);
	return rc ? probe_found(t, PROBE_WEAKER, "%s: %s", what, strerror(-rc)) : PROBE_OK;
}

int probe_timens(struct probe_try *t)
{
	cleanup_close int fd = -1;

	if (unshare(CLONE_NEWTIME))
		return probe_found(t, PROBE_WEAKER, "%s", strerror(errno));
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "monotonic 7200 0\n", 17) != 17)
		return probe_found(t, PROBE_WEAKER, "set it: %s", strerror(errno));
	return PROBE_OK;
}

int probe_landlock(struct probe_try *t)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* …_VERSION */);

	if (abi < 0)
		return probe_found(t, PROBE_WEAKER, "%s", strerror(errno));
	return probe_found(t, abi < 6 ? PROBE_WEAKER : PROBE_OK, "ABI %ld%s", abi,
			   abi < 6 ? ", scopes need 6" : "");
}
