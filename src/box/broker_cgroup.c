// SPDX-License-Identifier: Apache-2.0
/*
 * broker_cgroup.c - make, fill and remove a box's cgroups, version 1 and 2
 *
 * Kernel documentation: admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/.
 */
#include <assert.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "box/broker_cgroup.h"
#include "box/internal.h"

#define MOUNTINFO_MAX (16u << 20)
#define CPU_PERIOD_US 100000
#define MAKE_TRIES    8
#define KILL_ROUNDS   200 /* of 10 ms: a killed process that is in the kernel needs some time */

struct controller {
	const char *name;
	const char *v1_file, *v1_swap; /* swap: memory and swap together */
	const char *v2_file, *v2_swap;
};

enum { MEMORY, PIDS, CPU, CONTROLLERS };
static const struct controller controllers[] = {
	[MEMORY] = { "memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max",
		     "memory.swap.max" },
	[PIDS] = { "pids", "pids.max", NULL, "pids.max", NULL },
	[CPU] = { "cpu", "cpu.cfs_quota_us", NULL, "cpu.max", NULL },
};
static_assert(ARRAY_SIZE(controllers) == CONTROLLERS, "a row for each controller");

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = options; (p = strstr(p, name)); p++)
		if ((p == options || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

/* A line of mountinfo (proc_pid_mountinfo(5)): 36 35 98:0 /root /mount opts [tags…] - type src
 * super */
bool cgroup_find(const char *mountinfo, const char *controller, char ret[4096], bool *ret_v2)
{
	for (const char *line = mountinfo; *line;) {
		const char *end = strchrnul(line, '\n');
		cleanup_free char *l = xstrndup(line, (size_t)(end - line));
		char *sep = strstr(l, " - "), at[4096], type[32], super[1024];

		line = *end ? end + 1 : end;
		if (!sep || sscanf(l, "%*s %*s %*s %*s %4095s", at) != 1 ||
		    sscanf(sep, " - %31s %*s %1023s", type, super) != 2)
			continue;
		if (!*controller ? strcmp(type, "cgroup2")
				 : strcmp(type, "cgroup") || !has_option(super, controller))
			continue;
		strcpy(ret, at);
		*ret_v2 = !*controller;
		return true;
	}
	return false;
}

static bool in_controllers(const char *dir, const char *name)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *save, *w;

	if (fd < 0 || read_file_at(fd, "cgroup.controllers", 4096, &text, NULL))
		return false;
	for (w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!strcmp(w, name))
			return true;
	return false;
}

static int find_root(const char *controller, char ret[4096], bool *ret_v2)
{
	cleanup_free char *mi = NULL;
	int rc = read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mi, NULL);

	if (rc)
		return rc;
	if (*controller && cgroup_find(mi, controller, ret, ret_v2))
		return 0;
	if (cgroup_find(mi, "", ret, ret_v2) && (!*controller || in_controllers(ret, controller)))
		return 0;
	return -ENOENT;
}

int cgroup_dir(const char *controller, const char *name, char ret[4096], bool *ret_v2)
{
	char root[4096];
	int rc = find_root(controller, root, ret_v2);

	if (rc)
		return rc;
	return snprintf(ret, 4096, "%s/belljar/%s", root, name) < 4096 ? 0 : -ENAMETOOLONG;
}

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= CGROUP_NAME_MAX && !name[n];
}

static int put(const char *dir, const char *file, const char *fmt, ...) PRINTF(3, 4);
static int put(const char *dir, const char *file, const char *fmt, ...)
{
	char path[4200], text[64];
	cleanup_close int fd = -1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, (size_t)n) == n ? 0 : -errno;
}

/* Version 2 gives a controller to a child only when each ancestor passes it on. */
static void pass_on(const char *root, const char *controller)
{
	char ours[4200];

	(void)put(root, "cgroup.subtree_control", "+%s", controller);
	snprintf(ours, sizeof(ours), "%s/belljar", root);
	(void)put(ours, "cgroup.subtree_control", "+%s", controller);
}

static int make_in(const char *controller, const char *name, char ret_dir[4096], bool *ret_v2)
{
	char root[4096], ours[4200];
	int rc = find_root(controller, root, ret_v2);

	if (rc)
		return rc;
	snprintf(ours, sizeof(ours), "%s/belljar", root);
	if (snprintf(ret_dir, 4096, "%s/%s", ours, name) >= 4096)
		return -ENAMETOOLONG;
	/* another broker may remove what is empty between the two */
	for (int i = 0; i < MAKE_TRIES; i++) {
		if (mkdir(ours, 0755) && errno != EEXIST)
			return -errno;
		if (*ret_v2 && *controller)
			pass_on(root, controller);
		if (!mkdir(ret_dir, 0755) || errno == EEXIST)
			return 0;
		if (errno != ENOENT)
			break;
	}
	return -errno;
}

