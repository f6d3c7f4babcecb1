// SPDX-License-Identifier: Apache-2.0
/* gate_opened.c - TLS that is opened, and certificates that are checked, between real TLS peers */
#include "peer.h"

#include <sys/wait.h>

#include "gate/tls/opened.h"

struct world {
	char *dir;
	int dirfd;
	struct ca *ca;
	struct trust *trust;
	EVP_PKEY *key, *root_key;
	X509 *root;
	struct emit emit;
	struct opened_env env;
	struct buf plain[2];
	/* what was told, as text lines */
	struct buf told;
	int keys;
};

static void add_text(struct buf *b, const struct event *ev, int field)
{
	if (ev->v[field].type == VAL_TEXT) {
		buf_puts(b, " ");
		buf_add(b, ev->v[field].s.p, ev->v[field].s.n);
	}
}

static void take_event(void *ctx, struct event *ev)
{
	struct world *w = ctx;

	assert_int_equal(ev->kind, EV_TLS);
	assert_int_equal(ev->v[EV_AT(TLS, FLOW)].i, 3);
	add_text(&w->told, ev, EV_AT(TLS, OP));
	add_text(&w->told, ev, EV_AT(TLS, SIDE));
	add_text(&w->told, ev, EV_AT(TLS, VERSION));
	add_text(&w->told, ev, EV_AT(TLS, ALPN));
	add_text(&w->told, ev, EV_AT(TLS, NAMES));
	add_text(&w->told, ev, EV_AT(TLS, VERDICT));
	buf_puts(&w->told, "\n");
}

static void take_plain(void *ctx, const struct flow_facts *f, enum dir dir, const void *p, size_t n)
{
	struct world *w = ctx;

	assert_int_equal(f->id, 3);
	buf_add(&w->plain[dir], p, n);
}

static void take_key(void *ctx, const char *line UNUSED)
{
	((struct world *)ctx)->keys++;
}

static X509 *server_cert(struct world *w, const char *alt, int before, int after, const EVP_MD *md)
{
	struct cert_opts o = { .cn = "server",
			       .alt = alt,
			       .issuer = w->root,
			       .issuer_key = w->root_key,
			       .days_before = before,
			       .days_after = after,
			       .md = md };

	return cert_make(&o, w->key);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");
	struct cert_opts root = {
		.cn = "test root", .ca = true, .days_before = 1000, .days_after = 1000
	};
	cleanup_free char *bundle = NULL;
	struct err err;
	FILE *f;
	int rc;

	w->dir = xasprintf("%s/belljar-opened-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(w->dir))
		return -1;
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->key = EVP_EC_gen("P-256");
	w->root_key = EVP_EC_gen("P-256");
	w->root = cert_make(&root, w->root_key);
	bundle = xasprintf("%s/bundle.pem", w->dir);
	f = fopen(bundle, "w");
	PEM_write_X509(f, w->root);
	fclose(f);
	setenv("SSL_CERT_FILE", bundle, 1);
	rc = trust_open(&w->trust, &err) || ca_open(w->dirfd, &w->ca, &err);
	unsetenv("SSL_CERT_FILE");
	w->emit = (struct emit){ .ctx = w, .event = take_event };
	w->env = (struct opened_env){ .ca = w->ca,
				      .trust = w->trust,
				      .emit = &w->emit,
				      .ctx = w,
				      .plain = take_plain,
				      .keylog = take_key };
	*state = w;
	return rc;
}

static int teardown(void **state)
{
	struct world *w = *state;

	buf_free(&w->plain[0]);
	buf_free(&w->plain[1]);
	buf_free(&w->told);
	trust_free(w->trust);
	ca_free(w->ca);
	X509_free(w->root);
	EVP_PKEY_free(w->key);
	EVP_PKEY_free(w->root_key);
	close(w->dirfd);
	rm_rf_at(AT_FDCWD, w->dir);
	free(w->dir);
	free(w);
	return 0;
}

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		const char *text_ = (text);                                                        \
		if (!strstr(text_, part))                                                          \
			fail_msg("'%s' is not in: %s", part, text_);                               \
	} while (0)

