// SPDX-License-Identifier: Apache-2.0
/*
 * html.c - the report as one page that loads nothing and runs nothing
 *
 * The policy in its head forbids every load and every script, so that even a mistake in an
 * escaper could show a name wrongly but not make it act. Every line links to its event; the events
 * that are linked to stand in a table at the end (all of them when they are few).
 *
 * Always true: words from our own sources go out as they are written; whatever else is put into
 * the page goes through escape_html().
 */
#include "report/html.h"
#include "report/exam.h"

void html_name(struct buf *out, struct str s)
{
	buf_puts(out, "<code>");
	put_shown(out, escape_html, s, NAME_SHOWN_MAX);
	buf_puts(out, "</code>");
}

void html_ref(struct html *h, enum event_kind kind, uint64_t seq, uint64_t more)
{
	bool linked = h->all || h->nref < REPORT_REFS_MAX;

	if (!seq || kind == EV_NONE)
		return;
	if (!h->all && linked) {
		h->ref = vec_grow(h->ref, h->nref, &h->ref_cap, sizeof(*h->ref));
		h->ref[h->nref++] = (struct html_ref){ seq, kind };
	}
	if (linked)
		buf_printf(h->out, " <a class=\"ev\" href=\"#e%llu\" data-seq=\"%llu\">#%llu",
			   (unsigned long long)seq, (unsigned long long)seq,
			   (unsigned long long)seq);
	else
		buf_printf(h->out, " <span class=\"ev\">#%llu", (unsigned long long)seq);
	if (more)
		buf_printf(h->out, " +%llu", (unsigned long long)more);
	buf_puts(h->out, linked ? "</a>" : "</span>");
}

void html_link(struct html *h, enum event_kind kind, uint64_t seq)
{
	/* the same collecting as any other link, but the link itself is drawn here */
	size_t n = h->out->n;

	html_ref(h, kind, seq, 0);
	h->out->n = n;
	buf_printf(h->out, "<a href=\"#e%llu\">", (unsigned long long)seq);
}

void html_more(struct html *h, uint64_t shown, uint64_t total, const char *what)
{
	if (total <= shown)
		return;
	buf_puts(h->out, "<p class=\"more\">… and ");
	put_number(h->out, total - shown);
	buf_printf(h->out, " more %s</p>\n", what);
}

void html_line(struct html *h, const struct line *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->p[i].what == PIECE_NAME)
			html_name(h->out, l->p[i].s);
		else
			escape_html(h->out, l->p[i].s);
	}
	html_ref(h, l->kind, l->seq, l->more);
}

void html_row(struct html *h, struct line *l)
{
	buf_puts(h->out, "<li>");
	html_line(h, l);
	buf_puts(h->out, "</li>\n");
	free(l->p);
}

static void section(struct html *h, const char *id, const char *title)
{
	buf_printf(h->out, "<section aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n", id, id,
		   title);
}

static const struct {
	const char *id, *title;
} contents[] = {
	{ "look", "Look at first" },
	{ "runs", "Runs" },
	{ "programs", "Programs that ran, and who started whom" },
	{ "net", "Who it talked to" },
	{ "when", "What happened when" },
	{ "disk", "What is different on disk" },
	{ "files", "Programs that it brought" },
	{ "starts", "What starts by itself" },
	{ "out", "Attempts to get out" },
	{ "walls", "Special powers and walls" },
	{ "trust", "Users, set-id programs, trust" },
	{ "gaps", "Gaps, limits, mismatches" },
	{ "check", "How to check this record" },
	{ "events-h", "Events" },
};

static void section_nr(struct html *h, size_t nr)
{
	section(h, contents[nr].id, contents[nr].title);
}

