// SPDX-License-Identifier: Apache-2.0
/*
 * decode_files.c - held calls that change files, memfds included
 *
 * A FILE event is the intent: what the call names, resolved against the caller's directory, with
 * symbolic links as they stand. Whether the path was there before is looked up in the box's own
 * view while the caller is held.
 */
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "capture/recorder.h"

#ifndef O_TMPFILE_BIT
#define O_TMPFILE_BIT 020000000
#endif

#define STAMP_SEC_MAX 9000000000ll /* of a time that is told in nanoseconds: year 2255 */

/* Where writing is known to fail, and why. Longest first where one is inside another. */
static const struct {
	const char *prefix, *reason;
} closed[] = {
	{ "/proc/sys/", "settings of the kernel are read-only in the box" },
	{ "/proc/sysrq-trigger", "settings of the kernel are read-only in the box" },
	{ "/proc/irq/", "settings of the kernel are read-only in the box" },
	{ "/proc/bus/", "settings of the kernel are read-only in the box" },
	{ "/proc/1/", "process 1 is belljar's keeper of the box and cannot be reached" },
	{ "/sys/", "the kernel's device tree is read-only in the box" },
};

/* Device files that everybody writes to and that keep nothing. */
static bool is_sink(const char *path)
{
	return !strncmp(path, "/dev/", 5) &&
	       (!strcmp(path + 5, "null") || !strcmp(path + 5, "tty") ||
		!strcmp(path + 5, "zero") || !strcmp(path + 5, "full"));
}

static struct event file_event(struct held *h, const char *op, const char *path)
{
	struct event ev = held_event(h, EV_FILE);

	ev.v[EV_AT(FILE, OP)] = V_Z(op);
	ev.v[EV_AT(FILE, PATH)] = V_Z(path);
	if (h->unread) {
		ev.v[EV_AT(FILE, ANSWER)] = V_Z("refused");
		ev.v[EV_AT(FILE, REASON)] = V_Z("its name could not be read");
	}
	for (size_t i = 0; path && i < ARRAY_SIZE(closed); i++)
		if (!strncmp(path, closed[i].prefix, strlen(closed[i].prefix)))
			ev.v[EV_AT(FILE, REASON)] = V_Z(closed[i].reason);
	return ev;
}

static void set_existed(struct event *ev, int is)
{
	if (is >= 0)
		ev->v[EV_AT(FILE, BEFORE)] = V_INT(is);
}

/* Argument @i as a dirfd where the call has one: it stands before the path at position @at. */
static int dirfd_before(const struct held *h, int at)
{
	return at > 0 ? (int)h->a[at - 1] : AT_FDCWD;
}

/* ---- open --------------------------------------------------------------------------------- */

static void opened(struct held *h, int dirfd, uint64_t path, uint64_t flags, uint64_t mode)
{
	struct event ev;
	const char *op = "write";
	int was;

	target_path(h, dirfd, path, h->path);
	if (is_sink(h->path))
		return;
	was = existed(h, h->path, LOOK_CHANGE | (flags & O_NOFOLLOW ? 0 : LOOK_FOLLOW));
	if (flags & O_TMPFILE_BIT)
		op = "tmpfile";
	else if ((flags & O_CREAT) && was != 1)
		op = "create";
	else if (flags & O_TRUNC)
		op = "truncate";
	ev = file_event(h, op, h->path);
	set_existed(&ev, was);
	ev.v[EV_AT(FILE, FLAGS)] = V_INT(flags);
	if (flags & (O_CREAT | O_TMPFILE_BIT))
		ev.v[EV_AT(FILE, MODE)] = V_INT(mode & 07777);
	if (!strcmp(op, "create"))
		claim_created(h, h->path);
	recorder_append(h->rec, &ev);
}

void decode_open(struct held *h)
{
	opened(h, AT_FDCWD, h->a[0], (uint32_t)h->a[1], h->a[2]);
}

