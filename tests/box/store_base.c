// SPDX-License-Identifier: Apache-2.0
/* store_base.c - the base of this host, built and looked at; when it is another one */
#include "store_live.h"

#include <dirent.h>
#include <pwd.h>
#include <sys/xattr.h>

#include "box/base_build.h"

static char *text_of(int dir, const char *rel)
{
	char *t = NULL;

	return read_file_at(dir, rel, 64 << 20, &t, NULL) ? NULL : t;
}

static bool there(int dir, const char *rel, struct stat *st)
{
	return !fstatat(dir, rel, st, AT_SYMLINK_NOFOLLOW);
}

static bool opaque(int dir, const char *rel)
{
	cleanup_close int fd = openat(dir, rel, O_RDONLY | O_DIRECTORY);
	char c;

	return fd >= 0 && fgetxattr(fd, "user.overlay.opaque", &c, 1) == 1 && c == 'y';
}

static void check_etc(int dir)
{
	static const char *const absent[] = { "root/etc/ssh/ssh_host_rsa_key",
					      "root/etc/ssh/ssh_host_ed25519_key",
					      "root/etc/passwd-", "root/etc/shadow-" };
	cleanup_free char *passwd = text_of(dir, "root/etc/passwd");
	cleanup_free char *id = text_of(dir, "root/etc/machine-id");
	cleanup_free char *resolv = text_of(dir, "root/etc/resolv.conf");
	const struct passwd *pw;
	struct stat st;

	must(passwd && strstr(passwd, "root:x:0:0:") && strstr(passwd, "user:x:1000:1000:"));
	must(id && !*id && resolv && !strcmp(resolv, "nameserver 10.0.2.3\n"));
	setpwent();
	while ((pw = getpwent())) {
		cleanup_free char *line = xasprintf("\n%s:", pw->pw_name);

		if (pw->pw_uid >= 1000 && pw->pw_uid != 65534 && strcmp(pw->pw_name, "user"))
			must(!strstr(passwd, line)); /* no people */
	}
	endpwent();
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		must(!there(dir, absent[i], &st));
	must(there(dir, "root/etc/shadow", &st) && (st.st_mode & 0777) == 0640);
}

static void check_folders(int dir)
{
	struct stat host, st;

	must(there(dir, "usr/bin", &st) && !stat("/usr/bin", &host));
	must(S_ISDIR(st.st_mode) && (st.st_mode & 01777) == (host.st_mode & 01777));
	must(!there(dir, "usr/bin/sh", &st)); /* files come from the host's folder */
	must(there(dir, "root/tmp", &st) && (st.st_mode & 07777) == 01777);
	must(there(dir, "root/root", &st) && (st.st_mode & 07777) == 0700);
	must(opaque(dir, "var/log") && opaque(dir, "var/tmp") && opaque(dir, "var/spool"));
	must(!opaque(dir, "var") && !opaque(dir, "var/lib") && !opaque(dir, "usr"));
	if (!access("/var/lib/dpkg/status", R_OK)) {
		cleanup_close int at = openat(dir, "var/lib/dpkg", O_RDONLY | O_DIRECTORY);

		must(!opaque(dir, "var/lib/dpkg"));
		must(there(at, "status", &st) && st.st_size > 0 && there(at, "info", &st));
		if (!access("/var/lib/dpkg/lock", F_OK))
			must(there(at, "lock", &st) && st.st_size == 0);
	}
}

static void base_child(struct live *l)
{
	struct box *b, *again;
	cleanup_close int dir = -1;
	char rel[160], key[128];
	struct stat first, second, home;

	must_ok(box_open(&l->home, "x", BOX_CREATE | BOX_LOCK, NULL, &b, &l->err), &l->err);
	strcpy(key, b->info.base);
	snprintf(rel, sizeof(rel), "base/%s", key);
	dir = openat(l->home.fd, rel, O_RDONLY | O_DIRECTORY);
	must(dir >= 0 && !fstat(dir, &first));
	check_etc(dir);
	check_folders(dir);
	if (b->info.range) {
		must(there(dir, "root/home/user", &home));
		must(home.st_uid == b->info.range_start + (l->home.by_root ? 1000 : 999));
	}
	/* a second box has the same one, and a folder that no box names goes with the next build */
	must_ok(box_open(&l->home, "y", BOX_CREATE | BOX_LOCK, NULL, &again, &l->err), &l->err);
	if (!strcmp(again->info.base, key)) /* else somebody has just installed something */
		must(!fstat(dir, &second) && first.st_ino == second.st_ino);
	live_remove(l, again);
	live_remove(l, b);
	must(!mkdirat(l->home.fd, "base/0123456789abcdef", 0700));
	must(!renameat(l->home.fd, rel, l->home.fd, "base/00000000deadbeef"));
	must_ok(box_open(&l->home, "z", BOX_CREATE | BOX_LOCK, NULL, &b, &l->err), &l->err);
	must(!there(l->home.fd, "base/0123456789abcdef", &first));
	must(!there(l->home.fd, "base/00000000deadbeef", &first));
	live_remove(l, b);
}

