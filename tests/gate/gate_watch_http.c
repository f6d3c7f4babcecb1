// SPDX-License-Identifier: Apache-2.0
/*
 * gate_watch_http.c - heads of HTTP/1.x are found where they are, however the bytes are cut
 */
#include "probe.h"

#define HEADS " op stream version method host target status content_length tls "
#define EXPECT(said, port, inner, want)                                                            \
	do {                                                                                       \
		struct probe p_ = { .columns = HEADS, .kinds = 1u << EV_HTTP | 1u << EV_GAP };     \
                                                                                                   \
		probe_expect(&p_, port, inner, said, ARRAY_SIZE(said), want);                      \
		probe_free(&p_);                                                                   \
	} while (0)

static void test_pipelined_requests_and_bodies_of_each_kind(void **state UNUSED)
{
	static const struct said s[] = {
		OUT("GET /a HTTP/1.1\r\nHost: Example.com\r\n\r\n"
		    "HEAD /b HTTP/1.1\r\nhost:example.com:8080 \r\n\r\n"
		    "POST /c HTTP/1.1\nHost: x\nContent-Length: 30\n\nGET /no HTTP/1.1\r\nHost: no\r\n\r\n"
		    "PUT /d HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
		    "a;x=\"y\"\r\nGET / HTTP\r\n1\r\nx\r\n0\r\nTrailer: 1\r\n\r\n"
		    "\r\nDELETE http://other.example/e HTTP/1.1\r\nHost: x\r\n\r\n"),
		IN("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nHTTP/1.1 200 OK\r\n"
		   "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
		   "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
		   "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n"
		   "HTTP/1.0 404\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end"),
	};

	EXPECT(s, 80, false,
	       "http op=request stream=1 version=1.1 method=GET host=Example.com target=/a tls=0\n"
	       "http op=request stream=2 version=1.1 method=HEAD host=example.com:8080 target=/b tls=0\n"
	       "http op=request stream=3 version=1.1 method=POST host=x target=/c content_length=30 "
	       "tls=0\n"
	       "http op=request stream=4 version=1.0 method=PUT target=/d tls=0\n"
	       "http op=request stream=5 version=1.1 method=DELETE host=x "
	       "target=http://other.example/e tls=0\n"
	       "http op=response stream=1 version=1.1 status=200 content_length=17 tls=0\n"
	       "http op=response stream=2 version=1.1 status=200 content_length=1000 tls=0\n"
	       "http op=response stream=3 version=1.1 status=100 tls=0\n"
	       "http op=response stream=3 version=1.1 status=204 tls=0\n"
	       "http op=response stream=4 version=1.1 status=304 content_length=5 tls=0\n"
	       "http op=response stream=5 version=1.0 status=404 tls=0\n");
}

static void test_chunked_response_is_passed_over(void **state UNUSED)
{
	static const struct said s[] = {
		OUT("GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"),
		IN("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n"
		   "13\r\nHTTP/1.1 200 OK\r\n\r\n\r\n0\r\n\r\nHTTP/1.1 201 OK\r\n\r\n"),
	};

	EXPECT(s, 80, true,
	       "http op=request stream=1 version=1.1 method=GET target=/ tls=1\n"
	       "http op=request stream=2 version=1.1 method=GET target=/2 tls=1\n"
	       "http op=response stream=1 version=1.1 status=200 content_length=3 tls=1\n"
	       "http op=response stream=2 version=1.1 status=201 tls=1\n");
}

