// SPDX-License-Identifier: Apache-2.0
/*
 * schema.c - what is in journal.db: one table a kind, and views in Sigma's words
 *
 * Tables are made from event.def. Views are text; they read tables only through the names that
 * event.def gives, and leave refused and failing calls out where Sigma means what happened.
 *
 * Invariant: two journals of one format have the same schema, byte for byte, so a verifier can
 * name the object that differs.
 */
#include <sqlite3.h>

#include "journal/schema.h"

/* clang-format off */
/*
 * The exec row that made a process what it is at an event: its own last exec before, or that of
 * the process it was forked from. The lookup comes first, for speed; the walk up the parents is
 * for processes that have not called exec, and ends after 64, for a forged file may have a circle.
 */
#define EXEC_OF(proc_, seq_) \
	"COALESCE((SELECT p.seq FROM process p WHERE p.proc=" proc_ " AND p.op='exec' AND " \
	"p.seq<=" seq_ " ORDER BY p.seq DESC LIMIT 1)," \
	"(WITH RECURSIVE up(k,s,d) AS (SELECT " proc_ "," seq_ ",0 UNION SELECT f.parent,f.seq,d+1 " \
	"FROM up JOIN process f ON f.proc=k AND f.op='fork' AND f.seq<=s WHERE d<64) " \
	"SELECT p.seq FROM up JOIN process p ON p.proc=k AND p.op='exec' AND p.seq<=s " \
	"ORDER BY d,p.seq DESC LIMIT 1))"
#define PID_OF(proc_) \
	"(SELECT p.pid FROM process p WHERE p.proc=" proc_ " AND p.pid IS NOT NULL LIMIT 1)"
#define USER(uid) "CASE " uid " WHEN 0 THEN 'root' ELSE CAST(" uid " AS TEXT) END"
#define WALL "(SELECT d.date_ns FROM run_date d WHERE d.run=e.run LIMIT 1)+e.t"
#define COMMON \
	"SELECT e.seq AS seq,e.run AS run,e.t AS t,e.proc AS proc," \
	"strftime('%Y-%m-%d %H:%M:%f',(" WALL ")/1e9,'unixepoch') AS UtcTime,"
/* who did it, and its table: at the end of every view but process_creation */
#define ACTOR_FROM(table) \
	"x.image AS Image,x.command_line AS CommandLine," PID_OF("e.proc") " AS ProcessId," \
	USER("x.uid") " AS User FROM " table " e LEFT JOIN process x ON x.seq=" \
	EXEC_OF("e.proc", "e.seq") " "
/* execs with the parent, which only the row of the birth has */
#define BORN \
	"(SELECT p.*,COALESCE(p.parent,(SELECT f.parent FROM process f WHERE f.proc=p.proc AND " \
	"f.op='fork' LIMIT 1)) AS up FROM process p WHERE p.op='exec') e "
#define HASHES "CASE WHEN e.sha256 IS NULL THEN NULL ELSE 'SHA256='||upper(e.sha256) END AS Hashes,"
#define HAPPENED "(e.answer IS NULL OR e.answer<>'refused') AND e.reason IS NULL"
#define NOTHING_YET(columns) \
	"SELECT NULL AS seq,NULL AS run,NULL AS t,NULL AS proc,NULL AS UtcTime," columns \
	",NULL AS Image,NULL AS CommandLine,NULL AS ProcessId,NULL AS User WHERE 0"
#define REGISTRY \
	NOTHING_YET("NULL AS EventType,NULL AS TargetObject,NULL AS Details,NULL AS NewName")

struct view_def {
	const char *name;
	const char *select;
};

