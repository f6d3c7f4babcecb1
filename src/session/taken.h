// SPDX-License-Identifier: Apache-2.0
/*
 * taken.h - what files.c, taken.c and session.c share
 */
#ifndef BELLJAR_SESSION_TAKEN_H
#define BELLJAR_SESSION_TAKEN_H

#include "session/session.h"

/** file_put_back() - as it was, where nothing is there now. It has a record. Return: 1 put back;
 * 0 there is one; -ENOENT, -ENOTDIR, -ELOOP there is no such folder any more */
int file_put_back(struct session_run *s, const struct kept_file *f, struct err *err);
/** taken_return() - put back what killed runs have left away. Return: -errno of the record */
int taken_return(struct session_run *s, struct err *err);

#endif
