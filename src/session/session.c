// SPDX-License-Identifier: Apache-2.0
/*
 * session.c - one run of a box, from open to close
 *
 * Invariant: whatever fails, session_close() ends the box's processes and releases its lock; what
 * was appended to the journal before stays.
 */
#include "session/session.h"
#include "session/taken.h"
#include "session/time.h"

#include <linux/openat2.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "gate/gate.h"

#define DESCRIPTORS_MIN 128 /* files that are open at once */
#define LOOK_MS		250 /* how often a waiting session looks whether the record can be written */

static void append(struct session_run *s, struct event *ev)
{
	ev->t = UINT64_MAX;
	journal_append(s->journal, ev, NULL, NULL);
}

static void mark(struct session_run *s, const char *name, const char *detail)
{
	struct event ev = { .kind = EV_MARK };

	ev.v[EV_AT(MARK, NAME)] = V_Z(name);
	ev.v[EV_AT(MARK, DETAIL)] = V_Z(detail);
	append(s, &ev);
}

int session_open(struct session_run *s, const struct session_opts *o, struct err *err)
{
	int flags = BOX_LOCK, rc;

	memset(s, 0, sizeof(*s));
	s->home.fd = s->home.broker = -1;
	s->net.watch = s->net.pcap = s->net.keylog = -1;
	s->net.word = "off";
	s->reason = "exit";
	s->discard = o->discard;
	rc = o->name ? box_name_check(o->name, err) : 0;
	if (!rc && descriptors_most() < DESCRIPTORS_MIN)
		rc = err_set_exit(err, EXIT_NO_WALL, EMFILE,
				  "session: 'ulimit -Hn' must be %d or more, it is %zu",
				  DESCRIPTORS_MIN, descriptors_most());
	if (!rc)
		rc = box_home_open(&s->home, err);
	if (rc)
		return rc;
	if (!o->name)
		flags |= o->discard ? BOX_ANON | BOX_PASSING : BOX_ANON;
	if (o->create)
		flags |= BOX_CREATE;
	return box_open(&s->home, o->name, flags, &o->box, &s->box, err);
}

static int begin_record(struct session_run *s, const struct session_opts *o, struct err *err)
{
	const struct box_info *info = box_get_info(s->box);
	struct event ev = { .kind = EV_RUN_BEGIN };
	cleanup_free char *limits = NULL;
	char host[200];
	struct utsname u;

	uname(&u);
	snprintf(host, sizeof(host), "%.90s %.90s", u.release, u.machine);
	ev.v[EV_AT(RUN_BEGIN, WALL)] = V_INT(clock_real_ns());
	ev.v[EV_AT(RUN_BEGIN, ARGV)] = V_Z(o->command_line);
	ev.v[EV_AT(RUN_BEGIN, HOST)] = V_Z(host);
	ev.v[EV_AT(RUN_BEGIN, UIDMAP)] = V_Z(info->range ? "range" : "single");
	ev.v[EV_AT(RUN_BEGIN, NET)] = V_Z(s->net.word);
	/* what holds the network is told where it is not the usual */
	limits = xasprintf("%s%s", box_run_limits(s->run),
			   s->net.by == BOX_NET_BY_SLIRP ? ";network=libslirp" : "");
	ev.v[EV_AT(RUN_BEGIN, LIMITS)] = V_Z(limits);
	ev.v[EV_AT(RUN_BEGIN, LAYER)] = V_INT(info->top);
	ev.v[EV_AT(RUN_BEGIN, VERSION)] = V_Z(BELLJAR_VERSION);
	ev.v[EV_AT(RUN_BEGIN, SETUP)] = V_INT(s->setup_ns);
	return journal_run_begin(s->journal, &ev, &s->nr, err);
}

/* What --copy has put into the box is ours, not the program's: the truth at the end leaves it out.
 */
static void mark_copies(struct session_run *s, const struct box_opts *o)
{
	bool user = o->user && !strcmp(o->user, "user");

	for (int i = 0; i < o->nbinds; i++) {
		const struct box_bind *b = &o->bind[i];
		cleanup_free char *home = NULL;

		if (b->how != BIND_COPY)
			continue;
		home = xasprintf("%s%s", user ? "/home/user" : "/root", strrchr(b->src, '/'));
		mark(s, "copied-in", b->dst ? b->dst : home);
	}
}

