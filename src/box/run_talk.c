// SPDX-License-Identifier: Apache-2.0
/*
 * run_talk.c - the supervisor's end of the control socket: requests to pid 1, reports from it
 */
#include <poll.h>
#include <sys/socket.h>

#include "box/limits.h"
#include "box/runtime.h"

void run_queue(struct box_run *run, const struct box_event *ev)
{
	/* at most one EXIT a spawn and one LIMIT a limit: there is room */
	if (run->qn < QUEUE_MAX)
		run->queue[(run->qhead + run->qn++) % QUEUE_MAX] = *ev;
}

int run_request(struct box_run *run, const struct request *req, const char *strings, size_t n,
		const int *fds, int nfds)
{
	cleanup_free char *bytes = xmalloc(sizeof(*req) + n);

	if (run->dead)
		return -EPIPE;
	memcpy(bytes, req, sizeof(*req));
	if (n)
		memcpy(bytes + sizeof(*req), strings, n);
	return fdpass_send(run->ctl, bytes, sizeof(*req) + n, fds, nfds);
}

/* One report, EXITs and refused forks dealt with. 1: *ret is of another kind; 0: dealt with. */
int run_take_one(struct box_run *run, struct report *ret, int *fds, int *nfds)
{
	struct report r = { 0 };
	int none = 0;
	ssize_t k = fdpass_recv(run->ctl, &r, sizeof(r), fds, nfds ? nfds : &none);

	/* pid 1 ended before it read what we said: of what it said last we hear after the error */
	if (k == -ECONNRESET)
		k = fdpass_recv(run->ctl, &r, sizeof(r), fds, nfds ? nfds : &none);
	if (k != sizeof(r)) {
		run->dead = true;
		return -EPIPE;
	}
	if (r.what == REP_EXIT) {
		run->emptied = r.empty_after == run->nspawns;
		/* of a spawn that failed the caller knows already */
		if (r.id < 1 || r.id > SPAWNS_MAX)
			return 0;
		if (run->spawn_failed[r.id]) {
			run->spawn_failed[r.id] = false;
			return 0;
		}
		run_queue(run, &(struct box_event){
				       .what = BOX_PROGRAM_EXIT, .id = r.id, .status = r.status });
		return 0;
	}
	if (r.what == REP_NO_FORK) {
		limits_no_fork(run);
		return 0;
	}
	*ret = r;
	return 1;
}

int run_take(struct box_run *run, enum report_kind what, int timeout_ms, struct report *ret,
	     int *fds, int *nfds)
{
	uint64_t end = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
	int room = nfds ? *nfds : 0;

	for (;;) {
		struct pollfd p = { .fd = run->ctl, .events = POLLIN };
		uint64_t now = clock_mono_ns();
		int left = timeout_ms < 0 ? -1 : now >= end ? 0 : (int)((end - now) / 1000000 + 1);
		int rc = run->dead ? -EPIPE : poll(&p, 1, left);

		if (rc < 0 && errno == EINTR && !run->dead)
			continue;
		if (rc < 0)
			return run->dead ? -EPIPE : -errno;
		if (rc == 0)
			return -ETIMEDOUT;
		if (nfds)
			*nfds = room;
		rc = run_take_one(run, ret, fds, nfds);
		if (rc < 0)
			return rc;
		if (rc == 1 && (ret->what == what || ret->what == REP_FAILED))
			return 0;
	}
}

void run_bury(struct box_run *run, int id)
{
	uint64_t end = clock_mono_ns() + END_DEADLINE_MS * 1000000ull;
	struct report r = { 0 };

	run->spawn_failed[id] = true;
	while (run->spawn_failed[id] && !run->dead) {
		struct pollfd p = { .fd = run->ctl, .events = POLLIN };
		uint64_t now = clock_mono_ns();

		if (now >= end)
			return; /* its exit is no event whenever it comes */
		if (poll(&p, 1, (int)((end - now) / 1000000 + 1)) > 0)
			run_take_one(run, &r, NULL, NULL);
	}
}
