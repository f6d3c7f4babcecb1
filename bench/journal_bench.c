// SPDX-License-Identifier: Apache-2.0
/*
 * journal_bench.c - how fast events go in and come out, and what one costs on disk
 *
 *	journal_bench [DIR [N]]     append N (a million) file events, read, verify; print rates
 *	journal_bench --make DIR N  a journal of N events as of a big installation, left in DIR
 *	journal_bench --open DIR    journal_open() of a new journal, median of 50
 *
 * DIR, an absolute path, holds the journal and, as DIR/key, the signing key; default is a folder
 * that is removed.
 */
#include <sys/stat.h>
#include <time.h>

#include "journal/journal.h"

#define FILES_PER_DIR  50
#define CALLS_PER_PROC 400

static int die(const struct err *err)
{
	fprintf(stderr, "%s\n", err->msg);
	return EXIT_INTERNAL;
}

static double seconds(uint64_t from)
{
	return (double)(clock_mono_ns() - from) / 1e9;
}

static int begin(struct journal *j, struct err *err)
{
	struct event ev = { .kind = EV_RUN_BEGIN };
	uint32_t run;

	ev.v[EV_AT(RUN_BEGIN, WALL)] = V_INT(clock_real_ns());
	ev.v[EV_AT(RUN_BEGIN, ARGV)] = V_Z("./setup.sh --all");
	ev.v[EV_AT(RUN_BEGIN, CWD)] = V_Z("/home/user");
	ev.v[EV_AT(RUN_BEGIN, UIDMAP)] = V_Z("single");
	ev.v[EV_AT(RUN_BEGIN, NET)] = V_Z("off");
	ev.v[EV_AT(RUN_BEGIN, LAYER)] = V_INT(1);
	ev.v[EV_AT(RUN_BEGIN, VERSION)] = V_Z(BELLJAR_VERSION);
	return journal_run_begin(j, &ev, &run, err);
}

static int end(struct journal *j, struct err *err)
{
	struct event ev = { .kind = EV_RUN_END, .t = UINT64_MAX };

	ev.v[EV_AT(RUN_END, WALL)] = V_INT(clock_real_ns());
	ev.v[EV_AT(RUN_END, STATUS)] = V_INT(0);
	ev.v[EV_AT(RUN_END, REASON)] = V_Z("exit");
	ev.v[EV_AT(RUN_END, LEFT)] = V_INT(0);
	return journal_append(j, &ev, NULL, err);
}

/* A typical file event: 80 bytes of path. */
static int file_event(struct journal *j, uint64_t i, uint32_t proc, struct err *err)
{
	static const char *const op[] = { "create", "write", "chmod", "rename", "unlink" };
	struct event ev = { .kind = EV_FILE, .t = UINT64_MAX, .proc = proc };
	char path[128];
	unsigned which = (unsigned)(i % 7);

	which = which < ARRAY_SIZE(op) ? which : 0;
	snprintf(path, sizeof(path),
		 "/home/user/project/node_modules/package-%05llu/lib/internal/module-%012llu.js",
		 (unsigned long long)(i / FILES_PER_DIR % 100000), (unsigned long long)i);
	ev.v[EV_AT(FILE, OP)] = V_Z(op[which]);
	ev.v[EV_AT(FILE, PATH)] = V_STR(((struct str){ path, strlen(path) }));
	ev.v[EV_AT(FILE, FLAGS)] = V_INT(0x241);
	ev.v[EV_AT(FILE, MODE)] = V_INT(0644);
	ev.v[EV_AT(FILE, BEFORE)] = V_INT(0);
	if (which == 3)
		ev.v[EV_AT(FILE, PATH2)] = V_Z("/home/user/project/renamed");
	return journal_append(j, &ev, NULL, err);
}

static int process_event(struct journal *j, const char *op, uint32_t proc, uint32_t parent,
			 struct err *err)
{
	struct event ev = { .kind = EV_PROCESS, .t = UINT64_MAX, .proc = proc };
	char line[160];

