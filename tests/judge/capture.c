// SPDX-License-Identifier: Apache-2.0
/*
 * capture.c - the contacts of a capture: what is one, whose, and what they are called
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/contacts.h"
#include "judge/judge.h"

#define HOST STR("192.168.1.5")

static uint64_t seq;

static void feed(struct capture_contacts *c, struct event *ev, double t)
{
	ev->seq = ++seq;
	ev->t = (uint64_t)(t * 1e9);
	assert_int_equal(capture_contacts_event(c, ev), 0);
}

static void flow(struct capture_contacts *c, double t, const char *op, int id, const char *dst,
		 int sport, int dport, const char *protocol)
{
	struct event ev = { .kind = EV_FLOW };

	ev.v[EV_AT(FLOW, OP)] = V_Z(op);
	ev.v[EV_AT(FLOW, FLOW)] = V_INT(id);
	ev.v[EV_AT(FLOW, PROTOCOL)] = V_Z(protocol);
	ev.v[EV_AT(FLOW, SRC)] = V_STR(HOST);
	ev.v[EV_AT(FLOW, SRC_PORT)] = V_INT(sport);
	ev.v[EV_AT(FLOW, DST)] = V_Z(dst);
	ev.v[EV_AT(FLOW, DST_PORT)] = V_INT(dport);
	feed(c, &ev, t);
}

static void begin(struct capture_contacts *c, double t, int id, const char *dst, int dport)
{
	flow(c, t, "begin", id, dst, 40000 + id, dport, "tcp");
}

static void end(struct capture_contacts *c, double t, int id)
{
	flow(c, t, "end", id, "192.0.2.1", 40000 + id, 443, "tcp");
}

static void said(struct capture_contacts *c, double t, int id, const char *dir, int bytes,
		 const char *routine)
{
	struct event ev = { .kind = EV_BURST };

	ev.v[EV_AT(BURST, FLOW)] = V_INT(id);
	ev.v[EV_AT(BURST, DIR)] = V_Z(dir);
	ev.v[EV_AT(BURST, BYTES)] = V_INT(bytes);
	if (routine)
		ev.v[EV_AT(BURST, ROUTINE)] = V_Z(routine);
	feed(c, &ev, t);
}

static void burst(struct capture_contacts *c, double t, int id, int bytes)
{
	said(c, t, id, "out", bytes, NULL);
}

static void hello(struct capture_contacts *c, double t, int id, const char *sni)
{
	struct event ev = { .kind = EV_TLS };

	ev.v[EV_AT(TLS, OP)] = V_Z("client-hello");
	ev.v[EV_AT(TLS, FLOW)] = V_INT(id);
	ev.v[EV_AT(TLS, SNI)] = V_Z(sni);
	feed(c, &ev, t);
}

static void dns(struct capture_contacts *c, double t, int id, const char *op, const char *name,
		const char *answers)
{
	struct event ev = { .kind = EV_DNS };

	ev.v[EV_AT(DNS, OP)] = V_Z(op);
	ev.v[EV_AT(DNS, FLOW)] = V_INT(id);
	ev.v[EV_AT(DNS, TRANSPORT)] = V_Z("udp");
	ev.v[EV_AT(DNS, NAME)] = V_Z(name);
	ev.v[EV_AT(DNS, TYPE)] = V_Z("A");
	if (answers)
		ev.v[EV_AT(DNS, ANSWERS)] = V_Z(answers);
	feed(c, &ev, t);
}

static const struct regular *find(struct capture_contacts *c, size_t n, const char *what,
				  const char *key, const char *destination)
{
	for (size_t i = 0; i < n; i++) {
		const struct regular *r = capture_contacts_get(c, i);

		if (!strcmp(r->what, what) && !strcmp(r->key, key) &&
		    str_eq(r->destination, str_z(destination)))
			return r;
	}
	return NULL;
}

static void test_a_name_comes_from_the_flow_itself_or_from_an_answer(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *r;
	size_t n;

	flow(c, 0, "begin", 1, "192.168.1.1", 5353, 53, "udp");
	dns(c, 0, 1, "query", "a.vendor.example.com", NULL);
	dns(c, 0.1, 1, "answer", "a.vendor.example.com",
	    "a.vendor.example.com 60 CNAME x.cdn.example.net; x.cdn.example.net 60 A 192.0.2.1");
	begin(c, 1, 2, "192.0.2.1", 443);
	end(c, 2, 2);
	begin(c, 3, 3, "192.0.2.1", 443);
	hello(c, 3.1, 3, "b.other.example.org");
	end(c, 4, 3);
	begin(c, 5, 4, "192.0.2.9", 443);
	hello(c, 5.1, 4, "192.0.2.9"); /* no name */
	n = capture_contacts_judge(c);
	r = find(c, n, "connection", "name", "example.com");
	assert_non_null(r);
	assert_int_equal(r->contacts, 1);
	assert_true(str_eq(r->name, STR("a.vendor.example.com")));
	assert_true(str_eq(r->host, HOST));
	assert_non_null(find(c, n, "connection", "name", "example.org"));
	r = find(c, n, "connection", "address", "192.0.2.9");
	assert_non_null(r);
	assert_int_equal(r->name.n, 0);
	assert_int_equal(find(c, n, "connection", "address", "192.0.2.1")->contacts, 2);
	assert_non_null(find(c, n, "dns", "name", "example.com"));
	/* the conversation with the name server is no contact of its own */
	assert_null(find(c, n, "connection", "address", "192.168.1.1"));
	capture_contacts_free(c);
}

