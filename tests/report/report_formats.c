// SPDX-License-Identifier: Apache-2.0
/*
 * report_formats.c - the whole report in its three formats: true, complete, and safe to open
 */
#include <signal.h>
#include <sqlite3.h>

#include "common.h"
#include "journal/chain.h"
#include "journal/schema.h"

static struct report_opts as(enum report_format format)
{
	return (struct report_opts){ .format = format };
}

static json_t *json_report(const struct fixture *f, struct report_opts o)
{
	cleanup_buf struct buf out = { 0 };

	o.format = REPORT_JSON;
	report_of(f, o, &out);
	return parse_json(out.p, out.n);
}

static json_int_t figure(json_t *report, const char *name, const char *of)
{
	json_t *v = json_object_get(json_object_get(report, "figures"), name);

	if (of)
		v = json_object_get(v, of);
	if (!json_is_integer(v))
		fail_msg("no figure %s", name);
	return json_integer_value(v);
}

static void test_figures_equal_the_counts_in_the_journal(void **state UNUSED)
{
	static const struct {
		const char *name, *of, *sql;
	} figures[] = {
		{ "events", NULL, "SELECT count(*) FROM events" },
		{ "runs", NULL, "SELECT count(*) FROM run_begin" },
		{ "processes", NULL, "SELECT count(DISTINCT proc) FROM process" },
		{ "programs_started", NULL, "SELECT count(*) FROM process WHERE op='exec'" },
		{ "programs_different", NULL,
		  "SELECT count(DISTINCT image) FROM process WHERE op='exec'" },
		{ "left_running", NULL, "SELECT sum(left_running) FROM run_end" },
		{ "files", "added",
		  "SELECT count(*) FROM change WHERE op='added' AND type<>'dir'" },
		{ "files", "changed",
		  "SELECT count(*) FROM change WHERE op='changed' AND type<>'dir'" },
		{ "files", "removed",
		  "SELECT count(*) FROM change WHERE op='removed' AND type<>'dir'" },
		{ "folders", "added",
		  "SELECT count(*) FROM change WHERE op='added' AND type='dir'" },
		{ "setid_files", NULL,
		  "SELECT count(*) FROM change WHERE op<>'removed' AND type='file' AND mode & "
		  "3072" },
		{ "autostart_entries", NULL, "SELECT count(*) FROM autostart" },
		{ "autostart_new", NULL,
		  "SELECT count(*) FROM autostart WHERE op IN ('added','changed') AND command "
		  "NOT IN ('masked', 'stop in runlevel 0', '" AUTOSTART_ASLEEP "')" },
		{ "attempts_out", NULL,
		  "SELECT count(*) FROM socket WHERE op IN ('connect','sendto') AND "
		  "answer='refused'" },
		{ "listens", NULL, "SELECT count(*) FROM socket WHERE op='listen'" },
		{ "stayed_local", NULL,
		  "SELECT count(*) FROM socket WHERE answer='local' OR address LIKE '127.%'" },
		{ "wall_calls", NULL, "SELECT count(*) FROM attempt" },
		{ "wall_refused", NULL, "SELECT count(*) FROM attempt WHERE answer='refused'" },
		{ "wall_claimed", NULL, "SELECT count(*) FROM attempt WHERE answer='claimed'" },
		{ "signals", NULL, "SELECT count(*) FROM signal WHERE signal<>0" },
		{ "gaps", NULL, "SELECT count(*) FROM gap" },
		{ "limits", NULL, "SELECT count(*) FROM \"limit\"" },
		{ "mismatches", NULL, "SELECT count(*) FROM mismatch" },
		{ "events_by_kind", "file", "SELECT count(*) FROM file" },
	};

	for (int hostile = 0; hostile < 2; hostile++) {
		struct fixture *f = fixture_story(hostile);
		json_t *report = json_report(f, as(REPORT_JSON));

		for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
			json_int_t is = figure(report, figures[i].name, figures[i].of);

			if (is != sql_number(f, figures[i].sql))
				fail_msg("%s: %lld", figures[i].name, (long long)is);
		}
		json_decref(report);
		fixture_close(f);
	}
}

