// SPDX-License-Identifier: Apache-2.0
/*
 * gate_answers.c - belljar gate answers: what servers answered in a box, as a folder for --answers
 *
 * Who opens the home of the boxes is root no longer, and who looks at recorded bytes is locked. So
 * a child does both, and sends files over a pipe; we, who have made the folder, write them.
 */
#include <libgen.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/gate_answers.h"
#include "cmd/journal_arg.h"
#include "gate/gate.h"

#define PATH_LONGEST 700 /* three names */
#define FILE_LONGEST (2u << 20)

struct record {
	uint32_t path_n, n;
};

static int send_file(void *ctx, const char *path, const void *p, size_t n)
{
	int fd = *(int *)ctx, rc;
	struct record r = { (uint32_t)strlen(path), (uint32_t)n };

	rc = write_full(fd, &r, sizeof(r));
	if (!rc)
		rc = write_full(fd, path, r.path_n);
	return rc ? rc : write_full(fd, p, n);
}

static int reader(const char *name, int out)
{
	struct gate_export_stats stats = { 0 };
	struct journal_arg arg = { 0 };
	struct journal_reader *r = NULL;
	struct err err = { 0 };
	cleanup_free char *path = NULL;
	int rc = journal_arg_find(name, &arg, &err);
	int dir = -1;

	if (!rc)
		rc = journal_arg_open(&arg, &r, &err);
	if (!rc) {
		path = xstrdup(arg.path);
		dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = gate_export_answers(r, dir, 0, lockdown_reader, send_file, &out, &stats, &err);
	}
	if (rc)
		return cmd_fail(&err);
	fprintf(stderr, "belljar: %llu answers", (unsigned long long)stats.answers);
	if (stats.left_out)
		fprintf(stderr, "; %llu left out: not kept whole, or their names are too long",
			(unsigned long long)stats.left_out);
	fprintf(stderr, "\n");
	return EXIT_OK;
}

/* What the child sends is checked as if it were taken over: it chooses no place but below @dir. */
static bool path_fits(const char *p)
{
	if (*p == '/' || *p == '.' || strstr(p, "/.") || strstr(p, "//"))
		return false;
	for (; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return false;
	return true;
}

static int write_one(int dir, char *path, const void *p, size_t n)
{
	char *slash;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdirat(dir, path, 0777) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return write_file_at(dir, path, 0666, p, n);
}

/* 0 at the end of the records, -errno */
static int write_all(int in, int dir)
{
	cleanup_free char *bytes = xmalloc(FILE_LONGEST);
	char path[PATH_LONGEST + 1];
	struct record r;
	int rc = 0;

	while (!rc && read_full(in, &r, sizeof(r)) == sizeof(r)) {
		if (r.path_n > PATH_LONGEST || r.n > FILE_LONGEST ||
		    read_full(in, path, r.path_n) != (ssize_t)r.path_n ||
		    read_full(in, bytes, r.n) != (ssize_t)r.n)
			return -EBADMSG;
		path[r.path_n] = 0;
		rc = path_fits(path) ? write_one(dir, path, bytes, r.n) : -EBADMSG;
	}
	return rc;
}

static int failed(const char *folder, int code)
{
	struct err err = { 0 };

	err_set_exit(&err, code == ENOSPC || code == EDQUOT ? EXIT_NO_SPACE : EXIT_UNREADABLE, code,
		     "gate: write the folder '%s'", folder);
	return cmd_fail(&err);
}

int cmd_gate_answers(const char *name, const char *folder)
{
	cleanup_close int dir = -1;
	int fds[2], status = 0, rc;
	pid_t pid;

	if (mkdir(folder, 0777))
		return failed(folder, errno);
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || pipe2(fds, O_CLOEXEC))
		return failed(folder, errno);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return failed(folder, errno);
	if (pid == 0) {
		close(fds[0]);
		_exit(reader(name, fds[1]));
	}
	close(fds[1]);
	rc = write_all(fds[0], dir);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc)
		return failed(folder, -rc);
	rc = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
	if (rc)
		rmdir(folder); /* when nothing is in it yet */
	return rc;
}
