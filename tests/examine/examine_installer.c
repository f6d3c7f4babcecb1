// SPDX-License-Identifier: Apache-2.0
/*
 * examine_installer.c - what a file is by its first bytes, how it is started, and what undoes it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "examine/installer.c"

/* A file with these bytes; closed by who asked. */
static struct examine_file file(const char *name, const void *p, size_t n)
{
	struct examine_file f = { memfd_create("installer", MFD_CLOEXEC), name };

	assert_true(f.fd >= 0);
	assert_int_equal(write_full(f.fd, p, n), 0);
	return f;
}

static enum installer_kind kind_of(const char *name, const void *p, size_t n)
{
	struct examine_file f = file(name, p, n);
	enum installer_kind kind = INSTALLERS;
	struct err err = { 0 };
	int rc = installer_find(&f, &kind, &err);

	close(f.fd);
	if (rc) {
		assert_int_equal(err.exit, n ? EXIT_USAGE : EXIT_UNREADABLE);
		assert_non_null(strstr(err.msg, name));
		assert_int_equal(kind, INSTALLERS); /* outputs are untouched on failure */
	} else {
		assert_in_range(kind, 0, INSTALLERS - 1);
	}
	return kind;
}

/* A tar of one member, as gzip when it is to be. */
static size_t tar_of(const char *member, bool gzip, unsigned char out[8192])
{
	static unsigned char tar[10240];
	z_stream z = {
		.next_in = tar, .avail_in = sizeof(tar), .next_out = out, .avail_out = 8192
	};

	memset(tar, 0, sizeof(tar));
	snprintf((char *)tar, 100, "%s", member);
	memcpy(tar + 257, "ustar", 6);
	if (!gzip) {
		memcpy(out, tar, 1024);
		return 1024;
	}
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void test_files_are_told_apart_by_their_first_bytes(void **state UNUSED)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
		enum installer_kind kind;
	} rows[] = {
#define ROW(name, bytes, kind) { name, bytes, sizeof(bytes) - 1, kind }
		ROW("a.deb", "!<arch>\ndebian-binary   1410122664", INSTALLER_DEB),
		ROW("deb", "!<arch>\ndebian-binary   1410122664", INSTALLER_DEB),
		ROW("lib.a", "!<arch>\nfoo.o/          0", INSTALLERS),
		ROW("a", "\xed\xab\xee\xdb\3\0\0\0", INSTALLER_RPM),
		ROW("a",
		    "\x7f"
		    "ELF\2\1\1\0\0\0\0\0",
		    INSTALLER_PROGRAM),
		ROW("a",
		    "\x7f"
		    "ELF",
		    INSTALLER_PROGRAM),
		ROW("a",
		    "\x7f"
		    "ELF\2\1\1\0AI\2\0",
		    INSTALLER_APPIMAGE),
		ROW("a",
		    "\x7f"
		    "ELF\2\1\1\0AI\1\0",
		    INSTALLER_PROGRAM),
		ROW("a", "#!/bin/sh\n", INSTALLER_SCRIPT),
		ROW("a.zip", "#!/bin/sh\n", INSTALLER_SCRIPT),
		ROW("a.run", "echo hello\n", INSTALLER_SCRIPT),
		ROW("a.sh", "", INSTALLERS),
		ROW("a.txt", "echo hello\n", INSTALLERS),
		ROW("empty", "", INSTALLERS),
		ROW("a", "#", INSTALLERS),
		ROW("a", "PK\3\4\24\0", INSTALLER_ARCHIVE),
		ROW("a", "PK\5\6", INSTALLERS), /* a zip with nothing in it */
		ROW("a", "BZh91AY", INSTALLER_ARCHIVE),
		ROW("a",
		    "\xfd"
		    "7zXZ\0",
		    INSTALLER_ARCHIVE),
		ROW("a", "\x28\xb5\x2f\xfd", INSTALLER_ARCHIVE),
		ROW("a", "\x1f\x8b", INSTALLER_ARCHIVE),
		ROW("a.deb.exe", "MZ\x90\0", INSTALLERS),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(kind_of(rows[i].name, rows[i].bytes, rows[i].n), rows[i].kind);
}

