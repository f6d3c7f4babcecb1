// SPDX-License-Identifier: Apache-2.0
/*
 * dates.c - inert: are times of files by the same clock as the program's own?
 *
 * dates            makes files, waits two hours, makes others, waits, asks for their times in each
 *                  way that Linux has: "NAME ok", or what it got and what it should be
 * dates show FILE… "FILE minutes", for each, since it was changed
 * dates set FILE SECONDS [ago]   gives it a date, or one before now
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT 7200

static void tell(const char *name, int64_t got, int64_t should)
{
	/* on a busy machine it takes its time to ask */
	if (got >= should - 1 && got <= should + 60)
		printf("%s ok\n", name);
	else
		printf("%s %lld, not %lld\n", name, (long long)got, (long long)should);
}

static int64_t age(const struct stat *st)
{
	/* all three were set by what made the file */
	if (st->st_mtim.tv_sec - st->st_ctim.tv_sec > 1 ||
	    st->st_mtim.tv_sec < st->st_atim.tv_sec - 1)
		return -1;
	return time(NULL) - st->st_mtim.tv_sec;
}

static int64_t age_x(const struct statx *st)
{
	if ((st->stx_mask & STATX_BTIME) && st->stx_btime.tv_sec > st->stx_mtime.tv_sec + 1)
		return -1;
	if (st->stx_ctime.tv_sec > st->stx_mtime.tv_sec + 1)
		return -1;
	return time(NULL) - st->stx_mtime.tv_sec;
}

/* By the gate that programs of 32 bits have, in code of either width: stat64 or lstat64. */
static int64_t gate_age(long nr, const char *file)
{
	static uint8_t *low;
	uint32_t mtime;
	long rc;

	if (!low)
		low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | 0x40 /* MAP_32BIT */, -1, 0);
	strcpy((char *)low + 512, file);
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(nr), "b"(low + 512), "c"(low) : "memory");
	memcpy(&mtime, low + 72, sizeof(mtime));
	return rc ? -1 : time(NULL) - mtime;
}

static void look_in_all_ways(const char *file, const char *link, int64_t should)
{
	int fd = open(file, O_RDONLY), path = open(file, O_PATH), dir = open(".", O_RDONLY);
	struct statx x;
	struct stat st;

	stat(file, &st);
	tell("stat", age(&st), should);
	lstat(file, &st);
	tell("lstat", age(&st), should);
	lstat(link, &st);
	tell("lstat of a link", age(&st), should);
	fstat(fd, &st);
	tell("fstat", age(&st), should);
	fstat(path, &st);
	tell("fstat of a path", age(&st), should);
	fstatat(dir, file, &st, 0);
	tell("fstatat", age(&st), should);
	fstatat(fd, "", &st, AT_EMPTY_PATH);
	tell("fstatat of a descriptor", age(&st), should);
	fstatat(dir, link, &st, AT_SYMLINK_NOFOLLOW);
	tell("fstatat of a link", age(&st), should);
	statx(AT_FDCWD, file, 0, STATX_ALL, &x);
	tell("statx", age_x(&x), should);
	statx(fd, "", AT_EMPTY_PATH, STATX_MTIME, &x);
	tell("statx of a descriptor", time(NULL) - x.stx_mtime.tv_sec, should);
	tell("stat, by the gate of 32 bits", gate_age(195, file), should);
	tell("lstat, by the gate of 32 bits", gate_age(196, link), should);
#ifdef __x86_64__
	syscall(SYS_stat, file, &st);
	tell("stat, raw", age(&st), should);
	syscall(SYS_lstat, file, &st);
	tell("lstat, raw", age(&st), should);
	syscall(SYS_fstat, fd, &st);
	tell("fstat, raw", age(&st), should);
	syscall(SYS_newfstatat, AT_FDCWD, file, &st, 0);
	tell("newfstatat, raw", age(&st), should);
#endif
	close(fd);
	close(path);
	close(dir);
}

static void make(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (write(fd, "x", 1) != 1)
		exit(1);
	close(fd);
}

static int64_t age_of(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : time(NULL) - st.st_mtim.tv_sec;
}

static void set(const char *name, int64_t sec)
{
	struct timespec t[2] = { { sec, 0 }, { sec, 0 } };

	utimensat(AT_FDCWD, name, t, 0);
}

static void all(void)
{
	struct stat st;
	int p[2], s[2], memory, held;
	char b;

	make("early");
	symlink("early", "early-link");
	sleep(WAIT);
	make("late");
	symlink("late", "late-link");
	look_in_all_ways("late", "late-link", 0);
	look_in_all_ways("early", "early-link", WAIT);
	/* what has no name */
	if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		exit(1);
	memory = memfd_create("x", 0);
	fstat(p[0], &st);
	tell("a pipe", time(NULL) - st.st_ctim.tv_sec, 0);
	fstat(s[0], &st); /* sockets have no times: 0, or when they were made */
	tell("a socket", st.st_mtim.tv_sec ? time(NULL) - st.st_mtim.tv_sec : 0, 0);
	fstat(memory, &st);
	tell("memory", time(NULL) - st.st_mtim.tv_sec, 0);
	/* written by a descriptor that was open before */
	held = open("early", O_WRONLY | O_APPEND);
	sleep(WAIT);
	tell("late, later", age_of("late"), WAIT);
	if (write(held, "y", 1) != 1)
		exit(1);
	tell("written again", age_of("early"), 0);
	/* what a call sets stays as it is */
	set("late", time(NULL));
	tell("set to now", age_of("late"), 0);
	set("late", time(NULL) - 12345);
	tell("set to another time", age_of("late"), 12345);
	set("late", 981173106);
	tell("set to long ago", time(NULL) - age_of("late"), 981173106);
	utimensat(AT_FDCWD, "late", NULL, 0);
	tell("set to the kernel's now", age_of("late"), 0);
	sleep(WAIT);
	set("early", time(NULL));
	sleep(WAIT);
	tell("set to now, later", age_of("early"), WAIT);
	/* reading */
	held = open("early", O_RDONLY);
	if (read(held, &b, 1) == 1 && !fstat(held, &st))
		tell("read", st.st_atim.tv_sec > time(NULL) + 1, 0);
	/* one that is not there, and one that is not to be read into */
	tell("none", stat("none", &st) == -1 && errno == ENOENT, 1);
	tell("no room",
	     syscall(SYS_statx, AT_FDCWD, "late", 0, STATX_ALL, 8) == -1 && errno == EFAULT, 1);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		all();
	if (argc > 3 && !strcmp(argv[1], "set")) {
		int64_t sec = atoll(argv[3]);

		set(argv[2], argc > 4 ? time(NULL) - sec : sec);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		printf("%s %lld\n", argv[i], (long long)age_of(argv[i]) / 60);
	return 0;
}
