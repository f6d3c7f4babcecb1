// SPDX-License-Identifier: Apache-2.0
/*
 * html_files.c - the page's list of programs that were written or run
 */
#include "report/html.h"

static void words(struct html *h, const char *what, struct str s)
{
	if (!s.n)
		return;
	buf_printf(h->out, "; %s ", what);
	html_name(h->out, s);
}

static void one(struct html *h, const struct file_info *f)
{
	const struct file_look *l = f->look;

	buf_puts(h->out, "<li>");
	html_name(h->out, f->path);
	buf_puts(h->out, ": ");
	file_kind_words(h->out, l);
	buf_printf(h->out, "%s; ", f->executed ? ", was run" : "");
	put_bytes(h->out, f->size);
	if (l->imports) {
		buf_puts(h->out, "; can: ");
		put_imports(h->out, l->imports);
	}
	if (signature_words(l)) {
		words(h, "signed by", l->signer);
		buf_printf(h->out, ", %s", signature_words(l));
	} else if (!strcmp(l->type, "pe")) {
		buf_puts(h->out, "; nobody signed it");
	}
	if (f->similar && f->similarity == 100)
		words(h, "the same but for what a build changes:", f->similar->path);
	words(h, "of the package", f->package);
	html_ref(h, EV_OBJECT, f->seq, 0);
	buf_puts(h->out, "</li>\n");
}

void html_files(struct html *h)
{
	const struct file_book *b = h->rep->opts->files;
	uint64_t shown = 0, total = 0;
	cleanup_buf struct buf rest = { 0 };

	if (!b) {
		buf_puts(h->out, "<p>Their bytes were not looked at.</p>\n");
		return;
	}
	buf_puts(h->out, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < b->n; i++) {
		if (!file_listed(&b->v[i]))
			continue;
		total++;
		if (shown < h->rep->rows_max) {
			one(h, &b->v[i]);
			shown++;
		}
	}
	buf_puts(h->out, "</ul>\n");
	html_more(h, shown, total, "programs");
	file_rest(&rest, b);
	if (!total)
		buf_puts(h->out, "<p>None.</p>\n");
	if (rest.n)
		buf_printf(h->out, "<p class=\"more\">%s</p>\n", buf_z(&rest));
}
