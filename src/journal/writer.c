// SPDX-License-Identifier: Apache-2.0
/*
 * writer.c - open and close a journal, and the thread that moves events from the ring to SQLite
 *
 * append.c has the theory of operation. Here, too: what a killed writer left. Its ring is stored
 * before anything new is numbered. Only a power cut can leave a ring that does not continue the
 * file (blocks lost, records torn); then the events that are left are numbered anew, and a GAP
 * event says what is missing.
 *
 * The thread works with SQLite and OpenSSL, which have locks of their own. A fork takes over only
 * the thread that makes it: a lock that another one holds at that moment is never opened in the
 * child, which would wait for it for ever. The supervisor forks for each look into a box, and such
 * a child reads certificates. So a fork waits for the end of what the thread is storing.
 *
 * Invariant: the ring's tail moves only when what is before it is committed in SQLite.
 */
#include <signal.h>

#include "journal/writer.h"

/* ---- forks -------------------------------------------------------------------------------- */

/* One for all journals, since a fork is one for all: no state of ours. */
static pthread_mutex_t storing = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
	pthread_mutex_lock(&storing);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&storing);
}

static void guard_forks(void)
{
	/* it can fail for want of memory only */
	if (pthread_atfork(before_fork, after_fork, after_fork))
		abort();
}

/* ---- the thread --------------------------------------------------------------------------- */

static void fail(struct journal *j, const struct err *err)
{
	char detail[400];

	snprintf(detail, sizeof(detail), "the record stops here: %.300s", err->msg);
	pthread_mutex_lock(&j->lock);
	j->failed = *err;
	if (!j->failed.code)
		j->failed.code = EIO;
	put_gap(j, UINT64_MAX, 0, -1, detail, 0);
	pthread_cond_broadcast(&j->room);
	pthread_mutex_unlock(&j->lock);
}

/* Waits for work. Return: false when there is none left and the journal is being closed. */
static bool gather(struct journal *j)
{
	struct timespec until;
	bool more;

	pthread_mutex_lock(&j->lock);
	while (!j->stop && !j->urgent && spool_head(&j->spool) == j->stored) {
		j->idle = true;
		pthread_cond_wait(&j->work, &j->lock);
	}
	j->idle = false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += j->stored || j->passing ? BLOCK_WAIT_NS : FIRST_WAIT_NS;
	if (until.tv_nsec >= (long)NSEC_PER_SEC) {
		until.tv_nsec -= (long)NSEC_PER_SEC;
		until.tv_sec++;
	}
	while (!j->stop && !j->urgent)
		if (pthread_cond_timedwait(&j->work, &j->lock, &until) == ETIMEDOUT)
			break;
	j->urgent = false;
	more = !j->discard && (!j->stop || spool_head(&j->spool) != j->stored);
	pthread_mutex_unlock(&j->lock);
	return more;
}

static int drain(struct journal *j, struct err *err)
{
	struct spool_view view;

	spool_view(&j->spool, &view);
	while (view.from != view.to) {
		int rc;

		pthread_mutex_lock(&storing);
		rc = store_block(j->store, &view, false, err);
		pthread_mutex_unlock(&storing);
		if (rc)
			return rc;
		spool_drop(&j->spool, view.from);
		pthread_mutex_lock(&j->lock);
		j->stored = view.from;
		if (j->waiters)
			pthread_cond_broadcast(&j->room);
		pthread_mutex_unlock(&j->lock);
	}
	return 0;
}

static int open_store(struct journal *j, struct err *err)
{
	struct store_found found;
	int rc;

	if (j->dirfd < 0) {
		int folder = j->folder(j->folder_ctx);

		j->dirfd =
			folder < 0 ? -1 : openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (j->dirfd < 0)
			return err_set(err, errno, "journal: open the box's folder");
	}
	pthread_mutex_lock(&storing);
	rc = store_open(j->dirfd, j->keydir, j->spool.id, &j->store, &found, err);
	pthread_mutex_unlock(&storing);
	return rc;
}

