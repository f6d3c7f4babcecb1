// SPDX-License-Identifier: Apache-2.0
/*
 * reader.c - open a journal read-only
 *
 * Theory of operation
 *
 * Everything is opened, and what OpenSSL is needed for is done, in journal_read_open(): the caller
 * may lock itself down afterwards. One read transaction is held from then on, so that all
 * queries see one state while a writer goes on.
 *
 * The spool is copied *before* the transaction begins: what the writer moves in between is then
 * in both and is passed over by number; the other order could miss events.
 *
 * The file may have been made by an attacker. Nothing in it is trusted: no triggers, no
 * extensions, no functions from views that SQLite does not hold to be harmless, limits on
 * lengths; a row that no event can have made is an error, not a value.
 *
 * Invariant: nothing is written, in the box's folder or elsewhere, except SQLite's own -shm.
 */
#include <libgen.h>
#include <limits.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/openssl.h"
#include "journal/reader.h"
#include "journal/schema.h"
#include "journal/schema_image.h"
#include "journal/store.h"

#define BUSY_MS 5000

/* ---- SQLite ------------------------------------------------------------------------------- */

static int64_t number(struct sqlite3 *db, const char *sql, int64_t none)
{
	sqlite3_stmt *st = NULL;
	int64_t v = none;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) == SQLITE_INTEGER)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

/** enum way - how SQLite is to open the file, from the usual to the last resort */
enum way { WAY_SHARED, WAY_ALONE, WAY_AS_IT_IS, WAYS };

/* Return: SQLite's code of the first real read, which opens all side files. */
static int try_open(const char *path, enum way way, struct sqlite3 **ret)
{
	struct buf uri = { 0 };
	int rc;

	buf_puts(&uri, "file:");
	for (const char *c = path; *c; c++)
		buf_printf(&uri, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
	buf_puts(&uri, way == WAY_AS_IT_IS ? "?immutable=1" : "?mode=ro");
	rc = sqlite3_open_v2(buf_z(&uri), ret,
			     SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
			     way == WAY_ALONE ? "unix-none" : NULL);
	buf_free(&uri);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(*ret, 1);
	sqlite3_busy_timeout(*ret, BUSY_MS);
	db_harden(*ret);
	if (way == WAY_ALONE)
		rc = sqlite3_exec(*ret, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*ret,
				  "PRAGMA query_only=1; BEGIN; SELECT count(*) FROM sqlite_schema",
				  NULL, NULL, NULL);
	return rc;
}

static bool has_wal(const char *path)
{
	cleanup_free char *wal = xasprintf("%s-wal", path);
	struct stat st;

	return !stat(wal, &st) && st.st_size > 0;
}

/*
 * A WAL file needs a shared index beside it. Where that cannot be made (read-only media, somebody
 * else's folder), SQLite keeps the index in memory if nobody else may come: without locks, in
 * exclusive mode. A live writer always has made the index, so this is for files at rest.
 *
 * Killed while it changed the file to or from WAL mode, a writer leaves a rollback journal of one
 * page, the header, which only a writer may play back. Both headers are right for what is there,
 * so the file is read as it is.
 */
static int open_db(const char *path, struct sqlite3 **ret, struct err *err)
{
	int rc = SQLITE_CANTOPEN;

	for (int way = 0; way < WAYS; way++) {
		if (way == WAY_AS_IT_IS && has_wal(path))
			break;
		sqlite3_close(*ret);
		*ret = NULL;
		rc = try_open(path, (enum way)way, ret);
		if ((rc & 0xff) != SQLITE_CANTOPEN && (rc & 0xff) != SQLITE_READONLY)
			break;
	}
	return rc == SQLITE_OK ? 0 : db_fail(*ret, rc, "open the journal", err);
}

/* Each event is read from a table: a view in its place could give rows without end, and every
 * rule would wait for as long as it may. */
static int no_views_for_tables(struct sqlite3 *db, const char *path, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type='view'", -1, &st,
			       NULL) != SQLITE_OK)
		return db_fail(db, SQLITE_CORRUPT, "read the journal's schema", err);
	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		enum event_kind kind = name ? event_kind_by_name(name) : EV_NONE;

		if (kind != EV_NONE)
			rc = err_set_exit(err, EXIT_CORRUPT, EBADMSG,
					  "journal: '%s' has no table '%s', but a view", path,
					  event_kind_def(kind)->name);
	}
	sqlite3_finalize(st);
	return rc;
}

