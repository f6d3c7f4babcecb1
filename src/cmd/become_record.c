// SPDX-License-Identifier: Apache-2.0
/*
 * become_record.c - what reads or keeps a record is done by belljar-record
 *
 * The program that every command starts with is linked statically, for the speed of a start, and
 * does one thing itself: a run of which nobody will read. So it can load no OpenSSL, and what a run
 * calls only if it keeps its record is refused here.
 */
#include "base/openssl.h"
#include "capture/capture.h"
#include "cmd/cmd.h"

#define BY_RECORD(name)                                                                            \
	int cmd_##name(int argc UNUSED, char **argv)                                               \
	{                                                                                          \
		return become("belljar-record", argv);                                             \
	}

BY_RECORD(restart)
BY_RECORD(examine)
BY_RECORD(list)
BY_RECORD(show)
BY_RECORD(snapshot)
BY_RECORD(rollback)
BY_RECORD(remove)
BY_RECORD(changes)
BY_RECORD(events)
BY_RECORD(policy)
BY_RECORD(verify)
BY_RECORD(doctor)

int record_here(bool passing, char **argv)
{
	return passing ? -1 : become("belljar-record", argv);
}

const struct openssl *openssl_load(struct err *err)
{
	err_set(err, ENOSYS, "base: OpenSSL is in the program 'belljar-record'");
	return NULL;
}

int truth_record(struct box *box UNUSED, struct box_run *run UNUSED, struct journal *j UNUSED,
		 uint32_t run_nr UNUSED, struct err *err)
{
	return err_set(err, ENOSYS, "capture: a record's truth is in the program 'belljar-record'");
}
