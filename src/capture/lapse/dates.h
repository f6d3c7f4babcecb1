// SPDX-License-Identifier: Apache-2.0
/*
 * dates.h - what the box's date was at each moment of ours: how times that the kernel wrote are
 * read
 *
 * The kernel dates files by our clock, and so they stay on disk. Whoever reads such a time by the
 * box's clock (a program of the box, the record, `changes`) adds by how much the box was ahead when
 * it was written. A box that has a folder keeps the table there, as `clock`: a line for each
 * change, "nanoseconds of our CLOCK_REALTIME, what is added from then on"; so files of an earlier
 * run keep the times that they had in it, at whatever date a later one begins.
 *
 * Runs at real speed read times as they are on disk.
 */
#ifndef BELLJAR_CAPTURE_DATES_H
#define BELLJAR_CAPTURE_DATES_H

#include "base/base.h"

#define DATES_MAX                                                                                  \
	65536 /* changes that are known; of more, every second of the older half is lost */

/** struct dates - begin with zeros */
struct dates {
	struct date_change {
		uint64_t real; /* from then on */
		int64_t ahead; /* this is added */
	} * v;
	size_t n, cap;
	size_t kept; /* of these are in the file */
};

/** dates_load() - the table of an earlier run in folder @dirfd; none is an empty one */
void dates_load(struct dates *d, int dirfd);
/** dates_save() - write down what is new. Return: 0 or -errno */
int dates_save(struct dates *d, int dirfd);
void dates_free(struct dates *d);
/** dates_add() - from @real on (but not before the last one) the box is @ahead */
void dates_add(struct dates *d, uint64_t real, int64_t ahead);
/** dates_ahead() - by how much the box was ahead at @real */
int64_t dates_ahead(const struct dates *d, uint64_t real);
/** dates_any() - whether it ever was */
bool dates_any(const struct dates *d);

/** dates_was() - whether the box's date was @t in a run in which it was not ours, or was put
 * forward over it; in a run that goes on: until @now of ours */
bool dates_was(const struct dates *d, int64_t t, uint64_t now);

/** dates_of_file() - a file's modification time as the box reads it; @changed_ns: its ctime. A time
 * after that was set by a call (as the box's date, normally), and is left alone */
static inline int64_t dates_of_file(const struct dates *d, int64_t modified_ns, int64_t changed_ns)
{
	if (!d->n || modified_ns < 0 || modified_ns > changed_ns)
		return modified_ns;
	return modified_ns + dates_ahead(d, (uint64_t)modified_ns);
}

#endif