static int choose_h2(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_n,
		     const unsigned char *in, unsigned in_n, void *arg UNUSED)
{
	for (unsigned i = 0; i < in_n; i += 1u + in[i]) {
		if (in[i] == 2 && !memcmp(in + i + 1, "h2", 2)) {
			*out = in + i + 1;
			*out_n = 2;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* takes @cert */
static void server_init(struct world *w, struct peer *p, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, w->key), 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
	X509_free(cert);
	peer_init(p, ctx, true);
}

static const struct flow_facts *facts(void)
{
	static const struct flow_facts f = { .id = 3,
					     .tcp = true,
					     .name = "bank.test",
					     .dst = { .ip = { 192, 0, 2, 1 }, .port = 443 } };

	return &f;
}

static struct opened *opened(struct world *w, const char *alpn)
{
	return opened_new(&w->env, facts(), "bank.test", alpn);
}

/* Carries bytes until all three are silent. */
static enum opened_state carry(struct opened *o, struct peer *program, struct peer *server,
			       bool program_eof, bool server_eof)
{
	enum opened_state state = OPENED_GOING;

	for (int still = 0; still < 2 && state == OPENED_GOING;) {
		cleanup_buf struct buf p = { 0 }, s = { 0 }, to_p = { 0 }, to_s = { 0 };
		struct opened_io io = { .to_program = &to_p,
					.to_server = &to_s,
					.eof_program = program_eof,
					.eof_server = server_eof };

		peer_out(program, &p);
		if (server)
			peer_out(server, &s);
		io.from_program = p.p;
		io.n_program = p.n;
		io.from_server = s.p;
		io.n_server = s.n;
		state = opened_step(o, &io);
		peer_feed(program, to_p.p, to_p.n, false);
		if (server)
			peer_feed(server, to_s.p, to_s.n, false);
		still = p.n || s.n || to_p.n || to_s.n ? 0 : still + 1;
	}
	return state;
}

static void hello(struct world *w, struct peer *program, int version, const char *alpn)
{
	peer_client(program, client_ctx(ca_pem(w->ca), version, version), "bank.test");
	if (alpn)
		SSL_set_alpn_protos(program->ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn));
	SSL_do_handshake(program->ssl);
}

static void test_both_sides_talk_and_all_is_seen(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct opened *o = opened(w, "");
		struct peer program, server;

		hello(w, &program, versions[i], NULL);
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		assert_int_equal(carry(o, &program, &server, false, false), OPENED_GOING);
		assert_true(SSL_is_init_finished(program.ssl));
		assert_int_equal(SSL_get_verify_result(program.ssl), X509_V_OK);
		peer_say(&program, "GET / HTTP/1.1\r\n\r\n", 18);
		carry(o, &program, &server, false, false);
		assert_string_equal(buf_z(&server.got), "GET / HTTP/1.1\r\n\r\n");
		peer_say(&server, "HTTP/1.1 200 OK\r\n\r\n", 19);
		carry(o, &program, &server, false, false);
		assert_string_equal(buf_z(&program.got), "HTTP/1.1 200 OK\r\n\r\n");
		SSL_shutdown(server.ssl);
		assert_int_equal(carry(o, &program, &server, false, true), OPENED_DONE);
		assert_int_equal(SSL_get_shutdown(program.ssl) & SSL_RECEIVED_SHUTDOWN,
				 SSL_RECEIVED_SHUTDOWN);
		opened_free(o);
		peer_free(&program);
		peer_free(&server);
	}
	assert_has(buf_z(&w->told), " certificate upstream bank.test ok\n");
	assert_has(buf_z(&w->told), " server-hello upstream TLS 1.3\n");
	assert_int_equal(w->plain[DIR_OUT].n, 36);
	assert_int_equal(w->plain[DIR_IN].n, 38);
	assert_true(w->keys >= 2 + 8); /* both halves */
}

static void test_alpn_is_what_the_server_chose(void **state)
{
	struct world *w = *state;
	struct opened *o = opened(w, "http/1.1,h2");
	struct peer program, server;
	const uint8_t *alpn;
	unsigned n;

	hello(w, &program, 0, "\x08http/1.1\x02h2");
	server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
	carry(o, &program, &server, false, false);
	SSL_get0_alpn_selected(program.ssl, &alpn, &n);
	assert_int_equal(n, 2);
	assert_memory_equal(alpn, "h2", 2);
	assert_has(buf_z(&w->told), " server-hello upstream TLS 1.3 h2\n");
	opened_free(o);
	peer_free(&program);
	peer_free(&server);
}

