// SPDX-License-Identifier: Apache-2.0
/* gate_sink.c - the sinkhole, asked as programs ask: bytes in, bytes out, and real TLS and HTTP/2
 * peers */
#include "peer.h"

#include <nghttp2/nghttp2.h>
#include <sys/stat.h>

#include "gate/sink/http_respond.h"
#include "gate/sink/sink.h"

#define DAYS_AHEAD 40
static const uint64_t ahead = DAYS_AHEAD * 86400ull * NSEC_PER_SEC;

struct world {
	char *dir;
	int dirfd;
	struct ca *ca;
	struct answers *answers;
	struct sink_env env;
	struct buf plain[2][2]; /* [inner][dir] */
	int keys;
};

static void take_plain(void *ctx, const struct flow_facts *f, enum dir dir, bool inner,
		       const void *p, size_t n)
{
	struct world *w = ctx;

	assert_int_equal(f->id, 7);
	buf_add(&w->plain[inner][dir], p, n);
}

static void take_key(void *ctx, const char *line)
{
	assert_non_null(strstr(line, "_"));
	((struct world *)ctx)->keys++;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");
	struct err err;

	w->dir = xasprintf("%s/belljar-sink-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(w->dir))
		return -1;
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	if (ca_open(w->dirfd, &w->ca, &err))
		return -1;
	w->env = (struct sink_env){ .ca = w->ca,
				    .box_time_ahead = &ahead,
				    .ctx = w,
				    .plain = take_plain,
				    .keylog = take_key };
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 4; i++)
		buf_free(&w->plain[i / 2][i % 2]);
	answers_free(w->answers);
	ca_free(w->ca);
	close(w->dirfd);
	rm_rf_at(AT_FDCWD, w->dir);
	free(w->dir);
	free(w);
	return 0;
}

static struct sink *session(struct world *w, bool tcp, const char *name, uint16_t port)
{
	struct flow_facts f = { .id = 7,
				.tcp = tcp,
				.src = { .ip = { 10, 0, 2, 15 }, .port = 40000 },
				.dst = { .ip = { 198, 18, 0, 5 }, .port = port } };

	snprintf(f.name, sizeof(f.name), "%s", name);
	return sink_new(&w->env, &f);
}

/* Says @text, gets the whole answer with what follows it; *ret_end: whether it was closed */
static char *say(struct sink *s, const char *text, size_t n, bool *ret_end)
{
	static char answer[8 << 20];
	cleanup_buf struct buf out = { 0 };
	size_t before;
	int end = sink_input(s, text, n, &out);

	do {
		before = out.n;
		assert_true(out.n <= SINK_REPLY_MAX + TALK_OUT_MAX * 8);
		if (!end)
			end = sink_drained(s, &out);
	} while (out.n > before);
	assert_true(out.n < sizeof(answer));
	memcpy(answer, out.p ? out.p : "", out.n);
	answer[out.n] = 0;
	if (ret_end)
		*ret_end = end;
	return answer;
}

static char *ask(struct world *w, const char *name, uint16_t port, const char *text)
{
	struct sink *s = session(w, true, name, port);
	char *a = say(s, text, strlen(text), NULL);

	sink_free(s);
	return a;
}

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		const char *text_ = (text);                                                        \
		if (!strstr(text_, part))                                                          \
			fail_msg("'%s' is not in: %s", part, text_);                               \
	} while (0)
#define assert_begins(text, part) assert_memory_equal(text, part, strlen(part))

static const char *body_of(const char *answer)
{
	const char *b = strstr(answer, "\r\n\r\n");

	assert_non_null(b);
	return b + 4;
}

/* ---- HTTP/1 ------------------------------------------------------------------------------- */

static void test_http_on_an_odd_port_is_answered_with_the_boxs_date(void **state)
{
	struct world *w = *state;
	char date[HTTP_DATE_MAX], line[64];
	const char *a = ask(w, "www.register.test", 9006,
			    "GET /reg?id=1 HTTP/1.1\r\nHost: www.register.test:9006\r\n\r\n");

	assert_begins(a, "HTTP/1.1 200 OK\r\n");
	assert_has(a, "content-type: text/html");
	/* the second may have turned between */
	http_date(clock_real_ns() + ahead, date);
	snprintf(line, sizeof(line), "date: %.16s", date);
	assert_has(a, line);
	assert_begins(w->plain[0][DIR_OUT].p, "GET /reg?id=1");
	assert_begins(w->plain[0][DIR_IN].p, "HTTP/1.1 200");
}

static void test_a_request_in_single_bytes_gets_the_same_answer(void **state)
{
	static const char text[] =
		"POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n"
		"\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n"
		"GET /b.json HTTP/1.1\r\nHost: a.test\r\n\r\n";
	struct world *w = *state;
	cleanup_free char *whole = xstrdup(ask(w, "a.test", 80, text));
	struct sink *s = session(w, true, "a.test", 80);
	cleanup_buf struct buf out = { 0 };

	for (size_t i = 0; i + 1 < sizeof(text); i++)
		assert_int_equal(sink_input(s, text + i, 1, &out), 0);
	assert_string_equal(buf_z(&out), whole);
	assert_has(whole, "application/json");
	assert_begins(whole, "HTTP/1.1 200");
	sink_free(s);
}

