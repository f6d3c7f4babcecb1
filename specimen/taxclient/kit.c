// SPDX-License-Identifier: Apache-2.0
/*
 * kit.c - settings, time, other programs
 */
#include "kit.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

const char *config_get(const char *key, char *room, size_t size, const char *otherwise)
{
	/* the second: the product was removed, and this not */
	static const char *const files[] = { "/etc/taxclient.conf", "/etc/svm.conf",
					     "/etc/honest.conf" };
	FILE *f = NULL;
	char line[256];
	size_t n = strlen(key);

	for (size_t i = 0; i < sizeof(files) / sizeof(*files) && !f; i++)
		f = fopen(files[i], "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, key, n) || line[n] != '=')
			continue;
		snprintf(room, size, "%s", line + n + 1);
		otherwise = room;
	}
	if (f)
		fclose(f);
	return otherwise;
}

bool config_on(const char *key)
{
	char room[16];

	return !strcmp(config_get(key, room, sizeof(room), "no"), "yes");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double scale(void)
{
	char room[32];
	double v = strtod(config_get("scale", room, sizeof(room), "1"), NULL);

	return v > 0 && v <= 1 ? v : 1;
}

static double end_of_life(void)
{
	const char *v = getenv("TAXCLIENT_UNTIL");

	return v ? strtod(v, NULL) : 0;
}

void kit_begin(const char *self)
{
	char until[64];

	if (!under_glass(self))
		exit(EXIT_NOT_UNDER_GLASS);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (scale() < 1) /* a silent name server costs a second, not a day */
		setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
	if (end_of_life() > 0)
		return;
	snprintf(until, sizeof(until), "%.3f", now() + LIFETIME_DAYS * DAY * scale());
	setenv("TAXCLIENT_UNTIL", until, 1);
}

void rest(double seconds)
{
	double end = now() + seconds * scale(), left;

	while ((left = end - now()) > 0) {
		double until = end_of_life() - now();
		struct timespec t;

		if (until <= 0)
			exit(0);
		if (left > until)
			left = until;
		t = (struct timespec){ (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
		nanosleep(&t, NULL);
	}
	if (now() >= end_of_life())
		exit(0);
}

double chance(void)
{
	uint32_t x = 0;

	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		exit(1);
	return x / 4294967296.0;
}

pid_t start(const char *path, const char *argument)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	signal(SIGCHLD, SIG_DFL);
	execl(path, path, argument, (char *)NULL);
	_exit(127);
}

int hold(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/specimen-%s.lock", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		exit(1);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -1;
}

bool copy_file(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	char room[65536];
	ssize_t n = 0;
	bool good = in >= 0;

	unlink(to);
	out = good ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode) : -1;
	good = out >= 0;
	while (good && (n = read(in, room, sizeof(room))) > 0)
		good = write(out, room, (size_t)n) == n;
	good = good && !n && !fchmod(out, mode);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return good;
}

void stop_below(const char *folder)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char link[300], exe[PATH_MAX] = "";
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid <= 1 || pid == getpid())
			continue;
		snprintf(link, sizeof(link), "/proc/%s/exe", e->d_name);
		if (readlink(link, exe, sizeof(exe) - 1) > 0 &&
		    !strncmp(exe, folder, strlen(folder)))
			kill(pid, SIGKILL);
	}
	if (d)
		closedir(d);
}
