// SPDX-License-Identifier: Apache-2.0
/*
 * json.c - the report for other programs; doc/REPORT.md has the schema
 *
 * Names are whole here (nothing is clipped) and sentences are the same as in the other formats.
 * What has no value on record is left out.
 */
#include "report/exam.h"
#include "report/json_out.h"

#define REPORT_JSON_VERSION 1

static void figures(struct buf *o, const struct rep *rep)
{
	static const char *const concern[] = { "setid_files", "user_files", "trust_files",
					       "network_files", "program_files" };

	json_begin(o, "figures", "{");
	json_num(o, "events", rep->events);
	json_num(o, "runs", rep->procs.nrun);
	json_num(o, "runs_cut", rep->ncut);
	json_num(o, "processes", rep->nprocs);
	json_num(o, "programs_started", rep->nexecs);
	json_num(o, "programs_different", rep->nimages);
	json_num(o, "programs_written_then_run", rep->ndropped);
	json_num(o, "left_running", rep->nleft);
	json_begin(o, "files", "{");
	for (int i = 0; i < CH_KINDS; i++)
		json_num(o, change_word[i], rep->changes[i]);
	buf_puts(o, "}");
	json_begin(o, "folders", "{");
	for (int i = 0; i < CH_KINDS; i++)
		json_num(o, change_word[i], rep->folders[i]);
	buf_puts(o, "}");
	for (size_t i = 0; i < ARRAY_SIZE(concern); i++)
		json_num(o, concern[i], rep->concerned[i]);
	json_num(o, "autostart_entries", rep->count[EV_AUTOSTART]);
	json_num(o, "autostart_new", rep->start[ST_START].fresh);
	json_num(o, "hooks_new", rep->start[ST_HOOK].fresh);
	json_num(o, "rights_new", rep->start[ST_RIGHTS].fresh);
	json_num(o, "trust_new", rep->start[ST_TRUST].fresh);
	json_num(o, "network_new", rep->start[ST_NET].fresh);
	json_num(o, "attempts_out", rep->out.total);
	json_num(o, "attempts_out_not_refused", rep->unanswered);
	json_num(o, "connections", rep->net.flows);
	json_num(o, "connections_places", rep->net.npeer);
	for (int i = 0; i < NET_ANSWERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "connections_%s", net_answer_word[i]);
		json_num(o, name, rep->net.answer[i]);
	}
	json_num(o, "network_bytes_out", rep->net.bytes_out);
	json_num(o, "network_bytes_in", rep->net.bytes_in);
	json_num(o, "canaries_sent", rep->net.canaries);
	json_num(o, "names_asked", rep->net.dns_queries);
	json_num(o, "name_service_flows", rep->net.name_flows);
	json_num(o, "web_requests", rep->net.http_requests);
	json_num(o, "certificates_not_verified", rep->net.unverified);
	json_num(o, "pinned", rep->net.pinned);
	json_num(o, "other_protocols", rep->net.mismatches);
	json_num(o, "listens", rep->listens.total);
	json_num(o, "stayed_local", rep->local.total);
	json_num(o, "wall_calls", rep->wall.total);
	json_num(o, "wall_refused", rep->refused);
	json_num(o, "wall_claimed", rep->claimed);
	json_num(o, "wall_allowed", rep->allowed);
	json_num(o, "signals", rep->signals.total);
	json_num(o, "gaps", rep->gaps.total);
	json_num(o, "limits", rep->limits.total);
	json_num(o, "mismatches", rep->mismatches.total);
	json_num(o, "objects_kept", rep->objects_kept);
	json_num(o, "objects_kept_bytes", rep->objects_size);
	json_num(o, "objects_not_kept", rep->objects_lost);
	json_begin(o, "events_by_kind", "{");
	for (int k = 1; k < EVENT_KINDS; k++)
		if (event_kind_def(k))
			json_num(o, event_kind_def(k)->name, rep->count[k]);
	buf_puts(o, "}}");
}

