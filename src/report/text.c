// SPDX-License-Identifier: Apache-2.0
/*
 * text.c - the report for a terminal, a mail or a file: 100 columns where names allow it
 *
 * [#123] names the event that a line stands on; "+4" in it says how many more there are like
 * it. `belljar events NAME --seq 123` shows it.
 */
#include <ctype.h>

#include "report/exam.h"
#include "report/text.h"

static void paint(struct text *t, const char *code)
{
	if (t->colour)
		buf_printf(t->out, "\033[%sm", code);
}

void text_name(struct buf *out, struct str s)
{
	put_shown(out, escape_text, s, NAME_SHOWN_MAX);
}

void text_section(struct text *t, const char *title)
{
	buf_puts(t->out, "\n");
	paint(t, "1");
	for (const char *p = title; *p; p++)
		buf_printf(t->out, "%c", toupper((unsigned char)*p));
	paint(t, "0");
	buf_puts(t->out, "\n");
}

void text_ref(struct buf *out, uint64_t seq, uint64_t more)
{
	if (!seq)
		return;
	buf_printf(out, " [#%llu", (unsigned long long)seq);
	if (more)
		buf_printf(out, "+%llu", (unsigned long long)more);
	buf_puts(out, "]");
}

void text_line(struct text *t, const struct line *l, int indent)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		if (l->p[i].what == PIECE_NAME)
			text_name(&b, l->p[i].s);
		else
			buf_add(&b, l->p[i].s.p, l->p[i].s.n);
	}
	text_ref(&b, l->seq, l->more);
	put_wrapped(t->out, (struct str){ b.p, b.n }, indent);
}

static void free_line(struct line *l)
{
	free(l->p);
	*l = (struct line){ 0 };
}

void text_more(struct text *t, uint64_t shown, uint64_t total, const char *what)
{
	cleanup_buf struct buf b = { 0 };

	if (total <= shown)
		return;
	put_number(&b, total - shown);
	buf_printf(t->out, "  … and %s more %s\n", buf_z(&b), what);
}

static void put_summary(struct text *t)
{
	for (size_t i = 0; i < t->rep->summary.n; i++) {
		bool warn = i + 1 == t->rep->summary.n && !all_seen(t->rep);

		if (warn)
			paint(t, "1;31");
		buf_puts(t->out, "  ");
		text_line(t, &t->rep->summary.l[i], 2);
		if (warn)
			paint(t, "0");
	}
}

static void put_looks(struct text *t)
{
	text_section(t, "Look at first");
	if (!t->rep->nlook)
		buf_puts(t->out, "  Nothing that stays, reaches out or pushes against the box.\n");
	for (size_t i = 0; i < t->rep->nlook; i++) {
		const struct look *k = &t->rep->look[i];

		paint(t, "1;33");
		buf_printf(t->out, "%s  %zu. %s", i ? "\n" : "", i + 1, k->title);
		paint(t, "0");
		buf_printf(t->out, " (%llu)\n", (unsigned long long)k->rows.total);
		for (size_t r = 0; r < k->rows.n; r++) {
			buf_puts(t->out, "     - ");
			text_line(t, &k->rows.l[r], 7);
		}
		if (k->rows.total > k->rows.n)
			buf_printf(t->out, "     … and %llu more\n",
				   (unsigned long long)(k->rows.total - k->rows.n));
		buf_puts(t->out, "     Why it matters: ");
		put_wrapped(t->out, str_z(k->why), 21);
		buf_puts(t->out, "     Can be harmless: ");
		put_wrapped(t->out, str_z(k->innocent), 21);
	}
}

static void put_runs(struct text *t)
{
	text_section(t, "Runs");
	for (size_t i = 0; i < t->rep->procs.nrun && i < t->rep->rows_max; i++) {
		const struct run_info *r = &t->rep->procs.run[i];
		cleanup_buf struct buf b = { 0 };

		buf_printf(&b, "%u. ", r->run);
		put_day(&b, r->wall);
		buf_puts(&b, ": ");
		text_name(&b, r->command);
		buf_puts(&b, " — ");
		outcome(&b, r);
		if (r->end_seq) {
			buf_puts(&b, " after ");
			put_duration(&b, r->t_end);
		}
		text_ref(&b, r->begin_seq, 0);
		buf_puts(t->out, "  ");
		put_wrapped(t->out, (struct str){ b.p, b.n }, 4);
		b.n = 0;
		buf_puts(&b, "network ");
		text_name(&b, r->net.n ? r->net : STR("?"));
		buf_puts(&b, "; ids ");
		text_name(&b, r->idmap.n ? r->idmap : STR("?"));
		buf_puts(&b, "; limits ");
		for (size_t k = 0; k < r->limits.n; k++) {
			escape_text(&b, (struct str){ r->limits.p + k, 1 });
			buf_puts(&b, r->limits.p[k] == ';' ? " " : "");
		}
		buf_puts(t->out, "     ");
		put_wrapped(t->out, (struct str){ b.p, b.n }, 5);
	}
	text_more(t, t->rep->rows_max, t->rep->procs.nrun, "runs");
}

