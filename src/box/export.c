// SPDX-License-Identifier: Apache-2.0
/*
 * export.c - a box as one tar stream
 *
 * The walk runs as box root in a child (box_in_userns): it can read what the box's programs made,
 * and sees owners as box ids. The child's root folder is the box's. Names and attributes are the
 * box's programs' choice and go out as bytes: pax with hdrcharset=BINARY.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "box/archive_members.h"

#define ZEROS (256u << 20) /* address space for holes, never touched */

/** struct seen - a regular file with several names: where it was first */
struct seen {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct export
{
	struct box *box;
	int out;
	struct archive_result *result;
	struct archive *a;
	struct buf path;
	struct seen *seen; /* open addressing, a power of two */
	size_t nseen, seen_cap;
	json_t *notes;
	const char *zeros;
};

static int fail(struct export *x, const char *what)
{
	int e = archive_errno(x->a);

	return err_set(&x->result->err, e > 0 ? e : EIO, "box: %s at '%s'", what, buf_z(&x->path));
}

static void skip(struct export *x, const char *why)
{
	cleanup_buf struct buf hex = { 0 };

	x->result->skipped++;
	if (json_array_size(x->notes) >= EXPORT_NOTES_MAX)
		return;
	/* JSON holds no other bytes than UTF-8 */
	if (utf8_valid(x->path.p, x->path.n)) {
		buf_add(&hex, x->path.p, x->path.n);
	} else {
		for (size_t i = 0; i < x->path.n; i++)
			buf_printf(&hex, "%%%02x", (unsigned char)x->path.p[i]);
	}
	json_array_append_new(x->notes, json_pack("{s:s,s:s}", "path", buf_z(&hex), "reason", why));
}

/* ---- hard links --------------------------------------------------------------------------- */

static size_t slot(const struct export *x, dev_t dev, ino_t ino)
{
	size_t i = ((size_t)ino * 0x9e3779b97f4a7c15ull ^ (size_t)dev) & (x->seen_cap - 1);

	while (x->seen[i].path && (x->seen[i].ino != ino || x->seen[i].dev != dev))
		i = (i + 1) & (x->seen_cap - 1);
	return i;
}

static void grow(struct export *x)
{
	struct seen *old = x->seen;
	size_t cap = x->seen_cap;

	x->seen_cap = cap ? cap * 2 : 1024;
	x->seen = xcalloc(x->seen_cap, sizeof(*x->seen));
	for (size_t i = 0; i < cap; i++)
		if (old[i].path)
			x->seen[slot(x, old[i].dev, old[i].ino)] = old[i];
	free(old);
}

/* Where this file was written before, or NULL and it is remembered. */
static const char *first_path(struct export *x, const struct stat *st)
{
	size_t i;

	if (st->st_nlink < 2)
		return NULL;
	if (x->nseen * 2 >= x->seen_cap)
		grow(x);
	i = slot(x, st->st_dev, st->st_ino);
	if (x->seen[i].path)
		return x->seen[i].path;
	x->seen[i] = (struct seen){ st->st_dev, st->st_ino, xstrdup(buf_z(&x->path)) };
	x->nseen++;
	return NULL;
}

/* ---- one member --------------------------------------------------------------------------- */

static struct archive_entry *entry_new(struct export *x, const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, buf_z(&x->path));
	archive_entry_set_mode(e, st->st_mode);
	archive_entry_set_uid(e, st->st_uid);
	archive_entry_set_gid(e, st->st_gid);
	archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode))
		archive_entry_set_size(e, st->st_size);
	else
		archive_entry_set_size(e, 0);
	if (S_ISCHR(st->st_mode))
		archive_entry_set_rdev(e, st->st_rdev);
	return e;
}

static void add_xattrs(struct export *x, struct archive_entry *e, int fd)
{
	char names[65536], value[MEMBER_XATTR_MAX];
	ssize_t n = flistxattr(fd, names, sizeof(names));
	int count = 0;

	if (n < 0 && errno != ENOTSUP)
		skip(x, "attributes that cannot be listed");
	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t k;

		if (!member_xattr_ok(p)) {
			if (strncmp(p, "user.overlay.", 13) && strncmp(p, "security.", 9))
				skip(x, "an attribute with a name that cannot be kept");
			continue;
		}
		k = fgetxattr(fd, p, value, sizeof(value));
		if (k < 0 || count++ >= MEMBER_XATTRS_MAX)
			skip(x, "an attribute that cannot be read, or one too many");
		else
			archive_entry_xattr_add_entry(e, p, value, (size_t)k);
	}
}

static int put_header(struct export *x, struct archive_entry *e)
{
	x->result->members++;
	return archive_write_header(x->a, e) < ARCHIVE_WARN ? fail(x, "write") : 0;
}

