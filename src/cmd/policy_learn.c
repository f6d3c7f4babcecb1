// SPDX-License-Identifier: Apache-2.0
/*
 * policy_learn.c - what the runs of a box contacted, as a policy file for a person to edit
 *
 * Who was contacted by name becomes a rule for that name and port; a hard-coded address becomes a
 * rule for the address. What should be thought about twice is written as a comment: addresses of
 * this machine and its networks, and what was refused. Names come from the box: only what is a
 * rule's word is written as one, everything else goes through the escaper.
 */
#include "cmd/box_arg.h"
#include "cmd/policy.h"
#include "gate/gate.h"

#define ROWS "1000" /* BOX_ARG_ROWS_MAX */

/* clang-format off */
/* the process's latest image as of the row */
#define IMAGE \
	"COALESCE((SELECT p.image FROM process p WHERE p.proc = f.proc AND p.op = 'exec' AND " \
	"p.seq < f.seq ORDER BY p.seq DESC LIMIT 1), '') AS image "
#define TEXT(x) "CASE WHEN typeof(" x ") = 'text' THEN " x " ELSE '' END "

/* without questions to the box's own resolver */
static const char sql_flows[] =
	"SELECT " TEXT("f.name") "AS name, " TEXT("f.dst") "AS dst, f.dst_port AS port, "
	TEXT("f.protocol") "AS protocol, " TEXT("f.answer") "AS answer, "
	TEXT("f.reason") "AS reason, count(*) AS n, " IMAGE
	"FROM flow f WHERE f.op = 'begin' AND NOT EXISTS (SELECT 1 FROM dns d WHERE "
	"d.run = f.run AND d.flow = f.flow) "
	"GROUP BY f.name, CASE WHEN f.name IS NULL THEN f.dst END, f.dst_port, f.protocol, "
	"f.answer, image ORDER BY f.name IS NULL, f.name, f.dst, f.dst_port, n DESC LIMIT " ROWS;

/* names that a connection said, other than the one that had led to its address */
static const char sql_inner[] =
	"SELECT s.name AS name, f.dst_port AS port, f.protocol AS protocol, s.what AS what, "
	TEXT("f.name") "AS outer, count(*) AS n, " IMAGE
	"FROM (SELECT run, flow, sni AS name, 'SNI' AS what FROM tls WHERE op = 'client-hello' "
	"UNION ALL SELECT run, flow, host, 'Host' FROM http WHERE op = 'request') s "
	"JOIN flow f ON f.run = s.run AND f.flow = s.flow AND f.op = 'begin' "
	"WHERE typeof(s.name) = 'text' AND s.name IS NOT f.name AND s.name IS NOT f.dst AND "
	"s.name NOT LIKE COALESCE(f.name, '') || ':%' "
	"GROUP BY s.name, f.dst_port, f.protocol, s.what, f.name, image "
	"ORDER BY s.name, n DESC LIMIT " ROWS;

static const char sql_asked[] =
	"SELECT " TEXT("f.name") "AS name, " TEXT("f.type") "AS type, count(*) AS n, " IMAGE
	"FROM dns f WHERE f.op = 'query' AND NOT EXISTS (SELECT 1 FROM flow w WHERE "
	"w.name = f.name) GROUP BY f.name, f.type, image ORDER BY f.name, f.type LIMIT " ROWS;
/* clang-format on */

