// SPDX-License-Identifier: Apache-2.0
/*
 * tree_inner.h - what tree.c and tree_path.c share
 */
#ifndef BELLJAR_CAPTURE_TREE_INNER_H
#define BELLJAR_CAPTURE_TREE_INNER_H

#include "capture/truth/tree.h"

/** struct stack - one overlay: its folders, topmost first */
struct stack {
	char at[256]; /* where it is mounted; "" for "/" */
	int n;
	struct tree_part *part;
};

/** struct tree_near - a directory that a path led through lately: the next one begins there */
struct tree_near {
	char *path; /* without links; NULL: free */
	size_t n;
	struct tree_node *node;
};
#define TREE_NEAR_MAX 8

struct tree {
	struct box *box;
	struct box_run *run;
	bool claims; /* the box has claimed owners (capture/claims.c) */
	int nstack;
	struct stack *stack; /* [0] is "/" */
	struct tree_near near[TREE_NEAR_MAX];
	unsigned near_next; /* which one makes room */
};

#endif
