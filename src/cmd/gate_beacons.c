// SPDX-License-Identifier: Apache-2.0
/*
 * gate_beacons.c - belljar gate read --beacons: who in a capture file contacts whom regularly
 *
 * A part of belljar-judge, which has the beacon test. As with gate.c, the process is locked before
 * the first byte of the capture is read; the list of what is declared is the user's own.
 */
#include <getopt.h>

#include "cmd/cmd.h"
#include "gate/gate.h"
#include "report/report.h"

#define SUB "gate"

struct wish {
	const char *file, *declared;
	bool json, no_color, beacons;
};

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "beacons", no_argument, NULL, 'b' },
		{ "declared", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		if (c == 'b')
			w->beacons = true;
		else if (c == 'd')
			w->declared = optarg;
		else if (c == 'j')
			w->json = true;
		else if (c == 'n')
			w->no_color = true;
		else
			return EXIT_USAGE;
	}
	if (!w->beacons || optind + 2 != argc || strcmp(argv[optind], "read") != 0)
		return cmd_usage(SUB, "say 'read', one capture file (or - for standard input) "
				      "and --beacons");
	w->file = argv[optind + 1];
	return 0;
}

static int read_declared(const char *file, struct policy **ret, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t n;
	int rc = read_file_at(AT_FDCWD, file, POLICY_FILE_MAX, &text, &n);

	if (rc)
		return err_set_exit(err, EXIT_UNREADABLE, -rc, "gate: read '%s'", file);
	*ret = policy_new(GATE_DECLARED);
	return policy_parse(*ret, text, n, file, err);
}

static bool declared(void *ctx, struct str name, struct str address, uint16_t port)
{
	return policy_declares(ctx, name, address, port);
}

static int open_file(const char *name, struct err *err)
{
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;

	if (fd < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "gate: open '%s'", name);
	return fd;
}

/* What was read before a damage is told, as without --beacons. */
static int tell(const struct wish *w, int fd, struct capture_contacts *c, struct err *err)
{
	struct gate_read_stats stats = { 0 };
	struct err write_err = { 0 };
	int rc = gate_read_file(fd, capture_contacts_event, c, &stats, err), wrote;

	wrote = report_contacts(c, capture_contacts_judge(c), w->json,
				!w->no_color && cmd_colour(STDOUT_FILENO), STDOUT_FILENO,
				&write_err);
	if (!rc && wrote)
		*err = write_err;
	return rc ? rc : wrote;
}

int cmd_gate(int argc, char **argv)
{
	struct capture_contacts *c = NULL;
	struct policy *known = NULL;
	struct wish w = { 0 };
	struct err err = { 0 };
	int fd, rc = parse(argc, argv, &w);

	if (rc || !w.file)
		return rc;
	if (w.declared)
		rc = read_declared(w.declared, &known, &err);
	fd = rc ? -1 : open_file(w.file, &err);
	if (!rc)
		rc = fd < 0 ? fd : lockdown_reader(&err);
	if (!rc) {
		c = capture_contacts_new(known ? declared : NULL, known);
		rc = tell(&w, fd, c, &err);
	}
	capture_contacts_free(c);
	policy_free(known);
	if (fd > STDIN_FILENO)
		close(fd);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
