// SPDX-License-Identifier: Apache-2.0
/* report_network.c - whom the programs talked to: counted, worded, drawn */
#include "common.h"

static struct fixture *network(void)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };

	story_run(&s, "/opt/tax/svm");
	story_fork(&s, 1, 0);
	story_exec(&s, 1, "/opt/tax/svm", "/opt/tax/svm", NULL);
	story_network(&s, 1);
	story_exit(&s, 1, 0, 0);
	story_end(&s, 0, 0);
	fixture_seal(f);
	return f;
}

static json_t *json_of(const struct fixture *f)
{
	cleanup_buf struct buf out = { 0 };

	report_of(f, (struct report_opts){ .format = REPORT_JSON }, &out);
	return parse_json(out.p, out.n);
}

static char *text_of(const struct fixture *f, enum report_format format, struct buf *out)
{
	report_of(f, (struct report_opts){ .format = format }, out);
	if (format == REPORT_TEXT) { /* lines are folded: words are looked for */
		size_t n = 0;

		for (size_t i = 0; i < out->n; i++) {
			char c = out->p[i] == '\n' ? ' ' : out->p[i];

			if (c != ' ' || !n || out->p[n - 1] != ' ')
				out->p[n++] = c;
		}
		out->n = n;
	}
	return buf_z(out);
}

static json_int_t figure(json_t *report, const char *name)
{
	json_t *v = json_object_get(json_object_get(report, "figures"), name);

	if (!json_is_integer(v))
		fail_msg("no figure %s", name);
	return json_integer_value(v);
}

#define NOT_NAMES "(reason IS NULL OR reason NOT LIKE 'asks for names%')"

static void test_figures_equal_the_counts_in_the_journal(void **state UNUSED)
{
	static const struct {
		const char *name, *sql;
	} figures[] = {
		{ "connections", "SELECT count(*) FROM flow WHERE op='begin' AND " NOT_NAMES },
		{ "connections_places",
		  "SELECT count(*) FROM (SELECT DISTINCT coalesce(name,dst),dst_port FROM flow WHERE "
		  "op='begin' AND " NOT_NAMES ")" },
		{ "connections_allowed",
		  "SELECT count(*) FROM flow WHERE op='end' AND answer='allowed' AND app<>'dns'" },
		{ "connections_sinkhole",
		  "SELECT count(*) FROM flow WHERE op='end' AND answer='sinkhole'" },
		{ "connections_refused",
		  "SELECT count(*) FROM flow WHERE op='end' AND answer='refused'" },
		{ "network_bytes_out", "SELECT sum(bytes_out) FROM flow WHERE app IS NOT 'dns'" },
		{ "network_bytes_in", "SELECT sum(bytes_in) FROM flow WHERE app IS NOT 'dns'" },
		{ "name_service_flows",
		  "SELECT count(*) FROM flow WHERE op='begin' AND NOT " NOT_NAMES },
		{ "canaries_sent", "SELECT count(*) FROM canary" },
		{ "names_asked", "SELECT count(*) FROM dns WHERE op='query'" },
		{ "web_requests", "SELECT count(*) FROM http WHERE op='request'" },
		{ "certificates_not_verified",
		  "SELECT count(*) FROM tls WHERE op='certificate' AND verdict<>'ok'" },
		{ "pinned", "SELECT count(*) FROM tls WHERE op='alert' AND side='box'" },
		{ "other_protocols", "SELECT count(*) FROM banner WHERE mismatch" },
	};
	struct fixture *f = network();
	json_t *report = json_of(f), *row;
	json_int_t sum = 0, canaries = 0;
	size_t i;

	for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (figure(report, figures[i].name) != sql_number(f, figures[i].sql))
			fail_msg("%s: %lld", figures[i].name,
				 (long long)figure(report, figures[i].name));
	json_array_foreach(json_object_get(json_object_get(report, "net"), "rows"), i, row)
	{
		sum += json_integer_value(json_object_get(row, "connections"));
		canaries += json_integer_value(json_object_get(row, "canaries"));
	}
	assert_int_equal(sum, figure(report, "connections"));
	assert_int_equal(canaries, 2);
	json_decref(report);
	fixture_close(f);
}