static void put_end(struct buf *out, const struct rep *rep, const struct proc *p)
{
	const char *means = signal_means(p->signal);

	if (left_running(rep, p))
		buf_puts(out, ", still running at the end");
	else if (!p->ended)
		buf_puts(out, ", end not on record");
	else if (p->signal)
		buf_printf(out, ", %s (signal %lld)", means ? means : "ended by a signal",
			   (long long)p->signal);
	else if (p->status)
		buf_printf(out, ", failed with status %lld", (long long)p->status);
}

static void put_tree_row(struct text *t, const struct tree_row *row)
{
	const struct procs *ps = &t->rep->procs;
	const struct proc *p = row->p;
	const struct exec *e = p->exec_last ? &ps->e[p->exec_last - 1] : NULL;

	buf_printf(t->out, "  %*s", row->depth * 2, "");
	if (row->times > 1)
		buf_printf(t->out, "×%llu ", (unsigned long long)row->times);
	paint(t, "1");
	text_name(t->out, procs_name(ps, p->key, UINT64_MAX));
	paint(t, "0");
	if (!e)
		buf_puts(t->out, " (a copy that ran no other program)");
	else if (row->alike)
		buf_puts(t->out, " with different arguments, such as: ");
	else
		buf_puts(t->out, ": ");
	if (e)
		text_name(t->out, e->command);
	put_end(t->out, t->rep, p);
	text_ref(t->out, e ? e->seq : p->first_seq, row->times - 1);
	buf_puts(t->out, "\n");
	if (e && e->sha256.n && row->depth < 2) {
		buf_printf(t->out, "  %*s  ", row->depth * 2, "");
		text_name(t->out, e->image);
		buf_puts(t->out, " SHA-256 ");
		text_name(t->out, e->sha256);
		buf_puts(t->out, "\n");
	}
}

static void put_tree(struct text *t)
{
	struct tree tree;

	text_section(t, "Programs that ran, and who started whom");
	tree_make(t->rep, &tree);
	for (size_t i = 0; i < tree.n; i++)
		put_tree_row(t, &tree.row[i]);
	if (!tree.n)
		buf_puts(t->out, "  None on record.\n");
	text_more(t, 0, tree.hidden, "processes that are not shown here");
	tree_free(&tree);
}

static int put_rows(struct text *t, const struct plain_rows *rows, struct err *err)
{
	for (size_t i = 0; i < rows->n; i++) {
		cleanup_buf struct buf b = { 0 };
		struct event ev;
		int rc = source_fetch(&t->rep->src, rows->r[i].kind, rows->r[i].seq, &ev, err);

		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		if (t->rep->procs.nrun > 1)
			buf_printf(&b, "run %u  ", ev.run);
		put_clock(&b, ev.t);
		buf_puts(&b, " s  ");
		put_who(&b, &t->rep->procs, ev.proc, ev.seq, escape_text);
		buf_puts(&b, " ");
		event_words(&b, &ev, &t->rep->procs, escape_text);
		text_ref(&b, ev.seq, 0);
		buf_puts(t->out, "  ");
		put_wrapped(t->out, (struct str){ b.p, b.n }, 6);
	}
	text_more(t, rows->n, rows->total, "like these");
	return 0;
}

static int put_moments(struct text *t, struct err *err)
{
	struct plain_rows rows;
	int rc;

	text_section(t, "What happened when");
	find_moments(t->rep, &rows);
	rows.total = rows.n; /* each sort of moment has its own list elsewhere in full */
	rc = put_rows(t, &rows, err);
	free(rows.r);
	return rc;
}