static void test_sections_add_up_to_the_figures(void **state UNUSED)
{
	static const char *const sections[][2] = { { "out", "attempts_out" },
						   { "walls", "wall_calls" },
						   { "local", "stayed_local" },
						   { "listens", "listens" },
						   { "signals", "signals" } };
	struct fixture *f = fixture_story(true);
	json_t *report = json_report(f, as(REPORT_JSON)), *row;
	size_t i, k;

	for (k = 0; k < sizeof(sections) / sizeof(sections[0]); k++) {
		json_t *rows = json_object_get(json_object_get(report, sections[k][0]), "rows");
		json_int_t sum = 0;

		json_array_foreach(rows, i, row) sum +=
			json_integer_value(json_object_get(row, "times"));
		assert_int_equal(sum, figure(report, sections[k][1], NULL));
	}
	json_t *rows = json_object_get(json_object_get(report, "processes"), "rows");
	json_int_t processes = 0;

	json_array_foreach(rows, i, row) processes +=
		json_integer_value(json_object_get(row, "times"));
	assert_int_equal(processes, figure(report, "processes", NULL));
	json_decref(report);
	fixture_close(f);
}

static void test_summary_says_the_figures_in_words(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	cleanup_buf struct buf out = { 0 };
	const char *p;

	report_of(f, as(REPORT_TEXT), &out);
	p = buf_z(&out);
	assert_non_null(
		strstr(p, "On 23 November 2026, 19:24:01 UTC, ./setup.run --accept-licence"));
	assert_non_null(strstr(p, "50 programs were started (6 different ones, in 50 processes)"));
	assert_non_null(strstr(p, "44 files were added (and 1 folder), 2 changed, 1 removed"));
	assert_non_null(strstr(p, "1 entry makes something start by itself"));
	assert_non_null(strstr(p, "7 attempts were made to reach something outside the box. All "
				  "were refused"));
	assert_non_null(strstr(p, "1 process was still running when the box was closed"));
	fixture_close(f);
}

static bool has_look(json_t *report, const char *id, json_int_t total)
{
	json_t *looks = json_object_get(report, "look_first"), *k;
	size_t i;

	json_array_foreach(looks, i, k)
	{
		if (strcmp(json_string_value(json_object_get(k, "id")), id))
			continue;
		assert_true(strlen(json_string_value(json_object_get(k, "why"))) > 20);
		assert_true(strlen(json_string_value(json_object_get(k, "innocent"))) > 20);
		assert_int_equal(json_integer_value(json_object_get(k, "total")), total);
		return true;
	}
	return false;
}

static void test_what_stays_or_reaches_out_is_looked_at_first(void **state UNUSED)
{
	static const struct {
		const char *id;
		int total;
	} looks[] = { { "autostart", 1 },
		      { "setid", 1 },
		      { "users", 1 },
		      { "trust", 1 },
		      { "network-settings", 1 },
		      { "dropped", 1 },
		      { "no-file", 1 },
		      { "left-running", 1 },
		      { "out", 3 },
		      { "listens", 1 },
		      { "walls", 2 } };
	struct fixture *f = fixture_story(false);
	json_t *report = json_report(f, as(REPORT_JSON));

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		if (!has_look(report, looks[i].id, looks[i].total))
			fail_msg("nothing on %s", looks[i].id);
	assert_false(has_look(report, "unseen", 0));
	json_decref(report);
	fixture_close(f);
}

static void test_a_quiet_run_has_nothing_to_look_at(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	json_t *report;

	story_run(&s, "true");
	story_fork(&s, 1, 0);
	story_exec(&s, 1, "/usr/bin/true", "true", NULL);
	story_exit(&s, 1, 0, 0);
	story_end(&s, 0, 0);
	fixture_seal(f);
	report = json_report(f, as(REPORT_JSON));
	assert_int_equal(json_array_size(json_object_get(report, "look_first")), 0);
	assert_true(json_is_true(json_object_get(report, "everything_seen")));
	json_decref(report);
	fixture_close(f);
}

/* ---- what was not seen -------------------------------------------------------------------- */

