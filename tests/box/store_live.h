// SPDX-License-Identifier: Apache-2.0
/*
 * store_live.h - a home of boxes for one test, used in a child process
 *
 * box_home_open() gives root up for good, so each case runs in a fork; there, must() ends the
 * child with the line that failed.
 */
#ifndef BELLJAR_TEST_STORE_LIVE_H
#define BELLJAR_TEST_STORE_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "box/internal.h"

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #cond);               \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
#define must_ok(call, err)                                                                         \
	do {                                                                                       \
		int rc_ = (call);                                                                  \
		if (rc_ < 0) {                                                                     \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, (err)->msg);          \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

struct live {
	char *dir; /* of the test; home/ and rootfs/ in it */
	struct box_home home;
	struct box_opts opts; /* --root rootfs */
	struct err err;
};

static inline int live_setup(void **state)
{
	struct live *l = xcalloc(1, sizeof(*l));
	const char *tmp = getenv("TMPDIR");
	cleanup_free char *root = NULL, *home = NULL;

	l->dir = xasprintf("%s/belljar-store-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(l->dir) || chmod(l->dir, 0755))
		return -1;
	root = xasprintf("%s/rootfs/etc", l->dir);
	home = xasprintf("%s/home", l->dir);
	if (mkdir_p(root, 0755) || setenv("BELLJAR_HOME", home, 1))
		return -1;
	*strrchr(root, '/') = 0;
	l->opts.root = steal_ptr(&root);
	l->home.fd = l->home.broker = -1;
	*state = l;
	return 0;
}

/* What boxes and bases hold may belong to mapped ids: it goes the way it came. */
static inline void live_empty(struct live *l)
{
	static const char *const folders[] = { "boxes", "anon", "tmp", "base" };

	if (box_home_open(&l->home, &l->err))
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		(void)tree_remove(&l->home, idrange_here(&l->home), l->home.fd, folders[i], NULL);
	_exit(0);
}

static inline int live_teardown(void **state)
{
	struct live *l = *state;
	pid_t pid = fork();
	int rc;

	if (pid == 0)
		live_empty(l);
	waitpid(pid, NULL, 0);
	rc = rm_rf_at(AT_FDCWD, l->dir);
	free((void *)l->opts.root);
	free(l->dir);
	free(l);
	return rc;
}

/* Run @fn in a child with the home open; it must end well, and what its boxes made is gone after.
 */
static inline void in_child(void **state, void (*fn)(struct live *))
{
	struct live *l = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		must_ok(box_home_open(&l->home, &l->err), &l->err);
		fn(l);
		box_home_close(&l->home);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static inline struct box *live_box(struct live *l, const char *name)
{
	struct box *b;

	must_ok(box_open(&l->home, name, BOX_CREATE | BOX_LOCK, &l->opts, &b, &l->err), &l->err);
	return b;
}

static inline void live_remove(struct live *l, struct box *b)
{
	must_ok(box_remove(b, &l->err), &l->err);
	box_close(b);
}

static inline bool has(const struct box *b, const char *rel)
{
	struct stat st;

	return !fstatat(b->fd, rel, &st, AT_SYMLINK_NOFOLLOW);
}

static inline void put(const struct box *b, const char *rel)
{
	must(!mknodat(b->fd, rel, S_IFREG | 0644, 0));
}

static inline int entries(const struct live *l, const char *folder)
{
	cleanup_free char *cmd = xasprintf("%s/%s", l->home.path, folder);
	cleanup_close int fd = open(cmd, O_RDONLY | O_DIRECTORY);
	struct stat st;

	must(fd >= 0 && !fstat(fd, &st));
	return (int)st.st_nlink - 2;
}

#endif
