// SPDX-License-Identifier: Apache-2.0
/*
 * moment.h - times that the user gives
 */
#ifndef BELLJAR_CMD_MOMENT_H
#define BELLJAR_CMD_MOMENT_H

#include "base/base.h"

/** struct moment - a time that the user gave: after a run's start, or on the wall */
struct moment {
	bool given;
	bool wall;   /* .ns is CLOCK_REALTIME */
	bool of_day; /* wall, and only the time of day is known: ns since midnight UTC */
	uint64_t ns;
};
/** moment_parse() - 12.5s, 300ms, 2m, 1h, 90 (seconds), 2026-11-23T19:24:01Z, 19:24:01. -EINVAL */
int moment_parse(const char *s, struct moment *ret);
/** moment_in_run() - as ns since the start of a run that began at @run_wall; false: before it */
bool moment_in_run(const struct moment *m, uint64_t run_wall, uint64_t *ret_t);

#endif
