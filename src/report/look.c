// SPDX-License-Identifier: Apache-2.0
/*
 * look.c - what a person should look at first, why it matters, and what is the innocent reading
 *
 * A table: each row has its explanation and a function that finds the lines. A row that finds
 * nothing is not shown. Order is by weight: what reaches beyond the run comes first.
 */
#include <assert.h>

#include "report/model.h"

static struct line *more(struct lines *ls)
{
	if (ls->n >= REPORT_LOOK_ROWS) {
		ls->total++;
		return NULL;
	}
	return lines_add(ls);
}

static void find_unseen(struct rep *rep, struct look *k)
{
	static const struct {
		const char *one, *many;
	} words[] = { { "gap in the record", "gaps in the record" },
		      { "place where record and disk disagree",
			"places where record and disk disagree" } };
	const struct plain_rows *rows[] = { &rep->gaps, &rep->mismatches };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf b = { 0 };
		struct line *l;

		if (!rows[i]->total)
			continue;
		put_count(&b, rows[i]->total, words[i].one, words[i].many);
		l = more(&k->rows);
		line_say(&rep->a, l, "%s", buf_z(&b));
		line_ref(l, rows[i]->r[0].kind, rows[i]->r[0].seq, rows[i]->total - 1);
	}
	for (size_t i = 0; i < rep->procs.nrun; i++) {
		const struct run_info *r = &rep->procs.run[i];
		struct line *l = r->end_seq ? NULL : more(&k->rows);
		uint64_t open = net_left_open(&rep->net, r->run);

		if (!l)
			continue;
		line_say(&rep->a, l, "run %u, ", r->run);
		line_name(&rep->a, l, r->command);
		line_say(&rep->a, l, ", has no end on record: the recording was cut off");
		if (open)
			line_say(&rep->a, l,
				 "; %llu %s had not ended, and how many bytes moved is not known",
				 (unsigned long long)open,
				 open == 1 ? "connection" : "connections");
		line_ref(l, EV_RUN_BEGIN, r->begin_seq, 0);
	}
}

static bool is_fresh(const struct start_row *s)
{
	return !s->gone && !s->idle &&
	       (str_eq(s->op, STR("added")) || str_eq(s->op, STR("changed")));
}

static void find_entries(struct rep *rep, struct look *k, enum start_sort sort)
{
	const struct start_rows *rows = &rep->start[sort];

	for (size_t i = 0; i < rows->n; i++) {
		bool setid = str_eq(rows->r[i].class, STR("set-id")); /* has a row of its own */
		struct line *l = is_fresh(&rows->r[i]) && !setid ? more(&k->rows) : NULL;

		if (l)
			say_start(rep, l, &rows->r[i]);
	}
	if (rows->total > rows->n) /* beyond the limit: all of them may be of this kind */
		k->rows.total += rows->total - rows->n;
}

static void find_starts(struct rep *rep, struct look *k)
{
	find_entries(rep, k, ST_START);
}

static void find_hooks(struct rep *rep, struct look *k)
{
	find_entries(rep, k, ST_HOOK);
}

/* Whether an entry of the catalogue says more about this file than that it changed. */
static bool has_entry(const struct rep *rep, enum start_sort sort, struct str path)
{
	for (size_t i = 0; i < rep->start[sort].n && i < REPORT_ROWS; i++)
		if (is_fresh(&rep->start[sort].r[i]) && str_eq(rep->start[sort].r[i].place, path))
			return true;
	return false;
}

static void find_concern(struct rep *rep, struct look *k, unsigned concern, enum start_sort sort)
{
	for (size_t i = 0; i < rep->nconcern; i++) {
		const struct change_row *c = &rep->concern[i];
		struct line *l;

		if (!(c->concerns & concern) || c->op == CH_REMOVED ||
		    (concern != C_SETID && has_entry(rep, sort, c->path)))
			continue;
		l = more(&k->rows);
		if (l)
			say_change(rep, l, c);
	}
}

static void find_setid(struct rep *rep, struct look *k)
{
	find_concern(rep, k, C_SETID, ST_RIGHTS);
}

static void find_users(struct rep *rep, struct look *k)
{
	find_entries(rep, k, ST_RIGHTS);
	find_concern(rep, k, C_USER, ST_RIGHTS);
}

static void find_trust(struct rep *rep, struct look *k)
{
	find_entries(rep, k, ST_TRUST);
	find_concern(rep, k, C_TRUST, ST_TRUST);
}

