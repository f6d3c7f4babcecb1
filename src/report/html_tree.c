// SPDX-License-Identifier: Apache-2.0
/*
 * html_tree.c - the process tree as nested lists that fold
 */
#include <stdarg.h>

#include "report/html.h"

#define TREE_OPEN_DEPTH 4   /* levels that are unfolded at first */
#define TREE_OPEN_ROWS	300 /* in a tree of no more rows than this */

/* Only words of our own. */
static void PRINTF(3, 4) tag(struct buf *out, const char *class, const char *fmt, ...)
{
	char words[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	buf_printf(out, " <span class=\"tag%s%s\">%s</span>", *class ? " " : "", class, words);
}

static void how_it_ended(struct html *h, const struct proc *p)
{
	const char *means = signal_means(p->signal);

	if (left_running(h->rep, p))
		tag(h->out, "hot", "still running at the end");
	else if (!p->ended)
		tag(h->out, "bad", "end not on record");
	else if (p->signal)
		tag(h->out, "hot", "%s (signal %lld)", means ? means : "ended by a signal",
		    (long long)p->signal);
	else if (p->status)
		tag(h->out, "", "status %lld", (long long)p->status);
}

static void fact(struct html *h, const char *what, struct str s)
{
	if (!s.n)
		return;
	buf_printf(h->out, "<dt>%s</dt><dd>", what);
	html_name(h->out, s);
	buf_puts(h->out, "</dd>");
}

static void about(struct html *h, const struct proc *p, const struct exec *e)
{
	buf_puts(h->out,
		 " <details class=\"about\"><summary>details</summary><dl class=\"facts\">");
	fact(h, "Program", e->image);
	fact(h, "SHA-256", e->sha256);
	fact(h, "Script", e->script);
	fact(h, "SHA-256 of the script", e->script_sha256);
	fact(h, "Folder", e->cwd);
	fact(h, "Started because of", p->cause);
	buf_printf(h->out, "<dt>Process</dt><dd>%lld, key %u, run %u</dd>", (long long)p->pid,
		   p->key, p->run);
	buf_puts(h->out, "<dt>Lived</dt><dd>from ");
	put_clock(h->out, p->t0);
	buf_puts(h->out, " s");
	if (p->ended) {
		buf_puts(h->out, " to ");
		put_clock(h->out, p->t1);
		buf_puts(h->out, " s");
	}
	buf_printf(h->out,
		   "</dd><dt>Calls on record</dt><dd>%u for files, %u for sockets, %u for special "
		   "powers</dd></dl></details>",
		   p->nfile, p->nsocket, p->nattempt);
}

static void node(struct html *h, const struct tree_row *row)
{
	const struct procs *ps = &h->rep->procs;
	const struct proc *p = row->p;
	const struct exec *e = p->exec_last ? &ps->e[p->exec_last - 1] : NULL;

	buf_printf(h->out, "<li data-proc=\"%u\" data-times=\"%llu\">", p->key,
		   (unsigned long long)row->times);
	if (row->times > 1)
		buf_printf(h->out, "<b>×%llu</b> ", (unsigned long long)row->times);
	buf_puts(h->out, "<span class=\"prog\">");
	escape_html(h->out, clip(procs_name(ps, p->key, UINT64_MAX), 80));
	buf_puts(h->out, "</span> ");
	if (!e) {
		buf_puts(h->out, "<span class=\"soft\">a copy that ran no other program</span>");
	} else {
		if (row->alike)
			buf_puts(h->out, "<span class=\"soft\">with different arguments, such as"
					 "</span> ");
		html_name(h->out, e->command);
	}
	how_it_ended(h, p);
	html_ref(h, EV_PROCESS, e ? e->seq : p->first_seq, row->times - 1);
	if (e)
		about(h, p, e);
	if (row->hidden) {
		buf_puts(h->out, " <span class=\"more\">… ");
		put_number(h->out, row->hidden);
		buf_puts(h->out, " processes further down</span>");
	}
}

static void open_children(struct html *h, const struct tree_row *row, bool open)
{
	buf_printf(h->out, "<details class=\"kids\"%s><summary>", open ? " open" : "");
	put_count(h->out, row->below, "process beneath", "processes beneath");
	buf_puts(h->out, "</summary><ul>\n");
}

void html_tree(struct html *h)
{
	struct tree tree;
	int depth = 0;

	tree_make(h->rep, &tree);
	if (!tree.n) {
		buf_puts(h->out, "<p class=\"none\">None on record.</p>\n");
		tree_free(&tree);
		return;
	}
	buf_puts(h->out, "<div class=\"card scroll\"><ul class=\"tree\">\n");
	for (size_t i = 0; i < tree.n; i++) {
		const struct tree_row *row = &tree.row[i];
		bool deeper = i + 1 < tree.n && tree.row[i + 1].depth > row->depth;

		for (; depth > row->depth; depth--)
			buf_puts(h->out, "</ul></details></li>\n");
		node(h, row);
		if (deeper) {
			open_children(h, row,
				      row->depth < TREE_OPEN_DEPTH && tree.n <= TREE_OPEN_ROWS);
			depth++;
		} else {
			buf_puts(h->out, "</li>\n");
		}
	}
	for (; depth > 0; depth--)
		buf_puts(h->out, "</ul></details></li>\n");
	buf_puts(h->out, "</ul></div>\n");
	html_more(h, 0, tree.hidden, "processes that are not shown here");
	tree_free(&tree);
}
