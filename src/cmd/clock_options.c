// SPDX-License-Identifier: Apache-2.0
/*
 * clock_options.c - --speed and --until
 */
#include "cmd/clock_options.h"

#include "cmd/cmd.h"
#include "cmd/moment.h"

/* A date is its first moment, UTC. */
static bool date_of(const char *text, int64_t *ret)
{
	char whole[64];
	struct moment m;

	snprintf(whole, sizeof(whole), strlen(text) == 10 ? "%sT00:00:00Z" : "%s", text);
	if (moment_parse(whole, &m) || !m.wall || m.of_day || m.ns > INT64_MAX)
		return false;
	*ret = (int64_t)m.ns;
	return true;
}

int clock_option(const char *sub, struct session_opts *o, int c, const char *value)
{
	switch (c) {
	case OPT_SPEED:
		o->speed = !strcmp(value, "lapse") ? SPEED_LAPSE : SPEED_REAL;
		if (o->speed == SPEED_REAL && strcmp(value, "real") != 0)
			return cmd_usage(sub, "--speed cannot be '%s'", value);
		return 0;
	case OPT_UNTIL:
		if (!date_of(value, &o->date_ns))
			return cmd_usage(sub, "--until cannot be '%s'", value);
		if (o->date_ns < SESSION_DATE_MIN)
			return cmd_usage(sub, "--until cannot be before 1990: '%s'", value);
		o->speed = SPEED_LAPSE;
		return 0;
	}
	return -1;
}
