// SPDX-License-Identifier: Apache-2.0
/*
 * gate.c - belljar gate read: a capture file, decoded as a box's own traffic is; gate answers
 *
 * The file is hostile as a box is: this process is locked before the first byte of it is read.
 */

#include "gate/gate.h"
#include "cmd/gate_answers.h"
#include "cmd/journal_arg.h"
#include "report/report.h"

#define SUB "gate"

#define WRITE_AT (256u << 10) /* so much output is written at once */

struct wish {
	const char *file;
	const char *box, *folder; /* of 'answers' */
	uint32_t kinds;		  /* mask; 0 all */
	bool json, quiet, no_color;
	bool beacons, declared; /* belljar-judge does that */
	bool colour;
};

struct output {
	const struct wish *wish;
	struct buf text;
	uint64_t seq;
	int failed; /* -errno of a write */
};

static int option(struct wish *w, int c, char *arg)
{
	switch (c) {
	case 'k':
		return arg_kinds(SUB, arg, &w->kinds);
	case 'j':
		w->json = true;
		return 0;
	case 'q':
		w->quiet = true;
		return 0;
	case 'b':
		w->beacons = true;
		return 0;
	case 'd':
		w->declared = true;
		return 0;
	case 'n':
		w->no_color = true;
		return 0;
	default:
		return EXIT_USAGE;
	}
}

static int parse(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "beacons", no_argument, NULL, 'b' },
		{ "declared", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc;

	while ((c = cmd_option(argc, argv, ":q", longs)) != -1) {
		rc = option(w, c, optarg);
		if (rc)
			return rc;
	}
	if (w->beacons && (w->kinds || w->quiet))
		return cmd_usage(SUB, "--kind and --quiet have no place beside --beacons");
	if (w->beacons)
		return 0;
	if (w->declared)
		return cmd_usage(SUB, "--declared belongs to --beacons");
	if (optind + 3 == argc && !strcmp(argv[optind], "answers")) {
		w->box = argv[optind + 1];
		w->folder = argv[optind + 2];
		return 0;
	}
	if (optind + 2 != argc || strcmp(argv[optind], "read") != 0)
		return cmd_usage(SUB, "say 'read' and one capture file (or - for standard input), "
				      "or 'answers', a box and a folder");
	w->file = argv[optind + 1];
	w->colour = !w->no_color && !w->json && cmd_colour(STDOUT_FILENO);
	return 0;
}

static int flush(struct output *o)
{
	if (!o->failed)
		o->failed = write_full(STDOUT_FILENO, o->text.p, o->text.n);
	o->text.n = 0;
	return o->failed;
}

static int event(void *ctx, const struct event *ev)
{
	struct output *o = ctx;
	struct event numbered = *ev;

	if (o->wish->quiet || (o->wish->kinds && !(o->wish->kinds & 1u << ev->kind)))
		return 0;
	numbered.seq = ++o->seq;
	if (o->wish->json)
		report_event_json(&o->text, &numbered);
	else
		report_event_text(&o->text, &numbered, o->wish->colour);
	if (o->text.n && o->text.p[o->text.n - 1] != '\n')
		buf_puts(&o->text, "\n");
	return o->text.n >= WRITE_AT ? flush(o) : 0;
}

static void summary(struct output *o, const struct gate_read_stats *s)
{
	if (o->wish->json)
		return;
	buf_printf(&o->text, "%llu packets, %llu bytes, %llu flows", (unsigned long long)s->packets,
		   (unsigned long long)s->bytes, (unsigned long long)s->flows);
	if (s->skipped)
		buf_printf(&o->text, "; %llu packets not decoded", (unsigned long long)s->skipped);
	if (s->early)
		buf_printf(&o->text, "; %llu flows ended early, for room",
			   (unsigned long long)s->early);
	buf_puts(&o->text, "\n");
}

static int open_file(const char *name, struct err *err)
{
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;

	if (fd < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "gate: open '%s'", name);
	return fd;
}

int cmd_gate(int argc, char **argv)
{
	struct gate_read_stats stats = { 0 };
	struct wish w = { .file = "-" };
	struct output o = { .wish = &w };
	struct err err = { 0 };
	int fd, rc = parse(argc, argv, &w);

	if (rc)
		return rc;
	if (w.beacons)
		return become("belljar-judge", argv);
	if (w.box)
		return cmd_gate_answers(w.box, w.folder);
	fd = open_file(w.file, &err);
	rc = fd < 0 ? fd : lockdown_reader(&err);
	if (!rc)
		rc = gate_read_file(fd, event, &o, &stats, &err);
	if (fd >= 0 && !o.failed)
		summary(&o, &stats);
	if (flush(&o) && !err.code)
		rc = err_set(&err, -o.failed, "gate: write");
	buf_free(&o.text);
	if (fd > STDIN_FILENO)
		close(fd);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
