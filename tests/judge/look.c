// SPDX-License-Identifier: Apache-2.0
/*
 * look.c - what a file's bytes say: the answers of osslsigncode, gcc and of a table are the truth
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/files.h"
#include "judge/look.h"

static const char *folder; /* tests/fuzz/corpus/judge_look */

struct sample {
	struct arena a;
	struct file_look l;
	char *bytes;
	size_t n;
};

static void take(struct sample *s, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", folder, name);

	memset(s, 0, sizeof(*s));
	assert_int_equal(read_file_at(AT_FDCWD, path, 1 << 20, &s->bytes, &s->n), 0);
	look_at(&s->a, s->bytes, s->n, &s->l);
}

static void drop(struct sample *s)
{
	arena_free(&s->a);
	free(s->bytes);
}

static void assert_str(struct str s, const char *want)
{
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.n ? s.p : "", want, s.n);
}

static void test_unsigned_program_of_windows(void **state)
{
	struct sample s;

	(void)state;
	take(&s, "pe-plain");
	assert_string_equal(s.l.type, "pe");
	assert_string_equal(s.l.kind, "program");
	assert_string_equal(s.l.arch, "x86-64");
	assert_string_equal(s.l.signature, "none");
	assert_str(s.l.libraries, "KERNEL32.dll,WS2_32.dll,USER32.dll");
	assert_str(s.l.names,
		   "CreateProcessW,IsDebuggerPresent,WSAStartup,connect,GetAsyncKeyState");
	assert_int_equal(s.l.imports, 1u << IMPORT_EXEC | 1u << IMPORT_DEBUG |
					      1u << IMPORT_NETWORK | 1u << IMPORT_KEYS);
	assert_int_equal(s.l.appended, 0);
	assert_false(s.l.packed);
	drop(&s);
	take(&s, "pe-library");
	assert_string_equal(s.l.kind, "library");
	drop(&s);
}

static void test_signature_that_holds(void **state)
{
	struct sample s, plain;

	(void)state;
	take(&s, "pe-signed");
	take(&plain, "pe-plain");
	assert_string_equal(s.l.signature, "good");
	assert_str(s.l.signer, "CN=Vendor Software Ltd,O=Vendor Software Ltd");
	assert_str(s.l.signer_issuer, "CN=Test Root,O=Test Authority");
	assert_str(s.l.signer_chain, "Vendor Software Ltd < Test Root");
	assert_str(s.l.signed_at, "2020-02-01T12:00:00Z");
	assert_int_equal(s.l.signatures, 1);
	assert_int_equal(s.l.beside_signature, 0);
	/* signing changes neither of them, and does change the bytes */
	assert_string_equal(s.l.digest, plain.l.digest);
	assert_string_equal(s.l.normal, plain.l.normal);
	assert_true(s.n > plain.n);
	drop(&s);
	drop(&plain);
}

static void test_another_signer_and_two_signatures(void **state)
{
	struct sample s;

	(void)state;
	take(&s, "pe-other");
	assert_string_equal(s.l.signature, "good");
	assert_str(s.l.signer, "CN=Other Network Technology,O=Other Network Technology");
	drop(&s);
	take(&s, "pe-nested");
	assert_string_equal(s.l.signature, "good");
	assert_int_equal(s.l.signatures, 2);
	drop(&s);
}

static void test_changed_after_signing(void **state)
{
	struct sample s;

	(void)state;
	take(&s, "pe-changed");
	assert_string_equal(s.l.signature, "other-bytes");
	assert_str(s.l.signer, "CN=Vendor Software Ltd,O=Vendor Software Ltd");
	drop(&s);
}

static void test_key_that_did_not_sign(void **state)
{
	struct file_look l;
	struct arena a = { 0 };
	struct sample s;
	uint32_t size;

	(void)state;
	take(&s, "pe-other");
	memcpy(&size, s.bytes + 88 + 112 + 36, sizeof(size));
	/* the encrypted digest is the last thing in the signature without a time stamp */
	s.bytes[s.n - 40] ^= 1;
	look_at(&a, s.bytes, s.n, &l);
	assert_string_equal(l.signature, "broken");
	arena_free(&a);
	drop(&s);
}

