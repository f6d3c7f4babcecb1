// SPDX-License-Identifier: Apache-2.0
/*
 * model.c - one pass over each table: counts, groups, and the rows that will be shown
 */
#include <signal.h>

#include "report/exam.h"

const char *const change_word[CH_KINDS] = {
	[CH_ADDED] = "added", [CH_CHANGED] = "changed", [CH_REMOVED] = "removed",
	[CH_META] = "meta",   [CH_MOVED] = "moved",
};

/* ---- activity over time ------------------------------------------------------------------- */

static void hist_add(struct hist *h, uint64_t t)
{
	if (!h->width)
		h->width = 1000000;
	while (t / h->width >= REPORT_HIST) {
		for (size_t i = 0; i < REPORT_HIST; i++)
			h->n[i] = i < REPORT_HIST / 2 ? h->n[2 * i] + h->n[2 * i + 1] : 0;
		h->width *= 2;
	}
	h->n[t / h->width]++;
}

static void seen(struct rep *rep, const struct event *ev)
{
	size_t at = rep->procs.nrun && ev->run >= rep->procs.run[0].run
			    ? ev->run - rep->procs.run[0].run
			    : REPORT_CHARTS;

	rep->count[ev->kind]++;
	if (at >= REPORT_CHARTS || ev->t > INT64_MAX)
		return;
	if (ev->t > rep->t_last[at])
		rep->t_last[at] = ev->t;
	hist_add(&rep->hist[at], ev->t);
}

static void keep_plain(struct plain_rows *rows, const struct event *ev, size_t max)
{
	rows->total++;
	if (rows->n >= max)
		return;
	rows->r = vec_grow(rows->r, rows->n, &rows->cap, sizeof(*rows->r));
	rows->r[rows->n++] = (struct plain_row){ ev->seq, ev->t, ev->run, ev->kind };
}

/* ---- processes ---------------------------------------------------------------------------- */

static void note_ran(struct rep *rep, const struct exec *e, struct str path, struct str sha256)
{
	bool is_new;
	uint32_t id;

	if (!path.n)
		return;
	id = intern_add(&rep->ran, path, &is_new);
	if (id == INTERN_NONE)
		return;
	if (is_new) {
		rep->ran_info = vec_grow(rep->ran_info, id, &rep->ran_cap, sizeof(*rep->ran_info));
		rep->ran_info[id] = (struct dropped){ .path = rep->ran.item[id].s };
	}
	/* the last exec: what was written before any of them counts */
	rep->ran_info[id].exec_seq = e->seq;
	rep->ran_info[id].proc = e->proc;
	rep->ran_info[id].sha256 = sha256;
}

static void count_processes(struct rep *rep)
{
	struct procs *ps = &rep->procs;

	for (size_t i = 1; i < ps->n; i++)
		rep->nprocs += ps->p[i].key != 0;
	rep->nexecs = ps->ne;
	rep->nimages = ps->images.n;
	rep->ran = (struct intern){ .a = &rep->a };
	for (size_t i = 0; i < ps->ne; i++) {
		note_ran(rep, &ps->e[i], ps->e[i].image, ps->e[i].sha256);
		note_ran(rep, &ps->e[i], ps->e[i].script, ps->e[i].script_sha256);
	}
	for (size_t i = 0; i < ps->nrun; i++) {
		rep->nleft += (uint64_t)ps->run[i].left;
		rep->ncut += !ps->run[i].end_seq;
	}
}

/* The process table was read by procs_load(): only its place in time is left to count. */
static void count_process_times(struct rep *rep)
{
	const struct procs *ps = &rep->procs;
	struct event ev = { .kind = EV_PROCESS };

	for (size_t i = 1; i < ps->n; i++) {
		if (!ps->p[i].key)
			continue;
		ev.run = ps->p[i].run;
		ev.t = ps->p[i].t0;
		seen(rep, &ev);
		ev.t = ps->p[i].t1;
		if (ps->p[i].ended)
			seen(rep, &ev);
	}
	for (size_t i = 0; i < ps->ne; i++) {
		const struct proc *p = procs_get(ps, ps->e[i].proc);

		ev.run = p->run;
		ev.t = ps->e[i].t;
		seen(rep, &ev);
	}
}