static int check_kind(struct sqlite3 *db, const char *path, struct err *err)
{
	int64_t format = number(db, "PRAGMA user_version", -1);

	if (number(db, "PRAGMA application_id", -1) != JOURNAL_APPLICATION_ID)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' is no journal of belljar", path);
	if (format != JOURNAL_FORMAT)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: '%s' has format %lld, this belljar reads %d", path,
				    (long long)format, JOURNAL_FORMAT);
	return no_views_for_tables(db, path, err);
}

static void read_meta_id(struct journal_reader *r)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(r->db, "SELECT value FROM meta WHERE key='id'", -1, &st, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 0) == 2 * ID_LEN)
		(void)hex_decode((const char *)sqlite3_column_text(st, 0), 2 * ID_LEN, r->id);
	sqlite3_finalize(st);
}

static void take_blob(sqlite3_stmt *st, int col, uint8_t *out, size_t n)
{
	if (sqlite3_column_bytes(st, col) == (int)n)
		memcpy(out, sqlite3_column_blob(st, col), n);
}

static int read_last_block(struct journal_reader *r, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(r->db,
				    "SELECT nr,last_seq,hash,key FROM block ORDER BY nr DESC "
				    "LIMIT 1",
				    -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		r->last.nr = (uint64_t)sqlite3_column_int64(st, 0);
		r->last.last_seq = (uint64_t)sqlite3_column_int64(st, 1);
		take_blob(st, 2, r->last.hash, SHA256_LEN);
		take_blob(st, 3, r->last.key, KEY_LEN);
		r->last_seq = r->last.last_seq;
		rc = SQLITE_DONE;
	}
	rc = rc == SQLITE_DONE ? 0 : db_fail(r->db, rc, "read the table 'block'", err);
	sqlite3_finalize(st);
	return rc;
}

/* ---- the spool ---------------------------------------------------------------------------- */

bool left_next(struct spool_view *view, uint64_t after_seq, struct event *ret)
{
	const uint8_t *p;
	size_t n;

	while (spool_next(view, &p, &n) == SPOOL_RECORD && !event_decode(p, n, ret))
		if (ret->seq > after_seq)
			return true;
	return false;
}

/* Cuts the view to the events that continue the file. */
static void find_left(struct journal_reader *r)
{
	struct spool_view at = r->left;
	uint64_t next = r->last_seq + 1;
	struct event ev;

	for (;;) {
		struct spool_view before = at;

		if (!left_next(&at, r->last_seq, &ev) || ev.seq != next) {
			r->left_torn = before.from != r->left.to && at.from != at.to;
			r->left.to = before.from;
			return;
		}
		next++;
		r->left_count++;
	}
}