static const struct view_def views[] = {
	/* a run that begins at another date than ours says so in its first clock event */
	{ "run_date", "SELECT r.run AS run,COALESCE((SELECT CASE WHEN c.run=r.run AND "
		      "c.cause='date' THEN c.date_ns-c.t END FROM clock c WHERE c.seq>r.seq "
		      "ORDER BY c.seq LIMIT 1),r.wall_ns) AS date_ns FROM run_begin r" },
	{ "process_creation",
	  COMMON "e.pid AS ProcessId,e.image AS Image,e.command_line AS CommandLine,"
	  "e.cwd AS CurrentDirectory," USER("e.uid") " AS User," HASHES
	  "e.sha256 AS sha256,e.script AS Script,e.script_sha256 AS ScriptSha256,"
	  "e.up AS ParentProc," PID_OF("e.up") " AS ParentProcessId,"
	  "x.image AS ParentImage,x.command_line AS ParentCommandLine,"
	  "NULL AS OriginalFileName,NULL AS Description,NULL AS Product,NULL AS Company,"
	  "NULL AS IntegrityLevel,NULL AS LogonId,e.cause AS Cause FROM " BORN
	  "LEFT JOIN process x ON x.seq=" EXEC_OF("e.up", "e.seq") },
	{ "file_event",
	  COMMON "CASE e.op WHEN 'link' THEN e.path2 ELSE e.path END AS TargetFilename,e.op AS op,"
	  ACTOR_FROM("file") "WHERE (e.op IN ('create','mkdir','mknod','symlink','link') OR "
	  "(e.op='write' AND e.existed=0)) AND " HAPPENED },
	{ "file_change",
	  COMMON "e.path AS TargetFilename,e.op AS op,e.mode AS mode,e.detail AS Details,"
	  ACTOR_FROM("file") "WHERE (e.op IN ('truncate','chmod','chown','utimes','setxattr','removexattr')"
	  " OR (e.op='write' AND e.existed IS NOT 0)) AND " HAPPENED },
	{ "file_delete",
	  COMMON "e.path AS TargetFilename,e.op AS op,"
	  ACTOR_FROM("file") "WHERE e.op IN ('unlink','rmdir') AND " HAPPENED },
	{ "file_rename",
	  COMMON "e.path AS SourceFilename,e.path2 AS TargetFilename,e.op AS op,"
	  ACTOR_FROM("file") "WHERE e.op IN ('rename','exchange') AND " HAPPENED },
	/* with a gate, a flow says more than the call that began it */
	{ "network_connection",
	  COMMON "e.address AS DestinationIp,e.port AS DestinationPort,e.protocol AS Protocol,"
	  "'true' AS Initiated,NULL AS DestinationHostname,NULL AS SourceIp,NULL AS SourcePort,"
	  "e.family='inet6' AS DestinationIsIpv6,e.answer AS answer,e.reason AS reason,"
	  ACTOR_FROM("socket") "WHERE e.op IN ('connect','sendto') AND "
	  "e.family IN ('inet','inet6') AND e.answer IS NOT 'gate' UNION ALL "
	  COMMON "e.dst AS DestinationIp,e.dst_port AS DestinationPort,e.protocol AS Protocol,"
	  "'true' AS Initiated,e.name AS DestinationHostname,e.src AS SourceIp,e.src_port AS "
	  "SourcePort,e.dst LIKE '%:%' AS DestinationIsIpv6,e.answer AS answer,e.reason AS reason,"
	  ACTOR_FROM("flow") "WHERE e.op='begin'" },
	{ "dns_query",
	  COMMON "e.name AS QueryName,e.rcode AS QueryStatus,e.answers AS QueryResults,"
	  "e.type AS record_type,e.answer AS answer," ACTOR_FROM("dns") "WHERE e.op='answer'" },
	{ "image_load",
	  COMMON "e.path AS ImageLoaded," HASHES "NULL AS Signed,NULL AS Signature,"
	  "NULL AS SignatureStatus,NULL AS OriginalFileName," ACTOR_FROM("module") },
	/* nothing records these yet; the columns are there so that rules load and find nothing */
	{ "registry_add", REGISTRY },
	{ "registry_delete", REGISTRY },
	{ "registry_event", REGISTRY },
	{ "registry_rename", REGISTRY },
	{ "registry_set", REGISTRY },
};
/* clang-format on */

