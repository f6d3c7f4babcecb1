// SPDX-License-Identifier: Apache-2.0
/*
 * acts_kill.c - kill what lives long: each, in pairs, all; and make the program whole again
 *
 * The signal comes from outside of the box, so no process in it has sent it; nobody who watches
 * the others can refuse it.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "examine/inner.h"

#define ROUNDS	 2		    /* each is killed so often: once may be chance */
#define BEGIN_NS (5 * NSEC_PER_SEC) /* so soon, whoever has workers starts them */

/* ---- kill --------------------------------------------------------------------------------- */

struct sending {
	int fd, signo;
};

static int send_signal(void *ctx)
{
	const struct sending *s = ctx;

	return syscall(SYS_pidfd_send_signal, s->fd, s->signo, NULL, 0) && errno != ESRCH ? errno
											  : 0;
}

int kill_key(struct exam *x, uint32_t key, struct err *err)
{
	return signal_key(x, key, SIGKILL, err);
}

int signal_key(struct exam *x, uint32_t key, int signo, struct err *err)
{
	struct sending s = { .fd = recorder_pidfd(x->s.rec, key), .signo = signo };
	int status = 0, rc;

	if (s.fd < 0)
		return s.fd == -ESRCH ? s.fd
				      : err_set(err, s.fd, "examine: find a process to kill");
	/* it may have another user than box root */
	rc = box_run_in_userns(x->s.run, send_signal, &s, &status, err);
	close(s.fd);
	if (!rc && status)
		rc = err_set(err, status, "examine: kill a process");
	return rc;
}

int stop_process(struct exam *x, const struct proc_row *p, int signo, uint32_t asker,
		 const char *words, struct err *err)
{
	int rc = 0;

	if (signo == SIGTERM)
		rc = mark(x,
			  &(struct mark){ .step = "act",
					  .target = p->key,
					  .target2 = asker,
					  .path = proc_file(p),
					  .detail = words },
			  err);
	if (!rc)
		rc = signal_key(x, p->key, signo, err);
	return rc == -ESRCH ? 0 : rc;
}

static struct proc_row copy_of(const struct proc_row *p)
{
	struct proc_row c = *p;

	c.image = p->image ? xstrdup(p->image) : NULL;
	c.script = p->script ? xstrdup(p->script) : NULL;
	c.command = p->command ? xstrdup(p->command) : NULL;
	c.cwd = p->cwd ? xstrdup(p->cwd) : NULL;
	return c;
}

void victims_free(struct victims *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->v[i].image);
		free(v->v[i].script);
		free(v->v[i].command);
		free(v->v[i].cwd);
	}
	v->n = 0;
}

int victims_find(struct exam *x, struct victims *ret, struct err *err)
{
	uint32_t key[LONG_LIVED_MAX];
	int rc = subject_update(x, err);

	ret->n = 0;
	if (rc)
		return rc;
	ret->n = subject_long_lived(x, key);
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i] = copy_of(subject_get(&x->subject, key[i]));
	return 0;
}

/* ---- whole again -------------------------------------------------------------------------- */

static bool runs(const struct exam *x, const struct proc_row *p)
{
	for (size_t i = 0; i < x->subject.n; i++) {
		const struct proc_row *o = &x->subject.v[i];

		if (o->alive && o->origin == ORIGIN_SUBJECT && o->key != p->key && proc_same(o, p))
			return true;
	}
	return false;
}

/* "/usr/bin/perl -w /usr/bin/agent -d" is what the kernel made of "/usr/bin/agent -d": where the
 * script's name ends; NULL: it is not there */
static const char *behind_script(const struct proc_row *p)
{
	size_t n = p->script && p->script[0] == '/' ? strlen(p->script) : 0;

	for (const char *at = n ? strchr(p->command, ' ') : NULL; at; at = strchr(at + 1, ' '))
		if (!strncmp(at + 1, p->script, n) && (!at[1 + n] || at[1 + n] == ' '))
			return at + 1 + n;
	return NULL;
}

static void add_command(struct buf *b, const struct proc_row *p)
{
	const char *rest = strchr(p->command, ' '), *args = behind_script(p);

	buf_puts(b, "exec ");
	if (p->uid > 0)
		buf_printf(b, "setpriv --reuid=%lld --clear-groups -- ", (long long)p->uid);
	if (args) { /* a script is started as one, so that it is known again */
		buf_quote(b, p->script, strlen(p->script));
		buf_puts(b, args);
		return;
	}
	if (p->command[0] == '/') {
		buf_puts(b, p->command);
		return;
	}
	/* argv[0] need not be the program's name */
	buf_quote(b, p->image, strlen(p->image));
	if (rest)
		buf_puts(b, rest);
}

static int start_again(struct exam *x, const struct proc_row *p, struct err *err)
{
	cleanup_buf struct buf b = { 0 };
	struct err why = { 0 };
	uint32_t key = 0;
	int id, rc;

	if (!p->command || !p->image)
		return 0;
	/* an installer's folder of temporary files has gone with it: then anywhere */
	if (p->cwd && p->cwd[0] == '/') {
		buf_puts(&b, "cd ");
		buf_quote(&b, p->cwd, strlen(p->cwd));
		buf_puts(&b, " 2>/dev/null || cd /; ");
	}
	add_command(&b, p);
	rc = mark(x,
		  &(struct mark){ .step = "act",
				  .detail = "started again",
				  .target = p->key,
				  .path = proc_file(p) },
		  err);
	/* that it does not start is on record, and what it means is not ours to say */
	if (!rc)
		start_by_shell(x, buf_z(&b), "put-back", &id, &key, &why);
	return rc;
}

