// SPDX-License-Identifier: Apache-2.0
/*
 * mounts.c - which overlays a box has
 *
 * The kernel refuses a lower folder that has a mount below it, when asked from a user namespace
 * (it would uncover what the mount hides). Such a folder is split into its children. A box keeps
 * the layout it was made with: a layer's folders are named after it.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "box/internal.h"

#define MOUNTINFO_MAX (16u << 20)

/* Folders of the host that a box shows, where they are folders; on a merged-/usr system bin, lib
 * and so on are links and belong to "/". */
static const char *const tops[] = { "/usr", "/var",   "/opt",	"/bin",	  "/sbin",
				    "/lib", "/lib32", "/lib64", "/libx32" };

/* Of a /var that cannot be shown as a whole: what package managers and fonts need. The base has
 * the folders and what must be writable; these bring the host's files. Not those of which the base
 * has all files (base_rules.c): each overlay takes a tenth of a millisecond of every start. */
static const char *const var_parts[] = {
	"/var/lib/dpkg", "/var/lib/apt", "/var/lib/rpm", "/var/cache/fontconfig", "/var/cache/apt",
};

/* Mount points have space, tab, newline and backslash as octal (proc_pid_mountinfo(5)). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* The fifth field of a line, the mount point; asked for each folder of each start. */
static const char *mount_field(const char *line, const char *end, size_t *ret_n)
{
	for (int i = 0; i < 4 && line < end; i++) {
		const char *space = memchr(line, ' ', (size_t)(end - line));

		line = space ? space + 1 : end;
	}
	*ret_n = strcspn(line, " \n");
	return line;
}

bool mounts_below(const char *mountinfo, const char *path, char ret[4096])
{
	size_t n = strlen(path), len;

	if (n && path[n - 1] == '/')
		n--;
	for (const char *line = mountinfo, *end; *line; line = *end ? end + 1 : end) {
		const char *field;
		char at[4096];

		end = strchrnul(line, '\n');
		field = mount_field(line, end, &len);
		if (len >= sizeof(at) || len <= n + 1)
			continue;
		if (!memchr(field, '\\', len) && (memcmp(field, path, n) || field[n] != '/'))
			continue;
		memcpy(at, field, len);
		at[len] = 0;
		unescape(at);
		if (strlen(at) > n + 1 && !memcmp(at, path, n) && at[n] == '/') {
			if (ret)
				strcpy(ret, at);
			return true;
		}
	}
	return false;
}

/*
 * The home of all boxes counts as a mount too: an overlay may not lie within its own lower folder
 * (ELOOP), and a box must not see the others.
 */
int mounts_read(const struct box_home *home, char **ret)
{
	cleanup_free char *text = NULL;
	char link[64], real[4096];
	struct buf b = { 0 };
	ssize_t n;
	int rc = read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);

	if (rc)
		return rc;
	/* where the open folder is, links in its path resolved: one call instead of one a part */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", home->fd);
	n = readlink(link, real, sizeof(real) - 1);
	if (n < 1)
		return n < 0 ? -errno : -EIO;
	real[n] = 0;
	buf_puts(&b, text);
	buf_puts(&b, "0 0 0:0 / ");
	for (const char *p = real; *p; p++)
		if (strchr(" \t\n\\", *p))
			buf_printf(&b, "\\%03o", (unsigned char)*p);
		else
			buf_add(&b, p, 1);
	buf_puts(&b, " rw - none none rw\n");
	*ret = buf_z(&b);
	return 0;
}

struct layout {
	const char *mountinfo, *root;
	struct overlay_at *to;
	int n;
	char *why;
};

static int add(struct layout *l, const char *at, bool host)
{
	struct overlay_at *o = &l->to[l->n];

	if (l->n >= BOX_MOUNTS_MAX || strlen(at) >= sizeof(o->at))
		return -E2BIG;
	l->n++;
	strcpy(o->at, at);
	o->host = host;
	return 0;
}

static int split(struct layout *l, const char *at, int depth);

