// SPDX-License-Identifier: Apache-2.0
/*
 * running.c - real boxes: start, programs, walls, input and output, end
 */
#include <grp.h>
#include <pthread.h>

#include "boxed.h"

#define MEGABYTES 10

/* ---- programs end as they ended ----------------------------------------------------------- */

static int exit_statuses(void *arg UNUSED)
{
	static const struct {
		const char *script;
		int code, signal;
	} rows[] = { { "exit 0", 0, 0 },
		     { "exit 7", 7, 0 },
		     { "exit 255", 255, 0 },
		     { "kill -9 $$", 0, SIGKILL },
		     { "kill -15 $$", 0, SIGTERM },
		     { "kill -11 $$", 0, SIGSEGV } };
	const int none[3] = { -1, -1, -1 };
	struct boxed b;

	boxed_start(&b, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *argv[] = { "sh", "-c", rows[i].script, NULL };
		int st = boxed_wait(&b, boxed_spawn(&b, argv, none));

		if (rows[i].signal)
			CHECK(WIFSIGNALED(st) && WTERMSIG(st) == rows[i].signal, "%s: %x",
			      rows[i].script, st);
		else
			CHECK(WIFEXITED(st) && WEXITSTATUS(st) == rows[i].code, "%s: %x",
			      rows[i].script, st);
	}
	boxed_close(&b);
	return 0;
}

static void test_a_program_s_exit_status_or_signal_arrives_exactly(void **state UNUSED)
{
	as_everyone(exit_statuses, NULL);
}

static int failed_spawns(void *arg UNUSED)
{
	static const struct {
		const char *argv0;
		int code;
		enum exit_status exit;
	} rows[] = { { "no-such-program", ENOENT, EXIT_NOT_FOUND },
		     { "/no/such/program", ENOENT, EXIT_NOT_FOUND },
		     { "", ENOENT, EXIT_NOT_FOUND },
		     { "/etc/passwd", EACCES, EXIT_NOT_EXEC },
		     { "/etc", EACCES, EXIT_NOT_EXEC },
		     { "/tmp/garbage", ENOEXEC, EXIT_NOT_EXEC } };
	const char *make[] = { "sh", "-c", "echo garbage >/tmp/garbage; chmod 755 /tmp/garbage",
			       NULL };
	const char *ok[] = { "true", NULL };
	const int none[3] = { -1, -1, -1 };
	struct box_event ev;
	struct boxed b;

	boxed_start(&b, NULL, NULL);
	boxed_wait(&b, boxed_spawn(&b, make, none));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *argv[] = { rows[i].argv0, NULL };
		struct box_program p = { .argv = argv, .fds = { -1, -1, -1 } };
		struct box_proc proc = { .id = 4711 };
		struct err err = { 0 };
		int rc = box_spawn(b.run, &p, NULL, &proc, &err);

		CHECK(rc == -rows[i].code && err.exit == rows[i].exit, "%s: %d %d %s",
		      rows[i].argv0, rc, err.exit, err.msg);
		CHECK(proc.id == 4711, "output touched on failure");
	}
	/* the box lives on, and the failed ones are no events */
	CHECK(boxed_wait(&b, boxed_spawn(&b, ok, none)) == 0, "true");
	CHECK(box_wait(b.run, 0, &ev, &b.err) == 0, "event %d of %d", ev.what, ev.id);
	CHECK(box_processes(b.run) == 0, "%d processes", box_processes(b.run));
	boxed_close(&b);
	return 0;
}

static void test_what_cannot_start_is_told_and_the_box_lives_on(void **state UNUSED)
{
	as_everyone(failed_spawns, NULL);
}

/* ---- walls -------------------------------------------------------------------------------- */

static int own_namespaces(void *arg UNUSED)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	char *text;
	int st;

	text = boxed_sh(
		NULL,
		"for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done",
		&st);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64], ours[64] = "";

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		CHECK(readlink(path, ours, sizeof(ours) - 1) > 0, "%s", path);
		CHECK(!strstr(text, ours), "the box is in our %s", ours);
		CHECK(strstr(text, names[i]), "no %s in %s", names[i], text);
	}
	free(text);
	return 0;
}

static void test_all_seven_namespaces_are_the_box_s_own(void **state UNUSED)
{
	as_everyone(own_namespaces, NULL);
}

