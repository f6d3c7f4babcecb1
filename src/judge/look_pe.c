// SPDX-License-Identifier: Apache-2.0
/*
 * look_pe.c - a program of Windows: headers, imports, and where its signature is
 *
 * By Microsoft's "PE Format" and "Windows Authenticode Portable Executable Signature Format". Each
 * read is checked against the file's size; counts from the file are bounded by names below.
 */
#include <openssl/evp.h>

#include "judge/look.h"

#define SECTIONS_MAX	96 /* what Windows loads */
#define DIRECTORIES_MAX 16
#define LIBRARIES_MAX	1024
#define NAME_MAX_BYTES	256
#define DEBUG_MAX	16

enum { DIR_EXPORT, DIR_IMPORT, DIR_CERTIFICATES = 4, DIR_DEBUG = 6, DIR_DELAY = 13, DIR_DOTNET };

struct pe_section {
	uint32_t rva, size, at, n; /* in memory; in the file */
};

struct pe {
	struct looking *l;
	size_t headers;	 /* of "PE\0\0" */
	size_t optional; /* of the optional header */
	bool wide;	 /* PE32+ */
	size_t ndirs, dirs;
	struct pe_section section[SECTIONS_MAX];
	size_t nsections;
	size_t end; /* of what headers and sections take up */
};

/* ---- bounded reads ------------------------------------------------------------------------ */

static bool inside(const struct looking *l, size_t at, size_t n)
{
	return at <= l->n && n <= l->n - at;
}

static uint32_t u16(const struct looking *l, size_t at)
{
	return inside(l, at, 2) ? (uint32_t)(l->p[at] | l->p[at + 1] << 8) : 0;
}

static uint32_t u32(const struct looking *l, size_t at)
{
	return inside(l, at, 4) ? u16(l, at) | u16(l, at + 2) << 16 : 0;
}

static struct str text_at(const struct looking *l, size_t at)
{
	size_t room = at < l->n ? l->n - at : 0;

	room = room > NAME_MAX_BYTES ? NAME_MAX_BYTES : room;
	return (struct str){ (const char *)l->p + (room ? at : 0),
			     room ? strnlen((const char *)l->p + at, room) : 0 };
}

/* Where a relative virtual address lies in the file; 0: nowhere. */
static size_t place_of(const struct pe *pe, uint32_t rva)
{
	for (size_t i = 0; i < pe->nsections; i++) {
		const struct pe_section *s = &pe->section[i];

		if (rva >= s->rva && rva - s->rva < s->n)
			return (size_t)s->at + (rva - s->rva);
	}
	return 0;
}

static uint32_t directory(const struct pe *pe, size_t which, uint32_t *ret_size)
{
	size_t at = pe->dirs + 8 * which;

	*ret_size = which < pe->ndirs ? u32(pe->l, at + 4) : 0;
	return which < pe->ndirs ? u32(pe->l, at) : 0;
}

/* ---- imports ------------------------------------------------------------------------------ */

static void functions(const struct pe *pe, uint32_t table)
{
	size_t at = place_of(pe, table), step = pe->wide ? 8 : 4;

	for (; at && inside(pe->l, at, step); at += step) {
		uint32_t low = u32(pe->l, at), high = pe->wide ? u32(pe->l, at + 4) : low;
		size_t name;

		if (!low && !high)
			return;
		if (pe->l->nsymbols >= LOOK_SYMBOLS_MAX)
			return;
		name = high >> 31 ? 0 : place_of(pe, low); /* by number; by name */
		if (name)
			look_import(pe->l, text_at(pe->l, name + 2));
		else
			pe->l->nsymbols++;
	}
}

/* Descriptors of @size bytes; their fields are @lookup, @name, @address. */
static void libraries(const struct pe *pe, size_t which, size_t size, size_t lookup, size_t name,
		      size_t address)
{
	uint32_t n;
	size_t at = place_of(pe, directory(pe, which, &n));

	for (int i = 0; at && i < LIBRARIES_MAX && inside(pe->l, at, size); i++, at += size) {
		size_t called = place_of(pe, u32(pe->l, at + name));

		if (!called)
			return;
		look_library(pe->l, text_at(pe->l, called));
		functions(pe, u32(pe->l, at + lookup) ? u32(pe->l, at + lookup)
						      : u32(pe->l, at + address));
	}
}