static void test_tag_beside_the_signature(void **state)
{
	struct sample s, tagged;

	(void)state;
	take(&s, "pe-signed");
	take(&tagged, "pe-tagged");
	assert_string_equal(tagged.l.signature, "good");
	assert_int_equal(tagged.l.beside_signature, 32);
	assert_string_equal(s.l.digest, tagged.l.digest);
	assert_string_equal(s.l.normal, tagged.l.normal);
	drop(&s);
	drop(&tagged);
}

static void test_another_build_of_the_same(void **state)
{
	struct sample a, b;

	(void)state;
	take(&a, "pe-plain");
	take(&b, "pe-rebuilt");
	assert_string_not_equal(a.l.digest, b.l.digest);
	assert_string_equal(a.l.normal, b.l.normal);
	drop(&a);
	drop(&b);
	take(&a, "elf-library");
	take(&b, "elf-library2");
	assert_true(memcmp(a.bytes, b.bytes, a.n) != 0);
	assert_string_equal(a.l.normal, b.l.normal);
	drop(&a);
	drop(&b);
}

static void test_elf(void **state)
{
	static const struct {
		const char *file, *kind, *linking, *marks;
		bool stripped;
		unsigned appended, imports;
	} rows[] = {
		{ "elf-object", "object", "static", "", false, 0, 0 },
		{ "elf-library", "library", "dynamic", "", true, 0,
		  1u << IMPORT_NETWORK | 1u << IMPORT_INJECT },
		{ "elf-static", "program", "static", "", true, 0, 0 },
		{ "elf-appended", "program", "static", "", true, 16, 0 },
		{ "elf-no-sections", "program", "static", "no-sections", true, 0, 0 },
		{ "elf-counter", "program", "static", "time-counter", true, 0, 0 },
		/* its bytes in data and in other instructions */
		{ "elf-no-counter", "program", "static", "", true, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample s;

		take(&s, rows[i].file);
		assert_string_equal(s.l.type, "elf");
		assert_string_equal(s.l.arch, "x86-64");
		assert_string_equal(s.l.kind, rows[i].kind);
		assert_int_equal(s.l.stripped, rows[i].stripped);
		assert_str(s.l.marks, rows[i].marks);
		if (strcmp(rows[i].file, "elf-library"))
			assert_string_equal(s.l.linking, rows[i].linking);
		if (strcmp(rows[i].kind, "program") == 0 && strcmp(rows[i].marks, "no-sections"))
			assert_int_equal(s.l.appended, rows[i].appended);
		assert_int_equal(s.l.imports, rows[i].imports);
		drop(&s);
	}
}

/* A compiler's code is below the limit, the same bytes as random ones above it. */
static void test_packed_code(void **state)
{
	struct sample s;
	struct file_look l;
	struct arena a = { 0 };
	const size_t more = 8192;
	uint64_t x = 88172645463325252ull;
	char *p;

	(void)state;
	take(&s, "pe-plain");
	p = xcalloc(1, s.n + more);
	memcpy(p, s.bytes, 512);
	memcpy(p + 512 + more, s.bytes + 512, s.n - 512);
	/* the first section is the long one now */
	memcpy(p + 88 + 240 + 16, &(uint32_t){ 512 + (uint32_t)more }, 4);
	memcpy(p + 88 + 240 + 40 + 20, &(uint32_t){ 1024 + (uint32_t)more }, 4);
	look_at(&a, p, s.n + more, &l);
	assert_false(l.packed);
	for (size_t i = 0; i < more; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		p[512 + i] = (char)x;
	}
	look_at(&a, p, s.n + more, &l);
	assert_true(l.packed);
	assert_true(l.code_entropy > 7.2);
	arena_free(&a);
	free(p);
	drop(&s);
}

static void test_what_is_no_program(void **state)
{
	struct sample s;

	(void)state;
	take(&s, "script");
	assert_string_equal(s.l.type, "script");
	drop(&s);
	take(&s, "mz-text");
	assert_string_equal(s.l.type, "other");
	drop(&s);
}

/* Whatever is cut off, whatever byte is wrong: no read outside (the sanitizers look). */
static void test_cut_and_damaged_files(void **state)
{
	static const char *const files[] = { "pe-nested", "pe-tagged", "elf-library",
					     "elf-object" };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
		struct sample s;

		take(&s, files[f]);
		for (size_t i = 0; i < s.n; i += 7) {
			struct arena a = { 0 };
			struct file_look l;
			char *part = xmalloc(i + 1);

			memcpy(part, s.bytes, i);
			look_at(&a, part, i, &l);
			free(part);
			s.bytes[i] ^= 0x55;
			look_at(&a, s.bytes, s.n, &l);
			s.bytes[i] ^= 0x55;
			arena_free(&a);
		}
		drop(&s);
	}
}

