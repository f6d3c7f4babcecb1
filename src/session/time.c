// SPDX-License-Identifier: Apache-2.0
/*
 * time.c - waiting for a box, in real time and in the box's own
 */
#include "session/time.h"

#include <sys/mman.h>

#define STEP_MS	      1000 /* longest single step; session_wait_a_little() makes shorter ones of it */
#define LAPSE_STEP_MS 5	   /* … where the box's clock may jump meanwhile */

static void gate_due(void *ctx)
{
	struct session_run *s = ctx;

	if (s->net.gate)
		gate_box_time(s->net.gate);
}

int session_make_clock(struct session_run *s, const struct session_opts *o, struct err *err)
{
	uint64_t now = clock_real_ns();
	struct clock_hints *hints;
	int rc;

	if (o->speed == SPEED_REAL)
		return o->date_ns
			       ? err_set_exit(err, EXIT_USAGE, EINVAL,
					      "run: another date needs time-lapse (--speed lapse)")
			       : 0;
	if (o->date_ns && o->date_ns < SESSION_DATE_MIN)
		return err_set_exit(err, EXIT_USAGE, EINVAL,
				    "run: a box's clock cannot start before 1990");
	rc = shared_make(sizeof(*s->clock), &s->clock_memory, err);
	if (rc)
		return rc;
	hints = mmap(NULL, sizeof(*hints), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (hints == MAP_FAILED)
		return err_set(err, errno, "run: share memory with the gate");
	s->clock = s->clock_memory.rw;
	s->clock->date = o->date_ns ? (uint64_t)o->date_ns - now : 0;
	s->lapse = (struct recorder_lapse){ .clock = s->clock,
					    .clock_ro = s->clock_memory.ro,
					    .hints = hints,
					    .ctx = s,
					    .gate_due = gate_due };
	return 0;
}

uint64_t session_date_ahead(const struct session_run *s)
{
	return s->clock ? s->clock->date + s->clock->ahead : 0;
}

void session_drop_clock(struct session_run *s)
{
	if (s->lapse.hints)
		munmap(s->lapse.hints, sizeof(*s->lapse.hints));
	s->lapse.hints = NULL;
	shared_free(&s->clock_memory);
	s->clock = NULL;
}

static int ms_until(uint64_t end, uint64_t now)
{
	uint64_t ms = end > now ? (end - now + 999999) / 1000000 : 0;

	return ms > STEP_MS ? STEP_MS : (int)ms;
}

int session_wait(struct session_run *s, int id, pid_t pid, int timeout_ms, int *ret_status,
		 struct err *err)
{
	uint64_t end =
		timeout_ms < 0 ? UINT64_MAX : clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
	int ms, rc;

	recorder_run_until(s->rec, UINT64_MAX);
	do {
		ms = ms_until(end, clock_mono_ns());
		rc = session_wait_a_little(s, id, pid, ms, ret_status, err);
	} while (!rc && (ms || clock_mono_ns() < end));
	recorder_run_until(s->rec, 0);
	return rc;
}

uint64_t session_box_now(const struct session_run *s)
{
	return journal_now(s->journal);
}

static int wait_box(struct session_run *s, int id, pid_t pid, uint64_t end, uint64_t real_end,
		    int *ret_status, struct err *err)
{
	int ms, rc;

	recorder_run_until(s->rec, end);
	do {
		ms = ms_until(end, session_box_now(s));
		if (s->clock && ms > LAPSE_STEP_MS)
			ms = LAPSE_STEP_MS;
		rc = session_wait_a_little(s, id, pid, ms, ret_status, err);
	} while (!rc && (ms || session_box_now(s) < end) && clock_mono_ns() < real_end);
	recorder_run_until(s->rec, 0);
	return rc;
}

int session_wait_box(struct session_run *s, int id, pid_t pid, uint64_t box_ns, int *ret_status,
		     struct err *err)
{
	return wait_box(s, id, pid, session_box_now(s) + box_ns, UINT64_MAX, ret_status, err);
}

int session_wait_box_most(struct session_run *s, uint64_t end, uint64_t real_ns, struct err *err)
{
	int status;

	return wait_box(s, 0, 0, end, clock_mono_ns() + real_ns, &status, err);
}

int session_clock_ahead(struct session_run *s, uint64_t ns, struct err *err)
{
	return recorder_clock_ahead(s->rec, ns, err);
}
