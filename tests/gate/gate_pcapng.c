// SPDX-License-Identifier: Apache-2.0
/*
 * gate_pcapng.c - what is written as a capture file is read back the same, by our own reader and
 * by tshark: addresses as they were, comments, and the TLS secrets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "gate/decode/packet.h"
#include "gate/gate.h"
#include "gate/inside/inject.h"
#include "gate/pcap/capfile.h"
#include "gate/pcap/pcapng.h"

#define T0 1700000000123456789ull
#define KEYS                                                                                       \
	"CLIENT_RANDOM 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "          \
	"aabb\n"

static uint8_t frame[INJECT_MAX];

static size_t datagram(bool v6, uint16_t port, const void *payload, size_t n)
{
	struct addr from = { .v6 = v6, .port = port }, to = { .v6 = v6, .port = 53 };
	static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 };

	memcpy(from.ip, v6 ? ip6 : (const uint8_t[16]){ 10, 0, 2, 15 }, 16);
	memcpy(to.ip, v6 ? ip6 : (const uint8_t[16]){ 192, 0, 2, 77 }, 16);
	return inject_udp(frame, &from, &to, payload, n);
}

static int file_of(const struct buf *b)
{
	int fd = memfd_create("capture", 0);

	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, b->p, b->n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void test_packets_of_every_length_come_back(void **state UNUSED)
{
	static const char *const comments[] = {
		NULL, "", "a", "ab", "abc", "pid 12 /usr/bin/curl"
	};
	struct buf b = { .limit = 4u << 20 };
	struct capfile_packet p;
	struct capfile *f;
	int fd;

	pcapng_begin(&b, "hardware", "Linux", "belljar");
	for (size_t n = 0; n < 300; n++) {
		size_t len = datagram(n % 2, (uint16_t)n, KEYS KEYS KEYS KEYS, n);

		pcapng_packet(&b, T0 + n, frame, len, len + n, comments[n % ARRAY_SIZE(comments)]);
		if (n % 50 == 0)
			pcapng_secrets(&b, KEYS, n / 50);
	}
	assert_false(b.overflow);
	fd = file_of(&b);
	assert_int_equal(capfile_open(fd, &f, NULL), 0);
	for (size_t n = 0; n < 300; n++) {
		size_t len = datagram(n % 2, (uint16_t)n, KEYS KEYS KEYS KEYS, n);

		assert_int_equal(capfile_next(f, &p, NULL), 1);
		assert_int_equal(p.t, T0 + n);
		assert_int_equal(p.link, LINK_ETHERNET);
		assert_int_equal(p.n, len);
		assert_int_equal(p.full_n, len + n);
		assert_memory_equal(p.p, frame, len);
	}
	assert_int_equal(capfile_next(f, &p, NULL), 0);
	assert_false(capfile_cut(f));
	capfile_free(f);
	close(fd);
	buf_free(&b);
}

static void test_a_comment_too_long_for_its_field_is_cut_and_the_file_whole(void **state UNUSED)
{
	struct buf b = { .limit = 4u << 20 };
	size_t len = datagram(false, 7, "x", 1);
	char *comment = xmalloc(70000);
	struct capfile_packet p;
	struct capfile *f;
	int fd;

	memset(comment, 'c', 69999);
	comment[69999] = 0;
	pcapng_begin(&b, NULL, NULL, NULL);
	for (int i = 0; i < 2; i++)
		pcapng_packet(&b, T0, frame, len, len, comment);
	fd = file_of(&b);
	assert_int_equal(capfile_open(fd, &f, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(capfile_next(f, &p, NULL), 1);
		assert_int_equal(p.n, len);
	}
	assert_int_equal(capfile_next(f, &p, NULL), 0);
	capfile_free(f);
	close(fd);
	buf_free(&b);
	free(comment);
}

/* ---- a run's file, exported --------------------------------------------------------------- */

static const char *who(void *ctx UNUSED, uint64_t t, bool tcp, const char *src, uint16_t src_port,
		       const char *dst, uint16_t dst_port)
{
	static char text[200];

	/* this one knows the flows of odd ports, as they began */
	if (tcp || dst_port != 53 || src_port % 2 == 0)
		return NULL;
	snprintf(text, sizeof(text), "t+%u %s:%u to %s:%u", (unsigned)(t - T0), src, src_port, dst,
		 dst_port);
	return text;
}

