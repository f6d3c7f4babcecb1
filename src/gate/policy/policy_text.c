// SPDX-License-Identifier: Apache-2.0
/*
 * policy_text.c - policies as text: words of rules, policy files (doc/POLICY.md)
 *
 * A file is read whole before anything of it counts: first all lines into a list, then, if none is
 * wrong, the list into the policy.
 */
#include <arpa/inet.h>
#include <assert.h>

#include "gate/policy/policy_inner.h"

/* ---- names and addresses ------------------------------------------------------------------ */

const char *name_read(struct str name, char ret[NAME_MAX_DNS + 1])
{
	size_t label = 0;
	bool number = true;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (!name.n)
		return "is no name";
	if (name.n > NAME_MAX_DNS)
		return "is longer than a name can be (253 characters)";
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		ret[i] = (char)c;
		if (c == '.') {
			if (!label)
				return "has an empty part between dots";
			label = 0;
			number = true;
			continue;
		}
		if (c >= 0x80)
			return "is not ASCII: write its form in IDNA A-labels (xn--…)";
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return c == '*' ? "has a '*' elsewhere than in '*.' at its start"
					: "has a character that names do not have";
		number &= c >= '0' && c <= '9';
		if (++label > 63)
			return "has a part of more than 63 characters between dots";
	}
	if (!label)
		return "has an empty part between dots";
	if (number) /* RFC 3696 2: the last part is never all digits */
		return "is neither a name nor an address";
	ret[name.n] = 0;
	return NULL;
}

bool address_read(struct str text, struct addr *ret)
{
	char z[INET6_ADDRSTRLEN + 1];
	struct in6_addr in6;
	struct addr a = { 0 };

	if (!text.n || text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	if (strlen(z) != text.n)
		return false;
	if (inet_pton(AF_INET, z, a.ip) != 1) {
		if (inet_pton(AF_INET6, z, &in6) != 1)
			return false;
		a.v6 = !IN6_IS_ADDR_V4MAPPED(&in6);
		memcpy(a.ip, in6.s6_addr + (a.v6 ? 0 : 12), a.v6 ? 16 : 4);
	}
	*ret = a;
	return true;
}

static bool number_read(struct str text, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!text.n || text.n > 5 || (text.p[0] == '0' && text.n > 1))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(text.p[i] - '0');
	}
	*ret = v;
	return v <= max;
}

static struct str part(struct str s, size_t from, size_t to)
{
	return (struct str){ s.p + from, to - from };
}

static const char *port_read(struct str text, uint16_t *ret)
{
	unsigned v = 0;

	if (!number_read(text, 65535, &v) || !v)
		return "has no port from 1 to 65535 after its ':'";
	*ret = (uint16_t)v;
	return NULL;
}

static const char *network_read(struct str text, struct rule_word *w, bool *ret_is)
{
	const char *slash = memchr(text.p, '/', text.n);
	size_t n = slash ? (size_t)(slash - text.p) : text.n;
	unsigned bits, whole;
	struct addr a;

	*ret_is = address_read(part(text, 0, n), &a);
	if (!*ret_is)
		return slash ? "is no address before its '/'" : NULL;
	whole = bits = a.v6 ? 128 : 32;
	if (slash && memchr(text.p, ':', n) && !a.v6)
		return "is an IPv4 address in IPv6 form: write the IPv4 network";
	if (slash && !number_read(part(text, n + 1, text.n), whole, &bits))
		return whole == 32 ? "has no number of bits from 0 to 32 after its '/'"
				   : "has no number of bits from 0 to 128 after its '/'";
	for (unsigned i = bits; i < whole; i++)
		if (a.ip[i / 8] & (0x80 >> (i % 8)))
			return "has bits set beyond its '/'";
	w->s.kind = a.v6 ? '6' : '4';
	w->s.bits = (uint8_t)bits;
	w->s.n = (uint8_t)(whole / 8);
	memcpy(w->s.at, a.ip, w->s.n);
	return NULL;
}

/* [ADDRESS], [ADDRESS/BITS], each perhaps with a port. */
static const char *brackets_read(struct str word, bool with_port, struct rule_word *w)
{
	const char *close = memchr(word.p, ']', word.n);
	size_t n = close ? (size_t)(close - word.p) : 0;
	const char *wrong;
	bool is;

	if (!close)
		return "has a '[' without its ']'";
	wrong = network_read(part(word, 1, n), w, &is);
	if (wrong)
		return wrong;
	if (!is || w->s.kind != '6')
		return "has no IPv6 address between '[' and ']'";
	if (n + 1 == word.n)
		return NULL;
	if (word.p[n + 1] != ':' || !with_port)
		return "has something other than ':PORT' after its ']'";
	return port_read(part(word, n + 2, word.n), &w->port);
}

