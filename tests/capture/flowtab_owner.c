// SPDX-License-Identifier: Apache-2.0
/*
 * flowtab_owner.c - which process had a port when: in time, by protocol and family, and with real
 * sockets that get their port while their call is held
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

/* the caller's socket is one of ours */
#define target_fd of_the_caller
#include "capture/flowtab.c"

int of_the_caller(const struct held *h UNUSED, int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void test_a_port_without_a_caller_has_no_owner(void **state UNUSED)
{
	struct flowtab *t = flowtab_new(NULL);

	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 0, 0), 0);
	flowtab_put(t, IPPROTO_TCP, false, 65535, 3, 10);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 65535, 10), 3);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 65534, 10), 0);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 0, 10), 0);
	flowtab_free(t);
	flowtab_free(NULL);
}

static void test_a_port_that_is_used_again_belongs_to_who_had_it_then(void **state UNUSED)
{
	static const struct {
		uint64_t at;
		uint32_t proc;
	} had[] = { { 0, 1 },  { 10, 1 }, { 19, 1 }, { 20, 2 },	       { 29, 2 },
		    { 30, 1 }, { 39, 1 }, { 40, 4 }, { UINT64_MAX, 4 } };
	struct flowtab *t = flowtab_new(NULL);

	flowtab_put(t, IPPROTO_UDP, true, 5000, 1, 10);
	flowtab_put(t, IPPROTO_UDP, true, 5000, 2, 20);
	flowtab_put(t, IPPROTO_UDP, true, 5000, 1, 30);
	flowtab_put(t, IPPROTO_UDP, true, 5000, 4, 40);
	for (size_t i = 0; i < ARRAY_SIZE(had); i++)
		assert_int_equal(flowtab_get(t, IPPROTO_UDP, true, 5000, had[i].at), had[i].proc);
	flowtab_free(t);
}

static void test_one_that_talks_often_does_not_push_others_out(void **state UNUSED)
{
	struct flowtab *t = flowtab_new(NULL);

	flowtab_put(t, IPPROTO_TCP, false, 80, 1, 10);
	for (uint64_t at = 20; at < 1000; at++)
		flowtab_put(t, IPPROTO_TCP, false, 80, 2, at);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 80, 19), 1);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 80, 20), 2);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 80, 999), 2);
	flowtab_free(t);
}

static void test_of_more_owners_than_it_keeps_the_last_are_told_right(void **state UNUSED)
{
	struct flowtab *t = flowtab_new(NULL);
	const uint32_t n = 3 * HISTORY;

	for (uint32_t i = 1; i <= n; i++)
		flowtab_put(t, IPPROTO_TCP, false, 443, i, i * 10);
	for (uint32_t i = n - HISTORY + 1; i <= n; i++)
		assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 443, i * 10 + 5), i);
	/* earlier ones are forgotten: the oldest that is known stands for them */
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 443, 15), n - HISTORY + 1);
	/* and the neighbours' places were not written to */
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 442, 15), 0);
	assert_int_equal(flowtab_get(t, IPPROTO_TCP, false, 444, 15), 0);
	flowtab_free(t);
}

static void test_protocols_and_families_are_apart(void **state UNUSED)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct flowtab *t = flowtab_new(NULL);

	for (uint32_t i = 0; i < 6; i++)
		flowtab_put(t, protocols[i / 2], i % 2, 53, i + 1, 100);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(flowtab_get(t, protocols[i / 2], i % 2, 53, 100), i + 1);
	flowtab_free(t);
}

/* ---- sockets ------------------------------------------------------------------------------ */

struct bed {
	struct port_uses *uses;
	struct recorder rec;
	struct held h;
};

static struct bed *bed_new(void)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	b->uses = xcalloc(1, sizeof(*b->uses));
	b->rec.flows = flowtab_new(b->uses);
	b->h.rec = &b->rec;
	return b;
}

static void bed_free(struct bed *b)
{
	flowtab_free(b->rec.flows);
	free(b->uses);
	free(b);
}

static uint16_t port_that_has(int fd)
{
	struct sockaddr_in6 me = { 0 }; /* the port of a sockaddr_in is at the same place */
	socklen_t n = sizeof(me);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&me, &n), 0);
	return ntohs(me.sin6_port);
}

static struct sockaddr_storage peer(int family, const char *address)
{
	struct sockaddr_storage to = { .ss_family = (sa_family_t)family };

	if (family == AF_INET)
		inet_pton(family, address, &((struct sockaddr_in *)(void *)&to)->sin_addr);
	else
		inet_pton(family, address, &((struct sockaddr_in6 *)(void *)&to)->sin6_addr);
	return to;
}

