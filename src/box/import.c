// SPDX-License-Identifier: Apache-2.0
/*
 * import.c - a box from a tar stream that anybody may have made
 *
 * Theory of operation
 *
 * The stream is read and unpacked by a child that is box root in a user namespace of its own, has
 * the new box's folder (in tmp/) as its root folder, and may only make and write files: what a
 * flaw in the unpacker could reach ends there. Each member's name is checked (member_ok), its
 * parent opened with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, and nothing is ever overwritten.
 * Folders get their modes, owners and times at the end, from the last to the first.
 *
 * Then the parent reads box.json as hostile, replaces what belongs to this machine (name, base, id
 * mapping) and renames the folder to its name. Until that rename there is no box, and a folder
 * that stays behind in tmp/ is swept.
 */
#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "box/archive_members.h"

#define KEEP_FD 700	   /* above whatever is open */
#define END_MAX (4u << 20) /* export.json */

/** struct later - a folder whose owner, mode and time are set when it is full */
struct later {
	char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
};

struct import {
	int box_fd, in;
	bool range;
	struct archive_result *result;
	struct archive *a;
	int root;
	uint64_t bytes;
	struct later *later;
	size_t nlater, later_cap;
	int64_t end_members; /* as export.json says; -1 until it was read */
};

/* ---- walls -------------------------------------------------------------------------------- */

static const int calls[] = {
	SCMP_SYS(read),		SCMP_SYS(write),	 SCMP_SYS(pwrite64),
	SCMP_SYS(openat),	SCMP_SYS(openat2),	 SCMP_SYS(close),
	SCMP_SYS(fstat),	SCMP_SYS(newfstatat),	 SCMP_SYS(lseek),
	SCMP_SYS(mkdirat),	SCMP_SYS(mknodat),	 SCMP_SYS(symlinkat),
	SCMP_SYS(linkat),	SCMP_SYS(fchown),	 SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),	SCMP_SYS(fchmodat),	 SCMP_SYS(utimensat),
	SCMP_SYS(fsetxattr),	SCMP_SYS(ftruncate),	 SCMP_SYS(fcntl),
	SCMP_SYS(mmap),		SCMP_SYS(munmap),	 SCMP_SYS(mremap),
	SCMP_SYS(mprotect),	SCMP_SYS(madvise),	 SCMP_SYS(brk),
	SCMP_SYS(futex),	SCMP_SYS(getpid),	 SCMP_SYS(gettid),
	SCMP_SYS(tgkill),	SCMP_SYS(rt_sigaction),	 SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),	 SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom),	SCMP_SYS(clock_gettime), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int wall_in(struct import *x)
{
	scmp_filter_ctx f;
	int rc = 0;

	if (fchdir(x->box_fd) || chroot("."))
		return err_set(&x->result->err, errno, "box: enter the new box's folder");
	x->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->root < 0)
		return err_set(&x->result->err, errno, "box: open the new box's folder");
	/* a folder of ours that is left open would be a way around the new root folder */
	x->in = fcntl(x->in, F_DUPFD, KEEP_FD);
	x->root = fcntl(x->root, F_DUPFD, KEEP_FD + 1);
	if (x->in != KEEP_FD || x->root != KEEP_FD + 1 || close_range(3, KEEP_FD - 1, 0) ||
	    close_range(KEEP_FD + 2, ~0u, 0))
		return err_set(&x->result->err, EMFILE, "box: close what the import needs not");
	f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(&x->result->err, ENOMEM, "box: make a system call filter");
	for (size_t i = 0; i < ARRAY_SIZE(calls) && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc ? err_set(&x->result->err, -rc, "box: load a system call filter") : 0;
}

/* ---- paths -------------------------------------------------------------------------------- */

static int corrupt(struct import *x, const char *path, const char *why)
{
	return err_say(&x->result->err, EXIT_CORRUPT, EBADMSG,
		       "box: the file to import is damaged or not an export: %s%s%.200s%s", why,
		       path ? " at '" : "", path ? path : "", path ? "'" : "");
}

