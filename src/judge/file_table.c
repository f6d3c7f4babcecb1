// SPDX-License-Identifier: Apache-2.0
/*
 * file_table.c - the table `file_info`: files that programs wrote or ran, and what their bytes say
 *
 * With a second journal there is `other_file_info` as well.
 */
#include "judge/files.h"
#include "judge/row_table.h"

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

static int make(void *of, void **ret_rows, size_t *ret_n)
{
	const struct file_book *book = NULL;
	struct err err = { 0 };
	int rc = of ? judged_files(of, &book, &err) : 0;

	if (rc)
		return rc;
	*ret_rows = book ? book->v : NULL;
	*ret_n = book ? book->n : 0;
	return 0;
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
		row_table_text(ctx, texts[column]);
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
		row_table_text(ctx, texts[column]);
}

static void column(const void *rows, size_t i, sqlite3_context *ctx, int column)
{
	const struct file_info *f = (const struct file_info *)rows + i;

	if (column <= SIZE || column >= SIMILAR_TO)
		give_of_name(ctx, f, column);
	else if (f->look)
		give_of_bytes(ctx, f->look, column);
}

int file_table(struct sqlite3 *db, const char *name, struct judged *d)
{
	static const struct row_table_def def = { schema, make, column, NULL };

	return row_table(db, name, &def, d);
}
