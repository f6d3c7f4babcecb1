// SPDX-License-Identifier: Apache-2.0
/*
 * recorder.c - start and stop the recorder, join programs to it
 */
#include "capture/lapse/lapse.h"

#include <linux/seccomp.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

void recorder_append(struct recorder *rec, struct event *ev)
{
	int rc;

	ev->t = UINT64_MAX;
	rc = journal_append(rec->j, ev, NULL, NULL);
	if (rc)
		atomic_store(&rec->failed, -rc);
}

unsigned recorder_hits(const struct recorder *rec)
{
	return atomic_load(&rec->hits);
}

int recorder_failed(const struct recorder *rec)
{
	return atomic_load(&rec->failed);
}

uint32_t recorder_key(struct recorder *rec, pid_t pid)
{
	struct proc *p;
	uint32_t key;

	pthread_mutex_lock(&rec->lock);
	p = proctab_get(rec->procs, pid);
	key = p ? p->key : 0;
	pthread_mutex_unlock(&rec->lock);
	return key;
}

/* An entry is dropped under the lock when its process has ended; a number that was used again
 * between that end and the lock belongs to a process with another number inside. */
int recorder_pidfd(struct recorder *rec, uint32_t key)
{
	int fd = -ESRCH;
	struct proc *p;

	pthread_mutex_lock(&rec->lock);
	p = proctab_by_key(rec->procs, key);
	if (p) {
		fd = (int)syscall(SYS_pidfd_open, p->tgid, 0);
		if (fd < 0)
			fd = -errno;
		else if (pid_in_box(rec->pidns, p->tgid) != p->inner) {
			close(fd);
			fd = -ESRCH;
		}
	}
	pthread_mutex_unlock(&rec->lock);
	return fd;
}

int recorder_start(struct journal *j, struct box *box, struct box_run *run, struct port_uses *uses,
		   const struct recorder_lapse *lapse, struct recorder **ret_rec, struct err *err)
{
	struct recorder *rec = xmalloc(sizeof(*rec));
	char name[64];

	memset(rec, 0, offsetof(struct recorder, made));
	rec->j = j;
	rec->run = run;
	rec->box = box;
	rec->emulate = box_run_emulates_root(run);
	rec->claimed = rec->emulate && box_has_folder(box) && claims_exist(box_dirfd(box));
	rec->pids_max = box_run_pids(run);
	rec->gated = box_run_net(run) == BOX_NET_GATE;
	rec->flows = rec->gated ? flowtab_new(uses) : NULL;
	pthread_mutex_init(&rec->lock, NULL);
	rec->procs = proctab_new();
	rec->execs = exec_cache_new();
	rec->rootfd = box_run_rootfd(run);
	snprintf(name, sizeof(name), "/proc/%d/ns/pid", box_run_pid1(run));
	rec->pidns = open(name, O_RDONLY | O_CLOEXEC);
	rec->clock = lapse ? lapse->clock : NULL;
	if (lapse)
		rec->lapse = lapse_new(rec, lapse);
	*ret_rec = rec;
	return lapse ? lapse_start(rec->lapse, err) : 0;
}

bool recorder_lapse_usable(void)
{
	struct vdso *v = vdso_read();
	bool usable = v != NULL;

	free(v);
	return usable;
}

void recorder_watch(struct recorder *rec, pid_t tgid, pid_t tid)
{
	lapse_watch(rec->lapse, tgid, tid);
}

void recorder_run_until(struct recorder *rec, uint64_t t)
{
	if (rec->lapse)
		lapse_until(rec->lapse, t);
}

int recorder_clock_ahead(struct recorder *rec, uint64_t ns, struct err *err)
{
	if (!rec->lapse)
		return err_set(err, ENOTSUP,
			       "capture: put the clock of a box forward that has real time");
	lapse_ahead(rec->lapse, ns);
	return 0;
}

/* ---- joining a program -------------------------------------------------------------------- */

/* In the program's process: install the filter, tell the number of its listener, wait for "go". */
static int hold_calls(int sock, bool emulate, bool lapse, struct err *err)
{
	const struct filter_program *made = &filter_programs[emulate];
	struct sock_fprog prog = { made->len, (struct sock_filter *)made->filter };
	char go;
	int fd, rc = lapse ? lapse_filter(err) : 0;

	if (rc)
		return rc;
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			  &prog);
	if (fd < 0)
		return err_set_exit(err, EXIT_NO_WALL, errno,
				    "capture: hold the program's calls (seccomp notification; "
				    "'belljar doctor' says what this machine lacks)");
	if (write_full(sock, &fd, sizeof(fd)) || read_full(sock, &go, 1) != 1)
		return err_set(err, EPIPE, "capture: reach the recorder");
	close(fd);
	return 0;
}

/* Four, because pid 1's child knows nothing of a recorder that was made after pid 1. */
static int in_child(void *ctx UNUSED, int sock, struct err *err)
{
	return hold_calls(sock, false, false, err);
}

static int in_child_emulated(void *ctx UNUSED, int sock, struct err *err)
{
	return hold_calls(sock, true, false, err);
}

static int in_child_lapse(void *ctx UNUSED, int sock, struct err *err)
{
	return hold_calls(sock, false, true, err);
}

static int in_child_emulated_lapse(void *ctx UNUSED, int sock, struct err *err)
{
	return hold_calls(sock, true, true, err);
}

