// SPDX-License-Identifier: Apache-2.0
/*
 * net.h - what the box's network looks like, and where its packets go (net.c says how)
 */
#ifndef BELLJAR_BOX_NET_H
#define BELLJAR_BOX_NET_H

#include "box/runtime.h"

/* As behind the address translation of a common virtual machine, IPv4 and IPv6. */
#define NET_INTERFACE "eth0"
#define NET_ADDRESS   "10.0.2.15"
#define NET_GATEWAY   "10.0.2.2"
#define NET_RESOLVER  "10.0.2.3"
#define NET_BITS      24
#define NET_ADDRESS6  "fd17:625c:f037:2::15"
#define NET_GATEWAY6  "fd17:625c:f037:2::2"
#define NET_BITS6     64

#define NET_GATE_MARK BOX_GATE_MARK
#define NET_GATE_PORT BOX_GATE_PORT
#define NET_NFT_TABLE "belljar"
#define NET_MARK_OUT  1u /* what programs send */

bool net_has_ipv6(void);
/** net_interface() - eth0 with addresses and routes */
int net_interface(const uint8_t mac[6], struct err *err);
/** net_rules() - the rules that mark what leaves, and bring it to NET_GATE_PORT */
int net_rules(struct err *err);
/** net_redirect() - the rules that bring what leaves to NET_GATE_PORT, and the table in which all
 * is local */
int net_redirect(struct err *err);
/** net_read_out() - instead: what leaves can be read at eth0 as it would be on a wire */
int net_read_out(struct err *err);

#endif
