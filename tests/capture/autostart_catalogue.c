// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_catalogue.c - every row of the catalogue lists what is put in its place, every
 * location that we promise belongs to a row, and near misses are not told
 */
#include "folderfs.h"

#include "autostart_samples.h"

/* What each parser must make of a file. "" as name: the file's own; mode 0: a link. */
struct sample {
	const char *text;
	mode_t mode;
	const char *name, *command, *program;
	const char *near_miss; /* of the same place, and lists nothing */
};
#define AGENT "/opt/acme/agent"

static const struct sample samples[AS_PARSERS_N] = {
	[AS_P_UNIT] = { "[Unit]\nDescription=x\n[Service]\nExecStart=" AGENT " -d\n", 0644, "",
			AGENT " -d", AGENT, NULL },
	[AS_P_LINGER] = { "", 0644, "", "boot", "", NULL },
	[AS_P_SCRIPT] = { "#!/bin/sh\n" AGENT "\n", 0755, "", "/", "*", NULL },
	[AS_P_INITD] = { "#!/bin/sh\n", 0755, "", "/etc/init.d/", "*", NULL },
	[AS_P_RCLINK] = { "#!/bin/sh\n", 0755, "", "start in runlevel 2", "*", NULL },
	[AS_P_INITTAB] = { "# x\nac:2345:respawn:" AGENT " -d\n", 0644, "ac", AGENT " -d", AGENT,
			   "# ac:2345:respawn:/x\n" },
	[AS_P_RCLOCAL] = { "#!/bin/sh\n" AGENT " &\n", 0755, "", AGENT " &", AGENT,
			   "#!/bin/sh\n# " AGENT "\n" },
	[AS_P_SHVARS] = { "LD_PRELOAD=/opt/x.so\n", 0755, "LD_PRELOAD", "/opt/x.so", "",
			  "# LD_PRELOAD=/opt/x.so\n" },
	[AS_P_CRON_SYSTEM] = { "* * * * * root " AGENT " -c\n", 0644, "* * * * * root", AGENT " -c",
			       AGENT, "#* * * * * root /opt/acme/agent\nMAILTO=root\n" },
	[AS_P_CRON_USER] = { "@reboot " AGENT "\n", 0600, "@reboot", AGENT, AGENT,
			     "# @reboot /opt/acme/agent\n" },
	[AS_P_ANACRON] = { "1 5 acme " AGENT "\n", 0644, "acme", AGENT, AGENT,
			   "SHELL=/bin/sh\n# 1 5 acme x\n" },
	[AS_P_AT] = { "#!/bin/sh\n# atrun uid=0 gid=0\ncd /root || {\n echo x\n exit 1\n}\n"
		      "${SHELL:-/bin/sh} << 'marcinDELIMITER1'\n" AGENT " now\nmarcinDELIMITER1\n",
		      0700, "", AGENT " now", AGENT, NULL },
	[AS_P_DESKTOP] = { "[Desktop Entry]\nType=Application\nExec=" AGENT " %u\n", 0644, "",
			   AGENT " %u", AGENT, "[Desktop Entry]\nName=Exec=x\n# Exec=/x\n" },
	[AS_P_SHELL] = { "# x\n" AGENT " --login\n", 0644, "", AGENT " --login", AGENT,
			 "# " AGENT "\n\n" },
	[AS_P_ENV] = { "LANG=C\nLD_PRELOAD=/opt/x.so\n", 0644, "LD_PRELOAD", "/opt/x.so", "",
		       "LANG=C\n#LD_PRELOAD=x\nDISPLAY=:0\n" },
	[AS_P_PRELOAD] = { "# x\n/opt/acme/agent\n", 0644, AGENT, AGENT, AGENT, "# /opt/x.so\n\n" },
	[AS_P_PTH] = { "import os; os.system('x')\n", 0644, "", "import os", "", "# import os\n" },
	[AS_P_PYSTART] = { "import socket\n", 0644, "", "import socket", "*", "# import x\n" },
	[AS_P_PAM] = { "auth [success=1 default=ignore] pam_exec.so quiet " AGENT "\n", 0644,
		       "auth pam_exec.so", "pam_exec.so quiet", AGENT,
		       "# auth required pam_x.so\n" },
	[AS_P_PAM_CONF] = { "sshd auth required pam_exec.so " AGENT "\n", 0644,
			    "sshd auth pam_exec.so", "required", AGENT,
			    "# sshd auth x pam_x.so\n" },
	[AS_P_PAM_CONFIG] = { "Name: x\nAuth:\n\trequired\tpam_acme.so\n", 0644, "", "pam_acme.so",
			      "", "Name: x\nDefault: yes\n" },
	[AS_P_PASSWD] = { PASSWD "toor:x:0:0::/root:" AGENT "\n", 0644, "toor", "toor:x:0:0", AGENT,
			  PASSWD },
	[AS_P_SHADOW] = { "toor::19000:0:99999:7:::\n", 0640, "toor", "anybody may log in", "",
			  "" },
	[AS_P_GROUP] = { "sudo:x:27:eve\n", 0644, "sudo", "sudo:x:27:eve", "", "" },
	[AS_P_SUDOERS] = { "eve ALL=(ALL) NOPASSWD: ALL\n", 0440, "eve", "NOPASSWD", "",
			   "# eve ALL=(ALL) ALL\n" },
	[AS_P_POLKIT] = { "<annotate key=\"org.freedesktop.policykit.exec.path\">" AGENT
			  "</annotate>",
			  0644, "", AGENT, AGENT, NULL },
	[AS_P_AUTHKEYS] = { "command=\"" AGENT " a b\",no-pty ssh-ed25519 AAAAC3Nz eve@x\n", 0600,
			    "ssh-ed25519 ", "no-pty", AGENT, "# ssh-ed25519 AAAA x\nnonsense\n" },
	[AS_P_SSHCONF] = { "ForceCommand " AGENT "\n", 0644, "ForceCommand", AGENT, AGENT,
			   "#ForceCommand x\nX11Forwarding yes\n" },
	[AS_P_MODLOAD] = { "acme_rk param=1\n", 0644, "acme_rk", "param=1", "", "# acme\n" },
	[AS_P_MODPROBE] = { "install usb-storage " AGENT " %k\n", 0644, "install usb-storage",
			    AGENT, AGENT, "# install x /x\n" },
	[AS_P_DKMS] = { "PACKAGE_NAME=\"acme\"\n", 0644, "acme", "/usr/src/", "", NULL },
	[AS_P_SYSCTL] = { "kernel.core_pattern = |" AGENT " %p\n", 0644, "kernel.core_pattern",
			  AGENT, AGENT, "# kernel.core_pattern=|/x\n" },
	[AS_P_BINFMT] = { ":acme:M::MZ::" AGENT ":\n", 0644, "acme", AGENT, AGENT,
			  "# :x:M::a::/x:\n" },
	[AS_P_KERNELPATH] = { "|" AGENT " %p\n", 0644, "core_pattern", AGENT, AGENT, NULL },
	[AS_P_UDEV] = { "ACTION==\"add\", RUN+=\"" AGENT " %k\"\n", 0644, "RUN+=", AGENT, AGENT,
			"# RUN+=\"/x\"\nACTION==\"add\", NAME=\"RUN\"\n" },
	[AS_P_IFACES] = { "iface eth0 inet dhcp\n  post-up " AGENT "\n", 0644, "post-up", AGENT,
			  AGENT, "# post-up /x\n" },
	[AS_P_DBUS] = { "[D-BUS Service]\nName=com.acme\nExec=" AGENT " --dbus\nUser=root\n", 0644,
			"com.acme", AGENT " --dbus", AGENT, "[D-BUS Service]\nName=com.acme\n" },
	[AS_P_INETD] = { "acme stream tcp nowait root " AGENT " agent -i\n", 0644, "acme", AGENT,
			 AGENT, "#<off># acme stream tcp nowait root /x x\n" },
	[AS_P_XINETD] = { "service acme\n{\n disable = no\n server = " AGENT
			  "\n server_args = -i\n}\n",
			  0644, "acme", AGENT " -i", AGENT, "# service x\n" },
	[AS_P_LOGROTATE] = { "/var/log/x {\n postrotate\n  " AGENT " -hup\n endscript\n}\n", 0644,
			     "postrotate", AGENT " -hup", AGENT, "/var/log/x {\n rotate 4\n}\n" },
	[AS_P_GITCONFIG] = { "[core]\n\tsshCommand = " AGENT "\n", 0644, "core.sshCommand", AGENT,
			     AGENT, "[user]\n\tname = eve\n[alias]\n\tst = status\n" },
	[AS_P_GITHOOK] = { "#!/bin/sh\n", 0755, "", "/", "*", NULL },
	[AS_P_SUPERVISOR] = { "[program:acme]\ncommand=" AGENT " -n\n", 0755, "program:acme", AGENT,
			      AGENT, "[program:acme]\n;command=/x\n" },
	[AS_P_MONIT] = { "start program = \"" AGENT " start\"\n", 0644, "", AGENT, AGENT,
			 "# start program = \"/x\"\n" },
	[AS_P_APTCONF] = { "DPkg::Post-Invoke { \"" AGENT " --apt || true\"; };\n", 0644,
			   "DPkg::Post-Invoke", AGENT, AGENT,
			   "// DPkg::Post-Invoke {\"x\";};\nAPT::Install-Recommends \"0\";\n" },
	[AS_P_SOURCES] = { "deb [trusted=yes] http://acme.test stable main\n", 0644, "",
			   "acme.test", "", "# deb http://x\n" },
	[AS_P_KEYRING] = { "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", 0644, "", "believed", "", "" },
	[AS_P_DPKGCONF] = { "post-invoke=\"" AGENT "\"\n", 0644, "post-invoke", AGENT, AGENT,
			    "# post-invoke=/x\n" },
	[AS_P_MAINTSCRIPT] = { "#!/bin/sh\n", 0755, "", "/var/lib/dpkg/info/", "*", "" },
	[AS_P_TRIGGERS] = { "interest-noawait /usr/bin\n", 0644, "", "interest-noawait", "",
			    "activate x\n" },
	[AS_P_CERT] = { "not a certificate", 0644, "", "", "", "" },
	[AS_P_HOSTS] = { "10.0.0.1 bank.test # x\n", 0644, "bank.test", "10.0.0.1", "",
			 "# 10.0.0.1 bank.test\n" },
	[AS_P_NATIVE_HOST] = { "{\"name\":\"com.acme\",\"path\":\"" AGENT "\"}", 0644, "com.acme",
			       AGENT, AGENT, NULL },
	[AS_P_EXTENSION] = { "{\"name\":\"\"}", 0644, "*", "/", "", NULL },
	[AS_P_POLICY] = { "{\"policies\":{\"ProxySettings\":{\"ProxyMode\":\"pac\"}}}", 0644,
			  "ProxySettings", "pac", "", "{}" },
	[AS_P_JSON] = { "{\"external_update_url\":\"http://acme.test\"}", 0644, "", "", "", NULL },
	[AS_P_DOCKER] = { "{\"Name\":\"/acme\",\"Config\":{\"Image\":\"acme:1\"}}", 0644, "/acme",
			  "acme:1", "", NULL },
	[AS_P_DIVERSIONS] = { "/opt/acme/agent\n/opt/acme/agent.real\nacme\n", 0644, AGENT,
			      "moved to /opt/acme/agent.real", AGENT, "" },
	[AS_P_LINK] = { AGENT, 0, "", AGENT, AGENT, NULL },
	[AS_P_KEYS] = { "[Main]\nRunExec=" AGENT "\n", 0644, "Main/RunExec", AGENT, AGENT,
			"# RunExec=/x\n" },
	[AS_P_LINES] = { "# x\nacme line\n", 0644, "", "acme line", "", "# acme\n; x\n" },
	[AS_P_FILE] = { "\x7f"
			"ELF",
			0644, "", "", "", NULL },
	[AS_P_NEWLIB] = { "\x7f"
			  "ELF",
			  0644, "", "/usr/l", "*", NULL },
	[AS_P_SETID] = { "\x7f"
			 "ELF",
			 04755, "", "set-user-id", "*", NULL },
	[AS_P_REPLACED] = { "\x7f"
			    "ELF other",
			    0755, "", "differs", "*", NULL },
};

