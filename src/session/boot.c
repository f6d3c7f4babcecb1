// SPDX-License-Identifier: Apache-2.0
/*
 * boot.c - a boot and a login of a box: what its own autostart entries name, and nothing else
 *
 * Whatever ran in the box ended with its last run. There is no service manager, cron or desktop in
 * between: belljar plays them, so that what is on record is the box's own doing. Each start is
 * recorded with the entry that caused it.
 *
 * A program of another user than root goes through setpriv(1) of the box (util-linux): programs of
 * a box start as its root, and the kernel, or root emulation, then answers the change as it would
 * answer a service manager's.
 */
#include "session/boot.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "session/session.h"

#define STEP_NS                                                                                    \
	(30 * NSEC_PER_SEC) /* longest that one step (ExecStartPre=, oneshot) is waited for */
#define PASSWD_MAX   (1u << 20)
#define PREFIX_WORDS 8 /* setpriv and its options */

/* ---- the list ----------------------------------------------------------------------------- */

static int take_start(void *ctx, const struct autostart_start *a)
{
	struct boot *b = ctx;
	struct boot_start *s;

	b->v = xrealloc(b->v, (b->n + 1) * sizeof(*b->v));
	s = &b->v[b->n++];
	*s = (struct boot_start){
		.class = xstrdup(a->class->name),
		.technique = a->class->technique,
		.place = xstrndup(a->place.p, a->place.n),
		.name = xstrndup(a->name.p, a->name.n),
		.user = xstrdup(a->user ? a->user : "root"),
		.cwd = a->cwd ? xstrdup(a->cwd) : NULL,
		.when = a->when,
		.wait = a->wait,
		.needed = a->needed,
		.argc = a->argc,
	};
	s->argv = xcalloc((size_t)a->argc + 1, sizeof(*s->argv));
	for (int i = 0; i < a->argc; i++)
		s->argv[i] = xstrdup(a->argv[i]);
	s->command = quote_words(s->argc, s->argv);
	return 0;
}

void boot_free(struct boot *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct boot_start *s = &b->v[i];

		for (int k = 0; k < s->argc; k++)
			free(s->argv[k]);
		free(s->argv);
		free(s->class);
		free(s->place);
		free(s->name);
		free(s->user);
		free(s->cwd);
		free(s->command);
	}
	free(b->v);
	*b = (struct boot){ 0 };
}

int boot_list(struct session_run *s, struct boot *ret, struct err *err)
{
	*ret = (struct boot){ .s = s };
	s->on_exit = boot_ended;
	s->on_exit_ctx = ret;
	/* the layer on disk is as the last run left it: nothing has run yet in this one */
	return autostart_starts(s->box, take_start, ret, err);
}

/* ---- users -------------------------------------------------------------------------------- */

