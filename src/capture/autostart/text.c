// SPDX-License-Identifier: Apache-2.0
/*
 * text.c - lines, words and lists of entries
 *
 * Every helper works on pointer + length and takes any byte. Nothing here allocates without a
 * limit: joined lines stop at AS_FILE_MAX, kept strings at AS_TEXT_MAX, lists at AS_ENTRIES_MAX.
 */
#include <strings.h>

#include "capture/autostart/autostart.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

struct str as_trim(struct str s)
{
	while (s.n && (blank(*s.p) || *s.p == '\n'))
		s.p++, s.n--;
	while (s.n && (blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

bool as_line(struct str *rest, struct str *ret)
{
	const char *nl;
	size_t n;

	if (!rest->n)
		return false;
	nl = memchr(rest->p, '\n', rest->n);
	n = nl ? (size_t)(nl - rest->p) : rest->n;
	*ret = (struct str){ rest->p, n };
	if (nl)
		n++;
	rest->p += n;
	rest->n -= n;
	return true;
}

bool as_logical(struct str *rest, struct buf *join, struct str *ret)
{
	struct str line;

	if (!as_line(rest, &line))
		return false;
	if (!str_ends(line, "\\")) {
		*ret = line;
		return true;
	}
	join->n = 0;
	do {
		bool more = str_ends(line, "\\");

		buf_add(join, line.p, line.n - (more ? 1 : 0));
		if (!more)
			break;
		buf_add(join, " ", 1);
	} while (as_line(rest, &line));
	*ret = (struct str){ join->p, join->n };
	return true;
}

struct str as_word(struct str *rest)
{
	struct str w;

	while (rest->n && blank(*rest->p))
		rest->p++, rest->n--;
	w.p = rest->p;
	while (rest->n && !blank(*rest->p))
		rest->p++, rest->n--;
	w.n = rest->p - w.p;
	return w;
}

bool as_split(struct str line, char sep, struct str *key, struct str *val)
{
	const char *at = line.n ? memchr(line.p, sep, line.n) : NULL;

	if (!at)
		return false;
	*key = as_trim((struct str){ line.p, at - line.p });
	*val = as_trim((struct str){ at + 1, line.n - (at - line.p) - 1 });
	return true;
}

bool as_is(struct str s, const char *z)
{
	return s.n == strlen(z) && (!s.n || !memcmp(s.p, z, s.n));
}

bool as_is_nocase(struct str s, const char *z)
{
	return s.n == strlen(z) && (!s.n || !strncasecmp(s.p, z, s.n));
}

bool as_find(struct str s, const char *needle)
{
	return s.n && memmem(s.p, s.n, needle, strlen(needle));
}

char *as_z(struct str s, char *buf, size_t room)
{
	size_t n = s.n < room ? s.n : room - 1;

	if (n)
		memcpy(buf, s.p, n);
	buf[n] = 0;
	return buf;
}

/* Comment lines inside a continued value are skipped, as systemd.syntax(7) says. */
bool as_ini_next(struct as_ini *it)
{
	struct str line, more;

	while (as_line(&it->rest, &line)) {
		line = as_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';')
			continue;
		if (*line.p == '[') {
			line.p++, line.n--;
			if (str_ends(line, "]"))
				line.n--;
			as_z(line, it->section, sizeof(it->section));
			continue;
		}
		if (str_ends(line, "\\")) {
			it->join.n = 0;
			buf_add(&it->join, line.p, line.n - 1);
			while (as_line(&it->rest, &more)) {
				bool on;

				more = as_trim(more);
				if (more.n && (*more.p == '#' || *more.p == ';'))
					continue;
				on = str_ends(more, "\\");
				buf_add(&it->join, " ", 1);
				buf_add(&it->join, more.p, more.n - (on ? 1 : 0));
				if (!on)
					break;
			}
			line = (struct str){ it->join.p, it->join.n };
		}
		if (as_split(line, '=', &it->key, &it->val) && it->key.n)
			return true;
	}
	buf_free(&it->join);
	return false;
}

/* ---- lists -------------------------------------------------------------------------------- */

#define CHUNK 65536

struct as_chunk {
	struct as_chunk *next;
	size_t n, room;
	char p[];
};

static char *take(struct as_list *l, size_t n)
{
	struct as_chunk *c = l->mem;

	if (!c || c->room - c->n < n) {
		size_t room = n > CHUNK ? n : CHUNK;

		c = xmalloc(sizeof(*c) + room);
		c->next = l->mem;
		c->n = 0;
		c->room = room;
		l->mem = c;
	}
	c->n += n;
	return c->p + c->n - n;
}

struct str as_keep(struct as_list *l, struct str s, size_t max)
{
	size_t n = s.n < max ? s.n : max;
	char *p = take(l, n + 1);

	if (n)
		memcpy(p, s.p, n);
	p[n] = 0;
	return (struct str){ p, n };
}

void as_list_free(struct as_list *l)
{
	while (l->mem) {
		struct as_chunk *next = l->mem->next;

		free(l->mem);
		l->mem = next;
	}
	free(l->v);
	memset(l, 0, sizeof(*l));
}

void as_list_file(struct as_list *l, const struct as_place *place, const char *path)
{
	l->place = place;
	l->path = as_keep(l, str_z(path), AS_PATH_MAX);
	l->first = l->n;
	memset(l->digest, 0, sizeof(l->digest));
}

struct as_item *as_add(struct as_list *l, struct str name, struct str command, enum as_how how)
{
	struct as_item *it;

	if (l->n >= AS_ENTRIES_MAX || l->n - l->first >= AS_PER_FILE) {
		l->full = true;
		return NULL;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	it = &l->v[l->n++];
	*it = (struct as_item){
		.place = l->place,
		.path = l->path,
		.name = as_keep(l, as_trim(name), AS_TEXT_MAX),
		.command = as_keep(l, as_trim(command), AS_TEXT_MAX),
		.how = how,
	};
	memcpy(it->digest, l->digest, sizeof(it->digest));
	return it;
}
