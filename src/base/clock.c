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

uint64_t box_clock_date(const struct box_clock *c, uint64_t real_ns)
{
	uint64_t n = c ? c->njumps : 0, ahead = 0;

	if (!c)
		return real_ns;
	for (uint64_t i = 0; i < n && i < BOX_CLOCK_JUMPS; i++) {
		uint64_t at = (n - 1 - i) % BOX_CLOCK_JUMPS;

		ahead = c->jump[at].ahead;
		if (c->jump[at].real <= real_ns)
			return real_ns + ahead + c->date;
		if (i + 1 == n)
			ahead = 0; /* before the first */
	}
	return real_ns + ahead + c->date;
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
