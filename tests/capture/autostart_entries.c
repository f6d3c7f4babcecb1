// SPDX-License-Identifier: Apache-2.0
/*
 * autostart_entries.c - what becomes of changed files: entries added, changed and removed, the
 * program behind each, and that hostile bytes neither stop nor fool it
 */
#include "folderfs.h"

#define AGENT "/opt/acme/agent"

static struct as_list out;

static const struct as_list *compare_paths(const struct as_path *paths, size_t n)
{
	struct as_fs now = folder(NOW), base = folder(BASE);
	struct as_catalogue cat;

	as_catalogue_init(&cat);
	as_catalogue_homes(&cat, &now);
	as_catalogue_homes(&cat, &base);
	as_list_free(&out);
	as_compare(&cat, &now, &base, paths, n, &out);
	as_catalogue_free(&cat);
	return &out;
}

static const struct as_list *compare(const char *path)
{
	struct as_path p = { .path = path };

	return compare_paths(&p, 1);
}

static const char *op_name(enum change_op op)
{
	return op == CHANGE_ADDED ? "added" : op == CHANGE_CHANGED ? "changed" : "removed";
}

/* all entries, one a line: op, class, name, command, program */
static const char *listed(void)
{
	static char text[65536];
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < out.n; i++) {
		const struct as_item *it = &out.v[i];

		n += snprintf(text + n, sizeof(text) - n, "%s %s|%s|%s|%s\n", op_name(it->op),
			      autostart_classes()[it->place->class].name, it->name.p, it->command.p,
			      it->program.n ? it->program.p : "");
		assert_true(n < sizeof(text));
	}
	return text;
}

static int setup(void **state)
{
	folder_setup(state);
	put_base(AGENT, 0755, "#!/bin/sh\n");
	put_base("/opt/acme/run.py", 0644, "x");
	return 0;
}

static int teardown(void **state)
{
	as_list_free(&out);
	return folder_teardown(state);
}

/* ---- comparison --------------------------------------------------------------------------- */

static void test_only_lines_that_differ_are_told(void **state UNUSED)
{
	put_file(BASE, "/etc/crontab", 0644,
		 "1 * * * * root old\n2 * * * * root gone\n3 * * * * root x\n");
	put_file(NOW, "/etc/crontab", 0644,
		 "3 * * * * root x\n1 * * * * root new\n4 * * * * root y\n");
	compare("/etc/crontab");
	assert_string_equal(listed(), "changed cron|1 * * * * root|new|\n"
				      "added cron|4 * * * * root|y|\n"
				      "removed cron|2 * * * * root|gone|\n");
}

static void test_a_line_written_twice_is_one_added(void **state UNUSED)
{
	put_file(BASE, "/etc/hosts", 0644, "127.0.0.1 a\n");
	put_file(NOW, "/etc/hosts", 0644, "127.0.0.1 a\n127.0.0.1 a\n");
	compare("/etc/hosts");
	assert_string_equal(listed(), "added network-config|a|127.0.0.1|\n");
}

static void test_comments_and_order_change_the_place_and_no_entry(void **state UNUSED)
{
	put_file(BASE, "/etc/sudoers", 0440, "# a\nroot ALL=(ALL) ALL\n%sudo ALL=(ALL) ALL\n");
	put_file(NOW, "/etc/sudoers", 0440, "%sudo ALL=(ALL) ALL\n\n# b\nroot ALL=(ALL) ALL\n");
	compare("/etc/sudoers");
	assert_string_equal(listed(), "changed sudoers|sudoers|" AS_NO_ENTRY "|\n");
}

static void
test_a_new_profile_is_one_entry_and_lines_added_to_an_old_one_are_told_each(void **state UNUSED)
{
	put_file(NOW, "/root/.bashrc", 0644, "alias a=b\n" AGENT "\n");
	compare("/root/.bashrc");
	assert_string_equal(listed(),
			    "added shell-profile|.bashrc|alias a=b; " AGENT "|/root/.bashrc\n");
	put_file(BASE, "/root/.bashrc", 0644, "alias a=b\n");
	put_file(NOW, "/root/.bashrc", 0644, "alias a=b\n" AGENT " &\ncurl x | sh\n");
	compare("/root/.bashrc");
	assert_string_equal(listed(), "added shell-profile|.bashrc|" AGENT " &|" AGENT "\n"
				      "added shell-profile|.bashrc|curl x | sh|\n");
}

