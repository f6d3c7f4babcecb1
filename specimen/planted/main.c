// SPDX-License-Identifier: Apache-2.0
/*
 * main.c - belljar-planted: does, under glass, a numbered list of things that the record must show
 *
 *   belljar-planted                  all actions, each in a process and a directory of its own
 *   belljar-planted --only NAME…     these
 *   belljar-planted --list           their names
 *   belljar-planted --action NAME    one, here and now (what the first form starts)
 *   belljar-planted --touch FILE     what actions become when they execute something
 *
 * planted.def has the list; `belljar verify` runs this program in a box and then asks the journal
 * for each row. Its own exit status is 0 when all actions were performed, which says nothing about
 * the record.
 */
#include <sys/sendfile.h>

#include "../marker.h"
#include "planted.h"

struct action {
	const char *name;
	action_fn *fn;
};

static const struct action actions[] = {
#define PLANTED(number, name, fn, says, sql) { name, fn },
#include "planted.def"
#undef PLANTED
};

#define NACTIONS       (sizeof(actions) / sizeof(actions[0]))
#define ACTION_SECONDS 60 /* an action that hangs is ended, and reported as not performed */

int failed(const char *what)
{
	int e = errno;

	fprintf(stderr, "planted: %s: %s\n", what, strerror(e));
	return e == ENOSYS ? CANNOT : FAILED;
}

int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return failed(path);
	close(fd);
	return DONE;
}

int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return failed(path);
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? DONE : failed(path);
}

const char *self_path(void)
{
	static char path[4096];
	ssize_t n;

	if (!path[0]) {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
	}
	return path;
}

void exec_self(const char *argv0, const char *mode, const char *arg)
{
	char *argv[] = { (char *)argv0, (char *)mode, (char *)arg, NULL };

	execv(self_path(), argv);
}

int copy_self(int fd)
{
	struct stat st;
	int in = open(self_path(), O_RDONLY | O_CLOEXEC);
	off_t at = 0;

	if (in < 0 || fstat(in, &st) < 0)
		return failed("read own program");
	while (at < st.st_size)
		if (sendfile(fd, in, &at, (size_t)(st.st_size - at)) <= 0)
			return failed("copy own program");
	close(in);
	return DONE;
}

int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return failed("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int tether_open(struct tether *t)
{
	return pipe(t->fd) < 0 ? failed("pipe") : DONE;
}

void tether_wait(struct tether *t)
{
	char c;

	close(t->fd[1]);
	while (read(t->fd[0], &c, 1) > 0)
		;
	close(t->fd[0]);
}

static const struct action *find(const char *name)
{
	for (size_t i = 0; i < NACTIONS; i++)
		if (!strcmp(actions[i].name, name))
			return &actions[i];
	fprintf(stderr, "planted: no action '%s'\n", name);
	return NULL;
}

/* One action in a fresh process: its exec row in the journal is what the others hang on. */
static int start(const struct action *a, const char *base)
{
	char dir[4096];
	pid_t pid;
	int rc;

	snprintf(dir, sizeof(dir), "%s/%s", base, a->name);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return failed(dir);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return failed("fork");
	if (!pid) {
		if (chdir(dir) < 0)
			_exit(failed(dir));
		setpgid(0, 0);
		exec_self("belljar-planted", "--action", a->name);
		_exit(failed("exec"));
	}
	rc = reap(pid);
	printf("%s %s\n", rc == DONE ? "done" : rc == CANNOT ? "cannot" : "FAILED", a->name);
	return rc == CANNOT ? DONE : rc;
}

static int all(const char *base, char **only, int n)
{
	int bad = 0;

	for (size_t i = 0; !n && i < NACTIONS; i++)
		bad += start(&actions[i], base) != DONE;
	for (int i = 0; i < n; i++) {
		const struct action *a = find(only[i]);

		bad += !a || start(a, base) != DONE;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return bad ? FAILED : DONE;
}

int main(int argc, char **argv)
{
	char base[2048];
	const struct action *a;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < NACTIONS; i++)
			puts(actions[i].name);
		return 0;
	}
	if (!under_glass("belljar-planted"))
		return EXIT_NOT_UNDER_GLASS;
	if (argc == 3 && !strcmp(argv[1], "--touch"))
		return touch(argv[2]);
	if (argc >= 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	if (argc == 3 && !strcmp(argv[1], "--action")) {
		a = find(argv[2]);
		alarm(ACTION_SECONDS);
		signal(SIGPIPE, SIG_IGN);
		return a ? a->fn() : FAILED;
	}
	if (argc > 1 && strcmp(argv[1], "--only") != 0)
		return fprintf(stderr, "planted: unknown argument\n"), 2;
	if (!getcwd(base, sizeof(base) - 16))
		return failed("getcwd");
	strcat(base, "/planted");
	if (mkdir(base, 0755) < 0 && errno != EEXIST)
		return failed(base);
	return all(base, argv + 2, argc > 2 ? argc - 2 : 0);
}
