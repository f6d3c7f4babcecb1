// SPDX-License-Identifier: Apache-2.0
/*
 * base_tree.c - walk the host's folders by the rules and make the base's beside them
 *
 * The host is trusted here, its limits are only against surprises. Folders are entered by
 * descriptor, links are never followed, and other file systems are not entered.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "box/base_build.h"

#define SET_ID	  (S_ISUID | S_ISGID)
#define USER_HOME "home/user" /* of box id 1000 */

struct base_build *base_build_new(void)
{
	struct base_build *b = xmalloc(sizeof(*b));

	memset(b, 0, offsetof(struct base_build, at));
	b->at[0] = 0;
	return b;
}

void base_build_free(struct base_build *b)
{
	for (size_t i = 0; i < b->nowners; i++)
		free(b->owners[i].path);
	free(b->owners);
	free(b->dpkg_status);
	free(b);
}

int base_subdir(int dirfd, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dirfd, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode)) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

int base_mkdirs(int dirfd, const char *path)
{
	cleanup_free char *p = xstrdup(path);

	for (char *s = p;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (mkdirat(dirfd, p, 0755) && errno != EEXIST)
			return -errno;
		if (!c)
			return 0;
		*s = c;
	}
}

int base_put(struct base_build *b, int dir, const char *name, mode_t mode, const char *text,
	     size_t n)
{
	int rc = write_file_at(dir, name, 0600, text, n);

	if (!rc && fchmodat(dir, name, mode, 0))
		rc = -errno;
	if (!rc)
		b->nfiles++;
	return rc;
}

/* ---- owners ------------------------------------------------------------------------------- */

static uid_t system_id(uid_t id)
{
	return id < 1000 || id == 65534 ? id : 0; /* people's are nobody's business */
}

/* @path is in the base's folder */
static void add_owner(struct base_build *b, char *path, uid_t uid, gid_t gid, mode_t mode)
{
	if (b->nowners == b->owners_cap) {
		b->owners_cap = b->owners_cap ? b->owners_cap * 2 : 64;
		b->owners = xrealloc(b->owners, b->owners_cap * sizeof(*b->owners));
	}
	b->owners[b->nowners++] = (struct base_owner){ path, uid, gid, mode };
}

void base_note_owner(struct base_build *b, const char *path, const struct stat *st, mode_t mode)
{
	uid_t uid = system_id(st->st_uid);
	gid_t gid = system_id(st->st_gid);

	if (!b->range || (!uid && !gid) || b->nowners >= BASE_FILES_MAX)
		return;
	add_owner(b, xasprintf("%s%s", strncmp(path, "etc", 3) ? "" : "root/", path), uid, gid,
		  mode);
}

int base_set_owners(void *base_build)
{
	struct base_build *b = base_build;

	/* the last first: a folder may be closed to all but its owner */
	for (size_t i = b->nowners; i-- > 0;) {
		const struct base_owner *o = &b->owners[i];

		if (fchownat(b->to, o->path, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) ||
		    fchmodat(b->to, o->path, o->mode, 0))
			return errno;
	}
	return 0;
}

/* ---- files -------------------------------------------------------------------------------- */

/* dpkg's list of configuration files: lines " /etc/PATH MD5" in the status file. */
static bool is_packaged(struct base_build *b, const char *path)
{
	cleanup_free char *line = xasprintf("\n /%s ", path);

	if (!b->dpkg_status &&
	    read_file_at(AT_FDCWD, "/var/lib/dpkg/status", BASE_BIG_MAX, &b->dpkg_status, NULL))
		b->dpkg_status = xstrdup("");
	/* without dpkg there is nothing to go by: the files of a distribution's packages are there
	 */
	return !*b->dpkg_status || strstr(b->dpkg_status, line);
}

