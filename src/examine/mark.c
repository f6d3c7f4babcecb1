// SPDX-License-Identifier: Apache-2.0
/*
 * mark.c - marks, progress, and watching in box time
 */
#include "examine/inner.h"

#define SLICES	     4 /* few: each is a wait of its own for the patience of time-lapse */
#define SLICE_NS_MIN (NSEC_PER_SEC / 5)
/* Programs that work all the time leave no wait to cut short: then their box's hour is one of ours.
 * So much of our time one watch may take, and each later one after one that took long. */
#define REAL_MAX       (5 * MINUTE)
#define REAL_MAX_LATER (MINUTE / 2)
#define REAL_LONG      (40 * NSEC_PER_SEC)
/* … and so much one of many hours, before time-lapse may lose patience with it */
#define WHOLE_REAL   (MINUTE / 2)
#define WHOLE_NS     (6 * HOUR)
#define MOMENT_AFTER (2 * NSEC_PER_SEC)
#define LOOK_REAL    (5 * NSEC_PER_SEC) /* how often somebody looks at our own clock */

int mark(struct exam *x, const struct mark *m, struct err *err)
{
	struct event ev = { .kind = EV_MARK, .t = UINT64_MAX };

	ev.v[EV_AT(MARK, NAME)] = V_Z("experiment");
	ev.v[EV_AT(MARK, EXPERIMENT)] = V_Z(x->now->name);
	ev.v[EV_AT(MARK, STEP)] = V_Z(m->step);
	ev.v[EV_AT(MARK, DETAIL)] = V_Z(m->detail);
	if (m->target)
		ev.v[EV_AT(MARK, TARGET)] = V_INT(m->target);
	if (m->target2)
		ev.v[EV_AT(MARK, TARGET2)] = V_INT(m->target2);
	ev.v[EV_AT(MARK, PATH)] = V_Z(m->path);
	ev.v[EV_AT(MARK, SHA256)] = V_Z(m->sha256 && m->sha256[0] ? m->sha256 : NULL);
	return journal_append(x->s.journal, &ev, NULL, err);
}

uint64_t scaled(const struct exam *x, uint64_t ns)
{
	return (uint64_t)((double)ns * x->o->scale);
}

static uint64_t watch_of(const struct exam *x)
{
	uint64_t ns = x->now->watch;

	if (!strcmp(x->now->name, "idle") && x->o->days > 0)
		ns = (uint64_t)(x->o->days * 24 * (double)HOUR);
	return scaled(x, ns);
}

void progress(struct exam *x, const char *words)
{
	struct examine_progress p = { .experiment = x->now->name,
				      .shows = x->now->shows,
				      .nr = x->now_nr + 1,
				      .of = nexperiments,
				      .watch_ns = watch_of(x),
				      .words = words };
	uint64_t t = x->running ? session_box_now(&x->s) : 0;

	if (!x->o->progress)
		return;
	p.box_ns = t > x->began ? t - x->began : 0;
	p.total_ns = x->before_ns + t;
	p.events = x->running ? journal_events(x->s.journal) : 0;
	x->o->progress(x->o->progress_ctx, &p);
}

/* Has this watch taken too much of our time? What is left of it goes by at once. Return: 1; 0 no,
 * or the box's time is ours */
static int hurry(struct exam *x, uint64_t real, uint64_t left, bool hours, struct err *err)
{
	uint64_t most = x->busy && !hours ? REAL_MAX_LATER : REAL_MAX;
	cleanup_free char *words = NULL;
	struct err none = { 0 };
	int rc;

	if (clock_mono_ns() - real < most)
		return 0;
	rc = session_clock_ahead(&x->s, left, &none);
	if (rc == -ENOTSUP)
		return 0;
	if (rc) {
		*err = none;
		return rc;
	}
	x->busy = true;
	words = xasprintf(
		"programs of the box work all the time: its clock was put forward by %llu "
		"minutes",
		(unsigned long long)(left / MINUTE));
	rc = mark(x, &(struct mark){ .step = "act", .detail = words }, err);
	return rc ? rc : 1;
}

/* Whom the clock has gone over at the end has a moment to do what it was woken for. */
static int moment(struct exam *x, uint64_t real, struct err *err)
{
	int rc = 0;

	if (x->session.speed == SPEED_LAPSE && clock_mono_ns() - real >= MOMENT_AFTER)
		rc = session_wait_box_most(&x->s, session_box_now(&x->s) + MINUTE, NSEC_PER_SEC,
					   err);
	return rc < 0 ? rc : 0;
}

int watch(struct exam *x, uint64_t ns, struct err *err)
{
	uint64_t now = session_box_now(&x->s), whole = now + scaled(x, ns), end = now;
	uint64_t slice = scaled(x, ns) / SLICES;
	uint64_t real = clock_mono_ns();
	bool hours = scaled(x, ns) >= WHOLE_NS;

	if (slice < SLICE_NS_MIN)
		slice = SLICE_NS_MIN;
	while (now < whole) {
		int rc;

		/* another end is a wait of its own, and patience begins anew */
		if (now >= end || (hours && clock_mono_ns() - real < WHOLE_REAL))
			end = whole - now < slice ? whole : now + slice;
		rc = session_wait_box_most(&x->s, end, LOOK_REAL, err);
		if (rc >= 0)
			rc = manager_turn(x, err);
		now = session_box_now(&x->s);
		if (rc >= 0 && now < whole)
			rc = hurry(x, real, whole - now, hours, err);
		if (rc < 0)
			return rc;
		if (rc)
			break;
		progress(x, NULL);
	}
	x->busy |= clock_mono_ns() - real >= REAL_LONG;
	return moment(x, real, err);
}