static int folder(void *box)
{
	return box_dirfd(box);
}

/* With a network the box has an authority, by whose certificates its gate answers. */
static int make_plan(struct session_run *s, const struct session_opts *o, struct err *err)
{
	struct box_opts opts = o->box;
	struct gate_ca ca = { 0 };
	struct box_authority authority;
	int rc = 0;

	opts.net = o->net.off ? BOX_NET_OFF : BOX_NET_GATE;
	opts.net_by = o->net.by;
	/* what nobody will read of need not be recognised */
	opts.clock = o->speed != SPEED_REAL;
	opts.decoys = opts.net != BOX_NET_OFF && !o->discard;
	if (opts.net != BOX_NET_OFF) {
		rc = gate_box_ca(box_dirfd(s->box), o->name ? o->name : "", &ca, err);
		authority = (struct box_authority){ ca.pem, ca.der, ca.der_n, ca.hash };
		opts.authority = &authority;
	}
	if (!rc)
		rc = box_plan_make(s->box, &opts, &s->plan, err);
	gate_ca_clear(&ca);
	return rc;
}

int session_begin(struct session_run *s, const struct session_opts *o, struct err *err)
{
	int rc = session_open(s, o, err);

	return rc ? rc : session_start(s, o, err);
}

/* What belongs to one run; the box and its home stay. */
static void forget_run(struct session_run *s)
{
	box_plan_free(s->plan);
	s->plan = NULL;
	s->net = (struct network){ .watch = -1, .pcap = -1, .keylog = -1, .word = "off" };
	s->reason = "exit";
	s->signal = s->left = 0;
	s->told_pids = s->told_disk = false;
	s->nr = 0;
	s->on_exit = NULL;
	s->nended = 0;
}

int session_start(struct session_run *s, const struct session_opts *o, struct err *err)
{
	cleanup_free char *keys = xasprintf("%s/key", s->home.path);
	struct timespec now;
	int rc;

	forget_run(s);
	/* not ahead of what is written next: the kernel dates files by its ticks */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	s->setup_ns = now.tv_sec * (int64_t)NSEC_PER_SEC + now.tv_nsec;
	/* the recorder's threads allocate little: heaps of their own would be two mappings of 128
	 * MB that are cut and touched for it. A gate has more threads, and more to do */
	if (o->net.off)
		mallopt(M_ARENA_MAX, 1);
	/* the box first: pid 1 is cloned while this process has one thread, and the journal has
	 * a writer of its own */
	rc = make_plan(s, o, err);
	if (!rc)
		rc = box_begin(s->box, s->plan, &s->run, err);
	/* a passing one has no thread and can be made while pid 1 makes the box */
	if (!rc && o->discard)
		rc = journal_open_passing(folder, s->box, &s->journal, err);
	if (!rc)
		rc = session_make_clock(s, o, err);
	if (!rc)
		rc = network_start(&s->net, &o->net, s->box, s->run, s->clock ? &s->lapse : NULL,
				   !o->discard, err);
	if (!rc)
		rc = box_ready(s->run, err);
	if (!rc && !o->discard)
		rc = journal_open(box_dirfd(s->box), keys, &s->journal, err);
	if (!rc)
		journal_set_clock(s->journal, s->clock);
	if (!rc)
		rc = begin_record(s, o, err);
	if (!rc)
		rc = recorder_start(s->journal, s->box, s->run, s->net.uses,
				    s->clock ? &s->lapse : NULL, &s->rec, err);
	if (!rc)
		rc = network_serve(&s->net, s->journal, s->rec, s->nr, err);
	if (!rc && !o->net.off && !o->discard)
		recorder_watch_decoys(s->rec);
	if (!rc && o->mark)
		mark(s, o->mark, NULL);
	if (!rc)
		mark_copies(s, &o->box);
	/* a box without a name has had no run before */
	return !rc && o->name ? taken_return(s, err) : rc;
}

int session_spawn(struct session_run *s, const struct box_program *prog, const char *cause,
		  struct box_proc *ret_proc, struct err *err)
{
	struct box_hooks hooks = recorder_hooks(s->rec, cause);

