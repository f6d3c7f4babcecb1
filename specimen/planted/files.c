// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - planted actions: every way to change what is on disk
 */
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

#include "planted.h"

int open_creat(void)
{
	return ok(syscall(SYS_open, "f", O_WRONLY | O_CREAT, 0640), "open");
}

int open_excl(void)
{
	return ok(open("f", O_RDWR | O_CREAT | O_EXCL, 0600), "open");
}

int open_trunc(void)
{
	return seed() ? FAILED : ok(open("f", O_WRONLY | O_TRUNC), "open");
}

int open_append(void)
{
	int fd;

	if (seed())
		return FAILED;
	fd = open("f", O_WRONLY | O_APPEND);
	return ok(fd < 0 ? fd : write(fd, "more\n", 5), "append");
}

int creat_call(void)
{
	return ok(syscall(SYS_creat, "f", 0644), "creat");
}

int openat2_call(void)
{
	struct open_how how = { .flags = O_WRONLY | O_CREAT,
				.mode = 0644,
				.resolve = RESOLVE_BENEATH };

	return ok(syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how)), "openat2");
}

/* ---- files without a name, and names for them --------------------------------------------- */

static int nameless(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);

	if (fd >= 0 && write(fd, "nameless\n", 9) != 9)
		return -1;
	return fd;
}

/* overlayfs has files without a name since Linux 6.10 */
static int no_nameless(void)
{
	return errno == EOPNOTSUPP ? CANNOT : failed("O_TMPFILE");
}

int tmpfile_only(void)
{
	return nameless() < 0 ? no_nameless() : DONE;
}

int tmpfile_linkat(void)
{
	int fd = nameless();

	if (fd < 0)
		return no_nameless();
	if (linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH) == 0)
		return DONE;
	return errno == ENOENT ? CANNOT : failed("linkat"); /* before 6.10: for capable ones only */
}

int tmpfile_linkat_proc(void)
{
	char path[64];
	int fd = nameless();

	if (fd < 0)
		return no_nameless();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return ok(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), "linkat");
}

int memfd_call(void)
{
	return ok(memfd_create("planted-memory", 0), "memfd_create");
}

/* ---- directories, special files, links ---------------------------------------------------- */

int mkdirat_call(void)
{
	return ok(mkdirat(AT_FDCWD, "dir", 0711), "mkdirat");
}

int mkfifo_call(void)
{
	return ok(mknodat(AT_FDCWD, "fifo", S_IFIFO | 0600, 0), "mknodat");
}

int mknod_device(void)
{
	mknod("device", S_IFBLK | 0600, 0xfe00); /* must fail, and be on record */
	return DONE;
}

int mknod_whiteout(void)
{
	if (seed())
		return FAILED;
	mkdir("dir", 0755);
	mknod("dir/hole", S_IFCHR, 0); /* what overlayfs takes for "deleted" */
	return DONE;
}

int socket_file(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return ok(bind(s, (void *)&a, sizeof(a)), "bind");
}

int symlinkat_call(void)
{
	return ok(symlinkat("../elsewhere/target", AT_FDCWD, "link"), "symlinkat");
}

int linkat_call(void)
{
	return seed() ? FAILED : ok(linkat(AT_FDCWD, "f", AT_FDCWD, "second", 0), "linkat");
}

int link_then_write(void)
{
	if (seed() || link("f", "second"))
		return failed("link");
	return put("second", "after, through the other name\n");
}

/* ---- names change ------------------------------------------------------------------------- */

int rename_call(void)
{
	return seed() ? FAILED : ok(syscall(SYS_rename, "f", "g"), "rename");
}

int rename_over(void)
{
	if (seed() || put("g", "will be replaced\n"))
		return FAILED;
	return ok(rename("f", "g"), "rename");
}

int rename_exchange(void)
{
	if (seed() || put("g", "other\n"))
		return FAILED;
	return ok(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 2), "renameat2 EXCHANGE");
}

int rename_noreplace(void)
{
	return seed() ? FAILED
		      : ok(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 1), "renameat2");
}

int rename_directory(void)
{
	if (mkdir("dir", 0755) || put("dir/inside", "x\n"))
		return failed("dir");
	return ok(rename("dir", "dir2"), "rename");
}

int moved_and_back(void)
{
	if (seed())
		return FAILED;
	return ok(rename("f", "away") ?: rename("away", "f"), "rename");
}

int created_and_deleted(void)
{
	return seed() ? FAILED : ok(syscall(SYS_unlink, "f"), "unlink");
}

int unlinkat_call(void)
{
	return seed() ? FAILED : ok(unlinkat(AT_FDCWD, "f", 0), "unlinkat");
}

int rmdir_call(void)
{
	return mkdir("dir", 0755) ? failed("dir") : ok(syscall(SYS_rmdir, "dir"), "rmdir");
}

int unlinkat_dir(void)
{
	return mkdir("dir", 0755) ? failed("dir")
				  : ok(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR), "x");
}

/* ---- contents ----------------------------------------------------------------------------- */

int truncate_call(void)
{
	return seed() ? FAILED : ok(truncate("f", 3), "truncate");
}

int ftruncate_call(void)
{
	return ok(ftruncate(rw(), 12345), "ftruncate");
}

int fallocate_call(void)
{
	return ok(fallocate(rw(), 0, 0, 54321), "fallocate");
}

int copy_range(void)
{
	int in, out = rw();

	if (put("source", "copied in the kernel\n"))
		return FAILED;
	in = open("source", O_RDONLY);
	return ok(copy_file_range(in, NULL, out, NULL, 21, 0), "copy_file_range");
}

