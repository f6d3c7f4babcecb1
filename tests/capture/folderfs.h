// SPDX-License-Identifier: Apache-2.0
/*
 * folderfs.h - two plain folders, "now" and "base", as the trees that the autostart part looks at
 */
#ifndef BELLJAR_TESTS_FOLDERFS_H
#define BELLJAR_TESTS_FOLDERFS_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "capture/autostart/autostart.h"

static char fixture[64];    /* the folder of this test */
static char fs_root[2][96]; /* now, base */

static const char *real_path(void *ctx, const char *path)
{
	static char buf[4][8192];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(buf[turn], sizeof(buf[turn]), "%s%s", (const char *)ctx, path);
	return buf[turn];
}

static int folder_lstat(void *ctx, const char *path, struct as_stat *ret)
{
	struct stat st;

	if (lstat(real_path(ctx, path), &st))
		return -errno;
	*ret = (struct as_stat){
		.mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid, .size = (uint64_t)st.st_size
	};
	return 0;
}

static int folder_read(void *ctx, const char *path, size_t max, char **ret, size_t *ret_n)
{
	cleanup_close int fd = open(real_path(ctx, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *p;
	ssize_t n;

	if (fd < 0)
		return -errno;
	p = xmalloc(max + 1);
	n = read_full(fd, p, max);
	assert_true(n >= 0);
	p[n] = 0;
	*ret = xrealloc(p, (size_t)n + 1);
	*ret_n = (size_t)n;
	return 0;
}

static int folder_readlink(void *ctx, const char *path, char *buf, size_t room)
{
	ssize_t n = readlink(real_path(ctx, path), buf, room - 1);

	if (n < 0)
		return -errno;
	buf[n] = 0;
	return (int)n;
}

static int folder_list(void *ctx, const char *path, int (*fn)(void *arg, const char *name),
		       void *arg)
{
	DIR *d = opendir(real_path(ctx, path));
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (!r && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = fn(arg, e->d_name);
	closedir(d);
	return r;
}

static struct as_fs folder(int which)
{
	return (struct as_fs){ .ctx = fs_root[which],
			       .lstat = folder_lstat,
			       .read = folder_read,
			       .readlink = folder_readlink,
			       .list = folder_list };
}
#define NOW  0
#define BASE 1

static UNUSED void put_parents(int which, const char *path)
{
	cleanup_free char *p = xstrdup(real_path(fs_root[which], path));

	*strrchr(p, '/') = 0;
	assert_int_equal(mkdir_p(p, 0755), 0);
}

static UNUSED void put_bytes(int which, const char *path, mode_t mode, const void *p, size_t n)
{
	int fd;

	put_parents(which, path);
	unlink(real_path(fs_root[which], path));
	fd = open(real_path(fs_root[which], path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, p, n), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static UNUSED void put_file(int which, const char *path, mode_t mode, const char *text)
{
	put_bytes(which, path, mode, text, strlen(text));
}

/* in both: what the base brought */
static UNUSED void put_base(const char *path, mode_t mode, const char *text)
{
	put_file(NOW, path, mode, text);
	put_file(BASE, path, mode, text);
}

static UNUSED void put_link(int which, const char *path, const char *target)
{
	put_parents(which, path);
	unlink(real_path(fs_root[which], path));
	assert_int_equal(symlink(target, real_path(fs_root[which], path)), 0);
}

#define PASSWD                                                                                     \
	"root:x:0:0:root:/root:/bin/bash\n"                                                        \
	"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"                                        \
	"alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n"                                       \
	"bob:x:1001:1001::/srv/bob:/bin/bash\n"

static int folder_setup(void **state UNUSED)
{
	strcpy(fixture, "/tmp/bj-autostart-XXXXXX");
	assert_non_null(mkdtemp(fixture));
	for (int i = 0; i < 2; i++) {
		snprintf(fs_root[i], sizeof(fs_root[i]), "%s/%s", fixture, i ? "base" : "now");
		assert_int_equal(mkdir_p(fs_root[i], 0755), 0);
	}
	put_base("/etc/passwd", 0644, PASSWD);
	put_base("/usr/bin/env", 0755, "");
	put_base("/usr/bin/bash", 0755, "");
	put_base("/usr/bin/install", 0755, "");
	put_link(NOW, "/bin", "usr/bin");
	put_link(BASE, "/bin", "usr/bin");
	put_link(NOW, "/lib", "usr/lib");
	put_link(BASE, "/lib", "usr/lib");
	return 0;
}

static int folder_teardown(void **state UNUSED)
{
	assert_int_equal(rm_rf_at(AT_FDCWD, fixture), 0);
	return 0;
}

#endif
