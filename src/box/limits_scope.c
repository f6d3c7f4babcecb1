// SPDX-License-Identifier: Apache-2.0
/*
 * limits_scope.c - a plain user's login has no cgroup that the user may write: ask for one
 *
 * A login over the network or on a console runs in a scope that belongs to root, below a slice
 * that does too. Beside it is the user's own manager (user@UID.service), whose tree is delegated;
 * it makes a scope there for any process of the user's that asks (org.freedesktop.systemd1(5),
 * StartTransientUnit), and systemd moves the process. The scope ends with its last process.
 * busctl asks: one call does not pay for a library.
 */
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "box/limits.h"

#define MOVED_MS 3000
#define STEP_MS	 5

static bool is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static bool start(char *const argv[], char *const env[])
{
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int status, rc;

	posix_spawn_file_actions_init(&fa);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&fa, fd, "/dev/null", O_RDWR, 0);
	rc = posix_spawn(&pid, argv[0], &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	if (rc)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return status == 0;
}

static char *own_cgroup(void)
{
	char *text = NULL;

	return read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) ? NULL : text;
}

bool own_scope_ask(uid_t uid)
{
	cleanup_free char *runtime = xasprintf("/run/user/%u", (unsigned)uid);
	cleanup_free char *bus = xasprintf("%s/bus", runtime);
	cleanup_free char *env_runtime = xasprintf("XDG_RUNTIME_DIR=%s", runtime);
	cleanup_free char *env_bus = xasprintf("DBUS_SESSION_BUS_ADDRESS=unix:path=%s", bus);
	cleanup_free char *name = xasprintf("belljar-%d.scope", (int)getpid());
	cleanup_free char *pid = xasprintf("%d", (int)getpid());
	cleanup_free char *before = own_cgroup();
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", env_runtime, env_bus,
			NULL };
#define W(word) ((char *)(word))
	char *argv[] = { W("/usr/bin/busctl"),
			 W("--user"),
			 W("--quiet"),
			 W("--timeout=5"),
			 W("call"),
			 W("org.freedesktop.systemd1"),
			 W("/org/freedesktop/systemd1"),
			 W("org.freedesktop.systemd1.Manager"),
			 W("StartTransientUnit"),
			 W("ssa(sv)a(sa(sv))"),
			 name,
			 W("fail"),
			 W("3"),
			 W("PIDs"),
			 W("au"),
			 W("1"),
			 pid,
			 W("Delegate"),
			 W("b"),
			 W("true"),
			 W("CollectMode"),
			 W("s"),
			 W("inactive-or-failed"),
			 W("0"),
			 NULL };
#undef W

	if (!before || !is_there(argv[0]) || !is_there(bus) || !start(argv, env))
		return false;
	/* the answer is a job's name; it is done when we are somewhere else */
	for (int i = 0; i < MOVED_MS / STEP_MS; i++) {
		cleanup_free char *now = own_cgroup();

		if (now && strcmp(now, before) != 0)
			return true;
		poll(NULL, 0, STEP_MS);
	}
	return false;
}
