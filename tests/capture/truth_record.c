// SPDX-License-Identifier: Apache-2.0
/*
 * truth_record.c - what is written at the end of a run: changes with their writer, only what is
 * new since the run before, mismatches where there are any and none where ordinary software fails
 * at its calls
 */
#include "fakebox.h"

#include "capture/autostart/autostart.h"
#include "capture/truth/truth.h"

/* ---- autostart, as the test wants it -------------------------------------------------------- */

static const struct autostart_class fake_class[] = { { "cron", "Cron", "T1053.003" }, { 0 } };
static const char *fake_entry; /* command of the one entry, NULL for none */
static const char *fake_twin;  /* a second one of the same name */

const struct autostart_class *autostart_classes(void)
{
	return fake_class;
}

struct as_wanted *autostart_wanted(const struct changeset *set)
{
	(void)set;
	return NULL;
}

void as_wanted_free(struct as_wanted *w)
{
	assert_null(w);
}

int autostart_of(struct box *box, struct box_run *run, unsigned since, const struct as_wanted *w,
		 int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx, struct err *err)
{
	struct autostart_entry e = { .op = CHANGE_ADDED,
				     .class = fake_class,
				     .place = STR("/etc/cron.d/job"),
				     .name = STR("line 1"),
				     .command = str_z(fake_entry) };

	(void)box;
	(void)run;
	(void)since;
	(void)w;
	(void)err;
	if (fake_entry && fake_twin) {
		struct autostart_entry twin = e;

		twin.command = str_z(fake_twin);
		assert_int_equal(fn(ctx, &twin), 0);
	}
	return fake_entry ? fn(ctx, &e) : 0;
}

/* ---- a run ---------------------------------------------------------------------------------- */

struct world {
	struct box *box;
	struct journal *j;
	uint32_t run;
};

static int world_setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->box = fake_box();
	w->box->info.top = 1; /* one layer takes all runs */
	fake_entry = NULL;
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	fake_box_free(w->box);
	free(w);
	return 0;
}

static void put_event(struct world *w, struct event *ev)
{
	struct err err = { 0 };

	ev->t = UINT64_MAX;
	assert_int_equal(journal_append(w->j, ev, NULL, &err), 0);
}

/* @setup: when belljar began to make the box ready; 0 not on record */
static void begin_setup(struct world *w, int64_t setup)
{
	cleanup_free char *keys = xasprintf("%s/keys", w->box->path);
	struct event ev = { .kind = EV_RUN_BEGIN };
	struct err err = { 0 };

	assert_int_equal(mkdir_p(keys, 0700), 0);
	assert_int_equal(journal_open(w->box->fd, keys, &w->j, &err), 0);
	ev.v[EV_AT(RUN_BEGIN, WALL)] = V_INT(clock_real_ns());
	ev.v[EV_AT(RUN_BEGIN, LAYER)] = V_INT(w->box->info.top);
	if (setup)
		ev.v[EV_AT(RUN_BEGIN, SETUP)] = V_INT(setup);
	assert_int_equal(journal_run_begin(w->j, &ev, &w->run, &err), 0);
	usleep(15000); /* change times come in ticks: what follows must lie after the begin */
}

static void begin(struct world *w)
{
	begin_setup(w, 0);
}

static void end_event(struct world *w)
{
	struct event ev = { .kind = EV_RUN_END };

	usleep(15000);
	ev.v[EV_AT(RUN_END, WALL)] = V_INT(clock_real_ns());
	put_event(w, &ev);
	usleep(15000);
}

static void finish(struct world *w)
{
	struct err err = { 0 };

	assert_int_equal(truth_record(w->box, NULL, w->j, w->run, &err), 0);
	end_event(w);
	assert_int_equal(journal_close(w->j, &err), 0);
	w->j = NULL;
}

static void killed(struct world *w)
{
	struct err err = { 0 };

	usleep(15000);
	assert_int_equal(journal_close(w->j, &err), 0);
	w->j = NULL;
}

struct extra {
	const char *answer, *reason;
	int existed; /* 1, 0; -1 unknown */
	int64_t flags;
};