/* A server with @cert: the program's handshake must fail at once, and nothing be said in plain. */
static void refused(struct world *w, X509 *cert, const char *why)
{
	struct opened *o = opened(w, "");
	struct peer program, server;

	hello(w, &program, 0, NULL);
	server_init(w, &server, cert);
	assert_int_equal(carry(o, &program, &server, false, false), OPENED_UPSTREAM_BAD);
	assert_has(opened_why(o), why);
	assert_has(buf_z(&w->told), why);
	assert_true(program.failed);
	assert_int_equal(ERR_GET_REASON(program.error), SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
	assert_true(server.failed); /* it was told, too */
	assert_int_equal(w->plain[DIR_OUT].n + w->plain[DIR_IN].n, 0);
	opened_free(o);
	peer_free(&program);
	peer_free(&server);
	w->told.n = 0;
}

static void test_servers_that_are_not_who_they_should_be(void **state)
{
	struct world *w = *state;
	struct cert_opts self = {
		.cn = "bank.test", .alt = "DNS:bank.test", .days_before = 1, .days_after = 1
	};

	refused(w, server_cert(w, "DNS:other.test,DNS:x.bank.test", 1, 1, NULL),
		"the certificate is for other.test,x.bank.test, not for bank.test");
	refused(w, server_cert(w, "DNS:ba*.test", 1, 1, NULL), "not for bank.test");
	refused(w, server_cert(w, "DNS:bank.test", 20, -10, NULL), "the certificate ended at 20");
	refused(w, server_cert(w, "DNS:bank.test", -10, 20, NULL), "not yet valid");
	refused(w, cert_make(&self, w->key), "nobody whom this machine trusts");
	refused(w, server_cert(w, "DNS:bank.test", 1, 1, EVP_sha1()), "weak");
}

static void test_a_pinning_program_is_told(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct opened *o = opened(w, "");
		SSL_CTX *ctx = client_ctx(NULL, versions[i], versions[i]);
		struct peer program, server;

		/* trusts the real root alone */
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), w->root);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		peer_client(&program, ctx, "bank.test");
		SSL_do_handshake(program.ssl);
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		assert_int_equal(carry(o, &program, &server, false, false), OPENED_PINNED);
		assert_has(opened_why(o), "unknown_ca");
		assert_has(buf_z(&w->told), " alert box unknown_ca\n");
		opened_free(o);
		peer_free(&program);
		peer_free(&server);
	}
}

static void test_a_program_that_only_looks_and_leaves_pins(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct opened *o = opened(w, "");
		struct peer program, server;

		hello(w, &program, versions[i], NULL);
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		carry(o, &program, &server, false, false);
		assert_int_equal(carry(o, &program, &server, true, false), OPENED_PINNED);
		opened_free(o);
		peer_free(&program);
		peer_free(&server);
	}
	/* who leaves before the certificate was shown has not judged it */
	struct opened *o = opened(w, "");
	struct peer program;

	hello(w, &program, 0, NULL);
	carry(o, &program, NULL, false, false);
	assert_int_equal(carry(o, &program, NULL, true, false), OPENED_BROKEN);
	opened_free(o);
	peer_free(&program);
}

static void test_a_server_that_wants_a_client_certificate(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct opened *o = opened(w, "");
		struct peer program, server;

		hello(w, &program, 0, NULL);
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		SSL_set_min_proto_version(server.ssl, versions[i]);
		SSL_set_max_proto_version(server.ssl, versions[i]);
		SSL_set_verify(server.ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		assert_int_equal(carry(o, &program, &server, false, false), OPENED_CLIENT_CERT);
		assert_false(program.failed); /* not a byte went to it */
		assert_int_equal(SSL_get_state(program.ssl), TLS_ST_CW_CLNT_HELLO);
		opened_free(o);
		peer_free(&program);
		peer_free(&server);
	}
}