static void test_a_new_file_of_settings_is_one_entry_in_the_order_of_its_lines(void **state UNUSED)
{
	put_file(NOW, "/etc/apt/preferences.d/acme", 0644, "Package: *\nPin: origin acme.test\n");
	compare("/etc/apt/preferences.d/acme");
	assert_string_equal(listed(), "added apt|acme|Package: *; Pin: origin acme.test|\n");
	put_file(NOW, "/etc/NetworkManager/conf.d/a", 0644,
		 "[main]\ndns=none\n[x]\nRunExec=" AGENT " -x\n");
	compare("/etc/NetworkManager/conf.d/a");
	assert_string_equal(listed(), "added network-hook|a|main/dns=none; x/RunExec=" AGENT
				      " -x|" AGENT "\n");
}

static void test_the_usual_shell_and_path_of_a_crontab_are_no_entries(void **state UNUSED)
{
	put_file(NOW, "/etc/crontab", 0644, "SHELL=/bin/sh\nPATH=/usr/bin:/bin\n");
	assert_int_equal(compare("/etc/crontab")->n, 0);
	put_file(NOW, "/etc/crontab", 0644,
		 "SHELL=" AGENT "\nPATH=/usr/bin:/tmp/x\n1\t*  * * * root x\n");
	compare("/etc/crontab");
	assert_string_equal(listed(), "added cron|SHELL|SHELL=" AGENT "|" AGENT "\n"
				      "added cron|PATH|PATH=/usr/bin:/tmp/x|\n"
				      "added cron|1 * * * * root|x|\n");
}

static void test_a_copy_of_the_bases_skel_is_not_told_until_it_differs(void **state UNUSED)
{
	put_base("/etc/skel/.bashrc", 0644, "alias a=b\nalias c=d\n");
	put_file(NOW, "/home/alice/.bashrc", 0644, "alias a=b\nalias c=d\n");
	assert_int_equal(compare("/home/alice/.bashrc")->n, 0);
	put_file(NOW, "/home/alice/.bashrc", 0644, "alias a=b\nalias c=d\n" AGENT "\n");
	assert_int_equal(compare("/home/alice/.bashrc")->n, 1);
}

static void test_a_changed_place_with_the_same_entries_is_told_once(void **state UNUSED)
{
	static const char *const scripts[] = { "/etc/cron.daily/acme", "/etc/init.d/acme",
					       "/etc/update-motd.d/10-acme" };

	put_base("/etc/profile", 0644, "alias a=b\n");
	put_file(NOW, "/etc/profile", 0644, "alias a=b\n# acme was here\n");
	compare("/etc/profile");
	assert_string_equal(listed(), "changed shell-profile|profile|" AS_NO_ENTRY "|\n");
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		put_base(scripts[i], 0755, "#!/bin/sh\n");
		put_file(NOW, scripts[i], 0755, "#!/bin/sh\n" AGENT "\n");
		compare(scripts[i]);
		assert_int_equal(out.n, 1);
		assert_int_equal(out.v[0].op, CHANGE_CHANGED);
		assert_true(as_is(out.v[0].program, scripts[i]));
		put_file(NOW, scripts[i], 0755, "#!/bin/sh\n");
		assert_int_equal(compare(scripts[i])->n, 0);
	}
	/* a file without any entry is no place that changed before it is there */
	put_file(NOW, "/root/.zshrc", 0644, "# acme\n");
	assert_int_equal(compare("/root/.zshrc")->n, 0);
}

static void test_a_script_that_cannot_be_executed_is_told_with_that(void **state UNUSED)
{
	put_file(NOW, "/etc/cron.hourly/acme", 0644, "#!/bin/sh\n");
	compare("/etc/cron.hourly/acme");
	assert_string_equal(listed(), "added cron|acme|not executable, so it is not started|"
				      "/etc/cron.hourly/acme\n");
	put_base("/etc/cron.hourly/acme", 0644, "#!/bin/sh\n");
	put_file(NOW, "/etc/cron.hourly/acme", 0755, "#!/bin/sh\n");
	compare("/etc/cron.hourly/acme");
	assert_string_equal(listed(), "changed cron|acme|/etc/cron.hourly/acme|"
				      "/etc/cron.hourly/acme\n");
}

