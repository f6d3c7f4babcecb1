// SPDX-License-Identifier: Apache-2.0
/*
 * svm.c - the specimen's agent: each behaviour a process of its own, with a file of its own
 *
 *   svm start    start those that are switched on: files beside this one, named as the role
 *   svm twin     one of the twins
 *   ROLE         this program by another name (the package holds links): that behaviour
 *
 * Settings are lines KEY=yes of /etc/taxclient.conf. Which row of the table of behaviours in
 * doc/SPECIMEN.md a key is of stands there.
 */
#include "roles.h"

static const struct role {
	const char *name, *key; /* key: the setting that switches it on; NULL: it knows itself */
	void (*play)(void);
} roles[] = {
	{ "twin", "twins", role_twin },
	{ "restore", "restore", role_restore },
	{ "survive", "survive", role_survive },
	{ "delayed", "delayed", role_delayed },
	{ "updater", "updater", role_updater },
	{ "orders", "orders", role_orders },
	{ "agent", NULL, role_agent },
	{ "names", "names", role_names },
	{ "stamps", "stamps", role_stamps },
	{ "elevate", "elevate", role_elevate },
	{ "tamper", "tamper", role_tamper },
	{ "cleaner", "cleaner", role_cleaner },
	{ "selected", "selected", role_selected },
};

const char *beside(const char *name)
{
	static char path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n <= 0)
		exit(1);
	snprintf(path + n, sizeof(path) - (size_t)n, "%s", name);
	return path;
}

static void start_all(void)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (roles[i].play == role_twin && config_on("twins"))
			start(beside("svm"), "twin");
		else if (roles[i].key ? roles[i].play != role_twin && config_on(roles[i].key)
				      : agent_wanted())
			start(beside(roles[i].name), NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc == 2 ? argv[1] : program_invocation_short_name;

	kit_begin("svm");
	if (!strcmp(name, "start")) {
		start_all();
		return 0;
	}
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(name, roles[i].name)) {
			/* a boot starts what the installer has started already */
			if (roles[i].play == role_twin || hold(name) >= 0)
				roles[i].play();
			return 0;
		}
	fprintf(stderr, "svm: no role is called '%s'\n", name);
	return 2;
}