static void find_net(struct rep *rep, struct look *k)
{
	find_entries(rep, k, ST_NET);
	find_concern(rep, k, C_NET, ST_NET);
}

static void find_dropped(struct rep *rep, struct look *k)
{
	for (size_t i = 0; i < rep->ran.n; i++) {
		const struct dropped *d = &rep->ran_info[i];
		const struct proc *w;
		struct line *l;

		if (!d->write_seq)
			continue;
		l = more(&k->rows);
		if (!l)
			continue;
		line_name(&rep->a, l, d->path);
		w = procs_get(&rep->procs, d->writer);
		if (w) {
			line_say(&rep->a, l, ", written by ");
			line_name(&rep->a, l, procs_name(&rep->procs, d->writer, d->write_seq));
			line_say(&rep->a, l, " (process %lld)", (long long)w->pid);
		}
		line_say(&rep->a, l, ", then run");
		if (d->sha256.n) {
			line_say(&rep->a, l, ", SHA-256 ");
			line_name(&rep->a, l, d->sha256);
		}
		line_ref(l, EV_PROCESS, d->exec_seq, 0);
	}
}

static bool unusual_image(struct str image)
{
	return str_starts(image, "/memfd:") || str_ends(image, " (deleted)");
}

static void find_unusual(struct rep *rep, struct look *k)
{
	for (size_t i = 0; i < rep->procs.ne; i++) {
		const struct exec *e = &rep->procs.e[i];
		struct line *l = unusual_image(e->image) ? more(&k->rows) : NULL;

		if (!l)
			continue;
		line_name(&rep->a, l, e->image);
		line_say(&rep->a, l,
			 str_starts(e->image, "/memfd:")
				 ? " was run from memory, without a file"
				 : " was run after its file had been removed");
		line_ref(l, EV_PROCESS, e->seq, 0);
	}
}

static void find_left(struct rep *rep, struct look *k)
{
	for (size_t i = 1; i < rep->procs.n; i++) {
		const struct proc *p = &rep->procs.p[i];
		const struct exec *e;
		struct line *l;

		if (!left_running(rep, p))
			continue;
		l = more(&k->rows);
		if (!l)
			continue;
		e = p->exec_last ? &rep->procs.e[p->exec_last - 1] : NULL;
		line_name(&rep->a, l, procs_name(&rep->procs, p->key, UINT64_MAX));
		line_say(&rep->a, l, " (process %lld", (long long)p->pid);
		if (rep->procs.nrun > 1)
			line_say(&rep->a, l, " of run %u", p->run);
		line_say(&rep->a, l, ")");
		if (e && e->command.n) {
			line_say(&rep->a, l, ": ");
			line_name(&rep->a, l, e->command);
		}
		line_ref(l, EV_PROCESS, e ? e->seq : p->first_seq, 0);
	}
	if (!rep->nleft || k->rows.total >= rep->nleft)
		return;
	if (!k->rows.n) {
		cleanup_buf struct buf b = { 0 };
		struct line *l = lines_add(&k->rows);

		put_count(&b, rep->nleft, "process was", "processes were");
		line_say(&rep->a, l, "%s ended with the box", buf_z(&b));
		for (size_t i = 0; i < rep->procs.nrun && !l->seq; i++)
			if (rep->procs.run[i].left)
				line_ref(l, EV_RUN_END, rep->procs.run[i].end_seq, 0);
		k->rows.total = 1;
	} else {
		k->rows.total = rep->nleft;
	}
}

static void find_groups(struct rep *rep, struct look *k, const struct groups *gs,
			bool (*want)(const struct group *g))
{
	for (size_t i = 0; i < gs->n; i++) {
		struct line *l = !want || want(&gs->g[i]) ? more(&k->rows) : NULL;

		if (l)
			say_group(rep, l, &gs->g[i]);
	}
}

static bool out_refused(const struct group *g)
{
	return str_eq(g->answer, STR("refused"));
}

static void find_peers(struct rep *rep, struct look *k, bool (*want)(const struct peer *p))
{
	for (size_t i = 0; i < rep->net.npeer; i++) {
		struct line *l = !want || want(&rep->net.peer[i]) ? more(&k->rows) : NULL;

		if (l)
			say_peer(rep, l, &rep->net.peer[i]);
	}
}

/* Where each connection is on record, calls that led to one need no line of their own. */
static void find_out(struct rep *rep, struct look *k)
{
	find_peers(rep, k, NULL);
	find_groups(rep, k, &rep->out, net_gated(&rep->net) ? out_refused : NULL);
}

