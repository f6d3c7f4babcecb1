// SPDX-License-Identifier: Apache-2.0
/*
 * bombs.c - programs that take all they can get: they must stop at the box's limits
 *
 *   bombs forks | ids | threads | memory | shared | watchers | disk | file | inodes
 *                        take until refused, say how much
 *   bombs stay MARK      a daemon that wants to outlive the box
 *   bombs deaf           ignores every signal, for ever
 *
 * Works only under glass. Each has a ceiling of its own far above the limits of the tests, so that
 * a missing limit is a failed test and not a broken machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../specimen/marker.h"

#define FORKS_MAX  3000
#define IDS_MAX	   400
#define MEMORY_MAX (3ull << 30)
#define DISK_MAX   (1ull << 30)
#define INODES_MAX 100000

static int forks(void)
{
	int n = 0;
	pid_t pid;

	while (n < FORKS_MAX && (pid = fork()) >= 0) {
		if (!pid) {
			pause();
			_exit(0);
		}
		n++;
	}
	printf("forks %d %s\n", n, n < FORKS_MAX ? strerror(errno) : "NO LIMIT");
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return n < FORKS_MAX ? 0 : 1;
}

/* Each child becomes somebody else: what is counted by user counts one of each. */
static int ids(void)
{
	int n = 0, gone = 0;
	pid_t pid;

	while (n < IDS_MAX && (pid = fork()) >= 0) {
		if (!pid) {
			if (setuid((uid_t)n + 1))
				_exit(1);
			pause();
			_exit(0);
		}
		n++;
	}
	sleep(1); /* those that are ended as they are born are gone by then */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		gone++;
	printf("ids %d\n", n - gone + 1);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

static void *idle(void *arg)
{
	pause();
	return arg;
}

static int threads(void)
{
	pthread_attr_t a;
	pthread_t t;
	int n = 0;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	while (n < FORKS_MAX && pthread_create(&t, &a, idle, NULL) == 0)
		n++;
	printf("threads %d\n", n);
	return n < FORKS_MAX ? 0 : 1;
}

static int memory(void)
{
	size_t chunk = 4 << 20;

	for (unsigned long long n = 0; n < MEMORY_MAX; n += chunk) {
		char *p = mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED) {
			printf("memory %llu %s\n", n, strerror(errno));
			return 0;
		}
		memset(p, 1, chunk);
	}
	printf("memory NO LIMIT\n");
	return 1;
}

/* Memory that no process has to itself: of a memory file that is closed at once, or of none. */
static int shared(void)
{
	size_t chunk = 4 << 20;

	for (unsigned long long n = 0; n < MEMORY_MAX; n += chunk) {
		int fd = n & chunk ? memfd_create("bomb", MFD_CLOEXEC) : -1;
		char *p;

		if (fd >= 0 && ftruncate(fd, (off_t)chunk))
			break;
		p = mmap(NULL, chunk, PROT_READ | PROT_WRITE,
			 fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
		if (fd >= 0)
			close(fd);
		if (p == MAP_FAILED) {
			printf("shared %llu %s\n", n, strerror(errno));
			return 0;
		}
		memset(p, 1, chunk);
		usleep(10000); /* where somebody looks from time to time */
	}
	printf("shared NO LIMIT\n");
	return 1;
}

/* What the kernel counts by user, for all of their programs together. */
static int watchers(void)
{
	int n = 0;

	while (n < FORKS_MAX && inotify_init1(IN_CLOEXEC) >= 0)
		n++;
	printf("watchers %d %s\n", n, strerror(errno));
	return n < FORKS_MAX ? 0 : 1;
}

/* Many files, so that no limit on a single file's size is enough. */
static int disk(void)
{
	static char block[1 << 20];
	unsigned long long n = 0;
	char name[64];
	int fd = -1;

	signal(SIGXFSZ, SIG_IGN);
	memset(block, 'x', sizeof(block));
	while (n < DISK_MAX) {
		ssize_t k;

		if (n % (4 << 20) == 0) {
			close(fd);
			snprintf(name, sizeof(name), "full-%llu", n);
			fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		}
		k = write(fd, block, sizeof(block));
		if (k <= 0)
			break;
		n += (unsigned long long)k;
	}
	printf("disk %llu %s\n", n, n < DISK_MAX ? strerror(errno) : "NO LIMIT");
	return n < DISK_MAX ? 0 : 1;
}

/* One file that grows and grows. */
static int file(void)
{
	int fd = open("grows", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	for (unsigned long long n = 0; n < DISK_MAX; n += 1 << 20)
		if (posix_fallocate(fd, (off_t)n, 1 << 20))
			return 0;
	printf("file NO LIMIT\n");
	return 1;
}

static int inodes(void)
{
	char name[64];
	int n, fd;

	mkdir("many", 0755);
	for (n = 0; n < INODES_MAX; n++) {
		snprintf(name, sizeof(name), "many/%d", n);
		fd = open(name, O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			break;
		close(fd);
	}
	printf("inodes %d %s\n", n, n < INODES_MAX ? strerror(errno) : "NO LIMIT");
	return n < INODES_MAX ? 0 : 1;
}

static void deaf(void)
{
	for (int s = 1; s < 65; s++)
		signal(s, SIG_IGN);
	for (;;)
		sleep(1000);
}

/* Its mark is in its arguments, by which the suite finds it from outside. */
static int stay(void)
{
	if (fork())
		return 0;
	setsid();
	if (fork())
		_exit(0);
	deaf();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} bombs[] = { { "forks", forks },   { "ids", ids },	  { "threads", threads },
		      { "memory", memory }, { "shared", shared }, { "watchers", watchers },
		      { "disk", disk },	    { "file", file },	  { "inodes", inodes },
		      { "stay", stay } };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !under_glass("bombs"))
		return EXIT_NOT_UNDER_GLASS;
	if (!strcmp(argv[1], "deaf"))
		deaf();
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
		if (!strcmp(argv[1], bombs[i].name))
			return bombs[i].fn();
	return 2;
}
