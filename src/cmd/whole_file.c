// SPDX-License-Identifier: Apache-2.0
/*
 * whole_file.c - write a file that the user names: all of it or nothing
 *
 * A process that has opened the home of the boxes is root no longer, so the file that is written
 * is opened before that, and put in its place by a process that never opens the home.
 */
#include <libgen.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/box_arg.h"

int whole_file_failed(const char *what, const char *file, int code)
{
	struct err err = { 0 };

	err_set_exit(&err, code == ENOSPC || code == EDQUOT ? EXIT_NO_SPACE : EXIT_UNREADABLE, code,
		     "%s '%s'", what, file);
	return cmd_fail(&err);
}

static int in_child(int (*write)(void *ctx, int fd), void *ctx, int fd)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return EXIT_INTERNAL;
	if (pid == 0)
		_exit(write(ctx, fd));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_INTERNAL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

int whole_file(const char *what, const char *file, int (*write)(void *ctx, int fd), void *ctx)
{
	cleanup_free char *one = xstrdup(file), *two = xstrdup(file);
	const char *base = basename(one);
	cleanup_close int dir = open(dirname(two), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;
	char temp[64];
	struct stat st;
	int rc;

	if (dir < 0)
		return whole_file_failed(what, file, errno);
	if (!fstatat(dir, base, &st, 0) && !S_ISREG(st.st_mode)) {
		/* a pipe, a device: nothing to put in place */
		fd = openat(dir, base, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? whole_file_failed(what, file, errno) : in_child(write, ctx, fd);
	}
	snprintf(temp, sizeof(temp), ".belljar.%d", (int)getpid());
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return whole_file_failed(what, file, errno);
	rc = in_child(write, ctx, fd);
	if (!rc && (fsync(fd) || renameat(dir, temp, dir, base)))
		rc = whole_file_failed(what, file, errno);
	if (rc)
		unlinkat(dir, temp, 0);
	return rc;
}