static void test_what_is_below_a_domain_is_chosen_by_who_asks(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{ "aabb.01.evil.example.com", "aabb.01.evil" },
		{ "evil.example.co.uk", "evil" },
		{ "x.host.test", "x" },
		{ "example.com", "" },
		{ "com", "" },
		{ "localhost", "" },
		{ "", "" },
		/* addresses are nobody's choice */
		{ "4.3.2.1.in-addr.arpa", "" },
		{ "home.arpa", "" },
		{ "4.3.2.1.zen.example.org", "zen" },
		{ "4.3.2.1.example.org", "" },
		{ "f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0.f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0.v6.example.org",
		  "v6" },
		/* what only begins like one is chosen */
		{ "4.3.2.example.org", "4.3.2" },
		{ "4.3.2.1000.example.org", "4.3.2.1000" },
		{ "4.3.2.1x.example.org", "4.3.2.1x" },
		{ "f.e.d.c.b.a.9.8.example.org", "f.e.d.c.b.a.9.8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str below = below_domain(str_z(rows[i][0]));

		if (!str_eq(below, str_z(rows[i][1])))
			fail_msg("%s: '%.*s'", rows[i][0], (int)below.n, below.p);
	}
}

static void test_a_later_answer_names_who_was_asked_before(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *r;
	size_t n;

	/* begun before the capture: only what is said inside is seen */
	begin(c, 0, 1, "192.0.2.1", 8883);
	for (int i = 0; i < 20; i++)
		burst(c, 60 * i, 1, 12);
	begin(c, 0, 2, "192.0.2.2", 8883);
	for (int i = 0; i < 20; i++)
		burst(c, 60 * i, 2, 12);
	flow(c, 1300, "begin", 3, "192.168.1.1", 5353, 53, "udp");
	dns(c, 1300, 3, "answer", "mqtt.vendor.example.com",
	    "mqtt.vendor.example.com 60 A 192.0.2.1");
	n = capture_contacts_judge(c);
	r = find(c, n, "burst", "name", "example.com");
	assert_non_null(r);
	assert_true(r->told);
	assert_int_equal(r->contacts, 20);
	assert_true(str_eq(r->name, STR("mqtt.vendor.example.com")));
	assert_false(find(c, n, "burst", "address", "192.0.2.1")->told);
	assert_true(find(c, n, "burst", "address", "192.0.2.2")->told);
	capture_contacts_free(c);
}

static void test_what_a_flow_says_names_its_address_for_another(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	size_t n;

	begin(c, 0, 1, "192.0.2.1", 443); /* begun before the capture */
	for (int i = 0; i < 20; i++)
		burst(c, 60 * i, 1, 12);
	begin(c, 1300, 2, "192.0.2.1", 443);
	hello(c, 1300, 2, "push.vendor.example.com");
	end(c, 1301, 2);
	n = capture_contacts_judge(c);
	assert_true(find(c, n, "burst", "name", "example.com")->told);
	assert_false(find(c, n, "burst", "address", "192.0.2.1")->told);
	capture_contacts_free(c);
}

