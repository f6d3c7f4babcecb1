// SPDX-License-Identifier: Apache-2.0
/*
 * decode_walls.c - held calls that reach for a wall, and signals
 *
 * The calls of one category are refused with one error and one reason, whatever the kernel would
 * have said: that keeps the answer independent of kernel versions, and the record readable.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>

#include "capture/lapse/lapse.h"

static const struct {
	const char *category;
	int error;
	const char *reason;
} walls[WALL_CATEGORIES] = {
	[WALL_MOUNT] = { "mount", EPERM, "the box's file system is laid out once, by belljar" },
	[WALL_NAMESPACE] = { "namespace", EPERM,
			     "a namespace of its own would give the program powers inside it" },
	[WALL_MODULE] = { "module", EPERM, "the kernel is the host's" },
	[WALL_KERNEL] = { "kernel", EPERM, "the kernel is the host's" },
	[WALL_KEYRING] = { "keyring", EPERM, "the kernel's keyrings are not part of the box" },
	[WALL_IO_URING] = { "io_uring", ENOSYS, "io_uring would carry out calls that nobody sees" },
	[WALL_TTY] = { "tty", EPERM, "typing into a terminal from inside is not allowed" },
	[WALL_CLOCK] = { "clock", EPERM, "the clock is the host's" },
	[WALL_HANDLE] = { "handle", EPERM, "file handles go around the box's paths" },
};

void decode_wall(struct held *h)
{
	enum wall_category w = (enum wall_category)h->call->detail;

	snprintf(h->text, sizeof(h->text), "%#llx, %#llx, %#llx", (unsigned long long)h->a[0],
		 (unsigned long long)h->a[1], (unsigned long long)h->a[2]);
	if (h->call == call_row(CALL_mount)) {
		target_string(h->tid, h->a[0], h->path, 4097);
		target_string(h->tid, h->a[1], h->path2, 4097);
		snprintf(h->text, sizeof(h->text), "%.4096s on %.4096s, flags %#llx", h->path,
			 h->path2, (unsigned long long)h->a[3]);
	} else if (h->call == call_row(CALL_umount2)) {
		target_string(h->tid, h->a[0], h->text, 4097);
	}
	attempt(h, walls[w].category, h->text, "refused", walls[w].error, walls[w].reason);
	answer_error(h, walls[w].error);
}

/* A child that asks not to be traced would be in no table, and its calls nobody's. */
void decode_clone(struct held *h)
{
	if (h->a[0] & NEW_NAMESPACES) {
		decode_wall(h);
		return;
	}
	snprintf(h->text, sizeof(h->text), "%#llx", (unsigned long long)h->a[0]);
	attempt(h, "ptrace", h->text, "refused", EPERM, "a process that nobody could follow");
	answer_error(h, EPERM);
}

/* clone3(2) keeps its flags in memory, where they can be swapped after a look: nobody gets it. libc
 * falls back to clone. On record is who asked for namespaces. */
void decode_clone3(struct held *h)
{
	uint64_t flags = 0;

	answer_error(h, ENOSYS);
	if (target_read(h->tid, h->a[0], &flags, sizeof(flags)) || !(flags & NEW_NAMESPACES))
		return;
	snprintf(h->text, sizeof(h->text), "flags %#llx", (unsigned long long)flags);
	attempt(h, "namespace", h->text, "refused", ENOSYS, walls[WALL_NAMESPACE].reason);
}

/* A call of the x32 ABI: no program of Debian's makes one, a way around filters is one use. Or one
 * of a kernel newer than this recorder: libc does without, as on an older kernel. */
void decode_foreign(struct held *h)
{
	static const struct call x32 = { .name = "x32" }, unknown = { .name = "unknown" };
	uint32_t nr = (uint32_t)h->n->data.nr;

	h->call = nr & X32_BIT ? &x32 : &unknown;
	snprintf(h->text, sizeof(h->text), "call %u", nr & ~X32_BIT);
	attempt(h, "kernel", h->text, "refused", ENOSYS,
		nr & X32_BIT
			? "calls of another kind of program are not served"
			: "what this call does is not known here, so it would not be recorded");
	answer_error(h, ENOSYS);
}

void decode_chroot(struct held *h)
{
	struct proc *p;

	target_path(h, AT_FDCWD, h->a[0], h->path);
	if (h->unread)
		return;
	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get(h->rec->procs, h->tid);
	if (p)
		p->rooted = true;
	pthread_mutex_unlock(&h->rec->lock);
	attempt(h, "privilege", h->path, "allowed", 0, "another root inside the box's own root");
}

