// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_order.c - what a boot and a login would start: which entries, in which order, with
 * which arguments, user, folder and environment
 */
#include "folderfs.h"

#include "capture/autostart/starts.h"

#define AGENT "/opt/acme/agent"
#define SYS   "/etc/systemd/system/"

static struct as_starts found;

static struct as_starts *find(void)
{
	struct as_fs now = folder(NOW), base = folder(BASE);

	as_starts_free(&found);
	as_starts_find(&now, &base, &found);
	return &found;
}

/* all starts, one a line: when, user, cwd, then the arguments in <…> */
static const char *told(void)
{
	static char text[65536];
	struct as_starts *s = find();
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct as_start *a = &s->v[i];

		n += snprintf(text + n, sizeof(text) - n, "%s %s %s", a->when,
			      a->user ? a->user : "-", a->cwd ? a->cwd : "-");
		for (int k = 0; k < a->argc; k++)
			n += snprintf(text + n, sizeof(text) - n, " <%.*s>", (int)a->argv[k].n,
				      a->argv[k].p);
		n += snprintf(text + n, sizeof(text) - n, "%s\n", a->wait ? " wait" : "");
		assert_true(n < sizeof(text));
	}
	return text;
}
#define tells(want) assert_string_equal(told(), want)

/* names of the starts, in order */
static const char *names(void)
{
	static char text[8192];
	struct as_starts *s = find();

	text[0] = 0;
	for (size_t i = 0; i < s->n; i++) {
		strncat(text, s->v[i].name.p, 200);
		strcat(text, i + 1 < s->n ? ", " : "");
	}
	return text;
}

static void enable(const char *target, const char *unit)
{
	char link[300], to[300];

	snprintf(link, sizeof(link), SYS "%s.wants/%s", target, unit);
	snprintf(to, sizeof(to), SYS "%s", unit);
	put_link(NOW, link, to);
}

static void unit(const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), SYS "%s", name);
	put_file(NOW, path, 0644, text);
}

static int setup(void **state)
{
	folder_setup(state);
	put_base(AGENT, 0755, "#!/bin/sh\n");
	return 0;
}

static int teardown(void **state)
{
	as_starts_free(&found);
	return folder_teardown(state);
}

/* ---- systemd ------------------------------------------------------------------------------ */

static void test_an_enabled_unit_starts_and_a_disabled_or_masked_one_does_not(void **state UNUSED)
{
	unit("on.service", "[Service]\nExecStart=" AGENT " on\n");
	enable("multi-user.target", "on.service");
	unit("off.service", "[Service]\nExecStart=" AGENT " off\n");
	put_link(NOW, SYS "masked.service", "/dev/null");
	enable("multi-user.target", "masked.service");
	unit("shutdown.service", "[Service]\nExecStart=" AGENT " bye\n");
	enable("shutdown.target", "shutdown.service");
	tells("boot root / <" AGENT "> <on>\n");
}

static void
test_units_of_the_base_are_left_alone_until_the_box_changes_or_enables_them(void **state UNUSED)
{
	put_base("/usr/lib/systemd/system/ssh.service", 0644,
		 "[Service]\nExecStart=" AGENT " ssh\n");
	put_base("/usr/lib/systemd/system/cups.service", 0644,
		 "[Service]\nExecStart=" AGENT " cups\n");
	for (int i = 0; i < 2; i++)
		put_link(i, SYS "multi-user.target.wants/ssh.service",
			 "/lib/systemd/system/ssh.service");
	tells("");
	put_file(NOW, SYS "ssh.service.d/x.conf", 0644,
		 "[Service]\nExecStart=\nExecStart=" AGENT " x\n");
	tells("boot root / <" AGENT "> <x>\n");
	put_link(NOW, SYS "multi-user.target.wants/cups.service",
		 "/lib/systemd/system/cups.service");
	tells("boot root / <" AGENT "> <cups>\nboot root / <" AGENT "> <x>\n");
}

