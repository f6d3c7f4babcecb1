// SPDX-License-Identifier: Apache-2.0
/*
 * proctab.c - task id → process, exact because each task is entered before it runs
 */
#include <sys/ioctl.h>
#include <uthash.h>

#include "capture/recorder.h"

struct task {
	pid_t tid;
	struct proc *proc;
	UT_hash_handle hh;
};

struct proctab {
	struct task *tasks;
	size_t ever;   /* processes that were added */
	uint32_t last; /* key of the last one */
};

struct proctab *proctab_new(void)
{
	return xcalloc(1, sizeof(struct proctab));
}

void proctab_free(struct proctab *t)
{
	struct task *k, *next;

	if (!t)
		return;
	HASH_ITER(hh, t->tasks, k, next)
	proctab_drop(t, k->tid);
	free(t);
}

static struct task *find(struct proctab *t, pid_t tid)
{
	struct task *k;

	HASH_FIND_INT(t->tasks, &tid, k);
	return k;
}

struct proc *proctab_get(struct proctab *t, pid_t tid)
{
	struct task *k = find(t, tid);

	return k ? k->proc : NULL;
}

void proctab_add_thread(struct proctab *t, struct proc *p, pid_t tid)
{
	struct task *k;

	proctab_drop(t, tid); /* a task of that number whose end was not told */
	k = xcalloc(1, sizeof(*k));
	k->tid = tid;
	k->proc = p;
	p->tasks++;
	HASH_ADD_INT(t->tasks, tid, k);
}

struct proc *proctab_by_key(struct proctab *t, uint32_t key)
{
	struct task *k, *next;

	HASH_ITER(hh, t->tasks, k, next)
	if (k->proc->key == key)
		return k->proc;
	return NULL;
}

struct proc *proctab_add_process(struct proctab *t, pid_t tgid, uint32_t key)
{
	struct proc *p = xcalloc(1, sizeof(*p));

	p->key = key;
	p->tgid = tgid;
	t->ever++;
	t->last = key;
	proctab_add_thread(t, p, tgid);
	return p;
}

void proctab_drop(struct proctab *t, pid_t tid)
{
	struct task *k = find(t, tid);

	if (!k)
		return;
	if (--k->proc->tasks == 0)
		free(k->proc);
	HASH_DEL(t->tasks, k);
	free(k);
}

void proctab_exec(struct proctab *t, struct proc *p)
{
	struct task *k, *next;

	/* exec is rare beside lookups: one pass over the table for a process with threads */
	if (p->tasks == 1 && proctab_get(t, p->tgid) == p)
		return;
	p->cut = true;
	HASH_ITER(hh, t->tasks, k, next)
	{
		if (k->proc != p || k->tid == p->tgid)
			continue;
		if (p->tasks == 1) { /* the leader is gone already: its number lives on */
			HASH_DEL(t->tasks, k);
			k->tid = p->tgid;
			HASH_ADD_INT(t->tasks, tid, k);
			return;
		}
		HASH_DEL(t->tasks, k);
		free(k);
		p->tasks--;
	}
}

void proctab_each(struct proctab *t, void (*fn)(void *ctx, pid_t tgid, pid_t tid), void *ctx)
{
	struct task *k, *next;

	HASH_ITER(hh, t->tasks, k, next)
	fn(ctx, k->proc->tgid, k->tid);
}

void proctab_processes(struct proctab *t, void (*fn)(void *ctx, const struct proc *p), void *ctx)
{
	for (const struct task *k = t->tasks; k; k = k->hh.next)
		fn(ctx, k->proc);
}

uint32_t proctab_only(const struct proctab *t)
{
	return t->ever == 1 ? t->last : 0;
}

size_t proctab_size(const struct proctab *t)
{
	return HASH_COUNT(t->tasks);
}

/* linux/nsfs.h since 6.11; Debian 12's header is older */
#define GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define GET_PID_IN_PIDNS   _IOR(0xb7, 0x8, int)

struct proc *proctab_get_inner(struct proctab *t, int pidns, pid_t inner)
{
	struct task *k, *next;
	int tid = pidns >= 0 ? ioctl(pidns, GET_PID_FROM_PIDNS, inner) : -1;

	if (tid > 0)
		return proctab_get(t, tid);
	HASH_ITER(hh, t->tasks, k, next)
	if (k->proc->inner == inner)
		return k->proc;
	if (pidns < 0 || tid == 0 || errno != ENOTTY)
		return NULL;
	/* a thread's number, on a kernel that does not translate (before 6.11) */
	HASH_ITER(hh, t->tasks, k, next)
	if (k->tid != k->proc->tgid && pid_in_box(-1, k->tid) == inner)
		return k->proc;
	return NULL;
}

pid_t pid_in_box(int pidns, pid_t tid)
{
	char name[64], *status = NULL;
	int inner = pidns >= 0 ? ioctl(pidns, GET_PID_IN_PIDNS, tid) : -1;
	const char *at;

	if (inner > 0)
		return inner;
	snprintf(name, sizeof(name), "/proc/%d/status", tid);
	if (read_file_at(AT_FDCWD, name, 65536, &status, NULL))
		return -1;
	at = strstr(status, "\nNSpid:"); /* "NSpid:\tours\t…\tbox's": the innermost is last */
	for (const char *s = at ? strchr(at + 1, '\t') : NULL; s && *s == '\t';
	     s = strpbrk(s + 1, "\t\n"))
		inner = atoi(s + 1);
	free(status);
	return inner;
}
