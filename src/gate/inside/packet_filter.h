// SPDX-License-Identifier: Apache-2.0
/*
 * packet_filter.h - which packets a packet socket sees: classic BPF, in words
 *
 * Loads beyond a packet's end make it one that is not seen (Documentation/networking/filter.rst).
 */
#ifndef BELLJAR_GATE_INSIDE_PACKET_FILTER_H
#define BELLJAR_GATE_INSIDE_PACKET_FILTER_H

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#define AUX(what)	     ((uint32_t)(SKF_AD_OFF + (what)))
#define IP(at)		     ((uint32_t)(SKF_NET_OFF + (at)))
#define LOAD(size, at)	     BPF_STMT(BPF_LD | (size) | BPF_ABS, at)
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define SEEN		     BPF_STMT(BPF_RET | BPF_K, 0xffffffff)
#define UNSEEN		     BPF_STMT(BPF_RET | BPF_K, 0)

/** packet_filter() - socket @s sees what @code says; -1: errno */
static inline int packet_filter(int s, struct sock_filter *code, size_t n)
{
	struct sock_fprog program = { (unsigned short)n, code };

	return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

#endif
