// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_journal_db.c - open, read, query and verify a hostile journal.db
 *
 * Input: patches { u24 offset, u8 length, bytes } on a small sealed journal that is made once. So
 * inputs stay small and reach what lies behind SQLite's first checks.
 */
#include <sqlite3.h>
#include <sys/stat.h>

#include "journal/journal.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const queries[] = {
	"SELECT * FROM events ORDER BY seq",	 "SELECT * FROM process_creation",
	"SELECT * FROM file_event LIMIT 100",	 "SELECT * FROM network_connection",
	"SELECT count(*) FROM file GROUP BY op", "SELECT * FROM block",
};

/** struct bed - the journal that patches are laid on */
struct bed {
	char top[SCRATCH_MAX], db[SCRATCH_MAX + 16];
	int dirfd;
	char *whole;
	size_t n;
};

static void bed_make(struct bed *b)
{
	static const char *const op[] = { "exec", "fork", "exit" };
	struct event ev = { .kind = EV_RUN_BEGIN };
	struct journal *j;
	char key[SCRATCH_MAX + 16];

	if (!mkdtemp(scratch_path(b->top, "bj-fuzz.XXXXXX")))
		abort();
	snprintf(b->db, sizeof(b->db), "%s/journal.db", b->top);
	snprintf(key, sizeof(key), "%s/key", b->top);
	b->dirfd = open(b->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal_open(b->dirfd, key, &j, NULL) || journal_run_begin(j, &ev, NULL, NULL))
		abort();
	for (int i = 0; i < 60; i++) {
		ev = (struct event){ .kind = (enum event_kind)(3 + i % 4),
				     .t = (uint64_t)i,
				     .proc = 1 + (uint32_t)i % 5 };
		for (int f = 0; f < event_kind_def(ev.kind)->nfields; f++)
			ev.v[f] = event_kind_def(ev.kind)->field[f].type == VAL_INT
					  ? V_INT(i * 7)
					  : V_Z(op[i % 3]);
		if (journal_append(j, &ev, NULL, NULL))
			abort();
	}
	if (journal_close(j, NULL) ||
	    read_file_at(b->dirfd, "journal.db", 1 << 20, &b->whole, &b->n))
		abort();
}

static int look(void *ctx, const struct event *ev)
{
	for (int i = 0; i < EVENT_FIELDS_MAX; i++)
		if (ev->v[i].type == VAL_TEXT)
			*(uint64_t *)ctx += utf8_valid(ev->v[i].s.p, ev->v[i].s.n);
	return 0;
}

static void query(struct sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK)
		for (int i = 0; i < 500 && sqlite3_step(st) == SQLITE_ROW; i++)
			(void)sqlite3_column_text(st, 0);
	sqlite3_finalize(st);
}

/* libFuzzer gives no place for state but this: made at the first input, kept to the end */
static struct bed bed;

static void bed_remove(void)
{
	rm_rf_at(AT_FDCWD, bed.top);
	free(bed.whole);
	bed.whole = NULL;
}

static struct bed *bed_of_all(void)
{
	if (!bed.whole) {
		bed_make(&bed);
		atexit(bed_remove);
	}
	return &bed;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bed *b = bed_of_all();
	struct rd in = { .p = p, .end = p + n };
	char *copy = xmalloc(b->n);
	struct journal_verdict v = { 0 };
	struct journal_reader *r;
	uint64_t sum = 0;

	memcpy(copy, b->whole, b->n);
	while (in.p != in.end && !in.bad) {
		size_t at = rd_u8(&in) | (size_t)rd_u8(&in) << 8 | (size_t)rd_u8(&in) << 16;
		size_t len = rd_u8(&in);
		const uint8_t *bytes;

		len = len < (size_t)(in.end - in.p) ? len : (size_t)(in.end - in.p);
		bytes = rd_bytes(&in, len);
		at %= b->n;
		if (bytes && len <= b->n - at)
			memcpy(copy + at, bytes, len);
	}
	if (write_file_at(b->dirfd, "journal.db", 0600, copy, b->n))
		abort();
	if (!journal_verify(b->db, NULL, &v, NULL) && !v.sentence[0])
		abort();
	/* a row that differs is found, whatever else a patch does */
	if (!memcmp(copy, b->whole, b->n) && !v.ok)
		abort();
	if (!journal_read_open(b->db, &r, NULL)) {
		journal_read(r, NULL, look, &sum, NULL);
		for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
			query(journal_db(r), queries[i]);
		journal_read_close(r);
	}
	free(copy);
	return 0;
}