static void test_user_folder_environment_and_quoting_of_a_unit(void **state UNUSED)
{
	put_file(NOW, "/etc/default/acme", 0644, "# x\nOPTS=\"-a 'b c'\"\nFROM=file\n");
	unit("u.service", "[Service]\nUser=alice\nWorkingDirectory=~\n"
			  "Environment=FROM=unit 'TWO=a b' THREE=3\n"
			  "EnvironmentFile=-/etc/default/acme\nEnvironmentFile=-/etc/missing\n"
			  "ExecStart=@-" AGENT " argv0 $OPTS ${FROM} \"q \\\"x\\\"\" 'a;b' $$x \\\n"
			  "  # a comment\n  pre${TWO}post\n");
	enable("multi-user.target", "u.service");
	tells("boot alice /home/alice </usr/bin/env> <HOME=/home/alice> <USER=alice> <LOGNAME=alice> "
	      "<SHELL=/bin/bash> <FROM=file> <TWO=a b> <THREE=3> <OPTS=-a 'b c'> <" AGENT "> <-a> "
	      "<b c> <file> <q \"x\"> <a;b> <$x> <prea bpost>\n");
}

static void test_specifiers_and_instances(void **state UNUSED)
{
	unit("t@.service", "[Service]\nExecStart=" AGENT " %i %I %n %N %p %u %h %% %t %S\n");
	put_link(NOW, SYS "multi-user.target.wants/t@a-b.service", SYS "t@.service");
	tells("boot root / <" AGENT "> <a-b> <a/b> <t@a-b.service> <t@a-b> <t> <root> </root> <%> "
	      "</run> </var/lib>\n");
}

static void test_prefixes_and_several_commands(void **state UNUSED)
{
	unit("p.service",
	     "[Service]\nType=oneshot\nUser=alice\nEnvironment=X=1\n"
	     "ExecStartPre=+" AGENT " as-root\nExecStart=:" AGENT " $X\n"
	     "ExecStart=!!" AGENT " ${X} ; -" AGENT " b\nExecStartPost=!" AGENT " post\n");
	enable("multi-user.target", "p.service");
	assert_string_equal(names(), "p.service ExecStartPre, p.service, p.service, p.service, "
				     "p.service ExecStartPost");
	assert_string_equal(found.v[0].user, "root");
	assert_string_equal(found.v[1].user, "alice");
	assert_string_equal(found.v[2].user, "alice"); /* !! */
	assert_string_equal(found.v[4].user, "root");  /* ! */
	for (int i = 0; i < 5; i++)
		assert_true(found.v[i].wait);
	assert_true(as_is(found.v[1].argv[found.v[1].argc - 1], "$X"));
	assert_true(as_is(found.v[2].argv[found.v[2].argc - 1], "1"));
	assert_true(as_is(found.v[3].argv[found.v[3].argc - 1], "b"));
}

static void test_after_before_and_requires_give_the_order_and_a_cycle_ends(void **state UNUSED)
{
	unit("a.service", "[Unit]\nAfter=c.service\n[Service]\nExecStart=" AGENT "\n");
	unit("b.service", "[Unit]\nBefore=a.service\nRequires=d.service\nAfter=d.service\n"
			  "[Service]\nExecStart=" AGENT "\n");
	unit("c.service", "[Service]\nExecStart=" AGENT "\n");
	unit("d.service", "[Service]\nExecStart=" AGENT "\n");
	unit("x.service", "[Unit]\nAfter=y.service\n[Service]\nExecStart=" AGENT "\n");
	unit("y.service",
	     "[Unit]\nAfter=x.service\nWants=x.service\n[Service]\nExecStart=" AGENT "\n");
	enable("multi-user.target", "a.service");
	enable("multi-user.target", "b.service");
	enable("multi-user.target", "c.service");
	enable("multi-user.target", "y.service");
	unit("early.service", "[Service]\nExecStart=" AGENT "\n");
	enable("sysinit.target", "early.service");
	assert_string_equal(names(), "early.service, d.service, b.service, c.service, a.service, "
				     "x.service, y.service");
}

