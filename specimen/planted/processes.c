// SPDX-License-Identifier: Apache-2.0
/*
 * processes.c - planted actions: how a process can come to be, become another, and end
 */
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "planted.h"

extern char **environ;

/* @depth generations, each parent gone before its child goes on; the last one makes the file. */
static int generations(int depth, bool own_session)
{
	struct tether t;
	pid_t pid;

	if (tether_open(&t))
		return FAILED;
	pid = fork();
	if (pid < 0)
		return failed("fork");
	if (pid) {
		waitpid(pid, NULL, 0);
		tether_wait(&t);
		return access("by-the-last", F_OK) ? failed("by-the-last") : DONE;
	}
	if (own_session)
		setsid();
	for (int i = 1; i < depth; i++) {
		pid_t parent = getpid();

		pid = fork();
		if (pid)
			_exit(pid < 0);
		while (getppid() == parent)
			usleep(1000);
	}
	_exit(touch("by-the-last"));
}

int fork_double(void)
{
	return generations(2, false);
}

int fork_triple(void)
{
	return generations(3, false);
}

int fork_daemon(void)
{
	return generations(2, true);
}

int fork_subreaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return generations(3, false);
}

int fork_clone_parent(void)
{
	struct tether t;
	long pid;

	if (tether_open(&t))
		return FAILED;
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return failed("clone(CLONE_PARENT)");
	if (!pid)
		_exit(touch("by-the-sibling"));
	tether_wait(&t);
	return DONE;
}

