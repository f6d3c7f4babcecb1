// SPDX-License-Identifier: Apache-2.0
/* decoys.c - decoys are well-formed, this box's alone, recognised by its canaries, and put once */
#include "boxed.h"

#include <sqlite3.h>

#include "box/internal.h"

#define VALUES 64

/** struct listed - what box_canaries() gave */
struct listed {
	int n;
	char *label[VALUES], *value[VALUES];
};

static void list(void *ctx, const char *label, const char *value)
{
	struct listed *l = ctx;

	assert_true(l->n < VALUES);
	l->label[l->n] = xstrdup(label);
	l->value[l->n++] = xstrdup(value);
}

static void listed_free(struct listed *l)
{
	for (int i = 0; i < l->n; i++) {
		free(l->label[i]);
		free(l->value[i]);
	}
}

static struct box *some_box(void)
{
	struct box *b = xcalloc(1, sizeof(*b));

	identity_invent(&b->info);
	return b;
}

static bool holds(const struct decoy *d, const char *value)
{
	return memmem(d->bytes.p, d->bytes.n, value, strlen(value)) != NULL;
}

/* ---- without a box ------------------------------------------------------------------------ */

static void test_each_decoy_holds_a_value_that_no_other_has(void **state UNUSED)
{
	struct box *a = some_box(), *b = some_box();
	struct listed l = { 0 };
	int documents = 0;

	box_canaries(a, list, &l);
	for (int i = 0; i < l.n; i++) {
		int in = 0;

		assert_true(strlen(l.value[i]) >= 6 && utf8_valid(l.value[i], strlen(l.value[i])));
		if (strncmp(l.label[i], "document:", 9))
			continue;
		documents++;
		for (int k = 0; k < decoys_count(); k++) {
			struct decoy d, other;

			decoy_make(&a->info, k, &d);
			decoy_make(&b->info, k, &other);
			if (holds(&d, l.value[i]) != !strcmp(d.path, l.label[i] + 9))
				fail_msg("'%s' of %s in %s", l.value[i], l.label[i], d.path);
			in += holds(&d, l.value[i]);
			assert_false(holds(&other, l.value[i]));
			buf_free(&d.bytes);
			buf_free(&other.bytes);
		}
		assert_int_equal(in, 1);
	}
	assert_true(documents >= decoys_count() - 1);
	listed_free(&l);
	free(a);
	free(b);
}

static void test_decoys_follow_from_the_identity(void **state UNUSED)
{
	struct box *a = some_box();

	for (int k = 0; k < decoys_count(); k++) {
		struct decoy d, again;

		decoy_make(&a->info, k, &d);
		decoy_make(&a->info, k, &again);
		assert_true(d.bytes.n > 100 || !strcmp(d.path, ".netrc"));
		assert_int_equal(d.bytes.n, again.bytes.n);
		assert_memory_equal(d.bytes.p, again.bytes.p, d.bytes.n);
		assert_true(d.path[0] != '/' && !strstr(d.path, ".."));
		buf_free(&d.bytes);
		buf_free(&again.bytes);
	}
	free(a);
}

static void test_the_identity_is_looked_for_as_programs_write_it(void **state UNUSED)
{
	static const struct {
		const char *label, *value;
	} want[] = {
		{ "hostname", "desk-12ab" },
		{ "machine-id", "0123456789ab4def8123456789abcdef" },
		{ "machine-id", "01234567-89ab-4def-8123-456789abcdef" },
		{ "mac", "00:1b:21:0a:0b:0c" },
		{ "mac", "00:1B:21:0A:0B:0C" },
		{ "mac", "00-1B-21-0A-0B-0C" },
		{ "mac", "001b210a0b0c" },
		{ "person", "Nora Holmby" },
		{ "disk-serial", "S1234567" },
	};
	struct box *b = some_box();
	struct listed l = { 0 };

	strcpy(b->info.hostname, "desk-12ab");
	strcpy(b->info.machine_id, "0123456789ab4def8123456789abcdef");
	strcpy(b->info.mac, "00:1b:21:0a:0b:0c");
	strcpy(b->info.person, "Nora Holmby");
	strcpy(b->info.disk_serial, "S1234567");
	box_canaries(b, list, &l);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		int found = 0;

		for (int k = 0; k < l.n; k++)
			found += !strcmp(l.label[k], want[i].label) &&
				 !strcmp(l.value[k], want[i].value);
		if (found != 1)
			fail_msg("%s '%s': %d times", want[i].label, want[i].value, found);
	}
	listed_free(&l);
	free(b);
}

