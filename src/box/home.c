// SPDX-License-Identifier: Apache-2.0
/*
 * home.c - the folder that holds all boxes of a user
 *
 *	boxes/NAME/   named boxes
 *	anon/ID/      boxes without a name; what no run holds is removed at the next start
 *	base/KEY/     the host as boxes see it, made once (base.c)
 *	tmp/ID/       what is being made or removed; swept like anon/
 *	lock          held for the instant in which an entry of anon/ or tmp/ gets its own lock
 *	cgroups       is there if the broker has made a cgroup since all were seen to be gone:
 *	              only then a start pays for looking for those of killed runs
 *
 * Invariant: an entry of anon/ or tmp/ whose lock nobody holds belongs to nobody.
 *
 * Started by root, this process gives root up for good before it looks at anything that a box
 * could have made.
 */
#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box/internal.h"

#define CGROUPS_MARK   "cgroups"
#define LEFT_BEHIND_MS 10000 /* how long helpers whose owner is gone are waited for */
#define LEFT_LOOK_MS   20

static const char *const folders[] = { "boxes", "anon", "base", "tmp" };

void random_hex(char *out, size_t digits)
{
	uint8_t bytes[64];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort(); /* cannot happen for up to 256 bytes once the pool is up (getrandom(2)) */
	for (size_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[bytes[i % sizeof(bytes)] & 15];
	out[digits] = 0;
}

int lock_file(int dirfd, const char *name, bool wait, bool exclusive)
{
	struct flock fl = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &fl)) {
		int rc = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;

		if (errno == EINTR)
			continue;
		close(fd);
		return rc;
	}
	return fd;
}

/* The process that a lock file names is gone. Where it names none, nobody knows. */
static bool owner_gone(int dirfd)
{
	cleanup_close int fd = openat(dirfd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[16] = "";
	long pid;

	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) && errno == ESRCH;
}

int lock_box(int dirfd)
{
	int fd = lock_file(dirfd, "lock", false, true);

	for (int ms = 0; fd == -EBUSY && ms < LEFT_BEHIND_MS && owner_gone(dirfd);
	     ms += LEFT_LOOK_MS) {
		nanosleep(&(struct timespec){ .tv_nsec = LEFT_LOOK_MS * 1000000L }, NULL);
		fd = lock_file(dirfd, "lock", false, true);
	}
	/* of fixed length, so none of an earlier one is left; unwritten it is only not waited for
	 */
	if (fd >= 0 && dprintf(fd, "%10d\n", (int)getpid()) < 0)
		(void)ftruncate(fd, 0);
	return fd;
}

static int home_path(bool by_root, char ret[4096], struct err *err)
{
	const char *own = getenv("BELLJAR_HOME"), *xdg = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	cleanup_free char *name = NULL, *folder = NULL;
	int n;

	if (own && *own) {
		if (own[0] != '/')
			return err_say(err, EXIT_USAGE, EINVAL,
				       "box: BELLJAR_HOME is no absolute path '%s'", own);
		n = snprintf(ret, 4096, "%s", own);
	} else if (by_root) {
		n = snprintf(ret, 4096, "/var/lib/belljar");
	} else if (xdg && xdg[0] == '/') {
		n = snprintf(ret, 4096, "%s/belljar", xdg);
	} else {
		if ((!home || home[0] != '/') && account_of(geteuid(), &name, &folder))
			home = folder;
		if (!home || home[0] != '/')
			return err_set_exit(err, EXIT_USAGE, 0,
					    "box: no home directory is known, set BELLJAR_HOME");
		n = snprintf(ret, 4096, "%s/.local/share/belljar", home);
	}
	/* names below are short; an overlay's options must fit a page */
	if (n >= 1024)
		return err_set_exit(err, EXIT_USAGE, ENAMETOOLONG, "box: the home of the boxes");
	return 0;
}

/* What this process's root is outside: BOX_ROOT_UID exists there, or root here is an ordinary
 * user of an outer namespace already and needs no drop. */
static int root_kind(bool *ret_by_root, struct err *err)
{
	cleanup_free char *map = NULL;
	unsigned long in, out, n;
	int rc, used;

	*ret_by_root = false;
	rc = read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL);
	if (rc)
		return err_set_exit(err, EXIT_NO_WALL, rc, "box: read '/proc/self/uid_map'");
	for (const char *p = map; sscanf(p, "%lu %lu %lu%n", &in, &out, &n, &used) == 3;
	     p += used) {
		if (BOX_ROOT_UID >= in && BOX_ROOT_UID + BOX_RANGE <= in + n) {
			*ret_by_root = true;
			return 0;
		}
		if (in == 0 && out == 0)
			*ret_by_root = true; /* real root, but with few ids */
	}
	if (*ret_by_root)
		return err_set_exit(
			err, EXIT_NO_WALL, 0,
			"box: root of this container has no user ids from %u on to drop to; "
			"start belljar as an ordinary user",
			BOX_ROOT_UID);
	return 0;
}

