// SPDX-License-Identifier: Apache-2.0
/*
 * limits.c - hold a box to its limits, and see when it reaches one
 *
 * Theory of operation
 *
 * Memory, processes, CPU: a cgroup, made by the broker (started by root) or by ourselves in a
 * delegated tree. Without one: RLIMIT_NPROC (counted by user namespace and id) with pid_max of the
 * box's pid namespace (counts all ids; before Linux 6.14 it is the host's, and the recorder ends
 * what is born beyond the number), System V shared memory by shmall, CPU by affinity; and
 * memory is summed up from outside and the box ended when there is too much.
 *
 * A cgroup is made only for limits that were asked for: moving a process into one waits for all
 * CPUs (10 to 30 ms where bubblewrap's whole start takes 20), and the defaults, which guard the
 * machine against accidents, are held well enough without.
 *
 * Disk and inodes: the layer's tmpfs has its size. A layer on disk has no quota: each file is
 * bounded by RLIMIT_FSIZE, what the file system has less than at the start is looked at all the
 * time (statfs is cheap), and when that could be us, or WALK_SECONDS have passed, a child walks
 * the layer and counts.
 *
 * All of it is looked at every POLL_MS while box_wait() waits, and before a program's exit is told.
 * A limit is told once a run.
 */
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "box/limits.h"

#define POLL_FIRST_MS 10
#define POLL_MS	      100
#define WALK_SECONDS  30
#define WALK_SHARE    20    /* a walk takes at most 1/20 of the time */
#define FULL_BYTES    65536 /* a tmpfs with less than this free is full */

static const char *const limit_name[] = {
	[LIMIT_MEMORY] = "memory", [LIMIT_CPUS] = "cpus",     [LIMIT_PIDS] = "pids",
	[LIMIT_DISK] = "disk",	   [LIMIT_INODES] = "inodes", [LIMIT_TIME] = "time",
};
static_assert(ARRAY_SIZE(limit_name) == LIMIT_KINDS, "a name for each limit");

static void tell(struct box_run *run, enum limit_kind what, uint64_t value, bool fatal)
{
	struct limits *l = run->limits;

	if (l->told[what])
		return;
	l->told[what] = true;
	run_queue(run, &(struct box_event){ .what = BOX_LIMIT,
					    .limit = limit_name[what],
					    .value = value,
					    .mechanism = l->how[what],
					    .fatal = fatal });
}

static void set_how(struct limits *l, enum limit_kind what, const char *how)
{
	snprintf(l->how[what], sizeof(l->how[what]), "%s", how);
}

/* ---- before the box is made --------------------------------------------------------------- */

/* "memory=cgroup1;pids=cgroup1;cpu=cgroup2" */
static void take_how(struct limits *l, char *how)
{
	static const struct {
		const char *key;
		enum limit_kind what;
	} keys[] = { { "memory=", LIMIT_MEMORY }, { "pids=", LIMIT_PIDS }, { "cpu=", LIMIT_CPUS } };
	char *save;

	for (char *w = strtok_r(how, ";", &save); w; w = strtok_r(NULL, ";", &save))
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (str_starts(str_z(w), keys[i].key))
				set_how(l, keys[i].what, w + strlen(keys[i].key));
}

static void events_of_broker(struct limits *l)
{
	char dir[4096];
	bool v2;

	if (l->how[LIMIT_PIDS][0] && !cgroup_dir("pids", l->cgroup, dir, &v2))
		snprintf(l->events_pids, sizeof(l->events_pids), "%s/pids.events", dir);
	if (l->how[LIMIT_MEMORY][0] && !cgroup_dir("memory", l->cgroup, dir, &v2))
		snprintf(l->events_memory, sizeof(l->events_memory), "%s/%s", dir,
			 v2 ? "memory.events" : "memory.oom_control");
}

static void use_broker(struct limits *l, struct box_run *run)
{
	cleanup_close int noted = home_note_cgroups(run->box->home);
	struct box_limits set = l->set;
	char how[256];

	if (noted < 0)
		return; /* after a kill -9 nobody would look for it */

	snprintf(l->cgroup, sizeof(l->cgroup), "run-%d-%llx", (int)getpid(),
		 (unsigned long long)(run->started_ns & 0xffffffffffull));
	set.pids++; /* pid 1 is one of them and not the program's */
	if (broker_cgroup_make(run->box->home, l->cgroup, run->pid1, &set, how, NULL)) {
		l->cgroup[0] = 0;
		return;
	}
	take_how(l, how);
	events_of_broker(l);
}

