// SPDX-License-Identifier: Apache-2.0
/*
 * sigma.c - what Sigma rules match, word by word of the specification
 *
 * Each case is a rule's detection in YAML, a command line that it must match, and one beside it
 * that it must not match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/sigma.h"

/* ---- one rule, one value ------------------------------------------------------------------ */

static int count(void *ctx, const struct sigma_match *m)
{
	(void)m;
	++*(int *)ctx;
	return 0;
}

static struct sigma *load(const char *detection, const char *category)
{
	struct sigma *s = sigma_new();
	cleanup_free char *text = xasprintf("title: t\nlogsource:\n  category: %s\ndetection:\n%s",
					    category, detection);
	struct err err = { 0 };

	sigma_placeholder(s, "vendors", "acme");
	sigma_placeholder(s, "vendors", "globex");
	if (sigma_add(s, "t.yml", text, strlen(text), &err))
		fail_msg("%s\n%s", err.msg, text);
	sigma_compile(s);
	return s;
}

static int ask(struct sigma *s, enum row_cat cat, const char *const *pairs, size_t npairs)
{
	struct row row = { .cat = cat, .seq = 1, .wall = 1764093600ull * NSEC_PER_SEC };
	int n = 0;

	for (size_t i = 0; i < npairs; i += 2)
		if (pairs[i + 1])
			row.v[row_field(cat, pairs[i])] = str_z(pairs[i + 1]);
	assert_int_equal(sigma_row(s, &row, count, &n), 0);
	return n;
}

static int on_command(struct sigma *s, const char *value)
{
	const char *const pairs[] = { "CommandLine", value, "Image", "/bin/x" };

	return ask(s, ROW_PROCESS_CREATION, pairs, 4);
}

struct words {
	const char *detection; /* of CommandLine; 'condition: s' is added */
	const char *yes, *no;
};

