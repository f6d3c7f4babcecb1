// SPDX-License-Identifier: Apache-2.0
/*
 * changes.c - belljar changes: what is different in a box, and who did it
 *
 * What is different comes from the layers, who did it from the journal: the latest CHANGE row of a
 * path, and for a run that has none yet the latest call that names it. A change without either, in
 * a box whose runs all have their end on record, was there before any program ran: belljar set it
 * up with the box. Runs whose layer a rollback took away did nothing to what is there now.
 */
#include <uthash.h>

#include "box/box.h"
#include "cmd/changes.h"
#include "cmd/cmd.h"
#include "journal/journal.h"

#define SUB "changes"

/** struct maker - who touched a path last, by the record */
struct maker {
	UT_hash_handle hh;
	uint32_t proc;
	uint64_t seq; /* its last call on the path; 0 not asked for, or not found */
	size_t n;
	bool known; /* the row names a process */
	char path[];
};

/** struct program - what a process key runs: one image after the other */
struct program {
	UT_hash_handle hh;
	uint32_t proc;
	int64_t pid;
	struct {
		uint64_t from; /* event */
		char *image;
	} * ran;
	size_t nran;
};

/** struct past_run - a run on record, and whether what it changed is still in a layer */
struct past_run {
	uint32_t nr;
	int64_t layer;
	bool taken_back;
};

/** struct place - index of a file in the list by its path */
struct place {
	UT_hash_handle hh;
	size_t index;
};

struct finder {
	struct box *box;
	unsigned since;
	struct change_list l;
	size_t files_cap;
	struct maker *makers;
	struct program *programs;
	struct place *places, *place;
	struct past_run *run;
	size_t nruns;
	bool cut_run; /* the latest run has no end: its calls stand in for its CHANGE rows */
	uint32_t last_run;
	int64_t begin_ns; /* of the latest run: what is older was made before it by belljar */
	bool gaps;	  /* truth was not recorded whole */
};

static struct str own(struct str s)
{
	return (struct str){ xstrndup(s.n ? s.p : "", s.n), s.n };
}

static struct str text_of(const struct event *ev, int field)
{
	return ev->v[field].type == VAL_TEXT ? ev->v[field].s : (struct str){ "", 0 };
}

/* ---- the record --------------------------------------------------------------------------- */

static struct maker *maker_of(struct finder *f, struct str path)
{
	struct maker *m;

	HASH_FIND(hh, f->makers, path.p, path.n, m);
	return m;
}

static void made(struct finder *f, struct str path, const struct val *proc)
{
	struct maker *m = maker_of(f, path);

	if (!path.n)
		return;
	if (!m) {
		m = xcalloc(1, sizeof(*m) + path.n + 1);
		m->n = path.n;
		memcpy(m->path, path.p, path.n);
		HASH_ADD_KEYPTR(hh, f->makers, m->path, m->n, m);
	}
	m->known = proc->type == VAL_INT;
	m->proc = (uint32_t)proc->i;
}

static struct program *program_of(struct finder *f, uint32_t proc, bool add)
{
	struct program *p;

	HASH_FIND(hh, f->programs, &proc, sizeof(proc), p);
	if (!p && add) {
		p = xcalloc(1, sizeof(*p));
		p->proc = proc;
		HASH_ADD(hh, f->programs, proc, sizeof(p->proc), p);
	}
	return p;
}

static void runs(struct program *p, struct str image, uint64_t from)
{
	p->ran = xrealloc(p->ran, (p->nran + 1) * sizeof(*p->ran));
	p->ran[p->nran].from = from;
	p->ran[p->nran++].image = xstrndup(image.p, image.n);
}

/* What a process ran when it made a call; 0 asks for what it ran last. */
static const char *ran_at(const struct program *p, uint64_t seq)
{
	size_t n = p->nran;

	while (n > 1 && seq && p->ran[n - 1].from > seq)
		n--;
	return n ? p->ran[n - 1].image : NULL;
}

static void process(struct finder *f, const struct event *ev)
{
	struct program *p = program_of(f, ev->proc, true), *parent;
	struct str image = text_of(ev, EV_AT(PROCESS, IMAGE));
	const char *inherited = NULL;

	if (ev->v[EV_AT(PROCESS, PID)].type == VAL_INT)
		p->pid = ev->v[EV_AT(PROCESS, PID)].i;
	if (image.n) {
		/* by its script, where the image is only an interpreter */
		struct str script = text_of(ev, EV_AT(PROCESS, SCRIPT));

		runs(p, script.n ? script : image, ev->seq);
	} else if (!p->nran && ev->v[EV_AT(PROCESS, PARENT)].type == VAL_INT) {
		parent = program_of(f, (uint32_t)ev->v[EV_AT(PROCESS, PARENT)].i, false);
		inherited = parent ? ran_at(parent, 0) : NULL;
		if (inherited)
			runs(p, str_z(inherited), ev->seq);
	}
}

