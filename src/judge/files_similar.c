// SPDX-License-Identifier: Apache-2.0
/*
 * files_similar.c - which files of a box are nearly the same
 *
 * Equal but for what each build or signature changes: 100. Else by ssdeep's hash, which finds
 * stretches that two files have in common; it is a hint for a reader, and can be fooled.
 */
#include <fuzzy.h>

#include "judge/files.h"

static bool comparable(const struct file_info *a, const struct file_info *b)
{
	const struct file_look *x = a->look, *y = b->look;

	return strcmp(a->sha256, b->sha256) && !strcmp(x->type, y->type) &&
	       (!x->arch || !y->arch || !strcmp(x->arch, y->arch));
}

static int likeness(const struct file_look *a, const struct file_look *b)
{
	int n;

	if (a->normal[0] && !strcmp(a->normal, b->normal))
		return 100;
	if (!a->fuzzy || !b->fuzzy)
		return 0;
	n = fuzzy_compare(a->fuzzy, b->fuzzy);
	return n > 99 ? 99 : n < SIMILAR_FROM ? 0 : n;
}

static void better(struct file_info *f, const struct file_info *other, int n)
{
	if (n <= f->similarity)
		return;
	f->similarity = n;
	f->similar = other;
}

/* ssdeep compares only hashes of about one length: the number before the colon, and twice it. */
static bool of_one_size(const struct file_info *a, const struct file_info *b)
{
	return a->size / 8 <= b->size && b->size / 8 <= a->size;
}

void files_similar(struct file_book *b)
{
	struct file_info **v = xcalloc(b->n + 1, sizeof(struct file_info *));
	size_t n = 0;

	for (size_t i = 0; i < b->n && n < SIMILAR_MAX; i++)
		if (b->v[i].look)
			v[n++] = &b->v[i];
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			int alike;

			if (!of_one_size(v[i], v[k]) || !comparable(v[i], v[k]))
				continue;
			alike = likeness(v[i]->look, v[k]->look);
			better(v[i], v[k], alike);
			better(v[k], v[i], alike);
		}
	free(v);
}
