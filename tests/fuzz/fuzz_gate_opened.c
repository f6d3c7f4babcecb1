// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_opened.c - any bytes from a program and from a server to TLS that is opened or checked
 *
 * The first byte selects opened or check and how a server's half begins; then pieces, each with a
 * byte in front that says whose it is and how long.
 */
#include "gate/tls/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_that(bool ok)
{
	if (!ok)
		abort();
}

static void take_event(void *ctx, struct event *ev)
{
	check_that(ev->kind == EV_TLS && ev->v[EV_AT(TLS, FLOW)].i == 9);
	for (size_t i = 0; i < EVENT_FIELDS_MAX; i++)
		if (ev->v[i].type == VAL_TEXT && ev->v[i].s.n)
			*(uint8_t *)ctx ^= (uint8_t)ev->v[i].s.p[ev->v[i].s.n - 1];
}

static void take_plain(void *ctx UNUSED, const struct flow_facts *f, enum dir dir, const void *p,
		       size_t n)
{
	check_that(f->id == 9 && (dir == DIR_OUT || dir == DIR_IN) && p && n);
}

static void make_world(struct opened_env *env)
{
	char dir[] = "/tmp/belljar-fuzz-XXXXXX", pem[64];
	struct ca *ca = NULL;
	struct trust *trust = NULL;
	struct err err;
	int fd;

	check_that(mkdtemp(dir) != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check_that(!ca_open(fd, &ca, &err));
	snprintf(pem, sizeof(pem), "%s/ca.pem", dir);
	setenv("SSL_CERT_FILE", pem, 1);
	check_that(!trust_open(&trust, &err));
	unsetenv("SSL_CERT_FILE");
	close(fd);
	check_that(!rm_rf_at(AT_FDCWD, dir));
	env->ca = ca;
	env->trust = trust;
}

static void run_check(const struct opened_env *env, const struct flow_facts *f, const uint8_t *p,
		      size_t n)
{
	struct check *c =
		check_new(env->trust, f, p[0] & 2 ? "a.test" : "", "h2,http/1.1", env->emit);
	char why[256];
	int rc = 0;

	for (size_t at = 1, len; at < n && !rc; at += len) {
		cleanup_buf struct buf out = { 0 };

		len = p[at] < n - at ? p[at] + 1u : n - at;
		rc = check_step(c, p + at, len, at + len == n, &out, why);
		check_that(rc != 1); /* nobody here has a certificate */
	}
	check_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t seen;
	static const struct emit emit = { .ctx = &seen, .event = take_event };
	static struct opened_env env = { .emit = &emit, .plain = take_plain };
	struct flow_facts f = { .id = 9, .tcp = true, .dst = { .ip = { 192, 0, 2, 1 } } };
	enum opened_state state = OPENED_GOING;
	struct opened *o;

	if (!env.ca)
		make_world(&env);
	if (n < 2)
		return 0;
	if (p[0] & 1) {
		run_check(&env, &f, p, n);
		return 0;
	}
	o = opened_new(&env, &f, p[0] & 2 ? "a.test" : "", p[0] & 4 ? "h2,http/1.1" : "");
	for (size_t at = 1, len; at + 1 < n && state == OPENED_GOING; at += 1 + len) {
		cleanup_buf struct buf to_p = { 0 }, to_s = { 0 };
		struct opened_io io = { .to_program = &to_p, .to_server = &to_s };

		len = (p[at] >> 1) * 8u + 1;
		len = len < n - at - 1 ? len : n - at - 1;
		if (p[at] & 1) {
			io.from_server = p + at + 1;
			io.n_server = len;
		} else {
			io.from_program = p + at + 1;
			io.n_program = len;
		}
		io.eof_program = io.eof_server = at + 1 + len == n;
		state = opened_step(o, &io);
		check_that(to_p.n <= OPENED_BUFFER_MAX && to_s.n <= OPENED_BUFFER_MAX);
		check_that((state == OPENED_GOING || state == OPENED_DONE) == !opened_why(o)[0]);
	}
	opened_free(o);
	return 0;
}
