// SPDX-License-Identifier: Apache-2.0
/*
 * become_gate_read.c - the subcommand gate is done by belljar-gate
 */
#include "cmd/cmd.h"

int cmd_gate(int argc UNUSED, char **argv)
{
	return become("belljar-gate", argv);
}
