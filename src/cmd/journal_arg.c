// SPDX-License-Identifier: Apache-2.0
/*
 * journal_arg.c - from what the user typed to an open journal
 */
#include <limits.h>
#include <sqlite3.h>
#include <sys/stat.h>

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
