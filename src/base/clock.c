// SPDX-License-Identifier: Apache-2.0
/*
 * clock.c - the two clocks of the record
 */
#include <time.h>

#include "base/base.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

const char *clock_iso(uint64_t ns, char buf[CLOCK_ISO_MAX])
{
	time_t s = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&s, &tm))
		n = strftime(buf, CLOCK_ISO_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, CLOCK_ISO_MAX - n, ".%03uZ", (unsigned)(ns % NSEC_PER_SEC / 1000000));
	return buf;
}
