// SPDX-License-Identifier: Apache-2.0
/*
 * replay.c - run a fuzz target over the files of its corpus, without libFuzzer
 *
 *	replay FILE|FOLDER…
 *
 * Each input is also run cut short at some lengths and with single bits changed: a fixed set, so
 * that a failure comes again.
 */
#include <dirent.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define INPUT_MAX (1u << 20)
#define VARIANTS  64

static void run(const uint8_t *p, size_t n)
{
	/* a copy of its exact size, so that a sanitizer sees a read past the end */
	uint8_t *copy = xmalloc(n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static int replay_file(int dirfd, const char *name, unsigned *count)
{
	cleanup_free char *p = NULL;
	size_t n = 0;
	int rc = read_file_at(dirfd, name, INPUT_MAX, &p, &n);

	if (rc) {
		fprintf(stderr, "replay: %s: %s\n", name, strerror(-rc));
		return rc;
	}
	run((uint8_t *)p, n);
	for (size_t i = 1; i < VARIANTS && n; i++) {
		size_t at = n * i / VARIANTS;

		run((uint8_t *)p, at);
		p[at] ^= (char)(1 << i % 8);
		run((uint8_t *)p, n);
		p[at] ^= (char)(1 << i % 8);
	}
	++*count;
	return 0;
}

static int replay(const char *path, unsigned *count)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return replay_file(AT_FDCWD, path, count);
	while (!rc && (e = readdir(d)))
		if (e->d_name[0] != '.')
			rc = replay_file(dirfd(d), e->d_name, count);
	closedir(d);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i], &count))
			return 1;
	printf("%u inputs replayed\n", count);
	return count ? 0 : 1; /* an empty corpus tests nothing */
}