static void check_seen(enum event_kind kind, bool end, bool seen)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	json_t *report;

	story_run(&s, "true");
	story_fork(&s, 1, 0);
	story_exec(&s, 1, "/usr/bin/true", "true", NULL);
	if (kind)
		story_plain(&s, kind, "trace", "something");
	story_exit(&s, 1, 0, 0);
	if (end)
		story_end(&s, 0, 0);
	fixture_seal(f);
	report = json_report(f, as(REPORT_JSON));
	assert_int_equal(json_is_true(json_object_get(report, "everything_seen")), seen);
	json_decref(report);
	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf out = { 0 };

		report_of(f, as((enum report_format)format), &out);
		assert_int_equal(!!strstr(buf_z(&out), "Everything was seen"), seen);
		assert_int_equal(!!strstr(buf_z(&out), "NOT everything is certain"), !seen);
	}
	fixture_close(f);
}

static void test_everything_seen_is_said_only_when_it_was(void **state UNUSED)
{
	check_seen(EV_NONE, true, true);
	check_seen(EV_MARK, true, true);
	check_seen(EV_LIMIT, true, true);
	check_seen(EV_GAP, true, false);
	check_seen(EV_MISMATCH, true, false);
	check_seen(EV_NONE, false, false);
}

static void test_events_of_a_killed_writer_are_in_the_report(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct err err = { 0 };
	int status;
	pid_t pid;

	assert_ok(journal_close(f->j, &err));
	f->j = NULL;
	pid = fork();
	if (!pid) {
		struct journal *j;
		struct story s = { 0 };

		if (journal_open(f->dirfd, f->dir, &j, &err))
			_exit(1);
		s.j = j;
		story_run(&s, "./setup.run");
		story_fork(&s, 1, 0);
		if (journal_sync(j, &err))
			_exit(1);
		story_exec(&s, 1, "/usr/bin/true", "late-argument", NULL);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf out = { 0 };

		report_of(f, as((enum report_format)format), &out);
		assert_non_null(strstr(buf_z(&out), "late-argument"));
		assert_non_null(strstr(buf_z(&out), "NOT everything is certain"));
	}
	json_t *report = json_report(f, as(REPORT_JSON));

	assert_int_equal(figure(report, "programs_started", NULL), 1);
	assert_int_equal(figure(report, "events", NULL), 3);
	json_decref(report);
	fixture_close(f);
}

/* ---- safe to open ------------------------------------------------------------------------- */

/* As an older belljar would have left it: a table and a column fewer, signed so. */
static void make_older(struct fixture *f)
{
	struct err err = { 0 };
	struct chain_key key;
	struct head head;
	cleanup_free char *text = NULL;
	char *why = NULL;
	sqlite3 *db;
	size_t n = 0;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	if (sqlite3_exec(db,
			 "DROP VIEW events; DROP VIEW image_load; DROP VIEW process_creation;"
			 "DROP TABLE module; DROP TABLE mismatch;"
			 "ALTER TABLE process DROP COLUMN cause",
			 NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	assert_ok(key_load(f->dir, &key, &err));
	assert_int_equal(read_file_at(f->dirfd, "journal.head", HEAD_MAX, &text, &n), 0);
	assert_int_equal(head_parse(text, n, &head), 0);
	assert_ok(schema_hash(db, head.schema, &err));
	sqlite3_close(db);
	assert_int_equal(head_make(f->dirfd, &head, &key), 0);
	key_free(&key);
}

static void test_an_older_journal_is_reported_as_it_is(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	cleanup_buf struct buf text = { 0 }, html = { 0 };
	json_t *before = json_report(f, (struct report_opts){ 0 }), *after;

	make_older(f);
	after = json_report(f, (struct report_opts){ 0 });
	assert_int_equal(figure(after, "processes", NULL), figure(before, "processes", NULL));
	report_of(f, as(REPORT_TEXT), &text);
	report_of(f, as(REPORT_HTML), &html);
	assert_non_null(memmem(html.p, html.n, "</html>", 7));
	json_decref(before);
	json_decref(after);
	fixture_close(f);
}

static void test_hostile_names_are_raw_in_no_format(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);

	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf out = { 0 };

		report_of(f, as((enum report_format)format), &out);
		assert_no_raw_bytes(&out);
		if (format == REPORT_TEXT)
			continue;
		assert_null(strstr(buf_z(&out), "</script"));
		assert_null(strstr(buf_z(&out), "<script"));
		assert_null(strstr(buf_z(&out), "<img"));
	}
	fixture_close(f);
}

