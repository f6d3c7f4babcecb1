// SPDX-License-Identifier: Apache-2.0
/*
 * acts_life.c - the life of a program on a machine: installed, used, left alone, restarted, removed
 */
#include <sys/wait.h>

#include "examine/inner.h"

bool always(struct exam *x UNUSED)
{
	return true;
}

bool is_used(struct exam *x)
{
	return x->o->use != NULL;
}

bool has_network(struct exam *x)
{
	return !x->o->session.net.off;
}

int act_watch(struct exam *x, struct err *err)
{
	return watch(x, x->now->watch, err);
}

int act_control(struct exam *x, struct err *err)
{
	int rc = services_allow(x, err);

	if (!rc)
		rc = manager_bring(x, err);
	return rc ? rc : act_watch(x, err);
}

/* ---- programs of ours --------------------------------------------------------------------- */

static int start(struct exam *x, const struct box_program *prog, const char *cause, int *ret_id,
		 uint32_t *ret_key, struct err *err)
{
	struct box_proc proc;
	int rc;

	rc = session_spawn(&x->s, prog, cause, &proc, err);
	if (rc)
		return rc;
	*ret_id = proc.id;
	*ret_key = recorder_key(x->s.rec, proc.pid);
	return 0;
}

int start_by_shell(struct exam *x, const char *command, const char *cause, int *ret_id,
		   uint32_t *ret_key, struct err *err)
{
	const char *argv[] = { "sh", "-c", command, NULL };
	const struct box_program prog = { .argv = argv, .stdio = STDIO_NULL };

	return start(x, &prog, cause, ret_id, ret_key, err);
}

/** struct outcome - what became of a program that belljar has started in the box */
struct outcome {
	bool failed;	/* it has ended, and not well */
	int status;	/* its exit status; -1: none */
	char words[64]; /* as its mark says it */
};

/* Until it ends, or the row's time is over: then it goes on beside the rest. Marks how it ended. */
static int await(struct exam *x, int id, uint32_t key, const char *path, struct outcome *ret,
		 struct err *err)
{
	uint64_t begin = session_box_now(&x->s), whole = scaled(x, x->now->watch);
	uint64_t real = clock_mono_ns();
	int status = 0, rc = 0, turn = 0;

	if (whole < 60 * NSEC_PER_SEC)
		whole = 60 * NSEC_PER_SEC;
	while (!rc && !turn && session_box_now(&x->s) - begin < whole &&
	       clock_mono_ns() - real < PROGRAM_REAL) {
		rc = session_wait_box(&x->s, id, 0, NSEC_PER_SEC, &status, err);
		if (rc >= 0)
			turn = manager_turn(x, err);
		progress(x, NULL);
	}
	if (rc < 0 || turn)
		return rc < 0 ? rc : turn;
	ret->failed = rc && status;
	ret->status = rc && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (!rc)
		snprintf(ret->words, sizeof(ret->words), "still runs");
	else if (WIFEXITED(status))
		snprintf(ret->words, sizeof(ret->words), "ended with status %d",
			 WEXITSTATUS(status));
	else
		snprintf(ret->words, sizeof(ret->words), "ended by signal %d", WTERMSIG(status));
	return mark(
		x,
		&(struct mark){ .step = "act", .target = key, .path = path, .detail = ret->words },
		err);
}

/* ---- install ------------------------------------------------------------------------------ */

static int bring(struct exam *x, const struct examine_file *f, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", SETUP_DIR, f->name);

	return session_has(&x->s, path) ? 0 : session_copy_in(&x->s, f->fd, path, err);
}

static int make_runnable(struct exam *x, const char *path, struct err *err)
{
	cleanup_free char *command = NULL;
	struct buf b = { 0 };
	uint32_t key;
	int id, status, rc;

	buf_puts(&b, "chmod 755 ");
	buf_quote(&b, path, strlen(path));
	command = buf_z(&b);
	rc = start_by_shell(x, command, "prepare", &id, &key, err);
	if (!rc)
		rc = session_wait_box(&x->s, id, 0, MINUTE, &status, err);
	return rc < 0 ? rc : 0;
}

/* An installer can have removed the shell: that is on record, and the other experiments go on. */
static int could_not_start(struct exam *x, const struct err *why, struct err *err)
{
	if (why->exit != EXIT_NOT_FOUND && why->exit != EXIT_NOT_EXEC) {
		*err = *why;
		return -why->code;
	}
	return mark(x, &(struct mark){ .step = "act", .detail = "could not be started" }, err);
}

