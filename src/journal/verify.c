// SPDX-License-Identifier: Apache-2.0
/*
 * verify.c - recompute the chain over all rows, and say what was found in one sentence
 *
 * What is checked, in this order, and why each is needed
 *
 * 1. The schema is the one that belljar makes, or, made by an older one, the one that the head has
 *    signed: a changed view would show other rows to a report.
 * 2. SQLite's own structures are sound, indexes agree with their tables: a query may read either.
 * 3. Every block: its number, its link to the one before, its hash over the canonical bytes of
 *    its rows as they are now, its signature. Rows come merged from all tables by number, so one
 *    that was added, removed, changed, moved or exchanged changes a hash or breaks the numbering.
 * 4. The head file: signed, of this journal, and not ahead of what is here: nothing was cut off.
 * 5. With a key folder: all is signed by that installation's key and no other.
 *
 * Invariant: verdict->ok means that all rows are those that were written, up to events_checked.
 */
#include <sqlite3.h>
#include <stdarg.h>

#include "journal/reader.h"
#include "journal/schema.h"

struct check {
	struct journal_reader *r;
	struct journal_verdict *v;
	struct cursors *rows;
	struct event ev; /* the next row */
	bool have;	 /* there is one */
	struct sha256 *sha;
	uint8_t *bytes;	   /* u32 length and EVENT_MAX */
	struct block prev; /* last block that was right */
	bool by_others;	   /* signed by another key than the given one */
	const uint8_t *must_key;
};

/* A failed check: the sentence, and that is the verdict. Return: 1 */
static int PRINTF(3, 4) bad(struct check *c, uint64_t seq, const char *fmt, ...)
{
	struct err line;
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* err_set() makes control bytes visible: names in a forged schema may hold any */
	err_set(&line, 0, "%s", text);
	c->v->ok = false;
	c->v->first_bad_seq = seq;
	memcpy(c->v->sentence, line.msg, sizeof(c->v->sentence));
	return 1;
}

static int check_schema(struct check *c, struct err *err)
{
	uint8_t hash[SHA256_LEN];
	char what[256] = "";
	int rc = c->r->older ? 0 : schema_check(c->r->db, what, sizeof(what), err);

	if (rc == -EBADMSG && what[0])
		return bad(c, 0, "The journal was changed: in its schema, %s.", what);
	if (!rc)
		rc = schema_hash(c->r->db, hash, err);
	if (!rc && c->r->head_state == HEAD_RIGHT && memcmp(hash, c->r->head.schema, SHA256_LEN))
		return bad(c, 0, "The journal was changed: its schema is not the signed one.");
	return rc;
}