static const struct words words[] = {
	{ "CommandLine: whoami", "WhoAmI", "whoami " },
	{ "CommandLine|contains: ' -enc '", "x -ENC y", "x-enc y" },
	{ "CommandLine|startswith: curl", "CURL http", " curl" },
	{ "CommandLine|endswith: '.sh'", "a.SH", "a.sh " },
	{ "CommandLine|endswith: '.sh'", "a.sh b.sh", "a.sh b.sh " },
	{ "CommandLine|startswith: curl", "curl curl", " curl curl" },
	{ "CommandLine: aba", "aBa", "abaaba" },
	{ "CommandLine|endswith:\n      - x\n      - /sh", "/sh/sh", "/sh/x/sh/" },
	{ "CommandLine: 'a*b?d'", "a//bcd", "a//bd" },
	{ "CommandLine: 'one ?'", "one \xc3\xa9", "one \xc3\xa9\xc3\xa9" },
	{ "CommandLine: 'a\\*b'", "a*b", "axb" },
	{ "CommandLine: 'a\\?b'", "a?b", "axb" },
	{ "CommandLine: 'c:\\\\x\\\\*'", "c:\\x\\y", "c:\\xy" },
	{ "CommandLine|contains: 'C:\\Win'", "run c:\\WINdows", "run c:/windows" },
	{ "CommandLine|contains:\n      - foo\n      - bar", "a bar", "a baz" },
	{ "CommandLine|contains|all:\n      - foo\n      - bar", "bar foo", "foo fo" },
	{ "CommandLine|cased: whoami", "whoami", "WhoAmI" },
	{ "CommandLine|contains|cased: Abc", "xAbc", "xabc" },
	{ "CommandLine|re: '^a[0-9]+z$'", "a12z", "A12z" },
	{ "CommandLine|re|i: '^a[0-9]+z$'", "A12z", "a z" },
	{ "CommandLine|re: 'a(?!b)c?'", "xac", "xab" },
	{ "CommandLine|re: '(a|b)\\1'", "xaa", "xab" },
	{ "CommandLine|re|s: 'a.b'", "a\nb", "ab" },
	{ "CommandLine|re: 'a.b'", "acb", "a\nb" },
	{ "CommandLine|re|m: '^b$'", "a\nb", "ab" },
	{ "CommandLine|windash|contains: ' -x '", "a /x b", "a _x b" },
	{ "CommandLine|windash|contains: ' -x '", "a \xe2\x80\x93x b", "a +x b" },
	{ "CommandLine|windash|contains: ' -s -i cmd'", "psexec -s /i cmd", "psexec -s +i cmd" },
	{ "CommandLine|windash: '--all'", "-/all", "//all" }, /* the one that begins the word */
	{ "CommandLine|re: '\\.(?=x)'", ".x", "x" },
	{ "CommandLine|cidr: '::/0'", "::1", "1.2.3.4" },
	{ "UtcTime|hour: 18\n    CommandLine: a", "a", "b" },
	{ "CommandLine|base64: foobar", "Zm9vYmFy", "Zm9vYmF" },
	{ "CommandLine|base64offset|contains: 'http://'", "echo xxaHR0cDovL", "http://" },
	{ "CommandLine|base64offset|contains: 'http://'", "x h0dHA6Ly8 y", "dHA6Ly8" },
	{ "CommandLine|base64offset|contains: 'http://'", "x odHRwOi8v y", "odHRwOi8u" },
	{ "CommandLine|wide|base64: ab", "YQBiAA==", "YWI=" },
	{ "CommandLine|expand: '%vendors%'", "globex", "initech" },
	{ "CommandLine|contains|expand: 'x-%vendors%-y'", "ax-acme-yb", "x-acme" },
	{ "CommandLine: ''", "", "a" },
	{ "CommandLine|exists: true", "a", NULL },
	{ "CommandLine|exists: false", NULL, "a" },
	{ "CommandLine: null", NULL, "null" },
	{ "CommandLine: '*'", "x", NULL },
	{ "CommandLine|neq: a", "b", "a" },
	{ "CommandLine|gt: 5", "6", "5" },
	{ "CommandLine|gte: 5", "5", "4.9" },
	{ "CommandLine|lt: 5", "-1", "5" },
	{ "CommandLine|lte: 5", "5.0", "x" },
	{ "CommandLine|cidr: 192.168.0.0/16", "192.168.9.1", "192.169.0.1" },
	{ "CommandLine|cidr: 'fe80::/10'", "fe81::1", "::1" },
	{ "CommandLine|cidr: '10.0.0.0/8'", "::ffff:10.1.2.3", "::10.1.2.3" },
	{ "CommandLine: 4444", "4444", "44440" },
	{ "CommandLine: true", "True", "1" },
	{ "Image|endswith|fieldref: CommandLine", "X", "bin" },
	{ "Nothing: null\n    CommandLine: a", "a", "b" },
};

static void test_a_test_of_a_field_means_what_the_specification_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct words *w = &words[i];
		cleanup_free char *d = xasprintf("  s:\n    %s\n  condition: s\n", w->detection);
		struct sigma *s = load(d, "process_creation");

		if (on_command(s, w->yes) != 1)
			fail_msg("'%s' does not match '%s'", w->detection,
				 w->yes ? w->yes : "(none)");
		if (on_command(s, w->no))
			fail_msg("'%s' matches '%s'", w->detection, w->no ? w->no : "(none)");
		/* a value that comes again is answered from what is remembered: the same */
		assert_int_equal(on_command(s, w->yes), 1);
		sigma_free(s);
	}
}

/* ---- conditions --------------------------------------------------------------------------- */

#define THREE                                                                                      \
	"  a1: {CommandLine|contains: one}\n  a2: {CommandLine|contains: two}\n"                   \
	"  _b: {CommandLine|contains: six}\n"

static const struct words conditions[] = {
	{ "a1 and a2", "one two", "one" },
	{ "a1 or a2", "two", "three" },
	{ "a1 and not a2", "one", "one two" },
	{ "not a1 and not a2", "x", "two" },
	{ "not (a1 or a2)", "x", "one" },
	{ "a1 or a2 and _b", "one", "two" }, /* and binds tighter */
	{ "(a1 or a2) and _b", "two six", "one" },
	{ "1 of a*", "two", "six" },
	{ "all of a*", "two one", "two" },
	{ "any of them", "one", "six" }, /* '_' hides from 'them' */
	{ "1 of them", "two", "six" },
	{ "all of them", "one two", "one six" },
	{ "2 of *", "one six", "six" },
	{ "1 of a* and not 1 of _*", "one", "one six" },
	{ "NOT a1 AND a2", "two", "one two" },
};

