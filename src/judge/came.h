// SPDX-License-Identifier: Apache-2.0
/*
 * came.h - whether a file's bytes are among those that came from the network
 */
#ifndef BELLJAR_JUDGE_CAME_H
#define BELLJAR_JUDGE_CAME_H

#include "base/base.h"

enum came {
	CAME_UNKNOWN, /* what came is packed, encrypted or encoded, or like the file in part */
	CAME_NOT,     /* all that came is text, and the file's bytes are not in it */
	CAME_SAME,    /* the file, or as much of its begin or end as can be in @content */
};

/** came_in() - @content: kept bytes of one direction of a flow, hostile. HTTP/1 chunks are joined
 * and gzip is unpacked for it */
enum came came_in(struct str content, struct str file);

#endif