static void test_a_hostile_title_is_harmless_too(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);

	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf out = { 0 };
		struct report_opts o = as((enum report_format)format);

		o.title = "a\033[2J</title><script>\xff";
		report_of(f, o, &out);
		assert_no_raw_bytes(&out);
		if (format != REPORT_TEXT)
			assert_null(strstr(buf_z(&out), "<script"));
	}
	fixture_close(f);
}

static void test_colour_is_ours_alone_and_only_when_asked_for(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);
	struct report_opts o = { .format = REPORT_TEXT, .colour = true };
	cleanup_buf struct buf plain = { 0 }, coloured = { 0 }, bare = { 0 };

	report_of(f, as(REPORT_TEXT), &plain);
	report_of(f, o, &coloured);
	assert_null(memchr(plain.p, '\033', plain.n));
	assert_non_null(memchr(coloured.p, '\033', coloured.n));
	for (size_t i = 0; i < coloured.n; i++) {
		if (coloured.p[i] == '\033')
			i += strcspn(coloured.p + i, "m");
		else
			buf_add(&bare, coloured.p + i, 1);
	}
	assert_true(str_eq((struct str){ bare.p, bare.n }, (struct str){ plain.p, plain.n }));
	fixture_close(f);
}

/* ---- the page ----------------------------------------------------------------------------- */

struct page {
	char tag[256][16]; /* open elements */
	int depth;
	json_t *ids, *links;
};

static void attribute(struct page *g, const char *name, size_t n, const char *value, size_t len)
{
	if (!strncmp(name, "src", n) || !strncmp(name, "srcset", n) ||
	    !strncmp(name, "onclick", n < 2 ? n : 2) || !strncmp(name, "action", n))
		fail_msg("attribute %.*s", (int)n, name);
	if (n == 4 && !strncmp(name, "href", 4)) {
		assert_int_equal(value[0], '#');
		json_object_setn_new(g->links, value + 1, len - 1, json_true());
	}
	if (n == 2 && !strncmp(name, "id", 2)) {
		assert_null(json_object_getn(g->ids, value, len));
		json_object_setn_new(g->ids, value, len, json_true());
	}
	assert_null(memmem(value, len, "http:", 5));
	assert_null(memmem(value, len, "https:", 6));
	assert_null(memmem(value, len, "url(", 4));
}

/* One tag at p, after '<'. Return: what follows its '>' */
static const char *element(struct page *g, const char *p)
{
	static const char *const empty[] = { "meta", "rect", "line", "path", "circle", "link" };
	bool closing = *p == '/';
	char tag[16] = "";
	size_t n;

	p += closing;
	n = strcspn(p, " \n/>");
	assert_true(n > 0 && n < sizeof(tag));
	memcpy(tag, p, n);
	assert_string_not_equal(tag, "script");
	assert_string_not_equal(tag, "link");
	assert_string_not_equal(tag, "img");
	assert_string_not_equal(tag, "iframe");
	for (p += n; *p != '>' && *p != '/';) {
		size_t name_len, len;
		const char *name;

		p += strspn(p, " \n");
		if (*p == '>' || *p == '/')
			break;
		name = p;
		name_len = strcspn(p, "= >/");
		p += name_len;
		if (*p != '=')
			continue;
		assert_int_equal(p[1], '"');
		len = strcspn(p + 2, "\"");
		attribute(g, name, name_len, p + 2, len);
		p += 2 + len + 1;
	}
	if (closing) {
		assert_true(g->depth > 0);
		g->depth--;
		if (strcmp(g->tag[g->depth], tag))
			fail_msg("<%s> is closed by </%s>", g->tag[g->depth], tag);
	} else if (*p != '/' && strcmp(tag, empty[0])) {
		assert_true(g->depth < 256);
		strcpy(g->tag[g->depth++], tag);
	}
	return p + (*p == '/') + 1;
}

static void check_page(const struct buf *b)
{
	struct page g = { .ids = json_object(), .links = json_object() };
	const char *p = strchr(b->p, '\n'); /* after the doctype */
	const char *key;
	json_t *v;

	assert_int_equal(strncmp(b->p, "<!DOCTYPE html>\n", 16), 0);
	while ((p = strchr(p, '<'))) {
		p = element(&g, p + 1);
		if (g.depth && !strcmp(g.tag[g.depth - 1], "style"))
			p = strstr(p, "</style>");
	}
	assert_int_equal(g.depth, 0);
	json_object_foreach(g.links, key, v)
	{
		if (!json_object_get(g.ids, key))
			fail_msg("a link to #%s leads nowhere", key);
	}
	assert_true(json_object_size(g.links) > 10);
	json_decref(g.ids);
	json_decref(g.links);
}

