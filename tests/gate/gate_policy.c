// SPDX-License-Identifier: Apache-2.0
/* gate_policy.c - rules as words and files, and what they say of names and addresses */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "../../src/gate/policy/policy_known.c" /* its table */

/* ---- helpers ------------------------------------------------------------------------------ */

static struct policy *parsed(enum gate_mode mode, const char *text)
{
	struct policy *p = policy_new(mode);
	struct err err = { 0 };

	if (policy_parse(p, text, strlen(text), "t", &err))
		fail_msg("%s", err.msg);
	return p;
}

static struct addr address(const char *text, uint16_t port)
{
	struct addr a;

	if (!address_read(str_z(text), &a))
		fail_msg("'%s' is no address", text);
	a.port = port;
	return a;
}

static const char *verdict_word(enum verdict v)
{
	return v == VERDICT_ALLOW ? "allow" : v == VERDICT_SINK ? "sink" : "refuse";
}

static void expect(struct judged j, enum verdict v, const char *of, const char *reason)
{
	if (j.verdict != v || !strstr(j.reason, reason))
		fail_msg("%s: %s (%s), not %s (…%s…)", of, verdict_word(j.verdict), j.reason,
			 verdict_word(v), reason);
	assert_true(strlen(j.reason) > 10 && strlen(j.reason) < 256);
	assert_true(utf8_valid(j.reason, strlen(j.reason)));
}

static void name_is(const struct policy *p, const char *name, uint16_t port, enum verdict v,
		    const char *reason)
{
	expect(policy_name(p, name, port), v, name, reason);
}

static void address_is(const struct policy *p, const char *ip, uint16_t port, const char *name,
		       enum verdict v, const char *reason)
{
	struct addr a = address(ip, port);

	expect(policy_address(p, &a, name), v, ip, reason);
}

/* ---- words -------------------------------------------------------------------------------- */