/* One line for people in the view `events`, over the columns of its table. */
static const char *const summary[EVENT_KINDS] = {
	[EV_RUN_BEGIN] = "command_line",
	/* one expression, on several lines */
	// NOLINTNEXTLINE(bugprone-suspicious-missing-comma)
	[EV_RUN_END] = "COALESCE(reason,'end')||COALESCE(', status '||exit_status,'')||"
		       "COALESCE(', signal '||signal,'')",
	[EV_PROCESS] = "op||COALESCE(' '||pid,'')||COALESCE(' '||COALESCE(command_line,image),'')",
	[EV_FILE] = "op||COALESCE(' '||path,'')||COALESCE(' -> '||path2,'')",
	[EV_SIGNAL] = "call||COALESCE(' '||signal,'')||COALESCE(' to '||target_pid,'')",
	[EV_SOCKET] = "op||COALESCE(' '||family,'')||COALESCE(' '||protocol,'')||"
		      "COALESCE(' '||address,'')||COALESCE(' port '||port,'')",
	[EV_ATTEMPT] = "call||COALESCE(' '||args,'')||COALESCE(': '||answer,'')",
	[EV_CHANGE] = "op||COALESCE(' '||path,'')",
	[EV_MISMATCH] = "what||COALESCE(' '||path,'')",
	[EV_AUTOSTART] = "op||COALESCE(' '||class,'')||COALESCE(' '||place,'')||"
			 "COALESCE(': '||command,'')",
	[EV_OBJECT] = "sha256||COALESCE(' '||path,'')",
	[EV_MARK] = "name||COALESCE(' '||experiment,'')||COALESCE(' '||step,'')||"
		    "COALESCE(' '||path,'')||COALESCE(' '||detail,'')",
	[EV_GAP] = "source||COALESCE(': '||detail,'')",
	[EV_LIMIT] = "what||COALESCE(' '||value,'')||COALESCE(': '||detail,'')",
	[EV_MODULE] = "path",
	[EV_FLOW] = "op||COALESCE(' '||protocol,'')||' '||COALESCE(name,dst,'')||"
		    "COALESCE(' port '||dst_port,'')||COALESCE(': '||answer,'')",
	[EV_BURST] = "dir||COALESCE(' '||bytes||' bytes','')",
	[EV_DNS] = "op||COALESCE(' '||type,'')||COALESCE(' '||name,'')||COALESCE(': '||rcode,'')",
	[EV_TLS] = "op||COALESCE(' '||version,'')||COALESCE(' '||sni,' '||subject,'')",
	[EV_HTTP] =
		"op||COALESCE(' '||method,'')||COALESCE(' '||host,'')||COALESCE(' '||target,'')||"
		"COALESCE(' '||status,'')",
	[EV_BANNER] =
		"protocol||CASE mismatch WHEN 1 THEN ' where '||expected||' is usual' ELSE '' END",
	[EV_CANARY] = "value||' as '||encoding||COALESCE(' in '||place,'')",
	[EV_CONTENT] = "dir||' '||part||COALESCE(' '||size||' bytes','')",
	[EV_RESIDUE] = "grade||' '||what||COALESCE(' '||path,'')||COALESCE(': '||explained,'')",
	[EV_CLOCK] = "'by '||offset_ns/1000000000||' s'||COALESCE(': '||cause,'')",
};

static const char other_sql[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;\n"
	"CREATE TABLE block(nr INTEGER PRIMARY KEY, first_seq INTEGER, last_seq INTEGER,"
	" last_run INTEGER, last_proc INTEGER, wall_ns INTEGER, prev_hash BLOB, hash BLOB,"
	" key BLOB, signature BLOB);\n"
	/* finds the image of a process; rows of one process come in seq order */
	"CREATE INDEX process_by_proc ON process(proc);\n"
	"CREATE INDEX process_by_pid ON process(pid);\n";

static void schema_sql(struct buf *b)
{
	for (int k = 1; k < EVENT_KINDS; k++) {
		const struct kind_def *def = event_kind_def((enum event_kind)k);

		if (!def)
			continue;
		buf_printf(b,
			   "CREATE TABLE \"%s\"(seq INTEGER PRIMARY KEY, t INTEGER, run INTEGER, "
			   "proc INTEGER",
			   def->table);
		for (int i = 0; i < def->nfields; i++)
			buf_printf(b, ", \"%s\" %s", def->field[i].column,
				   def->field[i].type == VAL_INT ? "INTEGER" : "TEXT");
		buf_puts(b, ");\n");
	}
	buf_puts(b, other_sql);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		buf_printf(b, "CREATE VIEW %s AS %s;\n", views[i].name, views[i].select);
	buf_puts(b, "CREATE VIEW events AS SELECT e.seq AS seq,e.run AS run,e.t AS t," WALL
		    " AS wall_ns,e.kind AS kind,e.proc AS proc,e.summary AS summary FROM (");
	for (int k = 1, n = 0; k < EVENT_KINDS; k++) {
		const struct kind_def *def = event_kind_def((enum event_kind)k);

		if (!def)
			continue;
		buf_printf(b, "%sSELECT seq,run,t,'%s' AS kind,proc,%s AS summary FROM \"%s\"",
			   n++ ? " UNION ALL " : "", def->name, summary[k] ? summary[k] : "NULL",
			   def->table);
	}
	buf_puts(b, ") e;\n");
	buf_printf(b, "PRAGMA application_id=%d;\nPRAGMA user_version=%d;\n",
		   JOURNAL_APPLICATION_ID, JOURNAL_FORMAT);
}

int schema_create(struct sqlite3 *db)
{
	cleanup_buf struct buf b = { 0 };

	schema_sql(&b);
	return sqlite3_exec(db, buf_z(&b), NULL, NULL, NULL);
}

char *schema_insert_sql(const struct kind_def *def)
{
	cleanup_buf struct buf b = { 0 };

	buf_printf(&b, "INSERT INTO \"%s\" VALUES(?1,?2,?3,?4", def->table);
	for (int i = 0; i < def->nfields; i++)
		buf_printf(&b, ",?%d", i + 5);
	buf_puts(&b, ")");
	return xstrdup(buf_z(&b));
}

/* All columns: an older journal has fewer, and what it has not is NULL. */
char *schema_select_sql(const struct kind_def *def, const char *where)
{
	return xasprintf("SELECT * FROM \"%s\"%s ORDER BY seq", def->table, where);
}

static void bind_val(sqlite3_stmt *st, int at, const struct val *v)
{
	switch (v->type) {
	case VAL_NULL:
		sqlite3_bind_null(st, at);
		break;
	case VAL_INT:
		sqlite3_bind_int64(st, at, v->i);
		break;
	case VAL_TEXT:
		if (utf8_valid(v->s.p, v->s.n))
			sqlite3_bind_text(st, at, v->s.p, (int)v->s.n, SQLITE_STATIC);
		else
			sqlite3_bind_blob(st, at, v->s.p, (int)v->s.n, SQLITE_STATIC);
		break;
	}
}

int event_insert(struct sqlite3_stmt *st, const struct event *ev)
{
	const struct kind_def *def = event_kind_def(ev->kind);
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)ev->seq);
	sqlite3_bind_int64(st, 2, (int64_t)ev->t);
	sqlite3_bind_int64(st, 3, ev->run);
	sqlite3_bind_int64(st, 4, ev->proc);
	for (int i = 0; i < def->nfields; i++)
		bind_val(st, i + 5, &ev->v[i]);
	rc = sqlite3_step(st);
	/* what was bound is borrowed: SQLite must not look at it again */
	return rc == SQLITE_DONE ? sqlite3_reset(st) : (sqlite3_reset(st), rc);
}

