// SPDX-License-Identifier: Apache-2.0
/*
 * box_start.c - time the phases of a box's life: open, start, spawn, program, end
 *
 *   box_start [-n ROUNDS] [--disk] [--pty] [--user] PROGRAM [ARG…]
 *
 * Prints minimum and median of each phase in microseconds. No recorder: what is timed is the box
 * alone. One round is also a way to run a program in a box by hand.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "box/box.h"

#define ROUNDS_MAX 1000

enum phase { OPEN, PLAN, START, SPAWN, PROGRAM, END, CLOSE, WHOLE, PHASES };
static const char *const phase_name[PHASES] = {
	[OPEN] = "open",       [PLAN] = "plan", [START] = "start", [SPAWN] = "spawn",
	[PROGRAM] = "program", [END] = "end",	[CLOSE] = "close", [WHOLE] = "whole",
};

struct run {
	uint64_t at;
	uint64_t took[PHASES];
};

static void lap(struct run *r, enum phase p)
{
	uint64_t now = clock_mono_ns();

	r->took[p] = now - r->at;
	r->at = now;
}

static int until_exit(struct box_run *run, int *ret_status, struct err *err)
{
	for (;;) {
		struct box_event ev;
		int rc = box_wait(run, -1, &ev, err);

		if (rc < 0)
			return rc;
		if (ev.what == BOX_LIMIT)
			fprintf(stderr, "limit: %s %llu (%s)%s\n", ev.limit,
				(unsigned long long)ev.value, ev.mechanism,
				ev.fatal ? ", fatal" : "");
		if (ev.what == BOX_PROGRAM_EXIT) {
			*ret_status = ev.status;
			return 0;
		}
		if (ev.what == BOX_SIGNAL || ev.what == BOX_DEAD || ev.fatal)
			return err_set(err, EINTR, "bench: interrupted");
	}
}

static int once(struct box_home *home, const struct box_opts *opts, struct box_program *prog,
		struct run *r, int *ret_status, struct err *err)
{
	struct box_plan *plan = NULL;
	struct box_run *run = NULL;
	struct box *box = NULL;
	struct box_proc proc;
	uint64_t first = clock_mono_ns();
	int rc;

	r->at = first;
	rc = box_open(home, NULL, BOX_ANON | BOX_PASSING, opts, &box, err);
	lap(r, OPEN);
	rc = rc ? rc : box_plan_make(box, opts, &plan, err);
	lap(r, PLAN);
	rc = rc ? rc : box_start(box, plan, &run, err);
	lap(r, START);
	rc = rc ? rc : box_spawn(run, prog, NULL, &proc, err);
	lap(r, SPAWN);
	rc = rc ? rc : until_exit(run, ret_status, err);
	lap(r, PROGRAM);
	if (run && getenv("BOX_LIMITS"))
		fprintf(stderr, "%s\n", box_run_limits(run));
	box_end(run);
	lap(r, END);
	box_plan_free(plan);
	box_close(box);
	lap(r, CLOSE);
	r->took[WHOLE] = r->at - first;
	return rc;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print(const struct run *runs, int n)
{
	uint64_t v[ROUNDS_MAX];

	for (int p = 0; p < PHASES; p++) {
		for (int i = 0; i < n; i++)
			v[i] = runs[i].took[p];
		qsort(v, (size_t)n, sizeof(*v), by_value);
		fprintf(stderr, "%-8s min %6llu  median %6llu us\n", phase_name[p],
			(unsigned long long)v[0] / 1000, (unsigned long long)v[n / 2] / 1000);
	}
}

int main(int argc, char **argv)
{
	static struct run runs[ROUNDS_MAX];
	struct box_program prog = { .fds = { 0, 1, 2 } };
	struct box_opts opts = { 0 };
	int rounds = 1, i = 1, status = 0;
	struct box_home home;
	struct err err = { 0 };

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-n") && i + 1 < argc)
			rounds = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--disk"))
			opts.on_disk = true;
		else if (!strcmp(argv[i], "--pty"))
			prog.stdio = STDIO_PTY;
		else if (!strcmp(argv[i], "--user"))
			opts.user = "user";
		else if (!strcmp(argv[i], "--single"))
			opts.force_single = true;
	}
	if (i >= argc || rounds < 1 || rounds > ROUNDS_MAX)
		return EXIT_USAGE;
	prog.argv = (const char *const *)argv + i;
	if (box_home_open(&home, &err))
		goto fail;
	for (int n = 0; n < rounds; n++)
		if (once(&home, &opts, &prog, &runs[n], &status, &err))
			goto fail;
	if (rounds > 1)
		print(runs, rounds);
	box_home_close(&home);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
fail:
	fprintf(stderr, "box_start: %s\n", err.msg);
	return err.exit;
}