static void test_websocket_ends_the_reading_of_heads(void **state UNUSED)
{
	static const struct said s[] = {
		OUT("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
		IN("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello"),
		OUT("\x81\x85zzzzhello"),
	};
	struct probe p = { .columns = " protocol expected mismatch version ",
			   .kinds = 1u << EV_HTTP | 1u << EV_BANNER | 1u << EV_GAP };

	probe_expect(&p, 80, false, s, ARRAY_SIZE(s),
		     "http version=1.1\nhttp version=websocket\n"
		     "banner protocol=websocket expected=http mismatch=0\n");
	probe_free(&p);
}

static void test_inside_of_a_tunnel_reading_begins_anew(void **state UNUSED)
{
	static const struct said yes[] = {
		OUT("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
		IN("HTTP/1.1 200 Yes\r\nContent-Length: 5\r\n\r\n"),
		OUT("GET /inside HTTP/1.1\r\n\r\n"),
		IN("HTTP/1.1 404 No\r\n\r\n"),
	};
	static const struct said no[] = {
		OUT("CONNECT h:443 HTTP/1.1\r\n\r\nGET /same HTTP/1.1\r\n\r\n"),
		IN("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 Ok\r\n\r\n"),
	};

	EXPECT(yes, 3128, false,
	       "http op=request stream=1 version=1.1 method=CONNECT host=h:443 target=h:443 tls=0\n"
	       "http op=response stream=1 version=1.1 status=200 content_length=5 tls=0\n"
	       "http op=request stream=1 version=1.1 method=GET target=/inside tls=0\n"
	       "http op=response stream=1 version=1.1 status=404 tls=0\n");
	EXPECT(no, 3128, false,
	       "http op=request stream=1 version=1.1 method=CONNECT target=h:443 tls=0\n"
	       "http op=response stream=1 version=1.1 status=407 content_length=0 tls=0\n"
	       "http op=request stream=2 version=1.1 method=GET target=/same tls=0\n"
	       "http op=response stream=2 version=1.1 status=200 tls=0\n");
}

static void test_what_is_no_http_any_more_is_told_once(void **state UNUSED)
{
	static const struct said length[] = {
		OUT("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
	};
	static const struct said chunk[] = {
		OUT("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"),
		IN("garbage\r\n\r\n"),
	};
	struct probe p = { .columns = " detail ", .kinds = 1u << EV_GAP };

	probe_expect(
		&p, 80, false, length, 1,
		"gap detail=flow 1 was not decoded to its end: an HTTP request does not say where it "
		"ends\n");
	probe_expect(
		&p, 80, false, chunk, 2,
		"gap detail=flow 1 was not decoded to its end: a chunk of an HTTP body is longer than "
		"it says\n");
	probe_free(&p);
}

static void test_limits_of_heads_hold(void **state UNUSED)
{
	static const char many[] = "GET / HTTP/1.1\r\n\r\n";
	static const char answer[] = "HTTP/1.1 204 No\r\n\r\n";
	struct probe p = { .columns = " detail ", .kinds = 1u << EV_GAP };
	char line[1024];

	probe_begin(&p, true, 80, false);
	for (int i = 0; i < WATCH_HEADS_MAX; i++) {
		watch_feed(p.w, DIR_OUT, 0, many, sizeof(many) - 1);
		watch_feed(p.w, DIR_IN, 0, answer, sizeof(answer) - 1);
	}
	assert_true(watch_idle(p.w));
	assert_string_equal(probe_end(&p),
			    "gap detail=flow 1 was not decoded to its end: more HTTP heads "
			    "than are recorded\n");
	assert_int_equal(p.events, WATCH_HEADS_MAX + 1 + 1 + 2);

	probe_begin(&p, true, 80, false);
	watch_feed(p.w, DIR_OUT, 0, "GET / HTTP/1.1\r\nA: ", 19);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 70; i++)
		watch_feed(p.w, DIR_OUT, 0, line, sizeof(line));
	assert_string_equal(probe_end(&p),
			    "gap detail=flow 1 was not decoded to its end: an HTTP head is "
			    "longer than what is read\n");

	probe_begin(&p, true, 80, false);
	for (int i = 0; i < 300; i++)
		watch_feed(p.w, DIR_OUT, 0, many, sizeof(many) - 1);
	assert_string_equal(probe_end(&p),
			    "gap detail=flow 1 was not decoded to its end: more HTTP "
			    "requests wait for an answer than are kept\n");
	probe_free(&p);
}

static void test_whom_a_request_is_for(void **state UNUSED)
{
	static const struct {
		const char *head, *host;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: WWW.Example.com\r\n\r\n", "www.example.com" },
		{ "GET / HTTP/1.1\r\nHost:a:81\r\n\r\n", "a:81" },
		{ "GET / HTTP/1.0\r\n\r\n", "" },
		{ "\r\nGET / HTTP/1.1\nhost: a\n\n", "a" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: A\r\n\r\n", "a" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", "a,b" },
		{ "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "b,a" },
		{ "GET https://b?x HTTP/1.1\r\nHost : b\r\n\r\n", "b" },
		{ "GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "a" },
		{ "CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", "b:443,a" },
		/* what only some servers take for a request */
		{ " GET\t/\tHTTP/1.1\t\r\nHost: a\r\n\r\n", "a" },
		{ "get / http/1.1\r\nHost: a\r\n\r\n", "a" },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "a" },
		{ "GET / HTTP/1.1\r\nX: y\rHost: b\r\nHost: a\r\n\r\n", "b,a" },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL },
		{ "GET / HTTP/2\r\nHost: a\r\n\r\n", NULL },
		{ "EHLO me\r\n\r\n", NULL },
	};
	char host[NAME_MAX_DNS + 8], big[70000];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].head);

		for (size_t k = 0; k < n; k++) {
			char *exact = malloc(k ? k : 1);
			int rc;

			memcpy(exact, rows[i].head, k);
			rc = http_host_read(exact, k, host);
			assert_true(rc == 0 || (rc == -EBADMSG && !rows[i].host));
			free(exact);
		}
		if (!rows[i].host)
			continue;
		assert_int_equal(http_host_read(rows[i].head, n, host), 1);
		assert_string_equal(host, rows[i].host);
	}
	/* bytes that no line of text has: nobody need wait for more */
	assert_int_equal(http_host_read("GET\0/", 5, host), -EBADMSG);
	assert_int_equal(http_host_read("\1\2\3\4", 4, host), -EBADMSG);
	assert_int_equal(http_host_read("GET / HTTP/1.1\r\nHost: \1", 24, host), 0);
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	assert_int_equal(http_host_read(big, sizeof(big), host), -EBADMSG);
	memcpy(big, "GET / HTTP/1.1\r\nHost: a\r\nX:", 28);
	assert_int_equal(http_host_read(big, sizeof(big), host), -EMSGSIZE);
}