static struct decoy made(const struct box *b, const char *path)
{
	struct decoy d;

	for (int k = 0; k < decoys_count(); k++) {
		decoy_make(&b->info, k, &d);
		if (!strcmp(d.path, path))
			return d;
		buf_free(&d.bytes);
	}
	fail_msg("no '%s'", path);
	return d;
}

static void test_the_password_database_opens(void **state UNUSED)
{
	struct box *b = some_box();
	struct decoy d = made(b, ".config/chromium/Default/Login Data");
	sqlite3_stmt *s;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_deserialize(db, "main", (unsigned char *)d.bytes.p,
					     (sqlite3_int64)d.bytes.n, (sqlite3_int64)d.bytes.n,
					     SQLITE_DESERIALIZE_READONLY),
			 SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT username_value, CAST(password_value AS TEXT) "
					    "FROM logins WHERE signon_realm LIKE 'https:%'",
					    -1, &s, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_non_null(strstr((const char *)sqlite3_column_text(s, 0), "@example.net"));
	assert_int_equal(strncmp((const char *)sqlite3_column_text(s, 1), "v10", 3), 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	buf_free(&d.bytes);
	free(b);
}

static void test_the_bill_is_a_pdf(void **state UNUSED)
{
	struct box *b = some_box();
	struct decoy d = made(b, "Documents/invoice-0427.pdf");
	const char *text = buf_z(&d.bytes), *table = strstr(text, "startxref\n");
	unsigned long at = strtoul(table + 10, NULL, 10);
	unsigned n, first;

	assert_int_equal(strncmp(text, "%PDF-1.4\n", 9), 0);
	assert_int_equal(strncmp(text + at, "xref\n0 6\n", 9), 0);
	/* each offset of the table leads to the object of its number */
	for (n = 1; n < 6; n++) {
		unsigned long offset = strtoul(text + at + 9 + 20ul * n, NULL, 10);

		assert_int_equal(sscanf(text + offset, "%u 0 obj", &first), 1);
		assert_int_equal(first, n);
	}
	buf_free(&d.bytes);
	free(b);
}

static void test_the_key_is_one_that_openssh_would_read(void **state UNUSED)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct box *b = some_box();
	struct decoy d = made(b, ".ssh/id_ed25519");
	const char *at = strchr(buf_z(&d.bytes), '\n') + 1;
	uint8_t raw[1024];
	uint32_t acc = 0;
	size_t n = 0;

	assert_int_equal(strncmp(d.bytes.p, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36), 0);
	assert_true(str_ends((struct str){ d.bytes.p, d.bytes.n },
			     "\n-----END OPENSSH PRIVATE KEY-----\n"));
	for (unsigned bits = 0; *at != '-' && *at != '='; at++) {
		if (*at == '\n')
			continue;
		assert_non_null(strchr(letters, *at));
		acc = acc << 6 | (uint32_t)(strchr(letters, *at) - letters);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			raw[n++] = (uint8_t)(acc >> bits);
		}
	}
	assert_memory_equal(
		raw, "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1\0\0\0\63", 43);
	assert_memory_equal(raw + 43, "\0\0\0\13ssh-ed25519\0\0\0 ", 19);
	/* the private part: its length, twice the same number, padding 1, 2, 3, … to blocks of 8 */
	size_t priv = 43 + 51, len = (size_t)raw[priv + 2] << 8 | raw[priv + 3];

	assert_int_equal(n, priv + 4 + len);
	assert_int_equal(len % 8, 0);
	assert_memory_equal(raw + priv + 4, raw + priv + 8, 4);
	buf_free(&d.bytes);
	free(b);
}