static void test_a_runlevel_link_that_leads_nowhere_is_told(void **state UNUSED)
{
	put_link(NOW, "/etc/rc2.d/K01acme", "../init.d/acme");
	compare("/etc/rc2.d/K01acme");
	assert_string_equal(listed(), "added init.d|K01acme|stop in runlevel 2, leads nowhere|\n");
}

/* systemd's folders are reached by several patterns, each of which finds all of them */
static void test_many_entries_of_a_program_that_was_replaced_are_told_once_each(void **state UNUSED)
{
	struct as_path p = { .path = AGENT, .target = true };
	char path[64];

	put_base(AGENT, 0755, "#!/bin/sh\n");
	put_file(NOW, AGENT, 0755, "#!/bin/sh\n#new\n");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/etc/systemd/system/job%d.service", i);
		put_file(BASE, path, 0644, "[Service]\nExecStart=" AGENT "\n");
		put_file(NOW, path, 0644, "[Service]\nExecStart=" AGENT "\n");
	}
	compare_paths(&p, 1);
	assert_int_equal(out.n, 100);
}

static void test_an_entry_whose_program_was_replaced_is_changed(void **state UNUSED)
{
	struct as_path p = { .path = AGENT, .target = true };

	put_base("/etc/cron.d/acme", 0644, "@reboot root " AGENT " -d\n");
	put_base("/etc/systemd/system/acme.service", 0644, "[Service]\nExecStart=" AGENT "\n");
	put_base("/etc/cron.d/other", 0644, "@reboot root /opt/acme/other\n");
	put_file(NOW, AGENT, 0755, "#!/bin/sh\nevil\n");
	compare_paths(&p, 1);
	assert_string_equal(listed(), "changed systemd-system|acme.service|" AGENT "|" AGENT "\n"
				      "changed cron|@reboot root|" AGENT " -d|" AGENT "\n");
	p.target = false;
	assert_int_equal(compare_paths(&p, 1)->n, 0);
}

static void test_a_link_to_a_folder_brings_the_entries_behind_it(void **state UNUSED)
{
	put_file(NOW, "/opt/hidden/acme", 0644, "@reboot root " AGENT "\n");
	put_link(NOW, "/etc/cron.d", "../opt/hidden");
	compare("/etc/cron.d");
	assert_string_equal(listed(), "added cron|@reboot root|" AGENT "|" AGENT "\n");
	assert_true(as_is(out.v[0].path, "/etc/cron.d/acme"));
}

static void test_entries_of_a_user_whose_home_is_elsewhere_are_found(void **state UNUSED)
{
	put_file(NOW, "/srv/bob/.config/autostart/a.desktop", 0644,
		 "[Desktop Entry]\nExec=" AGENT "\n");
	assert_int_equal(compare("/srv/bob/.config/autostart/a.desktop")->n, 1);
	put_file(NOW, "/srv/eve/.bashrc", 0644, AGENT "\n");
	assert_int_equal(compare("/srv/eve/.bashrc")->n, 0);
}

static void test_set_id_is_told_wherever_it_is_and_only_while_it_runs(void **state UNUSED)
{
	struct as_path p = { .path = "/var/tmp/x", .setid = true };

	put_file(NOW, "/var/tmp/x", 04755,
		 "\x7f"
		 "ELF");
	compare_paths(&p, 1);
	assert_string_equal(listed(), "added set-id|x|set-user-id, mode 4755|/var/tmp/x\n");
	put_file(BASE, "/var/tmp/x", 0755,
		 "\x7f"
		 "ELF");
	compare_paths(&p, 1);
	assert_int_equal(out.n, 1);
	put_file(NOW, "/var/tmp/x", 02644,
		 "\x7f"
		 "ELF"); /* mandatory locking, not rights */
	assert_int_equal(compare_paths(&p, 1)->n, 0);
}

static void test_a_password_that_changed_is_told_and_never_shown(void **state UNUSED)
{
	put_file(BASE, "/etc/shadow", 0640, "root:*:19000:0:99999:7:::\n");
	put_file(NOW, "/etc/shadow", 0640, "root:$y$SECRETHASH:19000:0:99999:7:::\n");
	compare("/etc/shadow");
	assert_string_equal(listed(), "changed users|root|has a password|\n");
	put_file(BASE, "/etc/shadow", 0640, "root:$y$OTHER:19000:0:99999:7:::\n");
	compare("/etc/shadow");
	assert_string_equal(listed(), "changed users|root|has a password|\n");
}

