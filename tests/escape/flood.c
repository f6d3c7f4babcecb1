// SPDX-License-Identifier: Apache-2.0
/*
 * flood.c - many processes and threads that all do countable things at once
 *
 *   flood FORKS THREADS FILES CONNECTS
 *
 * Each of FORKS children starts THREADS threads; each thread makes FILES files, connects CONNECTS
 * times for each of them to an address of the documentation's net, and removes every other file.
 * Then it says how many of each it has done, by its own count of calls that went as they should.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../specimen/marker.h"

#define THREADS_MAX 64

static int threads, files, connects;
static struct tally {
	atomic_long made, connected, removed;
} * tally; /* shared by all processes */

static void touch_and_call(const char *name, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	inet_pton(AF_INET, "192.0.2.77", &a.sin_addr);
	if (fd >= 0)
		tally->made++;
	close(fd);
	for (int i = 0; i < connects; i++) {
		int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		(void)!connect(s, (void *)&a, sizeof(a));
		tally->connected += s >= 0;
		close(s);
	}
}

static void *one_thread(void *arg)
{
	int nr = (int)(intptr_t)arg;
	char name[64];

	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "f-%d-%d-%d", (int)getpid(), nr, i);
		touch_and_call(name, 1 + i % 60000);
		if (i % 2 && !unlink(name))
			tally->removed++;
	}
	return NULL;
}

static int child(void)
{
	pthread_t th[THREADS_MAX];

	for (int i = 0; i < threads; i++)
		if (pthread_create(&th[i], NULL, one_thread, (void *)(intptr_t)i))
			return 1;
	for (int i = 0; i < threads; i++)
		pthread_join(th[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	int forks = argc > 4 ? atoi(argv[1]) : 0, bad = 0, status;

	if (!under_glass("flood"))
		return EXIT_NOT_UNDER_GLASS;
	threads = argc > 4 ? atoi(argv[2]) : 0;
	files = argc > 4 ? atoi(argv[3]) : 0;
	connects = argc > 4 ? atoi(argv[4]) : 0;
	if (forks < 1 || threads < 1 || threads > THREADS_MAX)
		return fprintf(stderr, "usage: flood FORKS THREADS FILES CONNECTS\n"), 2;
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return 1;
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(child());
		bad += pid < 0;
	}
	while (wait(&status) > 0)
		bad += status != 0;
	printf("%ld made, %ld connected, %ld removed, %d bad\n", tally->made, tally->connected,
	       tally->removed, bad);
	return bad != 0;
}
