// SPDX-License-Identifier: Apache-2.0
/*
 * leash.h - what the two halves of tests/lib/leash share
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/** struct proc - a row of the process table */
struct proc {
	pid_t pid, parent;
	char state;
	bool below; /* a descendant of ours */
};

/** command_line() - what @pid was started with, in one line of at most @size - 1 printable bytes */
void command_line(pid_t pid, char *text, size_t size);

/** leash_look() - write to @out, for each process of @table that is below us, what it waits for */
void leash_look(const struct proc *table, size_t n, FILE *out);
