// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_changes_reader.c - records of the changes walk, as a stranger could send them
 *
 * What is taken must be whole: paths absolute and without NUL, strings inside the input. Pairing
 * runs on it, as it does after every walk.
 */
#include "capture/truth/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(const uint8_t *data, size_t size, struct str s)
{
	if (s.n && ((const uint8_t *)s.p < data || (const uint8_t *)s.p + s.n > data + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct changeset set = { 0 };
	struct err err = { 0 };
	int rc = changeset_decode(data, size, &set, &err);

	if (rc && !err.msg[0])
		abort();
	for (size_t i = 0; !rc && i < set.n; i++) {
		const struct change *c = &set.v[i].c;

		within(data, size, c->path);
		within(data, size, c->detail);
		if (!c->path.n || c->path.p[0] != '/' || memchr(c->path.p, 0, c->path.n) ||
		    !c->type || c->op > CHANGE_META)
			abort();
	}
	if (!rc)
		changeset_pair(&set);
	changeset_free(&set);
	return 0;
}