/* That it has asked to be traced; @asked: now. Return: whether it had */
static bool trace_me(struct held *h, bool asked)
{
	struct proc *p;
	bool had;

	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get(h->rec->procs, h->tid);
	had = p && p->trace_me;
	if (p)
		p->trace_me = asked;
	pthread_mutex_unlock(&h->rec->lock);
	return had;
}

void decode_ptrace(struct held *h)
{
	if (h->a[0] == PTRACE_TRACEME) {
		/* a common test for a debugger: what it would be told without one */
		trace_me(h, true);
		attempt(h, "ptrace", "PTRACE_TRACEME", "claimed", 0,
			"asks to be traced, or whether it is: told that it is not");
		answer_value(h, 0);
		return;
	}
	snprintf(h->text, sizeof(h->text), "request %llu, process %d", (unsigned long long)h->a[0],
		 (int)h->a[1]);
	attempt(h, "ptrace", h->text, "refused", EPERM,
		"belljar follows the box's processes itself, and a process has one tracer");
	answer_error(h, EPERM);
}

/* The key of the process with number @inner in the box; 0 none. */
static uint32_t inner_key(struct held *h, pid_t inner)
{
	const struct proc *p;
	uint32_t key;

	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get_inner(h->rec->procs, h->rec->pidns, inner);
	key = p ? p->key : 0;
	pthread_mutex_unlock(&h->rec->lock);
	return key;
}

/* fcntl(2), F_SETOWN: the kernel will signal @pid, or the group -@pid, by any signal that F_SETSIG
 * chooses, without another call. */
static void signals_go_to(struct held *h, pid_t pid)
{
	if (!pid || (pid > 0 && inner_key(h, pid) == h->proc))
		return;
	snprintf(h->text, sizeof(h->text), pid > 0 ? "process %d" : "group %d", abs(pid));
	attempt(h, "signal", h->text, "allowed", 0,
		"the kernel will signal it; only inside the box");
}

void decode_fcntl(struct held *h)
{
	struct f_owner_ex owner;
	pid_t pid = (pid_t)h->a[2];

	if ((int)h->a[1] == F_SETOWN_EX) {
		if (held_read(h, h->a[2], &owner, sizeof(owner)))
			return;
		pid = owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
	}
	signals_go_to(h, pid);
}

/* The kernel compares users only, and so would let it reach pid 1, which is ours. */
void decode_prlimit(struct held *h)
{
	pid_t pid = (pid_t)h->a[0];

	if (!h->a[2] || !pid || inner_key(h, pid) == h->proc)
		return;
	snprintf(h->text, sizeof(h->text), "process %d, limit %d", pid, (int)h->a[1]);
	if (pid != 1) {
		attempt(h, "privilege", h->text, "allowed", 0,
			"changes another process's limits; only inside the box");
		return;
	}
	attempt(h, "privilege", h->text, "refused", EPERM, "process 1 is belljar's");
	answer_error(h, EPERM);
}

/* Of terminals, files, or networks: those of networks the kernel would refuse as well. */
void decode_ioctl(struct held *h)
{
	uint32_t command = (uint32_t)h->a[1];

	if (command == FS_IOC_SETFLAGS || command == FS_IOC32_SETFLAGS ||
	    command == FS_IOC_FSSETXATTR) {
		decode_setflags(h);
		return;
	}
	if (command == TIOCSETD) {
		attempt(h, "module", "TIOCSETD", "refused", EPERM,
			"a line discipline is a part of the host's kernel, loaded when asked for");
		answer_error(h, EPERM);
		return;
	}
	if (command == TIOCSTI || command == TIOCLINUX) {
		decode_wall(h);
		return;
	}
	if (command == FIOSETOWN || command == SIOCSPGRP) {
		int32_t pid = 0;

		if (!held_read(h, h->a[2], &pid, sizeof(pid)))
			signals_go_to(h, pid);
		return;
	}
	snprintf(h->text, sizeof(h->text), "%#x", command);
	attempt(h, "privilege", h->text, "refused", EPERM,
		"the box's network is laid out by belljar");
	answer_error(h, EPERM);
}

#define PASSES "packets that pass for the gate's own, or for another machine's, would go around it"
#define WAY    "packets that say themselves which way they go would not meet the gate"

/* The kernel would refuse most of them as well, or lose their packets; what counts is that somebody
 * tried. */