static void looks(struct buf *o, const struct rep *rep)
{
	json_begin(o, "look_first", "[");
	for (size_t i = 0; i < rep->nlook; i++) {
		const struct look *k = &rep->look[i];

		json_begin(o, NULL, "{");
		json_text(o, "id", str_z(k->id));
		json_text(o, "title", str_z(k->title));
		json_text(o, "why", str_z(k->why));
		json_text(o, "innocent", str_z(k->innocent));
		json_num(o, "total", k->rows.total);
		json_lines(o, "rows", &k->rows);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
}

static void runs(struct buf *o, const struct rep *rep)
{
	json_begin(o, "runs", "[");
	for (size_t i = 0; i < rep->procs.nrun; i++) {
		const struct run_info *r = &rep->procs.run[i];
		cleanup_buf struct buf b = { 0 };

		outcome(&b, r);
		json_begin(o, NULL, "{");
		json_num(o, "run", r->run);
		json_num(o, "event", r->begin_seq);
		json_time(o, "begin", r->wall);
		json_time(o, "end", r->wall_end);
		json_text(o, "command_line", r->command);
		json_text(o, "cwd", r->cwd);
		json_text(o, "host", r->host);
		json_text(o, "idmap", r->idmap);
		json_text(o, "net", r->net);
		json_text(o, "limits", r->limits);
		json_text(o, "version", r->version);
		json_bool(o, "cut", !r->end_seq);
		if (!r->end_seq)
			json_num(o, "connections_without_end", net_left_open(&rep->net, r->run));
		if (r->end_seq) {
			json_num(o, "end_event", r->end_seq);
			json_num(o, "duration_ns", r->t_end);
			if (r->has_status)
				json_snum(o, "exit_status", r->status);
			if (r->signal)
				json_snum(o, "signal", r->signal);
			json_text(o, "reason", r->reason);
			json_snum(o, "left_running", r->left);
		}
		json_text(o, "outcome", (struct str){ b.p, b.n });
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
}

static void process(struct buf *o, const struct rep *rep, const struct tree_row *row)
{
	const struct proc *p = row->p;

	json_begin(o, NULL, "{");
	json_num(o, "depth", (uint64_t)row->depth);
	json_num(o, "times", row->times);
	json_bool(o, "arguments_differ", row->alike);
	json_num(o, "below", row->below);
	json_num(o, "proc", p->key);
	json_num(o, "parent", p->parent);
	json_num(o, "run", p->run);
	json_snum(o, "pid", p->pid);
	json_num(o, "event", p->first_seq);
	json_num(o, "begin_ns", p->t0);
	json_text(o, "cause", p->cause);
	json_begin(o, "programs", "[");
	for (uint32_t i = p->exec_first; i; i = rep->procs.e[i - 1].next) {
		const struct exec *e = &rep->procs.e[i - 1];

		json_begin(o, NULL, "{");
		json_num(o, "event", e->seq);
		json_num(o, "t", e->t);
		json_text(o, "image", e->image);
		json_text(o, "command_line", e->command);
		json_text(o, "cwd", e->cwd);
		json_text(o, "sha256", e->sha256);
		json_text(o, "script", e->script);
		json_text(o, "script_sha256", e->script_sha256);
		if (e->uid >= 0)
			json_snum(o, "uid", e->uid);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	if (p->ended) {
		json_num(o, "end_ns", p->t1);
		if (p->signal)
			json_snum(o, "signal", p->signal);
		else
			json_snum(o, "exit_status", p->status);
	}
	json_bool(o, "left_running", left_running(rep, p));
	json_num(o, "file_calls", p->nfile);
	json_num(o, "socket_calls", p->nsocket);
	json_num(o, "attempts", p->nattempt);
	buf_puts(o, "}");
}

static void processes(struct buf *o, struct rep *rep)
{
	struct tree tree;

	tree_make(rep, &tree);
	json_begin(o, "processes", "{");
	json_begin(o, "rows", "[");
	for (size_t i = 0; i < tree.n; i++)
		process(o, rep, &tree.row[i]);
	buf_puts(o, "]");
	json_num(o, "not_shown", tree.hidden);
	buf_puts(o, "}");
	tree_free(&tree);
}

static int events(struct buf *o, struct rep *rep, const char *k, const struct plain_rows *rows,
		  struct err *err)
{
	json_begin(o, k, "[");
	for (size_t i = 0; i < rows->n; i++) {
		struct event ev;
		int rc = source_fetch(&rep->src, rows->r[i].kind, rows->r[i].seq, &ev, err);

		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		json_comma(o);
		event_json(o, &ev, &rep->procs);
		o->n -= !o->overflow; /* the line's end */
	}
	buf_puts(o, "]");
	return 0;
}

static void one_change(struct buf *o, const struct change_row *c)
{
	static const char *const concern[] = { "setid", "user", "trust", "network", "program" };

	json_begin(o, NULL, "{");
	json_num(o, "event", c->seq);
	json_num(o, "run", c->run);
	json_text(o, "op", str_z(change_word[c->op]));
	json_text(o, "path", c->path);
	json_text(o, "path2", c->path2);
	json_text(o, "type", c->type);
	json_snum(o, "mode", c->mode);
	json_snum(o, "uid", c->uid);
	json_snum(o, "gid", c->gid);
	if (c->size >= 0)
		json_snum(o, "size", c->size);
	json_text(o, "sha256", c->sha256);
	json_text(o, "detail", c->detail);
	if (c->writer)
		json_num(o, "writer", c->writer);
	json_begin(o, "concerns", "[");
	for (size_t i = 0; i < ARRAY_SIZE(concern); i++) {
		if (!(c->concerns >> i & 1))
			continue;
		json_comma(o);
		escape_json(o, str_z(concern[i]));
	}
	buf_puts(o, "]}");
}

static void changes(struct buf *o, const struct rep *rep)
{
	json_begin(o, "changes", "{");
	json_num(o, "total", rep->count[EV_CHANGE]);
	json_begin(o, "folders", "[");
	for (size_t i = 0; i < rep->ndir && i < rep->rows_max; i++) {
		const struct dir_row *d = &rep->dir[i];

		json_begin(o, NULL, "{");
		json_text(o, "path", d->path);
		json_num(o, "event", d->first_seq);
		for (int op = 0; op < CH_KINDS; op++)
			if (d->n[op])
				json_num(o, change_word[op], d->n[op]);
		buf_puts(o, "}");
	}
	buf_puts(o, "]");
	json_num(o, "folders_total", rep->ndir);
	json_begin(o, "rows", "[");
	for (size_t i = 0; i < rep->nchange; i++)
		one_change(o, &rep->change[i]);
	buf_puts(o, "]");
	json_begin(o, "concerns", "[");
	for (size_t i = 0; i < rep->nconcern; i++)
		one_change(o, &rep->concern[i]);
	buf_puts(o, "]}");
}

static void start(struct buf *o, const struct start_row *s)
{
	static const char *const sort[ST_SORTS] = { "start", "hook", "rights", "trust", "network" };

	json_begin(o, NULL, "{");
	json_num(o, "event", s->seq);
	json_num(o, "run", s->run);
	json_text(o, "op", s->op);
	json_text(o, "sort", str_z(sort[start_sort(s->class)]));
	json_text(o, "class", s->class);
	json_text(o, "place", s->place);
	json_text(o, "name", s->name);
	json_text(o, "command", s->command);
	json_text(o, "program", s->program);
	json_text(o, "technique", s->technique);
	if (s->writer)
		json_num(o, "writer", s->writer);
	buf_puts(o, "}");
}

static void starts(struct buf *o, const struct rep *rep)
{
	json_begin(o, "autostart", "[");
	for (int sort = 0; sort < ST_SORTS; sort++)
		for (size_t i = 0; i < rep->start[sort].n; i++)
			start(o, &rep->start[sort].r[i]);
	buf_puts(o, "]");
}

static void groups(struct buf *o, struct rep *rep, const char *k, const struct groups *gs)
{
	json_begin(o, k, "{");
	json_num(o, "total", gs->total);
	json_num(o, "groups", gs->n);
	json_num(o, "in_further_groups", gs->lost);
	json_begin(o, "rows", "[");
	for (size_t i = 0; i < gs->n && i < rep->rows_max; i++) {
		const struct group *g = &gs->g[i];
		bool socket = g->kind == EV_SOCKET;

		json_begin(o, NULL, "{");
		json_num(o, "event", g->first_seq);
		json_num(o, "times", g->n);
		json_text(o, "kind", str_z(event_kind_def(g->kind)->name));
		json_num(o, "run", g->run);
		json_num(o, "proc", g->proc);
		json_snum(o, "pid", g->pid);
		json_text(o, "image", g->who);
		json_text(o,
			  socket		 ? "address"
			  : g->kind == EV_SIGNAL ? "signal_name"
			  : g->kind == EV_DNS	 ? "name"
						 : "call",
			  g->what);
		json_text(o, socket ? "protocol" : g->kind == EV_DNS ? "type" : "category", g->how);
		json_text(o, socket ? "family" : "target_image", g->where);
		if (socket && g->port >= 0)
			json_snum(o, "port", g->port);
		if (g->kind == EV_SIGNAL)
			json_snum(o, "signal", g->port);
		json_text(o, socket ? "op" : "example", g->example);
		json_text(o, "answer", g->answer);
		json_text(o, g->kind == EV_DNS ? "rcode" : "errno", g->errname);
		json_text(o, "reason", g->reason);
		json_num(o, "first_ns", g->first_t);
		json_num(o, "last_ns", g->last_t);
		buf_puts(o, "}");
	}
	buf_puts(o, "]}");
}

static void peer(struct buf *o, const struct peer *p)
{
	json_begin(o, NULL, "{");
	json_num(o, "event", p->first_seq);
	json_num(o, "run", p->run);
	json_num(o, "proc", p->proc);
	json_snum(o, "pid", p->pid);
	json_text(o, "image", p->who);
	json_text(o, "name", p->name);
	json_text(o, "address", p->address);
	json_text(o, "protocol", p->protocol);
	if (p->port >= 0)
		json_snum(o, "port", p->port);
	json_text(o, "speaks", p->app);
	json_text(o, "port_is_for", p->expected);
	json_num(o, "connections", p->flows);
	for (int i = 0; i < NET_ANSWERS; i++)
		json_num(o, net_answer_word[i], p->answer[i]);
	json_text(o, "reason", p->reason);
	json_num(o, "bytes_out", p->bytes_out);
	json_num(o, "bytes_in", p->bytes_in);
	json_num(o, "bursts", p->bursts);
	json_text(o, "first_words", p->said);
	if (p->said_seq)
		json_num(o, "first_words_event", p->said_seq);
	json_text(o, "certificate", p->unverified);
	json_text(o, "pinned", p->pinned);
	json_num(o, "canaries", p->canaries);
	json_num(o, "first_ns", p->first_t);
	json_num(o, "last_ns", p->last_t);
	buf_puts(o, "}");
}

static void net(struct buf *o, const struct rep *rep)
{
	const struct net *n = &rep->net;

	json_begin(o, "net", "{");
	json_num(o, "connections", n->flows);
	for (int i = 0; i < NET_ANSWERS; i++)
		json_num(o, net_answer_word[i], n->answer[i]);
	json_num(o, "bytes_out", n->bytes_out);
	json_num(o, "bytes_in", n->bytes_in);
	json_num(o, "places", n->npeer);
	json_num(o, "to_further_places", n->peers_lost);
	json_begin(o, "rows", "[");
	for (size_t i = 0; i < n->npeer && i < rep->rows_max; i++)
		peer(o, &n->peer[i]);
	buf_puts(o, "]");
	json_begin(o, "canaries", "[");
	for (size_t i = 0; i < n->ncanary; i++) {
		const struct canary_row *c = &n->canary[i];

		json_begin(o, NULL, "{");
		json_num(o, "event", c->seq);
		json_num(o, "run", c->run);
		json_num(o, "proc", c->proc);
		json_num(o, "t", c->t);
		json_text(o, "value", c->value);
		json_text(o, "encoding", c->encoding);
		json_text(o, "place", c->place);
		json_text(o, "sample", c->sample);
		if (c->peer != INTERN_NONE) {
			json_text(o, "name", n->peer[c->peer].name);
			json_text(o, "address", n->peer[c->peer].address);
			json_snum(o, "port", n->peer[c->peer].port);
		}
		buf_puts(o, "}");
	}
	buf_puts(o, "]}");
}

static void check(struct buf *o, const struct journal_head *h)
{
	json_begin(o, "check", "{");
	json_num(o, "events", h->events);
	json_num(o, "blocks", h->blocks);
	json_text(o, "head", str_z(h->hash));
	json_text(o, "key", str_z(h->key));
	json_bool(o, "signed", h->is_signed);
	json_bool(o, "cut", h->cut);
	json_num(o, "unsealed", h->unsealed);
	buf_puts(o, "}");
}

static void files(struct buf *o, const struct rep *rep)
{
	const struct file_book *b = rep->opts->files;

	json_begin(o, "files", "[");
	for (size_t i = 0; i < b->n && i < rep->rows_max; i++) {
		json_comma(o);
		file_json(o, &b->v[i]);
	}
	buf_puts(o, "]");
	json_num(o, "files_total", b->n + b->left_out);
}

int report_json(struct rep *rep, struct buf *o, struct err *err)
{
	struct plain_rows moments;
	int rc;

	json_begin(o, NULL, "{");
	json_num(o, "v", REPORT_JSON_VERSION);
	json_text(o, "belljar", STR(BELLJAR_VERSION));
	json_text(o, "box", str_z(rep->opts->title));
	json_num(o, "run", rep->opts->run);
	json_num(o, "rows_max", rep->rows_max);
	json_bool(o, "everything_seen", all_seen(rep));
	if (rep->exam)
		exam_json(o, rep->exam);
	json_lines(o, "summary", &rep->summary);
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