static int put_bytes(struct export *x, const char *p, uint64_t n)
{
	while (n) {
		la_ssize_t k = archive_write_data(x->a, p, n);

		if (k <= 0)
			return fail(x, "write");
		p += k;
		n -= (uint64_t)k;
	}
	return 0;
}

static int put_zeros(struct export *x, uint64_t n)
{
	while (n) {
		uint64_t k = n < ZEROS ? n : ZEROS;
		int rc = put_bytes(x, x->zeros, k);

		if (rc)
			return rc;
		n -= k;
	}
	return 0;
}

/* The header has promised @n bytes: a file that got shorter meanwhile is filled up. */
static int put_range(struct export *x, int fd, uint64_t from, uint64_t n)
{
	char buf[65536];

	while (n) {
		ssize_t k = pread(fd, buf, n < sizeof(buf) ? n : sizeof(buf), (off_t)from);
		int rc;

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			skip(x, "a file that could not be read to its end");
			return put_zeros(x, n);
		}
		rc = put_bytes(x, buf, (uint64_t)k);
		if (rc)
			return rc;
		from += (uint64_t)k;
		n -= (uint64_t)k;
	}
	return 0;
}

struct extent {
	off_t from, to;
};

/* Where the data of a file with holes is. Return: how many, -1 too many. */
static int extents(int fd, off_t size, struct extent *ret)
{
	off_t at = 0;
	int n = 0;

	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0)
			break; /* ENXIO: only a hole is left */
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		if (data >= size)
			break;
		if (n == EXPORT_EXTENTS_MAX)
			return -1;
		ret[n++] = (struct extent){ data, hole };
		at = hole;
	}
	return n;
}

static int put_sparse(struct export *x, struct archive_entry *e, int fd, const struct stat *st)
{
	cleanup_free struct extent *ext = xcalloc(EXPORT_EXTENTS_MAX, sizeof(*ext));
	int n = extents(fd, st->st_size, ext), rc;
	off_t at = 0;

	if (n < 0 || (uint64_t)st->st_size > EXPORT_SPARSE_MAX) {
		skip(x, "a file with too many or too large holes");
		return 0;
	}
	if (n == 0)
		archive_entry_sparse_add_entry(e, 0, 0);
	for (int i = 0; i < n; i++)
		archive_entry_sparse_add_entry(e, ext[i].from, ext[i].to - ext[i].from);
	rc = put_header(x, e);
	for (int i = 0; i < n && !rc; i++) {
		rc = put_zeros(x, (uint64_t)(ext[i].from - at));
		if (!rc)
			rc = put_range(x, fd, (uint64_t)ext[i].from,
				       (uint64_t)(ext[i].to - ext[i].from));
		at = ext[i].to;
	}
	return rc ? rc : put_zeros(x, (uint64_t)(st->st_size - at));
}

static int put_file(struct export *x, int dirfd, const char *name)
{
	cleanup_close int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct archive_entry *e;
	const char *first;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		skip(x, "a file that cannot be opened");
		return 0;
	}
	e = entry_new(x, &st);
	first = first_path(x, &st);
	if (first) {
		archive_entry_set_hardlink(e, first);
		archive_entry_set_size(e, 0);
		rc = put_header(x, e);
	} else {
		add_xattrs(x, e, fd);
		if ((uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size) {
			rc = put_sparse(x, e, fd, &st);
		} else {
			rc = put_header(x, e);
			if (!rc)
				rc = put_range(x, fd, 0, (uint64_t)st.st_size);
		}
	}
	archive_entry_free(e);
	return rc;
}

static int put_special(struct export *x, int dirfd, const char *name, const struct stat *st)
{
	struct archive_entry *e = entry_new(x, st);
	char target[8192];
	int rc = 0;

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

		if (n < 0) {
			skip(x, "a link that cannot be read");
			goto out;
		}
		target[n] = 0;
		archive_entry_set_symlink(e, target);
	}
	rc = put_header(x, e);
out:
	archive_entry_free(e);
	return rc;
}

/* ---- the walk ----------------------------------------------------------------------------- */

static int put_entry(struct export *x, int dirfd, const char *name, int depth);

static int put_entries(struct export *x, int fd, int depth)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = again < 0 ? NULL : fdopendir(again);
	size_t n = x->path.n;
	struct dirent *e;

	if (!d) {
		if (again >= 0)
			close(again);
		skip(x, "a folder that cannot be read");
		return 0;
	}
	while (!rc && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n)
			buf_puts(&x->path, "/");
		buf_puts(&x->path, e->d_name);
		rc = put_entry(x, fd, e->d_name, depth);
		x->path.n = n;
	}
	closedir(d);
	return rc;
}

