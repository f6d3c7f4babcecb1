// SPDX-License-Identifier: Apache-2.0
/*
 * store.c - blocks of events into SQLite, chained and signed
 *
 * Theory of operation
 *
 * One block is one transaction: its rows and its row in `block`, which holds the hash over the
 * rows' canonical bytes and the hash of the block before. So a block is in the file as a whole or
 * not at all. After the commit the head file is rewritten in place; killed between the two, the
 * head is one block behind, which is a state that a verifier accepts (the block is signed too).
 *
 * The file is in WAL mode while it is written, so that readers do not stop the writer, and
 * becomes a plain file (no side files) when it is closed: it can then be copied, and be read on
 * media that cannot be written.
 *
 * What is protected first is the record against the death of the process, for which the page cache
 * is enough; fsync() is for power cuts. A run of less than DURABLE_AFTER_NS does not pay for it. A
 * longer one does, where its cost is lost in its length: when the WAL is folded into the file, and
 * at the end (synchronous NORMAL). doc/JOURNAL.md, "Power cut".
 *
 * Invariant: rows of a block are inserted in the order of their numbers, without gaps.
 */
#include <sqlite3.h>
#include <sys/stat.h>

#include "journal/schema.h"
#include "journal/schema_image.h"
#include "journal/store.h"

#define DURABLE_AFTER_NS (2 * NSEC_PER_SEC)
#define BUSY_MS		 30000 /* a reader of a closed journal may hold it for so long */

struct store {
	sqlite3 *db;
	sqlite3_stmt *insert[EVENT_KINDS];
	sqlite3_stmt *insert_block;
	struct chain_key key;
	struct sha256 *sha;
	struct block last;
	struct head head;
	int head_fd;
	uint64_t opened;
	bool upgraded;	  /* the head has to sign the new schema */
	bool durable;	  /* synchronous is NORMAL */
	uint8_t *scratch; /* u32 length and a renumbered event */
};

bool store_exists(int dirfd)
{
	struct stat st;

	return !fstatat(dirfd, DB_NAME, &st, AT_SYMLINK_NOFOLLOW) && st.st_size > 0;
}

const struct block *store_last(const struct store *s)
{
	return &s->last;
}

/* ---- opening ------------------------------------------------------------------------------ */

static int exec(struct store *s, const char *sql, const char *what, struct err *err)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(s->db, rc, what, err);
}

static int open_db(struct store *s, int dirfd, struct err *err)
{
	char path[64];
	int fd, rc;

	fd = openat(dirfd, DB_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return err_set(err, errno, "journal: open '%s'", DB_NAME);
	if (fd < 0 || !lseek(fd, 0, SEEK_END)) {
		/* whole under another name first: there is never half an image */
		rc = write_file_at(dirfd, DB_NAME, 0600, schema_image, schema_image_size);
		if (rc) {
			cleanup_close_p(&fd);
			return err_set(err, rc, "journal: make '%s'", DB_NAME);
		}
	}
	cleanup_close_p(&fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, DB_NAME);
	rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s->db, rc, "open '" DB_NAME "'", err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	db_harden(s->db);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	return exec(
		s,
		"PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4096",
		"set up '" DB_NAME "'", err);
}

/* A number from the file, -1 when there is none. */
static int64_t number(struct store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int begin_meta(struct store *s, const uint8_t id[ID_LEN], struct err *err)
{
	char sql[512], id_hex[2 * ID_LEN + 1], key_hex[2 * KEY_LEN + 1];
	int rc;

	hex_encode(id, ID_LEN, id_hex);
	hex_encode(s->key.pub, KEY_LEN, key_hex);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO meta VALUES('created_ns','%llu'),('format','%d'),('id','%s'),"
		 "('public_key','%s'),('written_by','belljar %s')",
		 (unsigned long long)clock_real_ns(), JOURNAL_FORMAT, id_hex, key_hex,
		 BELLJAR_VERSION);
	rc = exec(s, sql, "write the table 'meta'", err);
	memcpy(s->head.id, id, ID_LEN);
	return rc;
}

static bool column_bytes(sqlite3_stmt *st, int col, uint8_t *out, size_t n)
{
	if (sqlite3_column_type(st, col) != SQLITE_BLOB || sqlite3_column_bytes(st, col) != (int)n)
		return false;
	memcpy(out, sqlite3_column_blob(st, col), n);
	return true;
}

static int read_last(struct store *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db,
				    "SELECT nr,last_seq,last_run,last_proc,hash FROM block "
				    "ORDER BY nr DESC LIMIT 1",
				    -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		s->last.nr = (uint64_t)sqlite3_column_int64(st, 0);
		s->last.last_seq = (uint64_t)sqlite3_column_int64(st, 1);
		s->last.last_run = (uint64_t)sqlite3_column_int64(st, 2);
		s->last.last_proc = (uint64_t)sqlite3_column_int64(st, 3);
		rc = column_bytes(st, 4, s->last.hash, SHA256_LEN) && s->last.nr < INT64_MAX &&
				     s->last.last_seq < INT64_MAX &&
				     s->last.last_run < UINT32_MAX && s->last.last_proc < UINT32_MAX
			     ? SQLITE_DONE
			     : SQLITE_CORRUPT;
	} else if (rc == SQLITE_DONE) {
		sqlite3_finalize(st);
		return genesis(s->db, s->last.hash, err);
	}
	rc = rc == SQLITE_DONE ? 0 : db_fail(s->db, rc, "read the table 'block'", err);
	sqlite3_finalize(st);
	return rc;
}

