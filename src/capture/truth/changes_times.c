// SPDX-License-Identifier: Apache-2.0
/*
 * changes_times.c - modification times that no write can have left
 *
 * A call can set a file's modification time to anything; it cannot set when the inode was made, nor
 * wind the clock. So a time from before the inode was made, or one that is still to come, was set
 * by a call, and so was a time that stayed the same while the content became another. One thing
 * else leaves an old time on a new inode: overlayfs copies a file of a layer below up when it is
 * changed, renamed or linked, and keeps its time. Such a file has the size and the time of one that
 * was there before, and that is in the walk's way because it differs, or was copied up: so files of
 * before are gathered, and what equals one of them is left out.
 *
 * A box with time-lapse has a date of its own: what a call sets to the box's "now" is no older and
 * no later than that. Times that the kernel wrote are told as the box reads them (dates.h).
 *
 * File systems count time in ticks, and who sets the time of a moment ago hides nothing: a second
 * is left out of account.
 */
#include <sys/stat.h>

#include "capture/truth/changes.h"

void times_init(struct times *t, const struct dates *dates)
{
	*t = (struct times){ .now_ns = (int64_t)clock_real_ns(), .dates = dates };
}

void times_free(struct times *t)
{
	free(t->old);
	free(t->early);
}

void times_before(struct times *t, const struct tree_stat *then)
{
	if (!S_ISREG(then->mode))
		return;
	if (t->nold == t->old_cap) {
		t->old_cap = t->old_cap ? t->old_cap * 2 : 256;
		t->old = xrealloc(t->old, t->old_cap * sizeof(*t->old));
	}
	t->old[t->nold++] = (struct old_time){ then->size, then->mtime_ns };
}

void times_of(struct times *t, struct delta *d, const struct entry *now, const struct entry *then,
	      uint64_t index)
{
	int64_t mtime = now->st.mtime_ns;
	bool is_box_date;

	if (!S_ISREG(now->st.mode))
		return;
	d->c.mtime_ns = dates_of_file(t->dates, mtime, now->st.ctime_ns);
	is_box_date = dates_was(t->dates, mtime, (uint64_t)t->now_ns);
	d->c.mtime_set = (mtime > t->now_ns + (int64_t)NSEC_PER_SEC && !is_box_date) ||
			 (then && then->st.mtime_ns == mtime);
	if (d->c.mtime_set || is_box_date || mtime >= now->born_ns - (int64_t)NSEC_PER_SEC)
		return;
	if (t->nearly == t->early_cap) {
		t->early_cap = t->early_cap ? t->early_cap * 2 : 256;
		t->early = xrealloc(t->early, t->early_cap * sizeof(*t->early));
	}
	t->early[t->nearly++] = (struct early_time){ { now->st.size, mtime }, index };
}

static int by_both(const void *a, const void *b)
{
	const struct old_time *x = a, *y = b;

	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns < y->mtime_ns ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

void times_tell(struct times *t, struct rec_out *o, uint64_t n)
{
	if (t->nold)
		qsort(t->old, t->nold, sizeof(*t->old), by_both);
	for (size_t i = 0; i < t->nearly; i++) {
		const struct early_time *e = &t->early[i];

		if (e->index < n &&
		    (!t->nold || !bsearch(&e->t, t->old, t->nold, sizeof(*t->old), by_both)))
			rec_time_set(o, e->index);
	}
}
