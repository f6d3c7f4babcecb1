// SPDX-License-Identifier: Apache-2.0
/*
 * journal_tamper.c - whatever is changed in a sealed journal is found, and said in a sentence
 */
#include "common.h"

#include "journal/chain.h"
#include "journal/schema.h"

/* 3 blocks: 1-5, 6-9, 10-12. */
static void make_sealed(struct place *p)
{
	struct journal *j = open_journal(p);
	struct event ev = { .kind = EV_SOCKET, .t = UINT64_MAX, .proc = 1 };

	run_begin(p, j);
	add_process(p, j, "exec", 1, 0, 2, "/bin/sh");
	add_file(p, j, "create", "/tmp/one");
	add_file(p, j, "unlink", "/tmp/one");
	add_file(p, j, "create", "/tmp/\xff");
	must(p, journal_sync(j, &p->err));
	ev.v[EV_AT(SOCKET, OP)] = V_Z("connect");
	ev.v[EV_AT(SOCKET, FAMILY)] = V_Z("inet");
	ev.v[EV_AT(SOCKET, ADDRESS)] = V_Z("192.0.2.1");
	ev.v[EV_AT(SOCKET, PORT)] = V_INT(9006);
	must(p, journal_append(j, &ev, NULL, &p->err));
	add_file(p, j, "create", "/tmp/two");
	add_file(p, j, "create", "/tmp/three");
	add_process(p, j, "fork", 2, 1, 3, NULL);
	must(p, journal_sync(j, &p->err));
	add_file(p, j, "create", "/tmp/four");
	add_process(p, j, "exit", 1, 0, 2, NULL);
	run_end(p, j);
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT count(*) FROM block"), 3);
	assert_true(verify(p).ok);
	assert_int_equal(verify(p).events_checked, 12);
}

