// SPDX-License-Identifier: Apache-2.0
/* store_archive.c - export and import: the same box again, and what hostile streams come to */
#include "store_live.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define CASE(fn)                                                                                   \
	static void fn##_child(struct live *l);                                                    \
	static void fn(void **state)                                                               \
	{                                                                                          \
		in_child(state, fn##_child);                                                       \
	}                                                                                          \
	static void fn##_child(struct live *l)

/* ---- round trip --------------------------------------------------------------------------- */

static int fill(int top, bool range)
{
	static const char text[] = "some bytes\n";
	struct timespec t[2] = { { 1000000000, 123456789 }, { 1000000000, 123456789 } };
	int fd;

	if (mkdirat(top, "d", 0700) || mkdirat(top, "d/white", 0755) || mkdirat(top, "d/op", 0755))
		return 1;
	fd = openat(top, "d/file", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write_full(fd, text, sizeof(text)) ||
	    fsetxattr(fd, "user.note", "a\0b", 3, 0) || (range && fchown(fd, 33, 44)) ||
	    fchmod(fd, 06755) || futimens(fd, t))
		return 2;
	close(fd);
	if (linkat(top, "d/file", top, "d/hard", 0) || symlinkat("../no/where", top, "d/sym") ||
	    mknodat(top, "d/fifo", S_IFIFO | 0620, 0) || mknodat(top, "d/gone", S_IFCHR, 0) ||
	    linkat(top, "d/gone", top, "d/gone2", 0))
		return 3;
	fd = openat(top, "d/op", O_RDONLY | O_DIRECTORY);
	if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0))
		return 4;
	close(fd);
	fd = openat(top, "d/sparse", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || pwrite(fd, "y", 1, 3ll << 30) != 1 ||
	    ftruncate(fd, 5ll << 30))
		return 5;
	close(fd);
	fd = openat(top, "d/hole", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 1ll << 40))
		return 6;
	close(fd);
	if (mknodat(top, "d/new\nline \x1b[31m \xff\xfe", S_IFREG | 0644, 0) ||
	    mknodat(top, "d/empty", S_IFREG | 0400, 0) || mkdirat(top, "d/closed", 0755) ||
	    mknodat(top, "d/closed/in", S_IFREG, 0) || fchmodat(top, "d/closed", 0, 0) ||
	    (range && fchownat(top, "d/closed", 1000, 1000, 0)) || utimensat(top, "d", t, 0))
		return 7;
	return 0;
}

static int fill_box(void *ctx)
{
	const struct box *b = ctx;
	int top = openat(b->fd, "layers/2/root", O_RDONLY | O_DIRECTORY);

	return top < 0 ? 99 : fill(top, b->info.range);
}

/* All that is to be the same, as text: names, types, modes, owners, times, contents, attributes. */
static void describe_attrs(struct buf *out, int fd)
{
	char names[4096], value[4096];
	ssize_t n = flistxattr(fd, names, sizeof(names));

	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t k = fgetxattr(fd, p, value, sizeof(value));

		buf_printf(out, " %s=", p);
		for (ssize_t i = 0; i < k; i++)
			buf_printf(out, "%02x", (unsigned char)value[i]);
	}
}

/* Each stretch of data in a file with holes, and its first byte. */
static void describe_holes(struct buf *out, int fd, off_t size)
{
	for (off_t at = 0, data; (data = lseek(fd, at, SEEK_DATA)) >= 0 && data < size;) {
		char c;

		at = lseek(fd, data, SEEK_HOLE);
		must(pread(fd, &c, 1, data) == 1);
		buf_printf(out, " [%lld %lld %02x]", (long long)data, (long long)at, c);
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void describe(struct buf *out, int dir, const char *path, bool times)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, NULL, by_name);

	must(n >= 0);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		cleanup_free char *full = xasprintf("%s/%s", path, name);
		cleanup_close int fd = -1;
		char hash[SHA256_HEX], target[256];
		struct stat st;
		ssize_t k;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			goto next;
		must(!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW));
		buf_printf(out, "%s %o %u:%u %u:%u", full, st.st_mode, st.st_uid, st.st_gid,
			   major(st.st_rdev), minor(st.st_rdev));
		if (!S_ISDIR(st.st_mode))
			buf_printf(out, " %lld %d", (long long)st.st_size,
				   S_ISREG(st.st_mode) ? (int)st.st_nlink : 0);
		if (times)
			buf_printf(out, " %lld.%ld", (long long)st.st_mtim.tv_sec,
				   st.st_mtim.tv_nsec);
		if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
			fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
			must(fd >= 0);
			describe_attrs(out, fd);
		}
		if (S_ISREG(st.st_mode) && st.st_blocks < 2048) {
			if (st.st_size < 1 << 20) {
				must(!sha256_fd(fd, 1 << 20, hash, NULL));
				buf_printf(out, " %s", hash);
			} else {
				describe_holes(out, fd, st.st_size);
			}
		}
		if (S_ISLNK(st.st_mode)) {
			k = readlinkat(dir, name, target, sizeof(target));
			buf_printf(out, " -> %.*s", (int)k, target);
		}
		buf_puts(out, "\n");
		if (S_ISDIR(st.st_mode))
			describe(out, fd, full, times);
	next:
		free(list[i]);
	}
	free(list);
}

