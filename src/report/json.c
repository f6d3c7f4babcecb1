// SPDX-License-Identifier: Apache-2.0
/*
 * json.c - the report for other programs; doc/REPORT.md has the schema
 *
 * Names are whole here (nothing is clipped) and sentences are the same as in the other formats.
 * What has no value on record is left out. A comma goes where the text so far asks for one.
 */
#include "report/exam.h"

#define REPORT_JSON_VERSION 1

static void comma(struct buf *o)
{
	char last = o->n ? o->p[o->n - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_add(o, ",", 1);
}

static void key(struct buf *o, const char *k)
{
	comma(o);
	buf_printf(o, "\"%s\":", k);
}

static void begin(struct buf *o, const char *k, const char *bracket)
{
	if (k)
		key(o, k);
	else
		comma(o);
	buf_puts(o, bracket);
}

static void num(struct buf *o, const char *k, uint64_t v)
{
	key(o, k);
	buf_printf(o, "%llu", (unsigned long long)v);
}

static void snum(struct buf *o, const char *k, int64_t v)
{
	key(o, k);
	buf_printf(o, "%lld", (long long)v);
}

static void yes(struct buf *o, const char *k, bool v)
{
	key(o, k);
	buf_puts(o, v ? "true" : "false");
}

static void text(struct buf *o, const char *k, struct str s)
{
	if (!s.n)
		return;
	key(o, k);
	escape_json(o, s);
}

static void when(struct buf *o, const char *k, uint64_t wall)
{
	char iso[CLOCK_ISO_MAX];

	if (wall)
		text(o, k, str_z(clock_iso(wall, iso)));
}

static void one_line(struct buf *o, const struct line *l)
{
	cleanup_buf struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++)
		buf_add(&b, l->p[i].s.p, l->p[i].s.n);
	begin(o, NULL, "{");
	text(o, "text", (struct str){ b.p, b.n });
	if (l->seq) {
		num(o, "event", l->seq);
		num(o, "more", l->more);
	}
	buf_puts(o, "}");
}

static void all_lines(struct buf *o, const char *k, const struct lines *ls)
{
	begin(o, k, "[");
	for (size_t i = 0; i < ls->n; i++)
		one_line(o, &ls->l[i]);
	buf_puts(o, "]");
}

static void figures(struct buf *o, const struct rep *rep)
{
	static const char *const concern[] = { "setid_files", "user_files", "trust_files",
					       "network_files", "program_files" };

	begin(o, "figures", "{");
	num(o, "events", rep->events);
	num(o, "runs", rep->procs.nrun);
	num(o, "runs_cut", rep->ncut);
	num(o, "processes", rep->nprocs);
	num(o, "programs_started", rep->nexecs);
	num(o, "programs_different", rep->nimages);
	num(o, "programs_written_then_run", rep->ndropped);
	num(o, "left_running", rep->nleft);
	begin(o, "files", "{");
	for (int i = 0; i < CH_KINDS; i++)
		num(o, change_word[i], rep->changes[i]);
	buf_puts(o, "}");
	begin(o, "folders", "{");
	for (int i = 0; i < CH_KINDS; i++)
		num(o, change_word[i], rep->folders[i]);
	buf_puts(o, "}");
	for (size_t i = 0; i < ARRAY_SIZE(concern); i++)
		num(o, concern[i], rep->concerned[i]);
	num(o, "autostart_entries", rep->count[EV_AUTOSTART]);
	num(o, "autostart_new", rep->start[ST_START].fresh);
	num(o, "hooks_new", rep->start[ST_HOOK].fresh);
	num(o, "rights_new", rep->start[ST_RIGHTS].fresh);
	num(o, "trust_new", rep->start[ST_TRUST].fresh);
	num(o, "network_new", rep->start[ST_NET].fresh);
	num(o, "attempts_out", rep->out.total);
	num(o, "attempts_out_not_refused", rep->unanswered);
	num(o, "connections", rep->net.flows);
	num(o, "connections_places", rep->net.npeer);
	for (int i = 0; i < NET_ANSWERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "connections_%s", net_answer_word[i]);
		num(o, name, rep->net.answer[i]);
	}
	num(o, "network_bytes_out", rep->net.bytes_out);
	num(o, "network_bytes_in", rep->net.bytes_in);
	num(o, "canaries_sent", rep->net.canaries);
	num(o, "names_asked", rep->net.dns_queries);
	num(o, "name_service_flows", rep->net.name_flows);
	num(o, "web_requests", rep->net.http_requests);
	num(o, "certificates_not_verified", rep->net.unverified);
	num(o, "pinned", rep->net.pinned);
	num(o, "other_protocols", rep->net.mismatches);
	num(o, "listens", rep->listens.total);
	num(o, "stayed_local", rep->local.total);
	num(o, "wall_calls", rep->wall.total);
	num(o, "wall_refused", rep->refused);
	num(o, "wall_claimed", rep->claimed);
	num(o, "wall_allowed", rep->allowed);
	num(o, "signals", rep->signals.total);
	num(o, "gaps", rep->gaps.total);
	num(o, "limits", rep->limits.total);
	num(o, "mismatches", rep->mismatches.total);
	num(o, "objects_kept", rep->objects_kept);
	num(o, "objects_kept_bytes", rep->objects_size);
	num(o, "objects_not_kept", rep->objects_lost);
	begin(o, "events_by_kind", "{");
	for (int k = 1; k < EVENT_KINDS; k++)
		if (event_kind_def(k))
			num(o, event_kind_def(k)->name, rep->count[k]);
	buf_puts(o, "}}");
}