static int open_beneath(int dirfd, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | O_NOFOLLOW,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

/* The folder that holds @path, component by component where the path is too long for one call. */
static int open_parent(struct import *x, const char *path, const char **ret_name)
{
	const char *name = strrchr(path, '/');
	cleanup_free char *parent = name ? xstrndup(path, (size_t)(name - path)) : xstrdup("");
	int fd = fcntl(x->root, F_DUPFD_CLOEXEC, 0);
	char *p = parent;

	*ret_name = name ? name + 1 : path;
	while (*p && fd >= 0) {
		size_t n = strlen(p);
		char *cut = NULL;
		int next;

		if (n > 4000) {
			cut = p + 4000;
			while (*cut != '/')
				cut--; /* a component is at most 255 bytes */
			*cut = 0;
		}
		next = open_beneath(fd, p, O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
		p = cut ? cut + 1 : p + n;
	}
	return fd;
}

/* ---- attributes --------------------------------------------------------------------------- */

static void owner_of(const struct import *x, struct archive_entry *e, uid_t *uid, gid_t *gid)
{
	int64_t u = archive_entry_uid(e), g = archive_entry_gid(e);

	/* ids that do not exist in a box are nobody's there */
	*uid = u < 0 || u >= (int64_t)BOX_RANGE ? 65534 : (uid_t)u;
	*gid = g < 0 || g >= (int64_t)BOX_RANGE ? 65534 : (gid_t)g;
	if (!x->range)
		*uid = *gid = 0;
}

static int set_xattrs(struct import *x, struct archive_entry *e, int fd, const char *path)
{
	const char *name;
	const void *value;
	size_t n;
	int count = 0;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
		if (!name || !member_xattr_ok(name) || n > MEMBER_XATTR_MAX ||
		    ++count > MEMBER_XATTRS_MAX)
			return corrupt(x, path, "an attribute that no export holds");
		if (!fsetxattr(fd, name, value, n, 0))
			continue;
		if (errno == ENOSPC || errno == EDQUOT)
			return err_set(&x->result->err, errno, "box: write '%.200s'", path);
		x->result->skipped++; /* too long for this file system, a value it refuses, … */
	}
	return 0;
}

static bool is_ours(const char *path)
{
	const char *p = strchr(path, '/');

	/* box.json, layers, layers/N, objects/… belong to the box's owner whatever is said */
	return strncmp(path, "layers/", 7) || !strchr(p + 1, '/');
}

/* ---- members ------------------------------------------------------------------------------ */

static int system_failure(struct import *x, const char *path)
{
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EACCES ||
	    errno == EPERM || errno == EMFILE || errno == ENOMEM)
		return err_set(&x->result->err, errno, "box: make '%.200s'", path);
	return corrupt(x, path, errno == EEXIST ? "a name twice" : "a path that does not fit");
}

static void do_later(struct import *x, const char *path, struct archive_entry *e)
{
	struct later *l;

	if (x->nlater == x->later_cap) {
		x->later_cap = x->later_cap ? x->later_cap * 2 : 256;
		x->later = xrealloc(x->later, x->later_cap * sizeof(*x->later));
	}
	l = &x->later[x->nlater++];
	*l = (struct later){ .path = xstrdup(path), .mode = archive_entry_perm(e) };
	owner_of(x, e, &l->uid, &l->gid);
	l->mtime.tv_sec = archive_entry_mtime(e);
	l->mtime.tv_nsec = archive_entry_mtime_nsec(e);
}

static int make_dir(struct import *x, struct archive_entry *e, int dir, const char *name,
		    const char *path)
{
	cleanup_close int fd = -1;
	int rc;

	if (mkdirat(dir, name, 0700))
		return system_failure(x, path);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return system_failure(x, path);
	if (is_ours(path))
		return 0;
	rc = set_xattrs(x, e, fd, path);
	if (!rc)
		do_later(x, path, e);
	return rc;
}