static void change(struct place *p, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

/* Every change of rows or schema, with the first event of the block that must be named. */
static const struct {
	const char *sql;
	uint64_t bad;	  /* 0: no event in particular */
	const char *word; /* part of the sentence */
} changes[] = {
	{ "UPDATE file SET path='/tmp/0ne' WHERE seq=3", 1, "not what was sealed" },
	{ "UPDATE file SET path=NULL WHERE seq=12-2", 10, "not what was sealed" },
	{ "UPDATE file SET path='' WHERE seq=3", 1, "not what was sealed" },
	{ "UPDATE file SET path=CAST(path AS BLOB) WHERE seq=3", 0, "never written" },
	{ "UPDATE file SET path=CAST(path AS TEXT) WHERE seq=5", 0, "never written" },
	{ "UPDATE file SET existed=1 WHERE seq=7", 6, "not what was sealed" },
	{ "UPDATE file SET existed=0.5 WHERE seq=7", 0, "never written" },
	{ "UPDATE file SET existed='no' WHERE seq=7", 0, "never written" },
	{ "UPDATE file SET proc=2 WHERE seq=7", 6, "not what was sealed" },
	{ "UPDATE file SET run=2 WHERE seq=7", 6, "not what was sealed" },
	{ "UPDATE file SET t=t+1 WHERE seq=7", 6, "not what was sealed" },
	{ "UPDATE file SET t=-1 WHERE seq=7", 0, "never written" },
	{ "UPDATE socket SET port=443", 6, "not what was sealed" },
	{ "UPDATE process SET pid=4 WHERE seq=2", 1, "not what was sealed" },
	{ "UPDATE run_begin SET wall_ns=wall_ns+1", 1, "not what was sealed" },
	{ "UPDATE file SET path=zeroblob(5000000) WHERE seq=3", 0, "never written" },
	{ "DELETE FROM file WHERE seq=4", 1, "event 4 was removed" },
	{ "DELETE FROM run_begin", 1, "event 1 was removed" },
	{ "DELETE FROM run_end", 10, "event 12 was removed" },
	{ "INSERT INTO file(seq,t,run,proc,op) VALUES(13,1,1,1,'create')", 13, "13 was added" },
	{ "INSERT INTO gap(seq,t,run,proc) VALUES(4,1,1,1)", 1, "two events 4" },
	{ "INSERT INTO mark(seq,t,run,proc) VALUES(0,1,1,1)", 1, "two events 0" },
	{ "INSERT INTO mark(seq,t,run,proc) VALUES(-5,1,1,1)", 0, "never written" },
	{ "UPDATE file SET seq=99 WHERE seq=3; UPDATE file SET seq=3 WHERE seq=4;"
	  "UPDATE file SET seq=4 WHERE seq=99",
	  1, "not what was sealed" },
	{ "INSERT INTO module(seq,t,run,proc,path) SELECT seq,t,run,proc,path FROM file WHERE "
	  "seq=3; DELETE FROM file WHERE seq=3",
	  1, "not what was sealed" },
	{ "UPDATE block SET hash=zeroblob(32) WHERE nr=2", 6, "not what was sealed" },
	{ "UPDATE block SET hash=x'00' WHERE nr=2", 6, "never written" },
	{ "UPDATE block SET prev_hash=zeroblob(32) WHERE nr=2", 6, "does not follow" },
	{ "UPDATE block SET signature=zeroblob(64) WHERE nr=2", 6, "signature of block 2" },
	{ "UPDATE block SET key=zeroblob(32) WHERE nr=2", 6, "not what was sealed" },
	{ "UPDATE block SET wall_ns=wall_ns+1 WHERE nr=1", 1, "not what was sealed" },
	{ "UPDATE block SET last_proc=77 WHERE nr=3", 10, "not what was sealed" },
	{ "UPDATE block SET last_seq=10 WHERE nr=2", 6, "not what was sealed" },
	{ "UPDATE block SET last_seq=9000000000000000000 WHERE nr=3", 10, "removed" },
	{ "UPDATE block SET first_seq=7 WHERE nr=2", 6, "does not follow" },
	{ "UPDATE block SET nr=7 WHERE nr=2", 6, "block 2 was removed" },
	{ "DELETE FROM block WHERE nr=1", 1, "block 1 was removed" },
	{ "DELETE FROM block WHERE nr=2", 6, "block 2 was removed" },
	{ "DELETE FROM block", 1, "event 1 was added" },
	{ "INSERT INTO block SELECT 4,13,13,1,1,1,hash,hash,key,signature FROM block WHERE nr=3",
	  13, "removed" },
	{ "DELETE FROM block WHERE nr=3; DELETE FROM file WHERE seq>9; DELETE FROM process WHERE "
	  "seq>9; DELETE FROM run_end",
	  10, "was cut" },
	{ "UPDATE meta SET value='x' WHERE key='created_ns'", 1, "does not follow" },
	{ "UPDATE meta SET value='1' WHERE key='id'", 1, "does not follow" },
	{ "INSERT INTO meta VALUES('note','harmless')", 1, "does not follow" },
	{ "DELETE FROM meta WHERE key='written_by'", 1, "does not follow" },
	{ "DROP VIEW events", 0, "view 'events' was removed" },
	{ "DROP VIEW file_event; CREATE VIEW file_event AS SELECT 1", 0,
	  "view 'file_event' was changed" },
	{ "CREATE TABLE extra(x)", 0, "table 'extra' was added" },
	{ "CREATE VIEW extra AS SELECT 1", 0, "view 'extra' was added" },
	{ "CREATE TRIGGER extra AFTER INSERT ON file BEGIN DELETE FROM file; END", 0,
	  "trigger 'extra' was added" },
	{ "CREATE INDEX extra ON file(path)", 0, "index 'extra' was added" },
	{ "DROP INDEX process_by_proc", 0, "index 'process_by_proc' was removed" },
	{ "ALTER TABLE file RENAME COLUMN path TO route", 0, "" },
	{ "PRAGMA writable_schema=1; UPDATE sqlite_schema SET sql=replace(sql,'t INTEGER','t "
	  "TEXT') WHERE name='file'",
	  0, "table 'file' was changed" },
	{ "PRAGMA writable_schema=1; UPDATE sqlite_schema SET rootpage=(SELECT rootpage FROM "
	  "sqlite_schema WHERE name='signal') WHERE name='socket'",
	  0, "" },
	{ "PRAGMA writable_schema=1; UPDATE sqlite_schema SET rootpage=(SELECT rootpage FROM "
	  "sqlite_schema WHERE name='process_by_pid') WHERE name='process_by_proc'",
	  0, "damaged" },
	{ "PRAGMA user_version=2", 0, "format 2" },
	{ "PRAGMA application_id=1", 0, "no journal of belljar" },
};

static void test_every_change_of_rows_or_schema_is_found(void **state)
{
	struct place *p = *state;
	cleanup_free char *whole = NULL;
	size_t n;

	make_sealed(p);
	assert_int_equal(read_file_at(p->dirfd, "journal.db", 1 << 20, &whole, &n), 0);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct journal_verdict v;

		change(p, changes[i].sql);
		v = verify(p);
		if (v.ok)
			fail_msg("not found: %s", changes[i].sql);
		if (!strstr(v.sentence, changes[i].word))
			fail_msg("%s: said: %s", changes[i].sql, v.sentence);
		if (changes[i].bad && v.first_bad_seq != changes[i].bad)
			fail_msg("%s: event %llu named", changes[i].sql,
				 (unsigned long long)v.first_bad_seq);
		assert_int_equal(write_file_at(p->dirfd, "journal.db", 0600, whole, n), 0);
		v = verify(p);
		if (!v.ok)
			fail_msg("after %s: %s", changes[i].sql, v.sentence);
	}
}

