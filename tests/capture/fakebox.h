// SPDX-License-Identifier: Apache-2.0
/*
 * fakebox.h - a box made of plain folders, for tests that look at layers without a running box
 *
 * The box has overlays "/" and "/usr", and one two folders deeper when a test says so
 * (fake_mounts = 3); one base folder under each, and three layers. Names in the
 * helpers are "N/root/path": N is a layer, 0 the base. Entries of the box room's contract that the
 * truth part needs are answered here; the "child in the user namespace" is a forked child, in a
 * user namespace of its own when the test is a plain user.
 */
#ifndef BELLJAR_TESTS_FAKEBOX_H
#define BELLJAR_TESTS_FAKEBOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "box/box.h"

struct box {
	struct box_info info;
	char path[256];
	int fd;
};

struct box_run {
	struct box *box;
	int layerfd;
};

const struct box_info *box_get_info(const struct box *box)
{
	return &box->info;
}

int box_dirfd(struct box *box)
{
	return box->fd;
}

bool box_has_folder(const struct box *box)
{
	return box->fd >= 0;
}

const char *box_path(const struct box *box)
{
	return box->path;
}

int box_run_layerfd(const struct box_run *run)
{
	return run->layerfd;
}

static int fake_mounts = 2;

int box_mounts(const struct box *box, struct box_mount ret[BOX_MOUNTS_MAX])
{
	static const char *const at[] = { "/", "/usr", "/var/lib/deep" };
	static const char *const sub[] = { "root", "usr", "deep" };

	for (int i = 0; i < fake_mounts; i++) {
		snprintf(ret[i].at, sizeof(ret[i].at), "%s", at[i]);
		snprintf(ret[i].sub, sizeof(ret[i].sub), "%s", sub[i]);
		snprintf(ret[i].lower[0], sizeof(ret[i].lower[0]), "%s/base/%s", box->path, sub[i]);
		snprintf(ret[i].lower[1], sizeof(ret[i].lower[1]), "%s/host/%s", box->path, sub[i]);
		ret[i].nlower = 2;
	}
	return fake_mounts;
}

int box_in_userns(struct box *box, int (*fn)(void *ctx), void *ctx, int *ret_status,
		  struct err *err)
{
	int status;
	pid_t pid = fork();

	(void)box;
	if (pid < 0)
		return err_set(err, errno, "test: fork");
	if (!pid)
		_exit(fn(ctx));
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return err_set(err, EIO, "test: the child died");
	*ret_status = WEXITSTATUS(status);
	return 0;
}

int box_run_in_userns(struct box_run *run, int (*fn)(void *ctx), void *ctx, int *ret_status,
		      struct err *err)
{
	return box_in_userns(run->box, fn, ctx, ret_status, err);
}

/* ---- building ------------------------------------------------------------------------------ */

/* "1/root/etc/x" is layers/1/root/etc/x, "0/…" the base, "h/…" the host's folder below it */
static inline const char *place(const struct box *box, const char *name)
{
	static char buf[4][8192];
	static int turn;
	char *out = buf[turn++ & 3];

	if (name[0] == '0')
		snprintf(out, sizeof(buf[0]), "%s/base%s", box->path, name + 1);
	else if (name[0] == 'h')
		snprintf(out, sizeof(buf[0]), "%s/host%s", box->path, name + 1);
	else
		snprintf(out, sizeof(buf[0]), "%s/layers/%s", box->path, name);
	return out;
}

static inline void mk_dir(const struct box *box, const char *name, mode_t mode)
{
	assert_int_equal(mkdir_p(place(box, name), 0755), 0);
	assert_int_equal(chmod(place(box, name), mode), 0);
}

static inline void mk_file(const struct box *box, const char *name, const char *text, mode_t mode)
{
	const char *path = place(box, name);
	char parent[8192];
	int fd;

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = 0;
	assert_int_equal(mkdir_p(parent, 0755), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline void mk_link(const struct box *box, const char *name, const char *target)
{
	char parent[8192];

	snprintf(parent, sizeof(parent), "%s", place(box, name));
	*strrchr(parent, '/') = 0;
	assert_int_equal(mkdir_p(parent, 0755), 0);
	assert_int_equal(symlink(target, place(box, name)), 0);
}

/* As the kernel makes it: a device where that is allowed, the marked empty file elsewhere. */
static inline void mk_whiteout(const struct box *box, const char *name)
{
	char parent[8192];

	snprintf(parent, sizeof(parent), "%s", place(box, name));
	*strrchr(parent, '/') = 0;
	assert_int_equal(mkdir_p(parent, 0755), 0);
	if (!mknod(place(box, name), S_IFCHR, makedev(0, 0)))
		return;
	mk_file(box, name, "", 0600);
	assert_int_equal(setxattr(place(box, name), "user.overlay.whiteout", "", 0, 0), 0);
	assert_int_equal(setxattr(parent, "user.overlay.opaque", "x", 1, 0), 0);
}

static inline void mk_opaque(const struct box *box, const char *name, mode_t mode)
{
	mk_dir(box, name, mode);
	assert_int_equal(setxattr(place(box, name), "user.overlay.opaque", "y", 1, 0), 0);
}

static inline struct box *fake_box(void)
{
	struct box *box = xcalloc(1, sizeof(*box));

	/* /var/tmp: user.* attributes do not exist on every /tmp */
	snprintf(box->path, sizeof(box->path), "%.200s/belljar-test.XXXXXX",
		 getenv("BELLJAR_TEST_DIR") ?: "/var/tmp");
	assert_non_null(mkdtemp(box->path));
	box->fd = open(box->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(box->fd >= 0);
	box->info.top = 3;
	for (const char *n = "0h123"; *n; n++) {
		char name[16];

		snprintf(name, sizeof(name), "%c/root", *n);
		mk_dir(box, name, 0755);
		snprintf(name, sizeof(name), "%c/usr", *n);
		mk_dir(box, name, 0755);
	}
	mk_dir(box, "0/root/usr", 0755);
	mk_dir(box, "0/root/etc", 0755);
	return box;
}

static inline void fake_box_free(struct box *box)
{
	char parent[256];
	char *slash;
	int fd;

	snprintf(parent, sizeof(parent), "%s", box->path);
	slash = strrchr(parent, '/');
	*slash = 0;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rm_rf_at(fd, slash + 1);
	close(fd);
	close(box->fd);
	free(box);
}

static inline int fake_setup(void **state)
{
	*state = fake_box();
	return 0;
}

static inline int fake_teardown(void **state)
{
	fake_box_free(*state);
	return 0;
}

#endif
