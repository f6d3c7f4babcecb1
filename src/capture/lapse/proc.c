// SPDX-License-Identifier: Apache-2.0
/*
 * proc.c - /proc/uptime and /proc/stat of the box say what its clocks say
 *
 * They are files of the box's own, mounted over the kernel's (box_opts.clock), that are written
 * anew at each jump and several times a second: a reader finds an uptime that is a little old.
 * Numbers only get longer, so there is always a whole file. /proc/stat is there for one line, the
 * date of the boot, which differs from the machine's only where the box began at another date.
 *
 * Start times of processes (/proc/PID/stat) are the kernel's: they are moments of its own uptime.
 */
#include <time.h>

#include "capture/lapse/lapse.h"

#define OLD_NS	 100000000 /* as old as they may be before they are written again */
#define STAT_MAX (1u << 20)

static uint64_t uptime_ns(const struct lapse *l)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec + l->clock->ahead;
}

static void put_uptime(struct lapse *l)
{
	uint64_t up = uptime_ns(l) / 10000000, idle = 0;
	cleanup_free char *text = NULL;
	char line[80], *at;
	size_t n;

	/* nobody works while the clock jumps */
	if (!read_file_at(AT_FDCWD, "/proc/uptime", 256, &text, &n) && (at = strchr(text, ' ')))
		idle = (uint64_t)(strtod(at, NULL) * 100);
	idle += l->clock->ahead / 10000000 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	n = (size_t)snprintf(line, sizeof(line), "%llu.%02llu %llu.%02llu\n",
			     (unsigned long long)up / 100, (unsigned long long)up % 100,
			     (unsigned long long)idle / 100, (unsigned long long)idle % 100);
	(void)!pwrite(l->uptime_fd, line, n, 0);
}

static void put_stat(struct lapse *l)
{
	cleanup_buf struct buf out = { .limit = STAT_MAX };
	cleanup_free char *text = NULL;
	uint64_t boot = clock_real_ns() + l->clock->ahead + l->clock->date - uptime_ns(l);
	char *at, *end;
	size_t n;

	if (read_file_at(AT_FDCWD, "/proc/stat", STAT_MAX, &text, &n))
		return;
	at = strstr(text, "\nbtime ");
	end = at ? strchr(at + 1, '\n') : NULL;
	if (!end)
		return;
	buf_add(&out, text, (size_t)(at - text));
	buf_printf(&out, "\nbtime %llu", (unsigned long long)(boot / NSEC_PER_SEC));
	buf_puts(&out, end);
	/* a file that was longer would keep its end */
	if (out.overflow || pwrite(l->stat_fd, out.p, out.n, 0) < 0 ||
	    ftruncate(l->stat_fd, (off_t)out.n))
		return;
}

void lapse_proc_put(struct lapse *l, bool now)
{
	uint64_t t = clock_mono_ns();

	if (!now && t - l->proc_real < OLD_NS)
		return;
	l->proc_real = t;
	if (l->uptime_fd >= 0)
		put_uptime(l);
	if (l->stat_fd >= 0)
		put_stat(l);
}

void lapse_proc_open(struct lapse *l)
{
	l->uptime_fd = open_in_box(l->rec, "/proc/uptime", O_WRONLY);
	l->stat_fd = l->clock->date ? open_in_box(l->rec, "/proc/stat", O_WRONLY) : -1;
	lapse_proc_put(l, true);
}

void lapse_proc_close(struct lapse *l)
{
	if (l->uptime_fd >= 0)
		close(l->uptime_fd);
	if (l->stat_fd >= 0)
		close(l->stat_fd);
}