static void test_what_went_out_is_said_first(void **state UNUSED)
{
	static const struct {
		const char *id;
		json_int_t total;
	} looks[] = {
		{ "canaries", 2 },   { "out", 7 },    { "other-protocol", 1 },
		{ "unverified", 1 }, { "pinned", 1 },
	};
	struct fixture *f = network();
	json_t *report = json_of(f), *list = json_object_get(report, "look_first");
	json_t *first = json_array_get(json_object_get(json_object_get(report, "net"), "rows"), 0);

	assert_int_equal(json_array_size(list), sizeof(looks) / sizeof(looks[0]));
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *k = json_array_get(list, i);

		assert_string_equal(json_string_value(json_object_get(k, "id")), looks[i].id);
		assert_int_equal(json_integer_value(json_object_get(k, "total")), looks[i].total);
	}
	/* the place that got them leads the table */
	assert_string_equal(json_string_value(json_object_get(first, "name")), "www.svm.test");
	assert_string_equal(json_string_value(json_object_get(first, "first_words")),
			    "POST /register");
	assert_int_equal(json_integer_value(json_object_get(first, "connections")), 3);
	assert_int_equal(json_integer_value(json_object_get(first, "sinkhole")), 3);
	json_decref(report);
	fixture_close(f);
}

static void has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

static void test_it_is_said_in_words(void **state UNUSED)
{
	struct fixture *f = network();
	cleanup_buf struct buf out = { 0 };
	const char *p = text_of(f, REPORT_TEXT, &out);

	has(p, "WHAT IS KNOWN ONLY HERE WAS SENT OUT: 2 times");
	has(p, "9 connections were made to 7 places: 2 answered by real servers, 4 answered by");
	has(p, "WHO IT TALKED TO");
	has(p, "SENT OUT: mac, sent by svm (process 11) to www.svm.test port 9006, written as hex");
	has(p, "3 connections, 1.2 kB sent, 450 bytes received");
	has(p, "first words: POST /register; 2 values of this machine sent");
	has(p, "203.0.113.5 (an address that no name led to) port 443");
	has(p, "ssh (the port is for tls)");
	has(p, "old.test port 443: the certificate ended at 2020-01-01T00:00:00Z");
	has(p, "pin.test port 443: the program broke off with unknown_ca");
	has(p, "NAMES THAT WERE LOOKED UP");
	has(p, "svm (process 11): www.svm.test (A) — led to the box itself (sinkhole)");
	fixture_close(f);
}

static void test_the_page_has_table_and_picture(void **state UNUSED)
{
	struct fixture *f = network();
	cleanup_buf struct buf out = { 0 };
	const char *p = text_of(f, REPORT_HTML, &out);

	has(p, "<h2 id=\"h-net\">Who it talked to</h2>");
	has(p, "Timeline of run 1: connections to 7 places");
	has(p, "<circle class=\"sink\"");
	has(p, "<circle class=\"out\"");
	has(p, "<path class=\"no\"");
	has(p, "<path class=\"canary\"");
	has(p, "<span class=\"tag bad\">2 of this machine's values sent</span>");
	has(p, "<span class=\"tag bad\">not who it should be</span>");
	has(p, "<span class=\"tag hot\">does not let itself be read</span>");
	has(p, "the port is for tls");
	assert_null(strstr(p, "<script"));
	fixture_close(f);
}

static void test_the_verdict_at_the_end_counts(void **state UNUSED)
{
	struct fixture *f = network();
	json_t *report = json_of(f), *row;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(report, "net"), "rows"), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));

		if (!name || strcmp(name, "cdn.test"))
			continue;
		assert_int_equal(json_integer_value(json_object_get(row, "allowed")), 0);
		assert_int_equal(json_integer_value(json_object_get(row, "refused")), 1);
		assert_string_equal(json_string_value(json_object_get(row, "first_words")),
				    "hidden.test");
	}
	json_decref(report);
	fixture_close(f);
}