static void head(struct html *h)
{
	struct buf *o = h->out;
	struct str title = str_z(h->rep->opts->title);

	buf_puts(o, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
		    "<meta name=\"referrer\" content=\"no-referrer\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta name=\"generator\" content=\"belljar " BELLJAR_VERSION "\">\n<title>");
	escape_html(o, clip(title, 200));
	buf_puts(o, " — belljar report</title>\n<style>\n");
	buf_puts(o, html_style);
	buf_puts(o, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#h-look\">Skip to what to "
		    "look at first</a>\n<header>\n<p class=\"kicker\">Report of what a program did "
		    "under glass</p>\n<h1>");
	if (h->rep->exam && h->rep->exam->installer.n) {
		struct str path = h->rep->exam->installer;
		size_t at = path.n;

		while (at && path.p[at - 1] != '/')
			at--;
		buf_puts(o, "What ");
		html_name(o, clip((struct str){ path.p + at, path.n - at }, 160));
		buf_puts(o, " does");
	} else if (h->rep->procs.nrun) {
		buf_puts(o, "What ");
		html_name(o, clip(h->rep->procs.run[0].command, 160));
		buf_puts(o, " did");
	} else {
		buf_puts(o, "An empty record");
	}
	buf_puts(o, "</h1>\n<p class=\"soft\">Box ");
	html_name(o, title);
	buf_puts(o, "</p>\n</header>\n<main>\n");
}

static void summary(struct html *h)
{
	const struct lines *s = &h->rep->summary;

	buf_puts(h->out, "<section aria-label=\"Summary\">\n<div class=\"card lead\">\n");
	for (size_t i = 0; i + 1 < s->n; i++) {
		buf_puts(h->out, "<p>");
		html_line(h, &s->l[i]);
		buf_puts(h->out, "</p>\n");
	}
	if (s->n) {
		buf_printf(h->out, "<p class=\"seal %s\">%s ", all_seen(h->rep) ? "good" : "bad",
			   all_seen(h->rep) ? "✓" : "⚠");
		html_line(h, &s->l[s->n - 1]);
		buf_puts(h->out, "</p>\n");
	}
	buf_puts(h->out, "</div>\n");
}

static void figure(struct html *h, uint64_t n, const char *what, const char *class)
{
	buf_printf(h->out, "<li%s%s%s><b>", class && n ? " class=\"" : "", class && n ? class : "",
		   class && n ? "\"" : "");
	put_number(h->out, n);
	buf_printf(h->out, "</b><span>%s</span></li>\n", what);
}

static void figures(struct html *h)
{
	const struct rep *rep = h->rep;

	buf_puts(h->out, "<ul class=\"figures\" aria-label=\"Key figures\">\n");
	figure(h, rep->nexecs, "programs started", NULL);
	figure(h, rep->changes[CH_ADDED], "files added", NULL);
	figure(h, rep->changes[CH_CHANGED] + rep->changes[CH_REMOVED], "files changed or removed",
	       NULL);
	figure(h, rep->start[ST_START].fresh, "start by themselves", "hot");
	if (net_gated(&rep->net)) {
		figure(h, rep->net.flows, "connections", "hot");
		figure(h, rep->net.canaries, "values of this machine sent", "alarm");
	} else {
		figure(h, rep->out.total, "attempts to get out", "hot");
	}
	figure(h, rep->refused, "calls refused", "hot");
	figure(h, rep->gaps.total + rep->mismatches.total + rep->ncut, "gaps or mismatches",
	       "alarm");
	buf_puts(h->out, "</ul>\n</section>\n");
}

static void navigation(struct html *h)
{
	buf_puts(h->out, "<nav aria-label=\"Contents\" style=\"padding:0\">\n<ol>\n");
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
		buf_printf(h->out, "<li><a href=\"#h-%s\">%s</a></li>\n", contents[i].id,
			   contents[i].title);
	buf_puts(h->out, "</ol>\n</nav>\n");
}