static void test_methods(void **state)
{
	struct world *w = *state;
	const char *a;

	a = ask(w, "a.test", 80, "HEAD /x.html HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_has(a, "content-length: ");
	assert_string_equal(body_of(a), "");
	a = ask(w, "a.test", 80,
		"OPTIONS /api HTTP/1.1\r\nHost: a\r\nOrigin: https://b.test\r\n"
		"Access-Control-Request-Method: PUT\r\n"
		"Access-Control-Request-Headers: x-token\r\n\r\n");
	assert_begins(a, "HTTP/1.1 204");
	assert_has(a, "access-control-allow-origin: https://b.test\r\n");
	assert_has(a, "access-control-allow-methods: PUT\r\n");
	assert_has(a, "access-control-allow-headers: x-token\r\n");
	a = ask(w, "a.test", 80,
		"POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		"Content-Length: 7\r\nExpect: 100-continue\r\n\r\n");
	assert_string_equal(a, "HTTP/1.1 100 Continue\r\n\r\n");
	a = ask(w, "a.test", 80,
		"POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		"Content-Length: 7\r\n\r\n{\"a\":1}");
	assert_begins(a, "HTTP/1.1 200");
	assert_string_equal(body_of(a), "{}\n");
	a = ask(w, "a.test", 80, "DELETE /api HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(a, "HTTP/1.1 204");
	assert_null(strstr(a, "content-length"));
	a = ask(w, "a.test", 80, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(a, "HTTP/1.1 501");
	a = ask(w, "a.test", 80, "GET /\r\n"); /* HTTP/0.9 */
	assert_begins(a, "<!DOCTYPE html>");
	a = ask(w, "a.test", 80,
		"GET http://other.test/x.json HTTP/1.1\r\nHost: other.test\r\n\r\n");
	assert_has(a, "application/json");
	a = ask(w, "a.test", 80, "GET /generate_204 HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(a, "HTTP/1.1 204");
}

static void test_connections_are_kept_as_asked(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "a.test", 80);
	static const char keep[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char last[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	static const char old[] = "GET / HTTP/1.0\r\n\r\n";
	bool end;

	say(s, keep, sizeof(keep) - 1, &end);
	assert_false(end);
	assert_begins(say(s, keep, sizeof(keep) - 1, &end), "HTTP/1.1 200");
	assert_false(end);
	assert_has(say(s, last, sizeof(last) - 1, &end), "connection: close");
	assert_true(end);
	sink_free(s);
	s = session(w, true, "a.test", 80);
	say(s, old, sizeof(old) - 1, &end);
	assert_true(end);
	sink_free(s);
}

static void test_ranges(void **state)
{
	struct world *w = *state;
	const char *a =
		ask(w, "a.test", 80, "GET /x.json HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\n\r\n");

	assert_begins(a, "HTTP/1.1 206");
	assert_has(a, "content-range: bytes 1-2/3\r\n");
	assert_string_equal(body_of(a), "}\n");
	a = ask(w, "a.test", 80, "GET /x.json HTTP/1.1\r\nHost: a\r\nRange: bytes=-1\r\n\r\n");
	assert_string_equal(body_of(a), "\n");
	a = ask(w, "a.test", 80, "GET /x.json HTTP/1.1\r\nHost: a\r\nRange: bytes=3-\r\n\r\n");
	assert_begins(a, "HTTP/1.1 416");
	a = ask(w, "a.test", 80,
		"GET /x.json HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99999999999999999999\r\n\r\n");
	assert_has(a, "bytes 0-2/3");
}

static void test_it_gives_nothing_that_could_be_run(void **state)
{
	static const char *const paths[] = {
		"/setup.exe",	"/a/b.DLL", "/update.msi", "/x.ps1",	"/x.sh",
		"/install.run", "/x.deb",   "/p.jar",	   "/wpad.dat", "/proxy.pac",
		"/v.bat",	"/svm.dat", "/a.py",	   "/b.bin",
	};
	static const char *const others[] = { "/",	  "/a.gif",  "/a.png", "/a.jpg",
					      "/a.ico",	  "/a.zip",  "/a.js",  "/a.css",
					      "/a.svg",	  "/a.gz",   "/a.tar", "/cmd",
					      "/run.php", "/update", "/a.xml", "/a.json" };
	struct world *w = *state;
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
			 paths[i]);
		assert_begins(ask(w, "a.test", 80, text), "HTTP/1.1 404");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const char *b;

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
			 others[i]);
		b = ask(w, "a.test", 80, text);
		assert_begins(b, "HTTP/1.1 200");
		assert_null(strcasestr(b, "<script"));
		b = body_of(b);
		assert_memory_not_equal(b, "MZ", 2);
		assert_memory_not_equal(b, "\177ELF", 4);
		assert_memory_not_equal(b, "#!", 2);
	}
	assert_string_equal(body_of(ask(w, "a.test", 80, "GET /a.js HTTP/1.1\r\nHost: a\r\n\r\n")),
			    "");
}

static void test_bodies_are_what_they_say(void **state)
{
	static const struct {
		const char *path, *type, *magic;
		const char *length;
	} all[] = {
		{ "/p.gif", "image/gif", "GIF89a\1", "37" },
		{ "/p.png", "image/png", "\x89PNG\r\n", "68" },
		{ "/p.jpg", "image/jpeg", "\xff\xd8\xff\xe0", "159" },
		{ "/favicon.ico", "image/vnd.microsoft.icon", "", "90" },
		{ "/e.zip", "application/zip", "PK\5\6", "22" },
		{ "/e.gz", "application/gzip", "\x1f\x8b\x08", "20" },
		{ "/e.tar", "application/x-tar", "", "1024" },
	};
	struct world *w = *state;
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const char *a;

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", all[i].path);
		a = ask(w, "a.test", 80, text);
		snprintf(text, sizeof(text), "content-type: %s\r\n", all[i].type);
		assert_has(a, text);
		snprintf(text, sizeof(text), "content-length: %s\r\n", all[i].length);
		assert_has(a, text);
		assert_begins(body_of(a), all[i].magic);
	}
	assert_has(ask(w, "a.test", 80,
		       "GET /img HTTP/1.1\r\nHost: a\r\nAccept: image/avif,image/webp,*/*\r\n\r\n"),
		   "image/png");
	assert_has(
		ask(w, "a.test", 80,
		    "GET /api HTTP/1.1\r\nHost: a\r\nAccept: application/json, text/plain\r\n\r\n"),
		"application/json");
}

static void test_what_comes_back_cannot_split_the_answer(void **state)
{
	struct world *w = *state;
	const char *a = ask(w, "a.test", 80,
			    "GET / HTTP/1.1\r\nHost: a\r\nOrigin: x\x01y\rz\x7f\xff\r\n\r\n");

	assert_has(a, "access-control-allow-origin: xyz\r\n");
}

static void test_nonsense_is_refused_and_ends(void **state)
{
	static const char *const all[] = {
		"GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct sink *s = session(w, true, "a.test", 80);
		bool end;

		assert_begins(say(s, all[i], strlen(all[i]), &end), "HTTP/1.1 400");
		assert_true(end);
		sink_free(s);
	}
}

static void test_a_head_without_end_is_refused(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "a.test", 80);
	static char line[1024];
	bool end = false;
	int rounds = 0;

	memset(line, 'x', sizeof(line));
	say(s, "GET / HTTP/1.1\r\n", 16, &end);
	for (; !end && rounds < 1000; rounds++)
		if (strstr(say(s, line, sizeof(line), &end), "HTTP/1.1 431"))
			break;
	assert_true(end);
	assert_true(rounds >= 63 && rounds < 70);
	sink_free(s);
}

/* ---- WebSocket ---------------------------------------------------------------------------- */

static void test_websocket_is_accepted_and_then_silent(void **state)
{
	static const char hello[] = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
				    "Connection: keep-alive, Upgrade\r\n"
				    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
				    "Sec-WebSocket-Protocol: chat, superchat\r\n"
				    "Sec-WebSocket-Version: 13\r\n\r\n";
	/* text "Hello", masked, of RFC 6455 5.7; ping "Hello"; close */
	static const char text[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	static const char ping[] = "\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	static const char bye[] = "\x88\x80\x01\x02\x03\x04";
	struct world *w = *state;
	struct sink *s = session(w, true, "ws.test", 33666);
	const char *a;
	bool end;

	a = say(s, hello, sizeof(hello) - 1, &end);
	assert_begins(a, "HTTP/1.1 101 ");
	assert_has(a, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"); /* RFC 6455 1.3 */
	assert_has(a, "sec-websocket-protocol: chat\r\n");
	assert_string_equal(say(s, text, sizeof(text) - 1, &end), "");
	assert_false(end);
	assert_string_equal(say(s, ping, sizeof(ping) - 1, &end), "\x8a\x05Hello");
	say(s, bye, sizeof(bye) - 1, &end);
	assert_true(end);
	sink_free(s);
}

/* ---- TLS ---------------------------------------------------------------------------------- */

/* A client whose bytes go through a session; returns what it has read since. */
static bool pump(struct peer *c, struct sink *s)
{
	bool end = false;
	int still = 0;

	while (still < 2) {
		cleanup_buf struct buf up = { 0 }, down = { 0 };
		size_t had = c->got.n;

		peer_out(c, &up);
		if (up.n)
			end |= sink_input(s, up.p, up.n, &down);
		if (!end)
			end |= sink_drained(s, &down);
		peer_feed(c, down.p, down.n, end);
		still = up.n || down.n || c->got.n != had ? 0 : still + 1;
		if (end && !up.n)
			break;
	}
	return end;
}

static void tls_hello(struct world *w, struct peer *c, struct sink *s, const char *name,
		      const char *alpn)
{
	peer_client(c, client_ctx(ca_pem(w->ca), 0, 0), name);
	if (alpn)
		SSL_set_alpn_protos(c->ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn));
	SSL_do_handshake(c->ssl);
	pump(c, s);
	assert_true(SSL_is_init_finished(c->ssl));
	assert_int_equal(SSL_get_verify_result(c->ssl), X509_V_OK);
}

static void test_tls_on_any_port_and_http_inside(void **state)
{
	static const char rq[] = "GET /x.json HTTP/1.1\r\nHost: a.test\r\n\r\n";
	struct world *w = *state;
	struct sink *s = session(w, true, "other.test", 9002);
	struct peer c;

	tls_hello(w, &c, s, "a.test", NULL);
	peer_say(&c, rq, sizeof(rq) - 1);
	assert_false(pump(&c, s));
	assert_has(buf_z(&c.got), "application/json");
	/* on record: what was said inside, and nothing of the handshake as if it were plain */
	assert_string_equal(buf_z(&w->plain[1][DIR_OUT]), rq);
	assert_begins(w->plain[1][DIR_IN].p, "HTTP/1.1 200");
	assert_int_equal(w->plain[0][DIR_OUT].n, 0);
	assert_true(w->keys >= 4);
	peer_free(&c);
	sink_free(s);
}

static void test_a_tls_hello_in_single_bytes(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "a.test", 8443);
	struct peer c;
	cleanup_buf struct buf up = { 0 }, down = { 0 };

	peer_client(&c, client_ctx(ca_pem(w->ca), 0, 0), "a.test");
	SSL_do_handshake(c.ssl);
	peer_out(&c, &up);
	for (size_t i = 0; i < up.n; i++)
		assert_int_equal(sink_input(s, up.p + i, 1, &down), 0);
	peer_feed(&c, down.p, down.n, false);
	pump(&c, s);
	assert_true(SSL_is_init_finished(c.ssl));
	assert_int_equal(w->plain[0][DIR_OUT].n, 0);
	peer_free(&c);
	sink_free(s);
}

static void test_a_program_that_refuses_the_certificate_ends(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "a.test", 443);
	SSL_CTX *ctx = client_ctx(NULL, 0, 0);
	struct peer c;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	peer_client(&c, ctx, "a.test");
	SSL_do_handshake(c.ssl);
	assert_true(pump(&c, s));
	peer_free(&c);
	sink_free(s);
}

static void test_without_an_authority_tls_meets_silence(void **state)
{
	struct world *w = *state;
	struct sink *s;
	struct peer c;
	cleanup_buf struct buf up = { 0 }, down = { 0 };

	w->env.ca = NULL;
	s = session(w, true, "a.test", 443);
	peer_client(&c, client_ctx(NULL, 0, 0), "a.test");
	SSL_do_handshake(c.ssl);
	peer_out(&c, &up);
	assert_int_equal(sink_input(s, up.p, up.n, &down), 0);
	assert_int_equal(down.n, 0);
	peer_free(&c);
	sink_free(s);
}

static void test_a_proxy_and_tls_in_its_tunnel(void **state)
{
	static const char connect_rq[] =
		"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n";
	static const char rq[] = "GET /x.txt HTTP/1.1\r\nHost: far.test\r\n\r\n";
	struct world *w = *state;
	struct sink *s = session(w, true, "proxy.test", 3128);
	struct peer c;
	bool end;

	assert_begins(say(s, connect_rq, sizeof(connect_rq) - 1, &end), "HTTP/1.1 200 ");
	assert_false(end);
	/* without SNI the certificate is for the name in the tunnel's request */
	peer_client(&c, client_ctx(ca_pem(w->ca), 0, 0), NULL);
	SSL_set1_host(c.ssl, "far.test");
	SSL_do_handshake(c.ssl);
	pump(&c, s);
	assert_int_equal(SSL_get_verify_result(c.ssl), X509_V_OK);
	peer_say(&c, rq, sizeof(rq) - 1);
	pump(&c, s);
	assert_has(buf_z(&c.got), "text/plain");
	peer_free(&c);
	sink_free(s);
}

/* ---- HTTP/2 ------------------------------------------------------------------------------- */

struct h2_client {
	nghttp2_session *session;
	struct buf body[32];
	char status[32][4];
	int closed;
};

static int h2_data(nghttp2_session *n UNUSED, uint8_t flags UNUSED, int32_t id, const uint8_t *p,
		   size_t len, void *user)
{
	buf_add(&((struct h2_client *)user)->body[id % 32], p, len);
	return 0;
}

static int h2_header(nghttp2_session *n UNUSED, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags UNUSED,
		     void *user)
{
	if (name_n == 7 && !memcmp(name, ":status", 7) && value_n == 3)
		memcpy(((struct h2_client *)user)->status[frame->hd.stream_id % 32], value, 3);
	return 0;
}

static int h2_close(nghttp2_session *n UNUSED, int32_t id UNUSED, uint32_t code, void *user)
{
	assert_int_equal(code, 0);
	((struct h2_client *)user)->closed++;
	return 0;
}

static void h2_client_init(struct h2_client *h)
{
	nghttp2_session_callbacks *cb;

	memset(h, 0, sizeof(*h));
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, h2_data);
	nghttp2_session_callbacks_set_on_header_callback(cb, h2_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, h2_close);
	assert_int_equal(nghttp2_session_client_new(&h->session, cb, h), 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(h->session, 0, NULL, 0);
}

static void h2_get(struct h2_client *h, const char *path)
{
#define NV(n, v) { (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, strlen(v), 0 }
	nghttp2_nv nv[] = { NV(":method", "GET"), NV(":path", path), NV(":scheme", "https"),
			    NV(":authority", "h2.test") };

	assert_true(nghttp2_submit_request(h->session, NULL, nv, 4, NULL, NULL) > 0);
}

static void h2_free(struct h2_client *h)
{
	nghttp2_session_del(h->session);
	for (size_t i = 0; i < ARRAY_SIZE(h->body); i++)
		buf_free(&h->body[i]);
}

/* through TLS, or, without @c, in the clear */
static void h2_run(struct h2_client *h, struct peer *c, struct sink *s)
{
	for (int i = 0; i < 2000; i++) {
		const uint8_t *p;
		ssize_t n;
		size_t sent = 0;
		cleanup_buf struct buf down = { 0 };

		while ((n = nghttp2_session_mem_send(h->session, &p)) > 0) {
			sent += (size_t)n;
			if (c)
				peer_say(c, p, (size_t)n);
			else
				assert_int_equal(sink_input(s, p, (size_t)n, &down), 0);
		}
		if (c) {
			pump(c, s);
			down = c->got;
			c->got = (struct buf){ 0 };
		} else {
			assert_int_equal(sink_drained(s, &down), 0);
		}
		if (down.n)
			assert_int_equal(nghttp2_session_mem_recv(h->session,
								  (const uint8_t *)down.p, down.n),
					 down.n);
		if (!sent && !down.n)
			return;
	}
	fail();
}

static void test_http2_by_alpn(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "h2.test", 443);
	struct h2_client h;
	struct peer c;
	const uint8_t *alpn;
	unsigned n;

	tls_hello(w, &c, s, "h2.test", "\x02h2\x08http/1.1");
	SSL_get0_alpn_selected(c.ssl, &alpn, &n);
	assert_int_equal(n, 2);
	h2_client_init(&h);
	h2_get(&h, "/a.json");
	h2_get(&h, "/setup.exe");
	h2_run(&h, &c, s);
	assert_int_equal(h.closed, 2);
	assert_string_equal(h.status[1], "200");
	assert_string_equal(buf_z(&h.body[1]), "{}\n");
	assert_string_equal(h.status[3], "404");
	h2_free(&h);
	peer_free(&c);
	sink_free(s);
}