static void test_functions_are_found_by_halving(void **state)
{
	static const struct {
		const char *name;
		int class;
	} rows[] = {
		{ "BCryptEncrypt", IMPORT_CRYPTO },
		{ "xcb_shm_get_image", IMPORT_SCREEN },
		{ "execve", IMPORT_EXEC },
		{ "execute", -1 },
		{ "connect", IMPORT_NETWORK },
		{ "connection", -1 },
		{ "WinHttpOpen", IMPORT_NETWORK },
		{ "XRecordEnableContext", IMPORT_KEYS },
		{ "ptrace", IMPORT_INJECT },
		{ "IsDebuggerPresent", IMPORT_DEBUG },
		{ "dlopen", IMPORT_LOADER },
		{ "CryptUnprotectData", IMPORT_SECRETS },
		{ "", -1 },
		{ "zzz", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct file_look look = { 0 };
		struct looking l = { .to = &look };

		look_import(&l, str_z(rows[i].name));
		assert_int_equal(look.imports, rows[i].class < 0 ? 0 : 1u << rows[i].class);
		buf_free(&l.names);
	}
}

/* ---- files of a journal that are alike ---------------------------------------------------- */

static void test_similar_files(void **state)
{
	static const char *const names[] = { "pe-signed", "pe-other", "pe-library", "elf-static" };
	struct sample s[ARRAY_SIZE(names)];
	struct file_info v[ARRAY_SIZE(names)] = { 0 };
	struct file_book b = { .n = ARRAY_SIZE(names), .v = v };

	(void)state;
	for (size_t i = 0; i < b.n; i++) {
		uint8_t sum[SHA256_LEN];

		take(&s[i], names[i]);
		sha256_once(s[i].bytes, s[i].n, sum);
		hex_encode(sum, sizeof(sum), v[i].sha256);
		v[i].size = s[i].n;
		v[i].look = &s[i].l;
	}
	files_similar(&b);
	assert_ptr_equal(v[0].similar, &v[1]);
	assert_int_equal(v[0].similarity, 100);
	assert_ptr_equal(v[1].similar, &v[0]);
	assert_true(v[2].similarity < 100);
	assert_null(v[3].similar);
	for (size_t i = 0; i < b.n; i++)
		drop(&s[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsigned_program_of_windows),
		cmocka_unit_test(test_signature_that_holds),
		cmocka_unit_test(test_another_signer_and_two_signatures),
		cmocka_unit_test(test_changed_after_signing),
		cmocka_unit_test(test_key_that_did_not_sign),
		cmocka_unit_test(test_tag_beside_the_signature),
		cmocka_unit_test(test_another_build_of_the_same),
		cmocka_unit_test(test_elf),
		cmocka_unit_test(test_packed_code),
		cmocka_unit_test(test_what_is_no_program),
		cmocka_unit_test(test_cut_and_damaged_files),
		cmocka_unit_test(test_functions_are_found_by_halving),
		cmocka_unit_test(test_similar_files),
	};

	if (argc != 2)
		return 2;
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