const char *word_read(struct str word, bool with_port, struct rule_word *ret)
{
	const char *wrong, *colon;
	char name[NAME_MAX_DNS + 1];
	bool is;

	*ret = (struct rule_word){ 0 };
	if (!word.n)
		return "is empty";
	if (word.p[0] == '[')
		return brackets_read(word, with_port, ret);
	/* one colon is a port's; an IPv6 address has more */
	colon = memchr(word.p, ':', word.n);
	if (colon && colon == memrchr(word.p, ':', word.n)) {
		if (!with_port)
			return "has a port, which is not asked for here";
		wrong = port_read(part(word, (size_t)(colon + 1 - word.p), word.n), &ret->port);
		if (wrong)
			return wrong;
		word.n = (size_t)(colon - word.p);
		colon = NULL;
	}
	wrong = network_read(word, ret, &is);
	if (is || wrong)
		return wrong;
	if (colon)
		return "is no IPv6 address (with a port: [ADDRESS]:PORT)";
	ret->s.kind = str_starts(word, "*.") ? 'w' : 'n';
	if (word.n == 1 && word.p[0] == '*')
		return "would be everybody: that is 'mode open'";
	if (ret->s.kind == 'w')
		word = part(word, 2, word.n);
	wrong = name_read(word, name);
	if (wrong)
		return wrong;
	ret->s.n = (uint8_t)strlen(name);
	memcpy(ret->s.at, name, ret->s.n);
	return NULL;
}

const char *word_write(const struct rule_word *w, char buf[WORD_TEXT_MAX])
{
	bool v6 = w->s.kind == '6';
	struct addr a = { .v6 = v6 };
	char text[ADDR_TEXT_MAX], bits[8] = "", port[8] = "";

	if (w->port)
		snprintf(port, sizeof(port), ":%u", w->port);
	if (w->s.kind == 'n' || w->s.kind == 'w') {
		snprintf(buf, WORD_TEXT_MAX, "%s%.*s%s", w->s.kind == 'w' ? "*." : "", w->s.n,
			 w->s.at, port);
		return buf;
	}
	memcpy(a.ip, w->s.at, w->s.n);
	if (w->s.bits < (v6 ? 128 : 32))
		snprintf(bits, sizeof(bits), "/%u", w->s.bits);
	snprintf(buf, WORD_TEXT_MAX, v6 && w->port ? "[%s%s]%s" : "%s%s%s", addr_text(&a, text),
		 bits, port);
	return buf;
}

/* ---- rules from the command line ---------------------------------------------------------- */

static int bad_word(struct err *err, const char *word, const char *wrong)
{
	err_set_exit(err, EXIT_USAGE, 0, "gate: '%.300s' %s", word, wrong);
	if (err)
		err->code = EINVAL;
	return -EINVAL;
}

static int add_word(struct policy *p, enum rule_op op, const char *word, struct err *err)
{
	struct rule_word w;
	const char *wrong = word_read(str_z(word), op != RULE_TLS_OPEN, &w);

	if (!wrong && op == RULE_TLS_OPEN && w.s.kind != 'n' && w.s.kind != 'w')
		wrong = "is no name: TLS is opened by name";
	if (wrong)
		return bad_word(err, word, wrong);
	if (policy_add(p, op, &w))
		return err_set_exit(err, EXIT_USAGE, E2BIG, "gate: more than %d rules",
				    POLICY_RULES_MAX);
	return 0;
}

int policy_add_word(struct policy *p, bool allow, const char *word, struct err *err)
{
	return add_word(p, allow ? RULE_ALLOW : RULE_DENY, word, err);
}

int policy_tls_open(struct policy *p, const char *name, struct err *err)
{
	return add_word(p, RULE_TLS_OPEN, name, err);
}

int policy_word(const char *word, char ret[POLICY_WORD_MAX], struct err *err)
{
	char text[WORD_TEXT_MAX];
	struct rule_word w;
	const char *wrong = word_read(str_z(word), true, &w);

	static_assert(WORD_TEXT_MAX <= POLICY_WORD_MAX, "every word fits");
	if (wrong)
		return bad_word(err, word, wrong);
	strcpy(ret, word_write(&w, text));
	return 0;
}