/* Layer that a rollback's mark leads back to. A name that is no snapshot any more was taken away by
 * a later rollback, further back, which has a mark too. */
static int64_t rolled_back_to(const struct finder *f, struct str detail)
{
	const struct box_info *info = box_get_info(f->box);

	for (unsigned i = 0; i < info->nsnapshots; i++) {
		size_t n = strlen(info->snapshot[i].name);

		/* "NAME, at TIME": a name has neither commas nor spaces */
		if (detail.n > n && detail.p[n] == ',' &&
		    !memcmp(detail.p, info->snapshot[i].name, n))
			return info->snapshot[i].layer;
	}
	return str_starts(detail, "before the first run") ? 0 : INT64_MAX;
}

static int take_run(void *ctx, const struct event *ev)
{
	struct finder *f = ctx;
	int64_t layer;

	if (ev->kind == EV_RUN_BEGIN) {
		f->run = xrealloc(f->run, (f->nruns + 1) * sizeof(*f->run));
		f->run[f->nruns++] = (struct past_run){
			.nr = ev->run,
			.layer = ev->v[EV_AT(RUN_BEGIN, LAYER)].i,
		};
		return 0;
	}
	if (!str_eq(text_of(ev, EV_AT(MARK, NAME)), STR("rollback")))
		return 0;
	layer = rolled_back_to(f, text_of(ev, EV_AT(MARK, DETAIL)));
	for (size_t i = 0; i < f->nruns; i++)
		f->run[i].taken_back |= f->run[i].layer > layer;
	return 0;
}

static bool is_taken_back(const struct finder *f, uint32_t nr)
{
	/* runs are numbered from 1, each once, in the order of their rows */
	return nr && nr <= f->nruns && f->run[nr - 1].nr == nr && f->run[nr - 1].taken_back;
}

static int take(void *ctx, const struct event *ev)
{
	struct finder *f = ctx;

	if (ev->kind != EV_PROCESS && is_taken_back(f, ev->run)) {
		f->cut_run = false;
		return 0;
	}
	switch (ev->kind) {
	case EV_RUN_BEGIN:
		f->cut_run = true;
		f->last_run = ev->run;
		f->begin_ns = ev->v[EV_AT(RUN_BEGIN, WALL)].i;
		break;
	case EV_RUN_END:
		f->cut_run = false;
		break;
	case EV_PROCESS:
		process(f, ev);
		break;
	case EV_CHANGE:
		made(f, text_of(ev, EV_AT(CHANGE, PATH)), &ev->v[EV_AT(CHANGE, WRITER)]);
		break;
	case EV_GAP:
		f->gaps |= str_eq(text_of(ev, EV_AT(GAP, SOURCE)), STR("truth"));
		break;
	default:
		break;
	}
	return 0;
}

static int take_call(void *ctx, const struct event *ev)
{
	struct val proc = V_INT(ev->proc);

	if (str_eq(text_of(ev, EV_AT(FILE, ANSWER)), STR("refused")))
		return 0;
	made(ctx, text_of(ev, EV_AT(FILE, PATH)), &proc);
	if (!str_eq(text_of(ev, EV_AT(FILE, OP)), STR("symlink")))
		made(ctx, text_of(ev, EV_AT(FILE, PATH2)), &proc);
	return 0;
}

/* Which call of the process that touched a path last was that: asked only when it matters. */
static int take_time(void *ctx, const struct event *ev)
{
	struct str path[] = { text_of(ev, EV_AT(FILE, PATH)), text_of(ev, EV_AT(FILE, PATH2)) };

	for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
		struct maker *m = path[i].n ? maker_of(ctx, path[i]) : NULL;

		if (m && m->known && m->proc == ev->proc)
			m->seq = ev->seq;
	}
	return 0;
}

/* A shell that becomes its last command has run both: only the time of the call tells which. */
static bool time_matters(struct finder *f)
{
	struct maker *m, *next;

	HASH_ITER(hh, f->makers, m, next)
	{
		struct program *p = m->known ? program_of(f, m->proc, false) : NULL;

		if (p && p->nran > 1)
			return true;
	}
	return false;
}