static void looks(struct html *h)
{
	const struct rep *rep = h->rep;

	section_nr(h, 0);
	if (!rep->nlook)
		buf_puts(h->out, "<p class=\"none\">Nothing that stays, reaches out or pushes "
				 "against the box.</p>\n");
	for (size_t i = 0; i < rep->nlook; i++) {
		const struct look *k = &rep->look[i];

		buf_printf(h->out,
			   "<article class=\"card look%s\" id=\"look-%s\">\n<h3>%s <span "
			   "class=\"n\">(",
			   strcmp(k->id, "unseen") ? "" : " alarm", k->id, k->title);
		put_number(h->out, k->rows.total);
		buf_puts(h->out, ")</span></h3>\n<ul>\n");
		for (size_t r = 0; r < k->rows.n; r++) {
			buf_puts(h->out, "<li>");
			html_line(h, &k->rows.l[r]);
			buf_puts(h->out, "</li>\n");
		}
		if (k->rows.total > k->rows.n) {
			buf_puts(h->out, "<li class=\"more\">… and ");
			put_number(h->out, k->rows.total - k->rows.n);
			buf_puts(h->out, " more</li>\n");
		}
		buf_printf(h->out,
			   "</ul>\n<dl>\n<dt>Why it matters</dt><dd>%s</dd>\n<dt>Can be "
			   "harmless</dt><dd>%s</dd>\n</dl>\n</article>\n",
			   k->why, k->innocent);
	}
	buf_puts(h->out, "</section>\n");
}

static void fact(struct html *h, const char *what, struct str s)
{
	if (!s.n)
		return;
	buf_printf(h->out, "<dt>%s</dt><dd>", what);
	html_name(h->out, s);
	buf_puts(h->out, "</dd>\n");
}

static void runs(struct html *h)
{
	const struct procs *ps = &h->rep->procs;

	section_nr(h, 1);
	for (size_t i = 0; i < ps->nrun && i < h->rep->rows_max; i++) {
		const struct run_info *r = &ps->run[i];

		buf_printf(h->out, "<div class=\"card\" data-run=\"%u\">\n<h3>Run %u: ", r->run,
			   r->run);
		html_name(h->out, clip(r->command, 200));
		html_ref(h, EV_RUN_BEGIN, r->begin_seq, 0);
		buf_puts(h->out, "</h3>\n<dl class=\"facts\">\n<dt>Began</dt><dd>");
		put_day(h->out, r->wall);
		buf_puts(h->out, "</dd>\n<dt>Outcome</dt><dd>It ");
		outcome(h->out, r);
		if (r->end_seq) {
			buf_puts(h->out, " after ");
			put_duration(h->out, r->t_end);
			html_ref(h, EV_RUN_END, r->end_seq, 0);
		}
		buf_puts(h->out, "</dd>\n");
		fact(h, "Folder", r->cwd);
		fact(h, "Network", r->net);
		fact(h, "Limits", r->limits);
		fact(h, "User ids", r->idmap);
		fact(h, "Host", r->host);
		fact(h, "belljar", r->version);
		buf_puts(h->out, "</dl>\n</div>\n");
	}
	html_more(h, h->rep->rows_max, ps->nrun, "runs");
	buf_puts(h->out, "</section>\n");
}

static int moments(struct html *h, struct err *err)
{
	struct plain_rows rows;
	int rc;

	section_nr(h, 4);
	html_charts(h);
	find_moments(h->rep, &rows);
	rows.total = rows.n;
	rc = html_table(h, &rows, "The first of each kind of thing, and every turning point", err);
	free(rows.r);
	buf_puts(h->out, "</section>\n");
	return rc;
}

static void disk(struct html *h)
{
	section_nr(h, 5);
	if (h->rep->ndir)
		html_folders(h);
	else
		buf_printf(h->out, "<p class=\"none\">%s</p>\n", say_none(h->rep, "Nothing."));
	buf_puts(h->out, "</section>\n");
}

