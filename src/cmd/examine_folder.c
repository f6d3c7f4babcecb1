// SPDX-License-Identifier: Apache-2.0
/*
 * examine_folder.c - an installer that is a folder: it goes into the box as one archive
 *
 * A folder with a package.json is packed as npm-pack(1) packs it, below package/ and without
 * node_modules; any other is an archive with an install script. Nothing of the folder runs here:
 * tar(1) reads it as the user who calls, before root is given up.
 */
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/cmd.h"
#include "cmd/examine.h"

static int temporary_file(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && dir[0] ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : memfd_create("installer", MFD_CLOEXEC);
}

/* Return: 0; tar's exit status; -errno */
static int pack(const char *dir, bool npm, int fd)
{
	const char *argv[] = { "tar",
			       "-C",
			       dir,
			       "--owner=0",
			       "--group=0",
			       npm ? "--exclude=./node_modules" : "--sort=name",
			       npm ? "--exclude=./.git" : "--sort=name",
			       npm ? "--transform=flags=rh;s,^\\.,package," : "--sort=name",
			       "-czf",
			       "-",
			       ".",
			       NULL };
	posix_spawn_file_actions_t fa;
	int rc, status;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, fd, 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	rc = posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool has(const char *dir, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

int examine_pack(const char *dir, struct examine_file *ret, char name[EXAMINE_FOLDER_NAME])
{
	cleanup_free char *whole = realpath(dir, NULL);
	const char *base = whole ? strrchr(whole, '/') + 1 : "";
	bool npm = has(dir, "package.json");
	struct err err = { 0 };
	int rc;

	snprintf(name, EXAMINE_FOLDER_NAME, "%.200s.%s", base[0] ? base : "folder",
		 npm ? "tgz" : "tar.gz");
	*ret = (struct examine_file){ .fd = temporary_file(), .name = name };
	rc = ret->fd < 0 ? -errno : pack(dir, npm, ret->fd);
	if (!rc)
		return 0;
	if (rc < 0)
		err_set_exit(&err, EXIT_UNREADABLE, rc, "examine: pack the folder '%s'", dir);
	else
		err_set_exit(&err, EXIT_UNREADABLE, 0,
			     "examine: the folder '%s' cannot be packed: not all of it can be read",
			     dir);
	return cmd_fail(&err);
}