struct look {
	struct box *box;
	int to;
};

static int look(void *ctx)
{
	struct look *k = ctx;
	cleanup_buf struct buf out = { 0 };
	int dir = openat(k->box->fd, "layers/2/root", O_RDONLY | O_DIRECTORY);

	describe(&out, dir, "", true);
	return write_full(k->to, out.p, out.n) ? 1 : 0;
}

static char *looks(struct live *l, struct box *b)
{
	char name[] = "/tmp/belljar-look-XXXXXX";
	struct look k = { b, mkstemp(name) };
	char *text;
	int status = -1;

	must(k.to >= 0 && !unlink(name));
	must_ok(box_in_userns(b, look, &k, &status, &l->err), &l->err);
	must(status == 0 && lseek(k.to, 0, SEEK_SET) == 0);
	text = xcalloc(1, 1 << 20);
	must(read_full(k.to, text, (1 << 20) - 1) > 0);
	close(k.to);
	return text;
}

static int stream(void)
{
	char name[] = "/tmp/belljar-stream-XXXXXX";
	int fd = mkstemp(name);

	must(fd >= 0 && !unlink(name));
	return fd;
}

static void same(const char *a, const char *b)
{
	if (strcmp(a, b))
		fprintf(stderr, "# before:\n%s\n# after:\n%s\n", a, b);
	must(!strcmp(a, b));
}

CASE(test_an_imported_box_is_the_same_box)
{
	struct box *b = live_box(l, "old"), *n;
	cleanup_free char *before = NULL, *after = NULL;
	struct box_info was;
	int fd = stream(), status = -1;
	struct stat st;

	must_ok(box_snapshot(b, "snap", &l->err), &l->err);
	must_ok(box_in_userns(b, fill_box, b, &status, &l->err), &l->err);
	must(status == 0);
	must(!write_file_at(b->fd, "journal.db", 0600, "record", 6));
	must(!mkdirat(b->fd, "objects/ab", 0700));
	put(b, "objects/ab/00112233445566778899aabbccddeeff00112233445566778899aabbccddee");
	before = looks(l, b);
	must(strstr(before, "d/file") && strstr(before, "user.note=610062") &&
	     strstr(before, " 79]"));
	was = b->info;
	must_ok(box_export(b, fd, &l->err), &l->err);
	must(!fstat(fd, &st) && st.st_size < 1 << 20); /* the holes cost nothing */
	live_remove(l, b);

	must(lseek(fd, 0, SEEK_SET) == 0);
	must(box_import(&l->home, "new", l->opts.root, fd, &l->err) == 0);
	n = live_box(l, "new");
	must(!strcmp(n->info.name, "new") && n->info.top == 2 && n->info.nsnapshots == 1);
	must(!strcmp(n->info.snapshot[0].name, "snap") && n->info.range == was.range);
	must(!strcmp(n->info.hostname, was.hostname) &&
	     !strcmp(n->info.machine_id, was.machine_id) && n->info.created_ns == was.created_ns);
	must(!strcmp(n->info.mac, was.mac) && !strcmp(n->info.person, was.person) &&
	     !strcmp(n->info.disk_serial, was.disk_serial) && !strcmp(n->info.token, was.token));
	must(has(n, "journal.db") && has(n, "layers/2/work/root") && !has(n, "export.json"));
	must(has(n, "objects/ab/00112233445566778899aabbccddeeff00112233445566778899aabbccddee"));
	after = looks(l, n);
	same(before, after);
	live_remove(l, n);
	must(entries(l, "tmp") == 0);
}

