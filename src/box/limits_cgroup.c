// SPDX-License-Identifier: Apache-2.0
/*
 * limits_cgroup.c - a cgroup of our own for a plain user, where a tree is delegated to them
 *
 * systemd gives a user's manager a subtree (user@UID.service) whose folders belong to the user.
 * A process may be moved between two cgroups by whoever may write cgroup.procs in their common
 * ancestor, and a cgroup that passes controllers on may hold no process itself (kernel's
 * cgroup-v2, "no internal process constraint"). So: from our own cgroup upwards, the first folder
 * that we may write and that has or takes controllers for its children gets one more child.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

#include "box/broker_cgroup.h"
#include "box/limits.h"

#define UP_MAX	      8
#define OWN_PREFIX    "belljar-"
#define CPU_PERIOD_US 100000

static int put(const char *dir, const char *file, const char *text)
{
	char path[CGROUP_DIR_MAX + 64];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool lists(const char *dir, const char *file, const char *word)
{
	char path[CGROUP_DIR_MAX + 64];
	cleanup_free char *text = NULL;
	char *save, *w;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (read_file_at(AT_FDCWD, path, 4096, &text, NULL))
		return false;
	for (w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

static bool passes_on(const char *dir, const char *controller)
{
	char plus[32];

	if (lists(dir, "cgroup.subtree_control", controller))
		return true;
	if (!lists(dir, "cgroup.controllers", controller))
		return false;
	snprintf(plus, sizeof(plus), "+%s", controller);
	return !put(dir, "cgroup.subtree_control", plus);
}

/* Those that killed supervisors left; one that is in use refuses with EBUSY. */
static void sweep(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int pid;

	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, OWN_PREFIX "%d", &pid) == 1 && pid > 0 && kill(pid, 0) &&
		    errno == ESRCH)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
}

static int fill(const char *dir, pid_t pid1, const struct box_limits *l, struct own_has *has)
{
	char text[64];

	if (has->memory) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)l->memory);
		has->memory = !put(dir, "memory.max", text);
		if (has->memory)
			(void)put(dir, "memory.swap.max", "0");
	}
	if (has->pids) {
		/* pid 1 is one of them and not the program's */
		snprintf(text, sizeof(text), "%u", l->pids + 1);
		has->pids = !put(dir, "pids.max", text);
	}
	if (has->cpu) {
		snprintf(text, sizeof(text), "%llu %d",
			 (unsigned long long)(l->cpus * CPU_PERIOD_US), CPU_PERIOD_US);
		has->cpu = !put(dir, "cpu.max", text);
	}
	if (!has->memory && !has->pids && !has->cpu)
		return -ENOTSUP;
	snprintf(text, sizeof(text), "%d", (int)pid1);
	return put(dir, "cgroup.procs", text);
}

/* May we make a cgroup in @parent, and does it give its children something to limit? */
static bool usable(const char *parent)
{
	return !access(parent, W_OK) && !faccessat(AT_FDCWD, parent, X_OK, 0) &&
	       (lists(parent, "cgroup.controllers", "memory") ||
		lists(parent, "cgroup.controllers", "pids"));
}

static int make_in(const char *parent, pid_t pid1, const struct box_limits *l,
		   char ret_dir[CGROUP_DIR_MAX], struct own_has *ret_has)
{
	struct own_has has = { 0 };
	char dir[CGROUP_DIR_MAX + 32];
	int rc;

	if (access(parent, W_OK) || faccessat(AT_FDCWD, parent, X_OK, 0))
		return -EACCES;
	has.memory = l->memory && passes_on(parent, "memory");
	has.pids = l->pids && passes_on(parent, "pids");
	has.cpu = l->cpus > 0 && passes_on(parent, "cpu");
	if (!has.memory && !has.pids && !has.cpu)
		return -ENOTSUP;
	sweep(parent);
	if (snprintf(dir, sizeof(dir), "%s/" OWN_PREFIX "%d-%d", parent, (int)getpid(),
		     (int)pid1) >= CGROUP_DIR_MAX)
		return -ENAMETOOLONG;
	if (mkdir(dir, 0755))
		return -errno;
	rc = fill(dir, pid1, l, &has);
	if (rc) {
		rmdir(dir);
		return rc;
	}
	snprintf(ret_dir, CGROUP_DIR_MAX, "%.*s", CGROUP_DIR_MAX - 1, dir);
	*ret_has = has;
	return 0;
}

int own_cgroup_make(const char *root, const char *own, pid_t pid1, const struct box_limits *l,
		    char ret_dir[CGROUP_DIR_MAX], struct own_has *ret_has)
{
	cleanup_free char *dir = xasprintf("%s%s", root, own);
	size_t stop = strlen(root);

	for (int i = 0; i < UP_MAX; i++) {
		char *slash;

		if (!make_in(dir, pid1, l, ret_dir, ret_has))
			return 0;
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) <= stop)
			break;
		*slash = 0;
	}
	return -ENOTSUP;
}

/* Where the unified hierarchy is mounted, and where we are in it. */
static int find_own(char ret_root[4096], char **ret_own)
{
	cleanup_free char *mounts = NULL, *self = NULL;
	char *own;
	bool v2;

	if (read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &self, NULL) ||
	    read_file_at(AT_FDCWD, "/proc/self/mountinfo", 16u << 20, &mounts, NULL) ||
	    !cgroup_find(mounts, "", ret_root, &v2))
		return -ENOTSUP;
	/* the unified hierarchy is the line without a number and names: cgroups(7) */
	own = !strncmp(self, "0::", 3) ? self : strstr(self, "\n0::");
	if (!own)
		return -ENOTSUP;
	own = strstr(own, "0::") + 3;
	own[strcspn(own, "\n")] = 0;
	*ret_own = xstrdup(own);
	return 0;
}

int own_cgroup_here(pid_t pid1, const struct box_limits *l, char ret_dir[CGROUP_DIR_MAX],
		    struct own_has *ret_has)
{
	cleanup_free char *own = NULL;
	char root[4096];
	int rc = find_own(root, &own);

	return rc ? rc : own_cgroup_make(root, own, pid1, l, ret_dir, ret_has);
}

bool own_cgroup_usable(void)
{
	cleanup_free char *own = NULL, *dir = NULL;
	char root[4096], *slash;

	if (find_own(root, &own))
		return false;
	dir = xasprintf("%s%s", root, own);
	for (int i = 0; i < UP_MAX; i++) {
		if (usable(dir))
			return true;
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) <= strlen(root))
			break;
		*slash = 0;
	}
	return false;
}

uint64_t cgroup_counter(const char *file, const char *key)
{
	cleanup_free char *text = NULL;
	size_t n = strlen(key);

	if (!file[0] || read_file_at(AT_FDCWD, file, 65536, &text, NULL))
		return 0;
	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n')
		if (!strncmp(line, key, n) && line[n] == ' ')
			return strtoull(line + n + 1, NULL, 10);
	return 0;
}
