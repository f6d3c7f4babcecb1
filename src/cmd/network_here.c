// SPDX-License-Identifier: Apache-2.0
/*
 * network_here.c - in the program that has the gate, a run with a network is made here
 */
#include "cmd/network_options.h"

int network_here(const struct network_opts *o UNUSED, char **argv UNUSED)
{
	return -1;
}
