// SPDX-License-Identifier: Apache-2.0
/*
 * say.c - the first paragraph, and how the rows of the sections are worded
 *
 * "Everything was seen" is only said when the record holds no gap, no mismatch, no cut run, and
 * this report left nothing out of its counts.
 */
#include "report/model.h"

static void say_word(struct rep *rep, struct line *l, struct str s)
{
	if (plain_word(s))
		line_say(&rep->a, l, "%.*s", (int)s.n, s.p);
	else
		line_name(&rep->a, l, s);
}

static void say_number(struct rep *rep, struct line *l, uint64_t n, const char *one,
		       const char *many)
{
	cleanup_buf struct buf b = { 0 };

	put_count(&b, n, one, many);
	line_say(&rep->a, l, "%s", buf_z(&b));
}

static void say_time(struct rep *rep, struct line *l, uint64_t ns)
{
	cleanup_buf struct buf b = { 0 };

	put_duration(&b, ns);
	line_say(&rep->a, l, "%s", buf_z(&b));
}

static void say_when(struct rep *rep, struct line *l, uint64_t wall)
{
	cleanup_buf struct buf b = { 0 };

	put_day(&b, wall);
	line_say(&rep->a, l, "%s", buf_z(&b));
}

void outcome(struct buf *out, const struct run_info *r)
{
	static const struct {
		const char *reason, *said;
	} reasons[] = {
		{ "time-limit", "was ended because its time was up" },
		{ "memory-limit", "was ended because it wanted more memory than it was given" },
		{ "disk-limit", "was ended because it wrote more than it was allowed to" },
		{ "interrupted", "was interrupted by the user" },
	};

	if (!r->end_seq) {
		buf_puts(out, "has no end on record: the recording was cut off");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (str_eq(r->reason, str_z(reasons[i].reason))) {
			buf_puts(out, reasons[i].said);
			return;
		}
	}
	if (r->signal) {
		const char *means = signal_means(r->signal), *word = signal_word(r->signal);

		buf_printf(out, "%s (signal %lld%s%s)", means ? means : "was ended",
			   (long long)r->signal, word ? ", " : "", word ? word : "");
	} else if (r->has_status && !r->status) {
		buf_puts(out, "ended by itself and reported success");
	} else if (r->has_status) {
		buf_printf(out, "ended by itself and reported a failure (status %lld)",
			   (long long)r->status);
	} else if (str_eq(r->reason, STR("exit"))) {
		buf_puts(out, "was watched to its end"); /* of a restart */
	} else {
		buf_puts(out, "ended in a way that is not on record");
	}
}

bool all_seen(const struct rep *rep)
{
	return !rep->gaps.total && !rep->mismatches.total && !rep->ncut && !rep->procs.lost &&
	       rep->procs.nrun > 0;
}

bool disk_not_looked_at(const struct rep *rep)
{
	return rep->procs.nrun && !rep->procs.run[rep->procs.nrun - 1].end_seq;
}

const char *say_none(const struct rep *rep, const char *none)
{
	return disk_not_looked_at(rep) ? "Not looked at: the recording was cut off." : none;
}

static void say_one_run(struct rep *rep)
{
	const struct run_info *r = &rep->procs.run[0];
	struct line *l = lines_add(&rep->summary);
	cleanup_buf struct buf end = { 0 };
	bool net_off = str_eq(r->net, STR("off"));

	line_say(&rep->a, l, "On ");
	say_when(rep, l, r->wall);
	line_say(&rep->a, l, ", ");
	line_name(&rep->a, l, r->command);
	line_say(&rep->a, l, " was run in a closed box%s. ",
		 net_off ? ", without any network" : "");
	outcome(&end, r);
	line_say(&rep->a, l, "It %s", buf_z(&end));
	if (r->end_seq) {
		line_say(&rep->a, l, " after ");
		say_time(rep, l, r->t_end);
	}
	line_say(&rep->a, l, ".");
	line_ref(l, EV_RUN_BEGIN, r->begin_seq, 0);
}