void decode_openat(struct held *h)
{
	opened(h, (int)h->a[0], h->a[1], (uint32_t)h->a[2], h->a[3]);
}

void decode_creat(struct held *h)
{
	opened(h, AT_FDCWD, h->a[0], O_CREAT | O_WRONLY | O_TRUNC, h->a[1]);
}

void decode_openat2(struct held *h)
{
	struct open_how how = { 0 };

	if (h->a[3] < sizeof(how.flags) ||
	    held_read(h, h->a[2], &how, h->a[3] < sizeof(how) ? h->a[3] : sizeof(how)))
		return; /* the kernel will answer EINVAL or EFAULT */
	if (how.flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE_BIT))
		opened(h, (int)h->a[0], h->a[1], how.flags, how.mode);
}

/* ---- one path ----------------------------------------------------------------------------- */

/* The path at argument h->call->detail, as an event of @op; looks whether it is there. */
static struct event one_path(struct held *h, const char *op, int look)
{
	int at = h->call->detail;
	struct event ev;

	target_path(h, dirfd_before(h, at), h->a[at], h->path);
	ev = file_event(h, op, h->path);
	set_existed(&ev, existed(h, h->path, look));
	return ev;
}

void decode_mkdir(struct held *h)
{
	struct event ev = one_path(h, "mkdir", LOOK);

	ev.v[EV_AT(FILE, MODE)] = V_INT(h->a[h->call->detail + 1] & 07777);
	claim_created(h, h->path);
	recorder_append(h->rec, &ev);
}

void decode_mknod(struct held *h)
{
	struct event ev = one_path(h, "mknod", LOOK);
	uint32_t mode = (uint32_t)h->a[h->call->detail + 1];
	uint32_t dev = (uint32_t)h->a[h->call->detail + 2];

	ev.v[EV_AT(FILE, MODE)] = V_INT(mode);
	if (S_ISCHR(mode) || S_ISBLK(mode)) {
		snprintf(h->text, sizeof(h->text), "%s device %u:%u",
			 S_ISCHR(mode) ? "character" : "block", major(dev), minor(dev));
		ev.v[EV_AT(FILE, DETAIL)] = V_Z(h->text);
		ev.v[EV_AT(FILE, ANSWER)] = V_Z("refused");
		ev.v[EV_AT(FILE, REASON)] = V_Z("device files would reach the host's hardware");
		answer_error(h, EPERM);
	}
	recorder_append(h->rec, &ev);
}

void decode_unlink(struct held *h)
{
	struct event ev = one_path(h, "unlink", LOOK);

	recorder_append(h->rec, &ev);
}

void decode_rmdir(struct held *h)
{
	struct event ev = one_path(h, "rmdir", LOOK);

	recorder_append(h->rec, &ev);
}

void decode_unlinkat(struct held *h)
{
	struct event ev = one_path(h, h->a[2] & AT_REMOVEDIR ? "rmdir" : "unlink", LOOK);

	recorder_append(h->rec, &ev);
}

void decode_truncate(struct held *h)
{
	struct event ev = one_path(h, "truncate", LOOK_CHANGE | LOOK_FOLLOW);

	recorder_append(h->rec, &ev);
}

void decode_chmod(struct held *h)
{
	struct event ev = one_path(h, "chmod", LOOK_CHANGE | LOOK_FOLLOW);

	ev.v[EV_AT(FILE, MODE)] = V_INT(h->a[h->call->detail + 1] & 07777);
	recorder_append(h->rec, &ev);
}

static struct event one_fd(struct held *h, const char *op)
{
	target_fd_path(h, (int)h->a[0], h->path);
	return file_event(h, op, h->path);
}

void decode_fchmod(struct held *h)
{
	struct event ev = one_fd(h, "chmod");

	ev.v[EV_AT(FILE, MODE)] = V_INT(h->a[1] & 07777);
	recorder_append(h->rec, &ev);
}

/* ---- owners: real where box ids are, else answered and kept as a claim -------------------- */