bool left_running(const struct rep *rep, const struct proc *p)
{
	const struct run_info *run = procs_run(&rep->procs, p->run);

	if (!run || !run->left)
		return false;
	/* the end of a run is SIGKILL from outside for all that is left; before it ends, an
	 * examination kills from outside too, and marks that */
	return !p->ended || (p->signal == SIGKILL && !p->killed && p->t1 >= run->t_main &&
			     p->t1 >= run->t_marked);
}

/* ---- files -------------------------------------------------------------------------------- */

static bool writes(struct str op, const struct event *ev, struct str *ret_path)
{
	if (str_eq(op, STR("create")) || str_eq(op, STR("write"))) {
		*ret_path = ev_str(ev, EV_AT(FILE, PATH));
		return true;
	}
	if (str_eq(op, STR("rename")) || str_eq(op, STR("link"))) {
		*ret_path = ev_str(ev, EV_AT(FILE, PATH2));
		return true;
	}
	return false;
}

static void on_file(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct proc *p = procs_get(&rep->procs, ev->proc);
	struct str op = ev_str(ev, EV_AT(FILE, OP)), path;

	seen(rep, ev);
	if (p)
		p->nfile++;
	if (ev_has(ev, EV_AT(FILE, ANSWER))) {
		bool refused = ev_is(ev, EV_AT(FILE, ANSWER), "refused");

		rep->refused += refused;
		rep->claimed += !refused;
		group_add(rep, &rep->wall, ev,
			  (struct group){ .who = procs_image(&rep->procs, ev->proc, ev->seq),
					  .what = op,
					  .how = STR("file"),
					  .answer = ev_str(ev, EV_AT(FILE, ANSWER)),
					  .example = ev_str(ev, EV_AT(FILE, PATH)),
					  .reason = ev_str(ev, EV_AT(FILE, REASON)) });
		if (refused)
			return;
	}
	if (!ev_has(ev, EV_AT(FILE, REASON)) && writes(op, ev, &path)) {
		uint32_t id = intern_find(&rep->ran, path);

		if (id != INTERN_NONE && !rep->ran_info[id].write_seq &&
		    ev->seq < rep->ran_info[id].exec_seq) {
			rep->ran_info[id].write_seq = ev->seq;
			rep->ran_info[id].write_kind = EV_FILE;
			rep->ran_info[id].writer = ev->proc;
		}
	}
}

static bool row_from(const struct event *ev, struct change_row *c)
{
	struct str op = ev_str(ev, EV_AT(CHANGE, OP));
	int i;

	for (i = 0; i < CH_KINDS; i++)
		if (str_eq(op, str_z(change_word[i])))
			break;
	if (i == CH_KINDS)
		return false;
	*c = (struct change_row){
		.seq = ev->seq,
		.run = ev->run,
		.writer = (uint32_t)ev_int(ev, EV_AT(CHANGE, WRITER)),
		.op = (enum change_kind)i,
		.path = ev_str(ev, EV_AT(CHANGE, PATH)),
		.path2 = ev_str(ev, EV_AT(CHANGE, PATH2)),
		.type = ev_str(ev, EV_AT(CHANGE, TYPE)),
		.sha256 = ev_str(ev, EV_AT(CHANGE, SHA256)),
		.detail = ev_str(ev, EV_AT(CHANGE, DETAIL)),
		.mode = ev_int(ev, EV_AT(CHANGE, MODE)),
		.uid = ev_int(ev, EV_AT(CHANGE, UID)),
		.gid = ev_int(ev, EV_AT(CHANGE, GID)),
		.size = ev_has(ev, EV_AT(CHANGE, SIZE)) ? ev_int(ev, EV_AT(CHANGE, SIZE)) : -1,
	};
	c->concerns = path_concerns(c->path, c->type, c->mode, c->detail);
	return true;
}

