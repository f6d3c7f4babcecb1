// SPDX-License-Identifier: Apache-2.0
/*
 * box_arg.c - options, sizes and looks into the record for list, show, snapshot, …
 */
#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/box_arg.h"
#include "cmd/journal_arg.h"
#include "report/report.h"

#define ROWS_BYTES_MAX (4u << 20)

int box_args_parse(int argc, char **argv, const char *allowed, int min, int max,
		   struct box_args *ret)
{
	static const struct option all[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },
		{ "root", required_argument, NULL, 'r' },
		{ "pcapng", no_argument, NULL, 'p' },
	};
	struct option own[ARRAY_SIZE(all) + 1] = { 0 };
	int n = 0, c;

	*ret = (struct box_args){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strchr(allowed, all[i].val))
			own[n++] = all[i];
	while ((c = cmd_option(argc, argv, strchr(allowed, 'o') ? ":o:" : ":", own)) != -1) {
		switch (c) {
		case 'j':
			ret->json = true;
			break;
		case 'o':
			ret->output = optarg;
			break;
		case 'p':
			ret->pcapng = true;
			break;
		case 'r':
			ret->root = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	ret->n = argc - optind;
	ret->operand = argv + optind;
	if (ret->n < min)
		return cmd_usage(argv[0], "a name is missing");
	if (ret->n > max)
		return cmd_usage(argv[0], "one name too many");
	return -1;
}

int box_arg_mark(struct box_home *home, struct box *box, const char *name, const char *detail,
		 struct err *err)
{
	cleanup_free char *keys = xasprintf("%s/key", home->path), *text = NULL;
	struct event ev = { .kind = EV_MARK, .t = UINT64_MAX };
	char iso[CLOCK_ISO_MAX];
	struct journal *j;
	struct stat st;
	int rc, end;

	if (fstatat(box_dirfd(box), "journal.db", &st, AT_SYMLINK_NOFOLLOW))
		return 0; /* nothing ran in it yet */
	rc = journal_open(box_dirfd(box), keys, &j, err);
	if (rc)
		return rc;
	/* between runs, t says nothing: the time is in the words */
	text = xasprintf("%s%sat %s", detail ? detail : "", detail && *detail ? ", " : "",
			 clock_iso(clock_real_ns(), iso));
	ev.v[EV_AT(MARK, NAME)] = V_Z(name);
	ev.v[EV_AT(MARK, DETAIL)] = V_Z(text);
	rc = journal_append(j, &ev, NULL, err);
	end = journal_close(j, rc ? NULL : err);
	return rc ? rc : end;
}

/* ---- rows of the record ------------------------------------------------------------------- */

static int read_in_child(const struct journal_arg *a, const char *sql, int to)
{
	struct journal_reader *r;
	struct err err = { 0 };
	int rc = journal_arg_open(a, &r, &err);

	if (!rc)
		rc = lockdown_reader(&err);
	if (!rc)
		rc = report_sql(r, sql, true, to, &err);
	return rc ? 1 : 0;
}

static int take_lines(char *text, json_t *rows)
{
	char *save;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		json_t *row = json_loads(l, JSON_REJECT_DUPLICATES, NULL);

		if (!json_is_object(row) || json_array_size(rows) >= BOX_ARG_ROWS_MAX) {
			json_decref(row);
			return -EBADMSG;
		}
		json_array_append_new(rows, row);
	}
	return 0;
}

int box_arg_rows(struct box *box, const char *sql, json_t **ret_rows, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/journal.db", box_path(box));
	cleanup_free char *text = xmalloc(ROWS_BYTES_MAX + 1);
	struct journal_arg a = { .path = path };
	json_t *rows = json_array();
	int p[2], status = 0;
	struct stat st;
	ssize_t n;
	pid_t pid;

	if (fstatat(box_dirfd(box), "journal.db", &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT) {
		*ret_rows = rows;
		return 0;
	}
	if (pipe2(p, O_CLOEXEC)) {
		json_decref(rows);
		return err_set(err, errno, "box: make a pipe");
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(p[0]);
		_exit(read_in_child(&a, sql, p[1]));
	}
	close(p[1]);
	n = pid < 0 ? -EAGAIN : read_full(p[0], text, ROWS_BYTES_MAX);
	close(p[0]); /* ends a child that has more to say */
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	text[n > 0 ? n : 0] = 0;
	if (n < 0 || n == ROWS_BYTES_MAX || status || take_lines(text, rows)) {
		json_decref(rows);
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG, "box: the journal of '%s'",
				    box_get_info(box)->name);
	}
	*ret_rows = rows;
	return 0;
}

/* ---- sizes -------------------------------------------------------------------------------- */

static void add_sizes(int dirfd, const char *name, int depth, unsigned *left, uint64_t *sum)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && *left && (e = readdir(d))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		--*left;
		*sum += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode) && depth < 64)
			add_sizes(fd, e->d_name, depth + 1, left, sum);
	}
	if (d)
		closedir(d);
}

uint64_t box_arg_size(struct box *box, bool *ret_more)
{
	unsigned left = BOX_ARG_ENTRIES;
	uint64_t sum = 0;

	add_sizes(box_dirfd(box), ".", 0, &left, &sum);
	*ret_more = !left;
	return sum;
}

/* ---- words -------------------------------------------------------------------------------- */

int box_arg_print(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

	json_decref(j);
	if (!text)
		return EXIT_INTERNAL;
	puts(text);
	free(text);
	return fflush(stdout) ? EXIT_NO_SPACE : EXIT_OK;
}

const char *box_arg_human(uint64_t bytes, char buf[16])
{
	static const char units[] = "BKMGTPE";
	double v = (double)bytes;
	int u = 0;

	while (v >= 999.5 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 16, v < 9.95 && u ? "%.1f%c" : "%.0f%c", v, units[u]);
	return buf;
}

void box_arg_cut(struct buf *out, const char *s, size_t width)
{
	cleanup_buf struct buf whole = { 0 };
	size_t chars = 0, i = 0;

	escape_text(&whole, str_z(s));
	for (; i < whole.n; i++)
		if (((unsigned char)whole.p[i] & 0xc0) != 0x80 && ++chars > width)
			break;
	if (whole.n)
		buf_add(out, whole.p, i);
	if (i < whole.n)
		buf_puts(out, "…");
}