static void owned(struct held *h, struct event *ev, uint64_t uid, uint64_t gid, int at_flags)
{
	bool is16 = h->call->nr[0] < 0; /* 16-bit ids of i386: 65535 means "leave it" */
	int64_t u = is16 ? (int16_t)uid : (int32_t)uid, g = is16 ? (int16_t)gid : (int32_t)gid;

	if (u != -1)
		u = is16 ? (uint16_t)uid : (uint32_t)uid;
	if (g != -1)
		g = is16 ? (uint16_t)gid : (uint32_t)gid;
	snprintf(h->text, sizeof(h->text), "%lld:%lld", (long long)u, (long long)g);
	ev->v[EV_AT(FILE, DETAIL)] = V_Z(h->text);
	if (h->rec->emulate && !h->unread) {
		int rc = claim_owner(h, h->path, at_flags, u, g);

		if (rc)
			answer_error(h, -rc);
		else
			answer_value(h, 0);
		ev->v[EV_AT(FILE, ANSWER)] = V_Z(rc ? "refused" : "claimed");
		if (rc)
			ev->v[EV_AT(FILE, REASON)] = V_Z(strerrordesc_np(-rc));
	}
	recorder_append(h->rec, ev);
}

void decode_chown(struct held *h)
{
	int at = h->call->detail, flags = at ? (int)h->a[4] : 0;
	struct event ev =
		one_path(h, "chown", LOOK_CHANGE | (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOK_FOLLOW));

	owned(h, &ev, h->a[at + 1], h->a[at + 2], flags & AT_SYMLINK_NOFOLLOW);
}

void decode_lchown(struct held *h)
{
	struct event ev = one_path(h, "chown", LOOK_CHANGE);

	owned(h, &ev, h->a[1], h->a[2], AT_SYMLINK_NOFOLLOW);
}

/* box root, or "leave it" */
static bool is_root_id(const struct held *h, uint64_t id)
{
	return !(uint32_t)id ||
	       (h->call->nr[0] < 0 ? (uint16_t)id == UINT16_MAX : (uint32_t)id == UINT32_MAX);
}

void decode_fchown(struct held *h)
{
	struct event ev;

	/* held for root emulation alone; where nothing is claimed, all is box root's already */
	if (h->rec->emulate && !h->rec->claimed && !h->creds.uid[1] && is_root_id(h, h->a[1]) &&
	    is_root_id(h, h->a[2]))
		return;
	ev = one_fd(h, "chown");

	owned(h, &ev, h->a[1], h->a[2], 0);
}

/* ---- times -------------------------------------------------------------------------------- */

struct stamp {
	int64_t sec, nsec;
	bool now, kept; /* UTIME_NOW; not set at all */
};

/* Number @i of the two times behind @addr, in the layout of the call: access, modification. */
static int read_stamp(struct held *h, uint64_t addr, int i, struct stamp *ret)
{
	bool narrow = h->ia32 && h->call->nr[0] >= 0; /* time64 calls have no number of 64 bit */
	bool pair = h->call->nr[0] != 132;	      /* utime has seconds only */
	size_t width = narrow ? 4 : 8, n = pair ? 2 * width : width;
	uint8_t bytes[16];
	int64_t v[2] = { 0 };

	if (held_read(h, addr + (size_t)i * n, bytes, n))
		return -EFAULT;
	for (size_t k = 0; k * width < n; k++) {
		struct rd r = { bytes + k * width, bytes + (k + 1) * width, false };

		v[k] = narrow ? (int32_t)rd_u32(&r) : (int64_t)rd_u64(&r);
	}
	*ret = (struct stamp){ .sec = v[0], .nsec = v[1] };
	if (!strncmp(h->call->name, "utimensat", 9)) {
		ret->now = v[1] == UTIME_NOW;
		ret->kept = v[1] == UTIME_OMIT;
	} else {
		ret->nsec *= 1000;
	}
	return 0;
}

