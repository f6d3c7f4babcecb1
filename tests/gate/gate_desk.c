// SPDX-License-Identifier: Apache-2.0
/*
 * gate_desk.c - the desk and a gate process that is not what it was: what then stands in the
 * record, what is kept of content, and what waits for one that does not listen
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "capture/capture.h"
#include "gate/desk/desk.h"

#define SOCKETS 512 /* instead of DESK_SOCKETS_MAX, which a test has no descriptors for */

struct bed {
	char top[PATH_MAX];
	int dirfd, peer;
	struct gate g;
	/* of the record */
	char gap[200], source[40], limit[80];
	uint64_t gaps, limits, contents, events;
	struct {
		char sha256[SHA256_HEX], part[8], dir[8];
		int64_t offset, size;
		uint32_t proc;
	} content[8];
};

static int keep(void *ctx, const void *p, size_t n, char ret_sha256[SHA256_HEX], bool *ret_kept,
		struct err *err)
{
	const struct bed *b = ctx;
	cleanup_close int fd = memfd_create("content", MFD_CLOEXEC);

	assert_int_equal(write_full(fd, p, n), 0);
	return object_keep(b->dirfd, fd, NULL, ret_sha256, NULL, ret_kept, err);
}

static uint32_t owner(void *ctx UNUSED, int protocol, bool ip6, uint16_t port, uint64_t at UNUSED)
{
	return protocol == IPPROTO_TCP && !ip6 && port == 4000 ? 12 : 0;
}

static struct bed *bed_new(void)
{
	const char *tmp = getenv("TMPDIR");
	struct bed *b = xcalloc(1, sizeof(*b));
	struct event ev = { .kind = EV_RUN_BEGIN };
	struct gate *g = &b->g;
	cleanup_free char *key = NULL;
	int pair[2];