/* ---- bytes of the file -------------------------------------------------------------------- */

/* All that a query can see: the schema, every row of every table, the identifying pragmas. */
static int dump(const char *path, uint8_t out[SHA256_LEN])
{
	struct sha256 *h = sha256_new();
	sqlite3_stmt *names = NULL, *st = NULL;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(
			db,
			"SELECT 'SELECT * FROM \"'||name||'\"' FROM sqlite_schema "
			"WHERE type='table' UNION ALL SELECT 'SELECT "
			"type,name,tbl_name,sql FROM sqlite_schema' UNION ALL SELECT "
			"'PRAGMA user_version' UNION ALL SELECT 'PRAGMA "
			"application_id'",
			-1, &names, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(names)) == SQLITE_ROW) {
		rc = sqlite3_prepare_v2(db, (const char *)sqlite3_column_text(names, 0), -1, &st,
					NULL);
		while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
			for (int i = 0; i < sqlite3_column_count(st); i++) {
				int type = sqlite3_column_type(st, i);
				const void *v = sqlite3_column_blob(st, i);

				sha256_add(h, &type, sizeof(type));
				sha256_add(h, v, (size_t)sqlite3_column_bytes(st, i));
			}
			rc = SQLITE_OK;
		}
		sqlite3_finalize(st);
		if (rc == SQLITE_DONE)
			rc = SQLITE_OK;
	}
	sqlite3_finalize(names);
	sqlite3_close(db);
	sha256_end(h, out);
	sha256_free(h);
	return rc == SQLITE_DONE ? 0 : -1;
}

