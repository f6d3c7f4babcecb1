// SPDX-License-Identifier: Apache-2.0
/*
 * idmap.c - which host ids stand behind box ids, and how a fresh user namespace gets them
 *
 * Three ways (user_namespaces(7)): one id, written by ourselves; a range of /etc/subuid, written
 * by newuidmap and newgidmap, which are set-user-id and check the range; or, when root started
 * us, BOX_ROOT_UID and the ids after it, written by the broker.
 */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "box/internal.h"

#define SUBID_TEXT_MAX (4u << 20)

static const char *find_tool(const char *const *places)
{
	for (; *places; places++)
		if (!access(*places, X_OK))
			return *places;
	return NULL;
}

static const char *const newuidmap[] = { "/usr/bin/newuidmap", "/bin/newuidmap",
					 "/usr/local/bin/newuidmap", NULL };
static const char *const newgidmap[] = { "/usr/bin/newgidmap", "/bin/newgidmap",
					 "/usr/local/bin/newgidmap", NULL };

static bool number(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.n || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

static bool is_us(struct str field, const char *name, uid_t uid)
{
	uint64_t id;

	return (name && *name && str_eq(field, str_z(name))) || (number(field, &id) && id == uid);
}

bool subid_find(const char *text, const char *name, uid_t uid, uint32_t need, uint32_t *ret_start)
{
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *c1 = memchr(line, ':', (size_t)(end - line));
		const char *c2 = c1 ? memchr(c1 + 1, ':', (size_t)(end - c1 - 1)) : NULL;
		uint64_t start, count;

		if (c2 && is_us((struct str){ line, (size_t)(c1 - line) }, name, uid) &&
		    number((struct str){ c1 + 1, (size_t)(c2 - c1 - 1) }, &start) &&
		    number((struct str){ c2 + 1, (size_t)(end - c2 - 1) }, &count) &&
		    count >= need && start > 0 && start + count <= UINT32_MAX) {
			*ret_start = (uint32_t)start;
			return true;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

static bool subid_of_file(const char *path, const char *name, uid_t uid, uint32_t *ret)
{
	cleanup_free char *text = NULL;

	return !read_file_at(AT_FDCWD, path, SUBID_TEXT_MAX, &text, NULL) &&
	       subid_find(text, name, uid, BOX_RANGE, ret);
}

struct idrange idrange_here(const struct box_home *home)
{
	struct idrange r = { 0 };
	cleanup_free char *name = NULL, *folder = NULL;

	if (home->by_root)
		return (struct idrange){ true, BOX_ROOT_UID, BOX_ROOT_UID };
	if (!find_tool(newuidmap) || !find_tool(newgidmap))
		return r;
	(void)account_of(home->uid, &name, &folder);
	r.range = subid_of_file("/etc/subuid", name, home->uid, &r.uid_start) &&
		  subid_of_file("/etc/subgid", name, home->uid, &r.gid_start);
	return r.range ? r : (struct idrange){ 0 };
}

struct idrange box_ids(const struct box *box)
{
	return (struct idrange){ box->info.range, box->info.range_start,
				 box->info.range_gid_start };
}

static int write_proc(pid_t child, const char *file, const char *text, struct err *err)
{
	char path[64];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", child, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_set_exit(err, EXIT_NO_WALL, errno, "box: write the id map '%s'", path);
	return 0;
}

static int map_single(pid_t child, uid_t inner, struct err *err)
{
	char text[64];
	int rc;

	/* a group map may be written without privilege only where setgroups(2) is off */
	rc = write_proc(child, "setgroups", "deny", err);
	snprintf(text, sizeof(text), "%u %u 1\n", inner, geteuid());
	if (!rc)
		rc = write_proc(child, "uid_map", text, err);
	snprintf(text, sizeof(text), "%u %u 1\n", inner, getegid());
	return rc ? rc : write_proc(child, "gid_map", text, err);
}

static int start_tool(const char *tool, pid_t child, uint32_t self, uint32_t start, pid_t *ret_pid,
		      struct err *err)
{
	char pid[16], own[16], from[16], count[16];
	char *argv[] = { (char *)tool, pid,  (char *)"0", own, (char *)"1",
			 (char *)"1",  from, count,	  NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	snprintf(pid, sizeof(pid), "%d", child);
	snprintf(own, sizeof(own), "%u", self);
	snprintf(from, sizeof(from), "%u", start);
	snprintf(count, sizeof(count), "%u", BOX_RANGE - 1);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&fa);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&fa, fd, "/dev/null", O_RDWR, 0);
	rc = posix_spawn(ret_pid, tool, &fa, &attr, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return rc ? err_set_exit(err, EXIT_NO_WALL, rc, "box: run '%s'", tool) : 0;
}

static int wait_tool(const char *tool, pid_t pid, uint32_t start, struct err *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "box: wait for '%s'", tool);
	if (status)
		return err_set_exit(
			err, EXIT_NO_WALL, EPERM,
			"box: '%s' refused ids %u to %u (is it set-user-id, and are they "
			"still yours in /etc/subuid and /etc/subgid? a box made with "
			"--idmap single needs neither)",
			tool, start, start + BOX_RANGE - 2);
	return 0;
}

/* Both at once: they take longer than all the rest of a start, and write different files. */
static int run_tools(const char *u, const char *g, pid_t child, struct idrange ids, struct err *err)
{
	pid_t pid_u, pid_g;
	int rc, rc_g;

	rc = start_tool(u, child, geteuid(), ids.uid_start, &pid_u, err);
	if (rc)
		return rc;
	rc_g = start_tool(g, child, getegid(), ids.gid_start, &pid_g, err);
	rc = wait_tool(u, pid_u, ids.uid_start, rc_g ? NULL : err);
	if (!rc_g)
		rc_g = wait_tool(g, pid_g, ids.gid_start, rc ? NULL : err);
	return rc_g ? rc_g : rc;
}

int idmap_write_to(const struct box_home *home, struct idrange ids, pid_t child, uid_t inner_uid,
		   struct err *err)
{
	const char *u, *g;

	if (!ids.range)
		return map_single(child, inner_uid, err);
	if (home->by_root)
		return broker_map(home->broker, child, err);
	u = find_tool(newuidmap);
	g = find_tool(newgidmap);
	if (!u || !g)
		return err_set_exit(err, EXIT_NO_WALL, ENOENT,
				    "box: this box has a range of user ids and needs newuidmap and "
				    "newgidmap (Debian: install uidmap)");
	return run_tools(u, g, child, ids, err);
}

int idmap_write(const struct box *box, pid_t child, uid_t inner_uid, struct err *err)
{
	return idmap_write_to(box->home, box_ids(box), child, inner_uid, err);
}