static void calls(struct world *w, uint32_t proc, const char *op, const char *path,
		  const char *path2, struct extra x)
{
	struct event ev = { .kind = EV_FILE, .proc = proc };

	ev.v[EV_AT(FILE, OP)] = V_Z(op);
	ev.v[EV_AT(FILE, PATH)] = V_Z(path);
	ev.v[EV_AT(FILE, PATH2)] = V_Z(path2);
	ev.v[EV_AT(FILE, ANSWER)] = V_Z(x.answer);
	ev.v[EV_AT(FILE, REASON)] = V_Z(x.reason);
	if (x.existed >= 0)
		ev.v[EV_AT(FILE, BEFORE)] = V_INT(x.existed);
	if (x.flags)
		ev.v[EV_AT(FILE, FLAGS)] = V_INT(x.flags);
	put_event(w, &ev);
}

#define FRESH	((struct extra){ .existed = 0 })
#define THERE	((struct extra){ .existed = 1 })
#define UNKNOWN ((struct extra){ .existed = -1 })

static void add_text(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 32)
			buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
		else
			buf_add(b, s.p + i, 1);
}

static int show(void *ctx, const struct event *ev)
{
	struct buf *b = ctx;

	if (ev->kind == EV_CHANGE) {
		add_text(b, truth_text(ev, EV_AT(CHANGE, OP)));
		buf_puts(b, " ");
		add_text(b, truth_text(ev, EV_AT(CHANGE, PATH)));
		if (truth_text(ev, EV_AT(CHANGE, PATH2)).n) {
			buf_puts(b, " from ");
			add_text(b, truth_text(ev, EV_AT(CHANGE, PATH2)));
		}
		if (ev->v[EV_AT(CHANGE, WRITER)].type == VAL_INT)
			buf_printf(b, " by %d", (int)ev->v[EV_AT(CHANGE, WRITER)].i);
	} else if (ev->kind == EV_MISMATCH) {
		add_text(b, truth_text(ev, EV_AT(MISMATCH, WHAT)));
		buf_puts(b, " ");
		add_text(b, truth_text(ev, EV_AT(MISMATCH, PATH)));
	} else if (ev->kind == EV_AUTOSTART) {
		buf_puts(b, "autostart ");
		add_text(b, truth_text(ev, EV_AT(AUTOSTART, OP)));
		buf_puts(b, " ");
		add_text(b, truth_text(ev, EV_AT(AUTOSTART, COMMAND)));
		if (ev->v[EV_AT(AUTOSTART, WRITER)].type == VAL_INT)
			buf_printf(b, " by %d", (int)ev->v[EV_AT(AUTOSTART, WRITER)].i);
	} else if (ev->kind == EV_OBJECT) {
		buf_puts(b, "object ");
		add_text(b, truth_text(ev, EV_AT(OBJECT, PATH)));
		buf_printf(b, " kept %d", (int)ev->v[EV_AT(OBJECT, KEPT)].i);
	} else if (ev->kind == EV_GAP) {
		buf_puts(b, "gap ");
		add_text(b, truth_text(ev, EV_AT(GAP, DETAIL)));
	} else {
		return 0;
	}
	buf_puts(b, "\n");
	return 0;
}

/* What run @run has in the journal, calls left out. */
static void record_is(struct world *w, uint32_t run, const char *want)
{
	cleanup_free char *db = xasprintf("%s/journal.db", w->box->path);
	struct journal_filter f = { .run = run };
	cleanup_buf struct buf b = { 0 };
	struct journal_reader *r = NULL;
	struct err err = { 0 };

	assert_int_equal(journal_read_open(db, &r, &err), 0);
	assert_int_equal(journal_read(r, &f, show, &b, &err), 0);
	journal_read_close(r);
	assert_string_equal(buf_z(&b), want);
}

/* ---- writers -------------------------------------------------------------------------------- */

static void test_last_call_that_touched_a_path_is_its_writer(void **state)
{
	struct world *w = *state;

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	calls(w, 4, "write", "/etc/a", NULL, THERE);
	calls(w, 5, "write", "/etc/ab", NULL, THERE);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	finish(w);
	record_is(w, 1, "added /etc/a by 4\n");
}

static void test_calls_through_links_find_the_file(void **state)
{
	struct world *w = *state;

	mk_link(w->box, "0/root/bin", "usr/bin");
	mk_dir(w->box, "0/usr/bin", 0755);
	mk_link(w->box, "0/root/etc/to-file", "/usr/bin/target");
	begin(w);
	calls(w, 3, "create", "/bin/tool", NULL, FRESH);
	calls(w, 4, "create", "/usr/lib/../bin/other", NULL, FRESH);
	calls(w, 5, "write", "/etc/to-file", NULL, THERE);
	mk_dir(w->box, "0/usr/lib", 0755);
	mk_file(w->box, "1/usr/bin/tool", "x", 0644);
	mk_file(w->box, "1/usr/bin/other", "y", 0644);
	mk_file(w->box, "1/usr/bin/target", "z", 0644);
	finish(w);
	record_is(w, 1,
		  "added /usr/bin/other by 4\nadded /usr/bin/target by 5\n"
		  "added /usr/bin/tool by 3\n");
}