static void keep_change(struct rep *rep, struct change_row **rows, size_t *n, size_t *cap,
			const struct change_row *c)
{
	struct change_row *to;

	if (*n >= rep->rows_max)
		return;
	*rows = vec_grow(*rows, *n, cap, sizeof(**rows));
	to = &(*rows)[(*n)++];
	*to = *c;
	to->path = arena_str(&rep->a, c->path);
	to->path2 = arena_str(&rep->a, c->path2);
	to->type = arena_str(&rep->a, c->type);
	to->sha256 = arena_str(&rep->a, c->sha256);
	to->detail = arena_str(&rep->a, c->detail);
}

static void count_dir(struct rep *rep, const struct change_row *c)
{
	bool is_new;
	uint32_t id = intern_add(&rep->dirs, dir_name(c->path), &is_new);

	if (id == INTERN_NONE) {
		rep->dirs_lost++;
		return;
	}
	if (is_new) {
		rep->dir = vec_grow(rep->dir, rep->ndir, &rep->dir_cap, sizeof(*rep->dir));
		rep->dir[rep->ndir++] =
			(struct dir_row){ .path = rep->dirs.item[id].s, .first_seq = c->seq };
	}
	rep->dir[id].n[c->op]++;
	rep->dir[id].total++;
}

static void on_change(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct change_row c;
	uint32_t ran;
	bool ours;

	seen(rep, ev);
	if (!row_from(ev, &c))
		return;
	/* process 0 is belljar: what it brought is not the program's doing */
	ours = ev_has(ev, EV_AT(CHANGE, WRITER)) && !c.writer;
	if (ours)
		rep->brought++;
	else if (str_eq(c.type, STR("dir")))
		rep->folders[c.op]++;
	else
		rep->changes[c.op]++;
	count_dir(rep, &c);
	keep_change(rep, &rep->change, &rep->nchange, &rep->change_cap, &c);
	if (c.op != CH_REMOVED && !str_eq(c.type, STR("dir")))
		for (size_t bit = 0; bit < ARRAY_SIZE(rep->concerned); bit++)
			rep->concerned[bit] += c.concerns >> bit & 1;
	if (c.concerns & ~(unsigned)C_PROGRAM)
		keep_change(rep, &rep->concern, &rep->nconcern, &rep->concern_cap, &c);
	/* written without a call on record, and run in the same or a later run */
	ran = !ours && (c.op == CH_ADDED || c.op == CH_CHANGED) ? intern_find(&rep->ran, c.path)
								: INTERN_NONE;
	if (ran != INTERN_NONE && !rep->ran_info[ran].write_seq) {
		const struct proc *p = procs_get(&rep->procs, rep->ran_info[ran].proc);

		if (p && p->run >= ev->run) {
			rep->ran_info[ran].write_seq = ev->seq;
			rep->ran_info[ran].write_kind = EV_CHANGE;
			rep->ran_info[ran].writer = c.writer;
		}
	}
}

/* ---- the rest ----------------------------------------------------------------------------- */

static bool loopback(struct str family, struct str address)
{
	if (str_eq(family, STR("inet")))
		return str_starts(address, "127.");
	return str_eq(family, STR("inet6")) &&
	       (str_eq(address, STR("::1")) || str_starts(address, "::ffff:127."));
}

static void on_socket(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct proc *p = procs_get(&rep->procs, ev->proc);
	struct str op = ev_str(ev, EV_AT(SOCKET, OP));
	struct str family = ev_str(ev, EV_AT(SOCKET, FAMILY));
	struct str address = ev_str(ev, EV_AT(SOCKET, ADDRESS));
	bool refused = ev_is(ev, EV_AT(SOCKET, ANSWER), "refused");
	struct group g = { .who = procs_image(&rep->procs, ev->proc, ev->seq),
			   .what = address,
			   .how = ev_str(ev, EV_AT(SOCKET, PROTOCOL)),
			   .where = family,
			   .answer = ev_str(ev, EV_AT(SOCKET, ANSWER)),
			   .port = ev_has(ev, EV_AT(SOCKET, PORT)) ? ev_int(ev, EV_AT(SOCKET, PORT))
								   : -1,
			   .example = op,
			   .reason = ev_str(ev, EV_AT(SOCKET, REASON)) };

	seen(rep, ev);
	if (p)
		p->nsocket++;
	if (str_eq(op, STR("listen"))) {
		group_add(rep, &rep->listens, ev, g);
	} else if (str_eq(op, STR("connect")) || str_eq(op, STR("sendto"))) {
		bool inside = ev_is(ev, EV_AT(SOCKET, ANSWER), "local") ||
			      loopback(family, address) ||
			      (!refused &&
			       (str_eq(family, STR("unix")) || str_eq(family, STR("netlink"))));

		group_add(rep, inside ? &rep->local : &rep->out, ev, g);
		rep->unanswered += !inside && !refused;
	} else if (refused) {
		group_add(rep, &rep->out, ev, g);
	}
}