int fork_shared_files(void)
{
	int fd;
	long pid = syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return failed("clone(CLONE_FILES)");
	if (!pid) {
		if (mkdir("below", 0755) || chdir("below"))
			_exit(FAILED);
		_exit(0);
	}
	if (reap((pid_t)pid))
		return FAILED;
	/* the child's chdir was ours too */
	fd = open("here", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? failed("here") : DONE;
}

int vfork_exec(void)
{
	char *argv[] = { (char *)"planted-vfork", (char *)"--touch", (char *)"by-vfork", NULL };
	const char *self = self_path();
	pid_t pid = vfork();

	if (!pid) {
		execve(self, argv, environ);
		_exit(FAILED);
	}
	return pid < 0 ? failed("vfork") : reap(pid);
}

int spawn_posix(void)
{
	char *argv[] = { (char *)"planted-spawn", (char *)"--touch", (char *)"by-spawn", NULL };
	pid_t pid;

	errno = posix_spawn(&pid, self_path(), NULL, NULL, argv, environ);
	return errno ? failed("posix_spawn") : reap(pid);
}

static void *thread_exec(void *arg)
{
	exec_self("planted-thread", "--touch", arg);
	return NULL;
}

int exec_from_thread(void)
{
	static char file[] = "by-thread";
	pthread_t th;

	if (pthread_create(&th, NULL, thread_exec, file))
		return failed("pthread_create");
	for (;;)
		pause();
}

static void *thread_touch(void *arg)
{
	return touch(arg) ? arg : NULL;
}

int thread_file(void)
{
	static char file[] = "by-a-thread";
	pthread_t th;
	void *bad;

	if (pthread_create(&th, NULL, thread_touch, file))
		return failed("pthread_create");
	pthread_join(th, &bad);
	return bad ? FAILED : DONE;
}

static void *thread_end(void *arg)
{
	(void)arg;
	syscall(SYS_exit_group, 33);
	return NULL;
}

int exit_from_thread(void)
{
	pthread_t th;
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (pthread_create(&th, NULL, thread_end, NULL))
			_exit(1);
		for (;;)
			pause();
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 33
		       ? DONE
		       : failed("exit_group in a thread");
}

int exec_memfd(void)
{
	char *argv[] = { (char *)"planted-memfd", (char *)"--touch", (char *)"by-memfd", NULL };
	int fd = memfd_create("planted-program", MFD_CLOEXEC);

	if (fd < 0)
		return failed("memfd_create");
	if (copy_self(fd))
		return FAILED;
	fexecve(fd, argv, environ);
	return failed("fexecve");
}

int exec_empty_path(void)
{
	char *argv[] = { (char *)"planted-empty-path", (char *)"--touch", (char *)"by-fd", NULL };
	int fd = open(self_path(), O_PATH | O_CLOEXEC);

	if (fd < 0)
		return failed("open self");
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return failed("execveat");
}

int exec_deleted(void)
{
	char *argv[] = { (char *)"planted-deleted", (char *)"--touch", (char *)"by-deleted", NULL };
	int fd = open("gone", O_RDWR | O_CREAT, 0755), ro;

	if (fd < 0 || copy_self(fd))
		return failed("gone");
	ro = open("gone", O_RDONLY | O_CLOEXEC);
	close(fd);
	unlink("gone");
	syscall(SYS_execveat, ro, "", argv, environ, AT_EMPTY_PATH);
	return failed("execveat");
}

int exec_proc_fd(void)
{
	char *argv[] = { (char *)"planted-proc-fd", (char *)"--touch", (char *)"by-proc", NULL };
	char path[64];
	int fd = open(self_path(), O_RDONLY | O_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	execve(path, argv, environ);
	return failed(path);
}

int exec_symlink(void)
{
	char *argv[] = { (char *)"planted-link", (char *)"--touch", (char *)"by-link", NULL };

	if (symlink(self_path(), "innocent"))
		return failed("symlink");
	execve("./innocent", argv, environ);
	return failed("./innocent");
}

int exec_relative(void)
{
	char *argv[] = { (char *)"planted-copy", (char *)"--touch", (char *)"by-copy", NULL };
	int fd = open("copy", O_WRONLY | O_CREAT, 0755);

	if (fd < 0 || copy_self(fd))
		return failed("copy");
	close(fd);
	if (mkdir("sub", 0755) || chdir("sub"))
		return failed("sub");
	execve("../copy", argv, environ);
	return failed("../copy");
}

int exec_changed_env(void)
{
	char *argv[] = { (char *)"planted-env", (char *)"--touch", (char *)"by-env", NULL };
	char *env[] = { (char *)"BELLJAR=1", (char *)"LD_LIBRARY_PATH=/nowhere", NULL };

	execve(self_path(), argv, env);
	return failed("execve");
}

int exec_missing(void)
{
	char *argv[] = { (char *)"not-there", NULL };

	execve("./not-there", argv, environ);
	return errno == ENOENT ? DONE : failed("./not-there");
}

/* ---- arguments ---------------------------------------------------------------------------- */

static int nothing(char *arg)
{
	char *argv[] = { (char *)"planted", (char *)"--nothing", arg, NULL };

	execve(self_path(), argv, environ);
	return failed("execve");
}

int argv_long(void)
{
	size_t n = 100 * 1024;
	char *arg = malloc(n + 1);

	if (!arg)
		return failed("malloc");
	memset(arg, 'x', n);
	arg[n] = '\0';
	return nothing(arg);
}

int argv_control(void)
{
	return nothing((char *)"one\ntwo\033[2Jthree\tfour");
}

int argv_not_utf8(void)
{
	return nothing((char *)"caf\xe9\xff\xfe");
}

int argv_quotes(void)
{
	return nothing((char *)"it's \"$HOME\" `id` \\");
}

int argv_empty(void)
{
	exec_self("", "--touch", "by-nobody");
	return failed("execve");
}

int argv_none(void)
{
	char *argv[] = { NULL };
	pid_t pid = fork();

	if (!pid) {
		execve("/bin/true", argv, environ);
		_exit(127);
	}
	/* what true makes of it is its own affair; that it ran is what counts */
	return reap(pid) == 127 ? FAILED : DONE;
}

/* ---- scripts ------------------------------------------------------------------------------ */

static int script(const char *name, const char *text)
{
	char *argv[] = { (char *)name, (char *)"first", NULL };
	char path[64];
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return failed(name);
	close(fd);
	snprintf(path, sizeof(path), "./%s", name);
	execve(path, argv, environ);
	return failed(path);
}

int script_plain(void)
{
	return script("plain.sh", "#!/bin/sh\n: >by-script\n");
}

int script_argument(void)
{
	return script("argument.sh", "#!/bin/sh -e\n: >by-script\n");
}

int script_env(void)
{
	return script("env.sh", "#!/usr/bin/env sh\n: >by-script\n");
}

int script_of_script(void)
{
	char text[4400], cwd[4096];
	int fd = open("inner.sh", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	if (fd < 0 || write(fd, "#!/bin/sh\n: >by-script\n", 23) != 23 || !getcwd(cwd, sizeof(cwd)))
		return failed("inner.sh");
	close(fd);
	snprintf(text, sizeof(text), "#!%s/inner.sh\nnothing\n", cwd);
	return script("outer.sh", text);
}

int script_no_shebang(void)
{
	int fd = open("bare", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	pid_t pid;

	if (fd < 0 || write(fd, ": >by-script\n", 13) != 13)
		return failed("bare");
	close(fd);
	pid = fork();
	if (!pid) {
		execlp("./bare", "./bare", (char *)NULL); /* execvp(3) falls back to sh */
		_exit(FAILED);
	}
	return reap(pid);
}

/* ---- code from files ---------------------------------------------------------------------- */

/* This program's own bytes, mapped as code; nothing of it is run. */
static int map_code(int fd)
{
	struct stat st;
	void *p;

	if (fd < 0 || copy_self(fd) || fstat(fd, &st))
		return failed("make a file of code");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	return p == MAP_FAILED ? failed("mmap") : DONE;
}

int map_library(void)
{
	return map_code(open("plug-in.so", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
}

int map_deleted(void)
{
	int fd = open("plug-in.so", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	unlink("plug-in.so");
	return map_code(fd);
}

int map_memfd(void)
{
	return map_code(memfd_create("planted-code", MFD_CLOEXEC));
}

int load_libc(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(FAILED);
	}
	return pid < 0 ? failed("fork") : reap(pid);
}

/* ---- endings ------------------------------------------------------------------------------ */

int killed_before_a_call(void)
{
	int status;
	long pid = syscall(SYS_fork);

	if (!pid)
		__builtin_trap(); /* not one call of its own */
	if (pid < 0)
		return failed("fork");
	return waitpid((pid_t)pid, &status, 0) == pid && WIFSIGNALED(status) ? DONE : FAILED;
}

int killed_at_once(void)
{
	int status;

	for (int i = 0; i < 8; i++) {
		long pid = syscall(SYS_fork);

		if (!pid)
			for (;;)
				;
		if (pid < 0)
			return failed("fork");
		kill((pid_t)pid, SIGKILL);
		if (waitpid((pid_t)pid, &status, 0) != pid || !WIFSIGNALED(status))
			return FAILED;
	}
	return DONE;
}

int exit_status_200(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(200);
	return reap(pid) == 200 ? DONE : FAILED;
}

/* ---- many --------------------------------------------------------------------------------- */

int short_lived(void)
{
	pid_t pid[100];

	for (int i = 0; i < 100; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(0);
		if (pid[i] < 0)
			return failed("fork");
	}
	for (int i = 0; i < 100; i++)
		reap(pid[i]);
	return DONE;
}
