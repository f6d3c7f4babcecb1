// SPDX-License-Identifier: Apache-2.0
/*
 * probe.c - what this machine offers: the table of features, each tried in a child of its own
 *
 * A version says little: distributions switch features off, containers hide others. So each is
 * used, once, and what happened is told. Rows that are only facts are always PROBE_OK.
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "box/probe.h"

static const struct probe {
	const char *name;
	enum probe_where where;
	int (*fn)(struct probe_try *t);
	const char *without, *remedy;
} probes[] = {
	{ "kernel", HERE, probe_kernel, "features below, one by one",
	  "install a kernel of 5.19 or later" },
	{ "user namespaces", IN_CHILD, probe_userns, "no box can be made",
	  "allow unprivileged user namespaces" },
	{ "user ids", HERE, probe_range,
	  "a box has one real user; belljar answers ownership and identity calls itself",
	  "install uidmap and give the user 65536 ids: usermod --add-subuids 100000-165535 "
	  "--add-subgids 100000-165535 NAME" },
	{ "other namespaces", IN_USERNS, probe_namespaces,
	  "processes, network or host name of the box would be the host's",
	  "use a kernel with pid, network, ipc, uts and cgroup namespaces" },
	{ "mounts in a box", IN_USERNS, probe_mounts, "no file system can be made for a box",
	  "use a kernel of 5.12 or later; in a container, allow mount in user namespaces" },
	{ "own /proc", IN_USERNS, probe_proc, "programs would see the host's processes, or none",
	  "this is a container that masks /proc: start it with --security-opt "
	  "systempaths=unconfined (docker) or --security-opt unmask=ALL (podman)" },
	{ "overlay on disk", IN_USERNS, probe_overlay_disk, "named boxes cannot be kept",
	  "set BELLJAR_HOME to a folder on ext4, xfs or btrfs; overlay needs a kernel of 5.11" },
	{ "overlay in memory", IN_USERNS, probe_overlay_memory,
	  "boxes without a name lie on disk, and the disk limit is held from outside",
	  "use a kernel of 6.6 or later, with user attributes on tmpfs" },
	{ "call notification", IN_CHILD, probe_notify, "nothing can be recorded",
	  "use a kernel of 5.19 or later, with seccomp user notification" },
	{ "direct wake-up", IN_CHILD, probe_wake_up, "recording is slower",
	  "use a kernel of 6.6 or later" },
	{ "process events", IN_CHILD, probe_ptrace,
	  "forks, execs and exits cannot be followed exactly",
	  "allow ptrace: kernel.yama.ptrace_scope below 3, and a container that permits it" },
	{ "process descriptors", IN_CHILD, probe_pidfd, "the recorder cannot join programs",
	  "use a kernel of 5.6 or later; kernel.yama.ptrace_scope below 3; in a container, permit "
	  "pidfd_getfd" },
	{ "Landlock", IN_CHILD, probe_landlock,
	  "signals and abstract sockets inside the box have one wall instead of two",
	  "use a kernel of 6.12 or later with landlock in its list of security modules" },
	{ "limits", IN_CHILD, probe_cgroups,
	  "memory and processes are counted from outside, and CPU is limited by affinity",
	  "start belljar as root; or where systemd runs for the user, who then has cgroups of their "
	  "own: loginctl enable-linger" },
	{ "time namespace", IN_USERNS, probe_timens, "the box's uptime is the host's",
	  "use a kernel of 5.6 or later with time namespaces" },
	{ "network by TPROXY", IN_USERNS, probe_tproxy,
	  "a box's network goes by libslirp, which moves fewer bytes a second and is noticed more "
	  "easily; without the row below, only --net off",
	  "use a kernel with nf_tables and TPROXY; as root: modprobe -a nf_tables nft_tproxy" },
	{ "network by libslirp", IN_USERNS, probe_slirp, "without TPROXY, only --net off",
	  "install libslirp0; use a kernel with dummy interfaces and packet sockets" },
	{ "trusted certificates", HERE, probe_certificates,
	  "no TLS connection to the outside is let through, as nobody's certificate can be checked",
	  "install the package ca-certificates, or name a file of certificates in SSL_CERT_FILE" },
	{ "programs in memory", IN_CHILD, probe_memfd, "", "" },
	{ "io_uring", IN_CHILD, probe_io_uring, "", "" },
	{ "32-bit programs", IN_CHILD, probe_32bit, "", "" },
	{ "disk space", HERE, probe_space, "runs end early, with the record cut",
	  "free space, or set BELLJAR_HOME to a folder on another disk" },
	{ "clock", HERE, probe_clock, "the record's times are wrong", "set the clock" },
};
_Static_assert(ARRAY_SIZE(probes) <= BOX_PROBES_MAX, "room for all probes");

int probe_found(struct probe_try *t, int state, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->found, sizeof(t->found), fmt, ap);
	va_end(ap);
	return state;
}

long probe_number(const char *path)
{
	cleanup_free char *text = NULL;

	return read_file_at(AT_FDCWD, path, 4096, &text, NULL) ? -1 : strtol(text, NULL, 10);
}

struct call {
	const struct probe *p;
	struct probe_try *t;
};

static int try_it(void *ctx)
{
	struct call *c = ctx;

	alarm(PROBE_SECONDS);
	c->t->state = c->p->fn(c->t);
	return 0;
}

static void in_child(struct call *c, struct err *err)
{
	pid_t self = getpid(), pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() == self)
			try_it(c);
		_exit(0);
	}
	if (pid < 0) {
		err_set(err, errno, "box: start a process");
		return;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (WIFSIGNALED(status))
		err_set(err, 0, "the try was ended by signal %d", WTERMSIG(status));
}

/* Rows that need a namespace say only that, when there is none. */
static void not_tried(const struct probe *p, struct box_probe *ret)
{
	static int (*const weaker[])(struct probe_try *) = { probe_overlay_memory, probe_timens,
							     probe_tproxy, probe_slirp };

	*ret = (struct box_probe){ .name = p->name,
				   .state = PROBE_MISSING,
				   .found = "not tried: needs a user namespace",
				   .without = p->without,
				   .remedy = "see user namespaces" };
	for (size_t i = 0; i < ARRAY_SIZE(weaker); i++)
		if (p->fn == weaker[i])
			ret->state = PROBE_WEAKER;
}