static void *writer(void *arg)
{
	struct journal *j = arg;
	struct err err = { 0 };
	int rc = 0;

	if (!j->store && !j->passing)
		rc = open_store(j, &err);
	while (!rc && gather(j)) {
		if (!j->store)
			rc = open_store(j, &err);
		if (!rc)
			rc = drain(j, &err);
	}
	if (rc)
		fail(j, &err);
	return NULL;
}

static int start_thread(struct journal *j, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t all, old;
	int rc;

	pthread_once(&once, guard_forks);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, writer, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return err_set(err, rc, "journal: start the writer thread");
	j->has_thread = true;
	return 0;
}

void need_thread(struct journal *j)
{
	if (!j->has_thread && !j->failed.code)
		start_thread(j, &j->failed);
}

/* ---- what a killed writer left ------------------------------------------------------------ */

/** struct leftover - a ring as it was found, looked through before anything is stored */
struct leftover {
	struct spool_view view; /* ends before what is torn */
	bool torn;
	bool renumber;	  /* does not continue the file */
	uint64_t missing; /* numbers between the file and the ring */
};

static void look_through(const struct spool *s, uint64_t last_seq, struct leftover *ret)
{
	struct spool_view at;
	uint64_t next = last_seq + 1;
	const uint8_t *p;
	size_t n;

	*ret = (struct leftover){ 0 };
	spool_view(s, &ret->view);
	at = ret->view;
	for (;;) {
		struct spool_view before = at;
		enum spool_got got = spool_next(&at, &p, &n);
		struct event ev;

		if (got == SPOOL_RECORD && !event_decode(p, n, &ev)) {
			if (ev.seq < next)
				continue;
			if (ev.seq > next) {
				ret->missing += ev.seq - next;
				ret->renumber = true;
			}
			next = ev.seq + 1;
			continue;
		}
		ret->torn = got != SPOOL_END;
		ret->view.to = before.from;
		return;
	}
}

static void note_gap(struct journal *j, int64_t count, const char *detail)
{
	put_gap(j, UINT64_MAX, 0, count, detail, 0);
}

/* GAP events for what the ring and the head say should be there and is not. */
static void note_losses(struct journal *j, const struct store_found *found,
			const struct leftover *left, uint64_t last_seq)
{
	if (left->missing)
		note_gap(j, (int64_t)left->missing,
			 "events are missing before the last ones of the run before (power cut?)");
	else if (found->head_events > last_seq)
		note_gap(j, (int64_t)(found->head_events - last_seq),
			 "the signed head spoke of more events than the file has");
	if (left->torn)
		note_gap(j, -1, "the last events of the run before were torn (power cut?)");
	if (found->head_missing)
		note_gap(j, -1, "the signed head of the record so far was missing or damaged");
}

/* Opens the file and moves the ring into it, in the caller: what follows needs the numbers. */
static int open_existing(struct journal *j, struct err *err)
{
	struct store_found found;
	struct leftover left;
	const struct block *last;
	int rc = store_open(j->dirfd, j->keydir, j->spool.id, &j->store, &found, err);

	if (rc)
		return rc;
	if (memcmp(found.id, j->spool.id, ID_LEN)) {
		if (spool_head(&j->spool) != spool_tail(&j->spool))
			return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
					    "journal: '%s' is that of another journal", SPOOL_NAME);
		spool_reset(&j->spool, found.id);
	}
	look_through(&j->spool, found.last.last_seq, &left);
	while (left.view.from != left.view.to) {
		rc = store_block(j->store, &left.view, left.renumber, err);
		if (rc)
			return rc;
		if (!left.renumber)
			spool_drop(&j->spool, left.view.from);
	}
	spool_drop(&j->spool, spool_head(&j->spool));
	last = store_last(j->store);
	j->next_seq = last->last_seq + 1;
	j->last_run = (uint32_t)last->last_run;
	atomic_store(&j->next_proc, (uint32_t)last->last_proc + 1);
	note_losses(j, &found, &left, last->last_seq);
	return 0;
}