/* Answers that were given when this machine was installed: its name, its people, its disks. */
static void drop_answers(const char *text, struct buf *out)
{
	static const char *const prefixes[] = { "netcfg/",
						"passwd/",
						"partman",
						"mirror/",
						"finish-install/",
						"preseed/",
						"network-",
						"user-setup",
						"make-ssl-cert",
						"postfix/",
						"exim4/",
						"samba-common/",
						"ca-certificates/new" };

	for (const char *p = text; *p;) {
		const char *end = strstr(p, "\n\n");
		size_t n = end ? (size_t)(end - p) + 2 : strlen(p);
		bool drop = false;

		for (size_t i = 0; i < ARRAY_SIZE(prefixes) && !drop; i++)
			drop = !strncmp(p, "Name: ", 6) &&
			       !strncmp(p + 6, prefixes[i], strlen(prefixes[i]));
		if (!drop)
			buf_add(out, p, n);
		p += n;
	}
}

static int copy_bytes(int from, int to, uint64_t max, uint64_t *ret_n)
{
	char buf[65536];
	uint64_t total = 0;
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return 1;
		total += (uint64_t)n;
		if (total > max)
			return 1;
		rc = write_full(to, buf, (size_t)n);
		if (rc)
			return rc;
	}
	*ret_n = total;
	return 0;
}

static int copy_plain(struct base_build *b, int from, const struct stat *st, int to_dir,
		      const char *name, uint64_t max)
{
	cleanup_close int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec times[2] = { st->st_mtim, st->st_mtim };
	uint64_t n = 0;
	int rc;

	if (to < 0)
		return -errno;
	rc = copy_bytes(from, to, max, &n);
	if (rc) {
		unlinkat(to_dir, name, 0);
		return rc;
	}
	if (fchmod(to, st->st_mode & 07777 & ~SET_ID) || futimens(to, times))
		return -errno;
	b->bytes += n;
	b->nfiles++;
	base_note_owner(b, b->at, st, st->st_mode & 07777 & ~SET_ID);
	return 0;
}

static int copy_answers(struct base_build *b, int from_dir, const char *name, int to_dir)
{
	cleanup_buf struct buf out = { 0 };
	cleanup_free char *text = NULL;

	if (read_file_at(from_dir, name, BASE_BIG_MAX, &text, NULL))
		return base_put(b, to_dir, name, 0644, "", 0);
	drop_answers(text, &out);
	return base_put(b, to_dir, name, 0644, out.p ? out.p : "", out.n);
}

int base_copy(struct base_build *b, int from_dir, const char *name, int to_dir, enum base_act act)
{
	uint64_t max = act == ACT_COPY_BIG ? BASE_BIG_MAX : BASE_FILE_MAX;
	cleanup_close int from = -1;
	struct stat st;
	int rc;

	if (act == ACT_OMIT || act == ACT_SKELETON ||
	    (act == ACT_PACKAGED && !is_packaged(b, b->at)))
		return 0;
	if (b->nfiles >= BASE_FILES_MAX || b->bytes >= BASE_BYTES_MAX) {
		b->skipped++;
		return 0;
	}
	if (act == ACT_EMPTY) {
		if (!fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW))
			base_note_owner(b, b->at, &st, 0640);
		return base_put(b, to_dir, name, strstr(name, "passw") ? 0600 : 0640, "", 0);
	}
	if (act == ACT_ANSWERS)
		return copy_answers(b, from_dir, name, to_dir);
	from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (from < 0 && !fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	    !st.st_size)
		/* a lock, most likely, that whoever is root in the box wants to open */
		return base_put(b, to_dir, name, st.st_mode & 07777 & ~SET_ID, "", 0);
	if (from < 0 || fstat(from, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		b->skipped++;
		return 0;
	}
	rc = copy_plain(b, from, &st, to_dir, name, max);
	if (rc <= 0)
		return rc;
	b->skipped++; /* unreadable half-way, or it grew */
	return 0;
}