/* Twenty flows with a clock, one with a relay that stays open, each with a question and answer. */
static void clock_and_relay(struct capture_contacts *c, const char *last_answer)
{
	for (int i = 0; i < 20; i++) {
		flow(c, 64 * i, "begin", 100 + i, "192.0.2.1", 123, 123, "udp");
		said(c, 64 * i, 100 + i, "out", 48, "ntp");
		said(c, 64 * i, 100 + i, "in", 48, "ntp");
		flow(c, 64 * i + 60, "end", 100 + i, "192.0.2.1", 123, 123, "udp");
	}
	flow(c, 0, "begin", 1, "192.0.2.2", 5000, 3478, "udp");
	for (int i = 0; i < 20; i++) {
		said(c, 15 * i, 1, "out", 28, "stun");
		said(c, 15 * i, 1, "in", 40, i < 19 ? "stun" : last_answer);
	}
	flow(c, 400, "end", 1, "192.0.2.2", 5000, 3478, "udp");
}

static void test_a_protocols_routine_is_regular_and_not_told(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *clock, *relay;
	size_t n;

	clock_and_relay(c, "stun");
	n = capture_contacts_judge(c);
	clock = find(c, n, "connection", "address", "192.0.2.1");
	relay = find(c, n, "burst", "address", "192.0.2.2");
	assert_true(clock->p <= REGULAR_P && relay->p <= REGULAR_P);
	assert_false(clock->told);
	assert_true(str_eq(clock->routine, STR("ntp")));
	assert_false(relay->told);
	assert_true(str_eq(relay->routine, STR("stun")));
	capture_contacts_free(c);
}

static void test_one_message_of_another_kind_in_either_direction_is_no_routine(void **state UNUSED)
{
	static const char *const answers[] = { NULL, "rtcp" };

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct capture_contacts *c = capture_contacts_new(NULL, NULL);
		const struct regular *relay;

		clock_and_relay(c, answers[i]);
		relay = find(c, capture_contacts_judge(c), "burst", "address", "192.0.2.2");
		assert_int_equal(relay->routine.n, 0);
		assert_true(relay->told);
		capture_contacts_free(c);
	}
}

static void test_an_attempt_is_one_contact(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	size_t n;

	for (int i = 0; i < 10; i++) {
		/* refused, and tried twice more from the same port within a second */
		for (int k = 0; k < 3; k++) {
			flow(c, 60 * i + 0.5 * k, "begin", 3 * i + k + 1, "192.0.2.1", 50000 + i,
			     443, "tcp");
			end(c, 60 * i + 0.5 * k, 3 * i + k + 1);
		}
	}
	n = capture_contacts_judge(c);
	assert_int_equal(find(c, n, "connection", "address", "192.0.2.1")->contacts, 10);
	assert_true(find(c, n, "connection", "address", "192.0.2.1")->told);
	capture_contacts_free(c);
}

static void test_a_question_asked_again_is_one_contact(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *r;
	size_t n;

	flow(c, 0, "begin", 1, "192.168.1.1", 5000, 53, "udp");
	for (int i = 0; i < 12; i++) {
		char name[64];

		snprintf(name, sizeof(name), "x%d.one%d.example.com", i, i);
		dns(c, 100 * i, 1, "query", name, NULL);
		dns(c, 100 * i + 5, 1, "query", name, NULL); /* nobody had answered */
		dns(c, 100 * i + 15, 1, "query", name, NULL);
	}
	/* several at once, each waits for its own answer */
	for (int i = 0; i < 4; i++) {
		dns(c, 1230 + 5 * i, 1, "query", "a.example.net", NULL);
		dns(c, 1230 + 5 * i, 1, "query", "b.example.net", NULL);
		dns(c, 1231 + 5 * i, 1, "answer", "c.example.net", NULL);
	}
	dns(c, 1250, 1, "query", "1.2.0.192.in-addr.arpa", NULL);
	dns(c, 1260, 1, "query", "9.8.7.203.in-addr.arpa", NULL);
	dns(c, 1300, 1, "query", "y.example.org", NULL);
	dns(c, 1300.1, 1, "answer", "y.example.org", "y.example.org 1 A 192.0.2.5");
	dns(c, 1305, 1, "query", "y.example.org", NULL); /* answered: another contact */
	n = capture_contacts_judge(c);
	r = find(c, n, "dns", "name", "example.com");
	assert_int_equal(r->contacts, 12);
	assert_true(r->told);
	assert_int_equal(find(c, n, "dns", "name", "example.org")->contacts, 2);
	assert_int_equal(find(c, n, "dns", "name", "example.net")->contacts, 2);
	/* addresses that are looked up are one destination */
	assert_int_equal(find(c, n, "dns", "name", "in-addr.arpa")->contacts, 2);
	capture_contacts_free(c);
}

