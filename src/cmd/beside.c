// SPDX-License-Identifier: Apache-2.0
/*
 * beside.c - the programs that go with this one: in the build folder, or installed
 */
#include "cmd/cmd.h"

static int find_beside(const char *const *places, const char *name, int access_mode, char *out,
		       size_t size, struct err *err)
{
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_set(err, errno, "belljar: find this program's own file");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	for (; *places; places++) {
		snprintf(out, size, "%s%s%s", self, *places, name);
		if (access(out, access_mode) == 0)
			return 0;
	}
	return err_set_exit(err, EXIT_UNREADABLE, ENOENT, "belljar: find '%s'", out);
}

int program_beside(const char *name, char *out, size_t size, struct err *err)
{
	static const char *const places[] = { "", "specimen/", "../libexec/belljar/", NULL };

	return find_beside(places, name, X_OK, out, size, err);
}

int data_beside(const char *name, char *out, size_t size, struct err *err)
{
	static const char *const places[] = { "../", "../share/belljar/", "../../share/belljar/",
					      NULL };

	return find_beside(places, name, R_OK, out, size, err);
}
