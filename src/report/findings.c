// SPDX-License-Identifier: Apache-2.0
/*
 * findings.c - what the judge found, for people and for machines
 */
#include "report/inner.h"

#define INDENT	       12
#define EVIDENCE_SHOWN 12 /* event numbers on a line of text; JSON has all that were kept */

static const char *const colours[GRADES] = {
	[GRADE_FACT] = "",
	[GRADE_NOTE] = "\033[36m",
	[GRADE_CONCERN] = "\033[33m",
	[GRADE_FINDING] = "\033[1;31m",
};

static void line(struct buf *out, const char *what, struct str s)
{
	cleanup_buf struct buf b = { 0 };

	if (!s.n)
		return;
	put_shown(&b, escape_text, s, DETAIL_SHOWN_MAX);
	buf_printf(out, "  %-9s ", what);
	put_wrapped(out, (struct str){ b.p, b.n }, INDENT);
}

static void evidence(struct buf *out, const char *what, const uint64_t *seqs, size_t n,
		     uint64_t count)
{
	if (!n)
		return;
	buf_printf(out, "  %-9s ", what);
	for (size_t i = 0; i < n && i < EVIDENCE_SHOWN; i++)
		buf_printf(out, "%s%llu",
			   i	    ? ", "
			   : n == 1 ? "event "
				    : "events ",
			   (unsigned long long)seqs[i]);
	if (count > EVIDENCE_SHOWN) {
		buf_puts(out, " … of ");
		put_number(out, count);
	}
	buf_puts(out, "\n");
}

void finding_text(struct buf *out, const struct finding *f, bool colour)
{
	buf_printf(out, "%s%s%s  ", colour ? colours[f->grade] : "", grade_name(f->grade),
		   colour ? "\033[0m" : "");
	escape_text(out, str_z(f->title));
	buf_puts(out, "\n");
	line(out, "about", f->subject);
	line(out, "", f->detail);
	line(out, "why", str_z(f->why));
	line(out, "innocent", str_z(f->innocent));
	line(out, "ruled out", str_z(f->done));
	evidence(out, "evidence", f->seqs, f->nseqs, f->count);
	evidence(out, "other", f->others, f->nothers, f->nothers);
	buf_printf(out, "  %-9s %s ", "rule", rule_kind_name(f->kind));
	escape_text(out, str_z(f->rule));
	if (f->attack) {
		buf_puts(out, ", ATT&CK ");
		escape_text(out, str_z(f->attack));
	}
	buf_puts(out, "\n\n");
}

static void string(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	if (value)
		escape_json(out, str_z(value));
	else
		buf_puts(out, "null");
}

static void numbers(struct buf *out, const char *key, const uint64_t *v, size_t n)
{
	buf_printf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)v[i]);
	buf_puts(out, "]");
}

void finding_json(struct buf *out, const struct finding *f)
{
	buf_printf(out, "{\"grade\":\"%s\",\"kind\":\"%s\"", grade_name(f->grade),
		   rule_kind_name(f->kind));
	string(out, "rule", f->rule);
	string(out, "title", f->title);
	buf_puts(out, ",\"subject\":");
	escape_json(out, f->subject);
	buf_puts(out, ",\"detail\":");
	escape_json(out, f->detail);
	string(out, "why", f->why);
	string(out, "innocent", f->innocent);
	string(out, "ruled_out", f->done);
	string(out, "attack", f->attack);
	buf_printf(out, ",\"proc\":%u,\"count\":%llu", f->proc, (unsigned long long)f->count);
	numbers(out, "evidence", f->seqs, f->nseqs);
	numbers(out, "others", f->others, f->nothers);
	buf_puts(out, "}\n");
}

static void sum_up(struct buf *out, const struct judgement *v, size_t shown)
{
	size_t n[GRADES] = { 0 };

	for (size_t i = 0; i < v->n; i++)
		n[v->v[i].grade]++;
	put_count(out, v->rules, "rule was asked: ", "rules were asked: ");
	put_count(out, n[GRADE_FINDING], "finding, ", "findings, ");
	put_count(out, n[GRADE_CONCERN], "concern, ", "concerns, ");
	put_count(out, n[GRADE_NOTE], "note, ", "notes, ");
	put_count(out, n[GRADE_FACT], "fact", "facts");
	if (shown < v->n)
		buf_printf(out, "; %zu shown", shown);
	if (v->left_out) {
		buf_puts(out, "; ");
		put_count(out, v->left_out, "more was", "more were");
		buf_puts(out, " beyond the limit");
	}
	if (v->rules_left_out) {
		buf_puts(out, "; ");
		put_count(out, v->rules_left_out, "Sigma rule", "Sigma rules");
		buf_puts(out, " left out (belljar rules list --sigma says why)");
	}
	buf_puts(out, "\n");
}

/* The gravest one is the first. */
static void in_brief(struct buf *out, const struct judgement *v)
{
	size_t n[GRADES] = { 0 };
	const char *comma = "";

	for (size_t i = 0; i < v->n; i++)
		n[v->v[i].grade]++;
	buf_puts(out, "belljar: judged: ");
	if (!n[GRADE_FINDING] && !n[GRADE_CONCERN] && !n[GRADE_NOTE]) {
		buf_puts(out, "nothing graver than a fact\n");
		return;
	}
	for (int g = GRADE_FINDING; g >= GRADE_NOTE; g--)
		if (n[g]) {
			buf_printf(out, "%s%zu %s%s", comma, n[g], grade_name((enum grade)g),
				   n[g] == 1 ? "" : "s");
			comma = ", ";
		}
	buf_puts(out, "; gravest: ");
	escape_text(out, str_z(v->v[0].title));
	if (v->v[0].subject.n) {
		buf_puts(out, " (");
		escape_text(out, clip(v->v[0].subject, 80));
		buf_puts(out, ")");
	}
	buf_puts(out, "\n");
}

int report_findings(const struct judgement *v, const struct findings_opts *o, int fd,
		    struct err *err)
{
	cleanup_buf struct buf out = { 0 };
	size_t shown = 0;
	int rc;

	if (o->brief)
		in_brief(&out, v);
	for (size_t i = 0; i < v->n && !o->brief; i++) {
		if (v->v[i].grade < o->min)
			continue;
		shown++;
		if (o->json)
			finding_json(&out, &v->v[i]);
		else
			finding_text(&out, &v->v[i], o->colour);
	}
	if (!o->json && !o->brief)
		sum_up(&out, v, shown);
	if (out.overflow)
		return err_set(err, EFBIG, "report: the findings are too long");
	rc = out.n ? write_full(fd, out.p, out.n) : 0;
	return rc ? cannot_write(err, rc, "the findings") : 0;
}