static int read_id(struct store *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = -EBADMSG;

	if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key='id'", -1, &st, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 0) == 2 * ID_LEN)
		rc = hex_decode((const char *)sqlite3_column_text(st, 0), 2 * ID_LEN, s->head.id);
	sqlite3_finalize(st);
	if (rc)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' has no identity in its table 'meta'", DB_NAME);
	return 0;
}

/* Whether the head has signed the schema as it is: then an older belljar made it. */
static bool signed_schema(struct store *s, int dirfd)
{
	cleanup_free char *text = NULL;
	uint8_t hash[SHA256_LEN];
	struct head h;
	size_t n = 0;

	return !read_file_at(dirfd, HEAD_NAME, HEAD_MAX, &text, &n) && !head_parse(text, n, &h) &&
	       !schema_hash(s->db, hash, NULL) && !memcmp(hash, h.schema, SHA256_LEN);
}

static int upgrade(struct store *s, struct err *err)
{
	char what[256] = "";
	int rc = exec(s, "BEGIN IMMEDIATE", "begin to upgrade the tables", err), db_rc;

	if (rc)
		return rc;
	db_rc = schema_upgrade(s->db);
	rc = db_rc == SQLITE_OK ? schema_check(s->db, what, sizeof(what), err)
				: db_fail(s->db, db_rc, "upgrade the tables", err);
	if (rc == -EBADMSG && what[0])
		err_set_exit(err, EXIT_CORRUPT, EBADMSG,
			     "journal: '%s' was made by a newer or another belljar: %s", DB_NAME,
			     what);
	if (!rc)
		rc = exec(s, "COMMIT", "upgrade the tables", err);
	if (rc)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->upgraded = !rc;
	return rc;
}

static int check_there(struct store *s, int dirfd, struct err *err)
{
	char what[256];
	int rc;

	if (number(s, "PRAGMA application_id") != JOURNAL_APPLICATION_ID)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' is no journal of belljar", DB_NAME);
	if (number(s, "PRAGMA user_version") != JOURNAL_FORMAT)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' has format %lld, this belljar writes %d",
				    DB_NAME, (long long)number(s, "PRAGMA user_version"),
				    JOURNAL_FORMAT);
	rc = schema_check(s->db, what, sizeof(what), err);
	if (rc == -EBADMSG && signed_schema(s, dirfd))
		return upgrade(s, err);
	if (rc == -EBADMSG)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG, "journal: '%s': %s", DB_NAME, what);
	return rc;
}

static void fill_head(struct store *s)
{
	s->head.events = s->last.last_seq;
	s->head.blocks = s->last.nr;
	s->head.wall_ns = clock_real_ns();
	memcpy(s->head.hash, s->last.hash, SHA256_LEN);
}

static int write_head(struct store *s, struct err *err)
{
	int rc;

	fill_head(s);
	rc = head_write(s->head_fd, &s->head, &s->key);
	return rc ? err_set(err, rc, "journal: write '%s'", HEAD_NAME) : 0;
}

/* The head tells of blocks that are not here any more, or is itself not here: the caller puts
 * that into the record; a head that does not fit is replaced by one of what there is. */