/* Of such a connection it can not be said any more whom its requests are for. */
static void test_requests_that_cannot_be_followed_are_told(void **state UNUSED)
{
	static const struct {
		const char *sent;
		bool lost;
	} rows[] = {
		{ "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\n\r\n", false },
		{ "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n", true },
		{ "POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n", true },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", true },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", true },
		{ "get\t/\thttp/1.1\r\n\r\nanything\r\n\r\n", true },
		{ "EHLO me\r\nGET / HTTP/1.1\r\n", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct probe p = { 0 };

		probe_begin(&p, true, 80, false);
		watch_feed(p.w, DIR_OUT, 0, rows[i].sent, strlen(rows[i].sent));
		if (watch_http_lost(p.w) != rows[i].lost)
			fail_msg("row %zu", i);
		probe_end(&p);
		probe_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipelined_requests_and_bodies_of_each_kind),
		cmocka_unit_test(test_chunked_response_is_passed_over),
		cmocka_unit_test(test_websocket_ends_the_reading_of_heads),
		cmocka_unit_test(test_inside_of_a_tunnel_reading_begins_anew),
		cmocka_unit_test(test_what_is_no_http_any_more_is_told_once),
		cmocka_unit_test(test_limits_of_heads_hold),
		cmocka_unit_test(test_whom_a_request_is_for),
		cmocka_unit_test(test_requests_that_cannot_be_followed_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