static int nothing_inherited(void *arg UNUSED)
{
	char *text;
	int st, fd = open("/etc/passwd", O_RDONLY);

	/* what a careless caller may leave behind */
	CHECK(fd >= 0 && fcntl(fd, F_DUPFD, 200) >= 0, "descriptors");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	umask(077);
	setenv("SECRET_OF_OURS", "sesame", 1);
	text = boxed_sh(
		NULL,
		"ls /proc/self/fd | wc -l; umask;"
		"grep -E '^(SigIgn|SigBlk|SigCgt)' /proc/self/status; env; pwd;"
		"tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/environ; echo; cat /proc/1/comm",
		&st);
	CHECK(str_starts(str_z(text), "4\n0022\n"), "%s", text);
	CHECK(strstr(text, "SigBlk:\t0000000000000000"), "%s", text);
	CHECK(strstr(text, "SigIgn:\t0000000000000000"), "%s", text);
	CHECK(!strstr(text, "sesame"), "%s", text);
	CHECK(!strstr(text, "BELLJAR_HOME"), "%s", text);
	CHECK(strstr(text, "BELLJAR=1\n") && strstr(text, "HOME=/root\n"), "%s", text);
	CHECK(strstr(text, "init"), "%s", text);
	CHECK(!strstr(text, "test_box"), "pid 1 shows our command line: %s", text);
	free(text);
	return 0;
}

static void test_no_descriptor_variable_signal_state_or_umask_of_ours_gets_in(void **state UNUSED)
{
	as_everyone(nothing_inherited, NULL);
}

static int no_kernel_switch(void *arg UNUSED)
{
	/* each line must fail; what does not is printed */
	static const char script[] =
		"t() { if ( eval \"$1\" ) 2>/dev/null; then echo \"DONE: $1\"; fi; }\n"
		"for f in kernel/hostname kernel/domainname kernel/shmmax kernel/pid_max"
		"  net/ipv4/ip_forward net/ipv4/ip_default_ttl user/max_user_namespaces"
		"  vm/overcommit_memory fs/mqueue/msg_max kernel/core_pattern; do\n"
		"  [ -e /proc/sys/$f ] && t \"echo 1 >/proc/sys/$f\"; done\n"
		"t 'echo h >/proc/sysrq-trigger'\n"
		"t 'echo 1 >/proc/irq/default_smp_affinity'\n"
		"t 'echo 0 >/sys/class/net/lo/mtu'\n"
		"t 'echo x >/sys/kernel/uevent_helper'\n"
		"t 'mount -o remount,rw /proc/sys'\n"
		"t 'mount -o remount,rw /sys'\n"
		"t 'mount -t tmpfs none /mnt'\n"
		"t 'umount /proc/sys'\n"
		"t 'umount -l /'\n"
		"t 'unshare -U true'\n"
		"t 'unshare -m true'\n"
		"t 'unshare -n true'\n"
		"t 'mknod /tmp/disk b 8 0'\n"
		"t 'ip link set lo down'\n"
		"t 'hostname other'\n"
		"t 'head -c 1 /proc/1/environ | grep .'\n"
		"t 'ls /proc/1/root/'\n"
		"t 'readlink /proc/1/fd/0'\n"
		"t 'ls /proc/1/fd/0/'\n"
		"t 'cat /proc/1/maps | grep .'\n"
		"kill -9 1; kill -TERM 1; kill -STOP 1; sleep 0.1; echo alive\n";
	char *text;
	int st;

	text = boxed_sh(NULL, script, &st);
	CHECK(!strstr(text, "DONE"), "%s", text);
	CHECK(strstr(text, "alive"), "%s", text);
	free(text);
	return 0;
}

static void test_no_switch_of_the_kernel_mount_or_namespace_can_be_changed(void **state UNUSED)
{
	as_everyone(no_kernel_switch, NULL);
}

static int mounts_are_weak(void *arg UNUSED)
{
	char *text, *save, *line;
	int st, n = 0;

	text = boxed_sh(NULL, "cat /proc/self/mountinfo", &st);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		char root[4096], at[4096], opts[4096];

		CHECK(sscanf(line, "%*s %*s %*s %4095s %4095s %4095s", root, at, opts) == 3, "%s",
		      line);
		/* single device files of the host's /dev, and /dev/null as a mask */
		if (strstr(line, " - devtmpfs ") || str_starts(str_z(at), "/proc/k") ||
		    !strcmp(at, "/proc/timer_list")) {
			static const char *const may[] = { "/null",   "/zero",	  "/full",
							   "/random", "/urandom", "/tty" };
			bool known = false;

			for (size_t i = 0; i < ARRAY_SIZE(may); i++)
				known |= !strcmp(root, may[i]);
			CHECK(known, "%s", line);
			continue;
		}
		CHECK(strstr(opts, "nosuid"), "%s", line);
		if (strcmp(at, "/dev") && strcmp(at, "/dev/pts"))
			CHECK(strstr(opts, "nodev"), "%s", line);
		CHECK(!strstr(line, "belljar-test"), "the host's paths show: %s", line);
	}
	CHECK(n > 10, "only %d mounts", n);
	free(text);
	return 0;
}

