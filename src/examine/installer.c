// SPDX-License-Identifier: Apache-2.0
/*
 * installer.c - what an installer is by its bytes, how it is started, how it is undone
 *
 * Commands are for the box's own sh: the installer's path is $0, the arguments follow. They begin
 * with what tells a damaged file from an installer that fails: those end with STATUS_DAMAGED, or
 * STATUS_NO_SCRIPT, and then nothing of the file has run. What they need must be on this machine,
 * whose /usr is the box's: installer_tools() asks before there is a box.
 */
#include <sys/stat.h>
#include <zlib.h>

#include "examine/inner.h"

#define STATUS_NO_SCRIPT 120
#define STATUS_DAMAGED	 121
#define DAMAGED		 "exit 121"

struct kind_row {
	const char *name;
	const char *tool;    /* that the box needs; with '|' any of them; NULL: none */
	const char *install; /* sh -c; NULL: the file itself is started */
	const char
		*uninstall; /* sh -c with the path as $0; NULL: a script that it left, or asked */
};

#define UNPACK_HERE "d=$(mktemp -d \"$0.XXXXXX\") && cd \"$d\" || exit 1; "
#define UNPACK                                                                                     \
	"case $(head -c 2 \"$0\") in "                                                             \
	"PK) if command -v unzip >/dev/null; "                                                     \
	"then unzip -q \"$0\" || [ $? = 1 ]; else python3 -m zipfile -e \"$0\" .; fi ;; "          \
	"*) tar --no-same-owner -xf \"$0\" ;; esac || " DAMAGED "; "
#define FIND_SCRIPT                                                                                 \
	"s=$(find . -maxdepth 3 -type f \\( -iname 'install.sh' -o -iname 'setup.sh' -o -iname "    \
	"install -o -iname setup -o -iname 'install*.sh' -o -iname 'install.bin' -o -name '*.run' " \
	"\\) | awk '{ print gsub(\"/\", \"/\"), $0 }' | sort -n | head -n 1 | cut -d' ' -f2-) && "  \
	"[ -n \"$s\" ] || { echo it holds $(find . -type f | head -n 3); exit 120; }; "             \
	"cd \"$(dirname \"$s\")\" && s=./$(basename \"$s\") && chmod +x \"$s\" && "                 \
	"case $(head -c 2 \"$s\") in '#!'|'\177E') exec \"$s\" \"$@\" ;; "                          \
	"*) exec sh \"$s\" \"$@\" ;; esac"

static const struct kind_row kinds[INSTALLERS] = {
	/* What is needed before the unpacking (Pre-Depends) stands configured only the second time.
	 * A package that is in the way (another of its kind) goes, as apt would have it. */
	[INSTALLER_DEB] = { "deb", "dpkg",
			    "dpkg-deb --info \"$0\" >/dev/null && dpkg-deb --fsys-tarfile \"$0\" "
			    ">/dev/null || " DAMAGED "; export DEBIAN_FRONTEND=noninteractive; "
			    "if [ $# -gt 0 ] && dpkg -i \"$@\" \"$0\"; then exit 0; fi; "
			    "dpkg -i \"$@\" \"$0\" && exit 0; s=$?; "
			    "gone=$(apt-get -s --no-install-recommends install \"$PWD\"/*.deb "
			    "2>/dev/null | sed -n 's/^Remv \\([^ ]*\\).*/\\1 deinstall/p'); "
			    "[ -n \"$gone\" ] || exit $s; "
			    "echo \"$gone\" | dpkg --set-selections; "
			    "exec dpkg --auto-deconfigure -i \"$@\" \"$0\"",
			    "exec env DEBIAN_FRONTEND=noninteractive dpkg --purge \"$(dpkg-deb -f \"$0\" Package)\"" },
	/* what it needs is not asked: a Debian has it under other names, and not in rpm's list */
	[INSTALLER_RPM] = { "rpm", "rpm",
			    "rpm -K --nosignature \"$0\" >/dev/null || " DAMAGED "; "
			    "exec rpm -i --nodeps \"$@\" \"$0\"",
			    "exec rpm -e --nodeps \"$(rpm -qp --nosignature --qf '%{NAME}' \"$0\")\"" },
	[INSTALLER_SCRIPT] = { "script", NULL, NULL, NULL },
	[INSTALLER_ARCHIVE] = { "archive", NULL, UNPACK_HERE UNPACK FIND_SCRIPT, NULL },
	[INSTALLER_NPM] = { "npm", "npm",
			    "tar -tzf \"$0\" package/package.json >/dev/null || " DAMAGED "; "
			    "exec npm install -g --no-audit --no-fund --no-update-notifier \"$0\" \"$@\"",
			    "exec npm uninstall -g --no-update-notifier \"$(tar -xOzf \"$0\" package/package.json | "
			    "node -p 'JSON.parse(require(\"fs\").readFileSync(0)).name')\"" },
	/* all of type 2 unpack themselves; not all can start so, and mounting needs FUSE */
	[INSTALLER_APPIMAGE] = { "appimage", NULL,
				 "h=$PWD; " UNPACK_HERE "chmod +x \"$0\"; "
				 "\"$0\" --appimage-extract >/dev/null && [ -x squashfs-root/AppRun ] || " DAMAGED
				 "; export APPIMAGE=\"$0\" APPDIR=\"$d/squashfs-root\"; "
				 "cd \"$h\" && exec \"$APPDIR/AppRun\" \"$@\"",
				 NULL },
	[INSTALLER_PROGRAM] = { "program", NULL, NULL, NULL },
};