static void test_a_server_that_speaks_no_tls(void **state)
{
	struct world *w = *state;
	struct opened *o = opened(w, "");
	struct peer program;
	cleanup_buf struct buf p = { 0 }, to_p = { 0 }, to_s = { 0 };
	struct opened_io io = { .to_program = &to_p, .to_server = &to_s };

	hello(w, &program, 0, NULL);
	peer_out(&program, &p);
	io.from_program = p.p;
	io.n_program = p.n;
	assert_int_equal(opened_step(o, &io), OPENED_GOING);
	assert_true(to_s.n > 100); /* our own hello */
	io.n_program = 0;
	io.from_server = "HTTP/1.1 400 Bad Request\r\n\r\n";
	io.n_server = strlen(io.from_server);
	assert_int_equal(opened_step(o, &io), OPENED_BROKEN);
	assert_has(opened_why(o), "no TLS handshake with the server");
	peer_feed(&program, to_p.p, to_p.n, false);
	assert_true(program.failed);
	opened_free(o);
	peer_free(&program);
}

static void test_much_data_passes_unchanged(void **state)
{
	struct world *w = *state;
	struct opened *o = opened(w, "");
	struct peer program, server;
	size_t n = 3 << 20;
	cleanup_free char *data = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 2654435761u >> 11);
	hello(w, &program, 0, NULL);
	server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
	carry(o, &program, &server, false, false);
	for (size_t i = 0; i < n; i += 65536) {
		peer_say(&server, data + i, 65536);
		peer_say(&program, data + n - i - 65536, 65536);
		carry(o, &program, &server, false, false);
	}
	assert_int_equal(program.got.n, n);
	assert_memory_equal(program.got.p, data, n);
	assert_int_equal(server.got.n, n);
	/* a program that has closed its side still gets the rest */
	SSL_shutdown(program.ssl);
	carry(o, &program, &server, true, false);
	peer_say(&server, "bye", 3);
	assert_int_equal(carry(o, &program, &server, true, false), OPENED_GOING);
	assert_memory_equal(program.got.p + n, "bye", 3);
	opened_free(o);
	peer_free(&program);
	peer_free(&server);
}

/* ---- check -------------------------------------------------------------------------------- */

static int check(struct world *w, struct peer *server, const char *sni, char why[256])
{
	struct check *c = check_new(w->trust, facts(), sni, "h2", &w->emit);
	int rc = 0;

	why[0] = 0;
	for (int i = 0; i < 20 && !rc; i++) {
		cleanup_buf struct buf s = { 0 }, to_s = { 0 };

		peer_out(server, &s);
		rc = check_step(c, s.p, s.n, i > 15, &to_s, why);
		peer_feed(server, to_s.p, to_s.n, false);
	}
	check_free(c);
	return rc;
}

static void test_a_server_is_checked(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;
	struct peer server;
	char why[256];

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		SSL_set_min_proto_version(server.ssl, versions[i]);
		SSL_set_max_proto_version(server.ssl, versions[i]);
		assert_int_equal(check(w, &server, "bank.test", why), 1);
		assert_true(SSL_is_init_finished(server.ssl));
		peer_free(&server);

		/* also one that wants to know who asks */
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		SSL_set_min_proto_version(server.ssl, versions[i]);
		SSL_set_max_proto_version(server.ssl, versions[i]);
		SSL_set_verify(server.ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		assert_int_equal(check(w, &server, "bank.test", why), 1);
		peer_free(&server);
	}
	server_init(w, &server, server_cert(w, "DNS:evil.test", 1, 1, NULL));
	assert_int_equal(check(w, &server, "bank.test", why), -EACCES);
	assert_has(why, "the certificate is for evil.test");
	peer_free(&server);

	/* without a server name: the name that was asked for in DNS */
	server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
	assert_int_equal(check(w, &server, "", why), 1);
	peer_free(&server);

	server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
	assert_int_equal(check(w, &server, ".test", why), -EACCES);
	peer_free(&server);

	server_init(w, &server, server_cert(w, "IP:192.0.2.1", 1, 1, NULL));
	assert_int_equal(check(w, &server, "192.0.2.1", why), 1);
	peer_free(&server);
}