static void put_stamp(char *out, size_t size, const char *what, const struct stamp *s)
{
	char iso[CLOCK_ISO_MAX];
	size_t at = strlen(out);

	if (s->now || s->kept)
		return;
	if (s->sec >= 0 && s->sec < STAMP_SEC_MAX)
		clock_iso((uint64_t)s->sec * NSEC_PER_SEC, iso);
	else
		snprintf(iso, sizeof(iso), "%lld s", (long long)s->sec);
	snprintf(out + at, size - at, "%s%s %s", at ? ", " : "", what, iso);
}

/*
 * utimensat(fd, NULL, …) is not held: archive programs call it for each file, which would make
 * unpacking a quarter slower. What it did is seen at the end: CHANGE.mtime_set.
 */
void decode_utimes(struct held *h)
{
	int at = h->call->detail, nofollow = 0;
	struct stamp accessed, modified;
	struct event ev;

	if (!h->a[at] || !h->a[at + 1] || read_stamp(h, h->a[at + 1], 0, &accessed) ||
	    read_stamp(h, h->a[at + 1], 1, &modified))
		return; /* of a descriptor; to now; EFAULT */
	if ((accessed.now || accessed.kept) && (modified.now || modified.kept))
		return;
	if (!strncmp(h->call->name, "utimensat", 9))
		nofollow = (int)h->a[3] & AT_SYMLINK_NOFOLLOW;
	ev = one_path(h, "utimes", LOOK_CHANGE | (nofollow ? 0 : LOOK_FOLLOW));
	h->text[0] = 0;
	put_stamp(h->text, sizeof(h->text), "modified", &modified);
	put_stamp(h->text, sizeof(h->text), "accessed", &accessed);
	ev.v[EV_AT(FILE, DETAIL)] = V_Z(h->text);
	if (!modified.now && !modified.kept && modified.sec >= 0 && modified.sec < STAMP_SEC_MAX &&
	    modified.nsec >= 0 && modified.nsec < (int64_t)NSEC_PER_SEC)
		ev.v[EV_AT(FILE, MTIME)] =
			V_INT(modified.sec * (int64_t)NSEC_PER_SEC + modified.nsec);
	recorder_append(h->rec, &ev);
}

/* ---- extended attributes ------------------------------------------------------------------ */

static void xattr_event(struct held *h, struct event *ev, uint64_t name)
{
	held_string(h, name, h->text, 256);
	ev->v[EV_AT(FILE, DETAIL)] = V_Z(h->text);
	recorder_append(h->rec, ev);
}

void decode_setxattr(struct held *h)
{
	struct event ev = one_path(h, "setxattr", LOOK_CHANGE | LOOK_FOLLOW);

	xattr_event(h, &ev, h->a[1]);
}

void decode_removexattr(struct held *h)
{
	struct event ev = one_path(h, "removexattr", LOOK_CHANGE | LOOK_FOLLOW);

	xattr_event(h, &ev, h->a[1]);
}

void decode_fsetxattr(struct held *h)
{
	struct event ev = one_fd(h, "setxattr");

	xattr_event(h, &ev, h->a[1]);
}

void decode_fremovexattr(struct held *h)
{
	struct event ev = one_fd(h, "removexattr");

	xattr_event(h, &ev, h->a[1]);
}

/* setxattrat(dirfd, path, at_flags, name, …), removexattrat alike: Linux 6.13 */
void decode_setxattrat(struct held *h)
{
	struct event ev =
		one_path(h, strncmp(h->call->name, "remove", 6) ? "setxattr" : "removexattr",
			 LOOK_CHANGE | LOOK_FOLLOW);

	xattr_event(h, &ev, h->a[3]);
}

/* ---- flags of files: chattr(1) ------------------------------------------------------------ */

