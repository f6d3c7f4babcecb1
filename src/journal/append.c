// SPDX-License-Identifier: Apache-2.0
/*
 * append.c - append events: into the spool at once; writer.c stores them
 *
 * Theory of operation
 *
 * journal_append() takes the lock, gives the event its number, encodes it straight into the
 * spool's ring and moves the ring's head: from then on it survives the process. No system call,
 * no allocation. A writer thread sleeps while the ring is empty; the first event wakes it, it
 * lets events gather for BLOCK_WAIT_NS (or until a quarter of the ring is full, or somebody
 * waits), and stores them as blocks. While the ring is full, append waits.
 *
 * A new journal's SQLite file is made by the thread, while the box is being built.
 *
 * When a block cannot be stored, the error stays: all later appends give it back. What was
 * appended before is in the ring and is stored when the journal is opened the next time; the ring
 * keeps SPOOL_KEEP bytes free so that a GAP event can say where the record stopped.
 *
 * Invariant: numbers in the ring are consecutive and continue those in SQLite. The lock covers
 * number and ring together, so that order in the ring is the order of numbers.
 */
#include "journal/writer.h"

/* ---- events into the ring ----------------------------------------------------------------- */

uint64_t journal_now(const struct journal *j)
{
	return clock_mono_ns() + box_clock_ahead(j->clock) -
	       atomic_load_explicit(&j->t0, memory_order_relaxed);
}

void journal_set_clock(struct journal *j, const struct box_clock *clock)
{
	j->clock = clock;
}

uint32_t journal_next_proc(struct journal *j)
{
	return atomic_fetch_add_explicit(&j->next_proc, 1, memory_order_relaxed);
}

/* The longest that the event can become, numbers not known yet. */
static size_t size_bound(const struct event *ev, const struct kind_def *def)
{
	size_t n = 2 + 4 * 10;

	for (int i = 0; i < def->nfields; i++)
		n += 11 + (ev->v[i].type == VAL_TEXT ? ev->v[i].s.n : 0);
	return n;
}

/* Cuts a text between two characters, so that valid UTF-8 stays so. */
static size_t cut_at(const char *p, size_t n)
{
	size_t at = n;

	for (int i = 0; i < 3 && at && ((unsigned char)p[at] & 0xc0) == 0x80; i++)
		at--;
	return ((unsigned char)p[at] & 0xc0) == 0x80 ? n : at;
}

/* Return: bytes that were left out, *ret_field the first field that lost some */
static size_t cut(struct event *ev, const struct kind_def *def, const char **ret_field)
{
	size_t total = 0, lost = 0;

	for (int i = 0; i < def->nfields; i++) {
		struct val *v = &ev->v[i];
		size_t max = EVENT_TEXT_TOTAL - total;

		if (v->type != VAL_TEXT)
			continue;
		if (max > EVENT_TEXT_MAX)
			max = EVENT_TEXT_MAX;
		if (v->s.n > max) {
			size_t n = cut_at(v->s.p, max);

			if (!lost)
				*ret_field = def->field[i].column;
			lost += v->s.n - n;
			v->s.n = n;
		}
		total += v->s.n;
	}
	return lost;
}

/* Numbers and encodes; the caller holds the lock and has seen to room. */
static int put(struct journal *j, struct event *ev, uint8_t *at, size_t room)
{
	ssize_t n;

	ev->seq = j->next_seq;
	ev->run = j->run;
	if (ev->t == UINT64_MAX)
		ev->t = journal_now(j);
	n = event_encode(ev, at, room);
	if (n < 0)
		return (int)n;
	spool_commit(&j->spool, (size_t)n);
	j->next_seq++;
	return 0;
}

static void gap_event(struct event *ev, uint64_t t, uint32_t proc, int64_t count,
		      const char *detail)
{
	*ev = (struct event){ .kind = EV_GAP, .t = t, .proc = proc };
	ev->v[EV_AT(GAP, SOURCE)] = V_Z("journal");
	if (t != UINT64_MAX) {
		ev->v[EV_AT(GAP, FROM)] = V_INT(t);
		ev->v[EV_AT(GAP, TO)] = V_INT(t);
	}
	if (count >= 0)
		ev->v[EV_AT(GAP, COUNT)] = V_INT(count);
	ev->v[EV_AT(GAP, DETAIL)] = V_Z(detail);
}