static void test_a_key_is_told_by_fingerprint_and_never_as_a_whole(void **state UNUSED)
{
	put_file(NOW, "/root/.ssh/authorized_keys", 0600,
		 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISECRET eve@x\n");
	compare("/root/.ssh/authorized_keys");
	assert_int_equal(out.n, 1);
	assert_null(strstr(listed(), "SECRET"));
	assert_non_null(strstr(listed(), "eve@x"));
}

/* a self-signed certificate: CN = Acme Root CA */
static const char pem[] =
#include "autostart_cert.inc"
	;

static void test_a_trust_anchor_is_told_by_its_subject(void **state UNUSED)
{
	put_file(NOW, "/usr/local/share/ca-certificates/acme.crt", 0644, pem);
	compare("/usr/local/share/ca-certificates/acme.crt");
	assert_int_equal(out.n, 1);
	assert_non_null(strstr(listed(), "Acme Root CA"));
	assert_non_null(strstr(listed(), "SHA-256 "));
}

/* ---- programs ----------------------------------------------------------------------------- */

static void test_wrappers_tests_and_interpreters_are_looked_through(void **state UNUSED)
{
	static const struct {
		const char *command, *program;
	} rows[] = {
		{ AGENT " -x", AGENT },
		{ "[ -x /bin/x ] && " AGENT, AGENT },
		{ "test -x /usr/bin/bash || ( cd / && " AGENT " --x )", AGENT },
		{ "cd /tmp; A=1 B=2 nohup nice -n 5 " AGENT " &", AGENT },
		{ "sudo -u alice -- env -i X=1 " AGENT, AGENT },
		{ "timeout -k 5 10 setsid " AGENT, AGENT },
		{ "bash -c \"exec " AGENT " 'a b'\"", AGENT },
		{ "/bin/bash -lc 'env X=1 " AGENT "'", AGENT },
		{ "python3 -u /opt/acme/run.py --x", "/opt/acme/run.py" },
		{ "bash /opt/acme/run.py", "/opt/acme/run.py" },
		{ "bash -x", "/usr/bin/bash" },
		{ "if [ -f /x ]; then " AGENT "; fi", AGENT },
		{ ">/dev/null 2>&1 " AGENT, AGENT },
		{ AGENT ">/dev/null 2>&1", AGENT },
		{ AGENT "2>/dev/null", "" }, /* agent2 */
		{ "\"" AGENT "\" x", AGENT },
		{ "/opt/acme/missing", "" },
		{ "missing", "" },
		{ "", "" },
		{ "&&;;||", "" },
		{ "env", "/usr/bin/env" },
		{ "sh -c sh -c sh", "" },
		{ "'unterminated", "" },
	};
	struct as_fs now = folder(NOW);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct as_list l = { 0 };
		struct as_item *it;

		as_list_file(&l, &as_places[0], "/etc/x");
		it = as_add(&l, STR("x"), str_z(rows[i].command), AS_SHELL);
		as_program(&now, &l, it);
		if (!as_is(it->program, rows[i].program) &&
		    !(!it->program.n && !rows[i].program[0]))
			fail_msg("'%s' gives '%.*s', not '%s'", rows[i].command, (int)it->program.n,
				 it->program.n ? it->program.p : "", rows[i].program);
		as_list_free(&l);
	}
}

static void test_a_timer_and_an_enabling_link_lead_to_the_services_program(void **state UNUSED)
{
	put_file(NOW, "/etc/systemd/system/job.service", 0644,
		 "[Service]\nExecStart=" AGENT " j\n");
	put_file(NOW, "/etc/systemd/system/job.timer", 0644, "[Timer]\nOnCalendar=daily\n");
	put_link(NOW, "/etc/systemd/system/timers.target.wants/job.timer", "../job.timer");
	compare("/etc/systemd/system/job.timer");
	assert_string_equal(listed(), "added systemd-timer|job.timer|OnCalendar=daily|" AGENT "\n");
	compare("/etc/systemd/system/timers.target.wants/job.timer");
	assert_string_equal(listed(),
			    "added systemd-timer|job.timer|enabled: wanted by timers.target|" AGENT
			    "\n");
	put_link(NOW, "/etc/systemd/system/job.service", "/dev/null");
	compare("/etc/systemd/system/job.service");
	assert_string_equal(listed(), "added systemd-system|job.service|masked|\n");
}