static struct as_catalogue catalogue(const struct as_fs *fs)
{
	struct as_catalogue cat;

	as_catalogue_init(&cat);
	as_catalogue_homes(&cat, fs);
	return cat;
}

static struct as_list compare_one(const struct as_catalogue *cat, const char *path)
{
	struct as_fs now = folder(NOW), base = folder(BASE);
	struct as_path p = { .path = path, .setid = true };
	struct as_list out = { 0 };

	as_compare(cat, &now, &base, &p, 1, &out);
	return out;
}

static bool holds(struct str s, const char *z)
{
	return !z[0] || as_find(s, z);
}

/* The entry that a sample must give is in the list. */
static bool listed(const struct as_list *l, const struct as_place *place, const char *path,
		   const struct sample *s, enum change_op op)
{
	const char *base = strrchr(path, '/') + 1;

	for (size_t i = 0; i < l->n; i++) {
		const struct as_item *it = &l->v[i];
		const char *program = !strcmp(s->program, "*") ? path : s->program;

		if (it->place == place && it->op == op &&
		    (!strcmp(s->name, "*") || holds(it->name, s->name[0] ? s->name : base) ||
		     place->parser == AS_P_PAM_CONFIG || place->parser == AS_P_CERT) &&
		    holds(it->command, s->command) && as_is(it->path, path) &&
		    (place->parser == AS_P_RCLINK || str_eq(it->program, str_z(program)) ||
		     str_ends(it->program, program)))
			return true;
	}
	fprintf(stderr, "%s (%s) gives %zu entries:\n", path, as_parsers[place->parser].name, l->n);
	for (size_t i = 0; i < l->n; i++)
		fprintf(stderr, "  op %d '%.*s' '%.*s' '%.*s'\n", l->v[i].op, (int)l->v[i].name.n,
			l->v[i].name.p, (int)l->v[i].command.n, l->v[i].command.p,
			(int)l->v[i].program.n, l->v[i].program.p);
	return false;
}

