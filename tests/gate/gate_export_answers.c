// SPDX-License-Identifier: Apache-2.0
/* gate_export_answers.c - what was recorded in one run is what the sinkhole says in the next */
#include "peer.h"

#include <sys/stat.h>

#include "gate/gate.h"
#include "gate/sink/sink.h"

struct world {
	char *dir;
	int dirfd, out;
	struct journal *j;
	uint64_t t;
	struct answers *answers;
	struct gate_export_stats stats;
};

#define V(KIND, NAME) ev.v[EV_AT(KIND, NAME)]

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct event ev = { .kind = EV_RUN_BEGIN };
	const char *tmp = getenv("TMPDIR");
	struct err err;
	uint32_t run;

	w->dir = xasprintf("%s/belljar-answers-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(w->dir))
		return -1;
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(w->dirfd, "out", 0755) || mkdirat(w->dirfd, "objects", 0755))
		return -1;
	w->out = openat(w->dirfd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	V(RUN_BEGIN, WALL) = V_INT(1);
	*state = w;
	return journal_open(w->dirfd, w->dir, &w->j, &err) ||
	       journal_run_begin(w->j, &ev, &run, &err);
}

static int teardown(void **state)
{
	struct world *w = *state;

	answers_free(w->answers);
	close(w->dirfd);
	close(w->out);
	rm_rf_at(AT_FDCWD, w->dir);
	free(w->dir);
	free(w);
	return 0;
}

static void add(struct world *w, struct event ev)
{
	struct err err;

	ev.t = w->t += 1000;
	assert_int_equal(journal_append(w->j, &ev, NULL, &err), 0);
}

static void flow(struct world *w, int nr, const char *name, int port)
{
	struct event ev = { .kind = EV_FLOW };

	V(FLOW, OP) = V_Z("begin");
	V(FLOW, FLOW) = V_INT(nr);
	V(FLOW, PROTOCOL) = V_Z("tcp");
	V(FLOW, DST) = V_Z("192.0.2.1");
	V(FLOW, DST_PORT) = V_INT(port);
	V(FLOW, NAME) = V_Z(name);
	add(w, ev);
}

static void request(struct world *w, int nr, int stream, const char *version, const char *method,
		    const char *host, const char *target)
{
	struct event ev = { .kind = EV_HTTP };

	V(HTTP, OP) = V_Z("request");
	V(HTTP, FLOW) = V_INT(nr);
	V(HTTP, STREAM) = V_INT(stream);
	V(HTTP, VERSION) = V_Z(version);
	V(HTTP, METHOD) = V_Z(method);
	V(HTTP, HOST) = V_Z(host);
	V(HTTP, TARGET) = V_Z(target);
	add(w, ev);
}

static void response(struct world *w, int nr, int stream, int status, const char *head)
{
	struct event ev = { .kind = EV_HTTP };

	V(HTTP, OP) = V_Z("response");
	V(HTTP, FLOW) = V_INT(nr);
	V(HTTP, STREAM) = V_INT(stream);
	V(HTTP, STATUS) = V_INT(status);
	V(HTTP, HEAD) = V_Z(head);
	add(w, ev);
}

static void content(struct world *w, int nr, const char *part, const void *p, size_t n)
{
	struct event ev = { .kind = EV_CONTENT };
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX], path[100];

	sha256_once(p, n, sum);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(path, sizeof(path), "objects/%.2s", hex);
	mkdirat(w->dirfd, path, 0755);
	snprintf(path, sizeof(path), "objects/%.2s/%s", hex, hex + 2);
	assert_int_equal(write_file_at(w->dirfd, path, 0644, p, n), 0);
	V(CONTENT, FLOW) = V_INT(nr);
	V(CONTENT, DIR) = V_Z("in");
	V(CONTENT, PART) = V_Z(part);
	V(CONTENT, OFFSET) = V_INT(0);
	V(CONTENT, SIZE) = V_INT(n);
	V(CONTENT, SHA256) = V_Z(hex);
	add(w, ev);
}

static void burst(struct world *w, int nr, const char *dir)
{
	struct event ev = { .kind = EV_BURST };

	V(BURST, FLOW) = V_INT(nr);
	V(BURST, DIR) = V_Z(dir);
	add(w, ev);
}