static void entries(struct html *h, const char *title, const struct start_rows *rows)
{
	if (title && rows->n)
		buf_printf(h->out, "<h3>%s</h3>\n", title);
	if (rows->n)
		buf_puts(h->out, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < rows->n; i++) {
		struct line l = { 0 };

		say_start(h->rep, &l, &rows->r[i]);
		html_row(h, &l);
	}
	if (rows->n)
		buf_puts(h->out, "</ul>\n");
	html_more(h, rows->n, rows->total, "entries");
}

static void starts(struct html *h)
{
	const struct rep *rep = h->rep;

	section_nr(h, 7);
	if (!rep->start[ST_START].n)
		buf_printf(h->out, "<p class=\"none\">%s</p>\n",
			   say_none(rep, "Nothing was added, changed or removed."));
	entries(h, NULL, &rep->start[ST_START]);
	entries(h, "What runs inside or in place of other programs", &rep->start[ST_HOOK]);
	buf_puts(h->out, "</section>\n");
}

static void groups(struct html *h, const char *title, const struct groups *gs, const char *none)
{
	size_t n = gs->n < h->rep->rows_max ? gs->n : h->rep->rows_max;

	if (title && gs->n)
		buf_printf(h->out, "<h3>%s</h3>\n", title);
	if (!gs->n && none)
		buf_printf(h->out, "<p class=\"none\">%s</p>\n", none);
	if (!gs->n)
		return;
	buf_puts(h->out, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < n; i++) {
		struct line l = { 0 };

		say_group(h->rep, &l, &gs->g[i]);
		html_row(h, &l);
	}
	buf_puts(h->out, "</ul>\n");
	html_more(h, n, gs->n, "groups");
	html_more(h, 0, gs->lost, "in further groups");
}

static void outside(struct html *h)
{
	section_nr(h, 8);
	groups(h, NULL, &h->rep->out, "None.");
	groups(h, "Programs that wait for connections", &h->rep->listens, NULL);
	groups(h, "Connections that stayed in the box", &h->rep->local, NULL);
	buf_puts(h->out, "</section>\n");
	section_nr(h, 9);
	groups(h, NULL, &h->rep->wall, "Nothing asked for any.");
	groups(h, "Signals to other processes", &h->rep->signals, NULL);
	buf_puts(h->out, "</section>\n");
}

static void trust(struct html *h)
{
	const struct rep *rep = h->rep;

	section_nr(h, 10);
	entries(h, "Who may log in, and who may do what", &rep->start[ST_RIGHTS]);
	entries(h, "Whom the machine believes", &rep->start[ST_TRUST]);
	entries(h, "Where names and connections lead", &rep->start[ST_NET]);
	if (!rep->nconcern)
		buf_printf(h->out, "<p class=\"none\">%s</p>\n",
			   say_none(rep, "No file of that sort was touched."));
	else
		buf_puts(h->out, "<h3>Files</h3>\n");
	if (rep->nconcern)
		buf_puts(h->out, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < rep->nconcern; i++) {
		struct line l = { 0 };

		say_change(h->rep, &l, &rep->concern[i]);
		html_row(h, &l);
	}
	if (rep->nconcern)
		buf_puts(h->out, "</ul>\n");
	if (rep->nconcern >= rep->rows_max)
		buf_puts(h->out, "<p class=\"more\">… and perhaps more</p>\n");
	buf_puts(h->out, "</section>\n");
}

static void cut_run(struct html *h, const struct run_info *r)
{
	uint64_t open = net_left_open(&h->rep->net, r->run);

	if (r->end_seq)
		return;
	buf_printf(h->out, "<p>Run %u has no end on record: it was cut off.", r->run);
	if (open) {
		buf_puts(h->out, " So ");
		buf_puts(h->out, open == 1 ? "was " : "were ");
		put_count(h->out, open, "connection", "connections");
		buf_puts(h->out, " that had not ended: how many bytes they moved is not known.");
	}
	buf_puts(h->out, "</p>\n");
}