static void test_http2_in_the_clear_and_left_in_the_middle(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "h2.test", 9005);
	struct h2_client h;

	h2_client_init(&h);
	h2_get(&h, "/a.txt");
	h2_run(&h, NULL, s);
	assert_string_equal(h.status[1], "200");
	/* a request that never ends is held, and freed with the session */
	nghttp2_nv nv[] = { NV(":method", "POST"), NV(":path", "/x"), NV(":scheme", "http"),
			    NV(":authority", "h2.test") };
	assert_true(nghttp2_submit_headers(h.session, 0, -1, NULL, nv, 4, NULL) > 0);
	h2_run(&h, NULL, s);
	assert_string_equal(h.status[3], "");
	h2_free(&h);
	sink_free(s);
}

/* ---- other protocols ---------------------------------------------------------------------- */

static char *greeting(struct world *w, const char *name, uint16_t port, bool *ret_end)
{
	static char text[300];
	struct sink *s = session(w, true, name, port);
	cleanup_buf struct buf out = { 0 };

	*ret_end = sink_quiet(s, &out);
	snprintf(text, sizeof(text), "%s", buf_z(&out));
	sink_free(s);
	return text;
}

static void test_servers_speak_first_where_they_do(void **state)
{
	struct world *w = *state;
	bool end;

	assert_string_equal(greeting(w, "relay.test", 25, &end), "220 relay.test ESMTP ready\r\n");
	assert_string_equal(greeting(w, "smtp.test", 10025, &end), "220 smtp.test ESMTP ready\r\n");
	assert_begins(greeting(w, "", 21, &end), "220 ");
	assert_begins(greeting(w, "", 22, &end), "SSH-2.0-");
	assert_begins(greeting(w, "", 110, &end), "+OK");
	assert_begins(greeting(w, "", 143, &end), "* OK [CAPABILITY IMAP4rev1");
	assert_begins(greeting(w, "", 13, &end), "2"); /* a year */
	assert_true(end);
	/* the client speaks first, or TLS does */
	assert_string_equal(greeting(w, "", 80, &end), "");
	assert_string_equal(greeting(w, "mail.test", 443, &end), "");
	assert_string_equal(greeting(w, "", 465, &end), "");
	assert_string_equal(greeting(w, "", 31337, &end), "");
	assert_false(end);
}

