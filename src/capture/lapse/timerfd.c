// SPDX-License-Identifier: Apache-2.0
/*
 * timerfd.c - timers with a descriptor (timerfd_create(2)) have as much left as in the box
 *
 * Invariant: between jumps, what is left of such a timer in the kernel is what is left of it in the
 * box. A jump takes its length from each, through a copy of the descriptor that is there for that
 * moment only (one that stayed would keep a closed timer in its epoll set). What has fired and was
 * not read stays readable: its number is put back.
 */
#include <dirent.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "capture/lapse/lapse.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/** struct timerfds - copies of all, each once */
struct timerfds {
	int n;
	int fd[LAPSE_TIMERFDS];
};

static bool is_known(const struct timerfds *t, int fd)
{
	for (int i = 0; i < t->n; i++)
		if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, t->fd[i], fd) == 0)
			return true;
	return false;
}

static void of_process(struct lapse *l, struct timerfds *t, pid_t tgid)
{
	cleanup_close int pidfd = -1;
	struct dirent *e;
	int fd = lapse_open(l, tgid, LAPSE_FDS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char to[32];

	for (int i = 0; d && i < LAPSE_SCAN_FDS && (e = readdir(d)); i++) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to));

		if (n != 20 || memcmp(to, "anon_inode:[timerfd]", 20) || t->n == LAPSE_TIMERFDS)
			continue;
		if (pidfd < 0)
			pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
		fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
		if (fd >= 0 && is_known(t, fd))
			close(fd);
		else if (fd >= 0)
			t->fd[t->n++] = fd;
	}
	if (d)
		closedir(d);
}

static void gather(struct lapse *l, struct timerfds *t)
{
	struct clocked *c, *next;

	t->n = 0;
	if (!atomic_load(&l->timerfds))
		return;
	HASH_ITER(hh, l->clocked, c, next)
	of_process(l, t, c->tgid);
}

static void let_go(struct timerfds *t)
{
	for (int i = 0; i < t->n; i++)
		close(t->fd[i]);
	t->n = 0;
}

static uint64_t ns_of(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

static struct timespec of_ns(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
}

uint64_t timerfds_next(struct lapse *l)
{
	uint64_t next = LAPSE_NEVER, left;
	struct itimerspec it;
	struct timerfds t;

	gather(l, &t);
	for (int i = 0; i < t.n; i++) {
		left = timerfd_gettime(t.fd[i], &it) ? 0 : ns_of(&it.it_value);
		if (left && left < next)
			next = left;
	}
	let_go(&t);
	return next;
}

static uint64_t unread(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char name[64], text[512], *at;
	ssize_t n;
	int info;

	if (poll(&p, 1, 0) != 1)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = open(name, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (info >= 0)
		close(info);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "ticks:");
	return at ? strtoull(at + 6, NULL, 10) : 1;
}

static void take(int fd, uint64_t ns)
{
	uint64_t left, interval, ticks = unread(fd), due = 0;
	struct itimerspec it;

	if (timerfd_gettime(fd, &it))
		return;
	left = ns_of(&it.it_value);
	interval = ns_of(&it.it_interval);
	if (!left)
		return;
	if (left > ns) {
		left -= ns;
	} else {
		/* Fires now: by its number, for the kernel's own timer could be late, and the clock
		 * be put forward again before it has woken anybody. */
		due = 1 + (interval ? (ns - left) / interval : 0);
		left = interval ? interval - (ns - left) % interval : 0;
	}
	ticks += due;
	it.it_value = of_ns(left);
	if (timerfd_settime(fd, 0, &it, NULL) || !ticks || !ioctl(fd, TFD_IOC_SET_TICKS, &ticks) ||
	    !due)
		return;
	/* a kernel without that number: only the last of them, by its timer */
	it.it_value = of_ns(1);
	timerfd_settime(fd, 0, &it, NULL);
}

void timerfds_take(struct lapse *l, uint64_t ns)
{
	struct timerfds t;

	gather(l, &t);
	for (int i = 0; i < t.n; i++)
		take(t.fd[i], ns);
	let_go(&t);
}