static void test_timers_sockets_and_paths_start_their_service_once(void **state UNUSED)
{
	unit("t.timer", "[Timer]\nOnBootSec=2h\nUnit=job.service\n");
	unit("job.service", "[Service]\nType=oneshot\nExecStart=" AGENT " job\n");
	unit("s.socket", "[Socket]\nListenStream=/run/s\n");
	unit("s.service", "[Service]\nExecStart=" AGENT " socket\n");
	unit("each.socket", "[Socket]\nListenStream=1\nAccept=yes\n");
	unit("each@.service", "[Service]\nExecStart=" AGENT " %i\n");
	unit("p.path", "[Path]\nPathExists=/x\n");
	unit("p.service", "[Service]\nExecStart=" AGENT " path\n");
	enable("timers.target", "t.timer");
	enable("sockets.target", "s.socket");
	enable("sockets.target", "each.socket");
	enable("paths.target", "p.path");
	enable("multi-user.target", "s.service");
	tells("boot root / <" AGENT "> <socket>\nboot root / <" AGENT "> <path>\n"
	      "timer root / <" AGENT "> <job> wait\n");
}

static void test_an_alias_is_not_a_second_start(void **state UNUSED)
{
	unit("real.service", "[Service]\nExecStart=" AGENT "\n");
	put_link(NOW, SYS "alias.service", SYS "real.service");
	enable("multi-user.target", "real.service");
	put_link(NOW, SYS "graphical.target.wants/alias.service", SYS "alias.service");
	assert_string_equal(names(), "real.service");
}

static void test_folders_of_a_unit_are_made_before_it(void **state UNUSED)
{
	unit("d.service",
	     "[Service]\nUser=alice\nRuntimeDirectory=acme ../etc\nRuntimeDirectoryMode=0750\n"
	     "ExecStart=" AGENT "\n");
	enable("multi-user.target", "d.service");
	find();
	assert_true(found.n == 2);
	told();
	assert_non_null(strstr(told(), "<-m> <0750> <-o> <alice> </run/acme> wait\n"));
	assert_null(strstr(told(), "/run/../etc"));
}

static void test_a_users_units_start_at_login_as_that_user(void **state UNUSED)
{
	put_file(NOW, "/home/alice/.config/systemd/user/me.service", 0644,
		 "[Service]\nExecStart=" AGENT " %u %h\n");
	put_link(NOW, "/home/alice/.config/systemd/user/default.target.wants/me.service",
		 "/home/alice/.config/systemd/user/me.service");
	find();
	assert_int_equal(found.n, 1);
	assert_string_equal(found.v[0].when, "login");
	assert_string_equal(found.v[0].user, "alice");
	assert_true(as_is(found.v[0].argv[found.v[0].argc - 1], "/home/alice"));
	assert_int_equal(found.v[0].class, AS_C_SYSTEMD_USER);
}

/* ---- the rest of a boot ------------------------------------------------------------------- */

static void test_init_scripts_start_by_their_links_once_and_not_beside_a_unit(void **state UNUSED)
{
	put_file(NOW, "/etc/init.d/two", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/init.d/one", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/init.d/unlinked", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/init.d/has-unit", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/init.d/plain", 0644, "#!/bin/sh\n");
	put_base("/etc/init.d/base", 0755, "#!/bin/sh\n");
	put_link(NOW, "/etc/rc2.d/S02two", "../init.d/two");
	put_link(NOW, "/etc/rc2.d/S01one", "../init.d/one");
	put_link(NOW, "/etc/rc5.d/S01one", "../init.d/one");
	put_link(NOW, "/etc/rc2.d/K01unlinked", "../init.d/unlinked");
	put_link(NOW, "/etc/rc2.d/S03has-unit", "../init.d/has-unit");
	put_link(NOW, "/etc/rc2.d/S03plain", "../init.d/plain");
	for (int i = 0; i < 2; i++)
		put_link(i, "/etc/rc2.d/S01base", "../init.d/base");
	unit("has-unit.service", "[Service]\nExecStart=" AGENT "\n");
	put_file(NOW, "/etc/rc.local", 0755, "#!/bin/sh\n");
	tells("boot root / </etc/init.d/one> <start> wait\nboot root / </etc/init.d/two> <start> wait\n"
	      "boot root / </etc/rc.local> <start> wait\n");
	put_file(NOW, "/etc/rc.local", 0644, "#!/bin/sh\n");
	assert_string_equal(names(), "S01one, S02two");
}

