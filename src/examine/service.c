// SPDX-License-Identifier: Apache-2.0
/*
 * service.c - what a service manager would do for the removal of a package, and what stands against
 * starting services
 *
 * There is no service manager in the box: start_entries() starts what one would. When a package is
 * removed, its script asks the manager to stop the service (Debian policy 9.3.3; dh_installsystemd
 * writes the line, for a running systemd only). Who asks would be obeyed: such a service gets
 * SIGTERM, and SIGKILL a while later, with all that it has started, as systemd ends a unit's
 * control group. Only what was started by an entry that has gone with the removal is stopped, and
 * only where a script asks for it: a program that nobody would stop runs on.
 *
 * A removal can fail because its service runs: the script has another way of stopping it for
 * machines without systemd, and that one does not work for what we have started. Then the services
 * are stopped whose package's script has asked by then, as they would have been before, and the
 * removal is made again.
 *
 * Some machines have a policy that forbids packages to start services (policy-rc.d: images for
 * containers have). It is about the host, and taken out of the box before the install.
 */
#include <ctype.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "examine/inner.h"

#define POLICY	   "/usr/sbin/policy-rc.d"
#define TERM_WAIT  (30 * NSEC_PER_SEC) /* box time between the two signals */
#define STOPS_MAX  64
#define SCRIPT_MAX (1u << 20)

struct stops {
	struct {
		char *place;  /* of the entry */
		char *script; /* that asks */
	} v[STOPS_MAX];
	size_t n;
};

/** struct script - a package's, before its removal */
struct script {
	char *path, *text;
};
struct scripts {
	struct script *v;
	size_t n, cap;
};

int services_allow(struct exam *x, struct err *err)
{
	static const char words[] =
		"# the host's policy about services does not hold in this box\n";
	cleanup_close int fd = -1;
	struct err gone = { 0 };
	int rc;

	if (!session_has(&x->s, POLICY))
		return 0;
	fd = memfd_create("policy", MFD_CLOEXEC);
	if (fd < 0 || write_full(fd, words, sizeof(words) - 1) || fchmod(fd, 0644))
		return err_set(err, errno, "examine: make a memory file");
	rc = mark(x,
		  &(struct mark){ .step = "act",
				  .path = POLICY,
				  .detail = "the host's policy about services does not hold here" },
		  err);
	/* a file that is not executable is no policy (invoke-rc.d(8)) */
	if (!rc && !file_remove(&x->s, POLICY, &gone))
		rc = session_copy_in(&x->s, fd, POLICY, err);
	return rc;
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* A line that names the service and has the word "stop". */
static bool asks(const char *text, const char *service)
{
	size_t n = strlen(service);

	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		struct str l;

		end = strchrnul(line, '\n');
		l = (struct str){ line, (size_t)(end - line) };
		if (n && memmem(l.p, l.n, "stop", 4) && memmem(l.p, l.n, service, n))
			return true;
	}
	return false;
}

static void scripts_free(struct scripts *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->v[i].path);
		free(a->v[i].text);
	}
	free(a->v);
}

static void scripts_read(struct exam *x, const struct state *s, struct scripts *ret)
{
	*ret = (struct scripts){ 0 };
	for (size_t i = 0; i < s->npaths; i++) {
		const struct state_path *p = &s->path[i];
		struct script add = { 0 };
		struct err err = { 0 };
		struct kept_file f;

		if (p->op == CHANGE_REMOVED || p->size > SCRIPT_MAX ||
		    strncmp(p->path, "/var/lib/dpkg/info/", 19) != 0 ||
		    !str_ends(str_z(p->path), ".prerm") || file_take(&x->s, p->path, &f, &err))
			continue;
		add.text = xcalloc(1, f.size + 1);
		if (f.fd >= 0 && f.size <= SCRIPT_MAX && pread(f.fd, add.text, f.size, 0) >= 0)
			add.path = xstrdup(p->path);
		kept_file_free(&f);
		if (!add.path) {
			free(add.text);
			continue;
		}
		ret->v = vec_grow(ret->v, ret->n, &ret->cap, sizeof(*ret->v));
		ret->v[ret->n++] = add;
	}
}

