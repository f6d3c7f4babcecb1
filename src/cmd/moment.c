// SPDX-License-Identifier: Apache-2.0
/*
 * moment.c - from what the user typed to a time
 */
#include "cmd/moment.h"

#include <time.h>

static int parse_after_start(const char *s, struct moment *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 },   { "s", 1e9 },    { "ms", 1e6 },   { "us", 1e3 },	{ "ns", 1 },
		      { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
	char *end;
	double v;

	if (!strchr("0123456789.", *s) || !*s || strchr(s, 'x') || strchr(s, 'X'))
		return -EINVAL;
	v = strtod(s, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (end == s || strcmp(end, units[i].unit))
			continue;
		if (!(v >= 0) || v * units[i].ns > 9e18)
			return -EINVAL;
		*ret = (struct moment){ .given = true, .ns = (uint64_t)(v * units[i].ns + 0.5) };
		return 0;
	}
	return -EINVAL;
}

/* ".123" after the seconds, then the zone; for a time of day there is none */
static int parse_rest(const char *s, bool zone, uint64_t *ret_ns, long *ret_offset)
{
	int h, m, n = 0;
	uint64_t scale = NSEC_PER_SEC / 10;

	*ret_ns = 0;
	*ret_offset = 0;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10)
			*ret_ns += (uint64_t)(*s - '0') * scale;
	if (!zone || !strcmp(s, "Z") || !strcmp(s, "z"))
		return *s && !zone ? -EINVAL : 0;
	if ((*s == '+' || *s == '-') && sscanf(s + 1, "%2d:%2d%n", &h, &m, &n) == 2 && !s[1 + n] &&
	    h >= 0 && h < 24 && m >= 0 && m < 60) {
		*ret_offset = (*s == '+' ? 1 : -1) * (h * 3600L + m * 60L);
		return 0;
	}
	return -EINVAL;
}

int moment_parse(const char *s, struct moment *ret)
{
	struct tm tm = { 0 };
	const char *rest;
	uint64_t ns;
	long offset;
	time_t t;

	if (!parse_after_start(s, ret))
		return 0;
	rest = strptime(s, "%H:%M:%S", &tm);
	if (rest && !parse_rest(rest, false, &ns, &offset)) {
		*ret = (struct moment){ true, true, true,
					(uint64_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) *
							NSEC_PER_SEC +
						ns };
		return 0;
	}
	memset(&tm, 0, sizeof(tm));
	rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		rest = strptime(s, "%Y-%m-%d %H:%M:%S", &tm);
	if (!rest || parse_rest(rest, true, &ns, &offset))
		return -EINVAL;
	t = timegm(&tm) - offset;
	if (t < 0)
		return -EINVAL;
	*ret = (struct moment){ true, true, false, (uint64_t)t * NSEC_PER_SEC + ns };
	return 0;
}

bool moment_in_run(const struct moment *m, uint64_t run_wall, uint64_t *ret_t)
{
	const uint64_t day = 86400 * NSEC_PER_SEC;
	uint64_t wall = m->ns;

	if (!m->wall) {
		*ret_t = m->ns;
		return true;
	}
	if (m->of_day) {
		/* the next time it is that late after the start, within the same minute as before
		 */
		wall = run_wall / day * day + m->ns;
		if (wall + 60 * NSEC_PER_SEC < run_wall)
			wall += day;
	}
	*ret_t = wall > run_wall ? wall - run_wall : 0;
	return wall >= run_wall;
}