static int read_spool(struct journal_reader *r, int dirfd, uint8_t id[ID_LEN])
{
	cleanup_close int fd = openat(dirfd, SPOOL_NAME,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -EBADMSG;
	return spool_copy(fd, id, &r->copy, &r->left, &r->live);
}

/* Takes @image, of sqlite3_malloc(), as the content of a handle in memory. */
static int load(struct sqlite3 **ret, uint8_t *image, int64_t size)
{
	int rc = sqlite3_open_v2(":memory:", ret,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);

	if (rc != SQLITE_OK) {
		sqlite3_free(image);
		return rc;
	}
	image[18] = image[19] = 1; /* memory has no WAL */
	return sqlite3_deserialize(*ret, "main", image, size, size,
				   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
}

/* What is left in the spool, as rows; from then on the handle is for reading. */
static int add_left(struct journal_reader *r, struct sqlite3 *db)
{
	sqlite3_stmt *insert[EVENT_KINDS] = { 0 };
	struct spool_view at = r->left;
	struct event ev;
	int rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);

	while (rc == SQLITE_OK && left_next(&at, r->last_seq, &ev)) {
		sqlite3_stmt **st = &insert[ev.kind];

		if (!*st) {
			cleanup_free char *sql = schema_insert_sql(event_kind_def(ev.kind));

			rc = sqlite3_prepare_v2(db, sql, -1, st, NULL);
		}
		if (rc == SQLITE_OK)
			rc = event_insert(*st, &ev);
	}
	for (int k = 0; k < EVENT_KINDS; k++)
		sqlite3_finalize(insert[k]);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT; PRAGMA query_only=1", NULL, NULL, NULL);
	db_harden(db);
	return rc;
}

/* No file yet (a run that just began, or was killed at once): the same tables, in memory. */
static int build_in_memory(struct journal_reader *r, struct err *err)
{
	uint8_t *image = sqlite3_malloc64(schema_image_size);
	int rc = image ? SQLITE_OK : SQLITE_NOMEM;

	if (image) {
		memcpy(image, schema_image, schema_image_size);
		rc = load(&r->db, image, (int64_t)schema_image_size);
	}
	if (rc == SQLITE_OK)
		rc = add_left(r, r->db);
	if (rc != SQLITE_OK)
		return db_fail(r->db, rc, "read the spool", err);
	r->in_memory = true;
	r->left = (struct spool_view){ 0 };
	return 0;
}

int journal_read_gather(struct journal_reader *r, struct err *err)
{
	struct sqlite3 *db = NULL;
	sqlite3_int64 size = 0;
	uint8_t *image;
	int rc;

	if (r->left.from == r->left.to ||
	    number(r->db, "SELECT page_count*page_size FROM pragma_page_count, pragma_page_size",
		   INT64_MAX) > GATHER_MAX)
		return 0;
	image = sqlite3_serialize(r->db, "main", &size, 0);
	rc = image ? load(&db, image, size) : SQLITE_NOMEM;
	if (rc == SQLITE_OK && r->older)
		rc = schema_upgrade(db);
	if (rc == SQLITE_OK)
		rc = add_left(r, db);
	if (rc != SQLITE_OK) {
		rc = db_fail(db, rc, "read the spool", err);
		sqlite3_close(db);
		return rc;
	}
	sqlite3_close(r->db);
	r->db = db;
	r->left = (struct spool_view){ 0 };
	return 0;
}

/* ---- head --------------------------------------------------------------------------------- */

static void read_head(struct journal_reader *r, int dirfd)
{
	cleanup_free char *text = NULL;
	size_t n = 0;
	int rc = read_file_at(dirfd, HEAD_NAME, HEAD_MAX, &text, &n);

	if (!rc)
		rc = head_parse(text, n, &r->head);
	if (rc)
		r->head_state = rc == -EBADMSG || rc == -EFBIG ? HEAD_DAMAGED
				: rc == -EKEYREJECTED	       ? HEAD_FORGED
							       : HEAD_MISSING;
	else if (memcmp(r->head.id, r->id, ID_LEN))
		r->head_state = HEAD_OTHER;
	else
		r->head_state = HEAD_RIGHT;
}

static int look_at_schema(struct journal_reader *r, struct err *err)
{
	uint8_t hash[SHA256_LEN];
	int rc = schema_hash(r->db, hash, err);

	r->older = !rc && r->head_state == HEAD_RIGHT &&
		   memcmp(hash, schema_image_hash, SHA256_LEN) &&
		   !memcmp(hash, r->head.schema, SHA256_LEN);
	return rc;
}

/* Whether the last run has an end, in SQLite or in the spool. */
static bool is_cut(struct journal_reader *r)
{
	int64_t begun = number(r->db, "SELECT run FROM run_begin ORDER BY seq DESC LIMIT 1", 0);
	int64_t ended = number(r->db, "SELECT run FROM run_end ORDER BY seq DESC LIMIT 1", 0);
	struct spool_view at = r->left;
	struct event ev;

	while (left_next(&at, r->last_seq, &ev)) {
		if (ev.kind == EV_RUN_BEGIN)
			begun = ev.run;
		else if (ev.kind == EV_RUN_END)
			ended = ev.run;
	}
	return begun > ended;
}

int journal_head(struct journal_reader *r, struct journal_head *ret, struct err *err UNUSED)
{
	struct journal_head h = { .events = r->last.last_seq, .blocks = r->last.nr };

	hex_encode(r->last.hash, SHA256_LEN, h.hash);
	hex_encode(r->head_state == HEAD_RIGHT ? r->head.key : r->last.key, KEY_LEN, h.key);
	/* killed between commit and head, the head is one block behind: the block is signed too,
	 * and verify tells; here only what covers all of it counts */
	h.is_signed = r->head_state == HEAD_RIGHT && r->head.blocks == r->last.nr &&
		      !memcmp(r->head.hash, r->last.hash, SHA256_LEN);
	h.cut = r->cut;
	h.unsealed = r->left_count;
	*ret = h;
	return 0;
}

struct sqlite3 *journal_db(struct journal_reader *r)
{
	return r->db;
}

/* ---- open --------------------------------------------------------------------------------- */

static int open_folder(const char *path, int *ret, struct err *err)
{
	cleanup_free char *copy = xstrdup(path);

	*ret = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_set_exit(err, errno == ENOENT ? EXIT_NO_BOX : EXIT_UNREADABLE, errno,
				       "journal: open '%s'", path)
			: 0;
}

/* Return: 0 with *ret_there, or -errno */
static int look_at_file(const char *path, bool *ret_there, struct err *err)
{
	struct stat st;

	*ret_there = !stat(path, &st);
	if (!*ret_there)
		return errno == ENOENT ? 0
				       : err_set_exit(err, EXIT_UNREADABLE, errno,
						      "journal: open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG, "journal: '%s' is no regular file",
				    path);
	*ret_there = st.st_size > 0;
	if (*ret_there && access(path, R_OK))
		return err_set_exit(err, EXIT_UNREADABLE, errno, "journal: open '%s'", path);
	return 0;
}

static int open_all(struct journal_reader *r, const char *path, struct err *err)
{
	cleanup_close int dirfd = -1;
	uint8_t spool_id[ID_LEN] = { 0 };
	int spool_rc, rc;
	bool there;

	rc = open_folder(path, &dirfd, err);
	if (!rc)
		rc = look_at_file(path, &there, err);
	if (rc)
		return rc;
	spool_rc = read_spool(r, dirfd, spool_id);
	if (there) {
		rc = open_db(path, &r->db, err);
		if (rc)
			return rc;
		/* the writer was killed before it had said which journal this is */
		there = number(r->db, "SELECT count(*) FROM meta", 1) > 0;
		if (!there) {
			sqlite3_close(r->db);
			r->db = NULL;
		}
	}
	if (!there) {
		if (spool_rc == -ENOENT)
			return err_set_exit(err, EXIT_NO_BOX, ENOENT, "journal: open '%s'", path);
		if (spool_rc)
			return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
					    "journal: '%s' beside '%s' is damaged", SPOOL_NAME,
					    path);
		memcpy(r->id, spool_id, ID_LEN);
		find_left(r);
		rc = build_in_memory(r, err);
	} else {
		rc = check_kind(r->db, path, err);
		if (!rc)
			rc = read_last_block(r, err);
		read_meta_id(r);
		if (spool_rc || memcmp(spool_id, r->id, ID_LEN))
			r->left = (struct spool_view){ 0 };
		r->left_torn = spool_rc && spool_rc != -ENOENT;
		find_left(r);
	}
	if (rc)
		return rc;
	read_head(r, dirfd);
	rc = look_at_schema(r, err);
	if (rc)
		return rc;
	r->cut = is_cut(r);
	return 0;
}