static int read_record(struct finder *f, struct err *err)
{
	cleanup_free char *db = xasprintf("%s/journal.db", box_path(f->box));
	struct journal_filter kinds = { .kinds = 1u << EV_RUN_BEGIN | 1u << EV_RUN_END |
						 1u << EV_PROCESS | 1u << EV_CHANGE |
						 1u << EV_GAP };
	struct journal_filter runs = { .kinds = 1u << EV_RUN_BEGIN | 1u << EV_MARK };
	struct journal_reader *r;
	int rc;

	if (faccessat(box_dirfd(f->box), "journal.db", F_OK, 0))
		return 0; /* nothing has run in it yet */
	rc = journal_read_open(db, &r, err);
	if (rc)
		return rc;
	rc = journal_read(r, &runs, take_run, f, err);
	if (!rc)
		rc = journal_read(r, &kinds, take, f, err);
	if (!rc && f->cut_run) {
		struct journal_filter calls = { .kinds = 1u << EV_FILE, .run = f->last_run };

		rc = journal_read(r, &calls, take_call, f, err);
	}
	if (!rc && time_matters(f)) {
		struct journal_filter calls = { .kinds = 1u << EV_FILE };

		rc = journal_read(r, &calls, take_time, f, err);
	}
	journal_read_close(r);
	return rc;
}

static struct doer doer_of(struct finder *f, struct str path)
{
	struct maker *m = maker_of(f, path);
	struct doer d = { .who = BY_NOBODY };
	struct program *p;

	if (!m || !m->known)
		return d;
	d.who = m->proc ? BY_PROCESS : BY_BELLJAR;
	d.proc = m->proc;
	p = m->proc ? program_of(f, m->proc, false) : NULL;
	if (p) {
		d.pid = p->pid;
		d.image = ran_at(p, m->seq);
	}
	return d;
}

/* ---- what is different -------------------------------------------------------------------- */

static int take_file(void *ctx, const struct change *c)
{
	struct finder *f = ctx;
	struct changed_file *x;

	if (f->l.nfiles == f->files_cap) {
		f->files_cap = f->files_cap ? f->files_cap * 2 : 256;
		f->l.file = xrealloc(f->l.file, f->files_cap * sizeof(*f->l.file));
	}
	x = &f->l.file[f->l.nfiles++];
	*x = (struct changed_file){ .c = *c, .concerns = file_concerns(c) };
	x->c.path = own(c->path);
	x->c.path2 = own(c->path2);
	x->c.detail = own(c->detail);
	x->by = doer_of(f, c->path);
	x->setup = !maker_of(f, c->path) && !f->gaps &&
		   (!f->cut_run || (c->ctime_ns && c->ctime_ns < f->begin_ns));
	if (x->setup)
		x->by.who = BY_BELLJAR;
	return 0;
}

static struct changed_file *file_of(struct finder *f, struct str path)
{
	struct place *p;

	HASH_FIND(hh, f->places, path.p, path.n, p);
	return p ? &f->l.file[p->index] : NULL;
}

/* When the list stands: the files themselves move while it grows. */
static void index_files(struct finder *f)
{
	if (f->place)
		return;
	f->place = xcalloc(f->l.nfiles + 1, sizeof(*f->place));
	for (size_t i = 0; i < f->l.nfiles; i++) {
		struct place *p = &f->place[i];

		p->index = i;
		HASH_ADD_KEYPTR(hh, f->places, f->l.file[i].c.path.p, f->l.file[i].c.path.n, p);
	}
}

static int take_packaged(void *ctx, struct str path, struct str owner)
{
	struct changed_file *x;

	index_files(ctx); /* all files are there now */
	x = file_of(ctx, path);

	if (x && !x->setup) {
		free(x->owner);
		x->owner = xstrndup(owner.p, owner.n);
		x->concerns |= CONCERN_PACKAGED;
	}
	return 0;
}

static int take_entry(void *ctx, const struct autostart_entry *e)
{
	struct finder *f = ctx;
	struct changed_file *at;
	struct changed_entry *x;

	index_files(f);
	at = file_of(f, e->place);
	if (at && at->setup)
		return 0;
	f->l.entry = xrealloc(f->l.entry, (f->l.nentries + 1) * sizeof(*f->l.entry));
	x = &f->l.entry[f->l.nentries++];
	*x = (struct changed_entry){
		.op = e->op == CHANGE_ADDED || e->op == CHANGE_REMOVED ? e->op : CHANGE_CHANGED,
		.class = e->class,
		.place = own(e->place),
		.name = own(e->name),
		.command = own(e->command),
		.program = own(e->program),
		.by = doer_of(f, e->place),
	};
	if (x->by.who == BY_NOBODY) /* the place is as it was: its program is what changed */
		x->by = doer_of(f, e->program);
	return 0;
}