static void exported(struct buf *out)
{
	struct gate_export e = { .keylog = KEYS, .keylog_n = strlen(KEYS), .who = who };
	cleanup_free char *bytes = NULL;
	struct buf b = { .limit = 1u << 20 };
	char path[64];
	size_t n;

	pcapng_begin(&b, NULL, "Linux", "belljar");
	for (uint16_t i = 0; i < 4; i++) {
		n = datagram(i >= 2, (uint16_t)(4000 + i), "hello", 5);
		pcapng_packet(&b, T0 + i, frame, n, n, NULL);
	}
	e.in = file_of(&b);
	e.out = memfd_create("exported", 0);
	assert_int_equal(gate_export_capture(&e, NULL), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e.out);
	assert_int_equal(read_file_at(AT_FDCWD, path, 1u << 20, &bytes, &n), 0);
	buf_add(out, bytes, n);
	close(e.in);
	close(e.out);
	buf_free(&b);
}

static void test_an_export_has_the_packets_their_comments_and_secrets(void **state UNUSED)
{
	struct buf b = { .limit = 1u << 20 };
	struct capfile_packet p;
	struct capfile *f;
	size_t n;
	int fd;

	exported(&b);
	fd = file_of(&b);
	assert_int_equal(capfile_open(fd, &f, NULL), 0);
	for (uint16_t i = 0; i < 4; i++) {
		n = datagram(i >= 2, (uint16_t)(4000 + i), "hello", 5);
		assert_int_equal(capfile_next(f, &p, NULL), 1);
		assert_int_equal(p.t, T0 + i);
		assert_int_equal(p.n, n);
		assert_memory_equal(p.p, frame, n);
	}
	assert_int_equal(capfile_next(f, &p, NULL), 0);
	assert_non_null(memmem(b.p, b.n, KEYS, strlen(KEYS)));
	assert_non_null(memmem(b.p, b.n, "t+1 10.0.2.15:4001 to 192.0.2.77:53", 35));
	assert_null(memmem(b.p, b.n, ":4000 to", 8));
	capfile_free(f);
	close(fd);
	buf_free(&b);
}

static char *tshark(const char *file, const char *args)
{
	struct buf out = { .limit = 1u << 20 };
	char command[400], part[4096];
	FILE *p;
	size_t k;

	snprintf(command, sizeof(command), "tshark -n %s -r '%s' 2>/dev/null", args, file);
	p = popen(command, "r");
	assert_non_null(p);
	while ((k = fread(part, 1, sizeof(part), p)) > 0)
		buf_add(&out, part, k);
	pclose(p);
	buf_add(&out, "", 1);
	return out.p;
}

static void test_tshark_reads_addresses_comments_and_secrets(void **state UNUSED)
{
	static const char want[] = "1700000000.123456789|10.0.2.15|192.0.2.77||4000|\n"
				   "1700000000.123456790|10.0.2.15|192.0.2.77||4001|"
				   "t+1 10.0.2.15:4001 to 192.0.2.77:53\n"
				   "1700000000.123456791|||2001:db8::9|4002|\n"
				   "1700000000.123456792|||2001:db8::9|4003|"
				   "t+3 2001:db8::9:4003 to 2001:db8::9:53\n";
	const char *tmp = getenv("TMPDIR");
	char file[200], secrets[40], *text;
	struct buf b = { .limit = 1u << 20 };
	int fd;

	if (system("command -v tshark >/dev/null"))
		skip();
	exported(&b);
	snprintf(file, sizeof(file), "%s/belljar-pcapng.XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, b.p, b.n), 0);
	close(fd);
	text = tshark(file, "-T fields -E separator='|' -e frame.time_epoch -e ip.src -e ip.dst "
			    "-e ipv6.dst -e udp.srcport -e frame.comment");
	assert_string_equal(text, want);
	free(text);
	/* the blocks themselves */
	text = tshark(file, "-X read_format:'MIME Files Format' -V");
	assert_non_null(strstr(text, "Decryption Secrets Block"));
	snprintf(secrets, sizeof(secrets), "Secrets Length: %zu", strlen(KEYS));
	assert_non_null(strstr(text, secrets));
	assert_non_null(strstr(text, "TLS Key Log"));
	assert_non_null(strstr(text, "434c49454e545f52414e444f4d")); /* CLIENT_RANDOM */
	free(text);
	unlink(file);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_of_every_length_come_back),
		cmocka_unit_test(test_a_comment_too_long_for_its_field_is_cut_and_the_file_whole),
		cmocka_unit_test(test_an_export_has_the_packets_their_comments_and_secrets),
		cmocka_unit_test(test_tshark_reads_addresses_comments_and_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
