// SPDX-License-Identifier: Apache-2.0
/*
 * exam_findings.c - what rules say, under the question that it belongs to, and what to ask of it
 */
#include "report/exam_words.h"

static const struct {
	const char *rule;
	enum exam_question under;
	const char *ask; /* NULL: the general question */
} rules[] = {
	{ "command-after-answer", Q_CONTROL,
	  "Who can make this software run programs, by which server, and how is that server's "
	  "answer checked?" },
	{ "downloaded-and-run", Q_CONTROL,
	  "Which programs does it fetch and run, who signs them, and is the signature checked?" },
	{ "late-install", Q_CONTROL,
	  "What is installed after the installer has ended, why later, and why is it not told?" },
	{ "second-updater", Q_CONTROL, "Why is there a second updater, and who runs its server?" },
	{ "second-signer", Q_CONTROL, "Who is the other signer, and what is his part?" },
	{ "elevation-unasked", Q_CONTROL, "Why does a user's program become root without asking?" },
	{ "steered-by-names", Q_CONTROL,
	  "Why does an answer of the name service decide what is fetched?" },
	{ "answers-steer", Q_CONTROL,
	  "Why does an answer of the name service decide what is fetched?" },
	{ "set-id-added", Q_CONTROL, NULL },
	{ "listens", Q_CONTROL, NULL },
	{ "guards-opened", Q_CONTROL, NULL },
	{ "trust-anchor-added", Q_CONTROL,
	  "Whose certificates does it add, and who holds their keys?" },
	{ "users-added", Q_CONTROL, NULL },
	{ "system-files-removed", Q_STAYS, "Why are files of the system gone?" },
	{ "name-service-changed", Q_CONTROL, "Why are names led elsewhere?" },
	{ "proxy-changed", Q_CONTROL, "Why is the traffic of other programs led through a proxy?" },
	{ "revive-each-other", Q_DEFENDS,
	  "Why do two programs guard each other, and how are they ended?" },
	{ "restored-after-deletion", Q_DEFENDS,
	  "Why does a deleted program come back, and from where?" },
	{ "survives-uninstall", Q_DEFENDS, "How is all of it removed?" },
	{ "traces-erased", Q_DEFENDS, "What was removed later, on whose order, and why?" },
	{ "deletes-itself", Q_DEFENDS, NULL },
	{ "logs-wiped", Q_DEFENDS, NULL },
	{ "time-stamps-forged", Q_DEFENDS, "Why do new files get old dates?" },
	{ "executable-named-as-data", Q_DEFENDS, "Why is a program named like a picture or data?" },
	{ "names-vary", Q_DEFENDS, NULL },
	{ "packed-program", Q_DEFENDS, NULL },
	{ "looks-for-watchers", Q_DEFENDS, NULL },
	{ "tries-walls", Q_DEFENDS, NULL },
	{ "fileless-execution", Q_DEFENDS, NULL },
	{ "updates-disabled", Q_DEFENDS, NULL },
	{ "firewall-changed", Q_DEFENDS, NULL },
	{ "random-after-regular", Q_TALKS, "What are the contacts for, and why at random times?" },
	{ "regular-contacts", Q_TALKS, "What are the regular contacts for?" },
	{ "names-carry-data", Q_TALKS, "What do the questions for names carry, and to whom?" },
	{ "unusual-protocol", Q_TALKS, NULL },
	{ "planted-values-sent", Q_TOOK,
	  "Which data of the machine are sent, to whom, and for what?" },
	{ "passwords-sent", Q_TOOK, "Why are keys and passwords sent?" },
	{ "listens-to-keys", Q_TOOK, NULL },
	{ "takes-pictures", Q_TOOK, NULL },
	{ "behaves-by-identity", Q_CONTROL, "Who gets which behaviour, and who decides it?" },
	{ "copies-differ", Q_CONTROL,
	  "Why do customers get different programs under one version?" },
};

static int rule_at(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strcmp(rules[i].rule, id))
			return (int)i;
	return -1;
}

/* How many more of its rule and grade follow: they come sorted by both. */
static size_t alike(const struct judgement *v, size_t i)
{
	size_t n = 0;

	while (i + n + 1 < v->n && v->v[i + n + 1].grade == v->v[i].grade &&
	       !strcmp(v->v[i + n + 1].rule, v->v[i].rule))
		n++;
	return n;
}

/* Evidence of a finding: its first event, and how many more there are. */
static void refer(struct words_of *w, struct line *l, const struct finding *f)
{
	if (f->nseqs)
		line_ref(l, source_kind(&w->rep->src, f->seqs[0]), f->seqs[0], f->nseqs - 1);
}