static void say_all_runs(struct rep *rep)
{
	const struct procs *ps = &rep->procs;
	struct line *l = lines_add(&rep->summary);
	uint64_t t = 0;

	for (size_t i = 0; i < ps->nrun; i++)
		t += ps->run[i].t_end;
	line_say(&rep->a, l, "Between ");
	say_when(rep, l, ps->run[0].wall);
	line_say(&rep->a, l, " and ");
	say_when(rep, l, ps->run[ps->nrun - 1].wall_end ?: ps->run[ps->nrun - 1].wall);
	line_say(&rep->a, l, ", the box was used ");
	say_number(rep, l, ps->nrun, "time", "times");
	line_say(&rep->a, l, ", together for ");
	say_time(rep, l, t);
	line_say(&rep->a, l, ". The first was ");
	line_name(&rep->a, l, ps->run[0].command);
	line_say(&rep->a, l, ". All runs are counted together here.");
	line_ref(l, EV_RUN_BEGIN, ps->run[0].begin_seq, ps->nrun - 1);
}

static void say_programs(struct rep *rep)
{
	struct line *l = lines_add(&rep->summary);

	say_number(rep, l, rep->nexecs, "program was started", "programs were started");
	line_say(&rep->a, l, " (");
	say_number(rep, l, rep->nimages, "different one", "different ones");
	line_say(&rep->a, l, ", in ");
	say_number(rep, l, rep->nprocs, "process", "processes");
	if (rep->ndropped) {
		line_say(&rep->a, l, "); ");
		say_number(rep, l, rep->ndropped, "of the files run was written",
			   "of the files run were written");
		line_say(&rep->a, l, " in the box itself");
	} else {
		line_say(&rep->a, l, ")");
	}
	if (rep->nleft) {
		line_say(&rep->a, l, ". ");
		say_number(rep, l, rep->nleft, "process was", "processes were");
		line_say(&rep->a, l, " still running when ");
		if (rep->procs.nrun == 1)
			line_say(&rep->a, l, "the box was closed");
		else
			line_say(&rep->a, l, "a run ended, %llu of them when the last one did",
				 (unsigned long long)rep->procs.run[rep->procs.nrun - 1].left);
	}
	line_say(&rep->a, l, ".");
}

static void say_files(struct rep *rep)
{
	struct line *l = lines_add(&rep->summary);
	uint64_t dirs = rep->folders[CH_ADDED];

	if (disk_not_looked_at(rep)) {
		line_say(
			&rep->a, l,
			"What %s left on disk, and what starts by itself since, was not looked at: "
			"only its calls are on record.",
			rep->procs.nrun == 1 ? "it" : "the last run");
		if (rep->procs.nrun == 1)
			return;
		l = lines_add(&rep->summary);
	}
	line_say(&rep->a, l, "On disk, ");
	say_number(rep, l, rep->changes[CH_ADDED], "file was", "files were");
	line_say(&rep->a, l, " added");
	if (dirs) {
		line_say(&rep->a, l, " (and ");
		say_number(rep, l, dirs, "folder", "folders");
		line_say(&rep->a, l, ")");
	}
	line_say(&rep->a, l, ", %llu changed, %llu removed",
		 (unsigned long long)rep->changes[CH_CHANGED],
		 (unsigned long long)rep->changes[CH_REMOVED]);
	if (rep->changes[CH_MOVED])
		line_say(&rep->a, l, ", %llu moved", (unsigned long long)rep->changes[CH_MOVED]);
	if (rep->changes[CH_META] + rep->folders[CH_META])
		line_say(&rep->a, l, ", and %llu got other permissions, owners or attributes",
			 /* counts of files */
			 // NOLINTNEXTLINE(bugprone-misplaced-widening-cast)
			 (unsigned long long)(rep->changes[CH_META] + rep->folders[CH_META]));
	line_say(&rep->a, l, ".");
	if (rep->brought) {
		line_say(&rep->a, l, " Not counted: ");
		say_number(rep, l, rep->brought, "thing that belljar itself brought or replaced",
			   "things that belljar itself brought or replaced");
		line_say(&rep->a, l, ".");
	}
	if (rep->start[ST_START].fresh) {
		line_say(&rep->a, l, " ");
		say_number(rep, l, rep->start[ST_START].fresh, "entry makes", "entries make");
		line_say(&rep->a, l, " something start by itself from now on.");
	} else if (!disk_not_looked_at(rep)) {
		line_say(&rep->a, l,
			 rep->start[ST_START].gone
				 ? " Nothing that was set up to start by itself is still there."
				 : " Nothing was set up to start by itself.");
	}
}

