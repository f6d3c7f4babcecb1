// SPDX-License-Identifier: Apache-2.0
/*
 * leash.c - run one test program so that nothing of it can get away unseen
 *
 *   leash [-u USER] [-t SECONDS] [-l LEFTOVERS] [-w WAITS] -- PROGRAM [ARG…]
 *
 * leash makes itself the reaper of all its descendants (prctl(2) PR_SET_CHILD_SUBREAPER), so that
 * a process which detaches from its parents stays below it in the process tree, whatever session
 * or namespace it goes to. When PROGRAM has ended, every descendant that does not end by itself
 * within GRACE_MS is a leftover: it is named in the file LEFTOVERS (default: standard error), one
 * a line, and killed. On time-out, SIGINT, SIGTERM or SIGHUP everything is killed at once. The
 * same happens to all of it when the parent of leash dies. On time-out the file WAITS tells before
 * that what each process was waiting for (leash_look.c).
 *
 * With -u the program gets the ids and groups of USER and no capability; its environment is that
 * of leash with HOME, USER and LOGNAME set.
 *
 * Exit: that of PROGRAM; 124 on time-out; 128+N when signal N ended it; 125 for failures here.
 * Always true: when leash exits, no descendant of it lives.
 */
#include "leash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS   2000
#define FAILURE	   125
#define TIMED_OUT  124
#define PIDS_MAX   65536
#define SWEEPS_MAX 500

struct leash {
	const char *user;
	long seconds;
	FILE *leftovers, *waits;
	pid_t program;
	int status; /* of the program as of waitpid(), -1 while it runs */
};

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* The name in /proc/PID/stat may hold blanks and brackets: fields count from its last ')'. */
static bool read_stat(pid_t pid, struct proc *ret)
{
	char path[64], text[1024];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	end = strrchr(text, ')');
	if (!end || strlen(end) < 5)
		return false;
	ret->pid = pid;
	ret->state = end[2];
	ret->parent = (pid_t)strtol(end + 4, NULL, 10);
	ret->below = false;
	return true;
}

static size_t read_table(struct proc *table)
{
	struct dirent *d;
	size_t n = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	while (n < PIDS_MAX && (d = readdir(dir))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid > 0 && read_stat(pid, &table[n]))
			n++;
	}
	closedir(dir);
	return n;
}

/** descendants() - mark what is below us; returns how many of them are no zombies */
static size_t descendants(struct proc *table, size_t n)
{
	size_t found = 0;
	bool more = true;
	pid_t self = getpid();

	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			bool below = table[i].parent == self;

			if (table[i].below)
				continue;
			for (size_t k = 0; !below && k < n; k++)
				below = table[k].below && table[k].pid == table[i].parent;
			if (!below)
				continue;
			table[i].below = true;
			more = true;
			found += table[i].state != 'Z';
		}
	}
	return found;
}

static void name_leftover(struct leash *l, pid_t pid)
{
	char text[256];

	command_line(pid, text, sizeof(text));
	fprintf(l->leftovers, "process %d: %s\n", (int)pid, text);
}

/** look() - write down what everything below us waits for */
static void look(struct leash *l)
{
	struct proc *table = malloc(PIDS_MAX * sizeof(*table));
	size_t n;

	if (!table)
		return;
	n = read_table(table);
	descendants(table, n);
	leash_look(table, n, l->waits);
	free(table);
}

static void reap(struct leash *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == l->program)
			l->status = status;
}

/** sweep() - end everything below us; with @grace it may end by itself first and is named if not */
static int sweep(struct leash *l, bool grace)
{
	long long until = now_ms() + (grace ? GRACE_MS : 0);
	struct proc *table = malloc(PIDS_MAX * sizeof(*table));
	int named = 0;

	if (!table)
		return -1;
	for (int round = 0; round < SWEEPS_MAX; round++) {
		size_t n, left;

		reap(l);
		n = read_table(table);
		left = descendants(table, n);
		if (!left)
			break;
		if (now_ms() >= until) {
			for (size_t i = 0; i < n; i++) {
				if (!table[i].below || table[i].state == 'Z')
					continue;
				if (grace && !named)
					name_leftover(l, table[i].pid);
				kill(table[i].pid, SIGKILL);
			}
			named = grace ? 1 : 0;
		}
		usleep(20000);
	}
	reap(l);
	free(table);
	return named;
}

static void become(const char *user)
{
	struct passwd *pw = getpwnam(user);

	if (!pw) {
		fprintf(stderr, "leash: no such user '%s'\n", user);
		_exit(FAILURE);
	}
	if (initgroups(user, pw->pw_gid) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)) {
		fprintf(stderr, "leash: become '%s': %s\n", user, strerror(errno));
		_exit(FAILURE);
	}
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", user, 1);
	setenv("LOGNAME", user, 1);
}

static void child(struct leash *l, char **argv, const sigset_t *mask)
{
	if (l->user)
		become(l->user);
	sigprocmask(SIG_SETMASK, mask, NULL);
	setpgid(0, 0); /* Ctrl-C on the terminal goes to leash, which ends all */
	execvp(argv[0], argv);
	fprintf(stderr, "leash: start '%s': %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/** watch() - until the program ends: 0; on time-out TIMED_OUT; on a signal 128 + its number */
static int watch(struct leash *l, int sigfd)
{
	long long until = now_ms() + l->seconds * 1000LL;

	while (l->status == -1) {
		struct pollfd p = { .fd = sigfd, .events = POLLIN };
		struct signalfd_siginfo info;
		long long left = until - now_ms();

		if (l->seconds && left <= 0)
			return TIMED_OUT;
		if (poll(&p, 1, l->seconds ? (int)left : -1) <= 0)
			continue;
		if (read(sigfd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			return 128 + (int)info.ssi_signo;
		reap(l);
	}
	return 0;
}

static int run(struct leash *l, char **argv)
{
	sigset_t wanted, before;
	int sigfd, cut, left;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGHUP);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	sigfd = signalfd(-1, &wanted, SFD_CLOEXEC);
	if (sigfd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) || prctl(PR_SET_PDEATHSIG, SIGTERM)) {
		fprintf(stderr, "leash: %s\n", strerror(errno));
		return FAILURE;
	}
	l->program = fork();
	if (l->program < 0)
		return FAILURE;
	if (!l->program)
		child(l, argv, &before);
	cut = watch(l, sigfd);
	if (cut == TIMED_OUT && l->waits)
		look(l);
	left = sweep(l, cut == 0);
	if (cut)
		return cut;
	if (left < 0)
		return FAILURE;
	return WIFSIGNALED(l->status) ? 128 + WTERMSIG(l->status) : WEXITSTATUS(l->status);
}

int main(int argc, char **argv)
{
	struct leash l = { .status = -1, .leftovers = stderr };
	int c, r;

	while ((c = getopt(argc, argv, "+u:t:l:w:")) != -1) {
		if (c == 'u')
			l.user = optarg;
		else if (c == 't')
			l.seconds = strtol(optarg, NULL, 10);
		else if (c == 'l')
			l.leftovers = fopen(optarg, "ae");
		else if (c == 'w')
			l.waits = fopen(optarg, "ae");
		else
			return FAILURE;
	}
	if (optind >= argc || !l.leftovers) {
		fprintf(stderr,
			"usage: leash [-u USER] [-t SECONDS] [-l FILE] [-w FILE] -- PROGRAM "
			"[ARG…]\n");
		return FAILURE;
	}
	r = run(&l, argv + optind);
	if (l.leftovers != stderr)
		fclose(l.leftovers);
	return r;
}
