// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_examine_installer.c - any bytes as an installer: the first chooses the name, the rest is the
 * file; what is taken has words to start it
 */
#include <sys/mman.h>

#include "examine/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void words(const struct examine_file *f, enum installer_kind kind)
{
	const char *argv[EXAMINE_ARGS_MAX + 8];
	struct examine_opts o = { .installer = *f, .nargs = 1, .arg = { "--quiet" } };
	struct exam *x = xcalloc(1, sizeof(*x));
	int count;

	x->o = &o;
	x->kind = kind;
	count = installer_words(x, "/installer", argv);
	check(count >= 2 && (size_t)count < ARRAY_SIZE(argv) && !argv[count]);
	check(!strcmp(argv[count - 2], "/installer") && !strcmp(argv[count - 1], "--quiet"));
	free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = { "a", "a.run", "a.sh", "a.tgz" };
	struct examine_file f = { .fd = memfd_create("installer", MFD_CLOEXEC) };
	enum installer_kind kind = INSTALLERS;
	struct err err = { 0 };

	check(f.fd >= 0);
	f.name = names[n ? p[0] % ARRAY_SIZE(names) : 0];
	check(n < 2 || !write_full(f.fd, p + 1, n - 1));
	if (installer_find(&f, &kind, &err)) {
		check(kind == INSTALLERS && err.exit == (n < 2 ? EXIT_UNREADABLE : EXIT_USAGE));
	} else {
		check(kind < INSTALLERS && strcmp(installer_kind_name(kind), "unknown") != 0);
		words(&f, kind);
	}
	close(f.fd);
	return 0;
}