static void test_conditions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		const struct words *w = &conditions[i];
		cleanup_free char *d = xasprintf(THREE "  condition: %s\n", w->detection);
		struct sigma *s = load(d, "process_creation");

		if (on_command(s, w->yes) != 1 || on_command(s, w->no))
			fail_msg("condition '%s': '%s', '%s'", w->detection, w->yes, w->no);
		sigma_free(s);
	}
}

static void test_lists_of_maps_and_keywords(void **state)
{
	struct sigma *s = load("  s:\n    - CommandLine: a\n    - Image: /bin/y\n  condition: s\n",
			       "process_creation");
	const char *const image[] = { "CommandLine", "b", "Image", "/bin/Y" };

	(void)state;
	assert_int_equal(on_command(s, "a"), 1);
	assert_int_equal(on_command(s, "b"), 0);
	assert_int_equal(ask(s, ROW_PROCESS_CREATION, image, 4), 1);
	sigma_free(s);

	s = load("  k:\n    - evil\n    - 'b?d'\n  condition: k\n", "process_creation");
	assert_int_equal(on_command(s, "so Evil!"), 1);
	assert_int_equal(on_command(s, "a bad one"), 1);
	assert_int_equal(on_command(s, "good"), 0);
	sigma_free(s);

	s = load("  k:\n    - '*'\n  condition: k\n", "process_creation");
	assert_int_equal(on_command(s, "anything"), 1);
	sigma_free(s);

	s = load("  k:\n    '|all':\n      - evil\n      - bad\n  condition: k\n",
		 "process_creation");
	assert_int_equal(on_command(s, "bad evil"), 1);
	assert_int_equal(on_command(s, "evil"), 0);
	sigma_free(s);
}

/* ---- what is not ours, what is broken ------------------------------------------------------ */

static enum sigma_fate fate_of(const char *source, const char *detection)
{
	struct sigma *s = sigma_new();
	cleanup_free char *text =
		xasprintf("title: t\nlogsource:\n  %s\ndetection:\n%s", source, detection);
	struct err err = { 0 };
	enum sigma_fate fate;

	if (sigma_add(s, "t.yml", text, strlen(text), &err))
		fail_msg("%s", err.msg);
	assert_int_equal(sigma_count(s), 1);
	fate = sigma_get(s, 0)->fate;
	sigma_free(s);
	return fate;
}

static void test_rules_that_cannot_take_part_say_why(void **state)
{
	static const char ok[] = "  s: {CommandLine: a}\n  condition: s\n";

	(void)state;
	assert_int_equal(fate_of("category: process_creation", ok), SIGMA_READY);
	assert_int_equal(fate_of("category: webserver", ok), SIGMA_NO_EVENTS);
	assert_int_equal(fate_of("product: linux\n  service: auditd", ok), SIGMA_NO_EVENTS);
	assert_int_equal(fate_of("category: process_creation\n  product: macos", ok),
			 SIGMA_NO_EVENTS);
	assert_int_equal(fate_of("category: process_creation",
				 "  s: {CommandLine|expand: '%unknown%'}\n  condition: s\n"),
			 SIGMA_PLACEHOLDER);
	assert_int_equal(fate_of("category: process_creation",
				 "  s: {CommandLine: a}\n  condition: s | count() > 5\n"),
			 SIGMA_OUTDATED);
}

