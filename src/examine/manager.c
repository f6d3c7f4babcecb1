// SPDX-License-Identifier: Apache-2.0
/*
 * manager.c - whoever in the box asks the service manager for something is obeyed
 *
 * Theory of operation
 *
 * There is no service manager in the box; start_entries() starts what one would. Installers and
 * uninstallers that are no packages call systemctl(1) or service(8) and take its failure for their
 * own. So before the install a stand-in takes their place (standin/systemctl.c), which does nothing
 * but wait. Its call is on record like any other, with the units that are meant and with who
 * called; here it is read, at least once a second of an act's time, and done: `stop` and what
 * means it is SIGTERM, and SIGKILL a while later, to what an entry of that unit has started and to
 * all that came of it; `start` is the start of the unit's entry, when a boot would start it.
 *
 * Scripts ask whether the manager runs by the folder that systemd makes (sd_booted(3)): else they
 * leave its units alone, and stop or start a daemon in ways of their own, which in a box fail. On a
 * machine that has systemd the box has that folder.
 *
 * What is read is the box's choice. It can only name entries of the box, and what happens to them
 * is on record as done for whom.
 */
#include <ctype.h>
#include <signal.h>
#include <sys/stat.h>

#include "examine/inner.h"

#define TERM_WAIT (30 * NSEC_PER_SEC)
#define HOST_TAIL ".of-this-machine"
#define SYSTEMD	  "/usr/lib/systemd/systemd" /* or /lib/…, which leads there */
#define BOOTED	  "/run/systemd/system"
#define WORDS_MAX 64

static const struct place {
	const char *path;
	bool always; /* also where the machine has none */
} places[] = { { "/usr/bin/systemctl", true }, { "/usr/sbin/service", false } };

/* ---- the stand-in ------------------------------------------------------------------------- */

/* Not so after an upgrade of systemd, or when whoever wants to be asked in its place is there. */
static bool stands_in(struct exam *x, const char *path)
{
	struct kept_file now = { .fd = -1 };
	struct err gone = { 0 };
	struct stat ours;
	bool same;

	if (fstat(x->o->manager.fd, &ours) || file_take(&x->s, path, &now, &gone))
		return false;
	same = now.fd >= 0 && now.size == (uint64_t)ours.st_size;
	kept_file_free(&now);
	return same;
}

/* A control run that was interrupted has begun or done it already. */
static int replace(struct exam *x, const char *path, struct err *err)
{
	cleanup_free char *aside = xasprintf("%s" HOST_TAIL, path);
	struct kept_file host = { .fd = -1 };
	int rc = mark(x,
		      &(struct mark){ .step = "act",
				      .path = path,
				      .detail = "belljar's stand-in for the service manager" },
		      err);

	if (!rc && stands_in(x, path))
		return 0;
	if (!rc && session_has(&x->s, path)) {
		if (!session_has(&x->s, aside))
			rc = file_take(&x->s, path, &host, err);
		if (!rc && host.fd >= 0 && !fchmod(host.fd, 0755))
			rc = session_copy_in(&x->s, host.fd, aside, err);
		if (!rc)
			rc = file_remove(&x->s, path, err);
		kept_file_free(&host);
	}
	return rc ? rc : session_copy_in(&x->s, x->o->manager.fd, path, err);
}

int manager_bring(struct exam *x, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && x->o->manager.name && !rc; i++)
		if (places[i].always || session_has(&x->s, places[i].path))
			rc = replace(x, places[i].path, err);
	return rc;
}

int manager_is_there(struct exam *x, struct err *err)
{
	if (!x->o->manager.name || !session_has(&x->s, SYSTEMD) || !stands_in(x, places[0].path))
		return 0;
	return session_make_folder(&x->s, BOOTED, err);
}

/* ---- what is asked for -------------------------------------------------------------------- */

enum { STOPS = 1, STARTS = 2 };
static const struct {
	const char *verb;
	unsigned does;
} verbs[] = {
	{ "stop", STOPS },
	{ "kill", STOPS },
	{ "start", STARTS },
	{ "restart", STOPS | STARTS },
	{ "try-restart", STOPS | STARTS },
	{ "reload-or-restart", STARTS },
};

/* "vendor" and "vendor.service" are one; an instance is its template. */
static void bare_name(const char *unit, size_t n, char ret[MANAGER_UNIT])
{
	struct str s = { unit, n };

	if (str_ends(s, ".service"))
		n -= strlen(".service");
	snprintf(ret, MANAGER_UNIT, "%.*s", (int)(n < MANAGER_UNIT ? n : MANAGER_UNIT - 1), unit);
	ret[strcspn(ret, "@")] = 0;
}

static void add(struct manager *m, const char *unit, size_t n, unsigned does, uint32_t asker,
		uint64_t now)
{
	struct wish *w = &m->wish[m->n];

	if (m->n == MANAGER_WISHES)
		return;
	*w = (struct wish){ .does = does, .asker = asker, .due = now + TERM_WAIT };
	bare_name(unit, n, w->unit);
	m->n += w->unit[0] != 0;
}

/* Words of a recorded command line; one that is quoted names no unit. */
static int split(const char *line, struct str ret[WORDS_MAX])
{
	int n = 0;

	while (*line && n < WORDS_MAX) {
		size_t k = strcspn(line, " ");

		if (k)
			ret[n++] = (struct str){ line, k };
		line += k + (line[k] == ' ');
	}
	return n;
}

static unsigned verb_of(struct str w)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_eq(w, str_z(verbs[i].verb)))
			return verbs[i].does;
	return 0;
}

