// SPDX-License-Identifier: Apache-2.0
/* gate_ca.c - the box's certificate authority, asked by real TLS clients */
#include "peer.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "gate/tls/ca.h"

struct fixture {
	char *dir;
	int dirfd;
	struct ca *ca;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");
	struct err err;

	f->dir = xasprintf("%s/belljar-ca-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return ca_make(f->dirfd, "tax box", &err) || ca_open(f->dirfd, &f->ca, &err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ca_free(f->ca);
	close(f->dirfd);
	rm_rf_at(AT_FDCWD, f->dir);
	free(f->dir);
	free(f);
	return 0;
}

static void count_line(void *ctx, const char *line)
{
	assert_non_null(strchr(line, ' '));
	++*(int *)ctx;
}

/* one handshake of a client with a server of the CA; whether the client was content */
static bool shake(struct ca *ca, struct peer *client, const struct ca_session *s)
{
	struct peer server = { .ssl = ca_server(ca, s) };
	bool good;

	assert_non_null(server.ssl);
	SSL_set_bio(server.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(server.ssl), -1);
	SSL_do_handshake(client->ssl);
	peers_talk(client, &server);
	good = !client->failed && SSL_is_init_finished(client->ssl) &&
	       SSL_get_verify_result(client->ssl) == X509_V_OK;
	peer_free(&server);
	return good;
}

static void test_clients_of_every_version_trust_it(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
					TLS1_3_VERSION };
	struct fixture *f = *state;
	struct ca_session s = { .name = "", .ip_text = "198.18.0.1", .alpn = "" };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct peer c;

		peer_client(&c, client_ctx(ca_pem(f->ca), versions[i], versions[i]),
			    "www.example.test");
		assert_true(shake(f->ca, &c, &s));
		assert_int_equal(SSL_version(c.ssl), versions[i]);
		peer_free(&c);
	}
}

static void test_without_a_server_name_it_is_who_was_meant(void **state)
{
	struct fixture *f = *state;
	struct ca_session s = { .name = "mail.example.test", .ip_text = "198.18.0.9", .alpn = "" };
	struct peer c;

	peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), NULL);
	SSL_set1_host(c.ssl, "mail.example.test");
	assert_true(shake(f->ca, &c, &s));
	peer_free(&c);

	peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), NULL);
	X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c.ssl), "198.18.0.9");
	assert_true(shake(f->ca, &c, &s));
	peer_free(&c);

	s.ip_text = "2001:2::7";
	peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), NULL);
	X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c.ssl), "2001:2::7");
	assert_true(shake(f->ca, &c, &s));
	peer_free(&c);
}

static void test_a_hostile_server_name_gets_no_certificate_of_its_own(void **state)
{
	static const char *const names[] = { "a,DNS:bank.example", "x\ny", "..", "%s%s%n",
					     "\xe2\x80\xaeoops",   ".a" };
	struct fixture *f = *state;
	struct ca_session s = { .name = "known.test", .ip_text = "198.18.0.9", .alpn = "" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct peer c;

		peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), NULL);
		SSL_set_tlsext_host_name(c.ssl, names[i]);
		SSL_set1_host(c.ssl, "known.test");
		assert_true(shake(f->ca, &c, &s));
		peer_free(&c);
	}
}

static void test_it_is_found_nowhere_else(void **state)
{
	struct fixture *f = *state;
	struct ca_session s = { .name = "", .ip_text = "198.18.0.1", .alpn = "" };
	struct peer c;
	SSL_CTX *ctx = client_ctx(NULL, 0, 0);

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* trusts nobody */
	peer_client(&c, ctx, "www.example.test");
	assert_false(shake(f->ca, &c, &s));
	peer_free(&c);
}