/* A dialogue: lines for the server and the beginnings of its answers, in turn. */
static void dialogue(struct sink *s, const char *const *lines, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		const char *a = say(s, lines[i], strlen(lines[i]), NULL);

		if (strncmp(a, lines[i + 1], strlen(lines[i + 1])) || !*lines[i + 1] != !*a)
			fail_msg("to '%s' it said '%s'", lines[i], a);
	}
}

static void greet(struct sink *s)
{
	cleanup_buf struct buf out = { 0 };

	assert_int_equal(sink_quiet(s, &out), 0);
	assert_true(out.n > 0);
}

static void test_mail_is_taken(void **state)
{
	static const char *const lines[] = {
		"EHLO me\r\n",
		"250-mx.test\r\n",
		"AUTH PLAIN AGEAYg==\r\n",
		"235 ",
		"AUTH LOGIN\r\n",
		"334 VXNlcm5hbWU6\r\n",
		"dXNlcg==\r\n",
		"334 UGFzc3dvcmQ6\r\n",
		"c2VjcmV0\r\n",
		"235 ",
		"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n",
		"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
		"DATA\r\n",
		"354 ",
		"Subject: x\r\n\r\n..QUIT\r\nQUIT\r\n",
		"",
		".\r\n",
		"250 ",
		"BDAT 5\r\nQUIT\r",
		"250 ",
		"\nNOOP\r\n",
		"500", /* the line feed ended an empty command */
		"QUIT\r\n",
		"221 ",
	};
	struct world *w = *state;
	struct sink *s = session(w, true, "mx.test", 25);

	greet(s);
	dialogue(s, lines, ARRAY_SIZE(lines));
	assert_has(buf_z(&w->plain[0][DIR_OUT]), "c2VjcmV0");
	sink_free(s);
}