static void test_a_package_of_npm_is_told_by_its_first_member(void **state UNUSED)
{
	unsigned char b[8192];
	size_t n = tar_of("package/package.json", true, b);

	assert_int_equal(kind_of("a.tgz", b, n), INSTALLER_NPM);
	/* as little as the member's head will do, less will not, and nothing is read past its end
	 */
	for (size_t cut = 0; cut < n; cut++) {
		enum installer_kind k = kind_of("a.tgz", b, cut);

		assert_int_equal(k == INSTALLERS, cut < 2);
		assert_true(k == INSTALLERS || k == INSTALLER_ARCHIVE || k == INSTALLER_NPM);
	}
	n = tar_of("packages/package.json", true, b);
	assert_int_equal(kind_of("a.tgz", b, n), INSTALLER_ARCHIVE);
	n = tar_of("package/package.json", false, b);
	assert_int_equal(kind_of("a.tar", b, n), INSTALLER_ARCHIVE);
	n = tar_of("setup.sh", true, b);
	assert_int_equal(kind_of("a.tgz", b, n), INSTALLER_ARCHIVE);
	assert_int_equal(kind_of("a.run", b, n), INSTALLER_SCRIPT);
}

static void test_a_file_that_cannot_be_read_is_an_error(void **state UNUSED)
{
	struct examine_file f = { open("/", O_PATH | O_CLOEXEC), "folder" };
	enum installer_kind kind = INSTALLERS;
	struct err err = { 0 };

	assert_true(installer_find(&f, &kind, &err) < 0);
	assert_int_equal(err.exit, EXIT_UNREADABLE);
	assert_int_equal(kind, INSTALLERS);
	close(f.fd);
}

static void test_what_unpacks_it_is_asked_for_before_there_is_a_box(void **state UNUSED)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum installer_kind kind;
		const char *tool; /* that is missing; NULL: none is needed */
	} rows[] = {
		{ "PK\3\4", 4, INSTALLER_ARCHIVE, "program unzip," },
		{ "BZh91", 5, INSTALLER_ARCHIVE, "program bzip2," },
		{ "\x28\xb5\x2f\xfd", 4, INSTALLER_ARCHIVE, "program zstd," },
		{ "\xed\xab\xee\xdb", 4, INSTALLER_RPM, "program rpm," },
		{ "!<arch>\ndebian", 14, INSTALLER_DEB, "program dpkg," },
		{ "#!", 2, INSTALLER_SCRIPT, NULL },
		{ "\x7f"
		  "ELF",
		  4, INSTALLER_PROGRAM, NULL },
	};
	const char *folders[ARRAY_SIZE(tool_folders)];

	memcpy(folders, tool_folders, sizeof(folders));
	for (int here = 0; here < 2; here++) {
		for (size_t i = 0; i < ARRAY_SIZE(tool_folders); i++)
			tool_folders[i] = here ? folders[i] : "/nowhere";
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct examine_file f = file("in.stall", rows[i].bytes, rows[i].n);
			struct err err = { 0 };
			int rc = installer_tools(&f, rows[i].kind, &err);

			close(f.fd);
			if (here && rows[i].kind != INSTALLER_DEB)
				continue; /* a machine of tests need not have all */
			assert_int_equal(rc != 0, !here && rows[i].tool);
			if (!rc)
				continue;
			assert_int_equal(err.exit, EXIT_NOT_FOUND);
			assert_non_null(strstr(err.msg, rows[i].tool));
			assert_non_null(strstr(err.msg, "in.stall"));
		}
	}
}

static void test_a_damaged_file_is_told_from_an_installer_that_fails(void **state UNUSED)
{
	for (int k = 0; k < INSTALLERS; k++) {
		enum installer_kind kind = (enum installer_kind)k;

		for (int status = 0; status < 256; status++)
			assert_int_equal(installer_refused(kind, status) != NULL,
					 kinds[k].install && (status == 120 || status == 121));
		if (kinds[k].install && kind != INSTALLER_ARCHIVE)
			assert_non_null(strstr(kinds[k].install, "|| exit 121"));
	}
}

/* ---- words -------------------------------------------------------------------------------- */

static void test_words_end_with_the_path_and_its_arguments(void **state UNUSED)
{
	const char *argv[EXAMINE_ARGS_MAX + 8];
	struct examine_opts o = { .nargs = EXAMINE_ARGS_MAX };
	struct exam *x = xcalloc(1, sizeof(*x));

	x->o = &o;
	for (int i = 0; i < o.nargs; i++)
		o.arg[i] = i % 2 ? "--odd" : "$(even)";
	o.installer = file("a.run", "echo", 4);
	for (int k = 0; k < INSTALLERS; k++) {
		int n;

		memset(argv, 0xff, sizeof(argv));
		x->kind = (enum installer_kind)k;
		n = installer_words(x, "/p/a.run", argv);
		assert_true(n > o.nargs && (size_t)n < ARRAY_SIZE(argv));
		assert_null(argv[n]);
		assert_string_equal(argv[n - o.nargs - 1], "/p/a.run");
		for (int i = 0; i < o.nargs; i++)
			assert_ptr_equal(argv[n - o.nargs + i], o.arg[i]);
		/* text without an interpreter is for sh; a program starts itself */
		assert_string_equal(argv[0], k == INSTALLER_PROGRAM ? "/p/a.run" : "sh");
	}
	close(o.installer.fd);
	o.installer = file("a.run", "#!/bin/false\n", 13);
	x->kind = INSTALLER_SCRIPT;
	installer_words(x, "/p/a.run", argv);
	assert_string_equal(argv[0], "/p/a.run");
	close(o.installer.fd);
	free(x);
}

