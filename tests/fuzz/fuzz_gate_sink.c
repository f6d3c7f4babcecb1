// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_sink.c - any bytes from a program to a session of the sinkhole
 *
 * The first byte selects the port, the second how the rest is cut into pieces and whether the
 * program waits for a greeting first.
 */
#include <sys/stat.h>

#include "gate/sink/sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void take_plain(void *ctx, const struct flow_facts *f UNUSED, enum dir dir,
		       bool inner UNUSED, const void *p, size_t n)
{
	check(p && n);
	*(uint8_t *)ctx ^= ((const uint8_t *)p)[n - 1]; /* they can be read */
	check(dir == DIR_OUT || dir == DIR_IN);
}

/* An authority and some answers, made once: the input is what the program says. */
static void make_world(struct sink_env *env)
{
	char dir[] = "/tmp/belljar-fuzz-XXXXXX";
	struct answers *answers = NULL;
	struct ca *ca = NULL;
	struct err err;
	int fd;

	check(mkdtemp(dir) != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(!ca_open(fd, &ca, &err));
	check(!mkdirat(fd, "http", 0755) && !mkdirat(fd, "http/_", 0755) &&
	      !mkdirat(fd, "tcp", 0755) && !write_file_at(fd, "http/_/a", 0644, "answer", 6) &&
	      !write_file_at(fd, "http/_/a.headers", 0644, "404\nx: y\n", 9) &&
	      !write_file_at(fd, "tcp/7.reply", 0644, "7", 1));
	check(!answers_open(fd, &answers, &err));
	close(fd);
	check(!rm_rf_at(AT_FDCWD, dir));
	env->ca = ca;
	env->answers = answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint16_t ports[] = { 80,  443,  21, 22,   25,  110,  143,	 465,  993,
					  995, 6667, 7,	 1883, 123, 3478, 61200, 33666 };
	static struct sink_env env;
	static uint8_t seen;
	struct flow_facts f = { .id = 1, .src.port = 4000 };
	struct sink *s;
	size_t piece;
	int end = 0;

	if (!env.ca) {
		make_world(&env);
		env.ctx = &seen;
		env.plain = take_plain;
	}
	if (n < 2)
		return 0;
	f.dst.port = ports[p[0] % ARRAY_SIZE(ports)];
	f.tcp = f.dst.port != 123 && f.dst.port != 3478;
	strcpy(f.name, p[1] & 1 ? "mail.a.test" : "");
	piece = p[1] >> 2 ? p[1] >> 2 : n;
	s = sink_new(&env, &f);
	for (size_t at = 2; at < n && !end; at += piece) {
		cleanup_buf struct buf out = { 0 };

		if (at == 2 && p[1] & 2)
			end = sink_quiet(s, &out);
		if (!end)
			end = sink_input(s, p + at, piece < n - at ? piece : n - at, &out);
		check(out.n <= SINK_REPLY_MAX && !out.overflow);
		out.n = 0;
		if (!end)
			end = sink_drained(s, &out);
		check(out.n <= SINK_REPLY_MAX);
	}
	sink_free(s);
	return 0;
}