static void looks(struct buf *o, const struct rep *rep)
{
	begin(o, "look_first", "[");
	for (size_t i = 0; i < rep->nlook; i++) {
		const struct look *k = &rep->look[i];

		begin(o, NULL, "{");
		text(o, "id", str_z(k->id));
		text(o, "title", str_z(k->title));
		text(o, "why", str_z(k->why));
		text(o, "innocent", str_z(k->innocent));
		num(o, "total", k->rows.total);
		all_lines(o, "rows", &k->rows);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
}

static void runs(struct buf *o, const struct rep *rep)
{
	begin(o, "runs", "[");
	for (size_t i = 0; i < rep->procs.nrun; i++) {
		const struct run_info *r = &rep->procs.run[i];
		cleanup_buf struct buf b = { 0 };

		outcome(&b, r);
		begin(o, NULL, "{");
		num(o, "run", r->run);
		num(o, "event", r->begin_seq);
		when(o, "begin", r->wall);
		when(o, "end", r->wall_end);
		text(o, "command_line", r->command);
		text(o, "cwd", r->cwd);
		text(o, "host", r->host);
		text(o, "idmap", r->idmap);
		text(o, "net", r->net);
		text(o, "limits", r->limits);
		text(o, "version", r->version);
		yes(o, "cut", !r->end_seq);
		if (r->end_seq) {
			num(o, "end_event", r->end_seq);
			num(o, "duration_ns", r->t_end);
			if (r->has_status)
				snum(o, "exit_status", r->status);
			if (r->signal)
				snum(o, "signal", r->signal);
			text(o, "reason", r->reason);
			snum(o, "left_running", r->left);
		}
		text(o, "outcome", (struct str){ b.p, b.n });
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
}

static void process(struct buf *o, const struct rep *rep, const struct tree_row *row)
{
	const struct proc *p = row->p;

	begin(o, NULL, "{");
	num(o, "depth", (uint64_t)row->depth);
	num(o, "times", row->times);
	yes(o, "arguments_differ", row->alike);
	num(o, "below", row->below);
	num(o, "proc", p->key);
	num(o, "parent", p->parent);
	num(o, "run", p->run);
	snum(o, "pid", p->pid);
	num(o, "event", p->first_seq);
	num(o, "begin_ns", p->t0);
	text(o, "cause", p->cause);
	begin(o, "programs", "[");
	for (uint32_t i = p->exec_first; i; i = rep->procs.e[i - 1].next) {
		const struct exec *e = &rep->procs.e[i - 1];

		begin(o, NULL, "{");
		num(o, "event", e->seq);
		num(o, "t", e->t);
		text(o, "image", e->image);
		text(o, "command_line", e->command);
		text(o, "cwd", e->cwd);
		text(o, "sha256", e->sha256);
		text(o, "script", e->script);
		text(o, "script_sha256", e->script_sha256);
		if (e->uid >= 0)
			snum(o, "uid", e->uid);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	if (p->ended) {
		num(o, "end_ns", p->t1);
		if (p->signal)
			snum(o, "signal", p->signal);
		else
			snum(o, "exit_status", p->status);
	}
	yes(o, "left_running", left_running(rep, p));
	num(o, "file_calls", p->nfile);
	num(o, "socket_calls", p->nsocket);
	num(o, "attempts", p->nattempt);
	buf_puts(o, "}");
}

static void processes(struct buf *o, struct rep *rep)
{
	struct tree tree;

	tree_make(rep, &tree);
	begin(o, "processes", "{");
	begin(o, "rows", "[");
	for (size_t i = 0; i < tree.n; i++)
		process(o, rep, &tree.row[i]);
	buf_puts(o, "]");
	num(o, "not_shown", tree.hidden);
	buf_puts(o, "}");
	tree_free(&tree);
}

static int events(struct buf *o, struct rep *rep, const char *k, const struct plain_rows *rows,
		  struct err *err)
{
	begin(o, k, "[");
	for (size_t i = 0; i < rows->n; i++) {
		struct event ev;
		int rc = source_fetch(&rep->src, rows->r[i].kind, rows->r[i].seq, &ev, err);

		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		comma(o);
		event_json(o, &ev, &rep->procs);
		o->n -= !o->overflow; /* the line's end */
	}
	buf_puts(o, "]");
	return 0;
}

static void one_change(struct buf *o, const struct change_row *c)
{
	static const char *const concern[] = { "setid", "user", "trust", "network", "program" };

	begin(o, NULL, "{");
	num(o, "event", c->seq);
	num(o, "run", c->run);
	text(o, "op", str_z(change_word[c->op]));
	text(o, "path", c->path);
	text(o, "path2", c->path2);
	text(o, "type", c->type);
	snum(o, "mode", c->mode);
	snum(o, "uid", c->uid);
	snum(o, "gid", c->gid);
	if (c->size >= 0)
		snum(o, "size", c->size);
	text(o, "sha256", c->sha256);
	text(o, "detail", c->detail);
	if (c->writer)
		num(o, "writer", c->writer);
	begin(o, "concerns", "[");
	for (size_t i = 0; i < ARRAY_SIZE(concern); i++) {
		if (!(c->concerns >> i & 1))
			continue;
		comma(o);
		escape_json(o, str_z(concern[i]));
	}
	buf_puts(o, "]}");
}

static void changes(struct buf *o, const struct rep *rep)
{
	begin(o, "changes", "{");
	num(o, "total", rep->count[EV_CHANGE]);
	begin(o, "folders", "[");
	for (size_t i = 0; i < rep->ndir && i < rep->rows_max; i++) {
		const struct dir_row *d = &rep->dir[i];

		begin(o, NULL, "{");
		text(o, "path", d->path);
		num(o, "event", d->first_seq);
		for (int op = 0; op < CH_KINDS; op++)
			if (d->n[op])
				num(o, change_word[op], d->n[op]);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	num(o, "folders_total", rep->ndir);
	begin(o, "rows", "[");
	for (size_t i = 0; i < rep->nchange; i++)
		one_change(o, &rep->change[i]);
	buf_puts(o, "]");
	begin(o, "concerns", "[");
	for (size_t i = 0; i < rep->nconcern; i++)
		one_change(o, &rep->concern[i]);
	buf_puts(o, "]}");
}

static void start(struct buf *o, const struct start_row *s)
{
	static const char *const sort[ST_SORTS] = { "start", "hook", "rights", "trust", "network" };

	begin(o, NULL, "{");
	num(o, "event", s->seq);
	num(o, "run", s->run);
	text(o, "op", s->op);
	text(o, "sort", str_z(sort[start_sort(s->class)]));
	text(o, "class", s->class);
	text(o, "place", s->place);
	text(o, "name", s->name);
	text(o, "command", s->command);
	text(o, "program", s->program);
	text(o, "technique", s->technique);
	if (s->writer)
		num(o, "writer", s->writer);
	buf_puts(o, "}");
}

static void starts(struct buf *o, const struct rep *rep)
{
	begin(o, "autostart", "[");
	for (int sort = 0; sort < ST_SORTS; sort++)
		for (size_t i = 0; i < rep->start[sort].n; i++)
			start(o, &rep->start[sort].r[i]);
	buf_puts(o, "]");
}

static void groups(struct buf *o, struct rep *rep, const char *k, const struct groups *gs)
{
	begin(o, k, "{");
	num(o, "total", gs->total);
	num(o, "groups", gs->n);
	num(o, "in_further_groups", gs->lost);
	begin(o, "rows", "[");
	for (size_t i = 0; i < gs->n && i < rep->rows_max; i++) {
		const struct group *g = &gs->g[i];
		bool socket = g->kind == EV_SOCKET;

		begin(o, NULL, "{");
		num(o, "event", g->first_seq);
		num(o, "times", g->n);
		text(o, "kind", str_z(event_kind_def(g->kind)->name));
		num(o, "run", g->run);
		num(o, "proc", g->proc);
		snum(o, "pid", g->pid);
		text(o, "image", g->who);
		text(o,
		     socket		    ? "address"
		     : g->kind == EV_SIGNAL ? "signal_name"
		     : g->kind == EV_DNS    ? "name"
					    : "call",
		     g->what);
		text(o, socket ? "protocol" : g->kind == EV_DNS ? "type" : "category", g->how);
		text(o, socket ? "family" : "target_image", g->where);
		if (socket && g->port >= 0)
			snum(o, "port", g->port);
		if (g->kind == EV_SIGNAL)
			snum(o, "signal", g->port);
		text(o, socket ? "op" : "example", g->example);
		text(o, "answer", g->answer);
		text(o, g->kind == EV_DNS ? "rcode" : "errno", g->errname);
		text(o, "reason", g->reason);
		num(o, "first_ns", g->first_t);
		num(o, "last_ns", g->last_t);
		buf_puts(o, "}");
	}
	buf_puts(o, "]}");
}

static void peer(struct buf *o, const struct peer *p)
{
	begin(o, NULL, "{");
	num(o, "event", p->first_seq);
	num(o, "run", p->run);
	num(o, "proc", p->proc);
	snum(o, "pid", p->pid);
	text(o, "image", p->who);
	text(o, "name", p->name);
	text(o, "address", p->address);
	text(o, "protocol", p->protocol);
	if (p->port >= 0)
		snum(o, "port", p->port);
	text(o, "speaks", p->app);
	text(o, "port_is_for", p->expected);
	num(o, "connections", p->flows);
	for (int i = 0; i < NET_ANSWERS; i++)
		num(o, net_answer_word[i], p->answer[i]);
	text(o, "reason", p->reason);
	num(o, "bytes_out", p->bytes_out);
	num(o, "bytes_in", p->bytes_in);
	num(o, "bursts", p->bursts);
	text(o, "first_words", p->said);
	if (p->said_seq)
		num(o, "first_words_event", p->said_seq);
	text(o, "certificate", p->unverified);
	text(o, "pinned", p->pinned);
	num(o, "canaries", p->canaries);
	num(o, "first_ns", p->first_t);
	num(o, "last_ns", p->last_t);
	buf_puts(o, "}");
}

static void net(struct buf *o, const struct rep *rep)
{
	const struct net *n = &rep->net;

	begin(o, "net", "{");
	num(o, "connections", n->flows);
	for (int i = 0; i < NET_ANSWERS; i++)
		num(o, net_answer_word[i], n->answer[i]);
	num(o, "bytes_out", n->bytes_out);
	num(o, "bytes_in", n->bytes_in);
	num(o, "places", n->npeer);
	num(o, "to_further_places", n->peers_lost);
	begin(o, "rows", "[");
	for (size_t i = 0; i < n->npeer && i < rep->rows_max; i++)
		peer(o, &n->peer[i]);
	buf_puts(o, "]");
	begin(o, "canaries", "[");
	for (size_t i = 0; i < n->ncanary; i++) {
		const struct canary_row *c = &n->canary[i];

		begin(o, NULL, "{");
		num(o, "event", c->seq);
		num(o, "run", c->run);
		num(o, "proc", c->proc);
		num(o, "t", c->t);
		text(o, "value", c->value);
		text(o, "encoding", c->encoding);
		text(o, "place", c->place);
		text(o, "sample", c->sample);
		if (c->peer != INTERN_NONE) {
			text(o, "name", n->peer[c->peer].name);
			text(o, "address", n->peer[c->peer].address);
			snum(o, "port", n->peer[c->peer].port);
		}
		buf_puts(o, "}");
	}
	buf_puts(o, "]}");
}

static void check(struct buf *o, const struct journal_head *h)
{
	begin(o, "check", "{");
	num(o, "events", h->events);
	num(o, "blocks", h->blocks);
	text(o, "head", str_z(h->hash));
	text(o, "key", str_z(h->key));
	yes(o, "signed", h->is_signed);
	yes(o, "cut", h->cut);
	num(o, "unsealed", h->unsealed);
	buf_puts(o, "}");
}

static void exam(struct buf *o, const struct exam *e)
{
	static const char *const grades[EXAM_GRADES] = { "R1", "R2", "R3", "R4", "R5", "R6" };

	begin(o, "examination", "{");
	begin(o, "page", "{");
	for (int q = 0; q < QUESTIONS; q++)
		all_lines(o, exam_heading[q].key, &e->answer[q]);
	buf_puts(o, "}");
	begin(o, "experiments", "[");
	for (size_t i = 0; i < e->n; i++) {
		const struct exam_row *r = &e->row[i];

		begin(o, NULL, "{");
		text(o, "name", r->name);
		text(o, "shows", r->shows);
		num(o, "event", r->begin_seq);
		yes(o, "ended", r->end_seq != 0);
		num(o, "run", r->run);
		num(o, "from_ns", r->t0);
		num(o, "to_ns", r->t1);
		all_lines(o, "acts", &r->acts);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	begin(o, "left", "[");
	for (size_t i = 0; i < e->nlooks; i++) {
		begin(o, NULL, "{");
		text(o, "look", e->look[i]);
		for (int g = 0; g < EXAM_GRADES; g++) {
			begin(o, grades[g], "{");
			num(o, "left", e->left[i][g]);
			num(o, "explained", e->explained[i][g]);
			buf_puts(o, "}");
		}
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	yes(o, "judged", e->judged != NULL);
	begin(o, "findings", "[");
	for (size_t i = 0; e->judged && i < e->judged->n; i++) {
		comma(o);
		finding_json(o, &e->judged->v[i]);
	}
	buf_puts(o, "]}");
}

static void files(struct buf *o, const struct rep *rep)
{
	const struct file_book *b = rep->opts->files;

	begin(o, "files", "[");
	for (size_t i = 0; i < b->n && i < rep->rows_max; i++) {
		comma(o);
		file_json(o, &b->v[i]);
	}
	buf_puts(o, "]");
	num(o, "files_total", b->n + b->left_out);
}

int report_json(struct rep *rep, struct buf *o, struct err *err)
{
	struct plain_rows moments;
	int rc;

	begin(o, NULL, "{");
	num(o, "v", REPORT_JSON_VERSION);
	text(o, "belljar", STR(BELLJAR_VERSION));
	text(o, "box", str_z(rep->opts->title));
	num(o, "run", rep->opts->run);
	num(o, "rows_max", rep->rows_max);
	yes(o, "everything_seen", all_seen(rep));
	if (rep->exam)
		exam(o, rep->exam);
	all_lines(o, "summary", &rep->summary);
	figures(o, rep);
	looks(o, rep);
	runs(o, rep);
	processes(o, rep);
	find_moments(rep, &moments);
	rc = events(o, rep, "moments", &moments, err);
	free(moments.r);
	if (rc)
		return rc;
	changes(o, rep);
	if (rep->opts->files)
		files(o, rep);
	starts(o, rep);
	net(o, rep);
	groups(o, rep, "names", &rep->names);
	groups(o, rep, "out", &rep->out);
	groups(o, rep, "listens", &rep->listens);
	groups(o, rep, "local", &rep->local);
	groups(o, rep, "walls", &rep->wall);
	groups(o, rep, "signals", &rep->signals);
	rc = events(o, rep, "gaps", &rep->gaps, err);
	if (!rc)
		rc = events(o, rep, "limits", &rep->limits, err);
	if (!rc)
		rc = events(o, rep, "mismatches", &rep->mismatches, err);
	if (!rc)
		rc = events(o, rep, "marks", &rep->marks, err);
	if (rc)
		return rc;
	check(o, &rep->head);
	buf_puts(o, "}\n");
	return 0;
}
