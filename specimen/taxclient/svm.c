// SPDX-License-Identifier: Apache-2.0
/*
 * svm.c - the specimen's agent: svm ROLE is one behaviour, svm start those that are switched on
 *
 * Settings are lines KEY=yes of /etc/taxclient.conf. Which row of the table of behaviours in
 * doc/SPECIMEN.md a key is of stands there.
 */
#include "roles.h"

static const struct role {
	const char *name, *key; /* key: the setting that switches it on */
	void (*play)(void);
} roles[] = {
	{ "delayed", "delayed", role_delayed },
	{ "updater", "updater", role_updater },
	{ "other-updater", "updater", role_other_updater },
	{ "twin", "twins", role_twin },
	{ "restore", "restore", role_restore },
	{ "survive", "survive", role_survive },
	{ "orders", "orders", role_orders },
	{ "beacon", "beacon", role_beacon },
	{ "random", "random", role_random },
	{ "inventory", "inventory", role_inventory },
	{ "names", "names", role_names },
	{ "stamps", "stamps", role_stamps },
	{ "elevate", "elevate", role_elevate },
	{ "tamper", "tamper", role_tamper },
	{ "steer", "steer", role_steer },
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
		if (config_on(roles[i].key))
			start(beside("svm"), roles[i].name);
}

int main(int argc, char **argv)
{
	kit_begin("svm");
	if (argc != 2) {
		fprintf(stderr, "svm: which role?\n");
		return 2;
	}
	if (!strcmp(argv[1], "start")) {
		start_all();
		return 0;
	}
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(argv[1], roles[i].name)) {
			roles[i].play();
			return 0;
		}
	fprintf(stderr, "svm: no role is called '%s'\n", argv[1]);
	return 2;
}
