// SPDX-License-Identifier: Apache-2.0
/*
 * catalogue.c - the table of places: patterns, homes, which file belongs where
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"

static const struct autostart_class classes[] = {
#define CLASS(id, name_, title_, technique_)                                                       \
	[AS_C_##id] = { .name = name_, .title = title_, .technique = technique_ },
#define PLACE(id, parser, pattern)
#include "capture/autostart/autostart.def"
#undef CLASS
#undef PLACE
	[AS_CLASSES] = { 0 },
};

const struct as_place as_places[] = {
#define CLASS(id, name, title, technique)
#define PLACE(id, parser_, pattern_)                                                               \
	{ .class = AS_C_##id, .parser = AS_P_##parser_, .pattern = pattern_ },
#include "capture/autostart/autostart.def"
#undef CLASS
#undef PLACE
};
const size_t as_nplaces = ARRAY_SIZE(as_places);

const struct as_parser as_parsers[AS_PARSERS_N] = {
#define X(id, flags_) [AS_P_##id] = { .name = #id, .parse = as_parse_##id, .flags = (flags_) },
	AS_PARSERS(X)
#undef X
};

const struct autostart_class *autostart_classes(void)
{
	return classes;
}

/* ---- patterns ----------------------------------------------------------------------------- */

#define GLOB_STEPS 100000 /* a pattern is ours, a path is not: bound the backtracking */

static bool glob(const char *p, const char *s, int *steps)
{
	for (; *p; p++, s++) {
		if (--*steps < 0)
			return false;
		if (*p == '*') {
			bool deep = p[1] == '*';

			while (*p == '*')
				p++;
			/* "**" + "/x" also matches "x" at once, as in a/(star star)/x for a/x */
			for (;; s++) {
				if (glob(p, s, steps))
					return true;
				if (!*s || (*s == '/' && !deep))
					return false;
			}
		}
		if (*p == '[') {
			const char *end = strchr(p, ']');

			if (!end || !*s || !memchr(p + 1, *s, end - p - 1))
				return false;
			p = end;
			continue;
		}
		if (*p == '?' ? (!*s || *s == '/') : *p != *s)
			return false;
	}
	return !*s;
}

bool as_glob(const char *pattern, const char *path)
{
	int steps = GLOB_STEPS;

	return glob(pattern, path, &steps);
}

static void add_pattern(struct as_catalogue *cat, const struct as_place *place, const char *text)
{
	bool home = text[0] == '~';
	struct as_pattern *p;

	if (cat->n % 256 == 0)
		cat->v = xrealloc(cat->v, (cat->n + 256) * sizeof(*cat->v));
	p = &cat->v[cat->n++];
	p->place = place;
	p->home = home;
	p->text = xstrdup(text + home);
	p->literal = strcspn(p->text, "*?[");
}

static void expand(struct as_catalogue *cat, const struct as_place *place, const char *pattern)
{
	const char *open = strchr(pattern, '{'), *close, *alt;
	int depth = 0;

	if (!open) {
		add_pattern(cat, place, pattern);
		return;
	}
	for (close = open; *close; close++) {
		depth += *close == '{';
		depth -= *close == '}';
		if (!depth)
			break;
	}
	for (alt = open + 1, depth = 0; alt <= close; alt++) {
		const char *end = alt;
		char *whole;

		for (; end < close && (depth || *end != ','); end++) {
			depth += *end == '{';
			depth -= *end == '}';
		}
		whole = xasprintf("%.*s%.*s%s", (int)(open - pattern), pattern, (int)(end - alt),
				  alt, close + 1);
		expand(cat, place, whole);
		free(whole);
		alt = end;
	}
}

void as_catalogue_init(struct as_catalogue *cat)
{
	memset(cat, 0, sizeof(*cat));
	for (size_t i = 0; i < as_nplaces; i++)
		expand(cat, &as_places[i], as_places[i].pattern);
	cat->home[cat->nhomes++] = xstrdup("/root");
}

void as_catalogue_free(struct as_catalogue *cat)
{
	for (size_t i = 0; i < cat->n; i++)
		free(cat->v[i].text);
	for (int i = 0; i < cat->nhomes; i++)
		free(cat->home[i]);
	free(cat->v);
	memset(cat, 0, sizeof(*cat));
}

