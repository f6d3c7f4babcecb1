// SPDX-License-Identifier: Apache-2.0
/*
 * installer.c - what an installer is by its bytes, how it is started, how it is undone
 *
 * Commands are for the box's own sh: the installer's path is $0, the arguments follow.
 */
#include <sys/stat.h>
#include <zlib.h>

#include "examine/inner.h"

struct kind_row {
	const char *name;
	const char *install; /* sh -c; NULL: the file itself is started */
	const char
		*uninstall; /* sh -c with the path as $0; NULL: a script that it left, or asked */
};

#define UNPACK_HERE "d=$(mktemp -d \"$0.XXXXXX\") && cd \"$d\" && "
#define FIND_SCRIPT                                                                                 \
	"s=$(find . -maxdepth 3 -type f \\( -iname 'install.sh' -o -iname 'setup.sh' -o -iname "    \
	"install -o -iname setup -o -iname 'install*.sh' -o -iname 'install.bin' -o -name '*.run' " \
	"\\) | awk '{ print gsub(\"/\", \"/\"), $0 }' | sort -n | head -n 1 | cut -d' ' -f2-) && "  \
	"[ -n \"$s\" ] || { echo 'no install script in it' >&2; exit 64; }; "                       \
	"cd \"$(dirname \"$s\")\" && s=./$(basename \"$s\") && chmod +x \"$s\" && "                 \
	"case $(head -c 2 \"$s\") in '#!'|'\177E') exec \"$s\" \"$@\" ;; "                          \
	"*) exec sh \"$s\" \"$@\" ;; esac"

static const struct kind_row kinds[INSTALLERS] = {
	/* What is needed before the unpacking (Pre-Depends) stands configured only the second time.
	 * A package that is in the way (another of its kind) goes, as apt would have it. */
	[INSTALLER_DEB] = { "deb",
			    "export DEBIAN_FRONTEND=noninteractive; "
			    "if [ $# -gt 0 ] && dpkg -i \"$@\" \"$0\"; then exit 0; fi; "
			    "dpkg -i \"$@\" \"$0\" && exit 0; s=$?; "
			    "gone=$(apt-get -s --no-install-recommends install \"$PWD\"/*.deb "
			    "2>/dev/null | sed -n 's/^Remv \\([^ ]*\\).*/\\1 deinstall/p'); "
			    "[ -n \"$gone\" ] || exit $s; "
			    "echo \"$gone\" | dpkg --set-selections; "
			    "exec dpkg --auto-deconfigure -i \"$@\" \"$0\"",
			    "exec env DEBIAN_FRONTEND=noninteractive dpkg --purge \"$(dpkg-deb -f \"$0\" Package)\"" },
	[INSTALLER_RPM] = { "rpm",
			    "if command -v bsdtar >/dev/null; then cd / && exec bsdtar -xf \"$0\"; "
			    "elif command -v rpm2cpio >/dev/null && command -v cpio >/dev/null; then "
			    "cd / && rpm2cpio \"$0\" | cpio -idmu; "
			    "else echo 'neither bsdtar nor rpm2cpio is here to unpack it' >&2; "
			    "exit 69; fi",
			    NULL },
	[INSTALLER_SCRIPT] = { "script", NULL, NULL },
	[INSTALLER_ARCHIVE] = { "archive",
				UNPACK_HERE
				"case $(head -c 2 \"$0\") in PK) if command -v unzip >/dev/null; "
				"then unzip -q \"$0\"; else python3 -m zipfile -e \"$0\" .; fi ;; "
				"*) tar -xf \"$0\" ;; esac && " FIND_SCRIPT,
				NULL },
	[INSTALLER_NPM] = { "npm", "exec npm install -g --no-audit --no-fund \"$0\" \"$@\"",
			    "exec npm uninstall -g \"$(tar -xOzf \"$0\" package/package.json | "
			    "node -p 'JSON.parse(require(\"fs\").readFileSync(0)).name')\"" },
	[INSTALLER_APPIMAGE] = { "appimage",
				 "chmod +x \"$0\" && exec \"$0\" "
				 "--appimage-extract-and-run \"$@\"",
				 NULL },
	[INSTALLER_PROGRAM] = { "program", NULL, NULL },
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

int installer_find(const struct examine_file *f, enum installer_kind *ret, struct err *err)
{
	unsigned char b[4096] = { 0 };
	ssize_t n = pread(f->fd, b, sizeof(b), 0);

	if (n < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "examine: read '%s'", f->name);
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
	else if (!memcmp(b, "PK\x03\x04", 4) || !memcmp(b, "\x1f\x8b", 2) || !memcmp(b, "BZh", 3) ||
		 !memcmp(b,
			 "\xfd"
			 "7zXZ",
			 5) ||
		 !memcmp(b, "\x28\xb5\x2f\xfd", 4) || !memcmp(b + 257, "ustar", 5))
		*ret = INSTALLER_ARCHIVE;
	else
		return err_set_exit(
			err, EXIT_USAGE, 0,
			"examine: '%s' is no installer of a known kind (deb, rpm, script, "
			"tar or zip, npm package, AppImage, program)",
			f->name);
	return 0;
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