/* How archives begin, and who unpacks them. */
static const struct {
	const char *begin;
	size_t n, at;
	const char *tool;
} archives[] = {
	{ "PK\x03\x04", 4, 0, "unzip|python3" },
	{ "\x1f\x8b", 2, 0, "gzip" },
	{ "BZh", 3, 0, "bzip2" },
	{ "\xfd"
	  "7zXZ",
	  5, 0, "xz" },
	{ "\x28\xb5\x2f\xfd", 4, 0, "zstd" },
	{ "ustar", 5, 257, "tar" },
};

const char *installer_kind_name(enum installer_kind k)
{
	return k < INSTALLERS ? kinds[k].name : "unknown";
}

static bool ends(const char *name, const char *tail)
{
	return str_ends(str_z(name), tail);
}

/* npm packs everything below package/ (npm-pack(1)): the first member's name says so. */
static bool is_npm(const unsigned char *b, size_t n)
{
	unsigned char tar[512] = { 0 };
	z_stream z = { .next_in = (unsigned char *)b,
		       .avail_in = (uInt)n,
		       .next_out = tar,
		       .avail_out = sizeof(tar) };

	if (memcmp(b, "\x1f\x8b", 2) != 0 || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return false;
	inflate(&z, Z_SYNC_FLUSH);
	inflateEnd(&z);
	return !memcmp(tar, "package/", 8) && !memcmp(tar + 257, "ustar", 5);
}

/* Who unpacks it; NULL: no archive. @b: 512 bytes at least */
static const char *archive_tool(const unsigned char *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(archives); i++)
		if (!memcmp(b + archives[i].at, archives[i].begin, archives[i].n))
			return archives[i].tool;
	return NULL;
}