/* ---- open, sync, close -------------------------------------------------------------------- */

static void destroy(struct journal *j, bool whole)
{
	store_close(j->store, whole);
	spool_close(&j->spool, j->passing ? -1 : j->dirfd, whole);
	if (j->dirfd >= 0)
		close(j->dirfd);
	pthread_cond_destroy(&j->work);
	pthread_cond_destroy(&j->room);
	pthread_mutex_destroy(&j->lock);
	free(j->keydir);
	free(j);
}

static struct journal *new_journal(const char *keydir)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->work, &attr);
	pthread_cond_init(&j->room, &attr);
	pthread_condattr_destroy(&attr);
	j->keydir = keydir ? xstrdup(keydir) : NULL;
	j->dirfd = -1;
	j->next_seq = 1;
	atomic_init(&j->next_proc, 1);
	atomic_init(&j->t0, clock_mono_ns());
	return j;
}

int journal_open(int dirfd, const char *keydir, struct journal **ret_j, struct err *err)
{
	struct journal *j = new_journal(keydir);
	bool old = false, fresh = false;
	int rc;

	j->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = j->dirfd < 0 ? err_set(err, errno, "journal: open the box's folder") : 0;
	/* it is loaded by the thread, with the first block: too late to refuse a run */
	if (!rc)
		rc = key_check(keydir, err);
	fresh = !rc && faccessat(j->dirfd, SPOOL_NAME, F_OK, AT_SYMLINK_NOFOLLOW);
	if (!rc)
		rc = spool_open(j->dirfd, &j->spool, &old, err);
	if (!rc &&
	    (store_exists(j->dirfd) || (old && spool_head(&j->spool) != spool_tail(&j->spool))))
		rc = open_existing(j, err);
	if (!rc) {
		j->stored = spool_tail(&j->spool);
		rc = start_thread(j, err);
	}
	if (rc) {
		if (fresh) /* nothing that is left behind was there before */
			unlinkat(j->dirfd, SPOOL_NAME, 0);
		destroy(j, false);
		return rc;
	}
	*ret_j = j;
	return 0;
}

int journal_open_passing(int (*folder)(void *ctx), void *ctx, struct journal **ret_j,
			 struct err *err)
{
	struct journal *j = new_journal(NULL);
	int rc;

	j->passing = true;
	j->folder = folder;
	j->folder_ctx = ctx;
	rc = spool_open_passing(&j->spool, err);
	if (rc) {
		destroy(j, false);
		return rc;
	}
	*ret_j = j;
	return 0;
}

int journal_sync(struct journal *j, struct err *err)
{
	uint64_t target;
	int rc = 0;

	pthread_mutex_lock(&j->lock);
	target = spool_head(&j->spool);
	if (j->stored < target)
		need_thread(j);
	while (!j->failed.code && j->stored < target) {
		j->urgent = true;
		j->waiters++;
		pthread_cond_signal(&j->work);
		pthread_cond_wait(&j->room, &j->lock);
		j->waiters--;
	}
	if (j->failed.code)
		rc = failure(j, err);
	pthread_mutex_unlock(&j->lock);
	return rc;
}

/* The thread may never have been needed. */
static void end_thread(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->lock);
	if (j->has_thread)
		pthread_join(j->thread, NULL);
}

void journal_discard(struct journal *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->discard = true;
	pthread_mutex_unlock(&j->lock);
	end_thread(j);
	destroy(j, true);
}

int journal_close(struct journal *j, struct err *err)
{
	int rc = 0;

	if (!j)
		return 0;
	end_thread(j);
	if (j->failed.code)
		rc = failure(j, err);
	/* what could not be stored stays in the ring for the next open */
	destroy(j, !rc);
	return rc;
}