CASE(test_an_import_does_not_touch_a_box_of_that_name)
{
	struct box *b = live_box(l, "x");
	int fd = stream();

	must_ok(box_export(b, fd, &l->err), &l->err);
	put(b, "layers/1/root/mine");
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(box_import(&l->home, "x", l->opts.root, fd, &l->err) == -EEXIST);
	must(l->err.exit == EXIT_EXISTS && has(b, "layers/1/root/mine"));
	must(entries(l, "tmp") == 0 && entries(l, "boxes") == 1);
	live_remove(l, b);
}

CASE(test_a_stream_cannot_choose_a_folder_of_the_host)
{
	struct box *b = live_box(l, "x");
	int fd = stream();

	must_ok(box_export(b, fd, &l->err), &l->err);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(box_import(&l->home, "y", NULL, fd, &l->err) == -EINVAL);
	must(l->err.exit == EXIT_USAGE && strstr(l->err.msg, "--root"));
	must(entries(l, "tmp") == 0 && entries(l, "boxes") == 1);
	live_remove(l, b);
}

static int deep(void *ctx)
{
	const struct box *b = ctx;
	int fd = openat(b->fd, "layers/1/root", O_RDONLY | O_DIRECTORY);
	char name[201];

	memset(name, 'n', 200);
	name[200] = 0;
	for (int i = 0; i < 60; i++) {
		int next;

		if (mkdirat(fd, name, 0755))
			return 1;
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	return mknodat(fd, "bottom", S_IFREG | 0600, 0) ? 2 : 0;
}

CASE(test_paths_longer_than_a_system_call_takes_come_through)
{
	struct box *b = live_box(l, "x");
	int fd = stream(), status = -1, dir;
	char name[201];

	must_ok(box_in_userns(b, deep, b, &status, &l->err), &l->err);
	must(status == 0);
	must(box_export(b, fd, &l->err) == 0);
	live_remove(l, b);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(box_import(&l->home, "x", l->opts.root, fd, &l->err) == 0);
	b = live_box(l, "x");
	memset(name, 'n', 200);
	name[200] = 0;
	dir = openat(b->fd, "layers/1/root", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 60; i++) {
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY);

		must(next >= 0);
		close(dir);
		dir = next;
	}
	must(!faccessat(dir, "bottom", F_OK, 0));
	close(dir);
	live_remove(l, b);
}

CASE(test_a_stream_that_ends_early_makes_nothing)
{
	struct box *b = live_box(l, "x");
	int fd = stream(), status = -1;
	struct stat st;

	must_ok(box_in_userns(b, deep, b, &status, &l->err), &l->err);
	must_ok(box_export(b, fd, &l->err), &l->err);
	live_remove(l, b);
	must(!fstat(fd, &st));
	for (int i = 1; i < 12; i++) {
		off_t cut = st.st_size * i / 12;
		int part = stream();
		char *buf = xmalloc((size_t)cut);

		must(pread(fd, buf, (size_t)cut, 0) == cut && !write_full(part, buf, (size_t)cut));
		free(buf);
		must(lseek(part, 0, SEEK_SET) == 0);
		must(box_import(&l->home, "y", l->opts.root, part, &l->err) == -EBADMSG);
		must(l->err.exit == EXIT_CORRUPT);
		close(part);
		must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
	}
}

CASE(test_an_export_to_a_full_disk_is_an_error)
{
	struct box *b = live_box(l, "x");
	cleanup_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		must(box_export(b, fd, &l->err) < 0);
		must(l->err.exit == EXIT_NO_SPACE);
	}
	live_remove(l, b);
}

/* ---- hostile streams ---------------------------------------------------------------------- */

/* One member by hand. type 'h': hard link to @data; 'l': symbolic link to @data. */
struct member {
	char type; /* f d l h p c b */
	const char *path;
	const char *data;
};

#define BOX_JSON                                                                                   \
	"{\"format\":1,\"name\":\"a\",\"created_ns\":1,\"hostname\":\"pc-1\",\"machine_id\":"      \
	"\"0123456789abcdef0123456789abcdef\",\"base\":\"\",\"root\":\"/srv/x\",\"idmap\":"        \
	"{\"range\":false,\"uid_start\":0,\"gid_start\":0},\"top\":1,\"renew\":0,"                 \
	"\"snapshots\":[],\"overlays\":[{\"at\":\"/\",\"host\":false}]}"
#define HEAD                                                                                       \
	{ 'f', "box.json", BOX_JSON }, { 'd', "layers", NULL }, { 'd', "layers/1", NULL },         \
	{                                                                                          \
		'd', "layers/1/root", NULL                                                         \
	}
