// SPDX-License-Identifier: Apache-2.0
/*
 * time.c - waiting for a box, in real time and in the box's own
 */
#include "session/time.h"

#define STEP_MS 1000 /* longest single step; session_wait_a_little() makes shorter ones of it */

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

	for (;;) {
		int ms = ms_until(end, clock_mono_ns());
		int rc = session_wait_a_little(s, id, pid, ms, ret_status, err);

		if (rc || (!ms && clock_mono_ns() >= end))
			return rc;
	}
}

uint64_t session_box_now(const struct session_run *s)
{
	return journal_now(s->journal);
}

int session_wait_box(struct session_run *s, int id, pid_t pid, uint64_t box_ns, int *ret_status,
		     struct err *err)
{
	uint64_t now = session_box_now(s), end = now + box_ns;

	for (;;) {
		int ms = ms_until(end, session_box_now(s));
		int rc = session_wait_a_little(s, id, pid, ms, ret_status, err);

		if (rc || (!ms && session_box_now(s) >= end))
			return rc;
	}
}

int session_clock_ahead(struct session_run *s, uint64_t ns, struct err *err)
{
	(void)s;
	(void)ns;
	return err_set(err, ENOTSUP, "run: put the clock of a box forward that runs at real speed");
}