static int put(void *ctx, const char *path, const void *p, size_t n)
{
	struct world *w = ctx;
	cleanup_free char *copy = xstrdup(path);

	assert_true(path[0] != '/' && !strstr(path, "/.") && !strstr(path, "//"));
	for (const char *c = path; *c; c++)
		assert_true(*c > ' ' && *c < 0x7f);
	for (char *c = copy; (c = strchr(c, '/')); c++) {
		*c = 0;
		mkdirat(w->out, copy, 0755);
		*c = '/';
	}
	return write_file_at(w->out, path, 0644, p, n);
}

static void export(struct world *w)
{
	cleanup_free char *db = xasprintf("%s/journal.db", w->dir);
	struct journal_reader *r;
	struct err err;

	assert_int_equal(journal_close(w->j, &err), 0);
	assert_int_equal(journal_read_open(db, &r, &err), 0);
	assert_int_equal(gate_export_answers(r, w->dirfd, 0, NULL, put, w, &w->stats, &err), 0);
	journal_read_close(r);
	assert_int_equal(answers_open(w->out, &w->answers, &err), 0);
}

/* What the sinkhole says to @text, or when nothing is said */
static char *replay(struct world *w, const char *name, uint16_t port, const char *said)
{
	static char answer[65536];
	struct sink_env env = { .answers = w->answers };
	struct flow_facts f = { .id = 1, .tcp = true, .dst = { .port = port } };
	cleanup_buf struct buf out = { 0 };
	struct sink *s;

	snprintf(f.name, sizeof(f.name), "%s", name);
	s = sink_new(&env, &f);
	if (said)
		sink_input(s, said, strlen(said), &out);
	else
		sink_quiet(s, &out);
	sink_drained(s, &out);
	sink_free(s);
	snprintf(answer, sizeof(answer), "%s", buf_z(&out));
	return answer;
}

static char *get(struct world *w, const char *host, uint16_t port, const char *target)
{
	cleanup_free char *rq = xasprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);

	return replay(w, host, port, rq);
}

static void ends(const char *text, const char *end)
{
	if (!str_ends(str_z(text), end))
		fail_msg("'%s' does not end with '%s'", text, end);
}

