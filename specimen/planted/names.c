// SPDX-License-Identifier: Apache-2.0
/*
 * names.c - planted actions: odd names, ways to name a folder, descriptors from elsewhere, and what
 * was there before the run
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include "planted.h"

int name_newline(void)
{
	return put("a\nb", "x\n");
}

int name_escape(void)
{
	return put("\033]0;owned\007\033[31mred", "x\n");
}

int name_tab(void)
{
	return put("a\tb", "x\n");
}

int name_not_utf8(void)
{
	return put("bad-\xff\xfe\xc0\x80", "x\n");
}

int name_spaces(void)
{
	return put("  -rf *  ", "x\n");
}

int name_bidi(void)
{
	return put("exe.\xe2\x80\xaegpj", "x\n");
}

int name_255(void)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	return put(name, "x\n");
}

/* Go down until the working directory's path is @want bytes long. */
static int descend(size_t want)
{
	char cwd[4096], name[256];
	size_t at;

	if (!getcwd(cwd, sizeof(cwd)))
		return failed("getcwd");
	for (at = strlen(cwd); at < want;) {
		size_t left = want - at - 1, n = left > 200 ? (left > 202 ? 200 : 100) : left;

		if (!n)
			break;
		memset(name, 'd', n);
		name[n] = '\0';
		if (mkdir(name, 0755) || chdir(name))
			return failed("descend");
		at += n + 1;
	}
	return DONE;
}

int path_max(void)
{
	char path[4096];
	size_t n;

	if (descend(4000) || !getcwd(path, sizeof(path)))
		return failed("getcwd");
	n = strlen(path);
	path[n++] = '/';
	memset(path + n, 'z', 4095 - n);
	path[4095] = '\0';
	return put(path, "x\n"); /* one absolute path of PATH_MAX - 1 bytes */
}

int path_beyond_max(void)
{
	return descend(5000) ? FAILED : put("deep-file", "x\n");
}

int path_dots(void)
{
	if (mkdir("a", 0755) || mkdir("a/b", 0755))
		return failed("a/b");
	return put("a//b/../.././f", "x\n");
}

/* ---- ways to name a directory ------------------------------------------------------------- */

int dirfd_relative(void)
{
	int d, fd;

	if (mkdir("dir", 0755))
		return failed("dir");
	d = open("dir", O_PATH | O_DIRECTORY);
	if (chdir("/"))
		return failed("/");
	fd = openat(d, "f", O_WRONLY | O_CREAT, 0644);
	return ok(fd, "openat");
}

int dirfd_moved(void)
{
	int d;

	if (mkdir("dir", 0755))
		return failed("dir");
	d = open("dir", O_PATH | O_DIRECTORY);
	if (rename("dir", "renamed"))
		return failed("rename");
	return ok(openat(d, "f", O_WRONLY | O_CREAT, 0644), "openat");
}

int after_chdir(void)
{
	return mkdir("dir", 0755) || chdir("dir") ? failed("dir") : put("f", "x\n");
}

int after_fchdir(void)
{
	if (mkdir("dir", 0755))
		return failed("dir");
	return fchdir(open("dir", O_RDONLY | O_DIRECTORY)) ? failed("fchdir") : put("f", "x\n");
}

int through_symlink(void)
{
	if (mkdir("dir", 0755) || symlink("dir", "way"))
		return failed("dir");
	return put("way/f", "x\n");
}

int symlink_followed(void)
{
	return symlink("target", "way") ? failed("symlink") : put("way", "x\n");
}

/* ---- descriptors from elsewhere ----------------------------------------------------------- */

static int send_fd(int sock, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { .h = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec v = { (char *)"x", 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.room)
	};

	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1 ? DONE : failed("sendmsg");
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} c;
	char x;
	struct iovec v = { &x, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.room)
	};
	int fd;

	if (recvmsg(sock, &m, 0) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
	return fd;
}

int passed_descriptor(void)
{
	int sv[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return failed("socketpair");
	pid = fork();
	if (!pid) {
		fd = receive_fd(sv[1]);
		_exit(write(fd, "by the receiver\n", 16) != 16);
	}
	return send_fd(sv[0], rw()) || reap(pid) ? FAILED : DONE;
}

int reopened_descriptor(void)
{
	char path[64];
	int fd;

	if (seed())
		return FAILED;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", open("f", O_RDONLY));
	fd = open(path, O_WRONLY | O_APPEND);
	return ok(fd < 0 ? fd : write(fd, "again\n", 6), "reopen");
}

int deleted_then_written(void)
{
	int fd = rw();

	unlink("f");
	return ok(write(fd, "nobody sees this\n", 17), "write");
}

/* ---- what was there before the run -------------------------------------------------------- */

int base_changed(void)
{
	int fd = open("/etc/passwd", O_WRONLY | O_APPEND);

	return ok(fd < 0 ? fd : write(fd, "planted:x:4711:4711::/:/bin/false\n", 34),
		  "/etc/passwd");
}

int base_mode(void)
{
	return ok(chmod("/etc/group", 0600), "/etc/group");
}

int base_removed(void)
{
	if (access("/etc/debian_version", F_OK))
		return CANNOT;
	return ok(unlink("/etc/debian_version"), "/etc/debian_version");
}

int base_unit(void)
{
	mkdir("/etc/systemd", 0755);
	mkdir("/etc/systemd/system", 0755);
	return put("/etc/systemd/system/planted.service",
		   "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n");
}

int base_cron(void)
{
	mkdir("/etc/cron.d", 0755);
	return put("/etc/cron.d/planted", "@reboot root /bin/true\n");
}