static void test_a_broken_rule_is_one_sentence_and_the_others_count(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{ "title: t\n  x: [", "t.yml:" },
		{ "- a\n", "t.yml:1:1: a rule is a mapping" },
		{ "logsource: {category: process_creation}\n",
		  "t.yml:1:1: a rule needs a 'title'" },
		{ "title: t\nlogsource: {category: process_creation}\n", "a 'detection'" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n  s: {A: b}\n",
		  "t.yml:4:3: a detection needs a 'condition'" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image: b}\n  condition: s and\n",
		  "t.yml:5:14: condition: ends where a selection is expected" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image: b}\n  condition: s s\n",
		  "condition: 's' where 'and' or 'or' is expected" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image|containz: b}\n  condition: s\n",
		  "t.yml:4:7: there is no modifier 'containz'" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image|cidr: 1.2.3/8}\n  condition: s\n",
		  "t.yml:4:19: '1.2.3/8' is no network" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image: b}\n  condition: z\n",
		  "no selection is called 'z'" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image|re: 'a('}\n  condition: s\n",
		  "t.yml:4:17: 'a(' is no regular expression (character 2)" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {}\n  condition: s\n",
		  "t.yml:4:6: a selection without a test" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: [null]\n  condition: s\n",
		  "t.yml:4:7: a keyword is text" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {'|cidr': 10.0.0.0/8}\n  condition: s\n",
		  "t.yml:4:7: '|cidr' needs a field" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image: b}\n  condition: 0 of s\n",
		  "t.yml:5:14: condition: '0 of' is always true" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image|windash: '-a -b -c -d'}\n  condition: s\n",
		  "t.yml:4:22: a value has more than 256 variants" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image: b, Image: c}\n  condition: s\n",
		  "t.yml:4:17: 'Image' is there twice" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  a: &a [{Image: b}, {Image: b}]\n"
		  "  b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
		  "  c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
		  "  d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
		  "  e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
		  "  condition: e\n",
		  "more than 200000 tests in one rule" },
		{ "title: t\nlogsource: {category: process_creation}\ndetection:\n"
		  "  s: {Image|all: []}\n  condition: s\n",
		  "t.yml:4:18: a list without a value" },
		{ "title: t\naction: repeat\n", "t.yml:2:9: an action is 'global' or 'reset'" },
		{ "title: t\ncorrelation: {type: event_count, rules: [a], timespan: 1m, "
		  "condition: {gte: 10001}}\n",
		  "a correlation counts to 10000" },
		{ "title: t\ncorrelation: {type: event_count, rules: [a], group-by: {}, "
		  "timespan: 1m, condition: {gte: 1}}\n",
		  "'group-by' is a list of fields" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sigma *s = sigma_new();
		cleanup_free char *text =
			xasprintf("title: good\nlogsource: {category: process_creation}\n"
				  "detection:\n  s: {CommandLine: a}\n  condition: s\n---\n%s",
				  bad[i].text);
		struct err err = { 0 }, alone = { 0 };

		assert_int_equal(sigma_add(s, "t.yml", bad[i].text, strlen(bad[i].text), &alone),
				 -EINVAL);
		if (!strstr(alone.msg, bad[i].sentence))
			fail_msg("'%s' instead of '%s'", alone.msg, bad[i].sentence);
		assert_int_equal(alone.exit, EXIT_USAGE);
		assert_int_equal(sigma_add(s, "t.yml", text, strlen(text), &err), -EINVAL);
		assert_int_equal(sigma_count(s), 1);
		sigma_compile(s);
		assert_int_equal(on_command(s, "a"), 1);
		sigma_free(s);
	}
}

static void test_a_rule_of_windows_is_for_programs_of_windows(void **state)
{
	struct sigma *s = sigma_new();
	static const char text[] =
		"title: w\nlogsource: {category: process_creation, product: windows}\n"
		"detection: {s: {CommandLine: a}, condition: s}\n---\n"
		"title: l\nlogsource: {category: process_creation, product: linux}\n"
		"detection: {s: {CommandLine: a}, condition: s}\n";
	struct row row = { .cat = ROW_PROCESS_CREATION, .seq = 1 };
	struct err err = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(sigma_add(s, "t", text, strlen(text), &err), 0);
	sigma_compile(s);
	row.v[row_field(row.cat, "CommandLine")] = STR("a");
	sigma_row(s, &row, count, &n);
	assert_int_equal(n, 1);
	row.windows = true;
	sigma_row(s, &row, count, &n);
	assert_int_equal(n, 2);
	sigma_free(s);
}

/* ---- correlations ------------------------------------------------------------------------- */

#define TWO_RULES                                                                                  \
	"title: a\nname: a\nlogsource: {category: process_creation}\n"                             \
	"detection: {s: {CommandLine|startswith: a}, condition: s}\n---\n"                         \
	"title: b\nname: b\nlogsource: {category: process_creation}\n"                             \
	"detection: {s: {CommandLine|startswith: b}, condition: s}\n---\n"