static void test_rename_of_a_folder_explains_what_is_in_it(void **state)
{
	struct world *w = *state;

	begin(w);
	calls(w, 3, "mkdir", "/opt", NULL, FRESH);
	calls(w, 3, "mkdir", "/opt/tmp", NULL, FRESH);
	calls(w, 3, "create", "/opt/tmp/x", NULL, FRESH);
	calls(w, 4, "rename", "/opt/tmp", "/opt/final", THERE);
	mk_file(w->box, "1/root/opt/final/x", "x", 0644);
	finish(w);
	record_is(w, 1, "added /opt by 3\nadded /opt/final by 4\nadded /opt/final/x by 4\n");
}

static void test_removed_and_moved_files_have_their_caller(void **state)
{
	struct world *w = *state;

	mk_file(w->box, "0/root/etc/a", "a", 0644);
	mk_file(w->box, "0/root/etc/b", "bytes of b", 0644);
	begin(w);
	calls(w, 3, "unlink", "/etc/a", NULL, THERE);
	calls(w, 4, "rename", "/etc/b", "/etc/c", THERE);
	mk_whiteout(w->box, "1/root/etc/a");
	mk_whiteout(w->box, "1/root/etc/b");
	mk_file(w->box, "1/root/etc/c", "bytes of b", 0644);
	finish(w);
	record_is(w, 1, "removed /etc/a by 3\nmoved /etc/c from /etc/b by 4\n");
}

static void test_write_through_one_hard_link_explains_the_other(void **state)
{
	struct world *w = *state;

	mk_file(w->box, "1/root/etc/a", "x", 0644);
	assert_int_equal(link(place(w->box, "1/root/etc/a"), place(w->box, "1/root/etc/b")), 0);
	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	calls(w, 3, "link", "/etc/a", "/etc/b", THERE);
	finish(w);
	begin(w);
	calls(w, 7, "write", "/etc/b", NULL, THERE);
	mk_file(w->box, "1/root/etc/a", "xx", 0644);
	finish(w);
	record_is(w, 2, "changed /etc/a by 7\nchanged /etc/b by 7\n");
}

static void test_claimed_owner_has_its_writer(void **state)
{
	struct world *w = *state;
	struct extra claimed = { .answer = "claimed", .existed = 1 };
	const char *at;

	mk_file(w->box, "0/root/etc/f", "f", 0644);
	begin(w);
	calls(w, 3, "chown", "/etc/f", NULL, claimed);
	mk_file(w->box, "1/root/etc/f", "f", 0644);
	at = place(w->box, "1/root/etc/f");
	assert_int_equal(setxattr(at, "user.belljar.owner", "101:102", 7, 0), 0);
	assert_int_equal(write_file_at(w->box->fd, "claims", 0600, "", 0), 0);
	finish(w);
	record_is(w, 1, "meta /etc/f by 3\n");
	begin(w);
	calls(w, 4, "write", "/etc/f", NULL, THERE);
	mk_file(w->box, "1/root/etc/f", "other", 0644);
	finish(w);
	record_is(w, 2, "changed /etc/f by 4\n");
}

static void test_socket_file_is_explained_by_bind(void **state)
{
	struct world *w = *state;
	struct event ev = { .kind = EV_SOCKET, .proc = 6 };

	mk_dir(w->box, "1/root/etc", 0755);
	begin(w);
	ev.v[EV_AT(SOCKET, OP)] = V_Z("bind");
	ev.v[EV_AT(SOCKET, FAMILY)] = V_Z("unix");
	ev.v[EV_AT(SOCKET, ADDRESS)] = V_Z("relative/s.sock");
	put_event(w, &ev);
	assert_int_equal(mknod(place(w->box, "1/root/etc/s.sock"), S_IFSOCK | 0600, 0), 0);
	finish(w);
	record_is(w, 1, "added /etc/s.sock by 6\n");
}

