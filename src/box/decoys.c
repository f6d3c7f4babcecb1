// SPDX-License-Identifier: Apache-2.0
/*
 * decoys.c - documents and credentials that belong to nobody
 *
 * A new box's home holds what a thief would look for: a spreadsheet, a letter, a bill, a key,
 * a browser's passwords, a cloud's credentials. All are well-formed and none opens anything: names
 * are below example.net (RFC 2606), numbers and keys follow from the box's token by a hash. Each
 * holds one value that no other file in the world has; where it turns up, the file has been.
 *
 * Pure: from the identity, the bytes. Made before the box is, and written by pid 1
 * (decoys_place.c).
 */
#include <ctype.h>
#include <sqlite3.h>

#include "box/internal.h"

#define ALNUM	 "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
#define BASE64	 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define LETTERS	 "abcdefghijklmnopqrstuvwxyz0123456789"
#define KEY_WIDE 70 /* characters a line in OpenSSH's key files */

/** struct making - a decoy that is being written */
struct making {
	const struct box_info *in;
	struct buf *out;
	char mail[96];
	char value[41]; /* this decoy's own */
};

/* ---- documents ---------------------------------------------------------------------------- */

static void spreadsheet(struct making *m)
{
	buf_puts(m->out, "Date;Account;Purpose;Amount\r\n");
	for (int i = 1; i <= 12; i++)
		buf_printf(m->out, "2026-%02d-03;%s-%02d;Rent and heating;-%d.50\r\n", i, m->value,
			   i, 870 + i);
	buf_printf(m->out, "2026-12-31;%s;Balance;4182.17\r\n", m->value);
}

static void letter(struct making *m)
{
	buf_printf(m->out,
		   "%s\n%s\n\nTo the bank\n\nReference %s\n\nDear Sir or Madam,\n\n"
		   "please close the savings account named above at the end of the quarter and\n"
		   "transfer what is on it to my current account.\n\nYours faithfully\n%s\n",
		   m->in->person, m->mail, m->value, m->in->person);
}

/* One page of text, with the table of offsets that PDF 1.4 wants (ISO 32000-1 7.5). */
static void bill(struct making *m)
{
	cleanup_free char *page = xasprintf("BT /F1 12 Tf 72 760 Td (Invoice %s) Tj 0 -20 Td "
					    "(for %s) Tj 0 -20 Td (Total 312.80) Tj ET",
					    m->value, m->in->person);
	cleanup_free char *stream =
		xasprintf("<< /Length %zu >>\nstream\n%s\nendstream", strlen(page), page);
	static const char leaf[] = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
				   "/Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>";
	const char *const objects[] = {
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		leaf,
		stream,
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	};
	size_t at[ARRAY_SIZE(objects)], table;

	buf_puts(m->out, "%PDF-1.4\n");
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		at[i] = m->out->n;
		buf_printf(m->out, "%zu 0 obj\n%s\nendobj\n", i + 1, objects[i]);
	}
	table = m->out->n;
	buf_printf(m->out, "xref\n0 %zu\n0000000000 65535 f \n", ARRAY_SIZE(objects) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		buf_printf(m->out, "%010zu 00000 n \n", at[i]);
	buf_printf(m->out, "trailer\n<< /Size %zu /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n",
		   ARRAY_SIZE(objects) + 1, table);
}

/* ---- credentials -------------------------------------------------------------------------- */

static void put_be32(struct buf *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	buf_add(b, p, 4);
}

static void put_string(struct buf *b, const void *p, size_t n)
{
	put_be32(b, (uint32_t)n);
	buf_add(b, p, n);
}

static void put_base64(struct buf *out, const struct buf *in, size_t wide)
{
	size_t on_line = 0;

	for (size_t i = 0; i < in->n; i += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < in->n ? (uint8_t)in->p[i + k] : 0);
		for (size_t k = 0; k < 4; k++) {
			char c = i + k > in->n ? '=' : BASE64[v >> (18 - 6 * k) & 63];

			buf_add(out, &c, 1);
			if (wide && ++on_line % wide == 0)
				buf_puts(out, "\n");
		}
	}
	if (wide && on_line % wide)
		buf_puts(out, "\n");
}

/* openssh-key-v1 (OpenSSH's PROTOCOL.key), no passphrase. The public half is no point that the
 * private one has, so nothing can be signed with it. */
