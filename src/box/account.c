// SPDX-License-Identifier: Apache-2.0
/*
 * account.c - the name and the home folder of a user of the host
 *
 * Not by getpwuid(3): the name services come as libraries, and the program that starts a box loads
 * none. /etc/passwd knows nearly everybody; for others (LDAP, systemd's dynamic users, …) the
 * system's own getent(1) is asked.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "box/internal.h"

#define PASSWD_MAX  (4u << 20)
#define ANSWER_MAX  65536 /* of getent: one line */
#define FIELDS	    7	  /* passwd(5) */
#define FIELD_UID   2
#define FIELD_HOME  5
#define GETENT_PATH "/usr/bin/getent"

/* The fields of one line. False: it has not as many. */
static bool split(const char *line, const char *end, struct str field[FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		const char *to = memchr(line, ':', (size_t)(end - line));

		if (!to && i < FIELDS - 1)
			return false;
		field[i] = (struct str){ line, (size_t)((to ? to : end) - line) };
		line = to ? to + 1 : end;
	}
	return true;
}

bool account_find(const char *text, uid_t uid, char **ret_name, char **ret_home)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", uid);
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		struct str f[FIELDS];

		if (split(line, end, f) && f[0].n && str_eq(f[FIELD_UID], str_z(number))) {
			*ret_name = xstrndup(f[0].p, f[0].n);
			*ret_home = xstrndup(f[FIELD_HOME].p, f[FIELD_HOME].n);
			return true;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

/* What getent says of @uid; false if it is not there or knows nothing. */
static bool ask(uid_t uid, char out[ANSWER_MAX])
{
	cleanup_close int from = -1, to = -1;
	char number[16];
	char *argv[] = { (char *)GETENT_PATH, (char *)"passwd", number, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
	posix_spawn_file_actions_t fa;
	int p[2], rc, status;
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return false;
	from = p[0], to = p[1];
	snprintf(number, sizeof(number), "%u", uid);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, to, 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	rc = posix_spawn(&pid, argv[0], &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	if (rc)
		return false;
	close(steal_fd(&to));
	n = read_full(from, out, ANSWER_MAX - 1);
	out[n > 0 ? n : 0] = 0;
	close(steal_fd(&from)); /* one that says more ends by it */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return n > 0 && !status;
}

bool account_of(uid_t uid, char **ret_name, char **ret_home)
{
	cleanup_free char *text = NULL, *answer = NULL;

	*ret_name = *ret_home = NULL;
	if (!read_file_at(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &text, NULL) &&
	    account_find(text, uid, ret_name, ret_home))
		return true;
	answer = xmalloc(ANSWER_MAX);
	return ask(uid, answer) && account_find(answer, uid, ret_name, ret_home);
}