/* Hashes are for those who look at the finding itself. */
static struct str without_hash(struct str s)
{
	static const char hash[] = "; SHA-256";
	const char *at = s.n ? memmem(s.p, s.n, hash, sizeof(hash) - 1) : NULL;

	return at ? (struct str){ s.p, (size_t)(at - s.p) } : s;
}

static void say_finding(struct words_of *w, const struct finding *f, size_t more)
{
	struct line *l = words_next(w->to);

	if (!l)
		return;
	line_say(&w->rep->a, l, "%s: %s", grade_name(f->grade), f->title);
	if (f->subject.n) {
		line_say(&w->rep->a, l, ": ");
		line_name(&w->rep->a, l, f->subject);
	}
	if (f->detail.n) {
		line_say(&w->rep->a, l, ", ");
		line_name(&w->rep->a, l, without_hash(f->detail));
	}
	if (more)
		line_say(&w->rep->a, l, "; and %zu more like it", more);
	refer(w, l, f);
}

/* By the same rule, with a higher grade: they come sorted by grade. */
static bool said_graver(const struct judgement *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (v->v[k].grade > v->v[i].grade && !strcmp(v->v[k].rule, v->v[i].rule))
			return true;
	return false;
}

void words_findings(struct words_of *w, enum exam_question q)
{
	const struct judgement *v = w->e->judged;

	for (size_t i = 0; v && i < v->n; i++) {
		int at = rule_at(v->v[i].rule);

		if (at < 0 || rules[at].under != q || v->v[i].grade < GRADE_NOTE ||
		    said_graver(v, i))
			continue;
		say_finding(w, &v->v[i], alike(v, i));
		i += alike(v, i);
	}
}

static bool asked(const struct judgement *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(v->v[k].rule, v->v[i].rule))
			return true;
	return false;
}

void words_ask(struct words_of *w)
{
	const struct judgement *v = w->e->judged;

	for (size_t i = 0; v && i < v->n; i++) {
		const struct finding *f = &v->v[i];
		int at = rule_at(f->rule);
		struct line *l;

		if (f->grade < GRADE_CONCERN || asked(v, i) ||
		    (at < 0 && !strcmp(f->rule, "several-signs")))
			continue;
		l = words_next(w->to);
		if (!l)
			continue;
		if (at >= 0 && rules[at].ask) {
			line_say(&w->rep->a, l, "%s ", rules[at].ask);
		} else {
			line_say(&w->rep->a, l, "What is the reason for this: %s? ", f->title);
		}
		if (f->subject.n) {
			line_say(&w->rep->a, l, "(");
			line_name(&w->rep->a, l, f->subject);
			line_say(&w->rep->a, l, ")");
		}
		refer(w, l, f);
	}
	if (!w->to->total)
		words_only(w, "Nothing that was seen asks for an answer.");
}

void words_verdict(struct words_of *w)
{
	const struct judgement *v = w->e->judged;
	size_t n[GRADE_FINDING + 1] = { 0 };
	cleanup_buf struct buf b = { 0 };

	if (!v)
		return;
	if (w->e->install_failed)
		words_only(w, "Its installer did not succeed, so little of the program was seen.");
	/* a rule counts once: how often it was broken says little */
	for (size_t i = 0; i < v->n; i++)
		n[v->v[i].grade] += !asked(v, i);
	put_count(&b, n[GRADE_CONCERN], "sign was", "signs were");
	if (n[GRADE_FINDING]) {
		words_only(
			w,
			"This software does more than it says: independent signs of different kinds "
			"agree.");
		line_say(&w->rep->a, lines_add(w->to),
			 "In all %s seen that ask for an answer from its vendor.", buf_z(&b));
	} else if (n[GRADE_CONCERN]) {
		line_say(
			&w->rep->a, lines_add(w->to),
			"%s seen that ask%s for an answer from its vendor. None is proof by itself.",
			buf_z(&b), n[GRADE_CONCERN] == 1 ? "s" : "");
	} else {
		words_only(
			w,
			"Nothing was seen that asks for an answer from its vendor. That tells what it "
			"did here, and not what it may do elsewhere or later.");
	}
	words_only(
		w,
		"How to read this: a concern asks for an answer, a note has an everyday explanation as "
		"often as not. A # and a number is the event in the record that a line stands on. The "
		"sinkhole is belljar's stand-in for the Internet: it answers, and nothing gets out.");
}