static void test_words_of_rules(void **state UNUSED)
{
	static const struct {
		const char *word, *written; /* NULL: refused */
	} rows[] = {
		{ "example.com", "example.com" },
		{ "Example.COM.", "example.com" },
		{ "example.com:443", "example.com:443" },
		{ "*.example.com", "*.example.com" },
		{ "*.Example.com:80", "*.example.com:80" },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "_dns.resolver.arpa", "_dns.resolver.arpa" },
		{ "localhost", "localhost" },
		{ "4chan.org", "4chan.org" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1/32", "192.0.2.1" },
		{ "192.0.2.0/24", "192.0.2.0/24" },
		{ "192.0.2.0/24:22", "192.0.2.0/24:22" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "192.0.2.1:80", "192.0.2.1:80" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "2001:db8::/32", "2001:db8::/32" },
		{ "[2001:db8::1]:443", "[2001:db8::1]:443" },
		{ "[2001:db8::/32]:443", "[2001:db8::/32]:443" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::/0", "::/0" },
		{ "", NULL },
		{ ".", NULL },
		{ "*", NULL },
		{ "*.", NULL },
		{ "a..b", NULL },
		{ ".a", NULL },
		{ "a b", NULL },
		{ "a*.example.com", NULL },
		{ "*.*.example.com", NULL },
		{ "b\xc3\xbc"
		  "cher.example",
		  NULL },
		{ "http://example.com", NULL },
		{ "example.com/x", NULL },
		{ "example.com:", NULL },
		{ "example.com:0", NULL },
		{ "example.com:65536", NULL },
		{ "example.com:044", NULL },
		{ "example.com:+44", NULL },
		{ "example.com:99999999999999999999", NULL },
		{ ":443", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2", NULL },
		{ "1", NULL },
		{ "192.0.2.1/24", NULL },
		{ "192.0.2.0/33", NULL },
		{ "192.0.2.0/", NULL },
		{ "192.0.2.0/-1", NULL },
		{ "2001:db8::1/32", NULL },
		{ "2001:db8::/129", NULL },
		{ "::ffff:192.0.2.0/120", NULL },
		{ "[2001:db8::1", NULL },
		{ "[2001:db8::1]443", NULL },
		{ "[192.0.2.1]:80", NULL },
		{ "[example.com]:80", NULL },
		{ "2001:db8::1:99999", NULL },
		{ "fe80::1%eth0", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char written[POLICY_WORD_MAX] = "untouched";
		struct policy *p = policy_new(GATE_DECLARED);
		struct err err = { 0 };
		int rc = policy_word(rows[i].word, written, &err);

		assert_int_equal(policy_add_word(p, true, rows[i].word, NULL), rc);
		policy_free(p);
		if (rc != (rows[i].written ? 0 : -EINVAL))
			fail_msg("'%s' gave %d: %s", rows[i].word, rc, err.msg);
		if (rc) {
			assert_int_equal(err.exit, EXIT_USAGE);
			assert_int_equal(err.code, EINVAL);
			assert_string_equal(written, "untouched");
		} else {
			assert_string_equal(written, rows[i].written);
		}
	}
}

static void test_names_at_their_limits(void **state UNUSED)
{
	char label[80], name[400], out[POLICY_WORD_MAX];

	memset(label, 'a', 63);
	label[63] = 0;
	assert_int_equal(policy_word(label, out, NULL), 0);
	strcpy(label + 63, "a");
	assert_int_equal(policy_word(label, out, NULL), -EINVAL);
	label[61] = 0;
	/* 4 * 61 + 3 dots = 247, then more */
	snprintf(name, sizeof(name), "%s.%s.%s.%s.abcde", label, label, label, label);
	assert_int_equal(strlen(name), 253);
	assert_int_equal(policy_word(name, out, NULL), 0);
	assert_string_equal(out, name);
	strcat(name, "f");
	assert_int_equal(policy_word(name, out, NULL), -EINVAL);
}

/* ---- files -------------------------------------------------------------------------------- */

static void test_errors_name_line_and_column_and_add_nothing(void **state UNUSED)
{
	static const struct {
		const char *text, *where, *says;
	} rows[] = {
		{ "permit a.example", "t:1:1:", "'permit' is none of" },
		{ "\n# x\n  allow\ta..b", "t:3:9:", "'a..b' has an empty part" },
		{ "allow", "t:1:6:", "the line is missing its word" },
		{ "allow # nobody", "t:1:15:", "is missing its word" },
		{ "allow a.example b.example", "t:1:17:", "'b.example' is one word too many" },
		{ "allow a.example\nmode shut", "t:2:6:", "'shut' is none of 'closed'" },
		{ "mode open\nmode open", "t:2:6:", "is said twice" },
		{ "encrypted-dns maybe", "t:1:15:", "is neither 'allow' nor 'refuse'" },
		{ "ech allow\nech allow", "t:2:5:", "is said twice" },
		{ "tls-pinned allow", "t:1:12:", "is neither 'pass' nor 'refuse'" },
		{ "tls-pinned pass\ntls-pinned pass", "t:2:12:", "is said twice" },
		{ "tls-open 192.0.2.1", "t:1:10:", "TLS is opened by name" },
		{ "tls-open a.example:443", "t:1:10:", "has a port" },
		{ "deny 10.0.0.1/8", "t:1:6:", "has bits set beyond" },
		{ "Allow a.example", "t:1:1:", "is none of" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf before = { 0 }, after = { 0 };
		cleanup_free char *text = xasprintf("%s\n", rows[i].text);
		struct policy *p = parsed(GATE_DECLARED, "allow kept.example\n");
		struct err err = { 0 };

		policy_print(p, &before);
		assert_int_equal(policy_parse(p, text, strlen(text), "t", &err), -EINVAL);
		assert_int_equal(err.exit, EXIT_USAGE);
		if (!strstr(err.msg, rows[i].where) || !strstr(err.msg, rows[i].says))
			fail_msg("'%s': %s", rows[i].text, err.msg);
		policy_print(p, &after);
		assert_string_equal(buf_z(&before), buf_z(&after));
		policy_free(p);
	}
}

static void test_a_nul_byte_is_an_error(void **state UNUSED)
{
	struct policy *p = policy_new(GATE_DECLARED);
	struct err err = { 0 };

	assert_int_equal(policy_parse(p, "allow a\0b\n", 10, "t", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "t:1:8:"));
	policy_free(p);
}

static void test_comments_blanks_and_line_ends(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "# all\r\n\r\n \t\n"
						 "allow a.example # why\r\n"
						 "\tmode\topen\r\n"
						 "allow b.example");
	cleanup_buf struct buf out = { 0 };

	policy_print(p, &out);
	assert_string_equal(buf_z(&out),
			    "mode open\nencrypted-dns refuse\nech refuse\ntls-pinned pass\n"
			    "allow a.example\nallow b.example\n");
	policy_free(p);
}

static void test_a_file_without_mode_leaves_the_mode(void **state UNUSED)
{
	struct policy *p = parsed(GATE_OPEN, "deny a.example\n");

	assert_int_equal(policy_mode(p), GATE_OPEN);
	policy_free(p);
	p = parsed(GATE_OPEN, "mode closed\n");
	assert_int_equal(policy_mode(p), GATE_CLOSED);
	policy_free(p);
}

static void test_rules_are_limited_in_number(void **state UNUSED)
{
	struct policy *p = policy_new(GATE_DECLARED);
	cleanup_buf struct buf text = { 0 };
	struct err err = { 0 };
	char word[64];

	for (int i = 0; i < POLICY_RULES_MAX; i++) {
		snprintf(word, sizeof(word), "n%d.example:%d", i, i + 1);
		assert_int_equal(policy_add_word(p, true, word, NULL), 0);
	}
	assert_int_equal(policy_add_word(p, true, "one.more.example", &err), -E2BIG);
	assert_int_equal(err.exit, EXIT_USAGE);
	/* one that is there already needs no room */
	assert_int_equal(policy_add_word(p, true, "n7.example:8", NULL), 0);
	name_is(p, "n9999.example", 10000, VERDICT_ALLOW, "n9999.example");
	name_is(p, "n9999.example", 9999, VERDICT_SINK, "not at port 9999");
	policy_print(p, &text);
	assert_int_equal(policy_parse(p, "deny x.example", 14, "t", &err), -E2BIG);
	policy_free(p);
	p = policy_new(GATE_DECLARED);
	assert_int_equal(policy_parse(p, text.p, text.n, "t", &err), 0);
	buf_puts(&text, "deny x.example\n");
	assert_int_equal(policy_parse(p, text.p, text.n, "t", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "one rule too many"));
	policy_free(p);
}

static uint64_t rnd(uint64_t *s) /* xorshift64 */
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void random_word(uint64_t *s, bool name_only, struct buf *out)
{
	static const char *const part[] = { "a", "b-c", "xn--p1ai", "_x", "9", "example", "org" };
	unsigned kind = name_only ? 0 : rnd(s) % 4, bits;
	uint8_t ip[16];
	char text[64];

	if (kind < 2) {
		buf_puts(out, rnd(s) % 3 ? "" : "*.");
		for (unsigned n = rnd(s) % 4; n; n--)
			buf_printf(out, "%s.", part[rnd(s) % 7]);
		buf_puts(out, part[5 + rnd(s) % 2]);
		if (!name_only && rnd(s) % 2)
			buf_printf(out, ":%u", (unsigned)(rnd(s) % 65535 + 1));
		return;
	}
	bits = (unsigned)(rnd(s) % (kind == 2 ? 33 : 129));
	for (unsigned i = 0; i < 16; i++)
		ip[i] = i * 8 + 8 <= bits ? (uint8_t)rnd(s) : 0;
	if (kind == 3)
		ip[0] |= bits >= 8 ? 0x20 : 0; /* none that is IPv4 in disguise */
	inet_ntop(kind == 2 ? AF_INET : AF_INET6, ip, text, sizeof(text));
	bool port = rnd(s) % 2;

	buf_printf(out, kind == 3 && port ? "[%s/%u]" : "%s/%u", text, bits);
	if (port)
		buf_printf(out, ":%u", (unsigned)(rnd(s) % 65535 + 1));
}

static void test_what_is_printed_reads_back_equal(void **state UNUSED)
{
	static const char *const ops[] = { "allow", "deny", "tls-open" };
	uint64_t s = 88172645463325252ull;

	for (int round = 0; round < 500; round++) {
		cleanup_buf struct buf text = { 0 }, first = { 0 }, second = { 0 };
		struct policy *p, *q;

		if (rnd(&s) % 2)
			buf_printf(&text, "mode %s\n",
				   gate_mode_word((enum gate_mode)(rnd(&s) % 3)));
		if (rnd(&s) % 2)
			buf_printf(&text, "ech %s\n", rnd(&s) % 2 ? "allow" : "refuse");
		if (rnd(&s) % 2)
			buf_printf(&text, "encrypted-dns %s\n", rnd(&s) % 2 ? "allow" : "refuse");
		for (unsigned n = rnd(&s) % 30; n; n--) {
			unsigned op = rnd(&s) % 3;

			buf_printf(&text, "%s ", ops[op]);
			random_word(&s, op == 2, &text);
			buf_puts(&text, rnd(&s) % 4 ? "\n" : " # x\r\n");
		}
		p = parsed(GATE_DECLARED, text.n ? buf_z(&text) : "");
		policy_print(p, &first);
		q = parsed(GATE_OPEN, buf_z(&first));
		policy_print(q, &second);
		assert_string_equal(buf_z(&first), buf_z(&second));
		/* and they judge alike */
		for (int i = 0; i < 20; i++) {
			cleanup_buf struct buf w = { 0 };
			uint16_t port = (uint16_t)rnd(&s);

			random_word(&s, true, &w);
			assert_memory_equal(
				&(struct judged[]){ policy_name(p, buf_z(&w), port) }[0],
				&(struct judged[]){ policy_name(q, buf_z(&w), port) }[0],
				sizeof(struct judged));
		}
		policy_free(p);
		policy_free(q);
	}
}

/* ---- names -------------------------------------------------------------------------------- */

static void test_an_empty_list_reaches_nobody(void **state UNUSED)
{
	struct policy *p = policy_new(GATE_DECLARED);

	name_is(p, "www.example.com", 0, VERDICT_SINK, "no rule allows the name 'www.example.com'");
	name_is(p, "www.example.com", 443, VERDICT_SINK, "no rule allows");
	address_is(p, "192.0.2.1", 80, "", VERDICT_SINK, "to which no name has led");
	address_is(p, "127.0.0.1", 80, "", VERDICT_SINK, "loopback");
	policy_free(p);
}

static void test_names_wildcards_and_ports(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow a.example\n"
						 "allow *.b.example:443\n"
						 "allow *.b.example:8443\n"
						 "deny bad.b.example\n"
						 "allow sub.bad.b.example\n"
						 "allow *.c.example\n"
						 "deny *.x.c.example:25\n");

	name_is(p, "a.example", 0, VERDICT_ALLOW, "allow a.example");
	name_is(p, "A.EXAMPLE.", 12345, VERDICT_ALLOW, "allow a.example");
	name_is(p, "www.a.example", 0, VERDICT_SINK, "no rule");
	name_is(p, "aa.example", 0, VERDICT_SINK, "no rule");
	name_is(p, "b.example", 443, VERDICT_SINK, "no rule"); /* below it, not itself */
	name_is(p, "x.b.example", 443, VERDICT_ALLOW, "allow *.b.example");
	name_is(p, "x.y.z.b.example", 8443, VERDICT_ALLOW, "allow *.b.example");
	name_is(p, "x.b.example", 80, VERDICT_SINK, "*.b.example, but not at port 80");
	name_is(p, "x.b.example", 0, VERDICT_ALLOW, "allow *.b.example");
	name_is(p, "xb.example", 443, VERDICT_SINK, "no rule");
	name_is(p, "bad.b.example", 443, VERDICT_REFUSE, "deny bad.b.example");
	name_is(p, "sub.bad.b.example", 443, VERDICT_ALLOW, "");
	name_is(p, "1.x.c.example", 25, VERDICT_REFUSE, "deny *.x.c.example");
	name_is(p, "1.x.c.example", 26, VERDICT_ALLOW, "allow *.c.example");
	name_is(p, "1.x.c.example", 0, VERDICT_ALLOW, "allow *.c.example");
	policy_free(p);
}

static void test_deny_wins_over_every_allow_in_every_mode(void **state UNUSED)
{
	for (enum gate_mode m = GATE_CLOSED; m <= GATE_OPEN; m++) {
		struct policy *p = parsed(m, "allow good.bad.example\ndeny *.bad.example\n"
					     "allow 192.0.2.7\ndeny 192.0.2.0/24:80\n");

		name_is(p, "good.bad.example", 443, VERDICT_REFUSE, "deny *.bad.example");
		address_is(p, "192.0.2.7", 80, "", VERDICT_REFUSE, "deny 192.0.2.0/24");
		address_is(p, "192.0.2.7", 81, "", m == GATE_CLOSED ? VERDICT_SINK : VERDICT_ALLOW,
			   "");
		address_is(p, "203.0.113.1", 443, "good.bad.example", VERDICT_REFUSE,
			   "deny *.bad.example");
		/* also at the sinkhole's address that it was given before the rule came */
		address_is(p, "198.18.0.9", 443, "good.bad.example", VERDICT_REFUSE, "deny");
		policy_free(p);
	}
}

static void test_mode_closed_reaches_nobody_whatever_is_allowed(void **state UNUSED)
{
	struct policy *p = parsed(GATE_CLOSED, "allow a.example\nallow 192.0.2.0/24\n");

	name_is(p, "a.example", 443, VERDICT_SINK, "mode closed");
	address_is(p, "192.0.2.1", 443, "", VERDICT_SINK, "mode closed");
	address_is(p, "203.0.113.1", 443, "a.example", VERDICT_SINK, "mode closed");
	policy_free(p);
}

static void test_odd_names_are_judged_too(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow *.a.example\n"), *o = policy_new(GATE_OPEN);
	char longest[600];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	name_is(p, "\\032\\\\.b.example", 0, VERDICT_SINK, "no rule");
	name_is(o, "\\032\\\\.b.example", 0, VERDICT_ALLOW, "mode open");
	name_is(p, "", 0, VERDICT_SINK, "no rule");
	name_is(o, longest, 0, VERDICT_REFUSE, "no name");
	longest[253] = 0;
	name_is(p, longest, 80, VERDICT_SINK, "…");
	/* a wildcard speaks of names as wildcards mean them, escaped dots or not */
	name_is(p, "x\\.y.a.example", 0, VERDICT_ALLOW, "*.a.example");
	policy_free(p);
	policy_free(o);
}

/* ---- addresses ---------------------------------------------------------------------------- */

static void test_addresses_and_networks(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow 192.0.2.1:80\n"
						 "allow 203.0.113.64/26\n"
						 "deny 203.0.113.100\n"
						 "allow 2001:db8:1::/48\n"
						 "allow [2001:db8:2::1]:443\n"
						 "deny 2001:db8:1:ff::/64\n"
						 "allow 198.51.100.0/31\n");

	address_is(p, "192.0.2.1", 80, "", VERDICT_ALLOW, "allow 192.0.2.1");
	address_is(p, "192.0.2.1", 81, "", VERDICT_SINK, "not at port 81");
	address_is(p, "192.0.2.2", 80, "", VERDICT_SINK, "no rule");
	address_is(p, "203.0.113.64", 1, "", VERDICT_ALLOW, "203.0.113.64/26");
	address_is(p, "203.0.113.127", 1, "", VERDICT_ALLOW, "203.0.113.64/26");
	address_is(p, "203.0.113.63", 1, "", VERDICT_SINK, "no rule");
	address_is(p, "203.0.113.128", 1, "", VERDICT_SINK, "no rule");
	address_is(p, "203.0.113.100", 1, "", VERDICT_REFUSE, "deny 203.0.113.100");
	address_is(p, "2001:db8:1::9", 1, "", VERDICT_ALLOW, "2001:db8:1::/48");
	address_is(p, "2001:db8:1:ff::9", 1, "", VERDICT_REFUSE, "2001:db8:1:ff::/64");
	address_is(p, "2001:db8:2::1", 443, "", VERDICT_ALLOW, "2001:db8:2::1");
	address_is(p, "2001:db8:2::2", 443, "", VERDICT_SINK, "no rule");
	address_is(p, "198.51.100.1", 1, "", VERDICT_ALLOW, "/31");
	address_is(p, "198.51.100.2", 1, "", VERDICT_SINK, "no rule");
	policy_free(p);
}

static void test_the_whole_internet_as_a_network(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow 0.0.0.0/0:443\ndeny ::/0\n");

	address_is(p, "192.0.2.1", 443, "", VERDICT_ALLOW, "0.0.0.0/0");
	address_is(p, "192.0.2.1", 80, "", VERDICT_SINK, "not at port 80");
	address_is(p, "2001:db8::1", 443, "", VERDICT_REFUSE, "::/0");
	/* a rule that names the address by its network does name it */
	address_is(p, "192.168.0.1", 443, "", VERDICT_ALLOW, "0.0.0.0/0");
	policy_free(p);
}

static void test_an_allowed_name_does_not_lead_back_home(void **state UNUSED)
{
	static const char *const home[] = {
		"127.0.0.1",
		"127.255.255.254",
		"0.0.0.0",
		"10.1.2.3",
		"172.16.0.1",
		"172.31.255.255",
		"192.168.178.1",
		"169.254.169.254",
		"100.64.0.1",
		"224.0.0.251",
		"255.255.255.255",
		"240.0.0.1",
		"::1",
		"::",
		"fe80::1",
		"fc00::1",
		"fd12::1",
		"fec0::1",
		"ff02::fb",
		"::ffff:10.0.0.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b:1::1",
		"2002:7f00:1::1",
		"2001:0:1::f5ff:fffe",
		"::192.168.0.1",
		"::ffff:0:127.0.0.1",
		"100::1",
		"64:ff9b::198.18.0.1",
	};
	static const char *const away[] = {
		"192.0.2.1",	    "172.15.0.1",  "172.32.0.1",   "100.63.0.1",
		"100.128.0.1",	    "169.253.1.1", "198.51.100.1", "203.0.113.9",
		"9.255.0.1",	    "11.0.0.1",	   "2001:db8::1",  "64:ff9b::192.0.2.1",
		"2002:c000:201::1", "2a00::1",
	};

	for (enum gate_mode m = GATE_DECLARED; m <= GATE_OPEN; m++) {
		struct policy *p = parsed(m, "allow a.example\n");

		for (size_t i = 0; i < ARRAY_SIZE(home); i++) {
			address_is(p, home[i], 8080, "a.example", VERDICT_REFUSE,
				   "only when a rule allows the address itself");
			address_is(p, home[i], 8080, "",
				   m == GATE_OPEN ? VERDICT_REFUSE : VERDICT_SINK, "");
		}
		for (size_t i = 0; i < ARRAY_SIZE(away); i++)
			address_is(p, away[i], 8080, "a.example", VERDICT_ALLOW, "");
		policy_free(p);
	}
}

static void test_words_that_lead_inward(void **state UNUSED)
{
	assert_true(policy_word_inward("127.0.0.1:80"));
	assert_true(policy_word_inward("10.0.0.0/8"));
	assert_true(policy_word_inward("[fe80::1]:80"));
	assert_true(policy_word_inward("198.18.0.1"));
	assert_false(policy_word_inward("192.0.2.1:80"));
	assert_false(policy_word_inward("localhost"));
	assert_false(policy_word_inward("no word"));
}

static void test_a_rule_for_the_address_itself_opens_it(void **state UNUSED)
{
	struct policy *p =
		parsed(GATE_DECLARED, "allow a.example\nallow 10.0.0.0/8:8080\nallow ::1\n");

	address_is(p, "10.9.9.9", 8080, "a.example", VERDICT_ALLOW, "10.0.0.0/8");
	address_is(p, "10.9.9.9", 8081, "a.example", VERDICT_REFUSE, "private");
	address_is(p, "::1", 8081, "", VERDICT_ALLOW, "::1");
	policy_free(p);
}

static void test_addresses_of_this_machine_are_not_reached_by_name(void **state UNUSED)
{
	struct policy *p = parsed(GATE_OPEN, "");
	struct addr own4 = address("203.0.113.5", 0), own6 = address("2001:db8::5", 0);

	policy_own_address(p, false, own4.ip);
	policy_own_address(p, true, own6.ip);
	address_is(p, "203.0.113.5", 22, "a.example", VERDICT_REFUSE, "of this machine");
	address_is(p, "2001:db8::5", 22, "", VERDICT_REFUSE, "of this machine");
	address_is(p, "203.0.113.6", 22, "a.example", VERDICT_ALLOW, "");
	assert_int_equal(policy_add_word(p, true, "203.0.113.5:22", NULL), 0);
	address_is(p, "203.0.113.5", 22, "a.example", VERDICT_ALLOW, "allow 203.0.113.5");
	policy_free(p);
	p = parsed(GATE_OPEN, "");
	policy_own_addresses(p); /* every machine has a loopback at least */
	assert_true(p->nown > 0);
	policy_free(p);
}

static void test_an_address_needs_the_name_that_led_to_it(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow a.example:443\n");

	address_is(p, "192.0.2.1", 443, "a.example", VERDICT_ALLOW, "allow a.example");
	address_is(p, "192.0.2.1", 80, "a.example", VERDICT_SINK, "not at port 80");
	address_is(p, "192.0.2.1", 443, "b.example", VERDICT_SINK, "no rule");
	address_is(p, "192.0.2.1", 443, "", VERDICT_SINK, "no name has led");
	policy_free(p);
	p = parsed(GATE_OPEN, "");
	address_is(p, "192.0.2.1", 443, "", VERDICT_ALLOW, "mode open");
	address_is(p, "198.18.0.1", 443, "", VERDICT_SINK, "an address of the sinkhole");
	address_is(p, "198.19.255.1", 443, "a.example", VERDICT_SINK, "before a rule allowed it");
	address_is(p, "2001:2::1", 443, "", VERDICT_SINK, "an address of the sinkhole");
	address_is(p, "2001:2:1::1", 443, "", VERDICT_ALLOW, "");
	address_is(p, "198.20.0.1", 443, "", VERDICT_ALLOW, "");
	policy_free(p);
}

/* ---- inner names -------------------------------------------------------------------------- */

static void inner_is(const struct policy *p, const char *name, const char *inner, enum verdict v,
		     const char *reason)
{
	expect(policy_inner_name(p, name, inner, 443, "SNI"), v, inner, reason);
}

static void test_a_shared_address_proves_nothing(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "allow a.example\nallow *.cdn.example:443\n"
						 "allow 192.0.2.1\nallow 2001:db8::1\n");
	char longest[400];

	inner_is(p, "a.example", "a.example", VERDICT_ALLOW, "a.example");
	inner_is(p, "a.example", "", VERDICT_ALLOW, "no SNI names another");
	inner_is(p, "a.example", "x.cdn.example", VERDICT_ALLOW, "*.cdn.example");
	inner_is(p, "a.example", "evil.example", VERDICT_REFUSE,
		 "its SNI 'evil.example' is not allowed though the address was reached as "
		 "'a.example'");
	inner_is(p, "", "evil.example", VERDICT_REFUSE, "its SNI 'evil.example' is not allowed:");
	inner_is(p, "a.example", "a.example:443", VERDICT_ALLOW, "a.example");
	inner_is(p, "a.example", "evil.example:443", VERDICT_REFUSE, "evil.example");
	inner_is(p, "a.example", "192.0.2.1", VERDICT_ALLOW, "192.0.2.1");
	inner_is(p, "a.example", "192.0.2.1:443", VERDICT_ALLOW, "192.0.2.1");
	inner_is(p, "a.example", "192.0.2.2", VERDICT_REFUSE, "192.0.2.2");
	inner_is(p, "a.example", "[2001:db8::1]:443", VERDICT_ALLOW, "2001:db8::1");
	inner_is(p, "a.example", "[2001:db8::2]", VERDICT_REFUSE, "2001:db8::2");
	inner_is(p, "a.example", "a.example\nx", VERDICT_REFUSE, "");
	memset(longest, 'y', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	inner_is(p, longest, longest, VERDICT_REFUSE, "not allowed");
	policy_free(p);
	p = parsed(GATE_OPEN, "deny evil.example\n");
	inner_is(p, "a.example", "b.example", VERDICT_ALLOW, "mode open");
	inner_is(p, "a.example", "evil.example", VERDICT_REFUSE, "deny evil.example");
	policy_free(p);
}

/* ---- encrypted name service --------------------------------------------------------------- */

static void encrypted_is(const struct policy *p, const char *name, uint16_t port, const char *alpn,
			 bool ech, bool refused, const char *reason)
{
	char why[256] = "untouched";
	bool r = policy_encrypted_dns(p, name, port, alpn, ech, why);

	if (r != refused || !strstr(why, refused ? reason : "untouched"))
		fail_msg("%s:%u %s gave %d, %s", name, port, alpn, r, why);
}

static void test_resolvers_that_hide_names_are_refused(void **state UNUSED)
{
	for (enum gate_mode m = GATE_CLOSED; m <= GATE_OPEN; m++) {
		struct policy *p = parsed(m, "allow dns.google\n");

		encrypted_is(p, "a.example", 853, "", false, true, "port 853");
		encrypted_is(p, "a.example", 443, "dot", false, true, "ALPN");
		encrypted_is(p, "a.example", 8853, "h3,doq", false, true, "ALPN");
		encrypted_is(p, "a.example", 443, "dots,xdot,h2", false, false, "");
		encrypted_is(p, "dns.google", 443, "h2", false, true, "'dns.google' is a resolver");
		encrypted_is(p, "mozilla.cloudflare-dns.com", 443, "h2", false, true,
			     "'cloudflare-dns.com'");
		encrypted_is(p, "abc123.dns.nextdns.io", 443, "h2", false, true, "dns.nextdns.io");
		encrypted_is(p, "notdns.google", 443, "h2", false, false, "");
		encrypted_is(p, "dns.google", 8080, "", false, false, "");
		encrypted_is(p, "a.example", 443, "h2", true, true, "ech allow");
		encrypted_is(p, "", 443, "", false, false, "");
		/* by the name, and by the address alone */
		name_is(p, "dns.google", 443, VERDICT_REFUSE, "encrypted-dns allow");
		address_is(p, "203.0.113.1", 443, "dns.quad9.net", VERDICT_REFUSE, "dns.quad9.net");
		address_is(p, "8.8.8.8", 443, "", VERDICT_REFUSE, "8.8.8.8 is a resolver");
		address_is(p, "2606:4700:4700::1111", 853, "", VERDICT_REFUSE, "is a resolver");
		address_is(p, "1.1.1.3", 443, "a.example", VERDICT_REFUSE, "is a resolver");
		policy_free(p);
	}
}

static void test_a_file_can_let_encrypted_name_service_pass(void **state UNUSED)
{
	struct policy *p = parsed(GATE_OPEN, "encrypted-dns allow\n");

	encrypted_is(p, "dns.google", 853, "dot", true, false, "");
	name_is(p, "dns.google", 443, VERDICT_ALLOW, "");
	address_is(p, "8.8.8.8", 443, "", VERDICT_ALLOW, "");
	policy_free(p);
	p = parsed(GATE_OPEN, "ech allow\n");
	encrypted_is(p, "a.example", 443, "h2", true, false, "");
	encrypted_is(p, "dns.google", 443, "h2", true, true, "resolver");
	policy_free(p);
}

static void test_the_table_of_resolvers_is_in_order(void **state UNUSED)
{
	/* each entry is found: bisection needs them sorted, and each is a name as names are kept */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char plain[NAME_MAX_DNS + 1];

		assert_null(name_read(str_z(names[i]), plain));
		assert_string_equal(plain, names[i]);
		assert_ptr_equal(known_resolver_name(names[i]), names[i]);
	}
	assert_null(known_resolver_name("google"));
	assert_null(known_resolver_name("zzz"));
	assert_null(known_resolver_name("."));
	assert_null(known_resolver_name("a."));
}

