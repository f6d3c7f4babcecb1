// SPDX-License-Identifier: Apache-2.0
/*
 * file_table.c - the table `file_info`: files that programs wrote or ran, and what their bytes say
 *
 * A virtual table without arguments, made when it is first asked for. With a second journal there
 * is `other_file_info` as well.
 */
#include <sqlite3.h>

#include "judge/files.h"

static const char schema[] =
	"CREATE TABLE file_info(sha256 TEXT, path TEXT, size INTEGER, type TEXT, kind TEXT,"
	" arch TEXT, linking TEXT, stripped INTEGER, marks TEXT, packed INTEGER, entropy REAL,"
	" code_entropy REAL, sections TEXT, appended INTEGER, libraries TEXT, imports TEXT,"
	" import_names TEXT, signature TEXT, digest_ok INTEGER, signer TEXT, signer_issuer TEXT,"
	" signer_chain TEXT, signed_at TEXT, signatures INTEGER, beside_signature INTEGER,"
	" digest TEXT, normal TEXT, similar_to TEXT, similar_path TEXT, similarity INTEGER,"
	" package TEXT, executed INTEGER, kept INTEGER, run INTEGER, proc INTEGER, evidence INTEGER)";

enum {
	SHA256,
	PATH,
	SIZE,
	TYPE,
	KIND,
	ARCH,
	LINKING,
	STRIPPED,
	MARKS,
	PACKED,
	ENTROPY,
	CODE_ENTROPY,
	SECTIONS,
	APPENDED,
	LIBRARIES,
	IMPORTS,
	IMPORT_NAMES,
	SIGNATURE,
	DIGEST_OK,
	SIGNER,
	SIGNER_ISSUER,
	SIGNER_CHAIN,
	SIGNED_AT,
	SIGNATURES,
	BESIDE_SIGNATURE,
	DIGEST,
	NORMAL,
	SIMILAR_TO,
	SIMILAR_PATH,
	SIMILARITY,
	PACKAGE,
	EXECUTED,
	KEPT,
	RUN,
	PROC,
	EVIDENCE
};

struct table {
	sqlite3_vtab base;
	struct judged *d;
	const struct file_book *book;
};

struct cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static int on_connect(sqlite3 *db, void *aux, int argc UNUSED, const char *const *argv UNUSED,
		      sqlite3_vtab **ret, char **msg UNUSED)
{
	struct table *t = sqlite3_malloc(sizeof(*t));
	int rc = sqlite3_declare_vtab(db, schema);

	if (rc != SQLITE_OK || !t) {
		sqlite3_free(t);
		return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
	}
	memset(t, 0, sizeof(*t));
	t->d = aux;
	sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	*ret = &t->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *v)
{
	sqlite3_free(v);
	return SQLITE_OK;
}