/* What it printed last is the only reason that most installers give. */
static int mark_failure(struct exam *x, const struct outcome *end, uint32_t key, struct err *err)
{
	cleanup_free char *words = NULL;

	memcpy(x->failed, end->words, sizeof(x->failed));
	log_last_line(x);
	if (!x->said[0])
		return 0;
	words = xasprintf("printed last: %s", x->said);
	return mark(x, &(struct mark){ .step = "act", .target = key, .detail = words }, err);
}

int act_install(struct exam *x, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", SETUP_DIR, x->o->installer.name);
	const char *argv[EXAMINE_ARGS_MAX + 8];
	const struct box_program prog = { .argv = argv,
					  .cwd = SETUP_DIR,
					  .stdio = x->o->fed ? STDIO_FED : STDIO_NULL,
					  .fds = { STDIN_FILENO } };
	struct outcome end = { 0 };
	uint32_t key = 0;
	int id, rc;

	rc = bring(x, &x->o->installer, err);
	for (int i = 0; i < x->o->nfiles && !rc; i++)
		rc = bring(x, &x->o->file[i], err);
	if (!rc && (x->kind == INSTALLER_SCRIPT || x->kind == INSTALLER_PROGRAM))
		rc = make_runnable(x, path, err);
	if (rc)
		return rc;
	installer_words(x, path, argv);
	x->log_at = log_size(x);
	rc = start(x, &prog, "install", &id, &key, err);
	if (!rc)
		rc = mark(x, &(struct mark){ .step = "act", .target = key, .path = path }, err);
	if (!rc)
		rc = await(x, id, key, path, &end, err);
	progress(x, end.words[0] ? end.words : NULL);
	if (!rc && end.failed)
		x->refused = installer_refused(x->kind, end.status);
	if (x->refused)
		return -EBADMSG;
	if (!rc)
		rc = watch(x, SETUP_WAIT_NS, err);
	if (!rc && end.failed)
		rc = mark_failure(x, &end, key, err);
	/* what a service manager does for a package, and there is none in the box */
	return rc ? rc : start_entries(x, "boot", err);
}

/* ---- use, idle ---------------------------------------------------------------------------- */

int act_use(struct exam *x, struct err *err)
{
	struct outcome end = { 0 };
	struct err why = { 0 };
	uint32_t key;
	int id, rc;

	if (start_by_shell(x, x->o->use, "use", &id, &key, &why))
		return could_not_start(x, &why, err);
	rc = mark(x, &(struct mark){ .step = "act", .target = key, .detail = x->o->use }, err);
	if (!rc)
		rc = await(x, id, key, NULL, &end, err);
	return rc ? rc : watch(x, x->now->watch, err);
}

int act_idle(struct exam *x, struct err *err)
{
	uint64_t ns = x->now->watch;
	int rc = start_entries(x, "timer", err); /* what cron and timers would do within a day */

	if (x->o->days > 0)
		ns = (uint64_t)(x->o->days * 24 * (double)HOUR);
	return rc ? rc : watch(x, ns, err);
}

/* ---- entries ------------------------------------------------------------------------------ */

/* Is what this entry starts there already? A package's own scripts may have started it. */
static bool runs_already(const struct exam *x, const struct boot_start *s)
{
	for (int i = 0; i < s->argc; i++) {
		if (s->argv[i][0] != '/')
			continue;
		for (size_t k = 0; k < x->subject.n; k++) {
			const struct proc_row *p = &x->subject.v[k];

			if (p->alive && p->origin == ORIGIN_SUBJECT &&
			    (!strcmp(proc_file(p), s->argv[i]) ||
			     (p->image && !strcmp(p->image, s->argv[i]))))
				return true;
		}
	}
	return false;
}

/* By its name, or by that of its place: a script of init.d is the service of that name, too. */
static bool is_unit(const struct boot_start *s, const char *unit)
{
	cleanup_free char *service = is_service(s->place) ? service_of(s->place) : NULL;
	size_t n = strcspn(s->name, "@. ");

	return service &&
	       (!strcmp(service, unit) ||
		(strstr(s->place, "/systemd/") && strlen(unit) == n && !strncmp(s->name, unit, n)));
}

/* A job of at(1) is done once, and it has been, when the program was left alone; nobody has removed
 * it then. */
static bool is_over(const struct exam *x, const struct boot_start *s)
{
	return !strcmp(s->class, "at") && strcmp(x->now->name, "idle") != 0;
}