static void test_tls_is_opened_for_the_names_given(void **state UNUSED)
{
	struct policy *p = parsed(GATE_DECLARED, "tls-open a.example\ntls-open *.b.example\n");

	assert_true(policy_opens_tls(p, "a.example"));
	assert_true(policy_opens_tls(p, "A.example"));
	assert_false(policy_opens_tls(p, "x.a.example"));
	assert_true(policy_opens_tls(p, "x.y.b.example"));
	assert_false(policy_opens_tls(p, "b.example"));
	assert_false(policy_opens_tls(p, ""));
	assert_false(policy_opens_tls(p, "192.0.2.1"));
	/* to open is not to allow */
	name_is(p, "a.example", 443, VERDICT_SINK, "no rule");
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_rules),
		cmocka_unit_test(test_names_at_their_limits),
		cmocka_unit_test(test_errors_name_line_and_column_and_add_nothing),
		cmocka_unit_test(test_a_nul_byte_is_an_error),
		cmocka_unit_test(test_comments_blanks_and_line_ends),
		cmocka_unit_test(test_a_file_without_mode_leaves_the_mode),
		cmocka_unit_test(test_rules_are_limited_in_number),
		cmocka_unit_test(test_what_is_printed_reads_back_equal),
		cmocka_unit_test(test_an_empty_list_reaches_nobody),
		cmocka_unit_test(test_names_wildcards_and_ports),
		cmocka_unit_test(test_deny_wins_over_every_allow_in_every_mode),
		cmocka_unit_test(test_mode_closed_reaches_nobody_whatever_is_allowed),
		cmocka_unit_test(test_odd_names_are_judged_too),
		cmocka_unit_test(test_addresses_and_networks),
		cmocka_unit_test(test_the_whole_internet_as_a_network),
		cmocka_unit_test(test_an_allowed_name_does_not_lead_back_home),
		cmocka_unit_test(test_words_that_lead_inward),
		cmocka_unit_test(test_a_rule_for_the_address_itself_opens_it),
		cmocka_unit_test(test_addresses_of_this_machine_are_not_reached_by_name),
		cmocka_unit_test(test_an_address_needs_the_name_that_led_to_it),
		cmocka_unit_test(test_a_shared_address_proves_nothing),
		cmocka_unit_test(test_resolvers_that_hide_names_are_refused),
		cmocka_unit_test(test_a_file_can_let_encrypted_name_service_pass),
		cmocka_unit_test(test_the_table_of_resolvers_is_in_order),
		cmocka_unit_test(test_tls_is_opened_for_the_names_given),
	};

	return cmocka_run_group_tests_name("gate policy", tests, NULL, NULL);
}
