// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_read.c - a capture file, decoded as a whole
 */
#include <sys/mman.h>

#include "gate/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int event(void *ctx, const struct event *ev)
{
	uint64_t *events = ctx;
	uint8_t *out = xmalloc(EVENT_MAX);

	if (event_encode(ev, out, EVENT_MAX) < 0)
		abort();
	free(out);
	return ++*events > 20000;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct gate_read_stats stats;
	uint64_t events = 0;
	struct err err = { 0 };
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0 || write_full(fd, p, n) || lseek(fd, 0, SEEK_SET))
		abort();
	gate_read_file(fd, event, &events, &stats, &err);
	close(fd);
	return 0;
}
