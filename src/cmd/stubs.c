// SPDX-License-Identifier: Apache-2.0
/* Scaffold while the subcommands are written: weak, so that a real one replaces it. */
#include "cmd/cmd.h"
#define STUB(name)                                                                                 \
	__attribute__((weak)) int cmd_##name(int argc UNUSED, char **argv UNUSED)                  \
	{                                                                                          \
		return EXIT_INTERNAL;                                                              \
	}
STUB(run)
STUB(restart)
STUB(list) STUB(show) STUB(snapshot) STUB(rollback) STUB(remove) STUB(export) STUB(import)
	STUB(events) STUB(report) STUB(verify) STUB(doctor)

#include "capture/capture.h"
