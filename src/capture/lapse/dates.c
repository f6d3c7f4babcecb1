// SPDX-License-Identifier: Apache-2.0
/*
 * dates.c - the table of dates.h, and the file in which a box keeps it
 */
#include <sys/stat.h>

#include "capture/lapse/dates.h"

#define FILE_NAME "clock"
#define FILE_MAX  (8u << 20)

void dates_free(struct dates *d)
{
	free(d->v);
	*d = (struct dates){ 0 };
}

/* Long ago, a moment more or less matters less. */
static void thin(struct dates *d)
{
	size_t half = d->n / 2, n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (i >= half || i % 2 == 0 || !d->v[i].ahead)
			d->v[n++] = d->v[i];
	if (n == d->n) { /* all of it are ends of runs */
		memmove(d->v, d->v + half, (d->n - half) * sizeof(*d->v));
		n = d->n - half;
	}
	d->n = n;
	d->kept = 0;
}

void dates_add(struct dates *d, uint64_t real, int64_t ahead)
{
	if (d->n && d->v[d->n - 1].ahead == ahead)
		return;
	if (!d->n && !ahead)
		return;
	if (d->n && real < d->v[d->n - 1].real)
		real = d->v[d->n - 1]
			       .real; /* a run that begins in the tick in which another ended */
	if (d->n == DATES_MAX)
		thin(d);
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->v = xrealloc(d->v, d->cap * sizeof(*d->v));
	}
	d->v[d->n++] = (struct date_change){ real, ahead };
}

int64_t dates_ahead(const struct dates *d, uint64_t real)
{
	size_t from = 0, to = d->n; /* the first that is later */

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (d->v[mid].real <= real)
			from = mid + 1;
		else
			to = mid;
	}
	return from ? d->v[from - 1].ahead : 0;
}

bool dates_any(const struct dates *d)
{
	return d->n > 0; /* it begins with one that is not 0 */
}

bool dates_was(const struct dates *d, int64_t t, uint64_t now)
{
	for (size_t i = 0, end; i < d->n; i = end) {
		int64_t from, to;

		for (end = i; end < d->n && d->v[end].ahead; end++)
			;
		if (end == i) { /* our date, until the next */
			end++;
			continue;
		}
		from = (int64_t)d->v[i].real + (d->v[i].ahead < 0 ? d->v[i].ahead : 0);
		to = (int64_t)(end < d->n ? d->v[end].real : now) + d->v[end - 1].ahead;
		if (t >= from && t <= to)
			return true;
	}
	return false;
}

/* ---- the file ----------------------------------------------------------------------------- */

static bool take_line(struct dates *d, char **at)
{
	char *end;
	uint64_t real = strtoull(*at, &end, 10);
	int64_t ahead;

	if (end == *at || *end != ' ')
		return false;
	*at = end + 1;
	ahead = strtoll(*at, &end, 10);
	if (end == *at || *end != '\n' || real > INT64_MAX || (d->n && real < d->v[d->n - 1].real))
		return false;
	*at = end + 1;
	dates_add(d, real, ahead);
	return true;
}

void dates_load(struct dates *d, int dirfd)
{
	cleanup_free char *text = NULL;
	struct stat st;
	size_t n;

	*d = (struct dates){ 0 };
	if (read_file_at(dirfd, FILE_NAME, FILE_MAX, &text, &n) ||
	    fstatat(dirfd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW))
		return;
	for (char *at = text; *at && take_line(d, &at);)
		;
	d->kept = d->n;
	/* a run that was cut off: the box's time ended when it was last written down */
	if (d->n && d->v[d->n - 1].ahead)
		dates_add(d,
			  (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC +
				  (uint64_t)st.st_mtim.tv_nsec + 1,
			  0);
}

int dates_save(struct dates *d, int dirfd)
{
	cleanup_buf struct buf out = { .limit = FILE_MAX };
	cleanup_close int fd = -1;
	int rc;

	if (d->kept == d->n)
		return 0;
	fd = openat(dirfd, FILE_NAME,
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (d->kept ? O_APPEND : O_TRUNC),
		    0600);
	if (fd < 0)
		return -errno;
	for (size_t i = d->kept; i < d->n; i++)
		buf_printf(&out, "%llu %lld\n", (unsigned long long)d->v[i].real,
			   (long long)d->v[i].ahead);
	rc = out.n ? write_full(fd, out.p, out.n) : 0;
	if (!rc)
		d->kept = d->n;
	return rc;
}