/* @still: those by which a file cannot be changed any more, not even to be cleaned up */
static void set_flags(struct held *h, struct event *ev, uint64_t addr, uint32_t still)
{
	uint32_t flags;

	if (held_read(h, addr, &flags, sizeof(flags)))
		return;
	snprintf(h->text, sizeof(h->text), "flags %#x", flags);
	ev->v[EV_AT(FILE, DETAIL)] = V_Z(h->text);
	if (flags & still) {
		ev->v[EV_AT(FILE, ANSWER)] = V_Z("refused");
		ev->v[EV_AT(FILE, REASON)] = V_Z(
			"a file that can be changed no more needs a privilege that the box lacks");
		answer_error(h, EPERM);
	}
	recorder_append(h->rec, ev);
}

/* ioctl_iflags(2), or the same in other words by FS_IOC_FSSETXATTR; no descriptor for writing is
 * asked for */
void decode_setflags(struct held *h)
{
	struct event ev = one_fd(h, "setflags");

	set_flags(h, &ev, h->a[2],
		  (uint32_t)h->a[1] == FS_IOC_FSSETXATTR ? FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND
							 : FS_IMMUTABLE_FL | FS_APPEND_FL);
}

/* file_setattr(dirfd, path, attr, size, at_flags): Linux 6.17; begins with the same flags */
void decode_file_setattr(struct held *h)
{
	int look = h->a[4] & AT_SYMLINK_NOFOLLOW ? 0 : LOOK_FOLLOW;
	struct event ev = one_path(h, "setflags", LOOK_CHANGE | look);

	set_flags(h, &ev, h->a[2], FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND);
}

/* ---- two paths ---------------------------------------------------------------------------- */

/* old path at detail, new one behind it (behind a dirfd of its own in the …at calls) */
static struct event two_paths(struct held *h, const char *op, int old_at, int new_at)
{
	bool at = h->call->detail > 0;
	struct event ev;

	target_path(h, at ? (int)h->a[old_at - 1] : AT_FDCWD, h->a[old_at], h->path);
	target_path(h, at ? (int)h->a[new_at - 1] : AT_FDCWD, h->a[new_at], h->path2);
	ev = file_event(h, op, h->path);
	ev.v[EV_AT(FILE, PATH2)] = V_Z(h->path2);
	set_existed(&ev, existed(h, h->path, LOOK_CHANGE));
	return ev;
}

void decode_rename(struct held *h)
{
	bool at = h->call->detail > 0;
	uint32_t flags = h->call->nr[0] == 316 ? (uint32_t)h->a[4] : 0;
	struct event ev = two_paths(h, flags & 2 /* RENAME_EXCHANGE */ ? "exchange" : "rename",
				    at ? 1 : 0, at ? 3 : 1);

	ev.v[EV_AT(FILE, FLAGS)] = V_INT(flags);
	recorder_append(h->rec, &ev);
}

void decode_link(struct held *h)
{
	bool at = h->call->detail > 0;
	struct event ev = two_paths(h, "link", at ? 1 : 0, at ? 3 : 1);

	ev.v[EV_AT(FILE, FLAGS)] = V_INT(at ? (uint32_t)h->a[4] : 0);
	recorder_append(h->rec, &ev);
}

/* symlink(target, path): the event's path is the link, path2 what it says */
void decode_symlink(struct held *h)
{
	bool at = h->call->detail > 0;
	struct event ev;

	held_string(h, h->a[0], h->path2, 4097);
	target_path(h, at ? (int)h->a[1] : AT_FDCWD, h->a[at ? 2 : 1], h->path);
	ev = file_event(h, "symlink", h->path);
	ev.v[EV_AT(FILE, PATH2)] = V_Z(h->path2);
	set_existed(&ev, existed(h, h->path, LOOK));
	recorder_append(h->rec, &ev);
}

void decode_memfd(struct held *h)
{
	struct event ev;

	held_string(h, h->a[0], h->path, 256);
	ev = file_event(h, "memfd", h->path);
	ev.v[EV_AT(FILE, FLAGS)] = V_INT((uint32_t)h->a[1]);
	recorder_append(h->rec, &ev);
}
