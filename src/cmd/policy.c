// SPDX-License-Identifier: Apache-2.0
/*
 * policy.c - belljar policy: see and change whom a box may reach
 *
 * The file `policy` in the box's folder is the truth. It is the user's: comments and order stay, a
 * rule is added as a line at its end, and it is replaced whole, so that a running box, which
 * watches it, sees the old or the new one. Two who change it at once take turns by a lock on the
 * folder.
 */
#include <sys/file.h>

#include "cmd/box_arg.h"
#include "cmd/policy.h"
#include "gate/gate.h"

struct change {
	const char *op;	   /* allow, deny */
	const char *other; /* the other one */
	char **word;
	int n;
};

static int read_policy(struct box *box, char **ret, size_t *ret_n, struct err *err)
{
	int rc = read_file_at(box_dirfd(box), POLICY_FILE, POLICY_FILE_MAX, ret, ret_n);

	if (rc == -ENOENT) {
		*ret = xstrdup("");
		*ret_n = 0;
		return 0;
	}
	return rc ? err_set_exit(err, EXIT_UNREADABLE, rc, "policy: read '%s/" POLICY_FILE "'",
				 box_path(box))
		  : 0;
}

static int check(struct box *box, const char *text, size_t n, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/" POLICY_FILE, box_path(box));
	struct policy *p = policy_new(GATE_DECLARED);
	int rc = policy_parse(p, text, n, path, err);

	policy_free(p);
	return rc;
}

/* ---- show --------------------------------------------------------------------------------- */

static int show(struct box *box, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t n;
	int rc = read_policy(box, &text, &n, err);

	if (!rc)
		rc = check(box, text, n, err);
	if (rc)
		return rc;
	if (!n)
		printf("# no rules yet: nobody is reached (doc/POLICY.md)\nmode declared\n");
	fwrite(text, 1, n, stdout);
	return 0;
}

/* ---- allow, deny -------------------------------------------------------------------------- */

/* Does a line say @op for the canonical @word? */
static bool line_says(struct str line, const char *op, const char *word)
{
	char first[16], its[POLICY_WORD_MAX], plain[POLICY_WORD_MAX];
	cleanup_free char *z = xstrndup(line.p, line.n);

	return sscanf(z, "%15s %299s", first, its) == 2 && !strcmp(first, op) &&
	       !policy_word(its, plain, NULL) && !strcmp(plain, word);
}

/* The text without lines that say the opposite; whether one says it already. */
static bool without(const char *text, const struct change *c, const char *word, struct buf *out)
{
	bool there = false;

	for (const char *at = text; *at;) {
		const char *end = strchrnul(at, '\n');
		struct str line = { at, (size_t)(end - at) };

		at = *end ? end + 1 : end;
		if (line_says(line, c->other, word))
			continue;
		there |= line_says(line, c->op, word);
		buf_add(out, line.p, line.n);
		buf_puts(out, "\n");
	}
	return there;
}

static int change_text(const struct change *c, char **text, struct err *err)
{
	for (int i = 0; i < c->n; i++) {
		char word[POLICY_WORD_MAX];
		struct buf out = { 0 };
		int rc = policy_word(c->word[i], word, err);

		if (rc)
			return rc;
		if (!without(*text, c, word, &out))
			buf_printf(&out, "%s %s\n", c->op, word);
		free(*text);
		*text = buf_z(&out);
	}
	return 0;
}

static int change(struct box_home *home, struct box *box, const struct change *c, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_buf struct buf said = { 0 };
	size_t n;
	int rc;

	if (flock(box_dirfd(box), LOCK_EX))
		return err_set(err, errno, "policy: lock '%s'", box_path(box));
	rc = read_policy(box, &text, &n, err);
	if (!rc)
		rc = check(box, text, n, err); /* nothing is added to what has no effect */
	if (!rc)
		rc = change_text(c, &text, err);
	if (!rc)
		rc = check(box, text, strlen(text), err); /* too many rules */
	if (!rc)
		rc = write_file_at(box_dirfd(box), POLICY_FILE, 0600, text, strlen(text));
	if (rc && !err->code)
		return err_set(err, rc, "policy: write '%s/" POLICY_FILE "'", box_path(box));
	if (rc || box_is_held(home, box_get_info(box)->name))
		return rc; /* the run puts into its record what it follows */
	for (int i = 0; i < c->n; i++)
		buf_printf(&said, "%s%s %s", i ? ", " : "", c->op, c->word[i]);
	return box_arg_mark(home, box, "policy", buf_z(&said), err);
}

/* ---- learn -------------------------------------------------------------------------------- */

static int learn(struct box *box, int fd, struct err *err)
{
	cleanup_buf struct buf text = { 0 };
	int rc = policy_learn(box, &text, err);

	if (rc)
		return rc;
	rc = write_full(fd, text.p, text.n);
	return rc ? err_set_exit(err, EXIT_UNREADABLE, rc, "policy: write") : 0;
}

/* ---- command line ------------------------------------------------------------------------- */

static int learn_to(void *name, int fd)
{
	struct box *box = NULL;
	struct box_home home;
	struct err err = { 0 };
	int rc = box_home_open(&home, &err);

	if (rc)
		return cmd_fail(&err);
	rc = box_open(&home, name, 0, NULL, &box, &err);
	if (!rc)
		rc = learn(box, fd, &err);
	box_close(box);
	box_home_close(&home);
	return rc ? cmd_fail(&err) : EXIT_OK;
}

static int show_or_change(const char *name, const struct change *c)
{
	struct box *box = NULL;
	struct box_home home;
	struct err err = { 0 };
	int rc = box_home_open(&home, &err);

	if (rc)
		return cmd_fail(&err);
	rc = box_open(&home, name, 0, NULL, &box, &err);
	if (!rc)
		rc = c->op ? change(&home, box, c, &err) : show(box, &err);
	box_close(box);
	box_home_close(&home);
	if (rc)
		return cmd_fail(&err);
	return fflush(stdout) ? EXIT_NO_SPACE : EXIT_OK;
}

int cmd_policy(int argc, char **argv)
{
	struct change c = { 0 };
	struct err err = { 0 };
	struct box_args a;
	const char *what;
	int rc = box_args_parse(argc, argv, "o", 2, POLICY_WORDS_MAX, &a);

	if (rc >= 0)
		return rc;
	what = a.operand[1];
	c.word = a.operand + 2;
	c.n = a.n - 2;
	if (box_name_check(a.operand[0], &err))
		return cmd_fail(&err);
	if (a.output && strcmp(what, "learn"))
		return cmd_usage("policy", "-o is for learn");
	if (!strcmp(what, "allow") || !strcmp(what, "deny")) {
		c.op = what;
		c.other = what[0] == 'a' ? "deny" : "allow";
		if (!c.n)
			return cmd_usage("policy", "%s whom?", what);
		return show_or_change(a.operand[0], &c);
	}
	if (strcmp(what, "show") && strcmp(what, "learn"))
		return cmd_usage("policy", "'%s' is none of show, allow, deny, learn", what);
	if (c.n)
		return cmd_usage("policy", "'%s' takes no words", what);
	if (what[0] == 's')
		return show_or_change(a.operand[0], &c);
	if (a.output && strcmp(a.output, "-"))
		return whole_file("policy: write", a.output, learn_to, a.operand[0]);
	return learn_to(a.operand[0], 1);
}