/* ---- undoing ------------------------------------------------------------------------------ */

/* What a shell takes for the words of a command, each in brackets. */
static char *shell_words(const char *command)
{
	cleanup_free char *z = xasprintf("for w in %s; do printf '[%%s]' \"$w\"; done", command);
	cleanup_buf struct buf quoted = { 0 };
	char part[4096];
	FILE *p;
	size_t n;

	buf_puts(&quoted, "sh -c ");
	buf_quote(&quoted, z, strlen(z));
	p = popen(buf_z(&quoted), "r");
	assert_non_null(p);
	n = fread(part, 1, sizeof(part), p);
	assert_int_equal(pclose(p), 0);
	return xstrndup(part, n);
}

static void found(struct state_path *path, size_t n, const char *want)
{
	struct examine_opts o = { .installer.name = "a.run" };
	struct exam *x = xcalloc(1, sizeof(*x));
	struct state s = { .path = path, .npaths = n };
	cleanup_free char *command = NULL;

	x->o = &o;
	x->kind = INSTALLER_SCRIPT;
	command = uninstall_command(x, &s);
	if (want) {
		cleanup_free char *words = shell_words(command);
		cleanup_free char *one = xasprintf("[%s]", want);

		assert_string_equal(words, one);
	} else {
		assert_null(command);
	}
	free(x);
}

static void test_the_uninstaller_is_the_nearest_executable_of_that_name(void **state UNUSED)
{
#define PATH(p, o, m)                                                                              \
	{                                                                                          \
		.path = (char[]){ p }, .op = (o), .mode = (m)                                      \
	}
	struct state_path none[] = {
		PATH("/opt/a/uninstall.sh", CHANGE_ADDED, S_IFREG | 0644),
		PATH("/opt/uninstall", CHANGE_REMOVED, S_IFREG | 0755),
		PATH("/opt/remove", CHANGE_ADDED, S_IFDIR | 0755),
		PATH("/opt/removed-things", CHANGE_ADDED, S_IFREG | 0755),
		PATH("/opt/uninstall/tool", CHANGE_ADDED, S_IFREG | 0755),
	};
	struct state_path some[] = {
		PATH("/opt/a/b/Uninstall", CHANGE_ADDED, S_IFREG | 0755),
		PATH("/opt/it's $(here) now/uninstaller.bin", CHANGE_ADDED, S_IFREG | 0700),
		PATH("/opt/z/c/d/remove.sh", CHANGE_ADDED, S_IFREG | 0755),
	};
#undef PATH

	found(none, ARRAY_SIZE(none), NULL);
	found(NULL, 0, NULL);
	found(some, ARRAY_SIZE(some), "/opt/it's $(here) now/uninstaller.bin");
	found(some, 1, "/opt/a/b/Uninstall");
}

static void test_a_package_is_undone_by_its_manager_or_as_was_asked(void **state UNUSED)
{
	struct examine_opts o = { .installer.name = "it's a $(package).deb" };
	struct exam *x = xcalloc(1, sizeof(*x));
	struct state s = { 0 };
	char *command, *words;

	x->o = &o;
	x->kind = INSTALLER_DEB;
	command = uninstall_command(x, &s);
	words = shell_words(command);
	assert_non_null(strstr(words, "[sh][-c]["));
	assert_non_null(strstr(words, "dpkg --purge"));
	assert_true(str_ends(str_z(words), "[" SETUP_DIR "/it's a $(package).deb]"));
	free(words);
	free(command);
	o.uninstall = "rm -rf /opt/a";
	command = uninstall_command(x, &s);
	assert_string_equal(command, "rm -rf /opt/a");
	free(command);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_told_apart_by_their_first_bytes),
		cmocka_unit_test(test_a_package_of_npm_is_told_by_its_first_member),
		cmocka_unit_test(test_a_file_that_cannot_be_read_is_an_error),
		cmocka_unit_test(test_what_unpacks_it_is_asked_for_before_there_is_a_box),
		cmocka_unit_test(test_a_damaged_file_is_told_from_an_installer_that_fails),
		cmocka_unit_test(test_words_end_with_the_path_and_its_arguments),
		cmocka_unit_test(test_the_uninstaller_is_the_nearest_executable_of_that_name),
		cmocka_unit_test(test_a_package_is_undone_by_its_manager_or_as_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