	ev.v[EV_AT(PROCESS, OP)] = V_Z(op);
	ev.v[EV_AT(PROCESS, PID)] = V_INT(proc % 32768 + 2);
	ev.v[EV_AT(PROCESS, PARENT)] = V_INT(parent);
	if (!strcmp(op, "exec")) {
		snprintf(line, sizeof(line), "node install.js --step %u --quiet", proc);
		ev.v[EV_AT(PROCESS, IMAGE)] = V_Z("/usr/bin/node");
		ev.v[EV_AT(PROCESS, COMMAND_LINE)] = V_STR(((struct str){ line, strlen(line) }));
		ev.v[EV_AT(PROCESS, CWD)] = V_Z("/home/user/project");
		ev.v[EV_AT(PROCESS, SHA256)] =
			V_Z("6d9c54dee5660c46886f32d80e57e9dd0d7d6b8b64b0b8a5b2b6b7f3a6a1e0c4");
		ev.v[EV_AT(PROCESS, UID)] = V_INT(1000);
	} else if (!strcmp(op, "exit")) {
		ev.v[EV_AT(PROCESS, STATUS)] = V_INT(0);
	}
	return journal_append(j, &ev, NULL, err);
}

static int other_event(struct journal *j, uint64_t i, uint32_t proc, struct err *err)
{
	struct event ev = { .kind = EV_SOCKET, .t = UINT64_MAX, .proc = proc };
	char text[80];

	if (i % 3 == 0) {
		snprintf(text, sizeof(text), "192.0.2.%u", (unsigned)(i % 250));
		ev.v[EV_AT(SOCKET, OP)] = V_Z("connect");
		ev.v[EV_AT(SOCKET, FAMILY)] = V_Z("inet");
		ev.v[EV_AT(SOCKET, PROTOCOL)] = V_Z("tcp");
		ev.v[EV_AT(SOCKET, ADDRESS)] = V_STR(((struct str){ text, strlen(text) }));
		ev.v[EV_AT(SOCKET, PORT)] = V_INT(443);
		ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("refused");
		ev.v[EV_AT(SOCKET, REASON)] = V_Z("no route out (--net off)");
	} else if (i % 3 == 1) {
		ev.kind = EV_ATTEMPT;
		ev.v[EV_AT(ATTEMPT, CATEGORY)] = V_Z("privilege");
		ev.v[EV_AT(ATTEMPT, CALL)] = V_Z("setuid");
		ev.v[EV_AT(ATTEMPT, ARGS)] = V_Z("0");
		ev.v[EV_AT(ATTEMPT, ANSWER)] = V_Z("claimed");
	} else {
		snprintf(text, sizeof(text), "/home/user/project/out/file-%llu",
			 (unsigned long long)i);
		ev.kind = EV_CHANGE;
		ev.v[EV_AT(CHANGE, OP)] = V_Z("added");
		ev.v[EV_AT(CHANGE, PATH)] = V_STR(((struct str){ text, strlen(text) }));
		ev.v[EV_AT(CHANGE, TYPE)] = V_Z("file");
		ev.v[EV_AT(CHANGE, MODE)] = V_INT(0644);
		ev.v[EV_AT(CHANGE, SIZE)] = V_INT(i % 100000);
		ev.v[EV_AT(CHANGE, WRITER)] = V_INT(proc);
	}
	return journal_append(j, &ev, NULL, err);
}

/* N events: processes that each write some hundred files, some sockets, attempts and changes. */
static int fill_mixed(struct journal *j, uint64_t n, struct err *err)
{
	uint32_t root = journal_next_proc(j), proc = root;
	int rc = process_event(j, "exec", root, 0, err);

	for (uint64_t i = 2; i < n - 1 && !rc;) {
		uint64_t calls = n - 1 - i > CALLS_PER_PROC + 3 ? CALLS_PER_PROC : n - 1 - i;

		if (calls == CALLS_PER_PROC) {
			proc = journal_next_proc(j);
			rc = process_event(j, "fork", proc, root, err);
			if (!rc)
				rc = process_event(j, "exec", proc, root, err);
			i += 2;
		}
		for (uint64_t k = 0; k < calls && !rc; k++, i++)
			rc = k % 25 == 24 ? other_event(j, i / 25, proc, err)
					  : file_event(j, i, proc, err);
		if (!rc && calls == CALLS_PER_PROC) {
			rc = process_event(j, "exit", proc, root, err);
			i++;
		}
	}
	return rc;
}

static int count(void *ctx, const struct event *ev UNUSED)
{
	++*(uint64_t *)ctx;
	return 0;
}