static void say_size(struct rep *rep, struct line *l, uint64_t n)
{
	cleanup_buf struct buf b = { 0 };

	put_bytes(&b, n);
	line_say(&rep->a, l, "%s", buf_z(&b));
}

/* With a gate, each connection was seen: whom it was for, and what became of it. */
static void say_net(struct rep *rep)
{
	const struct net *n = &rep->net;
	struct line *l;

	if (n->canaries) {
		const struct canary_row *c = n->ncanary ? &n->canary[0] : NULL;

		l = lines_add(&rep->summary);
		line_say(&rep->a, l, "WHAT IS KNOWN ONLY HERE WAS SENT OUT: ");
		say_number(rep, l, n->canaries, "time", "times");
		line_say(&rep->a, l,
			 ", a value that exists on this machine alone was in what the "
			 "programs sent");
		if (c) {
			line_say(&rep->a, l, "; the first was ");
			line_name(&rep->a, l, c->value);
		}
		line_say(&rep->a, l, ".");
		line_ref(l, c ? EV_CANARY : EV_NONE, c ? c->seq : 0, n->canaries - 1);
	}
	l = lines_add(&rep->summary);
	if (!n->flows) {
		line_say(&rep->a, l, "Names were asked for, ");
		say_number(rep, l, n->dns_queries, "time", "times");
		line_say(&rep->a, l, ", and no connection was made.");
		return;
	}
	say_number(rep, l, n->flows, "connection was", "connections were");
	line_say(&rep->a, l, " made to ");
	say_number(rep, l, n->npeer, "place", "places");
	line_say(&rep->a, l, ": ");
	say_answers(rep, l, n->answer);
	line_say(&rep->a, l, ". ");
	say_size(rep, l, n->bytes_out);
	line_say(&rep->a, l, " were sent, ");
	say_size(rep, l, n->bytes_in);
	line_say(&rep->a, l, " received.");
	line_ref(l, n->nflow ? EV_FLOW : EV_NONE, n->nflow ? n->flow[0].seq : 0, n->flows - 1);
}

static void say_attempts(struct rep *rep)
{
	struct line *l = lines_add(&rep->summary);

	if (!rep->out.total) {
		line_say(&rep->a, l, "Nothing tried to reach the network.");
	} else {
		say_number(rep, l, rep->out.total, "attempt was", "attempts were");
		line_say(&rep->a, l, " made to reach something outside the box");
		if (rep->unanswered)
			line_say(&rep->a, l,
				 "; %llu of them were left to the kernel, the others refused.",
				 (unsigned long long)rep->unanswered);
		else
			line_say(&rep->a, l, ". All were refused: nothing got out.");
		line_ref(l, EV_SOCKET, rep->out.g ? rep->out.g[0].first_seq : 0,
			 rep->out.total - 1);
	}
}

static void say_walls(struct rep *rep)
{
	struct line *l = lines_add(&rep->summary);

	if (!rep->wall.total) {
		line_say(&rep->a, l,
			 "Nothing asked for special powers or pushed against the "
			 "walls of the box.");
		return;
	}
	say_number(rep, l, rep->wall.total, "call", "calls");
	line_say(&rep->a, l,
		 " asked for special powers or pushed against the walls of the box: "
		 "%llu refused, %llu only seemingly done, %llu allowed.",
		 (unsigned long long)rep->refused, (unsigned long long)rep->claimed,
		 (unsigned long long)rep->allowed);
	line_ref(l, rep->wall.g ? rep->wall.g[0].kind : EV_NONE,
		 rep->wall.g ? rep->wall.g[0].first_seq : 0, rep->wall.total - 1);
}

