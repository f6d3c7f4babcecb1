// SPDX-License-Identifier: Apache-2.0
/*
 * mkschema.c - at build time: the empty journal.db as a C array, and the hash of its schema
 *
 * Making tables and views costs SQLite some milliseconds; a run that lasts as long would notice.
 * So a new journal begins as a copy of this image. It is marked as a WAL file (bytes 18 and 19,
 * sqlite.org/fileformat2.html section 1.3), so that opening it for writing changes nothing.
 */
#include <sqlite3.h>

#include "journal/schema.h"

static void print_bytes(const char *name, const uint8_t *p, size_t n)
{
	printf("const unsigned char %s[%zu] = {", name, n);
	for (size_t i = 0; i < n; i++)
		printf("%s%u,", i % 32 ? "" : "\n", p[i]);
	printf("\n};\n");
}

int main(void)
{
	uint8_t hash[SHA256_LEN], *image;
	sqlite3_int64 n = 0;
	struct err err = { 0 };
	sqlite3 *db = NULL;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK || schema_create(db) != SQLITE_OK) {
		fprintf(stderr, "mkschema: %s\n", db ? sqlite3_errmsg(db) : "out of memory");
		return 1;
	}
	image = sqlite3_serialize(db, "main", &n, 0);
	if (!image || n < 100 || schema_hash(db, hash, &err)) {
		fprintf(stderr, "mkschema: %s\n", err.code ? err.msg : "no image");
		return 1;
	}
	image[18] = image[19] = 2;
	printf("/* made by mkschema */\n#include \"journal/schema_image.h\"\n\n");
	print_bytes("schema_image", image, (size_t)n);
	print_bytes("schema_image_hash", hash, sizeof(hash));
	printf("const unsigned schema_image_size = sizeof(schema_image);\n");
	sqlite3_free(image);
	sqlite3_close(db);
	return 0;
}