/* ---- homes -------------------------------------------------------------------------------- */

/* Homes of system users such as "/", "/bin" or "/usr/sbin" would make every file a user's. */
static bool plausible_home(const char *home)
{
	static const char *const none[] = { "/",	  "/bin", "/sbin", "/usr", "/usr/bin",
					    "/usr/sbin",  "/dev", "/proc", "/etc", "/nonexistent",
					    "/usr/local", "/var", "/lib" };

	if (home[0] != '/' || strlen(home) > 1024)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (!strcmp(none[i], home))
			return false;
	return true;
}

static void add_home(struct as_catalogue *cat, const char *home)
{
	char buf[1100];
	size_t n = strlen(home);

	while (n > 1 && home[n - 1] == '/')
		n--;
	if (n >= sizeof(buf))
		return;
	memcpy(buf, home, n);
	buf[n] = 0;
	if (!plausible_home(buf) || cat->nhomes == AS_HOMES_MAX)
		return;
	for (int i = 0; i < cat->nhomes; i++)
		if (!strcmp(cat->home[i], buf))
			return;
	cat->home[cat->nhomes++] = xstrdup(buf);
}

static int add_home_name(void *arg, const char *name)
{
	char buf[1100];

	snprintf(buf, sizeof(buf), "/home/%s", name);
	add_home(arg, buf);
	return 0;
}

void as_catalogue_homes(struct as_catalogue *cat, const struct as_fs *fs)
{
	cleanup_free char *text = NULL;
	struct str rest, line;
	char real[AS_PATH_MAX];
	size_t n;

	if (!as_slurp(fs, "/etc/passwd", &text, &n))
		for (rest = (struct str){ text, n }; as_line(&rest, &line);) {
			struct str field = { 0 };

			for (int i = 0; i < 6 && line.n; i++) {
				const char *colon = memchr(line.p, ':', line.n);

				field.p = line.p;
				field.n = colon ? (size_t)(colon - line.p) : line.n;
				line.p += field.n + (colon ? 1 : 0);
				line.n -= field.n + (colon ? 1 : 0);
				if (!colon && i < 5)
					field.n = 0;
			}
			if (field.n && field.n < sizeof(real) && !memchr(field.p, 0, field.n))
				add_home(cat, as_z(field, real, sizeof(real)));
		}
	if (!as_real(fs, "/home", real))
		fs->list(fs->ctx, real, add_home_name, cat);
}

/* ---- matching ----------------------------------------------------------------------------- */

/* struct ends - what of a path lies below each home that it is in */
struct ends {
	const char *rest[AS_HOMES_MAX + 1];
	int n;
};

static void find_homes(const struct as_catalogue *cat, const char *path, struct ends *ret)
{
	ret->n = 0;
	for (int i = 0; i < cat->nhomes; i++) {
		size_t n = strlen(cat->home[i]);

		if (!strncmp(cat->home[i], path, n))
			ret->rest[ret->n++] = path + n;
	}
	/* a home of somebody who is in no passwd file */
	if (!strncmp(path, "/home/", 6)) {
		const char *rest = strchr(path + 6, '/');

		if (rest)
			ret->rest[ret->n++] = rest;
	}
}

static bool match_text(const struct as_pattern *p, const char *path)
{
	/* most patterns differ in the first letter after the slash: no call for these */
	if (p->literal > 1 && (p->text[0] != path[0] || p->text[1] != path[1]))
		return false;
	return !strncmp(p->text, path, p->literal) && as_glob(p->text, path);
}

static bool match_one(const struct as_pattern *p, const char *path, const struct ends *homes)
{
	if (!p->home)
		return match_text(p, path);
	for (int i = 0; i < homes->n; i++)
		if (match_text(p, homes->rest[i]))
			return true;
	return false;
}

int as_match(const struct as_catalogue *cat, const char *path, bool setid,
	     const struct as_place *ret[AS_MATCH_MAX])
{
	struct ends homes;
	bool owned = false;
	int n = 0;

	find_homes(cat, path, &homes);
	for (size_t i = 0; i < cat->n && n < AS_MATCH_MAX; i++) {
		const struct as_place *place = cat->v[i].place;
		bool also;

		if ((place->parser == AS_P_SETID && !setid) || !match_one(&cat->v[i], path, &homes))
			continue;
		also = as_parsers[place->parser].flags & AS_F_ALSO;
		if ((owned && !also) || (n && ret[n - 1] == place))
			continue;
		ret[n++] = place;
		owned |= !also;
	}
	return n;
}