/* The row that a sample path is for: its own place, or one that looks at every file. */
static const struct as_place *row_of(const struct as_catalogue *cat, const char *path)
{
	const struct as_place *places[AS_MATCH_MAX];
	int n = as_match(cat, path, true, places);

	for (int i = 0; i < n; i++)
		if (!(as_parsers[places[i]->parser].flags & AS_F_ALSO))
			return places[i];
	for (int i = 0; i < n; i++)
		if (places[i]->parser == AS_P_REPLACED)
			return places[i];
	return n ? places[0] : NULL;
}

static void plant(const struct as_place *place, const char *path, const struct sample *s)
{
	if (!s->mode)
		put_link(NOW, path, s->text);
	else
		put_file(NOW, path, s->mode, s->text);
	if (place->parser == AS_P_REPLACED)
		put_file(BASE, path, 0755,
			 "\x7f"
			 "ELF as installed");
}

static void unplant(const char *path)
{
	unlink(real_path(fs_root[NOW], path));
	unlink(real_path(fs_root[BASE], path));
	if (!strcmp(path, "/etc/passwd"))
		put_base(path, 0644, PASSWD);
}

static void test_each_row_lists_what_is_added_and_what_is_removed_in_its_place(void **state UNUSED)
{
	struct as_fs now = folder(NOW);
	struct as_catalogue cat = catalogue(&now);
	bool *covered = xcalloc(as_nplaces, sizeof(*covered));
	int missing = 0, wrong = 0;

	put_base(AGENT, 0755, "#!/bin/sh\n");
	for (size_t i = 0; i < ARRAY_SIZE(sample_paths); i++) {
		const char *path = sample_paths[i];
		const struct as_place *place = row_of(&cat, path);
		const struct sample *s;
		struct as_list out;

		if (!place) {
			fprintf(stderr, "%s belongs to no row\n", path);
			wrong++;
			continue;
		}
		covered[place - as_places] = true;
		s = &samples[place->parser];
		assert_non_null(s->text);
		plant(place, path, s);
		out = compare_one(&cat, path);
		wrong += !listed(&out, place, path, s,
				 place->parser == AS_P_REPLACED ? CHANGE_CHANGED : CHANGE_ADDED);
		as_list_free(&out);
		unplant(path);
		if (place->parser == AS_P_REPLACED || !strcmp(path, "/etc/passwd"))
			continue;
		/* the other way round: the base had it, and it is gone */
		strcpy(fs_root[NOW] + strlen(fixture), "/base");
		plant(place, path, s);
		strcpy(fs_root[NOW] + strlen(fixture), "/now");
		out = compare_one(&cat, path);
		if (!out.n || out.v[0].op != CHANGE_REMOVED) {
			fprintf(stderr, "%s: its removal is not told\n", path);
			wrong++;
		}
		as_list_free(&out);
		unplant(path);
	}
	for (size_t i = 0; i < as_nplaces; i++)
		if (!covered[i]) {
			fprintf(stderr, "no sample for row \"%s\"\n", as_places[i].pattern);
			missing++;
		}
	free(covered);
	as_catalogue_free(&cat);
	assert_int_equal(missing, 0);
	assert_int_equal(wrong, 0);
}