static void run_probe(const struct probe *p, struct probe_try *t, struct box_probe *ret)
{
	struct call c = { p, t };
	struct err err = { 0 };
	int status;

	t->state = PROBE_MISSING;
	t->found[0] = 0;
	t->remedy = NULL;
	if (p->where == HERE)
		t->state = p->fn(t);
	else if (p->where == IN_CHILD)
		in_child(&c, &err);
	else
		userns_call(t->home, (struct idrange){ 0 }, try_it, &c, &status, &err);
	ret->name = p->name;
	ret->state = t->state;
	snprintf(ret->found, sizeof(ret->found), "%.250s",
		 t->found[0]		? t->found
		 : err.msg[0]		? err.msg
		 : t->state == PROBE_OK ? "works"
					: "does not work");
	ret->without = p->without;
	ret->remedy = t->remedy ? t->remedy : p->remedy;
}

int box_probe_all(struct box_home *home, struct box_probe ret[BOX_PROBES_MAX])
{
	struct probe_try *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct box *stage = box_new(home);
	bool userns = false;

	if (t == MAP_FAILED)
		abort(); /* a few kB */
	t->home = home;
	if (!stage_make(stage, "tmp", NULL))
		snprintf(t->dir, sizeof(t->dir), "%s", stage->path);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		if (probes[i].where == IN_USERNS && !userns)
			not_tried(&probes[i], &ret[i]);
		else
			run_probe(&probes[i], t, &ret[i]);
		if (probes[i].fn == probe_userns)
			userns = ret[i].state == PROBE_OK;
	}
	if (t->dir[0])
		stage_discard(stage, "tmp");
	box_free(stage);
	munmap(t, sizeof(*t));
	return ARRAY_SIZE(probes);
}