static void find_canaries(struct rep *rep, struct look *k)
{
	const struct net *n = &rep->net;

	for (size_t i = 0; i < n->ncanary; i++) {
		struct line *l = more(&k->rows);

		if (l)
			say_canary_row(rep, l, &n->canary[i]);
	}
	k->rows.total += n->canaries - n->ncanary;
}

static void find_because(struct rep *rep, struct look *k, const struct peer *p, struct str why,
			 uint64_t seq, const char *between)
{
	struct line *l = more(&k->rows);

	if (!l)
		return;
	line_name(&rep->a, l, p->who.n ? base_name(p->who) : STR("?"));
	line_say(&rep->a, l, " → ");
	line_name(&rep->a, l, p->name.n ? p->name : p->address);
	if (p->port >= 0)
		line_say(&rep->a, l, " port %lld", (long long)p->port);
	line_say(&rep->a, l, "%s", between);
	line_name(&rep->a, l, why);
	line_ref(l, EV_TLS, seq, 0);
}

static void find_unverified(struct rep *rep, struct look *k)
{
	for (size_t i = 0; i < rep->net.npeer; i++)
		if (rep->net.peer[i].unverified_seq)
			find_because(rep, k, &rep->net.peer[i], rep->net.peer[i].unverified,
				     rep->net.peer[i].unverified_seq, ": ");
}

static void find_pinned(struct rep *rep, struct look *k)
{
	for (size_t i = 0; i < rep->net.npeer; i++)
		if (rep->net.peer[i].pinned_seq)
			find_because(rep, k, &rep->net.peer[i], rep->net.peer[i].pinned,
				     rep->net.peer[i].pinned_seq, ": the program broke off with ");
}

static bool mismatched(const struct peer *p)
{
	return p->mismatch_seq != 0;
}

static void find_mismatched(struct rep *rep, struct look *k)
{
	find_peers(rep, k, mismatched);
}

static bool any_address(const struct group *g)
{
	return !str_eq(g->where, STR("unix")) && !str_eq(g->where, STR("netlink"));
}

static void find_listens(struct rep *rep, struct look *k)
{
	find_groups(rep, k, &rep->listens, any_address);
}