static void test_what_the_base_brought_and_near_misses_are_not_listed(void **state UNUSED)
{
	struct as_fs now = folder(NOW);
	struct as_catalogue cat = catalogue(&now);
	int wrong = 0, misses = 0;

	put_base(AGENT, 0755, "#!/bin/sh\n");
	for (size_t i = 0; i < ARRAY_SIZE(sample_paths); i++) {
		const char *path = sample_paths[i];
		const struct as_place *place = row_of(&cat, path);
		const struct sample *s = &samples[place->parser];
		struct as_list out;

		if (s->mode && strcmp(path, "/etc/passwd")) {
			put_base(path, s->mode & 0777, s->text);
			out = compare_one(&cat, path);
			wrong += out.n != 0;
			as_list_free(&out);
			unplant(path);
		}
		if (!s->near_miss || place->parser == AS_P_REPLACED)
			continue;
		misses++;
		put_file(NOW, path, s->mode & 0777, s->near_miss);
		out = compare_one(&cat, path);
		if (out.n) {
			fprintf(stderr, "%s: a near miss is listed: '%s'\n", path,
				out.v[0].command.p);
			wrong++;
		}
		as_list_free(&out);
		unplant(path);
	}
	as_catalogue_free(&cat);
	assert_true(misses > 100);
	assert_int_equal(wrong, 0);
}