/* service NAME VERB; systemctl [OPTION…] VERB UNIT…, where enable and disable may have --now */
static void take(struct manager *m, const char *image, const char *line, uint32_t asker,
		 uint64_t now)
{
	struct str w[WORDS_MAX] = { 0 };
	int n = split(line, w), verb = 1;
	unsigned does;
	bool at_once = false;

	if (str_ends(str_z(image), "/service")) {
		if (n > 2 && verb_of(w[2]))
			add(m, w[1].p, w[1].n, verb_of(w[2]), asker, now);
		return;
	}
	for (int i = 1; i < n; i++)
		at_once |= str_eq(w[i], str_z("--now"));
	while (verb < n && w[verb].p[0] == '-')
		verb++;
	if (verb == n)
		return;
	does = verb_of(w[verb]);
	if (at_once && str_eq(w[verb], str_z("enable")))
		does = STARTS;
	if (at_once && (str_eq(w[verb], str_z("disable")) || str_eq(w[verb], str_z("mask"))))
		does = STOPS;
	for (int i = verb + 1; i < n && does; i++)
		if (w[i].p[0] != '-')
			add(m, w[i].p, w[i].n, does, asker, now);
}

#define CALLS                                                                                      \
	"SELECT seq, proc, image, command_line FROM process WHERE run=?1 AND seq>?2 AND "          \
	"op='exec' AND image IN ('/usr/bin/systemctl','/usr/sbin/service') ORDER BY seq"

static void take_call(void *to, sqlite3_stmt *st)
{
	struct exam *x = to;
	const char *image = (const char *)sqlite3_column_text(st, 2);
	const char *line = (const char *)sqlite3_column_text(st, 3);

	x->manager.seq = (uint64_t)sqlite3_column_int64(st, 0);
	take(&x->manager, image, line ? line : "", (uint32_t)sqlite3_column_int64(st, 1),
	     session_box_now(&x->s));
}

static int read_calls(struct exam *x, struct err *err)
{
	struct rows q = { .what = "calls of the service manager",
			  .sql = CALLS,
			  .bind = { x->s.nr, (int64_t)x->manager.seq },
			  .take = take_call,
			  .to = x };

	return rows_read(x, &q, err);
}

/* ---- what is done ------------------------------------------------------------------------- */

/* A script in init.d that no unit stands for: the stand-in calls it, and that is on record. */
static bool is_script(const struct exam *x, const char *unit)
{
	static const char *const folders[] = { "/etc", "/run", "/usr/local/lib", "/usr/lib" };
	cleanup_free char *script = xasprintf("/etc/init.d/%s", unit);

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		cleanup_free char *path =
			xasprintf("%s/systemd/system/%s.service", folders[i], unit);

		if (session_has(&x->s, path))
			return false;
	}
	return session_has(&x->s, script);
}

/* Was it started by an entry of that unit, or does it come from what was? Units that only others
 * hang on have a script of that name beside them, which was started for them. */
static bool is_of(const struct exam *x, const struct proc_row *p, const char *unit)
{
	const char *entry = proc_entry(&x->subject, p);
	cleanup_free char *service = entry && is_service(entry) ? service_of(entry) : NULL;

	return service && !strcmp(service, unit);
}

/* Return: how many live; -errno. @signo: 0 none */
static int signal_unit(struct exam *x, const struct wish *w, int signo, struct err *err)
{
	cleanup_free char *words = xasprintf("stopped as a service manager would, for it was asked "
					     "to stop '%s'",
					     w->unit);
	int rc = 0, n = 0;

	for (size_t i = 0; i < x->subject.n && !rc; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (!p->alive || p->origin != ORIGIN_SUBJECT || !is_of(x, p, w->unit))
			continue;
		n++;
		if (signo)
			rc = stop_process(x, p, signo, w->asker, words, err);
	}
	return rc ? rc : n;
}

/* Return: 1 it is done; 0 later again; -errno */
static int fulfil(struct exam *x, struct wish *w, struct err *err)
{
	int n, rc;

	if (is_script(x, w->unit))
		return 1;
	n = signal_unit(x, w, 0, err);
	if (n > 0 && w->does & STOPS) {
		int signo = !w->asked ? SIGTERM : session_box_now(&x->s) >= w->due ? SIGKILL : 0;

		w->asked = true;
		rc = signo ? signal_unit(x, w, signo, err) : 0;
		/* whom SIGKILL does not end is not ours to wait for */
		return rc < 0 ? rc : signo == SIGKILL && !(w->does & STARTS);
	}
	if (n != 0 || !(w->does & STARTS))
		return n < 0 ? n : 1;
	rc = start_unit(x, w->unit, w->asker, err);
	return rc < 0 ? rc : 1;
}

int manager_turn(struct exam *x, struct err *err)
{
	struct manager *m = &x->manager;
	uint64_t events = journal_events(x->s.journal);
	int rc = 0;

	if (!x->o->manager.name || m->busy || (events == m->events && !m->n))
		return 0;
	m->busy = true; /* a start waits, and each wait has a turn */
	rc = read_calls(x, err);
	if (!rc && m->n)
		rc = subject_update(x, err);
	for (size_t i = 0; i < m->n && rc >= 0;) {
		rc = fulfil(x, &m->wish[i], err);
		if (rc == 1)
			memmove(&m->wish[i], &m->wish[i + 1], (--m->n - i) * sizeof(m->wish[i]));
		else
			i++;
	}
	m->events = journal_events(x->s.journal);
	m->busy = false;
	return rc < 0 ? rc : 0;
}

int manager_finish(struct exam *x, struct err *err)
{
	int rc = manager_turn(x, err);

	for (int i = 0; i < 4 && x->manager.n && !rc; i++)
		rc = watch(x, TERM_WAIT / 2, err);
	return rc;
}