/* ---- headers ------------------------------------------------------------------------------ */

static const char *arch_of(uint32_t machine)
{
	switch (machine) {
	case 0x8664:
		return "x86-64";
	case 0x014c:
		return "i386";
	case 0xaa64:
		return "arm64";
	case 0x01c0:
	case 0x01c4:
		return "arm";
	default:
		return "other";
	}
}

static const struct {
	const char *section, *mark;
} packers[] = {
	{ "UPX0", "upx" },	   { "UPX1", "upx" },	      { ".MPRESS1", "mpress" },
	{ ".aspack", "aspack" },   { ".adata", "aspack" },    { ".vmp0", "vmprotect" },
	{ ".vmp1", "vmprotect" },  { ".themida", "themida" }, { ".winlice", "themida" },
	{ ".petite", "petite" },   { ".enigma1", "enigma" },  { ".nsp0", "nspack" },
	{ "PEC2TO", "pecompact" }, { ".ndata", "nsis" },
};

static void section(struct pe *pe, size_t at)
{
	struct looking *l = pe->l;
	struct pe_section *s = &pe->section[pe->nsections++];
	struct str name = text_at(l, at);
	bool code = u32(l, at + 36) & 0x20000020;

	name.n = name.n > 8 ? 8 : name.n;
	*s = (struct pe_section){ u32(l, at + 12), u32(l, at + 8), u32(l, at + 20),
				  u32(l, at + 16) };
	if (inside(l, s->at, s->n) && (size_t)s->at + s->n > pe->end)
		pe->end = (size_t)s->at + s->n;
	look_section(l, name, s->at, s->n, code);
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++)
		if (str_eq(name, str_z(packers[i].section))) {
			look_mark(l, packers[i].mark);
			l->to->packed |= strcmp(packers[i].mark, "nsis") != 0;
		}
}

/* Times that the linker writes, and the number of the build. */
static void build_marks(struct pe *pe)
{
	struct looking *l = pe->l;
	uint32_t n;
	size_t at = place_of(pe, directory(pe, DIR_EXPORT, &n));

	look_hole(l, pe->headers + 8, 4, false);
	look_hole(l, pe->optional + 64, 4, false);
	if (at)
		look_hole(l, at + 4, 4, false);
	at = place_of(pe, directory(pe, DIR_DEBUG, &n));
	for (size_t i = 0; at && i < DEBUG_MAX && i < n / 28; i++) {
		size_t entry = at + 28 * i, data = u32(l, entry + 24);

		look_hole(l, entry + 4, 4, false);
		/* "RSDS", GUID, age: which symbols belong to this build */
		if (inside(l, data, 24) && !memcmp(l->p + data, "RSDS", 4))
			look_hole(l, data + 4, 20, false);
	}
}

/* ---- signature ---------------------------------------------------------------------------- */

struct skipped {
	size_t checksum, directory, table, table_end;
};

static struct skipped skipped_by_digest(const struct looking *l)
{
	size_t optional = u32(l, 60) + (size_t)24;
	size_t dirs = optional + (u16(l, optional) == 0x20b ? 112 : 96);
	struct skipped s = { optional + 64, dirs + 8 * DIR_CERTIFICATES, l->n, l->n };

	if (u32(l, dirs - 4) > DIR_CERTIFICATES && u32(l, s.directory) &&
	    inside(l, u32(l, s.directory), u32(l, s.directory + 4)) &&
	    u32(l, s.directory) >= s.directory + 8) {
		s.table = u32(l, s.directory);
		s.table_end = s.table + u32(l, s.directory + 4);
	}
	return s;
}

