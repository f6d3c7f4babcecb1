// SPDX-License-Identifier: Apache-2.0
/*
 * proc.c - /proc/uptime and /proc/stat of the box say what its clocks say
 *
 * They are files of the box's own, mounted over the kernel's (box_opts.clock), that are written
 * anew at each jump and several times a second: a reader finds an uptime that is a little old.
 * Numbers only get longer, so there is always a whole file. Of /proc/stat it is the time in which
 * processors were idle, since nobody works while the clock jumps, and the date of the boot where
 * the box began at another date. The kernel makes that file of all processors and interrupts, so it
 * is not asked for it at each jump.
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

/* "cpu", of all, or "cpu7"; then user, nice, system, idle … */
static void put_processor(const struct lapse *l, struct buf *out, const char *line, size_t n)
{
	uint64_t more = l->clock->ahead / (NSEC_PER_SEC / TICKS_PER_SEC);
	unsigned long long user, nice, system, idle;
	char name[16];
	int used;

	if (sscanf(line, "%15s %llu %llu %llu %llu%n", name, &user, &nice, &system, &idle, &used) !=
	    5) {
		buf_add(out, line, n);
		return;
	}
	if (line[3] == ' ')
		more *= (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	buf_printf(out, "%s%s %llu %llu %llu %llu", name, line[3] == ' ' ? " " : "", user, nice,
		   system, idle + more);
	buf_add(out, line + used, n - (size_t)used);
}

static void put_boot(const struct lapse *l, struct buf *out)
{
	uint64_t boot = clock_real_ns() + l->clock->ahead + l->clock->date - uptime_ns(l);

	buf_printf(out, "btime %llu", (unsigned long long)(boot / NSEC_PER_SEC));
}

static void put_stat(struct lapse *l)
{
	cleanup_buf struct buf out = { .limit = STAT_MAX };
	uint64_t now = clock_mono_ns();
	size_t n;

	if (!l->stat_text || now - l->stat_real >= OLD_NS) {
		free(l->stat_text);
		l->stat_text = NULL;
		l->stat_real = now;
		if (read_file_at(AT_FDCWD, "/proc/stat", STAT_MAX, &l->stat_text, &n))
			return;
	}
	for (const char *line = l->stat_text, *end; (end = strchr(line, '\n')); line = end + 1) {
		n = (size_t)(end - line);
		if (!strncmp(line, "cpu", 3))
			put_processor(l, &out, line, n);
		else if (l->clock->date && !strncmp(line, "btime ", 6))
			put_boot(l, &out);
		else
			buf_add(&out, line, n);
		buf_add(&out, "\n", 1);
	}
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
	l->stat_fd = open_in_box(l->rec, "/proc/stat", O_WRONLY);
	lapse_proc_put(l, true);
}

void lapse_proc_close(struct lapse *l)
{
	if (l->uptime_fd >= 0)
		close(l->uptime_fd);
	if (l->stat_fd >= 0)
		close(l->stat_fd);
	free(l->stat_text);
}