static int place(struct layout *l, const char *at, int depth)
{
	char below[4096];
	int rc;

	if (!mounts_below(l->mountinfo, at, below))
		return add(l, at, true);
	rc = depth < LAYOUT_DEPTH ? split(l, at, depth + 1) : -E2BIG;
	if (rc == -E2BIG && !*l->why)
		snprintf(l->why, 256, "%.255s", below);
	return rc;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int split(struct layout *l, const char *at, int depth)
{
	cleanup_free char *dir = xasprintf("%s%s", l->root, at);
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name), rc = 0;

	if (n < 0)
		return errno == EACCES ? 0
				       : -errno; /* unreadable: the base's empty folder stands */
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		cleanup_free char *child = xasprintf("%s/%s", at, name);
		cleanup_free char *full = xasprintf("%s/%s", dir, name);
		struct stat st;

		/* ':' and ',' divide an overlay's options, '+' stands for '/' in a layer */
		if (!rc && strcmp(name, ".") && strcmp(name, "..") && !strpbrk(name, ":,+\\") &&
		    !lstat(full, &st) && S_ISDIR(st.st_mode))
			rc = place(l, child, depth);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int place_var_parts(struct layout *l)
{
	int rc = add(l, "/var", false);

	for (size_t i = 0; i < ARRAY_SIZE(var_parts) && !rc; i++) {
		cleanup_free char *dir = xasprintf("%s%s", l->root, var_parts[i]);
		struct stat st;

		if (!lstat(dir, &st) && S_ISDIR(st.st_mode) &&
		    !mounts_below(l->mountinfo, var_parts[i], NULL))
			rc = add(l, var_parts[i], true);
	}
	return rc;
}

int mounts_layout(const char *mountinfo, const char *root, struct overlay_at ret[BOX_MOUNTS_MAX],
		  char ret_why[256])
{
	struct layout l = { .mountinfo = mountinfo, .root = root, .to = ret, .why = ret_why };
	int rc;

	*ret_why = 0;
	rc = add(&l, "/", false);
	for (size_t i = 0; i < ARRAY_SIZE(tops) && !rc; i++) {
		cleanup_free char *dir = xasprintf("%s%s", root, tops[i]);
		struct stat st;

		if (lstat(dir, &st) || !S_ISDIR(st.st_mode))
			continue;
		if (!strcmp(tops[i], "/var") && mounts_below(mountinfo, "/var", NULL))
			rc = place_var_parts(&l);
		else
			rc = place(&l, tops[i], 0);
	}
	return rc ? rc : l.n;
}

bool overlay_at_ok(const char *at, bool host)
{
	if (at[0] != '/' || strpbrk(at, ":,+\\") || strstr(at, "//") || strstr(at, "/./") ||
	    strstr(at, "/../"))
		return false;
	if (!at[1])
		return !host;
	if (str_ends(str_z(at), "/") || str_ends(str_z(at), "/.") || str_ends(str_z(at), "/.."))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		size_t n = strlen(tops[i]);

		if (!strncmp(at, tops[i], n) && (!at[n] || at[n] == '/'))
			return true;
	}
	return false;
}

void overlay_sub(const char *at, char ret[256])
{
	if (!at[1]) {
		strcpy(ret, "root");
		return;
	}
	snprintf(ret, 256, "%s", at + 1);
	for (char *p = ret; (p = strchr(p, '/')); p++)
		*p = '+';
}

int box_mounts(const struct box *box, struct box_mount ret[BOX_MOUNTS_MAX])
{
	const struct box_info *in = &box->info;

	for (int i = 0; i < box->noverlays; i++) {
		const struct overlay_at *o = &box->overlay[i];
		struct box_mount *m = &ret[i];

		/* field by field: most of it is room, and a page that is not touched costs nothing
		 */
		m->nlower = 0;
		strcpy(m->at, o->at);
		overlay_sub(o->at, m->sub);
		if (in->root[0]) {
			strcpy(m->lower[m->nlower++], in->root);
			continue;
		}
		snprintf(m->lower[m->nlower++], sizeof(m->lower[0]), "%.1024s/base/%s%s",
			 box->home->path, in->base, o->at[1] ? o->at : "/root");
		if (o->host)
			strcpy(m->lower[m->nlower++], o->at);
	}
	return box->noverlays;
}