static int check_structure(struct check *c, struct err *err)
{
	static const char *const pragma[] = { "PRAGMA quick_check(1)",
					      "PRAGMA integrity_check(process)" };

	for (size_t i = 0; i < ARRAY_SIZE(pragma); i++) {
		sqlite3_stmt *st = NULL;
		int rc = sqlite3_prepare_v2(c->r->db, pragma[i], -1, &st, NULL);
		const char *said;

		if (rc == SQLITE_OK)
			rc = sqlite3_step(st);
		if (rc != SQLITE_ROW) {
			rc = db_fail(c->r->db, rc, "check the file", err);
			sqlite3_finalize(st);
			return rc;
		}
		said = (const char *)sqlite3_column_text(st, 0) ?: "";
		if (strcmp(said, "ok"))
			bad(c, 0, "The journal's file is damaged: %.200s.", said);
		rc = strcmp(said, "ok") ? 1 : 0;
		sqlite3_finalize(st);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static int next_row(struct check *c, struct err *err)
{
	int rc = cursors_next(c->rows, &c->ev, err);

	c->have = rc > 0;
	return rc < 0 ? rc : 0;
}

static bool get_u64(sqlite3_stmt *st, int col, uint64_t *ret)
{
	*ret = (uint64_t)sqlite3_column_int64(st, col);
	return sqlite3_column_type(st, col) == SQLITE_INTEGER && *ret <= INT64_MAX;
}

static bool get_blob(sqlite3_stmt *st, int col, uint8_t *out, size_t n)
{
	if (sqlite3_column_type(st, col) != SQLITE_BLOB || sqlite3_column_bytes(st, col) != (int)n)
		return false;
	memcpy(out, sqlite3_column_blob(st, col), n);
	return true;
}

static bool get_block(sqlite3_stmt *st, struct block *b)
{
	return get_u64(st, 0, &b->nr) && get_u64(st, 1, &b->first_seq) &&
	       get_u64(st, 2, &b->last_seq) && get_u64(st, 3, &b->last_run) &&
	       get_u64(st, 4, &b->last_proc) && get_u64(st, 5, &b->wall_ns) &&
	       get_blob(st, 6, b->prev, SHA256_LEN) && get_blob(st, 7, b->hash, SHA256_LEN) &&
	       get_blob(st, 8, b->key, KEY_LEN) && get_blob(st, 9, b->sig, SIG_LEN);
}

/* The rows of block @b into the hash. Return: 0; 1 bad; -errno */
static int hash_rows(struct check *c, const struct block *b, struct err *err)
{
	for (uint64_t seq = b->first_seq; seq <= b->last_seq; seq++) {
		struct wr w = { c->bytes, c->bytes + 4, false };
		ssize_t n;
		int rc;

		if (!c->have || c->ev.seq > seq)
			return bad(c, b->first_seq,
				   "The journal was changed: event %llu was removed.",
				   (unsigned long long)seq);
		if (c->ev.seq < seq)
			return bad(c, b->first_seq,
				   "The journal was changed: there are two events %llu.",
				   (unsigned long long)c->ev.seq);
		n = event_encode(&c->ev, c->bytes + 4, EVENT_MAX);
		if (n < 0)
			return bad(c, b->first_seq,
				   "The journal was changed: event %llu is one that "
				   "cannot have been written.",
				   (unsigned long long)seq);
		wr_u32(&w, (uint32_t)n);
		block_event(c->sha, c->bytes, (size_t)n + 4);
		rc = next_row(c, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_block(struct check *c, const struct block *b, struct err *err)
{
	uint64_t first = c->prev.last_seq + 1;
	uint8_t hash[SHA256_LEN];
	int rc;

	if (b->nr != c->prev.nr + 1)
		return bad(c, first, "The journal was changed: block %llu was removed.",
			   (unsigned long long)c->prev.nr + 1);
	if (b->first_seq != first || b->last_seq < first ||
	    memcmp(b->prev, c->prev.hash, SHA256_LEN))
		return bad(c, first,
			   "The journal was changed: block %llu does not follow the one before it.",
			   (unsigned long long)b->nr);
	block_begin(c->sha, b);
	rc = hash_rows(c, b, err);
	block_end(c->sha, b, hash);
	if (rc)
		return rc;
	if (memcmp(hash, b->hash, SHA256_LEN))
		return bad(c, first,
			   "The journal was changed: events %llu to %llu (block %llu) are not what "
			   "was sealed.",
			   (unsigned long long)first, (unsigned long long)b->last_seq,
			   (unsigned long long)b->nr);
	if (!key_verify(b->key, b->hash, SHA256_LEN, b->sig))
		return bad(c, first,
			   "The journal was changed: the signature of block %llu is wrong.",
			   (unsigned long long)b->nr);
	if (c->must_key && memcmp(b->key, c->must_key, KEY_LEN) && !c->by_others) {
		c->by_others = true;
		c->v->first_bad_seq = first;
	}
	c->prev = *b;
	c->v->blocks_checked++;
	c->v->events_checked = b->last_seq;
	return 0;
}

static int check_blocks(struct check *c, struct err *err)
{
	static const struct journal_filter all;
	sqlite3_stmt *st = NULL;
	struct block b;
	int rc = genesis(c->r->db, c->prev.hash, err), db_rc;

	if (!rc)
		rc = cursors_open(c->r, &all, &c->rows, err);
	if (!rc)
		rc = next_row(c, err);
	if (rc)
		return rc;
	db_rc = sqlite3_prepare_v2(c->r->db,
				   "SELECT nr,first_seq,last_seq,last_run,last_proc,wall_ns,"
				   "prev_hash,hash,key,signature FROM block ORDER BY nr",
				   -1, &st, NULL);
	while (db_rc == SQLITE_OK && (db_rc = sqlite3_step(st)) == SQLITE_ROW && !rc) {
		db_rc = SQLITE_OK;
		if (get_block(st, &b))
			rc = check_block(c, &b, err);
		else
			rc = bad(c, c->prev.last_seq + 1,
				 "The journal was changed: block %llu has a value that was never "
				 "written.",
				 (unsigned long long)c->prev.nr + 1);
		if (rc)
			break;
	}
	if (!rc && db_rc != SQLITE_DONE)
		rc = db_fail(c->r->db, db_rc, "read the table 'block'", err);
	sqlite3_finalize(st);
	if (!rc && c->have)
		rc = bad(c, c->ev.seq, "The journal was changed: event %llu was added.",
			 (unsigned long long)c->ev.seq);
	return rc;
}

/* ---- head and sentence -------------------------------------------------------------------- */

/* Whether block @h->blocks is what the head says. Return: 0; 1 bad; -errno */
static int check_head_block(struct check *c, const struct head *h, struct err *err)
{
	uint8_t hash[SHA256_LEN] = { 0 };
	sqlite3_stmt *st = NULL;
	uint64_t last = 0;
	int rc;

	if (!h->blocks)
		return 0;
	rc = sqlite3_prepare_v2(c->r->db, "SELECT last_seq,hash FROM block WHERE nr=?1", -1, &st,
				NULL);
	sqlite3_bind_int64(st, 1, (int64_t)h->blocks);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		get_u64(st, 0, &last);
		get_blob(st, 1, hash, SHA256_LEN);
		rc = SQLITE_DONE;
	}
	rc = rc == SQLITE_DONE ? 0 : db_fail(c->r->db, rc, "read the table 'block'", err);
	sqlite3_finalize(st);
	if (!rc && (last != h->events || memcmp(hash, h->hash, SHA256_LEN)))
		rc = bad(c, 0,
			 "The journal was changed: its blocks are not those of the signed head.");
	return rc;
}

static int check_head(struct check *c, struct err *err)
{
	static const char *const why[] = {
		[HEAD_MISSING] =
			"The signed head (journal.head) is missing: nobody can tell whether "
			"events were removed at the end.",
		[HEAD_DAMAGED] =
			"The signed head (journal.head) is damaged: nobody can tell whether "
			"events were removed at the end.",
		[HEAD_FORGED] =
			"The signed head (journal.head) was changed: its signature is wrong.",
		[HEAD_OTHER] = "The signed head (journal.head) is that of another journal.",
	};
	const struct head *h = &c->r->head;

	if (c->r->head_state != HEAD_RIGHT)
		return bad(c, 0, "%s", why[c->r->head_state]);
	if (h->blocks > c->prev.nr)
		return bad(c, c->prev.last_seq + 1,
			   "The journal was cut: the signed head speaks of %llu events, there are "
			   "%llu.",
			   (unsigned long long)h->events, (unsigned long long)c->prev.last_seq);
	return check_head_block(c, h, err);
}

static int check_keys(struct check *c)
{
	char key[2 * KEY_LEN + 1];

	if (!c->must_key)
		return 0;
	if (!c->by_others && !memcmp(c->r->head.key, c->must_key, KEY_LEN))
		return 0;
	hex_encode(c->r->head.key, KEY_LEN, key);
	return bad(c, c->v->first_bad_seq,
		   "The chain is whole, but it is not signed by this installation alone (key %s): "
		   "compare that key with one that you got another way.",
		   key);
}

static void praise(struct check *c)
{
	struct journal_reader *r = c->r;
	struct buf b = { 0 };
	char key[2 * KEY_LEN + 1];

	hex_encode(c->r->head.key, KEY_LEN, key);
	buf_printf(&b,
		   "Unchanged: %llu events in %llu blocks are what was sealed, signed by key %s",
		   (unsigned long long)c->v->events_checked,
		   (unsigned long long)c->v->blocks_checked, key);
	if (r->left_count)
		buf_printf(&b, "; %llu more events are recorded but not sealed yet",
			   (unsigned long long)r->left_count);
	if (r->left_torn)
		buf_puts(&b, "; after them the spool is damaged");
	if (r->live)
		buf_puts(&b, "; the journal is being written");
	else if (r->cut)
		buf_puts(&b, "; the last run has no end: its record was cut");
	buf_puts(&b, ".");
	c->v->ok = true;
	snprintf(c->v->sentence, sizeof(c->v->sentence), "%s", buf_z(&b));
	buf_free(&b);
}

static int check_all(struct check *c, struct err *err)
{
	int rc;

	/* killed before the first block, or before the first head */
	if (c->r->in_memory || (!c->r->last.nr && c->r->head_state == HEAD_MISSING))
		return bad(c, 0,
			   "Nothing is sealed yet: %llu events are recorded in the spool alone.",
			   (unsigned long long)c->r->left_count);
	rc = check_schema(c, err);
	if (!rc)
		rc = check_structure(c, err);
	if (!rc)
		rc = check_blocks(c, err);
	if (!rc)
		rc = check_head(c, err);
	if (!rc)
		rc = check_keys(c);
	if (!rc)
		praise(c);
	return rc;
}

int journal_verify(const char *path, const char *keydir, struct journal_verdict *ret,
		   struct err *err)
{
	struct journal_verdict v = { 0 };
	struct check c = { .v = &v };
	uint8_t must[KEY_LEN];
	struct err why = { 0 };
	int rc = keydir ? key_load_public(keydir, must, err) : 0;

	if (rc)
		return rc;
	c.must_key = keydir ? must : NULL;
	rc = journal_read_open(path, &c.r, &why);
	if (!rc) {
		c.sha = sha256_new();
		c.bytes = xmalloc(EVENT_MAX + 4);
		rc = check_all(&c, &why);
		cursors_close(c.rows);
		sha256_free(c.sha);
		free(c.bytes);
		journal_read_close(c.r);
	}
	/* a file that cannot be read because of what is in it is an answer, not a failure */
	if (rc == -EBADMSG) {
		v.first_bad_seq = v.events_checked + 1;
		snprintf(v.sentence, sizeof(v.sentence),
			 "The journal was changed or damaged: %.900s.", why.msg);
		rc = 1;
	}
	if (rc < 0) {
		if (err)
			*err = why;
		return rc;
	}
	*ret = v;
	return 0;
}