static void test_mailboxes_are_empty(void **state)
{
	static const char *const pop[] = {
		"USER a\r\n", "+OK",	      "PASS b\r\n", "+OK",  "STAT\r\n", "+OK 0 0",
		"LIST\r\n",   "+OK\r\n.\r\n", "RETR 1\r\n", "-ERR", "QUIT\r\n", "+OK",
	};
	static const char *const imap[] = {
		"a CAPABILITY\r\n",
		"* CAPABILITY IMAP4rev1",
		"b LOGIN {4}\r\n",
		"+ ",
		"user {6+}\r\nsecret\r\n",
		"b OK",
		"c LIST \"\" *\r\n",
		"* LIST (\\HasNoChildren) \"/\" INBOX\r\nc OK",
		"d SELECT INBOX\r\n",
		"* FLAGS",
		"e IDLE\r\n",
		"+ ",
		"DONE\r\n",
		"e OK",
		"f AUTHENTICATE PLAIN\r\n",
		"+ ",
		"AGEAYg==\r\n",
		"f OK",
		"g AUTHENTICATE PLAIN AGEAYg==\r\n",
		"g OK",
		"\x01\x02 X\r\n",
		"* BAD",
		"h LOGOUT\r\n",
		"* BYE\r\nh OK",
	};
	struct world *w = *state;
	struct sink *s = session(w, true, "pop.test", 110);

	greet(s);
	dialogue(s, pop, ARRAY_SIZE(pop));
	sink_free(s);
	s = session(w, true, "imap.test", 143);
	greet(s);
	dialogue(s, imap, ARRAY_SIZE(imap));
	sink_free(s);
}

