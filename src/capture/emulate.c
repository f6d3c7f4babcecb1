// SPDX-License-Identifier: Apache-2.0
/*
 * emulate.c - root emulation: identities that a process takes where box ids are not real
 *
 * Theory of operation
 *
 * A plain user without a range of ids can give a box one id: its root. Installers, and the
 * services that they start, ask for others. Calls that take an identity (setuid(2), …) and calls
 * that give a file away (claims.c) are held anyway; under emulation they are answered with
 * success, kept as a *claim*, and never carried out. A process that has taken another identity
 * must also be shown it: from then on its identity and stat calls are answered by belljar. The
 * recorder's filter lets those calls pass, as they would cost every process dearly; so the one
 * process is *patched*: at a ptrace stop, before it runs on, it is made to install a second
 * filter, by which these calls stop for the tracer. Children inherit the filter with the claim.
 * Once anything in the box is claimed, each program is patched at its exec.
 *
 * A process that claims not to be root keeps the powers of the box's root: emulation is for
 * installers to work, it is no wall.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "capture/recorder.h"

#define USER_CS 0x33 /* code segment of 64-bit code: arch/x86/include/asm/segment.h */

/* ---- identity calls ----------------------------------------------------------------------- */

#define KEEP 0xffffffffu

static bool among(const uint32_t have[3], uint32_t id)
{
	return id == have[0] || id == have[1] || id == have[2];
}

/* setresuid(2) and its older forms, on a set of three. @want[i] KEEP leaves one alone. */
static int change(uint32_t have[3], const uint32_t want[3], bool root)
{
	for (int i = 0; i < 3; i++)
		if (want[i] != KEEP && !root && !among(have, want[i]))
			return -EPERM;
	for (int i = 0; i < 3; i++)
		if (want[i] != KEEP)
			have[i] = want[i];
	return 0;
}

/* What setuid, setreuid, setresuid (and the group calls) want each of real, effective, saved to be
 */
static void wanted(enum id_call id, const uint32_t have[3], const uint32_t a[3], bool root,
		   uint32_t want[3])
{
	want[0] = want[1] = want[2] = KEEP;
	switch (id) {
	case ID_SETUID:
	case ID_SETGID:
		want[1] = a[0];
		if (root)
			want[0] = want[2] = a[0];
		break;
	case ID_SETREUID:
	case ID_SETREGID:
		want[0] = a[0];
		want[1] = a[1];
		/* setreuid(2): the saved id follows when the real one is set, or the effective
		 * one to something other than the old real one */
		if (a[0] != KEEP || (a[1] != KEEP && a[1] != have[0]))
			want[2] = a[1] != KEEP ? a[1] : have[1];
		break;
	default:
		memcpy(want, a, 3 * sizeof(*a));
	}
}

static int set_groups(struct held *h, struct creds *c)
{
	bool narrow = h->call->nr[0] < 0;
	uint32_t n = (uint32_t)h->a[0];
	uint32_t list[GROUPS_MAX] = { 0 };

	if (c->uid[1] && !c->keeps)
		return -EPERM;
	if (n > GROUPS_MAX)
		return -EINVAL;
	if (narrow) {
		uint16_t list16[GROUPS_MAX];

		if (n && target_read(h->tid, h->a[1], list16, n * sizeof(*list16)))
			return -EFAULT;
		for (uint32_t i = 0; i < n; i++)
			list[i] = list16[i];
	} else if (n && target_read(h->tid, h->a[1], list, n * sizeof(*list))) {
		return -EFAULT;
	}
	memcpy(c->groups, list, sizeof(list));
	c->ngroups = n;
	return 0;
}