/* ---- hash ----------------------------------------------------------------------- */

static void hash_text(struct sha256 *h, sqlite3_stmt *st, int col)
{
	const void *p = sqlite3_column_blob(st, col);
	uint32_t n = p ? (uint32_t)sqlite3_column_bytes(st, col) : 0;
	uint8_t len[4];
	struct wr w = { len, len + 4, false };

	wr_u32(&w, n);
	sha256_add(h, len, 4);
	sha256_add(h, p, n);
}

static int hash_pragma(struct sha256 *h, struct sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		hash_text(h, st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int schema_hash(struct sqlite3 *db, uint8_t out[SHA256_LEN], struct err *err)
{
	struct sha256 *h = sha256_new();
	sqlite3_stmt *st = NULL;
	int rc;

	sha256_add(h, "belljar schema 1\n", 17);
	rc = hash_pragma(h, db, "PRAGMA application_id");
	if (rc == SQLITE_OK)
		rc = hash_pragma(h, db, "PRAGMA user_version");
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, SCHEMA_OBJECTS_SQL, -1, &st, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < 4; i++)
			hash_text(h, st, i);
		rc = SQLITE_OK;
	}
	if (rc == SQLITE_DONE)
		rc = SQLITE_OK;
	sha256_end(h, out);
	sha256_free(h);
	rc = rc == SQLITE_OK ? 0 : db_fail(db, rc, "read the schema", err);
	sqlite3_finalize(st);
	return rc;
}

/* ---- SQLite in general -------------------------------------------------------------------- */

int db_fail(struct sqlite3 *db, int rc, const char *what, struct err *err)
{
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ENOSPC, "journal: %s", what);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
		err_set_exit(err, EXIT_CORRUPT, 0, "journal: %s: the file is damaged (%s)", what,
			     why);
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set_exit(err, EXIT_BUSY, EBUSY, "journal: %s", what);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return err_set_exit(err, EXIT_UNREADABLE, EACCES, "journal: %s", what);
	case SQLITE_CANTOPEN:
		return err_set_exit(err, EXIT_UNREADABLE,
				    db && sqlite3_system_errno(db) ? sqlite3_system_errno(db) : EIO,
				    "journal: %s", what);
	case SQLITE_IOERR:
		if (db && sqlite3_system_errno(db))
			return err_set(err, sqlite3_system_errno(db), "journal: %s", what);
		break;
	}
	err_set(err, 0, "journal: %s: %s", what, why);
	return -EIO;
}

void db_harden(struct sqlite3 *db)
{
	static const struct {
		int op, on;
	} config[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },	       { SQLITE_DBCONFIG_DQS_DML, 0 },
	};
	static const struct {
		int id, max;
	} limit[] = {
		{ SQLITE_LIMIT_LENGTH, DB_LENGTH_MAX },
		{ SQLITE_LIMIT_SQL_LENGTH, 1 << 20 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 200 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 100 },
		{ SQLITE_LIMIT_VDBE_OP, 1000000 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 10000 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 10 },
		{ SQLITE_LIMIT_COLUMN, 200 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(config); i++)
		sqlite3_db_config(db, config[i].op, config[i].on, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(limit); i++)
		sqlite3_limit(db, limit[i].id, limit[i].max);
	sqlite3_exec(db,
		     "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; "
		     "PRAGMA mmap_size=0",
		     NULL, NULL, NULL);
}
