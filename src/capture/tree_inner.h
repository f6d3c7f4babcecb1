// SPDX-License-Identifier: Apache-2.0
/*
 * tree_inner.h - what tree.c and tree_path.c share
 */
#ifndef BELLJAR_CAPTURE_TREE_INNER_H
#define BELLJAR_CAPTURE_TREE_INNER_H

#include "capture/tree.h"

/** struct stack - one overlay: its folders, topmost first */
struct stack {
	char at[256]; /* where it is mounted; "" for "/" */
	int n;
	struct tree_part *part;
};

struct tree {
	struct box *box;
	struct box_run *run;
	bool claims; /* the box has claimed owners (capture/claims.c) */
	int nstack;
	struct stack *stack; /* [0] is "/" */
};

#endif