static void test_what_belljar_made_itself_is_process_zero(void **state)
{
	struct world *w = *state;
	struct event ev = { .kind = EV_MARK };

	mk_dir(w->box, "1/root/mountpoint", 0755); /* before the run */
	usleep(15000);
	begin(w);
	ev.v[EV_AT(MARK, NAME)] = V_Z("copied-in");
	ev.v[EV_AT(MARK, DETAIL)] = V_Z("/home/user/setup.run");
	put_event(w, &ev);
	mk_file(w->box, "1/root/home/user/setup.run", "#!", 0755);
	finish(w);
	record_is(w, 1,
		  "added /home by 0\nadded /home/user by 0\nadded /home/user/setup.run by 0\n"
		  "object /home/user/setup.run kept 1\n");
}

/* ---- several runs on one layer -------------------------------------------------------------- */

static void test_later_run_tells_only_what_it_did(void **state)
{
	struct world *w = *state;

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	calls(w, 3, "create", "/etc/b", NULL, FRESH);
	calls(w, 3, "create", "/etc/c", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	mk_file(w->box, "1/root/etc/b", "x", 0644);
	mk_file(w->box, "1/root/etc/c", "moving bytes", 0644);
	finish(w);
	begin(w);
	calls(w, 8, "write", "/etc/a", NULL, THERE);
	calls(w, 8, "unlink", "/etc/b", NULL, THERE);
	calls(w, 9, "rename", "/etc/c", "/etc/d", THERE);
	mk_file(w->box, "1/root/etc/a", "y", 0644);
	assert_int_equal(unlink(place(w->box, "1/root/etc/b")), 0);
	assert_int_equal(rename(place(w->box, "1/root/etc/c"), place(w->box, "1/root/etc/d")), 0);
	finish(w);
	begin(w);
	finish(w);
	record_is(w, 2,
		  "changed /etc/a by 8\nmoved /etc/d from /etc/c by 9\nremoved /etc/b by 8\n");
	record_is(w, 3, "");
}

static void test_what_comes_back_is_told_once(void **state)
{
	struct world *w = *state;

	mk_file(w->box, "0/root/etc/a", "base", 0644);
	mk_file(w->box, "0/root/etc/b", "base b", 0644);
	begin(w);
	calls(w, 3, "unlink", "/etc/a", NULL, THERE);
	calls(w, 3, "write", "/etc/b", NULL, THERE);
	mk_whiteout(w->box, "1/root/etc/a");
	mk_file(w->box, "1/root/etc/b", "other", 0644);
	finish(w);
	begin(w);
	calls(w, 4, "create", "/etc/a", NULL, FRESH);
	calls(w, 4, "write", "/etc/b", NULL, THERE);
	assert_int_equal(unlink(place(w->box, "1/root/etc/a")), 0);
	mk_file(w->box, "1/root/etc/a", "base", 0644);
	mk_file(w->box, "1/root/etc/b", "base b", 0644);
	finish(w);
	begin(w);
	finish(w);
	record_is(w, 1, "removed /etc/a by 3\nchanged /etc/b by 3\n");
	record_is(w, 2, "added /etc/a by 4\nchanged /etc/b by 4\n");
	record_is(w, 3, "");
}

static void test_run_that_was_killed_still_explains_its_changes(void **state)
{
	struct world *w = *state;

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	killed(w);
	begin(w);
	calls(w, 5, "create", "/etc/b", NULL, FRESH);
	mk_file(w->box, "1/root/etc/b", "y", 0644);
	finish(w);
	record_is(w, 2, "added /etc/a by 3\nadded /etc/b by 5\n");
}

static void test_what_is_set_up_after_a_killed_run_is_no_change(void **state)
{
	struct world *w = *state;
	int64_t setup;

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	/* nobody knows whether this was done before the program died */
	mk_file(w->box, "1/root/etc/swapped", "x", 0644);
	killed(w);
	setup = (int64_t)clock_real_ns();
	usleep(15000);
	mk_file(w->box, "1/root/etc/authority", "of belljar", 0644);
	usleep(15000);
	begin_setup(w, setup);
	finish(w);
	record_is(w, 2,
		  "truth-without-intent /etc/swapped\nadded /etc/a by 3\nadded /etc/swapped\n");
	begin(w);
	finish(w);
	record_is(w, 3, "");
}

static void test_rollback_makes_old_rows_void(void **state)
{
	struct world *w = *state;
	struct event ev = { .kind = EV_MARK };

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	finish(w);
	assert_int_equal(unlink(place(w->box, "1/root/etc/a")), 0);
	begin(w); /* the journal must be open to hold the mark */
	ev.v[EV_AT(MARK, NAME)] = V_Z("rollback");
	put_event(w, &ev);
	killed(w);
	begin(w);
	calls(w, 9, "create", "/etc/a", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "x", 0644);
	finish(w);
	record_is(w, 3, "added /etc/a by 9\n");
}

/* ---- mismatches ----------------------------------------------------------------------------- */

static void test_file_that_no_call_names_is_a_mismatch(void **state)
{
	struct world *w = *state;

	begin(w);
	calls(w, 3, "create", "/etc/named", NULL, FRESH);
	mk_file(w->box, "1/root/etc/named", "x", 0644);
	mk_file(w->box, "1/root/etc/swapped", "x", 0644);
	finish(w);
	record_is(w, 1,
		  "truth-without-intent /etc/swapped\nadded /etc/named by 3\n"
		  "added /etc/swapped\n");
}

static void test_swapped_path_is_seen_from_both_ends(void **state)
{
	struct world *w = *state;

	mk_dir(w->box, "1/root/etc", 0755);
	begin(w);
	calls(w, 3, "create", "/etc/announced", NULL, FRESH);
	calls(w, 3, "mkdir", "/etc/dir-that-failed", NULL, FRESH); /* another kind: no evidence */
	calls(w, 3, "create", "/etc/came-and-went", NULL, FRESH);
	calls(w, 3, "unlink", "/etc/came-and-went", NULL, THERE);
	calls(w, 3, "create", "/etc/refused", NULL, (struct extra){ .answer = "refused" });
	calls(w, 3, "create", "/proc/sys/x", NULL, FRESH);
	mk_file(w->box, "1/root/etc/swapped", "x", 0644);
	finish(w);
	record_is(w, 1,
		  "truth-without-intent /etc/swapped\nintent-without-truth /etc/announced\n"
		  "added /etc/swapped\n");
}

static void test_failing_calls_of_ordinary_software_are_no_mismatch(void **state)
{
	struct world *w = *state;

	mk_dir(w->box, "0/root/etc/there", 0755);
	begin(w);
	calls(w, 3, "mkdir", "/etc/there", NULL, THERE);
	calls(w, 3, "mkdir", "/no/such/parent/dir", NULL, FRESH);
	calls(w, 3, "create", "/usr/closed/file", NULL, FRESH);
	calls(w, 3, "unlink", "/etc/never", NULL, FRESH);
	calls(w, 3, "rename", "/etc/never", "/etc/never2", FRESH);
	calls(w, 3, "create", "/proc/self/attr/exec", NULL, UNKNOWN);
	calls(w, 3, "symlink", "/etc/lost", "target", FRESH);
	calls(w, 3, "chown", "/etc/there", NULL, (struct extra){ .answer = "claimed" });
	finish(w);
	record_is(w, 1, "");
}

static void test_names_through_proc_explain_only_what_they_can_mean(void **state)
{
	struct world *w = *state;

	mk_dir(w->box, "0/root/etc/d", 0755);
	mk_dir(w->box, "1/root/etc", 0755);
	begin(w);
	calls(w, 3, "chmod", "/proc/thread-self/fd/7", NULL, UNKNOWN);
	calls(w, 4, "create", "/proc/self/fd/5/name", NULL, UNKNOWN);
	mk_dir(w->box, "1/root/etc/d", 0700);
	mk_file(w->box, "1/root/etc/name", "x", 0644);
	mk_file(w->box, "1/root/etc/eman", "x", 0644);
	finish(w);
	record_is(w, 1,
		  "truth-without-intent /etc/eman\nmeta /etc/d by 3\nadded /etc/eman\n"
		  "added /etc/name by 4\n");
}

/* ---- objects and autostart ------------------------------------------------------------------ */

static void test_programs_are_kept_once_under_their_hash(void **state)
{
	struct world *w = *state;
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX];
	struct stat st;

	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	calls(w, 3, "create", "/etc/b", NULL, FRESH);
	calls(w, 3, "create", "/etc/text", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "#!/bin/sh\n", 0644);
	mk_file(w->box, "1/root/etc/b", "#!/bin/sh\n", 0644);
	mk_file(w->box, "1/root/etc/text", "text\n", 0644);
	finish(w);
	record_is(w, 1,
		  "added /etc/a by 3\nadded /etc/b by 3\nadded /etc/text by 3\n"
		  "object /etc/a kept 1\n");
	sha256_once("#!/bin/sh\n", 10, sum);
	hex_encode(sum, sizeof(sum), hex);
	{
		cleanup_free char *path =
			xasprintf("%s/objects/%.2s/%s", w->box->path, hex, hex + 2);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 10);
		assert_int_equal(st.st_mode & 07777, 0400);
	}
}