	return box_spawn(s->run, prog, &hooks, ret_proc, err);
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void limit_event(struct session_run *s, const struct box_event *e)
{
	struct event ev = { .kind = EV_LIMIT };

	s->told_pids |= !strcmp(e->limit, "pids");
	s->told_disk |= !strcmp(e->limit, "disk");
	ev.v[EV_AT(LIMIT, WHAT)] = V_Z(e->limit);
	if (e->value)
		ev.v[EV_AT(LIMIT, VALUE)] = V_INT(e->value);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z(e->mechanism);
	ev.v[EV_AT(LIMIT, DETAIL)] = V_Z(e->fatal ? "the box was ended" : "more was refused");
	append(s, &ev);
}

/* What the recorder has seen of limits that nobody else has told. */
static void recorder_limits(struct session_run *s)
{
	unsigned hits = s->rec ? recorder_hits(s->rec) : 0;
	struct box_event e = { .what = BOX_LIMIT };

	if ((hits & RECORDER_HIT_PIDS) && !s->told_pids) {
		e.limit = "pids";
		e.value = box_run_pids(s->run);
		e.mechanism = "RLIMIT_NPROC";
		limit_event(s, &e);
	}
	if ((hits & RECORDER_HIT_FILE_SIZE) && !s->told_disk) {
		e.limit = "disk";
		e.value = 0;
		e.mechanism = "RLIMIT_FSIZE";
		limit_event(s, &e);
	}
}

static const char *limit_reason(const char *limit)
{
	return !strcmp(limit, "time")	  ? "time-limit"
	       : !strcmp(limit, "memory") ? "memory-limit"
					  : "disk-limit";
}

/* What one happening means: 1 the program has ended, -ECANCELED the box must end, 0 go on */
static int happened(struct session_run *s, const struct box_event *e, int id, pid_t pid,
		    int *ret_status)
{
	switch (e->what) {
	case BOX_PROGRAM_EXIT:
		if (s->on_exit)
			s->on_exit(s->on_exit_ctx, e->id, e->status);
		if (e->id != id) {
			s->ended[s->nended % SESSION_ENDED].id = e->id;
			s->ended[s->nended++ % SESSION_ENDED].status = e->status;
			return 0;
		}
		*ret_status = e->status;
		return 1;
	case BOX_LIMIT:
		limit_event(s, e);
		if (!e->fatal)
			return 0;
		s->reason = limit_reason(e->limit);
		return -ECANCELED;
	case BOX_SIGNAL:
		s->reason = "interrupted";
		if (s->signal || pid <= 0) {
			s->signal = e->status;
			return -ECANCELED;
		}
		s->signal = e->status;
		kill(pid, e->status);
		return 0;
	case BOX_DEAD:
		s->reason = "interrupted";
		return -ECANCELED;
	}
	return 0;
}

/* Has it ended while somebody waited for another one? */
static bool has_ended(const struct session_run *s, int id, int *ret_status)
{
	for (unsigned i = 0; id > 0 && i < s->nended && i < SESSION_ENDED; i++)
		if (s->ended[i].id == id) {
			*ret_status = s->ended[i].status;
			return true;
		}
	return false;
}

int session_wait_a_little(struct session_run *s, int id, pid_t pid, int ms, int *ret_status,
			  struct err *err)
{
	struct box_event e = { 0 };
	int rc;