static int open_in_box(const struct session_run *s, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, box_run_rootfd(s->run), path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* uid and gid of a name in the running box's passwd file, which the box may have written */
static bool find_user(const struct session_run *s, const char *name, unsigned *uid, unsigned *gid)
{
	cleanup_close int fd = open_in_box(s, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len = strlen(name);
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	text = xmalloc(PASSWD_MAX + 1);
	n = read_full(fd, text, PASSWD_MAX);
	text[n > 0 ? n : 0] = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char *colon;

		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		colon = strchr(line + len + 1, ':');
		if (colon && sscanf(colon, ":%10u:%10u:", uid, gid) == 2)
			return true;
	}
	return false;
}

/* ---- starting ----------------------------------------------------------------------------- */

/* What env(1) and its assignments stand before. */
static const char *program_of(const struct boot_start *s)
{
	int i = 0;

	if (str_ends(str_z(s->argv[0]), "/env"))
		for (i = 1; i < s->argc && strchr(s->argv[i], '=');)
			i++;
	return i < s->argc ? s->argv[i] : s->argv[0];
}

static void started_event(struct boot *b, const struct boot_start *s)
{
	struct event ev = { .kind = EV_AUTOSTART, .t = UINT64_MAX };

	ev.v[EV_AT(AUTOSTART, OP)] = V_Z("started");
	ev.v[EV_AT(AUTOSTART, CLASS)] = V_Z(s->class);
	ev.v[EV_AT(AUTOSTART, PLACE)] = V_Z(s->place);
	ev.v[EV_AT(AUTOSTART, NAME)] = V_Z(s->name);
	ev.v[EV_AT(AUTOSTART, COMMAND)] = V_Z(s->command);
	ev.v[EV_AT(AUTOSTART, PROGRAM)] = V_Z(program_of(s));
	ev.v[EV_AT(AUTOSTART, TECHNIQUE)] = V_Z(s->technique);
	journal_append(b->s->journal, &ev, NULL, NULL);
}

static int spawn(struct boot *b, struct boot_start *s, struct err *err)
{
	cleanup_free const char **argv = xcalloc((size_t)s->argc + PREFIX_WORDS + 1, sizeof(*argv));
	cleanup_free char *cause = xasprintf("%s %s:%s", s->class, s->place, s->name);
	struct box_program prog = { .argv = argv, .cwd = s->cwd, .stdio = STDIO_NULL };
	unsigned uid = 0, gid = 0;
	struct box_proc proc;
	char ids[2][32];
	int n = 0, rc;

	if (strcmp(s->user, "root")) {
		if (!find_user(b->s, s->user, &uid, &gid))
			return err_set_exit(err, EXIT_NOT_FOUND, 0,
					    "restart: the box has no user '%s'", s->user);
		snprintf(ids[0], sizeof(ids[0]), "--reuid=%u", uid);
		snprintf(ids[1], sizeof(ids[1]), "--regid=%u", gid);
		argv[n++] = "setpriv";
		argv[n++] = ids[0];
		argv[n++] = ids[1];
		argv[n++] = "--init-groups";
		argv[n++] = "--";
	}
	for (int i = 0; i < s->argc; i++)
		argv[n++] = s->argv[i];
	rc = session_spawn(b->s, &prog, cause, &proc, err);
	if (rc)
		return rc;
	s->id = proc.id;
	s->outcome = BOOT_RUNNING;
	started_event(b, s);
	return 0;
}

void boot_ended(void *ctx, int id, int status)
{
	struct boot *b = ctx;

	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].outcome == BOOT_RUNNING && b->v[i].id == id) {
			b->v[i].outcome = BOOT_ENDED;
			b->v[i].status = status;
		}
}

/* The steps of a unit have its name first: "x.service ExecStartPre", "x.service". */
static bool same_unit(const struct boot_start *a, const struct boot_start *b)
{
	size_t n = strcspn(a->name, " ");

	return !strcmp(a->place, b->place) && strcspn(b->name, " ") == n &&
	       !strncmp(a->name, b->name, n);
}

static const struct boot_start *failed_before(const struct boot *b, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct boot_start *s = &b->v[k];

		if (s->needed && !s->skip && same_unit(s, &b->v[i]) &&
		    (s->outcome == BOOT_NOT_STARTED || (s->outcome == BOOT_ENDED && s->status)))
			return s;
	}
	return NULL;
}

int boot_start_all(struct boot *b, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < b->n && rc >= 0; i++) {
		struct boot_start *s = &b->v[i];
		const struct boot_start *failed = failed_before(b, i);
		struct err why = { 0 };
		int status;

		if (s->skip)
			continue;
		if (failed) {
			snprintf(s->why, sizeof(s->why), "not started: '%.200s' failed",
				 failed->name);
			continue;
		}
		if (spawn(b, s, &why)) {
			memcpy(s->why, why.msg, sizeof(s->why));
			continue;
		}
		if (s->wait)
			rc = session_wait_box(b->s, s->id, 0, STEP_NS, &status, err);
	}
	return rc < 0 ? rc : 0;
}