static int on_plan(sqlite3_vtab *v UNUSED, sqlite3_index_info *info)
{
	info->estimatedCost = 1e6;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *v UNUSED, sqlite3_vtab_cursor **ret)
{
	struct cursor *c = sqlite3_malloc(sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	memset(c, 0, sizeof(*c));
	*ret = &c->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *c)
{
	sqlite3_free(c);
	return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *c, int idx UNUSED, const char *name UNUSED,
		     int argc UNUSED, sqlite3_value **argv UNUSED)
{
	struct table *t = (struct table *)c->pVtab;
	struct err err = { 0 };

	((struct cursor *)c)->at = 0;
	if (!t->d || t->book)
		return SQLITE_OK;
	return judged_files(t->d, &t->book, &err) ? SQLITE_IOERR : SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *c)
{
	((struct cursor *)c)->at++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *c)
{
	const struct table *t = (const struct table *)c->pVtab;

	return !t->book || ((struct cursor *)c)->at >= t->book->n;
}

static void give_text(sqlite3_context *ctx, struct str s)
{
	if (s.n)
		sqlite3_result_text(ctx, s.p, (int)s.n, SQLITE_TRANSIENT);
}

static void give_imports(sqlite3_context *ctx, unsigned imports)
{
	char text[128] = "";

	for (int i = 0; i < IMPORT_CLASSES; i++)
		if (imports >> i & 1) {
			size_t n = strlen(text);

			snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "",
				 import_class_name((enum import_class)i));
		}
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void give_of_name(sqlite3_context *ctx, const struct file_info *f, int column)
{
	const struct str texts[] = {
		[SHA256] = str_z(f->sha256),
		[PATH] = f->path,
		[SIMILAR_TO] = f->similar ? str_z(f->similar->sha256) : (struct str){ 0 },
		[SIMILAR_PATH] = f->similar ? f->similar->path : (struct str){ 0 },
		[PACKAGE] = f->package,
		[EVIDENCE] = { 0 },
	};
	const uint64_t numbers[] = {
		[SIZE] = f->size,	  [SIMILARITY] = (uint64_t)f->similarity,
		[EXECUTED] = f->executed, [KEPT] = f->kept,
		[RUN] = f->run,		  [PROC] = f->proc,
		[EVIDENCE] = f->seq,
	};

	if (texts[column].p)
		give_text(ctx, texts[column]);
	else if (column == SIZE || column >= EXECUTED || (column == SIMILARITY && f->similar))
		sqlite3_result_int64(ctx, (sqlite3_int64)numbers[column]);
}

static void give_of_bytes(sqlite3_context *ctx, const struct file_look *l, int column)
{
	const struct str texts[SIMILAR_TO] = {
		[TYPE] = str_z(l->type),
		[KIND] = str_z(l->kind),
		[ARCH] = str_z(l->arch),
		[LINKING] = str_z(l->linking),
		[MARKS] = l->marks,
		[SECTIONS] = l->sections,
		[LIBRARIES] = l->libraries,
		[IMPORT_NAMES] = l->names,
		[SIGNATURE] = str_z(l->signature),
		[SIGNER] = l->signer,
		[SIGNER_ISSUER] = l->signer_issuer,
		[SIGNER_CHAIN] = l->signer_chain,
		[SIGNED_AT] = l->signed_at,
		[DIGEST] = str_z(l->digest),
		[NORMAL] = str_z(l->normal),
	};
	const uint64_t numbers[SIMILAR_TO] = {
		[STRIPPED] = l->stripped,
		[PACKED] = l->packed,
		[APPENDED] = l->appended,
		[SIGNATURES] = l->signatures,
		[BESIDE_SIGNATURE] = l->beside_signature,
		[DIGEST_OK] = !strcmp(l->signature, "good"),
	};

	if (column == IMPORTS)
		give_imports(ctx, l->imports);
	else if (column == ENTROPY || column == CODE_ENTROPY)
		sqlite3_result_double(ctx, column == ENTROPY ? l->entropy : l->code_entropy);
	else if (column == STRIPPED || column == PACKED || column == APPENDED ||
		 column == SIGNATURES || column == BESIDE_SIGNATURE ||
		 (column == DIGEST_OK && l->signatures))
		sqlite3_result_int64(ctx, (sqlite3_int64)numbers[column]);
	else
		give_text(ctx, texts[column]);
}

static int on_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column)
{
	const struct table *t = (const struct table *)cur->pVtab;
	const struct file_info *f = &t->book->v[((struct cursor *)cur)->at];

	if (column <= SIZE || column >= SIMILAR_TO)
		give_of_name(ctx, f, column);
	else if (f->look)
		give_of_bytes(ctx, f->look, column);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)((struct cursor *)c)->at;
	return SQLITE_OK;
}

int file_table(struct sqlite3 *db, const char *name, struct judged *d)
{
	static const sqlite3_module module = {
		.xConnect = on_connect,
		.xDisconnect = on_disconnect,
		.xBestIndex = on_plan,
		.xOpen = on_open,
		.xClose = on_close,
		.xFilter = on_filter,
		.xNext = on_next,
		.xEof = on_eof,
		.xColumn = on_column,
		.xRowid = on_rowid,
	};

	return sqlite3_create_module_v2(db, name, &module, d, NULL) == SQLITE_OK ? 0 : -EIO;
}