static void key(struct making *m)
{
	static const char kind[] = "ssh-ed25519";
	cleanup_buf struct buf pub = { 0 }, priv = { 0 }, all = { 0 };
	cleanup_free char *comment = xasprintf("user@%s", m->in->hostname);
	char half[33], other[33];

	identity_word(m->in->token, "ssh public", BASE64, 32, half);
	snprintf(other, sizeof(other), "%.32s", m->value);
	put_string(&pub, kind, sizeof(kind) - 1);
	put_string(&pub, half, 32);
	put_be32(&priv, 0x5a17c0de);
	put_be32(&priv, 0x5a17c0de);
	buf_add(&priv, pub.p, pub.n);
	put_be32(&priv, 64);
	buf_add(&priv, other, 32);
	buf_add(&priv, half, 32);
	put_string(&priv, comment, strlen(comment));
	for (char pad = 1; priv.n % 8; pad++)
		buf_add(&priv, &pad, 1);
	buf_add(&all, "openssh-key-v1", 15); /* with its NUL */
	put_string(&all, "none", 4);
	put_string(&all, "none", 4);
	put_string(&all, "", 0);
	put_be32(&all, 1);
	put_string(&all, pub.p, pub.n);
	put_string(&all, priv.p, priv.n);
	buf_puts(m->out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	put_base64(m->out, &all, KEY_WIDE);
	buf_puts(m->out, "-----END OPENSSH PRIVATE KEY-----\n");
}

static void cloud(struct making *m)
{
	char id[17], end[9];

	identity_word(m->in->token, "aws id", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, id);
	identity_word(m->in->token, "aws end", LETTERS, 8, end);
	buf_printf(m->out, "[default]\naws_access_key_id = AKIA%s\naws_secret_access_key = %s%s\n",
		   id, m->value, end);
}

static void netrc(struct making *m)
{
	buf_printf(m->out, "machine git.example.net login %s password %s\n", m->mail, m->value);
}

/* ---- browsers ----------------------------------------------------------------------------- */

static void firefox_profiles(struct making *m)
{
	buf_puts(m->out, "[Profile0]\nName=default-release\nIsRelative=1\n"
			 "Path=k4q7w2xz.default-release\nDefault=1\n\n[General]\n"
			 "StartWithLastProfile=1\nVersion=2\n");
}

static void firefox_logins(struct making *m)
{
	buf_printf(m->out,
		   "{\"nextId\":2,\"logins\":[{\"id\":1,\"hostname\":\"https://bank.example.net\","
		   "\"httpRealm\":null,\"formSubmitURL\":\"https://bank.example.net\","
		   "\"usernameField\":\"user\",\"passwordField\":\"pass\",\"encryptedUsername\":"
		   "\"MDIEEPgAAAAAAAAAAAAAAAAAAAEwFAYIKoZIhvcNAwcECA==\",\"encryptedPassword\":"
		   "\"MEIEEPgAAAAAAAAAAAAAAAAAAAEwFAYIKoZIhvcNAwcECM%s\",\"guid\":"
		   "\"{5b1e0d9c-2f6a-4c3e-9a51-7d0c8e4f2b16}\",\"encType\":1,\"timeCreated\":"
		   "1748772000000,\"timesUsed\":37}],\"version\":3}\n",
		   m->value);
}

/* A small database of the shape that Chromium's has; the password's cipher text is of no key. */
static void chromium_logins(struct making *m)
{
	cleanup_free char *sql = xasprintf(
		"PRAGMA page_size=2048;"
		"CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);"
		"CREATE TABLE logins(origin_url VARCHAR NOT NULL, action_url VARCHAR, "
		"username_element VARCHAR, username_value VARCHAR, password_element VARCHAR, "
		"password_value BLOB, submit_element VARCHAR, signon_realm VARCHAR NOT NULL, "
		"date_created INTEGER NOT NULL, blacklisted_by_user INTEGER NOT NULL, "
		"scheme INTEGER NOT NULL, times_used INTEGER);"
		"INSERT INTO meta VALUES('version','33');"
		"INSERT INTO logins VALUES('https://mail.example.net/','https://mail.example.net/',"
		"'user','%s','pass',CAST('v10%s' AS BLOB),'','https://mail.example.net/',"
		"13393245600000000,0,0,112);",
		m->mail, m->value);
	sqlite3 *db = NULL;
	sqlite3_int64 n = 0;
	unsigned char *bytes;

	if (!sqlite3_open(":memory:", &db) && !sqlite3_exec(db, sql, NULL, NULL, NULL)) {
		bytes = sqlite3_serialize(db, "main", &n, 0);
		buf_add(m->out, bytes, bytes ? (size_t)n : 0);
		sqlite3_free(bytes);
	}
	sqlite3_close(db);
}

/* ---- all of them -------------------------------------------------------------------------- */

#define FIREFOX	 ".mozilla/firefox/"
#define CHROMIUM ".config/chromium/Default/"

static const struct kind {
	const char *path; /* below the home */
	mode_t mode;
	const char *letters; /* of its value */
	uint8_t n;	     /* bytes of it; 0: it has none */
	void (*write)(struct making *m);
} kinds[] = {
	{ "Documents/household-2026.csv", 0644, ALNUM, 14, spreadsheet },
	{ "Documents/letter-to-the-bank.txt", 0644, ALNUM, 14, letter },
	{ "Documents/invoice-0427.pdf", 0644, ALNUM, 14, bill },
	{ ".ssh/id_ed25519", 0600, LETTERS, 32, key },
	{ ".aws/credentials", 0600, BASE64, 32, cloud },
	{ ".netrc", 0600, LETTERS, 18, netrc },
	{ FIREFOX "profiles.ini", 0644, "", 0, firefox_profiles },
	{ FIREFOX "k4q7w2xz.default-release/logins.json", 0600, BASE64, 32, firefox_logins },
	{ CHROMIUM "Login Data", 0600, LETTERS, 24, chromium_logins },
};

static void value_of(const struct box_info *in, const struct kind *k, char ret[41])
{
	identity_word(in->token, k->path, k->letters, k->n, ret);
	/* base64 of a file that ends in one of these would be cut by whoever splits lines */
	for (char *c = ret; *c; c++)
		if (*c == '/' || *c == '+')
			*c = 'x';
}

int decoys_count(void)
{
	return (int)ARRAY_SIZE(kinds);
}

void decoy_make(const struct box_info *in, int i, struct decoy *ret)
{
	struct making m = { .in = in, .out = &ret->bytes };

	*ret = (struct decoy){ .path = kinds[i].path, .mode = kinds[i].mode };
	snprintf(m.mail, sizeof(m.mail), "%s@example.net", in->person);
	for (char *c = m.mail; *c != '@'; c++)
		*c = *c == ' ' ? '.' : (char)tolower((unsigned char)*c);
	value_of(in, &kinds[i], m.value);
	kinds[i].write(&m);
}

/* ---- what to look for --------------------------------------------------------------------- */

/* A key's own value stands in its file as base64, in lines: of the one that holds most of it, its
 * beginning is what can be found. */
static void key_line(const struct box_info *in, int i, char ret[41])
{
	struct decoy d;
	const char *at;

	decoy_make(in, i, &d);
	at = buf_z(&d.bytes);
	for (int line = 1; line < 5; line++)
		at = strchr(at, '\n') + 1;
	snprintf(ret, 41, "%.40s", at);
	buf_free(&d.bytes);
}

/* A card's address as programs write it. */
static void mac_canaries(const struct box_info *in,
			 void (*fn)(void *ctx, const char *label, const char *value), void *ctx)
{
	static const char *const forms[] = { "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s",
					     "%.2s-%.2s-%.2s-%.2s-%.2s-%.2s",
					     "%.2s%.2s%.2s%.2s%.2s%.2s" };
	const char *m = in->mac;
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(text, sizeof(text), forms[i], m, m + 3, m + 6, m + 9, m + 12, m + 15);
		fn(ctx, "mac", text);
		for (char *c = text; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		fn(ctx, "mac", text);
	}
}

void box_decoys(void (*fn)(void *ctx, const char *path), void *ctx)
{
	static const char *const homes[] = { "/root", "/home/user" };

	for (size_t h = 0; h < ARRAY_SIZE(homes); h++)
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			cleanup_free char *path = xasprintf("%s/%s", homes[h], kinds[i].path);

			fn(ctx, path);
		}
}

void box_canaries(const struct box *box,
		  void (*fn)(void *ctx, const char *label, const char *value), void *ctx)
{
	const struct box_info *in = box_get_info(box);
	const char *id = in->machine_id;
	char text[64];

	fn(ctx, "hostname", in->hostname);
	fn(ctx, "machine-id", id);
	snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16,
		 id + 20);
	fn(ctx, "machine-id", text);
	mac_canaries(in, fn, ctx);
	fn(ctx, "person", in->person);
	fn(ctx, "disk-serial", in->disk_serial);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char value[41], label[96];

		if (!kinds[i].n)
			continue;
		value_of(in, &kinds[i], value);
		if (kinds[i].write == key)
			key_line(in, (int)i, value);
		snprintf(label, sizeof(label), "document:%s", kinds[i].path);
		fn(ctx, label, value);
	}
}