static void test_a_unit_that_only_runs_true_leaves_the_start_to_its_script(void **state UNUSED)
{
	put_file(NOW, "/etc/init.d/db", 0755, "#!/bin/sh\n");
	put_link(NOW, "/etc/rc2.d/S01db", "../init.d/db");
	unit("db.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
	tells("boot root / </etc/init.d/db> <start> wait\n");
	unit("db.service", "[Service]\nType=oneshot\nExecStart=/bin/true x\n");
	tells("");
	put_link(NOW, SYS "db.service", "/dev/null");
	tells("");
}

static void test_own_generators_and_tmpfiles_come_before_the_units(void **state UNUSED)
{
	static const char gens[] = "/usr/lib/systemd/system-generators/";
	char path[100];

	put_base("/usr/bin/systemd-tmpfiles", 0755, "#!/bin/sh\n");
	snprintf(path, sizeof(path), "%shost", gens);
	put_base(path, 0755, "#!/bin/sh\n");
	snprintf(path, sizeof(path), "%sacme", gens);
	put_file(NOW, path, 0755, "#!/bin/sh\n");
	snprintf(path, sizeof(path), "%splain", gens);
	put_file(NOW, path, 0644, "#!/bin/sh\n");
	put_base("/usr/lib/tmpfiles.d/host.conf", 0644, "d /run/host\n");
	put_file(NOW, "/usr/lib/tmpfiles.d/acme.conf", 0644, "d /run/acme\n");
	put_file(NOW, "/usr/lib/tmpfiles.d/README", 0644, "d /run/acme\n");
	unit("on.service", "[Service]\nExecStart=" AGENT "\n");
	enable("multi-user.target", "on.service");
	tells("boot root / </usr/lib/systemd/system-generators/acme> </run/systemd/generator> "
	      "</run/systemd/generator.early> </run/systemd/generator.late> wait\n"
	      "boot root / </usr/bin/systemd-tmpfiles> <--create> <--boot> "
	      "</usr/lib/tmpfiles.d/acme.conf> wait\n"
	      "boot root / <" AGENT ">\n");
	/* a file of the same name in /etc stands for it */
	put_file(NOW, "/etc/tmpfiles.d/acme.conf", 0644, "d /run/other\n");
	assert_string_equal(names(), "acme, acme.conf, on.service");
	assert_string_equal(found.v[1].place.p, "/etc/tmpfiles.d/acme.conf");
	put_link(NOW, "/etc/tmpfiles.d/acme.conf", "/dev/null");
	assert_string_equal(names(), "acme, on.service");
}

static void test_the_parent_of_a_forking_service_is_waited_for(void **state UNUSED)
{
	unit("on.service",
	     "[Service]\nType=forking\nExecStart=" AGENT "\nExecStartPost=" AGENT " post\n");
	enable("multi-user.target", "on.service");
	tells("boot root / <" AGENT "> wait\nboot root / <" AGENT "> <post> wait\n");
}

static void test_cron_lines_start_once_with_user_and_environment(void **state UNUSED)
{
	put_base("/etc/crontab", 0644, "SHELL=/bin/sh\n17 * * * * root base-job\n");
	put_file(NOW, "/etc/crontab", 0644,
		 "SHELL=/bin/sh\n17 * * * * root base-job\n* * * * * alice " AGENT
		 " 100\\% x%stdin\n");
	put_file(NOW, "/etc/cron.d/acme", 0644,
		 "A='x y'\n@reboot root " AGENT " reboot\n# * * * * * root x\n");
	put_file(NOW, "/etc/cron.d/acme.bak", 0644, "* * * * * root " AGENT " dotted\n");
	put_file(NOW, "/var/spool/cron/crontabs/bob", 0600, "@daily " AGENT " mine\n");
	put_file(NOW, "/etc/cron.daily/acme", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/cron.daily/acme.sh", 0755, "#!/bin/sh\n");
	put_file(NOW, "/etc/cron.daily/plain", 0644, "#!/bin/sh\n");
	put_file(NOW, "/etc/anacrontab", 0644, "7 5 acme " AGENT " ana\n");
	tells("boot root /root </usr/bin/env> <A=x y> </bin/sh> <-c> <" AGENT " reboot>\n"
	      "timer alice /home/alice </usr/bin/env> <HOME=/home/alice> <LOGNAME=alice> "
	      "<SHELL=/bin/sh> </bin/sh> <-c> <" AGENT " 100% x>\n"
	      "timer bob /srv/bob </usr/bin/env> <HOME=/srv/bob> <LOGNAME=bob> </bin/sh> <-c> <" AGENT
	      " mine>\n"
	      "timer root / </etc/cron.daily/acme>\n"
	      "timer root /root </bin/sh> <-c> <" AGENT " ana>\n");
}

static void test_a_cron_that_the_box_brings_runs_its_reboot_lines_itself(void **state UNUSED)
{
	put_file(NOW, "/etc/cron.d/acme", 0644,
		 "@reboot root " AGENT " r\n1 * * * * root " AGENT " t\n");
	assert_string_equal(names(), "@reboot root, 1 * * * * root");
	put_file(NOW, "/usr/sbin/cron", 0755, "");
	unit("cron.service", "[Service]\nExecStart=/usr/sbin/cron -f\n");
	enable("multi-user.target", "cron.service");
	assert_string_equal(names(), "cron.service, 1 * * * * root");
}

static void test_a_step_is_needed_unless_a_dash_forgives_it(void **state UNUSED)
{
	unit("n.service", "[Service]\nExecCondition=" AGENT " c\nExecStartPre=-" AGENT
			  " a\nExecStartPre=" AGENT " b\nExecStart=" AGENT "\n");
	enable("multi-user.target", "n.service");
	assert_string_equal(names(), "n.service ExecCondition, n.service ExecStartPre, "
				     "n.service ExecStartPre, n.service");
	assert_true(found.v[0].needed && !found.v[1].needed && found.v[2].needed &&
		    !found.v[3].needed);
}

static void test_at_jobs_start_as_the_owner_of_their_file(void **state UNUSED)
{
	put_file(NOW, "/var/spool/cron/atjobs/a00001019b7e2f", 0700, "#!/bin/sh\n");
	put_file(NOW, "/var/spool/cron/atjobs/.SEQ", 0600, "1\n");
	find();
	assert_int_equal(found.n, 1);
	assert_true(as_is(found.v[0].argv[1], "/var/spool/cron/atjobs/a00001019b7e2f"));
}

/* ---- login -------------------------------------------------------------------------------- */

static void test_profiles_that_differ_start_a_login_shell_of_that_user(void **state UNUSED)
{
	put_base("/etc/skel/.profile", 0644, "# skel\n");
	put_base("/etc/profile", 0644, "# base\n");
	put_file(NOW, "/home/alice/.profile", 0644, "# skel\n"); /* as useradd made it */
	tells("");
	put_file(NOW, "/home/alice/.profile", 0644, "# skel\n" AGENT "\n");
	put_file(NOW, "/srv/bob/.bashrc", 0644, AGENT "\n");
	tells("login alice /home/alice </usr/bin/env> <HOME=/home/alice> <USER=alice> <LOGNAME=alice> "
	      "<bash> <-lc> <true>\n"
	      "login bob /srv/bob </usr/bin/env> <HOME=/srv/bob> <USER=bob> <LOGNAME=bob> <bash> <-ic> "
	      "<true>\n");
	put_file(NOW, "/etc/profile.d/readme.txt", 0644, AGENT "\n"); /* not read by a shell */
	assert_int_equal(find()->n, 2);
	put_file(NOW, "/etc/profile.d/acme.sh", 0644, AGENT "\n");
	assert_string_equal(names(), "login shell, login shell, interactive shell");
	assert_string_equal(found.v[0].user, "root");
}

static void test_desktop_entries_honour_hidden_tryexec_and_field_codes(void **state UNUSED)
{
#define ENTRY "[Desktop Entry]\nType=Application\n"
#define AUTO  "/home/alice/.config/autostart/"
	put_file(NOW, AUTO "a.desktop", 0644,
		 ENTRY "Exec=\"" AGENT "\" --bg %U 100%% --x=%c\nPath=/opt\n");
	put_file(NOW, AUTO "hidden.desktop", 0644, ENTRY "Exec=" AGENT "\nHidden=true\n");
	put_file(NOW, AUTO "off.desktop", 0644,
		 ENTRY "Exec=" AGENT "\nX-GNOME-Autostart-enabled=false\n");
	put_file(NOW, AUTO "kde.desktop", 0644, ENTRY "Exec=" AGENT "\nOnlyShowIn=KDE;\n");
	put_file(NOW, AUTO "notgnome.desktop", 0644, ENTRY "Exec=" AGENT "\nNotShowIn=X;GNOME;\n");
	put_file(NOW, AUTO "try.desktop", 0644, ENTRY "Exec=" AGENT "\nTryExec=/no/such\n");
	put_file(NOW, AUTO "readme.txt", 0644, ENTRY "Exec=" AGENT "\n");
	put_file(NOW, "/etc/xdg/autostart/sys.desktop", 0644,
		 ENTRY "Exec=" AGENT " sys\nOnlyShowIn=GNOME;\n");
	put_file(NOW, "/etc/xdg/autostart/hidden.desktop", 0644,
		 ENTRY "Exec=" AGENT " overridden\n");
#define ENV                                                                                        \
	"</usr/bin/env> <HOME=/home/alice> <USER=alice> <LOGNAME=alice> <XDG_CURRENT_DESKTOP=GNOME> "
	tells("desktop alice /home/alice " ENV "<" AGENT "> <sys>\n"
	      "desktop alice /opt " ENV "<" AGENT "> <--bg> <100%> <--x=>\n");
}

static void test_the_whole_order_is_boot_then_timers_then_login_then_desktop(void **state UNUSED)
{
	put_file(NOW, AUTO "a.desktop", 0644, ENTRY "Exec=" AGENT "\n");
	put_file(NOW, "/home/alice/.profile", 0644, AGENT "\n");
	put_file(NOW, "/etc/cron.d/acme", 0644,
		 "* * * * * root " AGENT "\n@reboot root " AGENT "\n");
	put_file(NOW, "/etc/init.d/one", 0755, "#!/bin/sh\n");
	put_link(NOW, "/etc/rc2.d/S01one", "../init.d/one");
	unit("on.service", "[Service]\nExecStart=" AGENT "\n");
	enable("multi-user.target", "on.service");
	assert_string_equal(
		names(),
		"on.service, S01one, @reboot root, * * * * * root, login shell, a.desktop");
}

/* ---- hostile ------------------------------------------------------------------------------ */

static void test_loops_of_links_and_wants_come_to_an_end(void **state UNUSED)
{
	char name[40], text[300];

	put_link(NOW, SYS "loop.service", SYS "loop2.service");
	put_link(NOW, SYS "loop2.service", SYS "loop.service");
	enable("multi-user.target", "loop.service");
	put_link(NOW, "/etc/cron.d/loop", "loop");
	put_link(NOW, SYS "multi-user.target.wants/multi-user.target", SYS "multi-user.target");
	unit("multi-user.target", "[Unit]\nRequires=multi-user.target\n");
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "w%d.service", i);
		snprintf(text, sizeof(text),
			 "[Unit]\nWants=w%d.service w%d.service\n[Service]\nExecStart=%s\n", i + 1,
			 (i * 7) % 600, AGENT);
		unit(name, text);
	}
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "w%d.service", i);
		enable("multi-user.target", name);
	}
	find();
	assert_int_equal(found.n, AUTOSTART_STARTS_MAX);
	assert_true(found.full); /* said, not silently cut */
}

