// SPDX-License-Identifier: Apache-2.0
/*
 * decoys_place.c - put the decoys into a home, once: in a box that nothing has run in
 *
 * What a program has deleted does not come back, and what stands there already stays.
 */
#include <sys/stat.h>

#include "box/runtime.h"

/* The folder of DIR/path, its missing parents made and given to @id; @ret_name: the last part. */
static int folder_of(int dir, const char *path, uid_t id, const char **ret_name)
{
	cleanup_close int at = dup(dir);

	while (at >= 0 && strchr(path, '/')) {
		cleanup_free char *part = xstrndup(path, strcspn(path, "/"));
		bool fresh = !mkdirat(at, part, part[0] == '.' ? 0700 : 0755);
		int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next >= 0 && fresh && fchown(next, id, id))
			(void)!0; /* an id that is not mapped: it stays box root's */
		close(at);
		at = next;
		path += strlen(part) + 1;
	}
	*ret_name = path;
	return at < 0 ? -errno : steal_fd(&at);
}

static int place(int home, const struct decoy *d, uid_t id, uint64_t made_ns)
{
	/* as if kept for some months */
	time_t then = (time_t)(made_ns / NSEC_PER_SEC) - 86400 * (20 + (time_t)d->bytes.n % 150);
	struct timespec times[2] = { { .tv_sec = then }, { .tv_sec = then } };
	const char *name;
	cleanup_close int dir = folder_of(home, d->path, id, &name);
	cleanup_close int fd = -1;

	if (dir < 0)
		return 0; /* something else stands there */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	if (fchown(fd, id, id))
		(void)!0; /* as above */
	if (fchmod(fd, d->mode))
		return -errno;
	int rc = write_full(fd, d->bytes.p, d->bytes.n);

	return rc ? rc : futimens(fd, times) ? -errno : 0;
}

int do_decoys(struct setup *s, const struct step *st, struct err *err)
{
	const struct box_plan *p = s->plan;
	uid_t id = strcmp(st->path, p->home) ? BOX_USER_ID : p->uid;
	cleanup_close int home = -1;

	if (!s->fresh)
		return 0;
	home = open(st->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0 && !mkdir(st->path, 0755)) {
		home = open(st->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (home >= 0 && fchown(home, id, id))
			(void)!0; /* as above */
	}
	if (home < 0)
		return 0;
	for (int i = 0; i < p->ndecoys; i++) {
		int rc = place(home, &p->decoy[i], id, s->box->info.created_ns);

		if (rc)
			return err_set(err, rc, "box: write '%s/%s' in the box", st->path,
				       p->decoy[i].path);
	}
	return 0;
}