static void test_a_changed_byte_is_found_or_changes_nothing_that_can_be_read(void **state)
{
	struct place *p = *state;
	cleanup_free char *whole = NULL;
	uint8_t before[SHA256_LEN], after[SHA256_LEN];
	size_t n, harmless = 0;

	make_sealed(p);
	assert_int_equal(read_file_at(p->dirfd, "journal.db", 1 << 20, &whole, &n), 0);
	assert_int_equal(dump(p->db, before), 0);
	srand(7);
	for (int round = 0; round < 4000; round++) {
		/* every byte of the first page's header, then anywhere that is not zero */
		size_t at = round < 100 ? (size_t)round : (size_t)rand() % n;
		char was = whole[at];
		struct journal_verdict v;
		struct err err;

		if (round >= 100 && !was && rand() % 16)
			continue;
		whole[at] = (char)(was ^ (1 << rand() % 8));
		assert_int_equal(write_file_at(p->dirfd, "journal.db", 0600, whole, n), 0);
		if (!journal_verify(p->db, p->key, &v, &err) && v.ok) {
			harmless++;
			if (dump(p->db, after) || memcmp(before, after, SHA256_LEN))
				fail_msg("byte %zu (%02x) was changed and not found", at,
					 (unsigned char)was);
		} else {
			assert_true(v.sentence[0]);
		}
		whole[at] = was;
	}
	assert_true(harmless < 1500);
	/* cut short anywhere */
	for (size_t len = 0; len < n; len += 1531) {
		struct journal_verdict v = { 0 };
		struct err err = { 0 };

		assert_int_equal(write_file_at(p->dirfd, "journal.db", 0600, whole, len), 0);
		if (!journal_verify(p->db, p->key, &v, &err))
			assert_false(v.ok);
		assert_true(v.sentence[0] || err.msg[0]);
	}
}