	snprintf(b->top, sizeof(b->top), "%s/bj-desk.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->top));
	b->dirfd = open(b->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	key = xasprintf("%s/key", b->top);
	assert_int_equal(journal_open(b->dirfd, key, &g->j, NULL), 0);
	assert_int_equal(journal_run_begin(g->j, &ev, NULL, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	g->sock = pair[0];
	b->peer = pair[1];
	g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->opts =
		(struct gate_opts){ .keylog_fd = -1, .keep = keep, .keep_ctx = b, .owner = owner };
	g->notes_end = &g->notes;
	g->sockets_max = SOCKETS;
	pthread_mutex_init(&g->lock, NULL);
	g->policy = policy_new(GATE_CLOSED);
	g->lookups = lookups_new();
	return b;
}

static int look(void *ctx, const struct event *ev)
{
	struct bed *b = ctx;

	b->events++;
	if (ev->kind == EV_GAP) {
		struct str s = ev->v[EV_AT(GAP, DETAIL)].s, who = ev->v[EV_AT(GAP, SOURCE)].s;

		b->gaps++;
		snprintf(b->gap, sizeof(b->gap), "%.*s", (int)s.n, s.p);
		snprintf(b->source, sizeof(b->source), "%.*s", (int)who.n, who.p);
	} else if (ev->kind == EV_LIMIT) {
		struct str s = ev->v[EV_AT(LIMIT, WHAT)].s, who = ev->v[EV_AT(LIMIT, MECHANISM)].s;

		b->limits++;
		snprintf(b->limit, sizeof(b->limit), "%.*s by %.*s", (int)s.n, s.p, (int)who.n,
			 who.p);
	} else if (ev->kind == EV_CONTENT && b->contents < ARRAY_SIZE(b->content)) {
		size_t i = b->contents++;
		const struct val *v = ev->v;

		memcpy(b->content[i].sha256, v[EV_AT(CONTENT, SHA256)].s.p, SHA256_HEX - 1);
		memcpy(b->content[i].part, v[EV_AT(CONTENT, PART)].s.p,
		       v[EV_AT(CONTENT, PART)].s.n);
		memcpy(b->content[i].dir, v[EV_AT(CONTENT, DIR)].s.p, v[EV_AT(CONTENT, DIR)].s.n);
		b->content[i].offset = v[EV_AT(CONTENT, OFFSET)].i;
		b->content[i].size = v[EV_AT(CONTENT, SIZE)].i;
		b->content[i].proc = ev->proc;
	}
	return 0;
}

/* Run the desk to its end, then read what it recorded. */
static void run(struct bed *b)
{
	struct journal_reader *r;
	cleanup_free char *db = xasprintf("%s/journal.db", b->top);

	desk_thread(&b->g);
	assert_int_equal(journal_close(b->g.j, NULL), 0);
	assert_int_equal(journal_read_open(db, &r, NULL), 0);
	assert_int_equal(journal_read(r, NULL, look, b, NULL), 0);
	journal_read_close(r);
}

static void bed_free(struct bed *b)
{
	desk_drop_notes(&b->g);
	assert_int_equal(b->g.note_bytes, 0);
	assert_int_equal(b->g.note_sockets, 0);
	lookups_leave(b->g.lookups);
	desk_forget(&b->g);
	policy_free(b->g.policy);
	close(b->g.sock);
	close(b->g.wake);
	close(b->peer);
	close(b->dirfd);
	rm_rf_at(AT_FDCWD, b->top);
	free(b);
}

/* A process in the place of the gate's, which says @n bytes, over and over if it is to */
static void gate_process(struct bed *b, const struct buf *says, bool over_and_over)
{
	b->g.pid = fork();
	assert_true(b->g.pid >= 0);
	if (b->g.pid)
		return;
	do
		if (send(b->peer, says->p, says->n, MSG_NOSIGNAL) < 0)
			_exit(1);
	while (over_and_over);
	for (;;)
		pause();
}

static void was_ended(const struct bed *b)
{
	int status = 0;

	assert_int_equal(waitpid(b->g.pid, &status, 0), b->g.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_an_end_that_nobody_asked_for_ends_the_box_and_is_recorded(void **state UNUSED)
{
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();

	wire_add(&says, WIRE_ENDED, NULL, 0, NULL, 0);
	gate_process(b, &says, false);
	run(b);
	was_ended(b);
	assert_true(gate_failed(&b->g));
	assert_int_equal(b->gaps, 1);
	assert_non_null(strstr(b->gap, "cannot mean"));
	bed_free(b);
	buf_free(&says);
}

static void test_an_end_that_was_asked_for_leaves_no_gap(void **state UNUSED)
{
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();

	wire_add(&says, WIRE_ENDED, NULL, 0, NULL, 0);
	b->g.end_by = UINT64_MAX;
	atomic_store(&b->g.ending, true);
	gate_process(b, &says, false);
	run(b);
	was_ended(b);
	assert_false(gate_failed(&b->g));
	assert_int_equal(b->gaps, 0);
	bed_free(b);
	buf_free(&says);
}

static void test_one_that_asks_and_does_not_listen_is_ended(void **state UNUSED)
{
	struct wire_lookup q = { .ask = 1, .type = 1, .name = "a.example" };
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();

	while (says.n + sizeof(struct wire_head) + sizeof(q) <= WIRE_MAX)
		wire_add(&says, WIRE_LOOKUP, &q, sizeof(q), NULL, 0);
	gate_process(b, &says, true);
	run(b);
	was_ended(b);
	assert_true(gate_failed(&b->g));
	assert_int_equal(b->gaps, 1);
	assert_non_null(strstr(b->gap, "did not listen"));
	assert_int_equal(b->g.nnotes, DESK_NOTES_MAX);
	bed_free(b);
	buf_free(&says);
}

static void test_sockets_that_nobody_takes_are_few(void **state UNUSED)
{
	struct wire_dialed d = { .flow = 1 };
	char bytes[sizeof(d) + 64];
	struct bed *b = bed_new();
	int n = 0;

	for (; n < 4 * SOCKETS && desk_socket_room(&b->g); n++)
		desk_say(&b->g, WIRE_DIALED, &d, sizeof(d), NULL, 0, eventfd(0, EFD_CLOEXEC));
	assert_int_equal(b->g.note_sockets, SOCKETS);
	assert_in_range(n, SOCKETS, 4 * SOCKETS - 1);
	assert_false(desk_socket_room(&b->g));
	/* one that listens gets them all, in order of asking, and there is room again */
	for (; n; n--) {
		desk_send_notes(&b->g);
		assert_true(recv(b->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
	}
	assert_true(desk_socket_room(&b->g));
	assert_int_equal(b->g.nnotes, 0);
	assert_int_equal(journal_close(b->g.j, NULL), 0);
	bed_free(b);
}

static void add_content(struct buf *says, uint32_t flow, enum content_part part, uint64_t offset,
			const char *text, size_t n)
{
	struct wire_content c = { .flow = flow, .dir = DIR_IN, .part = part, .offset = offset };

	wire_add(says, WIRE_CONTENT, &c, sizeof(c), text, n);
}

static void begin_flow(struct buf *says, int64_t flow)
{
	struct event ev = { .kind = EV_FLOW, .proc = 77 };
	uint8_t bytes[500];
	ssize_t n;

	ev.v[EV_AT(FLOW, OP)] = V_Z("begin");
	ev.v[EV_AT(FLOW, FLOW)] = V_INT(flow);
	ev.v[EV_AT(FLOW, PROTOCOL)] = V_Z("tcp");
	ev.v[EV_AT(FLOW, SRC)] = V_Z("10.0.2.15");
	ev.v[EV_AT(FLOW, SRC_PORT)] = V_INT(4000);
	n = event_encode(&ev, bytes, sizeof(bytes));
	assert_true(n > 0);
	wire_add(says, WIRE_EVENT, bytes, (size_t)n, NULL, 0);
}

static void test_content_is_recorded_under_the_hash_of_what_was_kept(void **state UNUSED)
{
	static char last[CONTENT_PART], path[200];
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();
	cleanup_free char *kept = NULL;
	size_t n;

	memset(last, 'z', sizeof(last));
	begin_flow(&says, 1);
	add_content(&says, 1, CONTENT_FIRST, 0, "begin", 5);
	add_content(&says, 1, CONTENT_LAST, 1ull << 40, last, sizeof(last));
	add_content(&says, 9, CONTENT_WHOLE, 0, "nobody's", 8);
	wire_add(&says, WIRE_ENDED, NULL, 0, NULL, 0);
	b->g.end_by = UINT64_MAX;
	atomic_store(&b->g.ending, true);
	gate_process(b, &says, false);
	run(b);
	was_ended(b);
	assert_int_equal(b->gaps, 0);
	assert_int_equal(b->contents, 3);
	assert_string_equal(b->content[0].part, "first");
	assert_string_equal(b->content[1].part, "last");
	assert_string_equal(b->content[2].part, "whole");
	assert_string_equal(b->content[0].dir, "in");
	assert_int_equal(b->content[0].size, 5);
	assert_int_equal(b->content[1].offset, 1ll << 40);
	assert_int_equal(b->content[1].size, CONTENT_PART);
	assert_int_equal(b->content[0].proc, 12); /* of the table of ports, not what was said */
	assert_int_equal(b->content[2].proc, 0);
	for (size_t i = 0; i < b->contents; i++) {
		uint8_t hash[SHA256_LEN];
		char text[SHA256_HEX];

		snprintf(path, sizeof(path), "objects/%.2s/%s", b->content[i].sha256,
			 b->content[i].sha256 + 2);
		assert_int_equal(read_file_at(b->dirfd, path, 1u << 20, &kept, &n), 0);
		assert_int_equal(n, b->content[i].size);
		sha256_once(kept, n, hash);
		hex_encode(hash, sizeof(hash), text);
		assert_string_equal(text, b->content[i].sha256);
		free(steal_ptr(&kept));
	}
	bed_free(b);
	buf_free(&says);
}

static void add_event(struct buf *says, const struct event *ev)
{
	uint8_t bytes[500];
	ssize_t n = event_encode(ev, bytes, sizeof(bytes));

	assert_true(n > 0);
	wire_add(says, WIRE_EVENT, bytes, (size_t)n, NULL, 0);
}

static void add_gap(struct buf *says, const char *source)
{
	struct event ev = { .kind = EV_GAP, .proc = 77 };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z(source);
	ev.v[EV_AT(GAP, DETAIL)] = V_Z("all of it was lost");
	add_event(says, &ev);
}

static void add_limit(struct buf *says, const char *what, const char *mechanism)
{
	struct event ev = { .kind = EV_LIMIT };

	ev.v[EV_AT(LIMIT, WHAT)] = V_Z(what);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z(mechanism);
	add_event(says, &ev);
}

static void test_what_the_gate_process_did_not_see_is_told_as_the_gates(void **state UNUSED)
{
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();

	add_gap(&says, "trace");
	add_limit(&says, "dns-names", "cgroup 2");
	wire_add(&says, WIRE_ENDED, NULL, 0, NULL, 0);
	b->g.end_by = UINT64_MAX;
	atomic_store(&b->g.ending, true);
	gate_process(b, &says, false);
	run(b);
	was_ended(b);
	assert_int_equal(b->gaps, 1);
	assert_string_equal(b->gap, "all of it was lost");
	assert_string_equal(b->source, "gate");
	assert_int_equal(b->limits, 1);
	assert_string_equal(b->limit, "dns-names by resolver");
	bed_free(b);
	buf_free(&says);
}

static void test_a_limit_that_is_not_the_gates_ends_the_box(void **state UNUSED)
{
	struct buf says = { .limit = WIRE_MAX };
	struct bed *b = bed_new();

	add_limit(&says, "memory", "cgroup 2");
	gate_process(b, &says, false);
	run(b);
	was_ended(b);
	assert_true(gate_failed(&b->g));
	assert_int_equal(b->limits, 0);
	assert_int_equal(b->gaps, 1);
	assert_non_null(strstr(b->gap, "cannot mean"));
	bed_free(b);
	buf_free(&says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_end_that_nobody_asked_for_ends_the_box_and_is_recorded),
		cmocka_unit_test(test_an_end_that_was_asked_for_leaves_no_gap),
		cmocka_unit_test(test_one_that_asks_and_does_not_listen_is_ended),
		cmocka_unit_test(test_sockets_that_nobody_takes_are_few),
		cmocka_unit_test(test_content_is_recorded_under_the_hash_of_what_was_kept),
		cmocka_unit_test(test_what_the_gate_process_did_not_see_is_told_as_the_gates),
		cmocka_unit_test(test_a_limit_that_is_not_the_gates_ends_the_box),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