static void on_attempt(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct proc *p = procs_get(&rep->procs, ev->proc);

	seen(rep, ev);
	if (p)
		p->nattempt++;
	rep->refused += ev_is(ev, EV_AT(ATTEMPT, ANSWER), "refused");
	rep->claimed += ev_is(ev, EV_AT(ATTEMPT, ANSWER), "claimed");
	rep->allowed += ev_is(ev, EV_AT(ATTEMPT, ANSWER), "allowed");
	group_add(rep, &rep->wall, ev,
		  (struct group){ .who = procs_image(&rep->procs, ev->proc, ev->seq),
				  .what = ev_str(ev, EV_AT(ATTEMPT, CALL)),
				  .how = ev_str(ev, EV_AT(ATTEMPT, CATEGORY)),
				  .answer = ev_str(ev, EV_AT(ATTEMPT, ANSWER)),
				  .errname = ev_str(ev, EV_AT(ATTEMPT, ERRNO)),
				  .example = ev_str(ev, EV_AT(ATTEMPT, ARGS)),
				  .reason = ev_str(ev, EV_AT(ATTEMPT, REASON)) });
}

static void on_signal(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	int64_t signo = ev_int(ev, EV_AT(SIGNAL, SIGNO));
	uint32_t target = (uint32_t)ev_int(ev, EV_AT(SIGNAL, TARGET));

	seen(rep, ev);
	if (signo == SIGKILL && procs_get(&rep->procs, target))
		procs_get(&rep->procs, target)->killed = true;
	if (signo)
		group_add(
			rep, &rep->signals, ev,
			(struct group){ .who = procs_image(&rep->procs, ev->proc, ev->seq),
					.what = str_z(signal_word(signo)),
					.where = target ? procs_image(&rep->procs, target, ev->seq)
							: (struct str){ "", 0 },
					.port = signo });
}

/* What was added stays only until it is removed: by its uninstaller, in a later run. */
static void end_start(struct start_rows *rows, struct str place, struct str name)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct start_row *s = &rows->r[i];

		if (s->gone || !str_eq(s->place, place) || !str_eq(s->name, name) ||
		    (!str_eq(s->op, STR("added")) && !str_eq(s->op, STR("changed"))))
			continue;
		s->gone = true;
		if (s->idle)
			continue;
		rows->fresh--;
		rows->gone++;
	}
}