static int gaps(struct html *h, struct err *err)
{
	const struct rep *rep = h->rep;
	int rc;

	section_nr(h, 11);
	if (all_seen(rep) && !rep->limits.total)
		buf_puts(h->out, "<p class=\"none\">None.</p>\n");
	for (size_t i = 0; i < rep->procs.nrun; i++)
		cut_run(h, &rep->procs.run[i]);
	if (rep->objects_lost) {
		buf_puts(h->out, "<p>Of ");
		put_count(h->out, rep->objects_lost, "program", "programs");
		buf_puts(h->out, " only the hash was kept, the bytes were over the limit.</p>\n");
	}
	rc = html_table(h, &rep->gaps, "Gaps: not seen", err);
	if (!rc)
		rc = html_table(h, &rep->limits, "Limits that were reached", err);
	if (!rc)
		rc = html_table(h, &rep->mismatches, "Mismatches: record and disk disagree", err);
	buf_puts(h->out, "</section>\n");
	return rc;
}

static void check(struct html *h)
{
	const struct journal_head *j = &h->rep->head;

	section_nr(h, 12);
	buf_puts(h->out, "<p>All events are chained by their hashes, and the end of the chain is "
			 "signed. Whoever has the journal can check that nothing in it was changed "
			 "since:</p>\n<pre>belljar verify ");
	if (h->rep->opts->title && *h->rep->opts->title)
		escape_html(h->out, clip(str_z(h->rep->opts->title), 200));
	else
		buf_puts(h->out, "NAME (this box had none and is gone: -b NAME keeps it)");
	buf_puts(h->out, "</pre>\n<dl class=\"facts\">\n<dt>Sealed events</dt><dd>");
	put_number(h->out, j->events);
	buf_puts(h->out, ", in ");
	put_count(h->out, j->blocks, "block", "blocks");
	buf_puts(h->out, "</dd>\n");
	fact(h, "Chain head", str_z(j->hash));
	fact(h, "Public key", str_z(j->key));
	buf_printf(h->out, "<dt>Signed</dt><dd>%s</dd>\n",
		   j->is_signed ? "yes (Ed25519)" : "<span class=\"tag bad\">NO</span>");
	if (j->unsealed) {
		buf_puts(h->out, "<dt>Not sealed</dt><dd>");
		put_count(h->out, j->unsealed, "event", "events");
		buf_puts(h->out, " at the end: nothing vouches for them</dd>\n");
	}
	buf_puts(h->out, "</dl>\n</section>\n");
}

int report_html(struct rep *rep, struct buf *out, struct err *err)
{
	struct html h = { .rep = rep, .out = out, .all = rep->events <= REPORT_EVENTS_FULL };
	int rc;

	head(&h);
	if (rep->exam)
		exam_html(&h, rep->exam);
	summary(&h);
	figures(&h);
	navigation(&h);
	looks(&h);
	runs(&h);
	section_nr(&h, 2);
	html_tree(&h);
	buf_puts(out, "</section>\n");
	section_nr(&h, 3);
	html_net(&h);
	groups(&h, "Names that were looked up", &rep->names, NULL);
	buf_puts(out, "</section>\n");
	rc = moments(&h, err);
	if (!rc) {
		disk(&h);
		section_nr(&h, 6);
		html_files(&h);
		buf_puts(out, "</section>\n");
		starts(&h);
		outside(&h);
		trust(&h);
		rc = gaps(&h, err);
	}
	if (!rc) {
		check(&h);
		section_nr(&h, 13);
		rc = html_events(&h, err);
		buf_puts(out, "</section>\n");
	}
	buf_puts(out, "</main>\n<footer>Made by belljar " BELLJAR_VERSION " from the record alone. "
		      "This page loads nothing and runs nothing. It says what was seen; what it "
		      "means is for people to judge.</footer>\n</body>\n</html>\n");
	free(h.ref);
	return rc;
}