static void put_changes(struct text *t)
{
	const struct rep *rep = t->rep;
	size_t shown = 0;

	text_section(t, "What is different on disk");
	for (size_t d = 0; d < rep->ndir && d < rep->rows_max; d++, shown++) {
		const struct dir_row *dir = &rep->dir[d];
		const char *between = "  ";

		paint(t, "1");
		buf_puts(t->out, "  ");
		text_name(t->out, dir->path);
		paint(t, "0");
		for (int op = 0; op < CH_KINDS; op++) {
			if (!dir->n[op])
				continue;
			buf_printf(t->out, "%s%llu %s", between, (unsigned long long)dir->n[op],
				   op == CH_META ? "with other permissions" : change_word[op]);
			between = ", ";
		}
		text_ref(t->out, dir->first_seq, dir->total - 1);
		buf_puts(t->out, "\n");
	}
	if (!rep->ndir)
		buf_printf(t->out, "  %s\n", say_none(rep, "Nothing."));
	text_more(t, shown, rep->ndir, "folders");
	text_more(t, 0, rep->dirs_lost, "changes in further folders");
	if (!rep->nchange)
		return;
	buf_puts(t->out, "\n  One by one:\n");
	for (size_t i = 0; i < rep->nchange; i++) {
		struct line l = { 0 };

		say_change(t->rep, &l, &rep->change[i]);
		buf_puts(t->out, "  ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	text_more(t, rep->nchange, rep->count[EV_CHANGE], "changes");
}

static void put_entries(struct text *t, const struct start_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct line l = { 0 };

		say_start(t->rep, &l, &rows->r[i]);
		buf_puts(t->out, "  ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	text_more(t, rows->n, rows->total, "entries");
}

static void put_starts(struct text *t)
{
	const struct rep *rep = t->rep;

	text_section(t, "What starts by itself");
	put_entries(t, &rep->start[ST_START]);
	if (!rep->start[ST_START].total)
		buf_printf(t->out, "  %s\n",
			   say_none(rep, "Nothing was added, changed or removed."));
	if (!rep->start[ST_HOOK].total)
		return;
	text_section(t, "What runs inside or in place of other programs");
	put_entries(t, &rep->start[ST_HOOK]);
}

static void put_groups(struct text *t, const char *title, const struct groups *gs, const char *none)
{
	size_t n = gs->n < t->rep->rows_max ? gs->n : t->rep->rows_max;

	if (!gs->n && !none)
		return;
	text_section(t, title);
	for (size_t i = 0; i < n; i++) {
		struct line l = { 0 };

		say_group(t->rep, &l, &gs->g[i]);
		buf_puts(t->out, "  ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	if (!gs->n)
		buf_printf(t->out, "  %s\n", none);
	text_more(t, n, gs->n, "groups");
	text_more(t, 0, gs->lost, "of further groups");
}

static void put_peers(struct text *t)
{
	const struct net *n = &t->rep->net;
	size_t shown = n->npeer < t->rep->rows_max ? n->npeer : t->rep->rows_max;

	if (!net_gated(n))
		return;
	text_section(t, "Who it talked to");
	if (!n->flows)
		buf_puts(t->out, "  Nobody: names were asked for, and no connection was made.\n");
	for (size_t i = 0; i < n->ncanary; i++) {
		struct line l = { 0 };

		say_canary_row(t->rep, &l, &n->canary[i]);
		buf_puts(t->out, "  SENT OUT: ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	text_more(t, n->ncanary, n->canaries, "values of this machine that were sent");
	for (size_t i = 0; i < shown; i++) {
		struct line l = { 0 };

		say_peer(t->rep, &l, &n->peer[i]);
		buf_puts(t->out, "  ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	text_more(t, shown, n->npeer, "places");
	text_more(t, 0, n->peers_lost, "connections to further places");
	put_groups(t, "Names that were looked up", &t->rep->names, NULL);
}

static void put_concerns(struct text *t)
{
	const struct rep *rep = t->rep;

	text_section(t, "Users, set-id programs, trust");
	for (int sort = ST_RIGHTS; sort < ST_SORTS; sort++)
		put_entries(t, &rep->start[sort]);
	for (size_t i = 0; i < rep->nconcern; i++) {
		struct line l = { 0 };

		say_change(t->rep, &l, &rep->concern[i]);
		buf_puts(t->out, "  ");
		text_line(t, &l, 6);
		free_line(&l);
	}
	if (!rep->nconcern && !rep->start[ST_RIGHTS].n && !rep->start[ST_TRUST].n &&
	    !rep->start[ST_NET].n)
		buf_printf(t->out, "  %s\n", say_none(rep, "Nothing of that sort was touched."));
	else if (rep->nconcern >= rep->rows_max)
		buf_puts(t->out, "  … and perhaps more; belljar changes has all of them\n");
}

static void put_file(struct text *t, const struct file_info *f)
{
	const struct file_look *l = f->look;

	buf_puts(t->out, "  ");
	text_name(t->out, f->path);
	text_ref(t->out, f->seq, 0);
	buf_puts(t->out, "\n    ");
	file_kind_words(t->out, l);
	if (l->imports) {
		buf_puts(t->out, "; can: ");
		put_imports(t->out, l->imports);
	}
	if (f->package.n) {
		buf_puts(t->out, "; package ");
		text_name(t->out, f->package);
	}
	buf_puts(t->out, "\n");
	if (signature_words(l)) {
		buf_puts(t->out, "    signed by ");
		text_name(t->out, l->signer);
		buf_printf(t->out, "; %s\n", signature_words(l));
	}
	if (f->similar && f->similarity == 100) {
		buf_puts(t->out, "    the same but for what a build changes: ");
		text_name(t->out, f->similar->path);
		buf_puts(t->out, "\n");
	}
}

static void put_files(struct text *t)
{
	const struct file_book *b = t->rep->opts->files;
	uint64_t shown = 0, total = 0;
	cleanup_buf struct buf rest = { 0 };

	for (size_t i = 0; b && i < b->n; i++) {
		if (!file_listed(&b->v[i]))
			continue;
		if (!total++)
			text_section(t, "Programs that it brought");
		if (shown < t->rep->rows_max) {
			put_file(t, &b->v[i]);
			shown++;
		}
	}
	if (!total)
		return;
	text_more(t, shown, total, "programs");
	file_rest(&rest, b);
	if (rest.n)
		buf_printf(t->out, "  %s (belljar judge --files)\n", buf_z(&rest));
}

static int put_unseen(struct text *t, struct err *err)
{
	const struct rep *rep = t->rep;
	int rc;

	text_section(t, "Gaps, limits, mismatches");
	if (all_seen(rep) && !rep->limits.total)
		buf_puts(t->out, "  None.\n");
	for (size_t i = 0; i < rep->procs.nrun; i++)
		if (!rep->procs.run[i].end_seq)
			buf_printf(t->out, "  Run %u has no end on record: it was cut off.\n",
				   rep->procs.run[i].run);
	if (rep->objects_lost)
		buf_printf(t->out,
			   "  Of %llu programs only the hash was kept, their bytes were over the "
			   "limit.\n",
			   (unsigned long long)rep->objects_lost);
	rc = put_rows(t, &rep->gaps, err);
	if (!rc)
		rc = put_rows(t, &rep->limits, err);
	if (!rc)
		rc = put_rows(t, &rep->mismatches, err);
	return rc;
}

static void put_check(struct text *t)
{
	const struct journal_head *h = &t->rep->head;
	cleanup_buf struct buf n = { 0 };

	text_section(t, "How to check this record");
	put_number(&n, h->events);
	buf_printf(t->out, "  Sealed events  %s", buf_z(&n));
	n.n = 0;
	put_count(&n, h->blocks, "block", "blocks");
	buf_printf(t->out, ", in %s\n  Chain head     %s\n  Public key     %s\n", buf_z(&n),
		   h->hash[0] ? h->hash : "none", h->key[0] ? h->key : "none");
	buf_printf(t->out, "  Signed         %s\n", h->is_signed ? "yes (Ed25519)" : "NO");
	if (h->unsealed)
		buf_printf(t->out,
			   "  Not sealed     %llu events at the end: nothing vouches for them\n",
			   (unsigned long long)h->unsealed);
	if (!t->rep->opts->title || !*t->rep->opts->title) {
		buf_puts(t->out,
			 "  To check       this box had no name and is gone: -b NAME keeps it and "
			 "its record\n");
		return;
	}
	buf_puts(t->out, "  To check       belljar verify ");
	text_name(t->out, str_z(t->rep->opts->title));
	buf_puts(t->out, "\n  One event      belljar events ");
	text_name(t->out, str_z(t->rep->opts->title));
	buf_puts(t->out, " --seq NUMBER     ([#12+3] means: event 12 and 3 more like it)\n");
}

int report_text(struct rep *rep, struct buf *out, struct err *err)
{
	struct text t = { rep, out, rep->opts->colour };
	int rc;

	paint(&t, "1");
	buf_puts(out, "belljar report");
	if (rep->opts->title && *rep->opts->title) {
		buf_puts(out, ": ");
		text_name(out, str_z(rep->opts->title));
	}
	paint(&t, "0");
	buf_puts(out, "\n\n");
	if (rep->exam)
		exam_text_page(&t, rep->exam);
	put_summary(&t);
	put_looks(&t);
	put_runs(&t);
	put_tree(&t);
	put_peers(&t);
	rc = put_moments(&t, err);
	if (rc)
		return rc;
	put_changes(&t);
	put_files(&t);
	put_starts(&t);
	put_groups(&t, "Attempts to get out", &rep->out, "None.");
	put_groups(&t, "Programs that wait for connections", &rep->listens, NULL);
	put_groups(&t, "Connections that stayed in the box", &rep->local, NULL);
	put_groups(&t, "Special powers and walls", &rep->wall, "Nothing asked for any.");
	put_groups(&t, "Signals to other processes", &rep->signals, NULL);
	put_concerns(&t);
	rc = put_unseen(&t, err);
	if (rc)
		return rc;
	put_check(&t);
	return 0;
}