/* ---- walking ------------------------------------------------------------------------------ */

struct walk {
	const struct as_fs *fs;
	void (*fn)(void *ctx, const char *path);
	void *ctx;
	const char *pattern;
	char dir[AS_PATH_MAX];
	size_t names;
	int depth;
	int left; /* directories that may still be read */
};

static void descend(struct walk *w, const char *pattern);

static int one_name(void *arg, const char *name)
{
	struct walk *w = arg;
	const char *slash = strchr(w->pattern, '/');
	size_t part = slash ? (size_t)(slash - w->pattern) : strlen(w->pattern);
	size_t n = strlen(w->dir);
	char comp[256];
	struct as_stat st;
	bool deep;

	if (++w->names > AS_DIR_MAX)
		return 1;
	if (n + strlen(name) + 2 > sizeof(w->dir) || part >= sizeof(comp))
		return 0;
	memcpy(comp, w->pattern, part);
	comp[part] = 0;
	deep = strstr(comp, "**");
	if (!deep && !as_glob(comp, name))
		return 0;
	sprintf(w->dir + n, "%s%s", n && w->dir[n - 1] == '/' ? "" : "/", name);
	if (!deep && slash) {
		descend(w, slash + 1);
	} else if (!w->fs->lstat(w->fs->ctx, w->dir, &st)) {
		if (S_ISDIR(st.mode))
			deep ? descend(w, w->pattern) : (void)0;
		else
			w->fn(w->ctx, w->dir);
	}
	w->dir[n] = 0;
	return 0;
}

static void descend(struct walk *w, const char *pattern)
{
	const char *keep = w->pattern, *slash = strchr(pattern, '/');
	size_t names = w->names, n = strlen(w->dir);
	char real[AS_PATH_MAX];

	/* a component without wildcard needs no reading of its directory */
	if (strcspn(pattern, "*?[") >= (slash ? (size_t)(slash - pattern) : strlen(pattern))) {
		size_t part = slash ? (size_t)(slash - pattern) : strlen(pattern);
		struct as_stat st;

		if (n + part + 2 > sizeof(w->dir))
			return;
		sprintf(w->dir + n, "%s%.*s", n && w->dir[n - 1] == '/' ? "" : "/", (int)part,
			pattern);
		if (slash)
			descend(w, slash + 1);
		else if (!as_real_parent(w->fs, w->dir, real) &&
			 !w->fs->lstat(w->fs->ctx, real, &st) && !S_ISDIR(st.mode))
			w->fn(w->ctx, real);
		w->dir[n] = 0;
		return;
	}
	if (w->depth >= 2 * AS_DEPTH_MAX || --w->left < 0 || as_real(w->fs, n ? w->dir : "/", real))
		return;
	if (strcmp(real, n ? w->dir : "/")) /* a link to elsewhere, such as /lib: walked there */
		return;
	w->pattern = pattern;
	w->names = 0;
	w->depth++;
	w->fs->list(w->fs->ctx, real, one_name, w);
	w->depth--;
	w->names = names;
	w->pattern = keep;
}

int as_walk(const struct as_catalogue *cat, const struct as_fs *fs, unsigned flags,
	    void (*fn)(void *ctx, const char *path), void *ctx)
{
	struct walk w = { .fs = fs, .fn = fn, .ctx = ctx, .left = 20000 };

	for (size_t i = 0; i < cat->n; i++) {
		const struct as_pattern *p = &cat->v[i];

		if (!(as_parsers[p->place->parser].flags & flags) ||
		    (!p->home && str_starts(str_z(p->text), "/**")))
			continue;
		for (int h = 0; h < (p->home ? cat->nhomes : 1); h++) {
			snprintf(w.dir, sizeof(w.dir), "%s", p->home ? cat->home[h] : "");
			descend(&w, p->text + 1);
		}
	}
	return 0;
}
