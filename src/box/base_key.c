// SPDX-License-Identifier: Apache-2.0
/*
 * base_key.c - which state of the host a base shows
 *
 * Theory of operation
 *
 * The state is a digest of what a base is made from: the list of packages, the system's accounts,
 * what stands in /etc and is not left out, the names of folders in /usr and /opt. The time stamps
 * of these folders alone would not do: a new person on this machine, or the next address by DHCP,
 * changes /etc's, and no base shows either. Yet to read /etc takes as long as half of a start. So
 * the stamps lead to the digest: HOME/base/at-STAMPS is a link with the digest as its text, and the
 * folders are read only when the stamps are new. A stamp of a moment ago is not believed, for time
 * comes in ticks, and something may still change within this one.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "box/base_build.h"

#define FORMAT	 "4"
#define OLD_S	 2 /* of time stamps that are believed */
#define LINK_PRE "at-"

static void finish(const struct buf *b, char ret[BASE_STATE_LEN + 1])
{
	uint8_t hash[SHA256_LEN];
	char hex[SHA256_HEX];

	sha256_once(b->p, b->n, hash);
	hex_encode(hash, SHA256_LEN, hex);
	memcpy(ret, hex, BASE_STATE_LEN);
	ret[BASE_STATE_LEN] = 0;
}

/* ---- the digest --------------------------------------------------------------------------- */

static void add_entry(struct buf *b, const char *top, const char *name, const struct stat *st)
{
	cleanup_free char *path = xasprintf("%s/%s", top, name);
	bool dir = S_ISDIR(st->st_mode), etc = !strcmp(top, "etc");
	enum base_act act = base_rule(path, dir);

	/* what lies outside of /etc and is no folder comes from the host itself */
	if (act == ACT_OMIT || act == ACT_EMPTY || (!etc && !dir))
		return;
	buf_printf(b, "%s %o %u %u", path, st->st_mode, st->st_uid, st->st_gid);
	if (etc)
		buf_printf(b, " %lld %lld.%09ld", dir ? 0LL : (long long)st->st_size,
			   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	buf_puts(b, "\n");
}

static void add_folder(struct buf *b, const char *host, const char *top)
{
	cleanup_free char *path = xasprintf("%s/%s", host, top);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **list = NULL;
	int n = fd < 0 ? 0 : scandirat(fd, ".", &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		struct stat st;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    !fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
			add_entry(b, top, name, &st);
		free(list[i]);
	}
	free(list);
}

static void add_accounts(struct buf *b, const char *host, bool group)
{
	cleanup_free char *path = xasprintf("%s/etc/%s", host, group ? "group" : "passwd");
	cleanup_free char *text = NULL;

	if (!read_file_at(AT_FDCWD, path, BASE_FILE_MAX, &text, NULL))
		base_accounts(b, text, group);
}

static void add_packages(struct buf *b, const char *host)
{
	cleanup_free char *path = xasprintf("%s/var/lib/dpkg/status", host);
	struct stat st;

	if (!lstat(path, &st))
		buf_printf(b, "packages %lld %lld.%09ld\n", (long long)st.st_size,
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void base_state(const char *host, char ret[BASE_STATE_LEN + 1])
{
	cleanup_buf struct buf b = { 0 };

	buf_puts(&b, "belljar base " FORMAT "\n");
	add_packages(&b, host);
	add_accounts(&b, host, false);
	add_accounts(&b, host, true);
	add_folder(&b, host, "etc");
	add_folder(&b, host, "usr");
	add_folder(&b, host, "opt");
	finish(&b, ret);
}

/* ---- from stamps to the digest ------------------------------------------------------------ */

/* False: one of them is too new to be believed. */
static bool stamps(char ret[BASE_STATE_LEN + 1])
{
	static const char *const paths[] = { "/var/lib/dpkg/status", "/etc", "/usr", "/opt" };
	int64_t now = (int64_t)(clock_real_ns() / NSEC_PER_SEC);
	cleanup_buf struct buf b = { 0 };
	bool old = true;
	struct stat st;

	buf_puts(&b, FORMAT "\n");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (lstat(paths[i], &st)) {
			buf_puts(&b, "-\n");
			continue;
		}
		old &= (int64_t)st.st_mtim.tv_sec + OLD_S < now;
		buf_printf(&b, "%lld %lld.%09ld %lld\n", (long long)st.st_ino,
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			   S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size);
	}
	finish(&b, ret);
	return old;
}

static void forget_others(int base_fd, const char *link)
{
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (base_is_link(e->d_name) && strcmp(e->d_name, link) != 0)
			unlinkat(base_fd, e->d_name, 0);
	if (d)
		closedir(d);
}

bool base_is_link(const char *name)
{
	return !strncmp(name, LINK_PRE, strlen(LINK_PRE));
}

void base_state_here(int base_fd, char ret[BASE_STATE_LEN + 1])
{
	char link[sizeof(LINK_PRE) + BASE_STATE_LEN], stamp[BASE_STATE_LEN + 1];
	bool old = stamps(stamp);

	snprintf(link, sizeof(link), LINK_PRE "%s", stamp);
	if (old && readlinkat(base_fd, link, ret, BASE_STATE_LEN + 1) == BASE_STATE_LEN) {
		ret[BASE_STATE_LEN] = 0;
		return;
	}
	base_state("", ret);
	/* a reader of another moment may have made it; a home that cannot be written does without
	 */
	if (old && !symlinkat(ret, base_fd, link))
		forget_others(base_fd, link);
}

int base_key(int base_fd, struct idrange ids, const struct overlay_at *lay, int n, char ret[128])
{
	cleanup_buf struct buf b = { 0 };
	char state[BASE_STATE_LEN + 1];
	struct utsname u;

	uname(&u);
	base_state_here(base_fd, state);
	buf_printf(&b, "%s\n%s\n", state, u.machine);
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s %d\n", lay[i].at, lay[i].host);
	finish(&b, state);
	if (ids.range)
		return snprintf(ret, 128, "%s-%u-%u", state, ids.uid_start, ids.gid_start);
	return snprintf(ret, 128, "%s-single", state);
}
