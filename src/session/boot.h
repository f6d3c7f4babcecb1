// SPDX-License-Identifier: Apache-2.0
/*
 * boot.h - a boot and a login of a box, in a session that has just begun
 */
#ifndef BELLJAR_SESSION_BOOT_H
#define BELLJAR_SESSION_BOOT_H

#include "base/base.h"

struct session_run;

enum boot_outcome { BOOT_NOT_STARTED, BOOT_RUNNING, BOOT_ENDED };

/** struct boot_start - one start and what became of it */
struct boot_start {
	char *class, *place, *name, *user, *cwd, *command;
	const char *technique;
	const char *when; /* boot, login, timer, desktop */
	char **argv;
	int argc;
	bool wait, needed; /* as in autostart_start */
	bool skip;	   /* set by the caller: boot_start_all() leaves it out */
	int id, status;	   /* of the spawn, once it runs; as of waitpid(2), once it has ended */
	enum boot_outcome outcome;
	char why[ERR_MSG_MAX]; /* not started: because */
};

struct boot {
	struct session_run *s;
	struct boot_start *v;
	size_t n;
};

/**
 * boot_list() - what a boot and a login would start, from the box's files as they are
 * @s: just begun; from now on told of ends by its on_exit, so @ret must live as long
 *
 * Return: 0; -E2BIG, with those that there was room for; -errno.
 */
int boot_list(struct session_run *s, struct boot *ret, struct err *err);
/**
 * boot_start_all() - start them, in order
 *
 * Return: 0; -ECANCELED when the box must end. A start that fails says why in its row.
 */
int boot_start_all(struct boot *b, struct err *err);
/** boot_ended() - for session_run.on_exit, with the boot as context */
void boot_ended(void *boot, int id, int status);
void boot_free(struct boot *b);

#endif