struct told {
	int n;
	size_t nseqs;
	uint64_t first, last;
};

static int tell(void *ctx, const struct sigma_match *m)
{
	struct told *t = ctx;

	if (!m->rule->correlation) { /* rules that a correlation counts are not told themselves */
		assert_string_equal(m->rule->name, "b");
		return 0;
	}
	t->n++;
	t->nseqs = m->nseqs;
	t->first = m->seqs[0];
	t->last = m->seqs[m->nseqs - 1];
	return 0;
}

/* Events 'SECONDS COMMAND USER;…': what a correlation over them tells */
static struct told correlate(const char *correlation, const char *events)
{
	struct sigma *s = sigma_new();
	cleanup_free char *text = xasprintf(TWO_RULES "title: c\ncorrelation: %s\n", correlation);
	cleanup_free char *copy = xstrdup(events);
	struct told t = { 0 };
	struct err err = { 0 };
	char *rest = copy, *one;
	uint64_t seq = 0;

	if (sigma_add(s, "t", text, strlen(text), &err))
		fail_msg("%s", err.msg);
	sigma_compile(s);
	while ((one = strsep(&rest, ";"))) {
		char *at = strsep(&one, " "), *command = strsep(&one, " ");
		struct row row = { .cat = ROW_PROCESS_CREATION, .seq = ++seq };

		row.wall = strtoull(at, NULL, 10) * NSEC_PER_SEC;
		row.v[row_field(row.cat, "CommandLine")] = str_z(command);
		if (one)
			row.v[row_field(row.cat, "User")] = str_z(one);
		assert_int_equal(sigma_row(s, &row, tell, &t), 0);
	}
	sigma_free(s);
	return t;
}

static void test_correlations(void **state)
{
	static const char count3[] =
		"{type: event_count, rules: [a], group-by: [User], timespan: 1m, condition: {gte: 3}}";
	struct told t;

	(void)state;
	t = correlate(count3, "0 a u;10 a u;20 a u;25 a u;30 a u");
	assert_int_equal(t.n, 1);
	assert_int_equal(t.nseqs, 3);
	assert_int_equal(t.last, 3);
	assert_int_equal(correlate(count3, "0 a u;40 a u;80 a u;120 a u").n, 0);
	assert_int_equal(correlate(count3, "0 a u;10 a v;20 a w;30 b u").n, 0);
	assert_int_equal(correlate(count3, "0 a u;1 a u;2 a u;3 a u;4 a u;5 a u").n, 2);
	t = correlate(
		"{type: value_count, rules: [a], timespan: 1h, condition: {gt: 2, field: User}}",
		"0 a u;1 a u;2 a v;3 a w");
	assert_int_equal(t.n, 1);
	assert_int_equal(t.nseqs, 4);
	assert_int_equal(
		correlate("{type: temporal, rules: [a, b], group-by: [User], timespan: 5s}",
			  "0 b u;3 a u")
			.n,
		1);
	assert_int_equal(
		correlate("{type: temporal, rules: [a, b], group-by: [User], timespan: 5s}",
			  "0 b u;3 a v;9 a u")
			.n,
		0);
	assert_int_equal(
		correlate("{type: temporal_ordered, rules: [a, b], timespan: 5s}", "0 b u;3 a u").n,
		0);
	assert_int_equal(correlate("{type: temporal_ordered, rules: [a, b], timespan: 5s}",
				   "0 b u;3 a u;4 b u")
				 .n,
			 1);
}

static void test_a_condition_of_a_temporal_correlation_says_how_many_rules(void **state)
{
	static const char one[] = "{type: temporal, rules: [a, b], timespan: 5s, "
				  "condition: {gte: 1}}";
	static const char two[] = "{type: temporal, rules: [a, b], timespan: 5s, "
				  "condition: {gte: 2}}";

	(void)state;
	assert_int_equal(correlate(one, "0 a u").n, 1);
	assert_int_equal(correlate(two, "0 a u;1 a u").n, 0);
	assert_int_equal(correlate(two, "0 a u;1 b u").n, 1);
}

