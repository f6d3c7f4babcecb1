// SPDX-License-Identifier: Apache-2.0
/*
 * carrier.c - an installer that is a program: what it installs stands behind its own end
 *
 *   carrier                     unpacks the archive that it carries, and starts its install.sh
 *   carrier --appimage-extract  with a squashfs instead: unpacks it to squashfs-root
 *
 * The second is the runtime of an AppImage of type 2, of those that cannot start without FUSE.
 */
#include <elf.h>

#include "kit.h"

/* The table of sections is the last thing in the file of a program as the linker leaves it. */
static off_t own_end(int fd)
{
	Elf64_Ehdr h;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		exit(1);
	return (off_t)h.e_shoff + (off_t)h.e_shentsize * h.e_shnum;
}

static int extract(off_t at)
{
	char from[32], self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	snprintf(from, sizeof(from), "%lld", (long long)at);
	execlp("unsquashfs", "unsquashfs", "-no-progress", "-quiet", "-o", from, "-d",
	       "squashfs-root", self, (char *)NULL);
	fprintf(stderr, "carrier: unsquashfs is not here\n");
	return 127;
}

static int unpack(int fd, const char *dir)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		dup2(fd, 0);
		execlp("tar", "tar", "-xzf", "-", "-C", dir, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/carrierXXXXXX", script[64], magic[4] = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	off_t at;

	kit_begin("carrier");
	signal(SIGCHLD, SIG_DFL); /* those that unpack wait for children of theirs */
	if (fd < 0)
		return 1;
	at = own_end(fd);
	if (argc == 2 && !strcmp(argv[1], "--appimage-extract"))
		return extract(at);
	if (pread(fd, magic, 4, at) == 4 && !memcmp(magic, "hsqs", 4)) {
		fprintf(stderr, "carrier: this AppImage needs FUSE\n");
		return 127;
	}
	if (!mkdtemp(dir) || lseek(fd, at, SEEK_SET) != at || unpack(fd, dir))
		return 1;
	snprintf(script, sizeof(script), "%s/install.sh", dir);
	execl(script, script, (char *)NULL);
	return 1;
}