static void test_each_promised_location_belongs_to_a_row(void **state UNUSED)
{
	struct as_fs now = folder(NOW);
	struct as_catalogue cat = catalogue(&now);
	cleanup_file FILE *f = fopen(PLACES, "r");
	char line[512];
	int n = 0, missing = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const struct as_place *places[AS_MATCH_MAX];

		line[strcspn(line, "\n")] = 0;
		if (line[0] != '/')
			continue;
		n++;
		if (!as_match(&cat, line, false, places)) {
			fprintf(stderr, "no row for %s\n", line);
			missing++;
		}
	}
	as_catalogue_free(&cat);
	assert_true(n > 250);
	assert_int_equal(missing, 0);
}

static void test_ordinary_files_belong_to_no_row(void **state UNUSED)
{
	static const char *const none[] = {
		"/home/alice/Documents/a.txt",
		"/var/log/syslog",
		"/opt/acme/agent",
		"/tmp/x.service",
		"/usr/share/doc/cron/README",
		"/etc/systemdx/system/a.service",
		"/etc/crontab.bak/x",
		"/var/lib/dpkg/status",
		"/usr/bin",
		"/srv/alice/.bashrc",
		"/home/alice/src/.gitignore",
		"/etc/passwd-",
		"/etc/ld.so.preload~",
		"/usr/sbin/.profile",
		"/root/.bashrc/x",
	};
	struct as_fs now = folder(NOW);
	struct as_catalogue cat = catalogue(&now);

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		const struct as_place *places[AS_MATCH_MAX];
		int n = as_match(&cat, none[i], false, places);

		for (int k = 0; k < n; k++)
			if (!(as_parsers[places[k]->parser].flags & AS_F_ALSO))
				fail_msg("%s is taken for '%s'", none[i], places[k]->pattern);
	}
	as_catalogue_free(&cat);
}

static void test_classes_have_title_and_technique(void **state UNUSED)
{
	const struct autostart_class *c = autostart_classes();
	int n = 0;

	for (; c[n].name; n++) {
		assert_true(c[n].title && c[n].title[0]);
		assert_true(c[n].technique[0] == 'T' && strspn(c[n].technique + 1, "0123456789.") ==
								strlen(c[n].technique) - 1);
		for (int k = 0; k < n; k++)
			assert_string_not_equal(c[k].name, c[n].name);
	}
	assert_int_equal(n, AS_CLASSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
		T(test_each_row_lists_what_is_added_and_what_is_removed_in_its_place),
		T(test_what_the_base_brought_and_near_misses_are_not_listed),
		T(test_each_promised_location_belongs_to_a_row),
		T(test_ordinary_files_belong_to_no_row),
		T(test_classes_have_title_and_technique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
