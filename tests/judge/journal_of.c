// SPDX-License-Identifier: Apache-2.0
/*
 * journal_of.c - a journal out of lines of text: journal_of DIR <FILE
 *
 *   KIND [proc=N] [t=SECONDS] [COLUMN=VALUE | COLUMN='VALUE WITH BLANKS']…
 *
 * KIND is a table of the journal. '#' begins a comment, an empty line is nothing. A line with only
 * `run` begins the next run. What is misspelt ends it with a sentence.
 */
#include <math.h>

#include "journal/journal.h"

static _Noreturn void bad(unsigned line, const char *what, const char *which)
{
	fprintf(stderr, "journal_of: line %u: %s '%s'\n", line, what, which);
	exit(2);
}

/* The next word, cut in place: ends at a blank that is in no quotes, which are taken off. */
static char *word(char **rest)
{
	char *at = *rest + strspn(*rest, " \t"), *from = at, *to = at;
	bool quoted = false;

	if (!*at)
		return NULL;
	for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
		if (*at == '\'')
			quoted = !quoted;
		else
			*to++ = *at;
	}
	*rest = *at ? at + 1 : at;
	*to = 0;
	return from;
}

static void set(struct event *ev, const struct kind_def *def, char *w, unsigned line)
{
	char *value = strchr(w, '=');

	if (!value)
		bad(line, "no value in", w);
	*value++ = 0;
	if (!strcmp(w, "proc")) {
		ev->proc = (uint32_t)strtoul(value, NULL, 10);
		return;
	}
	if (!strcmp(w, "t")) {
		ev->t = (uint64_t)llround(strtod(value, NULL) * 1e9);
		return;
	}
	for (int i = 0; i < def->nfields; i++)
		if (!strcmp(def->field[i].column, w)) {
			ev->v[i] = def->field[i].type == VAL_INT ? V_INT(strtoll(value, NULL, 10))
								 : V_Z(value);
			return;
		}
	bad(line, "no such column", w);
}

static void take(struct journal *j, char *text, unsigned line)
{
	char *rest = text, *kind = word(&rest), *w;
	struct err err = { 0 };
	struct event ev = { 0 };
	const struct kind_def *def;

	if (!kind || *kind == '#')
		return;
	if (!strcmp(kind, "run")) {
		struct event begin = { .kind = EV_RUN_BEGIN };
		uint32_t nr;

		begin.v[EV_AT(RUN_BEGIN, WALL)] = V_INT(1764000000ll * 1000000000);
		if (journal_run_begin(j, &begin, &nr, &err))
			bad(line, "begin a run:", err.msg);
		return;
	}
	ev.kind = event_kind_by_name(kind);
	def = event_kind_def(ev.kind);
	if (!def)
		bad(line, "no kind of event is called", kind);
	while ((w = word(&rest)))
		set(&ev, def, w, line);
	if (journal_append(j, &ev, NULL, &err))
		bad(line, "append:", err.msg);
}

int main(int argc, char **argv)
{
	char first[] = "run", *text = NULL;
	struct journal *j = NULL;
	struct err err = { 0 };
	size_t room = 0;
	int dirfd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (dirfd < 0 || journal_open(dirfd, argv[1], &j, &err)) {
		fprintf(stderr, "journal_of: DIR: %s\n", err.msg);
		return 2;
	}
	take(j, first, 0);
	for (unsigned line = 1; getline(&text, &room, stdin) > 0; line++) {
		text[strcspn(text, "\n")] = 0;
		take(j, text, line);
	}
	free(text);
	close(dirfd);
	return journal_close(j, &err) ? 2 : 0;
}