static void test_every_mount_is_nosuid_and_nodev_and_hides_the_host_s_paths(void **state UNUSED)
{
	as_everyone(mounts_are_weak, NULL);
}

static int few_capabilities(void *arg)
{
	const struct box_opts opts = { .user = arg };
	static const char script[] = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; id -u";
	const char *caps = arg ? "0000000000000000" : "00000000800405fb";
	cleanup_free char *want = xasprintf("CapInh:\t0000000000000000\nCapPrm:\t%s\n"
					    "CapEff:\t%s\nCapBnd:\t%s\n"
					    "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n%d\n",
					    caps, caps, caps, arg ? 1000 : 0);
	char *text;
	int st;

	text = boxed_sh(&opts, script, &st);
	CHECK(!strcmp(text, want), "%s", text);
	free(text);
	return 0;
}

static void test_box_root_has_the_listed_capabilities_and_a_user_none(void **state UNUSED)
{
	as_everyone(few_capabilities, NULL);
	as_everyone(few_capabilities, (void *)"user");
}

static int identity(void *arg UNUSED)
{
	int out = memfd_create("out", MFD_CLOEXEC), fds[3] = { -1, out, out };
	const char *argv[] = {
		"sh", "-c",
		"hostname; cat /etc/hostname /etc/machine-id /etc/resolv.conf; ls -A $HOME;"
		"ls /dev; cat /sys/class/net/lo/operstate; ls /sys/class/net | wc -l",
		NULL
	};
	struct boxed b;
	char *text, *want;

	boxed_start(&b, NULL, NULL);
	boxed_wait(&b, boxed_spawn(&b, argv, fds));
	want = xasprintf("%s\n%s\n%s\nnameserver 10.0.2.3\n", box_get_info(b.box)->hostname,
			 box_get_info(b.box)->hostname, box_get_info(b.box)->machine_id);
	boxed_close(&b);
	text = slurp(out);
	CHECK(str_starts(str_z(text), want), "%s instead of %s", text, want);
	CHECK(strstr(text,
		     "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\n"
		     "zero\n"),
	      "%s", text);
	CHECK(str_ends(str_z(text), "\n1\n"), "more than lo: %s", text);
	free(text);
	free(want);
	return 0;
}

static void test_the_box_has_its_own_name_and_nothing_but_a_loopback(void **state UNUSED)
{
	as_everyone(identity, NULL);
}

/* ---- input and output --------------------------------------------------------------------- */

static void fill(char *p, size_t n)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (char)(x >> 24);
	}
}

struct feed {
	int fd;
	const char *p;
	size_t n;
};

static void *feed_main(void *arg)
{
	struct feed *f = arg;

	write_full(f->fd, f->p, f->n);
	close(f->fd);
	return NULL;
}

static int megabytes(void *arg UNUSED)
{
	size_t n = MEGABYTES << 20;
	char *in = xmalloc(n), *back;
	int out = memfd_create("out", MFD_CLOEXEC), er = memfd_create("err", MFD_CLOEXEC), p[2];
	const char *argv[] = { "sh", "-c", "tee /dev/stderr", NULL };
	struct boxed b;
	pthread_t t;
	struct feed f;
	struct stat st;

	fill(in, n);
	CHECK(!pipe2(p, O_CLOEXEC), "pipe");
	f = (struct feed){ p[1], in, n };
	boxed_start(&b, NULL, NULL);
	CHECK(!pthread_create(&t, NULL, feed_main, &f), "thread");
	CHECK(boxed_wait(&b, boxed_spawn(&b, argv, (int[3]){ p[0], out, er })) == 0, "status");
	boxed_close(&b);
	pthread_join(t, NULL);
	for (int i = 0; i < 2; i++) {
		int fd = i ? er : out;

		CHECK(!fstat(fd, &st) && (size_t)st.st_size == n, "%lld bytes of %zu on %d",
		      (long long)st.st_size, n, i + 1);
		back = slurp(fd);
		CHECK(!memcmp(back, in, n), "bytes differ on %d", i + 1);
		free(back);
	}
	free(in);
	return 0;
}

static void test_ten_megabytes_pass_unharmed_in_and_out_and_as_errors(void **state UNUSED)
{
	as_everyone(megabytes, NULL);
}

