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
 * Some machines have a policy that forbids packages to start services (policy-rc.d: images for
 * containers have). It is about the host, and taken out of the box before the install.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "examine/inner.h"

#define POLICY	   "/usr/sbin/policy-rc.d"
#define TERM_WAIT  (30 * NSEC_PER_SEC) /* box time between the two signals */
#define STOPS_MAX  64
#define SCRIPT_MAX (1u << 20)

struct stops {
	char *place[STOPS_MAX]; /* of the entry */
	size_t n;
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
	if (!rc && !file_remove(x, POLICY, &gone))
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

/* Packages' scripts, as one text. */
static char *scripts(struct exam *x, const struct state *s)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->npaths; i++) {
		const struct state_path *p = &s->path[i];
		cleanup_free char *text = NULL;
		struct err err = { 0 };
		struct kept_file f;

		if (p->op == CHANGE_REMOVED || p->size > SCRIPT_MAX ||
		    strncmp(p->path, "/var/lib/dpkg/info/", 19) != 0 ||
		    !str_ends(str_z(p->path), ".prerm") || file_take(x, p->path, &f, &err))
			continue;
		text = xcalloc(1, f.size + 1);
		if (f.fd >= 0 && f.size <= SCRIPT_MAX && pread(f.fd, text, f.size, 0) >= 0)
			buf_printf(&b, "%s\n", text);
		kept_file_free(&f);
	}
	return b.n ? buf_z(&b) : NULL;
}

/* "/usr/lib/systemd/system/cups@.service" → "cups" */
static char *service_of(const char *place)
{
	const char *base = strrchr(place, '/') ? strrchr(place, '/') + 1 : place;

	return xstrndup(base, strcspn(base, "@."));
}

static bool known(const struct stops *s, const char *place)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->place[i], place))
			return true;
	return false;
}

int services_asked(struct exam *x, struct stops **ret, struct err *err)
{
	cleanup_free char *text = NULL;
	struct stops *s;
	struct state state;
	int rc = subject_update(x, err);

	if (!rc)
		rc = state_take(x, &state, err);
	if (rc)
		return rc;
	text = scripts(x, &state);
	state_free(&state);
	s = xcalloc(1, sizeof(*s));
	for (size_t i = 0; text && i < x->subject.n && s->n < STOPS_MAX; i++) {
		const struct proc_row *p = &x->subject.v[i];
		cleanup_free char *service = p->alive && p->entry ? service_of(p->entry) : NULL;

		if (service && !known(s, p->entry) && asks(text, service))
			s->place[s->n++] = xstrdup(p->entry);
	}
	*ret = s;
	return 0;
}

void stops_free(struct stops *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		free(s->place[i]);
	free(s);
}

/* Is it one of an entry that is to be stopped, or does it come from one? */
static bool is_stopped(const struct exam *x, const struct stops *s, const struct proc_row *p)
{
	for (int depth = 0; p && depth < 64; depth++) {
		if (p->entry)
			return known(s, p->entry) && !session_has(&x->s, p->entry);
		p = subject_get(&x->subject, p->parent);
	}
	return false;
}

/* Return: how many there were; -errno */
static int signal_all(struct exam *x, const struct stops *s, int signo, struct err *err)
{
	int rc = subject_update(x, err), n = 0;

	for (size_t i = 0; i < x->subject.n && !rc; i++) {
		const struct proc_row *p = &x->subject.v[i];

		if (!p->alive || !is_stopped(x, s, p))
			continue;
		n++;
		if (signo == SIGTERM)
			rc = mark(x,
				  &(struct mark){ .step = "act",
						  .target = p->key,
						  .path = proc_file(p),
						  .detail =
							  "stopped as a service manager would, for "
							  "the package's script asks for it" },
				  err);
		if (!rc)
			rc = signal_key(x, p->key, signo, err);
		if (rc == -ESRCH)
			rc = 0;
	}
	return rc ? rc : n;
}

int services_stop(struct exam *x, struct stops *s, struct err *err)
{
	int rc = s->n ? signal_all(x, s, SIGTERM, err) : 0;

	if (rc <= 0)
		return rc;
	rc = watch(x, TERM_WAIT, err);
	if (!rc)
		rc = signal_all(x, s, SIGKILL, err);
	return rc < 0 ? rc : 0;
}
