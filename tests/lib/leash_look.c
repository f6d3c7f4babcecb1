// SPDX-License-Identifier: Apache-2.0
/*
 * leash_look.c - what the processes of a test that does not end wait for
 *
 * A process is a line, and each task of it another: its state; the seconds of a processor that it
 * has used, so that a task that turns is told from one that stands; the call that it is in, by
 * number, with what the call's descriptor is; and where in the kernel. What may not be read stays
 * away: the stack needs root, the call the right to trace. Locks of files come last.
 */
#include "leash.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESSES_MAX 100
#define TASKS_MAX     16 /* of one process */
#define FRAMES_MAX    6

/* Bytes of a file of /proc, ended by a 0; "" when it cannot be read. */
static size_t slurp(const char *path, char *text, size_t size)
{
	size_t have = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	if (fd >= 0)
		close(fd);
	text[have] = 0;
	return have;
}

void command_line(pid_t pid, char *text, size_t size)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = slurp(path, text, size);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~')
			text[i] = ' ';
	if (!n)
		snprintf(text, size, "(no arguments)");
}

static void tell_times(const char *task, FILE *out)
{
	char path[112], text[1024], *end;
	unsigned long user, kernel;
	double hz = (double)sysconf(_SC_CLK_TCK);

	snprintf(path, sizeof(path), "%s/stat", task);
	slurp(path, text, sizeof(text));
	end = strrchr(text, ')');
	if (!end || sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			   &kernel) != 2)
		return;
	fprintf(out, "%c %.1f+%.1fs", end[2], (double)user / hz, (double)kernel / hz);
}

/* Calls that wait for their first argument. */
static bool takes_descriptor(long nr)
{
	return nr == SYS_read || nr == SYS_write || nr == SYS_ioctl || nr == SYS_flock ||
	       nr == SYS_fcntl || nr == SYS_recvmsg || nr == SYS_recvfrom || nr == SYS_sendmsg ||
	       nr == SYS_accept4 || nr == SYS_epoll_pwait || nr == SYS_fsync;
}

static void tell_call(const char *task, FILE *out)
{
	char path[112], text[256], target[256];
	unsigned long first;
	ssize_t n;
	long nr;

	snprintf(path, sizeof(path), "%s/syscall", task);
	slurp(path, text, sizeof(text));
	text[strcspn(text, "\n")] = 0;
	if (!text[0])
		return;
	fprintf(out, "; call %s", text);
	if (sscanf(text, "%ld 0x%lx", &nr, &first) != 2 || !takes_descriptor(nr))
		return;
	snprintf(path, sizeof(path), "%s/fd/%lu", task, first);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0)
		fprintf(out, " on %.*s", (int)n, target);
}

static void tell_stack(const char *task, FILE *out)
{
	char path[112], text[4096], *line, *next = text;

	snprintf(path, sizeof(path), "%s/wchan", task);
	slurp(path, text, sizeof(text));
	if (text[0] && strcmp(text, "0"))
		fprintf(out, "; in %s", text);
	snprintf(path, sizeof(path), "%s/stack", task);
	slurp(path, text, sizeof(text));
	for (int i = 0; i < FRAMES_MAX && (line = strsep(&next, "\n")) && *line; i++) {
		char *name = strchr(line, ' ');

		fprintf(out, "%s%s", i ? " <" : ";", name ? name : line);
	}
}

static void tell_tasks(pid_t pid, FILE *out)
{
	char path[64], task[96];
	struct dirent *d;
	int told = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		long tid = strtol(d->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		if (told++ == TASKS_MAX) {
			fprintf(out, "    … and more tasks\n");
			break;
		}
		snprintf(task, sizeof(task), "%s/%ld", path, tid);
		fprintf(out, "    task %ld ", tid);
		tell_times(task, out);
		tell_call(task, out);
		tell_stack(task, out);
		fputc('\n', out);
	}
	if (dir)
		closedir(dir);
}

void leash_look(const struct proc *table, size_t n, FILE *out)
{
	char text[16384];
	int told = 0;

	for (size_t i = 0; i < n; i++) {
		if (!table[i].below)
			continue;
		if (told++ == PROCESSES_MAX) {
			fprintf(out, "… and more processes\n");
			break;
		}
		command_line(table[i].pid, text, 160);
		fprintf(out, "process %d of %d %c: %s\n", (int)table[i].pid, (int)table[i].parent,
			table[i].state, text);
		if (table[i].state != 'Z')
			tell_tasks(table[i].pid, out);
	}
	slurp("/proc/locks", text, sizeof(text));
	fputs(text, out);
	fflush(out);
}
