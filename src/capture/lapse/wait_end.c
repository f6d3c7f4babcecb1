// SPDX-License-Identifier: Apache-2.0
/*
 * wait_end.c - a wait whose time has come ends as if it had timed out: a SIGSTOP breaks it
 * off, and is dropped where it would be delivered
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "capture/lapse/lapse.h"

/* The kernel will not end it by itself when its time has come: there was a jump since, or it waits
 * for a moment of clocks that are ahead. */
static bool is_ours_to_end(const struct lapse *l, const struct seen *s)
{
	return l->clock->ahead != s->ahead || s->again ||
	       (s->w.how != WAIT_FOR && (s->ahead || l->clock->date));
}

bool seen_waits(const struct seen *s)
{
	return s->blocked && !s->ours && s->w.what == WAIT_TIMED && !s->told && !s->done;
}

int lapse_end_due(struct lapse *l)
{
	uint64_t now = lapse_now(l);
	int n = 0;

	for (;;) {
		struct seen *s, *next, *first = NULL;

		HASH_ITER(hh, l->seen, s, next)
		{
			if (seen_waits(s) && s->due <= now && is_ours_to_end(l, s) &&
			    (!first || s->due < first->due))
				first = s;
		}
		if (!first)
			return n;
		first->told = true;
		syscall(SYS_tgkill, first->tgid, first->tid, SIGSTOP);
		n++;
	}
}

static bool same_call(const struct seen *s, const struct user_regs_struct *r)
{
	struct blocked b = call_of_regs(r, s->b.narrow);

	return (b.nr == s->b.nr || b.nr == (b.narrow ? 0 : SYS_restart_syscall)) &&
	       b.a[0] == s->b.a[0] && b.a[1] == s->b.a[1] && b.sp == s->b.sp;
}

static void end_wait(struct seen *s, struct user_regs_struct *r)
{
	if (!was_broken_off((int64_t)r->rax))
		return; /* it ended by itself meanwhile */
	if (same_call(s, r)) {
		wait_clear(s->tid, &s->w);
		r->rax = (unsigned long long)s->w.result;
		r->orig_rax = (unsigned long long)-1;
		s->done = true;
	} else if ((int64_t)r->rax == -EINTR) {
		r->rax = (unsigned long long)-513; /* another wait by now: once more */
	} else {
		return;
	}
	ptrace(PTRACE_SETREGS, s->tid, 0, r);
}

/* A signal of somebody else has broken a wait off in which the clock went forward. */
static void tell_left(const struct lapse *l, struct seen *s, const struct user_regs_struct *r)
{
	if (s->w.what != WAIT_TIMED || !was_broken_off((int64_t)r->rax) || !same_call(s, r))
		return;
	if (s->w.how == WAIT_FOR && l->clock->ahead != s->ahead)
		wait_take_left(s->tid, &s->w, l->clock->ahead - s->ahead);
	s->broken = true;
}

static bool is_asked(const struct lapse *l, pid_t tid, pid_t tgid)
{
	struct clocked *c;

	HASH_FIND_INT(l->clocked, &tgid, c);
	return c && c->asked == tid;
}

/* The process is to be given a filter at this stop. False: it is not. */
static bool patch(struct lapse *l, pid_t tid, pid_t tgid, int *ret_status)
{
	struct user_regs_struct r;
	struct clocked *c;
	struct seen *s;
	uint64_t vdso = 0;
	bool asked;
	int rc;

	pthread_mutex_lock(&l->lock);
	HASH_FIND_INT(l->clocked, &tgid, c);
	asked = c && c->asked == tid;
	if (asked) {
		vdso = c->base;
		if (!ptrace(PTRACE_GETREGS, tid, 0, &r))
			lapse_broke_off(l, tgid, tid, &r);
	}
	pthread_mutex_unlock(&l->lock);
	if (!asked)
		return false;
	rc = lapse_stat_patch(l, tid, vdso, ret_status);
	pthread_mutex_lock(&l->lock);
	HASH_FIND_INT(l->seen, &tid, s);
	if (s)
		s->patching = false;
	HASH_FIND_INT(l->clocked, &tgid, c);
	if (c && rc < 0)
		lapse_stat_failed(l, c);
	if (c) {
		c->stats = true;
		c->asked = 0;
	}
	l->pause_ns = LOOK_MIN_NS;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	if (rc != 1)
		*ret_status = -1;
	return true;
}

bool lapse_signalled(struct lapse *l, pid_t tid, pid_t tgid, int sig, int *ret_status)
{
	struct user_regs_struct r;
	struct seen *s;
	bool ours = false;

	*ret_status = -1;
	if (!l)
		return false;
	pthread_mutex_lock(&l->lock);
	HASH_FIND_INT(l->seen, &tid, s);
	if (s && (s->told || s->w.what == WAIT_TIMED) && !ptrace(PTRACE_GETREGS, tid, 0, &r)) {
		ours = sig == SIGSTOP && s->told;
		if (ours)
			end_wait(s, &r);
		else if (sig != SIGSTOP || !is_asked(l, tid, tgid))
			tell_left(l, s, &r);
	}
	if (ours) {
		s->told = false;
		l->pause_ns = LOOK_MIN_NS;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	if (sig == SIGSTOP && patch(l, tid, tgid, ret_status))
		ours = true;
	return ours;
}