int installer_find(const struct examine_file *f, enum installer_kind *ret, struct err *err)
{
	unsigned char b[4096] = { 0 };
	ssize_t n = pread(f->fd, b, sizeof(b), 0);

	if (n < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: read '%s'", f->name);
	if (n == 0)
		return err_set_exit(err, EXIT_UNREADABLE, 0, "examine: '%s' is empty", f->name);
	if (!memcmp(b, "!<arch>\ndebian", 14))
		*ret = INSTALLER_DEB;
	else if (!memcmp(b, "\xed\xab\xee\xdb", 4))
		*ret = INSTALLER_RPM;
	else if (!memcmp(b,
			 "\x7f"
			 "ELF",
			 4))
		*ret = !memcmp(b + 8, "AI\x02", 3) ? INSTALLER_APPIMAGE : INSTALLER_PROGRAM;
	else if (!memcmp(b, "#!", 2) || ends(f->name, ".run") || ends(f->name, ".sh"))
		*ret = INSTALLER_SCRIPT;
	else if (is_npm(b, (size_t)n))
		*ret = INSTALLER_NPM;
	else if (archive_tool(b))
		*ret = INSTALLER_ARCHIVE;
	else if (!memcmp(b, "MZ", 2))
		return err_set_exit(err, EXIT_USAGE, 0,
				    "examine: '%s' is a program for Windows: it does not run here",
				    f->name);
	else
		return err_set_exit(
			err, EXIT_USAGE, 0,
			"examine: '%s' is no installer of a known kind (deb, rpm, script, "
			"tar or zip, npm package, AppImage, program)",
			f->name);
	return 0;
}

/* Folders of this machine that the box's PATH has. */
static const char *tool_folders[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
				      "/usr/bin",	 "/sbin",	   "/bin" };

static bool tool_there(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(tool_folders); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%.*s", tool_folders[i], (int)n, name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

int installer_tools(const struct examine_file *f, enum installer_kind kind, struct err *err)
{
	unsigned char b[512] = { 0 };
	const char *tool = kinds[kind].tool;

	if (kind == INSTALLER_ARCHIVE && pread(f->fd, b, sizeof(b), 0) > 0)
		tool = archive_tool(b);
	for (const char *t = tool; t;) {
		const char *end = strchrnul(t, '|');

		if (tool_there(t, (size_t)(end - t)))
			return 0;
		t = *end ? end + 1 : NULL;
	}
	return !tool ? 0
		     : err_set_exit(err, EXIT_NOT_FOUND, 0,
				    "examine: to install '%s' needs the program %.*s, which this "
				    "machine has not",
				    f->name, (int)strcspn(tool, "|"), tool);
}

const char *installer_refused(enum installer_kind kind, int status)
{
	if (!kinds[kind].install)
		return NULL;
	return status == STATUS_DAMAGED	    ? "is damaged, or holds what a box does not allow"
	       : status == STATUS_NO_SCRIPT ? "has no install script in it"
					    : NULL;
}

int installer_words(const struct exam *x, const char *path, const char *argv[EXAMINE_ARGS_MAX + 8])
{
	const struct kind_row *k = &kinds[x->kind];
	int n = 0;

	if (k->install) {
		argv[n++] = "sh";
		argv[n++] = "-c";
		argv[n++] = k->install;
	} else if (x->kind == INSTALLER_SCRIPT) {
		char b[2] = { 0 };

		/* what begins with text has no interpreter of its own */
		if (pread(x->o->installer.fd, b, 2, 0) != 2 || memcmp(b, "#!", 2) != 0)
			argv[n++] = "sh";
	}
	argv[n++] = path;
	for (int i = 0; i < x->o->nargs; i++)
		argv[n++] = x->o->arg[i];
	argv[n] = NULL;
	return n;
}

/* "uninstall", "uninstall.sh", "uninstaller", "uninst.run", "remove.sh", …, executable */
static bool is_uninstaller(const struct state_path *p)
{
	static const char *const names[] = { "uninstall", "uninst", "remove", "unins000" };
	const char *base = strrchr(p->path, '/') + 1;

	if (p->op == CHANGE_REMOVED || !S_ISREG(p->mode) || !(p->mode & 0111))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		if (!strncasecmp(base, names[i], n) &&
		    (!base[n] || base[n] == '.' || !strncasecmp(base + n, "er", 2)))
			return true;
	}
	return false;
}

static int depth(const char *path)
{
	int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

char *uninstall_command(const struct exam *x, const struct state *s)
{
	const char *how = kinds[x->kind].uninstall;
	const struct state_path *best = NULL;
	struct buf b = { 0 };

	if (x->o->uninstall)
		return xstrdup(x->o->uninstall);
	if (how) {
		cleanup_free char *path = xasprintf("%s/%s", SETUP_DIR, x->o->installer.name);

		buf_puts(&b, "sh -c ");
		buf_quote(&b, how, strlen(how));
		buf_puts(&b, " ");
		buf_quote(&b, path, strlen(path));
		return buf_z(&b);
	}
	for (size_t i = 0; i < s->npaths; i++)
		if (is_uninstaller(&s->path[i]) &&
		    (!best || depth(s->path[i].path) < depth(best->path)))
			best = &s->path[i];
	if (!best)
		return NULL;
	buf_quote(&b, best->path, strlen(best->path));
	return buf_z(&b);
}