int sendfile_call(void)
{
	int in, out = rw();

	if (put("source", "sent in the kernel\n"))
		return FAILED;
	in = open("source", O_RDONLY);
	return ok(sendfile(out, in, NULL, 19), "sendfile");
}

int splice_call(void)
{
	int p[2], out = rw();

	if (pipe(p) || write(p[1], "through a pipe\n", 15) != 15)
		return failed("pipe");
	return ok(splice(p[0], NULL, out, NULL, 15, 0), "splice");
}

int mmap_write(void)
{
	char *m;
	int fd = rw();

	if (ftruncate(fd, 4096))
		return failed("ftruncate");
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (m == MAP_FAILED)
		return failed("mmap");
	memcpy(m, "no write call at all", 20);
	return ok(munmap(m, 4096), "munmap");
}

int pwritev2_call(void)
{
	struct iovec v = { (char *)"vectored\n", 9 };

	return ok(pwritev2(rw(), &v, 1, 0, 0), "pwritev2");
}

/* ---- metadata ----------------------------------------------------------------------------- */

int chmod_call(void)
{
	return seed() ? FAILED : ok(syscall(SYS_chmod, "f", 0711), "chmod");
}

int fchmod_call(void)
{
	return ok(syscall(SYS_fchmod, rw(), 0700), "fchmod");
}

int fchmodat2_call(void)
{
	return seed() ? FAILED : ok(syscall(452, AT_FDCWD, "f", 0777, 0), "fchmodat2");
}

int setuid_bit(void)
{
	return seed() ? FAILED : ok(chmod("f", 04755), "chmod 4755");
}

int chown_call(void)
{
	if (seed())
		return FAILED;
	(void)!syscall(SYS_chown, "f", 33, 33); /* without capabilities it may be refused */
	return DONE;
}

int fchownat_call(void)
{
	if (seed())
		return FAILED;
	(void)!fchownat(AT_FDCWD, "f", 7, 9, AT_SYMLINK_NOFOLLOW);
	return DONE;
}

/* ---- times -------------------------------------------------------------------------------- */

static const struct timespec planted_times[2] = { { PLANTED_SECOND, 0 }, { PLANTED_SECOND, 0 } };

int utimensat_call(void)
{
	return seed() ? FAILED : ok(utimensat(AT_FDCWD, "f", planted_times, 0), "utimensat");
}

int utimes_call(void)
{
	struct timeval tv[2] = { { PLANTED_SECOND, 0 }, { PLANTED_SECOND, 0 } };
	struct utimbuf old = { PLANTED_SECOND, PLANTED_SECOND };

	if (seed() || syscall(SYS_utimes, "f", tv) || syscall(SYS_utime, "f", &old))
		return failed("utimes");
	return ok(syscall(SYS_futimesat, AT_FDCWD, "f", tv), "futimesat");
}

int futimens_call(void)
{
	return ok(futimens(rw(), planted_times), "futimens");
}

int times_now(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };

	if (seed() || utimensat(AT_FDCWD, "f", NULL, 0))
		return failed("utimensat to now");
	return ok(utimensat(AT_FDCWD, "f", now, 0), "utimensat to UTIME_NOW");
}

int base_time_kept(void)
{
	struct timespec t[2] = { 0 };
	struct stat st;
	int fd = open("/etc/issue", O_RDWR);
	char c;

	if (fd < 0)
		return errno == ENOENT ? CANNOT : failed("/etc/issue");
	if (fstat(fd, &st) || pread(fd, &c, 1, 0) != 1)
		return failed("/etc/issue");
	c ^= 1;
	t[0] = st.st_atim;
	t[1] = st.st_mtim;
	return ok(pwrite(fd, &c, 1, 0) == 1 ? futimens(fd, t) : -1, "/etc/issue");
}

int fchown_to_root(void)
{
	int fd = rw();

	(void)!fchown(fd, 33, 33);
	return ok(fchown(fd, 0, 0), "fchown to root");
}

/* ---- extended attributes ------------------------------------------------------------------ */

int setxattr_call(void)
{
	return seed() ? FAILED : ok(setxattr("f", "user.planted", "value", 5, 0), "setxattr");
}

int fsetxattr_call(void)
{
	return ok(fsetxattr(rw(), "user.planted", "v", 1, 0), "fsetxattr");
}

int removexattr_call(void)
{
	return setxattr_call() ? FAILED : ok(removexattr("f", "user.planted"), "removexattr");
}

/* chattr(1). Not every file system has flags; that somebody wanted to set them counts. */
static int set_flags(int flags)
{
	int fd = seed() ? -1 : open("f", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed("f");
	(void)!ioctl(fd, FS_IOC_SETFLAGS, &flags);
	return DONE;
}

int chattr_call(void)
{
	return set_flags(FS_NODUMP_FL);
}

int chattr_immutable(void)
{
	return set_flags(FS_IMMUTABLE_FL);
}

int file_setattr_call(void)
{
	uint64_t attr[3] = { FS_XFLAG_NODUMP };

	if (seed())
		return FAILED;
	(void)!syscall(469 /* Linux 6.17 */, AT_FDCWD, "f", attr, sizeof(attr), 0);
	return DONE;
}

int xattr_overlay(void)
{
	if (mkdir("dir", 0755))
		return failed("dir");
	/* names that overlayfs reads; whether it takes them is its affair */
	setxattr("dir", "user.overlay.opaque", "y", 1, 0);
	setxattr("dir", "trusted.overlay.opaque", "y", 1, 0);
	return DONE;
}
