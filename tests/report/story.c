// SPDX-License-Identifier: Apache-2.0
/* story - write the test journal into a folder, for looking at reports: story DIR [hostile] */
#include "story.h"

int main(int argc, char **argv)
{
	struct err err = { 0 };
	struct journal *j;
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0 || journal_open(fd, argv[1], &j, &err)) {
		fprintf(stderr, "story: cannot write there: %s\n", err.msg);
		return 1;
	}
	story_write(j, argc > 2);
	return journal_close(j, &err) ? 1 : 0;
}