static int closed_reader(void *arg UNUSED)
{
	const char *argv[] = { "yes", NULL };
	struct boxed b;
	int p[2], st;

	CHECK(!pipe2(p, O_CLOEXEC), "pipe");
	close(p[0]);
	signal(SIGPIPE, SIG_DFL); /* must not end us either */
	boxed_start(&b, NULL, NULL);
	st = boxed_wait(&b, boxed_spawn(&b, argv, (int[3]){ -1, p[1], -1 }));
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE, "%x", st);
	boxed_close(&b);
	return 0;
}

static void test_a_reader_that_goes_away_ends_the_program_by_sigpipe(void **state UNUSED)
{
	as_everyone(closed_reader, NULL);
}

static int order_kept(void *arg UNUSED)
{
	const char script[] =
		"i=0; while [ $i -lt 200 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
	struct buf want = { 0 };
	char *text;
	int st;

	text = boxed_sh(NULL, script, &st);
	for (int i = 0; i < 200; i++)
		buf_printf(&want, "o%d\ne%d\n", i, i);
	CHECK(!strcmp(text, buf_z(&want)), "%s", text);
	buf_free(&want);
	free(text);
	return 0;
}

static void test_output_and_errors_to_one_place_keep_their_order(void **state UNUSED)
{
	as_everyone(order_kept, NULL);
}

static int stdin_open(void *arg UNUSED)
{
	/* a program that ends without reading, while our standard input stays open and silent */
	const char *argv[] = { "sh", "-c", "exit 3", NULL };
	struct boxed b;
	int p[2], st;

	CHECK(!pipe2(p, O_CLOEXEC), "pipe");
	boxed_start(&b, NULL, NULL);
	st = boxed_wait(&b, boxed_spawn(&b, argv, (int[3]){ p[0], -1, -1 }));
	CHECK(WEXITSTATUS(st) == 3, "%x", st);
	boxed_close(&b);
	return 0;
}

static void test_a_silent_open_input_does_not_hold_the_end_up(void **state UNUSED)
{
	as_everyone(stdin_open, NULL);
}

static int null_log(void *arg UNUSED)
{
	const char *argv[] = { "sh", "-c", "cat; echo to the log", NULL };
	struct box_program p = { .argv = argv, .stdio = STDIO_NULL };
	cleanup_free char *text = NULL;
	struct box_proc proc;
	struct boxed b;
	int dir;

	boxed_start(&b, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		CHECK(!box_spawn(b.run, &p, NULL, &proc, &b.err), "%s", b.err.msg);
		CHECK(boxed_wait(&b, proc.id) == 0, "status");
	}
	dir = dup(box_dirfd(b.box));
	box_end(b.run);
	CHECK(!read_file_at(dir, "log", 65536, &text, NULL), "no log");
	CHECK(!strcmp(text, "to the log\nto the log\n"), "%s", text);
	b.run = NULL;
	boxed_close(&b);
	return 0;
}

static void test_programs_without_input_and_output_write_the_box_s_log(void **state UNUSED)
{
	as_everyone(null_log, NULL);
}

/* ---- things brought in -------------------------------------------------------------------- */

#define ODD "/a:b, c\\d"

static int brought_in(void *arg UNUSED)
{
	cleanup_free char *home = xasprintf("%s/in" ODD, getenv("BELLJAR_HOME"));
	cleanup_free char *boxes = xasprintf("%s/boxes", getenv("BELLJAR_HOME"));
	cleanup_free char *file = xasprintf("%s/file", home), *fifo = xasprintf("%s/fifo", home);
	struct box_opts opts = { .nbinds = 3,
				 .bind = { { BIND_RO, home, "/seen", -1 },
					   { BIND_RW, home, "/work", -1 },
					   { BIND_COPY, file, "/opt/new/dir/copied", -1 } } };
	cleanup_close int listener = -1;
	char *text, got[64];
	struct stat st;
	int status;

	/* beside: what lies with the boxes is not brought in */
	setenv("BELLJAR_HOME", boxes, 1);
	CHECK(!mkdir_p(home, 0777) && !mkfifo(fifo, 0666) && !chmod(fifo, 0666), "%s", home);
	CHECK(!write_file_at(AT_FDCWD, file, 0755, "hello\n", 6) && !chmod(file, 0755), "%s", file);
	if (geteuid() == 0) /* the boxes' id, which writes here later */
		CHECK(!chown(home, BOX_ROOT_UID, BOX_ROOT_UID), "chown");
	listener = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	text = boxed_sh(
		&opts,
		"cat /seen/file /work/file /opt/new/dir/copied; stat -c %a /opt/new/dir/copied;"
		"echo x 2>/dev/null >/seen/new && echo WRITTEN; echo y >/work/new;"
		"dd if=/etc/hostname of=/seen/fifo oflag=nonblock conv=notrunc 2>&1 | "
		"grep -c 'No such device or address'",
		&status);
	CHECK(!strcmp(text, "hello\nhello\nhello\n755\n1\n"), "%s", text);
	CHECK(read(listener, got, sizeof(got)) <= 0, "the FIFO carried something out");
	cleanup_free char *made = xasprintf("%s/new", home);
	CHECK(!stat(made, &st) && st.st_size == 2, "--rw did not reach the host");
	unlink(made);
	unlink(fifo);
	unlink(file);
	rmdir(home);
	free(text);
	return 0;
}

