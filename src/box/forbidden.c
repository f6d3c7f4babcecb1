// SPDX-License-Identifier: Apache-2.0
/*
 * forbidden.c - which setting of a machine keeps programs from user namespaces
 *
 * Two of them make the namespace's making fail. AppArmor's (Ubuntu, from 23.10 on) does not: the
 * namespace is made, its maker goes over to a profile that denies all capabilities in it, and the
 * first step that needs one fails, with EPERM or EACCES, wherever that is. A profile that says
 * "userns," spares its program; with one, this setting is not to blame.
 */
#include "box/internal.h"

static const struct forbidding rows[] = {
	{ .path = "sys/kernel/apparmor_restrict_unprivileged_userns",
	  .bad = 1,
	  .says = "AppArmor gives rights in user namespaces to programs with a profile only "
		  "(kernel.apparmor_restrict_unprivileged_userns is 1)",
	  .remedy = "give belljar its AppArmor profile: cp " BELLJAR_DATADIR "/apparmor/belljar "
		    "/etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/belljar (for a program "
		    "at another place, change the path in it); or, for all programs, sysctl "
		    "kernel.apparmor_restrict_unprivileged_userns=0" },
	{ .path = "sys/kernel/unprivileged_userns_clone",
	  .bad = 0,
	  .says = "kernel.unprivileged_userns_clone is 0",
	  .remedy = "sysctl kernel.unprivileged_userns_clone=1" },
	{ .path = "sys/user/max_user_namespaces",
	  .bad = 0,
	  .says = "user.max_user_namespaces is 0",
	  .remedy = "sysctl user.max_user_namespaces=10000" },
};

/* A label is "NAME (mode)", or "unconfined". */
static bool has_profile(const char *proc)
{
	static const char *const none[] = { "unconfined", "unprivileged_userns" };
	cleanup_free char *path = xasprintf("%s/self/attr/apparmor/current", proc), *label = NULL;

	if (read_file_at(AT_FDCWD, path, 4096, &label, NULL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		size_t n = strlen(none[i]);

		if (!strncmp(label, none[i], n) && (!label[n] || strchr(" \n", label[n])))
			return false;
	}
	return label[0] != 0;
}

const struct forbidding *userns_forbidding(const char *proc)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *path = xasprintf("%s/%s", proc, rows[i].path), *text = NULL;
		char *end;

		if (read_file_at(AT_FDCWD, path, 64, &text, NULL) ||
		    strtol(text, &end, 10) != rows[i].bad || end == text)
			continue;
		if (i == 0 && has_profile(proc))
			continue;
		return &rows[i];
	}
	return NULL;
}

int userns_refused(struct err *err, int code, const char *what)
{
	const struct forbidding *f = userns_forbidding("/proc");

	if (f)
		return err_set_exit(err, EXIT_NO_WALL, code,
				    "%s (%s; 'belljar doctor' says what to do)", what, f->says);
	if (abs(code) == ENOSPC)
		return err_say(err, EXIT_NO_WALL, ENOSPC,
			       "%s: no more of them are allowed here (sysctl "
			       "user.max_user_namespaces)",
			       what);
	return err_set_exit(err, EXIT_NO_WALL, code,
			    "%s ('belljar doctor' says what this machine lacks)", what);
}
