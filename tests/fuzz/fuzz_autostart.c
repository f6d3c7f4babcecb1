// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_autostart.c - any bytes to any parser of the autostart catalogue
 *
 * The first byte selects a parser, or one past them: the decoders of what the reading child sends,
 * the splitter of systemd's words, the reader of shell commands.
 */
#include <sys/stat.h>

#include "capture/autostart/starts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* An empty tree: every look-up is answered with "not there", but for one program. */
static int no_lstat(void *ctx UNUSED, const char *path, struct as_stat *ret)
{
	check(path[0] == '/' && strlen(path) < AS_PATH_MAX);
	if (strcmp(path, "/usr/bin/env"))
		return -ENOENT;
	*ret = (struct as_stat){ .mode = S_IFREG | 0755 };
	return 0;
}

static int no_read(void *ctx UNUSED, const char *path UNUSED, size_t max UNUSED, char **ret UNUSED,
		   size_t *ret_n UNUSED)
{
	return -ENOENT;
}

/* Some links, so that following them is fuzzed as well. */
static int some_links(void *ctx UNUSED, const char *path, char *buf, size_t room)
{
	if (strstr(path, "loop"))
		return snprintf(buf, room, "loop/x");
	return strcmp(path, "/usr/bin/env") && strlen(path) > 8 ? -ENOENT : -EINVAL;
}

static int no_list(void *ctx UNUSED, const char *path UNUSED,
		   int (*fn)(void *arg, const char *name) UNUSED, void *arg UNUSED)
{
	return -ENOENT;
}

static int take_entry(void *ctx UNUSED, const struct autostart_entry *e)
{
	check(e->class && e->class->name && e->place.n && e->place.p[0] == '/');
	return 0;
}

static int take_start(void *ctx UNUSED, const struct autostart_start *s)
{
	check(s->argc > 0 && s->argv[0][0] && !s->argv[s->argc] && s->when && s->user);
	return 0;
}

static void words(struct as_fs *fs, const uint8_t *p, size_t n)
{
	struct as_starts starts = { 0 };
	struct as_boot b = { .now = fs, .base = fs, .out = &starts };
	struct as_scope scope = { .when = "boot" };
	struct as_unit u = { .name = "a@b.service", .file = "/x", .place = "/x" };
	cleanup_buf struct buf text = { .limit = BOX_ARGV_MAX };
	struct str w[AS_ARGV_MAX];
	int k;

	as_unit_expand(&b, &scope, &u, (struct str){ (const char *)p, n }, &text);
	k = as_unit_words(&b, (struct str){ text.p, text.n }, w, AS_ARGV_MAX);
	for (int i = 0; i < k; i++)
		check(w[i].n <= BOX_ARGV_MAX && !(w[i].n && memchr(w[i].p, 0, w[i].n)));
	as_starts_free(&starts);
}

static void parser(struct as_fs *fs, unsigned which, const uint8_t *p, size_t n)
{
	static const char *const paths[] = { "/etc/x", "/etc/a.target.wants/b.service",
					     "/etc/a.service.d/b.conf", "/etc/apt/a.list",
					     "/etc/udev/rules.d/a.rules" };
	struct as_list l = { 0 };
	char *bytes;

	/* the second byte: what the file is called, and whether it is a link */
	unsigned how = n ? *p : 0;
	struct as_file f = { .path = paths[how % ARRAY_SIZE(paths)],
			     .mode = S_IFREG | (how & 64 ? 0644 : 04755),
			     .link = how & 128 ? "/dev/null" : NULL };

	n -= n != 0;
	bytes = xmalloc(n ? n : 1); /* no byte beyond the end */
	memcpy(bytes, p + 1, n);
	f.base = strrchr(f.path, '/') + 1;
	f.text = (struct str){ bytes, n };
	as_list_file(&l, &as_places[0], f.path);
	as_parsers[which].parse(&f, &l);
	check(l.n <= AS_PER_FILE);
	for (size_t i = 0; i < l.n; i++) {
		check(l.v[i].name.n <= AS_TEXT_MAX && l.v[i].command.n <= AS_TEXT_MAX);
		as_program(fs, &l, &l.v[i]);
	}
	as_list_free(&l);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct as_fs fs = {
		.lstat = no_lstat, .read = no_read, .readlink = some_links, .list = no_list
	};
	uint8_t *copy;
	unsigned which;

	if (!n)
		return 0;
	which = *p++;
	n--;
	if (which < AS_PARSERS_N) {
		if (n)
			parser(&fs, which, p, n);
		return 0;
	}
	copy = xmalloc(n ? n : 1);
	memcpy(copy, p, n);
	switch (which % 3) {
	case 0:
		as_wire_entries(copy, n, take_entry, NULL, NULL);
		break;
	case 1:
		as_wire_starts(copy, n, take_start, NULL, NULL);
		break;
	default:
		words(&fs, copy, n);
	}
	free(copy);
	return 0;
}