static void test_garbage_in_units_gives_no_start_and_no_crash(void **state UNUSED)
{
	static const char bytes[] =
		"[Service]\nExecStart=\0/x\nUser=%\nExecStart=-@+\nExecStart=\"\n"
		"EnvironmentFile=/etc/systemd/system\nEnvironment=\"=\" -x=1 A\n"
		"ExecStart=\\\n\\\n\\";
	put_bytes(NOW, SYS "bad.service", 0644, bytes, sizeof(bytes));
	enable("multi-user.target", "bad.service");
	put_bytes(NOW, "/etc/passwd", 0644, "::::::\n\0:x:0:0::/:\nroot", 24);
	put_bytes(NOW, "/etc/cron.d/bad", 0644, "@\n@reboot\n* * * * * \0 x\n%\n=\n", 28);
	find();
	for (size_t i = 0; i < found.n; i++)
		for (int k = 0; k < found.v[i].argc; k++)
			assert_null(memchr(found.v[i].argv[k].p, 0, found.v[i].argv[k].n));
}

/* ---- over the wire ------------------------------------------------------------------------ */

static int count_start(void *ctx, const struct autostart_start *s)
{
	assert_string_equal(s->argv[s->argc - 1], "on");
	assert_null(s->argv[s->argc]);
	++*(int *)ctx;
	return 0;
}