int make_whole(struct exam *x, const struct proc_row *v, size_t n, struct err *err)
{
	int rc = subject_update(x, err);
	bool again = false;

	for (size_t i = 0; i < n && !rc; i++) {
		const struct proc_row *now = subject_get(&x->subject, v[i].key);

		if ((now && now->alive) || runs(x, &v[i]))
			continue;
		rc = start_again(x, &v[i], err);
		again = true;
		/* it starts its own workers, which are not started once more beside it */
		if (!rc && i + 1 < n)
			rc = watch(x, BEGIN_NS, err);
		if (!rc && i + 1 < n)
			rc = subject_update(x, err);
	}
	/* long enough to be long-lived at the next experiment */
	if (!rc && again)
		rc = watch(x, 2 * LONG_LIVED_NS, err);
	return rc;
}

/* ---- experiments -------------------------------------------------------------------------- */

bool has_long_lived(struct exam *x)
{
	struct err err = { 0 };
	uint32_t key[LONG_LIVED_MAX];

	return x->running && !subject_update(x, &err) && subject_long_lived(x, key) > 0;
}

bool has_pair(struct exam *x)
{
	uint32_t key[LONG_LIVED_MAX];

	return has_long_lived(x) && subject_long_lived(x, key) > 1;
}

static int kill_marked(struct exam *x, const struct proc_row *a, const struct proc_row *b,
		       struct err *err)
{
	struct mark m = { .step = "act", .target = a->key, .path = proc_file(a) };
	int rc;

	if (b)
		m.target2 = b->key;
	rc = mark(x, &m, err);
	if (!rc)
		rc = kill_key(x, a->key, err);
	if (b && (!rc || rc == -ESRCH))
		rc = kill_key(x, b->key, err);
	return rc == -ESRCH ? 0 : rc;
}

/* The living process that runs what @p ran: itself, or who took its place. */
static bool living(const struct exam *x, const struct proc_row *p, struct proc_row *ret)
{
	const struct proc_row *now = subject_get(&x->subject, p->key);

	*ret = *p;
	if (now && now->alive)
		return true;
	for (size_t i = x->subject.n; i > 0; i--) {
		const struct proc_row *o = &x->subject.v[i - 1];

		if (o->alive && o->origin == ORIGIN_SUBJECT && proc_same(o, p)) {
			ret->key = o->key;
			return true;
		}
	}
	return false;
}

static int younger_first(const void *a, const void *b)
{
	const struct proc_row *p = a, *q = b;

	return (p->key < q->key) - (p->key > q->key);
}

/*
 * In each round it is whoever runs that program by then. The youngest is killed first, while
 * whoever has started it still lives: of a guard that has been killed and started again, it is no
 * child.
 */
int act_kill(struct exam *x, struct err *err)
{
	struct victims v;
	int rc = victims_find(x, &v, err);

	qsort(v.v, v.n, sizeof(*v.v), younger_first);
	for (size_t i = 0; i < ROUNDS * v.n && !rc; i++) {
		const struct proc_row *p = &v.v[i % v.n];
		struct proc_row now;

		rc = subject_update(x, err);
		if (rc || !living(x, p, &now))
			continue; /* it has gone with another */
		progress(x, proc_file(p));
		rc = kill_marked(x, &now, NULL, err);
		if (!rc)
			rc = watch(x, x->now->watch, err);
		if (!rc)
			rc = make_whole(x, &now, 1, err);
	}
	victims_free(&v);
	return rc;
}

static int one_pair(struct exam *x, const struct proc_row *a, const struct proc_row *b,
		    struct err *err)
{
	bool elder = a->key < b->key; /* who has started the other one is started again first */
	struct proc_row both[2] = { elder ? *a : *b, elder ? *b : *a };
	int rc;

	progress(x, proc_file(a));
	rc = kill_marked(x, a, b, err);
	if (!rc)
		rc = watch(x, x->now->watch, err);
	return rc ? rc : make_whole(x, both, 2, err);
}

int act_kill_pair(struct exam *x, struct err *err)
{
	struct victims v;
	int rc = victims_find(x, &v, err), pairs = 0;

	for (size_t i = 0; i < v.n && !rc; i++)
		for (size_t k = i + 1; k < v.n && !rc && pairs < PAIRS_MAX; k++) {
			struct proc_row a, b;

			rc = subject_update(x, err);
			if (rc || !living(x, &v.v[i], &a) || !living(x, &v.v[k], &b) ||
			    a.key == b.key)
				continue;
			pairs++;
			rc = one_pair(x, &a, &b, err);
		}
	victims_free(&v);
	return rc;
}

/* All that live, young ones too: one of these may be there to start the others. */
static int kill_subject(struct exam *x, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < x->subject.n && !rc; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (p->alive && p->origin == ORIGIN_SUBJECT)
			rc = kill_key(x, p->key, err);
		if (rc == -ESRCH)
			rc = 0;
	}
	return rc;
}

int act_kill_all(struct exam *x, struct err *err)
{
	struct victims v;
	int rc = victims_find(x, &v, err);

	for (size_t i = 0; i < v.n && !rc; i++)
		rc = mark(x,
			  &(struct mark){
				  .step = "act", .target = v.v[i].key, .path = proc_file(&v.v[i]) },
			  err);
	if (!rc)
		rc = kill_subject(x, err);
	if (!rc)
		rc = watch(x, x->now->watch / 2, err);
	/* who guards it may be no process at all, but what cron or a timer runs */
	if (!rc && v.n)
		rc = start_entries(x, "timer", err);
	if (!rc)
		rc = watch(x, x->now->watch - x->now->watch / 2, err);
	if (!rc)
		rc = make_whole(x, v.v, v.n, err);
	victims_free(&v);
	return rc;
}