static void test_one_field_to_group_by_needs_no_list_and_what_is_not_there_is_no_value(void **state)
{
	(void)state;
	assert_int_equal(correlate("{type: event_count, rules: [a], group-by: User, timespan: 1m, "
				   "condition: {gte: 2}}",
				   "0 a u;1 a v")
				 .n,
			 0);
	assert_int_equal(correlate("{type: value_count, rules: [a], timespan: 1m, "
				   "condition: {gte: 2, field: User}}",
				   "0 a;1 a u")
				 .n,
			 0);
}

static void test_many_different_values_are_counted_in_time(void **state)
{
	struct sigma *s = sigma_new();
	static const char text[] =
		TWO_RULES "title: c\ncorrelation: {type: value_count, rules: [a], timespan: 1h, "
			  "condition: {gt: 9999, field: User}}\n";
	struct err err = { 0 };
	struct told t = { 0 };

	(void)state;
	assert_int_equal(sigma_add(s, "t", text, strlen(text), &err), 0);
	sigma_compile(s);
	for (unsigned i = 0; i < 100000; i++) {
		struct row row = { .cat = ROW_PROCESS_CREATION, .seq = i + 1 };
		char user[16];

		snprintf(user, sizeof(user), "%u", i % 9999);
		row.v[row_field(row.cat, "CommandLine")] = STR("a");
		row.v[row_field(row.cat, "User")] = str_z(user);
		assert_int_equal(sigma_row(s, &row, tell, &t), 0);
	}
	assert_int_equal(t.n, 0);
	assert_true(sigma_forgotten(s) > 0);
	sigma_free(s);
}

/* ---- several documents -------------------------------------------------------------------- */

static void first_two(void *ctx, const char *sentence)
{
	struct buf *b = ctx;

	buf_printf(b, "%s\n", sentence);
}

static void
test_a_correlation_over_nobody_or_itself_is_a_sentence_and_the_others_count(void **state)
{
	static const char text[] =
		TWO_RULES "title: c\ncorrelation: {type: event_count, rules: [nobody], "
			  "timespan: 1m, condition: {gte: 3}}\n---\n"
			  "title: d\nname: d\ncorrelation: {type: event_count, rules: [e], "
			  "timespan: 1m, condition: {gte: 3}}\n---\n"
			  "title: e\nname: e\ncorrelation: {type: event_count, rules: [d], "
			  "timespan: 1m, condition: {gte: 3}}\n";
	struct sigma *s = sigma_new();
	struct err err = { 0 };
	cleanup_buf struct buf told = { 0 };

	(void)state;
	sigma_tell(s, first_two, &told);
	assert_int_equal(sigma_add(s, "t.yml", text, strlen(text), &err), 0);
	sigma_compile(s);
	assert_string_equal(buf_z(&told),
			    "judge: t.yml:12:41: no rule is called 'nobody'\n"
			    "judge: t.yml:20:41: a correlation of itself, or of too many levels, "
			    "by 'd'\n");
	assert_int_equal(sigma_get(s, 2)->fate, SIGMA_NO_RULES);
	assert_int_equal(sigma_get(s, 3)->fate, SIGMA_NO_RULES);
	assert_int_equal(on_command(s, "a"), 1);
	sigma_free(s);
}

static void test_a_correlation_may_stand_before_the_one_that_it_counts(void **state)
{
	(void)state;
	assert_int_equal(correlate("{type: temporal, rules: [inner, b], timespan: 1m}\n---\n"
				   "title: i\nname: inner\ncorrelation: {type: event_count, "
				   "rules: [a], timespan: 1m, condition: {gte: 2}}",
				   "0 a u;1 b u;2 a u")
				 .n,
			 1);
}

static void test_what_is_no_yaml_ends_at_the_next_document(void **state)
{
	static const char text[] =
		"title: x\n  y: [\n---\n" TWO_RULES "title: 'z\n---\n" TWO_RULES "title: x\n- y\n";
	struct sigma *s = sigma_new();
	cleanup_buf struct buf told = { 0 };

	(void)state;
	sigma_tell(s, first_two, &told);
	assert_int_equal(sigma_add(s, "t.yml", text, strlen(text), NULL), -EINVAL);
	assert_int_equal(sigma_count(s), 4);
	assert_int_equal(sigma_get(s, 2)->line, 16);
	assert_non_null(strstr(buf_z(&told), "t.yml:2:4: "));
	assert_non_null(strstr(buf_z(&told), "\njudge: t.yml:15:1: "));
	assert_non_null(strstr(buf_z(&told), "\njudge: t.yml:27:1: "));
	sigma_free(s);
}