static void test_events_have_sentences(void **state UNUSED)
{
	static const struct {
		enum event_kind kind;
		const char *words;
	} all[] = {
		{ EV_FLOW,
		  "connects, tcp, to www.svm.test (198.18.0.7) port 9006 — answered by the "
		  "sinkhole: not on the list of allowed names [flow 1]" },
		{ EV_DNS, "looks up the name www.svm.test (A), asking 9.9.9.9:53" },
		{ EV_TLS, "breaks off encryption with the gate: unknown_ca (for pin.test)" },
		{ EV_HTTP, "web request POST /register of www.svm.test:9006 [flow 1]" },
		{ EV_BANNER, "speaks ssh at a port that is for tls, says first: SSH-2.0-x" },
		{ EV_CANARY, "SENT OUT a value of this machine: mac (as hex) (in http-body): "
			     "mac=020000abcdef& [flow 2]" },
	};
	struct fixture *f = network();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cleanup_buf struct buf out = { 0 };

		events_of(f, (struct journal_filter){ .kinds = 1u << all[i].kind }, false, &out);
		has(buf_z(&out), all[i].words);
	}
	fixture_close(f);
}

/* Numbers that no gate gives: nothing is lost but the tie between the rows. */
static void test_flows_without_order_are_counted_all_the_same(void **state UNUSED)
{
	static const int numbers[] = { 5, 0, -1, 1, 1, 3, 2, 2000000000 };
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	json_t *report;

	story_run(&s, "x");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		story_flow(&s, 1, numbers[i], "a.test", "198.18.0.1", 80, "sinkhole", NULL);
		story_http(&s, 1, numbers[i], "GET", "a.test", "/");
		story_canary(&s, 1, numbers[i], "user", "raw", NULL);
		story_flow_end(&s, 1, numbers[i], "http", "sinkhole", 1, 1);
	}
	story_end(&s, 0, 0);
	fixture_seal(f);
	report = json_of(f);
	assert_int_equal(figure(report, "connections"), 8);
	assert_int_equal(figure(report, "canaries_sent"), 8);
	assert_int_equal(figure(report, "network_bytes_out"), 8);
	json_decref(report);
	fixture_close(f);
}

static void test_many_places_are_bounded(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	json_t *report, *net;
	cleanup_buf struct buf page = { 0 };
	char name[32];

	story_run(&s, "x");
	for (int i = 1; i <= 700; i++) {
		snprintf(name, sizeof(name), "h%d.test", i);
		story_flow(&s, 1, i, name, "198.18.0.1", 80, "sinkhole", NULL);
	}
	story_end(&s, 0, 0);
	fixture_seal(f);
	report = json_of(f);
	net = json_object_get(report, "net");
	assert_int_equal(json_integer_value(json_object_get(net, "places")), 700);
	assert_int_equal(json_array_size(json_object_get(net, "rows")), REPORT_ROWS);
	has(text_of(f, REPORT_HTML, &page), "660 further places are left out of the picture");
	json_decref(report);
	fixture_close(f);
}

static void test_names_alone_are_told_as_such(void **state UNUSED)
{
	struct fixture *f = fixture_open();
	struct story s = { .j = f->j };
	cleanup_buf struct buf out = { 0 }, page = { 0 };

	story_run(&s, "x");
	story_flow(&s, 1, 1, NULL, "10.0.2.3", 53, "allowed",
		   "asks for names: the box's resolver answers");
	story_dns(&s, 1, "query", "www.svm.test", NULL);
	story_dns(&s, 1, "answer", "www.svm.test", "sinkhole");
	story_flow_end(&s, 1, 1, "dns", "allowed", 30, 60);
	story_end(&s, 0, 0);
	fixture_seal(f);
	text_of(f, REPORT_TEXT, &out);
	has(buf_z(&out), "Names were asked for, 1 time, and no connection was made.");
	has(buf_z(&out), "NAMES THAT WERE LOOKED UP");
	has(buf_z(&out), "www.svm.test (A");
	assert_null(strstr(buf_z(&out), "to reach something outside"));
	has(text_of(f, REPORT_HTML, &page), "www.svm.test");
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_equal_the_counts_in_the_journal),
		cmocka_unit_test(test_what_went_out_is_said_first),
		cmocka_unit_test(test_it_is_said_in_words),
		cmocka_unit_test(test_the_page_has_table_and_picture),
		cmocka_unit_test(test_the_verdict_at_the_end_counts),
		cmocka_unit_test(test_events_have_sentences),
		cmocka_unit_test(test_flows_without_order_are_counted_all_the_same),
		cmocka_unit_test(test_many_places_are_bounded),
		cmocka_unit_test(test_names_alone_are_told_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
