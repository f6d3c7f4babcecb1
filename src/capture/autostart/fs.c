// SPDX-License-Identifier: Apache-2.0
/*
 * fs.c - paths, links and files inside the tree that is looked at
 *
 * Links are followed here, component by component, against the tree's own root: a link of the box
 * never leads out of it, and a loop ends after AS_LINKS_MAX.
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

/* Append @comp to @out; ".." takes the last one off. */
static int push(char out[AS_PATH_MAX], const char *comp, size_t n)
{
	size_t at = strlen(out);

	if (!n || (n == 1 && comp[0] == '.'))
		return 0;
	if (n == 2 && comp[0] == '.' && comp[1] == '.') {
		char *slash = strrchr(out, '/');

		if (slash)
			*slash = 0;
		return 0;
	}
	if (at + n + 2 > AS_PATH_MAX)
		return -ENAMETOOLONG;
	out[at] = '/';
	memcpy(out + at + 1, comp, n);
	out[at + 1 + n] = 0;
	return 0;
}

static int resolve(const struct as_fs *fs, const char *path, bool last, char out[AS_PATH_MAX])
{
	char todo[2 * AS_PATH_MAX], done[AS_PATH_MAX] = "", link[AS_PATH_MAX];
	int links = 0, r;

	if (fs->real)
		return fs->real(fs->ctx, path, last, out);
	if (strlen(path) >= AS_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(todo, path);
	while (todo[0]) {
		size_t skip = strspn(todo, "/"), n = strcspn(todo + skip, "/");
		const char *after = todo + skip + n;
		size_t keep = strlen(done);
		bool final = !after[strspn(after, "/")];
		char rest[2 * AS_PATH_MAX];

		r = push(done, todo + skip, n);
		if (r)
			return r;
		strcpy(rest, after);
		strcpy(todo, rest);
		if (!done[0] || strlen(done) <= keep || (final && !last))
			continue;
		r = fs->readlink(fs->ctx, done, link, sizeof(link));
		if (r == -EINVAL) /* there, and no link */
			continue;
		if (r < 0)
			return r;
		if (++links > AS_LINKS_MAX)
			return -ELOOP;
		if (strlen(link) + strlen(rest) + 2 > AS_PATH_MAX)
			return -ENAMETOOLONG;
		snprintf(todo, sizeof(todo), "%s/%s", link, rest);
		done[link[0] == '/' ? 0 : keep] = 0;
	}
	strcpy(out, done[0] ? done : "/");
	return 0;
}

int as_real(const struct as_fs *fs, const char *path, char out[AS_PATH_MAX])
{
	return resolve(fs, path, true, out);
}

int as_real_parent(const struct as_fs *fs, const char *path, char out[AS_PATH_MAX])
{
	return resolve(fs, path, false, out);
}

int as_stat(const struct as_fs *fs, const char *path, struct as_stat *st, char *real)
{
	char buf[AS_PATH_MAX];
	int r = as_real(fs, path, real ? real : buf);

	return r ? r : fs->lstat(fs->ctx, real ? real : buf, st);
}

int as_slurp(const struct as_fs *fs, const char *path, char **ret, size_t *ret_n)
{
	char real[AS_PATH_MAX];
	struct as_stat st;
	int r = as_stat(fs, path, &st, real);

	if (r)
		return r;
	if (!S_ISREG(st.mode))
		return -EINVAL;
	return fs->read(fs->ctx, real, AS_FILE_MAX, ret, ret_n);
}

bool as_is_program(const struct as_fs *fs, const char *path, char *real)
{
	struct as_stat st;

	return !as_stat(fs, path, &st, real) && S_ISREG(st.mode) && (st.mode & 0111);
}

static bool bytes_differ(const struct as_fs *now, const struct as_fs *base, const char *path)
{
	cleanup_free char *a = NULL, *b = NULL;
	size_t an, bn;

	if (now->read(now->ctx, path, AS_FILE_MAX, &a, &an) ||
	    base->read(base->ctx, path, AS_FILE_MAX, &b, &bn))
		return true;
	return an != bn || memcmp(a, b, an);
}

bool as_differs(const struct as_fs *now, const struct as_fs *base, const char *path)
{
	char in_now[AS_PATH_MAX], in_base[AS_PATH_MAX], la[AS_PATH_MAX], lb[AS_PATH_MAX];
	struct as_stat a, b;

	if (as_real_parent(now, path, in_now) || now->lstat(now->ctx, in_now, &a))
		return false; /* not there: nothing of the box's own */
	if (as_real_parent(base, path, in_base) || base->lstat(base->ctx, in_base, &b))
		return true;
	if (((a.mode ^ b.mode) & (S_IFMT | 0111)) || strcmp(in_now, in_base))
		return true;
	if (S_ISLNK(a.mode))
		return now->readlink(now->ctx, in_now, la, sizeof(la)) < 0 ||
		       base->readlink(base->ctx, in_base, lb, sizeof(lb)) < 0 || strcmp(la, lb);
	if (!S_ISREG(a.mode))
		return false;
	if (a.size != b.size)
		return true;
	if (now->differs)
		return now->differs(now->ctx, base->ctx, in_now);
	return bytes_differ(now, base, in_now);
}
