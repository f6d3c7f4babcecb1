// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_read.c - a capture file, decoded as a whole
 */
#include <sys/mman.h>

#include "gate/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct count {
	uint64_t events;
	uint8_t encoded[1u << 20];
};

static int event(void *ctx, const struct event *ev)
{
	struct count *c = ctx;

	if (event_encode(ev, c->encoded, sizeof(c->encoded)) < 0)
		abort();
	return ++c->events > 20000;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct gate_read_stats stats;
	static struct count c;
	struct err err = { 0 };
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0 || write_full(fd, p, n) || lseek(fd, 0, SEEK_SET))
		abort();
	c.events = 0;
	gate_read_file(fd, event, &c, &stats, &err);
	close(fd);
	return 0;
}