bool policy_word_inward(const char *word)
{
	struct rule_word w;
	struct addr a = { 0 };

	if (word_read(str_z(word), true, &w) || w.s.kind == 'n' || w.s.kind == 'w')
		return false;
	a.v6 = w.s.kind == '6';
	memcpy(a.ip, w.s.at, w.s.n);
	return address_special(&a) || address_sinkhole(&a);
}

/* ---- files -------------------------------------------------------------------------------- */

static const char *const mode_words[] = {
	[GATE_CLOSED] = "closed",
	[GATE_DECLARED] = "declared",
	[GATE_OPEN] = "open",
};

const char *gate_mode_word(enum gate_mode mode)
{
	return mode_words[mode];
}

bool gate_mode_read(const char *word, enum gate_mode *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_words); i++)
		if (!strcmp(word, mode_words[i])) {
			*ret = (enum gate_mode)i;
			return true;
		}
	return false;
}

/** struct reading - what a file has said so far */
struct reading {
	struct policy *p;		       /* of its own */
	bool mode, encrypted_dns, ech, pinned; /* were said */
};

/* One word of two: is it the first? */
static const char *either(struct str word, const char *yes, const char *no, bool *ret, bool *said)
{
	if (*said)
		return "is said twice";
	*said = true;
	*ret = str_eq(word, str_z(yes));
	return *ret || str_eq(word, str_z(no)) ? NULL : "is neither 'allow' nor 'refuse'";
}

static const char *read_mode(struct reading *r, struct str word)
{
	cleanup_free char *z = xstrndup(word.p, word.n);

	if (r->mode)
		return "is said twice";
	r->mode = true;
	return gate_mode_read(z, &r->p->mode) ? NULL : "is none of 'closed', 'declared' and 'open'";
}

static const char *read_encrypted(struct reading *r, struct str word)
{
	return either(word, "allow", "refuse", &r->p->encrypted_dns, &r->encrypted_dns);
}

static const char *read_ech(struct reading *r, struct str word)
{
	return either(word, "allow", "refuse", &r->p->ech, &r->ech);
}

static const char *read_pinned(struct reading *r, struct str word)
{
	if (r->pinned)
		return "is said twice";
	r->pinned = true;
	r->p->pinned_refused = str_eq(word, STR("refuse"));
	return r->p->pinned_refused || str_eq(word, STR("pass")) ? NULL
								 : "is neither 'pass' nor 'refuse'";
}

static const char *read_rule(struct reading *r, enum rule_op op, struct str word)
{
	struct rule_word w;
	const char *wrong = word_read(word, op != RULE_TLS_OPEN, &w);

	if (wrong)
		return wrong;
	if (op == RULE_TLS_OPEN && w.s.kind != 'n' && w.s.kind != 'w')
		return "is no name: TLS is opened by name";
	return policy_add(r->p, op, &w) ? "is one rule too many (10000)" : NULL;
}

static const char *read_allow(struct reading *r, struct str word)
{
	return read_rule(r, RULE_ALLOW, word);
}

static const char *read_deny(struct reading *r, struct str word)
{
	return read_rule(r, RULE_DENY, word);
}

static const char *read_tls_open(struct reading *r, struct str word)
{
	return read_rule(r, RULE_TLS_OPEN, word);
}

static const struct {
	const char *word;
	const char *(*read)(struct reading *r, struct str word);
} statements[] = {
	{ "allow", read_allow },
	{ "deny", read_deny },
	{ "tls-open", read_tls_open },
	{ "mode", read_mode },
	{ "encrypted-dns", read_encrypted },
	{ "ech", read_ech },
	{ "tls-pinned", read_pinned },
};

/* The next word of a line, from *at on; empty at the end or where a comment begins. */
static struct str next_word(struct str line, size_t *at)
{
	size_t from;

	while (*at < line.n && strchr(" \t\r", line.p[*at]))
		++*at;
	from = *at;
	if (from < line.n && line.p[from] == '#') {
		*at = line.n;
		return (struct str){ line.p + line.n, 0 };
	}
	while (*at < line.n && !strchr(" \t\r", line.p[*at]))
		++*at;
	return part(line, from, *at);
}

