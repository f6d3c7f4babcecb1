// SPDX-License-Identifier: Apache-2.0
/*
 * notify.c - the thread that receives held calls, has them decoded and recorded, and answers
 *
 * seccomp_unotify(2). The filter is installed with WAIT_KILLABLE_RECV: once a call is received,
 * only a fatal signal takes it away, so that no call is seen twice. When its process dies before
 * the answer, the answer fails with ENOENT and the call was never carried out; it stays on record
 * as an intent, and the number of such calls is told at the end of the run.
 *
 * Before Linux 6.11 a thread that waits to receive waits for ever once nobody is left who could
 * call (there is no HUP for it); poll(2) does tell. So there each call is polled for first. After
 * POLLIN, receiving does not block: when its caller is gone meanwhile, it fails with ENOENT.
 */
#include <linux/audit.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "capture/lapse/lapse.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1
#endif

static decoder *const decoders[CALLS] = {
#define CALL(nr64, nr32, name, decoder_, test, arg, detail) [CALL_##name] = decode_##decoder_,
#include "capture/calls.def"
#undef CALL
};

struct event held_event(const struct held *h, enum event_kind kind)
{
	return (struct event){ .kind = kind, .proc = h->proc };
}

void attempt(struct held *h, const char *category, const char *args, const char *answer, int error,
	     const char *reason)
{
	struct event ev = held_event(h, EV_ATTEMPT);

	ev.v[EV_AT(ATTEMPT, CATEGORY)] = V_Z(category);
	ev.v[EV_AT(ATTEMPT, CALL)] = V_Z(h->call->name);
	ev.v[EV_AT(ATTEMPT, ARGS)] = V_Z(args);
	ev.v[EV_AT(ATTEMPT, ANSWER)] = V_Z(answer);
	if (error)
		ev.v[EV_AT(ATTEMPT, ERRNO)] = V_Z(strerrorname_np(error));
	ev.v[EV_AT(ATTEMPT, REASON)] = V_Z(reason);
	recorder_append(h->rec, &ev);
}

/* Who is it? False for pid 1's child that has not become its program: its calls are our own. */
static bool identify(struct held *h)
{
	const struct proc *p;
	bool ours = false;

	pthread_mutex_lock(&h->rec->lock);
	p = proctab_get(h->rec->procs, h->tid);
	if (p) {
		h->proc = p->key;
		h->tgid = p->tgid;
		h->rooted = p->rooted;
		if (h->rec->emulate)
			h->creds = p->creds;
		ours = !p->execed;
	} else {
		/* cannot be: each task is entered before it runs. Recorded without a process. */
		h->proc = 0;
		h->tgid = h->tid;
	}
	pthread_mutex_unlock(&h->rec->lock);
	return !ours;
}

/* The kernel might read what we could not: memfd_secret(2) is memory for its owner's own calls, and
 * another thread can make memory come and go. So the kernel does not get the call. */
static void refuse_unread(struct held *h)
{
	attempt(h, "memory", NULL, "refused", EFAULT,
		"what it points at could not be read, and what nobody sees is not carried out");
	answer_error(h, EFAULT);
}

static void handle(struct held *h, const struct seccomp_notif *n)
{
	enum call_id id = call_find(n->data.arch, n->data.nr);

	h->n = n;
	h->tid = (pid_t)n->pid;
	h->ia32 = n->data.arch != AUDIT_ARCH_X86_64;
	h->answer = (struct answer){ ANSWER_GO_ON, 0 };
	h->unread = false;
	for (int i = 0; i < 6; i++)
		h->a[i] = h->ia32 ? (uint32_t)n->data.args[i] : n->data.args[i];
	if (!identify(h))
		return;
	if (id == CALLS) {
		decode_foreign(h);
		return;
	}
	h->call = call_row(id);
	decoders[id](h);
	if (h->unread)
		refuse_unread(h);
}

/* Does receiving end when all callers have ended? Not to be tried out without a wait; a kernel that
 * has it at an earlier number is only polled in vain. */
static bool receiving_ends(void)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	return sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 11));
}

/* The next held call. Return: 0; 1 to try again; -1 when there will be none. */
static int receive(const struct session *s, bool poll_first, struct seccomp_notif *ret)
{
	struct pollfd p = { s->listener, POLLIN, 0 };

	if (poll_first && poll(&p, 1, -1) < 0)
		return errno == EINTR ? 1 : -1;
	if (poll_first && !(p.revents & POLLIN))
		return p.revents & (POLLHUP | POLLERR | POLLNVAL) ? -1 : 1;
	memset(ret, 0, sizeof(*ret));
	if (!ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, ret))
		return 0;
	/* ENOENT: the caller died meanwhile, or nobody is left */
	if (errno != EINTR && errno != ENOENT) {
		/* nobody would be answered any more: the box must end */
		atomic_store(&s->rec->failed, errno);
		return -1;
	}
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) ? -1 : 1;
}

void *notify_thread(void *arg)
{
	struct session *s = arg;
	struct held *h;
	struct seccomp_notif n;
	struct seccomp_notif_resp r;
	bool poll_first = !receiving_ends();
	int rc;

	if (!session_joined(s))
		return NULL;
	h = xmalloc(sizeof(*h));
	/* not the buffers at its end: untouched pages cost nothing */
	memset(h, 0, offsetof(struct held, path));
	h->rec = s->rec;
	lapse_watch(s->rec->lapse, getpid(), gettid());
	ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	while ((rc = receive(s, poll_first, &n)) >= 0) {
		if (rc)
			continue;
		lapse_work(s->rec->lapse, 1);
		atomic_fetch_add(&s->rec->held, 1);
		handle(h, &n);
		memset(&r, 0, sizeof(r));
		r.id = n.id;
		if (atomic_load_explicit(&s->rec->failed, memory_order_relaxed)) {
			/* what cannot be recorded does not happen */
			r.error = -EIO;
		} else if (h->answer.what == ANSWER_GO_ON) {
			r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		} else if (h->answer.what == ANSWER_VALUE) {
			r.val = h->answer.value;
		} else {
			r.error = -(int)h->answer.value;
		}
		if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) && errno == ENOENT)
			atomic_fetch_add(&s->rec->lost, 1);
		lapse_work(s->rec->lapse, -1);
	}
	free(h);
	return NULL;
}