static void test_ftp_takes_uploads(void **state)
{
	static const char *const lines[] = {
		"USER a\r\n", "331",
		"PASS b\r\n", "230",
		"PWD\r\n",    "257 \"/\"",
		"PASV\r\n",   "227 Entering Passive Mode (198,18,0,5,239,",
		"STOR x\r\n", "150 ",
		"EPSV\r\n",   "229 Entering Extended Passive Mode (|||612",
		"RETR y\r\n", "550",
		"XYZZY\r\n",  "502",
		"QUIT\r\n",   "221",
	};
	struct world *w = *state;
	struct sink *s = session(w, true, "ftp.test", 21);
	bool end;

	greet(s);
	dialogue(s, lines, ARRAY_SIZE(lines));
	sink_free(s);
	/* its data connections end for who waits, and take what is sent */
	greeting(w, "ftp.test", 61207, &end);
	assert_true(end);
	s = session(w, true, "ftp.test", 61207);
	assert_string_equal(say(s, "a,b,c\n", 6, &end), "");
	assert_false(end);
	sink_free(s);
}

static void test_starttls_everywhere(void **state)
{
	static const struct {
		uint16_t port;
		const char *before, *starttls, *go, *inside, *answer;
	} all[] = {
		{ 587, "EHLO x\r\n", "STARTTLS\r\n", "220 ", "EHLO x\r\n", "250-a.test\r\n" },
		{ 110, "CAPA\r\n", "STLS\r\n", "+OK", "USER a\r\n", "+OK" },
		{ 143, "a CAPABILITY\r\n", "b STARTTLS\r\n", "b OK", "c NOOP\r\n", "c OK" },
		{ 21, "FEAT\r\n", "AUTH TLS\r\n", "234", "USER a\r\n", "331" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct sink *s = session(w, true, "a.test", all[i].port);
		struct peer c;

		greet(s);
		say(s, all[i].before, strlen(all[i].before), NULL);
		assert_begins(say(s, all[i].starttls, strlen(all[i].starttls), NULL), all[i].go);
		tls_hello(w, &c, s, "a.test", NULL);
		assert_int_equal(c.got.n, 0); /* no second greeting */
		peer_say(&c, all[i].inside, strlen(all[i].inside));
		pump(&c, s);
		assert_begins(buf_z(&c.got), all[i].answer);
		assert_null(strstr(buf_z(&c.got), "STARTTLS")); /* not offered twice */
		peer_free(&c);
		sink_free(s);
	}
}

static void test_mail_over_tls_is_greeted_inside(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "smtp.test", 465);
	struct peer c;

	tls_hello(w, &c, s, "smtp.test", NULL);
	assert_string_equal(buf_z(&c.got), "220 smtp.test ESMTP ready\r\n");
	peer_free(&c);
	sink_free(s);
}

static void test_irc_on_any_port(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "irc.test", 6660);
	static const char *const lines[] = {
		"CAP LS 302\r\n",
		":irc.test CAP * LS :\r\n",
		"NICK bot\r\nUSER bot 0 * :a bot\r\n",
		":irc.test 001 bot :Welcome\r\n",
		"PING :42\r\n",
		":irc.test PONG irc.test :42\r\n",
		"JOIN #x\r\n",
		":bot!bot@host JOIN #x\r\n",
		"PRIVMSG #x :hello\r\n",
		"",
		"QUIT\r\n",
		"ERROR ",
	};

	dialogue(s, lines, ARRAY_SIZE(lines));
	sink_free(s);
	/* USER of FTP and of IRC are told apart */
	assert_begins(ask(w, "x.test", 7000, "USER a b c :d\r\nNICK z\r\n"), ":x.test 001 z");
	assert_begins(ask(w, "x.test", 7000, "USER anonymous\r\n"), "331");
}

static void test_mqtt_broker(void **state)
{
	static const char connect_packet[] = "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a";
	static const char subscribe[] = "\x82\x0a\0\x0a\0\1a\1\0\1b\0";
	static const char publish[] = "\x32\x07\0\1t\x12\x34hi";
	struct world *w = *state;
	struct sink *s = session(w, true, "broker.test", 1999);

	assert_memory_equal(say(s, connect_packet, sizeof(connect_packet) - 1, NULL),
			    "\x20\x02\0\0", 5);
	assert_memory_equal(say(s, subscribe, sizeof(subscribe) - 1, NULL), "\x90\x04\0\x0a\1\0",
			    7);
	assert_memory_equal(say(s, publish, sizeof(publish) - 1, NULL), "\x40\x02\x12\x34", 5);
	assert_memory_equal(say(s, "\xc0\0", 2, NULL), "\xd0\0", 3);
	sink_free(s);
}

static void test_ssh_banner_once(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "s.test", 2200);

	assert_begins(say(s, "SSH-2.0-x\r\n", 11, NULL), "SSH-2.0-");
	assert_string_equal(say(s, "\0\0\1\2", 4, NULL), "");
	sink_free(s);
}

static void test_unknown_bytes_are_on_record_and_met_with_silence(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "x.test", 4444);
	bool end;

	assert_string_equal(say(s, "\x01\x02\x03hello", 8, &end), "");
	assert_string_equal(say(s, "more", 4, &end), "");
	assert_false(end);
	assert_int_equal(w->plain[0][DIR_OUT].n, 12);
	say(s, NULL, 0, &end);
	assert_true(end);
	sink_free(s);
}

static uint32_t u32(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;

	return (uint32_t)u[0] << 24 | u[1] << 16 | u[2] << 8 | u[3];
}

