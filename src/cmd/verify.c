// SPDX-License-Identifier: Apache-2.0
/*
 * verify.c - belljar verify: a journal's chain and signature; without a name, the recorder itself
 */
#include <limits.h>

#include "cmd/journal_arg.h"
#include "report/report.h"

#define SUB "verify"

/* The planted actions and what must be on record of them: planted.c, where it is built in. */
int verify_planted(bool json, struct err *err);
static void put_json(struct buf *out, const char *name, const struct journal_verdict *v)
{
	buf_puts(out, "{\"v\":1,\"journal\":");
	escape_json(out, str_z(name));
	buf_printf(out, ",\"ok\":%s,\"events\":%llu,\"blocks\":%llu", v->ok ? "true" : "false",
		   (unsigned long long)v->events_checked, (unsigned long long)v->blocks_checked);
	if (v->first_bad_seq)
		buf_printf(out, ",\"first_bad_seq\":%llu", (unsigned long long)v->first_bad_seq);
	buf_puts(out, ",\"sentence\":");
	escape_json(out, str_z(v->sentence));
	buf_puts(out, "}\n");
}

static int verify_journal(const char *name, const char *keydir, bool json, struct err *err)
{
	struct journal_verdict v = { 0 };
	cleanup_buf struct buf out = { 0 };
	struct journal_arg arg;
	int rc = journal_arg_find(name, &arg, err);

	if (rc)
		return rc;
	rc = journal_verify(arg.path, keydir ?: arg.keydir, &v, err);
	if (!rc && !v.ok && !v.blocks_checked) {
		struct journal_reader *r = NULL;

		/* what cannot even be opened is no journal that somebody changed */
		rc = journal_read_open(arg.path, &r, err);
		journal_read_close(r);
	}
	if (!rc) {
		if (json) {
			put_json(&out, name, &v);
		} else {
			escape_text(&out, str_z(v.sentence));
			buf_puts(&out, "\n");
		}
		rc = write_full(STDOUT_FILENO, out.p, out.n);
		if (rc)
			rc = err_set_exit(err, EXIT_UNREADABLE, rc, "verify: write the result");
		else
			rc = v.ok ? EXIT_OK : EXIT_NEGATIVE;
	}
	journal_arg_free(&arg);
	return rc;
}

int cmd_verify(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "key-dir", required_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	const char *keydir = NULL;
	struct err err = { 0 };
	bool json = false;
	int c, rc;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		if (c == CMD_OPTION_BAD)
			return EXIT_USAGE;
		if (c == 'j')
			json = true;
		else
			keydir = optarg;
	}
	if (optind + 1 < argc)
		return cmd_usage(SUB, "give one box, one journal, or nothing");
	rc = optind < argc ? verify_journal(argv[optind], keydir, json, &err)
			   : verify_planted(json, &err);
	return rc < 0 ? cmd_fail(&err) : rc;
}
