// SPDX-License-Identifier: Apache-2.0
/*
 * common.h - a journal in a folder of its own, and what is written about it as bytes
 */
#ifndef BELLJAR_TESTS_REPORT_COMMON_H
#define BELLJAR_TESTS_REPORT_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "report/report.h"
#include "story.h"

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		int rc_ = (call);                                                                  \
		if (rc_)                                                                           \
			fail_msg("%s: %d %s", #call, rc_, err.msg);                                \
	} while (0)

struct fixture {
	char dir[64];
	char path[96];
	int dirfd;
	struct journal *j;
};

static inline struct fixture *fixture_open(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	strcpy(f->dir, "/tmp/belljar-report-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/journal.db", f->dir);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dirfd >= 0);
	assert_ok(journal_open(f->dirfd, f->dir, &f->j, &err));
	return f;
}

static inline void fixture_seal(struct fixture *f)
{
	struct err err = { 0 };

	assert_ok(journal_close(f->j, &err));
	f->j = NULL;
}

static inline void fixture_close(struct fixture *f)
{
	struct err err = { 0 };

	if (f->j)
		journal_close(f->j, &err);
	close(f->dirfd);
	rm_rf_at(AT_FDCWD, f->dir);
	free(f);
}

static inline struct fixture *fixture_story(bool hostile)
{
	struct fixture *f = fixture_open();

	story_write(f->j, hostile);
	fixture_seal(f);
	return f;
}

static inline void slurp(int fd, struct buf *out)
{
	char block[65536];
	ssize_t n;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		buf_add(out, block, (size_t)n);
	close(fd);
}

static inline int new_output(void)
{
	int fd = memfd_create("out", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline struct journal_reader *reader_of(const struct fixture *f)
{
	struct journal_reader *r;
	struct err err = { 0 };

	assert_ok(journal_read_open(f->path, &r, &err));
	return r;
}

/* The report as bytes. */
static inline void report_of(const struct fixture *f, struct report_opts o, struct buf *out)
{
	struct journal_reader *r = reader_of(f);
	struct err err = { 0 };
	int fd = new_output();

	if (!o.title)
		o.title = "test";
	assert_ok(report_write(r, &o, fd, &err));
	slurp(fd, out);
	journal_read_close(r);
}

static inline void events_of(const struct fixture *f, struct journal_filter filter, bool json,
			     struct buf *out)
{
	struct journal_reader *r = reader_of(f);
	struct err err = { 0 };
	int fd = new_output();

	assert_ok(report_events(r, &filter, json, false, fd, &err));
	slurp(fd, out);
	journal_read_close(r);
}

static inline int sql_of(const struct fixture *f, const char *sql, bool json, struct buf *out,
			 struct err *err)
{
	struct journal_reader *r = reader_of(f);
	int fd = new_output();
	int rc = report_sql(r, sql, json, fd, err);

	slurp(fd, out);
	journal_read_close(r);
	return rc;
}

static inline json_int_t sql_number(const struct fixture *f, const char *sql)
{
	cleanup_buf struct buf out = { 0 };
	struct err err = { 0 };
	char *number;

	assert_ok(sql_of(f, sql, false, &out, &err));
	number = strchr(buf_z(&out), '\n');
	assert_non_null(number);
	return atoll(number);
}

static inline json_t *parse_json(const char *p, size_t n)
{
	json_error_t why;
	json_t *v;

	v = json_loadb(p, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (!v)
		fail_msg("line is no JSON: %s near byte %d: %.200s", why.text, why.position, p);
	return v;
}

/* Bytes that could do something to a reader. Line ends are ours. */
static inline void assert_no_raw_bytes(const struct buf *b)
{
	static const char *const never[] = {
		"\xe2\x80\xae", "\xe2\x80\xa8", "\xe2\x80\x8b", "\xc2\x9b", "\xf3\xa0\x80\x81",
	};

	assert_true(b->n > 0);
	assert_true(utf8_valid(b->p, b->n));
	for (size_t i = 0; i < b->n; i++)
		if (((unsigned char)b->p[i] < 0x20 && b->p[i] != '\n') || b->p[i] == 0x7f)
			fail_msg("byte %02x near: %.60s", b->p[i], b->p + (i < 40 ? 0 : i - 40));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_null(memmem(b->p, b->n, never[i], strlen(never[i])));
}

#endif
