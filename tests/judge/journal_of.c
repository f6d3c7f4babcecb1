// SPDX-License-Identifier: Apache-2.0
/*
 * journal_of.c - a journal out of lines of text: journal_of DIR [SAMPLES] <FILE
 *
 *   KIND [proc=N] [t=SECONDS] [COLUMN=VALUE | COLUMN='VALUE WITH BLANKS']…
 *
 * KIND is a table of the journal. `bytes path=PATH from=NAME` keeps the file SAMPLES/NAME as an
 * object, and tells of it; a value @NAME is that file's hash. '#' begins a comment, an empty line
 * is nothing. A line with only `run` begins the next run. What is misspelt ends it with a sentence.
 */
#include <math.h>

#include "capture/capture.h"
#include "journal/journal.h"

/** struct world - where events and bytes go */
struct world {
	struct journal *j;
	int dirfd;
	const char *samples;
};

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

/* "@NAME": the hash of a sample, in *@hex; else the value itself */
static char *value_of(const char *samples, char *value, char hex[SHA256_HEX], unsigned line)
{
	cleanup_free char *path = *value == '@' ? xasprintf("%s/%s", samples, value + 1) : NULL;
	cleanup_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	uint64_t size;

	if (!path)
		return value;
	if (fd < 0 || sha256_fd(fd, 1 << 20, hex, &size))
		bad(line, "hash", path);
	return hex;
}

static void set(const struct world *world, struct event *ev, const struct kind_def *def, char *w,
		char hex[SHA256_HEX], unsigned line)
{
	char *value = strchr(w, '=');

	if (!value)
		bad(line, "no value in", w);
	*value++ = 0;
	value = value_of(world->samples, value, hex, line);
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

/* bytes path=PATH from=NAME [proc=N] */
static void keep(struct world *w, char *rest, unsigned line)
{
	struct event ev = { .kind = EV_OBJECT };
	char *word_at, sha256[SHA256_HEX], path[512] = "";
	struct err err = { 0 };
	uint64_t size;
	bool kept;

	while ((word_at = word(&rest))) {
		if (!strncmp(word_at, "path=", 5))
			ev.v[EV_AT(OBJECT, PATH)] = V_Z(word_at + 5);
		else if (!strncmp(word_at, "proc=", 5))
			ev.proc = (uint32_t)strtoul(word_at + 5, NULL, 10);
		else if (!strncmp(word_at, "from=", 5))
			snprintf(path, sizeof(path), "%s/%s", w->samples, word_at + 5);
		else
			bad(line, "bytes has no", word_at);
	}
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || object_keep(w->dirfd, fd, NULL, sha256, &size, &kept, &err))
		bad(line, "keep", path);
	ev.v[EV_AT(OBJECT, SHA256)] = V_Z(sha256);
	ev.v[EV_AT(OBJECT, SIZE)] = V_INT(size);
	ev.v[EV_AT(OBJECT, KEPT)] = V_INT(kept);
	if (journal_append(w->j, &ev, NULL, &err))
		bad(line, "append:", err.msg);
}

static void take(struct world *world, char *text, unsigned line)
{
	struct journal *j = world->j;
	char hex[EVENT_FIELDS_MAX + 4][SHA256_HEX]; /* values that are hashes live here */
	size_t n = 0;
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
	if (!strcmp(kind, "bytes")) {
		keep(world, rest, line);
		return;
	}
	ev.kind = event_kind_by_name(kind);
	def = event_kind_def(ev.kind);
	if (!def)
		bad(line, "no kind of event is called", kind);
	while ((w = word(&rest)) && n < ARRAY_SIZE(hex))
		set(world, &ev, def, w, hex[n++], line);
	if (journal_append(j, &ev, NULL, &err))
		bad(line, "append:", err.msg);
}

int main(int argc, char **argv)
{
	char first[] = "run", *text = NULL;
	struct world w = { .samples = argc > 2 ? argv[2] : "." };
	struct err err = { 0 };
	size_t room = 0;
	int dirfd = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (dirfd < 0 || journal_open(dirfd, argv[1], &w.j, &err)) {
		fprintf(stderr, "journal_of: DIR: %s\n", err.msg);
		return 2;
	}
	w.dirfd = dirfd;
	take(&w, first, 0);
	for (unsigned line = 1; getline(&text, &room, stdin) > 0; line++) {
		text[strcspn(text, "\n")] = 0;
		take(&w, text, line);
	}
	free(text);
	close(dirfd);
	return journal_close(w.j, &err) ? 2 : 0;
}