static void test_a_changed_head_is_found(void **state)
{
	struct place *p = *state;
	cleanup_free char *head = NULL;
	struct journal_verdict v;
	size_t n;

	make_sealed(p);
	assert_int_equal(read_file_at(p->dirfd, "journal.head", 1 << 20, &head, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char was = head[i];

		head[i] ^= 1;
		assert_int_equal(write_file_at(p->dirfd, "journal.head", 0600, head, n), 0);
		v = verify(p);
		if (v.ok)
			fail_msg("byte %zu of the head was changed and not found", i);
		head[i] = was;
	}
	assert_int_equal(write_file_at(p->dirfd, "journal.head", 0600, head, n - 1), 0);
	assert_false(verify(p).ok);
	assert_int_equal(unlinkat(p->dirfd, "journal.head", 0), 0);
	v = verify(p);
	assert_false(v.ok);
	assert_non_null(strstr(v.sentence, "journal.head) is missing"));
	assert_int_equal(write_file_at(p->dirfd, "journal.head", 0600, head, n), 0);
	assert_true(verify(p).ok);
}

static void test_a_record_signed_by_another_key_is_not_taken_for_ours(void **state)
{
	struct place *p = *state, other = { 0 };
	struct journal_verdict v;
	struct journal *j;

	place_make_in(&other, "/tmp");
	make_sealed(&other);
	/* ours makes a key, then the other's journal is put in the place of our own */
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	must(p, journal_verify(other.db, p->key, &v, &p->err));
	assert_false(v.ok);
	assert_non_null(strstr(v.sentence, "not signed by this installation"));
	must(p, journal_verify(other.db, NULL, &v, &p->err));
	assert_true(v.ok);
	close(other.dirfd);
	rm_rf_at(AT_FDCWD, other.top);
}

static void test_what_was_cut_off_is_told_when_the_journal_goes_on(void **state)
{
	struct place *p = *state;
	struct journal *j;

	make_sealed(p);
	change(p, "DELETE FROM block WHERE nr=3; DELETE FROM file WHERE seq>9; "
		  "DELETE FROM process WHERE seq>9; DELETE FROM run_end");
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT count FROM gap WHERE source='journal'"), 3);
	assert_true(verify(p).ok);
}

static void test_a_journal_with_a_foreign_schema_is_not_written_to(void **state)
{
	struct place *p = *state;
	struct journal *j = NULL;
	struct err err;

	make_sealed(p);
	change(p, "CREATE TRIGGER extra AFTER INSERT ON file BEGIN DELETE FROM file; END");
	assert_int_equal(journal_open(p->dirfd, p->key, &j, &err), -EBADMSG);
	assert_int_equal(err.exit, EXIT_CORRUPT);
	assert_non_null(strstr(err.msg, "trigger 'extra'"));
}

/* As an older belljar would have left it: fewer tables and columns, another view, signed so. */
static void make_old(struct place *p)
{
	struct chain_key key;
	struct head head;
	cleanup_free char *text = NULL;
	sqlite3 *db;
	size_t n = 0;

	make_sealed(p);
	change(p,
	       "DROP VIEW events; DROP VIEW image_load; DROP VIEW file_event; DROP VIEW process_creation;"
	       "CREATE VIEW file_event AS SELECT path FROM file; DROP TABLE module;"
	       "ALTER TABLE mark DROP COLUMN sha256; ALTER TABLE mark DROP COLUMN path;"
	       "DROP INDEX process_by_pid;"
	       "ALTER TABLE process DROP COLUMN cause");
	must(p, key_load(p->key, &key, &p->err));
	assert_int_equal(read_file_at(p->dirfd, "journal.head", HEAD_MAX, &text, &n), 0);
	assert_int_equal(head_parse(text, n, &head), 0);
	assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
	must(p, schema_hash(db, head.schema, &p->err));
	sqlite3_close(db);
	assert_int_equal(head_make(p->dirfd, &head, &key), 0);
	key_free(&key);
}

static void test_an_older_journal_is_read_verified_and_grows(void **state)
{
	struct place *p = *state;
	struct journal_verdict v;
	struct journal *j;
	struct event ev = { .kind = EV_MODULE, .t = UINT64_MAX, .proc = 1 };

	make_old(p);
	assert_int_equal(events_in(p), 12);
	v = verify(p);
	if (!v.ok)
		fail_msg("%s", v.sentence);
	j = open_journal(p);
	v = verify(p);
	if (!v.ok)
		fail_msg("upgraded: %s", v.sentence);
	ev.v[EV_AT(MODULE, PATH)] = V_Z("/lib/x.so");
	must(p, journal_append(j, &ev, NULL, &p->err));
	must(p, journal_close(j, &p->err));
	assert_int_equal(sql_number(p, "SELECT count(*) FROM image_load"), 1);
	assert_int_equal(sql_number(p, "SELECT count(*) FROM pragma_table_info('mark') WHERE "
				       "name='path'"),
			 1);
	assert_int_equal(sql_number(p, "SELECT count(*) FROM gap"), 0);
	v = verify(p);
	if (!v.ok)
		fail_msg("%s", v.sentence);
	assert_int_equal(v.events_checked, 13);
}

static void test_a_newer_journal_is_refused_with_a_sentence(void **state)
{
	struct place *p = *state;
	struct journal *j = NULL;
	struct journal_reader *r;
	struct chain_key key;
	struct head head;
	cleanup_free char *text = NULL;
	struct err err = { 0 };
	uint64_t count = 0;
	sqlite3 *db;
	size_t n = 0;

	make_sealed(p);
	change(p, "ALTER TABLE mark ADD COLUMN \"later\" TEXT");
	must(p, key_load(p->key, &key, &p->err));
	assert_int_equal(read_file_at(p->dirfd, "journal.head", HEAD_MAX, &text, &n), 0);
	assert_int_equal(head_parse(text, n, &head), 0);
	assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
	must(p, schema_hash(db, head.schema, &p->err));
	sqlite3_close(db);
	assert_int_equal(head_make(p->dirfd, &head, &key), 0);
	key_free(&key);
	assert_int_equal(journal_open(p->dirfd, p->key, &j, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "newer"));
	must(p, journal_read_open(p->db, &r, &p->err));
	assert_int_equal(journal_read(r, NULL, count_events, &count, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "newer"));
	journal_read_close(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		T(test_every_change_of_rows_or_schema_is_found),
		T(test_a_changed_byte_is_found_or_changes_nothing_that_can_be_read),
		T(test_a_changed_head_is_found),
		T(test_a_record_signed_by_another_key_is_not_taken_for_ours),
		T(test_what_was_cut_off_is_told_when_the_journal_goes_on),
		T(test_an_older_journal_is_read_verified_and_grows),
		T(test_a_newer_journal_is_refused_with_a_sentence),
		T(test_a_journal_with_a_foreign_schema_is_not_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