/* Carry a call out on claimed identities. Return: its return value, or -errno */
static int64_t claim_identity(struct held *h, struct creds *c)
{
	enum id_call id = (enum id_call)h->call->detail;
	bool group = id == ID_SETGID || id == ID_SETREGID || id == ID_SETRESGID;
	bool root = c->uid[1] == 0 || c->keeps;
	uint32_t *have = group ? c->gid : c->uid, want[3], a[3], old;
	int rc;

	for (int i = 0; i < 3; i++) {
		a[i] = (uint32_t)h->a[i];
		if (h->call->nr[0] < 0)
			a[i] = (uint16_t)a[i] == 0xffff ? KEEP : (uint16_t)a[i];
	}
	switch (id) {
	case ID_SETGROUPS:
		return set_groups(h, c);
	case ID_SETFSUID:
	case ID_SETFSGID:
		have = id == ID_SETFSUID ? &c->fsuid : &c->fsgid;
		old = *have;
		if (a[0] != KEEP && (root || among(id == ID_SETFSUID ? c->uid : c->gid, a[0])))
			*have = a[0];
		return old;
	default:
		wanted(id, have, a, c->uid[1] == 0, want);
		rc = change(have, want, root);
		c->fsuid = c->uid[1];
		c->fsgid = c->gid[1];
		return rc;
	}
}

void decode_setid(struct held *h)
{
	struct proc *p;
	int64_t rc = 0;
	int n;

	n = h->call->detail == ID_SETRESUID || h->call->detail == ID_SETRESGID ? 3
	    : h->call->detail == ID_SETREUID || h->call->detail == ID_SETREGID ? 2
									       : 1;
	h->text[0] = 0;
	for (int i = 0, at = 0; i < n; i++)
		at += snprintf(h->text + at, 32, "%s%d", i ? ", " : "", (int)h->a[i]);
	if (!h->rec->emulate) {
		attempt(h, "privilege", h->text, "allowed", 0, "takes another identity of the box");
		return;
	}
	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get(h->rec->procs, h->tid);
	if (p) {
		struct creds before = p->creds;

		rc = claim_identity(h, &p->creds);
		/* the copy has the same padding:
		 * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
		if (memcmp(&before, &p->creds, sizeof(before)) && !p->patched && !p->patch_wanted) {
			/* it stops at this signal before it runs on: trace.c patches it there */
			p->patch_wanted = true;
			syscall(SYS_tgkill, p->tgid, h->tid, SIGSTOP);
		}
	}
	pthread_mutex_unlock(&h->rec->lock);
	if (rc < 0) {
		attempt(h, "privilege", h->text, "refused", (int)-rc,
			"the identity that it has taken does not allow this one");
		answer_error(h, (int)-rc);
		return;
	}
	attempt(h, "privilege", h->text, "claimed", 0,
		"takes another identity: told that it has it");
	answer_value(h, rc);
}

void decode_keepcaps(struct held *h)
{
	struct proc *p;

	if (!h->rec->emulate)
		return;
	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get(h->rec->procs, h->tid);
	if (p)
		p->creds.keeps = h->a[1] != 0;
	pthread_mutex_unlock(&h->rec->lock);
}

void decode_capset(struct held *h)
{
	if (!h->rec->emulate) {
		attempt(h, "privilege", NULL, "allowed", 0,
			"changes its capabilities; the box gives none that reach outside");
		return;
	}
	attempt(h, "privilege", NULL, "claimed", 0, "changes its capabilities: told that it has");
	answer_value(h, 0);
}

/* ---- patching ----------------------------------------------------------------------------- */

static const int patched_calls[] = {
	SYS_getuid,    SYS_getgid, SYS_geteuid, SYS_getegid, SYS_getresuid,  SYS_getresgid,
	SYS_getgroups, SYS_stat,   SYS_fstat,	SYS_lstat,   SYS_newfstatat, SYS_statx,
};