static void test_alpn_and_keys(void **state)
{
	static const uint8_t offer[] = "\x08http/1.1\x02h2";
	static const uint8_t other[] = "\x03"
				       "dot";
	int lines = 0;
	struct fixture *f = *state;
	struct ca_session s = { .name = "",
				.ip_text = "198.18.0.1",
				.alpn = "h2,http/1.1",
				.ctx = &lines,
				.keylog = count_line };
	const uint8_t *chosen;
	unsigned n;
	struct peer c;

	peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), "a.test");
	SSL_set_alpn_protos(c.ssl, offer, sizeof(offer) - 1);
	assert_true(shake(f->ca, &c, &s));
	SSL_get0_alpn_selected(c.ssl, &chosen, &n);
	assert_int_equal(n, 2); /* ours, not the client's order */
	assert_memory_equal(chosen, "h2", 2);
	assert_true(lines >= 4); /* TLS 1.3 has at least four secrets */
	assert_int_equal(SSL_SESSION_has_ticket(SSL_get0_session(c.ssl)), 0);
	peer_free(&c);

	peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), "a.test");
	SSL_set_alpn_protos(c.ssl, other, sizeof(other) - 1);
	assert_true(shake(f->ca, &c, &s));
	SSL_get0_alpn_selected(c.ssl, &chosen, &n);
	assert_int_equal(n, 0);
	peer_free(&c);
}

static void test_it_says_what_it_is_and_outlasts_time_lapse(void **state)
{
	struct fixture *f = *state;
	BIO *b = BIO_new_mem_buf(ca_pem(f->ca), -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	time_t later = time(NULL) + 10 * 365 * 86400L;
	struct stat st;
	char cn[100];

	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "belljar box CA tax box");
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &later), 1);
	assert_int_equal(fstatat(f->dirfd, "ca.key", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	X509_free(x);
	BIO_free(b);
}

static void test_it_stays_the_same_and_a_torn_one_is_told(void **state)
{
	struct fixture *f = *state;
	struct ca *again = NULL;
	struct err err = { 0 };

	assert_int_equal(ca_make(f->dirfd, "other name", &err), 0);
	assert_int_equal(ca_open(f->dirfd, &again, &err), 0);
	assert_string_equal(ca_pem(again), ca_pem(f->ca));
	ca_free(again);

	again = NULL;
	assert_int_equal(write_file_at(f->dirfd, "ca.key", 0600, "no key", 6), 0);
	assert_int_equal(ca_open(f->dirfd, &again, &err), -EBADMSG);
	assert_int_equal(err.exit, EXIT_CORRUPT);
	assert_null(again);
}

static void test_more_names_than_are_kept(void **state)
{
	struct fixture *f = *state;
	struct ca_session s = { .name = "", .ip_text = "198.18.0.1", .alpn = "" };
	char name[32];

	for (int i = 0; i<CA_LEAVES_MAX + 50; i += i> 20 && i < CA_LEAVES_MAX - 20 ? 100 : 1) {
		struct peer c;

		snprintf(name, sizeof(name), "n%d.test", i);
		peer_client(&c, client_ctx(ca_pem(f->ca), 0, 0), name);
		assert_true(shake(f->ca, &c, &s));
		peer_free(&c);
	}
}

/* In a process that can open no file and start no thread. */
static void test_it_works_behind_the_lock(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct ca_session s = { .name = "", .ip_text = "198.18.0.1", .alpn = "h2" };
		SSL_CTX *ctx = client_ctx(ca_pem(f->ca), 0, 0);
		struct peer c;
		struct err err;

		if (lockdown_reader(&err) || open("/dev/null", O_RDONLY) >= 0)
			_exit(2);
		peer_client(&c, ctx, "locked.test");
		_exit(shake(f->ca, &c, &s) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_clients_of_every_version_trust_it),
		T(test_without_a_server_name_it_is_who_was_meant),
		T(test_a_hostile_server_name_gets_no_certificate_of_its_own),
		T(test_it_is_found_nowhere_else),
		T(test_alpn_and_keys),
		T(test_it_says_what_it_is_and_outlasts_time_lapse),
		T(test_it_stays_the_same_and_a_torn_one_is_told),
		T(test_more_names_than_are_kept),
		T(test_it_works_behind_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