#define MEMBERS 16

static const mode_t types[128] = {
	['f'] = AE_IFREG, ['d'] = AE_IFDIR, ['l'] = AE_IFLNK, ['h'] = AE_IFREG,
	['p'] = AE_IFIFO, ['c'] = AE_IFCHR, ['b'] = AE_IFBLK, ['s'] = AE_IFREG
};

static int make_stream(const struct member *m, int n, int said)
{
	struct archive *a = archive_write_new();
	int fd = stream();
	char end[64];

	archive_write_set_format_pax(a);
	archive_write_add_filter_zstd(a);
	archive_write_set_options(a, "hdrcharset=BINARY");
	must(archive_write_open_fd(a, fd) == ARCHIVE_OK);
	snprintf(end, sizeof(end), "{\"format\":1,\"members\":%d}", said < 0 ? n : said);
	for (int i = 0; i <= n; i++) {
		struct member last = { 'f', "export.json", end };
		const struct member *k = i < n ? &m[i] : &last;
		struct archive_entry *e = archive_entry_new();
		size_t size = k->data && k->type == 'f' ? strlen(k->data) : 0;

		if (i == n && said == 0)
			break;
		archive_entry_set_pathname(e, k->path);
		archive_entry_set_mode(e, types[(int)k->type] | 0755);
		archive_entry_set_size(e, (int64_t)size);
		if (k->type == 'l')
			archive_entry_set_symlink(e, k->data);
		if (k->type == 'h')
			archive_entry_set_hardlink(e, k->data);
		if (k->type == 'c' || k->type == 'b')
			archive_entry_set_rdev(e, makedev(1, 5));
		if (k->type == 'f' && k->data && !strncmp(k->data, "xattr:", 6))
			archive_entry_xattr_add_entry(e, k->data + 6, "v", 1);
		must(archive_write_header(a, e) >= ARCHIVE_WARN);
		if (size)
			must(archive_write_data(a, k->data, size) == (la_ssize_t)size);
		archive_entry_free(e);
	}
	must(archive_write_close(a) == ARCHIVE_OK);
	archive_write_free(a);
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

struct hostile {
	const char *what;
	int said; /* in export.json: -1 the truth, 0 no export.json */
	bool ok;
	struct member m[MEMBERS];
};

static const struct hostile hostile[] = {
	{ "nothing odd", -1, true, { HEAD, { 'f', "layers/1/root/f", "x" } } },
	{ "no members", -1, false, { { 0 } } },
	{ "box.json is not first",
	  -1,
	  false,
	  { { 'd', "layers", NULL }, { 'f', "box.json", BOX_JSON } } },
	{ "two of box.json", -1, false, { HEAD, { 'f', "box.json", BOX_JSON } } },
	{ "no export.json", 0, false, { HEAD } },
	{ "fewer members than said", 9, false, { HEAD } },
	{ "absolute", -1, false, { HEAD, { 'f', "/tmp/belljar-hostile", "x" } } },
	{ "parent", -1, false, { HEAD, { 'f', "../belljar-hostile", "x" } } },
	{ "parent inside", -1, false, { HEAD, { 'f', "layers/1/root/../../../../x", "x" } } },
	{ "file in a folder that is not there",
	  -1,
	  false,
	  { HEAD, { 'f', "layers/1/root/d/f", "x" } } },
	{ "through a link",
	  -1,
	  false,
	  { HEAD,
	    { 'l', "layers/1/root/l", "/tmp" },
	    { 'f', "layers/1/root/l/belljar-hostile", "x" } } },
	{ "through a link to the parent",
	  -1,
	  false,
	  { HEAD, { 'l', "layers/1/root/l", "../../.." }, { 'f', "layers/1/root/l/x", "x" } } },
	{ "over a link",
	  -1,
	  false,
	  { HEAD,
	    { 'l', "layers/1/root/l", "/tmp/belljar-hostile" },
	    { 'f', "layers/1/root/l", "x" } } },
	{ "folder over a link",
	  -1,
	  false,
	  { HEAD, { 'l', "layers/1/root/l", "/tmp" }, { 'd', "layers/1/root/l", NULL } } },
	{ "a layer that is a link",
	  -1,
	  false,
	  { { 'f', "box.json", BOX_JSON }, { 'd', "layers", NULL }, { 'l', "layers/1", "/tmp" } } },
	{ "hard link outside", -1, false, { HEAD, { 'h', "layers/1/root/h", "/etc/passwd" } } },
	{ "hard link to the parent",
	  -1,
	  false,
	  { HEAD, { 'h', "layers/1/root/h", "../../home" } } },
	{ "hard link to box.json", -1, false, { HEAD, { 'h', "layers/1/root/h", "box.json" } } },
	{ "hard link to the lock", -1, false, { HEAD, { 'h', "layers/1/root/h", "lock" } } },
	{ "hard link through a link",
	  -1,
	  false,
	  { HEAD,
	    { 'l', "layers/1/root/l", "/etc" },
	    { 'h', "layers/1/root/h", "layers/1/root/l/passwd" } } },
	{ "hard link to a link",
	  -1,
	  false,
	  { HEAD,
	    { 'l', "layers/1/root/l", "/etc/passwd" },
	    { 'h', "layers/1/root/h", "layers/1/root/l" } } },
	{ "box.json as a hard link", -1, false, { { 'h', "box.json", "layers/1/root/f" } } },
	{ "work folder", -1, false, { HEAD, { 'd', "layers/1/work", NULL } } },
	{ "layer 201", -1, false, { HEAD, { 'd', "layers/201", NULL } } },
	{ "lock", -1, false, { HEAD, { 'f', "lock", "x" } } },
	{ "an object that is a link",
	  -1,
	  false,
	  { HEAD, { 'd', "objects", NULL }, { 'l', "objects/ab", "/tmp" } } },
	{ "mark of another file system",
	  -1,
	  false,
	  { HEAD, { 'f', "layers/1/root/f", "xattr:user.overlay.origin" } } },
	{ "security label",
	  -1,
	  false,
	  { HEAD, { 'f', "layers/1/root/f", "xattr:security.selinux" } } },
	{ "a file twice",
	  -1,
	  false,
	  { HEAD, { 'f', "layers/1/root/f", "x" }, { 'f', "layers/1/root/f", "y" } } },
	{ "no layer", -1, false, { { 'f', "box.json", BOX_JSON } } },
	{ "box.json is none", -1, false, { { 'f', "box.json", "{}" }, { 'd', "layers", NULL } } },
	{ "device nodes are left out",
	  -1,
	  true,
	  { HEAD, { 'c', "layers/1/root/c", NULL }, { 'b', "layers/1/root/b", NULL } } },
};

CASE(test_hostile_streams_make_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const struct hostile *h = &hostile[i];
		int n = 0, fd, rc;

		while (n < MEMBERS && h->m[n].path)
			n++;
		fd = make_stream(h->m, n, h->said);
		rc = box_import(&l->home, "y", l->opts.root, fd, &l->err);
		close(fd);
		if ((rc >= 0) != h->ok || (rc < 0 && l->err.exit != EXIT_CORRUPT)) {
			fprintf(stderr, "# %s: %d %s\n", h->what, rc, rc < 0 ? l->err.msg : "");
			_exit(1);
		}
		if (rc >= 0) {
			struct box *b = live_box(l, "y");

			must(!has(b, "layers/1/root/c") && !has(b, "layers/1/root/b"));
			must(rc == (n > 5 ? 2 : 0));
			live_remove(l, b);
		}
		must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
		must(access("/tmp/belljar-hostile", F_OK) && access(l->dir, F_OK) == 0);
	}
}

CASE(test_what_is_no_stream_is_refused)
{
	static const char *const texts[] = { "", "x", "\x28\xb5\x2f\xfd", "PK\x03\x04",
					     "box.json" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = stream();

		must(!write_full(fd, texts[i], strlen(texts[i])) && lseek(fd, 0, SEEK_SET) == 0);
		must(box_import(&l->home, "y", l->opts.root, fd, &l->err) == -EBADMSG);
		must(l->err.exit == EXIT_CORRUPT);
		close(fd);
		must(entries(l, "boxes") == 0 && entries(l, "tmp") == 0);
	}
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, live_setup, live_teardown)
	const struct CMUnitTest tests[] = {
		T(test_an_imported_box_is_the_same_box),
		T(test_an_import_does_not_touch_a_box_of_that_name),
		T(test_a_stream_cannot_choose_a_folder_of_the_host),
		T(test_paths_longer_than_a_system_call_takes_come_through),
		T(test_a_stream_that_ends_early_makes_nothing),
		T(test_an_export_to_a_full_disk_is_an_error),
		T(test_hostile_streams_make_nothing),
		T(test_what_is_no_stream_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