static int set_limit(int which, const char *dir, bool v2, const struct box_limits *l)
{
	const struct controller *c = &controllers[which];
	int rc;

	switch (which) {
	case MEMORY:
		rc = put(dir, v2 ? c->v2_file : c->v1_file, "%llu", (unsigned long long)l->memory);
		/* swap is not accounted everywhere; without it the limit holds for memory alone */
		if (!rc && v2)
			(void)put(dir, c->v2_swap, "0");
		else if (!rc)
			(void)put(dir, c->v1_swap, "%llu", (unsigned long long)l->memory);
		return rc;
	case PIDS:
		return put(dir, v2 ? c->v2_file : c->v1_file, "%u", l->pids);
	default:
		if (v2)
			return put(dir, c->v2_file, "%llu %d",
				   (unsigned long long)(l->cpus * CPU_PERIOD_US), CPU_PERIOD_US);
		rc = put(dir, "cpu.cfs_period_us", "%d", CPU_PERIOD_US);
		return rc ? rc
			  : put(dir, c->v1_file, "%llu",
				(unsigned long long)(l->cpus * CPU_PERIOD_US));
	}
}

/* Ours above the boxes' goes with the last of them. */
static void remove_parent(const char *dir)
{
	cleanup_free char *parent = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));

	rmdir(parent);
}

int cgroup_make(const char *name, pid_t pid, const struct box_limits *l, char ret_how[256])
{
	bool want[CONTROLLERS] = { l->memory > 0, l->pids > 0, l->cpus >= 0.01 && l->cpus < 1e6 };
	char dir[4096], how[256] = "";
	bool v2;
	int any = 0;

	if (!name_ok(name) || pid <= 0)
		return -EINVAL;
	for (int i = 0; i < CONTROLLERS; i++) {
		size_t n = strlen(how);

		if (!want[i] || make_in(controllers[i].name, name, dir, &v2))
			continue;
		if (set_limit(i, dir, v2, l) || put(dir, "cgroup.procs", "%d", pid)) {
			rmdir(dir);
			remove_parent(dir);
			continue;
		}
		snprintf(how + n, sizeof(how) - n, "%s%s=%s", n ? ";" : "", controllers[i].name,
			 v2 ? "cgroup2" : "cgroup1");
		any++;
	}
	if (!make_in("", name, dir, &v2) && !put(dir, "cgroup.procs", "%d", pid))
		any++;
	if (!any) {
		cgroup_remove(name);
		return -ENOTSUP;
	}
	strcpy(ret_how, how);
	return 0;
}

static int kill_all(const char *dir)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	for (int round = 0; round < KILL_ROUNDS; round++) {
		cleanup_file FILE *f = fopen(path, "re");
		int pid, n = 0;

		if (!f)
			return -errno;
		while (fscanf(f, "%d", &pid) == 1) {
			if (pid > 1) /* 0: a process of another pid namespace */
				kill(pid, SIGKILL);
			n++;
		}
		if (!n)
			return 0;
		poll(NULL, 0, 10);
	}
	return -EBUSY;
}

static int remove_dir(const char *dir)
{
	int rc = kill_all(dir);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	for (int round = 0; round < KILL_ROUNDS; round++) {
		if (!rmdir(dir) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		poll(NULL, 0, 10); /* the last task is a zombie that leaves in a moment */
	}
	return -EBUSY;
}

int cgroup_remove(const char *name)
{
	int first = 0;

	if (!name_ok(name))
		return -EINVAL;
	for (int i = 0; i <= CONTROLLERS; i++) {
		char dir[4096];
		bool v2;
		int rc;

		if (cgroup_dir(i < CONTROLLERS ? controllers[i].name : "", name, dir, &v2))
			continue;
		rc = remove_dir(dir);
		remove_parent(dir);
		if (!first)
			first = rc;
	}
	return first;
}

/* Return: whether one is in use: a process lives in it (EBUSY) */
static bool sweep_in(const char *dir)
{
	DIR *d = opendir(dir);
	bool used = false;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && name_ok(e->d_name) &&
		    unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR))
			used |= errno == EBUSY;
	if (d)
		closedir(d);
	return used;
}

bool cgroup_sweep(void)
{
	bool used = false;

	for (int i = 0; i <= CONTROLLERS; i++) {
		char root[4096], ours[4200];
		bool v2;

		if (find_root(i < CONTROLLERS ? controllers[i].name : "", root, &v2))
			continue;
		snprintf(ours, sizeof(ours), "%s/belljar", root);
		used |= sweep_in(ours);
		rmdir(ours);
	}
	return used;
}