static size_t patch_filter(struct sock_filter *f)
{
	size_t n = 0, calls = ARRAY_SIZE(patched_calls);

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < calls; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      (uint32_t)patched_calls[i],
						      (uint8_t)(calls - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	return n;
}

static uint64_t vdso_of(pid_t tid)
{
	cleanup_close int fd = -1;
	uint64_t aux[128];
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/auxv", tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, aux, sizeof(aux));
	for (ssize_t i = 0; i + 1 < n / 8; i += 2)
		if (aux[i] == AT_SYSINFO_EHDR)
			return aux[i + 1];
	return 0;
}

int emulate_patch(pid_t tid, int *ret_status)
{
	struct sock_filter filter[ARRAY_SIZE(patched_calls) + 8];
	struct user_regs_struct regs;

	_Static_assert(ARRAY_SIZE(filter) <= INJECT_MAX, "it is taken whole");
	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		return -errno;
	if (regs.cs != USER_CS)
		return 0; /* 32-bit code is not shown claimed identities */
	return inject_filter(tid, vdso_of(tid), filter, patch_filter(filter), ret_status);
}

/* ---- answering ---------------------------------------------------------------------------- */

static void answer(pid_t tid, struct user_regs_struct *regs, int64_t value)
{
	regs->orig_rax = (unsigned long long)-1; /* not carried out */
	regs->rax = (unsigned long long)value;
	ptrace(PTRACE_SETREGS, tid, 0, regs);
}

static int64_t put_three(pid_t tid, const struct user_regs_struct *regs, const uint32_t id[3])
{
	const uint64_t at[3] = { regs->rdi, regs->rsi, regs->rdx };

	for (int i = 0; i < 3; i++)
		if (target_write(tid, at[i], &id[i], sizeof(id[i])))
			return -EFAULT;
	return 0;
}

static int64_t put_groups(pid_t tid, const struct user_regs_struct *regs, const struct creds *c)
{
	if (!regs->rdi)
		return c->ngroups;
	if ((int)regs->rdi < (int)c->ngroups)
		return -EINVAL;
	if (c->ngroups && target_write(tid, regs->rsi, c->groups, c->ngroups * sizeof(uint32_t)))
		return -EFAULT;
	return c->ngroups;
}

bool emulate_call(pid_t tid, const struct creds *c)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		return false;
	switch (regs.orig_rax) {
	case SYS_getuid:
		answer(tid, &regs, c->uid[0]);
		return false;
	case SYS_geteuid:
		answer(tid, &regs, c->uid[1]);
		return false;
	case SYS_getgid:
		answer(tid, &regs, c->gid[0]);
		return false;
	case SYS_getegid:
		answer(tid, &regs, c->gid[1]);
		return false;
	case SYS_getresuid:
		answer(tid, &regs, put_three(tid, &regs, c->uid));
		return false;
	case SYS_getresgid:
		answer(tid, &regs, put_three(tid, &regs, c->gid));
		return false;
	case SYS_getgroups:
		answer(tid, &regs, put_groups(tid, &regs, c));
		return false;
	}
	return true; /* stat: after the kernel has filled it in */
}

/* Where the answer of a stat call is, which file it was about, and where the owner stands in it */
struct stat_call {
	uint64_t result;
	size_t uid_at; /* gid follows */
	int dirfd;     /* or the descriptor itself */
	uint64_t path; /* 0: none */
	bool follow;
};

static bool stat_call(const struct user_regs_struct *r, struct stat_call *c)
{
	size_t in_stat = offsetof(struct stat, st_uid), in_statx = offsetof(struct statx, stx_uid);

	switch (r->orig_rax) {
	case SYS_stat:
		*c = (struct stat_call){ r->rsi, in_stat, AT_FDCWD, r->rdi, true };
		return true;
	case SYS_lstat:
		*c = (struct stat_call){ r->rsi, in_stat, AT_FDCWD, r->rdi, false };
		return true;
	case SYS_fstat:
		*c = (struct stat_call){ r->rsi, in_stat, (int)r->rdi, 0, true };
		return true;
	case SYS_newfstatat:
		*c = (struct stat_call){ r->rdx, in_stat, (int)r->rdi, r->rsi,
					 !(r->r10 & AT_SYMLINK_NOFOLLOW) };
		return true;
	case SYS_statx:
		*c = (struct stat_call){ r->r8, in_statx, (int)r->rdi, r->rsi,
					 !(r->rdx & AT_SYMLINK_NOFOLLOW) };
		return true;
	}
	return false;
}

void emulate_exit(struct recorder *rec, pid_t tid)
{
	struct user_regs_struct regs;
	struct stat_call c;
	struct held h = { .rec = rec, .tid = tid, .tgid = tid };
	uint32_t owner[2];
	char path[PATH_TEXT_MAX];
	int fd;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) || regs.rax || !stat_call(&regs, &c))
		return;
	claims_settle(rec);
	if (c.path) {
		target_path(&h, c.dirfd, c.path, path);
		fd = open_in_box(rec, path, O_PATH | (c.follow ? 0 : O_NOFOLLOW));
	} else {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, c.dirfd);
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		return;
	if (claim_of(fd, &owner[0], &owner[1]))
		target_write(tid, c.result + c.uid_at, owner, sizeof(owner));
	close(fd);
}