static void test_datagrams(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, false, "pool.test", 123);
	char q[48] = "\x23";
	cleanup_buf struct buf out = { 0 };
	uint32_t box_now =
		(uint32_t)(clock_real_ns() / NSEC_PER_SEC + DAYS_AHEAD * 86400 + 2208988800u);

	memcpy(q + 40, "clientts", 8);
	assert_int_equal(sink_input(s, q, sizeof(q), &out), 0);
	assert_int_equal(out.n, 48);
	assert_int_equal((uint8_t)out.p[0], 0x24); /* version 4, server */
	assert_memory_equal(out.p + 24, "clientts", 8);
	assert_true(u32(out.p + 40) - box_now < 100);
	sink_free(s);
	out.n = 0;
	s = session(w, false, "stun.test", 3478);
	sink_input(s,
		   "\0\1\0\0\x21\x12\xa4\x42"
		   "transaction1",
		   20, &out);
	assert_int_equal(out.n, 32);
	assert_memory_equal(out.p,
			    "\1\1\0\x0c\x21\x12\xa4\x42"
			    "transaction1\0\x20\0\x08\0\1",
			    26);
	sink_free(s);
	out.n = 0;
	s = session(w, false, "x.test", 5555);
	sink_input(s, "anything", 8, &out);
	assert_int_equal(out.n, 0);
	assert_non_null(memmem(w->plain[0][DIR_OUT].p, w->plain[0][DIR_OUT].n, "anything", 8));
	sink_free(s);
}

/* ---- bounds ------------------------------------------------------------------------------- */

static void test_a_program_that_never_reads_is_ended(void **state)
{
	struct world *w = *state;
	struct sink *s = session(w, true, "a.test", 80);
	cleanup_buf struct buf flood = { 0 }, out = { 0 };
	int end = 0, rounds = 0;

	for (int i = 0; i < 2000; i++)
		buf_puts(&flood, "GET /e.tar HTTP/1.1\r\nHost: a\r\n\r\n");
	for (; !end && rounds < 100; rounds++) {
		out.n = 0;
		end = sink_input(s, flood.p, flood.n, &out);
		assert_true(out.n <= SINK_REPLY_MAX);
	}
	assert_true(end);
	sink_free(s);
}

static void test_lines_without_end(void **state)
{
	static const uint16_t ports[] = { 25, 110, 143, 21, 6667 };
	struct world *w = *state;
	static char x[60000];

	memset(x, 'A', sizeof(x));
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct sink *s = session(w, true, "smtp.test", ports[i]);
		cleanup_buf struct buf out = { 0 };

		sink_quiet(s, &out);
		if (ports[i] == 6667)
			sink_input(s, "NICK a\r\n", 8, &out);
		for (int k = 0; k < 40 && !sink_input(s, x, sizeof(x), &out); k++) {
			assert_true(out.n < SINK_REPLY_MAX);
			out.n = 0;
		}
		sink_free(s);
	}
}

/* ---- --answers ---------------------------------------------------------------------------- */

static void put(struct world *w, const char *path, const char *text, size_t n)
{
	cleanup_free char *full = xasprintf("%s/a/%s", w->dir, path);
	char *slash = strrchr(full, '/');

	*slash = 0;
	assert_int_equal(mkdir_p(full, 0755), 0);
	*slash = '/';
	assert_int_equal(write_file_at(AT_FDCWD, full, 0644, text, n), 0);
}

