// SPDX-License-Identifier: Apache-2.0
/*
 * network_options.c - the options that say what a run's network is
 */
#include "cmd/network_options.h"

#include <sys/stat.h>

#include "cmd/cmd.h"

static int bad_value(const char *sub, const char *option, const char *value)
{
	return cmd_usage(sub, "--%s cannot be '%s'", option, value);
}

static int read_policy(const char *sub, struct network_opts *o, const char *file)
{
	struct err err = { 0 };
	int rc;

	if (o->policy_text)
		return cmd_usage(sub, "--policy is given twice");
	rc = read_file_at(AT_FDCWD, file, POLICY_FILE_MAX, &o->policy_text, &o->policy_n);
	if (!rc) {
		o->policy_file = file;
		return 0;
	}
	err_set_exit(&err, EXIT_UNREADABLE, rc, "%s: read the policy file '%s'", sub, file);
	return cmd_fail(&err);
}

static int open_answers(const char *sub, struct network_opts *o, const char *dir)
{
	struct err err = { 0 };

	o->answers_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->answers_fd >= 0) {
		o->answers = dir;
		return 0;
	}
	err_set_exit(&err, EXIT_UNREADABLE, errno, "%s: open the folder '%s'", sub, dir);
	return cmd_fail(&err);
}

static int add_word(const char *sub, struct network_opts *o, int what, const char *text)
{
	if (o->nwords == NETWORK_WORDS_MAX)
		return cmd_usage(sub, "more than %d rules: use --policy FILE", NETWORK_WORDS_MAX);
	o->word[o->nwords].what = what;
	o->word[o->nwords++].text = text;
	return 0;
}

static int read_way(const char *sub, struct network_opts *o, const char *value)
{
	static const char *const words[] = { [BOX_NET_BY_ANY] = "auto",
					     [BOX_NET_BY_TPROXY] = "tproxy",
					     [BOX_NET_BY_SLIRP] = "slirp" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(value, words[i])) {
			o->by = (enum box_net_by)i;
			return 0;
		}
	return bad_value(sub, "net-by", value);
}

int network_option(const char *sub, struct network_opts *o, int c, const char *value)
{
	char *end;

	switch (c) {
	case OPT_NET:
		o->off = !strcmp(value, "off");
		o->mode_given = gate_mode_read(value, &o->mode);
		return o->off || o->mode_given ? 0 : bad_value(sub, "net", value);
	case OPT_ALLOW:
		return add_word(sub, o, WORD_ALLOW, value);
	case OPT_DENY:
		return add_word(sub, o, WORD_DENY, value);
	case OPT_TLS_OPEN:
		return add_word(sub, o, WORD_TLS_OPEN, value);
	case OPT_POLICY:
		return read_policy(sub, o, value);
	case OPT_ANSWERS:
		return open_answers(sub, o, value);
	case OPT_NXDOMAIN_FIRST:
		o->nxdomain_first = (unsigned)strtoul(value, &end, 10);
		return *value < '0' || *value > '9' || *end || o->nxdomain_first > 1000000
			       ? bad_value(sub, "nxdomain-first", value)
			       : 0;
	case OPT_SINK:
		o->refuse = !strcmp(value, "refuse");
		o->silent = !strcmp(value, "silent");
		return o->refuse || o->silent || !strcmp(value, "answer")
			       ? 0
			       : bad_value(sub, "sink", value);
	case OPT_NET_BY:
		return read_way(sub, o, value);
	default:
		return -1;
	}
}