int base_symlink(struct base_build *b, int from_dir, const char *name, int to_dir)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0) {
		b->skipped++;
		return 0;
	}
	target[n] = 0;
	b->nfiles++;
	return symlinkat(target, to_dir, name) ? -errno : 0;
}

/* ---- folders ------------------------------------------------------------------------------ */

struct place {
	int from, to; /* open folders */
	dev_t dev;
	enum base_act act; /* of the folder itself */
	int depth;
};

static int walk(struct base_build *b, const struct place *p);

/* How a folder inside one with @outer is treated. */
static enum base_act dir_act(const char *path, enum base_act outer)
{
	if (outer == ACT_OPAQUE_DIRS)
		return ACT_OPAQUE_DIRS;
	return base_rule(path, true);
}

static int set_opaque(int fd)
{
	return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) ? -errno : 0;
}

static int enter(struct base_build *b, const struct place *p, const char *name)
{
	cleanup_close int from = -1, to = -1;
	struct timespec times[2];
	enum base_act act = dir_act(b->at, p->act);
	struct stat st;
	int rc = 0;

	if (act == ACT_OMIT)
		return 0;
	if (p->depth >= BASE_DEPTH_MAX || b->ndirs >= BASE_DIRS_MAX ||
	    fstatat(p->from, name, &st, AT_SYMLINK_NOFOLLOW)) {
		b->skipped++;
		return 0;
	}
	to = base_subdir(p->to, name, st.st_mode & 07777 & ~SET_ID);
	if (to < 0)
		return to;
	b->ndirs++;
	base_note_owner(b, b->at, &st, st.st_mode & 07777 & ~S_ISUID);
	from = openat(p->from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	/* what we cannot look into, the box's programs cannot either: then it may as well be a
	 * folder that they can use */
	if (from < 0 || st.st_dev != p->dev) {
		b->skipped++;
		act = ACT_OPAQUE;
	}
	if (act == ACT_OPAQUE || (act == ACT_OPAQUE_DIRS && p->act != ACT_OPAQUE_DIRS))
		rc = set_opaque(to);
	if (!rc && act != ACT_OPAQUE)
		rc = walk(b, &(struct place){ from, to, p->dev, act, p->depth + 1 });
	times[0] = times[1] = st.st_mtim;
	if (!rc && futimens(to, times))
		rc = -errno;
	return rc;
}

/* Does the host's own folder lie below the base's where @path is? Not so in a /var that is shown in
 * parts (mounts.c). */
static bool host_below(const struct base_build *b, const char *path)
{
	size_t longest = 0;
	bool host = false;

	for (int i = 0; i < b->noverlays; i++) {
		const char *at = b->overlay[i].at + 1;
		size_t n = strlen(at);

		if (n >= longest && !strncmp(path, at, n) && (!n || !path[n] || path[n] == '/')) {
			longest = n;
			host = b->overlay[i].host;
		}
	}
	return host;
}

/* A link that no rule names comes from the host's folder; where none is below, it is made here:
 * without /var/run -> /run hardly a daemon starts. */
static bool link_wanted(const struct base_build *b, enum base_act act)
{
	return act == ACT_SKELETON ? !host_below(b, b->at) : act != ACT_OMIT;
}

static int take_entry(struct base_build *b, const struct place *p, const struct dirent *e)
{
	unsigned char type = e->d_type;
	enum base_act act;
	struct stat st;

	if (type == DT_UNKNOWN) {
		if (fstatat(p->from, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			return 0;
		type = S_ISDIR(st.st_mode)   ? DT_DIR
		       : S_ISLNK(st.st_mode) ? DT_LNK
		       : S_ISREG(st.st_mode) ? DT_REG
					     : DT_UNKNOWN;
	}
	if (type == DT_DIR)
		return enter(b, p, e->d_name);
	if (p->act == ACT_OPAQUE_DIRS || (type != DT_REG && type != DT_LNK))
		return 0;
	act = base_rule(b->at, false);
	if (type == DT_LNK && act != ACT_EMPTY)
		return link_wanted(b, act) ? base_symlink(b, p->from, e->d_name, p->to) : 0;
	return base_copy(b, p->from, e->d_name, p->to, act);
}

static int walk(struct base_build *b, const struct place *p)
{
	size_t n = strlen(b->at);
	int fd = openat(p->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return fd < 0 ? -errno : -ENOMEM;
	while (!rc && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n + 1 + strlen(e->d_name) >= sizeof(b->at)) {
			b->skipped++;
			continue;
		}
		sprintf(b->at + n, "/%s", e->d_name);
		rc = take_entry(b, p, e);
		if (!rc)
			b->at[n] = 0;
	}
	closedir(d);
	return rc;
}

int base_tree(struct base_build *b, const char *top)
{
	cleanup_free char *path = xasprintf("/%s", top);
	cleanup_close int from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int to = -1;
	struct stat st;
	int rc;

	snprintf(b->at, sizeof(b->at), "%s", top);
	if (from < 0 || fstat(from, &st))
		return -errno;
	to = base_subdir(b->to, top, st.st_mode & 07777 & ~SET_ID);
	if (to < 0)
		return to;
	b->ndirs++;
	base_note_owner(b, top, &st, st.st_mode & 07777 & ~S_ISUID);
	rc = walk(b, &(struct place){ from, to, st.st_dev, ACT_SKELETON, 1 });
	if (!rc)
		b->at[0] = 0;
	return rc;
}

/* ---- / ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	mode_t mode;
} root_folders[] = {
	{ "proc", 0555 }, { "sys", 0555 },  { "dev", 0755 },   { "run", 0755 },
	{ "tmp", 01777 }, { "mnt", 0755 },  { "media", 0755 }, { "srv", 0755 },
	{ "boot", 0755 }, { "root", 0700 }, { "home", 0755 },  { "usr", 0755 },
	{ "var", 0755 },  { "opt", 0755 },  { "etc", 0755 },   { USER_HOME, 0750 },
};

static int copy_skel(struct base_build *b, int root, const char *home)
{
	static const char *const files[] = { ".bashrc", ".profile", ".bash_logout" };
	cleanup_close int to = openat(root, home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int from = open("/etc/skel", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (to < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(files) && from >= 0 && !rc; i++)
		if (!faccessat(from, files[i], R_OK, AT_SYMLINK_NOFOLLOW))
			rc = base_copy(b, from, files[i], to, ACT_COPY);
	if (!b->range || strcmp(home, USER_HOME))
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(files) && !rc; i++)
		if (!faccessat(to, files[i], F_OK, AT_SYMLINK_NOFOLLOW))
			add_owner(b, xasprintf("root/" USER_HOME "/%s", files[i]), 1000, 1000,
				  0644);
	add_owner(b, xstrdup("root/" USER_HOME), 1000, 1000, 0750);
	return rc;
}

int base_root_folders(struct base_build *b, int root)
{
	static const char *const links[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
	cleanup_close int host = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(root_folders) && !rc; i++) {
		int fd = base_subdir(root, root_folders[i].name, root_folders[i].mode);

		if (fd < 0)
			return fd;
		close(fd);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links) && !rc; i++) {
		struct stat st;

		if (!fstatat(host, links[i], &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
			rc = base_symlink(b, host, links[i], root);
	}
	if (!rc)
		rc = copy_skel(b, root, "root");
	return rc ? rc : copy_skel(b, root, USER_HOME);
}

int base_etc(struct base_build *b, int root)
{
	cleanup_close int from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int to = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (from < 0 || to < 0 || fstat(from, &st))
		return -errno;
	strcpy(b->at, "etc");
	rc = walk(b, &(struct place){ from, to, st.st_dev, ACT_COPY, 1 });
	if (!rc)
		rc = base_etc_generated(b, to);
	if (!rc)
		b->at[0] = 0;
	return rc;
}
