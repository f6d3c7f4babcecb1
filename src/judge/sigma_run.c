// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_run.c - matches of Sigma rules become findings: one a rule and program
 *
 * A rule about one event is one sign: whatever its level, it is no finding of GRADE_FINDING.
 */
#include "judge/inner.h"

struct run {
	struct sigma *s;
	struct rows *rows;
	struct finds *f;
	struct intern keys; /* rule and program: number of the finding */
	uint32_t *finding;
	size_t cap;
};

enum grade sigma_grade(const char *level)
{
	static const struct {
		const char *level;
		enum grade grade;
	} levels[] = { { "informational", GRADE_FACT },
		       { "low", GRADE_NOTE },
		       { "medium", GRADE_NOTE },
		       { "high", GRADE_CONCERN },
		       { "critical", GRADE_CONCERN } };

	for (size_t i = 0; level && i < ARRAY_SIZE(levels); i++)
		if (!strcmp(level, levels[i].level))
			return levels[i].grade;
	return GRADE_NOTE;
}

/* "attack.persistence,attack.t1543.002" → "T1543.002" */
const char *sigma_techniques(struct arena *a, const char *tags)
{
	cleanup_buf struct buf b = { .limit = SIGMA_TAGS_MAX };
	const char *at = tags;

	while (at && (at = strstr(at, "attack.t"))) {
		size_t n = strspn(at + 8, "0123456789.");

		if (n >= 4) {
			buf_puts(&b, b.n ? ",T" : "T");
			buf_add(&b, at + 8, n);
		}
		at += 8;
	}
	return b.n ? arena_str(a, (struct str){ buf_z(&b), b.n + 1 }).p : NULL;
}

static struct finding *begin(struct run *run, const struct sigma_match *m)
{
	const struct sigma_rule *r = m->rule;
	struct finding *x = finds_add(run->f);

	if (!x)
		return NULL;
	x->kind = RULE_SIGMA;
	x->grade = sigma_grade(r->level);
	x->rule = r->id ? r->id : r->name ? r->name : r->title;
	x->title = r->title;
	x->why = r->description;
	x->innocent = r->false_positives;
	x->attack = sigma_techniques(&run->f->a, r->tags);
	x->subject = arena_str(&run->f->a, m->row->v[0]);
	x->proc = m->row->proc;
	x->seqs = arena_alloc(&run->f->a, EVIDENCE_MAX * sizeof(*x->seqs));
	return x;
}

static int matched(void *ctx, const struct sigma_match *m)
{
	struct run *run = ctx;
	cleanup_buf struct buf key = { 0 };
	struct finding *x;
	bool is_new;
	uint32_t at;

	buf_printf(&key, "%p ", (const void *)m->rule);
	buf_add(&key, m->row->v[0].p, m->row->v[0].n);
	at = intern_add(&run->keys, (struct str){ buf_z(&key), key.n }, &is_new);
	if (at == INTERN_NONE) {
		run->f->left_out++;
		return 0;
	}
	run->finding = vec_grow(run->finding, at, &run->cap, sizeof(*run->finding));
	if (is_new) {
		run->finding[at] = (uint32_t)run->f->n;
		if (!begin(run, m)) {
			run->finding[at] = UINT32_MAX;
			return 0;
		}
	}
	if (run->finding[at] == UINT32_MAX)
		return 0;
	x = &run->f->v[run->finding[at]];
	x->count++;
	for (size_t i = 0; i < m->nseqs && x->nseqs < EVIDENCE_MAX; i++)
		((uint64_t *)x->seqs)[x->nseqs++] = m->seqs[i];
	return 0;
}

static int on_event(void *ctx, const struct event *ev)
{
	struct run *run = ctx;
	struct row row;

	return rows_event(run->rows, ev, &row) ? sigma_row(run->s, &row, matched, run) : 0;
}

int sigma_run(struct sigma *s, struct journal_reader *r, struct finds *f, struct err *err)
{
	const struct journal_filter filter = {
		.kinds = 1u << EV_RUN_BEGIN | 1u << EV_CLOCK | 1u << EV_PROCESS | 1u << EV_FILE |
			 1u << EV_SOCKET | 1u << EV_MODULE | 1u << EV_FLOW | 1u << EV_DNS |
			 1u << EV_HTTP,
	};
	struct run run = { .s = s, .rows = rows_new(), .f = f };
	struct arena keys = { 0 };
	int rc;

	run.keys = (struct intern){ .a = &keys, .max = FINDINGS_MAX };
	rc = journal_read(r, &filter, on_event, &run, err);
	if (rc && sigma_failed(s)->msg[0])
		*err = *sigma_failed(s);
	if (!rc && sigma_given_up(s))
		could_not_run(f, "sigma", "a regular expression took too many steps on a value");
	if (!rc && sigma_forgotten(s))
		could_not_run(f, "sigma", "a correlation had more matches than it can count");
	intern_free(&run.keys);
	arena_free(&keys);
	free(run.finding);
	rows_free(run.rows);
	return rc;
}