static void open_answers(struct world *w)
{
	int fd = openat(w->dirfd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	assert_int_equal(answers_open(fd, &w->answers, &err), 0);
	close(fd);
	w->env.answers = w->answers;
}

#define PUT(path, text) put(w, path, text, sizeof(text) - 1)

static void test_files_are_served_by_host_and_path(void **state)
{
	struct world *w = *state;
	const char *a;

	PUT("http/up.test/v/latest.txt", "1.2.3\n");
	PUT("http/up.test:9006/v/latest.txt", "9.9.9\n");
	PUT("http/_/any.bin", "MZ any");
	PUT("http/up.test/index.html", "front");
	PUT("http/up.test/q%3Fa=1", "one");
	PUT("http/up.test/gone", "sorry");
	PUT("http/up.test/gone.headers", "HTTP/1.1 410 Gone\r\nX-Why: old\r\nContent-Length: 77\r\n"
					 "Content-Type: text/plain\r\n");
	PUT("http/up.test/flat%2Fname", "flat");
	PUT("http/up.test/form#POST", "posted");
	PUT("http/up.test/form", "got");
	open_answers(w);
#define GET(port, rest) ask(w, "x.test", port, "GET " rest " HTTP/1.1\r\nHost: UP.test:80\r\n\r\n")
	assert_string_equal(body_of(GET(80, "/v/latest.txt")), "1.2.3\n");
	assert_string_equal(body_of(GET(9006, "/v/latest.txt")), "9.9.9\n");
	assert_string_equal(body_of(GET(80, "/v/latest.txt?rnd=4711")), "1.2.3\n");
	assert_string_equal(body_of(GET(80, "/any.bin")), "MZ any"); /* the user's own wish */
	assert_string_equal(body_of(GET(80, "/")), "front");
	assert_string_equal(body_of(GET(80, "/q?a=1")), "one");
	assert_string_equal(body_of(GET(80, "/flat/name")), "flat");
	assert_string_equal(body_of(GET(80, "http://up.test/flat%2fname")), "flat");
	assert_string_equal(body_of(GET(80, "/form")), "got");
	a = ask(w, "x.test", 80,
		"POST /form HTTP/1.1\r\nHost: up.test\r\nContent-Length: 1\r\n\r\nx");
	assert_string_equal(body_of(a), "posted");
	a = GET(80, "/gone");
	assert_begins(a, "HTTP/1.1 410 ");
	assert_has(a, "X-Why: old\r\n");
	assert_has(a, "content-length: 5\r\n");
	assert_null(strstr(a, "77"));
	/* what is not in the folder is answered as ever, and nothing outside of it is reached */
	assert_has(GET(80, "/other.json"), "application/json");
	assert_begins(GET(80, "/../../ca.key"), "HTTP/1.1 200");
	assert_null(strstr(GET(80, "/../../ca.key"), "PRIVATE"));
	assert_null(strstr(GET(80, "/%2e%2e/%2e%2e/ca.key"), "PRIVATE"));
}

static void test_recorded_answers_come_in_their_order(void **state)
{
	struct world *w = *state;

	PUT("http/r.test/poll", "first");
	PUT("http/r.test/poll#2", "second");
	PUT("http/r.test/poll#3", "third");
	open_answers(w);
#define POLL ask(w, "r.test", 80, "GET /poll HTTP/1.1\r\nHost: r.test\r\n\r\n")
	assert_string_equal(body_of(POLL), "first");
	assert_string_equal(body_of(POLL), "second");
	assert_string_equal(body_of(POLL), "third");
	assert_string_equal(body_of(POLL), "third");
}

static void test_raw_answers_of_a_port(void **state)
{
	struct world *w = *state;
	struct sink *s;
	cleanup_buf struct buf out = { 0 };

	PUT("tcp/7777.greet", "hi\0there");
	PUT("tcp/7777.reply", "one");
	PUT("tcp/7777.reply#2", "two");
	PUT("tcp/special.test:7777.reply", "special");
	PUT("udp/7778.reply", "pong");
	open_answers(w);
	s = session(w, true, "x.test", 7777);
	assert_int_equal(sink_quiet(s, &out), 0);
	assert_int_equal(out.n, 8);
	assert_memory_equal(out.p, "hi\0there", 8);
	assert_string_equal(say(s, "GET / HTTP/1.1\r\n\r\n", 18, NULL), "one");
	assert_string_equal(say(s, "b", 1, NULL), "two");
	assert_string_equal(say(s, "c", 1, NULL), "");
	sink_free(s);
	assert_string_equal(ask(w, "special.test", 7777, "x"), "special");
	s = session(w, false, "x.test", 7778);
	out.n = 0;
	sink_input(s, "ping", 4, &out);
	assert_memory_equal(out.p, "pong", 4);
	sink_free(s);
}

static void test_a_large_file_goes_out_piece_by_piece(void **state)
{
	struct world *w = *state;
	size_t n = 5 << 20;
	cleanup_free char *big = xmalloc(n);
	static const char rq[] = "GET /big HTTP/1.1\r\nHost: l.test\r\nConnection: close\r\n\r\n";
	struct sink *s;
	struct peer c;
	cleanup_buf struct buf out = { 0 };
	int end, pieces = 1;

	for (size_t i = 0; i < n; i++)
		big[i] = (char)(i * 2654435761u >> 13);
	put(w, "http/l.test/big", big, n);
	open_answers(w);
	s = session(w, true, "l.test", 80);
	end = sink_input(s, rq, sizeof(rq) - 1, &out);
	/* the program has closed its side, and still gets the rest */
	end = end ? end : sink_input(s, NULL, 0, &out);
	for (; !end; pieces++) {
		size_t before = out.n;

		end = sink_drained(s, &out);
		assert_true(out.n - before <= SINK_REPLY_MAX);
	}
	assert_true(pieces > 2);
	assert_true(out.n > n);
	assert_memory_equal(out.p + out.n - n, big, n);
	sink_free(s);

	s = session(w, true, "l.test", 443);
	tls_hello(w, &c, s, "l.test", NULL);
	peer_say(&c, rq, sizeof(rq) - 1);
	assert_true(pump(&c, s));
	assert_memory_equal(c.got.p + c.got.n - n, big, n);
	peer_free(&c);
	sink_free(s);
	s = session(w, true, "l.test", 443);
	tls_hello(w, &c, s, "l.test", "\x02h2");
	struct h2_client h;

	h2_client_init(&h);
	h2_get(&h, "/big");
	nghttp2_submit_window_update(h.session, 0, 0, 8 << 20);
	nghttp2_session_set_local_window_size(h.session, 0, 1, 8 << 20);
	h2_run(&h, &c, s);
	peer_free(&c);
	sink_free(s);
	h2_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_http_on_an_odd_port_is_answered_with_the_boxs_date),
		T(test_a_request_in_single_bytes_gets_the_same_answer),
		T(test_methods),
		T(test_connections_are_kept_as_asked),
		T(test_ranges),
		T(test_it_gives_nothing_that_could_be_run),
		T(test_bodies_are_what_they_say),
		T(test_what_comes_back_cannot_split_the_answer),
		T(test_nonsense_is_refused_and_ends),
		T(test_a_head_without_end_is_refused),
		T(test_websocket_is_accepted_and_then_silent),
		T(test_tls_on_any_port_and_http_inside),
		T(test_a_tls_hello_in_single_bytes),
		T(test_a_program_that_refuses_the_certificate_ends),
		T(test_without_an_authority_tls_meets_silence),
		T(test_a_proxy_and_tls_in_its_tunnel),
		T(test_http2_by_alpn),
		T(test_http2_in_the_clear_and_left_in_the_middle),
		T(test_servers_speak_first_where_they_do),
		T(test_mail_is_taken),
		T(test_mailboxes_are_empty),
		T(test_ftp_takes_uploads),
		T(test_starttls_everywhere),
		T(test_mail_over_tls_is_greeted_inside),
		T(test_irc_on_any_port),
		T(test_mqtt_broker),
		T(test_ssh_banner_once),
		T(test_unknown_bytes_are_on_record_and_met_with_silence),
		T(test_datagrams),
		T(test_a_program_that_never_reads_is_ended),
		T(test_lines_without_end),
		T(test_files_are_served_by_host_and_path),
		T(test_recorded_answers_come_in_their_order),
		T(test_raw_answers_of_a_port),
		T(test_a_large_file_goes_out_piece_by_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