static void on_autostart(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct arena *a = &rep->a;
	struct str op = ev_str(ev, EV_AT(AUTOSTART, OP));
	struct str class = ev_str(ev, EV_AT(AUTOSTART, CLASS));
	struct start_rows *rows = &rep->start[start_sort(class)];
	bool idle = autostart_is_idle(class, ev_str(ev, EV_AT(AUTOSTART, PLACE)),
				      ev_str(ev, EV_AT(AUTOSTART, COMMAND)));

	seen(rep, ev);
	rows->total++;
	rows->fresh += !idle && (str_eq(op, STR("added")) || str_eq(op, STR("changed")));
	if (str_eq(op, STR("removed")))
		end_start(rows, ev_str(ev, EV_AT(AUTOSTART, PLACE)),
			  ev_str(ev, EV_AT(AUTOSTART, NAME)));
	if (rows->n >= rep->rows_max)
		return;
	rows->r = vec_grow(rows->r, rows->n, &rows->cap, sizeof(*rows->r));
	rows->r[rows->n++] = (struct start_row){
		.seq = ev->seq,
		.t = ev->t,
		.run = ev->run,
		.writer = (uint32_t)ev_int(ev, EV_AT(AUTOSTART, WRITER)),
		.op = arena_str(a, op),
		.class = arena_str(a, class),
		.place = arena_str(a, ev_str(ev, EV_AT(AUTOSTART, PLACE))),
		.name = arena_str(a, ev_str(ev, EV_AT(AUTOSTART, NAME))),
		.command = arena_str(a, ev_str(ev, EV_AT(AUTOSTART, COMMAND))),
		.program = arena_str(a, ev_str(ev, EV_AT(AUTOSTART, PROGRAM))),
		.technique = arena_str(a, ev_str(ev, EV_AT(AUTOSTART, TECHNIQUE))),
		.idle = idle,
	};
}

static void on_plain(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;
	struct plain_rows *rows = ev->kind == EV_GAP	    ? &rep->gaps
				  : ev->kind == EV_LIMIT    ? &rep->limits
				  : ev->kind == EV_MISMATCH ? &rep->mismatches
							    : &rep->marks;

	seen(rep, ev);
	if (ev->kind == EV_MARK && ev_has(ev, EV_AT(MARK, EXPERIMENT)) &&
	    procs_run(&rep->procs, ev->run))
		procs_run(&rep->procs, ev->run)->t_marked = ev->t;
	keep_plain(rows, ev, rep->rows_max);
}

static void on_object(void *ctx, const struct event *ev)
{
	struct rep *rep = ctx;

	seen(rep, ev);
	if (ev_int(ev, EV_AT(OBJECT, KEPT))) {
		rep->objects_kept++;
		rep->objects_size += (uint64_t)ev_int(ev, EV_AT(OBJECT, SIZE));
	} else {
		rep->objects_lost++;
	}
}

static void on_net(void *ctx, const struct event *ev)
{
	static source_fn *const by_kind[EVENT_KINDS] = {
		[EV_FLOW] = net_flow, [EV_BANNER] = net_banner, [EV_TLS] = net_tls,
		[EV_HTTP] = net_http, [EV_CANARY] = net_canary, [EV_DNS] = net_dns,
	};

	seen(ctx, ev);
	by_kind[ev->kind](ctx, ev);
}

static const struct {
	enum event_kind kind;
	uint32_t fields;
	source_fn *fn;
} passes[] = {
	{ EV_FILE, F(FILE, OP) | F(FILE, PATH) | F(FILE, PATH2) | F(FILE, ANSWER) | F(FILE, REASON),
	  on_file },
	{ EV_CHANGE, FIELDS_ALL, on_change },
	{ EV_SOCKET, FIELDS_ALL, on_socket },
	{ EV_ATTEMPT, FIELDS_ALL, on_attempt },
	{ EV_SIGNAL, F(SIGNAL, SIGNO) | F(SIGNAL, TARGET), on_signal },
	{ EV_AUTOSTART, FIELDS_ALL, on_autostart },
	{ EV_GAP, F(GAP, SOURCE), on_plain },
	{ EV_LIMIT, F(LIMIT, WHAT), on_plain },
	{ EV_MISMATCH, F(MISMATCH, WHAT), on_plain },
	{ EV_MARK, F(MARK, NAME) | F(MARK, EXPERIMENT), on_plain },
	{ EV_OBJECT, F(OBJECT, SIZE) | F(OBJECT, KEPT), on_object },
	/* connections first: the others belong to one */
	{ EV_FLOW, FIELDS_ALL, on_net },
	{ EV_BANNER, FIELDS_ALL, on_net },
	{ EV_TLS, F(TLS, OP) | F(TLS, FLOW) | F(TLS, SNI) | F(TLS, SIDE) | F(TLS, VERDICT),
	  on_net },
	{ EV_HTTP, F(HTTP, OP) | F(HTTP, FLOW) | F(HTTP, METHOD) | F(HTTP, HOST) | F(HTTP, TARGET),
	  on_net },
	{ EV_CANARY, FIELDS_ALL, on_net },
	{ EV_DNS,
	  F(DNS, OP) | F(DNS, NAME) | F(DNS, TYPE) | F(DNS, ANSWER) | F(DNS, RCODE) |
		  F(DNS, ANSWERS) | F(DNS, REASON),
	  on_net },
};