static void test_object_over_the_total_is_told_and_not_kept(void **state)
{
	struct world *w = *state;
	char total[32];

	assert_int_equal(mkdirat(w->box->fd, "objects", 0700), 0);
	snprintf(total, sizeof(total), "%llu\n", OBJECTS_TOTAL_MAX - 3);
	assert_int_equal(write_file_at(w->box->fd, "objects/total", 0600, total, strlen(total)), 0);
	begin(w);
	calls(w, 3, "create", "/etc/a", NULL, FRESH);
	mk_file(w->box, "1/root/etc/a", "#!/bin/sh\n", 0644);
	finish(w);
	record_is(w, 1, "added /etc/a by 3\nobject /etc/a kept 0\n");
}

static void test_autostart_entry_has_its_writer_and_is_told_once(void **state)
{
	struct world *w = *state;

	fake_entry = "/opt/agent";
	begin(w);
	calls(w, 3, "mkdir", "/etc/cron.d", NULL, FRESH);
	calls(w, 4, "create", "/etc/cron.d/job", NULL, FRESH);
	mk_file(w->box, "1/root/etc/cron.d/job", "* * * * * root /opt/agent\n", 0644);
	finish(w);
	begin(w);
	finish(w);
	fake_entry = NULL;
	begin(w);
	calls(w, 5, "unlink", "/etc/cron.d/job", NULL, THERE);
	assert_int_equal(unlink(place(w->box, "1/root/etc/cron.d/job")), 0);
	finish(w);
	record_is(w, 1,
		  "added /etc/cron.d by 3\nadded /etc/cron.d/job by 4\n"
		  "autostart added /opt/agent by 4\n");
	record_is(w, 2, "");
	record_is(w, 3, "removed /etc/cron.d/job by 5\nautostart removed /opt/agent by 5\n");
}