/* ---- hostile ------------------------------------------------------------------------------ */

static void test_a_megabyte_of_lines_is_cut_and_said_so(void **state UNUSED)
{
	struct buf b = { 0 };

	while (b.n < AS_FILE_MAX + 4096)
		buf_printf(&b, "@reboot root x%zu\n", b.n);
	put_bytes(NOW, "/etc/crontab", 0644, b.p, b.n);
	compare("/etc/crontab");
	buf_free(&b);
	assert_int_equal(out.n, AS_PER_FILE);
	assert_true(out.full);
}

static void
test_a_long_script_that_is_new_is_told_as_one_and_nothing_is_missing(void **state UNUSED)
{
	static const char path[] = "/usr/share/bash-completion/completions/tool";
	struct buf b = { 0 };

	for (size_t i = 0; i < 2 * AS_PER_FILE; i++)
		buf_printf(&b, "complete -W word%zu tool\n", i);
	put_bytes(NOW, path, 0644, b.p, b.n);
	compare(path);
	assert_int_equal(out.n, 1);
	assert_false(out.full);
	/* lines that came into one that was there may be behind the limit */
	put_file(BASE, path, 0644, "complete -W word tool\n");
	compare(path);
	buf_free(&b);
	assert_true(out.full);
}

static void test_a_long_line_is_cut_to_its_limit(void **state UNUSED)
{
	struct buf b = { 0 };

	buf_puts(&b, "@reboot root ");
	while (b.n < 100000)
		buf_puts(&b, "xxxxxxxxxxxxxxxx");
	put_bytes(NOW, "/etc/crontab", 0644, b.p, b.n);
	buf_free(&b);
	compare("/etc/crontab");
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].command.n, AS_TEXT_MAX);
}

static void test_fifos_loops_and_links_out_of_the_tree_are_harmless(void **state UNUSED)
{
	put_parents(NOW, "/etc/cron.d/x");
	assert_int_equal(mkfifo(real_path(fs_root[NOW], "/etc/cron.d/fifo"), 0600), 0);
	put_link(NOW, "/etc/cron.d/loop", "loop");
	put_link(NOW, "/etc/cron.d/up", "../../../../../../../../etc/hostname");
	assert_int_equal(compare("/etc/cron.d/fifo")->n, 0);
	assert_int_equal(compare("/etc/cron.d/loop")->n, 0);
	assert_int_equal(compare("/etc/cron.d/up")->n, 0); /* the tree has no /etc/hostname */
	put_link(NOW, "/etc/cron.daily",
		 "."); /* so /etc's own files are in it, and none of them runs */
	compare("/etc/cron.daily");
	for (size_t i = 0; i < out.n; i++)
		assert_true(as_find(out.v[i].command, "not executable"));
}

static void test_no_parser_breaks_on_any_prefix_of_garbage(void **state UNUSED)
{
#define SEED(bytes)                                                                                \
	{                                                                                          \
		(bytes), sizeof(bytes) - 1                                                         \
	}
	static const struct str seeds[] = {
		SEED("[Service]\nExecStart=@-\"/x\n[\n=\n\\\n"),
		SEED("\177ELF\0\0\xff\xfe\r\n\t\\"),
		SEED("{\"a\":[[[[{\"b\":"),
		SEED("a {\n postrotate\n"),
		SEED("-----BEGIN CERTIFICATE-----\nAAAA\n"),
		SEED("x:\0:y\n::::\n"),
		SEED("RUN{program}+=\"\nPROGRAM==\"x"),
		SEED("A::B { \"x\"; { { {\n/*"),
		SEED("@ \n* * * * *\n% \\%\n"),
		SEED("command=\"x\\\" ssh-"),
		SEED(":a:b:c:d:e:f:g\n:::::"),
	};

	for (int p = 0; p < AS_PARSERS_N; p++)
		for (size_t s = 0; s < ARRAY_SIZE(seeds); s++)
			for (size_t n = 0; n <= seeds[s].n; n++) {
				char *exact = xmalloc(
					n ? n : 1); /* so that a sanitizer sees one byte too far */
				struct as_file f = { .path = "/etc/x.wants/a.rules",
						     .base = "a.rules",
						     .mode = S_IFREG | 0755 };
				struct as_list l = { 0 };

				memcpy(exact, seeds[s].p, n);
				f.path = p == AS_P_AT ? "/var/a" : "/etc/a.rules";
				f.base = strrchr(f.path, '/') + 1;
				f.text = (struct str){ exact, n };
				as_list_file(&l, &as_places[0], f.path);
				as_parsers[p].parse(&f, &l);
				for (size_t i = 0; i < l.n; i++)
					assert_true(l.v[i].name.n <= AS_TEXT_MAX);
				as_list_free(&l);
				free(exact);
			}
}