/* Of a file that was written here: the first exec after that, not the last. */
static void first_execs(struct rep *rep)
{
	for (size_t i = 0; i < rep->ran.n; i++)
		rep->ndropped += rep->ran_info[i].write_seq != 0;
	for (size_t i = rep->ndropped ? rep->procs.ne : 0; i-- > 0;) {
		const struct exec *e = &rep->procs.e[i];
		const struct str path[] = { e->image, e->script };
		const struct str sha256[] = { e->sha256, e->script_sha256 };

		for (size_t k = 0; k < ARRAY_SIZE(path); k++) {
			uint32_t id = intern_find(&rep->ran, path[k]);
			struct dropped *d = id == INTERN_NONE ? NULL : &rep->ran_info[id];

			if (!d || d->write_kind != EV_FILE || e->seq < d->write_seq)
				continue;
			d->exec_seq = e->seq;
			d->proc = e->proc;
			d->sha256 = sha256[k];
		}
	}
}

static int count_events(struct rep *rep, struct err *err)
{
	for (int kind = 1; kind < EVENT_KINDS; kind++) {
		int rc = event_kind_def(kind)
				 ? source_count(&rep->src, kind, &rep->count[kind], err)
				 : 0;

		if (rc)
			return rc;
		rep->events += rep->count[kind];
	}
	return 0;
}

int model_make(struct rep *rep, struct journal_reader *r, const struct report_opts *opts,
	       struct err *err)
{
	int rc;

	*rep = (struct rep){ .opts = opts,
			     .rows_max = opts->rows_max ? opts->rows_max : REPORT_ROWS,
			     .dirs = { .a = &rep->a } };
	rc = journal_head(r, &rep->head, err);
	if (!rc)
		rc = source_open(&rep->src, r, opts->run, err);
	if (!rc)
		rc = procs_load(&rep->procs, &rep->src, &rep->a, false, err);
	if (rc)
		return rc;
	if (opts->run && !procs_run(&rep->procs, opts->run))
		return err_set_exit(err, EXIT_NO_BOX, ENOENT, "report: find run %u in the journal",
				    opts->run);
	count_processes(rep);
	count_process_times(rep);
	for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
		rc = source_scan(&rep->src, passes[i].kind, passes[i].fields, passes[i].fn, rep,
				 err);
		if (rc)
			return rc;
	}
	memset(rep->count, 0, sizeof(rep->count));
	rc = count_events(rep, err);
	if (rc)
		return rc;
	first_execs(rep);
	net_order(&rep->net);
	say_summary(rep);
	find_looks(rep);
	return opts->run ? 0 : exam_make(rep, opts->judged, &rep->exam, err);
}

void model_free(struct rep *rep)
{
	procs_free(&rep->procs);
	source_close(&rep->src);
	intern_free(&rep->dirs);
	intern_free(&rep->ran);
	groups_free(&rep->out);
	groups_free(&rep->local);
	groups_free(&rep->listens);
	groups_free(&rep->wall);
	groups_free(&rep->signals);
	groups_free(&rep->names);
	net_free(&rep->net);
	free(rep->change);
	free(rep->concern);
	free(rep->dir);
	for (int sort = 0; sort < ST_SORTS; sort++)
		free(rep->start[sort].r);
	free(rep->ran_info);
	free(rep->gaps.r);
	free(rep->limits.r);
	free(rep->mismatches.r);
	free(rep->marks.r);
	lines_free(&rep->summary);
	for (size_t i = 0; i < rep->nlook; i++)
		lines_free(&rep->look[i].rows);
	exam_free(rep->exam);
	arena_free(&rep->a);
}
