// SPDX-License-Identifier: Apache-2.0
/*
 * become_gate.c - what needs the gate is done by belljar-gate
 *
 * The functions of the gate that a run calls are refused here, so that OpenSSL is not linked into
 * the program that every run starts with: a run with a network must have become the other one.
 */
#include "cmd/cmd.h"
#include "cmd/network_options.h"

int gate_box_ca(int box_dirfd UNUSED, const char *box_name UNUSED, struct gate_ca *ret UNUSED,
		struct err *err)
{
	return err_set(err, ENOSYS, "gate: is in the program 'belljar-gate'");
}

void gate_ca_clear(struct gate_ca *ca UNUSED)
{
	/* none was made */
}

int network_here(const struct network_opts *o, char **argv)
{
	return o->off ? -1 : become("belljar-gate", argv);
}

int gate_start(const struct gate_opts *opts UNUSED, struct gate **ret_gate UNUSED, struct err *err)
{
	return err_set(err, ENOSYS, "gate: is in the program 'belljar-gate'");
}

int gate_serve(struct gate *g UNUSED, struct journal *j UNUSED, void *owner_ctx UNUSED,
	       struct err *err)
{
	return err_set(err, ENOSYS, "gate: is in the program 'belljar-gate'");
}

int gate_set_policy(struct gate *g UNUSED, struct policy *p UNUSED, struct err *err)
{
	return err_set(err, ENOSYS, "gate: is in the program 'belljar-gate'");
}

void gate_set_manners(struct gate *g UNUSED, const struct gate_manners *m UNUSED)
{
	/* none was started */
}

void gate_box_time(struct gate *g UNUSED)
{
}

pid_t gate_pid(const struct gate *g UNUSED)
{
	return -1;
}

bool gate_failed(const struct gate *g UNUSED)
{
	return true;
}

void gate_stop(struct gate *g UNUSED)
{
	/* none was started */
}