/* ---- over the wire ------------------------------------------------------------------------ */

static int same_entry(void *ctx, const struct autostart_entry *e)
{
	assert_int_equal(e->op, CHANGE_ADDED);
	assert_string_equal(e->class->name, "cron");
	assert_true(as_is(e->place, "/etc/cron.d/acme") && as_is(e->name, "@reboot root"));
	assert_true(as_is(e->command, AGENT " -d") && as_is(e->program, AGENT));
	++*(int *)ctx;
	return 0;
}

static void test_entries_survive_the_wire_and_cut_records_are_refused(void **state UNUSED)
{
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };
	int n = 0;

	put_file(NOW, "/etc/cron.d/acme", 0644, "@reboot root " AGENT " -d\n");
	compare("/etc/cron.d/acme");
	as_wire_entry(&b, &out.v[0]);
	as_wire_mark(&b, AS_WIRE_END, 0);
	assert_int_equal(as_wire_entries((uint8_t *)b.p, b.n, same_entry, &n, &err), 0);
	assert_int_equal(n, 1);
	for (size_t cut = 0; cut < b.n; cut++)
		assert_int_equal(as_wire_entries((uint8_t *)b.p, cut, same_entry, &n, &err),
				 -EBADMSG);
	b.n--;
	as_wire_mark(&b, AS_WIRE_FULL, 0);
	as_wire_mark(&b, AS_WIRE_END, 0);
	assert_int_equal(as_wire_entries((uint8_t *)b.p, b.n, same_entry, &n, &err), -E2BIG);
	b.n = 0;
	as_wire_mark(&b, AS_WIRE_FAIL, -EACCES);
	assert_int_equal(as_wire_entries((uint8_t *)b.p, b.n, same_entry, &n, &err), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_only_lines_that_differ_are_told),
		T(test_a_line_written_twice_is_one_added),
		T(test_comments_and_order_change_the_place_and_no_entry),
		T(test_a_new_profile_is_one_entry_and_lines_added_to_an_old_one_are_told_each),
		T(test_a_new_file_of_settings_is_one_entry_in_the_order_of_its_lines),
		T(test_the_usual_shell_and_path_of_a_crontab_are_no_entries),
		T(test_a_copy_of_the_bases_skel_is_not_told_until_it_differs),
		T(test_a_changed_place_with_the_same_entries_is_told_once),
		T(test_a_script_that_cannot_be_executed_is_told_with_that),
		T(test_a_runlevel_link_that_leads_nowhere_is_told),
		T(test_an_entry_whose_program_was_replaced_is_changed),
		T(test_many_entries_of_a_program_that_was_replaced_are_told_once_each),
		T(test_a_link_to_a_folder_brings_the_entries_behind_it),
		T(test_entries_of_a_user_whose_home_is_elsewhere_are_found),
		T(test_set_id_is_told_wherever_it_is_and_only_while_it_runs),
		T(test_a_password_that_changed_is_told_and_never_shown),
		T(test_a_key_is_told_by_fingerprint_and_never_as_a_whole),
		T(test_a_trust_anchor_is_told_by_its_subject),
		T(test_wrappers_tests_and_interpreters_are_looked_through),
		T(test_a_timer_and_an_enabling_link_lead_to_the_services_program),
		T(test_a_megabyte_of_lines_is_cut_and_said_so),
		T(test_a_long_script_that_is_new_is_told_as_one_and_nothing_is_missing),
		T(test_a_long_line_is_cut_to_its_limit),
		T(test_fifos_loops_and_links_out_of_the_tree_are_harmless),
		T(test_no_parser_breaks_on_any_prefix_of_garbage),
		T(test_entries_survive_the_wire_and_cut_records_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