static void test_http1_answers_come_again(void **state)
{
	static const char in[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nfirst"
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked"
		"\r\n\r\n4;x\r\nsome\r\n3\r\nway\r\n0\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end";
	struct world *w = *state;
	const char *a;

	flow(w, 1, "svm.test", 9006);
	request(w, 1, 1, "1.1", "GET", "svm.test:9006", "/poll?id=4711");
	request(w, 1, 2, "1.1", "POST", "svm.test:9006", "/up");
	request(w, 1, 3, "1.1", "GET", "svm.test:9006", "/poll?id=4712");
	request(w, 1, 4, "1.1", "GET", "svm.test:9006", "/none");
	request(w, 1, 5, "1.1", "GET", "svm.test:9006", "/../../etc/x%2e");
	content(w, 1, "whole", in, sizeof(in) - 1);
	export(w);
	assert_int_equal(w->stats.answers, 5);
	assert_int_equal(w->stats.left_out, 0);
	/* the exact query has its own; any other gets them in their order */
	a = get(w, "svm.test", 9006, "/poll?id=4712");
	ends(a, "\r\n\r\nsecond");
	a = get(w, "svm.test", 9006, "/poll?id=9");
	ends(a, "\r\n\r\nfirst");
	assert_non_null(strstr(a, "X-A: b\r\n"));
	ends(get(w, "svm.test", 9006, "/poll?id=10"), "\r\n\r\nsecond");
	a = replay(w, "svm.test", 9006, "POST /up HTTP/1.1\r\nHost: svm.test\r\n\r\n");
	assert_memory_equal(a, "HTTP/1.1 404 ", 13);
	ends(a, "\r\n\r\nsomeway");
	assert_memory_equal(get(w, "svm.test", 9006, "/none"), "HTTP/1.1 204 ", 13);
	ends(get(w, "svm.test", 9006, "/../../etc/x%2e"), "\r\n\r\nto the end");
	/* another port is another server */
	assert_null(strstr(get(w, "svm.test", 80, "/poll?id=9"), "first"));
}

static void test_http2_answers_come_again(void **state)
{
	/* SETTINGS; HEADERS 1; DATA 3 "three" END; DATA 1 padded "one" END; DATA 5 without its end
	 */
	static const char in[] = "\0\0\0\4\0\0\0\0\0"
				 "\0\0\1\1\4\0\0\0\1\x88"
				 "\0\0\5\0\1\0\0\0\3three"
				 "\0\0\7\0\x09\0\0\0\1\3one\0\0\0"
				 "\0\0\4\0\0\0\0\0\5half";
	struct world *w = *state;

	flow(w, 1, "h2.test", 443);
	request(w, 1, 1, "2", "GET", "h2.test", "/one");
	request(w, 1, 3, "2", "GET", "h2.test", "/three");
	request(w, 1, 5, "2", "GET", "h2.test", "/half");
	response(w, 1, 1, 200, "content-type: text/one\n");
	response(w, 1, 3, 503, "retry-after: 1\n");
	response(w, 1, 5, 200, "");
	content(w, 1, "first", in, sizeof(in) - 1);
	export(w);
	assert_int_equal(w->stats.answers, 2);
	assert_int_equal(w->stats.left_out, 1);
	ends(get(w, "h2.test", 443, "/one"), "\r\n\r\none");
	assert_non_null(strstr(get(w, "h2.test", 443, "/one"), "content-type: text/one\r\n"));
	assert_memory_equal(get(w, "h2.test", 443, "/three"), "HTTP/1.1 503 ", 13);
}

static void test_what_is_not_whole_is_left_out(void **state)
{
	static const char in[] = "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nonly the start";
	struct world *w = *state;

	flow(w, 1, "big.test", 80);
	request(w, 1, 1, "1.1", "GET", "big.test", "/big");
	request(w, 1, 2, "1.1", "GET", "big.test", "/after");
	content(w, 1, "first", in, sizeof(in) - 1);
	flow(w, 2, "lost.test", 80);
	request(w, 2, 1, "1.1", "GET", "lost.test", "/");
	export(w);
	assert_int_equal(w->stats.answers, 0);
	assert_int_equal(w->stats.left_out, 3);
	assert_null(strstr(get(w, "big.test", 80, "/big"), "only the start"));
}

static void test_raw_bytes_are_greeting_or_reply(void **state)
{
	struct world *w = *state;

	flow(w, 1, "greets.test", 7001);
	burst(w, 1, "in");
	burst(w, 1, "out");
	content(w, 1, "whole", "who are you?", 12);
	flow(w, 2, NULL, 7002);
	burst(w, 2, "out");
	burst(w, 2, "in");
	content(w, 2, "whole", "pong", 4);
	flow(w, 3, "tls.test", 7003);
	content(w, 3, "whole", "\x16\x03\x03\0\1x", 6);
	export(w);
	assert_int_equal(w->stats.answers, 2);
	assert_string_equal(replay(w, "greets.test", 7001, NULL), "who are you?");
	assert_string_equal(replay(w, "192.0.2.1", 7002, "ping"), "pong");
}

static void test_hostile_names_stay_in_the_folder(void **state)
{
	static const char *const names[] = {
		"../../../../tmp/x", "a/b",   "%2e%2e",	  "..", "\n\x1b[2J",
		"\xff\xfe",	     "x:y:z", "[::1]:80", ""
	};
	struct world *w = *state;
	int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *target = xasprintf("/%s", names[i]);

		nr++;
		flow(w, nr, names[i], 80);
		request(w, nr, 1, "1.1", names[i], names[i], target);
		request(w, nr, 2, "1.1", "GET", names[i], names[i]);
		content(w, nr, "whole", "HTTP/1.1 200 OK\r\n\r\nx", 20);
		nr++;
		flow(w, nr, names[i], 7000 + nr);
		content(w, nr, "whole", "raw", 3);
	}
	export(w); /* put() looks at each path */
	assert_true(w->stats.answers > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_http1_answers_come_again),	  T(test_http2_answers_come_again),
		T(test_what_is_not_whole_is_left_out),	  T(test_raw_bytes_are_greeting_or_reply),
		T(test_hostile_names_stay_in_the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
