// SPDX-License-Identifier: Apache-2.0
/*
 * become_gate.c - what needs the gate is done by belljar-gate
 *
 * The functions of the gate that a run calls are refused here, so that OpenSSL is not linked into
 * the program that every run starts with: a run with a network must have become the other one.
 */
#include "cmd/cmd.h"
#include "gate/gate.h"

int cmd_gate(int argc UNUSED, char **argv)
{
	return become("belljar-gate", argv);
}

int gate_box_ca(int box_dirfd UNUSED, const char *box_name UNUSED, struct gate_ca *ret UNUSED,
		struct err *err)
{
	return err_set(err, ENOSYS, "gate: is in the program 'belljar-gate'");
}

void gate_ca_clear(struct gate_ca *ca UNUSED)
{
	/* none was made */
}