static void test_the_page_is_whole_loads_nothing_and_its_links_lead_somewhere(void **state UNUSED)
{
	for (int hostile = 0; hostile < 2; hostile++) {
		struct fixture *f = fixture_story(hostile);
		cleanup_buf struct buf out = { 0 };

		report_of(f, as(REPORT_HTML), &out);
		buf_z(&out);
		check_page(&out);
		assert_non_null(strstr(out.p, "default-src 'none'; style-src 'unsafe-inline'"));
		assert_null(strstr(out.p, "@import"));
		fixture_close(f);
	}
}

static void test_a_large_record_links_to_the_events_it_names(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	cleanup_buf struct buf out = { 0 };

	story_run(&s, "./setup.run");
	story_installer(&s);
	for (int i = 0; i < 3000; i++)
		story_file(&s, 3, "write", "/tmp/x", NULL);
	story_end(&s, 0, 0);
	fixture_seal(f);
	report_of(f, as(REPORT_HTML), &out);
	buf_z(&out);
	check_page(&out);
	assert_non_null(strstr(out.p, "these are the ones that this page refers to"));
	fixture_close(f);
}

/* ---- bounds and repetition ---------------------------------------------------------------- */

static void test_the_same_journal_gives_the_same_bytes(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);

	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf a = { 0 }, b = { 0 };

		report_of(f, as((enum report_format)format), &a);
		report_of(f, as((enum report_format)format), &b);
		assert_true(str_eq((struct str){ a.p, a.n }, (struct str){ b.p, b.n }));
	}
	fixture_close(f);
}

static void test_rows_beyond_the_limit_are_counted(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	struct report_opts o = { .format = REPORT_TEXT, .rows_max = 2 };
	cleanup_buf struct buf out = { 0 };
	json_t *report = json_report(f, o);

	report_of(f, o, &out);
	assert_non_null(strstr(buf_z(&out), "… and 47 more changes"));
	assert_non_null(strstr(out.p, "… and 48 more processes that are not shown here"));
	assert_int_equal(figure(report, "files", "added"), 44);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(report, "changes"), "rows")), 2);
	json_decref(report);
	fixture_close(f);
}

static void test_one_run_of_several_stands_alone(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct report_opts second = { .run = 2 }, third = { .run = 3, .title = "x" };
	struct story s = { .j = f->j };
	struct err err = { 0 };
	json_t *report;

	for (uint32_t run = 1; run <= 2; run++) {
		story_run(&s, run == 1 ? "./alpha" : "./beta");
		for (uint32_t k = 0; k < run; k++) {
			story_fork(&s, run * 10 + k, 0);
			story_exec(&s, run * 10 + k, "/bin/x", run == 1 ? "one" : "two", NULL);
			story_exit(&s, run * 10 + k, 0, 0);
		}
		story_end(&s, 0, 0);
	}
	fixture_seal(f);
	report = json_report(f, (struct report_opts){ 0 });
	assert_int_equal(figure(report, "programs_started", NULL), 3);
	assert_int_equal(figure(report, "runs", NULL), 2);
	json_decref(report);
	report = json_report(f, second);
	assert_int_equal(figure(report, "programs_started", NULL), 2);
	assert_int_equal(figure(report, "runs", NULL), 1);
	json_decref(report);
	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		cleanup_buf struct buf out = { 0 };

		second.format = (enum report_format)format;
		report_of(f, second, &out);
		assert_null(strstr(buf_z(&out), "alpha"));
		assert_null(strstr(out.p, ">one<"));
	}
	struct journal_reader *r = reader_of(f);

	assert_int_equal(report_write(r, &third, -1, &err), -ENOENT);
	assert_int_equal(err.exit, EXIT_NO_BOX);
	journal_read_close(r);
	fixture_close(f);
}