static int open_head(struct store *s, int dirfd, struct store_found *found, struct err *err)
{
	cleanup_free char *text = NULL;
	struct head old;
	size_t n = 0;
	int rc = read_file_at(dirfd, HEAD_NAME, HEAD_MAX, &text, &n);

	if (!rc)
		rc = head_parse(text, n, &old);
	if (!rc && !memcmp(old.id, s->head.id, ID_LEN)) {
		found->head_events = old.events;
	} else {
		found->head_missing = s->last.nr > 0;
		fill_head(s);
		rc = head_make(dirfd, &s->head, &s->key);
		if (rc)
			return err_set(err, rc, "journal: make '%s'", HEAD_NAME);
	}
	s->head_fd = openat(dirfd, HEAD_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->head_fd < 0)
		return err_set(err, errno, "journal: open '%s'", HEAD_NAME);
	return 0;
}

static int open_all(struct store *s, int dirfd, const char *keydir, const uint8_t id[ID_LEN],
		    struct store_found *found, struct err *err)
{
	int rc = keydir ? key_load(keydir, &s->key, err) : 0;

	if (!rc)
		rc = open_db(s, dirfd, err);
	if (rc)
		return rc;
	memcpy(s->head.key, s->key.pub, KEY_LEN);
	rc = check_there(s, dirfd, err);
	/* meta is written in one statement: empty, or whole */
	if (!rc && number(s, "SELECT count(*) FROM meta") == 0)
		rc = begin_meta(s, id, err);
	else if (!rc)
		rc = read_id(s, err);
	if (!rc)
		rc = schema_hash(s->db, s->head.schema, err);
	if (!rc)
		rc = read_last(s, err);
	if (!rc)
		rc = open_head(s, dirfd, found, err);
	if (!rc && s->upgraded && found->head_events <= s->last.last_seq)
		rc = write_head(s, err);
	memcpy(found->id, s->head.id, ID_LEN);
	found->last = s->last;
	return rc;
}

int store_open(int dirfd, const char *keydir, const uint8_t id[ID_LEN], struct store **ret,
	       struct store_found *ret_found, struct err *err)
{
	struct store_found found = { 0 };
	struct store *s = xcalloc(1, sizeof(*s));
	int rc;

	s->opened = clock_mono_ns();
	s->head_fd = -1;
	s->sha = sha256_new();
	rc = open_all(s, dirfd, keydir, id, &found, err);
	if (rc) {
		store_close(s, false);
		return rc;
	}
	*ret_found = found;
	*ret = s;
	return 0;
}

static void care_for_power_cuts(struct store *s)
{
	if (s->durable || clock_mono_ns() - s->opened < DURABLE_AFTER_NS)
		return;
	s->durable =
		sqlite3_exec(s->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) == SQLITE_OK;
}

void store_close(struct store *s, bool whole)
{
	if (!s)
		return;
	for (int k = 0; k < EVENT_KINDS; k++)
		sqlite3_finalize(s->insert[k]);
	sqlite3_finalize(s->insert_block);
	if (s->db && whole) {
		/* a reader in the way keeps it a WAL file, which is as good for all but copying */
		care_for_power_cuts(s);
		sqlite3_busy_timeout(s->db, 0);
		sqlite3_exec(s->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	}
	sqlite3_close(s->db);
	cleanup_close_p(&s->head_fd);
	key_free(&s->key);
	sha256_free(s->sha);
	free(s->scratch);
	free(s);
}

/* ---- writing ------------------------------------------------------------------------------ */

static int insert_stmt(struct store *s, enum event_kind kind, sqlite3_stmt **ret)
{
	cleanup_free char *sql = NULL;

	if (!s->insert[kind]) {
		int rc;

		sql = schema_insert_sql(event_kind_def(kind));
		rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->insert[kind],
					NULL);
		if (rc != SQLITE_OK)
			return rc;
	}
	*ret = s->insert[kind];
	return SQLITE_OK;
}

static int insert_event(struct store *s, const struct event *ev)
{
	sqlite3_stmt *st;
	int rc = insert_stmt(s, ev->kind, &st);

	return rc == SQLITE_OK ? event_insert(st, ev) : rc;
}