/* @proc talks by a socket; gives the socket, and its port that the table now knows. */
static int talk(struct bed *b, uint32_t proc, int family, int type, const char *address,
		uint16_t *ret_port)
{
	struct sockaddr_storage to = peer(strchr(address, ':') ? AF_INET6 : AF_INET, address);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		skip(); /* a machine without this family */
	b->h.proc = proc;
	flow_is_of(&b->h, fd, &to);
	*ret_port = port_that_has(fd);
	return fd;
}

static void test_a_socket_has_its_port_before_the_call_goes_on(void **state UNUSED)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	struct bed *b = bed_new();

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int protocol = types[i] == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
		uint16_t port, again;
		int fd = talk(b, 5, AF_INET, types[i], "192.0.2.1", &port);
		struct sockaddr_storage to = peer(AF_INET, "192.0.2.2");

		assert_int_not_equal(port, 0);
		assert_int_equal(recorder_flow_owner(&b->rec, protocol, false, port, UINT64_MAX),
				 5);
		assert_int_equal(recorder_flow_owner(&b->rec, protocol, true, port, UINT64_MAX), 0);
		/* another process got the socket and talks: the port stays, the owner is another */
		b->h.proc = 6;
		flow_is_of(&b->h, fd, &to);
		again = port_that_has(fd);
		assert_int_equal(again, port);
		assert_int_equal(recorder_flow_owner(&b->rec, protocol, false, port, UINT64_MAX),
				 6);
		close(fd);
	}
	bed_free(b);
}

static void test_a_mapped_address_is_of_the_old_family(void **state UNUSED)
{
	struct bed *b = bed_new();
	uint16_t port;
	int fd = talk(b, 5, AF_INET6, SOCK_DGRAM, "::ffff:192.0.2.1", &port);

	assert_int_equal(flowtab_get(b->rec.flows, IPPROTO_UDP, false, port, UINT64_MAX), 5);
	assert_int_equal(flowtab_get(b->rec.flows, IPPROTO_UDP, true, port, UINT64_MAX), 0);
	close(fd);
	fd = talk(b, 7, AF_INET6, SOCK_DGRAM, "2001:db8::1", &port);
	assert_int_equal(flowtab_get(b->rec.flows, IPPROTO_UDP, true, port, UINT64_MAX), 7);
	close(fd);
	bed_free(b);
}

static void test_what_has_no_port_is_nobodys(void **state UNUSED)
{
	struct sockaddr_storage to = peer(AF_INET, "192.0.2.1"), none = { .ss_family = AF_UNIX };
	int local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct flowtab *empty = flowtab_new(NULL);
	struct bed *b = bed_new();

	b->h.proc = 5;
	flow_is_of(&b->h, local, &to); /* it says an address that its socket cannot reach */
	flow_is_of(&b->h, udp, &none);
	flow_is_of(&b->h, -1, &to);
	flow_is_of(&b->h, STDIN_FILENO, &to);
	assert_int_equal(port_that_has(udp), 0);
	assert_memory_equal(b->rec.flows->of, empty->of, sizeof(empty->of));
	close(local);
	close(udp);
	flowtab_free(empty);
	bed_free(b);
}

static int bound(uint16_t port)
{
	struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	return fd;
}

static void test_each_other_socket_on_a_datagram_port_is_another_use(void **state UNUSED)
{
	struct sockaddr_storage to = peer(AF_INET, "192.0.2.1");
	struct bed *b = bed_new();
	int a = bound(0), c;
	uint16_t port = port_that_has(a);

	b->h.proc = 5;
	for (int i = 0; i < 3; i++)
		flow_is_of(&b->h, a, &to);
	assert_int_equal(b->uses->udp[0][port], 1);
	c = bound(port);
	flow_is_of(&b->h, c, &to); /* the same process, another socket */
	assert_int_equal(b->uses->udp[0][port], 2);
	flow_is_of(&b->h, c, &to);
	assert_int_equal(b->uses->udp[0][port], 2);
	assert_int_equal(b->uses->udp[1][port], 0);
	close(a);
	close(c);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_without_a_caller_has_no_owner),
		cmocka_unit_test(test_a_port_that_is_used_again_belongs_to_who_had_it_then),
		cmocka_unit_test(test_one_that_talks_often_does_not_push_others_out),
		cmocka_unit_test(test_of_more_owners_than_it_keeps_the_last_are_told_right),
		cmocka_unit_test(test_protocols_and_families_are_apart),
		cmocka_unit_test(test_a_socket_has_its_port_before_the_call_goes_on),
		cmocka_unit_test(test_a_mapped_address_is_of_the_old_family),
		cmocka_unit_test(test_what_has_no_port_is_nobodys),
		cmocka_unit_test(test_each_other_socket_on_a_datagram_port_is_another_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
