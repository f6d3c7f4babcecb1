// SPDX-License-Identifier: Apache-2.0
/*
 * journal_arg.c - from what the user typed to an open journal, and to a time
 */
#include <limits.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "box/box.h"
#include "cmd/journal_arg.h"

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* What a killed run left in the spool is stored, so that SQL sees it too. A box that is held has a
 * writer of its own; a record that cannot be written is read as it is. */
static void settle(struct box_home *home, const char *name, const char *keydir)
{
	struct journal *j = NULL;
	struct box *box = NULL;

	if (box_open(home, name, BOX_LOCK, NULL, &box, NULL))
		return;
	if (!faccessat(box_dirfd(box), "journal.spool", F_OK, 0) &&
	    !journal_open(box_dirfd(box), keydir, &j, NULL))
		journal_close(j, NULL);
	box_close(box);
}

static int of_box(const char *name, struct journal_arg *ret, struct err *err)
{
	struct box_home home;
	struct box *box;
	int rc = box_home_open(&home, err);

	if (rc)
		return rc;
	rc = box_open(&home, name, 0, NULL, &box, err);
	if (!rc) {
		ret->path = xasprintf("%s/journal.db", box_path(box));
		ret->keydir = xasprintf("%s/key", home.path);
		box_close(box);
		settle(&home, name, ret->keydir);
	}
	box_home_close(&home);
	return rc;
}

int journal_arg_find(const char *name, struct journal_arg *ret, struct err *err)
{
	struct err bad = { 0 };
	int rc = 0;

	*ret = (struct journal_arg){ .title = name };
	if (strchr(name, '/') || (box_name_check(name, &bad) && is_file(name)) ||
	    (str_ends(str_z(name), ".db") && is_file(name))) {
		ret->path = xstrdup(name);
	} else {
		rc = of_box(name, ret, err);
	}
	if (rc)
		journal_arg_free(ret);
	return rc;
}

void journal_arg_free(struct journal_arg *a)
{
	free(a->path);
	free(a->keydir);
	*a = (struct journal_arg){ 0 };
}

int journal_arg_open(const struct journal_arg *a, struct journal_reader **ret_r, struct err *err)
{
	struct journal_reader *r;
	struct journal_head head;
	int rc = journal_read_open(a->path, &r, err);

	if (rc)
		return rc;
	rc = journal_head(r, &head, err);
	/* of a record that lies somewhere, or is being written: what is not stored yet */
	if (!rc)
		rc = journal_read_gather(r, err);
	/* SQLite opens its side files at the first read, and would want one for a large sort */
	sqlite3_exec(journal_db(r), "PRAGMA temp_store = memory", NULL, NULL, NULL);
	if (rc)
		journal_read_close(r);
	else
		*ret_r = r;
	return rc;
}

/* ---- times -------------------------------------------------------------------------------- */

static int parse_after_start(const char *s, struct moment *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 },   { "s", 1e9 },    { "ms", 1e6 },   { "us", 1e3 },	{ "ns", 1 },
		      { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
	char *end;
	double v;

	if (!strchr("0123456789.", *s) || !*s || strchr(s, 'x') || strchr(s, 'X'))
		return -EINVAL;
	v = strtod(s, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (end == s || strcmp(end, units[i].unit))
			continue;
		if (!(v >= 0) || v * units[i].ns > 9e18)
			return -EINVAL;
		*ret = (struct moment){ .given = true, .ns = (uint64_t)(v * units[i].ns + 0.5) };
		return 0;
	}
	return -EINVAL;
}

/* ".123" after the seconds, then the zone; for a time of day there is none */
static int parse_rest(const char *s, bool zone, uint64_t *ret_ns, long *ret_offset)
{
	int h, m, n = 0;
	uint64_t scale = NSEC_PER_SEC / 10;

	*ret_ns = 0;
	*ret_offset = 0;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10)
			*ret_ns += (uint64_t)(*s - '0') * scale;
	if (!zone || !strcmp(s, "Z") || !strcmp(s, "z"))
		return *s && !zone ? -EINVAL : 0;
	if ((*s == '+' || *s == '-') && sscanf(s + 1, "%2d:%2d%n", &h, &m, &n) == 2 && !s[1 + n] &&
	    h >= 0 && h < 24 && m >= 0 && m < 60) {
		*ret_offset = (*s == '+' ? 1 : -1) * (h * 3600L + m * 60L);
		return 0;
	}
	return -EINVAL;
}

int moment_parse(const char *s, struct moment *ret)
{
	struct tm tm = { 0 };
	const char *rest;
	uint64_t ns;
	long offset;
	time_t t;

	if (!parse_after_start(s, ret))
		return 0;
	rest = strptime(s, "%H:%M:%S", &tm);
	if (rest && !parse_rest(rest, false, &ns, &offset)) {
		*ret = (struct moment){ true, true, true,
					(uint64_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) *
							NSEC_PER_SEC +
						ns };
		return 0;
	}
	memset(&tm, 0, sizeof(tm));
	rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		rest = strptime(s, "%Y-%m-%d %H:%M:%S", &tm);
	if (!rest || parse_rest(rest, true, &ns, &offset))
		return -EINVAL;
	t = timegm(&tm) - offset;
	if (t < 0)
		return -EINVAL;
	*ret = (struct moment){ true, true, false, (uint64_t)t * NSEC_PER_SEC + ns };
	return 0;
}

bool moment_in_run(const struct moment *m, uint64_t run_wall, uint64_t *ret_t)
{
	const uint64_t day = 86400 * NSEC_PER_SEC;
	uint64_t wall = m->ns;

	if (!m->wall) {
		*ret_t = m->ns;
		return true;
	}
	if (m->of_day) {
		/* the next time it is that late after the start, within the same minute as before
		 */
		wall = run_wall / day * day + m->ns;
		if (wall + 60 * NSEC_PER_SEC < run_wall)
			wall += day;
	}
	*ret_t = wall > run_wall ? wall - run_wall : 0;
	return wall >= run_wall;
}

int arg_number(const char *s, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno || end == s || *end || *s < '0' || *s > '9' || !*ret || *ret > max ? -EINVAL
											: 0;
}

int arg_kinds(const char *sub, char *list, uint32_t *ret)
{
	char *save, *word;

	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		enum event_kind kind = event_kind_by_name(word);

		if (kind == EV_NONE) {
			cleanup_buf struct buf known = { 0 };

			for (int k = 1; k < EVENT_KINDS; k++)
				if (event_kind_def(k))
					buf_printf(&known, " %s", event_kind_def(k)->name);
			return cmd_usage(sub, "no such kind; there are:%s", buf_z(&known));
		}
		*ret |= 1u << kind;
	}
	return *ret ? 0 : cmd_usage(sub, "--kind needs a kind");
}