static void say_seen(struct rep *rep)
{
	struct line *l = lines_add(&rep->summary);

	if (all_seen(rep)) {
		line_say(&rep->a, l,
			 "Everything was seen: the record has no gap, and what was "
			 "found on disk afterwards agrees with it.");
		return;
	}
	line_say(&rep->a, l, "NOT everything is certain: ");
	if (!rep->procs.nrun)
		line_say(&rep->a, l, "the record holds no run. ");
	if (rep->gaps.total) {
		say_number(rep, l, rep->gaps.total, "gap in the record", "gaps in the record");
		line_say(&rep->a, l, ". ");
	}
	if (rep->mismatches.total) {
		say_number(rep, l, rep->mismatches.total, "place", "places");
		line_say(&rep->a, l, " where the record and the disk disagree. ");
	}
	if (rep->ncut) {
		say_number(rep, l, rep->ncut, "run has", "runs have");
		line_say(&rep->a, l, " no end on record. ");
	}
	if (rep->procs.lost)
		line_say(&rep->a, l, "The record is larger than this report can hold. ");
	line_say(&rep->a, l, "See “Gaps, limits, mismatches”.");
}

void say_summary(struct rep *rep)
{
	if (rep->procs.nrun == 1)
		say_one_run(rep);
	else if (rep->procs.nrun)
		say_all_runs(rep);
	say_programs(rep);
	say_files(rep);
	if (net_gated(&rep->net))
		say_net(rep);
	else
		say_attempts(rep);
	say_walls(rep);
	say_seen(rep);
}

/* ---- rows --------------------------------------------------------------------------------- */

static void say_times(struct rep *rep, struct line *l, uint64_t n)
{
	if (n > 1) {
		line_say(&rep->a, l, ", ");
		say_number(rep, l, n, "time", "times");
	}
}

static void say_who(struct rep *rep, struct line *l, const struct group *g)
{
	line_name(&rep->a, l, g->who.n ? base_name(g->who) : STR("?"));
	if (g->pid)
		line_say(&rep->a, l, " (process %lld)", (long long)g->pid);
}

static void say_where(struct rep *rep, struct line *l, const struct group *g)
{
	const char *service = g->port > 0 ? port_word(g->port) : NULL;
	bool v6 = str_eq(g->where, STR("inet6"));

	line_say(&rep->a, l, v6 ? "[" : "");
	line_name(&rep->a, l, g->what.n ? g->what : STR("(no address)"));
	line_say(&rep->a, l, v6 ? "]" : "");
	if (g->port >= 0)
		line_say(&rep->a, l, " port %lld", (long long)g->port);
	line_say(&rep->a, l, ", ");
	say_word(rep, l, g->where);
	if (g->how.n) {
		line_say(&rep->a, l, " ");
		say_word(rep, l, g->how);
	}
	if (service)
		line_say(&rep->a, l, ", the usual port for %s", service);
}

static void say_answer(struct rep *rep, struct line *l, const struct group *g)
{
	if (str_eq(g->answer, STR("claimed")))
		line_say(&rep->a, l, " — only seemingly done (root emulation)");
	else if (str_eq(g->answer, STR("local")))
		line_say(&rep->a, l, " — stays in the box");
	else if (g->kind == EV_DNS && str_eq(g->answer, STR("sinkhole")))
		line_say(&rep->a, l, " — led to the box itself (sinkhole)");
	else if (g->kind == EV_DNS && str_eq(g->answer, STR("allowed")))
		line_say(&rep->a, l, " — really looked up");
	else if (g->answer.n) {
		line_say(&rep->a, l, " — ");
		say_word(rep, l, g->answer);
	}
	if (g->errname.n) {
		line_say(&rep->a, l, " (");
		say_word(rep, l, g->errname);
		line_say(&rep->a, l, ")");
	}
	if (g->reason.n) {
		line_say(&rep->a, l, ": ");
		say_word(rep, l, g->reason);
	}
}