static int put_dir(struct export *x, int dirfd, const char *name, int depth)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct archive_entry *e;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) || depth > EXPORT_DEPTH_MAX) {
		skip(x, depth > EXPORT_DEPTH_MAX ? "a folder too deep in others"
						 : "a folder that cannot be opened");
		return 0;
	}
	e = entry_new(x, &st);
	add_xattrs(x, e, fd);
	rc = put_header(x, e);
	archive_entry_free(e);
	return rc ? rc : put_entries(x, fd, depth + 1);
}

static int put_entry(struct export *x, int dirfd, const char *name, int depth)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		skip(x, "gone while it was read");
		return 0;
	}
	if (!member_ok(buf_z(&x->path), st.st_mode & S_IFMT)) {
		if (depth > 3) /* work folders and what is ours are left out on purpose */
			skip(x, "a path too long");
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return put_dir(x, dirfd, name, depth);
	if (S_ISREG(st.st_mode))
		return put_file(x, dirfd, name);
	if (S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode) ||
	    (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)))
		return put_special(x, dirfd, name, &st);
	skip(x, S_ISSOCK(st.st_mode) ? "a socket" : "a device node");
	return 0;
}

static int put_named(struct export *x, int root, const char *name)
{
	int rc;

	x->path.n = 0;
	buf_puts(&x->path, name);
	rc = put_entry(x, root, name, 1);
	x->path.n = 0;
	return rc;
}

static int put_box(struct export *x, int root)
{
	int rc = put_named(x, root, "box.json");
	DIR *d = opendir("/");
	struct dirent *e;

	while (!rc && d && (e = readdir(d)))
		if (member_top_ok(e->d_name) && strcmp(e->d_name, "box.json"))
			rc = put_named(x, root, e->d_name);
	if (d)
		closedir(d);
	if (!rc)
		rc = put_named(x, root, "objects");
	return rc ? rc : put_named(x, root, "layers");
}

static int put_end(struct export *x)
{
	struct stat st = { .st_mode = S_IFREG | 0600 };
	json_t *j = json_pack("{s:i,s:I,s:I,s:O}", "format", 1, "members",
			      (json_int_t)x->result->members, "skipped",
			      (json_int_t)x->result->skipped, "notes", x->notes);
	char *text = json_dumps(j, JSON_INDENT(1));
	struct archive_entry *e;
	int rc;

	json_decref(j);
	if (!text)
		return err_set(&x->result->err, ENOMEM, "box: write 'export.json'");
	st.st_size = (off_t)strlen(text);
	x->path.n = 0;
	buf_puts(&x->path, "export.json");
	e = entry_new(x, &st);
	rc = put_header(x, e);
	if (!rc)
		rc = put_bytes(x, text, strlen(text));
	x->result->members--; /* not itself */
	archive_entry_free(e);
	free(text);
	return rc;
}

static int export_as_box_root(void *ctx)
{
	struct export *x = ctx;
	cleanup_close int root = -1;
	int rc = 0;

	descriptors_most();
	if (fchdir(x->box->fd) || chroot("."))
		return err_set(&x->result->err, errno, "box: enter '%s'", x->box->path), 1;
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->zeros = mmap(NULL, ZEROS, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	x->a = archive_write_new();
	x->notes = json_array();
	if (root < 0 || x->zeros == MAP_FAILED || !x->a)
		return err_set(&x->result->err, errno, "box: begin the export"), 1;
	if (archive_write_set_format_pax(x->a) || archive_write_add_filter_zstd(x->a) ||
	    archive_write_set_options(x->a, "hdrcharset=BINARY") ||
	    /* or libarchive pads what is no regular file, and nobody can read the zeros */
	    archive_write_set_bytes_in_last_block(x->a, 1) || archive_write_open_fd(x->a, x->out))
		rc = fail(x, "begin the export");
	if (!rc)
		rc = put_box(x, root);
	if (!rc)
		rc = put_end(x);
	if (!rc && archive_write_close(x->a))
		rc = fail(x, "end the export");
	/* memory goes with this process */
	return rc ? 1 : 0;
}

int box_export(struct box *box, int fd, struct err *err)
{
	struct export x = { .box = box, .out = fd, .result = archive_result_new() };
	int status = 0, rc;

	if (box->lock_fd < 0)
		rc = err_say(err, EXIT_BUSY, EBUSY, "box: '%s' is not held", box->info.name);
	else
		rc = box_in_userns(box, export_as_box_root, &x, &status, err);
	if (!rc && status) {
		if (err)
			*err = x.result->err;
		rc = x.result->err.code ? -x.result->err.code : -EIO;
	}
	if (!rc)
		rc = x.result->skipped > INT32_MAX ? INT32_MAX : (int)x.result->skipped;
	archive_result_free(x.result);
	return rc;
}