static void test_two_entries_of_one_name_are_told_once_each(void **state)
{
	struct world *w = *state;

	fake_entry = "/opt/agent";
	fake_twin = "/opt/other";
	begin(w);
	calls(w, 3, "mkdir", "/etc/cron.d", NULL, FRESH);
	calls(w, 4, "create", "/etc/cron.d/job", NULL, FRESH);
	mk_file(w->box, "1/root/etc/cron.d/job", "* * * * * root /opt/agent\n", 0644);
	finish(w);
	begin(w);
	finish(w);
	fake_entry = fake_twin = NULL;
	begin(w);
	calls(w, 5, "unlink", "/etc/cron.d/job", NULL, THERE);
	assert_int_equal(unlink(place(w->box, "1/root/etc/cron.d/job")), 0);
	finish(w);
	record_is(w, 1,
		  "added /etc/cron.d by 3\nadded /etc/cron.d/job by 4\n"
		  "autostart added /opt/other by 4\nautostart added /opt/agent by 4\n");
	record_is(w, 2, "");
	record_is(w, 3,
		  "removed /etc/cron.d/job by 5\n"
		  "autostart removed /opt/other by 5\nautostart removed /opt/agent by 5\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		T(test_last_call_that_touched_a_path_is_its_writer),
		T(test_calls_through_links_find_the_file),
		T(test_rename_of_a_folder_explains_what_is_in_it),
		T(test_removed_and_moved_files_have_their_caller),
		T(test_write_through_one_hard_link_explains_the_other),
		T(test_claimed_owner_has_its_writer),
		T(test_socket_file_is_explained_by_bind),
		T(test_what_belljar_made_itself_is_process_zero),
		T(test_later_run_tells_only_what_it_did),
		T(test_what_comes_back_is_told_once),
		T(test_run_that_was_killed_still_explains_its_changes),
		T(test_what_is_set_up_after_a_killed_run_is_no_change),
		T(test_rollback_makes_old_rows_void),
		T(test_file_that_no_call_names_is_a_mismatch),
		T(test_swapped_path_is_seen_from_both_ends),
		T(test_failing_calls_of_ordinary_software_are_no_mismatch),
		T(test_names_through_proc_explain_only_what_they_can_mean),
		T(test_programs_are_kept_once_under_their_hash),
		T(test_object_over_the_total_is_told_and_not_kept),
		T(test_autostart_entry_has_its_writer_and_is_told_once),
		T(test_two_entries_of_one_name_are_told_once_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