static void test_a_deep_chain_of_forks_is_counted_not_followed(void **state UNUSED)
{
	enum { DEEP = 20000 };
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	json_t *report;

	story_run(&s, "./chain");
	for (uint32_t k = 1; k <= DEEP; k++)
		story_fork(&s, k, k - 1);
	story_end(&s, 0, 0);
	fixture_seal(f);
	report = json_report(f, as(REPORT_JSON));
	assert_int_equal(figure(report, "processes", NULL), DEEP);
	json_t *p = json_object_get(report, "processes");

	assert_true(json_array_size(json_object_get(p, "rows")) < 100);
	assert_int_equal(json_integer_value(json_object_get(p, "not_shown")) +
				 (json_int_t)json_array_size(json_object_get(p, "rows")),
			 DEEP);
	json_decref(report);
	cleanup_buf struct buf out = { 0 };

	report_of(f, as(REPORT_HTML), &out);
	buf_z(&out);
	check_page(&out);
	fixture_close(f);
}

static void test_an_unwritable_output_is_one_sentence(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	struct journal_reader *r = reader_of(f);
	struct report_opts o = { .format = REPORT_TEXT, .title = "x" };
	struct journal_filter all = { 0 };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err err = { 0 };

	assert_true(full >= 0);
	assert_int_equal(report_write(r, &o, full, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "write the report"));
	err = (struct err){ 0 };
	assert_int_equal(report_events(r, &all, true, false, full, &err), -ENOSPC);
	err = (struct err){ 0 };
	assert_int_equal(report_sql(r, "SELECT 1", true, full, &err), -ENOSPC);
	close(full);
	journal_read_close(r);
	fixture_close(f);
}

/* ---- locked ------------------------------------------------------------------------------- */

static int locked_child(struct fixture *f)
{
	struct journal_reader *r = reader_of(f);
	struct journal_filter all = { 0 };
	struct err err = { 0 };
	int out = new_output();

	if (lockdown_reader(&err))
		return 1;
	if (open(f->path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EPERM)
		return 2;
	if (open("/tmp/belljar-must-not-exist", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0)
		return 3;
	if (fork() >= 0)
		return 4;
	for (int format = REPORT_TEXT; format <= REPORT_HTML; format++) {
		struct report_opts o = { .format = (enum report_format)format, .title = "x" };

		if (report_write(r, &o, out, &err))
			return 5;
	}
	if (report_events(r, &all, true, false, out, &err))
		return 6;
	/* a sort that is too large for SQLite's own memory would want a file */
	if (report_sql(r,
		       "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE "
		       "i<200000) SELECT hex(randomblob(100)) AS x FROM n ORDER BY x",
		       true, out, &err))
		return 7;
	return 0;
}

static void test_a_locked_reader_can_report_and_nothing_else(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(locked_child(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access("/tmp/belljar-must-not-exist", F_OK), -1);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_equal_the_counts_in_the_journal),
		cmocka_unit_test(test_sections_add_up_to_the_figures),
		cmocka_unit_test(test_summary_says_the_figures_in_words),
		cmocka_unit_test(test_what_stays_or_reaches_out_is_looked_at_first),
		cmocka_unit_test(test_a_quiet_run_has_nothing_to_look_at),
		cmocka_unit_test(test_everything_seen_is_said_only_when_it_was),
		cmocka_unit_test(test_events_of_a_killed_writer_are_in_the_report),
		cmocka_unit_test(test_an_older_journal_is_reported_as_it_is),
		cmocka_unit_test(test_hostile_names_are_raw_in_no_format),
		cmocka_unit_test(test_a_hostile_title_is_harmless_too),
		cmocka_unit_test(test_colour_is_ours_alone_and_only_when_asked_for),
		cmocka_unit_test(test_the_page_is_whole_loads_nothing_and_its_links_lead_somewhere),
		cmocka_unit_test(test_a_large_record_links_to_the_events_it_names),
		cmocka_unit_test(test_the_same_journal_gives_the_same_bytes),
		cmocka_unit_test(test_rows_beyond_the_limit_are_counted),
		cmocka_unit_test(test_one_run_of_several_stands_alone),
		cmocka_unit_test(test_a_deep_chain_of_forks_is_counted_not_followed),
		cmocka_unit_test(test_an_unwritable_output_is_one_sentence),
		cmocka_unit_test(test_a_locked_reader_can_report_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