static void test_starts_survive_the_wire_and_cut_or_changed_records_are_refused(void **state UNUSED)
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };
	int n = 0;

	unit("on.service", "[Service]\nExecStart=" AGENT " on\n");
	enable("multi-user.target", "on.service");
	find();
	as_wire_start(&b, &found.v[0]);
	as_wire_mark(&b, AS_WIRE_END, 0);
	assert_int_equal(as_wire_starts((uint8_t *)b.p, b.n, count_start, &n, &err), 0);
	assert_int_equal(n, 1);
	for (size_t cut = 0; cut < b.n; cut++)
		assert_int_equal(as_wire_starts((uint8_t *)b.p, cut, count_start, &n, &err),
				 -EBADMSG);
	b.p[1] = 127; /* no such class */
	assert_int_equal(as_wire_starts((uint8_t *)b.p, b.n, count_start, &n, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_an_enabled_unit_starts_and_a_disabled_or_masked_one_does_not),
		T(test_units_of_the_base_are_left_alone_until_the_box_changes_or_enables_them),
		T(test_user_folder_environment_and_quoting_of_a_unit),
		T(test_specifiers_and_instances),
		T(test_prefixes_and_several_commands),
		T(test_after_before_and_requires_give_the_order_and_a_cycle_ends),
		T(test_timers_sockets_and_paths_start_their_service_once),
		T(test_an_alias_is_not_a_second_start),
		T(test_folders_of_a_unit_are_made_before_it),
		T(test_a_users_units_start_at_login_as_that_user),
		T(test_init_scripts_start_by_their_links_once_and_not_beside_a_unit),
		T(test_a_unit_that_only_runs_true_leaves_the_start_to_its_script),
		T(test_own_generators_and_tmpfiles_come_before_the_units),
		T(test_the_parent_of_a_forking_service_is_waited_for),
		T(test_cron_lines_start_once_with_user_and_environment),
		T(test_a_cron_that_the_box_brings_runs_its_reboot_lines_itself),
		T(test_a_step_is_needed_unless_a_dash_forgives_it),
		T(test_at_jobs_start_as_the_owner_of_their_file),
		T(test_profiles_that_differ_start_a_login_shell_of_that_user),
		T(test_desktop_entries_honour_hidden_tryexec_and_field_codes),
		T(test_the_whole_order_is_boot_then_timers_then_login_then_desktop),
		T(test_loops_of_links_and_wants_come_to_an_end),
		T(test_garbage_in_units_gives_no_start_and_no_crash),
		T(test_starts_survive_the_wire_and_cut_or_changed_records_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