static void test_the_base_shows_the_host_without_its_people_and_secrets(void **state)
{
	in_child(state, base_child);
}

/* ---- when a base is another one ----------------------------------------------------------- */

struct host {
	char root[4096];
	char state[BASE_STATE_LEN + 1];
};

static void put_file(const struct host *h, const char *path, const char *text)
{
	cleanup_free char *full = xasprintf("%s/%s", h->root, path);

	must(!write_file_at(AT_FDCWD, full, 0644, text, strlen(text)));
}

static void put_folder(const struct host *h, const char *path)
{
	cleanup_free char *full = xasprintf("%s/%s", h->root, path);

	must(!mkdir_p(full, 0755));
}

/* Is the state another one than when this was last asked? */
static bool changed(struct host *h)
{
	char state[BASE_STATE_LEN + 1];
	bool other;

	base_state(h->root, state);
	other = strcmp(state, h->state) != 0;
	strcpy(h->state, state);
	return other;
}

#define ROOT_LINE "root:x:0:0:root:/root:/bin/sh\n"

static void state_child(struct live *l)
{
	struct host h = { 0 };

	snprintf(h.root, sizeof(h.root), "%.2000s/host", l->home.path); /* a folder of ours */
	put_folder(&h, "etc");
	put_folder(&h, "usr/bin");
	put_folder(&h, "opt");
	put_folder(&h, "var/lib/dpkg");
	put_file(&h, "var/lib/dpkg/status", "Package: a\n");
	put_file(&h, "etc/passwd", ROOT_LINE);
	put_file(&h, "etc/group", "root:x:0:\n");
	put_file(&h, "etc/shells", "/bin/sh\n");
	must(changed(&h) && !changed(&h));
	/* people, secrets and what each box has of its own are in no base */
	put_file(&h, "etc/passwd", ROOT_LINE "alice:x:1000:1000::/home/alice:/bin/sh\n");
	put_file(&h, "etc/group", "root:x:0:\nalice:x:1000:\n");
	put_file(&h, "etc/passwd-", "old");
	put_file(&h, "etc/subuid", "alice:100000:65536\n");
	put_file(&h, "etc/.pwd.lock", "");
	put_file(&h, "etc/resolv.conf", "nameserver 192.0.2.1\n");
	put_file(&h, "etc/vpn.key", "secret");
	put_file(&h, "usr/a-file", "x"); /* seen in the host's own folder */
	must(!changed(&h));
	/* a system's account, a setting, a folder, a package */
	put_file(&h, "etc/passwd", ROOT_LINE "svc:x:101:101::/:/bin/false\n");
	must(changed(&h));
	put_file(&h, "etc/shells", "/bin/sh\n/bin/bash\n");
	must(changed(&h));
	put_file(&h, "etc/new.conf", "x");
	must(changed(&h));
	put_folder(&h, "etc/new.d");
	must(changed(&h));
	put_file(&h, "etc/new.d/one", "x");
	must(changed(&h));
	put_folder(&h, "usr/games");
	must(changed(&h));
	put_folder(&h, "opt/vendor");
	must(changed(&h));
	put_file(&h, "var/lib/dpkg/status", "Package: a\n\nPackage: b\n");
	must(changed(&h));
}

static void test_a_base_is_another_one_when_what_it_shows_has_changed(void **state)
{
	in_child(state, state_child);
}

static void links_child(struct live *l)
{
	cleanup_close int bases = -1;
	char first[BASE_STATE_LEN + 1], again[BASE_STATE_LEN + 1], here[BASE_STATE_LEN + 1];
	struct dirent *e;
	DIR *d;
	int links = 0;

	bases = openat(l->home.fd, "base", O_RDONLY | O_DIRECTORY);
	must(bases >= 0 && !symlinkat("stale", bases, "at-0000000000000000"));
	base_state("", here);
	base_state_here(bases, first);
	base_state_here(bases, again);
	if (strcmp(first, here) != 0) /* somebody has just changed this machine */
		return;
	must(!strcmp(first, again));
	d = fdopendir(dup(bases));
	while ((e = readdir(d)))
		links += base_is_link(e->d_name);
	closedir(d);
	must(links == 1); /* the new one took the place of the old; or the old is alone, as stamps
			     were too new */
}

static void test_the_state_of_this_machine_is_remembered_by_its_time_stamps(void **state)
{
	in_child(state, links_child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_base_shows_the_host_without_its_people_and_secrets, live_setup,
			live_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_base_is_another_one_when_what_it_shows_has_changed, live_setup,
			live_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_state_of_this_machine_is_remembered_by_its_time_stamps, live_setup,
			live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