/* Those that @when and @unit (NULL: any) allow are not skipped. Return: how many; -errno */
static int list_entries(struct exam *x, const char *when, const char *unit, struct err *err)
{
	int rc = subject_update(x, err), n = 0;

	boot_free(&x->boot);
	if (!rc)
		rc = boot_list(&x->s, &x->boot, err);
	if (rc == -E2BIG)
		rc = 0; /* the first of them */
	for (size_t i = 0; i < x->boot.n && !rc; i++) {
		struct boot_start *s = &x->boot.v[i];

		s->skip = (when && (strcmp(s->when, when) != 0 || runs_already(x, s))) ||
			  (unit && !is_unit(s, unit)) || is_over(x, s);
		n += !s->skip;
	}
	return rc ? rc : n;
}

int start_entries(struct exam *x, const char *when, struct err *err)
{
	cleanup_free char *words = NULL;
	int n = list_entries(x, when, NULL, err), rc;

	if (n <= 0)
		return n;
	words = xasprintf("%d entr%s started as %s would", n, n == 1 ? "y" : "ies",
			  when && !strcmp(when, "boot") ? "a service manager"
			  : when			? "cron and timers"
							: "a boot and a login");
	rc = mark(x, &(struct mark){ .step = "act", .detail = words }, err);
	if (!rc)
		rc = boot_start_all(&x->boot, err);
	progress(x, words);
	return rc;
}

int start_unit(struct exam *x, const char *unit, uint32_t asker, struct err *err)
{
	cleanup_free char *words = NULL;
	int n = list_entries(x, "boot", unit, err), rc;

	if (n < 0)
		return n;
	words = xasprintf(n ? "started as a service manager would, for it was asked to start '%s'"
			    : "not started: '%s', which no boot would start, or which runs already",
			  unit);
	rc = mark(x, &(struct mark){ .step = "act", .target2 = asker, .detail = words }, err);
	if (!rc && n)
		rc = boot_start_all(&x->boot, err);
	return rc;
}

/* ---- a month, restart, uninstall ---------------------------------------------------------- */

int act_month_ahead(struct exam *x, struct err *err)
{
	struct err none = { 0 };
	int rc = session_clock_ahead(&x->s, 30 * 24 * HOUR, &none);

	if (rc == -ENOTSUP)
		return mark(x,
			    &(struct mark){ .step = "act",
					    .detail = "not done: the box's time is real" },
			    err);
	if (rc)
		*err = none;
	if (!rc)
		rc = mark(x, &(struct mark){ .step = "act", .detail = "30 days" }, err);
	return rc ? rc : watch(x, x->now->watch, err);
}

int act_restart(struct exam *x, struct err *err)
{
	int rc = start_entries(x, NULL, err);

	return rc ? rc : watch(x, x->now->watch, err);
}

static int find_uninstall(struct exam *x, struct err *err)
{
	struct state s;
	int rc;

	if (x->uninstall_asked)
		return 0;
	rc = state_take(x, &s, err);
	if (rc)
		return rc;
	x->uninstall = uninstall_command(x, &s);
	x->uninstall_asked = true;
	state_free(&s);
	return 0;
}

bool has_uninstall(struct exam *x)
{
	struct err err = { 0 };

	if (x->running && !find_uninstall(x, &err))
		return x->uninstall != NULL;
	return x->o->uninstall || x->uninstall;
}

static int remove_it(struct exam *x, struct outcome *ret, struct err *err)
{
	struct err why = { 0 };
	uint32_t key;
	int id, rc;

	if (start_by_shell(x, x->uninstall, "uninstall", &id, &key, &why))
		return could_not_start(x, &why, err);
	rc = mark(x, &(struct mark){ .step = "act", .target = key, .detail = x->uninstall }, err);
	return rc ? rc : await(x, id, key, NULL, ret, err);
}

int act_uninstall(struct exam *x, struct err *err)
{
	struct outcome end = { 0 };
	struct stops *stops = NULL;
	int rc;

	rc = services_asked(x, &stops, err);
	if (!rc)
		rc = remove_it(x, &end, err);
	if (!rc && end.failed) {
		rc = services_stop(x, stops, STOP_ASKED, err);
		if (rc > 0)
			rc = remove_it(x, &end, err);
	}
	progress(x, end.words[0] ? end.words : NULL);
	if (!rc && end.words[0])
		rc = services_stop(x, stops, STOP_GONE, err);
	if (rc >= 0)
		rc = manager_finish(x, err);
	stops_free(stops);
	return rc < 0 ? rc : 0;
}