static void test_folders_and_files_come_in_read_only_writable_and_copied(void **state UNUSED)
{
	as_everyone(brought_in, NULL);
}

static int channel_refused(void *arg)
{
	cleanup_free char *fifo = xasprintf("%s/fifo", getenv("BELLJAR_HOME"));
	struct box_opts opts = { .nbinds = 1,
				 .bind = { { *(enum box_bind_how *)arg, fifo, "/x", -1 } } };
	struct boxed b;

	CHECK(!mkfifo(fifo, 0666) || errno == EEXIST, "mkfifo");
	boxed_open(&b, NULL, &opts);
	CHECK(!box_plan_make(b.box, &opts, &b.plan, &b.err), "%s", b.err.msg);
	CHECK(box_start(b.box, b.plan, &b.run, &b.err) < 0, "a FIFO got in");
	CHECK(b.err.exit == EXIT_UNREADABLE, "%s", b.err.msg);
	box_plan_free(b.plan);
	boxed_close(&b);

	return 0;
}

static void test_a_fifo_by_itself_is_not_brought_in(void **state UNUSED)
{
	static enum box_bind_how hows[] = { BIND_RO, BIND_RW, BIND_COPY };

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++)
		as_everyone(channel_refused, &hows[i]);
}

/* ---- layers ------------------------------------------------------------------------------- */

static char *more(struct boxed *b, const struct box_opts *opts, const char *script)
{
	int out = memfd_create("out", MFD_CLOEXEC), fds[3] = { -1, out, out };
	const char *argv[] = { "sh", "-c", script, NULL };
	char *text;

	boxed_run(b, opts);
	boxed_wait(b, boxed_spawn(b, argv, fds));
	box_end(b->run);
	b->run = NULL;
	text = slurp(out);
	close(out);
	return text;
}

static void expect(struct boxed *b, const struct box_opts *opts, const char *script,
		   const char *want)
{
	cleanup_free char *text = more(b, opts, script);

	CHECK(!strcmp(text, want), "'%s' gave '%s', not '%s'", script, text, want);
}

static int layers(void *arg UNUSED)
{
	struct boxed b;

	boxed_open(&b, "layers", NULL);
	expect(&b, NULL,
	       "echo 1 >/etc/mine; echo 1 >/usr/mine; mkdir /usr/d; echo 1 >/usr/d/f; "
	       "echo other >/etc/hostname; echo 1 >/run/gone",
	       "");
	CHECK(!box_snapshot(b.box, "one", &b.err), "%s", b.err.msg);
	expect(&b, NULL, "stat -c '%a %u' /run/lock; test /var/lock -ef /run/lock; echo $?",
	       "1777 0\n0\n");
	/* refused, and not empty for ever */
	expect(&b, NULL, "cat /proc/kmsg 2>/dev/null; echo $?", "1\n");
	expect(&b, NULL,
	       "cat /etc/mine /usr/mine /usr/d/f /etc/hostname; ls /run | grep -c gone; "
	       "echo 2 >/etc/mine; rm -r /usr/d; rm /usr/mine; mkdir /usr/d; ls /usr/d",
	       "1\n1\n1\nother\n0\n");
	CHECK(!box_snapshot(b.box, "two", &b.err), "%s", b.err.msg);
	expect(&b, NULL, "cat /etc/mine; ls /usr/d; ls /usr/mine 2>/dev/null; echo end",
	       "2\nend\n");
	CHECK(!box_rollback(b.box, "one", &b.err), "%s", b.err.msg);
	expect(&b, NULL, "cat /etc/mine /usr/mine /usr/d/f", "1\n1\n1\n");
	CHECK(!box_remove(b.box, &b.err), "%s", b.err.msg);
	boxed_close(&b);
	return 0;
}

static void test_what_a_run_left_is_there_in_the_next_and_layers_stack(void **state UNUSED)
{
	as_everyone(layers, NULL);
}