/* What programs ask for all day without harm stays in its section. */
static bool weighty(const struct group *g)
{
	static const char *const heavy[] = { "mount",	"namespace", "ptrace", "memory", "module",
					     "keyring", "tty",	     "clock",  "kernel", "handle" };

	if (!str_eq(g->answer, STR("refused")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(heavy); i++)
		if (str_eq(g->how, str_z(heavy[i])))
			return true;
	return str_eq(g->how, STR("privilege")) || str_eq(g->how, STR("file"));
}

static void find_walls(struct rep *rep, struct look *k)
{
	find_groups(rep, k, &rep->wall, weighty);
}

static void find_limits(struct rep *rep, struct look *k)
{
	for (size_t i = 0; i < rep->limits.n; i++) {
		struct event ev;
		struct line *l;

		if (source_fetch(&rep->src, EV_LIMIT, rep->limits.r[i].seq, &ev, NULL))
			continue;
		l = more(&k->rows);
		if (!l)
			continue;
		line_name(&rep->a, l, ev_str(&ev, EV_AT(LIMIT, WHAT)));
		line_say(&rep->a, l, ", limit %lld", (long long)ev_int(&ev, EV_AT(LIMIT, VALUE)));
		if (ev_has(&ev, EV_AT(LIMIT, DETAIL))) {
			line_say(&rep->a, l, ": ");
			line_name(&rep->a, l, ev_str(&ev, EV_AT(LIMIT, DETAIL)));
		}
		line_ref(l, EV_LIMIT, ev.seq, 0);
	}
}

static const struct {
	const char *id, *title, *why, *innocent;
	void (*find)(struct rep *rep, struct look *k);
} looks[] = {
	{ "canaries", "What is known only here, and was sent out",
	  "These values and documents exist on this machine alone, and belljar put them there to see "
	  "who takes them. Whoever receives them can tell this machine from all others, and knows "
	  "what is on it.",
	  "Activating a licence or registering a device sends some of them. The vendor can say which, "
	  "and why; a document that nobody asked for is another matter.",
	  find_canaries },
	{ "unseen", "Not everything is certain",
	  "What was not seen can hold anything. Draw no conclusion from what is missing in this "
	  "report.",
	  "A full disk or a power cut ends a record early too.", find_unseen },
	{ "autostart", "What starts by itself from now on",
	  "These entries run a program without anybody asking for it, after each boot or login or "
	  "at set times. This is how software stays on a machine.",
	  "Services, update timers and maintenance jobs are installed in just this way. Ask what "
	  "each one is for, and whether it goes away when the product is removed.",
	  find_starts },
	{ "setid", "Programs that run with another user's powers",
	  "Such a file works with the rights of its owner, often the administrator, whoever starts "
	  "it. A mistake in it gives these rights to everybody.",
	  "Tools for mail, printing, job scheduling or passwords need it, and belong to a few "
	  "well-known packages.",
	  find_setid },
	{ "users", "Users, passwords and permissions",
	  "These files decide who can log in and who may act as administrator.",
	  "A service commonly gets a user of its own that cannot log in. Compare the lines that "
	  "were added.",
	  find_users },
	{ "trust", "Whom the machine believes",
	  "An added certificate or signing key lets its holder pass for any web site or software "
	  "source, and read encrypted traffic.",
	  "Company certificates and the vendor's own package source are common. Ask who holds the "
	  "private key.",
	  find_trust },
	{ "network-settings", "Where names and connections lead",
	  "Whoever changes these settings can send connections to another computer.",
	  "VPN and network software has to change them, and says so in its documents.", find_net },
	{ "hooks", "What runs inside or in place of other programs",
	  "These entries put code into programs that were there before, or in their place: it then "
	  "runs whenever they do.",
	  "Packages bring scripts for their own installation and removal, and libraries; log "
	  "rotation and the like belong to every service.",
	  find_hooks },
	{ "dropped", "Files that were written here and then run",
	  "The program brought or made further programs. What they are cannot be told from the "
	  "installer alone; the SHA-256 names the exact bytes.",
	  "Every installer unpacks what it installs, and runs parts of it to finish its work.",
	  find_dropped },
	{ "no-file", "Programs that were run without a file",
	  "Nothing is left on disk that could be looked at afterwards.",
	  "Container tools and some updaters do this to protect themselves from being swapped.",
	  find_unusual },
	{ "left-running", "What was still running when a run ended",
	  "These programs stayed in the background after the command was done. In the box they were "
	  "ended with it; on a real machine they go on.",
	  "Services are meant to. A helper that nobody announced is not.", find_left },
	{ "out", "Attempts to reach other computers",
	  "These are the places that the software talks to when it can: where data would go, and "
	  "where orders and further programs could come from.",
	  "Looking up names, setting the clock and asking for updates are everyday business. Ask "
	  "the vendor what each address is for.",
	  find_out },
	{ "other-protocol", "Another protocol than the port is for",
	  "A port is a sign at a door. What speaks something else behind it gets past whoever "
	  "only reads the sign.",
	  "Web services on odd ports are common inside of companies; port numbers are a convention.",
	  find_mismatched },
	{ "unverified", "Encrypted connections whose other end did not prove who it is",
	  "Without proof anybody on the way can be the other end, and read and change all that is "
	  "said.",
	  "An expired certificate is often just neglect. A device in one's own network can have one "
	  "that only its owner knows.",
	  find_unverified },
	{ "pinned", "Programs that do not let themselves be looked into",
	  "The program insists on a certificate of its own choice. What it says cannot be read here, "
	  "and so not be judged.",
	  "Banks and messengers do this to protect their users. Who does it, and with whom, is what "
	  "counts.",
	  find_pinned },
	{ "listens", "Programs that wait for connections",
	  "A waiting program can be spoken to by others on the machine or in the network.",
	  "Servers do that by definition. Look whether the address is 127.0.0.1 or ::1 (this machine "
	  "only) or open to all.",
	  find_listens },
	{ "walls", "Refused calls for special powers",
	  "The software asked the kernel for something that an ordinary program does not need, such "
	  "as looking into other programs or changing the system itself.",
	  "Installers often try first and go on without. Debuggers, system services and sandboxes "
	  "have honest uses.",
	  find_walls },
	{ "limits", "Limits of the box that were reached",
	  "The software wanted more than it was given; it may have behaved differently because of "
	  "that.",
	  "The limits may simply have been too low for this program.", find_limits },
};
static_assert(ARRAY_SIZE(looks) <= REPORT_LOOKS_MAX, "room for each of them");

void find_looks(struct rep *rep)
{
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		struct look *k = &rep->look[rep->nlook];

		*k = (struct look){ .id = looks[i].id,
				    .title = looks[i].title,
				    .why = looks[i].why,
				    .innocent = looks[i].innocent };
		looks[i].find(rep, k);
		if (k->rows.n)
			rep->nlook++;
	}
}