static int (*child_of(const struct recorder *rec))(void *ctx, int sock, struct err *err)
{
	if (rec->lapse)
		return rec->emulate ? in_child_emulated_lapse : in_child_lapse;
	return rec->emulate ? in_child_emulated : in_child;
}

static int fetch_listener(struct session *s, int sock, struct err *err)
{
	cleanup_close int pidfd = -1;
	int fd;

	if (read_full(sock, &fd, sizeof(fd)) != sizeof(fd))
		return err_set_exit(err, EXIT_NO_WALL, EPIPE,
				    "capture: the program's calls cannot be held "
				    "(seccomp notification needs Linux 5.19)");
	pidfd = (int)syscall(SYS_pidfd_open, s->program, 0);
	if (pidfd < 0)
		return err_set(err, errno, "capture: open the program's process");
	s->listener = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (s->listener < 0)
		return err_set_exit(err, EXIT_NO_WALL, errno,
				    "capture: fetch the listener of held calls (pidfd_getfd; "
				    "'belljar doctor' says what this machine lacks)");
	fcntl(s->listener, F_SETFD, FD_CLOEXEC);
	return 0;
}

bool session_joined(struct session *s)
{
	bool joined;

	pthread_mutex_lock(&s->lock);
	while (!s->joined)
		pthread_cond_wait(&s->changed, &s->lock);
	joined = s->joined > 0;
	pthread_mutex_unlock(&s->lock);
	return joined;
}

static void set_joined(struct session *s, int joined)
{
	pthread_mutex_lock(&s->lock);
	if (!s->joined)
		s->joined = joined;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Both threads, before the program is there: it need not wait for them. */
static void start_threads(void *ctx)
{
	struct session *s = ctx;

	s->threads_rc = pthread_create(&s->trace, NULL, trace_thread, s);
	s->traced = !s->threads_rc;
	if (s->traced)
		s->threads_rc = pthread_create(&s->notify, NULL, notify_thread, s);
	s->noticed = !s->threads_rc;
}

static int await_attached(struct session *s, struct err *err)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	while (s->attach_rc == 1)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->attach_rc;
	pthread_mutex_unlock(&s->lock);
	if (rc)
		*err = s->attach_err;
	return rc;
}

static int in_supervisor(void *ctx, int sock, pid_t program, struct err *err)
{
	struct session *s = ctx;
	int rc;

	if (s->threads_rc)
		return err_set(err, s->threads_rc, "capture: start a thread");
	s->program = program;
	rc = fetch_listener(s, sock, err);
	if (!rc) {
		set_joined(s, 1);
		rc = await_attached(s, err);
	}
	if (!rc) {
		rc = write_full(sock, "g", 1);
		if (rc)
			return err_set(err, rc, "capture: let the program go");
	}
	return rc;
}

static int no_room(void *ctx UNUSED, int sock UNUSED, pid_t program UNUSED, struct err *err)
{
	return err_set(err, ENOSPC, "capture: more than %d programs in one run", SESSIONS_MAX);
}

struct box_hooks recorder_hooks(struct recorder *rec, const char *cause)
{
	struct session *s;

	/* the threads of one that was not started wait no longer */
	if (rec->nsessions)
		set_joined(rec->sessions[rec->nsessions - 1], -1);
	pthread_mutex_lock(&rec->lock);
	s = rec->nsessions < SESSIONS_MAX ? xcalloc(1, sizeof(*s)) : NULL;
	if (s)
		rec->sessions[rec->nsessions++] = s;
	pthread_mutex_unlock(&rec->lock);
	if (!s)
		return (struct box_hooks){ .in_supervisor = no_room };
	s->rec = rec;
	s->cause = xstrdup(cause);
	s->listener = -1;
	s->attach_rc = 1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	return (struct box_hooks){ .ctx = s,
				   .in_child = child_of(rec),
				   .before = start_threads,
				   .in_supervisor = in_supervisor };
}

/* ---- end ---------------------------------------------------------------------------------- */

static void gap(struct recorder *rec, const char *source, uint64_t count, const char *detail)
{
	struct event ev = { .kind = EV_GAP };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z(source);
	ev.v[EV_AT(GAP, COUNT)] = V_INT(count);
	ev.v[EV_AT(GAP, DETAIL)] = V_Z(detail);
	recorder_append(rec, &ev);
}

static void end_session(struct session *s)
{
	set_joined(s, -1);
	if (s->traced)
		pthread_join(s->trace, NULL);
	if (s->noticed)
		pthread_join(s->notify, NULL);
	if (s->listener >= 0)
		close(s->listener);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s->cause);
	free(s);
}

int recorder_stop(struct recorder *rec, struct err *err)
{
	int rc;

	if (rec->lapse)
		lapse_end(rec->lapse);
	for (int i = 0; i < rec->nsessions; i++)
		end_session(rec->sessions[i]);
	decoy_reads_free(rec->decoys);
	claims_settle(rec);
	if (proctab_size(rec->procs))
		gap(rec, "trace", proctab_size(rec->procs),
		    "tasks whose end was not told: what they did last may be missing");
	for (int i = 0; i < rec->nmade; i++)
		free(rec->made[i].path);
	rc = atomic_load(&rec->failed);
	if (rc)
		err_set(err, rc, "capture: the record could not be written to its end");
	if (rec->pidns >= 0)
		close(rec->pidns);
	lapse_free(rec->lapse);
	flowtab_free(rec->flows);
	proctab_free(rec->procs);
	exec_cache_free(rec->execs);
	pthread_mutex_destroy(&rec->lock);
	free(rec);
	return -rc;
}
