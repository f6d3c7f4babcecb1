// SPDX-License-Identifier: Apache-2.0
/*
 * planted.h - what the planted actions share
 *
 * One function an action. Each runs in a process of its own that was started as
 * `belljar-planted --action NAME`, in an empty directory of its own; it does one thing that the
 * record must show, with harmless arguments, and ends. A call that the box refuses is done all
 * the same: the attempt is what must be seen.
 */
#ifndef BELLJAR_SPECIMEN_PLANTED_H
#define BELLJAR_SPECIMEN_PLANTED_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define DONE   0
#define FAILED 1
#define CANNOT 77 /* this kernel or machine has no such thing */

#define PLANTED_SECOND 987654321 /* a time that is set: April 2001 */

typedef int action_fn(void);

#define PLANTED(number, name, fn, says, sql) action_fn fn;
#include "planted.def"
#undef PLANTED

/** failed() - say on stderr what could not be done; returns FAILED, CANNOT for ENOSYS */
int failed(const char *what);
/** touch() - create a file, close it. Return: DONE or failed() */
int touch(const char *path);
/** put() - create or overwrite a file with a line of text */
int put(const char *path, const char *text);
/* of files.c and names.c */
static inline int ok(long rc, const char *what)
{
	return rc < 0 ? failed(what) : DONE;
}

/* A file "f" with some bytes, closed again. */
static inline int seed(void)
{
	return put("f", "before\n");
}

static inline int rw(void)
{
	return open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

/** self_path() - this program's own executable; borrowed */
const char *self_path(void);
/** exec_self() - become this program again: --touch FILE */
void exec_self(const char *argv0, const char *mode, const char *arg);
/** copy_self() - this program's bytes into @fd */
int copy_self(int fd);
/** reap() - wait for a child. Return: DONE when it ended with 0 */
int reap(pid_t pid);

/** struct tether - lets a process wait for descendants that are nobody's children any more */
struct tether {
	int fd[2];
};
int tether_open(struct tether *t);
/** tether_wait() - returns when all others that inherited the tether are gone */
void tether_wait(struct tether *t);

#endif