static int planted_links(void *arg UNUSED)
{
	cleanup_free char *host = xasprintf("%s/target", getenv("BELLJAR_HOME"));
	cleanup_free char *file = xasprintf("%s/source", getenv("BELLJAR_HOME"));
	struct box_opts copy = { .nbinds = 1, .bind = { { BIND_COPY, file, NULL, -1 } } };
	struct boxed b;
	struct stat st;

	CHECK(!mkdir(host, 0777) && !chmod(host, 0777), "mkdir");
	CHECK(!write_file_at(AT_FDCWD, file, 0644, "x", 1) && !chmod(file, 0644), "write");
	boxed_open(&b, "links", NULL);
	/* to each descriptor that pid 1 may hold while the next box is made */
	expect(&b, NULL,
	       "i=0; while [ $i -lt 60 ]; do ln -s /proc/self/fd/$i /root/l$i; i=$((i+1)); done;"
	       "ln -s /proc/1/cwd /root/cwd; ln -s ../../../../../../../../tmp /root/up",
	       "");
	for (int i = 0; i < 61; i++) {
		char dst[64];

		snprintf(dst, sizeof(dst), i < 60 ? "/root/l%d/evil" : "/root/cwd/evil", i);
		copy.bind[0].dst = dst;
		CHECK(!box_plan_make(b.box, &copy, &b.plan, &b.err), "%s", b.err.msg);
		CHECK(box_start(b.box, b.plan, &b.run, &b.err) < 0, "%s was followed", dst);
		CHECK(b.err.code == ELOOP || b.err.code == ENOENT, "%s: %s", dst, b.err.msg);
		box_plan_free(b.plan);
	}
	/* a link within the box stays within it */
	copy.bind[0].dst = "/root/up/here";
	expect(&b, &copy, "cat /tmp/here", "x");
	CHECK(stat("/tmp/here", &st), "/tmp/here of the host");
	/* no mount point of ours may be moved away */
	expect(&b, NULL,
	       "rm -rf /opt /srv 2>/dev/null; mv /media /media2; ln -s /root /media; echo end",
	       "end\n");
	CHECK(!box_remove(b.box, &b.err), "%s", b.err.msg);
	boxed_close(&b);
	unlink(file);
	rmdir(host);
	return 0;
}

static void test_links_that_a_program_planted_lead_nowhere_in_the_next_run(void **state UNUSED)
{
	as_everyone(planted_links, NULL);
}

/* ---- ends --------------------------------------------------------------------------------- */

static int kill_everything(void *arg UNUSED)
{
	const char *argv[] = { "sh", "-c",
			       "setsid sleep 1000 & (sleep 1000 &) ; sleep 1000 & kill -STOP $!;"
			       "trap '' TERM INT HUP; echo ready; exec sleep 1000",
			       NULL };
	struct boxed b;
	char line[8];
	int p[2], n;

	CHECK(!pipe2(p, O_CLOEXEC), "pipe");
	boxed_start(&b, NULL, NULL);
	boxed_spawn(&b, argv, (int[3]){ -1, p[1], -1 });
	boxed_hear(&b, p[0]);
	CHECK(read(p[0], line, sizeof(line)) == 6, "no start");
	CHECK(box_processes(b.run) == 4, "%d processes", box_processes(b.run));
	n = box_kill(b.run, &b.err);
	CHECK(n == 4, "%d killed: %s", n, b.err.msg);
	CHECK(box_processes(b.run) == 0, "%d left", box_processes(b.run));
	CHECK(box_kill(b.run, &b.err) == 0, "again");
	/* the box can be used on */
	CHECK(boxed_wait(&b, boxed_spawn(&b, (const char *[]){ "true", NULL },
					 (int[3]){ -1, -1, -1 })) == 0,
	      "true");
	boxed_close(&b);
	return 0;
}

static void test_kill_ends_stopped_detached_and_stubborn_processes_and_counts(void **state UNUSED)
{
	as_everyone(kill_everything, NULL);
}

static int victim(void *arg)
{
	const char *argv[] = { "sh", "-c", "(setsid sleep 1000 &); sleep 1000", NULL };
	const int none[3] = { -1, -1, -1 };
	struct box_program p = { .argv = argv, .fds = { -1, -1, -1 } };
	struct box_proc proc;
	struct boxed b;
	pid_t pids[2];

	(void)none;
	boxed_start(&b, NULL, NULL);
	CHECK(!box_spawn(b.run, &p, NULL, &proc, &b.err), "%s", b.err.msg);
	while (box_processes(b.run) < 3)
		poll(NULL, 0, 1);
	pids[0] = box_run_pid1(b.run);
	pids[1] = proc.pid;
	CHECK(!write_full(*(int *)arg, pids, sizeof(pids)), "tell");
	for (;;)
		pause();
}

