// SPDX-License-Identifier: Apache-2.0
/*
 * html_disk.c - what is different on disk, folder by folder
 */
#include "report/html.h"

/* Rows of each folder, in a chain by the folder's number. */
static void folder_rows(struct html *h, const uint32_t *first, const uint32_t *next, size_t dir)
{
	const struct rep *rep = h->rep;
	uint64_t shown = 0;

	buf_puts(h->out, "<ul class=\"rows\">\n");
	for (uint32_t i = first[dir]; i; i = next[i - 1], shown++) {
		struct line l = { 0 };

		say_change(h->rep, &l, &rep->change[i - 1]);
		html_row(h, &l);
	}
	if (shown < rep->dir[dir].total) {
		buf_puts(h->out, "<li class=\"more\">… and ");
		put_number(h->out, rep->dir[dir].total - shown);
		buf_puts(h->out, " more here</li>\n");
	}
	buf_puts(h->out, "</ul>\n");
}

void html_folders(struct html *h)
{
	const struct rep *rep = h->rep;
	uint32_t *first = xcalloc(rep->ndir, sizeof(*first));
	uint32_t *next = xcalloc(rep->nchange + 1, sizeof(*next));

	for (size_t i = rep->nchange; i-- > 0;) {
		uint32_t id = intern_find(&rep->dirs, dir_name(rep->change[i].path));

		if (id == INTERN_NONE)
			continue;
		next[i] = first[id];
		first[id] = (uint32_t)i + 1;
	}
	for (size_t d = 0; d < rep->ndir && d < rep->rows_max; d++) {
		const struct dir_row *dir = &rep->dir[d];
		const char *between = " — ";

		buf_puts(h->out, dir->total <= 6 && rep->ndir <= 40
					 ? "<details class=\"dir\" open><summary>"
					 : "<details class=\"dir\"><summary>");
		html_name(h->out, dir->path);
		for (int op = 0; op < CH_KINDS; op++) {
			if (!dir->n[op])
				continue;
			buf_puts(h->out, between);
			put_number(h->out, dir->n[op]);
			buf_printf(h->out, " %s",
				   op == CH_META ? "with other permissions or owners"
						 : change_word[op]);
			between = ", ";
		}
		html_ref(h, EV_CHANGE, dir->first_seq, dir->total - 1);
		buf_puts(h->out, "</summary>\n");
		folder_rows(h, first, next, d);
		buf_puts(h->out, "</details>\n");
	}
	free(first);
	free(next);
	html_more(h, h->rep->rows_max, rep->ndir, "folders");
	html_more(h, 0, rep->dirs_lost, "changes in further folders");
}