/* Root makes the folder and gives it away, but never takes a folder that was somebody's. */
static int make_for_root(const char *path, struct err *err)
{
	cleanup_close int fd = -1;
	struct stat st;
	int rc;

	rc = mkdir_p(path, 0755);
	if (rc)
		return err_set_exit(err, EXIT_UNREADABLE, rc, "box: make the home '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st))
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: open the home '%s'", path);
	if (st.st_uid == BOX_ROOT_UID)
		return 0;
	if (st.st_uid == 0 && st.st_nlink == 2) {
		DIR *d = fdopendir(dup(fd));
		int n = 0;

		while (d && readdir(d))
			n++;
		if (d)
			closedir(d);
		if (n == 2 && !fchown(fd, BOX_ROOT_UID, BOX_ROOT_UID) && !fchmod(fd, 0700))
			return 0;
	}
	return err_set_exit(err, EXIT_UNREADABLE, EPERM,
			    "box: '%s' is not empty and not a home that root's belljar made", path);
}

/* The kernel forgets, with the change of user, which signal the death of our parent is to be. */
static int keep_parent(pid_t parent, int signo, struct err *err)
{
	if (!signo)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, signo) || getppid() != parent)
		return err_set(err, ESRCH, "box: the program that started this one is gone");
	return 0;
}

static int drop_root(struct err *err)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	uid_t r, e, s;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (setgroups(0, NULL) || setresgid(BOX_ROOT_UID, BOX_ROOT_UID, BOX_ROOT_UID) ||
	    setresuid(BOX_ROOT_UID, BOX_ROOT_UID, BOX_ROOT_UID) || syscall(SYS_capset, &h, none))
		return err_set_exit(err, EXIT_NO_WALL, errno, "box: give root up");
	/* a look at the world, not at the return values */
	if (getresuid(&r, &e, &s) || r != BOX_ROOT_UID || e != BOX_ROOT_UID || s != BOX_ROOT_UID ||
	    !setuid(0))
		return err_set_exit(err, EXIT_NO_WALL, EPERM, "box: give root up");
	/* the kernel took our own /proc files from us at the change of user; id maps are there */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return err_set(err, errno, "box: reach our own /proc files");
	return 0;
}

static int make_folders(struct box_home *h, struct err *err)
{
	/* made in order: when the last is there, all are */
	if (!faccessat(h->fd, folders[ARRAY_SIZE(folders) - 1], F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (!mkdirat(h->fd, folders[i], 0700) || errno == EEXIST)
			continue;
		if (errno == ENOSPC || errno == EDQUOT)
			return err_set(err, errno, "box: make '%s/%s'", h->path, folders[i]);
		return err_set_exit(err, EXIT_UNREADABLE, errno, "box: make '%s/%s'", h->path,
				    folders[i]);
	}
	return 0;
}

int home_note_cgroups(struct box_home *home)
{
	int guard = lock_file(home->fd, "lock", true, true), fd;

	if (guard < 0)
		return guard;
	fd = openat(home->fd, CGROUPS_MARK, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fd = -errno;
		close(guard);
		return fd;
	}
	close(fd);
	return guard;
}

static void sweep_cgroups(struct box_home *h)
{
	cleanup_close int guard = -1;

	if (h->broker < 0 || faccessat(h->fd, CGROUPS_MARK, F_OK, AT_SYMLINK_NOFOLLOW))
		return;
	guard = lock_file(h->fd, "lock", true, true);
	if (guard >= 0 && !broker_cgroup_sweep(h))
		unlinkat(h->fd, CGROUPS_MARK, 0);
}

int box_home_open(struct box_home *ret_home, struct err *err)
{
	struct box_home h = { .fd = -1, .broker = -1 };
	struct stat st;
	int rc = 0;

	if (geteuid() == 0)
		rc = root_kind(&h.by_root, err);
	if (!rc)
		rc = home_path(h.by_root, h.path, err);
	if (rc)
		return rc;
	if (h.by_root) {
		pid_t parent = getppid();
		int signo = 0;

		prctl(PR_GET_PDEATHSIG, &signo);
		rc = make_for_root(h.path, err);
		if (!rc)
			rc = broker_start(&h.broker, err);
		if (!rc)
			rc = drop_root(err);
		if (!rc)
			rc = keep_parent(parent, signo, err);
	} else {
		h.fd = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = h.fd < 0 ? mkdir_p(h.path, 0700) : 0;
		if (rc && (rc == -ENOSPC || rc == -EDQUOT))
			rc = err_set(err, rc, "box: make the home '%s'", h.path);
		else if (rc)
			rc = err_set_exit(err, EXIT_UNREADABLE, rc, "box: make the home '%s'",
					  h.path);
	}
	if (rc)
		goto fail;
	h.uid = geteuid();
	h.gid = getegid();
	if (h.fd < 0)
		h.fd = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h.fd < 0 || fstat(h.fd, &st)) {
		rc = err_set_exit(err, EXIT_UNREADABLE, errno, "box: open the home '%s'", h.path);
		goto fail;
	}
	if (st.st_uid != h.uid) {
		rc = err_set_exit(err, EXIT_UNREADABLE, EPERM,
				  "box: the home '%s' belongs to another user", h.path);
		goto fail;
	}
	rc = make_folders(&h, err);
	if (rc)
		goto fail;
	home_sweep(&h);
	sweep_cgroups(&h);
	*ret_home = h;
	return 0;
fail:
	box_home_close(&h);
	return rc;
}

void box_home_close(struct box_home *home)
{
	if (!home)
		return;
	if (home->fd >= 0)
		close(home->fd);
	if (home->broker >= 0)
		close(home->broker);
	if (home->ending > 0)
		waitpid(home->ending, NULL, WNOHANG | __WALL);
	home->ending = 0;
	home->fd = home->broker = -1;
}