/* Return: what is wrong, with the word that is. */
static const char *read_line(struct reading *r, struct str line, struct str *ret_word)
{
	size_t at = 0;
	struct str what = next_word(line, &at), word = next_word(line, &at);

	*ret_word = what;
	if (!what.n)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		const char *wrong;

		if (!str_eq(what, str_z(statements[i].word)))
			continue;
		*ret_word = word;
		if (!word.n)
			return "is missing its word";
		wrong = statements[i].read(r, word);
		if (wrong)
			return wrong;
		*ret_word = next_word(line, &at);
		return ret_word->n ? "is one word too many" : NULL;
	}
	return "is none of allow, deny, tls-open, mode, encrypted-dns, ech, tls-pinned";
}

static int said_wrong(struct err *err, const char *file, int line, struct str whole,
		      struct str word, const char *wrong)
{
	/* columns are counted in bytes from 1; a word that is missing stands behind the last */
	size_t column = (size_t)(word.p - whole.p) + 1;

	if (word.n)
		err_set_exit(err, EXIT_USAGE, 0, "gate: %.300s:%d:%zu: '%.*s' %s", file, line,
			     column, (int)(word.n < 260 ? word.n : 260), word.p, wrong);
	else
		err_set_exit(err, EXIT_USAGE, 0, "gate: %.300s:%d:%zu: the line %s", file, line,
			     column, wrong);
	if (err)
		err->code = EINVAL;
	return -EINVAL;
}

static int read_text(struct reading *r, struct str text, const char *file, struct err *err)
{
	size_t at = 0;

	for (int line = 1; at < text.n; line++) {
		const char *end = memchr(text.p + at, '\n', text.n - at);
		size_t to = end ? (size_t)(end - text.p) : text.n;
		struct str whole = part(text, at, to), word;
		const char *nul = memchr(whole.p, 0, whole.n);
		const char *wrong;

		if (nul)
			return said_wrong(err, file, line, whole, (struct str){ nul, 0 },
					  "has a NUL byte");
		wrong = read_line(r, whole, &word);
		if (wrong)
			return said_wrong(err, file, line, whole, word, wrong);
		at = to + 1;
	}
	return 0;
}

static int merge(struct policy *p, const struct reading *r)
{
	int rc = 0;

	for (int i = 0; i < r->p->nrules && !rc; i++) {
		struct rule_word w = { .s = r->p->rule[i].at->s, .port = r->p->rule[i].port };

		rc = policy_add(p, r->p->rule[i].op, &w);
	}
	if (r->mode)
		p->mode = r->p->mode;
	if (r->encrypted_dns)
		p->encrypted_dns = r->p->encrypted_dns;
	if (r->ech)
		p->ech = r->p->ech;
	if (r->pinned)
		p->pinned_refused = r->p->pinned_refused;
	return rc;
}

int policy_parse(struct policy *p, const char *text, size_t n, const char *file, struct err *err)
{
	struct reading r = { 0 };
	int rc;

	if (n > POLICY_FILE_MAX)
		return err_set_exit(err, EXIT_USAGE, EFBIG, "gate: policy file '%.300s'", file);
	r.p = policy_new(GATE_DECLARED);
	rc = read_text(&r, (struct str){ text, n }, file, err);
	if (!rc && p->nrules + r.p->nrules > POLICY_RULES_MAX)
		rc = err_set_exit(err, EXIT_USAGE, E2BIG, "gate: more than %d rules with '%.300s'",
				  POLICY_RULES_MAX, file);
	if (!rc)
		rc = merge(p, &r);
	policy_free(r.p);
	return rc;
}

void policy_print(const struct policy *p, struct buf *out)
{
	static const char *const ops[] = { "allow", "deny", "tls-open" };
	char text[WORD_TEXT_MAX];

	static_assert(ARRAY_SIZE(ops) == RULE_OPS, "a word for each");
	buf_printf(out, "mode %s\nencrypted-dns %s\nech %s\ntls-pinned %s\n", mode_words[p->mode],
		   p->encrypted_dns ? "allow" : "refuse", p->ech ? "allow" : "refuse",
		   p->pinned_refused ? "refuse" : "pass");
	for (int i = 0; i < p->nrules; i++) {
		struct rule_word w = { .s = p->rule[i].at->s, .port = p->rule[i].port };

		buf_printf(out, "%s %s\n", ops[p->rule[i].op], word_write(&w, text));
	}
}
