// SPDX-License-Identifier: Apache-2.0
/*
 * came.c - are a file's bytes among those that came: what zlib packs and this file chunks is the
 * truth
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#include "judge/came.h"

#define PROGRAM (200u << 10)
#define KEPT	(64u << 10)
#define HEAD	"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"

/* A program of no machine: places without sense between long runs of zeroes. */
static char *program(uint32_t seed, size_t n)
{
	char *p = xcalloc(1, n);

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (i / 512) % 4 == 3 ? 0 : (char)(seed >> 24);
	}
	return p;
}

static enum came in(const struct buf *content, const char *file, size_t n)
{
	return came_in((struct str){ content->p ? content->p : "", content->n },
		       (struct str){ file, n });
}

static void chunks(struct buf *out, const char *p, size_t n, size_t each)
{
	buf_puts(out, HEAD "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t at = 0; at < n; at += each) {
		size_t k = n - at < each ? n - at : each;

		buf_printf(out, "%zx\r\n", k);
		buf_add(out, p + at, k);
		buf_puts(out, "\r\n");
	}
	buf_puts(out, "0\r\n\r\n");
}

static void gzip(struct buf *out, const char *p, size_t n)
{
	size_t room = n + n / 100 + 1000;
	cleanup_free char *to = xmalloc(room);
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };

	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)room;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(out, to, room - z.avail_out);
	deflateEnd(&z);
}

static void test_a_body_is_the_file(void **state)
{
	cleanup_free char *p = program(1, 9000), *other = program(2, 9000);
	cleanup_buf struct buf s = { 0 };

	(void)state;
	buf_puts(&s, HEAD "Content-Length: 9000\r\n\r\n");
	buf_add(&s, p, 9000);
	assert_int_equal(in(&s, p, 9000), CAME_SAME);
	assert_int_equal(in(&s, other, 9000), CAME_UNKNOWN); /* may be another form of it */
}

static void test_the_ends_of_a_long_file_are_enough(void **state)
{
	cleanup_free char *p = program(3, PROGRAM), *other = program(4, PROGRAM);
	cleanup_buf struct buf first = { 0 }, last = { 0 };

	(void)state;
	buf_puts(&first, HEAD "\r\n");
	buf_add(&first, p, KEPT - first.n);
	buf_add(&last, p + PROGRAM - KEPT, KEPT);
	assert_int_equal(in(&first, p, PROGRAM), CAME_SAME);
	assert_int_equal(in(&last, p, PROGRAM), CAME_SAME);
	assert_int_equal(in(&first, other, PROGRAM), CAME_UNKNOWN);
}

static void test_chunks_of_any_size_are_joined(void **state)
{
	cleanup_free char *p = program(5, 5000);

	(void)state;
	for (size_t each = 1; each < 6000; each = each * 3 + 1) {
		cleanup_buf struct buf s = { 0 };

		chunks(&s, p, 5000, each);
		assert_int_equal(in(&s, p, 5000), CAME_SAME);
	}
}

static void test_gzip_is_unpacked_also_in_chunks(void **state)
{
	cleanup_free char *p = program(6, 20000);
	cleanup_buf struct buf z = { 0 }, s = { 0 };

	(void)state;
	gzip(&z, p, 20000);
	assert_int_equal(in(&z, p, 20000), CAME_SAME);
	chunks(&s, z.p, z.n, 1000);
	assert_int_equal(in(&s, p, 20000), CAME_SAME);
}

static void test_a_text_without_the_file_is_not_it(void **state)
{
	static const char text[] = HEAD "\r\n{\"version\": \"1.2\", \"files\": [\"a\", \"b\"]}\n";
	static const char script[] = "#!/bin/sh\nexec /opt/app/tool --again\n";
	cleanup_free char *p = program(7, 9000);
	cleanup_buf struct buf s = { 0 }, z = { 0 };

	(void)state;
	buf_puts(&s, text);
	assert_int_equal(in(&s, p, 9000), CAME_NOT);
	assert_int_equal(in(&s, script, sizeof(script) - 1), CAME_NOT);
	buf_puts(&z, HEAD "Content-Encoding: gzip\r\n\r\n");
	gzip(&z, text, sizeof(text) - 1);
	assert_int_equal(in(&z, p, 9000), CAME_NOT);
}

static void test_a_script_in_json_is_it(void **state)
{
	static const char script[] = "#!/bin/sh\nuname -a >/tmp/x\nsleep 100\n";
	cleanup_buf struct buf s = { 0 };

	(void)state;
	buf_puts(&s, HEAD "\r\n{\"run\": \"#!\\/bin\\/sh\\nuname -a >\\/tmp\\/x\\nsleep 100\\n\"}");
	assert_int_equal(in(&s, script, sizeof(script) - 1), CAME_SAME);
}

static void test_what_may_be_another_form_of_it_is_not_known(void **state)
{
	static const char letters[] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo";
	cleanup_free char *p = program(8, 9000);
	cleanup_buf struct buf base64 = { 0 }, cut = { 0 }, z = { 0 }, half = { 0 };

	(void)state;
	buf_puts(&base64, HEAD "\r\n{\"data\": \"");
	for (int i = 0; i < 30; i++)
		buf_printf(&base64, "%s\\n", letters);
	assert_int_equal(in(&base64, p, 9000), CAME_UNKNOWN);
	gzip(&z, "a text, and no program", 22);
	buf_add(&cut, z.p, z.n - 9); /* what it goes on with is not there */
	assert_int_equal(in(&cut, p, 9000), CAME_UNKNOWN);
	buf_add(&half, p, 3000);
	assert_int_equal(in(&half, p, 9000), CAME_UNKNOWN);
}

static void test_nothing_is_in_nothing(void **state)
{
	cleanup_buf struct buf s = { 0 };

	(void)state;
	assert_int_equal(in(&s, "x", 1), CAME_UNKNOWN);
	buf_puts(&s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n");
	assert_int_equal(in(&s, "", 0), CAME_UNKNOWN);
	assert_int_equal(in(&s, "x", 1), CAME_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_body_is_the_file),
		cmocka_unit_test(test_the_ends_of_a_long_file_are_enough),
		cmocka_unit_test(test_chunks_of_any_size_are_joined),
		cmocka_unit_test(test_gzip_is_unpacked_also_in_chunks),
		cmocka_unit_test(test_a_text_without_the_file_is_not_it),
		cmocka_unit_test(test_a_script_in_json_is_it),
		cmocka_unit_test(test_what_may_be_another_form_of_it_is_not_known),
		cmocka_unit_test(test_nothing_is_in_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