static int write_blocks(struct import *x, int fd, const char *path)
{
	const void *p;
	size_t n;
	la_int64_t at;
	int rc;

	while ((rc = archive_read_data_block(x->a, &p, &n, &at)) == ARCHIVE_OK) {
		x->bytes += n;
		if (x->bytes > MEMBER_BYTES_MAX || at < 0)
			return corrupt(x, path, "more data than an import may hold");
		while (n) {
			ssize_t k = pwrite(fd, p, n, at);

			if (k < 0 && errno == EINTR)
				continue;
			if (k <= 0)
				return system_failure(x, path);
			p = (const char *)p + k;
			n -= (size_t)k;
			at += k;
		}
	}
	return rc == ARCHIVE_EOF ? 0 : corrupt(x, path, "the data end early");
}

static int make_file(struct import *x, struct archive_entry *e, int dir, const char *name,
		     const char *path)
{
	cleanup_close int fd =
		openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct timespec t[2] = { { 0 } };
	uid_t uid;
	gid_t gid;
	int rc;

	if (fd < 0)
		return system_failure(x, path);
	if (ftruncate(fd, archive_entry_size(e)))
		return system_failure(x, path);
	rc = write_blocks(x, fd, path);
	if (rc)
		return rc;
	if (is_ours(path))
		return strncmp(path, "objects/", 8) || !fchmod(fd, 0400) ? 0
									 : system_failure(x, path);
	owner_of(x, e, &uid, &gid);
	/* a change of owner clears set-id bits and capabilities: it comes first */
	if (fchown(fd, uid, gid) || fchmod(fd, archive_entry_perm(e) & 07777))
		return system_failure(x, path);
	rc = set_xattrs(x, e, fd, path);
	t[0].tv_sec = t[1].tv_sec = archive_entry_mtime(e);
	t[0].tv_nsec = t[1].tv_nsec = archive_entry_mtime_nsec(e);
	if (!rc && futimens(fd, t))
		return system_failure(x, path);
	return rc;
}

static int make_link(struct import *x, int dir, const char *name, const char *path,
		     const char *target)
{
	cleanup_close int from = -1;
	const char *from_name;
	struct stat st;

	if (is_ours(path) || !member_ok(target, S_IFREG) || is_ours(target))
		return corrupt(x, path, "a link to what is outside the layers");
	from = open_parent(x, target, &from_name);
	if (from < 0 || fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return corrupt(x, path, "a link to what is not there");
	return linkat(from, from_name, dir, name, 0) ? system_failure(x, path) : 0;
}

static int make_special(struct import *x, struct archive_entry *e, int dir, const char *name,
			const char *path)
{
	mode_t type = archive_entry_filetype(e);
	struct timespec t[2] = { { 0 } };
	const char *target;
	uid_t uid;
	gid_t gid;
	int rc;

	if (type == S_IFLNK) {
		target = archive_entry_symlink(e);
		if (!target || !*target || strlen(target) >= 4096)
			return corrupt(x, path, "a link without a target");
		rc = symlinkat(target, dir, name);
	} else if (type == S_IFIFO) {
		rc = mknodat(dir, name, S_IFIFO | 0600, 0);
	} else if (type == S_IFCHR && archive_entry_rdev(e) == makedev(0, 0)) {
		rc = mknodat(dir, name, S_IFCHR, 0); /* a whiteout: anybody may make one */
	} else {
		x->result->skipped++;
		return 0;
	}
	if (rc)
		return system_failure(x, path);
	owner_of(x, e, &uid, &gid);
	t[0].tv_sec = t[1].tv_sec = archive_entry_mtime(e);
	t[0].tv_nsec = t[1].tv_nsec = archive_entry_mtime_nsec(e);
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) ||
	    (type == S_IFIFO && fchmodat(dir, name, archive_entry_perm(e) & 07777, 0)) ||
	    utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW))
		return system_failure(x, path);
	return 0;
}