bool is_service(const char *place)
{
	return strstr(place, "/systemd/") || !strncmp(place, "/etc/rc", 7) ||
	       !strncmp(place, "/etc/init.d/", 12);
}

char *service_of(const char *place)
{
	const char *base = strrchr(place, '/') ? strrchr(place, '/') + 1 : place;

	if (!strncmp(place, "/etc/rc", 7) && base[0] == 'S' && isdigit((unsigned char)base[1]) &&
	    isdigit((unsigned char)base[2]))
		base += 3;
	return xstrndup(base, strcspn(base, "@."));
}

/* Return: its number; s->n: none */
static size_t find(const struct stops *s, const char *place)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->v[i].place, place) != 0)
		i++;
	return i;
}

static void take_asked(struct stops *s, const struct scripts *a, const char *place)
{
	cleanup_free char *service = service_of(place);

	if (s->n == STOPS_MAX || find(s, place) < s->n)
		return;
	for (size_t i = 0; i < a->n; i++)
		if (asks(a->v[i].text, service)) {
			s->v[s->n].place = xstrdup(place);
			s->v[s->n++].script = xstrdup(a->v[i].path);
			return;
		}
}

int services_asked(struct exam *x, struct stops **ret, struct err *err)
{
	struct scripts all;
	struct stops *s;
	struct state state;
	int rc = subject_update(x, err);

	if (!rc)
		rc = state_take(x, &state, err);
	if (rc)
		return rc;
	scripts_read(x, &state, &all);
	state_free(&state);
	s = xcalloc(1, sizeof(*s));
	for (size_t i = 0; i < x->subject.n; i++) {
		const struct proc_row *p = &x->subject.v[i];
		const char *entry = p->alive ? proc_entry(&x->subject, p) : NULL;

		if (entry)
			take_asked(s, &all, entry);
	}
	scripts_free(&all);
	*ret = s;
	return 0;
}

void stops_free(struct stops *s)
{
	for (size_t i = 0; s && i < s->n; i++) {
		free(s->v[i].place);
		free(s->v[i].script);
	}
	free(s);
}

static bool has_run(const struct exam *x, const char *script)
{
	for (size_t i = 0; i < x->subject.n; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (p->script && !strcmp(p->script, script))
			return true;
	}
	return false;
}

static bool is_stopped(const struct exam *x, const struct stops *s, enum stop_when when,
		       const struct proc_row *p)
{
	const char *entry = p->alive ? proc_entry(&x->subject, p) : NULL;
	size_t i = entry ? find(s, entry) : s->n;

	return i < s->n &&
	       (when == STOP_GONE ? !session_has(&x->s, entry) : has_run(x, s->v[i].script));
}

/* Return: how many there were; -errno */
static int signal_all(struct exam *x, const struct stops *s, enum stop_when when, int signo,
		      struct err *err)
{
	int rc = subject_update(x, err), n = 0;

	for (size_t i = 0; i < x->subject.n && !rc; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (!is_stopped(x, s, when, p))
			continue;
		n++;
		rc = stop_process(x, p, signo, 0,
				  "stopped as a service manager would, for the package's script "
				  "asks for it",
				  err);
	}
	return rc ? rc : n;
}

int services_stop(struct exam *x, const struct stops *s, enum stop_when when, struct err *err)
{
	int n = s->n ? signal_all(x, s, when, SIGTERM, err) : 0;
	int rc = n;

	if (n <= 0)
		return n;
	rc = watch(x, TERM_WAIT, err);
	if (!rc)
		rc = signal_all(x, s, when, SIGKILL, err);
	return rc < 0 ? rc : n;
}