/* All of the file but what signing changes; as if padded to 8 bytes, which signing does. */
static int digest(const struct looking *l, const void *md, uint8_t *out)
{
	static const uint8_t zeros[8];
	struct skipped s = skipped_by_digest(l);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c && EVP_DigestInit_ex(c, md, NULL);

	if (!inside(l, s.directory, 8) || s.table < s.directory + 8)
		ok = 0;
	if (ok) {
		size_t after = s.directory + 8, pad = -s.table % 8;

		EVP_DigestUpdate(c, l->p, s.checksum);
		EVP_DigestUpdate(c, l->p + s.checksum + 4, s.directory - s.checksum - 4);
		EVP_DigestUpdate(c, l->p + after, s.table - after);
		EVP_DigestUpdate(c, zeros, pad);
		EVP_DigestUpdate(c, l->p + s.table_end, l->n - s.table_end);
		ok = EVP_DigestFinal_ex(c, out, NULL);
	}
	EVP_MD_CTX_free(c);
	return ok ? 0 : -EBADMSG;
}

static void signature(struct pe *pe)
{
	struct looking *l = pe->l;
	struct skipped s = skipped_by_digest(l);
	uint8_t sum[EVP_MAX_MD_SIZE];
	size_t n = s.table_end - s.table;

	if (!digest(l, EVP_sha256(), sum))
		hex_encode(sum, SHA256_LEN, l->to->digest);
	look_hole(l, s.directory, 8, false);
	if (!n) {
		uint32_t size;

		if (directory(pe, DIR_CERTIFICATES, &size))
			l->to->signature = "broken";
		return;
	}
	look_hole(l, s.table, n, true);
	look_certificates(l, s.table, n, digest);
	if (s.table_end > pe->end)
		pe->end = s.table_end;
	if (s.table > pe->end)
		l->to->appended = s.table - pe->end;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static bool read_headers(struct pe *pe)
{
	struct looking *l = pe->l;
	size_t table, size, n;

	pe->headers = u32(l, 60);
	if (!inside(l, pe->headers, 24) || memcmp(l->p + pe->headers, "PE\0\0", 4))
		return false;
	pe->optional = pe->headers + 24;
	size = u16(l, pe->headers + 20);
	pe->wide = u16(l, pe->optional) == 0x20b;
	if ((!pe->wide && u16(l, pe->optional) != 0x10b) || !inside(l, pe->optional, size) ||
	    size < (pe->wide ? 112u : 96u))
		return false;
	pe->dirs = pe->optional + (pe->wide ? 112 : 96);
	pe->ndirs = u32(l, pe->dirs - 4);
	if (pe->ndirs > DIRECTORIES_MAX)
		pe->ndirs = DIRECTORIES_MAX;
	if (pe->ndirs > (pe->optional + size - pe->dirs) / 8)
		pe->ndirs = (pe->optional + size - pe->dirs) / 8;
	table = pe->optional + size;
	n = u16(l, pe->headers + 6);
	pe->end = u32(l, pe->optional + 60) < l->n ? u32(l, pe->optional + 60) : 0;
	for (size_t i = 0; i < n && i < SECTIONS_MAX && inside(l, table + 40 * i, 40); i++)
		section(pe, table + 40 * i);
	return true;
}

static const char *kind_of(const struct pe *pe)
{
	if (u16(pe->l, pe->optional + 68) == 1) /* subsystem: none, so the kernel's */
		return "driver";
	return u16(pe->l, pe->headers + 22) & 0x2000 ? "library" : "program";
}

void look_pe(struct looking *l)
{
	struct pe *pe = xcalloc(1, sizeof(*pe));
	uint32_t n;

	pe->l = l;
	if (!read_headers(pe)) {
		/* "MZ" begins programs of DOS and many a text, too */
		free(pe);
		return;
	}
	l->to->type = "pe";
	l->to->arch = arch_of(u16(l, pe->headers + 4));
	l->to->kind = kind_of(pe);
	l->to->linking = "dynamic";
	l->to->stripped = !u32(l, pe->headers + 12); /* no COFF symbols */
	if (directory(pe, DIR_DOTNET, &n))
		look_mark(l, "dotnet");
	libraries(pe, DIR_IMPORT, 20, 0, 12, 16);
	libraries(pe, DIR_DELAY, 32, 16, 4, 12);
	build_marks(pe);
	signature(pe);
	if (l->n > pe->end)
		l->to->appended += l->n - pe->end;
	free(pe);
}
