// SPDX-License-Identifier: Apache-2.0
/*
 * export_capture.c - belljar export --pcapng: a run's packets, with the process of each
 *
 * What is read comes from a box, so this process is locked once everything is open.
 */
#include <sqlite3.h>
#include <sys/stat.h>
#include <uthash.h>

#include "cmd/box_arg.h"
#include "cmd/journal_arg.h"
#include "gate/gate.h"
#include "journal/journal.h"

#define KEYLOG_MAX (64u << 20)
#define FLOWS_MAX  1000000
#define KEY_MAX	   128
#define EARLY_NS   100000000ull /* a flow is told a little after its first packet */

/** struct spoken - a flow; those with the same ends are in a list, the latest first */
struct spoken {
	char key[KEY_MAX];
	uint64_t from; /* ns since the epoch */
	char *who;
	struct spoken *earlier;
	UT_hash_handle hh;
};

struct flows {
	struct spoken *by_ends;
	size_t n;
};

static void key_of(char key[KEY_MAX], bool tcp, const char *src, unsigned src_port, const char *dst,
		   unsigned dst_port)
{
	snprintf(key, KEY_MAX, "%c %.45s %u %.45s %u", tcp ? 't' : 'u', src, src_port, dst,
		 dst_port);
}

static const char *who(void *ctx, uint64_t t, bool tcp, const char *src, uint16_t src_port,
		       const char *dst, uint16_t dst_port)
{
	struct flows *f = ctx;
	char key[KEY_MAX];
	struct spoken *s;

	key_of(key, tcp, src, src_port, dst, dst_port);
	HASH_FIND_STR(f->by_ends, key, s);
	while (s && s->earlier && s->from > t + EARLY_NS)
		s = s->earlier;
	return s ? s->who : NULL;
}

static void add(struct flows *f, struct spoken *s)
{
	struct spoken *same;

	HASH_FIND_STR(f->by_ends, s->key, same);
	if (same) {
		HASH_DEL(f->by_ends, same);
		s->earlier = same;
	}
	HASH_ADD_STR(f->by_ends, key, s);
	f->n++;
}

static const char *text(sqlite3_stmt *st, int column)
{
	const char *z = (const char *)sqlite3_column_text(st, column);

	return z ? z : "";
}

/* In the order of their beginnings. */
static int read_flows(struct flows *f, sqlite3 *db, int run, struct err *err)
{
	static const char sql[] =
		"SELECT f.protocol = 'tcp', f.src, f.src_port, f.dst, f.dst_port, f.t + d.date_ns, "
		"(SELECT pid FROM process p WHERE p.proc = f.proc AND pid IS NOT NULL LIMIT 1), "
		"(SELECT image FROM process p WHERE p.proc = f.proc AND op = 'exec' AND p.t <= f.t "
		"ORDER BY seq DESC LIMIT 1) "
		"FROM flow f JOIN run_date d ON d.run = f.run "
		"WHERE f.op = 'begin' AND f.run = ?1 AND f.protocol IN ('tcp', 'udp') ORDER BY f.t";
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return err_set_exit(err, EXIT_CORRUPT, 0, "export: read the flows: %s",
				    sqlite3_errmsg(db));
	sqlite3_bind_int(st, 1, run);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && f->n < FLOWS_MAX) {
		struct spoken *s = xcalloc(1, sizeof(*s));

		key_of(s->key, sqlite3_column_int(st, 0), text(st, 1),
		       (unsigned)sqlite3_column_int(st, 2), text(st, 3),
		       (unsigned)sqlite3_column_int(st, 4));
		s->from = (uint64_t)sqlite3_column_int64(st, 5);
		s->who = xasprintf("pid %d %.4096s", sqlite3_column_int(st, 6), text(st, 7));
		add(f, s);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW
		       ? 0
		       : err_set_exit(err, EXIT_CORRUPT, 0, "export: read the flows: %s",
				      sqlite3_errmsg(db));
}

static int last_run(sqlite3 *db)
{
	sqlite3_stmt *st;
	int run = 0;

	if (sqlite3_prepare_v2(db, "SELECT max(run) FROM flow", -1, &st, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(st) == SQLITE_ROW)
		run = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return run;
}

static int open_files(struct box *box, int run, struct gate_export *e, char **ret_keys,
		      struct err *err)
{
	char name[64];

	snprintf(name, sizeof(name), "captures/%d.pcapng", run);
	e->in = openat(box_dirfd(box), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (e->in < 0)
		return err_set_exit(err, EXIT_NO_BOX, errno,
				    "export: open the capture of run %d of '%s'", run,
				    box_get_info(box)->name);
	snprintf(name, sizeof(name), "captures/%d.keys", run);
	if (read_file_at(box_dirfd(box), name, KEYLOG_MAX, ret_keys, &e->keylog_n))
		e->keylog_n = 0;
	e->keylog = *ret_keys;
	return 0;
}

static int write_it(struct box *box, int run, int fd, struct err *err)
{
	struct gate_export e = { .in = -1, .out = fd, .who = who };
	cleanup_free char *path = xasprintf("%s/journal.db", box_path(box)), *keys = NULL;
	struct journal_arg a = { .path = path };
	struct journal_reader *r = NULL;
	struct flows flows = { 0 };
	int rc = journal_arg_open(&a, &r, err);

	if (rc)
		return rc;
	if (!run)
		run = last_run(journal_db(r));
	if (!run)
		rc = err_set_exit(err, EXIT_NO_BOX, 0, "export: no run of '%s' has used a network",
				  box_get_info(box)->name);
	if (!rc)
		rc = open_files(box, run, &e, &keys, err);
	if (!rc)
		rc = lockdown_reader(err);
	if (!rc)
		rc = read_flows(&flows, journal_db(r), run, err);
	e.ctx = &flows;
	if (!rc)
		rc = gate_export_capture(&e, err);
	/* the process ends now */
	return rc;
}

int export_capture(const char *name, int run, int fd)
{
	struct box *box = NULL;
	struct box_home home;
	struct err err = { 0 };
	int rc = box_home_open(&home, &err);

	if (!rc)
		rc = box_open(&home, name, 0, NULL, &box, &err);
	if (!rc)
		rc = write_it(box, run, fd, &err);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
