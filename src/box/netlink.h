// SPDX-License-Identifier: Apache-2.0
/*
 * netlink.h - messages of netlink(7), written into one buffer and sent together
 */
#ifndef BELLJAR_BOX_NETLINK_H
#define BELLJAR_BOX_NETLINK_H

#include <linux/netlink.h>

#include "base/base.h"

#define NL_BATCH 8192

/** struct nl_batch - messages that are sent together; .bad when they do not fit */
struct nl_batch {
	uint8_t bytes[NL_BATCH];
	size_t n;
	struct nlmsghdr *msg; /* the one that is being written */
	uint32_t seq;
	bool bad;
};

/** nl_message() - begin a message; @head: what its family has before the attributes */
void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n);
/** nl_attr() - an attribute of the message that was begun last */
void nl_attr(struct nl_batch *b, uint16_t type, const void *value, size_t n);
void nl_attr_z(struct nl_batch *b, uint16_t type, const char *z);
void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v);
/** nl_bytes() - bytes without a head, where an attribute begins with a structure of its own */
void nl_bytes(struct nl_batch *b, const void *value, size_t n);
/** nl_nest() - attributes inside of one, until nl_nest_end() of what it returns */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, size_t at);

/** nl_open() - Return: a socket, whose answers are waited for ten seconds at most, or -errno */
int nl_open(int protocol);
/** nl_talk() - send all, wait until message @last is acknowledged. *ret_seq: which one failed.
 * Return: 0; the kernel's -errno; -EMSGSIZE when the batch did not fit */
int nl_talk(int sock, struct nl_batch *b, uint32_t last, uint32_t *ret_seq);

#endif
