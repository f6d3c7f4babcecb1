// SPDX-License-Identifier: Apache-2.0
/*
 * stack.h - TCP that ends in the gate process: what it and the module with libslirp say to each
 * other
 *
 * The module (stack.c) is a file beside belljar-gate. It is loaded only by a run whose kernel has
 * no TPROXY, before the gate process is made, and calls nothing of the gate but what is in
 * struct stack_env.
 */
#ifndef BELLJAR_GATE_STACK_H
#define BELLJAR_GATE_STACK_H

#include "gate/flow.h"

#define STACK_FILE   "belljar-slirp.so"
#define STACK_SYMBOL "belljar_stack"
#define STACK_NEVER  UINT32_MAX

/** struct stack_pipe - a connection, between the program's TCP and the gate's end of it */
struct stack_pipe;
struct stack;

/** struct stack_env - what the gate lends; lives as long as the stack */
struct stack_env {
	void *ctx;
	struct in_addr own; /* the box's IPv4 address */
	/* a program connects: @fd is the gate's end, a stream socket that does not block; it and
	 * @pipe are the gate's from now on, which may let go of them at once */
	void (*begins)(void *ctx, const struct addr *src, const struct addr *dst, int fd,
		       struct stack_pipe *pipe);
	/* an IP packet to the program */
	void (*packet)(void *ctx, const void *ip, size_t n);
};

/** struct stack_ops - what the module gives, by the name STACK_SYMBOL */
struct stack_ops {
	/* before the lock-down. NULL: out of memory, or a libslirp that cannot be used */
	struct stack *(*open)(const struct stack_env *env);
	/* a segment that a program sends: @frame is Ethernet, IPv4 or IPv6 without extension
	 * headers, no fragment, its sums right */
	void (*segment)(struct stack *s, const struct addr *src, const struct addr *dst,
			const uint8_t *frame, size_t n);
	/* after anything was sent or received. Return: ms until it has to be called again, 0 at
	 * once, STACK_NEVER */
	uint32_t (*run)(struct stack *s);
	/* the gate closes its end. @reset: the program shall see that */
	void (*let_go)(struct stack_pipe *p, bool reset);
	/* at the end of what the program sends: has it reset the connection? */
	bool (*was_reset)(const struct stack_pipe *p);
};

#endif