static int await_end(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };
	int rc;

	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return 1;
	rc = poll(&p, 1, 30000);
	close(p.fd);
	return rc;
}

static void killed_supervisor(enum who who)
{
	cleanup_free char *before = NULL, *after = NULL;
	pid_t pid, pids[2];
	int p[2], status;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &before, NULL), 0);
	pid = fork();
	if (pid == 0) {
		if (who == AS_PLAIN &&
		    (setgroups(0, NULL) || setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) ||
		     setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID)))
			_exit(99);
		setenv("BELLJAR_HOME", homes[who], 1);
		_exit(victim(&p[1]));
	}
	close(p[1]);
	assert_int_equal(read_full(p[0], pids, sizeof(pids)), sizeof(pids));
	close(p[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(await_end(pids[1]), 1);
	assert_int_equal(await_end(pids[0]), 1);
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &after, NULL), 0);
	assert_string_equal(before, after);
}

static void test_kill_minus_9_of_the_supervisor_leaves_no_process_and_no_mount(void **state UNUSED)
{
	killed_supervisor(AS_STARTED);
	if (geteuid() == 0)
		killed_supervisor(AS_PLAIN);
}

static int signals(void *arg UNUSED)
{
	static const int sent[] = { SIGTERM, SIGINT, SIGHUP };
	struct box_event ev;
	struct boxed b;

	/* a shell has its jobs in the background ignore some of them */
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		signal(sent[i], SIG_DFL);
	boxed_start(&b, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		kill(getpid(), sent[i]);
		CHECK(box_wait(b.run, -1, &ev, &b.err) == 1 && ev.what == BOX_SIGNAL &&
			      ev.status == sent[i],
		      "signal %d gave %d %d", sent[i], ev.what, ev.status);
	}
	CHECK(box_wait(b.run, 20, &ev, &b.err) == 0, "one too many");
	kill(box_run_pid1(b.run), SIGKILL);
	CHECK(box_wait(b.run, -1, &ev, &b.err) == 1 && ev.what == BOX_DEAD, "%d", ev.what);
	CHECK(box_wait(b.run, -1, &ev, &b.err) < 0, "after the end");
	CHECK(box_kill(b.run, &b.err) == 0, "%s", b.err.msg);
	boxed_close(&b);
	return 0;
}

static void test_signals_to_us_and_the_death_of_pid_1_are_events(void **state UNUSED)
{
	as_everyone(signals, NULL);
}

/* ---- hooks and the view from outside ------------------------------------------------------ */

static int hook_child(void *ctx, int sock, struct err *err)
{
	char c;

	if (ctx)
		return err_set(err, EINVAL, "test: a context that cannot be");
	if (write_full(sock, "a", 1) || read_full(sock, &c, 1) != 1)
		return err_set(err, EIO, "test: no answer");
	return c == 'y' ? 0 : err_set(err, ECANCELED, "test: told not to");
}

struct answer {
	char c;
	pid_t program;
	bool dumpable;
};

static int hook_supervisor(void *ctx, int sock, pid_t program, struct err *err)
{
	struct answer *a = ctx;
	char path[64], c;

	a->program = program;
	if (read_full(sock, &c, 1) != 1 || c != 'a')
		return err_set(err, EIO, "test: no question");
	/* what the recorder needs: look into the process before its exec */
	snprintf(path, sizeof(path), "/proc/%d/fd", program);
	a->dumpable = !access(path, R_OK | X_OK);
	if (a->c == '!')
		return err_set(err, EPERM, "test: supervisor says no");
	return write_full(sock, &a->c, 1);
}

static int hooks(void *arg UNUSED)
{
	struct answer a = { .c = 'y' };
	const struct box_hooks h = { .ctx = &a,
				     .in_child = hook_child,
				     .in_supervisor = hook_supervisor };
	const char *argv[] = { "true", NULL };
	struct box_program p = { .argv = argv, .fds = { -1, -1, -1 } };
	struct box_proc proc;
	struct boxed b;

	boxed_start(&b, NULL, NULL);
	CHECK(!box_spawn(b.run, &p, &h, &proc, &b.err), "%s", b.err.msg);
	CHECK(a.program == proc.pid && a.dumpable, "pid %d %d, to be looked into: %d", a.program,
	      proc.pid, a.dumpable);
	CHECK(boxed_wait(&b, proc.id) == 0, "true");
	a.c = 'n';
	CHECK(box_spawn(b.run, &p, &h, &proc, &b.err) == -ECANCELED, "%s", b.err.msg);
	CHECK(!strcmp(b.err.msg, "test: told not to: Operation canceled"), "%s", b.err.msg);
	a.c = '!';
	CHECK(box_spawn(b.run, &p, &h, &proc, &b.err) == -EPERM, "%s", b.err.msg);
	CHECK(await_end(a.program) == 1, "a program outlived its refusal");
	boxed_close(&b);
	return 0;
}

