// SPDX-License-Identifier: Apache-2.0
/*
 * policy.h - the parts of belljar policy
 */
#ifndef BELLJAR_CMD_POLICY_H
#define BELLJAR_CMD_POLICY_H

#include "box/box.h"

#define POLICY_FILE	 "policy" /* in the box's folder */
#define POLICY_WORDS_MAX 1000	  /* on one command line */

/** policy_learn() - what the runs of a box contacted, as a policy file with comments */
int policy_learn(struct box *box, struct buf *out, struct err *err);

#endif