/* The body of a Certificate message with this one certificate, again and again. */
static void shown(struct buf *out, const X509 *x, int times)
{
	uint8_t *der = NULL, head[3];
	size_t n = (size_t)i2d_X509(x, &der), all = (n + 3) * (size_t)times;

	out->n = 0;
	for (int i = -1; i < times; i++) {
		size_t k = i < 0 ? all : n;

		head[0] = (uint8_t)(k >> 16);
		head[1] = (uint8_t)(k >> 8);
		head[2] = (uint8_t)k;
		buf_add(out, head, 3);
		if (i >= 0)
			buf_add(out, der, n);
	}
	OPENSSL_free(der);
}

static void test_what_the_program_is_shown_must_hold_too(void **state)
{
	struct world *w = *state;
	struct {
		X509 *x;
		const char *sni, *why;
	} rows[] = {
		{ server_cert(w, "DNS:bank.test", 1, 1, NULL), "bank.test", NULL },
		{ server_cert(w, "DNS:*.bank.test", 1, 1, NULL), "a.bank.test", NULL },
		{ server_cert(w, "DNS:evil.test", 1, 1, NULL), "bank.test", "is for evil.test" },
		{ server_cert(w, "DNS:bank.test", 1, 1, NULL), ".test", "cannot be read" },
		{ server_cert(w, "DNS:bank.test", 9, -2, NULL), "bank.test", "ended at" },
		{ server_cert(w, "DNS:bank.test", 1, 1, EVP_sha1()), "bank.test", "does not hold" },
		{ X509_dup(w->root), "bank.test", "is for" },
	};
	struct buf b = { .limit = 1u << 20 };
	char why[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool holds;

		shown(&b, rows[i].x, 1 + (int)i);
		holds = trust_holds(w->trust, facts(), rows[i].sni, (uint8_t *)b.p, b.n, why);
		assert_int_equal(holds, !rows[i].why);
		if (rows[i].why)
			assert_has(why, rows[i].why);
	}
	/* cut anywhere, and more than are read */
	shown(&b, rows[0].x, 40);
	assert_true(trust_holds(w->trust, facts(), "bank.test", (uint8_t *)b.p, b.n, why));
	shown(&b, rows[0].x, 2);
	for (size_t n = 0; n < b.n / 2; n++) {
		uint8_t *part = memcpy(xmalloc(n + 1), b.p, n);

		trust_holds(w->trust, facts(), "bank.test", part, n, why);
		free(part);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		X509_free(rows[i].x);
	buf_free(&b);
}

static void test_a_stolen_certificate_without_its_key(void **state)
{
	struct world *w = *state;
	struct peer server;
	char why[256];

	/* the only key exchange in which the server would prove nothing before we are content */
	server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
	SSL_set_max_proto_version(server.ssl, TLS1_2_VERSION);
	SSL_set_cipher_list(server.ssl, "kRSA");
	assert_int_equal(check(w, &server, "bank.test", why), -EACCES);
	assert_has(why, "handshake_failure");
	peer_free(&server);
}

static void test_it_works_behind_the_lock(void **state)
{
	struct world *w = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct peer program, server;
		struct opened *o = opened(w, "");
		struct err err;

		hello(w, &program, 0, NULL);
		server_init(w, &server, server_cert(w, "DNS:bank.test", 1, 1, NULL));
		if (lockdown_reader(&err) || open("/dev/null", O_RDONLY) >= 0)
			_exit(2);
		carry(o, &program, &server, false, false);
		_exit(SSL_is_init_finished(program.ssl) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_this_machines_own_store(void **state)
{
	struct trust *t = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(trust_open(&t, &err), 0); /* also without ca-certificates: it is empty */
	trust_free(t);
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	t = NULL;
	assert_true(trust_open(&t, &err) < 0);
	assert_null(t);
	unsetenv("SSL_CERT_FILE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_both_sides_talk_and_all_is_seen),
		T(test_alpn_is_what_the_server_chose),
		T(test_servers_that_are_not_who_they_should_be),
		T(test_a_pinning_program_is_told),
		T(test_a_program_that_only_looks_and_leaves_pins),
		T(test_a_server_that_wants_a_client_certificate),
		T(test_a_server_that_speaks_no_tls),
		T(test_much_data_passes_unchanged),
		T(test_a_server_is_checked),
		T(test_what_the_program_is_shown_must_hold_too),
		T(test_a_stolen_certificate_without_its_key),
		T(test_it_works_behind_the_lock),
		T(test_this_machines_own_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