static void use_own(struct limits *l, struct box_run *run)
{
	struct own_has has;

	if (own_cgroup_here(run->pid1, &l->set, l->own_cgroup, &has)) {
		l->own_cgroup[0] = 0;
		return;
	}
	if (has.memory) {
		set_how(l, LIMIT_MEMORY, "cgroup2");
		snprintf(l->events_memory, sizeof(l->events_memory), "%s/memory.events",
			 l->own_cgroup);
	}
	if (has.pids) {
		set_how(l, LIMIT_PIDS, "cgroup2");
		snprintf(l->events_pids, sizeof(l->events_pids), "%s/pids.events", l->own_cgroup);
	}
	if (has.cpu)
		set_how(l, LIMIT_CPUS, "cgroup2");
}

/* Without a cgroup: whole CPUs, of those that we may use. A program may undo it. */
static void use_affinity(struct limits *l, pid_t pid1)
{
	int want = (int)ceil(l->set.cpus);
	cpu_set_t have, use;

	CPU_ZERO(&use);
	if (sched_getaffinity(0, sizeof(have), &have))
		return;
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&use) < want; i++)
		if (CPU_ISSET(i, &have))
			CPU_SET(i, &use);
	if (!sched_setaffinity(pid1, sizeof(use), &use))
		set_how(l, LIMIT_CPUS, "affinity");
}

struct limits *limits_before(struct box_run *run, struct go *ret_go)
{
	struct limits *l = xcalloc(1, sizeof(*l));

	l->set = run->limits_set;
	l->walker_pipe = l->shm = l->run = -1;
	if (!run->want_cgroup)
		; /* see above */
	else if (run->box->home->broker >= 0)
		use_broker(l, run);
	else
		use_own(l, run);
	if (l->set.cpus > 0 && !l->how[LIMIT_CPUS][0])
		use_affinity(l, run->pid1);
	*ret_go = (struct go){
		.nproc = !l->how[LIMIT_PIDS][0],
		.pid_max = !l->how[LIMIT_PIDS][0],
		.shmall = !l->how[LIMIT_MEMORY][0],
	};
	return l;
}

/* ---- once it is made ---------------------------------------------------------------------- */

static void free_now(const struct box_run *run, uint64_t *ret_bytes, uint64_t *ret_inodes)
{
	struct statfs s;

	*ret_bytes = *ret_inodes = 0;
	if (!fstatfs(run->layerfd, &s)) {
		*ret_bytes = (uint64_t)s.f_bfree * (uint64_t)s.f_bsize;
		*ret_inodes = s.f_ffree;
	}
}

static void describe(struct limits *l)
{
	struct buf b = { .limit = sizeof(l->text) };
	double value[LIMIT_KINDS] = {
		[LIMIT_MEMORY] = (double)l->set.memory,
		[LIMIT_CPUS] = l->set.cpus,
		[LIMIT_PIDS] = l->set.pids,
		[LIMIT_DISK] = (double)l->set.disk,
		[LIMIT_INODES] = (double)l->set.inodes,
		[LIMIT_TIME] = l->set.time,
	};

	for (int i = 0; i < LIMIT_KINDS; i++)
		if (value[i] > 0)
			buf_printf(&b, "%s%s=%.15g(%s)", b.n ? ";" : "", limit_name[i], value[i],
				   l->how[i][0] ? l->how[i] : "none");
	snprintf(l->text, sizeof(l->text), "%s", buf_z(&b));
	buf_free(&b);
}

/* Where the kernel keeps all memfds and System V segments: one file system nobody can mount. */
static dev_t memfd_device(void)
{
	cleanup_close int fd = memfd_create("belljar", MFD_CLOEXEC);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? st.st_dev : 0;
}

