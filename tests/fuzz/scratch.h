// SPDX-License-Identifier: Apache-2.0
/*
 * scratch.h - where fuzz targets put their files: below $TMPDIR, which is best a folder of memory
 */
#ifndef BELLJAR_TESTS_FUZZ_SCRATCH_H
#define BELLJAR_TESTS_FUZZ_SCRATCH_H

#include "base/base.h"

#define SCRATCH_MAX 128

/** scratch_path() - "$TMPDIR/NAME" into @out of SCRATCH_MAX bytes; for mkdtemp() when NAME ends so
 */
static inline char *scratch_path(char *out, const char *name)
{
	const char *tmp = getenv("TMPDIR");

	if (snprintf(out, SCRATCH_MAX, "%s/%s", tmp ? tmp : "/tmp", name) >= SCRATCH_MAX)
		abort();
	return out;
}

#endif