static int insert_block(struct store *s, const struct block *b)
{
	sqlite3_stmt *st = s->insert_block;
	const uint64_t n[] = { b->nr,	    b->first_seq, b->last_seq,
			       b->last_run, b->last_proc, b->wall_ns };
	int rc;

	if (!st) {
		rc = sqlite3_prepare_v3(s->db, "INSERT INTO block VALUES(?,?,?,?,?,?,?,?,?,?)", -1,
					SQLITE_PREPARE_PERSISTENT, &s->insert_block, NULL);
		if (rc != SQLITE_OK)
			return rc;
		st = s->insert_block;
	}
	for (int i = 0; i < (int)ARRAY_SIZE(n); i++)
		sqlite3_bind_int64(st, i + 1, (int64_t)n[i]);
	sqlite3_bind_blob(st, 7, b->prev, SHA256_LEN, SQLITE_STATIC);
	sqlite3_bind_blob(st, 8, b->hash, SHA256_LEN, SQLITE_STATIC);
	sqlite3_bind_blob(st, 9, b->key, KEY_LEN, SQLITE_STATIC);
	sqlite3_bind_blob(st, 10, b->sig, SIG_LEN, SQLITE_STATIC);
	rc = sqlite3_step(st);
	return rc == SQLITE_DONE ? sqlite3_reset(st) : (sqlite3_reset(st), rc);
}

/* Bytes for the hash, length first. In the spool the length stands right before the event. */
static const uint8_t *renumbered(struct store *s, struct event *ev, size_t *n)
{
	struct wr w;
	ssize_t len;

	if (!s->scratch)
		s->scratch = xmalloc(EVENT_MAX + 4);
	len = event_encode(ev, s->scratch + 4, EVENT_MAX);
	if (len < 0)
		return NULL;
	w = (struct wr){ s->scratch, s->scratch + 4, false };
	wr_u32(&w, (uint32_t)len);
	*n = (size_t)len;
	return s->scratch + 4;
}

/* All events of one block. Return: 0 or -errno; *b has the block's last numbers. */
static int write_events(struct store *s, struct spool_view *view, bool renumber, struct block *b,
			struct err *err)
{
	uint64_t next = s->last.last_seq + 1;
	const uint8_t *p;
	size_t n;

	b->first_seq = next;
	block_begin(s->sha, b);
	while (renumber || next - b->first_seq < BLOCK_EVENTS_MAX) {
		enum spool_got got = spool_next(view, &p, &n);
		struct event ev;
		int rc;

		if (got == SPOOL_END)
			break;
		if (got == SPOOL_TORN || event_decode(p, n, &ev) || (!renumber && ev.seq > next))
			return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
					    "journal: '%s': event %llu is damaged", SPOOL_NAME,
					    (unsigned long long)next);
		if (ev.seq < next && !renumber)
			continue;
		if (ev.seq != next) {
			ev.seq = next;
			p = renumbered(s, &ev, &n);
			if (!p)
				return err_set(err, EBADMSG, "journal: number an event again");
		}
		rc = insert_event(s, &ev);
		if (rc != SQLITE_OK)
			return db_fail(s->db, rc, "write an event", err);
		block_event(s->sha, p - 4, n + 4);
		if (ev.run > b->last_run)
			b->last_run = ev.run;
		if (ev.proc > b->last_proc)
			b->last_proc = ev.proc;
		b->last_seq = next++;
	}
	return 0;
}

int store_block(struct store *s, struct spool_view *view, bool renumber, struct err *err)
{
	struct block b = s->last;
	struct spool_view at = *view;
	int rc;

	care_for_power_cuts(s);
	rc = exec(s, "BEGIN IMMEDIATE", "begin a block", err);
	if (rc)
		return rc;
	b.nr = s->last.nr + 1;
	b.wall_ns = clock_real_ns();
	memcpy(b.prev, s->last.hash, SHA256_LEN);
	memcpy(b.key, s->key.pub, KEY_LEN);
	rc = write_events(s, &at, renumber, &b, err);
	block_end(s->sha, &b, b.hash);
	if (!rc && b.last_seq == s->last.last_seq) {
		/* all of it was there already: no empty blocks */
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		*view = at;
		return 0;
	}
	if (!rc && key_sign(&s->key, b.hash, SHA256_LEN, b.sig))
		rc = err_set(err, EIO, "journal: sign a block");
	if (!rc) {
		int db_rc = insert_block(s, &b);

		if (db_rc != SQLITE_OK)
			rc = db_fail(s->db, db_rc, "write a block", err);
	}
	if (!rc)
		rc = exec(s, "COMMIT", "write a block", err);
	if (rc) {
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		return rc;
	}
	s->last = b;
	*view = at;
	return write_head(s, err);
}