static void test_names_that_change_are_one_series_of_what_is_undeclared(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *r;
	size_t n;

	flow(c, 0, "begin", 1, "192.168.1.1", 5000, 53, "udp");
	for (int i = 0; i < 20; i++) {
		char name[64], address[32];

		snprintf(name, sizeof(name), "random%d.com", i * 7919);
		snprintf(address, sizeof(address), "198.51.100.%d", i + 1);
		dns(c, 300 * i, 1, "query", name, NULL);
		begin(c, 300 * i + 1, i + 2, address, 443);
		hello(c, 300 * i + 1, i + 2, name);
		end(c, 300 * i + 2, i + 2);
	}
	n = capture_contacts_judge(c);
	r = find(c, n, "connection", "undeclared", "");
	assert_int_equal(r->contacts, 20);
	assert_true(r->told);
	assert_true(find(c, n, "dns", "undeclared", "")->p <= REGULAR_P);
	assert_false(find(c, n, "dns", "undeclared", "")->told); /* the same, told once */
	capture_contacts_free(c);
}

static void test_who_begins_inside_of_a_connection_is_told_there(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	const struct regular *r;
	size_t n;

	begin(c, 0, 1, "192.0.2.1", 443);
	hello(c, 0.1, 1, "c2.example.com");
	for (int i = 0; i < 30; i++)
		burst(c, 10 * i, 1, 77);
	n = capture_contacts_judge(c);
	r = find(c, n, "burst", "name", "example.com");
	assert_true(r->told);
	assert_true(fabs(r->period - 10) < 0.1);
	assert_true(r->same_size > 0.99);
	assert_false(find(c, n, "burst", "address", "192.0.2.1")->told);
	assert_false(find(c, n, "connection", "name", "example.com")->told);
	capture_contacts_free(c);
}

static void test_neighbours_are_not_judged(void **state UNUSED)
{
	static const char *const near[] = { "255.255.255.255", "224.0.0.251", "169.254.3.4",
					    "ff02::fb",	       "fe80::1",     "127.0.0.1",
					    "192.168.1.255" };
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);

	for (int i = 0; i < 20; i++)
		for (size_t k = 0; k < ARRAY_SIZE(near); k++)
			flow(c, 60 * i, "begin", (int)(i * ARRAY_SIZE(near) + k + 1), near[k], 1900,
			     1900, "udp");
	for (int i = 0; i < 20; i++) /* DHCP asks for its lease again */
		flow(c, 60 * i, "begin", 1000 + i, "192.168.1.1", 68, 67, "udp");
	assert_int_equal(capture_contacts_judge(c), 0);
	capture_contacts_free(c);
}

static bool known(void *ctx, struct str name, struct str address, uint16_t port)
{
	(void)ctx;
	return port == 443 &&
	       (str_eq(name, STR("c2.example.com")) || str_eq(address, STR("192.0.2.2")));
}

static void test_what_is_declared_is_judged_and_not_told(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(known, NULL);
	const struct regular *r;
	size_t n;

	for (int i = 0; i < 20; i++) {
		begin(c, 60 * i, 2 * i + 1, "192.0.2.1", 443);
		hello(c, 60 * i, 2 * i + 1, "c2.example.com");
		end(c, 60 * i + 1, 2 * i + 1);
		begin(c, 60 * i, 2 * i + 2, "192.0.2.2", 443);
		end(c, 60 * i + 1, 2 * i + 2);
	}
	/* its name is known only afterwards */
	begin(c, 0, 1001, "192.0.2.3", 443);
	for (int i = 0; i < 20; i++)
		burst(c, 60 * i, 1001, 12);
	begin(c, 1300, 1002, "192.0.2.3", 443);
	hello(c, 1300, 1002, "c2.example.com");
	end(c, 1301, 1002);
	n = capture_contacts_judge(c);
	for (size_t i = 0; i < n; i++) {
		r = capture_contacts_get(c, i);
		if (*r->key == 'u' || r->too_few)
			continue;
		assert_true(r->declared);
		assert_false(r->told);
		assert_true(r->p <= REGULAR_P);
	}
	assert_int_equal(find(c, n, "connection", "undeclared", "")->contacts, 1);
	capture_contacts_free(c);
}