/* ---- in a box ----------------------------------------------------------------------------- */

static const struct box_opts asked = { .decoys = true };
static const struct box_opts asked_user = { .decoys = true, .user = "user" };

static void says(struct boxed *b, const char *script, const char *want)
{
	char *text = output_of(b, script);

	CHECK(!strcmp(text, want), "%s: %s instead of %s", script, text, want);
	free(text);
}

static int in_the_home(void *arg)
{
	const char *name = ((const struct box_opts *)arg)->user ? "a-user" : "root";
	struct boxed b;
	struct decoy d;

	boxed_start(&b, name, arg);
	decoy_make(&box_get_info(b.box)[0], 1, &d);
	says(&b, "cat ~/Documents/letter-to-the-bank.txt", buf_z(&d.bytes));
	says(&b,
	     "cd; stat -c '%a %U %n' .ssh .ssh/id_ed25519 .aws/credentials Documents | "
	     "sed s/$(id -un)/me/",
	     "700 me .ssh\n600 me .ssh/id_ed25519\n600 me .aws/credentials\n755 me Documents\n");
	says(&b, "find ~ -newer /etc/machine-id -type f | wc -l", "0\n");
	says(&b, "ls ~/.mozilla/firefox", "k4q7w2xz.default-release\nprofiles.ini\n");
	if (!((const struct box_opts *)arg)->user && box_get_info(b.box)->range)
		says(&b, "stat -c '%u %g' /home/user/.ssh/id_ed25519 /home/user",
		     "1000 1000\n1000 1000\n");
	says(&b, "rm -r ~/.ssh ~/.netrc; echo mine >~/Documents/invoice-0427.pdf", "");
	box_end(b.run);
	box_plan_free(b.plan);
	buf_free(&d.bytes);
	/* what is gone stays gone, what was changed stays changed */
	boxed_run(&b, arg);
	says(&b, "ls -d ~/.ssh ~/.netrc 2>/dev/null; cat ~/Documents/invoice-0427.pdf", "mine\n");
	boxed_close(&b);
	return 0;
}

static void test_a_new_box_has_them_in_its_home_once(void **state UNUSED)
{
	as_everyone(in_the_home, (void *)&asked);
}

static void test_a_user_has_them_too(void **state UNUSED)
{
	as_everyone(in_the_home, (void *)&asked_user);
}

static int unasked(void *arg UNUSED)
{
	struct boxed b;

	boxed_start(&b, NULL, NULL);
	says(&b, "ls -d ~/Documents ~/.ssh ~/.aws 2>/dev/null", "");
	boxed_close(&b);
	return 0;
}

static void test_there_are_none_where_none_were_asked_for(void **state UNUSED)
{
	as_everyone(unasked, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_decoy_holds_a_value_that_no_other_has),
		cmocka_unit_test(test_decoys_follow_from_the_identity),
		cmocka_unit_test(test_the_identity_is_looked_for_as_programs_write_it),
		cmocka_unit_test(test_the_password_database_opens),
		cmocka_unit_test(test_the_bill_is_a_pdf),
		cmocka_unit_test(test_the_key_is_one_that_openssh_would_read),
		cmocka_unit_test(test_a_new_box_has_them_in_its_home_once),
		cmocka_unit_test(test_a_user_has_them_too),
		cmocka_unit_test(test_there_are_none_where_none_were_asked_for),
	};

	return cmocka_run_group_tests_name("box decoys", tests, homes_make, homes_remove);
}