static void test_both_hooks_meet_before_exec_and_either_can_refuse(void **state UNUSED)
{
	as_everyone(hooks, NULL);
}

static int look(void *ctx)
{
	struct stat st;

	/* box root made it 0600, its folder 0700: only its own ids may look */
	if (fstatat(*(int *)ctx, "usr/secret/file", &st, 0))
		return 100;
	return (int)st.st_uid;
}

static int asked_to_end(void *ctx UNUSED)
{
	static const int asks[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		raise(asks[i]); /* as a terminal does, to all of its group */
	return 7;
}

static int outside_view(void *arg UNUSED)
{
	const char *argv[] = { "sh", "-c", "umask 077; mkdir /usr/secret; echo 1 >/usr/secret/file",
			       NULL };
	struct boxed b;
	struct stat st;
	int fd, status;

	boxed_start(&b, NULL, NULL);
	CHECK(boxed_wait(&b, boxed_spawn(&b, argv, (int[3]){ -1, -1, -1 })) == 0, "status");
	fd = box_run_layerfd(b.run);
	CHECK(!box_run_in_userns(b.run, look, &fd, &status, &b.err), "%s", b.err.msg);
	CHECK(status == 0, "owner as seen inside: %d", status);
	CHECK(!fstatat(box_run_rootfd(b.run), "usr/bin", &st, 0) && S_ISDIR(st.st_mode), "rootfd");
	CHECK(!box_run_in_userns(b.run, look, &fd, &status, &b.err), "again");
	CHECK(!box_run_in_userns(b.run, asked_to_end, NULL, &status, &b.err), "%s", b.err.msg);
	CHECK(status == 7, "it does its work whoever asks it to end: %d", status);
	boxed_close(&b);
	return 0;
}

static void test_the_layer_can_be_read_from_outside_with_the_box_s_ids(void **state UNUSED)
{
	as_everyone(outside_view, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_s_exit_status_or_signal_arrives_exactly),
		cmocka_unit_test(test_what_cannot_start_is_told_and_the_box_lives_on),
		cmocka_unit_test(test_all_seven_namespaces_are_the_box_s_own),
		cmocka_unit_test(test_no_descriptor_variable_signal_state_or_umask_of_ours_gets_in),
		cmocka_unit_test(test_no_switch_of_the_kernel_mount_or_namespace_can_be_changed),
		cmocka_unit_test(test_every_mount_is_nosuid_and_nodev_and_hides_the_host_s_paths),
		cmocka_unit_test(test_box_root_has_the_listed_capabilities_and_a_user_none),
		cmocka_unit_test(test_the_box_has_its_own_name_and_nothing_but_a_loopback),
		cmocka_unit_test(test_ten_megabytes_pass_unharmed_in_and_out_and_as_errors),
		cmocka_unit_test(test_a_reader_that_goes_away_ends_the_program_by_sigpipe),
		cmocka_unit_test(test_output_and_errors_to_one_place_keep_their_order),
		cmocka_unit_test(test_a_silent_open_input_does_not_hold_the_end_up),
		cmocka_unit_test(test_programs_without_input_and_output_write_the_box_s_log),
		cmocka_unit_test(test_folders_and_files_come_in_read_only_writable_and_copied),
		cmocka_unit_test(test_a_fifo_by_itself_is_not_brought_in),
		cmocka_unit_test(test_what_a_run_left_is_there_in_the_next_and_layers_stack),
		cmocka_unit_test(test_links_that_a_program_planted_lead_nowhere_in_the_next_run),
		cmocka_unit_test(test_kill_ends_stopped_detached_and_stubborn_processes_and_counts),
		cmocka_unit_test(
			test_kill_minus_9_of_the_supervisor_leaves_no_process_and_no_mount),
		cmocka_unit_test(test_signals_to_us_and_the_death_of_pid_1_are_events),
		cmocka_unit_test(test_both_hooks_meet_before_exec_and_either_can_refuse),
		cmocka_unit_test(test_the_layer_can_be_read_from_outside_with_the_box_s_ids),
	};

	return cmocka_run_group_tests(tests, homes_make, homes_remove);
}