static int read_end(struct import *x, struct archive_entry *e)
{
	int64_t size = archive_entry_size(e);
	cleanup_free char *text = NULL;
	json_int_t members = -1, format = 0;
	json_t *j;

	if (size <= 0 || size > END_MAX)
		return corrupt(x, "export.json", "a bad size");
	text = xmalloc((size_t)size);
	if (archive_read_data(x->a, text, (size_t)size) != size)
		return corrupt(x, "export.json", "the data end early");
	j = json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
	if (!j || json_unpack(j, "{s:I,s:I}", "format", &format, "members", &members) ||
	    format != 1 || members < 1)
		members = -1;
	json_decref(j);
	x->end_members = members;
	return members < 0 ? corrupt(x, "export.json", "bad fields") : 0;
}

static int take_member(struct import *x, struct archive_entry *e)
{
	const char *raw = archive_entry_pathname(e), *link = archive_entry_hardlink(e), *name;
	mode_t type = link ? S_IFREG : archive_entry_filetype(e);
	cleanup_free char *path = xstrdup(raw ? raw : "");
	cleanup_close int dir = -1;
	size_t n = strlen(path);

	if (n && type == S_IFDIR && path[n - 1] == '/')
		path[n - 1] = 0;
	if (!member_ok(path, type))
		return corrupt(x, path, "a name that no export holds");
	if (x->end_members >= 0)
		return corrupt(x, path, "more after the end");
	if (!strcmp(path, "export.json"))
		return link ? corrupt(x, path, "no file") : read_end(x, e);
	if (++x->result->members > MEMBERS_MAX)
		return corrupt(x, path, "more members than an import may hold");
	if ((x->result->members == 1) != !strcmp(path, "box.json"))
		return corrupt(x, path, "box.json is not first");
	dir = open_parent(x, path, &name);
	if (dir < 0)
		return corrupt(x, path, "a folder that is not there");
	if (link)
		return make_link(x, dir, name, path, link);
	if (type == S_IFDIR)
		return make_dir(x, e, dir, name, path);
	if (type == S_IFREG)
		return make_file(x, e, dir, name, path);
	return make_special(x, e, dir, name, path);
}

static int finish_dirs(struct import *x)
{
	for (size_t i = x->nlater; i-- > 0;) {
		const struct later *l = &x->later[i];
		struct timespec t[2] = { l->mtime, l->mtime };
		cleanup_close int dir = -1, fd = -1;
		const char *name;

		dir = open_parent(x, l->path, &name);
		fd = dir < 0 ? -1
			     : openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchown(fd, l->uid, l->gid) || fchmod(fd, l->mode & 07777) ||
		    futimens(fd, t))
			return err_set(&x->result->err, errno, "box: finish '%.200s'", l->path);
	}
	return 0;
}

static int import_as_box_root(void *ctx)
{
	struct import *x = ctx;
	struct archive_entry *e;
	int rc = 0, r;

	x->a = archive_read_new();
	if (!x->a || archive_read_support_filter_zstd(x->a) != ARCHIVE_OK ||
	    archive_read_support_format_tar(x->a) != ARCHIVE_OK)
		return err_set(&x->result->err, ENOMEM, "box: begin the import"), 1;
	if (wall_in(x))
		return 1;
	if (archive_read_open_fd(x->a, x->in, 65536) != ARCHIVE_OK)
		return corrupt(x, NULL, "no zstd stream"), 1;
	while (!rc && (r = archive_read_next_header(x->a, &e)) != ARCHIVE_EOF)
		rc = r < ARCHIVE_WARN ? corrupt(x, NULL, "no readable member follows")
				      : take_member(x, e);
	if (!rc && (uint64_t)x->end_members != x->result->members)
		rc = corrupt(x, "export.json", "members are missing");
	if (!rc)
		rc = finish_dirs(x);
	return rc ? 1 : 0;
}

