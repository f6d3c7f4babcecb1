// SPDX-License-Identifier: Apache-2.0
/*
 * decoy_reads.c - which decoys are opened, and by whom as far as that can be told
 *
 * Theory of operation
 *
 * Opening a file for reading is not held (calls.def): it would be too dear, and a filter cannot see
 * a path. So the kernel is asked to tell when one of a few files is opened (inotify(7)), through
 * the box's own mounts, which needs no privilege. It does not say who opened it. A thread of its
 * own looks at once which process of the box has the file open; one that has closed it again by
 * then is not found, and then its name stays open, unless the box has had one process only.
 * fanotify would say who, but to the host's root alone; a lease would hold the one who opens, and
 * fail those who do not want to wait (tar, grep -r).
 *
 * A file that the supervisor may not read itself (of the box's user, in a range of ids) is watched
 * for it by a child in the box's user namespace, which shares the watch.
 */
#include <dirent.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "capture/recorder.h"

#define DECOYS_MAX 128
#define READS_MAX  1000 /* that are told in a run */

struct decoy_reads {
	struct recorder *rec;
	int inotify, wake;
	pthread_t thread;
	bool threaded;
	unsigned told;
	int n;
	char *path[DECOYS_MAX];
	int *wd; /* of each, -1 none; shared with the child */
};

/* ---- watching ----------------------------------------------------------------------------- */

static int watch(const struct decoy_reads *d, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT };
	cleanup_close int fd = (int)syscall(SYS_openat2, d->rec->rootfd, path, &how, sizeof(how));
	char name[64];
	int wd;

	if (fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(d->inotify, name, IN_OPEN);
	return wd < 0 ? -errno : wd;
}

static int watch_rest(void *ctx)
{
	struct decoy_reads *d = ctx;

	for (int i = 0; i < d->n; i++)
		if (d->wd[i] == -EACCES)
			d->wd[i] = watch(d, d->path[i]);
	return 0;
}

static bool watch_all(struct decoy_reads *d)
{
	bool denied = false, some = false;
	int status;

	for (int i = 0; i < d->n; i++) {
		d->wd[i] = watch(d, d->path[i]);
		denied |= d->wd[i] == -EACCES;
	}
	if (denied)
		(void)box_run_in_userns(d->rec->run, watch_rest, d, &status, NULL);
	for (int i = 0; i < d->n; i++)
		some |= d->wd[i] >= 0;
	return some;
}

/* ---- who ---------------------------------------------------------------------------------- */

struct search {
	const char *path;
	uint32_t found;
};

static bool has_open(pid_t pid, const char *path)
{
	char name[64], link[4096];
	DIR *dir;
	struct dirent *e;
	bool found = false;

	snprintf(name, sizeof(name), "/proc/%d/fd", pid);
	dir = opendir(name);
	while (dir && !found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		found = n > 0 && (size_t)n == strlen(path) && !memcmp(link, path, (size_t)n);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void look(void *ctx, const struct proc *p)
{
	struct search *s = ctx;

	if (!s->found && has_open(p->tgid, s->path))
		s->found = p->key;
}

static void tell(struct decoy_reads *d, const char *path)
{
	struct event ev = { .kind = EV_FILE };
	struct search s = { .path = path };
	uint32_t only;

	if (d->told++ >= READS_MAX) {
		if (d->told > READS_MAX + 1)
			return;
		ev.kind = EV_LIMIT;
		ev.v[EV_AT(LIMIT, WHAT)] = V_Z("decoys");
		ev.v[EV_AT(LIMIT, VALUE)] = V_INT(READS_MAX);
		ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("recorder");
		ev.v[EV_AT(LIMIT, DETAIL)] = V_Z("that decoys are opened again is not told");
		recorder_append(d->rec, &ev);
		return;
	}
	pthread_mutex_lock(&d->rec->lock);
	proctab_processes(d->rec->procs, look, &s);
	only = proctab_only(d->rec->procs);
	pthread_mutex_unlock(&d->rec->lock);
	ev.proc = s.found ? s.found : only;
	ev.v[EV_AT(FILE, OP)] = V_Z("read-decoy");
	ev.v[EV_AT(FILE, PATH)] = V_Z(path);
	if (!ev.proc)
		ev.v[EV_AT(FILE, DETAIL)] =
			V_Z("by one of several processes: it had closed it again "
			    "before it was found");
	recorder_append(d->rec, &ev);
}

static void lost(struct decoy_reads *d)
{
	struct event ev = { .kind = EV_GAP };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("decoys");
	ev.v[EV_AT(GAP, DETAIL)] = V_Z("decoys were opened more often than could be told");
	recorder_append(d->rec, &ev);
}

static void take(struct decoy_reads *d)
{
	union {
		char bytes[8192];
		struct inotify_event align;
	} b;
	ssize_t k;

	while ((k = read(d->inotify, b.bytes, sizeof(b.bytes))) > 0)
		for (ssize_t at = 0; at < k;) {
			const struct inotify_event *e = (const void *)(b.bytes + at);

			if (e->mask & IN_Q_OVERFLOW)
				lost(d);
			for (int i = 0; i < d->n; i++)
				if (e->mask & IN_OPEN && d->wd[i] == e->wd)
					tell(d, d->path[i]);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
}

static void *thread(void *arg)
{
	struct decoy_reads *d = arg;
	struct pollfd p[2] = { { .fd = d->inotify, .events = POLLIN },
			       { .fd = d->wake, .events = POLLIN } };

	while (!p[1].revents) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		take(d);
	}
	return NULL;
}

/* ---- life --------------------------------------------------------------------------------- */

static void take_path(void *ctx, const char *path)
{
	struct decoy_reads *d = ctx;

	if (d->n < DECOYS_MAX)
		d->path[d->n++] = xstrdup(path);
}

void recorder_watch_decoys(struct recorder *rec)
{
	struct decoy_reads *d = xcalloc(1, sizeof(*d));

	rec->decoys = d;
	d->rec = rec;
	d->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	d->wake = eventfd(0, EFD_CLOEXEC);
	d->wd = mmap(NULL, DECOYS_MAX * sizeof(int), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	box_decoys(take_path, d);
	if (d->inotify < 0 || d->wake < 0 || d->wd == MAP_FAILED) {
		if (d->wd == MAP_FAILED)
			d->wd = NULL;
		lost(d);
	} else if (watch_all(d)) {
		d->threaded = !pthread_create(&d->thread, NULL, thread, d);
	}
}

void decoy_reads_free(struct decoy_reads *d)
{
	uint64_t one = 1;

	if (!d)
		return;
	if (d->threaded) {
		(void)!write(d->wake, &one, sizeof(one));
		pthread_join(d->thread, NULL);
	}
	if (d->inotify >= 0)
		close(d->inotify);
	if (d->wake >= 0)
		close(d->wake);
	if (d->wd)
		munmap(d->wd, DECOYS_MAX * sizeof(int));
	for (int i = 0; i < d->n; i++)
		free(d->path[i]);
	free(d);
}
