// SPDX-License-Identifier: Apache-2.0
/*
 * beside.c - the programs that go with this one: in the build folder, or installed
 */
#include "cmd/cmd.h"

int program_beside(const char *name, char *out, size_t size, struct err *err)
{
	static const char *const places[] = { "", "specimen/", "../libexec/belljar/" };
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_set(err, errno, "belljar: find this program's own file");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(out, size, "%s%s%s", self, places[i], name);
		if (access(out, X_OK) == 0)
			return 0;
	}
	return err_set_exit(err, EXIT_UNREADABLE, ENOENT, "belljar: find the program '%s'", out);
}