/* ---- the box around it -------------------------------------------------------------------- */

static int keep_or_refuse_root(struct box *b, const char *root, int *ret_bases, struct err *err)
{
	if (!b->info.root[0] && !root)
		return base_hold(b->home, box_ids(b), b->info.base, NULL, NULL, ret_bases, err);
	if (!b->info.root[0])
		return err_say(err, EXIT_USAGE, EINVAL,
			       "box: the box to import was made without --root");
	if (!root)
		return err_set_exit(
			err, EXIT_USAGE, EINVAL,
			"box: the box to import was made with --root %s: name the folder "
			"here that is to be its root with --root",
			b->info.root);
	return real_root(root, b->info.root, err);
}

static int adopt(struct box *b, const char *name, const char *root, struct idrange ids,
		 int *ret_bases, struct err *err)
{
	unsigned renew = 0;
	int rc = boxjson_read(b, &renew, err);

	if (!rc && renew)
		rc = err_say(err, EXIT_CORRUPT, EBADMSG,
			     "box: the box to import was exported during a rollback");
	if (rc)
		return rc;
	strcpy(b->info.name, name);
	b->info.range = b->info.range && ids.range;
	b->info.range_start = b->info.range ? ids.uid_start : 0;
	b->info.range_gid_start = b->info.range ? ids.gid_start : 0;
	rc = keep_or_refuse_root(b, root, ret_bases, err);
	if (rc)
		return rc;
	if (mkdirat(b->fd, "objects", 0700) && errno != EEXIST)
		return err_set(err, errno, "box: make '%s/objects'", b->path);
	for (unsigned n = 1; n <= b->info.top && !rc; n++) {
		cleanup_close int layer = -1;
		char rel[32];

		snprintf(rel, sizeof(rel), "layers/%u", n);
		layer = openat(b->fd, rel, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = layer < 0 ? err_say(err, EXIT_CORRUPT, EBADMSG,
					 "box: the box to import lacks its layer %u", n)
			       : layer_make(b, layer, err);
	}
	return rc ? rc : boxjson_write(b, 0, err);
}

int box_import(struct box_home *home, const char *name, const char *root, int fd, struct err *err)
{
	cleanup_close int bases = -1;
	struct import x = { .in = fd, .root = -1, .end_members = -1 };
	struct idrange ids = idrange_here(home);
	char rel[BOX_NAME_MAX + 16];
	int status = 0, rc;
	struct stat st;
	struct box *b;

	rc = box_name_check(name, err);
	if (rc)
		return rc;
	snprintf(rel, sizeof(rel), "boxes/%s", name);
	if (!fstatat(home->fd, rel, &st, AT_SYMLINK_NOFOLLOW))
		return err_say(err, EXIT_EXISTS, EEXIST, "box: there is a box '%s' already", name);
	b = box_new(home);
	b->info.range = ids.range;
	b->info.range_start = ids.uid_start;
	b->info.range_gid_start = ids.gid_start;
	x.result = archive_result_new();
	x.range = ids.range;
	rc = stage_make(b, "tmp", err);
	x.box_fd = b->fd;
	if (!rc)
		rc = userns_call(home, ids, import_as_box_root, &x, &status, err);
	if (!rc && status) {
		if (err)
			*err = x.result->err;
		rc = x.result->err.code ? -x.result->err.code : -EIO;
	}
	if (!rc)
		rc = adopt(b, name, root, ids, &bases, err);
	if (!rc)
		rc = stage_commit(b, err);
	if (rc)
		stage_discard(b, "tmp");
	else
		rc = x.result->skipped > INT32_MAX ? INT32_MAX : (int)x.result->skipped;
	box_free(b);
	archive_result_free(x.result);
	return rc;
}