static char *sqlite_quoted(const char *fmt, const char *a, const char *b)
{
	char *z = sqlite3_mprintf(fmt, a, b), *copy = xstrdup(z ? z : "");

	sqlite3_free(z);
	return copy;
}

int journal_read_open(const char *path, struct journal_reader **ret_r, struct err *err)
{
	struct journal_reader *r = xcalloc(1, sizeof(*r));
	int rc = 0;

	/* before the process is locked down; without it no signature could be judged */
	if (!openssl_load(err))
		rc = -EIO;
	if (!rc)
		rc = open_all(r, path, err);
	if (rc) {
		journal_read_close(r);
		return rc;
	}
	*ret_r = r;
	return 0;
}

int journal_read_empty(struct journal_reader **ret_r, struct err *err)
{
	struct journal_reader *r = xcalloc(1, sizeof(*r));
	int rc = build_in_memory(r, err);

	if (rc) {
		journal_read_close(r);
		return rc;
	}
	*ret_r = r;
	return 0;
}

int journal_read_attach(struct journal_reader *r, const char *path, const char *schema,
			struct err *err)
{
	struct journal_reader *other = NULL;
	cleanup_free char *file = xasprintf("file:%s", path);
	cleanup_free char *sql = sqlite_quoted("ATTACH %Q AS %Q", file, schema);
	int rc = journal_read_open(path, &other, err); /* says well what is wrong with it */

	if (rc)
		return rc;
	journal_read_close(other);
	if (strpbrk(path, "?#%"))
		return err_set_exit(err, EXIT_UNREADABLE, EINVAL, "journal: attach '%s'", path);
	sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 1);
	rc = sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK || sqlite3_get_autocommit(r->db))
		rc = sqlite3_exec(r->db, sql, NULL, NULL, NULL);
	sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 0);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_fail(r->db, rc, "attach the other journal", err);
}

void journal_read_close(struct journal_reader *r)
{
	if (!r)
		return;
	sqlite3_close(r->db);
	free(r->copy);
	free(r);
}