void decode_setsockopt(struct held *h)
{
	static const struct {
		int level, name;
		const char *word, *why;
	} options[] = {
		{ SOL_SOCKET, SO_MARK, "SO_MARK", PASSES },
		{ SOL_IP, IP_TRANSPARENT, "IP_TRANSPARENT", PASSES },
		{ SOL_IPV6, IPV6_TRANSPARENT, "IPV6_TRANSPARENT", PASSES },
		{ SOL_TCP, TCP_REPAIR, "TCP_REPAIR", PASSES },
		{ SOL_IP, IP_OPTIONS, "IP_OPTIONS", WAY },
		{ SOL_IPV6, IPV6_RTHDR, "IPV6_RTHDR", WAY },
		{ SOL_IPV6, IPV6_HOPOPTS, "IPV6_HOPOPTS", WAY },
		{ SOL_IPV6, IPV6_DSTOPTS, "IPV6_DSTOPTS", WAY },
		{ SOL_IPV6, IPV6_RTHDRDSTOPTS, "IPV6_RTHDRDSTOPTS", WAY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if ((int)h->a[1] != options[i].level || (int)h->a[2] != options[i].name)
			continue;
		/* to clear what never was is what careful servers do */
		if (!strcmp(options[i].why, WAY) && !(uint32_t)h->a[4])
			return;
		attempt(h, "privilege", options[i].word, "refused", EPERM, options[i].why);
		answer_error(h, EPERM);
		return;
	}
}

void decode_vm_write(struct held *h)
{
	snprintf(h->text, sizeof(h->text), "%d", (int)h->a[0]);
	attempt(h, "memory", h->text, "allowed", 0,
		"reaches into another process; the kernel lets it only inside the box");
}

void decode_adjtime(struct held *h)
{
	uint64_t at = h->a[h->call->detail];
	bool date = !h->call->detail || (uint32_t)h->a[0] == CLOCK_REALTIME;
	uint32_t modes;
	int64_t rc;

	if (held_read(h, at, &modes, sizeof(modes)))
		return;
	/* struct timex begins with modes; 0 only asks */
	if (!modes && h->rec->lapse && date) {
		rc = lapse_timex(h->rec->lapse, h->tid, at, h->ia32 && h->call->nr[0] >= 0);
		if (rc < 0)
			answer_error(h, (int)-rc);
		else
			answer_value(h, rc);
	}
	if (!modes)
		return;
	snprintf(h->text, sizeof(h->text), "modes %#x", modes);
	attempt(h, "clock", h->text, "refused", EPERM, walls[WALL_CLOCK].reason);
	answer_error(h, EPERM);
}

void decode_personality(struct held *h)
{
	snprintf(h->text, sizeof(h->text), "%#llx", (unsigned long long)h->a[0]);
	attempt(h, "kernel", h->text, "allowed", 0, "changes how the program itself is run");
}

/* ---- signals ------------------------------------------------------------------------------ */

static void sent(struct held *h, int signo, pid_t target)
{
	struct event ev = held_event(h, EV_SIGNAL);
	const struct proc *p;

	if (target > 0) {
		pthread_mutex_lock(&h->rec->lock);
		p = proctab_get_inner(h->rec->procs, h->rec->pidns, target);
		if (p)
			ev.v[EV_AT(SIGNAL, TARGET)] = V_INT(p->key);
		pthread_mutex_unlock(&h->rec->lock);
		if (p && ev.v[EV_AT(SIGNAL, TARGET)].i == h->proc)
			return; /* to itself */
	}
	ev.v[EV_AT(SIGNAL, CALL)] = V_Z(h->call->name);
	ev.v[EV_AT(SIGNAL, SIGNO)] = V_INT(signo);
	ev.v[EV_AT(SIGNAL, PID)] = V_INT(target);
	recorder_append(h->rec, &ev);
}

void decode_kill(struct held *h)
{
	int signo = (int)h->a[h->call->detail];

	/* Who is traced stops itself so that its tracer sees it (ptrace(2)). Here nobody would: its
	 * parent would wait for that stop, and it for its parent. */
	if (signo == SIGSTOP && inner_key(h, (pid_t)h->a[0]) == h->proc && trace_me(h, false)) {
		attempt(h, "ptrace", "SIGSTOP to itself", "claimed", 0,
			"it stops for a tracer, and has none: it goes on");
		answer_value(h, 0);
		return;
	}
	sent(h, signo, (pid_t)h->a[0]);
}

void decode_pidfd_kill(struct held *h)
{
	char name[64], info[512];
	cleanup_close int fd = -1;
	const char *at;
	ssize_t n;
	int pid = -1;

	/* fdinfo of a pidfd, read through our own /proc, gives its pid in our namespace first */
	snprintf(name, sizeof(name), "/proc/%d/fdinfo/%d", h->tid, (int)h->a[0]);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, info, sizeof(info) - 1);
	if (n > 0) {
		info[n] = 0;
		at = strstr(info, "NSpid:");
		if (at) { /* "NSpid:\tours\t…\tbox's" */
			at = strchr(at, '\t');
			for (const char *t = at; t && *t == '\t'; t = strpbrk(t + 1, "\t\n"))
				pid = atoi(t + 1);
		}
	}
	sent(h, (int)h->a[1], pid);
}