void limits_ready(struct box_run *run, const struct report *ready)
{
	struct limits *l = run->limits;
	bool disk = ready->layer_on_disk;

	if (ready->go.nproc) {
		run->walls.nproc = (uint64_t)l->set.pids + 1;
		set_how(l, LIMIT_PIDS,
			ready->go.pid_max ? "RLIMIT_NPROC,pid_max" : "RLIMIT_NPROC,ptrace");
	}
	if (!l->how[LIMIT_MEMORY][0])
		set_how(l, LIMIT_MEMORY, "polling");
	set_how(l, LIMIT_DISK, disk ? "polling,RLIMIT_FSIZE" : "tmpfs");
	set_how(l, LIMIT_INODES, disk ? "polling" : "tmpfs");
	set_how(l, LIMIT_TIME, "clock");
	l->shm = openat(run->rootfd, "dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	l->run = openat(run->rootfd, "run", O_PATH | O_DIRECTORY | O_CLOEXEC);
	l->unlinked_next_ns = run->started_ns + NSEC_PER_SEC;
	if (disk) {
		run->walls.fsize = l->set.disk;
		run->tmpfs_layer = false;
		free_now(run, &l->free_bytes, &l->free_inodes);
		l->walked_ns = run->started_ns;
	}
	l->interval_ns = POLL_FIRST_MS * 1000000ull;
	l->next_ns = clock_mono_ns() + l->interval_ns;
	describe(l);
}

int limits_due_ms(struct limits *l)
{
	uint64_t now = clock_mono_ns();

	if (!l)
		return -1;
	return now >= l->next_ns ? 0 : (int)((l->next_ns - now) / 1000000 + 1);
}

/* ---- looking ------------------------------------------------------------------------------ */

/* Memory files and deleted files, which no tree shows; slow, so not each time. */
static void look_at_unlinked(struct box_run *run)
{
	struct limits *l = run->limits;
	uint64_t now = clock_mono_ns();

	if (now < l->unlinked_next_ns)
		return;
	if (!l->memfd_dev)
		l->memfd_dev = memfd_device();
	usage_unlinked(run->rootfd, l->memfd_dev, &l->memfd_bytes, &l->deleted_bytes);
	l->unlinked_next_ns = now + NSEC_PER_SEC + (clock_mono_ns() - now) * WALK_SHARE;
}

/* Whoever has memory files or those of a tmpfs mapped has pages that are counted as files already:
 * the larger of the two is what there is at least. */
static uint64_t in_use(const struct usage *u, uint64_t files)
{
	return u->memory + (u->shared > files ? u->shared : files);
}

static void check_counted(struct box_run *run)
{
	struct limits *l = run->limits;
	bool tasks = !l->events_pids[0] && !l->told[LIMIT_PIDS];
	bool memory = !l->events_memory[0] && !l->told[LIMIT_MEMORY];
	uint64_t files;
	struct usage u;

	if (!tasks && !memory)
		return;
	usage_count(run->rootfd, USAGE_RESIDENT, &u);
	/* processes that fail to fork come and go: close below the limit is at it */
	if (tasks && u.tasks + 1 + l->set.pids / 64 >= l->set.pids)
		tell(run, LIMIT_PIDS, u.tasks, false);
	if (!memory)
		return;
	files = usage_tmpfs(l->shm) + usage_tmpfs(l->run);
	if (run->tmpfs_layer)
		files += usage_tmpfs(run->layerfd);
	look_at_unlinked(run);
	files += l->memfd_bytes;
	if (u.memory + files < l->set.memory)
		return;
	usage_count(run->rootfd, USAGE_MAPPED, &u);
	if (in_use(&u, files) < l->set.memory)
		return;
	usage_count(run->rootfd, USAGE_SHARE, &u);
	if (in_use(&u, files) >= l->set.memory)
		tell(run, LIMIT_MEMORY, in_use(&u, files), true);
}

static void check_cgroups(struct box_run *run)
{
	struct limits *l = run->limits;

	if (!l->told[LIMIT_PIDS] && cgroup_counter(l->events_pids, "max"))
		tell(run, LIMIT_PIDS, l->set.pids, false);
	if (!l->told[LIMIT_MEMORY] && cgroup_counter(l->events_memory, "oom_kill"))
		tell(run, LIMIT_MEMORY, l->set.memory, false);
}

static void check_tmpfs(struct box_run *run)
{
	struct statfs s;

	if (fstatfs(run->layerfd, &s))
		return;
	if (s.f_blocks && (uint64_t)s.f_bfree * (uint64_t)s.f_bsize < FULL_BYTES)
		tell(run, LIMIT_DISK, run->limits->set.disk, false);
	if (s.f_files && !s.f_ffree)
		tell(run, LIMIT_INODES, run->limits->set.inodes, false);
}

/* ---- a layer on disk ---------------------------------------------------------------------- */

struct found {
	uint64_t bytes, inodes, took_ns;
	bool whole;
};

/* The walk meets folders that only the box's ids may enter, so it runs in the box's user
 * namespace; of our descriptors it keeps none, or a program would wait for their end. */
static _Noreturn void walker(struct box_run *run, int out)
{
	struct found f = { 0 };
	uint64_t start = clock_mono_ns();
	int layer = fcntl(run->layerfd, F_DUPFD_CLOEXEC, 100);
	int userns = fcntl(run->userns, F_DUPFD_CLOEXEC, 100);

	dup2(out, 3);
	dup2(layer, 4);
	dup2(userns, 5);
	close_range(6, ~0u, 0);
	if (setns(5, CLONE_NEWUSER))
		_exit(EXIT_INTERNAL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	f.whole = usage_walk(4, &f.bytes, &f.inodes);
	f.took_ns = clock_mono_ns() - start;
	_exit(write_full(3, &f, sizeof(f)) ? EXIT_INTERNAL : 0);
}

static void walk_begin(struct box_run *run)
{
	struct limits *l = run->limits;
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return;
	l->walker = fork();
	if (l->walker == 0)
		walker(run, p[1]);
	close(p[1]);
	l->walker_pipe = p[0];
	/* what is written meanwhile counts for the next one */
	free_now(run, &l->free_bytes, &l->free_inodes);
}

static void walk_stop(struct limits *l)
{
	if (l->walker > 0) {
		kill(l->walker, SIGKILL);
		waitpid(l->walker, NULL, 0);
	}
	if (l->walker_pipe >= 0)
		close(l->walker_pipe);
	l->walker = 0;
	l->walker_pipe = -1;
}

static void walk_take(struct limits *l)
{
	struct pollfd p = { .fd = l->walker_pipe, .events = POLLIN };
	struct found f;

	if (l->walker_pipe < 0 || poll(&p, 1, 0) <= 0)
		return;
	if (read(l->walker_pipe, &f, sizeof(f)) == sizeof(f)) {
		l->walked_bytes = f.bytes;
		l->walked_inodes = f.inodes;
		l->walk_cost_ns = f.took_ns;
		l->walk_partial = !f.whole;
	}
	l->walked_ns = clock_mono_ns();
	walk_stop(l);
}

static uint64_t grown(uint64_t walked, uint64_t then, uint64_t now)
{
	return walked + (then > now ? then - now : 0);
}

static void check_disk(struct box_run *run)
{
	struct limits *l = run->limits;
	uint64_t bytes, inodes, now = clock_mono_ns(), since;
	bool near;

	if (l->told[LIMIT_DISK] && l->told[LIMIT_INODES])
		return;
	walk_take(l);
	free_now(run, &bytes, &inodes);
	/* at most what the last walk found and what has gone since, if all of that was us */
	bytes = grown(l->walked_bytes, l->free_bytes, bytes);
	inodes = grown(l->walked_inodes, l->free_inodes, inodes);
	if (l->walked_bytes >= l->set.disk || (l->walk_partial && bytes >= l->set.disk))
		tell(run, LIMIT_DISK, bytes, true);
	if (l->walked_inodes >= l->set.inodes || (l->walk_partial && inodes >= l->set.inodes))
		tell(run, LIMIT_INODES, inodes, true);
	if (bytes >= l->set.disk)
		look_at_unlinked(run);
	if (l->walked_bytes + l->deleted_bytes >= l->set.disk)
		tell(run, LIMIT_DISK, bytes, true);
	near = bytes >= l->set.disk || inodes >= l->set.inodes;
	since = now - l->walked_ns;
	if (l->walker_pipe < 0 && since >= l->walk_cost_ns * WALK_SHARE &&
	    (near || since >= WALK_SECONDS * NSEC_PER_SEC))
		walk_begin(run);
}

/* ---- all ---------------------------------------------------------------------------------- */

static void check_time(struct box_run *run, uint64_t now)
{
	struct limits *l = run->limits;
	uint64_t end = run->started_ns + (uint64_t)(l->set.time * (double)NSEC_PER_SEC);

	if (l->set.time <= 0 || l->told[LIMIT_TIME])
		return;
	if (now >= end)
		tell(run, LIMIT_TIME, (uint64_t)l->set.time, true);
	else if (end < l->next_ns)
		l->next_ns = end;
}

void limits_check(struct box_run *run)
{
	struct limits *l = run->limits;
	uint64_t now = clock_mono_ns();

	if (!l || run->rootfd < 0)
		return;
	if (now >= l->next_ns) {
		l->interval_ns = l->interval_ns * 2 < POLL_MS * 1000000ull ? l->interval_ns * 2
									   : POLL_MS * 1000000ull;
		l->next_ns = now + l->interval_ns;
	}
	check_time(run, now);
	check_cgroups(run);
	/* a program that has ended is not among those that can be counted, so its end is no reason
	 * to count before it is due for the first time */
	if (!run->emptied && now - run->started_ns >= POLL_FIRST_MS * 1000000ull)
		check_counted(run);
	if (run->tmpfs_layer)
		check_tmpfs(run);
	else
		check_disk(run);
}

void limits_no_fork(struct box_run *run)
{
	if (run->limits)
		tell(run, LIMIT_PIDS, run->limits->set.pids, false);
}

const char *limits_text(const struct limits *l)
{
	return l->text;
}

void limits_free(struct box_run *run)
{
	struct limits *l = run->limits;

	if (!l)
		return;
	walk_stop(l);
	if (l->cgroup[0])
		(void)broker_cgroup_remove(run->box->home, l->cgroup);
	if (l->own_cgroup[0])
		rmdir(l->own_cgroup);
	if (l->shm >= 0)
		close(l->shm);
	if (l->run >= 0)
		close(l->run);
	free(l);
	run->limits = NULL;
}