static int write_journal(const char *dir, uint64_t n, bool mixed, double *ret_s, struct err *err)
{
	cleanup_close int dirfd = -1;
	cleanup_free char *keydir = xasprintf("%s/key", dir);
	struct journal *j;
	uint64_t from;
	int rc = mkdir_p(dir, 0700);

	if (rc)
		return err_set(err, rc, "bench: make '%s'", dir);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_set(err, errno, "bench: open '%s'", dir);
	from = clock_mono_ns();
	rc = journal_open(dirfd, keydir, &j, err);
	if (rc)
		return rc;
	rc = begin(j, err);
	if (!rc && mixed)
		rc = fill_mixed(j, n, err);
	for (uint64_t i = 0; !mixed && i + 2 < n && !rc; i++)
		rc = file_event(j, i, 1, err);
	if (!rc)
		rc = end(j, err);
	if (rc) {
		journal_close(j, NULL);
		return rc;
	}
	rc = journal_close(j, err);
	*ret_s = seconds(from);
	return rc;
}

static int read_and_verify(const char *dir, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/journal.db", dir);
	cleanup_free char *keydir = xasprintf("%s/key", dir);
	struct journal_verdict verdict;
	struct journal_reader *r;
	struct stat st;
	uint64_t n = 0, from = clock_mono_ns();
	int rc = journal_read_open(path, &r, err);

	if (rc)
		return rc;
	rc = journal_read(r, NULL, count, &n, err);
	journal_read_close(r);
	if (rc)
		return rc;
	printf("read    %9llu events  %8.3f s  %9.0f events/s\n", (unsigned long long)n,
	       seconds(from), (double)n / seconds(from));
	if (!stat(path, &st))
		printf("size    %9lld bytes   %8.1f bytes/event\n", (long long)st.st_size,
		       (double)st.st_size / (double)n);
	from = clock_mono_ns();
	rc = journal_verify(path, keydir, &verdict, err);
	if (rc)
		return rc;
	printf("verify  %9llu events  %8.3f s  %9.0f events/s  %s\n",
	       (unsigned long long)verdict.events_checked, seconds(from),
	       (double)verdict.events_checked / seconds(from), verdict.sentence);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int bench_open(const char *dir, struct err *err)
{
	double open_us[50], close_us[50];
	cleanup_free char *keydir = xasprintf("%s/key", dir);

	for (size_t i = 0; i < ARRAY_SIZE(open_us); i++) {
		cleanup_free char *box = xasprintf("%s/box", dir);
		struct journal *j;
		uint64_t from;
		int dirfd, rc;

		(void)mkdir_p(box, 0700);
		dirfd = open(box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		from = clock_mono_ns();
		rc = journal_open(dirfd, keydir, &j, err);
		open_us[i] = seconds(from) * 1e6;
		if (rc)
			return rc;
		rc = begin(j, err);
		if (!rc)
			rc = end(j, err);
		usleep(20000); /* what a box needs to be built and run at the least */
		from = clock_mono_ns();
		if (!rc)
			rc = journal_close(j, err);
		close_us[i] = seconds(from) * 1e6;
		close(dirfd);
		rm_rf_at(AT_FDCWD, box);
		if (rc)
			return rc;
	}
	qsort(open_us, ARRAY_SIZE(open_us), sizeof(double), by_number);
	qsort(close_us, ARRAY_SIZE(close_us), sizeof(double), by_number);
	printf("open    new journal, median %.0f us, worst %.0f us\n", open_us[25], open_us[49]);
	printf("close   two events, median %.0f us, worst %.0f us\n", close_us[25], close_us[49]);
	return 0;
}

int main(int argc, char **argv)
{
	char tmp[] = "/tmp/belljar-bench.XXXXXX";
	bool make = argc == 4 && !strcmp(argv[1], "--make");
	const char *dir = make ? argv[2] : argc > 1 ? argv[1] : mkdtemp(tmp);
	uint64_t n = strtoull(make ? argv[3] : argc > 2 ? argv[2] : "1000000", NULL, 10);
	struct err err = { 0 };
	double s = 0;
	int rc;

	if (argc == 3 && !strcmp(argv[1], "--open") && argv[2][0] == '/')
		return bench_open(argv[2], &err) ? die(&err) : 0;
	/* a number in the place of the folder once left a journal in the source tree */
	if (!dir || dir[0] != '/' || n < 4 || argc > 4 ||
	    (argc > 1 && argv[1][0] == '-' && !make)) {
		fprintf(stderr, "usage: journal_bench [DIR [N]] | --make DIR N | --open DIR\n");
		return EXIT_USAGE;
	}
	rc = write_journal(dir, n, make, &s, &err);
	if (!rc && !make) {
		printf("append  %9llu events  %8.3f s  %9.0f events/s\n", (unsigned long long)n, s,
		       (double)n / s);
		rc = read_and_verify(dir, &err);
	}
	if (argc == 1)
		rm_rf_at(AT_FDCWD, dir);
	return rc ? die(&err) : 0;
}
