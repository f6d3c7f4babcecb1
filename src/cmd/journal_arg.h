// SPDX-License-Identifier: Apache-2.0
/*
 * journal_arg.h - what subcommands that read journals have in common: NAME|FILE, numbers, kinds
 */
#ifndef BELLJAR_CMD_JOURNAL_ARG_H
#define BELLJAR_CMD_JOURNAL_ARG_H

#include "cmd/cmd.h"
#include "journal/journal.h"

/** struct journal_arg - a journal that the user named */
struct journal_arg {
	char *path;	   /* journal.db */
	char *keydir;	   /* where the installation's public key is; NULL for a FILE */
	const char *title; /* the name as given, for people */
};

/**
 * journal_arg_find() - the journal of a box, or a journal.db by its path
 *
 * What has a '/' in it is a path; so is the name of a file when there is no box of that name.
 *
 * Return: 0; -ENOENT, EXIT_NO_BOX; -EINVAL, EXIT_BAD_NAME; what box_home_open() gives.
 */
int journal_arg_find(const char *name, struct journal_arg *ret, struct err *err);
void journal_arg_free(struct journal_arg *a);

/** journal_arg_open() - open it for reading, and have everything that reading needs at hand, so
 * that lockdown_reader() can follow */
int journal_arg_open(const struct journal_arg *a, struct journal_reader **ret_r, struct err *err);

/** arg_number() - a decimal number from 1 to @max. -EINVAL */
int arg_number(const char *s, uint64_t max, uint64_t *ret);
/** arg_kinds() - a list of kinds of events with commas, which is cut up, as a mask. Return: 0, or
 * EXIT_USAGE after its sentence */
int arg_kinds(const char *sub, char *list, uint32_t *ret);

#endif