void say_group(struct rep *rep, struct line *l, const struct group *g)
{
	say_who(rep, l, g);
	if (g->kind == EV_SOCKET) {
		line_say(&rep->a, l, str_eq(g->example, STR("listen")) ? " at " : " → ");
		say_where(rep, l, g);
	} else if (g->kind == EV_DNS) {
		line_say(&rep->a, l, ": ");
		line_name(&rep->a, l, g->what);
		line_say(&rep->a, l, " (");
		say_word(rep, l, g->how);
		line_say(&rep->a, l, ")");
	} else if (g->kind == EV_SIGNAL) {
		line_say(&rep->a, l, " sent signal %lld", (long long)g->port);
		if (g->what.n)
			line_say(&rep->a, l, " (%.*s)", (int)g->what.n, g->what.p);
		if (g->where.n) {
			line_say(&rep->a, l, " to ");
			line_name(&rep->a, l, base_name(g->where));
		}
	} else {
		line_say(&rep->a, l, ": ");
		line_name(&rep->a, l, g->what);
		if (g->example.n) {
			line_say(&rep->a, l, " ");
			line_name(&rep->a, l, g->example);
		}
		line_say(&rep->a, l, " [");
		say_word(rep, l, g->how.n ? g->how : STR("other"));
		line_say(&rep->a, l, "]");
	}
	say_times(rep, l, g->n);
	say_answer(rep, l, g);
	line_ref(l, g->kind, g->first_seq, g->n - 1);
}

static void say_writer(struct rep *rep, struct line *l, uint32_t writer, uint64_t seq)
{
	const struct proc *p = procs_get(&rep->procs, writer);

	if (!p)
		return;
	line_say(&rep->a, l, ", by ");
	line_name(&rep->a, l, procs_name(&rep->procs, writer, seq));
	line_say(&rep->a, l, " (process %lld)", (long long)p->pid);
}

void say_start(struct rep *rep, struct line *l, const struct start_row *s)
{
	say_word(rep, l, s->op);
	line_say(&rep->a, l, ": ");
	line_name(&rep->a, l, s->place);
	line_say(&rep->a, l, " (");
	say_word(rep, l, s->class);
	if (s->name.n) {
		line_say(&rep->a, l, ", ");
		line_name(&rep->a, l, s->name);
	}
	line_say(&rep->a, l, ")");
	if (s->command.n) {
		/* of runlevels it says itself what it does: "start in", "stop in" */
		line_say(&rep->a, l,
			 start_sort(s->class) == ST_START && !str_eq(s->class, STR("init.d"))
				 ? " starts "
				 : ": ");
		line_name(&rep->a, l, s->command);
	}
	say_writer(rep, l, s->writer, s->seq);
	line_ref(l, EV_AUTOSTART, s->seq, 0);
}

void say_change(struct rep *rep, struct line *l, const struct change_row *c)
{
	line_say(&rep->a, l,
		 "%s: ", c->op == CH_META ? "permissions or owner" : change_word[c->op]);
	line_name(&rep->a, l, c->path);
	if (c->path2.n) {
		line_say(&rep->a, l, ", was ");
		line_name(&rep->a, l, c->path2);
	}
	if ((c->concerns & C_SETID) && c->op != CH_REMOVED)
		line_say(&rep->a, l, " (owner %lld:%lld, mode %04llo)", (long long)c->uid,
			 (long long)c->gid, (unsigned long long)c->mode & 07777);
	if (c->detail.n) {
		line_say(&rep->a, l, " (");
		line_name(&rep->a, l, c->detail);
		line_say(&rep->a, l, ")");
	}
	say_writer(rep, l, c->writer, c->seq);
	line_ref(l, EV_CHANGE, c->seq, 0);
}
