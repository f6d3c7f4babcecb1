// SPDX-License-Identifier: Apache-2.0
/*
 * clock_options.h - the options of subcommands that start programs: what their time is
 */
#ifndef BELLJAR_CMD_CLOCK_OPTIONS_H
#define BELLJAR_CMD_CLOCK_OPTIONS_H

#include <getopt.h>

#include "session/session.h"

enum { OPT_SPEED = 2048, OPT_UNTIL };
/* rows for getopt_long() */
#define CLOCK_OPTIONS                                                                              \
	{ "speed", required_argument, NULL, OPT_SPEED },                                           \
	{                                                                                          \
		"until", required_argument, NULL, OPT_UNTIL                                        \
	}

/** clock_option() - one option of @sub. Return: 0, an exit status after its sentence, -1: none of
 * these */
int clock_option(const char *sub, struct session_opts *o, int c, const char *value);

#endif