static const char *str_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_int_t int_of(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* NAME:PORT as a rule's word; false for what is none. */
static bool word_of(const char *whom, json_int_t port, char ret[POLICY_WORD_MAX])
{
	cleanup_free char *word = NULL;

	if (strchr(whom, '*'))
		return false;
	word = xasprintf(strchr(whom, ':') ? "[%s]:%lld" : "%s:%lld", whom, port);
	return !policy_word(word, ret, NULL);
}

/* A name of a Host field may carry its port. */
static char *host_alone(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon && !strchr(colon + 1, ':') ? xstrndup(name, (size_t)(colon - name))
						: xstrdup(name);
}

static void who_and_how_often(struct buf *out, const json_t *r)
{
	json_int_t n = int_of(r, "n");
	const char *image = str_of(r, "image");

	buf_printf(out, "# %lld %s by ", n, n == 1 ? "time" : "times");
	box_arg_cut(out, *image ? image : "a process that is not known", 200);
}

static void rule(struct buf *out, const char *last, const char *word, bool as_comment)
{
	if (strcmp(last, word))
		buf_printf(out, "%sallow %s\n", as_comment ? "#" : "", word);
}

static void one_flow(struct buf *out, const json_t *r, char last[POLICY_WORD_MAX])
{
	const char *name = str_of(r, "name"), *answer = str_of(r, "answer");
	const char *whom = *name ? name : str_of(r, "dst");
	bool refused = !strcmp(answer, "refused");
	char word[POLICY_WORD_MAX];

	who_and_how_often(out, r);
	buf_puts(out, ", ");
	box_arg_cut(out, str_of(r, "protocol"), 10);
	buf_printf(out, " port %lld: ", int_of(r, "port"));
	box_arg_cut(out, answer, 20);
	if (refused) {
		buf_puts(out, ", ");
		box_arg_cut(out, str_of(r, "reason"), 256);
	}
	if (!*name)
		buf_puts(out, "; no name had led to this address");
	buf_puts(out, "\n");
	if (!word_of(whom, int_of(r, "port"), word)) {
		buf_puts(out, "# no rule can speak of ");
		box_arg_cut(out, whom, 300);
		buf_puts(out, "\n");
		return;
	}
	rule(out, last, word, refused || policy_word_inward(word));
	strcpy(last, word);
}

static void one_inner(struct buf *out, const json_t *r, char last[POLICY_WORD_MAX])
{
	cleanup_free char *name = host_alone(str_of(r, "name"));
	char word[POLICY_WORD_MAX];

	if (!word_of(name, int_of(r, "port"), word))
		return;
	who_and_how_often(out, r);
	buf_printf(out, ", as %s at an address that was reached as '", str_of(r, "what"));
	box_arg_cut(out, str_of(r, "outer"), 253);
	buf_puts(out, "'\n");
	rule(out, last, word, false);
	strcpy(last, word);
}

static void one_asked(struct buf *out, const json_t *r)
{
	who_and_how_often(out, r);
	buf_puts(out, ": ");
	box_arg_cut(out, str_of(r, "name"), 300);
	buf_puts(out, " ");
	box_arg_cut(out, str_of(r, "type"), 20);
	buf_puts(out, "\n");
}

static void heading(struct buf *out, const json_t *rows, const char *words)
{
	if (!json_array_size(rows))
		return;
	buf_printf(out, "\n# ---- %s\n", words);
	if (json_array_size(rows) >= BOX_ARG_ROWS_MAX)
		buf_puts(out, "# (the first " ROWS "; there are more)\n");
}

int policy_learn(struct box *box, struct buf *out, struct err *err)
{
	json_t *flows = NULL, *inner = NULL, *asked = NULL, *r;
	char iso[CLOCK_ISO_MAX], last[POLICY_WORD_MAX] = "";
	int rc = box_arg_rows(box, sql_flows, &flows, err);
	size_t i;

	if (!rc)
		rc = box_arg_rows(box, sql_inner, &inner, err);
	if (!rc)
		rc = box_arg_rows(box, sql_asked, &asked, err);
	if (!rc) {
		buf_printf(
			out,
			"# What the runs of box '%s' contacted, as of %s.\n"
			"# Read each line before you use it: belljar run --policy FILE, or lines of it "
			"for\n# belljar policy NAME allow. The format: doc/POLICY.md\n\nmode "
			"declared\n",
			box_get_info(box)->name, clock_iso(clock_real_ns(), iso));
		heading(out, flows, "connected to");
		json_array_foreach(flows, i, r) one_flow(out, r, last);
		heading(out, inner, "named inside of such connections");
		json_array_foreach(inner, i, r) one_inner(out, r, last);
		heading(out, asked, "asked for, and not connected to: no rule");
		json_array_foreach(asked, i, r) one_asked(out, r);
	}
	json_decref(flows);
	json_decref(inner);
	json_decref(asked);
	return rc;
}
