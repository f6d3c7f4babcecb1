// SPDX-License-Identifier: Apache-2.0
/*
 * log.c - what the installer printed: its last line, for people
 *
 * The box's log is a file of ours (relay.c of the room box writes it, bounded); what is in it comes
 * from the box. So only printable ASCII of it is taken, the rest becomes '?'.
 */
#include <sys/stat.h>

#include "examine/inner.h"

#define TAIL 4096 /* bytes at the log's end that are looked at */

off_t log_size(const struct exam *x)
{
	struct stat st;

	return fstatat(box_dirfd(x->s.box), "log", &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_size;
}

/* Lines that say nothing but that there was an error, and those that go on with another. */
static bool says_nothing(const char *p, size_t n)
{
	static const char *const words[] = { " ", "\t", "tar: Exiting with failure",
					     "tar: Error is not recoverable",
					     "tar: Child returned status" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_starts((struct str){ p, n }, words[i]))
			return true;
	return n == 0;
}

/* The last line of @n bytes that says something; what is no printable ASCII becomes '?'. */
static void last_line(const char *p, size_t n, char ret[EXAMINE_SAID_MAX])
{
	size_t from, k = 0;

	ret[0] = 0;
	do {
		while (n && (unsigned char)p[n - 1] <= ' ')
			n--;
		for (from = n; from && p[from - 1] != '\n' && p[from - 1] != '\r';)
			from--;
		if (!says_nothing(p + from, n - from))
			break;
		n = from;
	} while (n);
	for (; from < n && k + 1 < EXAMINE_SAID_MAX; from++)
		ret[k++] = (char)(p[from] >= ' ' && p[from] < 0x7f ? p[from] : '?');
	ret[k] = 0;
}

void log_last_line(struct exam *x)
{
	cleanup_close int fd =
		openat(box_dirfd(x->s.box), "log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	off_t from = log_size(x) - TAIL;
	char b[TAIL];
	ssize_t n;

	if (from < x->log_at)
		from = x->log_at;
	n = fd < 0 ? -1 : pread(fd, b, sizeof(b), from);
	if (n > 0)
		last_line(b, (size_t)n, x->said);
}
