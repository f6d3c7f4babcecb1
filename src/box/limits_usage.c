// SPDX-License-Identifier: Apache-2.0
/*
 * limits_usage.c - count what a box uses, where no cgroup does it
 *
 * All of it is read from outside, through the box's own /proc, so that nothing in the box can
 * stand in the way. Numbers come from the kernel; names that do not look like a pid are skipped.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "box/limits.h"

static int open_dir(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* proc_pid_statm(5): the second number */
static void add_resident(int proc, const char *pid, struct usage *u)
{
	char path[32], text[128];
	unsigned long long resident;
	ssize_t k;

	snprintf(path, sizeof(path), "%.10s/statm", pid);
	cleanup_close int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	k = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (k <= 0)
		return;
	text[k] = 0;
	if (sscanf(text, "%*s %llu", &resident) == 1)
		u->memory += resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t kilobytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

/* Anonymous and shared memory, not files: proc_pid_status(5), and as its share of each page
 * proc_pid_smaps(5). Return: 0 or -errno */
static int add_mapped(int proc, const char *pid, bool share, struct usage *u)
{
	cleanup_free char *text = NULL;
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "%.10s/%s", pid, share ? "smaps_rollup" : "status");
	rc = read_file_at(proc, path, 65536, &text, NULL);
	if (rc)
		return rc;
	u->memory += kilobytes(text, share ? "Pss_Anon:" : "RssAnon:");
	u->shared += kilobytes(text, share ? "Pss_Shmem:" : "RssShmem:");
	return 0;
}

/* A directory of tasks has a link for each, besides its two. */
static uint64_t threads(int proc, const char *pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%.10s/task", pid);
	return fstatat(proc, path, &st, 0) || st.st_nlink < 3 ? 1 : st.st_nlink - 2;
}

void usage_count(int rootfd, enum usage_how how, struct usage *ret)
{
	int fd = open_dir(rootfd, "proc");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*ret = (struct usage){ 0 };
	while (d && (e = readdir(d))) {
		const char *pid = e->d_name;

		if (pid[0] < '1' || pid[0] > '9' || !strcmp(pid, "1"))
			continue;
		ret->tasks += threads(fd, pid);
		if (how == USAGE_RESIDENT)
			add_resident(fd, pid, ret);
		else if (add_mapped(fd, pid, how == USAGE_SHARE, ret) && how == USAGE_SHARE)
			(void)add_mapped(fd, pid, false, ret);
	}
	if (d)
		closedir(d);
}

uint64_t usage_tmpfs(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) || s.f_blocks < s.f_bfree)
		return 0;
	return (s.f_blocks - s.f_bfree) * (uint64_t)s.f_bsize;
}

/* ---- open files without a name ------------------------------------------------------------- */

struct seen {
	dev_t dev[2 * UNLINKED_MAX];
	ino_t ino[2 * UNLINKED_MAX];
	int n;
};

/* Open addressing; once full everything is new, so that the sum errs upwards. */
static bool seen_before(struct seen *s, dev_t dev, ino_t ino)
{
	size_t i = ((size_t)ino * 0x9e3779b97f4a7c15ull ^ (size_t)dev) % (2 * UNLINKED_MAX);

	for (; s->ino[i]; i = (i + 1) % (2 * UNLINKED_MAX))
		if (s->ino[i] == ino && s->dev[i] == dev)
			return true;
	if (s->n < UNLINKED_MAX) {
		s->n++;
		s->dev[i] = dev;
		s->ino[i] = ino;
	}
	return false;
}

static void unlinked_of(struct seen *s, int fds, dev_t memfd, uint64_t *ret_memfd,
			uint64_t *ret_deleted)
{
	DIR *d = fds < 0 ? NULL : fdopendir(fds);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat st;

		/* the link leads to the open file itself, whatever its path says: proc_pid_fd(5) */
		if (e->d_name[0] == '.' || fstatat(fds, e->d_name, &st, 0) ||
		    !S_ISREG(st.st_mode) || st.st_nlink || seen_before(s, st.st_dev, st.st_ino))
			continue;
		*(st.st_dev == memfd ? ret_memfd : ret_deleted) += (uint64_t)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	else if (fds >= 0)
		close(fds);
}

void usage_unlinked(int rootfd, dev_t memfd, uint64_t *ret_memfd, uint64_t *ret_deleted)
{
	struct seen *s = xcalloc(1, sizeof(*s));
	int fd = open_dir(rootfd, "proc");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*ret_memfd = *ret_deleted = 0;
	while (d && (e = readdir(d))) {
		char path[32];

		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !strcmp(e->d_name, "1"))
			continue;
		snprintf(path, sizeof(path), "%.10s/fd", e->d_name);
		unlinked_of(s, open_dir(fd, path), memfd, ret_memfd, ret_deleted);
	}
	if (d)
		closedir(d);
	free(s);
}

/* ---- a layer on disk ---------------------------------------------------------------------- */

struct walk {
	uint64_t bytes, inodes; /* bytes in units of 512 */
	dev_t dev;
	bool whole;
};

/* Each level holds a descriptor: a tree that is deeper than there are descriptors is a partial
 * walk, and the file system's own count stands instead. */
static void walk_dir(struct walk *w, int fd)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		w->whole = false;
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
			w->whole &= errno == ENOENT;
			continue;
		}
		if (st.st_dev != w->dev)
			continue;
		if (S_ISDIR(st.st_mode)) {
			w->inodes++;
			w->bytes += (uint64_t)st.st_blocks;
			walk_dir(w, open_dir(fd, e->d_name));
		} else {
			/* a file of many names is met as often as it has names, so about once */
			w->inodes += st.st_nlink < 2;
			w->bytes += (uint64_t)st.st_blocks / (st.st_nlink ? st.st_nlink : 1);
		}
	}
	closedir(d);
}

bool usage_walk(int layerfd, uint64_t *ret_bytes, uint64_t *ret_inodes)
{
	struct walk w = { .whole = true };
	struct stat st;

	if (fstat(layerfd, &st))
		return false;
	w.dev = st.st_dev;
	walk_dir(&w, open_dir(layerfd, "."));
	*ret_bytes = w.bytes * 512;
	*ret_inodes = w.inodes;
	return w.whole;
}