/* @n addresses, from source port @first + their number, or all from @socket */
static void crowd(struct capture_contacts *c, int first, int n, double period, int socket)
{
	for (int k = 0; k < n; k++)
		for (int i = 0; i < 20; i++) {
			int id = first + 100 * k + i;
			char dst[32];

			snprintf(dst, sizeof(dst), "198.51.100.%d", first / 1000 + k);
			flow(c, period * (i + 0.1 * k) + i % 3, "begin", id, dst,
			     socket ? socket : first + k, 6000 + k, "udp");
			flow(c, period * (i + 0.1 * k) + 5, "end", id, dst,
			     socket ? socket : first + k, 6000 + k, "udp");
		}
}

static void test_a_crowd_without_names_is_told_as_one(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);
	size_t n, told = 0, members = 0;
	uint64_t addresses = 0;

	crowd(c, 10000, 6, 100, 0);
	crowd(c, 30000, 1, 1000, 0); /* another habit */
	crowd(c, 50000, 3, 5000, 0); /* three are no crowd */
	n = capture_contacts_judge(c);
	for (size_t i = 0; i < n; i++) {
		const struct regular *r = capture_contacts_get(c, i);

		told += r->told;
		addresses += r->crowd;
		members += r->lead.n != 0;
		assert_false(r->told && r->lead.n);
	}
	assert_int_equal(told, 1 + 1 + 3);
	assert_int_equal(addresses, 6);
	assert_int_equal(members, 5);
	capture_contacts_free(c);
	/* one socket, whatever the times */
	c = capture_contacts_new(NULL, NULL);
	for (int k = 0; k < 4; k++)
		crowd(c, 10000 * (k + 1), 1, 100 * (3 * k + 1) * (3 * k + 1), 1701);
	n = capture_contacts_judge(c);
	told = 0;
	for (size_t i = 0; i < n; i++)
		told += capture_contacts_get(c, i)->told;
	assert_int_equal(told, 1);
	capture_contacts_free(c);
	/* what has a name speaks for itself */
	c = capture_contacts_new(NULL, NULL);
	flow(c, 0, "begin", 1, "192.168.1.1", 5353, 53, "udp");
	for (int k = 10; k < 16; k++) {
		char name[32], answer[64];

		snprintf(name, sizeof(name), "a%d.host%d.test", k, k);
		snprintf(answer, sizeof(answer), "%s 60 A 198.51.100.%d", name, k);
		dns(c, 0, 1, "answer", name, answer);
	}
	crowd(c, 10000, 6, 100, 0);
	n = capture_contacts_judge(c);
	told = 0;
	for (size_t i = 0; i < n; i++)
		told += capture_contacts_get(c, i)->told;
	assert_int_equal(told, 6);
	capture_contacts_free(c);
}

static void test_memory_is_bounded(void **state UNUSED)
{
	struct capture_contacts *c = capture_contacts_new(NULL, NULL);

	for (int i = 1; i < 30000; i++) {
		char address[32];

		snprintf(address, sizeof(address), "198.18.%d.%d", i / 250, i % 250);
		begin(c, i, i, address, 443);
		end(c, i, i);
	}
	assert_true(capture_contacts_judge(c) <= 20000);
	assert_true(capture_contacts_full(c));
	capture_contacts_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_comes_from_the_flow_itself_or_from_an_answer),
		cmocka_unit_test(test_a_later_answer_names_who_was_asked_before),
		cmocka_unit_test(test_what_a_flow_says_names_its_address_for_another),
		cmocka_unit_test(test_a_protocols_routine_is_regular_and_not_told),
		cmocka_unit_test(
			test_one_message_of_another_kind_in_either_direction_is_no_routine),
		cmocka_unit_test(test_an_attempt_is_one_contact),
		cmocka_unit_test(test_what_is_below_a_domain_is_chosen_by_who_asks),
		cmocka_unit_test(test_a_question_asked_again_is_one_contact),
		cmocka_unit_test(test_names_that_change_are_one_series_of_what_is_undeclared),
		cmocka_unit_test(test_who_begins_inside_of_a_connection_is_told_there),
		cmocka_unit_test(test_neighbours_are_not_judged),
		cmocka_unit_test(test_what_is_declared_is_judged_and_not_told),
		cmocka_unit_test(test_a_crowd_without_names_is_told_as_one),
		cmocka_unit_test(test_memory_is_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