static int take_user(void *ctx, const struct user_change *u)
{
	struct finder *f = ctx;

	f->l.user = xrealloc(f->l.user, (f->l.nusers + 1) * sizeof(*f->l.user));
	f->l.user[f->l.nusers++] = (struct changed_user){
		.op = u->op,
		.file = u->file,
		.name = own(u->name),
		.before = own(u->before),
		.after = own(u->after),
	};
	return 0;
}

static int find_all(struct finder *f, struct err *err)
{
	static const struct changes_fns fns = { take_file, take_packaged, take_entry };
	int rc = read_record(f, err);

	if (!rc)
		rc = changes_all_between(f->box, NULL, f->since, &fns, f, err);
	if (rc == -E2BIG) {
		f->l.cut = true;
		rc = 0;
	}
	if (!rc)
		rc = users_between(f->box, NULL, f->since, take_user, f, err);
	return rc;
}

static void finder_free(struct finder *f)
{
	struct program *p, *pnext;
	struct maker *m, *mnext;

	HASH_CLEAR(hh, f->places);
	free(f->place);
	for (size_t i = 0; i < f->l.nfiles; i++) {
		struct changed_file *x = &f->l.file[i];

		free((char *)x->c.path.p);
		free((char *)x->c.path2.p);
		free((char *)x->c.detail.p);
		free(x->owner);
	}
	for (size_t i = 0; i < f->l.nentries; i++) {
		free((char *)f->l.entry[i].place.p);
		free((char *)f->l.entry[i].name.p);
		free((char *)f->l.entry[i].command.p);
		free((char *)f->l.entry[i].program.p);
	}
	for (size_t i = 0; i < f->l.nusers; i++) {
		free((char *)f->l.user[i].name.p);
		free((char *)f->l.user[i].before.p);
		free((char *)f->l.user[i].after.p);
	}
	free(f->run);
	free(f->l.file);
	free(f->l.entry);
	free(f->l.user);
	HASH_ITER(hh, f->makers, m, mnext)
	{
		HASH_DEL(f->makers, m);
		free(m);
	}
	HASH_ITER(hh, f->programs, p, pnext)
	{
		HASH_DEL(f->programs, p);
		for (size_t i = 0; i < p->nran; i++)
			free(p->ran[i].image);
		free(p->ran);
		free(p);
	}
}

/* ---- the subcommand ----------------------------------------------------------------------- */

static int layer_of(const struct box *box, const char *snapshot, unsigned *ret, struct err *err)
{
	const struct box_info *info = box_get_info(box);

	*ret = 0;
	if (!snapshot)
		return 0;
	for (unsigned i = 0; i < info->nsnapshots; i++)
		if (!strcmp(info->snapshot[i].name, snapshot)) {
			*ret = info->snapshot[i].layer;
			return 0;
		}
	return err_set_exit(err, EXIT_NO_BOX, 0, "box: there is no snapshot '%s' of '%s'", snapshot,
			    info->name);
}

static int show(struct finder *f, bool json, struct err *err)
{
	cleanup_buf struct buf out = { .limit = (size_t)4 << 30 };
	int rc;

	if (json)
		changes_json(&f->l, &out);
	else
		changes_text(&f->l, &out);
	if (out.overflow)
		return err_set(err, EFBIG, "changes: write the list");
	rc = write_full(STDOUT_FILENO, out.p, out.n);
	return rc ? err_set(err, rc, "changes: write the list") : 0;
}

static int changes_of(struct box_home *home, const char *name, const char *since, bool json,
		      struct err *err)
{
	struct finder f = { .l = { .box = name, .since = since ? since : "" } };
	int rc = box_open(home, name, 0, NULL, &f.box, err);

	if (rc)
		return rc;
	rc = layer_of(f.box, since, &f.since, err);
	f.l.running = box_is_held(home, name);
	if (!rc)
		rc = find_all(&f, err);
	if (!rc)
		rc = show(&f, json, err);
	finder_free(&f);
	box_close(f.box);
	return rc;
}

int cmd_changes(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "since", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *since = NULL;
	struct box_home home;
	struct err err = { 0 };
	bool json = false;
	int c, rc;

	while ((c = cmd_option(argc, argv, ":", longs)) != -1) {
		if (c == CMD_OPTION_BAD)
			return EXIT_USAGE;
		json |= c == 'j';
		if (c == 's')
			since = optarg;
	}
	if (optind + 1 != argc)
		return cmd_usage(SUB, "give one box");
	rc = box_name_check(argv[optind], &err);
	if (!rc && since)
		rc = box_name_check(since, &err);
	if (!rc)
		rc = box_home_open(&home, &err);
	if (rc)
		return cmd_fail(&err);
	rc = changes_of(&home, argv[optind], since, json, &err);
	box_home_close(&home);
	return rc ? cmd_fail(&err) : EXIT_OK;
}