void put_gap(struct journal *j, uint64_t t, uint32_t proc, int64_t count, const char *detail,
	     size_t keep)
{
	struct event ev;
	uint8_t *at;

	gap_event(&ev, t, proc, count, detail);
	at = spool_place(&j->spool, SPOOL_KEEP - 16 - keep, keep);
	if (at)
		(void)put(j, &ev, at, SPOOL_KEEP - 16 - keep);
}

/* With the lock. Return: true when the thread is to be woken. */
static bool want_thread(struct journal *j)
{
	if (j->idle)
		return true;
	if (!j->urgent && spool_head(&j->spool) - spool_tail(&j->spool) > URGENT_FILL) {
		j->urgent = true;
		need_thread(j);
		return true;
	}
	return false;
}

/* With the lock. A place for @n bytes, waiting for it if need be; NULL: the journal failed. */
static uint8_t *wait_place(struct journal *j, size_t n)
{
	uint8_t *at = NULL;

	while (!j->failed.code && !(at = spool_place(&j->spool, n, SPOOL_KEEP))) {
		if (j->spool.code) {
			err_set(&j->failed, j->spool.code, "journal: reserve disk for '%s'",
				SPOOL_NAME);
			put_gap(j, UINT64_MAX, 0, -1, "the record stops here: the disk is full", 0);
			break;
		}
		j->urgent = true;
		need_thread(j);
		if (j->failed.code)
			break;
		j->waiters++;
		pthread_cond_signal(&j->work);
		pthread_cond_wait(&j->room, &j->lock);
		j->waiters--;
	}
	return j->failed.code ? NULL : at;
}

int failure(const struct journal *j, struct err *err)
{
	if (err)
		*err = j->failed;
	return -j->failed.code;
}

static int append_locked(struct journal *j, struct event *ev, const struct kind_def *def,
			 uint64_t *ret_seq, struct err *err)
{
	const char *field = NULL;
	size_t lost = cut(ev, def, &field);
	size_t n = size_bound(ev, def), more = lost ? SPOOL_KEEP : 0;
	uint8_t *at = wait_place(j, n + more);
	char detail[200];
	int rc;

	if (!at)
		return failure(j, err);
	rc = put(j, ev, at, n);
	if (rc)
		return err_set(err, rc, "journal: encode an event of kind '%s'", def->name);
	if (lost) {
		snprintf(detail, sizeof(detail),
			 "event %llu: '%s' was longer than the limit, %zu bytes left out",
			 (unsigned long long)ev->seq, field, lost);
		put_gap(j, ev->t, ev->proc, (int64_t)lost, detail, 0);
	}
	*ret_seq = ev->seq;
	return 0;
}

uint64_t journal_events(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->next_seq - 1;
	pthread_mutex_unlock(&j->lock);
	return n;
}

int journal_append(struct journal *j, const struct event *ev, uint64_t *ret_seq, struct err *err)
{
	const struct kind_def *def = event_kind_def(ev->kind);
	struct event copy;
	uint64_t seq = 0;
	bool wake;
	int rc;

	if (!def || (ev->t > INT64_MAX && ev->t != UINT64_MAX))
		return err_set(err, EINVAL, "journal: append an event of kind %d", (int)ev->kind);
	copy.t = ev->t;
	copy.proc = ev->proc;
	copy.kind = ev->kind;
	memcpy(copy.v, ev->v, sizeof(copy.v[0]) * (size_t)def->nfields);
	pthread_mutex_lock(&j->lock);
	rc = append_locked(j, &copy, def, &seq, err);
	wake = want_thread(j);
	pthread_mutex_unlock(&j->lock);
	if (wake)
		pthread_cond_signal(&j->work);
	if (!rc && ret_seq)
		*ret_seq = seq;
	return rc;
}

int journal_run_begin(struct journal *j, const struct event *ev, uint32_t *ret_run, struct err *err)
{
	struct event first = *ev;
	uint64_t seq;
	uint32_t run;
	int rc;

	if (ev->kind != EV_RUN_BEGIN)
		return err_set(err, EINVAL, "journal: begin a run");
	first.t = 0;
	pthread_mutex_lock(&j->lock);
	run = j->last_run + 1;
	j->run = run;
	atomic_store(&j->t0, clock_mono_ns() + box_clock_ahead(j->clock));
	rc = append_locked(j, &first, event_kind_def(EV_RUN_BEGIN), &seq, err);
	if (!rc)
		j->last_run = run;
	else
		j->run = 0;
	pthread_mutex_unlock(&j->lock);
	pthread_cond_signal(&j->work);
	if (!rc && ret_run)
		*ret_run = run;
	return rc;
}
