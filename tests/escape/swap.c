// SPDX-License-Identifier: Apache-2.0
/*
 * swap.c - paths that are other ones by the time the kernel reads them; folders below PATH_MAX
 *
 *   swap open | mkdir | symlink N    make N things; threads flip one letter of the path between
 *                                    'a' and 'b' all the time. Names are "a-0001" and "b-0001" …
 *   swap deep DEPTH                  DEPTH folders in each other with names of 200 bytes, a file
 *                                    in the last one
 *
 * Works only under glass, in the working directory. Says how many calls went well.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../specimen/marker.h"

#define FLIPPERS 3 /* so that one of them runs while a call is held */

static volatile char path[16];
static atomic_bool over;

static void *flip(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&over, memory_order_relaxed))
		path[0] ^= 'a' ^ 'b';
	return NULL;
}

static int make(const char *how, const char *name)
{
	int fd;

	if (!strcmp(how, "mkdir"))
		return mkdir(name, 0755);
	if (!strcmp(how, "symlink"))
		return symlink("nowhere", name);
	fd = open(name, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int swaps(const char *how, int n)
{
	int well = 0;
	pthread_t t[FLIPPERS];

	strcpy((char *)path, "a-0000");
	for (int i = 0; i < FLIPPERS; i++)
		if (pthread_create(&t[i], NULL, flip, NULL))
			return 1;
	for (int i = 0; i < n; i++) {
		for (int k = 0, v = i; k < 4; k++, v /= 10)
			path[5 - k] = (char)('0' + v % 10);
		well += !make(how, (const char *)path);
	}
	atomic_store(&over, true);
	for (int i = 0; i < FLIPPERS; i++)
		pthread_join(t[i], NULL);
	printf("%s %d of %d\n", how, well, n);
	return well == n ? 0 : 1;
}

static int deep(int depth)
{
	char name[201];
	int well = 0, fd;

	memset(name, 'd', 200);
	name[200] = 0;
	for (; well < depth; well++)
		if (mkdirat(AT_FDCWD, name, 0755) || chdir(name))
			break;
	fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	printf("deep %d of %d%s\n", well, depth, fd < 0 ? ", no file" : "");
	return well == depth && fd >= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (!under_glass("swap"))
		return EXIT_NOT_UNDER_GLASS;
	if (n < 1 || n > 9999)
		return 2;
	return strcmp(argv[1], "deep") ? swaps(argv[1], n) : deep(n);
}