	if (has_ended(s, id, ret_status))
		return 1;
	rc = box_wait(s->run, ms > LOOK_MS ? LOOK_MS : ms, &e, err);
	if (rc > 0)
		rc = happened(s, &e, id, pid, ret_status);
	if (rc)
		return rc;
	if (!network_look(&s->net)) {
		s->reason = "gate-failed";
		return -ECANCELED;
	}
	if (recorder_failed(s->rec)) {
		s->reason = "record-failed";
		return -ECANCELED;
	}
	return 0;
}

/* ---- files into the box ------------------------------------------------------------------- */

static int open_in(const struct session_run *s, const char *path, uint64_t flags, uint64_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.mode = mode,
				.resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, box_run_rootfd(s->run), path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

bool session_has(const struct session_run *s, const char *path)
{
	int fd = open_in(s, path, O_PATH, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int make_parents(const struct session_run *s, const char *path)
{
	cleanup_free char *p = xstrdup(path);

	for (char *at = strchr(p + 1, '/'); at; at = strchr(at + 1, '/')) {
		cleanup_close int parent = -1;
		char *name;

		*at = 0;
		if (!session_has(s, p)) {
			name = strrchr(p, '/');
			*name = 0;
			parent = open_in(s, p[0] ? p : "/", O_PATH | O_DIRECTORY, 0);
			*name = '/';
			if (parent < 0)
				return parent;
			if (mkdirat(parent, name + 1, 0755) && errno != EEXIST)
				return -errno;
		}
		*at = '/';
	}
	return 0;
}

int session_copy_in(struct session_run *s, int fd, const char *path, struct err *err)
{
	cleanup_close int out = -1;
	char block[65536];
	struct stat st;
	ssize_t n;
	int rc;

	rc = make_parents(s, path);
	if (rc)
		return err_set(err, rc, "run: make the folders of '%s' in the box", path);
	if (fstat(fd, &st))
		return err_set(err, errno, "run: look at '%s'", path);
	out = open_in(s, path, O_WRONLY | O_CREAT | O_EXCL, st.st_mode & 0777);
	if (out < 0)
		return err_set(err, out, "run: make '%s' in the box", path);
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, block, sizeof(block))) > 0) {
		rc = write_full(out, block, (size_t)n);
		if (rc)
			return err_set(err, rc, "run: copy '%s' into the box", path);
	}
	if (n < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "run: read '%s'", path);
	fchmod(out, st.st_mode & 0777);
	mark(s, "copied-in", path);
	return 0;
}

int session_make_folder(struct session_run *s, const char *path, struct err *err)
{
	cleanup_free char *in = xasprintf("%s/", path);
	int rc;

	if (session_has(s, path))
		return 0;
	rc = make_parents(s, in);
	if (rc)
		return err_set(err, rc, "run: make '%s' in the box", path);
	mark(s, "copied-in", path);
	return 0;
}

/* ---- end ---------------------------------------------------------------------------------- */

static void end_event(struct session_run *s, int status)
{
	struct event ev = { .kind = EV_RUN_END };

	ev.v[EV_AT(RUN_END, WALL)] = V_INT(clock_real_ns());
	if (status >= 0 && WIFEXITED(status))
		ev.v[EV_AT(RUN_END, STATUS)] = V_INT(WEXITSTATUS(status));
	if (status >= 0 && WIFSIGNALED(status))
		ev.v[EV_AT(RUN_END, SIGNAL)] = V_INT(WTERMSIG(status));
	ev.v[EV_AT(RUN_END, REASON)] = V_Z(s->reason);
	ev.v[EV_AT(RUN_END, LEFT)] = V_INT(s->left);
	append(s, &ev);
}

int session_end(struct session_run *s, int status, struct err *err)
{
	struct err first = { 0 }, more = { 0 }, *e = &first; /* the first failure is told */
	int n;

	if (s->run) {
		if (s->journal && s->nr)
			mark(s, "end", "what still runs is ended with the box");
		if (s->journal && s->nr)
			recorder_limits(s);
		n = box_kill(s->run, e);
		s->left = n > 0 ? n : 0;
	}
	network_stop(&s->net);
	if (s->rec) {
		recorder_stop(s->rec, first.code ? &more : e);
		s->rec = NULL;
	}
	network_free(&s->net);
	if (s->run && s->journal && s->nr && !s->discard) {
		truth_record(s->box, s->run, s->journal, s->nr, first.code ? &more : e);
		end_event(s, status);
	}
	box_end(s->run);
	s->run = NULL;
	if (s->discard)
		journal_discard(s->journal);
	else
		journal_close(s->journal, first.code ? &more : e);
	s->journal = NULL;
	if (first.code)
		*err = first;
	return -first.code;
}

void session_close(struct session_run *s)
{
	struct err ignored = { 0 };

	if (s->run || s->journal || s->rec || s->net.gate)
		session_end(s, -1, &ignored);
	session_drop_clock(s);
	box_plan_free(s->plan);
	box_close(s->box);
	if (s->home.fd >= 0)
		box_home_close(&s->home);
	memset(s, 0, sizeof(*s));
	s->home.fd = s->home.broker = -1;
}

char *quote_words(int n, char *const *words)
{
	struct buf b = { 0 };

	for (int i = 0; i < n; i++) {
		if (i)
			buf_puts(&b, " ");
		buf_quote(&b, words[i], strlen(words[i]));
	}
	return buf_z(&b);
}