static void test_what_is_said_for_all_rules_of_a_file_holds_for_each(void **state)
{
	static const char text[] =
		"action: global\ntitle: g\nlevel: high\n"
		"logsource: {category: process_creation, product: linux}\n"
		"detection: {f: {CommandLine|contains: not}, condition: s and not f}\n---\n"
		"detection: {s: {CommandLine|startswith: a}}\n---\n"
		"level: low\ndetection: {s: {CommandLine|startswith: b}}\n---\n"
		"action: reset\n---\n"
		"title: alone\nlogsource: {category: process_creation}\n"
		"detection: {s: {CommandLine|startswith: c}, condition: s}\n---\n";
	struct sigma *s = sigma_new();
	struct err err = { 0 };

	(void)state;
	if (sigma_add(s, "t.yml", text, strlen(text), &err))
		fail_msg("%s", err.msg);
	sigma_compile(s);
	assert_int_equal(sigma_count(s), 3);
	assert_string_equal(sigma_get(s, 0)->level, "high");
	assert_string_equal(sigma_get(s, 1)->level, "low");
	assert_null(sigma_get(s, 2)->level);
	assert_int_equal(on_command(s, "a"), 1);
	assert_int_equal(on_command(s, "a not"), 0);
	assert_int_equal(on_command(s, "b"), 1);
	assert_int_equal(on_command(s, "c not"), 1);
	sigma_free(s);
}

static void test_what_stands_behind_much_else_in_a_value_is_found(void **state)
{
	struct sigma *s =
		load("  s:\n    CommandLine|contains: evil\n  condition: s\n", "process_creation");
	char long_one[100001];

	(void)state;
	memset(long_one, ' ', sizeof(long_one));
	snprintf(long_one + sizeof(long_one) - 5, 5, "evil");
	assert_int_equal(on_command(s, long_one), 1);
	sigma_free(s);
}

static void test_a_regular_expression_that_takes_too_many_steps_is_counted(void **state)
{
	struct sigma *s = load("  s:\n    CommandLine|re: '^((a|aa)+)(?<!a)b'\n  condition: s\n",
			       "process_creation");
	char many[201];

	(void)state;
	memset(many, 'a', sizeof(many));
	many[sizeof(many) - 2] = 'b';
	many[sizeof(many) - 1] = 0;
	assert_int_equal(on_command(s, many), 0);
	assert_int_equal(sigma_given_up(s), 1);
	sigma_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_test_of_a_field_means_what_the_specification_says),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_lists_of_maps_and_keywords),
		cmocka_unit_test(test_rules_that_cannot_take_part_say_why),
		cmocka_unit_test(test_a_broken_rule_is_one_sentence_and_the_others_count),
		cmocka_unit_test(test_a_rule_of_windows_is_for_programs_of_windows),
		cmocka_unit_test(test_correlations),
		cmocka_unit_test(test_a_condition_of_a_temporal_correlation_says_how_many_rules),
		cmocka_unit_test(
			test_one_field_to_group_by_needs_no_list_and_what_is_not_there_is_no_value),
		cmocka_unit_test(test_many_different_values_are_counted_in_time),
		cmocka_unit_test(
			test_a_correlation_over_nobody_or_itself_is_a_sentence_and_the_others_count),
		cmocka_unit_test(test_a_correlation_may_stand_before_the_one_that_it_counts),
		cmocka_unit_test(test_what_is_no_yaml_ends_at_the_next_document),
		cmocka_unit_test(test_what_is_said_for_all_rules_of_a_file_holds_for_each),
		cmocka_unit_test(test_what_stands_behind_much_else_in_a_value_is_found),
		cmocka_unit_test(test_a_regular_expression_that_takes_too_many_steps_is_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sigma", tests, NULL, NULL);
}
